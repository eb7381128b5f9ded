//! Constant sub-graphs, computed while reading, in the arithmetic of their element type as ONNX defines it: floats rounded
//! to nearest in their own precision, integers exactly, and refused where they would overflow.

use super::call::Call;
use super::constant::{Constant, Data, Element, element_type};
use super::lower::{Lowering, Value};
use super::model::AttributeValue;
use super::shape::{MAX_ELEMENTS, Problem, axis, broadcast, broadcast_indices, count, misfit};
use crate::load::NodeProblem;
use crate::net::FinalOperator;
use std::cmp::Ordering;
use std::rc::Rc;

/// ONNX's number of the type of strings.
const STRING: i64 = 8;

const OVERFLOW: NodeProblem = NodeProblem::Arithmetic("integer overflow in constant arithmetic");

/// An operation on two constants of one element type. A sum, product or quotient of two single-precision floats that is
/// rounded to a double and then to a single is the one rounded at once (Figueroa 1995).
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
    let element = x.element;
    if let (Some(x), Some(y)) = (x.as_ints(), y.as_ints()) {
        let ints = pairs.map(|(i, j)| int(x[i], y[j]).and_then(|value| element.integer(value)));
        let ints = ints.collect::<Option<_>>().ok_or(OVERFLOW)?;
        return Ok(Constant { shape, element, data: Data::Ints(ints) }.into());
    }
    let (x, y) = (x.floats()?, y.floats()?);
    let values = pairs.map(|(i, j)| float(x[i], y[j])).collect();
    Ok(Constant::floats_of(element, shape, values).into())
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

/// A function of floats.
pub fn map<'m>(x: &Constant, f: impl Fn(f64) -> f64) -> Problem<Value<'m>> {
    let values = x.floats()?.iter().map(|&x| f(x)).collect();
    Ok(Constant::floats_of(x.element, x.shape.clone(), values).into())
}

/// x^y of floats.
pub fn pow<'m>(x: &Constant, y: &Constant) -> Problem<Value<'m>> {
    elementwise(x, y, libm::pow, |_, _| None)
}

/// −x.
pub fn neg<'m>(x: &Constant) -> Problem<Value<'m>> {
    let (shape, element) = (x.shape.clone(), x.element);
    if let Some(x) = x.as_ints() {
        let ints = x.iter().map(|x| x.checked_neg().and_then(|value| element.integer(value)));
        let ints = ints.collect::<Option<_>>().ok_or(OVERFLOW)?;
        return Ok(Constant { shape, element, data: Data::Ints(ints) }.into());
    }
    Ok(Constant::floats_of(element, shape, x.floats()?.iter().map(|x| -x).collect()).into())
}

/// The tensor in an attribute.
pub fn constant<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let refused = |found: String| NodeProblem::Attribute {
        name: "value",
        found,
        accepted: "one tensor, or one of value_float, value_floats, value_int and value_ints",
    };
    let [attribute] = call.node.attributes.as_slice() else {
        return Err(refused(format!("one of {} attributes", call.node.attributes.len())));
    };
    let floats = |shape: Vec<usize>, values: &[f32]| {
        let values = values.iter().map(|&f| f.into()).collect();
        Constant::floats_of(Element::Float, shape, values)
    };
    Ok(match (attribute.name, &attribute.value) {
        ("value", AttributeValue::Tensor(tensor)) => {
            Constant::decode(tensor, call.external, low.budget)?
        }
        ("value_float", &AttributeValue::Float(value)) => floats(vec![], &[value]),
        ("value_floats", AttributeValue::Floats(values)) => floats(vec![values.len()], values),
        ("value_int", &AttributeValue::Int(value)) => Constant::int(value),
        ("value_ints", AttributeValue::Ints(values)) => Constant::ints(values.clone()),
        (name, _) => return Err(refused(format!("'{name}'"))),
    }
    .into())
}

/// A tensor of equal elements.
pub fn constant_of_shape<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let dims = call.ints_operand(0)?.unwrap_or_default();
    let shape = dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| NodeProblem::Arithmetic("a negative dimension")))
        .collect::<Problem<Vec<_>>>()?;
    let len = count(&shape)?;
    let value = match call.tensor("value")? {
        None => Constant::floats_of(Element::Float, vec![1], vec![0.0]),
        Some(tensor) => Constant::decode(tensor, call.external, low.budget)?,
    };
    if value.len() != 1 {
        return Err(NodeProblem::Attribute {
            name: "value",
            found: format!("a tensor of {} elements", value.len()),
            accepted: "one element",
        });
    }
    low.spend::<[u64; 2]>(len)?;
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
    Ok(Constant::int(len).into())
}

/// start, start + delta, … below limit. Other programs add up floats one by one: where that makes a difference they are
/// refused.
pub fn range<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let too_large = || NodeProblem::TooLarge { what: "a range", limit: MAX_ELEMENTS };
    let bounds = [call.needed_constant(0)?, call.needed_constant(1)?, call.needed_constant(2)?];
    let element = bounds[0].element;
    if let [Some(&[start]), Some(&[limit]), Some(&[delta])] = bounds.map(Constant::as_ints) {
        let span = limit.checked_sub(start).ok_or(OVERFLOW)?;
        let steps =
            span.checked_div(delta).ok_or(NodeProblem::Arithmetic("a range with step 0"))?;
        let len = (steps + i64::from(span % delta != 0)).max(0);
        let len = if (span < 0) == (delta < 0) { len } else { 0 };
        if len > MAX_ELEMENTS as i64 {
            return Err(too_large());
        }
        low.spend::<u64>(len as usize)?;
        let ints = Constant::ints((0..len).map(|i| start + i * delta).collect());
        return Ok(Constant { element, ..ints }.into());
    }
    let scalar = |index| call.scalar_operand(index).map(Option::unwrap_or_default);
    let (start, limit, delta) = (scalar(0)?, scalar(1)?, scalar(2)?);
    let len = ((limit - start) / delta).ceil();
    if !len.is_finite() || len > MAX_ELEMENTS as f64 {
        return Err(too_large());
    }
    let len = len.max(0.0) as usize;
    low.spend::<u64>(len)?;
    let values: Vec<f64> = (0..len).map(|i| start + i as f64 * delta).collect();
    let added = std::iter::successors(Some(start), |&last| Some(element.round(last + delta)));
    if element.round(limit - start) != limit - start || !added.take(len).eq(values.iter().copied())
    {
        return Err(NodeProblem::Arithmetic("a range of floats that are rounded"));
    }
    Ok(Constant::floats_of(element, vec![len], values).into())
}

/// A conversion between element types: between floats of the input the identity (the network is a function over the
/// reals), on constants what it says, rounded once.
pub fn cast<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    call.switch("saturate", true)?;
    let to = call.needed_int("to")?;
    // Strings are what classes are called: at the end the class stands for its scores.
    if to == STRING
        && let Value::Variable(x) = call.value(0)?
        && x.dropped == Some(FinalOperator::ArgMax)
    {
        return Ok(call.value(0)?.clone());
    }
    let refused = || NodeProblem::Attribute {
        name: "to",
        found: element_type(to),
        accepted: "float or double; on constants also int64, int32 and bool",
    };
    converted(call.value(0)?, Element::from_number(to).ok_or_else(refused)?)
}

/// The same to the type of the second operand.
pub fn cast_like<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    call.switch("saturate", true)?;
    converted(call.value(0)?, call.value(1)?.element())
}

fn converted<'m>(value: &Value<'m>, to: Element) -> Problem<Value<'m>> {
    let refused = || NodeProblem::Attribute {
        name: "to",
        found: to.name().to_owned(),
        accepted: "a type of floats; on constants also integers and bool",
    };
    match value {
        Value::Variable(x) if x.element.is_float() && to.is_float() => Ok(x.cast(to).into()),
        // The result of an ArgMax that is dropped.
        Value::Variable(x) if !x.element.is_float() && to != Element::Bool => Ok(x.cast(to).into()),
        Value::Variable(_) => Err(refused()),
        Value::Condition(x) if to == Element::Bool || to.is_float() => {
            Ok(Value::Condition(Rc::new(x.cast(to))))
        }
        Value::Condition(_) => Err(refused()),
        Value::Constant(constant) if constant.element == to => {
            Ok(Value::Constant(Rc::clone(constant)))
        }
        Value::Constant(constant) => Ok(convert(constant, to)?.into()),
    }
}

fn convert<'m>(constant: &Constant, to: Element) -> Problem<Constant<'m>> {
    let shape = constant.shape.clone();
    let ints = |data| Constant { shape: shape.clone(), element: to, data: Data::Ints(data) };
    let floats = |data| Constant { shape: shape.clone(), element: to, data: Data::Floats(data) };
    let Some(stored) = constant.as_ints() else {
        let values = constant.floats()?;
        let limit = if to == Element::Int32 { 2f64.powi(31) } else { 2f64.powi(63) };
        return Ok(match to {
            to if to.is_float() => Constant::floats_of(to, shape, values.into_owned()),
            Element::Bool => ints(values.iter().map(|&f| i64::from(f != 0.0)).collect()),
            _ if values.iter().any(|f| !(f.trunc() >= -limit && f.trunc() < limit)) => {
                return Err(OVERFLOW);
            }
            _ => {
                let all = values.iter().map(|&f| to.integer(f as i64)).collect::<Option<_>>();
                ints(all.ok_or(OVERFLOW)?)
            }
        });
    };
    Ok(match to {
        // Straight to the type: by way of a double it could be rounded twice.
        Element::Float => floats(stored.iter().map(|&i| f64::from(i as f32)).collect()),
        Element::Double => floats(stored.iter().map(|&i| i as f64).collect()),
        // Integers beyond 2⁵³ are infinite, or rounded to another half anyhow.
        Element::Half | Element::BFloat => {
            floats(stored.iter().map(|&i| to.round(i as f64)).collect())
        }
        Element::Bool => ints(stored.iter().map(|&i| i64::from(i != 0)).collect()),
        _ => {
            let all = stored.iter().map(|&i| to.integer(i)).collect::<Option<_>>();
            ints(all.ok_or(OVERFLOW)?)
        }
    })
}

/// 1 on a diagonal, else 0, in the shape of the operand.
pub fn eye_like<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let &[rows, columns] = value.shape() else {
        return Err(misfit(&[value.shape()], "a matrix"));
    };
    let (k, shape) = (call.int("k", 0)?, vec![rows, columns]);
    let element = match call.has("dtype") {
        true => Element::from_number(call.int("dtype", 0)?),
        false => Some(value.element()),
    };
    let element = element
        .ok_or(NodeProblem::Arithmetic("a matrix of another type than floats and integers"))?;
    low.spend::<i64>(count(&shape)?)?;
    let on = |at: usize| i64::from((at % columns) as i64 - (at / columns) as i64 == k);
    let ones: Vec<i64> = (0..rows * columns).map(on).collect();
    if element.is_float() {
        let ones = ones.into_iter().map(|one| one as f64).collect();
        return Ok(Constant::floats_of(element, shape, ones).into());
    }
    Ok(Constant { shape, element, data: Data::Ints(ones) }.into())
}

/// Along a new axis `values[1]` at each constant index, and elsewhere `values[0]`.
pub fn one_hot<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (indices, depth, values) =
        (call.needed_constant(0)?, call.needed_constant(1)?, call.needed_constant(2)?);
    let whole = |constant: &Constant| -> Problem<Vec<i64>> {
        match constant.as_ints() {
            Some(ints) => Ok(ints.to_vec()),
            None => Ok(constant.floats()?.iter().map(|&f| f as i64).collect()),
        }
    };
    let (all, depth) = (whole(indices)?, whole(depth)?);
    let unfit =
        || misfit(&[&indices.shape, &values.shape], "one depth, not negative, and two values");
    let &[size] = depth.as_slice() else { return Err(unfit()) };
    let depth = usize::try_from(size).map_err(|_| unfit())?;
    if values.len() != 2 {
        return Err(unfit());
    }
    let rank = indices.shape.len();
    let along = axis(call.int("axis", -1)?, rank + 1, "axis")?;
    let mut shape = indices.shape.clone();
    shape.insert(along, depth);
    low.spend::<[u64; 2]>(count(&shape)?)?;
    let inner: usize = indices.shape[along..].iter().product();
    let on = |flat: usize| {
        let (outer, at, rest) = (flat / (depth * inner), flat / inner % depth, flat % inner);
        let index = all[outer * inner + rest];
        // Indices may count from the end; others than those of the axis are none.
        usize::from(index == at as i64 || index.checked_add(size) == Some(at as i64))
    };
    let picks: Vec<usize> = (0..shape.iter().product()).map(on).collect();
    Ok(values.select(shape, &picks)?.into())
}

/// x = y of constants, elementwise.
pub fn equal<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    compare(low, call.needed_constant(0)?, call.needed_constant(1)?, Ordering::is_eq)
}

/// A comparison of constants, elementwise; NaN is neither below nor above anything, nor equal.
pub fn compare<'m>(
    low: &mut Lowering,
    x: &Constant,
    y: &Constant,
    holds: impl Fn(Ordering) -> bool,
) -> Problem<Value<'m>> {
    let shape = low.broadcast(&x.shape, &y.shape)?;
    let pairs =
        broadcast_indices(&x.shape, &shape)?.into_iter().zip(broadcast_indices(&y.shape, &shape)?);
    let held: Vec<i64> = match (x.as_ints(), y.as_ints()) {
        (Some(x), Some(y)) => pairs.map(|(i, j)| i64::from(holds(x[i].cmp(&y[j])))).collect(),
        _ => {
            let (x, y) = (x.floats()?, y.floats()?);
            let held = |(i, j): (usize, usize)| x[i].partial_cmp(&y[j]).is_some_and(&holds);
            pairs.map(|pair| i64::from(held(pair))).collect()
        }
    };
    Ok(Constant { shape, element: Element::Bool, data: Data::Ints(held) }.into())
}

/// True where x is false.
pub fn not<'m>(x: &Constant) -> Problem<Value<'m>> {
    let (shape, element) = (x.shape.clone(), x.element);
    let ints = x.as_ints().unwrap_or_default().iter().map(|x| 1 - x).collect();
    Ok(Constant { shape, element, data: Data::Ints(ints) }.into())
}

/// x where the condition holds, else y, all of them constants.
pub fn where_<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (c, x, y) = (call.needed_constant(0)?, call.needed_constant(1)?, call.needed_constant(2)?);
    let shape = low.broadcast(&c.shape, &low.broadcast(&x.shape, &y.shape)?)?;
    let element = x.element;
    let condition = c.as_ints().unwrap_or_default();
    let choices: Vec<(bool, usize, usize)> = broadcast_indices(&c.shape, &shape)?
        .into_iter()
        .zip(broadcast_indices(&x.shape, &shape)?)
        .zip(broadcast_indices(&y.shape, &shape)?)
        .map(|((c, i), j)| (condition[c] != 0, i, j))
        .collect();
    if let (Some(x), Some(y)) = (x.as_ints(), y.as_ints()) {
        let ints = choices.into_iter().map(|(c, i, j)| if c { x[i] } else { y[j] }).collect();
        return Ok(Constant { shape, element, data: Data::Ints(ints) }.into());
    }
    let (x, y) = (x.floats()?, y.floats()?);
    let values = choices.into_iter().map(|(c, i, j)| if c { x[i] } else { y[j] }).collect();
    Ok(Constant::floats_of(element, shape, values).into())
}
