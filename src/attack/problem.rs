//! One claim under attack: the box to search, the objective, and the counterexamples found so far.

use super::objective::Objective;
use super::random::SplitMix64;
use super::{Counterexample, validate};
use crate::net::{Matrix, Network};
use crate::spec::Property;

/// What every attack needs to know.
pub(super) struct Problem<'a> {
    pub(super) net: &'a Network,
    pub(super) property: &'a Property,
    pub(super) claim: usize,
    pub(super) objective: Objective,
    pub(super) stop: &'a dyn Fn() -> bool,
    /// Ends and half-widths of the outward-rounded box, finite; validation moves points into the exact region.
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
    pub(super) half_width: Vec<f64>,
}

/// Values of all nodes that a batch may take, in numbers: 64 MB of doubles.
const MAX_BATCH_VALUES: usize = 1 << 23;

impl<'a> Problem<'a> {
    pub(super) fn new(
        net: &'a Network,
        property: &'a Property,
        claim: usize,
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        let region = &property.claims[claim].region;
        assert_eq!(region.dimension(), net.inputs(), "a region of the network's inputs");
        let finite = |ends: &[f64]| -> Vec<f64> {
            ends.iter().map(|x| x.clamp(-f64::MAX / 4.0, f64::MAX / 4.0)).collect()
        };
        let (lower, upper) = (finite(region.lower()), finite(region.upper()));
        let half_width = lower.iter().zip(&upper).map(|(l, u)| 0.5 * (u - l)).collect();
        let objective = Objective::new(&property.claims[claim].unsafe_set);
        Self { net, property, claim, objective, stop, lower, upper, half_width }
    }

    /// Fills `x` with a uniformly drawn point of the box.
    pub(super) fn draw(&self, rng: &mut SplitMix64, x: &mut [f64]) {
        for ((x, l), h) in x.iter_mut().zip(&self.lower).zip(&self.half_width) {
            *x = l + 2.0 * h * rng.unit();
        }
    }

    /// Fills `x` with the centre of the box.
    pub(super) fn centre(&self, x: &mut [f64]) {
        for ((x, l), u) in x.iter_mut().zip(&self.lower).zip(&self.upper) {
            *x = 0.5 * l + 0.5 * u;
        }
    }

    /// How many points may share a batch.
    pub(super) fn max_columns(&self) -> usize {
        max_columns(self.net)
    }
}

/// How many points may share a batch of this network within a fixed memory.
pub(super) fn max_columns(net: &Network) -> usize {
    let values: usize = net.nodes().iter().map(|n| n.len).sum();
    (MAX_BATCH_VALUES / values).clamp(1, 1024)
}

/// The best counterexample found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    best: Option<Counterexample>,
}

impl Findings {
    /// Validates a candidate. True when the search may end: it holds in real and in single-precision arithmetic.
    pub(super) fn propose(&mut self, problem: &Problem, point: &[f64]) -> bool {
        let Some(found) = validate(problem.net, problem.property, problem.claim, point) else {
            return false;
        };
        let settled = found.holds_in_f32();
        if self.best.as_ref().is_none_or(|best| found.better_than(best)) {
            self.best = Some(found);
        }
        settled
    }

    /// Whether anything was found.
    pub(super) fn any(&self) -> bool {
        self.best.is_some()
    }

    /// The best found.
    pub(super) fn into_best(self) -> Option<Counterexample> {
        self.best
    }
}

/// Column `c` of a column-major matrix.
pub(super) fn column(matrix: &Matrix, c: usize) -> &[f64] {
    &matrix.as_slice()[c * matrix.nrows()..(c + 1) * matrix.nrows()]
}

/// Column `c` of a column-major matrix, to write to.
pub(super) fn column_mut(matrix: &mut Matrix, c: usize) -> &mut [f64] {
    let rows = matrix.nrows();
    &mut matrix.as_mut_slice()[c * rows..(c + 1) * rows]
}
