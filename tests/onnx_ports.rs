//! Files with several inputs and outputs, and scikit-learn's graphs, by both readers.

mod common;

use certus::internal::load::{
    LoadSettings, LoadedNetwork, ModelProblem, NetworkError, load_network_as, load_network_bytes,
};
use certus::internal::net::{FinalOperator, Matrix};
use certus_check::onnx::{Ports, read_in};
use common::onnx_writer::{Model, float, int, ints, tensor_info, text};
use common::recorded::values;
use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, ModelProto, OperatorSetIdProto, ValueInfoProto,
};
use std::path::{Path, PathBuf};

/// A file of both operator domains.
fn bytes(model: &Model) -> Vec<u8> {
    let set = |domain: &str, version| OperatorSetIdProto {
        domain: Some(domain.to_owned()),
        version: Some(version),
    };
    let model = ModelProto {
        ir_version: Some(8),
        graph: Some(model.graph.clone()),
        // skl2onnx says it twice.
        opset_import: vec![set("ai.onnx.ml", 1), set("", model.opset), set("", model.opset)],
        ..Default::default()
    };
    model.write_buf().unwrap()
}

fn floats(name: &str, values: &[f32]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::FLOATS),
        floats: values.to_vec(),
        ..Default::default()
    }
}

fn ml(mut model: Model, op: &str, from: &str, to: &str, attributes: Vec<AttributeProto>) -> Model {
    model = model.node(op, &from.split(' ').collect::<Vec<_>>(), to, attributes);
    model.graph.node.last_mut().unwrap().domain = Some("ai.onnx.ml".to_owned());
    model
}

fn typed(name: &str, element: DataType) -> ValueInfoProto {
    let mut info = tensor_info(name, None);
    info.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = Some(element);
    info
}

/// An array in NumPy's format.
fn npy(name: &str, descr: &str, shape: &str, data: &[u8]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("certus-ports-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn by_search(bytes: &[u8], settings: &LoadSettings) -> Result<LoadedNetwork, NetworkError> {
    let folder = std::env::temp_dir().join(format!("certus-ports-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{:?}.onnx", std::thread::current().id()));
    std::fs::write(&path, bytes).unwrap();
    load_network_as(&path, settings)
}

/// Both readers' outputs at a point, where both read the file.
fn outputs(bytes: &[u8], settings: &LoadSettings, x: &[f64]) -> Vec<f64> {
    let loaded = by_search(bytes, settings).unwrap_or_else(|error| panic!("{error}"));
    let y = loaded.network.evaluate(&Matrix::from_column_slice(x.len(), 1, x));
    let LoadSettings { output, inputs, .. } = settings.clone();
    let circuit = read_in(Path::new(""), bytes, &Ports { output, inputs }).unwrap();
    assert_eq!(circuit.only_ordered, loaded.network.left_out().is_some());
    let theirs = values(&circuit, x, |w| w).swap_remove(circuit.output());
    assert_eq!(y.as_slice(), theirs);
    theirs
}

/// y = 2x and z = x + c of two inputs.
fn two() -> Model {
    let mut model = Model::new(13, &[1, 2])
        .floats("w", &[2, 2], &[2.0, 0.0, 0.0, 2.0])
        .node("MatMul", &["x", "w"], "y", vec![])
        .node("Add", &["x", "c"], "s", vec![])
        .node("Relu", &["s"], "z", vec![]);
    model.graph.input.push(tensor_info("c", Some(&[1, 2])));
    model.graph.output.push(tensor_info("z", None));
    model
}

#[test]
fn outputs_and_constant_inputs_are_chosen() {
    let model = two().bytes();
    let data: Vec<u8> = [0.5f32, -3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let c = npy("c.npy", "<f4", "(1, 2)", &data);
    let settings = |output: Option<&str>, inputs: &[(&str, &Path)]| LoadSettings {
        output: output.map(str::to_owned),
        inputs: inputs.iter().map(|(n, f)| ((*n).to_owned(), f.to_path_buf())).collect(),
        ..LoadSettings::default()
    };
    let x = [1.0, 2.0];
    assert_eq!(outputs(&model, &settings(Some("z"), &[("c", &c)]), &x), [1.5, 0.0]);
    assert_eq!(outputs(&model, &settings(Some("y"), &[("c", &c)]), &x), [2.0, 4.0]);
    assert_eq!(outputs(&model, &settings(Some("s"), &[("c", &c)]), &x), [1.5, -1.0]);
    // The other input, with x constant.
    let data: Vec<u8> = [1.0f64, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let doubles = npy("x.npy", "<f8", "(1, 2)", &data);
    let loaded = by_search(&model, &settings(Some("z"), &[("x", &doubles)])).unwrap();
    assert_eq!((loaded.network.inputs(), loaded.external.len()), (2, 1));
    let refused = |asked: LoadSettings, part: &str| {
        let error = by_search(&model, &asked).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        let LoadSettings { output, inputs, .. } = asked;
        assert!(read_in(Path::new(""), &model, &Ports { output, inputs }).is_err());
    };
    refused(
        settings(None, &[("c", &c)]),
        "2 outputs (y, z); accepted: exactly one, chosen by --output",
    );
    refused(settings(Some("q"), &[("c", &c)]), "no output or tensor 'q' (y, z)");
    refused(settings(Some("y"), &[]), "2 inputs that are no initializers (x, c)");
    refused(settings(Some("y"), &[("d", &c)]), "no input 'd' (x, c)");
    refused(settings(Some("y"), &[("c", &c), ("x", &c)]), "0 inputs");
    let fraction: Vec<u8> = [0.1f64, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let wrong = npy("w.npy", "<f8", "(1, 2)", &fraction);
    refused(
        settings(Some("y"), &[("c", &wrong)]),
        "float of shape [1, 2]; the file given for it holds numbers",
    );
    let flat = npy("f.npy", "<f4", "(2,)", &[0; 8]);
    refused(settings(Some("y"), &[("c", &flat)]), "an array of shape [2]");
}

/// Scaler, LinearClassifier, Normalizer and ZipMap: label and probabilities, of which the latter are chosen.
fn classifier(transform: &str) -> Model {
    let labels = ints("classlabels_ints", &[3, 5, 9]);
    let mut model = Model::new(9, &[-1, 2]);
    model =
        ml(model, "Scaler", "x", "s", vec![floats("offset", &[1.0, 0.5]), floats("scale", &[2.0])]);
    let attributes = vec![
        floats("coefficients", &[1.0, 2.0, -1.0, 0.5, 0.0, 4.0]),
        floats("intercepts", &[0.25, -1.0, 0.0]),
        labels.clone(),
        int("multi_class", 0),
        text("post_transform", transform),
    ];
    model = ml(model, "LinearClassifier", "s", "label p", attributes);
    model = ml(model, "Normalizer", "p", "n", vec![text("norm", "L1")]);
    let labels = AttributeProto { name: Some("classlabels_int64s".to_owned()), ..labels };
    model = ml(model, "ZipMap", "n", "y", vec![labels]);
    model.graph.output.insert(0, typed("label", DataType::INT64));
    model
}

#[test]
fn a_classifier_of_scikit_learn_is_read_as_exported() {
    let x = [2.0, 1.0];
    // s = (2, 1).
    for (transform, scores) in [("SOFTMAX", [4.25, -2.5, 4.0]), ("NONE", [4.25, -2.5, 4.0])] {
        let model = bytes(&classifier(transform));
        assert_eq!(outputs(&model, &LoadSettings::default(), &x), scores);
        let loaded = by_search(&model, &LoadSettings::default()).unwrap();
        assert!(
            loaded.notes[0].contains("'y', the only one of floats; not 'label'"),
            "{:?}",
            loaded.notes
        );
        let softmax = transform == "SOFTMAX";
        let left = if softmax { FinalOperator::Softmax } else { FinalOperator::Normalizer };
        assert_eq!(loaded.network.left_out(), Some(left));
        let label = LoadSettings { output: Some("label".to_owned()), ..LoadSettings::default() };
        assert_eq!(outputs(&model, &label, &x), scores);
    }
    let model = bytes(&classifier("LOGISTIC"));
    let loaded = by_search(&model, &LoadSettings::default()).unwrap();
    let y = loaded.network.evaluate(&Matrix::from_column_slice(2, 1, &x));
    assert!((y[0] - 1.0 / (1.0 + (-4.25f64).exp())).abs() < 1e-15);
    let circuit = read_in(Path::new(""), &model, &Ports::default()).unwrap();
    assert!(circuit.only_ordered);
    for refused in ["PROBIT", "SOFTMAX_ZERO"] {
        let model = bytes(&classifier(refused));
        assert!(load_network_bytes("m.onnx", &model).is_err(), "{refused}");
        assert!(certus_check::onnx::read(&model).is_err(), "{refused}");
    }
}

#[test]
fn linear_and_support_vector_models() {
    let at = |model: &Model, x: &[f64]| outputs(&bytes(model), &LoadSettings::default(), x);
    let model = Model::new(9, &[-1, 2]);
    let regressor = vec![
        floats("coefficients", &[2.0, -1.0, 0.5, 4.0]),
        floats("intercepts", &[1.0, 0.0]),
        int("targets", 2),
    ];
    assert_eq!(
        at(&ml(model.clone(), "LinearRegressor", "x", "y", regressor), &[1.0, 3.0]),
        [0.0, 12.5]
    );
    let svm = |more: Vec<AttributeProto>| {
        [
            vec![
                text("kernel_type", "LINEAR"),
                floats("kernel_params", &[1.0, 0.0, 3.0]),
                floats("support_vectors", &[1.0, 0.0, 2.0, -1.0]),
                floats("coefficients", &[0.5, -2.0]),
                floats("rho", &[0.25]),
                text("post_transform", "NONE"),
            ],
            more,
        ]
        .concat()
    };
    // 0.5·1 − 2·(2 − 3) + 0.25.
    let regressor = ml(model.clone(), "SVMRegressor", "x", "y", svm(vec![int("n_supports", 2)]));
    assert_eq!(at(&regressor, &[1.0, 3.0]), [2.75]);
    let classes = vec![ints("vectors_per_class", &[1, 1]), ints("classlabels_ints", &[0, 1])];
    let mut classifier = ml(model.clone(), "SVMClassifier", "x", "c y", svm(classes));
    classifier.graph.output.insert(0, typed("c", DataType::INT64));
    // Positive: the first class, though the file's scores are −d and d.
    assert_eq!(at(&classifier, &[1.0, 3.0]), [2.75, -2.75]);
    let scores = LoadSettings { output: Some("y".to_owned()), ..LoadSettings::default() };
    let error = by_search(&bytes(&classifier), &scores).unwrap_err().to_string();
    assert!(error.contains("output 1 is used; accepted: only the first, the class"), "{error}");
    let columns = ml(model.ints("i", &[1, 1, 0]), "ArrayFeatureExtractor", "x i", "y", vec![]);
    assert_eq!(at(&columns, &[1.0, 3.0]), [3.0, 3.0, 1.0]);
}

#[test]
fn a_normalizer_before_the_end_divides() {
    let model = ml(Model::new(9, &[-1, 2]), "Normalizer", "x", "n", vec![text("norm", "L1")]);
    let model = model.node("Neg", &["n"], "y", vec![]);
    let loaded = by_search(&bytes(&model), &LoadSettings::default()).unwrap();
    let y = loaded.network.evaluate(&Matrix::from_column_slice(2, 1, &[1.0, -3.0]));
    assert_eq!(y.as_slice(), [-0.25, 0.75]);
    assert!(certus_check::onnx::read(&bytes(&model)).is_err());
    // A Softmax that something reads on is computed.
    let mut late = Model::new(13, &[1, 2]).node("Softmax", &["x"], "p", vec![]);
    late =
        ml(late, "Normalizer", "p", "n", vec![text("norm", "L1")]).node("Neg", &["n"], "y", vec![]);
    let y = by_search(&bytes(&late), &LoadSettings::default()).unwrap().network;
    let y = y.evaluate(&Matrix::from_column_slice(2, 1, &[0.0, 0.0]));
    assert!(y.iter().all(|y| (y + 0.5).abs() < 1e-15), "{y:?}");
    assert!(certus_check::onnx::read(&bytes(&late)).is_err());
}

#[test]
fn the_checker_knows_the_order_behind_a_softmax_and_no_values() {
    let model = Model::new(13, &[1, 2]).node("Softmax", &["x"], "y", vec![]).bytes();
    let property = |assertion: &str| {
        format!(
            "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)\
             (assert (>= X_0 0))(assert (<= X_0 1))(assert (>= X_1 2))(assert (<= X_1 3))(assert {assertion})"
        )
    };
    let load = |text: &str| certus_check::Statement::from_bytes(&model, property(text).as_bytes());
    assert!(load("(>= Y_0 Y_1)").is_ok());
    for values in ["(>= Y_0 0.5)", "(>= Y_0 (+ Y_1 0.1))", "(>= Y_0 (* 2 Y_1))", "(>= Y_0 X_1)"] {
        let error = load(values).unwrap_err().to_string();
        assert!(error.contains("only the order is known"), "{error}");
    }
    let before = Model::new(13, &[1, 2]).node("Softmax", &["x"], "p", vec![]);
    let before = before.node("LeakyRelu", &["p"], "y", vec![float("alpha", 0.5)]).bytes();
    assert!(certus_check::onnx::read(&before).is_err());
}

#[test]
fn several_outputs_without_types_are_refused() {
    let mut model = two();
    model.graph.input.pop();
    model = model.floats("c", &[1, 2], &[1.0, 1.0]);
    model.graph.output[1] = typed("z", DataType::INT64);
    model.graph.output[0].r#type = None;
    let error = load_network_bytes("m.onnx", &model.bytes()).unwrap_err();
    assert!(matches!(error, NetworkError::Model { problem: ModelProblem::Outputs(_), .. }));
    assert!(certus_check::onnx::read(&model.bytes()).is_err());
}
