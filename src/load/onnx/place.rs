//! Operators that put their operands into a larger tensor: Concat and Pad.

use super::call::Call;
use super::choice::JUMPS;
use super::constant::{Constant, Data};
use super::lower::{Lowering, Pending, Value};
use super::shape::{Problem, Walk, axis, count, misfit, strides};
use crate::load::NodeProblem;
use crate::net::{LinearMap, Sparse, Term};

/// Tensors one after another along an axis.
pub fn concat<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let values = (0..call.inputs.len()).map(|i| call.value(i)).collect::<Problem<Vec<_>>>()?;
    let along = axis(call.needed_int("axis")?, call.value(0)?.shape().len(), "axis")?;
    joined(low, &values, along)
}

/// The same, of one tensor at least.
pub fn joined<'m>(low: &mut Lowering, values: &[&Value<'m>], along: usize) -> Problem<Value<'m>> {
    let first = values[0].shape().to_vec();
    let mut shape = first.clone();
    shape[along] = 0;
    for part in values {
        let part = part.shape();
        let agrees = part.len() == first.len()
            && (0..first.len()).all(|a| a == along || part[a] == first[a]);
        if !agrees {
            return Err(misfit(&[&first, part], "shapes that differ only along the axis"));
        }
        shape[along] = shape[along].saturating_add(part[along]);
    }
    let len = count(&shape)?;
    low.spend::<[u64; 3]>(len)?;
    let steps = strides(&shape);
    let mut start = 0;
    let mut targets = Vec::with_capacity(values.len());
    for part in values {
        let part = part.shape();
        targets.push(Walk::new(part, &steps, start * steps[along]).collect::<Vec<usize>>());
        start += part[along] as isize;
    }
    if let Some(value) = concat_ints(values, &targets, &shape, len) {
        return Ok(value);
    }
    let (mut terms, mut bias, mut constants) = (Vec::new(), vec![0.0; len], 0);
    for (value, targets) in values.iter().zip(&targets) {
        match value {
            Value::Condition(_) => return Err(JUMPS),
            Value::Variable(_) if targets.is_empty() => {}
            Value::Variable(x) => {
                let map = LinearMap::Sparse(Sparse::scatter(low.len(x), len, targets));
                terms.push(Term { source: low.node(x)?, map });
            }
            Value::Constant(constant) => {
                constants += 1;
                let values = constant.floats()?;
                targets.iter().zip(values.iter()).for_each(|(&t, &v)| bias[t] = v);
            }
        }
    }
    if constants == values.len() {
        return Ok(Constant::floats_of(low.element, shape, bias).into());
    }
    let bias = (constants > 0).then_some(bias);
    let joined = low.pending(Pending { terms, bias, roundings: 0 }, shape);
    low.note_joined(&joined, values, &targets)?;
    Ok(joined.into())
}

fn concat_ints<'m>(
    values: &[&Value],
    targets: &[Vec<usize>],
    shape: &[usize],
    len: usize,
) -> Option<Value<'m>> {
    let mut joined = vec![0; len];
    for (value, targets) in values.iter().zip(targets) {
        let Value::Constant(constant) = value else { return None };
        targets.iter().zip(constant.as_ints()?).for_each(|(&t, &v)| joined[t] = v);
    }
    let element = values.first()?.element();
    Some(Constant { shape: shape.to_vec(), element, data: Data::Ints(joined) }.into())
}

/// The elements with these indices, and `fill` where there is none.
pub fn picked<'m>(
    low: &mut Lowering,
    value: &Value<'m>,
    shape: Vec<usize>,
    sources: Vec<Option<usize>>,
    fill: f64,
) -> Problem<Value<'m>> {
    match value {
        Value::Condition(_) => Err(JUMPS),
        Value::Constant(constant) => {
            let element = constant.element;
            if let Some(ints) = constant.as_ints() {
                let picked = sources.iter().map(|s| s.map_or(fill as i64, |s| ints[s]));
                return Ok(Constant { shape, element, data: Data::Ints(picked.collect()) }.into());
            }
            let floats = constant.floats()?;
            let picked = sources.iter().map(|s| s.map_or(fill, |s| floats[s])).collect();
            Ok(Constant::floats_of(element, shape, picked).into())
        }
        Value::Variable(x) => {
            let bias = (fill != 0.0).then(|| {
                sources.iter().map(|source| if source.is_none() { fill } else { 0.0 }).collect()
            });
            let rows = sources.into_iter().map(|source| source.map(|index| (index, 1.0)));
            let map = LinearMap::Sparse(Sparse::from_rows(low.len(x), rows));
            Ok(low.affine(x, map, bias, 0, shape)?.into())
        }
    }
}

/// A constant around the tensor, or its own elements: the outermost ones, mirrored, or from the other side. Negative pads cut it.
pub fn pad<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let mode = call.text("mode", "constant")?;
    if !["constant", "edge", "reflect", "wrap"].contains(&&*mode) {
        let found = mode.into_owned();
        let accepted = "constant, edge, reflect or wrap";
        return Err(NodeProblem::Attribute { name: "mode", found, accepted });
    }
    let value = call.value(0)?;
    let old = value.shape().to_vec();
    let (pads, fill) = if call.opset < 11 {
        (call.ints("pads")?, call.float("value", 0.0)?)
    } else {
        let fill = match call.constant(2)?.map(Constant::as_ints) {
            Some(Some(ints)) => ints.first().map(|&fill| fill as f64),
            _ => call.scalar_operand(2)?,
        };
        (call.ints_operand(1)?, fill.unwrap_or(0.0))
    };
    let pads = pads.unwrap_or_default();
    let axes: Vec<usize> = match call.ints_operand(3)? {
        None => (0..old.len()).collect(),
        Some(axes) => axes.iter().map(|&a| axis(a, old.len(), "axes")).collect::<Problem<_>>()?,
    };
    let unfit = || NodeProblem::Attribute {
        name: "pads",
        found: format!("{pads:?} for {old:?}"),
        accepted: "two sizes for each padded axis, not beyond the tensor",
    };
    let repeated = (1..axes.len()).any(|i| axes[..i].contains(&axes[i]));
    if pads.len() != 2 * axes.len() || repeated {
        return Err(unfit());
    }
    let mut before = vec![0i64; old.len()];
    let mut shape = old.clone();
    for (i, &along) in axes.iter().enumerate() {
        let (front, back, own) = (pads[i], pads[i + axes.len()], old[along] as i64);
        let size = own.checked_add(front).and_then(|s| s.checked_add(back));
        shape[along] = size.and_then(|s| usize::try_from(s).ok()).ok_or_else(unfit)?;
        before[along] = front;
        // Beyond one copy of the tensor, or of its cut part, programs differ.
        let most = match &*mode {
            "reflect" => own - 1,
            "wrap" => own,
            _ => i64::MAX,
        };
        let cut = front < 0 || back < 0;
        if mode != "constant" && (cut || front > most || back > most || own == 0) {
            return Err(unfit());
        }
    }
    let len = count(&shape)?;
    low.spend::<[u64; 4]>(len)?;
    let (inner, outer) = (strides(&old), strides(&shape));
    let source = |flat: usize| {
        let mut index = 0;
        for a in 0..shape.len() {
            let size = old[a] as i64;
            let at = (flat / outer[a].cast_unsigned() % shape[a]) as i64 - before[a];
            let at = match &*mode {
                "edge" => at.clamp(0, size - 1),
                "reflect" if at < 0 => -at,
                "reflect" if at >= size => 2 * (size - 1) - at,
                "wrap" => at.rem_euclid(size),
                _ => at,
            };
            let at = usize::try_from(at).ok().filter(|&at| at < old[a])?;
            index += at * inner[a].cast_unsigned();
        }
        Some(index)
    };
    let sources: Vec<Option<usize>> = (0..len).map(source).collect();
    picked(low, value, shape, sources, fill)
}
