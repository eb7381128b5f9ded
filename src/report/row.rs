//! A row as it is written, in the journal and in the report, and read back.

use crate::attack::UnknownAttack;
use crate::audit::{AttackResult, Finding, Row};
use crate::verify::AssuranceLevel;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// The verdict's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictName {
    /// The unperturbed input does not get its label.
    Misclassified,
    /// Every input of the region gets the label.
    Certified,
    /// Some input of the region does not.
    Falsified,
    /// Neither was shown.
    Unknown,
}

impl fmt::Display for VerdictName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Misclassified => "misclassified",
            Self::Certified => "certified",
            Self::Falsified => "falsified",
            Self::Unknown => "unknown",
        })
    }
}

/// What the attack achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackName {
    /// It found a counterexample.
    Broken,
    /// It found none.
    Survived,
    /// It was not run.
    NotRun,
}

/// What must be trusted to believe a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// An external floating-point solver's word.
    Solver,
    /// The verifier's code, rounding accounted for.
    Sound,
    /// The independent checker.
    Proved,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Solver => "solver",
            Self::Sound => "sound",
            Self::Proved => "proved",
        })
    }
}

impl From<AssuranceLevel> for Level {
    fn from(level: AssuranceLevel) -> Self {
        match level {
            AssuranceLevel::Solver => Self::Solver,
            AssuranceLevel::Sound => Self::Sound,
            AssuranceLevel::Proved => Self::Proved,
        }
    }
}

impl From<Level> for AssuranceLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Solver => Self::Solver,
            Level::Sound => Self::Sound,
            Level::Proved => Self::Proved,
        }
    }
}

/// One input's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowRecord {
    /// Position in the dataset.
    pub index: usize,
    /// The dataset's class.
    pub label: usize,
    /// The network's class; null where the largest output is not unique or is NaN.
    pub predicted: Option<usize>,
    /// The verdict.
    pub verdict: VerdictName,
    /// The stage that decided.
    pub stage: Option<String>,
    /// The least proven lower bound of a margin; null where none was computed, or where it is −∞.
    pub margin_bound: Option<f64>,
    /// What the attack achieved; the worst of several.
    pub attack: AttackName,
    /// Of several attacks that were run side by side, what each achieved; otherwise absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attacks: BTreeMap<String, AttackName>,
    /// What must be trusted, where certified.
    pub assurance: Option<Level>,
    /// Why, where unknown.
    pub reason: Option<String>,
    /// The counterexample's file, relative to the report.
    pub counterexample: Option<String>,
    /// Wall-clock time. Varies between runs.
    pub seconds: f64,
}

/// A row as it is written.
pub trait Record: Serialize + DeserializeOwned {
    /// What it is a row of.
    type Row;

    /// Position of its input in the dataset.
    fn index(&self) -> usize;

    /// The row.
    ///
    /// # Errors
    /// Where fields do not go together.
    fn into_row(self) -> Result<Self::Row, RowError>;
}

impl Record for RowRecord {
    type Row = Row;

    fn index(&self) -> usize {
        self.index
    }

    fn into_row(self) -> Result<Row, RowError> {
        self.try_into()
    }
}

/// A record whose fields do not go together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RowError {
    /// A field is not there.
    #[error("the row of input {index} has no usable '{field}' where one is needed")]
    Missing {
        /// Position in the dataset.
        index: usize,
        /// The field.
        field: &'static str,
    },
    /// It names an attack that does not exist.
    #[error("the row of input {index}: {source}")]
    Attack {
        /// Position in the dataset.
        index: usize,
        /// Why.
        source: UnknownAttack,
    },
}

impl RowError {
    pub(super) fn new(index: usize, field: &'static str) -> Self {
        Self::Missing { index, field }
    }
}

/// Where the counterexample of an input lies, relative to the report.
pub(super) fn counterexample_file(index: usize) -> String {
    format!("counterexamples/{index}.txt")
}

impl From<&Row> for RowRecord {
    fn from(row: &Row) -> Self {
        let (verdict, assurance, reason, counterexample) = match &row.finding {
            Finding::Misclassified => (VerdictName::Misclassified, None, None, None),
            Finding::Certified(level) => {
                (VerdictName::Certified, Some((*level).into()), None, None)
            }
            Finding::Falsified => {
                (VerdictName::Falsified, None, None, Some(counterexample_file(row.index)))
            }
            Finding::Unknown(reason) => (VerdictName::Unknown, None, Some(reason.clone()), None),
        };
        Self {
            index: row.index,
            label: row.label,
            predicted: row.predicted,
            verdict,
            stage: row.stage.clone(),
            margin_bound: row.bound.filter(|bound| bound.is_finite()),
            attack: match row.attack {
                AttackResult::Broken => AttackName::Broken,
                AttackResult::Survived => AttackName::Survived,
                AttackResult::NotRun => AttackName::NotRun,
            },
            attacks: row
                .attacks
                .iter()
                .map(|(kind, broke)| {
                    let name = if *broke { AttackName::Broken } else { AttackName::Survived };
                    (kind.to_string(), name)
                })
                .collect(),
            assurance,
            reason,
            counterexample,
            seconds: row.seconds,
        }
    }
}

impl TryFrom<RowRecord> for Row {
    type Error = RowError;

    fn try_from(record: RowRecord) -> Result<Self, RowError> {
        let missing = |field| RowError::Missing { index: record.index, field };
        let finding = match record.verdict {
            VerdictName::Misclassified => Finding::Misclassified,
            VerdictName::Certified => {
                Finding::Certified(record.assurance.ok_or_else(|| missing("assurance"))?.into())
            }
            VerdictName::Falsified => Finding::Falsified,
            VerdictName::Unknown => {
                Finding::Unknown(record.reason.clone().ok_or_else(|| missing("reason"))?)
            }
        };
        Ok(Self {
            index: record.index,
            label: record.label,
            predicted: record.predicted,
            finding,
            stage: record.stage,
            bound: record.margin_bound,
            attack: match record.attack {
                AttackName::Broken => AttackResult::Broken,
                AttackName::Survived => AttackResult::Survived,
                AttackName::NotRun => AttackResult::NotRun,
            },
            attacks: record
                .attacks
                .iter()
                .map(|(kind, name)| Ok((kind.parse()?, *name == AttackName::Broken)))
                .collect::<Result<_, _>>()
                .map_err(|source| RowError::Attack { index: record.index, source })?,
            seconds: record.seconds,
        })
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
            let row = Row {
                finding: Finding::Certified(AssuranceLevel::Sound),
                stage: Some("crown".to_owned()),
                bound: Some(f64::from_bits(bits)).filter(|b| b.is_finite()),
                seconds,
                ..Row::misclassified(3, 1, Some(1))
            };
            let line = serde_json::to_string(&RowRecord::from(&row)).unwrap();
            let back: RowRecord = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(Row::try_from(back).unwrap(), row);
        }
    }

    #[test]
    fn minus_infinity_is_null() {
        let row = Row { bound: Some(f64::NEG_INFINITY), ..Row::misclassified(0, 0, None) };
        let line = serde_json::to_string(&RowRecord::from(&row)).unwrap();
        assert!(line.contains("\"margin_bound\":null"), "{line}");
    }

    #[test]
    fn incomplete_records_are_refused() {
        let row =
            Row { finding: Finding::Unknown(String::new()), ..Row::misclassified(5, 0, None) };
        let record = RowRecord { reason: None, ..RowRecord::from(&row) };
        let error = Row::try_from(record).unwrap_err().to_string();
        assert!(error.contains("input 5") && error.contains("reason"));
    }
}
