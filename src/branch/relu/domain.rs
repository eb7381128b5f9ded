//! A part of a region, by signs of pre-activations, and what is known of it.

use crate::bound::Analysis;
use crate::branch::doubt::Neuron;
use crate::branch::front::Part;
use crate::net::{Boxes, Matrix, Network, Node, NodeId, Op, Splits};
use crate::num::{single_down, single_up};
use std::cmp::Ordering;
use std::sync::Arc;

/// One side of a pre-activation's interval: its sign for a ReLU, a part of the curve for a sigmoid or tanh.
#[derive(Debug, Clone, Copy)]
pub struct Split {
    /// The pre-activation's node.
    pub node: NodeId,
    /// Its element.
    pub element: usize,
    /// Where: 0 for a ReLU.
    pub at: f64,
    /// z ≥ at rather than z ≤ at.
    pub active: bool,
}

impl Ord for Split {
    fn cmp(&self, other: &Self) -> Ordering {
        let name = |split: &Self| (split.node, split.element, split.active);
        name(self).cmp(&name(other)).then_with(|| self.at.total_cmp(&other.at))
    }
}

impl PartialOrd for Split {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Split {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Split {}

/// Bounds of the neurons that can be split at the root, in order, rounded outward to single precision.
pub type Known = Arc<[[f32; 2]]>;

/// A domain of the search: where one functional must exceed its target.
#[derive(Debug, Clone)]
pub struct Domain {
    /// The best bound proved of it.
    pub bound: f64,
    /// Which functional is bounded.
    pub goal: u32,
    /// Its node in the tree, if there is one.
    pub node: u32,
    /// Path from the root, and so the identity of the domain.
    pub splits: Vec<Split>,
    /// Multipliers of the cuts and then of the splits.
    pub lifts: Vec<f32>,
    /// Slopes of the unstable neurons, in order; those of the parent to begin with.
    pub slopes: Arc<[f32]>,
    /// Bounds of the unstable neurons that held for the parent.
    pub known: Known,
}

impl Part for Domain {
    fn bound(&self) -> f64 {
        self.bound
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.splits.len() * size_of::<Split>()
            + self.lifts.len() * 4
            + self.slopes.len() * 2
            + self.known.len() * 4
            + 64
    }

    fn place(&self) -> (usize, u32) {
        (0, self.node)
    }

    fn moved(self, node: u32) -> Self {
        Self { node, ..self }
    }
}

impl Domain {
    /// The node and element of the newest split; what depends on it may have better bounds than the parent's.
    #[must_use]
    pub(super) fn newest(&self) -> Option<(NodeId, usize)> {
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

/// The nodes whose bounds domains take over from the root: those that can be split, and affine ones that nothing nonlinear reads.
/// Bounds of the others follow from these.
#[must_use]
pub fn known_nodes(net: &Network) -> Vec<NodeId> {
    let nodes = net.nodes();
    let is_kept = |&z: &NodeId| {
        let mut readers = nodes.iter().filter(|node| node.op.operands().contains(&z));
        let is_affine = |op: &Op| op.affine().is_some();
        let last = is_affine(&nodes[z].op) && readers.clone().all(|node| is_affine(&node.op));
        let splits = |node: &Node| node.op.function().is_some_and(|f| f.splits() != Splits::Never);
        last || readers.any(splits)
    };
    (0..nodes.len()).filter(is_kept).collect()
}

/// The elements of one pre-activation of a region that can be split.
pub fn splittable(splits: Splits, boxes: &Boxes) -> Vec<usize> {
    (0..boxes.lower.nrows()).filter(|&i| splits.divide(boxes.lower[i], boxes.upper[i])).collect()
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
                boxes.lower[at] = boxes.lower[at].max(split.at);
            } else {
                boxes.upper[at] = boxes.upper[at].min(split.at);
            }
        }
    }
    boxes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bound::Intermediate;
    use crate::net::{Function, LinearMap, NetworkBuilder, Term};

    #[test]
    fn the_sides_of_a_split_meet_at_its_value() {
        let mut builder = NetworkBuilder::new(2, "x").unwrap();
        let map = LinearMap::from_matrix(Matrix::from_row_slice(2, 2, &[1.0, 2.0, -1.0, 1.0]));
        let terms = vec![Term { source: 0, map }];
        let z = builder.affine(terms.clone(), vec![0.0; 2], 0, "z").unwrap();
        let y = builder.elementwise(Function::Tanh, &[z], "y").unwrap();
        let terms = vec![Term { source: y, ..terms[0].clone() }];
        let last = builder.affine(terms, vec![0.0; 2], 0, "last").unwrap();
        let net = builder.finish(last).unwrap();
        let input = Boxes::single(&[-1.0; 2], &[1.0; 2]);
        let root = Analysis::of_region(&net, &input, Intermediate::Crown);
        assert_eq!(known_nodes(&net), [z, last]);
        let elements = splittable(Splits::Anywhere, &root.layers.boxes[z]);
        assert_eq!(elements, [0, 1]);
        let unstable: Vec<Neuron> = elements.iter().map(|&i| (y, z, i)).collect();
        let known = known_of(&root, &unstable, 0);
        let side = |at, active| Split { node: z, element: 1, at, active };
        let paths = [vec![side(0.25, true)], vec![side(0.25, false)], vec![side(-9.0, true)]];
        let parts = paths.iter().map(|path| (&known, path.as_slice()));
        let boxes = boxes_of(&root, &[z], &unstable, parts)[z].clone().unwrap();
        let (l, u) = (f64::from(known[1][0]), f64::from(known[1][1]));
        // Ends that are no numbers of single precision are rounded outward.
        let own = &root.layers.boxes[z];
        assert!((-2.1..=own.lower[1]).contains(&l) && (own.upper[1]..2.1).contains(&u));
        let of = |i: usize, d: usize| (boxes.lower[(i, d)], boxes.upper[(i, d)]);
        assert_eq!([of(1, 0), of(1, 1), of(1, 2)], [(0.25, u), (l, 0.25), (l, u)]);
        assert_eq!(of(0, 0), of(0, 1));
    }
}
