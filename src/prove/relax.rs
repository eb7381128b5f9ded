//! Proofs without splits: optimised slopes and LP duals at the bounds of a whole region.

use super::Plan;
use crate::bound::{
    Analysis, Climb, Climbed, Functionals, Goal, Intermediate, Start, climb, default_slope,
    default_slopes,
};
use crate::branch::{
    Care, ClaimRecord, Hints, Improve, Limits, Neuron, Refutation, hints_of, hints_of_duals,
};
use crate::lp::{Clarabel, TriangleLp};
use crate::net::{Matrix, Network, NodeId};
use crate::spec::Claim;
use std::time::{Duration, Instant};

/// Sweeps of one claim's region that refute all its polytopes: at default slopes and, as planned, at optimised ones and by
/// linear programs. `None` where one polytope resists.
pub(super) fn by_relaxations(
    net: &Network,
    claim: &Claim,
    plan: &Plan,
    care: Care,
    limits: &Limits,
) -> Option<ClaimRecord> {
    let functionals = Functionals::of(claim, net.outputs());
    let analysis = Analysis::of_region(net, &claim.region.boxes(), Intermediate::Crown);
    let plain = analysis.lower(&functionals.matrix, &vec![0; functionals.len()]);
    let region = &claim.region;
    let spare = |c: usize| {
        let functional = functionals.matrix.column(c);
        care.spare(net, &analysis.charges, region, &plain, c, functional.as_slice())
    };
    let mut lows: Vec<f64> =
        plain.bounds.iter().enumerate().map(|(c, low)| low - spare(c)).collect();
    let neurons = unstable(&analysis);
    let omitted = |&(_, z, i): &Neuron, slope: f64| {
        let boxes = &analysis.layers.boxes[z];
        let default = default_slope(boxes.lower[i], boxes.upper[i]);
        !care.complete && slope == default
    };
    let mut record = ClaimRecord { lines: vec![Improve::CROWN], ..ClaimRecord::default() };
    let open = functionals.open_polytopes(&lows);
    let closed = |index: &usize| open.iter().all(|polytope| polytope.index != *index);
    let all = 0..claim.unsafe_set.len();
    record.refuted.extend(all.filter(closed).map(|index| (index, Refutation::default())));
    if open.is_empty() {
        return Some(record);
    }
    if !plan.slopes {
        return None;
    }
    let columns = functionals.open(&lows);
    let climbed = climbed(&analysis, &functionals, &columns, &lows, &spare);
    let mut programs: Option<TriangleLp> = None;
    for polytope in open {
        let mut found: Option<Hints> = None;
        for &(c, bound) in &polytope.halves {
            let Ok(column) = columns.binary_search(&c) else { continue };
            lows[c] = lows[c].max(climbed.bounds[column] - spare(c));
            if lows[c] > bound {
                found = Some(hints_of(&climbed.slopes, &[], column, &neurons, omitted));
                break;
            }
        }
        if found.is_none() && plan.linear_programs {
            let wanted = vec![true; net.outputs()];
            let new =
                || TriangleLp::new(analysis.sweep(), net.output(), &wanted, 0, &[], &Clarabel);
            let programs = programs.get_or_insert_with(new);
            for &(c, bound) in &polytope.halves {
                let functional: Vec<f64> = functionals.matrix.column(c).iter().copied().collect();
                let solved = programs.lower(&functional, Some(left(limits)?));
                if solved.bound - spare(c) > bound {
                    found = Some(hints_of_duals(&solved.multipliers, &neurons, omitted));
                    break;
                }
            }
        }
        let refutation = Refutation { weights: Vec::new(), hints: found? };
        record.refuted.push((polytope.index, refutation));
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
    spare: &dyn Fn(usize) -> f64,
) -> Climbed {
    let mut targets = vec![f64::NEG_INFINITY; functionals.len()];
    for polytope in functionals.open_polytopes(lows) {
        polytope.halves.iter().for_each(|&(c, b)| targets[c] = targets[c].max(b + spare(c)));
    }
    let targets: Vec<f64> = columns.iter().map(|&c| targets[c]).collect();
    let rows: Matrix = functionals.matrix.select_columns(columns);
    let (sweep, at, domains) = (analysis.sweep(), analysis.net.output(), vec![0; columns.len()]);
    let start = Start::Dense(&rows);
    let goal = Goal { at, start: &start, domains: &domains, targets: &targets };
    climb(&sweep, goal, default_slopes(&sweep, at, &domains), Vec::new(), Climb::default())
}

/// The neurons of unknown sign.
fn unstable(analysis: &Analysis) -> Vec<Neuron> {
    let relus = analysis.net.relus();
    let of = |(relu, z): (NodeId, NodeId)| {
        analysis.layers.boxes[z].of_unknown_sign().map(move |i| (relu, z, i))
    };
    relus.flat_map(of).collect()
}
