//! Directed rounding and a-priori error bounds for IEEE 754 double precision.
//!
//! Rust evaluates `f64` arithmetic in round-to-nearest, without flushing subnormals. Hence for a single
//! operation the exact result lies between the floats next to the computed one, and for a dot product of
//! length n, evaluated in any order, with or without fused multiply-add,
//!
//! ```text
//! |fl(Σ aᵢwᵢ) − Σ aᵢwᵢ| ≤ γₙ Σ |aᵢ||wᵢ| + n·2⁻¹⁰⁷⁴,   γₙ = n·u / (1 − n·u),  u = 2⁻⁵³
//! ```
//!
//! (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., §3.1 and §2.8.)

/// The unit roundoff u = 2⁻⁵³ of double precision.
pub const UNIT: f64 = f64::EPSILON / 2.0;

/// More than the absolute error 2⁻¹⁰⁷⁵ that one underflowing operation can make; normal, so products with it behave.
pub const TINY: f64 = f64::MIN_POSITIVE;

/// γₙ = n·u / (1 − n·u), rounded up. Infinite where n·u ≥ 1/2 (no such dot product fits in memory).
#[must_use]
pub fn gamma(n: usize) -> f64 {
    let nu = n as f64 * UNIT;
    if nu >= 0.5 { f64::INFINITY } else { (nu / (1.0 - nu)).next_up().next_up() }
}

/// An upper bound of a sum of `n` non-negative products, from its computed value `x`.
///
/// fl(S) ≥ (1 − γₙ)·S − n·2⁻¹⁰⁷⁴ and 1/(1 − γₙ) ≤ 1 + 2γₙ for γₙ ≤ 1/2, so
/// S ≤ (1 + 2γₙ)·fl(S) + 2n·2⁻¹⁰⁷⁴.
#[must_use]
pub fn inflate(x: f64, n: usize) -> f64 {
    let factor = (1.0 + 2.0 * gamma(n)).next_up();
    ((x * factor).next_up() + n as f64 * TINY).next_up()
}

/// a + b rounded down (−∞ where the sum is undefined).
#[must_use]
pub fn add_down(a: f64, b: f64) -> f64 {
    nan_to(a + b, f64::NEG_INFINITY).next_down()
}

/// a + b rounded up (+∞ where the sum is undefined).
#[must_use]
pub fn add_up(a: f64, b: f64) -> f64 {
    nan_to(a + b, f64::INFINITY).next_up()
}

/// a − b rounded down.
#[must_use]
pub fn sub_down(a: f64, b: f64) -> f64 {
    add_down(a, -b)
}

/// a − b rounded up.
#[must_use]
pub fn sub_up(a: f64, b: f64) -> f64 {
    add_up(a, -b)
}

/// a · b rounded down; exact zeros stay zero, and 0·∞ is 0 (a bound times an absent coefficient).
#[must_use]
pub fn mul_down(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { nan_to(a * b, f64::NEG_INFINITY).next_down() }
}

/// a · b rounded up; exact zeros stay zero.
#[must_use]
pub fn mul_up(a: f64, b: f64) -> f64 {
    -mul_down(-a, b)
}

/// `x`, or `bound` where `x` is not a number.
#[must_use]
pub fn nan_to(x: f64, bound: f64) -> f64 {
    if x.is_nan() { bound } else { x }
}

/// The largest single-precision number that is not larger than x.
#[must_use]
pub fn single_down(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) > x { near.next_down() } else { near }
}

/// The least single-precision number that is not smaller than x.
#[must_use]
pub fn single_up(x: f64) -> f32 {
    -single_down(-x)
}

/// Knuth's error-free transformation: (s, e) with s = fl(a + b) and s + e = a + b exactly (barring overflow).
#[must_use]
pub fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn single_precision_is_rounded_outward(x: f64) {
            prop_assume!(!x.is_nan());
            prop_assert!(f64::from(single_down(x)) <= x && x <= f64::from(single_up(x)));
        }
    }

    #[test]
    fn gamma_is_an_upper_bound_of_n_u() {
        for n in [1, 2, 10, 784, 1 << 20] {
            let exact_lower = n as f64 * UNIT;
            assert!(gamma(n) > exact_lower && gamma(n) < exact_lower * 1.001);
        }
        assert_eq!(gamma(usize::MAX), f64::INFINITY);
    }

    #[test]
    fn directed_operations_enclose() {
        assert!(add_down(0.1, 0.2) < add_up(0.1, 0.2));
        assert_eq!(mul_up(0.0, f64::INFINITY), 0.0);
        assert_eq!(add_down(f64::INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(mul_down(1e-200, 1e-200) < 0.0 && mul_up(1e-200, 1e-200) > 0.0);
    }

    #[test]
    fn two_sum_recovers_the_lost_part() {
        let (s, e) = two_sum(1.0, 1e-20);
        assert_eq!((s, e), (1.0, 1e-20));
    }
}
