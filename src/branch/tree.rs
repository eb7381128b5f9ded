//! The tree of a search in the words of a proof (proofs/FORMAT.md, section 4): what was done at each of its nodes, and how that ended.
//!
//! Bounds are not kept: whoever checks a proof computes them anew. Of the unsafe set, polytopes are named by their position in the claim.

use crate::bound::End as MovedEnd;
use crate::net::NodeId;

/// In place of a node of the network: an element of it is one of the tree's sums.
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

/// Why a polytope is not reached: a sweep.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Refutation {
    /// (half-space, its weight) of the functional; none for: each half-space alone, one of them suffices.
    pub weights: Box<[(usize, f64)]>,
    /// Multipliers.
    pub hints: Hints,
}

/// A new end of an input's interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slab {
    /// The input.
    pub input: u32,
    /// Whether it is the upper end.
    pub upper: bool,
    /// The end.
    pub at: f64,
}

impl Slab {
    /// Moves the end, of lower and upper ones.
    pub(super) fn cut(&self, ends: &mut [Vec<f64>; 2]) {
        ends[usize::from(self.upper)][self.input as usize] = self.at;
    }
}

/// What was done at a node of the tree, for it and all below.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
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
        elements: Box<[u32]>,
        /// The end that is improved; `None` for both.
        upper: Option<bool>,
        /// Multipliers.
        hints: Hints,
    },
    /// Polytopes were excluded.
    Refute {
        /// Which, increasing; none for all that are open.
        polytopes: Box<[u32]>,
        /// How.
        how: Refutation,
    },
    /// Ends of inputs' intervals were moved by one functional of every open polytope.
    Clip {
        /// The ends.
        slabs: Box<[Slab]>,
        /// The functional and its sweep.
        how: Refutation,
    },
}

/// How a node ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum End {
    /// Nothing is left.
    #[default]
    Leaf,
    /// A variable was split in two.
    Split {
        /// The input (node 0), the pre-activation's node, or [`SUM`].
        node: NodeId,
        /// The element.
        element: u32,
        /// Where.
        at: f64,
        /// The node of the side v ≤ at; that of the side v ≥ at follows it.
        first: u32,
        /// The side (`true` for v ≥ at) that its own tree shows to be empty, whatever is asked: the split only moves an end.
        empty: Option<bool>,
    },
    /// Some of the open polytopes were looked at by themselves.
    Part {
        /// Which, increasing.
        polytopes: Box<[u32]>,
        /// The node for these; that of the other open ones follows it.
        first: u32,
    },
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Node {
    /// What was done, in this order.
    pub lines: Vec<Line>,
    /// How it ended.
    pub end: End,
}

/// A tree, or a piece of one that is to be [grafted](Tree::graft).
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// The nodes; the first one is the root. The two below a node stand behind it and beside each other.
    pub nodes: Vec<Node>,
    /// The sums that [`SUM`] speaks of.
    pub sums: Vec<Vec<SumTerm>>,
    /// Bytes that lines take.
    heap: usize,
    given_up: bool,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], sums: Vec::new(), heap: 0, given_up: false }
    }
}

/// Another name of (node, element).
type Name<'a> = &'a dyn Fn(NodeId, usize) -> (NodeId, usize);

impl Hints {
    fn size(&self) -> usize {
        size_of_val(&*self.slopes) + size_of_val(&*self.uppers) + size_of_val(&*self.lifts)
    }

    fn rename(&mut self, name: Name) {
        let moved = |node: &mut u32, element: &mut u32| {
            let (n, e) = name(*node as usize, *element as usize);
            (*node, *element) = (n as u32, e as u32);
        };
        self.slopes.iter_mut().for_each(|(node, element, _)| moved(node, element));
        self.uppers.iter_mut().for_each(|(node, element, _)| moved(node, element));
        self.lifts.iter_mut().for_each(|(node, element, _)| moved(node, element));
    }
}

impl Line {
    /// An end of an intermediate interval that optimised slopes moved.
    #[must_use]
    pub fn moved(end: &MovedEnd) -> Self {
        let slope = |&(relu, element, slope): &(NodeId, usize, f64)| {
            (relu as u32, element as u32, slope as f32)
        };
        let hints = Hints { slopes: end.slopes.iter().map(slope).collect(), ..Hints::default() };
        let elements = [end.element as u32].into();
        Self::Tighten { node: end.node, elements, upper: Some(end.upper), hints }
    }

    /// The lines that exclude polytopes: one for all those of which nothing is said, at default slopes but for those in doubt (`hints`),
    /// and one for each other.
    pub(crate) fn refuting(refuted: Vec<(usize, Refutation)>, hints: &Hints) -> Vec<Self> {
        let (plain, own): (Vec<_>, Vec<_>) =
            refuted.into_iter().partition(|(_, how)| *how == Refutation::default());
        let mut plain: Vec<u32> = plain.into_iter().map(|(polytope, _)| polytope as u32).collect();
        plain.sort_unstable();
        let together = (!plain.is_empty()).then(|| Self::Refute {
            polytopes: plain.into(),
            how: Refutation { hints: hints.clone(), ..Refutation::default() },
        });
        let one = |(polytope, how)| Self::Refute { polytopes: [polytope as u32].into(), how };
        together.into_iter().chain(own.into_iter().map(one)).collect()
    }

    fn size(&self) -> usize {
        let how = |how: &Refutation| size_of_val(&*how.weights) + how.hints.size();
        size_of::<Self>()
            + match self {
                Self::Crown { hints, .. } => hints.size(),
                Self::Tighten { elements, hints, .. } => size_of_val(&**elements) + hints.size(),
                Self::Refute { polytopes, how: by } => size_of_val(&**polytopes) + how(by),
                Self::Clip { slabs, how: by } => size_of_val(&**slabs) + how(by),
            }
    }

    fn rename(&mut self, name: Name) {
        match self {
            Self::Crown { after, hints } => {
                *after = after.map(|node| name(node, 0).0);
                hints.rename(name);
            }
            Self::Tighten { node, elements, hints, .. } => {
                let at = *node;
                for element in elements {
                    let (n, e) = name(at, *element as usize);
                    (*node, *element) = (n, e as u32);
                }
                hints.rename(name);
            }
            Self::Refute { how, .. } | Self::Clip { how, .. } => how.hints.rename(name),
        }
    }
}

impl End {
    /// The first of the two nodes below.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        match self {
            Self::Leaf => None,
            Self::Split { first, .. } | Self::Part { first, .. } => Some(*first),
        }
    }

    fn shift(&mut self, by: u32) {
        if let Self::Split { first, .. } | Self::Part { first, .. } = self {
            *first += by;
        }
    }
}

impl Tree {
    /// Notes what was done at a node.
    pub fn line(&mut self, at: u32, line: Line) {
        self.heap += line.size();
        self.nodes[at as usize].lines.push(line);
    }

    /// Notes what was done at a node.
    pub fn lines(&mut self, at: u32, lines: impl IntoIterator<Item = Line>) {
        lines.into_iter().for_each(|line| self.line(at, line));
    }

    /// Notes that a variable was split at a node; returns the nodes of the sides v ≤ at and v ≥ at.
    pub fn split(&mut self, at: u32, node: NodeId, element: usize, value: f64) -> [u32; 2] {
        let (element, empty) = (element as u32, None);
        self.end(at, |first| End::Split { node, element, at: value, first, empty })
    }

    /// Notes that polytopes were looked at by themselves; returns the node for these and that for the others.
    pub fn part(&mut self, at: u32, polytopes: &[u32]) -> [u32; 2] {
        self.end(at, |first| End::Part { polytopes: polytopes.into(), first })
    }

    /// Notes that a tree shows an end of a variable: beyond it lies nothing. Returns the node of what is left.
    pub fn lemma(&mut self, at: u32, lemma: Lemma) -> u32 {
        let Lemma { node, element, upper, at: value, tree } = lemma;
        let element = element as u32;
        let empty = Some(upper);
        let [below, above] =
            self.end(at, |first| End::Split { node, element, at: value, first, empty });
        let (beyond, left) = if upper { (above, below) } else { (below, above) };
        self.graft(beyond, tree);
        left
    }

    fn end(&mut self, at: u32, end: impl FnOnce(u32) -> End) -> [u32; 2] {
        let first = self.nodes.len() as u32;
        self.nodes.extend([Node::default(), Node::default()]);
        self.nodes[at as usize].end = end(first);
        [first, first + 1]
    }

    /// Defines a sum; returns its number.
    pub fn define(&mut self, sum: Vec<SumTerm>) -> usize {
        self.heap += size_of_val(&*sum);
        self.sums.push(sum);
        self.sums.len() - 1
    }

    /// Puts a piece in the place of a leaf, after what has been done there; returns how much further on the nodes below its root are now.
    pub fn graft(&mut self, at: u32, mut piece: Self) -> u32 {
        if !(self.sums.is_empty() || piece.sums.is_empty()) {
            let before = self.sums.len();
            piece.rename_all(&|node, element| match node {
                SUM => (SUM, before + element),
                node => (node, element),
            });
        }
        self.sums.append(&mut piece.sums);
        let offset = self.nodes.len() as u32 - 1;
        piece.nodes.iter_mut().for_each(|node| node.end.shift(offset));
        self.heap += piece.heap;
        self.given_up |= piece.given_up;
        let mut nodes = piece.nodes.into_iter();
        if let Some(Node { lines, end }) = nodes.next() {
            let root = &mut self.nodes[at as usize];
            root.lines.extend(lines);
            root.end = end;
        }
        self.nodes.extend(nodes);
        offset
    }

    /// A lower end of the bytes that the tree takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.heap + self.nodes.len() * size_of::<Node>()
    }

    /// Forgets all: it takes too much memory.
    pub fn give_up(&mut self) {
        *self = Self { given_up: true, ..Self::default() };
    }

    /// Whether it was given up for want of memory.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Takes away lines of a node from `line` on, and all nodes from `end` on, which stand below it.
    pub fn reopen(&mut self, at: u32, line: usize, end: usize) {
        self.nodes.truncate(end);
        let node = &mut self.nodes[at as usize];
        node.lines.truncate(line);
        node.end = End::Leaf;
    }

    /// The tree without what stands below nodes that are `done`, and without the last lines of those that are not.
    #[must_use]
    pub fn pruned(mut self, done: impl Fn(u32) -> bool) -> Self {
        let mut pruned = Self { sums: std::mem::take(&mut self.sums), ..Self::default() };
        let mut next = vec![(0, 0)];
        while let Some((from, to)) = next.pop() {
            let Node { mut lines, end } = std::mem::take(&mut self.nodes[from as usize]);
            if let (false, End::Split { node, element, at, first, .. }) = (done(from), end) {
                lines.pop();
                let below = pruned.split(to, node, element as usize, at);
                next.extend([(first, below[0]), (first + 1, below[1])]);
            }
            pruned.lines(to, lines);
        }
        pruned
    }

    /// Gives every (node, element) but sums another name.
    pub fn rename(&mut self, name: impl Fn(NodeId, usize) -> (NodeId, usize)) {
        self.rename_all(&|node, element| match node {
            SUM => (SUM, element),
            node => name(node, element),
        });
    }

    fn rename_all(&mut self, name: Name) {
        for term in self.sums.iter_mut().flatten() {
            (term.node, term.element) = name(term.node, term.element);
        }
        for Node { lines, end } in &mut self.nodes {
            lines.iter_mut().for_each(|line| line.rename(name));
            if let End::Split { node, element, .. } = end {
                let (n, e) = name(*node, *element as usize);
                (*node, *element) = (n, e as u32);
            }
        }
    }
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

impl Lemma {
    /// Bytes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.tree.size()
    }
}
