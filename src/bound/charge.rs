//! What rounding can cost: per node, the vectors that turn coefficients into an error bound; and the running totals of a sweep.

use crate::net::{Affine, Boxes, Matrix, Network, Term, columns};
use crate::num::{TINY, ample, gamma};
use std::sync::OnceLock;

/// Rounding charges of the backward sweep over one region and all its sub-boxes.
///
/// For a node z with real values |zᵢ| ≤ mᵢ on the region, and for an affine node z = b + Σ Wₖ xₖ additionally
///
/// ```text
/// v = Σ γ |Wₖ| mₓ + slack      (γ for the roundings of a term of Wₖᵀ a and those in Wₖ)
/// ```
///
/// so that replacing Σ aᵢ (zᵢ − bᵢ) by the computed fl(Wₖᵀ a) errs by at most Σ |aᵢ| vᵢ. That charges are rounded themselves, v among
/// them, `Ledger::total` pays for. Magnitudes of a region hold for its sub-boxes, so branching reuses the charges of its root.
#[derive(Debug, Clone)]
pub struct Charges {
    magnitudes: Vec<Vec<f64>>,
    affine: Vec<OnceLock<Vec<f64>>>,
    sizes: Vec<OnceLock<Vec<f64>>>,
    underflow: Vec<f64>,
}

/// The least entry of v: γ times a magnitude below 2⁻⁹⁷⁰ underflows, and the coefficient that it meets may be huge. (Small coefficients times
/// this are no denormal numbers, which are slow.)
const LEAST: f64 = 1e-290;

impl Charges {
    /// Charges for no node yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            magnitudes: Vec::new(),
            affine: Vec::new(),
            sizes: Vec::new(),
            underflow: Vec::new(),
        }
    }

    /// Adds the next node in order, whose values lie in one of the columns of `boxes`.
    ///
    /// # Panics
    /// Where nodes are not given in order.
    pub fn push(&mut self, net: &Network, boxes: &Boxes) {
        let id = self.magnitudes.len();
        let node = net.node(id);
        let magnitudes = largest(boxes);
        assert_eq!(magnitudes.len(), node.len, "the boxes of node {id}");
        let mut reach = magnitudes.iter().sum::<f64>();
        for operand in node.op.operands() {
            reach += self.magnitudes[operand].iter().sum::<f64>();
        }
        // A product that underflows is off by 2⁻¹⁰⁷⁵, times the element that it multiplies: this pays for 2⁵² of them each.
        self.underflow.push(reach * TINY);
        self.magnitudes.push(magnitudes);
        self.affine.push(OnceLock::new());
        self.sizes.push(OnceLock::new());
    }

    /// Replaces the magnitudes of the node added last by those of tighter boxes.
    pub fn tighten(&mut self, boxes: &Boxes) {
        if let Some(magnitudes) = self.magnitudes.last_mut() {
            magnitudes.iter_mut().zip(largest(boxes)).for_each(|(m, new)| *m = m.min(new));
        }
    }

    /// Whether they say anything: a node that is unbounded on the region leaves no charge.
    #[must_use]
    pub fn are_finite(&self) -> bool {
        self.underflow.iter().all(|reach| reach.is_finite())
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

    /// |W| m of one term of a sum with so many elements.
    fn reach(&self, term: &Term, rows: usize) -> Matrix {
        let source = &self.magnitudes[term.source];
        let mut reach = Matrix::zeros(rows, 1);
        term.map.add_apply_abs(&Matrix::from_column_slice(source.len(), 1, source), &mut reach);
        reach
    }

    /// How large the numbers are that the elements of a node are sums of, rounded anyhow: Σ |Wₖ| mₓ + |b|, computed when first asked for. Of
    /// what is no sum, its magnitudes.
    #[must_use]
    pub fn sizes(&self, net: &Network, id: usize) -> &[f64] {
        let Some(affine) = net.node(id).op.affine() else { return self.magnitudes(id) };
        self.sizes[id].get_or_init(|| {
            let mut sizes: Vec<f64> = affine.bias.iter().map(|b| b.abs()).collect();
            for term in &affine.terms {
                let reach = self.reach(term, sizes.len());
                sizes.iter_mut().zip(reach.iter()).for_each(|(sum, r)| *sum += r);
            }
            sizes
        })
    }

    /// The vector v of an affine node, computed when first asked for.
    #[must_use]
    pub fn affine(&self, id: usize, affine: &Affine) -> &[f64] {
        self.affine[id].get_or_init(|| {
            let rows = affine.bias.len();
            let mut charge = vec![0.0; rows];
            for term in &affine.terms {
                let reach = self.reach(term, rows);
                let g = gamma(term.map.roundings_transposed() + affine.roundings);
                charge.iter_mut().zip(reach.iter()).for_each(|(sum, &r)| *sum += g * r);
            }
            let slack = |i: usize| affine.slack.get(i).copied().unwrap_or(0.0);
            charge.iter().enumerate().map(|(i, sum)| sum + slack(i) + LEAST).collect()
        })
    }
}

/// The largest |z| of each element in any of the boxes.
fn largest(boxes: &Boxes) -> Vec<f64> {
    let mut largest = vec![0.0f64; boxes.lower.nrows()];
    for (l, u) in columns(&boxes.lower).zip(columns(&boxes.upper)) {
        for ((m, l), u) in largest.iter_mut().zip(l).zip(u) {
            *m = m.max(l.abs()).max(u.abs());
        }
    }
    largest
}

/// What rounding has cost each functional of a sweep so far.
#[derive(Debug, Clone)]
pub struct Ledger {
    sums: Vec<f64>,
}

impl Ledger {
    /// Nothing yet.
    #[must_use]
    pub(super) fn new(functionals: usize) -> Self {
        Self { sums: vec![0.0; functionals] }
    }

    /// Adds to each functional a cost, itself rounded as it may be.
    pub(super) fn add(&mut self, costs: impl IntoIterator<Item = f64>) {
        self.sums.iter_mut().zip(costs).for_each(|(sum, cost)| *sum += cost);
    }

    /// Adds to one functional.
    pub(super) fn add_one(&mut self, functional: usize, cost: f64) {
        self.sums[functional] += cost;
    }

    /// At least the sum of a functional's costs.
    #[must_use]
    pub(super) fn total(&self, functional: usize) -> f64 {
        ample(self.sums[functional])
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
    use crate::num::Rational;
    use crate::num::hostile::{exact, piled};
    use num_traits::Zero;

    /// Costs that are each lost beside the first one.
    #[test]
    fn a_total_is_at_least_the_sum_of_its_costs() {
        let mut ledger = Ledger::new(2);
        let mut sum = Rational::zero();
        for cost in piled(1000) {
            ledger.add([0.0, cost]);
            ledger.add_one(1, cost);
            sum += exact(cost) + exact(cost);
        }
        assert!(exact(ledger.total(1)) >= sum && ledger.total(1) < 2.1);
        // Costs that underflowed.
        assert!(ledger.total(0) >= 1000.0 * f64::from_bits(1));
    }

    /// Of several domains those numbers are charged for that are the largest in any of them; of unbounded ones nothing is.
    #[test]
    fn all_domains_are_charged_for() {
        let mut b = crate::net::NetworkBuilder::new(1, "x").unwrap();
        let y = b.relu(0, "y").unwrap();
        let net = b.finish(y).unwrap();
        let boxes = |l: &[f64], u: &[f64]| Boxes {
            lower: Matrix::from_row_slice(1, l.len(), l),
            upper: Matrix::from_row_slice(1, u.len(), u),
        };
        let mut charges = Charges::new();
        charges.push(&net, &boxes(&[-1.0, -5.0, 2.0], &[1.0, 1.0, 3.0]));
        assert_eq!(charges.magnitudes(0), [5.0]);
        charges.tighten(&boxes(&[-1.0, -4.0, 2.0], &[1.0, 1.0, 3.0]));
        assert_eq!(charges.magnitudes(0), [4.0]);
        assert!(charges.are_finite());
        charges.push(&net, &boxes(&[0.0, 0.0, 2.0], &[1.0, f64::INFINITY, 3.0]));
        assert!(!charges.are_finite());
    }
}
