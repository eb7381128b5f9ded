//! Every public benchmark network agrees with the reference outputs of an independent runtime.
//!
//! The benchmark set lies beside the repository; without it the test says that it skipped.

#[path = "common/skip.rs"]
mod skip;

use certus::internal::load::{load_network, load_reference};
use certus::internal::net::Matrix;
use std::path::{Path, PathBuf};

/// Relative to the largest output of a network.
const TOLERANCE: f64 = 1e-4;

fn bench() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/bench")
}

/// The network of `<benchmark>__<name>.npz`.
fn network_of(golden: &Path) -> PathBuf {
    let stem = golden.file_stem().unwrap().to_str().unwrap();
    let (benchmark, name) = stem.split_once("__").unwrap();
    let plain = bench().join(benchmark).join("onnx").join(format!("{name}.onnx"));
    let zipped = plain.with_extension("onnx.gz");
    if plain.exists() { plain } else { zipped }
}

#[test]
fn networks_agree_with_the_reference_outputs() {
    let Ok(entries) = std::fs::read_dir(bench().join("golden")) else {
        skip::skipped("no benchmark set beside the repository");
        return;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut worst = (0.0, String::new());
    let mut disagreeing = Vec::new();
    for golden in &files {
        let loaded = load_network(&network_of(golden)).unwrap();
        let (inputs, outputs) = (loaded.network.inputs(), loaded.network.outputs());
        let pairs = load_reference(golden, inputs, outputs).unwrap().pairs;
        let (x, y): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let (x, y) = (x.concat(), y.concat());
        // Rows of the file are points, and points are columns here: the same order in memory.
        let points = Matrix::from_column_slice(inputs, x.len() / inputs, &x);
        let computed = loaded.network.evaluate(&points);
        let largest = y.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let error =
            computed.iter().zip(&y).fold(0.0f64, |m, (a, b)| m.max((a - b).abs())) / largest;
        let single =
            loaded.network.evaluate_f32(&x[..inputs].iter().map(|&v| v as f32).collect::<Vec<_>>());
        let single_error =
            single.iter().zip(&y).fold(0.0f64, |m, (&a, b)| m.max((f64::from(a) - b).abs()))
                / largest;
        let error = error.max(single_error);
        if error.is_nan() || error > TOLERANCE {
            disagreeing.push(format!("{}: {error:.2e}", golden.display()));
        }
        if error > worst.0 {
            worst = (error, golden.display().to_string());
        }
    }
    println!("{} networks, largest relative difference {:.2e} ({})", files.len(), worst.0, worst.1);
    assert!(disagreeing.is_empty(), "{disagreeing:#?}");
    assert!(!files.is_empty());
}
