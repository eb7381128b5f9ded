//! What an audit was set up to do: the head of its journal and of its report.

use crate::audit::semantic::{Fill, Perturbation};
use crate::audit::{
    AttackPlan, Exact, FileRecord, MethodPlan, Plan, ProofPlan, RadiusPlan, SemanticKind,
    SemanticPlan,
};
use crate::report::{AsRead, AttackRecord, Tool};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far our outputs are from given reference outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Agreement {
    /// The file with the reference outputs.
    pub(crate) file: String,
    /// SHA-256 of it.
    pub(crate) sha256: String,
    /// How many inputs it has.
    pub(crate) inputs: usize,
    /// The largest |ours − theirs| over all outputs.
    pub(crate) max_difference: f64,
    /// The largest |theirs|.
    pub(crate) max_output: f64,
    /// On how many inputs both have the same arg max.
    pub(crate) same_class: usize,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AuditModel {
    /// Its name in the plan.
    pub(crate) name: String,
    /// Its file, as the plan names it.
    pub(crate) file: String,
    /// SHA-256 of the file; where weights lie in other files, of the lines of its hash and theirs.
    pub(crate) sha256: String,
    /// Files with weights outside it.
    pub(crate) external: Vec<FileRecord>,
    /// How it was trained, as the plan says.
    pub(crate) training: String,
    /// The recipe that it shares with models that differ by their seed alone; empty for none.
    #[serde(default)]
    pub(crate) recipe: String,
    /// Shape of the input tensor.
    pub(crate) input_shape: Vec<usize>,
    /// Shape of the output tensor.
    pub(crate) output_shape: Vec<usize>,
    /// Number of parameters.
    pub(crate) parameters: usize,
    /// Number of ReLU neurons.
    pub(crate) relus: usize,
    /// How often each operator occurs in the file.
    pub(crate) operators: BTreeMap<String, usize>,
    /// What the reader has to say.
    pub(crate) notes: Vec<String>,
    /// Agreement with reference outputs, where the plan gives some.
    pub(crate) agreement: Option<Agreement>,
}

/// A dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AuditData {
    /// Its name in the plan.
    pub(crate) name: String,
    /// Its file, as the plan names it.
    pub(crate) file: String,
    /// Every file read, with its hash.
    pub(crate) files: Vec<FileRecord>,
    /// Settings in the plan, which go before those beside the data.
    pub(crate) overrides: BTreeMap<String, String>,
    /// Number of inputs in it.
    pub(crate) inputs: usize,
    /// How many of them were used: the first ones.
    pub(crate) used: usize,
    /// Shape of an input.
    pub(crate) shape: Vec<usize>,
    /// Names of the features, where a table has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) features: Option<Vec<String>>,
    /// Names of the classes; their numbers where they have none.
    pub(crate) classes: Vec<String>,
    /// How often each class occurs among the inputs used.
    pub(crate) class_counts: Vec<usize>,
    /// Where the inputs come from, as the plan says.
    pub(crate) split: String,
    /// What ε is measured in, as the plan says.
    pub(crate) unit: String,
    /// Stored value × scale = these units.
    pub(crate) scale: String,
    /// The valid range, where all features have the same; null where there is none.
    pub(crate) domain: Option<[f64; 2]>,
    /// Whether normalisation was folded into the network.
    pub(crate) normalised: bool,
    /// Whether ε is scaled feature by feature.
    pub(crate) scaled_epsilon: bool,
    /// The factor of ε of each feature, where it is scaled: nearest doubles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epsilon_factors: Option<Vec<f64>>,
    pub(crate) epsilons: Vec<Exact>,
    /// The radii of Euclidean attacks.
    pub(crate) l2_epsilons: Vec<Exact>,
    /// The largest radius that bisection asks about.
    pub(crate) radius_up_to: Exact,
    /// The dataset whose inputs the models should be unsure about.
    pub(crate) outside: Option<String>,
}

/// What a first look at a model and a dataset says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SubjectLook {
    pub(crate) model: String,
    pub(crate) data: String,
    /// What the numbers are and mean, and what may be wrong.
    pub(crate) as_read: AsRead,
}

/// A semantic perturbation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SemanticSetup {
    /// Its name in the plan.
    pub(crate) name: String,
    /// What is done, in words.
    pub(crate) what: String,
    /// How many inputs of each dataset are asked about; null for all.
    pub(crate) inputs: Option<usize>,
    /// The certification method.
    pub(crate) method: String,
}

impl From<&SemanticPlan> for SemanticSetup {
    fn from(plan: &SemanticPlan) -> Self {
        Self {
            name: plan.name.clone(),
            what: words(&plan.kind),
            inputs: plan.inputs,
            method: plan.method.to_string(),
        }
    }
}

/// A semantic perturbation in words.
fn words(kind: &SemanticKind) -> String {
    let number = |q: &crate::num::Rational| Exact::from(q).to_string();
    match kind {
        SemanticKind::One(Perturbation::Brightness { by }) => {
            format!("all values together brighter or darker by at most {}", number(by))
        }
        SemanticKind::One(Perturbation::Contrast { by }) => {
            format!(
                "contrast around the channel's mean changed by a factor within 1 ± {}",
                number(by)
            )
        }
        SemanticKind::One(Perturbation::Light { brightness, contrast }) => format!(
            "brightness by at most {} and contrast within 1 ± {}, in every combination",
            number(brightness),
            number(contrast)
        ),
        SemanticKind::One(Perturbation::Haze { up_to }) => {
            format!("even fog from none to a share of {}", number(up_to))
        }
        SemanticKind::One(Perturbation::Occlusion { patch, fill }) => format!(
            "{} × {} pixels covered at row {}, column {}, {}",
            patch.height,
            patch.width,
            patch.top,
            patch.left,
            filled(*fill)
        ),
        SemanticKind::Squares { side, stride, fill } => {
            format!(
                "a square of {side} × {side} pixels covered, at every {} place, {}",
                ordinal(*stride),
                filled(*fill)
            )
        }
    }
}

fn filled(fill: Fill) -> &'static str {
    match fill {
        Fill::Anything => "with any values",
        Fill::Colour => "with any one colour",
        Fill::Shadow => "by a shadow from none to black",
    }
}

fn ordinal(stride: usize) -> String {
    if stride == 1 { "single".to_owned() } else { format!("{stride}-th") }
}

/// An attack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AttackSetup {
    /// Its name in the plan.
    pub(crate) name: String,
    /// How it goes about it.
    pub(crate) settings: AttackRecord,
}

impl From<&AttackPlan> for AttackSetup {
    fn from(plan: &AttackPlan) -> Self {
        Self { name: plan.name.clone(), settings: (&plan.settings).into() }
    }
}

/// The program, and what it was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Build {
    /// Name and version.
    #[serde(flatten)]
    pub(crate) tool: Tool,
    /// The commit, where the build was told (`CERTUS_COMMIT`).
    pub(crate) commit: Option<String>,
    /// Cargo features that are on.
    pub(crate) features: Vec<String>,
}

impl Build {
    /// This program.
    pub(crate) fn this() -> Self {
        let features = if cfg!(feature = "highs") { vec!["highs".to_owned()] } else { Vec::new() };
        let commit = option_env!("CERTUS_COMMIT").filter(|commit| !commit.is_empty());
        Self { tool: Tool::this(), commit: commit.map(str::to_owned), features }
    }
}

/// Everything that results depend on. Equal setups give equal results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Setup {
    /// Version of the format.
    pub(crate) schema_version: u32,
    /// `audit`.
    pub(crate) command: String,
    pub(crate) build: Build,
    /// What a network means: `real`, a function over the real numbers.
    pub(crate) semantics: String,
    /// Seed of everything random.
    pub(crate) seed: u64,
    /// Time limit of one step on one input, in seconds.
    pub(crate) timeout: Option<f64>,
    pub(crate) models: Vec<AuditModel>,
    pub(crate) data: Vec<AuditData>,
    /// One a model and dataset; absent in reports of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) looks: Vec<SubjectLook>,
    pub(crate) attacks: Vec<AttackSetup>,
    /// Attacks in the Euclidean norm.
    pub(crate) l2_attacks: Vec<AttackSetup>,
    pub(crate) methods: Vec<MethodPlan>,
    /// Corruptions, by name.
    pub(crate) shifts: Vec<String>,
    /// Semantic perturbations.
    pub(crate) perturbations: Vec<SemanticSetup>,
    /// How radii are searched; null where they are not.
    pub(crate) radius: Option<RadiusPlan>,
    /// How proofs are made; null where they are not.
    pub(crate) proofs: Option<ProofPlan>,
    /// On how many inputs of each dataset signs of masked gradients are looked for.
    pub(crate) masking: usize,
}

impl Setup {
    /// The setup of a plan whose files were read.
    pub(crate) fn new(
        plan: &Plan,
        models: Vec<AuditModel>,
        data: Vec<AuditData>,
        looks: Vec<SubjectLook>,
    ) -> Self {
        Self {
            schema_version: crate::report::SCHEMA_VERSION,
            command: "audit".to_owned(),
            build: Build::this(),
            semantics: "real".to_owned(),
            seed: plan.seed,
            timeout: plan.timeout.map(|limit| limit.as_secs_f64()),
            models,
            data,
            looks,
            attacks: plan.attacks.iter().map(Into::into).collect(),
            l2_attacks: plan.l2_attacks.iter().map(Into::into).collect(),
            methods: plan.methods.clone(),
            shifts: plan.shifts.iter().map(ToString::to_string).collect(),
            perturbations: plan.semantics.iter().map(Into::into).collect(),
            radius: plan.radius.clone(),
            proofs: plan.proofs.clone(),
            masking: plan.masking,
        }
    }
}
