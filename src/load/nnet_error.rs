//! Why an NNet file is refused.

use super::budget::Exceeded;
use crate::net::BuildError;
use thiserror::Error;

/// What is wrong with a line of an NNet file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NnetProblem {
    /// Something asked of a file with several inputs or outputs.
    #[error("--input and --output are for ONNX; an NNet file has one of each")]
    Ports,
    /// Asked about in single precision.
    #[error("an NNet file says nothing of how it is computed: --semantics float32 is for ONNX")]
    Single,
    /// Not text.
    #[error("not UTF-8; accepted: the text format NNet")]
    Utf8,
    /// The file ends early.
    #[error("the file ends where {0} should follow")]
    Ends(&'static str),
    /// A word that is no number.
    #[error("'{found}' is no number; accepted: {accepted}")]
    Number {
        /// The word.
        found: String,
        /// What it may be.
        accepted: &'static str,
    },
    /// The wrong number of values on a line.
    #[error("{found} values; accepted: {expected} ({what})")]
    Count {
        /// What the line holds.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        expected: usize,
    },
    /// A header that contradicts itself.
    #[error("{0}")]
    Header(&'static str),
    /// A range of zero, by which inputs would be divided.
    #[error("the range of input {0} is zero")]
    ZeroRange(usize),
    /// More than memory should hold.
    #[error("{0}")]
    Memory(#[from] Exceeded),
    /// Something after the last bias.
    #[error("text after the last bias")]
    Trailing,
    /// Sizes or values that the network graph refuses.
    #[error("{0}")]
    Build(#[from] BuildError),
}
