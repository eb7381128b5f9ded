//! The laws, by name. Each looks at a case and says how often it held, or what broke it.

mod agreement;
mod contains;
mod edge;
mod evidence;
mod forgery;
mod order;
mod parts;
mod planted;
mod readers;
mod rewrites;
mod rounding;
mod subjects;

use super::case::Case;
use super::truth::Known;
use super::values::Values;
use crate::attack::{AttackKind, AttackSettings, SplitMix64};
use crate::spec::{Claim, HalfSpace, Region};
use crate::verify::{Method, Settings, Verdict, verify};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use contains::{circuit, contains};
pub use evidence::{Settled, settle, violates_exactly};
pub use subjects::{plainly, random};

/// A law of verification. docs/testing.md states each with its mathematics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// Exact values at points of a region lie in every engine's bounds.
    Contains,
    /// A method is never looser than the one that it refines.
    Ordered,
    /// What holds on a box holds on a part of it.
    Monotone,
    /// A box and its two halves do not contradict each other.
    Halves,
    /// A certificate has a proof that both arithmetics accept, a counterexample is one exactly.
    Evidence,
    /// Changed proofs do not show what is false.
    Forgery,
    /// Methods do not contradict each other.
    Agreement,
    /// Nothing is certified that an exact minimum refutes, nor falsified that it confirms, by however little.
    Edge,
    /// No rounding lifts a bound above a value: not the search's, nor the checker's by any arithmetic.
    Rounding,
    /// Nothing is certified, by any search or proof, that a point refutes which only few inputs come near.
    Planted,
    /// Both readers see the function that the file states.
    Readers,
    /// A network that is written in another way has the same values, and no opposite verdict.
    Rewrites,
    /// Verdicts about networks that are robust, or not, by construction are right.
    Truth,
}

/// How often a law was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Comparisons that held.
    pub comparisons: usize,
    /// Why the law says nothing about the case, where it does not.
    pub skipped: Option<&'static str>,
}

impl Checked {
    fn skipped(why: &'static str) -> Self {
        Self { comparisons: 0, skipped: Some(why) }
    }
}

impl std::ops::Add for Checked {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let comparisons = self.comparisons + other.comparisons;
        let skipped = if comparisons > 0 { None } else { self.skipped.or(other.skipped) };
        Self { comparisons, skipped }
    }
}

/// A law that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{law}: {what}")]
pub struct Broken {
    /// The law.
    pub law: Law,
    /// What broke it.
    pub what: String,
}

/// Why laws about values are silent where an operator is left out that only keeps their order.
const ORDER: &str = "only the order of the outputs is known";

/// What a law says.
type Said = Result<Checked, String>;

fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Law {
    /// All laws.
    pub const ALL: [Self; 13] = [
        Self::Contains,
        Self::Ordered,
        Self::Monotone,
        Self::Halves,
        Self::Evidence,
        Self::Forgery,
        Self::Agreement,
        Self::Edge,
        Self::Rounding,
        Self::Planted,
        Self::Readers,
        Self::Rewrites,
        Self::Truth,
    ];

    /// What the law says, in a sentence.
    #[must_use]
    pub fn statement(self) -> &'static str {
        match self {
            Self::Contains => "exact values at points of a region lie in every engine's bounds",
            Self::Ordered => "a method is never looser than the one that it refines",
            Self::Monotone => "what holds on a box holds on a part of it",
            Self::Halves => "a box and its two halves do not contradict each other",
            Self::Evidence => {
                "a certificate has a proof that both arithmetics accept, and a counterexample is one exactly"
            }
            Self::Forgery => "a proof, changed or not, does not show what is false",
            Self::Agreement => "methods do not contradict each other",
            Self::Edge => "no verdict is on the wrong side of an exact minimum, by however little",
            Self::Rounding => "no rounding lifts a bound above a value, in any arithmetic",
            Self::Planted => "no search and no proof certifies what a planted point refutes",
            Self::Readers => "both readers see the function that the file states",
            Self::Rewrites => {
                "a network written in another way has the same values and no opposite verdict"
            }
            Self::Truth => {
                "verdicts about networks that are robust or not by construction are right"
            }
        }
    }

    /// Whether the law can be looked at on any case; the others need to know how the network was made.
    #[must_use]
    pub fn is_general(self) -> bool {
        self != Self::Truth
    }

    /// Looks at the law on a case; everything random comes from the seed.
    ///
    /// # Errors
    /// Where the law does not hold, with an explanation.
    pub fn check(self, case: &Case, seed: u64) -> Result<Checked, Broken> {
        let said = match self {
            Self::Contains => contains(case, seed),
            Self::Ordered => order::ordered(case),
            Self::Monotone => parts::monotone(case, seed),
            Self::Halves => parts::halves(case, seed),
            Self::Evidence => evidence::evidence(case, seed),
            Self::Forgery => forgery::forgery(case, seed),
            Self::Agreement => agreement::agreement(case, seed),
            Self::Edge => edge::edge(case, seed),
            Self::Rounding => rounding::rounding(case, seed),
            Self::Planted => planted::planted(case, seed),
            Self::Readers => readers::readers(case, seed),
            Self::Rewrites => rewrites::rewrites(case, seed),
            Self::Truth => Ok(Checked::skipped("the answer is not known by construction")),
        };
        said.map_err(|what| Broken { law: self, what })
    }

    /// Looks at the law on its random case of this seed.
    ///
    /// # Errors
    /// Where the law does not hold.
    pub fn try_seed(self, seed: u64) -> Result<Checked, Broken> {
        match self {
            Self::Truth => Known::random(seed).check().map_err(|what| Broken { law: self, what }),
            _ => self.check(&self.subject(seed), seed),
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = format!("{self:?}").to_lowercase();
        f.write_str(&name)
    }
}

impl FromStr for Law {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|law| law.to_string() == text).ok_or_else(|| {
            let names: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
            format!("'{text}' is no law; the laws are {}", names.join(", "))
        })
    }
}

/// Work for a query of a law, counted and not timed, and a time limit for those that are dear all the same.
fn settings(method: Method, seed: u64) -> Settings {
    Settings {
        method,
        seed,
        timeout: Some(Duration::from_secs(1)),
        work: Some(1e8),
        ..Settings::default()
    }
}

/// The same without attacks before, so that bounds and search must decide.
fn searching(method: Method, seed: u64) -> Settings {
    let attack = AttackSettings::default().with(&[AttackKind::None]);
    Settings { attack, ..settings(method, seed) }
}

/// How many verdicts are those that are known: of search alone, and of attacks and search where these are wanted, too; each has so long.
pub(super) fn right_on(
    case: &Case,
    holds: bool,
    attacked: bool,
    limit: Duration,
) -> Result<usize, String> {
    let mut decided = 0;
    let both = attacked.then(|| settings(Method::Auto, 0));
    for settings in both.into_iter().chain([searching(Method::Complete, 0)]) {
        let work = Some(6e7 * limit.as_secs_f64());
        let settings = Settings { timeout: Some(limit), work, ..settings };
        let word = Word::about(case, &settings);
        let wrong = if holds { Word::Falsified } else { Word::Certified };
        require(word != wrong, || {
            format!("{word:?}, and the property {}", if holds { "holds" } else { "is violated" })
        })?;
        decided += usize::from(word != Word::Unknown);
    }
    Ok(decided)
}

/// A verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Certified,
    Falsified,
    Unknown,
}

impl Word {
    fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Certified(_) => Self::Certified,
            Verdict::Falsified(_) => Self::Falsified,
            Verdict::Unknown(_) => Self::Unknown,
        }
    }

    /// The verdict about a case.
    fn about(case: &Case, settings: &Settings) -> Self {
        Self::of(&verify(case.query(), settings, &|| false).verdict)
    }

    fn contradicts(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Certified, Self::Falsified) | (Self::Falsified, Self::Certified)
        )
    }
}

/// Points of a box: corners and others, all doubles.
pub(super) fn points(dice: &mut SplitMix64, region: &Region, count: usize) -> Vec<Vec<f64>> {
    let (lower, upper) = (region.lower(), region.upper());
    let point = |k: usize| {
        let at = |(&l, &u): (&f64, &f64)| match (k % 3, dice.below(4)) {
            (0, 0 | 1) | (1, 0) => l,
            (0, _) | (1, 1) => u,
            _ => (l + dice.unit() * (u - l)).clamp(l, u),
        };
        lower.iter().zip(upper).map(at).collect()
    };
    (0..count).map(point).collect()
}

/// Whether a point of a claim's region certainly violates the claim: its exact values, or their outward ends, lie in a polytope.
fn violates(case: &Case, claim: &Claim, x: &[f64]) -> bool {
    let net = case.query().network();
    if !claim.region.contains(x) {
        return false;
    }
    let values = Values::at(net, x);
    claim.unsafe_set.iter().any(|polytope| polytope.iter().all(|half| values.attains(net, half)))
}

/// Coefficients of a half-space for every output.
fn dense(half: &HalfSpace, outputs: usize) -> Vec<f64> {
    let mut row = vec![0.0; outputs];
    half.coefficients.iter().for_each(|&(j, a)| row[j] = a);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_have_names() {
        for law in Law::ALL {
            assert_eq!(law.to_string().parse(), Ok(law));
        }
        assert!("nothing".parse::<Law>().unwrap_err().contains("contains, ordered"));
    }

    #[test]
    fn laws_hold_on_their_first_cases() {
        for law in Law::ALL {
            let mut all = Checked::default();
            for seed in 0..12 {
                all = all
                    + law.try_seed(seed).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
            }
            assert!(all.comparisons > 0, "{law} was never looked at");
        }
    }
}
