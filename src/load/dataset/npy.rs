//! NumPy's .npy files.

use super::DatasetError;
use super::array::{Array, Stored, Values, check_size, too_much};
use crate::load::budget::Budget;
use std::path::Path;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
const ACCEPTED: &str = "u1, i1, i2, u2, i4, u4, i8, f4 and f8";

/// Reads an array: magic, two bytes of version, the header's length, a Python dictionary, the data.
pub(super) fn parse(
    file: &Path,
    mut bytes: Vec<u8>,
    budget: &Budget,
) -> Result<Array, DatasetError> {
    let magic = || DatasetError::Magic { file: file.to_owned(), expected: "an .npy file" };
    let header_error =
        |problem: &str| DatasetError::Header { file: file.to_owned(), problem: problem.to_owned() };
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(magic)?;
    let (length, start) = match rest {
        [1, _, a, b, ..] => (u64::from(u16::from_le_bytes([*a, *b])), 4),
        [2 | 3, _, a, b, c, d, ..] => (u64::from(u32::from_le_bytes([*a, *b, *c, *d])), 6),
        _ => return Err(header_error("unknown version, or the file ends within it")),
    };
    let rest = &rest[start..];
    if (rest.len() as u64) < length {
        return Err(header_error("the file ends within it"));
    }
    let (header, data) = rest.split_at(length as usize);
    let header = std::str::from_utf8(header).map_err(|_| header_error("it is no text"))?;
    let field = |name: &str| {
        let at = header.find(&format!("'{name}'"))? + name.len() + 2;
        header[at..].trim_start().strip_prefix(':').map(str::trim_start)
    };
    let descr = field("descr").and_then(|t| t.strip_prefix('\'')?.split_once('\''));
    let (descr, _) = descr.ok_or_else(|| header_error("no 'descr' of a plain type"))?;
    let fortran = match field("fortran_order") {
        Some(t) if t.starts_with("False") => false,
        Some(t) if t.starts_with("True") => true,
        _ => return Err(header_error("no 'fortran_order'")),
    };
    let shape = field("shape").and_then(|t| t.strip_prefix('(')?.split_once(')'));
    let (shape, _) = shape.ok_or_else(|| header_error("no 'shape'"))?;
    let shape = shape
        .split(',')
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(|t| t.parse().map_err(|_| header_error("a dimension that is no number")))
        .collect::<Result<Vec<usize>, _>>()?;
    let (descr, (kind, _)) = (descr.to_owned(), stored(file, descr)?);
    let start = bytes.len() - data.len();
    if fortran && shape.len() > 1 {
        check_size(file, &shape, kind.width(), data.len())?;
        budget.spend(data.len()).map_err(too_much(file))?;
        bytes = reorder(data, kind.width(), &shape);
    } else {
        bytes.drain(..start);
    }
    plain(file, &descr, shape, bytes)
}

/// An array of which NumPy's name of the type, the shape and the data, row-major, are known.
pub(super) fn plain(
    file: &Path,
    descr: &str,
    shape: Vec<usize>,
    data: Vec<u8>,
) -> Result<Array, DatasetError> {
    let (kind, little) = stored(file, descr)?;
    check_size(file, &shape, kind.width(), data.len())?;
    Ok(Array { shape, values: Values::stored(kind, little, data) })
}

/// The stored type, and whether its bytes are little-endian.
fn stored(file: &Path, descr: &str) -> Result<(Stored, bool), DatasetError> {
    let (little, kind) = match descr.as_bytes() {
        [b'<' | b'|' | b'=', kind @ ..] => (true, kind),
        [b'>', kind @ ..] => (false, kind),
        kind => (true, kind),
    };
    let kind = match kind {
        b"u1" => Stored::U8,
        b"i1" => Stored::I8,
        b"i2" => Stored::I16,
        b"u2" => Stored::U16,
        b"i4" => Stored::I32,
        b"u4" => Stored::U32,
        b"i8" => Stored::I64,
        b"f4" => Stored::F32,
        b"f8" => Stored::F64,
        _ => {
            let (file, found) = (file.to_owned(), descr.to_owned());
            return Err(DatasetError::ElementType { file, found, accepted: ACCEPTED });
        }
    };
    Ok((kind, little))
}

/// Column-major order (first index fastest) to row-major order.
fn reorder(bytes: &[u8], width: usize, shape: &[usize]) -> Vec<u8> {
    let mut steps = vec![width; shape.len()];
    for axis in 1..shape.len() {
        steps[axis] = steps[axis - 1] * shape[axis - 1];
    }
    let mut reordered = Vec::with_capacity(bytes.len());
    let (mut index, mut at) = (vec![0; shape.len()], 0);
    while reordered.len() < bytes.len() {
        reordered.extend_from_slice(&bytes[at..at + width]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += steps[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= steps[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    reordered
}
