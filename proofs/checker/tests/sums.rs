//! Sums that a proof defines: their splits, bounds and lifts.
mod common;

use certus_check::{Mode, Reason, Statement, check};
use common::onnx::Model;

const MODES: [Mode; 2] = [Mode::Exact, Mode::Outward];

fn rejected(statement: &Statement, lines: &[&str], mode: Mode) -> Option<Reason> {
    let count = lines.len() + 1;
    let proof = format!("certus-proof 1\n{}\nend {count}\n", lines.join("\n"));
    check(statement, proof.as_bytes(), mode).err().map(|rejected| rejected.reason)
}

/// r0 = (x, x) on [−1, 1] and y = relu(x) − relu(x) = 0, of which lines say no more than −1/2 ≤ y ≤ 1/2; unsafe are the outputs for which
/// `unsafe_outputs` holds.
fn twins(unsafe_outputs: &str) -> Statement {
    let model = Model::new(&[1, 1])
        .f64s("v", &[1, 2], &[1.0, 1.0])
        .f64s("w", &[2, 1], &[1.0, -1.0])
        .node("MatMul x v -> z")
        .node("Relu z -> h")
        .node("MatMul h w -> y")
        .bytes();
    let property = format!(
        "(declare-const X_0 Real)(declare-const Y_0 Real)\
         (assert (and (>= X_0 -1) (<= X_0 1) {unsafe_outputs}))"
    );
    Statement::from_bytes(&model, property.as_bytes()).unwrap()
}

const LET: &str = "let q0 relu(r0.0):0x1p0 relu(r0.1):-0x1p0";

/// q0 ≥ −1/8, since below there is nothing on either side of x = 0; then y − (q0 + 1/8) ≥ −1/8.
const BELOW: [&str; 10] = [
    LET,
    "cases 0",
    "split q0 at -0x1p-3",
    "split x0 at 0x0p0",
    "tighten q0 lower",
    "leaf",
    "tighten q0 lower",
    "leaf",
    "refute 0 lift >q0:0x1p0",
    "leaf",
];

/// q0 ≤ 1/8 likewise.
const ABOVE: [&str; 10] = [
    LET,
    "cases 0",
    "split q0 at 0x1p-3",
    "refute 0 lift <q0:0x1p0",
    "leaf",
    "split x0 at 0x0p0",
    "tighten q0 upper",
    "leaf",
    "tighten q0",
    "leaf",
];

#[test]
fn a_bound_of_a_sum_serves_as_a_lift() {
    let (below, above) = (twins("(<= Y_0 -0.25)"), twins("(>= Y_0 0.25)"));
    for mode in MODES {
        assert_eq!(rejected(&below, &BELOW, mode), None);
        assert_eq!(rejected(&above, &ABOVE, mode), None);
        // Lines alone do not suffice, nor does the other bound.
        let weak = Some(Reason::BoundTooWeak { case: 0 });
        assert_eq!(rejected(&below, &[LET, "cases 0", "refute 0", "leaf"], mode), weak);
        assert_eq!(rejected(&above, &BELOW, mode), weak);
        assert_eq!(rejected(&below, &ABOVE, mode), weak);
    }
}

#[test]
fn a_bound_of_a_sum_needs_its_tree() {
    let left = Some(Reason::CaseLeftOpen { case: 0 });
    for mode in MODES {
        for (unsafe_outputs, proof) in [("(<= Y_0 -0.25)", BELOW), ("(>= Y_0 0.25)", ABOVE)] {
            let statement = twins(unsafe_outputs);
            for (at, line) in proof.iter().enumerate() {
                if line.starts_with("tighten") {
                    let mut rest = proof.to_vec();
                    rest.remove(at);
                    assert_eq!(rejected(&statement, &rest, mode), left, "{line}");
                }
            }
        }
    }
}

/// What a sum with other terms says about y is too little, or it has no such bound.
#[test]
fn a_sum_is_what_it_is_defined_to_be() {
    for mode in MODES {
        for other in [
            "let q0 r0.0:0x1p0 r0.1:-0x1p0",
            "let q0 relu(r0.0):0x1p0 relu(r0.0):-0x1p0",
            "let q0 relu(r0.0):0x1p0 relu(r0.1):-0x1.8p0",
            "let q0 relu(r0.0):0x1p0",
            "let q0 relu(r0.0):0x1p0 relu(r0.1):0x1p0",
            "let q0 x0:0x1p0",
        ] {
            let statement = twins("(<= Y_0 -0.25)");
            let proof: Vec<&str> =
                BELOW.iter().map(|line| if *line == LET { other } else { line }).collect();
            assert!(rejected(&statement, &proof, mode).is_some(), "{other}");
        }
        // Terms of one element add up.
        let halves = "let q0 relu(r0.0):0x1p-1 relu(r0.1):-0x1p0 relu(r0.0):0x1p-1";
        let proof: Vec<&str> =
            BELOW.iter().map(|line| if *line == LET { halves } else { line }).collect();
        assert_eq!(rejected(&twins("(<= Y_0 -0.25)"), &proof, mode), None);
    }
}

/// 0 is reached, so nothing may help.
#[test]
fn false_claims_stay_unproved() {
    for mode in MODES {
        for (unsafe_outputs, proof, from, to) in [
            ("(<= Y_0 0.0)", BELOW, "split q0 at -0x1p-3", "split q0 at 0x1p-3"),
            ("(<= Y_0 0.0)", BELOW, "split q0 at -0x1p-3", "split q0 at 0x0p0"),
            ("(>= Y_0 0.0)", ABOVE, "split q0 at 0x1p-3", "split q0 at -0x1p-3"),
            ("(>= Y_0 0.0)", ABOVE, "split q0 at 0x1p-3", "split q0 at 0x0p0"),
        ] {
            let proof: Vec<&str> =
                proof.iter().map(|line| if *line == from { to } else { line }).collect();
            assert!(rejected(&twins(unsafe_outputs), &proof, mode).is_some(), "{to}");
        }
    }
}

/// Each section starts anew, with all sums that there are by then.
#[test]
fn bounds_of_sums_end_with_their_section() {
    let statement = twins("(or (<= Y_0 -0.25) (<= Y_0 -0.5))");
    let infinite = Some(Reason::LiftOnInfiniteEnd { name: "q0".into() });
    for mode in MODES {
        let again = "refute 1 lift >q0:0x1p0";
        let mut proof = BELOW.to_vec();
        proof.extend(["cases 1", again, "leaf"]);
        assert_eq!(rejected(&statement, &proof, mode), infinite);
        let mut proof = BELOW.to_vec();
        proof.extend(["let q1 relu(r0.0):0x1p0 relu(r0.1):-0x1p0", "cases 1"]);
        let second = |line: &str| line.replace("refute 0", "refute 1").replace("q0", "q1");
        let second: Vec<String> = BELOW[2..].iter().map(|line| second(line)).collect();
        proof.extend(second.iter().map(String::as_str));
        assert_eq!(rejected(&statement, &proof, mode), None);
    }
}

/// 0.1 + 0.2 − 0.3 is 2.775…e-17 of these doubles, but f64 says twice as much.
#[test]
fn coefficients_of_a_sum_charge_their_rounding() {
    let statement = twins("(>= Y_0 -1) (<= X_0 1) (>= X_0 1)");
    let tenths = |at: &str| {
        let lines = [
            "let q0 r0.0:0x1.999999999999ap-4 r0.0:0x1.999999999999ap-3 r0.0:-0x1.3333333333333p-2",
            "cases 0",
            at,
            "tighten q0",
            "leaf",
            "refute 0",
            "leaf",
        ];
        MODES.map(|mode| rejected(&statement, &lines, mode))
    };
    let left = Some(Reason::CaseLeftOpen { case: 0 });
    let second = Some(Reason::BoundTooWeak { case: 0 });
    // 4e-17 is above the sum, 2e-17 below; only exact arithmetic knows the latter.
    assert_eq!(tenths("split q0 at 0x1.7p-55"), [left.clone(), left.clone()]);
    assert_eq!(tenths("split q0 at 0x1.7p-56"), [second, left]);
}
