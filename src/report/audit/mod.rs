//! An audit as files: its journal, report.json, rows.csv, the manifest; and back.
//!
//! report.json holds everything that the page shows; the page and the table are made of it and of nothing else.

mod build;
mod folder;
mod further;
mod journal;
mod manifest;
mod record;
mod setup;
mod table;

pub use build::FinishedAudit;
pub use folder::{AuditFolder, FolderError, Rendered, foreign_renderings, render_again};
pub use manifest::{Alteration, ManifestError, Sealed, verify_folder};
pub use record::{
    AuditReport, AuditRow, AverageRecord, CellRecord, ClassRecord, ClassificationRecord,
    CountRecord, CriterionRecord, EuclideanRecord, Evidence, IntervalRecord, OutsideRecord,
    RadiiRecord, RadiiSpread, RunRecord, SemanticRecord, ShiftRecord, ShownRecord, SignRecord,
    SubjectRecord, Verdicts,
};
pub use setup::{
    AboutRecord, Agreement, AttackSetup, AuditData, AuditModel, Build, MethodSetup, ProofSetup,
    RadiusSetup, SemanticSetup, Setup,
};
