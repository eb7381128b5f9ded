//! A question can only be made of parts that fit, and asks what its words say.

mod common;

use certus::internal::attack::{AttackKind, AttackSettings};
use certus::internal::load::{DataSettings, Dataset, Layout, load_network};
use certus::internal::net::{FinalOperator, Function, LinearMap, Matrix, Network, NetworkBuilder};
use certus::internal::num::{Rational, parse_rational};
use certus::internal::query::{Classifier, ClassifierError, Query, QueryError};
use certus::internal::spec::{Claim, HalfSpace, Norm, Property, Region};
use certus::internal::verify::{Method, Settings, Verdict, verify};
use common::seeded;
use std::path::{Path, PathBuf};

fn models(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(file)
}

fn q(text: &str) -> Rational {
    parse_rational(text).unwrap()
}

fn unit(inputs: usize) -> Region {
    Region::from_bounds(&vec![(q("0"), q("1")); inputs]).unwrap()
}

fn patients() -> (Network, Dataset) {
    let network = load_network(&models("breast_cancer/mlp_plain.onnx")).unwrap().network;
    let data = Dataset::load(&models("breast_cancer/test.csv"), &DataSettings::default()).unwrap();
    assert!(data.normalisation().is_some());
    (network, data)
}

/// y = x or so.
fn identity() -> Network {
    seeded::affine_net(&[&[1.0, 0.0], &[0.0, 1.0]], &[0.0, 0.0])
}

fn of_half(half: HalfSpace, uses_inputs: bool) -> Property {
    let claim = Claim { region: unit(2), unsafe_set: vec![vec![half]] };
    Property { claims: vec![claim], uses_inputs }
}

#[test]
fn a_region_before_a_normalisation_needs_a_network_that_has_it() {
    let (network, data) = patients();
    let eps = q("1/100");
    let region = data.region(0, Norm::Linf, &eps).unwrap();
    let error = Query::classification(network.clone(), region.clone(), data.label(0)).unwrap_err();
    assert_eq!(error, QueryError::Normalisation);
    let ball = data.region(0, Norm::L2, &eps).unwrap();
    assert_eq!(
        Query::classification(network.clone(), ball, data.label(0)).unwrap_err(),
        QueryError::Normalisation
    );
    let classifier = Classifier::new(network, &[30], data).unwrap();
    Query::classification(classifier.network().clone(), region, 0).unwrap();
    assert!(!classifier.own().is_normalised() && classifier.network().is_normalised());
}

/// What an attack breaks is never certified by a user who follows the types.
#[test]
fn what_is_broken_is_not_certified() {
    let (network, data) = patients();
    let inputs = data.len().min(40);
    let classifier = Classifier::new(network, &[30], data).unwrap();
    let (mut broken, mut certified) = (0, 0);
    for index in 0..inputs {
        let query = classifier.query(index, Norm::Linf, &q("1/10")).unwrap();
        let attack = AttackSettings { kind: AttackKind::None, ..AttackSettings::default() };
        let bounds = Settings { method: Method::Crown, attack, ..Settings::default() };
        let holds = matches!(verify(&query, &bounds, &|| false).verdict, Verdict::Certified(_));
        let found =
            certus::internal::attack::attack(&query, 0, &AttackSettings::default(), 0, &|| false)
                .is_some();
        assert!(!(holds && found), "input {index}");
        (broken, certified) = (broken + usize::from(found), certified + usize::from(holds));
    }
    assert!(broken > 0 && certified > 0, "{broken} broken, {certified} certified");
}

#[test]
fn values_of_what_is_left_out_cannot_be_asked_about() {
    let softmax = || identity().leaving_out(Some(FinalOperator::Softmax));
    let value = HalfSpace { coefficients: vec![(0, 1.0)], ..HalfSpace::margin(0, 1) };
    let error = Query::new(softmax(), of_half(value.clone(), false)).unwrap_err();
    assert_eq!(error, QueryError::LeftOut(FinalOperator::Softmax));
    Query::new(identity(), of_half(value, false)).unwrap();
    Query::classification(softmax(), unit(2), 1).unwrap();
    // That outlives what else is done to the network.
    let composed = softmax().with_normalisation(&[0.0; 2], &[1.0; 2]).unwrap();
    assert_eq!(composed.left_out(), Some(FinalOperator::Softmax));
    let both = softmax().with_inputs_as_outputs().unwrap();
    assert_eq!(both.left_out(), Some(FinalOperator::Softmax));
    let behind = composed.after(identity()).unwrap();
    assert_eq!(behind.left_out(), Some(FinalOperator::Softmax));
    // Of the inputs, what stands in front knows more.
    assert!(!behind.is_normalised());
}

#[test]
fn wrong_sizes_are_errors() {
    let margins = |region| Property::classification(region, 0, 2);
    let error = Query::new(identity(), margins(unit(3))).unwrap_err();
    assert_eq!(error, QueryError::Inputs { claim: 0, found: 3, expected: 2 });
    let error = Query::new(identity(), of_half(HalfSpace::margin(0, 2), false)).unwrap_err();
    assert_eq!(error, QueryError::Output { claim: 0, output: 2, outputs: 2 });
    // An input of the network has the number behind its outputs.
    let query = Query::new(identity(), of_half(HalfSpace::margin(0, 3), true)).unwrap();
    assert_eq!((query.network().outputs(), query.own_outputs()), (4, 2));
    let error = Query::new(identity(), of_half(HalfSpace::margin(0, 4), true)).unwrap_err();
    assert_eq!(error, QueryError::Output { claim: 0, output: 4, outputs: 4 });
    let error = Query::classification(identity(), unit(2), 2).unwrap_err();
    assert_eq!(error, QueryError::Label { label: 2, classes: 2 });
    for half in [
        HalfSpace { coefficients: vec![(0, f64::NAN)], ..HalfSpace::margin(0, 1) },
        HalfSpace { coefficients: vec![(1, 1.0), (0, 1.0)], ..HalfSpace::margin(0, 1) },
        HalfSpace { coefficients: vec![(1, 1.0), (1, 1.0)], ..HalfSpace::margin(0, 1) },
        HalfSpace { bound_up: -1.0, ..HalfSpace::margin(0, 1) },
        HalfSpace { bound_up: f64::NAN, ..HalfSpace::margin(0, 1) },
    ] {
        let error = Query::new(identity(), of_half(half, false)).unwrap_err();
        assert!(matches!(error, QueryError::HalfSpace(0, _)), "{error}");
    }
    let (network, data) = patients();
    let inputs = data.len();
    let classifier = Classifier::new(network, &[30], data.clone()).unwrap();
    let error = classifier.query(inputs, Norm::Linf, &q("0")).unwrap_err();
    assert_eq!(error, QueryError::Index { index: inputs, inputs });
    assert!(classifier.query(0, Norm::Linf, &q("-1")).is_err());
    assert!(matches!(
        Classifier::new(identity(), &[2], data.clone()),
        Err(ClassifierError::Data(_))
    ));
    let one = seeded::affine_net(&[&[1.0, 1.0]], &[0.0]);
    let one = one.leaving_out(Some(certus::internal::net::FinalOperator::ArgMax));
    assert!(matches!(Classifier::new(one, &[2], data), Err(ClassifierError::OneOutput)));
}

/// A box around a Euclidean ball has corners outside of it: what is found there refutes nothing.
#[test]
fn a_counterexample_of_a_ball_lies_in_it() {
    // The label 0 is lost where x₀ + x₁ ≥ 1.5, 1.06 away from the centre; the box of radius 1 has the corner (1, 1).
    let net = seeded::affine_net(&[&[-1.0, -1.0], &[0.0, 0.0]], &[1.5, 0.0]);
    let ball =
        |eps: &str| Region::ball(Norm::L2, &[q("0"), q("0")], &[q(eps), q(eps)], None).unwrap();
    for method in Method::ALL {
        for kind in [AttackKind::None, AttackKind::Pgd] {
            let attack = AttackSettings { kind, ..AttackSettings::default() };
            let settings = Settings { method, attack, ..Settings::default() };
            let verdict = |eps: &str| {
                let query = Query::classification(net.clone(), ball(eps), 0).unwrap();
                verify(&query, &settings, &|| false).verdict
            };
            assert!(matches!(verdict("0.7"), Verdict::Certified(_)), "{method} {kind}");
            assert!(matches!(verdict("1"), Verdict::Unknown(_)), "{method} {kind}");
            let Verdict::Falsified(found) = verdict("1.2") else {
                assert_eq!(kind, AttackKind::None, "{method}");
                continue;
            };
            assert!(ball("1.2").holds(found.exact_input()), "{method} {kind}");
        }
    }
}

/// A network that takes 3 × 4 × 5, and its inputs as they are and with the channels last.
#[test]
fn shapes_that_agree_only_when_flattened_are_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/layout");
    let loaded = load_network(&folder.join("cv.onnx")).unwrap();
    let classifier = |data: &str, layout| {
        let arrays = (Some("x".to_owned()), Some("y".to_owned()));
        let settings = DataSettings {
            inputs_array: arrays.0,
            labels_array: arrays.1,
            layout,
            ..DataSettings::default()
        };
        let data = Dataset::load(&folder.join(data), &settings).unwrap();
        Classifier::new(loaded.network.clone(), &loaded.input_shape, data)
    };
    assert!(classifier("cv_nchw.npz", None).is_ok());
    assert!(classifier("cv_nhwc.npz", Some(Layout::Flat)).is_ok());
    let error = classifier("cv_nhwc.npz", Some(Layout::Same)).unwrap_err().to_string();
    for part in ["[4, 5, 3]", "[3, 4, 5]", "[2, 0, 1]", "--layout flat"] {
        assert!(error.contains(part), "{error}");
    }
}

/// Of one output the sign decides, which an exponential, a sigmoid and a softplus never change.
#[test]
fn one_output_that_is_always_positive_decides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.csv");
    std::fs::write(&file, "a,b,label\n0.5,-0.25,1\n-0.5,0.75,0\n").unwrap();
    for (function, fine) in [
        (Function::Tanh, true),
        (Function::Relu, true),
        (Function::Exp, false),
        (Function::Sigmoid, false),
        (Function::Softplus, false),
    ] {
        let mut builder = NetworkBuilder::new(2, "x").unwrap();
        let map = LinearMap::from_matrix(Matrix::from_row_slice(1, 2, &[1.0, -1.0]));
        let z = builder.linear(0, map, "z").unwrap();
        let y = builder.elementwise(function, &[z], "y").unwrap();
        // Behind what keeps signs it is the same.
        let t = builder.elementwise(Function::Tanh, &[y], "t").unwrap();
        let net = builder.finish(t).unwrap();
        let data = Dataset::load(&file, &DataSettings::default()).unwrap();
        match Classifier::new(net, &[2], data) {
            Ok(_) => assert!(fine, "{function:?}"),
            Err(ClassifierError::AlwaysPositive) => assert!(!fine, "{function:?}"),
            Err(error) => panic!("{error}"),
        }
    }
}
