//! Bounds against those of auto_LiRPA on the public mnist_fc networks (`../shared/bench/reference_bounds.csv`): never looser
//! by more than 1e-4 relative (1e-3 where slopes are optimised), never above a sampled value.

#[path = "common/skip.rs"]
mod skip;

use certus::internal::bound::{
    Analysis, Climb, Functionals, Goal, Intermediate, Reduced, Start, climb, default_slopes,
    optimise_intermediate,
};
use certus::internal::load::{load_network, load_statement};
use certus::internal::net::{Boxes, Matrix, Network};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn bench() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/bench");
    if folder.join("reference_bounds.csv").exists() {
        return Some(folder);
    }
    skip::skipped("no reference bounds beside this checkout");
    None
}

/// (network, instance, method) → margin bound by target class.
fn reference(folder: &Path) -> BTreeMap<(String, String, String), BTreeMap<usize, f64>> {
    let mut table = BTreeMap::new();
    for line in
        std::fs::read_to_string(folder.join("reference_bounds.csv")).unwrap().lines().skip(1)
    {
        let f: Vec<&str> = line.split(',').collect();
        let key = (f[0].to_owned(), f[1].to_owned(), f[2].to_owned());
        let targets: &mut BTreeMap<usize, f64> = table.entry(key).or_default();
        targets.insert(f[3].parse().unwrap(), f[4].parse().unwrap());
    }
    table
}

/// The class that a functional y_label − y_target speaks against.
fn target(functionals: &Matrix, column: usize) -> usize {
    (0..functionals.nrows()).find(|&j| functionals[(j, column)] < 0.0).unwrap()
}

fn smallest_sampled(net: &Network, lower: &[f64], upper: &[f64], rows: &Matrix) -> Vec<f64> {
    let points = Matrix::from_fn(lower.len(), 64, |i, c| {
        if (i * 31 + c * 17 + i * c) % 3 == 0 { lower[i] } else { upper[i] }
    });
    let values = rows.transpose() * net.evaluate(&points);
    (0..rows.ncols()).map(|c| values.row(c).min()).collect()
}

/// Slopes of intermediate bounds and of the margins optimised, on the network without its neurons of known sign.
fn alpha_crown(net: &Network, input: &Boxes, rows: &Matrix) -> Vec<f64> {
    let plain = Analysis::of_region(net, input, Intermediate::Crown);
    let small = Reduced::best(&plain);
    let folded = small.as_ref().map_or_else(|| plain.clone(), |small| small.carry(&plain));
    let how = |iterations| Climb { iterations, ..Climb::default() };
    let (analysis, _) = optimise_intermediate(&folded, how(10), 0.0, &|| false);
    let domains = vec![0; rows.ncols()];
    let (sweep, at, start) = (analysis.sweep(), analysis.net.output(), Start::Dense(rows));
    let targets = vec![f64::INFINITY; rows.ncols()];
    let goal = Goal { at, start: &start, domains: &domains, targets: &targets };
    climb(&sweep, goal, default_slopes(&sweep, at, &domains), Vec::new(), how(60)).bounds
}

fn one_thread() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap()
}

#[test]
fn bounds_are_no_looser_than_the_reference() {
    let Some(folder) = bench() else { return };
    let mut compared = 0;
    let mut worst: BTreeMap<String, f64> = BTreeMap::new();
    for ((name, instance, method), targets) in reference(&folder) {
        let net = load_network(&folder.join(format!("mnist_fc/onnx/{name}.onnx"))).unwrap().network;
        let path = folder.join(format!("mnist_fc/vnnlib/{instance}.vnnlib"));
        if !path.exists() {
            continue;
        }
        let property = load_statement(&path, net.inputs(), net.outputs()).unwrap().property;
        let claim = &property.claims[0];
        let functionals = Functionals::of(claim, net.outputs());
        let rows = &functionals.matrix;
        let domains = vec![0; functionals.len()];
        let input = claim.region.boxes();
        let bounds = match method.as_str() {
            "IBP" => {
                Analysis::of_region(&net, &input, Intermediate::Interval)
                    .sweep()
                    .interval(net.output(), rows, &domains)
                    .bounds
            }
            "CROWN-IBP" => {
                Analysis::of_region(&net, &input, Intermediate::Interval)
                    .lower(rows, &domains)
                    .bounds
            }
            "CROWN" => {
                Analysis::of_region(&net, &input, Intermediate::Crown).lower(rows, &domains).bounds
            }
            "CROWN-Optimized" => {
                let started = Instant::now();
                let bounds = one_thread().install(|| alpha_crown(&net, &input, rows));
                println!("{name} {instance}: slopes optimised in {:?}", started.elapsed());
                bounds
            }
            _ => continue,
        };
        let sampled = smallest_sampled(&net, claim.region.lower(), claim.region.upper(), rows);
        for (c, &bound) in bounds.iter().enumerate() {
            let expected = targets[&target(rows, c)];
            let gap = (expected - bound) / expected.abs().max(1.0);
            let gaps = worst.entry(method.clone()).or_insert(f64::NEG_INFINITY);
            *gaps = gaps.max(gap);
            compared += 1;
            assert!(
                bound <= sampled[c],
                "{name} {instance} {method}: {bound} above the sampled {}",
                sampled[c]
            );
        }
    }
    println!("{compared} bounds compared; largest relative shortfall by method: {worst:?}");
    assert!(compared > 0);
    // Theirs are written with six decimals.
    assert!(worst.values().all(|&gap| gap <= 2e-6), "{worst:?}");
}
