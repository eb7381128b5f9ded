//! A proof as data: a section for each claim, and the steps of its search.

use super::text::Names;
use crate::branch::{ClaimRecord, Record};
use crate::load::Statement;
use crate::net::Network;

/// A proof of a statement.
#[derive(Debug, Clone)]
pub struct Proof {
    /// One section a claim, in the order of the property.
    pub sections: Vec<Section>,
    /// The steps of all trees of splits of inputs; halves follow what they are halves of.
    pub record: Record,
    /// Cases without inputs.
    pub empty: Vec<usize>,
    /// What the network's pre-activations are called.
    pub names: Names,
}

/// The proof of one claim.
#[derive(Debug, Clone)]
pub struct Section {
    /// The numbers of its cases in the file, increasing.
    pub cases: Vec<usize>,
    /// How.
    pub body: Body,
}

/// How one claim is proved.
#[derive(Debug, Clone)]
pub enum Body {
    /// By a sweep over interval bounds.
    Bounds,
    /// By a tree of splits of inputs, perhaps of one leaf; its first step.
    Inputs(u32),
    /// By optimised sweeps and splits of ReLUs.
    Relus(ClaimRecord),
}

impl Proof {
    /// A proof without sections.
    #[must_use]
    pub fn empty(net: &Network, statement: &Statement) -> Self {
        let (empty, names) = (statement.empty.clone(), Names::of(net));
        Self { sections: Vec::new(), record: Record::default(), empty, names }
    }
}
