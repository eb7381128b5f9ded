//! `certus completions` and `certus man`: what shells and man read.

use super::exit::{DONE, Failure, words};
use super::print;
use clap::CommandFactory as _;
use std::path::PathBuf;

/// Write the completions of a shell to standard output
///
/// For bash, for example: certus completions bash > ~/.local/share/bash-completion/completions/certus
#[derive(Debug, clap::Args)]
pub(super) struct CompletionArguments {
    /// The shell
    shell: clap_complete::Shell,
}

/// Write the manual pages, one for each command, to a folder
///
/// Such as ~/.local/share/man/man1; then: man certus
#[derive(Debug, clap::Args)]
pub(super) struct ManArguments {
    /// The folder
    dir: PathBuf,
}

/// Runs `certus completions`.
pub(super) fn completions(arguments: &CompletionArguments) -> Result<u8, Failure> {
    let mut text = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "certus", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(DONE)
}

/// Runs `certus man`.
pub(super) fn man(arguments: &ManArguments) -> Result<u8, Failure> {
    let failed = |why: std::io::Error| Failure::create(&arguments.dir, words(&why));
    std::fs::create_dir_all(&arguments.dir).map_err(failed)?;
    clap_mangen::generate_to(super::Arguments::command(), &arguments.dir).map_err(failed)?;
    Ok(DONE)
}
