//! Types, ranks and odd forms of models: the value that ONNX defines, or a refusal.
mod common;

use certus_check::onnx;
use common::onnx::{Attribute, Message, Model, tensor};

/// The outputs at x, or the problem.
fn run(model: Model, x: &[f64]) -> Result<Vec<f64>, String> {
    let circuit = onnx::read(&model.bytes()).map_err(|e| e.to_string())?;
    assert_eq!(circuit.inputs(), x.len());
    Ok(common::evaluate(&circuit, x))
}

fn refused(model: Model, why: &str) {
    let error = onnx::read(&model.bytes()).err().map(|e| e.to_string());
    assert!(error.as_ref().is_some_and(|e| e.contains(why)), "{error:?} should speak of `{why}`");
}

/// x + c, where the nodes make c from constants.
fn plus(model: Model) -> Result<f64, String> {
    run(model.node("Add x c -> y"), &[0.0]).map(|y| y[0])
}

fn one() -> Model {
    Model::new(&[1])
}

/// numpy's matmul by its definition: shape and elements.
fn matmul(a: &[usize], x: &[f64], b: &[usize], w: &[f64]) -> Option<(Vec<usize>, Vec<f64>)> {
    let wide = |s: &[usize], row: bool| match *s {
        [n] if row => vec![1, n],
        [n] => vec![n, 1],
        _ => s.to_vec(),
    };
    let (wa, wb) = (wide(a, true), wide(b, false));
    let ([fa @ .., m, n], [fb @ .., k, p]) = (wa.as_slice(), wb.as_slice()) else { return None };
    let rank = fa.len().max(fb.len());
    let at = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    let batch: Vec<usize> = (0..rank).map(|i| at(fa, i).max(at(fb, i))).collect();
    let fits = |s: &[usize]| (0..rank).all(|i| at(s, i) == 1 || at(s, i) == batch[i]);
    if n != k || !fits(fa) || !fits(fb) {
        return None;
    }
    let mut y = vec![];
    for group in 0..batch.iter().product() {
        // The group's index on each axis; an operand of size 1 there stays at 0.
        let offset = |s: &[usize]| {
            let (mut rest, mut step, mut offset) = (group, 1, 0);
            for i in (0..rank).rev() {
                offset += if at(s, i) == 1 { 0 } else { rest % batch[i] * step };
                (rest, step) = (rest / batch[i], step * at(s, i));
            }
            offset
        };
        let (x, w) = (&x[offset(fa) * m * n..], &w[offset(fb) * n * p..]);
        for (i, j) in (0..*m).flat_map(|i| (0..*p).map(move |j| (i, j))) {
            y.push((0..*n).map(|l| x[i * n + l] * w[l * p + j]).sum());
        }
    }
    let mut shape = batch;
    shape.extend((a.len() > 1).then_some(*m));
    shape.extend((b.len() > 1).then_some(*p));
    Some((shape, y))
}

#[test]
fn matmul_follows_numpy_at_every_rank() {
    let shapes: [&[usize]; 12] = [
        &[],
        &[2],
        &[3],
        &[2, 2],
        &[2, 3],
        &[1, 2],
        &[1, 2, 2],
        &[3, 2, 2],
        &[3, 1, 2],
        &[2, 1, 2, 3],
        &[1, 3, 2, 2],
        &[2, 3, 2],
    ];
    let (mut fit, mut unfit) = (0, 0);
    for (a, b) in shapes.iter().flat_map(|a| shapes.map(|b| (*a, b))) {
        let numbers = |s: &[usize], k: usize| -> Vec<f64> {
            (0..s.iter().product()).map(|i| ((i * k + 3) % 7) as f64 - 3.0).collect()
        };
        let (left, right) = (numbers(a, 2), numbers(b, 5));
        let expected = matmul(a, &left, b, &right);
        for swap in [false, true] {
            let ((xs, x), (ws, w)) =
                if swap { ((b, &right), (a, &left)) } else { ((a, &left), (b, &right)) };
            let sizes = |s: &[usize]| s.iter().map(|d| *d as i64).collect::<Vec<_>>();
            let w: Vec<f32> = w.iter().map(|w| *w as f32).collect();
            let line = if swap { "MatMul w x -> p" } else { "MatMul x w -> p" };
            // The shape shows in a sum over its first axis.
            let sum = [("keepdims", Attribute::Int(0))];
            let model = Model::new(&sizes(xs)).f32s("w", &sizes(ws), &w).node(line);
            let plain = run(model.clone().node("Identity p -> y"), x);
            let summed =
                run(model.i64s("first", &[0]).node_with("ReduceSum p first -> y", &sum), x);
            let Some((shape, y)) = &expected else {
                assert!(plain.is_err(), "{a:?} {b:?}");
                unfit += 1;
                continue;
            };
            assert_eq!(plain.as_ref(), Ok(y), "{a:?} {b:?}");
            let Some(inner) = shape.first().map(|n| y.len() / n) else { continue };
            let sums: Vec<f64> = (0..inner).map(|i| y[i..].iter().step_by(inner).sum()).collect();
            assert_eq!(summed, Ok(sums), "{a:?} {b:?}");
            fit += 1;
        }
    }
    assert!(fit > 60 && unfit > 60, "{fit} {unfit}");
}

#[test]
fn constants_are_folded_in_their_own_type() {
    let difference = |m: Model| plus(m.node("Add a b -> s").node("Sub s a -> c"));
    assert_eq!(difference(one().f32s("a", &[], &[1e8]).f32s("b", &[], &[1.0])), Ok(0.0));
    assert_eq!(difference(one().f64s("a", &[], &[1e8]).f64s("b", &[], &[1.0])), Ok(1.0));
    let third = one().f32s("a", &[], &[1.0]).f32s("b", &[], &[3.0]).node("Div a b -> c");
    assert_eq!(plus(third), Ok((1f32 / 3.0) as f64));
    let to = |to: i64| [("to", Attribute::Int(to))];
    let cast = |m: Model, kind: i64| plus(m.node_with("Cast a -> c", &to(kind)));
    assert_eq!(cast(one().i32s("a", &[16777217]), 1), Ok(16777216.0));
    assert_eq!(cast(one().i32s("a", &[16777217]).kind(11), 11), Ok(16777217.0));
    assert_eq!(cast(one().f64s("a", &[], &[0.1]).kind(1), 1), Ok(0.1f32 as f64));
    // 2^60 + 2^36 + 1 is no f64: it would be rounded twice.
    refused(
        one()
            .i64s("a", &[(1 << 60) + (1 << 36) + 1])
            .node_with("Cast a -> c", &to(1))
            .node("Add x c -> y"),
        "2^53",
    );
    let through = |x: f32, kind: i64| {
        let model = one().f32s("a", &[], &[x]).node_with("Cast a -> i", &to(kind));
        plus(model.node_with("Cast i -> c", &to(1)))
    };
    assert_eq!(through(-2.7, 7), Ok(-2.0));
    assert_eq!(through(2.7, 6), Ok(2.0));
    assert_eq!(through(0.5, 9), Ok(1.0));
    for (x, kind) in [(3e9, 6), (1e19, 7), (f32::NAN, 6), (f32::INFINITY, 7)] {
        assert!(through(x, kind).is_err(), "{x} {kind}");
    }
    let mixed = one().f64s("a", &[], &[1.0]).kind(1).node("Add x a -> y");
    refused(mixed, "types");
    refused(one().i64s("a", &[1]).node("Add x a -> y"), "types");
    refused(
        one().i64s("a", &[1]).node_with("Concat x a -> y", &[("axis", Attribute::Int(0))]),
        "types",
    );
}

#[test]
fn a_constant_is_not_normalised_away() {
    let four = [("s", 2.0), ("b", 0.5), ("m", -1.0), ("v", 4.0)];
    let m = four.iter().fold(one(), |m, (n, x)| m.f32s(n, &[1], &[*x]));
    let model = m.f32s("k", &[1, 1], &[3.0]).node("BatchNormalization k s b m v -> c");
    refused(model.node("Add x c -> y"), "constant");
}

#[test]
fn integers_do_not_wrap_round() {
    let folded = |m: Model, line: &str| {
        plus(m.node(line).node_with("Cast i -> c", &[("to", Attribute::Int(1))]))
    };
    let ints = |a: i32, b: i32, op: &str| {
        folded(one().i32s("a", &[a]).i32s("b", &[b]), &format!("{op} a b -> i"))
    };
    assert_eq!(ints(1 << 29, 3, "Mul"), Ok(3f64 * (1 << 29) as f64));
    assert_eq!(ints(-7, 2, "Div"), Ok(-3.0));
    assert_eq!(ints(-7, 2, "Max"), Ok(2.0));
    for (a, b, op) in [
        (1 << 30, 4, "Mul"),
        (i32::MIN, -1, "Div"),
        (1, 0, "Div"),
        (i32::MAX, 1, "Add"),
        (i32::MIN, 1, "Sub"),
    ] {
        assert!(ints(a, b, op).is_err(), "{a} {op} {b}");
    }
    let long = |a: i64, b: i64, op: &str| {
        folded(one().i64s("a", &[a]).i64s("b", &[b]), &format!("{op} a b -> i"))
    };
    assert_eq!(long(1 << 40, 1 << 10, "Mul"), Ok(2f64.powi(50)));
    for (a, b, op) in
        [(1 << 62, 4, "Mul"), (i64::MAX, 1, "Add"), ((1 << 53) + 1, 0, "Add"), (0, i64::MIN, "Max")]
    {
        assert!(long(a, b, op).is_err(), "{a} {op} {b}");
    }
    refused(
        one()
            .i32s("a", &[i32::MIN])
            .node("Neg a -> i")
            .node_with("Cast i -> c", &[("to", Attribute::Int(1))])
            .node("Add x c -> y"),
        "beyond its type",
    );
}

#[test]
fn a_bool_is_0_or_1() {
    let cast = |m: Model| plus(m.node_with("Cast b -> c", &[("to", Attribute::Int(1))]));
    assert_eq!(cast(one().bools("b", &[1])), Ok(1.0));
    assert!(cast(one().bools("b", &[2])).is_err());
    let listed = |x: i64| {
        let message = Message::default().int(1, 1).int(2, 9).int(5, x).bytes(8, b"b");
        cast(one().field(5, message))
    };
    assert_eq!(listed(1), Ok(1.0));
    assert!(listed(2).is_err());
    // 2^32 + 1 in a list of int32 is 1 for protobuf.
    let message = Message::default().int(1, 1).int(2, 6).int(5, (1 << 32) + 1).bytes(8, b"b");
    assert!(cast(one().field(5, message)).is_err());
}

#[test]
fn clip_keeps_what_bounds() {
    let clip = |low: Option<f64>, high: Option<f64>, double: bool| {
        let name = |end: Option<f64>, name: &'static str| if end.is_some() { name } else { "_" };
        let mut m = one();
        for (n, end) in [("lo", low), ("hi", high)] {
            m = match end {
                Some(x) if double => m.f64s(n, &[], &[x]),
                Some(x) => m.f32s(n, &[], &[x as f32]),
                None => m,
            };
        }
        let m = m.node(&format!("Clip x {} {} -> y", name(low, "lo"), name(high, "hi")));
        run(if double { m.kind(11) } else { m }, &[0.5]).map(|y| y[0])
    };
    let most = f32::MAX as f64;
    assert_eq!(clip(Some(-most), Some(most), false), Ok(0.5));
    assert_eq!(clip(Some(f64::NEG_INFINITY), Some(f64::INFINITY), false), Ok(0.5));
    assert_eq!(clip(Some(most), None, false), Ok(most));
    assert_eq!(clip(None, Some(-most), false), Ok(-most));
    assert_eq!(clip(Some(1e39), None, true), Ok(1e39));
    assert_eq!(clip(None, Some(-1e39), true), Ok(-1e39));
    assert!(clip(Some(f64::INFINITY), None, false).is_err());
    assert!(clip(None, Some(f64::NEG_INFINITY), true).is_err());
    assert!(clip(Some(f64::NAN), None, false).is_err());
    // A bound beyond float32 is one of a double.
    let above = one().f64s("hi", &[], &[1e39]).node("Clip x _ hi -> y");
    assert_eq!(run(above, &[2e39]), Ok(vec![1e39]));
    let largest = one().f64s("hi", &[], &[most]).node("Clip x _ hi -> y");
    assert_eq!(run(largest, &[2.0 * most]), Ok(vec![most]));
}

#[test]
fn slices_end_where_they_should() {
    let slice = |start: i64, end: i64, step: i64| {
        let m = Model::new(&[3])
            .i64s("s", &[start])
            .i64s("e", &[end])
            .i64s("a", &[0])
            .i64s("t", &[step]);
        run(m.node("Slice x s e a t -> y"), &[1.0, 2.0, 3.0])
    };
    assert_eq!(slice(0, i64::MAX, 1), Ok(vec![1.0, 2.0, 3.0]));
    assert_eq!(slice(-2, i32::MAX as i64, 1), Ok(vec![2.0, 3.0]));
    assert_eq!(slice(i64::MAX, i64::MIN, -1), Ok(vec![3.0, 2.0, 1.0]));
    assert_eq!(slice(-1, -100, -2), Ok(vec![3.0, 1.0]));
    assert_eq!(slice(-100, -100, -1), Ok(vec![1.0]));
    for (start, end, step, why) in [
        (i64::MAX, i64::MAX, -1, "INT_MAX"),
        (2, i32::MAX as i64, -1, "INT_MAX"),
        (3, 9, 1, "without elements"),
        (1, 1, 1, "without elements"),
    ] {
        assert!(slice(start, end, step).is_err_and(|e| e.contains(why)), "{start} {end} {step}");
    }
}

#[test]
fn pads_crop_what_is_there() {
    let pad = |pads: [i64; 2]| {
        run(Model::new(&[3]).i64s("p", &pads).node("Pad x p -> y"), &[1.0, 2.0, 3.0])
    };
    assert_eq!(pad([-1, 2]), Ok(vec![2.0, 3.0, 0.0, 0.0]));
    assert_eq!(pad([1, -2]), Ok(vec![0.0, 1.0]));
    assert!(pad([-5, 4]).is_err() && pad([4, -5]).is_err());
}

#[test]
fn the_property_names_each_input_and_output_once() {
    let model = Model::new(&[2]).node("Relu x -> y").bytes();
    let load = |declared: &[&str], used: &str| {
        let declared: String =
            declared.iter().map(|v| format!("(declare-const {v} Real)")).collect();
        let bounds = "(<= X_0 1)(>= X_0 0)(<= X_1 1)(>= X_1 0)";
        let property = format!("{declared}(assert (and {bounds}(<= {used} 0)))");
        certus_check::Statement::from_bytes(&model, property.as_bytes()).is_ok()
    };
    assert!(load(&["X_0", "X_1", "Y_0", "Y_1"], "Y_1"));
    for declared in [
        &["X_0", "X_1", "Y_0"][..],
        &["X_0", "X_1", "Y_0", "Y_1", "Y_2"],
        &["X_0", "X_1", "Y_0", "Y_0"],
        &["X_0", "X_1", "Y_1", "Y_0"],
    ] {
        assert!(!load(declared, "Y_0"), "{declared:?}");
    }
    assert!(!load(&["X_0", "X_1", "Y_0", "Y_1"], "Y_01"));
    assert!(!load(&["X_0", "X_1", "Y_0", "Y_01"], "Y_0"));
}

/// A converter names ONNX's operator set twice; two versions would be two meanings.
#[test]
fn an_operator_set_has_one_version() {
    let model = Model::new(&[1]).opset(13).node("Relu x -> y").bytes();
    for (version, fine) in [(13, true), (9, false)] {
        let again = [0x42, 2, 0x10, version];
        assert_eq!(onnx::read(&[&model[..], &again[..]].concat()).is_ok(), fine, "{version}");
    }
}

#[test]
fn inputs_are_floats_with_elements() {
    refused(Model::new(&[1]).kind(7).node("Identity x -> y"), "f32 or f64");
    refused(Model::new(&[1]).kind(9).node("Identity x -> y"), "f32 or f64");
    // Numbers of half precision are numbers: the claim is about the reals.
    assert_eq!(run(Model::new(&[1]).kind(10).node("Identity x -> y"), &[0.5]), Ok(vec![0.5]));
    refused(Model::new(&[1, 0]).node("Identity x -> y"), "without elements");
    assert_eq!(run(Model::new(&[-1, 2]).node("Identity x -> y"), &[1.0, 2.0]), Ok(vec![1.0, 2.0]));
    let axes = [("axes", Attribute::Ints(&[0])), ("keepdims", Attribute::Int(0))];
    let mean = Model::new(&[3]).i64s("s", &[3]).i64s("e", &[9]).node("Slice x s e -> z");
    refused(mean.node_with("ReduceMean z -> y", &axes), "without elements");
}

#[test]
fn windows_that_runtimes_do_not_agree_on_are_refused() {
    let pool = |op: &str, attributes: &[(&str, Attribute)]| {
        let list = [("kernel_shape", Attribute::Ints(&[2]))];
        let all: Vec<_> = list.iter().chain(attributes).cloned().collect();
        let model = Model::new(&[1, 1, 4]).opset(19).node_with(&format!("{op} x -> y"), &all);
        run(model, &[1.0, 2.0, 3.0, 5.0])
    };
    let same = ("auto_pad", Attribute::Text("SAME_UPPER"));
    let (ceil, stride) = (("ceil_mode", Attribute::Int(1)), ("strides", Attribute::Ints(&[3])));
    let (wide, padded) =
        (("dilations", Attribute::Ints(&[2])), ("count_include_pad", Attribute::Int(1)));
    let (pads, far) = (("pads", Attribute::Ints(&[0, 1])), ("pads", Attribute::Ints(&[2, 0])));
    assert_eq!(pool("MaxPool", std::slice::from_ref(&same)), Ok(vec![2.0, 3.0, 5.0, 5.0]));
    assert_eq!(pool("MaxPool", std::slice::from_ref(&wide)), Ok(vec![3.0, 5.0]));
    assert_eq!(pool("AveragePool", &[ceil.clone(), stride.clone()]), Ok(vec![1.5, 5.0]));
    assert_eq!(pool("AveragePool", &[padded.clone(), pads]), Ok(vec![1.5, 2.5, 4.0, 2.5]));
    for op in ["MaxPool", "AveragePool"] {
        let narrow = Model::new(&[1, 1, 6]).node_with(
            &format!("{op} x -> y"),
            &[("kernel_shape", Attribute::Ints(&[1])), stride.clone(), same.clone()],
        );
        refused(narrow, "SAME");
        assert!(pool(op, &[same.clone(), wide.clone()]).is_err(), "{op}");
        assert!(pool(op, std::slice::from_ref(&far)).is_err(), "{op}");
        let valid = ("auto_pad", Attribute::Text("VALID"));
        assert!(pool(op, &[valid, ceil.clone(), stride.clone()]).is_err(), "{op}");
    }
    assert!(pool("AveragePool", &[padded, ceil, stride]).is_err());
}

/// A message with one of its fields once more, for each field of the message and of all that are in it.
fn with_a_field_twice(message: &[u8], kind: &str) -> Vec<(String, Vec<u8>)> {
    let varint = |at: &mut usize| {
        let (mut x, mut shift) = (0u64, 0);
        loop {
            let byte = message[*at];
            *at += 1;
            x |= ((byte & 0x7f) as u64) << shift;
            shift += 7;
            if byte < 0x80 {
                return x;
            }
        }
    };
    let (mut at, mut all) = (0, vec![]);
    while at < message.len() {
        let start = at;
        let key = varint(&mut at);
        let (number, mut inner) = (key >> 3, 0..0);
        match key & 7 {
            0 => _ = varint(&mut at),
            5 => at += 4,
            _ => {
                let length = varint(&mut at) as usize;
                inner = at..at + length;
                at += length;
            }
        }
        all.push((format!("{kind}.{number}"), [&message[..at], &message[start..]].concat()));
        let below = match (kind, number) {
            ("model", 7) => "graph",
            ("model", 8) => "opset",
            ("graph", 1) => "node",
            ("graph", 5) | ("attribute", 5) => "tensor",
            ("graph", 11 | 12) => "info",
            ("node", 5) => "attribute",
            ("info", 2) => "type",
            ("type", 1) => "array",
            ("array", 2) => "shape",
            ("shape", 1) => "dimension",
            _ => continue,
        };
        for (name, changed) in with_a_field_twice(&message[inner.clone()], below) {
            let length = Message::default().bytes(number, &changed).0;
            all.push((name, [&message[..start], &length, &message[at..]].concat()));
        }
    }
    all
}

#[test]
fn a_field_that_occurs_twice_is_refused_wherever_it_may_not() {
    let value = tensor("", &[1], 1, &2f32.to_le_bytes());
    let attribute = Message::default().bytes(1, b"value").bytes(5, &value.0).int(20, 4);
    let node = Message::default().bytes(2, b"c").bytes(3, b"name").bytes(4, b"Constant");
    let alpha = [("alpha", Attribute::Float(0.5))];
    let model = one()
        .f32s("w", &[1], &[3.0])
        .field(1, node.bytes(5, &attribute.0).bytes(7, b""))
        .node_with("LeakyRelu x -> l", &alpha)
        .node("Sum l c w -> s")
        .node_with("Flatten s -> y", &[("axis", Attribute::Int(0))]);
    assert_eq!(run(model.clone(), &[1.0]), Ok(vec![6.0]));
    // Lists, and what is not read: a list of one more element is another matter.
    // So are operator sets; naming one twice, with one version, says it twice.
    let repeated = ["node.1", "node.2", "model.1", "model.8", "shape.1", "tensor.1"];
    let mut seen = std::collections::BTreeSet::new();
    for (name, bytes) in with_a_field_twice(&model.bytes(), "model") {
        let accepted = onnx::read(&bytes).is_ok();
        assert!(!accepted || repeated.contains(&name.as_str()), "{name} twice is accepted");
        seen.insert(name);
    }
    println!("{seen:?}");
    assert!(seen.len() >= 30);
}

#[test]
fn attributes_are_known_and_of_their_type() {
    let relu = |name: &str, value: Attribute| one().node_with("Relu x -> y", &[(name, value)]);
    refused(relu("alpha", Attribute::Float(1.0)), "`alpha`");
    assert!(onnx::read(&relu("consumed_inputs", Attribute::Ints(&[0])).bytes()).is_ok());
    let sum = |value: Attribute| {
        Model::new(&[2, 2]).opset(11).node_with("ReduceSum x -> y", &[("axes", value)])
    };
    assert_eq!(run(sum(Attribute::Ints(&[0])), &[1.0, 2.0, 3.0, 4.0]), Ok(vec![4.0, 6.0]));
    refused(sum(Attribute::Int(0)), "axes");
    // The type that an attribute states, and the value that it has.
    let stated = |kind: i64| {
        let a = Message::default().bytes(1, b"alpha").float(2, 0.5).int(20, kind);
        let node =
            Message::default().bytes(1, b"x").bytes(2, b"y").bytes(4, b"LeakyRelu").bytes(5, &a.0);
        onnx::read(&one().field(1, node).bytes()).is_ok()
    };
    assert!(stated(1) && !stated(2) && !stated(6));
    // Values in the field of another type.
    let floats = Message::default().int(1, 1).int(2, 1).float(4, 1.5).bytes(8, b"c");
    assert_eq!(plus(one().field(5, floats)), Ok(1.5));
    for wrong in [Message::default().int(5, 1), Message::default().float(4, 1.5).bytes(9, &[0; 4])]
    {
        let message =
            Message([wrong.0, Message::default().int(1, 1).int(2, 1).bytes(8, b"c").0].concat());
        assert!(plus(one().field(5, message)).is_err());
    }
    let domain =
        Message::default().bytes(1, b"x").bytes(2, b"y").bytes(4, b"Relu").bytes(7, b"mine");
    refused(one().field(1, domain), "`mine`");
}

#[test]
fn old_operator_sets_say_more() {
    let add = |a: &[i64], b: &[i64], attributes: &[(&str, Attribute)]| {
        let data = vec![1.0; b.iter().product::<i64>() as usize];
        let model =
            Model::new(a).opset(6).f32s("c", b, &data).node_with("Add x c -> y", attributes);
        run(model, &vec![0.0; a.iter().product::<i64>() as usize]).map(|y| y.len())
    };
    let on = ("broadcast", Attribute::Int(1));
    assert_eq!(add(&[2, 3], &[2, 3], &[]), Ok(6));
    assert_eq!(add(&[2, 3], &[3], std::slice::from_ref(&on)), Ok(6));
    assert!(add(&[2, 3], &[3], &[]).is_err());
    assert!(add(&[3], &[2, 3], std::slice::from_ref(&on)).is_err());
    assert!(add(&[2, 3], &[2], &[on, ("axis", Attribute::Int(0))]).is_err());
    let dropout = |opset: i64, attributes: &[(&str, Attribute)]| {
        run(one().opset(opset).node_with("Dropout x -> y", attributes), &[1.0])
    };
    assert!(dropout(6, &[]).is_err());
    assert_eq!(dropout(6, &[("is_test", Attribute::Int(1))]), Ok(vec![1.0]));
    assert_eq!(dropout(7, &[]), Ok(vec![1.0]));
    let training = one().bools("t", &[1]).node("Dropout x _ t -> y");
    refused(training, "training");
    for opset in [0, 23, 99] {
        refused(one().opset(opset).node("Relu x -> y"), "operator set");
    }
    assert_eq!(run(one().opset(1).node("Relu x -> y"), &[-1.0]), Ok(vec![0.0]));
    let uneven = |opset: i64| Model::new(&[3]).opset(opset).node("Split x -> y z");
    assert!(onnx::read(&uneven(13).bytes()).is_err() && onnx::read(&uneven(18).bytes()).is_ok());
}
