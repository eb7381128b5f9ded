//! Inner loops over slices, compiled for AVX-512, AVX2 and the baseline, the best one chosen at run time.
//!
//! Sums are taken in interleaved parts, in an order that depends on the processor; the a-priori charges of `num` hold for
//! every order.
//!
//! What an inner loop reads while it writes is copied first: within a closure the compiler does not know that two slices are apart.

use pulp::Arch;

const LANES: usize = 16;

/// Runs an inner loop as it was compiled for the best instructions that this processor has.
#[inline(always)]
pub(crate) fn vectorised<R>(inner: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(inner)
}

/// A sum over two slices in interleaved parts, which the compiler can vectorise.
#[inline(always)]
fn lanes(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_blocks
        .remainder()
        .iter()
        .zip(b_blocks.remainder())
        .fold(0.0, |sum, (&a, &b)| sum + f(a, b));
    for (a, b) in a_blocks.zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += f(a[lane], b[lane]);
        }
    }
    sums.iter().fold(rest, |sum, part| sum + part)
}

/// Σ |aᵢ| bᵢ.
pub fn abs_dot(a: &[f64], b: &[f64]) -> f64 {
    vectorised(
        #[inline(always)]
        || lanes(a, b, |a, b| a.abs() * b),
    )
}

/// Σ aᵢ bᵢ and Σ |aᵢ bᵢ|, in the same order: where parts of the first overflow, so does the second.
pub fn dot(a: &[f64], b: &[f64]) -> (f64, f64) {
    vectorised(
        #[inline(always)]
        || (lanes(a, b, |a, b| a * b), lanes(a, b, |a, b| (a * b).abs())),
    )
}

/// Σ min(aᵢ lᵢ, aᵢ uᵢ) and the sum of the magnitudes; not a number where a coefficient is none.
pub fn corner(a: &[f64], l: &[f64], u: &[f64]) -> (f64, f64) {
    vectorised(
        #[inline(always)]
        || {
            let n = a.len();
            let (l, u) = (&l[..n], &u[..n]);
            let least = |i: usize| {
                let (positive, negative) = parts(a[i]);
                positive * l[i] + negative * u[i]
            };
            let (mut sums, mut reaches) = ([0.0; LANES], [0.0; LANES]);
            let blocks = n / LANES * LANES;
            for start in (0..blocks).step_by(LANES) {
                for lane in 0..LANES {
                    let value = least(start + lane);
                    sums[lane] += value;
                    reaches[lane] += value.abs();
                }
            }
            let (mut sum, mut reach) = (0.0, 0.0);
            for i in blocks..n {
                let value = least(i);
                sum += value;
                reach += value.abs();
            }
            for lane in 0..LANES {
                sum += sums[lane];
                reach += reaches[lane];
            }
            (sum, reach)
        },
    )
}

/// max(a, 0) and min(a, 0); the latter is not a number where a is none or infinite, so that no such coefficient is lost.
#[inline(always)]
fn parts(a: f64) -> (f64, f64) {
    let positive = if a > 0.0 { a } else { 0.0 };
    (positive, a - positive)
}

/// y += w x and r += |w| s, in one pass over w.
pub fn add_scaled(w: &[f64], x: f64, y: &mut [f64], s: f64, r: &mut [f64]) {
    vectorised(
        #[inline(always)]
        || {
            for ((w, y), r) in w.iter().zip(y).zip(r) {
                *y += w * x;
                *r += w.abs() * s;
            }
        },
    )
}

/// y += |w| s.
pub fn add_abs_scaled(w: &[f64], s: f64, y: &mut [f64]) {
    vectorised(
        #[inline(always)]
        || {
            for (w, y) in w.iter().zip(y) {
                *y += w.abs() * s;
            }
        },
    )
}

/// The lines of one node over one domain, elementwise.
#[derive(Clone, Copy)]
pub struct Slopes<'a> {
    /// Slopes of lower lines.
    pub lower: &'a [f64],
    /// Slopes of upper lines.
    pub upper: &'a [f64],
    /// Intercepts of upper lines; those of lower lines are 0.
    pub intercept: &'a [f64],
}

/// outᵢ = aᵢ · (lower slope where aᵢ ≥ 0, else upper slope); returns Σ min(aᵢ, 0) tᵢ and Σ |outᵢ| mᵢ. An aᵢ that is infinite or no
/// number leaves outᵢ, and so the second sum, infinite or no number.
pub fn relax(a: &[f64], slopes: Slopes, m: &[f64], out: &mut [f64]) -> (f64, f64) {
    vectorised(
        #[inline(always)]
        || {
            let n = a.len();
            let (al, au, t, m, out) = (
                &slopes.lower[..n],
                &slopes.upper[..n],
                &slopes.intercept[..n],
                &m[..n],
                &mut out[..n],
            );
            let (mut intercepts, mut reaches) = ([0.0; LANES], [0.0; LANES]);
            let blocks = n / LANES * LANES;
            for start in (0..blocks).step_by(LANES) {
                let mut values = [0.0; LANES];
                for lane in 0..LANES {
                    let i = start + lane;
                    let (positive, negative) = parts(a[i]);
                    let value = if a[i] > 0.0 { positive * al[i] } else { negative * au[i] };
                    values[lane] = value;
                    intercepts[lane] += negative * t[i];
                    reaches[lane] += value.abs() * m[i];
                }
                out[start..start + LANES].copy_from_slice(&values);
            }
            let (mut intercept, mut reach) = (0.0, 0.0);
            for i in blocks..n {
                let (positive, negative) = parts(a[i]);
                let value = if a[i] > 0.0 { positive * al[i] } else { negative * au[i] };
                out[i] = value;
                intercept += negative * t[i];
                reach += value.abs() * m[i];
            }
            for lane in 0..LANES {
                intercept += intercepts[lane];
                reach += reaches[lane];
            }
            (intercept, reach)
        },
    )
}

/// Columns that sparse products treat together.
pub const ABREAST: usize = 8;

/// A sparse matrix in compressed rows.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// Where each row starts, and the end of the last.
    pub starts: &'a [usize],
    /// Columns of the entries.
    pub columns: &'a [u32],
    /// Their values.
    pub weights: &'a [f64],
}

/// y += W x for several columns abreast.
pub fn add_gathered(w: Rows, x: &[[f64; ABREAST]], y: &mut [[f64; ABREAST]]) {
    vectorised(
        #[inline(always)]
        || {
            for (range, y) in w.starts.windows(2).zip(y) {
                let columns = w.columns[range[0]..range[1]].chunks_exact(2);
                let weights = w.weights[range[0]..range[1]].chunks_exact(2);
                let (mut even, mut odd) = (*y, [0.0; ABREAST]);
                if let (&[c], &[w]) = (columns.remainder(), weights.remainder()) {
                    let x = x[c as usize];
                    odd = std::array::from_fn(|k| w * x[k]);
                }
                for (c, w) in columns.zip(weights) {
                    let (a, b) = (x[c[0] as usize], x[c[1] as usize]);
                    even = std::array::from_fn(|k| even[k] + w[0] * a[k]);
                    odd = std::array::from_fn(|k| odd[k] + w[1] * b[k]);
                }
                *y = std::array::from_fn(|k| even[k] + odd[k]);
            }
        },
    )
}

/// x += Wᵀ a for several columns abreast.
pub fn add_scattered(w: Rows, a: &[[f64; ABREAST]], x: &mut [[f64; ABREAST]]) {
    vectorised(
        #[inline(always)]
        || {
            for (range, a) in w.starts.windows(2).zip(a) {
                // What is copied cannot be what is written: only so are eight columns one instruction.
                let a = *a;
                if a == [0.0; ABREAST] {
                    continue;
                }
                let (columns, weights) =
                    (&w.columns[range[0]..range[1]], &w.weights[range[0]..range[1]]);
                for (&c, &w) in columns.iter().zip(weights) {
                    let x = &mut x[c as usize];
                    let before = *x;
                    *x = std::array::from_fn(|k| before[k] + w * a[k]);
                }
            }
        },
    )
}

/// One group of a convolution, as its inner loops need it.
#[derive(Clone, Copy)]
pub struct ConvGroup<'a> {
    /// Input channels, height and width.
    pub input: [usize; 3],
    /// Output channels, height and width.
    pub output: [usize; 3],
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Vertical and horizontal dilation.
    pub dilation: [usize; 2],
    /// Padding at the top and on the left.
    pub pads: [usize; 2],
    /// The weights of [`ABREAST`] output channels, 0 beyond the last one: tap by tap (channel, row, column), block of channels by block.
    pub weights: &'a [[f64; ABREAST]],
}

impl ConvGroup<'_> {
    fn taps(&self) -> usize {
        self.input[0] * self.kernel[0] * self.kernel[1]
    }

    /// The taps along an axis that read no padding for output row (column) `at`, and the input row (column) that the first one reads.
    #[inline(always)]
    fn inside(&self, axis: usize, at: usize) -> (usize, usize, usize) {
        let (base, step) = (at * self.stride[axis], self.dilation[axis]);
        let (pad, end) = (self.pads[axis], self.pads[axis] + self.input[axis + 1]);
        let first = pad.saturating_sub(base).div_ceil(step).min(self.kernel[axis]);
        let last = end.saturating_sub(base).div_ceil(step).min(self.kernel[axis]);
        // Where no tap is inside, nothing is read.
        (first, last.max(first), (base + first * step).saturating_sub(pad))
    }
}

/// y += W x of a convolution for several columns abreast.
pub fn add_convolved(group: ConvGroup, x: &[[f64; ABREAST]], y: &mut [[f64; ABREAST]]) {
    vectorised(
        #[inline(always)]
        || {
            // A copy, which no store through x or y can change.
            let w = group;
            let [channels, height, width] = w.input;
            let [outputs, rows, cols] = w.output;
            let (taps, [kernel_rows, kernel_cols], step) = (w.taps(), w.kernel, w.dilation[1]);
            for oy in 0..rows {
                let (ky_first, ky_end, iy) = w.inside(0, oy);
                for ox in 0..cols {
                    let (kx_first, kx_end, ix) = w.inside(1, ox);
                    if kx_first == kx_end {
                        continue;
                    }
                    for (block, weights) in w.weights.chunks_exact(taps).enumerate() {
                        let mut sums = [[0.0; ABREAST]; ABREAST];
                        for c in 0..channels {
                            for ky in ky_first..ky_end {
                                let row = c * height + iy + (ky - ky_first) * w.dilation[0];
                                let x = x[row * width..][..width][ix..].iter().step_by(step);
                                let first = (c * kernel_rows + ky) * kernel_cols;
                                for (x, w) in x.zip(&weights[first + kx_first..first + kx_end]) {
                                    let x = *x;
                                    sums = std::array::from_fn(|o| {
                                        std::array::from_fn(|k| sums[o][k] + w[o] * x[k])
                                    });
                                }
                            }
                        }
                        let here = ABREAST.min(outputs - block * ABREAST);
                        for (o, sums) in sums[..here].iter().enumerate() {
                            let y = &mut y[((block * ABREAST + o) * rows + oy) * cols + ox];
                            (0..ABREAST).for_each(|k| y[k] += sums[k]);
                        }
                    }
                }
            }
        },
    )
}

/// x += Wᵀ a of a convolution for several columns abreast; positions where all are 0 are passed over.
pub fn add_convolved_back(group: ConvGroup, a: &[[f64; ABREAST]], x: &mut [[f64; ABREAST]]) {
    vectorised(
        #[inline(always)]
        || {
            // A copy, which no store through x or y can change.
            let w = group;
            let [channels, height, width] = w.input;
            let [outputs, rows, cols] = w.output;
            let (taps, [kernel_rows, kernel_cols], step) = (w.taps(), w.kernel, w.dilation[1]);
            for oy in 0..rows {
                let (ky_first, ky_end, iy) = w.inside(0, oy);
                for ox in 0..cols {
                    let (kx_first, kx_end, ix) = w.inside(1, ox);
                    if kx_first == kx_end {
                        continue;
                    }
                    for (block, weights) in w.weights.chunks_exact(taps).enumerate() {
                        let mut here = [[0.0; ABREAST]; ABREAST];
                        let mut any = 0.0;
                        for o in 0..ABREAST.min(outputs - block * ABREAST) {
                            here[o] = a[((block * ABREAST + o) * rows + oy) * cols + ox];
                            (0..ABREAST)
                                .for_each(|k| any += f64::from(u8::from(here[o][k] != 0.0)));
                        }
                        if any == 0.0 {
                            continue;
                        }
                        for c in 0..channels {
                            for ky in ky_first..ky_end {
                                let row = c * height + iy + (ky - ky_first) * w.dilation[0];
                                let x = x[row * width..][..width][ix..].iter_mut().step_by(step);
                                let first = (c * kernel_rows + ky) * kernel_cols;
                                for (x, w) in x.zip(&weights[first + kx_first..first + kx_end]) {
                                    let mut sum = *x;
                                    for o in 0..ABREAST {
                                        for k in 0..ABREAST {
                                            sum[k] += w[o] * here[o][k];
                                        }
                                    }
                                    *x = sum;
                                }
                            }
                        }
                    }
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_summed_whole() {
        for n in 0..50 {
            let a: Vec<f64> = (0..n).map(|i| f64::from(i) - 7.0).collect();
            let b: Vec<f64> = (0..n).map(|i| f64::from(i % 5)).collect();
            let plain: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            let magnitude: f64 = a.iter().zip(&b).map(|(a, b)| a.abs() * b).sum();
            assert_eq!((dot(&a, &b), abs_dot(&a, &b)), ((plain, magnitude), magnitude));
            let twice: Vec<f64> = b.iter().map(|b| 2.0 * b).collect();
            let least: f64 = a.iter().zip(&b).map(|(a, b)| (a * b).min(2.0 * a * b)).sum();
            let reach: f64 = a.iter().zip(&b).map(|(a, b)| (a * b).min(2.0 * a * b).abs()).sum();
            assert_eq!(corner(&a, &b, &twice), (least, reach));
            let mut out = vec![0.0; a.len()];
            let ones = vec![1.0; a.len()];
            let slopes = Slopes { lower: &ones, upper: &b, intercept: &b };
            let (intercept, reach) = relax(&a, slopes, &ones, &mut out);
            let expected: Vec<f64> =
                a.iter().zip(&b).map(|(&a, &b)| if a >= 0.0 { a } else { a * b }).collect();
            assert_eq!(out, expected);
            assert_eq!(intercept, a.iter().zip(&b).map(|(a, b)| a.min(0.0) * b).sum::<f64>());
            assert_eq!(reach, expected.iter().map(|v| v.abs()).sum::<f64>());
        }
    }

    /// Whatever its place: in a block of lanes or after them.
    #[test]
    fn no_coefficient_is_lost_that_is_not_finite() {
        for (n, at) in [(3, 1), (40, 17), (40, 39)] {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut a = vec![1.0; n];
                a[at] = bad;
                let (ones, mut out) = (vec![1.0; n], vec![0.0; n]);
                let slopes = Slopes { lower: &ones, upper: &ones, intercept: &ones };
                assert!(!relax(&a, slopes, &ones, &mut out).1.is_finite());
                assert!(!out[at].is_finite());
                assert!(!corner(&a, &ones, &ones).1.is_finite());
                assert!(!dot(&a, &ones).1.is_finite());
            }
        }
    }
}
