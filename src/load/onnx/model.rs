//! The messages of the ONNX schema that matter here, borrowed from the file's bytes.
//!
//! Field numbers are those of `onnx.proto`. Sub-graphs are not descended into: no operator that has them is supported.

use super::wire::{Field, Fixed, Span, WireError};
use std::borrow::Cow;

/// ModelProto.
#[derive(Debug, Default)]
pub struct Model<'m> {
    /// Version of the operator set ai.onnx, if declared.
    pub opset: Option<i64>,
    /// The graph.
    pub graph: Option<Graph<'m>>,
}

/// GraphProto.
#[derive(Debug, Default)]
pub struct Graph<'m> {
    /// Operators, in topological order.
    pub nodes: Vec<Node<'m>>,
    /// Stored tensors.
    pub initializers: Vec<Tensor<'m>>,
    /// Inputs; old files list the initializers again here.
    pub inputs: Vec<ValueInfo<'m>>,
    /// Names of the outputs.
    pub outputs: Vec<&'m str>,
    /// Whether there are sparse initializers.
    pub sparse: bool,
}

/// NodeProto.
#[derive(Debug, Default)]
pub struct Node<'m> {
    /// Name, often empty.
    pub name: &'m str,
    /// Operator.
    pub op: &'m str,
    /// Operator set; empty for ai.onnx.
    pub domain: &'m str,
    /// Operands; an empty name is an operand left out.
    pub inputs: Vec<&'m str>,
    /// Results.
    pub outputs: Vec<&'m str>,
    /// Attributes.
    pub attributes: Vec<Attribute<'m>>,
}

/// AttributeProto.
#[derive(Debug, Default)]
pub struct Attribute<'m> {
    /// Name.
    pub name: &'m str,
    /// A float.
    pub float: Option<f32>,
    /// An integer.
    pub int: Option<i64>,
    /// A string.
    pub string: Option<&'m [u8]>,
    /// A tensor.
    pub tensor: Option<Tensor<'m>>,
    /// Floats.
    pub floats: Vec<f32>,
    /// Integers.
    pub ints: Vec<i64>,
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
    /// Elements in `int32_data` or `int64_data`.
    pub ints: Vec<i64>,
    /// Elements of any type in `raw_data`, little-endian.
    pub raw: Option<&'m [u8]>,
    /// Whether the data lie in another file.
    pub is_external: bool,
    /// Key and value pairs that say where.
    pub external: Vec<(&'m str, &'m str)>,
}

/// ValueInfoProto.
#[derive(Debug, Default)]
pub struct ValueInfo<'m> {
    /// Name.
    pub name: &'m str,
    /// Element type, if this is a tensor.
    pub element: Option<i64>,
    /// Shape, if this is a tensor that declares one; `None` for a symbolic dimension.
    pub shape: Option<Vec<Option<i64>>>,
}

impl<'m> Model<'m> {
    /// Parses a file.
    pub fn parse(bytes: &'m [u8]) -> Result<Self, WireError> {
        let mut model = Self::default();
        for field in (Span { bytes, offset: 0 }).fields("ModelProto") {
            let field = field?;
            match field.number {
                7 if model.graph.is_some() => return Err(field.repeated()),
                7 => model.graph = Some(Graph::parse(field.span()?)?),
                8 => {
                    let (mut domain, mut version) = ("", 0);
                    for field in field.span()?.fields("OperatorSetIdProto") {
                        let field = field?;
                        match field.number {
                            1 => domain = field.text()?,
                            2 => version = field.int()?,
                            _ => {}
                        }
                    }
                    if is_standard_domain(domain) {
                        model.opset = Some(version);
                    }
                }
                _ => {}
            }
        }
        Ok(model)
    }
}

/// Whether a domain is that of the standard operators.
pub fn is_standard_domain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

impl<'m> Graph<'m> {
    fn parse(span: Span<'m>) -> Result<Self, WireError> {
        let mut graph = Self::default();
        for field in span.fields("GraphProto") {
            let field = field?;
            match field.number {
                1 => graph.nodes.push(Node::parse(field.span()?)?),
                5 => graph.initializers.push(Tensor::parse(field.span()?)?),
                11 => graph.inputs.push(ValueInfo::parse(field.span()?)?),
                12 => graph.outputs.push(ValueInfo::parse(field.span()?)?.name),
                15 => graph.sparse = true,
                _ => {}
            }
        }
        Ok(graph)
    }
}

impl<'m> Node<'m> {
    fn parse(span: Span<'m>) -> Result<Self, WireError> {
        let mut node = Self::default();
        for field in span.fields("NodeProto") {
            let field = field?;
            match field.number {
                1 => node.inputs.push(field.text()?),
                2 => node.outputs.push(field.text()?),
                3 => node.name = field.text()?,
                4 => node.op = field.text()?,
                5 => node.attributes.push(Attribute::parse(field.span()?)?),
                7 => node.domain = field.text()?,
                _ => {}
            }
        }
        Ok(node)
    }

    /// The node's name, or that of its first output where it has none.
    pub fn label(&self) -> &'m str {
        if self.name.is_empty() { self.outputs.first().copied().unwrap_or("") } else { self.name }
    }
}

impl<'m> Attribute<'m> {
    fn parse(span: Span<'m>) -> Result<Self, WireError> {
        let mut attribute = Self::default();
        for field in span.fields("AttributeProto") {
            let field = field?;
            match field.number {
                1 => attribute.name = field.text()?,
                2 => attribute.float = Some(field.float()?),
                3 => attribute.int = Some(field.int()?),
                4 => attribute.string = Some(field.span()?.bytes),
                5 => attribute.tensor = Some(Tensor::parse(field.span()?)?),
                7 => {
                    let mut bytes = Cow::default();
                    append::<4>(&mut bytes, &field)?;
                    let singles = bytes.as_chunks().0;
                    attribute.floats.extend(singles.iter().map(|&b| f32::from_le_bytes(b)));
                }
                8 => field.push_ints(&mut attribute.ints)?,
                _ => {}
            }
        }
        Ok(attribute)
    }
}

impl<'m> Tensor<'m> {
    fn parse(span: Span<'m>) -> Result<Self, WireError> {
        let mut tensor = Self::default();
        for field in span.fields("TensorProto") {
            let field = field?;
            match field.number {
                1 => field.push_ints(&mut tensor.dims)?,
                2 => tensor.data_type = field.int()?,
                4 => append::<4>(&mut tensor.singles, &field)?,
                5 | 7 => field.push_ints(&mut tensor.ints)?,
                8 => tensor.name = field.text()?,
                9 => tensor.raw = Some(field.span()?.bytes),
                10 => append::<8>(&mut tensor.doubles, &field)?,
                13 => {
                    let (mut key, mut value) = ("", "");
                    for field in field.span()?.fields("StringStringEntryProto") {
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

impl<'m> ValueInfo<'m> {
    fn parse(span: Span<'m>) -> Result<Self, WireError> {
        let mut info = Self::default();
        for field in span.fields("ValueInfoProto") {
            let field = field?;
            match field.number {
                1 => info.name = field.text()?,
                2 => {
                    for field in field.span()?.fields("TypeProto") {
                        let field = field?;
                        if field.number == 1 {
                            info.parse_tensor_type(field.span()?)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(info)
    }

    fn parse_tensor_type(&mut self, span: Span<'m>) -> Result<(), WireError> {
        for field in span.fields("TypeProto.Tensor") {
            let field = field?;
            match field.number {
                1 => self.element = Some(field.int()?),
                2 => {
                    let shape = self.shape.insert(Vec::new());
                    for field in field.span()?.fields("TensorShapeProto") {
                        let field = field?;
                        if field.number == 1 {
                            shape.push(parse_dimension(field.span()?)?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn parse_dimension(span: Span<'_>) -> Result<Option<i64>, WireError> {
    let mut value = None;
    for field in span.fields("TensorShapeProto.Dimension") {
        let field = field?;
        if field.number == 1 {
            value = Some(field.int()?);
        }
    }
    Ok(value)
}
