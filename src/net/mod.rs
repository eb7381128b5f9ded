//! The network and what it computes: graph, linear operators, evaluation, gradients, interval enclosures.

mod conv;
mod dense;
mod enclosure;
mod evaluate;
mod exact;
mod float32;
pub mod gemm;
mod graph;
pub mod kernel;
mod linear;
mod network;
mod op;
mod order;
mod sparse;

pub use conv::{Conv, ConvGeometry};
pub use dense::Dense;
pub use enclosure::Boxes;
pub(crate) use enclosure::around;
pub use evaluate::Values;
pub(crate) use evaluate::value;
pub use float32::{Computed, NotSingle, Semantics};
pub use graph::{Affine, BuildError, NetworkBuilder, Node, NodeId, Term};
pub use linear::LinearMap;
pub use network::{FinalOperator, Network};
pub use op::{
    Ascent, Drawn, DrawnLines, Elu, Function, Gated, GeluTanh, Lines, OnnxAttribute, Op, Parameter,
    Power, Relaxation, Splits, Step, default_in_doubt, default_slope, upper_slope,
};
pub use order::Order;
pub use sparse::Sparse;
pub(crate) use sparse::{column, column_mut, columns};

/// A batch of column vectors; column c is one point, one functional, or one domain.
pub type Matrix = nalgebra::DMatrix<f64>;
