//! Random small networks, boxes and points.

use super::FITS;
use crate::net::{
    Conv, ConvGeometry, Elu, Function, GeluTanh, LinearMap, Matrix, Network, NetworkBuilder,
    NodeId, Parameter, Power, Sparse, Term,
};

/// What a generated network may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Affine nodes and ReLU with moderate weights.
    Relu,
    /// The same with numbers of which single precision holds no more than the first half.
    Fine,
    /// The same with weights across 2^±60, cancellation and huge biases.
    Hostile,
    /// Products and reciprocals (of 1 + x²) too.
    Rational,
    /// Curves too, of all kinds.
    Curves,
}

/// A stream of random choices from a list of words.
pub struct Choices<'a> {
    words: std::iter::Cycle<std::slice::Iter<'a, u32>>,
    state: u32,
}

impl<'a> Choices<'a> {
    /// The choices that these words stand for.
    #[must_use]
    pub fn new(words: &'a [u32]) -> Self {
        Self { words: words.iter().cycle(), state: 1 }
    }

    /// A whole number below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        self.state = self.state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let word = self.words.next().copied().unwrap_or(0) ^ self.state;
        ((word >> ((word >> 28) + 4)) ^ word).wrapping_mul(277_803_737) % n
    }

    /// A dyadic number in [−1, 1].
    pub fn unit(&mut self) -> f64 {
        (f64::from(self.below(129)) - 64.0) / 64.0
    }

    fn weight(&mut self, kind: Kind) -> f64 {
        if kind == Kind::Hostile {
            match self.below(8) {
                0 => self.unit() * 2f64.powi(self.below(120) as i32 - 60),
                1 => f64::from_bits(u64::from(self.below(1000))),
                2 => 1.0 + self.unit() * f64::EPSILON,
                _ => self.unit(),
            }
        } else if self.below(5) == 0 {
            0.0
        } else if kind == Kind::Fine {
            2.0 * self.unit() * (1.0 + self.little())
        } else {
            2.0 * self.unit()
        }
    }

    /// A multiple of 2⁻⁴⁶ below 2⁻²⁶.
    pub fn little(&mut self) -> f64 {
        f64::from(self.below(1 << 20)) * 2f64.powi(-46)
    }
}

/// A random network: dense and sparse layers, convolutions, residual adds, concatenations.
pub fn network(choices: &mut Choices, kind: Kind) -> Network {
    let inputs = 1 + choices.below(4) as usize;
    let mut b = NetworkBuilder::new(inputs, "x").expect(FITS);
    let mut last = 0;
    for _ in 0..1 + choices.below(4) {
        last = affine(&mut b, last, choices, kind);
        last = nonlinear(&mut b, last, choices, kind);
    }
    let out = affine(&mut b, last, choices, kind);
    b.finish(out).expect(FITS)
}

fn affine(b: &mut NetworkBuilder, source: NodeId, choices: &mut Choices, kind: Kind) -> NodeId {
    let len = b.len(source).expect(FITS);
    let rows = 1 + choices.below(4) as usize;
    let map = match choices.below(4) {
        0 => LinearMap::Sparse(Sparse::from_rows(
            len,
            (0..rows).map(|r| {
                (0..len)
                    .filter(|c| (r + c) % 2 == 0)
                    .map(|c| (c, choices.weight(kind)))
                    .collect::<Vec<_>>()
            }),
        )),
        1 => {
            let kernel = 1 + choices.below(len as u32) as usize;
            let geometry = ConvGeometry {
                input: [1, 1, len],
                channels: 1 + choices.below(2) as usize,
                kernel: [1, kernel],
                stride: [1, 1],
                dilation: [1, 1],
                pads: [0, choices.below(2) as usize, 0, 0],
                groups: 1,
            };
            let kernels: Vec<f64> =
                (0..geometry.fan_in() * geometry.channels).map(|_| choices.weight(kind)).collect();
            LinearMap::Conv(Conv::new(geometry, &kernels).expect(FITS))
        }
        _ => LinearMap::from_matrix(Matrix::from_fn(rows, len, |_, _| choices.weight(kind))),
    };
    let rows = map.outputs();
    let bias = (0..rows).map(|_| choices.weight(kind)).collect();
    let mut terms = vec![Term { source, map }];
    if choices.below(3) == 0 {
        // A residual branch from an earlier node.
        let earlier = choices.below(source as u32 + 1) as usize;
        let width = b.len(earlier).expect(FITS);
        let skip =
            Matrix::from_fn(
                rows,
                width,
                |r, c| if (r + c) % 2 == 0 { choices.weight(kind) } else { 0.0 },
            );
        terms.push(Term { source: earlier, map: LinearMap::from_matrix(skip) });
    }
    b.affine(terms, bias, 0, "affine").expect(FITS)
}

fn nonlinear(b: &mut NetworkBuilder, z: NodeId, choices: &mut Choices, kind: Kind) -> NodeId {
    match (kind, choices.below(4)) {
        (Kind::Curves, 0..3) => curve(b, z, choices),
        (Kind::Rational, 0) => b.elementwise(Function::Product, &[z, z], "square").expect(FITS),
        (Kind::Rational, 1) => {
            let n = b.len(z).expect(FITS);
            let square = b.elementwise(Function::Product, &[z, z], "square").expect(FITS);
            let shifted = b
                .affine(
                    vec![Term { source: square, map: LinearMap::Identity(n) }],
                    vec![1.0; n],
                    0,
                    "1 + x²",
                )
                .expect(FITS);
            b.elementwise(Function::Reciprocal, &[shifted], "1 / (1 + x²)").expect(FITS)
        }
        _ => b.relu(z, "relu").expect(FITS),
    }
}

/// Curves that are defined everywhere and do not grow beyond measure; those of positive numbers, of numbers from 1 on; those of numbers in
/// (−1, 1).
fn curves() -> [Vec<Function>; 3] {
    use Function::{
        Acos, Acosh, Asin, Asinh, Atan, Atanh, Cos, Erf, Exp, Gelu, Log, Mish, Reciprocal, Sigmoid,
        Silu, Sin, Softplus, Softsign, Sqrt, Tan, Tanh,
    };
    let power = |p| Function::Power(Power(Parameter::new(p)));
    let elu = |alpha| Function::Elu(Elu(Parameter::new(alpha)));
    let standard = Function::GeluTanh(GeluTanh::STANDARD);
    let everywhere = vec![
        Sigmoid,
        Tanh,
        Softplus,
        Sin,
        Cos,
        Atan,
        Asinh,
        Erf,
        Gelu,
        standard,
        Silu,
        Mish,
        Softsign,
        elu(1.0),
        elu(2.5),
        elu(0.25),
        elu(-0.5),
        power(2.0),
        power(3.0),
    ];
    let positive =
        vec![Log, Sqrt, Reciprocal, Acosh, power(0.75), power(1.5), power(-0.5), power(-2.0)];
    let within_one = vec![Exp, Tan, Asin, Acos, Atanh, Function::Sinh, Function::Cosh];
    [everywhere, positive, within_one]
}

/// A curve of z, of 1 + z² or of softsign(z).
fn curve(b: &mut NetworkBuilder, z: NodeId, choices: &mut Choices) -> NodeId {
    let [everywhere, positive, within_one] = curves();
    let pick =
        |choices: &mut Choices, all: Vec<Function>| all[choices.below(all.len() as u32) as usize];
    let (function, operand) = match choices.below(5) {
        0 => {
            let n = b.len(z).expect(FITS);
            let square = Function::Power(Power(Parameter::new(2.0)));
            let square = b.elementwise(square, &[z], "square").expect(FITS);
            let terms = vec![Term { source: square, map: LinearMap::Identity(n) }];
            (pick(choices, positive), b.affine(terms, vec![1.0; n], 0, "1 + x²").expect(FITS))
        }
        1 => (
            pick(choices, within_one),
            b.elementwise(Function::Softsign, &[z], "softsign").expect(FITS),
        ),
        _ => (pick(choices, everywhere), z),
    };
    b.elementwise(function, &[operand], "curve").expect(FITS)
}

/// A random box with dyadic ends, sometimes of width 0, and points inside it (its corners among them).
pub fn region(choices: &mut Choices, inputs: usize) -> (Vec<f64>, Vec<f64>, Vec<Vec<f64>>) {
    let lower: Vec<f64> = (0..inputs).map(|_| 2.0 * choices.unit()).collect();
    let width: Vec<f64> =
        (0..inputs).map(|_| f64::from(choices.below(5)) * choices.unit().abs()).collect();
    let upper: Vec<f64> = lower.iter().zip(&width).map(|(l, w)| l + w).collect();
    let points = (0..12).map(|k| {
        (0..inputs)
            .map(|i| {
                let steps = if k < 6 { 16 * choices.below(2) } else { choices.below(17) };
                lower[i] + width[i] * f64::from(steps) / 16.0
            })
            .collect()
    });
    let points: Vec<Vec<f64>> = points.collect();
    (lower, upper, points)
}

/// Random functionals of a node's values (elements × k).
pub fn functionals(choices: &mut Choices, len: usize, k: usize) -> Matrix {
    Matrix::from_fn(len, k, |_, _| choices.unit())
}
