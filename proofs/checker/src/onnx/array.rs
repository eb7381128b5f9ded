//! Arrays in row-major order, and the operators that only move elements.
use super::error::Problem;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Float,
    Integer,
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
            let size = (*size as i64).checked_add(*b)?.checked_add(*a)?;
            usize::try_from(size).ok().filter(|s| *s <= MOST)
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
        let integer = parts.iter().all(|p| p.kind == Kind::Integer);
        Array::new(if integer { Kind::Integer } else { Kind::Float }, shape, data)
    }
}

impl Array<f64> {
    pub fn scalar(kind: Kind, x: f64) -> Array<f64> {
        Array { kind, shape: vec![], data: vec![x] }
    }

    /// The elements as integers (sizes, axes, positions).
    pub fn integers(&self) -> Vec<i64> {
        self.data.iter().map(|x| *x as i64).collect()
    }
}
