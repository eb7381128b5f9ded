//! Why a proof was not accepted, as data.
use crate::memory::Full;
use std::fmt;

/// What is wrong with a proof. A rejection says nothing about the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The first line is not `certus-proof 1`.
    UnknownVersion,
    /// The proof ended before its `end` line.
    Truncated,
    /// The `end` line's number of lines is not that of the file.
    WrongCount { stated: u64, found: u64 },
    /// There is something after the `end` line.
    TrailingData,
    /// The proof cannot be read (a damaged gzip stream, not UTF-8).
    Unreadable,
    /// A line longer than the limit.
    LineTooLong,
    /// A tree deeper than the limit.
    TooDeep,
    /// More memory is needed than the checker may take.
    TooLarge,
    /// The line does not follow the grammar.
    Syntax,
    /// A number that is malformed, out of range, or not exactly an f64.
    BadNumber,
    /// A set or list that is not increasing.
    NotIncreasing,
    /// No such input or pre-activation.
    NoSuchVariable { name: String },
    /// The statement has no such case.
    NoSuchCase { case: usize },
    /// The case belongs to another section.
    CaseNotInSection { case: usize },
    /// The case has no such half-space.
    NoSuchHalfSpace { case: usize, half_space: usize },
    /// A weight or a lift below zero.
    NegativeMultiplier,
    /// A slope outside of [0, 1].
    SlopeOutOfRange { name: String },
    /// A slope for a ReLU, a lift or a weight that is given twice in a line.
    GivenTwice,
    /// A lift on an end that is infinite.
    LiftOnInfiniteEnd { name: String },
    /// The bound that should close the case is not above zero.
    BoundTooWeak { case: usize },
    /// A leaf where the case is neither closed nor impossible.
    CaseLeftOpen { case: usize },
    /// No section covers the case.
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
                write!(f, "the end line says {stated} lines, there are {found}")
            }
            Reason::TrailingData => write!(f, "there is something after the end line"),
            Reason::Unreadable => write!(f, "the proof cannot be read further"),
            Reason::LineTooLong => write!(f, "the line is too long"),
            Reason::TooLarge => {
                write!(f, "more memory is needed than the checker may take (4 GiB)")
            }
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
