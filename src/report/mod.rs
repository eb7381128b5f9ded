//! What is written for people and programs: JSON, the journal of a running campaign, terminal text.
//!
//! The types here are the only ones that are serialised, so the format of every file is decided in this folder.

mod audit;
mod bench;
mod html;
mod inspection;
mod journal;
mod json;
mod lock;
mod proofs;
mod query;
mod radius;
mod radius_text;
mod row;
mod store;
mod terminal;

pub use audit::{
    AboutRecord, Agreement, Alteration, AttackSetup, AuditData, AuditFolder, AuditModel,
    AuditReport, AuditRow, AverageRecord, Build, CellRecord, ClassRecord, ClassificationRecord,
    CountRecord, CriterionRecord, EuclideanRecord, Evidence, FinishedAudit, FolderError,
    IntervalRecord, ManifestError, MethodSetup, OutsideRecord, ProofSetup, RadiiRecord,
    RadiiSpread, RadiusSetup, Rendered, RunRecord, Sealed, SemanticRecord, SemanticSetup, Setup,
    ShiftRecord, ShownRecord, SignRecord, SubjectRecord, Verdicts, foreign_renderings,
    render_again, verify_folder,
};
pub use bench::{Answer, BenchRow, BenchVerdict, bench_text, red};
pub use inspection::{Inspection, Layer};
pub use journal::JournalError;
pub use json::{
    AttackRecord, DataRecord, Decimal, FileRecord, Header, ModelRecord, Report, SCHEMA_VERSION,
    SettingsRecord, ShareRecord, SummaryRecord, Timing, Tool,
};
pub use proofs::{Campaign, CheckRow, IndexError, ProofEntry, ProofFolder, check_csv};
pub use query::{CounterexampleRecord, ProofRecord, QueryReport, query_text};
pub use radius::{
    QuantileRecord, RadiusDefinitions, RadiusFigures, RadiusRecord, RadiusReport, RadiusSettings,
    SpreadRecord,
};
pub use radius_text::radius_text;
pub use row::{AttackName, Level, Record, RowError, RowRecord, VerdictName};
pub use store::{Mode, Store, StoreError};
pub use terminal::{audit_text, inspection_text, report_text};
