//! Intermediate bounds by short searches: each end of each unstable neuron's interval by branch and bound of its own.
//!
//! A neuron's interval decides how far its relaxation is from the ReLU, in every domain of every later search. Slopes alone
//! leave it wide where the neurons before it are relaxed themselves; a few splits of those help at a cost that all domains
//! share. α,β-CROWN does this by integer programs (Zhang et al. 2022); here the same engine serves as for the outputs.

use super::batch::Goals;
use super::domain::Domain;
use super::search::enter;
use super::{Care, INNER, Improve, Lemma, Tree};
use crate::bound::{Analysis, work_of_intermediate, work_of_sweep};
use crate::net::{Boxes, Matrix, Network, NodeId};
use rayon::prelude::*;
use std::collections::BinaryHeap;

/// Domains that are bounded together.
const BATCH: usize = 64;

/// Domains of one end that are bounded before the worst are chosen again.
const AT_ONCE: usize = 4;

/// An end is moved if that takes at least this share off the interval.
const WORTH: f64 = 0.01;

/// Where short searches for a sample of the first node's ends take less than this off, none are made: those of later nodes
/// gain from the first ones', and cost more.
const SAMPLE: usize = 32;
const PROMISE: f64 = 0.05;

/// What short searches found.
#[derive(Debug)]
pub struct Refined<'a> {
    /// With better intervals.
    pub analysis: Analysis<'a>,
    /// The share of all unstable intervals that was taken off.
    pub gain: f64,
    /// Domains bounded.
    pub visited: usize,
    /// What moved, and why, if that is recorded.
    pub lemmas: Vec<Improve>,
}

/// After how many domains of a search short searches of so many domains an end have become as much work as the search, about.
pub fn due(root: &Analysis, short: usize) -> usize {
    let (ends, output) = (work_of_intermediate(root), work_of_sweep(root.net, root.net.output()));
    if ends == 0.0 {
        return usize::MAX;
    }
    let iterations = INNER.iterations as f64;
    // A domain's climb, and its sweeps of about half of the intermediate bounds.
    let domain = 2.0 * iterations * output + ends / 4.0;
    let refinement = short as f64 * iterations * ends;
    (refinement / domain.max(1.0)).min(1e12) as usize
}

/// Tightens, node by node, the interval of every unstable pre-activation of one region by short searches of so many domains for
/// each end; the intervals hold on the whole region. With `care`, also how to prove it. Stops early, with what it has, where
/// `stop` says so.
#[must_use]
pub fn refine_intermediate<'a>(
    root: &Analysis<'a>,
    domains: usize,
    care: Option<Care>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Refined<'a> {
    let net = root.net;
    let mut refined = Refined { analysis: root.clone(), gain: 0.0, visited: 0, lemmas: Vec::new() };
    let (mut before, mut off) = (0.0, 0.0);
    for id in operands_of_relus(net) {
        let boxes = &refined.analysis.layers.boxes[id];
        let ends: Vec<(usize, bool)> =
            unstable(boxes).flat_map(|i| [(i, true), (i, false)]).collect();
        before += ends.iter().map(|&(i, _)| boxes.upper[i] - boxes.lower[i]).sum::<f64>() / 2.0;
        let goals = goals_of(&refined.analysis, id, &ends, care);
        // Where no unstable neuron comes before, the interval is as good as it gets.
        if goals.unstable.is_empty() || ends.is_empty() {
            continue;
        }
        if refined.visited == 0 {
            let pairs = ends.chunks(2).step_by(ends.len().div_ceil(SAMPLE));
            let sample: Vec<(usize, bool)> = pairs.flatten().copied().collect();
            let goals = goals_of(&refined.analysis, id, &sample, care);
            let found = Short::run(&goals, domains, stop);
            refined.visited += found.iter().map(|short| short.visited).sum::<usize>();
            let (mut boxes, mut width, mut off) = (boxes.clone(), 0.0, 0.0);
            for (&(i, upper), short) in sample.iter().zip(&found) {
                width += (boxes.upper[i] - boxes.lower[i]) / 2.0;
                off += moves(&mut boxes, i, upper, short.bound()).0;
            }
            if off < PROMISE * width {
                return refined;
            }
        }
        let found = Short::run(&goals, domains, stop);
        let mut boxes = boxes.clone();
        for ((&(i, upper), short), spare) in ends.iter().zip(found).zip(&goals.targets) {
            refined.visited += short.visited;
            let (moved, end) = moves(&mut boxes, i, upper, short.bound() - spare);
            off += moved;
            if let (true, Some(tree)) = (moved > 0.0, short.tree) {
                let lemma = Lemma { node: id, element: i, upper, at: end, tree };
                refined.lemmas.push(Improve::Lemma(Box::new(lemma)));
            }
        }
        refined.analysis = refined.analysis.with(id, boxes);
    }
    refined.gain = if before > 0.0 { off / before } else { 0.0 };
    refined
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
    care: Option<Care>,
) -> Goals<'a> {
    let mut rows = Matrix::zeros(analysis.net.node(node).len, ends.len());
    for (c, &(i, upper)) in ends.iter().enumerate() {
        rows[(i, c)] = if upper { -1.0 } else { 1.0 };
    }
    let magnitudes = analysis.charges.magnitudes(node);
    let spare = |&(i, _): &(usize, bool)| care.map_or(0.0, |care| care.slack * magnitudes[i]);
    Goals::new(analysis, node, rows, ends.iter().map(spare).collect(), care)
}

/// Moves an end of element i, of which ± the value is at least `bound`, if that is worth it; returns by how much, and where to.
fn moves(boxes: &mut Boxes, i: usize, upper: bool, bound: f64) -> (f64, f64) {
    let (l, u) = (boxes.lower[i], boxes.upper[i]);
    let gain = if upper { u + bound } else { bound - l };
    let worth = gain > WORTH * (u - l) || (gain > 0.0 && bound >= 0.0);
    // Bounds past the other end say that there are no such points; none is taken that makes an interval empty.
    if !worth || gain > u - l {
        return (0.0, 0.0);
    }
    if upper {
        boxes.upper[i] = -bound;
        (gain, -bound)
    } else {
        boxes.lower[i] = bound;
        (gain, bound)
    }
}

fn unstable(boxes: &Boxes) -> impl Iterator<Item = usize> + '_ {
    (0..boxes.lower.nrows()).filter(|&i| boxes.lower[i] < 0.0 && boxes.upper[i] > 0.0)
}

/// A short search.
struct Short {
    open: BinaryHeap<Domain>,
    /// The least bound of the domains that are not open any more.
    closed: f64,
    visited: usize,
    tree: Option<Tree>,
}

impl Short {
    /// The bounds of all goals after so many domains each.
    fn run(goals: &Goals, most: usize, stop: &(dyn Fn() -> bool + Sync)) -> Vec<Self> {
        let new = |goal| Self {
            open: BinaryHeap::from([goals.whole(goal as u32)]),
            closed: f64::INFINITY,
            visited: 0,
            tree: goals.care.map(|_| Tree::new(0)),
        };
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
            let results: Vec<Option<Vec<Visit>>> = domains.par_chunks(BATCH).map(work).collect();
            for (domains, visits) in domains.chunks(BATCH).zip(results) {
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

    fn bound(&self) -> f64 {
        self.open.peek().map_or(self.closed, |worst| self.closed.min(worst.bound))
    }

    fn reopen(&mut self, domain: Domain) {
        self.visited -= 1;
        self.open.push(domain);
    }

    fn enter(&mut self, domain: &Domain, visit: Visit) {
        if let (Some(tree), Some(line)) = (&mut self.tree, visit.line) {
            tree.improve(domain.step, line);
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
    bound: f64,
    line: Option<Improve>,
    children: Option<[Domain; 2]>,
}

fn bound(goals: &Goals, domains: &[Domain]) -> Vec<Visit> {
    let bounded = goals.bound(domains);
    let mut pairs = goals.split(domains, &bounded).into_iter();
    let visit = |(d, domain): (usize, &Domain)| {
        let undecided = bounded.undecided.binary_search(&d).is_ok();
        let line = goals.care.map(|care| {
            let row = goals.rows.column(domain.goal as usize);
            let element = row.iter().position(|a| *a != 0.0).unwrap_or(0);
            Improve::Tighten {
                node: goals.at,
                elements: vec![element as u32],
                upper: Some(row[element] < 0.0),
                hints: goals.refutation(&bounded, d, care).hints,
            }
        });
        let bound = if bounded.empty[d] { f64::INFINITY } else { bounded.climbed.bounds[d] };
        let children = if undecided { pairs.next().flatten() } else { None };
        Visit { bound: bound.max(domain.bound), line, children }
    };
    domains.iter().enumerate().map(visit).collect()
}
