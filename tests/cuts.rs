//! Proofs with cuts: sums of ReLUs, bounded by short searches of their own, that the checker follows.

mod common;

use certus::internal::branch::Limits;
use certus::internal::load::load_statement;
use certus::internal::prove::{Mode, Question};
use common::onnx_writer::{Model, ints};

const SIDE: i64 = 16;

/// Two convolutions and an output that reads all of the second.
fn model(seed: u64) -> Model {
    let mut state = seed;
    let mut noise = move |count: i64, scale: f32| -> Vec<f32> {
        let next = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            scale * ((state >> 40) as f32 / (1u32 << 23) as f32 - 1.0)
        };
        (0..count).map(next).collect()
    };
    let [first, second] = [4, 6];
    let last = second * SIDE * SIDE / 16;
    let halved = || vec![ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1])];
    Model::new(13, &[1, 1, SIDE, SIDE])
        .floats("v", &[first, 1, 3, 3], &noise(first * 9, 1.0))
        .floats("a", &[first], &noise(first, 0.2))
        .floats("w", &[second, first, 3, 3], &noise(second * first * 9, 0.5))
        .floats("b", &[second], &noise(second, 0.2))
        .floats("u", &[last, 1], &noise(last, 0.3))
        .node("Conv", &["x", "v", "a"], "z0", halved())
        .node("Relu", &["z0"], "h0", vec![])
        .node("Conv", &["h0", "w", "b"], "z1", halved())
        .node("Relu", &["z1"], "h1", vec![])
        .node("Flatten", &["h1"], "f", vec![])
        .node("MatMul", &["f", "u"], "y", vec![])
}

/// "Y_0 stays above c" around 0.
fn property(inputs: usize, c: f64) -> String {
    let mut text = String::from("(declare-const Y_0 Real)\n");
    for i in 0..inputs {
        text += &format!("(declare-const X_{i} Real)\n");
        text += &format!("(assert (>= X_{i} -0.04))\n(assert (<= X_{i} 0.04))\n");
    }
    text + &format!("(assert (<= Y_0 {c:.9}))\n")
}

/// The proof with the first `split q…` moved up by this much.
fn moved(proof: &str, by: f64) -> String {
    let (before, rest) = proof.split_once("\nsplit q").unwrap();
    let (line, after) = rest.split_once('\n').unwrap();
    let (name, at) = line.split_once(" at ").unwrap();
    let at = certus_check::float::parse_hex(at).unwrap() + by;
    format!("{before}\nsplit q{name} at {}\n{after}", certus_check::float::format_hex(at))
}

#[test]
fn cuts_are_proved() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("claim.vnnlib");
    let never = || false;
    for seed in [1, 5] {
        let model = model(seed);
        let net = model.load().network;
        // Between a claim that needs no cuts and one that is false or too hard.
        let (mut easy, mut hard) = (-8.0, 1.0);
        let with_cuts = (0..24).find_map(|_| {
            let c = 0.5 * (easy + hard);
            let text = property(net.inputs(), c);
            std::fs::write(&file, &text).unwrap();
            let statement = load_statement(&file, net.inputs(), net.outputs()).unwrap();
            let ask = || Question::new(&model.bytes(), text.as_bytes());
            let limits = Limits { domains: 6_000, ..Limits::starting_now(None, &never) };
            let query = common::stated(&net, &statement);
            let Ok((found, visited)) = common::proving::prove(&ask, &query, &limits) else {
                hard = c;
                return None;
            };
            easy = c;
            let proof = String::from_utf8(found.proof.to_bytes()).unwrap();
            let sums = proof.matches("\nlet q").count();
            (sums > 0).then(|| {
                println!("seed {seed}: {c}, {visited} domains, {sums} cuts");
                assert_eq!(found.mended, 0);
                (ask().unwrap(), proof)
            })
        });
        let (question, proof) = with_cuts.expect("there is a claim that needs cuts");
        for mode in [Mode::Exact, Mode::Outward] {
            question.check(proof.as_bytes(), mode).unwrap();
            // What the tree under it does not reach is no bound.
            assert!(question.check(moved(&proof, 0.5).as_bytes(), mode).is_err());
        }
    }
}

/// What is added of the ReLUs of one scalar z + c: how each reads it (factor, offset), its coefficient, and the least value of the sum.
type Shape = (&'static [(f32, f32, f32)], f32);

/// −relu(z + 1/4) + relu(z), down to −1/4, and a hat upside down, of rows that are multiples of one another.
const SHAPES: [Shape; 2] = [
    (&[(1.0, 0.25, -1.0), (1.0, 0.0, 1.0)], -0.25),
    (&[(1.0, 0.0, -1.0), (3.0, -0.75, 2.0 / 3.0), (-1.0, 0.5, 0.0), (1.0, -0.5, -1.0)], -0.25),
];

/// y = Σ over so many directions of the inputs of a shape of each.
fn of_one_scalar(inputs: i64, directions: i64, shape: Shape) -> Model {
    let mut state = 7u64;
    let mut noise = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 52) as f32 / 2048.0 - 1.0) / (inputs as f32).sqrt().ceil()
    };
    let (members, _) = shape;
    let width = directions * members.len() as i64;
    let (mut w, mut b, mut v) = (vec![0.0; (inputs * width) as usize], vec![], vec![]);
    for direction in 0..directions as usize {
        let row: Vec<f32> = (0..inputs).map(|_| noise()).collect();
        for (member, &(factor, offset, coefficient)) in members.iter().enumerate() {
            let column = direction * members.len() + member;
            for (i, weight) in row.iter().enumerate() {
                w[i * width as usize + column] = factor * weight;
            }
            b.push(offset);
            v.push(coefficient);
        }
    }
    Model::new(13, &[1, inputs])
        .floats("w", &[inputs, width], &w)
        .floats("b", &[width], &b)
        .floats("v", &[width, 1], &v)
        .node("MatMul", &["x", "w"], "m", vec![])
        .node("Add", &["m", "b"], "z", vec![])
        .node("Relu", &["z"], "h", vec![])
        .node("MatMul", &["h", "v"], "y", vec![])
}

/// Splits would multiply: 2 to the number of directions, and each of them all but free.
#[test]
fn neurons_that_read_one_scalar_are_bounded_together() {
    let never = || false;
    for shape in SHAPES {
        let (inputs, directions) = (24, 40);
        let model = of_one_scalar(inputs, directions, shape);
        let net = model.load().network;
        let least = f64::from(shape.1) * directions as f64;
        let text = property(inputs as usize, least - 0.01).replace("0.04", "1.0");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("claim.vnnlib");
        std::fs::write(&file, &text).unwrap();
        let statement = load_statement(&file, net.inputs(), net.outputs()).unwrap();
        let ask = || Question::new(&model.bytes(), text.as_bytes());
        let limits = Limits { domains: 20_000, ..Limits::starting_now(None, &never) };
        let query = common::stated(&net, &statement);
        let (found, visited) = common::proving::prove(&ask, &query, &limits).unwrap();
        let proof = String::from_utf8(found.proof.to_bytes()).unwrap();
        println!("{visited} domains, {} sums", proof.matches("\nlet q").count());
        for mode in [Mode::Exact, Mode::Outward] {
            ask().unwrap().check(proof.as_bytes(), mode).unwrap();
        }
    }
}
