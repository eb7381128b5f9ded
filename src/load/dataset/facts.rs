//! What a dataset's numbers are: how they are stored, their range, mean and deviation, and which inputs are there twice.

use super::Dataset;
use super::array::{Values, too_much};
use super::{Budget, DatasetError, Path};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

/// What one feature is over all inputs, in stored units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Feature {
    pub low: f64,
    pub high: f64,
    pub mean: f64,
    pub variance: f64,
}

/// What the numbers are, in stored units; nearest doubles, since nothing that is proved rests on them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    pub features: Vec<Feature>,
    /// Whether every value is a whole number.
    pub whole: bool,
    /// For each input that is equal to an earlier one: (its position, the first one's).
    pub copies: Vec<(usize, usize)>,
}

impl Facts {
    /// One walk over all values. Means and variances are those of Welford's recurrence.
    pub(super) fn of(
        file: &Path,
        values: &Values,
        features: usize,
        budget: &Budget,
    ) -> Result<Self, DatasetError> {
        let rows = values.len() / features;
        budget.spend_values::<Feature>(features).map_err(too_much(file))?;
        budget.spend_values::<[usize; 4]>(rows).map_err(too_much(file))?;
        let fresh =
            Feature { low: f64::INFINITY, high: f64::NEG_INFINITY, mean: 0.0, variance: 0.0 };
        let (mut of, mut whole) = (vec![fresh; features], true);
        let (mut first, mut copies) = (HashMap::with_capacity(rows), Vec::new());
        for row in 0..rows {
            let mut hasher = DefaultHasher::new();
            for (at, feature) in of.iter_mut().enumerate() {
                let x = values.nearest(row * features + at);
                hasher.write_u64(x.to_bits());
                whole &= x.fract() == 0.0;
                feature.low = feature.low.min(x);
                feature.high = feature.high.max(x);
                let step = x - feature.mean;
                feature.mean += step / (row + 1) as f64;
                feature.variance += step * (x - feature.mean);
            }
            let earlier = *first.entry(hasher.finish()).or_insert(row);
            if earlier < row {
                copies.push((row, earlier));
            }
        }
        of.iter_mut().for_each(|feature| feature.variance /= rows as f64);
        Ok(Self { features: of, whole, copies })
    }

    /// The least and the largest value of all.
    pub(super) fn range(&self) -> [f64; 2] {
        let each = self.features.iter();
        each.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], f| {
            [low.min(f.low), high.max(f.high)]
        })
    }
}

impl Dataset {
    /// How a value is stored: `u8`, `f32`, …, or `decimal` in a CSV file.
    #[must_use]
    pub fn stored(&self) -> &'static str {
        self.values.kind()
    }

    /// The least and the largest value in the user's units, nearest doubles.
    #[must_use]
    pub fn range(&self) -> [f64; 2] {
        self.facts.range().map(|end| end * self.factor())
    }

    /// The least and the largest value of each feature in the user's units, nearest doubles.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        let factor = self.factor();
        self.facts.features.iter().map(move |f| [f.low * factor, f.high * factor])
    }

    /// Mean and deviation of all values in the user's units or, where the data are normalised and `after` says so, after that.
    pub(crate) fn moments(&self, after: bool) -> [f64; 2] {
        let factor = self.factor();
        let normal = self.normalisation.as_ref().filter(|_| after);
        let (mut mean, mut square) = (0.0, 0.0);
        for (at, feature) in self.facts.features.iter().enumerate() {
            let (shift, by) = normal.map_or((0.0, 1.0), |(mean, by)| (mean[at], by[at]));
            let centre = (feature.mean * factor - shift) * by;
            mean += centre;
            square += centre * centre + feature.variance * (factor * by).powi(2);
        }
        let n = self.features as f64;
        [mean / n, (square / n - (mean / n).powi(2)).max(0.0).sqrt()]
    }

    /// Means and deviations by channel, where an input is an image, else by feature, in the user's units.
    pub(crate) fn own_normalisation(&self) -> (Vec<f64>, Vec<f64>) {
        let (factor, features) = (self.factor(), &self.facts.features);
        let group = if self.image().is_some() { self.features / self.shape[0] } else { 1 };
        let (mut means, mut deviations) = (Vec::new(), Vec::new());
        for features in features.chunks(group) {
            let n = features.len() as f64;
            let mean = features.iter().map(|f| f.mean).sum::<f64>() / n;
            let spread = |f: &super::facts::Feature| f.variance + (f.mean - mean).powi(2);
            let deviation = (features.iter().map(spread).sum::<f64>() / n).sqrt();
            let deviation = if deviation > 0.0 { deviation } else { 1.0 };
            means.extend(features.iter().map(|_| mean * factor));
            deviations.extend(features.iter().map(|_| deviation * factor));
        }
        (means, deviations)
    }

    fn factor(&self) -> f64 {
        crate::num::round_nearest(&self.scale)
    }
}
