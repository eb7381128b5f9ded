//! An audit as files: report.json, rows.csv, the manifest; and back.
//!
//! report.json holds everything that the page shows; the page and the table are made of it and of nothing else.

mod build;
mod content;
mod figures;
mod folder;
mod manifest;
mod setup;
mod table;

pub(crate) use build::FinishedAudit;
pub(crate) use content::{
    AuditReport, CellRecord, CriterionRecord, RadiiRecord, RunRecord, ShownRecord, SubjectRecord,
};
pub(crate) use folder::{Rendered, foreign_renderings, render_again};
pub(crate) use manifest::{Alteration, verify_folder};
pub(crate) use setup::{Agreement, AuditData, AuditModel, Build, Setup, SubjectLook};
