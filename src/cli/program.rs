//! How this program was started, and how it starts itself again: by its own file, or by what a package that holds it says.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// A program that is not a file of its own, such as the command of a Python package.
#[derive(Debug, Clone)]
pub struct Started {
    /// What starts it again, such as `python -m certus`.
    pub again: Vec<OsString>,
    /// The file that holds its code.
    pub file: PathBuf,
    /// Its name and arguments as they were typed.
    pub line: Vec<OsString>,
}

static STARTED: OnceLock<Started> = OnceLock::new();

/// Keeps how it was started; without it, it is a file of its own.
pub(super) fn started(how: Started) {
    let _ = STARTED.set(how);
}

/// The command line.
pub(super) fn line() -> Vec<String> {
    let typed = STARTED.get().map_or_else(|| std::env::args_os().collect(), |how| how.line.clone());
    typed.into_iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The file that holds the code.
pub(super) fn file() -> io::Result<PathBuf> {
    STARTED.get().map_or_else(std::env::current_exe, |how| Ok(how.file.clone()))
}

/// Starts it again, with arguments to come.
pub(super) fn again() -> io::Result<Command> {
    let words = STARTED.get().map(|how| how.again.as_slice());
    match words.and_then(<[_]>::split_first) {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments);
            Ok(command)
        }
        None => Ok(Command::new(std::env::current_exe()?)),
    }
}
