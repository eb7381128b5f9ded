//! What `certus inspect` says of a network.

use super::Tool;
use crate::load::LayerInfo;
use serde::Serialize;
use std::collections::BTreeMap;

/// A network, layer by layer.
#[derive(Debug, Serialize)]
pub(crate) struct Inspection {
    /// Version of the format.
    pub schema_version: u32,
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
    pub layers: Vec<LayerInfo>,
    /// What the reader has to say.
    pub notes: Vec<String>,
}
