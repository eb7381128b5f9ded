//! The LP as a stage of verification: open polytopes one by one, until one stays open.

use super::{DualSolver, TriangleLp, reached};
use crate::bound::{Analysis, Functionals, Multipliers, OpenPolytope, Start};
use std::time::Duration;

/// What the LP did for a claim.
#[derive(Debug, Clone, Default)]
pub struct Raised {
    /// LPs solved.
    pub programs: usize,
    /// Inputs where the LPs of the polytope that stayed open have their minimum: candidates for counterexamples.
    pub candidates: Vec<Vec<f64>>,
}

/// Raises the lower bounds of a claim's functionals by LP until the claim is proved or one polytope stays open; the polytope
/// that is farthest from excluded comes first, of a polytope the half-space that is nearest.
///
/// `left` is asked before every LP for the time left; it returns `None` to stop.
///
/// # Panics
/// Where the functionals are not of the outputs.
pub fn raise(
    analysis: &Analysis,
    functionals: &Functionals,
    lows: &mut [f64],
    solver: &dyn DualSolver,
    left: &dyn Fn() -> Option<Duration>,
) -> Raised {
    let mut raised = Raised::default();
    let open = functionals.open(lows);
    let wanted: Vec<bool> = (0..functionals.matrix.nrows())
        .map(|i| open.iter().any(|&c| functionals.matrix[(i, c)] != 0.0))
        .collect();
    let at = analysis.net.output();
    let mut lp = TriangleLp::new(analysis.sweep(), at, &wanted, 0, &[], solver);
    let mut solved = vec![false; functionals.len()];
    loop {
        let mut polytopes = functionals.open_polytopes(lows);
        polytopes.sort_by(|a, b| nearest_gap(a, lows).total_cmp(&nearest_gap(b, lows)));
        let Some(polytope) = polytopes.first() else { return raised };
        let next = polytope
            .halves
            .iter()
            .filter(|half| !solved[half.0])
            .max_by(|a, b| (lows[a.0] - a.1).total_cmp(&(lows[b.0] - b.1)));
        let (Some(&(column, _)), Some(time)) = (next, left()) else { return raised };
        let functional: Vec<f64> = functionals.matrix.column(column).iter().copied().collect();
        let result = lp.lower(&functional, Some(time));
        raised.programs += 1;
        solved[column] = true;
        lows[column] = lows[column].max(result.bound);
        // Candidates matter where the last half-space left its polytope open.
        raised.candidates.clear();
        raised.candidates.extend(result.point);
    }
}

/// Whether LPs at these bounds could prove the claim: no open polytope holds, half-space by half-space, values that the
/// relaxation attains ([`reached`]). One sweep and one forward pass, no LP.
///
/// # Panics
/// As [`raise`].
#[must_use]
pub fn can_prove(analysis: &Analysis, functionals: &Functionals, lows: &[f64]) -> bool {
    let rows = &functionals.matrix;
    let (at, domains) = (analysis.net.output(), vec![0; functionals.len()]);
    let sweep = analysis.sweep();
    let swept = sweep.run(at, &Start::Dense(rows), &domains, &Multipliers::none(), true);
    let attained = reached(&sweep, at, rows, &swept, &domains);
    functionals
        .open_polytopes(lows)
        .iter()
        .all(|polytope| polytope.halves.iter().any(|&(column, bound)| attained[column] > bound))
}

fn nearest_gap(polytope: &OpenPolytope, lows: &[f64]) -> f64 {
    polytope.halves.iter().map(|&(c, b)| lows[c] - b).fold(f64::NEG_INFINITY, f64::max)
}
