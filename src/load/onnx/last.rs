//! Operators that are left out at the end of a network, because they keep the order of its outputs: the outputs are then what
//! goes into them. A tensor behind one of them remembers it, and [`super::operators`] lets nothing read it but what passes its
//! elements on in order.

use super::call::Call;
use super::constant::Element;
use super::lower::{Lowering, Value, Variable};
use super::shape::{Problem, axis};
use crate::load::NodeProblem;
use crate::net::FinalOperator;

/// Their names.
pub const NAMES: [&str; 4] = ["Softmax", "LogSoftmax", "ArgMax", "Normalizer"];

/// exp(xᵢ) / Σ exp(xⱼ).
pub fn softmax<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    Ok(normalised(low, call, FinalOperator::Softmax)?.into())
}

/// xᵢ − log Σ exp(xⱼ).
pub fn log_softmax<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    Ok(normalised(low, call, FinalOperator::LogSoftmax)?.into())
}

/// Before operator set 13 the tensor is a matrix of the axes before and from `axis` on.
fn normalised(low: &mut Lowering, call: &Call, dropped: FinalOperator) -> Problem<Variable> {
    let mut x = call.variable(low, 0)?;
    let along = call.axis(if call.opset < 13 { 1 } else { -1 }, x.shape.len())?;
    let end = if call.opset < 13 { x.shape.len() } else { along + 1 };
    over_all(&x, along..end)?;
    x.dropped = Some(dropped);
    Ok(x)
}

/// The index of the largest element.
pub fn arg_max<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let mut x = call.variable(low, 0)?;
    let along = axis(call.int("axis", 0)?, x.shape.len(), "axis")?;
    over_all(&x, along..along + 1)?;
    x.shape[along] = 1;
    if !call.switch("keepdims", true)? {
        x.shape.remove(along);
    }
    x.element = Element::Int64;
    x.dropped = Some(FinalOperator::ArgMax);
    Ok(x.into())
}

/// Refuses anything that is not over all outputs: dropping it could change how they compare.
fn over_all(x: &Variable, axes: std::ops::Range<usize>) -> Problem<()> {
    let over: usize = x.shape[axes].iter().product();
    if over == x.shape.iter().product::<usize>() { Ok(()) } else { Err(NodeProblem::NotLast) }
}
