//! ONNX's own cases of operators that move, pick, sum and interpolate, with the outputs that onnx stores; functions, branches and loops.

mod common;

use certus::internal::load::load_network_bytes;
use certus::internal::net::Matrix;
use common::onnx_writer::{Model, int, tensor_info};
use common::recorded::{STRUCTURE, Verdict, by_checker, by_search, cases};
use rten_onnx::onnx::{AttributeProto, AttributeType, GraphProto, NodeProto};

/// How many of the cases the checker reads; more are welcome.
const READ_BY_CHECKER: usize = 70;

#[test]
fn both_readers_agree_with_onnx() {
    let cases = cases(STRUCTURE);
    assert!(cases.len() > 150, "{}", cases.len());
    let mut read = 0;
    for case in &cases {
        match by_search(case) {
            Verdict::Agrees => {}
            Verdict::Refused(why) | Verdict::Wrong(why) => panic!("{}: {why}", case.name),
        }
        match by_checker(case) {
            Verdict::Agrees => read += 1,
            Verdict::Refused(_) => {}
            Verdict::Wrong(why) => panic!("{}: the checker: {why}", case.name),
        }
    }
    assert!(read >= READ_BY_CHECKER, "the checker reads {read} of {}", cases.len());
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.to_owned()),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..Default::default()
    }
}

fn graph(name: &str, nodes: Vec<NodeProto>, inputs: &[&str], outputs: &[&str]) -> AttributeProto {
    let ports = |names: &[&str]| names.iter().map(|name| tensor_info(name, None)).collect();
    let graph = GraphProto {
        node: nodes,
        input: ports(inputs),
        output: ports(outputs),
        ..Default::default()
    };
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::GRAPH),
        g: Some(graph),
        ..Default::default()
    }
}

fn at(model: &Model, x: &[f64]) -> Vec<f64> {
    let loaded = load_network_bytes("m.onnx", &model.bytes()).unwrap_or_else(|e| panic!("{e}"));
    loaded.network.evaluate(&Matrix::from_column_slice(x.len(), 1, x)).as_slice().to_vec()
}

#[test]
fn a_branch_goes_where_a_constant_says() {
    let model = |holds: i64| {
        let branches = vec![
            graph("then_branch", vec![node("Add", &["x", "c"], "t")], &[], &["t"]),
            graph("else_branch", vec![node("Neg", &["x"], "e")], &[], &["e"]),
        ];
        Model::new(13, &[2])
            .floats("c", &[2], &[1.0, 2.0])
            .ints("a", &[holds])
            .ints("b", &[1])
            .node("Equal", &["a", "b"], "f", vec![])
            .node("If", &["f"], "y", branches)
    };
    assert_eq!(at(&model(1), &[3.0, 4.0]), [4.0, 6.0]);
    assert_eq!(at(&model(0), &[3.0, 4.0]), [-3.0, -4.0]);
    let depends = Model::new(13, &[1])
        .floats("c", &[1], &[0.0])
        .node("Greater", &["x", "c"], "f", vec![])
        .node("If", &["f"], "y", vec![graph("then_branch", vec![], &[], &["x"])]);
    let error = load_network_bytes("m.onnx", &depends.bytes()).unwrap_err().to_string();
    assert!(error.contains("depends on the input"), "{error}");
}

#[test]
fn a_loop_is_unrolled() {
    // v ← 2v + x, three times, and each v on the way.
    let nodes = vec![
        node("Identity", &["go"], "go_on"),
        node("Add", &["v", "v"], "twice"),
        node("Add", &["twice", "x"], "next"),
        node("Identity", &["next"], "seen"),
    ];
    let body = graph("body", nodes, &["i", "go", "v"], &["go_on", "next", "seen"]);
    let all = |output: &str| {
        let mut model = Model::new(13, &[2])
            .ints("trips", &[3])
            .node("Loop", &["trips", "", "x"], "last all", vec![body.clone()])
            .node("Identity", &[output], "y", vec![]);
        model.graph.node[0].input = vec!["trips".to_owned(), String::new(), "x".to_owned()];
        model
    };
    assert_eq!(at(&all("last"), &[1.0, -2.0]), [15.0, -30.0]);
    assert_eq!(at(&all("all"), &[1.0, -2.0]), [3.0, -6.0, 7.0, -14.0, 15.0, -30.0]);
}

#[test]
fn rows_of_what_is_not_last_are_computed() {
    let nodes = vec![node("Identity", &["sum"], "next"), node("Identity", &["row"], "seen")];
    let body = graph("body", nodes, &["sum", "row"], &["next", "seen"]);
    let model = Model::new(13, &[1, 3])
        .floats("zero", &[3], &[0.0; 3])
        .node("Softmax", &["x"], "p", vec![])
        .node("Scan", &["zero", "p"], "sum y", vec![body, int("num_scan_inputs", 1)]);
    let right = [0.25, 0.5, 0.25];
    let y = at(&model, &[0.0, std::f64::consts::LN_2, 0.0]);
    assert!(y.iter().zip(right).all(|(y, right)| (y - right).abs() < 1e-15), "{y:?}");
}

#[test]
fn what_a_step_hands_on_and_keeps_is_read_twice() {
    // v ← v + x, three times, and each v on the way.
    let nodes = vec![
        node("Identity", &["go"], "go_on"),
        node("Add", &["v", "x"], "next"),
        node("Identity", &["next"], "seen"),
    ];
    let body = graph("body", nodes, &["i", "go", "v"], &["go_on", "next", "seen"]);
    let model = Model::new(13, &[1]).ints("trips", &[3]).node(
        "Loop",
        &["trips", "", "x"],
        "last y",
        vec![body],
    );
    assert_eq!(at(&model, &[2.0]), [4.0, 6.0, 8.0]);
}

#[test]
fn a_scan_goes_through_the_rows() {
    let nodes = vec![node("Add", &["sum", "row"], "next"), node("Relu", &["next"], "seen")];
    let body = graph("body", nodes, &["sum", "row"], &["next", "seen"]);
    let model = Model::new(13, &[3, 2]).floats("zero", &[2], &[0.0, 1.0]).node(
        "Scan",
        &["zero", "x"],
        "sum y",
        vec![body, int("num_scan_inputs", 1)],
    );
    assert_eq!(at(&model, &[1.0, 2.0, -3.0, 4.0, 0.5, -9.0]), [1.0, 3.0, 0.0, 7.0, 0.0, 0.0]);
}

#[test]
fn functions_of_the_file_are_read_in_their_place() {
    // f(a) = LeakyRelu(a, alpha) + a, with an alpha of the call; FunctionProto: name 1, input 4, output 5, attribute 6, node 7, opset 9, domain 10.
    let mut model = Model::new(13, &[2]).node("f", &["x"], "y", vec![]);
    model.graph.node[0].domain = Some("own".to_owned());
    model.graph.node[0].attribute = vec![common::onnx_writer::float("slope", 0.5)];
    let field = |number: u8, content: &[u8]| {
        [&[number << 3 | 2, content.len() as u8][..], content].concat()
    };
    // An attribute `alpha` of type float that refers to `slope`.
    let reference =
        [field(1, b"alpha"), vec![0xa0, 0x01, 1], vec![0xaa, 0x01, 5], b"slope".to_vec()].concat();
    let leaky =
        [field(1, b"a"), field(2, b"l"), field(4, b"LeakyRelu"), field(5, &reference)].concat();
    let add = [field(1, b"l"), field(1, b"a"), field(2, b"b"), field(4, b"Add")].concat();
    let body = [
        field(1, b"f"),
        field(4, b"a"),
        field(5, b"b"),
        field(6, b"slope"),
        field(7, &leaky),
        field(7, &add),
        field(9, &[0x10, 13]),
        field(10, b"own"),
    ]
    .concat();
    let bytes = [&model.bytes()[..], &[0xca, 0x01, body.len() as u8], &body].concat();
    let loaded = load_network_bytes("m.onnx", &bytes).unwrap_or_else(|e| panic!("{e}"));
    let y = loaded.network.evaluate(&Matrix::from_column_slice(2, 1, &[3.0, -4.0]));
    assert_eq!(y.as_slice(), [6.0, -6.0]);
}

/// ONNX's own cases of these have integers only.
#[test]
fn triangles_and_constants_by_index() {
    let both = |model: Model, x: &[f64], y: &[f64]| {
        assert_eq!(at(&model, x), y);
        let circuit = certus_check::onnx::read(&model.bytes()).unwrap();
        assert_eq!(common::recorded::values(&circuit, x, |w| w)[circuit.output()], y);
    };
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let square = || Model::new(14, &[2, 3]).ints("k", &[1]).node("Squeeze", &["k"], "s", vec![]);
    let upper = square().node("Trilu", &["x", "s"], "y", vec![]);
    both(upper, &x, &[0.0, 2.0, 3.0, 0.0, 0.0, 6.0]);
    let lower = square().node("Trilu", &["x"], "y", vec![int("upper", 0)]);
    both(lower, &x, &[1.0, 0.0, 0.0, 4.0, 5.0, 0.0]);
    let eye = Model::new(13, &[2, 3]).node("EyeLike", &["x"], "e", vec![int("k", 1)]);
    both(eye.node("Add", &["x", "e"], "y", vec![]), &x, &[1.0, 3.0, 3.0, 4.0, 5.0, 7.0]);
    let hot = Model::new(13, &[2, 3])
        .ints("i", &[2, -3])
        .ints("depth", &[3])
        .floats("v", &[2], &[0.5, 10.0])
        .node("OneHot", &["i", "depth", "v"], "h", vec![])
        .node("Add", &["x", "h"], "y", vec![]);
    assert_eq!(at(&hot, &x), [1.5, 2.5, 13.0, 14.0, 5.5, 6.5]);
}

#[test]
fn halves_are_read_exactly() {
    use rten_onnx::onnx::{DataType, TensorProto};
    use std::cell::RefCell;
    // 1.5, the least subnormal, -65504 and 2^-14.
    let bits: [u16; 4] = [0x3e00, 1, 0xfbff, 0x0400];
    let half = TensorProto {
        name: Some("w".to_owned()),
        dims: vec![4],
        data_type: Some(DataType::FLOAT16),
        raw_data: Some(RefCell::new(bits.iter().flat_map(|b| b.to_le_bytes()).collect())),
        ..Default::default()
    };
    let model = Model::new(13, &[4]).tensor(half).node("Cast", &["w"], "f", vec![int("to", 1)]);
    let model = model.node("Add", &["x", "f"], "y", vec![]);
    let expected = [1.5, 2f64.powi(-24), -65504.0, 2f64.powi(-14)];
    assert_eq!(at(&model, &[0.0; 4]), expected);
    let circuit = certus_check::onnx::read(&model.bytes()).unwrap();
    let theirs = common::recorded::values(&circuit, &[0.0; 4], |w| w);
    assert_eq!(theirs[circuit.output()], expected);
}

#[test]
fn the_checkers_list_is_what_it_reads() {
    for operator in ["Resize", "Tile", "Relu", "ScatterND", "Erf", "Loop", "Hardmax"] {
        let model = Model::new(22, &[1]).node(operator, &[], "y", vec![]).bytes();
        let error = certus_check::onnx::read(&model).err().unwrap();
        let known = error.problem != certus_check::onnx::Problem::UnsupportedOperator;
        assert_eq!(certus_check::onnx::knows(operator), known, "{operator}");
    }
}

/// Programs do not agree on which of two tensors is meant: ONNX forbids the names, and onnxruntime takes the nearer one.
#[test]
fn a_graph_within_takes_no_name_from_outside() {
    let of = |nodes: Vec<NodeProto>, stored: &[&str], output: &str| {
        let mut branch = graph("then_branch", nodes, &[], &[output]);
        let tensors = stored.iter().map(|name| {
            let model = Model::new(13, &[2]).floats(name, &[2], &[10.0, 20.0]);
            model.graph.initializer[0].clone()
        });
        branch.g.as_mut().unwrap().initializer.extend(tensors);
        let model = Model::new(13, &[2])
            .ints("one", &[1])
            .node("Equal", &["one", "one"], "f", vec![])
            .node("Relu", &["x"], "w", vec![])
            .node("If", &["f"], "a", vec![branch])
            .node("Sub", &["a", "w"], "y", vec![]);
        load_network_bytes("m.onnx", &model.bytes()).map_err(|error| error.to_string())
    };
    assert!(of(vec![node("Add", &["x", "own"], "t")], &["own"], "t").is_ok());
    assert!(of(vec![node("Add", &["x", "x"], "y")], &[], "y").is_ok(), "nobody sees y there");
    for (nodes, stored, output) in [
        (vec![node("Add", &["x", "w"], "t")], &["w"][..], "t"),
        (vec![node("Add", &["x", "x"], "w")], &[], "w"),
        (vec![node("Add", &["x", "x"], "t")], &["x"], "t"),
    ] {
        let error = of(nodes, stored, output).unwrap_err();
        assert!(error.contains("taken outside"), "{error}");
    }
}

/// Where onnxruntime and ONNX's own reference, or PyTorch, differ.
#[test]
fn what_programs_interpolate_differently_is_refused() {
    let text = common::onnx_writer::text;
    let cubic = |grid: &[f32; 2], padding: &str| {
        let model = Model::new(20, &[1, 1, 4, 4]).floats("grid", &[1, 1, 1, 2], grid);
        let attributes = vec![text("mode", "cubic"), text("padding_mode", padding)];
        let model = model.node("GridSample", &["x", "grid"], "y", attributes);
        load_network_bytes("m.onnx", &model.bytes()).map_err(|error| error.to_string())
    };
    assert!(cubic(&[0.5, 0.25], "border").is_ok());
    assert!(cubic(&[0.9, 0.25], "zeros").is_ok());
    let error = cubic(&[0.9, 0.25], "border").unwrap_err();
    assert!(error.contains("beyond the border"), "{error}");
    let crop = |to: i64| {
        let model = Model::new(13, &[1, 1, 4]).floats("roi", &[6], &[0.0, 0.0, 0.2, 1.0, 1.0, 0.8]);
        let model = model.floats("scales", &[3], &[1.0, 1.0, to as f32 / 4.0]);
        let attributes = vec![
            text("mode", "linear"),
            text("coordinate_transformation_mode", "tf_crop_and_resize"),
        ];
        let model = model.node("Resize", &["x", "roi", "scales"], "y", attributes);
        load_network_bytes("m.onnx", &model.bytes()).map_err(|error| error.to_string())
    };
    assert!(crop(2).is_ok(), "{:?}", crop(2).err());
    let error = crop(1).unwrap_err();
    assert!(error.contains("programs differ"), "{error}");
}

/// Whether a place is before or behind the middle of two elements may be a matter of a program's rounding.
#[test]
fn both_readers_leave_places_next_to_a_jump_alone() {
    let text = common::onnx_writer::text;
    let of = |scale: f32, nearest: &str| {
        let model = Model::new(13, &[1, 1, 4]).floats("scales", &[3], &[1.0, 1.0, scale]);
        let attributes = vec![
            text("mode", "nearest"),
            text("coordinate_transformation_mode", "asymmetric"),
            text("nearest_mode", nearest),
        ];
        let model = model.floats("roi", &[0], &[]);
        let bytes = model.node("Resize", &["x", "roi", "scales"], "y", attributes).bytes();
        let search = load_network_bytes("m.onnx", &bytes).map(|_| ()).map_err(|e| e.to_string());
        let checker = certus_check::onnx::read(&bytes).map(|_| ()).map_err(|e| e.to_string());
        [search, checker]
    };
    let next = f32::from_bits(0.5f32.to_bits() + 1);
    for reader in of(0.5, "floor").into_iter().chain(of(next, "round_prefer_ceil")) {
        assert_eq!(reader, Ok(()));
    }
    for reader in of(next, "floor").into_iter().chain(of(1.0 / 0.75, "ceil")) {
        let error = reader.unwrap_err();
        assert!(error.contains("next to the middle"), "{error}");
    }
}
