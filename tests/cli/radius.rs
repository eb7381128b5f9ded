//! `certus radius`: brackets in the right order, the same whatever the threads and interruptions, in agreement with `certify`.

use crate::support::{Bench, Ran};
use certus::internal::num::{Rational, from_f64, parse_rational};
use serde_json::Value;

/// The arguments of `radius` on the folder's files.
fn radius(arguments: &str) -> String {
    format!("radius net.nnet --data data.csv --label-column label {arguments}")
}

fn run(bench: &Bench, arguments: &str) -> Ran {
    bench.run(&radius(arguments))
}

fn exact(number: &Value) -> Option<Rational> {
    number["exact"].as_str().map(|text| parse_rational(text).unwrap())
}

fn rows(report: &Value) -> &[Value] {
    report["rows"].as_array().unwrap()
}

#[test]
fn brackets_are_ordered_and_agree_with_certify() {
    let bench = Bench::new(30);
    let ran = run(&bench, "--max-eps 0.4 --tolerance 0.05 --out out").exits(0);
    let report = bench.report("out");
    assert_eq!(report["command"], "radius");
    assert_eq!(report["settings"]["max_epsilon"]["exact"], "2/5");
    assert_eq!(report["settings"]["step"]["exact"], "1/20");
    assert_eq!(rows(&report).len(), 30);
    let step = parse_rational("0.05").unwrap();
    for row in rows(&report) {
        let (certified, attacked) = (exact(&row["certified"]), exact(&row["attacked"]));
        if row["correct"] == false {
            assert!(certified.is_none() && attacked.is_none() && row["questions"] == 0);
            continue;
        }
        if let Some(certified) = &certified {
            assert!((certified / &step).is_integer(), "{certified} is on the grid");
            assert_eq!(row["assurance"], "sound");
        }
        if let (Some(certified), Some(attacked)) = (&certified, &attacked) {
            assert!(certified < attacked);
        }
        assert_eq!(row["counterexample"].is_null(), attacked.is_none());
    }
    let mean = |kind: &str| report["summary"][kind]["mean"].as_f64().unwrap();
    assert!(mean("certified") <= mean("attacked"));
    let score = report["summary"]["robustness_score"].as_f64().unwrap();
    assert!((score - mean("certified") / 0.4).abs() < 1e-12);
    assert!(
        ran.stdout.contains("robust radius") && ran.stdout.contains("median"),
        "{}",
        ran.stdout
    );

    // At a radius of the grid, what is certified and what is broken there is what the brackets say.
    bench.certify("--eps 0.2 --out certify").exits(0);
    let at = parse_rational("0.2").unwrap();
    for (row, verdict) in rows(&report).iter().zip(rows(&bench.report("certify"))) {
        let (certified, attacked) = (exact(&row["certified"]), exact(&row["attacked"]));
        match verdict["verdict"].as_str().unwrap() {
            "misclassified" => assert_eq!(row["correct"], false),
            "certified" => assert!(attacked.is_none_or(|attacked| attacked > at)),
            "falsified" => assert!(certified.is_none_or(|certified| certified < at)),
            _ => {}
        }
    }
}

#[test]
fn counterexamples_lie_at_the_attacked_radius() {
    let bench = Bench::new(20);
    run(&bench, "--max-eps 0.5 --tolerance 0.1 --out out").exits(0);
    let data = bench.text("data.csv");
    let mut files = 0;
    for row in rows(&bench.report("out")) {
        let Some(file) = row["counterexample"].as_str() else { continue };
        files += 1;
        let text = bench.text(&format!("out/{file}"));
        let line = data.lines().nth(1 + row["index"].as_u64().unwrap() as usize).unwrap();
        let distance = |(i, centre): (usize, &str)| {
            let name = format!("(X_{i} ");
            let from = text.find(&name).unwrap() + name.len();
            // The file has the shortest decimals that read back as the doubles that are meant.
            let value: f64 = text[from..].split(')').next().unwrap().parse().unwrap();
            let off = from_f64(value).unwrap() - parse_rational(centre).unwrap();
            off.clone().max(-off)
        };
        let farthest = line.split(',').take(4).enumerate().map(distance).max();
        assert_eq!(farthest, exact(&row["attacked"]), "{file}");
    }
    assert!(files > 0);
}

#[test]
fn the_report_does_not_depend_on_jobs_or_interruptions() {
    let bench = Bench::new(24);
    let arguments = "--max-eps 0.3 --tolerance 0.05 --seed 3";
    run(&bench, &format!("{arguments} --jobs 1 --out one")).exits(0);
    run(&bench, &format!("{arguments} --jobs 3 --out three")).exits(0);
    assert_eq!(bench.comparable("one"), bench.comparable("three"));

    // As a kill leaves it: some whole lines and a torn one, no report.
    let journal = bench.text("one/journal.jsonl");
    let kept: Vec<&str> = journal.lines().take(9).collect();
    let next = journal.lines().nth(9).unwrap();
    let torn = format!("{}\n{}", kept.join("\n"), &next[..next.len() / 2]);
    bench.write("one/journal.jsonl", &torn);
    std::fs::remove_file(bench.path("one/report.json")).unwrap();
    let ran = run(&bench, &format!("{arguments} --out one --resume")).exits(0);
    assert!(ran.stdout.contains("8 earlier"), "{}", ran.stdout);
    assert_eq!(bench.comparable("one"), bench.comparable("three"));

    let other = run(&bench, "--max-eps 0.3 --tolerance 0.1 --seed 3 --out one --resume").exits(65);
    assert!(other.stderr.contains("settings.step"), "{}", other.stderr);
    run(&bench, &format!("{arguments} --out one")).exits(73);
    bench.certify("--eps 0.1 --out one --resume").exits(65);
}

#[test]
fn a_contradiction_is_an_internal_error_and_no_report() {
    let bench = Bench::new(20);
    let arguments = "--max-eps 0.5 --tolerance 0.1 --out out";
    run(&bench, arguments).exits(0);
    let good = bench.text("out/journal.jsonl");
    let both =
        |line: &&str| !line.contains("\"certified\":null") && !line.contains("\"attacked\":null");
    let line = good.lines().skip(1).find(both).unwrap();
    let row: Value = serde_json::from_str(line).unwrap();
    let attacked = format!("\"exact\":{}", row["attacked"]["exact"]);
    let crossed = line.replace(&attacked, "\"exact\":\"1/1000000\"");
    bench.write("out/journal.jsonl", &good.replace(line, &crossed));
    std::fs::remove_file(bench.path("out/report.json")).unwrap();
    let ran = run(&bench, &format!("{arguments} --resume")).exits(70);
    assert!(ran.stderr.contains("is certified up to"), "{}", ran.stderr);
    assert!(!bench.path("out/report.json").exists());
}

#[test]
fn senseless_radii_are_usage_errors() {
    let bench = Bench::new(3);
    for arguments in
        ["--max-eps 0", "--max-eps=-1", "--tolerance 0", "--max-eps 1 --tolerance 1e-12"]
    {
        let ran = run(&bench, arguments).exits(64);
        assert!(!ran.stderr.trim_end().contains('\n'), "{}", ran.stderr);
    }
    let ran = run(&bench, "--attack none --method ibp --tolerance 1/8").exits(0);
    assert!(ran.stdout.contains("no attack"), "{}", ran.stdout);
}
