//! ONNX: from the file's bytes to a network of affine maps, ReLUs and S-shaped activations.
//!
//! The file is parsed in place; nodes that the output depends on are visited in the file's order; constant sub-graphs
//! are folded on the way; piecewise-linear operators are lowered to the normal form of the proof format.

mod alias;
mod call;
mod choice;
mod constant;
mod conv;
mod elementwise;
mod external;
mod fold;
mod graph;
mod hinge;
mod last;
mod legacy;
mod lower;
mod matmul;
mod model;
mod operators;
mod piecewise;
mod place;
mod reduce;
mod select;
mod shape;
mod window;
mod wire;
mod write;

pub use write::{WriteError, write_onnx};

use self::call::Call;
use self::constant::{Constant, External};
use self::graph::Plan;
use self::lower::{Lowering, Origin, Value};
use self::model::{Model, Node};
use super::budget::Budget;
use super::{LayerInfo, LoadedNetwork, ModelProblem, NetworkError, NodeProblem, Place};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Reads a model; `folder` is where files with external data may lie.
pub(super) fn read(
    file: &Path,
    bytes: &[u8],
    folder: Option<&Path>,
    budget: &Budget,
) -> Result<LoadedNetwork, NetworkError> {
    let model = Model::parse(bytes, budget).map_err(|error| NetworkError::Encoding {
        file: file.to_owned(),
        offset: error.offset,
        problem: error.problem,
    })?;
    let refuse = |problem| NetworkError::Model { file: file.to_owned(), problem };
    let graph = model.graph.as_ref().ok_or_else(|| refuse(ModelProblem::NoGraph))?;
    let opset = model.opset.filter(|&version| version >= 1);
    let opset = opset.ok_or_else(|| refuse(ModelProblem::Opset { found: model.opset }))?;
    let plan = Plan::new(graph).map_err(refuse)?;
    let (external, files) = external::load(file, graph, &plan, folder, budget)?;
    let functions = &model.functions;
    let reader = Reader { file, opset, plan: &plan, external: &external, functions, budget };
    let mut loaded = reader.lower()?;
    loaded.external = files;
    Ok(loaded)
}

struct Reader<'a, 'm> {
    file: &'a Path,
    opset: i64,
    plan: &'a Plan<'a, 'm>,
    external: &'m External,
    /// Domain and name of the file's own functions.
    functions: &'a [(&'m str, &'m str)],
    budget: &'m Budget,
}

/// What was left out at the end.
#[derive(Default)]
struct Dropped {
    notes: Vec<String>,
    /// The shape of the outputs, which are what goes into the first operator that is left out.
    shape: Option<Vec<usize>>,
}

impl<'m> Reader<'_, 'm> {
    fn lower(&self) -> Result<LoadedNetwork, NetworkError> {
        let plan = self.plan;
        let refuse = |problem| NetworkError::Model { file: self.file.to_owned(), problem };
        let len = shape::count(&plan.input_shape).map_err(|_| {
            let tensor = plan.input.to_owned();
            refuse(ModelProblem::TooLarge { tensor, limit: shape::MAX_ELEMENTS })
        })?;
        let mut low = Lowering::new(len, plan.input, plan.element, self.budget)
            .map_err(|_| refuse(ModelProblem::Build(crate::net::BuildError::Empty)))?;
        let mut values: HashMap<&str, Value<'m>> = HashMap::new();
        let input = low.input(plan.input_shape.clone());
        low.add_uses(&input, plan.uses(plan.input));
        values.insert(plan.input, input.into());
        let mut layers = Vec::new();
        let mut dropped = Dropped::default();
        let mut counted = HashSet::new();
        for &index in &plan.live {
            let node = &plan.graph.nodes[index];
            let mut parameters = 0;
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for &name in &node.inputs {
                let value = match (name, values.get(name)) {
                    ("", _) => None,
                    (_, Some(value)) => Some(value.clone()),
                    (_, None) => Some(self.initializer(name, index)?),
                };
                if let Some(Value::Constant(constant)) = &value
                    && constant.element.is_float()
                    && counted.insert(name)
                {
                    parameters += constant.len();
                }
                inputs.push(value);
            }
            low.origin = Origin { index, name: node.label().to_owned() };
            let call = Call { node, inputs, opset: self.opset, external: self.external };
            let outputs = self
                .check_function(node)
                .and_then(|()| operators::run(&mut low, &call))
                .and_then(|outputs| self.check_outputs(node, outputs, &mut low))
                .map_err(|problem| self.at_node(low.blamed.unwrap_or(index), problem))?;
            if let Some(Some(Value::Variable(x))) = call.inputs.first()
                && last::NAMES.contains(&node.op)
            {
                let effect = "it does not change the arg max";
                dropped.notes.push(format!("the final {} is dropped: {effect}", node.op));
                dropped.shape.get_or_insert_with(|| x.shape.clone());
            }
            if let Some(Value::Variable(first)) = outputs.first()
                && first.dropped.is_none()
            {
                let (name, op) = (node.label().to_owned(), node.op.to_owned());
                layers.push(LayerInfo { name, op, shape: first.shape.clone(), parameters });
            }
            for (&name, value) in node.outputs.iter().zip(outputs) {
                if let Value::Variable(result) = &value {
                    low.add_uses(result, plan.uses(name));
                    for operand in &call.inputs {
                        if let Some(Value::Variable(operand)) = operand {
                            low.forget_use_if_same(operand, result);
                        }
                    }
                }
                values.insert(name, value);
            }
        }
        self.finish(low, &values, layers, dropped)
    }

    fn finish(
        &self,
        mut low: Lowering,
        values: &HashMap<&str, Value<'m>>,
        layers: Vec<LayerInfo>,
        dropped: Dropped,
    ) -> Result<LoadedNetwork, NetworkError> {
        let plan = self.plan;
        let refuse = |problem| NetworkError::Model { file: self.file.to_owned(), problem };
        let Some(Value::Variable(output)) = values.get(plan.output) else {
            return Err(refuse(ModelProblem::ConstantOutput(plan.output.to_owned())));
        };
        let mut notes = plan.notes.clone();
        notes.extend(dropped.notes);
        let output_shape = dropped.shape.unwrap_or_else(|| output.shape.clone());
        let last = plan.live.last().copied().unwrap_or(0);
        let node = low
            .node(output)
            .map_err(|problem| self.at_node(low.blamed.unwrap_or(last), problem))?;
        let network = low.finish(node).map_err(|problem| refuse(ModelProblem::Build(problem)))?;
        Ok(LoadedNetwork {
            network: network.leaving_out(output.dropped),
            input_shape: plan.input_shape.clone(),
            output_shape,
            sha256: String::new(),
            external: Vec::new(),
            notes,
            layers,
            input_limits: None,
        })
    }

    fn at_node(&self, index: usize, problem: NodeProblem) -> NetworkError {
        let (name, operator) = match self.plan.graph.nodes.get(index) {
            Some(node) => (node.label().to_owned(), node.op.to_owned()),
            None => (self.plan.output.to_owned(), "output".to_owned()),
        };
        let at = Place { file: self.file.to_owned(), index, name, operator };
        NetworkError::Node { at: Box::new(at), problem }
    }

    fn initializer(&self, name: &str, user: usize) -> Result<Value<'m>, NetworkError> {
        let Some(tensor) = self.plan.initializer(name) else {
            let (tensor, user) = (name.to_owned(), format!("node {user}"));
            let problem = ModelProblem::MissingTensor { tensor, user };
            return Err(NetworkError::Model { file: self.file.to_owned(), problem });
        };
        let constant = Constant::decode(tensor, self.external, self.budget).map_err(|problem| {
            let (file, tensor) = (self.file.to_owned(), name.to_owned());
            NetworkError::Tensor { file, tensor, problem }
        })?;
        Ok(constant.into())
    }

    /// Outputs that are not computed (the mask of Dropout, the indices of MaxPool) must not be used; all tensors
    /// together must stay within bounds.
    fn check_outputs(
        &self,
        node: &Node,
        outputs: Vec<Value<'m>>,
        low: &mut Lowering,
    ) -> Result<Vec<Value<'m>>, NodeProblem> {
        let rest = outputs.len()..node.outputs.len();
        if let Some(index) = rest.into_iter().find(|&i| self.plan.uses(node.outputs[i]) > 0) {
            return Err(NodeProblem::Output { index, accepted: "only the first" });
        }
        low.settle(&outputs)?;
        let empty =
            |value: &Value| matches!(value, Value::Variable(_)) && value.shape().contains(&0);
        if outputs.iter().any(empty) {
            return Err(lower::EMPTY);
        }
        Ok(outputs)
    }

    fn check_function(&self, node: &Node) -> Result<(), NodeProblem> {
        let standard = model::is_standard_domain;
        let same = |&(domain, name): &(&str, &str)| {
            let one_domain = domain == node.domain || (standard(domain) && standard(node.domain));
            name == node.op && one_domain
        };
        if self.functions.iter().any(same) { Err(NodeProblem::LocalFunction) } else { Ok(()) }
    }
}
