//! IDX files, the format of MNIST: two zero bytes, a type, the number of dimensions, the dimensions, the data.

use super::DatasetError;
use super::array::{Array, Stored, Values, check_size, too_much};
use crate::load::budget::Budget;
use std::path::{Path, PathBuf};

/// Reads an array; every number of the format is big-endian.
pub(super) fn parse(file: &Path, bytes: &[u8], budget: &Budget) -> Result<Array, DatasetError> {
    let [0, 0, kind, dimensions @ 1..=8, rest @ ..] = bytes else {
        return Err(DatasetError::Magic { file: file.to_owned(), expected: "an IDX file" });
    };
    let header = usize::from(*dimensions) * 4;
    if rest.len() < header {
        let problem = "the file ends within it".to_owned();
        return Err(DatasetError::Header { file: file.to_owned(), problem });
    }
    let (header, data) = rest.split_at(header);
    let sizes = header.as_chunks().0;
    let shape: Vec<usize> = sizes.iter().map(|&b| u32::from_be_bytes(b) as usize).collect();
    let kind = match kind {
        0x08 => Stored::U8,
        0x09 => Stored::I8,
        0x0b => Stored::I16,
        0x0c => Stored::I32,
        0x0d => Stored::F32,
        0x0e => Stored::F64,
        other => {
            let found = format!("0x{other:02x}");
            let accepted = "0x08, 0x09, 0x0b, 0x0c, 0x0d and 0x0e";
            return Err(DatasetError::ElementType { file: file.to_owned(), found, accepted });
        }
    };
    check_size(file, &shape, kind.width(), data.len())?;
    budget.spend(data.len()).map_err(too_much(file))?;
    Ok(Array { shape, values: Values::stored(kind, false, data.to_vec()) })
}

/// The labels file that belongs to an images file by the usual names: `…-labels-idx1-ubyte` to `…-images-idx3-ubyte`,
/// gzipped or not.
pub(super) fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let labels = name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1");
    if labels == name {
        return None;
    }
    let other = match labels.strip_suffix(".gz") {
        Some(plain) => plain.to_owned(),
        None => format!("{labels}.gz"),
    };
    [labels, other].iter().map(|n| images.with_file_name(n)).find(|path| path.is_file())
}
