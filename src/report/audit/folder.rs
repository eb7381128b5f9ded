//! The folder of an audit: the journal while it runs; the report, its renderings and the manifest when it is done.

use super::bom::bom;
use super::content::{AuditReport, RunRecord};
use super::dsse::{self, CheckKey, SignKey};
use super::gsn::argument;
use super::manifest::{self, Alteration, ENVELOPE, MANIFEST};
use super::setup::{Build, Setup};
use super::statement::{digest, statement};
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
const BOM: &str = "bom.cdx.json";
const ARGUMENT: &str = "argument.gsn.yaml";
/// What is made of report.json alone.
const RENDERINGS: [&str; 4] = [PAGE, TABLE, BOM, ARGUMENT];

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
    [JOURNAL, PLAN, REPORT, MANIFEST, ENVELOPE].contains(&name)
        || RENDERINGS.contains(&name)
        || name.starts_with(EVIDENCE)
        || name.ends_with(UNFINISHED)
        || name.ends_with('/')
}

/// Fields that may differ when an audit goes on: the run, texts, and where files lie. Hashes must agree.
fn may_differ(path: &str) -> bool {
    path == "run"
        || [".file", ".training", ".recipe", ".split", ".unit"].iter().any(|e| path.ends_with(e))
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

    /// Writes report.json and everything made of it, and signs it where there is a key.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub(crate) fn finish(
        &self,
        report: &AuditReport,
        key: Option<&SignKey>,
    ) -> Result<Rendered, FolderError> {
        let file = self.dir().join(REPORT);
        let text = report.to_json().map_err(|source| FolderError::Report { file, source })?;
        self.put(REPORT, text.as_bytes())?;
        render(self.dir(), report, &sha256_hex(text.as_bytes()), key)
    }
}

/// Renders a finished audit again, from its report.json, and signs it where there is a key. Without one a signature stays that is still about
/// these files.
///
/// # Errors
/// Where the folder holds no finished audit or was altered, or a file cannot be written.
pub(crate) fn render_again(
    dir: &Path,
    key: Option<&SignKey>,
) -> Result<(AuditReport, Rendered), FolderError> {
    // Renderings may be gone or of another version; everything else must be as it was.
    if let Err(alterations) = manifest::verify_folder(dir, None)? {
        use Alteration::{Altered, Missing, Rendering};
        let ours = |name: &String| RENDERINGS.contains(&name.as_str());
        let harmful = alterations.into_iter().find(
            |what| !matches!(what, Altered(name) | Missing(name) | Rendering(name) if ours(name)),
        );
        if let Some(what) = harmful {
            return Err(FolderError::Altered { dir: dir.to_owned(), what });
        }
    }
    let (report, id) = read_report(dir)?;
    let rendered = render(dir, &report, &id, key)?;
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

/// Page, table, BOM and argument of a report, by file name.
fn renderings(
    dir: &Path,
    report: &AuditReport,
    id: &str,
) -> Result<[(&'static str, Vec<u8>); 4], FolderError> {
    let table = table::table(report).map_err(|error| FolderError::Write {
        file: dir.join(TABLE),
        source: io::Error::other(error),
    })?;
    let (bom, argument) = (bom(report, id), argument(report, id));
    Ok([
        (PAGE, html::page(report, id).into_bytes()),
        (TABLE, table),
        (BOM, bom.into_bytes()),
        (ARGUMENT, argument.into_bytes()),
    ])
}

/// Writes what is made of the report, the manifest, and the signed statement about it.
fn render(
    dir: &Path,
    report: &AuditReport,
    id: &str,
    key: Option<&SignKey>,
) -> Result<Rendered, FolderError> {
    let mut hashes: BTreeMap<String, String> =
        report.files.iter().map(|file| (file.name.clone(), file.sha256.clone())).collect();
    hashes.insert(REPORT.to_owned(), id.to_owned());
    for (name, bytes) in renderings(dir, report, id)? {
        hashes.insert(name.to_owned(), sha256_hex(&bytes));
        put(dir, name, &bytes)?;
    }
    let manifest = manifest::text(&hashes);
    put(dir, MANIFEST, manifest.as_bytes())?;
    let sealed = sha256_hex(manifest.as_bytes());
    if let Some(key) = key {
        let envelope = key.envelope(&statement(report, id, &sealed));
        put(dir, ENVELOPE, envelope.as_bytes())?;
    } else if !signed(dir, &sealed)? {
        remove(&dir.join(ENVELOPE))?;
    }
    Ok(Rendered { id: id.to_owned(), page: dir.join(PAGE) })
}

/// The signed statement of a folder; none where it was not signed.
fn envelope(dir: &Path) -> Result<Option<Vec<u8>>, FolderError> {
    match folder::read(&dir.join(ENVELOPE)) {
        Err(FolderError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// Whether what is signed is about the manifest with this hash.
fn signed(dir: &Path, sealed: &str) -> Result<bool, FolderError> {
    let opened = envelope(dir)?.and_then(|bytes| dsse::open(&bytes, None).ok());
    let stated = opened.and_then(|opened| serde_json::from_str(&opened.payload).ok());
    Ok(stated.is_some_and(|stated| digest(&stated, MANIFEST) == Some(sealed)))
}

/// The id of the key that signed a verified folder; none where it is not signed and no key is given. With a key only what that key signed
/// is right, and in either case only a statement about this very manifest and report.
///
/// # Errors
/// Where a file cannot be read; inside, what is wrong.
pub(crate) fn signature(
    dir: &Path,
    key: Option<&CheckKey>,
) -> Result<Result<Option<String>, Alteration>, FolderError> {
    let wrong = |what: &str| Ok(Err(Alteration::Signature(what.to_owned())));
    let Some(bytes) = envelope(dir)? else {
        return if key.is_some() {
            wrong("missing: the audit is not signed")
        } else {
            Ok(Ok(None))
        };
    };
    let opened = match dsse::open(&bytes, key) {
        Ok(opened) => opened,
        Err(what) => return wrong(&what),
    };
    let (report, id) = read_report(dir)?;
    let sealed = sha256_hex(&folder::finished(&dir.join(MANIFEST))?);
    let stated: serde_json::Value = serde_json::from_str(&opened.payload).unwrap_or_default();
    let about = |name, hash: &str| digest(&stated, name) == Some(hash);
    if !about(MANIFEST, &sealed) || !about(REPORT, &id) {
        return wrong("what is signed is about another report or other files");
    }
    if report.setup.build == Build::this() && opened.payload != statement(&report, &id, &sealed) {
        return wrong("what is signed is not what this program states of report.json");
    }
    Ok(Ok(Some(opened.key)))
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
