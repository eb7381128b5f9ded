//! Sine, cosine and tangent, and their inverses.

use super::{Bend, CUBIC, Curve, Pieces, S_SHAPED};
use crate::num::UNIT;
use std::f64::consts::PI;

/// Beyond this nothing is said of where a periodic function turns.
const FAR: f64 = 1e6;

/// A bracket of π n/2.
fn half_turns(n: f64) -> (f64, f64) {
    let middle = 0.5 * n * PI;
    // π is rounded, and so is the product.
    let radius = 4.0 * UNIT * middle.abs();
    (middle - radius, middle + radius)
}

/// Pieces of a function that turns at π (k + ½ offset), and is concave before every such point with an even (odd) k.
fn periodic(l: f64, u: f64, offset: f64, concave_before_even: bool) -> Option<Pieces> {
    if !(l >= -FAR && u <= FAR && u - l < 8.0 * PI) {
        return None;
    }
    let number = |x: f64| (x / PI - 0.5 * offset).floor();
    let (first, last) = (number(l), number(u) + 1.0);
    let turns =
        (0..=(last - first) as usize).map(|i| half_turns(2.0 * (first + i as f64) + offset));
    let even = first % 2.0 == 0.0;
    let bend = if even == concave_before_even { Bend::Concave } else { Bend::Convex };
    // What lies beyond the interval needs no piece.
    Pieces::between(turns.take_while(|turn| turn.0 <= u), bend)
}

/// sin x.
#[derive(Debug)]
pub struct Sin;

impl Curve for Sin {
    fn value(&self, x: f64) -> f64 {
        libm::sin(x)
    }

    fn slope(&self, x: f64) -> f64 {
        libm::cos(x)
    }

    fn pieces(&self, l: f64, u: f64) -> Option<Pieces> {
        periodic(l, u, 0.0, false)
    }

    fn limits(&self) -> (f64, f64) {
        (-1.0, 1.0)
    }
}

/// cos x.
#[derive(Debug)]
pub struct Cos;

impl Curve for Cos {
    fn value(&self, x: f64) -> f64 {
        libm::cos(x)
    }

    fn slope(&self, x: f64) -> f64 {
        -libm::sin(x)
    }

    fn pieces(&self, l: f64, u: f64) -> Option<Pieces> {
        periodic(l, u, 1.0, true)
    }

    fn limits(&self) -> (f64, f64) {
        (-1.0, 1.0)
    }
}

/// tan x, where an interval lies between two poles.
#[derive(Debug)]
pub struct Tan;

impl Curve for Tan {
    fn value(&self, x: f64) -> f64 {
        libm::tan(x)
    }

    fn slope(&self, x: f64) -> f64 {
        let t = libm::tan(x);
        1.0 + t * t
    }

    fn slope_error(&self, _x: f64, d: f64) -> f64 {
        32.0 * UNIT * d
    }

    fn is_defined(&self, l: f64, u: f64) -> bool {
        // More than a bracket of a pole is wide.
        const MARGIN: f64 = 1e-9;
        let turn = half_turns(2.0 * (l / PI).round()).0;
        let near = |x: f64| (x - turn).abs() < 0.5 * PI - MARGIN && x.abs() < FAR;
        near(l) && near(u)
    }

    fn pieces(&self, l: f64, _u: f64) -> Option<Pieces> {
        let turn = half_turns(2.0 * (l / PI).round());
        Pieces::between(std::iter::once(turn), Bend::Concave)
    }

    fn increases(&self) -> bool {
        true
    }
}

/// The inverse of the sine, of numbers in [−1, 1].
#[derive(Debug)]
pub struct Asin;

impl Curve for Asin {
    fn value(&self, x: f64) -> f64 {
        libm::asin(x)
    }

    fn slope(&self, x: f64) -> f64 {
        1.0 / ((1.0 - x) * (1.0 + x)).sqrt()
    }

    fn is_defined(&self, l: f64, u: f64) -> bool {
        -1.0 <= l && u <= 1.0
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(CUBIC))
    }

    fn increases(&self) -> bool {
        true
    }
}

/// The inverse of the cosine, of numbers in [−1, 1].
#[derive(Debug)]
pub struct Acos;

impl Curve for Acos {
    fn value(&self, x: f64) -> f64 {
        libm::acos(x)
    }

    fn slope(&self, x: f64) -> f64 {
        -Asin.slope(x)
    }

    fn is_defined(&self, l: f64, u: f64) -> bool {
        -1.0 <= l && u <= 1.0
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(S_SHAPED))
    }
}

/// The inverse of the tangent.
#[derive(Debug)]
pub struct Atan;

impl Curve for Atan {
    fn value(&self, x: f64) -> f64 {
        libm::atan(x)
    }

    fn slope(&self, x: f64) -> f64 {
        1.0 / (1.0 + x * x)
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(S_SHAPED))
    }

    fn limits(&self) -> (f64, f64) {
        // The next numbers beyond π/2.
        (-1.570_796_326_794_896_8, 1.570_796_326_794_896_8)
    }

    fn increases(&self) -> bool {
        true
    }
}
