//! NumPy's .npy and .npz files.

use super::DatasetError;
use super::array::{Array, Values, check_size, convert};
use npyz::npz::NpzArchive;
use std::io::{Cursor, Read};
use std::path::Path;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
const ACCEPTED: &str = "u1, i1, i2, u2, i4, u4, i8, f4 and f8";

/// Reads an array: magic, two bytes of version, the header's length, a Python dictionary, the data.
pub(super) fn parse(file: &Path, bytes: &[u8]) -> Result<Array, DatasetError> {
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
    let values = decode(file, descr, &shape, data)?;
    if fortran && shape.len() > 1 {
        return Ok(Array { values: reorder(&values, &shape), shape });
    }
    Ok(Array { shape, values })
}

fn decode(file: &Path, descr: &str, shape: &[usize], data: &[u8]) -> Result<Values, DatasetError> {
    let (little, kind) = match descr.as_bytes() {
        [b'<' | b'|' | b'=', kind @ ..] => (true, kind),
        [b'>', kind @ ..] => (false, kind),
        kind => (true, kind),
    };
    let check = |width| check_size(file, shape, width, data.len());
    macro_rules! values {
        ($variant:ident, $stored:ty) => {{
            const WIDTH: usize = size_of::<$stored>();
            check(WIDTH)?;
            Values::$variant(convert(data, little, |b: [u8; WIDTH]| {
                <$stored>::from_le_bytes(b).into()
            }))
        }};
    }
    Ok(match kind {
        b"u1" => values!(U8, u8),
        b"i1" => values!(I64, i8),
        b"i2" => values!(I64, i16),
        b"u2" => values!(I64, u16),
        b"i4" => values!(I64, i32),
        b"u4" => values!(I64, u32),
        b"i8" => values!(I64, i64),
        b"f4" => values!(F32, f32),
        b"f8" => values!(F64, f64),
        _ => {
            let (file, found) = (file.to_owned(), descr.to_owned());
            return Err(DatasetError::ElementType { file, found, accepted: ACCEPTED });
        }
    })
}

/// Column-major order (first index fastest) to row-major order.
fn reorder(values: &Values, shape: &[usize]) -> Values {
    let order: Vec<usize> = (0..values.len())
        .map(|mut row_major| {
            let mut digits: Vec<usize> = shape
                .iter()
                .rev()
                .map(|&n| {
                    let digit = row_major % n;
                    row_major /= n;
                    digit
                })
                .collect();
            digits.reverse();
            digits.iter().zip(shape).rev().fold(0, |acc, (&digit, &n)| acc * n + digit)
        })
        .collect();
    macro_rules! pick {
        ($v:expr) => {
            order.iter().map(|&at| $v[at].clone()).collect()
        };
    }
    match values {
        Values::U8(v) => Values::U8(pick!(v)),
        Values::I64(v) => Values::I64(pick!(v)),
        Values::F32(v) => Values::F32(pick!(v)),
        Values::F64(v) => Values::F64(pick!(v)),
        Values::Decimal(v) => Values::Decimal(pick!(v)),
    }
}

/// Reads from an archive the first array there is among `names`.
pub(super) fn from_archive(
    file: &Path,
    bytes: &[u8],
    names: &[&str],
) -> Result<Array, DatasetError> {
    let damaged = |problem: String| DatasetError::Archive { file: file.to_owned(), problem };
    let mut archive = NpzArchive::new(Cursor::new(bytes)).map_err(|e| damaged(e.to_string()))?;
    let mut available: Vec<String> = archive.array_names().map(str::to_owned).collect();
    available.sort();
    let Some(name) = names.iter().find(|name| available.iter().any(|a| a == *name)) else {
        let (wanted, available) = (names.join(" or "), available.join(", "));
        return Err(DatasetError::MissingArray { file: file.to_owned(), wanted, available });
    };
    let mut member = archive
        .zip_archive()
        .by_name(&npyz::npz::file_name_from_array_name(name))
        .map_err(|e| damaged(e.to_string()))?;
    let mut content = Vec::new();
    member.read_to_end(&mut content).map_err(|e| damaged(e.to_string()))?;
    parse(&file.join(name), &content)
}
