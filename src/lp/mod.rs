//! Linear and integer programming: the triangle relaxation's dual solutions as multipliers, and an exact formulation.
//!
//! A solver proposes, the sweep disposes: an LP's optimum, its status and its duals decide nothing. Duals become slopes and
//! lifts ([`duals`]), and the bound is what [`crate::bound::Sweep::run`] makes of them. Wrong duals give a weak bound.
//!
//! The LP's optimum is the best bound that slopes and lifts can give at fixed intermediate bounds (Salman et al., "A convex
//! relaxation barrier", NeurIPS 2019).

mod bound;
#[cfg(feature = "solvers")]
mod clarabel;
pub mod duals;
pub mod milp;
mod program;
mod solver;
mod stage;
mod tighten;
pub mod triangle;

pub use bound::{LpBound, TriangleLp, lower_in_leaf, reached};
pub use program::Program;
pub use solver::{Answer, Clarabel, DualSolver, Prepared};
pub use stage::{prospect, raise};
pub use tighten::tighten;
pub use triangle::Triangle;
