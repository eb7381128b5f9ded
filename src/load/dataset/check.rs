//! What is refused of data that can be read: numbers of which nobody said what they mean, values outside of their domain, an ε out of all proportion.

use super::facts::Facts;
use super::{DataSettings, Dataset, DatasetError, Meant, Path};
use crate::num::{Rational, exact_decimal, from_f64, round_nearest, to_f64_nearest};
use crate::spec::Norm;
use num_traits::Signed;

/// A range without a domain says little of few inputs.
const FEW: usize = 10;

/// Refuses whole numbers beyond ±1, and what looks like pixels from 0 to 255, where no scale says what they are.
pub(super) fn scaled(
    file: &Path,
    shape: &[usize],
    facts: &Facts,
    settings: &DataSettings,
) -> Result<(), DatasetError> {
    let [low, high] = facts.range();
    let whole = facts.whole && low.abs().max(high.abs()) > 1.0;
    let pixels = matches!(shape, [_, _, _]) && low >= 0.0 && (100.0..256.0).contains(&high);
    if settings.scale.is_some() || !(whole || pixels) {
        return Ok(());
    }
    let what = if whole { "whole numbers" } else { "numbers" };
    Err(DatasetError::Unscaled { file: file.to_owned(), what, low, high })
}

/// A number as a decimal where it is one.
pub(super) fn written(x: &Rational) -> String {
    exact_decimal(x).unwrap_or_else(|| x.to_string())
}

impl Dataset {
    /// Whether the settings say that something unusual is meant.
    pub(super) fn means(&self, what: Meant) -> bool {
        self.meant.contains(&what)
    }

    /// Refuses values that lie outside of the domain by more than rounding.
    pub(super) fn check_domain(&self) -> Result<(), DatasetError> {
        let Some(domain) = self.domain().filter(|_| !self.means(Meant::OutsideDomain)) else {
            return Ok(());
        };
        for (feature, ([least, most], ends)) in self.ranges().zip(domain).enumerate() {
            let [low, high] = [&ends.0, &ends.1].map(to_f64_nearest);
            let slack = 1e-6 * (high - low).max(low.abs()).max(high.abs());
            if least >= low - slack && most <= high + slack {
                continue;
            }
            let outside = |value: f64| value < low - slack || value > high + slack;
            let value = |row| {
                round_nearest(&(self.values.exact(row * self.features + feature) * &self.scale))
            };
            let row = (0..self.len()).find(|row| outside(value(*row))).unwrap_or_default();
            let (file, value) = (self.file.clone(), value(row));
            return Err(DatasetError::Outside { file, row, feature, value, low, high });
        }
        Ok(())
    }

    /// Whether balls of radius ε make sense around these inputs: ε is at most half of the width of the domain in most features or, where
    /// there is no domain, at most the range of the values there. In another norm than the largest change, of the domain's diagonal.
    ///
    /// # Errors
    /// Where it does not, and the settings do not say that this is meant.
    pub fn check_eps(&self, norm: Norm, eps: &Rational) -> Result<(), DatasetError> {
        let Some((reach, typical)) = self.reach.get_or_init(|| self.reach()) else { return Ok(()) };
        let all = norm.size(std::iter::repeat_n(reach.clone(), self.features));
        if self.means(Meant::LargeEps) || norm.size(std::iter::once(eps.clone())) <= all {
            return Ok(());
        }
        let domain = self.domain.is_some();
        let of = if domain { "half of the width of the domain" } else { "the range of the values" };
        let [low, high] = *typical;
        let (file, eps) = (self.file.clone(), written(eps));
        Err(DatasetError::LargeEps { file, eps, of, low, high })
    }

    /// Half of the domain's width in units of ε, or the range of the values where there is no domain, in the median feature of those where
    /// there is one; with the ends of that feature. `None` where nothing can be said.
    fn reach(&self) -> Option<(Rational, [f64; 2])> {
        let half = Rational::new(1.into(), 2.into());
        let width = |(feature, [low, high]): (usize, [f64; 2])| {
            let (width, ends) = match self.domain() {
                Some(domain) => {
                    let (low, high) = &domain[feature];
                    ((high - low) * &half, [low, high].map(to_f64_nearest))
                }
                None => (from_f64(high - low)?, [low, high]),
            };
            let factor = self.eps_per_feature.as_ref().map(|factors| &factors[feature]);
            let moves = factor.is_none_or(Signed::is_positive);
            (moves && width.is_positive())
                .then(|| (factor.map_or(width.clone(), |factor| &width / factor), ends))
        };
        if self.domain.is_none() && self.len() < FEW {
            return None;
        }
        let mut reaches: Vec<_> = self.ranges().enumerate().filter_map(width).collect();
        let middle = reaches.len().checked_sub(1)? / 2;
        let (_, median, _) = reaches.select_nth_unstable_by(middle, |a, b| a.0.cmp(&b.0));
        Some(median.clone())
    }

    /// Three radii in the usual proportion to the values, as they are written in a plan.
    #[cfg(feature = "cli")]
    pub(crate) fn usual_eps(&self, image: bool) -> Vec<String> {
        let width = self.share_of_range(&Rational::from_integer(1.into())).map_or(1.0, f64::recip);
        if image && (width - 1.0).abs() < 1e-9 {
            return ["1/255", "2/255", "8/255"].map(|eps| format!("\"{eps}\"")).to_vec();
        }
        let digit = |x: f64| {
            let place = x.log10().floor();
            let places = (-place).max(0.0) as usize;
            format!("{:.places$}", (x / 10f64.powf(place)).round() * 10f64.powf(place))
        };
        [0.005, 0.02, 0.05].map(|share| digit(share * width)).to_vec()
    }

    /// What share of the range that the values have in the median feature ε is; `None` where nothing can be said.
    pub(super) fn share_of_range(&self, eps: &Rational) -> Option<f64> {
        let (reach, _) = self.reach.get_or_init(|| self.reach()).as_ref()?;
        let whole = if self.domain.is_some() { 2.0 } else { 1.0 };
        Some(to_f64_nearest(eps) / (whole * to_f64_nearest(reach)))
    }
}
