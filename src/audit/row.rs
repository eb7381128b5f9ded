//! What a campaign found out about one input.

use crate::attack::{AttackKind, Counterexample};
use crate::verify::{AssuranceLevel, Outcome, Reason, Stage, Verdict};

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
    /// What the attack achieved.
    pub attack: AttackResult,
    /// Wall-clock time.
    pub seconds: f64,
}

impl Row {
    /// The row of an input that is classified wrongly to begin with.
    #[must_use]
    pub fn misclassified(index: usize, label: usize, predicted: Option<usize>) -> Self {
        let (finding, attack) = (Finding::Misclassified, AttackResult::NotRun);
        Self { index, label, predicted, finding, stage: None, bound: None, attack, seconds: 0.0 }
    }

    /// The row of an input that was verified. `attack` is the attack that was asked for.
    #[must_use]
    pub fn of_outcome(index: usize, label: usize, outcome: &Outcome, attack: AttackKind) -> Self {
        let by_attack = outcome.stage == Some(Stage::Attack);
        let (finding, attack) = match &outcome.verdict {
            Verdict::Certified(proof) => (Finding::Certified(proof.level()), survived(attack)),
            Verdict::Falsified(_) if by_attack => (Finding::Falsified, AttackResult::Broken),
            Verdict::Falsified(_) => (Finding::Falsified, survived(attack)),
            Verdict::Unknown(why) => (Finding::Unknown(why.reason.to_string()), survived(attack)),
        };
        let stage = outcome.stage.map(|stage| stage.to_string());
        let bound = outcome.bound;
        Self { index, label, predicted: Some(label), finding, stage, bound, attack, seconds: 0.0 }
    }

    /// The row of an input that was only attacked.
    #[must_use]
    pub fn of_attack(index: usize, label: usize, found: Option<&Counterexample>) -> Self {
        let (finding, attack, stage) = match found {
            Some(_) => (Finding::Falsified, AttackResult::Broken, Some(Stage::Attack.to_string())),
            None => (Finding::Unknown("only attacked".to_owned()), AttackResult::Survived, None),
        };
        Self {
            index,
            label,
            predicted: Some(label),
            finding,
            stage,
            bound: None,
            attack,
            seconds: 0.0,
        }
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

fn survived(kind: AttackKind) -> AttackResult {
    if kind == AttackKind::None { AttackResult::NotRun } else { AttackResult::Survived }
}
