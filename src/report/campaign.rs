//! The folder of a campaign: journal.jsonl, report.json, counterexamples/, proofs/.

use super::folder::{Folder, FolderError, JOURNAL, Mode, REPORT, UNFINISHED, create_dir, read};
use super::journal::Expected;
use super::{Header, Report};
use crate::audit::{FileRecord, Line, Row};
use crate::load::sha256_hex;
use serde::Serialize;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

const COUNTEREXAMPLES: &str = "counterexamples";
pub(super) const PROOFS: &str = "proofs";

/// Whether a campaign writes a file of this name, or enters a folder of it.
fn ours(name: &str) -> bool {
    let name = name.strip_suffix(UNFINISHED).unwrap_or(name);
    let numbered = |name: &str, endings: &[&str]| {
        name.split_once('.').is_some_and(|(number, ending)| {
            endings.contains(&ending) && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    match name.split_once('/') {
        None => [JOURNAL, REPORT].contains(&name),
        Some((COUNTEREXAMPLES, name)) => name.is_empty() || numbered(name, &["txt"]),
        Some((PROOFS, name)) => {
            ["", "index.csv"].contains(&name) || numbered(name, &["vnnlib", "proof.gz"])
        }
        Some(_) => false,
    }
}

impl Folder {
    /// Opens the folder for the campaign `header`, whose inputs are `0..inputs`, and returns the rows it holds already.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn campaign<R: Line>(
        dir: &Path,
        header: &Header,
        inputs: usize,
        mode: Mode,
    ) -> Result<(Self, Vec<R>), FolderError> {
        let (mut seen, shard) = (HashSet::new(), header.settings.shard);
        let mut refuse = |row: &R| match row.input().1 {
            index if index >= inputs || shard.is_some_and(|shard| !shard.holds(index)) => {
                Some(format!("input {index} is not in this campaign"))
            }
            index if !seen.insert(index) => Some(format!("input {index} has a row already")),
            _ => None,
        };
        let may_differ = |path: &str| ["model.file", "data.file"].contains(&path);
        let expected = Expected { head: header, may_differ, refuse: &mut refuse };
        let (folder, _, rows) = Self::open(dir, mode, ours, expected)?;
        create_dir(&dir.join(COUNTEREXAMPLES))?;
        Ok((folder, rows))
    }

    /// The folder of the proofs, made if it is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(crate) fn proofs(&self) -> Result<PathBuf, FolderError> {
        let dir = self.dir().join(PROOFS);
        create_dir(&dir)?;
        Ok(dir)
    }

    /// The files of counterexamples that the rows name, with their hashes.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub(crate) fn counterexamples(&self, rows: &[Row]) -> Result<Vec<FileRecord>, FolderError> {
        let names = rows.iter().filter_map(|row| row.counterexample.clone());
        let hashed = names.map(|name| {
            let sha256 = sha256_hex(&read(&self.dir().join(&name))?);
            Ok(FileRecord { name, sha256 })
        });
        hashed.collect()
    }

    /// Writes report.json.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn write_report<R: Line + Clone, F: Serialize + Clone>(
        &self,
        report: &Report<R, F>,
    ) -> Result<(), FolderError> {
        let file = self.dir().join(REPORT);
        let failed = |error: serde_json::Error| FolderError::Write { file, source: error.into() };
        self.put(REPORT, report.to_json().map_err(failed)?.as_bytes())
    }
}

/// A list of rows as CSV, with the names of their fields or without.
pub(crate) fn csv<R: Serialize>(rows: &[R], header: bool) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(header).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}
