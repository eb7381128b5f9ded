//! What short commands answer as JSON; the long ones print their report.

use super::{BenchRow, CheckRow, SCHEMA_VERSION, Tool};
use crate::audit::sampling::SamplingRow;
use serde::Serialize;

/// A command's answer, with what every answer begins with.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Answer<T> {
    /// Version of the format.
    pub(crate) schema_version: u32,
    pub(crate) tool: Tool,
    /// The command.
    pub(crate) command: &'static str,
    #[serde(flatten)]
    pub(crate) answer: T,
}

impl<T> Answer<T> {
    /// The answer of a command of this program.
    pub(crate) fn new(command: &'static str, answer: T) -> Self {
        Self { schema_version: SCHEMA_VERSION, tool: Tool::this(), command, answer }
    }
}

/// `certus bench`: what became of each instance.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BenchAnswer {
    pub(crate) rows: Vec<BenchRow>,
}

/// `certus check`: what became of each proof.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CheckAnswer {
    /// `outward` or `exact`.
    pub(crate) arithmetic: &'static str,
    /// Proofs that the checker accepted.
    pub(crate) accepted: usize,
    /// Proofs that there are or should be.
    pub(crate) proofs: usize,
    /// Inputs that a journal or a report calls proved, and that have no proof.
    pub(crate) lacking: Vec<usize>,
    pub(crate) rows: Vec<CheckRow>,
}

/// `certus spec`: the property of one input.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SpecAnswer {
    /// Position of the input in the dataset.
    pub(crate) index: usize,
    /// Its label.
    pub(crate) label: usize,
    /// The radius, exact.
    pub(crate) epsilon: String,
    /// The property in VNN-LIB.
    pub(crate) property: String,
    /// What may be wrong with the data, a sentence each.
    pub(crate) warnings: Vec<String>,
}

/// `certus plan`: how many inputs it takes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PlanAnswer {
    /// The share to be shown.
    pub(crate) share: f64,
    /// The confidence of the two-sided interval whose lower end shows it.
    pub(crate) confidence: f64,
    /// The share that is expected; null where none is.
    pub(crate) expected: Option<f64>,
    /// The probability with which it is to be shown; null where none is asked for.
    pub(crate) wanted_power: Option<f64>,
    /// The smallest sample that shows it with that probability.
    pub(crate) chosen: Option<SamplingRow>,
    /// The smallest sample for each number of failures.
    pub(crate) rows: Vec<SamplingRow>,
}

/// `certus audit --verify`: whether a folder is as it was sealed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct VerifyAnswer {
    /// Whether nothing was altered.
    pub(crate) intact: bool,
    /// The report's id; null where something was altered.
    pub(crate) id: Option<String>,
    /// How many files the manifest names; null where something was altered.
    pub(crate) files: Option<usize>,
    /// The id of the key that signed it (SHA-256 of the public key in DER); null where it is not signed, or something was altered.
    pub(crate) signed_by: Option<String>,
    /// Whether the signature was checked with a key that was given.
    pub(crate) signature_checked: bool,
    /// What was altered, a sentence each.
    pub(crate) altered: Vec<String>,
}

/// `certus audit --init`: where the plan is.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct InitAnswer {
    pub(crate) plan: String,
}
