//! Boxes of a claim's region that are to be proved again by what a checker has: sweeps of every neuron.

use super::front::Front;
use super::input::{Search, all_functionals, charges_of_all};
use super::leaf::Bounder;
use super::{Answer, Limits, Tree};
use crate::bound::{Charges, Functionals};
use crate::net::Network;
use crate::spec::Property;
use std::sync::Arc;

/// A property whose boxes are proved again.
pub struct Again<'a> {
    net: &'a Network,
    property: &'a Property,
    functionals: Vec<Functionals<'a>>,
    charges: Arc<Charges>,
}

impl<'a> Again<'a> {
    /// What all boxes have in common.
    #[must_use]
    pub(crate) fn new(net: &'a Network, property: &'a Property) -> Self {
        let (functionals, charges) =
            (all_functionals(net, property), charges_of_all(net, property));
        Self { net, property, functionals, charges }
    }

    /// Searches for a proof that a claim holds on a box, as a piece of its tree.
    #[must_use]
    pub(crate) fn prove(
        &self,
        claim: usize,
        (lower, upper): (&[f64], &[f64]),
        limits: &Limits,
    ) -> (Answer, Tree) {
        let charges = self.charges.clone();
        let bounder = Bounder::by_sweeps(self.net, &self.functionals, charges, true);
        let search = Search { net: self.net, property: self.property, bounder: &bounder };
        let mut trees = vec![Tree::default(); claim + 1];
        let mut front = Front::new([search.domain(claim, 0, lower, upper)]);
        let answer = search.run(&mut front, limits, (usize::MAX, f64::INFINITY), &mut trees);
        (answer.unwrap_or(Answer::Proved), trees.swap_remove(claim))
    }
}
