//! Why a network file is refused: always the file, the place in it, and what would be accepted.

use super::FileError;
use super::budget::Exceeded;
use super::nnet_error::NnetProblem;
use crate::net::BuildError;
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// Why a network could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The file itself cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The name or the first bytes are those of something else.
    #[error("{}: this is {what}, and .onnx and .nnet files are read; {advice}", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The bytes are no protobuf message of the ONNX schema.
    #[error("{}: byte {offset}: {problem}; accepted: an ONNX model", file.display())]
    Encoding {
        /// The file.
        file: PathBuf,
        /// Where in the unzipped file.
        offset: usize,
        /// What is wrong there.
        problem: EncodingProblem,
    },
    /// The model as a whole is unusable.
    #[error("{}: {problem}", file.display())]
    Model {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: ModelProblem,
    },
    /// A stored tensor is unusable.
    #[error("{}: tensor '{tensor}': {problem}", file.display())]
    Tensor {
        /// The file.
        file: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What is wrong.
        problem: TensorProblem,
    },
    /// The file that an input is given in is unusable.
    #[error(transparent)]
    Input(Box<super::DatasetError>),
    /// A node is unusable.
    #[error("{at}: {problem}")]
    Node {
        /// Which node.
        at: Box<Place>,
        /// What is wrong.
        problem: NodeProblem,
    },
    /// An NNet file is unusable.
    #[error("{}:{line}: {problem}", file.display())]
    Nnet {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        problem: NnetProblem,
    },
}

/// A node of an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Index of the node in the file, from 0.
    pub index: usize,
    /// The node's name, or that of its first output where it has none.
    pub name: String,
    /// Its operator.
    pub operator: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, index, name, operator } = self;
        write!(f, "{}: node {index} '{name}' ({operator})", file.display())
    }
}

/// What is wrong with the bytes of an ONNX file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EncodingProblem {
    /// A field reaches beyond the end of its message.
    #[error("the field ends {0} bytes beyond its message (a truncated file?)")]
    Truncated(u64),
    /// A variable-length integer of more than ten bytes, or cut off.
    #[error("malformed variable-length integer")]
    Varint,
    /// A wire type that protobuf no longer has.
    #[error("unknown wire type {0}")]
    WireType(u8),
    /// A field of another type than the schema's.
    #[error("field {field} of {message} has the wrong type")]
    FieldType {
        /// The message.
        message: &'static str,
        /// The field's number.
        field: u64,
    },
    /// A packed field whose length is no multiple of its element's.
    #[error("packed field of {message} with a length that is no multiple of its element")]
    Packed {
        /// The message.
        message: &'static str,
    },
    /// A field that may occur once occurs again.
    #[error("field {field} of {message} occurs twice")]
    Repeated {
        /// The message.
        message: &'static str,
        /// The field's number.
        field: u64,
    },
    /// Graphs within graphs.
    #[error("graphs lie more than {0} deep within each other")]
    Depth(usize),
    /// A name that is not UTF-8.
    #[error("a name is not valid UTF-8")]
    Utf8,
    /// More than memory should hold.
    #[error("{0}")]
    Memory(Exceeded),
}

/// What is wrong with a model as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ModelProblem {
    /// No graph at all.
    #[error("the file holds no graph; accepted: an ONNX model")]
    NoGraph,
    /// An operator set that this reader does not know.
    #[error("operator set {}; accepted: ai.onnx, a version from 1 on", found.map_or("missing".to_owned(), |v| v.to_string()))]
    Opset {
        /// The version found, if any.
        found: Option<i64>,
    },
    /// Not exactly one input.
    #[error(
        "{} inputs that are no initializers{}; accepted: exactly one, the others given as constants by --input NAME=FILE.npy",
        .0.len(),
        list(.0)
    )]
    Inputs(Vec<String>),
    /// Not exactly one output.
    #[error("{} outputs{}; accepted: exactly one, chosen by --output NAME", .0.len(), list(.0))]
    Outputs(Vec<String>),
    /// There is no input of a name.
    #[error("there is no input '{name}'{}", list(known))]
    NoInput {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// There is no output of a name.
    #[error("there is no output or tensor '{name}'{}", list(known))]
    NoOutput {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A constant that is none of an input's.
    #[error("input '{name}' is {expected}; the file given for it holds {found}")]
    Given {
        /// The input.
        name: String,
        /// What it takes.
        expected: String,
        /// What it is given.
        found: String,
    },
    /// An input that is no float tensor.
    #[error(
        "input '{name}' is {found}; accepted: a float or double tensor with a known number of dimensions"
    )]
    InputType {
        /// The input.
        name: String,
        /// Its type.
        found: String,
    },
    /// A tensor that nothing defines.
    #[error("tensor '{tensor}' is used by {user} but never defined")]
    MissingTensor {
        /// The tensor.
        tensor: String,
        /// Who needs it.
        user: String,
    },
    /// A tensor that is used before the node that computes it.
    #[error(
        "node {user} uses tensor '{tensor}', which node {producer} computes later (or there is a cycle); accepted: nodes in topological order"
    )]
    Order {
        /// The tensor.
        tensor: String,
        /// Index of the node that uses it.
        user: usize,
        /// Index of the node that computes it.
        producer: usize,
    },
    /// Two definitions of one name.
    #[error("tensor '{0}' is defined twice")]
    Duplicate(String),
    /// A name that a graph around this one has given to another tensor.
    #[error(
        "tensor '{0}' of a graph within the graph has a name that is taken outside; accepted: names of its own, as ONNX wants them"
    )]
    Shadows(String),
    /// Initializers in the sparse format.
    #[error("sparse initializers; accepted: dense ones")]
    SparseInitializers,
    /// The output is a constant of integers, or the like.
    #[error("the output '{0}' is a constant; accepted: a function of the input")]
    ConstantOutput(String),
    /// The graph cannot be built.
    #[error("{0}")]
    Build(#[from] BuildError),
    /// A network without a meaning in single precision.
    #[error("in single precision '{0}' has no bound: {1}")]
    Single(String, &'static str),
    /// Sizes beyond all reason.
    #[error("tensor '{tensor}' has more than {limit} elements")]
    TooLarge {
        /// The tensor.
        tensor: String,
        /// The limit.
        limit: usize,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

/// What is wrong with a stored tensor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TensorProblem {
    /// An element type without support.
    #[error(
        "element type {0}; accepted: float, double, float16, bfloat16, integers but uint64, bool"
    )]
    DataType(String),
    /// A negative dimension, or a product that no memory holds.
    #[error("impossible shape {0:?}")]
    Shape(Vec<i64>),
    /// Data in a field of another type, in two fields, or values that are none of the type's.
    #[error("data that are no {0} tensor's; accepted: one list of values of that type")]
    Data(&'static str),
    /// More than memory should hold.
    #[error("{0}")]
    Memory(#[from] Exceeded),
    /// The data do not fill the shape.
    #[error("{found} elements of data where the shape {shape:?} needs {expected}")]
    Length {
        /// The shape.
        shape: Vec<usize>,
        /// Elements found.
        found: usize,
        /// Elements needed.
        expected: usize,
    },
    /// Data in another file that cannot be used.
    #[error("external data '{location}': {reason}")]
    External {
        /// The file named.
        location: String,
        /// Why not.
        reason: ExternalProblem,
    },
}

/// Why external data cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExternalProblem {
    /// No location, or an offset or length that is no number.
    #[error("incomplete description; accepted: location, and offset and length as decimal numbers")]
    Description,
    /// A path that may leave the model's folder.
    #[error("accepted: a relative path that stays in the model's folder")]
    OutsideFolder,
    /// The model was not read from a folder.
    #[error("the model was read from memory, without a folder")]
    NoFolder,
    /// The file is missing or unreadable.
    #[error("cannot be read ({0})")]
    Unreadable(String),
    /// The range lies beyond the end of the file.
    #[error("bytes {offset}..{end} of a file of {size}")]
    Range {
        /// First byte.
        offset: u64,
        /// One past the last.
        end: u64,
        /// The file's size.
        size: usize,
    },
}

/// What is wrong with a node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NodeProblem {
    /// An operator without support.
    #[error("unsupported operator{}; accepted: {accepted}", and(others))]
    Operator {
        /// Others of the file.
        others: Vec<String>,
        /// What can be done about it.
        accepted: String,
    },
    /// An attribute's value without support.
    #[error("attribute {name} is {found}; accepted: {accepted}")]
    Attribute {
        /// The attribute.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        accepted: &'static str,
    },
    /// An operand of the wrong kind.
    #[error("operand {index} is {found}; accepted: {accepted}")]
    Operand {
        /// Its position, from 0.
        index: usize,
        /// What it is.
        found: String,
        /// What it may be.
        accepted: &'static str,
    },
    /// Shapes that do not fit the operator.
    #[error("shapes {found}; accepted: {accepted}")]
    Shapes {
        /// The shapes.
        found: String,
        /// What they may be.
        accepted: &'static str,
    },
    /// More outputs than are supported.
    #[error("output {index} is used; accepted: {accepted}")]
    Output {
        /// Its position, from 0.
        index: usize,
        /// Which may be.
        accepted: &'static str,
    },
    /// Sizes beyond all reason.
    #[error("{what} of more than {limit} elements")]
    TooLarge {
        /// What is so large.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// More than memory should hold.
    #[error("{0}")]
    Memory(#[from] Exceeded),
    /// An operator that the file's operator set does not have.
    #[error("operator set {opset} has no such operator; it is read from operator set {since} on")]
    OperatorSet {
        /// The file's operator set.
        opset: i64,
        /// The first one with the operator.
        since: i64,
    },
    /// A function of the file itself in the place of a standard operator.
    #[error(
        "a function that the file itself defines, named as a standard operator; accepted: functions of other domains"
    )]
    LocalFunction,
    /// A tensor that nothing defines.
    #[error("tensor '{0}' is never defined")]
    MissingTensor(String),
    /// A node within the node: of a function that the file defines, or of a branch or loop.
    #[error("in it, '{name}' ({operator}): {problem}")]
    Inside {
        /// Its name.
        name: String,
        /// Its operator.
        operator: String,
        /// What is wrong with it.
        problem: Box<NodeProblem>,
    },
    /// A graph or function within the node, as a whole.
    #[error("in it: {0}")]
    Graph(Box<ModelProblem>),
    /// An attribute that the operator does not have, or has twice.
    #[error("attribute '{found}' is unknown or given twice; accepted: {accepted}")]
    UnknownAttribute {
        /// Its name.
        found: String,
        /// The names that are known.
        accepted: String,
    },
    /// Something without a bound in single precision.
    #[error(
        "no bound in single precision (--semantics float32): {0}; docs/semantics.md lists what has one"
    )]
    Single(&'static str),
    /// Arithmetic on constants that has no result.
    #[error("{0}")]
    Arithmetic(&'static str),
    /// A stored tensor in an attribute.
    #[error("{0}")]
    Tensor(#[from] TensorProblem),
    /// Softmax and the like before the end.
    #[error(
        "accepted only at the end, over all outputs: a Softmax or ArgMax is left out, and nothing may follow that does not keep \
         the order of the outputs"
    )]
    NotLast,
    /// Sizes or values that the network graph refuses.
    #[error("{0}")]
    Build(#[from] BuildError),
    /// A mistake of this reader.
    #[error("internal error of the reader: {0}")]
    Internal(&'static str),
}

/// Further operators, in brackets.
fn and(others: &[String]) -> String {
    if others.is_empty() { String::new() } else { format!(" (as are {})", others.join(", ")) }
}
