//! Single precision: no evaluation that a runtime may make of a graph leaves what is certified, or any bound.

mod common;
#[path = "float32/deployed.rs"]
mod deployed;

use certus::internal::attack::SplitMix64;
use certus::internal::bound::{Analysis, Intermediate};
use certus::internal::load::{LoadSettings, LoadedNetwork, NetworkError, load_network_as};
use certus::internal::net::{Boxes, Matrix, Semantics};
use certus::internal::query::Query;
use certus::internal::spec::{Claim, HalfSpace, Property, Region};
use certus::internal::verify::{Method, Settings, Verdict, verify};
use common::exact::{at_least, at_most, exact};
use common::onnx_writer::{Model, float};
use deployed::{Graph, Op, Runtime};
use std::path::Path;

fn read(file: &Path, semantics: Semantics) -> Result<LoadedNetwork, NetworkError> {
    load_network_as(file, &LoadSettings { semantics, ..LoadSettings::default() })
}

fn load(model: &Model, semantics: Semantics) -> Result<LoadedNetwork, NetworkError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.onnx");
    std::fs::write(&file, model.bytes()).unwrap();
    read(&file, semantics)
}

/// The graph as a file.
fn written(graph: &Graph) -> Model {
    let mut model = Model::new(13, &[1, graph.inputs as i64]);
    let mut sizes = vec![graph.inputs];
    let last = graph.nodes.len();
    let name = |at: usize| match at {
        0 => "x".to_owned(),
        _ if at == last => "y".to_owned(),
        _ => format!("t{at}"),
    };
    for (at, (op, x)) in graph.nodes.iter().enumerate() {
        let (x_name, to, own) = (name(*x), name(at + 1), format!("c{at}"));
        let mut size = sizes[*x];
        let inputs = [x_name.as_str(), &own];
        model = match op {
            Op::MatMul(rows) => {
                let columns = size;
                size = rows.len();
                let entries = (0..columns).flat_map(|j| rows.iter().map(move |row| row[j]));
                let entries: Vec<f32> = entries.collect();
                model.floats(&own, &[columns as i64, size as i64], &entries).node(
                    "MatMul",
                    &inputs,
                    &to,
                    vec![],
                )
            }
            Op::Add(b) => model.floats(&own, &[size as i64], b).node("Add", &inputs, &to, vec![]),
            Op::Mul(c) => model.floats(&own, &[size as i64], c).node("Mul", &inputs, &to, vec![]),
            Op::Max(c) => model.floats(&own, &[size as i64], c).node("Max", &inputs, &to, vec![]),
            Op::Relu => model.node("Relu", &[&x_name], &to, vec![]),
            Op::LeakyRelu(a) => model.node("LeakyRelu", &[&x_name], &to, vec![float("alpha", *a)]),
            Op::Plus(y) => model.node("Add", &[&x_name, &name(*y)], &to, vec![]),
            Op::Minus(y) => model.node("Sub", &[&x_name, &name(*y)], &to, vec![]),
            Op::BatchNormalization(all) => {
                let names: Vec<String> = (0..4).map(|k| format!("{own}_{k}")).collect();
                for (name, values) in names.iter().zip(all) {
                    model = model.floats(name, &[size as i64], values);
                }
                let mut inputs = vec![x_name.as_str()];
                inputs.extend(names.iter().map(String::as_str));
                model.node("BatchNormalization", &inputs, &to, vec![])
            }
        };
        sizes.push(size);
    }
    model
}

/// Numbers of many sizes, or ones that cancel.
fn draw(rng: &mut SplitMix64, spread: f64) -> f32 {
    let size = (rng.unit() * spread).round() as i32;
    let sign = if rng.unit() < 0.5 { -1.0 } else { 1.0 };
    ((0.5 + rng.unit()) * 2f64.powi(size) * sign) as f32
}

/// A random graph: some layers that cancel each other, and skips.
fn graph(seed: u64) -> Graph {
    let mut rng = SplitMix64::new(seed, 0);
    let below = |rng: &mut SplitMix64, n: usize| ((rng.unit() * n as f64) as usize).min(n - 1);
    let spread = [0.0, 0.0, 3.0, 10.0, 24.0][below(&mut rng, 5)];
    let inputs = 1 + below(&mut rng, 4);
    let mut graph = Graph { inputs, nodes: Vec::new() };
    let mut sizes = vec![inputs];
    let layers = 2 + below(&mut rng, 7);
    for layer in 0..layers {
        let x = graph.nodes.len();
        let size = sizes[x];
        let vector =
            |rng: &mut SplitMix64| (0..size).map(|_| draw(rng, spread)).collect::<Vec<_>>();
        let same: Vec<usize> = (0..x).filter(|&y| sizes[y] == size).collect();
        let kind = if layer == 0 { 0 } else { below(&mut rng, 10) };
        let (op, new) = match kind {
            0 | 1 => {
                let new = 1 + below(&mut rng, 6);
                let rows = (0..new).map(|_| vector(&mut rng)).collect();
                (Op::MatMul(rows), new)
            }
            2 => (Op::Add(vector(&mut rng)), size),
            3 => (Op::Mul(vector(&mut rng)), size),
            4 => {
                let positive = vector(&mut rng).into_iter().map(f32::abs).collect();
                let all = [vector(&mut rng), vector(&mut rng), vector(&mut rng), positive];
                (Op::BatchNormalization(all), size)
            }
            5 | 6 => (Op::Relu, size),
            7 => (Op::LeakyRelu(0.1), size),
            8 => (Op::Max(vector(&mut rng)), size),
            _ if same.is_empty() => (Op::Relu, size),
            _ => {
                let y = same[below(&mut rng, same.len())];
                (if rng.unit() < 0.3 { Op::Plus(y) } else { Op::Minus(y) }, size)
            }
        };
        graph.nodes.push((op, x));
        sizes.push(new);
    }
    graph
}

/// A box of single-precision numbers, a point in a third of the cases.
fn region(seed: u64, inputs: usize) -> (Vec<f32>, Vec<f32>) {
    let mut rng = SplitMix64::new(seed, 2);
    let width = [0.0, 1e-3, 1.0][(rng.unit() * 2.999) as usize];
    let lower: Vec<f32> = (0..inputs).map(|_| (2.0 * rng.unit() - 1.0) as f32).collect();
    let upper = lower.iter().map(|l| l + (rng.unit() * width) as f32).collect();
    (lower, upper)
}

fn samples(lower: &[f32], upper: &[f32], rng: &mut SplitMix64) -> Vec<f32> {
    let ends = lower.iter().zip(upper);
    ends.map(|(&l, &u)| {
        let share = rng.unit();
        let x = if share < 0.2 {
            l
        } else if share > 0.8 {
            u
        } else {
            l + share as f32 * (u - l)
        };
        x.clamp(l, u)
    })
    .collect()
}

fn count(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn doubles(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// The claim that y₀ stays above a bound.
fn above(lower: &[f32], upper: &[f32], bound: f64) -> Property {
    let region = Region::from_f64(&doubles(lower), &doubles(upper)).unwrap();
    let half = HalfSpace {
        coefficients: vec![(0, 1.0)],
        bound_up: bound,
        bound_down: bound,
        strict: false,
    };
    Property { claims: vec![Claim { region, unsafe_set: vec![vec![half]] }], uses_inputs: false }
}

/// No search: where the arithmetic decides there is nothing to find.
fn bounds_only() -> Settings {
    Settings { method: Method::Crown, ..Settings::default() }
}

/// Outputs of a hundred evaluations of each of many graphs, against intervals, sweeps, and verdicts about what was computed.
/// `CERTUS_FLOAT32=10000 cargo test --release --test float32` takes a million.
#[test]
fn nothing_computed_leaves_its_bounds() {
    let (graphs, mut wider, mut asked) = (count("CERTUS_FLOAT32", 400), 0, 0);
    let first = count("CERTUS_FLOAT32_FIRST", 0);
    for seed in first..first + graphs {
        let graph = graph(seed);
        let single = match load(&written(&graph), Semantics::Float32) {
            Ok(loaded) => loaded.network,
            Err(error) => panic!("{seed}: {error}"),
        };
        let real = load(&written(&graph), Semantics::Real).unwrap().network;
        let (lower, upper) = region(seed, graph.inputs);
        let input = Boxes::single(&doubles(&lower), &doubles(&upper));
        let analyses = [Intermediate::Interval, Intermediate::Crown]
            .map(|how| Analysis::of_region(&single, &input, how));
        let over_reals = Analysis::of_region(&real, &input, Intermediate::Crown);
        let outputs = single.outputs();
        let mut rng = SplitMix64::new(seed, 3);
        let row = Matrix::from_fn(outputs, 1, |_, _| (4.0 * rng.unit() - 2.0).round());
        let swept: Vec<f64> = analyses.iter().map(|a| a.lower(&row, &[0]).bounds[0]).collect();
        let mut least = f64::INFINITY;
        for k in 0..100 {
            let x = samples(&lower, &upper, &mut rng);
            let y = doubles(&Runtime::run(&graph, &x, 1000 * seed + k));
            if y.iter().any(|y| !y.is_finite()) {
                continue;
            }
            least = least.min(y[0]);
            let outside = |analysis: &Analysis, i: usize| {
                let boxes = analysis.output();
                !(boxes.lower[i] <= y[i] && y[i] <= boxes.upper[i])
            };
            for analysis in &analyses {
                let out = (0..outputs).find(|&i| outside(analysis, i));
                assert_eq!(out, None, "graph {seed}, evaluation {k}: {y:?} of {graph:?}");
            }
            wider += usize::from((0..outputs).any(|i| outside(&over_reals, i)));
            let value = y.iter().zip(row.iter()).map(|(y, a)| exact(*y) * exact(*a)).sum();
            for bound in &swept {
                assert!(
                    at_least(&value, *bound),
                    "graph {seed}, evaluation {k}: {bound} of {graph:?}"
                );
            }
        }
        // What was computed is never certified not to be.
        if least.is_finite() && seed % 4 == 0 {
            let query = Query::new(single, above(&lower, &upper, least)).unwrap();
            let settings =
                Settings { method: Method::Auto, work: Some(1e7), ..Settings::default() };
            let verdict = verify(&query, &settings, &|| false).verdict;
            assert!(!matches!(verdict, Verdict::Certified(_)), "graph {seed}: {graph:?}");
            asked += 1;
        }
    }
    assert!(asked > graphs / 8 && wider > 0, "{asked} asked, {wider} outside of real bounds");
}

/// y = (10⁹ x + 1) − 10⁹ x is 1, and 0 in single precision.
#[test]
fn what_cancels_is_not_forgotten() {
    let folder = Path::new("tests/fixtures/float32");
    for (semantics, certified) in [(Semantics::Real, true), (Semantics::Float32, false)] {
        let loaded = read(&folder.join("cancel.onnx"), semantics).unwrap();
        let statement = loaded.load_statement(&folder.join("v_cancel.vnnlib")).unwrap();
        let query = Query::of(loaded.network, statement).unwrap();
        let verdict = verify(&query, &bounds_only(), &|| false).verdict;
        assert_eq!(matches!(verdict, Verdict::Certified(_)), certified, "{semantics}: {verdict:?}");
    }
}

/// No gradient leads to what rounding alone does: points are tried.
#[test]
fn what_rounding_breaks_is_falsified() {
    let folder = Path::new("tests/fixtures/float32");
    let loaded = read(&folder.join("cancel.onnx"), Semantics::Float32).unwrap();
    let statement = loaded.load_statement(&folder.join("v_cancel.vnnlib")).unwrap();
    let query = Query::of(loaded.network, statement).unwrap();
    let Verdict::Falsified(found) = verify(&query, &Settings::default(), &|| false).verdict else {
        panic!("a counterexample")
    };
    assert!(found.order().is_some() && found.output_f32()[0] <= 0.5, "{found:?}");
}

/// Published constructions: a switch that is 0 over the reals for every input, and opens in single precision (Zombori et al. 2021, section 4); a sum
/// whose value depends on its order (Jia and Rinard 2021; Szász et al. 2025).
#[test]
fn constructions_are_not_certified() {
    for power in (10..=60).step_by(2) {
        let w = 2f32.powi(power);
        // relu(w x + 1 − w x), which is 1 over the reals.
        let absorbed = Graph {
            inputs: 1,
            nodes: vec![
                (Op::Mul(vec![w]), 0),
                (Op::Add(vec![1.0]), 1),
                (Op::Minus(1), 2),
                (Op::Relu, 3),
            ],
        };
        // A row whose products cancel: w x − w x + x.
        let order = Graph {
            inputs: 1,
            nodes: vec![
                (Op::MatMul(vec![vec![1.0]; 3]), 0),
                (Op::Relu, 1),
                (Op::MatMul(vec![vec![w, -w, 1.0]]), 2),
            ],
        };
        for (graph, x) in [(absorbed, 0.3f32), (order, 0.7)] {
            let run = |seed| f64::from(Runtime::run(&graph, &[x], seed)[0]);
            let least = (0..200).map(run).fold(f64::INFINITY, f64::min);
            let model = written(&graph);
            let certified = |semantics, bound: f64| {
                let network = load(&model, semantics).unwrap().network;
                let query = Query::new(network, above(&[x], &[x], bound)).unwrap();
                let verdict = verify(&query, &bounds_only(), &|| false).verdict;
                matches!(verdict, Verdict::Certified(_))
            };
            assert!(!certified(Semantics::Float32, least), "2^{power}: {least}");
            assert!(certified(Semantics::Float32, -1e3 * f64::from(w)), "2^{power}");
            // Beyond that, double precision is lost as well.
            if (27..40).contains(&power) {
                assert!(least < 0.5 && certified(Semantics::Real, 0.5), "2^{power}: {least}");
            }
        }
    }
}

/// What overflows in single precision and not over the reals is not certified.
#[test]
fn overflow_is_not_certified() {
    let scaled = |c: f32| Graph {
        inputs: 1,
        nodes: vec![(Op::Mul(vec![c]), 0), (Op::Mul(vec![1.0 / c]), 1)],
    };
    for (c, expected) in [(1e10, true), (1e38, false)] {
        let network = load(&written(&scaled(c)), Semantics::Float32).unwrap().network;
        let query = Query::new(network, above(&[1.0], &[1000.0], 0.5)).unwrap();
        let verdict = verify(&query, &bounds_only(), &|| false).verdict;
        assert_eq!(matches!(verdict, Verdict::Certified(_)), expected, "{c}: {verdict:?}");
    }
}

/// What has no bound in single precision is refused with a sentence that says so.
#[test]
fn what_has_no_bound_is_refused() {
    let x = || Model::new(13, &[1, 2]);
    let doubles = || x().of_doubles().node("Relu", &["x"], "y", vec![]);
    let gemm = || {
        let model = x().floats("w", &[2, 1], &[1.0, 2.0]);
        model.node("Gemm", &["x", "w"], "y", vec![float("alpha", 2.0)])
    };
    let product = || {
        let model = x().floats("a", &[1, 2], &[1.0, 2.0]).floats("b", &[2, 2], &[1.0; 4]);
        model.node("Exp", &["a"], "c", vec![]).node("Add", &["x", "c"], "y", vec![])
    };
    let cases = [
        (x().node("Sigmoid", &["x"], "y", vec![]), "this operator"),
        (x().node("Softmax", &["x"], "y", vec![]), "this operator"),
        (x().node("Mul", &["x", "x"], "y", vec![]), "a function other than a ReLU"),
        (doubles(), "another type than float32"),
        (gemm(), "alpha or beta"),
        (product(), "on constants"),
    ];
    for (model, expected) in cases {
        assert!(load(&model, Semantics::Real).is_ok(), "{expected}");
        let error = load(&model, Semantics::Float32).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("single precision"), "{error}");
    }
}

/// Where nothing is rounded, nothing is charged: moves, ReLUs and maxima.
#[test]
fn moves_and_maxima_are_exact() {
    let graph = Graph {
        inputs: 2,
        nodes: vec![(Op::Relu, 0), (Op::Max(vec![0.25, 0.5]), 1), (Op::Mul(vec![-1.0, 1.0]), 2)],
    };
    let network = load(&written(&graph), Semantics::Float32).unwrap().network;
    let input = Boxes::single(&[1.0, 0.0], &[1.0, 0.0]);
    let found = Analysis::of_region(&network, &input, Intermediate::Interval);
    let near = |i: usize, value: f64| {
        let (l, u) = (found.output().lower[i], found.output().upper[i]);
        at_most(&exact(l), value) && value <= u && u - l < 1e-12
    };
    assert!(near(0, -1.0) && near(1, 0.5), "{:?}", found.output());
}
