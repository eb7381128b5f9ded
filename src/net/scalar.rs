//! Scalar nonlinearities other than ReLU, with rigorous enclosures of their values.
//!
//! The exponential comes from `libm` (the same code on every platform), whose results are within one unit in the last
//! place; sigmoid and tanh built on it are within [`ROUNDINGS`] relative roundings, which every enclosure charges.

use crate::num::{TINY, UNIT, nan_to};

/// Relative roundings charged for a computed sigmoid or tanh: at most four occur.
const ROUNDINGS: f64 = 8.0;

/// An S-shaped activation: increasing, convex below 0, concave above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// 1 / (1 + e^−x).
    Sigmoid,
    /// (e^x − e^−x) / (e^x + e^−x).
    Tanh,
}

impl Curve {
    /// The function's value, rounded.
    #[must_use]
    pub fn value(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => tanh(x),
        }
    }

    /// The derivative, rounded.
    #[must_use]
    pub fn derivative(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid(x) * sigmoid(-x),
            Self::Tanh => {
                let t = tanh(x);
                (1.0 - t) * (1.0 + t)
            }
        }
    }

    /// Infimum and supremum.
    #[must_use]
    pub fn range(self) -> (f64, f64) {
        match self {
            Self::Sigmoid => (0.0, 1.0),
            Self::Tanh => (-1.0, 1.0),
        }
    }

    /// A float ≤ the exact value at x.
    #[must_use]
    pub fn value_down(self, x: f64) -> f64 {
        let v = self.value(x);
        nan_to(v - (ROUNDINGS * UNIT * v.abs() + TINY), f64::NEG_INFINITY)
            .next_down()
            .max(self.range().0)
    }

    /// A float ≥ the exact value at x.
    #[must_use]
    pub fn value_up(self, x: f64) -> f64 {
        let v = self.value(x);
        nan_to(v + (ROUNDINGS * UNIT * v.abs() + TINY), f64::INFINITY).next_up().min(self.range().1)
    }
}

/// 1 / (1 + e^−x), rounded.
#[must_use]
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + libm::exp(-x))
    } else {
        let e = libm::exp(x);
        e / (1.0 + e)
    }
}

/// The hyperbolic tangent, rounded.
#[must_use]
pub fn tanh(x: f64) -> f64 {
    libm::tanh(x)
}

/// An enclosure of { 1/x : x ∈ [lower, upper] }; everything where the interval holds 0.
#[must_use]
pub fn recip_interval(lower: f64, upper: f64) -> (f64, f64) {
    if lower > 0.0 || upper < 0.0 {
        ((1.0 / upper).next_down(), (1.0 / lower).next_up())
    } else {
        (f64::NEG_INFINITY, f64::INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn reciprocals_enclose() {
        let (lo, hi) = recip_interval(3.0, 7.0);
        assert!(lo * 7.0 <= 1.0 && hi * 3.0 >= 1.0 && hi - lo < 0.2);
        assert_eq!(recip_interval(-1.0, 1.0), (f64::NEG_INFINITY, f64::INFINITY));
    }
}
