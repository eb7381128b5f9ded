//! The folder of a campaign's proofs: index.csv, and a property and a proof for each line of it; and what came of checking them.

use super::{Level, RowRecord};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

const INDEX: &str = "index.csv";
const PROOFS: &str = "proofs";
const JOURNAL: &str = "journal.jsonl";

/// One proof. Paths are relative to the index, or absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofEntry {
    /// Position of the input in the dataset, or of the instance in its list.
    pub index: usize,
    /// The network.
    pub model: PathBuf,
    /// SHA-256 of the network's file.
    pub model_sha256: String,
    /// The property.
    pub property: PathBuf,
    /// The proof.
    pub proof: PathBuf,
}

impl ProofEntry {
    /// The property that a campaign writes for an input, in the folder of the proofs.
    #[must_use]
    pub fn property_of(index: usize) -> PathBuf {
        PathBuf::from(format!("{index}.vnnlib"))
    }

    /// The proof of an input or instance, in the folder of the proofs.
    #[must_use]
    pub fn proof_of(index: usize) -> PathBuf {
        PathBuf::from(format!("{index}.proof.gz"))
    }
}

/// What the checker said about one proof.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckRow {
    /// The proof's file, as the index has it.
    pub proof: String,
    /// The property's file, as the index has it.
    pub property: String,
    /// Whether it was accepted.
    pub accepted: bool,
    /// Why not.
    pub reason: String,
    /// Wall-clock time.
    pub seconds: f64,
    /// Processor time, where the system tells.
    pub cpu_seconds: Option<f64>,
    /// Leaves of the proof's trees.
    pub leaves: u64,
    /// Lines of the proof.
    pub lines: u64,
    /// Bytes of the proof's file.
    pub bytes: u64,
}

/// Why a folder of proofs cannot be read or written.
#[derive(Debug, Error)]
pub enum IndexError {
    /// There is none.
    #[error("{}: no index.csv there: no folder of proofs", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no index.
    #[error("{}: no index of proofs: {what}", file.display())]
    Content {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// The proofs of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFolder {
    /// The folder that holds the index.
    pub dir: PathBuf,
    /// Its lines.
    pub entries: Vec<ProofEntry>,
    /// Inputs that the journal beside it calls proved and that have no proof.
    pub lacking: Vec<usize>,
}

impl ProofFolder {
    /// Reads the index of a folder of proofs, or of the campaign's folder that holds it.
    ///
    /// # Errors
    /// Where there is none or it is unusable.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
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
        let lacking = lacking(&dir, &seen)?;
        Ok(Self { dir, entries, lacking })
    }

    /// Writes an index, whole or not at all.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(dir: &Path, entries: &[ProofEntry]) -> io::Result<PathBuf> {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        writer.write_record(["index", "model", "model_sha256", "property", "proof"])?;
        for entry in entries {
            writer.serialize(entry)?;
        }
        let text = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        let (file, unfinished) = (dir.join(INDEX), dir.join("index.csv.unfinished"));
        fs::write(&unfinished, text)?;
        fs::rename(&unfinished, &file)?;
        Ok(file)
    }
}

/// What the journal of the campaign that a folder of proofs belongs to promises and the index lacks.
fn lacking(dir: &Path, indexed: &HashSet<usize>) -> Result<Vec<usize>, IndexError> {
    let belongs = dir.file_name().is_some_and(|name| name == PROOFS);
    let Some(journal) = dir.parent().filter(|_| belongs).map(|parent| parent.join(JOURNAL)) else {
        return Ok(Vec::new());
    };
    let text = match fs::read_to_string(&journal) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(IndexError::Read { file: journal, source }),
    };
    let rows = text.lines().filter_map(|line| serde_json::from_str::<RowRecord>(line).ok());
    let proved = rows.filter(|row| row.assurance == Some(Level::Proved)).map(|row| row.index);
    Ok(proved.filter(|index| !indexed.contains(index)).collect())
}

/// Results as CSV.
///
/// # Errors
/// Where the serialiser fails, which it does for no value of this type.
pub fn check_csv(rows: &[CheckRow]) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
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
            proof: ProofEntry::proof_of(index),
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
