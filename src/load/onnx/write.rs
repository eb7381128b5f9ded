//! Networks as ONNX files, in the few operators that both readers and every runtime know.
//!
//! Every value is a row [1, n] but within a convolution, which stands between two reshapes. Elements are single-precision where
//! all parameters are, and doubles else, so that the file defines the network's very numbers.

use crate::net::{
    Affine, Conv, FinalOperator, Function, LinearMap, Network, OnnxAttribute, Op, Term,
};
use std::collections::HashSet;
use thiserror::Error;

/// Why a network cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Parameters that are known but for a rounding, or values that are known but for a slack, such as a network has that was read
    /// from a file with batch norms, or that stands for another one: the file would define another network.
    #[error("node '{0}' has parameters that no file can hold exactly")]
    Inexact(String),
    /// Two weights of a sparse matrix in one place, of which the sum is no double.
    #[error("node '{0}' has weights in one place whose sum is rounded")]
    Sum(String),
    /// A function that no operator is, but several together.
    #[error("node '{0}' computes a function that is no operator of ONNX")]
    Function(String),
}

/// Numbers of TensorProto.DataType.
const FLOAT: u64 = 1;
const INT64: u64 = 7;
const DOUBLE: u64 = 11;

/// A message of protobuf as it grows.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn int(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }
}

/// ValueInfoProto of a row of so many elements.
fn row(name: &str, kind: u64, len: usize) -> Message {
    let dimension = |d: usize| Message::default().int(1, d as u64);
    let shape = Message::default().message(1, &dimension(1)).message(1, &dimension(len));
    let tensor = Message::default().int(1, kind).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

/// AttributeProto of an integer.
fn int(name: &str, value: usize) -> Message {
    Message::default().text(1, name).int(3, value as u64).int(20, 2)
}

/// AttributeProto of integers.
fn ints(name: &str, values: &[usize]) -> Message {
    let attribute = Message::default().text(1, name);
    values.iter().fold(attribute, |attribute, &v| attribute.int(8, v as u64)).int(20, 7)
}

/// AttributeProto of a float.
fn float(name: &str, value: f32) -> Message {
    let mut attribute = Message::default().text(1, name);
    attribute.varint(2 << 3 | 5);
    attribute.0.extend_from_slice(&value.to_le_bytes());
    attribute.int(20, 1)
}

/// AttributeProto of a text.
fn text(name: &str, value: &str) -> Message {
    Message::default().text(1, name).text(4, value).int(20, 3)
}

/// Which of several forms that mean the same a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// The operator set at least, 13 to 22.
    pub set: u64,
    /// How max(z, 0) is written.
    pub relu: ReluForm,
    /// How W x + b is written.
    pub dense: DenseForm,
    /// Whether a batch normalisation that changes nothing stands before each ReLU.
    pub normalised: bool,
}

/// Forms of max(z, 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReluForm {
    /// Relu.
    Relu,
    /// Max(z, 0).
    Max,
    /// Clip with a lower bound.
    Clip,
    /// LeakyRelu with slope 0.
    Leaky,
    /// PRelu with slopes 0.
    Parametric,
}

/// Forms of W x + b.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenseForm {
    /// Gemm of the transposed weights.
    Gemm,
    /// MatMul, then Add.
    MatMul,
    /// Gemm of half of twice the weights.
    Scaled,
    /// A convolution of one pixel.
    Conv,
}

impl Default for Encoding {
    fn default() -> Self {
        Self { set: 13, relu: ReluForm::Relu, dense: DenseForm::Gemm, normalised: false }
    }
}

/// A graph as it grows.
struct Writer {
    encoding: Encoding,
    /// The operator set.
    set: u64,
    /// Element type of everything but shapes.
    kind: u64,
    graph: Message,
    /// Number of values that have a name of their own.
    made: usize,
    /// Names of nodes.
    names: HashSet<String>,
}

impl Writer {
    fn fresh(&mut self) -> String {
        self.made += 1;
        format!("t{}", self.made)
    }

    /// NodeProto; a name that an earlier one has is told from it by the output's.
    fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        name: &str,
        attributes: &[Message],
    ) {
        let own = match self.names.insert(name.to_owned()) {
            true => name.to_owned(),
            false => format!("{name} {output}"),
        };
        let mut node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
        node = node.text(2, output).text(3, &own).text(4, op);
        node = attributes.iter().fold(node, |node, attribute| node.message(5, attribute));
        self.graph = std::mem::take(&mut self.graph).message(1, &node);
    }

    /// TensorProto among the initializers; its name.
    fn stored(&mut self, kind: u64, dims: &[usize], raw: &[u8]) -> String {
        let name = self.fresh();
        let tensor = dims.iter().fold(Message::default(), |tensor, &d| tensor.int(1, d as u64));
        let tensor = tensor.int(2, kind).text(8, &name).bytes(9, raw);
        self.graph = std::mem::take(&mut self.graph).message(5, &tensor);
        name
    }

    fn tensor(&mut self, dims: &[usize], values: impl Iterator<Item = f64>) -> String {
        let raw: Vec<u8> = match self.kind {
            FLOAT => values.flat_map(|v| (v as f32).to_le_bytes()).collect(),
            _ => values.flat_map(f64::to_le_bytes).collect(),
        };
        self.stored(self.kind, dims, &raw)
    }

    fn reshaped(&mut self, value: &str, shape: &[usize], name: &str) -> String {
        let raw: Vec<u8> = shape.iter().flat_map(|&d| (d as u64).to_le_bytes()).collect();
        let (shape, output) = (self.stored(INT64, &[shape.len()], &raw), self.fresh());
        self.node("Reshape", &[value, &shape], &output, name, &[]);
        output
    }

    /// W x, with the bias where the operator has room for one.
    fn product(&mut self, x: &str, map: &LinearMap, bias: Option<&[f64]>, name: &str) -> String {
        if let LinearMap::Conv(conv) = map {
            return self.convolved(x, conv, name);
        }
        if matches!(map, LinearMap::Identity(_)) {
            return x.to_owned();
        }
        let (inputs, outputs) = (map.inputs(), map.outputs());
        let mut weights = vec![0.0; inputs * outputs];
        for i in 0..outputs {
            map.for_each_in_row(i, |column, weight| weights[i * inputs + column] += weight);
        }
        self.dense(x, &weights, [outputs, inputs], bias, name)
    }

    fn dense(
        &mut self,
        x: &str,
        weights: &[f64],
        [outputs, inputs]: [usize; 2],
        bias: Option<&[f64]>,
        name: &str,
    ) -> String {
        // Twice a weight is a number of the same kind, but near its limits.
        let fits = |w: &f64| {
            if self.kind == FLOAT { ((2.0 * w) as f32).is_finite() } else { (2.0 * w).is_finite() }
        };
        let form = match self.encoding.dense {
            DenseForm::Scaled if !weights.iter().all(fits) => DenseForm::Gemm,
            form => form,
        };
        let factor = if form == DenseForm::Scaled { 2.0 } else { 1.0 };
        let at = |i: usize, j: usize| factor * weights[i * inputs + j];
        let rows = (0..outputs).flat_map(|i| (0..inputs).map(move |j| at(i, j)));
        let bias = bias.map(|bias| self.tensor(&[outputs], bias.iter().copied()));
        let output = self.fresh();
        match form {
            DenseForm::Gemm | DenseForm::Scaled => {
                let weights = self.tensor(&[outputs, inputs], rows);
                let operands: Vec<&str> =
                    [x, &weights].into_iter().chain(bias.as_deref()).collect();
                let scaled = (form == DenseForm::Scaled).then(|| float("alpha", 0.5));
                let attributes: Vec<_> = scaled.into_iter().chain([int("transB", 1)]).collect();
                self.node("Gemm", &operands, &output, name, &attributes);
            }
            DenseForm::MatMul => {
                let columns = (0..inputs).flat_map(|j| (0..outputs).map(move |i| at(i, j)));
                let weights = self.tensor(&[inputs, outputs], columns);
                self.node("MatMul", &[x, &weights], &output, name, &[]);
                if let Some(bias) = bias {
                    let sum = self.fresh();
                    self.node("Add", &[&output, &bias], &sum, name, &[]);
                    return sum;
                }
            }
            DenseForm::Conv => {
                let pixel = self.reshaped(x, &[1, inputs, 1, 1], name);
                let weights = self.tensor(&[outputs, inputs, 1, 1], rows);
                let operands: Vec<&str> =
                    [&*pixel, &weights].into_iter().chain(bias.as_deref()).collect();
                self.node("Conv", &operands, &output, name, &[ints("kernel_shape", &[1, 1])]);
                return self.reshaped(&output, &[1, outputs], name);
            }
        }
        output
    }

    /// max(z, 0) of a row of so many elements.
    fn relu(&mut self, z: &str, len: usize, name: &str) -> String {
        let before =
            if self.encoding.normalised { self.unchanged(z, len, name) } else { z.to_owned() };
        let output = self.fresh();
        let zero = |this: &mut Self, dims: &[usize]| {
            this.tensor(dims, [0.0].into_iter().cycle().take(dims.iter().product()))
        };
        match self.encoding.relu {
            ReluForm::Relu => self.node("Relu", &[&before], &output, name, &[]),
            ReluForm::Max => {
                let zero = zero(self, &[1]);
                self.node("Max", &[&before, &zero], &output, name, &[]);
            }
            ReluForm::Clip => {
                let zero = zero(self, &[]);
                self.node("Clip", &[&before, &zero], &output, name, &[]);
            }
            ReluForm::Leaky => {
                self.node("LeakyRelu", &[&before], &output, name, &[float("alpha", 0.0)])
            }
            ReluForm::Parametric => {
                let slopes = zero(self, &[len]);
                self.node("PRelu", &[&before, &slopes], &output, name, &[]);
            }
        }
        output
    }

    /// 2 (z − 0) / √4 + 0.
    fn unchanged(&mut self, z: &str, len: usize, name: &str) -> String {
        let mut all = |value: f64| self.tensor(&[len], std::iter::repeat_n(value, len));
        let [scale, shift, mean, variance] = [2.0, 0.0, 0.0, 4.0].map(&mut all);
        let output = self.fresh();
        let operands = [z, &scale, &shift, &mean, &variance];
        self.node("BatchNormalization", &operands, &output, name, &[float("epsilon", 0.0)]);
        output
    }

    fn convolved(&mut self, x: &str, conv: &Conv, name: &str) -> String {
        let g = *conv.geometry();
        let image = self.reshaped(x, &[1, g.input[0], g.input[1], g.input[2]], name);
        let dims = [g.channels, g.input[0] / g.groups, g.kernel[0], g.kernel[1]];
        let kernels = self.tensor(&dims, conv.weights().iter().copied());
        let attributes = [
            ints("dilations", &g.dilation),
            int("group", g.groups),
            ints("kernel_shape", &g.kernel),
            ints("pads", &g.pads),
            ints("strides", &g.stride),
        ];
        let output = self.fresh();
        self.node("Conv", &[&image, &kernels], &output, name, &attributes);
        self.reshaped(&output, &[1, g.outputs()], name)
    }

    fn elementwise(
        &mut self,
        function: Function,
        operands: &[&str],
        name: &str,
    ) -> Result<String, WriteError> {
        let form = function.as_onnx().ok_or_else(|| WriteError::Function(name.to_owned()))?;
        let constant = form.constant.map(|value| self.tensor(&[1], [value].into_iter()));
        let operands: Vec<&str> = operands.iter().copied().chain(constant.as_deref()).collect();
        let attribute = form.attribute.map(|attribute| match attribute {
            OnnxAttribute::Float(name, value) => float(name, value),
            OnnxAttribute::Text(name, value) => text(name, value),
        });
        let output = self.fresh();
        self.node(form.name, &operands, &output, name, attribute.as_slice());
        self.set = self.set.max(form.since as u64);
        Ok(output)
    }

    /// b + Σ Wₖ xₖ.
    fn affine(&mut self, affine: &Affine, values: &[String], inputs: usize, name: &str) -> String {
        let Affine { terms, bias, .. } = affine;
        let by_gemm = |map: &LinearMap| matches!(map, LinearMap::Dense(_) | LinearMap::Sparse(_));
        if let [Term { source, map }] = &terms[..]
            && by_gemm(map)
        {
            return self.product(&values[*source], map, Some(bias), name);
        }
        let mut parts: Vec<String> = terms
            .iter()
            .map(|term| self.product(&values[term.source], &term.map, None, name))
            .collect();
        if parts.is_empty() {
            // A constant has no operand: the input times 0.
            let zero = LinearMap::from_rows(inputs, vec![Vec::new(); bias.len()]);
            return self.product(&values[0], &zero, Some(bias), name);
        }
        if bias.iter().any(|&b| b != 0.0) {
            parts.push(self.tensor(&[1, bias.len()], bias.iter().copied()));
        }
        let mut parts = parts.into_iter();
        let first = parts.next().unwrap_or_default();
        parts.fold(first, |sum, part| {
            let output = self.fresh();
            self.node("Add", &[&sum, &part], &output, name, &[]);
            output
        })
    }
}

/// A network as an ONNX file (operator set 13, or the first that has its functions), with the input `x` and the output `y`, rows [1, n]. An operator that was left out at
/// the end is written too.
///
/// A network made in code, written, and read again:
///
/// ```
/// use certus::{LinearMap, Matrix, NetworkBuilder, load_network_bytes, write_onnx};
/// let mut builder = NetworkBuilder::new(2, "x")?;
/// let weights = Matrix::from_row_slice(2, 2, &[1.0, -1.0, -1.0, 1.0]);
/// let z = builder.linear(0, LinearMap::from_matrix(weights), "z")?;
/// let y = builder.relu(z, "y")?;
/// let network = builder.finish(y)?;
/// let again = load_network_bytes("network.onnx", &write_onnx(&network)?)?.network;
/// let x = Matrix::from_column_slice(2, 1, &[3.0, 1.0]);
/// assert_eq!(again.evaluate(&x), network.evaluate(&x));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Where the file would define another network.
pub fn write_onnx(network: &Network) -> Result<Vec<u8>, WriteError> {
    write_onnx_as(network, Encoding::default())
}

/// As [`write_onnx`], in other operators.
///
/// # Errors
/// As [`write_onnx`].
pub fn write_onnx_as(network: &Network, encoding: Encoding) -> Result<Vec<u8>, WriteError> {
    let affine = |op: &Op| if let Op::Affine(affine) = op { Some(affine.clone()) } else { None };
    let mut kind = FLOAT;
    for node in network.nodes() {
        let Some(affine) = affine(&node.op) else { continue };
        if affine.roundings > 0 || affine.slack.iter().any(|&s| s != 0.0) {
            return Err(WriteError::Inexact(node.name.clone()));
        }
        for map in affine.terms.iter().map(|term| &term.map) {
            if let LinearMap::Sparse(_) = map
                && !has_single_entries(map)
            {
                return Err(WriteError::Sum(node.name.clone()));
            }
        }
        let weights = affine.terms.iter().flat_map(|term| term.map.weights());
        if weights.chain(&affine.bias).any(|&w| f64::from(w as f32) != w) {
            kind = DOUBLE;
        }
    }
    let (set, graph, names) = (encoding.set.max(13), Message::default(), HashSet::new());
    let mut writer = Writer { encoding, set, kind, graph, made: 0, names };
    let mut values: Vec<String> = Vec::with_capacity(network.nodes().len());
    for node in network.nodes() {
        if let Some(z) = node.op.relu() {
            values.push(writer.relu(&values[z], node.len, &node.name));
            continue;
        }
        let value = match &node.op {
            Op::Input => "x".to_owned(),
            Op::Affine(affine) => writer.affine(affine, &values, network.inputs(), &node.name),
            Op::Elementwise(function, operands) => {
                let operands: Vec<&str> = operands.iter().map(|&x| values[x].as_str()).collect();
                writer.elementwise(*function, &operands, &node.name)?
            }
        };
        values.push(value);
    }
    let (last, left_out) = (&values[network.output()], network.left_out());
    let (op, attributes) = match left_out {
        None => ("Identity".to_owned(), Vec::new()),
        Some(operator) => (operator.to_string(), vec![int("axis", 1)]),
    };
    writer.node(&op, &[last], "y", "y", &attributes);
    let output = match left_out {
        Some(FinalOperator::ArgMax) => row("y", INT64, 1),
        _ => row("y", kind, network.outputs()),
    };
    let graph = writer.graph.text(2, "network").message(11, &row("x", kind, network.inputs()));
    let model = Message::default()
        .int(1, if writer.set > 18 { 10 } else { 8 })
        .text(2, "certus")
        .message(7, &graph.message(12, &output))
        .message(8, &Message::default().int(2, writer.set));
    Ok(model.0)
}

/// Whether no two weights stand in one place.
fn has_single_entries(map: &LinearMap) -> bool {
    (0..map.outputs()).all(|row| {
        let (mut seen, mut single) = (HashSet::new(), true);
        map.for_each_in_row(row, |column, _| single &= seen.insert(column));
        single
    })
}
