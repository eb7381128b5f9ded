//! The parts of an ONNX file that define the network.
use super::array::{Array, Kind};
use super::error::{Error, Problem};
use super::wire::{Fields, Malformed, Value, f32s, f64s};
use std::collections::HashMap;

#[derive(Default)]
pub struct Model<'a> {
    pub nodes: Vec<NodeProto<'a>>,
    pub initializers: HashMap<&'a str, TensorProto<'a>>,
    /// Inputs with their dimensions (1 where symbolic).
    pub inputs: Vec<(&'a str, Vec<usize>)>,
    pub outputs: Vec<&'a str>,
    pub opset: i64,
}

#[derive(Default)]
pub struct NodeProto<'a> {
    pub operator: &'a str,
    pub name: &'a str,
    pub inputs: Vec<&'a str>,
    pub outputs: Vec<&'a str>,
    pub attributes: HashMap<&'a str, Attribute<'a>>,
}

#[derive(Default)]
pub struct Attribute<'a> {
    pub float: Option<f32>,
    pub integer: Option<i64>,
    pub text: Option<&'a [u8]>,
    pub tensor: Option<TensorProto<'a>>,
    pub integers: Vec<i64>,
    pub floats: Vec<f64>,
}

/// A constant, decoded when it is used.
#[derive(Clone, Default)]
pub struct TensorProto<'a> {
    dimensions: Vec<i64>,
    data_type: i64,
    raw: Option<&'a [u8]>,
    floats: Vec<f64>,
    integers: Vec<i64>,
    external: bool,
}

impl<'a> Model<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Model<'a>, Error> {
        let (mut graph, mut opset) = (None, None);
        for field in Fields::new(bytes) {
            match field? {
                (7, value) if graph.is_none() => graph = Some(value.bytes()?),
                (7, _) => return Err(Error::graph("the file has two graphs")),
                (8, value) => {
                    let (domain, version) = operator_set(value.bytes()?)?;
                    if domain.is_empty() || domain == "ai.onnx" {
                        opset = Some(version);
                    }
                }
                _ => {}
            }
        }
        let graph = graph.ok_or(Error::graph("the file has no graph: it is not an ONNX model"))?;
        let mut model = Model { opset: opset.unwrap_or(1), ..Model::default() };
        if model.opset < 7 {
            return Err(Error::graph("operator sets before 7 are not supported"));
        }
        for field in Fields::new(graph) {
            model.graph_field(field?)?;
        }
        Ok(model)
    }

    fn graph_field(&mut self, (number, value): (u64, Value<'a>)) -> Result<(), Error> {
        match number {
            1 => self.nodes.push(node(value.bytes()?)?),
            5 => {
                let (name, tensor) = tensor(value.bytes()?)?;
                if self.initializers.insert(name, tensor).is_some() {
                    return Err(Problem::DefinedTwice(name.to_string()).into());
                }
            }
            11 => self.inputs.push(value_info(value.bytes()?)?),
            12 => self.outputs.push(value_info(value.bytes()?)?.0),
            15 => return Err(Error::graph("sparse initializers are not supported")),
            _ => {}
        }
        Ok(())
    }
}

fn operator_set(bytes: &[u8]) -> Result<(&str, i64), Malformed> {
    let (mut domain, mut version) = ("", 0);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => domain = value.text()?,
            (2, value) => version = value.integer()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn node(bytes: &[u8]) -> Result<NodeProto<'_>, Error> {
    let mut node = NodeProto::default();
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => node.inputs.push(value.text()?),
            (2, value) => node.outputs.push(value.text()?),
            (3, value) => node.name = value.text()?,
            (4, value) => node.operator = value.text()?,
            (5, value) => {
                let (name, attribute) = attribute(value.bytes()?)?;
                if node.attributes.insert(name, attribute).is_some() {
                    return Err(Problem::DefinedTwice(name.to_string()).into());
                }
            }
            (7, value) if !matches!(value.text()?, "" | "ai.onnx") => {
                return Err(Error::graph("operators of other domains are not supported"));
            }
            _ => {}
        }
    }
    Ok(node)
}

fn attribute(bytes: &[u8]) -> Result<(&str, Attribute<'_>), Malformed> {
    let (mut name, mut a) = ("", Attribute::default());
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => name = value.text()?,
            (2, value) => a.float = Some(value.float()?),
            (3, value) => a.integer = Some(value.integer()?),
            (4, value) => a.text = Some(value.bytes()?),
            (5, value) => a.tensor = Some(tensor(value.bytes()?)?.1),
            (7, value) => value.floats(&mut a.floats)?,
            (8, value) => value.integers(&mut a.integers)?,
            _ => {}
        }
    }
    Ok((name, a))
}

fn tensor(bytes: &[u8]) -> Result<(&str, TensorProto<'_>), Malformed> {
    let (mut name, mut t) = ("", TensorProto::default());
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => value.integers(&mut t.dimensions)?,
            (2, value) => t.data_type = value.integer()?,
            (4, value) => value.floats(&mut t.floats)?,
            (5, value) | (7, value) => value.integers(&mut t.integers)?,
            (8, value) => name = value.text()?,
            (9, value) => t.raw = Some(value.bytes()?),
            (10, value) => value.doubles(&mut t.floats)?,
            (13, _) => t.external = true,
            (14, value) => t.external |= value.integer()? != 0,
            _ => {}
        }
    }
    Ok((name, t))
}

fn value_info(bytes: &[u8]) -> Result<(&str, Vec<usize>), Malformed> {
    let (mut name, mut dimensions) = ("", vec![]);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => name = value.text()?,
            (2, value) => dimensions = type_proto(value.bytes()?)?,
            _ => {}
        }
    }
    Ok((name, dimensions))
}

/// The dimensions of a tensor type; what is symbolic or absent is 1.
fn type_proto(bytes: &[u8]) -> Result<Vec<usize>, Malformed> {
    let mut dimensions = vec![];
    let inside = |bytes, number| {
        Fields::new(bytes).filter_map(move |field| match field {
            Ok((n, value)) if n == number => Some(value.bytes()),
            Ok(_) => None,
            Err(e) => Some(Err(e)),
        })
    };
    for tensor in inside(bytes, 1) {
        for shape in inside(tensor?, 2) {
            for dimension in inside(shape?, 1) {
                let mut size = 1;
                for field in Fields::new(dimension?) {
                    if let (1, value) = field? {
                        size = value.integer()?.max(1) as usize;
                    }
                }
                dimensions.push(size);
            }
        }
    }
    Ok(dimensions)
}

impl TensorProto<'_> {
    /// The constant's values: f32, f64, and integers up to 64 bits (as f64; no size in a model needs more than 53 bits).
    pub fn decode(&self) -> Result<Array<f64>, Problem> {
        if self.external {
            return Err(Problem::Unsupported("external data"));
        }
        let shape = self.dimensions.iter().map(|d| usize::try_from(*d).map_err(|_| Problem::Shape));
        let shape: Vec<usize> = shape.collect::<Result<_, _>>()?;
        let integers = || self.integers.iter().map(|x| *x as f64).collect();
        let (kind, data): (Kind, Vec<f64>) = match (self.data_type, self.raw) {
            (1, Some(raw)) => (Kind::Float, f32s(raw)?),
            (11, Some(raw)) => (Kind::Float, f64s(raw)?),
            (1 | 11, None) => (Kind::Float, self.floats.clone()),
            (7, Some(raw)) => {
                let (chunks, _) = raw.as_chunks::<8>();
                (Kind::Integer, chunks.iter().map(|c| i64::from_le_bytes(*c) as f64).collect())
            }
            (6, Some(raw)) => {
                let (chunks, _) = raw.as_chunks::<4>();
                (Kind::Integer, chunks.iter().map(|c| i32::from_le_bytes(*c) as f64).collect())
            }
            (9, Some(raw)) => (Kind::Integer, raw.iter().map(|b| *b as f64).collect()),
            (6 | 7 | 9, None) => (Kind::Integer, integers()),
            _ => {
                return Err(Problem::Unsupported(
                    "constants that are not f32, f64, i32, i64 or bool",
                ));
            }
        };
        Array::new(kind, shape, data)
    }
}
