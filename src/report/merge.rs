//! One campaign of its shards: the report that it would have been on one machine, with the evidence.

use super::campaign::PROOFS;
use super::folder::{FolderError, REPORT, put, read};
use super::journal::difference;
use super::proofs::{IndexError, ProofEntry, ProofFolder};
use super::{Folder, Header, Mode, Report, Timing};
use crate::audit::shard::Shard;
use crate::audit::{Breach, FileRecord, Finished, Row};
use crate::load::sha256_hex;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why folders are not the shards of one campaign.
#[derive(Debug, Error)]
pub(crate) enum MergeError {
    /// A folder cannot be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// An index of proofs cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A folder without a report.
    #[error("{}: no report.json: the shard is not finished; the command that began it goes on with --resume", .0.display())]
    Unfinished(PathBuf),
    /// The report of a whole campaign.
    #[error("{}: a whole campaign and no shard: only what --shard K/N made can be merged", .0.display())]
    Whole(PathBuf),
    /// A shard of something else.
    #[error("{}: a shard of another campaign than {}: its '{field}' is {value}, there it is {other_value}", dir.display(), other.display())]
    Other { dir: PathBuf, other: PathBuf, field: String, value: String, other_value: String },
    /// A shard that is there twice.
    #[error("{} and {} are both shard {shard}", .dirs[0].display(), .dirs[1].display())]
    Twice { shard: Shard, dirs: Box<[PathBuf; 2]> },
    /// Shards that are not there.
    #[error("shards are missing: {0}")]
    Missing(String),
    /// Rows that are not those of the shard.
    #[error("{}: the rows are not those of shard {shard}: {what}", dir.display())]
    Rows { dir: PathBuf, shard: Shard, what: String },
    /// Evidence that is not what the report says.
    #[error("{}: it is not the file that the report names: its SHA-256 is another", .0.display())]
    Altered(PathBuf),
    /// Rows that contradict each other.
    #[error(transparent)]
    Breach(#[from] Breach),
}

/// The finished campaign of a shard.
struct Part {
    dir: PathBuf,
    shard: Shard,
    report: Report,
}

/// Makes one campaign of its shards, in any order, in a folder of its own.
///
/// # Errors
/// Where a shard is missing, unfinished, there twice, of another campaign, or altered; or the folder holds a campaign already
/// and `mode` does not say that it may be replaced.
pub(crate) fn merge(dirs: &[PathBuf], out: &Path, mode: Mode) -> Result<Report, MergeError> {
    let mut parts = dirs.iter().map(|dir| part(dir)).collect::<Result<Vec<_>, _>>()?;
    parts.sort_by_key(|part| part.shard.number);
    let (first, others) =
        parts.split_first().ok_or_else(|| MergeError::Missing("all".to_owned()))?;
    others.iter().try_for_each(|part| same_campaign(first, part))?;
    complete(&parts)?;
    let mut header = first.report.header.clone();
    header.settings.shard = None;
    let inputs = inputs(&header);
    parts.iter().try_for_each(|part| rows(part, inputs))?;

    let (folder, _) = Folder::campaign::<Row>(out, &header, inputs, mode)?;
    let mut all: Vec<(&Part, &Row)> = Vec::new();
    all.extend(parts.iter().flat_map(|part| part.report.rows.iter().map(move |row| (part, row))));
    all.sort_by_key(|(_, row)| row.index);
    for (part, row) in &all {
        let evidence = row.counterexample.iter().map(|name| part.evidence(name));
        let files = evidence.collect::<Result<Vec<_>, _>>()?;
        folder.append(&Finished { line: (*row).clone(), files })?;
    }
    folder.sync()?;
    let proved = proofs(&parts, &folder)?;
    let timings = parts.iter().map(|part| &part.report.timing);
    let timing = Timing {
        jobs: timings.clone().map(|timing| timing.jobs).sum(),
        wall_seconds: timings.clone().map(|timing| timing.wall_seconds).fold(0.0, f64::max),
        input_seconds: 0.0,
        resumed_rows: timings.map(|timing| timing.resumed_rows).sum(),
    };
    let rows = all.into_iter().map(|(_, row)| row.clone()).collect();
    let mut report = Report::campaign(header, rows, timing)?;
    let mut files = folder.counterexamples(&report.rows)?;
    files.extend(proved);
    report.files = Some(files);
    folder.write_report(&report)?;
    Ok(report)
}

fn part(dir: &Path) -> Result<Part, MergeError> {
    let file = dir.join(REPORT);
    let text = read(&file).map_err(|error| match error {
        FolderError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            MergeError::Unfinished(dir.to_owned())
        }
        other => other.into(),
    })?;
    let report: Report = serde_json::from_slice(&text)
        .map_err(|source| FolderError::Report { file: file.clone(), source })?;
    match report.header.settings.shard {
        Some(shard) => Ok(Part { dir: dir.to_owned(), shard, report }),
        None => Err(MergeError::Whole(dir.to_owned())),
    }
}

/// Refuses two shards that are not of one campaign. Where files lie may differ from machine to machine; their hashes may not.
fn same_campaign(first: &Part, part: &Part) -> Result<(), MergeError> {
    let may_differ =
        |path: &str| ["model.file", "data.file", "settings.shard.number"].contains(&path);
    let json = |part: &Part| {
        serde_json::to_value(&part.report.header).map_err(|source| {
            let file = part.dir.join(REPORT);
            MergeError::Folder(FolderError::Report { file, source })
        })
    };
    match difference(String::new(), &json(first)?, &json(part)?, may_differ) {
        None => Ok(()),
        Some((field, other_value, value)) => {
            let (dir, other) = (part.dir.clone(), first.dir.clone());
            Err(MergeError::Other { dir, other, field, value, other_value })
        }
    }
}

/// Whether shards, in the order of their numbers, are all of them, each once.
fn complete(parts: &[Part]) -> Result<(), MergeError> {
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].shard == pair[1].shard) {
        let dirs = Box::new([pair[0].dir.clone(), pair[1].dir.clone()]);
        return Err(MergeError::Twice { shard: pair[0].shard, dirs });
    }
    let of = parts.first().map_or(0, |part| part.shard.of);
    // Each number once, none beyond `of`: `Shard` was read from a report, and numbers there may be any.
    if let Some(part) = parts.iter().find(|part| !(1..=of).contains(&part.shard.number)) {
        let what = "there is no such shard".to_owned();
        return Err(MergeError::Rows { dir: part.dir.clone(), shard: part.shard, what });
    }
    if parts.len() == of {
        return Ok(());
    }
    let there = |number: &usize| parts.iter().any(|part| part.shard.number == *number);
    let mut missing = (1..=of).filter(|number| !there(number));
    let named: Vec<String> = missing.by_ref().take(20).map(|n| format!("{n}/{of}")).collect();
    let more = if missing.next().is_some() { ", …" } else { "" };
    Err(MergeError::Missing(named.join(", ") + more))
}

/// How many inputs the whole campaign asks about.
fn inputs(header: &Header) -> usize {
    let all = header.data.inputs;
    header.settings.limit.map_or(all, |limit| all.min(limit))
}

/// Refuses a shard whose rows are not one for each of its inputs.
fn rows(part: &Part, inputs: usize) -> Result<(), MergeError> {
    let Part { dir, shard, report } = part;
    let expected = (0..inputs).filter(|index| shard.holds(*index));
    let found: Vec<usize> = report.rows.iter().map(|row| row.index).collect();
    if expected.clone().eq(found.iter().copied()) {
        return Ok(());
    }
    let lacking = expected.clone().find(|index| !found.contains(index));
    let what = match lacking {
        Some(index) => format!("input {index} is lacking"),
        None => format!("there are {} instead of {}", found.len(), expected.count()),
    };
    Err(MergeError::Rows { dir: dir.clone(), shard: *shard, what })
}

impl Part {
    /// The name and content of a file that the report names, as its hash there says.
    fn evidence(&self, name: &str) -> Result<(String, Vec<u8>), MergeError> {
        let file = self.dir.join(name);
        let bytes = read(&file)?;
        let recorded = self.report.files.iter().flatten().find(|record| record.name == name);
        match recorded {
            Some(record) if record.sha256 == sha256_hex(&bytes) => Ok((name.to_owned(), bytes)),
            _ => Err(MergeError::Altered(file)),
        }
    }
}

/// Copies the proofs and writes their index; the files of all.
fn proofs(parts: &[Part], folder: &Folder) -> Result<Vec<FileRecord>, MergeError> {
    if parts.iter().any(|part| part.report.header.settings.proofs != Some(true)) {
        return Ok(Vec::new());
    }
    let (dir, mut entries) = (folder.proofs()?, Vec::new());
    for part in parts {
        let index = ProofFolder::open(&part.dir.join(PROOFS))?;
        for entry in index.entries {
            for record in entry.files() {
                let (name, bytes) = part.evidence(&record.name)?;
                if sha256_hex(&bytes) != record.sha256 {
                    return Err(MergeError::Altered(part.dir.join(name)));
                }
                put(folder.dir(), &name, &bytes)?;
            }
            entries.push(entry);
        }
    }
    entries.sort_by_key(|entry: &ProofEntry| entry.index);
    ProofFolder::write(&dir, &entries)?;
    Ok(entries.iter().flat_map(ProofEntry::files).collect())
}
