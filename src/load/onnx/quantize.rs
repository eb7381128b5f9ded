//! Integers that stand for floats: (x − zero point) · scale.

use super::call::Call;
use super::constant::{Constant, Data, Element};
use super::elementwise::{mul_values, spread};
use super::lower::{Lowering, Value};
use super::shape::{Problem, count, misfit};
use crate::load::NodeProblem;

/// The shape of scales along an axis of a tensor of this shape, so that they broadcast to it.
fn along(call: &Call, shape: &[usize], scales: &[usize]) -> Problem<Vec<usize>> {
    call.require("block_size", 0, "0: one scale for a tensor or for each slice")?;
    if scales.iter().product::<usize>() == 1 {
        return Ok(Vec::new());
    }
    let axis = call.axis(1, shape.len())?;
    if scales != [shape[axis]] {
        return Err(misfit(&[shape, scales], "one scale, or one for each slice along the axis"));
    }
    let mut wide = vec![1; shape.len() - axis];
    wide[0] = scales[0];
    Ok(wide)
}

/// The zero points, spread over a shape: 0 where there are none.
fn zeros(call: &Call, shape: &[usize], wide: &[usize]) -> Problem<Vec<i64>> {
    let Some(zero) = call.constant(2)? else { return Ok(vec![0; count(shape)?]) };
    let ints = zero.as_ints().ok_or(NodeProblem::Arithmetic("a zero point that is no integer"))?;
    if ints.len() != wide.iter().product::<usize>() {
        return Err(misfit(&[&zero.shape, wide], "a zero point for each scale"));
    }
    let floats = Constant::floats_of(
        Element::Double,
        wide.to_vec(),
        ints.iter().map(|&i| i as f64).collect(),
    );
    Ok(spread(&floats, shape)?.into_iter().map(|zero| zero as i64).collect())
}

/// (x − zero point) · scale of constant integers x.
pub fn dequantize<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.needed_constant(0)?;
    let refused =
        || NodeProblem::Arithmetic("what is quantised must be a constant of integers here");
    let ints = x.as_ints().ok_or_else(refused)?;
    let scale = call.value(1)?;
    let wide = along(call, &x.shape, scale.shape())?;
    low.spend::<[u64; 4]>(x.len())?;
    let zero = zeros(call, &x.shape, &wide)?;
    let element = scale.element();
    let differences: Vec<f64> = ints.iter().zip(zero).map(|(x, zero)| (x - zero) as f64).collect();
    let differences: Value = Constant::floats_of(element, x.shape.clone(), differences).into();
    low.element = element;
    let scale = super::alias::reshaped(scale, wide)?;
    mul_values(low, &differences, &scale)
}

/// x / scale rounded to an integer, plus the zero point, of a constant: of a tensor that depends on the input it is a staircase.
pub fn quantize<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    if !matches!(call.value(0)?, Value::Constant(_)) {
        return Err(NodeProblem::Arithmetic(
            "rounding to integers jumps; certify the network before it was quantised (its DequantizeLinear weights are read)",
        ));
    }
    let (x, scale) = (call.needed_constant(0)?, call.needed_constant(1)?);
    call.switch("saturate", true)?;
    let wide = along(call, &x.shape, &scale.shape)?;
    let scales = spread(&scale.reshaped(wide.clone()), &x.shape)?;
    let element = call.constant(2)?.map_or(Element::Int(8, false), |zero| zero.element);
    let zero = zeros(call, &x.shape, &wide)?;
    let Element::Int(bits, signed) = element else {
        return Err(NodeProblem::Arithmetic("integers of 8 or 16 bits are needed"));
    };
    let (least, most) =
        if signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
    let values = x.floats()?;
    let one = |((x, scale), zero): ((&f64, &f64), i64)| {
        // The quotient is one of single precision.
        let quotient = Element::Float.round(x / scale).round_ties_even();
        (quotient as i64).saturating_add(zero).clamp(least, most)
    };
    let ints = values.iter().zip(&scales).zip(zero).map(one).collect();
    Ok(Constant { shape: x.shape.clone(), element, data: Data::Ints(ints) }.into())
}
