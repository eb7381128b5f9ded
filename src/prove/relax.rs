//! Proofs without splits: optimised slopes and LP duals at the bounds of a whole region.

use super::{Body, Plan};
use crate::bound::{
    Analysis, Climb, Climbed, Functionals, Goal, Intermediate, OpenPolytope, Start, Swept, climb,
    default_in_doubt, default_slope, default_slopes,
};
use crate::branch::{
    ClaimRecord, Ends, Hints, Limits, Neuron, Refutation, crown, hints_of, hints_of_duals, in_full,
    refuted_by, spare, unstable,
};
use crate::lp::{Clarabel, TriangleLp};
use crate::net::{Matrix, Network};
use crate::spec::Claim;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// By how much a bound must exceed what it has to where no domain says more, relative and absolute.
const SPARE: f64 = 1e-6;

/// What bounds of one claim's region prove it: sweeps at default slopes over intervals, and intervals alone; where `deep` is set also CROWN
/// and, as planned, optimised slopes and linear programs. `None` where one polytope resists.
pub(super) fn by_relaxations(
    net: &Network,
    claim: &Claim,
    deep: bool,
    plan: &Plan,
    limits: &Limits,
) -> Option<Body> {
    let functionals = Functionals::of(claim, net.outputs());
    let domains = vec![0; functionals.len()];
    let analysis = Analysis::of_region(net, &claim.region.boxes(), Intermediate::Interval);
    let swept = analysis.lower(&functionals.matrix, &domains);
    let sure = |low: &f64| low - SPARE * (1.0 + low.abs());
    let sure: Vec<f64> = swept.bounds.iter().map(sure).collect();
    if functionals.proved_by(&sure) {
        return Some(Body::Bounds);
    }
    let at_once = refuted_at_once(&analysis, &functionals, &swept.bounds);
    if at_once.len() == functionals.polytopes() {
        let refuted = at_once.into_iter().collect();
        return Some(Body::Relus(ClaimRecord { refuted, ..ClaimRecord::default() }));
    }
    if deep { further(net, claim, &functionals, at_once, plan, limits) } else { None }
}

/// Polytopes that sweeps over plain intervals exclude, or intervals alone: written in full, this holds whatever else is known.
fn refuted_at_once(
    analysis: &Analysis,
    functionals: &Functionals,
    lows: &[f64],
) -> BTreeMap<usize, Refutation> {
    let at = analysis.net.output();
    let intervals = analysis.sweep().interval(at, &functionals.matrix, &vec![0; functionals.len()]);
    let all = functionals.open_polytopes(&vec![f64::NEG_INFINITY; functionals.len()]);
    let of = |polytope: OpenPolytope| {
        let excluded = |lows: &[f64]| {
            let by = |(half, &(column, bound)): (usize, &(usize, f64))| {
                (lows[column] > bound).then_some((half, column))
            };
            polytope.halves.iter().enumerate().find_map(by)
        };
        let (half, hints) = if let Some((half, _)) = excluded(lows) {
            (half, in_full(Hints::default(), Ends::all(analysis), 0, true))
        } else {
            let (half, column) = excluded(&intervals.bounds)?;
            (half, ended(analysis, &intervals, column))
        };
        Some((polytope.index, Refutation { weights: vec![(half, 1.0)], hints }))
    };
    all.into_iter().filter_map(of).collect()
}

/// Hints that end a sweep of a functional at the ReLUs that it comes to first, each at an end of its interval: flat lines, and of a ReLU
/// that is active and counts from below its pre-activation, lifted.
fn ended(analysis: &Analysis, intervals: &Swept, column: usize) -> Hints {
    let (mut slopes, mut uppers, mut lifts) = (Vec::new(), Vec::new(), Vec::new());
    for (relu, z) in analysis.net.relus() {
        let Some(Some(coefficients)) = intervals.trace.get(relu) else { continue };
        for i in 0..coefficients.nrows() {
            let (a, name) = (coefficients[(i, column)], (relu as u32, i as u32));
            if a < 0.0 {
                uppers.push((name.0, name.1, 0.0));
            } else if a > 0.0 {
                let active = analysis.layers.boxes[z].lower[i] > 0.0;
                slopes.push((name.0, name.1, f32::from(u8::from(active))));
                lifts.extend(active.then_some((z as u32, name.1, a)));
            }
        }
    }
    Hints { slopes: slopes.into(), uppers: uppers.into(), lifts: lifts.into() }
}

/// As [`by_relaxations`], from CROWN on.
fn further(
    net: &Network,
    claim: &Claim,
    functionals: &Functionals,
    mut at_once: BTreeMap<usize, Refutation>,
    plan: &Plan,
    limits: &Limits,
) -> Option<Body> {
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
    let refuted = refuted_by(&analysis, functionals, &lows, &spares);
    let mut record = ClaimRecord { lines: vec![crown(&analysis)], refuted, trees: Vec::new() };
    let mut open = functionals.open_polytopes(&lows);
    open.retain(|polytope| {
        let known = at_once.remove_entry(&polytope.index);
        let open = known.is_none();
        record.refuted.extend(known);
        open
    });
    if open.is_empty() {
        return Some(Body::Relus(record));
    }
    if !plan.slopes {
        return None;
    }
    let columns = functionals.open(&lows);
    let climbed = climbed(&analysis, functionals, &columns, &lows, &spares);
    let mut programs: Option<TriangleLp> = None;
    for polytope in open {
        // A bound that the checker may doubt is written down with every slope.
        let found = |bound: f64, target: f64, spare: f64, hints: &dyn Fn(bool) -> Hints| {
            let sure = bound > target + spare;
            (bound > target).then(|| in_full(hints(sure), Ends::all(&analysis), 0, !sure))
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
    Some(Body::Relus(record))
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
