//! Shared by the integration tests: random networks, exact evaluation, ONNX files.
#![allow(dead_code)]

pub mod circuits;
pub mod dyadic;
pub mod exact;
pub mod nets;
pub mod onnx_writer;
pub mod oracle;
pub mod recorded;
pub mod seeded;
