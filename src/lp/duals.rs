//! From a solver's duals to the sweep's multipliers: projected, clamped, and only hints.
//!
//! Let μ, ν, τ ≥ 0 be the duals of y ≥ z, y ≥ 0, y ≤ s z + t. The coefficient of y in the dual function is a = μ + ν − τ.
//! Where a > 0 the sweep bounds a y from below by a α z with
//!
//! ```text
//! α = μ / (μ + ν)
//! ```
//!
//! (Salman et al. 2019). Where lower and upper facets both have duals, at a vertex of the triangle, the share
//! k = min(μ + ν, τ)/(μ + ν) of the lower ones cancels against the upper one and leaves multiples of the interval's ends:
//!
//! ```text
//! (y − z) + (s z + t − y) = (1 − s)(u − z),      y + (s z + t − y) = s (z − l)
//! ```
//!
//! that is lifts k μ (1 − s) on z ≤ u and k ν s on z ≥ l. With the duals of split rows, which are lifts as they stand, the sweep then
//! evaluates the dual function itself: it recovers the LP's optimum up to the solver's accuracy.

use super::Triangle;
use crate::bound::{Lift, Multipliers, Sweep, default_slopes};
use crate::net::NodeId;

/// Multipliers of one functional, those of the neurons that have any.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hints {
    /// (ReLU node, element, α).
    pub slopes: Vec<(NodeId, usize, f64)>,
    /// (node, element, g): see [`Lift::multiplier`].
    pub lifts: Vec<(NodeId, usize, f64)>,
}

/// Lifts below this share of the largest dual are the solver's noise: leaving them out changes the bound no more than they
/// do, and keeps multipliers, hence proofs, short.
const NOISE: f64 = 1e-9;

/// Reads hints off duals, times a factor (for rays of infeasibility).
#[must_use]
pub fn hints(triangle: &Triangle, duals: &[f64], factor: f64) -> Hints {
    let dual = |row: usize| {
        let dual = duals.get(row).copied().unwrap_or(0.0) * factor;
        if dual > 0.0 && dual.is_finite() { dual } else { 0.0 }
    };
    let largest = (0..duals.len()).map(dual).fold(0.0, f64::max);
    let mut hints = Hints::default();
    let lift = |hints: &mut Hints, node, element, g: f64| {
        if g.abs() > NOISE * largest {
            hints.lifts.push((node, element, g));
        }
    };
    for facets in &triangle.facets {
        let (mu, nu) = (dual(facets.identity), dual(facets.zero));
        let tau = facets.upper.map_or(0.0, dual);
        let lower = mu + nu;
        if lower <= 0.0 {
            continue;
        }
        hints.slopes.push((facets.relu, facets.element, (mu / lower).clamp(0.0, 1.0)));
        let k = lower.min(tau) / lower;
        lift(&mut hints, facets.z, facets.element, -k * mu * (1.0 - facets.slope));
        lift(&mut hints, facets.z, facets.element, k * nu * facets.slope);
    }
    for end in &triangle.ends {
        let g = dual(end.row);
        lift(&mut hints, end.node, end.element, if end.lower { g } else { -g });
    }
    hints
}

/// The multipliers of a sweep from node `at` over one domain, a column for each of the hints; default slopes where a neuron has none.
#[must_use]
pub fn assemble(sweep: &Sweep, at: NodeId, domain: usize, hints: &[Hints]) -> Multipliers {
    let mut slopes = default_slopes(sweep, at + 1, &vec![domain; hints.len()]);
    let mut lifts = vec![Vec::new(); at + 1];
    for (column, hints) in hints.iter().enumerate() {
        for &(relu, element, alpha) in &hints.slopes {
            if let Some(slopes) = &mut slopes[relu] {
                slopes[(element, column)] = alpha;
            }
        }
        for &(node, element, multiplier) in &hints.lifts {
            lifts[node].push(Lift { column, element, multiplier });
        }
    }
    Multipliers { slopes, lifts }
}
