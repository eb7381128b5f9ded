//! The measures of an audit: agreement with scikit-learn and SciPy on committed numbers.

use certus::audit::classification::{Averages, ClassCounts};
use certus::audit::{Classification, Interval, Prediction, Share, interval};
use serde_json::Value;

const AGREEMENT: f64 = 1e-12;

/// The rows of tests/fixtures/NAME, which make_metrics.py wrote.
fn fixture(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn whole(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// `found` against a number or null of a fixture.
#[track_caller]
fn agree(found: Option<f64>, expected: &Value, what: &str) {
    match (found, expected.as_f64()) {
        (None, None) => {}
        (Some(found), Some(expected)) if (found - expected).abs() <= AGREEMENT => {}
        _ => panic!("{what}: {found:?} where scikit-learn has {expected}"),
    }
}

fn predictions(case: &Value) -> Vec<Prediction> {
    let outputs = |row: &Value| list(row).iter().map(|y| y.as_f64().unwrap()).collect();
    let rows = list(&case["labels"]).iter().zip(list(&case["outputs"]));
    rows.map(|(label, row)| Prediction::new(whole(label), outputs(row))).collect()
}

#[test]
fn figures_agree_with_scikit_learn() {
    let cases = fixture("classification.json");
    assert!(cases.len() >= 10);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let classes = whole(&case["classes"]);
        let found = Classification::of(classes, &predictions(case));
        agree(found.confusion.accuracy().value(), &case["accuracy"], name);
        for (label, row) in list(&case["confusion"]).iter().enumerate() {
            for (predicted, count) in list(row).iter().enumerate() {
                assert_eq!(found.confusion.count(label, predicted), whole(count), "{name}");
            }
        }
        for class in 0..classes {
            let counts = found.confusion.class(class);
            assert_eq!(counts.support, whole(&case["support"][class]), "{name}");
            type Figure = fn(ClassCounts) -> Option<f64>;
            let figures: [(&str, Figure); 3] = [
                ("precision", ClassCounts::precision),
                ("recall", ClassCounts::recall),
                ("f1", ClassCounts::f1),
            ];
            for (figure, of) in figures {
                agree(of(counts), &case[figure][class], &format!("{name}: {figure} of {class}"));
            }
            let area = found.roc_auc.classes[class];
            agree(area, &case["auc"][class], &format!("{name}: AUC of {class}"));
        }
        for (average, field) in
            [(found.macro_average, "macro"), (found.weighted_average, "weighted")]
        {
            let Averages { precision, recall, f1 } = average.unwrap();
            for (at, value) in [precision, recall, f1].into_iter().enumerate() {
                agree(Some(value), &case[field][at], &format!("{name}: {field} {at}"));
            }
        }
        agree(found.roc_auc.macro_mean, &case["auc_macro"], name);
        agree(found.roc_auc.weighted_mean, &case["auc_weighted"], name);
    }
}

#[test]
fn intervals_agree_with_scipy() {
    type Method = fn(Share, f64) -> Option<Interval>;
    let methods: [(&str, Method); 2] =
        [("wilson", interval::wilson), ("clopper_pearson", interval::clopper_pearson)];
    for row in fixture("intervals.json") {
        let share = Share { count: whole(&row["k"]), total: whole(&row["n"]) };
        for (name, method) in methods {
            let found = method(share, row["level"].as_f64().unwrap()).unwrap();
            for (end, expected) in [found.low, found.high].into_iter().zip(list(&row[name])) {
                agree(Some(end), expected, &format!("{name} of {share}, {}", row["level"]));
            }
        }
    }
}
