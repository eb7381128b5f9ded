//! A two-dimensional convolution as a linear operator (one-dimensional ones have height 1), by im2col and GEMM.
//!
//! The transposed map, which CROWN applies to thousands of functionals that start at single neurons, looks only at the
//! window of output positions where a functional is non-zero.

use super::Matrix;
use super::gemm::{View, add_product, set_product};
use super::kernel::{self, ABREAST};
use super::sparse::{abreast, column, column_mut};
use std::ops::Range;
use std::sync::OnceLock;

/// Sizes of a convolution. Tensors are flattened row-major as (channel, row, column).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Input channels, height, width.
    pub input: [usize; 3],
    /// Output channels.
    pub channels: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Vertical and horizontal dilation.
    pub dilation: [usize; 2],
    /// Zero padding: top, left, bottom, right.
    pub pads: [usize; 4],
    /// Number of groups; divides both channel counts.
    pub groups: usize,
}

impl ConvGeometry {
    /// Output height and width, or `None` where the sizes do not fit together.
    #[must_use]
    pub fn output(&self) -> Option<[usize; 2]> {
        let groups_divide = self.groups > 0
            && self.input[0].is_multiple_of(self.groups)
            && self.channels.is_multiple_of(self.groups);
        let side = |axis: usize| {
            let padded = self.input[axis + 1]
                .checked_add(self.pads[axis])?
                .checked_add(self.pads[axis + 2])?;
            let reach = self.kernel[axis].checked_sub(1)?.checked_mul(self.dilation[axis])?;
            Some(padded.checked_sub(reach)?.checked_sub(1)?.checked_div(self.stride[axis])? + 1)
        };
        if groups_divide { Some([side(0)?, side(1)?]) } else { None }
    }

    /// Elements of the input tensor.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.input.iter().product()
    }

    /// Elements of the output tensor.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.channels * self.positions()
    }

    /// Weights per output element.
    #[must_use]
    pub fn fan_in(&self) -> usize {
        self.input[0] / self.groups * self.kernel[0] * self.kernel[1]
    }

    /// Output elements that read one input, at most: one for each output channel of its group and each tap.
    #[must_use]
    pub fn fan_out(&self) -> usize {
        let taps = self.kernel[0] * self.kernel[1];
        self.channels / self.groups * taps.min(self.positions())
    }

    fn positions(&self) -> usize {
        self.output().map_or(0, |[h, w]| h * w)
    }

    /// The input row (or column) that kernel tap `tap` reads for output row (or column) `at`.
    fn source(&self, axis: usize, at: usize, tap: usize) -> Option<usize> {
        self.reads(axis, tap, [at, at + 1]).map(|(_, input)| input)
    }

    /// The output rows (or columns) of a window for which a tap reads no padding, and the input that the first of them reads; each
    /// one after it reads one stride further on.
    fn reads(&self, axis: usize, tap: usize, window: [usize; 2]) -> Option<(Range<usize>, usize)> {
        // Those with pad ≤ at·stride + shift < pad + size.
        let (stride, pad) = (self.stride[axis], self.pads[axis]);
        let shift = tap * self.dilation[axis];
        let first = pad.saturating_sub(shift).div_ceil(stride).max(window[0]);
        let end = (pad + self.input[axis + 1]).checked_sub(shift)?.div_ceil(stride).min(window[1]);
        (first < end).then(|| (first..end, first * stride + shift - pad))
    }

    /// Kernel taps of one group in storage order: (channel within the group, row, column).
    fn taps(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let [channels, [rows, cols]] = [[self.input[0] / self.groups, 0], self.kernel];
        (0..channels[0])
            .flat_map(move |c| (0..rows).flat_map(move |y| (0..cols).map(move |x| (c, y, x))))
    }
}

/// Output positions where a functional is non-zero: rows and columns, half-open.
#[derive(Clone, Copy)]
struct Window {
    rows: [usize; 2],
    cols: [usize; 2],
}

impl Window {
    fn len(&self) -> usize {
        (self.rows[1] - self.rows[0]) * (self.cols[1] - self.cols[0])
    }
}

/// Fewer columns than this are convolved one by one.
const FEW: usize = 4;

/// Functionals are convolved abreast where at least one in so many coefficients is not 0, judged by so many of them.
const WIDE: usize = 8;
const SAMPLE: usize = 8;

/// A convolution with its kernels.
#[derive(Debug, Clone)]
pub struct Conv {
    geometry: ConvGeometry,
    /// Column o is the kernel of output channel o, flattened (channel, row, column).
    weights: Matrix,
    magnitudes: OnceLock<Matrix>,
    /// Both as [`kernel::ConvGroup`] has them, group by group.
    blocks: [OnceLock<Vec<[f64; ABREAST]>>; 2],
}

impl Conv {
    /// A convolution from its kernels, flattened row-major as (output channel, input channel / groups, row, column).
    /// `None` where sizes do not fit together.
    #[must_use]
    pub fn new(geometry: ConvGeometry, kernels: &[f64]) -> Option<Self> {
        geometry.output()?;
        if kernels.len() != geometry.fan_in() * geometry.channels {
            return None;
        }
        let weights = Matrix::from_column_slice(geometry.fan_in(), geometry.channels, kernels);
        Some(Self { geometry, weights, magnitudes: OnceLock::new(), blocks: Default::default() })
    }

    /// The sizes.
    #[must_use]
    pub fn geometry(&self) -> &ConvGeometry {
        &self.geometry
    }

    /// Kernels, one column an output channel.
    #[must_use]
    pub fn weights(&self) -> &Matrix {
        &self.weights
    }

    pub(super) fn add_apply(&self, x: &Matrix, y: &mut Matrix) {
        if x.ncols() >= FEW {
            return self.add_apply_abreast(0, x, y);
        }
        self.add_apply_with(&self.weights, x, y);
    }

    pub(super) fn add_apply_abs(&self, x: &Matrix, y: &mut Matrix) {
        if x.ncols() >= FEW {
            return self.add_apply_abreast(1, x, y);
        }
        let magnitudes = self.magnitudes.get_or_init(|| self.weights.abs());
        self.add_apply_with(magnitudes, x, y);
    }

    /// With the weights (0) or their magnitudes (1), for several columns at a time, without patches.
    fn add_apply_abreast(&self, which: usize, x: &Matrix, y: &mut Matrix) {
        abreast(x, y, |x, y| {
            for (group, window) in self.windows(which).enumerate() {
                let [inputs, outputs] = self.part(group);
                kernel::add_convolved(window, &x[inputs], &mut y[outputs]);
            }
        });
    }

    /// Where a group's inputs and outputs are.
    fn part(&self, group: usize) -> [Range<usize>; 2] {
        let part = |whole: usize| {
            let size = whole / self.geometry.groups;
            group * size..(group + 1) * size
        };
        [part(self.geometry.inputs()), part(self.geometry.outputs())]
    }

    /// The groups, with the weights (0) or their magnitudes (1).
    fn windows(&self, which: usize) -> impl Iterator<Item = kernel::ConvGroup<'_>> {
        let g = &self.geometry;
        let (fan_in, per_group) = (g.fan_in(), g.channels / g.groups);
        let blocks = self.blocks[which].get_or_init(|| {
            let weight = |tap: usize, channel: usize| {
                let weight = self.weights[(tap, channel)];
                if which == 0 { weight } else { weight.abs() }
            };
            let block = |group: usize, first: usize, tap: usize| {
                let channels = first..per_group.min(first + ABREAST);
                let mut out = [0.0; ABREAST];
                channels
                    .zip(&mut out)
                    .for_each(|(o, out)| *out = weight(tap, group * per_group + o));
                out
            };
            let firsts = |group| (0..per_group).step_by(ABREAST).map(move |first| (group, first));
            (0..g.groups)
                .flat_map(firsts)
                .flat_map(|(group, first)| (0..fan_in).map(move |tap| (group, first, tap)))
                .map(|(group, first, tap)| block(group, first, tap))
                .collect()
        });
        let [channels, height, width] = g.input;
        let [rows, cols] = g.output().expect("checked in new");
        let size = per_group.div_ceil(ABREAST) * fan_in;
        blocks.chunks_exact(size.max(1)).map(move |weights| kernel::ConvGroup {
            input: [channels / g.groups, height, width],
            output: [per_group, rows, cols],
            kernel: g.kernel,
            stride: g.stride,
            dilation: g.dilation,
            pads: [g.pads[0], g.pads[1]],
            weights,
        })
    }

    fn add_apply_with(&self, weights: &Matrix, x: &Matrix, y: &mut Matrix) {
        let g = &self.geometry;
        let (positions, fan_in) = (g.positions(), g.fan_in());
        let per_group = g.channels / g.groups;
        let mut patches = vec![0.0; positions * fan_in];
        for c in 0..x.ncols() {
            let (x, y) = (column(x, c), column_mut(y, c));
            for group in 0..g.groups {
                self.gather_patches(x, group, &mut patches);
                let kernels =
                    &weights.as_slice()[group * per_group * fan_in..][..per_group * fan_in];
                add_product(
                    &mut y[group * per_group * positions..][..per_group * positions],
                    View::new(&patches, positions, fan_in),
                    View::new(kernels, fan_in, per_group),
                );
            }
        }
    }

    /// im2col: entry (position, tap) is the input that the tap reads there, 0 in the padding.
    fn gather_patches(&self, x: &[f64], group: usize, patches: &mut [f64]) {
        let g = &self.geometry;
        let [_, height, width] = g.input;
        let [out_rows, out_cols] = g.output().expect("checked in new");
        let first = group * (g.input[0] / g.groups);
        for ((channel, ky, kx), patch) in
            g.taps().zip(patches.chunks_exact_mut(out_rows * out_cols))
        {
            let inside = (g.reads(0, ky, [0, out_rows]), g.reads(1, kx, [0, out_cols]));
            let (Some((rows, iy)), Some((cols, ix))) = inside else {
                patch.fill(0.0);
                continue;
            };
            let plane = &x[(first + channel) * height * width..][..height * width];
            patch[..rows.start * out_cols].fill(0.0);
            patch[rows.end * out_cols..].fill(0.0);
            let patch = &mut patch[rows.start * out_cols..rows.end * out_cols];
            let lines = plane[iy * width..].chunks(width).step_by(g.stride[0]);
            for (patch, line) in patch.chunks_exact_mut(out_cols).zip(lines) {
                patch[..cols.start].fill(0.0);
                patch[cols.end..].fill(0.0);
                let patch = &mut patch[cols.clone()];
                if g.stride[1] == 1 {
                    patch.copy_from_slice(&line[ix..][..patch.len()]);
                } else {
                    let inputs = line[ix..].iter().step_by(g.stride[1]);
                    patch.iter_mut().zip(inputs).for_each(|(value, input)| *value = *input);
                }
            }
        }
    }

    pub(super) fn add_apply_transposed(&self, a: &Matrix, x: &mut Matrix) {
        if a.ncols() >= FEW && self.is_wide(a) {
            return abreast(a, x, |a, x| {
                for (group, window) in self.windows(0).enumerate() {
                    let [inputs, outputs] = self.part(group);
                    kernel::add_convolved_back(window, &a[outputs], &mut x[inputs]);
                }
            });
        }
        let g = &self.geometry;
        let fan_in = g.fan_in();
        let per_group = g.channels / g.groups;
        let positions = g.positions();
        let (mut compact, mut patches) = (Vec::new(), Vec::new());
        for c in 0..a.ncols() {
            let (a, x) = (column(a, c), column_mut(x, c));
            for group in 0..g.groups {
                let a = &a[group * per_group * positions..][..per_group * positions];
                let Some(window) = self.support(a) else { continue };
                self.compact(a, window, &mut compact);
                let kernels =
                    &self.weights.as_slice()[group * per_group * fan_in..][..per_group * fan_in];
                patches.resize(window.len() * fan_in, 0.0);
                set_product(
                    &mut patches,
                    View::new(&compact, window.len(), per_group),
                    View::new(kernels, fan_in, per_group).t(),
                );
                self.scatter_patches(&patches, window, group, x);
            }
        }
    }

    /// Whether functionals are non-zero at so many positions that neighbouring ones share most of them: a sample is looked at.
    fn is_wide(&self, a: &Matrix) -> bool {
        let sample = (0..a.ncols()).step_by(a.ncols().div_ceil(SAMPLE));
        let (mut filled, mut all) = (0, 0);
        for c in sample {
            let column = column(a, c);
            filled += column.iter().filter(|a| **a != 0.0).count();
            all += column.len();
        }
        WIDE * filled >= all
    }

    /// The smallest window that holds every non-zero of a functional on one group's outputs.
    fn support(&self, a: &[f64]) -> Option<Window> {
        let [out_rows, out_cols] = self.geometry.output().expect("checked in new");
        let mut window = Window { rows: [usize::MAX, 0], cols: [usize::MAX, 0] };
        for (index, line) in a.chunks_exact(out_cols).enumerate() {
            let Some(left) = line.iter().position(|&v| v != 0.0) else { continue };
            let right = line.iter().rposition(|&v| v != 0.0).unwrap_or(left);
            let row = index % out_rows;
            window.rows = [window.rows[0].min(row), window.rows[1].max(row + 1)];
            window.cols = [window.cols[0].min(left), window.cols[1].max(right + 1)];
        }
        (window.rows[0] != usize::MAX).then_some(window)
    }

    fn compact(&self, a: &[f64], window: Window, out: &mut Vec<f64>) {
        let [out_rows, out_cols] = self.geometry.output().expect("checked in new");
        out.clear();
        for plane in a.chunks_exact(out_rows * out_cols) {
            for row in window.rows[0]..window.rows[1] {
                out.extend_from_slice(&plane[row * out_cols..][window.cols[0]..window.cols[1]]);
            }
        }
    }

    /// col2im: adds entry (position, tap) to the input that the tap reads there.
    fn scatter_patches(&self, patches: &[f64], window: Window, group: usize, x: &mut [f64]) {
        let g = &self.geometry;
        let [_, height, width] = g.input;
        let first = group * (g.input[0] / g.groups);
        let ([top, _], [left, right]) = (window.rows, window.cols);
        for ((channel, ky, kx), patch) in g.taps().zip(patches.chunks_exact(window.len())) {
            let inside = (g.reads(0, ky, window.rows), g.reads(1, kx, window.cols));
            let (Some((rows, iy)), Some((cols, ix))) = inside else { continue };
            let plane = &mut x[(first + channel) * height * width..][..height * width];
            let patch = &patch[(rows.start - top) * (right - left)..];
            let lines = plane[iy * width..].chunks_mut(width).step_by(g.stride[0]);
            for (patch, line) in patch.chunks_exact(right - left).take(rows.len()).zip(lines) {
                let values = &patch[cols.start - left..cols.end - left];
                if g.stride[1] == 1 {
                    line[ix..].iter_mut().zip(values).for_each(|(x, value)| *x += value);
                } else {
                    let inputs = line[ix..].iter_mut().step_by(g.stride[1]);
                    inputs.zip(values).for_each(|(x, value)| *x += value);
                }
            }
        }
    }

    pub(super) fn for_each_in_row(&self, row: usize, mut visit: impl FnMut(usize, f64)) {
        let g = &self.geometry;
        let [_, height, width] = g.input;
        let [_, out_cols] = g.output().expect("checked in new");
        let (out_channel, position) = (row / g.positions(), row % g.positions());
        let (oy, ox) = (position / out_cols, position % out_cols);
        let first = out_channel / (g.channels / g.groups) * (g.input[0] / g.groups);
        for ((channel, ky, kx), w) in g.taps().zip(self.weights.column(out_channel).iter()) {
            if let (Some(iy), Some(ix)) = (g.source(0, oy, ky), g.source(1, ox, kx)) {
                visit(((first + channel) * height + iy) * width + ix, *w);
            }
        }
    }

    pub(super) fn add_rows(&self, rows: &[usize], x: &mut Matrix) {
        for (c, &row) in rows.iter().enumerate() {
            let x = column_mut(x, c);
            self.for_each_in_row(row, |column, w| x[column] += w);
        }
    }
}

#[cfg(test)]
mod tests;
