//! Two models on the same inputs: exact McNemar.

use serde::{Deserialize, Serialize};
use statrs::function::beta::checked_beta_reg;

/// How two models do on the same inputs, input by input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Paired {
    /// Inputs.
    pub(crate) n: usize,
    /// On which both hold.
    pub(crate) both: usize,
    /// On which only the first one does.
    pub(crate) only_first: usize,
    /// On which only the second one does.
    pub(crate) only_second: usize,
    /// On which neither does.
    pub(crate) neither: usize,
    /// The two-sided p-value of McNemar's exact test: the probability of a split at least as uneven, were both models equally good.
    pub(crate) p_value: f64,
}

impl Paired {
    /// Counts pairs.
    pub(crate) fn of(pairs: impl Iterator<Item = (bool, bool)>) -> Self {
        let mut counts = [0; 4];
        for (first, second) in pairs {
            counts[2 * usize::from(first) + usize::from(second)] += 1;
        }
        let [neither, only_second, only_first, both] = counts;
        let n = counts.iter().sum();
        Self {
            n,
            both,
            only_first,
            only_second,
            neither,
            p_value: mcnemar(only_first, only_second),
        }
    }
}

/// McNemar's exact test (*Psychometrika* 12, 1947): of b + c inputs on which the models differ, the number on one side is
/// Bin(b + c, ½) where both are equally good; twice the smaller tail, at most 1. P(X ≤ k) = I_½(m − k, k + 1).
#[must_use]
pub(crate) fn mcnemar(b: usize, c: usize) -> f64 {
    let (few, all) = (b.min(c) as f64, (b + c) as f64);
    if b == c {
        return 1.0;
    }
    let tail = checked_beta_reg(all - few, few + 1.0, 0.5).unwrap_or(1.0);
    (2.0 * tail).min(1.0)
}

/// Holm's step-down adjustment (*Scand. J. Statist.* 6, 1979): p-values that may all be read at one level.
pub(crate) fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut so_far = 0.0f64;
    for (rank, &at) in order.iter().enumerate() {
        so_far = so_far.max((p.len() - rank) as f64 * p[at]).min(1.0);
        adjusted[at] = so_far;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Σ_{i ≤ k} C(m, i) / 2ᵐ, in whole numbers.
    fn by_hand(b: usize, c: usize) -> f64 {
        let (k, m) = (b.min(c), b + c);
        let mut choose = 1u128;
        let mut sum = 0u128;
        for i in 0..=k {
            sum += choose;
            choose = choose * (m - i) as u128 / (i as u128 + 1);
        }
        (2.0 * sum as f64 / 2f64.powi(m as i32)).min(1.0)
    }

    #[test]
    fn the_test_is_the_binomial_sum() {
        for (b, c) in
            [(0, 0), (0, 1), (0, 5), (0, 6), (1, 9), (3, 12), (10, 25), (40, 40), (20, 60)]
        {
            let (found, exact) = (mcnemar(b, c), by_hand(b, c));
            assert!((found - exact).abs() <= 1e-12 * exact.max(1e-3), "{b}, {c}: {found} {exact}");
            assert_eq!(found, mcnemar(c, b));
        }
        // Five against none do not show a difference at 5 %, six do.
        assert!(mcnemar(0, 5) > 0.05 && mcnemar(0, 6) < 0.05);
    }

    #[test]
    fn pairs_are_counted_in_their_places() {
        let pairs = [(true, true), (true, false), (true, false), (false, true), (false, false)];
        let found = Paired::of(pairs.into_iter());
        assert_eq!(
            (found.n, found.both, found.only_first, found.only_second, found.neither),
            (5, 1, 2, 1, 1)
        );
    }

    #[test]
    fn adjustment_steps_down() {
        let found = holm(&[0.01, 0.04, 0.03, 0.5]);
        let expected = [0.04, 0.09, 0.09, 0.5];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    }
}
