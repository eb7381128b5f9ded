//! Sampling plans, models against each other, models of one recipe, margins in units of single precision's error.

use crate::support::{Bench, committed};
use serde_json::Value;

#[test]
fn a_sampling_plan_is_what_a_criterion_needs() {
    let bench = Bench::new(1);
    let table = bench.run("plan --share 0.9 --failures 4").exits(0).stdout;
    assert!(table.contains("36") && table.contains("90.26 %") && table.contains("100"), "{table}");
    let chosen =
        bench.run("plan --share 0.9 --expect 0.95 --power 0.8 --failures 1").exits(0).stdout;
    assert!(chosen.contains("231 inputs, of which 14 may fail"), "{chosen}");
    for (arguments, words) in [
        ("--share 1", "between 0 and 1"),
        ("--share 0", "between 0 and 1"),
        ("--share 0.9 --confidence 1", "between 0 and 1"),
        ("--share 0.9 --expect 0.9", "--expect must be above --share"),
        ("--share 0.9 --power 0.8", "--expect"),
        ("--share 0.9 --failures 5000", "--failures must be below"),
        ("--share 1.5", "--share"),
    ] {
        let told = bench.run(&format!("plan {arguments}")).exits(64).stderr;
        assert!(told.contains(words) && told.lines().count() == 1, "{arguments}: {told}");
    }
    bench.run("plan --share 0.9999999").exits(65);
}

/// Three networks on the same patients, side by side.
fn sides() -> (Bench, Value, String) {
    let bench = Bench::new(1);
    let folder = committed("models/breast_cancer");
    let models: Vec<String> = ["plain", "adv", "cert"]
        .map(|way| folder.join(format!("mlp_{way}.onnx")).display().to_string())
        .to_vec();
    let tradeoff = format!(
        "tradeoff {} --data {} --eps 0.3 --limit 40 --method crown --recipe mlp --picture p.svg --out out -q",
        models.join(" "),
        folder.join("test.csv").display()
    );
    let text = bench.run(&tradeoff).exits(0).stdout;
    let report = bench.report("out");
    (bench, report, text)
}

#[test]
fn models_stand_side_by_side() {
    let (bench, report, text) = sides();
    for word in [
        "accuracy",
        "precision",
        "recall",
        "F1",
        "AUC",
        "not broken",
        "certified",
        "stability",
        "score",
        "noise",
        "exact McNemar",
        "mlp_cert",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let rows = report["rows"].as_array().unwrap();
    let verdict = |model: &str, index: u64, epsilon: &str| {
        let found = rows.iter().find(|row| {
            row["model"] == model && row["index"] == index && row["epsilon"] == epsilon
        });
        found.unwrap()["verdict"].as_str().unwrap().to_owned()
    };
    let comparisons = report["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), 9, "three pairs by three measures");
    for record in comparisons {
        let [first, second] = ["first", "second"].map(|key| record[key].as_str().unwrap());
        let holds = |model: &str, index: u64| match record["measure"].as_str().unwrap() {
            "clean" => verdict(model, index, "3/10") != "misclassified",
            "adversarial" => {
                ["certified", "unknown"].contains(&verdict(model, index, "3/10").as_str())
            }
            _ => verdict(model, index, "3/10") == "certified",
        };
        let count = |a: bool, b: bool| {
            (0..40).filter(|&i| holds(first, i) == a && holds(second, i) == b).count()
        };
        for (key, a, b) in [
            ("both", true, true),
            ("only_first", true, false),
            ("only_second", false, true),
            ("neither", false, false),
        ] {
            assert_eq!(record[key], count(a, b), "{key} of {record}");
        }
        let p = [&record["p_value"], &record["adjusted"]].map(|p| p.as_f64().unwrap());
        assert!(0.0 < p[0] && p[0] <= p[1] && p[1] <= 1.0, "{record}");
    }
    let recipes = report["recipes"].as_array().unwrap();
    assert_eq!(recipes.len(), 3);
    for record in recipes {
        let values: Vec<f64> =
            record["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let mean = record["mean"].as_f64().unwrap();
        assert!((mean - values.iter().sum::<f64>() / 3.0).abs() < 1e-12);
        let ends = &record["interval"];
        assert!(ends[0].as_f64().unwrap() <= mean && mean <= ends[1].as_f64().unwrap());
    }
    let page = bench.text("out/report.html");
    for words in ["On the same inputs", "Over training seeds", "Deployed arithmetic"] {
        assert!(page.contains(words), "{words}");
    }
    let picture = bench.text("p.svg");
    assert!(
        picture.starts_with("<svg xmlns=") && picture.contains("mlp_adv: certified "),
        "{picture}"
    );
}

#[test]
fn certified_rows_have_their_margin_in_errors() {
    let (bench, report, _) = sides();
    let rows = report["rows"].as_array().unwrap();
    let mut last = std::collections::HashMap::new();
    let mut seen = 0;
    for row in rows {
        let certified = row["verdict"] == "certified";
        assert_eq!(row["rounding_error"].is_number(), certified, "{row}");
        if certified {
            let [margin, error, units] = ["margin_bound", "rounding_error", "margin_in_errors"]
                .map(|key| row[key].as_f64().unwrap());
            assert!(
                error > 1e-9 && error < 1e-2 && (units - margin / error).abs() <= 1e-9 * units,
                "{row}"
            );
            // On a larger region an error may only be larger.
            let key = (row["model"].to_string(), row["index"].to_string());
            let before = last.insert(key, error).unwrap_or(0.0);
            assert!(error >= before, "{row}");
            seen += 1;
        }
    }
    assert!(seen > 100);
    assert!(
        bench
            .text("out/rows.csv")
            .lines()
            .next()
            .unwrap()
            .contains(",margin_bound,rounding_error,margin_in_errors,")
    );
}

#[test]
fn tradeoffs_of_nothing_are_refused() {
    let bench = Bench::new(10);
    bench.run("tradeoff --data data.csv --eps 0.1").exits(64);
    let told = bench.run("tradeoff absent.onnx --data data.csv --eps 0.1 -q").exits(66).stderr;
    assert!(told.contains("absent.onnx") && !told.contains("tradeoff.toml"), "{told}");
    let told =
        bench.run("tradeoff net.nnet net.nnet --data data.csv --eps 0.1 -q").exits(64).stderr;
    assert!(told.contains("two models have this name"), "{told}");
    bench.run("tradeoff net.nnet --data data.csv --eps 0 -q").exits(64);
}
