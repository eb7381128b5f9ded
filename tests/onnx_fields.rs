//! Every field that a message of an ONNX file has once, written twice: refused, whichever of the two another program would read.

mod common;

use certus::internal::load::{EncodingProblem, NetworkError, load_network_bytes};
use common::onnx_writer::*;
use rten_onnx::onnx::Dimension;

/// Fields of a message that hold messages: number and name.
fn embedded(message: &str) -> &'static [(u64, &'static str)] {
    match message {
        "ModelProto" => &[(7, "GraphProto"), (8, "OperatorSetIdProto")],
        "GraphProto" => {
            &[(1, "NodeProto"), (5, "TensorProto"), (11, "ValueInfoProto"), (12, "ValueInfoProto")]
        }
        "NodeProto" => &[(5, "AttributeProto")],
        "AttributeProto" => &[(5, "TensorProto")],
        "ValueInfoProto" => &[(2, "TypeProto")],
        "TypeProto" => &[(1, "TypeProto.Tensor")],
        "TypeProto.Tensor" => &[(2, "TensorShapeProto")],
        "TensorShapeProto" => &[(1, "TensorShapeProto.Dimension")],
        _ => &[],
    }
}

/// Fields that a message may hold more than once.
fn repeated(message: &str) -> &'static [u64] {
    match message {
        "ModelProto" => &[8],
        "GraphProto" => &[1, 5, 11, 12],
        "NodeProto" => &[1, 2, 5],
        "AttributeProto" => &[7, 8],
        "TensorProto" => &[1, 4, 5, 7, 10],
        "TensorShapeProto" => &[1],
        _ => &[],
    }
}

fn varint(bytes: &[u8]) -> (u64, usize) {
    let end = bytes.iter().position(|b| b & 0x80 == 0).unwrap();
    (bytes[..=end].iter().rev().fold(0, |value, b| value << 7 | u64::from(b & 0x7f)), end + 1)
}

/// The message with one singular field after another written twice, with the name of that field.
fn doubled(bytes: &[u8], message: &str) -> Vec<(Vec<u8>, String)> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let (key, mut len) = varint(&bytes[at..]);
        let mut payload = at + len..at + len;
        match key & 7 {
            0 => len += varint(&bytes[at + len..]).1,
            5 => len += 4,
            1 => len += 8,
            _ => {
                let (size, width) = varint(&bytes[at + len..]);
                len += width + size as usize;
                payload = at + len - size as usize..at + len;
            }
        }
        let (before, field, after) = (&bytes[..at], &bytes[at..at + len], &bytes[at + len..]);
        if !repeated(message).contains(&(key >> 3)) {
            let twice = [before, field, field, after].concat();
            all.push((twice, format!("{message} {}", key >> 3)));
        }
        if let Some((_, name)) = embedded(message).iter().find(|(number, _)| *number == key >> 3) {
            for (inner, place) in doubled(&bytes[payload], name) {
                let mut size = Vec::new();
                let mut left = inner.len();
                while left >= 0x80 {
                    size.push(left as u8 | 0x80);
                    left >>= 7;
                }
                size.push(left as u8);
                let mut key_bytes = field[..varint(field).1].to_vec();
                key_bytes.extend(size);
                all.push(([before, &key_bytes, &inner, after].concat(), place));
            }
        }
        at += len;
    }
    all
}

#[test]
fn a_field_that_a_message_has_once_does_not_occur_twice() {
    let mut model = Model::new(13, &[-1, 2])
        .tensor(double_tensor("w", &[2], &[0.5, 0.25]))
        .node("Constant", &[], "c", vec![tensor("value", float_tensor("c", &[2], &[5.0, 7.0]))])
        .node("Add", &["x", "c"], "a", vec![])
        .node("Flatten", &["a"], "b", vec![int("axis", 1)])
        .node("LeakyRelu", &["b"], "l", vec![float("alpha", 0.5)])
        .node("Identity", &["l"], "y", vec![]);
    model.graph.node[1].domain = Some(String::new());
    let bytes = model.bytes();
    assert!(load_network_bytes("once.onnx", &bytes).is_ok());
    let twice = doubled(&bytes, "ModelProto");
    for (bytes, place) in &twice {
        let error = load_network_bytes("twice.onnx", bytes).unwrap_err();
        let repeats = |problem| matches!(problem, EncodingProblem::Repeated { .. });
        assert!(
            matches!(error, NetworkError::Encoding { problem, .. } if repeats(problem)),
            "{place}: {error}"
        );
    }
    let mut places: Vec<&String> = twice.iter().map(|(_, place)| place).collect();
    places.sort();
    places.dedup();
    assert!(places.len() >= 20, "{places:?}");
    // One dimension cannot have two values either, nor can there be two versions of one operator set.
    let shape = model.graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
    shape.shape.as_mut().unwrap().dim[1] =
        Dimension { dim_value: Some(2), dim_param: Some("n".to_owned()) };
    assert!(matches!(model.try_load(), Err(NetworkError::Encoding { .. })));
    let set = [&bytes[..], &[0x42, 2, 0x10, 12]].concat();
    assert!(matches!(load_network_bytes("m.onnx", &set), Err(NetworkError::Encoding { .. })));
}
