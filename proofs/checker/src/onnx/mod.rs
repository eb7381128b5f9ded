//! A reader of ONNX files: from the bytes to a circuit of affine maps and ReLUs.
//!
//! FORMAT.md, section 1, says what network a file means.
mod affine;
mod array;
mod build;
mod choice;
mod conv;
mod error;
mod external;
mod hinge;
mod last;
mod lower;
mod ml;
mod model;
mod movement;
mod npy;
mod piecewise;
mod resize;
mod structure;
mod wire;

pub use error::{Error, Problem};

use crate::circuit::Circuit;
use crate::memory::{Memory, OF_MODEL};
use std::path::{Path, PathBuf};

/// What the network is where a model has several outputs or inputs.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    /// The output, or a tensor on the way to one; without a name the only output, or the only one of floats.
    pub output: Option<String>,
    /// Inputs that are constants, and the .npy files with their elements.
    pub inputs: Vec<(String, PathBuf)>,
}

/// Whether an operator of ONNX or of ai.onnx.ml is read at all.
pub fn knows(operator: &str) -> bool {
    lower::KNOWN.contains(&operator) || ml::KNOWN.contains(&operator)
}

/// Reads a model whose weights are all in it. Everything that is not affine + ReLU is refused.
pub fn read(bytes: &[u8]) -> Result<Circuit, Error> {
    from(external::Folder(None), bytes, &Ports::default())
}

/// Reads a model from a folder, where some of its weights may lie in files of their own.
pub fn read_in(folder: &Path, bytes: &[u8], ports: &Ports) -> Result<Circuit, Error> {
    from(external::Folder(Some(folder.to_path_buf())), bytes, ports)
}

fn from(folder: external::Folder, bytes: &[u8], ports: &Ports) -> Result<Circuit, Error> {
    let memory = Memory::new(OF_MODEL);
    memory.take(bytes.len(), 1).map_err(|full| Error::from(Problem::from(full)))?;
    lower::lower(&model::Model::parse(bytes, &memory)?, ports, folder, memory)
}
