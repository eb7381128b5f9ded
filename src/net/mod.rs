//! The network and what it computes: graph, linear operators, evaluation, gradients, interval enclosures.

mod conv;
mod dense;
mod enclosure;
mod evaluate;
pub mod gemm;
mod graph;
pub mod kernel;
mod linear;
mod network;
mod scalar;
mod sparse;

pub use conv::{Conv, ConvGeometry};
pub use dense::Dense;
pub(crate) use enclosure::around;
pub use enclosure::{Boxes, Enclosure};
pub use evaluate::Values;
pub use graph::{Affine, BuildError, NetworkBuilder, Node, NodeId, Op, Term};
pub use linear::LinearMap;
pub use network::{FinalOperator, Network};
pub use scalar::{Curve, recip_interval, sigmoid, tanh};
pub use sparse::Sparse;
pub(crate) use sparse::{column, column_mut, columns};

/// A batch of column vectors; column c is one point, one functional, or one domain.
pub type Matrix = nalgebra::DMatrix<f64>;
