//! Which format a data file has, and where its inputs and labels lie.

use super::array::{Array, too_much};
#[cfg(feature = "npz")]
use super::npz;
#[cfg(not(feature = "npz"))]
use super::without::npz;
use super::{DataSettings, DatasetError, idx, npy};
use crate::load::SourceFile;
use crate::load::budget::Budget;
use std::path::Path;

/// What the first bytes or the name of a file say that it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Npz,
    Npy,
    Idx,
    Csv,
}

/// Inputs, their labels, and the names of the features where a table has them.
#[derive(Debug)]
pub(super) struct Labelled {
    pub inputs: Array,
    pub labels: Vec<usize>,
    pub columns: Option<Vec<String>>,
}

/// What arrays of inputs and of labels are called, in the order in which they are looked for.
pub(super) const INPUTS: [&str; 9] =
    ["x", "images", "x_test", "inputs", "data", "features", "test_images", "test_data", "arr_0"];
pub(super) const LABELS: [&str; 9] =
    ["y", "labels", "y_test", "targets", "target", "label", "test_labels", "test_targets", "arr_1"];

/// Name and SHA-256.
pub(super) fn hash(file: &SourceFile) -> (String, String) {
    let name = file.path.file_name().map(|n| n.to_string_lossy().into_owned());
    (name.unwrap_or_default(), file.sha256.clone())
}

/// By the name where it tells, else by the content.
pub(super) fn detect(path: &Path, bytes: &[u8]) -> Result<Format, DatasetError> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let unknown = |what| Err(DatasetError::UnknownFormat { file: path.to_owned(), what });
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("npz") => Ok(Format::Npz),
        Some("npy") => Ok(Format::Npy),
        Some("csv") => Ok(Format::Csv),
        Some("onnx" | "nnet") => unknown("a network, which goes before --data"),
        Some("vnnlib") => unknown("a property, which 'certus verify' takes"),
        Some("pt" | "pth" | "pkl" | "pickle" | "ckpt") => unknown(
            "Python's pickles, which run code when they are read (numpy.savez(\"data.npz\", x=…, y=…) writes the arrays)",
        ),
        _ if name.contains("idx") => Ok(Format::Idx),
        _ if bytes.starts_with(npy::MAGIC) => Ok(Format::Npy),
        _ if bytes.starts_with(b"PK\x03\x04") => Ok(Format::Npz),
        _ if matches!(bytes, [0, 0, 8..=14, 1..=8, ..]) => Ok(Format::Idx),
        _ => unknown("no format that is known"),
    }
}

/// Inputs and labels of files of arrays.
pub(super) fn read(
    format: Format,
    source: &SourceFile,
    settings: &DataSettings,
    hashes: &mut Vec<(String, String)>,
    budget: &Budget,
) -> Result<Labelled, DatasetError> {
    let inputs = match format {
        Format::Npz => {
            let named = settings.inputs_array.as_deref();
            let names = named.map_or(INPUTS.to_vec(), |name| vec![name]);
            let found =
                npz::from_archive(&source.path, &source.bytes, (&names, "inputs_array"), budget);
            let said = named.is_some() || settings.labels_array.is_some();
            match found {
                Err(DatasetError::MissingArray { .. })
                    if !said && settings.labels_file.is_none() =>
                {
                    if let Some((inputs, labels)) =
                        npz::by_shape(&source.path, &source.bytes, budget)?
                    {
                        let labels = labels.into_labels(&source.path, budget)?;
                        return Ok(Labelled { inputs, labels, columns: None });
                    }
                    found?
                }
                found => found?,
            }
        }
        Format::Npy => {
            budget.spend(source.bytes.len()).map_err(too_much(&source.path))?;
            npy::parse(&source.path, source.bytes.clone(), budget)?
        }
        _ => idx::parse(&source.path, &source.bytes, budget)?,
    };
    let labels = read_labels(format, source, settings, hashes, budget)?;
    Ok(Labelled { inputs, labels, columns: None })
}

/// The labels of an npz archive from itself unless the settings name a file; of the others from their own file.
fn read_labels(
    format: Format,
    source: &SourceFile,
    settings: &DataSettings,
    hashes: &mut Vec<(String, String)>,
    budget: &Budget,
) -> Result<Vec<usize>, DatasetError> {
    let named = settings.labels_array.as_deref();
    let names = named.map_or(LABELS.to_vec(), |name| vec![name]);
    let names = (names.as_slice(), "labels_array");
    let path = match (&settings.labels_file, format) {
        (Some(path), _) => path.clone(),
        (None, Format::Npz) => {
            let array = npz::from_archive(&source.path, &source.bytes, names, budget)?;
            return array.into_labels(&source.path, budget);
        }
        (None, Format::Idx) => idx::labels_beside(&source.path)
            .ok_or_else(|| DatasetError::MissingLabels(source.path.clone()))?,
        (None, _) => return Err(DatasetError::MissingLabels(source.path.clone())),
    };
    let file = SourceFile::read(&path)?;
    hashes.push(hash(&file));
    let budget = file.budget();
    let array = match detect(&path, &file.bytes)? {
        Format::Npz => npz::from_archive(&path, &file.bytes, names, &budget)?,
        Format::Npy => npy::parse(&path, file.bytes, &budget)?,
        Format::Idx => idx::parse(&path, &file.bytes, &budget)?,
        Format::Csv => {
            let what = "a table (labels are read from .npz, .npy and IDX files)";
            return Err(DatasetError::UnknownFormat { file: path, what });
        }
    };
    array.into_labels(&path, &budget)
}
