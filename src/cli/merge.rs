//! `certus merge`: one campaign of its shards.

use super::exit::{DATA, DONE, Failure, NO_INPUT};
use super::output::{answer, styled};
use crate::report::{MergeError, Mode, Report, merge, report_text};
use std::path::PathBuf;

/// One campaign of its shards: those that 'certus certify --shard K/N' made, on whichever machines
///
/// Refuses a shard that is missing, unfinished, there twice, of other settings, files or data, or altered. The report in --out is the one
/// that the campaign would have had in one piece, but for times.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The folders of all shards, in any order
    #[arg(value_name = "DIR", required = true)]
    shards: Vec<PathBuf>,

    /// Folder for the whole campaign
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Replace the campaign in the --out folder
    #[arg(long)]
    overwrite: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let report = merged(arguments)?;
    answer(&report, || report_text(&report, Some(&arguments.out), styled()))?;
    Ok(DONE)
}

/// The report of the whole campaign.
pub(super) fn merged(arguments: &Arguments) -> Result<Report, Failure> {
    let mode = if arguments.overwrite { Mode::Overwrite } else { Mode::Fresh };
    Ok(merge(&arguments.shards, &arguments.out, mode)?)
}

impl From<MergeError> for Failure {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Folder(error) => error.into(),
            MergeError::Index(error) => error.into(),
            MergeError::Breach(error) => error.into(),
            MergeError::Unfinished(_) | MergeError::Missing(_) => {
                Self::new(NO_INPUT, error.to_string())
            }
            MergeError::Whole(_)
            | MergeError::Other { .. }
            | MergeError::Twice { .. }
            | MergeError::Rows { .. }
            | MergeError::Altered(_) => Self::new(DATA, error.to_string()),
        }
    }
}
