//! What a campaign reports: figures, rows, evidence, whatever the number of threads.

use crate::support::Bench;
use certus::internal::num::{Rational, parse_rational};
use serde_json::Value;

fn count(report: &Value, verdict: &str) -> u64 {
    let rows = report["rows"].as_array().unwrap();
    rows.iter().filter(|row| row["verdict"] == verdict).count() as u64
}

#[test]
fn figures_are_counts_of_rows() {
    let bench = Bench::new(60);
    let ran = bench.certify("--eps 0.1 --method ibp --out out").exits(0);
    let report = bench.report("out");
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 60);
    assert!(rows.iter().enumerate().all(|(i, row)| row["index"] == i));

    let wrong = count(&report, "misclassified");
    let (certified, broken) = (count(&report, "certified"), count(&report, "falsified"));
    let unknown = count(&report, "unknown");
    assert_eq!(wrong, 9, "every seventh label is wrong");
    assert!(certified > 0 && broken > 0 && unknown > 0, "{certified} {broken} {unknown}");
    let is = |figure: &str, numerator: u64, denominator: u64| {
        let figure = &report["summary"][figure];
        assert_eq!(figure["numerator"], numerator);
        assert_eq!(figure["denominator"], denominator);
        assert_eq!(figure["value"], numerator as f64 / denominator as f64);
    };
    is("clean_accuracy", 60 - wrong, 60);
    is("adversarial_accuracy", 60 - wrong - broken, 60);
    is("attack_success_rate", broken, 60 - wrong);
    is("certified_accuracy", certified, 60);
    is("undecided", unknown, 60);
    for (figure, numerator) in [("clean accuracy", 60 - wrong), ("certified accuracy", certified)] {
        let line = ran.stdout.lines().find(|line| line.contains(figure)).unwrap();
        assert!(line.contains(&format!("{numerator} / 60")), "{line}");
    }
    assert!(!ran.stdout.contains('\u{1b}'), "no colours where there is no terminal");
}

#[test]
fn every_row_and_the_header_have_the_documented_fields() {
    let bench = Bench::new(30);
    bench.certify("--eps 0.2 --seed 5 --timeout 60 --limit 25 --out out").exits(0);
    let report = bench.report("out");
    assert_eq!(report["schema_version"], 3);
    assert_eq!(report["tool"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["semantics"], "real");
    assert_eq!(report["assurance_level"], "sound");
    assert_eq!(report["model"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(report["data"]["sha256"].as_str().unwrap().len(), 64);
    let settings = &report["settings"];
    assert_eq!(settings["epsilon"]["exact"], "1/5");
    assert_eq!((&settings["limit"], &settings["seed"]), (&25.into(), &5.into()));
    assert_eq!((&settings["method"], &settings["timeout"]), (&"auto".into(), &60.0.into()));
    assert_eq!(settings["attack"]["kind"], "pgd");
    for row in report["rows"].as_array().unwrap() {
        let verdict = row["verdict"].as_str().unwrap();
        let set = |field: &str| !row[field].is_null();
        assert!(row["label"].is_u64() && row["seconds"].as_f64().unwrap() >= 0.0);
        assert_eq!(set("assurance"), verdict == "certified");
        assert_eq!(set("counterexample"), verdict == "falsified");
        assert_eq!(set("reason"), verdict == "unknown");
        assert_eq!(set("stage"), verdict == "certified" || verdict == "falsified");
        if verdict == "certified" {
            assert!(row["margin_bound"].as_f64().unwrap() > 0.0);
        }
        let attack = match verdict {
            "misclassified" => "not_run",
            "falsified" => "broken",
            _ => "survived",
        };
        assert_eq!(row["attack"], attack);
    }
}

#[test]
fn every_counterexample_is_a_file_inside_the_ball() {
    let bench = Bench::new(30);
    bench.certify("--eps 0.2 --out out").exits(0);
    let data = bench.text("data.csv");
    let mut files = 0;
    for row in bench.report("out")["rows"].as_array().unwrap() {
        let Some(file) = row["counterexample"].as_str() else { continue };
        files += 1;
        let text = bench.text(&format!("out/{file}"));
        assert!(text.starts_with("sat\n((X_0 "), "{text}");
        let line = data.lines().nth(1 + row["index"].as_u64().unwrap() as usize).unwrap();
        let value = |name: &str| -> f64 {
            let from = text.find(&format!("({name} ")).unwrap() + name.len() + 2;
            text[from..].split(')').next().unwrap().parse().unwrap()
        };
        for (i, centre) in line.split(',').take(4).enumerate() {
            let distance = (value(&format!("X_{i}")) - centre.parse::<f64>().unwrap()).abs();
            assert!(distance <= 0.2 + 1e-12, "{distance}");
        }
        let label = row["label"].as_u64().unwrap();
        let logits: Vec<f64> = (0..3).map(|j| value(&format!("Y_{j}"))).collect();
        assert!(
            logits
                .iter()
                .any(|y| *y >= logits[label as usize] && logits[label as usize] != f64::MAX)
        );
    }
    assert!(files > 0);
    assert_eq!(std::fs::read_dir(bench.path("out/counterexamples")).unwrap().count(), files);
}

#[test]
fn the_report_does_not_depend_on_the_number_of_jobs() {
    let bench = Bench::new(50);
    bench.certify("--eps 0.15 --jobs 1 --seed 3 --out one").exits(0);
    bench.certify("--eps 0.15 --jobs 4 --seed 3 --out four").exits(0);
    bench.certify("--eps 0.15 --jobs 4 --seed 3 --out again").exits(0);
    assert_eq!(bench.comparable("one"), bench.comparable("four"));
    assert_eq!(bench.comparable("four"), bench.comparable("again"));
    bench.certify("--eps 0.15 --seed 4 --out other").exits(0);
    assert_ne!(bench.comparable("one")["settings"], bench.comparable("other")["settings"]);
}

#[test]
fn decimals_and_fractions_are_the_same_epsilon() {
    let bench = Bench::new(10);
    bench.certify("--eps 1/10 --out fraction").exits(0);
    bench.certify("--eps 0.10 --out decimal").exits(0);
    assert_eq!(bench.comparable("fraction"), bench.comparable("decimal"));
}

#[test]
fn nothing_is_attacked_with_attack_none() {
    let bench = Bench::new(30);
    bench.certify("--eps 0.1 --attack none --method crown --out out").exits(0);
    let report = bench.report("out");
    assert_eq!(count(&report, "falsified"), 0);
    let summary = &report["summary"];
    assert_eq!(summary["adversarial_accuracy"], summary["clean_accuracy"]);
    assert!(report["rows"].as_array().unwrap().iter().all(|row| row["attack"] == "not_run"));
}

#[test]
fn zero_epsilon_certifies_what_is_correct() {
    let bench = Bench::new(20);
    bench.certify("--eps 0 --out out").exits(0);
    let summary = bench.report("out")["summary"].clone();
    assert_eq!(summary["certified_accuracy"], summary["clean_accuracy"]);
}

#[test]
fn required_accuracy_decides_the_exit_code() {
    let bench = Bench::new(20);
    bench.certify("--eps 0 --require-certified 0.8").exits(0);
    bench.certify("--eps 0 --require-certified 17/20").exits(0);
    bench.certify("--eps 0 --require-certified 0.9").exits(10);
}

#[test]
fn the_attack_alone_claims_no_certificates() {
    let bench = Bench::new(30);
    let arguments = "attack net.nnet --data data.csv --label-column label --eps 0.2 --out out";
    let ran = bench.run(arguments).exits(0);
    assert!(!ran.stdout.contains("certified"), "{}", ran.stdout);
    let report = bench.report("out");
    assert_eq!(report["command"], "attack");
    assert!(report["summary"]["certified_accuracy"].is_null());
    assert!(report["summary"]["attack_success_rate"]["numerator"].as_u64().unwrap() > 0);
    assert_eq!(count(&report, "certified"), 0);

    bench.certify("--eps 0.2 --out certify").exits(0);
    let both = bench.report("certify");
    assert_eq!(
        report["summary"]["attack_success_rate"], both["summary"]["attack_success_rate"],
        "the same attack with the same seeds"
    );
    assert!(report["summary"].get("attacks").is_none(), "one attack is no list");
}

#[test]
fn every_attack_is_counted_and_the_worst_case_is_all_of_them() {
    let bench = Bench::new(30);
    let kinds = ["apgd-ce", "apgd-dlr", "fab", "fgsm", "pgd", "square"];
    let list = kinds.join(",");
    let arguments = format!(
        "attack net.nnet --data data.csv --label-column label --eps 0.2 --out out --attack {list} --queries 200"
    );
    let ran = bench.run(&arguments).exits(0);
    assert!(ran.stdout.contains("broken by"), "{}", ran.stdout);
    let report = bench.report("out");
    assert_eq!(report["settings"]["attack"]["kind"], list.as_str());
    assert_eq!(report["settings"]["attack"]["queries"], 200);
    let rows = report["rows"].as_array().unwrap();
    let broken = |row: &Value, kind: &str| row["attacks"][kind] == "broken";
    for kind in kinds {
        let count = rows.iter().filter(|row| broken(row, kind)).count();
        assert_eq!(report["summary"]["attacks"][kind]["numerator"], count, "{kind}");
        assert!(count > 0, "{kind}");
    }
    for row in rows {
        let worst = kinds.iter().any(|kind| broken(row, kind));
        assert_eq!(row["verdict"] == "falsified", worst, "{row}");
        let number = row["attacks"].as_object().map_or(0, |attacks| attacks.len());
        assert_eq!(number, if row["verdict"] == "misclassified" { 0 } else { kinds.len() });
    }
    // Every journalled row is read back.
    let before = bench.comparable("out");
    bench.run(&format!("{arguments} --resume")).exits(0);
    assert_eq!(bench.comparable("out"), before);
}

#[test]
fn euclidean_attacks_stay_in_the_euclidean_ball() {
    let bench = Bench::new(30);
    let base = "attack net.nnet --data data.csv --label-column label --eps 0.25";
    for list in ["pgd,apgd-ce,apgd-dlr,fab,square", "pgd"] {
        let arguments = format!("{base} --norm l2 --attack {list} --out out --overwrite");
        let ran = bench.run(&arguments).exits(0);
        assert!(ran.stdout.contains("L2 perturbation"), "{}", ran.stdout);
        let report = bench.report("out");
        assert_eq!(report["settings"]["norm"], "l2");
        assert!(report["summary"]["attack_success_rate"]["numerator"].as_u64().unwrap() > 0);
        let data = bench.text("data.csv");
        let numbers = |text: &str, split: char| -> Vec<f64> {
            text.split(split).filter_map(|word| word.trim_end_matches(')').parse().ok()).collect()
        };
        for row in report["rows"].as_array().unwrap() {
            let Some(file) = row["counterexample"].as_str() else { continue };
            let line = data.lines().nth(1 + row["index"].as_u64().unwrap() as usize).unwrap();
            let inputs = bench.text(&format!("out/{file}"));
            let inputs = inputs.lines().filter(|line| line.contains("X_"));
            let point: Vec<f64> = inputs.flat_map(|line| numbers(line, ' ')).collect();
            let squares = numbers(line, ',').into_iter().zip(point).map(|(c, x)| (x - c).powi(2));
            let length = squares.sum::<f64>().sqrt();
            assert!(length > 0.0 && length <= 0.25 + 1e-12, "{length}");
        }
    }
}

#[test]
fn attacks_before_bounds_take_turns() {
    let bench = Bench::new(20);
    bench.certify("--eps 0.2 --out out --attack square,pgd --method crown").exits(0);
    bench.certify("--eps 0.2 --out pgd --attack pgd --method crown").exits(0);
    let (both, one) = (bench.report("out"), bench.report("pgd"));
    let broken = |report: &Value| report["summary"]["attack_success_rate"]["numerator"].as_u64();
    assert!(broken(&both) >= broken(&one));
}

/// The inputs in the file of a counterexample, as exact numbers.
fn point(text: &str) -> Vec<Rational> {
    let inputs = text.lines().filter_map(|line| line.trim_matches(['(', ')']).strip_prefix("X_"));
    inputs.map(|input| parse_rational(input.split_once(' ').unwrap().1).unwrap()).collect()
}

#[test]
fn counterexamples_lie_in_their_balls_exactly() {
    let bench = Bench::new(40);
    let data = bench.text("data.csv");
    let number = |text: &str| parse_rational(text).unwrap();
    let zero = number("0");
    // The third feature may not move: thousandths are no doubles, and a third of most is not even a decimal.
    for (scale, command) in [("1", "certify"), ("1/3", "attack"), ("1/3", "radius --max-eps")] {
        let radius = if command.starts_with("radius") { " 0.4" } else { " --eps 0.4" };
        let command = command.to_owned() + radius;
        let (name, rest) = command.split_once(' ').unwrap();
        let reading = format!("--label-column label --scale {scale} --eps-per-feature 1,1,0,1");
        let run = format!("{name} net.nnet --data data.csv {reading} {rest} --out out --overwrite");
        bench.run(&run).exits(0);
        let mut broken = 0;
        for row in bench.report("out")["rows"].as_array().unwrap() {
            let Some(file) = row["counterexample"].as_str() else { continue };
            broken += 1;
            let eps = row["attacked"]["exact"].as_str().unwrap_or("0.4");
            let cells = data.lines().nth(1 + row["index"].as_u64().unwrap() as usize).unwrap();
            let point = point(&bench.text(&format!("out/{file}")));
            let mut most = zero.clone();
            for (at, (x, cell)) in point.iter().zip(cells.split(',')).enumerate() {
                let offset = x - number(cell) * number(scale);
                let offset = if offset < zero { -offset } else { offset };
                assert!(at != 2 || offset == zero, "{run}: {x} for {cell}");
                most = most.max(offset);
            }
            assert!(most <= number(eps), "{run}: {most} > {eps}");
            assert!(name != "radius" || most == number(eps), "{run}: {most} is not {eps}");
        }
        assert!(broken > 5, "{run}: {broken}");
    }
}
