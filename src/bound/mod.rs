//! Sound bounds of linear functionals of a network's values over boxes of inputs.
//!
//! Interval bounds come from [`crate::net::Network::enclose`]; linear relaxations (CROWN) are swept backwards by
//! [`Sweep`], the one routine that turns multipliers (slopes, lifts) into a bound. Whatever chooses the multipliers,
//! a bound is only ever what the sweep returns. Where inputs are few and layers wide, [`Forward`] bounds intermediate neurons
//! instead.

mod analysis;
mod backward;
mod charge;
mod claim;
mod cone;
mod cost;
mod eliminate;
mod forward;
mod intermediate;
mod kernel;
mod optimise;
mod outputs;
mod primal;
mod reduce;

pub use crate::net::{default_in_doubt, default_slope, upper_slope};
pub use analysis::{Analysis, Intermediate};
pub use backward::{Layers, Lift, Multipliers, Start, Sweep, Swept};
pub use charge::Charges;
pub use claim::{Functionals, OpenPolytope};
pub use cost::{Costs, work_of_intermediate, work_of_sweep};
pub use forward::free_inputs;
pub use intermediate::{End, optimise_intermediate};
pub(crate) use intermediate::{WORTH, move_end};
pub use optimise::{Climb, Climbed, Goal, SplitLift, climb, default_slopes};
pub use outputs::{OutputBounds, bounds};
pub use primal::primal;
pub use reduce::Reduced;
