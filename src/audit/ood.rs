//! Out of distribution: whether a network is less sure of inputs of another kind than of its own.
//!
//! The confidence of a prediction is its largest softmax probability (Hendrycks and Gimpel, *A Baseline for Detecting
//! Misclassified and Out-of-Distribution Examples in Neural Networks*, ICLR 2017).

use super::Prediction;
use super::classification::roc_auc;
use serde::{Deserialize, Serialize};

/// Confidence inside and outside the distribution. The labels of either play no part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OutOfDistribution {
    /// Mean confidence on inputs of the network's own kind; `None` where there are none or one has no confidence.
    pub(crate) confidence_inside: Option<f64>,
    /// Mean confidence on the other inputs.
    pub(crate) confidence_outside: Option<f64>,
    /// The probability that a random input inside gets a higher confidence than a random one outside, a tie counting ½: 1 is
    /// perfect separation, ½ is none. Ranked by [`Prediction::confidence_log_odds`], which orders as confidence does.
    /// `None` where either set is empty or an output is no number.
    pub(crate) auroc: Option<f64>,
}

impl OutOfDistribution {
    /// Compares predictions on two datasets.
    pub(crate) fn of(inside: &[Prediction], outside: &[Prediction]) -> Self {
        let scores: Vec<f64> =
            inside.iter().chain(outside).map(Prediction::confidence_log_odds).collect();
        let positive: Vec<bool> = (0..scores.len()).map(|at| at < inside.len()).collect();
        Self {
            confidence_inside: mean_confidence(inside),
            confidence_outside: mean_confidence(outside),
            auroc: roc_auc(&scores, &positive),
        }
    }
}

/// The mean of [`Prediction::confidence`]; `None` where there are no predictions, or an output is no number.
fn mean_confidence(predictions: &[Prediction]) -> Option<f64> {
    let sum: f64 = predictions.iter().map(Prediction::confidence).sum();
    let mean = sum / predictions.len() as f64;
    (!mean.is_nan()).then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(margins: &[f64]) -> Vec<Prediction> {
        margins.iter().map(|&m| Prediction::new(0, vec![0.0, m])).collect()
    }

    #[test]
    fn sure_inside_and_unsure_outside_is_separation() {
        let found = OutOfDistribution::of(&of(&[50.0, -60.0, 70.0]), &of(&[45.0, -0.5, 0.0]));
        assert_eq!(found.auroc, Some(1.0));
        // Probabilities of doubles would be 1 for the first four and separate less.
        assert_eq!(found.confidence_inside, Some(1.0));
        let outside = (1.0 + 1.0 / (1.0 + libm::exp(-0.5)) + 0.5) / 3.0;
        assert!((found.confidence_outside.unwrap() - outside).abs() < 1e-15);
    }

    #[test]
    fn the_same_inputs_are_not_separated() {
        let same = of(&[1.0, 2.0, -3.0, 0.0]);
        assert_eq!(OutOfDistribution::of(&same, &same).auroc, Some(0.5));
    }

    #[test]
    fn nothing_has_no_figures() {
        let found = OutOfDistribution::of(&[], &of(&[1.0]));
        assert_eq!((found.confidence_inside, found.auroc), (None, None));
        let nan = OutOfDistribution::of(&of(&[f64::NAN]), &of(&[1.0]));
        assert_eq!((nan.confidence_inside, nan.auroc), (None, None));
    }
}
