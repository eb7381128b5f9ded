//! How the program speaks: as text or as JSON, in colour or not, of every input or not.

use super::exit::{Failure, INTERNAL, words};
use super::{print, print_error};
use crate::report::Cases;
use serde::Serialize;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::OnceLock;

/// What every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArguments {
    /// Print JSON: docs/schema describes it
    #[arg(long, global = true)]
    json: bool,

    /// Colours: auto (on a terminal, where NO_COLOR is not set), always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_short_help = true
    )]
    color: Colors,

    /// Say what becomes of each input as it is done
    #[arg(long, short, global = true, hide_short_help = true)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Colors {
    #[default]
    Auto,
    Always,
    Never,
}

/// What was asked for, from the moment on at which it is known.
static ASKED: OnceLock<OutputArguments> = OnceLock::new();

/// Keeps what was asked for.
pub(super) fn ask(arguments: OutputArguments) {
    let _ = ASKED.set(arguments);
}

/// Whether JSON was asked for.
pub(super) fn json() -> bool {
    ASKED.get().is_some_and(|asked| asked.json)
}

/// Whether every input is to be told of.
pub(super) fn verbose() -> bool {
    ASKED.get().is_some_and(|asked| asked.verbose)
}

/// Whether stdout takes colours (<https://no-color.org>).
pub(super) fn styled() -> bool {
    match ASKED.get().map(|asked| asked.color).unwrap_or_default() {
        Colors::Always => return true,
        Colors::Never => return false,
        Colors::Auto => {}
    }
    let asked_not = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !asked_not("NO_COLOR") && !dumb
}

/// Prints text, unless JSON was asked for.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    if json() { Ok(()) } else { print(text) }
}

/// Prints warnings on stderr where JSON was asked for: the text of a head has them otherwise.
pub(super) fn warn(warnings: &[String]) {
    if json() {
        warnings.iter().for_each(|warning| print_error(&format!("warning: {warning}")));
    }
}

/// Writes what became of each case in the forms that build servers read.
pub(super) fn write_cases(
    junit: Option<&Path>,
    sarif: Option<&Path>,
    cases: impl FnOnce() -> Cases,
) -> Result<(), Failure> {
    if junit.is_none() && sarif.is_none() {
        return Ok(());
    }
    let cases = cases();
    let write = |file: Option<&Path>, text: &dyn Fn(&Cases) -> String| match file {
        Some(file) => {
            std::fs::write(file, text(&cases)).map_err(|why| Failure::create(file, words(&why)))
        }
        None => Ok(()),
    };
    write(junit, &Cases::junit)?;
    write(sarif, &Cases::sarif)
}

/// Prints the answer: as JSON where it was asked for, else as text.
pub(super) fn answer(
    answer: &impl Serialize,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if !json() {
        return print(&text());
    }
    let text = serde_json::to_string_pretty(answer)
        .map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
    print(&(text + "\n"))
}
