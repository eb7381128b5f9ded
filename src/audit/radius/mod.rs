//! Radii: within which distance of an input its label is proved, and at which it is refuted.

mod bracket;
mod grid;
mod search;
mod summary;
#[cfg(test)]
pub(super) mod test_data;

pub(crate) use bracket::{Bracket, NoBracket};
pub(crate) use grid::Grid;
pub(crate) use search::{RadiusRow, RadiusSearch};
pub(crate) use summary::{CENSORING, RadiusSummary, Spread};
