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

use super::interval::Counted;
use super::{Prediction, Share};
use serde::{Deserialize, Serialize};

/// The figures of one class; `None` for 0 / 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClassFigures {
    /// Inputs of the class, s.
    pub support: usize,
    /// h / q; `None` where the class is never predicted.
    pub precision: Option<f64>,
    /// h / s; `None` where there are no inputs of the class.
    pub recall: Option<f64>,
    /// 2h / (s + q); `None` where the class occurs neither among labels nor among predictions.
    pub f1: Option<f64>,
    /// The area under the ROC curve of the class against the rest, inputs ranked by the class's softmax probability (by its
    /// [`Prediction::log_odds`], which order them alike); `None` where every input or none is of the class, or a score is NaN.
    pub roc_auc: Option<f64>,
}

/// Precision, recall and F1 averaged over classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Averages {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

/// The figures of a classifier on labelled inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Classification {
    /// Correct / all.
    pub accuracy: Counted,
    /// Mean over the classes that occur; `None` where there are no inputs.
    pub macro_average: Option<Averages>,
    /// Mean weighted by support; `None` where there are no inputs.
    pub weighted_average: Option<Averages>,
    /// Mean area under the ROC curve over the classes that have one.
    pub roc_auc_macro: Option<f64>,
    /// The same with the weights s.
    pub roc_auc_weighted: Option<f64>,
    /// One a class.
    pub classes: Vec<ClassFigures>,
    /// How many inputs of a class (rows) were given a class (columns).
    pub confusion: Vec<Vec<usize>>,
    /// Inputs of each class whose largest output is not unique.
    pub undecided: Vec<usize>,
}

impl Classification {
    /// Sums up predictions.
    ///
    /// # Panics
    /// Where a label or a prediction is not below `classes`, or a prediction has another number of outputs.
    #[must_use]
    pub fn of(classes: usize, predictions: &[Prediction]) -> Self {
        assert!(predictions.iter().all(|p| p.outputs.len() == classes), "one output a class");
        let mut confusion = vec![vec![0; classes]; classes];
        let mut undecided = vec![0; classes];
        for Prediction { label, predicted, .. } in predictions {
            match predicted {
                Some(predicted) => confusion[*label][*predicted] += 1,
                None => undecided[*label] += 1,
            }
        }
        let figures = |class: usize| {
            let support = confusion[class].iter().sum::<usize>() + undecided[class];
            let predicted: usize = confusion.iter().map(|row| row[class]).sum();
            let hits = confusion[class][class];
            let share = |count, total| Share { count, total }.value();
            let positive: Vec<bool> = predictions.iter().map(|p| p.label == class).collect();
            let scores: Vec<f64> = predictions.iter().map(|p| p.log_odds(class)).collect();
            ClassFigures {
                support,
                precision: share(hits, predicted),
                recall: share(hits, support),
                f1: share(2 * hits, support + predicted),
                roc_auc: roc_auc(&scores, &positive),
            }
        };
        let figures: Vec<ClassFigures> = (0..classes).map(figures).collect();
        let occurs = |class: &ClassFigures| usize::from(class.f1.is_some());
        let support = |class: &ClassFigures| class.support;
        Self {
            accuracy: Counted::of(predictions, |prediction| prediction.correct()),
            macro_average: averages(&figures, occurs),
            weighted_average: averages(&figures, support),
            roc_auc_macro: mean_area(&figures, |_| 1),
            roc_auc_weighted: mean_area(&figures, support),
            classes: figures,
            confusion,
            undecided,
        }
    }
}

/// The means with the given weights, where 0 / 0 counts as 0; `None` where the weights are all 0.
fn averages(classes: &[ClassFigures], weight: impl Fn(&ClassFigures) -> usize) -> Option<Averages> {
    let total: usize = classes.iter().map(&weight).sum();
    let mean = |figure: fn(&ClassFigures) -> Option<f64>| {
        let weighted = |class: &ClassFigures| weight(class) as f64 * figure(class).unwrap_or(0.0);
        classes.iter().map(weighted).sum::<f64>() / total as f64
    };
    (total > 0).then(|| Averages {
        precision: mean(|class| class.precision),
        recall: mean(|class| class.recall),
        f1: mean(|class| class.f1),
    })
}

/// The mean area with the given weights over the classes that have one.
fn mean_area(classes: &[ClassFigures], weight: impl Fn(&ClassFigures) -> usize) -> Option<f64> {
    let (mut sum, mut total) = (0.0, 0.0);
    for class in classes {
        if let Some(area) = class.roc_auc {
            sum += weight(class) as f64 * area;
            total += weight(class) as f64;
        }
    }
    (total > 0.0).then(|| sum / total)
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
        let class = |k: usize| {
            let ClassFigures { precision, recall, f1, .. } = found.classes[k];
            (precision, recall, f1)
        };
        assert_eq!(class(1), (None, Some(0.0), Some(0.0)));
        assert_eq!(class(2), (None, None, None));
        // The macro average is over classes 0 and 1.
        let average = found.macro_average.unwrap();
        assert_eq!((average.precision, average.recall, average.f1), (1.0 / 3.0, 0.5, 0.4));
        assert_eq!(found.classes[2].roc_auc, None);
    }

    #[test]
    fn an_input_without_a_class_is_missed_by_every_class() {
        let rows = [(0, [1.0, 1.0, 0.0]), (0, [1.0, 0.0, 0.0]), (1, [0.0, f64::NAN, 0.0])];
        let found = Classification::of(3, &predictions(&rows));
        assert_eq!((found.accuracy.count, found.accuracy.total), (1, 3));
        assert_eq!(found.undecided, [1, 1, 0]);
        let class = found.classes[0];
        assert_eq!((class.precision, class.recall), (Some(1.0), Some(0.5)));
        assert!(found.classes.iter().all(|class| class.roc_auc.is_none()));
    }

    #[test]
    fn no_inputs_have_no_figures() {
        let found = Classification::of(2, &[]);
        assert_eq!((found.accuracy.value, found.accuracy.interval), (None, None));
        assert!(found.macro_average.is_none() && found.weighted_average.is_none());
        assert_eq!((found.roc_auc_macro, found.roc_auc_weighted), (None, None));
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
