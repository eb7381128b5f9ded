//! Norms: how perturbations are measured, exactly and in floating point.

use crate::num::{Rational, round_up};
use num_traits::Zero;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// How perturbations are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Norm {
    /// The largest change of a feature.
    #[default]
    Linf,
    /// The Euclidean length.
    L2,
}

impl Norm {
    const ALL: [Self; 2] = [Self::Linf, Self::L2];

    fn name(self) -> &'static str {
        match self {
            Self::Linf => "linf",
            Self::L2 => "l2",
        }
    }

    /// The size of a vector, exactly: its length in the max norm, the square of that in the Euclidean one.
    #[must_use]
    pub fn size(self, x: impl Iterator<Item = Rational>) -> Rational {
        match self {
            Self::Linf => x.map(|x| if x < Rational::zero() { -x } else { x }).max(),
            Self::L2 => x.map(|x| &x * &x).reduce(|sum, square| sum + square),
        }
        .unwrap_or_else(Rational::zero)
    }

    /// The length of a vector of such a [size](Self::size), rounded up.
    #[must_use]
    pub fn length_of(self, size: &Rational) -> f64 {
        match self {
            Self::Linf => round_up(size),
            // A correctly rounded root is below the exact one by less than a unit in the last place.
            Self::L2 => round_up(size).sqrt().next_up(),
        }
    }

    /// The length of a vector, about.
    pub fn length(self, x: impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::Linf => x.fold(0.0, |most, x| most.max(x.abs())),
            Self::L2 => x.map(|x| x * x).sum::<f64>().sqrt(),
        }
    }

    /// The dual norm, about: the most that a linear function of such coefficients changes over a vector of length 1.
    pub fn dual(self, x: impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::Linf => x.map(f64::abs).sum(),
            Self::L2 => x.map(|x| x * x).sum::<f64>().sqrt(),
        }
    }
}

/// A text that names no norm.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is no norm; there are linf and l2")]
pub struct UnknownNorm(String);

impl FromStr for Norm {
    type Err = UnknownNorm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|norm| norm.name() == text);
        named.ok_or_else(|| UnknownNorm(text.to_owned()))
    }
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for norm in Norm::ALL {
            assert_eq!(norm.to_string().parse(), Ok(norm));
        }
        assert!("l1".parse::<Norm>().unwrap_err().to_string().contains("linf and l2"));
    }
}
