//! Exact arithmetic on whole multiples of powers of two: what doubles, their sums and their products are, without fractions to cancel.

use crate::net::{Function, Network, Op};
use crate::num::{Rational, round_nearest};
use num_bigint::{BigInt, Sign};
use num_traits::Zero;
use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Mul, Neg};

/// whole · 2^power.
#[derive(Clone, Debug)]
pub struct Dyadic {
    whole: BigInt,
    power: i64,
}

impl Dyadic {
    /// The exact value of a finite double.
    pub fn from(x: f64) -> Self {
        assert!(x.is_finite(), "{x} has no exact value");
        let bits = x.to_bits();
        let (field, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
        let (whole, power) = match field {
            0 => (fraction, -1074),
            _ => (fraction | (1 << 52), field as i64 - 1075),
        };
        let sign = if x < 0.0 { Sign::Minus } else { Sign::Plus };
        Self { whole: BigInt::from_biguint(sign, whole.into()), power }.reduced()
    }

    fn reduced(mut self) -> Self {
        match self.whole.trailing_zeros() {
            None => self.power = 0,
            Some(0) => {}
            Some(zeros) => {
                self.whole >>= zeros;
                self.power += zeros as i64;
            }
        }
        self
    }

    pub fn is_positive(&self) -> bool {
        self.whole.sign() == Sign::Plus
    }

    /// The number as a fraction.
    #[must_use]
    pub fn rational(&self) -> Rational {
        let power = BigInt::from(1) << self.power.unsigned_abs();
        if self.power < 0 {
            Rational::new(self.whole.clone(), power)
        } else {
            Rational::from_integer(&self.whole * power)
        }
    }

    /// The nearest double.
    #[must_use]
    pub fn nearest(&self) -> f64 {
        round_nearest(&self.rational())
    }

    /// max(x, 0).
    pub fn relu(&self) -> Self {
        if self.is_positive() { self.clone() } else { Self::zero() }
    }
}

impl Add for &Dyadic {
    type Output = Dyadic;

    fn add(self, other: Self) -> Dyadic {
        if self.whole.sign() == Sign::NoSign {
            return other.clone();
        }
        if other.whole.sign() == Sign::NoSign {
            return self.clone();
        }
        let (low, high) = if self.power <= other.power { (self, other) } else { (other, self) };
        let whole = &low.whole + (&high.whole << (high.power - low.power));
        Dyadic { whole, power: low.power }.reduced()
    }
}

impl Mul for &Dyadic {
    type Output = Dyadic;

    /// The product of odd numbers is odd: nothing is to be reduced.
    fn mul(self, other: Self) -> Dyadic {
        Dyadic { whole: &self.whole * &other.whole, power: self.power + other.power }
    }
}

impl Add for Dyadic {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        &self + &other
    }
}

impl AddAssign for Dyadic {
    fn add_assign(&mut self, other: Self) {
        *self = &*self + &other;
    }
}

impl Mul<&Self> for Dyadic {
    type Output = Self;

    fn mul(self, other: &Self) -> Self {
        &self * other
    }
}

impl Zero for Dyadic {
    fn zero() -> Self {
        Self { whole: BigInt::ZERO, power: 0 }
    }

    fn is_zero(&self) -> bool {
        self.whole.sign() == Sign::NoSign
    }
}

impl Neg for &Dyadic {
    type Output = Dyadic;

    fn neg(self) -> Dyadic {
        Dyadic { whole: -&self.whole, power: self.power }
    }
}

impl PartialEq for Dyadic {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Dyadic {}

impl PartialOrd for Dyadic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dyadic {
    fn cmp(&self, other: &Self) -> Ordering {
        (self + &-other).whole.sign().cmp(&Sign::NoSign)
    }
}

/// Whether low ≤ x, where low may be −∞.
pub fn at_least(x: &Dyadic, low: f64) -> bool {
    low == f64::NEG_INFINITY || (low.is_finite() && Dyadic::from(low) <= *x)
}

/// Whether x ≤ high, where high may be +∞.
pub fn at_most(x: &Dyadic, high: f64) -> bool {
    at_least(&-x, -high)
}

/// Σ aᵢ xᵢ.
pub fn dot<'a>(a: impl IntoIterator<Item = &'a f64>, x: &[Dyadic]) -> Dyadic {
    let products = a.into_iter().zip(x).filter(|(a, _)| **a != 0.0);
    products.fold(Dyadic::zero(), |sum, (&a, x)| &sum + &(&Dyadic::from(a) * x))
}

/// The value of every node at a point, of a network of affine nodes with exact weights, ReLUs and products.
pub fn evaluate(net: &Network, x: &[f64]) -> Vec<Vec<Dyadic>> {
    let mut values: Vec<Vec<Dyadic>> = Vec::new();
    for node in net.nodes() {
        let value = match &node.op {
            Op::Input => x.iter().map(|&x| Dyadic::from(x)).collect(),
            Op::Affine(affine) => {
                assert_eq!(affine.roundings, 0, "the oracle needs exact weights");
                let mut y: Vec<Dyadic> = affine.bias.iter().map(|&b| Dyadic::from(b)).collect();
                for term in &affine.terms {
                    for (row, y) in y.iter_mut().enumerate() {
                        term.map.for_each_in_row(row, |c, w| {
                            if w != 0.0 {
                                *y = &*y + &(&Dyadic::from(w) * &values[term.source][c]);
                            }
                        });
                    }
                }
                y
            }
            Op::Elementwise(Function::Relu, z) => values[z[0]].iter().map(Dyadic::relu).collect(),
            Op::Elementwise(Function::Product, z) => {
                values[z[0]].iter().zip(&values[z[1]]).map(|(a, b)| a * b).collect()
            }
            Op::Elementwise(..) => unreachable!("no dyadic value"),
        };
        values.push(value);
    }
    values
}
