//! The stages that bound one claim, cheap before dear, and what each of them says in a proof.

use super::{Method, Settings, Stage};
use crate::attack::{self, Counterexample};
use crate::bound::{
    Analysis, Climbed, Functionals, Intermediate, Multipliers, OpenPolytope, Swept,
    default_in_doubt, default_slope,
};
use crate::branch::{
    self, Ends, Hints, Limits, Line, Neuron, Reason, Refutation, Tree, crown, hints_of,
    hints_of_duals, in_full, refuted_by, spare, unstable,
};
use crate::lp::milp::{self, MilpAnswer, MilpSolver};
use crate::lp::{self, Clarabel};
use crate::net::{Matrix, Network, Semantics};
use crate::num::{Rational, from_f64, round_down};
use crate::spec::{Claim, HalfSpace, Property};
use num_traits::Zero;
use std::time::{Duration, Instant};

/// How far bounds of one claim got.
pub(super) struct BoundedClaim<'a> {
    pub decided: Decided,
    pub margin: f64,
    /// What excludes every polytope, where that is recorded and can be said.
    pub tree: Option<Tree>,
    /// What is known of the region, where every pre-activation was swept.
    pub analysis: Option<Analysis<'a>>,
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
    /// Whether what is found is recorded for a proof.
    pub recorded: bool,
}

/// The time that one mixed-integer program may take where no limit was given.
const MILP_TIME: Duration = Duration::from_secs(60);

/// By how much a bound over plain intervals must exceed what it has to, that a checker does not doubt it, relative and absolute.
const SURE: f64 = 1e-6;

const LINEAR: [Stage; 5] =
    [Stage::Ibp, Stage::CrownIbp, Stage::Crown, Stage::AlphaCrown, Stage::Lp];
const EXACT: [Stage; 6] =
    [Stage::Ibp, Stage::CrownIbp, Stage::Crown, Stage::AlphaCrown, Stage::Lp, Stage::Milp];

/// What is known of a claim, from stage to stage.
struct Known<'a> {
    functionals: Functionals<'a>,
    /// Lower bounds of the functionals.
    lows: Vec<f64>,
    /// By how much a bound of each must exceed its target, that a checker does not doubt it; 0 where nothing is recorded.
    spares: Vec<f64>,
    /// The functionals that plain intervals bound best in exact arithmetic.
    met: Vec<usize>,
    record: Option<Record>,
}

/// What excludes polytopes, in the words of a proof.
#[derive(Default)]
struct Record {
    tree: Tree,
    excluded: Vec<usize>,
    /// What plain intervals exclude, in many words: for what nothing else does.
    at_once: Vec<(usize, Refutation)>,
}

impl Record {
    fn exclude(&mut self, refuted: impl IntoIterator<Item = (usize, Refutation)>) {
        let new = |(polytope, _): &(usize, _)| !self.excluded.contains(polytope);
        let refuted: Vec<_> = refuted.into_iter().filter(new).collect();
        self.excluded.extend(refuted.iter().map(|(polytope, _)| polytope));
        self.tree.lines(0, Line::refuting(refuted, &Hints::default()));
    }

    /// The tree, if it excludes so many polytopes.
    fn whole(mut self, polytopes: usize) -> Option<Tree> {
        let at_once = std::mem::take(&mut self.at_once);
        self.exclude(at_once);
        (self.excluded.len() == polytopes).then_some(self.tree)
    }
}

impl<'a> Bounding<'a> {
    /// Bounds the claim until it is proved or the method allows no more.
    pub(super) fn bound(&self) -> BoundedClaim<'a> {
        let claim = &self.property.claims[self.claim];
        let functionals = Functionals::of(claim, self.net.outputs());
        let mut known = Known {
            lows: vec![f64::NEG_INFINITY; functionals.len()],
            spares: vec![0.0; functionals.len()],
            met: Vec::new(),
            record: self.recorded.then(Record::default),
            functionals,
        };
        let mut analysis: Option<Analysis<'a>> = None;
        let mut swept = false;
        let mut promising = true;
        let mut reason = Reason::BoundTooWeak;
        let mut decided = None;
        for &stage in self.stages() {
            if let Some(reason) = self.limits.passed() {
                decided = Some(Decided::Open(reason));
                break;
            }
            let how = match stage {
                Stage::Ibp => Some(Intermediate::Interval),
                Stage::Crown => Some(Intermediate::Crown),
                _ => None,
            };
            if let Some(how) = how {
                analysis = Some(Analysis::of_region(self.net, &claim.region.boxes(), how));
                swept = how == Intermediate::Crown;
            }
            let Some(analysis) = &mut analysis else { continue };
            let found = match stage {
                Stage::AlphaCrown => {
                    promising = known.climb(analysis);
                    None
                }
                Stage::Lp => self.linear_programs(analysis, &mut known, promising),
                Stage::Milp => match self.integer_programs(analysis, &known) {
                    Decided::Open(why) => {
                        reason = why;
                        None
                    }
                    Decided::Refuted(_, found) => Some(found),
                    proved @ Decided::Proved(_) => {
                        decided = Some(proved);
                        break;
                    }
                },
                _ => {
                    known.raise(analysis, stage);
                    if stage == Stage::Ibp {
                        known.meet(self.net, claim);
                    }
                    None
                }
            };
            if let Some(found) = found {
                decided = Some(Decided::Refuted(stage, found));
                break;
            }
            let proved = known.functionals.proved_by(&known.lows);
            known.record_sweeps(analysis, stage, proved, self);
            if proved {
                decided = Some(Decided::Proved(stage));
                break;
            }
        }
        let open = || Decided::Open(self.limits.passed().unwrap_or(reason));
        let decided = decided.unwrap_or_else(open);
        let mut margin = known.functionals.margin(&known.lows);
        if matches!(decided, Decided::Proved(Stage::Milp)) {
            // The solver says that there is no such point, and not by how much.
            margin = margin.max(0.0);
        }
        let all = known.functionals.polytopes();
        let tree = known.record.and_then(|record| record.whole(all));
        BoundedClaim { decided, margin, tree, analysis: analysis.filter(|_| swept) }
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
            // A program over the integers knows nothing of rounding.
            Method::Milp if self.net.semantics() == Semantics::Float32 => &LINEAR,
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

    /// Raises bounds by LP, after tightening intermediate ones by LP where that was asked for (which no proof can repeat).
    /// [`Method::Auto`] leaves out LPs that are not promising: they cannot prove the claim.
    fn linear_programs(
        &self,
        analysis: &mut Analysis,
        known: &mut Known,
        mut promising: bool,
    ) -> Option<Box<Counterexample>> {
        let left = || self.left();
        if self.settings.lp_tighten > 0 && !self.recorded {
            let open =
                known.functionals.matrix.select_columns(&known.functionals.open(&known.lows));
            let count = self.settings.lp_tighten;
            *analysis = lp::tighten(analysis.clone(), &open, count, &Clarabel, &left).0;
            promising = known.climb(analysis);
        }
        let wanted = promising || self.settings.method != Method::Auto;
        if known.functionals.proved_by(&known.lows) || !wanted {
            return None;
        }
        let before = known.functionals.open_polytopes(&known.lows);
        let Known { functionals, lows, .. } = &mut *known;
        let raised = lp::raise(analysis, functionals, lows, &Clarabel, &left);
        known.record_duals(analysis, before, &raised.multipliers);
        self.first_valid(&raised.candidates)
    }

    /// Asks a mixed-integer solver about each open polytope.
    fn integer_programs(&self, analysis: &Analysis, known: &Known) -> Decided {
        for polytope in known.functionals.open_polytopes(&known.lows) {
            let Some(left) = self.left() else { return Decided::Open(Reason::TimeLimit) };
            let columns: Vec<usize> = polytope.halves.iter().map(|half| half.0).collect();
            let bounds: Vec<f64> = polytope.halves.iter().map(|half| half.1).collect();
            let rows = known.functionals.matrix.select_columns(&columns);
            let (sweep, at) = (analysis.sweep(), self.net.output());
            let time = self.limits.deadline.map_or(MILP_TIME, |_| left);
            match milp::reachable(&sweep, at, &rows, &bounds, MilpSolver::default(), time) {
                MilpAnswer::Unreachable => {}
                MilpAnswer::OutOfTime => return Decided::Open(Reason::TimeLimit),
                MilpAnswer::GaveUp => return Decided::Open(Reason::SolverGaveUp),
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

impl Known<'_> {
    /// Raises the bounds of functionals that are still open, by a sweep or by intervals alone.
    fn raise(&mut self, analysis: &Analysis, stage: Stage) {
        let open = self.functionals.open(&self.lows);
        let rows: Matrix = self.functionals.matrix.select_columns(&open);
        let domains = vec![0; open.len()];
        let better = if stage == Stage::Ibp {
            analysis.sweep().interval(analysis.net.output(), &rows, &domains).bounds
        } else {
            analysis.lower(&rows, &domains).bounds
        };
        for (&column, bound) in open.iter().zip(better) {
            self.lows[column] = self.lows[column].max(bound);
        }
    }

    /// Bounds exactly what misses a strict half-space by so little that rounding may be why.
    fn meet(&mut self, net: &Network, claim: &Claim) {
        let near = |half: &HalfSpace, low: f64| {
            let distance = half.bound_up - low;
            half.strict && distance > 0.0 && distance < SURE * (1.0 + half.bound_up.abs())
        };
        if !self.functionals.half_spaces().any(|(column, half)| near(half, self.lows[column])) {
            return;
        }
        let ends = claim.region.lower().iter().zip(claim.region.upper());
        let ends = ends.map(|(&l, &u)| Some([from_f64(l)?, from_f64(u)?]));
        let Some(outputs) = ends.collect::<Option<_>>().and_then(|x| net.enclose_exactly(x)) else {
            return;
        };
        for (column, low) in self.lows.iter_mut().enumerate() {
            let terms = self.functionals.matrix.column(column);
            let terms = terms.iter().zip(&outputs).map(|(&a, [l, u])| {
                from_f64(a).map_or_else(Rational::zero, |w| w * if a < 0.0 { u } else { l })
            });
            let exact = round_down(&terms.sum());
            if exact > *low {
                *low = exact;
                self.met.push(column);
            }
        }
    }

    /// Raises them by optimised slopes; whether linear programs could still prove the claim.
    fn climb(&mut self, analysis: &Analysis) -> bool {
        let before = self.functionals.open_polytopes(&self.lows);
        let prospect = lp::prospect(analysis, &self.functionals, &mut self.lows, &self.spares);
        if self.record.is_some() {
            let neurons = unstable(analysis, 0);
            let Climbed { bounds, slopes, .. } = &prospect.climbed;
            let hints = |column: usize, sure: bool| {
                let omitted = |neuron: &Neuron, slope| sure && is_default(analysis, neuron, slope);
                hints_of(slopes, &[], column, &neurons, omitted)
            };
            let found: Vec<_> =
                prospect.columns.iter().copied().zip(bounds.iter().copied()).collect();
            self.record_bounds(analysis, before, &found, &hints);
        }
        prospect.promising
    }

    fn record_duals(
        &mut self,
        analysis: &Analysis,
        before: Vec<OpenPolytope>,
        solved: &[(usize, f64, Multipliers)],
    ) {
        let neurons = unstable(analysis, 0);
        let hints = |at: usize, sure: bool| {
            let omitted = |neuron: &Neuron, slope| sure && is_default(analysis, neuron, slope);
            hints_of_duals(&solved[at].2, &neurons, omitted)
        };
        let found: Vec<_> = solved.iter().map(|(column, bound, _)| (*column, *bound)).collect();
        self.record_bounds(analysis, before, &found, &hints);
    }

    /// Records which of these polytopes bounds of functionals (column, bound) exclude, with the hints that are told of each: a bound that a
    /// checker may doubt is written down with every slope.
    fn record_bounds(
        &mut self,
        analysis: &Analysis,
        polytopes: Vec<OpenPolytope>,
        found: &[(usize, f64)],
        hints: &dyn Fn(usize, bool) -> Hints,
    ) {
        let Some(record) = &mut self.record else { return };
        let of = |polytope: OpenPolytope| {
            let how = polytope.halves.iter().find_map(|&(column, target)| {
                let at = found.iter().position(|own| own.0 == column && own.1 > target)?;
                let sure = found[at].1 > target + self.spares[column];
                let hints = in_full(hints(at, sure), Ends::all(analysis), 0, !sure);
                Some(Refutation { hints, ..Refutation::default() })
            });
            Some((polytope.index, how?))
        };
        record.exclude(polytopes.into_iter().filter_map(of));
    }

    /// Records what sweeps at default slopes exclude, and intervals alone.
    fn record_sweeps(&mut self, analysis: &Analysis, stage: Stage, proved: bool, of: &Bounding) {
        let Some(record) = &mut self.record else { return };
        let (functionals, none) = (&self.functionals, vec![0; self.functionals.len()]);
        if stage == Stage::CrownIbp || (stage == Stage::Ibp && proved) {
            let swept = analysis.lower(&functionals.matrix, &none);
            let sure = |low: &f64| low - SURE * (1.0 + low.abs());
            let sure: Vec<f64> = swept.bounds.iter().map(sure).collect();
            if functionals.proved_by(&sure) {
                record.excluded = (0..functionals.polytopes()).collect();
                let (polytopes, how) = (Box::default(), Refutation::default());
                record.tree.line(0, Line::Refute { polytopes, how });
            } else {
                record.at_once = refuted_at_once(analysis, functionals, &swept.bounds, &self.met);
            }
        }
        if stage == Stage::Crown {
            let swept = analysis.lower(&functionals.matrix, &none);
            let region = &of.property.claims[of.claim].region;
            let spare = |c: usize| {
                let functional = functionals.matrix.column(c);
                let (net, charges) = (analysis.net, &analysis.charges);
                spare(net, charges, region, &swept, c, functional.as_slice())
            };
            self.spares = (0..functionals.len()).map(spare).collect();
            record.tree.line(0, crown(analysis));
            record.exclude(refuted_by(analysis, functionals, &swept.bounds, &self.spares));
        }
    }
}

/// Whether a slope is what a checker takes by itself, beyond doubt.
fn is_default(analysis: &Analysis, &(_, z, i): &Neuron, slope: f64) -> bool {
    let boxes = &analysis.layers.boxes[z];
    let (l, u) = (boxes.lower[i], boxes.upper[i]);
    slope == default_slope(l, u) && !default_in_doubt(l, u)
}

/// Polytopes that sweeps over plain intervals exclude, or intervals alone: written in full, this holds whatever else is known.
fn refuted_at_once(
    analysis: &Analysis,
    functionals: &Functionals,
    lows: &[f64],
    met: &[usize],
) -> Vec<(usize, Refutation)> {
    let at = analysis.net.output();
    let intervals = analysis.sweep().interval(at, &functionals.matrix, &vec![0; functionals.len()]);
    let all = functionals.open_polytopes(&vec![f64::NEG_INFINITY; functionals.len()]);
    let of = |polytope: OpenPolytope| {
        let excluded = |lows: &[f64]| {
            let by = |(half, &(column, bound)): (usize, &(usize, f64))| {
                (lows[column] > bound).then_some((half, column))
            };
            polytope.halves.iter().enumerate().find_map(by)
        };
        let (half, hints) = if let Some((half, _)) = excluded(lows) {
            (half, in_full(Hints::default(), Ends::all(analysis), 0, true))
        } else {
            let met = || {
                let half = polytope.halves.iter().position(|half| met.contains(&half.0))?;
                Some((half, polytope.halves[half].0))
            };
            let (half, column) = excluded(&intervals.bounds).or_else(met)?;
            (half, ended(analysis, &intervals, column))
        };
        Some((polytope.index, Refutation { weights: [(half, 1.0)].into(), hints }))
    };
    all.into_iter().filter_map(of).collect()
}

/// Hints that end a sweep of a functional at the ReLUs that it comes to first, each at an end of its interval: flat lines, and of a ReLU
/// that is active and counts from below its pre-activation, lifted.
fn ended(analysis: &Analysis, intervals: &Swept, column: usize) -> Hints {
    let (mut slopes, mut uppers, mut lifts) = (Vec::new(), Vec::new(), Vec::new());
    for (relu, z) in analysis.net.relus() {
        let Some(Some(coefficients)) = intervals.trace.get(relu) else { continue };
        for i in 0..coefficients.nrows() {
            let (a, name) = (coefficients[(i, column)], (relu as u32, i as u32));
            if a < 0.0 {
                uppers.push((name.0, name.1, 0.0));
            } else if a > 0.0 {
                let active = analysis.layers.boxes[z].lower[i] > 0.0;
                slopes.push((name.0, name.1, f32::from(u8::from(active))));
                lifts.extend(active.then_some((z as u32, name.1, a)));
            }
        }
    }
    Hints { slopes: slopes.into(), uppers: uppers.into(), lifts: lifts.into() }
}
