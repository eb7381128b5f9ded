//! A region: an axis-parallel box of real inputs, kept as the floats just outside and just inside its exact ends.

use crate::net::Boxes;
use crate::num::{Decimal, Rational, enclosure, from_f64, to_f64_nearest};
use thiserror::Error;

/// Why bounds do not make a region.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegionError {
    /// A lower bound above its upper bound.
    #[error("input {input} has the lower bound {lower} above its upper bound {upper}")]
    Empty {
        /// Index of the input.
        input: usize,
        /// Its lower bound.
        lower: String,
        /// Its upper bound.
        upper: String,
    },
    /// Per-feature values of the wrong number.
    #[error("{what} has {found} values where the input has {expected}")]
    Length {
        /// What has the wrong number of values.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many are needed.
        expected: usize,
    },
    /// A negative radius.
    #[error("epsilon of input {0} is negative")]
    NegativeRadius(usize),
}

/// A box of real inputs ∏ [aᵢ, bᵢ] with exact rational ends.
///
/// `lower ≤ a` and `b ≤ upper` are the nearest doubles outside: every bound is computed over them, so it holds for the
/// exact box. The nearest doubles inside decide membership: a double x is in [a, b] exactly if it is between those. Where
/// there are none ([0.3, 0.3]) an exact number of the interval is kept. (Of a half-open box, which only strict bounds of a
/// VNN-LIB file make, every bound is computed over the closed one.)
#[derive(Debug, Clone)]
pub struct Region {
    lower: Vec<f64>,
    upper: Vec<f64>,
    inner: Vec<[f64; 2]>,
    /// (input, a number of its interval) for every input whose interval holds no double, in order.
    between: Vec<(usize, Decimal)>,
    around: Option<Box<Around>>,
    raw: bool,
}

/// What a region that was cut from a ball remembers of it, rounded: where attacks begin and how far they step. It decides
/// nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Around {
    /// The ball's centre, which the region need not contain.
    pub centre: Vec<f64>,
    /// The radius of each feature.
    pub radii: Vec<f64>,
}

/// Equal are regions of the same points, whatever ball they were cut from.
impl PartialEq for Region {
    fn eq(&self, other: &Self) -> bool {
        (&self.lower, &self.upper, &self.inner, &self.between)
            == (&other.lower, &other.upper, &other.inner, &other.between)
    }
}

impl Region {
    /// The box with the given exact ends.
    ///
    /// # Errors
    /// [`RegionError::Empty`] where an end is above the other.
    pub fn from_bounds(bounds: &[(Rational, Rational)]) -> Result<Self, RegionError> {
        if let Some(input) = bounds.iter().position(|(a, b)| a > b) {
            let (lower, upper) = (bounds[input].0.to_string(), bounds[input].1.to_string());
            return Err(RegionError::Empty { input, lower, upper });
        }
        let (lows, highs): (Vec<_>, Vec<_>) =
            bounds.iter().map(|(a, b)| (enclosure(a), enclosure(b))).unzip();
        let inner: Vec<[f64; 2]> = lows.iter().zip(&highs).map(|(a, b)| [a[1], b[0]]).collect();
        let between = |(input, [a, b]): (usize, &[f64; 2])| {
            let (low, high) = &bounds[input];
            let within = || Decimal::within(&low.clone().into(), &high.clone().into(), [false; 2]);
            (a > b).then(|| (input, within()))
        };
        Ok(Self {
            lower: lows.iter().map(|a| a[0]).collect(),
            upper: highs.iter().map(|b| b[1]).collect(),
            between: inner.iter().enumerate().filter_map(between).collect(),
            inner,
            around: None,
            raw: false,
        })
    }

    /// The box from doubles that the caller rounded from its exact ends: outward, and inward.
    ///
    /// An end that is not in the box itself (from a strict bound) has as its inner double the next one inside. `between`:
    /// a number of each interval that holds no double, by input.
    #[must_use]
    pub(crate) fn from_rounded(
        lower: Vec<f64>,
        upper: Vec<f64>,
        inner: Vec<[f64; 2]>,
        between: Vec<(usize, Decimal)>,
    ) -> Self {
        debug_assert!(lower.len() == upper.len() && lower.len() == inner.len());
        debug_assert!(
            lower.iter().zip(&upper).zip(&inner).all(|((l, u), [a, b])| l <= u && l <= a && b <= u)
        );
        debug_assert_eq!(inner.iter().filter(|[a, b]| a > b).count(), between.len());
        Self { lower, upper, inner, between, around: None, raw: false }
    }

    /// The L∞ ball { x : |xᵢ − cᵢ| ≤ εᵢ } ∩ domain, every number exact.
    ///
    /// # Errors
    /// Where lengths differ, a radius is negative, or the ball misses the domain.
    pub fn ball(
        centre: &[Rational],
        radius: &[Rational],
        domain: Option<&[(Rational, Rational)]>,
    ) -> Result<Self, RegionError> {
        Self::of_ball(&Self::ball_bounds(centre, radius, domain)?, centre, radius)
    }

    /// As [`Region::ball`], with its exact ends.
    pub(super) fn of_ball(
        bounds: &[(Rational, Rational)],
        centre: &[Rational],
        radii: &[Rational],
    ) -> Result<Self, RegionError> {
        let doubles = |x: &[Rational]| x.iter().map(to_f64_nearest).collect();
        let around = Around { centre: doubles(centre), radii: doubles(radii) };
        Ok(Self { around: Some(Box::new(around)), ..Self::from_bounds(bounds)? })
    }

    /// The same region, of inputs of which it is known that they are normalised before a network reads them.
    #[must_use]
    pub fn before_normalisation(self, raw: bool) -> Self {
        Self { raw, ..self }
    }

    /// Whether its inputs are those before a normalisation, so that it is only of use where that was moved inside of the network
    /// ([`crate::net::Network::with_normalisation`]).
    #[must_use]
    pub fn is_before_normalisation(&self) -> bool {
        self.raw
    }

    /// The ball that this is the part of in a domain, where it was made as one.
    #[must_use]
    pub fn around(&self) -> Option<&Around> {
        self.around.as_deref()
    }

    /// The exact ends of [`Region::ball`].
    ///
    /// # Errors
    /// Where lengths differ or a radius is negative. Ends above each other are for [`Region::from_bounds`] to refuse.
    pub fn ball_bounds(
        centre: &[Rational],
        radius: &[Rational],
        domain: Option<&[(Rational, Rational)]>,
    ) -> Result<Vec<(Rational, Rational)>, RegionError> {
        let expected = centre.len();
        let check = |what, found| {
            if found == expected {
                Ok(())
            } else {
                Err(RegionError::Length { what, found, expected })
            }
        };
        check("epsilon", radius.len())?;
        if let Some(input) = radius.iter().position(|r| *r < Rational::from_integer(0.into())) {
            return Err(RegionError::NegativeRadius(input));
        }
        let mut bounds: Vec<_> = centre.iter().zip(radius).map(|(c, r)| (c - r, c + r)).collect();
        if let Some(domain) = domain {
            check("the input domain", domain.len())?;
            for ((a, b), (low, high)) in bounds.iter_mut().zip(domain) {
                if *a < *low {
                    a.clone_from(low);
                }
                if *b > *high {
                    b.clone_from(high);
                }
            }
        }
        Ok(bounds)
    }

    /// Number of inputs.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.lower.len()
    }

    /// Outward-rounded lower ends.
    #[must_use]
    pub fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// Outward-rounded upper ends.
    #[must_use]
    pub fn upper(&self) -> &[f64] {
        &self.upper
    }

    /// The outward-rounded box, as a batch of one.
    #[must_use]
    pub fn boxes(&self) -> Boxes {
        Boxes::single(&self.lower, &self.upper)
    }

    /// Whether the point lies in the exact box.
    #[must_use]
    pub fn contains(&self, x: &[f64]) -> bool {
        x.len() == self.dimension() && x.iter().zip(&self.inner).all(|(x, [a, b])| a <= x && x <= b)
    }

    /// The point of the exact box nearest to x among single-precision floats; coordinates where no such float lies
    /// inside fall back to doubles. `None` for a coordinate without a double inside (an interval such as [0.1, 0.1]):
    /// only an enclosure of its exact value, which [`Self::exact`] tells, can be computed with.
    #[must_use]
    pub fn project(&self, x: &[f64]) -> Vec<Option<f64>> {
        let clamp = |x: f64, [a, b]: [f64; 2]| (a <= b).then(|| x.max(a).min(b));
        x.iter()
            .zip(&self.inner)
            .map(|(&x, &[a, b])| {
                let singles = [single_above(a), -single_above(-b)];
                clamp(f64::from(x as f32), singles).or_else(|| clamp(x, [a, b]))
            })
            .collect()
    }

    /// The real point of the box that a [projection](Self::project) stands for: its doubles as they are and, where it has
    /// none, the decimal that is in the interval (the fraction, in one such as [1/3, 1/3] that holds no decimal). `None` for
    /// numbers that are not finite.
    #[must_use]
    pub fn exact(&self, projected: &[Option<f64>]) -> Option<Vec<Rational>> {
        let mut between = self.between.iter();
        let exact = |x: &Option<f64>| match x {
            Some(x) => from_f64(*x),
            None => between.next().map(|(_, number)| number.to_rational()),
        };
        projected.iter().map(exact).collect()
    }

    /// The centre of the box, rounded.
    #[must_use]
    pub fn midpoint(&self) -> Vec<f64> {
        self.lower.iter().zip(&self.upper).map(|(l, u)| 0.5 * l + 0.5 * u).collect()
    }
}

/// The smallest single-precision float ≥ x. For x the smallest double ≥ a it is also the smallest one ≥ a, because
/// singles are doubles.
fn single_above(x: f64) -> f64 {
    let single = x as f32;
    f64::from(if f64::from(single) < x { single.next_up() } else { single })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::parse_rational;

    fn q(text: &str) -> Rational {
        parse_rational(text).unwrap()
    }

    #[test]
    fn the_ball_is_rounded_outward_and_clipped_exactly() {
        let domain = vec![(q("0"), q("1")); 2];
        let ball =
            Region::ball(&[q("0.1"), q("1")], &[q("8/255"), q("8/255")], Some(&domain)).unwrap();
        assert!(ball.lower()[0] < 0.1 - 8.0 / 255.0 + 1e-15 && ball.upper()[1] == 1.0);
        assert!(ball.contains(&[0.1, 1.0]) && !ball.contains(&[0.1, 1.0f64.next_up()]));
    }

    #[test]
    fn a_point_that_is_no_float_has_no_projection() {
        let region = Region::from_bounds(&[(q("0.1"), q("0.1")), (q("0.5"), q("0.5"))]).unwrap();
        assert!(region.lower()[0] < region.upper()[0]);
        assert!(!region.contains(&[0.1, 0.5]));
        let projected = region.project(&[0.1, 0.7]);
        assert_eq!(projected, vec![None, Some(0.5)]);
        assert_eq!(region.exact(&projected), Some(vec![q("0.1"), q("0.5")]));
        assert_eq!(region.exact(&[None, Some(f64::NAN)]), None);
    }

    #[test]
    fn projections_are_single_precision_inside_the_exact_box() {
        let region = Region::from_bounds(&[(q("0.6"), q("0.6799"))]).unwrap();
        let at = region.project(&[0.0])[0].unwrap();
        assert_eq!(at, f64::from(0.6f32));
        assert!(region.contains(&[at]) && !region.contains(&[0.6f64.next_down()]));
    }

    #[test]
    fn bad_bounds_are_refused() {
        assert!(matches!(
            Region::from_bounds(&[(q("1"), q("0"))]),
            Err(RegionError::Empty { input: 0, .. })
        ));
        assert!(matches!(Region::ball(&[q("1")], &[], None), Err(RegionError::Length { .. })));
        assert!(matches!(
            Region::ball(&[q("1")], &[q("-1")], None),
            Err(RegionError::NegativeRadius(0))
        ));
    }
}
