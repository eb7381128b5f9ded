//! Branch and bound: a query split into domains until each is proved, or a counterexample is found.

mod clip;
mod input;
mod limits;
mod relu;

pub use clip::{Cut, clip};
pub use input::split_inputs;
pub use limits::{Limits, Reason};
pub use relu::split_relus;

use crate::attack::Counterexample;

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

/// A search's answer and how far it got.
#[derive(Debug, Clone)]
pub struct Searched {
    /// The answer.
    pub answer: Answer,
    /// The least margin proved over all domains, open ones included; −∞ where one has no bound.
    pub bound: f64,
    /// Domains bounded.
    pub visited: usize,
    /// Domains still open.
    pub open: usize,
}
