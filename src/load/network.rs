//! What every network reader yields, and the choice of the reader by name or content.

use super::budget::Budget;
use super::network_error::NetworkError;
use super::nnet_error::NnetProblem;
use super::{PropertyError, SourceFile, Statement, load_statement, nnet, onnx};
use crate::net::{FinalOperator, Network, Semantics};
use crate::num::Rational;
use std::path::{Path, PathBuf};

/// A network read from a file, with what a report says about it.
#[derive(Debug, Clone)]
pub struct LoadedNetwork {
    /// The network, piecewise-linear operators lowered to affine maps and ReLUs.
    pub network: Network,
    /// Shape of the input tensor as the file has it, symbolic dimensions taken as 1; flattened row-major in `network`.
    pub input_shape: Vec<usize>,
    /// Shape of the output tensor.
    pub output_shape: Vec<usize>,
    /// SHA-256 of the file as it lies on disk, in hexadecimal.
    pub sha256: String,
    /// Files that hold weights outside the model file, each with its SHA-256.
    pub external: Vec<(PathBuf, String)>,
    /// What the user should know: a dropped softmax, symbolic dimensions.
    pub notes: Vec<String>,
    /// The file's operators in order, for `certus inspect`.
    pub layers: Vec<LayerInfo>,
    /// The tensor that goes into a Sigmoid at the end: its elements have the order of the outputs, and are positive where these are above 1/2.
    pub logits: Option<String>,
    /// Exact input limits, where the format declares them (NNet).
    pub input_limits: Option<Vec<(Rational, Rational)>>,
}

impl LoadedNetwork {
    /// Reads a property about this network. Where a softmax at the end was left out, the property may only ask which of two
    /// outputs is the larger: of their values it would say something else.
    ///
    /// # Errors
    /// As [`super::load_statement`], and where the property speaks of the values of what was left out.
    pub fn load_statement(&self, path: &Path) -> Result<Statement, PropertyError> {
        let outputs = self.network.outputs();
        let left_out = |operator| Err(PropertyError::LeftOut { file: path.to_owned(), operator });
        let operator = self.network.left_out();
        if operator == Some(FinalOperator::ArgMax) {
            return left_out(FinalOperator::ArgMax);
        }
        let statement = load_statement(path, self.network.inputs(), outputs)?;
        match operator {
            Some(operator) if !statement.property.only_compares(outputs) => left_out(operator),
            _ => Ok(statement),
        }
    }

    /// One hash for all that the network was read from: that of the model file where it holds every weight, else that of
    /// a text with one hash a line, the model file's and then those of the files beside it in the order in which they are
    /// first named. What the files are called plays no part: the model file names them.
    #[must_use]
    pub fn identity(&self) -> String {
        if self.external.is_empty() {
            return self.sha256.clone();
        }
        let hashes = self.external.iter().map(|(_, sha256)| sha256);
        let lines: String = [&self.sha256]
            .into_iter()
            .chain(hashes)
            .fold(String::new(), |text, hash| text + hash + "\n");
        super::sha256_hex(lines.as_bytes())
    }
}

/// One operator of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
#[cfg_attr(all(test, feature = "cli"), derive(schemars::JsonSchema))]
pub struct LayerInfo {
    /// Its name in the file.
    pub name: String,
    /// The operator.
    #[cfg_attr(feature = "cli", serde(rename = "operator"))]
    pub op: String,
    /// Shape of its first output.
    pub shape: Vec<usize>,
    /// Trained parameters that it is the first to use.
    pub parameters: usize,
}

/// What is asked of a file with several inputs or outputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadSettings {
    /// The output, or a tensor on the way to one. Without a name: the only output, or the only one of floats.
    pub output: Option<String>,
    /// Inputs that are constants, and the .npy files that hold them. One input is left to be asked about.
    pub inputs: Vec<(String, PathBuf)>,
    /// What arithmetic the network's values are meant in. In single precision every operator that computes is a node of its own, and what has
    /// no bound there is refused.
    pub semantics: Semantics,
}

/// Reads a network; `.nnet` and `.onnx` (gzipped or not) are told apart by name, anything else by content.
///
/// # Errors
/// Where the file cannot be read, or is no network that this reader knows.
pub fn load_network(path: &Path) -> Result<LoadedNetwork, NetworkError> {
    load_network_as(path, &LoadSettings::default())
}

/// Reads one output of a network as a function of one input.
///
/// # Errors
/// As [`load_network`], and where there is no such input or output, or a constant does not fit its input.
pub fn load_network_as(
    path: &Path,
    settings: &LoadSettings,
) -> Result<LoadedNetwork, NetworkError> {
    let source = SourceFile::read(path)?;
    let mut loaded = read(path, &source.bytes, path.parent(), &source.budget(), settings)?;
    loaded.sha256 = source.sha256;
    Ok(loaded)
}

/// Reads a network from memory (not gzipped); `name` stands for the path in messages and in the choice of the format.
/// Weights in other files are refused, having no folder to lie in.
///
/// # Errors
/// As [`load_network`].
pub fn load_network_bytes(name: &str, bytes: &[u8]) -> Result<LoadedNetwork, NetworkError> {
    let mut loaded =
        read(Path::new(name), bytes, None, &Budget::new(bytes.len()), &LoadSettings::default())?;
    loaded.sha256 = super::sha256_hex(bytes);
    Ok(loaded)
}

fn read(
    path: &Path,
    bytes: &[u8],
    folder: Option<&Path>,
    budget: &Budget,
    settings: &LoadSettings,
) -> Result<LoadedNetwork, NetworkError> {
    if let Some((what, advice)) = foreign(path, bytes) {
        return Err(NetworkError::Foreign { file: path.to_owned(), what, advice });
    }
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    let text = if stem.ends_with(".nnet") {
        true
    } else if stem.ends_with(".onnx") {
        false
    } else {
        // An ONNX file starts with a protobuf tag, 0x08 in practice; an NNet file with a comment or a number.
        bytes.first().is_some_and(|&b| b == b'/' || b.is_ascii_digit())
    };
    if !text {
        return onnx::read(path, bytes, folder, budget, settings);
    }
    if *settings != LoadSettings::default() {
        let (file, line) = (path.to_owned(), 1);
        let single = settings.semantics == Semantics::Float32;
        let problem = if single { NnetProblem::Single } else { NnetProblem::Ports };
        return Err(NetworkError::Nnet { file, line, problem });
    }
    nnet::read(path, bytes, budget)
}

/// What a file is whose name or first bytes say that it is no network in a format that is read; and what to do.
fn foreign(path: &Path, bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let torch = (
        "a file of PyTorch",
        "torch.onnx.export(model, example, \"model.onnx\") writes the network as ONNX",
    );
    let keras = (
        "a network of Keras or TensorFlow",
        "tf2onnx writes it as ONNX: python -m tf2onnx.convert --keras MODEL --output model.onnx",
    );
    let holds = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    Some(match ending.as_str() {
        _ if bytes.starts_with(b"PK\x03\x04") && holds(b"saved_model.pb") => {
            ("a zip archive with a TensorFlow SavedModel", keras.1)
        }
        "pt" | "pth" | "ckpt" | "torchscript" => torch,
        "h5" | "hdf5" | "keras" | "pb" | "tflite" => keras,
        "pkl" | "pickle" | "joblib" => {
            ("a file of Python's pickles", "torch.onnx.export or skl2onnx writes a network as ONNX")
        }
        "safetensors" | "npz" | "npy" | "csv" | "vnnlib" => {
            ("no network", "the network, .onnx or .nnet, comes first")
        }
        _ if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0x80, 2]) => torch,
        _ if bytes.starts_with(b"\x89HDF") => keras,
        _ => return None,
    })
}
