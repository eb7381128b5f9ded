//! Audits in the forms that reviewers' tools read: signed statement, ML-BOM, argument; and whatever is altered in them.

use crate::schema::public;
use crate::support::{Bench, committed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// RFC 8410's example of a key, and one more; keys of tests, and of nothing else.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
const OTHER: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

const ENVELOPE: &str = "attestation.intoto.jsonl";

/// A network in a proof's reach, with data, a plan with criteria, and the finished and signed audit `out`.
fn signed() -> Bench {
    let bench = Bench::new(1);
    let folder = committed("models/breast_cancer");
    let plan = format!(
        "[report]\ntitle = \"A \\\"signed\\\" audit\"\nintended_use = \"tests: nothing else\"\nassumptions = [\"none\"]\n\
         [[data]]\nname = \"patients\"\nfile = '{0}/test.csv'\nlimit = 12\nepsilons = [0.1, 0.6]\n\
         [[model]]\nname = \"one\"\nfile = '{0}/mlp_cert.onnx'\ntraining = \"IBP\"\nrecipe = \"r\"\n\
         [[model]]\nname = \"two\"\nfile = '{0}/mlp_plain.onnx'\nrecipe = \"r\"\n\
         [[attack]]\nkind = \"pgd\"\nsteps = 10\n[[method]]\nkind = \"crown\"\n[proofs]\ninputs = 4\n[shift]\n\
         [[criterion]]\ndata = \"patients\"\nmeasure = \"clean\"\nat_least = 0.5\n\
         [[criterion]]\ndata = \"patients\"\nmodels = [\"two\"]\nmeasure = \"certified\"\nepsilon = 0.1\nat_least = 0.99\n",
        folder.display()
    );
    bench.write("audit.toml", &plan);
    bench.write("key.pem", KEY);
    bench.write("key.pub.pem", PUBLIC);
    bench.write("other.pub.pem", OTHER);
    bench.run("audit audit.toml --out out -q --sign-key key.pem").exits(0);
    bench
}

fn statement(bench: &Bench) -> (Value, Value) {
    let envelope: Value = serde_json::from_str(&bench.text(&format!("out/{ENVELOPE}"))).unwrap();
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    (serde_json::from_slice(&payload).unwrap(), envelope)
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_signed_audit_is_found_whole_and_anything_altered_is_found() {
    let bench = signed();
    let check = "audit --verify out --key key.pub.pem";
    let whole = bench.run(check).exits(0).stdout;
    assert!(whole.contains("signed by this key, of id "), "{whole}");
    let unchecked = bench.run("audit --verify out").exits(0).stdout;
    assert!(unchecked.contains("which --key FILE would check"), "{unchecked}");
    // One byte of every file, the envelope and the manifest among them.
    let mut all = Vec::new();
    files(&bench.path("out"), &mut all);
    assert!(all.len() > 12 && all.iter().any(|file| file.ends_with(ENVELOPE)));
    for file in &all {
        let bytes = std::fs::read(file).unwrap();
        let mut altered = bytes.clone();
        let at = bytes.len() / 2;
        altered[at] ^= 1;
        std::fs::write(file, &altered).unwrap();
        bench.run(check).exits(65);
        std::fs::write(file, &bytes).unwrap();
    }
    bench.run(check).exits(0);
    // Two proofs swapped with their properties, and a manifest made anew for them: its own seal is right, and what was signed is another.
    // (Proofs of easy properties may be the same; properties never are.)
    let of = |ending: &str| -> Vec<&PathBuf> {
        all.iter().filter(|file| file.extension().is_some_and(|e| e == ending)).collect()
    };
    let (proofs, properties) = (of("proof"), of("vnnlib"));
    let [one, two] = [0, 1].map(|at| std::fs::read(properties[at]).unwrap());
    assert_ne!(one, two);
    for pair in [&proofs, &properties] {
        let [a, b] = [0, 1].map(|at| std::fs::read(pair[at]).unwrap());
        std::fs::write(pair[0], &b).unwrap();
        std::fs::write(pair[1], &a).unwrap();
    }
    let told = bench.run(check).exits(65).stdout;
    assert_eq!(told.matches(".vnnlib: altered").count(), 2, "{told}");
    let manifest = bench.text("out/manifest.sha256");
    let lines = manifest.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (_, name) = line.split_once("  ").unwrap();
        let bytes = std::fs::read(bench.path("out").join(name)).unwrap();
        format!("{}  {name}\n", hex(&bytes))
    });
    let comments = manifest.split_once("\n#").unwrap().1;
    let swapped = format!("{}#{comments}", lines.collect::<String>());
    let (above, _) = swapped.split_once("# seal: ").unwrap();
    bench.write("out/manifest.sha256", &format!("{above}# seal: {}\n", hex(above.as_bytes())));
    let told = bench.run(check).exits(65).stdout;
    assert!(told.contains("about another report or other files"), "{told}");
}

#[test]
fn other_keys_and_no_keys_are_told() {
    let bench = signed();
    let other = bench.run("audit --verify out --key other.pub.pem").exits(65).stderr;
    assert!(other.contains("signed with another key, of id "), "{other}");
    for (key, words) in [
        ("key.pem", "no Ed25519 public key in PEM"),
        ("audit.toml", "no Ed25519 public key in PEM"),
    ] {
        let told = bench.run(&format!("audit --verify out --key {key}")).exits(65).stderr;
        assert!(told.contains(words) && told.lines().count() == 1, "{told}");
    }
    bench.run("audit --verify out --key absent.pem").exits(66);
    let told = bench.run("audit audit.toml --out new -q --sign-key key.pub.pem").exits(65).stderr;
    assert!(told.contains("no Ed25519 private key in PEM"), "{told}");
    assert!(!bench.path("new").exists(), "a key that is none is told before anything is computed");
    // Rendering again keeps a signature that is still about these files; signing again gives the same bytes.
    let envelope = bench.text(&format!("out/{ENVELOPE}"));
    bench.run("report out").exits(0);
    assert_eq!(bench.text(&format!("out/{ENVELOPE}")), envelope);
    std::fs::remove_file(bench.path(&format!("out/{ENVELOPE}"))).unwrap();
    let missing = bench.run("audit --verify out --key key.pub.pem").exits(65).stdout;
    assert!(missing.contains("missing: the audit is not signed"), "{missing}");
    assert!(bench.run("audit --verify out").exits(0).stdout.contains("\nnot signed\n"));
    bench.run("report out --sign-key key.pem").exits(0);
    assert_eq!(bench.text(&format!("out/{ENVELOPE}")), envelope);
}

#[test]
fn what_is_signed_is_an_in_toto_statement_about_everything() {
    let bench = signed();
    let (statement, envelope) = statement(&bench);
    public("dsse", &envelope);
    public("in-toto-statement", &statement);
    let subjects = statement["subject"].as_array().unwrap();
    let digest = |name: &str| {
        let found = subjects.iter().find(|s| s["name"].as_str().unwrap().ends_with(name));
        found.unwrap_or_else(|| panic!("{name}"))["digest"]["sha256"].as_str().unwrap().to_owned()
    };
    for file in ["report.json", "manifest.sha256"] {
        assert_eq!(digest(file), hex(bench.text(&format!("out/{file}")).as_bytes()));
    }
    let model = std::fs::read(committed("models/breast_cancer/mlp_cert.onnx")).unwrap();
    assert_eq!(digest("mlp_cert.onnx"), hex(&model));
    let data = std::fs::read(committed("models/breast_cancer/test.csv")).unwrap();
    assert_eq!(digest("test.csv"), hex(&data));
    let named = |ending: &str| {
        subjects.iter().filter(|s| s["name"].as_str().unwrap().ends_with(ending)).count()
    };
    assert!(named(".proof") >= 4 && named(".vnnlib") == named(".proof"));
    assert_eq!(statement["predicate"]["result"], "FAILED");
    assert_eq!(
        statement["predicate"]["failedTests"],
        serde_json::json!(["two on patients: certified at ε = 1/10"])
    );
    assert_eq!(statement["predicate"]["passedTests"].as_array().unwrap().len(), 2);
    // OpenSSL finds the signature right.
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let kind = envelope["payloadType"].as_str().unwrap();
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    std::fs::write(bench.path("signed"), [head.as_bytes(), &payload].concat()).unwrap();
    let sig = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    std::fs::write(bench.path("sig"), sig).unwrap();
    let openssl = "pkeyutl -verify -pubin -inkey key.pub.pem -rawin -in signed -sigfile sig";
    match Command::new("openssl").args(openssl.split(' ')).current_dir(bench.dir.path()).output() {
        Ok(ran) => assert!(ran.status.success(), "{ran:?}"),
        Err(_) => {
            crate::skip::skipped("no openssl in the PATH: no other program checks a signature")
        }
    }
}

#[test]
fn the_bom_is_cyclonedx_with_a_model_card_each() {
    let bench = signed();
    let bom: Value = serde_json::from_str(&bench.text("out/bom.cdx.json")).unwrap();
    public("bom-1.6", &bom);
    let components = bom["components"].as_array().unwrap();
    let models: Vec<&Value> =
        components.iter().filter(|c| c["type"] == "machine-learning-model").collect();
    assert_eq!((models.len(), components.len()), (2, 3));
    let card = &models[0]["modelCard"];
    let metrics = card["quantitativeAnalysis"]["performanceMetrics"].as_array().unwrap();
    let of = |kind: &str| metrics.iter().filter(|m| m["type"] == kind).count();
    assert_eq!((of("accuracy"), of("certified accuracy"), of("ROC AUC, macro")), (1, 2, 1));
    let report = bench.report("out");
    let found = report["subjects"][0]["clean"]["accuracy"]["value"].to_string();
    assert_eq!(metrics[0]["value"].as_str().unwrap(), found);
    assert_eq!(card["considerations"]["useCases"][0], "tests: nothing else");
    assert_eq!(card["modelParameters"]["datasets"][0]["ref"], "data:patients");
    // A wrong one is no BOM.
    let mut wrong = bom.clone();
    wrong["components"][0]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["value"] =
        1.into();
    assert!(std::panic::catch_unwind(|| public("bom-1.6", &wrong)).is_err());
}

#[test]
fn the_argument_holds_together_and_links_into_the_page() {
    let bench = signed();
    let text = bench.text("out/argument.gsn.yaml");
    let mut ids = BTreeSet::new();
    let mut used = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(id) = line.strip_suffix(':').filter(|id| !id.starts_with(' ')) {
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
        }
        if let Some((_, list)) = line.split_once(": [") {
            used.extend(list.trim_end_matches(']').split(", ").map(str::to_owned));
        }
        // A text is a JSON string, which is a YAML scalar.
        if let Some(value) = line.trim_start().strip_prefix("text: ") {
            serde_json::from_str::<String>(value).unwrap();
        }
    }
    ids.remove("module");
    assert!(ids.remove("G1"), "{ids:?}");
    assert_eq!(ids, used, "every element but the top goal is used, and every used one there");
    assert_eq!(text.matches("undeveloped: true").count(), 1, "one criterion is not met");
    assert_eq!(text.matches("\nSn").count(), 3, "two are, and the evidence itself");
    let page = bench.text("out/report.html");
    for link in text.lines().filter_map(|line| line.trim().strip_prefix("url: \"report.html#")) {
        let id = link.trim_end_matches('"');
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
}
