//! What can be wrong with a model, and where.
use super::wire::Malformed;
use crate::memory::Full;
use std::fmt;

/// A problem, and the node (number in the file, operator, name) that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub node: Option<(usize, String, String)>,
    pub problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The bytes are no ONNX protobuf, or one with something in it that is not allowed.
    Malformed(&'static str),
    /// Something about the graph as a whole.
    Graph(&'static str),
    /// An operator that is not affine + ReLU, or not known.
    UnsupportedOperator,
    /// A form of the operator that is not supported.
    Unsupported(&'static str),
    /// An operator of a domain that is not ONNX's own.
    Domain(String),
    /// An attribute that the operator does not have, or not in this checker.
    Attribute(String),
    /// Sizes that do not fit together.
    Shape,
    /// A tensor without elements.
    Empty,
    /// Operands of types that do not fit together.
    Types,
    /// Integers beyond the range of their type, or a division by 0.
    Overflow,
    /// Data in another file, and what is wrong there.
    External(String),
    /// An attribute or operand is missing or of the wrong kind.
    Operand(&'static str),
    /// A name that nothing before defines: unknown, or the nodes are not in topological order.
    Undefined(String),
    /// A name that is defined twice.
    DefinedTwice(String),
    /// A NaN or infinite constant.
    NotFinite,
    /// Sizes beyond the reader's limits.
    TooLarge,
}

impl Error {
    pub fn graph(what: &'static str) -> Error {
        Error { node: None, problem: Problem::Graph(what) }
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Error {
        Problem::from(malformed).into()
    }
}

impl From<Malformed> for Problem {
    fn from(Malformed(what): Malformed) -> Problem {
        Problem::Malformed(what)
    }
}

impl From<Full> for Problem {
    fn from(_: Full) -> Problem {
        Problem::TooLarge
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        Error { node: None, problem }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((number, operator, name)) = &self.node {
            write!(f, "node {number} ({operator} `{name}`): ")?;
        }
        match &self.problem {
            Problem::Malformed(what) => write!(f, "this is not an ONNX file: {what}"),
            Problem::Graph(what) => write!(f, "{what}"),
            Problem::UnsupportedOperator => write!(
                f,
                "the operator is not affine + ReLU on variables (FORMAT.md lists what is supported)"
            ),
            Problem::Unsupported(what) => write!(f, "not supported: {what}"),
            Problem::Domain(name) => write!(f, "not supported: operators of the domain `{name}`"),
            Problem::Attribute(name) => write!(f, "not supported: the attribute `{name}`"),
            Problem::Shape => write!(f, "the shapes do not fit"),
            Problem::Empty => write!(f, "not supported: a tensor without elements"),
            Problem::Types => write!(f, "the types of the operands do not fit"),
            Problem::Overflow => write!(
                f,
                "an integer is beyond the range of its type or ±2^53 or divided by 0, or a bool beyond 0 and 1"
            ),
            Problem::External(what) => write!(f, "external data in {what}"),
            Problem::Operand(what) => write!(f, "bad or missing {what}"),
            Problem::Undefined(name) => write!(f, "`{name}` is not defined before its use"),
            Problem::DefinedTwice(name) => write!(f, "`{name}` is defined twice"),
            Problem::NotFinite => write!(f, "a constant is NaN or infinite"),
            Problem::TooLarge => write!(
                f,
                "too large for this checker: a tensor has more than 2^24 elements, or all need more than 4 GiB"
            ),
        }
    }
}

impl std::error::Error for Error {}
