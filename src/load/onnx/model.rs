//! The messages of the ONNX schema that matter here, borrowed from the file's bytes.
//!
//! Field numbers are those of `onnx.proto`.

pub use super::port::ValueInfo;
use super::wire::{Field, Fixed, Span, WireError};
use crate::load::EncodingProblem;
use crate::load::budget::Budget;
use std::borrow::Cow;
use std::collections::HashSet;

/// How deep graphs may lie within graphs.
const DEPTH: usize = 16;

/// ModelProto.
#[derive(Debug, Default)]
pub struct Model<'m> {
    /// Domain and version of every operator set; that of the standard operators is "".
    pub opsets: Vec<(&'m str, i64)>,
    /// The graph.
    pub graph: Option<Graph<'m>>,
    /// The functions that the file defines itself.
    pub functions: Vec<Definition<'m>>,
}

/// FunctionProto.
#[derive(Debug, Default)]
pub struct Definition<'m> {
    /// Domain; empty for ai.onnx.
    pub domain: &'m str,
    /// Name: the operator of the nodes that call it.
    pub name: &'m str,
    /// Which of several functions of one name.
    pub overload: &'m str,
    /// Names of the operands.
    pub inputs: Vec<&'m str>,
    /// Attributes with their defaults.
    pub defaults: Vec<Attribute<'m>>,
    /// Its operator sets.
    pub opsets: Vec<(&'m str, i64)>,
    /// What it computes.
    pub body: Graph<'m>,
}

/// GraphProto.
#[derive(Debug, Default, Clone)]
pub struct Graph<'m> {
    /// Operators, in topological order.
    pub nodes: Vec<Node<'m>>,
    /// Stored tensors.
    pub initializers: Vec<Tensor<'m>>,
    /// Inputs; old files list the initializers again here.
    pub inputs: Vec<ValueInfo<'m>>,
    /// The outputs.
    pub outputs: Vec<ValueInfo<'m>>,
    /// Whether there are sparse initializers.
    pub sparse: bool,
}

/// NodeProto.
#[derive(Debug, Default, Clone)]
pub struct Node<'m> {
    /// Name, often empty.
    pub name: &'m str,
    /// Operator.
    pub op: &'m str,
    /// Operator set; empty for ai.onnx.
    pub domain: &'m str,
    /// Which of several functions of one name.
    pub overload: &'m str,
    /// Operands; an empty name is an operand left out.
    pub inputs: Vec<&'m str>,
    /// Results.
    pub outputs: Vec<&'m str>,
    /// Attributes.
    pub attributes: Vec<Attribute<'m>>,
}

/// AttributeProto.
#[derive(Debug, Default, Clone)]
pub struct Attribute<'m> {
    /// Name.
    pub name: &'m str,
    /// Its value.
    pub value: AttributeValue<'m>,
}

/// The value of an attribute, as its type says; what the file leaves out is 0 or empty.
#[derive(Debug, Default, Clone)]
pub enum AttributeValue<'m> {
    /// A float.
    Float(f32),
    /// An integer.
    Int(i64),
    /// A string.
    Text(&'m [u8]),
    /// A tensor.
    Tensor(Box<Tensor<'m>>),
    /// Floats.
    Floats(Vec<f32>),
    /// Integers.
    Ints(Vec<i64>),
    /// Strings.
    Texts(Vec<&'m [u8]>),
    /// A graph.
    Graph(Box<Graph<'m>>),
    /// In a function, the value of an attribute of its call.
    Reference(&'m str),
    /// Anything else.
    #[default]
    Other,
}

/// TensorProto.
#[derive(Debug, Default, Clone)]
pub struct Tensor<'m> {
    /// Name.
    pub name: &'m str,
    /// Shape.
    pub dims: Vec<i64>,
    /// Element type, a number of the enum DataType.
    pub data_type: i64,
    /// Elements in `float_data`, little-endian.
    pub singles: Cow<'m, [u8]>,
    /// Elements in `double_data`, little-endian.
    pub doubles: Cow<'m, [u8]>,
    /// Elements in `int32_data`.
    pub narrow: Vec<i64>,
    /// Elements in `int64_data`.
    pub ints: Vec<i64>,
    /// Elements of any type in `raw_data`, little-endian.
    pub raw: Option<&'m [u8]>,
    /// Whether the data lie in another file.
    pub is_external: bool,
    /// Key and value pairs that say where.
    pub external: Vec<(&'m str, &'m str)>,
    /// Whether it holds anything else.
    pub is_other: bool,
}

/// The messages that are read, with their fields that occur at most once.
pub(super) mod schema {
    use super::super::wire::Message;

    macro_rules! message {
        ($constant:ident, $name:literal, $($singular:literal)*) => {
            pub(in super::super) const $constant: Message = Message { name: $name, singular: &[$($singular),*] };
        };
    }
    message!(MODEL, "ModelProto", 1 2 3 4 5 6 7);
    message!(OPERATOR_SET, "OperatorSetIdProto", 1 2);
    message!(FUNCTION, "FunctionProto", 1 8 10 13);
    message!(GRAPH, "GraphProto", 2 10);
    message!(NODE, "NodeProto", 3 4 6 7 8);
    message!(ATTRIBUTE, "AttributeProto", 1 2 3 4 5 6 13 14 20 21 22);
    message!(TENSOR, "TensorProto", 2 3 8 9 12 14);
    message!(ENTRY, "StringStringEntryProto", 1 2);
    message!(VALUE_INFO, "ValueInfoProto", 1 2 3);
    message!(TYPE, "TypeProto", 1 4 5 6 7 8 9);
    message!(TENSOR_TYPE, "TypeProto.Tensor", 1 2);
    message!(SHAPE, "TensorShapeProto",);
    message!(DIMENSION, "TensorShapeProto.Dimension", 1 2 3);
}

impl<'m> Model<'m> {
    /// Parses a file.
    pub(super) fn parse(bytes: &'m [u8], budget: &'m Budget) -> Result<Self, WireError> {
        let mut model = Self::default();
        for field in (Span { bytes, offset: 0, budget }).fields(&schema::MODEL)? {
            let field = field?;
            match field.number {
                7 => model.graph = Some(Graph::parse(field.span()?, DEPTH)?),
                8 => parse_opset(&field, &mut model.opsets)?,
                25 => model.functions.push(Definition::parse(field.span()?)?),
                _ => {}
            }
        }
        Ok(model)
    }
}

/// The version of a domain's operator set.
pub fn version(opsets: &[(&str, i64)], domain: &str) -> Option<i64> {
    opsets.iter().find(|(of, _)| *of == domain).map(|(_, version)| *version)
}

fn parse_opset<'m>(field: &Field<'m>, into: &mut Vec<(&'m str, i64)>) -> Result<(), WireError> {
    let (mut domain, mut version) = ("", 0);
    for field in field.span()?.fields(&schema::OPERATOR_SET)? {
        let field = field?;
        match field.number {
            1 => domain = standard(field.text()?),
            2 => version = field.int()?,
            _ => {}
        }
    }
    // skl2onnx says the same twice.
    match self::version(into, domain) {
        Some(known) if known != version => return Err(field.repeated()),
        Some(_) => {}
        None => into.push((domain, version)),
    }
    Ok(())
}

/// A domain, that of the standard operators as "".
fn standard(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

impl<'m> Definition<'m> {
    fn parse(span: Span<'m>) -> Result<Self, WireError> {
        let mut function = Self::default();
        for field in span.fields(&schema::FUNCTION)? {
            let field = field?;
            match field.number {
                1 => function.name = field.text()?,
                4 => function.inputs.push(field.text()?),
                5 => {
                    let name = field.text()?;
                    function.body.outputs.push(ValueInfo { name, ..ValueInfo::default() });
                }
                7 => function.body.nodes.push(Node::parse(field.span()?, DEPTH)?),
                9 => parse_opset(&field, &mut function.opsets)?,
                10 => function.domain = standard(field.text()?),
                13 => function.overload = field.text()?,
                11 => function.defaults.push(Attribute::parse(field.span()?, DEPTH)?),
                _ => {}
            }
        }
        Ok(function)
    }
}

impl<'m> Graph<'m> {
    /// The names of what its initializers and nodes give.
    pub(super) fn defined(&self) -> impl Iterator<Item = &'m str> + '_ {
        let outputs = self.nodes.iter().flat_map(|node| node.outputs.iter().copied());
        let stored = self.initializers.iter().map(|tensor| tensor.name);
        stored.chain(outputs).filter(|name| !name.is_empty())
    }
    fn parse(span: Span<'m>, depth: usize) -> Result<Self, WireError> {
        let depth = depth
            .checked_sub(1)
            .ok_or(WireError { offset: span.offset, problem: EncodingProblem::Depth(DEPTH) })?;
        let mut graph = Self::default();
        for field in span.fields(&schema::GRAPH)? {
            let field = field?;
            match field.number {
                1 => graph.nodes.push(Node::parse(field.span()?, depth)?),
                5 => graph.initializers.push(Tensor::parse(field.span()?)?),
                11 => graph.inputs.push(ValueInfo::parse(field.span()?)?),
                12 => graph.outputs.push(ValueInfo::parse(field.span()?)?),
                15 => graph.sparse = true,
                _ => {}
            }
        }
        Ok(graph)
    }
}

impl<'m> Graph<'m> {
    /// Whether it stores a tensor of this name.
    pub(super) fn stores(&self, name: &str) -> bool {
        self.initializers.iter().any(|tensor| tensor.name == name)
    }

    /// The tensors that a graph reads and does not define.
    fn captured(&self) -> Vec<&'m str> {
        let inputs = self.inputs.iter().map(|input| input.name);
        let stored = self.initializers.iter().map(|tensor| tensor.name);
        let computed = self.nodes.iter().flat_map(|node| node.outputs.iter().copied());
        let own: HashSet<&str> = inputs.chain(stored).chain(computed).collect();
        let read = self.nodes.iter().flat_map(Node::reads);
        let read = read.chain(self.outputs.iter().map(|output| output.name));
        read.filter(|name| !own.contains(name)).collect()
    }
}

impl<'m> Node<'m> {
    fn parse(span: Span<'m>, depth: usize) -> Result<Self, WireError> {
        let mut node = Self::default();
        for field in span.fields(&schema::NODE)? {
            let field = field?;
            match field.number {
                1 => node.inputs.push(field.text()?),
                2 => node.outputs.push(field.text()?),
                3 => node.name = field.text()?,
                4 => node.op = field.text()?,
                5 => node.attributes.push(Attribute::parse(field.span()?, depth)?),
                7 => node.domain = standard(field.text()?),
                8 => node.overload = field.text()?,
                _ => {}
            }
        }
        Ok(node)
    }

    /// The tensors that it reads: its operands, and what graphs within it take from outside.
    pub(super) fn reads(&self) -> Vec<&'m str> {
        let mut names: Vec<&str> = self.inputs.iter().copied().filter(|n| !n.is_empty()).collect();
        for attribute in &self.attributes {
            if let AttributeValue::Graph(graph) = &attribute.value {
                names.extend(graph.captured());
            }
        }
        names
    }

    /// The node's name, or that of its first output where it has none.
    pub(super) fn label(&self) -> &'m str {
        if self.name.is_empty() { self.outputs.first().copied().unwrap_or("") } else { self.name }
    }
}

impl<'m> Attribute<'m> {
    fn parse(span: Span<'m>, depth: usize) -> Result<Self, WireError> {
        let (mut graph, mut texts, mut reference) = (None, Vec::new(), None);
        let (mut float, mut int, mut text, mut tensor) = (0.0, 0, &[][..], None);
        let (mut floats, mut ints) = (Vec::new(), Vec::new());
        // Numbers of AttributeType: the one declared, and those of the values that are there (0 for any other value).
        let (mut name, mut declared, mut present) = ("", None, Vec::new());
        for field in span.fields(&schema::ATTRIBUTE)? {
            let field = field?;
            present.push(match field.number {
                2 => 1,
                3 => 2,
                4 => 3,
                5 => 4,
                6 => 5,
                7 => 6,
                8 => 7,
                9 => 8,
                1 | 13 | 20 | 21 => -1,
                _ => 0,
            });
            match field.number {
                1 => name = field.text()?,
                2 => float = field.float()?,
                3 => int = field.int()?,
                4 => text = field.span()?.bytes,
                5 => tensor = Some(Box::new(Tensor::parse(field.span()?)?)),
                6 => graph = Some(Box::new(Graph::parse(field.span()?, depth)?)),
                7 => field.push_floats(&mut floats)?,
                8 => field.push_ints(&mut ints)?,
                9 => texts.push(field.span()?.bytes),
                20 => declared = Some(field.int()?),
                21 => reference = Some(field.text()?),
                _ => {}
            }
        }
        present.retain(|&kind| kind >= 0);
        present.dedup();
        // Files of the first version do not declare the type.
        let kind = match (declared, present.as_slice()) {
            (Some(kind), []) => kind,
            (Some(kind), &[found]) if kind == found => kind,
            (None, &[found]) => found,
            _ => 0,
        };
        let value = match kind {
            _ if reference.is_some() && present.is_empty() => {
                AttributeValue::Reference(reference.unwrap_or_default())
            }
            _ if reference.is_some() => AttributeValue::Other,
            1 => AttributeValue::Float(float),
            2 => AttributeValue::Int(int),
            3 => AttributeValue::Text(text),
            4 => tensor.map_or(AttributeValue::Other, AttributeValue::Tensor),
            5 => graph.map_or(AttributeValue::Other, AttributeValue::Graph),
            6 => AttributeValue::Floats(floats),
            7 => AttributeValue::Ints(ints),
            8 => AttributeValue::Texts(texts),
            _ => AttributeValue::Other,
        };
        Ok(Self { name, value })
    }
}

impl<'m> Tensor<'m> {
    fn parse(span: Span<'m>) -> Result<Self, WireError> {
        let mut tensor = Self::default();
        for field in span.fields(&schema::TENSOR)? {
            let field = field?;
            match field.number {
                1 => field.push_ints(&mut tensor.dims)?,
                2 => tensor.data_type = field.int()?,
                4 => append::<4>(&mut tensor.singles, &field)?,
                5 => field.push_ints(&mut tensor.narrow)?,
                7 => field.push_ints(&mut tensor.ints)?,
                8 => tensor.name = field.text()?,
                9 => tensor.raw = Some(field.span()?.bytes),
                10 => append::<8>(&mut tensor.doubles, &field)?,
                13 => {
                    let (mut key, mut value) = ("", "");
                    for field in field.span()?.fields(&schema::ENTRY)? {
                        let field = field?;
                        match field.number {
                            1 => key = field.text()?,
                            2 => value = field.text()?,
                            _ => {}
                        }
                    }
                    tensor.external.push((key, value));
                }
                14 => tensor.is_external = field.int()? == 1,
                // A segment of a larger tensor, or elements of a type that is not read.
                3 | 6 | 11 => tensor.is_other = true,
                _ => {}
            }
        }
        Ok(tensor)
    }
}

/// Appends fixed-width elements, borrowing them where they come in one piece.
fn append<'m, const N: usize>(
    into: &mut Cow<'m, [u8]>,
    field: &Field<'m>,
) -> Result<(), WireError> {
    match field.fixed::<N>()? {
        Fixed::Packed(bytes) if into.is_empty() => *into = Cow::Borrowed(bytes),
        Fixed::Packed(bytes) => into.to_mut().extend_from_slice(bytes),
        Fixed::One32(bytes) => into.to_mut().extend_from_slice(&bytes),
        Fixed::One64(bytes) => into.to_mut().extend_from_slice(&bytes),
    }
    Ok(())
}
