//! A sparse linear operator in compressed rows: slices, transposes, pads, pooling averages, diagonal scalings, and
//! weight matrices that are mostly zero.

use super::Matrix;
use super::kernel::{self, ABREAST, Rows};
use std::sync::OnceLock;

/// From so many columns on, products take them abreast.
const FEW: usize = 2;

/// A sparse matrix (out × in) in compressed sparse row form.
#[derive(Debug, Clone)]
pub struct Sparse {
    inputs: usize,
    starts: Vec<usize>,
    columns: Vec<u32>,
    weights: Vec<f64>,
    magnitudes: OnceLock<Vec<f64>>,
    longest_column: usize,
    only_signs: bool,
}

impl Sparse {
    /// Builds the matrix from one list of (column, weight) a row; exact zeros are dropped.
    ///
    /// # Panics
    /// Where a column lies outside `0..inputs`, or there are 2³² columns.
    #[must_use]
    pub fn from_rows<R, I>(inputs: usize, rows: R) -> Self
    where
        R: IntoIterator<Item = I>,
        I: IntoIterator<Item = (usize, f64)>,
    {
        let mut sparse = Self {
            inputs,
            starts: vec![0],
            columns: Vec::new(),
            weights: Vec::new(),
            magnitudes: OnceLock::new(),
            longest_column: 0,
            only_signs: true,
        };
        let mut lengths = vec![0; inputs];
        for row in rows {
            for (column, weight) in row {
                assert!(column < inputs, "column {column} of {inputs}");
                if weight != 0.0 {
                    sparse.columns.push(u32::try_from(column).expect("fewer than 2³² columns"));
                    sparse.weights.push(weight);
                    sparse.only_signs &= weight.abs() == 1.0;
                    lengths[column] += 1;
                }
            }
            sparse.starts.push(sparse.columns.len());
        }
        sparse.longest_column = lengths.into_iter().max().unwrap_or(0);
        sparse
    }

    /// y_i = x_{index_i}: slices, transposes, gathers.
    #[must_use]
    pub fn gather(inputs: usize, indices: impl IntoIterator<Item = usize>) -> Self {
        Self::from_rows(inputs, indices.into_iter().map(|i| [(i, 1.0)]))
    }

    /// y_{offset+i} = x_i for i < inputs, other entries 0: one operand of a concatenation.
    #[must_use]
    pub fn scatter(inputs: usize, outputs: usize, targets: &[usize]) -> Self {
        let mut source = vec![None; outputs];
        for (i, &target) in targets.iter().enumerate() {
            source[target] = Some((i, 1.0));
        }
        Self::from_rows(inputs, source)
    }

    /// y_i = d_i x_i.
    #[must_use]
    pub fn diagonal(scales: &[f64]) -> Self {
        Self::from_rows(scales.len(), scales.iter().enumerate().map(|(i, &s)| [(i, s)]))
    }

    /// The identity of dimension n.
    #[must_use]
    pub fn identity(n: usize) -> Self {
        Self::gather(n, 0..n)
    }

    /// Number of columns.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of rows.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of stored entries.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.weights.len()
    }

    /// Every stored weight.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The entries (column, weight) of a row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[row]..self.starts[row + 1];
        self.columns[range.clone()]
            .iter()
            .map(|&c| c as usize)
            .zip(self.weights[range].iter().copied())
    }

    /// Whether every row has at most one entry and every column too: outputs are scalings of distinct inputs.
    #[must_use]
    pub fn is_injective(&self) -> bool {
        let mut seen = vec![false; self.inputs];
        self.longest_row() <= 1
            && self.columns.iter().all(|&c| !std::mem::replace(&mut seen[c as usize], true))
    }

    /// The most entries in any row.
    #[must_use]
    pub fn longest_row(&self) -> usize {
        self.starts.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)
    }

    /// The most entries in any column; an element that a row names twice counts twice.
    #[must_use]
    pub fn longest_column(&self) -> usize {
        self.longest_column
    }

    /// Whether every entry is 1 or −1.
    #[must_use]
    pub fn only_signs(&self) -> bool {
        self.only_signs
    }

    pub(super) fn add_apply(&self, x: &Matrix, y: &mut Matrix) {
        self.add_apply_with(&self.weights, x, y);
    }

    pub(super) fn add_apply_abs(&self, x: &Matrix, y: &mut Matrix) {
        let magnitudes = self
            .magnitudes
            .get_or_init(|| self.weights.iter().map(|weight| weight.abs()).collect());
        self.add_apply_with(magnitudes, x, y);
    }

    fn add_apply_with(&self, weights: &[f64], x: &Matrix, y: &mut Matrix) {
        if x.ncols() >= FEW {
            let rows = Rows { starts: &self.starts, columns: &self.columns, weights };
            return abreast(x, y, |x, y| kernel::add_gathered(rows, x, y));
        }
        for c in 0..x.ncols() {
            let (x, y) = (column(x, c), column_mut(y, c));
            for (row, y) in y.iter_mut().enumerate() {
                for e in self.starts[row]..self.starts[row + 1] {
                    *y += weights[e] * x[self.columns[e] as usize];
                }
            }
        }
    }

    pub(super) fn add_apply_transposed(&self, a: &Matrix, x: &mut Matrix) {
        if a.ncols() >= FEW {
            let rows =
                Rows { starts: &self.starts, columns: &self.columns, weights: &self.weights };
            return abreast(a, x, |a, x| kernel::add_scattered(rows, a, x));
        }
        for c in 0..a.ncols() {
            let (a, x) = (column(a, c), column_mut(x, c));
            for (row, &a) in a.iter().enumerate() {
                if a != 0.0 {
                    for e in self.starts[row]..self.starts[row + 1] {
                        x[self.columns[e] as usize] += self.weights[e] * a;
                    }
                }
            }
        }
    }

    pub(super) fn add_rows(&self, rows: &[usize], x: &mut Matrix) {
        for (c, &row) in rows.iter().enumerate() {
            let x = column_mut(x, c);
            for e in self.starts[row]..self.starts[row + 1] {
                x[self.columns[e] as usize] += self.weights[e];
            }
        }
    }
}

/// Calls `product` on some columns of `from` and `to` after the other, in both abreast: entry (i, k) at [i][k].
pub(super) fn abreast(
    from: &Matrix,
    to: &mut Matrix,
    product: impl Fn(&[[f64; ABREAST]], &mut [[f64; ABREAST]]),
) {
    let mut some = vec![[0.0; ABREAST]; from.nrows()];
    let mut sums = vec![[0.0; ABREAST]; to.nrows()];
    for first in (0..from.ncols()).step_by(ABREAST) {
        let count = ABREAST.min(from.ncols() - first);
        load(from, first, count, &mut some);
        sums.fill([0.0; ABREAST]);
        product(&some, &mut sums);
        for k in 0..count {
            let to = column_mut(to, first + k);
            to.iter_mut().zip(&sums).for_each(|(to, sums)| *to += sums[k]);
        }
    }
}

fn load(from: &Matrix, first: usize, count: usize, to: &mut [[f64; ABREAST]]) {
    if count == ABREAST {
        let columns: [&[f64]; ABREAST] = std::array::from_fn(|k| column(from, first + k));
        for (i, to) in to.iter_mut().enumerate() {
            *to = std::array::from_fn(|k| columns[k][i]);
        }
    } else {
        to.fill([0.0; ABREAST]);
        for k in 0..count {
            to.iter_mut().zip(column(from, first + k)).for_each(|(to, from)| to[k] = *from);
        }
    }
}

/// Column `c` of a column-major matrix as a slice.
pub(crate) fn column(matrix: &Matrix, c: usize) -> &[f64] {
    let rows = matrix.nrows();
    &matrix.as_slice()[c * rows..(c + 1) * rows]
}

/// The columns of a column-major matrix as slices.
pub(crate) fn columns(matrix: &Matrix) -> impl Iterator<Item = &[f64]> {
    matrix.as_slice().chunks_exact(matrix.nrows().max(1))
}

/// Column `c` of a column-major matrix as a mutable slice.
pub(crate) fn column_mut(matrix: &mut Matrix, c: usize) -> &mut [f64] {
    let rows = matrix.nrows();
    &mut matrix.as_mut_slice()[c * rows..(c + 1) * rows]
}
