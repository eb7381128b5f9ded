//! Exit codes, and how errors map to them. Documented in docs/exit-codes.md and at the end of `certus --help`.

use crate::audit::{Breach, Clash, PlanError, RunError};
use crate::load::{DatasetError, FileError, NetworkError, PropertyError};
use crate::report::{FolderError, IndexError, KeyError};
use std::fmt::Display;
use std::io;
use std::path::Path;

/// Done; for a single query: certified.
pub(super) const DONE: u8 = 0;
/// `certus check`: a proof is rejected or lacking, or there is none.
pub(super) const REJECTED: u8 = 1;
/// Falsified, or fewer inputs certified than `--require-certified` asks.
pub(super) const FALSIFIED: u8 = 10;
/// Neither certified nor falsified.
pub(super) const UNKNOWN: u8 = 20;
/// Certified, but without the proof that --proof or --proofs asked for.
pub(super) const UNPROVED: u8 = 21;
/// The command line makes no sense.
pub(super) const USAGE: u8 = 64;
/// A file's content is unusable.
pub(super) const DATA: u8 = 65;
/// A file is missing or unreadable.
pub(super) const NO_INPUT: u8 = 66;
/// An error in this program.
pub(super) const INTERNAL: u8 = 70;
/// An output file or folder cannot be made.
pub(super) const CANNOT_CREATE: u8 = 73;
/// Writing failed.
pub(super) const OUTPUT: u8 = 74;
/// Another process works in the output folder.
pub(super) const BUSY: u8 = 75;
/// Ctrl-C.
pub(super) const INTERRUPTED: u8 = 130;

/// Ends `certus -h`.
pub(super) const SHORT: &str = "All options, and the exit codes: --help";

/// Ends `certus --help`.
pub(super) const HELP: &str = "Exit codes:
    0  done; for a single query: certified
    1  certus check: a proof is rejected or lacking, or there is none; certus fuzz: the other verifier is wrong; certus shrink: nothing to shrink
   10  falsified, or fewer inputs certified than --require-certified asks
   20  unknown: neither certified nor falsified
   21  certified, but without the proof that --proof or --proofs asked for
   64  the command line makes no sense
   65  a file's content is unusable
   66  a file is missing or unreadable
   70  an error in certus itself, a broken law, or a verdict that contradicts the expected one
   73  an output file or folder cannot be created
   74  writing failed, for example on a full disk
   75  another certus process is working in the output folder
  130  interrupted";

/// What ends the program early: one sentence, and the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// The sentence, without the program's name.
    pub message: String,
}

impl Failure {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A file or folder that cannot be made.
    pub(super) fn create(file: &Path, why: impl Display) -> Self {
        Self::new(CANNOT_CREATE, format!("{}: cannot be created: {why}", file.display()))
    }

    /// A file that cannot be written.
    pub(super) fn write(file: &Path, why: impl Display) -> Self {
        Self::new(OUTPUT, format!("{}: cannot be written: {why}", file.display()))
    }
}

/// What the system says, in our words.
pub(super) fn words(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => "there is no such file or folder".to_owned(),
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => "this is not allowed here".to_owned(),
        Kind::AlreadyExists => "it is there already".to_owned(),
        Kind::IsADirectory => "it is a folder".to_owned(),
        Kind::NotADirectory => "a part of its path is a file, not a folder".to_owned(),
        Kind::StorageFull | Kind::QuotaExceeded => "the disk is full".to_owned(),
        Kind::FileTooLarge => "it would be larger than files may be".to_owned(),
        _ => error.to_string(),
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let code = match &error {
            FileError::Missing(_) | FileError::Io { .. } => NO_INPUT,
            FileError::Empty(_)
            | FileError::Pointer(_)
            | FileError::Gzip { .. }
            | FileError::Memory { .. } => DATA,
        };
        Self::new(code, error.to_string())
    }
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::File(file) => file.into(),
            _ => Self::new(DATA, error.to_string()),
        }
    }
}

impl From<PropertyError> for Failure {
    fn from(error: PropertyError) -> Self {
        match error {
            PropertyError::File(file) => file.into(),
            _ => Self::new(DATA, error.to_string()),
        }
    }
}

impl From<DatasetError> for Failure {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::File(file) => file.into(),
            _ => Self::new(DATA, error.to_string()),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::new(if error.missing { NO_INPUT } else { DATA }, error.to_string())
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::File(error) => error.into(),
            other => Self::new(DATA, other.to_string()),
        }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        let code = match &error {
            FolderError::Exists(_) | FolderError::Create { .. } => CANNOT_CREATE,
            FolderError::Busy(_) => BUSY,
            FolderError::Read { .. } | FolderError::Write { .. } => OUTPUT,
            FolderError::Unfinished(_) => NO_INPUT,
            FolderError::Journal { .. }
            | FolderError::Report { .. }
            | FolderError::Altered { .. }
            | FolderError::Evidence(_) => DATA,
        };
        Self::new(code, error.to_string())
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        let code = match &error {
            IndexError::Missing(_) | IndexError::Read { .. } => NO_INPUT,
            IndexError::Content { .. } => DATA,
        };
        Self::new(code, error.to_string())
    }
}

impl From<RunError<Self>> for Failure {
    fn from(error: RunError<Self>) -> Self {
        match error {
            RunError::Sink(failure) => failure,
            RunError::Clash(clash) => clash.into(),
            RunError::Breach(breach) => breach.into(),
            RunError::Threads(error) => error.into(),
            RunError::Query { .. } | RunError::Semantic { .. } => {
                Self::new(DATA, error.to_string())
            }
        }
    }
}

impl From<rayon::ThreadPoolBuildError> for Failure {
    fn from(error: rayon::ThreadPoolBuildError) -> Self {
        Self::new(INTERNAL, format!("cannot start threads: {error}"))
    }
}

impl From<Clash> for Failure {
    fn from(clash: Clash) -> Self {
        Self::new(INTERNAL, format!("internal error, no report is written: {clash}"))
    }
}

impl From<Breach> for Failure {
    fn from(breach: Breach) -> Self {
        Self::new(INTERNAL, format!("internal error, no report is written: {breach}"))
    }
}
