//! Models side by side, against each other on the same inputs, and over training seeds.

use crate::report::audit::{MEASURES, side_by_side};
use crate::report::html::table::{captioned, table};
use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    let sides = side_by_side(report);
    let shown: Vec<usize> = (0..MEASURES.len())
        .filter(|&at| sides.iter().any(|side| side.values[at].is_some()))
        .collect();
    let heads: Vec<String> = std::iter::once("Model".to_owned())
        .chain(shown.iter().map(|&at| format!(">{}", MEASURES[at].1)))
        .collect();
    let of_data = |name: &str| {
        html! {
            @for side in sides.iter().filter(|side| side.data == name) {
                tr { th { (side.model) } @for &at in &shown { td.r { (text::number(side.values[at])) } } }
            }
        }
    };
    let caption = |name: &str| {
        let side = sides.iter().find(|side| side.data == name)?;
        let epsilon = side.epsilon.as_deref().unwrap_or("–");
        Some(format!("{name}, n = {}, at ε = {epsilon}", side.n))
    };
    Some(html! {
        p {
            "What robustness costs and what it buys: each measure of each model, those of robustness at the largest ε. Precision, recall, F1 and AUC are means over classes; noise and "
            "shift are mean accuracies over corruptions of that kind and five severities."
        }
        @for data in &report.setup.data {
            @if let Some(caption) = caption(&data.name) { (captioned(Some(&caption), &heads, &of_data(&data.name))) }
        }
        (compared(context))
        (seeds(context))
    })
}

fn compared(context: &Context) -> Markup {
    let all = &context.report.comparisons;
    let rows = html! {
        @for record in all {
            @let paired = &record.paired;
            tr {
                th { (record.first) } th { (record.second) } td { (record.data) } td { (record.measure) }
                td.r { (record.epsilon.as_deref().map_or_else(|| "–".to_owned(), text::radius_of)) }
                td.r { (paired.n) } td.r { (paired.both) } td.r { (paired.only_first) } td.r { (paired.only_second) } td.r { (paired.neither) }
                td.r { (p_value(paired.p_value)) } td.r { (p_value(record.adjusted)) }
            }
        }
    };
    let heads = [
        "First",
        "Second",
        "Dataset",
        "Measure",
        ">ε",
        ">n",
        ">Both",
        ">Only/first",
        ">Only/second",
        ">Neither",
        ">p",
        ">p,/adjusted",
    ];
    html! {
        @if !all.is_empty() {
            h3 { "On the same inputs" }
            p.note {
                "McNemar's exact test, two-sided, on the inputs on which two models differ; adjusted by Holm for all " (all.len()) " comparisons of this table. A small p says that the models "
                "differ on inputs like these, not by how much; a large one does not say that they are equal."
            }
            (table(&heads, &rows))
        }
    }
}

/// A probability with three digits.
fn p_value(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".to_owned() } else { format!("{p:.4}") }
}

fn seeds(context: &Context) -> Markup {
    let all = &context.report.recipes;
    let percent = |value: f64| text::percent(Some(value));
    let rows = html! {
        @for record in all {
            @let shares = &record.shares;
            tr {
                th { (record.recipe) } td { (record.data) } td { (record.measure) }
                td.r { (record.epsilon.as_deref().map_or_else(|| "–".to_owned(), text::radius_of)) }
                td.r { (record.models.len()) } td.r { (record.inputs) }
                td.r { (percent(shares.mean)) }
                td.r { (shares.deviation.map_or_else(|| "–".to_owned(), percent)) }
                td.r { (shares.interval.map_or_else(|| "–".to_owned(), |[low, high]| format!("{:.1}–{:.1} %", 100.0 * low, 100.0 * high))) }
                td.r { (shares.values.iter().map(|value| percent(*value)).collect::<Vec<_>>().join(", ")) }
            }
        }
    };
    let heads = [
        "Recipe",
        "Dataset",
        "Measure",
        ">ε",
        ">Models",
        ">Inputs",
        ">Mean",
        ">Standard/deviation",
        ">95 % interval",
        ">Each",
    ];
    html! {
        @if !all.is_empty() {
            h3 { "Over training seeds" }
            p.note {
                "Models of one recipe differ by their training's seed alone. The interval is Student's, for the mean of the recipe over seeds on these inputs; it says nothing about other inputs."
            }
            (table(&heads, &rows))
        }
    }
}
