//! What programs read: JSON of every command, as docs/schema says; JUnit and SARIF; completions and manual pages.

use crate::schema::{conforms, public, xml};
use crate::support::{Bench, committed};
use serde_json::Value;

/// A schema with nothing in a value that it does not name: every object that lists properties gets no others.
fn strict(schema: &mut Value, alternative: bool) {
    match schema {
        Value::Object(keys) => {
            let lists = keys.contains_key("properties");
            for (key, inner) in keys.iter_mut() {
                match inner {
                    Value::Array(ways) if ["oneOf", "anyOf", "allOf"].contains(&key.as_str()) => {
                        ways.iter_mut().for_each(|way| strict(way, true));
                    }
                    // The examples and constants of a schema are no schemas.
                    _ if ["enum", "const", "default"].contains(&key.as_str()) => {}
                    _ => strict(inner, false),
                }
            }
            if lists && !alternative && !keys.contains_key("additionalProperties") {
                keys.insert("unevaluatedProperties".to_owned(), false.into());
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|each| strict(each, false)),
        _ => {}
    }
}

/// The JSON on standard output or in a file, after it was held against its schema.
#[track_caller]
fn valid(text: &str, schema_of: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let file = committed(&format!("docs/schema/{schema_of}.schema.json"));
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    strict(&mut schema, false);
    if let Some(root) = schema.as_object_mut() {
        root.insert("unevaluatedProperties".to_owned(), false.into());
    }
    conforms(&schema, &value);
    assert_eq!(value["schema_version"], 3);
    let tool = if schema_of == "audit" { &value["build"] } else { &value["tool"] };
    assert_eq!(tool["name"], "certus");
    value
}

const PLAN: &str = "[report]\ntitle = \"A <test> & more\"\n[[data]]\nname = \"d\"\nfile = \"data.csv\"\nepsilons = [0.01, 0.1]\nl2_epsilons = [0.1]\n\
                    [[model]]\nname = \"m\"\nfile = \"net.nnet\"\n[[attack]]\nkind = \"pgd\"\n[[attack]]\nname = \"far\"\nkind = \"fgsm\"\nnorm = \"l2\"\n\
                    [[method]]\nkind = \"crown\"\n[shift]\n[radius]\nsteps = 4\n[masking]\ninputs = 3\n[proofs]\ninputs = 2\n";

#[test]
fn every_command_prints_json_of_its_schema() {
    let bench = Bench::new(20);
    let json =
        |arguments: &str, code: i32| bench.run(&format!("{arguments} --json -q")).exits(code);
    let ran = json("certify net.nnet --data data.csv --eps 0.1 --out out", 0);
    assert!(ran.stderr.contains("certus: warning: no domain"), "{}", ran.stderr);
    let report = valid(&ran.stdout, "campaign");
    assert_eq!(report["rows"].as_array().unwrap().len(), 20);
    valid(&bench.text("out/report.json"), "campaign");
    valid(
        &json("attack net.nnet --data data.csv --eps 0.1 --attack pgd,fgsm", 0).stdout,
        "campaign",
    );
    valid(
        &json("radius net.nnet --data data.csv --max-eps 0.1 --tolerance 1/40 --out radii", 0)
            .stdout,
        "radius",
    );
    valid(&bench.text("radii/report.json"), "radius");
    bench.write(
        "plan.toml",
        &format!("{PLAN}[[criterion]]\ndata = \"d\"\nmeasure = \"clean\"\nat_least = 0.5\n"),
    );
    let audit = valid(&json("audit plan.toml --out audit", 0).stdout, "audit");
    assert_eq!(audit["criteria"][0]["result"], "met");
    valid(&bench.text("audit/report.json"), "audit");
    valid(&bench.run("report audit --json").exits(0).stdout, "audit");
    let sealed = valid(&bench.run("audit --verify audit --json").exits(0).stdout, "audit-verify");
    let id = sealed["id"].as_str().unwrap();
    bench.run(&format!("audit --verify audit --id {id} --json")).exits(0);
    let short = bench.run(&format!("audit --verify audit --id {}", &id[..16])).exits(64).stderr;
    assert!(short.contains("too short: 16 of its digits"), "{short}");
    std::fs::write(bench.path("audit/rows.csv"), "altered").unwrap();
    let altered = valid(&bench.run("audit --verify audit --json").exits(65).stdout, "audit-verify");
    assert_eq!(
        (&altered["intact"], &altered["altered"][0]),
        (&false.into(), &"rows.csv: altered".into())
    );
    valid(&bench.run("audit --init net.nnet data.csv --json").exits(0).stdout, "audit-init");
    valid(&bench.run("inspect net.nnet --json").exits(0).stdout, "inspect");
    let spec = valid(
        &bench.run("spec net.nnet --data data.csv --index 0 --eps 0.1 --json").exits(0).stdout,
        "spec",
    );
    let property = bench.write("p.vnnlib", spec["property"].as_str().unwrap());
    let verified = bench.run(&format!("verify net.nnet {} --json", property.display()));
    valid(&verified.stdout, "verify");
    let evaluated = bench.run("eval net.nnet --data data.csv --limit 2 --json").exits(0);
    assert_eq!(valid(&evaluated.stdout, "eval")["outputs"].as_array().unwrap().len(), 2);
    let asked = "plan --share 0.9 --expect 0.95 --power 0.8 --json";
    let plan = valid(&bench.run(asked).exits(0).stdout, "plan");
    assert_eq!((&plan["rows"][0]["inputs"], &plan["rows"][0]["failures"]), (&36.into(), &0.into()));
    let sides =
        json("tradeoff net.nnet --data data.csv --eps 0.1 --method crown --out sides", 0).stdout;
    valid(&sides, "audit");
    bench.write("list.csv", "net.nnet,p.vnnlib,10\n");
    let rows = valid(&json("bench list.csv --out rows.csv", 0).stdout, "bench");
    assert_eq!(rows["rows"].as_array().unwrap().len(), 1);
    let both = bench.run("verify net.nnet p.vnnlib --json --vnncomp").exits(64).stderr;
    assert!(both.contains("two forms"), "{both}");
}

#[test]
fn schemas_refuse_what_they_do_not_name() {
    let mut schema = serde_json::json!({
        "type": "object",
        "properties": { "a": { "type": "object", "properties": { "b": { "type": "integer" } } } },
    });
    strict(&mut schema, false);
    let fits = |value: Value| jsonschema::is_valid(&schema, &value);
    assert!(fits(serde_json::json!({ "a": { "b": 1 } })));
    assert!(!fits(serde_json::json!({ "a": { "b": 1, "c": 2 } })));
    assert!(!fits(serde_json::json!({ "d": 1 })));
}

#[test]
fn proofs_are_checked_in_json_too() {
    let bench = Bench::new(1);
    let digits = committed("models/mnist");
    let (model, data) = (digits.join("mlp_cert.onnx"), digits.join("test.npz"));
    let certify = format!(
        "certify {} --data {} --eps 0.02 --limit 2 --proofs --out out -q",
        model.display(),
        data.display()
    );
    bench.run(&certify).exits(0);
    let checked = valid(&bench.run("check out --json -q").exits(0).stdout, "check");
    assert_eq!((&checked["accepted"], &checked["proofs"]), (&2.into(), &2.into()));
}

#[test]
fn what_build_servers_read() {
    let bench = Bench::new(20);
    bench.run("certify net.nnet --data data.csv --eps 0.3 --junit j.xml --sarif s.sarif -q --method ibp").exits(0);
    let junit = bench.text("j.xml");
    let count = |word: &str| junit.matches(word).count();
    assert!(
        junit.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name="),
        "{junit}"
    );
    assert_eq!(count("<testcase "), 20);
    let failures = count("<failure ");
    assert!(failures >= 3 && junit.contains(&format!("failures=\"{failures}\"")), "{junit}");
    assert!(junit.contains(&format!("skipped=\"{}\"", count("<skipped "))), "{junit}");
    xml(&bench.path("j.xml"));
    let sarif: Value = serde_json::from_str(&bench.text("s.sarif")).unwrap();
    public("sarif-2.1.0", &sarif);
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.iter().filter(|result| result["level"] == "error").count(), failures);
    for result in results {
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let at = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(at, "data.csv");
    }
    assert!(results.iter().any(|result| result["ruleId"] == "data"));
    // An audit's criteria: shown by all 20, not shown by 17 of 20, not met.
    let criterion = |least: &str| {
        format!("[[criterion]]\ndata = \"d\"\nmeasure = \"clean\"\nat_least = {least}\n")
    };
    let plan = [PLAN, &criterion("0.5"), &criterion("0.8"), &criterion("0.9")].concat();
    bench.write("plan.toml", &plan);
    let ran =
        bench.run("audit plan.toml -q --junit a.xml --sarif a.sarif --require-criteria").exits(10);
    for words in ["met: at least 50.0 %", "not shown: at least 80.0 %", "not met: at least 90.0 %"]
    {
        assert!(ran.stdout.contains(words), "{}", ran.stdout);
    }
    xml(&bench.path("a.xml"));
    public("sarif-2.1.0", &serde_json::from_str(&bench.text("a.sarif")).unwrap());
    let junit = bench.text("a.xml");
    assert!(junit.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{junit}");
    assert!(junit.contains("A &lt;test&gt; &amp; more"), "{junit}");
    bench.write(
        "plan.toml",
        &plan.replace("at_least = 0.8", "at_least = 0.8\njudged_by = \"share\""),
    );
    let ran = bench.run("audit plan.toml -q --out by-share").exits(0);
    assert!(ran.stdout.contains("met: at least 80.0 %"), "{}", ran.stdout);
    let page = bench.text("by-share/report.html");
    assert!(page.contains("by the share") && page.contains("Clopper–Pearson"));
    bench
        .write("plan.toml", &plan.replace("at_least = 0.8", "at_least = 0.8\njudged_by = \"eye\""));
    assert!(bench.run("audit plan.toml -q").exits(65).stderr.contains("lower-bound nor share"));
    let nowhere = "attack net.nnet --data data.csv --eps 0.1 -q --junit absent/j.xml";
    assert!(bench.run(nowhere).exits(73).stderr.contains("there is no such file or folder"));
}

#[test]
fn shells_and_man_are_served() {
    let bench = Bench::new(1);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = bench.run(&format!("completions {shell}")).exits(0).stdout;
        assert!(text.contains("certus") && text.contains("require-certified"), "{shell}");
    }
    bench.run("man pages").exits(0);
    let page = bench.text("pages/certus-certify.1");
    assert!(page.contains(".TH") && page.contains("require"), "{page}");
    assert!(bench.path("pages/certus.1").is_file());
}

#[test]
fn colours_and_every_input_when_asked() {
    let bench = Bench::new(10);
    let certify = |more: &str| bench.certify(&format!("--eps 0.1 -q {more}")).exits(0);
    assert!(!certify("").stdout.contains('\x1b'));
    assert!(certify("--color always").stdout.contains('\x1b'));
    assert!(!certify("--color never").stdout.contains('\x1b'));
    let told = certify("-v").stderr;
    assert_eq!(told.lines().filter(|line| line.contains("input ")).count(), 10, "{told}");
    assert!(told.contains("certified by ") && told.contains("misclassified"), "{told}");
}
