//! The thorough attack that comes in the midst of a search: as many restarts as the network's size allows.

use super::Settings;
use crate::attack::{self, AttackSettings, Counterexample};
use crate::branch::Limits;
use crate::net::Network;
use crate::query::Query;
use crate::spec::Property;

/// Multiplications that it may cost at most: some seconds.
const BUDGET: f64 = 4e9;

/// The share of the work allowed for a search that the attack in its midst may take.
const SHARE: f64 = 0.125;

/// Multiplications that it may cost: where a question is to take little work, so is its attack.
pub(super) fn budget(limits: &Limits) -> f64 {
    BUDGET.min(SHARE * limits.work)
}

/// The attack, where it is more than the first one was.
pub(super) fn attack(
    query: &Query,
    settings: &Settings,
    limits: &Limits,
) -> Option<Counterexample> {
    let stop = || limits.passed().is_some();
    let again = thorough(query.network(), query.property(), settings, budget(limits))?;
    attack::attack_any(query, &again, settings.seed, &stop)
}

/// As many restarts as the network's size and the budget allow, none where that is not more than the first attack had.
fn thorough(
    net: &Network,
    property: &Property,
    settings: &Settings,
    budget: f64,
) -> Option<AttackSettings> {
    let thorough = AttackSettings::thorough();
    // A step is an evaluation and a gradient, and several claims share the budget.
    let step = 2 * net.multiplications() * property.claims.len().clamp(1, attack::MOST_CLAIMS);
    let restarts = (budget as usize / step.saturating_mul(thorough.steps).max(1)).min(500);
    let more = !settings.attack.kinds().is_empty() && restarts > 4 * settings.attack.restarts;
    more.then_some(AttackSettings { restarts, ..thorough })
}

/// Domains that cost less than the thorough attack; none where the search would be over before it.
pub(super) fn cheaper(net: &Network, limits: &Limits) -> usize {
    let each = net.multiplications().max(1);
    let domains = budget(limits) as usize / 500 / each;
    let longer = domains < limits.domains && ((domains * each) as f64) < limits.work;
    if longer { domains } else { 0 }
}
