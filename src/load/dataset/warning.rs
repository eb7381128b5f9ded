//! What of a dataset may be a mistake and may be meant: said, not refused.

use super::Dataset;
use super::check::written;
use super::error::short;
use crate::num::{Rational, to_f64_nearest};
use num_traits::Zero;
use thiserror::Error;

/// From so many inputs a class on, a class that is missing is no chance.
const PER_CLASS: usize = 3;

/// A sentence about data that may be wrong.
#[derive(Debug, Clone, PartialEq, Error)]
#[allow(missing_docs)] // The fields are what the sentences say of them.
#[non_exhaustive]
pub enum DataWarning {
    /// Nobody said which values are valid.
    #[error(
        "no domain is given: perturbed values may leave the range of the data, {low} to {high}; --domain {ends} would keep them inside, --domain none says that there is none"
    )]
    NoDomain { low: String, high: String, ends: &'static str },
    /// A domain far wider than the values.
    #[error(
        "the values lie between {low} and {high}, in {share} of the domain: is the domain in the units of stored value × scale?"
    )]
    WideDomain { low: f64, high: f64, share: String },
    /// Values that are all the same.
    #[error("all values are {0}: is this the right array?")]
    Constant(f64),
    /// Normalised values that are none.
    #[error(
        "after (value − mean) / std the values have mean {mean:.2} and deviation {deviation:.2}, where about 0 and 1 are usual: are the data normalised already, or are mean and std in other units than stored value × scale?"
    )]
    Normalisation { mean: f64, deviation: f64 },
    /// One ε for features of very different ranges.
    #[error(
        "one ε is asked about for features whose ranges differ by a factor of {0:.0}: eps_per_feature (--eps-per-feature NUMBERS) gives each its own"
    )]
    OneEps(f64),
    /// An ε that is next to nothing.
    #[error(
        "ε = {eps} is {share} of the range of the values, {low} to {high}: is it in the units of stored value × scale?"
    )]
    SmallEps { eps: String, share: String, low: f64, high: f64 },
    /// An ε of nothing.
    #[error("ε = 0 asks about the inputs alone, without any perturbation")]
    NoEps,
    /// Inputs that are there more than once.
    #[error(
        "{copies} of {inputs} inputs are copies of earlier ones (input {later} of input {first}): they count more than once"
    )]
    Copies { copies: usize, inputs: usize, later: usize, first: usize },
    /// One input with two labels.
    #[error(
        "inputs {first} and {later} are the same and have different labels, {label} and {other}"
    )]
    TwoLabels { first: usize, later: usize, label: usize, other: usize },
    /// No input of the first class, or none of the last.
    #[error("no input has the label {missing}, the {end} of the {classes} classes: do labels count from {}?", if *missing == 0 { "1" } else { "0, and are all classes there" })]
    MissingClass { missing: usize, end: &'static str, classes: usize },
    /// All inputs of one class.
    #[error("all inputs have the label {0}: is this the right file of labels?")]
    OneClass(usize),
    /// A sorted file, of which the first inputs are asked about.
    #[error(
        "the inputs are sorted by label and only the first {0} are asked about: they do not stand for the others"
    )]
    Sorted(usize),
    /// Names of more or fewer classes than there are.
    #[error("{names} names of classes are given, and the network has {classes} outputs")]
    Names { names: usize, classes: usize },
}

fn percent(share: f64) -> String {
    format!("{} %", short(100.0 * share))
}

impl Dataset {
    /// What may be wrong with the data as they are, of which the first `used` inputs are asked about with the radii given, for a
    /// network of so many classes.
    #[must_use]
    pub fn warnings(&self, classes: usize, used: usize, eps: &[&Rational]) -> Vec<DataWarning> {
        let mut all = self.of_values();
        all.extend(self.of_eps(eps));
        all.extend(self.of_copies());
        all.extend(self.of_labels(classes, used));
        all
    }

    fn of_values(&self) -> Vec<DataWarning> {
        let ([low, high], mut all) = (self.range(), Vec::new());
        if self.domain().is_none() && !self.no_domain {
            let usual = [(1.0, "0,1"), (255.0, "0,255")];
            let ends = usual.iter().find(|(end, _)| low >= 0.0 && high <= *end && high > 0.9 * end);
            let ends = ends.map_or("LOW,HIGH", |(_, ends)| ends);
            all.push(DataWarning::NoDomain { low: short(low), high: short(high), ends });
        }
        if low == high && self.len() * self.features() > 1 {
            all.push(DataWarning::Constant(low));
            return all;
        }
        if let Some((from, to)) = self.common_domain() {
            let width = to_f64_nearest(&(&to - &from));
            let share = (high - low) / width;
            if share < 0.05 && self.len() > 1 {
                all.push(DataWarning::WideDomain { low, high, share: percent(share) });
            }
        }
        if self.normalisation.is_some() && self.len() > 1 {
            let [mean, deviation] = self.moments(true);
            if mean.abs() > 1.25 || !(0.1..3.0).contains(&deviation) {
                all.push(DataWarning::Normalisation { mean, deviation });
            }
        }
        all
    }

    fn of_eps(&self, eps: &[&Rational]) -> Vec<DataWarning> {
        let mut all = Vec::new();
        if !eps.is_empty() && !self.scaled_epsilon() && self.image().is_none() {
            let widths: Vec<f64> =
                self.ranges().map(|[low, high]| high - low).filter(|width| *width > 0.0).collect();
            let most = widths.iter().copied().fold(0.0, f64::max);
            let least = widths.iter().copied().fold(f64::INFINITY, f64::min);
            if most > 1e3 * least {
                all.push(DataWarning::OneEps(most / least));
            }
        }
        for eps in eps {
            if eps.is_zero() {
                all.push(DataWarning::NoEps);
            } else if let Some(share) = self.share_of_range(eps).filter(|share| *share < 1e-3) {
                let ([low, high], share) = (self.range(), percent(share));
                all.push(DataWarning::SmallEps { eps: written(eps), share, low, high });
            }
        }
        all
    }

    fn of_copies(&self) -> Vec<DataWarning> {
        let copies = &self.facts.copies;
        let Some(&(later, first)) = copies.first() else { return Vec::new() };
        let inputs = self.len();
        let mut all = vec![DataWarning::Copies { copies: copies.len(), inputs, later, first }];
        let two = copies.iter().find(|(later, first)| self.label(*later) != self.label(*first));
        if let Some(&(later, first)) = two {
            let (label, other) = (self.label(first), self.label(later));
            all.push(DataWarning::TwoLabels { first, later, label, other });
        }
        all
    }

    fn of_labels(&self, classes: usize, used: usize) -> Vec<DataWarning> {
        let mut all = Vec::new();
        if let Some(names) = self.label_names().map(<[_]>::len).filter(|names| *names != classes) {
            all.push(DataWarning::Names { names, classes });
        }
        let (first, inputs) = (self.label(0), self.len());
        if inputs < PER_CLASS * classes {
            return all;
        }
        if self.labels().iter().all(|label| *label == first) {
            all.push(DataWarning::OneClass(first));
            return all;
        }
        for (missing, end) in [(0, "first"), (classes.saturating_sub(1), "last")] {
            if !self.labels().contains(&missing) {
                all.push(DataWarning::MissingClass { missing, end, classes });
            }
        }
        if used < inputs && self.labels().is_sorted() {
            all.push(DataWarning::Sorted(used));
        }
        all
    }
}
