//! The shape of an ONNX graph: its input and output, which nodes the output depends on, and how often tensors are used.

use super::constant::Element;
use super::model::{Graph, Tensor, ValueInfo};
use crate::load::ModelProblem;
use std::collections::HashMap;

/// A graph that is well-formed as far as names go.
#[derive(Debug)]
pub struct Plan<'a, 'm> {
    /// The graph.
    pub graph: &'a Graph<'m>,
    /// Name of the input.
    pub input: &'m str,
    /// The type of its elements.
    pub element: Element,
    /// Its shape, symbolic dimensions taken as 1.
    pub input_shape: Vec<usize>,
    /// Name of the output.
    pub output: &'m str,
    /// Nodes that the output depends on, in the file's order.
    pub live: Vec<usize>,
    /// What the user should know.
    pub notes: Vec<String>,
    initializers: HashMap<&'m str, usize>,
    uses: HashMap<&'m str, usize>,
}

impl<'a, 'm> Plan<'a, 'm> {
    /// Checks and orders a graph.
    pub(super) fn new(graph: &'a Graph<'m>) -> Result<Self, ModelProblem> {
        if graph.sparse {
            return Err(ModelProblem::SparseInitializers);
        }
        let mut initializers = HashMap::new();
        for (index, tensor) in graph.initializers.iter().enumerate() {
            if initializers.insert(tensor.name, index).is_some() {
                return Err(ModelProblem::Duplicate(tensor.name.to_owned()));
            }
        }
        let inputs: Vec<&ValueInfo> =
            graph.inputs.iter().filter(|i| !initializers.contains_key(i.name)).collect();
        let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let &[input] = inputs.as_slice() else {
            return Err(ModelProblem::Inputs(names(inputs.iter().map(|i| i.name).collect())));
        };
        let &[output] = graph.outputs.as_slice() else {
            return Err(ModelProblem::Outputs(names(graph.outputs.clone())));
        };
        let mut notes = Vec::new();
        let (element, input_shape) = input_type(input, &mut notes)?;
        let mut producers: HashMap<&str, usize> = HashMap::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            for &name in node.outputs.iter().filter(|name| !name.is_empty()) {
                let defined = name == input.name || initializers.contains_key(name);
                if defined || producers.insert(name, index).is_some() {
                    return Err(ModelProblem::Duplicate(name.to_owned()));
                }
            }
        }
        let mut plan = Self {
            graph,
            input: input.name,
            element,
            input_shape,
            output,
            live: Vec::new(),
            notes,
            initializers,
            uses: HashMap::new(),
        };
        plan.find_live(&producers)?;
        Ok(plan)
    }

    /// An initializer by name.
    pub(super) fn initializer(&self, name: &str) -> Option<&'a Tensor<'m>> {
        self.initializers.get(name).map(|&index| &self.graph.initializers[index])
    }

    /// How many operands and outputs of live nodes read a tensor.
    pub(super) fn uses(&self, name: &str) -> usize {
        self.uses.get(name).copied().unwrap_or(0)
    }

    fn find_live(&mut self, producers: &HashMap<&'m str, usize>) -> Result<(), ModelProblem> {
        let nodes = &self.graph.nodes;
        let mut live = vec![false; nodes.len()];
        let mut pending = Vec::new();
        let known = |name: &str| name == self.input || self.initializers.contains_key(name);
        match producers.get(self.output) {
            Some(&index) => {
                live[index] = true;
                pending.push(index);
            }
            None if known(self.output) => {}
            None => {
                let (tensor, user) = (self.output.to_owned(), "the output".to_owned());
                return Err(ModelProblem::MissingTensor { tensor, user });
            }
        }
        self.uses.insert(self.output, 1);
        while let Some(user) = pending.pop() {
            for &name in nodes[user].inputs.iter().filter(|name| !name.is_empty()) {
                *self.uses.entry(name).or_default() += 1;
                match producers.get(name) {
                    Some(&producer) if producer >= user => {
                        return Err(ModelProblem::Order {
                            tensor: name.to_owned(),
                            user,
                            producer,
                        });
                    }
                    Some(&producer) => {
                        if !std::mem::replace(&mut live[producer], true) {
                            pending.push(producer);
                        }
                    }
                    None if name == self.input || self.initializers.contains_key(name) => {}
                    None => {
                        let user =
                            format!("node {user} '{}' ({})", nodes[user].label(), nodes[user].op);
                        return Err(ModelProblem::MissingTensor { tensor: name.to_owned(), user });
                    }
                }
            }
        }
        self.live = (0..nodes.len()).filter(|&index| live[index]).collect();
        Ok(())
    }
}

fn input_type(
    input: &ValueInfo,
    notes: &mut Vec<String>,
) -> Result<(Element, Vec<usize>), ModelProblem> {
    let refuse = |found: String| ModelProblem::InputType { name: input.name.to_owned(), found };
    let number = input.element.ok_or_else(|| refuse("no tensor".to_owned()))?;
    let element = Element::from_number(number)
        .filter(|element| element.is_float())
        .ok_or_else(|| refuse(format!("a tensor of {}", super::constant::element_type(number))))?;
    let dims = input.shape.as_ref().ok_or_else(|| refuse("a tensor of any shape".to_owned()))?;
    let mut shape = Vec::with_capacity(dims.len());
    for (axis, &dim) in dims.iter().enumerate() {
        match dim {
            Some(size) if size > 0 => shape.push(size as usize),
            // Some exporters write −1 for an unknown batch size.
            None | Some(-1) if axis == 0 => shape.push(1),
            None => {
                notes.push(format!("dimension {axis} of the input is symbolic and taken as 1"));
                shape.push(1);
            }
            Some(size) => return Err(refuse(format!("a tensor with dimension {size}"))),
        }
    }
    Ok((element, shape))
}
