//! Datasets: inputs and labels from npz, npy, IDX and CSV files, exact, with what their numbers mean.

mod array;
mod check;
#[cfg(feature = "tables")]
mod csv;
mod error;
mod facts;
mod files;
mod idx;
mod layout;
mod memory;
mod npy;
#[cfg(feature = "npz")]
mod npz;
mod property;
mod reference;
mod settings;
#[cfg(feature = "tables")]
mod settings_file;
mod sidecar;
mod spread;
mod tensor;
mod warning;
#[cfg(not(all(feature = "npz", feature = "tables")))]
mod without;

pub use error::DatasetError;
pub use layout::Layout;
pub use memory::RawArray;
pub use reference::load_reference;
pub use settings::{DataSettings, FIELDS, Meant};
pub use tensor::load_tensor;
pub use warning::DataWarning;

use super::SourceFile;
use super::budget::Budget;
use crate::num::{Rational, round_nearest};
use crate::spec::{Norm, Region, RegionError};
use array::{Array, Values};
use facts::Facts;
use files::{Format, Labelled, detect, hash};
use num_traits::{One, Signed, Zero};
use spread::Spread;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
#[cfg(not(all(feature = "npz", feature = "tables")))]
use without::*;

/// Labelled inputs.
#[derive(Debug, Clone)]
pub struct Dataset {
    file: PathBuf,
    shape: Vec<usize>,
    features: usize,
    values: Values,
    labels: Vec<usize>,
    label_names: Option<Vec<String>>,
    scale: Rational,
    domain: Option<Vec<(Rational, Rational)>>,
    no_domain: bool,
    eps_per_feature: Option<Vec<Rational>>,
    normalisation: Option<(Vec<f64>, Vec<f64>)>,
    hashes: Vec<(String, String)>,
    layout: Layout,
    meant: Vec<Meant>,
    reach: OnceLock<Option<(Rational, [f64; 2])>>,
    facts: Facts,
    columns: Option<Vec<String>>,
}

impl Dataset {
    /// Reads a data file, its sidecar if there is one, and its labels file if it needs one; `settings` override the
    /// sidecar field by field.
    ///
    /// # Errors
    /// Where a file is missing, damaged, or does not fit the others or the settings.
    pub fn load(path: &Path, settings: &DataSettings) -> Result<Self, DatasetError> {
        let source = SourceFile::read(path)?;
        let mut hashes = vec![hash(&source)];
        let mut settings = settings.clone();
        if let Some(sidecar) = sidecar::find(path)? {
            let sidecar = SourceFile::read(&sidecar)?;
            settings = settings.over(DataSettings::from_sidecar(&sidecar)?);
            hashes.push(hash(&sidecar));
        }
        let budget = source.budget();
        let Labelled { inputs, labels, columns } = match detect(path, &source.bytes)? {
            Format::Csv => csv::parse(path, &source.bytes, &settings, &budget)?,
            format => files::read(format, &source, &settings, &mut hashes, &budget)?,
        };
        let dataset = Self::new(path, inputs, labels, settings, hashes, &budget)?;
        Ok(Self { columns, ..dataset })
    }

    fn new(
        path: &Path,
        inputs: Array,
        labels: Vec<usize>,
        settings: DataSettings,
        hashes: Vec<(String, String)>,
        budget: &Budget,
    ) -> Result<Self, DatasetError> {
        let file = || path.to_owned();
        let Some((&count, shape)) = inputs.shape.split_first() else {
            let expected = "at least one dimension";
            let shape = inputs.shape;
            return Err(DatasetError::Shape { file: file(), what: "inputs", shape, expected });
        };
        // A list of numbers is a list of inputs of one feature.
        let shape = if shape.is_empty() { vec![1] } else { shape.to_vec() };
        if inputs.values.len() == 0 {
            return Err(DatasetError::Empty(file()));
        }
        if labels.len() != count {
            let transposed = shape.len() == 1 && shape[0] == labels.len();
            let labels = labels.len();
            return Err(DatasetError::Count { file: file(), inputs: count, labels, transposed });
        }
        let features = inputs.values.len() / count;
        if let Some(at) = inputs.values.not_finite() {
            let (row, column) = (at / features, (at % features).to_string());
            return Err(DatasetError::NotFinite { file: file(), row, column });
        }
        let facts = Facts::of(path, &inputs.values, features, budget)?;
        check::scaled(path, &shape, &facts, &settings)?;
        let spread = Spread { file: path, shape: &shape, features, budget };
        let mean = settings.mean.map(|m| spread.over("mean", m)).transpose()?;
        let std = settings.std.map(|s| spread.over("std", s)).transpose()?;
        let normalisation = (mean.is_some() || std.is_some()).then(|| {
            let mean = mean.unwrap_or_else(|| vec![Rational::zero(); features]);
            let std = std.unwrap_or_else(|| vec![Rational::one(); features]);
            (
                mean.iter().map(round_nearest).collect(),
                std.iter().map(|s| round_nearest(&s.recip())).collect(),
            )
        });
        let dataset = Self {
            file: file(),
            no_domain: settings.domain.as_ref().is_some_and(Vec::is_empty),
            domain: settings
                .domain
                .filter(|ranges| !ranges.is_empty())
                .map(|ranges| spread.over("domain", ranges))
                .transpose()?,
            eps_per_feature: settings
                .eps_per_feature
                .map(|f| spread.over("eps_per_feature", f))
                .transpose()?,
            shape,
            features,
            values: inputs.values,
            labels,
            label_names: settings.labels,
            scale: settings.scale.unwrap_or_else(Rational::one),
            normalisation,
            hashes,
            layout: settings.layout.unwrap_or(Layout::Same),
            meant: settings.accept.unwrap_or_default(),
            reach: OnceLock::new(),
            facts,
            columns: None,
        };
        dataset.check_domain()?;
        if let Some(names) = &dataset.label_names {
            dataset.check_labels(names.len())?;
        }
        Ok(dataset)
    }

    /// The data file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Number of inputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never: an empty file is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The names of the features, where a table has them.
    #[must_use]
    pub fn columns(&self) -> Option<&[String]> {
        self.columns.as_deref()
    }

    /// Number of values of an input.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// Shape of an input, such as [1, 28, 28].
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Channels, height and width, where an input has three or two dimensions; of two, the one channel is left out.
    #[must_use]
    pub fn image(&self) -> Option<[usize; 3]> {
        match *self.shape {
            [channels, height, width] => Some([channels, height, width]),
            [height, width] => Some([1, height, width]),
            _ => None,
        }
    }

    /// The label of input i.
    #[must_use]
    pub fn label(&self, i: usize) -> usize {
        self.labels[i]
    }

    /// All labels.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The names of the classes, if the settings have them.
    #[must_use]
    pub fn label_names(&self) -> Option<&[String]> {
        self.label_names.as_deref()
    }

    /// Name and SHA-256 of every file read: the data, the sidecar, the labels.
    #[must_use]
    pub fn sha256(&self) -> Vec<(String, String)> {
        self.hashes.clone()
    }

    /// Input i in the user's units: stored value × scale, exact.
    #[must_use]
    pub fn exact(&self, i: usize) -> Vec<Rational> {
        let start = i * self.features;
        (start..start + self.features).map(|at| self.values.exact(at) * &self.scale).collect()
    }

    /// The doubles nearest to input i in the user's units.
    #[must_use]
    pub fn point(&self, i: usize) -> Vec<f64> {
        if let Some(bytes) = self.values.as_bytes() {
            let mut seen = [None; 256];
            let row = &bytes[i * self.features..(i + 1) * self.features];
            let nearest = |&b: &u8| {
                *seen[usize::from(b)].get_or_insert_with(|| {
                    round_nearest(&(Rational::from_integer(b.into()) * &self.scale))
                })
            };
            return row.iter().map(nearest).collect();
        }
        self.exact(i).iter().map(round_nearest).collect()
    }

    /// The exact ends of the ball around input i in the user's units: radius eps × `eps_per_feature`, cut to the domain. Numbers do not
    /// know their units: who makes a region of them has to see to the normalisation, which [`Dataset::region`] does.
    ///
    /// # Errors
    /// Where eps is negative.
    #[doc(hidden)]
    pub fn bounds(
        &self,
        i: usize,
        eps: &Rational,
    ) -> Result<Vec<(Rational, Rational)>, RegionError> {
        Region::ball_bounds(&self.exact(i), &self.radii(eps), self.domain.as_deref())
    }

    /// The radius of each feature: eps × `eps_per_feature`.
    pub(crate) fn radii(&self, eps: &Rational) -> Vec<Rational> {
        match &self.eps_per_feature {
            Some(factors) => factors.iter().map(|factor| eps * factor).collect(),
            None => vec![eps.clone(); self.features],
        }
    }

    /// The ball around input i in the user's units, of radius eps in features divided by `eps_per_feature`, cut to the
    /// domain.
    ///
    /// # Errors
    /// Where eps is negative or the ball misses the domain.
    pub fn region(&self, i: usize, norm: Norm, eps: &Rational) -> Result<Region, RegionError> {
        let region = Region::ball(norm, &self.exact(i), &self.radii(eps), self.domain.as_deref())?;
        Ok(region.before_normalisation(self.normalisation.is_some()))
    }

    /// The radius of the smallest ball around input i that contains the point x, exact: the largest |x − input| / factor
    /// over its features, where the factor is that of `eps_per_feature` or 1. The domain plays no part. `None` where lengths
    /// differ, or a feature whose factor is 0 does.
    #[must_use]
    pub fn distance(&self, i: usize, x: &[Rational]) -> Option<Rational> {
        if x.len() != self.features {
            return None;
        }
        let mut farthest = Rational::zero();
        for (at, centre) in self.exact(i).iter().enumerate() {
            let mut distance = (&x[at] - centre).abs();
            if let Some(factors) = &self.eps_per_feature {
                if !distance.is_zero() && factors[at].is_zero() {
                    return None;
                }
                if !distance.is_zero() {
                    distance /= &factors[at];
                }
            }
            if distance > farthest {
                farthest = distance;
            }
        }
        Some(farthest)
    }

    /// The valid values of each feature in the user's units, exact, if the settings have them.
    #[must_use]
    pub fn domain(&self) -> Option<&[(Rational, Rational)]> {
        self.domain.as_deref()
    }

    /// Mean and 1/std for each feature, the doubles nearest to the exact ones, for
    /// [`crate::net::Network::with_normalisation`]; `None` where the settings have neither.
    #[must_use]
    pub fn normalisation(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        self.normalisation.clone()
    }

    /// Stored value × scale = the user's units.
    #[must_use]
    pub fn scale(&self) -> &Rational {
        &self.scale
    }

    /// The range of valid values in the user's units, where all features have the same one.
    #[must_use]
    pub fn common_domain(&self) -> Option<(Rational, Rational)> {
        let (first, others) = self.domain.as_ref()?.split_first()?;
        others.iter().all(|range| range == first).then(|| first.clone())
    }

    /// Whether ε is multiplied by a factor for each feature.
    #[must_use]
    pub fn scaled_epsilon(&self) -> bool {
        self.eps_per_feature.is_some()
    }

    /// Checks that a network with so many inputs and classes can be run on the set.
    ///
    /// # Errors
    /// Where the width differs or a label is no class.
    pub fn check_against(&self, features: usize, classes: usize) -> Result<(), DatasetError> {
        if self.features != features {
            let (file, found) = (self.file.clone(), self.features);
            return Err(DatasetError::Width { file, found, expected: features });
        }
        self.check_labels(classes)
    }

    fn check_labels(&self, classes: usize) -> Result<(), DatasetError> {
        match self.labels.iter().position(|&label| label >= classes) {
            None => Ok(()),
            Some(row) => {
                let (file, label) = (self.file.clone(), self.labels[row]);
                let from_one = self.labels.iter().all(|label| (1..=classes).contains(label));
                Err(DatasetError::LabelRange { file, row, label, classes, from_one })
            }
        }
    }
}

#[cfg(test)]
mod tests;
