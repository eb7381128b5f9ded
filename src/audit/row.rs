//! What a campaign found out about one input.

use crate::attack::{AttackKind, Counterexample, SuiteOutcome};
use crate::verify::{AssuranceLevel, Outcome, Reason, Stage, Verdict};
use std::collections::BTreeMap;

/// The verdict on one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The unperturbed input is not classified as its label, so there is nothing to attack or to certify.
    Misclassified,
    /// Every real input of the region gets the label.
    Certified(AssuranceLevel),
    /// An input of the region provably does not get the label.
    Falsified,
    /// Neither was shown; the text says why.
    Unknown(String),
}

/// What the attack achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttackResult {
    /// It found a counterexample, which was validated.
    Broken,
    /// It found none.
    Survived,
    /// None was asked for, or the input is misclassified anyway.
    NotRun,
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Position in the dataset.
    pub index: usize,
    /// The class that the dataset gives.
    pub label: usize,
    /// Arg max of the double-precision output at the unperturbed input; `None` where the largest output is not unique
    /// or is NaN, which counts as misclassified.
    pub predicted: Option<usize>,
    /// The verdict.
    pub finding: Finding,
    /// The stage that decided, as [`Stage`] displays.
    pub stage: Option<String>,
    /// The least proven lower bound of a margin y_label − yₜ; positive where certified, `None` where none was computed.
    pub bound: Option<f64>,
    /// What the attacks achieved, all together.
    pub attack: AttackResult,
    /// Of several attacks that were run side by side, whether each broke the input; otherwise empty.
    pub attacks: BTreeMap<AttackKind, bool>,
    /// Wall-clock time.
    pub seconds: f64,
}

impl Row {
    /// The row of an input that is classified wrongly to begin with.
    #[must_use]
    pub fn misclassified(index: usize, label: usize, predicted: Option<usize>) -> Self {
        let (finding, attack) = (Finding::Misclassified, AttackResult::NotRun);
        Self {
            index,
            label,
            predicted,
            finding,
            stage: None,
            bound: None,
            attack,
            attacks: BTreeMap::new(),
            seconds: 0.0,
        }
    }

    /// The row of an input that was verified; `attacked` says whether an attack was asked for.
    #[must_use]
    pub fn of_outcome(index: usize, label: usize, outcome: &Outcome, attacked: bool) -> Self {
        let by_attack = outcome.stage == Some(Stage::Attack);
        let (finding, attack) = match &outcome.verdict {
            Verdict::Certified(proof) => (Finding::Certified(proof.level()), survived(attacked)),
            Verdict::Falsified(_) if by_attack => (Finding::Falsified, AttackResult::Broken),
            Verdict::Falsified(_) => (Finding::Falsified, survived(attacked)),
            Verdict::Unknown(why) => (Finding::Unknown(why.reason.to_string()), survived(attacked)),
        };
        let stage = outcome.stage.map(|stage| stage.to_string());
        let bound = outcome.bound;
        Self { finding, stage, bound, attack, ..Self::misclassified(index, label, Some(label)) }
    }

    /// The row of an input that was only attacked.
    #[must_use]
    pub fn of_attack(index: usize, label: usize, found: Option<&Counterexample>) -> Self {
        let (finding, attack, stage) = match found {
            Some(_) => (Finding::Falsified, AttackResult::Broken, Some(Stage::Attack.to_string())),
            None => (Finding::Unknown("only attacked".to_owned()), AttackResult::Survived, None),
        };
        Self { finding, stage, attack, ..Self::misclassified(index, label, Some(label)) }
    }

    /// The row of an input on which several attacks were run side by side.
    #[must_use]
    pub fn of_suite(index: usize, label: usize, outcome: &SuiteOutcome) -> Self {
        let attacks = outcome.attacks.iter().map(|(kind, found)| (*kind, found.is_some()));
        Self { attacks: attacks.collect(), ..Self::of_attack(index, label, outcome.worst()) }
    }

    /// Whether the unperturbed input is classified as its label.
    #[must_use]
    pub fn correct(&self) -> bool {
        self.finding != Finding::Misclassified
    }
}

/// Whether the verdict is owed to the caller's wish to stop, and so is none.
pub(super) fn was_cancelled(outcome: &Outcome) -> bool {
    matches!(&outcome.verdict, Verdict::Unknown(why) if why.reason == Reason::Cancelled)
}

fn survived(attacked: bool) -> AttackResult {
    if attacked { AttackResult::Survived } else { AttackResult::NotRun }
}
