//! Powers of x with a constant exponent, the square root and the reciprocal among them.

use super::{Bend, CONCAVE_ABOVE_0, CONVEX, CONVEX_ABOVE_0, CUBIC, Curve, Piece, Pieces};
use crate::net::op::Parameter;
use crate::num::{Rational, UNIT, two_sum};
use num_traits::{Signed, Zero};

/// √x, of numbers that are not negative.
#[derive(Debug)]
pub struct Sqrt;

impl Curve for Sqrt {
    fn value(&self, x: f64) -> f64 {
        x.sqrt()
    }

    fn slope(&self, x: f64) -> f64 {
        0.5 / x.sqrt()
    }

    /// A root is rounded once.
    fn value_error(&self, _x: f64, v: f64) -> f64 {
        UNIT * v
    }

    fn is_defined(&self, l: f64, _u: f64) -> bool {
        l >= 0.0
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(CONCAVE_ABOVE_0))
    }

    fn increases(&self) -> bool {
        true
    }
}

const CONCAVE_BELOW_0: &[Piece] = &[Piece::new(f64::NEG_INFINITY, 0.0, Bend::Concave)];
const CONVEX_BELOW_0: &[Piece] = &[Piece::new(f64::NEG_INFINITY, 0.0, Bend::Convex)];

/// 1 / x: convex on positive numbers, concave on negative ones; nothing is known of it where an interval holds 0.
#[derive(Debug)]
pub struct Reciprocal;

impl Curve for Reciprocal {
    fn value(&self, x: f64) -> f64 {
        1.0 / x
    }

    fn exact(&self, l: &Rational, u: &Rational) -> Option<[Rational; 2]> {
        (l.is_positive() || u.is_negative()).then(|| [u.recip(), l.recip()])
    }

    fn slope(&self, x: f64) -> f64 {
        -(1.0 / x) / x
    }

    /// A quotient is rounded once.
    fn value_error(&self, _x: f64, v: f64) -> f64 {
        UNIT * v.abs()
    }

    fn is_defined(&self, l: f64, u: f64) -> bool {
        l > 0.0 || u < 0.0
    }

    fn pieces(&self, l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(if l > 0.0 { CONVEX_ABOVE_0 } else { CONCAVE_BELOW_0 }))
    }
}

/// x^p, as pow(x, p) defines it: of all numbers where p is an integer that is not negative, of all but 0 where it is a negative
/// integer, else of numbers that are not negative or, for p < 0, positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Power(pub Parameter);

impl Power {
    /// p.
    #[must_use]
    pub fn exponent(self) -> f64 {
        self.0.get()
    }

    fn is_even(self) -> bool {
        self.exponent() % 2.0 == 0.0
    }
}

impl Curve for Power {
    fn value(&self, x: f64) -> f64 {
        let p = self.exponent();
        if p == 2.0 { x * x } else { libm::pow(x, p) }
    }

    fn exact(&self, l: &Rational, u: &Rational) -> Option<[Rational; 2]> {
        const LARGEST: usize = 8;
        let p = (2..=LARGEST).find(|&p| p as f64 == self.exponent())?;
        let [a, b] = [l, u].map(|x| num_traits::pow(x.clone(), p));
        if p % 2 == 1 || l.is_positive() {
            return Some([a, b]);
        }
        if u.is_negative() { Some([b, a]) } else { Some([Rational::zero(), a.max(b)]) }
    }

    fn slope(&self, x: f64) -> f64 {
        let p = self.exponent();
        if p == 2.0 { 2.0 * x } else { p * libm::pow(x, p - 1.0) }
    }

    /// An exponent p − 1 that is rounded moves the power by a share of u |p − 1| |ln x|, and |ln x| < 750.
    fn slope_error(&self, _x: f64, d: f64) -> f64 {
        let p = self.exponent();
        let (rounded, off) = two_sum(p, -1.0);
        let moved = if off == 0.0 { 0.0 } else { 1000.0 * rounded.abs() };
        (16.0 + moved) * UNIT * d.abs()
    }

    fn is_defined(&self, l: f64, u: f64) -> bool {
        let p = self.exponent();
        let is_integer = p % 1.0 == 0.0;
        l > 0.0 || (is_integer && u < 0.0) || (p > 0.0 && (is_integer || l >= 0.0))
    }

    fn pieces(&self, l: f64, _u: f64) -> Option<Pieces> {
        let p = self.exponent();
        let pieces = match (p % 1.0 == 0.0, self.is_even()) {
            (true, true) if p > 0.0 => CONVEX,
            (true, false) if p > 0.0 => CUBIC,
            (true, true) if l < 0.0 => CONVEX_BELOW_0,
            (true, false) if l < 0.0 => CONCAVE_BELOW_0,
            _ if 0.0 < p && p < 1.0 => CONCAVE_ABOVE_0,
            _ => CONVEX_ABOVE_0,
        };
        Some(Pieces::Fixed(pieces))
    }

    fn limits(&self) -> (f64, f64) {
        let even = self.is_even() && self.exponent() > 0.0;
        (if even { 0.0 } else { f64::NEG_INFINITY }, f64::INFINITY)
    }
}
