//! The walk through the graph, in the order of the file.
use super::array::Array;
use super::build::{Builder, Value, Variable};
use super::error::{Error, Problem};
use super::model::{Model, NodeProto};
use crate::circuit::Circuit;
use std::collections::{HashMap, HashSet};

pub struct Lowering<'a> {
    model: &'a Model<'a>,
    values: HashMap<&'a str, Value>,
    pub build: Builder,
}

/// One node with the values of its inputs (`None`: left out).
pub struct Operation<'n, 'a> {
    pub proto: &'n NodeProto<'a>,
    pub inputs: Vec<Option<Value>>,
}

pub fn lower<'a>(model: &'a Model<'a>) -> Result<Circuit, Error> {
    let mut inputs = model.inputs.iter().filter(|(n, _)| !model.initializers.contains_key(n));
    let (name, shape) = match (inputs.next(), inputs.next()) {
        (Some(input), None) => input,
        _ => {
            return Err(Error::graph(
                "the model must have exactly one input that is no initializer",
            ));
        }
    };
    let [output] = model.outputs.as_slice() else {
        return Err(Error::graph("the model must have exactly one output"));
    };
    let count = super::array::small_volume(shape)?;
    let circuit = Circuit::new(count).ok_or(Problem::TooLarge)?;
    let input = Variable { node: 0, shape: shape.clone() };
    let mut lowering = Lowering {
        model,
        values: HashMap::from([(*name, Value::Variable(input))]),
        build: Builder { circuit },
    };
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
        return Err(Error::graph("the output is a constant"));
    };
    let mut circuit = lowering.build.circuit;
    circuit.set_output(output.node).ok_or(Problem::TooLarge)?;
    Ok(circuit)
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
    fn value(&self, name: &str) -> Result<Value, Problem> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        match self.model.initializers.get(name) {
            Some(tensor) => Ok(Value::constant(tensor.decode()?)),
            None => Err(Problem::Undefined(name.to_string())),
        }
    }

    fn node(&mut self, proto: &NodeProto<'a>) -> Result<(), Problem> {
        let inputs = proto.inputs.iter().map(|name| match *name {
            "" => Ok(None),
            name => self.value(name).map(Some),
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let operation = Operation { proto, inputs };
        let results = self.apply(&operation)?;
        let missing = proto.outputs.iter().skip(results.len()).any(|name| !name.is_empty());
        if missing && proto.operator != "Dropout" {
            return Err(Problem::Unsupported("a second output"));
        }
        for (name, result) in proto.outputs.iter().zip(results) {
            let taken = self.model.initializers.contains_key(name);
            if !name.is_empty() && (taken || self.values.insert(name, result).is_some()) {
                return Err(Problem::DefinedTwice(name.to_string()));
            }
        }
        Ok(())
    }

    fn apply(&mut self, op: &Operation) -> Result<Vec<Value>, Problem> {
        let build = &mut self.build;
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
            "Split" => return build.split(op),
            _ => build.movement(op),
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
            Value::Constant(_) => Err(Problem::Unsupported("this operator on a constant")),
        }
    }

    pub fn constant(&self, i: usize) -> Result<&Array<f64>, Problem> {
        self.optional_constant(i)?.ok_or(Problem::Operand("input"))
    }

    pub fn optional_constant(&self, i: usize) -> Result<Option<&Array<f64>>, Problem> {
        match self.optional(i) {
            None => Ok(None),
            Some(Value::Constant(c)) => Ok(Some(c)),
            Some(Value::Variable(_)) => {
                Err(Problem::Unsupported("a variable where a constant is expected"))
            }
        }
    }

    pub fn integer(&self, name: &str, default: i64) -> Result<i64, Problem> {
        match self.proto.attributes.get(name) {
            None => Ok(default),
            Some(a) => a.integer.ok_or(Problem::Operand("integer attribute")),
        }
    }

    pub fn integers(&self, name: &str) -> Option<&[i64]> {
        self.proto.attributes.get(name).map(|a| a.integers.as_slice())
    }

    pub fn float(&self, name: &str, default: f32) -> Result<f64, Problem> {
        match self.proto.attributes.get(name) {
            None => Ok(default as f64),
            Some(a) => a.float.map(|f| f as f64).ok_or(Problem::Operand("float attribute")),
        }
    }

    pub fn text(&self, name: &str) -> Option<&[u8]> {
        self.proto.attributes.get(name).and_then(|a| a.text)
    }

    /// A list that older operator sets have as an attribute and newer ones as an input.
    pub fn list(&self, name: &str, input: usize) -> Result<Option<Vec<i64>>, Problem> {
        match self.integers(name) {
            Some(list) => Ok(Some(list.to_vec())),
            None => Ok(self.optional_constant(input)?.map(Array::integers)),
        }
    }
}
