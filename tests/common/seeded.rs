//! Fully connected networks made from a seed, or written down row by row.

use certus::internal::attack::SplitMix64;
use certus::internal::net::{LinearMap, Matrix, Network, NetworkBuilder, Term};

/// A fully connected ReLU network with the given widths, its parameters single-precision numbers, drawn uniformly with
/// a spread of about 1/√fan-in.
pub fn random_relu_net(widths: &[usize], seed: u64) -> Network {
    let mut rng = SplitMix64::new(seed, 0);
    let mut draw = |scale: f64| f64::from(((2.0 * rng.unit() - 1.0) * scale) as f32);
    let mut builder = NetworkBuilder::new(widths[0], "x").unwrap();
    let mut last = 0;
    for (layer, pair) in widths.windows(2).enumerate() {
        let scale = (6.0 / pair[0] as f64).sqrt();
        let weights = Matrix::from_fn(pair[1], pair[0], |_, _| draw(scale));
        let bias = (0..pair[1]).map(|_| draw(0.5)).collect();
        let map = LinearMap::from_matrix(weights);
        let name = format!("dense {layer}");
        last = builder.affine(vec![Term { source: last, map }], bias, 0, name).unwrap();
        if layer + 2 < widths.len() {
            last = builder.relu(last, format!("relu {layer}")).unwrap();
        }
    }
    builder.finish(last).unwrap()
}

/// One affine layer y = W x + b, W given row by row.
pub fn affine_net(rows: &[&[f64]], bias: &[f64]) -> Network {
    let mut builder = NetworkBuilder::new(rows[0].len(), "x").unwrap();
    let weights = Matrix::from_fn(rows.len(), rows[0].len(), |r, c| rows[r][c]);
    let term = Term { source: 0, map: LinearMap::from_matrix(weights) };
    let out = builder.affine(vec![term], bias.to_vec(), 0, "y").unwrap();
    builder.finish(out).unwrap()
}
