//! NumPy's .npz files: zip archives of .npy files.

use super::DatasetError;
use super::array::{Array, too_much};
use super::npy::parse;
use crate::load::budget::Budget;
use crate::load::file::read_all;
use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipFileHeaderRecord, ZipSliceArchive};
use std::path::Path;

/// Reads from an archive the first array there is among `names`, whatever the case of their letters; `setting` says which one it is.
pub(super) fn from_archive(
    file: &Path,
    bytes: &[u8],
    (names, setting): (&[&str], &'static str),
    budget: &Budget,
) -> Result<Array, DatasetError> {
    let damaged = |problem: String| DatasetError::Archive { file: file.to_owned(), problem };
    let said = |error: rawzip::Error| damaged(error.to_string());
    let archive = ZipArchive::from_slice(bytes).map_err(said)?;
    let available = members(&archive).map_err(said)?;
    // Of two members of one name the last counts, as for NumPy.
    let last = |same: &dyn Fn(&str) -> bool| available.iter().rev().find(|(known, _)| same(known));
    let found = |name: &&str| {
        last(&|known| known == *name).or_else(|| last(&|known| known.eq_ignore_ascii_case(name)))
    };
    let Some((name, member)) = names.iter().find_map(found) else {
        let available = sorted(&available);
        let available = if available.is_empty() { "none".to_owned() } else { available.join(", ") };
        let wanted = match names {
            [name] => format!("named {name}"),
            usual => format!("with one of the usual names ({}, …)", usual[..2].join(", ")),
        };
        let file = file.to_owned();
        return Err(DatasetError::MissingArray { file, wanted, available, setting });
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

/// Inputs and labels of an archive of two arrays, told apart by their shapes: one number a row, and more than one. `None` where these do
/// not tell.
pub(super) fn by_shape(
    file: &Path,
    bytes: &[u8],
    budget: &Budget,
) -> Result<Option<(Array, Array)>, DatasetError> {
    let damaged = |error: rawzip::Error| DatasetError::Archive {
        file: file.to_owned(),
        problem: error.to_string(),
    };
    let archive = ZipArchive::from_slice(bytes).map_err(damaged)?;
    let available = members(&archive).map_err(damaged)?;
    let [first, second] = sorted(&available)[..] else { return Ok(None) };
    let array = |name| from_archive(file, bytes, (&[name], "inputs_array"), budget);
    let pair = (array(first)?, array(second)?);
    let listed = |array: &Array| matches!(array.shape[..], [_] | [_, 1]);
    Ok(match (listed(&pair.0), listed(&pair.1)) {
        (false, true) => Some(pair),
        (true, false) => Some((pair.1, pair.0)),
        _ => None,
    })
}

fn members<'a>(
    archive: &'a ZipSliceArchive<&[u8]>,
) -> Result<Vec<(String, ZipFileHeaderRecord<'a>)>, rawzip::Error> {
    let (mut available, mut members) = (Vec::new(), archive.entries());
    while let Some(member) = members.next_entry()? {
        let path = String::from_utf8_lossy(member.file_path().as_ref()).into_owned();
        if let Some(name) = path.strip_suffix(".npy") {
            available.push((name.to_owned(), member));
        }
    }
    Ok(available)
}

fn sorted<'a>(available: &'a [(String, ZipFileHeaderRecord<'_>)]) -> Vec<&'a str> {
    let mut names: Vec<&str> = available.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}
