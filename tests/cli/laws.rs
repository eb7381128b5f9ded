//! selftest, fuzz, its replays and comparisons, shrink.

use crate::support::Bench;
use serde_json::Value;

#[test]
fn a_selftest_says_what_was_checked() {
    let bench = Bench::new(1);
    let ran = bench
        .run("selftest --minutes 0.05 --jobs 1 --law edge,readers,known --out st --quiet")
        .exits(0);
    for word in
        ["edge", "readers", "known", "comparisons", "sha-256", "seeds from 0", "all laws held"]
    {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    assert_eq!(bench.text("st/summary.txt"), ran.stdout);
    let json: Value = serde_json::from_str(&bench.text("st/summary.json")).unwrap();
    let laws = json["laws"].as_array().unwrap();
    assert!(laws.iter().all(|law| law["cases"].as_u64() > Some(0)), "{json}");
    assert_eq!((&json["holds"], laws.len()), (&true.into(), 3));
    let wrong = bench.run("selftest --law nothing").exits(64).stderr;
    assert!(wrong.contains("'nothing' is no law") && wrong.contains("graphs"), "{wrong}");
}

#[test]
fn a_models_own_laws_hold_and_missing_data_are_said() {
    let bench = Bench::new(6);
    let fuzz = "fuzz net.nnet --data data.csv --label-column label --eps 0..0.2";
    let ran =
        bench.run(&format!("{fuzz} --minutes 0.05 --law contains,evidence --out found --quiet"));
    let ran = ran.exits(0);
    assert!(
        ran.stdout.contains("on net.nnet") && ran.stdout.contains("all laws held"),
        "{}",
        ran.stdout
    );
    bench.run("fuzz net.nnet --eps 0..0.2 --out found").exits(64);
    bench.run(fuzz).exits(64);
    let wrong =
        bench.run("fuzz net.nnet --data data.csv --eps 0.2..0.1 --out found").exits(64).stderr;
    assert!(wrong.contains("above the second"), "{wrong}");
}

/// A verifier that says unsat of everything.
#[test]
#[cfg(unix)]
fn a_verifier_that_lies_is_found_out_and_what_it_lied_about_is_replayed() {
    let bench = Bench::new(1);
    let mut command = bench.certus("fuzz --minutes 0.1 --timeout 5 --out found --quiet --against");
    let output = command.arg("echo unsat > {result}").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the other is wrong: it says unsat"), "{text}");
    let replay = text.lines().find_map(|line| line.trim().strip_prefix("replay: certus ")).unwrap();
    let again = bench.run(replay).exits(1).stdout;
    assert!(again.contains("the other is wrong"), "{again}");
    // As small as it becomes: one input, and hardly a neuron.
    let folder =
        replay.split_whitespace().last().unwrap().trim_end_matches("/case.toml").to_owned();
    let inspected = bench.run(&format!("inspect {folder}/case.onnx --json")).exits(0).stdout;
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert!(inspected["parameters"].as_u64() < Some(8), "{inspected}");
}

#[test]
fn a_replay_says_whether_the_law_holds_now() {
    let bench = Bench::new(1);
    let model = crate::support::committed("models/control/mlp_plain.onnx");
    std::fs::copy(model, bench.path("case.onnx")).unwrap();
    std::fs::copy(
        crate::support::committed("proofs/samples/torque.vnnlib"),
        bench.path("case.vnnlib"),
    )
    .unwrap();
    let toml = |law: &str, more: &str| {
        let rest = "network = \"case.onnx\"\nproperty = \"case.vnnlib\"\n";
        bench.write(
            "case.toml",
            &format!("certus = \"0.1.0\"\nlaw = \"{law}\"\nseed = 3\nwhat = \"\"\n{rest}{more}"),
        );
    };
    toml("evidence", "");
    assert!(bench.run("fuzz --replay case.toml").exits(0).stdout.starts_with("evidence holds"));
    // The property holds; that it does not is a lie.
    toml("truth", "holds = false\n");
    assert!(bench.run("fuzz --replay case.toml").exits(70).stdout.starts_with("BROKEN truth"));
    toml("nothing", "");
    assert!(
        bench
            .run("fuzz --replay case.toml")
            .exits(65)
            .stderr
            .contains("case.toml: 'nothing' is no law")
    );
    bench.write("case.toml", "law = 3");
    assert!(bench.run("fuzz --replay case.toml").exits(65).stderr.contains("case.toml"));
    bench.run("fuzz --replay none.toml").exits(66);
}

#[test]
fn what_stays_true_stays_true_of_smaller_files() {
    let bench = Bench::new(1);
    let model = crate::support::committed("models/control/mlp_plain.onnx");
    let property = crate::support::committed("proofs/samples/torque.vnnlib");
    let files = format!("{} {}", model.display(), property.display());
    let ran = bench
        .run(&format!("shrink {files} --when exit=0 --minutes 0.2 --out small --json"))
        .exits(0);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    let [before, after] = ["before", "after"].map(|when| json[when][2].as_u64().unwrap());
    assert!(after < before / 4, "{json}");
    bench.run("verify small/small.onnx small/small.vnnlib").exits(0);
    let not = bench.run(&format!("shrink {files} --when exit=10 --out small")).exits(1).stderr;
    assert!(not.contains("do not hold of the files as they are"), "{not}");
    bench.run(&format!("shrink {files} --when soon")).exits(64);
}
