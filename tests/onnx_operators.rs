//! Each ONNX operator against values worked out by hand.

mod common;

use certus::internal::net::{Matrix, Op};
use common::onnx_writer::*;

/// One node `op(x, …)` on an input of the given shape, at a point.
fn one(opset: i64, dims: &[i64], op: &str, attributes: Vec<Attribute>, x: &[f64]) -> Vec<f64> {
    Model::new(opset, dims).node(op, &["x"], "y", attributes).run(x).1
}

type Attribute = rten_onnx::onnx::AttributeProto;

#[test]
fn linear_layers_with_weights_on_either_side() {
    let w = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let right =
        Model::new(13, &[-1, 2]).floats("w", &[2, 3], &w).node("MatMul", &["x", "w"], "y", vec![]);
    assert_eq!(right.run(&[1.0, 10.0]), (vec![1, 3], vec![41.0, 52.0, 63.0]));
    let left =
        Model::new(13, &[3]).floats("w", &[2, 3], &w).node("MatMul", &["w", "x"], "y", vec![]);
    assert_eq!(left.run(&[1.0, 0.0, 10.0]), (vec![2], vec![31.0, 64.0]));
    let gemm = |attributes| {
        Model::new(13, &[1, 3]).floats("w", &[2, 3], &w).floats("b", &[2], &[0.5, -0.5]).node(
            "Gemm",
            &["x", "w", "b"],
            "y",
            attributes,
        )
    };
    let plain = gemm(vec![int("transB", 1)]);
    assert_eq!(plain.run(&[1.0, 0.0, 10.0]).1, [31.5, 63.5]);
    let scaled = gemm(vec![int("transB", 1), float("alpha", 2.0), float("beta", 4.0)]);
    assert_eq!(scaled.run(&[1.0, 0.0, 10.0]).1, [64.0, 126.0]);
    let turned = Model::new(13, &[2, 1]).floats("w", &[2, 3], &w).node(
        "Gemm",
        &["x", "w"],
        "y",
        vec![int("transA", 1)],
    );
    assert_eq!(turned.run(&[1.0, 10.0]), (vec![1, 3], vec![41.0, 52.0, 63.0]));
}

#[test]
fn products_with_stacks_of_matrices() {
    // (2, 2, 2) times (2, 1): the second operand for both matrices.
    let model = Model::new(13, &[2, 2, 2]).floats("w", &[2, 1], &[1.0, 10.0]).node(
        "MatMul",
        &["x", "w"],
        "y",
        vec![],
    );
    let x: Vec<f64> = (1..=8).map(f64::from).collect();
    assert_eq!(model.run(&x), (vec![2, 2, 1], vec![21.0, 43.0, 65.0, 87.0]));
    // A stack of constants from the left on one matrix.
    let model = Model::new(13, &[2, 2]).floats("w", &[2, 1, 2], &[1.0, 0.0, 1.0, 10.0]).node(
        "MatMul",
        &["w", "x"],
        "y",
        vec![],
    );
    assert_eq!(model.run(&[1.0, 2.0, 3.0, 4.0]), (vec![2, 1, 2], vec![1.0, 2.0, 31.0, 42.0]));
}

#[test]
fn arithmetic_with_constants_broadcasts() {
    let with = |op: &str, operands: [&str; 2]| {
        Model::new(13, &[2, 1])
            .floats("c", &[3], &[1.0, 2.0, 4.0])
            .node(op, &operands, "y", vec![])
            .run(&[8.0, 16.0])
    };
    assert_eq!(with("Add", ["x", "c"]), (vec![2, 3], vec![9.0, 10.0, 12.0, 17.0, 18.0, 20.0]));
    assert_eq!(with("Sub", ["x", "c"]).1, [7.0, 6.0, 4.0, 15.0, 14.0, 12.0]);
    assert_eq!(with("Sub", ["c", "x"]).1, [-7.0, -6.0, -4.0, -15.0, -14.0, -12.0]);
    assert_eq!(with("Mul", ["c", "x"]).1, [8.0, 16.0, 32.0, 16.0, 32.0, 64.0]);
    assert_eq!(with("Div", ["x", "c"]).1, [8.0, 4.0, 2.0, 16.0, 8.0, 4.0]);
    assert_eq!(with("Div", ["c", "x"]).1, [0.125, 0.25, 0.5, 0.0625, 0.125, 0.25]);
    assert_eq!(with("Max", ["x", "c"]).1, [8.0, 8.0, 8.0, 16.0, 16.0, 16.0]);
}

#[test]
fn arithmetic_of_two_branches_broadcasts() {
    let with = |op: &str, x: &[f64]| {
        Model::new(13, &[1, 4])
            .ints("two", &[2, 2])
            .node("Split", &["x"], "a b", vec![int("axis", 1)])
            .ints("column", &[2, 1])
            .node("Reshape", &["a", "column"], "c", vec![])
            .node(op, &["c", "b"], "y", vec![])
            .run(x)
    };
    let x = [1.0, 2.0, 4.0, 8.0];
    assert_eq!(with("Add", &x), (vec![2, 2], vec![5.0, 9.0, 6.0, 10.0]));
    assert_eq!(with("Sub", &x).1, [-3.0, -7.0, -2.0, -6.0]);
    assert_eq!(with("Mul", &x).1, [4.0, 8.0, 8.0, 16.0]);
    assert_eq!(with("Div", &x).1, [0.25, 0.125, 0.5, 0.25]);
    assert_eq!(with("Max", &x).1, [4.0, 8.0, 4.0, 8.0]);
    assert_eq!(with("Min", &x).1, [1.0, 1.0, 2.0, 2.0]);
    let doubled = Model::new(13, &[2]).node("Add", &["x", "x"], "y", vec![]);
    assert_eq!(doubled.run(&[1.0, -2.0]).1, [2.0, -4.0]);
    let nothing = Model::new(13, &[2]).node("Sub", &["x", "x"], "y", vec![]);
    assert_eq!(nothing.run(&[1.0, -2.0]).1, [0.0, 0.0]);
    let sum = Model::new(13, &[2])
        .floats("c", &[1], &[5.0])
        .node("Neg", &["x"], "n", vec![])
        .node("Abs", &["x"], "a", vec![])
        .node("Sum", &["n", "c", "a", "x"], "y", vec![]);
    assert_eq!(sum.run(&[1.0, -2.0]).1, [6.0, 7.0]);
}

#[test]
fn piecewise_linear_operators_are_exact() {
    let x = [-3.0, -0.5, 0.0, 0.5, 3.0];
    let d = [5];
    assert_eq!(one(13, &d, "Relu", vec![], &x), [0.0, 0.0, 0.0, 0.5, 3.0]);
    assert_eq!(one(13, &d, "Abs", vec![], &x), [3.0, 0.5, 0.0, 0.5, 3.0]);
    assert_eq!(
        one(13, &d, "LeakyRelu", vec![float("alpha", 0.5)], &x),
        [-1.5, -0.25, 0.0, 0.5, 3.0]
    );
    let attributes = vec![float("min", -1.0), float("max", 2.0)];
    assert_eq!(one(10, &d, "Clip", attributes, &x), [-1.0, -0.5, 0.0, 0.5, 2.0]);
    assert_eq!(one(10, &d, "Clip", vec![float("max", 0.25)], &x), [-3.0, -0.5, 0.0, 0.25, 0.25]);
    assert_eq!(one(13, &d, "Clip", vec![], &x), x);
    let scalar = |name: &str, value| float_tensor(name, &[], &[value]);
    let clip = |inputs: &[&str]| {
        Model::new(13, &d).tensor(scalar("lo", -1.0)).tensor(scalar("hi", f32::MAX)).node(
            "Clip",
            inputs,
            "y",
            vec![],
        )
    };
    assert_eq!(clip(&["x", "lo", "hi"]).run(&x).1, [-1.0, -0.5, 0.0, 0.5, 3.0]);
    assert_eq!(clip(&["x", "", "lo"]).run(&x).1, [-3.0, -1.0, -1.0, -1.0, -1.0]);
    let prelu = Model::new(13, &[1, 2, 2]).floats("s", &[2, 1], &[0.5, -1.0]).node(
        "PRelu",
        &["x", "s"],
        "y",
        vec![],
    );
    assert_eq!(prelu.run(&[-4.0, 4.0, -4.0, 4.0]).1, [-2.0, 4.0, 4.0, 4.0]);
    let max = Model::new(13, &[2]).floats("a", &[1], &[1.0]).floats("b", &[2], &[0.0, 2.0]);
    assert_eq!(
        max.clone().node("Max", &["a", "b", "x"], "y", vec![]).run(&[0.5, 3.0]).1,
        [1.0, 3.0]
    );
    assert_eq!(max.node("Min", &["a", "x", "b"], "y", vec![]).run(&[0.5, 3.0]).1, [0.0, 1.0]);
}

#[test]
fn smooth_operators() {
    let y = one(13, &[2], "Sigmoid", vec![], &[0.0, 1.0]);
    assert!((y[0] - 0.5).abs() + (y[1] - 0.731_058_578_630_004_9).abs() < 1e-15);
    assert!((one(13, &[1], "Tanh", vec![], &[1.0])[0] - 0.761_594_155_955_764_9).abs() < 1e-15);
}

/// Pre-activations at a point, one vector a block.
fn blocks(model: &Model, x: &[f64]) -> Vec<Vec<f64>> {
    let network = model.load().network;
    let values = network.forward(&Matrix::from_column_slice(x.len(), 1, x));
    network.relus().map(|(_, z)| values.node(z).as_slice().to_vec()).collect()
}

#[test]
fn relu_blocks_follow_the_normal_form() {
    let pool = Model::new(13, &[1, 1, 1, 6]).node(
        "MaxPool",
        &["x"],
        "y",
        vec![ints("kernel_shape", &[1, 5])],
    );
    let x = [1.0, 5.0, 2.0, 4.0, 9.0, 0.0];
    // Lists (1 5 2 4 9), (5 2 4 9 0); then (5 4 9), (5 9 0); then (5 9), (9 0); then (9), (9).
    let expected = [vec![4.0, 2.0, -3.0, 5.0], vec![-1.0, 4.0], vec![4.0, -9.0]];
    assert_eq!(blocks(&pool, &x), expected);
    assert_eq!(pool.run(&x).1, [9.0, 9.0]);

    let attributes = vec![float("min", -1.0), float("max", 2.0)];
    let clip = Model::new(10, &[1]).node("Clip", &["x"], "y", attributes);
    assert_eq!(blocks(&clip, &[0.5]), [[1.5], [1.5]]);
    let six =
        Model::new(10, &[1]).node("Clip", &["x"], "y", vec![float("min", 0.0), float("max", 6.0)]);
    assert_eq!(blocks(&six, &[0.5]), [[0.5], [5.5]]);
    let upper = Model::new(10, &[1]).node("Clip", &["x"], "y", vec![float("max", 6.0)]);
    assert_eq!(blocks(&upper, &[0.5]), [[5.5]]);
    let positive = Model::new(10, &[1]).node("Clip", &["x"], "y", vec![float("min", 0.0)]);
    assert_eq!(positive.load().network.nodes().len(), 2, "Clip(0, ∞) is Relu");

    let three = Model::new(13, &[1]).floats("a", &[2], &[1.0, 4.0]).floats("b", &[2], &[3.0, 2.0]);
    let max = three.clone().node("Max", &["x", "a", "b"], "y", vec![]);
    assert_eq!(blocks(&max, &[2.0]), [[1.0, -2.0], [-1.0, 2.0]]);
    let min = three.clone().node("Min", &["x", "a", "b"], "y", vec![]);
    assert_eq!(blocks(&min, &[2.0]), [[-1.0, 2.0], [2.0, 0.0]]);
    let constants_first = three.node("Max", &["a", "b", "x"], "y", vec![]);
    assert_eq!(blocks(&constants_first, &[2.0]), [[-1.0, -2.0]]);
    // x − min(x, 0) is relu(x), and the block of min(x, 0) is needed no more; relu(x) is made once.
    let bends = Model::new(13, &[2])
        .floats("o", &[], &[0.0])
        .node("Min", &["x", "o"], "n", vec![])
        .node("Sub", &["x", "n"], "r", vec![])
        .node("Relu", &["x"], "s", vec![])
        .node("Add", &["r", "s"], "y", vec![]);
    assert_eq!(blocks(&bends, &[3.0, -2.0]), [[3.0, -2.0]]);
    assert_eq!(bends.run(&[3.0, -2.0]).1, [6.0, 0.0]);
    let negative = Model::new(13, &[1]).node("Neg", &["x"], "n", vec![]);
    assert_eq!(blocks(&negative.node("Relu", &["n"], "y", vec![]), &[3.0]), [[-3.0]]);
}

#[test]
fn dead_nodes_make_no_blocks() {
    let model = Model::new(13, &[1])
        .node("Relu", &["x"], "a", vec![])
        .node("Nonsense", &["x"], "dead", vec![])
        .node("Relu", &["dead"], "dead2", vec![])
        .node("Neg", &["a"], "y", vec![]);
    assert_eq!(blocks(&model, &[3.0]), [[3.0]]);
    assert_eq!(model.load().layers.len(), 2);
}

#[test]
fn exact_neighbours_merge_into_one_node() {
    let dense = Model::new(13, &[1, 2])
        .floats("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0])
        .floats("b", &[2], &[0.1, 0.2])
        .floats("o", &[2], &[0.0, 0.0]);
    let merged = dense
        .clone()
        .node("Sub", &["x", "o"], "x0", vec![])
        .ints("flat", &[1, -1])
        .node("Reshape", &["x0", "flat"], "x1", vec![])
        .node("MatMul", &["x1", "w"], "h", vec![])
        .node("Identity", &["h"], "h2", vec![])
        .node("Add", &["b", "h2"], "y", vec![]);
    assert_eq!(merged.load().network.nodes().len(), 2);
    // A second reader of the product keeps it a node of its own.
    let shared = dense
        .clone()
        .node("MatMul", &["x", "w"], "h", vec![])
        .node("Add", &["h", "b"], "a", vec![])
        .node("Relu", &["a"], "r", vec![])
        .node("Add", &["r", "h"], "y", vec![]);
    let network = shared.load().network;
    assert_eq!(network.nodes().len(), 5);
    let Op::Affine(sum) = &network.node(network.output()).op else { panic!() };
    assert_eq!((sum.terms.len(), sum.roundings), (2, 0));
    let y = network.evaluate(&Matrix::from_column_slice(2, 1, &[1.0, -1.0]));
    assert!((y[0] + 2.0).abs() < 1e-12 && (y[1] + 2.0).abs() < 1e-12, "{y}");
    // 0.1 + 1e-12 is not exact, so it is not folded.
    let inexact = dense
        .floats("c", &[2], &[1e-12, 1e-12])
        .node("MatMul", &["x", "w"], "h", vec![])
        .node("Add", &["h", "b"], "a", vec![])
        .node("Add", &["a", "c"], "y", vec![]);
    assert_eq!(inexact.load().network.nodes().len(), 3);
}

#[test]
fn roundings_are_declared_where_weights_are_computed() {
    let roundings = |model: Model| {
        let network = model.load().network;
        let each =
            network.nodes().iter().map(|n| if let Op::Affine(a) = &n.op { a.roundings } else { 0 });
        each.max().unwrap()
    };
    let div =
        |c: f32| Model::new(13, &[2]).floats("c", &[1], &[c]).node("Div", &["x", "c"], "y", vec![]);
    assert_eq!((roundings(div(3.0)), roundings(div(8.0))), (1, 0));
    let mean = |n| Model::new(13, &[n]).node("ReduceMean", &["x"], "y", vec![]);
    assert_eq!((roundings(mean(3)), roundings(mean(4))), (1, 0));
    let norm = batch_norm();
    assert_eq!(roundings(norm), 4);
}

fn batch_norm() -> Model {
    Model::new(13, &[1, 2, 2])
        .floats("scale", &[2], &[2.0, 1.0])
        .floats("bias", &[2], &[0.5, 0.0])
        .floats("mean", &[2], &[1.0, 2.0])
        .floats("var", &[2], &[3.0, 0.0])
        .node(
            "BatchNormalization",
            &["x", "scale", "bias", "mean", "var"],
            "y",
            vec![float("epsilon", 1.0)],
        )
}

#[test]
fn batch_normalization_uses_channel_statistics() {
    assert_eq!(batch_norm().run(&[1.0, 3.0, 4.0, 1.0]).1, [0.5, 2.5, 2.0, -1.0]);
}

#[test]
fn reductions() {
    let x: Vec<f64> = (1..=6).map(f64::from).collect();
    let reduce = |opset, op: &str, attributes| {
        Model::new(opset, &[1, 2, 3]).node(op, &["x"], "y", attributes).run(&x)
    };
    assert_eq!(
        reduce(11, "ReduceSum", vec![ints("axes", &[-1])]),
        (vec![1, 2, 1], vec![6.0, 15.0])
    );
    let flat = vec![ints("axes", &[1]), int("keepdims", 0)];
    assert_eq!(reduce(11, "ReduceSum", flat), (vec![1, 3], vec![5.0, 7.0, 9.0]));
    assert_eq!(reduce(13, "ReduceMean", vec![ints("axes", &[1, 2])]).1, [3.5]);
    assert_eq!(reduce(13, "ReduceSum", vec![]), (vec![1, 1, 1], vec![21.0]));
    assert_eq!(reduce(13, "ReduceSum", vec![int("noop_with_empty_axes", 1)]).1, x);
    let by_input = Model::new(18, &[1, 2, 3]).ints("axes", &[2]).node(
        "ReduceMean",
        &["x", "axes"],
        "y",
        vec![],
    );
    assert_eq!(by_input.run(&x).1, [2.0, 5.0]);
    assert_eq!(reduce(13, "GlobalAveragePool", vec![]), (vec![1, 2, 1], vec![2.0, 5.0]));
    assert_eq!(reduce(13, "GlobalMaxPool", vec![]), (vec![1, 2, 1], vec![3.0, 6.0]));
}

#[test]
fn reshaping_makes_no_nodes() {
    let x: Vec<f64> = (0..6).map(f64::from).collect();
    let shape_of = |model: Model| {
        let loaded = model.load();
        assert_eq!(loaded.network.nodes().len(), 1);
        loaded.output_shape
    };
    let m = |opset| Model::new(opset, &[1, 2, 3, 1]);
    assert_eq!(shape_of(m(13).node("Flatten", &["x"], "y", vec![int("axis", -2)])), [2, 3]);
    assert_eq!(shape_of(m(13).node("Flatten", &["x"], "y", vec![int("axis", 4)])), [6, 1]);
    assert_eq!(
        shape_of(m(13).ints("s", &[0, -1]).node("Reshape", &["x", "s"], "y", vec![])),
        [1, 6]
    );
    assert_eq!(shape_of(m(11).node("Squeeze", &["x"], "y", vec![])), [2, 3]);
    assert_eq!(shape_of(m(11).node("Squeeze", &["x"], "y", vec![ints("axes", &[-1])])), [1, 2, 3]);
    assert_eq!(
        shape_of(m(13).ints("a", &[0]).node("Squeeze", &["x", "a"], "y", vec![])),
        [2, 3, 1]
    );
    assert_eq!(
        shape_of(m(11).node("Unsqueeze", &["x"], "y", vec![ints("axes", &[-1, 0])])),
        [1, 1, 2, 3, 1, 1]
    );
    assert_eq!(
        shape_of(m(13).ints("a", &[1]).node("Unsqueeze", &["x", "a"], "y", vec![])),
        [1, 1, 2, 3, 1]
    );
    assert_eq!(shape_of(m(13).node("Dropout", &["x"], "y mask", vec![])), [1, 2, 3, 1]);
    assert_eq!(shape_of(m(13).node("Cast", &["x"], "y", vec![int("to", 11)])), [1, 2, 3, 1]);
    assert_eq!(
        shape_of(m(13).node("Transpose", &["x"], "y", vec![ints("perm", &[3, 0, 1, 2])])),
        [1, 1, 2, 3]
    );
    let turned = m(13).node("Transpose", &["x"], "y", vec![]).run(&x);
    assert_eq!(turned, (vec![1, 3, 2, 1], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
}

#[test]
fn pieces_and_joins() {
    let x: Vec<f64> = (0..6).map(f64::from).collect();
    let m = |opset| Model::new(opset, &[2, 3]);
    let old = vec![ints("starts", &[0, 1]), ints("ends", &[9, -1])];
    assert_eq!(m(9).node("Slice", &["x"], "y", old).run(&x), (vec![2, 1], vec![1.0, 4.0]));
    let new = m(13).ints("s", &[-1]).ints("e", &[i64::MIN]).ints("a", &[1]).ints("t", &[-2]);
    assert_eq!(
        new.node("Slice", &["x", "s", "e", "a", "t"], "y", vec![]).run(&x).1,
        [2.0, 0.0, 5.0, 3.0]
    );
    let gather = m(13).tensor(int_tensor("i", &[2, 1], &[-1, 0])).node(
        "Gather",
        &["x", "i"],
        "y",
        vec![int("axis", 1)],
    );
    assert_eq!(gather.run(&x), (vec![2, 2, 1], vec![2.0, 0.0, 5.0, 3.0]));
    let row = m(13).tensor(int_tensor("i", &[], &[1])).node("Gather", &["x", "i"], "y", vec![]);
    assert_eq!(row.run(&x), (vec![3], vec![3.0, 4.0, 5.0]));
    let split = m(11).node("Split", &["x"], "a b", vec![ints("split", &[1, 2]), int("axis", -1)]);
    let joined = split.clone().node("Concat", &["b", "a"], "y", vec![int("axis", 1)]);
    assert_eq!(joined.run(&x).1, [1.0, 2.0, 0.0, 4.0, 5.0, 3.0]);
    let with_constant = split.floats("c", &[2, 1], &[7.0, 8.0]).node(
        "Concat",
        &["a", "c"],
        "y",
        vec![int("axis", 1)],
    );
    assert_eq!(with_constant.run(&x).1, [0.0, 7.0, 3.0, 8.0]);
    let pad = m(13).ints("p", &[0, 1, 1, -1]).tensor(float_tensor("v", &[], &[9.0]));
    let padded = pad.node("Pad", &["x", "p", "v"], "y", vec![]).run(&x);
    assert_eq!(padded, (vec![3, 3], vec![9.0, 0.0, 1.0, 9.0, 3.0, 4.0, 9.0, 9.0, 9.0]));
    let old = m(10).node("Pad", &["x"], "y", vec![ints("pads", &[1, 0, 0, 0])]);
    assert_eq!(old.run(&x).1, [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let wide =
        Model::new(13, &[2, 1]).ints("s", &[2, 1, 2]).node("Expand", &["x", "s"], "y", vec![]);
    assert_eq!(
        wide.run(&[1.0, 2.0]),
        (vec![2, 2, 2], vec![1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0])
    );
}

#[test]
fn shape_arithmetic_is_folded() {
    // What exporters write for x.view(x.size(0), -1).
    let view = Model::new(13, &[-1, 2, 3])
        .node("Shape", &["x"], "s", vec![])
        .node("Constant", &[], "zero", vec![tensor("value", int_tensor("", &[], &[0]))])
        .node("Gather", &["s", "zero"], "n", vec![])
        .ints("axes", &[0])
        .node("Unsqueeze", &["n", "axes"], "n1", vec![])
        .node("Constant", &[], "rest", vec![ints("value_ints", &[-1])])
        .node("Concat", &["n1", "rest"], "new", vec![int("axis", 0)])
        .node("Reshape", &["x", "new"], "y", vec![]);
    assert_eq!(view.load().output_shape, [1, 6]);
    // And for an expand: Where(Equal(shape, −1), 1, shape).
    let expand = Model::new(13, &[1, 3])
        .ints("want", &[2, -1])
        .ints("minus", &[-1])
        .node(
            "ConstantOfShape",
            &["two"],
            "ones",
            vec![tensor("value", int_tensor("", &[1], &[1]))],
        )
        .ints("two", &[2])
        .node("Equal", &["want", "minus"], "is", vec![])
        .node("Where", &["is", "ones", "want"], "shape", vec![])
        .node("Expand", &["x", "shape"], "y", vec![]);
    assert_eq!(expand.run(&[1.0, 2.0, 3.0]).0, [2, 3]);
    let ranged = Model::new(13, &[4])
        .tensor(int_tensor("a", &[], &[3]))
        .tensor(int_tensor("b", &[], &[-1]))
        .tensor(int_tensor("d", &[], &[-2]))
        .node("Range", &["a", "b", "d"], "r", vec![])
        .node("Gather", &["x", "r"], "y", vec![]);
    assert_eq!(ranged.run(&[0.0, 1.0, 2.0, 3.0]).1, [3.0, 1.0]);
    let computed = Model::new(13, &[1])
        .tensor(double_tensor("a", &[], &[3.0]))
        .node("Cast", &["a"], "i", vec![int("to", 7)])
        .node("Mul", &["i", "i"], "m", vec![])
        .node("Sub", &["m", "i"], "s", vec![])
        .node("Cast", &["s"], "f", vec![int("to", 1)])
        .node("Mul", &["x", "f"], "y", vec![]);
    assert_eq!(computed.run(&[0.5]).1, [3.0]);
}

#[test]
fn what_follows_the_logits_is_dropped() {
    let base = Model::new(13, &[1, 3]).node("Neg", &["x"], "z", vec![]);
    let soft = base.clone().node("Softmax", &["z"], "p", vec![int("axis", 1)]).node(
        "Identity",
        &["p"],
        "y",
        vec![],
    );
    let loaded = soft.load();
    assert_eq!(loaded.network.left_out(), Some(certus::internal::net::FinalOperator::Softmax));
    assert!(loaded.notes[0].contains("Softmax"));
    assert_eq!(soft.run(&[1.0, 2.0, 3.0]).1, [-1.0, -2.0, -3.0]);
    let index = base.clone().node("LogSoftmax", &["z"], "p", vec![]).node(
        "ArgMax",
        &["p"],
        "y",
        vec![int("axis", 1)],
    );
    assert_eq!(index.load().network.left_out(), Some(certus::internal::net::FinalOperator::ArgMax));
    assert_eq!(index.load().output_shape, [1, 3]);
    let inside = base.clone().node("Softmax", &["z"], "p", vec![]).node("Neg", &["p"], "y", vec![]);
    let thirds = [-1.0 / 3.0; 3];
    assert!(inside.run(&[2.0; 3]).1.iter().zip(thirds).all(|(y, third)| (y - third).abs() < 1e-15));
    // Of each element by itself.
    let over_one = base.node("Softmax", &["z"], "y", vec![int("axis", 0)]);
    assert_eq!(over_one.run(&[1.0, 2.0, 3.0]).1, [1.0; 3]);
}

#[test]
fn inputs_as_exporters_write_them() {
    let mut listed = Model::new(8, &[-1, 2]).floats("w", &[2], &[1.0, 2.0]).node(
        "Mul",
        &["x", "w"],
        "y",
        vec![],
    );
    listed.graph.input.insert(0, tensor_info("w", Some(&[2])));
    let loaded = listed.load();
    assert_eq!(loaded.input_shape, [1, 2]);
    assert_eq!(loaded.layers[0].parameters, 2);
    let scalar = Model::new(13, &[]).node("Relu", &["x"], "y", vec![]);
    assert_eq!(scalar.run(&[2.0]), (vec![], vec![2.0]));
    let symbolic = Model::new(13, &[-1, -1]).node("Relu", &["x"], "y", vec![]).load();
    assert_eq!((symbolic.input_shape, symbolic.notes.len()), (vec![1, 1], 1));
    let doubles = Model::new(13, &[2])
        .of_doubles()
        .tensor(double_tensor("w", &[2], &[0.1, 1e-300]))
        .node("Mul", &["x", "w"], "y", vec![]);
    assert_eq!(doubles.run(&[1.0, 1.0]).1, [0.1, 1e-300]);
}
