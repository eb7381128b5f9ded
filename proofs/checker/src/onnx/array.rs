//! Arrays in row-major order, and the operators that only move elements.
use super::error::Problem;
use super::wire::{Malformed, numbers};

/// The types of elements. All are held as f64, which holds integers beyond ±2^53 approximately only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F32,
    F64,
    I32,
    I64,
    Bool,
}

impl Kind {
    /// The type of ONNX's number.
    pub fn of(data_type: i64) -> Result<Kind, Problem> {
        match data_type {
            1 => Ok(Kind::F32),
            6 => Ok(Kind::I32),
            7 => Ok(Kind::I64),
            9 => Ok(Kind::Bool),
            11 => Ok(Kind::F64),
            _ => Err(Problem::Unsupported("types other than f32, f64, i32, i64 and bool")),
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Kind::F32 | Kind::F64)
    }

    /// The bytes of an element in a file, and the field of a tensor that lists elements one by one.
    pub fn place(self) -> (usize, u64) {
        match self {
            Kind::F32 => (4, 4),
            Kind::F64 => (8, 10),
            Kind::I32 => (4, 5),
            Kind::I64 => (8, 7),
            Kind::Bool => (1, 5),
        }
    }

    pub fn decode(self, raw: &[u8]) -> Result<Vec<f64>, Malformed> {
        match self {
            Kind::F32 => numbers(raw, |c| f32::from_le_bytes(c) as f64),
            Kind::F64 => numbers(raw, f64::from_le_bytes),
            Kind::I32 => numbers(raw, |c| i32::from_le_bytes(c) as f64),
            Kind::I64 => numbers(raw, |c| i64::from_le_bytes(c) as f64),
            Kind::Bool => numbers(raw, |c| u8::from_le_bytes(c) as f64),
        }
    }

    /// What becomes of a number in this type: rounded to the nearest float, or cut to an integer, which must be in the type's range
    /// (ONNX lets integers wrap round) and below 2^53.
    pub fn hold(self, x: f64) -> Result<f64, Problem> {
        let whole = x.trunc() + 0.0;
        let fits = match self {
            Kind::F32 => return Ok(x as f32 as f64),
            Kind::F64 => return Ok(x),
            Kind::I32 => whole >= i32::MIN as f64 && whole <= i32::MAX as f64,
            Kind::I64 => whole.abs() < 2f64.powi(53),
            Kind::Bool => whole == 0.0 || whole == 1.0,
        };
        if fits { Ok(whole) } else { Err(Problem::Overflow) }
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

/// The number of elements of a shape.
pub fn volume(shape: &[usize]) -> Result<usize, Problem> {
    shape.iter().try_fold(1usize, |a, d| a.checked_mul(*d)).ok_or(Problem::TooLarge)
}

/// The same, for an array to be made.
pub fn small_volume(shape: &[usize]) -> Result<usize, Problem> {
    volume(shape).and_then(|n| if n <= MOST { Ok(n) } else { Err(Problem::TooLarge) })
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

/// The steps between neighbours of each axis.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(shape[i]);
    }
    strides
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

    /// An array of a new shape whose element at an index is taken from `at(index)`, a flat position.
    fn gather(
        &self,
        shape: Vec<usize>,
        at: impl Fn(&[usize]) -> Option<usize>,
        rest: Option<&T>,
    ) -> Result<Array<T>, Problem> {
        let count = small_volume(&shape)?;
        let mut index = vec![0; shape.len()];
        let mut data = Vec::with_capacity(count);
        for _ in 0..count {
            let item = match at(&index) {
                Some(position) => self.data.get(position),
                None => rest,
            };
            data.push(item.ok_or(Problem::Shape)?.clone());
            for (i, size) in index.iter_mut().zip(&shape).rev() {
                *i += 1;
                if *i < *size {
                    break;
                }
                *i = 0;
            }
        }
        Ok(Array { kind: self.kind, shape, data })
    }

    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Array<T>, Problem> {
        if broadcast_shape(&self.shape, shape)? != shape {
            return Err(Problem::Shape);
        }
        if self.shape == shape {
            return Ok(self.clone());
        }
        let (skip, steps) = (shape.len() - self.rank(), strides(&self.shape));
        let at = |index: &[usize]| {
            let own = index[skip..].iter().zip(&self.shape).zip(&steps);
            Some(own.map(|((i, size), step)| if *size == 1 { 0 } else { i * step }).sum())
        };
        self.gather(shape.to_vec(), at, None)
    }

    pub fn transposed(&self, order: &[usize]) -> Result<Array<T>, Problem> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if sorted != (0..self.rank()).collect::<Vec<_>>() {
            return Err(Problem::Operand("perm"));
        }
        let steps = strides(&self.shape);
        let at =
            |index: &[usize]| Some(index.iter().zip(order).map(|(i, axis)| i * steps[*axis]).sum());
        self.gather(order.iter().map(|a| self.shape[*a]).collect(), at, None)
    }

    /// Along one axis the elements at these positions.
    pub fn taken(&self, axis: usize, positions: &[usize]) -> Result<Array<T>, Problem> {
        if positions.iter().any(|p| *p >= self.shape[axis]) {
            return Err(Problem::Shape);
        }
        let steps = strides(&self.shape);
        let mut shape = self.shape.clone();
        shape[axis] = positions.len();
        let at = |index: &[usize]| {
            let one =
                |(a, i): (usize, &usize)| if a == axis { positions[*i] } else { *i } * steps[a];
            Some(index.iter().enumerate().map(one).sum())
        };
        self.gather(shape, at, None)
    }

    /// With `before` and `after` (negative: cropped) more elements of value `fill` on each axis.
    pub fn padded(&self, before: &[i64], after: &[i64], fill: &T) -> Result<Array<T>, Problem> {
        let grow = |(size, (b, a)): (&usize, (&i64, &i64))| {
            // What is cropped must be there.
            let left = (*size as i64).checked_add((*b).min(0))?.checked_add((*a).min(0))?;
            let size = left.checked_add((*b).max(0))?.checked_add((*a).max(0))?;
            usize::try_from(size).ok().filter(|s| left >= 0 && *s <= MOST)
        };
        let sizes = self.shape.iter().zip(before.iter().zip(after));
        let shape: Vec<usize> = sizes.map(grow).collect::<Option<_>>().ok_or(Problem::Shape)?;
        let steps = strides(&self.shape);
        let at = |index: &[usize]| {
            let mut position = 0;
            for (a, i) in index.iter().enumerate() {
                let own = (*i as i64).checked_sub(before[a])?;
                let own = usize::try_from(own).ok().filter(|o| *o < self.shape[a])?;
                position += own * steps[a];
            }
            Some(position)
        };
        self.gather(shape, at, Some(fill))
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
