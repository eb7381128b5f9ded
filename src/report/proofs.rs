//! The folder of a campaign's proofs: index.csv, and a property and a proof for each line of it; and what came of checking them.

use super::campaign::{PROOFS, csv};
use super::folder::{FolderError, JOURNAL, REPORT, put};
use super::{Header, Report};
use crate::audit::{FileRecord, Row, VerdictName};
use crate::load::sha256_hex;
use crate::verify::AssuranceLevel;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

const COLUMNS: [&str; 7] =
    ["index", "model", "model_sha256", "property", "property_sha256", "proof", "proof_sha256"];
const INDEX: &str = "index.csv";

/// One proof. Paths are relative to the index, or absolute.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ProofEntry {
    /// Position of the input in the dataset, or of the instance in its list.
    pub(crate) index: usize,
    pub(crate) model: PathBuf,
    /// SHA-256 of the network's file, and of those that hold weights beside it.
    pub(crate) model_sha256: String,
    pub(crate) property: PathBuf,
    /// SHA-256 of its file; empty in an index made before there were such hashes.
    #[serde(default)]
    pub(crate) property_sha256: String,
    pub(crate) proof: PathBuf,
    /// SHA-256 of its file.
    #[serde(default)]
    pub(crate) proof_sha256: String,
}

impl ProofEntry {
    /// Takes the hashes of the property and the proof, whose paths are relative to `dir` or absolute.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub(crate) fn hashed(self, dir: &Path) -> io::Result<Self> {
        let hash = |file: &Path| fs::read(dir.join(file)).map(|bytes| sha256_hex(&bytes));
        let (property_sha256, proof_sha256) = (hash(&self.property)?, hash(&self.proof)?);
        Ok(Self { property_sha256, proof_sha256, ..self })
    }

    /// The property and the proof of an input as files of the campaign's folder, with their hashes.
    pub(crate) fn files(&self) -> [FileRecord; 2] {
        let hashes = [(&self.property, &self.property_sha256), (&self.proof, &self.proof_sha256)];
        hashes.map(|(file, sha256)| FileRecord {
            name: format!("{PROOFS}/{}", file.display()),
            sha256: sha256.clone(),
        })
    }

    /// The property that a campaign writes for an input, in the folder of the proofs.
    pub(crate) fn property_of(index: usize) -> PathBuf {
        PathBuf::from(format!("{index}.vnnlib"))
    }

    /// The proof of an input or instance, in the folder of the proofs.
    pub(crate) fn proof_of(index: usize) -> PathBuf {
        PathBuf::from(format!("{index}.proof.gz"))
    }
}

/// What the checker said about one proof.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CheckRow {
    /// The proof's file, as the index has it.
    pub(crate) proof: String,
    /// The property's file, as the index has it.
    pub(crate) property: String,
    /// Whether the property was made again from the data and found to be this one.
    pub(crate) remade: bool,
    /// Whether it was accepted, by the verified checker too where that was asked.
    pub(crate) accepted: bool,
    /// What it is worth: `proved (outward)`, `proved` where exact arithmetic accepted it, `proved (mechanised)` where the verified checker did; null
    /// where it was not accepted.
    pub(crate) level: Option<AssuranceLevel>,
    /// Why not.
    pub(crate) reason: String,
    /// Wall-clock time.
    pub(crate) seconds: f64,
    /// Processor time, where the system tells.
    pub(crate) cpu_seconds: Option<f64>,
    /// Leaves of the proof's trees.
    pub(crate) leaves: u64,
    /// Lines of the proof.
    pub(crate) lines: u64,
    /// Bytes of the proof's file.
    pub(crate) bytes: u64,
}

/// Why a folder of proofs cannot be read or written.
#[derive(Debug, Error)]
pub(crate) enum IndexError {
    /// There is none.
    #[error("{}: no index.csv there: no folder of proofs", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Read { file: PathBuf, source: io::Error },
    /// It is no index, or no report.
    #[error("{}: not what certus writes: {what}", file.display())]
    Content { file: PathBuf, what: String },
}

/// The proofs of a folder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProofFolder {
    /// The folder that holds the index.
    pub(crate) dir: PathBuf,
    /// Its lines.
    pub(crate) entries: Vec<ProofEntry>,
    /// Inputs that the campaign's journal or report calls proved and that have no proof, and which of the two does.
    pub(crate) lacking: Vec<(usize, &'static str)>,
    /// The campaign that the folder belongs to.
    pub(crate) campaign: Option<Claims>,
}

/// What a campaign claims: its report, or its journal where it is not complete.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claims {
    pub(crate) file: PathBuf,
    /// What was run.
    pub(crate) header: Header,
    /// What came out.
    pub(crate) rows: Vec<Row>,
    /// The hashes of its files.
    pub(crate) files: Vec<FileRecord>,
}

impl ProofFolder {
    /// Reads the index of a folder of proofs, or of the campaign's folder that holds it.
    ///
    /// # Errors
    /// Where there is none or it is unusable.
    pub(crate) fn open(dir: &Path) -> Result<Self, IndexError> {
        let inner = dir.join(PROOFS);
        let dir = if inner.join(INDEX).exists() { inner } else { dir.to_owned() };
        let file = dir.join(INDEX);
        let text = fs::read(&file).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => IndexError::Missing(dir.clone()),
            _ => IndexError::Read { file: file.clone(), source },
        })?;
        let entries = csv::Reader::from_reader(text.as_slice())
            .deserialize()
            .collect::<Result<Vec<ProofEntry>, _>>()
            .map_err(|error| IndexError::Content { file: file.clone(), what: error.to_string() })?;
        let mut seen = HashSet::new();
        if let Some(twice) = entries.iter().find(|entry| !seen.insert(entry.index)) {
            let what = format!("{} has two lines", twice.index);
            return Err(IndexError::Content { file, what });
        }
        let (journal, report) = claims(&dir)?;
        let mut lacking = Vec::new();
        for (campaign, name) in [(&journal, "journal"), (&report, "report")] {
            let rows = campaign.iter().flat_map(|campaign| &campaign.rows);
            for row in rows.filter(|row| row.assurance.is_some_and(AssuranceLevel::has_proof)) {
                if seen.insert(row.index) {
                    lacking.push((row.index, name));
                }
            }
        }
        Ok(Self { dir, entries, lacking, campaign: report.or(journal) })
    }

    /// The hashes that the report lists for an entry's property and proof; empty where there is no report. In a campaign an entry must
    /// name the files of its input, and the report must list them and call that input proved.
    ///
    /// # Errors
    /// What the index and the report do not agree on.
    pub(crate) fn reported(&self, entry: &ProofEntry) -> Result<[&str; 2], String> {
        let Some(campaign) = &self.campaign else { return Ok([""; 2]) };
        let index = entry.index;
        let own = [ProofEntry::property_of(index), ProofEntry::proof_of(index)];
        if [&entry.property, &entry.proof] != [&own[0], &own[1]] {
            let [property, proof] = own.map(|file| file.display().to_string());
            return Err(format!(
                "the index does not name {property} and {proof} for input {index}"
            ));
        }
        let row = campaign.rows.iter().find(|row| row.index == index);
        let row = row.ok_or_else(|| format!("the report has no row of input {index}"))?;
        let proved = row.assurance.is_some_and(AssuranceLevel::has_proof);
        if row.verdict != VerdictName::Certified || !proved {
            return Err(format!("the report does not say that input {index} is proved"));
        }
        if campaign.files.is_empty() {
            return Ok([""; 2]);
        }
        let listed = |name: String| {
            let known = campaign.files.iter().find(|known| known.name == name);
            let known = known.map(|known| known.sha256.as_str());
            known.ok_or_else(|| format!("{name} is not among the files of the report"))
        };
        let [property, proof] = entry.files().map(|file| listed(file.name));
        Ok([property?, proof?])
    }

    /// Writes an index, whole or not at all.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn write(dir: &Path, entries: &[ProofEntry]) -> Result<(), FolderError> {
        let mut text = (COLUMNS.join(",") + "\n").into_bytes();
        let rows = csv(entries, false)
            .map_err(|source| FolderError::Write { file: dir.join(INDEX), source })?;
        text.extend(rows);
        put(dir, INDEX, &text)
    }
}

/// The journal and the report of the campaign that a folder of proofs belongs to, where it belongs to one and they are there.
fn claims(dir: &Path) -> Result<(Option<Claims>, Option<Claims>), IndexError> {
    let belongs = dir.file_name().is_some_and(|name| name == PROOFS);
    let Some(parent) = dir.parent().filter(|_| belongs) else { return Ok((None, None)) };
    let read = |name: &str| -> Result<Option<(PathBuf, String)>, IndexError> {
        let file = parent.join(name);
        match fs::read_to_string(&file) {
            Ok(text) => Ok(Some((file, text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(IndexError::Read { file, source }),
        }
    };
    // A torn journal says less; what it does say counts.
    let journal = read(JOURNAL)?.and_then(|(file, text)| {
        let header = serde_json::from_str(text.lines().next()?).ok()?;
        let rows = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Some(Claims { file, header, rows, files: Vec::new() })
    });
    let Some((file, text)) = read(REPORT)? else { return Ok((journal, None)) };
    let report: Report = serde_json::from_str(&text)
        .map_err(|error| IndexError::Content { file: file.clone(), what: error.to_string() })?;
    let Report { header, rows, files, .. } = report;
    let files = files.unwrap_or_default();
    Ok((journal, Some(Claims { file, header, rows, files })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |index| ProofEntry {
            index,
            model: "/nets/a, b.onnx".into(),
            model_sha256: "ab".to_owned(),
            property: ProofEntry::property_of(index),
            property_sha256: "cd".to_owned(),
            proof: ProofEntry::proof_of(index),
            proof_sha256: "ef".to_owned(),
        };
        assert!(matches!(ProofFolder::open(folder.path()), Err(IndexError::Missing(_))));
        let entries = vec![entry(3), entry(11)];
        ProofFolder::write(folder.path(), &entries).unwrap();
        let read = ProofFolder::open(folder.path()).unwrap();
        assert_eq!((read.entries, read.lacking), (entries, vec![]));
        ProofFolder::write(folder.path(), &[entry(3), entry(3)]).unwrap();
        assert!(matches!(ProofFolder::open(folder.path()), Err(IndexError::Content { .. })));
        fs::write(folder.path().join(INDEX), "index,model\n1,a\n").unwrap();
        assert!(matches!(ProofFolder::open(folder.path()), Err(IndexError::Content { .. })));
    }
}
