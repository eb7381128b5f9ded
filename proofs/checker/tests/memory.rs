//! Small files that would need much memory: an answer in one sentence.
mod common;

use certus_check::{Mode, Reason, Statement, check, onnx, vnnlib};
use common::onnx::{Attribute, Message, Model};

const PORTS: &str = "(declare-const X_0 Real)(declare-const Y_0 Real)\
    (assert (and (<= X_0 1) (>= X_0 0)))";

fn too_large(model: &Model) {
    let error = onnx::read(&model.bytes()).unwrap_err().to_string();
    assert!(error.contains("too large"), "{error}");
}

#[test]
fn constants_count_together() {
    let mut model = Model::new(&[1]).i64s("s", &[1 << 24]).i64s("a", &[0]).i64s("b", &[1]);
    for i in 0..200 {
        let line = format!("ConstantOfShape s -> c{i}");
        model = model.node(&line).node(&format!("Slice c{i} a b -> d{i}"));
        let from = if i == 0 { "x".to_string() } else { format!("y{}", i - 1) };
        model = model.node(&format!("Add {from} d{i} -> y{i}"));
    }
    too_large(&model.node("Identity y199 -> y"));
}

#[test]
fn an_initializer_counts_each_time_it_is_used() {
    let raw = vec![0u8; 1 << 24];
    let shape = Message::default().int(1, 1 << 24).int(2, 9).bytes(8, b"w").bytes(9, &raw);
    let model = Model::new(&[1]).field(5, shape);
    let all = format!("Concat{} -> c", " w".repeat(100));
    let model = model.node_with(&all, &[("axis", Attribute::Int(0))]);
    too_large(
        &model
            .node("Shape c -> d")
            .node_with("Cast d -> e", &[("to", Attribute::Int(1))])
            .node("Add x e -> y"),
    );
}

#[test]
fn long_axes_of_constants_without_elements() {
    let empty = Message::default().int(1, 1 << 40).int(1, 0).int(2, 1).bytes(8, b"c");
    let model = || Model::new(&[1]).field(5, empty.clone()).i64s("a", &[0]).i64s("b", &[i64::MAX]);
    for line in ["Slice c a b -> d", "Split c -> d", "Transpose c -> d"] {
        let model = model().node(line).node("Shape d -> s");
        too_large(&model.node("Reshape x s -> y"));
    }
}

#[test]
fn messages_of_a_model_count() {
    let empty = Message(b"\x0a\x00".repeat((1 << 22) + 1));
    let bytes = Message::default().bytes(7, &empty.0).0;
    let error = onnx::read(&bytes).unwrap_err().to_string();
    assert!(error.contains("too large"), "{error}");
}

#[test]
fn alternatives_of_a_property_count_together() {
    // Each product is small; there are many of them.
    let product = format!("(and {})", "(or (<= Y_0 1) (<= Y_0 2))".repeat(16));
    let property = format!("{PORTS}(assert (or {}))", product.repeat(1200));
    let error = vnnlib::read(property.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("2 GiB"), "{error}");
    let long = format!("{PORTS}(assert (<= Y_0 (* {})))", "1e400 ".repeat(80_000));
    assert!(vnnlib::read(long.as_bytes()).is_err());
}

fn statement() -> Statement {
    let model = Model::new(&[1, 1]).f32s("w", &[1, 64], &[0.5; 64]).f32s("v", &[64, 1], &[1.0; 64]);
    let model = model.node("Gemm x w -> h").node("Relu h -> r").node("Gemm r v -> y");
    let property = format!("{PORTS}(assert (<= Y_0 -1))");
    Statement::from_bytes(&model.bytes(), property.as_bytes()).unwrap()
}

/// In both arithmetics.
fn reasons(statement: &Statement, proof: &str) -> [Option<Reason>; 2] {
    [Mode::Exact, Mode::Outward]
        .map(|mode| check(statement, proof.as_bytes(), mode).err().map(|e| e.reason))
}

#[test]
fn terms_of_lifts_on_sums_are_limited() {
    let terms = " x0:0x1p0".repeat(1 << 20);
    let sums: String = (0..8).map(|k| format!("let q{k}{terms}\n")).collect();
    let proof = |count: usize| {
        let lifts: String = (0..count).map(|k| format!(" <q{k}:0x1p-20")).collect();
        format!("certus-proof 1\n{sums}cases 0\ntighten r0.0..64 upper lift{lifts}\n")
    };
    let too_large = Some(Reason::TooLarge);
    assert_eq!(reasons(&statement(), &proof(8)), [too_large.clone(), too_large]);
    // Three are not too many; but nothing is known of these sums.
    let infinite = Some(Reason::LiftOnInfiniteEnd { name: "q0".to_string() });
    assert_eq!(reasons(&statement(), &proof(3)), [infinite.clone(), infinite]);
}

#[test]
fn slabs_times_cases_are_limited() {
    let circuit = onnx::read(&Model::new(&[1]).node("Relu x -> y").bytes()).unwrap();
    let cases = "(<= Y_0 -1) ".repeat(4);
    let property = vnnlib::read(format!("{PORTS}(assert (or {cases}))").as_bytes()).unwrap();
    let statement = Statement::new(circuit, property).unwrap();
    let slabs = " >x0:0x1p9".repeat((1 << 20) + 1);
    let proof = format!("certus-proof 1\ncases 0..4\nclip{slabs}\n");
    let too_large = Some(Reason::TooLarge);
    assert_eq!(reasons(&statement, &proof), [too_large.clone(), too_large]);
}
