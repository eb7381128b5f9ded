//! Boxes of a claim's region that are to be proved again by what a checker has: sweeps of every neuron.

use super::input::{Search, explore, hull};
use super::leaf::{Bounder, Domain};
use super::record::Record;
use super::{Limits, Searched};
use crate::bound::{Analysis, Charges, Functionals, Intermediate};
use crate::net::Network;
use crate::spec::Property;
use std::collections::BinaryHeap;
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
    pub fn new(net: &'a Network, property: &'a Property) -> Self {
        let functionals = property.claims.iter().map(|c| Functionals::of(c, net.outputs()));
        let functionals = functionals.collect();
        let region = hull(net, property);
        let charges = Analysis::of_region(net, &region, Intermediate::Interval).charges;
        Self { net, property, functionals, charges }
    }

    /// Searches for a proof that a claim holds on a box: the steps below `step`, which is one of the record's, and has nothing of its own
    /// yet.
    pub fn prove(
        &self,
        (claim, step): (usize, u32),
        lower: &[f64],
        upper: &[f64],
        record: &mut Record,
        limits: &Limits,
    ) -> Searched {
        let charges = self.charges.clone();
        let bounder = Bounder::by_sweeps(self.net, &self.functionals, charges, true);
        let search = Search { net: self.net, property: self.property, bounder: &bounder };
        let (claim, inherited, bound) = (claim as u32, None, f64::NEG_INFINITY);
        let (lower, upper) = (lower.into(), upper.into());
        let domain = Domain { claim, step, inherited, bound, lower, upper };
        explore(&search, BinaryHeap::from([domain]), limits, &mut None, Some(record))
    }
}
