//! Constant tensors: stored weights, left in the file's bytes until a map is built from them, and folded values.

use super::model::Tensor;
use super::shape::Problem;
use crate::load::budget::Budget;
use crate::load::{ExternalProblem, NodeProblem, TensorProblem};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// A constant tensor, row-major.
#[derive(Debug, Clone)]
pub struct Constant<'m> {
    /// Its shape; the empty shape is a scalar.
    pub shape: Vec<usize>,
    /// The type of its elements.
    pub element: Element,
    /// Its elements, as many as the shape has.
    pub data: Data<'m>,
}

/// The element types that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Single precision.
    Float,
    /// Double precision.
    Double,
    /// 32-bit integers.
    Int32,
    /// 64-bit integers.
    Int64,
    /// 0 or 1.
    Bool,
    /// Half precision.
    Half,
    /// The upper half of single precision.
    BFloat,
    /// Integers of so many bits, signed or not.
    Int(u32, bool),
}

impl Element {
    /// By its ONNX number.
    pub(super) fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Float),
            6 => Some(Self::Int32),
            7 => Some(Self::Int64),
            2 => Some(Self::Int(8, false)),
            3 => Some(Self::Int(8, true)),
            4 => Some(Self::Int(16, false)),
            5 => Some(Self::Int(16, true)),
            9 => Some(Self::Bool),
            10 => Some(Self::Half),
            11 => Some(Self::Double),
            12 => Some(Self::Int(32, false)),
            16 => Some(Self::BFloat),
            _ => None,
        }
    }

    /// Its ONNX name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Double => "double",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Bool => "bool",
            Self::Half => "float16",
            Self::BFloat => "bfloat16",
            Self::Int(8, false) => "uint8",
            Self::Int(8, true) => "int8",
            Self::Int(16, false) => "uint16",
            Self::Int(16, true) => "int16",
            Self::Int(..) => "uint32",
        }
    }

    /// Whether its values are floats.
    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::Float | Self::Double | Self::Half | Self::BFloat)
    }

    /// The value of a float type nearest to a double.
    pub(super) fn round(self, value: f64) -> f64 {
        match self {
            Self::Float => f64::from(value as f32),
            Self::Half => nearest(value, 11, -14, 15),
            Self::BFloat => nearest(value, 8, -126, 127),
            _ => value,
        }
    }

    /// The largest finite value of a float type.
    pub(super) fn largest(self) -> f64 {
        match self {
            Self::Float => f32::MAX.into(),
            Self::Half => 65504.0,
            Self::BFloat => f32::from_bits(0x7f7f_0000).into(),
            _ => f64::MAX,
        }
    }

    /// An integer, if it is one of the type's.
    pub(super) fn integer(self, value: i64) -> Option<i64> {
        match self {
            Self::Int32 => i32::try_from(value).ok().map(i64::from),
            Self::Bool => matches!(value, 0 | 1).then_some(value),
            Self::Int(bits, signed) => {
                let (low, high) =
                    if signed { (-(1 << (bits - 1)), 1 << (bits - 1)) } else { (0, 1 << bits) };
                (low..high).contains(&value).then_some(value)
            }
            _ => Some(value),
        }
    }

    /// Bytes of an element in a file.
    fn width(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Half | Self::BFloat => 2,
            Self::Float | Self::Int32 => 4,
            Self::Double | Self::Int64 => 8,
            Self::Int(bits, _) => bits as usize / 8,
        }
    }

    /// The value of a float with these bits, of two bytes.
    fn of_bits(self, bits: u16) -> f64 {
        if self == Self::BFloat {
            return f32::from_bits(u32::from(bits) << 16).into();
        }
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
        let size = match exponent {
            0 => fraction * 2f64.powi(-24),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
        };
        if bits >> 15 == 1 { -size } else { size }
    }
}

/// The nearest float with so many digits and exponents, halves to the even one.
fn nearest(value: f64, digits: i32, least: i32, most: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let exponent = ((value.to_bits() >> 52 & 2047) as i32 - 1023).max(least);
    let unit = 2f64.powi(exponent - digits + 1);
    let rounded = (value / unit).round_ties_even() * unit;
    if rounded.abs() >= 2f64.powi(most + 1) { f64::INFINITY.copysign(value) } else { rounded }
}

/// Elements of a constant tensor.
#[derive(Debug, Clone)]
pub enum Data<'m> {
    /// Single-precision floats, little-endian.
    Singles(Cow<'m, [u8]>),
    /// Double-precision floats, little-endian.
    Doubles(Cow<'m, [u8]>),
    /// Computed floats, each a value of the element type.
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
    /// A vector of 64-bit integers.
    pub(super) fn ints(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], element: Element::Int64, data: Data::Ints(values) }
    }

    /// A 64-bit integer.
    pub(super) fn int(value: i64) -> Self {
        Self { shape: Vec::new(), ..Self::ints(vec![value]) }
    }

    /// Floats, rounded to the element type.
    pub(super) fn floats_of(element: Element, shape: Vec<usize>, mut values: Vec<f64>) -> Self {
        values.iter_mut().for_each(|value| *value = element.round(*value));
        Self { shape, element, data: Data::Floats(values) }
    }

    /// The content of a stored tensor.
    pub(super) fn decode(
        tensor: &Tensor<'m>,
        external: &'m External,
        budget: &Budget,
    ) -> Result<Self, TensorProblem> {
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
        let element = Element::from_number(tensor.data_type)
            .ok_or_else(|| TensorProblem::DataType(element_type(tensor.data_type)))?;
        let raw =
            if tensor.is_external { Some(external_bytes(tensor, external)?) } else { tensor.raw };
        let lists = [
            (Element::Float, tensor.singles.is_empty()),
            (Element::Double, tensor.doubles.is_empty()),
            (Element::Int32, tensor.narrow.is_empty()),
            (Element::Int64, tensor.ints.is_empty()),
        ];
        let listed = match element {
            Element::Float | Element::Double | Element::Int32 | Element::Int64 => element,
            // uint32 is in a field that is not read.
            _ => Element::Int32,
        };
        let stray = |&(of, empty): &(Element, bool)| !empty && (raw.is_some() || of != listed);
        if tensor.is_other || lists.iter().any(stray) {
            return Err(TensorProblem::Data(element.name()));
        }
        if !matches!(element, Element::Float | Element::Double) {
            budget.spend_values::<i64>(expected)?;
        }
        let integer = |value| element.integer(value).ok_or(TensorProblem::Data(element.name()));
        let (data, width) = match (element, raw) {
            (Element::Float, Some(raw)) => (Data::Singles(Cow::Borrowed(raw)), 4),
            (Element::Float, None) => (Data::Singles(tensor.singles.clone()), 4),
            (Element::Double, Some(raw)) => (Data::Doubles(Cow::Borrowed(raw)), 8),
            (Element::Double, None) => (Data::Doubles(tensor.doubles.clone()), 8),
            (Element::Int64, Some(raw)) => {
                let ints = raw.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b));
                (Data::Ints(ints.collect()), 8)
            }
            (Element::Int32, Some(raw)) => {
                let ints = raw.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b).into());
                (Data::Ints(ints.collect()), 4)
            }
            (Element::Bool, Some(raw)) => {
                let ints = raw.iter().map(|&b| integer(b.into()));
                (Data::Ints(ints.collect::<Result<_, _>>()?), 1)
            }
            (Element::Half | Element::BFloat, Some(raw)) => {
                let floats =
                    raw.as_chunks().0.iter().map(|&b| element.of_bits(u16::from_le_bytes(b)));
                (Data::Floats(floats.collect()), 2)
            }
            (Element::Half | Element::BFloat, None) => {
                let bits = tensor.narrow.iter().map(|&bits| u16::try_from(bits).ok());
                let floats = bits.map(|bits| bits.map(|bits| element.of_bits(bits)));
                let floats: Option<_> = floats.collect();
                (Data::Floats(floats.ok_or(TensorProblem::Data(element.name()))?), 4)
            }
            (Element::Int(bits, signed), Some(raw)) => {
                let one = |bytes: &[u8]| {
                    let all = bytes.iter().rev().fold(0, |all, &byte| all << 8 | i64::from(byte));
                    if signed && all >> (bits - 1) == 1 { all - (1 << bits) } else { all }
                };
                let width = element.width();
                (Data::Ints(raw.chunks_exact(width).map(one).collect()), width)
            }
            (Element::Int64, None) => (Data::Ints(tensor.ints.clone()), 8),
            (Element::Int32 | Element::Bool | Element::Int(..), None) => {
                let ints = tensor.narrow.iter().map(|&value| integer(value));
                (Data::Ints(ints.collect::<Result<_, _>>()?), 4)
            }
        };
        let found = data.len();
        if found != expected || raw.is_some_and(|raw| raw.len() != expected.saturating_mul(width)) {
            return Err(TensorProblem::Length { shape, found, expected });
        }
        Ok(Self { shape, element, data })
    }

    /// The same elements in another shape of as many.
    pub(super) fn reshaped(&self, shape: Vec<usize>) -> Self {
        Self { shape, element: self.element, data: self.data.clone() }
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    /// What it takes in memory beside the file.
    pub(super) fn bytes(&self) -> usize {
        match &self.data {
            Data::Singles(Cow::Borrowed(_)) | Data::Doubles(Cow::Borrowed(_)) => 0,
            Data::Singles(Cow::Owned(bytes)) | Data::Doubles(Cow::Owned(bytes)) => bytes.len(),
            Data::Floats(values) => size_of_val(values.as_slice()),
            Data::Ints(values) => size_of_val(values.as_slice()),
        }
    }

    /// The elements as doubles, exactly.
    pub(super) fn floats(&self) -> Result<Cow<'_, [f64]>, NodeProblem> {
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
    pub(super) fn for_each_nonzero(
        &self,
        mut visit: impl FnMut(usize, f64),
    ) -> Result<(), NodeProblem> {
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
    pub(super) fn as_ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Ints(values) => Some(values),
            _ => None,
        }
    }

    /// The tensor of the given shape whose elements are those with the given indices.
    pub(super) fn select(
        &self,
        shape: Vec<usize>,
        indices: &[usize],
    ) -> Problem<Constant<'static>> {
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
        Ok(Constant { shape, element: self.element, data })
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
    let keys: HashSet<&str> = tensor.external.iter().map(|&(key, _)| key).collect();
    if keys.len() < tensor.external.len() {
        return Err(incomplete());
    }
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
