//! The verifier's reader and the checker's share no code; on the same file they must see the same network, down to
//! the number, order and values of the ReLU blocks that proofs name.

#[path = "common/skip.rs"]
mod skip;

mod common;

use certus::internal::load::{load_network, load_network_bytes, load_statement};
use certus::internal::net::{Function, Matrix, Network, Op, Term};
use certus::internal::num::Rational;
use certus::internal::spec::HalfSpace;
use certus_check::circuit::{self, Circuit};
use certus_check::map::Map;
use certus_check::{Case, Port, Statement};
use common::exact::{evaluate, exact};
use common::onnx_writer::*;
use common::recorded::values;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// Pre-activations of each block, and at last the outputs, as the checker computes them.
fn by_checker<T: Clone>(circuit: &Circuit, values: &[Vec<T>]) -> Vec<Vec<T>> {
    let nodes = circuit.blocks().iter().copied().chain([circuit.output()]);
    nodes.map(|node| values[node].clone()).collect()
}

/// The same, as the verifier computes them.
fn by_verifier(network: &Network, x: &[f64]) -> Vec<Vec<f64>> {
    let values = network.forward(&Matrix::from_column_slice(x.len(), 1, x));
    let nodes = network.relus().map(|(_, z)| z).chain([network.output()]);
    nodes.map(|node| values.node(node).as_slice().to_vec()).collect()
}

/// Why two readings differ, if they do.
fn difference(network: &Network, circuit: &Circuit) -> Option<String> {
    if network.inputs() != circuit.inputs() {
        return Some(format!("{} and {} inputs", network.inputs(), circuit.inputs()));
    }
    for seed in 0..2u64 {
        let x: Vec<f64> = (0..network.inputs() as u64)
            .map(|i| ((i * 7919 + seed * 104_729 + 13) % 1009) as f64 / 505.0 - 1.0)
            .collect();
        let (ours, theirs) =
            (by_verifier(network, &x), by_checker(circuit, &values(circuit, &x, |w| w)));
        let sizes = |all: &[Vec<f64>]| all.iter().map(Vec::len).collect::<Vec<_>>();
        if sizes(&ours) != sizes(&theirs) {
            return Some(format!("block sizes {:?} and {:?}", sizes(&ours), sizes(&theirs)));
        }
        for (block, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            let scale = b.iter().fold(1.0f64, |m, v| m.max(v.abs()));
            let differs = |i: &usize| {
                let distance = (a[*i] - b[*i]).abs();
                distance.is_nan() || distance > 1e-9 * scale
            };
            if let Some(i) = (0..a.len()).find(differs) {
                return Some(format!("r{block}.{i} is {} and {}", a[i], b[i]));
            }
        }
    }
    None
}

/// Both readings at a point, in rational arithmetic: every pre-activation and every output must be the same number.
fn same_numbers(network: &Network, circuit: &Circuit, x: &[Rational]) -> bool {
    let theirs = by_checker(circuit, &values(circuit, x, exact));
    let ours = evaluate(network, x);
    let known = network.relus().map(|(_, z)| z).chain([network.output()]);
    known.map(|at| &ours[at]).eq(&theirs)
}

/// On small networks, exactly: dyadic points, rational arithmetic.
#[test]
fn both_readers_see_the_very_same_function() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("models/control"), root.join("models/breast_cancer")];
    for set in ["acasxu", "rl_benchmarks", "reach_prob_density", "test"] {
        folders.push(root.join("../shared/bench").join(set).join("onnx"));
    }
    let mut count = 0;
    for folder in folders {
        let Ok(files) = std::fs::read_dir(&folder) else {
            skip::skipped(&format!("no {}", folder.display()));
            continue;
        };
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|e| e == "onnx"));
        files.sort();
        // One of many networks of one make is enough here.
        for file in files.iter().take(4) {
            let network = load_network(file).unwrap().network;
            let circuit = certus_check::onnx::read(&std::fs::read(file).unwrap()).unwrap();
            let x: Vec<Rational> = (0..network.inputs() as u64)
                .map(|i| exact(((i * 7919 + 13) % 1009) as f64 / 512.0 - 1.0))
                .collect();
            assert!(same_numbers(&network, &circuit, &x), "{}", file.display());
            count += 1;
        }
    }
    println!("{count} networks are the same function, exactly");
    assert!(count >= 4);
}

/// The verifier's network as the checker holds one; `None` where it is no network of ReLUs with the file's own numbers.
fn as_circuit(network: &Network) -> Option<Circuit> {
    let mut circuit = Circuit::new(network.inputs())?;
    let mut places = vec![];
    for node in network.nodes() {
        places.push(match &node.op {
            Op::Input => 0,
            Op::Affine(affine) if affine.roundings == 0 => {
                let term = |term: &Term| {
                    let row = |i: usize| {
                        let mut row = vec![];
                        term.map.for_each_in_row(i, |column, weight| row.push((column, weight)));
                        row
                    };
                    let rows = (0..node.len).map(row).collect();
                    let map = Map::sparse(network.node(term.source).len, rows)?;
                    Some((places[term.source], Arc::new(map)))
                };
                let terms = affine.terms.iter().map(term).collect::<Option<_>>()?;
                circuit.push_affine(circuit::Affine { terms, bias: affine.bias.clone() })?
            }
            Op::Elementwise(Function::Relu, z) => circuit.push_relu(places[z[0]])?,
            _ => return None,
        });
    }
    circuit.set_output(places[network.output()])?;
    Some(circuit)
}

/// The verifier's property as the checker holds one; `None` where a case of the file has no inputs, or inputs are spoken of otherwise than
/// by a box.
fn as_property(file: &Path, network: &Network) -> Option<certus_check::Property> {
    let (inputs, outputs) = (network.inputs(), network.outputs());
    let read = load_statement(file, inputs, outputs).unwrap();
    if !read.empty.is_empty() || read.property.uses_inputs {
        return None;
    }
    let mut cases = vec![];
    for claim in &read.property.claims {
        let (low, high) = (claim.region.lower().to_vec(), claim.region.upper().to_vec());
        let (low, high) = (Arc::new(low), Arc::new(high));
        for polytope in &claim.unsafe_set {
            let half = |half: &HalfSpace| certus_check::HalfSpace {
                terms: half.coefficients.iter().map(|(j, c)| (Port::Y(*j), *c)).collect(),
                right: half.bound_up,
                strict: half.strict,
            };
            let half_spaces = polytope.iter().map(|h| Arc::new(half(h))).collect();
            cases.push(Case { low: low.clone(), high: high.clone(), half_spaces });
        }
    }
    Some(certus_check::Property { inputs, outputs, cases })
}

/// The canonical statement says the same, byte for byte, whoever has read the files.
#[test]
fn both_readers_make_the_same_statement() {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/bench");
    let mut count = 0;
    for set in ["acasxu", "rl_benchmarks", "reach_prob_density", "test"] {
        let folder = bench.join(set);
        let Ok(list) = std::fs::read_to_string(folder.join("instances.csv")) else {
            skip::skipped(&format!("no {}", folder.display()));
            continue;
        };
        let lines: Vec<&str> = list.lines().collect();
        for line in lines.iter().step_by(lines.len().div_ceil(6)) {
            let mut fields = line.split(',').map(|file| folder.join(file));
            let (model, property) = (fields.next().unwrap(), fields.next().unwrap());
            let network = load_network(&model).unwrap().network;
            let Some(circuit) = as_circuit(&network) else { continue };
            let Some(cases) = as_property(&property, &network) else { continue };
            let bytes = |statement: &Statement| {
                let mut bytes = vec![];
                certus_check::export(statement, &mut bytes).unwrap();
                bytes
            };
            let ours = bytes(&Statement::new(circuit, cases).unwrap());
            let theirs = bytes(&Statement::load(&model, &property).unwrap());
            assert!(ours == theirs, "{} {}", model.display(), property.display());
            count += 1;
        }
    }
    println!("{count} statements are the same, byte for byte");
    assert!(count >= 12 || !bench.is_dir());
}

#[test]
fn both_readers_agree_on_the_benchmark_networks() {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/bench");
    let Ok(sets) = std::fs::read_dir(&bench) else {
        skip::skipped("no benchmark set beside the repository");
        return;
    };
    let folders = sets.map(|set| set.unwrap().path().join("onnx")).filter(|p| p.is_dir());
    let mut files: Vec<_> =
        folders.flat_map(|f| std::fs::read_dir(f).unwrap()).map(|f| f.unwrap().path()).collect();
    files.sort();
    let (mut agree, mut refused, mut problems) = (0, Vec::new(), Vec::new());
    for file in files {
        let bytes = certus::internal::load::SourceFile::read(&file).unwrap().bytes;
        // The largest networks are not worth the checker's time here.
        if bytes.len() > 40_000_000 {
            continue;
        }
        match certus_check::onnx::read(&bytes) {
            Ok(circuit) => match difference(&load_network(&file).unwrap().network, &circuit) {
                None => agree += 1,
                Some(problem) => problems.push(format!("{}: {problem}", file.display())),
            },
            Err(error) => refused.push(format!("{}: {error:?}", file.display())),
        }
    }
    println!("{agree} networks read alike; refused by the checker: {refused:#?}");
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn both_readers_agree_on_the_sample_models() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let folders = std::fs::read_dir(models).unwrap().map(|f| f.unwrap().path());
    let files = folders.filter(|f| f.is_dir()).flat_map(|f| std::fs::read_dir(f).unwrap());
    let mut count = 0;
    for file in
        files.map(|f| f.unwrap().path()).filter(|f| f.extension().is_some_and(|e| e == "onnx"))
    {
        let circuit = certus_check::onnx::read(&std::fs::read(&file).unwrap()).unwrap();
        let found = difference(&load_network(&file).unwrap().network, &circuit);
        assert_eq!(found, None, "{}", file.display());
        count += 1;
    }
    assert!(count >= 10);
}

/// A piecewise-linear or linear operator between two others, on (1, 2, 4, 4).
fn operator() -> impl Strategy<Value = (&'static str, Vec<&'static str>, usize)> {
    let pool = 1; // Which attributes to make below.
    prop_oneof![
        Just(("Relu", vec![], 0)),
        Just(("Abs", vec![], 0)),
        Just(("Neg", vec![], 0)),
        Just(("Max", vec!["zero"], 0)),
        Just(("Min", vec!["zero"], 0)),
        Just(("Max", vec!["far"], 0)),
        Just(("LeakyRelu", vec![], 2)),
        Just(("PRelu", vec!["slopes"], 0)),
        Just(("Clip", vec!["lo", "hi"], 0)),
        Just(("Clip", vec!["lo"], 0)),
        Just(("Clip", vec!["", "hi"], 0)),
        Just(("Clip", vec!["zero", "hi"], 0)),
        Just(("Max", vec!["slopes", "x4"], 0)),
        Just(("Min", vec!["x4", "slopes", "lo"], 0)),
        Just(("MaxPool", vec![], pool)),
        Just(("AveragePool", vec![], pool)),
        Just(("Conv", vec!["k", "kb"], 3)),
        Just(("BatchNormalization", vec!["c1", "c2", "c1", "c3"], 0)),
        Just(("Add", vec!["slopes"], 0)),
        Just(("Sub", vec!["x4"], 0)),
        Just(("Mul", vec!["c4"], 0)),
        Just(("Div", vec!["c4"], 0)),
        Just(("Sum", vec!["x4", "slopes"], 0)),
    ]
}

proptest! {
    #[test]
    fn both_readers_agree_on_random_chains(
        chain in proptest::collection::vec((operator(), 1i64..4, 0i64..2, 0..5), 1..8),
    ) {
        let ramp = |n: usize| (0..n).map(|i| (i * 5 % 7) as f32 / 4.0 - 0.75).collect::<Vec<f32>>();
        let mut model = Model::new(13, &[1, 2, 4, 4])
            .floats("slopes", &[2, 1, 1], &[0.25, 1.5])
            .tensor(float_tensor("lo", &[], &[-0.5]))
            .tensor(float_tensor("hi", &[], &[0.75]))
            .tensor(float_tensor("zero", &[], &[0.0]))
            .tensor(float_tensor("far", &[], &[2e6]))
            .floats("k", &[2, 2, 3, 3], &ramp(36))
            .floats("kb", &[2], &ramp(2))
            .floats("c1", &[2], &[0.5, -1.25])
            .floats("c2", &[2], &[0.75, 0.0])
            .floats("c3", &[2], &[0.3, 2.0])
            .floats("c4", &[4], &[3.0, -1.0, 0.5, 7.0]);
        let mut at = "x".to_owned();
        for (i, ((op, others, kind), size, pad, residual)) in chain.into_iter().enumerate() {
            let attributes = match kind {
                // A window that keeps 4 × 4: kernel 3, padding 1; or of 1 × 1.
                1 if size > 1 => vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1; 4])],
                1 => vec![ints("kernel_shape", &[1, 2]), ints("pads", &[0, pad, 0, 1 - pad])],
                2 => vec![float("alpha", 0.125 * size as f32 + 0.01)],
                3 => vec![ints("pads", &[1, 1, 1, 1])],
                _ => vec![],
            };
            let inputs: Vec<&str> = std::iter::once(at.as_str())
                .chain(others.iter().map(|&o| if o == "x4" { "x" } else { o }))
                .collect();
            let out = format!("t{i}");
            model = model.node(op, &inputs, &out, attributes);
            // With the input, or with what it was made from, of which it may be a function.
            let (join, other) = match residual {
                0 => ("Add", "x"),
                1 => ("Add", at.as_str()),
                2 => ("Sub", at.as_str()),
                3 => ("Max", at.as_str()),
                _ => ("Identity", ""),
            };
            let joined = format!("s{i}");
            let operands = if other.is_empty() { vec![out.as_str()] } else { vec![&out, other] };
            model = model.node(join, &operands, &joined, vec![]);
            at = joined;
        }
        let model = model.node("Flatten", &[&at], "y", vec![]);
        let bytes = model.bytes();
        let ours = load_network_bytes("chain.onnx", &bytes).unwrap();
        let theirs = certus_check::onnx::read(&bytes);
        prop_assert!(theirs.is_ok(), "{:?}", theirs.err());
        if let Ok(circuit) = theirs {
            prop_assert_eq!(difference(&ours.network, &circuit), None);
        }
    }
}

/// A switch is 0 or 1. onnxruntime takes 2 for off where it asks whether it is 1, and for on where it asks whether it is 0.
#[test]
fn switches_that_are_neither_on_nor_off_are_refused() {
    let image = || Model::new(18, &[1, 1, 5, 5]);
    let pool = |name| vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2]), int(name, 2)];
    let square = || Model::new(18, &[1, 2]).floats("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    for value in [2, 3, -1, 256, 1 << 32, (1 << 32) + 1, i64::MAX] {
        for (model, name) in [
            (image().node("ReduceSum", &["x"], "y", vec![int("keepdims", value)]), "keepdims"),
            (image().node("ReduceMean", &["x"], "y", vec![int("keepdims", value)]), "keepdims"),
            (
                image().node("ReduceSum", &["x"], "y", vec![int("noop_with_empty_axes", value)]),
                "noop_with_empty_axes",
            ),
            (image().node("MaxPool", &["x"], "y", pool("ceil_mode")), "ceil_mode"),
            (image().node("AveragePool", &["x"], "y", pool("ceil_mode")), "ceil_mode"),
            (
                image().node("AveragePool", &["x"], "y", pool("count_include_pad")),
                "count_include_pad",
            ),
            (square().node("Gemm", &["x", "w"], "y", vec![int("transA", value)]), "transA"),
            (square().node("Gemm", &["x", "w"], "y", vec![int("transB", value)]), "transB"),
            (
                image().ints("shape", &[1, 25]).node(
                    "Reshape",
                    &["x", "shape"],
                    "y",
                    vec![int("allowzero", value)],
                ),
                "allowzero",
            ),
        ] {
            let ours = model.try_load().unwrap_err().to_string();
            assert!(ours.contains(name), "{ours}");
            let theirs = certus_check::onnx::read(&model.bytes()).unwrap_err().to_string();
            assert!(theirs.contains(name), "{theirs}");
        }
    }
}

/// An input of no elements is no input of one row.
#[test]
fn an_input_without_elements_is_refused() {
    let model = Model::new(18, &[0, 3]).node("Relu", &["x"], "y", vec![]);
    assert!(model.try_load().is_err());
    assert!(certus_check::onnx::read(&model.bytes()).is_err());
}

/// What onnxruntime reads in another way than the standard's own evaluator, or in none.
#[test]
fn what_is_read_in_more_than_one_way_is_refused() {
    let strided = |size: i64, stride: i64, pad: &str| {
        let attributes = vec![text("auto_pad", pad), ints("strides", &[stride])];
        Model::new(18, &[1, 1, size]).floats("w", &[1, 1, 1], &[1.0]).node(
            "Conv",
            &["x", "w"],
            "y",
            attributes,
        )
    };
    let cast = |value| {
        let attributes = vec![int("to", 11), int("saturate", value)];
        Model::new(19, &[2]).node("Cast", &["x"], "y", attributes)
    };
    let squeezed = |axes: &[i64]| {
        Model::new(18, &[1, 2]).ints("a", axes).node("Squeeze", &["x", "a"], "y", vec![])
    };
    for (model, is_read) in [
        (strided(4, 4, "SAME_UPPER"), false),
        (strided(6, 8, "SAME_LOWER"), false),
        // Projections of residual networks: no element or one is left out.
        (strided(4, 2, "SAME_UPPER"), true),
        (strided(6, 3, "SAME_LOWER"), true),
        (cast(2), false),
        (cast(-1), false),
        (cast(0), true),
        (cast(1), true),
        (squeezed(&[]), false),
        (squeezed(&[0]), true),
    ] {
        assert_eq!(model.try_load().is_ok(), is_read);
        assert_eq!(certus_check::onnx::read(&model.bytes()).is_ok(), is_read);
    }
}
