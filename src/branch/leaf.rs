//! Bounds of a batch of sub-boxes: for each, linear bounds of its claim's half-spaces, then of the best combination of them
//! for each polytope that no half-space excludes alone, with slopes optimised for it.

use super::ascend::{Slopes, ascend};
use super::combine::combine;
use super::doubt::{Ends, Lines, SLACK, doubtful, rounding_of_terms, size, terms};
use super::front::{DOMAIN, Part};
use super::inherit::Inherited;
use super::reach::{Reach, Row};
use super::smear::Subject;
use super::tree::{Hints, Line, Refutation, Tree};
use crate::bound::{
    Analysis, Charges, Costs, Functionals, Intermediate, Multipliers, OpenPolytope, Start, Swept,
    work_of_sweep,
};
use crate::net::{Boxes, Matrix, Network, column};
use std::sync::Arc;

/// A sub-box of one claim's region that is not proved yet.
#[derive(Debug, Clone)]
pub(super) struct Domain {
    pub claim: u32,
    /// Its node in the claim's tree, if there is one.
    pub node: u32,
    /// Bounds of pre-activations on the box that it is a half of.
    pub inherited: Option<Inherited>,
    /// Margin proved of it or of the box it comes from.
    pub bound: f64,
    pub lower: Box<[f64]>,
    pub upper: Box<[f64]>,
}

/// A domain that its bounds do not prove.
pub(super) struct Undecided<'a> {
    pub domain: &'a Domain,
    /// Its column in the analysis.
    pub column: usize,
    /// The least margin over its claim's polytopes.
    pub margin: f64,
    /// What it may still reach.
    pub open: Vec<Reach>,
    /// Slopes that are the default, if in doubt, for the record.
    pub hints: Hints,
    /// What it was found not to reach, for the record.
    refuted: Vec<(usize, Refutation)>,
}

impl Undecided<'_> {
    /// What was done with it so far.
    pub(super) fn piece(&self) -> Tree {
        piece(&self.hints, Line::refuting(self.refuted.clone(), &self.hints))
    }

    /// Where splitting should help: each open polytope's nearest row, weighted by the inverse of what is missing.
    pub(super) fn subject(&self) -> Subject {
        let weighted = |reach: &Reach| {
            let row = reach.nearest()?;
            let gap = (-row.margin()).max(f64::MIN_POSITIVE);
            Some((row.at.0, row.at.1, if gap.is_finite() { 1.0 / gap } else { 1.0 }))
        };
        let functionals = self.open.iter().filter_map(weighted).collect();
        Subject { domain: self.column, functionals }
    }
}

/// A domain's sweeps, and what they exclude.
fn piece(hints: &Hints, lines: Vec<Line>) -> Tree {
    let mut piece = Tree::default();
    piece.line(0, Line::Crown { after: None, hints: hints.clone() });
    piece.lines(0, lines);
    piece
}

/// What bounds of a batch left.
pub(super) struct Bounded<'a> {
    pub analysis: Analysis<'a>,
    pub sweeps: Vec<Swept>,
    /// The slopes of each sweep; none for default ones.
    slopes: Vec<Slopes>,
    /// Multiplications that it took, about.
    pub work: f64,
    /// The least margin among the domains proved.
    pub proved: f64,
    /// What was done with domains that are proved, for the record.
    pub closed: Vec<((usize, u32), Tree)>,
    pub undecided: Vec<Undecided<'a>>,
}

/// What is asked of every batch.
pub(super) struct Bounder<'a> {
    pub net: &'a Network,
    pub functionals: &'a [Functionals<'a>],
    pub charges: Arc<Charges>,
    pub recorded: bool,
    /// Terms of the sums of a sweep.
    terms: usize,
    /// Multiplications of a sweep of one element, by node, and of the outputs.
    sweeps: Costs,
    last: f64,
    /// What bounds cost, where forward ones are cheaper than sweeps.
    pub costs: Option<Costs>,
}

/// Forward bounds are taken where sweeping every neuron would cost this many times as much.
const FORWARD_GAIN: usize = 64;

/// Forward bounds are looser, so that more boxes are needed: halving every input once makes 2ⁿ of them. With more inputs than
/// this, tight bounds of few boxes pay.
const FORWARD_INPUTS: usize = 8;

/// A node's neurons are swept all the same where that costs no more than this many forward passes.
const SWEEP_SHARE: usize = 4;

/// The costs of bounds over boxes in which at most so many inputs are not fixed, where forward ones are to be taken.
pub(super) fn forward_costs(net: &Network, free_inputs: usize) -> Option<Costs> {
    if free_inputs > FORWARD_INPUTS {
        return None;
    }
    let costs = Costs::of(net, free_inputs);
    (costs.all_sweeps(net) / FORWARD_GAIN > costs.forward()).then_some(costs)
}

impl<'a> Bounder<'a> {
    /// Chooses what to bound with.
    pub(super) fn new(
        net: &'a Network,
        functionals: &'a [Functionals<'a>],
        charges: Arc<Charges>,
        free_inputs: usize,
        recorded: bool,
    ) -> Self {
        let costs = forward_costs(net, free_inputs);
        Self { costs, ..Self::by_sweeps(net, functionals, charges, recorded) }
    }

    /// Sweeps every neuron, whatever it costs.
    pub(super) fn by_sweeps(
        net: &'a Network,
        functionals: &'a [Functionals<'a>],
        charges: Arc<Charges>,
        recorded: bool,
    ) -> Self {
        let (sweeps, last) = (Costs::of(net, 0), work_of_sweep(net, net.output()));
        Self { net, functionals, charges, recorded, terms: terms(net), sweeps, last, costs: None }
    }

    /// Bounds a batch of domains.
    pub(super) fn bound(&'a self, domains: &'a [Domain]) -> Bounded<'a> {
        let analysis = self.analyse(domains);
        let (swept, starts) = self.sweep_halves(&analysis, domains);
        let work = self.work(&analysis, swept.bounds.len());
        let mut bounded = Bounded {
            analysis,
            work,
            sweeps: vec![swept],
            slopes: vec![Vec::new()],
            proved: f64::INFINITY,
            closed: Vec::new(),
            undecided: Vec::new(),
        };
        for (d, domain) in domains.iter().enumerate() {
            let functionals = &self.functionals[domain.claim as usize];
            let swept = &bounded.sweeps[0];
            let rows: Vec<Row> = (starts[d]..starts[d + 1])
                .map(|c| self.row(domain, swept, (0, c), c - starts[d]))
                .collect();
            let lows: Vec<f64> = rows.iter().map(|row| row.low).collect();
            let margin = functionals.margin(&lows);
            let proved = functionals.proved_by(&lows);
            let reach = |polytope: OpenPolytope| Reach::of(polytope, &rows);
            let open: Vec<Reach> =
                functionals.open_polytopes(&lows).into_iter().map(reach).collect();
            let (mut hints, mut refuted) = (Hints::default(), Vec::new());
            if self.recorded {
                hints = doubtful(Ends::all(&bounded.analysis), d);
                let sure: Vec<f64> = rows.iter().map(|row| row.low - row.slack[0]).collect();
                if proved && functionals.proved_by(&sure) {
                    let how = Refutation { hints: hints.clone(), ..Refutation::default() };
                    let all = Line::Refute { polytopes: Box::default(), how };
                    bounded.closed.push((domain.place(), piece(&hints, vec![all])));
                } else {
                    refuted = bounded.refuted(d, functionals, &rows, &sure, &open);
                }
            }
            let undecided = Undecided { domain, column: d, margin, open, hints, refuted };
            if proved {
                bounded.proved = bounded.proved.min(margin);
                if !undecided.refuted.is_empty() {
                    bounded.closed.push((domain.place(), undecided.piece()));
                }
                continue;
            }
            bounded.undecided.push(undecided);
        }
        self.raise(&mut bounded);
        bounded
    }

    /// Multiplications of an analysis, and of sweeps of so many functionals, about.
    fn work(&self, analysis: &Analysis, functionals: usize) -> f64 {
        let domains = analysis.layers.boxes[0].domains() as f64;
        let unstable = |(_, z): (usize, usize)| {
            let boxes = &analysis.layers.boxes[z];
            let ends = boxes.lower.iter().zip(boxes.upper.iter());
            let open = ends.filter(|(l, u)| **l < 0.0 && **u > 0.0).count();
            (2 * open * self.sweeps.sweep(z)) as f64
        };
        let analysed = match &self.costs {
            Some(costs) => domains * costs.forward() as f64,
            None => analysis.net.relus().map(unstable).sum(),
        };
        analysed + domains * DOMAIN + functionals as f64 * self.last
    }

    /// Bounds of all pre-activations.
    pub(super) fn analyse(&'a self, domains: &[Domain]) -> Analysis<'a> {
        let gather = |end: fn(&Domain) -> &[f64]| {
            let ends = domains.iter().flat_map(|d| end(d).iter().copied());
            Matrix::from_iterator(self.net.inputs(), domains.len(), ends)
        };
        let input = Boxes { lower: gather(|d| &d.lower), upper: gather(|d| &d.upper) };
        let inherited: Vec<_> = domains.iter().map(|d| d.inherited.as_ref()).collect();
        let known = Inherited::columns(self.net, &inherited);
        let charges = self.charges.clone();
        match &self.costs {
            None => {
                Analysis::of_domains(self.net, &input, Intermediate::Crown, charges, Some(&known))
            }
            Some(costs) => {
                let budget = SWEEP_SHARE * costs.forward();
                Analysis::forward(self.net, &input, charges, Some(&known), costs, budget)
            }
        }
    }

    /// One column for every functional of every domain's claim; those of domain d begin at `starts[d]`.
    fn sweep_halves(&self, analysis: &Analysis, domains: &[Domain]) -> (Swept, Vec<usize>) {
        let mut starts = vec![0];
        let mut columns: Vec<usize> = Vec::new();
        let mut rows: Vec<f64> = Vec::new();
        for (d, domain) in domains.iter().enumerate() {
            let functionals = &self.functionals[domain.claim as usize];
            rows.extend_from_slice(functionals.matrix.as_slice());
            columns.extend(std::iter::repeat_n(d, functionals.len()));
            starts.push(columns.len());
        }
        let rows = Matrix::from_vec(self.net.outputs(), columns.len(), rows);
        (sweep(analysis, &rows, &columns), starts)
    }

    /// The row of functional f of a domain's claim.
    fn row(&self, domain: &Domain, swept: &Swept, at: (usize, usize), f: usize) -> Row {
        let mut row = Row::of(swept, at, f64::NAN, Vec::new());
        if self.recorded {
            let functional = column(&self.functionals[domain.claim as usize].matrix, f);
            row.slack = self.slack(&row, domain, functional);
        }
        row
    }

    /// What the checker may find less than a row of a functional.
    fn slack(&self, row: &Row, domain: &Domain, functional: &[f64]) -> [f64; 2] {
        let size = size(&row.coefficients, row.constant, &domain.lower, &domain.upper);
        let outputs = self.charges.magnitudes(self.net.output());
        let rounding = rounding_of_terms(self.terms, outputs, functional);
        [SLACK * size + rounding, rounding]
    }

    /// About as much, before there is a row: more than it will be.
    fn expected_distance(&self, reach: &Reach, domain: &Domain, functional: &[f64]) -> f64 {
        let size = |row: &Row| size(&row.coefficients, row.constant, &domain.lower, &domain.upper);
        let largest = reach.rows.iter().map(size).fold(0.0, f64::max);
        let outputs = self.charges.magnitudes(self.net.output());
        2.0 * (SLACK * largest + rounding_of_terms(self.terms, outputs, functional))
    }

    /// Adds to each open polytope the combination of its half-spaces that their rows suggest, with slopes of its own.
    fn raise(&self, bounded: &mut Bounded) {
        let mut owners = Vec::new();
        let (mut columns, mut matrix, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        let magnitudes = bounded.analysis.charges.clone();
        let magnitudes = magnitudes.magnitudes(self.net.output());
        for (u, Undecided { domain, column, open, .. }) in bounded.undecided.iter().enumerate() {
            let functionals = &self.functionals[domain.claim as usize];
            for (r, reach) in open.iter().enumerate() {
                let Some(weights) = reach.weights(domain) else { continue };
                let halves = reach.halves.iter().zip(&weights).map(|(&(f, b), &w)| (f, b, w));
                let sum = combine(&functionals.matrix, halves, magnitudes);
                columns.push(*column);
                matrix.extend_from_slice(&sum.functional);
                let mut target = sum.bound;
                if self.recorded {
                    target += self.expected_distance(reach, domain, &sum.functional);
                }
                targets.push(target);
                owners.push((u, r, weights, sum.bound));
            }
        }
        if owners.is_empty() {
            return;
        }
        let matrix = Matrix::from_vec(self.net.outputs(), columns.len(), matrix);
        let (sweeps, best) = ascend(&bounded.analysis, &matrix, &columns, &targets);
        for (k, (owner, (step, c))) in owners.into_iter().zip(best).enumerate() {
            let (u, r, weights, bound) = owner;
            let at = (bounded.sweeps.len() + step, c);
            let mut row = Row::of(&sweeps[step].0, at, bound, weights);
            let undecided = &mut bounded.undecided[u];
            if self.recorded {
                row.slack = self.slack(&row, undecided.domain, column(&matrix, k));
            }
            undecided.open[r].rows.push(row);
        }
        for (swept, slopes) in sweeps {
            bounded.work += 2.0 * swept.bounds.len() as f64 * self.last;
            bounded.sweeps.push(swept);
            bounded.slopes.push(slopes);
        }
        bounded.settle(self.recorded);
    }
}

fn sweep(analysis: &Analysis, functionals: &Matrix, columns: &[usize]) -> Swept {
    let start = Start::Dense(functionals);
    analysis.sweep().run(analysis.net.output(), &start, columns, &Multipliers::none(), true)
}

impl Bounded<'_> {
    /// Takes away the polytopes that combinations excluded, and the domains that can reach none any more.
    fn settle(&mut self, recorded: bool) {
        let mut left = Vec::with_capacity(self.undecided.len());
        for mut undecided in std::mem::take(&mut self.undecided) {
            let mut closed = f64::INFINITY;
            let is_open = |reach: &Reach| reach.margin() <= 0.0 || reach.margin().is_nan();
            for reach in undecided.open.iter().filter(|reach| !is_open(reach)) {
                closed = closed.min(reach.margin());
                if let Some(row) = reach.nearest().filter(|_| recorded) {
                    let how = self.refutation(undecided.column, row, !row.is_sure());
                    undecided.refuted.push((reach.index, how));
                }
            }
            undecided.open.retain(is_open);
            if undecided.open.is_empty() {
                // Of the polytopes closed before, the margin is not known here any more; it is not below 0.
                self.proved = self.proved.min(closed);
                if recorded {
                    self.closed.push((undecided.domain.place(), undecided.piece()));
                }
                continue;
            }
            undecided.margin =
                undecided.open.iter().map(Reach::margin).fold(f64::INFINITY, f64::min);
            left.push(undecided);
        }
        self.undecided = left;
    }

    /// How rows of single half-spaces exclude polytopes from the domain in column `d`, all but the open ones; `sure` are bounds without
    /// what the checker may doubt.
    fn refuted(
        &self,
        d: usize,
        functionals: &Functionals,
        rows: &[Row],
        sure: &[f64],
        open: &[Reach],
    ) -> Vec<(usize, Refutation)> {
        let unsure = functionals.open_polytopes(sure);
        let of = |index: usize| {
            if open.iter().any(|reach| reach.index == index) {
                return None;
            }
            let Some(polytope) = unsure.iter().find(|polytope| polytope.index == index) else {
                return Some((index, Refutation::default()));
            };
            let reach = Reach::of(polytope.clone(), rows);
            reach.nearest().map(|row| (index, self.refutation(d, row, true)))
        };
        (0..functionals.polytopes()).filter_map(of).collect()
    }

    /// The sweep that gave a row of the domain in column `d`: its half-spaces, and its slopes where the default is not the same
    /// beyond doubt, or all of them where the checker may doubt the row, or is to sweep on a box that was clipped meanwhile: with all
    /// slopes given, tighter intervals never weaken a bound. Of a positive coefficient the lower line counts, of a negative one the upper.
    pub(super) fn refutation(&self, d: usize, row: &Row, complete: bool) -> Refutation {
        let weights = row.weights.iter().copied().enumerate().filter(|(_, w)| *w > 0.0).collect();
        let (sweep, column) = row.at;
        let (trace, slopes) = (&self.sweeps[sweep].trace, &self.slopes[sweep]);
        let (mut written, mut uppers) = (Vec::new(), Vec::new());
        for (relu, z) in self.analysis.net.relus() {
            let Some(Some(a)) = trace.get(relu) else { continue };
            let slopes = slopes.get(relu).and_then(Option::as_ref);
            for i in 0..a.nrows() {
                let a = a[(i, column)];
                let Lines { default: [lower, upper], unstable, doubtful, pinned } =
                    Lines::of(Ends::all(&self.analysis), z, i, d);
                if a == 0.0 || !(unstable || pinned) {
                    continue;
                }
                let name = (relu as u32, i as u32);
                if a < 0.0 && (complete || pinned) {
                    uppers.push((name.0, name.1, upper));
                }
                let own = slopes.filter(|_| unstable).map_or(lower, |slopes| slopes[(i, column)]);
                if a > 0.0 && (complete || pinned || doubtful || own != lower) {
                    written.push((name.0, name.1, own as f32));
                }
            }
        }
        let hints = Hints { slopes: written.into(), uppers: uppers.into(), lifts: Box::default() };
        Refutation { weights, hints }
    }
}
