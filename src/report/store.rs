//! The folder of a campaign: journal.jsonl, report.json, counterexamples/.

use super::journal::{self, JournalError};
use super::row::{Record, counterexample_file};
use super::{FileRecord, Report, RowRecord, lock};
use crate::attack::Counterexample;
use crate::audit::Finished;
use crate::load::sha256_hex;
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use thiserror::Error;

const JOURNAL: &str = "journal.jsonl";
const REPORT: &str = "report.json";
const COUNTEREXAMPLES: &str = "counterexamples";
const PROOFS: &str = "proofs";

/// What to do with a folder that holds a campaign already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Refuse it.
    Fresh,
    /// Go on with it; start afresh where it holds none.
    Resume,
    /// Remove that campaign's files, and no others, and start afresh.
    Overwrite,
}

/// Why results cannot be kept.
#[derive(Debug, Error)]
pub enum StoreError {
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
    Create {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written: {source}", file.display())]
    Write {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The journal is damaged or of another campaign.
    #[error("{}: {source}", file.display())]
    Journal {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        source: JournalError,
    },
}

/// The folder, open for appending.
#[derive(Debug)]
pub struct Store {
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

impl Store {
    /// Opens the folder for the campaign `header`, whose inputs are `0..inputs`, and returns the rows it holds already.
    ///
    /// # Errors
    /// Where the folder cannot be used, another process works in it, it holds a campaign and `mode` is [`Mode::Fresh`], or it
    /// holds another campaign than this and `mode` is [`Mode::Resume`].
    pub fn open<R: Record>(
        dir: &Path,
        header: &impl Serialize,
        inputs: usize,
        mode: Mode,
    ) -> Result<(Self, Vec<R::Row>), StoreError> {
        let at = |name: &str| dir.join(name);
        create_dir(dir)?;
        let lock = lock::folder(dir).map_err(|lock::Busy| StoreError::Busy(dir.to_owned()))?;
        let exists = at(JOURNAL).exists() || at(REPORT).exists();
        if exists && mode == Mode::Fresh {
            return Err(StoreError::Exists(dir.to_owned()));
        }
        create_dir(&at(COUNTEREXAMPLES))?;
        if mode == Mode::Overwrite {
            remove_campaign(dir)?;
        }
        let file = at(JOURNAL);
        let create = |source| StoreError::Create { file: file.clone(), source };
        let mut journal =
            OpenOptions::new().create(true).append(true).open(&file).map_err(create)?;
        let held = if mode == Mode::Resume { take_over::<R>(&file, header, inputs)? } else { None };
        let write = |source| StoreError::Write { file: file.clone(), source };
        let rows = match held {
            Some(held) => {
                journal.set_len(held.whole).map_err(write)?;
                held.rows
            }
            None => {
                journal.set_len(0).map_err(write)?;
                journal.write_all(line(header).map_err(write)?.as_bytes()).map_err(write)?;
                Vec::new()
            }
        };
        let journal = Mutex::new(Tail { file: journal, torn: false });
        Ok((Self { dir: dir.to_owned(), _lock: lock, journal }, rows))
    }

    /// Keeps one finished input of a campaign.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn append(&self, finished: &Finished) -> Result<(), StoreError> {
        self.keep(&RowRecord::from(&finished.row), finished.counterexample.as_ref())
    }

    /// Keeps one row: the counterexample first, so that a row in the journal always has its evidence.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn keep(
        &self,
        record: &impl Record,
        counterexample: Option<&Counterexample>,
    ) -> Result<(), StoreError> {
        if let Some(counterexample) = counterexample {
            let file = self.dir.join(counterexample_file(record.index()));
            fs::write(&file, counterexample.write_vnncomp())
                .map_err(|source| StoreError::Write { file, source })?;
        }
        let write = |source| StoreError::Write { file: self.journal_file(), source };
        let line = line(record).map_err(write)?;
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if journal.torn {
            return Err(write(io::Error::other("an earlier write failed")));
        }
        journal.file.write_all(line.as_bytes()).map_err(|source| {
            journal.torn = true;
            write(source)
        })
    }

    /// Hands the journal to the disk.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn sync(&self) -> Result<(), StoreError> {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        match journal.file.sync_data() {
            // Pipes and devices have nothing to synchronise.
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
                Err(StoreError::Write { file: self.journal_file(), source: error })
            }
            _ => Ok(()),
        }
    }

    /// Writes report.json, whole or not at all, and returns where.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_report(&self, report: &Report) -> Result<PathBuf, StoreError> {
        self.write_json(report.to_json())
    }

    /// Writes report.json with the given text, whole or not at all, and returns where.
    ///
    /// # Errors
    /// Where there is no text, or it cannot be written.
    pub fn write_json(&self, text: serde_json::Result<String>) -> Result<PathBuf, StoreError> {
        let file = self.dir.join(REPORT);
        let write = |source| StoreError::Write { file: file.clone(), source };
        let text = text.map_err(|error| write(error.into()))?;
        let unfinished = self.dir.join("report.json.unfinished");
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, &file))
            .map_err(write)?;
        Ok(file)
    }

    /// The journal's file.
    #[must_use]
    pub fn journal_file(&self) -> PathBuf {
        self.dir.join(JOURNAL)
    }

    /// The folder of the proofs, made if it is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn proofs(&self) -> Result<PathBuf, StoreError> {
        let dir = self.dir.join(PROOFS);
        create_dir(&dir)?;
        Ok(dir)
    }

    /// The files of counterexamples that the rows name, with their hashes.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn evidence(&self, rows: &[RowRecord]) -> Result<Vec<FileRecord>, StoreError> {
        let names = rows.iter().filter_map(|row| row.counterexample.clone());
        let hashed = names.map(|name| {
            let file = self.dir.join(&name);
            let bytes = fs::read(&file).map_err(|source| StoreError::Read { file, source })?;
            Ok(FileRecord { name, sha256: sha256_hex(&bytes) })
        });
        hashed.collect()
    }

    /// The folder of the counterexamples.
    #[must_use]
    pub fn counterexamples(&self) -> PathBuf {
        self.dir.join(COUNTEREXAMPLES)
    }
}

/// What the journal holds; `None` where not even its header is whole.
fn take_over<R: Record>(
    file: &Path,
    header: &impl Serialize,
    inputs: usize,
) -> Result<Option<journal::Journal<R::Row>>, StoreError> {
    let bytes =
        fs::read(file).map_err(|source| StoreError::Read { file: file.to_owned(), source })?;
    let held = journal::read::<R>(&bytes, header, inputs)
        .map_err(|source| StoreError::Journal { file: file.to_owned(), source })?;
    Ok((held.whole > 0).then_some(held))
}

fn create_dir(dir: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(|source| StoreError::Create { file: dir.to_owned(), source })
}

/// Removes what a campaign writes, and nothing else that may lie in the folder.
fn remove_campaign(dir: &Path) -> Result<(), StoreError> {
    let mut evidence = numbered(&dir.join(COUNTEREXAMPLES), &["txt"])?;
    let proofs = dir.join(PROOFS);
    if proofs.is_dir() {
        evidence.push(proofs.join("index.csv"));
        evidence.extend(numbered(&proofs, &["vnnlib", "proof.gz", "proof.gz.unfinished"])?);
    }
    for file in [dir.join(JOURNAL), dir.join(REPORT)].into_iter().chain(evidence) {
        match fs::remove_file(&file) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::Write { file, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The files of a folder that are called by a number and one of the endings.
fn numbered(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(folder)
        .map_err(|source| StoreError::Read { file: folder.to_owned(), source })?;
    let ours = |file: &PathBuf| {
        file.file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.split_once('.'))
            .is_some_and(|(number, ending)| {
                endings.contains(&ending) && number.bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    Ok(entries.flatten().map(|entry| entry.path()).filter(ours).collect())
}

fn line(record: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(record)? + "\n")
}
