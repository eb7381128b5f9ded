//! Operators that only give elements another shape: no node is made for them.

use super::call::Call;
use super::choice::JUMPS;
use super::lower::{Lowering, Value};
use super::shape::{Problem, axis, misfit};
use crate::load::NodeProblem;

/// The operators that pass their first operand on in order, whatever its values are.
pub const PASS_ON: [&str; 8] =
    ["Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Cast", "ZipMap"];

/// The same elements in another shape of as many.
pub fn reshaped<'m>(value: &Value<'m>, shape: Vec<usize>) -> Problem<Value<'m>> {
    let len = |shape: &[usize]| shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if len(&shape) != len(value.shape()) {
        return Err(misfit(&[value.shape(), &shape], "a new shape of as many elements"));
    }
    Ok(match value {
        Value::Constant(constant) => constant.reshaped(shape).into(),
        Value::Variable(variable) => variable.reshaped(shape).into(),
        Value::Condition(condition) if condition.shape == shape => value.clone(),
        Value::Condition(_) => return Err(JUMPS),
    })
}

/// x; Dropout at inference is the same.
pub fn identity<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    Ok(call.value(0)?.clone())
}

/// Dropout at inference.
pub fn dropout<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let training = call.constant(2)?.map(|flag| flag.as_ints().unwrap_or_default());
    if training.is_some_and(|flag| flag != [0]) {
        return Err(NodeProblem::Operand {
            index: 2,
            found: "true (training)".to_owned(),
            accepted: "false, inference",
        });
    }
    identity(low, call)
}

/// A matrix of the axes before and from `axis` on.
pub fn flatten<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let shape = value.shape();
    // The axis may also be one past the last.
    let at = match call.int("axis", 1)? {
        end if end == shape.len() as i64 => shape.len(),
        other => axis(other, shape.len(), "axis")?,
    };
    reshaped(value, vec![shape[..at].iter().product(), shape[at..].iter().product()])
}

/// A shape of constants; 0 keeps a dimension, −1 takes what is left.
pub fn reshape<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let wanted = call.ints_operand(1)?.unwrap_or_default();
    to_shape(call, wanted)
}

/// The same with the shape given.
pub fn to_shape<'m>(call: &Call<'_, 'm>, wanted: &[i64]) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let unfit = || NodeProblem::Shapes {
        found: format!("{:?} to {wanted:?}", value.shape()),
        accepted: "a new shape of as many elements, with at most one -1",
    };
    let keep_zero = call.switch("allowzero", false)?;
    let mut shape = Vec::with_capacity(wanted.len());
    let mut free = None;
    for (position, &dim) in wanted.iter().enumerate() {
        shape.push(match dim {
            -1 if free.is_none() => {
                free = Some(position);
                1
            }
            0 if !keep_zero => *value.shape().get(position).ok_or_else(unfit)?,
            dim => usize::try_from(dim).map_err(|_| unfit())?,
        });
    }
    let len: usize = value.shape().iter().product();
    if let Some(position) = free {
        let known = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(unfit)?;
        if known == 0 || !len.is_multiple_of(known) {
            return Err(unfit());
        }
        shape[position] = len / known;
    }
    reshaped(value, shape).map_err(|_| unfit())
}

/// Without the axes of size 1 that are named, or without all of them.
pub fn squeeze<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let shape = value.shape();
    let axes = match call.axes(1, shape.len())? {
        // Some programs squeeze nothing then, others everything.
        Some(axes) if axes.is_empty() => {
            let found = "an empty list".to_owned();
            return Err(NodeProblem::Attribute { name: "axes", found, accepted: "axes, or none" });
        }
        Some(axes) => axes,
        None => (0..shape.len()).filter(|&a| shape[a] == 1).collect(),
    };
    if axes.iter().any(|&a| shape[a] != 1) {
        return Err(misfit(&[shape], "size 1 along every squeezed axis"));
    }
    reshaped(value, (0..shape.len()).filter(|a| !axes.contains(a)).map(|a| shape[a]).collect())
}

/// With new axes of size 1.
pub fn unsqueeze<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let named = match call.ints("axes")? {
        Some(axes) => axes.len(),
        None => call.ints_operand(1)?.map_or(0, <[i64]>::len),
    };
    let rank = value.shape().len() + named;
    let axes = call.axes(1, rank)?.unwrap_or_default();
    let mut old = value.shape().iter().copied();
    let shape = (0..rank)
        .map(|a| if axes.contains(&a) { Some(1) } else { old.next() })
        .collect::<Option<Vec<usize>>>()
        .ok_or(NodeProblem::Internal("unsqueeze"))?;
    reshaped(value, shape)
}
