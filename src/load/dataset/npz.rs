//! NumPy's .npz files: zip archives of .npy files.

use super::DatasetError;
use super::array::{Array, too_much};
use super::npy::parse;
use crate::load::budget::Budget;
use crate::load::file::read_all;
use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive};
use std::path::Path;

/// Reads from an archive the first array there is among `names`.
pub(super) fn from_archive(
    file: &Path,
    bytes: &[u8],
    names: &[&str],
    budget: &Budget,
) -> Result<Array, DatasetError> {
    let damaged = |problem: String| DatasetError::Archive { file: file.to_owned(), problem };
    let said = |error: rawzip::Error| damaged(error.to_string());
    let archive = ZipArchive::from_slice(bytes).map_err(said)?;
    let (mut available, mut members) = (Vec::new(), archive.entries());
    while let Some(member) = members.next_entry().map_err(said)? {
        let path = String::from_utf8_lossy(member.file_path().as_ref()).into_owned();
        if let Some(name) = path.strip_suffix(".npy") {
            available.push((name.to_owned(), member));
        }
    }
    // Of two members of one name the last counts, as for NumPy.
    let found = |name: &&str| available.iter().rev().find(|(known, _)| known == name);
    let Some((name, member)) = names.iter().find_map(found) else {
        let mut available: Vec<&str> = available.iter().map(|(name, _)| name.as_str()).collect();
        available.sort_unstable();
        available.dedup();
        let (wanted, available) = (names.join(" or "), available.join(", "));
        return Err(DatasetError::MissingArray { file: file.to_owned(), wanted, available });
    };
    if member.flags().is_encrypted() {
        return Err(damaged(format!("{name}.npy is encrypted")));
    }
    let entry = archive.get_entry(member.wayfinder()).map_err(said)?;
    let content = match member.compression_method() {
        CompressionMethod::STORE => read_all(&mut entry.verifying_reader(entry.data()), budget),
        CompressionMethod::DEFLATE => {
            let inflated = DeflateDecoder::new(entry.data());
            read_all(&mut entry.verifying_reader(inflated), budget)
        }
        other => return Err(damaged(format!("{name}.npy is compressed by {other:?}"))),
    };
    let content = content.map_err(|error| damaged(error.to_string()))?;
    parse(&file.join(name), content.map_err(too_much(file))?, budget)
}
