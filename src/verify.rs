//! One query, top to bottom: attack, intervals, then linear relaxations; the first stage that answers decides.

use crate::attack::{self, AttackSettings, Counterexample};
use crate::bound::{Analysis, Functionals, Intermediate};
use crate::branch::Limits;
pub use crate::branch::Reason;
use crate::net::{Matrix, Network};
use crate::spec::{Claim, Property};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How far verification goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Every stage that can help, cheap before dear.
    #[default]
    Auto,
    /// Interval bound propagation only.
    Ibp,
    /// Intervals, then CROWN.
    Crown,
}

impl Method {
    /// All methods, weakest first.
    pub const ALL: [Self; 3] = [Self::Ibp, Self::Crown, Self::Auto];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Ibp => "ibp",
            Self::Crown => "crown",
        })
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|method| method.to_string() == text)
            .ok_or_else(|| format!("'{text}' is no method; use ibp, crown or auto"))
    }
}

/// What decided a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// An attack found a counterexample.
    Attack,
    /// Interval bound propagation.
    Ibp,
    /// One backward pass over interval bounds.
    CrownIbp,
    /// Backward passes for intermediate bounds too.
    Crown,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Attack => "attack",
            Self::Ibp => "ibp",
            Self::CrownIbp => "crown-ibp",
            Self::Crown => "crown",
        })
    }
}

/// What must be trusted to believe a certificate (docs/soundness.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AssuranceLevel {
    /// An external floating-point solver's word.
    Solver,
    /// This verifier's code, rounding accounted for.
    Sound,
    /// The independent checker.
    Proved,
}

impl fmt::Display for AssuranceLevel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Solver => "solver",
            Self::Sound => "sound",
            Self::Proved => "proved",
        })
    }
}

/// Limits and choices of one query.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How far to go.
    pub method: Method,
    /// The attack that is tried first.
    pub attack: AttackSettings,
    /// Seed of everything random.
    pub seed: u64,
    /// Time limit, looked at between stages and attack steps.
    pub timeout: Option<Duration>,
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
    /// The least margin proved over all claims: positive where all are certified; `None` where no bound was computed.
    pub bound: Option<f64>,
}

/// Decides a property of a network.
///
/// `net` is the network with its inputs appended ([`Network::with_inputs_as_outputs`]) where the property needs it.
#[must_use]
pub fn verify(
    net: &Network,
    property: &Property,
    settings: &Settings,
    cancel: &(dyn Fn() -> bool + Sync),
) -> Outcome {
    let limits = Limits::starting_now(settings.timeout, None, cancel);
    let stop = || limits.passed().is_some();
    if let Some(found) = attack::attack_any(net, property, &settings.attack, settings.seed, &stop) {
        return Outcome {
            verdict: Verdict::Falsified(Box::new(found)),
            stage: Some(Stage::Attack),
            bound: None,
        };
    }
    let mut least: Option<f64> = None;
    let mut stage = None;
    for claim in &property.claims {
        let bounded = bound_claim(net, claim, settings.method, &limits);
        if let Some(margin) = bounded.margin {
            least = Some(least.map_or(margin, |least| least.min(margin)));
        }
        match bounded.decided {
            Ok(by) => stage = stage.max(Some(by)),
            Err(reason) => {
                return Outcome {
                    verdict: Verdict::Unknown(Unknown { reason }),
                    stage: None,
                    bound: least,
                };
            }
        }
    }
    let certificate = Certificate { level: AssuranceLevel::Sound };
    Outcome { verdict: Verdict::Certified(certificate), stage, bound: least }
}

/// How far bounds of one claim got.
struct BoundedClaim {
    decided: Result<Stage, Reason>,
    margin: Option<f64>,
}

/// Bounds one claim, cheap before dear, until it is proved or the method allows no more.
fn bound_claim(net: &Network, claim: &Claim, method: Method, limits: &Limits) -> BoundedClaim {
    let functionals = Functionals::of(claim, net.outputs());
    let mut lows = vec![f64::NEG_INFINITY; functionals.len()];
    let stages: &[Stage] = match method {
        Method::Ibp => &[Stage::Ibp],
        Method::Crown | Method::Auto => &[Stage::Ibp, Stage::CrownIbp, Stage::Crown],
    };
    let input = claim.region.boxes();
    let mut intervals = None;
    let mut margin = None;
    for &stage in stages {
        if let Some(reason) = limits.passed() {
            return BoundedClaim { decided: Err(reason), margin };
        }
        let open = functionals.open(&lows);
        let rows = functionals.matrix.select_columns(&open);
        let better = match stage {
            Stage::Crown => lower(&Analysis::of_region(net, &input, Intermediate::Crown), &rows),
            _ => {
                let analysis = intervals.get_or_insert_with(|| {
                    Analysis::of_region(net, &input, Intermediate::Interval)
                });
                if stage == Stage::Ibp {
                    analysis.sweep().interval(net.output(), &rows, &vec![0; rows.ncols()])
                } else {
                    lower(analysis, &rows)
                }
            }
        };
        for (&column, bound) in open.iter().zip(better) {
            lows[column] = lows[column].max(bound);
        }
        margin = Some(functionals.margin(&lows));
        if functionals.proved_by(&lows) {
            return BoundedClaim { decided: Ok(stage), margin };
        }
    }
    BoundedClaim { decided: Err(Reason::BoundTooWeak), margin }
}

fn lower(analysis: &Analysis, rows: &Matrix) -> Vec<f64> {
    analysis.lower(rows, &vec![0; rows.ncols()]).bounds
}
