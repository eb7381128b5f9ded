//! `certus bench` and the scripts of the competition.

use crate::support::{Bench, Ran, committed};
use std::process::Command;

const NET: &str = "nets/mlp_plain.onnx";
const HOLDS: &str = "leaning_right_pushes_left.vnnlib";
const FAILS: &str = "torque_stays_small.vnnlib";

/// A folder `set` with the committed controller, its properties, and an instances.csv of these lines.
fn set(lines: &[String]) -> Bench {
    let bench = Bench::new(1);
    std::fs::create_dir_all(bench.path("set/nets")).unwrap();
    for (from, to) in [("mlp_plain.onnx", NET), (HOLDS, HOLDS), (FAILS, FAILS)] {
        let from = committed("models/control").join(from);
        std::fs::copy(from, bench.path("set").join(to)).unwrap();
    }
    bench.write("set/instances.csv", &(lines.join("\n") + "\n"));
    bench
}

fn rows(bench: &Bench) -> Vec<Vec<String>> {
    let text = bench.text("results.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = "onnx,vnnlib,expected,verdict,seconds,cpu_seconds,stage,domains,bound,peak_mb,\
                  proof_bytes,search_cpu_seconds,read_cpu_seconds,write_cpu_seconds,check_cpu_seconds";
    assert_eq!(text.lines().next(), Some(header));
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn a_set_with_its_expected_verdicts() {
    let bench = set(&[
        format!("{NET},{HOLDS},20,unsat"),
        format!("{NET},{FAILS},20,sat"),
        format!("{NET},absent.vnnlib,20,unknown"),
    ]);
    let ran = bench.run("bench set/instances.csv --out results.csv").exits(0);
    for word in ["solved 2 of 3", "no contradiction", "unsat", "error", "median"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    assert!(ran.stderr.contains("absent.vnnlib: no such file"), "{}", ran.stderr);
    let rows = rows(&bench);
    let verdicts: Vec<&str> = rows.iter().map(|row| row[3].as_str()).collect();
    assert_eq!(verdicts, ["unsat", "sat", "error"]);
    assert_eq!(rows[0][..3], [NET, HOLDS, "unsat"]);
    for row in &rows {
        let seconds: f64 = row[4].parse().unwrap();
        assert!(seconds > 0.0 && seconds < 20.0, "{row:?}");
        if cfg!(target_os = "linux") {
            let cpu: f64 = row[5].parse().unwrap();
            assert!((0.0..40.0).contains(&cpu), "{row:?}");
        }
    }
    assert!(rows[0][8].parse::<f64>().unwrap() > 0.0);
    assert!(!cfg!(target_os = "linux") || rows[0][9].parse::<f64>().unwrap() > 1.0);
}

#[test]
fn a_contradiction_is_an_error() {
    let bench = set(&[format!("{NET},{HOLDS},20,sat"), format!("{NET},{FAILS},20,sat")]);
    let ran = bench.run("bench set/instances.csv --out results.csv --jobs 2").exits(70);
    assert!(ran.stdout.contains("CONTRADICTION: sat expected, got unsat"), "{}", ran.stdout);
    assert!(ran.stderr.contains("results.csv: 1 verdict contradicts"), "{}", ran.stderr);
    assert_eq!(rows(&bench).len(), 2);
    // It is one when nothing is left to run, too, and none once the mistake is corrected.
    let before = bench.text("results.csv");
    bench.run("bench set/instances.csv --out results.csv --resume").exits(70);
    assert_eq!(bench.text("results.csv"), before);
    let list = bench.text("set/instances.csv").replacen("sat", "unsat", 1);
    bench.write("set/instances.csv", &list);
    bench.run("bench set/instances.csv --out results.csv --resume").exits(0);
}

#[test]
fn resume_runs_what_is_missing() {
    let bench = set(&[format!("{NET},{HOLDS},20"), format!("{NET},{FAILS},20")]);
    bench.run("bench set/instances.csv --out results.csv --filter leaning").exits(0);
    assert_eq!(rows(&bench).len(), 1);
    let refused = bench.run("bench set/instances.csv --out results.csv").exits(73);
    assert!(refused.stderr.contains("--resume"), "{}", refused.stderr);
    let first = bench.text("results.csv");
    // A line that was not finished does not count.
    bench.write("results.csv", &format!("{first}{NET},{FAILS},,sa"));
    let ran = bench.run("bench set/instances.csv --out results.csv --resume").exits(0);
    assert!(ran.stdout.contains("solved 2 of 2"), "{}", ran.stdout);
    let both = bench.text("results.csv");
    assert!(both.starts_with(&first), "{both}");
    assert_eq!(rows(&bench)[1][..4], [NET, FAILS, "", "sat"]);
    bench.run("bench set/instances.csv --out results.csv --resume").exits(0);
    assert_eq!(bench.text("results.csv"), both);
    bench.run("bench set/instances.csv --out results.csv --overwrite").exits(0);
    assert_eq!(rows(&bench).len(), 2);
}

#[test]
fn time_limits_are_capped() {
    let bench = set(&[format!("{NET},{HOLDS},20")]);
    bench.run("bench set/instances.csv --out results.csv --timeout-cap 1e-9").exits(0);
    assert_eq!(rows(&bench)[0][3], "timeout");
}

#[test]
fn lists_that_make_no_sense() {
    let bench = set(&[format!("{NET},{HOLDS},20,perhaps")]);
    for (arguments, code, word) in [
        ("bench set/instances.csv --out r.csv", 65, "perhaps"),
        ("bench set/instances.csv", 64, "--out"),
        ("bench absent.csv --out r.csv", 66, "absent.csv"),
        ("bench set/instances.csv --out r.csv --filter (", 64, "--filter"),
    ] {
        let ran = bench.run(arguments).exits(code);
        assert!(ran.stderr.starts_with("certus: ") && ran.stderr.contains(word), "{}", ran.stderr);
    }
    bench.write("set/instances.csv", &format!("{NET},{HOLDS},soon\n"));
    let ran = bench.run("bench set/instances.csv --out r.csv").exits(65);
    assert!(ran.stderr.contains("row 1") && ran.stderr.contains("soon"), "{}", ran.stderr);
    bench.write("set/instances.csv", &format!("{NET},{HOLDS},20\n"));
    bench.run("bench set/instances.csv --out r.csv --filter nothing").exits(64);
    bench.run("bench set/instances.csv --out absent/r.csv").exits(73);
}

#[cfg(unix)]
#[test]
fn the_scripts_of_the_competition() {
    let bench = set(&[]);
    let script = |name: &str, arguments: &str| {
        let run = Command::new(committed("vnncomp").join(name))
            .current_dir(bench.path("set"))
            .env("CERTUS", env!("CARGO_BIN_EXE_certus"))
            .args(arguments.split_whitespace())
            .output();
        Ran::from(run.unwrap())
    };
    script("prepare_instance.sh", &format!("v1 control {NET} {HOLDS}")).exits(0);
    script("prepare_instance.sh", &format!("v1 control {NET} absent.vnnlib")).exits(1);
    script("run_instance.sh", &format!("v1 control {NET} {HOLDS} out.txt 20")).exits(0);
    assert_eq!(bench.text("set/out.txt"), "unsat\n");
    script("run_instance.sh", &format!("v1 control {NET} {FAILS} out.txt 20")).exits(0);
    let text = bench.text("set/out.txt");
    assert!(text.starts_with("sat\n((X_0 ") && text.ends_with("))\n"), "{text}");
    script("run_instance.sh", &format!("v1 control {NET} absent.vnnlib out.txt 20")).exits(66);
    assert_eq!(bench.text("set/out.txt"), "error\n");
    for name in ["install_tool.sh", "prepare_instance.sh", "run_instance.sh"] {
        script(name, "v2").exits(1);
    }
}
