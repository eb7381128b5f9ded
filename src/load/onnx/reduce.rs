//! Sums and means over axes and windows.

use super::call::Call;
use super::elementwise::inverse;
use super::lower::{Lowering, Pending, Value, Variable};
use super::shape::{Problem, Walk, count_entries, misfit, strides};
use super::window::{Tap, Windows};
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
    let rank = value.shape().len();
    let keep = call.switch("keepdims", true)?;
    let axes = match call.axes(1, rank)?.filter(|axes| !axes.is_empty()) {
        Some(axes) => axes,
        None if call.switch("noop_with_empty_axes", false)? => return Ok(value.clone()),
        None => (0..rank).collect(),
    };
    let x = low.variable(value)?;
    Ok(reduce_axes(low, &x, &axes, keep, weight)?.into())
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

fn reduce_axes(
    low: &mut Lowering,
    x: &Variable,
    axes: &[usize],
    keep: bool,
    weight: impl Fn(usize) -> Problem<f64>,
) -> Problem<Variable> {
    low.spend::<u64>(low.len(x))?;
    let steps = strides(&x.shape);
    let pick = |reduced: bool| -> (Vec<usize>, Vec<isize>) {
        (0..x.shape.len())
            .filter(|axis| axes.contains(axis) == reduced)
            .map(|axis| (x.shape[axis], steps[axis]))
            .unzip()
    };
    let ((inner, inner_steps), (outer, outer_steps)) = (pick(true), pick(false));
    let terms: usize = inner.iter().product();
    let weight = weight(terms)?;
    let offsets: Vec<usize> = Walk::new(&inner, &inner_steps, 0).collect();
    let rows = Walk::new(&outer, &outer_steps, 0)
        .map(|start| offsets.iter().map(move |offset| (start + offset, weight)));
    let map = LinearMap::Sparse(Sparse::from_rows(low.len(x), rows));
    let shape = if keep {
        (0..x.shape.len()).map(|a| if axes.contains(&a) { 1 } else { x.shape[a] }).collect()
    } else {
        outer.clone()
    };
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
    if x.shape.len() < 3 {
        return Err(misfit(&[&x.shape], "(batch, channels, spatial axes…)"));
    }
    let windows = Windows::new(call, &x.shape[2..], None)?;
    windows.refuse_odd_same(call)?;
    let planes = x.shape[0] * x.shape[1];
    let (number, taps) = windows.counts(planes)?;
    low.spend::<[u64; 2]>(number * taps + planes * number)?;
    let with_padding = call.switch("count_include_pad", false)?;
    let mut exact = true;
    let mut rows: Vec<(Vec<usize>, f64)> = Vec::new();
    for taps in windows.taps() {
        let elements: Vec<usize> = taps
            .iter()
            .filter_map(|tap| if let Tap::Element(index) = tap { Some(*index) } else { None })
            .collect();
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
