//! A query with a proof: the search that is recorded, what becomes of its proof, and what else is tried.

use super::{
    ATTACK_BUDGET, AssuranceLevel, Certificate, Effort, Method, Outcome, Reason, Settings, Stage,
    Verdict, attack_again, by_attack, by_bounds, certified, cheaper_than_attack, falsified,
    in_ball, limits, undecided,
};
use crate::branch::Answer;
use crate::prove::{
    self, Ask, Body, Held, Mode, NotProved, Phase, Plan, Proof, Proved, Section, Unproved,
};
use crate::query::Query;
use std::path::Path;

/// How a proof is wanted.
#[derive(Clone, Copy)]
pub struct ProofWish<'a> {
    /// Where an accepted proof is to stay; `None` to check it and forget it.
    pub keep: Option<&'a Path>,
    /// Told what comes next.
    pub watch: &'a (dyn Fn(Phase) + Sync),
    /// Told the outcome that there is whether or not the checker will accept a proof of it.
    pub held: &'a (dyn Fn(&Outcome) + Sync),
}

impl ProofWish<'_> {
    /// A proof that is checked and forgotten.
    pub const CHECKED: Self = Self { keep: None, watch: &|_| (), held: &|_| () };
}

/// As [`verify`], but looks for a proof: where the checker accepts one, the certificate is
/// [`AssuranceLevel::Proved`]. Where there is none (it takes more time or memory than allowed, or the checker cannot read the files) although
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
    let (outcome, proof) = by_proof(ask, query, settings, wish, cancel);
    (in_ball(query, outcome), proof)
}

fn by_proof(
    ask: Ask,
    query: &Query,
    settings: &Settings,
    wish: ProofWish,
    cancel: &(dyn Fn() -> bool + Sync),
) -> (Outcome, Option<Result<Proved, NotProved>>) {
    let limits = limits(settings, cancel);
    if let Some(outcome) = by_attack(query, settings, &limits) {
        return (outcome, None);
    }
    let plan = Plan {
        mode: Mode::Outward,
        slopes: matches!(settings.method, Method::Auto | Method::Lp | Method::Milp),
        linear_programs: matches!(settings.method, Method::Lp | Method::Milp),
        search: settings.method.branches(),
        short: cheaper_than_attack(query.network(), &limits),
        work: ATTACK_BUDGET as f64,
        interlude: &|| attack_again(query, settings, &limits),
        keep: wish.keep,
        watch: wish.watch,
        held: &|found| (wish.held)(&held(found)),
    };
    let found = prove::prove(ask, query, &plan, &limits);
    let Err(unproved) = found else { return told(found, None) };
    if unproved.held.is_some() {
        return told(Err(unproved), None);
    }
    let outcome = match unproved.why.answer() {
        Some(Answer::Refuted(found)) => falsified(found.clone(), Stage::Branch, Effort::default()),
        Some(&Answer::Open(reason @ (Reason::TimeLimit | Reason::Cancelled))) => {
            undecided(reason, f64::INFINITY, Effort::default())
        }
        // A search that is not recorded clips more, and a method may have more to try.
        _ => by_bounds(query, settings, &limits),
    };
    match &outcome.verdict {
        Verdict::Certified(found) if found.level == AssuranceLevel::Sound => {
            (wish.held)(&outcome);
            told(prove::prove_anew(ask, query, &plan, &limits), Some(outcome))
        }
        _ => (outcome, Some(Err(unproved.why))),
    }
}

/// What a search for a proof comes to, if `known` is what is known otherwise.
fn told(
    found: Result<Proved, Box<Unproved>>,
    known: Option<Outcome>,
) -> (Outcome, Option<Result<Proved, NotProved>>) {
    match found {
        Ok(proved) => {
            let effort = Effort { visited: proved.visited, open: 0 };
            let found = || certified(Some(stage_of(&proved.proof)), f64::INFINITY, effort);
            let outcome = known.unwrap_or_else(found);
            let verdict = Verdict::Certified(Certificate { level: AssuranceLevel::Proved });
            let bound = outcome.bound.filter(|bound| bound.is_finite());
            (Outcome { verdict, bound, ..outcome }, Some(Ok(proved)))
        }
        Err(unproved) => {
            let outcome = match (unproved.why.answer(), &unproved.held) {
                (Some(Answer::Refuted(found)), _) => {
                    falsified(found.clone(), Stage::Branch, Effort::default())
                }
                (_, Some(found)) => known.unwrap_or_else(|| held(found)),
                (_, None) => undecided(Reason::BoundTooWeak, f64::INFINITY, Effort::default()),
            };
            (outcome, Some(Err(unproved.why)))
        }
    }
}

/// The outcome of a search for a proof, whatever the checker says.
fn held(found: &Held) -> Outcome {
    let effort = Effort { visited: found.visited, open: 0 };
    let stage = Some(found.proof.as_ref().map_or(Stage::Branch, stage_of));
    Outcome { bound: None, ..certified(stage, f64::INFINITY, effort) }
}

/// The dearest thing that a proof is made of.
fn stage_of(proof: &Proof) -> Stage {
    let of = |section: &Section| match &section.body {
        Body::Bounds => Stage::CrownIbp,
        Body::Inputs(root) if proof.record.steps[*root as usize].halves.is_none() => Stage::Crown,
        Body::Relus(record) if record.lines.is_empty() && !record.splits() => Stage::CrownIbp,
        Body::Relus(record) if !record.splits() => {
            let hints = || record.refuted.iter().map(|(_, how)| &how.hints);
            if hints().any(|hints| !hints.lifts.is_empty()) {
                Stage::Lp
            } else if hints().any(|hints| !hints.slopes.is_empty()) {
                Stage::AlphaCrown
            } else {
                Stage::Crown
            }
        }
        Body::Inputs(_) | Body::Relus(_) => Stage::Branch,
    };
    proof.sections.iter().map(of).max().unwrap_or(Stage::CrownIbp)
}
