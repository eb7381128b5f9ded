//! Shift and noise: corruptions at five severities, and confidence on inputs of another kind.

use crate::report::audit::{AuditReport, SubjectRecord};
use crate::report::html::plot::heat::{heat, points};
use crate::report::html::table::{captioned, table};
use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    let corrupted = report.subjects.iter().any(|subject| !subject.shifts.is_empty());
    let outside = report.subjects.iter().any(|subject| subject.outside.is_some());
    if !corrupted && !outside {
        return None;
    }
    Some(html! {
        @if corrupted {
            p {
                "Accuracy when inputs are corrupted as sensors, optics and weather do it, at five severities: random draws, no adversary. The parameters of each "
                "severity are in report.json; every input has its own random numbers, the same at all severities. Corruptions that only make sense for images are "
                "left out elsewhere."
            }
            div.figures {
                @for (at, subject) in report.subjects.iter().enumerate() {
                    @if let Some(picture) = heat(subject, &format!("heat-{at}")) { (picture.figure()) }
                }
            }
            (drops(report))
        }
        @if outside { (elsewhere(report)) }
    })
}

fn drops(report: &AuditReport) -> Markup {
    let kinds = &report.setup.shifts;
    let rows = html! {
        @for subject in &report.subjects {
            tr {
                th { (subject.model) } td { (subject.data) }
                @for kind in kinds {
                    @let (absolute, relative) = mean_drops(subject, kind);
                    td.r { (points(absolute)) @if relative.is_some() { span.ci { (text::percent(relative)) } } }
                }
            }
        }
    };
    let caption = "Mean over the five severities, in percentage points; below it in percent of the clean accuracy";
    let first = ["Model".to_owned(), "Dataset".to_owned()];
    let heads: Vec<String> =
        first.into_iter().chain(kinds.iter().map(|kind| format!(">{kind}"))).collect();
    html! {
        h3 { "Drop of accuracy" }
        (captioned(Some(caption), &heads, &rows))
    }
}

/// Means over the severities of a corruption; none where it does not apply.
fn mean_drops(subject: &SubjectRecord, kind: &str) -> (Option<f64>, Option<f64>) {
    let of: Vec<_> = subject.shifts.iter().filter(|shift| shift.corruption == kind).collect();
    let mean = |drops: Vec<Option<f64>>| {
        let all: Option<Vec<f64>> = drops.into_iter().collect();
        all.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64)
    };
    (
        mean(of.iter().map(|shift| shift.absolute_drop).collect()),
        mean(of.iter().map(|shift| shift.relative_drop).collect()),
    )
}

fn elsewhere(report: &AuditReport) -> Markup {
    let each = report.subjects.iter().filter_map(|s| Some((s, s.outside.as_ref()?)));
    let rows = html! {
        @for (subject, outside) in each {
            @let found = &outside.found;
            tr {
                th { (subject.model) } td { (subject.data) } td { (outside.data) } td.r { (subject.clean.accuracy.total) " + " (outside.inputs) }
                td.r { (text::number(found.confidence_inside)) } td.r { (text::number(found.confidence_outside)) } td.r { (text::number(found.auroc)) }
            }
        }
    };
    let heads = [
        "Model",
        "Own data",
        "Other data",
        ">n",
        ">Confidence, own",
        ">Confidence, other",
        ">AUROC",
    ];
    html! {
        h3 { "Inputs of another kind" }
        p {
            "A model should be less sure of inputs that it was never made for. Confidence is the largest softmax probability; AUROC is the probability that an "
            "input of the model's own kind gets more of it than one of the other (1: always told apart; ½: not at all)."
        }
        (table(&heads, &rows))
    }
}
