//! One query, top to bottom: attack, intervals, linear relaxations, linear programs, search; the first stage that answers
//! decides.

mod domain;
mod equalities;
mod proof;
mod stages;
mod thorough;

pub use proof::{ProofWish, find_proof, verify_with_proof};

use crate::attack::{self, AttackSettings, Counterexample};
use crate::bound::Analysis;
pub use crate::branch::Reason;
use crate::branch::{self, Answer, Interlude, Limits, Tree};
use crate::prove::{Phase, Proof};
use crate::query::Query;
use crate::spec::Property;
use equalities::by_equalities;
use stages::{Bounding, Decided};
use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How far verification goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Method {
    /// Every stage that can help, cheap before dear; branch and bound up to a fixed amount of work.
    #[default]
    Auto,
    /// Interval bound propagation only.
    Ibp,
    /// Intervals, then CROWN.
    Crown,
    /// Intervals, CROWN, optimised slopes, then linear programs, their duals evaluated by the sweep.
    Lp,
    /// The same, then mixed-integer programs: exact, but the verdict is a floating-point solver's word.
    Milp,
    /// Intervals, CROWN, then branch and bound until decided or out of time.
    Complete,
}

impl Method {
    /// All methods, weakest first.
    pub const ALL: [Self; 6] =
        [Self::Ibp, Self::Crown, Self::Lp, Self::Milp, Self::Complete, Self::Auto];
}

impl Method {
    /// Whether the method goes on to branch and bound where bounds do not suffice.
    #[must_use]
    pub fn branches(self) -> bool {
        matches!(self, Self::Complete | Self::Auto)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Ibp => "ibp",
            Self::Crown => "crown",
            Self::Lp => "lp",
            Self::Milp => "milp",
            Self::Complete => "complete",
        })
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|method| method.to_string() == text).ok_or_else(|| {
            format!("'{text}' is no method; use ibp, crown, lp, milp, complete or auto")
        })
    }
}

/// What decided a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// An attack found a counterexample.
    Attack,
    /// Interval bound propagation.
    Ibp,
    /// One backward pass over interval bounds.
    CrownIbp,
    /// Backward passes for intermediate bounds too.
    Crown,
    /// Backward passes with optimised slopes.
    AlphaCrown,
    /// Linear programs, evaluated by a backward pass.
    Lp,
    /// Branch and bound.
    Branch,
    /// A mixed-integer program.
    Milp,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Attack => "attack",
            Self::Ibp => "ibp",
            Self::CrownIbp => "crown-ibp",
            Self::Crown => "crown",
            Self::AlphaCrown => "alpha-crown",
            Self::Lp => "lp",
            Self::Branch => "branch and bound",
            Self::Milp => "milp",
        })
    }
}

impl Stage {
    /// What must be trusted where this stage proves something.
    #[must_use]
    pub fn level(self) -> AssuranceLevel {
        if self == Self::Milp { AssuranceLevel::Solver } else { AssuranceLevel::Sound }
    }
}

/// What must be trusted to believe a certificate (docs/soundness.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(all(test, feature = "cli"), derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", serde(rename_all = "snake_case"))]
pub enum AssuranceLevel {
    /// An external floating-point solver's word.
    Solver,
    /// This verifier's code, rounding accounted for.
    Sound,
    /// The independent checker in f64: its rules, readers, and charges for roundings.
    #[cfg_attr(feature = "cli", serde(rename = "proved (outward)"))]
    Outward,
    /// The independent checker in exact arithmetic: its rules and readers.
    Proved,
    /// The checker that is extracted from its proof in Rocq: what that proof leaves out, the readers above all.
    #[cfg_attr(feature = "cli", serde(rename = "proved (mechanised)"))]
    Mechanised,
}

impl AssuranceLevel {
    /// Whether a checker accepted a proof.
    #[must_use]
    pub fn has_proof(self) -> bool {
        self >= Self::Outward
    }
}

impl fmt::Display for AssuranceLevel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Solver => "solver",
            Self::Sound => "sound",
            Self::Outward => "proved (outward)",
            Self::Proved => "proved",
            Self::Mechanised => "proved (mechanised)",
        })
    }
}

/// Limits and choices of one query.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How far to go.
    pub method: Method,
    /// The attack that is tried first.
    pub attack: AttackSettings,
    /// Seed of everything random.
    pub seed: u64,
    /// Time limit, looked at between stages, attack steps and LPs.
    pub timeout: Option<Duration>,
    /// Bytes that open domains of branch and bound may take; `None` for 2³⁰.
    pub memory: Option<usize>,
    /// How many intermediate neurons are tightened by LP before the LP stage.
    pub lp_tighten: usize,
    /// Multiplications that the search of [`Method::Auto`] may take, about, counted and not timed; `None` for 7·10¹⁰, some ten seconds.
    pub work: Option<f64>,
}

impl Settings {
    /// Work for questions that are asked again and again, of many inputs at many radii: some tenths of a second.
    pub const BRIEF: f64 = 2e9;
}

/// How much branch and bound had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effort {
    /// Domains bounded.
    pub visited: usize,
    /// Domains left open.
    pub open: usize,
}

/// Every claim of the property holds for every real input of its region. Only this module can make one, from sound bounds.
#[derive(Debug, Clone)]
pub struct Certificate {
    level: AssuranceLevel,
}

impl Certificate {
    /// What must be trusted.
    #[must_use]
    pub fn level(&self) -> AssuranceLevel {
        self.level
    }
}

/// No verdict, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown {
    /// Why.
    pub reason: Reason,
}

/// The answer to a query.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// The property holds.
    Certified(Certificate),
    /// An input of the region violates it.
    Falsified(Box<Counterexample>),
    /// Neither was shown.
    Unknown(Unknown),
}

/// The answer, what gave it, and how far bounds got.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The answer.
    pub verdict: Verdict,
    /// The stage that decided (of the claim decided last, where there are several).
    pub stage: Option<Stage>,
    /// The least margin proved over all claims: positive where all are certified (0 where search clipped away every point that
    /// could violate one, and knows no bound of the rest); `None` where no bound was computed.
    pub bound: Option<f64>,
    /// The work of branch and bound, where it was needed.
    pub effort: Effort,
}

/// Decides a query.
///
/// ```
/// use certus::{Query, Settings, Verdict, verify};
/// let property = "proofs/samples/torque.vnnlib".as_ref();
/// let query = Query::open("models/control/mlp_plain.onnx".as_ref(), property)?;
/// let outcome = verify(&query, &Settings::default(), &|| false);
/// assert!(matches!(outcome.verdict, Verdict::Certified(_)));
/// # Ok::<(), certus::OpenError>(())
/// ```
#[must_use]
pub fn verify(query: &Query, settings: &Settings, cancel: &(dyn Fn() -> bool + Sync)) -> Outcome {
    let limits = limits(settings, cancel);
    let bounds = Bounds { query, settings, limits: &limits, recorded: false, watch: &|_| () };
    by_attack(query, settings, &limits)
        .or_else(|| by_equalities(query, settings, &limits))
        .unwrap_or_else(|| bounds.decide().0)
}

fn limits<'a>(settings: &Settings, cancel: &'a (dyn Fn() -> bool + Sync)) -> Limits<'a> {
    let mut limits = Limits::starting_now(settings.timeout, cancel);
    limits.memory = settings.memory.unwrap_or(limits.memory);
    if settings.method == Method::Auto {
        limits.work = settings.work.unwrap_or(AUTO_WORK);
    }
    limits
}

fn by_attack(query: &Query, settings: &Settings, limits: &Limits) -> Option<Outcome> {
    let stop = || limits.passed().is_some();
    let found = attack::attack_any(query, &settings.attack, settings.seed, &stop)?;
    Some(falsified(Box::new(found), Stage::Attack, Effort::default()))
}

/// What bounds of boxes say about regions: what is beaten beside a region says nothing.
fn in_region(query: &Query, outcome: Outcome) -> Outcome {
    match &outcome.verdict {
        Verdict::Falsified(found)
            if !query.property().claims[found.claim()].region.holds(found.exact_input()) =>
        {
            undecided(Reason::BoundTooWeak, outcome.bound.unwrap_or(f64::INFINITY), outcome.effort)
        }
        _ => outcome,
    }
}

/// How a query's region is bounded.
struct Bounds<'a> {
    query: &'a Query,
    settings: &'a Settings,
    limits: &'a Limits<'a>,
    /// Whether what is found is recorded for a proof.
    recorded: bool,
    /// Told what comes next.
    watch: &'a (dyn Fn(Phase) + Sync),
}

impl Bounds<'_> {
    /// What bounds of the region come to, and what proves that, if it is recorded and holds. Those of a ball are of the box around it, so
    /// that they may be refuted outside of the ball.
    fn decide(&self) -> (Outcome, Option<Proof>) {
        let (outcome, trees) = self.in_box();
        let outcome = domain::guarded(self.query, outcome);
        let proof = trees.filter(|_| matches!(outcome.verdict, Verdict::Certified(_)));
        let (net, statement) = (self.query.network(), self.query.statement());
        let proof = proof.map(|trees| Proof::new(net, statement, trees));
        (in_region(self.query, outcome), proof)
    }

    fn in_box(&self) -> (Outcome, Option<Vec<Tree>>) {
        let &Self { query, settings, limits, recorded, .. } = self;
        let (net, property) = (query.network(), &*query.property().of_boxes());
        let claims = property.claims.len();
        let (mut proved, mut least) = (f64::INFINITY, f64::INFINITY);
        let mut stage: Option<Stage> = None;
        let (mut open, mut known) = (Vec::new(), Vec::new());
        let mut trees = Some(vec![Tree::default(); if recorded { claims } else { 0 }]);
        let mut reason = Reason::BoundTooWeak;
        for claim in 0..claims {
            // Bounding claims one by one serves few of them; search bounds many in batches.
            if open.len() > FEW_CLAIMS && settings.method.branches() {
                open.push(claim);
                known.push(None);
                least = f64::NEG_INFINITY;
                continue;
            }
            let bounded = Bounding { net, property, claim, settings, limits, recorded }.bound();
            match bounded.decided {
                Decided::Proved(by) => {
                    (stage, proved) = (stage.max(Some(by)), proved.min(bounded.margin));
                    match (&mut trees, bounded.tree) {
                        (Some(trees), Some(tree)) if recorded => trees[claim] = tree,
                        (_, None) if recorded => trees = None,
                        _ => {}
                    }
                }
                Decided::Refuted(by, found) => {
                    return (falsified(found, by, Effort::default()), None);
                }
                Decided::Open(why) => {
                    least = least.min(bounded.margin);
                    if matches!(why, Reason::TimeLimit | Reason::Cancelled) {
                        return (undecided(why, proved.min(least), Effort::default()), None);
                    }
                    reason = why;
                    open.push(claim);
                    known.push(bounded.analysis);
                }
            }
        }
        let trees = trees.filter(|_| recorded);
        if open.is_empty() {
            return (certified(stage, proved, Effort::default()), trees);
        }
        if !settings.method.branches() {
            return (undecided(reason, proved.min(least), Effort::default()), None);
        }
        let mut trees = trees.unwrap_or_default();
        let part = open.iter().map(|&claim| property.claims[claim].clone()).collect();
        let part = Property { claims: part, uses_inputs: property.uses_inputs };
        let mut found = vec![Tree::default(); if recorded { open.len() } else { 0 }];
        let (searched, attacked) = self.search(&part, known, &mut found);
        if let Some(attacked) = attacked {
            return (falsified(Box::new(attacked), Stage::Attack, Effort::default()), None);
        }
        let effort = Effort { visited: searched.visited, open: searched.open };
        let outcome = match searched.answer {
            Answer::Proved => certified(Some(Stage::Branch), proved.min(searched.bound), effort),
            // Of the whole property, not of its open claims.
            Answer::Refuted(found) => {
                match attack::validate(net, property, open[found.claim()], found.input()) {
                    Some(found) => falsified(Box::new(found), Stage::Branch, effort),
                    None => undecided(Reason::Resolution, proved.min(least), effort),
                }
            }
            Answer::Open(reason) => {
                undecided(reason, proved.min(searched.bound.max(least)), effort)
            }
        };
        let kept = trees.len() == claims && !found.iter().any(Tree::is_given_up);
        for (tree, &claim) in found.into_iter().zip(&open).filter(|_| kept) {
            trees[claim] = tree;
        }
        (outcome, kept.then_some(trees))
    }

    /// Searches the claims that bounds leave open, of which analyses may be known. Where a short search decides, it is cheaper than a long
    /// attack, which comes in its midst.
    fn search(
        &self,
        part: &Property,
        known: Vec<Option<Analysis>>,
        trees: &mut [Tree],
    ) -> (branch::Searched, Option<Counterexample>) {
        let net = self.query.network();
        let found = RefCell::new(None);
        let attack = || {
            (self.watch)(Phase::Attack);
            *found.borrow_mut() = thorough::attack(self.query, self.settings, self.limits);
            (self.watch)(Phase::Search);
            found.borrow().is_some()
        };
        let interlude = Interlude {
            after: thorough::cheaper(net, self.limits),
            work: thorough::budget(self.limits),
            attempt: &attack,
        };
        let searched = branch::search(net, part, self.limits, Some(interlude), (known, trees));
        (searched, found.into_inner())
    }
}

/// Multiplications that [`Method::Auto`] spends on the search of one query, about: counted and not timed, so that results repeat.
const AUTO_WORK: f64 = 7e10;

/// Claims that are bounded one by one before search takes over.
const FEW_CLAIMS: usize = 8;

fn certified(stage: Option<Stage>, margin: f64, effort: Effort) -> Outcome {
    let certificate = Certificate { level: stage.map_or(AssuranceLevel::Sound, Stage::level) };
    Outcome { verdict: Verdict::Certified(certificate), stage, bound: Some(margin), effort }
}

fn falsified(found: Box<Counterexample>, stage: Stage, effort: Effort) -> Outcome {
    Outcome { verdict: Verdict::Falsified(found), stage: Some(stage), bound: None, effort }
}

fn undecided(reason: Reason, margin: f64, effort: Effort) -> Outcome {
    let bound = Some(margin).filter(|m| *m < f64::INFINITY);
    Outcome { verdict: Verdict::Unknown(Unknown { reason }), stage: None, bound, effort }
}
