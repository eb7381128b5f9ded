//! Convolutions and batch normalisation.

use super::call::Call;
use super::constant::{Constant, Element};
use super::elementwise::{normal, spread};
use super::lower::{Lowering, Pending, Value};
use super::shape::{Problem, count, misfit};
use super::window::Windows;
use crate::load::NodeProblem;
use crate::net::{Conv, ConvGeometry, LinearMap, Sparse, Term};

/// A one- or two-dimensional convolution with constant kernels.
pub fn conv<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let kernels = call.needed_constant(1)?;
    let unfit = || {
        misfit(
            &[&x.shape, &kernels.shape],
            "(1, channels, one or two spatial axes), and kernels that fit the channels and groups",
        )
    };
    let rank = x.shape.len();
    if !matches!(rank, 3 | 4) || x.shape[0] != 1 || kernels.shape.len() != rank {
        return Err(unfit());
    }
    let windows = Windows::new(call, &x.shape[2..], Some(&kernels.shape[2..]))?;
    let groups = usize::try_from(call.int("group", 1)?).map_err(|_| unfit())?;
    if groups == 0 || kernels.shape[1].checked_mul(groups) != Some(x.shape[1]) {
        return Err(unfit());
    }
    // One spatial axis is the width of a picture of height 1.
    let pair = |sizes: &[usize], one: usize| match sizes {
        [width] => [one, *width],
        sizes => [sizes[0], sizes[1]],
    };
    let (before, after) = (pair(&windows.before, 0), pair(&windows.after, 0));
    let [height, width] = pair(&windows.input, 1);
    let geometry = ConvGeometry {
        input: [x.shape[1], height, width],
        channels: kernels.shape[0],
        kernel: pair(&windows.kernel, 1),
        stride: pair(&windows.strides, 1),
        dilation: pair(&windows.dilations, 1),
        pads: [before[0], before[1], after[0], after[1]],
        groups,
    };
    let mut shape = vec![1, kernels.shape[0]];
    shape.extend(&windows.output);
    count(&shape)?;
    low.spend::<[f64; 2]>(kernels.len())?;
    let conv = Conv::new(geometry, &kernels.floats()?).ok_or_else(unfit)?;
    let bias = match call.constant(2)? {
        None => None,
        Some(bias) if bias.shape == [shape[1]] => {
            let positions: usize = windows.output.iter().product();
            let values = bias.floats()?;
            Some(values.iter().flat_map(|&b| std::iter::repeat_n(b, positions)).collect())
        }
        Some(bias) => return Err(misfit(&[&bias.shape], "one bias for each output channel")),
    };
    Ok(low.affine(&x, LinearMap::Conv(conv), bias, 0, shape)?.into())
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
