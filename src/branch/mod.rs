//! Branch and bound: a query split into domains until each is proved, or a counterexample is found.

mod again;
mod ascend;
mod clip;
mod combine;
mod doubt;
mod front;
mod inherit;
mod input;
mod leaf;
mod limits;
mod race;
mod reach;
mod relu;
mod repeat;
mod smear;
mod tree;

pub use again::Again;
pub use doubt::{
    Ends, Neuron, crown, hints_of, hints_of_duals, in_full, refuted_by, spare, unstable,
};
pub use input::split_inputs;
pub use limits::{Limits, Reason, Spent};
pub use relu::{Split, refine_intermediate, split_relus, split_relus_from};
#[cfg(test)]
pub(crate) use tree::Slab;
pub use tree::{End, Hints, Lemma, Line, Node, Refutation, SUM, SumTerm, Tree};

use crate::attack::Counterexample;
use crate::bound::Analysis;
use crate::net::{Network, Splits};
use crate::spec::Property;

/// How a search ended.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Every domain was proved.
    Proved,
    /// An input of the region violates the property.
    Refuted(Box<Counterexample>),
    /// Neither, because of a limit.
    Open(Reason),
}

/// Something else to try in the midst of a search that has found no answer yet.
#[derive(Clone, Copy)]
pub struct Interlude<'a> {
    /// Domains before it, where inputs are split.
    pub after: usize,
    /// Multiplications that it takes, about: before neurons are split, bounds of the whole region that take more come after it.
    pub work: f64,
    /// Asked once; `true` ends the search, as cancelled.
    pub attempt: &'a dyn Fn() -> bool,
}

/// A search's answer and how far it got.
#[derive(Debug, Clone)]
pub struct Searched {
    /// The answer.
    pub answer: Answer,
    /// The least margin proved over all domains, open ones included; −∞ where one has no bound.
    pub bound: f64,
    /// Domains bounded.
    pub visited: usize,
    /// Multiplications, about.
    pub work: f64,
    /// Domains still open.
    pub open: usize,
}

/// Regions with at most this many inputs that are not fixed are split along them: every halving of all inputs costs a factor
/// 2ⁿ, which beats the number of unstable neurons of all but the smallest networks while n is small.
const FEW_INPUTS: usize = 20;

/// Decides a property completely, as far as the limits allow, splitting inputs or neurons, whichever suits it. Of some claims' regions an
/// analysis may be known. What was done stands in `trees`, one a claim; with no trees, nothing is recorded.
#[must_use]
pub fn search(
    net: &Network,
    property: &Property,
    limits: &Limits,
    interlude: Option<Interlude>,
    (known, trees): (Vec<Option<Analysis>>, &mut [Tree]),
) -> Searched {
    if !splits_neurons(net) {
        split_inputs(net, property, limits, interlude, trees)
    } else if free_inputs(property) > FEW_INPUTS {
        split_relus(net, property, limits, interlude, (known, trees))
    } else {
        race::race(net, property, limits, interlude, (known, trees))
    }
}

/// Whether [`search`] splits inputs and bounds sub-boxes forwards, as sweeps for every neuron would cost far more.
#[must_use]
pub fn prefers_forward(net: &Network, property: &Property) -> bool {
    suits_inputs(net, property) && leaf::forward_costs(net, free_inputs(property)).is_some()
}

/// Whether [`search`] splits inputs.
#[must_use]
pub fn suits_inputs(net: &Network, property: &Property) -> bool {
    free_inputs(property) <= FEW_INPUTS || !splits_neurons(net)
}

/// Whether all that bends in a network can be split.
fn splits_neurons(net: &Network) -> bool {
    let mut functions = net.nodes().iter().filter_map(|node| node.op.function());
    functions.all(|function| function.splits() != Splits::Never)
}

/// The most inputs that are not fixed in any claim's region.
fn free_inputs(property: &Property) -> usize {
    let free = |claim: &crate::spec::Claim| {
        claim
            .region
            .lower()
            .iter()
            .zip(claim.region.upper())
            .filter(|(l, u)| l.next_up() < **u)
            .count()
    };
    property.claims.iter().map(free).max().unwrap_or(0)
}
