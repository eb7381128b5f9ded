//! The walk through the graph, in the order of the file.
use super::Ports;
use super::array::{Array, Kind, small_volume};
use super::build::{Builder, Value, Variable};
use super::choice::jumps;
use super::error::{Error, Problem, unsupported};
use super::external::Folder;
use super::hinge::Hinges;
use super::last::check_order;
use super::model::{Attribute, Input, Model, NodeProto, TensorProto, is_standard, once};
use super::movement::{cast, dropout, flatten, reshape, shape_of, squeeze, unsqueeze};
use super::structure::cast_like;
use crate::circuit::Circuit;
use crate::memory::Memory;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// The newest operator set whose operators are known.
const NEWEST: i64 = 22;

/// The operators that are read.
pub const KNOWN: &[&str] = &[
    "Abs",
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "CastLike",
    "Clip",
    "Compress",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvTranspose",
    "CumSum",
    "DepthToSpace",
    "Div",
    "Dropout",
    "Expand",
    "EyeLike",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "PRelu",
    "Pad",
    "ReduceL1",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Resize",
    "Scatter",
    "ScatterElements",
    "ScatterND",
    "Shape",
    "Slice",
    "Softmax",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Sub",
    "Sum",
    "Tile",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Upsample",
    "Where",
];

pub struct Lowering<'a> {
    model: &'a Model<'a>,
    values: HashMap<&'a str, Value>,
    build: Builder,
}

/// One node with the values of its inputs (`None`: left out).
pub struct Operation<'n, 'a> {
    pub proto: &'n NodeProto<'a>,
    pub inputs: Vec<Option<Value>>,
    pub opset: i64,
    /// The attributes that were looked at.
    seen: RefCell<Vec<&'static str>>,
}

/// Operators whose operands have one type.
const ALIKE: [&str; 13] = [
    "Add", "Sub", "Mul", "Div", "Sum", "Gemm", "MatMul", "Conv", "PRelu", "Clip", "Max", "Min",
    "Concat",
];

/// Attributes that do not change what is computed here: of training, of outputs that are refused, of types that are.
const HARMLESS: [&str; 5] = ["consumed_inputs", "momentum", "ratio", "seed", "storage_order"];

pub fn lower(
    model: &Model,
    ports: &Ports,
    folder: Folder,
    memory: Memory,
) -> Result<Circuit, Error> {
    let output = output(model, ports)?;
    let mut lowering = Lowering::new(model, ports, folder, memory)?;
    let needed = ancestors(model, output);
    for (number, node) in model.nodes.iter().enumerate() {
        if node.outputs.iter().any(|o| needed.contains(o)) {
            lowering.node(node).map_err(|problem| Error {
                node: Some((number, node.operator.to_string(), node.name.to_string())),
                problem,
            })?;
        }
    }
    let Value::Variable(output) = lowering.value(output)? else {
        return Err(Problem::Graph("the output is a constant").into());
    };
    let mut circuit = lowering.build.circuit;
    circuit.set_output(output.node).ok_or(Problem::TooLarge)?;
    circuit.only_ordered = output.ordered;
    Ok(circuit)
}

/// The name of the output that is asked for, or of the only one, or of the only one that is of floats or a sequence.
fn output<'a>(model: &Model<'a>, ports: &Ports) -> Result<&'a str, Problem> {
    if let Some(name) = &ports.output {
        let made = model.nodes.iter().flat_map(|node| node.outputs.iter().copied());
        let mut all = model.outputs.iter().map(|o| o.name).chain(made);
        return all.find(|n| n == name && !n.is_empty()).ok_or(Problem::Undefined(name.clone()));
    }
    if let [one] = model.outputs.as_slice() {
        return Ok(one.name);
    }
    let untyped = model.outputs.iter().any(|o| o.data_type == 0 && !o.sequence);
    let float = |o: &&Input| o.sequence || Kind::of(o.data_type).is_ok_and(Kind::is_float);
    let mut floats = model.outputs.iter().filter(float);
    // The scores of a support vector classifier are not in the order of its classes.
    let votes = model.nodes.iter().any(|node| node.operator == "SVMClassifier");
    let mut others = model.outputs.iter().filter(|o| !float(o));
    match (floats.next(), floats.next()) {
        (Some(one), None) if !untyped => match (others.next(), others.next()) {
            (Some(class), None) if votes => Ok(class.name),
            _ => Ok(one.name),
        },
        _ => Err(Problem::Graph("the model has several outputs, and none of them was chosen")),
    }
}

/// The names that the output depends on.
fn ancestors<'a>(model: &'a Model<'a>, output: &'a str) -> HashSet<&'a str> {
    let mut makers: HashMap<&str, &NodeProto> = HashMap::new();
    for node in &model.nodes {
        node.outputs.iter().for_each(|name| _ = makers.insert(name, node));
    }
    let mut needed = HashSet::new();
    let mut open = vec![output];
    while let Some(name) = open.pop() {
        if !name.is_empty()
            && needed.insert(name)
            && let Some(maker) = makers.get(name)
        {
            open.extend(&maker.inputs);
        }
    }
    needed
}

impl<'a> Lowering<'a> {
    /// The graph's input, and no node yet.
    fn new(
        model: &'a Model<'a>,
        ports: &Ports,
        folder: Folder,
        memory: Memory,
    ) -> Result<Self, Problem> {
        if !(1..=NEWEST).contains(&model.opset) {
            return Err(Problem::Graph("the operator set is not one of 1 to 22"));
        }
        let mut values = HashMap::new();
        for (name, file) in &ports.inputs {
            let mut all = model.inputs.iter();
            let free = |i: &&Input| i.name == name && !model.initializers.contains_key(i.name);
            let input = all.find(free).ok_or(Problem::Undefined(name.clone()))?;
            let constant = Value::constant(super::npy::read(file, input, &memory)?);
            once(values.insert(input.name, constant), name)?;
        }
        let given =
            |i: &Input| model.initializers.contains_key(i.name) || values.contains_key(i.name);
        let mut inputs = model.inputs.iter().filter(|i| !given(i));
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Err(Problem::Graph(
                "the model must have exactly one input that is no initializer and is not given as a constant",
            ));
        };
        let kind = Kind::of(input.data_type).ok().filter(|kind| kind.is_float());
        let (Some(kind), Some(shape)) = (kind, &input.shape) else {
            return Err(Problem::Graph("the input must be a tensor of f32 or f64 with a shape"));
        };
        let count = small_volume(shape)?;
        if count == 0 {
            return unsupported("a tensor without elements");
        }
        let circuit = Circuit::new(count).ok_or(Problem::TooLarge)?;
        let variable = Variable { node: 0, shape: shape.clone(), kind, ordered: false };
        values.insert(input.name, Value::Variable(variable));
        let build = Builder { circuit, hinges: Hinges::default(), kind, folder, memory };
        Ok(Lowering { model, values, build })
    }

    fn value(&self, name: &str) -> Result<Value, Problem> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        match self.model.initializers.get(name) {
            Some(tensor) => self.build.decoded(tensor),
            None => Err(Problem::Undefined(name.to_string())),
        }
    }

    fn node(&mut self, proto: &NodeProto<'a>) -> Result<(), Problem> {
        let inputs = proto.inputs.iter().map(|name| match *name {
            "" => Ok(None),
            name => self.value(name).map(Some),
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let (opset, seen) = (self.model.opset, RefCell::default());
        let operation = Operation { proto, inputs, opset, seen };
        let results = self.apply(&operation)?;
        let seen = operation.seen.take();
        let known = |name: &&str| seen.contains(name) || HARMLESS.contains(name);
        if let Some(name) = proto.attributes.keys().find(|name| !known(name)) {
            return unsupported(format!("the attribute `{name}`"));
        }
        let missing = proto.outputs.iter().skip(results.len()).any(|name| !name.is_empty());
        if missing && !["Dropout", "SVMClassifier"].contains(&proto.operator) {
            return unsupported("a second output");
        }
        for (name, result) in proto.outputs.iter().zip(results) {
            if let Value::Constant(c) = &result {
                self.build.memory.take(c.data.len(), 8)?;
            }
            if !name.is_empty() {
                once(self.model.initializers.get(name), name)?;
                once(self.values.insert(name, result), name)?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, op: &Operation) -> Result<Vec<Value>, Problem> {
        check_order(op)?;
        if op.proto.domain == "ai.onnx.ml" {
            return self.build.of_ml(op);
        }
        if !is_standard(op.proto.domain) {
            return unsupported(format!("operators of the domain `{}`", op.proto.domain));
        }
        let kinds = || op.inputs.iter().flatten().map(Value::kind);
        if ALIKE.contains(&op.proto.operator) && kinds().zip(kinds().skip(1)).any(|(a, b)| a != b) {
            return Err(Problem::Types);
        }
        let build = &mut self.build;
        build.kind = kinds().find(|kind| kind.is_float()).unwrap_or(Kind::F32);
        let one = match op.proto.operator {
            "Add" => build.arithmetic(op, '+'),
            "Sub" => build.arithmetic(op, '-'),
            "Mul" => build.arithmetic(op, '*'),
            "Div" => build.arithmetic(op, '/'),
            "Neg" => build.negate(op),
            "Sum" => build.sum(op),
            "Gemm" => build.gemm(op),
            "MatMul" => build.matmul(op),
            "BatchNormalization" => build.batch_normalization(op),
            "ReduceSum" => build.reduce(op, false),
            "ReduceMean" => build.reduce(op, true),
            "Conv" => build.convolution(op),
            "AveragePool" => build.average_pool(op),
            "MaxPool" => build.max_pool(op),
            "GlobalAveragePool" => build.global_average_pool(op),
            "GlobalMaxPool" => build.global_max_pool(op),
            "Relu" => build.rectify(op),
            "LeakyRelu" => build.leaky_relu(op),
            "PRelu" => build.p_relu(op),
            "Abs" => build.absolute(op),
            "Clip" => build.clip(op),
            "Max" => build.extremum(op, true),
            "Min" => build.extremum(op, false),
            "Greater" => build.compare(op, [false, false, true]),
            "GreaterOrEqual" => build.compare(op, [false, true, true]),
            "Less" => build.compare(op, [true, false, false]),
            "LessOrEqual" => build.compare(op, [true, true, false]),
            "Not" => build.opposite(op),
            "Where" => build.where_(op),
            "Softmax" | "LogSoftmax" => super::last::softmax(op),
            "Identity" | "Dropout" => dropout(op),
            "Constant" => build.constant(op),
            "ConstantOfShape" => build.constant_of_shape(op),
            "Shape" => shape_of(op),
            "Cast" => cast(op),
            "Concat" => build.concat(op),
            "Flatten" => flatten(op),
            "Reshape" => reshape(op),
            "Squeeze" => squeeze(op),
            "Unsqueeze" => unsqueeze(op),
            "Transpose" => build.transpose(op),
            "Expand" => build.expand(op),
            "Gather" => build.gather(op),
            "Slice" => build.slice(op),
            "Pad" => build.pad(op),
            "Tile" => build.tile(op),
            "DepthToSpace" => build.blocks(op, true),
            "SpaceToDepth" => build.blocks(op, false),
            "Compress" => build.compress(op),
            "Trilu" => build.trilu(op),
            "CumSum" => build.cumulated(op),
            "GatherElements" => build.gather_elements(op),
            "GatherND" => build.gather_nd(op),
            "Scatter" | "ScatterElements" => build.scatter_elements(op),
            "ScatterND" => build.scatter_nd(op),
            "ReduceMax" => build.reduce_extremum(op, true),
            "ReduceMin" => build.reduce_extremum(op, false),
            "ReduceL1" => build.reduce_absolute(op),
            "Mean" => build.mean(op),
            "ConvTranspose" => build.transposed_convolution(op),
            "Resize" | "Upsample" => build.resize(op),
            "EyeLike" => build.eye_like(op),
            "CastLike" => cast_like(op),
            "Split" => return build.split(op),
            _ => Err(Problem::UnsupportedOperator),
        };
        one.map(|value| vec![value])
    }
}

impl Operation<'_, '_> {
    pub fn input(&self, i: usize) -> Result<&Value, Problem> {
        self.optional(i).ok_or(Problem::Operand("input"))
    }

    pub fn optional(&self, i: usize) -> Option<&Value> {
        self.inputs.get(i).and_then(Option::as_ref)
    }

    pub fn variable(&self, i: usize) -> Result<&Variable, Problem> {
        match self.input(i)? {
            Value::Variable(v) => Ok(v),
            Value::Condition(_) => jumps(),
            Value::Constant(_) => unsupported("this operator on a constant"),
        }
    }

    pub fn constant(&self, i: usize) -> Result<&Array<f64>, Problem> {
        self.optional_constant(i)?.ok_or(Problem::Operand("input"))
    }

    pub fn optional_constant(&self, i: usize) -> Result<Option<&Array<f64>>, Problem> {
        match self.optional(i) {
            None => Ok(None),
            Some(Value::Constant(c)) => Ok(Some(c)),
            Some(_) => unsupported("a variable where a constant is expected"),
        }
    }

    /// An attribute, if it is given; its value must be in this field (`Attribute` lists them).
    fn attribute(&self, name: &'static str, field: u64) -> Result<Option<&Attribute<'_>>, Problem> {
        self.seen.borrow_mut().push(name);
        match self.proto.attributes.get(name) {
            Some(a) if a.field != field => Err(Problem::Operand(name)),
            found => Ok(found),
        }
    }

    pub fn integer(&self, name: &'static str, default: i64) -> Result<i64, Problem> {
        Ok(self.attribute(name, 3)?.map_or(default, |a| a.integer))
    }

    /// An integer, if it is given.
    pub fn given(&self, name: &'static str) -> Result<Option<i64>, Problem> {
        Ok(self.attribute(name, 3)?.map(|a| a.integer))
    }

    /// Whether a switch is on; it is 0 or 1, as programs disagree on what else it would mean.
    pub fn switch(&self, name: &'static str, default: bool) -> Result<bool, Problem> {
        match self.integer(name, i64::from(default))? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Problem::Operand(name)),
        }
    }

    pub fn needed(&self, name: &'static str) -> Result<i64, Problem> {
        Ok(self.attribute(name, 3)?.ok_or(Problem::Operand(name))?.integer)
    }

    pub fn integers(&self, name: &'static str) -> Result<Option<&[i64]>, Problem> {
        Ok(self.attribute(name, 8)?.map(|a| a.integers.as_slice()))
    }

    pub fn float(&self, name: &'static str) -> Result<Option<f64>, Problem> {
        Ok(self.attribute(name, 2)?.map(|a| a.float))
    }

    pub fn floats(&self, name: &'static str) -> Result<Option<&[f64]>, Problem> {
        Ok(self.attribute(name, 7)?.map(|a| a.floats.as_slice()))
    }

    pub fn text(&self, name: &'static str) -> Result<Option<&[u8]>, Problem> {
        Ok(self.attribute(name, 4)?.map(|a| a.text))
    }

    /// The number of texts in a list.
    pub fn texts(&self, name: &'static str) -> Result<usize, Problem> {
        Ok(self.attribute(name, 9)?.map_or(0, |a| a.texts))
    }

    pub fn tensor(&self, name: &'static str) -> Result<Option<&TensorProto<'_>>, Problem> {
        Ok(self.attribute(name, 5)?.map(|a| &a.tensor))
    }

    /// A list that older operator sets have as an attribute and newer ones as an input.
    pub fn list(&self, name: &'static str, input: usize) -> Result<Option<Vec<i64>>, Problem> {
        match (self.integers(name)?, self.optional_constant(input)?) {
            (Some(list), None) => Ok(Some(list.to_vec())),
            (None, Some(c)) if c.rank() < 2 => Ok(Some(c.integers()?)),
            (None, None) => Ok(None),
            _ => Err(Problem::Operand(name)),
        }
    }
}
