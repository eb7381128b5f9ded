//! Softmax within a network, normalisations, and what may be undefined: values, and what is certified of them.

mod common;

use certus::Verdict;
use certus::internal::net::{Boxes, Matrix};
use common::below::below;
use common::onnx_writer::*;

type Attribute = rten_onnx::onnx::AttributeProto;

/// A sigmoid is below 2 wherever it is defined; where the logarithm before it is not, nothing is certified.
#[test]
fn nothing_is_certified_outside_of_a_domain() {
    let model =
        Model::new(13, &[1]).node("Log", &["x"], "l", vec![]).node("Sigmoid", &["l"], "y", vec![]);
    let network = model.load().network;
    assert!(matches!(below(2.0, &network, [0.5, 1.0]), Verdict::Certified(_)));
    for ends in [[-1.0, 1.0], [0.0, 1.0], [-2.0, -1.0]] {
        let Verdict::Unknown(unknown) = below(2.0, &network, ends) else { panic!("{ends:?}") };
        assert!(unknown.reason.to_string().contains("may leave its domain"));
    }
}

/// log x · 0 is 0 over the reals, and no number in a program where x is negative.
#[test]
fn what_may_be_undefined_does_not_vanish() {
    let of = |nodes: [(&str, &[&str], &str); 2]| {
        let model = Model::new(13, &[1]).floats("zero", &[1], &[0.0]);
        let model = model.floats("minus one", &[1], &[-1.0]).floats("two", &[1], &[2.0]);
        let model = nodes.iter().fold(model, |m, (op, x, y)| m.node(op, x, y, vec![]));
        model.node("Add", &["b", "x"], "y", vec![]).load().network
    };
    for nodes in [
        [("Log", &["x"][..], "a"), ("Mul", &["a", "zero"][..], "b")],
        [("Sqrt", &["x"], "a"), ("Sub", &["a", "a"], "b")],
        [("Pow", &["x", "minus one"], "a"), ("Mul", &["a", "zero"], "b")],
        [("Reciprocal", &["x"], "a"), ("Mul", &["zero", "a"], "b")],
        [("Div", &["two", "x"], "a"), ("Mul", &["a", "zero"], "b")],
    ] {
        let network = of(nodes);
        assert!(matches!(below(2.0, &network, [0.5, 1.0]), Verdict::Certified(_)), "{nodes:?}");
        // Not even a counterexample is one where there is no value: x is above −2 everywhere.
        for (bound, ends) in [(2.0, [-1.0, 1.0]), (-2.0, [-1.0, -0.5])] {
            let verdict = below(bound, &network, ends);
            let open = matches!(verdict, Verdict::Unknown(_));
            // Only a root and a logarithm have none on all of the second interval.
            assert!(
                open || (bound < 0.0 && nodes[0].0 != "Log" && nodes[0].0 != "Sqrt"),
                "{nodes:?}: {verdict:?}"
            );
        }
    }
}

/// By intervals of the whole region 1 + |x| may be 0; parts of it know better, whichever input comes first.
#[test]
fn what_is_unbounded_on_the_region_is_bounded_on_parts_of_it() {
    for inputs in 1..=3 {
        let model = Model::new(13, &[inputs]).floats("one", &[1], &[1.0]);
        let model = model.node("Abs", &["x"], "a", vec![]).node("Add", &["a", "one"], "b", vec![]);
        let network = model.node("Div", &["x", "b"], "y", vec![]).load().network;
        let verdict = below(2.0, &network, [-1.0, 1.0]);
        assert!(matches!(verdict, Verdict::Certified(_)), "{verdict:?}");
    }
}

/// A Softmax that something reads is computed; the last one of all outputs is left out.
#[test]
fn a_softmax_within_is_computed() {
    let softmax = |opset: i64, shape: &[i64], attributes| {
        Model::new(opset, shape).node("Softmax", &["x"], "s", attributes)
    };
    let twice =
        |model: Model| model.floats("two", &[1], &[2.0]).node("Mul", &["s", "two"], "y", vec![]);
    let x = [0.5, -1.0, 2.0, 3.0f64];
    let e: Vec<f64> = x.iter().map(|x| x.exp()).collect();
    let near = |y: Vec<f64>, right: [f64; 4]| {
        assert!(y.iter().zip(&right).all(|(y, r)| (y - r).abs() < 1e-12), "{y:?}, not {right:?}");
    };
    let pair = |a: usize, b: usize| 2.0 * e[a] / (e[a] + e[b]);
    let all = |a: usize| 2.0 * e[a] / e.iter().sum::<f64>();
    near(
        twice(softmax(13, &[2, 2], vec![])).run(&x).1,
        [pair(0, 1), pair(1, 0), pair(2, 3), pair(3, 2)],
    );
    near(
        twice(softmax(13, &[2, 2], vec![int("axis", 0)])).run(&x).1,
        [pair(0, 2), pair(1, 3), pair(2, 0), pair(3, 1)],
    );
    near(
        twice(softmax(12, &[2, 2], vec![int("axis", 0)])).run(&x).1,
        [all(0), all(1), all(2), all(3)],
    );
    near(twice(softmax(13, &[4, 1], vec![])).run(&x).1, [2.0; 4]);
    let model = Model::new(13, &[4]).node("LogSoftmax", &["x"], "l", vec![]).node(
        "Exp",
        &["l"],
        "s",
        vec![],
    );
    near(twice(model).run(&x).1, [all(0), all(1), all(2), all(3)]);
    // Over rows: no order of all outputs. Last, over all: left out.
    let rows = Model::new(13, &[2, 2]).node("Softmax", &["x"], "y", vec![]);
    near(rows.run(&x).1, [pair(0, 1), pair(1, 0), pair(2, 3), pair(3, 2)].map(|p| p / 2.0));
    let last = Model::new(13, &[1, 4]).node("Softmax", &["x"], "y", vec![]);
    near(last.run(&x).1, x);
    // Of two at the end only the last one is left out.
    let both = Model::new(13, &[1, 4]).node("Softmax", &["x"], "s", vec![]);
    let both = both.node("LogSoftmax", &["s"], "y", vec![]);
    near(both.run(&x).1, [all(0), all(1), all(2), all(3)].map(|p| p / 2.0));
    // Probabilities are at most 1, whatever comes in.
    let network = twice(softmax(13, &[3], vec![])).load().network;
    assert!(matches!(below(2.001, &network, [-5.0, 5.0]), Verdict::Certified(_)));
    assert!(matches!(below(1.9, &network, [-5.0, 5.0]), Verdict::Falsified(_)));
}

/// Nothing is certified that a sample breaks, and not much less is: normalisations and reductions within a network.
#[test]
fn what_is_certified_of_normalisations_holds_at_samples() {
    let mut state = 7u64;
    let mut number = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 59) as f64 / 8.0 - 2.0
    };
    let operators: [(i64, &str, Vec<Attribute>, &[i64]); 12] = [
        (13, "Softmax", vec![], &[]),
        (13, "LogSoftmax", vec![], &[]),
        (17, "LayerNormalization", vec![float("epsilon", 0.5)], &[4]),
        (23, "RMSNormalization", vec![float("epsilon", 0.5)], &[4]),
        (13, "ReduceLogSumExp", vec![ints("axes", &[1])], &[]),
        (13, "ReduceL2", vec![ints("axes", &[1])], &[]),
        (13, "ReduceProd", vec![ints("axes", &[1])], &[]),
        (13, "Hardmax", vec![], &[]),
        (13, "LRN", vec![int("size", 3), float("alpha", 2.0)], &[]),
        (13, "ReduceLogSum", vec![ints("axes", &[1])], &[]),
        (13, "InstanceNormalization", vec![float("epsilon", 0.5)], &[2]),
        (18, "GroupNormalization", vec![int("num_groups", 2), float("epsilon", 0.5)], &[2]),
    ];
    let (mut certified, mut all) = (0, 0);
    for (opset, op, attributes, parameters) in operators {
        for _ in 0..6 {
            let mut floats = |n: usize| (0..n).map(|_| number() as f32).collect::<Vec<_>>();
            let (w, b) = (floats(16), floats(4));
            let model = Model::new(opset, &[1, 4]).floats("w", &[4, 4], &w).floats("b", &[4], &b);
            let mut model = model.node("MatMul", &["x", "w"], "m", vec![]).node(
                "Add",
                &["m", "b"],
                "z",
                vec![],
            );
            let mut operand = "z";
            if op == "ReduceLogSum" {
                model = model.node("Softplus", &["z"], "p", vec![]);
                operand = "p";
            }
            if ["InstanceNormalization", "GroupNormalization"].contains(&op) {
                model =
                    model.ints("shape", &[1, 2, 2]).node("Reshape", &["z", "shape"], "r", vec![]);
                operand = "r";
            }
            if op == "LRN" {
                model = model.ints("shape", &[1, 4, 1, 1]).node(
                    "Reshape",
                    &["z", "shape"],
                    "r",
                    vec![],
                );
                operand = "r";
            }
            let mut operands = vec![operand];
            if let &[n] = parameters {
                model = model.floats("scale", &[n], &floats(n as usize)).floats(
                    "shift",
                    &[n],
                    &floats(n as usize),
                );
                operands.push("scale");
                if op != "RMSNormalization" {
                    operands.push("shift");
                }
            }
            // Read on, so that no Softmax is the last operator.
            let model =
                model.node(op, &operands, "n", attributes.clone()).node("Neg", &["n"], "o", vec![]);
            let network = model.node("Neg", &["o"], "y", vec![]).load().network;
            let points = Matrix::from_fn(4, 400, |_, _| 0.25 * number().clamp(-1.0, 1.0));
            let most = network.evaluate(&points).row(0).max();
            let Verdict::Certified(_) =
                below(most + 1e-6 * (1.0 + most.abs()) - 0.02, &network, [-0.25, 0.25])
            else {
                all += 1;
                let wide = most + 0.25 * (1.0 + most.abs());
                certified += usize::from(matches!(
                    below(wide, &network, [-0.25, 0.25]),
                    Verdict::Certified(_)
                ));
                continue;
            };
            panic!("{op}: certified below {most}, which a sample reaches");
        }
    }
    assert!(certified >= all * 2 / 3, "{certified} of {all}");
}

/// ONNX's cases do not have these with one output.
#[test]
fn normalisations_are_what_their_definitions_say() {
    let x = [1.0, -2.0, 0.5, 3.0];
    let scaled = |name: &str| {
        let model =
            Model::new(23, &[2, 2]).floats("s", &[2], &[2.0, 3.0]).floats("b", &[2], &[0.5, -1.0]);
        let more = vec![float("epsilon", 0.25)];
        let operands: &[&str] =
            if name == "RMSNormalization" { &["x", "s"] } else { &["x", "s", "b"] };
        model.node(name, operands, "y", more).run(&x).1
    };
    let row = |x: [f64; 2], centre: bool| {
        let mean = if centre { 0.5 * (x[0] + x[1]) } else { 0.0 };
        let x = x.map(|x| x - mean);
        let root = (0.5 * (x[0] * x[0] + x[1] * x[1]) + 0.25).sqrt();
        [2.0 * x[0] / root, 3.0 * x[1] / root]
    };
    let near = |y: Vec<f64>, right: Vec<f64>| {
        assert!(y.iter().zip(&right).all(|(y, r)| (y - r).abs() < 1e-12), "{y:?}, not {right:?}");
        assert_eq!(y.len(), right.len());
    };
    let rows = |centre| [row([x[0], x[1]], centre), row([x[2], x[3]], centre)].concat();
    let shift =
        |y: Vec<f64>| y.iter().zip([0.5, -1.0].iter().cycle()).map(|(y, b)| y + b).collect();
    near(scaled("LayerNormalization"), shift(rows(true)));
    near(scaled("RMSNormalization"), rows(false));
    let pool = |p: i64| {
        Model::new(13, &[1, 1, 2, 2]).node("GlobalLpPool", &["x"], "y", vec![int("p", p)]).run(&x).1
    };
    near(pool(1), vec![6.5]);
    near(pool(2), vec![14.25f64.sqrt()]);
    near(pool(3), vec![(1.0f64 + 8.0 + 0.125 + 27.0).cbrt()]);
}

/// 1/3 is no double: of x = 2^330 the third power's root by the double beside it is off by 10⁻¹⁴ of it.
#[test]
fn roots_whose_exponent_is_rounded_are_charged_for() {
    let x = 2f64.powi(330);
    for p in [1, 2, 3, 4, 5, 6, 7, 8] {
        // So large that only a third power is a number.
        let x = if p == 3 { x } else { 2f64.powi(120) };
        let model = Model::new(13, &[1, 1, 1]).node("GlobalLpPool", &["x"], "y", vec![int("p", p)]);
        let y = model.load().network.enclose(&Boxes::single(&[x], &[x]));
        let y = y.nodes.last().unwrap();
        assert!(
            y.lower[0] <= x && x <= y.upper[0],
            "{p}: {x:e} is not in [{:e}, {:e}]",
            y.lower[0],
            y.upper[0]
        );
        assert!(y.upper[0] - y.lower[0] <= 1e-12 * x, "{p}");
    }
}
