//! Which split: a search along inputs and one along neurons take turns, until one of them answers.
//!
//! Neither the number of inputs nor that of neurons says which search is short. What says it is how the least margin grows with the work
//! that is spent: where every doubling of the work adds as much as the last one did, the work that is left is known. Whichever search
//! needs less by this measure goes on, and the other one keeps a share, since it is a guess. Work is counted, not measured, so that an
//! answer does not depend on the machine.

use super::front::Front;
use super::input::{Search, all_functionals, charges_of_all};
use super::leaf::{Bounder, Domain};
use super::relu;
use super::{Answer, Interlude, Limits, Reason, Searched, Spent, Tree, free_inputs};
use crate::bound::{Analysis, Costs};
use crate::net::Network;
use crate::spec::Property;
use std::cell::{Cell, RefCell};

/// Work, in multiplications, before a second search is begun: some tenths of a second.
const ALONE: f64 = 1.2e9;

/// The share of all work that the search gets that seems to need more.
const SHARE: f64 = 1.0 / 16.0;

/// By how much of its work a search goes on before both are compared again.
const STEP: f64 = 0.25;

/// How the least margin of a search grew with its work.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    points: Vec<(f64, f64)>,
}

impl Pace {
    /// After so much work, this was the least margin.
    pub(super) fn note(&mut self, work: f64, margin: f64) {
        self.points.push((work, margin));
    }

    /// The work that is left if each doubling of it adds as much to the margin as the last one did; none where that is not known yet.
    pub(super) fn left(&self) -> Option<f64> {
        let &(work, margin) = self.points.last()?;
        let before = self.points.iter().rev().find(|point| 2.0 * point.0 <= work)?;
        if margin > 0.0 {
            return Some(0.0);
        }
        if !before.1.is_finite() {
            return None;
        }
        let gain = (margin - before.1) / (work / before.0).log2();
        Some(if gain > 0.0 { work * ((-margin / gain).exp2() - 1.0) } else { f64::INFINITY })
    }
}

/// The search along inputs.
struct Inputs<'a> {
    search: Search<'a>,
    front: Front<Domain>,
    trees: Vec<Tree>,
    pace: Pace,
    /// How it ended.
    over: Option<Answer>,
}

impl Inputs<'_> {
    /// Goes on until so much work has been done, or it is over; `due` says after how many domains something else is, or that it has ended
    /// the search.
    fn run(&mut self, limits: &Limits, work: f64, due: &dyn Fn(usize) -> Option<usize>) {
        while self.over.is_none() && self.front.work < work {
            let Some(most) = due(self.front.visited) else {
                self.over = Some(Answer::Open(Reason::Cancelled));
                return;
            };
            // In steps, so that its pace is known.
            let step = work.min(((1.0 + STEP) * self.front.work).max(1.0));
            self.over = self.search.run(&mut self.front, limits, (most, step), &mut self.trees);
            self.pace.note(self.front.work, self.front.bound());
        }
    }

    /// What it found, with its record.
    fn searched(mut self, trees: &mut [Tree]) -> Searched {
        trees.iter_mut().zip(&mut self.trees).for_each(|(to, from)| std::mem::swap(to, from));
        let (bound, visited, open) = (self.front.bound(), self.front.visited, self.front.open());
        let answer = self.over.unwrap_or(Answer::Open(Reason::BoundTooWeak));
        Searched { answer, bound, visited, work: self.front.work, open }
    }

    /// Whether it answered, or stopped for a reason that ends every search.
    fn ends_all(&self) -> bool {
        let open = |reason| matches!(reason, Reason::MemoryLimit | Reason::Resolution);
        self.over.as_ref().is_some_and(|answer| !matches!(answer, Answer::Open(why) if open(*why)))
    }
}

/// Decides a property by both searches. Each has half of the memory.
pub(super) fn race(
    net: &Network,
    property: &Property,
    limits: &Limits,
    interlude: Option<Interlude>,
    (known, trees): (Vec<Option<Analysis>>, &mut [Tree]),
) -> Searched {
    let functionals = all_functionals(net, property);
    let (free, charges) = (free_inputs(property), charges_of_all(net, property));
    let bounder = Bounder::new(net, &functionals, charges, free, !trees.is_empty());
    let search = Search { net, property, bounder: &bounder };
    let (front, pace) = (search.front(), Pace::default());
    let mut inputs = Inputs { search, front, trees: trees.to_vec(), pace, over: None };
    // What comes in the midst of a search comes in the midst of the first that it is due in.
    let tried = Cell::new(interlude.is_none());
    let ends = || !tried.replace(true) && interlude.is_some_and(|due| (due.attempt)());
    let due = |visited: usize| match interlude.filter(|_| !tried.get()) {
        Some(due) if visited < due.after => Some(due.after),
        _ => (!ends()).then_some(usize::MAX),
    };
    let half = Limits { memory: limits.memory / 2, ..*limits };
    // The search along neurons bounds every region by sweeps first, which is to cost no more than was spent before.
    let sweeps = Costs::of(net, free).all_sweeps(net) as f64;
    let roots = property.claims.len() as f64 * relu::work_of_root(sweeps);
    inputs.run(&half, ALONE.max(roots), &due);
    if inputs.ends_all() {
        return inputs.searched(trees);
    }
    let inputs = RefCell::new(inputs);
    let turn = |pace: Option<f64>, spent: Spent| {
        let inputs = &mut *inputs.borrow_mut();
        while inputs.over.is_none() {
            let own = inputs.front.work;
            let left = inputs.pace.left().unwrap_or(own);
            let share = if left <= pace.unwrap_or(spent.work) { 1.0 - SHARE } else { SHARE };
            if own >= share * (own + spent.work) {
                break;
            }
            inputs.run(&half.less(spent), own * (1.0 + STEP), &due);
        }
        let next = spent.work.max(SHARE * inputs.front.work) * (1.0 + STEP);
        (!inputs.ends_all()).then_some(next)
    };
    let interlude = interlude.map(|due| Interlude { attempt: &ends, ..due });
    let spent = |front: &Front<Domain>| Spent { domains: front.visited, work: front.work };
    let first = half.less(spent(&inputs.borrow().front));
    let rival = relu::Rival { turn: &turn };
    let neurons = relu::run(net, property, &first, interlude, Some(rival), (known, &mut *trees));
    let mut inputs = inputs.into_inner();
    let by_neurons = Spent { domains: neurons.visited, work: neurons.work };
    let passed = limits.passed().or_else(|| first.spent(by_neurons)).is_some();
    if let Answer::Open(Reason::MemoryLimit | Reason::Resolution | Reason::BoundTooWeak) =
        neurons.answer
        && !passed
    {
        inputs.run(&half.less(by_neurons), f64::INFINITY, &due);
    }
    let visited = neurons.visited + inputs.front.visited;
    let work = neurons.work + inputs.front.work;
    if inputs.ends_all() {
        return Searched { visited, work, ..inputs.searched(trees) };
    }
    let bound = match neurons.answer {
        Answer::Open(_) => neurons.bound.max(inputs.front.bound()),
        _ => neurons.bound,
    };
    Searched { bound, visited, work, ..neurons }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_the_last_doubling() {
        let of = |points: &[(f64, f64)]| {
            let mut pace = Pace::default();
            points.iter().for_each(|&(work, margin)| pace.note(work, margin));
            pace.left()
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(4.0, -3.0)]), None);
        // One for each doubling: three more of them, from 4 to 32.
        assert_eq!(of(&[(1.0, -5.0), (2.0, -4.0), (4.0, -3.0)]), Some(28.0));
        assert_eq!(of(&[(1.0, -5.0), (3.0, -4.0), (4.0, -3.0)]), Some(28.0));
        // Nothing is won, or all.
        assert_eq!(of(&[(2.0, -3.0), (4.0, -3.0)]), Some(f64::INFINITY));
        assert_eq!(of(&[(2.0, -3.0), (4.0, 0.5)]), Some(0.0));
        assert_eq!(of(&[(2.0, f64::NEG_INFINITY), (4.0, -1.0)]), None);
    }
}
