//! A query with a proof: the search that is recorded, what becomes of its proof, and what else is tried.

use super::{
    AssuranceLevel, Bounds, Certificate, Outcome, Reason, Settings, Stage, Verdict, by_attack,
    by_equalities, falsified, in_region, limits,
};
use crate::branch::{Answer, Limits};
use crate::prove::{Ask, Checker, Further, Mode, NotProved, Phase, Proof, Proved, Verified, Wish};
use crate::query::Query;
use std::path::Path;
use std::time::{Duration, Instant};

/// How a proof is wanted.
#[derive(Clone, Copy)]
pub struct ProofWish<'a> {
    /// Where an accepted proof is to stay; `None` to check it and forget it.
    pub keep: Option<&'a Path>,
    /// Told what comes next.
    pub watch: &'a (dyn Fn(Phase) + Sync),
    /// Told the outcome that there is whether or not the checker will accept a proof of it.
    pub held: &'a (dyn Fn(&Outcome) + Sync),
    /// The verified checker, where it is to be asked as well.
    pub verified: Option<&'a Verified>,
    /// Whether other checkers may take any time, so that nothing depends on how long the search took.
    pub patient: bool,
}

impl ProofWish<'_> {
    /// A proof that is checked and forgotten.
    pub const CHECKED: Self =
        Self { keep: None, watch: &|_| (), held: &|_| (), verified: None, patient: false };
}

/// As [`verify`], but looks for a proof. Where the checker accepts one, the certificate is [`AssuranceLevel::Proved`] or, where a checker that is
/// wanted accepts it too, [`AssuranceLevel::Mechanised`]; [`AssuranceLevel::Outward`] where exact arithmetic does not accept it in ten times
/// the time of the search. Where there is none (it takes more time or memory than allowed, or the checker cannot read the files) although
/// the property was found to hold, the certificate is only [`AssuranceLevel::Sound`]. The second value is the proof or why
/// there is none; `None` where a counterexample was found first. The time limit is that of searching and mending: reading, writing and
/// checking come on top.
///
/// ```
/// use certus::{Mode, Model, ProofWish, Query, Settings, certify, verify_with_proof};
/// let files = ["models/control/mlp_plain.onnx", "proofs/samples/torque.vnnlib"].map(std::path::Path::new);
/// let query = Query::open(files[0], files[1])?;
/// // The checker reads the files by itself.
/// let [model, property] = [std::fs::read(files[0])?, std::fs::read(files[1])?];
/// let ask = || Model::new(&model)?.ask(&property);
/// let (_, proof) = verify_with_proof(&ask, &query, &Settings::default(), ProofWish::CHECKED, &|| false);
/// let proof = proof.expect("no counterexample").expect("a proof that was accepted").proof.to_bytes();
/// // Anybody may ask it again, in exact arithmetic too.
/// assert!(certify(&model, &property, proof.as_slice(), Mode::Exact).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn verify_with_proof(
    ask: Ask,
    query: &Query,
    settings: &Settings,
    wish: ProofWish,
    cancel: &(dyn Fn() -> bool + Sync),
) -> (Outcome, Option<Result<Proved, NotProved>>) {
    let limits = limits(settings, cancel);
    (wish.watch)(Phase::Search);
    let (outcome, proof) = match by_attack(query, settings, &limits) {
        Some(outcome) => (outcome, None),
        None => by_proof(ask, query, settings, wish, &limits),
    };
    (wish.watch)(Phase::Done);
    (in_region(query, outcome), proof)
}

fn by_proof(
    ask: Ask,
    query: &Query,
    settings: &Settings,
    wish: ProofWish,
    limits: &Limits,
) -> (Outcome, Option<Result<Proved, NotProved>>) {
    let (watch, started) = (wish.watch, Instant::now());
    let mut bounds = Bounds { query, settings, limits, recorded: true, watch };
    // Of the whole question there is a proof; the reduced one tells sooner what it should show.
    let part = limits.left().map_or(limits.deadline, |left| Instant::now().checked_add(left / 4));
    let work = limits.work.min(REDUCED_WORK);
    let reduced = by_equalities(query, settings, &Limits { deadline: part, work, ..*limits });
    if let Some(outcome) =
        reduced.as_ref().filter(|known| matches!(known.verdict, Verdict::Falsified(_)))
    {
        return (outcome.clone(), None);
    }
    let (mut outcome, mut proof) = bounds.decide();
    let passed = |outcome: &Outcome| {
        let Verdict::Unknown(unknown) = &outcome.verdict else { return None };
        matches!(unknown.reason, Reason::TimeLimit | Reason::Cancelled).then_some(unknown.reason)
    };
    let known = reduced.filter(|known| matches!(known.verdict, Verdict::Certified(_)));
    if let Some(known) = known.filter(|_| matches!(outcome.verdict, Verdict::Unknown(_))) {
        (outcome, proof) = (known, Some(Proof::unknown(query)));
    } else if matches!(outcome.verdict, Verdict::Unknown(_)) && passed(&outcome).is_none() {
        // A search that is not recorded clips more.
        bounds.recorded = false;
        (outcome, _) = bounds.decide();
        proof = Some(Proof::unknown(query));
    }
    match &outcome.verdict {
        Verdict::Certified(found) if found.level == AssuranceLevel::Sound => {}
        Verdict::Certified(_) => {
            let answer = Answer::Open(Reason::BoundTooWeak);
            return (outcome, Some(Err(NotProved::NotFound(Box::new(answer)))));
        }
        Verdict::Falsified(found) => {
            let answer = Answer::Refuted(found.clone());
            return (outcome, Some(Err(NotProved::NotFound(Box::new(answer)))));
        }
        Verdict::Unknown(unknown) => {
            let answer = Answer::Open(unknown.reason);
            return (outcome, Some(Err(NotProved::NotFound(Box::new(answer)))));
        }
    }
    (wish.held)(&outcome);
    let Some(proof) = proof else { return (outcome, Some(Err(NotProved::TooLarge))) };
    let search = if wish.patient { Duration::MAX } else { started.elapsed() };
    let (verified, cancel) = (wish.verified, limits.cancel);
    let further = Some(Further { search, verified, cancel });
    let made = Wish { mode: Mode::Outward, keep: wish.keep, watch, further };
    match proof.accepted(ask, query, &made, limits) {
        Ok(proved) => {
            let verdict = Verdict::Certified(Certificate { level: level(proved.by) });
            (Outcome { verdict, ..outcome }, Some(Ok(proved)))
        }
        Err(why) => {
            if let Some(Answer::Refuted(found)) = why.answer() {
                outcome = falsified(found.clone(), Stage::Branch, outcome.effort);
            }
            (outcome, Some(Err(why)))
        }
    }
}

/// What a proof is worth that this checker accepted.
fn level(by: Checker) -> AssuranceLevel {
    match by {
        Checker::Outward => AssuranceLevel::Outward,
        Checker::Exact => AssuranceLevel::Proved,
        Checker::Verified => AssuranceLevel::Mechanised,
    }
}

/// Multiplications that equations may take where a proof is wanted: what they prove, the whole question must prove again.
const REDUCED_WORK: f64 = 2e10;

/// Looks for a proof without an attack before, and without asking the checker about it: the outcome of bounds and search, recorded, and what
/// proves it, if it holds and that fits into memory.
#[must_use]
pub fn find_proof(query: &Query, settings: &Settings, limits: &Limits) -> (Outcome, Option<Proof>) {
    Bounds { query, settings, limits, recorded: true, watch: &|_| () }.decide()
}
