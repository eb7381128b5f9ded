//! The sound backward sweep (CROWN): from multipliers to a lower bound, all rounding charged.
//!
//! A functional f = Σ aᵢ zᵢ of a node's values is rewritten node by node, last to first, as a functional of earlier nodes
//! that is nowhere larger on the domain: affine nodes by Wᵀ a, nonlinear ones by the line below (a ≥ 0) or above (a < 0).
//! Over the inputs it is minimised at a corner of the box. Lifts subtract g·(z − l) ≥ 0 or g·(u − z) ≥ 0 on the way, for
//! known bounds l ≤ z ≤ u of the domain: the multipliers of split constraints (β-CROWN, Wang et al. 2021) and of LP bound
//! duals. Slopes and lifts are free: any values give a bound, only its quality depends on them.

use super::charge::Charges;
use super::eliminate::State;
use crate::net::{
    Boxes, Drawn, DrawnLines, Function, Lines, Matrix, Network, NodeId, Op, Relaxation, Semantics,
    column,
};
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::OnceLock;

/// The bounds and relaxations of a network's nodes over a batch of domains, as far as they are known.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// Boxes of the nodes, one column a domain.
    pub boxes: Vec<Boxes>,
    /// Lines of the nonlinear nodes over these boxes, drawn when first needed.
    relaxations: Vec<OnceLock<Relaxation>>,
    /// What evaluation in single precision adds to affine nodes over these boxes, computed when first needed.
    rounded: Vec<OnceLock<Option<Matrix>>>,
}

impl Layers {
    /// Adds the boxes of the next node.
    pub fn push(&mut self, boxes: Boxes) {
        self.boxes.push(boxes);
        self.relaxations.push(OnceLock::new());
        self.rounded.push(OnceLock::new());
    }

    /// What evaluation in single precision adds to an affine node (elements × domains), where it does ([`Network::rounded`]).
    #[must_use]
    pub fn rounded(&self, net: &Network, id: NodeId) -> Option<Cow<'_, Matrix>> {
        if net.semantics() == Semantics::Real {
            return None;
        }
        match self.rounded.get(id) {
            Some(known) => {
                known.get_or_init(|| net.rounded(id, &self.boxes)).as_ref().map(Cow::Borrowed)
            }
            // Where a sweep starts, the node's own boxes are not known yet.
            None => net.rounded(id, &self.boxes).map(Cow::Owned),
        }
    }

    /// The relaxation of an elementwise node over the boxes of its operands. `None` of other nodes, which need none, and of one whose own
    /// boxes are not known yet, where a sweep may start.
    #[must_use]
    pub fn relaxation(&self, net: &Network, id: NodeId) -> Option<&Relaxation> {
        let Op::Elementwise(function, operands) = &net.node(id).op else { return None };
        let boxes = || operands.iter().map(|&x| &self.boxes[x]).collect::<Vec<_>>();
        Some(self.relaxations.get(id)?.get_or_init(|| function.relax(&boxes())))
    }
}

/// Slopes and intercepts of the lines beside a function that a functional with coefficients a meets on domain `d`: those of the relaxation
/// or, where lines are not through the origin, those of the parameters chosen.
pub(super) fn lines_of<'a>(
    function: Function,
    lines: &'a Relaxation,
    (a, chosen): (&[f64], Option<&[f64]>),
    boxes: &[&Boxes],
    d: usize,
) -> Drawn<'a> {
    let own = |lines: &'a Lines| {
        let slopes = |k: usize| lines.slopes.get(k).map_or(&[][..], |slopes| column(slopes, d));
        DrawnLines {
            slopes: [Cow::Borrowed(slopes(0)), Cow::Borrowed(slopes(1))],
            intercept: Cow::Borrowed(column(&lines.intercept, d)),
        }
    };
    let mut drawn = Drawn { below: own(&lines.lower), above: own(&lines.upper) };
    if let Some(chosen) = chosen.filter(|_| !lines.through_origin) {
        let ends: Vec<_> =
            boxes.iter().map(|x| [column(&x.lower, d), column(&x.upper, d)]).collect();
        function.choose(a, chosen, &ends, &mut drawn);
    }
    drawn
}

/// Where a sweep starts: k functionals of one node's values, one a column.
#[derive(Debug, Clone)]
pub enum Start<'a> {
    /// ± single elements: (element, negated).
    Units(&'a [(usize, bool)]),
    /// Coefficients (elements × k).
    Dense(&'a Matrix),
}

impl Start<'_> {
    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Units(units) => units.len(),
            Self::Dense(matrix) => matrix.ncols(),
        }
    }
}

/// A multiplier g on a known bound of an element: f − g·(z − l) for g > 0, f − |g|·(u − z) for g < 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lift {
    /// Column of the functional.
    pub column: usize,
    /// Element of the node.
    pub element: usize,
    /// g; its sign names the bound.
    pub multiplier: f64,
}

/// What search proposes: slopes of unstable ReLUs and lifts. Values out of range are clamped or ignored, so any content is
/// sound.
#[derive(Debug, Clone, Default)]
pub struct Multipliers {
    /// Per node: lower slopes α (elements × columns) of a ReLU node, used where the neuron is unstable.
    pub slopes: Vec<Option<Matrix>>,
    /// Per node: lifts on its elements.
    pub lifts: Vec<Vec<Lift>>,
}

impl Multipliers {
    /// Slopes by the area rule, no lifts.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    pub(super) fn slopes(&self, id: NodeId) -> Option<&Matrix> {
        self.slopes.get(id).and_then(Option::as_ref)
    }

    pub(super) fn lifts(&self, id: NodeId) -> &[Lift] {
        self.lifts.get(id).map_or(&[], Vec::as_slice)
    }
}

/// The result of a sweep, one entry or column a functional.
#[derive(Debug, Clone, Default)]
pub struct Swept {
    /// Lower bounds over the domains.
    pub bounds: Vec<f64>,
    /// Coefficients of the input (inputs × k): f ≥ coefficientsᵀ x + constants on the domain.
    pub coefficients: Matrix,
    /// Constants, rounding charged.
    pub constants: Vec<f64>,
    /// Per node, the functional's coefficients on its values just before it was eliminated; only where asked for.
    pub trace: Vec<Option<Matrix>>,
}

/// Backward sweeps over fixed layers.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// The network.
    pub net: &'a Network,
    /// Bounds and relaxations of the nodes that functionals may meet.
    pub layers: &'a Layers,
    /// Rounding charges valid on all the domains.
    pub charges: &'a Charges,
}

/// Columns swept at once are limited so that no coefficient matrix has more entries than this.
const CHUNK_ENTRIES: usize = 1 << 17;

impl Sweep<'_> {
    /// Lower bounds of k functionals of node `at`, with default multipliers; `domains[c]` is column c's domain. Large batches
    /// run in parallel chunks; the result does not depend on the number of threads.
    #[must_use]
    pub fn bounds(&self, at: NodeId, units: &[(usize, bool)], domains: &[usize]) -> Vec<f64> {
        let widest = self.net.nodes()[..=at].iter().map(|n| n.len).max().unwrap_or(1);
        let chunk = (CHUNK_ENTRIES / widest).max(16);
        let run = |(units, domains): (&[(usize, bool)], &[usize])| {
            self.run(at, &Start::Units(units), domains, &Multipliers::none(), false).bounds
        };
        if units.len() <= chunk {
            return run((units, domains));
        }
        units.par_chunks(chunk).zip(domains.par_chunks(chunk)).flat_map_iter(run).collect()
    }

    /// Sweeps k functionals of node `at`; `domains[c]` is the column of the layers' boxes that functional c lives on.
    ///
    /// # Panics
    /// Where `domains` has another length than there are functionals, or a matrix has the wrong shape.
    #[must_use]
    pub fn run(
        &self,
        at: NodeId,
        start: &Start,
        domains: &[usize],
        multipliers: &Multipliers,
        keep_trace: bool,
    ) -> Swept {
        self.sweep(at, start, domains, multipliers, keep_trace, false)
    }

    /// As [`Self::run`] without relaxations: nonlinear nodes end the sweep, minimised over their boxes. With interval
    /// boxes this is interval bound propagation with the functional merged into the last affine layer. The coefficients are kept.
    ///
    /// # Panics
    /// As [`Self::run`].
    #[must_use]
    pub fn interval(&self, at: NodeId, functionals: &Matrix, domains: &[usize]) -> Swept {
        self.sweep(at, &Start::Dense(functionals), domains, &Multipliers::none(), true, true)
    }

    fn sweep(
        &self,
        at: NodeId,
        start: &Start,
        domains: &[usize],
        multipliers: &Multipliers,
        keep_trace: bool,
        stop_at_nonlinear: bool,
    ) -> Swept {
        let k = start.columns();
        assert_eq!(domains.len(), k, "one domain a functional");
        let mut state = State::new(*self, at, domains, multipliers);
        let mut trace = vec![None; if keep_trace { at + 1 } else { 0 }];
        let first = state.begin(at, start);
        for id in (1..first).rev() {
            state.lift(id);
            if let Some(a) = state.take(id) {
                if stop_at_nonlinear && self.net.node(id).op.is_elementwise() {
                    state.minimise(id, &a);
                } else {
                    state.eliminate(id, &a);
                }
                if keep_trace {
                    trace[id] = Some(a);
                }
            }
        }
        let mut swept = state.finish();
        swept.trace = trace;
        swept
    }
}
