//! Odd but valid ONNX files: each is read as onnxruntime computes it, or refused; never as something else.

mod common;

use certus::internal::load::{NetworkError, NodeProblem, TensorProblem, load_network_bytes};
use certus::internal::net::FinalOperator;
use common::onnx_writer::*;
use rten_onnx::onnx::{AttributeProto, DataType, TensorProto};
use std::cell::RefCell;

/// Operators on top of `z`, of shape (1, 3), that end in `y`.
fn behind_softmax(opset: i64, nodes: &[(&str, &[&str], &str, Vec<AttributeProto>)]) -> Model {
    let mut model = Model::new(opset, &[1, 3])
        .tensor(bool_tensor("train", &[], &[1]))
        .tensor(bool_tensor("test", &[], &[0]))
        .tensor(float_tensor("ratio", &[], &[0.5]))
        .ints("minus", &[-1])
        .node("Neg", &["x"], "z", vec![])
        .node("Softmax", &["z"], "s", vec![int("axis", 1)]);
    for (op, inputs, output, attributes) in nodes {
        model = model.node(op, inputs, output, attributes.clone());
    }
    model
}

/// In `raw_data`, one byte each.
fn bool_tensor(name: &str, dims: &[i64], bytes: &[u8]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(DataType::BOOL),
        raw_data: Some(RefCell::new(bytes.to_vec())),
        ..Default::default()
    }
}

/// In `int32_data`.
fn int32_tensor(name: &str, dims: &[i64], values: &[i32]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(DataType::INT32),
        int32_data: values.to_vec(),
        ..Default::default()
    }
}

#[test]
fn only_what_keeps_the_order_follows_a_dropped_softmax() {
    let cast = |to| vec![int("to", to)];
    let kept: [(&str, Model); 5] = [
        ("Identity", behind_softmax(13, &[("Identity", &["s"], "y", vec![])])),
        ("Cast to double", behind_softmax(13, &[("Cast", &["s"], "y", cast(11))])),
        ("Dropout", behind_softmax(13, &[("Dropout", &["s", "ratio", "test"], "y", vec![])])),
        ("Dropout, old", behind_softmax(7, &[("Dropout", &["s"], "y", vec![])])),
        (
            "shapes",
            behind_softmax(
                13,
                &[
                    ("Flatten", &["s"], "a", vec![int("axis", 0)]),
                    ("Unsqueeze", &["a", "minus"], "b", vec![]),
                    ("Squeeze", &["b", "minus"], "c", vec![]),
                    ("Reshape", &["c", "minus"], "y", vec![]),
                ],
            ),
        ),
    ];
    for (name, model) in kept {
        assert_eq!(model.load().network.left_out(), Some(FinalOperator::Softmax), "{name}");
        assert_eq!(model.load().output_shape, [1, 3]);
        assert_eq!(model.run(&[1.0, 2.0, 3.0]).1, [-1.0, -2.0, -3.0], "{name}");
    }
    // Only one is left out: the first of two is computed.
    let twice = behind_softmax(13, &[("Softmax", &["s"], "y", vec![])]);
    assert_eq!(twice.load().network.left_out(), Some(FinalOperator::Softmax));
    let e = [-1.0f64, -2.0, -3.0].map(f64::exp);
    for (y, e_i) in twice.run(&[1.0, 2.0, 3.0]).1.iter().zip(e) {
        assert!((y - e_i / e.iter().sum::<f64>()).abs() < 1e-12);
    }
    let index = behind_softmax(
        13,
        &[
            ("ArgMax", &["s"], "i", vec![int("axis", -1), int("keepdims", 0)]),
            ("Cast", &["i"], "f", cast(1)),
            ("Unsqueeze", &["f", "minus"], "y", vec![]),
        ],
    );
    let loaded = index.load();
    assert_eq!(loaded.network.left_out(), Some(FinalOperator::ArgMax));
    assert_eq!((loaded.output_shape, loaded.network.outputs()), (vec![1, 3], 3));

    let refused: [(&str, Model); 11] = [
        ("Cast to int64", behind_softmax(13, &[("Cast", &["s"], "y", cast(7))])),
        ("Cast to bool", behind_softmax(13, &[("Cast", &["s"], "y", cast(9))])),
        ("training", behind_softmax(13, &[("Dropout", &["s", "ratio", "train"], "y", vec![])])),
        ("training by default", behind_softmax(6, &[("Dropout", &["s"], "y", vec![])])),
        ("Relu", behind_softmax(13, &[("Relu", &["s"], "y", vec![])])),
        ("Neg", behind_softmax(13, &[("Neg", &["s"], "y", vec![])])),
        ("Transpose", behind_softmax(13, &[("Transpose", &["s"], "y", vec![])])),
        ("Add", behind_softmax(13, &[("Add", &["z", "s"], "y", vec![])])),
        ("Slice", behind_softmax(13, &[("Gather", &["s", "minus"], "y", vec![int("axis", 1)])])),
        (
            "its own shape",
            behind_softmax(
                13,
                &[("Shape", &["s"], "n", vec![]), ("Reshape", &["s", "n"], "y", vec![])],
            ),
        ),
        (
            "Softmax of an index",
            behind_softmax(
                13,
                &[
                    ("ArgMax", &["s"], "i", vec![int("axis", 1)]),
                    ("Cast", &["i"], "f", cast(1)),
                    ("Softmax", &["f"], "y", vec![]),
                ],
            ),
        ),
    ];
    // What reads values, not their order, reads those of a Softmax that is computed.
    let computed = ["Relu", "Neg", "Transpose", "Add", "Slice", "its own shape"];
    for (name, model) in refused {
        if computed.contains(&name) {
            assert_eq!(model.load().network.left_out(), None, "{name}");
        } else {
            assert!(matches!(model.try_load(), Err(NetworkError::Node { .. })), "{name}");
        }
    }
    let negated = behind_softmax(13, &[("Neg", &["s"], "y", vec![])]).run(&[1.0, 2.0, 3.0]).1;
    assert!(
        (negated.iter().sum::<f64>() + 1.0).abs() < 1e-12 && negated.is_sorted(),
        "{negated:?}"
    );
}

/// y = x + the constant that `nodes` compute as `c`, at x = 0.
fn constant(model: Model) -> f64 {
    model.node("Add", &["x", "c"], "y", vec![]).run(&[0.0]).1[0]
}

#[test]
fn casts_round_once_to_the_type_they_name() {
    // By way of these types to float.
    let cast = |tensor: TensorProto, by_way_of: &[i64]| {
        let mut model = Model::new(13, &[1]).tensor(tensor);
        let mut last = "a".to_owned();
        for &to in by_way_of {
            let next = format!("to_{to}");
            model = model.node("Cast", &[&last], &next, vec![int("to", to)]);
            last = next;
        }
        model.node("Cast", &[&last], "c", vec![int("to", 1)])
    };
    assert_eq!(constant(cast(int_tensor("a", &[1], &[16_777_217]), &[])), 16_777_216.0);
    assert_eq!(constant(cast(int32_tensor("a", &[1], &[16_777_219]), &[])), 16_777_220.0);
    // To the nearest single, which is not the single nearest to the nearest double.
    let halfway = (1 << 60) + (1 << 36) + 1;
    let nearest = 2f64.powi(60) + 2f64.powi(37);
    assert_eq!(constant(cast(int_tensor("a", &[1], &[halfway]), &[])), nearest);
    assert_eq!(constant(cast(int_tensor("a", &[1], &[halfway]), &[11])), 2f64.powi(60));
    // 0.7 · 10 is 7 in single precision, and a little less in double.
    let scaled = |to| {
        Model::new(13, &[1])
            .ints("n", &[10])
            .floats("s", &[], &[0.7])
            .node("Cast", &["n"], "f", vec![int("to", 1)])
            .node("Mul", &["f", "s"], "g", vec![])
            .node("Cast", &["g"], "i", vec![int("to", to)])
            .node("Cast", &["i"], "c", vec![int("to", 1)])
    };
    assert_eq!((constant(scaled(7)), constant(scaled(6)), constant(scaled(9))), (7.0, 7.0, 1.0));
    let large = Model::new(13, &[1]).floats("s", &[1], &[3e9]).node(
        "Cast",
        &["s"],
        "c",
        vec![int("to", 6)],
    );
    assert!(matches!(
        large.node("Add", &["x", "c"], "y", vec![]).node_problem(),
        NodeProblem::Arithmetic(_)
    ));
}

#[test]
fn integers_do_not_leave_their_type() {
    let product = |a: TensorProto, b: TensorProto, op: &str| {
        Model::new(13, &[1])
            .tensor(a)
            .tensor(b)
            .node(op, &["a", "b"], "p", vec![])
            .node("Cast", &["p"], "c", vec![int("to", 1)])
            .node("Add", &["x", "c"], "y", vec![])
    };
    let narrow =
        |a, b, op| product(int32_tensor("a", &[1], &[a]), int32_tensor("b", &[1], &[b]), op);
    let wide = |a, b, op| product(int_tensor("a", &[1], &[a]), int_tensor("b", &[1], &[b]), op);
    for (op, a, b) in
        [("Mul", 1 << 30, 4), ("Add", i32::MAX, 1), ("Sub", i32::MIN, 1), ("Div", i32::MIN, -1)]
    {
        let problem = narrow(a, b, op).node_problem();
        assert!(matches!(problem, NodeProblem::Arithmetic(_)), "{op}: {problem}");
        let shifted = wide(i64::from(a) << 32, i64::from(b), op);
        assert_eq!(shifted.try_load().is_err(), op != "Add", "{op}");
    }
    assert_eq!(narrow(-7, 2, "Div").run(&[0.0]).1, [-3.0]);
    assert_eq!(narrow(1 << 20, 1 << 10, "Mul").run(&[0.0]).1, [2f64.powi(30)]);
    let cast = Model::new(13, &[1])
        .tensor(int_tensor("a", &[1], &[1 << 40]))
        .node("Cast", &["a"], "n", vec![int("to", 6)])
        .node("Cast", &["n"], "c", vec![int("to", 1)])
        .node("Add", &["x", "c"], "y", vec![]);
    assert!(matches!(cast.node_problem(), NodeProblem::Arithmetic(_)));
    // Types that do not go together, and truth values in arithmetic.
    let mixed = product(int32_tensor("a", &[1], &[1]), int_tensor("b", &[1], &[1]), "Add");
    assert!(matches!(mixed.node_problem(), NodeProblem::Operand { index: 1, .. }));
    let truth = product(bool_tensor("a", &[1], &[1]), bool_tensor("b", &[1], &[1]), "Add");
    assert!(matches!(truth.node_problem(), NodeProblem::Operand { index: 0, .. }));
    let doubles = Model::new(13, &[1]).tensor(double_tensor("c", &[1], &[1.0])).node(
        "Add",
        &["x", "c"],
        "y",
        vec![],
    );
    assert!(matches!(doubles.node_problem(), NodeProblem::Operand { index: 1, .. }));
}

#[test]
fn stored_values_are_of_their_type() {
    let load = |tensor: TensorProto| {
        Model::new(13, &[1]).tensor(tensor).node("Cast", &["a"], "c", vec![int("to", 1)])
    };
    assert_eq!(constant(load(bool_tensor("a", &[1], &[1]))), 1.0);
    let problem =
        |tensor: TensorProto| match load(tensor).node("Add", &["x", "c"], "y", vec![]).try_load() {
            Err(NetworkError::Tensor { problem, .. }) => problem,
            other => panic!("{other:?}"),
        };
    assert_eq!(problem(bool_tensor("a", &[1], &[2])), TensorProblem::Data("bool"));
    let both = TensorProto { float_data: vec![2.0], ..float_tensor("a", &[1], &[1.0]) };
    assert_eq!(problem(both), TensorProblem::Data("float"));
    let other = TensorProto { data_type: Some(DataType::INT32), ..int_tensor("a", &[1], &[1]) };
    assert_eq!(problem(other), TensorProblem::Data("int32"));
}

#[test]
fn clips_keep_every_bound_that_is_one() {
    let clip = |lo: Option<f32>, hi: Option<f32>| {
        let mut model = Model::new(13, &[2]);
        for (name, bound) in [("lo", lo), ("hi", hi)] {
            if let Some(bound) = bound {
                model = model.tensor(float_tensor(name, &[], &[bound]));
            }
        }
        let name = |name, bound: Option<f32>| if bound.is_some() { name } else { "" };
        model.node("Clip", &["x", name("lo", lo), name("hi", hi)], "y", vec![])
    };
    let (max, inf, x) = (f32::MAX, f32::INFINITY, [-2.0, 3.0]);
    assert_eq!(clip(Some(max), None).run(&x).1, [f64::from(max); 2]);
    assert_eq!(clip(Some(max), Some(max)).run(&x).1, [f64::from(max); 2]);
    assert_eq!(clip(None, Some(-max)).run(&x).1, [-f64::from(max); 2]);
    assert_eq!(clip(Some(-max), Some(max)).run(&x).1, x);
    assert_eq!(clip(Some(-inf), Some(inf)).run(&x).1, x);
    assert!(clip(Some(inf), None).try_load().is_err());
    assert!(clip(None, Some(-inf)).try_load().is_err());
    assert!(clip(Some(f32::NAN), None).try_load().is_err());
    let old = |min, max| {
        let attributes = vec![float("min", min), float("max", max)];
        Model::new(7, &[2]).node("Clip", &["x"], "y", attributes)
    };
    assert_eq!(old(-max, -max).run(&x).1, [-f64::from(max); 2]);
    assert_eq!(old(-max, max).run(&x).1, x);
    // The bounds of singles are bounds of doubles like any others.
    let doubles = |bound: f64| {
        let model = Model::new(13, &[2])
            .of_doubles()
            .tensor(double_tensor("hi", &[], &[bound]))
            .node("Clip", &["x", "", "hi"], "y", vec![]);
        model.run(&[2f64.powi(131), 2f64.powi(127)]).1
    };
    let (large, small) = (2f64.powi(130), 2f64.powi(127));
    assert_eq!(doubles(large), [large, small]);
    assert_eq!(doubles(f64::from(max)), [f64::from(max), small]);
    assert_eq!(doubles(f64::MAX), [2f64.powi(131), small]);
}

#[test]
fn tensors_without_elements_and_slices_on_which_programs_differ() {
    let slice = |start, end, step, dims: &[i64]| {
        Model::new(13, dims)
            .ints("s", &[start])
            .ints("e", &[end])
            .ints("a", &[0])
            .ints("t", &[step])
            .node("Slice", &["x", "s", "e", "a", "t"], "z", vec![])
            .node("ReduceSum", &["z"], "y", vec![])
    };
    assert!(matches!(slice(2, 2, 1, &[3]).node_problem(), NodeProblem::Arithmetic(_)));
    for end in [i64::MAX, i64::from(i32::MAX)] {
        let problem = slice(i64::MAX, end, -1, &[3]).node_problem();
        assert!(matches!(problem, NodeProblem::Attribute { name: "ends", .. }), "{problem}");
        assert_eq!(slice(1, end, 1, &[3]).run(&[1.0, 2.0, 4.0]).1, [6.0]);
    }
    assert_eq!(slice(-1, i64::MIN, -2, &[3]).run(&[1.0, 2.0, 4.0]).1, [5.0]);
    let none = Model::new(13, &[2]).tensor(float_tensor("c", &[0], &[])).node(
        "ReduceMean",
        &["c"],
        "m",
        vec![],
    );
    assert!(none.node("Add", &["x", "m"], "y", vec![]).try_load().is_err());
    // Shapes of scalars have no elements, and are none to refuse.
    let scalar = Model::new(13, &[1]).tensor(int_tensor("none", &[0], &[])).node(
        "Reshape",
        &["x", "none"],
        "y",
        vec![],
    );
    assert_eq!(scalar.run(&[5.0]), (vec![], vec![5.0]));
}

#[test]
fn ranges_of_floats_that_are_rounded() {
    let range = |start: f32, limit: f32, delta: f32| {
        let scalar = |name, value| float_tensor(name, &[], &[value]);
        Model::new(13, &[1])
            .tensor(scalar("a", start))
            .tensor(scalar("b", limit))
            .tensor(scalar("d", delta))
            .node("Range", &["a", "b", "d"], "c", vec![])
            .node("Add", &["x", "c"], "y", vec![])
    };
    assert_eq!(range(0.5, 2.0, 0.5).run(&[0.0]).1, [0.5, 1.0, 1.5]);
    assert!(matches!(range(0.0, 1.0, 0.1).node_problem(), NodeProblem::Arithmetic(_)));
}

#[test]
fn old_operator_sets_mean_what_they_meant() {
    // From axis 1 of (2, 3, 2): the channels.
    let add = |opset, attributes: Vec<AttributeProto>, dims: &[i64]| {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
        let len = dims.iter().product::<i64>() as usize;
        Model::new(opset, &[2, 3, 2]).floats("c", dims, &values[..len]).node(
            "Add",
            &["x", "c"],
            "y",
            attributes,
        )
    };
    let x = [0.0; 12];
    let channels = add(6, vec![int("broadcast", 1), int("axis", 1)], &[3]);
    let expected = [1.0, 1.0, 2.0, 2.0, 4.0, 4.0];
    assert_eq!(channels.run(&x).1, [expected, expected].concat());
    let consumed = vec![int("broadcast", 1), ints("consumed_inputs", &[0, 0])];
    let last = add(1, consumed, &[2]);
    assert_eq!(last.run(&x).1, [1.0, 2.0].repeat(6));
    assert_eq!(add(6, vec![int("broadcast", 1)], &[1, 1]).run(&x).1, [1.0; 12]);
    let shapes = |model: Model| assert!(matches!(model.node_problem(), NodeProblem::Shapes { .. }));
    shapes(add(6, vec![], &[2]));
    shapes(add(6, vec![int("broadcast", 1)], &[3]));
    shapes(add(6, vec![int("broadcast", 1), int("axis", 2)], &[3]));
    shapes(add(6, vec![int("broadcast", 1)], &[1, 2]));
    let late = add(7, vec![int("broadcast", 1)], &[2]);
    assert!(matches!(late.node_problem(), NodeProblem::UnknownAttribute { .. }));

    let gemm = |attributes| {
        Model::new(6, &[1, 1])
            .floats("w", &[1, 2], &[1.0, 2.0])
            .floats("b", &[2], &[8.0, 16.0])
            .node("Gemm", &["x", "w", "b"], "y", attributes)
    };
    assert_eq!(gemm(vec![int("broadcast", 1)]).run(&[1.0]).1, [9.0, 18.0]);
    shapes(gemm(vec![]));
    let prelu = |opset| {
        Model::new(opset, &[1, 2, 2]).floats("s", &[2], &[0.5, 0.25]).node(
            "PRelu",
            &["x", "s"],
            "y",
            vec![],
        )
    };
    let x = [-8.0; 4];
    assert_eq!(prelu(6).run(&x).1, [-4.0, -4.0, -2.0, -2.0]);
    assert_eq!(prelu(7).run(&x).1, [-4.0, -2.0, -4.0, -2.0]);
    let reshaped =
        Model::new(4, &[1, 2, 2]).node("Reshape", &["x"], "y", vec![ints("shape", &[0, -1])]);
    assert_eq!(reshaped.load().output_shape, [1, 4]);
    let max = |opset, dims: &[i64]| {
        Model::new(opset, &[1, 2])
            .floats("c", dims, &vec![0.0; dims.iter().product::<i64>() as usize])
            .node("Max", &["x", "c"], "y", vec![])
    };
    assert_eq!(max(6, &[1, 2]).run(&[-1.0, 1.0]).1, [0.0, 1.0]);
    shapes(max(6, &[2]));
    assert_eq!(max(8, &[2]).run(&[-1.0, 1.0]).1, [0.0, 1.0]);
    let norm = |attributes: Vec<AttributeProto>| {
        let one = |m: Model, name| m.floats(name, &[1], &[1.0]);
        let model = ["s", "b", "m", "v"].into_iter().fold(Model::new(6, &[1, 1, 1]), one);
        model.node("BatchNormalization", &["x", "s", "b", "m", "v"], "y", attributes)
    };
    assert_eq!(norm(vec![int("is_test", 1), float("epsilon", 0.0)]).run(&[5.0]).1, [5.0]);
    let training = norm(vec![]).node_problem();
    assert!(matches!(training, NodeProblem::Attribute { name: "is_test", .. }));
    let wheres = Model::new(7, &[1]).node("Expand", &["x", "x"], "y", vec![]);
    assert!(matches!(wheres.node_problem(), NodeProblem::OperatorSet { opset: 7, since: 8 }));
}

#[test]
fn no_part_of_a_node_is_passed_over() {
    let unknown = |op: &str, opset, attributes| {
        let model = Model::new(opset, &[1, 1, 4]).node(op, &["x"], "y", attributes);
        assert!(matches!(model.node_problem(), NodeProblem::UnknownAttribute { .. }), "{op}");
    };
    unknown("Clip", 11, vec![float("max", 1.0)]);
    unknown("ReduceSum", 13, vec![ints("axes", &[0])]);
    unknown("Squeeze", 13, vec![ints("axes", &[0])]);
    unknown("Flatten", 13, vec![int("axis", 1), int("axis", 2)]);
    unknown("MaxPool", 8, vec![ints("kernel_shape", &[2]), ints("dilations", &[2])]);
    unknown("Relu", 13, vec![float("alpha", 1.0)]);
    let wrong = Model::new(13, &[2]).node("LeakyRelu", &["x"], "y", vec![int("alpha", 1)]);
    assert!(matches!(wrong.node_problem(), NodeProblem::Attribute { name: "alpha", .. }));
    // Writers of proto3 leave zeros out.
    let mut zero = int("axis", 0);
    zero.i = None;
    let flat = Model::new(13, &[2, 3]).node("Flatten", &["x"], "y", vec![zero]);
    assert_eq!(flat.load().output_shape, [1, 6]);
    let mut two = int("axis", 0);
    two.ints = vec![1];
    let flat = Model::new(13, &[2, 3]).node("Flatten", &["x"], "y", vec![two]);
    assert!(matches!(flat.node_problem(), NodeProblem::Attribute { name: "axis", .. }));
    let more = Model::new(7, &[2]).node("Relu", &["x", "x"], "y", vec![]);
    assert!(matches!(more.node_problem(), NodeProblem::Operand { index: 1, .. }));
    let missing = Model::new(13, &[2]).node("Concat", &["x", "x"], "y", vec![]);
    assert!(matches!(missing.node_problem(), NodeProblem::Attribute { name: "axis", .. }));
    for op in ["MaxPool", "AveragePool"] {
        let attributes = vec![
            ints("kernel_shape", &[2]),
            ints("dilations", &[2]),
            text("auto_pad", "SAME_UPPER"),
        ];
        let short =
            vec![ints("kernel_shape", &[1]), ints("strides", &[3]), text("auto_pad", "SAME_UPPER")];
        for attributes in [attributes, short] {
            let model = Model::new(19, &[1, 1, 6]).node(op, &["x"], "y", attributes);
            let problem = model.node_problem();
            assert!(matches!(problem, NodeProblem::Attribute { name: "auto_pad", .. }), "{op}");
        }
    }
    for (opset, parts) in [(13, "a y"), (18, "a b c y")] {
        let model = Model::new(opset, &[5]).node("Split", &["x"], parts, vec![]);
        assert!(matches!(model.node_problem(), NodeProblem::Shapes { .. }), "{opset}");
    }
}

#[test]
fn functions_of_the_file_are_named() {
    let plain = Model::new(13, &[2]).node("Relu", &["x"], "y", vec![]);
    // FunctionProto: name 1, domain 10.
    let function = |name: &[u8], domain: &[u8]| {
        let mut body = [&[0x0a, name.len() as u8][..], name].concat();
        body.extend([&[0x52, domain.len() as u8][..], domain].concat());
        [&plain.bytes()[..], &[0xca, 0x01, body.len() as u8], &body].concat()
    };
    let load = |bytes: &[u8]| load_network_bytes("m.onnx", bytes);
    assert!(load(&function(b"Relu", b"my.own")).is_ok());
    for domain in [&b""[..], b"ai.onnx"] {
        let error = load(&function(b"Relu", domain)).unwrap_err();
        assert!(matches!(error, NetworkError::Node { problem: NodeProblem::LocalFunction, .. }));
    }
}
