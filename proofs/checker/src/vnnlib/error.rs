//! What is wrong with a VNN-LIB file, and where.
use crate::memory::Full;
use std::fmt;

/// A problem, in words, at a line and column (both from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub line: usize,
    pub column: usize,
    pub problem: String,
}

impl From<Full> for String {
    fn from(_: Full) -> String {
        "the property or its disjunctive normal form needs more than 2 GiB".to_string()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.problem)
    }
}

impl std::error::Error for Error {}
