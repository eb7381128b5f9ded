//! Random small ReLU networks as ONNX files, and properties of them with a right side that can be moved.

use super::common::onnx_writer::{Model, int, ints};
use certus::internal::attack::SplitMix64;
use std::fmt::Write as _;

/// A network and a family of properties of it.
pub struct Drawn {
    /// The ONNX file.
    pub model: Vec<u8>,
    /// The region, a pair of decimals an input.
    region: Vec<(f64, f64)>,
    outputs: usize,
    /// The polytopes of the unsafe set.
    pub polytopes: Vec<Vec<Half>>,
}

/// Σ a·y + Σ c·x ≤ right.
pub struct Half {
    pub outputs: Vec<f64>,
    pub inputs: Vec<f64>,
    pub right: f64,
}

/// How weights are drawn.
#[derive(Clone, Copy)]
enum Style {
    /// Halves and small integers, many of them 0: pre-activations that are constant, or equal, or 0 at a corner.
    Coarse,
    /// Multiples of 1/16.
    Dyadic,
    /// Single-precision numbers.
    Float,
}

struct Pen {
    rng: SplitMix64,
    style: Style,
    model: Model,
    tensors: usize,
}

impl Pen {
    fn weights(&mut self, count: usize, spread: f64) -> Vec<f32> {
        let draw = |_| match self.style {
            Style::Coarse => {
                [-2.0, -1.0, -0.5, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 2.0][self.rng.below(10)]
            }
            Style::Dyadic => (self.rng.below(33) as f32 - 16.0) / 16.0,
            Style::Float => (self.rng.normal() * spread) as f32,
        };
        (0..count).map(draw).collect()
    }

    fn name(&mut self) -> String {
        self.tensors += 1;
        format!("t{}", self.tensors)
    }

    fn floats(&mut self, dims: &[i64], spread: f64) -> String {
        let name = self.name();
        let values = self.weights(dims.iter().product::<i64>() as usize, spread);
        self.model = self.model.clone().floats(&name, dims, &values);
        name
    }

    fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<rten_onnx::onnx::AttributeProto>,
    ) -> String {
        let name = self.name();
        self.model = self.model.clone().node(op, inputs, &name, attributes);
        name
    }

    fn dense(&mut self, x: &str, inputs: usize, outputs: usize) -> String {
        let w = self.floats(&[outputs as i64, inputs as i64], 1.0 / (inputs as f64).sqrt());
        let b = self.floats(&[outputs as i64], 0.3);
        self.node("Gemm", &[x, &w, &b], vec![int("transB", 1)])
    }
}

/// A network with so many inputs, 1 to 4 hidden layers and 4 to 40 ReLUs: dense, convolutional or residual.
pub fn draw(seed: u64, inputs: std::ops::Range<usize>) -> Drawn {
    let mut rng = SplitMix64::new(seed, 0);
    let style = [Style::Coarse, Style::Dyadic, Style::Float][rng.below(3)];
    let inputs = inputs.start + rng.below(inputs.len());
    let layers = 1 + rng.below(4);
    let most = 4 + rng.below(37);
    let kind = rng.below(4);
    let model = Model::new(13, &[1, inputs as i64]);
    let mut pen = Pen { rng, style, model, tensors: 0 };
    let mut x = "x".to_owned();
    let mut width = inputs;
    let mut left = most;
    if kind == 0 && inputs > 2 {
        // A row of pixels, several channels of convolutions.
        let shape = pen.name();
        pen.model = pen.model.clone().ints(&shape, &[1, 1, 1, inputs as i64]);
        x = pen.node("Reshape", &["x", &shape], vec![]);
        let mut channels = 1;
        for _ in 0..layers.min(2) {
            let out = 1 + pen.rng.below(3);
            if out * inputs > left {
                break;
            }
            let w = pen
                .floats(&[out as i64, channels as i64, 1, 3], 1.0 / (3.0 * channels as f64).sqrt());
            let b = pen.floats(&[out as i64], 0.3);
            let pads = ints("pads", &[0, 1, 0, 1]);
            x = pen.node("Conv", &[&x, &w, &b], vec![pads, ints("kernel_shape", &[1, 3])]);
            x = pen.node("Relu", &[&x], vec![]);
            (channels, left, width) = (out, left - out * inputs, out * inputs);
        }
        x = pen.node("Flatten", &[&x], vec![]);
    }
    let mut earlier: Option<(String, usize)> = None;
    for layer in 0..layers {
        let share = (left / (layers - layer)).max(1);
        let next = (1 + pen.rng.below(2 * share)).min(left).min(16);
        if next == 0 {
            break;
        }
        let mut z = pen.dense(&x, width, next);
        if let (1, Some((skip, size))) = (kind, &earlier) {
            let (skip, size) = (skip.clone(), *size);
            let other = if size == next { skip } else { pen.dense(&skip, size, next) };
            z = pen.node("Add", &[&z, &other], vec![]);
        }
        earlier = Some((x, width));
        x = pen.node("Relu", &[&z], vec![]);
        (width, left) = (next, left - next);
    }
    let outputs = 1 + pen.rng.below(4);
    let last = pen.dense(&x, width, outputs);
    let Pen { mut rng, model, .. } = pen;
    let model = model.node("Identity", &[&last], "y", vec![]);
    let region = (0..inputs).map(|_| interval(&mut rng)).collect();
    let polytopes = (0..1 + rng.below(3)).map(|_| polytope(&mut rng, inputs, outputs)).collect();
    Drawn { model: model.bytes(), region, outputs, polytopes }
}

/// Halves, decimals that are no doubles, or a single point.
fn interval(rng: &mut SplitMix64) -> (f64, f64) {
    let (unit, low) = match rng.below(3) {
        0 => (0.5, 0.5 * (rng.below(7) as f64 - 4.0)),
        1 => (0.1, 0.1 * (rng.below(21) as f64 - 10.0)),
        _ => (0.25, -1.0),
    };
    let steps = [0, 1, 2, 4, 4, 6, 8, 10][rng.below(8)];
    (low, low + unit * steps as f64)
}

fn polytope(rng: &mut SplitMix64, inputs: usize, outputs: usize) -> Vec<Half> {
    let count = [1, 1, 1, 2, 3][rng.below(5)];
    let half = |_| {
        let mut half = Half { outputs: vec![0.0; outputs], inputs: vec![0.0; inputs], right: 0.0 };
        let i = rng.below(outputs);
        half.outputs[i] = rng.sign();
        if outputs > 1 && rng.below(2) == 0 {
            half.outputs[(i + 1) % outputs] = -half.outputs[i];
        } else if rng.below(4) == 0 {
            half.outputs.iter_mut().for_each(|a| *a += rng.below(9) as f64 / 16.0 - 0.25);
        }
        if rng.below(6) == 0 {
            half.inputs[rng.below(inputs)] = rng.sign();
        }
        half
    };
    (0..count).map(half).collect()
}

impl Drawn {
    /// A random point of the region.
    pub fn point(&self, rng: &mut SplitMix64) -> Vec<f64> {
        let corner = rng.below(2) == 0;
        let part = |rng: &mut SplitMix64| if corner { rng.below(2) as f64 } else { rng.unit() };
        self.region.iter().map(|(l, u)| (l + part(rng) * (u - l)).clamp(*l, *u)).collect()
    }

    /// How far a point is from the unsafe set: every right side moved by so much touches it.
    pub fn distance(&self, x: &[f64], y: &[f64]) -> f64 {
        let of = |half: &Half| {
            let dot = |a: &[f64], v: &[f64]| a.iter().zip(v).map(|(a, v)| a * v).sum::<f64>();
            dot(&half.outputs, y) + dot(&half.inputs, x) - half.right
        };
        let reach =
            |polytope: &Vec<Half>| polytope.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        self.polytopes.iter().map(reach).fold(f64::INFINITY, f64::min)
    }

    /// The property, every right side moved by so much.
    pub fn property(&self, moved: f64) -> String {
        let mut text = String::new();
        for (i, (l, u)) in self.region.iter().enumerate() {
            let _ = writeln!(
                text,
                "(declare-const X_{i} Real)\n(assert (>= X_{i} {l}))(assert (<= X_{i} {u}))"
            );
        }
        (0..self.outputs).for_each(|j| text += &format!("(declare-const Y_{j} Real)\n"));
        let half = |half: &Half| {
            let term = |(name, (i, a)): (char, (usize, &f64))| {
                (*a != 0.0).then(|| format!(" (* {a} {name}_{i})"))
            };
            let terms = half.outputs.iter().enumerate().map(|t| ('Y', t));
            let terms = terms.chain(half.inputs.iter().enumerate().map(|t| ('X', t)));
            let sum: String = terms.filter_map(term).collect();
            // A sum of nothing is 0.
            format!("(<= (+ 0{sum}) {})", half.right + moved)
        };
        let polytope = |halves: &Vec<Half>| {
            format!("(and {})", halves.iter().map(half).collect::<Vec<_>>().join(" "))
        };
        let all: Vec<String> = self.polytopes.iter().map(polytope).collect();
        let _ = writeln!(text, "(assert (or {}))", all.join(" "));
        text
    }
}
