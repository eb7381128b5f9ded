//! One function has many spellings in ONNX. Whatever the spelling, bounds and search effort are those of the plainest one, and proofs
//! are accepted.

mod common;

use certus::internal::attack::SplitMix64;
use certus::internal::bound::{Analysis, Climb, Goal, Intermediate, Start, climb, default_slopes};
use certus::internal::branch::{Limits, split_inputs, split_relus};
use certus::internal::load::{load_network_bytes, load_statement};
use certus::internal::net::{Boxes, Matrix, Network};
use certus::internal::prove::{Mode, Question};
use certus_check::circuit::Circuit;
use common::onnx_writer::*;
use common::proving::prove;
use common::recorded::values;

/// Neurons of a layer.
const WIDTH: usize = 8;

/// Spellings of one function of z, the plainest first; each a list of nodes that ends in `a`. Names that no node makes are constants.
const FUNCTIONS: &[(&str, &[&[&str]])] = &[
    (
        "max(z, 0)",
        &[
            &["Relu z a"],
            &["Max z zero a"],
            &["Max zero z a"],
            &["Clip z zero a"],
            &["Clip z zero far a"],
            &["Neg z m", "Min m zero n", "Neg n a"],
            &["Min zero z n", "Sub z n a"],
            &["Abs z p", "Add z p s", "Div s two a"],
            &["Abs z p", "Mul p half q", "Mul z half h", "Add h q a"],
            &["Neg z m", "Relu m r", "Add z r a"],
            &["Mul z two d", "Relu d r", "Mul r half a"],
            &["Relu z r", "Relu r a"],
            &["Relu z r", "Relu z q", "Add r q s", "Mul half s a"],
            &["LeakyRelu:0 z a"],
            &["PRelu z zero a"],
            &["LeakyRelu:0.25 z l", "Max l zero a"],
            &[
                "Reshape z column c",
                "Mul c zero o",
                "Concat c o j",
                "MaxPool j m",
                "Reshape m row a",
            ],
            &["Reshape z column c", "Concat zeros c j", "MaxPool j m", "Reshape m row a"],
            &["Greater z zero g", "Where g z zero a"],
            &["GreaterOrEqual z zero g", "Where g z zero a"],
            &["LessOrEqual z zero g", "Where g zero z a"],
            &["Less z zero g", "Not g n", "Where n z zero a"],
            &["Greater zero z g", "Where g zero z a"],
            &["Greater z zero g", "Cast g f", "Mul f z a"],
            &["Less z zero g", "Cast g f", "Mul z f p", "Sub z p a"],
            &["Neg z m", "Less m z g", "Mul z two d", "Where g d zero w", "Mul w half a"],
        ],
    ),
    (
        "z where it is positive, z/4 elsewhere",
        &[
            &["LeakyRelu:0.25 z a"],
            &["PRelu z quarter a"],
            &["Mul z quarter q", "Max z q a"],
            &["Mul z quarter q", "Max q z a"],
            &["Relu z r", "Neg z m", "Relu m n", "Mul n quarter q", "Sub r q a"],
            &["Max z zero p", "Min z zero n", "Mul n quarter q", "Add p q a"],
            &["Mul z quarter q", "Neg q m", "Neg z n", "Min m n s", "Neg s a"],
            &[
                "Relu z r",
                "Mul r half h",
                "Mul h half e",
                "Sub r e f",
                "Mul z quarter q",
                "Add q f a",
            ],
            &[
                "Reshape z column c",
                "Mul c quarter q",
                "Concat c q j",
                "MaxPool j m",
                "Reshape m row a",
            ],
            &["Mul z quarter q", "Greater z zero g", "Where g z q a"],
            &["Mul z quarter q", "Greater z q g", "Where g z q a"],
            &["Mul z quarter q", "LessOrEqual z zero g", "Where g q z a"],
        ],
    ),
    (
        "2z where it is negative, z elsewhere",
        &[
            &["LeakyRelu:2 z a"],
            &["Mul z two d", "Min z d a"],
            &["Neg z m", "Relu m r", "Sub z r a"],
            &["Min z zero n", "Add z n a"],
        ],
    ),
    (
        "|z|",
        &[
            &["Abs z a"],
            &["Neg z m", "Max z m a"],
            &["Neg z m", "Relu z p", "Relu m n", "Add p n a"],
            &["Relu z r", "Mul r two d", "Sub d z a"],
            &["PRelu z minus a"],
            &["Neg z m", "Less z zero g", "Where g m z a"],
        ],
    ),
    (
        "max(z, -1/2)",
        &[
            &["Max z low a"],
            &["Max low z a"],
            &["Clip z low a"],
            &["Sub z low s", "Relu s r", "Add r low a"],
            &["Reshape z column c", "Concat c lows j", "MaxPool j m", "Reshape m row a"],
            &["Greater z low g", "Where g z low a"],
            &["Less z low g", "Where g low z a"],
        ],
    ),
    (
        "min(max(z, -1/2), 3/4)",
        &[
            &["Clip z low high a"],
            &["Max z low b", "Min b high a"],
            &["Max low z b", "Min high b a"],
            &["Clip z low b", "Clip b _ high a"],
            &["Less z low g", "Where g low z b", "GreaterOrEqual b high h", "Where h high b a"],
        ],
    ),
];

/// A network with one output: three affine layers with the function between them.
struct Sample {
    inputs: usize,
    weights: [Vec<f32>; 3],
    biases: [Vec<f32>; 3],
}

impl Sample {
    fn new(inputs: usize, seed: u64) -> Self {
        let mut rng = SplitMix64::new(seed, 0);
        let mut draw = |count: usize, scale: f64| -> Vec<f32> {
            (0..count).map(|_| ((2.0 * rng.unit() - 1.0) * scale) as f32).collect()
        };
        let scale = |fan: usize| (3.0 / fan as f64).sqrt();
        let weights = [
            draw(inputs * WIDTH, 3.0 / inputs as f64),
            draw(WIDTH * WIDTH, 1.5 * scale(WIDTH)),
            draw(WIDTH, scale(WIDTH)),
        ];
        let biases = [draw(WIDTH, 0.3), draw(WIDTH, 0.3), draw(1, 0.3)];
        Self { inputs, weights, biases }
    }

    fn model(&self, spelling: &[&str]) -> Vec<u8> {
        let width = WIDTH as i64;
        let mut model = Model::new(13, &[1, self.inputs as i64])
            .ints("column", &[1, 1, width, 1])
            .ints("row", &[1, width])
            .floats("zeros", &[1, 1, width, 1], &[0.0; WIDTH])
            .floats("lows", &[1, 1, width, 1], &[-0.5; WIDTH]);
        for (name, value) in [
            ("zero", 0.0),
            ("quarter", 0.25),
            ("half", 0.5),
            ("two", 2.0),
            ("minus", -1.0),
            ("low", -0.5),
            ("high", 0.75),
            ("far", 1e30),
        ] {
            model = model.tensor(float_tensor(name, &[], &[value]));
        }
        let sizes = [self.inputs as i64, width, width, 1];
        let mut at = "x".to_owned();
        for layer in 0..3 {
            let [w, b, y, z] =
                ["weight", "bias", "product", "z"].map(|name| format!("{name}{layer}"));
            let z = if layer == 2 { "y".to_owned() } else { z };
            model = model
                .floats(&w, &sizes[layer..layer + 2], &self.weights[layer])
                .floats(&b, &sizes[layer + 1..layer + 2], &self.biases[layer])
                .node("MatMul", &[&at, &w], &y, vec![])
                .node("Add", &[&y, &b], &z, vec![]);
            if layer < 2 {
                model = spell(model, spelling, layer);
            }
            at = format!("a{layer}");
        }
        model.bytes()
    }
}

/// Adds a spelling's nodes for a layer.
fn spell(mut model: Model, spelling: &[&str], layer: usize) -> Model {
    let mut own = vec!["z"];
    for line in spelling {
        let words: Vec<&str> = line.split(' ').collect();
        let (made, operands) = words[1..].split_last().unwrap();
        let name = |word: &&str| match *word {
            "_" => String::new(),
            word if own.contains(&word) => format!("{word}{layer}"),
            word => word.to_owned(),
        };
        let operands: Vec<String> = operands.iter().map(name).collect();
        let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
        let (operator, attributes) = match words[0].split_once(':') {
            Some((operator, slope)) => (operator, vec![float("alpha", slope.parse().unwrap())]),
            None if words[0] == "Cast" => ("Cast", vec![int("to", 1)]),
            None if words[0] == "Concat" => ("Concat", vec![int("axis", 3)]),
            None if words[0] == "MaxPool" => {
                ("MaxPool", vec![ints("kernel_shape", &[1, 2]), ints("strides", &[1, 2])])
            }
            None => (words[0], vec![]),
        };
        model = model.node(operator, &operands, &format!("{made}{layer}"), attributes);
        own.push(made);
    }
    model
}

/// Lower bounds of the output: intervals, CROWN, CROWN with optimised slopes.
fn bounds(net: &Network) -> [f64; 3] {
    let n = net.inputs();
    let input = Boxes::single(&vec![-1.0; n], &vec![1.0; n]);
    let row = Matrix::from_element(1, 1, 1.0);
    let analysis = Analysis::of_region(net, &input, Intermediate::Crown);
    let (sweep, at, start) = (analysis.sweep(), net.output(), Start::Dense(&row));
    let goal = Goal { at, start: &start, domains: &[0], targets: &[f64::INFINITY] };
    let optimised =
        climb(&sweep, goal, default_slopes(&sweep, at, &[0]), Vec::new(), Climb::default());
    let intervals = Analysis::of_region(net, &input, Intermediate::Interval);
    [intervals.output().lower[0], analysis.lower(&row, &[0]).bounds[0], optimised.bounds[0]]
}

/// The least output found from some corners by moving single inputs where that helps.
fn sampled(net: &Network) -> f64 {
    let mut rng = SplitMix64::new(7, 0);
    let at = |x: &Matrix| net.evaluate(x)[0];
    let mut least = f64::INFINITY;
    for _ in 0..32 {
        let mut best = Matrix::from_fn(net.inputs(), 1, |_, _| (2.0 * rng.unit() - 1.0).signum());
        for i in (0..3 * net.inputs()).map(|i| i % net.inputs()) {
            for value in [-1.0, -0.5, 0.0, 0.5, 1.0] {
                let mut moved = best.clone();
                moved[i] = value;
                if at(&moved) < at(&best) {
                    best = moved;
                }
            }
        }
        least = least.min(at(&best));
    }
    least
}

/// Both readers make the same blocks and the same function.
fn same_values(circuit: &Circuit, net: &Network) {
    let mut rng = SplitMix64::new(8, 0);
    assert_eq!(circuit.blocks().len(), net.relus().count());
    for (block, (_, z)) in circuit.blocks().iter().zip(net.relus()) {
        assert_eq!(circuit.size(*block), net.node(z).len);
    }
    for _ in 0..8 {
        let x: Vec<f64> = (0..net.inputs()).map(|_| 2.0 * rng.unit() - 1.0).collect();
        let ours = net.evaluate(&Matrix::from_column_slice(x.len(), 1, &x))[0];
        assert!(
            (values(circuit, &x, |w| w)[circuit.output()][0] - ours).abs()
                < 1e-9 * (1.0 + ours.abs())
        );
    }
}

/// Domains of both ways of splitting (of many inputs not theirs), and of a search for a proof, which is checked in both arithmetics;
/// 0 where the checker accepts none.
fn efforts(bytes: &[u8], net: &Network, threshold: f64) -> [usize; 3] {
    let mut text = String::from("(declare-const Y_0 Real)\n");
    for i in 0..net.inputs() {
        text += &format!("(declare-const X_{i} Real)\n");
        text += &format!("(assert (>= X_{i} -1.0))\n(assert (<= X_{i} 1.0))\n");
    }
    text += &format!("(assert (<= Y_0 {threshold:.6}))\n");
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("p.vnnlib");
    std::fs::write(&file, &text).unwrap();
    let statement = load_statement(&file, net.inputs(), 1).unwrap();
    let never = || false;
    let limits = Limits::starting_now(None, &never);
    let few = net.inputs() < 8;
    let by_inputs = if few {
        split_inputs(net, &statement.property, &limits, None, &mut []).visited
    } else {
        0
    };
    let known = (Vec::new(), &mut [][..]);
    let by_relus = split_relus(net, &statement.property, &limits, None, known).visited;
    let ask = || Question::new(bytes, text.as_bytes());
    let proved = prove(&ask, &common::stated(net, &statement), &limits);
    if let Ok((proved, _)) = &proved {
        let proof = proved.proof.to_bytes();
        for mode in [Mode::Exact, Mode::Outward] {
            ask().unwrap().check(proof.as_slice(), mode).unwrap();
        }
    }
    [by_inputs, by_relus, proved.map_or(0, |(_, visited)| visited)]
}

#[test]
fn bounds_effort_and_proofs_do_not_depend_on_the_spelling() {
    for (function, spellings) in FUNCTIONS {
        for seed in 0..4 {
            // Few inputs are split, of many the ReLUs.
            let sample = Sample::new(if seed % 2 == 0 { 3 } else { 24 }, seed);
            let read = |spelling| {
                let bytes = sample.model(spelling);
                let net = load_network_bytes("model.onnx", &bytes).unwrap().network;
                same_values(&certus_check::onnx::read(&bytes).unwrap(), &net);
                (bytes, net)
            };
            let (bytes, net) = read(spellings[0]);
            let (plain, least) = (bounds(&net), sampled(&net));
            // Beyond what optimised slopes prove.
            let threshold = plain[2] + 0.4 * (least - plain[2]);
            let domains = efforts(&bytes, &net, threshold);
            println!("{function} {seed}: {plain:?} of {least}, {domains:?} domains");
            assert!(domains[2] > 0, "{function} {seed}");
            for spelling in &spellings[1..] {
                let (bytes, net) = read(spelling);
                let (found, effort) = (bounds(&net), efforts(&bytes, &net, threshold));
                let context = format!("{function} {seed} {spelling:?}: {found:?}, {effort:?}");
                for (bound, plain) in found.iter().zip(plain) {
                    assert!(*bound >= plain - 0.1 * (least - plain), "{context}");
                }
                for (effort, domains) in effort.iter().zip(domains) {
                    assert!(10 * *effort <= 11 * domains + 20, "{context}");
                    assert_eq!(*effort == 0, domains == 0, "{context}");
                }
            }
        }
    }
}

/// A choice that jumps, or of which nobody knows that it does not, is refused by both readers.
#[test]
fn choices_that_jump_are_refused() {
    let spellings: &[&[&str]] = &[
        &["Greater z zero g", "Where g z half a"],
        &["Greater z half g", "Where g z zero a"],
        &["Greater z half g", "Where g z low a"],
        &["Greater z zero g", "Where g half low a"],
        &["Greater z zero g", "Cast g f", "Mul f half a"],
        &["Greater z zero g", "Cast g a"],
        &["Greater z zero g", "Cast g f", "Add f z a"],
        &["Greater z half g", "Cast g f", "Mul f z a"],
        &["Add z half s", "Greater s zero g", "Where g z zero a"],
        &["Greater z zero g", "Cast g f", "Sub f zero a"],
        &["Greater z zero g", "Cast g f", "Sum f z a"],
        &["Greater z zero g", "Cast g f", "Max f z a"],
        &["Greater z zero g", "Cast g f", "Min z f a"],
        &["Greater z zero g", "Cast g f", "Neg f a"],
        &["Greater z zero g", "Cast g f", "Div z f a"],
        &["Greater z zero g", "Cast g f", "Relu f a"],
        &["Greater z zero g", "Cast g f", "Clip z f a"],
        &["Greater z zero g", "Cast g f", "Greater f zero h", "Where h z zero a"],
        &["Greater z zero g", "Cast g f", "Reshape f column c", "Reshape c row a"],
        &["Greater z zero g", "Where g g z a"],
        &["Greater z zero g", "Cast g f", "Where g f z a"],
        &["Equal z zero g", "Where g z zero a"],
        &["Relu z r", "Greater r zero g", "Where g z half a"],
    ];
    let sample = Sample::new(3, 1);
    for spelling in spellings {
        let bytes = sample.model(spelling);
        assert!(load_network_bytes("model.onnx", &bytes).is_err(), "{spelling:?}");
        assert!(certus_check::onnx::read(&bytes).is_err(), "{spelling:?}");
    }
    // Where the compared tensors agree on a whole side, it matters what is said of equals.
    for (compared, sign) in [("Greater r zero g", -1.0), ("GreaterOrEqual r zero g", 1.0)] {
        let bytes = sample.model(&["Relu z r", compared, "Neg z m", "Where g z m a"]);
        let net = load_network_bytes("model.onnx", &bytes).unwrap().network;
        same_values(&certus_check::onnx::read(&bytes).unwrap(), &net);
        let plain: &[&str] = if sign < 0.0 { &["Abs z a"] } else { &["Identity z a"] };
        let plain = load_network_bytes("model.onnx", &sample.model(plain)).unwrap().network;
        for k in 0..20 {
            let x = Matrix::from_fn(3, 1, |i, _| ((k * 7 + i * 5) % 11) as f64 / 5.0 - 1.0);
            assert_eq!(net.evaluate(&x), plain.evaluate(&x), "{compared}");
        }
    }
}
