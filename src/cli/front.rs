//! Who asks for a command and hears how it goes: a terminal, or a program that calls this library.

use super::exit::Failure;
use super::interrupt::Stopper;
use super::progress::Bar;
use super::{interrupt, output, print_error};
use crate::load::RawArray;
use std::sync::Arc;

/// What a command that takes long tells meanwhile, and whom it asks whether to go on.
pub(super) trait Front: Sync {
    /// Inputs and labels, where they do not lie in the file of `--data`, which is a name of theirs then.
    fn arrays(&self) -> Option<[RawArray; 2]>;

    /// What is asked, before it is answered: as text, and what may be wrong with the data.
    fn head(&self, text: &str, warnings: &[String]) -> Result<(), Failure>;

    /// From now on [`Front::stop`] knows; `remark` is what becomes of the work then.
    fn watch(&self, remark: &'static str) -> Result<(), Failure>;

    /// What says whether to stop.
    fn stop(&self) -> Stopper;

    /// Of `total` things, `done` are done; `unit` says of what, with a space before it.
    fn bar(&self, total: usize, done: usize, unit: &'static str, quiet: bool) -> Bar<'_>;

    /// It was stopped; how to go on.
    fn cut_short(&self, sentence: &str);
}

/// The program, at a terminal or in a script.
pub(super) struct Terminal;

impl Front for Terminal {
    fn arrays(&self) -> Option<[RawArray; 2]> {
        None
    }

    fn head(&self, text: &str, warnings: &[String]) -> Result<(), Failure> {
        output::say(text)?;
        output::warn(warnings);
        Ok(())
    }

    fn watch(&self, remark: &'static str) -> Result<(), Failure> {
        interrupt::watch(remark)
    }

    fn stop(&self) -> Stopper {
        Arc::new(interrupt::stopped)
    }

    fn bar(&self, total: usize, done: usize, unit: &'static str, quiet: bool) -> Bar<'_> {
        Bar::new(total, done, unit, quiet)
    }

    fn cut_short(&self, sentence: &str) {
        print_error(sentence);
    }
}
