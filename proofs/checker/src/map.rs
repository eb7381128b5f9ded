//! Linear maps between tensors, given by their rows: dense, sparse, or a convolution.
use crate::float::decode;

/// `y_i = Σ_j w_ij x_j` with finite weights; `rows` outputs, `columns` inputs.
#[derive(Debug)]
pub struct Map {
    rows: usize,
    columns: usize,
    kind: Kind,
    /// The least exponent of a weight's lowest bit, and the bits of the largest weight above it.
    exponent: i64,
    bits: usize,
    /// An upper bound of the number of weights in a column.
    column_terms: usize,
    /// At most one weight in every row and in every column.
    monomial: bool,
    /// Σ_j |w_ij| of each row i, of a convolution the sum of each output channel's weights; computed in f64.
    norms: Vec<f64>,
}

#[derive(Debug)]
enum Kind {
    /// Row-major weights.
    Dense(Vec<f64>),
    /// Row i holds `starts[i]..starts[i + 1]` of `index` (columns) and `weights`.
    Sparse {
        starts: Vec<usize>,
        index: Vec<u32>,
        weights: Vec<f64>,
    },
    Convolution(Convolution),
}

impl Kind {
    fn weights(&self) -> &[f64] {
        match self {
            Kind::Dense(weights) | Kind::Sparse { weights, .. } => weights,
            Kind::Convolution(c) => &c.weights,
        }
    }
}

/// A 2-D cross-correlation on channel-major tensors; the kernel is `[out channel][channel of the group][y][x]`.
#[derive(Clone, Debug)]
pub struct Convolution {
    pub channels: [usize; 2],
    pub input: [usize; 2],
    pub output: [usize; 2],
    pub kernel: [usize; 2],
    pub strides: [usize; 2],
    pub dilations: [usize; 2],
    /// Padding before the first row and the first column.
    pub pads: [usize; 2],
    pub groups: usize,
    pub weights: Vec<f64>,
}

/// Terms of a convolution that lie in a line: for k < count, weight · x[input + k·stride] is a term of y[output + k].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    pub output: usize,
    pub input: usize,
    pub count: usize,
    pub stride: usize,
    pub weight: f64,
}

/// One row of a map.
pub enum Row<'a> {
    Dense(&'a [f64]),
    Sparse(&'a [u32], &'a [f64]),
}

/// Room for a row that has to be put together.
#[derive(Default)]
pub struct Scratch {
    index: Vec<u32>,
    weights: Vec<f64>,
}

impl Map {
    /// A dense map; `None` if the sizes disagree. Stored sparsely where most weights are zero.
    pub fn dense(rows: usize, columns: usize, weights: Vec<f64>) -> Option<Map> {
        if rows.checked_mul(columns)? != weights.len() || columns >= u32::MAX as usize {
            return None;
        }
        let nonzero = weights.iter().filter(|w| **w != 0.0).count();
        if nonzero * 4 >= weights.len() {
            return Some(Map::new(rows, columns, Kind::Dense(weights)));
        }
        let mut lists = Vec::with_capacity(rows);
        for row in weights.chunks(columns.max(1)) {
            let list: Vec<_> =
                row.iter().enumerate().filter(|(_, w)| **w != 0.0).map(|(j, w)| (j, *w)).collect();
            lists.push(list);
        }
        lists.resize(rows, Vec::new());
        Map::sparse(columns, lists)
    }

    /// A map from the lists of its rows' (column, weight) pairs; `None` if a column is out of range.
    pub fn sparse(columns: usize, rows: Vec<Vec<(usize, f64)>>) -> Option<Map> {
        if columns >= u32::MAX as usize || rows.iter().flatten().any(|(j, _)| *j >= columns) {
            return None;
        }
        let mut starts = vec![0];
        let (mut index, mut weights) = (Vec::new(), Vec::new());
        let count = rows.len();
        for row in rows {
            for (j, w) in row {
                index.push(j as u32);
                weights.push(w);
            }
            starts.push(index.len());
        }
        Some(Map::new(count, columns, Kind::Sparse { starts, index, weights }))
    }

    /// A convolution; `None` if its sizes disagree.
    pub fn convolution(c: Convolution) -> Option<Map> {
        let volume = |a: usize, [b, d]: [usize; 2]| a.checked_mul(b)?.checked_mul(d);
        let [out_channels, in_channels] = c.channels;
        let fine = c.groups > 0
            && out_channels % c.groups == 0
            && in_channels % c.groups == 0
            && c.strides.iter().chain(&c.dilations).all(|s| *s > 0 && *s < 1 << 20)
            && c.pads
                .iter()
                .chain(&c.kernel)
                .chain(&c.input)
                .chain(&c.output)
                .all(|p| *p < 1 << 30)
            && out_channels.checked_mul(volume(in_channels / c.groups, c.kernel)?)?
                == c.weights.len();
        let (rows, columns) = (volume(out_channels, c.output)?, volume(in_channels, c.input)?);
        if !fine || columns >= u32::MAX as usize {
            return None;
        }
        let kind = if c.is_full() { Kind::Dense(c.weights) } else { Kind::Convolution(c.flat()) };
        Some(Map::new(rows, columns, kind))
    }

    fn new(rows: usize, columns: usize, kind: Kind) -> Map {
        let parts = || kind.weights().iter().filter(|w| **w != 0.0).map(|w| decode(*w));
        let exponent = parts().map(|p| p.exponent as i64).min().unwrap_or(0);
        let top = parts().map(|p| p.exponent as i64 + 64 - p.mantissa.leading_zeros() as i64).max();
        let bits = top.map_or(0, |t| (t - exponent) as usize);
        let (column_terms, monomial) = match &kind {
            Kind::Dense(_) => (rows, false),
            Kind::Convolution(c) => (c.weights.len().min(rows), false),
            Kind::Sparse { starts, index, .. } => {
                let mut count = vec![0usize; columns];
                index.iter().for_each(|j| count[*j as usize] += 1);
                let most = count.into_iter().max().unwrap_or(0);
                (most, most <= 1 && starts.windows(2).all(|s| s[1] - s[0] <= 1))
            }
        };
        let sum = |w: &[f64]| w.iter().map(|w| w.abs()).sum();
        let norms = match &kind {
            Kind::Dense(w) => (0..rows).map(|i| sum(&w[i * columns..(i + 1) * columns])).collect(),
            Kind::Sparse { starts, weights, .. } => {
                starts.windows(2).map(|s| sum(&weights[s[0]..s[1]])).collect()
            }
            Kind::Convolution(c) => (0..c.channels[0]).map(|k| sum(c.taps(k))).collect(),
        };
        Map { rows, columns, kind, exponent, bits, column_terms, monomial, norms }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// e and n such that every weight is an integer of at most n bits times 2^e.
    pub fn scale(&self) -> (i64, usize) {
        (self.exponent, self.bits)
    }

    /// Not less than Σ_j |w_ij| for row i, but for the rounding of a sum of at most `columns` terms.
    pub fn norm(&self, i: usize) -> f64 {
        match &self.kind {
            Kind::Convolution(c) => self.norms[i / (c.output[0] * c.output[1])],
            _ => self.norms[i],
        }
    }

    /// An upper bound of the number of terms that any column of a product with this map is the sum of.
    pub fn column_terms(&self) -> usize {
        self.column_terms
    }

    /// An upper bound of the number of weights in a row.
    pub fn row_terms(&self) -> usize {
        match &self.kind {
            Kind::Dense(_) => self.columns,
            Kind::Sparse { starts, .. } => {
                starts.windows(2).map(|s| s[1] - s[0]).max().unwrap_or(0)
            }
            Kind::Convolution(c) => c.weights.len() / c.channels[0].max(1),
        }
    }

    /// An upper bound of the number of weights in all rows.
    pub fn work(&self) -> usize {
        match &self.kind {
            Kind::Convolution(_) => self.row_terms().saturating_mul(self.rows),
            kind => kind.weights().len(),
        }
    }

    /// An upper bound of the number of weights in row i.
    pub fn terms(&self, i: usize) -> usize {
        match &self.kind {
            Kind::Sparse { starts, .. } => starts[i + 1] - starts[i],
            _ => self.columns,
        }
    }

    /// The memory that it takes.
    pub fn bytes(&self) -> usize {
        let places = match &self.kind {
            Kind::Sparse { starts, index, .. } => 8 * starts.len() + 4 * index.len(),
            _ => 0,
        };
        places + 8 * (self.kind.weights().len() + self.norms.len())
    }

    pub fn is_monomial(&self) -> bool {
        self.monomial
    }

    pub fn is_dense(&self) -> bool {
        matches!(self.kind, Kind::Dense(_))
    }

    pub fn is_sparse(&self) -> bool {
        matches!(self.kind, Kind::Sparse { .. })
    }

    pub fn is_finite(&self) -> bool {
        self.kind.weights().iter().all(|w| w.is_finite())
    }

    /// Calls f for all terms, as runs, of weights that are not zero; `None` if the map is no convolution.
    pub fn each_run(&self, mut f: impl FnMut(Run)) -> Option<()> {
        let Kind::Convolution(c) = &self.kind else { return None };
        for channel in 0..c.channels[0] {
            c.each_run(channel, |run| {
                if run.weight != 0.0 {
                    f(run);
                }
            });
        }
        Some(())
    }

    /// The number of rows at one place that read the same columns, and the number of places; `None` of a sparse map.
    pub fn planes(&self) -> Option<[usize; 2]> {
        match &self.kind {
            Kind::Dense(_) => Some([self.rows, 1]),
            Kind::Sparse { .. } => None,
            Kind::Convolution(c) => Some([c.channels[0] / c.groups, c.output[0] * c.output[1]]),
        }
    }

    /// Calls f(number of the weight, column) for every weight of row i, but of a sparse map; zero or not.
    pub fn each_tap(&self, i: usize, mut f: impl FnMut(usize, usize)) {
        match &self.kind {
            Kind::Convolution(c) => c.each_tap(i, f),
            _ => (0..self.columns).for_each(|j| f(j, j)),
        }
    }

    /// The weights of row i by their number, but of a sparse map.
    pub fn taps(&self, i: usize) -> &[f64] {
        match &self.kind {
            Kind::Dense(w) => &w[i * self.columns..(i + 1) * self.columns],
            Kind::Sparse { .. } => &[],
            Kind::Convolution(c) => c.taps(i / (c.output[0] * c.output[1])),
        }
    }

    /// Row i; `scratch` may hold it.
    pub fn row<'a>(&'a self, i: usize, scratch: &'a mut Scratch) -> Row<'a> {
        match &self.kind {
            Kind::Dense(w) => Row::Dense(&w[i * self.columns..(i + 1) * self.columns]),
            Kind::Sparse { starts, index, weights } => {
                Row::Sparse(&index[starts[i]..starts[i + 1]], &weights[starts[i]..starts[i + 1]])
            }
            Kind::Convolution(c) => {
                c.row(i, scratch);
                Row::Sparse(&scratch.index, &scratch.weights)
            }
        }
    }
}

impl Convolution {
    /// Whether there is one output a channel, and its kernel is as large as the input: weights are rows as they stand.
    fn is_full(&self) -> bool {
        let dense = |(kernel, step): (&usize, &usize)| *kernel == 1 || *step == 1;
        self.groups == 1
            && self.output == [1, 1]
            && self.pads == [0, 0]
            && self.kernel == self.input
            && self.kernel.iter().zip(&self.dilations).all(dense)
    }

    /// A kernel of width 1 that moves by single steps sees a plane as one long line.
    fn flat(self) -> Convolution {
        let ([input, across], [output, _]) = (self.input, self.output);
        let width = self.output[1];
        let fits =
            self.kernel[1] == 1 && self.strides == [1, 1] && self.pads[1] == 0 && across == width;
        let most = [input, output, self.pads[0], self.kernel[0].saturating_mul(self.dilations[0])];
        let small = |n: &usize| n.checked_mul(width).is_some_and(|n| n < 1 << 50);
        if !(fits && width > 0 && most.iter().all(small)) {
            return self;
        }
        let [input, output, pad, step] =
            [input, output, self.pads[0], self.dilations[0]].map(|n| n * width);
        Convolution {
            input: [1, input],
            output: [1, output],
            kernel: [1, self.kernel[0]],
            dilations: [1, step],
            pads: [0, pad],
            ..self
        }
    }

    /// The weights of one output channel, by their number.
    fn taps(&self, channel: usize) -> &[f64] {
        let count = self.channels[1] / self.groups * self.kernel[0] * self.kernel[1];
        &self.weights[channel * count..][..count]
    }

    /// For every weight of an output channel and every line of outputs, those whose tap is inside of the input.
    fn each_run(&self, channel: usize, mut f: impl FnMut(Run)) {
        let [out_channels, in_channels] = self.channels;
        let [height, width] = self.output;
        let (per_group, taps) = (in_channels / self.groups, self.kernel[0] * self.kernel[1]);
        let group = channel / (out_channels / self.groups);
        for (tap, weight) in self.taps(channel).iter().enumerate() {
            let from = group * per_group + tap / taps;
            let (ky, kx) = (tap % taps / self.kernel[1], tap % taps % self.kernel[1]);
            // Output x has its tap at column x·stride + shift − pad.
            let (shift, stride, pad) = (kx * self.dilations[1], self.strides[1], self.pads[1]);
            let first = pad.saturating_sub(shift).div_ceil(stride);
            let end = (self.input[1] + pad).saturating_sub(shift).div_ceil(stride).min(width);
            if first >= end {
                continue;
            }
            for y in 0..height {
                let line = (y * self.strides[0] + ky * self.dilations[0]).checked_sub(self.pads[0]);
                let Some(line) = line.filter(|line| *line < self.input[0]) else { continue };
                f(Run {
                    output: (channel * height + y) * width + first,
                    input: (from * self.input[0] + line) * self.input[1] + first * stride + shift
                        - pad,
                    count: end - first,
                    stride,
                    weight: *weight,
                });
            }
        }
    }

    fn row(&self, i: usize, scratch: &mut Scratch) {
        scratch.index.clear();
        scratch.weights.clear();
        let plane = self.output[0] * self.output[1];
        let weights = self.taps(i / plane);
        self.each_tap(i, |tap, column| {
            if weights[tap] != 0.0 {
                scratch.index.push(column as u32);
                scratch.weights.push(weights[tap]);
            }
        });
    }

    /// Calls f(number of the weight, column) for every weight whose tap at output i is inside of the input.
    fn each_tap(&self, i: usize, mut f: impl FnMut(usize, usize)) {
        let (plane, [out_channels, in_channels]) = (self.output[0] * self.output[1], self.channels);
        let (channel, y, x) = (i / plane, i % plane / self.output[1], i % self.output[1]);
        let per_group = in_channels / self.groups;
        let first = channel / (out_channels / self.groups) * per_group;
        let taps = self.kernel[0] * self.kernel[1];
        for g in 0..per_group {
            for ky in 0..self.kernel[0] {
                // Positions are shifted by the padding, so that they stay unsigned.
                let at = y * self.strides[0] + ky * self.dilations[0];
                if at < self.pads[0] || at - self.pads[0] >= self.input[0] {
                    continue;
                }
                let line = ((first + g) * self.input[0] + at - self.pads[0]) * self.input[1];
                for kx in 0..self.kernel[1] {
                    let at = x * self.strides[1] + kx * self.dilations[1];
                    if at >= self.pads[1] && at - self.pads[1] < self.input[1] {
                        f(g * taps + ky * self.kernel[1] + kx, line + at - self.pads[1]);
                    }
                }
            }
        }
    }
}

impl Row<'_> {
    /// Calls `f(column, weight)` for every weight of the row.
    #[inline]
    pub fn each(&self, mut f: impl FnMut(usize, f64)) {
        match self {
            Row::Dense(w) => w.iter().enumerate().for_each(|(j, w)| f(j, *w)),
            Row::Sparse(index, w) => {
                index.iter().zip(*w).for_each(|(j, w)| f(*j as usize, *w));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Only where it stands still is a kernel as large as the input a dense map of the same weights.
    #[test]
    fn kernels_as_large_as_the_input_are_dense() {
        let map = |columns: usize, pads: [usize; 2], strides: [usize; 2]| {
            let convolution = Convolution {
                channels: [2, 1],
                input: [2, columns],
                output: [1, 1],
                kernel: [2, 3],
                strides,
                dilations: [1, 1],
                pads,
                groups: 1,
                weights: (0..12).map(f64::from).collect(),
            };
            Map::convolution(convolution).unwrap()
        };
        let row = |map: &Map| {
            let mut row = vec![0.0; map.columns()];
            map.row(1, &mut Scratch::default()).each(|j, w| row[j] += w);
            row
        };
        let dense = map(3, [0, 0], [1, 1]);
        assert!(dense.is_dense());
        assert_eq!(row(&dense), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        let padded = map(3, [0, 1], [3, 3]);
        assert!(!padded.is_dense());
        assert_eq!(row(&padded), [7.0, 8.0, 0.0, 10.0, 11.0, 0.0]);
        let smaller = map(4, [0, 0], [1, 2]);
        assert!(!smaller.is_dense());
        assert_eq!(row(&smaller), [6.0, 7.0, 8.0, 0.0, 9.0, 10.0, 11.0, 0.0]);
    }

    proptest! {
        /// The runs of a convolution are its rows.
        #[test]
        fn runs_and_rows_agree(
            groups in 1usize..3, out in 1usize..3, inner in 1usize..3,
            input in prop::array::uniform2(1usize..7), kernel in prop::array::uniform2(1usize..4),
            strides in prop::array::uniform2(1usize..4), dilations in prop::array::uniform2(1usize..3),
            pads in prop::array::uniform2(0usize..4), after in prop::array::uniform2(0usize..4),
        ) {
            let side = |i: usize| {
                let room = input[i] + pads[i] + after[i];
                room.checked_sub((kernel[i] - 1) * dilations[i] + 1).map(|r| r / strides[i] + 1)
            };
            let (Some(height), Some(width)) = (side(0), side(1)) else { return Ok(()) };
            let count = groups * out * inner * kernel[0] * kernel[1];
            let map = Map::convolution(Convolution {
                channels: [groups * out, groups * inner],
                input, output: [height, width], kernel, strides, dilations, pads, groups,
                weights: (0..count).map(|i| (i % 5) as f64 - 1.0).collect(),
            }).unwrap();
            let mut by_rows = vec![vec![0.0; map.columns()]; map.rows()];
            let mut scratch = Scratch::default();
            for (i, row) in by_rows.iter_mut().enumerate() {
                map.row(i, &mut scratch).each(|j, w| row[j] += w);
            }
            let mut by_runs = vec![vec![0.0; map.columns()]; map.rows()];
            let runs = map.each_run(|run| {
                for k in 0..run.count {
                    by_runs[run.output + k][run.input + k * run.stride] += run.weight;
                }
            });
            // Against the definition, as a kernel may have been flattened.
            let mut direct = vec![vec![0.0; map.columns()]; map.rows()];
            let weight = |o: usize, c: usize, ky: usize, kx: usize| {
                ((((o * inner + c) * kernel[0] + ky) * kernel[1] + kx) % 5) as f64 - 1.0
            };
            for (o, y, x) in (0..groups * out).flat_map(|o| (0..height).flat_map(move |y| (0..width).map(move |x| (o, y, x)))) {
                for (c, ky, kx) in (0..inner).flat_map(|c| (0..kernel[0]).flat_map(move |ky| (0..kernel[1]).map(move |kx| (c, ky, kx)))) {
                    let at = [y * strides[0] + ky * dilations[0], x * strides[1] + kx * dilations[1]];
                    if (0..2).all(|i| at[i] >= pads[i] && at[i] - pads[i] < input[i]) {
                        let from = (o / out * inner + c) * input[0] * input[1];
                        let j = from + (at[0] - pads[0]) * input[1] + at[1] - pads[1];
                        direct[(o * height + y) * width + x][j] += weight(o, c, ky, kx);
                    }
                }
            }
            for (i, row) in by_rows.iter().enumerate() {
                prop_assert!(map.norm(i) >= row.iter().map(|w| w.abs()).sum());
            }
            prop_assert_eq!(&direct, &by_rows);
            // A kernel as large as the input has rows only.
            prop_assert_eq!(runs.is_none(), map.is_dense());
            if map.is_dense() {
                prop_assert!([height, width] == [1, 1] && kernel == input);
                return Ok(());
            }
            prop_assert_eq!(by_rows, by_runs);
        }
    }
}
