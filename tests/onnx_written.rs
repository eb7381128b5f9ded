//! Networks written as ONNX are the same function to both readers, exactly, and to onnxruntime.

#[path = "common/skip.rs"]
mod skip;

mod common;

use certus::internal::attack::SplitMix64;
use certus::internal::load::{WriteError, load_network_bytes, write_onnx};
use certus::internal::net::{
    FinalOperator, LinearMap, Matrix, Network, NetworkBuilder, Sparse, Term,
};
use certus::internal::num::Rational;
use common::exact::{evaluate, exact};
use common::nets::{Choices, Kind, network, region, words};
use common::recorded::values;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::process::Command;

fn read_again(network: &Network) -> Network {
    load_network_bytes("written.onnx", &write_onnx(network).unwrap()).unwrap().network
}

proptest! {
    #![proptest_config(common::cases(96))]
    #[test]
    fn both_readers_read_the_very_same_function(words in words(), hostile: bool) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, if hostile { Kind::Hostile } else { Kind::Relu });
        let (_, _, points) = region(&mut choices, net.inputs());
        let again = read_again(&net);
        let circuit = certus_check::onnx::read(&write_onnx(&net).unwrap()).unwrap();
        for point in &points[..3] {
            let x: Vec<Rational> = point.iter().map(|&x| exact(x)).collect();
            let expected = &evaluate(&net, &x)[net.output()];
            prop_assert_eq!(&evaluate(&again, &x)[again.output()], expected);
            prop_assert_eq!(&values(&circuit, &x, exact)[circuit.output()], expected);
        }
    }

    #[test]
    fn smooth_functions_are_read_again(words in words(), curves: bool) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, if curves { Kind::Curves } else { Kind::Rational });
        let (_, _, points) = region(&mut choices, net.inputs());
        let again = read_again(&net);
        for point in points {
            let x = Matrix::from_column_slice(point.len(), 1, &point);
            let (y, z) = (net.evaluate(&x), again.evaluate(&x));
            prop_assert!((&y - &z).amax() <= 1e-11 * (1.0 + y.amax()), "{y} {z}");
        }
    }
}

#[test]
fn what_was_left_out_at_the_end_is_written() {
    let mut builder = NetworkBuilder::new(3, "x").unwrap();
    let out = builder.linear(0, LinearMap::from_matrix(Matrix::repeat(2, 3, 0.1)), "y").unwrap();
    let net = builder.finish(out).unwrap();
    for operator in [FinalOperator::Softmax, FinalOperator::LogSoftmax, FinalOperator::ArgMax] {
        let again = read_again(&net.clone().leaving_out(Some(operator)));
        assert_eq!(again.left_out(), Some(operator));
    }
}

#[test]
fn what_a_file_cannot_hold_is_refused() {
    let one = |row: Vec<(usize, f64)>, roundings| {
        let mut builder = NetworkBuilder::new(1, "x").unwrap();
        let map = LinearMap::Sparse(Sparse::from_rows(1, [row]));
        let out = builder.affine(vec![Term { source: 0, map }], vec![0.0], roundings, "sum");
        write_onnx(&builder.finish(out.unwrap()).unwrap())
    };
    assert!(one(vec![(0, 0.1)], 0).is_ok());
    assert_eq!(one(vec![(0, 0.1)], 1), Err(WriteError::Inexact("sum".to_owned())));
    assert_eq!(one(vec![(0, 1.0), (0, 1e-30)], 0), Err(WriteError::Sum("sum".to_owned())));
}

/// For each folder `name.onnx` and `name.txt`, a line of inputs and one of outputs.
const RUNTIME: &str = r#"
import glob, sys
import numpy, onnxruntime
files = sorted(glob.glob(sys.argv[1] + "/*.onnx"))
for file in files:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    x = session.get_inputs()[0]
    kind = numpy.float64 if x.type == "tensor(double)" else numpy.float32
    given, expected = [numpy.array(line.split(), dtype=numpy.float64) for line in open(file[:-5] + ".txt")]
    y = session.run(None, {x.name: given.reshape(x.shape).astype(kind)})[0].ravel().astype(numpy.float64)
    error = abs(y - expected).max() / (1 + abs(expected).max())
    assert y.shape == expected.shape and error <= 1e-5, (file, y, expected)
print(len(files))
"#;

#[test]
fn onnxruntime_computes_the_same() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !Command::new(&python)
        .args(["-c", "import numpy, onnxruntime"])
        .output()
        .is_ok_and(|ran| ran.status.success())
    {
        skip::skipped(&format!("{python} has no onnxruntime (PYTHON=… names another one)"));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut dice = SplitMix64::new(16, 0);
    for count in 0..90 {
        let words: Vec<u32> = (0..40).map(|_| dice.next_u64() as u32).collect();
        let mut choices = Choices::new(&words);
        let kind = [Kind::Relu, Kind::Rational, Kind::Curves][count % 3];
        let net = network(&mut choices, kind);
        let (_, _, points) = region(&mut choices, net.inputs());
        let y = net.evaluate(&Matrix::from_column_slice(net.inputs(), 1, &points[7]));
        let mut text = String::new();
        for line in [points[7].as_slice(), y.as_slice()] {
            line.iter().for_each(|v| write!(text, "{v:e} ").unwrap());
            text.push('\n');
        }
        let file = folder.path().join(format!("{count}.onnx"));
        std::fs::write(&file, write_onnx(&net).unwrap()).unwrap();
        std::fs::write(file.with_extension("txt"), text).unwrap();
    }
    let ran = Command::new(&python).args(["-c", RUNTIME]).arg(folder.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "90");
}
