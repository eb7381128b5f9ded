//! What `certus inspect` says of a network.

use super::Tool;
use crate::load::LayerInfo;
use serde::Serialize;
use std::collections::BTreeMap;

/// Outputs of a network.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Evaluation {
    /// Version of the format.
    pub(crate) schema_version: u32,
    pub(crate) tool: Tool,
    /// The network's file, as it was given.
    pub(crate) model: String,
    /// SHA-256 of it.
    pub(crate) sha256: String,
    /// The file with the inputs.
    pub(crate) data: String,
    /// What the reader has to say.
    pub(crate) notes: Vec<String>,
    /// For each input the outputs.
    pub(crate) outputs: Vec<Vec<f64>>,
    /// Where they are farthest from the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) worst: Option<Worst>,
}

/// The largest difference from a reference.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Worst {
    /// |ours − theirs|.
    pub(crate) difference: f64,
    /// Position of the input.
    pub(crate) input: usize,
    /// Position of the output.
    pub(crate) output: usize,
}

/// A network, layer by layer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// Whether a certificate can have a proof, and if not why.
    pub(crate) proofs: String,
    /// Operators of the file that the proof checker does not know.
    pub(crate) unproved: Vec<String>,
    /// The layers, in order.
    pub(crate) layers: Vec<LayerInfo>,
    /// What the reader has to say.
    pub(crate) notes: Vec<String>,
}
