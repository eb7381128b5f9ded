//! What a campaign found out about one input: a line of its journal and a row of its report.

use super::{Finding, Line};
use crate::attack::{AttackKind, Counterexample, SuiteOutcome};
use crate::verify::{AssuranceLevel, Outcome, Stage, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the attack achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum AttackResult {
    /// It found a counterexample, which was validated.
    Broken,
    /// It found none.
    Survived,
    /// None was asked for, or the input is misclassified anyway.
    NotRun,
}

impl std::fmt::Display for AttackResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// The verdict's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerdictName {
    /// The unperturbed input does not get its label.
    Misclassified,
    /// Every input of the region gets the label.
    Certified,
    /// Some input of the region does not.
    Falsified,
    /// Neither was shown.
    #[default]
    Unknown,
}

impl std::fmt::Display for VerdictName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// One line of a journal and of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// Position in the dataset.
    pub(crate) index: usize,
    /// The class that the dataset gives.
    pub(crate) label: usize,
    /// Arg max of the double-precision output at the unperturbed input; `None` where the largest output is not unique
    /// or is NaN, which counts as misclassified.
    pub(crate) predicted: Option<usize>,
    pub(crate) verdict: VerdictName,
    /// The stage that decided, as [`Stage`] displays.
    pub(crate) stage: Option<String>,
    /// The least proven lower bound of a margin y_label − yₜ; positive where certified, `None` where none was computed. What is
    /// not finite is stored as null.
    pub(crate) margin_bound: Option<f64>,
    /// What the attacks achieved, all together.
    pub(crate) attack: AttackResult,
    /// Of several attacks that were run side by side, what each achieved; otherwise empty, and left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attacks: BTreeMap<String, AttackResult>,
    /// What must be trusted, where certified.
    pub(crate) assurance: Option<AssuranceLevel>,
    /// Why, where unknown.
    pub(crate) reason: Option<String>,
    /// The counterexample's file, relative to the report.
    pub(crate) counterexample: Option<String>,
    /// Wall-clock time. Varies between runs.
    pub(crate) seconds: f64,
}

/// Where the counterexample of an input lies, relative to the report.
pub(super) fn counterexample_file(index: usize) -> String {
    format!("counterexamples/{index}.txt")
}

impl Row {
    /// The row of an input that is classified wrongly to begin with.
    #[must_use]
    pub(crate) fn misclassified(index: usize, label: usize, predicted: Option<usize>) -> Self {
        Self {
            index,
            label,
            predicted,
            verdict: VerdictName::Misclassified,
            stage: None,
            margin_bound: None,
            attack: AttackResult::NotRun,
            attacks: BTreeMap::new(),
            assurance: None,
            reason: None,
            counterexample: None,
            seconds: 0.0,
        }
    }

    fn found(index: usize, label: usize, finding: &Finding, attack: AttackResult) -> Self {
        let falsified = *finding == Finding::Falsified;
        Self {
            verdict: finding.name(),
            attack,
            assurance: finding.assurance(),
            reason: finding.reason().map(str::to_owned),
            counterexample: falsified.then(|| counterexample_file(index)),
            ..Self::misclassified(index, label, Some(label))
        }
    }

    /// The row of an input that was verified; `attacked` says whether an attack was asked for.
    pub(super) fn of_outcome(
        index: usize,
        label: usize,
        outcome: &Outcome,
        attacked: bool,
    ) -> Self {
        let broken = outcome.stage == Some(Stage::Attack)
            && matches!(outcome.verdict, Verdict::Falsified(_));
        let attack = match (broken, attacked) {
            (true, _) => AttackResult::Broken,
            (false, true) => AttackResult::Survived,
            (false, false) => AttackResult::NotRun,
        };
        let stage = outcome.stage.map(|stage| stage.to_string());
        let found = Self::found(index, label, &Finding::of(&outcome.verdict), attack);
        Self { stage, margin_bound: outcome.bound, ..found }
    }

    /// The row of an input that was only attacked.
    pub(super) fn of_attack(index: usize, label: usize, found: Option<&Counterexample>) -> Self {
        if found.is_some() {
            let found = Self::found(index, label, &Finding::Falsified, AttackResult::Broken);
            return Self { stage: Some(Stage::Attack.to_string()), ..found };
        }
        let open = Finding::Unknown("only attacked".to_owned());
        Self::found(index, label, &open, AttackResult::Survived)
    }

    /// The row of an input on which several attacks were run side by side.
    pub(super) fn of_suite(index: usize, label: usize, outcome: &SuiteOutcome) -> Self {
        let result = |broke| if broke { AttackResult::Broken } else { AttackResult::Survived };
        let attacks = outcome.attacks.iter();
        let attacks = attacks.map(|(kind, found)| (kind.to_string(), result(found.is_some())));
        Self { attacks: attacks.collect(), ..Self::of_attack(index, label, outcome.worst()) }
    }
}

impl Line for Row {
    fn input(&self) -> (usize, usize) {
        (0, self.index)
    }

    fn check(&self) -> Result<(), String> {
        let missing = |field| {
            let index = self.index;
            Err(format!("the row of input {index} has no usable '{field}' where one is needed"))
        };
        if let Some(Err(error)) =
            self.attacks.keys().map(|name| name.parse::<AttackKind>()).find(Result::is_err)
        {
            return Err(format!("the row of input {}: {error}", self.index));
        }
        match self.verdict {
            VerdictName::Certified if self.assurance.is_none() => missing("assurance"),
            VerdictName::Unknown if self.reason.is_none() => missing("reason"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A resumed campaign writes the same digits as one in a single go.
        #[test]
        fn rows_survive_writing_and_reading(bits in any::<u64>(), seconds in 0.0..1e6f64) {
            let finding = Finding::Certified(AssuranceLevel::Sound);
            let row = Row {
                stage: Some("crown".to_owned()),
                margin_bound: Some(f64::from_bits(bits)).filter(|b| b.is_finite()),
                seconds,
                ..Row::found(3, 1, &finding, AttackResult::Survived)
            };
            let line = serde_json::to_string(&row).unwrap();
            prop_assert_eq!(serde_json::from_str::<Row>(&line).unwrap(), row);
        }
    }

    #[test]
    fn minus_infinity_is_null() {
        let row = Row { margin_bound: Some(f64::NEG_INFINITY), ..Row::misclassified(0, 0, None) };
        let line = serde_json::to_string(&row).unwrap();
        assert!(line.contains("\"margin_bound\":null"), "{line}");
    }

    #[test]
    fn incomplete_rows_are_refused() {
        let open = Finding::Unknown(String::new());
        let row = Row::found(5, 0, &open, AttackResult::Survived);
        assert_eq!(row.check(), Ok(()));
        let error = Row { reason: None, ..row }.check().unwrap_err();
        assert!(error.contains("input 5") && error.contains("reason"));
    }
}
