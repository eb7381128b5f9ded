//! The figures of a campaign, each with numerator and denominator, and the order between them that must hold.

use super::{AttackResult, Row, VerdictName};
use crate::num::Rational;
use crate::verify::Stage;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// A count out of a total; stored as `numerator`, `denominator` and `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Share {
    /// The numerator.
    #[serde(rename = "numerator")]
    pub count: usize,
    /// The denominator.
    #[serde(rename = "denominator")]
    pub total: usize,
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut share = to.serialize_struct("Share", 3)?;
        share.serialize_field("numerator", &self.count)?;
        share.serialize_field("denominator", &self.total)?;
        share.serialize_field("value", &self.value())?;
        share.end()
    }
}

impl Share {
    /// count / total; `None` for 0 / 0, which has no value.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.total > 0).then(|| self.count as f64 / self.total as f64)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.total)
    }
}

/// Rows that contradict each other: an error in this program or a damaged journal, never a result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Breach {
    /// An input with a proof of safety and a counterexample.
    #[error("input {0} is both certified and falsified")]
    Contradiction(usize),
    /// An input certified with a margin bound that is not positive.
    #[error("input {0} is certified with a margin bound that is not positive")]
    Unproved(usize),
    /// An input twice.
    #[error("input {0} has two rows")]
    Twice(usize),
    /// certified ≤ adversarial ≤ clean does not hold.
    #[error(
        "certified {certified}, unbroken {unbroken}, correct {correct}: these must not decrease"
    )]
    Order {
        /// Correct and certified inputs.
        certified: usize,
        /// Correct inputs without a counterexample.
        unbroken: usize,
        /// Correct inputs.
        correct: usize,
    },
    /// A certified radius that is not below the distance of a counterexample.
    #[error("input {index} is certified up to {certified} and has a counterexample at {attacked}")]
    Radius { index: usize, certified: Box<Rational>, attacked: Box<Rational> },
}

/// The figures of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Summary {
    /// Correct / all.
    #[serde(rename = "clean_accuracy")]
    pub(crate) clean: Share,
    /// Correct and without a counterexample / all; without an attack that is no more than the clean accuracy.
    #[serde(rename = "adversarial_accuracy")]
    pub(crate) adversarial: Share,
    /// Correct and with a counterexample / correct.
    #[serde(rename = "attack_success_rate")]
    pub(crate) attack_success: Share,
    /// The same for each attack that was run beside others; otherwise empty, and left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attacks: BTreeMap<String, Share>,
    /// Correct and certified / all; `None` where no certification was asked for.
    #[serde(rename = "certified_accuracy")]
    pub(crate) certified: Option<Share>,
    /// Correct, without a counterexample, and not certified / all; `None` where no certification was asked for.
    pub(crate) undecided: Option<Share>,
    /// How many inputs each stage decided.
    pub(crate) stages: BTreeMap<String, usize>,
    /// How many inputs are undecided for each reason.
    pub(crate) reasons: BTreeMap<String, usize>,
}

impl Summary {
    /// Sums up the rows; `certifying` says whether certification was asked for.
    ///
    /// # Errors
    /// Where rows contradict each other.
    pub(crate) fn of(rows: &[Row], certifying: bool) -> Result<Self, Breach> {
        let mut seen = std::collections::HashSet::new();
        let mut attacks: BTreeMap<String, usize> = BTreeMap::new();
        let (mut stages, mut reasons) = (BTreeMap::new(), BTreeMap::new());
        for row in rows {
            if !seen.insert(row.index) {
                return Err(Breach::Twice(row.index));
            }
            check(row)?;
            for (kind, result) in &row.attacks {
                let broke = *result == AttackResult::Broken;
                *attacks.entry(kind.clone()).or_default() += usize::from(broke);
            }
            if let Some(reason) = &row.reason {
                *reasons.entry(reason.clone()).or_default() += 1;
            }
            if let Some(stage) = &row.stage {
                *stages.entry(stage.clone()).or_default() += 1;
            }
        }
        let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
        let correct = rows.len() - count(VerdictName::Misclassified);
        let (broken, certified) = (count(VerdictName::Falsified), count(VerdictName::Certified));
        let (unbroken, undecided) = (correct - broken, count(VerdictName::Unknown));
        if certified > unbroken || certified + undecided != unbroken {
            return Err(Breach::Order { certified, unbroken, correct });
        }
        let of_all = |count| Share { count, total: rows.len() };
        let of_correct = |count| Share { count, total: correct };
        Ok(Self {
            clean: of_all(correct),
            adversarial: of_all(unbroken),
            attack_success: of_correct(broken),
            attacks: attacks.into_iter().map(|(kind, n)| (kind, of_correct(n))).collect(),
            certified: certifying.then(|| of_all(certified)),
            undecided: certifying.then(|| of_all(undecided)),
            stages,
            reasons,
        })
    }
}

/// What one row must not claim at once.
fn check(row: &Row) -> Result<(), Breach> {
    let positive = row.margin_bound.is_some_and(|bound| bound > 0.0);
    let broken = row.attacks.values().any(|result| *result == AttackResult::Broken);
    match row.verdict {
        VerdictName::Certified if row.attack == AttackResult::Broken || broken => {
            Err(Breach::Contradiction(row.index))
        }
        VerdictName::Certified if unproved(row.margin_bound, row.stage.as_deref()) => {
            Err(Breach::Unproved(row.index))
        }
        VerdictName::Unknown if broken => Err(Breach::Contradiction(row.index)),
        VerdictName::Falsified if positive => Err(Breach::Contradiction(row.index)),
        _ => Ok(()),
    }
}

/// Whether a margin bound contradicts a certificate: it must be positive, or 0 where search decided. Search may clip away all
/// points of a domain that could violate the claim; every margin left is positive then, but 0 is the best bound known.
pub(super) fn unproved(bound: Option<f64>, stage: Option<&str>) -> bool {
    let emptied = bound == Some(0.0) && stage == Some(Stage::Branch.to_string().as_str());
    bound.is_some_and(|bound| bound.is_nan() || bound <= 0.0) && !emptied
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::AssuranceLevel;

    fn row(index: usize, verdict: VerdictName) -> Row {
        let attack = match verdict {
            VerdictName::Falsified => AttackResult::Broken,
            VerdictName::Misclassified => AttackResult::NotRun,
            _ => AttackResult::Survived,
        };
        let assurance = (verdict == VerdictName::Certified).then_some(AssuranceLevel::Sound);
        let reason = (verdict == VerdictName::Unknown).then(|| "bound too weak".to_owned());
        Row { verdict, attack, assurance, reason, ..Row::misclassified(index, 0, Some(0)) }
    }

    fn side_by_side(results: [AttackResult; 2]) -> BTreeMap<String, AttackResult> {
        ["pgd", "square"].map(str::to_owned).into_iter().zip(results).collect()
    }

    #[test]
    fn shares_have_the_documented_denominators() {
        use VerdictName::{Certified, Falsified, Misclassified, Unknown};
        let verdicts = [Certified, Falsified, Unknown, Misclassified, Certified];
        let rows: Vec<Row> = verdicts.iter().enumerate().map(|(at, v)| row(at, *v)).collect();
        let summary = Summary::of(&rows, true).unwrap();
        assert_eq!(summary.clean.to_string(), "4/5");
        assert_eq!(summary.adversarial.to_string(), "3/5");
        assert_eq!(summary.attack_success.to_string(), "1/4");
        assert_eq!(summary.certified.unwrap().to_string(), "2/5");
        assert_eq!(summary.undecided.unwrap().to_string(), "1/5");
        assert_eq!(summary.reasons["bound too weak"], 1);
        assert_eq!(Summary::of(&rows, false).unwrap().certified, None);
    }

    #[test]
    fn attacks_side_by_side_have_a_share_each() {
        use AttackResult::{Broken, Survived};
        let attacks = side_by_side([Survived, Broken]);
        let broken = Row { attacks, ..row(0, VerdictName::Falsified) };
        let attacks = side_by_side([Survived, Survived]);
        let whole = Row { attacks, ..row(1, VerdictName::Unknown) };
        let summary = Summary::of(&[whole, broken], false).unwrap();
        let shares: Vec<_> =
            summary.attacks.iter().map(|(k, s)| (k.as_str(), s.to_string())).collect();
        assert_eq!(shares, [("pgd", "0/2".to_owned()), ("square", "1/2".to_owned())]);
    }

    #[test]
    fn no_inputs_have_no_share() {
        let summary = Summary::of(&[], true).unwrap();
        assert_eq!(summary.clean.value(), None);
        let wrong = Summary::of(&[row(0, VerdictName::Misclassified)], true).unwrap();
        assert_eq!((wrong.clean.value(), wrong.attack_success.value()), (Some(0.0), None));
    }

    #[test]
    fn contradictions_are_no_rows() {
        let certified = row(0, VerdictName::Certified);
        let of = |row: Row| Summary::of(&[row], true).unwrap_err();
        let contradiction = Breach::Contradiction(0);
        let broken = Row { attack: AttackResult::Broken, ..certified.clone() };
        assert_eq!(of(broken), contradiction);
        let unproved = Row { margin_bound: Some(0.0), ..certified.clone() };
        assert_eq!(of(unproved.clone()), Breach::Unproved(0));
        let emptied = Row { stage: Some(Stage::Branch.to_string()), ..unproved };
        assert!(Summary::of(std::slice::from_ref(&emptied), true).is_ok());
        let below = Row { margin_bound: Some(-1e-300), ..emptied };
        assert_eq!(of(below), Breach::Unproved(0));
        let attacks = side_by_side([AttackResult::Survived, AttackResult::Broken]);
        for verdict in [VerdictName::Certified, VerdictName::Unknown] {
            assert_eq!(of(Row { attacks: attacks.clone(), ..row(0, verdict) }), contradiction);
        }
        let refuted = Row { margin_bound: Some(0.1), ..row(0, VerdictName::Falsified) };
        assert_eq!(of(refuted), contradiction);
        assert_eq!(Summary::of(&[certified.clone(), certified], true), Err(Breach::Twice(0)));
    }
}
