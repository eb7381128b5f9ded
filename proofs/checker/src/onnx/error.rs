//! What can be wrong with a model, and where.
use crate::memory::Full;
use std::fmt;

/// A problem, and the node (number in the file, operator, name) that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub node: Option<(usize, String, String)>,
    pub problem: Problem,
}

/// What is wrong, in words below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    Malformed(&'static str),
    /// Something about the graph as a whole.
    Graph(&'static str),
    UnsupportedOperator,
    /// A form of the operator that is not supported, a domain or an attribute.
    Unsupported(String),
    Shape,
    Types,
    Overflow,
    External(String),
    /// An attribute or operand is missing or of the wrong kind.
    Operand(&'static str),
    /// Unknown, or the nodes are not in topological order.
    Undefined(String),
    DefinedTwice(String),
    NotFinite,
    TooLarge,
}

/// Something that this checker does not support.
pub fn unsupported<T>(what: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Unsupported(what.into()))
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
            Problem::UnsupportedOperator => write!(f, "the operator is none of FORMAT.md's list"),
            Problem::Unsupported(what) => write!(f, "not supported: {what}"),
            Problem::Shape => write!(f, "the shapes do not fit"),
            Problem::Types => write!(f, "the types of the operands do not fit"),
            Problem::Overflow => {
                write!(f, "an integer or bool beyond its type or ±2^53, or a division by 0")
            }
            Problem::External(what) => write!(f, "external data in {what}"),
            Problem::Operand(what) => write!(f, "bad or missing {what}"),
            Problem::Undefined(name) => write!(f, "`{name}` is not defined before its use"),
            Problem::DefinedTwice(name) => write!(f, "`{name}` is defined twice"),
            Problem::NotFinite => write!(f, "a constant is NaN or infinite"),
            Problem::TooLarge => {
                write!(f, "too large: a tensor of more than 2^24 elements, or 4 GiB in all")
            }
        }
    }
}

impl std::error::Error for Error {}
