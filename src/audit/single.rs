//! How far a single-precision evaluation of a network may be from its real values on a region: an estimate, and no certificate.
//!
//! With u = 2⁻²⁴ and γₙ = n u / (1 − n u), |x| the largest magnitude of a node's real values on the region (by intervals) and e what its
//! operands may be off by, a node is off by at most
//!
//! - input: u |x|, for its rounding to single precision;
//! - affine map with at most n − 1 products a row and a bias: |W| e + γₙ (|W| (|x| + e) + |b|), whatever the order of summation
//!   (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, section 3.1);
//! - ReLU: e, since it rounds nothing and has slope at most 1;
//! - any other function f: Σₖ sup |∂f/∂xₖ| eₖ + 4 u max |f|, with the supremum over a grid of nine points of every operand's widened interval.
//!
//! What this takes for granted makes it an estimate: weights that are single-precision numbers, functions of four units in the last place,
//! derivatives that a grid finds, no underflow, and a deployment that sums the same products, without fused layers of half precision.

use crate::net::{Affine, Boxes, Function, Matrix, Network, Op};

/// u, the unit roundoff of single precision.
const UNIT: f64 = f32::EPSILON as f64 / 2.0;

/// Units in the last place that a library's function may be off by.
const FUNCTION: f64 = 4.0;

/// Points of a grid on an interval, less one.
const GRID: u32 = 8;

/// By how much each output may be off on each region: outputs × regions. Not finite where nothing is known.
pub(crate) fn errors(network: &Network, regions: &Boxes) -> Matrix {
    let enclosure = network.enclose(regions);
    let mut errors: Vec<Matrix> = Vec::with_capacity(network.nodes().len());
    for node in network.nodes() {
        let error = match &node.op {
            Op::Input => regions.magnitudes() * UNIT,
            Op::Affine(affine) => of_affine(affine, &enclosure.nodes, &errors, regions.domains()),
            Op::Elementwise(function, operands) => match node.op.relu() {
                Some(operand) => errors[operand].clone(),
                None => of_function(
                    *function,
                    &operands
                        .iter()
                        .map(|&x| widened(&enclosure.nodes[x], &errors[x]))
                        .collect::<Vec<_>>(),
                    &operands.iter().map(|&x| &errors[x]).collect::<Vec<_>>(),
                ),
            },
        };
        errors.push(error);
    }
    errors.swap_remove(network.output())
}

fn gamma(n: usize) -> f64 {
    let nu = n as f64 * UNIT;
    if nu < 0.5 { nu / (1.0 - nu) } else { f64::INFINITY }
}

fn of_affine(affine: &Affine, boxes: &[Boxes], errors: &[Matrix], domains: usize) -> Matrix {
    let moves = affine.bias.iter().all(|b| *b == 0.0)
        && affine.terms.iter().map(|term| term.map.fan_in()).sum::<usize>() == 1
        && affine.terms.iter().all(|term| term.map.weights().iter().all(|w| w.abs() == 1.0));
    let g = if moves { 0.0 } else { gamma(affine.fan_in() + affine.roundings) };
    let mut error = Matrix::from_fn(affine.bias.len(), domains, |i, _| g * affine.bias[i].abs());
    for term in &affine.terms {
        let off = &errors[term.source];
        let part = off + (boxes[term.source].magnitudes() + off) * g;
        term.map.add_apply_abs(&part, &mut error);
    }
    error
}

/// Boxes with so much more on either side.
fn widened(boxes: &Boxes, by: &Matrix) -> Boxes {
    Boxes { lower: &boxes.lower - by, upper: &boxes.upper + by }
}

fn of_function(function: Function, boxes: &[Boxes], errors: &[&Matrix]) -> Matrix {
    let (rows, columns) = errors[0].shape();
    let mut steepest = vec![Matrix::zeros(rows, columns); boxes.len()];
    let mut largest = Matrix::zeros(rows, columns);
    let combinations = (GRID + 1).pow(boxes.len() as u32);
    for combination in 0..combinations {
        let at = |k: usize| {
            f64::from(combination / (GRID + 1).pow(k as u32) % (GRID + 1)) / f64::from(GRID)
        };
        let points: Vec<Matrix> = boxes
            .iter()
            .enumerate()
            .map(|(k, ends)| ends.lower.zip_map(&ends.upper, |l, u| l + at(k) * (u - l)))
            .collect();
        let points: Vec<&Matrix> = points.iter().collect();
        for (k, most) in steepest.iter_mut().enumerate() {
            let mut slope = Matrix::zeros(rows, columns);
            function.add_chain(k, &points, &Matrix::repeat(rows, columns, 1.0), 0.0, &mut slope);
            most.zip_apply(&slope, |most, slope| *most = larger(*most, slope.abs()));
        }
        largest.zip_apply(&function.values(&points), |most, y| *most = larger(*most, y.abs()));
    }
    let mut error = largest * (FUNCTION * UNIT);
    for (slope, off) in steepest.iter().zip(errors) {
        error += slope.component_mul(off);
    }
    error
}

/// The larger of both; what is no number is larger than any.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LinearMap, NetworkBuilder, Term};
    use proptest::prelude::*;

    /// Two layers with the given function between them.
    fn network(function: Function, weights: &[f32]) -> Network {
        let mut build = NetworkBuilder::new(3, "x").unwrap();
        let layer = |rows: usize, from: usize| {
            let entries = weights.iter().cycle().skip(from).take(3 * rows).map(|w| f64::from(*w));
            LinearMap::from_matrix(Matrix::from_iterator(rows, 3, entries))
        };
        let term = |source, map| vec![Term { source, map }];
        let bias = |from: usize, rows: usize| {
            weights.iter().cycle().skip(from).take(rows).map(|w| f64::from(*w)).collect()
        };
        let first = build.affine(term(0, layer(3, 0)), bias(5, 3), 0, "a").unwrap();
        let middle = build.elementwise(function, &[first], "f").unwrap();
        let last = build.affine(term(middle, layer(2, 7)), bias(2, 2), 0, "b").unwrap();
        build.finish(last).unwrap()
    }

    proptest! {
        #[test]
        fn single_precision_stays_within_the_estimate(
            weights in proptest::collection::vec(-3.0f32..3.0, 17),
            centre in proptest::collection::vec(-2.0f64..2.0, 3),
            radius in 0.0..0.5f64,
            steps in proptest::collection::vec(-1.0..=1.0f64, 3),
            which in 0usize..4,
        ) {
            let function = [Function::Relu, Function::Sigmoid, Function::Tanh, Function::Softplus][which];
            let net = network(function, &weights);
            let lower: Vec<f64> = centre.iter().map(|c| c - radius).collect();
            let upper: Vec<f64> = centre.iter().map(|c| c + radius).collect();
            let bound = errors(&net, &Boxes::single(&lower, &upper));
            let x: Vec<f64> = centre.iter().zip(&steps).map(|(c, s)| c + 0.99 * radius * s).collect();
            let real = net.evaluate(&Matrix::from_column_slice(3, 1, &x));
            let single = net.evaluate_f32(&x.iter().map(|v| *v as f32).collect::<Vec<_>>());
            for (at, y) in single.iter().enumerate() {
                let off = (f64::from(*y) - real[at]).abs();
                prop_assert!(off <= bound[at] * 1.0001 + 1e-12, "{off} > {}", bound[at]);
                prop_assert!(bound[at] < 1e-3, "{}", bound[at]);
            }
        }
    }

    #[test]
    fn moving_values_rounds_nothing() {
        let mut build = NetworkBuilder::new(2, "x").unwrap();
        let id = build.linear(0, LinearMap::Identity(2), "same").unwrap();
        let net = build.finish(id).unwrap();
        let found = errors(&net, &Boxes::single(&[-1.0, 0.5], &[0.5, 0.5]));
        assert_eq!(found.as_slice(), [UNIT, 0.5 * UNIT]);
    }
}
