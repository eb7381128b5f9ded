//! Candidates for counterexamples, and their validation: a search proposes points, [`validate`] alone disposes.
//!
//! An attack looks for an input x of a claim's region whose output N(x) lies in the unsafe set, a union of polytopes. It
//! descends on the signed distance of N(x) to that set: for a classifier, the least margin y_label − yₜ. Whatever it
//! finds is a mere candidate until [`validate`] has moved it into the exact region and enclosed the network's real
//! output there; so nothing in this folder needs to be trusted but `counterexample.rs`.
//!
//! One attack, one file. All of them are deterministic functions of the network, the property, the settings and a seed.
//! [`attack`] searches a claim's region, [`minimum_norm`] the smallest perturbation; [`attack_suite`] runs several attacks side by side, and [`Masking`] judges from what they achieved
//! whether gradients mislead them.

mod apgd;
mod counterexample;
mod fab;
mod fgsm;
mod masking;
mod minimum;
mod norm;
mod objective;
mod pgd;
mod phases;
mod problem;
mod random;
mod search;
mod settings;
mod square;
mod suite;

pub use counterexample::{Counterexample, validate, validate_exactly};
pub use masking::{Gradients, Ladder, Masking, Sign, probe_gradients};
pub use minimum::minimum_norm;
pub use random::SplitMix64;
pub use search::{screen, search_batch};
pub use settings::{AttackKind, AttackSettings, Loss, Motion, Schedule};
pub use suite::{SuiteOutcome, attack_suite};

use crate::net::Semantics;
use crate::query::Query;
use problem::Problem;

/// Attacks one claim of a query, with the attacks of [`AttackSettings::kinds`] one after
/// the other.
///
/// Returns the best counterexample found: as soon as one holds in single precision too, that one; else, when the
/// search is over or `stop` says so, the one with the most slack. `stop` is asked before every step.
///
/// # Panics
/// Where the query has no such claim.
#[must_use]
pub fn attack(
    query: &Query,
    claim: usize,
    settings: &AttackSettings,
    seed: u64,
    stop: &dyn Fn() -> bool,
) -> Option<Counterexample> {
    search(&Problem::of(query, claim, stop), settings, seed)
}

/// The attacks one after the other, until one finds what also holds in single precision.
fn search(problem: &Problem, settings: &AttackSettings, seed: u64) -> Option<Counterexample> {
    if problem.objective.len() == 0 {
        return None;
    }
    let mut best: Option<Counterexample> = None;
    for kind in settings.kinds() {
        let found = match kind {
            AttackKind::Pgd => pgd::search(problem, settings, seed),
            AttackKind::Fgsm => fgsm::search(problem, settings, seed),
            AttackKind::ApgdCe => apgd::search(problem, settings, Loss::CrossEntropy, seed),
            AttackKind::ApgdDlr => apgd::search(problem, settings, Loss::Dlr, seed),
            AttackKind::Fab => fab::search(problem, settings, seed),
            AttackKind::Square => square::search(problem, settings, seed),
            AttackKind::None => None,
        };
        if let Some(found) = found
            && best.as_ref().is_none_or(|best| found.better_than(best))
        {
            best = Some(found);
        }
        if best.as_ref().is_some_and(Counterexample::holds_in_f32) || (problem.stop)() {
            break;
        }
    }
    best
}

/// Of a property with many claims, how many are attacked after all were screened: with tens of thousands of claims, one
/// attack on each would use up the time for proving them.
pub const MOST_CLAIMS: usize = 10;

/// Attacks a query: tries one candidate for every claim ([`screen`]), then attacks the most promising claims, at most
/// ten, until one is refuted.
#[must_use]
pub fn attack_any(
    query: &Query,
    settings: &AttackSettings,
    seed: u64,
    stop: &dyn Fn() -> bool,
) -> Option<Counterexample> {
    if settings.kinds().is_empty() {
        return None;
    }
    let (net, property) = (query.network(), query.property());
    let mut order: Vec<usize> = (0..property.claims.len()).collect();
    let mut in_doubt: Option<Counterexample> = None;
    if order.len() > 1 {
        let probes = screen(net, property, stop);
        order.sort_by(|&a, &b| probes.distances[a].total_cmp(&probes.distances[b]));
        for &claim in order.iter().take_while(|&&claim| probes.distances[claim] <= 0.0) {
            match validate(net, property, claim, probes.point(claim)) {
                Some(found) if found.holds_in_f32() => return Some(found),
                found => in_doubt = in_doubt.or(found),
            }
        }
    }
    for claim in order.into_iter().take(MOST_CLAIMS) {
        if stop() {
            break;
        }
        match attack(query, claim, settings, seed ^ claim as u64, stop) {
            Some(found) if found.holds_in_f32() => return Some(found),
            found => in_doubt = in_doubt.or(found),
        }
    }
    in_doubt.or_else(|| by_rounding(query, seed, stop))
}

/// Points at which rounding in single precision may violate a claim that holds over the real numbers, and where no gradient leads:
/// the middle of its region, two corners, and random points.
const ROUNDING_POINTS: usize = 32;

fn by_rounding(query: &Query, seed: u64, stop: &dyn Fn() -> bool) -> Option<Counterexample> {
    let (net, property) = (query.network(), query.property());
    if net.semantics() == Semantics::Real {
        return None;
    }
    let points = (0..property.claims.len().min(MOST_CLAIMS))
        .flat_map(|claim| (0..ROUNDING_POINTS).map(move |number| (claim, number)));
    points.take_while(|_| !stop()).find_map(|(claim, number)| {
        let region = &property.claims[claim].region;
        let mut random = SplitMix64::new(seed, number as u64);
        let point: Vec<f64> = match number {
            0 => region.midpoint(),
            1 => region.lower().to_vec(),
            2 => region.upper().to_vec(),
            _ => {
                let ends = region.lower().iter().zip(region.upper());
                ends.map(|(l, u)| l + random.unit() * (u - l)).collect()
            }
        };
        validate(net, property, claim, &point)
    })
}
