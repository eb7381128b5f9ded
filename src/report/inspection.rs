//! What `certus inspect` says of a network.

use super::Tool;
use crate::load::LayerInfo;
use serde::Serialize;
use std::collections::BTreeMap;

/// A network, layer by layer.
#[derive(Debug, Serialize)]
pub(crate) struct Inspection {
    /// Version of the format.
    pub(crate) schema_version: u32,
    pub(crate) tool: Tool,
    /// The file, as it was given.
    pub(crate) file: String,
    /// SHA-256 of the file.
    pub(crate) sha256: String,
    /// Shape of the input.
    pub(crate) input_shape: Vec<usize>,
    /// Shape of the output.
    pub(crate) output_shape: Vec<usize>,
    /// Parameters in all.
    pub(crate) parameters: usize,
    /// ReLU neurons, those of lowered operators (max-pooling, leaky ReLU, …) included.
    pub(crate) relus: usize,
    /// How often each operator occurs in the file.
    pub(crate) operators: BTreeMap<String, usize>,
    /// The layers, in order.
    pub(crate) layers: Vec<LayerInfo>,
    /// What the reader has to say.
    pub(crate) notes: Vec<String>,
}
