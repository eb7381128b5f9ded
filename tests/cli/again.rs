//! What others can find out about a campaign from their own files: `certus check` with data, hashes, weights in other files.

use crate::common::onnx_writer::{Model, float_tensor};
use crate::support::{Bench, CLASSES, INPUTS, committed};
use rten_onnx::onnx::{DataLocation, StringStringEntryProto, TensorProto};
use std::path::Path;

fn mnist(arguments: &str) -> String {
    let folder = committed("models/mnist");
    let folder = folder.display();
    format!("certify {folder}/mlp_cert.onnx --data {folder}/test.npz --limit 5 --quiet {arguments}")
}

/// `certus check` exits with this code and says all of it.
#[track_caller]
fn check(bench: &Bench, arguments: &str, code: i32, says: &[&str]) {
    let ran = bench.run(&format!("check {arguments} --quiet")).exits(code);
    for what in says {
        let said = ran.stdout.contains(what) || ran.stderr.contains(what);
        assert!(said, "{what}: {} {}", ran.stdout, ran.stderr);
    }
}

fn replace(bench: &Bench, file: &str, from: &str, to: &str) {
    let text = bench.text(file);
    assert!(text.contains(from), "{from} in {text}");
    bench.write(file, &text.replace(from, to));
}

#[test]
fn properties_are_made_again_from_the_data() {
    let bench = Bench::new(1);
    bench.run(&mnist("--eps 0.01 --mean 0.25 --std 0.5 --proofs --out out")).exits(0);
    let report = bench.report("out");
    let certified = report["summary"]["certified_accuracy"]["numerator"].as_u64().unwrap();
    assert!(certified > 0);
    let all = format!("{certified} of {certified} proofs accepted");
    check(&bench, "out", 0, &[&all, "properties as they lie there", "--data"]);
    let data = committed("models/mnist/test.npz").display().to_string();
    let again = format!("{certified} of {certified} properties made again from {data}");
    let others = 5 - certified;
    let untouched = format!("inputs {others} ");
    let says: Vec<&str> = [all.as_str(), &again]
        .into_iter()
        .chain((others > 0).then_some(untouched.as_str()))
        .collect();
    check(&bench, &format!("out --data {data}"), 0, &says);

    // A report of another ε than was proved, and one of other data.
    let none = format!("0 of {certified} proofs accepted");
    replace(&bench, "out/report.json", "\"exact\": \"1/100\"", "\"exact\": \"1/50\"");
    check(&bench, &format!("out --data {data}"), 65, &["settings.epsilon"]);
    replace(&bench, "out/report.json", "\"value\": 0.01\n", "\"value\": 0.02\n");
    check(&bench, "out", 0, &[&all]);
    check(&bench, &format!("out --data {data}"), 1, &[&none, "is not that of input"]);
    replace(&bench, "out/report.json", "\"exact\": \"1/50\"", "\"exact\": \"1/100\"");
    replace(&bench, "out/report.json", "\"value\": 0.02\n", "\"value\": 0.01\n");
    check(&bench, "out --mean 0.26", 64, &["--data"]);
    check(&bench, &format!("out --data {data} --mean 0.26"), 1, &[&none, "is not that of input"]);
    let images = committed("models/fashion/t500-images-idx3-ubyte.gz");
    check(&bench, &format!("out --data {}", images.display()), 65, &["not the data of", "SHA-256"]);
    // A list of properties has no data.
    std::fs::create_dir(bench.path("list")).unwrap();
    std::fs::copy(bench.path("out/proofs/index.csv"), bench.path("list/index.csv")).unwrap();
    check(&bench, &format!("list --data {data}"), 64, &["no report.json"]);
}

#[test]
fn evidence_that_has_changed_is_no_evidence() {
    let bench = Bench::new(1);
    bench.run(&mnist("--eps 0.02 --proofs --out out")).exits(0);
    let report = bench.report("out");
    let files = report["files"].as_array().unwrap();
    for file in files {
        let bytes = std::fs::read(bench.path("out").join(file["name"].as_str().unwrap())).unwrap();
        assert_eq!(file["sha256"], certus::internal::load::sha256_hex(&bytes));
    }
    let proofs = files.iter().filter(|file| file["name"].as_str().unwrap().ends_with(".proof.gz"));
    let n = proofs.count();
    let index = bench.text("out/proofs/index.csv");
    assert_eq!(index.lines().count(), n + 1);
    let input = index.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let (fewer, all) =
        (format!("{} of {n} proofs accepted", n - 1), format!("{n} of {n} proofs accepted"));

    // The same property, and a proof of it, but not the files that were kept.
    let property = format!("out/proofs/{input}.vnnlib");
    let kept = bench.text(&property);
    bench.write(&property, &format!("; another comment\n{kept}"));
    check(&bench, "out", 1, &[&fewer, "has changed"]);
    let changed = certus::internal::load::sha256_hex(bench.text(&property).as_bytes());
    let old = certus::internal::load::sha256_hex(kept.as_bytes());
    replace(&bench, "out/proofs/index.csv", &old, &changed);
    check(&bench, "out", 1, &[&fewer, "has changed"]);
    replace(&bench, "out/report.json", &old, &changed);
    check(&bench, "out", 0, &[&all]);
    bench.write(&property, &kept);
    replace(&bench, "out/report.json", &changed, &old);
    replace(&bench, "out/proofs/index.csv", &changed, &old);
    let proof = bench.path(&format!("out/proofs/{input}.proof.gz"));
    let packed = std::fs::read(&proof).unwrap();
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut plain)
        .unwrap();
    std::fs::write(&proof, plain).unwrap();
    check(&bench, "out", 1, &[&fewer, "has changed"]);
    std::fs::write(&proof, packed).unwrap();
    // A proof that the report counts and the index does not, though the journal is gone.
    let line = index.lines().nth(1).unwrap();
    replace(&bench, "out/proofs/index.csv", &format!("{line}\n"), "");
    std::fs::remove_file(bench.path("out/journal.jsonl")).unwrap();
    check(&bench, "out", 1, &[&fewer, &format!("input {input}: the report says proved")]);
}

#[test]
fn proofs_that_cannot_be_are_a_failure_with_its_reason() {
    let bench = Bench::new(8);
    let ran = bench.certify("--eps 0.01 --proofs --out out").exits(21);
    for what in ["proofs     0 of ", "unproved   net.nnet: the checker cannot read it"] {
        assert!(ran.stdout.contains(what), "{what}: {}", ran.stdout);
    }
    check(
        &bench,
        "out",
        1,
        &["0 of 0 proofs accepted", "nothing was checked", "the checker cannot read it"],
    );
    check(&bench, "out", 1, &["certified without a proof"]);
    // As bad where no input could have had one, or the checker has no say at all.
    bench.certify("--eps 9 --proofs --out none").exits(21);
    check(&bench, "none", 1, &["0 of 0 proofs accepted", "no input is certified"]);
    bench.certify("--eps 0.01 --proofs --require-certified 1 --out few").exits(10);

    let property = (0..INPUTS).fold(String::new(), |text, i| {
        text + &format!("(declare-const X_{i} Real)(assert (= X_{i} 0))\n")
    });
    let outputs = (0..CLASSES).map(|j| format!("(declare-const Y_{j} Real)\n")).collect::<String>();
    bench.write("p.vnnlib", &(property + &outputs + "(assert (>= Y_0 1000))\n"));
    bench.write("list.csv", "net.nnet,p.vnnlib,20,unsat\n");
    let ran = bench.run("bench list.csv --out r.csv --proofs list --quiet").exits(21);
    assert!(ran.stderr.contains("no proof: the checker cannot read it"), "{}", ran.stderr);
}

/// A folder with `net.onnx`, whose weights lie in `net.onnx.data`.
fn outside() -> Bench {
    let bench = Bench::new(12);
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    };
    let dims = [INPUTS as i64, CLASSES as i64];
    let weights = TensorProto {
        raw_data: None,
        data_location: Some(DataLocation::EXTERNAL),
        external_data: vec![entry("location", "net.onnx.data")],
        ..float_tensor("w", &dims, &[])
    };
    let model = Model::new(17, &[1, INPUTS as i64])
        .tensor(weights)
        .node("Relu", &["x"], "r", vec![])
        .node("MatMul", &["r", "w"], "y", vec![]);
    std::fs::write(bench.path("net.onnx"), model.bytes()).unwrap();
    weigh(&bench.path("net.onnx.data"), 1.0);
    // Labels that the network gives: the largest input counts.
    bench.write("data.csv", "a,b,c,d,label\n0.9,0.1,0,0,0\n0.1,0.8,0,0,1\n0,0.1,0.7,0.2,2\n");
    bench
}

/// The identity on the first inputs, as far as the factor is 1.
fn weigh(file: &Path, factor: f32) {
    let at = |i: usize| if i / CLASSES == i % CLASSES { factor } else { 0.0f32 };
    let bytes: Vec<u8> = (0..INPUTS * CLASSES).flat_map(|i| at(i).to_le_bytes()).collect();
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn weights_in_another_file_are_part_of_the_network() {
    let bench = outside();
    let run = "certify net.onnx --data data.csv --label-column label --eps 0.1 --proofs --out out --quiet";
    let ran = bench.run(run).exits(0);
    assert!(ran.stdout.contains("proofs     3 of 3 certified"), "{}", ran.stdout);
    let report = bench.report("out");
    let alone = certus::internal::load::sha256_hex(&std::fs::read(bench.path("net.onnx")).unwrap());
    assert_ne!(report["model"]["sha256"], alone);
    assert_eq!(report["model"]["external"][0]["name"], "net.onnx.data");
    check(
        &bench,
        "out --data data.csv",
        0,
        &["3 of 3 proofs accepted", "3 of 3 properties made again"],
    );
    let property = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const X_2 Real)(declare-const X_3 Real)
        (declare-const Y_0 Real)(declare-const Y_1 Real)(declare-const Y_2 Real)
        (assert (and (>= X_0 0) (<= X_0 1) (>= X_1 0) (<= X_1 1) (>= X_2 0) (<= X_2 1) (>= X_3 0) (<= X_3 1) (>= Y_0 9)))";
    bench.write("p.vnnlib", property);
    let hash = |code| {
        let ran = bench.run("verify net.onnx p.vnnlib --json --proof p.proof").exits(code);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        report["model_sha256"].as_str().unwrap().to_owned()
    };
    let before = hash(0);
    assert_eq!(report["model"]["sha256"], before.as_str());

    weigh(&bench.path("net.onnx.data"), 2.0);
    assert_ne!(hash(0), before);
    check(&bench, "out", 65, &["not the network that was proved"]);
    let ran = bench.run(&format!("{run} --resume")).exits(65);
    assert!(ran.stderr.contains("'model.sha256'"), "{}", ran.stderr);
    weigh(&bench.path("net.onnx.data"), 1.0);
    bench.run(&format!("{run} --resume")).exits(0);
    check(&bench, "out", 0, &["3 of 3 proofs accepted"]);
}

#[test]
fn an_audit_covers_weights_in_other_files_and_the_properties_of_proofs() {
    let bench = outside();
    let plan = "[report]\ntitle = \"A test\"\n[[data]]\nname = \"points\"\nfile = \"data.csv\"\nepsilons = [0.1]\n[data.read]\n\
                label_column = \"label\"\n[[model]]\nname = \"net\"\nfile = \"net.onnx\"\n[[method]]\nkind = \"crown\"\n[proofs]\n";
    bench.write("audit.toml", plan);
    bench.run("audit audit.toml --out out --quiet").exits(0);
    let report = bench.report("out");
    for row in report["rows"].as_array().unwrap() {
        assert_eq!(row["assurance"], "proved", "{row}");
        for (file, sha256) in [
            (&row["evidence"]["file"], &row["evidence"]["sha256"]),
            (&row["evidence"]["property"]["name"], &row["evidence"]["property"]["sha256"]),
        ] {
            let bytes = std::fs::read(bench.path("out").join(file.as_str().unwrap())).unwrap();
            assert_eq!(*sha256, certus::internal::load::sha256_hex(&bytes));
        }
    }
    weigh(&bench.path("net.onnx.data"), 2.0);
    let ran = bench.run("audit audit.toml --out out --quiet").exits(65);
    assert!(ran.stderr.contains("sha256"), "{}", ran.stderr);
}
