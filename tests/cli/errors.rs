//! Bad input of every kind: the documented exit code, and one sentence that names the culprit.

use crate::support::{Bench, Ran, certify, committed};
use std::process::Command;

/// Runs, and asserts the code and a message of one line with the given words.
#[track_caller]
fn fails(bench: &Bench, arguments: &str, code: i32, words: &[&str]) {
    refused(&bench.run(arguments).exits(code), words);
}

#[track_caller]
fn refused(ran: &Ran, words: &[&str]) {
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    said(ran, words);
}

/// As [`refused`], after the head was printed.
#[track_caller]
fn said(ran: &Ran, words: &[&str]) {
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "one sentence: {}", ran.stderr);
    assert!(lines[0].starts_with("certus: "), "{}", ran.stderr);
    for word in words {
        assert!(lines[0].contains(word), "'{word}' is missing: {}", ran.stderr);
    }
}

fn on(model: &str, data: &str) -> String {
    format!("certify {model} --data {data} --label-column label --eps 0.1")
}

#[test]
fn command_lines_that_make_no_sense() {
    let bench = Bench::new(5);
    let base = certify("");
    for (arguments, words) in [
        (String::new(), vec!["--help"]),
        ("certifi net.nnet".to_owned(), vec!["certifi"]),
        ("certify".to_owned(), vec!["--data", "--eps"]),
        (base.clone(), vec!["--eps"]),
        (format!("{base} --eps"), vec!["--eps"]),
        (format!("{base} --eps much"), vec!["much", "8/255"]),
        (format!("{base} --eps -0.1"), vec!["negative"]),
        (format!("{base} --eps 1/0"), vec!["zero denominator"]),
        (format!("{base} --eps nan"), vec!["nan"]),
        (format!("{base} --eps 0.1 --method magic"), vec!["magic", "crown"]),
        (format!("{base} --eps 0.1 --attack magic"), vec!["magic", "pgd", "apgd-dlr", "square"]),
        (format!("{base} --eps 0.1 --attack pgd,"), vec!["is no attack"]),
        (format!("{base} --eps 0.1 --attack pgd,none"), vec!["pgd and none at once"]),
        (format!("{base} --eps 0.1 --attack none --queries 3"), vec!["--attack none"]),
        (format!("{base} --eps 0.1 --attack none --steps 3"), vec!["--attack none"]),
        (format!("{base} --eps 0.1 --jobs 0"), vec!["--jobs"]),
        (format!("{base} --eps 0.1 --limit 0"), vec!["--limit"]),
        (format!("{base} --eps 0.1 --timeout 0"), vec!["time limit"]),
        (format!("{base} --eps 0.1 --timeout inf"), vec!["time limit"]),
        (format!("{base} --eps 0.1 --seed -1"), vec!["-1"]),
        (format!("{base} --eps 0.1 --require-certified 90"), vec!["between 0 and 1"]),
        (format!("{base} --eps 0.1 --resume"), vec!["--out"]),
        (format!("{base} --eps 0.1 --out o --resume --overwrite"), vec!["--overwrite"]),
        (format!("{base} --eps 0.1,0.2"), vec!["0.1,0.2"]),
        (format!("{base} --eps 0.1 --domain 1,0"), vec!["domain"]),
        (format!("{base} --eps 0.1 --scale 0"), vec!["scale"]),
        (format!("{base} --eps 0.1 --std 1,0"), vec!["std"]),
        (format!("{base} --eps 0.1 --verbosity 3"), vec!["--verbosity", "did you mean --verbose"]),
    ] {
        fails(&bench, &arguments, 64, &words);
    }
    let attack = "attack net.nnet --data data.csv --label-column label --eps 0.1 --attack none";
    fails(&bench, attack, 64, &["needs an attack"]);
    let norm = "attack net.nnet --data data.csv --label-column label --eps 0.1 --norm l3";
    fails(&bench, norm, 64, &["l3", "linf and l2"]);
}

#[test]
fn missing_files() {
    let bench = Bench::new(5);
    fails(&bench, &on("absent.onnx", "data.csv"), 66, &["absent.onnx", "no such file"]);
    fails(&bench, &on("net.nnet", "absent.csv"), 66, &["absent.csv", "no such file"]);
    fails(&bench, "inspect absent.nnet", 66, &["absent.nnet"]);
    std::fs::create_dir(bench.path("folder.nnet")).unwrap();
    fails(&bench, "inspect folder.nnet", 66, &["folder.nnet"]);
}

#[test]
fn models_that_are_none() {
    let bench = Bench::new(5);
    let net = bench.text("net.nnet");
    bench.write("empty.nnet", "");
    bench.write("short.nnet", &net[..net.len() / 2]);
    bench.write("words.nnet", &net.replacen("4,12,3,", "4,twelve,3,", 1));
    let weight = net.lines().nth(8).unwrap();
    let first = weight.split(',').next().unwrap();
    bench.write("nan.nnet", &net.replacen(weight, &weight.replacen(first, "nan", 1), 1));
    bench.write("inf.nnet", &net.replacen(weight, &weight.replacen(first, "1e999", 1), 1));
    bench.write("empty.onnx", "");
    bench.write("text.onnx", "this is no protobuf message, whatever its name says");
    bench.write("torn.onnx.gz", "\u{1f}");
    for model in [
        "empty.nnet",
        "short.nnet",
        "words.nnet",
        "nan.nnet",
        "inf.nnet",
        "empty.onnx",
        "text.onnx",
    ] {
        fails(&bench, &on(model, "data.csv"), 65, &[model]);
        fails(&bench, &format!("inspect {model}"), 65, &[model]);
    }
    let onnx = std::fs::read(committed("models/mnist/mlp_plain.onnx")).unwrap();
    for (name, length) in [("half.onnx", onnx.len() / 2), ("most.onnx", onnx.len() - 1)] {
        std::fs::write(bench.path(name), &onnx[..length]).unwrap();
        fails(&bench, &format!("inspect {name}"), 65, &[name]);
    }
    std::fs::write(bench.path("torn.onnx.gz"), [0x1f, 0x8b, 8, 0, 0]).unwrap();
    fails(&bench, "inspect torn.onnx.gz", 65, &["torn.onnx.gz", "gzip"]);
}

#[test]
fn data_that_do_not_fit() {
    let bench = Bench::new(5);
    let data = bench.text("data.csv");
    let swap = |from: &str, to: &str| data.replacen(from, to, 1);
    let first = data.lines().nth(1).unwrap().to_owned();
    let (features, label) = first.rsplit_once(',').unwrap();
    for (name, text, words) in [
        ("empty.csv", String::new(), vec![]),
        ("header.csv", "a,b,c,d,label\n".to_owned(), vec![]),
        ("narrow.csv", "a,b,c,label\n1,2,0.5,0\n".to_owned(), vec!["3", "4"]),
        ("ragged.csv", swap(&first, &format!("1,{first}")), vec![]),
        ("class.csv", swap(&first, &format!("{features},3")), vec!["3"]),
        ("negative.csv", swap(&first, &format!("{features},-1")), vec!["-1"]),
        ("half.csv", swap(&first, &format!("{features},0.5")), vec!["0.5"]),
        ("nan.csv", swap(&first, &format!("nan,0,0,0,{label}")), vec!["nan"]),
        ("word.csv", swap(&first, &format!("lots,0,0,0,{label}")), vec!["lots"]),
        ("column.csv", swap("label", "class"), vec!["label"]),
        ("binary.npz", "PK no zip".to_owned(), vec![]),
    ] {
        bench.write(name, &text);
        let words: Vec<&str> = words.into_iter().chain([name]).collect();
        fails(&bench, &on("net.nnet", name), 65, &words);
    }
    let radii = certify("--eps 0.1 --eps-per-feature 1,2");
    fails(&bench, &radii, 65, &["data.csv", "eps_per_feature", "2", "4"]);
    let outside = certify("--eps 0.1 --domain 5,6");
    fails(&bench, &outside, 65, &["data.csv", "input 0"]);
}

#[test]
fn folders_that_cannot_be_written() {
    let bench = Bench::new(40);
    bench.write("file", "");
    fails(&bench, &certify("--eps 0.1 --out file"), 73, &["file", "cannot be created"]);
    fails(&bench, &certify("--eps 0.1 --out file/below"), 73, &["file/below"]);
    fails(&bench, &certify("--eps 0.1 --out /proc/certus"), 73, &["/proc/certus"]);
    std::fs::create_dir_all(bench.path("taken/journal.jsonl")).unwrap();
    fails(&bench, &certify("--eps 0.1 --out taken --resume"), 73, &["taken/journal.jsonl"]);
}

/// A file-size limit stands in for a full disk: a write in the middle of the campaign fails.
#[cfg(unix)]
#[test]
fn a_full_disk_keeps_what_was_written() {
    let bench = Bench::new(60);
    let program = env!("CARGO_BIN_EXE_certus");
    let arguments = certify("--eps 0.1 --out out");
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {program} {arguments}");
    let run = Command::new("sh").args(["-c", &script]).current_dir(bench.dir.path()).output();
    let ran = Ran::from(run.unwrap()).exits(74);
    said(&ran, &["out/journal.jsonl", "cannot be written"]);
    bench.certify("--eps 0.1 --out out --resume").exits(0);
    bench.certify("--eps 0.1 --out whole").exits(0);
    assert_eq!(bench.comparable("out"), bench.comparable("whole"));
}

#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_is_full_or_closed() {
    let bench = Bench::new(5);
    let program = env!("CARGO_BIN_EXE_certus");
    let shell = |tail: &str| {
        let script = format!("{program} {} {tail}", certify("--eps 0.1"));
        let run = Command::new("sh").args(["-c", &script]).current_dir(bench.dir.path()).output();
        Ran::from(run.unwrap())
    };
    refused(&shell("> /dev/full").exits(74), &["standard output"]);
    assert_eq!(shell("| true").exits(0).stderr, "");
}
