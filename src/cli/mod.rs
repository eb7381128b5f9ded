//! The command line: typed arguments → requests → exit code. Only this folder prints, reads the environment or exits.

mod against;
mod arguments;
mod audit;
mod bench;
mod called;
mod campaign;
mod certify;
mod check;
mod clock;
mod eval;
mod exit;
mod front;
mod fuzz;
mod hunt;
mod inspect;
mod instance;
mod interrupt;
mod merge;
mod output;
mod pages;
mod plan;
mod program;
mod progress;
mod proofs;
mod prove;
mod radius;
mod remake;
mod report;
#[cfg(test)]
mod schemas;
mod selftest;
mod shrink;
mod spec;
mod tradeoff;
mod usage;
mod verify;

pub use called::{Call, Called, call};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
pub use exit::Failure;
use exit::{DONE, INTERNAL, OUTPUT, USAGE};
use output::styled;
pub use program::Started;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::sync::{Mutex, Once, PoisonError};

/// Certified robustness of neural networks, with evidence for every verdict.
#[derive(Debug, Parser)]
#[command(
    name = "certus",
    version,
    arg_required_else_help = true,
    after_help = exit::SHORT,
    after_long_help = exit::HELP
)]
struct Arguments {
    #[command(flatten)]
    output: output::OutputArguments,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Certify(certify::Arguments),
    Attack(certify::AttackArguments),
    Radius(radius::Arguments),
    Merge(merge::Arguments),
    Inspect(inspect::Arguments),
    Eval(eval::Arguments),
    Verify(verify::Arguments),
    Bench(bench::Arguments),
    Check(check::Arguments),
    Spec(spec::Arguments),
    Audit(audit::Arguments),
    Report(report::Arguments),
    Tradeoff(tradeoff::Arguments),
    Plan(plan::Arguments),
    Selftest(selftest::Arguments),
    Fuzz(fuzz::Arguments),
    Shrink(shrink::Arguments),
    Completions(pages::CompletionArguments),
    Man(pages::ManArguments),
}

/// The panic that ended the program, if one did.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs the program on its command line.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(run_line(std::env::args_os().collect()))
}

/// Runs the program on the command line of a process that is not it; the exit code.
#[must_use]
pub fn main_as(how: Started) -> u8 {
    let line = how.line.clone();
    program::started(how);
    run_line(line)
}

fn run_line(line: Vec<OsString>) -> u8 {
    guarded(|| run(line)).unwrap_or_else(|failure| {
        print_error(&failure.message);
        failure.code
    })
}

/// Turns a panic into a failure like any other.
fn guarded<T>(run: impl FnOnce() -> Result<T, Failure> + panic::UnwindSafe) -> Result<T, Failure> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| panic::set_hook(Box::new(remember)));
    panic::catch_unwind(run).unwrap_or_else(|_| {
        let what = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
        let what = what.unwrap_or_else(|| "of unknown cause".to_owned());
        let ask = "please report it with the command that led here";
        Err(Failure::new(INTERNAL, format!("internal error {what}; {ask}")))
    })
}

/// Keeps a panic's message for the one sentence that [`main`] prints; a library may catch its own panics silently.
fn remember(panic: &PanicHookInfo) {
    let payload = panic.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message");
    let place = panic.location().map(|at| format!(" at {at}")).unwrap_or_default();
    let mut last = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
    *last = Some(format!("'{message}'{place}"));
}

fn run(arguments: Vec<OsString>) -> Result<u8, Failure> {
    match Arguments::try_parse_from(arguments) {
        Ok(Arguments { output, command }) => {
            output::ask(output);
            match command {
                Command::Certify(arguments) => certify::run(&arguments),
                Command::Attack(arguments) => certify::attack(&arguments),
                Command::Radius(arguments) => radius::run(&arguments),
                Command::Merge(arguments) => merge::run(&arguments),
                Command::Inspect(arguments) => inspect::run(&arguments),
                Command::Eval(arguments) => eval::run(&arguments),
                Command::Verify(arguments) => verify::run(&arguments),
                Command::Bench(arguments) => bench::run(&arguments),
                Command::Check(arguments) => check::run(&arguments),
                Command::Spec(arguments) => spec::run(&arguments),
                Command::Audit(arguments) => audit::run(&arguments),
                Command::Report(arguments) => report::run(&arguments),
                Command::Tradeoff(arguments) => tradeoff::run(&arguments),
                Command::Plan(arguments) => plan::run(&arguments),
                Command::Selftest(arguments) => selftest::run(&arguments),
                Command::Fuzz(arguments) => fuzz::run(&arguments),
                Command::Shrink(arguments) => shrink::run(&arguments),
                Command::Completions(arguments) => pages::completions(&arguments),
                Command::Man(arguments) => pages::man(&arguments),
            }
        }
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                let text = error.render();
                print(&if styled() { text.ansi().to_string() } else { text.to_string() })?;
                Ok(DONE)
            }
            _ => Err(Failure::new(USAGE, usage::sentence(&error))),
        },
    }
}

/// Prints to stdout. That a reader such as `head` has seen enough is no error.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            OUTPUT,
            format!("standard output: cannot be written: {}", exit::words(&error)),
        )),
        _ => Ok(()),
    }
}

/// Prints a sentence to stderr. A closed stderr leaves the exit code to tell.
fn print_error(sentence: &str) {
    let _ = writeln!(io::stderr(), "certus: {sentence}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_panic_is_an_internal_error() {
        let failure = guarded::<u8>(|| panic!("boom")).unwrap_err();
        assert_eq!(failure.code, INTERNAL);
        assert!(failure.message.starts_with("internal error"), "{}", failure.message);
    }

    #[test]
    fn usage_errors_are_one_line() {
        for arguments in [
            vec!["certus"],
            vec!["certus", "certify"],
            vec!["certus", "certify", "m.onnx", "--data", "d.npz", "--eps", "much"],
            vec![
                "certus", "certify", "m.onnx", "--data", "d.npz", "--eps", "0.1", "--metod", "ibp",
            ],
            vec!["certus", "certify", "m.onnx", "--data", "d.npz", "--eps", "0.1", "--method", "x"],
            vec!["certus", "inspekt", "m.onnx"],
        ] {
            let failure = run(arguments.iter().map(Into::into).collect()).unwrap_err();
            assert_eq!(failure.code, USAGE);
            assert!(!failure.message.contains('\n'), "{}", failure.message);
            assert!(failure.message.contains("--help"), "{}", failure.message);
        }
    }
}
