//! `certus tradeoff`: several models on one dataset, every measure side by side.

use super::arguments::{ReadingArguments, positive};
use super::audit::Request;
use super::audit::init::{read_section, stem, toml};
use super::exit::{DONE, Failure, INTERRUPTED, USAGE};
use super::front::Terminal;
use super::output::{answer, styled};
use crate::attack::AttackKind;
use crate::load::{Dataset, load_network};
use crate::num::Rational;
use crate::report::{side_text, tradeoff_picture};
use crate::verify::Method;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Several models on one dataset, side by side: what robustness costs in accuracy, and what it buys
///
/// Runs an audit of the models (as certus audit does, interrupted and resumed alike) and prints accuracy, precision, recall, F1, ROC AUC, adversarial and
/// certified accuracy, stability index, robustness score, and accuracy under noise and shift; and McNemar's exact test of every two models on the
/// same inputs. The --out folder holds the whole report.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The networks, .onnx or .nnet
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,

    /// The labelled inputs: .npz, .npy, IDX or .csv
    #[arg(long, value_name = "FILE")]
    data: PathBuf,

    /// The largest perturbation, exactly as written; quarters of it are asked about as well, for the robustness score
    #[arg(long, value_name = "EPS", allow_negative_numbers = true, value_parser = positive)]
    eps: Rational,

    /// Only the first N inputs
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,

    /// Attacks: pgd, fgsm, apgd-ce, apgd-dlr, fab, square
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', default_value = "pgd")]
    attack: Vec<AttackKind>,

    /// How to certify: ibp, crown, lp, milp, complete or auto
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    method: Method,

    /// Models of one recipe that differ by their training's seed alone: intervals over the seeds
    #[arg(long, value_name = "NAME")]
    recipe: Option<String>,

    /// Folder for the report
    #[arg(long, value_name = "DIR", default_value = "tradeoff-out")]
    out: PathBuf,

    /// Also write the picture: an SVG of clean against robust accuracy
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,

    /// Replace another audit in the --out folder
    #[arg(long)]
    overwrite: bool,

    /// Leave out times, date and machine, so that a run anywhere gives the same report id
    #[arg(long)]
    reproducible: bool,

    /// Inputs handled at once [default: the number of cores]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    reading: ReadingArguments,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    // The plan names files relative to where the command is given.
    let file = Path::new("tradeoff.toml");
    let request = Request {
        out: &arguments.out,
        overwrite: arguments.overwrite,
        reproducible: arguments.reproducible,
        jobs: arguments.jobs,
        quiet: arguments.quiet,
        sign_key: None,
    };
    let Some((report, rendered)) = request.run(file, &Terminal, || plan(file, arguments))? else {
        return Ok(INTERRUPTED);
    };
    if let Some(picture) = &arguments.picture {
        std::fs::write(picture, tradeoff_picture(&report))
            .map_err(|error| Failure::create(picture, super::exit::words(&error)))?;
    }
    answer(&report, || {
        let page = rendered.page.display();
        format!("{}report     {page}\nreport id  {}\n", side_text(&report, styled()), rendered.id)
    })?;
    Ok(DONE)
}

/// The plan of an audit of these models.
fn plan(file: &Path, arguments: &Arguments) -> Result<String, Failure> {
    // What cannot be read is told as of itself, not as of a plan that nobody wrote.
    Dataset::load(&arguments.data, &arguments.reading.settings()?)?;
    let mut names: Vec<String> = Vec::new();
    for model in &arguments.models {
        load_network(model)?;
        names.push(name(model, &arguments.models)?);
    }
    let data = stem(&arguments.data);
    let text = |path: &Path| toml(&path.display().to_string());
    let mut plan = format!(
        "[report]\ntitle = {}\n\n[[data]]\nname = {}\nfile = {}\n",
        toml(&format!("Models side by side on {data}")),
        toml(&data),
        text(&arguments.data)
    );
    let radius = |quarters: i64| {
        toml(&(&arguments.eps * Rational::new(quarters.into(), 4.into())).to_string())
    };
    let radii: Vec<String> = (1..=4).map(radius).collect();
    let _ = writeln!(plan, "epsilons = [{}]", radii.join(", "));
    if let Some(limit) = arguments.limit {
        let _ = writeln!(plan, "limit = {limit}");
    }
    plan += &format!("\n{}", read_section(file, &arguments.reading));
    for (name, model) in names.iter().zip(&arguments.models) {
        let _ = writeln!(plan, "[[model]]\nname = {}\nfile = {}", toml(name), text(model));
        if let Some(recipe) = &arguments.recipe {
            let _ = writeln!(plan, "recipe = {}", toml(recipe));
        }
    }
    for attack in &arguments.attack {
        let _ = writeln!(plan, "[[attack]]\nkind = {}", toml(&attack.to_string()));
    }
    let _ = writeln!(plan, "[[method]]\nkind = {}\n[shift]", toml(&arguments.method.to_string()));
    Ok(plan)
}

/// A model's name: its file's, with its folder's before it where another file has the same.
fn name(model: &Path, all: &[PathBuf]) -> Result<String, Failure> {
    let alone = |file: &Path| stem(file);
    let with_folder = |file: &Path| {
        let folder = file.parent().and_then(Path::file_name).map(|name| name.to_string_lossy());
        folder.map_or_else(|| stem(file), |folder| format!("{folder} {}", stem(file)))
    };
    let unique = |name: &dyn Fn(&Path) -> String| {
        all.iter().filter(|other| name(other) == name(model)).count() == 1
    };
    if unique(&alone) {
        return Ok(alone(model));
    }
    if unique(&with_folder) {
        return Ok(with_folder(model));
    }
    let message = format!(
        "{}: two models have this name; give each once, under a name of its own",
        model.display()
    );
    Err(Failure::new(USAGE, message))
}
