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
mod entry;
mod examine;
mod further;
pub mod interval;
mod metrics;
pub mod ood;
mod plan;
mod pool;
mod prediction;
pub mod radius;
mod results;
mod row;
pub mod score;
pub mod semantic;
pub mod shift;

pub use campaign::{Campaign, CampaignError, Decide, Ended, Finished, Sample, Task, input_seed};
pub use classification::Classification;
pub use entry::{Entry, Evidence, Found, ProofText, Step};
pub use examine::{Audit, AuditError, Held, Subject};
pub use interval::Interval;
pub use metrics::{Breach, Share, Summary};
pub use ood::OutOfDistribution;
pub use plan::{
    About, AttackPlan, Criterion, DataPlan, Measure, MethodPlan, ModelPlan, Place, Plan, PlanError,
    ProofPlan, RadiusPlan, SemanticKind, SemanticPlan, TEMPLATE,
};
pub use prediction::{Prediction, predict};
pub use radius::{Grid, RadiusRow, RadiusSearch, RadiusSummary};
pub use results::{AtRadius, Clash, InputResult, Proof, SubjectResults, results};
pub use row::{AttackResult, Finding, Row};
