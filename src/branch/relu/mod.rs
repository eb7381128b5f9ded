//! Branching on ReLUs: the sign of one pre-activation is fixed on each side, and the split's multiplier β is optimised
//! together with the slopes (β-CROWN, Wang et al. 2021). Intermediate bounds are optimised at the root (α-CROWN); below it, those of
//! the layers after a split are swept anew, starting from what held for the parent.

mod choose;
mod domain;
mod record;

pub use record::{
    Care, ClaimRecord, Hints, Improve, Neuron, Refutation, ReluSplit, ReluStep, Tree, hints_of,
};

use super::{Answer, Limits, Reason, Searched};
use crate::attack::{Counterexample, validate};
use crate::bound::{
    Analysis, Climb, Climbed, End, Functionals, Goal, Intermediate, OpenPolytope, Reduced,
    SplitLift, Start, climb, default_slopes, optimise_intermediate, work_of_intermediate,
};
use crate::net::{Boxes, Matrix, Network, NodeId, Op};
use crate::spec::{Claim, Property};
use domain::{Domain, Known, Split, boxes_of, known_of};
use rayon::prelude::*;
use std::collections::BinaryHeap;

/// Entries of a batch's widest matrices, about.
const BATCH_ENTRIES: usize = 1 << 22;

/// Batches bounded in parallel: a constant, so that the search does not depend on the number of threads.
const BATCHES: usize = 4;

/// Iterations of the root, and of each domain after it (which starts from its parent's multipliers).
const ROOT: Climb = Climb { iterations: 40, slope_step: 0.25, lift_step: 0.1, decay: 0.97 };
const INNER: Climb = Climb { iterations: 12, slope_step: 0.15, lift_step: 0.1, decay: 0.92 };

/// Iterations for each end of an intermediate interval at the root.
const ENDS: Climb = Climb { iterations: 10, ..ROOT };

/// Multiplications that optimising the intermediate bounds of one root may take: some ten seconds.
const MOST_WORK: f64 = 2e11;

/// Decides a property by splitting ReLUs, claim by claim, polytope by polytope.
#[must_use]
pub fn split_relus(net: &Network, property: &Property, limits: &Limits) -> Searched {
    run(net, property, limits, None)
}

/// As [`split_relus`], and records how, with a little to spare in every bound: one record a claim.
#[must_use]
pub fn split_relus_recorded(
    net: &Network,
    property: &Property,
    limits: &Limits,
    care: Care,
) -> (Searched, Vec<ClaimRecord>) {
    let mut records = Vec::new();
    let searched = run(net, property, limits, Some((&mut records, care)));
    (searched, records)
}

fn run(
    net: &Network,
    property: &Property,
    limits: &Limits,
    mut records: Option<(&mut Vec<ClaimRecord>, Care)>,
) -> Searched {
    let care = records.as_ref().map(|(_, care)| *care);
    let mut total = Searched { answer: Answer::Proved, bound: f64::INFINITY, visited: 0, open: 0 };
    for (c, claim) in property.claims.iter().enumerate() {
        let functionals = Functionals::of(claim, net.outputs());
        let analysis = Analysis::of_region(net, &claim.region.boxes(), Intermediate::Crown);
        let mut root = Root::new(analysis, functionals, claim, care);
        // A second attempt at a proof does without: the checker has the whole network.
        let reduce = !root.open.is_empty() && care != Some(Care::MORE);
        let small = (reduce && Reduced::pays(&root.analysis))
            .then(|| Reduced::new(&root.analysis))
            .flatten();
        if let Some(small) = &small {
            root = Root { analysis: small.carry(&root.analysis), ..root };
        }
        if limits.domains > 1 {
            root.optimise(claim, care, limits);
        }
        total.bound = total.bound.min(root.proved);
        let mut trees = Vec::new();
        let mut ended = Answer::Proved;
        for polytope in &root.open {
            let Some(search) = Search::new(net, property, c, &root, polytope, care) else {
                ended = Answer::Open(Reason::BoundTooWeak);
                break;
            };
            let mut tree = care.map(|_| Tree::new(polytope.index));
            let part = search.run(limits, total.visited, tree.as_mut());
            trees.extend(tree);
            total.visited += part.visited;
            total.open += part.open;
            total.bound = total.bound.min(part.bound);
            if !matches!(part.answer, Answer::Proved) {
                ended = part.answer;
                break;
            }
        }
        if let Some((records, _)) = &mut records {
            let mut record = root.record(claim, trees);
            if let Some(small) = &small {
                record.rename(|node, element| small.original(node, element));
            }
            records.push(record);
        }
        if !matches!(ended, Answer::Proved) {
            return Searched { answer: ended, ..total };
        }
    }
    total
}

/// What is known of one claim's region before it is split.
struct Root<'a> {
    /// Of the network, or of a smaller one that stands for it there.
    analysis: Analysis<'a>,
    functionals: Functionals<'a>,
    /// Ends of intermediate intervals that optimised slopes moved, after CROWN.
    ends: Vec<End>,
    /// Polytopes that default slopes do not exclude.
    open: Vec<OpenPolytope>,
    /// The least margin where all are excluded.
    proved: f64,
    /// By how much a bound of each functional must exceed its target: 0 unless the search is recorded.
    spare: Vec<f64>,
}

impl<'a> Root<'a> {
    fn new(
        analysis: Analysis<'a>,
        functionals: Functionals<'a>,
        claim: &Claim,
        care: Option<Care>,
    ) -> Self {
        let (ends, open, spare) = (Vec::new(), Vec::new(), Vec::new());
        let mut root = Self { analysis, functionals, ends, open, proved: f64::INFINITY, spare };
        root.bound(claim, care);
        root
    }

    /// Optimises intermediate bounds where something is open and that does not take too long.
    fn optimise(&mut self, claim: &Claim, care: Option<Care>, limits: &Limits) {
        let work = ENDS.iterations as f64 * work_of_intermediate(&self.analysis);
        if !self.open.is_empty() && work < MOST_WORK {
            let stop = || limits.passed().is_some();
            (self.analysis, self.ends) = optimise_intermediate(&self.analysis, ENDS, &stop);
            self.bound(claim, care);
        }
    }

    /// Bounds all functionals at default slopes.
    fn bound(&mut self, claim: &Claim, care: Option<Care>) {
        let matrix = &self.functionals.matrix;
        let swept = self.analysis.lower(matrix, &vec![0; self.functionals.len()]);
        let spare = |column: usize| {
            let functional = matrix.column(column);
            let (net, charges) = (self.analysis.net, &self.analysis.charges);
            care.map_or(0.0, |care| {
                care.spare(net, charges, &claim.region, &swept, column, functional.as_slice())
            })
        };
        self.spare = (0..self.functionals.len()).map(spare).collect();
        let lows: Vec<f64> =
            swept.bounds.iter().zip(&self.spare).map(|(low, spare)| low - spare).collect();
        self.open = self.functionals.open_polytopes(&lows);
        if self.open.is_empty() {
            self.proved = self.functionals.margin(&lows);
        }
    }

    fn record(&self, claim: &Claim, trees: Vec<Tree>) -> ClaimRecord {
        let closed = |index: &usize| self.open.iter().all(|polytope| polytope.index != *index);
        let all = 0..claim.unsafe_set.len();
        let refuted = all.filter(closed).map(|index| (index, Refutation::default())).collect();
        let mut lines = vec![Improve::CROWN];
        lines.extend(self.ends.iter().map(|end| Improve::end(self.analysis.net, end)));
        ClaimRecord { lines, refuted, trees }
    }
}

/// One functional over one region.
struct Search<'a> {
    /// The network of the bounds, and the one that the property is about.
    net: &'a Network,
    whole: &'a Network,
    property: &'a Property,
    claim: usize,
    root: &'a Analysis<'a>,
    /// The functional (outputs × 1), which is to exceed `target`.
    row: Matrix,
    target: f64,
    /// (ReLU node, pre-activation, element) of the neurons unstable at the root.
    unstable: Vec<Neuron>,
    /// Whether, and how carefully, the search is recorded.
    care: Option<Care>,
    /// By how much bounds must exceed the target to be recorded.
    spare: f64,
}

/// What became of a batch.
#[derive(Default)]
struct Batch {
    children: Vec<Domain>,
    counterexample: Option<Counterexample>,
    proved: f64,
    /// Of the record: what was done at each step before it was split or refuted, with what the steps were refuted, and where the
    /// parents of the children were split.
    lines: Vec<(u32, Improve)>,
    refuted: Vec<(u32, Refutation)>,
    split: Vec<(u32, Split)>,
    /// Undecided although every neuron is fixed: only rounding or a missing counterexample separates these.
    stuck: usize,
}

impl Batch {
    /// Enters into the tree what was done, and into the children where they are in it.
    fn record(&mut self, tree: &mut Tree) {
        for (step, line) in self.lines.drain(..) {
            tree.improve(step, line);
        }
        for (step, refutation) in self.refuted.drain(..) {
            tree.refute(step, refutation);
        }
        for ((step, split), pair) in self.split.iter().zip(self.children.chunks_exact_mut(2)) {
            let [below, above] = tree.split(*step, split.node, split.element);
            pair.iter_mut().for_each(|child| {
                let active = child.splits.last().is_some_and(|split| split.active);
                child.step = if active { above } else { below };
            });
        }
    }
}

impl<'a> Search<'a> {
    /// `None` where the polytope has no half-space, so that no functional can exclude it.
    fn new(
        whole: &'a Network,
        property: &'a Property,
        claim: usize,
        root: &'a Root<'a>,
        polytope: &OpenPolytope,
        care: Option<Care>,
    ) -> Option<Self> {
        let net = root.analysis.net;
        let nearest = polytope.nearest?;
        let target = polytope.halves.iter().find(|half| half.0 == nearest)?.1;
        let functional = root.functionals.matrix.column(nearest);
        let row = Matrix::from_column_slice(net.outputs(), 1, functional.as_slice());
        let mut unstable = Vec::new();
        for (relu, z) in net.relus() {
            let boxes = &root.analysis.layers.boxes[z];
            unstable.extend(
                (0..boxes.lower.nrows())
                    .filter(|&i| boxes.lower[i] < 0.0 && boxes.upper[i] > 0.0)
                    .map(|i| (relu, z, i)),
            );
        }
        let spare = root.spare[nearest];
        let root = &root.analysis;
        Some(Self { net, whole, property, claim, root, row, target, unstable, care, spare })
    }

    fn run(&self, limits: &Limits, visited_before: usize, mut tree: Option<&mut Tree>) -> Searched {
        let slopes =
            self.unstable.iter().map(|&(relu, _, i)| self.default_slope(relu, i)).collect();
        let mut open = BinaryHeap::new();
        let mut memory = 0;
        open.push(Domain {
            bound: f64::NEG_INFINITY,
            step: 0,
            splits: Vec::new(),
            lifts: Vec::new(),
            slopes,
            known: known_of(self.root, &self.unstable, 0),
        });
        let batch = self.batch_size();
        let mut searched =
            Searched { answer: Answer::Proved, bound: f64::INFINITY, visited: 0, open: 0 };
        let mut stuck = 0;
        while let Some(worst) = open.peek() {
            let recorded = tree.as_ref().map_or(0, |tree| tree.size());
            let full = (memory + recorded > limits.memory).then_some(Reason::MemoryLimit);
            let many = (visited_before + searched.visited >= limits.domains)
                .then_some(Reason::DomainLimit);
            if let Some(reason) = limits.passed().or(full).or(many) {
                let bound = searched.bound.min(worst.bound - self.target);
                return Searched {
                    answer: Answer::Open(reason),
                    bound,
                    open: open.len() + stuck,
                    ..searched
                };
            }
            let domains: Vec<Domain> = (0..batch * BATCHES).map_while(|_| open.pop()).collect();
            memory -= domains.iter().map(Domain::size).sum::<usize>().min(memory);
            let how = if searched.visited == 0 { ROOT } else { INNER };
            searched.visited += domains.len();
            let chunk = domains.len().div_ceil(BATCHES).max(1);
            let work = |chunk| limits.passed().is_none().then(|| self.batch(chunk, how));
            let results: Vec<Option<Batch>> = domains.par_chunks(chunk).map(work).collect();
            for (chunk, result) in domains.chunks(chunk).zip(results) {
                let Some(mut result) = result else {
                    // Out of time: these stay open.
                    searched.visited -= chunk.len();
                    open.extend(chunk.iter().cloned());
                    continue;
                };
                if let Some(found) = result.counterexample {
                    return Searched {
                        answer: Answer::Refuted(Box::new(found)),
                        open: open.len(),
                        ..searched
                    };
                }
                searched.bound = searched.bound.min(result.proved - self.target);
                stuck += result.stuck;
                if let Some(tree) = &mut tree {
                    result.record(tree);
                }
                memory += result.children.iter().map(Domain::size).sum::<usize>();
                open.extend(result.children);
            }
        }
        if stuck > 0 {
            return Searched { answer: Answer::Open(Reason::Resolution), open: stuck, ..searched };
        }
        searched
    }

    /// Domains a batch: few where the matrices of one domain's intermediate sweeps are large already.
    fn batch_size(&self) -> usize {
        let widest = self.net.nodes().iter().map(|n| n.len).max().unwrap_or(1);
        let entries = widest * self.unstable.len().max(16);
        (BATCH_ENTRIES / entries).clamp(4, 64)
    }

    fn default_slope(&self, relu: NodeId, element: usize) -> f32 {
        let Op::Relu(z) = self.net.node(relu).op else { return 0.0 };
        let boxes = &self.root.layers.boxes[z];
        if boxes.upper[element] >= -boxes.lower[element] { 1.0 } else { 0.0 }
    }

    /// Bounds of parts of the region; those of nodes after `from[d]` are swept anew.
    fn analyse<'b>(
        &self,
        parts: impl ExactSizeIterator<Item = (&'b Known, &'b [Split])>,
        from: &[NodeId],
    ) -> Analysis<'a> {
        let known = boxes_of(self.root, &self.unstable, parts);
        let input = &self.root.layers.boxes[0];
        let repeat = |m: &Matrix| m.select_columns(&vec![0; from.len()]);
        let input = Boxes { lower: repeat(&input.lower), upper: repeat(&input.upper) };
        Analysis::of_parts(self.net, &input, &known, from, self.root.charges.clone())
    }

    fn batch(&self, domains: &[Domain], how: Climb) -> Batch {
        let parts = domains.iter().map(|d| (&d.known, d.splits.as_slice()));
        let from: Vec<NodeId> = domains.iter().map(Domain::newest).collect();
        let analysis = self.analyse(parts, &from);
        let climbed = self.climb(&analysis, domains, how);
        let mut result = Batch { proved: f64::INFINITY, ..Batch::default() };
        let mut undecided = Vec::new();
        for (d, domain) in domains.iter().enumerate() {
            let empty = self.is_empty(&analysis, d);
            if !(empty || climbed.bounds[d] > self.target + self.spare) {
                undecided.push(d);
            } else if !empty {
                result.proved = result.proved.min(climbed.bounds[d]);
            }
            if let Some(care) = self.care {
                result.lines.extend(from_split(domain).map(|line| (domain.step, line)));
                if undecided.last() != Some(&d) {
                    let refutation = self.refutation(&analysis, &climbed, d, care);
                    result.refuted.push((domain.step, refutation));
                }
            }
        }
        result.counterexample = self.probe(&climbed, &undecided);
        if result.counterexample.is_none() {
            self.split(&analysis, domains, &climbed, &undecided, &mut result);
        }
        result
    }

    /// Optimised bounds of domains, from their parents' multipliers on.
    fn climb(&self, analysis: &Analysis, domains: &[Domain], how: Climb) -> Climbed {
        let sweep = analysis.sweep();
        let columns: Vec<usize> = (0..domains.len()).collect();
        let rows = self.row.select_columns(&vec![0; domains.len()]);
        let at = self.net.output();
        let mut slopes = default_slopes(&sweep, at, &columns);
        for (d, domain) in domains.iter().enumerate() {
            for (&(relu, _, i), &slope) in self.unstable.iter().zip(domain.slopes.iter()) {
                if let Some(slopes) = &mut slopes[relu] {
                    slopes[(i, d)] = f64::from(slope);
                }
            }
        }
        let lifts = domains.iter().enumerate().flat_map(|(column, domain)| {
            domain.splits.iter().zip(&domain.lifts).map(move |(split, &size)| SplitLift {
                node: split.node,
                element: split.element,
                column,
                lower: split.active,
                size: f64::from(size),
            })
        });
        let targets = vec![self.target + self.spare; domains.len()];
        let start = Start::Dense(&rows);
        let goal = Goal { at, start: &start, domains: &columns, targets: &targets };
        climb(&sweep, goal, slopes, lifts.collect(), how)
    }

    /// Whether bounds of a domain contradict each other, by more than a recorded search has to spare, so that no input belongs to
    /// it.
    fn is_empty(&self, analysis: &Analysis, d: usize) -> bool {
        let slack = self.care.map_or(0.0, |care| care.slack);
        self.unstable.iter().any(|&(_, z, i)| {
            let (l, u) =
                (analysis.layers.boxes[z].lower[(i, d)], analysis.layers.boxes[z].upper[(i, d)]);
            l > u + slack * self.root.charges.magnitudes(z)[i]
        })
    }

    /// What proved the domain in column `d`: a slope for each neuron where the default is not the same beyond doubt.
    fn refutation(
        &self,
        analysis: &Analysis,
        climbed: &Climbed,
        d: usize,
        care: Care,
    ) -> Refutation {
        let omitted = |&(_, z, i): &Neuron, slope: f64| {
            let boxes = &analysis.layers.boxes[z];
            let (l, u) = (boxes.lower[(i, d)], boxes.upper[(i, d)]);
            let stable = l >= 0.0 || u <= 0.0;
            let doubt = (u + l).abs() <= 1e-3 * (u - l);
            let default = if u >= -l { 1.0 } else { 0.0 };
            !care.complete && (stable || (slope == default && !doubt))
        };
        let hints = hints_of(&climbed.slopes, &climbed.lifts, d, &self.unstable, omitted);
        Refutation { weights: Vec::new(), hints }
    }

    /// Tries the minimisers of the linear bounds.
    fn probe(&self, climbed: &Climbed, undecided: &[usize]) -> Option<Counterexample> {
        if undecided.is_empty() {
            return None;
        }
        let input = &self.root.layers.boxes[0];
        let last = columns_of(climbed, undecided);
        let points = Matrix::from_fn(self.net.inputs(), undecided.len(), |i, c| {
            let least_at_lower = climbed.last.coefficients[(i, last[c])] >= 0.0;
            if least_at_lower { input.lower[i] } else { input.upper[i] }
        });
        let outputs = self.whole.evaluate(&points);
        let mut in_doubt = None;
        for c in 0..undecided.len() {
            let f = self.row.column(0).dot(&outputs.column(c));
            if f > self.target {
                continue;
            }
            let point: Vec<f64> = points.column(c).iter().copied().collect();
            match validate(self.whole, self.property, self.claim, &point) {
                Some(found) if found.holds_in_f32() => return Some(found),
                found => in_doubt = in_doubt.or(found),
            }
        }
        in_doubt
    }
}

/// The line of a proof that repeats what was swept anew for a domain.
fn from_split(domain: &Domain) -> Option<Improve> {
    domain.splits.last().map(|split| Improve::Crown { after: Some(split.node) })
}

/// Where the last sweep has the undecided domains' columns: they were never done.
fn columns_of(climbed: &Climbed, undecided: &[usize]) -> Vec<usize> {
    let at =
        |d: &usize| climbed.last_columns.binary_search(d).expect("an undecided domain climbs on");
    undecided.iter().map(at).collect()
}
