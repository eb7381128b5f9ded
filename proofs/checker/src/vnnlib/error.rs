//! What can be wrong with a VNN-LIB file, and where.
use crate::memory::Full;
use std::fmt;

/// A problem at a line and column (both from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub line: usize,
    pub column: usize,
    pub problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    UnexpectedEnd,
    Expected(&'static str),
    UnknownCommand(String),
    UnknownOperator(String),
    UnknownVariable(String),
    /// Variables must be declared once each, `X_0, X_1, …` and `Y_0, Y_1, …` in order, as `Real`.
    BadDeclaration(String),
    BadNumber(String),
    NonLinear,
    TooDeep,
    /// The property needs more than its share of memory.
    TooLarge,
    /// The coefficients of a half-space are no f64, not even times a power of ten.
    Unrepresentable,
    /// An input has no finite lower or upper bound in a case.
    Unbounded {
        input: usize,
        case: usize,
    },
    NoAssertion,
}

impl From<Full> for Problem {
    fn from(_: Full) -> Problem {
        Problem::TooLarge
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        match &self.problem {
            Problem::UnexpectedEnd => write!(f, "the file ends too early"),
            Problem::Expected(what) => write!(f, "expected {what}"),
            Problem::UnknownCommand(c) => {
                write!(f, "unknown command `{c}` (declare-const, assert)")
            }
            Problem::UnknownOperator(o) => {
                write!(f, "unknown operator `{o}` (and, or, <=, >=, <, >, =, +, -, *)")
            }
            Problem::UnknownVariable(v) => write!(f, "`{v}` is not declared"),
            Problem::BadDeclaration(v) => {
                write!(f, "`{v}`: expected X_0, X_1, … and Y_0, Y_1, … in order, of type Real")
            }
            Problem::BadNumber(n) => write!(f, "`{n}` is not a number that can be read"),
            Problem::NonLinear => write!(f, "a product of two variables is not linear"),
            Problem::TooDeep => write!(f, "expressions are nested too deeply"),
            Problem::TooLarge => {
                write!(f, "the property or its disjunctive normal form needs more than 2 GiB")
            }
            Problem::Unrepresentable => write!(f, "the coefficients cannot be held exactly"),
            Problem::Unbounded { input, case } => {
                write!(f, "X_{input} has no lower or no upper bound in case {case}")
            }
            Problem::NoAssertion => write!(f, "nothing is asserted"),
        }
    }
}

impl std::error::Error for Error {}
