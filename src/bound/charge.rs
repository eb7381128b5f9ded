//! What rounding can cost: per node, the vectors that turn coefficients into an error bound; and the running totals of a sweep.

use crate::net::{Affine, Boxes, Matrix, Network};
use crate::num::{TINY, gamma, inflate};
use std::sync::OnceLock;

/// Rounding charges of the backward sweep over one region and all its sub-boxes.
///
/// For a node z with real values |zᵢ| ≤ mᵢ on the region, and for an affine node z = b + Σ Wₖ xₖ additionally
///
/// ```text
/// v = Σ γ |Wₖ| mₓ + slack      (γ for the roundings of a term of Wₖᵀ a and those in Wₖ)
/// ```
///
/// so that replacing Σ aᵢ (zᵢ − bᵢ) by the computed fl(Wₖᵀ a) errs by at most Σ |aᵢ| vᵢ. Magnitudes of a region hold
/// for its sub-boxes, so branching reuses the charges of its root.
#[derive(Debug, Clone)]
pub struct Charges {
    magnitudes: Vec<Vec<f64>>,
    affine: Vec<OnceLock<Vec<f64>>>,
    underflow: Vec<f64>,
}

impl Charges {
    /// Charges for no node yet.
    #[must_use]
    pub fn new() -> Self {
        Self { magnitudes: Vec::new(), affine: Vec::new(), underflow: Vec::new() }
    }

    /// Adds the next node in order, whose values lie in column 0 of `boxes`.
    ///
    /// # Panics
    /// Where nodes are not given in order.
    pub fn push(&mut self, net: &Network, boxes: &Boxes) {
        let id = self.magnitudes.len();
        let node = net.node(id);
        let magnitudes: Vec<f64> = boxes
            .lower
            .column(0)
            .iter()
            .zip(boxes.upper.column(0).iter())
            .map(|(l, u)| l.abs().max(u.abs()))
            .collect();
        assert_eq!(magnitudes.len(), node.len, "the boxes of node {id}");
        let mut reach = 1.0 + magnitudes.iter().sum::<f64>();
        let mut terms = node.len;
        for operand in node.op.operands() {
            reach += self.magnitudes[operand].iter().sum::<f64>();
            terms += self.magnitudes[operand].len();
        }
        // Each entry of Wᵀ a may lose node.len underflows, each worth at most 2⁻¹⁰⁷⁴ times the source's magnitude.
        self.underflow.push(inflate(reach * (node.len + 2) as f64, terms + 8) * TINY);
        self.magnitudes.push(magnitudes);
        self.affine.push(OnceLock::new());
    }

    /// Replaces the magnitudes of the node added last by those of tighter boxes.
    pub fn tighten(&mut self, boxes: &Boxes) {
        if let Some(magnitudes) = self.magnitudes.last_mut() {
            let ends = boxes.lower.iter().zip(boxes.upper.iter());
            magnitudes
                .iter_mut()
                .zip(ends)
                .for_each(|(m, (l, u))| *m = m.min(l.abs().max(u.abs())));
        }
    }

    /// What underflow in eliminating the node can cost a functional, whatever its coefficients.
    #[must_use]
    pub fn underflow(&self, node: usize) -> f64 {
        self.underflow[node]
    }

    /// |zᵢ| ≤ mᵢ for the elements of a node.
    #[must_use]
    pub fn magnitudes(&self, node: usize) -> &[f64] {
        &self.magnitudes[node]
    }

    /// The vector v of an affine node, computed when first asked for.
    #[must_use]
    pub fn affine(&self, id: usize, affine: &Affine) -> &[f64] {
        self.affine[id].get_or_init(|| {
            let rows = affine.bias.len();
            let mut charge = vec![0.0; rows];
            for term in &affine.terms {
                let source = &self.magnitudes[term.source];
                let mut reach = Matrix::zeros(rows, 1);
                let magnitudes = Matrix::from_column_slice(source.len(), 1, source);
                term.map.add_apply_abs(&magnitudes, &mut reach);
                let g = gamma(term.map.roundings_transposed() + affine.roundings);
                let cost = |r: f64| inflate(r, term.map.fan_in()) * g;
                charge.iter_mut().zip(reach.iter()).for_each(|(sum, &r)| *sum += cost(r));
            }
            let slack = |i: usize| affine.slack.get(i).copied().unwrap_or(0.0);
            let roundings = affine.terms.len() + 2;
            charge.iter().enumerate().map(|(i, sum)| inflate(sum + slack(i), roundings)).collect()
        })
    }
}

/// What rounding has cost each functional of a sweep so far.
#[derive(Debug, Clone)]
pub struct Ledger {
    sums: Vec<f64>,
    /// Roundings that any part of a sum has been through.
    roundings: usize,
}

impl Ledger {
    /// Nothing yet.
    #[must_use]
    pub fn new(functionals: usize) -> Self {
        Self { sums: vec![0.0; functionals], roundings: 0 }
    }

    /// Adds to each functional a cost that was computed with so many roundings.
    pub fn add(&mut self, roundings: usize, costs: impl IntoIterator<Item = f64>) {
        self.sums.iter_mut().zip(costs).for_each(|(sum, cost)| *sum += cost);
        self.roundings += roundings + 1;
    }

    /// Adds to one functional.
    pub fn add_one(&mut self, functional: usize, roundings: usize, cost: f64) {
        self.sums[functional] += cost;
        self.roundings += roundings + 1;
    }

    /// At least the sum of a functional's costs, each of which underflow may have made smaller by 2⁻¹⁰⁷⁵ a rounding.
    #[must_use]
    pub fn total(&self, functional: usize) -> f64 {
        inflate(self.sums[functional], self.roundings)
    }
}

impl Default for Charges {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LinearMap, NetworkBuilder, Term};
    use crate::num::hostile::{exact, piled};
    use crate::num::{Rational, UNIT};
    use num_traits::Zero;

    /// Costs that are each lost beside the first one.
    #[test]
    fn a_total_is_at_least_the_sum_of_its_costs() {
        let mut ledger = Ledger::new(2);
        let mut sum = Rational::zero();
        for cost in piled(1000) {
            ledger.add(0, [0.0, cost]);
            ledger.add_one(1, 0, cost);
            sum += exact(cost) + exact(cost);
        }
        assert!(exact(ledger.total(1)) >= sum && ledger.total(1) < 2.0 + 1e-11);
        // Costs of two products that underflowed, and of one that was rounded down.
        let mut ledger = Ledger::new(1);
        ledger.add(2, [0.0]);
        assert!(ledger.total(0) >= 2.0 * f64::from_bits(1));
    }

    /// v ≥ γ Σ |W| m + slack, although the computed sum is too small.
    #[test]
    fn the_vector_of_an_affine_node_is_rounded_up() {
        let mut b = NetworkBuilder::new(2000, "x").unwrap();
        let weights = Matrix::from_row_slice(1, 2000, &piled(2000));
        let term = || Term { source: 0, map: LinearMap::from_matrix(weights.clone()) };
        let z = b.affine(vec![term(), term()], vec![0.0], 3, "z").unwrap();
        let slack = UNIT;
        b.within(z, vec![slack]).unwrap();
        let net = b.finish(z).unwrap();
        let input = Boxes::single(&[-1.0; 2000], &[1.0; 2000]);
        let mut charges = Charges::new();
        charges.push(&net, &input);
        charges.push(&net, &Boxes::single(&[-3.0], &[3.0]));
        let crate::net::Op::Affine(affine) = &net.node(1).op else { unreachable!() };
        let sum = piled(2000).iter().fold(Rational::zero(), |sum, &w| sum + exact(2.0 * w));
        // One product (a single row) and three roundings of the weights.
        let least = exact(4.0 * UNIT) * sum + exact(slack);
        assert!(exact(charges.affine(1, affine)[0]) >= least);
    }
}
