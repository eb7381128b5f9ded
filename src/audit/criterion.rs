//! Criteria of an audit: what a share must be, and what a sample says about it.

use super::Share;
use super::interval::Counted;
use crate::num::{Rational, from_f64};
use serde::{Deserialize, Serialize};

/// By which number a criterion is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum JudgedBy {
    /// The lower end of the share's 95 % interval: what the sample shows of the inputs to come.
    #[default]
    LowerBound,
    /// The share of the sample itself.
    Share,
}

/// What a sample says about a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Judgement {
    Met,
    /// The share of the sample is below what is required.
    NotMet,
    /// The share reaches it, and its 95 % lower bound does not: the sample is too small to tell.
    NotShown,
}

impl Judgement {
    /// Judges a share that must be at least so much. Of no inputs nothing is shown.
    pub(crate) fn of(by: JudgedBy, at_least: &Rational, found: Share) -> Self {
        let whole = |n: usize| Rational::from_integer(n.into());
        if found.total == 0 {
            return Self::NotShown;
        }
        if whole(found.count) < at_least * whole(found.total) {
            return Self::NotMet;
        }
        let low = Counted::from(found).interval.and_then(|interval| from_f64(interval.low));
        match by {
            JudgedBy::Share => Self::Met,
            JudgedBy::LowerBound if low.is_some_and(|low| low >= *at_least) => Self::Met,
            JudgedBy::LowerBound => Self::NotShown,
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::NotShown => "not shown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::parse_rational;

    #[test]
    fn a_share_is_shown_by_its_lower_bound() {
        let nine_tenths = parse_rational("0.9").unwrap();
        let judge = |by, count, total| Judgement::of(by, &nine_tenths, Share { count, total });
        for (count, total, by_bound, by_share) in [
            (0, 0, Judgement::NotShown, Judgement::NotShown),
            (89, 100, Judgement::NotMet, Judgement::NotMet),
            (90, 100, Judgement::NotShown, Judgement::Met),
            // Clopper and Pearson's lower ends are 0.8872 and 0.9007.
            (95, 100, Judgement::NotShown, Judgement::Met),
            (96, 100, Judgement::Met, Judgement::Met),
            (30, 30, Judgement::NotShown, Judgement::Met),
            // All of n show 0.9 from 0.9ⁿ ≤ 0.025 on.
            (35, 35, Judgement::NotShown, Judgement::Met),
            (36, 36, Judgement::Met, Judgement::Met),
        ] {
            assert_eq!(judge(JudgedBy::LowerBound, count, total), by_bound, "{count} of {total}");
            assert_eq!(judge(JudgedBy::Share, count, total), by_share, "{count} of {total}");
        }
    }
}
