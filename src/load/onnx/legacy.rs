//! Operators as the first operator sets had them, where they meant something else than today: broadcasting that had to be asked
//! for, training as the default, shapes as attributes.

use super::call::Call;
use super::lower::{Lowering, Value};
use super::shape::{Problem, misfit};
use super::{alias, conv, elementwise, matmul, piecewise};
use crate::load::NodeProblem;

/// The call with its second operand brought to today's broadcasting: without `broadcast` shapes are equal; with it the second
/// operand is one number, or has the shape of the first from `axis` on, by default at its end.
fn aligned<'a, 'm>(call: &Call<'a, 'm>) -> Problem<Call<'a, 'm>> {
    let (a, b) = (call.value(0)?, call.value(1)?);
    let (shape, part) = (a.shape(), b.shape());
    let unfit =
        || misfit(&[shape, part], "equal shapes, or a part of the first with broadcast = 1");
    let mut call = call.clone();
    if !call.switch("broadcast", false)? {
        return if shape == part { Ok(call) } else { Err(unfit()) };
    }
    let single = part.iter().product::<usize>() == 1;
    let free = shape.len().checked_sub(part.len()).ok_or_else(unfit)?;
    let at = usize::try_from(call.int("axis", free as i64)?).map_err(|_| unfit())?;
    let wanted = if single {
        Vec::new()
    } else if at <= free && shape[at..at + part.len()] == *part {
        [part, &vec![1; free - at]].concat()
    } else {
        return Err(unfit());
    };
    call.inputs[1] = Some(alias::reshaped(b, wanted)?);
    Ok(call)
}

/// x + y.
pub fn add<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    elementwise::add(low, &aligned(call)?)
}

/// x − y.
pub fn sub<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    elementwise::sub(low, &aligned(call)?)
}

/// x · y.
pub fn mul<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    elementwise::mul(low, &aligned(call)?)
}

/// x / y.
pub fn div<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    elementwise::div(low, &aligned(call)?)
}

/// The operands must have one shape.
fn one_shape(call: &Call) -> Problem<()> {
    let first = call.value(0)?.shape();
    for index in 1..call.inputs.len() {
        let other = call.value(index)?.shape();
        if first != other {
            return Err(misfit(&[first, other], "equal shapes, in this operator set"));
        }
    }
    Ok(())
}

/// max(x₁, x₂, …).
pub fn max<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    one_shape(call)?;
    piecewise::max(low, call)
}

/// min(x₁, x₂, …).
pub fn min<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    one_shape(call)?;
    piecewise::min(low, call)
}

/// x₁ + x₂ + …
pub fn sum<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    one_shape(call)?;
    elementwise::sum(low, call)
}

/// α A' B' + β C, where C is broadcast only if the file says so.
pub fn gemm<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let product = matmul::gemm(low, call)?;
    let c = call.value(2)?.shape();
    if !call.switch("broadcast", false)? && c != product.shape() {
        return Err(misfit(&[c, product.shape()], "equal shapes, or broadcast = 1"));
    }
    Ok(product)
}

/// One slope, or one for each channel.
pub fn prelu<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (x, slopes) = (call.value(0)?, call.value(1)?);
    let channels = x.shape().get(1).copied().unwrap_or(1);
    let shape = match slopes.shape() {
        shape if shape.iter().product::<usize>() == 1 => Vec::new(),
        &[number] if number == channels => [&[number][..], &vec![1; x.shape().len() - 2]].concat(),
        shape => return Err(misfit(&[x.shape(), shape], "one slope, or one for each channel")),
    };
    let mut call = call.clone();
    call.inputs[1] = Some(alias::reshaped(slopes, shape)?);
    piecewise::prelu(low, &call)
}

/// The shape is an attribute.
pub fn reshape<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    alias::to_shape(call, call.ints("shape")?.unwrap_or_default())
}

/// Training is the default.
fn testing(call: &Call) -> Problem<()> {
    let found = call.int("is_test", 0)?;
    if found != 0 {
        return Ok(());
    }
    let (name, accepted) = ("is_test", "1, inference");
    Err(NodeProblem::Attribute { name, found: found.to_string(), accepted })
}

/// x.
pub fn dropout<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    testing(call)?;
    alias::identity(low, call)
}

/// (x − mean)·a + b.
pub fn batch_normalization<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    testing(call)?;
    conv::batch_normalization(low, call)
}
