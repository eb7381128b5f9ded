//! Which clause of a standard is answered by which section.

use crate::report::html::Context;
use maud::{Markup, html};

/// Clause, what it asks for, and the sections that have evidence for it.
type Clause = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const CLAUSES: [Clause; 8] = [
    (
        "ISO/IEC 24029-2",
        "the property, the domain in which it is to hold, the formal method and its assumptions, what it found",
        &[
            ("property", "Property and criteria"),
            ("threat", "Threat model"),
            ("methods", "Methods and assurance"),
            ("robustness", "Robustness"),
        ],
    ),
    (
        "Regulation (EU) 2024/1689 (AI Act), Article 15",
        "accuracy, and robustness against errors and manipulated inputs, with their metrics",
        &[
            ("accuracy", "Accuracy on clean data"),
            ("robustness", "Robustness"),
            ("shift", "Shift and noise"),
        ],
    ),
    (
        "AI Act, Annex IV 2 (g) and 3",
        "validation and testing: data, metrics, test logs and reports signed by those responsible; capabilities and limitations",
        &[
            ("data", "Data"),
            ("definitions", "Definitions"),
            ("limits", "Assumptions and limitations"),
            ("manifest", "Manifest"),
            ("signoff", "Sign-off"),
        ],
    ),
    (
        "prEN 18229-2 (draft)",
        "trustworthiness: accuracy and robustness of AI systems",
        &[("accuracy", "Accuracy on clean data"), ("robustness", "Robustness")],
    ),
    (
        "EASA concept paper, learning assurance (LM-11 to LM-14)",
        "verification of the trained model: stability, robustness under adverse conditions, analysis of what is left open",
        &[
            ("robustness", "Robustness"),
            ("radius", "Radii"),
            ("details", "Classes, model by model"),
        ],
    ),
    (
        "EASA concept paper, data management",
        "where test data come from, and that they are independent of training",
        &[("data", "Data")],
    ),
    (
        "DO-330, tool operational requirements and tool data",
        "the tool, its version and configuration, its environment, how its output is verified",
        &[
            ("run", "Tool and run"),
            ("methods", "Methods and assurance"),
            ("proofs", "Proofs"),
            ("reproduction", "Reproduction"),
        ],
    ),
    (
        "DO-330, known limitations",
        "what the tool does not detect",
        &[("limits", "Assumptions and limitations")],
    ),
];

pub(super) fn content(_: &Context) -> Option<Markup> {
    Some(html! {
        div.scroll { table {
            thead { tr { th { "Clause" } th { "What it asks for" } th { "Answered by" } } }
            tbody {
                @for (clause, asks, sections) in CLAUSES {
                    tr {
                        th { (clause) } td { (asks) }
                        td { @for (at, (id, title)) in sections.iter().enumerate() { @if at > 0 { "; " } a href=(format!("#{id}")) { (title) } } }
                    }
                }
            }
        } }
        p.note {
            "What is asked for is put in this program's words; the texts themselves decide. A section that has nothing to say about this audit is left out. The report gives "
            "evidence for assessments by these texts and is none of them."
        }
    })
}
