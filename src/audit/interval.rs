//! Confidence intervals of a share: the inputs at hand are a sample of those that the network will meet.
//!
//! k of n inputs, drawn independently, have a property that a share p of all inputs has. An interval of level 1 − α contains p
//! in at least 1 − α of all samples. Its ends are statistics, not bounds that a
//! verdict rests on, and are rounded to nearest.

use super::Share;
use serde::{Deserialize, Serialize};
use statrs::function::beta::checked_beta_reg;

/// The level that reports use.
const LEVEL: f64 = 0.95;

/// An interval of shares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Interval {
    /// Lower end, at least 0.
    pub low: f64,
    /// Upper end, at most 1.
    pub high: f64,
}

/// A count out of a total, with a 95 % interval for the share among all inputs of which these are a sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Counted {
    pub count: usize,
    pub total: usize,
    /// Their quotient; `None` for 0 / 0, as is the interval.
    pub value: Option<f64>,
    /// Clopper and Pearson's.
    pub interval: Option<Interval>,
}

impl From<Share> for Counted {
    fn from(share: Share) -> Self {
        let interval = if share.total == 0 { None } else { clopper_pearson(share, LEVEL) };
        Self { count: share.count, total: share.total, value: share.value(), interval }
    }
}

impl Counted {
    /// How many of some things have a property.
    pub(crate) fn of<T>(all: impl IntoIterator<Item = T>, holds: impl Fn(&T) -> bool) -> Self {
        let (mut count, mut total) = (0, 0);
        for one in all {
            count += usize::from(holds(&one));
            total += 1;
        }
        Share { count, total }.into()
    }
}

/// Clopper and Pearson's interval, which inverts the binomial test and is never too short (*Biometrika* 26, 1934): from the
/// α/2-quantile of Beta(k, n − k + 1), 0 for k = 0, to the (1 − α/2)-quantile of Beta(k + 1, n − k), 1 for k = n. [0, 1] for
/// n = 0.
///
/// `None` where the level is not between 0 and 1 or k > n.
#[must_use]
pub fn clopper_pearson(share: Share, level: f64) -> Option<Interval> {
    let (k, n) = sample(share, level)?;
    let tail = 0.5 * (1.0 - level);
    let low = if share.count == 0 { 0.0 } else { beta_quantile(k, n - k + 1.0, tail) };
    // The upper end by symmetry, so that the small tail is what is asked for: 1 − tail has lost its digits.
    let high =
        if share.count == share.total { 1.0 } else { 1.0 - beta_quantile(n - k, k + 1.0, tail) };
    Some(Interval { low, high })
}

fn sample(share: Share, level: f64) -> Option<(f64, f64)> {
    let valid = level > 0.0 && level < 1.0 && share.count <= share.total;
    valid.then_some((share.count as f64, share.total as f64))
}

/// The x with I_x(a, b) = p, by bisection over the regularised incomplete beta function, which increases in x: down to
/// neighbouring doubles, in at most some 1,100 halvings (of which the first thousand only where x is tiny).
fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    let below = |x: f64| checked_beta_reg(a, b, x).is_ok_and(|value| value < p);
    let (mut low, mut high) = (0.0f64, 1.0f64);
    loop {
        let middle = 0.5 * low + 0.5 * high;
        if middle <= low || middle >= high {
            return middle;
        }
        if below(middle) { low = middle } else { high = middle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_known_without_inputs() {
        let none = Share { count: 0, total: 0 };
        assert_eq!(clopper_pearson(none, 0.9), Some(Interval { low: 0.0, high: 1.0 }));
    }

    #[test]
    fn senseless_questions_have_no_answer() {
        let some = Share { count: 1, total: 2 };
        for level in [0.0, 1.0, -0.5, f64::NAN] {
            assert!(clopper_pearson(some, level).is_none());
        }
        let more = Share { count: 3, total: 2 };
        assert!(clopper_pearson(more, 0.9).is_none());
    }

    #[test]
    fn one_success_in_one_has_the_ends_that_algebra_gives() {
        // P(X ≥ 1) = p = α/2.
        let interval = clopper_pearson(Share { count: 1, total: 1 }, 0.95).unwrap();
        assert!((interval.low - 0.025).abs() < 1e-15 && interval.high == 1.0);
        // Zero of n: (1 − p)ⁿ = α/2.
        let interval = clopper_pearson(Share { count: 0, total: 100 }, 0.95).unwrap();
        assert!((interval.high - (1.0 - 0.025f64.powf(0.01))).abs() < 1e-14);
    }

    proptest! {
        #![proptest_config(crate::num::hostile::cases(64))]
        #[test]
        fn intervals_contain_the_share_and_mirror(total in 1usize..3000, part in 0.0..=1.0f64, level in 0.5..0.999f64) {
            let count = (part * total as f64) as usize;
            let (share, rest) = (Share { count, total }, Share { count: total - count, total });
            let value = share.value().unwrap();
            let interval = |share, level| clopper_pearson(share, level).unwrap();
            let (found, mirrored) = (interval(share, level), interval(rest, level));
            prop_assert!(0.0 <= found.low && found.low <= value && value <= found.high && found.high <= 1.0);
            prop_assert!((found.low + mirrored.high - 1.0).abs() < 1e-12);
            let wider = interval(share, 0.5 + 0.5 * level);
            prop_assert!(wider.low <= found.low && found.high <= wider.high);
        }
    }
}
