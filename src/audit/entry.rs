//! What an audit finds out, one step on one input at a time: the smallest thing that is kept when it is interrupted.

use super::Finding;
use super::radius::Bracket;
use crate::attack::{Counterexample, Gradients};

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
    /// The input of the same position in another dataset, which the network should be unsure about.
    Outside,
    /// The input under every corruption at every severity.
    Shifts,
    /// One attack of the plan's Euclidean ones, at one of the dataset's Euclidean radii.
    L2 {
        /// Position of the attack.
        attack: usize,
        /// Position of the radius.
        epsilon: usize,
    },
    /// One semantic perturbation, by its position in the plan.
    Semantic {
        /// Position of the perturbation.
        semantic: usize,
    },
    /// A proof for the largest radius at which the input is certified, checked by the independent checker.
    Proof {
        /// Position of the radius.
        epsilon: usize,
    },
    /// The certified and the attacked radius, by bisection.
    Radius,
    /// Signs of masked gradients.
    Masking,
}

/// What a step found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// The outputs in double precision.
    Outputs(Vec<f64>),
    /// The predicted class under each corruption and severity, in the plan's order; corruptions that do not apply are left
    /// out.
    Classes(Vec<Option<usize>>),
    /// What is known of the input's robust radius.
    Radius(Bracket),
    /// The gradient at the input, and what a strong attack does at growing radii.
    Gradients {
        /// The gradient of the margin.
        gradients: Gradients,
        /// Whether the input was broken at each radius of the ladder.
        broken: Vec<bool>,
    },
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
    /// Whether its counterexample or its proof is kept.
    pub evidence: bool,
    /// How long it took; `None` where time is not measured.
    pub seconds: Option<f64>,
}

/// A finished step, with its counterexample where that is to be kept.
#[derive(Debug)]
pub struct Evidence {
    /// The step.
    pub entry: Entry,
    /// The counterexample; see [`Step::evidence_name`].
    pub counterexample: Option<Counterexample>,
    /// The proof that the checker accepted.
    pub proof: Option<ProofText>,
}

/// A proof as files: what was proved, as VNN-LIB about the network as its file has it, and the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofText {
    /// The property.
    pub property: String,
    /// The proof.
    pub proof: Vec<u8>,
}

impl Step {
    /// Position of the radius that an attack or a method was asked about in the max norm.
    #[must_use]
    pub fn epsilon(self) -> Option<usize> {
        match self {
            Self::Attack { epsilon, .. } | Self::Certify { epsilon, .. } => Some(epsilon),
            _ => None,
        }
    }
}

impl Step {
    /// What the file with the step's counterexample or proof is called, behind the input's position; `None` for steps that
    /// look for none. Of each kind of attack only the first counterexample of an input is kept, at the smallest radius.
    #[must_use]
    pub fn evidence_name(self) -> Option<String> {
        match self {
            Self::Attack { epsilon, .. } | Self::Certify { epsilon, .. } => {
                Some(format!("radius{}", epsilon + 1))
            }
            Self::L2 { epsilon, .. } => Some(format!("l2-radius{}", epsilon + 1)),
            Self::Semantic { semantic } => Some(format!("semantic{}", semantic + 1)),
            Self::Proof { epsilon } => Some(format!("radius{}", epsilon + 1)),
            _ => None,
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
