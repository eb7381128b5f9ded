//! Arrays in row-major order, and the operators that only move elements.
use super::error::{Problem, unsupported};

/// The types of elements. All are held as f64, which holds integers beyond ±2^53 approximately only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F32,
    F64,
    I32,
    I64,
    Bool,
    F16,
    BF16,
}

impl Kind {
    /// The type of ONNX's number.
    pub fn of(data_type: i64) -> Result<Kind, Problem> {
        match data_type {
            1 => Ok(Kind::F32),
            6 => Ok(Kind::I32),
            7 => Ok(Kind::I64),
            9 => Ok(Kind::Bool),
            10 => Ok(Kind::F16),
            16 => Ok(Kind::BF16),
            11 => Ok(Kind::F64),
            _ => unsupported("types other than f16, bf16, f32, f64, i32, i64 and bool"),
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Kind::F32 | Kind::F64 | Kind::F16 | Kind::BF16)
    }

    /// The bytes of an element in a file, and the field of a tensor that lists elements one by one.
    pub fn place(self) -> (usize, u64) {
        match self {
            Kind::F32 => (4, 4),
            Kind::F64 => (8, 10),
            Kind::I32 => (4, 5),
            Kind::I64 => (8, 7),
            Kind::Bool => (1, 5),
            Kind::F16 | Kind::BF16 => (2, 5),
        }
    }

    pub fn decode(self, raw: &[u8]) -> Result<Vec<f64>, Problem> {
        match self {
            Kind::F32 => numbers(raw, |c| f32::from_le_bytes(c) as f64),
            Kind::F64 => numbers(raw, f64::from_le_bytes),
            Kind::I32 => numbers(raw, |c| i32::from_le_bytes(c) as f64),
            Kind::I64 => numbers(raw, |c| i64::from_le_bytes(c) as f64),
            Kind::Bool => numbers(raw, |c| u8::from_le_bytes(c) as f64),
            Kind::F16 => numbers(raw, |c| half(u16::from_le_bytes(c))),
            Kind::BF16 => {
                numbers(raw, |c| f32::from_bits((u16::from_le_bytes(c) as u32) << 16) as f64)
            }
        }
    }

    /// The numbers of a list in a file, one by one: floats of two bytes are listed by their bits.
    pub fn listed(self, list: &[f64]) -> Result<Vec<f64>, Problem> {
        if !matches!(self, Kind::F16 | Kind::BF16) {
            return Ok(list.to_vec());
        }
        let bits = list.iter().map(|x| (*x >= 0.0 && *x < 65536.0).then_some(*x as u16));
        let bits: Option<Vec<u16>> = bits.collect();
        let raw = bits.ok_or(Problem::Overflow)?.into_iter().flat_map(u16::to_le_bytes);
        self.decode(&raw.collect::<Vec<u8>>())
    }

    /// What becomes of a number in this type: rounded to the nearest float, or cut to an integer, which must be in the type's range
    /// (ONNX lets integers wrap round) and below 2^53.
    pub fn hold(self, x: f64) -> Result<f64, Problem> {
        let whole = x.trunc() + 0.0;
        let fits = match self {
            Kind::F32 => return Ok(x as f32 as f64),
            Kind::F64 => return Ok(x),
            Kind::F16 => return Ok(rounded(x, 10, -14, 65504.0)),
            Kind::BF16 => return Ok(rounded(x, 7, -126, f32::from_bits(0x7f7f_0000) as f64)),
            Kind::I32 => whole >= i32::MIN as f64 && whole <= i32::MAX as f64,
            Kind::I64 => whole.abs() < 2f64.powi(53),
            Kind::Bool => whole == 0.0 || whole == 1.0,
        };
        if fits { Ok(whole) } else { Err(Problem::Overflow) }
    }
}

/// The number of a half: sign, five bits of exponent, ten of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = (bits & 0x3ff) as f64 / 1024.0;
    match (bits >> 10 & 0x1f) as i32 {
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        0 => sign * fraction * 2f64.powi(-14),
        e => sign * (1.0 + fraction) * 2f64.powi(e - 15),
    }
}

/// The nearest number with so many bits after the first, and no exponent below the least; the even one of two. Beyond half a
/// step above the largest it is infinite.
fn rounded(x: f64, bits: i32, least: i32, most: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let exponent = ((x.abs().to_bits() >> 52) as i32 - 1023).max(least);
    let step = 2f64.powi(exponent - bits);
    let near = (x / step).round_ties_even() * step;
    if near.abs() > most { near.signum() * f64::INFINITY } else { near }
}

/// Little-endian numbers of N bytes each, as f64.
fn numbers<const N: usize>(
    bytes: &[u8],
    one: impl Fn([u8; N]) -> f64,
) -> Result<Vec<f64>, Problem> {
    match bytes.as_chunks::<N>() {
        (chunks, []) => Ok(chunks.iter().map(|c| one(*c)).collect()),
        _ => Err(Problem::Malformed("a list of numbers ends within one")),
    }
}

/// Most elements of an array that an operator makes.
pub const MOST: usize = 1 << 24;

#[derive(Clone, Debug)]
pub struct Array<T> {
    pub kind: Kind,
    pub shape: Vec<usize>,
    pub data: Vec<T>,
}

/// The product of the sizes that are not 0.
fn extent(shape: &[usize]) -> Result<usize, Problem> {
    shape.iter().try_fold(1usize, |a, d| a.checked_mul((*d).max(1))).ok_or(Problem::TooLarge)
}

/// The number of elements of a shape.
pub fn volume(shape: &[usize]) -> Result<usize, Problem> {
    extent(shape).map(|n| if shape.contains(&0) { 0 } else { n })
}

/// The same, for an array to be made; nor may its axes be long where others are empty.
pub fn small_volume(shape: &[usize]) -> Result<usize, Problem> {
    if extent(shape)? <= MOST { volume(shape) } else { Err(Problem::TooLarge) }
}

/// An axis, counted from the end if negative, among `rank`.
pub fn axis(a: i64, rank: usize) -> Result<usize, Problem> {
    let a = if a < 0 { a.checked_add(rank as i64).ok_or(Problem::Shape)? } else { a };
    usize::try_from(a).ok().filter(|a| *a < rank).ok_or(Problem::Shape)
}

/// The common shape of two operands (numpy's rule).
pub fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Problem> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| if i + s.len() < rank { 1 } else { s[i + s.len() - rank] };
    let one = |i| match (at(a, i), at(b, i)) {
        (x, y) if x == y => Ok(x),
        (1, y) => Ok(y),
        (x, 1) => Ok(x),
        _ => Err(Problem::Shape),
    };
    (0..rank).map(one).collect()
}

/// So many places, and for each of them its part of a flat position in an array.
type Axis<'a> = (usize, Box<dyn Fn(usize) -> Option<usize> + 'a>);

/// An axis with so many more places (negative: fewer, which must be there) before and after it.
fn grown((old, own): Axis<'_>, before: i64, after: i64) -> Option<Axis<'_>> {
    let old = old as i64;
    let plus = |b: i64, a: i64| usize::try_from(old.checked_add(b)?.checked_add(a)?).ok();
    plus(before.min(0), after.min(0))?;
    let from = move |i: usize| (i as i64).checked_sub(before).filter(|i| (0..old).contains(i));
    Some((plus(before, after)?, Box::new(move |i| own(from(i)? as usize))))
}

/// For every element of a shape its place among them, to be moved as the elements are.
pub type Positions = Array<Option<usize>>;

pub fn positions(shape: &[usize]) -> Result<Positions, Problem> {
    let all = (0..small_volume(shape)?).map(Some).collect();
    Array::new(Kind::I64, shape.to_vec(), all)
}

impl<T: Clone> Array<T> {
    pub fn new(kind: Kind, shape: Vec<usize>, data: Vec<T>) -> Result<Array<T>, Problem> {
        if volume(&shape)? == data.len() {
            Ok(Array { kind, shape, data })
        } else {
            Err(Problem::Shape)
        }
    }

    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    pub fn reshaped(&self, shape: Vec<usize>) -> Result<Array<T>, Problem> {
        Array::new(self.kind, shape, self.data.clone())
    }

    /// The axes as they are.
    fn axes(&self) -> Vec<Axis<'_>> {
        let step = |a: usize| self.shape[a + 1..].iter().map(|size| (*size).max(1)).product();
        let axis = |(a, size): (usize, &usize)| -> Axis {
            let step: usize = step(a);
            (*size, Box::new(move |i| Some(i * step)))
        };
        self.shape.iter().enumerate().map(axis).collect()
    }

    /// The elements along these axes, the last one fastest; `fill` where one of them has none.
    fn along(&self, axes: &[Axis], fill: Option<&T>) -> Result<Array<T>, Problem> {
        let shape: Vec<usize> = axes.iter().map(|(size, _)| *size).collect();
        let mut flat = vec![Some(0); small_volume(&shape)?.min(1)];
        for (size, at) in axes {
            let next = |from: Option<usize>| (0..*size).map(move |i| Some(from? + at(i)?));
            flat = flat.into_iter().flat_map(next).collect();
        }
        let item = |at: Option<usize>| at.map_or(fill, |at| self.data.get(at)).cloned();
        let data = flat.into_iter().map(item).collect::<Option<_>>().ok_or(Problem::Shape)?;
        Ok(Array { kind: self.kind, shape, data })
    }

    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Array<T>, Problem> {
        if broadcast_shape(&self.shape, shape)? != shape {
            return Err(Problem::Shape);
        }
        if self.shape == shape {
            return Ok(self.clone());
        }
        let repeat = |size: &usize| -> Axis { (*size, Box::new(|_| Some(0))) };
        let mut axes: Vec<Axis> = shape.iter().map(repeat).collect();
        let own = self.axes().into_iter().rev();
        axes.iter_mut().rev().zip(own).filter(|(a, b)| a.0 == b.0).for_each(|(a, b)| *a = b);
        self.along(&axes, None)
    }

    pub fn transposed(&self, order: &[usize]) -> Result<Array<T>, Problem> {
        let mut axes: Vec<Option<Axis>> = self.axes().into_iter().map(Some).collect();
        let next = |a: &usize| axes.get_mut(*a).and_then(Option::take);
        match order.iter().map(next).collect::<Option<Vec<_>>>() {
            Some(axes) if axes.len() == self.rank() => self.along(&axes, None),
            _ => Err(Problem::Operand("perm")),
        }
    }

    /// Along one axis the elements at these positions.
    pub fn taken(&self, axis: usize, positions: &[usize]) -> Result<Array<T>, Problem> {
        if positions.iter().any(|p| *p >= self.shape[axis]) {
            return Err(Problem::Shape);
        }
        let mut axes = self.axes();
        let (_, own) = axes.remove(axis);
        axes.insert(axis, (positions.len(), Box::new(move |i| own(positions[i]))));
        self.along(&axes, None)
    }

    /// With `before` and `after` (negative: cropped) more elements of value `fill` on each axis.
    pub fn padded(&self, before: &[i64], after: &[i64], fill: &T) -> Result<Array<T>, Problem> {
        let sizes = before.iter().zip(after);
        let axes = self.axes().into_iter().zip(sizes).map(|(axis, (b, a))| grown(axis, *b, *a));
        self.along(&axes.collect::<Option<Vec<_>>>().ok_or(Problem::Shape)?, Some(fill))
    }

    /// The arrays one after the other along an axis.
    pub fn concatenated(parts: &[Array<T>], axis: usize) -> Result<Array<T>, Problem> {
        let first = parts.first().ok_or(Problem::Operand("inputs"))?;
        let mut shape = first.shape.clone();
        shape[axis] = 0;
        for part in parts {
            let same = part.rank() == first.rank()
                && (0..first.rank()).all(|a| a == axis || part.shape[a] == first.shape[a]);
            if !same {
                return Err(Problem::Shape);
            }
            shape[axis] = shape[axis].checked_add(part.shape[axis]).ok_or(Problem::TooLarge)?;
        }
        let outer = small_volume(&shape[..axis])?;
        let mut data = Vec::with_capacity(small_volume(&shape)?);
        for block in 0..outer {
            for part in parts {
                let size = part.data.len() / outer.max(1);
                data.extend_from_slice(&part.data[block * size..(block + 1) * size]);
            }
        }
        Array::new(first.kind, shape, data)
    }
}

impl Array<f64> {
    pub fn scalar(kind: Kind, x: f64) -> Array<f64> {
        Array { kind, shape: vec![], data: vec![x] }
    }

    /// The elements as integers (sizes, axes, positions).
    pub fn integers(&self) -> Result<Vec<i64>, Problem> {
        match self.kind {
            Kind::I32 | Kind::I64 => Ok(self.data.iter().map(|x| *x as i64).collect()),
            _ => Err(Problem::Types),
        }
    }

    /// The one element.
    pub fn only(&self) -> Result<f64, Problem> {
        if let [x] = self.data.as_slice() { Ok(*x) } else { Err(Problem::Shape) }
    }

    /// The elements changed, and rounded to their type.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Result<Array<f64>, Problem> {
        let data = self.data.iter().map(|x| self.kind.hold(f(*x)));
        Array::new(self.kind, self.shape.clone(), data.collect::<Result<_, _>>()?)
    }
}
