//! The radii that are asked about: whole multiples of an exact step, up to an exact maximum.

use crate::num::Rational;
use num_traits::{Signed, ToPrimitive, Zero};
use thiserror::Error;

/// The most steps of a grid; bisection takes some 24 questions there.
const MOST_STEPS: u64 = 1 << 24;

/// Why numbers make no grid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum GridError {
    /// A maximum or tolerance of 0 or less.
    #[error("the {0} must be positive")]
    NotPositive(&'static str),
    /// A tolerance that is out of all proportion to the maximum.
    #[error(
        "the tolerance is so small that there are more than {MOST_STEPS} radii up to the maximum"
    )]
    TooFine,
}

/// The radii 0, s, 2s, …, ns, all of them exact, with ns the maximum and s the largest such step within the tolerance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grid {
    step: Rational,
    steps: u64,
}

impl Grid {
    /// n = ⌈max / tolerance⌉ and s = max / n.
    ///
    /// # Errors
    /// Where a number is not positive or n is above 2²⁴.
    pub(crate) fn new(max: &Rational, tolerance: &Rational) -> Result<Self, GridError> {
        for (number, name) in [(max, "largest radius"), (tolerance, "tolerance")] {
            if !number.is_positive() {
                return Err(GridError::NotPositive(name));
            }
        }
        let steps = (max / tolerance).ceil().to_integer().to_u64();
        let steps = steps.filter(|&n| n <= MOST_STEPS).ok_or(GridError::TooFine)?;
        Ok(Self { step: max / Rational::from_integer(steps.into()), steps })
    }

    /// The distance s of neighbouring radii.
    pub(crate) fn step(&self) -> &Rational {
        &self.step
    }

    /// The number n of steps.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// The largest radius, ns.
    pub(crate) fn max(&self) -> Rational {
        self.radius(self.steps)
    }

    /// The radius ks.
    pub(crate) fn radius(&self, k: u64) -> Rational {
        &self.step * Rational::from_integer(k.into())
    }

    /// The least k with ks ≥ r, and n + 1 where that is above n.
    pub(crate) fn first_reaching(&self, r: &Rational) -> u64 {
        if *r <= Rational::zero() {
            return 0;
        }
        let k = (r / &self.step).ceil().to_integer().to_u64();
        k.unwrap_or(u64::MAX).min(self.steps + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::parse_rational;

    fn q(text: &str) -> Rational {
        parse_rational(text).unwrap()
    }

    #[test]
    fn the_step_divides_the_maximum_and_keeps_the_tolerance() {
        let grid = Grid::new(&q("0.1"), &q("0.03")).unwrap();
        assert_eq!((grid.steps(), grid.step(), grid.max()), (4, &q("0.025"), q("0.1")));
        let grid = Grid::new(&q("8/255"), &q("1/255")).unwrap();
        assert_eq!((grid.steps(), grid.radius(3)), (8, q("3/255")));
        let grid = Grid::new(&q("0.1"), &q("7")).unwrap();
        assert_eq!((grid.steps(), grid.radius(1)), (1, q("0.1")));
    }

    #[test]
    fn radii_are_found_again() {
        let grid = Grid::new(&q("1"), &q("1/4")).unwrap();
        let first = |text| grid.first_reaching(&q(text));
        assert_eq!((first("0"), first("1/1000"), first("1/4"), first("0.2500001")), (0, 1, 1, 2));
        assert_eq!((first("1"), first("1.1"), first("1e300")), (4, 5, 5));
    }

    #[test]
    fn senseless_grids_are_refused() {
        assert_eq!(Grid::new(&q("0"), &q("1")), Err(GridError::NotPositive("largest radius")));
        assert_eq!(Grid::new(&q("1"), &q("-1")), Err(GridError::NotPositive("tolerance")));
        assert_eq!(Grid::new(&q("1"), &q("1e-9")), Err(GridError::TooFine));
    }
}
