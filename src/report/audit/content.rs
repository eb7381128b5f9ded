//! report.json of an audit: what was run, what came out, every row.

use super::setup::Setup;
use crate::audit::interval::Counted;
use crate::audit::radius::Spread;
use crate::audit::shift::Shifted;
use crate::audit::{
    About, AuditRow, Classification, FileRecord, JudgedBy, Judgement, Measure, OutOfDistribution,
    OverSeeds, Paired,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A whole audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AuditReport {
    /// What was run.
    #[serde(flatten)]
    pub(crate) setup: Setup,
    /// Who asked and what for.
    pub(crate) about: About,
    /// The criteria, and whether they are met.
    pub(crate) criteria: Vec<CriterionRecord>,
    /// A model on a dataset: one each.
    pub(crate) subjects: Vec<SubjectRecord>,
    /// Every two models of a dataset on the same inputs.
    #[serde(default)]
    pub(crate) comparisons: Vec<ComparisonRecord>,
    /// Figures over the models of a recipe, which differ by their seed alone.
    #[serde(default)]
    pub(crate) recipes: Vec<RecipeRecord>,
    /// Counterexamples to look at.
    pub(crate) shown: Vec<ShownRecord>,
    /// Every other file of the folder but those made of this one, with its hash.
    pub(crate) files: Vec<FileRecord>,
    /// The fields that may differ between two runs with equal setups.
    pub(crate) varies_between_runs: Vec<String>,
    /// When, where and how long.
    pub(crate) run: RunRecord,
    /// One row an input and radius.
    pub(crate) rows: Vec<AuditRow>,
}

/// When, where, how long. Varies between runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RunRecord {
    /// When it was begun, in UTC; null where the report is to be reproducible to the byte, as is everything below.
    pub(crate) started: Option<String>,
    /// The machine's name.
    pub(crate) host: Option<String>,
    /// Operating system and processor architecture.
    pub(crate) system: Option<String>,
    /// The processor.
    pub(crate) processor: Option<String>,
    /// Its logical cores.
    pub(crate) cores: Option<usize>,
    /// The machine's memory, in bytes.
    pub(crate) memory: Option<u64>,
    /// SHA-256 of the program's file.
    pub(crate) program_sha256: Option<String>,
    /// Inputs handled at once.
    pub(crate) jobs: Option<usize>,
    /// The command, as it was typed.
    pub(crate) command_line: Option<String>,
    /// Time of all steps of a kind, in seconds.
    pub(crate) seconds: BTreeMap<String, f64>,
}

/// A criterion, and whether one model meets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CriterionRecord {
    pub(crate) model: String,
    pub(crate) data: String,
    /// `clean`, `adversarial`, `certified` or `stability`.
    pub(crate) measure: Measure,
    /// The radius, exact; null for the clean accuracy.
    pub(crate) epsilon: Option<String>,
    /// The least share.
    pub(crate) at_least: f64,
    /// By which number it is judged: `lower-bound`, the lower end of the 95 % interval, or `share`.
    pub(crate) judged_by: JudgedBy,
    /// The share that was found, with its interval.
    pub(crate) found: Counted,
    /// `met`, `not-met`, or `not-shown`: the share reaches it, and the lower end of its interval does not.
    pub(crate) result: Judgement,
}

impl CriterionRecord {
    /// What it is about: digits, certified on MNIST: certified at ε = 1/10.
    pub(crate) fn title(&self) -> String {
        let radius = self.epsilon.as_ref().map_or(String::new(), |eps| format!(" at ε = {eps}"));
        format!("{} on {}: {}{radius}", self.model, self.data, self.measure)
    }

    /// What was required, found and concluded.
    pub(crate) fn sentence(&self) -> String {
        let Counted { count, total, value, interval } = &self.found;
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let low = interval.map_or(String::new(), |ends| {
            format!(", 95 % interval {} to {}", percent(ends.low), percent(ends.high))
        });
        format!(
            "{}: at least {} is required, {count} of {total} were found ({}{low})",
            self.result.name(),
            percent(self.at_least),
            value.map_or_else(|| "–".to_owned(), percent)
        )
    }
}

/// Two models on the same inputs, by one measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ComparisonRecord {
    pub(crate) data: String,
    /// One model.
    pub(crate) first: String,
    /// The other.
    pub(crate) second: String,
    /// What holds of an input or not: `clean`, `adversarial`, `certified` or `stability`.
    pub(crate) measure: Measure,
    /// The radius, exact; null for the clean accuracy.
    pub(crate) epsilon: Option<String>,
    #[serde(flatten)]
    pub(crate) paired: Paired,
    /// The p-value after Holm's adjustment for all comparisons of the report.
    pub(crate) adjusted: f64,
}

/// A figure of the models of one recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RecipeRecord {
    pub(crate) recipe: String,
    pub(crate) data: String,
    /// The models, in the plan's order.
    pub(crate) models: Vec<String>,
    /// The share: `clean`, `adversarial`, `certified` or `stability`.
    pub(crate) measure: Measure,
    /// The radius, exact; null for the clean accuracy.
    pub(crate) epsilon: Option<String>,
    /// Inputs of each share.
    pub(crate) inputs: usize,
    #[serde(flatten)]
    pub(crate) shares: OverSeeds,
}

/// A model on a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SubjectRecord {
    pub(crate) model: String,
    pub(crate) data: String,
    /// On the inputs as they are.
    pub(crate) clean: Classification,
    /// At each radius.
    pub(crate) cells: Vec<CellRecord>,
    /// Normalised area under certified accuracy over ε from 0 to the largest radius; null without methods.
    pub(crate) robustness_score: Option<f64>,
    /// Under every corruption and severity.
    pub(crate) shifts: Vec<Shifted>,
    /// Confidence on inputs of another kind.
    pub(crate) outside: Option<OutsideRecord>,
    /// At each Euclidean radius.
    pub(crate) euclidean: Vec<EuclideanRecord>,
    /// Semantic perturbations.
    pub(crate) semantics: Vec<SemanticRecord>,
    /// Certified and attacked radii.
    pub(crate) radius: Option<RadiiRecord>,
    /// Signs of masked gradients.
    pub(crate) masking: Vec<SignRecord>,
}

/// Confidence on inputs of another kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OutsideRecord {
    /// The other dataset's name.
    pub(crate) data: String,
    /// How many of its inputs were used.
    pub(crate) inputs: usize,
    /// The model's confidence on its own inputs, inside, and on these.
    #[serde(flatten)]
    pub(crate) found: OutOfDistribution,
}

/// Euclidean attacks at one radius.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct EuclideanRecord {
    /// The radius, exact.
    pub(crate) epsilon: String,
    /// The double nearest to it.
    pub(crate) epsilon_value: f64,
    /// Correct and unbroken, here and at smaller radii / all.
    pub(crate) adversarial: Counted,
    /// For each attack, by name: broken by it at this radius / correct.
    pub(crate) attacks: BTreeMap<String, Counted>,
}

/// A semantic perturbation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SemanticRecord {
    pub(crate) name: String,
    /// Correct and certified / asked about.
    pub(crate) certified: Counted,
    /// Correct and neither / asked about.
    pub(crate) undecided: Counted,
    /// Correct and broken / asked about.
    pub(crate) broken: Counted,
}

/// Certified and attacked radii.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RadiiRecord {
    /// How many inputs were asked about.
    pub(crate) inputs: usize,
    /// The largest radius asked about.
    pub(crate) up_to: f64,
    /// Certified radii.
    pub(crate) certified: Spread<[f64; 2]>,
    /// Distances of counterexamples.
    pub(crate) attacked: Spread<[f64; 2]>,
    /// Of every correct input: [certified, attacked], null beyond the largest.
    pub(crate) brackets: Vec<[Option<f64>; 2]>,
}

/// One sign of masked gradients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SignRecord {
    pub(crate) name: String,
    /// Whether it shows; null where it was not checked.
    pub(crate) raised: Option<bool>,
    /// What was compared.
    pub(crate) evidence: String,
}

/// A model on a dataset at one radius.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CellRecord {
    /// The radius, exact.
    pub(crate) epsilon: String,
    /// The double nearest to it.
    pub(crate) epsilon_value: f64,
    /// Correct / all.
    pub(crate) clean: Counted,
    /// Correct and unbroken by every attack and method, here and at smaller radii / all.
    pub(crate) adversarial: Counted,
    /// Correct and certified / all.
    pub(crate) certified: Counted,
    /// Correct, neither broken nor certified / all.
    pub(crate) undecided: Counted,
    /// The predicted class, right or wrong, is proved constant / all: the stability index.
    pub(crate) stability: Counted,
    /// For each attack, by name: broken by it at this radius / correct.
    pub(crate) attacks: BTreeMap<String, Counted>,
    /// For each method, by name: correct and certified by it / all.
    pub(crate) methods: BTreeMap<String, Counted>,
    /// How many inputs each stage or attack decided.
    pub(crate) decided_by: BTreeMap<String, usize>,
    /// How many inputs are undecided for each reason.
    pub(crate) reasons: BTreeMap<String, usize>,
    /// For each class: [of the class, correct, unbroken, certified].
    pub(crate) classes: Vec<[usize; 4]>,
}

/// A counterexample to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ShownRecord {
    pub(crate) model: String,
    pub(crate) data: String,
    /// Position in the dataset.
    pub(crate) index: usize,
    /// The radius at which it was found, exact.
    pub(crate) epsilon: String,
    /// Its file, relative to the report.
    pub(crate) file: String,
    /// The right class.
    pub(crate) label: usize,
    /// The network's class at the counterexample.
    pub(crate) class: usize,
    /// The network's outputs at the input as it is.
    pub(crate) outputs: Vec<f64>,
    /// The network's outputs at the counterexample.
    pub(crate) perturbed_outputs: Vec<f64>,
    /// The input as it is.
    pub(crate) original: Vec<f64>,
    pub(crate) perturbed: Vec<f64>,
}
