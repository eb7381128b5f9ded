//! A linear operator is three maps: `apply` (W x), `apply_transposed` (Wᵀ a), `apply_abs` (|W| x).
//!
//! Everything else follows from these: the forward pass, gradients (transposed), intervals (abs), the CROWN backward
//! step (transposed on many columns) and rounding charges (abs).

use super::{Conv, Dense, Matrix, Sparse};
use nalgebra::DMatrix;

/// A linear map between flattened tensors, W (outputs × inputs), in the storage that suits it.
#[derive(Debug, Clone)]
pub enum LinearMap {
    /// The identity of the given dimension.
    Identity(usize),
    /// Every entry stored.
    Dense(Dense),
    /// A one- or two-dimensional convolution, never expanded.
    Conv(Conv),
    /// Compressed rows.
    Sparse(Sparse),
}

/// Weight matrices with at most this share of non-zero entries are stored sparse. At 1/8 the compressed loops, at about
/// a tenth of the GEMM's rate, do as little work as the GEMM does.
const SPARSE_SHARE: f64 = 0.125;

impl LinearMap {
    /// W as given, stored sparse where most entries are zero.
    #[must_use]
    pub fn from_matrix(weights: DMatrix<f64>) -> Self {
        let entries = weights.iter().filter(|&&w| w != 0.0).count();
        if Self::suits_sparse(entries, weights.len()) {
            let rows =
                weights.row_iter().map(|row| row.iter().copied().enumerate().collect::<Vec<_>>());
            return Self::Sparse(Sparse::from_rows(weights.ncols(), rows));
        }
        Self::Dense(Dense::new(weights))
    }

    /// W by its entries (column, weight) of each row.
    ///
    /// # Panics
    /// As [`Sparse::from_rows`].
    #[must_use]
    pub fn from_rows(inputs: usize, rows: Vec<Vec<(usize, f64)>>) -> Self {
        let entries = rows.iter().map(Vec::len).sum();
        let sparse = Sparse::from_rows(inputs, rows);
        if Self::suits_sparse(entries, inputs * sparse.outputs()) {
            return Self::Sparse(sparse);
        }
        let mut weights = DMatrix::zeros(sparse.outputs(), inputs);
        let mut place = |i: usize, (column, weight): (usize, f64)| {
            let old: f64 = std::mem::replace(&mut weights[(i, column)], weight);
            old == 0.0
        };
        // Two entries in one place stay two: their sum may not be a number of this precision.
        let one_each = (0..sparse.outputs()).all(|i| sparse.row(i).all(|entry| place(i, entry)));
        if one_each { Self::Dense(Dense::new(weights)) } else { Self::Sparse(sparse) }
    }

    /// Whether a matrix with so many non-zero entries among all its entries is better stored sparse.
    #[must_use]
    pub fn suits_sparse(nonzero: usize, all: usize) -> bool {
        nonzero as f64 <= SPARSE_SHARE * all as f64 && all > 1_000
    }

    /// Dimension of x.
    #[must_use]
    pub fn inputs(&self) -> usize {
        match self {
            Self::Identity(n) => *n,
            Self::Dense(dense) => dense.weights().ncols(),
            Self::Conv(conv) => conv.geometry().inputs(),
            Self::Sparse(sparse) => sparse.inputs(),
        }
    }

    /// Dimension of W x.
    #[must_use]
    pub fn outputs(&self) -> usize {
        match self {
            Self::Identity(n) => *n,
            Self::Dense(dense) => dense.weights().nrows(),
            Self::Conv(conv) => conv.geometry().outputs(),
            Self::Sparse(sparse) => sparse.outputs(),
        }
    }

    /// The most non-zero entries in a row: the length of the dot products of `apply`.
    #[must_use]
    pub fn fan_in(&self) -> usize {
        match self {
            Self::Identity(_) => 1,
            Self::Dense(dense) => dense.weights().ncols(),
            Self::Conv(conv) => conv.geometry().fan_in(),
            Self::Sparse(sparse) => sparse.longest_row(),
        }
    }

    /// How many roundings a term of a computed entry of Wᵀ a passes through, at most: a product, unless by ±1, and the additions to the
    /// other terms of its column, in whatever order. (Additions of exact zeros, of which convolutions make many, round nothing.)
    #[must_use]
    pub fn roundings_transposed(&self) -> usize {
        match self {
            Self::Identity(_) => 0,
            Self::Dense(dense) => dense.weights().nrows(),
            Self::Conv(conv) => conv.geometry().fan_out(),
            Self::Sparse(sparse) => {
                sparse.longest_column().saturating_sub(usize::from(sparse.only_signs()))
            }
        }
    }

    /// Stored weights (parameters, for convolutions counted once).
    #[must_use]
    pub fn parameters(&self) -> usize {
        match self {
            Self::Identity(_) => 0,
            Self::Dense(dense) => dense.weights().len(),
            Self::Conv(conv) => conv.weights().len(),
            Self::Sparse(sparse) => sparse.entries(),
        }
    }

    /// Every stored weight.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        match self {
            Self::Identity(_) => &[],
            Self::Dense(dense) => dense.weights().as_slice(),
            Self::Conv(conv) => conv.weights().as_slice(),
            Self::Sparse(sparse) => sparse.weights(),
        }
    }

    /// Calls `visit(column, weight)` for each entry of a row, in index order.
    pub fn for_each_in_row(&self, row: usize, mut visit: impl FnMut(usize, f64)) {
        match self {
            Self::Identity(_) => visit(row, 1.0),
            Self::Dense(dense) => {
                dense.weights().row(row).iter().enumerate().for_each(|(c, &w)| visit(c, w))
            }
            Self::Conv(conv) => conv.for_each_in_row(row, visit),
            Self::Sparse(sparse) => sparse.row(row).for_each(|(c, w)| visit(c, w)),
        }
    }

    /// y += W x for each column.
    pub fn add_apply(&self, x: &Matrix, y: &mut Matrix) {
        match self {
            Self::Identity(_) => *y += x,
            Self::Dense(dense) => dense.add_apply(x, y),
            Self::Conv(conv) => conv.add_apply(x, y),
            Self::Sparse(sparse) => sparse.add_apply(x, y),
        }
    }

    /// y += |W| x for each column.
    pub fn add_apply_abs(&self, x: &Matrix, y: &mut Matrix) {
        match self {
            Self::Identity(_) => *y += x,
            Self::Dense(dense) => dense.add_apply_abs(x, y),
            Self::Conv(conv) => conv.add_apply_abs(x, y),
            Self::Sparse(sparse) => sparse.add_apply_abs(x, y),
        }
    }

    /// y += W x and r += |W| s for each column: an interval's centre and radius.
    pub fn add_apply_both(&self, x: &Matrix, y: &mut Matrix, s: &Matrix, r: &mut Matrix) {
        if let Self::Dense(dense) = self {
            dense.add_apply_both(x, y, s, r);
        } else {
            self.add_apply(x, y);
            self.add_apply_abs(s, r);
        }
    }

    /// x += Wᵀ a for each column.
    pub fn add_apply_transposed(&self, a: &Matrix, x: &mut Matrix) {
        match self {
            Self::Identity(_) => *x += a,
            Self::Dense(dense) => dense.add_apply_transposed(a, x),
            Self::Conv(conv) => conv.add_apply_transposed(a, x),
            Self::Sparse(sparse) => sparse.add_apply_transposed(a, x),
        }
    }

    /// Column c of x += row `rows[c]` of W: `apply_transposed` of unit vectors, without the product.
    pub fn add_rows(&self, rows: &[usize], x: &mut Matrix) {
        match self {
            Self::Identity(_) => {
                for (c, &row) in rows.iter().enumerate() {
                    x[(row, c)] += 1.0;
                }
            }
            Self::Dense(dense) => dense.add_rows(rows, x),
            Self::Conv(conv) => conv.add_rows(rows, x),
            Self::Sparse(sparse) => sparse.add_rows(rows, x),
        }
    }
}

#[cfg(test)]
pub(super) fn check_three_maps(map: &LinearMap, dense: &DMatrix<f64>) {
    let close = |a: &Matrix, b: &Matrix| {
        assert!((a - b).amax() <= 1e-12 * (1.0 + b.amax()), "{a} against {b}");
    };
    let wave = |rows: usize, cols: usize| {
        DMatrix::from_fn(rows, cols, |r, c| ((r * 7 + c * 3) % 11) as f64 - 5.0)
    };
    assert_eq!((map.outputs(), map.inputs()), dense.shape());
    for batch in [1, 3, 8, 13] {
        let (x, a) = (wave(map.inputs(), batch), wave(map.outputs(), batch));
        let mut y = Matrix::zeros(map.outputs(), batch);
        map.add_apply(&x, &mut y);
        close(&y, &(dense * &x));
        y.fill(1.0);
        map.add_apply_abs(&x, &mut y);
        close(&y, &(dense.abs() * &x).add_scalar(1.0));
        let mut r = y.clone();
        map.add_apply_both(&x, &mut y, &x, &mut r);
        close(&(&r - &y), &((dense.abs() - dense) * &x));
        let mut back = Matrix::zeros(map.inputs(), batch);
        map.add_apply_transposed(&a, &mut back);
        close(&back, &(dense.transpose() * &a));
    }
    let rows: Vec<usize> = (0..map.outputs()).rev().collect();
    let mut back = Matrix::zeros(map.inputs(), rows.len());
    map.add_rows(&rows, &mut back);
    close(&back, &dense.select_rows(&rows).transpose());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_sparse_and_identity_are_their_matrices() {
        let dense =
            DMatrix::from_fn(
                4,
                5,
                |r, c| if (r + c) % 3 == 0 { 0.0 } else { r as f64 - 1.5 * c as f64 },
            );
        check_three_maps(&LinearMap::Dense(Dense::new(dense.clone())), &dense);
        let rows = dense.row_iter().map(|r| r.iter().copied().enumerate().collect::<Vec<_>>());
        check_three_maps(&LinearMap::Sparse(Sparse::from_rows(5, rows)), &dense);
        check_three_maps(&LinearMap::Identity(4), &DMatrix::identity(4, 4));
    }

    #[test]
    fn entries_in_one_place_add_up() {
        let rows = vec![vec![(0, 1.0), (2, 0.5), (0, f64::EPSILON / 4.0)], vec![(1, 2.0)]];
        let map = LinearMap::from_rows(3, rows);
        let mut entries = Vec::new();
        map.for_each_in_row(0, |column, weight| entries.push((column, weight)));
        assert_eq!(entries, [(0, 1.0), (2, 0.5), (0, f64::EPSILON / 4.0)]);
        let plain = LinearMap::from_rows(3, vec![vec![(0, 1.0), (2, 0.5)], vec![(1, 2.0)]]);
        assert!(matches!(plain, LinearMap::Dense(_)));
        check_three_maps(&plain, &DMatrix::from_row_slice(2, 3, &[1.0, 0.0, 0.5, 0.0, 2.0, 0.0]));
    }

    #[test]
    fn mostly_zero_matrices_are_stored_sparse() {
        assert!(matches!(LinearMap::from_matrix(DMatrix::identity(64, 64)), LinearMap::Sparse(_)));
        assert!(matches!(
            LinearMap::from_matrix(DMatrix::repeat(64, 64, 1.0)),
            LinearMap::Dense(_)
        ));
    }
}
