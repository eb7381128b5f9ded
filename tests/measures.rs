//! The measures of an audit: agreement with scikit-learn and SciPy on committed numbers, and what must always hold.

use certus::internal::audit::classification::{Averages, ClassFigures, roc_auc};
use certus::internal::audit::interval::clopper_pearson;
use certus::internal::audit::shift::{Corruption, Frame, Image, Severity};
use certus::internal::audit::{Classification, Prediction, Share};
use certus::internal::load::{DataSettings, Dataset, load_network};
use certus::internal::net::Matrix;
use certus::internal::num::Rational;
use proptest::prelude::*;
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
        agree(found.accuracy.value, &case["accuracy"], name);
        for (label, row) in list(&case["confusion"]).iter().enumerate() {
            for (predicted, count) in list(row).iter().enumerate() {
                assert_eq!(found.confusion[label][predicted], whole(count), "{name}");
            }
        }
        for class in 0..classes {
            let ClassFigures { support, precision, recall, f1, roc_auc } = found.classes[class];
            assert_eq!(support, whole(&case["support"][class]), "{name}");
            let figures =
                [("precision", precision), ("recall", recall), ("f1", f1), ("auc", roc_auc)];
            for (figure, value) in figures {
                agree(value, &case[figure][class], &format!("{name}: {figure} of {class}"));
            }
        }
        for (average, field) in
            [(found.macro_average, "macro"), (found.weighted_average, "weighted")]
        {
            let Averages { precision, recall, f1 } = average.unwrap();
            for (at, value) in [precision, recall, f1].into_iter().enumerate() {
                agree(Some(value), &case[field][at], &format!("{name}: {field} {at}"));
            }
        }
        agree(found.roc_auc_macro, &case["auc_macro"], name);
        agree(found.roc_auc_weighted, &case["auc_weighted"], name);
    }
}

#[test]
fn intervals_agree_with_scipy() {
    for row in fixture("intervals.json") {
        let share = Share { count: whole(&row["k"]), total: whole(&row["n"]) };
        let found = clopper_pearson(share, row["level"].as_f64().unwrap()).unwrap();
        for (end, expected) in
            [found.low, found.high].into_iter().zip(list(&row["clopper_pearson"]))
        {
            agree(Some(end), expected, &format!("{share}, {}", row["level"]));
        }
    }
}

#[test]
fn blur_agrees_with_scipy() {
    let image = Image { channels: 1, height: 6, width: 5 };
    let unit = || (Rational::from_integer(0.into()), Rational::from_integer(1.into()));
    let frame = Frame::with_domain(Some(image), &vec![unit(); image.len()]);
    for row in fixture("blur.json") {
        let numbers = |field: &str| -> Vec<f64> {
            list(&row[field]).iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let severity = Severity::new(row["severity"].as_u64().unwrap() as u8).unwrap();
        let found = Corruption::Blur.apply(&numbers("image"), &frame, severity, 0, 0).unwrap();
        for (found, expected) in found.iter().zip(list(&row["blurred"])) {
            agree(Some(*found), expected, "a blurred pixel");
        }
    }
}

/// A committed network with its data, normalisation folded in, and the shape of its input.
fn committed(network: &str, data: &str) -> (certus::internal::net::Network, Dataset, Vec<usize>) {
    let at =
        |file: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(file);
    let loaded = load_network(&at(network)).unwrap();
    let data = Dataset::load(&at(data), &DataSettings::default()).unwrap();
    let network = match data.normalisation() {
        None => loaded.network,
        Some((mean, std)) => loaded.network.with_normalisation(&mean, &std).unwrap(),
    };
    (network, data, loaded.input_shape)
}

#[test]
fn images_suffer_from_every_corruption_and_tables_from_noise() {
    let count = 60;
    for (network, data, image) in [
        ("mnist/mlp_plain.onnx", "mnist/test.npz", Some((1, 28, 28))),
        ("breast_cancer/mlp_plain.onnx", "breast_cancer/test.csv", None),
    ] {
        let (network, data, shape) = committed(network, data);
        let frame = Frame::of_dataset(&data, &shape);
        assert_eq!(frame.image().map(|i| (i.channels, i.height, i.width)), image);
        assert_eq!(frame.cuts(), image.is_some());
        let correct = |points: &dyn Fn(usize) -> Option<Vec<f64>>| {
            let right = |index: usize| {
                let outputs =
                    network.evaluate(&Matrix::from_vec(data.features(), 1, points(index)?));
                Some(Prediction::new(data.label(index), outputs.as_slice().to_vec()).correct())
            };
            let right: Option<Vec<bool>> = (0..count).map(right).collect();
            right.map(|right| right.into_iter().filter(|right| *right).count())
        };
        let clean = correct(&|index| Some(data.point(index))).unwrap();
        assert!(clean > 50, "{clean}");
        for kind in Corruption::ALL {
            let severity = Severity::ALL[4];
            let at = || correct(&|i| kind.apply(&data.point(i), &frame, severity, 1, i));
            let worst = at();
            assert_eq!(worst.is_some(), image.is_some() || !kind.needs_image(), "{kind}");
            assert_eq!(worst, at(), "{kind}");
            if let Some(worst) = worst {
                assert!(worst < clean, "{kind}: {worst} where {clean} were correct");
            }
        }
    }
}

/// Scores with many ties, and which are of the positive class.
fn scored() -> impl Strategy<Value = Vec<(i8, bool)>> {
    proptest::collection::vec((-6i8..6, any::<bool>()), 0..40)
}

/// So many cases, or as many as the variable PROPTEST_CASES says.
fn cases(count: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(count), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(200))]

    /// The area is the share of pairs in order, a tie counting ½; it does not depend on the scale, and mirrors.
    #[test]
    fn the_area_counts_pairs(scored in scored()) {
        let positive: Vec<bool> = scored.iter().map(|s| s.1).collect();
        let area = |score: &dyn Fn(f64) -> f64, positive: &[bool]| {
            let scores: Vec<f64> = scored.iter().map(|s| score(f64::from(s.0))).collect();
            roc_auc(&scores, positive)
        };
        let plain = area(&|s| s, &positive);
        let (mut won, mut pairs) = (0, 0);
        for (a, _) in scored.iter().filter(|s| s.1) {
            for (b, _) in scored.iter().filter(|s| !s.1) {
                won += 1 + i32::from(a.cmp(b) as i8);
                pairs += 2;
            }
        }
        prop_assert_eq!(plain, (pairs > 0).then(|| f64::from(won) / f64::from(pairs)));
        prop_assert_eq!(plain, area(&|s| (s * 0.1).exp(), &positive));
        let others: Vec<bool> = positive.iter().map(|p| !p).collect();
        if let (Some(plain), Some(mirrored)) = (plain, area(&|s| s, &others)) {
            prop_assert!((plain + mirrored - 1.0).abs() < 1e-15);
        }
    }

    /// Counts add up; the weighted recall is the accuracy; F1 lies between precision and recall.
    #[test]
    fn figures_fit_together(pairs in proptest::collection::vec((0usize..4, proptest::option::weighted(0.9, 0usize..4)), 1..60)) {
        let predictions: Vec<Prediction> = pairs
            .iter()
            .map(|&(label, predicted)| Prediction { label, predicted, outputs: vec![0.0; 4] })
            .collect();
        let found = Classification::of(4, &predictions);
        prop_assert_eq!(found.classes.iter().map(|c| c.support).sum::<usize>(), pairs.len());
        prop_assert_eq!(found.accuracy.total, pairs.len());
        let given = pairs.iter().filter(|pair| pair.1.is_some()).count();
        prop_assert_eq!(found.confusion.iter().flatten().sum::<usize>(), given);
        prop_assert_eq!(found.undecided.iter().sum::<usize>(), pairs.len() - given);
        let recall: f64 = found.classes.iter().map(|c| c.support as f64 * c.recall.unwrap_or(0.0)).sum();
        let accuracy = found.accuracy.value.unwrap();
        prop_assert!((recall / pairs.len() as f64 - accuracy).abs() < 1e-12);
        for class in found.classes {
            if let (Some(precision), Some(recall)) = (class.precision, class.recall) {
                let (low, high) = (precision.min(recall), precision.max(recall));
                let f1 = class.f1.unwrap();
                prop_assert!(low - 1e-12 <= f1 && f1 <= high + 1e-12);
            }
        }
    }
}
