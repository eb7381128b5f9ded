//! What a network says about an input: its outputs, the class it names, how sure it claims to be.

use crate::net::{Matrix, Network};
use crate::query::arg_max;

/// An input's class and the network's outputs for it, in double precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The class that the dataset gives.
    pub label: usize,
    /// Arg max of the outputs; `None` where the largest is not unique or an output is NaN, which counts as wrong.
    pub predicted: Option<usize>,
    /// The outputs (before a softmax at the end of the network).
    pub outputs: Vec<f64>,
}

impl Prediction {
    /// Reads the prediction off the outputs.
    #[must_use]
    pub fn new(label: usize, outputs: Vec<f64>) -> Self {
        Self { label, predicted: arg_max(&outputs), outputs }
    }

    /// Whether the predicted class is the label.
    #[must_use]
    pub fn correct(&self) -> bool {
        self.predicted == Some(self.label)
    }

    /// The softmax probability of a class, exp(y_c) / Σ exp(yᵢ); NaN where an output is NaN or the largest is infinite.
    #[must_use]
    pub fn probability(&self, class: usize) -> f64 {
        let own = self.outputs[class];
        1.0 / self.outputs.iter().map(|y| libm::exp(y - own)).sum::<f64>()
    }

    /// The logarithm of the odds p / (1 − p) of a class's softmax probability p: y_c − log Σ_{i≠c} exp(yᵢ).
    ///
    /// It puts predictions in the same order as p does, but does not run into 1 for sure predictions: p of the double
    /// numbers is 1 from a margin of 37 on, and a ranking by p would call those all equal.
    #[must_use]
    pub fn log_odds(&self, class: usize) -> f64 {
        let others = || self.outputs.iter().enumerate().filter(|&(i, _)| i != class).map(|o| *o.1);
        if others().any(f64::is_nan) {
            return f64::NAN;
        }
        let top = others().fold(f64::NEG_INFINITY, f64::max);
        if top.is_infinite() {
            return self.outputs[class] - top;
        }
        let sum: f64 = others().map(|y| libm::exp(y - top)).sum();
        self.outputs[class] - top - libm::log(sum)
    }

    /// The class of the largest output, the first of several.
    fn top(&self) -> usize {
        let better = |best: usize, i: usize| self.outputs[i] > self.outputs[best];
        (0..self.outputs.len()).fold(0, |best, i| if better(best, i) { i } else { best })
    }

    /// The largest softmax probability: how sure the network claims to be.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        self.probability(self.top())
    }

    /// [`Self::log_odds`] of the class of the largest output, which orders predictions by [`Self::confidence`].
    #[must_use]
    pub fn confidence_log_odds(&self) -> f64 {
        self.log_odds(self.top())
    }
}

/// A network's outputs at a point, in double precision.
pub(super) fn outputs(network: &Network, point: Vec<f64>) -> Vec<f64> {
    network.evaluate(&Matrix::from_vec(point.len(), 1, point)).as_slice().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_nan_have_no_arg_max() {
        assert_eq!(arg_max(&[1.0, 3.0, 2.0]), Some(1));
        assert_eq!(arg_max(&[3.0, 3.0]), None);
        assert_eq!(arg_max(&[0.0, -0.0]), None);
        assert_eq!(arg_max(&[1.0, f64::NAN, 2.0]), None);
        assert_eq!(arg_max(&[f64::NAN]), None);
        assert_eq!(arg_max(&[f64::NEG_INFINITY]), Some(0));
        assert_eq!(arg_max(&[]), None);
    }

    #[test]
    fn probabilities_and_log_odds_agree() {
        let prediction = Prediction::new(0, vec![1.0, -0.5, 2.25, 0.0]);
        let total: f64 = (0..4).map(|class| prediction.probability(class)).sum();
        assert!((total - 1.0).abs() < 1e-15);
        for class in 0..4 {
            let p = prediction.probability(class);
            assert!((prediction.log_odds(class) - (p / (1.0 - p)).ln()).abs() < 1e-14);
        }
        assert_eq!(prediction.confidence(), prediction.probability(2));
        assert!(!prediction.correct());
    }

    #[test]
    fn log_odds_tell_sure_predictions_apart() {
        let [sure, surer] = [40.0, 400.0].map(|y| Prediction::new(0, vec![y, 0.0, -700.0, -1e300]));
        assert_eq!((sure.confidence(), surer.confidence()), (1.0, 1.0));
        assert!(sure.confidence_log_odds() < surer.confidence_log_odds());
    }

    #[test]
    fn values_that_are_no_numbers_stay_visible() {
        let nan = Prediction::new(0, vec![1.0, f64::NAN]);
        assert!(nan.predicted.is_none() && nan.log_odds(0).is_nan() && nan.log_odds(1).is_nan());
        let infinite = Prediction::new(0, vec![f64::INFINITY, 1.0, f64::NEG_INFINITY]);
        assert_eq!((infinite.predicted, infinite.log_odds(0)), (Some(0), f64::INFINITY));
        assert_eq!(infinite.log_odds(1), f64::NEG_INFINITY);
    }
}
