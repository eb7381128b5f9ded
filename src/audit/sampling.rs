//! How many inputs it takes to show a share: sampling plans by Clopper and Pearson's lower bound.

use super::Share;
use super::interval::clopper_pearson;
use serde::Serialize;
use statrs::function::beta::checked_beta_reg;

/// More inputs than this are no plan.
pub(crate) const MOST: usize = 10_000_000;

/// The smallest sample in which so many inputs may fail.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SamplingRow {
    /// Inputs of which the property may fail.
    pub(crate) failures: usize,
    /// The smallest number of inputs whose lower bound reaches the share all the same.
    pub(crate) inputs: usize,
    /// That lower bound.
    pub(crate) lower_bound: f64,
    /// The probability that at most so many fail, where a share is expected; null where none is.
    pub(crate) power: Option<f64>,
}

/// The lower end of the interval of n inputs of which `failures` fail.
fn lower(inputs: usize, failures: usize, confidence: f64) -> f64 {
    let share = Share { count: inputs.saturating_sub(failures), total: inputs };
    clopper_pearson(share, confidence).map_or(0.0, |interval| interval.low)
}

/// The smallest n with a lower bound of at least `share`, with n − `failures` of n; none up to [`MOST`]. The bound grows with n.
fn smallest(share: f64, confidence: f64, failures: usize) -> Option<usize> {
    let shows = |n: usize| lower(n, failures, confidence) >= share;
    let mut high = failures + 1;
    while !shows(high) {
        high = high.checked_mul(2).filter(|n| *n <= 2 * MOST)?;
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if shows(middle) { high = middle } else { low = middle }
    }
    Some(high).filter(|n| *n <= MOST)
}

/// P(at most `failures` of n fail), where each holds with probability `expected`.
fn power(inputs: usize, failures: usize, expected: f64) -> f64 {
    if failures >= inputs || expected >= 1.0 {
        return 1.0;
    }
    if expected <= 0.0 {
        return 0.0;
    }
    // P(X ≤ k) = I_{1 − p}(n − k, k + 1), for X of Bin(n, p), p = 1 − expected.
    checked_beta_reg((inputs - failures) as f64, failures as f64 + 1.0, expected)
        .unwrap_or(f64::NAN)
}

/// The smallest samples that show a share, for each number of failures.
pub(crate) fn rows(
    share: f64,
    confidence: f64,
    failures: impl IntoIterator<Item = usize>,
    expected: Option<f64>,
) -> Vec<SamplingRow> {
    let row = |failures| {
        let inputs = smallest(share, confidence, failures)?;
        let lower_bound = lower(inputs, failures, confidence);
        let power = expected.map(|expected| power(inputs, failures, expected));
        Some(SamplingRow { failures, inputs, lower_bound, power })
    };
    failures.into_iter().map_while(row).collect()
}

/// The smallest of these samples that shows the share with a given probability, where the expected share is the true one.
pub(crate) fn with_power(
    share: f64,
    confidence: f64,
    expected: f64,
    wanted: f64,
) -> Option<SamplingRow> {
    let row = |failures| rows(share, confidence, [failures], Some(expected)).pop();
    let enough = |row: &SamplingRow| row.power.is_some_and(|power| power >= wanted);
    // The probability grows with the number of failures but for small steps back; doubling, then a search from below.
    let mut high = 0usize;
    while !enough(&row(high)?) {
        high = 2 * high + 1;
    }
    (high / 2..=high).filter_map(row).find(enough)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plans_are_those_of_the_criterion() {
        // As in the tests of criteria: all of 36 show 0.9, all of 35 do not.
        let found = rows(0.9, 0.95, 0..=4, None);
        assert_eq!((found[0].failures, found[0].inputs), (0, 36));
        assert!(found.windows(2).all(|pair| pair[0].inputs < pair[1].inputs));
        assert!(found[4].inputs <= 100, "96 of 100 show it");
    }

    #[test]
    fn power_is_the_binomial_sum() {
        let by_hand = (0..=2)
            .map(|k| [1.0, 20.0, 190.0][k] * 0.05f64.powi(k as i32) * 0.95f64.powi(20 - k as i32))
            .sum::<f64>();
        assert!((power(20, 2, 0.95) - by_hand).abs() < 1e-12);
        assert_eq!((power(5, 5, 0.1), power(5, 0, 1.0), power(5, 0, 0.0)), (1.0, 1.0, 0.0));
    }

    #[test]
    fn an_expected_share_that_is_no_larger_needs_no_end_of_inputs() {
        assert!(with_power(0.9, 0.95, 0.95, 0.8).is_some_and(|row| row.power.unwrap() >= 0.8));
        assert!(rows(1.0, 0.95, [0], None).is_empty(), "a share of 1 is never shown");
    }

    proptest! {
        #![proptest_config(crate::num::hostile::cases(24))]
        #[test]
        fn one_input_less_does_not_show_it(share in 0.05..0.99f64, confidence in 0.5..0.999f64, failures in 0usize..30) {
            let row = rows(share, confidence, [failures], None)[0];
            prop_assert!(row.lower_bound >= share);
            prop_assert!(row.inputs == failures + 1 || lower(row.inputs - 1, failures, confidence) < share);
        }
    }
}
