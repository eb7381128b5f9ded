//! A part of a region, by signs of pre-activations, and what is known of it.

use super::Neuron;
use crate::bound::Analysis;
use crate::net::{Boxes, Matrix, Network, NodeId, Op};
use crate::num::{single_down, single_up};
use std::cmp::Ordering;
use std::sync::Arc;

/// The sign of one pre-activation, fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Split {
    /// The pre-activation's node.
    pub node: NodeId,
    /// Its element.
    pub element: usize,
    /// z ≥ 0 rather than z ≤ 0.
    pub active: bool,
}

/// Bounds of the neurons that are unstable at the root, in order, rounded outward to single precision.
pub type Known = Arc<[[f32; 2]]>;

/// A domain of the search: where one functional must exceed its target.
#[derive(Debug, Clone)]
pub struct Domain {
    /// The best bound proved of it.
    pub bound: f64,
    /// Which functional is bounded.
    pub goal: u32,
    /// Its step in the record, if there is one.
    pub step: u32,
    /// Path from the root, and so the identity of the domain.
    pub splits: Vec<Split>,
    /// Multipliers of the cuts and then of the splits.
    pub lifts: Vec<f32>,
    /// Slopes of the unstable neurons, in order; those of the parent to begin with.
    pub slopes: Arc<[f32]>,
    /// Bounds of the unstable neurons that held for the parent.
    pub known: Known,
}

impl Domain {
    /// Bytes, about; what two children share counts half for each.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + self.splits.len() * size_of::<Split>()
            + self.lifts.len() * 4
            + self.slopes.len() * 2
            + self.known.len() * 4
            + 64
    }

    /// The node and element of the newest split; what depends on it may have better bounds than the parent's.
    #[must_use]
    pub fn newest(&self) -> Option<(NodeId, usize)> {
        self.splits.last().map(|split| (split.node, split.element))
    }
}

/// Worst bound first; ties by path, so that the order is a function of the query alone.
impl Ord for Domain {
    fn cmp(&self, other: &Self) -> Ordering {
        other.bound.total_cmp(&self.bound).then_with(|| other.splits.cmp(&self.splits))
    }
}

impl PartialOrd for Domain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Domain {}

/// The bounds of the unstable neurons on column d of an analysis.
#[must_use]
pub fn known_of(analysis: &Analysis, unstable: &[Neuron], d: usize) -> Known {
    let ends = unstable.iter().map(|&(_, z, i)| {
        let boxes = &analysis.layers.boxes[z];
        [single_down(boxes.lower[(i, d)]), single_up(boxes.upper[(i, d)])]
    });
    ends.collect()
}

/// The affine nodes whose bounds domains take over from the root: those that ReLUs read, and those that nothing nonlinear does.
/// Bounds of the others follow from these.
#[must_use]
pub fn known_nodes(net: &Network) -> Vec<NodeId> {
    let nodes = net.nodes();
    let is_kept = |&z: &NodeId| {
        let mut readers = nodes.iter().filter(|node| node.op.operands().contains(&z));
        let affine = readers.clone().all(|node| matches!(node.op, Op::Affine(_)));
        affine || readers.any(|node| matches!(node.op, Op::Relu(_)))
    };
    let affine = (0..nodes.len()).filter(|&z| matches!(nodes[z].op, Op::Affine(_)));
    affine.filter(is_kept).collect()
}

/// What is known of some nodes of domains, one column each: the root's bounds, those kept with the domain, and the signs of its
/// splits.
#[must_use]
pub fn boxes_of<'a>(
    root: &Analysis,
    nodes: &[NodeId],
    unstable: &[Neuron],
    parts: impl ExactSizeIterator<Item = (&'a Known, &'a [Split])>,
) -> Vec<Option<Boxes>> {
    let k = parts.len();
    let repeat = |m: &Matrix| Matrix::from_fn(m.nrows(), k, |i, _| m[i]);
    let mut boxes: Vec<Option<Boxes>> = vec![None; root.net.nodes().len()];
    for &z in nodes {
        let known = &root.layers.boxes[z];
        boxes[z] = Some(Boxes { lower: repeat(&known.lower), upper: repeat(&known.upper) });
    }
    for (d, (known, splits)) in parts.enumerate() {
        for (&(_, z, i), &[l, u]) in unstable.iter().zip(known.iter()) {
            if let Some(boxes) = &mut boxes[z] {
                boxes.lower[(i, d)] = f64::from(l);
                boxes.upper[(i, d)] = f64::from(u);
            }
        }
        for split in splits {
            let Some(boxes) = &mut boxes[split.node] else { continue };
            let at = (split.element, d);
            if split.active {
                boxes.lower[at] = boxes.lower[at].max(0.0);
            } else {
                boxes.upper[at] = boxes.upper[at].min(0.0);
            }
        }
    }
    boxes
}
