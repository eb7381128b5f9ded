//! Constant sub-graphs, computed while reading: integers exactly, floats in f64 rounded to nearest, which is what the
//! proof format defines them to mean.

use super::call::Call;
use super::constant::{Constant, Data};
use super::lower::{Lowering, Value, floats};
use super::shape::{MAX_ELEMENTS, Problem, broadcast, broadcast_indices, count};
use crate::load::NodeProblem;
use std::rc::Rc;

const OVERFLOW: NodeProblem = NodeProblem::Arithmetic("integer overflow in constant arithmetic");

fn elementwise<'m>(
    x: &Constant,
    y: &Constant,
    float: impl Fn(f64, f64) -> f64,
    int: impl Fn(i64, i64) -> Option<i64>,
) -> Problem<Value<'m>> {
    let shape = broadcast(&x.shape, &y.shape)?;
    let left = broadcast_indices(&x.shape, &shape)?;
    let right = broadcast_indices(&y.shape, &shape)?;
    let pairs = left.into_iter().zip(right);
    if let (Some(x), Some(y)) = (x.as_ints(), y.as_ints()) {
        let ints = pairs.map(|(i, j)| int(x[i], y[j])).collect::<Option<_>>().ok_or(OVERFLOW)?;
        return Ok(Constant { shape, data: Data::Ints(ints) }.into());
    }
    let (x, y) = (x.floats()?, y.floats()?);
    Ok(floats(shape, pairs.map(|(i, j)| float(x[i], y[j])).collect()))
}

/// x + y.
pub fn add<'m>(x: &Constant, y: &Constant) -> Problem<Value<'m>> {
    elementwise(x, y, |a, b| a + b, i64::checked_add)
}

/// x − y.
pub fn sub<'m>(x: &Constant, y: &Constant) -> Problem<Value<'m>> {
    elementwise(x, y, |a, b| a - b, i64::checked_sub)
}

/// x · y.
pub fn mul<'m>(x: &Constant, y: &Constant) -> Problem<Value<'m>> {
    elementwise(x, y, |a, b| a * b, i64::checked_mul)
}

/// x / y; of integers, rounded towards zero.
pub fn div<'m>(x: &Constant, y: &Constant) -> Problem<Value<'m>> {
    elementwise(x, y, |a, b| a / b, i64::checked_div)
}

/// max(x, y), NaN if either is.
pub fn max<'m>(x: &Constant, y: &Constant) -> Problem<Value<'m>> {
    elementwise(
        x,
        y,
        |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) },
        |a, b| Some(a.max(b)),
    )
}

/// min(x, y), NaN if either is.
pub fn min<'m>(x: &Constant, y: &Constant) -> Problem<Value<'m>> {
    elementwise(
        x,
        y,
        |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) },
        |a, b| Some(a.min(b)),
    )
}

/// −x.
pub fn neg<'m>(x: &Constant) -> Problem<Value<'m>> {
    let shape = x.shape.clone();
    if let Some(x) = x.as_ints() {
        let ints = x.iter().map(|x| x.checked_neg()).collect::<Option<_>>().ok_or(OVERFLOW)?;
        return Ok(Constant { shape, data: Data::Ints(ints) }.into());
    }
    Ok(floats(shape, x.floats()?.iter().map(|x| -x).collect()))
}

/// The tensor in an attribute.
pub fn constant<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let [attribute] = call.node.attributes.as_slice() else {
        return Err(NodeProblem::Attribute {
            name: "value",
            found: format!("one of {} attributes", call.node.attributes.len()),
            accepted: "exactly one",
        });
    };
    let float = |values: &[f32]| values.iter().map(|&f| f64::from(f)).collect::<Vec<_>>();
    let known = match (attribute.name, &attribute.tensor) {
        ("value", Some(tensor)) => Some(Constant::decode(tensor, call.external)?),
        ("value_float", _) => {
            attribute.float.map(|f| Constant { shape: vec![], data: Data::Floats(vec![f.into()]) })
        }
        ("value_floats", _) => {
            let values = float(&attribute.floats);
            Some(Constant { shape: vec![values.len()], data: Data::Floats(values) })
        }
        ("value_int", _) => {
            attribute.int.map(|i| Constant { shape: vec![], data: Data::Ints(vec![i]) })
        }
        ("value_ints", _) => Some(Constant::ints(attribute.ints.clone())),
        _ => None,
    };
    known.map(Value::from).ok_or_else(|| NodeProblem::Attribute {
        name: "value",
        found: format!("'{}'", attribute.name),
        accepted: "value, value_float, value_floats, value_int or value_ints",
    })
}

/// A tensor of equal elements.
pub fn constant_of_shape<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let dims = call.ints_operand(0)?.unwrap_or_default();
    let shape = dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| NodeProblem::Arithmetic("a negative dimension")))
        .collect::<Problem<Vec<_>>>()?;
    let len = count(&shape)?;
    let value = match call.attribute("value").and_then(|a| a.tensor.as_ref()) {
        None => Constant { shape: vec![1], data: Data::Floats(vec![0.0]) },
        Some(tensor) => Constant::decode(tensor, call.external)?,
    };
    if value.len() != 1 {
        return Err(NodeProblem::Attribute {
            name: "value",
            found: format!("a tensor of {} elements", value.len()),
            accepted: "one element",
        });
    }
    Ok(value.select(shape, &vec![0; len])?.into())
}

/// The dimensions of a tensor.
pub fn shape<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let dims: Vec<i64> = call.value(0)?.shape().iter().map(|&d| d as i64).collect();
    let rank = dims.len() as i64;
    let clamp = |at: i64| if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank);
    let start = clamp(call.int("start", 0)?);
    let end = clamp(call.int("end", rank)?).max(start);
    Ok(Constant::ints(dims[start as usize..end as usize].to_vec()).into())
}

/// The number of elements of a tensor.
pub fn size<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let len = call.value(0)?.shape().iter().product::<usize>() as i64;
    Ok(Constant { shape: vec![], data: Data::Ints(vec![len]) }.into())
}

/// start, start + delta, … below limit.
pub fn range<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let too_large = || NodeProblem::TooLarge { what: "a range", limit: MAX_ELEMENTS };
    let bounds = [call.needed_constant(0)?, call.needed_constant(1)?, call.needed_constant(2)?];
    if let [Some(&[start]), Some(&[limit]), Some(&[delta])] = bounds.map(Constant::as_ints) {
        let span = limit.checked_sub(start).ok_or(OVERFLOW)?;
        let steps =
            span.checked_div(delta).ok_or(NodeProblem::Arithmetic("a range with step 0"))?;
        let len = (steps + i64::from(span % delta != 0)).max(0);
        let len = if (span < 0) == (delta < 0) { len } else { 0 };
        if len > MAX_ELEMENTS as i64 {
            return Err(too_large());
        }
        return Ok(Constant::ints((0..len).map(|i| start + i * delta).collect()).into());
    }
    let (start, limit, delta) = (
        call.scalar_operand(0)?.unwrap_or_default(),
        call.scalar_operand(1)?.unwrap_or_default(),
        call.scalar_operand(2)?.unwrap_or_default(),
    );
    let len = ((limit - start) / delta).ceil();
    if !len.is_finite() || len > MAX_ELEMENTS as f64 {
        return Err(too_large());
    }
    let len = len.max(0.0) as usize;
    Ok(floats(vec![len], (0..len).map(|i| start + i as f64 * delta).collect()))
}

/// A conversion between element types: between floats of the input the identity (the network is a function over the
/// reals), on constants what it says.
pub fn cast<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let to = call.int("to", 0)?;
    let refused = |found: String| NodeProblem::Attribute {
        name: "to",
        found,
        accepted: "float or double; on constants also int64, int32 and bool",
    };
    let constant = match call.value(0)? {
        Value::Variable(x) if matches!(to, 1 | 11) => return Ok(x.clone().into()),
        Value::Variable(_) => return Err(refused(super::constant::element_type(to))),
        Value::Constant(constant) => constant,
    };
    let shape = constant.shape.clone();
    let data = match (to, constant.as_ints()) {
        (1 | 11, Some(ints)) => Data::Floats(ints.iter().map(|&i| i as f64).collect()),
        (1, None) => {
            Data::Floats(constant.floats()?.iter().map(|&f| f64::from(f as f32)).collect())
        }
        (11, None) => return Ok(Value::Constant(Rc::clone(constant))),
        (7, Some(_)) => return Ok(Value::Constant(Rc::clone(constant))),
        (6, Some(ints)) => {
            let all = ints.iter().map(|&i| i32::try_from(i).map(i64::from));
            Data::Ints(all.collect::<Result<_, _>>().map_err(|_| OVERFLOW)?)
        }
        (9, Some(ints)) => Data::Ints(ints.iter().map(|&i| i64::from(i != 0)).collect()),
        (6 | 7, None) => {
            let limit = if to == 6 { 2f64.powi(31) } else { 2f64.powi(63) };
            let floats = constant.floats()?;
            if floats.iter().any(|f| !(f.trunc() >= -limit && f.trunc() < limit)) {
                return Err(OVERFLOW);
            }
            Data::Ints(floats.iter().map(|&f| f as i64).collect())
        }
        (9, None) => Data::Ints(constant.floats()?.iter().map(|&f| i64::from(f != 0.0)).collect()),
        (other, _) => return Err(refused(super::constant::element_type(other))),
    };
    Ok(Constant { shape, data }.into())
}

/// x = y of constants, elementwise.
pub fn equal<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (x, y) = (call.needed_constant(0)?, call.needed_constant(1)?);
    let shape = broadcast(&x.shape, &y.shape)?;
    let pairs =
        broadcast_indices(&x.shape, &shape)?.into_iter().zip(broadcast_indices(&y.shape, &shape)?);
    let equal: Vec<i64> = match (x.as_ints(), y.as_ints()) {
        (Some(x), Some(y)) => pairs.map(|(i, j)| i64::from(x[i] == y[j])).collect(),
        _ => {
            let (x, y) = (x.floats()?, y.floats()?);
            pairs.map(|(i, j)| i64::from(x[i] == y[j])).collect()
        }
    };
    Ok(Constant { shape, data: Data::Ints(equal) }.into())
}

/// x where the condition holds, else y, all of them constants.
pub fn where_<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (c, x, y) = (call.needed_constant(0)?, call.needed_constant(1)?, call.needed_constant(2)?);
    let shape = broadcast(&c.shape, &broadcast(&x.shape, &y.shape)?)?;
    let Some(condition) = c.as_ints() else {
        return Err(NodeProblem::Operand {
            index: 0,
            found: "a tensor of floats".to_owned(),
            accepted: "a constant of booleans",
        });
    };
    let choices: Vec<(bool, usize, usize)> = broadcast_indices(&c.shape, &shape)?
        .into_iter()
        .zip(broadcast_indices(&x.shape, &shape)?)
        .zip(broadcast_indices(&y.shape, &shape)?)
        .map(|((c, i), j)| (condition[c] != 0, i, j))
        .collect();
    if let (Some(x), Some(y)) = (x.as_ints(), y.as_ints()) {
        let ints = choices.into_iter().map(|(c, i, j)| if c { x[i] } else { y[j] }).collect();
        return Ok(Constant { shape, data: Data::Ints(ints) }.into());
    }
    let (x, y) = (x.floats()?, y.floats()?);
    Ok(floats(shape, choices.into_iter().map(|(c, i, j)| if c { x[i] } else { y[j] }).collect()))
}
