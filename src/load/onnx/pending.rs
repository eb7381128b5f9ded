//! Affine maps that are no nodes yet, and when two of them are one.

use crate::net::Term;
use crate::num::two_sum;

/// An affine map that is no node yet.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Summands W x.
    pub terms: Vec<Term>,
    /// The constant; `None` is zero.
    pub bias: Option<Vec<f64>>,
    /// As [`crate::net::Affine::roundings`].
    pub roundings: usize,
}

impl Pending {
    /// Whether the stored parameters of the sum with `other` are exact whenever those of both are. A sum of rounded biases is not: the
    /// charge for rounding is relative to the stored value, which cancellation makes too small.
    pub fn adds_exactly(&self, other: &Self) -> bool {
        match (&self.bias, &other.bias) {
            (Some(a), Some(b)) => {
                self.roundings == 0
                    && other.roundings == 0
                    && a.iter().zip(b).all(|(&a, &b)| two_sum(a, b).1 == 0.0)
            }
            _ => true,
        }
    }

    /// The sum.
    pub fn plus(mut self, other: Self) -> Self {
        self.terms.extend(other.terms);
        self.bias = match (self.bias, other.bias) {
            (Some(a), Some(b)) => Some(a.iter().zip(b).map(|(a, b)| a + b).collect()),
            (a, b) => a.or(b),
        };
        self.roundings = self.roundings.max(other.roundings);
        self
    }
}
