//! ONNX: from the file's bytes to a network of affine maps, ReLUs and S-shaped activations.
//!
//! The file is parsed in place; nodes that the output depends on are visited in the file's order; constant sub-graphs
//! are folded on the way; piecewise-linear operators are lowered to the normal form of the proof format.

mod alias;
mod call;
mod constant;
mod conv;
mod elementwise;
mod external;
mod fold;
mod graph;
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

use self::call::Call;
use self::constant::{Constant, External};
use self::graph::Plan;
use self::lower::{Lowering, Origin, Value};
use self::model::{Model, Node};
use super::{
    FinalOperator, LayerInfo, LoadedNetwork, ModelProblem, NetworkError, NodeProblem, Place,
};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The oldest operator set that is read as documented.
const FIRST_OPSET: i64 = 7;

/// Reads a model; `folder` is where files with external data may lie.
pub(super) fn read(
    file: &Path,
    bytes: &[u8],
    folder: Option<&Path>,
) -> Result<LoadedNetwork, NetworkError> {
    let model = Model::parse(bytes).map_err(|error| NetworkError::Encoding {
        file: file.to_owned(),
        offset: error.offset,
        problem: error.problem,
    })?;
    let refuse = |problem| NetworkError::Model { file: file.to_owned(), problem };
    let graph = model.graph.as_ref().ok_or_else(|| refuse(ModelProblem::NoGraph))?;
    let opset = model
        .opset
        .filter(|&version| version >= FIRST_OPSET)
        .ok_or_else(|| refuse(ModelProblem::Opset { found: model.opset }))?;
    let plan = Plan::new(graph).map_err(refuse)?;
    let (external, files) = external::load(file, graph, &plan, folder)?;
    let reader = Reader { file, opset, plan: &plan, external: &external };
    let mut loaded = reader.lower()?;
    loaded.external = files;
    Ok(loaded)
}

/// The operators that are dropped at the end: they keep the order of the outputs.
fn is_final(op: &str) -> Option<FinalOperator> {
    match op {
        "Softmax" => Some(FinalOperator::Softmax),
        "LogSoftmax" => Some(FinalOperator::LogSoftmax),
        "ArgMax" => Some(FinalOperator::ArgMax),
        _ => None,
    }
}

struct Reader<'a, 'm> {
    file: &'a Path,
    opset: i64,
    plan: &'a Plan<'a, 'm>,
    external: &'m External,
}

impl<'m> Reader<'_, 'm> {
    fn lower(&self) -> Result<LoadedNetwork, NetworkError> {
        let plan = self.plan;
        let refuse = |problem| NetworkError::Model { file: self.file.to_owned(), problem };
        let len = shape::count(&plan.input_shape).map_err(|_| {
            let tensor = plan.input.to_owned();
            refuse(ModelProblem::TooLarge { tensor, limit: shape::MAX_ELEMENTS })
        })?;
        let mut low = Lowering::new(len, plan.input)
            .map_err(|_| refuse(ModelProblem::Build(crate::net::BuildError::Empty)))?;
        let mut values: HashMap<&str, Value<'m>> = HashMap::new();
        let input = low.input(plan.input_shape.clone());
        low.add_uses(&input, plan.uses(plan.input));
        values.insert(plan.input, input.into());
        let mut layers = Vec::new();
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
                    && constant.is_float()
                    && counted.insert(name)
                {
                    parameters += constant.len();
                }
                inputs.push(value);
            }
            low.origin = Origin { index, name: node.label().to_owned() };
            let call = Call { node, inputs, opset: self.opset, external: self.external };
            let outputs = operators::run(&mut low, &call)
                .and_then(|outputs| self.check_outputs(node, outputs, &mut low))
                .map_err(|problem| self.at_node(low.blamed.unwrap_or(index), problem))?;
            if let Some(Value::Variable(first)) = outputs.first() {
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
        self.finish(low, &values, layers)
    }

    fn finish(
        &self,
        mut low: Lowering,
        values: &HashMap<&str, Value<'m>>,
        layers: Vec<LayerInfo>,
    ) -> Result<LoadedNetwork, NetworkError> {
        let plan = self.plan;
        let refuse = |problem| NetworkError::Model { file: self.file.to_owned(), problem };
        let Some(Value::Variable(output)) = values.get(plan.output) else {
            return Err(refuse(ModelProblem::ConstantOutput(plan.output.to_owned())));
        };
        let mut notes = plan.notes.clone();
        for &index in plan.dropped.iter().rev() {
            let node = &plan.graph.nodes[index];
            self.check_final(node, &output.shape).map_err(|p| self.at_node(index, p))?;
            notes.push(format!("the final {} is dropped: it does not change the arg max", node.op));
        }
        let dropped_final = plan.dropped.first().and_then(|&i| is_final(plan.graph.nodes[i].op));
        let output_shape = output.shape.clone();
        let last = plan.live.last().copied().unwrap_or(0);
        let node = low
            .node(output)
            .map_err(|problem| self.at_node(low.blamed.unwrap_or(last), problem))?;
        let network = low.finish(node).map_err(|problem| refuse(ModelProblem::Build(problem)))?;
        Ok(LoadedNetwork {
            network,
            input_shape: plan.input_shape.clone(),
            output_shape,
            sha256: String::new(),
            external: Vec::new(),
            notes,
            dropped_final,
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
        let constant = Constant::decode(tensor, self.external).map_err(|problem| {
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
        low.spend_constants(&outputs);
        if low.spent > shape::MAX_TOTAL {
            return Err(NodeProblem::TooLarge { what: "a network", limit: shape::MAX_TOTAL });
        }
        Ok(outputs)
    }

    /// A softmax must be over all outputs, else dropping it could change how they compare.
    fn check_final(&self, node: &Node<'m>, shape: &[usize]) -> Result<(), NodeProblem> {
        let call = Call { node, inputs: Vec::new(), opset: self.opset, external: self.external };
        let single = node.op == "ArgMax" || self.opset >= 13;
        let default = match node.op {
            "ArgMax" => 0,
            _ if single => -1,
            _ => 1,
        };
        let axis = call.axis(default, shape.len())?;
        let over: usize = if single { shape[axis] } else { shape[axis..].iter().product() };
        if over == shape.iter().product::<usize>() { Ok(()) } else { Err(NodeProblem::NotLast) }
    }
}
