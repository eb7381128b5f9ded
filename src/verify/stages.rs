//! The stages that bound one claim, cheap before dear.

use super::{Method, Settings, Stage};
use crate::attack::{self, Counterexample};
use crate::bound::{Analysis, Functionals, Intermediate};
use crate::branch::{self, Limits, Reason};
use crate::lp::milp::{self, MilpAnswer, MilpSolver};
use crate::lp::{self, Clarabel};
use crate::net::{Matrix, Network};
use crate::spec::Property;
use std::time::{Duration, Instant};

/// How far bounds of one claim got.
pub(super) struct BoundedClaim {
    pub decided: Decided,
    pub margin: f64,
}

/// What became of a claim.
pub(super) enum Decided {
    Proved(Stage),
    Refuted(Stage, Box<Counterexample>),
    Open(Reason),
}

/// One claim of a property.
pub(super) struct Bounding<'a> {
    pub net: &'a Network,
    pub property: &'a Property,
    pub claim: usize,
    pub settings: &'a Settings,
    pub limits: &'a Limits<'a>,
}

/// The time that one mixed-integer program may take where no limit was given.
const MILP_TIME: Duration = Duration::from_secs(60);

const LINEAR: [Stage; 5] =
    [Stage::Ibp, Stage::CrownIbp, Stage::Crown, Stage::AlphaCrown, Stage::Lp];
const EXACT: [Stage; 6] =
    [Stage::Ibp, Stage::CrownIbp, Stage::Crown, Stage::AlphaCrown, Stage::Lp, Stage::Milp];

impl Bounding<'_> {
    /// Bounds the claim until it is proved or the method allows no more.
    pub fn bound(&self) -> BoundedClaim {
        let claim = &self.property.claims[self.claim];
        let functionals = Functionals::of(claim, self.net.outputs());
        let mut lows = vec![f64::NEG_INFINITY; functionals.len()];
        let input = claim.region.boxes();
        let mut analysis: Option<Analysis> = None;
        let mut margin = f64::NEG_INFINITY;
        let mut reason = Reason::BoundTooWeak;
        let mut promising = true;
        for &stage in self.stages() {
            if let Some(reason) = self.limits.passed() {
                return BoundedClaim { decided: Decided::Open(reason), margin };
            }
            let how = match stage {
                Stage::Ibp => Some(Intermediate::Interval),
                Stage::Crown => Some(Intermediate::Crown),
                _ => None,
            };
            if let Some(how) = how {
                analysis = Some(Analysis::of_region(self.net, &input, how));
            }
            let Some(known) = &mut analysis else { continue };
            let found = match stage {
                Stage::AlphaCrown => {
                    promising = lp::prospect(known, &functionals, &mut lows);
                    None
                }
                Stage::Lp => self.linear_programs(known, &functionals, &mut lows, promising),
                Stage::Milp => match self.integer_programs(known, &functionals, &lows) {
                    Decided::Open(why) => {
                        reason = why;
                        None
                    }
                    Decided::Refuted(_, found) => Some(found),
                    decided @ Decided::Proved(_) => return BoundedClaim { decided, margin },
                },
                _ => {
                    raise(known, &functionals, &mut lows, stage == Stage::Ibp);
                    None
                }
            };
            if let Some(found) = found {
                return BoundedClaim { decided: Decided::Refuted(stage, found), margin };
            }
            margin = functionals.margin(&lows);
            if functionals.proved_by(&lows) {
                return BoundedClaim { decided: Decided::Proved(stage), margin };
            }
        }
        let reason = self.limits.passed().unwrap_or(reason);
        BoundedClaim { decided: Decided::Open(reason), margin }
    }

    fn stages(&self) -> &'static [Stage] {
        match self.settings.method {
            Method::Ibp => &[Stage::Ibp],
            // Search begins with better bounds of its own for less.
            Method::Complete if branch::prefers_forward(self.net, self.property) => {
                &[Stage::Ibp, Stage::CrownIbp]
            }
            Method::Crown | Method::Complete => &[Stage::Ibp, Stage::CrownIbp, Stage::Crown],
            Method::Lp | Method::Auto => &LINEAR,
            Method::Milp => &EXACT,
        }
    }

    /// The time left, `None` where it is over.
    fn left(&self) -> Option<Duration> {
        if self.limits.passed().is_some() {
            return None;
        }
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        Some(self.limits.deadline.map_or(Duration::MAX, left))
    }

    /// Raises bounds by LP, after tightening intermediate ones by LP where that was asked for. [`Method::Auto`] leaves out
    /// LPs that are not promising: they cannot prove the claim.
    fn linear_programs(
        &self,
        analysis: &mut Analysis,
        functionals: &Functionals,
        lows: &mut [f64],
        mut promising: bool,
    ) -> Option<Box<Counterexample>> {
        let left = || self.left();
        if self.settings.lp_tighten > 0 {
            let open = functionals.matrix.select_columns(&functionals.open(lows));
            let count = self.settings.lp_tighten;
            *analysis = lp::tighten(analysis.clone(), &open, count, &Clarabel, &left).0;
            promising = lp::prospect(analysis, functionals, lows);
        }
        let wanted = promising || self.settings.method != Method::Auto;
        if functionals.proved_by(lows) || !wanted {
            return None;
        }
        let raised = lp::raise(analysis, functionals, lows, &Clarabel, &left);
        self.first_valid(&raised.candidates)
    }

    /// Asks a mixed-integer solver about each open polytope.
    fn integer_programs(
        &self,
        analysis: &Analysis,
        functionals: &Functionals,
        lows: &[f64],
    ) -> Decided {
        for polytope in functionals.open_polytopes(lows) {
            let Some(left) = self.left() else { return Decided::Open(Reason::TimeLimit) };
            let columns: Vec<usize> = polytope.halves.iter().map(|half| half.0).collect();
            let bounds: Vec<f64> = polytope.halves.iter().map(|half| half.1).collect();
            let rows = functionals.matrix.select_columns(&columns);
            let (sweep, at) = (analysis.sweep(), self.net.output());
            let time = self.limits.deadline.map_or(MILP_TIME, |_| left);
            match milp::reachable(&sweep, at, &rows, &bounds, MilpSolver::default(), time) {
                MilpAnswer::Unreachable => {}
                MilpAnswer::Undecided => return Decided::Open(Reason::TimeLimit),
                MilpAnswer::Candidate(point) => {
                    return match self.first_valid(&[point]) {
                        Some(found) => Decided::Refuted(Stage::Milp, found),
                        None => Decided::Open(Reason::Resolution),
                    };
                }
            }
        }
        Decided::Proved(Stage::Milp)
    }

    fn first_valid(&self, candidates: &[Vec<f64>]) -> Option<Box<Counterexample>> {
        candidates
            .iter()
            .find_map(|point| attack::validate(self.net, self.property, self.claim, point))
            .map(Box::new)
    }
}

/// Raises the bounds of functionals that are still open, by a sweep or by intervals alone.
fn raise(analysis: &Analysis, functionals: &Functionals, lows: &mut [f64], interval: bool) {
    let open = functionals.open(lows);
    let rows: Matrix = functionals.matrix.select_columns(&open);
    let domains = vec![0; open.len()];
    let better = if interval {
        analysis.sweep().interval(analysis.net.output(), &rows, &domains).bounds
    } else {
        analysis.lower(&rows, &domains).bounds
    };
    for (&column, bound) in open.iter().zip(better) {
        lows[column] = lows[column].max(bound);
    }
}
