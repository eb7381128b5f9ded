//! evidence: certified ⇒ a proof that `outward` and `exact` accept; falsified ⇒ x ∈ R and N(x) in the unsafe set, exactly, as either reader has N.

use super::{Said, require, searching, settings};
use crate::attack::{AttackSettings, Counterexample, SplitMix64};
use crate::num::{Rational, from_f64};
use crate::prove::{Mode, NotProved, Question};
use crate::spec::{HalfSpace, Polytope};
use crate::testing::case::Case;
use crate::testing::laws::Checked;
use crate::testing::readers_exactly;
use crate::verify::{Method, ProofWish, Settings, Verdict, verify_with_proof};
use num_traits::Zero;
use std::time::Duration;

/// The text of a proof that the checker accepted, or why there is none.
pub(super) enum Evidence {
    Proof(Vec<u8>),
    Counterexample(Box<Counterexample>),
    None(&'static str),
}

/// Looks for a verdict with evidence.
pub(super) fn of(case: &Case, settings: &Settings) -> Result<Evidence, String> {
    let ask = || case.question();
    let (outcome, proof) =
        verify_with_proof(&ask, case.query(), settings, ProofWish::CHECKED, &|| false);
    if let Verdict::Falsified(found) = outcome.verdict {
        return Ok(Evidence::Counterexample(found));
    }
    let certified = matches!(outcome.verdict, Verdict::Certified(_));
    match proof {
        Some(Ok(proved)) => Ok(Evidence::Proof(proved.proof.to_bytes())),
        Some(Err(NotProved::Unreadable(_))) => {
            Ok(Evidence::None("the checker does not read the network"))
        }
        Some(Err(NotProved::Unmended { .. } | NotProved::TooLarge)) => {
            Ok(Evidence::None("a limit passed before there was a proof"))
        }
        Some(Err(why)) if certified && matches!(why, NotProved::Rejected(_)) => {
            Err(format!("certified, and there is no proof: {why}"))
        }
        _ => Ok(Evidence::None("neither certified nor falsified")),
    }
}

pub(super) fn evidence(case: &Case, seed: u64) -> Said {
    let mut dice = SplitMix64::new(seed, 21);
    let settings = match dice.below(3) {
        0 => searching(Method::Auto, seed),
        1 => searching(Method::Crown, seed),
        _ => settings(Method::Auto, seed),
    };
    // Proofs take longer than verdicts.
    let settings = Settings { timeout: Some(Duration::from_secs(5)), ..settings };
    match of(case, &settings)? {
        Evidence::None(why) => Ok(Checked::skipped(why)),
        Evidence::Counterexample(found) => {
            counterexample(case, &found)?;
            Ok(Checked { comparisons: 1, skipped: None })
        }
        Evidence::Proof(text) => {
            let question = case.question().map_err(|error| error.to_string())?;
            accepted(&question, &text)?;
            if let Some(found) =
                crate::attack::attack_any(case.query(), &AttackSettings::default(), seed, &|| false)
            {
                return Err(format!("proved, and refuted at x = {:?}", found.input()));
            }
            Ok(Checked { comparisons: 3, skipped: None })
        }
    }
}

/// Both arithmetics accept a proof.
fn accepted(question: &Question, text: &[u8]) -> Result<(), String> {
    for mode in [Mode::Outward, Mode::Exact] {
        let verdict = question.check_ties(text, mode);
        verdict.map_err(|rejected| {
            format!("{mode:?} arithmetic rejects the proof of a certificate: {rejected}")
        })?;
    }
    Ok(())
}

/// Whether an exact counterexample is one: of its region, and of the values that either reader gives.
pub(super) fn counterexample(case: &Case, found: &Counterexample) -> Result<(), String> {
    let (query, x) = (case.query(), found.exact_input());
    let claim = &query.property().claims[found.claim()];
    require(claim.region.contains_exactly(x), || {
        "a counterexample outside of the region".to_owned()
    })?;
    let polytope = &claim.unsafe_set[found.polytope()];
    if let Some(y) = readers_exactly::by_search(query.network(), x) {
        require(attained(polytope, &y), || {
            format!("the counterexample x = {:?} does not violate the claim", found.input())
        })?;
    }
    // The same as the file has it, to the checker's reader.
    let circuit = case.model().and_then(|model| certus_check::onnx::read(model).ok());
    if let Some(mut y) = circuit.and_then(|circuit| readers_exactly::by_checker(&circuit, x)) {
        if query.property().uses_inputs {
            y.extend(x.iter().cloned());
        }
        require(y.len() != query.network().outputs() || attained(polytope, &y), || {
            format!(
                "to the checker's reader the counterexample x = {:?} does not violate the claim",
                found.input()
            )
        })?;
    }
    Ok(())
}

/// Σ aⱼ yⱼ ≤ b (or <) for all half-spaces; where b is known up to a rounding only, for the larger of the two.
fn attained(polytope: &Polytope, y: &[Rational]) -> bool {
    let value = |half: &HalfSpace| {
        let terms = half.coefficients.iter().filter_map(|&(j, a)| Some(from_f64(a)? * &y[j]));
        terms.fold(Rational::zero(), |sum, term| sum + term)
    };
    polytope.iter().all(|half| {
        let Some(bound) = from_f64(half.bound_up) else { return half.bound_up > 0.0 };
        let value = value(half);
        let tied = half.strict && half.bound_down == half.bound_up;
        if tied { value < bound } else { value <= bound }
    })
}

/// Whether a point, given exactly, violates the property: `None` where the network's values there are not known exactly.
#[must_use]
pub fn violates_exactly(case: &Case, x: &[Rational]) -> Option<bool> {
    let query = case.query();
    let y = readers_exactly::by_search(query.network(), x)?;
    let reached = |claim: &crate::spec::Claim| {
        claim.region.contains_exactly(x)
            && claim.unsafe_set.iter().any(|polytope| attained(polytope, &y))
    };
    Some(query.property().claims.iter().any(reached))
}

/// A verdict that was settled in exact arithmetic.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// A proof that the exact arithmetic accepts.
    Certified,
    /// A point whose exact values violate the property.
    Falsified(Vec<Rational>),
    /// Neither.
    Open(&'static str),
}

/// What is known of a case, as exactly as can be.
///
/// # Errors
/// Where evidence breaks the law of evidence.
pub fn settle(case: &Case, timeout: Duration) -> Result<Settled, String> {
    let settings =
        Settings { timeout: Some(timeout), method: Method::Complete, ..Settings::default() };
    Ok(match of(case, &settings)? {
        Evidence::Counterexample(found) => {
            counterexample(case, &found)?;
            Settled::Falsified(found.exact_input().to_vec())
        }
        Evidence::Proof(text) => {
            accepted(&case.question().map_err(|error| error.to_string())?, &text)?;
            Settled::Certified
        }
        Evidence::None(why) => Settled::Open(why),
    })
}
