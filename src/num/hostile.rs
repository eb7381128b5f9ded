//! Numbers whose sums and products lose as much as rounding can take, for tests.

use super::{Rational, UNIT, from_f64};
use num_bigint::BigInt;
use num_traits::Zero;
use proptest::prelude::*;

/// So many cases of a random test, or as many as the variable PROPTEST_CASES says.
pub fn cases(count: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(count), ..ProptestConfig::default() }
}

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

/// Elementary functions of moderate numbers to some hundred bits, in integers that count 2^-400.
pub mod series {
    use super::{BigInt, Rational, Zero};
    use num_traits::{One, Signed, ToPrimitive};

    const BITS: usize = 400;

    fn fixed(x: &Rational) -> BigInt {
        (x.numer() << BITS) / x.denom()
    }

    fn rational(x: BigInt) -> Rational {
        Rational::new(x, BigInt::one() << BITS)
    }

    /// Σ of terms of which each follows from the one before, term n by a factor ± x / divisor(n).
    fn sum(
        first: BigInt,
        x: &BigInt,
        divisor: impl Fn(u64) -> u64,
        weight: impl Fn(u64) -> u64,
    ) -> BigInt {
        let (mut term, mut sum) = (first.clone(), first);
        for n in 1.. {
            term = ((term * x) >> BITS) / divisor(n);
            if term.abs() <= BigInt::one() {
                break;
            }
            sum += &term / weight(n);
        }
        sum
    }

    /// The number itself.
    pub fn same(x: &Rational) -> Rational {
        rational(fixed(x))
    }

    /// e^x.
    pub fn exp(x: &Rational) -> Rational {
        const HALVINGS: usize = 12;
        let small = fixed(x) >> HALVINGS;
        let mut y = sum(BigInt::one() << BITS, &small, |n| n, |_| 1);
        for _ in 0..HALVINGS {
            y = (&y * &y) >> BITS;
        }
        rational(y)
    }

    /// ln x: three steps of Halley's method.
    pub fn ln(x: &Rational) -> Rational {
        let mut y = super::exact(x.to_f64().expect("a double").ln());
        for _ in 0..3 {
            let e = exp(&y);
            y = same(&(y + Rational::from_integer(2.into()) * (x - &e) / (x + &e)));
        }
        y
    }

    /// (sin x, cos x).
    pub fn sin_cos(x: &Rational) -> (Rational, Rational) {
        let x = fixed(x);
        let square: BigInt = -((&x * &x) >> BITS);
        let sine = sum(x, &square, |n| 2 * n * (2 * n + 1), |_| 1);
        let cosine = sum(BigInt::one() << BITS, &square, |n| (2 * n - 1) * 2 * n, |_| 1);
        (rational(sine), rational(cosine))
    }

    /// atan x, by steps that triple the places.
    pub fn atan(x: &Rational) -> Rational {
        let mut y = super::exact(x.to_f64().expect("a double").atan());
        for _ in 0..4 {
            let (s, c) = sin_cos(&y);
            let tangent = (x * &c - &s) / (&c + x * &s);
            y = same(&(y + tangent));
        }
        y
    }

    /// √x.
    pub fn sqrt(x: &Rational) -> Rational {
        let scaled: BigInt = fixed(x) << BITS;
        rational(scaled.sqrt())
    }

    /// π = 4 atan 1.
    pub fn pi() -> Rational {
        atan(&Rational::one()) * Rational::from_integer(4.into())
    }

    /// erf x, by Taylor's series.
    pub fn erf(x: &Rational) -> Rational {
        let x = fixed(x);
        let square: BigInt = -((&x * &x) >> BITS);
        let series = rational(sum(x, &square, |n| n, |n| 2 * n + 1));
        if series.is_zero() {
            series
        } else {
            series * Rational::from_integer(2.into()) / sqrt(&pi())
        }
    }
}
