//! `certus radius`: how far each input's label is proved to hold, and where it is broken.

use super::arguments::{CommonArguments, EngineArguments, positive};
use super::campaign::{Session, load};
use super::exit::{DONE, Failure, INTERRUPTED, USAGE};
use super::front::{Front, Terminal};
use super::output::{answer, styled};
use super::progress::Radii;
use crate::audit::{Ended, Grid, RadiusRow, RadiusSearch};
use crate::num::Rational;
use crate::report::{CampaignSettings, RadiusReport, radius_text};
use crate::spec::Norm;
use std::num::NonZeroUsize;
use std::time::Instant;

/// Certified and attacked radius of every input of a dataset
///
/// For every input that the network classifies correctly: the largest ε with a proof that the label holds, and the distance
/// of the nearest counterexample found, by bisection. Prints means and quantiles; with --out, keeps a report and the evidence.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: CommonArguments,

    /// The largest ε that is asked about, exactly as written
    #[arg(long, value_name = "EPS", default_value = "1/2", allow_negative_numbers = true, value_parser = positive)]
    max_eps: Rational,

    /// How close to look: certified radii are multiples of it [default: a hundredth of --max-eps]
    #[arg(long, value_name = "EPS", allow_negative_numbers = true, value_parser = positive)]
    tolerance: Option<Rational>,

    #[command(flatten)]
    engine: EngineArguments,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let Some(report) = radii(arguments, &Terminal)? else { return Ok(INTERRUPTED) };
    answer(&report, || radius_text(&report, arguments.common.out.as_deref(), styled()))?;
    Ok(DONE)
}

/// What the command finds; `None` where it was interrupted.
pub(super) fn radii(
    arguments: &Arguments,
    front: &dyn Front,
) -> Result<Option<RadiusReport>, Failure> {
    let started = Instant::now();
    let common = &arguments.common;
    let mut settings = arguments.engine.settings(common)?;
    let grid = grid(arguments)?;
    let (classifier, model) = load(common, front)?;
    let data = classifier.data();
    settings.attack.image = data.image();
    let limit = common.limit.map(NonZeroUsize::get);
    let record = CampaignSettings::radii(&settings, &grid, limit);
    let (subject, asked) = ((model, &classifier), (Norm::Linf, &arguments.max_eps));
    let mut session =
        Session::<RadiusRow>::open((common, front), started, "radius", subject, asked, record)?;
    let inputs = session.inputs;
    let work = RadiusSearch { classifier: &classifier, inputs, grid: &grid, settings: &settings };
    let (ended, rows, timing) = session.run(&work, Radii::default())?;
    if ended == Ended::Cancelled {
        return Ok(None);
    }
    let report = RadiusReport::radii(session.header, rows, timing, &grid.max())?;
    if let Some(folder) = &session.folder {
        folder.write_report(&report)?;
    }
    Ok(Some(report))
}

fn grid(arguments: &Arguments) -> Result<Grid, Failure> {
    let hundredth = || &arguments.max_eps / Rational::from_integer(100.into());
    let tolerance = arguments.tolerance.clone().unwrap_or_else(hundredth);
    Grid::new(&arguments.max_eps, &tolerance)
        .map_err(|error| Failure::new(USAGE, format!("--max-eps and --tolerance: {error}")))
}
