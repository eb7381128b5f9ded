//! Constant tensors: stored weights, left in the file's bytes until a map is built from them, and folded values.

use super::model::Tensor;
use super::shape::Problem;
use crate::load::{ExternalProblem, NodeProblem, TensorProblem};
use std::borrow::Cow;
use std::collections::HashMap;

/// A constant tensor, row-major.
#[derive(Debug, Clone)]
pub struct Constant<'m> {
    /// Its shape; the empty shape is a scalar.
    pub shape: Vec<usize>,
    /// Its elements, as many as the shape has.
    pub data: Data<'m>,
}

/// Elements of a constant tensor.
#[derive(Debug, Clone)]
pub enum Data<'m> {
    /// Single-precision floats, little-endian.
    Singles(Cow<'m, [u8]>),
    /// Double-precision floats, little-endian.
    Doubles(Cow<'m, [u8]>),
    /// Computed floats.
    Floats(Vec<f64>),
    /// Integers and booleans.
    Ints(Vec<i64>),
}

/// Names of the ONNX element types, by number.
const ELEMENT_TYPES: [&str; 17] = [
    "undefined",
    "float",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "int32",
    "int64",
    "string",
    "bool",
    "float16",
    "double",
    "uint32",
    "uint64",
    "complex64",
    "complex128",
    "bfloat16",
];

/// The name of an ONNX element type.
pub fn element_type(number: i64) -> String {
    let name = usize::try_from(number).ok().and_then(|n| ELEMENT_TYPES.get(n));
    name.map_or_else(|| format!("number {number}"), |&name| name.to_owned())
}

/// Contents of the files that hold external data, by location.
pub type External = HashMap<String, Vec<u8>>;

impl<'m> Constant<'m> {
    /// A scalar or vector of integers.
    pub fn ints(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], data: Data::Ints(values) }
    }

    /// The content of a stored tensor.
    pub fn decode(tensor: &Tensor<'m>, external: &'m External) -> Result<Self, TensorProblem> {
        let impossible = || TensorProblem::Shape(tensor.dims.clone());
        let shape: Vec<usize> = tensor
            .dims
            .iter()
            .map(|&d| usize::try_from(d).map_err(|_| impossible()))
            .collect::<Result<_, _>>()?;
        // Sizes of 0 do not excuse the others: strides are products of the rest.
        shape
            .iter()
            .try_fold(1isize, |product, &d| product.checked_mul(isize::try_from(d.max(1)).ok()?))
            .ok_or_else(impossible)?;
        let expected: usize = shape.iter().product();
        let raw =
            if tensor.is_external { Some(external_bytes(tensor, external)?) } else { tensor.raw };
        let data = match (tensor.data_type, raw) {
            (1, Some(raw)) => Data::Singles(Cow::Borrowed(raw)),
            (1, None) => Data::Singles(tensor.singles.clone()),
            (11, Some(raw)) => Data::Doubles(Cow::Borrowed(raw)),
            (11, None) => Data::Doubles(tensor.doubles.clone()),
            (7, Some(raw)) => {
                Data::Ints(raw.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect())
            }
            (6, Some(raw)) => Data::Ints(
                raw.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b).into()).collect(),
            ),
            (9, Some(raw)) => Data::Ints(raw.iter().map(|&b| i64::from(b != 0)).collect()),
            (6 | 7 | 9, None) => Data::Ints(tensor.ints.clone()),
            (other, _) => return Err(TensorProblem::DataType(element_type(other))),
        };
        let found = data.len();
        let width = match tensor.data_type {
            1 | 6 => 4,
            7 | 11 => 8,
            _ => 1,
        };
        if found != expected || raw.is_some_and(|raw| raw.len() != expected.saturating_mul(width)) {
            return Err(TensorProblem::Length { shape, found, expected });
        }
        Ok(Self { shape, data })
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether the elements are floats.
    pub fn is_float(&self) -> bool {
        !matches!(self.data, Data::Ints(_))
    }

    /// The elements as doubles, exactly.
    pub fn floats(&self) -> Result<Cow<'_, [f64]>, NodeProblem> {
        match &self.data {
            Data::Singles(bytes) => {
                Ok(bytes.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect())
            }
            Data::Doubles(bytes) => {
                Ok(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect())
            }
            Data::Floats(values) => Ok(Cow::Borrowed(values)),
            Data::Ints(_) => {
                Err(NodeProblem::Arithmetic("an integer constant where floats are needed"))
            }
        }
    }

    /// Calls `visit(index, value)` for each non-zero element in order, without a copy of the tensor.
    pub fn for_each_nonzero(&self, mut visit: impl FnMut(usize, f64)) -> Result<(), NodeProblem> {
        let mut visit = |(i, value): (usize, f64)| {
            if value != 0.0 {
                visit(i, value);
            }
        };
        match &self.data {
            Data::Singles(bytes) => {
                let singles = bytes.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b)));
                singles.enumerate().for_each(&mut visit);
            }
            _ => self.floats()?.iter().copied().enumerate().for_each(&mut visit),
        }
        Ok(())
    }

    /// The elements as integers, if they are.
    pub fn as_ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Ints(values) => Some(values),
            _ => None,
        }
    }

    /// The tensor of the given shape whose elements are those with the given indices.
    pub fn select(&self, shape: Vec<usize>, indices: &[usize]) -> Problem<Constant<'static>> {
        let data = match &self.data {
            Data::Ints(values) => Data::Ints(indices.iter().map(|&i| values[i]).collect()),
            Data::Singles(bytes) => {
                let singles = bytes.as_chunks::<4>().0;
                Data::Singles(indices.iter().flat_map(|&i| singles[i]).collect::<Vec<u8>>().into())
            }
            _ => {
                let floats = self.floats()?;
                Data::Floats(indices.iter().map(|&i| floats[i]).collect())
            }
        };
        Ok(Constant { shape, data })
    }
}

impl Data<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Singles(bytes) => bytes.len() / 4,
            Self::Doubles(bytes) => bytes.len() / 8,
            Self::Floats(values) => values.len(),
            Self::Ints(values) => values.len(),
        }
    }
}

/// Where a tensor's external data lie: file, offset, length (to the end of the file where absent).
pub fn external_range<'m>(
    tensor: &Tensor<'m>,
) -> Result<(&'m str, u64, Option<u64>), TensorProblem> {
    let value = |key| tensor.external.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
    let location = value("location").unwrap_or_default();
    let incomplete = || TensorProblem::External {
        location: location.to_owned(),
        reason: ExternalProblem::Description,
    };
    let number = |key| {
        value(key).map(|text| text.trim().parse::<u64>().map_err(|_| incomplete())).transpose()
    };
    if location.is_empty() {
        return Err(incomplete());
    }
    Ok((location, number("offset")?.unwrap_or(0), number("length")?))
}

fn external_bytes<'m>(tensor: &Tensor<'m>, files: &'m External) -> Result<&'m [u8], TensorProblem> {
    let (location, offset, length) = external_range(tensor)?;
    let problem = |reason| TensorProblem::External { location: location.to_owned(), reason };
    let bytes = files.get(location).ok_or_else(|| problem(ExternalProblem::NoFolder))?;
    let size = bytes.len();
    let end = length.map_or(Some(size as u64), |length| offset.checked_add(length));
    let range = end.and_then(|end| Some(usize::try_from(offset).ok()?..usize::try_from(end).ok()?));
    range.and_then(|range| bytes.get(range)).ok_or_else(|| {
        problem(ExternalProblem::Range { offset, end: end.unwrap_or(u64::MAX), size })
    })
}
