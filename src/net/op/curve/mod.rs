//! S-shaped activations: increasing, convex below 0, concave above, with rigorous enclosures of their values.
//!
//! The exponential comes from `libm` (the same code on every platform), whose results are within one unit in the last
//! place; sigmoid and tanh built on it are within [`ROUNDINGS`] relative roundings, which every enclosure charges.

mod lines;

use super::unary::Unary;
use super::{Line, Splits};
use crate::num::{TINY, UNIT};

/// Relative roundings charged for a computed sigmoid or tanh, and for adding that: at most six occur.
const ROUNDINGS: f64 = 8.0;

/// An S-shaped activation: increasing, convex below 0, concave above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// 1 / (1 + e^−x).
    Sigmoid,
    /// (e^x − e^−x) / (e^x + e^−x).
    Tanh,
}

impl Unary for Curve {
    const SPLITS: Splits = Splits::Anywhere;

    fn value(&self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => libm::tanh(x),
        }
    }

    fn chain(&self, x: f64, g: f64, _leak: f64) -> f64 {
        g * self.derivative(x)
    }

    fn range(&self, l: f64, u: f64) -> (f64, f64) {
        (self.value_down(l), self.value_up(u))
    }

    fn lines(&self, l: f64, u: f64) -> [Line; 2] {
        [lines::lower(*self, l, u), lines::upper(*self, l, u)]
    }
}

impl Curve {
    /// The derivative, within 16 relative roundings (and less than the smallest normal number) everywhere, far out too: with e = e^−|x|
    /// (e^−2|x|) it is e / (1 + e)² (4 e / (1 + e)²).
    pub(super) fn derivative(self, x: f64) -> f64 {
        self.with_derivative(x).1
    }

    /// Value and derivative from one exponential; of the value, which may be less accurate than [`Self::value`], nothing may depend
    /// that must be sound.
    pub(super) fn with_derivative(self, x: f64) -> (f64, f64) {
        match self {
            Self::Sigmoid => {
                let e = libm::exp(-x.abs());
                let value = if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
                (value, e / ((1.0 + e) * (1.0 + e)))
            }
            Self::Tanh => {
                let e = libm::exp(-2.0 * x.abs());
                let value = (1.0 - e) / (1.0 + e);
                (value.copysign(x), 4.0 * e / ((1.0 + e) * (1.0 + e)))
            }
        }
    }

    /// The second derivative from value and first derivative, rounded.
    pub(super) fn second_derivative(self, value: f64, derivative: f64) -> f64 {
        match self {
            Self::Sigmoid => derivative * (1.0 - 2.0 * value),
            Self::Tanh => -2.0 * value * derivative,
        }
    }

    /// The x ≤ 0 where the derivative is k, about; −∞ for k ≤ 0, 0 where no derivative is as large.
    pub(super) fn where_derivative_is(self, k: f64) -> f64 {
        if k <= 0.0 {
            return f64::NEG_INFINITY;
        }
        match self {
            Self::Sigmoid => {
                let value = 2.0 * k / (1.0 + (1.0 - 4.0 * k).max(0.0).sqrt());
                libm::log(value / (1.0 - value)).min(0.0)
            }
            Self::Tanh => libm::log(k.sqrt() / (1.0 + (1.0 - k).max(0.0).sqrt())).min(0.0),
        }
    }

    /// Infimum and supremum.
    pub(super) fn limits(self) -> (f64, f64) {
        match self {
            Self::Sigmoid => (0.0, 1.0),
            Self::Tanh => (-1.0, 1.0),
        }
    }

    /// A float ≤ the exact value at x.
    pub(super) fn value_down(self, x: f64) -> f64 {
        let v = self.value(x);
        (v - (ROUNDINGS * UNIT * v.abs() + TINY)).max(self.limits().0)
    }

    /// A float ≥ the exact value at x.
    pub(super) fn value_up(self, x: f64) -> f64 {
        let v = self.value(x);
        (v + (ROUNDINGS * UNIT * v.abs() + TINY)).min(self.limits().1)
    }
}

/// 1 / (1 + e^−x), rounded.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + libm::exp(-x))
    } else {
        let e = libm::exp(x);
        e / (1.0 + e)
    }
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

        /// Against e^x to hundreds of bits.
        #[test]
        fn values_and_derivatives_are_enclosed(x in -25.0f64..25.0, near_zero: bool) {
            let x = if near_zero { x / 25.0 } else { x };
            let one = Rational::one();
            let e = exp(&exact(-x));
            let sigmoid = &one / (&one + &e);
            let tanh = (&one - &e * &e) / (&one + &e * &e);
            for (curve, value, derivative) in [
                (Curve::Sigmoid, sigmoid.clone(), &sigmoid * (&one - &sigmoid)),
                (Curve::Tanh, tanh.clone(), &one - &tanh * &tanh),
            ] {
                prop_assert!(exact(curve.value_down(x)) <= value);
                prop_assert!(value <= exact(curve.value_up(x)));
                let error = (exact(curve.derivative(x)) - &derivative).abs();
                prop_assert!(error <= derivative * exact(16.0 * UNIT));
            }
        }
    }

    proptest! {
        /// Where values are subnormal, with no relative accuracy.
        #[test]
        fn tiny_values_are_enclosed(x in -745.0f64..-700.0) {
            let e = exp(&exact(x));
            let value = &e / (Rational::one() + &e);
            prop_assert!(exact(Curve::Sigmoid.value_down(x)) <= value);
            prop_assert!(value <= exact(Curve::Sigmoid.value_up(x)));
        }
    }

    #[test]
    fn enclosures_hold_known_values() {
        // sigmoid(1) and tanh(1) to 20 digits.
        for (curve, exact) in
            [(Curve::Sigmoid, 0.731_058_578_630_004_9), (Curve::Tanh, 0.761_594_155_955_764_9)]
        {
            assert!(curve.value_down(1.0) < exact && exact < curve.value_up(1.0));
            assert!(curve.value_up(1.0) - curve.value_down(1.0) < 1e-14);
        }
        assert_eq!(Curve::Sigmoid.value_down(-1e9), 0.0);
        assert_eq!(Curve::Tanh.value_up(1e9), 1.0);
        assert!(Curve::Sigmoid.value_up(-1e9) > 0.0);
    }

    #[test]
    fn derivatives_are_accurate_far_out() {
        // 4 e^−40 / (1 + e^−40)² and e^−30 / (1 + e^−30)², to 16 digits.
        let known = [
            (Curve::Tanh, 20.0, 1.699_341_702_116_635_5e-17),
            (Curve::Sigmoid, 30.0, 9.357_622_968_838_423e-14),
        ];
        for (curve, x, exact) in known {
            for x in [x, -x] {
                assert!((curve.derivative(x) - exact).abs() < 1e-14 * exact, "{curve:?} {x}");
            }
        }
        for curve in [Curve::Sigmoid, Curve::Tanh] {
            for x in [-30.0, -3.0, -0.5, -1e-3] {
                let (value, derivative) = curve.with_derivative(x);
                assert!((value - curve.value(x)).abs() < 1e-15);
                assert!((curve.where_derivative_is(derivative) - x).abs() < 1e-9 * (1.0 - x));
                let step = 1e-4;
                let second =
                    (curve.derivative(x + step) - curve.derivative(x - step)) / (2.0 * step);
                assert!((curve.second_derivative(value, derivative) - second).abs() < 1e-6);
            }
            assert_eq!(curve.where_derivative_is(2.0), 0.0);
            assert_eq!(curve.where_derivative_is(0.0), f64::NEG_INFINITY);
        }
    }
}
