//! Several models of one recipe, trained from different seeds: what a next one may be expected to do.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// A figure over models that differ by their training's seed alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OverSeeds {
    /// Of each model, in the plan's order.
    pub(crate) values: Vec<f64>,
    /// Their mean.
    pub(crate) mean: f64,
    /// Their standard deviation, with n − 1; null for one model.
    pub(crate) deviation: Option<f64>,
    /// Student's 95 % interval for the recipe's mean, cut to [0, 1]; null for one model.
    pub(crate) interval: Option<[f64; 2]>,
}

impl OverSeeds {
    /// Of figures in [0, 1]; none of no figures.
    pub(crate) fn of(values: Vec<f64>) -> Option<Self> {
        let n = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        let interval = deviation.and_then(|deviation| {
            let student = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
            let half = student.inverse_cdf(0.975) * deviation / n.sqrt();
            Some([(mean - half).max(0.0), (mean + half).min(1.0)])
        });
        Some(Self { values, mean, deviation, interval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_seeds_have_the_interval_of_the_tables() {
        let found = OverSeeds::of(vec![0.90, 0.92, 0.94]).unwrap();
        let (deviation, [low, high]) = (found.deviation.unwrap(), found.interval.unwrap());
        assert!((found.mean - 0.92).abs() < 1e-12 && (deviation - 0.02).abs() < 1e-12);
        // t of 2 degrees of freedom at 0.975 is 4.302653.
        let half = 4.302_652_73 * 0.02 / 3f64.sqrt();
        assert!((low - (0.92 - half)).abs() < 1e-6 && (high - (0.92 + half)).abs() < 1e-6);
    }

    #[test]
    fn one_model_says_nothing_of_seeds() {
        let found = OverSeeds::of(vec![0.5]).unwrap();
        assert_eq!((found.deviation, found.interval), (None, None));
        assert!(OverSeeds::of(Vec::new()).is_none());
        let same = OverSeeds::of(vec![1.0, 1.0]).unwrap();
        assert_eq!(same.interval, Some([1.0, 1.0]));
    }
}
