//! x times something that opens from 0 to 1: GELU, SiLU, Mish and hard swish. All fall a little before they rise, and bend upward between
//! two points, downward (or not at all) beyond.

use super::exponential::{bell, sigmoid};
use super::{Bend, Curve, Piece, Pieces};
use crate::net::op::{Function, Parameter};
use crate::num::{UNIT, two_sum};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

/// x (k + f F(s x)) as line · x + factor · G(scale · x).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gated {
    /// The coefficient of x, exact.
    pub line: f64,
    /// That of G, with three roundings at most.
    pub factor: f64,
    /// G.
    pub gate: Function,
    /// What x is multiplied by within it, with two roundings at most.
    pub scale: f64,
}

impl Function {
    /// Whether x times this function, or times it and a constant, is a function that is known here.
    #[must_use]
    pub fn opens(self) -> bool {
        matches!(self, Self::Sigmoid | Self::Tanh | Self::Erf)
    }

    /// x (k + f F(s x)) for this F, if it is known and k − f is a double.
    #[must_use]
    pub fn gated(self, [k, f]: [f64; 2], s: f64) -> Option<Gated> {
        let line = Some(two_sum(k, -f)).filter(|s| s.1 == 0.0).map(|s| s.0);
        Some(match self {
            Self::Sigmoid => Gated { line: k, factor: f / s, gate: Self::Silu, scale: s },
            // x (1 + erf t) = √2 G(√2 t) x/t.
            Self::Erf => {
                let (factor, scale) = (f * SQRT_2 / s, SQRT_2 * s);
                Gated { line: line?, factor, gate: Self::Gelu, scale }
            }
            // 1 + tanh t = 2 σ(2t).
            Self::Tanh => Gated { line: line?, factor: f / s, gate: Self::Silu, scale: 2.0 * s },
            _ => return None,
        })
    }

    /// x (k + f F(c x + e x³)) for this F, if it is an approximation of GELU.
    #[must_use]
    pub fn gated_by_cubic(self, [k, f]: [f64; 2], [c, e]: [f64; 2]) -> Option<Gated> {
        let gelu = GeluTanh { linear: Parameter::new(c), cubic: Parameter::new(e) };
        let line = Some(two_sum(k, -f)).filter(|s| s.1 == 0.0)?.0;
        let gate = Self::GeluTanh(gelu);
        let known = self == Self::Tanh && gelu.is_near();
        known.then_some(Gated { line, factor: 2.0 * f, gate, scale: 1.0 })
    }
}

const fn convex_between(before: [f64; 2], after: [f64; 2]) -> [Piece; 3] {
    [
        Piece::new(f64::NEG_INFINITY, before[0], Bend::Concave),
        Piece::new(before[1], after[0], Bend::Convex),
        Piece::new(after[1], f64::INFINITY, Bend::Concave),
    ]
}

/// x Φ(x) with the distribution function Φ(x) = (1 + erf(x/√2)) / 2 of the standard normal distribution (Hendrycks and Gimpel 2016).
#[derive(Debug)]
pub struct Gelu;

/// Roundings in Φ(x): the argument −x/√2 has two, and erfc(y) a relative derivative of at most 3 y² + 1 times that of y > 0.
fn normal_roundings(x: f64) -> f64 {
    12.0 + if x < 0.0 { 4.0 * x * x } else { 0.0 }
}

fn normal(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The density e^(−x²/2) / √(2π); the rounding of x² moves it by x²/2 roundings.
fn density(x: f64) -> f64 {
    0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI * libm::exp(-0.5 * x * x)
}

impl Curve for Gelu {
    fn value(&self, x: f64) -> f64 {
        x * normal(x)
    }

    fn slope(&self, x: f64) -> f64 {
        normal(x) + x * density(x)
    }

    fn value_error(&self, x: f64, v: f64) -> f64 {
        normal_roundings(x) * UNIT * v.abs()
    }

    fn slope_error(&self, x: f64, _d: f64) -> f64 {
        let roundings = normal_roundings(x) * normal(x);
        2.0 * UNIT * (roundings + (8.0 + x * x) * (x * density(x)).abs())
    }

    /// f'' = (2 − x²) times the density.
    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        const BEFORE: f64 = std::f64::consts::SQRT_2.next_down();
        const AFTER: f64 = std::f64::consts::SQRT_2;
        const PIECES: &[Piece] = &convex_between([-AFTER, -BEFORE], [BEFORE, AFTER]);
        Some(Pieces::Fixed(PIECES))
    }

    fn limits(&self) -> (f64, f64) {
        (-0.17, f64::INFINITY)
    }
}

/// Its approximation x (1 + tanh(c x + e x³)) / 2, with constants near c = √(2/π) and e = 0.044715 c, as [`GeluTanh::is_near`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeluTanh {
    /// c.
    pub linear: Parameter,
    /// e.
    pub cubic: Parameter,
}

impl GeluTanh {
    /// That of the ONNX operator. Its constants are no doubles: errors pay for their roundings.
    pub const STANDARD: Self = Self {
        linear: Parameter::new(0.797_884_560_802_865_4),
        cubic: Parameter::new(0.035_677_408_136_300_125),
    };

    /// Whether the constants are those of the operator within a millionth, for which [`Curve::pieces`] holds.
    #[must_use]
    pub fn is_near(self) -> bool {
        let near = |x: Parameter, y: Parameter| (x.get() / y.get() - 1.0).abs() < 0.9e-6;
        near(self.linear, Self::STANDARD.linear) && near(self.cubic, Self::STANDARD.cubic)
    }

    /// c x + e x³, within eight roundings, and its derivative.
    fn inner(self, x: f64) -> (f64, f64) {
        let (c, e) = (self.linear.get(), self.cubic.get());
        (x * (c + e * x * x), c + 3.0 * e * x * x)
    }

    /// (1 + tanh t) / 2 = σ(2t), where eight roundings of t < 0 are 16 |t|; where t > 0 they are less than eight.
    fn roundings(t: f64) -> f64 {
        20.0 + if t < 0.0 { 16.0 * t.abs() } else { 0.0 }
    }

    /// x · 2t' · σ'(2t), which is 0 where the exponential underflows.
    fn second_term(self, x: f64) -> f64 {
        let (t, growth) = self.inner(x);
        let bell = bell(2.0 * t);
        if bell == 0.0 { 0.0 } else { x * 2.0 * growth * bell }
    }
}

impl Curve for GeluTanh {
    fn value(&self, x: f64) -> f64 {
        x * sigmoid(2.0 * self.inner(x).0)
    }

    fn slope(&self, x: f64) -> f64 {
        sigmoid(2.0 * self.inner(x).0) + self.second_term(x)
    }

    fn value_error(&self, x: f64, v: f64) -> f64 {
        Self::roundings(self.inner(x).0) * UNIT * v.abs()
    }

    fn slope_error(&self, x: f64, _d: f64) -> f64 {
        let t = self.inner(x).0;
        let gate = Self::roundings(t) * sigmoid(2.0 * t);
        let rest = self.second_term(x);
        let rest = if rest == 0.0 { 0.0 } else { (32.0 + 16.0 * t.abs()) * rest.abs() };
        2.0 * UNIT * (gate + rest)
    }

    /// f'' has the sign of t' + x t''/2 − x t'² tanh t, which is positive below and negative above one x > 0 (by interval arithmetic up to
    /// 20; the last term prevails beyond), 1.418504 for the operator's constants, and moves by less than their relative changes.
    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        const BEFORE: f64 = 1.418_501;
        const AFTER: f64 = 1.418_507;
        const PIECES: &[Piece] = &convex_between([-AFTER, -BEFORE], [BEFORE, AFTER]);
        Some(Pieces::Fixed(PIECES))
    }

    fn limits(&self) -> (f64, f64) {
        (-0.1701, f64::INFINITY)
    }
}

/// x σ(x), also called swish (Elfwing, Uchibe and Doya 2018).
#[derive(Debug)]
pub struct Silu;

impl Curve for Silu {
    fn value(&self, x: f64) -> f64 {
        x * sigmoid(x)
    }

    fn slope(&self, x: f64) -> f64 {
        sigmoid(x) + x * bell(x)
    }

    fn slope_error(&self, x: f64, _d: f64) -> f64 {
        20.0 * UNIT * (sigmoid(x) + (x * bell(x)).abs())
    }

    /// f'' = σ' (2 − x tanh(x/2)), and x tanh(x/2) grows with |x|.
    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        const BEFORE: f64 = 2.399_357_280_515_46;
        const AFTER: f64 = 2.399_357_280_515_48;
        const PIECES: &[Piece] = &convex_between([-AFTER, -BEFORE], [BEFORE, AFTER]);
        Some(Pieces::Fixed(PIECES))
    }

    fn limits(&self) -> (f64, f64) {
        (-0.2785, f64::INFINITY)
    }
}

/// x tanh(ln(1 + e^x)) (Misra 2019).
#[derive(Debug)]
pub struct Mish;

impl Mish {
    /// ω = tanh(ln(1 + e^x)) = n / (n + 2) with n = e^2x + 2 e^x, and ω' = 4 e^x (e^x + 1) / (n + 2)²: sums without signs.
    fn gate(x: f64) -> (f64, f64) {
        if x > 0.0 {
            let w = libm::exp(-x);
            let (above, below) = (1.0 + 2.0 * w, 1.0 + 2.0 * w + 2.0 * w * w);
            return (above / below, 4.0 * w * w * (1.0 + w) / (below * below));
        }
        let e = libm::exp(x);
        let n = e * (e + 2.0);
        (n / (n + 2.0), 4.0 * e * (e + 1.0) / ((n + 2.0) * (n + 2.0)))
    }
}

impl Curve for Mish {
    fn value(&self, x: f64) -> f64 {
        x * Self::gate(x).0
    }

    fn slope(&self, x: f64) -> f64 {
        let (gate, growth) = Self::gate(x);
        gate + x * growth
    }

    fn value_error(&self, _x: f64, v: f64) -> f64 {
        24.0 * UNIT * v.abs()
    }

    fn slope_error(&self, x: f64, _d: f64) -> f64 {
        let (gate, growth) = Self::gate(x);
        32.0 * UNIT * (gate + (x * growth).abs())
    }

    /// f'' has the sign of 2 (e + 1) D + x ((2e + 1) D − 4 e (e + 1)²) with e = e^x and D = n + 2, which changes at two points (by interval
    /// arithmetic on [−60, 40]; beyond, x alone decides).
    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        const PIECES: &[Piece] = &convex_between(
            [-2.256_376_396_360_80, -2.256_376_396_360_78],
            [1.490_571_179_485_42, 1.490_571_179_485_44],
        );
        Some(Pieces::Fixed(PIECES))
    }

    fn limits(&self) -> (f64, f64) {
        (-0.309, f64::INFINITY)
    }
}

/// x · min(max(x + ½, 0), 1): hard swish, with x in units of the width of its parabola (Howard et al. 2019).
#[derive(Debug)]
pub struct HardSwish;

impl Curve for HardSwish {
    fn value(&self, x: f64) -> f64 {
        match x {
            _ if x <= -0.5 => 0.0,
            _ if x >= 0.5 => x,
            _ => x * (x + 0.5),
        }
    }

    fn slope(&self, x: f64) -> f64 {
        match x {
            _ if x < -0.5 => 0.0,
            _ if x > 0.5 => 1.0,
            _ => 2.0 * x + 0.5,
        }
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        const PIECES: &[Piece] = &[
            Piece::new(f64::NEG_INFINITY, -0.5, Bend::Straight),
            Piece::new(-0.5, 0.5, Bend::Convex),
            Piece::new(0.5, f64::INFINITY, Bend::Straight),
        ];
        Some(Pieces::Fixed(PIECES))
    }

    fn limits(&self) -> (f64, f64) {
        (-0.0625, f64::INFINITY)
    }
}
