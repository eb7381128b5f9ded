//! A reader of ONNX files: from the bytes to a circuit of affine maps and ReLUs.
//!
//! FORMAT.md, section 1, says what network a file means.
mod affine;
mod array;
mod build;
mod conv;
mod error;
mod lower;
mod model;
mod movement;
mod piecewise;
mod wire;

pub use error::{Error, Problem};

use crate::circuit::Circuit;

/// Reads a model. Everything that is not affine + ReLU is refused.
pub fn read(bytes: &[u8]) -> Result<Circuit, Error> {
    lower::lower(&model::Model::parse(bytes)?)
}
