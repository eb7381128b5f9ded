//! The parts of an ONNX file that define the network.
use super::array::{Array, Kind, volume};
use super::error::Problem;
use super::external::Folder;
use super::wire::{Fields, Value};
use crate::memory::Memory;
use std::collections::{BTreeMap, HashMap};

#[derive(Default)]
pub struct Model<'a> {
    pub nodes: Vec<NodeProto<'a>>,
    pub initializers: HashMap<&'a str, TensorProto<'a>>,
    pub inputs: Vec<Input<'a>>,
    pub outputs: Vec<Input<'a>>,
    pub opset: i64,
}

/// An input or output of the graph.
pub struct Input<'a> {
    pub name: &'a str,
    /// The type of a tensor's elements; 0 if it says nothing of it, or is a sequence.
    pub data_type: i64,
    /// Whether it is a sequence (of maps from classes to probabilities).
    pub sequence: bool,
    /// Its dimensions (1 where symbolic); `None` if it says nothing of them.
    pub shape: Option<Vec<usize>>,
}

#[derive(Default)]
pub struct NodeProto<'a> {
    pub operator: &'a str,
    pub domain: &'a str,
    pub name: &'a str,
    pub inputs: Vec<&'a str>,
    pub outputs: Vec<&'a str>,
    pub attributes: BTreeMap<&'a str, Attribute<'a>>,
}

/// An attribute's value is in the field of its type: 2 a float, 3 an integer, 4 a text, 5 a tensor, 7 floats, 8 integers, 9 texts.
#[derive(Default)]
pub struct Attribute<'a> {
    pub field: u64,
    pub float: f64,
    pub integer: i64,
    pub text: &'a [u8],
    pub tensor: TensorProto<'a>,
    pub floats: Vec<f64>,
    pub integers: Vec<i64>,
    /// The number of texts in a list.
    pub texts: usize,
}

/// A constant, decoded when it is used.
#[derive(Default)]
pub struct TensorProto<'a> {
    dimensions: Vec<i64>,
    data_type: i64,
    /// The field that holds the values, 0 if none does.
    field: u64,
    raw: &'a [u8],
    values: Vec<f64>,
    external: bool,
    /// Where external data are: location, offset, length.
    entries: Vec<(&'a str, &'a str)>,
}

/// Bytes, at most, of a node, attribute, tensor, input or output without its lists.
const ENTRY: usize = 1024;

const OTHER_FIELD: Problem = Problem::Malformed("a value is in the field of another type");

impl<'a> Model<'a> {
    pub fn parse(bytes: &'a [u8], memory: &Memory) -> Result<Model<'a>, Problem> {
        let (mut graph, mut opset) = (None, None);
        for field in Fields::new(bytes, &[7]) {
            match field? {
                (7, value) => graph = Some(value.bytes()?),
                (8, value) => {
                    let [domain, version] = value.two()?;
                    let version = version.integer()?;
                    let before =
                        if is_standard(domain.text()?) { opset.replace(version) } else { None };
                    if before.is_some_and(|before| before != version) {
                        return Err(Problem::Graph("the file names two standard operator sets"));
                    }
                }
                (25, _) => return Err(Problem::Graph("functions in the file are not supported")),
                _ => {}
            }
        }
        let graph =
            graph.ok_or(Problem::Graph("the file has no graph: it is not an ONNX model"))?;
        let mut model = Model { opset: opset.unwrap_or(1), ..Model::default() };
        for field in Fields::new(graph, &[]) {
            memory.take(1, ENTRY)?;
            match field? {
                (1, value) => model.nodes.push(node(value.bytes()?, memory)?),
                (5, value) => {
                    let (name, tensor) = tensor(value.bytes()?, memory)?;
                    once(model.initializers.insert(name, tensor), name)?;
                }
                (11, value) => model.inputs.push(input(value)?),
                (12, value) => model.outputs.push(input(value)?),
                (15, _) => return Err(Problem::Graph("sparse initializers are not supported")),
                _ => {}
            }
        }
        Ok(model)
    }
}

/// Refuses what was there before under this name.
pub fn once<T>(before: Option<T>, name: &str) -> Result<(), Problem> {
    before.map_or(Ok(()), |_| Err(Problem::DefinedTwice(name.to_string())))
}

/// Whether a domain is that of ONNX's own operators.
pub fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn node<'a>(bytes: &'a [u8], memory: &Memory) -> Result<NodeProto<'a>, Problem> {
    let mut node = NodeProto::default();
    for field in Fields::new(bytes, &[3, 4, 7]) {
        memory.take(1, 64)?;
        match field? {
            (1, value) => node.inputs.push(value.text()?),
            (2, value) => node.outputs.push(value.text()?),
            (3, value) => node.name = value.text()?,
            (4, value) => node.operator = value.text()?,
            (5, value) => {
                let (name, attribute) = attribute(value.bytes()?, memory)?;
                once(node.attributes.insert(name, attribute), name)?;
            }
            (7, value) => node.domain = value.text()?,
            _ => {}
        }
    }
    Ok(node)
}

fn attribute<'a>(bytes: &'a [u8], memory: &Memory) -> Result<(&'a str, Attribute<'a>), Problem> {
    memory.take(1, ENTRY)?;
    let (mut name, mut a) = ("", Attribute::default());
    let mut expected = None;
    for field in Fields::new(bytes, &[1, 2, 3, 4, 5, 20]) {
        let (number, value) = field?;
        memory.take(value.items(), 16)?;
        match number {
            1 => name = value.text()?,
            2 => a.float = value.float()?,
            3 => a.integer = value.integer()?,
            4 => a.text = value.bytes()?,
            5 => a.tensor = tensor(value.bytes()?, memory)?.1,
            7 => value.floats(Kind::F32, &mut a.floats)?,
            8 => a.integers.extend(value.integers()?),
            9 => a.texts += 1,
            20 => expected = u64::try_from(value.integer()?).ok().filter(|t| *t > 0),
            21 => return Err(Problem::Malformed("an attribute refers to that of a function")),
            _ => {}
        }
        if (2..=11).contains(&number) {
            one_field(&mut a.field, number)?;
        }
    }
    // Types are numbered as the fields are, one less.
    match expected {
        Some(t) if a.field == 0 => a.field = t.saturating_add(1),
        Some(t) if a.field - 1 != t => return Err(OTHER_FIELD),
        _ => {}
    }
    Ok((name, a))
}

/// Notes the field that holds a value; there may be one.
fn one_field(field: &mut u64, number: u64) -> Result<(), Problem> {
    match std::mem::replace(field, number) {
        old if old == 0 || old == number => Ok(()),
        _ => Err(OTHER_FIELD),
    }
}

fn tensor<'a>(bytes: &'a [u8], memory: &Memory) -> Result<(&'a str, TensorProto<'a>), Problem> {
    let (mut name, mut t) = ("", TensorProto::default());
    for field in Fields::new(bytes, &[2, 8, 9, 14]) {
        let (number, value) = field?;
        if number != 9 {
            memory.take(value.items(), 32)?;
        }
        match number {
            1 => t.dimensions.extend(value.integers()?),
            2 => t.data_type = value.integer()?,
            3 => return Err(Problem::Malformed("a tensor in segments")),
            4 => value.floats(Kind::F32, &mut t.values)?,
            5 | 7 => t.values.extend(value.integers()?.into_iter().map(|x| x as f64)),
            8 => name = value.text()?,
            9 => t.raw = value.bytes()?,
            10 => value.floats(Kind::F64, &mut t.values)?,
            13 => {
                let [key, text] = value.two()?;
                t.entries.push((key.text()?, text.text()?));
            }
            14 => match value.integer()? {
                0 => {}
                1 => t.external = true,
                _ => return Err(Problem::Malformed("a tensor is in a place that is not known")),
            },
            _ => {}
        }
        if matches!(number, 4..=7 | 9..=11) {
            one_field(&mut t.field, number)?;
        }
    }
    Ok((name, t))
}

fn input(value: Value<'_>) -> Result<Input<'_>, Problem> {
    let [name, kind] = value.two()?;
    let mut input = Input { name: name.text()?, data_type: 0, sequence: false, shape: None };
    for field in Fields::new(kind.bytes()?, &[1, 4]) {
        match field? {
            (1, value) => {
                let [data_type, shape] = value.two()?;
                input.data_type = data_type.integer()?;
                let given = !matches!(shape, Value::Absent);
                input.shape = given.then(|| dimensions(shape)).transpose()?;
            }
            (4, _) => input.sequence = true,
            (6, _) => {}
            _ => return Err(Problem::Malformed("an input or output is no tensor")),
        }
    }
    Ok(input)
}

/// Numbers, or 1 for a name or nothing. What is below 0 is taken for unknown.
fn dimensions(shape: Value) -> Result<Vec<usize>, Problem> {
    let dimension = |field: Result<(u64, Value), Problem>| match field? {
        (1, value) => match value.two()? {
            [Value::Absent, _] => Ok(1),
            [size, Value::Absent] => Ok(usize::try_from(size.integer()?).unwrap_or(1)),
            _ => Err(OTHER_FIELD),
        },
        _ => Err(Problem::Malformed("a shape with something that is no dimension")),
    };
    Fields::new(shape.bytes()?, &[]).map(dimension).collect()
}

impl TensorProto<'_> {
    /// The constant's values.
    pub fn decode(&self, folder: &Folder, memory: &Memory) -> Result<Array<f64>, Problem> {
        let kind = Kind::of(self.data_type)?;
        let shape = self.dimensions.iter().map(|d| usize::try_from(*d).map_err(|_| Problem::Shape));
        let shape: Vec<usize> = shape.collect::<Result<_, _>>()?;
        let (count, (width, field)) = (volume(&shape)?, kind.place());
        memory.take(count, 8)?;
        let data = match (self.external, self.field) {
            (true, 0) => kind.decode(&folder.read(&self.entries, count * width)?)?,
            (false, 9) if self.raw.len() == count * width => kind.decode(self.raw)?,
            (false, 9) => return Err(Problem::Shape),
            (false, f) if f == 0 || f == field => kind.listed(&self.values)?,
            _ => return Err(OTHER_FIELD),
        };
        // Integers beyond 2^53 may be rounded here: they are good for nothing but to say "as far as it goes".
        if matches!(kind, Kind::I32 | Kind::Bool) && data.iter().any(|x| kind.hold(*x) != Ok(*x)) {
            return Err(Problem::Overflow);
        }
        Array::new(kind, shape, data)
    }
}
