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

use super::case::Case;
use super::nets::{self, Choices, Kind};
use super::truth::Known;
use super::values::Values;
use crate::attack::{AttackKind, AttackSettings, SplitMix64};
use crate::net::{LinearMap, Matrix, Network, NetworkBuilder};
use crate::spec::{Claim, HalfSpace, Property, Region};
use crate::verify::{Method, Settings, Verdict, verify};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use contains::{circuit, contains};
pub use evidence::{Settled, settle, violates_exactly};

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

/// What a law says.
type Said = Result<Checked, String>;

fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Law {
    /// All laws.
    pub const ALL: [Self; 12] = [
        Self::Contains,
        Self::Ordered,
        Self::Monotone,
        Self::Halves,
        Self::Evidence,
        Self::Forgery,
        Self::Agreement,
        Self::Edge,
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
            Self::Planted => planted::planted(case, seed),
            Self::Readers => readers::readers(case, seed),
            Self::Rewrites => rewrites::rewrites(case, seed),
            Self::Truth => Ok(Checked::skipped("the answer is not known by construction")),
        };
        said.map_err(|what| Broken { law: self, what })
    }

    /// A random case that suits the law.
    #[must_use]
    pub fn subject(self, seed: u64) -> Case {
        let mut dice = SplitMix64::new(seed, 0x5eed);
        match (self, dice.below(8)) {
            (Self::Contains, 0..3) => circuit(seed),
            (Self::Contains, 3..5) => random(seed, Kind::Hostile),
            (Self::Contains | Self::Ordered | Self::Monotone | Self::Halves, 5) => {
                random(seed, Kind::Rational)
            }
            (Self::Contains | Self::Ordered | Self::Agreement, 6) => random(seed, Kind::Curves),
            (Self::Readers, 0..2) => random(seed, Kind::Hostile),
            (Self::Evidence, 0) => circuit(seed),
            (Self::Forgery, 0..5) | (Self::Planted, 0..3) => circuit(seed),
            (Self::Planted, 3) => random(seed, Kind::Curves),
            (Self::Truth, _) => Known::random(seed).case,
            (Self::Evidence | Self::Agreement | Self::Halves, 7) => {
                in_decimals(random(seed, Kind::Relu), &mut dice)
            }
            _ => random(seed, Kind::Relu),
        }
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

/// A random network with a claim whose truth is in doubt: its bound is near the least value at some points.
#[must_use]
pub fn random(seed: u64, kind: Kind) -> Case {
    let mut dice = SplitMix64::new(seed, 1);
    let words: Vec<u32> = (0..1 + dice.below(63)).map(|_| dice.next_u64() as u32).collect();
    let mut choices = Choices::new(&words);
    let network = nets::network(&mut choices, kind);
    let (lower, upper, points) = nets::region(&mut choices, network.inputs());
    let row = nets::functionals(&mut choices, network.outputs(), 1);
    in_doubt(network, [lower, upper], &points, row.as_slice(), &mut dice)
}

/// The same question in the form that all verifiers of the competition read: closed half-spaces of single outputs, which are the left sides
/// of those there were.
#[must_use]
pub fn plainly(case: Case) -> Case {
    let net = case.query().network();
    let [claim] = &case.query().property().claims[..] else { return case };
    if net.left_out().is_some() || case.query().property().uses_inputs {
        return case;
    }
    let halves: Vec<&HalfSpace> = claim.unsafe_set.iter().flatten().collect();
    let rows =
        Matrix::from_fn(halves.len(), net.outputs(), |k, j| dense(halves[k], net.outputs())[j]);
    let mut count = 0;
    let single = |half: &HalfSpace| {
        count += 1;
        HalfSpace { coefficients: vec![(count - 1, 1.0)], strict: false, ..half.clone() }
    };
    let mut single = single;
    let unsafe_set = claim
        .unsafe_set
        .iter()
        .map(|polytope| polytope.iter().map(&mut single).collect())
        .collect();
    let last = NetworkBuilder::new(net.outputs(), "y").and_then(|mut b| {
        let sides = b.linear(0, LinearMap::from_matrix(rows), "left sides")?;
        b.finish(sides)?.after(net.clone())
    });
    let claims = vec![Claim { region: claim.region.clone(), unsafe_set }];
    let property = Property { claims, uses_inputs: false };
    last.ok().and_then(|network| Case::new(network, property).ok()).unwrap_or(case)
}

/// The case with ends that are decimals and no doubles, some inputs fixed to one.
fn in_decimals(case: Case, dice: &mut SplitMix64) -> Case {
    let [claim] = &case.query().property().claims[..] else { return case };
    let Some((model, property)) = case.model().zip(case.property()) else { return case };
    let mut text = property.to_owned();
    for (i, (l, u)) in claim.region.lower().iter().zip(claim.region.upper()).enumerate() {
        let (tenth, width) =
            ((10.0 * l).round() + 0.0, dice.below(3) as f64 * (u - l).abs().round());
        let decimal = |tenths: f64| {
            format!(
                "{}{}.{}",
                if tenths < 0.0 { "-" } else { "" },
                (tenths.abs() / 10.0).floor(),
                tenths.abs() % 10.0
            )
        };
        for (sign, end) in [(">=", tenth), ("<=", tenth + width)] {
            let lines = text.lines().map(|line| {
                match line.starts_with(&format!("(assert ({sign} X_{i} ")) {
                    true => format!("(assert ({sign} X_{i} {}))", decimal(end)),
                    false => line.to_owned(),
                }
            });
            text = lines.collect::<Vec<_>>().join("\n");
        }
    }
    Case::of_bytes(model, &text).unwrap_or(case)
}

/// The claim that a functional stays above a number near its least value at some points; now and then with a second half-space or polytope.
fn in_doubt(
    network: Network,
    [lower, upper]: [Vec<f64>; 2],
    points: &[Vec<f64>],
    row: &[f64],
    dice: &mut SplitMix64,
) -> Case {
    let batch = Matrix::from_fn(network.inputs(), points.len(), |i, p| points[p][i]);
    let values = network.evaluate(&batch);
    let least = |row: &[f64]| {
        let value = |y: usize| row.iter().enumerate().map(|(j, a)| a * values[(j, y)]).sum::<f64>();
        (0..points.len()).map(value).fold(f64::INFINITY, f64::min)
    };
    let mut half = |row: &[f64]| {
        let step = (dice.below(11) as f64 - 5.0) / 16.0;
        let bound = least(row) + if dice.below(3) == 0 { 0.0 } else { step };
        let coefficients = row.iter().copied().enumerate().filter(|(_, a)| *a != 0.0).collect();
        let bound = if bound.is_finite() { bound } else { 0.0 };
        HalfSpace { coefficients, bound_up: bound, bound_down: bound, strict: dice.below(4) == 0 }
    };
    let turned: Vec<f64> = row.iter().rev().map(|a| -a).collect();
    let unsafe_set = match half(row) {
        first if first.bound_up.to_bits() % 5 == 0 => vec![vec![first, half(&turned)]],
        first if first.bound_up.to_bits() % 5 == 1 => vec![vec![first], vec![half(&turned)]],
        first => vec![vec![first]],
    };
    let region = Region::from_f64(&lower, &upper).unwrap_or_else(|_| {
        Region::from_f64(&lower, &lower).expect("a generated region has finite ends")
    });
    let property = Property { claims: vec![Claim { region, unsafe_set }], uses_inputs: false };
    Case::new(network, property).expect("a generated property fits its network")
}

/// Work for a query of a law, counted and not timed, and a time limit for those that are dear all the same.
fn settings(method: Method, seed: u64) -> Settings {
    Settings {
        method,
        seed,
        timeout: Some(Duration::from_secs(5)),
        work: Some(3e8),
        ..Settings::default()
    }
}

/// The same without attacks before, so that bounds and search must decide.
fn searching(method: Method, seed: u64) -> Settings {
    let attack = AttackSettings::default().with(&[AttackKind::None]);
    Settings { attack, ..settings(method, seed) }
}

/// How many verdicts are those that are known: of attacks and search, and of search alone.
pub(super) fn right_on(case: &Case, holds: bool) -> Result<usize, String> {
    let mut decided = 0;
    for settings in [settings(Method::Auto, 0), searching(Method::Complete, 0)] {
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
