//! Why a proof was not accepted, as data.
use crate::memory::Full;
use std::fmt;

/// What is wrong with a proof, in words below. A rejection says nothing about the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    UnknownVersion,
    Truncated,
    WrongCount { stated: u64, found: u64 },
    TrailingData,
    Unreadable,
    LineTooLong,
    TooDeep,
    TooLarge,
    Syntax,
    BadNumber,
    NotIncreasing,
    NoSuchVariable { name: String },
    NoSuchCase { case: usize },
    CaseNotInSection { case: usize },
    NoSuchHalfSpace { case: usize, half_space: usize },
    NegativeMultiplier,
    SlopeOutOfRange { name: String },
    GivenTwice,
    LiftOnInfiniteEnd { name: String },
    BoundTooWeak { case: usize },
    CaseLeftOpen { case: usize },
    CaseNotCovered { case: usize },
}

impl From<Full> for Reason {
    fn from(_: Full) -> Reason {
        Reason::TooLarge
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::UnknownVersion => write!(f, "the first line is not `certus-proof 1`"),
            Reason::Truncated => write!(f, "the proof ends before its `end` line"),
            Reason::WrongCount { stated, found } => {
                write!(f, "there are {found} lines, not {stated}")
            }
            Reason::TrailingData => write!(f, "there is something after the end line"),
            Reason::Unreadable => write!(f, "the proof cannot be read further"),
            Reason::LineTooLong => write!(f, "the line is too long"),
            Reason::TooLarge => write!(f, "more than 4 GiB of memory are needed"),
            Reason::TooDeep => write!(f, "the tree is too deep"),
            Reason::Syntax => write!(f, "the line does not follow the grammar"),
            Reason::BadNumber => write!(f, "a number is malformed, out of range or no f64"),
            Reason::NotIncreasing => write!(f, "a list is not increasing"),
            Reason::NoSuchVariable { name } => write!(f, "there is no variable {name}"),
            Reason::NoSuchCase { case } => write!(f, "the statement has no case {case}"),
            Reason::CaseNotInSection { case } => write!(f, "case {case} is not in this section"),
            Reason::NoSuchHalfSpace { case, half_space } => {
                write!(f, "case {case} has no half-space {half_space}")
            }
            Reason::NegativeMultiplier => write!(f, "a weight or a lift is negative"),
            Reason::SlopeOutOfRange { name } => write!(f, "a slope of {name} is not in [0, 1]"),
            Reason::GivenTwice => write!(f, "a slope, lift or weight is given twice"),
            Reason::LiftOnInfiniteEnd { name } => write!(f, "a lift on an infinite end of {name}"),
            Reason::BoundTooWeak { case } => write!(f, "the bound does not refute case {case}"),
            Reason::CaseLeftOpen { case } => write!(f, "case {case} is still open at a leaf"),
            Reason::CaseNotCovered { case } => write!(f, "no section covers case {case}"),
        }
    }
}

/// Where a proof was rejected, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The section's number and the way from its root: `<` for a first child, `>` for a second. E.g. `0:<<>`.
    pub path: String,
    /// The line, from 1.
    pub line: u64,
    pub reason: Reason,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rejected at {} (line {}): {}", self.path, self.line, self.reason)
    }
}

impl std::error::Error for Rejected {}
