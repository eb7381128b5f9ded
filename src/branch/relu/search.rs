//! Best-first branch and bound for one functional of the outputs over one region.

use super::batch::{Bounded, Goals};
use super::domain::{Domain, Split};
use super::record::spare;
use super::{Improve, Job, Refutation, Root, Tree};
use crate::attack::{Counterexample, validate};
use crate::bound::{Analysis, Climbed, Functionals, OpenPolytope};
use crate::branch::doubt::{Ends, doubtful};
use crate::branch::{Answer, Limits, Reason};
use crate::net::{Boxes, Matrix, Network};
use crate::spec::Property;
use rayon::prelude::*;
use std::collections::BinaryHeap;

/// Entries of a batch's widest matrices, about.
const BATCH_ENTRIES: usize = 1 << 22;

/// Batches bounded in parallel: a constant, so that the search does not depend on the number of threads.
const BATCHES: usize = 4;

/// One functional over one region.
pub struct Search<'a> {
    goals: Goals<'a>,
    /// The network that the property is about.
    whole: &'a Network,
    property: &'a Property,
    claim: usize,
}

/// How far a search has come: it can be interrupted and gone on with.
pub struct Front {
    /// Domains that are still to be bounded, worst first.
    open: BinaryHeap<Domain>,
    /// Bytes that they take, about.
    memory: usize,
    /// Domains that are undecided with nothing left to split.
    stuck: usize,
    /// The least margin proved over domains that are not open any more.
    closed: f64,
    /// Domains bounded.
    pub visited: usize,
}

impl Front {
    /// Domains that are not decided.
    pub fn open(&self) -> usize {
        self.open.len() + self.stuck
    }
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
            enter(tree, *step, *split, pair);
        }
    }
}

/// Enters a split into the tree, and into the children where they are in it.
pub fn enter(tree: &mut Tree, step: u32, split: Split, pair: &mut [Domain]) {
    let [below, above] = tree.split(step, split.node, split.element, split.at);
    pair.iter_mut().for_each(|child| {
        let active = child.splits.last().is_some_and(|split| split.active);
        child.step = if active { above } else { below };
    });
}

impl<'a> Search<'a> {
    pub fn new(job: &Job<'a>, goals: Goals<'a>) -> Self {
        Self { goals, whole: job.whole, property: job.property, claim: job.index }
    }

    /// What excludes a polytope: its nearest half-space; `None` where it has none, so that no functional can exclude it.
    pub fn goals<'b>(job: &Job, root: &'b Root<'b>, polytope: &OpenPolytope) -> Option<Goals<'b>> {
        let net = root.analysis.net;
        let nearest = polytope.nearest?;
        let target = polytope.halves.iter().find(|half| half.0 == nearest)?.1;
        let functional = root.functionals.matrix.column(nearest);
        let row = Matrix::from_column_slice(net.outputs(), 1, functional.as_slice());
        let spare = job.recorded.then(|| vec![root.spare[nearest]]);
        Some(Goals::new(&root.analysis, net.output(), row, vec![target], spare))
    }

    /// A search that has not begun.
    pub fn front(&self) -> Front {
        self.from(self.goals.whole(0))
    }

    /// A search of one domain.
    fn from(&self, domain: Domain) -> Front {
        let open = BinaryHeap::from([domain]);
        Front { open, memory: 0, stuck: 0, closed: f64::INFINITY, visited: 0 }
    }

    /// The least margin proved over all domains, open ones included.
    pub fn margin(&self, front: &Front) -> f64 {
        let worst = front.open.peek().map_or(f64::INFINITY, |worst| worst.bound);
        front.closed.min(worst - self.goals.targets[0])
    }

    /// Searches until it is over or a limit is reached; `None` where `most` domains have been bounded before that.
    pub fn run(
        &self,
        front: &mut Front,
        limits: &Limits,
        visited_before: usize,
        most: usize,
        mut tree: Option<&mut Tree>,
    ) -> Option<Answer> {
        let batch = batch_size(&self.goals);
        tree = tree.filter(|tree| !tree.is_given_up());
        while !front.open.is_empty() {
            if let Some(recorded) = &tree
                && front.memory + recorded.size() > limits.memory
                && let Some(tree) = tree.take()
            {
                tree.give_up();
            }
            let full = (front.memory > limits.memory).then_some(Reason::MemoryLimit);
            let many =
                (visited_before + front.visited >= limits.domains).then_some(Reason::DomainLimit);
            if let Some(reason) = limits.passed().or(full).or(many) {
                return Some(Answer::Open(reason));
            }
            if front.visited >= most {
                return None;
            }
            let domains: Vec<Domain> =
                (0..batch * BATCHES).map_while(|_| front.open.pop()).collect();
            front.memory -= domains.iter().map(Domain::size).sum::<usize>().min(front.memory);
            front.visited += domains.len();
            let chunk = domains.len().div_ceil(BATCHES).max(1);
            let work = |chunk| limits.passed().is_none().then(|| self.batch(chunk, limits));
            let results: Vec<Option<Batch>> = domains.par_chunks(chunk).map(work).collect();
            for (chunk, result) in domains.chunks(chunk).zip(results) {
                let Some(mut result) = result else {
                    // Out of time: these stay open.
                    front.visited -= chunk.len();
                    front.open.extend(chunk.iter().cloned());
                    continue;
                };
                if let Some(found) = result.counterexample {
                    return Some(Answer::Refuted(Box::new(found)));
                }
                front.closed = front.closed.min(result.proved - self.goals.targets[0]);
                front.stuck += result.stuck;
                if let Some(tree) = &mut tree {
                    result.record(tree);
                }
                front.memory += result.children.iter().map(Domain::size).sum::<usize>();
                front.open.extend(result.children);
            }
        }
        let stuck = front.stuck > 0;
        Some(if stuck { Answer::Open(Reason::Resolution) } else { Answer::Proved })
    }

    fn batch(&self, domains: &[Domain], limits: &Limits) -> Batch {
        let goals = &self.goals;
        let bounded = goals.bound(domains);
        let mut result = Batch { proved: f64::INFINITY, ..Batch::default() };
        for (d, domain) in domains.iter().enumerate() {
            let undecided = bounded.undecided.binary_search(&d).is_ok();
            if !(undecided || bounded.empty[d]) {
                result.proved = result.proved.min(bounded.climbed.bounds[d]);
            }
            if goals.spare.is_some() {
                let line = from_split(bounded.ends(), d, domain);
                result.lines.extend(line.map(|line| (domain.step, line)));
                if !undecided {
                    result.refuted.push((domain.step, goals.refutation(&bounded, d, 0)));
                }
            }
        }
        result.counterexample = self.probe(&bounded.climbed, &bounded.undecided);
        if result.counterexample.is_none() {
            let pairs = goals.split(domains, &bounded);
            for (&d, pair) in bounded.undecided.iter().zip(pairs) {
                let Some(pair) = pair else {
                    self.leaf(&bounded, &domains[d], d, limits, &mut result);
                    continue;
                };
                if let (Some(_), Some(&split)) = (&goals.spare, pair[0].splits.last()) {
                    result.split.push((domains[d].step, split));
                }
                result.children.extend(pair);
            }
        }
        result
    }

    /// Decides a domain with nothing left to split, if the LP does.
    fn leaf(
        &self,
        bounded: &Bounded,
        domain: &Domain,
        d: usize,
        limits: &Limits,
        result: &mut Batch,
    ) {
        let leaf = self.goals.leaf(bounded, domain, d, limits.left());
        if leaf.bound > self.goals.targets[0] {
            result.proved = result.proved.min(leaf.bound);
            result.refuted.extend(leaf.refutation.map(|how| (domain.step, how)));
            return;
        }
        result.stuck += 1;
        if let (Some(x), None) = (leaf.point, &result.counterexample) {
            let input = &self.goals.root.layers.boxes[0];
            let inside = |(i, x): (usize, &f64)| x.clamp(input.lower[i], input.upper[i]);
            let point: Vec<f64> = x.iter().enumerate().map(inside).collect();
            let point = Matrix::from_column_slice(point.len(), 1, &point);
            result.counterexample = self.first_valid(&point);
        }
    }

    /// Tries the means of the minimisers, and the corners nearest to them.
    fn probe(&self, climbed: &Climbed, undecided: &[usize]) -> Option<Counterexample> {
        if undecided.is_empty() {
            return None;
        }
        let means = climbed.means.values.first()?.as_ref()?;
        let input = &self.goals.root.layers.boxes[0];
        let k = undecided.len();
        let points = Matrix::from_fn(self.whole.inputs(), 2 * k, |i, c| {
            let (x, l, u) = (means[(i, undecided[c % k])], input.lower[i], input.upper[i]);
            if c >= k {
                x.clamp(l, u)
            } else if x - l < u - x {
                l
            } else {
                u
            }
        });
        self.first_valid(&points)
    }

    /// The first of some inputs that violates the claim; one that does so in single precision too, if there is one.
    fn first_valid(&self, points: &Matrix) -> Option<Counterexample> {
        let outputs = self.whole.evaluate(points);
        let mut in_doubt = None;
        for c in 0..points.ncols() {
            let f = self.goals.rows.column(0).dot(&outputs.column(c));
            if f > self.goals.targets[0] {
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

/// Splits ReLUs until a polytope of a claim is excluded from a part of its region, of which `known` are bounds (those of the inputs among
/// them), and which lies on these sides of splits; how, below `step` of the tree. Each half-space is tried, the nearest first.
pub fn split_relus_from(
    net: &Network,
    property: &Property,
    (claim, polytope): (usize, usize),
    (known, splits): (&[Option<Boxes>], &[Split]),
    (tree, step): (&mut Tree, u32),
    limits: &Limits,
) -> Answer {
    let Some(Some(input)) = known.first() else { return Answer::Open(Reason::BoundTooWeak) };
    let analysis = Analysis::of_boxes(net, |id, layers| {
        let mut boxes = net.enclose_node(id, input, &layers.boxes);
        known[id].iter().for_each(|known| boxes.intersect(known));
        boxes
    });
    let asked = &property.claims[claim];
    let functionals = Functionals::of(asked, net.outputs());
    let swept = analysis.lower(&functionals.matrix, &vec![0; functionals.len()]);
    let all = functionals.open_polytopes(&vec![f64::NEG_INFINITY; functionals.len()]);
    let mut halves = all.into_iter().nth(polytope).map_or(Vec::new(), |polytope| polytope.halves);
    let gap = |&(column, bound): &(usize, f64)| swept.bounds[column] - bound;
    halves.sort_by(|a, b| gap(b).total_cmp(&gap(a)));
    let mut answer = Answer::Open(Reason::BoundTooWeak);
    for (column, bound) in halves {
        let functional = functionals.matrix.column(column);
        let row = Matrix::from_column_slice(net.outputs(), 1, functional.as_slice());
        let charges = &analysis.charges;
        let spare = spare(net, charges, &asked.region, &swept, column, functional.as_slice());
        let goals = Goals::new(&analysis, net.output(), row, vec![bound], Some(vec![spare]));
        let search = Search { goals, whole: net, property, claim };
        let whole = search.goals.whole(0);
        let lifts = vec![0.0; splits.len()];
        let mut front = search.from(Domain { step, splits: splits.to_vec(), lifts, ..whole });
        let end = tree.steps.len();
        let ended = search.run(&mut front, limits, 0, usize::MAX, Some(&mut *tree));
        answer = ended.unwrap_or(Answer::Proved);
        match answer {
            Answer::Open(Reason::Resolution | Reason::BoundTooWeak) => tree.reopen(step, end),
            _ => break,
        }
    }
    answer
}

/// Domains a batch: few where the matrices of one domain's intermediate sweeps are large already.
fn batch_size(goals: &Goals) -> usize {
    let widest = goals.root.net.nodes().iter().map(|n| n.len).max().unwrap_or(1);
    let entries = widest * goals.unstable.len().max(16);
    (BATCH_ENTRIES / entries).clamp(8, 64)
}

/// The line of a proof that repeats what was swept anew for a domain.
fn from_split(ends: Ends, d: usize, domain: &Domain) -> Option<Improve> {
    let after = domain.splits.last()?.node;
    Some(Improve::Crown { after: Some(after), hints: doubtful(ends, d) })
}

#[cfg(test)]
mod tests {
    use super::super::ReluStep;
    use super::super::cut::tests::{network, numbers};
    use super::*;
    use crate::bound::{Analysis, Intermediate};
    use crate::net::{Boxes, LinearMap, NetworkBuilder, Term};
    use crate::num::from_f64;
    use crate::spec::{Claim, HalfSpace, Region};

    fn exact(x: f64) -> crate::num::Rational {
        from_f64(x).unwrap()
    }

    #[test]
    fn a_search_goes_on_where_it_was_interrupted() {
        let mut next = numbers(3);
        let net = network(&mut next);
        let input = Boxes::single(&[-0.5; 4], &[0.5; 4]);
        let root = Analysis::of_region(&net, &input, Intermediate::Crown);
        let points = Matrix::from_fn(4, 2_000, |_, _| next() / 2.0);
        let row = Matrix::from_element(1, 1, 1.0);
        let (low, high) = (root.lower(&row, &[0]).bounds[0], net.evaluate(&points).min());
        let target = low + 0.6 * (high - low);
        // The target is out of reach, so that no property is asked.
        let property = Property { claims: Vec::new(), uses_inputs: false };
        let search = || {
            let goals = Goals::new(&root, net.output(), row.clone(), vec![target], None);
            Search { goals, whole: &net, property: &property, claim: 0 }
        };
        let limits = Limits::starting_now(None, &|| false);
        let (whole, parts) = (search(), search());
        let (mut at_once, mut in_parts) = (whole.front(), parts.front());
        let answer = whole.run(&mut at_once, &limits, 0, usize::MAX, None);
        assert!(matches!(answer, Some(Answer::Proved)), "{}", at_once.visited);
        assert!(at_once.visited > 20, "{}", at_once.visited);
        let mut interruptions = 0;
        let mut margins = vec![f64::NEG_INFINITY];
        loop {
            let most = in_parts.visited + 1;
            if parts.run(&mut in_parts, &limits, 0, most, None).is_some() {
                break;
            }
            interruptions += 1;
            margins.push(parts.margin(&in_parts));
        }
        assert!(interruptions > 2 && margins.is_sorted(), "{margins:?}");
        assert_eq!(in_parts.visited, at_once.visited);
        assert_eq!(parts.margin(&in_parts), whole.margin(&at_once));
        assert!(whole.margin(&at_once) > 0.0 && whole.margin(&at_once).is_finite());
    }

    /// Bounds that are off by less than ascent leaves of them where nothing is left to split.
    #[test]
    fn leaves_are_decided_by_linear_programs() {
        let (mut leaves, mut refuted) = (0, 0);
        for seed in 0..24 {
            let mut next = numbers(seed);
            let mut builder = NetworkBuilder::new(3, "x").unwrap();
            let mut node = 0;
            for (inputs, outputs) in [(3, 6), (6, 4), (4, 1)] {
                let weights = Matrix::from_fn(outputs, inputs, |_, _| next());
                let terms = vec![Term { source: node, map: LinearMap::from_matrix(weights) }];
                let bias = (0..outputs).map(|_| next() / 4.0).collect();
                node = builder.affine(terms, bias, 0, "z").unwrap();
                node = if outputs == 1 { node } else { builder.relu(node, "y").unwrap() };
            }
            let net = builder.finish(node).unwrap();
            let root = Analysis::of_region(
                &net,
                &Boxes::single(&[-1.0; 3], &[1.0; 3]),
                Intermediate::Crown,
            );
            let row = Matrix::from_element(1, 1, 1.0);
            let grid = Matrix::from_fn(3, 41 * 41 * 41, |i, c| {
                (c / 41usize.pow(i as u32) % 41) as f64 / 20.0 - 1.0
            });
            let low = net.evaluate(&grid).min();
            let claim = |target: f64| Claim {
                region: Region::from_bounds(&vec![(exact(-1.0), exact(1.0)); 3]).unwrap(),
                unsafe_set: vec![vec![
                    HalfSpace::from_exact(&[(0, exact(1.0))], &exact(target), false).unwrap(),
                ]],
            };
            // The grid's least value is above the truth, if only a little.
            for target in [low - 0.05, low - 1e-6, low + 1e-6] {
                let property = Property { claims: vec![claim(target)], uses_inputs: false };
                for spare in [None, Some(vec![0.0])] {
                    let mut tree = spare.as_ref().map(|_| Tree::new(0));
                    let goals = Goals::new(&root, net.output(), row.clone(), vec![target], spare);
                    let search = Search { goals, whole: &net, property: &property, claim: 0 };
                    let limits = Limits { domains: 5_000, ..Limits::starting_now(None, &|| false) };
                    let mut front = search.front();
                    let answer = search.run(&mut front, &limits, 0, usize::MAX, tree.as_mut());
                    match answer {
                        Some(Answer::Proved) => {
                            leaves += 1;
                            assert!(target < low);
                            let open =
                                |step: &ReluStep| step.split.is_none() && step.refuted.is_none();
                            assert!(!tree.is_some_and(|tree| tree.steps.iter().any(open)));
                        }
                        Some(Answer::Refuted(found)) => {
                            refuted += 1;
                            let x = Matrix::from_column_slice(3, 1, found.input());
                            assert!(net.evaluate(&x)[0] <= target + 1e-12);
                        }
                        _ => panic!("seed {seed}, {target}: {} stuck", front.stuck),
                    }
                }
            }
        }
        assert!(leaves >= 48 && refuted >= 24, "{leaves} {refuted}");
    }
}
