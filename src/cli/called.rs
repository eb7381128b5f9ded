//! Commands that another program calls, such as a package for Python: a command line in, a report as JSON out, and nothing printed.

use super::exit::{DONE, Failure, INTERNAL, INTERRUPTED, USAGE};
use super::front::Front;
use super::interrupt::Stopper;
use super::progress::{Bar, Told};
use super::{Arguments, Command, audit, certify, guarded, merge, radius, usage, verify};
use crate::load::RawArray;
use clap::Parser as _;
use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

/// A command, and what of it does not come from its command line.
pub struct Call<'a> {
    /// The command line: the program's name, the command, its arguments.
    pub line: Vec<OsString>,
    /// Inputs and labels that stand for the file of `--data`.
    pub arrays: Option<[RawArray; 2]>,
    /// Whether to stop.
    pub stop: Stopper,
    /// Is told how many inputs are done, out of how many, and what became of them.
    pub told: Told<'a>,
}

/// What a command found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The exit code that the program would have.
    pub code: u8,
    /// What the program would print with `--json`.
    pub json: String,
}

/// Runs `certify`, `attack`, `radius`, `verify`, `audit` or `merge`.
///
/// # Errors
/// What would end the program, with its exit code; where it was stopped, the code of an interrupted program.
pub fn call(call: Call) -> Result<Called, Failure> {
    guarded(AssertUnwindSafe(|| run(call)))
}

fn run(call: Call) -> Result<Called, Failure> {
    let Call { line, arrays, stop, told } = call;
    let arguments = Arguments::try_parse_from(line)
        .map_err(|error| Failure::new(USAGE, usage::sentence(&error)))?;
    let front = Caller { arrays: Mutex::new(arrays), stop, told };
    let unwritten = |error: serde_json::Error| Failure::new(INTERNAL, error.to_string());
    let stopped = || Failure::new(INTERRUPTED, "interrupted");
    let campaign = |found: Option<certify::Found>, common| -> Result<(u8, String), Failure> {
        let found = found.ok_or_else(stopped)?;
        found.write(common)?;
        Ok((found.code, found.report.to_json().map_err(unwritten)?))
    };
    let (code, json) = match &arguments.command {
        Command::Certify(arguments) => {
            campaign(certify::certified(arguments, &front)?, &arguments.campaign)?
        }
        Command::Attack(arguments) => {
            campaign(certify::attacked(arguments, &front)?, &arguments.campaign)?
        }
        Command::Radius(arguments) => {
            let report = radius::radii(arguments, &front)?.ok_or_else(stopped)?;
            (DONE, report.to_json().map_err(unwritten)?)
        }
        Command::Verify(arguments) => {
            let found = verify::found(arguments, &front)?;
            if found.code == INTERRUPTED {
                return Err(stopped());
            }
            (found.code, serde_json::to_string(&found.report).map_err(unwritten)?)
        }
        Command::Audit(arguments) => {
            let (report, code) = audit::called(arguments, &front)?.ok_or_else(stopped)?;
            (code, serde_json::to_string(&report).map_err(unwritten)?)
        }
        Command::Merge(arguments) => {
            (DONE, merge::merged(arguments)?.to_json().map_err(unwritten)?)
        }
        _ => {
            let message = "only certify, attack, radius, verify, audit and merge can be called";
            return Err(Failure::new(USAGE, message));
        }
    };
    Ok(Called { code, json })
}

/// The program that called.
struct Caller<'a> {
    arrays: Mutex<Option<[RawArray; 2]>>,
    stop: Stopper,
    told: Told<'a>,
}

impl Front for Caller<'_> {
    fn arrays(&self) -> Option<[RawArray; 2]> {
        self.arrays.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn head(&self, _: &str, _: &[String]) -> Result<(), Failure> {
        Ok(())
    }

    fn watch(&self, _: &'static str) -> Result<(), Failure> {
        Ok(())
    }

    fn stop(&self) -> Stopper {
        self.stop.clone()
    }

    fn bar(&self, total: usize, done: usize, _: &'static str, _: bool) -> Bar<'_> {
        Bar::telling(self.told, total, done)
    }

    fn cut_short(&self, _: &str) {}
}
