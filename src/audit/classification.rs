//! How well a classifier classifies: accuracy, precision, recall, F1, ROC AUC, confusion matrix.
//!
//! For class k let s be its inputs (*support*), q the inputs that were given it, h the inputs of it that were given it.
//!
//! precision = h / q,  recall = h / s,  F1 = 2h / (s + q), the harmonic mean of the two.
//!
//! **Zero division.** A quotient with the denominator 0 has no value: precision of a class that is never predicted, recall of a
//! class without inputs, F1 of a class that is neither. In averages it counts as 0, so that a class that is never found
//! lowers them. **Averages.** *Macro*: the mean over the classes that occur among labels or predictions. *Weighted*: the mean with
//! the weights s. Both are what scikit-learn's `precision_recall_fscore_support` gives with `zero_division=0` and its default labels.
//!
//! An input with several largest outputs has no predicted class: it counts in s, in no q and in no h.

use super::{Prediction, Share};
use serde::{Deserialize, Serialize};

/// Labels against predicted classes, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<usize>,
    undecided: Vec<usize>,
}

impl Confusion {
    /// Counts (label, predicted class) pairs.
    ///
    /// # Panics
    /// Where a label or a prediction is not below `classes`.
    #[must_use]
    pub fn of(classes: usize, pairs: impl IntoIterator<Item = (usize, Option<usize>)>) -> Self {
        let (counts, undecided) = (vec![0; classes * classes], vec![0; classes]);
        let mut confusion = Self { classes, counts, undecided };
        for (label, predicted) in pairs {
            assert!(label < classes && predicted.is_none_or(|p| p < classes), "a class");
            match predicted {
                Some(predicted) => confusion.counts[label * classes + predicted] += 1,
                None => confusion.undecided[label] += 1,
            }
        }
        confusion
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many inputs of class `label` were given class `predicted`.
    #[must_use]
    pub fn count(&self, label: usize, predicted: usize) -> usize {
        self.counts[label * self.classes + predicted]
    }

    /// How many inputs of class `label` were given no class, their largest output not being unique.
    #[must_use]
    pub fn undecided(&self, label: usize) -> usize {
        self.undecided[label]
    }

    /// Correct / all.
    #[must_use]
    pub fn accuracy(&self) -> Share {
        let count = (0..self.classes).map(|class| self.count(class, class)).sum();
        Share { count, total: self.counts.iter().chain(&self.undecided).sum() }
    }

    /// The counts that concern one class.
    #[must_use]
    pub fn class(&self, class: usize) -> ClassCounts {
        let all = 0..self.classes;
        ClassCounts {
            support: all.clone().map(|k| self.count(class, k)).sum::<usize>()
                + self.undecided[class],
            predicted: all.map(|k| self.count(k, class)).sum(),
            hits: self.count(class, class),
        }
    }
}

/// The counts that concern one class, and the figures made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassCounts {
    /// Inputs of the class, s.
    pub support: usize,
    /// Inputs that were given the class, q.
    pub predicted: usize,
    /// Inputs of the class that were given it, h.
    pub hits: usize,
}

impl ClassCounts {
    /// h / q; `None` where the class is never predicted.
    #[must_use]
    pub fn precision(self) -> Option<f64> {
        Share { count: self.hits, total: self.predicted }.value()
    }

    /// h / s; `None` where there are no inputs of the class.
    #[must_use]
    pub fn recall(self) -> Option<f64> {
        Share { count: self.hits, total: self.support }.value()
    }

    /// 2h / (s + q); `None` where the class occurs neither among labels nor among predictions.
    #[must_use]
    pub fn f1(self) -> Option<f64> {
        Share { count: 2 * self.hits, total: self.support + self.predicted }.value()
    }

    fn occurs(self) -> bool {
        self.support + self.predicted > 0
    }
}

/// Precision, recall and F1 averaged over classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Averages {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

impl Averages {
    /// The mean with the given weights; `None` where they are all 0.
    fn of(classes: &[ClassCounts], weight: impl Fn(&ClassCounts) -> usize) -> Option<Self> {
        let total: usize = classes.iter().map(&weight).sum();
        let mean = |figure: fn(ClassCounts) -> Option<f64>| {
            let weighted = |c: &ClassCounts| weight(c) as f64 * figure(*c).unwrap_or(0.0);
            classes.iter().map(weighted).sum::<f64>() / total as f64
        };
        (total > 0).then(|| Self {
            precision: mean(ClassCounts::precision),
            recall: mean(ClassCounts::recall),
            f1: mean(ClassCounts::f1),
        })
    }
}

/// One-vs-rest areas under the ROC curve.
#[derive(Debug, Clone, PartialEq)]
pub struct RocAuc {
    /// One a class; `None` where every input or none is of the class, or a score is NaN.
    pub classes: Vec<Option<f64>>,
    /// Their mean, over the classes that have one.
    pub macro_mean: Option<f64>,
    /// Their mean with the weights s, over the classes that have one.
    pub weighted_mean: Option<f64>,
}

impl RocAuc {
    fn of(classes: usize, predictions: &[Prediction]) -> Self {
        let areas: Vec<(Option<f64>, usize)> = (0..classes)
            .map(|class| {
                let positive: Vec<bool> = predictions.iter().map(|p| p.label == class).collect();
                let scores: Vec<f64> = predictions.iter().map(|p| p.log_odds(class)).collect();
                let support = positive.iter().filter(|&&p| p).count();
                (roc_auc(&scores, &positive), support)
            })
            .collect();
        let mean = |weight: &dyn Fn(usize) -> f64| {
            let (mut sum, mut total) = (0.0, 0.0);
            for &(area, support) in &areas {
                if let Some(area) = area {
                    sum += weight(support) * area;
                    total += weight(support);
                }
            }
            (total > 0.0).then(|| sum / total)
        };
        Self {
            macro_mean: mean(&|_| 1.0),
            weighted_mean: mean(&|support| support as f64),
            classes: areas.iter().map(|area| area.0).collect(),
        }
    }
}

/// The figures of a classifier on labelled inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// Labels against predictions; accuracy and the classes' figures come from it.
    pub confusion: Confusion,
    /// Mean over the classes that occur; `None` where there are no inputs.
    pub macro_average: Option<Averages>,
    /// Mean weighted by support; `None` where there are no inputs.
    pub weighted_average: Option<Averages>,
    /// Area under the ROC curve of each class against the rest, inputs ranked by the class's softmax probability
    /// (by its [`Prediction::log_odds`], which order them alike).
    pub roc_auc: RocAuc,
}

impl Classification {
    /// Sums up predictions.
    ///
    /// # Panics
    /// Where a label is not below `classes` or a prediction has another number of outputs.
    #[must_use]
    pub fn of(classes: usize, predictions: &[Prediction]) -> Self {
        assert!(predictions.iter().all(|p| p.outputs.len() == classes), "one output a class");
        let pairs = predictions.iter().map(|p| (p.label, p.predicted));
        let confusion = Confusion::of(classes, pairs);
        let counts: Vec<ClassCounts> = (0..classes).map(|k| confusion.class(k)).collect();
        Self {
            macro_average: Averages::of(&counts, |c| usize::from(c.occurs())),
            weighted_average: Averages::of(&counts, |c| c.support),
            roc_auc: RocAuc::of(classes, predictions),
            confusion,
        }
    }
}

/// The area under the ROC curve: the probability that a random positive has a larger score than a random negative, a tie
/// counting ½ (Mann and Whitney's U over the number of pairs; Hanley and McNeil, *Radiology* 143, 1982). Computed from whole
/// numbers and divided once.
///
/// `None` where there is no positive or no negative, or a score is NaN.
///
/// # Panics
/// Where the lengths differ.
#[must_use]
pub fn roc_auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "a score an input");
    if scores.iter().any(|s| s.is_nan()) {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    // Twice the number of pairs won, a tie counting 1.
    let (mut won, mut below, mut negatives, mut positives) = (0u128, 0u128, 0u128, 0u128);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let here = tied.iter().filter(|&&i| positive[i]).count() as u128;
        let others = tied.len() as u128 - here;
        won += here * (2 * below + others);
        below += others;
        (negatives, positives) = (negatives + others, positives + here);
    }
    let pairs = 2 * negatives * positives;
    (pairs > 0).then(|| won as f64 / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(rows: &[(usize, [f64; 3])]) -> Vec<Prediction> {
        rows.iter().map(|(label, outputs)| Prediction::new(*label, outputs.to_vec())).collect()
    }

    #[test]
    fn quotients_by_zero_have_no_value_and_count_as_zero() {
        // Class 1 is never predicted, class 2 does not occur.
        let rows = [(0, [1.0, 0.0, 0.0]), (0, [1.0, 0.0, 0.0]), (1, [1.0, 0.0, 0.0])];
        let found = Classification::of(3, &predictions(&rows));
        let class = |k| found.confusion.class(k);
        assert_eq!(
            (class(1).precision(), class(1).recall(), class(1).f1()),
            (None, Some(0.0), Some(0.0))
        );
        assert_eq!((class(2).precision(), class(2).recall(), class(2).f1()), (None, None, None));
        // The macro average is over classes 0 and 1.
        let average = found.macro_average.unwrap();
        assert_eq!((average.precision, average.recall, average.f1), (1.0 / 3.0, 0.5, 0.4));
        assert_eq!(found.roc_auc.classes[2], None);
    }

    #[test]
    fn an_input_without_a_class_is_missed_by_every_class() {
        let rows = [(0, [1.0, 1.0, 0.0]), (0, [1.0, 0.0, 0.0]), (1, [0.0, f64::NAN, 0.0])];
        let found = Classification::of(3, &predictions(&rows));
        assert_eq!(found.confusion.accuracy(), Share { count: 1, total: 3 });
        assert_eq!((found.confusion.undecided(0), found.confusion.undecided(1)), (1, 1));
        let class = found.confusion.class(0);
        assert_eq!((class.precision(), class.recall()), (Some(1.0), Some(0.5)));
        assert_eq!(found.roc_auc.classes, [None; 3]);
    }

    #[test]
    fn no_inputs_have_no_figures() {
        let found = Classification::of(2, &[]);
        assert_eq!(found.confusion.accuracy().value(), None);
        assert!(found.macro_average.is_none() && found.weighted_average.is_none());
        assert_eq!((found.roc_auc.macro_mean, found.roc_auc.weighted_mean), (None, None));
    }

    #[test]
    fn ties_count_a_half() {
        assert_eq!(roc_auc(&[0.0, 0.0, 0.0], &[true, false, false]), Some(0.5));
        assert_eq!(roc_auc(&[0.0, -0.0], &[true, false]), Some(0.5));
        assert_eq!(roc_auc(&[1.0, 0.0, 1.0, 2.0], &[true, false, false, true]), Some(0.875));
        assert_eq!(roc_auc(&[f64::INFINITY, f64::NEG_INFINITY], &[true, false]), Some(1.0));
        assert_eq!(roc_auc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(roc_auc(&[f64::NAN, 2.0], &[true, false]), None);
    }
}
