//! `certus fuzz`: the laws on a user's model, another verifier beside this one, and failures replayed.

use super::against::{self, Other};
use super::arguments::{PortArguments, ReadingArguments, epsilon, seconds};
use super::campaign::{jobs, load_classifier};
use super::exit::{DATA, DONE, Failure, INTERNAL, USAGE};
use super::hunt::{self, Hunt, Subject};
use super::output::answer;
use super::{interrupt, print};
use crate::load::{Dataset, LoadSettings, SourceFile};
use crate::num::Rational;
use crate::query::OpenError;
use crate::report::{Answer, CaseFile, laws_text};
use crate::testing::laws::plainly;
use crate::testing::near::{Near, NearError};
use crate::testing::truth::Known;
use crate::testing::{Case, Law};
use num_traits::Zero;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Look for what breaks the laws of docs/testing.md near a model's own data
///
/// Random inputs of the data, radii of the interval and parts of their balls, with claims whose truth is in doubt there. A failure is
/// made as small as it becomes and kept as DIR/…/case.onnx, case.vnnlib and case.toml, which --replay runs again. With --against, another
/// verifier answers the same questions (of random networks where no model is given), and what the two do not agree on is settled in exact
/// arithmetic. Exit code 70 where this program breaks a law or is wrong, 1 where only the other one is.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The network: .onnx, gzipped or not
    #[arg(required_unless_present_any = ["replay", "against"], requires_all = ["data", "eps"])]
    model: Option<PathBuf>,

    #[command(flatten)]
    ports: PortArguments,

    /// The dataset: .npz, .npy, IDX or .csv; a .toml of the same stem beside it says how to read it
    #[arg(long, value_name = "FILE", requires = "model")]
    data: Option<PathBuf>,

    #[command(flatten)]
    reading: ReadingArguments,

    /// Perturbations of each feature, exactly as written: 0..0.1, or 0.1 for 0..0.1
    #[arg(long, value_name = "FROM..TO", value_parser = interval, requires = "model")]
    eps: Option<Interval>,

    /// Only these laws [default: all]
    #[arg(long, value_name = "LAW,…", value_delimiter = ',')]
    law: Vec<Law>,

    /// Seed of the first case; the others follow
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// How long
    #[arg(long, value_name = "MINUTES", default_value_t = 1.0)]
    minutes: f64,

    /// Cases looked at once [default: the number of cores]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Folder for what broke
    #[arg(long, value_name = "DIR", required_unless_present = "replay")]
    out: Option<PathBuf>,

    /// Another verifier's command, by the conventions of the VNN competition: {onnx} and {vnnlib} are the files, {result} the file of its
    /// answer (standard output without it), {timeout} its seconds
    #[arg(long, value_name = "COMMAND")]
    against: Option<String>,

    /// Seconds for each question to either verifier
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    timeout: Duration,

    /// Run a failure again, from its case.toml
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "data", "eps", "out", "against", "law"])]
    replay: Option<PathBuf>,

    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

/// Radii from the first to the second.
#[derive(Debug, Clone)]
struct Interval([Rational; 2]);

fn interval(text: &str) -> Result<Interval, String> {
    let (from, to) = match text.split_once("..") {
        Some((from, to)) => (epsilon(from)?, epsilon(to)?),
        None => (Rational::zero(), epsilon(text)?),
    };
    if from <= to {
        Ok(Interval([from, to]))
    } else {
        Err("its first end is above the second".to_owned())
    }
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    if let Some(file) = &arguments.replay {
        return replay(file, arguments.timeout);
    }
    let time = Duration::try_from_secs_f64(arguments.minutes * 60.0).map_err(|_| {
        Failure::new(USAGE, "--minutes: it must be a number of minutes, not negative")
    })?;
    let near = arguments.model.as_deref().map(|model| near(arguments, model)).transpose()?;
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out).map_err(|why| Failure::create(out, why))?;
    }
    interrupt::watch("")?;
    let of = arguments
        .model
        .as_ref()
        .map_or("random networks".to_owned(), |model| model.display().to_string());
    if let Some(command) = &arguments.against {
        let draw = |seed: u64| -> Result<(Case, Option<bool>), String> {
            match &near {
                Some(near) => Ok((near.draw(seed).map_err(|error| error.to_string())?, None)),
                None if seed.is_multiple_of(2) => Ok((plainly(Law::Edge.subject(seed)), None)),
                None => {
                    let known = Known::random(seed);
                    Ok((known.case, Some(known.holds)))
                }
            }
        };
        let other = Other { command: command.clone(), timeout: arguments.timeout };
        let hunt = against::Hunt {
            seed: arguments.seed,
            time,
            out: arguments.out.as_deref(),
            quiet: arguments.quiet,
        };
        return against::run(&other, &draw, &hunt, of);
    }
    let Some(near) = near else {
        return Err(Failure::new(USAGE, "there is no model; try 'certus selftest'"));
    };
    let laws = if arguments.law.is_empty() { Law::ALL.to_vec() } else { arguments.law.clone() };
    let draw = move |seed: u64| near.draw(seed).map_err(|error| error.to_string());
    let subjects: Vec<Subject> = laws
        .into_iter()
        .filter(|law| law.is_general())
        .map(|law| hunt::of_law(law, draw.clone()))
        .collect();
    let (out, jobs) = (arguments.out.as_deref(), jobs(arguments.jobs));
    let hunt = Hunt { seed: arguments.seed, jobs, time, out, quiet: arguments.quiet, first: false };
    let found = hunt.run(&subjects, &of)?;
    let code = hunt::code(&found);
    answer(&Answer::new("fuzz", &found), || laws_text(&found))?;
    Ok(code)
}

/// The model and its data.
fn near(arguments: &Arguments, model: &Path) -> Result<Near, Failure> {
    let (loaded, ports) = load_classifier(model, arguments.ports.settings())?;
    let missing = || Failure::new(USAGE, "--data and --eps go with a model");
    let file = arguments.data.as_ref().ok_or_else(missing)?;
    let data = Dataset::load(file, &arguments.reading.settings()?)?;
    let Interval(eps) = arguments.eps.clone().ok_or_else(missing)?;
    let near = Near::new(model, loaded, &ports, data, eps)?;
    // A radius that leaves no region is better said now.
    near.draw(arguments.seed)?;
    Ok(near)
}

impl From<NearError> for Failure {
    fn from(error: NearError) -> Self {
        match error {
            NearError::Network(error) => error.into(),
            NearError::Data(error) => error.into(),
            error => Self::new(DATA, error.to_string()),
        }
    }
}

/// Runs a failure again.
fn replay(toml: &Path, timeout: Duration) -> Result<u8, Failure> {
    let bytes = SourceFile::read(toml)?.bytes;
    let wrong = |what: String| Failure::new(DATA, format!("{}: {what}", toml.display()));
    let file: CaseFile = toml::from_str(&String::from_utf8_lossy(&bytes))
        .map_err(|error| wrong(error.message().to_owned()))?;
    let beside = |name: &str| toml.with_file_name(name);
    let property = beside(&file.property);
    let text = SourceFile::read(&property)?.bytes;
    let case = Case::read(
        &beside(&file.network),
        &LoadSettings::default(),
        &text,
        &property.display().to_string(),
    );
    let case = case.map_err(|error| match error {
        OpenError::Network(error) => error.into(),
        OpenError::Property(error) => error.into(),
        error => wrong(error.to_string()),
    })?;
    if !file.against.is_empty() {
        let other = Other { command: file.against.clone(), timeout };
        return against::replay(&other, &case, file.holds);
    }
    let law: Law = file.law.parse().map_err(wrong)?;
    let said = match file.holds {
        Some(holds) => hunt::look(law, || Known::of(case.clone(), holds).check()),
        None => hunt::look(law, || law.check(&case, file.seed).map_err(|broken| broken.what)),
    };
    match said {
        Ok(checked) => {
            let why = checked.skipped.map_or(String::new(), |why| format!(" ({why})"));
            print(&format!("{law} holds: {} comparisons{why}\n", checked.comparisons))?;
            Ok(DONE)
        }
        Err(what) => {
            print(&format!("BROKEN {law}: {what}\n"))?;
            Ok(INTERNAL)
        }
    }
}
