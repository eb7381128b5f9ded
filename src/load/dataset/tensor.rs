//! One array of numbers: a constant that a network takes beside the input that is asked about.

use super::DatasetError;
use super::array::{Values, too_much};
use super::npy;
use crate::load::SourceFile;
use crate::num::Rational;
use std::path::Path;

/// An array of exact numbers in row-major order.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Vec<Rational>,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// Reads an .npy file.
///
/// # Errors
/// Where the file is missing or damaged, or holds what is no number.
pub fn load_tensor(path: &Path) -> Result<Tensor, DatasetError> {
    let source = SourceFile::read(path)?;
    let budget = source.budget();
    let array = npy::parse(path, source.bytes, &budget)?;
    let values: &Values = &array.values;
    budget.spend_values::<[u64; 16]>(values.len()).map_err(too_much(path))?;
    if let Some(at) = values.not_finite() {
        let problem = format!("element {at} is no finite number");
        return Err(DatasetError::Header { file: path.to_owned(), problem });
    }
    let exact = (0..values.len()).map(|at| values.exact(at)).collect();
    Ok(Tensor { shape: array.shape, values: exact, sha256: source.sha256 })
}
