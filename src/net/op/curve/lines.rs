//! Linear bounds of S-shaped activations: any slope, with an intercept that is proved for it.

use super::{Curve, Line};
use crate::net::op::unary::Unary;
use crate::num::{TINY, UNIT, sub_down};

/// Steps of Newton's method for tangent points, at most, and how near to one it stops; the slope need not be exact, only near the best
/// one.
const STEPS: usize = 12;
const NEAR: f64 = 1e-6;

/// A line below f on [l, u]. The slope is that of CROWN for S-shaped functions (Zhang et al. 2018, §3.3): a chord where f
/// is concave, a tangent where it is convex, the tangent through (u, f(u)) in between.
pub fn lower(curve: Curve, l: f64, u: f64) -> Line {
    let floor = Line::constant(curve.value_down(l));
    if !(l < u && l.is_finite() && u.is_finite()) {
        return floor;
    }
    let chord = (curve.value(u) - curve.value(l)) / (u - l);
    let slope = if u <= 0.0 {
        curve.derivative(0.5 * (l + u))
    } else if l >= 0.0 {
        chord
    } else {
        tangent_through(curve, l, u).unwrap_or(chord)
    };
    let slope = slope.clamp(0.0, 1.0);
    let intercept = lower_intercept(curve, slope, l, u);
    if intercept.is_finite() { Line { slope, intercept } } else { floor }
}

/// A line above f on [l, u], by the symmetry f(−z) = C − f(z) with C = 1 for the sigmoid and 0 for tanh.
pub fn upper(curve: Curve, l: f64, u: f64) -> Line {
    let Line { slope, intercept } = lower(curve, -u, -l);
    let total = curve.limits().0 + curve.limits().1;
    Line { slope, intercept: -sub_down(intercept, total) }
}

/// f'(d) for a d near that in [l, 0] whose tangent passes through (u, f(u)); `None` where that point lies left of l.
fn tangent_through(curve: Curve, l: f64, u: f64) -> Option<f64> {
    // h(d) = f(d) + f'(d)(u − d) − f(u) grows with d: tangents at 0 pass above (u, f(u)), far left ones below. h' = f''(d)(u − d).
    let end = curve.value(u);
    let h = |d: f64| {
        let (value, derivative) = curve.with_derivative(d);
        let second = curve.second_derivative(value, derivative);
        (value + derivative * (u - d) - end, second * (u - d))
    };
    if h(l).0 > 0.0 {
        return None;
    }
    let (mut left, mut right) = (l, 0.0);
    let mut d = 0.5 * (left + right);
    for _ in 0..STEPS {
        let (height, growth) = h(d);
        if height > 0.0 {
            right = d
        } else {
            left = d
        }
        let newton = d - height / growth;
        let next = if left < newton && newton < right { newton } else { 0.5 * (left + right) };
        let moved = (next - d).abs();
        d = next;
        if moved <= NEAR * (1.0 + d.abs()) {
            break;
        }
    }
    Some(curve.derivative(d))
}

/// A lower bound of min { f(z) − k z : z ∈ [l, u] }.
///
/// On the concave side (z ≥ 0) the minimum is at an end. On the convex side it is no less than that of any tangent; with one near the
/// minimum this loses next to nothing.
fn lower_intercept(curve: Curve, k: f64, l: f64, u: f64) -> f64 {
    let mut least = above_line(curve, k, l).min(above_line(curve, k, u));
    if u > 0.0 {
        least = least.min(above_line(curve, k, l.max(0.0)));
    }
    if l < 0.0 {
        let end = u.min(0.0);
        let p = curve.where_derivative_is(k).clamp(l, end);
        least = least.min(tangent_above_line(curve, k, p, [l, end]));
    }
    least
}

/// A lower bound of f(z) − k z, charged with 16 roundings of f(z), of which four are its own and three those of sums, and with 32 of k z.
fn above_line(curve: Curve, k: f64, z: f64) -> f64 {
    let (value, line) = (curve.value(z), k * z);
    value - line - (UNIT * (16.0 * value.abs() + 32.0 * line.abs()) + TINY)
}

/// A lower bound of min { f(p) + f'(p)(z − p) − k z : z ∈ [l, u] } for p ≤ u ≤ 0. The derivative is charged with 16 roundings of its own,
/// and as many for those of two sums, the distance, the product and the last sum. To the right, where it is less than k, and the
/// distance less than −p, what k p was charged with pays for all of these.
fn tangent_above_line(curve: Curve, k: f64, p: f64, [l, u]: [f64; 2]) -> f64 {
    let derivative = curve.derivative(p);
    let most = derivative - k + (32.0 * UNIT * derivative + TINY);
    let leftwards = -most.max(0.0) * (p - l);
    let rightwards = (derivative - k).min(0.0) * (u - p);
    above_line(curve, k, p) + leftwards.min(rightwards)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Rational;
    use crate::num::hostile::{exact, exp};
    use num_traits::{One, Signed};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

        /// Against e^z to hundreds of bits: at the ends, where lines touch, and near the point that the intercept is proved from.
        #[test]
        fn lines_are_bounds_exactly(l in -30.0f64..3.0, width in 0.0f64..30.0, t in 0.0f64..1.0, k in 0.0f64..1.0, tanh: bool) {
            let curve = if tanh { Curve::Tanh } else { Curve::Sigmoid };
            let u = l + width;
            // A slope as large as the derivative is somewhere in the interval.
            let slope = curve.derivative(l + k * width);
            let own = Line { slope, intercept: lower_intercept(curve, slope, l, u) };
            let (low, high) = (lower(curve, l, u), upper(curve, l, u));
            let touches = [own, low, high].map(|line| curve.where_derivative_is(line.slope));
            let [first, second, third] = touches;
            for z in [l, u, first, second, -third, l + t * width] {
                let z = z.clamp(l, u);
                let at = |line: Line| exact(line.slope) * exact(z) + exact(line.intercept);
                let (value, _) = exactly(curve, z);
                prop_assert!(at(low) <= value && at(own) <= value && value <= at(high));
            }
            // A point has a constant below it.
            prop_assert!(exact(lower(curve, l, l).intercept) <= exactly(curve, l).0);
        }

        /// Lines and tangents anywhere, wherever they would be of use.
        #[test]
        fn heights_above_lines_are_bounds(l in -350.0f64..0.0, p in 0.0f64..1.0, k in 0.0f64..1.0, how in 0usize..3, tanh: bool) {
            let curve = if tanh { Curve::Tanh } else { Curve::Sigmoid };
            let l = [l, l / 10.0, l / 100.0][how];
            let p = l * p;
            let k = if how == 0 { k * curve.derivative(p) } else { k };
            let (value, derivative) = exactly(curve, p);
            prop_assert!(exact(above_line(curve, k, p)) <= &value - exact(k) * exact(p));
            let bound = exact(tangent_above_line(curve, k, p, [l, 0.0]));
            for z in [exact(l), exact(0.0)] {
                prop_assert!(bound <= &value + &derivative * (&z - exact(p)) - exact(k) * &z);
            }
        }
    }

    /// f(z) and f'(z) to hundreds of bits.
    fn exactly(curve: Curve, z: f64) -> (Rational, Rational) {
        let one = Rational::one();
        let sigmoid = |x: Rational| {
            // Of the side that is small, which keeps its accuracy.
            let e = exp(&-x.abs());
            let small = &e / (&one + &e);
            if x.is_negative() { (small.clone(), small) } else { (&one - &small, small) }
        };
        match curve {
            Curve::Sigmoid => {
                let (value, small) = sigmoid(exact(z));
                (value, &small * (&one - &small))
            }
            Curve::Tanh => {
                let (value, small) = sigmoid(exact(2.0) * exact(z));
                (exact(2.0) * value - &one, exact(4.0) * &small * (&one - &small))
            }
        }
    }

    /// Where derivatives are subnormal, and the interval is so long that it matters.
    #[test]
    fn tangents_pay_for_subnormal_slopes() {
        let far = -2f64.powi(900);
        for i in 0..400 {
            let p = -708.0 - 0.09 * f64::from(i);
            let (value, derivative) = exactly(Curve::Sigmoid, p);
            let bound = exact(tangent_above_line(Curve::Sigmoid, 0.0, p, [far, 0.0]));
            assert!(exact(above_line(Curve::Sigmoid, 0.0, p)) <= value, "{p}");
            assert!(bound <= value + derivative * (exact(far) - exact(p)), "{p}");
        }
    }

    proptest! {
        #[test]
        fn lines_enclose_and_touch(l in -12.0f64..12.0, width in 1e-9f64..20.0, t in 0.0f64..1.0, tanh: bool) {
            let curve = if tanh { Curve::Tanh } else { Curve::Sigmoid };
            let u = l + width;
            let (low, high) = (lower(curve, l, u), upper(curve, l, u));
            let z = l + t * (u - l);
            // Values to 1e-15; the lines themselves are evaluated with rounding here.
            prop_assert!(low.slope * z + low.intercept <= curve.value(z) + 1e-13);
            prop_assert!(high.slope * z + high.intercept >= curve.value(z) - 1e-13);
            // Not vacuous: somewhere each line is close to the curve.
            let gap = (0..=2000).map(|i| l + width * f64::from(i) / 2000.0)
                .map(|z| curve.value(z) - low.slope * z - low.intercept).fold(f64::INFINITY, f64::min);
            prop_assert!(gap < 2e-3, "gap {}", gap);
        }
    }

    /// Where tanh is near −1, 1 + tanh(z) = 2 e^{2z} / (1 + e^{2z}) is known far better than tanh(z) itself.
    #[test]
    fn lines_are_below_tanh_where_it_is_flat() {
        for i in 0..4_000 {
            let l = -36.0 + 0.007 * f64::from(i);
            for width in [0.01, 0.5, 2.0, 7.0, 11.0, 16.0, 25.0] {
                let u = l + width;
                let line = lower(Curve::Tanh, l, u);
                for t in 0..=64 {
                    let z = (l + width * f64::from(t) / 64.0).min(u);
                    if z > -3.0 {
                        break;
                    }
                    let e = (2.0 * z).exp();
                    let above = 2.0 * e / (1.0 + e) - line.slope * z;
                    // intercept + 1 is exact near −1.
                    let slack = 1e-15 * above.abs().max(line.slope * z.abs());
                    assert!(above - (line.intercept + 1.0) >= -slack, "[{l}, {u}] at {z}");
                }
            }
        }
    }

    #[test]
    fn degenerate_intervals_give_constants() {
        let line = lower(Curve::Sigmoid, 0.5, 0.5);
        assert!(line.slope == 0.0 && line.intercept <= Curve::Sigmoid.value(0.5));
        assert_eq!(upper(Curve::Tanh, f64::NEG_INFINITY, 3.0).slope, 0.0);
    }
}
