//! What a proof of a search by splitting ReLUs needs: the tree of splits, and the multipliers that closed its leaves.
//!
//! A search fills in one [`ClaimRecord`] a claim. Bounds are not recorded: whoever checks a proof computes them anew.

use crate::bound::{Charges, End, Multipliers, SplitLift, Swept};
pub(crate) use crate::branch::record::SLACK;
use crate::branch::record::{rounding, size};
use crate::net::{Matrix, Network, NodeId};
use crate::spec::Region;

/// By how much the bound of functional `column` of a sweep, whose coefficients on the outputs are given, exceeds what it has to where
/// no checker, which rounds elsewhere, can doubt it. What exceeds it by less is written down with every slope.
#[must_use]
pub fn spare(
    net: &Network,
    charges: &Charges,
    region: &Region,
    swept: &Swept,
    column: usize,
    functional: &[f64],
) -> f64 {
    let n = net.inputs();
    let coefficients = &swept.coefficients.as_slice()[column * n..][..n];
    let size = size(coefficients, swept.constants[column], region.lower(), region.upper());
    SLACK * size + rounding(net, charges, functional)
}

/// In place of a node's number: an element of it is one of the tree's sums.
pub const SUM: NodeId = u32::MAX as NodeId;

/// A term of a sum that a tree bounds and lifts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SumTerm {
    /// The pre-activation's node.
    pub node: NodeId,
    /// The element.
    pub element: usize,
    /// Whether it is the neuron's output that is added, not its pre-activation.
    pub relu: bool,
    /// Times what.
    pub coefficient: f64,
}

/// Another name for what is not a sum.
fn renamed(
    name: &dyn Fn(NodeId, usize) -> (NodeId, usize),
    node: NodeId,
    element: usize,
) -> (NodeId, usize) {
    if node == SUM { (node, element) } else { name(node, element) }
}

/// Multipliers of one sweep; what is left out is the default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hints {
    /// (ReLU's node, element, slope of the lower line).
    pub slopes: Box<[(u32, u32, f32)]>,
    /// (ReLU's node, element, slope of the upper line).
    pub uppers: Box<[(u32, u32, f64)]>,
    /// (node, element, g): a lift on the lower end for g > 0, on the upper end for g < 0.
    pub lifts: Box<[(u32, u32, f64)]>,
}

impl Hints {
    /// Bytes on the heap.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of_val(&*self.slopes) + size_of_val(&*self.uppers) + size_of_val(&*self.lifts)
    }

    fn rename(&mut self, name: &dyn Fn(NodeId, usize) -> (NodeId, usize)) {
        let moved = |node: &mut u32, element: &mut u32| {
            let (n, e) = renamed(name, *node as usize, *element as usize);
            (*node, *element) = (n as u32, e as u32);
        };
        self.slopes.iter_mut().for_each(|(node, element, _)| moved(node, element));
        self.uppers.iter_mut().for_each(|(node, element, _)| moved(node, element));
        self.lifts.iter_mut().for_each(|(node, element, _)| moved(node, element));
    }
}

/// A line of a proof that improves intervals, for the node that it stands at and all below.
#[derive(Debug, Clone, PartialEq)]
pub enum Improve {
    /// Backward sweeps for all neurons of unknown sign, block by block, at default slopes.
    Crown {
        /// Only for pre-activations after this node.
        after: Option<NodeId>,
        /// Slopes that are the default, if in doubt.
        hints: Hints,
    },
    /// Backward sweeps for some elements of one pre-activation.
    Tighten {
        /// The pre-activation's node, or [`SUM`].
        node: NodeId,
        /// Its elements, increasing; none for all those of unknown sign.
        elements: Vec<u32>,
        /// The end that is improved; `None` for both.
        upper: Option<bool>,
        /// Multipliers.
        hints: Hints,
    },
    /// One end of one interval, by splits.
    Lemma(Box<Lemma>),
}

/// An end of the interval of a pre-activation, or of a sum, that a tree of splits moves: beyond it, each leaf's interval is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Lemma {
    /// The pre-activation's node, or [`SUM`].
    pub node: NodeId,
    /// The element.
    pub element: usize,
    /// Whether it is the upper end.
    pub upper: bool,
    /// The new end.
    pub at: f64,
    /// Why there is nothing beyond.
    pub tree: Tree,
}

impl Improve {
    fn rename(&mut self, name: &dyn Fn(NodeId, usize) -> (NodeId, usize)) {
        match self {
            Self::Crown { after, hints } => {
                *after = after.map(|node| name(node, 0).0);
                hints.rename(name);
            }
            Self::Tighten { node, elements, hints, .. } => {
                let at = *node;
                for element in elements {
                    let (n, e) = renamed(name, at, *element as usize);
                    (*node, *element) = (n, e as u32);
                }
                hints.rename(name);
            }
            Self::Lemma(lemma) => {
                (lemma.node, lemma.element) = renamed(name, lemma.node, lemma.element);
                lemma.tree.rename(name);
            }
        }
    }

    /// Bytes on the heap, about.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Crown { hints, .. } => hints.size(),
            Self::Tighten { elements, hints, .. } => elements.len() * 4 + hints.size(),
            Self::Lemma(lemma) => size_of::<Lemma>() + lemma.tree.size(),
        }
    }

    /// One end of one interval.
    #[must_use]
    pub fn end(end: &End) -> Self {
        let slope = |&(relu, element, slope): &(NodeId, usize, f64)| {
            (relu as u32, element as u32, slope as f32)
        };
        let hints = Hints { slopes: end.slopes.iter().map(slope).collect(), ..Hints::default() };
        let elements = vec![end.element as u32];
        Self::Tighten { node: end.node, elements, upper: Some(end.upper), hints }
    }
}

/// Why a polytope is not reached: a sweep.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Refutation {
    /// (half-space, its weight) of the functional; none for: each half-space alone, one of them suffices.
    pub weights: Vec<(usize, f64)>,
    /// Multipliers.
    pub hints: Hints,
}

/// A pre-activation split in two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReluSplit {
    /// The pre-activation's node.
    pub node: NodeId,
    /// The element.
    pub element: usize,
    /// Where.
    pub at: f64,
    /// The step of the side z ≤ at; that of the side z ≥ at follows it.
    pub below: u32,
}

/// What was done with one domain: intervals improved, then split or refuted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReluStep {
    /// Intervals that were refined at this domain, for it and all below.
    pub lines: Vec<Improve>,
    /// How it was split.
    pub split: Option<ReluSplit>,
    /// What refuted it.
    pub refuted: Option<Refutation>,
}

/// The tree for one polytope.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// The polytope's position in the claim.
    pub polytope: usize,
    /// The sums that [`SUM`] speaks of in it.
    pub sums: Vec<Vec<SumTerm>>,
    /// The steps; the first one is the root.
    pub steps: Vec<ReluStep>,
    /// Bytes that lines and refutations take.
    heap: usize,
    /// Whether it was given up for want of memory.
    given_up: bool,
}

impl Tree {
    /// A tree that is only its root.
    #[must_use]
    pub fn new(polytope: usize) -> Self {
        let steps = vec![ReluStep::default()];
        Self { polytope, sums: Vec::new(), steps, heap: 0, given_up: false }
    }

    /// Forgets all: it takes too much memory.
    pub fn give_up(&mut self) {
        *self = Self { given_up: true, ..Self::new(self.polytope) };
    }

    /// Whether it was given up for want of memory.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Takes away what refuted or split a step, with all steps from `end` on, which stand below it.
    pub fn reopen(&mut self, step: u32, end: usize) {
        self.steps.truncate(end);
        let step = &mut self.steps[step as usize];
        (step.split, step.refuted) = (None, None);
    }

    /// Defines a sum; returns its number.
    pub fn define(&mut self, sum: Vec<SumTerm>) -> usize {
        self.heap += size_of_val(&*sum);
        self.sums.push(sum);
        self.sums.len() - 1
    }

    /// The tree without what stands below steps that are `done`, and without the last lines of those that are not.
    #[must_use]
    pub fn pruned(mut self, done: impl Fn(u32) -> bool) -> Self {
        let mut pruned = Self { sums: std::mem::take(&mut self.sums), ..Self::new(self.polytope) };
        let mut next = vec![(0, 0)];
        while let Some((from, to)) = next.pop() {
            let mut step = std::mem::take(&mut self.steps[from as usize]);
            let split = step.split.take().filter(|_| !done(from));
            if let Some(split) = split {
                step.lines.pop();
                let below = pruned.split(to, split.node, split.element, split.at);
                next.extend([(split.below, below[0]), (split.below + 1, below[1])]);
            }
            for line in step.lines {
                pruned.improve(to, line);
            }
        }
        pruned
    }

    /// Notes that a step was split; returns the steps of the sides z ≤ at and z ≥ at.
    pub fn split(&mut self, step: u32, node: NodeId, element: usize, at: f64) -> [u32; 2] {
        let below = self.steps.len() as u32;
        self.steps.extend([ReluStep::default(), ReluStep::default()]);
        self.steps[step as usize].split = Some(ReluSplit { node, element, at, below });
        [below, below + 1]
    }

    /// Notes that intervals were improved at a step.
    pub fn improve(&mut self, step: u32, line: Improve) {
        self.heap += size_of::<Improve>() + line.size();
        self.steps[step as usize].lines.push(line);
    }

    /// Notes what refuted a step.
    pub fn refute(&mut self, step: u32, refutation: Refutation) {
        self.heap += refutation.hints.size();
        self.steps[step as usize].refuted = Some(refutation);
    }

    /// Gives every (node, element) but sums another name.
    pub fn rename(&mut self, name: &dyn Fn(NodeId, usize) -> (NodeId, usize)) {
        for term in self.sums.iter_mut().flatten() {
            (term.node, term.element) = name(term.node, term.element);
        }
        for step in &mut self.steps {
            step.lines.iter_mut().for_each(|line| line.rename(name));
            if let Some(split) = &mut step.split {
                (split.node, split.element) = renamed(name, split.node, split.element);
            }
            if let Some(how) = &mut step.refuted {
                how.hints.rename(name);
            }
        }
    }

    /// Bytes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.heap + self.steps.len() * size_of::<ReluStep>()
    }
}

/// How one claim was proved.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClaimRecord {
    /// What improved intervals on the whole region, in order.
    pub lines: Vec<Improve>,
    /// Polytopes that needed no split.
    pub refuted: Vec<(usize, Refutation)>,
    /// The others.
    pub trees: Vec<Tree>,
}

impl ClaimRecord {
    /// Whether anything was split, for the outputs or for an intermediate bound.
    #[must_use]
    pub fn splits(&self) -> bool {
        let lemma = |line: &Improve| matches!(line, Improve::Lemma(_));
        !self.trees.is_empty() || self.lines.iter().any(lemma)
    }

    /// Whether a part of it was given up for want of memory.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.trees.iter().any(Tree::is_given_up)
    }

    /// Gives every (node, element) but sums another name.
    pub fn rename(&mut self, name: impl Fn(NodeId, usize) -> (NodeId, usize)) {
        self.lines.iter_mut().for_each(|line| line.rename(&name));
        self.refuted.iter_mut().for_each(|(_, how)| how.hints.rename(&name));
        self.trees.iter_mut().for_each(|tree| tree.rename(&name));
    }
}

/// The neurons of unknown sign of a region: (ReLU's node, pre-activation's node, element).
pub type Neuron = (NodeId, NodeId, usize);

/// The hints that climbing found for one column; `fixed` neurons have no slope, nor have those whose slope is `default`.
#[must_use]
pub fn hints_of(
    slopes: &[Option<Matrix>],
    lifts: &[SplitLift],
    column: usize,
    neurons: &[Neuron],
    omitted: impl Fn(&Neuron, f64) -> bool,
) -> Hints {
    let slope = |neuron: &Neuron| {
        let &(relu, _, element) = neuron;
        let slope = slopes[relu].as_ref()?[(element, column)];
        (!omitted(neuron, slope)).then_some((relu as u32, element as u32, slope as f32))
    };
    let lift = |lift: &SplitLift| {
        let g = if lift.lower { lift.size } else { -lift.size };
        (lift.node as u32, lift.element as u32, g)
    };
    Hints {
        slopes: neurons.iter().filter_map(slope).collect(),
        uppers: Box::default(),
        lifts: lifts.iter().filter(|l| l.column == column && l.size > 0.0).map(lift).collect(),
    }
}

/// The hints of an LP's multipliers, one column; see [`hints_of`].
#[must_use]
pub fn hints_of_duals(
    multipliers: &Multipliers,
    neurons: &[Neuron],
    omitted: impl Fn(&Neuron, f64) -> bool,
) -> Hints {
    let Multipliers { slopes, lifts } = multipliers;
    let slopes = if slopes.is_empty() {
        Hints::default()
    } else {
        hints_of(slopes, &[], 0, neurons, omitted)
    };
    let lifts = lifts.iter().enumerate().flat_map(|(node, lifts)| {
        lifts.iter().map(move |lift| (node as u32, lift.element as u32, lift.multiplier))
    });
    Hints { lifts: lifts.collect(), ..slopes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pruned_tree_keeps_what_serves_its_bound() {
        let line = |element| Improve::Tighten {
            node: 3,
            elements: vec![element],
            upper: None,
            hints: Hints::default(),
        };
        let mut tree = Tree::new(7);
        tree.define(vec![SumTerm { node: 3, element: 0, relu: true, coefficient: 1.0 }]);
        let [below, above] = tree.split(0, 3, 0, 0.0);
        let [first, _] = tree.split(below, 3, 1, 0.5);
        let [lost, _] = tree.split(above, 3, 2, 0.0);
        for (step, element) in [(0, 1), (0, 2), (below, 3), (first, 4), (above, 5), (above, 6)] {
            tree.improve(step, line(element));
        }
        tree.improve(lost, line(8));
        let pruned = tree.pruned(|step| step == above);
        assert_eq!((pruned.polytope, pruned.sums.len(), pruned.steps.len()), (7, 1, 5));
        let step = |at: u32| &pruned.steps[at as usize];
        let split = |at: u32| step(at).split.map(|split| (split.element, split.at, split.below));
        // The last lines of what goes on being split are gone, those of its leaves are not.
        assert_eq!((split(0), step(0).lines.len()), (Some((0, 0.0, 1)), 1));
        assert_eq!((split(1), step(1).lines.len()), (Some((1, 0.5, 3)), 0));
        assert_eq!((split(2), &step(2).lines[..]), (None, &[line(5), line(6)][..]));
        assert_eq!((split(3), &step(3).lines[..]), (None, &[line(4)][..]));
        assert_eq!((split(4), step(4).lines.len()), (None, 0));
    }
}
