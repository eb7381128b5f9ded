//! Arrays as data files hold them: a shape, and values of one stored type, exact. Values stay as they are stored: a byte
//! takes a byte.

use super::DatasetError;
use crate::load::FileError;
use crate::load::budget::{Budget, Exceeded};
use crate::num::{Decimal, Rational, from_f64};
use num_traits::Zero;
use std::path::Path;

/// The type of a stored number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    I64,
    F32,
    F64,
}

impl Stored {
    /// Bytes of a number.
    pub(super) fn width(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }
}

/// The values of an array in row-major order.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "tables"), expect(dead_code))]
pub(super) enum Values {
    /// Stored numbers, little-endian.
    Stored(Stored, Vec<u8>),
    Decimal(Vec<Decimal>),
}

/// One value.
enum Number<'a> {
    Whole(i64),
    Float(f64),
    Decimal(&'a Decimal),
}

/// An array and its shape; the length is the product of the shape.
#[derive(Debug, Clone)]
pub(super) struct Array {
    pub shape: Vec<usize>,
    pub values: Values,
}

impl Values {
    /// Numbers as they lie in a file, in either order of bytes.
    pub(super) fn stored(kind: Stored, little: bool, mut bytes: Vec<u8>) -> Self {
        if !little {
            bytes.chunks_exact_mut(kind.width()).for_each(<[u8]>::reverse);
        }
        Self::Stored(kind, bytes)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Stored(kind, bytes) => bytes.len() / kind.width(),
            Self::Decimal(v) => v.len(),
        }
    }

    /// The name of the stored type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Decimal(_) => "decimal",
            Self::Stored(kind, _) => match kind {
                Stored::U8 => "u8",
                Stored::I8 => "i8",
                Stored::U16 => "u16",
                Stored::I16 => "i16",
                Stored::U32 => "u32",
                Stored::I32 => "i32",
                Stored::I64 => "i64",
                Stored::F32 => "f32",
                Stored::F64 => "f64",
            },
        }
    }

    /// The double nearest to a stored value, or next to it.
    pub(super) fn nearest(&self, at: usize) -> f64 {
        match self.number(at) {
            Number::Whole(value) => value as f64,
            Number::Float(value) => value,
            Number::Decimal(value) => value.enclosure()[0],
        }
    }

    /// Where all values are bytes, these.
    pub(super) fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Stored(Stored::U8, bytes) => Some(bytes),
            _ => None,
        }
    }

    fn number(&self, at: usize) -> Number<'_> {
        let (kind, bytes) = match self {
            Self::Stored(kind, bytes) => (*kind, bytes),
            Self::Decimal(v) => return Number::Decimal(&v[at]),
        };
        let (width, mut low) = (kind.width(), [0; 8]);
        low[..width].copy_from_slice(&bytes[at * width..(at + 1) * width]);
        let bits = u64::from_le_bytes(low);
        match kind {
            Stored::U8 | Stored::U16 | Stored::U32 | Stored::I64 => {
                Number::Whole(bits.cast_signed())
            }
            Stored::I8 => Number::Whole((bits as i8).into()),
            Stored::I16 => Number::Whole((bits as i16).into()),
            Stored::I32 => Number::Whole((bits as i32).into()),
            Stored::F32 => Number::Float(f32::from_bits(bits as u32).into()),
            Stored::F64 => Number::Float(f64::from_bits(bits)),
        }
    }

    /// The exact stored value. NaN and infinities, refused when loading, would be 0.
    pub(super) fn exact(&self, at: usize) -> Rational {
        match self.number(at) {
            Number::Whole(value) => Rational::from_integer(value.into()),
            Number::Float(value) => from_f64(value).unwrap_or_else(Rational::zero),
            Number::Decimal(value) => value.to_rational(),
        }
    }

    /// The first value that is no number.
    pub(super) fn not_finite(&self) -> Option<usize> {
        match self {
            Self::Stored(Stored::F32 | Stored::F64, _) => (0..self.len())
                .find(|&at| matches!(self.number(at), Number::Float(x) if !x.is_finite())),
            _ => None,
        }
    }
}

impl Array {
    /// The array as one label for each row.
    pub(super) fn into_labels(
        self,
        file: &Path,
        budget: &Budget,
    ) -> Result<Vec<usize>, DatasetError> {
        if !matches!(self.shape.as_slice(), [_] | [_, 1]) {
            let one_hot = matches!(self.shape.as_slice(), [_, _]);
            let expected = if one_hot {
                "one whole number for each input (of one-hot rows, the position of the 1: numpy's labels.argmax(1))"
            } else {
                "one whole number for each input"
            };
            let (file, shape) = (file.to_owned(), self.shape);
            return Err(DatasetError::Shape { file, what: "labels", shape, expected });
        }
        let rows = self.values.len();
        budget.spend_values::<usize>(rows).map_err(too_much(file))?;
        // Whole floats are what some programs save labels as.
        let whole = |x: f64| (x.fract() == 0.0 && (0.0..1e9).contains(&x)).then_some(x as usize);
        let label = |row: usize| {
            let (label, text) = match self.values.number(row) {
                Number::Whole(x) => (usize::try_from(x).ok(), x.to_string()),
                Number::Float(x) => (whole(x), x.to_string()),
                Number::Decimal(x) => {
                    let [low, high] = x.enclosure();
                    let exact = if low == high { whole(low) } else { None };
                    (exact, x.to_rational().to_string())
                }
            };
            label.ok_or_else(|| DatasetError::Label { file: file.to_owned(), row, text })
        };
        (0..rows).map(label).collect()
    }
}

/// The error of a file that takes too much memory.
pub(super) fn too_much(file: &Path) -> impl Fn(Exceeded) -> DatasetError + '_ {
    |exceeded| FileError::Memory { file: file.to_owned(), exceeded }.into()
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
