//! `certus report`: renders a finished audit again, without computing anything.

use super::exit::{DONE, Failure};
use super::output::{answer, styled};
use crate::report::{audit_text, render_again};
use std::path::PathBuf;

/// Write report.html, rows.csv and the manifest of a finished audit again, without computing anything
///
/// Reads report.json only. A folder whose report, journal or evidence was altered is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The folder of a finished audit
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let (report, rendered) = render_again(&arguments.dir)?;
    answer(&report, || audit_text(&report, &rendered, styled()))?;
    Ok(DONE)
}
