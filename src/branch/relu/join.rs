//! Polytopes of several half-spaces. An input reaches { y : fₕ(y) ≤ bₕ } only where every fₕ(y) − bₕ ≤ 0, so that a search for one of
//! them knows the others: as upper ends of a node that measures all of them, each with a multiplier of its own, as with the sign of a
//! split. f₁ − b₁ + Σ λₕ (fₕ − bₕ) > 0 for any λ ≥ 0 excludes the polytope, with the weights 1 and λ (Lagrangian duality). Where nothing
//! that bends bears on one half-space, another one is bounded.

use super::batch::{Goals, Seed};
use crate::bound::{Analysis, Functionals, OpenPolytope};
use crate::branch::tree::Refutation;
use crate::net::{LinearMap, Matrix, Network, NodeId};

/// The network that measures the half-spaces of a polytope: its outputs are fₕ(y) − bₕ, copied from the node before.
#[derive(Debug)]
pub struct Joined {
    net: Network,
    columns: Vec<usize>,
}

impl Joined {
    /// `None` where there is one half-space or none, or a number is beyond doubles.
    #[must_use]
    pub(super) fn of(
        net: &Network,
        functionals: &Functionals,
        polytope: &OpenPolytope,
    ) -> Option<Self> {
        if polytope.halves.len() < 2 {
            return None;
        }
        let columns: Vec<usize> = polytope.halves.iter().map(|half| half.0).collect();
        let rows = functionals.matrix.select_columns(&columns).transpose();
        let bias = polytope.halves.iter().map(|half| -half.1).collect();
        let net = net.measured(LinearMap::from_matrix(rows), bias).ok()?;
        Some(Self { net, columns })
    }

    /// The node of the measures.
    fn measures(&self) -> NodeId {
        self.net.output() - 1
    }

    /// The analysis of the same region, in the polytope, for the network that measures it.
    #[must_use]
    pub(super) fn carry<'a>(&'a self, root: &Analysis) -> Analysis<'a> {
        Analysis::of_boxes(&self.net, |id, layers| {
            if id < self.measures() {
                return root.layers.boxes[id].clone();
            }
            let mut boxes = self.net.enclose_node(id, &root.layers.boxes[0], &layers.boxes);
            if id == self.measures() {
                boxes.upper.apply(|end| *end = end.min(0.0));
            }
            boxes
        })
    }

    /// A goal for each half-space; `spare` as of [`Goals`], one a functional.
    #[must_use]
    pub(super) fn goals<'a>(&self, analysis: &'a Analysis<'a>, spare: Option<&[f64]>) -> Goals<'a> {
        let count = self.columns.len();
        let spare = spare.map(|spare| self.columns.iter().map(|&column| spare[column]).collect());
        let rows = Matrix::identity(count, count);
        let seed = Seed {
            cuts: (0..count).map(|half| (self.measures(), half, false)).collect(),
            sizes: vec![0.0; count],
            slopes: None,
        };
        let mut goals = Goals::new(analysis, self.net.output(), rows, vec![0.0; count], spare);
        (goals.seed, goals.measures) = (seed, Some(self.measures()));
        goals
    }
}

impl Goals<'_> {
    /// What excludes a polytope of several half-spaces, in the words of a proof: multipliers of measures are weights.
    pub(super) fn weighted(&self, how: Refutation, goal: usize) -> Refutation {
        let Some(measures) = self.measures else { return how };
        let mut weights = vec![0.0; self.targets.len()];
        weights[goal] = 1.0;
        let Refutation { mut hints, .. } = how;
        let is_measure = |lift: &(u32, u32, f64)| lift.0 as usize == measures;
        for (_, half, g) in hints.lifts.iter().filter(|lift| is_measure(lift)) {
            weights[*half as usize] += g.abs();
        }
        hints.lifts = hints.lifts.into_iter().filter(|lift| !is_measure(lift)).collect();
        let weights = weights.into_iter().enumerate().filter(|(_, weight)| *weight > 0.0).collect();
        Refutation { weights, hints }
    }

    /// What is spare of a functional with these multipliers of measures, per goal; and the sum of all weights.
    pub(super) fn together(
        &self,
        goal: usize,
        lifts: impl Iterator<Item = (NodeId, usize, f64)>,
    ) -> (f64, f64) {
        let of = |half: usize| self.spare.as_ref().map_or(0.0, |spare| spare[half]);
        let own = lifts.filter(|lift| Some(lift.0) == self.measures);
        own.fold((of(goal), 1.0), |(spare, sum), (_, half, g)| {
            (spare + g.abs() * of(half), sum + g.abs())
        })
    }
}
