//! Weights in files beside the model.

use super::constant::{External, external_range};
use super::graph::Plan;
use super::model::{Graph, Tensor};
use crate::load::budget::Budget;
use crate::load::{ExternalProblem, NetworkError, TensorProblem, sha256_hex};
use std::path::{Component, Path, PathBuf};

/// Reads every file that an initializer in use refers to, and hashes it.
pub fn load(
    file: &Path,
    graph: &Graph,
    plan: &Plan,
    folder: Option<&Path>,
    budget: &Budget,
) -> Result<(External, Vec<(PathBuf, String)>), NetworkError> {
    let mut contents = External::new();
    let mut files = Vec::new();
    for tensor in graph.initializers.iter().filter(|t| t.is_external && plan.uses(t.name) > 0) {
        let fail = |problem| NetworkError::Tensor {
            file: file.to_owned(),
            tensor: tensor.name.to_owned(),
            problem,
        };
        let (location, ..) = external_range(tensor).map_err(fail)?;
        if contents.contains_key(location) {
            continue;
        }
        let path = resolve(tensor, folder).map_err(|reason| {
            fail(TensorProblem::External { location: location.to_owned(), reason })
        })?;
        let bytes = std::fs::read(&path).map_err(|error| {
            let reason = ExternalProblem::Unreadable(error.kind().to_string());
            fail(TensorProblem::External { location: location.to_owned(), reason })
        })?;
        budget.extend(bytes.len());
        files.push((path, sha256_hex(&bytes)));
        contents.insert(location.to_owned(), bytes);
    }
    Ok((contents, files))
}

/// The path of a tensor's data, which must lie in the model's folder or below, symbolic links followed.
fn resolve(tensor: &Tensor, folder: Option<&Path>) -> Result<PathBuf, ExternalProblem> {
    let (location, ..) = external_range(tensor).map_err(|_| ExternalProblem::Description)?;
    let folder = folder.ok_or(ExternalProblem::NoFolder)?;
    let relative = Path::new(location);
    let stays =
        relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !stays {
        return Err(ExternalProblem::OutsideFolder);
    }
    let unreadable = |error: std::io::Error| ExternalProblem::Unreadable(error.kind().to_string());
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let root = folder.canonicalize().map_err(unreadable)?;
    let path = root.join(relative).canonicalize().map_err(unreadable)?;
    if path.starts_with(&root) { Ok(path) } else { Err(ExternalProblem::OutsideFolder) }
}
