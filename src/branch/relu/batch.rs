//! Bounds of batches of domains, each of one functional out of several, and the children of those that stay undecided.

use super::domain::{Domain, Known, Split, boxes_of, known_nodes, splittable};
use super::{INNER, ROOT};
use crate::bound::{
    Analysis, Climb, Climbed, Goal, SplitLift, Start, climb, default_slopes, work_of_sweep,
};
use crate::branch::doubt::{Ends, Lines, Neuron, SLACK, doubtful, hints_of, in_full};
use crate::branch::front::DOMAIN;
use crate::branch::tree::{Line, Refutation};
use crate::net::{Boxes, Matrix, NodeId, Op};
use std::sync::Arc;

/// Functionals of one node's values, each of which is to exceed its target wherever the region reaches.
pub struct Goals<'a> {
    /// What is known of the region.
    pub root: &'a Analysis<'a>,
    /// The node.
    pub at: NodeId,
    /// The functionals (elements × functionals).
    pub rows: Matrix,
    /// What each is to exceed.
    pub targets: Vec<f64>,
    /// (its node, pre-activation, element) of the neurons before the node that can be split on the region.
    pub unstable: Vec<Neuron>,
    /// Nodes whose bounds domains take over from the root.
    known: Vec<NodeId>,
    /// Of a recorded search: by how much a bound of each exceeds its target beyond a checker's doubt.
    pub spare: Option<Vec<f64>>,
    /// What the search starts from.
    pub seed: Seed,
    /// Where the functionals are half-spaces of one polytope: the node that measures them.
    pub measures: Option<NodeId>,
}

/// What a search starts from besides the root's bounds.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    /// Elements of nodes, and whether their lower ends are lifted or their upper ones.
    pub cuts: Vec<(NodeId, usize, bool)>,
    /// Multipliers of the cuts.
    pub sizes: Vec<f32>,
    /// Slopes of the unstable neurons, in order; the default where there are none.
    pub slopes: Option<Arc<[f32]>>,
}

/// What was found out about a batch.
pub struct Bounded<'a> {
    pub analysis: Analysis<'a>,
    /// Of a recorded search: with what intervals say besides.
    sharp: Option<Analysis<'a>>,
    pub climbed: Climbed,
    /// Multiplications that it took, about.
    pub work: f64,
    /// Which domains hold no input.
    pub empty: Vec<bool>,
    /// Domains that are neither empty nor decided.
    pub undecided: Vec<usize>,
}

impl Bounded<'_> {
    /// What is known, for a record.
    pub(super) fn ends(&self) -> Ends<'_> {
        let Self { analysis, sharp, .. } = self;
        Ends { analysis, sharp: sharp.as_ref().unwrap_or(analysis) }
    }
}

impl<'a> Goals<'a> {
    pub(super) fn new(
        root: &'a Analysis<'a>,
        at: NodeId,
        rows: Matrix,
        targets: Vec<f64>,
        spare: Option<Vec<f64>>,
    ) -> Self {
        let mut unstable = Vec::new();
        for (id, node) in root.net.nodes().iter().enumerate().take(at) {
            if let Op::Elementwise(function, operands) = &node.op {
                let z = operands[0];
                let elements = splittable(function.splits(), &root.layers.boxes[z]);
                unstable.extend(elements.into_iter().map(|i| (id, z, i)));
            }
        }
        let (known, seed) = (known_nodes(root.net), Seed::default());
        Self { root, at, rows, targets, unstable, known, spare, seed, measures: None }
    }

    /// The same goals, with another start.
    pub(super) fn starting_from(self, seed: Seed) -> Self {
        Self { seed, ..self }
    }

    /// The whole region, for one of the functionals.
    pub(super) fn whole(&self, goal: u32) -> Domain {
        let defaults = default_slopes(&self.root.sweep(), self.at, &[0]);
        let slope = |&(id, _, i): &Neuron| defaults[id].as_ref().map_or(0.0, |s| s[i] as f32);
        Domain {
            bound: f64::NEG_INFINITY,
            goal,
            node: 0,
            splits: Vec::new(),
            lifts: self.seed.sizes.clone(),
            slopes: match &self.seed.slopes {
                Some(slopes) => slopes.clone(),
                None => self.unstable.iter().map(slope).collect(),
            },
            known: super::domain::known_of(self.root, &self.unstable, 0),
        }
    }

    /// Bounds of parts of the region; those that depend on the element `changed[d]` are swept anew.
    pub(super) fn analyse<'b>(
        &self,
        parts: impl ExactSizeIterator<Item = (&'b Known, &'b [Split])>,
        changed: &[Option<(NodeId, usize)>],
    ) -> Analysis<'a> {
        let known = boxes_of(self.root, &self.known, &self.unstable, parts);
        let input = &self.root.layers.boxes[0];
        let repeat = |m: &Matrix| m.select_columns(&vec![0; changed.len()]);
        let input = Boxes { lower: repeat(&input.lower), upper: repeat(&input.upper) };
        let charges = self.root.charges.clone();
        Analysis::of_parts(self.root.net, self.at, &input, &known, changed, charges)
    }

    /// Whether bounds after a split are swept anew: where the node is not the output, they are left as they are.
    fn sweeps_anew(&self) -> bool {
        self.at == self.root.net.output()
    }

    /// Multiplications of sweeping anew about half of what is unstable.
    fn work_anew(&self, analysis: &Analysis) -> f64 {
        let of = |neurons: &[Neuron]| {
            let boxes = &analysis.layers.boxes[neurons[0].1];
            let open = |&(_, z, i): &Neuron| {
                let open = |d: &usize| boxes.lower[(i, *d)] < 0.0 && boxes.upper[(i, *d)] > 0.0;
                debug_assert_eq!(z, neurons[0].1);
                (0..boxes.domains()).filter(open).count()
            };
            let open: usize = neurons.iter().map(open).sum();
            open as f64 * work_of_sweep(self.root.net, neurons[0].1)
        };
        self.unstable.chunk_by(|a, b| a.1 == b.1).map(of).sum()
    }

    /// The lines of a proof that repeat, one by one, what was swept anew for a domain.
    pub(super) fn anew(&self, ends: Ends, d: usize, domain: &Domain) -> Vec<Line> {
        let Some(split) = domain.splits.last().filter(|_| self.sweeps_anew()) else {
            return Vec::new();
        };
        let after = self.unstable.iter().filter(|(_, z, _)| *z > split.node);
        let line = |part: &[&Neuron]| Line::Tighten {
            node: part[0].1,
            elements: part.iter().map(|(_, _, i)| *i as u32).collect(),
            upper: None,
            hints: doubtful(ends, d),
        };
        let after: Vec<&Neuron> = after.collect();
        after.chunk_by(|a, b| a.1 == b.1).map(line).collect()
    }

    /// Bounds domains.
    pub(super) fn bound(&self, domains: &[Domain]) -> Bounded<'a> {
        let parts = domains.iter().map(|d| (&d.known, d.splits.as_slice()));
        let newest = |d: &Domain| d.newest().filter(|_| self.sweeps_anew());
        let changed: Vec<Option<(NodeId, usize)>> = domains.iter().map(newest).collect();
        let analysis = self.analyse(parts, &changed);
        let how = if domains[0].splits.is_empty() { ROOT } else { INNER };
        let climbed = self.climb(&analysis, domains, how);
        let empty: Vec<bool> =
            (0..domains.len()).map(|d| self.is_empty(&analysis, d, 0.0)).collect();
        let open =
            |&d: &usize| !(empty[d] || climbed.bounds[d] > self.targets[domains[d].goal as usize]);
        let undecided = (0..domains.len()).filter(open).collect();
        let sharp = self.spare.as_ref().map(|_| analysis.sharpened());
        // A climb goes back and forth; about half of what is unstable after a split is swept anew.
        let sweep = work_of_sweep(self.root.net, self.at);
        let climbs = (2 * how.iterations * domains.len()) as f64 * sweep;
        let anew = if self.sweeps_anew() { self.work_anew(&analysis) } else { 0.0 };
        let work = climbs + anew + domains.len() as f64 * DOMAIN;
        Bounded { analysis, sharp, climbed, work, empty, undecided }
    }

    /// Optimised bounds of domains, from their parents' multipliers on.
    fn climb(&self, analysis: &Analysis, domains: &[Domain], how: Climb) -> Climbed {
        let sweep = analysis.sweep();
        let columns: Vec<usize> = (0..domains.len()).collect();
        let mut slopes = default_slopes(&sweep, self.at, &columns);
        for (d, domain) in domains.iter().enumerate() {
            for (&(relu, _, i), &slope) in self.unstable.iter().zip(domain.slopes.iter()) {
                if let Some(slopes) = &mut slopes[relu] {
                    slopes[(i, d)] = f64::from(slope);
                }
            }
        }
        let lifts = domains.iter().enumerate().flat_map(|(column, domain)| {
            let cuts = self.seed.cuts.iter().copied();
            let splits = domain.splits.iter().map(|s| (s.node, s.element, s.active));
            let lift = move |((node, element, lower), &size): (_, &f32)| {
                let size = f64::from(size);
                SplitLift { node, element, column, lower, size }
            };
            cuts.chain(splits).zip(&domain.lifts).map(lift)
        });
        let goals: Vec<usize> = domains.iter().map(|d| d.goal as usize).collect();
        self.climb_from(analysis, &goals, slopes, lifts.collect(), how)
    }

    /// Climbs on domains 0, 1, … of an analysis, for the functional that is named for each.
    pub(super) fn climb_from(
        &self,
        analysis: &Analysis,
        goals: &[usize],
        slopes: Vec<Option<Matrix>>,
        lifts: Vec<SplitLift>,
        how: Climb,
    ) -> Climbed {
        let rows = self.rows.select_columns(goals);
        let targets: Vec<f64> = goals.iter().map(|&goal| self.targets[goal]).collect();
        let columns: Vec<usize> = (0..goals.len()).collect();
        let start = Start::Dense(&rows);
        let goal = Goal { at: self.at, start: &start, domains: &columns, targets: &targets };
        climb(&analysis.sweep(), goal, slopes, lifts, how)
    }

    /// Whether bounds of a domain contradict each other, by more than this share of the elements' sizes, so that no input belongs to it.
    fn is_empty(&self, analysis: &Analysis, d: usize, slack: f64) -> bool {
        self.unstable.iter().any(|&(_, z, i)| {
            let (l, u) =
                (analysis.layers.boxes[z].lower[(i, d)], analysis.layers.boxes[z].upper[(i, d)]);
            l > u + slack * self.root.charges.magnitudes(z)[i]
        })
    }

    /// What proved the domain in column `d`, for one of the functionals: of a bound that a checker may doubt, every slope.
    pub(super) fn refutation(&self, bounded: &Bounded, d: usize, goal: usize) -> Refutation {
        let Bounded { analysis, climbed, .. } = bounded;
        let ends = bounded.ends();
        let lifts = climbed.lifts.iter().filter(|lift| lift.column == d);
        let (spare, _) = self.together(goal, lifts.map(|l| (l.node, l.element, l.size)));
        let sure =
            climbed.bounds[d] > self.targets[goal] + spare || self.is_empty(analysis, d, SLACK);
        // A slope of a neuron that is stable here is of no use, and of harm to who takes it at its word.
        let omitted = |&(_, z, i): &Neuron, slope: f64| {
            let lines = Lines::of(ends, z, i, d);
            !lines.unstable || (sure && slope == lines.default[0] && !lines.doubtful)
        };
        let hints = hints_of(&climbed.slopes, &climbed.lifts, d, &self.unstable, omitted);
        let hints = in_full(hints, ends, d, !sure);
        self.weighted(Refutation { hints, ..Refutation::default() }, goal)
    }
}
