//! What can be wrong with a model, and where.
use super::wire::Malformed;
use std::fmt;

/// A problem, and the node (number in the file, operator, name) that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub node: Option<(usize, String, String)>,
    pub problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The bytes are no ONNX protobuf.
    Malformed,
    /// Something about the graph as a whole.
    Graph(&'static str),
    /// An operator that is not affine + ReLU, or not known.
    UnsupportedOperator,
    /// A form of the operator that is not supported.
    Unsupported(&'static str),
    /// Sizes that do not fit together.
    Shape,
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
    fn from(_: Malformed) -> Error {
        Error { node: None, problem: Problem::Malformed }
    }
}

impl From<Malformed> for Problem {
    fn from(_: Malformed) -> Problem {
        Problem::Malformed
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
            Problem::Malformed => write!(f, "this is not an ONNX file"),
            Problem::Graph(what) => write!(f, "{what}"),
            Problem::UnsupportedOperator => write!(
                f,
                "the operator is not affine + ReLU on variables (FORMAT.md lists what is supported)"
            ),
            Problem::Unsupported(what) => write!(f, "not supported: {what}"),
            Problem::Shape => write!(f, "the shapes do not fit"),
            Problem::Operand(what) => write!(f, "bad or missing {what}"),
            Problem::Undefined(name) => write!(f, "`{name}` is not defined before its use"),
            Problem::DefinedTwice(name) => write!(f, "`{name}` is defined twice"),
            Problem::NotFinite => write!(f, "a constant is NaN or infinite"),
            Problem::TooLarge => write!(f, "too large for this checker"),
        }
    }
}

impl std::error::Error for Error {}
