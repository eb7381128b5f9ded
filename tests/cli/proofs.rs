//! Proofs from the command line: written, kept, checked again, and worthless for anything else.

use crate::support::{Bench, Ran, committed};
use serde_json::Value;
use std::path::Path;

const HOLDS: &str = "leaning_right_pushes_left.vnnlib";

fn verify(property: &str, arguments: &str) -> String {
    let folder = committed("models/control");
    let folder = folder.display();
    format!("verify {folder}/mlp_plain.onnx {folder}/{property} {arguments}")
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

fn mnist(model: &str, arguments: &str) -> String {
    let folder = committed("models/mnist");
    let folder = folder.display();
    format!("certify {folder}/{model} --data {folder}/test.npz {arguments}")
}

#[test]
fn verify_writes_a_proof_that_is_accepted() {
    let bench = Bench::new(1);
    for (file, start) in [("a.proof", b"ce".as_slice()), ("a.proof.gz", &[0x1f, 0x8b])] {
        let ran = bench.run(&verify(HOLDS, &format!("--json --proof {file}"))).exits(0);
        let report = json(&ran);
        assert_eq!(report["assurance"], "proved", "{report}");
        assert_eq!(report["proof"]["file"], file);
        assert!(report["proof"]["leaves"].as_u64().unwrap() >= 1);
        assert!(std::fs::read(bench.path(file)).unwrap().starts_with(start));
        assert!(!bench.path(&format!("{file}.unfinished")).exists());
    }
    let text = bench.run(&verify(HOLDS, "--proof a.proof")).exits(0).stdout;
    assert!(text.contains("a.proof: ") && text.contains("proved: "), "{text}");
    // Without --proof nothing is proved, and without a verdict nothing is written.
    assert_eq!(json(&bench.run(&verify(HOLDS, "--json")).exits(0))["assurance"], "sound");
    let falsified = verify("torque_stays_small.vnnlib", "--json --proof b.proof");
    let report = json(&bench.run(&falsified).exits(10));
    assert!(report["proof"].is_null() && !bench.path("b.proof").exists());
    let nowhere = bench.run(&verify(HOLDS, "--proof absent/a.proof")).exits(73);
    assert!(nowhere.stderr.contains("absent/a.proof"), "{}", nowhere.stderr);
}

#[test]
fn what_the_checker_cannot_read_is_certified_without_a_proof() {
    let bench = Bench::new(1);
    let mut property = String::new();
    for i in 0..4 {
        property +=
            &format!("(declare-const X_{i} Real)\n(assert (>= X_{i} 0))(assert (<= X_{i} 1))\n");
    }
    property += "(declare-const Y_0 Real)(declare-const Y_1 Real)(declare-const Y_2 Real)\n";
    bench.write("p.vnnlib", &(property + "(assert (>= Y_0 1000))\n"));
    let ran = bench.run("verify net.nnet p.vnnlib --proof p.proof --json").exits(21);
    let report = json(&ran);
    assert_eq!((&report["verdict"], &report["assurance"]), (&"certified".into(), &"sound".into()));
    assert!(report["proof"]["problem"].as_str().unwrap().contains("the network"), "{report}");
    assert!(!bench.path("p.proof").exists());
}

#[test]
fn a_campaign_keeps_proofs_and_check_finds_every_tampering() {
    let bench = Bench::new(1);
    let run = "--eps 0.1 --limit 12 --proofs --out out --quiet";
    let ran = bench.run(&mnist("mlp_cert.onnx", run)).exits(0);
    let report = bench.report("out");
    let rows = report["rows"].as_array().unwrap();
    let proved: Vec<u64> = rows
        .iter()
        .filter(|row| row["verdict"] == "certified")
        .map(|row| {
            assert_eq!(row["assurance"], "proved", "{row}");
            row["index"].as_u64().unwrap()
        })
        .collect();
    let n = proved.len();
    assert!(n > 5);
    assert!(ran.stdout.contains(&format!("{n} of {n} certified")), "{}", ran.stdout);
    assert_eq!(report["settings"]["proofs"], true);
    let says = |arguments: &str, code: i32, what: &str| {
        let ran = bench.run(&format!("check {arguments} --quiet")).exits(code);
        assert!(
            ran.stdout.contains(what) || ran.stderr.contains(what),
            "{} {}",
            ran.stdout,
            ran.stderr
        );
    };
    let all = format!("{n} of {n} proofs accepted");
    says("out", 0, &all);
    says("out/proofs --arith exact --jobs 2 --out checks.csv", 0, &all);
    assert_eq!(bench.text("checks.csv").lines().count(), n + 1);

    // Every property is what `certus spec` says it is, byte for byte.
    let (first, second) = (proved[0], proved[1]);
    let folder = committed("models/mnist");
    let spec = |index: u64, eps: &str| {
        let (model, data) = (folder.join("mlp_cert.onnx"), folder.join("test.npz"));
        let (model, data) = (model.display(), data.display());
        bench
            .run(&format!("spec {model} --data {data} --index {index} --eps {eps}"))
            .exits(0)
            .stdout
    };
    for &index in &proved {
        let kept = bench.text(&format!("out/proofs/{index}.vnnlib"));
        assert!(kept == spec(index, "0.1"), "input {index}");
    }

    // A larger ε, another input's property, a damaged proof, a lost one, a line lost from the index, another network.
    let fewer = format!("{} of {n} proofs accepted", n - 1);
    let property = format!("out/proofs/{first}.vnnlib");
    let good = bench.text(&property);
    bench.write(&property, &spec(first, "0.45"));
    says("out", 1, &fewer);
    bench.write(&property, &good.replacen("(assert (or", "(assert (and", 1));
    says("out", 1, &fewer);
    bench.write(&property, &good.replace("(and (>= Y_", "(and (<= Y_"));
    says("out", 1, &fewer);
    bench.write(&property, &good);
    let proof = bench.path(&format!("out/proofs/{first}.proof.gz"));
    let bytes = std::fs::read(&proof).unwrap();
    std::fs::write(&proof, &bytes[..bytes.len() / 2]).unwrap();
    says("out", 1, &fewer);
    std::fs::remove_file(&proof).unwrap();
    says("out", 1, &fewer);
    std::fs::write(&proof, &bytes).unwrap();
    let index = bench.text("out/proofs/index.csv");
    let line = index.lines().find(|line| line.starts_with(&format!("{second},"))).unwrap();
    bench.write("out/proofs/index.csv", &index.replace(&format!("{line}\n"), ""));
    says("out", 1, &format!("input {second}: the journal says proved"));
    bench.write("out/proofs/index.csv", &index);
    // The files of another input, another way to name a file, files of an input that is not said to be proved.
    let swapped = line.replacen(&format!("{second},"), &format!("{second}00,"), 1);
    for (changed, what) in [
        (line.replace(&format!("{second}.vnnlib"), &format!("./{second}.vnnlib")), "does not name"),
        (line.replace(&format!("{second}.vnnlib"), &format!("{first}.vnnlib")), "does not name"),
        (swapped, "does not name"),
    ] {
        bench.write("out/proofs/index.csv", &index.replace(line, &changed));
        says("out", 1, what);
    }
    let rehashed = line.replace(
        line.split(',').nth(4).unwrap(),
        "0000000000000000000000000000000000000000000000000000000000000000",
    );
    bench.write("out/proofs/index.csv", &index.replace(line, &rehashed));
    says("out", 1, "it has changed");
    bench.write("out/proofs/index.csv", &index);
    let report = bench.text("out/report.json");
    let mut forged: serde_json::Value = serde_json::from_str(&report).unwrap();
    for row in forged["rows"].as_array_mut().unwrap() {
        if row["index"] == first {
            row["verdict"] = "falsified".into();
        }
    }
    bench.write("out/report.json", &forged.to_string());
    says("out", 1, &format!("the report does not say that input {first} is proved"));
    forged["rows"] = serde_json::json!([]);
    bench.write("out/report.json", &forged.to_string());
    says("out", 1, &format!("the report has no row of input {first}"));
    forged = serde_json::from_str(&report).unwrap();
    forged["files"]
        .as_array_mut()
        .unwrap()
        .retain(|file| !file["name"].as_str().unwrap().ends_with(&format!("/{first}.vnnlib")));
    bench.write("out/report.json", &forged.to_string());
    says("out", 1, "is not among the files of the report");
    let data = folder.join("test.npz").display().to_string();
    for (field, value) in [("label", 9), ("predicted", 9)] {
        forged = serde_json::from_str(&report).unwrap();
        for row in forged["rows"].as_array_mut().unwrap() {
            if row["index"] == first {
                assert!(row[field] != value);
                row[field] = value.into();
            }
        }
        bench.write("out/report.json", &forged.to_string());
        says(&format!("out --data {data}"), 1, "of the data");
    }
    forged = serde_json::from_str(&report).unwrap();
    forged["settings"]["epsilon"]["value"] = 0.5.into();
    bench.write("out/report.json", &forged.to_string());
    says(&format!("out --data {data}"), 65, "epsilon");
    bench.write("out/report.json", &report);
    says(&format!("out --data {data}"), 0, &all);
    let other = folder.join("mlp_plain.onnx");
    says(&format!("out --model {}", other.display()), 64, "not the network that was proved");
    says("out", 0, &all);

    // Resuming does nothing; overwriting removes what a campaign wrote, and no more.
    bench.run(&mnist("mlp_cert.onnx", &format!("{run} --resume"))).exits(0);
    says("out", 0, &all);
    let without = "--eps 0.1 --limit 12 --out out --quiet";
    let ran = bench.run(&mnist("mlp_cert.onnx", &format!("{without} --resume"))).exits(65);
    assert!(ran.stderr.contains("'settings.proofs'"), "{}", ran.stderr);
    bench.write("out/proofs/notes.txt", "mine");
    bench.run(&mnist("mlp_cert.onnx", &format!("{without} --overwrite"))).exits(0);
    let left: Vec<_> = std::fs::read_dir(bench.path("out/proofs")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    says("out", 66, "no folder of proofs");
}

#[test]
fn a_normalised_dataset_is_proved_in_the_units_of_the_network() {
    let bench = Bench::new(1);
    let folder = committed("models/mnist");
    let data = folder.join("test.npz");
    let normalise = "--mean 0.25 --std 0.5";
    let arguments =
        format!("--eps 0.001 --limit 6 {normalise} --attack none --proofs --out out --quiet");
    let ran = bench.run(&mnist("mlp_cert.onnx", &arguments)).exits(0);
    let report = bench.report("out");
    let certified = report["summary"]["certified_accuracy"]["numerator"].as_u64().unwrap();
    assert!(certified > 0, "{}", ran.stdout);
    let all = format!("{certified} of {certified} proofs accepted");
    assert!(bench.run("check out").exits(0).stdout.contains(&all));
    let rows = report["rows"].as_array().unwrap();
    let index = rows.iter().find(|row| row["assurance"] == "proved").unwrap()["index"].clone();
    let (model, data) = (folder.join("mlp_cert.onnx"), data.display());
    let spec = |more: &str| {
        let command =
            format!("spec {} --data {data} --index {index} --eps 0.001 {more}", model.display());
        bench.run(&command).exits(0).stdout
    };
    let kept = bench.text(&format!("out/proofs/{index}.vnnlib"));
    assert!(kept == spec(normalise) && kept != spec(""));
    // A black pixel: (0 − 0.25)/0.5 below, (0.001 − 0.25)/0.5 above.
    assert!(kept.contains("X_0 -0.5))") && kept.contains("X_0 -0.498))"), "{}", &kept[..2000]);
}

#[test]
fn a_benchmark_list_gets_its_proofs() {
    let bench = Bench::new(1);
    let folder = committed("models/control");
    let line = |property: &str, expected: &str| {
        let folder = folder.display();
        format!("{folder}/mlp_plain.onnx,{folder}/{property},20,{expected}\n")
    };
    let lines = line(HOLDS, "unsat") + &line("torque_stays_small.vnnlib", "sat");
    bench.write("instances.csv", &lines);
    let ran = bench.run("bench instances.csv --out results.csv --proofs proofs --quiet").exits(0);
    assert!(ran.stdout.contains("proofs accepted 1 of 1 unsat"), "{}", ran.stdout);
    let rows = bench.text("results.csv");
    let row: Vec<&str> = rows.lines().nth(1).unwrap().split(',').collect();
    assert!(row[10].parse::<u64>().unwrap() > 0, "{rows}");
    let ran = bench.run("check proofs").exits(0);
    assert!(ran.stdout.contains("1 of 1 proofs accepted"), "{}", ran.stdout);
    bench.run("bench instances.csv --out results.csv --proofs proofs --resume").exits(0);
    bench.run("check proofs").exits(0);
}

#[test]
fn check_and_spec_say_what_is_wrong() {
    let bench = Bench::new(3);
    assert!(bench.run("check absent").exits(66).stderr.contains("absent"));
    std::fs::create_dir(bench.path("folder")).unwrap();
    bench.write("folder/index.csv", "nonsense\n1\n");
    assert!(bench.run("check folder").exits(65).stderr.contains("folder/index.csv"));
    bench.run("check folder --arith round").exits(64);
    let spec = "spec net.nnet --data data.csv --label-column label --eps 0.1 --index";
    let ran = bench.run(&format!("{spec} 3")).exits(64);
    assert!(ran.stderr.contains("data.csv: there is no input 3, only 3"), "{}", ran.stderr);
    let text = bench.run(&format!("{spec} 2")).exits(0).stdout;
    assert!(text.contains("(declare-const X_3 Real)") && text.contains("data sha-256 "), "{text}");
    assert!(Path::new(&bench.path("net.nnet")).exists());
}

/// A verified checker that says this, whatever it is asked.
#[cfg(unix)]
fn saying(bench: &Bench, name: &str, said: &str, code: i32) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let script = format!("#!/bin/sh\ncat > statement\necho '{said}'\nexit {code}\n");
    bench.write(name, &script);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bench.path(name), mode).unwrap();
    bench.path(name).display().to_string()
}

/// `certus check --verified` believes an exit code with the words that belong to it, and nothing else.
#[cfg(unix)]
#[test]
fn the_verified_checker_is_asked_as_well() {
    let bench = Bench::new(1);
    bench.run(&mnist("mlp_cert.onnx", "--eps 0.01 --limit 2 --proofs --out out --quiet")).exits(0);
    let check = |program: &str, code: i32| {
        bench.run(&format!("check out --quiet --json --verified {program}")).exits(code)
    };
    let yes = saying(&bench, "yes", "accepted", 0);
    let answer = json(&check(&yes, 0));
    assert_eq!(answer["rows"][0]["level"], "proved (mechanised)", "{answer}");
    let statement = bench.text("statement");
    assert!(statement.starts_with("certus-statement 1\ninputs 784\n"), "{statement:.100}");
    let plain = json(&bench.run("check out --quiet --json").exits(0));
    assert_eq!(plain["rows"][0]["level"], "proved (outward)");
    let exact = json(&bench.run("check out --quiet --json --arith exact").exits(0));
    assert_eq!(exact["rows"][0]["level"], "proved");
    for (name, said, code, why) in [
        ("no", "rejected: it does not show the statement", 1, "the verified checker: rejected"),
        ("odd", "accepted", 1, "no verdict"),
        ("mute", "", 0, "no verdict"),
        ("ill", "rejected: no", 65, "no verdict (exit code 65)"),
    ] {
        let answer = json(&check(&saying(&bench, name, said, code), 1));
        let row = &answer["rows"][0];
        assert_eq!((&row["accepted"], &row["level"]), (&false.into(), &Value::Null), "{answer}");
        assert!(row["reason"].as_str().unwrap().contains(why), "{answer}");
    }
    let absent = check("absent", 66);
    assert!(absent.stderr.contains("absent: no such program"), "{}", absent.stderr);

    // The real one, where it was built.
    let real = committed("proofs/rocq/certus-check-verified");
    if !real.is_file() {
        return crate::skip::skipped(
            "proofs/rocq/certus-check-verified is not there: make -C proofs/rocq",
        );
    }
    let text = bench.run(&format!("check out --quiet --verified {}", real.display())).exits(0);
    assert!(text.stdout.contains("2 of them proved (mechanised)"), "{}", text.stdout);
    let real = real.display();
    let run = format!("--eps 0.01 --limit 2 --proofs --out real --quiet --verified {real}");
    let ran = bench.run(&mnist("mlp_cert.onnx", &run)).exits(0);
    assert!(ran.stdout.contains("levels     2 proved (mechanised)\n"), "{}", ran.stdout);
    let ran = bench.run(&verify(HOLDS, &format!("--json --proof a.proof --verified {real}")));
    assert_eq!(json(&ran.exits(0))["assurance"], "proved (mechanised)");
}

/// A campaign's rows say how strong the checker is that accepted their proofs; what the verified checker does not accept is proved all the same.
#[cfg(unix)]
#[test]
fn campaigns_ask_the_verified_checker() {
    let bench = Bench::new(1);
    let certify = |program: &str, more: &str, code: i32| {
        let run = format!("--eps 0.01 --limit 2 --proofs --quiet --verified {program} {more}");
        bench.run(&mnist("mlp_cert.onnx", &run)).exits(code)
    };
    let yes = saying(&bench, "yes", "accepted", 0);
    let ran = certify(&yes, "--out yes-out", 0);
    assert!(ran.stdout.contains("levels     2 proved (mechanised)\n"), "{}", ran.stdout);
    let report = bench.report("yes-out");
    assert_eq!(report["assurance_level"], "proved (mechanised)");
    assert_eq!(report["rows"][1]["assurance"], "proved (mechanised)");
    assert_eq!(report["settings"]["verified"].as_str().unwrap().len(), 64);
    // It was given the statement, and after it the proof.
    let given = bench.text("statement");
    assert!(given.starts_with("certus-statement 1\n") && given.contains("\nend\ncertus-proof 1\n"));
    bench.run("check yes-out --quiet").exits(0);
    for (name, said, code, why) in [
        ("no", "rejected: it does not show the statement", 1, "the verified checker: rejected"),
        ("odd", "accepted", 1, "no verdict"),
    ] {
        let ran = certify(&saying(&bench, name, said, code), &format!("--out {name}-out"), 0);
        assert!(ran.stdout.contains("levels     2 proved\n"), "{}", ran.stdout);
        assert!(ran.stdout.contains(&format!("{name}: {why}")) || ran.stdout.contains(why));
        assert_eq!(bench.report(&format!("{name}-out"))["rows"][0]["assurance"], "proved");
    }
    let absent = certify("absent", "--out absent-out", 66);
    assert!(absent.stderr.contains("absent: no such program"), "{}", absent.stderr);
    let unasked = "--eps 0.01 --limit 2 --out other --verified yes";
    bench.run(&mnist("mlp_cert.onnx", unasked)).exits(64);
}
