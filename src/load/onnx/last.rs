//! Operators that are left out at the end of a network, because they keep the order of its outputs: the outputs are then what
//! goes into them. A tensor behind one of them remembers it, and [`super::operators`] lets nothing read it but what passes its
//! elements on in order.

use super::call::Call;
use super::constant::Element;
use super::lower::{Lowering, Value, Variable};
use super::shape::{Problem, axis};
use super::softmax;
use crate::load::NodeProblem;
use crate::net::FinalOperator;

/// Their names.
pub const NAMES: [&str; 4] = ["Softmax", "LogSoftmax", "ArgMax", "Normalizer"];

/// exp(xᵢ) / Σ exp(xⱼ).
pub fn softmax<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    normalised(low, call, FinalOperator::Softmax, softmax::softmax)
}

/// xᵢ − log Σ exp(xⱼ).
pub fn log_softmax<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    normalised(low, call, FinalOperator::LogSoftmax, softmax::log_softmax)
}

/// Left out where it is the last, and over all outputs; else what it computes.
fn normalised<'m>(
    low: &mut Lowering,
    call: &Call,
    operator: FinalOperator,
    within: impl Fn(&mut Lowering, &Variable, &[usize]) -> Problem<Variable>,
) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let axes = softmax::axes(call, x.shape.len())?;
    if x.dropped.is_some() || (call.is_last && is_over_all(&x, &axes)) {
        over_all(&x, &axes)?;
        return Ok(Variable { dropped: Some(operator), ..x }.into());
    }
    Ok(within(low, &x, &axes)?.into())
}

/// The index of the largest element.
pub fn arg_max<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let mut x = call.variable(low, 0)?;
    let along = axis(call.int("axis", 0)?, x.shape.len(), "axis")?;
    over_all(&x, &[along])?;
    x.shape[along] = 1;
    if !call.switch("keepdims", true)? {
        x.shape.remove(along);
    }
    x.element = Element::Int64;
    x.dropped = Some(FinalOperator::ArgMax);
    Ok(x.into())
}

/// Refuses anything that is not over all outputs: dropping it could change how they compare.
fn over_all(x: &Variable, axes: &[usize]) -> Problem<()> {
    if is_over_all(x, axes) { Ok(()) } else { Err(NodeProblem::NotLast) }
}

fn is_over_all(x: &Variable, axes: &[usize]) -> bool {
    let over: usize = axes.iter().map(|&axis| x.shape[axis]).product();
    over == x.shape.iter().product::<usize>()
}
