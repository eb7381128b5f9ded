//! The files of the folder and their hashes.

use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let files = &context.report.files;
    let (evidence, others): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| file.name.starts_with("evidence/"));
    Some(html! {
        div.scroll { table {
            thead { tr { th { "File" } th { "SHA-256" } th { "What it is" } } }
            tbody {
                tr { th { "report.json" } td { code { (context.id) } } td { "everything in this report; its hash is the report id" } }
                @for file in &others {
                    tr { th { (file.name) } td { code { (file.sha256) } } td { (describe(&file.name)) } }
                }
                tr { th { "report.html, rows.csv, bom.cdx.json, argument.gsn.yaml" } td { "in manifest.sha256" } td { "made of report.json: this page, its rows, a CycloneDX ML-BOM with model cards, and the argument in Goal Structuring Notation" } }
                tr { th { "attestation.intoto.jsonl" } td { "signed" } td { "where somebody signed the audit: an in-toto statement about report, manifest, models, data and evidence, in a DSSE envelope" } }
                tr { th { "evidence/" } td { "in manifest.sha256 and report.json" } td { (text::counted(evidence.len(), "file")) ": counterexamples, and proofs with their properties" } }
            }
        } }
        p.note {
            "To check a signature: " code { "certus audit --verify DIR --key PUBLIC.pem" } ". manifest.sha256 lists every file and ends with a seal, the hash of its own lines. Whoever alters a file and makes a new manifest cannot keep the report id: "
            "note it down, or publish it."
        }
    })
}

fn describe(name: &str) -> &str {
    match name {
        "journal.jsonl" => "every step on every input, in the plan's order",
        "plan.toml" => "the plan",
        _ => "",
    }
}
