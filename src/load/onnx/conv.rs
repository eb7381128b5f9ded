//! Convolutions and batch normalisation.

use super::call::Call;
use super::constant::{Constant, Element};
use super::elementwise::{normal, spread};
use super::lower::{Lowering, Pending, Value, Variable};
use super::place::picked;
use super::rearrange::{flat, positions};
use super::shape::{Problem, count, misfit};
use super::window::{Tap, Windows};
use crate::load::NodeProblem;
use crate::net::{Conv, ConvGeometry, LinearMap, Sparse, Term};
use std::borrow::Cow;

/// A convolution with constant kernels.
pub fn conv<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let kernels = call.needed_constant(1)?;
    let unfit = || {
        misfit(
            &[&x.shape, &kernels.shape],
            "(batch, channels, spatial axes…), and kernels that fit the channels and groups",
        )
    };
    let rank = x.shape.len();
    if rank < 3 || kernels.shape.len() != rank {
        return Err(unfit());
    }
    let windows = Windows::new(call, &x.shape[2..], Some(&kernels.shape[2..]))?;
    let groups = usize::try_from(call.int("group", 1)?).map_err(|_| unfit())?;
    if groups == 0 || kernels.shape[1].checked_mul(groups) != Some(x.shape[1]) {
        return Err(unfit());
    }
    low.spend::<[f64; 2]>(kernels.len())?;
    let filters = Filters { weights: kernels.floats()?, channels: kernels.shape[0], groups };
    let bias = bias(call, kernels.shape[0])?;
    Ok(convolved(low, &x, &windows, &filters, bias, unfit)?.into())
}

/// One bias for each output channel.
fn bias(call: &Call, channels: usize) -> Problem<Option<Vec<f64>>> {
    match call.constant(2)? {
        None => Ok(None),
        Some(bias) if bias.shape == [channels] => Ok(Some(bias.floats()?.into_owned())),
        Some(bias) => Err(misfit(&[&bias.shape], "one bias for each output channel")),
    }
}

/// Kernels (channels, input channels / groups, sizes…).
struct Filters<'k> {
    weights: Cow<'k, [f64]>,
    channels: usize,
    groups: usize,
}

/// The convolution of a tensor: never expanded for one image of one or two axes, else entry by entry.
fn convolved(
    low: &mut Lowering,
    x: &Variable,
    windows: &Windows,
    filters: &Filters,
    bias: Option<Vec<f64>>,
    unfit: impl Fn() -> NodeProblem,
) -> Problem<Variable> {
    let (batch, inputs) = (x.shape[0], x.shape[1]);
    let mut shape = vec![batch, filters.channels];
    shape.extend(&windows.output);
    count(&shape)?;
    let map = if batch == 1 && windows.input.len() <= 2 {
        // One spatial axis is the width of a picture of height 1.
        let pair = |sizes: &[usize], one: usize| match sizes {
            [width] => [one, *width],
            sizes => [sizes[0], sizes[1]],
        };
        let (before, after) = (pair(&windows.before, 0), pair(&windows.after, 0));
        let [height, width] = pair(&windows.input, 1);
        let geometry = ConvGeometry {
            input: [inputs, height, width],
            channels: filters.channels,
            kernel: pair(&windows.kernel, 1),
            stride: pair(&windows.strides, 1),
            dilation: pair(&windows.dilations, 1),
            pads: [before[0], before[1], after[0], after[1]],
            groups: filters.groups,
        };
        LinearMap::Conv(Conv::new(geometry, &filters.weights).ok_or_else(unfit)?)
    } else {
        let per_group = inputs / filters.groups;
        let outputs = filters.channels / filters.groups;
        let (number, taps) = windows.counts(batch * filters.channels * per_group)?;
        if outputs * filters.groups != filters.channels {
            return Err(unfit());
        }
        low.spend::<[u64; 2]>(batch * filters.channels * number * per_group * taps)?;
        let spatial: Vec<Vec<Tap>> = windows.taps().collect();
        let plane: usize = windows.input.iter().product();
        let row = |n: usize, channel: usize, window: &[Tap]| -> Vec<(usize, f64)> {
            let first = channel / outputs * per_group;
            let one = |c: usize| {
                let weights = &filters.weights[(channel * per_group + c) * taps..][..taps];
                let start = (n * inputs + first + c) * plane;
                window.iter().zip(weights).filter_map(move |(tap, &w)| match tap {
                    Tap::Element(at) => Some((start + at, w)),
                    _ => None,
                })
            };
            (0..per_group).flat_map(one).collect()
        };
        let rows: Vec<_> = (0..batch)
            .flat_map(|n| (0..filters.channels).map(move |channel| (n, channel)))
            .flat_map(|(n, channel)| spatial.iter().map(move |window| (n, channel, window)))
            .map(|(n, channel, window)| row(n, channel, window))
            .collect();
        LinearMap::Sparse(Sparse::from_rows(low.len(x), rows))
    };
    let positions: usize = windows.output.iter().product();
    let spread = |values: Vec<f64>| -> Vec<f64> {
        let one = values.iter().flat_map(|&b| std::iter::repeat_n(b, positions));
        let one: Vec<f64> = one.collect();
        one.iter().copied().cycle().take(one.len() * batch).collect()
    };
    low.affine(x, map, bias.map(spread), 0, shape)
}

/// The transpose of a convolution: elements are moved apart by the strides, with zeros between and around them, and convolved with the
/// kernels turned round.
pub fn conv_transpose<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let kernels = call.needed_constant(1)?;
    let unfit = || {
        misfit(
            &[&x.shape, &kernels.shape],
            "(batch, channels, spatial axes…), and kernels and sizes that fit",
        )
    };
    let rank = x.shape.len();
    let groups = usize::try_from(call.int("group", 1)?).ok().filter(|&g| g > 0);
    let groups = groups.ok_or_else(unfit)?;
    if rank < 3
        || kernels.shape.len() != rank
        || kernels.shape[0] != x.shape[1]
        || !x.shape[1].is_multiple_of(groups)
        || kernels.len() == 0
    {
        return Err(unfit());
    }
    let (windows, places) = Windows::transposed(call, &x.shape[2..], &kernels.shape[2..])?;
    // (input, output / groups, sizes…) → (output, input / groups, sizes… backwards).
    let (inputs, outputs) = (x.shape[1] / groups, kernels.shape[1]);
    let taps: usize = kernels.shape[2..].iter().product();
    low.spend::<[f64; 3]>(kernels.len())?;
    let stored = kernels.floats()?;
    let mut weights = Vec::with_capacity(stored.len());
    for group in 0..groups {
        for o in 0..outputs {
            for i in 0..inputs {
                let start = ((group * inputs + i) * outputs + o) * taps;
                weights.extend(stored[start..start + taps].iter().rev());
            }
        }
    }
    let channels = outputs * groups;
    let bias = bias(call, channels)?;
    let mut wide = x.shape[..2].to_vec();
    wide.extend(&windows.input);
    low.spend::<[u64; 4]>(count(&wide)?)?;
    let old = &x.shape[2..];
    let source = |p: Vec<usize>| {
        let one = |a: usize| places[a].get(p[a + 2]).copied().flatten();
        let at: Vec<usize> = (0..old.len()).map(one).collect::<Option<_>>()?;
        Some(((p[0] * x.shape[1]) + p[1]) * old.iter().product::<usize>() + flat(&at, old))
    };
    let sources = positions(&wide).map(source).collect();
    let Value::Variable(apart) = picked(low, &x.clone().into(), wide, sources, 0.0)? else {
        return Err(NodeProblem::Internal("a moved tensor is none"));
    };
    let filters = Filters { weights: weights.into(), channels, groups };
    Ok(convolved(low, &apart, &windows, &filters, bias, unfit)?.into())
}

/// (x − mean)·a + b with a = fl(scale / fl(√fl(var + ε))), for each channel; three roundings in a.
pub fn batch_normalization<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    call.require("training_mode", 0, "0, inference")?;
    call.require("spatial", 1, "1, statistics for each channel")?;
    let x = call.variable(low, 0)?;
    let channels = if x.shape.len() < 2 { 0 } else { x.shape[1] };
    let mut per_channel = Vec::with_capacity(4);
    for index in 1..5 {
        let constant = call.needed_constant(index)?;
        if channels == 0 || constant.shape != [channels] {
            return Err(misfit(
                &[&x.shape, &constant.shape],
                "(batch, channels, …), and one value for each channel",
            ));
        }
        let mut shape = vec![channels];
        shape.resize(x.shape.len() - 1, 1);
        per_channel.push(constant.reshaped(shape));
    }
    let epsilon = call.float("epsilon", 1e-5)?;
    let (scales, variances) = (per_channel[0].floats()?, per_channel[3].floats()?);
    let factors = scales
        .iter()
        .zip(variances.iter())
        .map(|(&scale, &variance)| {
            let deviation = (variance + epsilon).sqrt();
            if !(deviation > 0.0 && deviation.is_finite()) {
                return Err(NodeProblem::Arithmetic("a variance that is not positive"));
            }
            if low.single && !(1e-15..1e15).contains(&deviation) {
                return Err(NodeProblem::Single("a variance below 1e-30 or above 1e30"));
            }
            if scale == 0.0 { Ok(0.0) } else { normal(scale / deviation) }
        })
        .collect::<Problem<Vec<f64>>>()?;
    let factors = Constant::floats_of(Element::Double, per_channel[0].shape.clone(), factors);
    let negated = spread(&per_channel[2], &x.shape)?.iter().map(|m| -m).collect();
    let centred = low.add_bias(&x, negated)?;
    let map = LinearMap::Sparse(Sparse::diagonal(&spread(&factors, &x.shape)?));
    let terms = vec![Term { source: low.node(&centred)?, map }];
    let bias = Some(spread(&per_channel[1], &x.shape)?);
    // var + ε, the root and the quotient: at most 1/2 + 1 + 1 relative roundings.
    Ok(low.pending(Pending { terms, bias, roundings: 4 }, x.shape).into())
}
