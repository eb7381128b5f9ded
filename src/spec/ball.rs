//! A ball of real inputs in the max norm or the Euclidean norm, cut to a domain, with exact membership.

use super::{Region, RegionError};
use crate::num::{Rational, to_f64_nearest};
use num_traits::{Signed, Zero};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// How perturbations are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Norm {
    /// The largest change of a feature.
    #[default]
    Linf,
    /// The Euclidean length.
    L2,
}

/// A text that names no norm.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is no norm; there are linf and l2")]
pub struct UnknownNorm(String);

impl FromStr for Norm {
    type Err = UnknownNorm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "linf" => Ok(Self::Linf),
            "l2" => Ok(Self::L2),
            _ => Err(UnknownNorm(text.to_owned())),
        }
    }
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Linf => "linf",
            Self::L2 => "l2",
        })
    }
}

/// { x : ‖(x − c) / r‖ ≤ 1 } ∩ domain, divided feature by feature, every number exact. A feature of radius 0 is fixed.
///
/// Radii rᵢ = ε sᵢ with factors sᵢ make the ball of radius ε in scaled features: a box in the max norm, an ellipsoid with
/// axes along the features in the Euclidean one.
#[derive(Debug, Clone, PartialEq)]
pub struct Ball {
    norm: Norm,
    centre: Vec<Rational>,
    radii: Vec<Rational>,
    /// The exact ends of the smallest box around it.
    bounds: Vec<(Rational, Rational)>,
    region: Region,
}

impl Ball {
    /// The ball around `centre` with the given radius of each feature.
    ///
    /// # Errors
    /// As [`Region::ball`].
    pub fn new(
        norm: Norm,
        centre: &[Rational],
        radii: &[Rational],
        domain: Option<&[(Rational, Rational)]>,
    ) -> Result<Self, RegionError> {
        let bounds = Region::ball_bounds(centre, radii, domain)?;
        let region = Region::of_ball(&bounds, centre, radii)?;
        Ok(Self { norm, centre: centre.to_vec(), radii: radii.to_vec(), bounds, region })
    }

    /// The same ball, as [`Region::before_normalisation`].
    #[must_use]
    pub fn before_normalisation(self, raw: bool) -> Self {
        Self { region: self.region.before_normalisation(raw), ..self }
    }

    /// The norm.
    #[must_use]
    pub fn norm(&self) -> Norm {
        self.norm
    }

    /// The centre.
    #[must_use]
    pub fn centre(&self) -> &[Rational] {
        &self.centre
    }

    /// The radius of each feature.
    #[must_use]
    pub fn radii(&self) -> &[Rational] {
        &self.radii
    }

    /// The smallest box around the ball, cut to the domain; in the max norm the ball itself.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// How far out a point lies: ‖(x − c) / r‖ in the max norm, its square in the Euclidean one, exactly. `None` where the
    /// point has another dimension, differs in a fixed feature, or leaves the box of [`Self::region`].
    #[must_use]
    pub fn size(&self, x: &[Rational]) -> Option<Rational> {
        let inside = x.len() == self.centre.len()
            && x.iter().zip(&self.bounds).all(|(x, (low, high))| low <= x && x <= high);
        if !inside {
            return None;
        }
        let mut size = Rational::zero();
        for ((x, c), r) in x.iter().zip(&self.centre).zip(&self.radii) {
            let offset = x - c;
            if offset.is_zero() {
                continue;
            }
            if r.is_zero() {
                return None;
            }
            let ratio = (offset / r).abs();
            match self.norm {
                Norm::Linf if ratio > size => size = ratio,
                Norm::Linf => {}
                Norm::L2 => size += &ratio * &ratio,
            }
        }
        Some(size)
    }

    /// Whether the real point lies in the ball and the domain.
    #[must_use]
    pub fn contains(&self, x: &[Rational]) -> bool {
        self.size(x).is_some_and(|size| size <= Rational::from_integer(1.into()))
    }

    /// A point of the exact ball near `x`, as [`Region::project`] gives points: single-precision numbers wherever possible.
    /// `None` where none is found at once (a Euclidean ball too small for single-precision numbers, say).
    #[must_use]
    pub fn project(&self, x: &[f64]) -> Option<Vec<Option<f64>>> {
        if x.len() != self.centre.len() {
            return None;
        }
        if self.norm == Norm::Linf {
            return Some(self.region.project(x));
        }
        let centre: Vec<f64> = self.centre.iter().map(to_f64_nearest).collect();
        let length = self.length(&centre, x.iter().copied());
        // Rounding moves a point of the sphere out as often as in: a little less far out, then.
        SHRINK.iter().find_map(|less| {
            let factor = (1.0 - less) / length.max(1.0);
            let near: Vec<f64> = x.iter().zip(&centre).map(|(x, c)| c + factor * (x - c)).collect();
            let projected = self.region.project(&near);
            let values = projected.iter().zip(&centre).map(|(x, c)| x.unwrap_or(*c));
            // An estimate spares exact arithmetic on hopeless points; it decides nothing.
            let hopeless = self.length(&centre, values) > 1.0 + 1e-12;
            (!hopeless && self.contains(&self.region.exact(&projected)?)).then_some(projected)
        })
    }

    /// The Euclidean length of (x − c)/r, about.
    fn length(&self, centre: &[f64], x: impl Iterator<Item = f64>) -> f64 {
        let offsets = x.zip(centre).zip(&self.radii);
        let squares = offsets.map(|((x, c), r)| {
            let offset = x - c;
            if r.is_zero() { 0.0 } else { (offset / to_f64_nearest(r)).powi(2) }
        });
        squares.sum::<f64>().sqrt()
    }
}

/// By what shares a point is drawn towards the centre until its rounding lies in the ball.
const SHRINK: [f64; 7] = [0.0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::parse_rational;
    use proptest::prelude::*;

    fn q(text: &str) -> Rational {
        parse_rational(text).unwrap()
    }

    #[test]
    fn membership_is_exact() {
        let domain = [(q("0"), q("1")), (q("0"), q("1"))];
        let ball = Ball::new(Norm::L2, &[q("0.3"), q("0.4")], &[q("0.5"), q("0.5")], Some(&domain));
        let ball = ball.unwrap();
        assert!(ball.contains(&[q("0"), q("0")]), "0.3² + 0.4² is 0.5² exactly");
        assert!(!ball.contains(&[q("0"), q("1/100000000000000000000")].map(|x| -x)));
        assert!(!ball.contains(&[q("0.7"), q("0.70000000000000000000000001")]));
        assert!(ball.contains(&[q("0.6"), q("0.8")]));
        assert_eq!(ball.size(&[q("0.3"), q("0.65")]), Some(q("0.25")));
        assert_eq!(ball.size(&[q("0.3")]), None);
    }

    #[test]
    fn a_feature_of_radius_zero_is_fixed() {
        for norm in [Norm::Linf, Norm::L2] {
            let ball = Ball::new(norm, &[q("0.1"), q("0")], &[q("0"), q("1")], None).unwrap();
            assert!(ball.contains(&[q("0.1"), q("1")]));
            assert!(!ball.contains(&[q("0.100000001"), q("0")]));
            let at = ball.project(&[9.0, 0.5]).unwrap();
            assert_eq!(at, [None, Some(0.5)]);
            assert_eq!(ball.region().exact(&at).unwrap()[0], q("0.1"));
        }
    }

    #[test]
    fn names_round_trip() {
        for norm in [Norm::Linf, Norm::L2] {
            assert_eq!(norm.to_string().parse(), Ok(norm));
        }
        assert!("l1".parse::<Norm>().unwrap_err().to_string().contains("linf and l2"));
    }

    proptest! {
        /// What is projected lies in the exact ball, wherever it came from.
        #[test]
        fn projections_are_members(
            centre in prop::collection::vec(0u32..256, 5),
            x in prop::collection::vec(-0.5..1.5f64, 5),
            eps in 1u32..2000,
        ) {
            let centre: Vec<Rational> = centre.iter().map(|c| q(&format!("{c}/255"))).collect();
            let radii = vec![q(&format!("{eps}/1000")); 5];
            let domain = vec![(q("0"), q("1")); 5];
            for norm in [Norm::Linf, Norm::L2] {
                let ball = Ball::new(norm, &centre, &radii, Some(&domain)).unwrap();
                let projected = ball.project(&x).unwrap();
                prop_assert!(ball.contains(&ball.region().exact(&projected).unwrap()));
            }
        }
    }
}
