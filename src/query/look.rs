//! A first look at a network and its data: how many inputs are classified correctly, and whether that or the data look like a mistake.

use super::Classifier;
use super::reading::Reading;
use crate::load::{DataWarning, DatasetError};
use crate::net::{Matrix, Network};
use crate::num::Rational;
use crate::spec::Norm;
use rayon::prelude::*;
use thiserror::Error;

/// So many inputs are evaluated at once.
const BATCH: usize = 64;

/// From so many inputs on, an accuracy says something.
const FEW: usize = 5;

/// A sentence about a network and data that fit each other and may not belong together.
#[derive(Debug, Clone, PartialEq, Error)]
#[allow(missing_docs)] // The fields are what the sentences say of them.
#[non_exhaustive]
pub enum Warning {
    /// About the data alone.
    #[error(transparent)]
    Data(#[from] DataWarning),
    /// An accuracy that guessing reaches.
    #[error(
        "{correct} of {inputs} inputs are classified correctly, hardly more than by guessing among {classes} classes: do the labels, scale, mean and std, and the order of the axes belong to this network?"
    )]
    Chance { correct: usize, inputs: usize, classes: usize },
    /// An accuracy that the most frequent class reaches.
    #[error(
        "{correct} of {inputs} inputs are classified correctly, no more than by always naming class {class}"
    )]
    Majority { correct: usize, inputs: usize, class: usize },
    /// A network that names one class.
    #[error(
        "class {class} is predicted for {share} inputs, and is the label of {labels} of {inputs}: does the network see what it was trained on?"
    )]
    OneAnswer { class: usize, share: String, labels: usize, inputs: usize },
    /// Another way to read the inputs, by which the network does better.
    #[error(
        "of {inputs} inputs {correct} are classified correctly, and {better} {how}: is that how the network was trained?"
    )]
    Reading { how: String, correct: usize, better: usize, inputs: usize },
    /// Another way to count the labels.
    #[error(
        "of {inputs} inputs {correct} are classified correctly, and {better} if {how}: do the labels belong to this network?"
    )]
    Labels { how: &'static str, correct: usize, better: usize, inputs: usize },
}

/// What a first look sees.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstLook {
    /// How many inputs were looked at: the first ones.
    pub inputs: usize,
    /// How many of them are classified correctly, in double precision.
    pub correct: usize,
    /// How many have each class as their label.
    pub class_counts: Vec<usize>,
    /// What may be wrong.
    pub warnings: Vec<Warning>,
}

impl Classifier {
    /// Looks at the first `used` inputs, of which balls of the given radii are to be asked about.
    #[must_use]
    pub fn look(&self, used: usize, eps: &[&Rational]) -> FirstLook {
        let (data, classes) = (self.data(), self.network.outputs());
        let used = used.min(data.len());
        let rows: Vec<usize> = (0..used).collect();
        let predicted = predictions(&self.network, &rows, |row| data.point(row));
        let labels = &data.labels()[..used];
        let correct = agreement(&predicted, labels, Some);
        let mut class_counts = vec![0; classes];
        labels.iter().for_each(|label| class_counts[*label] += 1);
        let data_warnings = data.warnings(classes, used, eps).into_iter();
        let mut warnings: Vec<Warning> = data_warnings.map(Warning::Data).collect();
        warnings.extend(of_accuracy(correct, &class_counts, &predicted));
        // Where other labels explain what is wrong, other inputs need not.
        let suspect = of_labels(&predicted, labels, classes);
        warnings.extend(suspect.or_else(|| self.of_readings(&predicted)));
        FirstLook { inputs: used, correct, class_counts, warnings }
    }

    /// Whether balls of these radii make sense around the data's inputs.
    ///
    /// # Errors
    /// As [`crate::load::Dataset::check_eps`].
    pub fn check_eps(&self, norm: Norm, eps: &[&Rational]) -> Result<(), DatasetError> {
        eps.iter().try_for_each(|eps| self.data().check_eps(norm, eps))
    }

    /// The other way to read the inputs by which most of them are classified correctly, if that is no chance.
    fn of_readings(&self, predicted: &[Option<usize>]) -> Option<Warning> {
        // Large networks take a second an input.
        let size: usize = self.network.nodes().iter().map(|node| node.len).sum();
        let some = (20_000_000 / size.max(1)).clamp(8, 128).min(predicted.len());
        let rows: Vec<usize> = (0..some).map(|at| at * predicted.len() / some).collect();
        let labels: Vec<usize> = rows.iter().map(|row| self.data().label(*row)).collect();
        let now: Vec<bool> =
            rows.iter().zip(&labels).map(|(row, label)| predicted[*row] == Some(*label)).collect();
        let readings = Reading::all(self).into_iter().filter_map(|reading| {
            let found = predictions(&self.own, &rows, |row| reading.of(&self.data().point(row)));
            let then: Vec<bool> =
                found.iter().zip(&labels).map(|(class, label)| *class == Some(*label)).collect();
            Some((gain(&now, &then)?, reading))
        });
        let (better, reading) = readings.max_by_key(|(better, _)| *better)?;
        let correct = now.iter().filter(|right| **right).count();
        Some(Warning::Reading { how: reading.to_string(), correct, better, inputs: some })
    }
}

/// How many are right then, where these are more than now by what is no chance: five in a hundred, and two and a half deviations of
/// the difference if both were equally good (McNemar's test); and most are.
fn gain(now: &[bool], then: &[bool]) -> Option<usize> {
    let count = |of: &[bool]| of.iter().filter(|right| **right).count();
    let changed = now.iter().zip(then).filter(|(now, then)| now != then).count() as f64;
    let (correct, better) = (count(now), count(then));
    let more = better.checked_sub(correct)? as f64;
    let chance = more < 3.0 || more < 0.05 * now.len() as f64 || more < 2.5 * changed.sqrt();
    (!chance && 2 * better > now.len()).then_some(better)
}

/// The class of the largest output, none where there are several such, of the network at each row's point.
fn predictions(
    network: &Network,
    rows: &[usize],
    point: impl Fn(usize) -> Vec<f64> + Sync,
) -> Vec<Option<usize>> {
    let batch = |rows: &[usize]| {
        let points: Vec<f64> = rows.iter().flat_map(|row| point(*row)).collect();
        let outputs = network.evaluate(&Matrix::from_vec(network.inputs(), rows.len(), points));
        let class = |y: &[f64]| match y {
            // Of one output the sign decides.
            [y] => Some(usize::from(*y > 0.0)),
            y => arg_max(y),
        };
        outputs.column_iter().map(|y| class(y.as_slice())).collect::<Vec<_>>()
    };
    rows.par_chunks(BATCH).flat_map_iter(batch).collect()
}

/// The position of the largest value; `None` where it is not unique or a value is NaN.
pub(crate) fn arg_max(values: &[f64]) -> Option<usize> {
    let best = (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]))?;
    let beaten = |(i, v): (usize, &f64)| i == best || *v < values[best];
    (!values[best].is_nan() && values.iter().enumerate().all(beaten)).then_some(best)
}

fn agreement(
    predicted: &[Option<usize>],
    labels: &[usize],
    meant: impl Fn(usize) -> Option<usize>,
) -> usize {
    let pairs = predicted.iter().zip(labels);
    pairs.filter(|(class, label)| class.is_some() && **class == meant(**label)).count()
}

/// Near or below chance: within two deviations of it, or below.
fn of_accuracy(correct: usize, counts: &[usize], predicted: &[Option<usize>]) -> Vec<Warning> {
    let (inputs, classes) = (predicted.len(), counts.len());
    let Some(class) = (0..classes).max_by_key(|class| (counts[*class], classes - class)) else {
        return Vec::new();
    };
    if inputs < FEW {
        return Vec::new();
    }
    let (n, p) = (inputs as f64, 1.0 / classes as f64);
    let slack = if inputs < 20 { 0.0 } else { 2.0 * (n * p * (1.0 - p)).sqrt() };
    let mut all = Vec::new();
    if correct as f64 <= n * p + slack {
        all.push(Warning::Chance { correct, inputs, classes });
    } else if correct <= counts[class] && counts[class] < inputs {
        all.push(Warning::Majority { correct, inputs, class });
    }
    let mut named = vec![0; classes];
    predicted.iter().flatten().for_each(|class| named[*class] += 1);
    let Some(most) = (0..classes).max_by_key(|class| named[*class]) else { return all };
    let labels = counts[most];
    if named[most] * 10 >= inputs * 9 && labels * 4 <= inputs * 3 {
        let share = if named[most] == inputs {
            "all".to_owned()
        } else {
            format!("{} of the", named[most])
        };
        all.push(Warning::OneAnswer { class: most, share, labels, inputs });
    }
    all
}

/// Whether the labels are those of the network if they are counted or named otherwise.
fn of_labels(predicted: &[Option<usize>], labels: &[usize], classes: usize) -> Option<Warning> {
    let inputs = labels.len();
    let correct = agreement(predicted, labels, Some);
    let mut named = vec![vec![0; classes]; classes];
    for (class, label) in predicted.iter().zip(labels) {
        if let Some(class) = class {
            named[*label][*class] += 1;
        }
    }
    // Each label's class if classes are in another order: the one that is predicted most; no two labels have the same then.
    let most = |label: usize| (0..classes).max_by_key(|class| named[label][*class]);
    let renamed: Vec<usize> = (0..classes).filter_map(most).collect();
    let seen = renamed.iter().zip(&named).filter(|(_, row)| row.iter().any(|count| *count > 0));
    let mut classes_seen: Vec<usize> = seen.map(|(class, _)| *class).collect();
    classes_seen.sort_unstable();
    let one_to_one =
        classes_seen.len() > 1 && classes_seen.windows(2).all(|pair| pair[0] < pair[1]);
    let ways: [(&str, usize); 3] = [
        ("labels count from 1", agreement(predicted, labels, |label| label.checked_sub(1))),
        (
            "the network counts classes from 1",
            agreement(predicted, labels, |label| Some(label + 1)),
        ),
        (
            "the classes are in another order",
            if one_to_one { agreement(predicted, labels, |label| Some(renamed[label])) } else { 0 },
        ),
    ];
    let (how, better) = ways.into_iter().find(|(_, better)| *better * 10 >= inputs * 6)?;
    let no_chance = better >= correct * 2 && better >= correct + 5;
    no_chance.then_some(Warning::Labels { how, correct, better, inputs })
}
