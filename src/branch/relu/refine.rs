//! Intermediate bounds by short searches: each end of each unstable neuron's interval by branch and bound of its own.
//!
//! A neuron's interval decides how far its relaxation is from the ReLU, in every domain of every later search. Slopes alone
//! leave it wide where the neurons before it are relaxed themselves; a few splits of those help at a cost that all domains
//! share. α,β-CROWN does this by integer programs (Zhang et al. 2022); here the same engine serves as for the outputs.

use super::batch::Goals;
use super::domain::Domain;
use super::search::enter;
use super::{INNER, Improve, Lemma, Tree};
use crate::bound::{Analysis, WORTH, move_end, work_of_intermediate, work_of_sweep};
use crate::net::{Matrix, Network, NodeId};
use rayon::prelude::*;
use std::collections::BinaryHeap;

/// Domains that are bounded together: few where there are many neurons, since time limits are looked at between batches.
fn batch_size(goals: &Goals) -> usize {
    ((1 << 15) / goals.unstable.len().max(1)).clamp(8, 64)
}

/// Domains of one end that are bounded before the worst are chosen again.
const AT_ONCE: usize = 4;

/// Where short searches for a sample of a node's ends take less than this share off, none are made for the others.
const SAMPLE: usize = 32;
const PROMISE: f64 = 0.01;

/// What open domains of short searches may take.
const GROUP_BYTES: usize = 1 << 26;

/// By how much of an element's size an end is moved less than a search finds: of the domains, the worst one decides about it, and
/// the checker knows its intervals to more than single precision, which need not make a bound tighter.
pub const END_SLACK: f64 = 1e-6;

/// What short searches found.
#[derive(Debug)]
pub struct Refined<'a> {
    /// With better intervals.
    pub analysis: Analysis<'a>,
    /// The share of all unstable intervals after others that was taken off.
    pub gain: f64,
    /// Domains bounded.
    pub visited: usize,
    /// What moved, and why, if that is recorded.
    pub lemmas: Vec<Improve>,
}

/// After how many domains of a search it has become `patience` times as much work as short searches of so many domains an end,
/// about; never where both together would take more than half of the domains that are left to be bounded.
pub fn due(root: &Analysis, short: usize, patience: f64, left: usize) -> usize {
    let intermediate = work_of_intermediate(root);
    if intermediate == 0.0 {
        return usize::MAX;
    }
    let iterations = INNER.iterations as f64;
    let domain = work_of_domain(root);
    let refinement = short as f64 * iterations * intermediate;
    let due = (patience * refinement / domain.max(1.0)).min(1e12) as usize;
    let operands = operands_of_relus(root.net);
    let of = |&z: &NodeId| 2 * root.layers.boxes[z].of_unknown_sign().count();
    let ends: usize = operands.iter().map(of).sum();
    if ends == 0 {
        return usize::MAX;
    }
    let most = short.saturating_mul(ends + SAMPLE * operands.len());
    if due.saturating_add(most) <= left / 2 { due } else { usize::MAX }
}

/// Multiplications of one domain, about: its climb, and its sweeps of about half of the intermediate bounds.
pub fn work_of_domain(root: &Analysis) -> f64 {
    let output = work_of_sweep(root.net, root.net.output());
    2.0 * INNER.iterations as f64 * output + work_of_intermediate(root) / 4.0
}

/// Tightens, node by node, the interval of every unstable pre-activation of one region by short searches of so many domains for
/// each end; the intervals hold on the whole region. If that is recorded, also how to prove it. Stops early, with what it has, where
/// `stop` says so.
#[must_use]
pub fn refine_intermediate<'a>(
    root: &Analysis<'a>,
    domains: usize,
    recorded: bool,
    stop: &(dyn Fn() -> bool + Sync),
) -> Refined<'a> {
    let net = root.net;
    let mut refined = Refined { analysis: root.clone(), gain: 0.0, visited: 0, lemmas: Vec::new() };
    let (mut before, mut off) = (0.0, 0.0);
    for id in operands_of_relus(net) {
        let boxes = &refined.analysis.layers.boxes[id];
        let ends: Vec<(usize, bool)> =
            boxes.of_unknown_sign().flat_map(|i| [(i, true), (i, false)]).collect();
        // Where no unstable neuron comes before, the interval is as good as it gets.
        let unstable = unstable_before(&refined.analysis, id);
        if unstable == 0 || ends.is_empty() {
            continue;
        }
        if stop() {
            break;
        }
        before += ends.iter().map(|&(i, _)| boxes.upper[i] - boxes.lower[i]).sum::<f64>() / 2.0;
        if ends.len() > 2 * SAMPLE {
            let pairs = ends.chunks(2).step_by(ends.len().div_ceil(SAMPLE));
            let sample: Vec<(usize, bool)> = pairs.flatten().copied().collect();
            let goals = goals_of(&refined.analysis, id, &sample, recorded);
            let found = Short::run(&goals, domains, stop);
            refined.visited += found.iter().map(|short| short.visited).sum::<usize>();
            let (mut boxes, mut width, mut off) = (boxes.clone(), 0.0, 0.0);
            for (&(i, upper), short) in sample.iter().zip(&found) {
                width += (boxes.upper[i] - boxes.lower[i]) / 2.0;
                off += move_end(&mut boxes, i, upper, short.bound(), WORTH);
            }
            if off < PROMISE * width {
                continue;
            }
        }
        let mut boxes = boxes.clone();
        for ends in ends.chunks(group_size(unstable, domains)) {
            let goals = goals_of(&refined.analysis, id, ends, recorded);
            let found = Short::run(&goals, domains, stop);
            for ((&(i, upper), short), spare) in ends.iter().zip(found).zip(&goals.targets) {
                refined.visited += short.visited;
                let moved = move_end(&mut boxes, i, upper, short.bound() - spare, WORTH);
                off += moved;
                if let (true, Some(tree)) = (moved > 0.0, short.tree()) {
                    let at = if upper { boxes.upper[i] } else { boxes.lower[i] };
                    let lemma = Lemma { node: id, element: i, upper, at, tree };
                    refined.lemmas.push(Improve::Lemma(Box::new(lemma)));
                }
            }
        }
        refined.analysis = refined.analysis.with(id, boxes);
    }
    refined.gain = if before > 0.0 { off / before } else { 0.0 };
    refined
}

/// Neurons of unknown sign before a node.
fn unstable_before(analysis: &Analysis, at: NodeId) -> usize {
    let before = analysis.net.relus().filter(|&(relu, _)| relu < at);
    before.map(|(_, z)| analysis.layers.boxes[z].of_unknown_sign().count()).sum()
}

/// Domains whose open children take no more than [`GROUP_BYTES`]: a pair of them has a slope and an interval of each unstable neuron.
pub fn fitting(unstable: usize) -> usize {
    (GROUP_BYTES / unstable.saturating_mul(12).saturating_add(512)).max(8)
}

/// Ends that are searched for at a time.
fn group_size(unstable: usize, domains: usize) -> usize {
    (fitting(unstable) / domains.max(1)).max(8)
}

fn operands_of_relus(net: &Network) -> Vec<NodeId> {
    let mut operands: Vec<NodeId> = net.relus().map(|(_, z)| z).collect();
    operands.sort_unstable();
    operands.dedup();
    operands
}

/// One functional an end: that the neuron is positive or, for an upper end, negative.
fn goals_of<'a>(
    analysis: &'a Analysis<'a>,
    node: NodeId,
    ends: &[(usize, bool)],
    recorded: bool,
) -> Goals<'a> {
    let mut rows = Matrix::zeros(analysis.net.node(node).len, ends.len());
    for (c, &(i, upper)) in ends.iter().enumerate() {
        rows[(i, c)] = if upper { -1.0 } else { 1.0 };
    }
    let magnitudes = analysis.charges.magnitudes(node);
    let spare: Vec<f64> = ends.iter().map(|&(i, _)| END_SLACK * magnitudes[i]).collect();
    // What is left of that distance is beyond doubt.
    let doubt = recorded.then(|| vec![f64::NEG_INFINITY; ends.len()]);
    Goals::new(analysis, node, rows, spare, doubt)
}

/// A short search.
pub struct Short {
    open: BinaryHeap<Domain>,
    /// The least bound of the domains that are not open any more.
    closed: f64,
    /// Domains bounded.
    pub visited: usize,
    tree: Option<Tree>,
    /// By step of the tree: the bound that was found there.
    bounds: Vec<f64>,
}

impl Short {
    /// The bounds of all goals after so many domains each.
    pub fn run(goals: &Goals, most: usize, stop: &(dyn Fn() -> bool + Sync)) -> Vec<Self> {
        // All share one list of slopes and one of intervals.
        let whole = goals.whole(0);
        let new = |goal| Self {
            open: BinaryHeap::from([Domain { goal: goal as u32, ..whole.clone() }]),
            closed: f64::INFINITY,
            visited: 0,
            tree: goals.spare.as_ref().map(|_| Tree::new(0)),
            bounds: Vec::new(),
        };
        let batch = batch_size(goals);
        let mut searches: Vec<Self> = (0..goals.targets.len()).map(new).collect();
        while !stop() {
            let mut domains: Vec<Domain> = Vec::new();
            for search in &mut searches {
                let take = AT_ONCE.min(most - search.visited).min(search.open.len());
                domains.extend((0..take).filter_map(|_| search.open.pop()));
                search.visited += take;
            }
            if domains.is_empty() {
                break;
            }
            let work = |domains: &[Domain]| (!stop()).then(|| bound(goals, domains));
            let results: Vec<Option<Vec<Visit>>> = domains.par_chunks(batch).map(work).collect();
            for (domains, visits) in domains.chunks(batch).zip(results) {
                let Some(visits) = visits else {
                    // Out of time: these stay open.
                    for domain in domains {
                        searches[domain.goal as usize].reopen(domain.clone());
                    }
                    continue;
                };
                for (domain, visit) in domains.iter().zip(visits) {
                    searches[domain.goal as usize].enter(domain, visit);
                }
            }
        }
        searches
    }

    /// The least bound of all domains.
    pub fn bound(&self) -> f64 {
        self.open.peek().map_or(self.closed, |worst| self.closed.min(worst.bound))
    }

    /// Why the bound holds, if that was recorded: what does not serve it is left out.
    pub fn tree(self) -> Option<Tree> {
        let bound = self.bound();
        let done = |step: u32| self.bounds.get(step as usize).is_some_and(|own| *own >= bound);
        self.tree.map(|tree| tree.pruned(done))
    }

    fn reopen(&mut self, domain: Domain) {
        self.visited -= 1;
        self.open.push(domain);
    }

    fn enter(&mut self, domain: &Domain, visit: Visit) {
        if let Some(tree) = &mut self.tree {
            visit.lines.into_iter().for_each(|line| tree.improve(domain.step, line));
            let step = domain.step as usize;
            if self.bounds.len() <= step {
                self.bounds.resize(step + 1, f64::NEG_INFINITY);
            }
            self.bounds[step] = visit.own;
        }
        match visit.children {
            Some(mut pair) => {
                if let (Some(tree), Some(&split)) = (&mut self.tree, pair[0].splits.last()) {
                    enter(tree, domain.step, split, &mut pair);
                }
                self.open.extend(pair);
            }
            None => self.closed = self.closed.min(visit.bound),
        }
    }
}

/// What became of one domain: proved, or with nothing left to split, where it has no children.
struct Visit {
    /// The bound that was found, and the best one known of the domain.
    own: f64,
    bound: f64,
    /// Of the record: the last one repeats the bound.
    lines: Vec<Improve>,
    children: Option<[Domain; 2]>,
}

fn bound(goals: &Goals, domains: &[Domain]) -> Vec<Visit> {
    let bounded = goals.bound(domains);
    let mut pairs = goals.split(domains, &bounded).into_iter();
    let visit = |(d, domain): (usize, &Domain)| {
        let undecided = bounded.undecided.binary_search(&d).is_ok();
        let mut lines = Vec::new();
        if goals.spare.is_some() {
            let row = goals.rows.column(domain.goal as usize);
            let element = row.iter().position(|a| *a != 0.0).unwrap_or(0);
            lines.extend(goals.anew(bounded.ends(), d, domain));
            lines.push(Improve::Tighten {
                node: goals.at,
                elements: vec![element as u32],
                upper: Some(row[element] < 0.0),
                hints: goals.refutation(&bounded, d, domain.goal as usize).hints,
            });
        }
        let own = if bounded.empty[d] { f64::INFINITY } else { bounded.climbed.bounds[d] };
        let children = if undecided { pairs.next().flatten() } else { None };
        Visit { own, bound: own.max(domain.bound), lines, children }
    };
    domains.iter().enumerate().map(visit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bound::Intermediate;
    use crate::net::{Boxes, LinearMap, NetworkBuilder, Term};

    #[test]
    fn groups_of_ends_fit_into_memory() {
        for (unstable, domains) in [(50, 8), (1_000, 8), (1_000, 512), (4_000, 128)] {
            let group = group_size(unstable, domains);
            assert!(group == 8 || group * domains * unstable * 12 <= GROUP_BYTES);
        }
        assert_eq!(group_size(usize::MAX, usize::MAX), 8);
    }

    #[test]
    fn short_searches_leave_domains_for_the_search() {
        let mut builder = NetworkBuilder::new(2, "x").unwrap();
        let mut node = 0;
        for name in ["a", "b", "y"] {
            let w = Matrix::from_row_slice(2, 2, &[1.0, -1.0, 0.5, 1.0]);
            let terms = vec![Term { source: node, map: LinearMap::from_matrix(w) }];
            node = builder.affine(terms, vec![0.0, -0.25], 0, name).unwrap();
            node = if name == "y" { node } else { builder.relu(node, "relu").unwrap() };
        }
        let net = builder.finish(node).unwrap();
        let input = Boxes::single(&[-1.0, -1.0], &[1.0, 1.0]);
        let root = Analysis::of_region(&net, &input, Intermediate::Crown);
        let unstable = |(_, z): (NodeId, NodeId)| root.layers.boxes[z].of_unknown_sign().count();
        let ends = 2 * net.relus().map(unstable).sum::<usize>();
        let most = 8 * (ends + 2 * SAMPLE);
        let due_at = due(&root, 8, 1.0, usize::MAX);
        assert!(ends > 4 && due_at < 1_000, "{due_at}");
        assert_eq!(due(&root, 8, 1.0, 2 * (most + due_at)), due_at);
        assert_eq!(due(&root, 8, 1.0, 2 * (most + due_at) - 2), usize::MAX);
    }
}
