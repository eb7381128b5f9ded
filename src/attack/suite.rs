//! Several attacks on one input, or on a ball around it: which of them broke it, and the worst of all.

use super::{AttackKind, AttackSettings, Counterexample, attack};
use crate::query::Query;

/// What each attack of a list achieved on one input, none sparing the others their work.
#[derive(Debug, Clone, PartialEq)]
pub struct SuiteOutcome {
    /// Each attack, in the order asked for, and the counterexample it found.
    pub attacks: Vec<(AttackKind, Option<Counterexample>)>,
}

impl SuiteOutcome {
    /// The attacks that broke the input.
    #[must_use]
    pub fn broken_by(&self) -> Vec<AttackKind> {
        self.attacks.iter().filter(|(_, found)| found.is_some()).map(|(kind, _)| *kind).collect()
    }

    /// Whether any attack broke the input: the worst case of them all.
    #[must_use]
    pub fn broken(&self) -> bool {
        self.attacks.iter().any(|(_, found)| found.is_some())
    }

    /// The best counterexample of all ([`Counterexample::better_than`]); of equal ones the first.
    #[must_use]
    pub fn worst(&self) -> Option<&Counterexample> {
        let all = self.attacks.iter().filter_map(|(_, found)| found.as_ref());
        all.reduce(|best, next| if next.better_than(best) { next } else { best })
    }

    /// As [`Self::worst`], by value.
    #[must_use]
    pub fn into_worst(self) -> Option<Counterexample> {
        let all = self.attacks.into_iter().filter_map(|(_, found)| found);
        all.reduce(|best, next| if next.better_than(&best) { next } else { best })
    }
}

/// Runs every attack of [`AttackSettings::kinds`] on one claim, each as [`super::attack`] runs it alone. One
/// that `stop` leaves no turn has found nothing.
///
/// # Panics
/// As [`super::attack`].
#[must_use]
pub fn attack_suite(
    query: &Query,
    claim: usize,
    settings: &AttackSettings,
    seed: u64,
    stop: &dyn Fn() -> bool,
) -> SuiteOutcome {
    let alone = |kind| (kind, attack(query, claim, &settings.only(kind), seed, stop));
    SuiteOutcome { attacks: settings.kinds().into_iter().map(alone).collect() }
}
