//! What is written for people and programs: JSON, the journal of a running campaign, terminal text.
//!
//! The types here are the only ones that are serialised, so the format of every file is decided in this folder.

mod bench;
mod inspection;
mod journal;
mod json;
mod proofs;
mod query;
mod row;
mod store;
mod terminal;

pub use bench::{Answer, BenchRow, BenchVerdict, bench_text, red};
pub use inspection::{Inspection, Layer};
pub use journal::JournalError;
pub use json::{
    AttackRecord, DataRecord, Decimal, FileRecord, Header, ModelRecord, Report, SCHEMA_VERSION,
    SettingsRecord, ShareRecord, SummaryRecord, Timing, Tool,
};
pub use proofs::{CheckRow, IndexError, ProofEntry, ProofFolder, check_csv};
pub use query::{CounterexampleRecord, ProofRecord, QueryReport, query_text};
pub use row::{AttackName, Level, RowError, RowRecord, VerdictName};
pub use store::{Mode, Store, StoreError};
pub use terminal::{inspection_text, report_text};
