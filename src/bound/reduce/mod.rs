//! Smaller networks that stand for another one on a region, where bounds prove the signs of many neurons.
//!
//! On a region where zⱼ ≥ 0 (or ≤ 0), relu(zⱼ) is zⱼ (or 0). Such neurons can be folded into the affine maps after them (`fold.rs`), or
//! left where they are, without those that are 0 and all that only these read (`prune.rs`). A sweep through the smaller network
//! bounds the same functional over the same relaxations, with fewer multiplications.

mod fold;
mod prune;

use super::analysis::Analysis;
use super::cost::work_of_sweep;
use crate::net::{Boxes, Matrix, Network, NodeId};

/// A network that stands for another one on a region.
#[derive(Debug, Clone)]
pub struct Reduced {
    /// The smaller network.
    pub net: Network,
    /// Per node: the node of the other network and its elements, for inputs, pre-activations and ReLUs.
    origins: Vec<Option<(NodeId, Vec<usize>)>>,
}

/// By which factor the multiplications of a sweep must shrink.
const WORTH: f64 = 1.5;

impl Reduced {
    /// The network of an analysis of one region with all neurons of known sign folded away; `None` where something else than ReLUs
    /// is nonlinear.
    #[must_use]
    pub fn fold(analysis: &Analysis) -> Option<Self> {
        fold::fold(analysis)
    }

    /// The network of an analysis of one region without what does not matter there; `None` where something else than ReLUs of affine
    /// nodes is nonlinear.
    #[must_use]
    pub fn prune(analysis: &Analysis) -> Option<Self> {
        prune::prune(analysis, &prune::Needed::of(analysis)?, analysis.net.output())
    }

    /// The network of one element of an affine node, with only those inputs and neurons that matter for it; `None` where something else
    /// than ReLUs of affine nodes is nonlinear, or nothing matters.
    #[must_use]
    pub fn of_element(analysis: &Analysis, node: NodeId, element: usize) -> Option<Self> {
        let needed = prune::Needed::of_element(analysis, node, element)?;
        prune::prune(analysis, &needed, node)
    }

    /// Whichever of the two a sweep takes fewer multiplications through; `None` where neither is worth it.
    #[must_use]
    pub fn best(analysis: &Analysis) -> Option<Self> {
        let net = analysis.net;
        let stable = |(_, z): (NodeId, NodeId)| {
            analysis.layers.boxes[z].of_unknown_sign().count() < net.node(z).len
        };
        if !net.relus().any(stable) {
            return None;
        }
        let before = work_of_sweep(net, net.output());
        let pays = |after: &usize| WORTH * (*after as f64) < before;
        let folded = fold::cost(analysis).filter(pays);
        let needed = prune::Needed::of(analysis).filter(|needed| pays(&needed.entries));
        match (folded, needed) {
            (folded, Some(needed)) if folded.is_none_or(|folded| needed.entries < folded) => {
                prune::prune(analysis, &needed, net.output())
            }
            (Some(_), _) => fold::fold(analysis),
            (None, _) => None,
        }
    }

    /// The element of the other network that an element of an input, a pre-activation or a ReLU is.
    #[must_use]
    pub fn original(&self, node: NodeId, element: usize) -> (NodeId, usize) {
        self.origins[node].as_ref().map_or((node, element), |(id, all)| (*id, all[element]))
    }

    /// The analysis of the same region for the smaller network.
    #[must_use]
    pub fn carry<'a>(&'a self, analysis: &Analysis) -> Analysis<'a> {
        let input = &analysis.layers.boxes[0];
        Analysis::of_boxes(&self.net, |id, layers| match &self.origins[id] {
            // Not intersected with interval arithmetic: see `is_folded`.
            Some((from, elements)) => {
                let known = &analysis.layers.boxes[*from];
                let part = |m: &Matrix| m.select_rows(elements);
                Boxes { lower: part(&known.lower), upper: part(&known.upper) }
            }
            None => self.net.enclose_node(id, input, &layers.boxes),
        })
    }
}
