//! Constants that a model is given as inputs: NumPy's .npy files.
use super::array::{Array, Kind, volume};
use super::error::{Problem, unsupported};
use super::model::Input;
use crate::memory::Memory;
use std::io::Read;
use std::path::Path;

/// The elements of a file, which must be those of an input: exactly numbers of its type, in its shape.
pub fn read(file: &Path, input: &Input, memory: &Memory) -> Result<Array<f64>, Problem> {
    let wrong = |why: &str| Problem::External(format!("`{}`: {why}", file.display()));
    let opened = std::fs::File::open(file).map_err(|e| wrong(&e.to_string()))?;
    let size = opened.metadata().map_err(|e| wrong(&e.to_string()))?.len();
    memory.take(usize::try_from(size).map_err(|_| Problem::TooLarge)?, 3)?;
    let mut bytes = vec![];
    opened.take(size).read_to_end(&mut bytes).map_err(|e| wrong(&e.to_string()))?;
    let broken = || wrong("it is no .npy file that is understood");
    // Magic, version, the header's length in 2 or 4 bytes, the header.
    let (version, rest) = bytes
        .strip_prefix(b"\x93NUMPY")
        .and_then(|rest| rest.split_at_checked(2))
        .ok_or_else(broken)?;
    let wide = if version[0] == 1 { 2 } else { 4 };
    let (length, rest) = rest.split_at_checked(wide).ok_or_else(broken)?;
    let length = length.iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte));
    let (header, data) = rest.split_at_checked(length).ok_or_else(broken)?;
    let header = std::str::from_utf8(header).map_err(|_| broken())?;
    let after = |key: &str| {
        let (_, rest) = header.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    if !after("fortran_order").is_some_and(|text| text.starts_with("False")) {
        return Err(wrong("its array is not in row-major order"));
    }
    let between = |text: &'static str, key: &str| {
        let (open, close) = text.split_at(1);
        Some(after(key)?.strip_prefix(open)?.split_once(close)?.0)
    };
    let dims = between("()", "shape").ok_or_else(broken)?;
    let dims = dims.split(',').map(str::trim).filter(|d| !d.is_empty());
    let shape = dims.map(|d| d.parse().map_err(|_| broken())).collect::<Result<Vec<usize>, _>>()?;
    let values: Vec<f64> = match between("\'\'", "descr").ok_or_else(broken)? {
        "<f4" => Kind::F32.decode(data)?,
        "<f8" => Kind::F64.decode(data)?,
        "<i4" => Kind::I32.decode(data)?,
        "<i8" => Kind::I64.decode(data)?,
        "|u1" => Kind::Bool.decode(data)?,
        _ => return Err(wrong("its elements are none of f4, f8, i4, i8 and u1")),
    };
    let kind = Kind::of(input.data_type)?;
    if volume(&shape)? != values.len() {
        return Err(broken());
    }
    let fits = |declared: &Vec<usize>| {
        // A dimension without a number is 1 here, and may be any.
        declared.len() == shape.len() && declared.iter().zip(&shape).all(|(d, s)| d == s || *d == 1)
    };
    if !input.shape.as_ref().is_none_or(fits) {
        return Err(wrong("its shape is not that of the input"));
    }
    if values.iter().any(|x| kind.hold(*x) != Ok(*x)) {
        return unsupported("constants that are no numbers of the input's type");
    }
    Array::new(kind, shape, values)
}
