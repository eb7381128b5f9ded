//! The main result: certified and adversarial accuracy at every radius.

use crate::audit::Share;
use crate::audit::interval::Counted;
use crate::report::audit::{AuditReport, CellRecord, SubjectRecord};
use crate::report::html::plot::bracket::{bracket, legend};
use crate::report::html::table::{counts, of_subjects, share, table};
use crate::report::html::{Context, text};
use crate::report::terminal::counts as counted;
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
    let rows = of_subjects(
        &report.subjects,
        |subject| &subject.euclidean,
        |cell| {
            html! {
                td.r { (text::radius(&cell.epsilon, cell.epsilon_value)) }
                (counts(&names, |name| cell.attacks.get(name)))
                (share(&cell.adversarial))
            }
        },
    );
    let heads = heads("ε (L2)", &names, &[">Not broken"]);
    html! {
        @if !names.is_empty() {
            h3 { "Euclidean norm" }
            p.note { "Attacks only, with perturbations of Euclidean length at most ε; nothing is certified here. Success rates of the correctly classified inputs." }
            (table(&heads, &rows))
        }
    }
}

/// Heads of a table by radius: of each name a column, and others.
fn heads(radius: &str, names: &[&String], others: &[&str]) -> Vec<String> {
    let named = names.iter().map(|name| format!(">{name}"));
    let first = ["Model".to_owned(), "Dataset".to_owned(), format!(">{radius}")];
    first.into_iter().chain(named).chain(others.iter().map(|&head| head.to_owned())).collect()
}

fn masking(report: &AuditReport) -> Markup {
    let rows = of_subjects(
        &report.subjects,
        |subject| &subject.masking,
        |sign| {
            html! {
                td { (sign.name) }
                td { @match sign.raised { Some(true) => span.badge.bad { "yes" }, Some(false) => span.badge.good { "no" }, None => span.badge.plain { "not checked" } } }
                td { (sign.evidence) }
            }
        },
    );
    html! {
        @if report.subjects.iter().any(|subject| !subject.masking.is_empty()) {
            h3 { "Signs of masked gradients" }
            p.note {
                "Where gradients mislead, attacks that follow them fail, and what they did not break is worth little. A sign is no proof; certificates do not depend on it. "
                "Looked for on the first " (report.setup.masking) " inputs of each dataset; attacks are compared on all correct inputs at the radius that breaks about half of them."
            }
            (table(&["Model", "Dataset", "Sign", "Seen", "What was compared"], &rows))
        }
    }
}

/// What ε is measured in.
pub(super) fn unit<'a>(report: &'a AuditReport, subject: &SubjectRecord) -> &'a str {
    report.data_of(subject).map_or("", |data| data.unit.as_str())
}

/// One row a cell.
fn by_cell(report: &AuditReport, columns: impl Fn(&CellRecord) -> Markup) -> Markup {
    let cells = |cell: &CellRecord| {
        html! { td.r { (text::radius(&cell.epsilon, cell.epsilon_value)) } (columns(cell)) }
    };
    of_subjects(&report.subjects, |subject| &subject.cells, cells)
}

fn cells(report: &AuditReport) -> Markup {
    let rows = by_cell(report, |cell| {
        html! {
            td.r { (cell.clean.total) }
            @for count in [&cell.clean, &cell.adversarial, &cell.certified, &cell.undecided, &cell.stability] { (share(count)) }
        }
    });
    let heads = [">n", ">Clean", ">Not broken", ">Certified", ">Undecided", ">Stability index"];
    let scores = html! {
        @for subject in &report.subjects {
            tr {
                th { (subject.model) } td { (subject.data) }
                td.r { @if let Some(cell) = subject.cells.last() { (text::radius(&cell.epsilon, cell.epsilon_value)) } }
                td.r { (text::number(subject.robustness_score)) }
            }
        }
    };
    html! {
        (table(&self::heads("ε", &[], &heads), &rows))
        @if report.subjects.iter().any(|subject| subject.robustness_score.is_some()) {
            h3 { "Robustness score" }
            (table(&["Model", "Dataset", ">ε from 0 to", ">Robustness score"], &scores))
        }
    }
}

fn attacks(report: &AuditReport) -> Markup {
    let names: Vec<&String> = report.setup.attacks.iter().map(|attack| &attack.name).collect();
    let rows = by_cell(report, |cell| {
        let (correct, broken) = (cell.clean.count, cell.clean.count - cell.adversarial.count);
        let worst = Counted::from(Share { count: broken, total: correct });
        html! {
            (counts(&names, |name| cell.attacks.get(name)))
            td.r { (text::share(&worst)) span.ci { (broken) " of " (correct) } span.ci { (text::interval(worst.interval.as_ref())) } }
        }
    });
    html! {
        @if !names.is_empty() {
            h3 { "Attack success rate" }
            p.note { "Share of the correctly classified inputs that an attack broke at this radius. Worst case: broken by anything, here or at a smaller radius." }
            (table(&heads("ε", &names, &[">Worst case"]), &rows))
        }
    }
}

fn methods(report: &AuditReport) -> Markup {
    let names: Vec<&String> = report.setup.methods.iter().map(|method| &method.name).collect();
    let rows = by_cell(report, |cell| {
        html! {
            @for name in &names { @match cell.methods.get(*name) { Some(count) => (share(count)), None => td {} } }
            td { (counted(&cell.decided_by, ", ")) }
            td { (counted(&cell.reasons, ", ")) }
        }
    });
    html! {
        @if !names.is_empty() {
            h3 { "Certified accuracy by method" }
            (table(&heads("ε", &names, &["Decided by", "Undecided because"]), &rows))
        }
    }
}
