//! What is asked: a region of inputs, and a set of outputs that no input of the region may reach.

mod norm;
mod property;
mod region;

pub use norm::Norm;
pub use property::{Claim, HalfSpace, Polytope, Property};
pub use region::{Around, Region, RegionError};
