//! Why a VNN-LIB file is refused, and where.

use crate::load::FileError;
use crate::load::budget::Exceeded;
use crate::net::FinalOperator;
use std::path::PathBuf;
use thiserror::Error;

/// Why a property could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PropertyError {
    /// The file could not be read at all.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is no property about this network that Certus understands.
    #[error("{file}:{line}:{column}: {problem}")]
    At {
        /// Name of the file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// The property speaks of values that the network, as it was read, does not have.
    #[error(
        "{}: the network ends in {operator}, which certus leaves out, and the property speaks of its values; give it a network \
         without {operator} and a property of what goes into it", file.display()
    )]
    LeftOut {
        /// The property's file.
        file: PathBuf,
        /// The operator.
        operator: FinalOperator,
    },
}

impl PropertyError {
    /// What is wrong with the content; `None` where there is none.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::File(_) | Self::LeftOut { .. } => None,
            Self::At { problem, .. } => Some(problem),
        }
    }
}

/// What is wrong at a place of a VNN-LIB file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// Bytes that are no text.
    #[error("the file is not UTF-8 text")]
    NotUtf8,
    /// Another token than the grammar wants.
    #[error("found {found} where {expected} is expected")]
    Expected {
        /// What may stand here.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A parenthesis without its partner at the end of the file.
    #[error("this parenthesis is never closed")]
    Unclosed,
    /// A command other than the two of VNN-LIB 1.0.
    #[error("unknown command '{0}': VNN-LIB 1.0 has declare-const and assert")]
    UnknownCommand(String),
    /// VNN-LIB 2.0.
    #[error("this is a file of VNN-LIB 2.0; version 1.0 is read (declare-const and assert)")]
    Version2,
    /// An operator of formulas that is none.
    #[error(
        "unknown operator '{0}': a formula is (and …), (or …), (<= a b), (>= a b), (< a b), (> a b) or (= a b)"
    )]
    UnknownRelation(String),
    /// An operator of terms that is none.
    #[error("unknown operator '{0}': a term is a number, a variable, (+ …), (- …) or (* …)")]
    UnknownArithmetic(String),
    /// A wrong number of arguments.
    #[error("'{operator}' takes {takes}")]
    Arity {
        /// The operator.
        operator: String,
        /// How many arguments it takes.
        takes: &'static str,
    },
    /// A product of variables.
    #[error("a product of two variables is not linear; one factor at most may hold variables")]
    Nonlinear,
    /// A declared name that is no variable's.
    #[error("'{0}' is no variable of VNN-LIB 1.0: inputs are X_0, X_1, …, outputs Y_0, Y_1, …")]
    Name(String),
    /// A type other than Real.
    #[error("unknown type '{0}': variables are Real")]
    Type(String),
    /// A second declaration.
    #[error("{0} is declared twice")]
    Redeclared(String),
    /// A variable of the network that the file does not declare.
    #[error(
        "{name} is declared nowhere: the network has {available} {kind}, and a property declares them all; is it one about \
         this network?"
    )]
    Missing {
        /// The variable.
        name: String,
        /// "inputs" or "outputs".
        kind: &'static str,
        /// How many of them the network has.
        available: usize,
    },
    /// More than memory should hold.
    #[error("{0}")]
    Memory(#[from] Exceeded),
    /// A use before the declaration.
    #[error("{0} is not declared")]
    Undeclared(String),
    /// A variable that the network does not have.
    #[error("{name} does not exist: the network has {available} {kind}")]
    OutOfRange {
        /// The variable.
        name: String,
        /// "inputs" or "outputs".
        kind: &'static str,
        /// How many of them the network has.
        available: usize,
    },
    /// A literal that is no decimal.
    #[error("'{0}' is not a number (a decimal such as -0.03 or 1e-5)")]
    Number(String),
    /// A literal whose exact value would not fit in memory.
    #[error("'{0}' has an exponent or a length beyond 5000")]
    HugeNumber(String),
    /// Parentheses in parentheses in parentheses.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// A constant whose exact value has thousands of digits.
    #[error("the exact value of this product has more than {0} bits")]
    HugeConstant(u64),
    /// Coefficients that no common factor makes floats.
    #[error(
        "the coefficients of this atom, scaled to whole numbers, are no double-precision floats"
    )]
    Coefficients,
    /// An input without a bound.
    #[error("{name} has no {side} bound in this case; every input needs both in every case")]
    Unbounded {
        /// The input.
        name: String,
        /// "lower" or "upper".
        side: &'static str,
    },
    /// A bound beyond ±1.8e308.
    #[error("{0} has a bound beyond the double-precision floats")]
    Infinite(String),
    /// No case has any input.
    #[error("no input satisfies the file: {0}; there is nothing to verify")]
    Vacuous(String),
    /// A product of disjunctions that is too large.
    #[error("the disjunctions multiply to more than {limit} {what}")]
    Blowup {
        /// The limit.
        limit: usize,
        /// What is limited.
        what: &'static str,
    },
}

/// A problem and its byte offset; becomes a [`PropertyError`] once the line is wanted.
#[derive(Debug)]
pub(super) struct Failure {
    pub at: usize,
    pub problem: Problem,
}

pub(super) fn fail<T>(at: usize, problem: Problem) -> Result<T, Failure> {
    Err(Failure { at, problem })
}

impl Failure {
    /// Looks up line and column.
    pub(super) fn locate(self, file: &str, bytes: &[u8]) -> PropertyError {
        let before = &bytes[..self.at.min(bytes.len())];
        let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
        let column = 1 + String::from_utf8_lossy(&before[start..]).chars().count();
        PropertyError::At { file: file.to_owned(), line, column, problem: self.problem }
    }
}
