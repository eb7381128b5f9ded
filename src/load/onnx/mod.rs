//! ONNX: from the file's bytes to a network of affine maps, ReLUs and S-shaped activations.
//!
//! The file is parsed in place; nodes that the output depends on are visited in the file's order; constant sub-graphs
//! are folded on the way, functions and loops unrolled; piecewise-linear operators are lowered to the normal form of the proof format.

mod alias;
mod call;
mod choice;
mod constant;
mod control;
mod conv;
mod einsum;
mod elementwise;
mod external;
mod fold;
mod gate;
mod graph;
mod grid;
mod hinge;
mod last;
mod legacy;
mod lower;
mod matmul;
mod ml;
mod model;
mod norm;
mod operators;
mod pending;
mod piecewise;
mod place;
mod port;
mod quantize;
mod rearrange;
mod recurrent;
mod reduce;
mod resample;
mod scatter;
mod scope;
mod select;
mod shape;
mod single;
mod smooth;
mod softmax;
mod table;
mod window;
mod wire;
mod write;

pub use write::{DenseForm, Encoding, ReluForm, WriteError, write_onnx, write_onnx_as};

use self::constant::{Constant, Data, Element};
use self::graph::{Plan, Ports};
use self::lower::{Lowering, Value};
use self::model::{Model, Node, ValueInfo};
use self::scope::{Reader, Report, Scope, Stop};
use super::budget::Budget;
use super::dataset::load_tensor;
use super::{LoadSettings, LoadedNetwork, ModelProblem, NetworkError, NodeProblem, Place};
use crate::net::{NotSingle, Semantics};
use crate::num::{from_f64, to_f64_nearest};
use num_traits::ToPrimitive as _;
use std::path::{Path, PathBuf};

/// Reads a model; `folder` is where files with external data may lie.
pub(super) fn read(
    file: &Path,
    bytes: &[u8],
    folder: Option<&Path>,
    budget: &Budget,
    settings: &LoadSettings,
) -> Result<LoadedNetwork, NetworkError> {
    let model = Model::parse(bytes, budget).map_err(|error| NetworkError::Encoding {
        file: file.to_owned(),
        offset: error.offset,
        problem: error.problem,
    })?;
    let refuse = |problem| NetworkError::Model { file: file.to_owned(), problem };
    let graph = model.graph.as_ref().ok_or_else(|| refuse(ModelProblem::NoGraph))?;
    let found = model::version(&model.opsets, "");
    if found.is_none_or(|version| version < 1) {
        return Err(refuse(ModelProblem::Opset { found }));
    }
    let ports = Ports::new(graph, settings).map_err(refuse)?;
    let names: Vec<&str> =
        graph.inputs.iter().map(|i| i.name).filter(|name| !graph.stores(name)).collect();
    let plan = Plan::new(graph, &names, vec![ports.output], false).map_err(refuse)?;
    let (external, mut files) = external::load(file, graph, &plan, folder, budget)?;
    let single = settings.semantics == Semantics::Float32;
    let reader = Reader { file, external: &external, functions: &model.functions, budget, single };
    let mut scope = Scope::new(&plan, &model.opsets);
    for (input, position) in &ports.given {
        let path = &settings.inputs[*position].1;
        let (constant, sha256) = given(input, path).map_err(|error| match error {
            NetworkError::Model { problem, .. } => refuse(problem),
            error => error,
        })?;
        scope.values.insert(input.name, constant.into());
        files.push((path.clone(), sha256));
    }
    let mut loaded = reader.lower(ports, scope)?;
    loaded.external = files;
    Ok(loaded)
}

/// The constant that an input is given in a file, and the file's SHA-256.
fn given(input: &ValueInfo, path: &Path) -> Result<(Constant<'static>, String), NetworkError> {
    let tensor = load_tensor(path).map_err(|error| NetworkError::Input(Box::new(error)))?;
    let element = input.element.and_then(Element::from_number);
    let dims = input.shape.as_deref();
    let fits = dims.is_none_or(|dims| {
        let one = |(dim, &size): (&Option<i64>, &usize)| {
            dim.is_none_or(|dim| dim < 0 || dim == size as i64)
        };
        dims.len() == tensor.shape.len() && dims.iter().zip(&tensor.shape).all(one)
    });
    let expected = || {
        let name = input.element.map_or("no tensor".to_owned(), constant::element_type);
        let dim = |d: &Option<i64>| d.map_or("?".to_owned(), |d| d.to_string());
        let dims = dims.map_or("any shape".to_owned(), |dims| {
            format!("shape [{}]", dims.iter().map(dim).collect::<Vec<_>>().join(", "))
        });
        format!("{name} of {dims}")
    };
    let refuse = |found: String| NetworkError::Model {
        file: PathBuf::new(),
        problem: ModelProblem::Given { name: input.name.to_owned(), expected: expected(), found },
    };
    let element = element.ok_or_else(|| refuse("numbers".to_owned()))?;
    if !fits {
        return Err(refuse(format!("an array of shape {:?}", tensor.shape)));
    }
    let alien = || refuse(format!("numbers that are none of the type {}", element.name()));
    let shape = tensor.shape.clone();
    let data = if element.is_float() {
        let float = |value: &crate::num::Rational| {
            let float = element.round(to_f64_nearest(value));
            (from_f64(float).as_ref() == Some(value)).then_some(float)
        };
        Data::Floats(tensor.values.iter().map(float).collect::<Option<_>>().ok_or_else(alien)?)
    } else {
        let int = |value: &crate::num::Rational| {
            let whole = value.is_integer().then(|| value.to_integer().to_i64())??;
            element.integer(whole)
        };
        Data::Ints(tensor.values.iter().map(int).collect::<Option<_>>().ok_or_else(alien)?)
    };
    Ok((Constant { shape, element, data }, tensor.sha256))
}

impl<'m> Reader<'_, 'm> {
    fn lower(
        &self,
        ports: Ports<'_, 'm>,
        mut scope: Scope<'_, 'm>,
    ) -> Result<LoadedNetwork, NetworkError> {
        let refuse = |problem| NetworkError::Model { file: self.file.to_owned(), problem };
        let input = ports.input.name;
        let len = shape::count(&ports.shape).map_err(|_| {
            let tensor = input.to_owned();
            refuse(ModelProblem::TooLarge { tensor, limit: shape::MAX_ELEMENTS })
        })?;
        let mut low = Lowering::new(len, input, ports.element, self.budget)
            .map_err(|_| refuse(ModelProblem::Build(crate::net::BuildError::Empty)))?;
        let variable = low.input(ports.shape.clone());
        low.add_uses(&variable, scope.plan.uses(input));
        scope.values.insert(input, variable.into());
        let mut report = Report::default();
        low.single = self.single;
        if self.single && ports.element != Element::Float {
            let what = "the input is of another type than float32";
            return Err(refuse(ModelProblem::Single(input.to_owned(), what)));
        }
        self.run(&mut low, &mut scope, &mut report).map_err(|stop| match stop {
            Stop::Node(index, mut problem) => {
                if let NodeProblem::Operator { others, .. } = &mut problem {
                    *others = self.unknown(&scope, index);
                }
                self.at_node(&scope, low.blamed.unwrap_or(index), problem)
            }
            Stop::Tensor(tensor, problem) => {
                let (file, tensor) = (self.file.to_owned(), tensor.to_owned());
                NetworkError::Tensor { file, tensor, problem }
            }
        })?;
        let Some(Value::Variable(output)) = scope.values.get(ports.output) else {
            return Err(refuse(ModelProblem::ConstantOutput(ports.output.to_owned())));
        };
        let mut notes = ports.notes;
        notes.extend(report.notes);
        let output_shape = report.shape.unwrap_or_else(|| output.shape.clone());
        let last = scope.plan.live.last().copied().unwrap_or(0);
        let node = low
            .node(output)
            .map_err(|problem| self.at_node(&scope, low.blamed.unwrap_or(last), problem))?;
        let network = low.finish(node).map_err(|problem| refuse(ModelProblem::Build(problem)))?;
        let semantics = if self.single { Semantics::Float32 } else { Semantics::Real };
        let network = network
            .with_semantics(semantics)
            .map_err(|NotSingle { node, what }| refuse(ModelProblem::Single(node, what)))?;
        Ok(LoadedNetwork {
            network: network.leaving_out(output.dropped),
            input_shape: ports.shape,
            output_shape,
            sha256: String::new(),
            external: Vec::new(),
            notes,
            layers: report.layers,
            logits: scope.plan.logits().map(str::to_owned),
            input_limits: None,
        })
    }

    /// The operators that are not read, but for that of a node.
    fn unknown(&self, scope: &Scope, but: usize) -> Vec<String> {
        let nodes = scope.plan.live.iter().map(|&index| &scope.plan.nodes[index]);
        let own = |node: &Node| {
            self.functions.iter().any(|f| f.name == node.op && f.domain == node.domain)
        };
        let mut names: Vec<String> = nodes
            .filter(|node| !operators::is_known(node.domain, node.op) && !own(node))
            .map(|node| node.op.to_owned())
            .filter(|name| scope.plan.nodes.get(but).is_none_or(|node| node.op != name))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn at_node(&self, scope: &Scope, index: usize, problem: NodeProblem) -> NetworkError {
        let (name, operator) = match scope.plan.nodes.get(index) {
            Some(node) => (node.label().to_owned(), node.op.to_owned()),
            None => (scope.plan.outputs.join(", "), "output".to_owned()),
        };
        let at = Place { file: self.file.to_owned(), index, name, operator };
        NetworkError::Node { at: Box::new(at), problem }
    }
}
