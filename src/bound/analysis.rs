//! Bounds of every node over a batch of domains: intervals, tightened by backward sweeps where a relaxation needs them.

use super::backward::{Layers, Multipliers, Start, Sweep, Swept};
use super::charge::Charges;
use super::cone::Cone;
use super::cost::Costs;
use super::forward::Forward;
use crate::net::{Boxes, LinearMap, Matrix, Network, NodeId, Op};
use std::sync::Arc;

/// How the bounds of pre-activations are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intermediate {
    /// Interval arithmetic.
    Interval,
    /// Interval arithmetic, tightened by backward sweeps (CROWN) where a relaxation depends on it.
    Crown,
}

/// Bounds of every node of a network over a batch of domains.
#[derive(Debug, Clone)]
pub struct Analysis<'a> {
    /// The network.
    pub net: &'a Network,
    /// Bounds and relaxations of all nodes.
    pub layers: Layers,
    /// Rounding charges for the domains.
    pub charges: Arc<Charges>,
}

impl<'a> Analysis<'a> {
    /// Analyses one region.
    ///
    /// # Panics
    /// Where `input` holds more than one box or has the wrong dimension.
    #[must_use]
    pub fn of_region(net: &'a Network, input: &Boxes, how: Intermediate) -> Self {
        assert_eq!(input.domains(), 1, "one region");
        let mut charges = Charges::new();
        let mut layers = Layers::default();
        for id in 0..net.nodes().len() {
            let mut boxes = net.enclose_node(id, input, &layers.boxes);
            // A sweep from this node needs its own charge; magnitudes before tightening are only larger.
            charges.push(net, &boxes);
            if how == Intermediate::Crown && gains_by_sweep(net, id) {
                let sweep = Sweep { net, layers: &layers, charges: &charges };
                tighten(sweep, id, &mut boxes, |_, _| true);
                charges.tighten(&boxes);
            }
            layers.push(boxes);
        }
        Self { net, layers, charges: charges.into() }
    }

    /// Takes over bounds of one region, node by node; `bounds` sees those of the nodes before.
    #[must_use]
    pub fn of_boxes(net: &'a Network, mut bounds: impl FnMut(NodeId, &Layers) -> Boxes) -> Self {
        let (mut layers, mut charges) = (Layers::default(), Charges::new());
        for id in 0..net.nodes().len() {
            let boxes = bounds(id, &layers);
            charges.push(net, &boxes);
            layers.push(boxes);
        }
        Self { net, layers, charges: charges.into() }
    }

    /// Analyses sub-boxes of a region whose charges are known, starting from bounds that hold for them all (`known`, the
    /// parent's, one column each, where there are any) where given.
    ///
    /// # Panics
    /// Where dimensions differ.
    #[must_use]
    pub fn of_domains(
        net: &'a Network,
        input: &Boxes,
        how: Intermediate,
        charges: Arc<Charges>,
        known: Option<&[Option<Boxes>]>,
    ) -> Self {
        let tighten_node = |sweep: Sweep, id: NodeId, boxes: &mut Boxes| {
            if how == Intermediate::Crown && gains_by_sweep(net, id) {
                tighten(sweep, id, boxes, |_, _| true);
            }
        };
        Self::of_nodes(net, input, charges, known, None, tighten_node)
    }

    /// Analyses parts of a region whose charges are known: bounds that hold there (`known`, one column a part) are taken over. Where
    /// one element of a part has a better bound than `known` follows from (`changed`: its node and position), elements that depend on
    /// it are swept anew. Nodes from `end` on are left out.
    ///
    /// # Panics
    /// Where dimensions differ.
    #[must_use]
    pub fn of_parts(
        net: &'a Network,
        end: NodeId,
        input: &Boxes,
        known: &[Option<Boxes>],
        changed: &[Option<(NodeId, usize)>],
        charges: Arc<Charges>,
    ) -> Self {
        let mut layers = Layers::default();
        let mut own = (!charges.are_finite()).then(Charges::new);
        let mut cone = Cone::new(net, changed);
        // The input is bounded whatever the end is: it may be the output.
        for (id, known) in known.iter().enumerate().take(end.max(1)) {
            let enclosed = || net.enclose_node(id, input, &layers.boxes);
            let mut boxes = known.clone().unwrap_or_else(enclosed);
            own.iter_mut().for_each(|own| own.push(net, &boxes));
            if let Some(inside) = cone.next()
                && gains_by_sweep(net, id)
            {
                let charges = own.as_ref().unwrap_or(&charges);
                let sweep = Sweep { net, layers: &layers, charges };
                tighten(sweep, id, &mut boxes, |i, d| inside[(i, d)] > 0.0);
            }
            layers.push(boxes);
        }
        // A sweep from `end` is charged for its elements, too.
        if let Some(own) = own.as_mut().filter(|_| end > 0) {
            own.push(net, &net.enclose_node(end, input, &layers.boxes));
        }
        Self { net, layers, charges: own.map_or(charges, Arc::new) }
    }

    /// As [`Self::of_domains`], by forward linear bounds, and by sweeps where these cost little beside them: at each node only
    /// if its elements of unknown sign need no more than `budget` multiplications a domain.
    ///
    /// # Panics
    /// Where dimensions differ.
    #[must_use]
    pub fn forward(
        net: &'a Network,
        input: &Boxes,
        charges: Arc<Charges>,
        known: Option<&[Option<Boxes>]>,
        costs: &Costs,
        budget: usize,
    ) -> Self {
        let tighten_node = |sweep: Sweep, id: NodeId, boxes: &mut Boxes| {
            if !gains_by_sweep(net, id) {
                return;
            }
            let open = boxes.lower.iter().zip(boxes.upper.iter());
            let open = open.filter(|(l, u)| **l < 0.0 && **u > 0.0).count();
            if 2 * open * costs.sweep(id) <= budget.saturating_mul(input.domains()) {
                tighten(sweep, id, boxes, |_, _| true);
            }
        };
        let forward = Some(Forward::new(net, input));
        Self::of_nodes(net, input, charges, known, forward, tighten_node)
    }

    /// Bounds of all nodes: intervals, what is known, forward bounds if wanted, and then what `tighten` makes of them. Where nothing is charged
    /// for all of a region, because a node is unbounded there, these domains are charged for by themselves.
    fn of_nodes(
        net: &'a Network,
        input: &Boxes,
        charges: Arc<Charges>,
        known: Option<&[Option<Boxes>]>,
        mut forward: Option<Forward>,
        tighten: impl Fn(Sweep, NodeId, &mut Boxes),
    ) -> Self {
        let mut layers = Layers::default();
        let mut own = (!charges.are_finite()).then(Charges::new);
        for id in 0..net.nodes().len() {
            let mut boxes = match known.and_then(|known| known[id].as_ref()) {
                Some(known) if is_folded(net, id) => known.clone(),
                known => {
                    let mut boxes = net.enclose_node(id, input, &layers.boxes);
                    known.into_iter().for_each(|known| boxes.intersect(known));
                    boxes
                }
            };
            let affine = net.node(id).op.affine().is_some();
            if let Some(linear) =
                forward.as_mut().filter(|_| affine).and_then(|f| f.push(id, &layers))
            {
                boxes.intersect(&linear);
            }
            own.iter_mut().for_each(|own| own.push(net, &boxes));
            let charges = own.as_ref().unwrap_or(&charges);
            tighten(Sweep { net, layers: &layers, charges }, id, &mut boxes);
            own.iter_mut().for_each(|own| own.tighten(&boxes));
            layers.push(boxes);
            // The lines of a nonlinear node are drawn once it has its place.
            if let Some(forward) = forward.as_mut().filter(|_| !affine && id > 0) {
                forward.push(id, &layers);
            }
        }
        Self { net, layers, charges: own.map_or(charges, Arc::new) }
    }

    /// The same bounds of one region but for one node's, and what intervals follow from these.
    #[must_use]
    pub fn with(&self, node: NodeId, boxes: Boxes) -> Self {
        let mut replaced = self.clone();
        replaced.layers.boxes[node] = boxes;
        replaced.sharpened()
    }

    /// The same bounds, and what intervals follow from these.
    #[must_use]
    pub fn sharpened(&self) -> Self {
        let mut layers = Layers::default();
        for (id, known) in self.layers.boxes.iter().enumerate() {
            let mut own = known.clone();
            if !is_folded(self.net, id) {
                own.intersect(&self.net.enclose_node(id, &self.layers.boxes[0], &layers.boxes));
            }
            layers.push(own);
        }
        Self { net: self.net, layers, charges: self.charges.clone() }
    }

    /// Sweeps over these bounds.
    #[must_use]
    pub fn sweep(&self) -> Sweep<'_> {
        Sweep { net: self.net, layers: &self.layers, charges: &self.charges }
    }

    /// Lower bounds of functionals of the outputs (outputs × k) on the domains given, with default multipliers.
    #[must_use]
    pub fn lower(&self, functionals: &Matrix, domains: &[usize]) -> Swept {
        self.sweep().run(
            self.net.output(),
            &Start::Dense(functionals),
            domains,
            &Multipliers::none(),
            false,
        )
    }

    /// The box of the outputs of a domain.
    #[must_use]
    pub fn output(&self) -> &Boxes {
        &self.layers.boxes[self.net.output()]
    }
}

/// Replaces the bounds of a node by those of backward sweeps where these are better. Of a node that only ReLUs read, only
/// elements of unknown sign are swept: the others' relaxation is exact. (And those that are stable by next to nothing: an end of 0 is
/// common, and may be a little more or less for who checks a proof.) Only those (element, domain) that are `wanted` are looked at.
fn tighten(sweep: Sweep, id: NodeId, boxes: &mut Boxes, wanted: impl Fn(usize, usize) -> bool) {
    let only_relus =
        sweep.net.nodes().iter().all(|n| !n.op.operands().contains(&id) || n.op.relu().is_some());
    let of_unknown_sign = |l: f64, u: f64| l < u / 1024.0 && u > l / 1024.0;
    // Upper bounds first: a neuron that they show inactive needs no lower bound.
    for negated in [true, false] {
        let (mut units, mut domains) = (Vec::new(), Vec::new());
        for d in 0..boxes.domains() {
            for i in 0..boxes.lower.nrows() {
                let (l, u) = (boxes.lower[(i, d)], boxes.upper[(i, d)]);
                let open = if only_relus { of_unknown_sign(l, u) } else { l < u };
                if open && wanted(i, d) {
                    units.push((i, negated));
                    domains.push(d);
                }
            }
        }
        let bounds = sweep.bounds(id, &units, &domains);
        for ((&(i, _), &d), &bound) in units.iter().zip(&domains).zip(&bounds) {
            if negated {
                let upper = &mut boxes.upper[(i, d)];
                *upper = upper.min(-bound);
            } else {
                let lower = &mut boxes.lower[(i, d)];
                *lower = lower.max(bound);
            }
        }
    }
}

/// Whether a node stands for several of another network ([`super::Reduced`]). Interval arithmetic on it may be tighter than intervals
/// and sweeps there, so that bounds which others are to repeat on that network do without.
pub(super) fn is_folded(net: &Network, id: NodeId) -> bool {
    net.node(id).op.affine().is_some_and(|affine| !affine.slack.is_empty())
}

/// Whether a sweep can improve a node's interval, and something depends on it: affine operands of nonlinear nodes, unless the
/// interval is already exact. (Of a nonlinear node the interval follows from its operand's.)
pub(super) fn gains_by_sweep(net: &Network, id: NodeId) -> bool {
    net.node(id).op.affine().is_some() && net.is_relaxed(id) && !interval_is_exact(net, id)
}

/// Whether the interval rule gives a node's exact range: elements are affine functions, each of independent inputs.
fn interval_is_exact(net: &Network, id: NodeId) -> bool {
    match &net.node(id).op {
        Op::Input => true,
        Op::Affine(affine) => match affine.terms.as_slice() {
            [] => true,
            [term] => is_scaled_input(net, term.source),
            _ => false,
        },
        Op::Elementwise(..) => false,
    }
}

/// Whether a node's elements are scalings of distinct inputs (normalisation), so that its box is exact.
fn is_scaled_input(net: &Network, id: NodeId) -> bool {
    match &net.node(id).op {
        Op::Input => true,
        Op::Affine(affine) => match affine.terms.as_slice() {
            [term] => {
                let elementwise = match &term.map {
                    LinearMap::Identity(_) => true,
                    LinearMap::Sparse(sparse) => sparse.is_injective(),
                    _ => false,
                };
                elementwise && is_scaled_input(net, term.source)
            }
            _ => false,
        },
        Op::Elementwise(..) => false,
    }
}
