//! Files that must be refused: each with the error that names what is wrong, never with a panic.

mod common;

use certus::internal::load::{
    EncodingProblem, ExternalProblem, ModelProblem, NetworkError, NodeProblem, TensorProblem,
    load_network, load_network_bytes,
};
use certus::internal::net::BuildError;
use common::onnx_writer::*;
use proptest::prelude::*;
use rten_onnx::onnx::{DataLocation, DataType, StringStringEntryProto, TensorProto};

fn model_problem(model: &Model) -> ModelProblem {
    match model.try_load() {
        Err(NetworkError::Model { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

fn tensor_problem(model: &Model) -> TensorProblem {
    match model.try_load() {
        Err(NetworkError::Tensor { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

/// A network with every kind of content.
fn sample() -> Model {
    Model::new(13, &[-1, 1, 4, 4])
        .floats("k", &[2, 1, 3, 3], &[0.5; 18])
        .floats("b", &[2], &[0.25, -1.0])
        .node(
            "Conv",
            &["x", "k", "b"],
            "c",
            vec![ints("pads", &[1, 1, 1, 1]), text("auto_pad", "NOTSET")],
        )
        .node("MaxPool", &["c"], "m", vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])])
        .node("LeakyRelu", &["m"], "l", vec![float("alpha", 0.1)])
        .ints("shape", &[1, -1])
        .node("Reshape", &["l", "shape"], "r", vec![])
        .tensor(double_tensor("w", &[8, 2], &[0.125; 16]))
        .node("Cast", &["r"], "d", vec![int("to", 11)])
        .node("MatMul", &["d", "w"], "e", vec![])
        .node("Cast", &["e"], "p", vec![int("to", 1)])
        .node("Constant", &[], "o", vec![tensor("value", float_tensor("", &[2], &[1.0, 2.0]))])
        .node("Add", &["p", "o"], "q", vec![])
        .node("Softmax", &["q"], "y", vec![int("axis", -1)])
}

#[test]
fn the_sample_itself_is_read() {
    assert_eq!(sample().load().network.outputs(), 2);
}

#[test]
fn every_prefix_of_a_file_is_refused_or_read() {
    let bytes = sample().bytes();
    let mut refused = 0;
    for end in 0..bytes.len() {
        refused += usize::from(load_network_bytes("cut.onnx", &bytes[..end]).is_err());
    }
    // Only what lies behind the graph (the operator set) may be missing without notice of the wire format.
    assert_eq!(refused, bytes.len());
    let error = load_network_bytes("cut.onnx", &bytes[..bytes.len() / 2]).unwrap_err();
    assert!(
        matches!(error, NetworkError::Encoding { problem: EncodingProblem::Truncated(_), .. }),
        "{error}"
    );
    assert!(error.to_string().contains("cut.onnx: byte "), "{error}");
}

proptest! {
    #![proptest_config(common::cases(3000))]
    #[test]
    fn mutated_files_never_panic(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let mut bytes = sample().bytes();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = load_network_bytes("mutated.onnx", &bytes);
    }

    #[test]
    fn mutated_attributes_and_shapes_never_panic(which in 0usize..9, at in any::<prop::sample::Index>(), value in prop_oneof![any::<i64>(), -3i64..5]) {
        let mut model = sample();
        let index = which % model.graph.node.len();
        let node = &mut model.graph.node[index];
        if node.attribute.is_empty() {
            let len = model.graph.initializer.len();
            let tensor = &mut model.graph.initializer[which % len];
            let position = at.index(tensor.dims.len());
            tensor.dims[position] = value;
        } else {
            let position = at.index(node.attribute.len());
            let attribute = &mut node.attribute[position];
            attribute.i = attribute.i.map(|_| value);
            if !attribute.ints.is_empty() {
                let position = at.index(attribute.ints.len());
                attribute.ints[position] = value;
            }
        }
        let _ = model.try_load();
    }

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(load_network_bytes("noise.onnx", &bytes).is_err());
    }
}

#[test]
fn parameters_that_are_no_numbers() {
    for value in [f32::NAN, f32::INFINITY] {
        let weight = Model::new(13, &[1, 2]).floats("w", &[2, 1], &[1.0, value]).node(
            "MatMul",
            &["x", "w"],
            "y",
            vec![],
        );
        let error = weight.try_load().unwrap_err();
        assert!(
            matches!(
                weight.node_problem(),
                NodeProblem::Build(BuildError::NotFinite { what: "weight", index: 1, .. })
            ),
            "{error}"
        );
        let bias = Model::new(13, &[2])
            .floats("b", &[2], &[value, 1.0])
            .node("Add", &["x", "b"], "s", vec![])
            .node("Relu", &["s"], "y", vec![]);
        assert!(matches!(
            bias.node_problem(),
            NodeProblem::Build(BuildError::NotFinite { what: "bias", .. })
        ));
    }
    let text = Model::new(13, &[1, 2])
        .floats("w", &[2, 1], &[1.0, f32::NAN])
        .node("MatMul", &["x", "w"], "y", vec![])
        .try_load()
        .unwrap_err()
        .to_string();
    assert_eq!(
        text,
        "model.onnx: node 0 'MatMul_0' (MatMul): weight 1 is NaN; only finite parameters have a meaning"
    );
}

#[test]
fn graphs_that_are_none() {
    let cycle = Model::new(13, &[1])
        .node("Add", &["x", "b"], "a", vec![])
        .node("Neg", &["a"], "b", vec![])
        .node("Neg", &["b"], "y", vec![]);
    assert!(matches!(model_problem(&cycle), ModelProblem::Order { user: 0, producer: 1, .. }));
    let own = Model::new(13, &[1]).node("Add", &["x", "y"], "y", vec![]);
    assert!(matches!(model_problem(&own), ModelProblem::Order { user: 0, producer: 0, .. }));
    let soft_cycle = Model::new(13, &[1]).node("Softmax", &["y"], "y", vec![]);
    assert!(soft_cycle.try_load().is_err());
    let missing = Model::new(13, &[1]).node("Add", &["x", "b"], "y", vec![]);
    assert!(matches!(model_problem(&missing), ModelProblem::MissingTensor { .. }));
    let nothing = Model::new(13, &[1]);
    assert!(matches!(model_problem(&nothing), ModelProblem::MissingTensor { .. }));
    let twice =
        Model::new(13, &[1]).node("Neg", &["x"], "y", vec![]).node("Neg", &["x"], "y", vec![]);
    assert!(matches!(model_problem(&twice), ModelProblem::Duplicate(name) if name == "y"));
    let constant = Model::new(13, &[1]).floats("c", &[1], &[1.0]).node("Neg", &["c"], "y", vec![]);
    assert!(matches!(model_problem(&constant), ModelProblem::ConstantOutput(_)));
    let none = Model::new(0, &[1]).node("Neg", &["x"], "y", vec![]);
    assert!(matches!(model_problem(&none), ModelProblem::Opset { found: Some(0) }));
    assert!(matches!(
        load_network_bytes("e.onnx", &[]),
        Err(NetworkError::Model { problem: ModelProblem::NoGraph, .. })
    ));
    let mut two = Model::new(13, &[1]).node("Neg", &["x"], "y", vec![]);
    two.graph.input.push(tensor_info("z", Some(&[1])));
    assert!(matches!(model_problem(&two), ModelProblem::Inputs(names) if names == ["x", "z"]));
    let mut outputs = Model::new(13, &[1]).node("Neg", &["x"], "y", vec![]);
    outputs.graph.output.push(tensor_info("x", None));
    assert!(matches!(model_problem(&outputs), ModelProblem::Outputs(_)));
    let mut integers = Model::new(13, &[1]).node("Neg", &["x"], "y", vec![]);
    if let Some(kind) = integers.graph.input[0].r#type.as_mut().and_then(|t| t.tensor_type.as_mut())
    {
        kind.elem_type = Some(DataType::INT64);
    }
    assert!(matches!(model_problem(&integers), ModelProblem::InputType { .. }));
}

#[test]
fn operators_without_support_say_what_is_accepted() {
    let unknown = Model::new(13, &[1]).node("ArgMin", &["x"], "h", vec![]).node(
        "Mystery",
        &["h"],
        "y",
        vec![],
    );
    let message = unknown.try_load().unwrap_err().to_string();
    assert!(
        message
            .starts_with("model.onnx: node 0 'ArgMin_0' (ArgMin): unsupported operator (as are Mystery); accepted: it jumps; --output"),
        "{message}"
    );
    let mut foreign = Model::new(13, &[1]).node("Relu", &["x"], "y", vec![]);
    foreign.graph.node[0].domain = Some("com.example".to_owned());
    assert!(matches!(foreign.node_problem(), NodeProblem::Operator { .. }));
    let both = Model::new(13, &[1, 1, 1]).node("Conv", &["x", "x"], "y", vec![]);
    assert!(matches!(both.node_problem(), NodeProblem::Operand { index: 1, .. }));
    let mask = Model::new(13, &[1]).node("Dropout", &["x"], "a m", vec![]).node(
        "Add",
        &["a", "m"],
        "y",
        vec![],
    );
    assert!(matches!(mask.node_problem(), NodeProblem::Output { index: 1, .. }));
    let reflect = Model::new(13, &[4]).ints("p", &[1, 1]).node(
        "Pad",
        &["x", "p"],
        "y",
        vec![text("mode", "mirror")],
    );
    assert!(matches!(reflect.node_problem(), NodeProblem::Attribute { name: "mode", .. }));
    let division =
        Model::new(13, &[1]).floats("c", &[1], &[0.0]).node("Div", &["x", "c"], "y", vec![]);
    assert!(matches!(division.node_problem(), NodeProblem::Arithmetic(_)));
    let crossed =
        Model::new(10, &[1]).node("Clip", &["x"], "y", vec![float("min", 2.0), float("max", 1.0)]);
    assert!(matches!(crossed.node_problem(), NodeProblem::Operand { .. }));
}

#[test]
fn shapes_that_do_not_fit() {
    let product = Model::new(13, &[1, 3]).floats("w", &[2, 2], &[1.0; 4]).node(
        "MatMul",
        &["x", "w"],
        "y",
        vec![],
    );
    assert!(matches!(product.node_problem(), NodeProblem::Shapes { .. }));
    let sum =
        Model::new(13, &[3]).floats("b", &[2], &[1.0; 2]).node("Add", &["x", "b"], "y", vec![]);
    assert!(matches!(sum.node_problem(), NodeProblem::Shapes { .. }));
    let reshape =
        Model::new(13, &[3]).ints("s", &[2, -1]).node("Reshape", &["x", "s"], "y", vec![]);
    assert!(matches!(reshape.node_problem(), NodeProblem::Shapes { .. }));
    let conv = Model::new(13, &[1, 3, 4]).floats("k", &[1, 2, 3], &[1.0; 6]).node(
        "Conv",
        &["x", "k"],
        "y",
        vec![],
    );
    assert!(matches!(conv.node_problem(), NodeProblem::Shapes { .. }));
    let kernel =
        Model::new(13, &[1, 1, 2]).node("MaxPool", &["x"], "y", vec![ints("kernel_shape", &[3])]);
    assert!(matches!(kernel.node_problem(), NodeProblem::Shapes { .. }));
    let gather = Model::new(13, &[3]).ints("i", &[3]).node("Gather", &["x", "i"], "y", vec![]);
    assert!(matches!(gather.node_problem(), NodeProblem::Operand { index: 1, .. }));
    let zero = Model::new(13, &[1, 1, 2]).tensor(float_tensor("k", &[1, 1, 0], &[])).node(
        "Conv",
        &["x", "k"],
        "y",
        vec![],
    );
    assert!(matches!(zero.node_problem(), NodeProblem::Attribute { name: "kernel_shape", .. }));
    let empty = Model::new(13, &[3])
        .ints("s", &[2])
        .ints("e", &[2])
        .node("Slice", &["x", "s", "e"], "a", vec![])
        .node("Relu", &["a"], "y", vec![]);
    assert!(matches!(empty.node_problem(), NodeProblem::Arithmetic(_)));
}

#[test]
fn absurd_sizes_are_refused_without_allocation() {
    let tensor = Model::new(13, &[1])
        .tensor(TensorProto { dims: vec![1_000_000, 1_000_000], ..float_tensor("w", &[], &[]) })
        .node("Add", &["x", "w"], "y", vec![]);
    assert!(matches!(
        tensor_problem(&tensor),
        TensorProblem::Length { expected: 1_000_000_000_000, .. }
    ));
    let overflow = Model::new(13, &[1])
        .tensor(TensorProto { dims: vec![i64::MAX, 4], ..float_tensor("w", &[], &[]) })
        .node("Add", &["x", "w"], "y", vec![]);
    assert!(matches!(tensor_problem(&overflow), TensorProblem::Shape(_)));
    let negative = Model::new(13, &[1]).tensor(float_tensor("w", &[-1], &[1.0])).node(
        "Add",
        &["x", "w"],
        "y",
        vec![],
    );
    assert!(matches!(tensor_problem(&negative), TensorProblem::Shape(_)));
    let input = Model::new(13, &[1_000_000, 1_000_000]).node("Relu", &["x"], "y", vec![]);
    assert!(matches!(model_problem(&input), ModelProblem::TooLarge { .. }));
    let expand = Model::new(13, &[1]).ints("s", &[1_000_000, 1_000_000]).node(
        "Expand",
        &["x", "s"],
        "y",
        vec![],
    );
    assert!(matches!(expand.node_problem(), NodeProblem::TooLarge { .. }));
    let pad = Model::new(13, &[1]).ints("p", &[0, 1_000_000_000_000]).node(
        "Pad",
        &["x", "p"],
        "y",
        vec![],
    );
    assert!(matches!(pad.node_problem(), NodeProblem::TooLarge { .. }));
    let range = Model::new(13, &[1])
        .tensor(int_tensor("a", &[], &[0]))
        .tensor(int_tensor("b", &[], &[i64::MAX]))
        .tensor(int_tensor("d", &[], &[1]))
        .node("Range", &["a", "b", "d"], "r", vec![])
        .node("Gather", &["x", "r"], "y", vec![]);
    assert!(matches!(range.node_problem(), NodeProblem::TooLarge { .. }));
    let filled = Model::new(13, &[1])
        .ints("s", &[1 << 40])
        .node("ConstantOfShape", &["s"], "c", vec![])
        .node("Add", &["x", "c"], "y", vec![]);
    assert!(matches!(filled.node_problem(), NodeProblem::TooLarge { .. }));
    let windows = Model::new(13, &[1, 1, 4000, 4000]).node(
        "MaxPool",
        &["x"],
        "y",
        vec![ints("kernel_shape", &[2000, 2000])],
    );
    assert!(matches!(windows.node_problem(), NodeProblem::TooLarge { .. }));
    // Many nodes that are each just small enough.
    let mut many = Model::new(13, &[1]).ints("s", &[1 << 23]);
    for i in 0..100 {
        many = many.node("ConstantOfShape", &["s"], &format!("c{i}"), vec![]);
    }
    let names: Vec<String> = (0..100).map(|i| format!("c{i}")).collect();
    let names: Vec<&str> = std::iter::once("x").chain(names.iter().map(String::as_str)).collect();
    let many = many.node("Sum", &names, "y", vec![]);
    assert!(matches!(many.node_problem(), NodeProblem::Memory(_)));
}

#[test]
fn element_types_without_support() {
    let half = TensorProto { data_type: Some(DataType::STRING), ..float_tensor("w", &[1], &[1.0]) };
    let model = Model::new(13, &[1]).tensor(half).node("Add", &["x", "w"], "y", vec![]);
    assert!(matches!(tensor_problem(&model), TensorProblem::DataType(name) if name == "string"));
    let integers = Model::new(13, &[1]).ints("w", &[1]).node("Add", &["x", "w"], "y", vec![]);
    assert!(matches!(integers.node_problem(), NodeProblem::Operand { index: 1, .. }));
}

fn external(location: &str, offset: &str, length: &str) -> Model {
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    };
    let tensor = TensorProto {
        raw_data: None,
        data_location: Some(DataLocation::EXTERNAL),
        external_data: vec![
            entry("location", location),
            entry("offset", offset),
            entry("length", length),
        ],
        ..float_tensor("w", &[2], &[])
    };
    Model::new(13, &[2]).tensor(tensor).node("Mul", &["x", "w"], "y", vec![])
}

#[test]
fn external_data_is_read_from_the_models_folder_only() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("models");
    std::fs::create_dir(&inner).unwrap();
    let bytes: Vec<u8> = [9.0f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(inner.join("w.bin"), &bytes).unwrap();
    std::fs::write(folder.path().join("outside.bin"), &bytes).unwrap();
    let load = |model: Model| {
        let path = inner.join("model.onnx");
        std::fs::write(&path, model.bytes()).unwrap();
        load_network(&path)
    };
    let loaded = load(external("w.bin", "4", "8")).unwrap();
    let y = loaded.network.evaluate(&certus::internal::net::Matrix::from_column_slice(
        2,
        1,
        &[1.0, 10.0],
    ));
    assert_eq!(y.as_slice(), [2.0, 30.0]);
    assert_eq!(loaded.external.len(), 1);
    assert_eq!(loaded.external[0].1, certus::internal::load::sha256_hex(&bytes));
    // One hash covers both files.
    std::fs::write(inner.join("w.bin"), [9.0f32, 2.0, 4.0].map(f32::to_le_bytes).concat()).unwrap();
    let changed = load(external("w.bin", "4", "8")).unwrap();
    assert_eq!(changed.sha256, loaded.sha256);
    assert_ne!(changed.identity(), loaded.identity());
    assert_eq!(sample().load().identity(), sample().load().sha256);
    std::fs::write(inner.join("w.bin"), &bytes).unwrap();
    let reason = |model: Model| match load(model) {
        Err(NetworkError::Tensor { problem: TensorProblem::External { reason, .. }, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(external("../outside.bin", "0", "8")), ExternalProblem::OutsideFolder);
    assert_eq!(reason(external("/etc/hostname", "0", "8")), ExternalProblem::OutsideFolder);
    assert!(matches!(reason(external("none.bin", "0", "8")), ExternalProblem::Unreadable(_)));
    assert!(matches!(reason(external("w.bin", "8", "8")), ExternalProblem::Range { .. }));
    assert!(matches!(
        reason(external("w.bin", "18446744073709551615", "8")),
        ExternalProblem::Range { .. }
    ));
    assert_eq!(reason(external("w.bin", "x", "8")), ExternalProblem::Description);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("outside.bin"), inner.join("link.bin"))
            .unwrap();
        assert_eq!(reason(external("link.bin", "0", "8")), ExternalProblem::OutsideFolder);
    }
    let in_memory = external("w.bin", "4", "8").try_load();
    let Err(NetworkError::Tensor { problem: TensorProblem::External { reason, .. }, .. }) =
        in_memory
    else {
        panic!()
    };
    assert_eq!(reason, ExternalProblem::NoFolder);
}

#[test]
fn missing_files_and_damaged_gzip() {
    assert!(matches!(
        load_network(std::path::Path::new("/nonexistent.onnx")),
        Err(NetworkError::File(_))
    ));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx.gz");
    std::fs::write(&path, [0x1f, 0x8b, 8, 0, 0, 0, 0]).unwrap();
    assert!(matches!(load_network(&path), Err(NetworkError::File(_))));
}
