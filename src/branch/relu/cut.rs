//! Cuts over several neurons: what the lines of a group of ReLUs lose together, bounded by short searches of their own.
//!
//! A bound takes for cⱼ relu(zⱼ) a line that loses sⱼ(x) = cⱼ (relu(zⱼ) − line) ≥ 0 at the input x. Each sⱼ is 0 somewhere, but neurons
//! that read the same inputs are not there at once: over a group, q(x) = Σⱼ cⱼ (relu(zⱼ) − aⱼ zⱼ) has a lower bound d that exceeds what
//! the lines say of it, and some tens of splits inside the group find it. With q as a node that nothing reads and d ≤ q among the bounds of
//! the region, f ≥ f − g·(q − d) for every g ≥ 0, as with the sign of a split. At g = 1 the group's lines are replaced by d, and what
//! many groups gain adds up, where splits in one tree multiply. (Cutting planes in bound propagation: Zhang et al. 2022, GCP-CROWN, who take
//! them from an integer program.)

mod parallel;

pub use parallel::any as any_of_one_scalar;

use super::INNER;
use super::batch::{Goals, Seed};
use super::refine::{END_SLACK, Short, fitting};
use crate::bound::{Analysis, Climbed, Goal, Multipliers, Reduced, Start, Swept, work_of_sweep};
use crate::branch::tree::{Lemma, SUM, SumTerm, Tree};
use crate::lp::{Clarabel, lower_in_leaf};
use crate::net::{Affine, Boxes, LinearMap, Matrix, Network, NodeId, Term};
use rayon::prelude::*;

/// Neurons of a group, at most, and domains of the short search for its cut: in the first round, and how many more, or times more, in
/// each after it.
const GROUP: usize = 8;
const DOMAINS: usize = 64;
const LONGER: usize = 4;

/// So many neurons, those whose lines lose most, are in no group: the search will split them, and a cut is worth little where its
/// neurons are split.
const APART: usize = 24;

/// Neurons whose lines lose less than this share of their layer's mean are in no group.
const LEAST: f64 = 1e-3;

/// Multipliers of cuts come from a linear program where no more neurons are unstable.
const MOST_WEIGHED: usize = 1_000;

/// Multiplier of a new cut: 1 would leave the group's ReLUs no coefficient, and so no gradient.
const FIRST: f32 = 0.9;

/// Cuts for one functional of the outputs over one region.
#[derive(Debug)]
pub struct Cuts {
    /// The network with a node of cuts for each layer, before its output.
    net: Network,
    /// The bounds of these nodes.
    boxes: Vec<Boxes>,
    /// The cuts that say more than lines do, by node and element.
    good: Vec<(NodeId, usize)>,
    /// Of the record: what these are and why they hold.
    sums: Vec<Vec<SumTerm>>,
    lemmas: Vec<Lemma>,
    /// The multipliers that they begin with.
    sizes: Vec<f32>,
    /// Slopes of the unstable neurons at which the cuts were made.
    slopes: Vec<f32>,
    /// Domains bounded.
    pub visited: usize,
}

/// How much may be spent on cuts.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// How many rounds there were before; before the first, only neurons that read one scalar are grouped.
    pub round: Option<u32>,
    /// Domains, at most.
    pub domains: usize,
    /// Multiplications, at most.
    pub work: f64,
    /// Which share of a sweep of the whole network one of a group's network may take, on average.
    pub share: f64,
}

impl Effort {
    fn group(self) -> usize {
        GROUP * (self.round.unwrap_or(0) as usize + 1)
    }

    fn most(self) -> usize {
        DOMAINS * LONGER.pow(self.round.unwrap_or(0))
    }
}

/// Cuts of one layer: a row each of coefficients of ReLUs and of pre-activations.
#[derive(Default)]
struct Layer {
    relus: Vec<Vec<(usize, f64)>>,
    operands: Vec<Vec<(usize, f64)>>,
    /// What the lines alone say.
    lows: Vec<f64>,
    /// Multipliers to begin with.
    sizes: Vec<f32>,
}

impl Layer {
    fn extend(&mut self, other: Self) {
        self.relus.extend(other.relus);
        self.operands.extend(other.operands);
        self.lows.extend(other.lows);
        self.sizes.extend(other.sizes);
    }
}

impl Cuts {
    /// Cuts for the first of the goals, which is one of the outputs; `None` where there are none to be had, or they would take more
    /// than may be spent.
    #[must_use]
    pub(super) fn of(
        goals: &Goals,
        effort: Effort,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<Self> {
        let root = goals.root;
        let bounded = goals.bound(&[goals.whole(0)]);
        let climbed = &bounded.climbed;
        if bounded.undecided.is_empty() || goals.at != root.net.output() {
            return None;
        }
        let start = Start::Dense(&goals.rows);
        let goal = Goal { at: goals.at, start: &start, domains: &[0], targets: &goals.targets };
        let swept = climbed.sweep_again(&bounded.analysis.sweep(), &goal, &[0]);
        let lost = lost(&bounded.analysis, climbed);
        let mut all: Vec<f64> =
            lost.iter().flat_map(|(_, lost)| lost.iter().map(|l| l.0)).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        let grouped = effort.round.is_some();
        // Where there are few, the search splits them all.
        let apart = if grouped { *all.get(APART)? } else { 0.0 };
        let (mut nodes, mut lows, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for ((relu, z), mut lost) in lost {
            let least = LEAST * lost.iter().map(|l| l.0).sum::<f64>() / lost.len().max(1) as f64;
            lost.retain(|l| l.0 > least && l.0 < apart);
            let analysis = &bounded.analysis;
            let mut layer = layer(analysis, climbed, &swept, (relu, z), &lost, effort.group());
            layer.extend(parallel::layer(analysis, &swept, (relu, z)));
            if !layer.lows.is_empty() {
                let term = |source: NodeId, rows| {
                    let map = LinearMap::from_rows(root.net.node(source).len, rows);
                    Term { source, map }
                };
                let bias = vec![0.0; layer.lows.len()];
                let terms = vec![term(relu, layer.relus), term(z, layer.operands)];
                nodes.push(Affine::exactly(terms, bias));
                lows.push(layer.lows);
                sizes.push(layer.sizes);
            }
        }
        let count = lows.iter().map(Vec::len).sum::<usize>();
        let sums = goals.spare.as_ref().map(|_| sums(root.net, &nodes));
        if count == 0 || count.saturating_mul(effort.most()) > effort.domains {
            return None;
        }
        let slopes = goals.unstable.iter().map(|&(relu, _, i)| {
            climbed.slopes[relu].as_ref().map_or(0.0, |slopes| slopes[i] as f32)
        });
        let mut cuts = Self {
            net: root.net.observed(nodes).ok()?,
            boxes: Vec::new(),
            good: Vec::new(),
            sizes: Vec::new(),
            sums: Vec::new(),
            lemmas: Vec::new(),
            slopes: slopes.collect(),
            visited: 0,
        };
        if !cuts.search(root, (&lows, &sizes), sums, effort, stop) {
            return None;
        }
        if !grouped {
            cuts.weigh(goals);
        }
        Some(cuts)
    }

    /// Multipliers and slopes by a linear program: of lines that hold together, ascent finds the best mixture only slowly.
    fn weigh(&mut self, goals: &Goals) {
        if goals.unstable.len() > MOST_WEIGHED {
            return;
        }
        let carried = self.carry(goals.root);
        let row = goals.rows.column(0);
        let solved = lower_in_leaf(carried.sweep(), row.as_slice(), 0, &self.good, &Clarabel, None);
        let Multipliers { slopes, lifts } = solved.multipliers;
        let size = |&(node, element): &(NodeId, usize)| {
            let own = lifts.get(node).into_iter().flatten().filter(|lift| lift.element == element);
            own.map(|lift| lift.multiplier.max(0.0) as f32).sum()
        };
        let slope = |&(relu, _, i): &(NodeId, NodeId, usize)| {
            slopes.get(relu)?.as_ref().map(|slopes| slopes[(i, 0)] as f32)
        };
        let slopes: Option<Vec<f32>> = goals.unstable.iter().map(slope).collect();
        self.sizes = self.good.iter().map(size).collect();
        self.slopes = slopes.unwrap_or_else(|| std::mem::take(&mut self.slopes));
    }

    /// Bounds every cut by a short search in the network of its own group; false where that would take more than may be spent.
    fn search(
        &mut self,
        root: &Analysis,
        (lows, sizes): (&[Vec<f64>], &[Vec<f32>]),
        sums: Option<Vec<Vec<SumTerm>>>,
        effort: Effort,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> bool {
        let analysis = self.carry(root);
        let first = root.net.output();
        let names: Vec<(NodeId, usize)> = (first..)
            .zip(lows)
            .flat_map(|(node, lows)| (0..lows.len()).map(move |element| (node, element)))
            .collect();
        let small = |&(node, element): &_| Reduced::of_element(&analysis, node, element);
        let smalls: Vec<Option<Reduced>> = names.par_iter().map(small).collect();
        let sweep = |small: &Reduced| work_of_sweep(&small.net, small.net.output());
        let work: f64 = smalls.iter().flatten().map(sweep).sum();
        let domain = 2.0 * INNER.iterations as f64 * work;
        if work > effort.share * names.len() as f64 * work_of_sweep(root.net, first)
            || effort.most() as f64 * domain > effort.work
        {
            return false;
        }
        let bound = |small: &Reduced| {
            let analysis = small.carry(&analysis);
            let row = Matrix::from_element(1, 1, 1.0);
            let doubt = sums.as_ref().map(|_| vec![f64::NEG_INFINITY]);
            let at = small.net.output();
            let goals = Goals::new(&analysis, at, row, vec![f64::INFINITY], doubt);
            let most = effort.most().min(fitting(goals.unstable.len()));
            let short = Short::run(&goals, most, stop).pop()?;
            let magnitude = analysis.charges.magnitudes(goals.at)[0];
            let spare = if sums.is_some() { END_SLACK * magnitude } else { 0.0 };
            Some((short.bound() - spare, short))
        };
        let found: Vec<Option<(f64, Short)>> =
            smalls.par_iter().map(|small| small.as_ref().and_then(bound)).collect();
        let ends = first..first + lows.len();
        let mut boxes: Vec<Boxes> = ends.map(|id| analysis.layers.boxes[id].clone()).collect();
        let made = lows.iter().flatten().zip(sizes.iter().flatten());
        for (k, ((&(node, i), found), (&low, &size))) in
            names.iter().zip(found).zip(made).enumerate()
        {
            let Some((at, short)) = found else { continue };
            self.visited += short.visited();
            // An infinite bound says that the region is empty; the search will find that by itself.
            if !(at > low && at.is_finite()) {
                continue;
            }
            boxes[node - first].lower[i] = at;
            if let (Some(sums), Some(small)) = (&sums, &smalls[k]) {
                // Without a tree the record cannot say why.
                let Some(mut tree) = short.tree() else { continue };
                let number = self.sums.len();
                let output = small.net.output();
                tree.rename(|node, element| match node == output {
                    true => (SUM, number),
                    false => small.original(node, element),
                });
                self.sums.push(sums[k].clone());
                self.lemmas.push(Lemma { node: SUM, element: number, upper: false, at, tree });
            }
            self.good.push((node, i));
            self.sizes.push(size);
        }
        self.boxes = boxes;
        true
    }

    /// A tree that begins with the cuts, and its node behind them.
    #[must_use]
    pub(super) fn tree(&self) -> (Tree, u32) {
        let mut tree = Tree::default();
        self.sums.iter().for_each(|sum| {
            tree.define(sum.clone());
        });
        let tip = self.lemmas.iter().cloned().fold(0, |tip, lemma| tree.lemma(tip, lemma));
        (tree, tip)
    }

    /// Gives the cuts in a tree of the search with them the names of its sums.
    pub(super) fn name(&self, tree: &mut Tree) {
        tree.rename(|node, element| match self.good.binary_search(&(node, element)) {
            Ok(number) => (SUM, number),
            Err(_) => (node, element),
        });
    }

    /// The analysis of the same region for the network with cuts.
    #[must_use]
    pub(super) fn carry<'a>(&'a self, root: &Analysis) -> Analysis<'a> {
        let first = root.net.output();
        Analysis::of_boxes(&self.net, |id, layers| {
            if id < first {
                root.layers.boxes[id].clone()
            } else if id == self.net.output() {
                root.layers.boxes[first].clone()
            } else if let Some(boxes) = self.boxes.get(id - first) {
                boxes.clone()
            } else {
                self.net.enclose_node(id, &root.layers.boxes[0], &layers.boxes)
            }
        })
    }

    /// The same goals, on the carried analysis.
    #[must_use]
    pub(super) fn goals<'a>(&self, analysis: &'a Analysis<'a>, goals: Goals) -> Goals<'a> {
        let seed = Seed {
            cuts: self.good.iter().map(|&(node, element)| (node, element, true)).collect(),
            sizes: self.sizes.clone(),
            slopes: Some(self.slopes.as_slice().into()),
        };
        let at = self.net.output();
        let new = Goals::new(analysis, at, goals.rows, goals.targets, goals.spare);
        new.starting_from(seed)
    }
}

/// What cuts are, in the order of their nodes' elements.
fn sums(net: &Network, nodes: &[Affine]) -> Vec<Vec<SumTerm>> {
    let of = |node: &Affine, row: usize| {
        let mut sum = Vec::new();
        for Term { source, map } in &node.terms {
            let operand = net.node(*source).op.relu();
            map.for_each_in_row(row, |element, coefficient| {
                let (node, relu) = (operand.unwrap_or(*source), operand.is_some());
                if coefficient != 0.0 {
                    sum.push(SumTerm { node, element, relu, coefficient });
                }
            });
        }
        sum
    };
    nodes.iter().flat_map(|node| (0..node.bias.len()).map(move |row| of(node, row))).collect()
}

/// What the line of a neuron loses, and its element.
type Lost = (f64, usize);

/// For each ReLU node (and its operand), what the lines of its unstable neurons lose at the mean minimiser, most first.
fn lost(analysis: &Analysis, climbed: &Climbed) -> Vec<((NodeId, NodeId), Vec<Lost>)> {
    let means = &climbed.means;
    let of = |(relu, z): (NodeId, NodeId)| {
        let c = means.coefficients.get(relu)?.as_ref()?;
        let (y, x) = (means.values[relu].as_ref()?, means.values[z].as_ref()?);
        let lost = |i: usize| ((c[i] * (y[i] - x[i].max(0.0))).abs(), i);
        let mut lost: Vec<Lost> = analysis.layers.boxes[z].of_unknown_sign().map(lost).collect();
        lost.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Some(((relu, z), lost))
    };
    analysis.net.relus().filter_map(of).collect()
}

/// Groups of neurons that read the same, each around one that loses most, and their cuts.
fn layer(
    analysis: &Analysis,
    climbed: &Climbed,
    swept: &Swept,
    (relu, z): (NodeId, NodeId),
    lost: &[Lost],
    group: usize,
) -> Layer {
    let mut layer = Layer::default();
    let net = analysis.net;
    let (Some(c), Some(lines)) = (&swept.trace[relu], analysis.layers.relaxation(net, relu)) else {
        return layer;
    };
    let rows: Vec<Vec<((NodeId, usize), f64)>> =
        lost.iter().map(|&(_, i)| reads(analysis, z, i)).collect();
    let mut free = vec![true; lost.len()];
    for first in 0..lost.len() {
        if !free[first] {
            continue;
        }
        let near = |&k: &usize| (lost[k].0 * overlap(&rows[first], &rows[k]), k);
        let rest = (first + 1..lost.len()).filter(|&k| free[k]);
        let mut near: Vec<(f64, usize)> = rest.map(|k| near(&k)).filter(|n| n.0 > 0.0).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let members = near.iter().map(|n| n.1).take(group - 1);
        let members: Vec<usize> = std::iter::once(first).chain(members).collect();
        if members.len() < 2 {
            continue;
        }
        let (mut relus, mut operands, mut low) = (Vec::new(), Vec::new(), 0.0);
        for k in members {
            free[k] = false;
            let i = lost[k].1;
            let slope = if c[i] < 0.0 {
                low += c[i] * lines.upper.intercept[i];
                lines.upper.slopes[0][i]
            } else {
                climbed.slopes[relu].as_ref().map_or(lines.lower.slopes[0][i], |slopes| slopes[i])
            };
            relus.push((i, c[i]));
            operands.push((i, -c[i] * slope));
        }
        layer.relus.push(relus);
        layer.operands.push(operands);
        layer.lows.push(low);
        layer.sizes.push(FIRST);
    }
    layer
}

/// What an element of an affine node reads, by element and with its weight times the width of the element's interval; through
/// nodes that only pick, and of norm 1.
fn reads(analysis: &Analysis, mut node: NodeId, mut element: usize) -> Vec<((NodeId, usize), f64)> {
    let mut row: Vec<((NodeId, usize), f64)> = Vec::new();
    while let Some(affine) = analysis.net.node(node).op.affine() {
        row.clear();
        for Term { source, map } in &affine.terms {
            let boxes = &analysis.layers.boxes[*source];
            map.for_each_in_row(element, |i, weight| {
                row.push(((*source, i), weight * (boxes.upper[i] - boxes.lower[i])));
            });
        }
        match row.as_slice() {
            [(only, _)] => (node, element) = *only,
            _ => break,
        }
    }
    row.sort_by_key(|entry| entry.0);
    let norm = row.iter().map(|entry| entry.1 * entry.1).sum::<f64>().sqrt();
    row.iter_mut().for_each(|entry| entry.1 /= norm.max(f64::MIN_POSITIVE));
    row
}

/// Σ |aᵢ bᵢ| of two rows in order.
fn overlap(a: &[((NodeId, usize), f64)], b: &[((NodeId, usize), f64)]) -> f64 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while i < a.len() && j < b.len() {
        match a[i].0.cmp(&b[j].0) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                sum += (a[i].1 * b[j].1).abs();
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    sum
}

#[cfg(test)]
pub(super) mod tests;
