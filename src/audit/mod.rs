//! A whole dataset: one verification task an input, in parallel and resumable, and the figures that sum it up.
//!
//! Three accuracies bracket the truth. With n inputs, of which c are classified correctly, b of those broken by a
//! counterexample and k of those certified:
//!
//! certified k/n ≤ robust accuracy (unknown) ≤ adversarial (c − b)/n ≤ clean c/n,
//!
//! and what lies between the first and the third is undecided. [`Summary::of`] refuses rows that break this order.

mod campaign;
pub mod classification;
mod criterion;
mod entry;
mod examine;
mod finding;
pub mod interval;
mod metrics;
mod ood;
mod paired;
mod plan;
mod prediction;
pub(crate) mod radius;
mod results;
mod row;
mod run;
pub(crate) mod sampling;
pub(crate) mod score;
mod seeds;
pub mod semantic;
pub(crate) mod shard;
pub mod shift;
pub(crate) mod single;
mod steps;
pub(crate) mod stored;

pub(crate) use campaign::{Campaign, Decide, Task};
pub use classification::Classification;
pub(crate) use criterion::{JudgedBy, Judgement};
pub(crate) use entry::{EVIDENCE, Entry, Found, Step};
pub(crate) use examine::{Audit, Subject};
pub use finding::Finding;
pub(crate) use finding::{Sought, prove};
pub use metrics::Share;
pub(crate) use metrics::{Breach, Summary};
pub(crate) use ood::OutOfDistribution;
pub(crate) use paired::{Paired, holm};
pub(crate) use plan::{
    About, AttackPlan, DataPlan, Measure, MethodPlan, ModelPlan, Place, Plan, PlanError, ProofPlan,
    RadiusPlan, SemanticKind, SemanticPlan, TEMPLATE,
};
pub use prediction::Prediction;
pub(crate) use radius::{Grid, RadiusRow, RadiusSearch};
pub(crate) use results::{AuditRow, Clash, Evidence, InputResult, SubjectResults, results};
pub(crate) use row::{AttackResult, Row, VerdictName};
pub(crate) use run::{Ended, Finished, Line, RunError, Work, each};
pub(crate) use seeds::OverSeeds;
pub(crate) use stored::{Exact, FileRecord};
