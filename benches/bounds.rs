//! Bounds of fully connected networks of the size of VNN-COMP's mnist_fc: `cargo bench --bench bounds`.
//!
//! Weights are random (a fixed generator), so that the bench runs anywhere; unstable neurons are about as frequent as in
//! the real networks at ε = 0.03.

use certus::internal::bound::{Analysis, Intermediate};
use certus::internal::net::{Boxes, LinearMap, Matrix, Network, NetworkBuilder, Term};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

/// SplitMix64, as doubles in [−1, 1).
fn noise(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / 2f64.powi(52) - 1.0
}

fn perceptron(widths: &[usize]) -> Network {
    let mut state = 7;
    let mut builder = NetworkBuilder::new(widths[0], "x").expect("inputs");
    let mut last = 0;
    for (layer, pair) in widths.windows(2).enumerate() {
        let scale = (3.0 / pair[0] as f64).sqrt();
        let weights = Matrix::from_fn(pair[1], pair[0], |_, _| scale * noise(&mut state));
        let bias = (0..pair[1]).map(|_| 0.1 * noise(&mut state)).collect();
        let term = Term { source: last, map: LinearMap::from_matrix(weights) };
        last = builder.affine(vec![term], bias, 0, "affine").expect("sizes fit");
        if layer + 2 < widths.len() {
            last = builder.relu(last, "relu").expect("sizes fit");
        }
    }
    builder.finish(last).expect("a network")
}

fn margins(outputs: usize) -> Matrix {
    let one = |set: bool| f64::from(u8::from(set));
    Matrix::from_fn(outputs, outputs - 1, |r, c| one(r == 0) - one(r == c + 1))
}

fn bounds(criterion: &mut Criterion) {
    for depth in [2, 4] {
        let mut widths = vec![784];
        widths.extend(std::iter::repeat_n(256, depth));
        widths.push(10);
        let net = perceptron(&widths);
        let mut state = 99;
        let centre: Vec<f64> = (0..784).map(|_| 0.5 + 0.5 * noise(&mut state)).collect();
        let lower: Vec<f64> = centre.iter().map(|c| (c - 0.03).max(0.0)).collect();
        let upper: Vec<f64> = centre.iter().map(|c| (c + 0.03).min(1.0)).collect();
        let input = Boxes::single(&lower, &upper);
        let rows = margins(10);
        for (name, how) in [("ibp", Intermediate::Interval), ("crown", Intermediate::Crown)] {
            criterion.bench_function(&format!("{name} 256x{depth}, 9 margins"), |bencher| {
                bencher.iter(|| {
                    let analysis = Analysis::of_region(black_box(&net), &input, how);
                    match how {
                        Intermediate::Interval => {
                            analysis.sweep().interval(net.output(), &rows, &[0; 9]).bounds
                        }
                        Intermediate::Crown => analysis.lower(&rows, &[0; 9]).bounds,
                    }
                });
            });
        }
        let analysis = Analysis::of_region(&net, &input, Intermediate::Crown);
        let unstable = |(_, z): (usize, usize)| {
            let boxes = &analysis.layers.boxes[z];
            boxes
                .lower
                .iter()
                .zip(boxes.upper.iter())
                .filter(|(l, u)| **l < 0.0 && **u > 0.0)
                .count()
        };
        println!("256x{depth}: unstable {:?}", net.relus().map(unstable).collect::<Vec<_>>());
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(3));
    targets = bounds
}
criterion_main!(benches);
