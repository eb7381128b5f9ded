//! What rounding can cost: per node, the vectors that turn coefficients into an error bound.

use crate::net::{Affine, Boxes, Matrix, Network};
use crate::num::{TINY, gamma, inflate};
use std::sync::OnceLock;

/// Rounding charges of the backward sweep over one region and all its sub-boxes.
///
/// For a node z with real values |zᵢ| ≤ mᵢ on the region, and for an affine node z = b + Σ Wₖ xₖ additionally
///
/// ```text
/// v = γ · (Σ |Wₖ| mₓ + |b|) + slack      (γ for the row length of the product Wᵀ a, i.e. the length of z, and the roundings in W)
/// ```
///
/// so that replacing Σ aᵢ zᵢ by the computed fl(Wᵀ a), fl(bᵀ a) errs by at most Σ |aᵢ| vᵢ. Magnitudes of a region hold
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
            let mut reach = Matrix::from_iterator(rows, 1, affine.bias.iter().map(|b| b.abs()));
            for term in &affine.terms {
                let source = &self.magnitudes[term.source];
                term.map
                    .add_apply_abs(&Matrix::from_column_slice(source.len(), 1, source), &mut reach);
            }
            let terms = affine.fan_in();
            let g = gamma(rows + 2 + affine.roundings);
            let slack = |i: usize| affine.slack.get(i).copied().unwrap_or(0.0);
            let charge = |(i, &r): (usize, &f64)| inflate(inflate(r, terms) * g + slack(i), 5);
            reach.iter().enumerate().map(charge).collect()
        })
    }
}

impl Default for Charges {
    fn default() -> Self {
        Self::new()
    }
}
