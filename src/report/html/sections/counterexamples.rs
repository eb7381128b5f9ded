//! Counterexamples to look at: images as images, anything else as a table of the features that moved.

use crate::num::{parse_rational, to_f64_nearest};
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
                @for (at, shown) in shown.into_iter().enumerate() {
                    div.keep {
                        @if at == 0 { h3 { (subject.model) " on " (subject.data) } }
                        (example(shown, data))
                    }
                }
            }
        }
    })
}

fn example(shown: &ShownRecord, data: &AuditData) -> Markup {
    let name = |class: usize| data.classes.get(class).cloned().unwrap_or_else(|| class.to_string());
    let (before, after) = (name(shown.label), name(shown.class));
    let images = images(shown, data);
    html! {
        div.example.plain[images.is_none()] {
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
                @if images.is_none() { (moved(shown, data)) }
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

/// So many features are shown; the file has all.
const MOST: usize = 8;

/// The features that moved, those first that used most of what ε allows them.
fn moved(shown: &ShownRecord, data: &AuditData) -> Markup {
    let epsilon = parse_rational(&shown.epsilon).map_or(f64::NAN, |q| to_f64_nearest(&q));
    let allowed = |at: usize| {
        let factor = data.epsilon_factors.as_ref().and_then(|factors| factors.get(at));
        epsilon * factor.copied().unwrap_or(1.0)
    };
    let mut moves: Vec<(usize, f64, f64)> = shown
        .original
        .iter()
        .zip(&shown.perturbed)
        .enumerate()
        .map(|(at, (&from, &to))| (at, from, to))
        .filter(|(_, from, to)| from != to)
        .collect();
    let used = |&(at, from, to): &(usize, f64, f64)| (to - from) / allowed(at);
    moves.sort_by(|a, b| used(b).abs().total_cmp(&used(a).abs()));
    let count = moves.len();
    let name = |at: usize| {
        let named = data.features.as_ref().and_then(|names| names.get(at));
        named.filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| format!("value {at}"))
    };
    html! {
        div.scroll { table.moved {
            caption {
                (text::counted(count, "value")) " of " (shown.original.len()) " changed"
                @if count > MOST { "; the " (MOST) " that used most of their ε" }
                @if data.scaled_epsilon { "; ε of a feature is " (text::radius_of(&shown.epsilon)) " times its factor in the settings beside the data" }
            }
            thead { tr { th { "Feature" } th.r { "Clean" } th.r { "Changed" } th.r { "Difference" } th.r { "In ε" } } }
            tbody { @for one in moves.iter().take(MOST) {
                @let &(at, from, to) = one;
                tr {
                    th { (name(at)) }
                    td.r { (digits(from)) } td.r { (digits(to)) }
                    td.r { (signed(digits((to - from).abs()), to < from)) }
                    td.r { (signed(format!("{:.2} ε", used(one).abs()), to < from)) }
                }
            } }
        } }
    }
}

fn signed(size: String, negative: bool) -> String {
    if negative { format!("−{size}") } else { format!("+{size}") }
}

/// Five significant digits, without zeros at the end.
fn digits(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let before = value.abs().log10().floor() as i32 + 1;
    if !(-3..=9).contains(&before) {
        return format!("{value:.4e}");
    }
    let places = usize::try_from(5 - before).unwrap_or(0);
    let text = format!("{value:.places$}");
    let short =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    short.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn five_digits_tell() {
        let shown = [17.99, -0.2654, 1001.0, 0.1 + 0.2, 1.5e-7, 0.0, 123_456.7].map(digits);
        assert_eq!(shown, ["17.99", "−0.2654", "1001", "0.3", "1.5000e-7", "0", "123457"]);
    }
}
