//! A whole dataset: one verification task an input, in parallel and resumable, and the figures that sum it up.
//!
//! Three accuracies bracket the truth. With n inputs, of which c are classified correctly, b of those broken by a
//! counterexample and k of those certified:
//!
//! certified k/n ≤ robust accuracy (unknown) ≤ adversarial (c − b)/n ≤ clean c/n,
//!
//! and what lies between the first and the third is undecided. [`Summary::of`] refuses rows that break this order.

mod campaign;
mod metrics;
mod row;

pub use campaign::{Campaign, CampaignError, Ended, Finished, Sample, Task, input_seed};
pub use metrics::{Breach, Share, Summary};
pub use row::{AttackResult, Finding, Row};
