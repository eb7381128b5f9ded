//! `certus radius`: how far each input's label is proved to hold, and where it is broken.

use super::arguments::{CommonArguments, positive};
use super::campaign::{Question, about_data, data_record, how_to_go_on, load, mode};
use super::exit::{DONE, Failure, INTERRUPTED, USAGE};
use super::progress::{Progress, Radii};
use super::{interrupt, print, styled};
use crate::attack::AttackKind;
use crate::audit::radius::RadiusFound;
use crate::audit::{Ended, Grid, RadiusRow, RadiusSearch};
use crate::num::Rational;
use crate::report::{
    Header, RadiusRecord, RadiusReport, RadiusSettings, Store, StoreError, radius_text,
};
use crate::verify::{Method, Settings};
use std::collections::HashSet;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Instant;

/// Certified and attacked radius of every input of a dataset
///
/// For every input that the network classifies correctly: the largest ε with a proof that the label holds, and the distance
/// of the nearest counterexample found, by bisection. Prints means and quantiles; with --out, keeps a report and the evidence.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: CommonArguments,

    /// The largest ε that is asked about, exactly as written
    #[arg(long, value_name = "EPS", default_value = "1/2", allow_negative_numbers = true, value_parser = positive)]
    max_eps: Rational,

    /// How close to look: certified radii are multiples of it [default: a hundredth of --max-eps]
    #[arg(long, value_name = "EPS", allow_negative_numbers = true, value_parser = positive)]
    tolerance: Option<Rational>,

    /// How far to go: ibp, crown, lp, milp (the solver's word), complete, or auto for whatever can help, cheap before dear
    #[arg(long, default_value = "auto", value_name = "METHOD")]
    method: Method,

    /// Tighten the N most influential neurons by LP before the LP stage
    #[arg(long, default_value_t = 0, value_name = "N")]
    lp_tighten: usize,

    /// The attacks that come first, one after the other until one succeeds: pgd, fgsm, apgd-ce, apgd-dlr, fab, square; or none
    #[arg(long, default_value = "pgd", value_name = "ATTACK,…", value_delimiter = ',')]
    attack: Vec<AttackKind>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let started = Instant::now();
    let common = &arguments.common;
    let mut settings = settings(arguments)?;
    let grid = grid(arguments)?;
    let Question { classifier, model } = load(common)?;
    let data = classifier.data();
    settings.attack.image = data.image();
    let inputs = common.limit.map_or(data.len(), |limit| data.len().min(limit.get()));
    let limit = common.limit.map(NonZeroUsize::get);
    let record = RadiusSettings::new(&settings, &grid, limit);
    let header = Header::of("radius", model, data_record(common, data), record);
    let (store, held) = match &common.out {
        None => (None, Vec::new()),
        Some(dir) => {
            let (store, held) = Store::open::<RadiusRecord>(dir, &header, inputs, mode(common))?;
            (Some(store), held)
        }
    };
    interrupt::watch(interrupt::KEPT)?;
    let jobs = common.jobs.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let resumed = held.len();
    let search = RadiusSearch { balls: &classifier, grid: &grid, settings: &settings, jobs };
    let (ended, rows) = run_inputs(&search, common, store.as_ref(), held, inputs)?;
    if let Some(store) = &store {
        store.sync()?;
    }
    if ended == Ended::Cancelled {
        let _ = writeln!(io::stderr(), "certus: {}", how_to_go_on(common, rows.len(), inputs));
        return Ok(INTERRUPTED);
    }
    let wall = started.elapsed().as_secs_f64();
    let report = RadiusReport::new(header, &rows, &grid.max(), jobs, wall, resumed)?;
    if let Some(store) = &store {
        store.write_json(report.to_json())?;
    }
    print(&radius_text(&report, common.out.as_deref(), styled()))?;
    Ok(DONE)
}

fn settings(arguments: &Arguments) -> Result<Settings, Failure> {
    let common = &arguments.common;
    Ok(Settings {
        method: arguments.method,
        attack: common.budget.settings(&arguments.attack)?,
        seed: common.seed,
        timeout: common.timeout,
        memory: None,
        lp_tighten: arguments.lp_tighten,
    })
}

fn grid(arguments: &Arguments) -> Result<Grid, Failure> {
    let hundredth = || &arguments.max_eps / Rational::from_integer(100.into());
    let tolerance = arguments.tolerance.clone().unwrap_or_else(hundredth);
    Grid::new(&arguments.max_eps, &tolerance)
        .map_err(|error| Failure::new(USAGE, format!("--max-eps and --tolerance: {error}")))
}

/// The inputs that `held` lacks, and all rows in the end.
fn run_inputs(
    search: &RadiusSearch,
    common: &CommonArguments,
    store: Option<&Store>,
    held: Vec<RadiusRow>,
    inputs: usize,
) -> Result<(Ended, Vec<RadiusRow>), Failure> {
    let done: HashSet<usize> = held.iter().map(|row| row.index).collect();
    let open: Vec<usize> = (0..inputs).filter(|index| !done.contains(index)).collect();
    let progress = Progress::<Radii>::new(inputs, &held, common.quiet);
    let rows = Mutex::new(held);
    let sink = |found: RadiusFound| -> Result<(), StoreError> {
        if let Some(store) = store {
            store.keep(&RadiusRecord::from(&found.row), found.counterexample.as_ref())?;
        }
        progress.add(&found.row);
        rows.lock().unwrap_or_else(PoisonError::into_inner).push(found.row);
        Ok(())
    };
    let ended = search.run(&open, &interrupt::stopped, &sink);
    progress.finish();
    let ended = ended.map_err(|error| about_data(common, error.into()))?;
    Ok((ended, rows.into_inner().unwrap_or_else(PoisonError::into_inner)))
}
