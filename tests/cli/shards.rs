//! Campaigns on several machines: shards, and one campaign of them.

use crate::support::{Bench, certify, committed};
use std::fs;

const HOW: &str = "--eps 0.15 --jobs 2 --quiet";

/// A bench with a campaign in one piece and in four.
fn sharded(rows: usize, how: &str) -> Bench {
    let bench = Bench::new(rows);
    bench.certify(&format!("{how} --out whole")).exits(0);
    for number in 1..=4 {
        bench.certify(&format!("{how} --shard {number}/4 --out s{number}")).exits(0);
    }
    bench
}

/// The names and contents of the files below a folder that are no report and no journal.
fn evidence(bench: &Bench, dir: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for inner in ["counterexamples", "proofs"] {
        let Ok(entries) = fs::read_dir(bench.path(dir).join(inner)) else { continue };
        for entry in entries {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            found.push((format!("{inner}/{name}"), fs::read(file).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn merged_shards_are_the_campaign_in_one_piece() {
    let bench = sharded(50, HOW);
    // In whatever order they are named.
    bench.run("merge s3 s1 s4 s2 --out merged").exits(0);
    assert_eq!(bench.comparable("merged"), bench.comparable("whole"));
    assert_eq!(evidence(&bench, "merged"), evidence(&bench, "whole"));
    assert!(!evidence(&bench, "merged").is_empty());
    let report = bench.report("s2");
    assert_eq!(report["settings"]["shard"]["number"], 2);
    let indices: Vec<u64> = report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indices, (1..50).step_by(4).collect::<Vec<u64>>());
    // What was merged is a campaign like any other.
    let ran = bench.certify(&format!("{HOW} --out merged --resume")).exits(0);
    assert!(ran.stdout.contains("earlier"), "{}", ran.stdout);
    assert_eq!(bench.comparable("merged"), bench.comparable("whole"));
    let again = bench.run("merge s3 s1 s4 s2 --out merged").exits(73);
    assert!(again.stderr.contains("--overwrite"), "{}", again.stderr);
    bench.run("merge s3 s1 s4 s2 --out merged --overwrite --json").exits(0);
}

#[test]
fn more_shards_than_inputs_and_a_limit() {
    let bench = Bench::new(9);
    let how = format!("{HOW} --limit 3");
    bench.certify(&format!("{how} --out whole")).exits(0);
    for number in 1..=5 {
        bench.certify(&format!("{how} --shard {number}/5 --out s{number}")).exits(0);
    }
    bench.run("merge s1 s2 s3 s4 s5 --out merged").exits(0);
    assert_eq!(bench.comparable("merged"), bench.comparable("whole"));
}

#[test]
fn attacks_are_sharded_too() {
    let bench = Bench::new(12);
    let attack = "attack net.nnet --data data.csv --eps 0.2 --attack pgd,fgsm --quiet";
    bench.run(&format!("{attack} --out whole")).exits(0);
    for number in 1..=2 {
        bench.run(&format!("{attack} --shard {number}/2 --out s{number}")).exits(0);
    }
    bench.run("merge s1 s2 --out merged").exits(0);
    assert_eq!(bench.comparable("merged"), bench.comparable("whole"));
}

#[test]
fn what_is_no_campaign_in_pieces_is_refused() {
    let bench = sharded(20, HOW);
    let refused = |arguments: &str, code: i32, words: &str| {
        let ran = bench.run(&format!("merge {arguments} --out merged")).exits(code);
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
        assert_eq!(ran.stderr.trim().lines().count(), 1, "{}", ran.stderr);
        assert!(!bench.path("merged/report.json").exists(), "{arguments}");
    };
    refused("s1 s2 s4", 66, "shards are missing: 3/4");
    refused("s1 s2 s3 s4 s2", 65, "both shard 2/4");
    refused("s1 s2 s3 whole", 65, "whole: a whole campaign and no shard");
    refused("s1 s2 s3 nowhere", 66, "nowhere: no report.json");
    bench.certify(&format!("{HOW} --seed 1 --shard 4/4 --out other")).exits(0);
    refused("s1 s2 s3 other", 65, "its 'settings.seed' is 1");
    bench.certify(&format!("{HOW} --shard 4/5 --out fifth")).exits(0);
    refused("s1 s2 s3 fifth", 65, "its 'settings.shard.of' is 5");
    let report = bench.text("s4/report.json");
    let mut lines: Vec<&str> = report.lines().collect();
    let row = lines.iter().position(|line| line.contains("\"index\":7,")).unwrap();
    lines.remove(row);
    bench.write("s4/report.json", &lines.join("\n"));
    refused("s1 s2 s3 s4", 65, "input 7 is lacking");
    bench.write("s4/report.json", &report);
    let broken = evidence(&bench, "s1").into_iter().next().unwrap().0;
    bench.write(&format!("s1/{broken}"), "sat\n((X_0 0.5))\n");
    refused("s1 s2 s3 s4", 65, "it is not the file that the report names");
}

#[test]
fn a_shard_is_a_number_out_of_others_and_keeps_to_its_folder() {
    let bench = Bench::new(8);
    for wrong in ["0/4", "5/4", "4", "a/b", "1/0"] {
        let ran = bench.certify(&format!("{HOW} --shard {wrong}")).exits(64);
        assert!(ran.stderr.contains("a shard is K/N"), "{}", ran.stderr);
    }
    bench.certify(&format!("{HOW} --shard 1/2 --out out")).exits(0);
    let ran = bench.certify(&format!("{HOW} --shard 2/2 --out out --resume")).exits(65);
    assert!(ran.stderr.contains("settings.shard.number"), "{}", ran.stderr);
    assert!(certify(HOW).starts_with("certify"));
}

#[test]
fn proofs_of_shards_are_those_of_the_whole() {
    let bench = Bench::new(1);
    let folder = committed("models/mnist");
    let folder = folder.display();
    let how = format!(
        "certify {folder}/mlp_cert.onnx --data {folder}/test.npz --eps 0.1 --limit 6 --proofs --quiet"
    );
    bench.run(&format!("{how} --out whole")).exits(0);
    for number in 1..=2 {
        bench.run(&format!("{how} --shard {number}/2 --out s{number}")).exits(0);
    }
    bench.run("merge s1 s2 --out merged").exits(0);
    assert_eq!(bench.comparable("merged"), bench.comparable("whole"));
    assert_eq!(evidence(&bench, "merged"), evidence(&bench, "whole"));
    bench.run("check merged --quiet").exits(0);
}
