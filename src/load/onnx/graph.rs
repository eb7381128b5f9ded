//! The shape of an ONNX graph: its input and output, which nodes the output depends on, and how often tensors are used.

use super::constant::{Element, element_type};
use super::model::{Graph, Node, Tensor, ValueInfo};
use super::{alias, last};
use crate::load::{LoadSettings, ModelProblem};
use std::collections::HashMap;

/// Where a network begins and ends: one input that is asked about, one output.
#[derive(Debug)]
pub struct Ports<'a, 'm> {
    /// The input.
    pub input: &'a ValueInfo<'m>,
    /// The type of its elements.
    pub element: Element,
    /// Its shape, symbolic dimensions taken as 1.
    pub shape: Vec<usize>,
    /// The output.
    pub output: &'m str,
    /// Inputs that are given as constants, each with its position in the settings.
    pub given: Vec<(&'a ValueInfo<'m>, usize)>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl<'a, 'm> Ports<'a, 'm> {
    /// Chooses the input and the output.
    pub(super) fn new(graph: &'a Graph<'m>, settings: &LoadSettings) -> Result<Self, ModelProblem> {
        let stored = |name| graph.initializers.iter().any(|tensor| tensor.name == name);
        let inputs: Vec<&ValueInfo> = graph.inputs.iter().filter(|i| !stored(i.name)).collect();
        let names = |ports: &[&ValueInfo]| ports.iter().map(|i| i.name.to_owned()).collect();
        let mut given = Vec::new();
        for (position, (name, _)) in settings.inputs.iter().enumerate() {
            let Some(input) = inputs.iter().find(|input| input.name == name) else {
                return Err(ModelProblem::NoInput { name: name.clone(), known: names(&inputs) });
            };
            if given.iter().any(|(other, _): &(&ValueInfo, usize)| other.name == input.name) {
                return Err(ModelProblem::Duplicate(name.clone()));
            }
            given.push((*input, position));
        }
        let free = |input: &&ValueInfo| given.iter().all(|(other, _)| other.name != input.name);
        let free: Vec<&ValueInfo> = inputs.into_iter().filter(free).collect();
        let &[input] = free.as_slice() else {
            return Err(ModelProblem::Inputs(names(&free)));
        };
        let mut notes = Vec::new();
        let output = output_of(graph, settings, &mut notes)?;
        let (element, shape) = input_type(input, &mut notes)?;
        Ok(Self { input, element, shape, output, given, notes })
    }
}

/// The output that is asked for, or the only one, or the only one that holds floats: beside the classes that a classifier decided on,
/// its scores.
fn output_of<'m>(
    graph: &Graph<'m>,
    settings: &LoadSettings,
    notes: &mut Vec<String>,
) -> Result<&'m str, ModelProblem> {
    let names = || graph.outputs.iter().map(|output| output.name.to_owned()).collect();
    if let Some(name) = &settings.output {
        let computed = graph.nodes.iter().flat_map(|node| node.outputs.iter().copied());
        let mut all = graph.outputs.iter().map(|output| output.name).chain(computed);
        let unknown = || ModelProblem::NoOutput { name: name.clone(), known: names() };
        return all.find(|known| known == name && !known.is_empty()).ok_or_else(unknown);
    }
    if let [output] = graph.outputs.as_slice() {
        return Ok(output.name);
    }
    // Without a type nothing says that an output is none.
    let scores = |output: &&ValueInfo| match output.element {
        Some(number) => Element::from_number(number).is_some_and(Element::is_float),
        None => true,
    };
    let typed = |output: &&ValueInfo| output.element.is_some() || output.is_sequence;
    let (scores, classes): (Vec<_>, Vec<_>) = graph.outputs.iter().partition(scores);
    // The scores of a support vector classifier are not in the order of its classes.
    let votes = graph.nodes.iter().any(|node| node.op == "SVMClassifier");
    let (chosen, why) = match (scores.as_slice(), classes.as_slice()) {
        (_, &[class]) if votes => (class, "the class: the scores are not in its order"),
        (&[score], _) => (score, "the only one of floats"),
        _ => return Err(ModelProblem::Outputs(names())),
    };
    if !graph.outputs.iter().all(|output| typed(&output)) {
        return Err(ModelProblem::Outputs(names()));
    }
    let others = graph.outputs.iter().map(|other| other.name).filter(|name| *name != chosen.name);
    notes.push(format!(
        "the output is '{}', {why}; not '{}' (--output NAME chooses another)",
        chosen.name,
        others.collect::<Vec<_>>().join("', '")
    ));
    Ok(chosen.name)
}

fn input_type(
    input: &ValueInfo,
    notes: &mut Vec<String>,
) -> Result<(Element, Vec<usize>), ModelProblem> {
    let refuse = |found: String| ModelProblem::InputType { name: input.name.to_owned(), found };
    let number = input.element.ok_or_else(|| refuse("no tensor".to_owned()))?;
    let element = Element::from_number(number)
        .filter(|element| element.is_float())
        .ok_or_else(|| refuse(format!("a tensor of {}", element_type(number))))?;
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

/// Nodes in order, of a file or of a graph or function within it, and what is known of their tensors' names.
#[derive(Debug)]
pub struct Plan<'a, 'm> {
    /// All nodes.
    pub nodes: &'a [Node<'m>],
    /// Names of the outputs.
    pub outputs: Vec<&'m str>,
    /// Nodes that the outputs depend on, in the file's order.
    pub live: Vec<usize>,
    initializers: HashMap<&'m str, &'a Tensor<'m>>,
    uses: HashMap<&'m str, usize>,
    /// The tensors from which nothing but a change of shape, or what keeps the order of the elements, leads to the output.
    last: Vec<&'m str>,
    logits: Option<&'m str>,
}

impl<'a, 'm> Plan<'a, 'm> {
    /// Checks and orders the nodes of a graph. `outer` says whether its tensors may be those of a graph around it.
    pub(super) fn new(
        graph: &'a Graph<'m>,
        inputs: &[&'m str],
        outputs: Vec<&'m str>,
        outer: bool,
    ) -> Result<Self, ModelProblem> {
        if graph.sparse {
            return Err(ModelProblem::SparseInitializers);
        }
        let mut initializers = HashMap::new();
        for tensor in &graph.initializers {
            if initializers.insert(tensor.name, tensor).is_some() {
                return Err(ModelProblem::Duplicate(tensor.name.to_owned()));
            }
        }
        let mut producers: HashMap<&str, usize> = HashMap::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            for &name in node.outputs.iter().filter(|name| !name.is_empty()) {
                let defined = inputs.contains(&name) || initializers.contains_key(name);
                if defined || producers.insert(name, index).is_some() {
                    return Err(ModelProblem::Duplicate(name.to_owned()));
                }
            }
        }
        let uses = HashMap::new();
        let (nodes, live, last) = (graph.nodes.as_slice(), Vec::new(), Vec::new());
        let mut plan = Self { nodes, outputs, live, initializers, uses, last, logits: None };
        plan.find_live(&producers, inputs, outer)?;
        plan.find_last(&producers);
        Ok(plan)
    }

    /// An initializer by name.
    pub(super) fn initializer(&self, name: &str) -> Option<&'a Tensor<'m>> {
        self.initializers.get(name).copied()
    }

    /// How many operands and outputs of live nodes read a tensor.
    pub(super) fn uses(&self, name: &str) -> usize {
        self.uses.get(name).copied().unwrap_or(0)
    }

    /// The names that are read.
    pub(super) fn read(&self) -> impl Iterator<Item = (&'m str, usize)> {
        self.uses.iter().map(|(&name, &uses)| (name, uses))
    }

    /// Whether nothing but changes of shape, and what keeps the order of the elements, comes after a tensor.
    pub(super) fn is_last(&self, name: &str) -> bool {
        self.last.contains(&name)
    }

    /// The tensor that goes into a Sigmoid at the end.
    pub(super) fn logits(&self) -> Option<&'m str> {
        self.logits
    }

    fn find_live(
        &mut self,
        producers: &HashMap<&'m str, usize>,
        inputs: &[&'m str],
        outer: bool,
    ) -> Result<(), ModelProblem> {
        let nodes = self.nodes;
        let mut live = vec![false; nodes.len()];
        let mut pending = Vec::new();
        let known =
            |name: &str| outer || inputs.contains(&name) || self.initializers.contains_key(name);
        for &output in &self.outputs {
            match producers.get(output) {
                Some(&index) => {
                    if !std::mem::replace(&mut live[index], true) {
                        pending.push(index);
                    }
                }
                None if known(output) => {}
                None => {
                    let (tensor, user) = (output.to_owned(), "the output".to_owned());
                    return Err(ModelProblem::MissingTensor { tensor, user });
                }
            }
            *self.uses.entry(output).or_default() += 1;
        }
        while let Some(user) = pending.pop() {
            for name in nodes[user].reads() {
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
                    None if known(name) => {}
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

    fn find_last(&mut self, producers: &HashMap<&'m str, usize>) {
        let &[mut name] = self.outputs.as_slice() else { return };
        let mut normalised = false;
        while self.uses(name) == 1 {
            let Some(&producer) = producers.get(name) else {
                self.last.push(name);
                break;
            };
            let node = &self.nodes[producer];
            // Of two in a row the first one is computed: only one is remembered.
            let softmax = ["Softmax", "LogSoftmax"].contains(&node.op) && node.domain.is_empty();
            if softmax && std::mem::replace(&mut normalised, true) {
                break;
            }
            self.last.push(name);
            let keeps = alias::PASS_ON.contains(&node.op) || last::NAMES.contains(&node.op);
            match node.inputs.first() {
                Some(&operand) if keeps && node.outputs.first() == Some(&name) => name = operand,
                Some(&operand) if node.op == "Sigmoid" && node.domain.is_empty() => {
                    self.logits = Some(operand);
                    break;
                }
                _ => break,
            }
        }
    }
}
