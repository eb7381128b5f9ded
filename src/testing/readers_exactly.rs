//! Outputs as rationals, as the search's reader and the checker's have a network.

use super::dyadic::{self, Dyadic};
use super::values::is_dyadic;
use crate::net::Network;
use crate::num::{Rational, from_f64};
use certus_check::circuit::{Circuit, Node};
use certus_check::map::Scratch;
use num_traits::Zero;
use std::ops::{AddAssign, Mul};

/// Multiplications of rationals that one evaluation may take.
const MOST: usize = 60_000;

/// The outputs of the network; `None` where they are no rationals or would take long.
pub(super) fn by_search(net: &Network, x: &[Rational]) -> Option<Vec<Rational>> {
    if !is_dyadic(net) || net.multiplications() > MOST {
        return None;
    }
    Some(super::exact::evaluate(net, x).swap_remove(net.output()))
}

/// The outputs that the checker's reader gives; `None` where that would take long.
pub(super) fn by_checker(circuit: &Circuit, x: &[Rational]) -> Option<Vec<Rational>> {
    if circuit.inputs() != x.len() || size(circuit) > MOST {
        return None;
    }
    let number = |w: f64| from_f64(w).unwrap_or_else(Rational::zero);
    Some(values(circuit, x, number).swap_remove(circuit.output()))
}

/// As [`by_search`], at doubles.
pub(super) fn at_doubles(net: &Network, x: &[f64]) -> Option<Vec<Dyadic>> {
    let whole = is_dyadic(net) && net.multiplications() <= MOST;
    whole.then(|| dyadic::evaluate(net, x).swap_remove(net.output()))
}

/// As [`by_checker`], at doubles.
pub(super) fn checked_at_doubles(circuit: &Circuit, x: &[f64]) -> Option<Vec<Dyadic>> {
    if circuit.inputs() != x.len() || size(circuit) > MOST {
        return None;
    }
    let x: Vec<Dyadic> = x.iter().map(|&x| Dyadic::from(x)).collect();
    Some(values(circuit, &x, Dyadic::from).swap_remove(circuit.output()))
}

/// Entries of all maps.
fn size(circuit: &Circuit) -> usize {
    let mut scratch = Scratch::default();
    let mut entries = 0;
    for node in circuit.nodes() {
        let Node::Affine(affine) = node else { continue };
        for (_, map) in &affine.terms {
            (0..affine.bias.len()).for_each(|i| map.row(i, &mut scratch).each(|_, _| entries += 1));
        }
    }
    entries
}

/// The values of all tensors of a circuit, in f64 or as rationals.
pub fn values<T>(circuit: &Circuit, x: &[T], number: impl Fn(f64) -> T) -> Vec<Vec<T>>
where
    T: Clone + PartialOrd + Zero + AddAssign,
    for<'a> T: Mul<&'a T, Output = T>,
{
    let mut values: Vec<Vec<T>> = Vec::new();
    let mut scratch = Scratch::default();
    let relu = |z: &T| if *z > T::zero() { z.clone() } else { T::zero() };
    for node in circuit.nodes() {
        let value = match node {
            Node::Input => x.to_vec(),
            Node::Relu { source, .. } => values[*source].iter().map(relu).collect(),
            Node::Affine(affine) => {
                let mut y: Vec<T> = affine.bias.iter().map(|&b| number(b)).collect();
                for (source, map) in &affine.terms {
                    for (i, y) in y.iter_mut().enumerate() {
                        let row = map.row(i, &mut scratch);
                        row.each(|j, w| *y += number(w) * &values[*source][j]);
                    }
                }
                y
            }
        };
        values.push(value);
    }
    values
}
