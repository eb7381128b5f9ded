//! The figures of a campaign, each with numerator and denominator, and the order between them that must hold.

use super::{AttackResult, Finding, Row};
use crate::attack::AttackKind;
use crate::num::Rational;
use crate::verify::Stage;
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// A count out of a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// The numerator.
    pub count: usize,
    /// The denominator.
    pub total: usize,
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
    Radius {
        /// The input.
        index: usize,
        /// The certified radius.
        certified: Box<Rational>,
        /// The counterexample's distance.
        attacked: Box<Rational>,
    },
}

/// The figures of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Correct / all.
    pub clean: Share,
    /// Correct and without a counterexample / all.
    pub adversarial: Share,
    /// Correct and with a counterexample / correct.
    pub attack_success: Share,
    /// The same for each attack that was run beside others.
    pub attacks: BTreeMap<AttackKind, Share>,
    /// Correct and certified / all.
    pub certified: Share,
    /// Correct, without a counterexample, and not certified / all.
    pub undecided: Share,
    /// How many inputs each stage decided.
    pub stages: BTreeMap<String, usize>,
    /// How many inputs are undecided for each reason.
    pub reasons: BTreeMap<String, usize>,
}

impl Summary {
    /// Sums up the rows.
    ///
    /// # Errors
    /// Where rows contradict each other.
    pub fn of(rows: &[Row]) -> Result<Self, Breach> {
        let mut seen = std::collections::HashSet::new();
        let (mut correct, mut broken, mut certified, mut undecided) = (0, 0, 0, 0);
        let mut attacks: BTreeMap<AttackKind, usize> = BTreeMap::new();
        let (mut stages, mut reasons) = (BTreeMap::new(), BTreeMap::new());
        for row in rows {
            if !seen.insert(row.index) {
                return Err(Breach::Twice(row.index));
            }
            check(row)?;
            for (kind, broke) in &row.attacks {
                *attacks.entry(*kind).or_default() += usize::from(*broke);
            }
            correct += usize::from(row.correct());
            match &row.finding {
                Finding::Misclassified => {}
                Finding::Certified(_) => certified += 1,
                Finding::Falsified => broken += 1,
                Finding::Unknown(reason) => {
                    undecided += 1;
                    *reasons.entry(reason.clone()).or_default() += 1;
                }
            }
            if let Some(stage) = &row.stage {
                *stages.entry(stage.clone()).or_default() += 1;
            }
        }
        let unbroken = correct - broken;
        if certified > unbroken || unbroken > correct || certified + undecided != unbroken {
            return Err(Breach::Order { certified, unbroken, correct });
        }
        let of_all = |count| Share { count, total: rows.len() };
        Ok(Self {
            clean: of_all(correct),
            adversarial: of_all(unbroken),
            attack_success: Share { count: broken, total: correct },
            attacks: attacks
                .into_iter()
                .map(|(kind, count)| (kind, Share { count, total: correct }))
                .collect(),
            certified: of_all(certified),
            undecided: of_all(undecided),
            stages,
            reasons,
        })
    }
}

/// What one row must not claim at once.
fn check(row: &Row) -> Result<(), Breach> {
    let positive = row.bound.is_some_and(|bound| bound > 0.0);
    match row.finding {
        Finding::Certified(_) if row.attack == AttackResult::Broken => {
            Err(Breach::Contradiction(row.index))
        }
        Finding::Certified(_) if unproved(row.bound, row.stage.as_deref()) => {
            Err(Breach::Unproved(row.index))
        }
        Finding::Certified(_) | Finding::Unknown(_) if row.attacks.values().any(|broke| *broke) => {
            Err(Breach::Contradiction(row.index))
        }
        Finding::Falsified if positive => Err(Breach::Contradiction(row.index)),
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

    fn row(index: usize, finding: Finding) -> Row {
        let attack = match finding {
            Finding::Falsified => AttackResult::Broken,
            Finding::Misclassified => AttackResult::NotRun,
            _ => AttackResult::Survived,
        };
        Row { finding, attack, ..Row::misclassified(index, 0, Some(0)) }
    }

    #[test]
    fn shares_have_the_documented_denominators() {
        let rows = [
            row(0, Finding::Certified(AssuranceLevel::Sound)),
            row(1, Finding::Falsified),
            row(2, Finding::Unknown("bound too weak".to_owned())),
            row(3, Finding::Misclassified),
            row(4, Finding::Certified(AssuranceLevel::Sound)),
        ];
        let summary = Summary::of(&rows).unwrap();
        assert_eq!(summary.clean.to_string(), "4/5");
        assert_eq!(summary.adversarial.to_string(), "3/5");
        assert_eq!(summary.attack_success.to_string(), "1/4");
        assert_eq!(summary.certified.to_string(), "2/5");
        assert_eq!(summary.undecided.to_string(), "1/5");
        assert_eq!(summary.reasons["bound too weak"], 1);
    }

    #[test]
    fn attacks_side_by_side_have_a_share_each() {
        use AttackKind::{Pgd, Square};
        let broken =
            Row { attacks: [(Pgd, false), (Square, true)].into(), ..row(0, Finding::Falsified) };
        let whole = Row {
            attacks: [(Pgd, false), (Square, false)].into(),
            ..row(1, Finding::Unknown(String::new()))
        };
        let summary = Summary::of(&[whole, broken]).unwrap();
        let shares: Vec<_> = summary.attacks.iter().map(|(k, s)| (*k, s.to_string())).collect();
        assert_eq!(shares, [(Pgd, "0/2".to_owned()), (Square, "1/2".to_owned())]);
    }

    #[test]
    fn no_inputs_have_no_share() {
        let summary = Summary::of(&[]).unwrap();
        assert_eq!(summary.clean.value(), None);
        let wrong = Summary::of(&[row(0, Finding::Misclassified)]).unwrap();
        assert_eq!((wrong.clean.value(), wrong.attack_success.value()), (Some(0.0), None));
    }

    #[test]
    fn contradictions_are_no_rows() {
        let certified = row(0, Finding::Certified(AssuranceLevel::Sound));
        let broken = Row { attack: AttackResult::Broken, ..certified.clone() };
        assert_eq!(Summary::of(&[broken]), Err(Breach::Contradiction(0)));
        let unproved = Row { bound: Some(0.0), ..certified.clone() };
        assert_eq!(Summary::of(std::slice::from_ref(&unproved)), Err(Breach::Unproved(0)));
        let emptied = Row { stage: Some(Stage::Branch.to_string()), ..unproved };
        assert!(Summary::of(std::slice::from_ref(&emptied)).is_ok());
        let below = Row { bound: Some(-1e-300), ..emptied };
        assert_eq!(Summary::of(&[below]), Err(Breach::Unproved(0)));
        let refuted = Row { attacks: [(AttackKind::Square, true)].into(), ..certified.clone() };
        assert_eq!(Summary::of(&[refuted]), Err(Breach::Contradiction(0)));
        let refuted = Row { bound: Some(0.1), ..row(0, Finding::Falsified) };
        assert_eq!(Summary::of(&[refuted]), Err(Breach::Contradiction(0)));
        assert_eq!(Summary::of(&[certified.clone(), certified]), Err(Breach::Twice(0)));
    }
}
