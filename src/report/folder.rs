//! A folder of results: one process at a time works in it; a journal while it does, files that are written whole or not at all.

use super::audit::Alteration;
use super::journal::{self, Expected, JournalError};
use crate::audit::{Finished, Line};
use serde::Serialize;
use serde_json::Value;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use thiserror::Error;

pub(super) const JOURNAL: &str = "journal.jsonl";
pub(super) const REPORT: &str = "report.json";
/// Ends the names of files that are being written.
pub(super) const UNFINISHED: &str = ".unfinished";

/// What to do with a folder that holds results already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Refuse it.
    Fresh,
    /// Go on with it; start afresh where it holds none.
    Resume,
    /// Remove what this program wrote there, and nothing else, and start afresh.
    Overwrite,
}

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub(crate) enum FolderError {
    /// The folder holds a campaign, and nobody said what to do with it.
    #[error(
        "{}: there is a campaign in this folder already; go on with it by --resume, or replace it by --overwrite",
        .0.display()
    )]
    Exists(PathBuf),
    /// Another process works in the folder.
    #[error("{}: another certus process is working in this folder; wait until it has ended", .0.display())]
    Busy(PathBuf),
    /// A file or folder cannot be made.
    #[error("{}: cannot be created: {source}", file.display())]
    Create { file: PathBuf, source: io::Error },
    /// A file or folder cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Read { file: PathBuf, source: io::Error },
    /// A file cannot be written.
    #[error("{}: cannot be written: {source}", file.display())]
    Write { file: PathBuf, source: io::Error },
    /// The journal is damaged or of other work.
    #[error("{}: {source}", file.display())]
    Journal { file: PathBuf, source: JournalError },
    /// The report is not one that this program reads.
    #[error("{}: {source}", file.display())]
    Report { file: PathBuf, source: serde_json::Error },
    /// There is no finished audit.
    #[error("{}: no such file; there is no finished audit in this folder", .0.display())]
    Unfinished(PathBuf),
    /// The folder was altered since it was written.
    #[error("{}: altered since the audit: {what}; see 'certus audit --verify'", dir.display())]
    Altered { dir: PathBuf, what: Alteration },
    /// Evidence is not what this program writes.
    #[error("{}: no counterexample as this program writes it", .0.display())]
    Evidence(PathBuf),
}

/// The folder, open for appending to its journal.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    /// Keeps other processes out for as long as this lives.
    _lock: Option<File>,
    journal: Mutex<Tail>,
}

/// The journal's end. After a failed write it may be torn, and a line behind a torn one would be lost with it.
#[derive(Debug)]
struct Tail {
    file: File,
    torn: bool,
}

impl Folder {
    /// Opens the folder; returns the header of the journal that it holds already, if it does, and its lines. `ours` names what
    /// is this program's, relative to the folder: files, and with a slash behind them the folders in which such may lie.
    ///
    /// # Errors
    /// Where the folder cannot be used, another process works in it, it holds results and `mode` is [`Mode::Fresh`], or others
    /// than expected and `mode` is [`Mode::Resume`].
    pub(crate) fn open<H: Serialize, L: Line>(
        dir: &Path,
        mode: Mode,
        ours: fn(&str) -> bool,
        mut expected: Expected<H, L>,
    ) -> Result<(Self, Option<Value>, Vec<L>), FolderError> {
        create_dir(dir)?;
        let lock = lock(dir)?;
        if mode == Mode::Fresh && (dir.join(JOURNAL).exists() || dir.join(REPORT).exists()) {
            return Err(FolderError::Exists(dir.to_owned()));
        }
        if mode == Mode::Overwrite {
            for name in files(dir, ours)?.iter().filter(|name| ours(name)) {
                remove(&dir.join(name))?;
            }
        }
        let file = dir.join(JOURNAL);
        let create = |source| FolderError::Create { file: file.clone(), source };
        let mut journal =
            OpenOptions::new().create(true).append(true).open(&file).map_err(create)?;
        let bytes = read(&file)?;
        let held = journal::read(&bytes, &mut expected)
            .map_err(|source| FolderError::Journal { file: file.clone(), source })?;
        let write = |source| FolderError::Write { file: file.clone(), source };
        let (head, lines) = match held {
            Some(held) => {
                journal.set_len(held.whole).map_err(write)?;
                (Some(held.head), held.lines)
            }
            None => {
                journal.set_len(0).map_err(write)?;
                journal.write_all(&line(expected.head).map_err(write)?).map_err(write)?;
                (None, Vec::new())
            }
        };
        let journal = Mutex::new(Tail { file: journal, torn: false });
        Ok((Self { dir: dir.to_owned(), _lock: lock, journal }, head, lines))
    }

    /// Keeps what is finished: its files first, so that a line in the journal always has its evidence.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub(crate) fn append<L: Line>(&self, finished: &Finished<L>) -> Result<(), FolderError> {
        for (name, bytes) in &finished.files {
            self.put(name, bytes)?;
        }
        let write = |source| FolderError::Write { file: self.dir.join(JOURNAL), source };
        let line = line(&finished.line).map_err(write)?;
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if journal.torn {
            return Err(write(io::Error::other("an earlier write failed")));
        }
        journal.file.write_all(&line).map_err(|source| {
            journal.torn = true;
            write(source)
        })
    }

    /// Hands the journal to the disk.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub(crate) fn sync(&self) -> Result<(), FolderError> {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        match journal.file.sync_data() {
            // Pipes and devices have nothing to synchronise.
            Err(source) if source.kind() != io::ErrorKind::InvalidInput => {
                Err(FolderError::Write { file: self.dir.join(JOURNAL), source })
            }
            _ => Ok(()),
        }
    }

    /// The folder's path.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file whole or not at all.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        put(&self.dir, name, bytes)
    }
}

/// Locks a folder for as long as the returned handle lives. The lock is the operating system's and lies on the folder itself: it
/// leaves no file, and ends with the process, however that ends. `None` where the system cannot lock folders (some
/// network file systems, Windows): there nothing keeps two processes apart.
fn lock(dir: &Path) -> Result<Option<File>, FolderError> {
    let Ok(handle) = File::open(dir) else { return Ok(None) };
    match handle.try_lock() {
        Ok(()) => Ok(Some(handle)),
        Err(TryLockError::WouldBlock) => Err(FolderError::Busy(dir.to_owned())),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Every file below a folder, by its path from there with slashes, but for the folders (such as `a/b/`) that are not entered.
pub(super) fn files(dir: &Path, enter: fn(&str) -> bool) -> Result<Vec<String>, FolderError> {
    let mut found = Vec::new();
    let mut open = vec![(dir.to_owned(), String::new())];
    while let Some((folder, prefix)) = open.pop() {
        let read = |source| FolderError::Read { file: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(read)? {
            let entry = entry.map_err(read)?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if !entry.file_type().map_err(read)?.is_dir() {
                found.push(name);
            } else if enter(&format!("{name}/")) {
                open.push((entry.path(), name + "/"));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A file's bytes.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, FolderError> {
    fs::read(file).map_err(|source| FolderError::Read { file: file.to_owned(), source })
}

/// A file's bytes, which only a finished audit has.
pub(super) fn finished(file: &Path) -> Result<Vec<u8>, FolderError> {
    match read(file) {
        Err(FolderError::Read { file, source }) if source.kind() == io::ErrorKind::NotFound => {
            Err(FolderError::Unfinished(file))
        }
        other => other,
    }
}

pub(super) fn create_dir(dir: &Path) -> Result<(), FolderError> {
    fs::create_dir_all(dir).map_err(|source| FolderError::Create { file: dir.to_owned(), source })
}

/// Writes a file of a folder whole or not at all.
pub(super) fn put(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
    let (file, unfinished) = (dir.join(name), dir.join(format!("{name}{UNFINISHED}")));
    if let Some(parent) = file.parent() {
        create_dir(parent)?;
    }
    let written = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &file));
    written.map_err(|source| FolderError::Write { file, source })
}

pub(super) fn remove(file: &Path) -> Result<(), FolderError> {
    match fs::remove_file(file) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FolderError::Write { file: file.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// A line of a journal.
pub(super) fn line(of: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(of)?;
    line.push(b'\n');
    Ok(line)
}
