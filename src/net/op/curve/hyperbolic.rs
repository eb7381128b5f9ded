//! Hyperbolic functions and their inverses.

use super::{Bend, CONVEX, CUBIC, Curve, Piece, Pieces, S_SHAPED};
use crate::num::UNIT;

/// For functions that `libm` makes of others, and says to be within two units in the last place.
const ROUNDINGS: f64 = 16.0;

/// (e^x − e^−x) / 2.
#[derive(Debug)]
pub struct Sinh;

impl Curve for Sinh {
    fn value(&self, x: f64) -> f64 {
        libm::sinh(x)
    }

    fn slope(&self, x: f64) -> f64 {
        libm::cosh(x)
    }

    fn value_error(&self, _x: f64, v: f64) -> f64 {
        ROUNDINGS * UNIT * v.abs()
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(CUBIC))
    }

    fn increases(&self) -> bool {
        true
    }
}

/// (e^x + e^−x) / 2.
#[derive(Debug)]
pub struct Cosh;

impl Curve for Cosh {
    fn value(&self, x: f64) -> f64 {
        libm::cosh(x)
    }

    fn slope(&self, x: f64) -> f64 {
        libm::sinh(x)
    }

    fn value_error(&self, _x: f64, v: f64) -> f64 {
        ROUNDINGS * UNIT * v
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(CONVEX))
    }

    fn limits(&self) -> (f64, f64) {
        (1.0, f64::INFINITY)
    }
}

/// (e^x − e^−x) / (e^x + e^−x).
#[derive(Debug)]
pub struct Tanh;

impl Curve for Tanh {
    fn value(&self, x: f64) -> f64 {
        libm::tanh(x)
    }

    /// With e = e^−2|x| it is 4 e / (1 + e)², within sixteen roundings wherever x is; 1 − tanh² would not be, near ±1.
    fn slope(&self, x: f64) -> f64 {
        4.0 * super::exponential::bell(2.0 * x)
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(S_SHAPED))
    }

    fn limits(&self) -> (f64, f64) {
        (-1.0, 1.0)
    }

    fn increases(&self) -> bool {
        true
    }
}

/// The inverse of the hyperbolic sine.
#[derive(Debug)]
pub struct Asinh;

impl Curve for Asinh {
    fn value(&self, x: f64) -> f64 {
        libm::asinh(x)
    }

    fn slope(&self, x: f64) -> f64 {
        1.0 / libm::hypot(1.0, x)
    }

    fn value_error(&self, _x: f64, v: f64) -> f64 {
        ROUNDINGS * UNIT * v.abs()
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(S_SHAPED))
    }

    fn increases(&self) -> bool {
        true
    }
}

/// The inverse of the hyperbolic cosine, of numbers from 1 on.
#[derive(Debug)]
pub struct Acosh;

impl Curve for Acosh {
    fn value(&self, x: f64) -> f64 {
        libm::acosh(x)
    }

    fn slope(&self, x: f64) -> f64 {
        1.0 / ((x - 1.0).sqrt() * (x + 1.0).sqrt())
    }

    fn value_error(&self, _x: f64, v: f64) -> f64 {
        ROUNDINGS * UNIT * v
    }

    fn is_defined(&self, l: f64, _u: f64) -> bool {
        l >= 1.0
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        const FROM_1: &[Piece] = &[Piece::new(1.0, f64::INFINITY, Bend::Concave)];
        Some(Pieces::Fixed(FROM_1))
    }

    fn increases(&self) -> bool {
        true
    }
}

/// The inverse of the hyperbolic tangent, of numbers between −1 and 1.
#[derive(Debug)]
pub struct Atanh;

impl Curve for Atanh {
    fn value(&self, x: f64) -> f64 {
        libm::atanh(x)
    }

    fn slope(&self, x: f64) -> f64 {
        1.0 / ((1.0 - x) * (1.0 + x))
    }

    fn value_error(&self, _x: f64, v: f64) -> f64 {
        ROUNDINGS * UNIT * v.abs()
    }

    fn is_defined(&self, l: f64, u: f64) -> bool {
        -1.0 < l && u < 1.0
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(CUBIC))
    }

    fn increases(&self) -> bool {
        true
    }
}
