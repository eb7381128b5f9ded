//! Files to types: networks (ONNX, NNet), properties (VNN-LIB), datasets. Every error names the file and the place.

mod file;

pub use file::{FileError, SourceFile, sha256_hex};
