//! Shapes: sizes, strides, broadcasting, and walks over the elements of a tensor.

use crate::load::NodeProblem;

/// The result of anything that can go wrong at a node.
pub type Problem<T> = Result<T, NodeProblem>;

/// The most elements that a tensor computed from the input may have. Far above every network that can be verified; it
/// keeps a hostile file of a few bytes from claiming all memory.
pub const MAX_ELEMENTS: usize = 1 << 24;

/// The most stored entries of a sparse map that the reader spells out (pooling, broadcasting, batched products).
pub const MAX_ENTRIES: usize = 1 << 26;

/// Number of elements of a shape, within the limit. A dimension of 0 does not excuse the others.
pub fn count(shape: &[usize]) -> Problem<usize> {
    shape
        .iter()
        .try_fold(1usize, |product, &d| product.checked_mul(d.max(1)))
        .filter(|&n| n <= MAX_ELEMENTS)
        .map(|_| shape.iter().product())
        .ok_or(NodeProblem::TooLarge { what: "a tensor", limit: MAX_ELEMENTS })
}

/// The product of two numbers of entries, within the limit.
pub fn count_entries(rows: usize, per_row: usize) -> Problem<usize> {
    rows.checked_mul(per_row)
        .filter(|&n| n <= MAX_ENTRIES)
        .ok_or(NodeProblem::TooLarge { what: "a linear map", limit: MAX_ENTRIES })
}

/// Row-major strides.
pub fn strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].wrapping_mul(shape[axis] as isize);
    }
    strides
}

/// A shape as text.
pub fn show(shape: &[usize]) -> String {
    format!("{shape:?}")
}

/// The error for shapes that do not fit.
pub fn misfit(shapes: &[&[usize]], accepted: &'static str) -> NodeProblem {
    let found = shapes.iter().map(|s| show(s)).collect::<Vec<_>>().join(" and ");
    NodeProblem::Shapes { found, accepted }
}

/// The common shape of two operands (numpy's rule).
pub fn broadcast(a: &[usize], b: &[usize]) -> Problem<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], axis: usize| {
        (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i])
    };
    let shape: Option<Vec<usize>> = (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect();
    let shape = shape.ok_or_else(|| misfit(&[a, b], "shapes that broadcast to one another"))?;
    count(&shape)?;
    Ok(shape)
}

/// Indices into a tensor of shape `from`, one for each element of the shape `to` that it is broadcast to.
pub fn broadcast_indices(from: &[usize], to: &[usize]) -> Problem<Vec<usize>> {
    let fits = from.len() <= to.len()
        && from.iter().rev().zip(to.iter().rev()).all(|(&f, &t)| f == t || f == 1);
    if !fits {
        return Err(misfit(&[from, to], "a shape that broadcasts to the other"));
    }
    let mut steps = vec![0; to.len() - from.len()];
    steps.extend(strides(from).iter().zip(from).map(|(&s, &d)| if d == 1 { 0 } else { s }));
    count(to)?;
    Ok(Walk::new(to, &steps, 0).collect())
}

/// The position of an axis given as ONNX does, negative from the end.
pub fn axis(value: i64, rank: usize, name: &'static str) -> Problem<usize> {
    let position = if value < 0 { value.checked_add(rank as i64) } else { Some(value) };
    position.and_then(|p| usize::try_from(p).ok()).filter(|&p| p < rank).ok_or_else(|| {
        NodeProblem::Attribute {
            name,
            found: format!("{value} for a tensor of {rank} dimensions"),
            accepted: "an axis of the tensor",
        }
    })
}

/// Visits the elements of a shape in row-major order and yields start + Σ indexᵢ·stepᵢ.
///
/// The caller sees to it that these sums are indices, hence not negative.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    shape: &'a [usize],
    steps: &'a [isize],
    index: Vec<usize>,
    at: isize,
    left: usize,
}

impl<'a> Walk<'a> {
    /// A walk over `shape`, one step size an axis.
    pub(super) fn new(shape: &'a [usize], steps: &'a [isize], start: isize) -> Self {
        let left = shape.iter().product();
        Self { shape, steps, index: vec![0; shape.len()], at: start, left }
    }
}

impl Iterator for Walk<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let current = self.at;
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            self.at += self.steps[axis];
            if self.index[axis] < self.shape[axis] {
                break;
            }
            self.at -= self.steps[axis] * self.shape[axis] as isize;
            self.index[axis] = 0;
        }
        Some(current.cast_unsigned())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        assert_eq!(broadcast(&[2, 1, 3], &[4, 1]).unwrap(), [2, 4, 3]);
        assert_eq!(broadcast(&[], &[5]).unwrap(), [5]);
        assert!(broadcast(&[2], &[3]).is_err());
        assert_eq!(broadcast_indices(&[2, 1], &[2, 3]).unwrap(), [0, 0, 0, 1, 1, 1]);
        assert_eq!(broadcast_indices(&[3], &[2, 3]).unwrap(), [0, 1, 2, 0, 1, 2]);
        assert!(broadcast_indices(&[2, 3], &[3]).is_err());
    }

    #[test]
    fn walks_follow_their_steps() {
        assert_eq!(Walk::new(&[2, 3], &[1, 2], 0).collect::<Vec<_>>(), [0, 2, 4, 1, 3, 5]);
        assert_eq!(Walk::new(&[3], &[-2], 5).collect::<Vec<_>>(), [5, 3, 1]);
        assert_eq!(Walk::new(&[], &[], 7).collect::<Vec<_>>(), [7]);
        assert_eq!(Walk::new(&[2, 0], &[1, 1], 0).count(), 0);
    }

    #[test]
    fn sizes_are_limited() {
        assert!(count(&[1 << 20, 1 << 20, 1 << 40]).is_err());
        assert!(count_entries(usize::MAX, 2).is_err());
        assert!(count(&[0, 1 << 40, 1 << 40]).is_err());
        assert_eq!((count(&[]).unwrap(), count(&[3, 0]).unwrap()), (1, 0));
        assert!(axis(-3, 2, "axis").is_err() && axis(i64::MIN, 2, "axis").is_err());
        assert_eq!(axis(-1, 2, "axis").unwrap(), 1);
    }
}
