//! report.json of an audit: what was run, what came out, every row.

use super::setup::Setup;
use crate::audit::classification::Averages;
use crate::audit::radius::Spread;
use crate::audit::{About, AuditRow, FileRecord, Interval, OutOfDistribution};
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

/// A count out of a total, with a 95 % interval for the share among all inputs of which these are a sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct CountRecord {
    /// The count.
    pub count: usize,
    /// The total.
    pub total: usize,
    /// Their quotient; null for 0 / 0.
    pub value: Option<f64>,
    /// Clopper and Pearson's interval at 95 %; null for 0 / 0.
    pub interval: Option<Interval>,
}

/// A criterion, and whether one model meets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CriterionRecord {
    pub model: String,
    pub data: String,
    /// `clean`, `adversarial`, `certified` or `stability`.
    pub measure: String,
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
    pub clean: ClassificationRecord,
    /// At each radius.
    pub cells: Vec<CellRecord>,
    /// Normalised area under certified accuracy over ε from 0 to the largest radius; null without methods.
    pub robustness_score: Option<f64>,
    /// Under every corruption and severity.
    pub shifts: Vec<ShiftRecord>,
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

/// Accuracy under one corruption at one severity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShiftRecord {
    /// The corruption.
    pub corruption: String,
    /// 1 to 5.
    pub severity: u8,
    /// How strong that is.
    pub parameter: f64,
    /// Correct / all.
    pub accuracy: CountRecord,
    /// Clean accuracy minus this.
    pub absolute_drop: Option<f64>,
    /// The same over the clean accuracy.
    pub relative_drop: Option<f64>,
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
    pub adversarial: CountRecord,
    /// For each attack, by name: broken by it at this radius / correct.
    pub attacks: BTreeMap<String, CountRecord>,
}

/// A semantic perturbation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SemanticRecord {
    pub name: String,
    /// Correct and certified / asked about.
    pub certified: CountRecord,
    /// Correct and neither / asked about.
    pub undecided: CountRecord,
    /// Correct and broken / asked about.
    pub broken: CountRecord,
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

/// Accuracy on clean data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClassificationRecord {
    /// Correct / all.
    pub accuracy: CountRecord,
    /// Unweighted mean over the classes that occur.
    pub macro_average: Option<Averages>,
    /// Mean weighted by how often classes occur.
    pub weighted_average: Option<Averages>,
    /// Mean one-vs-rest area under the ROC curve.
    pub roc_auc_macro: Option<f64>,
    /// The same, weighted.
    pub roc_auc_weighted: Option<f64>,
    /// By class.
    pub classes: Vec<ClassRecord>,
    /// Rows: labels; columns: predictions.
    pub confusion: Vec<Vec<usize>>,
    /// Inputs of each class whose largest output is not unique.
    pub undecided: Vec<usize>,
}

/// A class; null for 0 / 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClassRecord {
    /// Inputs of the class.
    pub support: usize,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
    /// One-vs-rest area under the ROC curve.
    pub roc_auc: Option<f64>,
}

/// A model on a dataset at one radius.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CellRecord {
    /// The radius, exact.
    pub epsilon: String,
    /// The double nearest to it.
    pub epsilon_value: f64,
    /// Correct / all.
    pub clean: CountRecord,
    /// Correct and unbroken by every attack and method, here and at smaller radii / all.
    pub adversarial: CountRecord,
    /// Correct and certified / all.
    pub certified: CountRecord,
    /// Correct, neither broken nor certified / all.
    pub undecided: CountRecord,
    /// The predicted class, right or wrong, is proved constant / all: the stability index.
    pub stability: CountRecord,
    /// For each attack, by name: broken by it at this radius / correct.
    pub attacks: BTreeMap<String, CountRecord>,
    /// For each method, by name: correct and certified by it / all.
    pub methods: BTreeMap<String, CountRecord>,
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
