//! Arrays as data files hold them: a shape, and values of one stored type, exact.

use super::DatasetError;
use crate::num::{Decimal, Rational, from_f64};
use num_traits::Zero;
use std::path::Path;

/// The values of an array in row-major order.
#[derive(Debug, Clone)]
pub(super) enum Values {
    U8(Vec<u8>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Decimal(Vec<Decimal>),
}

/// An array and its shape; the length is the product of the shape.
#[derive(Debug, Clone)]
pub(super) struct Array {
    pub shape: Vec<usize>,
    pub values: Values,
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Values::U8(v) => v.len(),
            Values::I64(v) => v.len(),
            Values::F32(v) => v.len(),
            Values::F64(v) => v.len(),
            Values::Decimal(v) => v.len(),
        }
    }

    /// The exact stored value. NaN and infinities, refused when loading, would be 0.
    pub fn exact(&self, at: usize) -> Rational {
        match self {
            Values::U8(v) => Rational::from_integer(v[at].into()),
            Values::I64(v) => Rational::from_integer(v[at].into()),
            Values::F32(v) => from_f64(f64::from(v[at])).unwrap_or_else(Rational::zero),
            Values::F64(v) => from_f64(v[at]).unwrap_or_else(Rational::zero),
            Values::Decimal(v) => v[at].to_rational(),
        }
    }

    /// The first value that is no number.
    pub fn not_finite(&self) -> Option<usize> {
        match self {
            Values::F32(v) => v.iter().position(|x| !x.is_finite()),
            Values::F64(v) => v.iter().position(|x| !x.is_finite()),
            _ => None,
        }
    }
}

impl Array {
    /// The array as one label for each row.
    pub fn into_labels(self, file: &Path) -> Result<Vec<usize>, DatasetError> {
        if !matches!(self.shape.as_slice(), [_] | [_, 1]) {
            let expected = "one whole number for each input";
            let (file, shape) = (file.to_owned(), self.shape);
            return Err(DatasetError::Shape { file, what: "labels", shape, expected });
        }
        let label = |row: usize, text: String, label: Option<usize>| {
            label.ok_or_else(|| DatasetError::Label { file: file.to_owned(), row, text })
        };
        // Whole floats are what some programs save labels as.
        let whole = |x: f64| (x.fract() == 0.0 && (0.0..1e9).contains(&x)).then_some(x as usize);
        let rows = 0..self.values.len();
        match &self.values {
            Values::U8(v) => Ok(v.iter().map(|&x| usize::from(x)).collect()),
            Values::I64(v) => {
                rows.map(|row| label(row, v[row].to_string(), v[row].try_into().ok())).collect()
            }
            Values::F32(v) => {
                rows.map(|row| label(row, v[row].to_string(), whole(f64::from(v[row])))).collect()
            }
            Values::F64(v) => {
                rows.map(|row| label(row, v[row].to_string(), whole(v[row]))).collect()
            }
            Values::Decimal(v) => rows
                .map(|row| {
                    let [low, high] = v[row].enclosure();
                    let exact = if low == high { whole(low) } else { None };
                    label(row, v[row].to_rational().to_string(), exact)
                })
                .collect(),
        }
    }
}

/// Reads consecutive values of `WIDTH` bytes.
pub(super) fn convert<const WIDTH: usize, T>(
    bytes: &[u8],
    little: bool,
    value: impl Fn([u8; WIDTH]) -> T,
) -> Vec<T> {
    bytes
        .chunks_exact(WIDTH)
        .map(|chunk| {
            let mut bytes = [0; WIDTH];
            bytes.copy_from_slice(chunk);
            if !little {
                bytes.reverse();
            }
            value(bytes)
        })
        .collect()
}

/// Checks that the data is as long as the header announces, in arithmetic that the header cannot overflow.
pub(super) fn check_size(
    file: &Path,
    shape: &[usize],
    width: usize,
    found: usize,
) -> Result<(), DatasetError> {
    let elements = shape.iter().fold(1u128, |acc, &n| acc.saturating_mul(n as u128));
    let (expected, found) = (elements.saturating_mul(width as u128), found as u128);
    if expected == found {
        return Ok(());
    }
    Err(DatasetError::Size { file: file.to_owned(), expected, found })
}
