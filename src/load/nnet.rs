//! NNet.

use super::{LoadedNetwork, NetworkError, NnetProblem};
use std::path::Path;

pub(super) fn read(file: &Path, _bytes: &[u8]) -> Result<LoadedNetwork, NetworkError> {
    Err(NetworkError::Nnet { file: file.to_owned(), line: 1, problem: NnetProblem::Utf8 })
}
