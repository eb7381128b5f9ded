//! Functions of one variable as ONNX files have them: each operator against its definition, and those that files put together of others.

mod common;

use certus::internal::net::{Function, Matrix, Op};
use common::onnx_writer::*;

type Attribute = rten_onnx::onnx::AttributeProto;

const X: [f64; 9] = [-3.5, -2.5, -1.0, -0.5, 0.0, 0.25, 0.5, 1.5, 4.0];

/// One node `op(x)` at the points, against its definition.
fn check(opset: i64, op: &str, attributes: Vec<Attribute>, x: &[f64], f: impl Fn(f64) -> f64) {
    let model = Model::new(opset, &[x.len() as i64]).node(op, &["x"], "y", attributes);
    compare(op, &model, x, f);
}

fn compare(name: &str, model: &Model, x: &[f64], f: impl Fn(f64) -> f64) {
    for (&x, y) in x.iter().zip(model.run(x).1) {
        let right = f(x);
        assert!((y - right).abs() <= 2e-7 * (1.0 + right.abs()), "{name} at {x}: {y}, not {right}");
    }
}

fn erf(x: f64) -> f64 {
    // Taylor's series, for moderate numbers.
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x / 2f64.sqrt()))
}

fn tanh_gelu(x: f64) -> f64 {
    let c = (2.0 / std::f64::consts::PI).sqrt();
    0.5 * x * (1.0 + (c * (x + 0.044715 * x.powi(3))).tanh())
}

#[test]
fn operators_without_parameters() {
    let positive = [0.25, 0.5, 1.0, 1.5, 7.0];
    let within = [-1.0, -0.5, 0.0, 0.25, 1.0];
    for (opset, op, f) in [
        (13, "Exp", f64::exp as fn(f64) -> f64),
        (7, "Sin", f64::sin),
        (7, "Cos", f64::cos),
        (7, "Tan", f64::tan),
        (7, "Atan", f64::atan),
        (9, "Sinh", f64::sinh),
        (9, "Cosh", f64::cosh),
        (9, "Asinh", f64::asinh),
        (9, "Erf", erf),
        (18, "Mish", |x| x * (1.0 + x.exp()).ln().tanh()),
        (1, "Softsign", |x| x / (1.0 + x.abs())),
        (13, "Softplus", |x| (1.0 + x.exp()).ln()),
        (14, "HardSwish", |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        (20, "Gelu", gelu),
        (9, "Sign", |x| if x == 0.0 { 0.0 } else { x.signum() }),
        (13, "Floor", f64::floor),
        (13, "Ceil", f64::ceil),
        (11, "Round", f64::round_ties_even),
    ] {
        check(opset, op, vec![], &X, f);
    }
    for (op, f) in
        [("Log", f64::ln as fn(f64) -> f64), ("Sqrt", f64::sqrt), ("Reciprocal", f64::recip)]
    {
        check(13, op, vec![], &positive, f);
    }
    for (op, f) in [("Asin", f64::asin as fn(f64) -> f64), ("Acos", f64::acos)] {
        check(13, op, vec![], &within, f);
    }
    check(13, "Acosh", vec![], &[1.0, 1.5, 7.0], f64::acosh);
    check(13, "Atanh", vec![], &[-0.5, 0.0, 0.75], f64::atanh);
}

#[test]
fn operators_with_parameters() {
    let elu = |alpha: f64| move |x: f64| if x > 0.0 { x } else { alpha * (x.exp() - 1.0) };
    check(13, "Elu", vec![], &X, elu(1.0));
    check(13, "Elu", vec![float("alpha", 2.5)], &X, elu(2.5));
    let (alpha, gamma) = (1.673_263_2, 1.050_701);
    check(13, "Selu", vec![], &X, |x| gamma * elu(alpha)(x));
    check(5, "Selu", vec![], &X, |x| 1.0507 * elu(1.6732)(x));
    check(13, "Selu", vec![float("alpha", 2.0), float("gamma", 3.0)], &X, |x| 3.0 * elu(2.0)(x));
    let celu = |alpha: f64| move |x: f64| x.max(0.0) + (alpha * ((x / alpha).exp() - 1.0)).min(0.0);
    check(12, "Celu", vec![], &X, celu(1.0));
    check(12, "Celu", vec![float("alpha", 3.0)], &X, celu(3.0));
    check(13, "HardSigmoid", vec![], &X, |x| (0.2 * x + 0.5).clamp(0.0, 1.0));
    let attributes = vec![float("alpha", 0.5), float("beta", 0.75)];
    check(13, "HardSigmoid", attributes, &X, |x| (0.5 * x + 0.75).clamp(0.0, 1.0));
    let threshold = |a: f64| move |x: f64| if x > a { x } else { 0.0 };
    check(10, "ThresholdedRelu", vec![], &X, threshold(1.0));
    for a in [0.0, 0.5, -1.0] {
        check(10, "ThresholdedRelu", vec![float("alpha", a)], &X, threshold(a.into()));
    }
    let shrink = |lambda: f64, bias: f64| {
        move |x: f64| {
            if x < -lambda {
                x + bias
            } else if x > lambda {
                x - bias
            } else {
                0.0
            }
        }
    };
    check(9, "Shrink", vec![], &X, shrink(0.5, 0.0));
    check(9, "Shrink", vec![float("lambd", 1.0), float("bias", 1.0)], &X, shrink(1.0, 1.0));
    check(9, "Shrink", vec![float("lambd", 1.5), float("bias", 0.25)], &X, shrink(1.5, 0.25));
    check(20, "Gelu", vec![text("approximate", "tanh")], &X, tanh_gelu);
    check(20, "Gelu", vec![text("approximate", "none")], &X, gelu);
    check(24, "Swish", vec![], &X, |x| x * sigmoid(x));
    check(24, "Swish", vec![float("alpha", 1.5)], &X, |x| x * sigmoid(1.5 * x));
}

/// Continuous functions that bend are ReLUs and nothing else: exact, and with proofs where the checker reads them.
#[test]
fn functions_that_bend_are_relus() {
    for (op, attributes) in [
        ("HardSigmoid", vec![]),
        ("ThresholdedRelu", vec![float("alpha", 0.0)]),
        ("Shrink", vec![float("lambd", 1.0), float("bias", 1.0)]),
    ] {
        let network = Model::new(13, &[3]).node(op, &["x"], "y", attributes).load().network;
        let is_relu = |op: &Op| op.is_elementwise() == op.relu().is_some();
        assert!(network.nodes().iter().all(|node| is_relu(&node.op)), "{op}");
    }
}

#[test]
fn powers_with_constant_exponents() {
    let with = |p: &[f32]| {
        let model = Model::new(13, &[X.len() as i64]).floats("p", &[p.len() as i64], p);
        model.node("Pow", &["x", "p"], "y", vec![])
    };
    for p in [0.0, 1.0, 2.0, 3.0, 4.0] {
        compare("Pow", &with(&[p]), &X, |x| x.powf(p.into()));
    }
    compare("Pow", &with(&[-2.0]), &[-2.0, -0.5, 0.5, 1.0, 4.0, 8.0, 2.0, 3.0, 1.0], |x| {
        x.powi(-2)
    });
    let positive = [0.25, 0.5, 1.0, 1.5, 7.0, 2.0, 3.0, 4.0, 5.0];
    for p in [0.5, -0.5, -1.0, 1.5, 0.3] {
        compare("Pow", &with(&[p]), &positive, |x| x.powf(p.into()));
    }
    let several = with(&[0.0, 1.0, 2.0, 3.0, 2.0, 1.0, 0.0, 0.5, 2.0]);
    assert_eq!(
        several.run(&[-3.0, -3.0, -3.0, -3.0, 2.0, 7.0, 8.0, 9.0, 10.0]).1,
        [1.0, -3.0, 9.0, -27.0, 4.0, 7.0, 1.0, 3.0, 100.0]
    );
    let integers = Model::new(13, &[2]).ints("p", &[3]).node("Pow", &["x", "p"], "y", vec![]);
    assert_eq!(integers.run(&[2.0, -2.0]).1, [8.0, -8.0]);
    let variable = Model::new(13, &[2]).node("Pow", &["x", "x"], "y", vec![]);
    let error = variable.try_load().unwrap_err().to_string();
    assert!(error.contains("operand 1 is computed from the network's input"), "{error}");
}

#[test]
fn functions_of_constants_are_folded() {
    let model = Model::new(13, &[2])
        .floats("a", &[2], &[4.0, 9.0])
        .floats("p", &[], &[2.0])
        .node("Sqrt", &["a"], "r", vec![])
        .node("Pow", &["r", "p"], "s", vec![])
        .node("Floor", &["s"], "f", vec![])
        .node("Mul", &["x", "f"], "y", vec![]);
    assert_eq!(model.run(&[1.0, -2.0]).1, [4.0, -18.0]);
    assert!(model.load().network.nodes().iter().all(|node| !node.op.is_elementwise()));
}

#[test]
fn what_is_not_understood_is_refused() {
    let refused = |opset, op: &str, attributes, says: &str| {
        let model = Model::new(opset, &[2]).node(op, &["x"], "y", attributes);
        let error = model.try_load().unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(op), "{error}");
    };
    refused(20, "Gelu", vec![text("approximate", "sigmoid")], "accepted: none or tanh");
    refused(19, "Gelu", vec![], "from operator set 20 on");
    refused(12, "Celu", vec![float("alpha", 0.0)], "a positive number");
    refused(9, "Shrink", vec![float("lambd", -1.0)], "not negative");
    refused(13, "Elu", vec![float("alpha", f32::INFINITY)], "a finite number");
}

/// The functions that a network has beside affine maps.
fn functions(model: &Model) -> Vec<Function> {
    model.load().network.nodes().iter().filter_map(|node| node.op.function()).collect()
}

/// x times a gate, in whatever way it is spelled, is one function of one variable.
#[test]
fn gates_are_one_function() {
    let constants = |model: Model| {
        let scalar = |name: &str, value: f32| float_tensor(name, &[], &[value]);
        [
            ("half", 0.5),
            ("one", 1.0),
            ("two", 2.0),
            ("three", 3.0),
            ("six", 6.0),
            ("root", std::f32::consts::SQRT_2),
            ("inverse", std::f32::consts::FRAC_1_SQRT_2),
            ("c", 0.797_884_6),
            ("d", 0.044_715),
            ("beta", 1.702),
        ]
        .into_iter()
        .fold(model, |model, (name, value)| model.tensor(scalar(name, value)))
    };
    let spelled = |nodes: &[(&str, &[&str], &str)]| {
        let model = constants(Model::new(14, &[X.len() as i64]));
        nodes
            .iter()
            .fold(model, |model, (op, inputs, output)| model.node(op, inputs, output, vec![]))
    };
    // As PyTorch writes it, and with the half in other places.
    let gelus = [
        spelled(&[
            ("Div", &["x", "root"], "t"),
            ("Erf", &["t"], "e"),
            ("Add", &["e", "one"], "g"),
            ("Mul", &["x", "g"], "p"),
            ("Mul", &["p", "half"], "y"),
        ]),
        spelled(&[
            ("Mul", &["x", "inverse"], "t"),
            ("Erf", &["t"], "e"),
            ("Add", &["one", "e"], "g"),
            ("Mul", &["x", "half"], "h"),
            ("Mul", &["h", "g"], "y"),
        ]),
        spelled(&[
            ("Div", &["x", "root"], "t"),
            ("Erf", &["t"], "e"),
            ("Add", &["e", "one"], "g"),
            ("Mul", &["g", "half"], "h"),
            ("Mul", &["h", "x"], "y"),
        ]),
    ];
    for model in &gelus {
        assert_eq!(functions(model), [Function::Gelu]);
        compare("Gelu", model, &X, gelu);
    }
    let cubes: [&[(&str, &[&str], &str)]; 3] = [
        &[("Pow", &["x", "three"], "q")],
        &[("Mul", &["x", "x"], "s"), ("Mul", &["s", "x"], "q")],
        &[("Pow", &["x", "two"], "s"), ("Mul", &["x", "s"], "q")],
    ];
    for cube in cubes {
        let rest: [(&str, &[&str], &str); 7] = [
            ("Mul", &["q", "d"], "r"),
            ("Add", &["x", "r"], "s2"),
            ("Mul", &["s2", "c"], "t"),
            ("Tanh", &["t"], "e"),
            ("Add", &["e", "one"], "g"),
            ("Mul", &["x", "half"], "h"),
            ("Mul", &["h", "g"], "y"),
        ];
        let model = spelled(&[cube, &rest].concat());
        let found = functions(&model);
        assert!(found.len() == 1 && format!("{found:?}").starts_with("[GeluTanh"), "{found:?}");
        compare("tanh GELU", &model, &X, tanh_gelu);
    }
    let silu = spelled(&[("Sigmoid", &["x"], "s"), ("Mul", &["x", "s"], "y")]);
    assert_eq!(functions(&silu), [Function::Silu]);
    compare("SiLU", &silu, &X, |x| x * sigmoid(x));
    // The quick GELU of CLIP.
    let quick = spelled(&[
        ("Mul", &["x", "beta"], "b"),
        ("Sigmoid", &["b"], "s"),
        ("Mul", &["s", "x"], "y"),
    ]);
    assert_eq!(functions(&quick), [Function::Silu]);
    compare("quick GELU", &quick, &X, |x| x * sigmoid(f64::from(1.702f32) * x));
    let halved =
        spelled(&[("Tanh", &["x"], "t"), ("Mul", &["t", "half"], "u"), ("Mul", &["x", "u"], "y")]);
    assert_eq!(functions(&halved), [Function::Silu]);
    compare("x tanh x / 2", &halved, &X, |x| 0.5 * x * x.tanh());
    let hard = Model::new(14, &[X.len() as i64])
        .node("HardSigmoid", &["x"], "h", vec![float("alpha", 1.0 / 6.0)])
        .node("Mul", &["x", "h"], "y", vec![]);
    assert_eq!(functions(&hard), [Function::HardSwish]);
    compare("hard swish", &hard, &X, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0));
    let zero = float_tensor("zero", &[], &[0.0]);
    let clipped = spelled(&[
        ("Add", &["x", "three"], "a"),
        ("Clip", &["a", "zero", "six"], "c6"),
        ("Mul", &["x", "c6"], "p"),
        ("Div", &["p", "six"], "y"),
    ])
    .tensor(zero);
    assert_eq!(functions(&clipped), [Function::HardSwish]);
    compare("hard swish", &clipped, &X, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0));
    let square = spelled(&[("Mul", &["x", "x"], "y")]);
    assert!(functions(&square).iter().all(|f| f.small_exponent() == Some(2)));
    compare("square", &square, &X, |x| x * x);
}

/// What only looks like a gate stays a product: another x, a threshold, a matrix between the two.
#[test]
fn other_products_stay_products() {
    let weights = Model::new(14, &[1, 2]).floats("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let other = weights
        .clone()
        .node("MatMul", &["x", "w"], "z", vec![])
        .node("Sigmoid", &["z"], "s", vec![])
        .node("Mul", &["x", "s"], "y", vec![]);
    assert_eq!(functions(&other), [Function::Sigmoid, Function::Product]);
    let (a, b) = (0.5, -1.5);
    let right = [a * sigmoid(a + 3.0 * b), b * sigmoid(2.0 * a + 4.0 * b)];
    let y = other.run(&[a, b]).1;
    assert!((y[0] - right[0]).abs() + (y[1] - right[1]).abs() < 1e-12);
    let shifted = Model::new(14, &[1, 2])
        .floats("one", &[], &[1.0])
        .node("Add", &["x", "one"], "z", vec![])
        .node("Sigmoid", &["z"], "s", vec![])
        .node("Mul", &["x", "s"], "y", vec![]);
    assert_eq!(functions(&shifted), [Function::Sigmoid, Function::Product]);
    compare("shifted", &shifted, &[a, b], |x| x * sigmoid(x + 1.0));
    // The gate of a shifted tensor is one, though.
    let of_shifted = Model::new(14, &[1, 2])
        .floats("one", &[], &[1.0])
        .node("Add", &["x", "one"], "z", vec![])
        .node("Sigmoid", &["z"], "s", vec![])
        .node("Mul", &["z", "s"], "y", vec![]);
    assert_eq!(functions(&of_shifted), [Function::Silu]);
    compare("of shifted", &of_shifted, &[a, b], |x| (x + 1.0) * sigmoid(x + 1.0));
    let reversed = Model::new(14, &[1, 2])
        .ints("ends", &[1, 0])
        .node("Gather", &["x", "ends"], "z", vec![int("axis", 1)])
        .node("Sigmoid", &["z"], "s", vec![])
        .node("Mul", &["x", "s"], "y", vec![]);
    let y = reversed.run(&[a, b]).1;
    assert!((y[0] - a * sigmoid(b)).abs() + (y[1] - b * sigmoid(a)).abs() < 1e-12);
}

/// Gradients through every function agree with differences.
#[test]
fn gradients_are_derivatives() {
    for (opset, op) in [
        (13, "Exp"),
        (7, "Sin"),
        (7, "Cos"),
        (7, "Tan"),
        (7, "Atan"),
        (9, "Sinh"),
        (9, "Cosh"),
        (9, "Asinh"),
        (9, "Erf"),
        (18, "Mish"),
        (1, "Softsign"),
        (13, "Softplus"),
        (14, "HardSwish"),
        (20, "Gelu"),
        (13, "Elu"),
        (13, "Selu"),
        (12, "Celu"),
        (24, "Swish"),
        (13, "Sqrt"),
        (13, "Log"),
        (13, "Reciprocal"),
        (13, "Sigmoid"),
        (13, "Tanh"),
    ] {
        let network = Model::new(opset, &[1]).node(op, &["x"], "y", vec![]).load().network;
        for x in [0.25, 0.75, 1.25] {
            let at = |x: f64| network.evaluate(&Matrix::from_element(1, 1, x))[0];
            let h = 1e-6;
            let difference = (at(x + h) - at(x - h)) / (2.0 * h);
            let values = network.forward(&Matrix::from_element(1, 1, x));
            let gradient = network.gradient(&values, &Matrix::from_element(1, 1, 1.0))[0];
            assert!(
                (gradient - difference).abs() < 1e-6 * (1.0 + difference.abs()),
                "{op} at {x}: {gradient} {difference}"
            );
        }
    }
}
