//! What `certus inspect` says of a network.

use super::Tool;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A layer as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Shape of its output.
    pub shape: Vec<usize>,
    /// Its parameters.
    pub parameters: usize,
}

/// A network, layer by layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Version of the format.
    pub schema_version: u32,
    /// The program.
    pub tool: Tool,
    /// The file, as it was given.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Shape of the input.
    pub input_shape: Vec<usize>,
    /// Shape of the output.
    pub output_shape: Vec<usize>,
    /// Parameters in all.
    pub parameters: usize,
    /// ReLU neurons, those of lowered operators (max-pooling, leaky ReLU, …) included.
    pub relus: usize,
    /// How often each operator occurs in the file.
    pub operators: BTreeMap<String, usize>,
    /// The layers, in order.
    pub layers: Vec<Layer>,
    /// What the reader has to say.
    pub notes: Vec<String>,
}
