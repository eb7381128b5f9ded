//! Recorded graphs (a model, points, what onnxruntime computes there), and what each of the two readers makes of one.
//!
//! A file of graphs is gzipped; each graph is six fields, each a length (u32, little-endian) and so many bytes: name,
//! model, points, the output's shape, outputs (f64, one point after another) and the tolerance.

use super::exact::{evaluate, exact};
use super::readers_exactly::values;
use crate::load::{NetworkError, load_network_bytes};
use crate::net::{FinalOperator, Function, Matrix, Network, Node, Op};
use crate::num::Rational;
use num_traits::Signed as _;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The graphs that come with the program: tests/onnx/README.md says how they were made.
pub const CORPUS: &[u8] = include_bytes!("../../tests/onnx/corpus.gz");

/// ONNX's own small cases of operators that move elements.
pub const STRUCTURE: &[u8] = include_bytes!("../../tests/onnx/structure.gz");

/// A model and what it computes.
#[derive(Debug)]
pub struct Graph {
    /// Its name.
    pub name: String,
    /// The ONNX file.
    pub model: Vec<u8>,
    /// Inputs, one point after another.
    pub points: Vec<f64>,
    /// The output's shape.
    pub shape: Vec<usize>,
    /// Outputs, one point after another.
    pub outputs: Vec<f64>,
    /// Largest difference of an output; 0 where the arithmetic is exact.
    pub tolerance: f64,
}

/// Why a reader refuses a graph.
#[derive(Debug)]
pub enum Refusal {
    /// The search's reader does.
    Search(Box<NetworkError>),
    /// The checker's reader does.
    Checker(Box<certus_check::onnx::Error>),
    /// The checker's reader leaves something out at the end.
    OnlyOrdered,
}

/// What a reader makes of a graph.
#[derive(Debug)]
pub enum Reading {
    /// The recorded outputs.
    Agrees,
    /// It refuses it.
    Refused(Refusal),
    /// Something else.
    Wrong(String),
}

/// The graphs of a file.
///
/// # Panics
/// Where the file is none.
#[must_use]
pub fn graphs(file: &[u8]) -> Vec<Graph> {
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).expect("a gzip file");
    let mut rest = bytes.as_slice();
    let mut field = || -> Option<Vec<u8>> {
        let (length, after) = rest.split_first_chunk()?;
        let (field, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        rest = after;
        Some(field.to_vec())
    };
    let doubles =
        |b: Vec<u8>| b.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect::<Vec<_>>();
    let mut graphs = Vec::new();
    while let Some(name) = field() {
        let mut next = || field().expect("six fields");
        graphs.push(Graph {
            name: String::from_utf8(name).expect("a name"),
            model: next(),
            points: doubles(next()),
            shape: doubles(next()).into_iter().map(|d| d as usize).collect(),
            outputs: doubles(next()),
            tolerance: doubles(next())[0],
        });
    }
    graphs
}

/// The reader of the search.
#[must_use]
pub fn by_search(graph: &Graph) -> Reading {
    guarded(|| {
        let loaded = match load_network_bytes("model.onnx", &graph.model) {
            Ok(loaded) => loaded,
            Err(error) => return Reading::Refused(Refusal::Search(Box::new(error))),
        };
        let network = &loaded.network;
        if loaded.network.left_out().is_none() && loaded.output_shape != graph.shape {
            return Reading::Wrong(format!("shape {:?}", loaded.output_shape));
        }
        let f = |x: &[f64]| {
            let y = network.evaluate(&Matrix::from_column_slice(x.len(), 1, x));
            finish(loaded.network.left_out(), y.as_slice().to_vec())
        };
        let is_whole = loaded.network.left_out().is_none();
        compare(graph, network.inputs(), f, |x| network_exactly(network, x).filter(|_| is_whole))
    })
}

/// The reader of the checker.
#[must_use]
pub fn by_checker(graph: &Graph) -> Reading {
    guarded(|| match certus_check::onnx::read(&graph.model) {
        // What it leaves out it does not say.
        Ok(circuit) if circuit.only_ordered => Reading::Refused(Refusal::OnlyOrdered),
        Ok(circuit) => {
            let f = |x: &[f64]| values(&circuit, x, |w| w).swap_remove(circuit.output());
            let exactly = |x: &[Rational]| values(&circuit, x, exact).swap_remove(circuit.output());
            compare(graph, circuit.inputs(), f, |x| Some(exactly(x)))
        }
        Err(error) => Reading::Refused(Refusal::Checker(Box::new(error))),
    })
}

fn guarded(verdict: impl FnOnce() -> Reading) -> Reading {
    catch_unwind(AssertUnwindSafe(verdict)).unwrap_or_else(|_| Reading::Wrong("panicked".into()))
}

/// Compares at every point, in f64, and where that differs exactly (a lowered form may cancel large numbers).
fn compare(
    graph: &Graph,
    inputs: usize,
    f: impl Fn(&[f64]) -> Vec<f64>,
    exactly: impl Fn(&[Rational]) -> Option<Vec<Rational>>,
) -> Reading {
    let outputs: usize = graph.shape.iter().product();
    let count = graph.outputs.len() / outputs;
    if graph.points.len() != count * inputs {
        return Reading::Wrong(format!("{inputs} inputs"));
    }
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= graph.tolerance;
    let tolerance = exact(graph.tolerance);
    let near_exactly = |(a, b): (&Rational, &f64)| (a - exact(*b)).abs() <= tolerance;
    for i in 0..count {
        let x = &graph.points[i * inputs..(i + 1) * inputs];
        let right = &graph.outputs[i * outputs..(i + 1) * outputs];
        let found = f(x);
        if found.len() == outputs && found.iter().zip(right).all(near) {
            continue;
        }
        let rational: Vec<Rational> = x.iter().copied().map(exact).collect();
        let agrees = |y: Vec<Rational>| y.len() == outputs && y.iter().zip(right).all(near_exactly);
        if !exactly(&rational).is_some_and(agrees) {
            return Reading::Wrong(format!("at {x:?}: {found:?} instead of {right:?}"));
        }
    }
    Reading::Agrees
}

/// A network's outputs as rationals, where it has weights and operators that allow it.
fn network_exactly(network: &Network, x: &[Rational]) -> Option<Vec<Rational>> {
    let plain = |node: &Node| match &node.op {
        Op::Affine(affine) => affine.roundings == 0,
        Op::Elementwise(function, _) => matches!(function, Function::Relu | Function::Product),
        Op::Input => true,
    };
    network.nodes().iter().all(plain).then(|| evaluate(network, x).swap_remove(network.output()))
}

/// What a dropped final operator would have made of the outputs.
fn finish(dropped: Option<FinalOperator>, y: Vec<f64>) -> Vec<f64> {
    dropped.map_or(y.clone(), |dropped| dropped.apply(&y))
}
