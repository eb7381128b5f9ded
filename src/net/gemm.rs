//! Matrix products: one narrow door to the library GEMM (single-threaded; callers parallelise over inputs or domains).
//!
//! Any evaluation order and any use of fused multiply-add is allowed here: the charges of `num` hold for all of them.

use super::Matrix;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// A column-major matrix in borrowed storage, possibly read as its transpose.
#[derive(Clone, Copy)]
pub struct View<'a> {
    data: &'a [f64],
    rows: usize,
    cols: usize,
    transposed: bool,
}

impl<'a> View<'a> {
    /// `rows × cols`, stored column by column.
    ///
    /// # Panics
    /// Where `data` has another length.
    #[must_use]
    pub(crate) fn new(data: &'a [f64], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows}×{cols} matrix needs as many entries");
        Self { data, rows, cols, transposed: false }
    }

    /// The transpose, without copying.
    #[must_use]
    pub(crate) fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    fn faer(self) -> MatRef<'a, f64> {
        let stored = MatRef::from_column_major_slice(self.data, self.rows, self.cols);
        if self.transposed { stored.transpose() } else { stored }
    }
}

impl<'a> From<&'a Matrix> for View<'a> {
    fn from(matrix: &'a Matrix) -> Self {
        Self::new(matrix.as_slice(), matrix.nrows(), matrix.ncols())
    }
}

/// `out += a · b`, `out` stored column by column.
pub fn add_product(out: &mut [f64], a: View, b: View) {
    product(out, a, b, Accum::Add);
}

/// `out = a · b`, `out` stored column by column.
pub fn set_product(out: &mut [f64], a: View, b: View) {
    product(out, a, b, Accum::Replace);
}

fn product(out: &mut [f64], a: View, b: View, accum: Accum) {
    let (a, b) = (a.faer(), b.faer());
    let out = MatMut::from_column_major_slice_mut(out, a.nrows(), b.ncols());
    matmul(out, accum, a, b, 1.0, Par::Seq);
}
