//! Operators that interpolate at constant places: Resize, Upsample; Col2Im. Places and weights are exact rationals, so that a weight is
//! rounded once.

use super::call::Call;
use super::lower::{Lowering, Pending, Value, Variable};
use super::rearrange::{flat, positions};
use super::shape::{Problem, axis, count, count_entries, misfit};
use crate::load::NodeProblem;
use crate::net::{LinearMap, Sparse, Term};
use crate::num::{Rational, from_f64, to_f64_nearest};
use num_traits::{One, Signed, ToPrimitive, Zero};

/// What an element along an axis is made of: places and weights.
pub type Taps = Vec<(usize, Rational)>;

pub fn whole(n: impl TryInto<i64>) -> Rational {
    Rational::from_integer(n.try_into().unwrap_or(i64::MAX).into())
}

pub fn half() -> Rational {
    Rational::new(1.into(), 2.into())
}

pub fn number(x: f64) -> Problem<Rational> {
    from_f64(x).ok_or(NodeProblem::Arithmetic("a place that is no finite number"))
}

pub fn integer(x: &Rational) -> Problem<i64> {
    x.to_integer().to_i64().ok_or(NodeProblem::Arithmetic("a place far away"))
}

pub fn refused(
    name: &'static str,
    found: impl Into<String>,
    accepted: &'static str,
) -> NodeProblem {
    NodeProblem::Attribute { name, found: found.into(), accepted }
}

/// Σ weight · x over the products of taps along the last axes of rows, as one map.
pub fn interpolated(
    low: &mut Lowering,
    x: &Variable,
    rows: Vec<Vec<(usize, Rational)>>,
    shape: Vec<usize>,
) -> Problem<Variable> {
    let mut exact = true;
    let mut rounded = |(at, weight): (usize, Rational)| {
        let near = to_f64_nearest(&weight);
        exact &= from_f64(near).as_ref() == Some(&weight);
        if !weight.is_zero() && !near.is_normal() {
            return Err(NodeProblem::Arithmetic("a computed weight below 2^-1022"));
        }
        Ok((at, near))
    };
    let rows = rows
        .into_iter()
        .map(|row| row.into_iter().map(&mut rounded).collect::<Problem<Vec<_>>>())
        .collect::<Problem<Vec<_>>>()?;
    let map = LinearMap::Sparse(Sparse::from_rows(low.len(x), rows));
    let terms = vec![Term { source: low.node(x)?, map }];
    Ok(low.pending(Pending { terms, bias: None, roundings: usize::from(!exact) }, shape))
}

/// The products of taps along all axes.
pub fn products(taps: &[&Taps], shape: &[usize]) -> Vec<(usize, Rational)> {
    let mut all = vec![(0, Rational::one())];
    for (taps, size) in taps.iter().zip(shape) {
        let next = |(at, weight): &(usize, Rational)| -> Taps {
            taps.iter().map(|(i, w)| (at * size + i, weight * w)).collect()
        };
        all = all.iter().flat_map(next).collect();
    }
    all
}

/// The weights of four neighbours at a distance t from the second.
pub fn cubic(t: &Rational, a: &Rational) -> [Rational; 4] {
    let one = Rational::one();
    let near = |d: &Rational| ((a + whole(2)) * d - (a + whole(3))) * d * d + &one;
    let far = |d: &Rational| ((a * d - a * whole(5)) * d + a * whole(8)) * d - a * whole(4);
    [far(&(t + &one)), near(t), near(&(&one - t)), far(&(whole(2) - t))]
}

/// How an axis is resized.
struct Axis {
    input: usize,
    output: usize,
    scale: Rational,
    /// The part of the axis that is cut out, for tf_crop_and_resize.
    roi: [Rational; 2],
}

impl Axis {
    /// The place in the old axis of an element of the new one.
    fn place(&self, mode: &str, x: usize) -> Problem<Rational> {
        let (x, one) = (whole(x), Rational::one());
        let (input, output) = (whole(self.input), whole(self.output));
        Ok(match mode {
            "half_pixel" => (x + half()) / &self.scale - half(),
            "pytorch_half_pixel" if self.output == 1 => Rational::zero(),
            "pytorch_half_pixel" => (x + half()) / &self.scale - half(),
            "half_pixel_symmetric" => {
                let adjustment = output / (&self.scale * &input);
                input * half() * (one - adjustment) + (x + half()) / &self.scale - half()
            }
            "align_corners" if self.output == 1 => Rational::zero(),
            "align_corners" => x * (input - &one) / (output - one),
            "asymmetric" => x / &self.scale,
            "tf_half_pixel_for_nn" => (x + half()) / &self.scale,
            "tf_crop_and_resize" => {
                let ([start, end], last) = (&self.roi, input - &one);
                if self.output == 1 {
                    (start + end) * half() * last
                } else {
                    start * &last + x * (end - start) * last / (output - one)
                }
            }
            other => {
                return Err(refused(
                    "coordinate_transformation_mode",
                    other,
                    "one of ONNX's modes",
                ));
            }
        })
    }
}

/// Elements of other sizes, by the nearest, linear or cubic.
pub fn resize<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let old = x.shape.clone();
    let rank = old.len();
    call.require("antialias", 0, "0")?;
    let first = call.opset < 11 || call.node.op == "Upsample";
    let mode = call.text("mode", "nearest")?;
    let coordinates = if first {
        "asymmetric".into()
    } else {
        call.text("coordinate_transformation_mode", "half_pixel")?
    };
    let nearest =
        if first { "floor".into() } else { call.text("nearest_mode", "round_prefer_floor")? };
    let axes: Vec<usize> = match call.ints("axes")? {
        None => (0..rank).collect(),
        Some(axes) => axes.iter().map(|&a| axis(a, rank, "axes")).collect::<Problem<_>>()?,
    };
    let unfit = || misfit(&[&old], "scales or sizes, one for each axis, and positive");
    let floats = |index: usize| -> Problem<Option<Vec<f64>>> {
        let list = call.constant(index)?.map(|c| c.floats().map(|f| f.into_owned())).transpose()?;
        Ok(list.filter(|list| !list.is_empty()))
    };
    let scales = match (first, call.floats("scales")?) {
        (_, Some(list)) => Some(list.iter().map(|&s| s.into()).collect()),
        (true, None) => floats(1)?,
        (false, None) => floats(2)?,
    };
    let sizes = if first { None } else { call.ints_operand(3)?.filter(|list| !list.is_empty()) };
    let roi = if first || coordinates != "tf_crop_and_resize" { None } else { floats(1)? };
    if axes.len() != scales.as_ref().map_or(axes.len(), Vec::len)
        || sizes.is_some_and(|sizes| sizes.len() != axes.len())
        || roi.as_ref().is_some_and(|roi| roi.len() != 2 * axes.len())
        || scales.is_some() == sizes.is_some()
    {
        return Err(unfit());
    }
    let mut all: Vec<Axis> = old
        .iter()
        .map(|&n| Axis { input: n, output: n, scale: Rational::one(), roi: [whole(0), whole(1)] })
        .collect();
    for (k, &a) in axes.iter().enumerate() {
        let axis = &mut all[a];
        if let Some(scales) = &scales {
            axis.scale = number(scales[k])?;
            if !axis.scale.is_positive() {
                return Err(unfit());
            }
            axis.output = usize::try_from(integer(&(whole(axis.input) * &axis.scale).floor())?)
                .map_err(|_| unfit())?;
            // Programs multiply in single precision.
            if (axis.input as f32 * scales[k] as f32) as usize != axis.output {
                return Err(refused(
                    "scales",
                    scales[k].to_string(),
                    "scales whose sizes are not rounded",
                ));
            }
        }
        if let Some(sizes) = sizes {
            axis.output = usize::try_from(sizes[k]).map_err(|_| unfit())?;
            axis.scale = whole(axis.output) / whole(axis.input);
        }
        if let Some(roi) = &roi {
            axis.roi = [number(roi[k])?, number(roi[k + axes.len()])?];
        }
    }
    if sizes.is_some() {
        keep_aspect(call, &mut all, &axes)?;
    }
    // Where the new axis ends is read in two ways if its size was rounded.
    let by_ends = ["align_corners", "tf_crop_and_resize"].contains(&&*coordinates);
    if by_ends && all.iter().any(|axis| whole(axis.output) != whole(axis.input) * &axis.scale) {
        let found = coordinates.into_owned();
        return Err(refused("coordinate_transformation_mode", found, "sizes that are not rounded"));
    }
    if coordinates == "tf_crop_and_resize" && all.iter().any(|a| a.output == 1 && a.input > 1) {
        let found = coordinates.into_owned();
        return Err(refused(
            "coordinate_transformation_mode",
            found,
            "new axes of two elements or more (programs differ)",
        ));
    }
    let shape: Vec<usize> = all.iter().map(|axis| axis.output).collect();
    if all.iter().any(|axis| axis.output == 0) {
        return Err(unfit());
    }
    let reach = if mode == "cubic" { 4usize } else { 2 };
    let moved =
        all.iter().filter(|axis| axis.input != axis.output || axis.scale != Rational::one());
    let fan = reach.saturating_pow(moved.count() as u32);
    low.spend::<[u64; 16]>(count_entries(count(&shape)?, fan)?)?;
    let a = number(call.float("cubic_coeff_a", -0.75)?)?;
    let exclude = call.switch("exclude_outside", false)?;
    let crop = coordinates == "tf_crop_and_resize";
    let fill = call.float("extrapolation_value", 0.0)?;
    // None where the place lies outside.
    let mut taps: Vec<Vec<Option<Taps>>> = Vec::with_capacity(rank);
    for axis in &all {
        let mut along = Vec::with_capacity(axis.output);
        for i in 0..axis.output {
            let place = axis.place(&coordinates, i)?;
            let outside = place.is_negative() || place > whole(axis.input - 1);
            if crop && outside && axis.roi != [whole(0), whole(1)] {
                along.push(None);
                continue;
            }
            let still = axis.input == axis.output && axis.scale == Rational::one() && !crop;
            along.push(Some(match (&*mode, still) {
                (_, true) => vec![(i, Rational::one())],
                ("nearest", _) => {
                    if call.opset < 11 && axis.scale < Rational::one() && !place.is_integer() {
                        return Err(refused(
                            "mode",
                            "nearest, to fewer elements",
                            "larger scales (programs differ)",
                        ));
                    }
                    vec![(nearest_to(&place, &nearest, axis.input)?, Rational::one())]
                }
                ("linear" | "bilinear", _) => linear(&place, axis.input)?,
                ("cubic", _) => {
                    let first = integer(&place.floor())? - 1;
                    let weights = cubic(&(&place - place.floor()), &a);
                    let inside = |i: i64| (0..axis.input as i64).contains(&i);
                    let mut all: Vec<(i64, Rational)> = (first..).zip(weights).collect();
                    if exclude {
                        all.retain(|(i, _)| inside(*i));
                        let sum: Rational = all.iter().map(|(_, w)| w.clone()).sum();
                        if sum.is_zero() {
                            return Err(NodeProblem::Arithmetic("weights without a sum"));
                        }
                        all.iter_mut().for_each(|(_, w)| *w /= &sum);
                    }
                    let last = axis.input as i64 - 1;
                    all.into_iter().map(|(i, w)| (i.clamp(0, last) as usize, w)).collect()
                }
                (other, _) => return Err(refused("mode", other, "nearest, linear or cubic")),
            }));
        }
        taps.push(along);
    }
    let row = |p: Vec<usize>| {
        let taps: Option<Vec<&Taps>> = p.iter().zip(&taps).map(|(&i, t)| t[i].as_ref()).collect();
        taps.map(|taps| products(&taps, &old))
    };
    let rows: Vec<Option<Taps>> = positions(&shape).map(row).collect();
    let bias = rows.iter().map(|row| if row.is_none() { fill } else { 0.0 }).collect();
    let rows = rows.into_iter().map(Option::unwrap_or_default).collect();
    let resized = interpolated(low, &x, rows, shape)?;
    Ok(low.add_bias(&resized, bias)?.into())
}

/// The whole at a place.
fn nearest_to(place: &Rational, mode: &str, size: usize) -> Problem<usize> {
    let (edge, nearest) = match mode {
        "round_prefer_floor" => (place - half(), (place - half()).ceil()),
        "round_prefer_ceil" => (place - half(), (place + half()).floor()),
        "floor" => (place.clone(), place.floor()),
        "ceil" => (place.clone(), place.ceil()),
        other => return Err(refused("nearest_mode", other, "one of ONNX's modes")),
    };
    // What is that close to a jump depends on how a program rounds.
    let gap = (&edge - edge.round()).abs();
    if !gap.is_zero() && gap < Rational::new(1.into(), 65536.into()) {
        return Err(NodeProblem::Arithmetic("a place next to the middle between two elements"));
    }
    Ok(integer(&nearest)?.clamp(0, size as i64 - 1) as usize)
}

fn linear(place: &Rational, size: usize) -> Problem<Taps> {
    let place = place.clone().max(Rational::zero()).min(whole(size - 1));
    let below = integer(&place.floor())? as usize;
    let t = place - whole(below);
    let mut taps = vec![(below, Rational::one() - &t)];
    if !t.is_zero() {
        taps.push((below + 1, t));
    }
    Ok(taps)
}

/// One scale for all axes, by the smallest or the largest of them.
fn keep_aspect(call: &Call, all: &mut [Axis], axes: &[usize]) -> Problem<()> {
    let policy = call.text("keep_aspect_ratio_policy", "stretch")?;
    let scales = axes.iter().map(|&a| all[a].scale.clone());
    let scale = match &*policy {
        "stretch" => return Ok(()),
        "not_larger" => scales.min(),
        "not_smaller" => scales.max(),
        other => return Err(refused("keep_aspect_ratio_policy", other, "one of ONNX's policies")),
    };
    let scale = scale.ok_or(NodeProblem::Internal("no axes"))?;
    for &a in axes {
        all[a].output = integer(&(&scale * whole(all[a].input) + half()).floor())? as usize;
        all[a].scale = scale.clone();
    }
    Ok(())
}

/// Images as sums of overlapping blocks, which are the columns.
pub fn col_to_im<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    call.needed_constant(1)?;
    call.needed_constant(2)?;
    let list = |index: usize| -> Problem<Vec<usize>> {
        let list = call.ints_operand(index)?.unwrap_or_default().iter();
        let sizes = list.map(|&n| usize::try_from(n).ok().filter(|&n| n > 0 && n < 1 << 24));
        sizes.collect::<Option<_>>().ok_or(NodeProblem::Arithmetic("sizes that are not positive"))
    };
    let (image, block) = (list(1)?, list(2)?);
    let axes = image.len();
    let unfit = || misfit(&[&x.shape, &image, &block], "columns that fit blocks and image");
    let attribute = |name, number: usize, default: usize| -> Problem<Vec<usize>> {
        match call.ints(name)? {
            None => Ok(vec![default; number]),
            Some(list) => {
                let sizes = list.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n < 1 << 24));
                sizes.collect::<Option<Vec<_>>>().filter(|l| l.len() == number).ok_or_else(unfit)
            }
        }
    };
    let (dilations, strides) = (attribute("dilations", axes, 1)?, attribute("strides", axes, 1)?);
    let pads = attribute("pads", 2 * axes, 0)?;
    let taps: usize = count(&block)?;
    if axes == 0 || block.len() != axes || x.shape.len() != 3 || strides.contains(&0) {
        return Err(unfit());
    }
    let steps = |a: usize| {
        let padded = image[a] + pads[a] + pads[axes + a];
        Some((padded.checked_sub(dilations[a] * (block[a] - 1) + 1)?) / strides[a] + 1)
    };
    let steps: Vec<usize> = (0..axes).map(steps).collect::<Option<_>>().ok_or_else(unfit)?;
    let channels = x.shape[1] / taps;
    if channels * taps != x.shape[1] || x.shape[2] != steps.iter().product::<usize>() {
        return Err(unfit());
    }
    let shape = [&[x.shape[0], channels][..], &image].concat();
    low.spend::<[u64; 16]>(count(&shape)? + low.len(&x))?;
    let mut rows = vec![Taps::new(); count(&shape)?];
    for (from, p) in positions(&x.shape).enumerate() {
        let (channel, mut tap, mut step) = (p[1] / taps, p[1] % taps, p[2]);
        let mut at = vec![p[0], channel];
        at.resize(axes + 2, 0);
        let mut inside = true;
        for a in (0..axes).rev() {
            let place = step % steps[a] * strides[a] + tap % block[a] * dilations[a];
            (tap, step) = (tap / block[a], step / steps[a]);
            match place.checked_sub(pads[a]).filter(|&i| i < image[a]) {
                Some(i) => at[a + 2] = i,
                None => inside = false,
            }
        }
        if inside {
            rows[flat(&at, &shape)].push((from, Rational::one()));
        }
    }
    Ok(interpolated(low, &x, rows, shape)?.into())
}
