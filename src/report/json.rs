//! report.json: what was run, what came out, every row, every counterexample's file.

use super::{Level, RowRecord};
use crate::attack::{AttackSettings, Motion};
use crate::audit::{Breach, Row, Share, Summary, Task};
use crate::num::{Rational, to_f64_nearest};
use crate::verify::Settings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the report's and the journal's format; it grows when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// The fields of a report that may differ between two runs of the same campaign.
const VARIES: [&str; 2] = ["timing", "rows[].seconds"];

/// The program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// This program.
    #[must_use]
    pub fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// An exact number, and the double nearest to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decimal {
    /// The number as a reduced fraction; it alone counts.
    pub exact: String,
    /// The double nearest to it.
    pub value: f64,
}

impl From<&Rational> for Decimal {
    fn from(number: &Rational) -> Self {
        Self { exact: number.to_string(), value: to_f64_nearest(number) }
    }
}

impl std::fmt::Display for Decimal {
    /// A decimal where that is exact, else the fraction: 0.1, 8/255.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let decimal = self.value.to_string();
        let same = crate::num::parse_rational(&decimal).is_ok_and(|q| q.to_string() == self.exact);
        f.pad(if same { &decimal } else { &self.exact })
    }
}

/// The network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Its file, as it was given.
    pub file: String,
    /// SHA-256 of the file; where weights lie in other files, of the lines of its hash and theirs.
    pub sha256: String,
    /// Files that hold weights outside the model file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<FileRecord>,
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Number of parameters.
    pub parameters: usize,
    /// Number of ReLU neurons.
    pub relus: usize,
    /// What the reader has to say.
    pub notes: Vec<String>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its name.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// The dataset, and how its values were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Its file, as it was given.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Every file read: the data, the settings beside them, the labels.
    pub files: Vec<FileRecord>,
    /// Number of inputs in it.
    pub inputs: usize,
    /// Settings given on the command line, which go before those beside the data.
    pub overrides: BTreeMap<String, String>,
    /// Names of the classes, where declared.
    pub classes: Vec<String>,
}

/// The attack's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttackRecord {
    /// Which attacks, in order, separated by commas.
    pub kind: String,
    /// Starting points.
    pub restarts: usize,
    /// Steps from each.
    pub steps: usize,
    /// Queries from each of the attack without gradients.
    #[serde(default)]
    pub queries: usize,
    /// First step, in half-widths of the region.
    pub step: f64,
    /// Momentum.
    pub momentum: f64,
    /// How the step shrinks.
    pub schedule: String,
    /// What is minimised.
    pub loss: String,
    /// Whether targeted attacks follow.
    pub targeted: bool,
}

impl From<&AttackSettings> for AttackRecord {
    fn from(attack: &AttackSettings) -> Self {
        // Campaigns ask about classes.
        let motion = attack.motion.unwrap_or(Motion::CLASSES);
        Self {
            kind: attack.names(),
            restarts: attack.restarts,
            steps: attack.steps,
            queries: attack.queries,
            step: motion.step,
            momentum: motion.momentum,
            schedule: attack.schedule.to_string(),
            loss: attack.loss.to_string(),
            targeted: attack.targeted,
        }
    }
}

/// Every choice that the results depend on. The number of jobs is none: it is in [`Timing`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettingsRecord {
    /// The norm of the perturbation.
    pub norm: String,
    /// The radius.
    pub epsilon: Decimal,
    /// How many inputs were asked for, from the first; null for all.
    pub limit: Option<usize>,
    /// The certification method; null where none was asked for.
    pub method: Option<String>,
    /// How many neurons are tightened by LP.
    #[serde(default)]
    pub lp_tighten: usize,
    /// Whether proofs were asked for.
    #[serde(default)]
    pub proofs: bool,
    /// The attack.
    pub attack: AttackRecord,
    /// Time limit an input, in seconds.
    pub timeout: Option<f64>,
    /// Seed of everything random.
    pub seed: u64,
}

impl SettingsRecord {
    /// The settings of a campaign.
    #[must_use]
    pub fn new(task: Task, settings: &Settings, epsilon: &Rational, limit: Option<usize>) -> Self {
        Self {
            norm: "linf".to_owned(),
            epsilon: epsilon.into(),
            limit,
            method: (task == Task::Certify).then(|| settings.method.to_string()),
            lp_tighten: settings.lp_tighten,
            proofs: false,
            attack: (&settings.attack).into(),
            timeout: settings.timeout.map(|limit| limit.as_secs_f64()),
            seed: settings.seed,
        }
    }
}

/// What was run: the head of a report and the first line of its journal. Equal headers give equal reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header<S = SettingsRecord> {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program.
    pub tool: Tool,
    /// `certify`, `attack` or `radius`.
    pub command: String,
    /// What a network means: `real`, a function over the real numbers.
    pub semantics: String,
    /// The network.
    pub model: ModelRecord,
    /// The dataset.
    pub data: DataRecord,
    /// The choices.
    pub settings: S,
}

impl Header {
    /// The header of a campaign of this program.
    #[must_use]
    pub fn new(task: Task, model: ModelRecord, data: DataRecord, settings: SettingsRecord) -> Self {
        let command = match task {
            Task::Certify => "certify",
            Task::Attack => "attack",
        };
        Self::of(command, model, data, settings)
    }
}

impl<S> Header<S> {
    /// The header of a run of this program.
    #[must_use]
    pub fn of(command: &str, model: ModelRecord, data: DataRecord, settings: S) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool::this(),
            command: command.to_owned(),
            semantics: "real".to_owned(),
            model,
            data,
            settings,
        }
    }
}

/// A count out of a total.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ShareRecord {
    /// The count.
    pub numerator: usize,
    /// The total.
    pub denominator: usize,
    /// Their quotient; null for 0 / 0.
    pub value: Option<f64>,
}

impl From<Share> for ShareRecord {
    fn from(share: Share) -> Self {
        Self { numerator: share.count, denominator: share.total, value: share.value() }
    }
}

/// The figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SummaryRecord {
    /// Correct / all.
    pub clean_accuracy: ShareRecord,
    /// Correct and no counterexample known / all; without an attack that is no more than the clean accuracy.
    pub adversarial_accuracy: ShareRecord,
    /// Broken / correct.
    pub attack_success_rate: ShareRecord,
    /// The same for each of several attacks that were run side by side; otherwise absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attacks: BTreeMap<String, ShareRecord>,
    /// Correct and certified / all; null where no certification was asked for.
    pub certified_accuracy: Option<ShareRecord>,
    /// Correct, unbroken and not certified / all; null where no certification was asked for.
    pub undecided: Option<ShareRecord>,
    /// How many inputs each stage decided.
    pub stages: BTreeMap<String, usize>,
    /// How many inputs are unknown for each reason.
    pub reasons: BTreeMap<String, usize>,
}

/// How long it took. Varies between runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Inputs handled at once.
    pub jobs: usize,
    /// Wall-clock time of this run of the program, loading included.
    pub wall_seconds: f64,
    /// Sum of the rows' times.
    pub input_seconds: f64,
    /// Rows taken over from an earlier run's journal.
    pub resumed_rows: usize,
}

/// A whole report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was run.
    #[serde(flatten)]
    pub header: Header,
    /// The weakest level among the certified rows; null where none is certified.
    pub assurance_level: Option<Level>,
    /// The figures.
    pub summary: SummaryRecord,
    /// Counterexamples, and proofs with their properties, with their hashes.
    #[serde(default)]
    pub files: Vec<FileRecord>,
    /// The fields that may differ between two runs with equal headers.
    pub varies_between_runs: Vec<String>,
    /// How long it took.
    pub timing: Timing,
    /// One row an input, by index.
    pub rows: Vec<RowRecord>,
}

impl Report {
    /// The report of finished rows, in any order.
    ///
    /// # Errors
    /// Where rows contradict each other, or certified ≤ adversarial ≤ clean does not hold.
    pub fn new(
        header: Header,
        rows: &[Row],
        jobs: usize,
        wall_seconds: f64,
        resumed_rows: usize,
    ) -> Result<Self, Breach> {
        let summary = Summary::of(rows)?;
        let certifying = header.settings.method.is_some();
        let mut rows: Vec<RowRecord> = rows.iter().map(RowRecord::from).collect();
        rows.sort_by_key(|row| row.index);
        let input_seconds = rows.iter().map(|row| row.seconds).sum();
        Ok(Self {
            header,
            assurance_level: rows.iter().filter_map(|row| row.assurance).min(),
            summary: SummaryRecord {
                clean_accuracy: summary.clean.into(),
                adversarial_accuracy: summary.adversarial.into(),
                attack_success_rate: summary.attack_success.into(),
                attacks: summary
                    .attacks
                    .into_iter()
                    .map(|(kind, share)| (kind.to_string(), share.into()))
                    .collect(),
                certified_accuracy: certifying.then(|| summary.certified.into()),
                undecided: certifying.then(|| summary.undecided.into()),
                stages: summary.stages,
                reasons: summary.reasons,
            },
            files: Vec::new(),
            varies_between_runs: VARIES.map(str::to_owned).to_vec(),
            timing: Timing { jobs, wall_seconds, input_seconds, resumed_rows },
            rows,
        })
    }

    /// The report as JSON text: indented, but a row on one line.
    ///
    /// # Errors
    /// Where the serialiser fails, which it does for no value of this type.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let head = serde_json::to_string_pretty(&Self { rows: Vec::new(), ..self.clone() })?;
        with_rows(&head, &self.rows)
    }
}

/// Puts rows, each on one line, into the empty list that ends a pretty JSON object.
pub(super) fn with_rows<R: Serialize>(head: &str, rows: &[R]) -> serde_json::Result<String> {
    let rows = rows.iter().map(serde_json::to_string).collect::<serde_json::Result<Vec<_>>>()?;
    let Some(head) = head.strip_suffix("[]\n}").filter(|_| !rows.is_empty()) else {
        return Ok(format!("{head}\n"));
    };
    Ok(format!("{head}[\n    {}\n  ]\n}}\n", rows.join(",\n    ")))
}
