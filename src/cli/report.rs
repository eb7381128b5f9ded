//! `certus report`: renders a finished audit again, without computing anything.

use super::exit::{DONE, Failure};
use super::output::{answer, styled};
use crate::report::{SignKey, audit_text, render_again};
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

    /// Sign it with this Ed25519 key, in PEM (openssl genpkey -algorithm ed25519)
    #[arg(long, value_name = "FILE")]
    sign_key: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let key = arguments.sign_key.as_deref().map(SignKey::read).transpose()?;
    let (report, rendered) = render_again(&arguments.dir, key.as_ref())?;
    answer(&report, || audit_text(&report, &rendered, styled()))?;
    Ok(DONE)
}
