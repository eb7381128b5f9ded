//! The laws of verification as functions: random networks, what must hold of every bound, verdict and proof, and how a failure is made small.
//!
//! A [`Law`] looks at a [`Case`], a network and a property, and says how often it held or how it was [broken](Broken). Laws know nothing
//! of how bounds are found; they compare them with exact values, exact minima, each other, and both arithmetics of the checker.
//! docs/testing.md has their mathematics.
//!
//! Networks with known answers come from [`truth`]; with the feature `testing` there are `strategies` for proptest.

mod case;
#[doc(hidden)]
pub mod circuits;
mod draft;
mod drift;
#[doc(hidden)]
pub mod dyadic;
#[doc(hidden)]
pub mod exact;
#[doc(hidden)]
pub mod forged;
#[doc(hidden)]
pub mod known;
#[doc(hidden)]
pub mod laws;
pub mod near;
#[doc(hidden)]
pub mod nets;
#[doc(hidden)]
pub mod oracle;
#[doc(hidden)]
pub mod readers_exactly;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod recorded;
mod rewrite;
mod shrink;
#[cfg(feature = "testing")]
pub mod strategies;
pub mod truth;
mod values;

pub use case::Case;
pub use laws::{Broken, Checked, Law};
pub use rewrite::Rewrite;
pub use shrink::shrink;

/// Why a generator's calls of the builder cannot fail.
const FITS: &str = "the parts of a generated network fit each other";
