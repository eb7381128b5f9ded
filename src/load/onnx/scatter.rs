//! Tensors put together element by element: ScatterElements, ScatterND, and Where by constants.

use super::call::Call;
use super::choice::JUMPS;
use super::constant::{Constant, Data};
use super::lower::{Lowering, Pending, Value};
use super::rearrange::{flat, places, positions, within};
use super::shape::{Problem, broadcast_indices, count, misfit};
use crate::load::NodeProblem;
use crate::net::{LinearMap, Sparse, Term};

/// The tensor whose element t is the sum of the elements s of the values for which a pair (s, t) is in their lists.
fn assembled<'m>(
    low: &mut Lowering,
    values: [&Value<'m>; 2],
    pairs: [Vec<(usize, usize)>; 2],
    shape: Vec<usize>,
) -> Problem<Value<'m>> {
    let len = count(&shape)?;
    low.spend::<[u64; 8]>(len)?;
    let element = values[0].element();
    let ints = values.map(|value| match value {
        Value::Constant(constant) => constant.as_ints(),
        _ => None,
    });
    if let [Some(x), Some(y)] = ints {
        let mut data = vec![0; len];
        for (from, pairs) in [x, y].into_iter().zip(&pairs) {
            pairs.iter().for_each(|&(s, t)| data[t] = from[s]);
        }
        return Ok(Constant { shape, element, data: Data::Ints(data) }.into());
    }
    let (mut terms, mut bias, mut constant) = (Vec::new(), vec![0.0; len], true);
    for (value, pairs) in values.into_iter().zip(pairs) {
        match value {
            Value::Condition(_) => return Err(JUMPS),
            Value::Constant(c) => {
                let values = c.floats()?;
                pairs.iter().for_each(|&(s, t)| bias[t] = values[s]);
            }
            Value::Variable(x) => {
                constant = false;
                let mut rows = vec![Vec::new(); len];
                pairs.iter().for_each(|&(s, t)| rows[t].push((s, 1.0)));
                let map = LinearMap::Sparse(Sparse::from_rows(low.len(x), rows));
                terms.push(Term { source: low.node(x)?, map });
            }
        }
    }
    if constant {
        return Ok(Constant::floats_of(element, shape, bias).into());
    }
    let bias = bias.iter().any(|&b| b != 0.0).then_some(bias);
    low.element = element;
    Ok(low.pending(Pending { terms, bias, roundings: 0 }, shape).into())
}

/// The first tensor with elements of another one at these places, or with them added.
fn scattered<'m>(low: &mut Lowering, call: &Call<'_, 'm>, targets: &[usize]) -> Problem<Value<'m>> {
    let (data, updates) = (call.value(0)?, call.value(2)?);
    let shape = data.shape().to_vec();
    let len = count(&shape)?;
    low.spend::<[u64; 4]>(len + targets.len())?;
    let refused = |found: String| NodeProblem::Attribute {
        name: "reduction",
        found,
        accepted: "none with places that differ, and add of one tensor and a constant or variables of floats",
    };
    let added: Vec<(usize, usize)> = targets.iter().copied().enumerate().collect();
    match &*call.text("reduction", "none")? {
        "none" => {
            let mut kept = vec![true; len];
            if !targets.iter().all(|&t| std::mem::replace(&mut kept[t], false)) {
                return Err(refused("none, with a place twice".to_owned()));
            }
            let kept = (0..len).filter(|&t| kept[t]).map(|t| (t, t)).collect();
            assembled(low, [data, updates], [kept, added], shape)
        }
        "add" if data.element().is_float() => {
            // Constants are added as one affine map adds its bias: once.
            if matches!(data, Value::Constant(_)) && matches!(updates, Value::Constant(_)) {
                return Err(refused("add, of constants".to_owned()));
            }
            let all = || (0..len).map(|t| (t, t)).collect();
            let mut once = vec![false; len];
            if matches!(updates, Value::Constant(_))
                && targets.iter().any(|&t| std::mem::replace(&mut once[t], true))
            {
                return Err(refused("add, with a place twice".to_owned()));
            }
            assembled(low, [data, updates], [all(), added], shape)
        }
        other => Err(refused(other.to_owned())),
    }
}

/// Elements at their own positions, but for one axis.
pub fn scatter_elements<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let shape = call.value(0)?.shape().to_vec();
    let along = call.axis(0, shape.len())?;
    let own = call.needed_constant(1)?.shape.clone();
    let indices = call.ints_operand(1)?.unwrap_or_default();
    let fits = own.len() == shape.len()
        && call.value(2)?.shape() == own
        && (0..shape.len()).all(|a| a == along || own[a] <= shape[a]);
    if !fits {
        return Err(misfit(&[&shape, &own], "an index for each update, none beyond the tensor"));
    }
    low.spend::<[u64; 4]>(count(&own)?)?;
    let target = |(i, mut p): (usize, Vec<usize>)| {
        p[along] = within(indices[i], shape[along])?;
        Ok(flat(&p, &shape))
    };
    let targets = positions(&own).enumerate().map(target).collect::<Problem<Vec<_>>>()?;
    scattered(low, call, &targets)
}

/// Parts at the places that lists of indices name.
pub fn scatter_nd<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let shape = call.value(0)?.shape().to_vec();
    let list = call.needed_constant(1)?.shape.clone();
    let indices = call.ints_operand(1)?.unwrap_or_default();
    let (starts, part) = places(indices, &list, &shape, 0)?;
    let wanted = [&list[..list.len() - 1], &part].concat();
    if call.value(2)?.shape() != wanted {
        return Err(misfit(&[call.value(2)?.shape(), &wanted], "an update for each place"));
    }
    let inner: usize = part.iter().product();
    let targets: Vec<usize> = starts.into_iter().flat_map(|start| start..start + inner).collect();
    scattered(low, call, &targets)
}

/// x where a constant holds, else y, not both of them constants.
pub fn masked<'m>(
    low: &mut Lowering,
    condition: &Constant,
    x: &Value<'m>,
    y: &Value<'m>,
) -> Problem<Value<'m>> {
    let branches = low.broadcast(x.shape(), y.shape())?;
    let shape = low.broadcast(&condition.shape, &branches)?;
    let holds = condition.as_ints().unwrap_or_default();
    let which: Vec<bool> =
        broadcast_indices(&condition.shape, &shape)?.iter().map(|&i| holds[i] != 0).collect();
    let side = |value: &Value, taken: bool| -> Problem<Vec<(usize, usize)>> {
        let from = broadcast_indices(value.shape(), &shape)?;
        let pairs = from.into_iter().enumerate().filter(|(t, _)| which[*t] == taken);
        Ok(pairs.map(|(t, s)| (s, t)).collect())
    };
    let pairs = [side(x, true)?, side(y, false)?];
    assembled(low, [x, y], pairs, shape)
}
