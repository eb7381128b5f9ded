//! An audit as files: report.json, rows.csv, the manifest; and back.
//!
//! report.json holds everything that the page shows; the page and the table are made of it and of nothing else.

mod bom;
mod build;
mod compare;
mod content;
mod deployed;
mod dsse;
mod figures;
mod folder;
mod gsn;
mod manifest;
mod setup;
mod side;
mod statement;
mod table;

pub(crate) use build::FinishedAudit;
pub(crate) use content::{
    AuditReport, CellRecord, ComparisonRecord, CriterionRecord, RadiiRecord, RunRecord,
    ShownRecord, SubjectRecord,
};
pub(crate) use dsse::{CheckKey, KeyError, SignKey};
pub(crate) use folder::{Rendered, foreign_renderings, render_again, signature};
pub(crate) use manifest::{Alteration, Sealed, verify_folder};
pub(crate) use setup::{Agreement, AuditData, AuditModel, Build, Setup, SubjectLook};
pub(crate) use side::{MEASURES, side_by_side};
