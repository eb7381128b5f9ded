//! Margins against the error of the arithmetic in which the model is deployed.

use crate::audit::{AuditRow, VerdictName};
use crate::report::html::table::table;
use crate::report::html::{Context, text};
use maud::{Markup, html};

/// So many rows are listed; rows.csv has all.
const MOST: usize = 100;

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    let certified = |row: &&AuditRow| row.verdict == VerdictName::Certified;
    if !report.rows.iter().any(|row| certified(&row)) {
        return None;
    }
    let summary = html! {
        @for subject in &report.subjects {
            @let rows: Vec<&AuditRow> = report.rows.iter().filter(certified).filter(|row| row.model == subject.model && row.data == subject.data).collect();
            @let units = sorted(&rows);
            tr {
                th { (subject.model) } td { (subject.data) } td.r { (rows.len()) }
                td.r { (units.first().map_or_else(|| "–".to_owned(), |least| times(*least))) }
                td.r { (units.get(units.len() / 2).map_or_else(|| "–".to_owned(), |middle| times(*middle))) }
                td.r { (units.iter().filter(|units| **units < 1.0).count()) } td.r { (rows.len() - units.len()) }
            }
        }
    };
    let mut below: Vec<&AuditRow> = report
        .rows
        .iter()
        .filter(certified)
        .filter(|row| row.margin_in_errors.is_none_or(|units| units < 1.0))
        .collect();
    below.sort_by(|a, b| {
        let key = |row: &AuditRow| row.margin_in_errors.unwrap_or(-1.0);
        key(a).total_cmp(&key(b))
    });
    let rows = html! {
        @for row in below.iter().take(MOST) {
            tr {
                th { (row.model) } td { (row.data) } td.r { (row.index) } td.r { (text::radius_of(&row.epsilon)) }
                td.r { (size(row.margin_bound)) } td.r { (size(row.rounding_error)) }
                td.r { (row.margin_in_errors.map_or_else(|| "not known".to_owned(), times)) }
            }
        }
    };
    let heads = [
        "Model",
        "Dataset",
        ">Certified/rows",
        ">Least margin/in errors",
        ">Median margin/in errors",
        ">Rows/below 1",
        ">Rows/not known",
    ];
    Some(html! {
        p {
            "Certificates are about the network over the real numbers. In single precision an output may be off by what roundings add up to; a margin of more than that error, of the label's output "
            "and another one together, keeps the class there too. The error is bounded layer by layer over the whole region, by γₙ |W| |x| with intervals for x: "
            b { "an estimate, and no certificate" } ". It takes for granted that the deployment sums the same products in single precision, in any order, and that nothing overflows or underflows."
        }
        (table(&heads, &summary))
        h3 { "Certified rows whose margin is below the error" }
        @if below.is_empty() { p { "None: by this estimate every certified row keeps its class in single precision." } }
        @else {
            p.note {
                (text::counted(below.len(), "row")) ", whose certificate by this estimate says nothing about a single-precision deployment"
                @if below.len() > MOST { "; the first " (MOST) ", the others in rows.csv" } "."
            }
            (table(&["Model", "Dataset", ">Input", ">ε", ">Margin ≥", ">Error ≤", ">Margin in errors"], &rows))
        }
    })
}

/// The margins in errors that are known, the least first.
fn sorted(rows: &[&AuditRow]) -> Vec<f64> {
    let mut units: Vec<f64> = rows.iter().filter_map(|row| row.margin_in_errors).collect();
    units.sort_by(f64::total_cmp);
    units
}

fn times(units: f64) -> String {
    match units {
        u if u >= 1e4 => format!("{u:.1e}"),
        u if u >= 10.0 => format!("{u:.1}"),
        u if u >= 0.01 || u == 0.0 => format!("{u:.2}"),
        u => format!("{u:.1e}"),
    }
}

fn size(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2e}"))
}
