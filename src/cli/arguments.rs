//! The arguments that `certify`, `attack` and `radius` share.

use super::exit::{Failure, USAGE};
use crate::attack::{AttackKind, AttackSettings};
use crate::audit::shard::Shard;
use crate::load::{DataSettings, DatasetError, LoadSettings};
use crate::net::Semantics;
use crate::num::{Rational, parse_rational};
use crate::verify::{Method, Settings};
use num_traits::{One, Signed, Zero};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// A network, a dataset, an ε, and how to go about it.
#[derive(Debug, clap::Args)]
pub(super) struct CampaignArguments {
    /// The largest perturbation, exactly as written: 0.1 or 8/255; in the max norm that of each feature
    #[arg(long, value_name = "EPS", allow_negative_numbers = true, value_parser = epsilon)]
    pub(crate) eps: Rational,

    #[command(flatten)]
    pub(crate) common: CommonArguments,

    /// Every N-th input alone, from the K-th on: one of N machines; 'certus merge' makes one campaign of all shards
    #[arg(long, value_name = "K/N", help_heading = "Search", hide_short_help = true)]
    pub(crate) shard: Option<Shard>,
}

/// What does not depend on ε is read as if it stood here.
impl std::ops::Deref for CampaignArguments {
    type Target = CommonArguments;

    fn deref(&self) -> &CommonArguments {
        &self.common
    }
}

/// A network, a dataset, and how to go about it.
#[derive(Debug, clap::Args)]
pub(super) struct CommonArguments {
    /// The network: .onnx or .nnet, gzipped or not
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) ports: PortArguments,

    #[command(flatten)]
    pub(crate) arithmetic: SemanticsArguments,

    /// The dataset: .npz, .npy, IDX or .csv; a .toml of the same stem beside it says how to read it
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,

    #[command(flatten)]
    pub(crate) reading: ReadingArguments,

    /// Only the first N inputs
    #[arg(long, value_name = "N", help_heading = "Search")]
    pub(crate) limit: Option<NonZeroUsize>,

    /// Time limit an input, in seconds; results then depend on the machine's speed
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Search")]
    pub(crate) timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) budget: BudgetArguments,

    /// Seed of everything random
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        help_heading = "Search",
        hide_short_help = true
    )]
    pub(crate) seed: u64,

    /// Inputs handled at once [default: the number of cores]
    #[arg(long, value_name = "N", help_heading = "Search", hide_short_help = true)]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Folder for report.json, the journal and the counterexamples
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,

    /// Go on with the campaign in the --out folder; the same campaign from the start where it holds none
    #[arg(long, requires = "out", help_heading = "Output")]
    pub(crate) resume: bool,

    /// Replace the campaign in the --out folder
    #[arg(
        long,
        requires = "out",
        conflicts_with = "resume",
        help_heading = "Output",
        hide_short_help = true
    )]
    pub(crate) overwrite: bool,

    /// Write what became of each input in the form of JUnit, for build servers
    #[arg(long, value_name = "FILE", help_heading = "Output", hide_short_help = true)]
    pub(crate) junit: Option<PathBuf>,

    /// The same, and what may be wrong with the data, in the form of SARIF
    #[arg(long, value_name = "FILE", help_heading = "Output", hide_short_help = true)]
    pub(crate) sarif: Option<PathBuf>,

    /// No progress on stderr
    #[arg(long, short, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// What is asked of a network with several inputs or outputs.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct PortArguments {
    /// The output that is asked about, or a tensor on the way to one [default: the only output, or the only one of floats]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    output: Option<String>,

    /// The constant that another input of the network is: NAME=FILE.npy, once for each of them
    #[arg(long, value_name = "NAME=FILE", value_parser = constant, hide_short_help = true)]
    input: Vec<(String, PathBuf)>,
}

impl PortArguments {
    /// The settings that these arguments stand for.
    pub(super) fn settings(&self) -> LoadSettings {
        let (output, inputs) = (self.output.clone(), self.input.clone());
        LoadSettings { output, inputs, ..LoadSettings::default() }
    }
}

/// What arithmetic is meant.
#[derive(Debug, clap::Args)]
pub(super) struct SemanticsArguments {
    /// What the network means: real, a function over the real numbers; or float32, every evaluation in single precision that a runtime may
    /// make of it (docs/semantics.md)
    #[arg(long, value_name = "SEMANTICS", default_value = "real", hide_short_help = true)]
    pub(crate) semantics: Semantics,
}

/// How inputs are decided.
#[derive(Debug, clap::Args)]
pub(super) struct EngineArguments {
    /// How far to go: ibp, crown, lp, milp (the solver's word), complete, or auto for whatever can help, cheap before dear
    #[arg(long, default_value = "auto", value_name = "METHOD", help_heading = "Search")]
    method: Method,

    /// Tighten the N most influential neurons by LP before the LP stage
    #[arg(
        long,
        default_value_t = 0,
        value_name = "N",
        help_heading = "Search",
        hide_short_help = true
    )]
    lp_tighten: usize,

    /// The attacks that come first, one after the other until one succeeds: pgd, fgsm, apgd-ce, apgd-dlr, fab, square; or none
    #[arg(
        long,
        default_value = "pgd",
        value_name = "ATTACK,…",
        value_delimiter = ',',
        help_heading = "Search"
    )]
    attack: Vec<AttackKind>,
}

impl EngineArguments {
    /// The settings of an input.
    pub(crate) fn settings(&self, common: &CommonArguments) -> Result<Settings, Failure> {
        let attack = common.budget.settings(&self.attack)?;
        Ok(Settings { method: self.method, lp_tighten: self.lp_tighten, ..common.settings(attack) })
    }
}

impl CommonArguments {
    /// The settings of an input, as far as they are an attack's.
    pub(crate) fn settings(&self, attack: AttackSettings) -> Settings {
        Settings { attack, seed: self.seed, timeout: self.timeout, ..Settings::default() }
    }
}

/// What an attack may spend.
#[derive(Debug, clap::Args)]
pub(super) struct BudgetArguments {
    /// Starting points of each attack [default: 2]
    #[arg(long, value_name = "N", help_heading = "Search", hide_short_help = true)]
    restarts: Option<NonZeroUsize>,

    /// Steps of an attack with gradients from each starting point [default: 40]
    #[arg(long, value_name = "N", help_heading = "Search", hide_short_help = true)]
    steps: Option<NonZeroUsize>,

    /// Queries of square from each starting point [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Search", hide_short_help = true)]
    queries: Option<NonZeroUsize>,

    /// Leave out the attacks on single classes that follow where pgd, fgsm or apgd-dlr fail on all classes at once
    #[arg(long, help_heading = "Search", hide_short_help = true)]
    untargeted: bool,
}

impl BudgetArguments {
    /// The attacks as the arguments have them.
    pub(super) fn settings(&self, kinds: &[AttackKind]) -> Result<AttackSettings, Failure> {
        let given = self.restarts.is_some() || self.steps.is_some() || self.queries.is_some();
        let defaults = AttackSettings::default().with(kinds);
        let none = defaults.kinds().is_empty();
        if none && given {
            let message = "--restarts, --steps and --queries make no sense with --attack none";
            return Err(Failure::new(USAGE, message));
        }
        if !none && kinds.contains(&AttackKind::None) {
            let message = format!("--attack {} and none at once", defaults.names());
            return Err(Failure::new(USAGE, message));
        }
        let or = |given: Option<NonZeroUsize>, default| given.map_or(default, NonZeroUsize::get);
        Ok(AttackSettings {
            restarts: or(self.restarts, defaults.restarts),
            steps: or(self.steps, defaults.steps),
            queries: or(self.queries, defaults.queries),
            targeted: defaults.targeted && !self.untargeted,
            ..defaults
        })
    }
}

/// How the dataset is to be read; what is given here goes before the file beside the data.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Data (instead of what the .toml beside them says)")]
pub(super) struct ReadingArguments {
    /// Stored value × scale = the units of ε and of the domain: 1/255 for images in bytes
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    scale: Option<String>,

    /// The network takes (value − mean) / std: one number, or one a channel or feature
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    mean: Option<String>,

    /// See --mean
    #[arg(long, value_name = "NUMBERS", allow_negative_numbers = true)]
    std: Option<String>,

    /// Valid values of every feature, inside which perturbations stay; or none
    #[arg(long, value_name = "LOW,HIGH", allow_hyphen_values = true)]
    domain: Option<String>,

    /// Factors of ε, one a channel or feature
    #[arg(long, value_name = "NUMBERS", hide_short_help = true)]
    eps_per_feature: Option<String>,

    /// Names of the classes
    #[arg(long, value_name = "NAMES", hide_short_help = true)]
    labels: Option<String>,

    /// The file with the labels, where they are not in the dataset
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    labels_file: Option<String>,

    /// The column with the labels, for .csv
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    label_column: Option<String>,

    /// Columns that are no features, for .csv
    #[arg(long, value_name = "NAMES", hide_short_help = true)]
    drop_columns: Option<String>,

    /// The array with the inputs, for .npz
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    inputs_array: Option<String>,

    /// The array with the labels, for .npz
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    labels_array: Option<String>,

    /// How shapes must agree: 'same', or 'flat' where the numbers are in the network's order whatever the shapes say [default: same]
    #[arg(long, value_name = "LAYOUT", hide_short_help = true)]
    layout: Option<String>,

    /// What is meant though it would be refused: large-eps, outside-domain, counting-column
    #[arg(long, value_name = "WHAT,…", hide_short_help = true)]
    accept: Option<String>,
}

impl ReadingArguments {
    /// What was given: (field of [`DataSettings`], text).
    pub(super) fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("scale", &self.scale),
            ("mean", &self.mean),
            ("std", &self.std),
            ("domain", &self.domain),
            ("eps_per_feature", &self.eps_per_feature),
            ("labels", &self.labels),
            ("labels_file", &self.labels_file),
            ("label_column", &self.label_column),
            ("drop_columns", &self.drop_columns),
            ("inputs_array", &self.inputs_array),
            ("labels_array", &self.labels_array),
            ("layout", &self.layout),
            ("accept", &self.accept),
        ]
        .into_iter()
        .filter_map(|(field, text)| Some((field, text.as_deref()?)))
    }

    /// The settings that these arguments stand for.
    pub(super) fn settings(&self) -> Result<DataSettings, Failure> {
        let mut settings = DataSettings::default();
        for (field, text) in self.given() {
            let wrong = |error: DatasetError| Failure::new(USAGE, error.to_string());
            settings.set(field, text).map_err(wrong)?;
        }
        Ok(settings)
    }
}

fn constant(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("accepted: NAME=FILE")?;
    Ok((name.to_owned(), file.into()))
}

fn number(text: &str) -> Result<Rational, String> {
    parse_rational(text).map_err(|error| error.to_string())
}

/// A perturbation size, not negative.
pub(super) fn epsilon(text: &str) -> Result<Rational, String> {
    let eps = number(text)?;
    if eps.is_negative() { Err("epsilon must not be negative".to_owned()) } else { Ok(eps) }
}

/// A positive number.
pub(super) fn positive(text: &str) -> Result<Rational, String> {
    let positive = number(text)?;
    if positive.is_positive() { Ok(positive) } else { Err("it must be positive".to_owned()) }
}

/// A share between 0 and 1.
pub(super) fn share(text: &str) -> Result<Rational, String> {
    let share = number(text)?;
    if share < Rational::zero() || share > Rational::one() {
        return Err("a share is between 0 and 1".to_owned());
    }
    Ok(share)
}

/// A positive number of seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|_| "not a number of seconds".to_owned())?;
    let positive = seconds > 0.0;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|_| positive)
        .ok_or_else(|| "a time limit is a positive number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args as _;

    #[test]
    fn every_setting_of_a_dataset_is_an_argument() {
        let command = CampaignArguments::augment_args(clap::Command::new("certify"));
        for field in crate::load::DATA_FIELDS {
            let known = command.get_arguments().any(|argument| argument.get_id() == field);
            assert!(known, "{field}");
        }
    }

    #[test]
    fn numbers_are_checked() {
        assert!(epsilon("8/255").is_ok() && epsilon("0").is_ok());
        assert!(epsilon("-0.1").is_err() && epsilon("nan").is_err() && epsilon("").is_err());
        assert!(positive("1/3").is_ok() && positive("0").is_err() && positive("-1").is_err());
        assert!(share("0.9").is_ok() && share("1.01").is_err());
        assert!(seconds("0.5").is_ok());
        assert!(seconds("0").is_err() && seconds("-1").is_err());
        assert!(seconds("inf").is_err() && seconds("nan").is_err());
    }
}
