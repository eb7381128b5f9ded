//! Radii: within which distance of an input its label is proved, and at which it is refuted.

mod bracket;
mod grid;
mod search;
mod summary;

pub use bracket::{Ask, Bracket, NoBracket, Reply, bisect};
pub use grid::{Grid, GridError};
pub use search::{Balls, RadiusError, RadiusFound, RadiusRow, RadiusSearch};
pub use summary::{
    CENSORING, QUANTILES, Quantile, RadiusSummary, Spread, adversarial_accuracy, certified_accuracy,
};
