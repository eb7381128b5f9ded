//! Curves: functions of one variable, known by enclosures of value and derivative at single points and by the pieces on which they
//! are convex or concave. Ranges and lines follow from that ([`lines`]), for all of them in one way.
//!
//! Elementary functions come from `libm` (the same code on every platform), whose documented errors are at most two units in the last
//! place, so four roundings; each curve says how far off what it computes may be, and is held to it against values to hundreds of bits.

pub mod elu;
pub mod erf;
pub mod exponential;
pub mod gates;
pub mod hyperbolic;
mod lines;
pub mod power;
pub mod softsign;
pub mod trigonometric;

pub use lines::DEFAULT;

use super::unary::Unary;
use super::{Line, Splits};
use crate::num::{Rational, TINY, UNIT, add_up, sub_down};

/// How a function bends on an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bend {
    /// Its derivative does not decrease.
    Convex,
    /// Its derivative does not increase.
    Concave,
    /// It is affine.
    Straight,
}

/// A closed interval on which a function is differentiable (from within at the ends) and bends one way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// Its lower end.
    pub from: f64,
    /// Its upper end.
    pub to: f64,
    /// How the function bends there.
    pub bend: Bend,
}

impl Piece {
    /// A piece.
    pub const fn new(from: f64, to: f64, bend: Bend) -> Self {
        Self { from, to, bend }
    }
}

/// Everywhere convex.
pub const CONVEX: &[Piece] = &[Piece::new(f64::NEG_INFINITY, f64::INFINITY, Bend::Convex)];

/// Convex below 0, concave above: the shape of an S.
pub const S_SHAPED: &[Piece] = &[
    Piece::new(f64::NEG_INFINITY, 0.0, Bend::Convex),
    Piece::new(0.0, f64::INFINITY, Bend::Concave),
];

/// Concave below 0, convex above.
pub const CUBIC: &[Piece] = &[
    Piece::new(f64::NEG_INFINITY, 0.0, Bend::Concave),
    Piece::new(0.0, f64::INFINITY, Bend::Convex),
];

/// Convex on positive numbers, with a pole or the end of its domain at 0.
pub const CONVEX_ABOVE_0: &[Piece] = &[Piece::new(0.0, f64::INFINITY, Bend::Convex)];

/// Concave on positive numbers, likewise.
pub const CONCAVE_ABOVE_0: &[Piece] = &[Piece::new(0.0, f64::INFINITY, Bend::Concave)];

/// Pieces that are found anew for every interval, at most.
pub const MOST: usize = 8;

/// Neighbouring pieces, from the left to the right.
///
/// Between one and the next there may be a gap, where the point at which the function turns is no double. There its second derivative
/// is at most 1 in magnitude.
#[derive(Debug, Clone, Copy)]
pub enum Pieces {
    /// The same for every interval.
    Fixed(&'static [Piece]),
    /// So many of these.
    Found([Piece; MOST], usize),
}

impl Pieces {
    /// The pieces that lie between turns, brackets from the left to the right; `None` where there are too many. `first` is how the
    /// function bends before the first of them.
    pub fn between(turns: impl Iterator<Item = (f64, f64)>, first: Bend) -> Option<Self> {
        let mut found = [Piece::new(f64::NEG_INFINITY, f64::INFINITY, first); MOST];
        let mut last = 0;
        for (before, after) in turns {
            let other = if found[last].bend == Bend::Convex { Bend::Concave } else { Bend::Convex };
            found[last].to = before;
            last += 1;
            *found.get_mut(last)? = Piece::new(after, f64::INFINITY, other);
        }
        Some(Self::Found(found, last + 1))
    }

    /// As a list.
    pub fn as_slice(&self) -> &[Piece] {
        match self {
            Self::Fixed(pieces) => pieces,
            Self::Found(pieces, number) => &pieces[..*number],
        }
    }
}

/// A function of one variable.
pub trait Curve: Sync {
    /// f(x), rounded; no number outside of the domain.
    fn value(&self, x: f64) -> f64;

    /// { f(x) : l ≤ x ≤ u } exactly, where its ends are rationals and known.
    fn exact(&self, _l: &Rational, _u: &Rational) -> Option<[Rational; 2]> {
        None
    }

    /// f'(x), rounded: at a kink, that of the convex side.
    fn slope(&self, x: f64) -> f64;

    /// How far the computed value v may be from f(x), but for numbers below [`TINY`]: by default eight roundings, for a single function
    /// of `libm` and twice as much.
    fn value_error(&self, _x: f64, v: f64) -> f64 {
        8.0 * UNIT * v.abs()
    }

    /// How far the computed derivative d may be from f'(x), likewise.
    fn slope_error(&self, _x: f64, d: f64) -> f64 {
        16.0 * UNIT * d.abs()
    }

    /// Whether the function is defined on all of [l, u].
    fn is_defined(&self, _l: f64, _u: f64) -> bool {
        true
    }

    /// The pieces of an interval [l, u] on which it is defined, or of more; `None` where there are too many.
    fn pieces(&self, l: f64, u: f64) -> Option<Pieces>;

    /// What all values lie between, wherever the function is defined; infinite for one that is not defined everywhere.
    fn limits(&self) -> (f64, f64) {
        (f64::NEG_INFINITY, f64::INFINITY)
    }

    /// Whether the function increases on all of its domain.
    fn increases(&self) -> bool {
        false
    }
}

/// Floats below and above f(x), within the limits; infinite where it is not defined.
pub fn enclose<C: Curve + ?Sized>(curve: &C, x: f64) -> (f64, f64) {
    let v = curve.value(x);
    let error = curve.value_error(x, v) + TINY;
    let (least, most) = curve.limits();
    (sub_down(v, error).max(least), add_up(v, error).min(most))
}

impl<C: Curve> Unary for C {
    const SPLITS: Splits = Splits::Anywhere;
    const FREE: bool = true;

    fn value(&self, x: f64) -> f64 {
        Curve::value(self, x)
    }

    fn exact(&self, l: &Rational, u: &Rational) -> Option<[Rational; 2]> {
        Curve::exact(self, l, u)
    }

    fn chain(&self, x: f64, g: f64, _leak: f64) -> f64 {
        g * self.slope(x)
    }

    fn range(&self, l: f64, u: f64) -> (f64, f64) {
        lines::range(self, l, u)
    }

    fn is_defined(&self, l: f64, u: f64) -> bool {
        Curve::is_defined(self, l, u)
    }

    fn lines(&self, l: f64, u: f64) -> [Line; 2] {
        lines::draw(self, l, u)
    }

    fn chosen(&self, above: bool, s: f64, [l, u]: [f64; 2], own: Line) -> (Line, f64) {
        lines::chosen(self, above, s, [l, u], own)
    }
}

#[cfg(test)]
mod tests;
