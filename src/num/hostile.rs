//! Numbers whose sums and products lose as much as rounding can take, for tests.

use super::{Rational, UNIT, from_f64};
use num_bigint::BigInt;
use num_traits::Zero;
use proptest::prelude::*;

/// The exact value of a finite double.
pub fn exact(x: f64) -> Rational {
    from_f64(x).expect("finite")
}

/// Σ aᵢ bᵢ exactly.
pub fn exact_dot(a: &[f64], b: &[f64]) -> Rational {
    a.iter().zip(b).fold(Rational::zero(), |sum, (&a, &b)| sum + exact(a) * exact(b))
}

/// 1, and then numbers that are each lost beside it, and still are when all are multiplied by one that is nearly a power of two.
pub fn piled(n: usize) -> Vec<f64> {
    let mut numbers = vec![15.0 / 16.0 * UNIT; n];
    numbers[0] = 1.0;
    numbers
}

/// Numbers a little above ±1, where half a unit in the last place is the largest share. Products of two of them end anywhere in such a unit,
/// or in its middle or next to it, on either side of an even digit.
pub fn near() -> impl Strategy<Value = f64> {
    let middle = (1u32..8, 0u32..3).prop_map(|(k, more)| (k << 25) + more);
    let above = prop_oneof![0u32..1 << 28, middle];
    let above = above.prop_map(|k| 1.0 + f64::from(k) * f64::EPSILON);
    (above, any::<bool>()).prop_map(|(x, negative)| if negative { -x } else { x })
}

/// e^x for |x| < 800, to a hundred bits: Taylor's series at x/2^20, squared twenty times, on multiples of 2^-1400.
pub fn exp(x: &Rational) -> Rational {
    const BITS: u32 = 1400;
    const HALVINGS: u32 = 20;
    let one = BigInt::from(1) << BITS;
    let small = (x.numer() << (BITS - HALVINGS)) / x.denom();
    let (mut term, mut sum) = (one.clone(), one.clone());
    for n in 1..64 {
        term = ((term * &small) >> BITS) / n;
        sum += &term;
    }
    for _ in 0..HALVINGS {
        sum = (&sum * &sum) >> BITS;
    }
    Rational::new(sum, one)
}
