//! Comparisons of tensors, and choices by them that never jump: these are maxima, minima, and functions that bend at 0.

use super::call::Call;
use super::constant::{Constant, Element};
use super::elementwise::{expand, spread};
use super::fold;
use super::hinge::Slopes;
use super::lower::{Lowering, Value};
use super::piecewise::extreme;
use super::scatter;
use super::shape::Problem;
use crate::load::NodeProblem;
use std::cmp::Ordering;
use std::rc::Rc;

/// What a comparison says where the first tensor is smaller, where both are equal, and where it is larger.
pub type Says = [bool; 3];

/// A comparison of two tensors, not both of them constants.
#[derive(Debug, Clone)]
pub struct Condition<'m> {
    /// The tensor's shape.
    pub shape: Vec<usize>,
    /// The type of its elements: bool, or another one with 1 for true and 0 for false.
    pub element: Element,
    operands: [Value<'m>; 2],
    says: Says,
}

impl Condition<'_> {
    /// The same in another type.
    pub(super) fn cast(&self, element: Element) -> Self {
        Self { element, ..self.clone() }
    }
}

/// The refusal of a choice.
pub const JUMPS: NodeProblem = NodeProblem::Arithmetic(
    "a comparison, or a choice by one, that is not known to be continuous (a maximum, a minimum, or a function of one tensor that bends at 0)",
);

/// The element of an ordering.
fn said(says: Says, order: Ordering) -> bool {
    says[(order as i8 + 1) as usize]
}

/// x > y.
pub fn greater<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    compare(low, call, [false, false, true])
}

/// x ≥ y.
pub fn greater_or_equal<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    compare(low, call, [false, true, true])
}

/// x < y.
pub fn less<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    compare(low, call, [true, false, false])
}

/// x ≤ y.
pub fn less_or_equal<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    compare(low, call, [true, true, false])
}

fn compare<'m>(low: &mut Lowering, call: &Call<'_, 'm>, says: Says) -> Problem<Value<'m>> {
    let operands = [call.value(0)?.clone(), call.value(1)?.clone()];
    if let [Value::Constant(x), Value::Constant(y)] = &operands {
        return fold::compare(low, x, y, |order| said(says, order));
    }
    let shape = low.broadcast(operands[0].shape(), operands[1].shape())?;
    for operand in &operands {
        match operand {
            // Who chooses by it reads it once more.
            Value::Variable(x) => low.add_uses(x, 1),
            Value::Constant(_) => {}
            Value::Condition(_) => return Err(JUMPS),
        }
    }
    Ok(Value::Condition(Rc::new(Condition { shape, element: Element::Bool, operands, says })))
}

/// True where x is false.
pub fn not<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    match call.value(0)? {
        Value::Constant(x) => fold::not(x),
        Value::Condition(x) => {
            let condition = Condition { says: x.says.map(|says| !says), ..(**x).clone() };
            Ok(Value::Condition(Rc::new(condition)))
        }
        Value::Variable(_) => Err(JUMPS),
    }
}

/// x where the condition holds, else y.
pub fn where_<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    match call.value(0)? {
        Value::Condition(condition) => choose(low, condition, call.value(1)?, call.value(2)?),
        Value::Constant(condition)
            if !matches!(
                [call.value(1)?, call.value(2)?],
                [Value::Constant(_), Value::Constant(_)]
            ) =>
        {
            scatter::masked(low, condition, call.value(1)?, call.value(2)?)
        }
        _ => fold::where_(low, call),
    }
}

/// A condition's 1 or 0, times x.
pub fn masked<'m>(
    low: &mut Lowering,
    condition: &Condition<'m>,
    x: &Value<'m>,
) -> Problem<Value<'m>> {
    let zero = Constant::floats_of(condition.element, vec![], vec![0.0]);
    choose(low, condition, x, &zero.into())
}

fn choose<'m>(
    low: &mut Lowering,
    condition: &Condition<'m>,
    x: &Value<'m>,
    y: &Value<'m>,
) -> Problem<Value<'m>> {
    let Condition { operands: [a, b], says, .. } = condition;
    let branches = low.broadcast(x.shape(), y.shape())?;
    let shape = low.broadcast(&condition.shape, &branches)?;
    let [less, _, greater] = *says;
    if less != greater {
        let straight = is_same(low, x, a)? && is_same(low, y, b)?;
        if straight || (is_same(low, x, b)? && is_same(low, y, a)?) {
            return extreme(low, &[a, b], if straight == greater { 1.0 } else { -1.0 });
        }
    }
    // Where 0 stands, the slopes are 0.
    let (mut tensors, mut places) = (Vec::new(), [None; 4]);
    for (value, place) in [a, b, x, y].into_iter().zip(&mut places) {
        match value {
            Value::Variable(v) => {
                *place = Some(tensors.len());
                tensors.push(expand(low, v, &shape)?);
            }
            Value::Constant(c) if spread(c, &shape)?.iter().all(|&c| c == 0.0) => {}
            _ => return Err(JUMPS),
        }
    }
    let slopes = |_: usize, known: &[Slopes]| {
        let at = |place: Option<usize>| place.map_or(Slopes::ZERO, |place| known[place]);
        let [a, b, x, y] = places.map(at);
        // Below 0 the larger slope makes the smaller value.
        let below = said(*says, b.below.partial_cmp(&a.below)?);
        let above = said(*says, a.above.partial_cmp(&b.above)?);
        Some(Slopes {
            below: if below { x.below } else { y.below },
            above: if above { x.above } else { y.above },
        })
    };
    let tensors: Vec<_> = tensors.iter().collect();
    Ok(low.hinged_function(&tensors, slopes, &shape)?.ok_or(JUMPS)?.into())
}

/// Whether two tensors are known to be the same one.
fn is_same(low: &Lowering, x: &Value, y: &Value) -> Problem<bool> {
    Ok(match (x, y) {
        (Value::Variable(x), Value::Variable(y)) => low.is_same(x, y) && x.shape == y.shape,
        (Value::Constant(x), Value::Constant(y)) => {
            x.shape == y.shape && x.floats()? == y.floats()?
        }
        _ => false,
    })
}
