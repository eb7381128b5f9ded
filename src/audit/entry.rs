//! What an audit finds out, one step on one input at a time: the smallest thing that is kept when it is interrupted.

use super::Finding;
use crate::attack::Counterexample;

/// One step on one input of one subject (a model with a dataset).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The network's outputs at the input as it is.
    Clean,
    /// One attack, by its position in the plan, at one of the dataset's radii.
    Attack {
        /// Position of the attack.
        attack: usize,
        /// Position of the radius.
        epsilon: usize,
    },
    /// One certification method, by its position in the plan, at one of the dataset's radii.
    Certify {
        /// Position of the method.
        method: usize,
        /// Position of the radius.
        epsilon: usize,
    },
}

/// What a step found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// The outputs in double precision.
    Outputs(Vec<f64>),
    /// What became of the claim that the predicted class is constant on the region.
    Verdict {
        /// The verdict; an attack that found nothing says so in its reason.
        finding: Finding,
        /// The stage that decided.
        stage: Option<String>,
        /// The least proven margin.
        bound: Option<f64>,
    },
}

/// A finished step.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Position of the subject in [`super::Plan::subjects`].
    pub subject: usize,
    /// Position of the input in the dataset.
    pub index: usize,
    /// The step.
    pub step: Step,
    /// What it found.
    pub found: Found,
    /// Whether its counterexample is kept: the first of its input.
    pub evidence: bool,
    /// How long it took; `None` where time is not measured.
    pub seconds: Option<f64>,
}

/// A finished step, with its counterexample where that is to be kept.
#[derive(Debug)]
pub struct Evidence {
    /// The step.
    pub entry: Entry,
    /// The counterexample: the first of its input, at the smallest radius.
    pub counterexample: Option<Counterexample>,
}

impl Step {
    /// Position of the radius that the step is about, if it is about one.
    #[must_use]
    pub fn epsilon(self) -> Option<usize> {
        match self {
            Self::Clean => None,
            Self::Attack { epsilon, .. } | Self::Certify { epsilon, .. } => Some(epsilon),
        }
    }
}

impl Entry {
    /// Whether the step found a counterexample.
    #[must_use]
    pub fn broken(&self) -> bool {
        matches!(&self.found, Found::Verdict { finding: Finding::Falsified, .. })
    }
}
