//! Recorded cases (a model, points, what another runtime computes there), and what each of the two readers makes of one.
//!
//! A file of cases is gzipped; each case is six fields, each a length (u32, little-endian) and so many bytes: name,
//! model, points, the output's shape, outputs (f64, one point after another) and the tolerance.

use super::exact::{evaluate, exact};
use certus::internal::load::{NetworkError, NodeProblem, load_network_bytes};
use certus::internal::net::FinalOperator;
use certus::internal::net::{Function, Matrix, Network, Op};
use certus::internal::num::Rational;
use certus_check::circuit::{Circuit, Node};
use certus_check::map::Scratch;
use certus_check::onnx::Problem;
use num_traits::{Signed as _, Zero};
use regex_lite::Regex;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::{AddAssign, Mul};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A model and what it computes.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub model: Vec<u8>,
    pub points: Vec<f64>,
    pub shape: Vec<usize>,
    pub outputs: Vec<f64>,
    /// Largest difference of an output; 0 where the arithmetic is exact.
    pub tolerance: f64,
}

/// What a reader makes of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Agrees,
    Refused(String),
    Wrong(String),
}

/// The cases of a file.
pub fn cases(file: &[u8]) -> Vec<Case> {
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
    let mut cases = Vec::new();
    while let Some(name) = field() {
        let mut next = || field().expect("six fields");
        cases.push(Case {
            name: String::from_utf8(name).expect("a name"),
            model: next(),
            points: doubles(next()),
            shape: doubles(next()).into_iter().map(|d| d as usize).collect(),
            outputs: doubles(next()),
            tolerance: doubles(next())[0],
        });
    }
    cases
}

/// The reader of the search.
pub fn by_search(case: &Case) -> Verdict {
    guarded(|| {
        let loaded = match load_network_bytes("model.onnx", &case.model) {
            Ok(loaded) => loaded,
            Err(error) => return Verdict::Refused(reason(&error)),
        };
        let network = &loaded.network;
        if loaded.network.left_out().is_none() && loaded.output_shape != case.shape {
            return Verdict::Wrong(format!("shape {:?}", loaded.output_shape));
        }
        let f = |x: &[f64]| {
            let y = network.evaluate(&Matrix::from_column_slice(x.len(), 1, x));
            finish(loaded.network.left_out(), y.as_slice().to_vec())
        };
        let is_whole = loaded.network.left_out().is_none();
        compare(case, network.inputs(), f, |x| network_exactly(network, x).filter(|_| is_whole))
    })
}

/// The reader of the checker.
pub fn by_checker(case: &Case) -> Verdict {
    guarded(|| match certus_check::onnx::read(&case.model) {
        // What it leaves out it does not say.
        Ok(circuit) if circuit.only_ordered => Verdict::Refused("only the order of outputs".into()),
        Ok(circuit) => {
            let f = |x: &[f64]| values(&circuit, x, |w| w).swap_remove(circuit.output());
            let exactly = |x: &[Rational]| values(&circuit, x, exact).swap_remove(circuit.output());
            compare(case, circuit.inputs(), f, |x| Some(exactly(x)))
        }
        Err(error) => {
            let operator = error.node.as_ref().map_or("", |(_, operator, _)| operator);
            if error.problem == Problem::UnsupportedOperator {
                return Verdict::Refused(format!("{operator}: unsupported operator"));
            }
            let problem = certus_check::onnx::Error { node: None, problem: error.problem.clone() };
            Verdict::Refused(format!("{operator}: {}", general(&problem.to_string())))
        }
    })
}

/// How many cases are refused, by reader and reason.
pub fn refusals(cases: &[Case]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for case in cases {
        for (reader, verdict) in [("search", by_search(case)), ("checker", by_checker(case))] {
            if let Verdict::Refused(reason) = verdict {
                *counts.entry(format!("{reader}\t{reason}")).or_default() += 1;
            }
        }
    }
    counts
}

fn guarded(verdict: impl FnOnce() -> Verdict) -> Verdict {
    catch_unwind(AssertUnwindSafe(verdict)).unwrap_or_else(|_| Verdict::Wrong("panicked".into()))
}

/// Compares at every point, in f64, and where that differs exactly (a lowered form may cancel large numbers).
fn compare(
    case: &Case,
    inputs: usize,
    f: impl Fn(&[f64]) -> Vec<f64>,
    exactly: impl Fn(&[Rational]) -> Option<Vec<Rational>>,
) -> Verdict {
    let outputs: usize = case.shape.iter().product();
    let count = case.outputs.len() / outputs;
    if case.points.len() != count * inputs {
        return Verdict::Wrong(format!("{inputs} inputs"));
    }
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= case.tolerance;
    let tolerance = exact(case.tolerance);
    let near_exactly = |(a, b): (&Rational, &f64)| (a - exact(*b)).abs() <= tolerance;
    for i in 0..count {
        let x = &case.points[i * inputs..(i + 1) * inputs];
        let right = &case.outputs[i * outputs..(i + 1) * outputs];
        let found = f(x);
        if found.len() == outputs && found.iter().zip(right).all(near) {
            continue;
        }
        let rational: Vec<Rational> = x.iter().copied().map(exact).collect();
        let agrees = |y: Vec<Rational>| y.len() == outputs && y.iter().zip(right).all(near_exactly);
        if !exactly(&rational).is_some_and(agrees) {
            return Verdict::Wrong(format!("at {x:?}: {found:?} instead of {right:?}"));
        }
    }
    Verdict::Agrees
}

/// A network's outputs as rationals, where it has weights and operators that allow it.
fn network_exactly(network: &Network, x: &[Rational]) -> Option<Vec<Rational>> {
    let plain = |node: &certus::internal::net::Node| match &node.op {
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

/// The values of all tensors of a circuit, in f64 or as rationals.
pub fn values<T>(circuit: &Circuit, x: &[T], number: impl Fn(f64) -> T) -> Vec<Vec<T>>
where
    T: Clone + PartialOrd + Zero + AddAssign,
    for<'a> T: Mul<&'a T, Output = T>,
{
    let mut values: Vec<Vec<T>> = Vec::new();
    let mut scratch = Scratch::default();
    let relu = |z: &T| if *z > T::zero() { z.clone() } else { T::zero() };
    for node in circuit.nodes() {
        let value = match node {
            Node::Input => x.to_vec(),
            Node::Relu { source, .. } => values[*source].iter().map(relu).collect(),
            Node::Affine(affine) => {
                let mut y: Vec<T> = affine.bias.iter().map(|&b| number(b)).collect();
                for (source, map) in &affine.terms {
                    for (i, y) in y.iter_mut().enumerate() {
                        let row = map.row(i, &mut scratch);
                        row.each(|j, w| *y += number(w) * &values[*source][j]);
                    }
                }
                y
            }
        };
        values.push(value);
    }
    values
}

/// A refusal without what is particular to one file.
fn reason(error: &NetworkError) -> String {
    match error {
        NetworkError::Node { at, problem: NodeProblem::Operator { .. } } => {
            format!("{}: unsupported operator", at.operator)
        }
        NetworkError::Node { at, problem } => {
            format!("{}: {}", at.operator, general(&problem.to_string()))
        }
        NetworkError::Tensor { problem, .. } => general(&problem.to_string()),
        other => general(other.to_string().trim_start_matches("model.onnx: ")),
    }
}

/// A message without what would be accepted, with names, lists and numbers replaced.
fn general(message: &str) -> String {
    let found = message.split("; accepted").next().unwrap_or(message);
    let quoted = Regex::new(r"'[^']*'|`[^`]*`|\[[^\]]*\]").expect("an expression");
    let number = Regex::new(r"-?\b(\d+(\.\d+)?(e-?\d+)?|inf)\b").expect("an expression");
    number.replace_all(&quoted.replace_all(found, "…"), "#").into_owned()
}
