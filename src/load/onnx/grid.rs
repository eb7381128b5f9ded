//! Sampling at the places of a grid: GridSample, and AffineGrid, which makes grids.

use super::call::Call;
use super::lower::{Lowering, Value};
use super::rearrange::positions;
use super::resample::{Taps, cubic, half, integer, interpolated, number, products, refused, whole};
use super::shape::{Problem, count, count_entries, misfit};
use crate::load::NodeProblem;
use crate::num::Rational;
use num_traits::{One, Signed, Zero};

/// How a sampling grid goes on beyond the tensor.
struct Sampling<'a> {
    padding: &'a str,
    mode: &'a str,
    corners: bool,
}

impl Sampling<'_> {
    /// The ends of an axis between which there is no padding.
    fn ends(&self, size: usize) -> [Rational; 2] {
        if self.corners { [whole(0), whole(size - 1)] } else { [-half(), whole(size) - half()] }
    }

    fn reflected(&self, x: &Rational, size: usize) -> Rational {
        let [low, high] = self.ends(size);
        let range = &high - &low;
        if range.is_zero() {
            return low;
        }
        let (from, beyond) = if x < &low {
            (true, &low - x)
        } else if x > &high {
            (false, x - &high)
        } else {
            return x.clone();
        };
        let turns = (&beyond / &range).floor();
        let rest = beyond - &turns * range;
        let even = (turns / whole(2)).is_integer();
        if from == even { low + rest } else { high - rest }
    }

    /// The element at a whole number, if it is none of the padding.
    fn element(&self, at: i64, size: usize) -> Problem<Option<usize>> {
        if (0..size as i64).contains(&at) {
            return Ok(Some(at as usize));
        }
        Ok(match self.padding {
            "zeros" => None,
            "border" => Some(at.clamp(0, size as i64 - 1) as usize),
            _ => {
                let at = integer(&self.reflected(&whole(at), size).trunc())?;
                Some(at.clamp(0, size as i64 - 1) as usize)
            }
        })
    }

    /// What lies at a coordinate of the grid.
    fn taps(&self, at: &Rational, size: usize) -> Problem<Taps> {
        let one = Rational::one();
        let mut x = if self.corners {
            (at + &one) / whole(2) * whole(size - 1)
        } else {
            ((at + &one) * whole(size) - &one) / whole(2)
        };
        let nearest = self.mode == "nearest";
        if nearest {
            let edge = &x - half();
            let gap = (&edge - edge.round()).abs();
            if !gap.is_zero() && gap < Rational::new(1.into(), 65536.into()) {
                return Err(NodeProblem::Arithmetic(
                    "a place next to the middle between two elements",
                ));
            }
            // Halves to the even one.
            x = if gap.is_zero() { (&x / whole(2)).round() * whole(2) } else { x.round() };
        }
        let (first, last) = (whole(0), whole(size - 1));
        if self.mode.contains("cubic") && self.padding == "border" && (x < first || x > last) {
            return Err(NodeProblem::Arithmetic(
                "a cubic curve through places beyond the border, which programs draw differently",
            ));
        }
        let [low, high] = self.ends(size);
        if x < low || x > high {
            match self.padding {
                "border" => x = x.max(first).min(last),
                "reflection" => x = self.reflected(&x, size),
                _ => {}
            }
        }
        let below = integer(&x.floor())?;
        let t = &x - x.floor();
        let all: Vec<(i64, Rational)> = match self.mode {
            "nearest" => vec![(integer(&x.round())?, one)],
            "bilinear" | "linear" => vec![(below, one - &t), (below + 1, t)],
            "bicubic" | "cubic" => {
                let a = Rational::new((-3).into(), 4.into());
                (below - 1..).zip(cubic(&t, &a)).collect()
            }
            other => return Err(refused("mode", other, "nearest, linear or cubic")),
        };
        let mut taps = Taps::new();
        for (at, weight) in all {
            if let Some(at) = self.element(at, size)?.filter(|_| !weight.is_zero()) {
                taps.push((at, weight));
            }
        }
        Ok(taps)
    }
}

/// The elements at the places of a constant grid.
pub fn grid_sample<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let grid = call.needed_constant(1)?;
    let spatial = x.shape.len().saturating_sub(2);
    let unfit = || {
        misfit(
            &[&x.shape, &grid.shape],
            "(batch, channels, axes…), and a grid of as many coordinates",
        )
    };
    let fits = spatial > 0 && grid.shape.len() == spatial + 2;
    if !fits || grid.shape[0] != x.shape[0] || grid.shape[spatial + 1] != spatial {
        return Err(unfit());
    }
    let (padding, mode) = (call.text("padding_mode", "zeros")?, call.text("mode", "linear")?);
    if !["zeros", "border", "reflection"].contains(&&*padding) {
        return Err(refused("padding_mode", padding.into_owned(), "zeros, border or reflection"));
    }
    if spatial > 2 && mode.contains("cubic") {
        return Err(refused(
            "mode",
            mode.into_owned(),
            "linear or nearest, for more than two axes",
        ));
    }
    let corners = call.switch("align_corners", false)?;
    let sampling = Sampling { padding: &padding, mode: &mode, corners };
    let (sizes, channels) = (&x.shape[2..], x.shape[1]);
    let mut shape = x.shape[..2].to_vec();
    shape.extend(&grid.shape[1..=spatial]);
    let reach = if mode.contains("cubic") { 4usize } else { 2 };
    low.spend::<[u64; 16]>(count_entries(count(&shape)?, reach.pow(spatial as u32))?)?;
    let coordinates = grid.floats()?;
    let points: usize = grid.shape[1..=spatial].iter().product();
    let plane: usize = sizes.iter().product();
    let mut rows = vec![Taps::new(); count(&shape)?];
    for n in 0..x.shape[0] {
        for point in 0..points {
            let mut taps = Vec::with_capacity(spatial);
            for (k, &size) in sizes.iter().enumerate() {
                // The last axis comes first.
                let at = coordinates[(n * points + point) * spatial + spatial - 1 - k];
                taps.push(sampling.taps(&number(at)?, size)?);
            }
            let taps = products(&taps.iter().collect::<Vec<_>>(), sizes);
            for c in 0..channels {
                let start = (n * channels + c) * plane;
                let row = taps.iter().map(|(at, weight)| (start + at, weight.clone()));
                rows[(n * channels + c) * points + point] = row.collect();
            }
        }
    }
    Ok(interpolated(low, &x, rows, shape)?.into())
}

/// The coordinates of a grid that affine maps move, one map for each image.
pub fn affine_grid<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let theta = call.variable(low, 0)?;
    call.needed_constant(1)?;
    let sizes = call.ints_operand(1)?.unwrap_or_default();
    let sizes = sizes.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n > 0));
    let sizes: Vec<usize> = sizes.collect::<Option<_>>().unwrap_or_default();
    let spatial = sizes.len().saturating_sub(2);
    if spatial == 0 || theta.shape != [sizes[0], spatial, spatial + 1] {
        return Err(misfit(&[&theta.shape, &sizes], "a map for each image, and the image's sizes"));
    }
    let corners = call.switch("align_corners", false)?;
    let base = |at: usize, size: usize| match (corners, size) {
        (true, 1) => whole(0),
        (true, size) => whole(2 * at) / whole(size - 1) - Rational::one(),
        (false, size) => whole(2 * at + 1) / whole(size) - Rational::one(),
    };
    let shape = [&sizes[..1], &sizes[2..], &[spatial]].concat();
    low.spend::<[u64; 16]>(count_entries(count(&shape)?, spatial + 1)?)?;
    let row = |p: Vec<usize>| -> Taps {
        let map = (p[0] * spatial + p[spatial + 1]) * (spatial + 1);
        let moved = (0..spatial).map(|k| {
            let axis = spatial - 1 - k;
            (map + k, base(p[1 + axis], sizes[2 + axis]))
        });
        moved.chain([(map + spatial, Rational::one())]).collect()
    };
    let rows = positions(&shape).map(row).collect();
    Ok(interpolated(low, &theta, rows, shape)?.into())
}
