//! Piecewise-linear operators, lowered exactly to affine maps and ReLUs in the normal form of the proof format.
//!
//! The order in which ReLUs are made here is part of that format: it numbers the blocks of a proof.

use super::call::Call;
use super::choice::JUMPS;
use super::constant::{Constant, Data};
use super::elementwise::{expand, spread};
use super::fold;
use super::hinge::Slopes;
use super::lower::{Lowering, Pending, Value, Variable};
use super::reduce::{groups, reduced_axes};
use super::shape::{Problem, broadcast, count_entries, misfit};
use super::window::{Windows, elements};
use crate::load::NodeProblem;
use crate::net::{Computed, LinearMap, Sparse, Term};

/// max(x, 0).
pub fn relu<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    Ok(low.relu(&x)?.into())
}

/// x where it is positive, a·x where it is negative, with one slope a.
pub fn leaky_relu<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let slope = call.float("alpha", 0.01)?;
    Ok(low.bend(&x, |_, slopes| slopes.leaky(slope))?.into())
}

/// The same with a slope for each element.
pub fn prelu<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let own = spread(call.needed_constant(1)?, &x.shape)?;
    Ok(low.bend(&x, |i, slopes| slopes.leaky(own[i]))?.into())
}

/// |x|.
pub fn abs<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    Ok(low.bend(&x, |_, slopes| Some(slopes.abs()))?.into())
}

/// min(max(x, lo), hi).
pub fn clip<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let (lo, hi) = if call.opset < 11 {
        (call.float("min", f32::MIN)?, call.float("max", f32::MAX)?)
    } else {
        (
            call.scalar_operand(1)?.unwrap_or(f64::NEG_INFINITY),
            call.scalar_operand(2)?.unwrap_or(f64::INFINITY),
        )
    };
    if lo.is_nan() || hi.is_nan() || lo > hi {
        return Err(NodeProblem::Operand {
            index: 1,
            found: format!("{lo}, above the maximum {hi}"),
            accepted: "a minimum below the maximum",
        });
    }
    // Exporters write the lowest and the largest float of the type for "no bound". An infinite bound on the other side is none
    // of the network's numbers, and is refused when it comes to be one.
    let largest = low.element.largest();
    let lower = Some(lo).filter(|&lo| lo > -largest);
    let upper = Some(hi).filter(|&hi| hi < largest);
    let len = low.len(&x);
    let mut clipped = x.clone();
    if let Some(lo) = lower {
        clipped = limit(low, &clipped, vec![lo; len], 1.0)?;
    }
    if let Some(hi) = upper {
        clipped = limit(low, &clipped, vec![hi; len], -1.0)?;
        if lower == Some(0.0) {
            low.note_clipped(&x, &clipped, hi);
        }
    }
    Ok(clipped.into())
}

/// Constants from here on are bounds that hardly anything reaches.
const FAR: f64 = 1_048_576.0;

/// max(x, c) = c + relu(x − c) (sign 1), min(x, c) = c − relu(c − x) (sign −1): in this form intervals are exact. With a c far away
/// its rounding would cost more than that; then max(x, c) = x + relu(c − x).
pub(super) fn limit(low: &mut Lowering, x: &Variable, c: Vec<f64>, sign: f64) -> Problem<Variable> {
    let shape = x.shape.clone();
    if c.iter().all(|&c| c == 0.0) {
        return low.bend(x, |_, s| Some(if sign > 0.0 { s.relu() } else { s.negative_part() }));
    }
    let far = c.iter().any(|c| c.abs() >= FAR);
    let towards = if far { -sign } else { sign };
    let shift = c.iter().map(|c| -towards * c).collect();
    let gap = low.combine(&[(x, towards)], Some(shift), shape.clone())?;
    low.mark(&gap, Computed::Exactly);
    let r = low.relu(&gap)?;
    let limited = if far {
        low.combine(&[(x, 1.0), (&r, sign)], None, shape)?
    } else {
        low.combine(&[(&r, sign)], Some(c), shape)?
    };
    low.mark(&limited, Computed::Exactly);
    Ok(limited)
}

/// max(x₁, x₂, …), folded from the left.
pub fn max<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    extremum(low, call, 1.0)
}

/// min(x₁, x₂, …), folded from the left.
pub fn min<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    extremum(low, call, -1.0)
}

fn extremum<'m>(low: &mut Lowering, call: &Call<'_, 'm>, sign: f64) -> Problem<Value<'m>> {
    let values = (0..call.inputs.len()).map(|index| call.value(index));
    extreme(low, &values.collect::<Problem<Vec<_>>>()?, sign)
}

/// The largest (sign 1) or the smallest (sign −1) of tensors, of which there is one at least.
pub fn extreme<'m>(low: &mut Lowering, values: &[&Value<'m>], sign: f64) -> Problem<Value<'m>> {
    let shape = values.iter().try_fold(Vec::new(), |shape, v| broadcast(&shape, v.shape()))?;
    let all_constant = values.iter().all(|v| matches!(v, Value::Constant(_)));
    let widened = |low: &mut Lowering, index: usize| -> Problem<Value<'m>> {
        match values[index] {
            Value::Condition(_) => Err(JUMPS),
            Value::Variable(x) => Ok(expand(low, x, &shape)?.into()),
            Value::Constant(c) if all_constant => Ok(Value::Constant(c.clone())),
            Value::Constant(c) => {
                Ok(Constant::floats_of(c.element, shape.clone(), spread(c, &shape)?).into())
            }
        }
    };
    let mut best = widened(low, 0)?;
    for index in 1..values.len() {
        let next = widened(low, index)?;
        best = match (&best, &next) {
            (Value::Constant(a), Value::Constant(b)) if sign > 0.0 => fold::max(a, b)?,
            (Value::Constant(a), Value::Constant(b)) => fold::min(a, b)?,
            (Value::Constant(c), Value::Variable(x)) | (Value::Variable(x), Value::Constant(c)) => {
                limit(low, x, c.floats()?.into_owned(), sign)?.into()
            }
            (Value::Variable(a), Value::Variable(b)) => larger(low, a, b, sign)?.into(),
            (Value::Condition(_), _) | (_, Value::Condition(_)) => return Err(JUMPS),
        };
    }
    Ok(best)
}

/// max(a, b) = a + relu(b − a) (sign 1) or min(a, b) = a − relu(a − b) (sign −1), if not both are functions of one tensor.
fn larger(low: &mut Lowering, a: &Variable, b: &Variable, sign: f64) -> Problem<Variable> {
    let pick = if sign > 0.0 { Slopes::max } else { Slopes::min };
    if let Some(found) = low.hinged_extremum(a, b, pick)? {
        return Ok(found);
    }
    let gap = low.combine(&[(b, sign), (a, -sign)], None, a.shape.clone())?;
    low.mark(&gap, Computed::Exactly);
    let r = low.relu(&gap)?;
    let larger = low.combine(&[(a, 1.0), (&r, sign)], None, a.shape.clone())?;
    low.mark(&larger, Computed::Exactly);
    Ok(larger)
}

/// The maximum of each window, padding left out.
pub fn max_pool<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    call.require("storage_order", 0, "0, row-major")?;
    let x = call.variable(low, 0)?;
    let (windows, planes) = Windows::of_pool(call, &x.shape)?;
    let (number, taps) = windows.counts(planes)?;
    low.spend::<[u64; 4]>(planes * number * taps)?;
    let plane: usize = windows.input.iter().product();
    let spatial: Vec<Vec<usize>> = windows.taps().map(|taps| elements(&taps)).collect();
    count_entries(planes, spatial.len())?;
    let lists = (0..planes)
        .flat_map(|p| spatial.iter().map(move |w| w.iter().map(|i| p * plane + i).collect()))
        .collect();
    let mut shape = x.shape[..2].to_vec();
    shape.extend(&windows.output);
    Ok(maxima(low, x, lists, shape)?.into())
}

/// The maximum of each channel.
pub fn global_max_pool<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    if x.shape.len() < 3 {
        return Err(misfit(&[&x.shape], "(batch, channels, spatial axes…)"));
    }
    let plane: usize = x.shape[2..].iter().product();
    low.spend::<[u64; 4]>(low.len(&x))?;
    let lists =
        (0..x.shape[0] * x.shape[1]).map(|p| (p * plane..(p + 1) * plane).collect()).collect();
    let mut shape = x.shape[..2].to_vec();
    shape.resize(x.shape.len(), 1);
    Ok(maxima(low, x, lists, shape)?.into())
}

/// The maximum over axes.
pub fn reduce_max<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    reduced(low, call, 1.0)
}

/// The minimum over axes: minus the maximum of −x.
pub fn reduce_min<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    reduced(low, call, -1.0)
}

fn reduced<'m>(low: &mut Lowering, call: &Call<'_, 'm>, sign: f64) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let Some((axes, shape)) = reduced_axes(call, value.shape())? else { return Ok(value.clone()) };
    low.spend::<[u64; 4]>(value.shape().iter().product())?;
    let lists = groups(value.shape(), &axes);
    if let Value::Constant(constant) = value {
        if lists.iter().any(Vec::is_empty) {
            return Err(NodeProblem::Arithmetic("the maximum of nothing"));
        }
        let element = constant.element;
        if let Some(ints) = constant.as_ints() {
            let best = |list: &Vec<usize>| {
                let all = list.iter().map(|&i| ints[i]);
                (if sign > 0.0 { all.max() } else { all.min() }).unwrap_or_default()
            };
            let data = Data::Ints(lists.iter().map(best).collect());
            return Ok(Constant { shape, element, data }.into());
        }
        let floats = constant.floats()?;
        let pick = if sign > 0.0 { f64::max } else { f64::min };
        let best =
            |list: &Vec<usize>| list.iter().map(|&i| floats[i]).reduce(pick).unwrap_or_default();
        return Ok(Constant::floats_of(element, shape, lists.iter().map(best).collect()).into());
    }
    let x = low.variable(value)?;
    if sign > 0.0 {
        return Ok(maxima(low, x, lists, shape)?.into());
    }
    let old = x.shape.clone();
    let negated = low.combine(&[(&x, -1.0)], None, old)?;
    let largest = maxima(low, negated, lists, shape.clone())?;
    Ok(low.combine(&[(&largest, -1.0)], None, shape)?.into())
}

/// The maximum of each list of elements of x, by rounds of pairwise maxima a + relu(b − a) of neighbours, a constant first.
fn maxima(
    low: &mut Lowering,
    mut x: Variable,
    mut lists: Vec<Vec<usize>>,
    shape: Vec<usize>,
) -> Problem<Variable> {
    if lists.iter().any(Vec::is_empty) {
        return Err(NodeProblem::Arithmetic("the maximum of a window that holds only padding"));
    }
    if let Some(found) = low.hinged_maxima(&x, &lists, &shape)? {
        return Ok(found);
    }
    let constant = low.constants(&x);
    for pair in lists.iter_mut().flat_map(|list| list.as_chunks_mut::<2>().0) {
        if constant[pair[1]] && !constant[pair[0]] {
            pair.swap(0, 1);
        }
    }
    while lists.iter().any(|list| list.len() > 1) {
        let len = low.len(&x);
        let pairs: Vec<[usize; 2]> =
            lists.iter().flat_map(|list| list.as_chunks().0.iter().copied()).collect();
        let differences = Sparse::from_rows(len, pairs.iter().map(|&[a, b]| [(b, 1.0), (a, -1.0)]));
        let gaps = low.linear(&x, LinearMap::Sparse(differences), vec![pairs.len()])?;
        low.mark(&gaps, Computed::Exactly);
        let raises = low.relu(&gaps)?;
        // For each element of the next round: the element a it starts from, and the pair that raises it, if any.
        let mut next: Vec<(usize, Option<usize>)> = Vec::new();
        let mut pair = 0;
        for list in &mut lists {
            let start = next.len();
            for neighbours in list.chunks(2) {
                let raised = (neighbours.len() == 2).then_some(pair);
                pair += usize::from(raised.is_some());
                next.push((neighbours[0], raised));
            }
            *list = (start..next.len()).collect();
        }
        let kept = Sparse::gather(len, next.iter().map(|&(a, _)| a));
        let raised = Sparse::from_rows(pairs.len(), next.iter().map(|&(_, r)| r.map(|r| (r, 1.0))));
        let terms = vec![
            Term { source: low.node(&x)?, map: LinearMap::Sparse(kept) },
            Term { source: low.node(&raises)?, map: LinearMap::Sparse(raised) },
        ];
        let pending = Pending { terms, bias: None, roundings: 0 };
        x = low.pending(pending, vec![next.len()]);
        low.mark(&x, Computed::Exactly);
    }
    let indices: Vec<usize> = lists.iter().map(|list| list[0]).collect();
    match low.select(&x.into(), shape, &indices)? {
        Value::Variable(pooled) => Ok(pooled),
        _ => Err(NodeProblem::Internal("a maximum is no tensor of the graph")),
    }
}
