//! Several attacks on one input, or on a ball around it: which of them broke it, and the worst of all.

use super::{AttackKind, AttackSettings, Counterexample, attack, attack_ball};
use crate::net::Network;
use crate::spec::{Ball, Polytope, Property};

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
    net: &Network,
    property: &Property,
    claim: usize,
    settings: &AttackSettings,
    seed: u64,
    stop: &dyn Fn() -> bool,
) -> SuiteOutcome {
    each(settings, |alone| attack(net, property, claim, alone, seed, stop))
}

/// As [`attack_suite`], in a ball ([`super::attack_ball`]).
///
/// # Panics
/// As [`super::attack_ball`].
#[must_use]
pub fn attack_suite_ball(
    net: &Network,
    ball: &Ball,
    unsafe_set: &[Polytope],
    settings: &AttackSettings,
    seed: u64,
    stop: &dyn Fn() -> bool,
) -> SuiteOutcome {
    each(settings, |alone| attack_ball(net, ball, unsafe_set, alone, seed, stop))
}

fn each(
    settings: &AttackSettings,
    attack: impl Fn(&AttackSettings) -> Option<Counterexample>,
) -> SuiteOutcome {
    let kinds = settings.kinds().into_iter();
    SuiteOutcome { attacks: kinds.map(|kind| (kind, attack(&settings.only(kind)))).collect() }
}
