//! Files to types: networks (ONNX, NNet), properties (VNN-LIB), datasets. Every error names the file and the place.

mod budget;
mod dataset;
mod file;
mod network;
mod network_error;
mod nnet;
mod nnet_error;
mod onnx;
mod vnnlib;

pub use dataset::{
    DataSettings, DataWarning, Dataset, DatasetError, FIELDS as DATA_FIELDS, Layout, Meant,
    RawArray, load_reference, load_tensor,
};
pub use file::{FileError, SourceFile, sha256_hex};
pub use network::{
    LayerInfo, LoadSettings, LoadedNetwork, load_network, load_network_as, load_network_bytes,
};
pub use network_error::{
    EncodingProblem, ExternalProblem, ModelProblem, NetworkError, NodeProblem, Place, TensorProblem,
};
pub use nnet_error::NnetProblem;
pub use onnx::{DenseForm, Encoding, ReluForm, WriteError, write_onnx, write_onnx_as};
pub use vnnlib::{
    Problem, PropertyError, Statement, load_statement, parse_statement, write_property,
    write_vnnlib,
};
