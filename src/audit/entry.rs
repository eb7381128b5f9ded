//! What an audit finds out, one step on one input at a time: the smallest thing that is kept when it is interrupted.

use super::radius::Bracket;
use super::stored::doubles;
use super::{Finding, Line, Plan};
use crate::attack::Gradients;
use serde::{Deserialize, Serialize};

/// One step on one input of one subject (a model with a dataset).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Found {
    /// The outputs in double precision.
    Outputs(
        #[serde(with = "doubles")]
        #[cfg_attr(test, schemars(with = "Vec<f64>"))]
        Vec<f64>,
    ),
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
        /// The least proven margin; null in the journal where it is not finite.
        bound: Option<f64>,
    },
}

/// A finished step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Position of the subject in [`super::Plan::subjects`].
    pub(crate) subject: usize,
    /// Position of the input in the dataset.
    pub(crate) index: usize,
    pub(crate) step: Step,
    /// What it found.
    pub(crate) found: Found,
    /// Whether its counterexample or its proof is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) evidence: bool,
    /// How long it took; `None` where time is not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
}

impl Step {
    /// Position of the radius that an attack or a method was asked about in the max norm.
    pub(crate) fn epsilon(self) -> Option<usize> {
        match self {
            Self::Attack { epsilon, .. } | Self::Certify { epsilon, .. } => Some(epsilon),
            _ => None,
        }
    }
}

impl Entry {
    /// Whether the step found a counterexample.
    pub(crate) fn broken(&self) -> bool {
        matches!(&self.found, Found::Verdict { finding: Finding::Falsified, .. })
    }
}

impl Line for Entry {
    fn input(&self) -> (usize, usize) {
        (self.subject, self.index)
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The folder of all evidence.
pub(crate) const EVIDENCE: &str = "evidence";

impl Plan {
    /// Where the evidence of a step lies, relative to the report; empty for steps that have none. A proof lies beside its property.
    /// Of each kind of attack only the first counterexample of an input is kept, at the smallest radius.
    pub(crate) fn evidence(&self, subject: usize, index: usize, step: Step) -> Vec<String> {
        let name = match step {
            Step::Attack { epsilon, .. }
            | Step::Certify { epsilon, .. }
            | Step::Proof { epsilon } => format!("radius{}", epsilon + 1),
            Step::L2 { epsilon, .. } => format!("l2-radius{}", epsilon + 1),
            Step::Semantic { semantic } => format!("semantic{}", semantic + 1),
            _ => return Vec::new(),
        };
        let (model, data) = self.subjects()[subject];
        let (model, data) = (&self.models[model].name, &self.data[data].name);
        let proof = matches!(step, Step::Proof { .. });
        let endings: &[&str] = if proof { &["proof", "vnnlib"] } else { &["txt"] };
        let file = |ending: &&str| format!("{EVIDENCE}/{model} on {data}/{index}-{name}.{ending}");
        endings.iter().map(file).collect()
    }

    /// Where the counterexample of an input at a radius in the max norm lies; `epsilon` counts radii from 0.
    pub(crate) fn counterexample(&self, subject: usize, index: usize, epsilon: usize) -> String {
        self.evidence(subject, index, Step::Attack { attack: 0, epsilon }).concat()
    }
}
