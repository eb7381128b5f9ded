//! An independent checker of certus proofs: does a proof show that a network never reaches an unsafe set?
//!
//! The statement comes from the reader's own ONNX and VNN-LIB files; the proof is only advice.
//! FORMAT.md says what a proof means, README.md what has to be trusted.
#![forbid(unsafe_code)]

mod check;
pub mod circuit;
mod exact;
mod export;
pub mod float;
mod grammar;
pub mod map;
mod memory;
mod node;
pub mod onnx;
mod outward;
mod product;
mod refute;
mod reject;
mod rows;
mod state;
mod statement;
mod sweep;
pub mod vnnlib;
mod walk;
mod wide;

pub use check::{Accepted, LONGEST_LINE, MOST_DEEP, Mode, check};
pub use export::export;
pub use memory::MOST_MEMORY;
pub use reject::{Reason, Rejected};
pub use statement::{Case, HalfSpace, LoadError, Port, Property, Statement};
pub use walk::{Mark, Walk};
