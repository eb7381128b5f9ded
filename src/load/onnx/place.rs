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

/// A constant around the tensor; negative pads cut it.
pub fn pad<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let mode = call.text("mode", "constant")?;
    if mode != "constant" {
        let found = mode.into_owned();
        return Err(NodeProblem::Attribute { name: "mode", found, accepted: "constant" });
    }
    let x = call.variable(low, 0)?;
    let (pads, fill) = if call.opset < 11 {
        (call.ints("pads")?, call.float("value", 0.0)?)
    } else {
        (call.ints_operand(1)?, call.scalar_operand(2)?.unwrap_or(0.0))
    };
    let pads = pads.unwrap_or_default();
    let axes: Vec<usize> = match call.ints_operand(3)? {
        None => (0..x.shape.len()).collect(),
        Some(axes) => {
            axes.iter().map(|&a| axis(a, x.shape.len(), "axes")).collect::<Problem<_>>()?
        }
    };
    let unfit = || NodeProblem::Attribute {
        name: "pads",
        found: format!("{pads:?} for {:?}", x.shape),
        accepted: "two sizes for each padded axis, not beyond the tensor",
    };
    let repeated = (1..axes.len()).any(|i| axes[..i].contains(&axes[i]));
    if pads.len() != 2 * axes.len() || repeated {
        return Err(unfit());
    }
    let mut before = vec![0i64; x.shape.len()];
    let mut shape = x.shape.clone();
    for (i, &along) in axes.iter().enumerate() {
        let (front, back) = (pads[i], pads[i + axes.len()]);
        let size = (x.shape[along] as i64).checked_add(front).and_then(|s| s.checked_add(back));
        shape[along] = size.and_then(|s| usize::try_from(s).ok()).ok_or_else(unfit)?;
        before[along] = front;
    }
    let len = count(&shape)?;
    low.spend::<[u64; 4]>(len)?;
    let (inner, outer) = (strides(&x.shape), strides(&shape));
    let source = |flat: usize| {
        let mut index = 0;
        for a in 0..shape.len() {
            let at = (flat / outer[a].cast_unsigned() % shape[a]) as i64 - before[a];
            let at = usize::try_from(at).ok().filter(|&at| at < x.shape[a])?;
            index += at * inner[a].cast_unsigned();
        }
        Some(index)
    };
    let sources: Vec<Option<usize>> = (0..len).map(source).collect();
    let bias = (fill != 0.0)
        .then(|| sources.iter().map(|source| if source.is_none() { fill } else { 0.0 }).collect());
    let rows = sources.into_iter().map(|source| source.map(|index| (index, 1.0)));
    let map = LinearMap::Sparse(Sparse::from_rows(low.len(&x), rows));
    Ok(low.affine(&x, map, bias, 0, shape)?.into())
}
