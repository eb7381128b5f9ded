//! What is known of one claim's region before it is split, and its record.

use super::refine::refine_intermediate;
use super::{ENDS, Plan};
use crate::bound::{
    Analysis, Functionals, OpenPolytope, WORTH, optimise_intermediate, work_of_intermediate,
};
use crate::branch::Limits;
use crate::branch::doubt::{crown, refuted_by, spare};
use crate::branch::tree::{Hints, Line, Tree};
use crate::spec::Claim;
use std::cell::OnceCell;

/// What is known of one claim's region before it is split.
pub struct Root<'a> {
    /// Of the network, or of a smaller one that stands for it there.
    pub analysis: Analysis<'a>,
    pub functionals: Functionals<'a>,
    /// What has been done, if the search is recorded.
    pub spine: Option<Spine>,
    /// Bounds of the functionals at default slopes.
    pub lows: Vec<f64>,
    /// Polytopes that these do not exclude.
    pub open: Vec<OpenPolytope>,
    /// The least margin of those that they exclude.
    pub proved: f64,
    /// By how much a bound of each functional exceeds its target beyond a checker's doubt, if the search is recorded.
    pub spare: Vec<f64>,
    /// Whether several unstable neurons read one scalar, if that has been asked: fewer are unstable later.
    pub one_scalar: OnceCell<bool>,
}

impl<'a> Root<'a> {
    pub(super) fn new(
        analysis: Analysis<'a>,
        functionals: Functionals<'a>,
        claim: &Claim,
        recorded: bool,
    ) -> Self {
        let mut spine = recorded.then(Spine::default);
        if let Some(spine) = &mut spine {
            spine.tree.line(0, crown(&analysis));
        }
        let (lows, open, spare) = (Vec::new(), Vec::new(), Vec::new());
        let proved = f64::INFINITY;
        let one_scalar = OnceCell::new();
        let mut root = Self { analysis, functionals, spine, lows, open, proved, spare, one_scalar };
        root.bound(claim);
        root
    }

    /// Multiplications that optimising intermediate bounds takes, about.
    pub(super) fn work(&self) -> f64 {
        ENDS.iterations as f64 * work_of_intermediate(&self.analysis)
    }

    /// Optimises intermediate bounds.
    pub(super) fn optimise(&mut self, claim: &Claim, limits: &Limits) {
        let stop = || limits.passed().is_some();
        // Short proofs matter more than the last thousandth of a bound, and a search is the same with a record and without.
        let (analysis, ends) = optimise_intermediate(&self.analysis, ENDS, WORTH, &stop);
        if let Some(Spine { tree, tip, .. }) = &mut self.spine {
            tree.lines(*tip, ends.iter().map(Line::moved));
        }
        self.analysis = analysis;
        self.bound(claim);
    }

    /// Short searches for intermediate bounds; returns which share of the intervals they took off.
    pub(super) fn refine(&mut self, claim: &Claim, limits: &Limits, plan: &mut Plan) -> f64 {
        let stop = || limits.passed().is_some();
        let most = plan.short.unwrap_or(0);
        let refined = refine_intermediate(&self.analysis, most, self.spine.is_some(), &stop);
        if let Some(Spine { tree, tip, .. }) = &mut self.spine {
            *tip = refined.lemmas.into_iter().fold(*tip, |tip, lemma| tree.lemma(tip, lemma));
        }
        self.analysis = refined.analysis;
        plan.visited += refined.visited;
        self.bound(claim);
        refined.gain
    }

    /// What is spare of each functional, if the search is recorded.
    pub(super) fn spare(&self) -> Option<&[f64]> {
        self.spine.as_ref().map(|_| &*self.spare)
    }

    /// Bounds all functionals at default slopes.
    pub(super) fn bound(&mut self, claim: &Claim) {
        let matrix = &self.functionals.matrix;
        let swept = self.analysis.lower(matrix, &vec![0; self.functionals.len()]);
        self.open = self.functionals.open_polytopes(&swept.bounds);
        self.proved = self.functionals.margin_of_excluded(&swept.bounds);
        self.lows.clone_from(&swept.bounds);
        let Some(spine) = &mut self.spine else { return };
        let spare = |column: usize| {
            let functional = matrix.column(column);
            let (net, charges) = (self.analysis.net, &self.analysis.charges);
            spare(net, charges, &claim.region, &swept, column, functional.as_slice())
        };
        self.spare = (0..self.functionals.len()).map(spare).collect();
        let mut refuted = refuted_by(&self.analysis, &self.functionals, &swept.bounds, &self.spare);
        refuted.retain(|(polytope, _)| !spine.closed.contains(polytope));
        spine.closed.extend(refuted.iter().map(|(polytope, _)| polytope));
        spine.tree.lines(spine.tip, Line::refuting(refuted, &Hints::default()));
    }
}

/// The record of one claim's search: a tree in which everything is done at one node, in order, but for the polytopes that are excluded
/// by splits and for ends that splits move, which stand beside it.
#[derive(Default)]
pub struct Spine {
    pub tree: Tree,
    /// Where the tree goes on.
    pub tip: u32,
    /// Polytopes that have been excluded.
    pub closed: Vec<usize>,
}

impl Spine {
    /// What goes on elsewhere.
    pub(super) fn piece(&self) -> Self {
        Self { closed: self.closed.clone(), ..Self::default() }
    }

    /// Enters how one polytope, perhaps the only one, is excluded.
    pub(super) fn enter(&mut self, polytope: usize, alone: bool, tree: Tree) {
        let own = if alone {
            self.tip
        } else {
            let [own, others] = self.tree.part(self.tip, &[polytope as u32]);
            self.tip = others;
            own
        };
        self.tree.graft(own, tree);
        self.closed.push(polytope);
    }
}
