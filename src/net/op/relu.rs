//! max(x, 0): exact pieces on either side of 0, lines below through the origin, of any slope of [0, 1].

use super::unary::Unary;
use super::{Line, Splits};
use crate::num::{Rational, mul_up, nan_to};
use num_traits::{Signed, Zero};

/// max(x, 0).
#[derive(Debug)]
pub struct Relu;

impl Unary for Relu {
    const SPLITS: Splits = Splits::AtZero;
    const FREE: bool = true;
    const THROUGH_ORIGIN: bool = true;

    fn value(&self, x: f64) -> f64 {
        x.max(0.0)
    }

    fn exact(&self, l: &Rational, u: &Rational) -> Option<[Rational; 2]> {
        Some([l, u].map(|x| if x.is_negative() { Rational::zero() } else { x.clone() }))
    }

    /// The derivative at 0 is taken as 0, or as the leak.
    fn chain(&self, x: f64, g: f64, leak: f64) -> f64 {
        if x > 0.0 { g } else { leak * g }
    }

    fn range(&self, l: f64, u: f64) -> (f64, f64) {
        (l.max(0.0), u.max(0.0))
    }

    /// relu(z) ≥ α z for any α in [0, 1], here 0 or 1, whichever leaves the smaller triangle (Zhang et al. 2018);
    /// relu(z) ≤ s z + t for any s in [0, 1] with t = max(−s l, (1 − s) u).
    fn lines(&self, l: f64, u: f64) -> [Line; 2] {
        let (alpha, slope, intercept) = if l >= 0.0 {
            (1.0, 1.0, 0.0)
        } else if u <= 0.0 {
            (0.0, 0.0, 0.0)
        } else {
            let s = upper_slope(l, u);
            (default_slope(l, u), s, upper_intercept(s, l, u))
        };
        [Line { slope: alpha, intercept: 0.0 }, Line { slope, intercept }]
    }
}

/// The slope above a ReLU on [l, u], l < 0 < u: that of the chord, as a multiple of 2⁻³², which is what a proof's reader keeps of it.
#[must_use]
pub fn upper_slope(l: f64, u: f64) -> f64 {
    const UNITS: f64 = 4_294_967_296.0;
    // An infinite end leaves 1 or 0: relu(z) ≤ z − l, or relu(z) ≤ u.
    let chord = if l == f64::NEG_INFINITY { 0.0 } else { nan_to(u / (u - l), 1.0).clamp(0.0, 1.0) };
    (chord * UNITS).round() / UNITS
}

/// The slope below a ReLU on [l, u], l < 0 < u, where nobody chose another: 1 if u ≥ −l·1023/1024, else 0.
///
/// The smaller area belongs to 1 if u ≥ −l. But in networks and regions with symmetries u = −l holds often, up to rounding, and a proof's
/// reader has to come to the same choice; no symmetry makes 1023/1024.
#[must_use]
pub fn default_slope(l: f64, u: f64) -> f64 {
    if u >= -l * TIE { 1.0 } else { 0.0 }
}

const TIE: f64 = 1023.0 / 1024.0;

/// Whether somebody else, who rounds elsewhere, may come to another default slope: their ends differ by no more than this share of the
/// interval.
#[must_use]
pub fn default_in_doubt(l: f64, u: f64) -> bool {
    const SHARE: f64 = 1e-5;
    (u + l * TIE).abs() <= SHARE * (u - l)
}

/// t = max(−s l, (1 − s) u), rounded up: relu(z) ≤ s z + t on [l, u]. As s is a multiple of 2⁻³², 1 − s is exact.
fn upper_intercept(s: f64, l: f64, u: f64) -> f64 {
    mul_up(-s, l).max(mul_up(1.0 - s, u)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Rational;
    use crate::num::hostile::{exact, near};
    use num_traits::Zero;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::num::hostile::cases(3000))]

        /// At both ends and at 0, where a convex function is furthest from a line above it.
        #[test]
        fn relu_lines_enclose(l in near(), u in near(), scale in -60i32..60, s: u32) {
            let (l, u) = (-l.abs(), u.abs() * 2f64.powi(scale));
            let s = f64::from(s) / 2f64.powi(32);
            let [low, high] = Relu.lines(l, u);
            for z in [l, 0.0, u].map(exact) {
                let relu = z.clone().max(Rational::zero());
                prop_assert!(low.intercept == 0.0 && exact(low.slope) * &z <= relu);
                prop_assert!(exact(high.slope) * &z + exact(high.intercept) >= relu);
                prop_assert!(exact(s) * &z + exact(upper_intercept(s, l, u)) >= relu);
            }
        }
    }

    #[test]
    fn stable_and_infinite_neurons() {
        let lines = |l, u| Relu.lines(l, u).map(|line| (line.slope, line.intercept));
        assert_eq!(lines(0.0, 3.0), [(1.0, 0.0); 2]);
        assert_eq!(lines(-3.0, -0.0), [(0.0, 0.0); 2]);
        let [_, (s, t)] = lines(f64::NEG_INFINITY, 2.0);
        assert!(s == 0.0 && t >= 2.0);
        let [_, (s, t)] = lines(-2.0, f64::INFINITY);
        assert!(s == 1.0 && t >= 2.0);
    }
}
