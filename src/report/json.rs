//! report.json: what was run, what came out, every row, every counterexample's file.

use super::AsRead;
use crate::attack::{AttackSettings, Motion};
use crate::audit::radius::{CENSORING, RadiusSummary};
use crate::audit::score::ROBUSTNESS_SCORE;
use crate::audit::shard::Shard;
use crate::audit::{Breach, Exact, FileRecord, Grid, Line, RadiusRow, Row, Summary, Task};
use crate::load::LoadSettings;
use crate::net::Semantics;
use crate::num::Rational;
use crate::spec::Norm;
use crate::verify::{AssuranceLevel, Settings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the report's and the journal's format; it grows when a field comes, goes or changes its meaning: docs/report.md has a list.
pub(crate) const SCHEMA_VERSION: u32 = 3;

/// The fields of a report that may differ between two runs of the same campaign.
const VARIES: [&str; 2] = ["timing", "rows[].seconds"];

/// The same where proofs are kept: exact arithmetic, which may raise a level, is given time.
const OF_PROOFS: [&str; 2] = ["assurance_level", "rows[].assurance"];

/// The program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Tool {
    /// This program.
    pub(crate) fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// The network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ModelRecord {
    /// Its file, as it was given.
    pub(crate) file: String,
    /// SHA-256 of the file; where weights lie in other files, of the lines of its hash and theirs.
    pub(crate) sha256: String,
    /// Files that hold weights outside the model file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) external: Vec<FileRecord>,
    /// The output that is asked about, where it was chosen by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
    /// Inputs that are constants, and the files that hold them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) constants: BTreeMap<String, String>,
    /// Number of inputs.
    pub(crate) inputs: usize,
    /// Number of outputs.
    pub(crate) outputs: usize,
    /// Number of parameters.
    pub(crate) parameters: usize,
    /// Number of ReLU neurons.
    pub(crate) relus: usize,
    /// What the reader has to say.
    pub(crate) notes: Vec<String>,
}

impl ModelRecord {
    /// What was asked of the file.
    pub(crate) fn ports(&self) -> LoadSettings {
        let inputs = self.constants.iter().map(|(name, file)| (name.clone(), file.into()));
        let (output, inputs) = (self.output.clone(), inputs.collect());
        LoadSettings { output, inputs, ..LoadSettings::default() }
    }
}

/// The dataset, and how its values were read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DataRecord {
    /// Its file, as it was given.
    pub(crate) file: String,
    /// SHA-256 of the file.
    pub(crate) sha256: String,
    /// Every file read: the data, the settings beside them, the labels.
    pub(crate) files: Vec<FileRecord>,
    /// Number of inputs in it.
    pub(crate) inputs: usize,
    /// Settings given on the command line, which go before those beside the data.
    pub(crate) overrides: BTreeMap<String, String>,
    /// Names of the classes, where declared.
    pub(crate) classes: Vec<String>,
}

/// The attack's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AttackRecord {
    /// Which attacks, in order, separated by commas.
    pub(crate) kind: String,
    /// Starting points.
    pub(crate) restarts: usize,
    /// Steps from each.
    pub(crate) steps: usize,
    /// Queries from each of the attack without gradients.
    #[serde(default)]
    pub(crate) queries: usize,
    /// First step, in half-widths of the region.
    pub(crate) step: f64,
    /// Momentum.
    pub(crate) momentum: f64,
    /// How the step shrinks.
    pub(crate) schedule: String,
    /// What is minimised.
    pub(crate) loss: String,
    /// Whether targeted attacks follow.
    pub(crate) targeted: bool,
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CampaignSettings {
    /// The norm of the perturbation.
    pub(crate) norm: String,
    /// The radius, where one is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epsilon: Option<Exact>,
    /// The largest radius, where radii are searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_epsilon: Option<Exact>,
    /// Certified radii are whole multiples of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<Exact>,
    /// How many inputs were asked for, from the first; null for all.
    pub(crate) limit: Option<usize>,
    /// The shard, where only one was asked for; absent in reports of whole campaigns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<Shard>,
    /// The certification method; null where none was asked for.
    pub(crate) method: Option<String>,
    /// How many neurons are tightened by LP.
    #[serde(default)]
    pub(crate) lp_tighten: usize,
    /// Whether proofs were asked for; absent where none can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proofs: Option<bool>,
    /// SHA-256 of the verified checker, where it was asked about proofs; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<String>,
    pub(crate) attack: AttackRecord,
    /// Time limit an input, in seconds, for all its radii.
    pub(crate) timeout: Option<f64>,
    /// Seed of everything random.
    pub(crate) seed: u64,
}

impl CampaignSettings {
    fn new(settings: &Settings, norm: String, limit: Option<usize>) -> Self {
        Self {
            norm,
            epsilon: None,
            max_epsilon: None,
            step: None,
            limit,
            shard: None,
            method: Some(settings.method.to_string()),
            lp_tighten: settings.lp_tighten,
            proofs: None,
            verified: None,
            attack: (&settings.attack).into(),
            timeout: settings.timeout.map(|limit| limit.as_secs_f64()),
            seed: settings.seed,
        }
    }

    /// The settings of a campaign.
    pub(crate) fn campaign(
        task: Task,
        settings: &Settings,
        (norm, epsilon): (Norm, &Rational),
        (limit, shard): (Option<usize>, Option<Shard>),
        proofs: bool,
    ) -> Self {
        let all = Self::new(settings, norm.to_string(), limit);
        let method = all.method.filter(|_| task == Task::Certify);
        Self { epsilon: Some(epsilon.into()), shard, method, proofs: Some(proofs), ..all }
    }

    /// The settings of a search for radii.
    pub(crate) fn radii(settings: &Settings, grid: &Grid, limit: Option<usize>) -> Self {
        let (max_epsilon, step) = (Some((&grid.max()).into()), Some(grid.step().into()));
        Self { max_epsilon, step, ..Self::new(settings, "linf".to_owned(), limit) }
    }
}

/// What was run: the head of a report and the first line of its journal. Equal headers give equal reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Header {
    /// [`SCHEMA_VERSION`].
    pub(crate) schema_version: u32,
    pub(crate) tool: Tool,
    /// `certify`, `attack` or `radius`.
    pub(crate) command: String,
    /// What a network means: `real`, a function over the real numbers, or `float32`, every evaluation in that arithmetic.
    pub(crate) semantics: String,
    pub(crate) model: ModelRecord,
    pub(crate) data: DataRecord,
    pub(crate) settings: CampaignSettings,
    /// What the data's numbers are and mean, and what may be wrong with them; absent in reports of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) as_read: Option<AsRead>,
}

impl Header {
    /// The header of a run of this program.
    pub(crate) fn new(
        command: &str,
        semantics: Semantics,
        model: ModelRecord,
        data: DataRecord,
        settings: CampaignSettings,
        as_read: AsRead,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool::this(),
            command: command.to_owned(),
            semantics: semantics.to_string(),
            model,
            data,
            settings,
            as_read: Some(as_read),
        }
    }
}

/// How long it took. Varies between runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Timing {
    /// Inputs handled at once.
    pub(crate) jobs: usize,
    /// Wall-clock time of this run of the program, loading included.
    pub(crate) wall_seconds: f64,
    /// Sum of the rows' times.
    pub(crate) input_seconds: f64,
    /// Rows taken over from an earlier run's journal.
    pub(crate) resumed_rows: usize,
}

/// What the figures of a search for radii mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RadiusDefinitions {
    /// The rule for radii that are cut off.
    pub(crate) censoring: String,
    /// The robustness score.
    pub(crate) robustness_score: String,
}

/// A whole report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Report<R = Row, F = Summary> {
    /// What was run.
    #[serde(flatten)]
    pub(crate) header: Header,
    /// The weakest level among the certificates; null where there is none.
    pub(crate) assurance_level: Option<AssuranceLevel>,
    /// What the figures mean, where they are of radii.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) definitions: Option<RadiusDefinitions>,
    pub(crate) summary: F,
    /// Counterexamples, and proofs with their properties, with their hashes; absent where radii are searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<Vec<FileRecord>>,
    /// The fields that may differ between two runs with equal headers.
    pub(crate) varies_between_runs: Vec<String>,
    /// How long it took.
    pub(crate) timing: Timing,
    /// One row an input, by index.
    pub(crate) rows: Vec<R>,
}

/// The report of `certus radius`.
pub(crate) type RadiusReport = Report<RadiusRow, RadiusSummary>;

impl<R: Line + Clone, F: Serialize + Clone> Report<R, F> {
    /// `of` is a row's level and time.
    fn new(
        header: Header,
        summary: F,
        mut rows: Vec<R>,
        timing: Timing,
        of: fn(&R) -> (Option<AssuranceLevel>, f64),
    ) -> Self {
        rows.sort_by_key(Line::input);
        let proofs = header.settings.proofs == Some(true);
        let varies = VARIES.into_iter().chain(OF_PROOFS.into_iter().filter(|_| proofs));
        Self {
            header,
            assurance_level: rows.iter().filter_map(|row| of(row).0).min(),
            definitions: None,
            summary,
            files: None,
            varies_between_runs: varies.map(str::to_owned).collect(),
            timing: Timing { input_seconds: rows.iter().map(|row| of(row).1).sum(), ..timing },
            rows,
        }
    }

    /// The report as JSON text: indented, but a row on one line.
    ///
    /// # Errors
    /// Where the serialiser fails, which it does for no value of this type.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        with_rows(&Self { rows: Vec::new(), ..self.clone() }, &self.rows)
    }
}

impl Report {
    /// The report of a campaign's finished rows, in any order, without its files.
    ///
    /// # Errors
    /// Where rows contradict each other, or certified ≤ adversarial ≤ clean does not hold.
    pub(crate) fn campaign(header: Header, rows: Vec<Row>, timing: Timing) -> Result<Self, Breach> {
        let summary = Summary::of(&rows, header.settings.method.is_some())?;
        let report = Self::new(header, summary, rows, timing, |row| (row.assurance, row.seconds));
        Ok(Self { files: Some(Vec::new()), ..report })
    }
}

impl RadiusReport {
    /// The report of finished rows, in any order, of radii up to `max`.
    ///
    /// # Errors
    /// Where rows contradict each other, or a certified radius is not below its attacked one.
    pub(crate) fn radii(
        header: Header,
        rows: Vec<RadiusRow>,
        timing: Timing,
        max: &Rational,
    ) -> Result<Self, Breach> {
        let summary = RadiusSummary::of(&rows, max)?;
        let definitions = Some(RadiusDefinitions {
            censoring: CENSORING.to_owned(),
            robustness_score: ROBUSTNESS_SCORE.to_owned(),
        });
        let of = |row: &RadiusRow| (row.bracket.assurance, row.seconds);
        Ok(Self { definitions, ..Self::new(header, summary, rows, timing, of) })
    }
}

/// A report whose list of rows, its last field, is empty, with rows, each on one line.
pub(super) fn with_rows<R: Serialize>(
    report: &impl Serialize,
    rows: &[R],
) -> serde_json::Result<String> {
    let head = serde_json::to_string_pretty(report)?;
    let rows = rows.iter().map(serde_json::to_string).collect::<serde_json::Result<Vec<_>>>()?;
    let Some(head) = head.strip_suffix("[]\n}").filter(|_| !rows.is_empty()) else {
        return Ok(format!("{head}\n"));
    };
    Ok(format!("{head}[\n    {}\n  ]\n}}\n", rows.join(",\n    ")))
}
