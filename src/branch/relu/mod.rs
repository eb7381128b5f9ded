//! Branching on neurons: on each side the sign of one pre-activation is fixed (of a sigmoid or tanh, which side of some value it is on),
//! and the split's multiplier β is optimised together with the slopes (β-CROWN, Wang et al. 2021). Intermediate bounds are optimised at
//! the root (α-CROWN); below it, those of the layers after a split are swept anew, starting from what held for the parent.

mod batch;
mod choose;
mod cut;
mod domain;
mod join;
mod leaf;
mod refine;
mod root;
mod search;

pub use domain::Split;
pub use refine::refine_intermediate;
pub use search::split_relus_from;

use super::race::Pace;
use super::tree::Tree;
use super::{Answer, Interlude, Limits, Reason, Searched, Spent};
use crate::bound::{
    Analysis, Climb, Functionals, Intermediate, OpenPolytope, Reduced, work_of_intermediate,
};
use crate::net::Network;
use crate::spec::{Claim, Property};
use cut::{Cuts, Effort, any_of_one_scalar};
use join::Joined;
use root::{Root, Spine};
use search::{Of, Search};
use std::cell::Cell;

/// Iterations of the root, and of each domain after it (which starts from its parent's multipliers). Lifts of many splits are
/// moved together, so their steps are small: with twice the step, deep domains take a dozen iterations to come back to their
/// parent's bound.
const ROOT: Climb =
    Climb { iterations: 40, slope_step: 0.25, lift_step: 0.1, decay: 0.97, memory: Some(0.2) };
const INNER: Climb = Climb { iterations: 14, slope_step: 0.1, lift_step: 0.05, ..ROOT };

/// Iterations for each end of an intermediate interval at the root.
const ENDS: Climb = Climb { iterations: 10, memory: None, ..ROOT };

/// Multiplications that optimising the intermediate bounds of one root may take, counted on the whole network: some ten seconds.
const MOST_WORK: f64 = 2e11;

/// Decides a property by splitting ReLUs, claim by claim, polytope by polytope; of some claims' regions an analysis may be known. What was
/// done stands in `trees`, one a claim; with no trees, nothing is recorded. Bounds that a checker may doubt are written down with every
/// slope.
#[must_use]
pub fn split_relus(
    net: &Network,
    property: &Property,
    limits: &Limits,
    interlude: Option<Interlude>,
    record: (Vec<Option<Analysis>>, &mut [Tree]),
) -> Searched {
    run(net, property, limits, interlude, None, record)
}

/// Another search of the same property: asked again and again, after so much work, with the work that seems to be left and what was spent;
/// it says after how much work it is to be asked again, or that it has answered.
#[derive(Clone, Copy)]
pub struct Rival<'a> {
    pub turn: &'a dyn Fn(Option<f64>, Spent) -> Option<f64>,
}

/// The work of the bounds with which a search of one claim begins, if one of all sweeps takes so much.
pub fn work_of_root(sweeps: f64) -> f64 {
    ENDS.iterations as f64 * sweeps / 2.0
}

/// As [`split_relus`], in turns with another search.
pub fn run(
    net: &Network,
    property: &Property,
    limits: &Limits,
    interlude: Option<Interlude>,
    rival: Option<Rival>,
    (known, trees): (Vec<Option<Analysis>>, &mut [Tree]),
) -> Searched {
    let (work, due) = (&Cell::new(0.0), &Cell::new(0.0));
    let mut known = known.into_iter();
    let recorded = !trees.is_empty();
    let tried = &Cell::new(interlude.is_none());
    let (answer, bound) = (Answer::Proved, f64::INFINITY);
    let mut total = Searched { answer, bound, visited: 0, work: 0.0, open: 0 };
    for (index, claim) in property.claims.iter().enumerate() {
        let functionals = Functionals::of(claim, net.outputs());
        let new = || Analysis::of_region(net, &claim.region.boxes(), Intermediate::Crown);
        let analysis = known.next().flatten().unwrap_or_else(new);
        let root = Root::new(analysis, functionals, claim, recorded);
        let rival = rival.map(|rival| (rival, due));
        let job = Job { whole: net, property, index, claim, limits, interlude, tried, work, rival };
        let left = limits.work - work.get();
        let mut plan = Plan::new(&root, total.visited, left.min(2.0 * MOST_WORK), limits);
        let (answer, spine) = job.decide(root, &mut plan);
        total.bound = total.bound.min(plan.bound);
        (total.visited, total.work) = (plan.visited, work.get());
        total.open += plan.open;
        if let (Some(tree), Some(spine)) = (trees.get_mut(index), spine) {
            *tree = spine.tree;
        }
        if !matches!(answer, Answer::Proved) {
            // Of the claims that are left, nothing is known.
            let last = index + 1 == property.claims.len();
            let bound = if last { total.bound } else { f64::NEG_INFINITY };
            return Searched { answer, bound, ..total };
        }
    }
    total
}

/// One claim of a property, to be decided.
struct Job<'a> {
    /// The network that the property is about.
    whole: &'a Network,
    property: &'a Property,
    index: usize,
    claim: &'a Claim,
    limits: &'a Limits<'a>,
    interlude: Option<Interlude<'a>>,
    /// Whether the interlude has been.
    tried: &'a Cell<bool>,
    /// What was done, for all claims.
    work: &'a Cell<f64>,
    /// The other search, and after how much work of this one it is asked again.
    rival: Option<(Rival<'a>, &'a Cell<f64>)>,
}

/// How far a claim's search has come.
struct Plan {
    /// Whether the root's intermediate bounds are still to be optimised.
    optimise: bool,
    /// Domains an end in the next short searches for intermediate bounds; none where the last ones were not worth it.
    short: Option<usize>,
    /// Whether there may be cuts: not where they were found to cost too much.
    cut: bool,
    /// The bound that an interrupted search reached, and of which polytope.
    reached: Option<(usize, f64)>,
    /// Polytopes that have been excluded.
    done: Vec<usize>,
    visited: usize,
    open: usize,
    bound: f64,
}

/// Domains of the first short searches for an end of an intermediate interval, and how many times more the next ones get.
const SHORT: usize = 8;
const LONGER: usize = 4;

/// How much work the search before short searches may be, in theirs: the first ones are only begun when it has been as much; where they
/// have shown what they are worth, the next ones soon follow.
const PATIENCE: f64 = 1.0;
const LESS_PATIENCE: f64 = 0.25;

/// Cuts are made (and made anew, by searches four times longer) when the search has bounded so many domains, twice as many each time; where
/// one round would take more than some times the work of these, none are made.
const CUT_DUE: usize = 256;
const CUT_ROUNDS: u32 = 4;
const CUT_WORK: f64 = 4.0;

/// Cuts are made only where the networks of groups are so much smaller than the whole: on fully connected networks they lose against
/// short searches for intermediate bounds.
const CUT_SHARE: f64 = 0.1;

/// Short searches go on only where the last ones took at least this share off the intervals.
const GAIN: f64 = 0.01;

impl Plan {
    fn new(root: &Root, visited: usize, work: f64, limits: &Limits) -> Self {
        Self {
            optimise: limits.domains > 1 && !root.open.is_empty() && root.work() < work / 2.0,
            short: Some(SHORT),
            cut: true,
            reached: None,
            done: Vec::new(),
            visited,
            open: 0,
            bound: f64::INFINITY,
        }
    }
}

impl Job<'_> {
    /// Excludes the open polytopes one by one: root bounds with optimised slopes, then branch and bound; where that takes long,
    /// intermediate bounds by short searches of their own, for as much work again, and branch and bound from there.
    fn decide(&self, mut root: Root, plan: &mut Plan) -> (Answer, Option<Spine>) {
        if !root.open.is_empty()
            && let Some(small) = Reduced::best(&root.analysis)
        {
            let mut outer = root.spine.take();
            let spine = outer.as_ref().map(Spine::piece);
            let inner = Root { analysis: small.carry(&root.analysis), spine, ..root };
            let (answer, piece) = self.decide(inner, plan);
            if let (Some(outer), Some(mut piece)) = (&mut outer, piece) {
                piece.tree.rename(|node, element| small.original(node, element));
                outer.tree.graft(outer.tip, piece.tree);
            }
            return (answer, outer);
        }
        if std::mem::take(&mut plan.optimise) {
            let dear = |interlude: Interlude| root.work() > interlude.work;
            if self.interlude.is_some_and(dear) && self.attempt() {
                return (Answer::Open(Reason::Cancelled), root.spine);
            }
            self.worked(root.work());
            root.optimise(self.claim, self.limits);
        }
        match self.search(&mut root, plan) {
            Some(answer) => (answer, root.spine),
            None => {
                let short = plan.short.map_or(0.0, |short| short as f64);
                self.worked(short * INNER.iterations as f64 * work_of_intermediate(&root.analysis));
                let gain = root.refine(self.claim, self.limits, plan);
                let longer = plan.short.map(|short| short.saturating_mul(LONGER));
                plan.short = longer.filter(|_| gain >= GAIN);
                self.decide(root, plan)
            }
        }
    }

    fn worked(&self, work: f64) {
        self.work.set(self.work.get() + work);
    }

    /// What is to be tried in the midst of the search, if it has not been; whether it ends the search.
    fn attempt(&self) -> bool {
        !self.tried.replace(true) && self.interlude.is_some_and(|due| (due.attempt)())
    }

    /// Branch and bound for the open polytopes; `None` where short searches for intermediate bounds are due.
    fn search(&self, root: &mut Root, plan: &mut Plan) -> Option<Answer> {
        plan.bound = plan.bound.min(root.proved);
        let mut open = std::mem::take(&mut root.open).into_iter();
        while let Some(polytope) = open.next() {
            if plan.done.contains(&polytope.index) {
                continue;
            }
            let new = || root.spine.iter().map(|_| Tree::default()).collect();
            let mut trees: Vec<Tree> = new();
            let (mut round, mut start) = (0, 0);
            let mut cuts = self.cuts(root, &polytope, plan, None);
            if let (Some(found), Some(tree)) = (&cuts, trees.first_mut()) {
                (*tree, start) = found.tree();
            }
            let answer = loop {
                let record = (start, &mut trees[..]);
                match self.explore(root, &polytope, plan, (cuts.as_ref(), round), record) {
                    Explored::Over(answer) => break answer,
                    Explored::Due => return None,
                    Explored::Cuts(found) => {
                        // The search begins anew, and so does its record.
                        if let Some(tree) = trees.first_mut() {
                            (*tree, start) = found.tree();
                        }
                        (round, cuts) = (round + 1, Some(found));
                    }
                }
            };
            if !matches!(answer, Answer::Proved) {
                // Of the polytopes that are left, sweeps of the whole region say what is known.
                let left = open.filter(|left| !plan.done.contains(&left.index));
                let margin = |polytope: OpenPolytope| {
                    let gap = |&(column, target): &(usize, f64)| root.lows[column] - target;
                    polytope.halves.iter().map(gap).fold(f64::NEG_INFINITY, f64::max)
                };
                plan.bound = left.map(margin).fold(plan.bound, f64::min);
                return Some(answer);
            }
            if let (Some(spine), Some(mut tree)) = (&mut root.spine, trees.pop()) {
                cuts.iter().for_each(|cuts| cuts.name(&mut tree));
                let alone = root.functionals.polytopes() == 1;
                spine.enter(polytope.index, alone, tree);
            }
            plan.done.push(polytope.index);
        }
        Some(Answer::Proved)
    }

    /// Branch and bound for one polytope with the cuts there are, until it is over or something else is due.
    fn explore(
        &self,
        root: &Root,
        polytope: &OpenPolytope,
        plan: &mut Plan,
        (cuts, round): (Option<&Cuts>, u32),
        (start, trees): (u32, &mut [Tree]),
    ) -> Explored {
        let joined = Joined::of(root.analysis.net, &root.functionals, polytope);
        let carried = match (cuts, &joined) {
            (Some(cuts), _) => Some(cuts.carry(&root.analysis)),
            (None, Some(joined)) => Some(joined.carry(&root.analysis)),
            (None, None) => None,
        };
        let nearest =
            || Search::goals_of(&root.analysis, &root.functionals, root.spare(), polytope);
        let goals = match (cuts, &joined, &carried) {
            (None, Some(joined), Some(carried)) => Some(joined.goals(carried, root.spare())),
            (Some(cuts), _, Some(carried)) => nearest().map(|goals| cuts.goals(carried, goals)),
            _ => nearest(),
        };
        let of = Of { whole: self.whole, property: self.property, claim: self.index };
        let Some(goals) = goals else {
            return Explored::Over(Answer::Open(Reason::BoundTooWeak));
        };
        let search = Search::new(of, goals, &root.functionals, polytope);
        let mut front = search.front(start);
        let before = Spent { domains: plan.visited, work: self.work.get() };
        // What has been recorded takes memory, too.
        let noted = root.spine.as_ref().map_or(0, |spine| spine.tree.size());
        let memory = self.limits.memory.saturating_sub(noted);
        let limits = &Limits { memory, ..*self.limits };
        let mut pace = Pace::default();
        loop {
            let left = self.limits.less(before);
            let cuts_due = CUT_DUE << round;
            let work_until_cuts = cuts_due as f64 * refine::work_of_domain(&root.analysis);
            let cut = plan.cut
                && joined.is_none()
                && round < CUT_ROUNDS
                && cuts_due <= left.domains / 2
                && work_until_cuts <= left.work / 2.0;
            let refine_due = || {
                plan.short.map_or(usize::MAX, |short| {
                    let patience = if short > SHORT { LESS_PATIENCE } else { PATIENCE };
                    refine::due(&root.analysis, short, patience, &left)
                })
            };
            // The whole region is bounded first, which may suffice.
            let whole = !self.tried.get();
            let most = if whole {
                1
            } else if cut {
                cuts_due
            } else {
                refine_due()
            };
            let so_far = front.work;
            let turn =
                self.rival.map_or(f64::INFINITY, |(_, due)| so_far + due.get() - self.work.get());
            let answer = search.run(&mut front, limits, before, (most, turn), trees);
            plan.visited = before.domains + front.visited;
            self.worked(front.work - so_far);
            pace.note(front.work, search.margin(&front));
            let earlier = plan.reached.filter(|(index, _)| *index == polytope.index);
            let margin = search.margin(&front);
            let margin = earlier.map_or(margin, |(_, earlier)| margin.max(earlier));
            plan.reached = Some((polytope.index, margin));
            if let Some(answer) = answer {
                plan.open += front.open();
                plan.bound = plan.bound.min(margin);
                return Explored::Over(answer);
            }
            if let Some((rival, due)) = self.rival
                && self.work.get() >= due.get()
            {
                let polytopes = (root.functionals.polytopes() - plan.done.len()) as f64;
                let left = pace.left().map(|left| left * polytopes);
                let spent = Spent { domains: plan.visited, work: self.work.get() };
                let Some(next) = (rival.turn)(left, spent) else {
                    plan.open += front.open();
                    return Explored::Over(Answer::Open(Reason::Cancelled));
                };
                due.set(next);
                if front.visited < most {
                    continue;
                }
            }
            if whole {
                if self.attempt() {
                    plan.open += front.open();
                    return Explored::Over(Answer::Open(Reason::Cancelled));
                }
                continue;
            }
            if !cut {
                return Explored::Due;
            }
            match self.cuts(root, polytope, plan, Some(round)) {
                Some(cuts) => return Explored::Cuts(cuts),
                // They cost too much: the search goes on without.
                None => plan.cut = false,
            }
        }
    }

    /// The next cuts, if they are worth their cost; before the first round, those of neurons that read one scalar.
    fn cuts(
        &self,
        root: &Root,
        polytope: &OpenPolytope,
        plan: &mut Plan,
        round: Option<u32>,
    ) -> Option<Cuts> {
        // Cuts are made for one functional.
        if polytope.halves.len() > 1 {
            return None;
        }
        let any = || *root.one_scalar.get_or_init(|| any_of_one_scalar(&root.analysis));
        if round.is_none() && !any() {
            return None;
        }
        let due = f64::from(1 << round.unwrap_or(0)) * CUT_DUE as f64;
        let spent = Spent { domains: plan.visited, work: self.work.get() };
        let left = self.limits.less(spent);
        let domain = refine::work_of_domain(&root.analysis);
        let effort = Effort {
            round,
            domains: left.domains / 2,
            work: (CUT_WORK * due * domain).min(left.work / 2.0),
            share: round.map_or(1.0, |_| CUT_SHARE),
        };
        let stop = || self.limits.passed().is_some();
        let goals = Search::goals_of(&root.analysis, &root.functionals, root.spare(), polytope)?;
        let cuts = Cuts::of(&goals, effort, &stop)?;
        plan.visited += cuts.visited;
        self.worked((cuts.visited as f64 * CUT_SHARE * domain).min(effort.work));
        if round.is_some() {
            // Short searches for intermediate bounds would begin anew what cuts have won.
            plan.short = None;
        }
        Some(cuts)
    }
}

/// What became of a search of one polytope.
enum Explored {
    Over(Answer),
    /// Short searches for intermediate bounds are due.
    Due,
    /// New cuts, to begin anew with.
    Cuts(Cuts),
}
