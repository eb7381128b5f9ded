//! What bounds cost, in multiplications, for choosing between them.

use super::analysis::{Analysis, gains_by_sweep};
use super::intermediate::read_by_relu;
use crate::net::{Matrix, Network, NodeId, Op};

/// Multiplications of bounding one domain of a network.
#[derive(Debug, Clone)]
pub struct Costs {
    /// For each node, those of sweeping one of its elements down to the inputs.
    sweep: Vec<usize>,
    /// Those of carrying forward bounds from the inputs to the outputs.
    forward: usize,
}

impl Costs {
    /// Counts them where so many inputs are not fixed. A sweep is counted along the connections of an element in the middle of
    /// each node.
    #[must_use]
    pub fn of(net: &Network, free_inputs: usize) -> Self {
        let nodes = net.nodes();
        let cost = |id: NodeId| if net.is_relaxed(id) { sweep_cost(net, id) } else { 0 };
        let sweep = (0..nodes.len()).map(cost);
        let evaluation: usize =
            (0..nodes.len()).map(|id| entries(net, id) + ELEMENT * net.node(id).len).sum();
        Self { sweep: sweep.collect(), forward: 2 * (free_inputs + 1) * evaluation }
    }

    /// Sweeping one element of a node.
    #[must_use]
    pub fn sweep(&self, id: NodeId) -> usize {
        self.sweep[id]
    }

    /// Forward bounds of all nodes.
    #[must_use]
    pub fn forward(&self) -> usize {
        self.forward
    }

    /// Sweeping both sides of every element that a nonlinear node reads.
    #[must_use]
    pub fn all_sweeps(&self, net: &Network) -> usize {
        let both = |(id, cost): (usize, &usize)| 2 * cost * net.node(id).len;
        self.sweep.iter().enumerate().map(both).sum()
    }
}

/// What an element of a node costs beside products: zeroing, lines, charges.
const ELEMENT: usize = 4;

/// Entries of the matrices of an affine node.
fn entries(net: &Network, id: NodeId) -> usize {
    let Some(affine) = net.node(id).op.affine() else { return 0 };
    affine.terms.iter().map(|term| term.map.fan_in() * net.node(id).len).sum()
}

/// Multiplications on the way from one element of a node to the inputs: at each affine node those of the rows that matter.
fn sweep_cost(net: &Network, at: NodeId) -> usize {
    let mut live: Vec<Option<Matrix>> = vec![None; at + 1];
    let mut first = Matrix::zeros(net.node(at).len, 1);
    first[net.node(at).len / 2] = 1.0;
    live[at] = Some(first);
    let mut cost = 0;
    for id in (1..=at).rev() {
        let Some(a) = live[id].take() else { continue };
        // Coefficients of a node are a whole column, however few are not zero.
        cost += ELEMENT * net.node(id).len;
        let mut add = |to: NodeId, a: Matrix| match &mut live[to] {
            Some(sum) => *sum += a,
            none => *none = Some(a),
        };
        match &net.node(id).op {
            Op::Affine(affine) => {
                let rows = a.iter().filter(|a| **a != 0.0).count();
                for term in &affine.terms {
                    cost += rows * term.map.fan_in();
                    let mut back = Matrix::zeros(term.map.inputs(), 1);
                    term.map.add_apply_transposed(&a, &mut back);
                    // Only which entries are not zero matters; sizes must not overflow on the way.
                    back.apply(|x| *x = f64::from(u8::from(*x != 0.0)));
                    add(term.source, back);
                }
            }
            Op::Input => {}
            Op::Elementwise(_, operands) => operands.iter().for_each(|&x| add(x, a.clone())),
        }
    }
    cost
}

/// Multiplications that [`super::optimise_intermediate`] takes an iteration, about.
#[must_use]
pub fn work_of_intermediate(root: &Analysis) -> f64 {
    let net = root.net;
    let (mut below, mut work) = (0.0, 0.0);
    for id in 0..net.nodes().len() {
        below += entries(net, id) as f64;
        if read_by_relu(net, id) && gains_by_sweep(net, id) {
            // Both ends, backward and forward.
            work += 4.0 * root.layers.boxes[id].of_unknown_sign().count() as f64 * below;
        }
    }
    work
}

/// Multiplications of one sweep of one functional of a node, about.
#[must_use]
pub fn work_of_sweep(net: &Network, at: NodeId) -> f64 {
    (0..=at).map(|id| entries(net, id)).sum::<usize>() as f64
}
