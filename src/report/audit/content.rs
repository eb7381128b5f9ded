//! report.json of an audit: what was run, what came out, every row.

use super::setup::Setup;
use crate::audit::interval::Counted;
use crate::audit::radius::Spread;
use crate::audit::shift::Shifted;
use crate::audit::{About, AuditRow, Classification, FileRecord, Measure, OutOfDistribution};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A whole audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AuditReport {
    /// What was run.
    #[serde(flatten)]
    pub setup: Setup,
    /// Who asked and what for.
    pub about: About,
    /// The criteria, and whether they are met.
    pub criteria: Vec<CriterionRecord>,
    /// A model on a dataset: one each.
    pub subjects: Vec<SubjectRecord>,
    /// Counterexamples to look at.
    pub shown: Vec<ShownRecord>,
    /// Every other file of the folder but those made of this one, with its hash.
    pub files: Vec<FileRecord>,
    /// The fields that may differ between two runs with equal setups.
    pub varies_between_runs: Vec<String>,
    /// When, where and how long.
    pub run: RunRecord,
    /// One row an input and radius.
    pub rows: Vec<AuditRow>,
}

/// When, where, how long. Varies between runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    /// When it was begun, in UTC; null where the report is to be reproducible to the byte, as is everything below.
    pub started: Option<String>,
    /// The machine's name.
    pub host: Option<String>,
    /// Operating system and processor architecture.
    pub system: Option<String>,
    /// The processor.
    pub processor: Option<String>,
    /// Its logical cores.
    pub cores: Option<usize>,
    /// The machine's memory, in bytes.
    pub memory: Option<u64>,
    /// SHA-256 of the program's file.
    pub program_sha256: Option<String>,
    /// Inputs handled at once.
    pub jobs: Option<usize>,
    /// The command, as it was typed.
    pub command_line: Option<String>,
    /// Time of all steps of a kind, in seconds.
    pub seconds: BTreeMap<String, f64>,
}

/// A criterion, and whether one model meets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CriterionRecord {
    pub model: String,
    pub data: String,
    /// `clean`, `adversarial`, `certified` or `stability`.
    pub measure: Measure,
    /// The radius, exact; null for the clean accuracy.
    pub epsilon: Option<String>,
    /// The least share.
    pub at_least: f64,
    /// The share that was found.
    pub found: Option<f64>,
    /// Whether it is met.
    pub met: bool,
}

/// A model on a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SubjectRecord {
    pub model: String,
    pub data: String,
    /// On the inputs as they are.
    pub clean: Classification,
    /// At each radius.
    pub cells: Vec<CellRecord>,
    /// Normalised area under certified accuracy over ε from 0 to the largest radius; null without methods.
    pub robustness_score: Option<f64>,
    /// Under every corruption and severity.
    pub shifts: Vec<Shifted>,
    /// Confidence on inputs of another kind.
    pub outside: Option<OutsideRecord>,
    /// At each Euclidean radius.
    pub euclidean: Vec<EuclideanRecord>,
    /// Semantic perturbations.
    pub semantics: Vec<SemanticRecord>,
    /// Certified and attacked radii.
    pub radius: Option<RadiiRecord>,
    /// Signs of masked gradients.
    pub masking: Vec<SignRecord>,
}

/// Confidence on inputs of another kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutsideRecord {
    /// The other dataset's name.
    pub data: String,
    /// How many of its inputs were used.
    pub inputs: usize,
    /// The model's confidence on its own inputs, inside, and on these.
    #[serde(flatten)]
    pub found: OutOfDistribution,
}

/// Euclidean attacks at one radius.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EuclideanRecord {
    /// The radius, exact.
    pub epsilon: String,
    /// The double nearest to it.
    pub epsilon_value: f64,
    /// Correct and unbroken, here and at smaller radii / all.
    pub adversarial: Counted,
    /// For each attack, by name: broken by it at this radius / correct.
    pub attacks: BTreeMap<String, Counted>,
}

/// A semantic perturbation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SemanticRecord {
    pub name: String,
    /// Correct and certified / asked about.
    pub certified: Counted,
    /// Correct and neither / asked about.
    pub undecided: Counted,
    /// Correct and broken / asked about.
    pub broken: Counted,
}

/// Certified and attacked radii.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RadiiRecord {
    /// How many inputs were asked about.
    pub inputs: usize,
    /// The largest radius asked about.
    pub up_to: f64,
    /// Certified radii.
    pub certified: Spread<[f64; 2]>,
    /// Distances of counterexamples.
    pub attacked: Spread<[f64; 2]>,
    /// Of every correct input: [certified, attacked], null beyond the largest.
    pub brackets: Vec<[Option<f64>; 2]>,
}

/// One sign of masked gradients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignRecord {
    pub name: String,
    /// Whether it shows; null where it was not checked.
    pub raised: Option<bool>,
    /// What was compared.
    pub evidence: String,
}

/// A model on a dataset at one radius.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CellRecord {
    /// The radius, exact.
    pub epsilon: String,
    /// The double nearest to it.
    pub epsilon_value: f64,
    /// Correct / all.
    pub clean: Counted,
    /// Correct and unbroken by every attack and method, here and at smaller radii / all.
    pub adversarial: Counted,
    /// Correct and certified / all.
    pub certified: Counted,
    /// Correct, neither broken nor certified / all.
    pub undecided: Counted,
    /// The predicted class, right or wrong, is proved constant / all: the stability index.
    pub stability: Counted,
    /// For each attack, by name: broken by it at this radius / correct.
    pub attacks: BTreeMap<String, Counted>,
    /// For each method, by name: correct and certified by it / all.
    pub methods: BTreeMap<String, Counted>,
    /// How many inputs each stage or attack decided.
    pub decided_by: BTreeMap<String, usize>,
    /// How many inputs are undecided for each reason.
    pub reasons: BTreeMap<String, usize>,
    /// For each class: [of the class, correct, unbroken, certified].
    pub classes: Vec<[usize; 4]>,
}

/// A counterexample to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShownRecord {
    pub model: String,
    pub data: String,
    /// Position in the dataset.
    pub index: usize,
    /// The radius at which it was found, exact.
    pub epsilon: String,
    /// Its file, relative to the report.
    pub file: String,
    /// The right class.
    pub label: usize,
    /// The network's class at the counterexample.
    pub class: usize,
    /// The network's outputs at the input as it is.
    pub outputs: Vec<f64>,
    /// The network's outputs at the counterexample.
    pub perturbed_outputs: Vec<f64>,
    /// The input as it is.
    pub original: Vec<f64>,
    pub perturbed: Vec<f64>,
}
