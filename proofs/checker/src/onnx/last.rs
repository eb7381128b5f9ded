//! Operators at the end of a network that keep the order of its outputs: the outputs are then known by their order only.
use super::build::{Value, Variable};
use super::error::{Problem, unsupported};
use super::lower::Operation;

/// The operators that pass the elements of their first operand on in order, or keep that order.
const PASS_ON: [&str; 11] = [
    "Identity",
    "Dropout",
    "Flatten",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Cast",
    "ZipMap",
    "Softmax",
    "LogSoftmax",
    "Normalizer",
];

/// Refuses to compute with elements of which only the order is known.
pub fn check_order(op: &Operation) -> Result<(), Problem> {
    let ordered = |v: &Option<Value>| matches!(v, Some(Value::Variable(v)) if v.ordered);
    let passes = PASS_ON.contains(&op.proto.operator);
    let (first, rest) = op.inputs.split_at(op.inputs.len().min(1));
    if rest.iter().any(ordered) || (!passes && first.iter().any(ordered)) {
        return unsupported("a Softmax before the end");
    }
    Ok(())
}

/// Softmax or its logarithm over all elements.
pub fn softmax(op: &Operation) -> Result<Value, Problem> {
    let x = op.variable(0)?;
    let rank = x.shape.len();
    let early = op.opset < 13;
    let axis = super::array::axis(op.integer("axis", if early { 1 } else { -1 })?, rank)?;
    let over = if early { &x.shape[axis..] } else { &x.shape[axis..=axis] };
    if over.iter().product::<usize>() != x.shape.iter().product::<usize>() {
        return unsupported("a Softmax that is not over all elements");
    }
    Ok(Value::Variable(Variable { ordered: true, ..x.clone() }))
}
