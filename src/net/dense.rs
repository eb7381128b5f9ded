//! A dense linear operator: y = W x with every entry of W stored.

use super::gemm::{View, add_product};
use super::sparse::columns;
use super::{Matrix, kernel};
use std::sync::OnceLock;

/// Fewer columns than this do not pay for copying the rows of W that a product needs.
const COMPACT_COLUMNS: usize = 32;

/// A dense weight matrix W (out × in).
#[derive(Debug, Clone)]
pub struct Dense {
    weights: Matrix,
    magnitudes: OnceLock<Matrix>,
}

impl Dense {
    /// The operator x ↦ W x.
    #[must_use]
    pub fn new(weights: Matrix) -> Self {
        Self { weights, magnitudes: OnceLock::new() }
    }

    /// W (out × in).
    #[must_use]
    pub fn weights(&self) -> &Matrix {
        &self.weights
    }

    pub(super) fn add_apply(&self, x: &Matrix, y: &mut Matrix) {
        if x.ncols() == 1 {
            let y = y.as_mut_slice();
            for (column, &x) in columns(&self.weights).zip(x.iter()) {
                if x != 0.0 {
                    y.iter_mut().zip(column).for_each(|(y, w)| *y += w * x);
                }
            }
        } else {
            add_product(y.as_mut_slice(), (&self.weights).into(), x.into());
        }
    }

    pub(super) fn add_apply_abs(&self, x: &Matrix, y: &mut Matrix) {
        if x.ncols() == 1 {
            for (column, &x) in columns(&self.weights).zip(x.iter()) {
                kernel::add_abs_scaled(column, x, y.as_mut_slice());
            }
        } else {
            let magnitudes = self.magnitudes.get_or_init(|| self.weights.abs());
            add_product(y.as_mut_slice(), magnitudes.into(), x.into());
        }
    }

    /// y += W x and r += |W| s; for single columns in one pass over W.
    pub(super) fn add_apply_both(&self, x: &Matrix, y: &mut Matrix, s: &Matrix, r: &mut Matrix) {
        if x.ncols() == 1 {
            for ((column, &x), &s) in columns(&self.weights).zip(x.iter()).zip(s.iter()) {
                kernel::add_scaled(column, x, y.as_mut_slice(), s, r.as_mut_slice());
            }
        } else {
            self.add_apply(x, y);
            self.add_apply_abs(s, r);
        }
    }

    /// x += Wᵀ a. Rows of `a` that are zero throughout (inactive neurons) are left out of the product.
    pub(super) fn add_apply_transposed(&self, a: &Matrix, x: &mut Matrix) {
        let mut live = vec![false; a.nrows()];
        for column in columns(a) {
            live.iter_mut().zip(column).for_each(|(live, a)| *live |= *a != 0.0);
        }
        let rows: Vec<usize> = (0..live.len()).filter(|&i| live[i]).collect();
        if a.ncols() < COMPACT_COLUMNS || 4 * rows.len() > 3 * a.nrows() {
            add_product(x.as_mut_slice(), View::from(&self.weights).t(), a.into());
        } else if !rows.is_empty() {
            let (weights, a) = (self.weights.select_rows(&rows), a.select_rows(&rows));
            add_product(x.as_mut_slice(), View::from(&weights).t(), (&a).into());
        }
    }

    pub(super) fn add_rows(&self, rows: &[usize], x: &mut Matrix) {
        for (&row, mut column) in rows.iter().zip(x.column_iter_mut()) {
            for (x, w) in column.iter_mut().zip(self.weights.row(row).iter()) {
                *x += w;
            }
        }
    }
}
