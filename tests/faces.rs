//! Counterexamples on faces of a region and at its vertices, bounds that are met exactly, and cases whose equations fix inputs.

#[path = "common/skip.rs"]
mod skip;

mod common;

use certus::internal::net::{LinearMap, Matrix, NetworkBuilder};
use certus::internal::num::{Rational, from_f64};
use certus::internal::prove::{Mode, Question};
use certus::internal::query::Query;
use certus::internal::spec::{Claim, HalfSpace, Property, Region};
use certus::internal::verify::{
    AssuranceLevel, Outcome, ProofWish, Settings, Verdict, verify, verify_with_proof,
};
use common::exact;
use common::onnx_writer::Model;
use common::proving::searching;
use num_traits::Zero;
use skip::skipped;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// y₀ = relu(x₀) − relu(x₁), y₁ = x₀ + x₁, y₂ = 2 in a file.
fn plane() -> Model {
    Model::new(13, &[1, 2])
        .floats("w", &[2, 4], &[1.0, 0.0, 1.0, -1.0, 0.0, 1.0, 1.0, -1.0])
        .node("MatMul", &["x", "w"], "z", vec![])
        .node("Relu", &["z"], "h", vec![])
        .floats("v", &[4, 3], &[1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0])
        .floats("b", &[3], &[0.0, 0.0, 2.0])
        .node("MatMul", &["h", "v"], "m", vec![])
        .node("Add", &["m", "b"], "y", vec![])
}

/// Two copies of h(a, b) = relu(a − b) + relu(b − a − 1/4), one of inputs 0 and 1, one of 2 and 3.
fn copies() -> Model {
    let first =
        [1.0, -1.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0, 1.0];
    Model::new(13, &[1, 4])
        .floats("w", &[4, 4], &first)
        .floats("c", &[4], &[0.0, -0.25, 0.0, -0.25])
        .node("MatMul", &["x", "w"], "m", vec![])
        .node("Add", &["m", "c"], "z", vec![])
        .node("Relu", &["z"], "h", vec![])
        .floats("v", &[4, 2], &[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0])
        .node("MatMul", &["h", "v"], "y", vec![])
}

/// A property of so many inputs in [low, high] and outputs.
fn property(inputs: usize, [low, high]: [&str; 2], outputs: usize, unsafe_set: &str) -> String {
    let mut text = String::new();
    for i in 0..inputs {
        let _ = write!(text, "(declare-const X_{i} Real)");
        let _ = write!(text, "(assert (>= X_{i} {low}))(assert (<= X_{i} {high}))");
    }
    (0..outputs).for_each(|j| text += &format!("(declare-const Y_{j} Real)"));
    text + unsafe_set
}

struct Asked {
    query: Query,
    files: [Vec<u8>; 2],
}

impl Asked {
    fn of(model: &Model, property: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [net, vnnlib] = ["m.onnx", "p.vnnlib"].map(|name| folder.path().join(name));
        std::fs::write(&net, model.bytes()).unwrap();
        std::fs::write(&vnnlib, property).unwrap();
        Self { query: Query::open(&net, &vnnlib).unwrap(), files: [model.bytes(), property.into()] }
    }

    fn outcome(&self) -> Outcome {
        verify(&self.query, &searching(), &|| false)
    }

    /// A counterexample that holds exactly, of whose half-spaces none is told from its bound by rounding.
    fn falsified(&self) -> Vec<Rational> {
        let outcome = self.outcome();
        let Verdict::Falsified(found) = &outcome.verdict else { panic!("{outcome:?}") };
        let x = found.exact_input().to_vec();
        let outputs = exact::evaluate(self.query.network(), &x).pop().unwrap();
        let claim = &self.query.property().claims[found.claim()];
        for half in &claim.unsafe_set[found.polytope()] {
            let value = half
                .coefficients
                .iter()
                .fold(Rational::zero(), |sum, &(j, a)| sum + from_f64(a).unwrap() * &outputs[j]);
            assert!(value <= from_f64(half.bound_up).unwrap(), "{value}");
        }
        x
    }

    /// Certified, and with a proof that both of its readers accept in exact arithmetic.
    fn proved(&self) {
        let outcome = self.outcome();
        assert!(matches!(outcome.verdict, Verdict::Certified(_)), "{outcome:?}");
        let question = || Question::new(&self.files[0], &self.files[1]);
        let settings = searching();
        let (outcome, proof) =
            verify_with_proof(&question, &self.query, &settings, ProofWish::CHECKED, &|| false);
        let Verdict::Certified(certificate) = &outcome.verdict else { panic!("{outcome:?}") };
        assert_eq!(certificate.level(), AssuranceLevel::Proved, "{proof:?}");
        let text = proof.unwrap().unwrap().proof.to_bytes();
        question().unwrap().check(text.as_slice(), Mode::Exact).unwrap();
    }
}

const SQUARE: [&str; 2] = ["-1", "1"];
const UNIT: [&str; 2] = ["0", "1"];

#[test]
fn a_bound_that_is_met_exactly_is_decided() {
    let ask = |unsafe_set: &str| Asked::of(&plane(), &property(2, SQUARE, 3, unsafe_set));
    // At a vertex, on a face, everywhere.
    for met in ["(assert (>= Y_1 2))", "(assert (>= Y_0 1))", "(assert (>= Y_2 2))"] {
        ask(met).falsified();
    }
    for missed in ["(assert (> Y_1 2))", "(assert (> Y_0 1))", "(assert (> Y_2 2))"] {
        ask(missed).proved();
    }
    let point = property(2, ["0.5", "0.5"], 3, "(assert (>= Y_1 1))");
    Asked::of(&plane(), &point).falsified();
}

/// In file order X_0 = X_1 is two half-spaces; no point of a random box is on that line.
#[test]
fn equations_of_inputs_are_solved() {
    let ask = |unsafe_set: &str| Asked::of(&plane(), &property(2, SQUARE, 3, unsafe_set));
    let x = ask("(assert (= X_0 X_1))(assert (>= Y_1 1.999))").falsified();
    assert_eq!(x[0], x[1]);
    // Coefficients that are no doubles, and a solution that is none.
    let x = ask("(assert (= X_0 (+ (* 0.3 X_1) 0.1)))(assert (>= Y_1 1.399))").falsified();
    let tenth = Rational::new(1.into(), 10.into());
    assert_eq!(x[0], &tenth * Rational::from_integer(3.into()) * &x[1] + tenth);
    ask("(assert (= X_0 (+ (* 0.3 X_1) 0.1)))(assert (>= Y_1 1.401))").proved();
    ask("(assert (= X_0 X_1))(assert (>= Y_0 0.001))").proved();
    // Equations that contradict each other, or leave one point.
    ask("(assert (= X_0 X_1))(assert (= (* 2 X_0) (+ (* 2 X_1) 1)))(assert (>= Y_2 0))").proved();
    ask("(assert (= (+ X_0 X_1) 1))(assert (= (- X_0 X_1) 0.5))(assert (>= Y_0 0.6))").proved();
}

#[test]
fn two_copies_are_compared_where_inputs_are_equal() {
    let ask = |unsafe_set: &str| Asked::of(&copies(), &property(4, UNIT, 2, unsafe_set));
    let near = "(assert (= X_1 X_3))(assert (<= (- X_0 X_2) 0.1))(assert (<= (- X_2 X_0) 0.1))";
    // h changes by at most |a − a'|.
    let x = ask(&format!("{near}(assert (>= Y_0 (+ Y_1 0.0999)))")).falsified();
    assert_eq!(x[1], x[3]);
    ask(&format!("{near}(assert (>= Y_0 (+ Y_1 0.1001)))")).proved();
    // Another case has no equation: both count.
    let either = "(assert (or (and (= X_1 X_3) (= X_0 X_2) (>= Y_0 (+ Y_1 0.001)))\
                   (and (>= Y_0 1.001) (>= X_0 0))))";
    ask(either).proved();
    let either = either.replace("1.001", "0.999");
    ask(&either).falsified();
}

#[test]
fn files_with_ties_and_equations_that_went_wrong() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/faults");
    if !folder.is_dir() {
        return skipped("files with ties and equations: no ../shared/faults");
    }
    for (net, vnnlib, certified) in [
        ("equalities/p", "equalities/v_lin_eq_diag2", false),
        ("equalities/twin", "equalities/v_simplex_sat", false),
        ("equalities/twin", "equalities/v_twin_sat_easy", false),
        ("ties/p", "ties/v_pointbox_tie", false),
        ("ties/p", "ties/v_tie_const_strict", true),
        ("ties/p", "ties/v_tie_face", false),
        ("ties/p", "ties/v_tie_vertex", false),
    ] {
        let [net, vnnlib] = [format!("{net}.onnx"), format!("{vnnlib}.vnnlib")];
        let query = Query::open(&folder.join(net), &folder.join(&vnnlib)).unwrap();
        let outcome = verify(&query, &Settings::default(), &|| false);
        match outcome.verdict {
            Verdict::Certified(_) => assert!(certified, "{vnnlib}"),
            Verdict::Falsified(_) => assert!(!certified, "{vnnlib}"),
            Verdict::Unknown(unknown) => panic!("{vnnlib}: {unknown:?}"),
        }
    }
}

/// A coefficient of 2⁻¹²⁰⁰ is 0 as a double, and the input that it leads to is not.
#[test]
fn what_underflows_is_not_solved_for() {
    let mut builder = NetworkBuilder::new(2, "x").unwrap();
    let scaled = |row: &[f64]| LinearMap::from_matrix(Matrix::from_row_slice(1, row.len(), row));
    let h = builder.linear(0, scaled(&[100f64.exp2(), 0.0]), "h").unwrap();
    let y = builder.linear(h, scaled(&[100f64.exp2()]), "y").unwrap();
    let net = builder.finish(y).unwrap();
    let half = |coefficients: &[(usize, f64)], bound: f64| HalfSpace {
        coefficients: coefficients.to_vec(),
        bound_up: bound,
        bound_down: bound,
        strict: false,
    };
    // Inputs are outputs 1 and 2: 2⁶⁰⁰ x₀ = 2⁻⁶⁰⁰ x₁, and y ≥ ½.
    let (large, small) = (600f64.exp2(), (-600f64).exp2());
    let unsafe_set = vec![vec![
        half(&[(1, large), (2, -small)], 0.0),
        half(&[(1, -large), (2, small)], 0.0),
        half(&[(0, -1.0)], -0.5),
    ]];
    let most = 1000f64.exp2();
    let region = Region::from_f64(&[-most, 0.0], &[most, most]).unwrap();
    let claims = vec![Claim { region, unsafe_set }];
    let query = Query::new(net, Property { claims, uses_inputs: true }).unwrap();
    let settings = Settings { timeout: Some(Duration::from_secs(2)), ..Settings::default() };
    let outcome = verify(&query, &settings, &|| false);
    assert!(!matches!(outcome.verdict, Verdict::Certified(_)), "{outcome:?}");
}

/// A network that is its input, and a bound that is met by so little that only the search along neurons is left.
#[test]
fn an_output_may_be_the_input() {
    let net = NetworkBuilder::new(1, "x").unwrap().finish(0).unwrap();
    let bound = 1.000_000_000_000_000_2e-10;
    for strict in [false, true] {
        let half = HalfSpace {
            coefficients: vec![(0, -1.0)],
            bound_up: -bound,
            bound_down: -bound,
            strict,
        };
        let region = Region::from_f64(&[0.0], &[bound]).unwrap();
        let claims = vec![Claim { region, unsafe_set: vec![vec![half]] }];
        let query = Query::new(net.clone(), Property { claims, uses_inputs: false }).unwrap();
        let outcome = verify(&query, &searching(), &|| false);
        assert_eq!(matches!(outcome.verdict, Verdict::Certified(_)), strict, "{outcome:?}");
    }
}
