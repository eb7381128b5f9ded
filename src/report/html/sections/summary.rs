//! What a reader who has one minute should know.

use crate::report::audit::{AuditReport, CriterionRecord, SubjectRecord};
use crate::report::html::plot::outcomes::{of_subject, outcomes};
use crate::report::html::plot::{self, tradeoff::tradeoff};
use crate::report::html::table::table;
use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    let inputs: usize = report.setup.data.iter().map(|data| data.used).sum();
    Some(html! {
        p {
            (text::counted(report.setup.models.len(), "model")) " on "
            (text::counted(report.setup.data.len(), "dataset")) " of together " (text::counted(inputs, "input"))
            ". For every input and radius ε: does the predicted class hold for "
            em { "every" } " perturbation of at most ε? "
            "Certified means proved over the real numbers; broken means that a perturbed input with another class was found and verified."
        }
        @let warnings: usize = report.setup.looks.iter().map(|look| look.as_read.warnings.len()).sum();
        @if warnings > 0 {
            p.note { b { (text::counted(warnings, "warning")) } " about the data: see Data." }
        }
        (criteria(&report.criteria))
        h3 { "What becomes of the inputs at the largest radius" }
        (plot::outcome_legend())
        @for (at, data) in report.setup.data.iter().enumerate() {
            @let subjects = on(report, &data.name);
            @let bars: Vec<_> = subjects.iter().filter_map(|s| of_subject(s, s.cells.len().checked_sub(1)?)).collect();
            @if !bars.is_empty() {
                (outcomes(&bars, &format!("outcomes-{at}"), format!("{}: outcomes at the largest radius", data.name),
                    html! { b { (data.name) } @if !data.unit.is_empty() { ", ε in " (data.unit) } }).figure())
            }
        }
        h3 { "The price of robustness" }
        p.note {
            "Each model at its clean accuracy, with the bracket of its robust accuracy: no attack broke more than the upper mark "
            "leaves, and the lower mark is proved. Up and to the right is better."
        }
        (plot::legend(&[
            ("not broken by any attack", html! { path.c-broken d="M12 12l6 -9h-12z" {} }),
            ("certified", html! { path.c-certified d="M12 2l6 9h-12z" {} }),
            ("undecided", plot::swatch("band")),
        ]))
        div.figures {
            @for (at, data) in report.setup.data.iter().enumerate() {
                @if let Some(picture) = tradeoff(&on(report, &data.name), &data.name, &format!("tradeoff-{at}")) {
                    (picture.figure())
                }
            }
        }
    })
}

/// The subjects on a dataset.
fn on<'a>(report: &'a AuditReport, data: &str) -> Vec<&'a SubjectRecord> {
    report.subjects.iter().filter(|subject| subject.data == data).collect()
}

/// The criteria and whether they are met.
fn criteria(criteria: &[CriterionRecord]) -> Markup {
    let met = criteria.iter().filter(|criterion| criterion.met).count();
    let rows = html! {
        @for criterion in criteria {
            tr {
                th { (criterion.model) } td { (criterion.data) } td { (criterion.measure) }
                td.r { (criterion.epsilon.as_deref().map_or_else(|| "–".to_owned(), text::radius_of)) }
                td.r { "≥ " (text::percent(Some(criterion.at_least))) }
                td.r { (text::percent(criterion.found)) }
                td { (badge(criterion.met, "met", "not met")) }
            }
        }
    };
    let heads = ["Model", "Dataset", "Measure", ">At ε", ">Required", ">Found", "Result"];
    html! {
        @if !criteria.is_empty() {
            h3 { "Criteria: " (met) " of " (criteria.len()) " met" }
            (table(&heads, &rows))
        }
    }
}

/// A word in green or red; the word tells, the colour helps.
fn badge(good: bool, yes: &str, no: &str) -> Markup {
    html! {
        @if good { span.badge.good { "✓ " (yes) } } @else { span.badge.bad { "✗ " (no) } }
    }
}
