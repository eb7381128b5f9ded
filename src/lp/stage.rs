//! The LP as a stage of verification: open polytopes one by one, until one stays open.

use super::{DualSolver, TriangleLp, reached};
use crate::bound::{
    Analysis, Climb, Climbed, Functionals, Goal, Multipliers, OpenPolytope, Start, climb,
    default_slopes,
};
use std::time::Duration;

/// What the LP did for a claim.
#[derive(Debug, Clone, Default)]
pub struct Raised {
    /// The LPs solved: functional, bound, and the multipliers that give it.
    pub multipliers: Vec<(usize, f64, Multipliers)>,
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
        solved[column] = true;
        lows[column] = lows[column].max(result.bound);
        // Candidates matter where the last half-space left its polytope open.
        raised.candidates.clear();
        raised.candidates.extend(result.point);
        raised.multipliers.push((column, result.bound, result.multipliers));
    }
}

/// What slope optimisation did for a claim.
#[derive(Debug, Clone)]
pub struct Prospect {
    /// The functionals that were open.
    pub columns: Vec<usize>,
    /// Their bounds, and what gives these.
    pub climbed: Climbed,
    /// Whether LPs could still prove the claim.
    pub promising: bool,
}

/// Raises the lower bounds of a claim's functionals by slope optimisation until each exceeds what it has to by its `spares`, and says
/// whether LPs could still prove the claim.
///
/// They could not where some open polytope holds, half-space by half-space, values that the relaxation attains ([`reached`]):
/// the LP's minimum is no larger. Slopes optimised to the end reach that same minimum, at a hundredth of an LP's cost
/// (docs/decisions.md); what remains is the little that lies between.
///
/// # Panics
/// As [`raise`].
pub fn prospect(
    analysis: &Analysis,
    functionals: &Functionals,
    lows: &mut [f64],
    spares: &[f64],
) -> Prospect {
    let open = functionals.open(lows);
    let rows = functionals.matrix.select_columns(&open);
    let (sweep, at, domains) = (analysis.sweep(), analysis.net.output(), vec![0; open.len()]);
    let mut targets = vec![f64::NEG_INFINITY; functionals.len()];
    for polytope in functionals.open_polytopes(lows) {
        polytope.halves.iter().for_each(|&(c, b)| targets[c] = targets[c].max(b + spares[c]));
    }
    let targets: Vec<f64> = open.iter().map(|&c| targets[c]).collect();
    let start = Start::Dense(&rows);
    let plain = sweep.run(at, &start, &domains, &Multipliers::none(), true);
    let goal = Goal { at, start: &start, domains: &domains, targets: &targets };
    let slopes = default_slopes(&sweep, at, &domains);
    let climbed = climb(&sweep, goal, slopes, Vec::new(), Climb::default());
    let mut attained = vec![f64::INFINITY; functionals.len()];
    let all: Vec<usize> = (0..open.len()).collect();
    let below: Vec<usize> =
        all.iter().copied().filter(|&c| climbed.bounds[c] <= targets[c]).collect();
    let again = climbed.sweep_again(&sweep, &goal, &below);
    for (swept, columns) in [(&plain, &all), (&again, &below)] {
        let rows = rows.select_columns(columns);
        let values = reached(&sweep, at, &rows, swept, &vec![0; columns.len()]);
        for (&column, value) in columns.iter().zip(values) {
            let c = open[column];
            attained[c] = attained[c].min(value);
        }
    }
    for (&c, bound) in open.iter().zip(&climbed.bounds) {
        lows[c] = lows[c].max(*bound);
    }
    let promising = functionals
        .open_polytopes(lows)
        .iter()
        .all(|polytope| polytope.halves.iter().any(|&(c, bound)| attained[c] > bound));
    Prospect { columns: open, climbed, promising }
}

fn nearest_gap(polytope: &OpenPolytope, lows: &[f64]) -> f64 {
    polytope.halves.iter().map(|&(c, b)| lows[c] - b).fold(f64::NEG_INFINITY, f64::max)
}
