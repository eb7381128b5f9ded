//! The plan of an audit: models × datasets × ε × attacks × methods × shifts, as one TOML file says it.

mod located;
mod options;
mod read;

pub(crate) use located::{Place, PlanError};

use super::semantic::{Fill, Patch, Perturbation};
use super::shift::{Corruption, Image};
use super::steps::ladder;
use crate::attack::AttackSettings;
use crate::audit::JudgedBy;
use crate::audit::stored::word;
use crate::load::{DataSettings, Dataset, LoadSettings};
use crate::num::Rational;
use crate::verify::Method;
use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A commented plan to start from (`certus audit --init`).
pub(crate) const TEMPLATE: &str = include_str!("template.toml");

/// What is to be audited, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// What a reader should know that no measurement tells.
    pub(crate) about: About,
    /// Seed of everything random.
    pub(crate) seed: u64,
    /// Time limit of one step on one input.
    pub(crate) timeout: Option<Duration>,
    /// Counterexamples shown for each model and dataset.
    pub(crate) shown: usize,
    pub(crate) data: Vec<DataPlan>,
    pub(crate) models: Vec<ModelPlan>,
    /// The attacks, in the order in which they are tried.
    pub(crate) attacks: Vec<AttackPlan>,
    /// The certification methods.
    pub(crate) methods: Vec<MethodPlan>,
    /// Attacks in the Euclidean norm.
    pub(crate) l2_attacks: Vec<AttackPlan>,
    /// Corruptions, each at five severities.
    pub(crate) shifts: Vec<Corruption>,
    /// Semantic perturbations to be certified.
    pub(crate) semantics: Vec<SemanticPlan>,
    /// Whether and how certified and attacked radii are searched.
    pub(crate) radius: Option<RadiusPlan>,
    /// Whether and how proofs are written and checked.
    pub(crate) proofs: Option<ProofPlan>,
    /// On how many inputs of each dataset signs of masked gradients are looked for.
    pub(crate) masking: usize,
    /// What the results have to reach.
    pub(crate) criteria: Vec<Criterion>,
}

/// Who asks, what for, and what is taken for granted: texts that the report repeats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct About {
    pub(crate) title: String,
    /// A number or code by which the organisation files it.
    pub(crate) reference: String,
    /// Who is responsible.
    pub(crate) organisation: String,
    /// Who ran it.
    pub(crate) operator: String,
    /// The date; empty for that of the run.
    pub(crate) date: String,
    /// What the models are for, and where.
    pub(crate) intended_use: String,
    /// What the adversary wants.
    pub(crate) goal: String,
    /// What the adversary knows.
    pub(crate) knowledge: String,
    /// What the adversary can do.
    pub(crate) capability: String,
    /// Assumptions beyond those of the method.
    pub(crate) assumptions: Vec<String>,
    /// Limitations beyond those of the method.
    pub(crate) limitations: Vec<String>,
    /// What the audit does not speak about.
    pub(crate) out_of_scope: Vec<String>,
}

/// A dataset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DataPlan {
    /// Its name in the report.
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    /// How to read it, beyond what the settings beside the file say.
    pub(crate) reading: DataSettings,
    /// The same as texts, for the report.
    pub(crate) reading_texts: Vec<(String, String)>,
    /// How many inputs, from the first; `None` for all.
    pub(crate) limit: Option<usize>,
    /// Where the inputs come from, and that they were not trained on.
    pub(crate) split: String,
    /// What ε is measured in.
    pub(crate) unit: String,
    /// The radii, increasing.
    pub(crate) epsilons: Vec<Rational>,
    /// The radii of Euclidean attacks, increasing.
    pub(crate) l2_epsilons: Vec<Rational>,
    /// The largest radius that bisection asks about.
    pub(crate) radius_up_to: Rational,
    /// Another dataset whose inputs the models should be unsure about.
    pub(crate) outside: Option<usize>,
    /// Where the dataset stands in the plan.
    pub(crate) place: Place,
}

/// A model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelPlan {
    /// Its name in the report.
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    /// The output that is asked about, and inputs that are constants.
    pub(crate) ports: LoadSettings,
    /// The datasets that it is asked about.
    pub(crate) data: Vec<usize>,
    /// How it was trained.
    pub(crate) training: String,
    /// The recipe that it shares with models that differ by their seed alone; empty for none.
    pub(crate) recipe: String,
    /// Inputs with outputs that another implementation computed.
    pub(crate) reference: Option<PathBuf>,
    /// Where the file's name stands in the plan.
    pub(crate) place: Place,
}

/// An attack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AttackPlan {
    /// Its name in the report.
    pub(crate) name: String,
    /// How it goes about it.
    pub(crate) settings: AttackSettings,
}

/// A certification method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MethodPlan {
    /// Its name in the report.
    pub(crate) name: String,
    /// The method.
    #[serde(with = "word")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) method: Method,
    /// Whether it decides every query, given time.
    pub(crate) complete: bool,
    /// How many neurons are tightened by LP.
    pub(crate) lp_tighten: usize,
}

/// A semantic perturbation to be certified.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SemanticPlan {
    /// Its name in the report.
    pub(crate) name: String,
    /// What is done to an image.
    pub(crate) kind: SemanticKind,
    /// How many inputs of each dataset are asked about, from the first; `None` for all.
    pub(crate) inputs: Option<usize>,
    /// The certification method.
    pub(crate) method: Method,
}

/// What is done to an image; see [`Perturbation`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SemanticKind {
    /// One perturbation, the same for every image.
    One(Perturbation),
    /// A square covered, wherever it lies: all squares of a side that are `stride` apart.
    Squares {
        /// Side in pixels.
        side: usize,
        /// Distance of neighbouring squares in pixels.
        stride: usize,
        /// With what.
        fill: Fill,
    },
}

impl SemanticKind {
    /// The perturbations of an image, all of which must leave the class alone.
    pub(crate) fn perturbations(&self, image: Image) -> Vec<Perturbation> {
        match *self {
            Self::One(ref perturbation) => vec![perturbation.clone()],
            Self::Squares { side, stride, fill } => Patch::squares(image, side, stride)
                .into_iter()
                .map(|patch| Perturbation::Occlusion { patch, fill })
                .collect(),
        }
    }
}

/// How radii are searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RadiusPlan {
    /// How many inputs of each dataset, from the first; `None` for all.
    pub(crate) inputs: Option<usize>,
    /// Radii from 0 to the largest in so many steps.
    pub(crate) steps: u64,
    /// The certification method.
    #[serde(with = "word")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) method: Method,
}

/// How proofs are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ProofPlan {
    /// For how many inputs of each dataset, from the first; each at the largest radius at which it is certified; `None` for all.
    pub(crate) inputs: Option<usize>,
    /// The method that looks for them.
    #[serde(with = "word")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) method: Method,
    /// The verified checker, where it is asked as well; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<PathBuf>,
}

impl DataPlan {
    /// The distance of neighbouring radii where there are so many.
    pub(crate) fn radius_step(&self, steps: u64) -> Rational {
        &self.radius_up_to / Rational::from_integer(steps.into())
    }
}

/// What a criterion speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Measure {
    /// The clean accuracy.
    Clean,
    /// The adversarial accuracy.
    Adversarial,
    /// The certified accuracy.
    Certified,
    /// The stability index.
    Stability,
}

/// A share that must be reached.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Criterion {
    /// The models, of those that are asked about the dataset.
    pub(crate) models: Vec<usize>,
    pub(crate) data: usize,
    /// Which share.
    pub(crate) measure: Measure,
    /// At which of the dataset's radii; `None` for the clean accuracy.
    pub(crate) epsilon: Option<usize>,
    /// The least share.
    pub(crate) at_least: Rational,
    /// By which number it is judged.
    pub(crate) judged_by: JudgedBy,
}

impl Plan {
    /// Understands a plan. Names of files are relative to the folder of the plan's file.
    ///
    /// # Errors
    /// Where the text is no TOML, a key is unknown, missing or of the wrong type, or values do not go together.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, PlanError> {
        read::plan(located::Source { file, text })
    }

    /// Growing radii up to which attacks should break everything: multiples of the dataset's largest radius, at last as wide
    /// as the range of its values.
    pub(crate) fn ladder(&self, data: usize, dataset: &Dataset) -> Vec<Rational> {
        let width = dataset.common_domain().map(|(low, high)| high - low);
        let width = width.filter(|_| !dataset.scaled_epsilon());
        let largest = self.data[data].epsilons.iter().max();
        largest.map_or_else(Vec::new, |largest| ladder(largest, width))
    }

    /// (model, dataset) for everything that is asked, models first.
    pub(crate) fn subjects(&self) -> Vec<(usize, usize)> {
        let pairs = |(at, model): (usize, &ModelPlan)| -> Vec<(usize, usize)> {
            model.data.iter().map(|&data| (at, data)).collect()
        };
        self.models.iter().enumerate().flat_map(pairs).collect()
    }
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

impl std::str::FromStr for Measure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known: Result<Self, serde::de::value::Error> =
            Self::deserialize(text.into_deserializer());
        known.map_err(|_| {
            format!("'{text}' is no measure; there are clean, adversarial, certified and stability")
        })
    }
}

impl std::str::FromStr for JudgedBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known: Result<Self, serde::de::value::Error> =
            Self::deserialize(text.into_deserializer());
        known.map_err(|_| format!("'{text}' is neither lower-bound nor share"))
    }
}

#[cfg(test)]
mod tests;
