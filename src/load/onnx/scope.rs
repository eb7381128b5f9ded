//! The nodes of a file, or of a graph or function within it, read one after the other.

use super::call::Call;
use super::constant::{Constant, External};
use super::graph::Plan;
use super::lower::{EMPTY, Lowering, Origin, Value};
use super::model::{Definition, Node, version};
use super::operators;
use super::shape::Problem;
use super::single;
use crate::load::budget::Budget;
use crate::load::{LayerInfo, NodeProblem, TensorProblem};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// What is the same for the whole file.
pub(super) struct Reader<'a, 'm> {
    /// The file.
    pub file: &'a Path,
    /// Contents of files beside it.
    pub external: &'m External,
    /// Its own functions.
    pub functions: &'a [Definition<'m>],
    /// The memory left.
    pub budget: &'m Budget,
    /// Whether values are meant in single precision.
    pub single: bool,
}

/// The nodes at hand, and the tensors that they may read.
pub(super) struct Scope<'a, 'm> {
    /// The nodes.
    pub plan: &'a Plan<'a, 'm>,
    /// Their operator sets.
    pub opsets: &'a [(&'m str, i64)],
    /// Tensors by name.
    pub values: HashMap<&'m str, Value<'m>>,
    /// The graph around this one.
    pub outer: Option<&'a Scope<'a, 'm>>,
}

impl<'a, 'm> Scope<'a, 'm> {
    /// A scope without tensors but its initializers.
    pub(super) fn new(plan: &'a Plan<'a, 'm>, opsets: &'a [(&'m str, i64)]) -> Self {
        Self { plan, opsets, values: HashMap::new(), outer: None }
    }

    /// A tensor that was computed before.
    pub(super) fn computed(&self, name: &str) -> Option<&Value<'m>> {
        self.values.get(name).or_else(|| self.outer?.computed(name))
    }

    /// Whether a node here may read a tensor of this name.
    pub(super) fn sees(&self, name: &str) -> bool {
        self.computed(name).is_some() || self.stored(name).is_some()
    }

    fn stored(&self, name: &str) -> Option<&super::model::Tensor<'m>> {
        self.plan.initializer(name).or_else(|| self.outer?.stored(name))
    }
}

/// What is told of a file's operators.
#[derive(Default)]
pub(super) struct Report {
    /// The operators.
    pub layers: Vec<LayerInfo>,
    /// What was left out at the end.
    pub notes: Vec<String>,
    /// The shape of the outputs, which are what goes into the first operator that is left out.
    pub shape: Option<Vec<usize>>,
    counted: HashSet<String>,
    /// How many graphs and functions lie around the nodes at hand.
    pub depth: usize,
    /// Whether something reads on what the graph or function at hand gives.
    pub read_on: bool,
}

/// Why reading stops.
pub(super) enum Stop<'m> {
    /// At a node.
    Node(usize, NodeProblem),
    /// At a stored tensor.
    Tensor(&'m str, TensorProblem),
}

impl<'m> Reader<'_, 'm> {
    /// Reads all nodes of a scope that its outputs depend on.
    pub(super) fn run(
        &self,
        low: &mut Lowering,
        scope: &mut Scope<'_, 'm>,
        report: &mut Report,
    ) -> Result<(), Stop<'m>> {
        let plan = scope.plan;
        for &index in &plan.live {
            let node = &plan.nodes[index];
            let mut parameters = 0;
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for &name in &node.inputs {
                let value =
                    if name.is_empty() { None } else { Some(self.value(scope, name, index)?) };
                if report.depth == 0
                    && let Some(Value::Constant(constant)) = &value
                    && constant.element.is_float()
                    && report.counted.insert(name.to_owned())
                {
                    parameters += constant.len();
                }
                inputs.push(value);
            }
            if report.depth == 0 {
                low.origin = Origin { index, name: node.label().to_owned() };
            }
            let opset = version(scope.opsets, node.domain).unwrap_or(0);
            let is_last =
                !report.read_on && node.outputs.first().is_some_and(|name| plan.is_last(name));
            let call = Call { node, inputs, opset, external: self.external, is_last };
            let outputs = self
                .outputs(low, &call, scope, report)
                .and_then(|outputs| check_outputs(plan, node, outputs, low))
                .map_err(|problem| Stop::Node(index, problem))?;
            for (name, result) in node.outputs.iter().zip(&outputs) {
                if let Some(Some(Value::Variable(x))) = call.inputs.first()
                    && let Value::Variable(result) = result
                    && let Some(dropped) = result.dropped.filter(|_| x.dropped != result.dropped)
                    && plan.uses(name) > 0
                {
                    let effect = "it does not change the arg max";
                    report.notes.push(format!("the final {dropped} is dropped: {effect}"));
                    let own = if low.is_same(x, result) { &x.shape } else { &result.shape };
                    report.shape.get_or_insert_with(|| own.clone());
                }
            }
            if let Some(Value::Variable(first)) = outputs.first()
                && first.dropped.is_none()
                && report.depth == 0
            {
                let (name, op) = (node.label().to_owned(), node.op.to_owned());
                report.layers.push(LayerInfo { name, op, shape: first.shape.clone(), parameters });
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
                scope.values.insert(name, value);
            }
        }
        Ok(())
    }

    /// The value of a tensor.
    pub(super) fn value(
        &self,
        scope: &Scope<'_, 'm>,
        name: &'m str,
        user: usize,
    ) -> Result<Value<'m>, Stop<'m>> {
        if let Some(value) = scope.computed(name) {
            return Ok(value.clone());
        }
        let Some(tensor) = scope.stored(name) else {
            let problem = NodeProblem::MissingTensor(name.to_owned());
            return Err(Stop::Node(user, problem));
        };
        let decoded = Constant::decode(tensor, self.external, self.budget);
        Ok(decoded.map_err(|problem| Stop::Tensor(name, problem))?.into())
    }

    fn outputs(
        &self,
        low: &mut Lowering,
        call: &Call<'_, 'm>,
        scope: &Scope<'_, 'm>,
        report: &mut Report,
    ) -> Problem<Vec<Value<'m>>> {
        match self.within(low, call, scope, report)? {
            Some(outputs) => Ok(outputs),
            None => {
                let outputs = operators::run(low, call)?;
                if self.single {
                    single::check(call, &outputs)?;
                }
                Ok(outputs)
            }
        }
    }
}

/// Outputs that are not computed (the mask of Dropout, the indices of MaxPool) must not be used; all tensors
/// together must stay within bounds.
fn check_outputs<'m>(
    plan: &Plan,
    node: &Node,
    outputs: Vec<Value<'m>>,
    low: &mut Lowering,
) -> Problem<Vec<Value<'m>>> {
    let rest = outputs.len()..node.outputs.len();
    if let Some(index) = rest.into_iter().find(|&i| plan.uses(node.outputs[i]) > 0) {
        let accepted = match node.op {
            "SVMClassifier" => {
                "only the first, the class (--output NAME): the scores are not in the order of classes"
            }
            _ => "only the first",
        };
        return Err(NodeProblem::Output { index, accepted });
    }
    low.settle(&outputs)?;
    let empty = |value: &Value| matches!(value, Value::Variable(_)) && value.shape().contains(&0);
    if outputs.iter().any(empty) {
        return Err(EMPTY);
    }
    Ok(outputs)
}
