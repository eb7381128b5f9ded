//! Sums and means over axes and windows.

use super::call::Call;
use super::elementwise::{inverse, product};
use super::lower::{Lowering, Pending, Value, Variable};
use super::shape::{Problem, Walk, count_entries, misfit, strides};
use super::window::{Tap, Windows, elements};
use crate::load::NodeProblem;
use crate::net::{LinearMap, Sparse, Term};

/// Sums over axes.
pub fn reduce_sum<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    reduce(low, call, |_| Ok(1.0))
}

/// Means over axes.
pub fn reduce_mean<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    reduce(low, call, |n| inverse(n as f64))
}

fn reduce<'m>(
    low: &mut Lowering,
    call: &Call<'_, 'm>,
    weight: impl Fn(usize) -> Problem<f64>,
) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let Some((axes, _)) = reduced_axes(call, value.shape())? else { return Ok(value.clone()) };
    let keep = call.switch("keepdims", true)?;
    let x = low.variable(value)?;
    Ok(reduce_axes(low, &x, &axes, keep, weight)?.into())
}

/// Sums of absolute values over axes.
pub fn reduce_l1<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let reduced = reduced_axes(call, &x.shape)?;
    let absolute = low.bend(&x, |_, slopes| Some(slopes.abs()))?;
    let Some((axes, _)) = reduced else { return Ok(absolute.into()) };
    let keep = call.switch("keepdims", true)?;
    Ok(reduce_axes(low, &absolute, &axes, keep, |_| Ok(1.0))?.into())
}

/// Sums of squares over axes.
pub fn reduce_sum_square<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let reduced = reduced_axes(call, &x.shape)?;
    let squares = product(low, &x, &x, &x.shape.clone())?;
    let Some((axes, _)) = reduced else { return Ok(squares.into()) };
    let keep = call.switch("keepdims", true)?;
    Ok(reduce_axes(low, &squares, &axes, keep, |_| Ok(1.0))?.into())
}

/// The axes that a node reduces, and the result's shape; none where it passes its operand on.
pub fn reduced_axes(call: &Call, shape: &[usize]) -> Problem<Option<(Vec<usize>, Vec<usize>)>> {
    let keep = call.switch("keepdims", true)?;
    let axes = match call.axes(1, shape.len())?.filter(|axes| !axes.is_empty()) {
        Some(axes) => axes,
        None if call.switch("noop_with_empty_axes", false)? => return Ok(None),
        None => (0..shape.len()).collect(),
    };
    let one = |(a, &size): (usize, &usize)| match (axes.contains(&a), keep) {
        (false, _) => Some(size),
        (true, true) => Some(1),
        (true, false) => None,
    };
    let result = shape.iter().enumerate().filter_map(one).collect();
    Ok(Some((axes, result)))
}

/// The elements that are reduced to each element of the result, in order.
pub fn groups(shape: &[usize], axes: &[usize]) -> Vec<Vec<usize>> {
    let steps = strides(shape);
    let pick = |reduced: bool| -> (Vec<usize>, Vec<isize>) {
        (0..shape.len())
            .filter(|axis| axes.contains(axis) == reduced)
            .map(|axis| (shape[axis], steps[axis]))
            .unzip()
    };
    let ((inner, inner_steps), (outer, outer_steps)) = (pick(true), pick(false));
    let offsets: Vec<usize> = Walk::new(&inner, &inner_steps, 0).collect();
    let starts = Walk::new(&outer, &outer_steps, 0);
    starts.map(|start| offsets.iter().map(|offset| start + offset).collect()).collect()
}

/// The mean of each channel.
pub fn global_average_pool<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    if x.shape.len() < 3 {
        return Err(misfit(&[&x.shape], "(batch, channels, spatial axes…)"));
    }
    let axes: Vec<usize> = (2..x.shape.len()).collect();
    Ok(reduce_axes(low, &x, &axes, true, |n| inverse(n as f64))?.into())
}

/// weight · Σ x over axes.
pub fn reduce_axes(
    low: &mut Lowering,
    x: &Variable,
    axes: &[usize],
    keep: bool,
    weight: impl Fn(usize) -> Problem<f64>,
) -> Problem<Variable> {
    low.spend::<[u64; 3]>(low.len(x))?;
    let terms: usize = axes.iter().map(|&axis| x.shape[axis]).product();
    let weight = weight(terms)?;
    let rows = groups(&x.shape, axes);
    let rows = rows.iter().map(|row| row.iter().map(|&at| (at, weight)));
    let map = LinearMap::Sparse(Sparse::from_rows(low.len(x), rows));
    let kept = (0..x.shape.len()).filter(|axis| keep || !axes.contains(axis));
    let shape = kept.map(|axis| if axes.contains(&axis) { 1 } else { x.shape[axis] }).collect();
    let term = Term { source: low.node(x)?, map };
    let roundings = usize::from(!is_power_of_two(weight));
    Ok(low.pending(Pending { terms: vec![term], bias: None, roundings }, shape))
}

fn is_power_of_two(weight: f64) -> bool {
    weight.to_bits().trailing_zeros() >= f64::MANTISSA_DIGITS - 1
}

/// The mean of each window; padding counts only if the file says so.
pub fn average_pool<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let (windows, planes) = Windows::of_pool(call, &x.shape)?;
    let (number, taps) = windows.counts(planes)?;
    low.spend::<[u64; 2]>(number * taps + planes * number)?;
    let with_padding = call.switch("count_include_pad", false)?;
    let mut exact = true;
    let mut rows: Vec<(Vec<usize>, f64)> = Vec::new();
    for taps in windows.taps() {
        let elements = elements(&taps);
        if with_padding && taps.contains(&Tap::Outside) {
            return Err(NodeProblem::Attribute {
                name: "ceil_mode",
                found: "1, with count_include_pad and a window that reaches beyond the padding"
                    .to_owned(),
                accepted: "windows within the padded tensor (programs divide by different numbers)",
            });
        }
        let counted = if with_padding { taps.len() } else { elements.len() };
        if elements.is_empty() {
            return Err(NodeProblem::Arithmetic("the mean of a window that holds only padding"));
        }
        let weight = inverse(counted as f64)?;
        exact &= is_power_of_two(weight);
        rows.push((elements, weight));
    }
    let plane: usize = windows.input.iter().product();
    count_entries(planes, rows.len())?;
    let rows = (0..planes).flat_map(|p| {
        rows.iter().map(move |(elements, weight)| {
            elements.iter().map(move |&index| (p * plane + index, *weight))
        })
    });
    let map = LinearMap::Sparse(Sparse::from_rows(low.len(&x), rows));
    let mut shape = x.shape[..2].to_vec();
    shape.extend(&windows.output);
    let term = Term { source: low.node(&x)?, map };
    let roundings = usize::from(!exact);
    Ok(low.pending(Pending { terms: vec![term], bias: None, roundings }, shape).into())
}
