//! The network as what it is, a function over the rationals: the oracle for every bound.

use crate::net::{Function, Network, Op};
use crate::num::{Rational, from_f64};
use num_traits::Zero;

/// The exact value of every node at an exact point. Only for networks without S-shaped activations and with exact
/// weights (no charged roundings).
pub fn evaluate(net: &Network, x: &[Rational]) -> Vec<Vec<Rational>> {
    let mut values: Vec<Vec<Rational>> = Vec::new();
    for node in net.nodes() {
        let value = match &node.op {
            Op::Input => x.to_vec(),
            Op::Affine(affine) => {
                assert_eq!(affine.roundings, 0, "the oracle needs exact weights");
                let mut y: Vec<Rational> = affine.bias.iter().map(|&b| exact(b)).collect();
                for term in &affine.terms {
                    for (row, y) in y.iter_mut().enumerate() {
                        term.map
                            .for_each_in_row(row, |c, w| *y += exact(w) * &values[term.source][c]);
                    }
                }
                y
            }
            Op::Elementwise(function, z) => {
                let x = |k: usize| &values[z[k]];
                match function {
                    Function::Relu => {
                        x(0).iter().map(|z| z.clone().max(Rational::zero())).collect()
                    }
                    Function::Product => x(0).iter().zip(x(1)).map(|(a, b)| a * b).collect(),
                    Function::Reciprocal => x(0).iter().map(Rational::recip).collect(),
                    _ => unreachable!("no exact value"),
                }
            }
        };
        values.push(value);
    }
    values
}

/// The exact value of a finite double.
pub fn exact(x: f64) -> Rational {
    from_f64(x).expect("finite")
}

/// Σ aᵢ xᵢ exactly.
pub fn dot(a: &[f64], x: &[Rational]) -> Rational {
    a.iter().zip(x).fold(Rational::zero(), |sum, (&a, x)| sum + exact(a) * x)
}

/// Whether low ≤ x, where low may be −∞.
pub fn at_least(x: &Rational, low: f64) -> bool {
    !low.is_nan() && low != f64::INFINITY && (low == f64::NEG_INFINITY || exact(low) <= *x)
}

/// Whether x ≤ high, where high may be +∞.
pub fn at_most(x: &Rational, high: f64) -> bool {
    at_least(&-x, -high)
}
