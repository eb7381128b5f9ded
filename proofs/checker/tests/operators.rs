//! Operators on small models: the values that ONNX defines, and the blocks that FORMAT.md names.
mod common;

use certus_check::{
    circuit::{Circuit, Node},
    onnx,
};
use common::onnx::{Attribute, Model};

fn read(model: &Model) -> Circuit {
    onnx::read(&model.bytes()).unwrap()
}

/// The sizes of the ReLU blocks.
fn blocks(circuit: &Circuit) -> Vec<usize> {
    circuit.blocks().iter().map(|node| circuit.size(*node)).collect()
}

/// Checks values at some points and the blocks' sizes.
fn agrees(model: Model, sizes: &[usize], expected: impl Fn(&[f64]) -> Vec<f64>) {
    let circuit = read(&model);
    assert_eq!(blocks(&circuit), sizes);
    let n = circuit.inputs();
    for seed in 0..7 {
        let x: Vec<f64> = (0..n).map(|i| ((i * 37 + seed * 11) % 23) as f64 / 4.0 - 2.5).collect();
        let (y, expected) = (common::evaluate(&circuit, &x), expected(&x));
        assert_eq!(y.len(), expected.len());
        for (a, b) in y.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-9, "{y:?} {expected:?}");
        }
    }
}

fn each(f: impl Fn(f64) -> f64) -> impl Fn(&[f64]) -> Vec<f64> {
    move |x| x.iter().map(|v| f(*v)).collect()
}

#[test]
fn piecewise_operators() {
    let plain = |line: &str| Model::new(&[1, 4]).node(line);
    agrees(plain("Relu x -> y"), &[4], each(|v| v.max(0.0)));
    agrees(plain("Abs x -> y"), &[4], each(f64::abs));
    let alpha = 0.1f32 as f64;
    let leaky = move |v: f64| if v < 0.0 { alpha * v } else { v };
    let model =
        Model::new(&[1, 4]).node_with("LeakyRelu x -> y", &[("alpha", Attribute::Float(0.1))]);
    agrees(model, &[4], each(leaky));
    let model = Model::new(&[1, 4]).f32s("s", &[4], &[0.5, -1.0, 2.0, 0.0]).node("PRelu x s -> y");
    let slopes = [0.5, -1.0, 2.0, 0.0];
    agrees(model, &[4], |x| {
        x.iter().zip(slopes).map(|(v, s)| if *v < 0.0 { s * v } else { *v }).collect()
    });
    let ends = |line: &str| {
        Model::new(&[1, 4]).f32s("lo", &[], &[-1.0]).f32s("hi", &[], &[0.5]).node(line)
    };
    agrees(ends("Clip x lo hi -> y"), &[4, 4], each(|v| v.clamp(-1.0, 0.5)));
    agrees(ends("Clip x lo -> y"), &[4], each(|v| v.max(-1.0)));
    agrees(ends("Clip x _ hi -> y"), &[4], each(|v| v.min(0.5)));
    let most = Model::new(&[1, 4]).f32s("lo", &[], &[0.0]).f32s("hi", &[], &[f32::MAX]);
    agrees(most.node("Clip x lo hi -> y"), &[4], each(|v| v.max(0.0)));
}

#[test]
fn maxima_and_minima_fold_from_the_left() {
    let three = |name: &str| {
        Model::new(&[1, 6])
            .node_with(
                "Split x -> a b c",
                &[("axis", Attribute::Int(1)), ("split", Attribute::Ints(&[2, 2, 2]))],
            )
            .node(&format!("{name} a b c -> y"))
    };
    agrees(three("Max"), &[2, 2], |x| (0..2).map(|i| x[i].max(x[i + 2]).max(x[i + 4])).collect());
    agrees(three("Min"), &[2, 2], |x| (0..2).map(|i| x[i].min(x[i + 2]).min(x[i + 4])).collect());
    // The pre-activation of Max(a, b) is b − a.
    let circuit = read(
        &Model::new(&[1, 2])
            .node_with("Split x -> a b", &[("axis", Attribute::Int(1))])
            .node("Max a b -> y"),
    );
    assert_eq!(common::evaluate(&circuit, &[1.0, 3.0]), [3.0]);
    let constant = Model::new(&[1, 2]).f32s("c", &[1], &[0.25]).node("Max x c -> y");
    agrees(constant, &[2], each(|v| v.max(0.25)));
}

fn image(x: &[f64], w: usize, row: isize, column: isize) -> Option<f64> {
    let h = (x.len() / w) as isize;
    let inside = row >= 0 && row < h && column >= 0 && column < w as isize;
    inside.then(|| x[row as usize * w + column as usize])
}

#[test]
fn max_pool_makes_a_block_for_each_round() {
    let kernel = [
        ("kernel_shape", Attribute::Ints(&[3, 3])),
        ("strides", Attribute::Ints(&[2, 2])),
        ("pads", Attribute::Ints(&[1, 1, 1, 1])),
    ];
    let model = Model::new(&[1, 1, 4, 5]).node_with("MaxPool x -> y", &kernel);
    // Windows of 4, 6, 4, 6, 9, 6 elements: 2 + 3 + 2 + 3 + 4 + 3 pairs, then 1 + 1 + 1 + 1 + 2 + 1, and so on.
    agrees(model, &[17, 7, 4, 1], |x| {
        let at = |y: isize, z: isize| {
            let window = (-1..2).flat_map(|i| (-1..2).map(move |j| (i, j)));
            window.filter_map(|(i, j)| image(x, 5, 2 * y + i, 2 * z + j)).fold(f64::MIN, f64::max)
        };
        (0..2).flat_map(|y| (0..3).map(move |z| (y, z))).map(|(y, z)| at(y, z)).collect()
    });
    agrees(Model::new(&[1, 2, 3]).node("GlobalMaxPool x -> y"), &[2, 2], |x| {
        x.chunks(3).map(|c| c.iter().copied().fold(f64::MIN, f64::max)).collect()
    });
}

#[test]
fn convolutions_and_averages() {
    let attributes = [
        ("pads", Attribute::Ints(&[1, 0, 0, 2])),
        ("dilations", Attribute::Ints(&[1, 2])),
        ("strides", Attribute::Ints(&[2, 1])),
        ("group", Attribute::Int(2)),
    ];
    let w: Vec<f32> = (0..16).map(|i| i as f32 - 7.5).collect();
    let model = Model::new(&[1, 2, 4, 5]).f32s("w", &[4, 1, 2, 2], &w).f32s(
        "b",
        &[4],
        &[1.0, 2.0, 3.0, 4.0],
    );
    agrees(model.node_with("Conv x w b -> y", &attributes), &[], |x| {
        let mut out = vec![];
        for c in 0..4 {
            for y in 0..2isize {
                for z in 0..5isize {
                    let mut sum = c as f64 + 1.0;
                    for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                        let plane = &x[c / 2 * 20..][..20];
                        let pixel = image(plane, 5, 2 * y - 1 + i, z + 2 * j).unwrap_or(0.0);
                        sum += pixel * (c * 4 + (2 * i + j) as usize) as f64 - 7.5 * pixel;
                    }
                    out.push(sum);
                }
            }
        }
        out
    });
    let kernel = [("kernel_shape", Attribute::Ints(&[2])), ("pads", Attribute::Ints(&[1, 0]))];
    agrees(Model::new(&[1, 1, 3]).node_with("AveragePool x -> y", &kernel), &[], |x| {
        vec![x[0], (x[0] + x[1]) / 2.0, (x[1] + x[2]) / 2.0]
    });
    let same = [("auto_pad", Attribute::Text("SAME_UPPER"))];
    let model = Model::new(&[1, 1, 3])
        .f32s("w", &[1, 1, 2], &[1.0, 10.0])
        .node_with("Conv x w -> y", &same);
    agrees(model, &[], |x| vec![x[0] + 10.0 * x[1], x[1] + 10.0 * x[2], x[2]]);
}

#[test]
fn normalisation_and_movement() {
    let four = |m: Model| {
        ["s", "b", "m", "v"]
            .iter()
            .zip([2.0, 0.5, -1.0, 4.0])
            .fold(m, |m, (n, x)| m.f32s(n, &[1], &[x]))
    };
    let model = four(Model::new(&[1, 1, 3])).node("BatchNormalization x s b m v -> y");
    let a = 2.0 / (4.0 + 1e-5f32 as f64).sqrt();
    agrees(model, &[], each(move |v| (v + 1.0) * a + 0.5));
    let model = Model::new(&[1, 6])
        .i64s("to", &[0, 2, -1])
        .node("Reshape x to -> a")
        .node_with("Transpose a -> b", &[("perm", Attribute::Ints(&[0, 2, 1]))])
        .node("Flatten b -> y");
    agrees(model, &[], |x| vec![x[0], x[3], x[1], x[4], x[2], x[5]]);
    let model = Model::new(&[1, 4])
        .i64s("from", &[-1])
        .i64s("end", &[i64::MIN])
        .i64s("axis", &[1])
        .i64s("step", &[-2])
        .f32s("c", &[1, 1], &[9.0])
        .node("Slice x from end axis step -> a")
        .node_with("Concat c a x -> y", &[("axis", Attribute::Int(1))]);
    agrees(model, &[], |x| vec![9.0, x[3], x[1], x[0], x[1], x[2], x[3]]);
    let model = Model::new(&[1, 2])
        .i64s("pads", &[0, 1, 0, 2])
        .f32s("f", &[], &[7.0])
        .node("Pad x pads f -> y");
    agrees(model, &[], |x| vec![7.0, x[0], x[1], 7.0, 7.0]);
    let model = Model::new(&[1, 3]).f32s("three", &[1], &[3.0]).node("Div x three -> y");
    agrees(model, &[], each(|v| v / 3.0));
    let model =
        Model::new(&[1, 3]).node_with("ReduceMean x -> y", &[("axes", Attribute::Ints(&[1]))]);
    agrees(model, &[], |x| vec![(x[0] + x[1] + x[2]) / 3.0]);
}

#[test]
fn what_changes_the_meaning_is_refused() {
    let two = Model::new(&[1, 2]);
    for line in [
        "ArgMax x -> y",
        "Sigmoid x -> y",
        "Tanh x -> y",
        "Mul x x -> y",
        "Foo x -> y",
        "Relu z -> y",
    ] {
        assert!(onnx::read(&two.clone().node(line).bytes()).is_err(), "{line}");
    }
    // At the end a Softmax is left out, and nothing may be asked but the order.
    let last = two.clone().node("Softmax x -> y").bytes();
    assert!(onnx::read(&last).unwrap().only_ordered);
    let early = two.clone().node("Softmax x -> s").node("Relu s -> y");
    assert!(onnx::read(&early.bytes()).is_err());
    let of = |unsafe_set: &str| {
        let mut property = String::new();
        for i in 0..2 {
            property += &format!("(declare-const X_{i} Real)(declare-const Y_{i} Real)");
            property += &format!("(assert (<= X_{i} 1))(assert (>= X_{i} 0))");
        }
        certus_check::Statement::from_bytes(&last, (property + unsafe_set).as_bytes())
    };
    assert!(of("(assert (<= Y_0 Y_1))").is_ok());
    for refused in ["(<= Y_0 0.5)", "(<= Y_0 (* 2 Y_1))", "(<= Y_0 (+ Y_1 0.1))", "(<= Y_0 X_0)"] {
        assert!(of(&format!("(assert {refused})")).is_err(), "{refused}");
    }
    let nan = two.clone().f32s("w", &[2], &[f32::NAN, 1.0]).node("Add x w -> y");
    assert!(onnx::read(&nan.bytes()).is_err());
    let out_of_order = two.clone().node("Relu a -> y").node("Relu x -> a");
    assert!(onnx::read(&out_of_order.bytes()).is_err());
    // What the output does not depend on is skipped, blocks and all.
    let side = two.node("Softmax x -> a").node("Relu x -> b").node("Relu x -> y");
    assert_eq!(blocks(&read(&side)), [2]);
}

/// FORMAT.md fixes the sign of a pre-activation: max(a, b) = a + relu(b − a), min(a, b) = a − relu(a − b), hi − relu(hi − x).
#[test]
fn pre_activations_have_the_signs_of_the_format() {
    use certus_check::{Mode, Reason, Statement, check};
    // With a in [0, 1], b in [2, 3]: a split at 1/2 leaves one side empty, so that a leaf there needs nothing.
    let property = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)\
        (assert (and (>= X_0 0) (<= X_0 1) (>= X_1 2) (<= X_1 3) (<= Y_0 -9)))";
    let split = [("axis", Attribute::Int(1))];
    for (name, positive) in [("Max", true), ("Min", false)] {
        let model = Model::new(&[1, 2])
            .node_with("Split x -> a b", &split)
            .node(&format!("{name} a b -> y"));
        let statement = Statement::from_bytes(&model.bytes(), property.as_bytes()).unwrap();
        let proof = "certus-proof 1\ncases 0\nsplit r0.0 at 0x0p0\nleaf\nleaf\nend 5\n";
        let rejected = check(&statement, proof.as_bytes(), Mode::Exact).unwrap_err();
        let path = if positive { "0:>" } else { "0:<" };
        assert_eq!(
            (rejected.path.as_str(), rejected.reason),
            (path, Reason::CaseLeftOpen { case: 0 })
        );
    }
}

#[test]
fn a_function_of_one_tensor_has_one_form_however_it_is_written() {
    let plain = || Model::new(&[1, 4]).f32s("zero", &[], &[0.0]).f32s("two", &[], &[2.0]);
    let relu = |x: f64| x.max(0.0);
    let half = |x: f64| x.abs() / 2.0;
    let sum = plain().node("Abs x -> a").node("Add x a -> s").node("Div s two -> y");
    agrees(sum, &[4], each(relu));
    agrees(plain().node("Min x zero -> n").node("Sub x n -> y"), &[4], each(relu));
    agrees(plain().node("Neg x -> m").node("Relu m -> r").node("Add x r -> y"), &[4], each(relu));
    agrees(plain().node("Abs x -> a").node("Div a two -> y"), &[4], each(half));
    // relu(−x) alone keeps its own pre-activation; with relu(x) it takes a second block.
    let model = plain().node("Neg x -> m").node("Relu m -> y");
    let circuit = read(&model);
    let Node::Affine(minus) = &circuit.nodes()[circuit.blocks()[0]] else { panic!() };
    assert_eq!(minus.terms[0].0, 0);
    agrees(model, &[4], each(|x| relu(-x)));
    let both = plain()
        .node("Neg x -> m")
        .node("Relu m -> n")
        .node("Relu x -> p")
        .node_with("Concat n p -> y", &[("axis", Attribute::Int(0))]);
    agrees(both, &[4, 4], |x| {
        x.iter().map(|x| relu(-x)).chain(x.iter().map(|x| relu(*x))).collect()
    });
    // 1 + 2^-60 is no f64: then the sum is no function of x, but right.
    let model = plain()
        .f32s("tiny", &[], &[2f32.powi(-60)])
        .node("Relu x -> r")
        .node("Mul r tiny -> t")
        .node("Add x t -> y");
    agrees(model, &[4], each(move |x| x + relu(x) * 2f64.powi(-60)));
}
