//! The main result: certified and adversarial accuracy at every radius.

use crate::report::audit::{AuditReport, CellRecord, SubjectRecord};
use crate::report::html::plot::bracket::{bracket, legend};
use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    Some(html! {
        p {
            "The robust accuracy, the share of inputs whose class no perturbation changes, is not known exactly; it lies between the two "
            "curves. Where they meet it is known."
        }
        (legend())
        div.figures {
            @for (at, subject) in report.subjects.iter().enumerate() {
                (bracket(subject, unit(report, subject), &format!("bracket-{at}")).figure())
            }
        }
        h3 { "In numbers" }
        (cells(report))
        p.note { "n inputs each; 95 % Clopper–Pearson intervals in small. Stability index and robustness score: see " a href="#definitions" { "Definitions" } "." }
        (attacks(report))
        (methods(report))
        (euclidean(report))
        (masking(report))
    })
}

fn euclidean(report: &AuditReport) -> Markup {
    let names: Vec<&String> = report.setup.l2_attacks.iter().map(|attack| &attack.name).collect();
    html! {
        @if !names.is_empty() {
            h3 { "Euclidean norm" }
            p.note { "Attacks only, with perturbations of Euclidean length at most ε; nothing is certified here. Success rates of the correctly classified inputs." }
            div.scroll { table {
                thead { tr { th { "Model" } th { "Dataset" } th.r { "ε (L2)" } @for name in &names { th.r { (name) } } th.r { "Not broken" } } }
                tbody { @for subject in &report.subjects {
                    @for (at, cell) in subject.euclidean.iter().enumerate() {
                        tr {
                            @if at == 0 { th rowspan=(subject.euclidean.len()) { (subject.model) } td rowspan=(subject.euclidean.len()) { (subject.data) } }
                            td.r { (text::radius(&cell.epsilon, cell.epsilon_value)) }
                            @for name in &names {
                                td.r { @if let Some(count) = cell.attacks.get(*name) { (text::share(count)) span.ci { (count.count) " of " (count.total) } } }
                            }
                            td.r { (text::share(&cell.adversarial)) span.ci { (text::interval(cell.adversarial.interval.as_ref())) } }
                        }
                    }
                } }
            } }
        }
    }
}

fn masking(report: &AuditReport) -> Markup {
    html! {
        @if report.subjects.iter().any(|subject| !subject.masking.is_empty()) {
            h3 { "Signs of masked gradients" }
            p.note {
                "Where gradients mislead, attacks that follow them fail, and what they did not break is worth little. A sign is no proof; certificates do not depend on it. "
                "Looked for on the first " (report.setup.masking) " inputs of each dataset; attacks are compared on all correct inputs at the radius that breaks about half of them."
            }
            div.scroll { table {
                thead { tr { th { "Model" } th { "Dataset" } th { "Sign" } th { "Seen" } th { "What was compared" } } }
                tbody { @for subject in &report.subjects {
                    @for (at, sign) in subject.masking.iter().enumerate() {
                        tr {
                            @if at == 0 { th rowspan=(subject.masking.len()) { (subject.model) } td rowspan=(subject.masking.len()) { (subject.data) } }
                            td { (sign.name) }
                            td { @match sign.raised { Some(true) => span.badge.bad { "yes" }, Some(false) => span.badge.good { "no" }, None => span.badge.plain { "not checked" } } }
                            td { (sign.evidence) }
                        }
                    }
                } }
            } }
        }
    }
}

/// What ε is measured in.
pub(super) fn unit<'a>(report: &'a AuditReport, subject: &SubjectRecord) -> &'a str {
    let data = report.setup.data.iter().find(|data| data.name == subject.data);
    data.map_or("", |data| data.unit.as_str())
}

/// One row a cell; names are written once.
fn by_cell(
    report: &AuditReport,
    columns: &dyn Fn(&SubjectRecord, &CellRecord, bool) -> Markup,
) -> Markup {
    html! {
        @for subject in &report.subjects {
            @for (at, cell) in subject.cells.iter().enumerate() {
                tr {
                    @if at == 0 {
                        th rowspan=(subject.cells.len()) { (subject.model) }
                        td rowspan=(subject.cells.len()) { (subject.data) }
                    }
                    td.r { (text::radius(&cell.epsilon, cell.epsilon_value)) }
                    (columns(subject, cell, at == 0))
                }
            }
        }
    }
}

fn cells(report: &AuditReport) -> Markup {
    let columns = |_: &SubjectRecord, cell: &CellRecord, _: bool| {
        html! {
            td.r { (cell.clean.total) }
            @for count in [&cell.clean, &cell.adversarial, &cell.certified, &cell.undecided, &cell.stability] {
                td.r { (text::share(count)) span.ci { (text::interval(count.interval.as_ref())) } }
            }
        }
    };
    html! {
        div.scroll { table {
            thead { tr {
                th { "Model" } th { "Dataset" } th.r { "ε" } th.r { "n" } th.r { "Clean" } th.r { "Not broken" } th.r { "Certified" }
                th.r { "Undecided" } th.r { "Stability index" }
            } }
            tbody { (by_cell(report, &columns)) }
        } }
        @if report.subjects.iter().any(|subject| subject.robustness_score.is_some()) {
            h3 { "Robustness score" }
            div.scroll { table {
                thead { tr { th { "Model" } th { "Dataset" } th.r { "ε from 0 to" } th.r { "Robustness score" } } }
                tbody { @for subject in &report.subjects {
                    tr {
                        th { (subject.model) } td { (subject.data) }
                        td.r { @if let Some(cell) = subject.cells.last() { (text::radius(&cell.epsilon, cell.epsilon_value)) } }
                        td.r { (text::number(subject.robustness_score)) }
                    }
                } }
            } }
        }
    }
}

fn attacks(report: &AuditReport) -> Markup {
    let names: Vec<&String> = report.setup.attacks.iter().map(|attack| &attack.name).collect();
    let columns = |_: &SubjectRecord, cell: &CellRecord, _: bool| {
        let broken = cell.clean.count - cell.adversarial.count;
        html! {
            @for name in &names {
                td.r { @if let Some(count) = cell.attacks.get(*name) { (text::share(count)) span.ci { (count.count) " of " (count.total) } } }
            }
            td.r { (text::percent((cell.clean.count > 0).then(|| broken as f64 / cell.clean.count as f64))) span.ci { (broken) " of " (cell.clean.count) } }
        }
    };
    html! {
        @if !names.is_empty() {
            h3 { "Attack success rate" }
            p.note { "Share of the correctly classified inputs that an attack broke at this radius. Worst case: broken by anything, here or at a smaller radius." }
            div.scroll { table {
                thead { tr { th { "Model" } th { "Dataset" } th.r { "ε" } @for name in &names { th.r { (name) } } th.r { "Worst case" } } }
                tbody { (by_cell(report, &columns)) }
            } }
        }
    }
}

fn methods(report: &AuditReport) -> Markup {
    let names: Vec<&String> = report.setup.methods.iter().map(|method| &method.name).collect();
    let list = |counts: &std::collections::BTreeMap<String, usize>| {
        let mut counts: Vec<_> = counts.iter().collect();
        counts.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    let columns = |_: &SubjectRecord, cell: &CellRecord, _: bool| {
        html! {
            @for name in &names {
                td.r { @if let Some(count) = cell.methods.get(*name) { (text::share(count)) } }
            }
            td { (list(&cell.decided_by)) }
            td { (list(&cell.reasons)) }
        }
    };
    html! {
        @if !names.is_empty() {
            h3 { "Certified accuracy by method" }
            div.scroll { table {
                thead { tr { th { "Model" } th { "Dataset" } th.r { "ε" } @for name in &names { th.r { (name) } } th { "Decided by" } th { "Undecided because" } } }
                tbody { (by_cell(report, &columns)) }
            } }
        }
    }
}
