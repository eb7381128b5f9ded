//! Operators whose elements are chosen elements of their operand: Transpose, Expand, Slice, Split, Gather.

use super::call::Call;
use super::lower::{Lowering, Value};
use super::shape::{Problem, Walk, axis, broadcast_indices, count, misfit, strides};
use crate::load::NodeProblem;

/// The axes in another order; reversed where none is given.
pub fn transpose<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let old = value.shape();
    let order: Vec<usize> = match call.ints("perm")? {
        None => (0..old.len()).rev().collect(),
        Some(perm) => perm.iter().map(|&a| usize::try_from(a).unwrap_or(usize::MAX)).collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..old.len()) {
        return Err(NodeProblem::Attribute {
            name: "perm",
            found: format!("{order:?}"),
            accepted: "each axis once",
        });
    }
    low.spend::<u64>(count(old)?)?;
    let steps = strides(old);
    let shape: Vec<usize> = order.iter().map(|&a| old[a]).collect();
    let steps: Vec<isize> = order.iter().map(|&a| steps[a]).collect();
    let indices: Vec<usize> = Walk::new(&shape, &steps, 0).collect();
    low.select(value, shape, &indices)
}

/// Broadcast to a constant shape.
pub fn expand<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let wanted = call.ints_operand(1)?.unwrap_or_default();
    let wanted = wanted
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| NodeProblem::Arithmetic("a negative dimension")))
        .collect::<Problem<Vec<_>>>()?;
    let shape = low.broadcast(value.shape(), &wanted)?;
    let indices = broadcast_indices(value.shape(), &shape)?;
    low.select(value, shape, &indices)
}

/// From `starts` to `ends` by `steps` along `axes`.
pub fn slice<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let old = value.shape();
    let by_attributes = call.opset < 10;
    let list = |name, index| {
        if by_attributes { call.ints(name) } else { call.ints_operand(index) }
    };
    let (starts, ends) =
        (list("starts", 1)?.unwrap_or_default(), list("ends", 2)?.unwrap_or_default());
    let axes = match list("axes", 3)? {
        Some(axes) => axes.to_vec(),
        None => (0..starts.len() as i64).collect(),
    };
    let by = match if by_attributes { None } else { call.ints_operand(4)? } {
        Some(steps) => steps.to_vec(),
        None => vec![1; starts.len()],
    };
    if [ends.len(), axes.len(), by.len()] != [starts.len(); 3] {
        return Err(NodeProblem::Shapes {
            found: format!("starts {starts:?}, ends {ends:?}, axes {axes:?}, steps {by:?}"),
            accepted: "lists of equal lengths",
        });
    }
    let mut shape = old.to_vec();
    let mut steps = strides(old);
    let mut start = 0;
    let mut seen = vec![false; old.len()];
    for (i, &along) in axes.iter().enumerate() {
        let along = axis(along, old.len(), "axes")?;
        if by[i] == 0 || std::mem::replace(&mut seen[along], true) {
            return Err(NodeProblem::Attribute {
                name: "axes",
                found: format!("{axes:?} with steps {by:?}"),
                accepted: "each axis once, with a step other than 0",
            });
        }
        // Some read these as "to the first element", others as "from an end beyond the last element".
        if by[i] < 0 && [i64::from(i32::MAX), i64::MAX].contains(&ends[i]) {
            return Err(NodeProblem::Attribute {
                name: "ends",
                found: format!("{} with the step {}", ends[i], by[i]),
                accepted: "a number of ordinary size, where elements are taken backwards",
            });
        }
        let (first, len) = slice_axis(starts[i], ends[i], by[i], old[along] as i64);
        shape[along] = len;
        start += first * steps[along];
        // With fewer than two elements the step is never taken, and may be too large to multiply.
        steps[along] = if len > 1 { steps[along] * by[i] as isize } else { 0 };
    }
    low.spend::<u64>(count(&shape)?)?;
    let indices: Vec<usize> = Walk::new(&shape, &steps, start).collect();
    low.select(value, shape, &indices)
}

/// First index and number of elements of start..end by step on an axis of size `dim`.
fn slice_axis(start: i64, end: i64, step: i64, dim: i64) -> (isize, usize) {
    if dim == 0 {
        return (0, 0);
    }
    let from_end = |at: i64| if at < 0 { at.saturating_add(dim) } else { at };
    let (start, end) = if step > 0 {
        (from_end(start).clamp(0, dim), from_end(end).clamp(0, dim))
    } else {
        (from_end(start).clamp(0, dim - 1), from_end(end).clamp(-1, dim - 1))
    };
    let span = if step > 0 { end - start } else { start - end };
    let len = if span <= 0 { 0 } else { (span as u64).div_ceil(step.unsigned_abs()) };
    (start as isize, len as usize)
}

/// Consecutive pieces along an axis.
pub fn split<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Vec<Value<'m>>> {
    let value = call.value(0)?;
    let old = value.shape().to_vec();
    let along = call.axis(0, old.len())?;
    let parts = call.node.outputs.len().max(1);
    call.require("num_outputs", parts as i64, "the number of outputs")?;
    let given = if call.opset < 13 { call.ints("split")? } else { call.ints_operand(1)? };
    let sizes: Vec<usize> = match given {
        Some(sizes) => sizes.iter().map(|&s| usize::try_from(s).unwrap_or(usize::MAX)).collect(),
        // Equal pieces; from operator set 18 on the last is smaller where they cannot be equal.
        None => {
            let size = old[along].div_ceil(parts);
            let last = old[along].checked_sub(size * (parts - 1)).unwrap_or(usize::MAX);
            let equal = last == size || (call.opset >= 18 && last > 0);
            let mut sizes = vec![size; parts];
            sizes[parts - 1] = if equal { last } else { usize::MAX };
            sizes
        }
    };
    let total = sizes.iter().try_fold(0usize, |sum, &s| sum.checked_add(s));
    if total != Some(old[along]) || sizes.len() != parts {
        return Err(NodeProblem::Shapes {
            found: format!("{old:?} along axis {along} into {sizes:?}"),
            accepted: "one size for each output, together that of the axis",
        });
    }
    let steps = strides(&old);
    let mut start = 0;
    let mut pieces = Vec::with_capacity(parts);
    for size in sizes {
        let mut shape = old.clone();
        shape[along] = size;
        low.spend::<u64>(count(&shape)?)?;
        let indices: Vec<usize> = Walk::new(&shape, &steps, start * steps[along]).collect();
        pieces.push(low.select(value, shape, &indices)?);
        start += size as isize;
    }
    Ok(pieces)
}

/// Slices along an axis, with constant indices.
pub fn gather<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let old = value.shape();
    let chosen = call.needed_constant(1)?;
    let along = call.axis(0, old.len())?;
    let indices = call.ints_operand(1)?.unwrap_or_default();
    let positions = indices
        .iter()
        .map(|&i| axis(i, old[along], "indices"))
        .collect::<Problem<Vec<usize>>>()
        .map_err(|_| NodeProblem::Operand {
            index: 1,
            found: format!("indices {indices:?}"),
            accepted: "indices of the axis",
        })?;
    let shape = [&old[..along], &chosen.shape, &old[along + 1..]].concat();
    low.spend::<u64>(count(&shape)?)?;
    let outer: usize = old[..along].iter().product();
    let inner: usize = old[along + 1..].iter().product();
    let sources: Vec<usize> = (0..outer)
        .flat_map(|o| positions.iter().map(move |&p| (o * old[along] + p) * inner))
        .flat_map(|start| start..start + inner)
        .collect();
    if sources.len() != shape.iter().product::<usize>() {
        return Err(misfit(&[old, &shape], "indices that fill the result"));
    }
    low.select(value, shape, &sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// ONNX's rule, by stepping. (Unlike numpy's, a start before the axis moves onto it also for negative steps.)
    fn stepped(start: i64, end: i64, step: i64, dim: i64) -> Vec<i64> {
        let shift = |at: i64| if at < 0 { at + dim } else { at };
        let (low, high) = if step > 0 { (0, dim) } else { (-1, dim - 1) };
        let (mut at, end) = (shift(start).clamp(0, high), shift(end).clamp(low, high));
        let mut visited = Vec::new();
        while if step > 0 { at < end } else { at > end } {
            visited.push(at);
            at += step;
        }
        visited
    }

    proptest! {
        #[test]
        fn slices_follow_the_standard(
            start in -12i64..12, end in -12i64..12, step in -4i64..4, dim in 1i64..8,
        ) {
            prop_assume!(step != 0);
            let (first, len) = slice_axis(start, end, step, dim);
            let visited: Vec<i64> = (0..len as i64).map(|i| first as i64 + i * step).collect();
            prop_assert_eq!(visited, stepped(start, end, step, dim));
        }
    }

    #[test]
    fn extreme_slices_do_not_overflow() {
        assert_eq!(slice_axis(i64::MAX, i64::MIN, -1, 3), (2, 3));
        assert_eq!(slice_axis(i64::MIN, i64::MAX, i64::MAX, 3), (0, 1));
        assert_eq!(slice_axis(-1, i64::MIN, i64::MIN, 3), (2, 1));
        assert_eq!((slice_axis(0, 5, 1, 0).1, slice_axis(0, 5, -1, 0).1), (0, 0));
    }
}
