//! The folder of an audit: the journal while it runs; the report, its renderings and the manifest when it is done.

use super::journal::{self, EntryRecord, Head};
use super::manifest::{self, MANIFEST, ManifestError, REPORT};
use super::record::{AuditReport, RunRecord};
use super::setup::Setup;
use super::table;
use crate::audit::{Entry, Evidence, Plan, Step};
use crate::load::sha256_hex;
use crate::num::{parse_rational, round_nearest};
use crate::report::html;
use crate::report::{FileRecord, JournalError, Mode, lock};
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use thiserror::Error;

const JOURNAL: &str = "journal.jsonl";
const PLAN: &str = "plan.toml";
const PAGE: &str = "report.html";
const TABLE: &str = "rows.csv";
const EVIDENCE: &str = "evidence";
/// Ends the names of files that are being written.
const UNFINISHED: &str = ".unfinished";

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum FolderError {
    /// A file or folder cannot be made.
    #[error("{}: cannot be created: {source}", file.display())]
    Create {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process works in the folder.
    #[error("{}: another certus process is working in this folder; wait until it has ended", .0.display())]
    Busy(PathBuf),
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
    /// The journal is damaged or of another audit.
    #[error("{}: {source}", file.display())]
    Journal {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        source: JournalError,
    },
    /// The report is not one that this program reads.
    #[error("{}: {source}", file.display())]
    Report {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// There is no finished audit.
    #[error("{}: no such file; there is no finished audit in this folder", .0.display())]
    Unfinished(PathBuf),
    /// The folder was altered since it was written.
    #[error("{}: altered since the audit: {what}; see 'certus audit --verify'", dir.display())]
    Altered {
        /// The folder.
        dir: PathBuf,
        /// The first alteration.
        what: String,
    },
    /// Evidence is not what this program writes.
    #[error("{}: no counterexample as this program writes it", .0.display())]
    Evidence(PathBuf),
}

impl From<ManifestError> for FolderError {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Read { file, source } => Self::Read { file, source },
            ManifestError::Missing(file) => Self::Unfinished(file),
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// SHA-256 of report.json.
    pub id: String,
    /// The page.
    pub page: PathBuf,
}

/// The folder, open for appending.
pub struct AuditFolder<'a> {
    dir: PathBuf,
    /// Keeps other processes out for as long as this lives.
    _lock: Option<File>,
    plan: &'a Plan,
    journal: Mutex<Tail>,
}

/// The journal's end. After a failed write it may be torn, and a line behind a torn one would be lost with it.
struct Tail {
    file: File,
    torn: bool,
}

/// Where the evidence of a step lies, relative to the report; empty for steps that have none. A proof lies beside its property.
fn evidence_files(plan: &Plan, subject: usize, index: usize, step: Step) -> Vec<String> {
    let (model, data) = plan.subjects()[subject];
    let (model, data) = (&plan.models[model].name, &plan.data[data].name);
    let Some(name) = step.evidence_name() else { return Vec::new() };
    let endings: &[&str] =
        if matches!(step, Step::Proof { .. }) { &["proof", "vnnlib"] } else { &["txt"] };
    let file = |ending: &&str| format!("{EVIDENCE}/{model} on {data}/{index}-{name}.{ending}");
    endings.iter().map(file).collect()
}

/// Where the counterexample of an input at a radius in the max norm lies; `epsilon` counts radii from 0.
pub(super) fn evidence_at(plan: &Plan, subject: usize, index: usize, epsilon: usize) -> String {
    evidence_files(plan, subject, index, Step::Attack { attack: 0, epsilon }).concat()
}

/// Where the proof of an input at a radius lies, and its property.
pub(super) fn proof_at(
    plan: &Plan,
    subject: usize,
    index: usize,
    epsilon: usize,
) -> Option<[String; 2]> {
    evidence_files(plan, subject, index, Step::Proof { epsilon }).try_into().ok()
}

impl<'a> AuditFolder<'a> {
    /// Opens the folder for an audit; returns its first run and the steps it holds already.
    ///
    /// # Errors
    /// Where the folder cannot be used, another process works in it, or it holds another audit and is not to be overwritten.
    pub fn open(
        dir: &Path,
        plan: &'a Plan,
        setup: &Setup,
        run: RunRecord,
        mode: Mode,
    ) -> Result<(Self, RunRecord, Vec<Entry>), FolderError> {
        let create = |source| FolderError::Create { file: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(create)?;
        let lock = lock::folder(dir).map_err(|lock::Busy| FolderError::Busy(dir.to_owned()))?;
        if mode == Mode::Overwrite {
            remove_audit(dir)?;
        }
        let file = dir.join(JOURNAL);
        let create = |source| FolderError::Create { file: file.clone(), source };
        let mut journal =
            OpenOptions::new().create(true).append(true).open(&file).map_err(create)?;
        let bytes =
            fs::read(&file).map_err(|source| FolderError::Read { file: file.clone(), source })?;
        let held = journal::read(&bytes, plan, setup)
            .map_err(|source| FolderError::Journal { file: file.clone(), source })?;
        let write = |source| FolderError::Write { file: file.clone(), source };
        let (run, entries) = match held {
            Some(held) => {
                if held.whole < bytes.len() as u64 {
                    journal.set_len(held.whole).map_err(write)?;
                }
                (held.run, held.entries)
            }
            None => {
                journal.set_len(0).map_err(write)?;
                let head = Head { setup: setup.clone(), run };
                journal.write_all(line(&head).map_err(write)?.as_bytes()).map_err(write)?;
                (head.run, Vec::new())
            }
        };
        let journal = Mutex::new(Tail { file: journal, torn: false });
        Ok((Self { dir: dir.to_owned(), _lock: lock, plan, journal }, run, entries))
    }

    /// Keeps one finished step: the counterexample first, so that a line in the journal always has its evidence.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn append(&self, evidence: &Evidence) -> Result<(), FolderError> {
        let Entry { subject, index, step, .. } = evidence.entry;
        let files = evidence_files(self.plan, subject, index, step);
        let contents = match (&evidence.counterexample, &evidence.proof) {
            (Some(found), _) => vec![found.write_vnncomp().into_bytes()],
            (None, Some(text)) => vec![text.proof.clone(), text.property.clone().into_bytes()],
            (None, None) => Vec::new(),
        };
        for (file, bytes) in files.iter().zip(&contents) {
            self.put(file, bytes)?;
        }
        let file = self.dir.join(JOURNAL);
        let write = |source| FolderError::Write { file: file.clone(), source };
        let line = line(&EntryRecord::new(self.plan, &evidence.entry)).map_err(write)?;
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if journal.torn {
            return Err(write(io::Error::other("an earlier write failed")));
        }
        journal.file.write_all(line.as_bytes()).map_err(|source| {
            journal.torn = true;
            write(source)
        })
    }

    /// Writes a file whole or not at all.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        put(&self.dir, name, bytes)
    }

    /// The kept counterexample of an input: point and outputs, rounded to the nearest doubles, and the file's record.
    ///
    /// # Errors
    /// Where it cannot be read or is none.
    pub(super) fn evidence(
        &self,
        subject: usize,
        index: usize,
        epsilon: usize,
    ) -> Result<(Vec<f64>, Vec<f64>, FileRecord), FolderError> {
        let name = evidence_at(self.plan, subject, index, epsilon);
        let file = self.dir.join(&name);
        let bytes =
            fs::read(&file).map_err(|source| FolderError::Read { file: file.clone(), source })?;
        let text = String::from_utf8_lossy(&bytes);
        let values = |letter: char| -> Option<Vec<f64>> {
            let start = format!("{letter}_");
            let words = text.lines().filter_map(|line| {
                line.trim_matches(['(', ')']).strip_prefix(&start)?.split_once(' ')
            });
            let read = |value: &str| match parse_rational(value) {
                Ok(exact) => Some(round_nearest(&exact)),
                Err(_) => value.parse().ok(),
            };
            words.map(|(_, value)| read(value)).collect()
        };
        let none = || FolderError::Evidence(file.clone());
        let (x, y) = (values('X').ok_or_else(none)?, values('Y').ok_or_else(none)?);
        let sha256 = sha256_hex(&bytes);
        Ok((x, y, FileRecord { name, sha256 }))
    }

    /// Ends the audit: the journal in the plan's order, the plan, and the hashes of these and all evidence. What else lies in
    /// the folder of evidence belongs to no finished step and is removed.
    ///
    /// # Errors
    /// Where a file cannot be read or written.
    pub fn close(
        &self,
        setup: &Setup,
        run: &RunRecord,
        entries: &mut [Entry],
        plan_text: &str,
    ) -> Result<Vec<FileRecord>, FolderError> {
        entries.sort_by_key(|entry| (entry.subject, entry.index, entry.step));
        let file = self.dir.join(JOURNAL);
        let write = |source| FolderError::Write { file: file.clone(), source };
        let head = Head { setup: setup.clone(), run: run.clone() };
        let mut text = line(&head).map_err(write)?;
        for entry in entries.iter() {
            text += &line(&EntryRecord::new(self.plan, entry)).map_err(write)?;
        }
        self.put(JOURNAL, text.as_bytes())?;
        self.put(PLAN, plan_text.as_bytes())?;
        let mut ours: Vec<String> = entries
            .iter()
            .filter(|entry| entry.evidence)
            .flat_map(|entry| evidence_files(self.plan, entry.subject, entry.index, entry.step))
            .collect();
        let known: HashSet<&String> = ours.iter().collect();
        for name in manifest::files(&self.dir)? {
            let stale = name.starts_with(EVIDENCE) && !known.contains(&name);
            if stale || name.ends_with(UNFINISHED) {
                remove(&self.dir.join(&name))?;
            }
        }
        ours.extend([JOURNAL.to_owned(), PLAN.to_owned()]);
        ours.sort();
        let each = ours.into_iter().map(|name| {
            let sha256 = manifest::hash(&self.dir, &name)?;
            Ok(FileRecord { name, sha256 })
        });
        each.collect()
    }

    /// Writes report.json and everything made of it.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn finish(&self, report: &AuditReport) -> Result<Rendered, FolderError> {
        let file = self.dir.join(REPORT);
        let text = report.to_json().map_err(|source| FolderError::Report { file, source })?;
        self.put(REPORT, text.as_bytes())?;
        render(&self.dir, report, &sha256_hex(text.as_bytes()))
    }
}

/// Renders a finished audit again, from its report.json.
///
/// # Errors
/// Where the folder holds no finished audit or was altered, or a file cannot be written.
pub fn render_again(dir: &Path) -> Result<(AuditReport, Rendered), FolderError> {
    // Renderings may be gone or of another version; everything else must be as it was.
    if let Err(alterations) = manifest::verify_folder(dir, None)? {
        use super::Alteration::{Altered, Missing, Rendering};
        let ours = |name: &String| [PAGE, TABLE].contains(&name.as_str());
        let harmful = alterations.iter().find(
            |what| !matches!(what, Altered(name) | Missing(name) | Rendering(name) if ours(name)),
        );
        if let Some(what) = harmful {
            let (dir, what) = (dir.to_owned(), what.to_string());
            return Err(FolderError::Altered { dir, what });
        }
    }
    let (report, id) = read_report(dir)?;
    let rendered = render(dir, &report, &id)?;
    Ok((report, rendered))
}

/// The report of a finished audit, and its id.
fn read_report(dir: &Path) -> Result<(AuditReport, String), FolderError> {
    let file = dir.join(REPORT);
    let bytes = fs::read(&file).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FolderError::Unfinished(file.clone()),
        _ => FolderError::Read { file: file.clone(), source },
    })?;
    let report = serde_json::from_slice(&bytes)
        .map_err(|source| FolderError::Report { file: file.clone(), source })?;
    Ok((report, sha256_hex(&bytes)))
}

/// Page and table of a report, by file name.
fn renderings(
    dir: &Path,
    report: &AuditReport,
    id: &str,
) -> Result<[(&'static str, Vec<u8>); 2], FolderError> {
    let table = table::table(report).map_err(|error| FolderError::Write {
        file: dir.join(TABLE),
        source: io::Error::other(error),
    })?;
    Ok([(PAGE, html::page(report, id).into_bytes()), (TABLE, table)])
}

/// Writes page, table and manifest.
fn render(dir: &Path, report: &AuditReport, id: &str) -> Result<Rendered, FolderError> {
    let mut hashes: BTreeMap<String, String> =
        report.files.iter().map(|file| (file.name.clone(), file.sha256.clone())).collect();
    hashes.insert(REPORT.to_owned(), id.to_owned());
    for (name, bytes) in renderings(dir, report, id)? {
        hashes.insert(name.to_owned(), sha256_hex(&bytes));
        put(dir, name, &bytes)?;
    }
    put(dir, MANIFEST, manifest::text(&hashes).as_bytes())?;
    Ok(Rendered { id: id.to_owned(), page: dir.join(PAGE) })
}

/// Renderings of a verified folder that are not what this program makes of its report; none where the report is of another
/// version of the program.
///
/// # Errors
/// Where the report cannot be read.
pub fn foreign_renderings(dir: &Path) -> Result<Vec<super::Alteration>, FolderError> {
    let (report, id) = read_report(dir)?;
    if report.setup.build != super::Build::this() {
        return Ok(Vec::new());
    }
    let mut foreign = Vec::new();
    for (name, bytes) in renderings(dir, &report, &id)? {
        if manifest::hash(dir, name)? != sha256_hex(&bytes) {
            foreign.push(super::Alteration::Rendering(name.to_owned()));
        }
    }
    Ok(foreign)
}

fn put(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
    let file = dir.join(name);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)
            .map_err(|source| FolderError::Create { file: folder.to_owned(), source })?;
    }
    let unfinished = dir.join(format!("{name}{UNFINISHED}"));
    let written = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &file));
    written.map_err(|source| FolderError::Write { file, source })
}

/// Removes what an audit writes, and nothing else that may lie in the folder.
fn remove_audit(dir: &Path) -> Result<(), FolderError> {
    for name in manifest::files(dir)? {
        let ours = [JOURNAL, PLAN, PAGE, TABLE, REPORT].contains(&name.as_str())
            || name.starts_with(EVIDENCE)
            || name.ends_with(UNFINISHED);
        if ours {
            remove(&dir.join(name))?;
        }
    }
    remove(&dir.join(MANIFEST))
}

fn remove(file: &Path) -> Result<(), FolderError> {
    match fs::remove_file(file) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FolderError::Write { file: file.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn line(record: &impl serde::Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(record)? + "\n")
}
