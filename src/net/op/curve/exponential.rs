//! e^x and what is made of it: ln x, the sigmoid and softplus.

use super::{CONCAVE_ABOVE_0, CONVEX, Curve, Pieces, S_SHAPED};
use crate::num::UNIT;

/// e^x.
#[derive(Debug)]
pub struct Exp;

impl Curve for Exp {
    fn value(&self, x: f64) -> f64 {
        libm::exp(x)
    }

    fn slope(&self, x: f64) -> f64 {
        libm::exp(x)
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(CONVEX))
    }

    fn limits(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }

    fn increases(&self) -> bool {
        true
    }
}

/// ln x, of positive numbers.
#[derive(Debug)]
pub struct Log;

impl Curve for Log {
    fn value(&self, x: f64) -> f64 {
        libm::log(x)
    }

    fn slope(&self, x: f64) -> f64 {
        1.0 / x
    }

    fn is_defined(&self, l: f64, _u: f64) -> bool {
        l > 0.0
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(CONCAVE_ABOVE_0))
    }

    fn increases(&self) -> bool {
        true
    }
}

/// 1 / (1 + e^−x).
#[derive(Debug)]
pub struct Sigmoid;

impl Curve for Sigmoid {
    fn value(&self, x: f64) -> f64 {
        sigmoid(x)
    }

    fn slope(&self, x: f64) -> f64 {
        bell(x)
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(S_SHAPED))
    }

    fn limits(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    fn increases(&self) -> bool {
        true
    }
}

/// 1 / (1 + e^−x), with six roundings at most.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + libm::exp(-x))
    } else {
        let e = libm::exp(x);
        e / (1.0 + e)
    }
}

/// The derivative of the sigmoid: with e = e^−|x| it is e / (1 + e)², within sixteen roundings wherever x is; σ (1 − σ) would not be, far out.
pub fn bell(x: f64) -> f64 {
    let e = libm::exp(-x.abs());
    e / ((1.0 + e) * (1.0 + e))
}

/// ln(1 + e^x).
#[derive(Debug)]
pub struct Softplus;

impl Curve for Softplus {
    fn value(&self, x: f64) -> f64 {
        x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
    }

    fn slope(&self, x: f64) -> f64 {
        sigmoid(x)
    }

    /// Two roundings of e^−|x|, as many of the logarithm, which has a smaller relative derivative, and one of their sum.
    fn value_error(&self, _x: f64, v: f64) -> f64 {
        8.0 * UNIT * v
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(CONVEX))
    }

    fn limits(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }

    fn increases(&self) -> bool {
        true
    }
}
