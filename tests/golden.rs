//! Every public benchmark network agrees with the reference outputs of an independent runtime.
//!
//! The benchmark set lies beside the repository; without it the test says that it skipped.

use certus::load::load_network;
use certus::net::Matrix;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Relative to the largest output of a network.
const TOLERANCE: f64 = 1e-4;

fn bench() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/bench")
}

/// An array of an npz file as doubles, with its shape.
fn array(path: &Path, name: &str) -> (Vec<usize>, Vec<f64>) {
    let mut archive = npyz::npz::NpzArchive::new(File::open(path).unwrap()).unwrap();
    let npy = archive.by_name(name).unwrap().unwrap();
    let shape = npy.shape().iter().map(|&d| usize::try_from(d).unwrap()).collect();
    (shape, npy.into_vec::<f32>().unwrap().into_iter().map(f64::from).collect())
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
        println!("skipped: no benchmark set beside the repository");
        return;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut worst = (0.0, String::new());
    let mut disagreeing = Vec::new();
    for golden in &files {
        let loaded = load_network(&network_of(golden)).unwrap();
        let (x_shape, x) = array(golden, "x");
        let (y_shape, y) = array(golden, "y");
        assert_eq!(x_shape[0], y_shape[0]);
        assert_eq!(loaded.network.inputs(), x.len() / x_shape[0]);
        assert_eq!(loaded.network.outputs(), y.len() / y_shape[0]);
        // Rows of the file are points, and points are columns here: the same order in memory.
        let points = Matrix::from_column_slice(loaded.network.inputs(), x_shape[0], &x);
        let computed = loaded.network.evaluate(&points);
        let largest = y.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let error =
            computed.iter().zip(&y).fold(0.0f64, |m, (a, b)| m.max((a - b).abs())) / largest;
        let single = loaded.network.evaluate_f32(
            &x[..loaded.network.inputs()].iter().map(|&v| v as f32).collect::<Vec<_>>(),
        );
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
