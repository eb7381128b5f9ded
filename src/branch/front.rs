//! The front of a search: the domains that are still to be bounded, worst first, whatever they are split along.

use super::{Answer, Limits, Reason, Spent, Tree};
use crate::attack::Counterexample;
use rayon::prelude::*;
use std::collections::BinaryHeap;

/// Batches bounded in parallel: a constant, so that a search does not depend on the number of threads.
pub(super) const BATCHES: usize = 4;

/// A part of a region.
pub(super) trait Part: Ord + Clone + Send + Sync {
    /// The best bound proved of it.
    fn bound(&self) -> f64;

    /// Bytes, about; what two children share counts half for each.
    fn size(&self) -> usize;

    /// Which tree of the record it is in, and the node there; both mean nothing in a search that is not recorded.
    fn place(&self) -> (usize, u32);

    /// The same part elsewhere in its tree.
    fn moved(self, node: u32) -> Self;
}

/// What became of a batch.
pub(super) struct Batch<D> {
    /// New domains; where a search is recorded, their nodes are those of their piece, which is named by its number.
    pub children: Vec<(usize, D)>,
    /// Of the record: where, and what was done.
    pub pieces: Vec<((usize, u32), Tree)>,
    pub counterexample: Option<Counterexample>,
    /// Multiplications that it took, about.
    pub work: f64,
    /// The least bound of the domains that were proved.
    pub proved: f64,
    /// The bounds of domains that are undecided with nothing left to split: only rounding or a missing counterexample separates these.
    pub stuck: Vec<f64>,
}

impl<D> Default for Batch<D> {
    fn default() -> Self {
        let (children, pieces, stuck) = (Vec::new(), Vec::new(), Vec::new());
        Self { children, pieces, counterexample: None, work: 0.0, proved: f64::INFINITY, stuck }
    }
}

impl<D> Batch<D> {
    /// Notes a piece; returns its number. Nothing where there is none.
    pub(super) fn piece(&mut self, place: (usize, u32), piece: Option<Tree>) -> usize {
        self.pieces.extend(piece.map(|piece| (place, piece)));
        self.pieces.len().wrapping_sub(1)
    }
}

/// How far a search has come: it can be interrupted and gone on with.
pub(super) struct Front<D> {
    open: BinaryHeap<D>,
    /// Bytes that they take, about.
    memory: usize,
    stuck: usize,
    /// The least bound over domains that are not open any more.
    closed: f64,
    /// Domains bounded.
    pub visited: usize,
    /// Multiplications that they took, about: counted, so that it is the same on every machine.
    pub work: f64,
}

/// What a domain costs beside multiplications, in these.
pub(super) const DOMAIN: f64 = 2e4;

impl<D: Part> Front<D> {
    /// A search that has not begun.
    pub(super) fn new(open: impl IntoIterator<Item = D>) -> Self {
        let open: BinaryHeap<D> = open.into_iter().collect();
        let memory = open.iter().map(Part::size).sum();
        Self { open, memory, stuck: 0, closed: f64::INFINITY, visited: 0, work: 0.0 }
    }

    /// Domains that are not decided.
    pub(super) fn open(&self) -> usize {
        self.open.len() + self.stuck
    }

    /// The least bound of all domains.
    pub(super) fn bound(&self) -> f64 {
        self.open.peek().map_or(self.closed, |worst| self.closed.min(worst.bound()))
    }

    /// Takes the worst domains, which count as bounded.
    pub(super) fn take(&mut self, count: usize) -> Vec<D> {
        let taken: Vec<D> = (0..count).map_while(|_| self.open.pop()).collect();
        self.memory = self.memory.saturating_sub(taken.iter().map(Part::size).sum());
        self.visited += taken.len();
        taken
    }

    /// Gives back domains that were not bounded.
    pub(super) fn reopen(&mut self, domains: impl ExactSizeIterator<Item = D>) {
        self.visited -= domains.len();
        self.push(domains);
    }

    fn push(&mut self, domains: impl Iterator<Item = D>) {
        for domain in domains {
            self.memory += domain.size();
            self.open.push(domain);
        }
    }

    /// Enters what became of a batch, and what was done into the trees, if there are any.
    pub(super) fn enter(&mut self, batch: Batch<D>, trees: &mut [Tree]) {
        self.closed = batch.stuck.iter().fold(self.closed.min(batch.proved), |a, &b| a.min(b));
        self.stuck += batch.stuck.len();
        self.work += batch.work;
        if trees.is_empty() {
            self.push(batch.children.into_iter().map(|(_, child)| child));
            return;
        }
        let graft = |((tree, at), piece): ((usize, u32), Tree)| trees[tree].graft(at, piece);
        let moved: Vec<_> = batch.pieces.into_iter().map(graft).collect();
        self.push(batch.children.into_iter().map(|(piece, child)| {
            let node = child.place().1 + moved[piece];
            child.moved(node)
        }));
    }

    /// Searches until it is over or a limit is reached; `None` where `most` domains have been bounded or so much `work` been done before that. Of what
    /// may be done, `before` has been. Trees that would not fit into the memory limit beside the open domains are given up; the
    /// search goes on.
    pub(super) fn run(
        &mut self,
        limits: &Limits,
        before: Spent,
        (most, work_due, batch): (usize, f64, usize),
        mut trees: &mut [Tree],
        work: impl Fn(&[D]) -> Batch<D> + Sync,
    ) -> Option<Answer> {
        if trees.iter().any(Tree::is_given_up) {
            trees = &mut [];
        }
        while !self.open.is_empty() {
            let noted: usize = trees.iter().map(Tree::size).sum();
            if !trees.is_empty() && self.memory + noted > limits.memory {
                trees.iter_mut().for_each(Tree::give_up);
                trees = &mut [];
            }
            let full = (self.memory > limits.memory).then_some(Reason::MemoryLimit);
            let domains = before.domains + self.visited;
            let many = || limits.spent(Spent { domains, work: before.work + self.work });
            if let Some(reason) = limits.passed().or(full).or_else(many) {
                return Some(Answer::Open(reason));
            }
            if self.visited >= most || self.work >= work_due {
                return None;
            }
            let domains = self.take(batch * BATCHES);
            let chunk = domains.len().div_ceil(BATCHES).max(1);
            let bounded = |chunk: &[D]| limits.passed().is_none().then(|| work(chunk));
            let results: Vec<Option<Batch<D>>> = domains.par_chunks(chunk).map(bounded).collect();
            for (chunk, result) in domains.chunks(chunk).zip(results) {
                match result {
                    // Out of time: these stay open.
                    None => self.reopen(chunk.iter().cloned()),
                    Some(Batch { counterexample: Some(found), .. }) => {
                        return Some(Answer::Refuted(Box::new(found)));
                    }
                    Some(batch) => self.enter(batch, trees),
                }
            }
        }
        Some(if self.stuck > 0 { Answer::Open(Reason::Resolution) } else { Answer::Proved })
    }
}
