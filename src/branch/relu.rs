//! Branching on ReLUs: the sign of one pre-activation is fixed on each side, and the split's multiplier β is optimised
//! together with the slopes (β-CROWN, Wang et al. 2021). Intermediate bounds are those of the root.

use super::relu_record::{Care, ClaimRecord, Improve, Neuron, Refutation, Tree, hints_of};
use super::{Answer, Limits, Reason, Searched};
use crate::attack::{Counterexample, validate};
use crate::bound::{
    Analysis, Climb, Climbed, Functionals, Goal, Intermediate, Layers, Multipliers, SplitLift,
    Start, Sweep, climb, default_slopes, primal,
};
use crate::net::{Boxes, Matrix, Network, NodeId, Op};
use crate::spec::Property;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The sign of one pre-activation, fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Split {
    /// The pre-activation's node.
    node: NodeId,
    element: usize,
    /// z ≥ 0 rather than z ≤ 0.
    active: bool,
}

/// A part of the region, by signs of pre-activations, where one functional must exceed its bound.
#[derive(Debug, Clone)]
struct Domain {
    bound: f64,
    /// Its step in the record, if there is one.
    step: u32,
    /// Path from the root, and so the identity of the domain.
    splits: Vec<Split>,
    /// Multipliers of the splits.
    lifts: Vec<f32>,
    /// Slopes of the neurons that are unstable at the root, in order.
    slopes: Vec<f32>,
}

impl Domain {
    fn size(&self) -> usize {
        size_of::<Self>()
            + self.splits.len() * (size_of::<Split>() + 4)
            + self.slopes.len() * 4
            + 48
    }
}

impl Ord for Domain {
    fn cmp(&self, other: &Self) -> Ordering {
        other.bound.total_cmp(&self.bound).then_with(|| other.splits.cmp(&self.splits))
    }
}

impl PartialOrd for Domain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Domain {}

/// Entries of a batch's widest matrices, about.
const BATCH_ENTRIES: usize = 1 << 18;

/// Batches bounded in parallel: a constant, so that the search does not depend on the number of threads.
const BATCHES: usize = 4;

/// Candidates whose children are bounded before one is chosen.
const CANDIDATES: usize = 4;

/// Iterations of the root, and of each domain after it (which starts from its parent's multipliers).
const ROOT: Climb = Climb { iterations: 40, slope_step: 0.25, lift_step: 0.1, decay: 0.97 };
const INNER: Climb = Climb { iterations: 12, slope_step: 0.15, lift_step: 0.1, decay: 0.92 };

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
        let root = Analysis::of_region(net, &claim.region.boxes(), Intermediate::Crown);
        let swept = root.lower(&functionals.matrix, &vec![0; functionals.len()]);
        let spare = |column: usize| {
            let functional = functionals.matrix.column(column);
            let of = |care: Care| {
                care.spare(net, &root.charges, &claim.region, &swept, column, functional.as_slice())
            };
            care.map_or(0.0, of)
        };
        let lows: Vec<f64> =
            swept.bounds.iter().enumerate().map(|(c, low)| low - spare(c)).collect();
        let open = functionals.open_polytopes(&lows);
        if let Some((records, _)) = &mut records {
            let closed = |index: &usize| open.iter().all(|polytope| polytope.index != *index);
            let all = 0..claim.unsafe_set.len();
            let refuted = all.filter(closed).map(|index| (index, Refutation::default())).collect();
            records.push(ClaimRecord { lines: vec![Improve::Crown], refuted, trees: Vec::new() });
        }
        if functionals.proved_by(&lows) {
            total.bound = total.bound.min(functionals.margin(&lows));
            continue;
        }
        for polytope in open {
            let Some(nearest) = polytope.nearest else {
                return Searched { answer: Answer::Open(Reason::BoundTooWeak), ..total };
            };
            let target =
                polytope.halves.iter().find(|half| half.0 == nearest).map_or(0.0, |half| half.1);
            let row = Matrix::from_column_slice(
                net.outputs(),
                1,
                functionals.matrix.column(nearest).as_slice(),
            );
            let mut search = Search::new(net, property, c, &root, row, target);
            search.care = care;
            search.spare = spare(nearest);
            let mut tree = care.map(|_| Tree::new(polytope.index));
            let part = search.run(limits, total.visited, tree.as_mut());
            if let Some((record, tree)) =
                records.as_mut().and_then(|(records, _)| records.last_mut().zip(tree))
            {
                record.trees.push(tree);
            }
            total.visited += part.visited;
            total.open += part.open;
            total.bound = total.bound.min(part.bound);
            if !matches!(part.answer, Answer::Proved) {
                return Searched { answer: part.answer, ..total };
            }
        }
    }
    total
}

/// One functional over one region.
struct Search<'a> {
    net: &'a Network,
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
    /// The steps of the domains proved here, with what proved them, and those of the parents of the children.
    refuted: Vec<(u32, Refutation)>,
    split: Vec<(u32, Split)>,
    /// Undecided although every neuron is fixed: only rounding or a missing counterexample separates these.
    stuck: usize,
}

impl Batch {
    /// Enters into the tree what was done, and into the children where they are in it.
    fn record(&mut self, tree: &mut Tree) {
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
    fn new(
        net: &'a Network,
        property: &'a Property,
        claim: usize,
        root: &'a Analysis<'a>,
        row: Matrix,
        target: f64,
    ) -> Self {
        let mut unstable = Vec::new();
        for (relu, z) in net.relus() {
            let boxes = &root.layers.boxes[z];
            unstable.extend(
                (0..boxes.lower.nrows())
                    .filter(|&i| boxes.lower[i] < 0.0 && boxes.upper[i] > 0.0)
                    .map(|i| (relu, z, i)),
            );
        }
        Self { net, property, claim, root, row, target, unstable, care: None, spare: 0.0 }
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
        });
        let widest = self.net.nodes().iter().map(|n| n.len).max().unwrap_or(1);
        let batch = (BATCH_ENTRIES / widest).clamp(4, 64);
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
            let results: Vec<Batch> =
                domains.par_chunks(chunk).map(|chunk| self.batch(chunk, how)).collect();
            for mut result in results {
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

    fn default_slope(&self, relu: NodeId, element: usize) -> f32 {
        let Op::Relu(z) = self.net.node(relu).op else { return 0.0 };
        let boxes = &self.root.layers.boxes[z];
        if boxes.upper[element] >= -boxes.lower[element] { 1.0 } else { 0.0 }
    }

    /// The root's bounds, once a domain, with the signs of each domain's splits.
    fn layers(&self, paths: &[&[Split]]) -> Layers {
        let repeat = |m: &Matrix| m.select_columns(&vec![0; paths.len()]);
        let mut boxes: Vec<Boxes> = self
            .root
            .layers
            .boxes
            .iter()
            .map(|b| Boxes { lower: repeat(&b.lower), upper: repeat(&b.upper) })
            .collect();
        for (d, path) in paths.iter().enumerate() {
            for split in *path {
                let at = (split.element, d);
                if split.active {
                    boxes[split.node].lower[at] = boxes[split.node].lower[at].max(0.0);
                } else {
                    boxes[split.node].upper[at] = boxes[split.node].upper[at].min(0.0);
                }
            }
        }
        let mut layers = Layers::default();
        boxes.into_iter().for_each(|b| layers.push(b));
        layers
    }

    fn batch(&self, domains: &[Domain], how: Climb) -> Batch {
        let paths: Vec<&[Split]> = domains.iter().map(|d| d.splits.as_slice()).collect();
        let layers = self.layers(&paths);
        let sweep = Sweep { net: self.net, layers: &layers, charges: &self.root.charges };
        let columns: Vec<usize> = (0..domains.len()).collect();
        let rows = self.row.select_columns(&vec![0; domains.len()]);
        let at = self.net.output();
        let mut slopes = default_slopes(&sweep, at, &columns);
        for (d, domain) in domains.iter().enumerate() {
            for (&(relu, _, i), &slope) in self.unstable.iter().zip(&domain.slopes) {
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
        let wanted = self.target + self.spare;
        let targets = vec![wanted; domains.len()];
        let start = Start::Dense(&rows);
        let goal = Goal { at, start: &start, domains: &columns, targets: &targets };
        let climbed = climb(&sweep, goal, slopes, lifts.collect(), how);
        let mut result = Batch { proved: f64::INFINITY, ..Batch::default() };
        let undecided: Vec<usize> = columns
            .iter()
            .copied()
            .filter(|&d| climbed.bounds[d] <= wanted || climbed.bounds[d].is_nan())
            .collect();
        for &d in columns.iter().filter(|d| !undecided.contains(d)) {
            result.proved = result.proved.min(climbed.bounds[d]);
            if let Some(care) = self.care {
                let refutation = self.refutation(&climbed, &domains[d], d, care);
                result.refuted.push((domains[d].step, refutation));
            }
        }
        result.counterexample = self.probe(&layers, &climbed, &undecided);
        if result.counterexample.is_none() {
            self.split(&sweep, domains, &climbed, &undecided, &mut result);
        }
        result
    }

    /// What proved the domain in column `d`.
    fn refutation(&self, climbed: &Climbed, domain: &Domain, d: usize, care: Care) -> Refutation {
        let omitted = |&(relu, z, i): &Neuron, slope: f64| {
            let fixed = domain.splits.iter().any(|split| split.node == z && split.element == i);
            let default = f64::from(self.default_slope(relu, i));
            fixed || (!care.complete && slope == default)
        };
        let hints = hints_of(&climbed.slopes, &climbed.lifts, d, &self.unstable, omitted);
        Refutation { weights: Vec::new(), hints }
    }

    /// Tries the minimisers of the linear bounds.
    fn probe(
        &self,
        layers: &Layers,
        climbed: &Climbed,
        undecided: &[usize],
    ) -> Option<Counterexample> {
        if undecided.is_empty() {
            return None;
        }
        let input = &layers.boxes[0];
        let points = Matrix::from_fn(self.net.inputs(), undecided.len(), |i, c| {
            let end = if climbed.last.coefficients[(i, undecided[c])] >= 0.0 {
                &input.lower
            } else {
                &input.upper
            };
            end[(i, undecided[c])]
        });
        let outputs = self.net.evaluate(&points);
        let mut in_doubt = None;
        for c in 0..undecided.len() {
            let f = self.row.column(0).dot(&outputs.column(c));
            if f > self.target {
                continue;
            }
            let point: Vec<f64> = points.column(c).iter().copied().collect();
            match validate(self.net, self.property, self.claim, &point) {
                Some(found) if found.holds_in_f32() => return Some(found),
                found => in_doubt = in_doubt.or(found),
            }
        }
        in_doubt
    }

    /// Splits each undecided domain at the neuron whose children have the best bounds among a few candidates.
    fn split(
        &self,
        sweep: &Sweep,
        domains: &[Domain],
        climbed: &Climbed,
        undecided: &[usize],
        result: &mut Batch,
    ) {
        let candidates = self.candidates(sweep, climbed, domains.len(), undecided);
        // Bound both children of every candidate once, at the parent's multipliers.
        let mut children: Vec<(usize, Split)> = Vec::new();
        for (&d, candidates) in undecided.iter().zip(&candidates) {
            for &(node, element) in candidates {
                children.extend([true, false].map(|active| (d, Split { node, element, active })));
            }
        }
        let bounds = self.screen(domains, climbed, &children);
        let mut next = 0;
        for (&d, candidates) in undecided.iter().zip(&candidates) {
            let pairs: Vec<f64> = bounds[next..next + 2 * candidates.len()]
                .chunks_exact(2)
                .map(|pair| pair[0].min(pair[1]) + 0.1 * pair[0].max(pair[1]))
                .collect();
            let best = (0..candidates.len()).max_by(|&a, &b| pairs[a].total_cmp(&pairs[b]));
            match best {
                None => result.stuck += 1,
                Some(best) => {
                    for active in [true, false] {
                        let (node, element) = candidates[best];
                        if self.care.is_some() && active {
                            let split = Split { node, element, active };
                            result.split.push((domains[d].step, split));
                        }
                        result.children.push(self.child(
                            &domains[d],
                            d,
                            climbed,
                            Split { node, element, active },
                        ));
                    }
                }
            }
            next += 2 * candidates.len();
        }
    }

    /// The unfixed neurons whose lines are farthest from the ReLU at the bound's minimiser, weighted by their coefficient.
    fn candidates(
        &self,
        sweep: &Sweep,
        climbed: &Climbed,
        columns: usize,
        undecided: &[usize],
    ) -> Vec<Vec<(NodeId, usize)>> {
        let all: Vec<usize> = (0..columns).collect();
        let multipliers = Multipliers { slopes: climbed.slopes.clone(), lifts: Vec::new() };
        let values = primal(sweep, self.net.output(), &climbed.last, &all, &multipliers);
        let gap = |&(relu, z, i): &(NodeId, NodeId, usize), d: usize| {
            let (l, u) = (sweep.layers.boxes[z].lower[(i, d)], sweep.layers.boxes[z].upper[(i, d)]);
            let (Some(a), Some(z_values)) = (&climbed.last.trace[relu], &values[z]) else {
                return 0.0;
            };
            let (a, z) = (a[(i, d)], z_values[(i, d)]);
            if l >= 0.0 || u <= 0.0 {
                return 0.0;
            }
            let relu_value = z.max(0.0);
            let slope = climbed.slopes[relu].as_ref().map_or(0.0, |s| s[(i, d)]);
            let line = if a < 0.0 { u * (z - l) / (u - l) } else { slope * z };
            let triangle = a.abs() * (-l) * u / (u - l);
            (a * (line - relu_value)).abs() + 0.1 * triangle + f64::MIN_POSITIVE
        };
        undecided
            .iter()
            .map(|&d| {
                let mut scored: Vec<(f64, (NodeId, usize))> = self
                    .unstable
                    .iter()
                    .map(|n| (gap(n, d), (n.1, n.2)))
                    .filter(|s| s.0 > 0.0)
                    .collect();
                scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                scored.into_iter().take(CANDIDATES).map(|s| s.1).collect()
            })
            .collect()
    }

    /// Bounds of children by one sweep each.
    fn screen(
        &self,
        domains: &[Domain],
        climbed: &Climbed,
        children: &[(usize, Split)],
    ) -> Vec<f64> {
        let mut bounds = Vec::with_capacity(children.len());
        for part in children.chunks(64) {
            let paths: Vec<Vec<Split>> = part
                .iter()
                .map(|(d, split)| [domains[*d].splits.as_slice(), &[*split]].concat())
                .collect();
            let layers = self.layers(&paths.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let parents: Vec<usize> = part.iter().map(|c| c.0).collect();
            let slopes = climbed
                .slopes
                .iter()
                .map(|s| s.as_ref().map(|s| s.select_columns(&parents)))
                .collect();
            let columns: Vec<usize> = (0..part.len()).collect();
            let lifts = part.iter().enumerate().flat_map(|(column, (d, _))| {
                climbed
                    .lifts
                    .iter()
                    .filter(move |l| l.column == *d)
                    .map(move |l| SplitLift { column, ..*l })
            });
            let rows = self.row.select_columns(&vec![0; part.len()]);
            let sweep = Sweep { net: self.net, layers: &layers, charges: &self.root.charges };
            let once = Climb { iterations: 1, ..INNER };
            let targets = vec![self.target; part.len()];
            let start = Start::Dense(&rows);
            let goal =
                Goal { at: self.net.output(), start: &start, domains: &columns, targets: &targets };
            bounds.extend(climb(&sweep, goal, slopes, lifts.collect(), once).bounds);
        }
        bounds
    }

    fn child(&self, parent: &Domain, d: usize, climbed: &Climbed, split: Split) -> Domain {
        let slope = |&(relu, _, i): &(NodeId, NodeId, usize)| {
            climbed.slopes[relu].as_ref().map_or(0.0, |s| s[(i, d)] as f32)
        };
        let mut lifts: Vec<f32> =
            climbed.lifts.iter().filter(|l| l.column == d).map(|l| l.size as f32).collect();
        lifts.push(0.0);
        Domain {
            step: 0,
            bound: climbed.bounds[d].max(parent.bound),
            splits: [parent.splits.as_slice(), &[split]].concat(),
            lifts,
            slopes: self.unstable.iter().map(slope).collect(),
        }
    }
}
