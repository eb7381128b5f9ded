//! A smallest perturbation: an upper bound of an input's distance to the unsafe set, attained by a counterexample.

use super::problem::Problem;
use super::{AttackSettings, Counterexample, fab};
use crate::net::column;
use crate::num::Rational;
use crate::query::Query;

/// The nearest counterexample found in a ball.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// The point.
    pub counterexample: Counterexample,
    /// How far out it lies, exactly, in radii of the ball: its share of the ball's radius in the max norm, the square of
    /// that in the Euclidean one ([`crate::spec::Region::size`]).
    pub size: Rational,
    /// That share as a double, rounded up. No radius from this share on can be certified.
    pub share: f64,
}

/// By how much a point is moved outwards, relatively, where it is too near to the unsafe set's boundary to be validated.
const OUTWARD: [f64; 5] = [0.0, 1e-8, 1e-6, 1e-4, 1e-2];

/// Looks, in a query's ball, for the counterexample nearest to its centre, with `settings.restarts` starts of `settings.steps` steps
/// of the boundary attack ([`super::AttackKind::Fab`]) towards each of the nine polytopes nearest to the centre's outputs.
/// The ball bounds the search: one as large as the domain leaves it free.
/// `None` also where the region is no [part of a ball](crate::spec::Region::around).
#[must_use]
pub fn minimum_norm(
    query: &Query,
    settings: &AttackSettings,
    seed: u64,
    stop: &dyn Fn() -> bool,
) -> Option<Nearest> {
    query.property().claims[0].region.around()?;
    let problem = Problem::of(query, 0, stop);
    if problem.objective.len() == 0 {
        return None;
    }
    let mut candidates = vec![(0.0, problem.centre.clone())];
    for reached in fab::nearest(&problem, settings, seed) {
        let finite = reached.sizes.iter().enumerate().filter(|(_, size)| size.is_finite());
        candidates.extend(finite.map(|(c, &size)| (size, column(&reached.points, c).to_vec())));
    }
    candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut best: Option<Nearest> = None;
    for (size, point) in candidates {
        // Rounding and the way outwards make a point at most so much larger: what is behind that need not be looked at.
        if best.as_ref().is_some_and(|best| size > best.share) {
            break;
        }
        let found = OUTWARD.iter().find_map(|more| {
            let moved: Vec<f64> = point
                .iter()
                .zip(&problem.centre)
                .map(|(x, c)| c + (1.0 + more) * (x - c))
                .collect();
            located(&problem, &moved)
        });
        if let Some(found) = found
            && best.as_ref().is_none_or(|best| found.size < best.size)
        {
            best = Some(found);
        }
    }
    best
}

fn located(problem: &Problem, point: &[f64]) -> Option<Nearest> {
    let counterexample = problem.validate(point)?;
    let size = problem.region().size(counterexample.exact_input())?;
    let share = problem.norm.length_of(&size);
    Some(Nearest { counterexample, size, share })
}
