//! What short commands answer as JSON; the long ones print their report.

use super::{BenchRow, CheckRow, SCHEMA_VERSION, Tool};
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
    /// What was altered, a sentence each.
    pub(crate) altered: Vec<String>,
}

/// `certus audit --init`: where the plan is.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct InitAnswer {
    pub(crate) plan: String,
}
