//! What is asked: a region of inputs, and a set of outputs that no input of the region may reach.

mod ball;
mod property;
mod region;

pub use ball::{Ball, Norm, UnknownNorm};
pub use property::{Claim, HalfSpace, Polytope, Property};
pub use region::{Around, Region, RegionError};
