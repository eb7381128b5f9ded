//! Counterexamples to look at: images as images, anything else by the features that moved most.

use crate::report::audit::{AuditData, ShownRecord};
use crate::report::html::plot::picture;
use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    if report.shown.is_empty() {
        return None;
    }
    Some(html! {
        p {
            "The first inputs of each model that were broken, at the smallest radius that broke them. Every broken input has a file in evidence/, "
            "with all values of input and output."
        }
        @for subject in &report.subjects {
            @let of = report.shown.iter().filter(|shown| shown.model == subject.model && shown.data == subject.data);
            @let data = report.data_of(subject);
            @let shown: Vec<&ShownRecord> = of.collect();
            @if let (Some(data), false) = (data, shown.is_empty()) {
                h3 { (subject.model) " on " (subject.data) }
                @for shown in shown { (example(shown, data)) }
            }
        }
    })
}

fn example(shown: &ShownRecord, data: &AuditData) -> Markup {
    let name = |class: usize| data.classes.get(class).cloned().unwrap_or_else(|| class.to_string());
    let (before, after) = (name(shown.label), name(shown.class));
    let images = images(shown, data);
    html! {
        div.example {
            @if let Some(images) = &images {
                @for (uri, caption, alt) in images {
                    figure { img src=(uri) alt=(alt); figcaption { (caption) } }
                }
            }
            div {
                p {
                    b { "Input " (shown.index) } " at ε = " (text::radius_of(&shown.epsilon)) ": "
                    (before) " → " b { (after) }
                }
                (outputs(shown, &name))
                @if images.is_none() { (moved(shown)) }
                p.note { code { (shown.file) } }
            }
        }
    }
}

/// The two outputs before and after.
fn outputs(shown: &ShownRecord, name: &dyn Fn(usize) -> String) -> Markup {
    let number = |values: &[f64], class: usize| values.get(class).map_or(f64::NAN, |y| *y);
    html! {
        table.bars {
            thead { tr { th { "Output" } th.r { "original" } th.r { "perturbed" } } }
            tbody { @for class in [shown.label, shown.class] {
                tr {
                    td { (name(class)) }
                    td.r { (format!("{:.3}", number(&shown.outputs, class))) } td.r { (format!("{:.3}", number(&shown.perturbed_outputs, class))) }
                }
            } }
        }
    }
}

/// Original, perturbed, difference magnified: (data URI, caption, alternative text).
fn images(shown: &ShownRecord, data: &AuditData) -> Option<Vec<(String, String, String)>> {
    let size = picture::size(&data.shape)?;
    let range = |values: &[f64]| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    };
    let (low, high) = data.domain.map_or_else(|| range(&shown.original), |[low, high]| (low, high));
    let difference: Vec<f64> =
        shown.perturbed.iter().zip(&shown.original).map(|(p, o)| p - o).collect();
    let most = difference.iter().fold(0.0f64, |most, d| most.max(d.abs()));
    if most <= 0.0 {
        return None;
    }
    let factor = (0.5 * (high - low) / most).max(1.0);
    let factor = if factor >= 2.0 { factor.floor() } else { factor };
    let half = 0.5 * (high - low) / factor;
    Some(vec![
        (
            picture::data_uri(&shown.original, size, (low, high))?,
            "original".to_owned(),
            format!("input {} as it is", shown.index),
        ),
        (
            picture::data_uri(&shown.perturbed, size, (low, high))?,
            "perturbed".to_owned(),
            format!("input {} perturbed", shown.index),
        ),
        (
            picture::data_uri(&difference, size, (-half, half))?,
            format!("difference × {factor:.0}; grey is none"),
            format!("the perturbation of input {}, magnified", shown.index),
        ),
    ])
}

/// The features that moved most.
fn moved(shown: &ShownRecord) -> Markup {
    let mut moves: Vec<(usize, f64, f64)> = shown
        .original
        .iter()
        .zip(&shown.perturbed)
        .enumerate()
        .map(|(at, (&from, &to))| (at, from, to))
        .filter(|(_, from, to)| from != to)
        .collect();
    let relative = |(_, from, to): &(usize, f64, f64)| (to - from).abs() / from.abs().max(1e-12);
    moves.sort_by(|a, b| relative(b).total_cmp(&relative(a)));
    let count = moves.len();
    html! {
        p.note { (text::counted(count, "value")) " of " (shown.original.len()) " changed; the largest relative changes:" }
        table.bars {
            tbody { @for (at, from, to) in moves.into_iter().take(4) {
                tr { td { "value " (at) } td.r { (format!("{from:.5}")) } td { "→ " (format!("{to:.5}")) } }
            } }
        }
    }
}
