//! Functions of one variable: what one says about numbers, an operator says about batches.

use super::curve::DEFAULT;
use super::{Ascent, Drawn, DrawnLines, Line, Operator, Relaxation, Splits};
use crate::net::{Boxes, Matrix, column};
use crate::num::Rational;

/// A function f of one variable. Loops over elements call it without a detour: [`Operator`] is written for each once.
pub trait Unary: Sync {
    /// Where its operand may be split.
    const SPLITS: Splits = Splits::Never;
    /// Whether lines have a free parameter ([`Self::chosen`]), or a free slope in [0, 1] through the origin, so that it may be optimised.
    const FREE: bool = false;
    /// Whether the lines below all go through the origin.
    const THROUGH_ORIGIN: bool = false;

    /// f(x), rounded.
    fn value(&self, x: f64) -> f64;

    /// { f(x) : l ≤ x ≤ u } exactly, where its ends are rationals and known.
    fn exact(&self, _l: &Rational, _u: &Rational) -> Option<[Rational; 2]> {
        None
    }

    /// f(x) in single precision.
    fn value_f32(&self, x: f32) -> f32 {
        self.value(f64::from(x)) as f32
    }

    /// g f'(x), rounded; `leak` is the slope of a ReLU that is off.
    fn chain(&self, x: f64, g: f64, leak: f64) -> f64;

    /// { f(x) : l ≤ x ≤ u }, rounded outward.
    fn range(&self, l: f64, u: f64) -> (f64, f64);

    /// Whether f is defined on all of [l, u].
    fn is_defined(&self, _l: f64, _u: f64) -> bool {
        true
    }

    /// A line below and one above f on [l, u].
    fn lines(&self, l: f64, u: f64) -> [Line; 2];

    /// Where lines are [free](Self::FREE) but not through the origin: that above or below f on [l, u] for a parameter s in [0, 1], of which
    /// ½ stands for the line that [`Self::lines`] draws, and where it touches f, about. Slopes grow with s.
    fn chosen(&self, _above: bool, _s: f64, _ends: [f64; 2], own: Line) -> (Line, f64) {
        (own, 0.0)
    }
}

impl<F: Unary> Operator for F {
    fn operands(&self) -> usize {
        1
    }

    fn at(&self, x: &[f64]) -> f64 {
        self.value(x[0])
    }

    fn exact(&self, x: &[&[Rational; 2]]) -> Option<[Rational; 2]> {
        let [l, u] = x[0];
        Unary::exact(self, l, u)
    }

    fn values(&self, x: &[&Matrix]) -> Matrix {
        x[0].map(|x| self.value(x))
    }

    fn values_f32(&self, x: &[&[f32]]) -> Vec<f32> {
        x[0].iter().map(|&x| self.value_f32(x)).collect()
    }

    fn add_chain(&self, _k: usize, x: &[&Matrix], g: &Matrix, leak: f64, to: &mut Matrix) {
        to.zip_zip_apply(g, x[0], |to, g, x| *to += self.chain(x, g, leak));
    }

    fn enclose(&self, x: &[&Boxes]) -> Boxes {
        x[0].map(|l, u| self.range(l, u))
    }

    fn is_defined(&self, x: &[&Boxes], d: usize) -> bool {
        let ends = column(&x[0].lower, d).iter().zip(column(&x[0].upper, d));
        ends.into_iter().all(|(&l, &u)| Unary::is_defined(self, l, u))
    }

    fn is_total(&self) -> bool {
        Unary::is_defined(self, f64::NEG_INFINITY, f64::INFINITY)
    }

    fn relax(&self, x: &[&Boxes]) -> Relaxation {
        let mut out = Relaxation::zeros(1, x[0].lower.shape());
        out.through_origin = F::THROUGH_ORIGIN;
        let Relaxation { lower, upper, .. } = &mut out;
        let ends = x[0].lower.iter().zip(x[0].upper.iter());
        let low = lower.slopes[0].iter_mut().zip(lower.intercept.iter_mut());
        let high = upper.slopes[0].iter_mut().zip(upper.intercept.iter_mut());
        for (((&l, &u), low), high) in ends.zip(low).zip(high) {
            for ((slope, intercept), line) in [low, high].into_iter().zip(self.lines(l, u)) {
                (*slope, *intercept) = (line.slope, line.intercept);
            }
        }
        out
    }

    fn splits(&self) -> Splits {
        F::SPLITS
    }

    fn has_free_slopes(&self) -> bool {
        F::FREE
    }

    fn parameters(&self, lines: &Relaxation) -> Matrix {
        let slopes = &lines.lower.slopes[0];
        if F::THROUGH_ORIGIN { slopes.clone() } else { slopes.map(|_| DEFAULT) }
    }

    fn choose(&self, a: &[f64], chosen: &[f64], ends: &[[&[f64]; 2]], lines: &mut Drawn) {
        let [l, u] = ends[0];
        for i in 0..chosen.len() {
            let moved = l[i] < u[i] && !chosen[i].is_nan() && chosen[i] != DEFAULT;
            if moved && a[i] != 0.0 {
                let above = a[i] < 0.0;
                let DrawnLines { slopes: [slopes, _], intercept: intercepts } =
                    if above { &mut lines.above } else { &mut lines.below };
                let own = Line { slope: slopes[i], intercept: intercepts[i] };
                let s = chosen[i].clamp(0.0, 1.0);
                let line = self.chosen(above, s, [l[i], u[i]], own).0;
                (slopes.to_mut()[i], intercepts.to_mut()[i]) = (line.slope, line.intercept);
            }
        }
    }

    fn ascent(&self, at: Ascent) -> Vec<f64> {
        let ([l, u], z) = (at.ends[0], at.x[0]);
        let derivative = |i: usize| {
            let above = at.a[i] < 0.0;
            let own = if above { &at.lines.above } else { &at.lines.below };
            let own = Line { slope: own.slopes[0][i], intercept: own.intercept[i] };
            // Seen from where its line touches, a curve is what a ReLU is from its kink.
            at.a[i] * (z[i] - self.chosen(above, at.chosen[i], [l[i], u[i]], own).1)
        };
        (0..at.chosen.len()).map(derivative).collect()
    }
}
