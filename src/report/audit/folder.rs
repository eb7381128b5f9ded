//! The folder of an audit: the journal while it runs; the report, its renderings and the manifest when it is done.

use super::content::{AuditReport, RunRecord};
use super::manifest::{self, Alteration, MANIFEST};
use super::setup::{Build, Setup};
use super::table;
use crate::audit::{EVIDENCE, Entry, FileRecord, Line, Plan};
use crate::load::sha256_hex;
use crate::num::{parse_rational, round_nearest};
use crate::report::folder::{
    self, Folder, FolderError, JOURNAL, Mode, REPORT, UNFINISHED, line, put, remove,
};
use crate::report::html;
use crate::report::journal::{Expected, JournalError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

const PLAN: &str = "plan.toml";
const PAGE: &str = "report.html";
const TABLE: &str = "rows.csv";

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// SHA-256 of report.json.
    pub(crate) id: String,
    pub(crate) page: PathBuf,
}

/// The first line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Head {
    /// What is done.
    #[serde(flatten)]
    setup: Setup,
    /// When and where it was begun.
    run: RunRecord,
}

/// Whether an audit writes a file of this name, or enters a folder of it.
fn ours(name: &str) -> bool {
    [JOURNAL, PLAN, PAGE, TABLE, REPORT, MANIFEST].contains(&name)
        || name.starts_with(EVIDENCE)
        || name.ends_with(UNFINISHED)
        || name.ends_with('/')
}

/// Fields that may differ when an audit goes on: the run, texts, and where files lie. Hashes must agree.
fn may_differ(path: &str) -> bool {
    path == "run" || [".file", ".training", ".split", ".unit"].iter().any(|e| path.ends_with(e))
}

impl Folder {
    /// Opens the folder for an audit; returns its first run and the steps it holds already.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn audit(
        dir: &Path,
        plan: &Plan,
        setup: &Setup,
        run: RunRecord,
        mode: Mode,
    ) -> Result<(Self, RunRecord, Vec<Entry>), FolderError> {
        let subjects = plan.subjects();
        let mut seen = HashSet::new();
        let mut refuse = |entry: &Entry| {
            let (subject, index) = entry.input();
            let used = subjects.get(subject).map_or(0, |&(_, data)| setup.data[data].used);
            if index >= used {
                return Some(format!("input {index} is not in this audit"));
            }
            let fresh = seen.insert((subject, index, entry.step));
            (!fresh).then(|| format!("input {index} has this step already"))
        };
        let head = Head { setup: setup.clone(), run };
        let expected = Expected { head: &head, may_differ, refuse: &mut refuse };
        let (folder, held, entries) = Self::open(dir, mode, ours, expected)?;
        let run = match held {
            None => head.run,
            Some(mut held) => serde_json::from_value(held["run"].take()).map_err(|source| {
                let source = JournalError::Line { line: 1, source };
                FolderError::Journal { file: dir.join(JOURNAL), source }
            })?,
        };
        Ok((folder, run, entries))
    }

    /// A counterexample that is kept in a file: point and outputs, rounded to the nearest doubles.
    ///
    /// # Errors
    /// Where it cannot be read or is none.
    pub(super) fn evidence(&self, name: &str) -> Result<(Vec<f64>, Vec<f64>), FolderError> {
        let file = self.dir().join(name);
        let bytes = folder::read(&file)?;
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
        Ok((values('X').ok_or_else(none)?, values('Y').ok_or_else(none)?))
    }

    /// Ends the audit: the journal in the plan's order, the plan, and the hashes of these and all evidence. What else lies in
    /// the folder of evidence belongs to no finished step and is removed.
    ///
    /// # Errors
    /// Where a file cannot be read or written.
    pub(crate) fn close(
        &self,
        plan: &Plan,
        setup: &Setup,
        run: &RunRecord,
        entries: &mut [Entry],
        plan_text: &str,
    ) -> Result<Vec<FileRecord>, FolderError> {
        entries.sort_by_key(|entry| (entry.input(), entry.step));
        let write = |source| FolderError::Write { file: self.dir().join(JOURNAL), source };
        let head = Head { setup: setup.clone(), run: run.clone() };
        let mut text = line(&head).map_err(write)?;
        for entry in entries.iter() {
            text.extend(line(entry).map_err(write)?);
        }
        self.put(JOURNAL, &text)?;
        self.put(PLAN, plan_text.as_bytes())?;
        let kept = entries.iter().filter(|entry| entry.evidence);
        let mut ours: Vec<String> =
            kept.flat_map(|entry| plan.evidence(entry.subject, entry.index, entry.step)).collect();
        let known: HashSet<&String> = ours.iter().collect();
        for name in manifest::files(self.dir())? {
            let stale = name.starts_with(EVIDENCE) && !known.contains(&name);
            if stale || name.ends_with(UNFINISHED) {
                remove(&self.dir().join(&name))?;
            }
        }
        ours.extend([JOURNAL.to_owned(), PLAN.to_owned()]);
        ours.sort();
        let each = ours.into_iter().map(|name| {
            let sha256 = manifest::hash(self.dir(), &name)?;
            Ok(FileRecord { name, sha256 })
        });
        each.collect()
    }

    /// Writes report.json and everything made of it.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub(crate) fn finish(&self, report: &AuditReport) -> Result<Rendered, FolderError> {
        let file = self.dir().join(REPORT);
        let text = report.to_json().map_err(|source| FolderError::Report { file, source })?;
        self.put(REPORT, text.as_bytes())?;
        render(self.dir(), report, &sha256_hex(text.as_bytes()))
    }
}

/// Renders a finished audit again, from its report.json.
///
/// # Errors
/// Where the folder holds no finished audit or was altered, or a file cannot be written.
pub(crate) fn render_again(dir: &Path) -> Result<(AuditReport, Rendered), FolderError> {
    // Renderings may be gone or of another version; everything else must be as it was.
    if let Err(alterations) = manifest::verify_folder(dir, None)? {
        use Alteration::{Altered, Missing, Rendering};
        let ours = |name: &String| [PAGE, TABLE].contains(&name.as_str());
        let harmful = alterations.into_iter().find(
            |what| !matches!(what, Altered(name) | Missing(name) | Rendering(name) if ours(name)),
        );
        if let Some(what) = harmful {
            return Err(FolderError::Altered { dir: dir.to_owned(), what });
        }
    }
    let (report, id) = read_report(dir)?;
    let rendered = render(dir, &report, &id)?;
    Ok((report, rendered))
}

/// The report of a finished audit, and its id.
fn read_report(dir: &Path) -> Result<(AuditReport, String), FolderError> {
    let file = dir.join(REPORT);
    let bytes = folder::finished(&file)?;
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
pub(crate) fn foreign_renderings(dir: &Path) -> Result<Vec<Alteration>, FolderError> {
    let (report, id) = read_report(dir)?;
    if report.setup.build != Build::this() {
        return Ok(Vec::new());
    }
    let mut foreign = Vec::new();
    for (name, bytes) in renderings(dir, &report, &id)? {
        if manifest::hash(dir, name)? != sha256_hex(&bytes) {
            foreign.push(Alteration::Rendering(name.to_owned()));
        }
    }
    Ok(foreign)
}
