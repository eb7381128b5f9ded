//! Proofs by bounds and search alone, without an attack before.

use certus::internal::attack::{AttackKind, AttackSettings};
use certus::internal::branch::{Answer, Limits};
use certus::internal::prove::{Ask, NotProved, Proof, Proved, Wish};
use certus::internal::query::Query;
use certus::internal::verify::{Method, Outcome, Settings, Verdict, find_proof};

/// Bounds and search, without attacks.
pub fn searching() -> Settings {
    let attack = AttackSettings::default().with(&[AttackKind::None]);
    Settings { method: Method::Complete, attack, ..Settings::default() }
}

/// A proof of a property that holds, before the checker is asked.
pub fn found(query: &Query, limits: &Limits) -> Option<Proof> {
    find_proof(query, &searching(), limits).1
}

/// A proof that the checker accepts, and the domains that were bounded.
pub fn prove(ask: Ask, query: &Query, limits: &Limits) -> Result<(Proved, usize), NotProved> {
    prove_by(&searching(), &Wish::CHECKED, ask, query, limits)
}

pub fn prove_by(
    settings: &Settings,
    wish: &Wish,
    ask: Ask,
    query: &Query,
    limits: &Limits,
) -> Result<(Proved, usize), NotProved> {
    let (Outcome { verdict, effort, .. }, proof) = find_proof(query, settings, limits);
    let answer = match verdict {
        Verdict::Certified(_) => {
            let proof = proof.ok_or(NotProved::TooLarge)?;
            return Ok((proof.accepted(ask, query, wish, limits)?, effort.visited));
        }
        Verdict::Falsified(found) => Answer::Refuted(found),
        Verdict::Unknown(unknown) => Answer::Open(unknown.reason),
    };
    Err(NotProved::NotFound(Box::new(answer)))
}
