//! The one rule: lower bounds of linear functionals, eliminating tensors from the last to the first.
use crate::circuit::{Affine, Circuit, Node};
use crate::float::{SLOPE_ONE, intercept, quantise};
use crate::map::Map;
use crate::state::Intervals;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The intervals of one tensor's elements. Never NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ends {
    pub low: Vec<f64>,
    pub high: Vec<f64>,
}

/// Adds `factor · coefficient · v` for the element v of a node to the functional of `lane`.
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    pub node: usize,
    pub element: usize,
    pub lane: usize,
    pub factor: f64,
    pub coefficient: f64,
}

/// The linear bounds of one ReLU: z, 0, or `lower·z ≤ relu(z) ≤ upper·z + intercept` (slopes in units of 2^-32).
#[derive(Clone, Copy, Debug)]
pub enum Facet {
    Active,
    Inactive,
    Sloped { lower: u64, upper: u64, intercept: f64 },
}

/// Hinted slopes (lower facet, upper facet), by block and element; what is absent is the default.
pub type Slopes = BTreeMap<(usize, usize), (Option<f64>, Option<f64>)>;

/// The relaxation of a ReLU whose pre-activation lies in [l, u]; valid whatever the hint says, if in [0, 1].
///
/// relu(z) − s·z is convex, so it is at most its value at an end of [l, u]; relu(z) ≥ a·z everywhere. Neither needs l < 0 < u, so a
/// written slope counts on every neuron: with the same slopes, tighter intervals never give a weaker bound.
///
/// `size` is that of the numbers that the pre-activation is a sum of. An interval that is 0 beside it may lie on either side of 0, as
/// rounding has it: its defaults do not depend on that.
pub fn facet(l: f64, u: f64, size: f64, hint: Option<&(Option<f64>, Option<f64>)>) -> Facet {
    const PINNED: f64 = 1.0 / (1u64 << 36) as f64;
    let pinned = size.is_finite() && u.max(-l) <= PINNED * size;
    let (active, inactive) = (l >= 0.0 && !pinned, u <= 0.0 && (l < 0.0 || pinned));
    let (lower, upper) = match hint {
        Some(hint) => *hint,
        None if active => return Facet::Active,
        None if inactive => return Facet::Inactive,
        None => (None, None),
    };
    let high = active || !(inactive || pinned) && u >= -l * (1023.0 / 1024.0);
    let lower = lower.unwrap_or(if high { 1.0 } else { 0.0 });
    let upper = upper.unwrap_or_else(|| match (active, inactive) {
        (true, _) => 1.0,
        (_, true) => 0.0,
        _ if pinned => 0.0,
        _ => Some(u / (u - l)).filter(|s| !s.is_nan()).map_or(1.0, |s| s.clamp(0.0, 1.0)),
    });
    // Hints were range-checked when read; should one slip through, the bound is lost rather than wrong.
    match (quantise(lower), quantise(upper)) {
        (Some(lower), Some(upper)) => {
            Facet::Sloped { lower, upper, intercept: intercept(upper, l, u) }
        }
        _ => Facet::Sloped { lower: SLOPE_ONE, upper: SLOPE_ONE, intercept: f64::INFINITY },
    }
}

/// How numbers are held: exactly, or in f64 with every rounding error charged.
///
/// A `Block` is the coefficients of several functionals (lanes) on the elements of one tensor; a
/// `Total` is what has been eliminated of each lane so far.
pub trait Arithmetic {
    type Block;
    type Total;

    /// Called at the root of a section, with intervals that hold all later ones of the section.
    fn enter(&mut self, circuit: &Circuit, root: &[Arc<Ends>]);
    /// For how many lanes a sweep holds no more than so many numbers of 8 bytes at a time.
    fn room(&mut self, circuit: &Circuit, numbers: usize) -> usize;
    /// The image of intervals under an affine node, rounded outward.
    fn image(&self, affine: &Affine, intervals: &[Arc<Ends>]) -> Ends;

    fn total(&self, lanes: usize) -> Self::Total;
    /// The coefficients that `seeds`, all of one node of this size, give.
    fn seed(&self, size: usize, seeds: &[Seed], total: &mut Self::Total) -> Self::Block;
    /// total[lane] += a·b.
    fn constant(&self, total: &mut Self::Total, lane: usize, a: f64, b: f64);
    /// The sum of two blocks on node `node`.
    fn add(
        &self,
        node: usize,
        a: Self::Block,
        b: Self::Block,
        total: &mut Self::Total,
    ) -> Self::Block;
    /// Adds the block's product with the bias of node `node` to the total.
    fn bias(&self, node: usize, bias: &[f64], block: &Self::Block, total: &mut Self::Total);
    /// The functionals on a source that equal the block's composed with `map`; coefficients that are not `wanted` may be left out.
    fn through(&self, map: &Map, block: &Self::Block, wanted: &[bool]) -> Self::Block;
    /// The functionals on the pre-activations (node `source`) that are not above the block's on their ReLU, relaxed by `facets`.
    fn relu(
        &self,
        source: usize,
        facets: &[Facet],
        block: Self::Block,
        total: &mut Self::Total,
    ) -> Self::Block;
    /// Lower bounds of the block's functionals of the inputs plus the totals, each on a box of inputs (lane, box), rounded down;
    /// −∞ where there is none.
    fn finish(
        &self,
        boxes: &[(usize, Region<'_>)],
        block: Option<Self::Block>,
        total: Self::Total,
    ) -> Vec<f64>;
}

/// Borrowed intervals of the inputs: lower ends, upper ends.
pub type Region<'a> = (&'a [f64], &'a [f64]);

/// A batch of functionals, one a lane: `Σ seeds + Σ a·b` over the constants (lane, a, b); and the boxes (lane, box) on which bounds
/// are wanted. No lane is without a box.
#[derive(Default)]
pub struct Batch<'a> {
    pub seeds: Vec<Seed>,
    pub constants: Vec<(usize, f64, f64)>,
    pub boxes: Vec<(usize, Region<'a>)>,
}

/// What sweeps on one state with the same slopes have in common: the relaxation of each ReLU, found when it is first asked for.
pub struct Relaxed<'a> {
    circuit: &'a Circuit,
    intervals: &'a Intervals,
    slopes: &'a Slopes,
    /// By node; only where slopes are hinted.
    hinted: Vec<OnceCell<Vec<Facet>>>,
    wanted: Vec<OnceCell<Vec<bool>>>,
}

impl<'a> Relaxed<'a> {
    pub fn new(circuit: &'a Circuit, intervals: &'a Intervals, slopes: &'a Slopes) -> Self {
        let count = circuit.nodes().len();
        let (mut hinted, mut wanted) = (vec![], vec![]);
        hinted.resize_with(count, OnceCell::new);
        wanted.resize_with(count, OnceCell::new);
        Relaxed { circuit, intervals, slopes, hinted, wanted }
    }

    /// The relaxations of a ReLU node's elements.
    fn facets(&self, node: usize, source: usize, block: usize) -> &[Facet] {
        let default = self.intervals.facets(self.circuit, node, source);
        let mut hints = self.slopes.range((block, 0)..(block + 1, 0)).peekable();
        if hints.peek().is_none() {
            return default;
        }
        self.hinted[node].get_or_init(|| {
            let z = self.intervals.of(source);
            let sizes = self.intervals.sizes(self.circuit, source);
            let mut facets = default.to_vec();
            for ((_, i), hint) in hints {
                facets[*i] = facet(z.low[*i], z.high[*i], sizes[*i], Some(hint));
            }
            facets
        })
    }

    /// The elements of a tensor whose coefficients matter: all but the ReLUs that are 0, as theirs are dropped next.
    fn wanted(&self, node: usize) -> &[bool] {
        self.wanted[node].get_or_init(|| match self.circuit.nodes()[node] {
            Node::Relu { source, block } => {
                let facets = self.facets(node, source, block).iter();
                facets.map(|facet| !matches!(facet, Facet::Inactive)).collect()
            }
            _ => vec![true; self.circuit.size(node)],
        })
    }
}

/// Lower bounds of the batch's functionals on its boxes.
pub fn sweep<A: Arithmetic>(arithmetic: &A, relaxed: &Relaxed, batch: &mut Batch) -> Vec<f64> {
    let circuit = relaxed.circuit;
    let lanes = batch.boxes.iter().map(|(lane, _)| lane + 1).max().unwrap_or(0);
    let mut total = arithmetic.total(lanes);
    for (lane, a, b) in &batch.constants {
        arithmetic.constant(&mut total, *lane, *a, *b);
    }
    batch.seeds.sort_by_key(|s| s.node);
    let mut seeds = batch.seeds.as_slice();
    let top = seeds.last().map_or(0, |s| s.node);
    let mut blocks: Vec<Option<A::Block>> = (0..=top).map(|_| None).collect();
    let merge =
        |blocks: &mut [Option<A::Block>], node: usize, block: A::Block, total: &mut A::Total| {
            blocks[node] = Some(match blocks[node].take() {
                Some(old) => arithmetic.add(node, old, block, total),
                None => block,
            });
        };
    for node in (0..=top).rev() {
        let own = seeds.partition_point(|s| s.node < node);
        if own < seeds.len() {
            let block = arithmetic.seed(circuit.size(node), &seeds[own..], &mut total);
            merge(&mut blocks, node, block, &mut total);
            seeds = &seeds[..own];
        }
        let Some(block) = blocks[node].take() else { continue };
        match &circuit.nodes()[node] {
            Node::Input => return arithmetic.finish(&batch.boxes, Some(block), total),
            Node::Affine(affine) => {
                arithmetic.bias(node, &affine.bias, &block, &mut total);
                for (source, map) in &affine.terms {
                    let wanted = relaxed.wanted(*source);
                    let part = arithmetic.through(map, &block, wanted);
                    merge(&mut blocks, *source, part, &mut total);
                }
            }
            Node::Relu { source, block: k } => {
                let facets = relaxed.facets(node, *source, *k);
                let block = arithmetic.relu(*source, facets, block, &mut total);
                merge(&mut blocks, *source, block, &mut total);
            }
        }
    }
    arithmetic.finish(&batch.boxes, None, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_slopes_are_the_same_on_both_sides_of_a_symmetric_interval() {
        for (l, u) in [(-1.0f64, 1.0f64), ((-1.0f64).next_down(), 1.0), (-1.0, 1.0f64.next_down())]
        {
            assert!(matches!(facet(l, u, 1.0, None), Facet::Sloped { lower: SLOPE_ONE, .. }));
        }
        assert!(matches!(facet(-1.0, 0.99, 1.0, None), Facet::Sloped { lower: 0, .. }));
    }

    #[test]
    fn default_slopes_of_an_interval_of_0_are_the_same_on_both_sides_of_0() {
        let slopes = |l: f64, u: f64| match facet(l, u, 10.0, None) {
            Facet::Active => [SLOPE_ONE; 2],
            Facet::Inactive => [0; 2],
            Facet::Sloped { lower, upper, intercept } => {
                assert!(upper > 0 || intercept >= u);
                [lower, upper]
            }
        };
        for (l, u) in [(0.0, 0.0), (-1e-12, 0.0), (0.0, 1e-12), (-1e-12, 1e-12), (1e-12, 1e-12)] {
            assert_eq!(slopes(l, u), [0; 2]);
        }
        assert_eq!(slopes(0.0, 1e-9), [SLOPE_ONE; 2]);
        assert_eq!(slopes(-1e-9, 0.0), [0; 2]);
        assert_eq!(slopes(-1e-9, 1e-9)[0], SLOPE_ONE);
        // Of what has no size, nothing is known.
        assert!(matches!(facet(0.0, 1e-12, f64::INFINITY, None), Facet::Active));
        assert!(matches!(facet(0.0, 1e-12, f64::NAN, None), Facet::Active));
    }
}
