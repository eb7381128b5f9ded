//! ln(1 + e^x): increasing, convex, above every line of a slope of [0, 1] that its conjugate allows.

use super::unary::Unary;
use super::{Line, Splits};
use crate::num::{TINY, UNIT, mul_down, nan_to, sub_up};

/// ln(1 + e^x).
#[derive(Debug)]
pub struct Softplus;

/// Relative roundings charged for a computed value, and for adding that: two of e^−|x|, as many of the logarithm, which has a smaller
/// relative derivative, and one of their sum occur.
const ROUNDINGS: f64 = 8.0;

impl Unary for Softplus {
    const SPLITS: Splits = Splits::Anywhere;
    const FREE: bool = true;

    fn value(&self, x: f64) -> f64 {
        x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
    }

    fn chain(&self, x: f64, g: f64, _leak: f64) -> f64 {
        g * super::curve::sigmoid(x)
    }

    fn range(&self, l: f64, u: f64) -> (f64, f64) {
        (self.down(l), self.up(u))
    }

    /// Below, the tangent in the middle, which leaves the smallest area; above, the chord.
    fn lines(&self, l: f64, u: f64) -> [Line; 2] {
        let middle = nan_to(0.5 * l + 0.5 * u, f64::NEG_INFINITY);
        let low = self.tangent(super::curve::sigmoid(middle));
        let slope = match (l.is_finite(), u.is_finite()) {
            (true, true) if l < u => ((self.value(u) - self.value(l)) / (u - l)).clamp(0.0, 1.0),
            (true, false) => 1.0,
            _ => 0.0,
        };
        // A convex function is furthest above a line at an end; towards +∞ it approaches its asymptote, of slope 1, from above.
        let above = |z: f64| {
            let line = if slope == 0.0 { 0.0 } else { mul_down(slope, z) };
            nan_to(sub_up(self.up(z), line), f64::NEG_INFINITY)
        };
        let end = if u == f64::INFINITY && slope == 1.0 { l } else { u };
        [low, Line { slope, intercept: above(l).max(above(end)) }]
    }

    /// ln(1 + e^z) ≥ k z + H(k) for the entropy H(k) = −k ln k − (1 − k) ln(1 − k), with equality where the derivative is k (Fenchel).
    /// Both of its terms are positive and have at most six roundings.
    fn tangent(&self, slope: f64) -> Line {
        if !(0.0 < slope && slope < 1.0) {
            return Line { slope, intercept: 0.0 };
        }
        let entropy = -slope * libm::log(slope) - (1.0 - slope) * libm::log1p(-slope);
        Line { slope, intercept: (entropy - (16.0 * UNIT * entropy + TINY)).max(0.0) }
    }

    fn touches(&self, slope: f64) -> f64 {
        libm::log(slope / (1.0 - slope)).clamp(-FAR, FAR)
    }
}

/// Beyond this, values are e^x or x within double precision.
const FAR: f64 = 40.0;

impl Softplus {
    /// A float ≤ the exact value at x.
    fn down(&self, x: f64) -> f64 {
        let v = self.value(x);
        nan_to(v - (ROUNDINGS * UNIT * v + TINY), 0.0).max(0.0)
    }

    /// A float ≥ the exact value at x.
    fn up(&self, x: f64) -> f64 {
        let v = self.value(x);
        nan_to(v + (ROUNDINGS * UNIT * v + TINY), f64::INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Rational;
    use crate::num::hostile::{exact, exp};
    use num_traits::One;
    use proptest::prelude::*;

    /// Whether y ≤ ln(1 + e^x), by e^y ≤ 1 + e^x to hundreds of bits.
    fn is_below(y: Rational, x: f64) -> bool {
        exp(&y) <= Rational::one() + exp(&exact(x))
    }

    fn at(line: Line, z: f64) -> Rational {
        exact(line.slope) * exact(z) + exact(line.intercept)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

        #[test]
        fn softplus_is_enclosed(x in -30.0f64..30.0, near_zero: bool) {
            let x = if near_zero { x / 30.0 } else { x };
            prop_assert!(is_below(exact(Softplus.down(x)), x));
            prop_assert!(!is_below(exact(Softplus.up(x)), x));
            prop_assert!(Softplus.up(x) - Softplus.down(x) < 1e-14 * (1.0 + x.abs()));
        }

        /// Where values are subnormal, with no relative accuracy.
        #[test]
        fn tiny_values_of_softplus_are_enclosed(x in -745.0f64..-700.0) {
            prop_assert!(is_below(exact(Softplus.down(x)), x));
            prop_assert!(!is_below(exact(Softplus.up(x)), x));
        }

        /// At the ends, where the chord touches, and where the tangents do.
        #[test]
        fn softplus_lines_enclose(l in -30.0f64..30.0, width in 0.0f64..30.0, t in 0.0f64..1.0, k in 0.0f64..1.0) {
            let u = l + width;
            let [low, high] = Softplus.lines(l, u);
            let own = Softplus.tangent(super::super::curve::sigmoid(l + k * width));
            let touches = [low, own].map(|line| Softplus.touches(line.slope));
            for z in [l, u, touches[0], touches[1], l + t * width] {
                prop_assert!(is_below(at(own, z), z));
                let z = z.clamp(l, u);
                prop_assert!(is_below(at(low, z), z) && !is_below(at(high, z), z));
            }
            // Not vacuous: tangents touch.
            let z = touches[1];
            prop_assert!(Softplus.value(z) - (own.slope * z + own.intercept) < 1e-12);
        }
    }

    /// Where entropies are subnormal: at the point where the tangent touches.
    #[test]
    fn tangents_of_tiny_slopes_are_below() {
        for k in 1..400 {
            let line = Softplus.tangent(f64::from_bits(k));
            let z = libm::log(line.slope);
            assert!(is_below(at(line, z), z), "{k}");
        }
    }

    #[test]
    fn softplus_at_the_ends_of_the_world() {
        let infinity = f64::INFINITY;
        assert_eq!(Softplus.range(-infinity, infinity), (0.0, infinity));
        let lines = |l, u| Softplus.lines(l, u).map(|line| (line.slope, line.intercept));
        let [low, high] = lines(-infinity, 1.0);
        assert!(low == (0.0, 0.0) && high.0 == 0.0 && (1.3..1.4).contains(&high.1));
        let [low, high] = lines(-1.0, infinity);
        assert!(low == (1.0, 0.0) && high.0 == 1.0 && (1.3..1.4).contains(&high.1));
        assert_eq!(lines(-infinity, infinity), [(0.0, 0.0), (0.0, infinity)]);
        let [_, high] = lines(0.5, 0.5);
        assert!(high.0 == 0.0 && high.1 >= Softplus.value(0.5) && high.1 < 0.98);
        for slope in [0.0, 1.0] {
            assert_eq!(Softplus.tangent(slope).intercept, 0.0);
            assert!(Softplus.touches(slope).is_finite());
        }
    }

    #[test]
    fn slopes_move_towards_where_the_minimiser_is() {
        for z in [-3.0, 0.0, 0.25, 7.0] {
            let slope = super::super::curve::sigmoid(z);
            assert!((Softplus.touches(slope) - z).abs() < 1e-12);
            // d/dk (k z₀ + H(k)) = z₀ − touches(k).
            let (h, bound) = (1e-5, |k: f64| k * 0.5 + Softplus.tangent(k).intercept);
            let difference =
                (bound(slope + h * slope) - bound(slope - h * slope)) / (2.0 * h * slope);
            assert!((difference - (0.5 - z)).abs() < 1e-3, "{difference}");
        }
    }
}
