//! Proofs without splits: optimised slopes and LP duals at the bounds of a whole region.

use super::Plan;
use crate::bound::{
    Analysis, Climb, Climbed, Functionals, Goal, Intermediate, Start, climb, default_in_doubt,
    default_slope, default_slopes,
};
use crate::branch::{
    ClaimRecord, Hints, Limits, Neuron, Refutation, crown, hints_of, hints_of_duals, in_full,
    refuted_by, spare, unstable,
};
use crate::lp::{Clarabel, TriangleLp};
use crate::net::{Matrix, Network};
use crate::spec::Claim;
use std::time::{Duration, Instant};

/// Sweeps of one claim's region that refute all its polytopes: at default slopes and, as planned, at optimised ones and by
/// linear programs. `None` where one polytope resists.
pub(super) fn by_relaxations(
    net: &Network,
    claim: &Claim,
    plan: &Plan,
    limits: &Limits,
) -> Option<ClaimRecord> {
    let functionals = Functionals::of(claim, net.outputs());
    let analysis = Analysis::of_region(net, &claim.region.boxes(), Intermediate::Crown);
    let plain = analysis.lower(&functionals.matrix, &vec![0; functionals.len()]);
    let spares: Vec<f64> = (0..functionals.len())
        .map(|c| {
            let functional = functionals.matrix.column(c);
            spare(net, &analysis.charges, &claim.region, &plain, c, functional.as_slice())
        })
        .collect();
    let mut lows = plain.bounds;
    let neurons = unstable(&analysis, 0);
    let omitted = |&(_, z, i): &Neuron, slope: f64| {
        let boxes = &analysis.layers.boxes[z];
        let (l, u) = (boxes.lower[i], boxes.upper[i]);
        slope == default_slope(l, u) && !default_in_doubt(l, u)
    };
    let refuted = refuted_by(&analysis, &functionals, &lows, &spares);
    let mut record = ClaimRecord { lines: vec![crown(&analysis)], refuted, trees: Vec::new() };
    let open = functionals.open_polytopes(&lows);
    if open.is_empty() {
        return Some(record);
    }
    if !plan.slopes {
        return None;
    }
    let columns = functionals.open(&lows);
    let climbed = climbed(&analysis, &functionals, &columns, &lows, &spares);
    let mut programs: Option<TriangleLp> = None;
    for polytope in open {
        // A bound that the checker may doubt is written down with every slope.
        let found = |bound: f64, target: f64, spare: f64, hints: &dyn Fn(bool) -> Hints| {
            let sure = bound > target + spare;
            (bound > target).then(|| in_full(hints(sure), &analysis, 0, !sure))
        };
        let mut hints: Option<Hints> = None;
        for &(c, target) in &polytope.halves {
            let Ok(column) = columns.binary_search(&c) else { continue };
            lows[c] = lows[c].max(climbed.bounds[column]);
            hints = found(climbed.bounds[column], target, spares[c], &|sure| {
                let omitted = |neuron: &Neuron, slope| sure && omitted(neuron, slope);
                hints_of(&climbed.slopes, &[], column, &neurons, omitted)
            });
            if hints.is_some() {
                break;
            }
        }
        if hints.is_none() && plan.linear_programs {
            let wanted = vec![true; net.outputs()];
            let new =
                || TriangleLp::new(analysis.sweep(), net.output(), &wanted, 0, &[], &Clarabel);
            let programs = programs.get_or_insert_with(new);
            for &(c, target) in &polytope.halves {
                let functional: Vec<f64> = functionals.matrix.column(c).iter().copied().collect();
                let solved = programs.lower(&functional, Some(left(limits)?));
                hints = found(solved.bound, target, spares[c], &|sure| {
                    let omitted = |neuron: &Neuron, slope| sure && omitted(neuron, slope);
                    hints_of_duals(&solved.multipliers, &neurons, omitted)
                });
                if hints.is_some() {
                    break;
                }
            }
        }
        record.refuted.push((polytope.index, Refutation { weights: Vec::new(), hints: hints? }));
    }
    Some(record)
}

/// The time left, `None` where it is over.
fn left(limits: &Limits) -> Option<Duration> {
    let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
    limits.passed().is_none().then(|| limits.deadline.map_or(Duration::MAX, left))
}

/// Slopes optimised for the functionals that are still open.
fn climbed(
    analysis: &Analysis,
    functionals: &Functionals,
    columns: &[usize],
    lows: &[f64],
    spares: &[f64],
) -> Climbed {
    let mut targets = vec![f64::NEG_INFINITY; functionals.len()];
    for polytope in functionals.open_polytopes(lows) {
        polytope.halves.iter().for_each(|&(c, b)| targets[c] = targets[c].max(b + spares[c]));
    }
    let targets: Vec<f64> = columns.iter().map(|&c| targets[c]).collect();
    let rows: Matrix = functionals.matrix.select_columns(columns);
    let (sweep, at, domains) = (analysis.sweep(), analysis.net.output(), vec![0; columns.len()]);
    let start = Start::Dense(&rows);
    let goal = Goal { at, start: &start, domains: &domains, targets: &targets };
    climb(&sweep, goal, default_slopes(&sweep, at, &domains), Vec::new(), Climb::default())
}
