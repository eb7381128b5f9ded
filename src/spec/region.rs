//! A region of real inputs: an axis-parallel box, or the part of a ball in one, with exact membership.

use super::Norm;
use crate::net::Boxes;
use crate::num::{Decimal, Rational, enclosure, from_f64, to_f64_nearest};
use num_traits::Zero;
use std::sync::Arc;
use thiserror::Error;

/// Why bounds do not make a region.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
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
    /// An end that is infinite or no number.
    #[error("input {0} has an end that is not finite")]
    NotFinite(usize),
    /// A negative radius.
    #[error("epsilon of input {0} is negative")]
    NegativeRadius(usize),
}

/// A box of real inputs ∏ [aᵢ, bᵢ] with exact rational ends, or what a ball { x : ‖(x − c) / r‖ ≤ 1 } has in common with one.
///
/// `lower ≤ a` and `b ≤ upper` are the nearest doubles outside: every bound is computed over them, so it holds for the
/// exact region. The nearest doubles inside decide membership: a double x is in [a, b] exactly if it is between those. Where
/// there are none ([0.3, 0.3]) an exact number of the interval is kept. (Of a half-open box, which only strict bounds of a
/// VNN-LIB file make, every bound is computed over the closed one.)
///
/// Differences from a ball's centre are divided by its radii feature by feature; rᵢ = ε sᵢ with factors sᵢ make the ball of radius ε
/// in scaled features: a box in the max norm, an ellipsoid with axes along the features in the Euclidean one. A feature of
/// radius 0 is fixed. The box is then the smallest one around the ball, cut to the domain; in the max norm it is the region itself.
#[derive(Debug, Clone)]
pub struct Region {
    lower: Vec<f64>,
    upper: Vec<f64>,
    inner: Vec<[f64; 2]>,
    /// (input, a number of its interval) for every input whose interval holds no double, in order.
    between: Vec<(usize, Decimal)>,
    ball: Option<Arc<Ball>>,
    raw: bool,
}

/// The ball that a region was cut from.
#[derive(Debug, PartialEq)]
struct Ball {
    norm: Norm,
    centre: Vec<Rational>,
    radii: Vec<Rational>,
    /// The exact ends of the box.
    bounds: Vec<(Rational, Rational)>,
    around: Around,
}

/// A ball that a region was cut from, rounded: where attacks begin and how far they step. It decides nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Around {
    /// The ball's centre, which the region need not contain.
    pub centre: Vec<f64>,
    /// The radius of each feature.
    pub radii: Vec<f64>,
}

/// Equal are regions of the same points, whatever ball a box was cut from.
impl PartialEq for Region {
    fn eq(&self, other: &Self) -> bool {
        (&self.lower, &self.upper, &self.inner, &self.between, self.round())
            == (&other.lower, &other.upper, &other.inner, &other.between, other.round())
    }
}

/// By what shares a point is drawn towards the centre until its rounding lies in the ball.
const SHRINK: [f64; 7] = [0.0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2];

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
            ball: None,
            raw: false,
        })
    }

    /// The box with the given ends, each the very number that it is.
    ///
    /// # Errors
    /// Where there are not as many lower ends as upper ones, an end is not finite, or above the other.
    pub fn from_f64(lower: &[f64], upper: &[f64]) -> Result<Self, RegionError> {
        if lower.len() != upper.len() {
            let (found, expected) = (upper.len(), lower.len());
            return Err(RegionError::Length { what: "the list of upper ends", found, expected });
        }
        let exact = |(input, (&a, &b)): (usize, (&f64, &f64))| {
            from_f64(a).zip(from_f64(b)).ok_or(RegionError::NotFinite(input))
        };
        let bounds: Result<Vec<_>, _> = lower.iter().zip(upper).enumerate().map(exact).collect();
        Self::from_bounds(&bounds?)
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
        Self { lower, upper, inner, between, ball: None, raw: false }
    }

    /// The ball around `centre` with the given radius of each feature, cut to a domain, every number exact.
    ///
    /// # Errors
    /// Where lengths differ, a radius is negative, or the ball misses the domain.
    pub fn ball(
        norm: Norm,
        centre: &[Rational],
        radii: &[Rational],
        domain: Option<&[(Rational, Rational)]>,
    ) -> Result<Self, RegionError> {
        let bounds = Self::ball_bounds(centre, radii, domain)?;
        let region = Self::from_bounds(&bounds)?;
        let doubles = |x: &[Rational]| x.iter().map(to_f64_nearest).collect();
        let around = Around { centre: doubles(centre), radii: doubles(radii) };
        let (centre, radii) = (centre.to_vec(), radii.to_vec());
        Ok(Self { ball: Some(Arc::new(Ball { norm, centre, radii, bounds, around })), ..region })
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
        self.ball.as_deref().map(|ball| &ball.around)
    }

    /// How distances from the centre are measured: of a box in the max norm.
    #[must_use]
    pub fn norm(&self) -> Norm {
        self.ball.as_deref().map_or(Norm::Linf, |ball| ball.norm)
    }

    /// The ball, where it is more than its box.
    fn round(&self) -> Option<&Ball> {
        self.ball.as_deref().filter(|ball| ball.norm != Norm::Linf)
    }

    /// The exact ends of the box of [`Region::ball`].
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

    /// Whether the point lies in the exact region.
    #[must_use]
    pub fn contains(&self, x: &[f64]) -> bool {
        let inside = |(x, [a, b]): (&f64, &[f64; 2])| a <= x && x <= b;
        let exact = || x.iter().map(|x| from_f64(*x)).collect::<Option<Vec<_>>>();
        x.len() == self.dimension()
            && x.iter().zip(&self.inner).all(inside)
            && (self.is_box() || exact().is_some_and(|x| self.holds(&x)))
    }

    /// Whether a real point lies in the exact region: of an interval that holds no double, the number that [`Self::exact`] names.
    #[must_use]
    pub fn contains_exactly(&self, x: &[Rational]) -> bool {
        let mut between = self.between.iter();
        let inside = |(x, [a, b]): (&Rational, &[f64; 2])| match (from_f64(*a), from_f64(*b)) {
            _ if a > b => between.next().is_some_and(|(_, number)| number.to_rational() == *x),
            (Some(a), Some(b)) => a <= *x && *x <= b,
            _ => false,
        };
        x.len() == self.dimension() && x.iter().zip(&self.inner).all(inside) && self.holds(x)
    }

    /// How far out in its ball a point lies, exactly: the [size](Norm::size) of (x − c) / r. `None` where the point has another
    /// dimension, differs in a fixed feature or leaves the box, and of a region that is no part of a ball.
    #[must_use]
    pub fn size(&self, x: &[Rational]) -> Option<Rational> {
        let Ball { norm, centre, radii, bounds, .. } = self.ball.as_deref()?;
        let inside = |(x, (low, high)): (&Rational, &(Rational, Rational))| low <= x && x <= high;
        if x.len() != centre.len() || !x.iter().zip(bounds).all(inside) {
            return None;
        }
        let offsets = x.iter().zip(centre).map(|(x, c)| x - c);
        let moved = offsets.zip(radii).filter(|(offset, _)| !offset.is_zero());
        let ratios = moved.map(|(offset, r)| (!r.is_zero()).then(|| offset / r));
        Some(norm.size(ratios.collect::<Option<Vec<_>>>()?.into_iter()))
    }

    /// Whether a real point of the box lies in the region.
    #[must_use]
    pub fn holds(&self, x: &[Rational]) -> bool {
        let inside = |size| size <= Rational::from_integer(1.into());
        self.is_box() || self.size(x).is_some_and(inside)
    }

    /// Whether it is a box.
    #[must_use]
    pub fn is_box(&self) -> bool {
        self.round().is_none()
    }

    /// The smallest box around it.
    #[must_use]
    pub fn smallest_box(&self) -> Self {
        Self { ball: self.ball.clone().filter(|_| self.is_box()), ..self.clone() }
    }

    /// A point of the exact region near x: of a box the nearest among single-precision floats; coordinates where no such float lies
    /// inside fall back to doubles. `None` for a coordinate without a double inside (an interval such as [0.1, 0.1]):
    /// only an enclosure of its exact value, which [`Self::exact`] tells, can be computed with.
    ///
    /// `None` where x has another dimension, or no point is found at once (a Euclidean ball too small for single-precision
    /// numbers, say).
    #[must_use]
    pub fn project(&self, x: &[f64]) -> Option<Vec<Option<f64>>> {
        if x.len() != self.dimension() {
            return None;
        }
        let Some(Ball { norm, around: Around { centre, radii }, .. }) = self.round() else {
            return Some(self.project_on_box(x));
        };
        let length = |x: &mut dyn Iterator<Item = f64>| {
            let offsets = x.zip(centre).map(|(x, c)| x - c);
            norm.length(offsets.zip(radii).map(|(d, r)| if *r == 0.0 { 0.0 } else { d / r }))
        };
        let size = length(&mut x.iter().copied());
        // Rounding moves a point of the sphere out as often as in: a little less far out, then.
        SHRINK.iter().find_map(|less| {
            let factor = (1.0 - less) / size.max(1.0);
            let near: Vec<f64> = x.iter().zip(centre).map(|(x, c)| c + factor * (x - c)).collect();
            let projected = self.project_on_box(&near);
            // An estimate spares exact arithmetic on hopeless points; it decides nothing.
            let mut values = projected.iter().zip(centre).map(|(x, c)| x.unwrap_or(*c));
            let hopeless = length(&mut values) > 1.0 + 1e-12;
            (!hopeless && self.holds(&self.exact(&projected)?)).then_some(projected)
        })
    }

    /// [`Self::project`], of the box.
    fn project_on_box(&self, x: &[f64]) -> Vec<Option<f64>> {
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
mod tests;
