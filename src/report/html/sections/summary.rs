//! What a reader who has one minute should know.

use crate::audit::interval::Counted;
use crate::audit::{JudgedBy, Judgement};
use crate::report::audit::{AuditReport, CellRecord, CriterionRecord, SubjectRecord};
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
        (answers(report))
        @let warnings: usize = report.setup.looks.iter().map(|look| look.as_read.warnings.len()).sum();
        @if warnings > 0 {
            p.note { b { (text::counted(warnings, "warning")) } " about the data: see Data." }
        }
        (criteria(&report.criteria))
        h3 { "What becomes of the inputs at the largest radius" }
        (plot::outcome_legend())
        @for data in &report.setup.data {
            @let subjects = on(report, &data.name);
            @let bars: Vec<_> = subjects.iter().filter_map(|s| of_subject(s, s.cells.len().checked_sub(1)?)).collect();
            @if !bars.is_empty() {
                (outcomes(&bars, &html! {
                    b { (data.name) }
                    @if let Some(epsilon) = data.epsilons.last() { " at ε = " (text::radius(&epsilon.exact, epsilon.value)) }
                    @if !data.unit.is_empty() { ", in " (data.unit) }
                }))
            }
        }
        h3 { "The price of robustness" }
        p.note {
            "Clean accuracy, and the bracket of the robust accuracy: no attack broke more than the upper mark leaves, and the lower mark is proved. "
            "Right is better; the way from the bar to the marks is what perturbations cost."
        }
        (plot::legend(&[
            ("clean accuracy", html! { line.line.l-clean x1="12" x2="12" y1="1" y2="13" {} }),
            ("not broken by any attack", html! { path.c-broken d="M12 12l6 -9h-12z" {} }),
            ("certified", html! { path.c-certified d="M12 2l6 9h-12z" {} }),
            ("undecided", plot::swatch("band")),
        ]))
        div.figures.small {
            @for (at, data) in report.setup.data.iter().enumerate() {
                @if let Some(picture) = tradeoff(&on(report, &data.name), &data.name, &format!("tradeoff-{at}")) {
                    (picture.figure())
                }
            }
        }
    })
}

/// What was asked, what was found, what follows: a sentence each.
fn answers(report: &AuditReport) -> Markup {
    let largest = |pick: fn(&CellRecord) -> &Counted| {
        let counts = report.subjects.iter().filter_map(|subject| subject.cells.last()).map(pick);
        counts.fold((0, 0), |(count, total), found| (count + found.count, total + found.total))
    };
    let ((certified, total), (unbroken, _)) =
        (largest(|c| &c.certified), largest(|c| &c.adversarial));
    let (correct, _) = largest(|c| &c.clean);
    let criteria = &report.criteria;
    let count = |result| criteria.iter().filter(|criterion| criterion.result == result).count();
    let (met, open, failed) =
        (count(Judgement::Met), count(Judgement::NotShown), count(Judgement::NotMet));
    html! {
        dl.pairs.answers {
            dt { "What was asked" } dd {
                "Whether the class that a model predicts for a test input stays the label under every perturbation of at most ε."
            }
            dt { "What was found" } dd {
                "At the largest ε of each dataset, " (certified) " of " (total) " pairs of a model and an input are certified, " (correct - unbroken) " broken, "
                (unbroken - certified) " undecided and " (total - correct) " misclassified to begin with."
            }
            dt { "What follows for use" } dd {
                @if criteria.is_empty() { "The plan states no criteria, so nothing follows by itself: whether these shares suffice is for the reader to say." }
                @else if failed > 0 { "Not to be used where all criteria have to be met: " (failed) " of " (criteria.len()) " are not met, and " (open) " not shown." }
                @else if open > 0 { "Not shown to suffice: no criterion is missed, but " (open) " of " (criteria.len()) " need more inputs to be shown." }
                @else { "All " (met) " criteria of the plan are met, for inputs like these and within the assumptions and limitations below." }
            }
        }
    }
}

/// The subjects on a dataset.
fn on<'a>(report: &'a AuditReport, data: &str) -> Vec<&'a SubjectRecord> {
    report.subjects.iter().filter(|subject| subject.data == data).collect()
}

/// The criteria and whether they are met.
fn criteria(criteria: &[CriterionRecord]) -> Markup {
    let count = |result| criteria.iter().filter(|criterion| criterion.result == result).count();
    let met = count(Judgement::Met);
    let rows = html! {
        @for criterion in criteria {
            tr {
                th { (criterion.model) } td { (criterion.data) } td { (criterion.measure) }
                td.r { (criterion.epsilon.as_deref().map_or_else(|| "–".to_owned(), text::radius_of)) }
                td.r { "≥ " (text::percent(Some(criterion.at_least))) }
                td.r { (text::share(&criterion.found)) } td.r { (text::interval(criterion.found.interval.as_ref())) }
                td { (badge(criterion.result)) @if criterion.judged_by == JudgedBy::Share { span.ci { "by the share" } } }
            }
        }
    };
    let heads =
        ["Model", "Dataset", "Measure", ">At ε", ">Required", ">Found", ">95 % interval", "Result"];
    html! {
        @if !criteria.is_empty() {
            h3 { "Criteria: " (met) " of " (criteria.len()) " met, " (count(Judgement::NotShown)) " not shown, " (count(Judgement::NotMet)) " not met" }
            (table(&heads, &rows))
            p.note {
                "A criterion is met when the lower end of the share's 95 % interval (Clopper–Pearson) reaches what is required; "
                b { "not shown" } " when the share of these inputs does and the lower end does not, so that more inputs are needed to tell; not met when the share does not."
                @if criteria.iter().any(|criterion| criterion.judged_by == JudgedBy::Share) {
                    " Where the plan asks for it, the share of these inputs alone is judged; the result then says \u{201c}by the share\u{201d} and speaks of these inputs only."
                }
            }
        }
    }
}

/// A word in green, yellow or red; the word tells, the colour helps.
fn badge(result: Judgement) -> Markup {
    let (class, mark) = match result {
        Judgement::Met => ("badge good", "✓"),
        Judgement::NotShown => ("badge open", "?"),
        Judgement::NotMet => ("badge bad", "✗"),
    };
    html! { span class=(class) { (mark) " " (result.name()) } }
}
