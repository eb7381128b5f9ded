//! A dense linear operator: y = W x with every entry of W stored.

use super::Matrix;
use super::gemm::{View, add_product};
use std::sync::OnceLock;

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
            for (column, &x) in self.weights.column_iter().zip(x.iter()) {
                if x != 0.0 {
                    for (y, w) in y.iter_mut().zip(column.iter()) {
                        *y += w * x;
                    }
                }
            }
        } else {
            add_product(y.as_mut_slice(), (&self.weights).into(), x.into());
        }
    }

    pub(super) fn add_apply_abs(&self, x: &Matrix, y: &mut Matrix) {
        if x.ncols() == 1 {
            let y = y.as_mut_slice();
            for (column, &x) in self.weights.column_iter().zip(x.iter()) {
                for (y, w) in y.iter_mut().zip(column.iter()) {
                    *y += w.abs() * x;
                }
            }
        } else {
            let magnitudes = self.magnitudes.get_or_init(|| self.weights.abs());
            add_product(y.as_mut_slice(), magnitudes.into(), x.into());
        }
    }

    pub(super) fn add_apply_transposed(&self, a: &Matrix, x: &mut Matrix) {
        add_product(x.as_mut_slice(), View::from(&self.weights).t(), a.into());
    }

    pub(super) fn add_rows(&self, rows: &[usize], x: &mut Matrix) {
        for (&row, mut column) in rows.iter().zip(x.column_iter_mut()) {
            for (x, w) in column.iter_mut().zip(self.weights.row(row).iter()) {
                *x += w;
            }
        }
    }
}
