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

/// γₙ = n·u / (1 − n·u), rounded up; 0 for n = 0. Infinite where n·u ≥ 1/2 (no such dot product fits in memory).
///
/// Only the quotient is rounded: n·u and 1 − n·u are doubles.
#[must_use]
pub fn gamma(n: usize) -> f64 {
    let nu = n as f64 * UNIT;
    match n {
        0 => 0.0,
        _ if nu >= 0.5 => f64::INFINITY,
        _ => (nu / (1.0 - nu)).next_up(),
    }
}

/// An upper bound of a sum of `n` non-negative products, or of anything else without signs whose parts pass through at most `n`
/// roundings each, from its computed value `x`.
///
/// S ≤ (1 + u)ⁿ (x + n·2⁻¹⁰⁷⁵). The factor is at least 1 + 2n·u, as that is a double; so its product with x, rounded, is at least
/// (1 + 2n·u)(1 − u) x, for n ≥ 2 more than (1 + u)ⁿ x by about (n − 1) u x, and for n = 1 the double after x. Where that is less than what
/// underflow lost and the last sum rounds, n·2⁻¹⁰²² pays for both.
#[must_use]
pub fn inflate(x: f64, n: usize) -> f64 {
    x * (1.0 + 2.0 * gamma(n)) + n as f64 * TINY
}

/// An upper bound of a sum of charges, from its computed value `x`.
///
/// Charges are sums without signs. Their parts pass through fewer than 2⁴⁶ roundings each, so they are off by less than a hundredth of
/// themselves; those that underflow, fewer than 2⁵², by 2⁻¹⁰⁷⁵ each.
#[must_use]
pub fn ample(x: f64) -> f64 {
    1.01 * x + TINY
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
    use super::super::Rational;
    use super::super::hostile::{exact, near, piled};
    use super::*;
    use num_traits::{One, Zero};
    use proptest::prelude::*;

    /// Any finite numbers, many of them near each other, near ±1, or subnormal.
    fn finite() -> impl Strategy<Value = f64> {
        let any = any::<f64>().prop_filter("finite", |x| x.is_finite());
        let subnormal = (0u64..1 << 52).prop_map(f64::from_bits);
        prop_oneof![any, near(), near().prop_map(|x| x * UNIT), subnormal]
    }

    fn is_below(low: f64, x: &Rational) -> bool {
        low == f64::NEG_INFINITY || (low.is_finite() && exact(low) <= *x)
    }

    fn is_above(high: f64, x: &Rational) -> bool {
        is_below(-high, &-x)
    }

    proptest! {
        #![proptest_config(crate::num::hostile::cases(3000))]

        #[test]
        fn single_precision_is_rounded_outward(x: f64) {
            prop_assume!(!x.is_nan());
            prop_assert!(f64::from(single_down(x)) <= x && x <= f64::from(single_up(x)));
        }

        #[test]
        fn directed_operations_enclose_exact_ones(a in finite(), b in finite()) {
            let (sum, product) = (exact(a) + exact(b), exact(a) * exact(b));
            prop_assert!(is_below(add_down(a, b), &sum) && is_above(add_up(a, b), &sum));
            prop_assert!(is_below(sub_down(a, -b), &sum) && is_above(sub_up(a, -b), &sum));
            prop_assert!(is_below(mul_down(a, b), &product) && is_above(mul_up(a, b), &product));
        }
    }

    /// n·u / (1 − n·u) is at most what is computed, which is little more.
    #[test]
    fn gamma_is_rounded_up() {
        assert_eq!(gamma(0), 0.0);
        for n in (1..2000).chain([1 << 20, (1 << 30) + 1, (1 << 40) + 12345]) {
            let nu = Rational::from_integer(n.into()) * exact(UNIT);
            let gamma_n = &nu / (Rational::one() - &nu);
            assert!(exact(gamma(n)) >= gamma_n && gamma(n) < 1.001 * n as f64 * UNIT, "{n}");
        }
        assert_eq!(gamma(usize::MAX), f64::INFINITY);
    }

    #[test]
    fn inflated_sums_are_at_least_the_exact_ones() {
        let least = f64::from_bits(1);
        let products = [
            piled(1000).into_iter().map(|x| (x, 1.0)).collect::<Vec<_>>(),
            // All of these underflow.
            vec![(least, 0.5); 1000],
        ];
        for products in products {
            let computed = products.iter().fold(0.0, |sum, (a, b)| sum + a * b);
            let sum =
                products.iter().fold(Rational::zero(), |sum, &(a, b)| sum + exact(a) * exact(b));
            assert!(exact(computed) < sum && sum <= exact(inflate(computed, products.len())));
        }
    }

    #[test]
    fn what_is_undefined_says_nothing() {
        assert_eq!(mul_up(0.0, f64::INFINITY), 0.0);
        assert_eq!(mul_down(f64::NAN, 1.0), f64::NEG_INFINITY);
        assert_eq!(mul_up(f64::NAN, 1.0), f64::INFINITY);
        assert_eq!(add_down(f64::INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert_eq!(add_up(f64::INFINITY, f64::NEG_INFINITY), f64::INFINITY);
    }

    #[test]
    fn two_sum_recovers_the_lost_part() {
        let (s, e) = two_sum(1.0, 1e-20);
        assert_eq!((s, e), (1.0, 1e-20));
    }
}
