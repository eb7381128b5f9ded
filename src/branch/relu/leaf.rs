//! Domains with nothing left to split, by LP: the network is affine there (but for what is left of S-shaped neurons), and where ascent
//! leaves a gap, it is the multipliers of splits that are not right yet.

use super::batch::{Bounded, Goals};
use super::domain::Domain;
use crate::bound::Start;
use crate::branch::doubt::{Lines, Neuron, hints_of_duals, in_full};
use crate::branch::tree::Refutation;
use crate::lp::{Clarabel, LpBound, lower_in_leaf};
use crate::net::{Matrix, NodeId};
use std::time::Duration;

/// What the LP of a leaf found.
pub struct Leaf {
    /// A lower bound of the goal's functional.
    pub bound: f64,
    /// Where the solver sees the minimum: where the bound does not suffice, a candidate for a counterexample.
    pub point: Option<Vec<f64>>,
    /// The sum of the weights of a polytope's half-spaces in it.
    pub weight: f64,
    /// The multipliers that give the bound, if the search is recorded.
    pub refutation: Option<Refutation>,
}

impl Goals<'_> {
    /// Bounds the domain in column `d` by LP. A recorded bound is that of the multipliers as they are written down.
    pub(super) fn leaf(
        &self,
        bounded: &Bounded,
        domain: &Domain,
        d: usize,
        time: Option<Duration>,
    ) -> Leaf {
        let sweep = bounded.analysis.sweep();
        let row = self.rows.column(domain.goal as usize);
        let mut splits: Vec<(NodeId, usize)> =
            domain.splits.iter().map(|split| (split.node, split.element)).collect();
        let measured = |node| (0..self.targets.len()).map(move |half| (node, half));
        splits.extend(self.measures.into_iter().flat_map(measured));
        splits.sort_unstable();
        splits.dedup();
        let LpBound { bound, mut multipliers, point, .. } =
            lower_in_leaf(sweep, row.as_slice(), d, &splits, &Clarabel, time);
        let goal = domain.goal as usize;
        let lifts = multipliers.lifts.iter().enumerate();
        let lifts = lifts
            .flat_map(|(node, lifts)| lifts.iter().map(move |l| (node, l.element, l.multiplier)));
        let (_, weight) = self.together(goal, lifts);
        if self.spare.is_none() {
            return Leaf { bound, point, weight, refutation: None };
        }
        multipliers
            .slopes
            .iter_mut()
            .flatten()
            .for_each(|s| s.apply(|s| *s = f64::from(*s as f32)));
        let rows = Matrix::from_column_slice(row.len(), 1, row.as_slice());
        let swept = sweep.run(self.at, &Start::Dense(&rows), &[d], &multipliers, false);
        // What is left of the interval of a split neuron, and so of every lift, is a checker's own.
        let stable = |&(_, z, i): &Neuron, _| !Lines::of(bounded.ends(), z, i, d).unstable;
        let hints = hints_of_duals(&multipliers, &self.unstable, stable);
        let hints = in_full(hints, bounded.ends(), d, true);
        let how = Refutation { hints, ..Refutation::default() };
        let refutation = Some(self.weighted(how, goal));
        Leaf { bound: swept.bounds[0], point, weight, refutation }
    }
}
