//! 1 / x: convex on positive numbers, concave on negative ones; nothing is known of it where an interval holds 0.

use super::Line;
use super::unary::Unary;
use crate::num::{Rational, inflate, nan_to};
use num_traits::Signed;

/// 1 / x.
#[derive(Debug)]
pub struct Reciprocal;

impl Unary for Reciprocal {
    fn value(&self, x: f64) -> f64 {
        x.recip()
    }

    fn exact(&self, l: &Rational, u: &Rational) -> Option<[Rational; 2]> {
        (l.is_positive() || u.is_negative()).then(|| [u.recip(), l.recip()])
    }

    fn value_f32(&self, x: f32) -> f32 {
        x.recip()
    }

    fn chain(&self, x: f64, g: f64, _leak: f64) -> f64 {
        -(g / (x * x))
    }

    fn range(&self, l: f64, u: f64) -> (f64, f64) {
        if l > 0.0 || u < 0.0 {
            ((1.0 / u).next_down(), (1.0 / l).next_up())
        } else {
            (f64::NEG_INFINITY, f64::INFINITY)
        }
    }

    /// On an interval of positive numbers a tangent below and the chord above; on negative ones mirrored.
    fn lines(&self, l: f64, u: f64) -> [Line; 2] {
        if l > 0.0 && u.is_finite() {
            let middle = (0.5 * l + 0.5 * u).max(l);
            // The tangent at p is −z/p² + 2/p; any slope −k has the best intercept min(1/z + k z) ≥ 2√k, attained at 1/√k.
            // So k may be rounded; √k is rounded down, and doubled exactly.
            let q = 1.0 / middle;
            let k = q * q;
            let low = Line { slope: -k, intercept: 2.0 * k.sqrt().next_down() };
            // Chord: slope −1/(l u) up to rounding; the intercept is the larger of the two ends' needs, without signs and of two roundings.
            let k = nan_to(1.0 / (l * u), 0.0);
            let at = |z: f64| inflate(1.0 / z + k * z, 2);
            [low, Line { slope: -k, intercept: at(l).max(at(u)) }]
        } else if u < 0.0 && l.is_finite() {
            let [low, high] = self.lines(-u, -l);
            [high, low].map(|line| Line { slope: line.slope, intercept: -line.intercept })
        } else {
            let (low, high) = self.range(l, u);
            [low, high].map(Line::constant)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::hostile::{exact, near};
    use num_traits::Zero;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

        /// The line above at the ends; the one below where it touches, which on a point is there.
        #[test]
        fn reciprocal_lines_enclose(l in near(), width in 0.0f64..10.0, scale in 0.1f64..10.0, point: bool) {
            let l = l * scale;
            let width = if point { 0.0 } else { width };
            let (l, u) = if l > 0.0 { (l, l + width) } else { (l - width, l) };
            let [low, high] = Reciprocal.lines(l, u);
            for z in [l, u, 0.5 * l + 0.5 * u] {
                let (value, z) = (exact(z).recip(), exact(z));
                prop_assert!(exact(low.slope) * &z + exact(low.intercept) <= value);
                prop_assert!(exact(high.slope) * &z + exact(high.intercept) >= value);
            }
        }

        #[test]
        fn reciprocals_are_rounded_outward(x in near(), scale in 0.1f64..10.0) {
            let x = x * scale;
            let (low, high) = Reciprocal.range(x, x);
            prop_assert!(exact(low) <= exact(x).recip() && exact(x).recip() <= exact(high));
            prop_assert!(!exact(x).is_zero());
        }
    }

    #[test]
    fn reciprocals_enclose() {
        let (lo, hi) = Reciprocal.range(3.0, 7.0);
        assert!(lo * 7.0 <= 1.0 && hi * 3.0 >= 1.0 && hi - lo < 0.2);
        assert_eq!(Reciprocal.range(-1.0, 1.0), (f64::NEG_INFINITY, f64::INFINITY));
    }
}
