//! The verdict on one input, and how it is asked for.

use super::row::VerdictName;
use super::run::Stop;
use crate::attack::{self, AttackSettings, Counterexample};
use crate::load::parse_statement;
use crate::prove::{Model, NotProved, Proved};
use crate::query::{Classifier, Query};
use crate::verify::{
    AssuranceLevel, Outcome, ProofWish, Reason, Settings, Verdict, verify, verify_with_proof,
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The verdict on one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The unperturbed input is not classified as its label, so there is nothing to attack or to certify.
    Misclassified,
    /// Every real input of the region gets the label.
    Certified(AssuranceLevel),
    /// An input of the region provably does not get the label.
    Falsified,
    /// Neither was shown; the text says why.
    Unknown(String),
}

impl Finding {
    /// What a verdict comes to.
    pub(super) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Certified(certificate) => Self::Certified(certificate.level()),
            Verdict::Falsified(_) => Self::Falsified,
            Verdict::Unknown(why) => Self::Unknown(why.reason.to_string()),
        }
    }

    /// Its name in words.
    pub(crate) fn word(&self) -> String {
        format!("{:?}", self.name()).to_lowercase()
    }

    /// Its name.
    pub(crate) fn name(&self) -> VerdictName {
        match self {
            Self::Misclassified => VerdictName::Misclassified,
            Self::Certified(_) => VerdictName::Certified,
            Self::Falsified => VerdictName::Falsified,
            Self::Unknown(_) => VerdictName::Unknown,
        }
    }

    /// What must be trusted, where certified.
    pub(crate) fn assurance(&self) -> Option<AssuranceLevel> {
        if let Self::Certified(level) = self { Some(*level) } else { None }
    }

    /// Why, where unknown.
    pub(crate) fn reason(&self) -> Option<&str> {
        if let Self::Unknown(reason) = self { Some(reason) } else { None }
    }
}

/// An outcome, unless the caller's wish to stop cut it short. A stage that was cut short may have handed on to the next: an
/// unknown is no result then either.
pub(super) fn whole(outcome: Outcome, stop: Stop) -> Option<Outcome> {
    match &outcome.verdict {
        Verdict::Unknown(why) if why.reason == Reason::Cancelled || stop() => None,
        _ => Some(outcome),
    }
}

/// Verifies; `None` where it was cut short.
pub(super) fn decide(query: &Query, settings: &Settings, stop: Stop) -> Option<Outcome> {
    whole(verify(query, settings, stop), stop)
}

/// An input's property as VNN-LIB, and what came of a search for a proof of it.
pub(crate) type Sought = (Outcome, Option<Result<Proved, NotProved>>);

/// Decides, with a proof where that is possible, whether an input keeps its label: `property` says so about the network's own
/// inputs.
///
/// # Errors
/// Why the property makes no query.
pub(crate) fn prove(
    classifier: &Classifier,
    model: &Model,
    (name, property): (&str, &str),
    settings: &Settings,
    wish: ProofWish,
    stop: Stop,
) -> Result<Sought, String> {
    let own = classifier.own();
    let statement = parse_statement(name, property.as_bytes(), own.inputs(), own.outputs())
        .map_err(|error| error.to_string())?;
    let query = Query::of(own.clone(), statement).map_err(|error| error.to_string())?;
    let ask = || model.ask(property.as_bytes());
    Ok(verify_with_proof(&ask, &query, settings, wish, stop))
}

/// Attacks a query's only claim within a time limit; `None` where it was cut short without a counterexample.
#[allow(clippy::option_option)]
pub(super) fn attack(
    query: &Query,
    settings: &AttackSettings,
    seed: u64,
    limit: Option<Duration>,
    stop: Stop,
) -> Option<Option<Counterexample>> {
    let found = attack::attack(query, 0, settings, seed, &until(limit, stop));
    (found.is_some() || !stop()).then_some(found)
}

/// Whether to stop: on the caller's wish, or where a time limit that begins now is over.
pub(super) fn until(limit: Option<Duration>, stop: Stop) -> impl Fn() -> bool + Sync {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    move || stop() || deadline.is_some_and(|end| Instant::now() >= end)
}
