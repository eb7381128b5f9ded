//! What is written for people and programs: JSON, the journal of what is running, terminal text, pages.

mod answers;
mod as_read;
mod audit;
mod bench;
mod campaign;
mod campaign_text;
mod ci;
mod folder;
mod html;
mod inspection;
mod journal;
mod json;
mod merge;
mod plan_text;
mod proofs;
mod query;
mod terminal;
mod testing;

pub(crate) use answers::{
    Answer, BenchAnswer, CheckAnswer, InitAnswer, PlanAnswer, SpecAnswer, VerifyAnswer,
};
pub(crate) use as_read::AsRead;
pub(crate) use audit::{
    Agreement, AuditData, AuditModel, AuditReport, Build, CheckKey, FinishedAudit, KeyError,
    Rendered, RunRecord, Sealed, Setup, SignKey, SubjectLook, foreign_renderings, render_again,
    signature, verify_folder,
};
pub(crate) use bench::{BenchRow, BenchVerdict, bench_text, red};
pub(crate) use campaign::csv;
pub(crate) use campaign_text::{head_text, radius_text, report_text};
pub(crate) use ci::Cases;
pub(crate) use folder::{Folder, FolderError, Mode};
pub(crate) use html::tradeoff_picture;
pub(crate) use inspection::{Evaluation, Inspection, Worst};
pub(crate) use json::Report;
pub(crate) use json::{
    AttackRecord, CampaignSettings, DataRecord, Header, ModelRecord, RadiusReport, SCHEMA_VERSION,
    Timing, Tool,
};
pub(crate) use merge::{MergeError, merge};
pub(crate) use plan_text::{plan_text, side_text};
pub(crate) use proofs::{CheckRow, Claims, IndexError, ProofEntry, ProofFolder};
pub(crate) use query::{CounterexampleRecord, ProofRecord, QueryReport, query_text};
pub(crate) use terminal::{audit_head, audit_text, inspection_text};
pub(crate) use testing::{
    AgainstAnswer, BrokenRecord, CaseFile, LawRecord, LawsAnswer, ShrinkAnswer, against_text,
    laws_text,
};
