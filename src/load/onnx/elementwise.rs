//! Sums, products and quotients, with broadcasting.

use super::call::Call;
use super::choice::{JUMPS, masked};
use super::constant::Constant;
use super::fold;
use super::lower::{Lowering, Pending, Value, Variable};
use super::shape::{Problem, broadcast_indices};
use crate::load::NodeProblem;
use crate::net::{Function, LinearMap, Sparse, Term};

/// x + y.
pub fn add<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    add_values(low, call.value(0)?, call.value(1)?)
}

/// x₁ + x₂ + …
pub fn sum<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let mut total = call.value(0)?.clone();
    for index in 1..call.inputs.len() {
        let next = add_values(low, &total, call.value(index)?)?;
        // The partial sum is read once, by the next addition.
        if let (Value::Variable(sum), true) = (&next, index + 1 < call.inputs.len()) {
            low.add_uses(sum, 1);
        }
        total = next;
    }
    Ok(total)
}

/// (x₁ + x₂ + …) / n.
pub fn mean<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let total = sum(low, call)?;
    let number = call.inputs.len() as f64;
    let (factor, exact) = (inverse(number)?, number.log2().fract() == 0.0);
    match &total {
        Value::Constant(x) => fold::div(x, &Constant::floats_of(x.element, vec![], vec![number])),
        Value::Condition(_) => Err(JUMPS),
        Value::Variable(x) => {
            if call.inputs.len() > 1 {
                low.add_uses(x, 1);
            }
            let (shape, factors) = (x.shape.clone(), vec![factor; low.len(x)]);
            Ok(scale(low, x, &factors, usize::from(!exact), shape)?.into())
        }
    }
}

fn add_values<'m>(low: &mut Lowering, x: &Value<'m>, y: &Value<'m>) -> Problem<Value<'m>> {
    let shape = low.broadcast(x.shape(), y.shape())?;
    match (x, y) {
        (Value::Constant(x), Value::Constant(y)) => fold::add(x, y),
        (Value::Variable(x), Value::Constant(c)) | (Value::Constant(c), Value::Variable(x)) => {
            let bias = spread(c, &shape)?;
            let x = expand(low, x, &shape)?;
            Ok(shifted(low, &x, bias)?.into())
        }
        (Value::Variable(x), Value::Variable(y)) => {
            let (x, y) = (expand(low, x, &shape)?, expand(low, y, &shape)?);
            let sum = low.add(&x, &y, shape)?;
            low.note_sum(&x, &y, 1.0, &sum);
            Ok(sum.into())
        }
        (Value::Condition(_), _) | (_, Value::Condition(_)) => Err(JUMPS),
    }
}

/// x − y.
pub fn sub<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (x, y) = (call.value(0)?, call.value(1)?);
    let shape = low.broadcast(x.shape(), y.shape())?;
    match (x, y) {
        (Value::Constant(x), Value::Constant(y)) => fold::sub(x, y),
        (Value::Variable(x), Value::Constant(c)) => {
            let bias = spread(c, &shape)?.iter().map(|c| -c).collect();
            let x = expand(low, x, &shape)?;
            Ok(shifted(low, &x, bias)?.into())
        }
        (Value::Constant(c), Value::Variable(x)) => {
            let bias = Some(spread(c, &shape)?);
            let x = expand(low, x, &shape)?;
            Ok(low.combine(&[(&x, -1.0)], bias, shape)?.into())
        }
        (Value::Variable(x), Value::Variable(y)) => {
            let (x, y) = (expand(low, x, &shape)?, expand(low, y, &shape)?);
            let difference = low.subtract(&x, &y, shape)?;
            low.note_sum(&x, &y, -1.0, &difference);
            Ok(difference.into())
        }
        (Value::Condition(_), _) | (_, Value::Condition(_)) => Err(JUMPS),
    }
}

/// −x.
pub fn neg<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    match call.value(0)? {
        Value::Constant(x) => fold::neg(x),
        Value::Variable(x) => {
            let minus = low.combine(&[(x, -1.0)], None, x.shape.clone())?;
            low.note_scaled(x, &minus, -1.0, 0);
            Ok(minus.into())
        }
        Value::Condition(_) => Err(JUMPS),
    }
}

/// x · y.
pub fn mul<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    mul_values(low, call.value(0)?, call.value(1)?)
}

/// The same of any two tensors.
pub fn mul_values<'m>(low: &mut Lowering, x: &Value<'m>, y: &Value<'m>) -> Problem<Value<'m>> {
    let shape = low.broadcast(x.shape(), y.shape())?;
    match (x, y) {
        (Value::Constant(x), Value::Constant(y)) => fold::mul(x, y),
        (Value::Variable(x), Value::Constant(c)) | (Value::Constant(c), Value::Variable(x)) => {
            let factors = spread(c, &shape)?;
            Ok(scale(low, x, &factors, 0, shape)?.into())
        }
        (Value::Variable(x), Value::Variable(y)) => Ok(product(low, x, y, &shape)?.into()),
        (Value::Condition(condition), x) | (x, Value::Condition(condition)) => {
            masked(low, condition, x)
        }
    }
}

/// x / y. A constant divisor c becomes the factor fl(1/c).
pub fn div<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (x, y) = (call.value(0)?, call.value(1)?);
    let shape = low.broadcast(x.shape(), y.shape())?;
    match (x, y) {
        (Value::Constant(x), Value::Constant(y)) => fold::div(x, y),
        (Value::Variable(x), Value::Constant(c)) => {
            let divisors = spread(c, &shape)?;
            let factors = divisors.iter().map(|&c| inverse(c)).collect::<Problem<Vec<f64>>>()?;
            let exact = factors.iter().zip(&divisors).all(|(f, c)| f.mul_add(*c, -1.0) == 0.0);
            Ok(scale(low, x, &factors, usize::from(!exact), shape)?.into())
        }
        (Value::Constant(c), Value::Variable(y)) => {
            let factors = spread(c, &shape)?;
            let y = low.elementwise(Function::Reciprocal, &[y])?;
            Ok(scale(low, &y, &factors, 0, shape)?.into())
        }
        (Value::Variable(x), Value::Variable(y)) => Ok(quotient(low, x, y, &shape)?.into()),
        (Value::Condition(_), _) | (_, Value::Condition(_)) => Err(JUMPS),
    }
}

/// fl(1/c), with a relative error of at most one rounding.
pub fn inverse(c: f64) -> Problem<f64> {
    if c == 0.0 {
        return Err(NodeProblem::Arithmetic("division by zero"));
    }
    normal(1.0 / c)
}

/// The value, unless it is so small that its rounding error is no longer relative to it.
pub fn normal(value: f64) -> Problem<f64> {
    if value == 0.0 || value.is_subnormal() {
        return Err(NodeProblem::Arithmetic("a computed weight below 2^-1022"));
    }
    Ok(value)
}

/// x · y of two tensors that depend on the input.
pub fn product(
    low: &mut Lowering,
    x: &Variable,
    y: &Variable,
    shape: &[usize],
) -> Problem<Variable> {
    let (x, y) = (expand(low, x, shape)?, expand(low, y, shape)?);
    match low.gate(&x, &y)? {
        Some(product) => Ok(product),
        None => low.elementwise(Function::Product, &[&x, &y]),
    }
}

/// x / y of two tensors that depend on the input.
pub fn quotient(
    low: &mut Lowering,
    x: &Variable,
    y: &Variable,
    shape: &[usize],
) -> Problem<Variable> {
    let y = low.elementwise(Function::Reciprocal, &[y])?;
    product(low, x, &y, shape)
}

/// 1 / (1 + e^−x).
pub fn sigmoid(low: &mut Lowering, x: &Variable) -> Problem<Variable> {
    low.function(Function::Sigmoid, x)
}

/// tanh x.
pub fn tanh(low: &mut Lowering, x: &Variable) -> Problem<Variable> {
    low.function(Function::Tanh, x)
}

/// x + b.
fn shifted(low: &mut Lowering, x: &Variable, bias: Vec<f64>) -> Problem<Variable> {
    let single = bias.first().copied().filter(|b| bias.iter().all(|other| other == b));
    let sum = low.add_bias(x, bias)?;
    if let Some(b) = single {
        low.note_shifted(x, &sum, b);
    }
    Ok(sum)
}

/// The constant's elements, broadcast to a shape.
pub fn spread(constant: &Constant, shape: &[usize]) -> Problem<Vec<f64>> {
    let values = constant.floats()?;
    if constant.shape == shape {
        return Ok(values.into_owned());
    }
    Ok(broadcast_indices(&constant.shape, shape)?.into_iter().map(|i| values[i]).collect())
}

/// The tensor, broadcast to a shape.
pub fn expand(low: &mut Lowering, x: &Variable, shape: &[usize]) -> Problem<Variable> {
    if shape.iter().product::<usize>() == low.len(x) {
        return Ok(x.reshaped(shape.to_vec()));
    }
    let indices = broadcast_indices(&x.shape, shape)?;
    let map = LinearMap::Sparse(Sparse::gather(low.len(x), indices));
    low.linear(x, map, shape.to_vec())
}

/// factors · x, x broadcast to the shape of the factors.
pub fn scale(
    low: &mut Lowering,
    x: &Variable,
    factors: &[f64],
    roundings: usize,
    shape: Vec<usize>,
) -> Problem<Variable> {
    let len = low.len(x);
    let product = scaled(low, x, factors, roundings, shape)?;
    if len == factors.len() && factors.iter().all(|f| *f == factors[0]) {
        low.note_scaled(x, &product, factors[0], roundings);
    }
    Ok(product)
}

fn scaled(
    low: &mut Lowering,
    x: &Variable,
    factors: &[f64],
    roundings: usize,
    shape: Vec<usize>,
) -> Problem<Variable> {
    let len = low.len(x);
    let map = if len == factors.len() {
        if factors.iter().all(|&f| f == 1.0) {
            return Ok(x.reshaped(shape));
        }
        if roundings == 0
            && let Some(product) = low.hinged_product(x, factors, &shape)?
        {
            return Ok(product);
        }
        Sparse::diagonal(factors)
    } else {
        let indices = broadcast_indices(&x.shape, &shape)?;
        Sparse::from_rows(len, indices.into_iter().zip(factors).map(|(i, &f)| [(i, f)]))
    };
    let term = Term { source: low.node(x)?, map: LinearMap::Sparse(map) };
    Ok(low.pending(Pending { terms: vec![term], bias: None, roundings }, shape))
}
