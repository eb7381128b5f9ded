//! Intermediate bounds by short searches: each end of each unstable neuron's interval by branch and bound of its own.
//!
//! A neuron's interval decides how far its relaxation is from the ReLU, in every domain of every later search. Slopes alone
//! leave it wide where the neurons before it are relaxed themselves; a few splits of those help at a cost that all domains
//! share. α,β-CROWN does this by integer programs (Zhang et al. 2022); here the same engine serves as for the outputs.

use super::INNER;
use super::batch::Goals;
use super::domain::Domain;
use crate::bound::{Analysis, WORTH, move_end, work_of_intermediate, work_of_sweep};
use crate::branch::Limits;
use crate::branch::front::{Batch, Front, Part};
use crate::branch::tree::{Lemma, Line, Tree};
use crate::net::{Matrix, Network, NodeId};
use rayon::prelude::*;

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
    pub lemmas: Vec<Lemma>,
}

/// After how many domains of a search it has become `patience` times as much work as short searches of so many domains an end,
/// about; never where both together would take more than half of what is left to be done.
pub fn due(root: &Analysis, short: usize, patience: f64, left: &Limits) -> usize {
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
    let fits = due.saturating_add(most) <= left.domains / 2
        && due as f64 * domain + refinement <= left.work / 2.0;
    if fits { due } else { usize::MAX }
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
            refined.visited += found.iter().map(Short::visited).sum::<usize>();
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
                refined.visited += short.visited();
                let moved = move_end(&mut boxes, i, upper, short.bound() - spare, WORTH);
                off += moved;
                if let (true, Some(tree)) = (moved > 0.0, short.tree()) {
                    let at = if upper { boxes.upper[i] } else { boxes.lower[i] };
                    refined.lemmas.push(Lemma { node: id, element: i, upper, at, tree });
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
    front: Front<Domain>,
    /// One, if it is recorded.
    tree: Vec<Tree>,
    /// By node of the tree: the bound that was found there.
    bounds: Vec<f64>,
}

impl Short {
    /// The bounds of all goals after so many domains each.
    pub(super) fn run(goals: &Goals, most: usize, stop: &(dyn Fn() -> bool + Sync)) -> Vec<Self> {
        // All share one list of slopes and one of intervals.
        let whole = goals.whole(0);
        let new = |goal| Self {
            front: Front::new([Domain { goal: goal as u32, ..whole.clone() }]),
            tree: goals.spare.as_ref().map(|_| Tree::default()).into_iter().collect(),
            bounds: Vec::new(),
        };
        let batch = batch_size(goals);
        let mut searches: Vec<Self> = (0..goals.targets.len()).map(new).collect();
        while !stop() {
            let mut domains: Vec<Domain> = Vec::new();
            for Self { front, .. } in &mut searches {
                domains.extend(front.take(AT_ONCE.min(most - front.visited)));
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
                        let front = &mut searches[domain.goal as usize].front;
                        front.reopen([domain.clone()].into_iter());
                    }
                    continue;
                };
                for (domain, Visit { own, batch }) in domains.iter().zip(visits) {
                    let Self { front, tree, bounds } = &mut searches[domain.goal as usize];
                    let node = domain.node as usize;
                    bounds.resize(bounds.len().max(node + 1), f64::NEG_INFINITY);
                    bounds[node] = own;
                    front.enter(batch, tree);
                }
            }
        }
        searches
    }

    /// The least bound of all domains.
    pub(super) fn bound(&self) -> f64 {
        self.front.bound()
    }

    /// Domains bounded.
    pub(super) fn visited(&self) -> usize {
        self.front.visited
    }

    /// Why the bound holds, if that was recorded: what does not serve it is left out.
    pub(super) fn tree(mut self) -> Option<Tree> {
        let bound = self.bound();
        let done = |node: u32| self.bounds.get(node as usize).is_some_and(|own| *own >= bound);
        self.tree.pop().map(|tree| tree.pruned(done))
    }
}

/// What became of one domain.
struct Visit {
    /// The bound that was found.
    own: f64,
    /// The last line of its piece repeats it.
    batch: Batch<Domain>,
}

fn bound(goals: &Goals, domains: &[Domain]) -> Vec<Visit> {
    let bounded = goals.bound(domains);
    let mut pairs = goals.split(domains, &bounded).into_iter();
    let visit = |(d, domain): (usize, &Domain)| {
        let undecided = bounded.undecided.binary_search(&d).is_ok();
        let mut own = if bounded.empty[d] { f64::INFINITY } else { bounded.climbed.bounds[d] };
        let children = if undecided { pairs.next().flatten() } else { None };
        // With nothing left to split, a linear program says the rest.
        let ended = undecided && children.is_none() && goals.at == goals.root.net.output();
        let leaf = ended.then(|| goals.leaf(&bounded, domain, d, None));
        let leaf = leaf.filter(|leaf| leaf.bound > own);
        own = leaf.as_ref().map_or(own, |leaf| leaf.bound);
        let mut batch = Batch::default();
        let piece = goals.spare.as_ref().map(|_| {
            let row = goals.rows.column(domain.goal as usize);
            let element = row.iter().position(|a| *a != 0.0).unwrap_or(0);
            let mut piece = Tree::default();
            piece.lines(0, goals.anew(bounded.ends(), d, domain));
            piece.line(
                0,
                Line::Tighten {
                    node: goals.at,
                    elements: [element as u32].into(),
                    upper: Some(row[element] < 0.0),
                    hints: match leaf.and_then(|leaf| leaf.refutation) {
                        Some(how) => how.hints,
                        None => goals.refutation(&bounded, d, domain.goal as usize).hints,
                    },
                },
            );
            piece
        });
        match children {
            Some(pair) => enter(&mut batch, domain, piece, pair),
            None => {
                batch.proved = own.max(domain.bound);
                batch.piece(domain.place(), piece);
            }
        }
        Visit { own, batch }
    };
    domains.iter().enumerate().map(visit).collect()
}

/// Enters the children of a domain, and the split that made them.
pub fn enter(batch: &mut Batch<Domain>, domain: &Domain, piece: Option<Tree>, pair: [Domain; 2]) {
    let nodes = piece.map(|mut piece| {
        let nodes =
            pair[0].splits.last().map(|split| piece.split(0, split.node, split.element, split.at));
        batch.piece(domain.place(), Some(piece));
        nodes.unwrap_or_default()
    });
    let number = batch.pieces.len().wrapping_sub(1);
    let [below, above] = nodes.unwrap_or_default();
    batch.children.extend(pair.map(|child| {
        let active = child.splits.last().is_some_and(|split| split.active);
        (number, child.moved(if active { above } else { below }))
    }));
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
        let never = || false;
        let all = Limits::starting_now(None, &never);
        let due = |domains, work| due(&root, 8, 1.0, &Limits { domains, work, ..all });
        let due_at = due(usize::MAX, f64::INFINITY);
        assert!(ends > 4 && due_at < 1_000, "{due_at}");
        assert_eq!(due(2 * (most + due_at), f64::INFINITY), due_at);
        assert_eq!(due(2 * (most + due_at) - 2, f64::INFINITY), usize::MAX);
        // The short searches are as much work as the search before them.
        let work = 2.0 * due_at as f64 * work_of_domain(&root);
        assert_eq!(due(usize::MAX, 2.2 * work), due_at);
        assert_eq!(due(usize::MAX, 1.8 * work), usize::MAX);
    }
}
