//! Reference outputs: inputs of a network with the outputs that another implementation gave for them.

use super::array::{Array, too_much};
use super::{DatasetError, npz};
use crate::load::SourceFile;
use crate::num::to_f64_nearest;
use std::path::Path;

/// Inputs with outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceOutputs {
    /// SHA-256 of the file.
    pub sha256: String,
    /// (input, output), as the network takes and gives them.
    pub pairs: Vec<(Vec<f64>, Vec<f64>)>,
}

/// Reads an .npz archive with the arrays `x` (or `inputs`) and `y` (or `outputs`), one row an input, for a network with so
/// many inputs and outputs.
///
/// # Errors
/// Where the file is missing or damaged, or the arrays do not fit the network.
pub fn load_reference(
    path: &Path,
    inputs: usize,
    outputs: usize,
) -> Result<ReferenceOutputs, DatasetError> {
    let source = SourceFile::read(path)?;
    let budget = source.budget();
    let rows = |names: &[&str], what, width: usize, expected| {
        let array = npz::from_archive(path, &source.bytes, (names, "reference"), &budget)?;
        budget.spend_values::<f64>(array.values.len()).map_err(too_much(path))?;
        rows(array, width).map_err(|shape| {
            let file = path.to_owned();
            DatasetError::Shape { file, what, shape, expected }
        })
    };
    let x =
        rows(&["x", "inputs"], "reference inputs", inputs, "a row of the network's inputs each")?;
    let y = rows(
        &["y", "outputs"],
        "reference outputs",
        outputs,
        "a row of the network's outputs each",
    )?;
    if x.len() != y.len() {
        return Err(DatasetError::Count {
            file: path.to_owned(),
            inputs: x.len(),
            labels: y.len(),
            transposed: false,
        });
    }
    Ok(ReferenceOutputs { sha256: source.sha256, pairs: x.into_iter().zip(y).collect() })
}

/// The array's rows of the given width; its shape where it has none.
fn rows(array: Array, width: usize) -> Result<Vec<Vec<f64>>, Vec<usize>> {
    let count = array.shape.first().copied().unwrap_or(0);
    if count == 0 || array.values.len() != count * width {
        return Err(array.shape);
    }
    let value = |at: usize| to_f64_nearest(&array.values.exact(at));
    Ok((0..count).map(|row| (row * width..(row + 1) * width).map(value).collect()).collect())
}
