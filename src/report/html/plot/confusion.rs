//! The confusion matrix on clean data.

use super::{Picture, at};
use crate::report::audit::SubjectRecord;
use maud::html;

/// More classes than this make no readable picture.
const MOST: usize = 30;

/// Labels from top to bottom, predictions from left to right; shaded by the share of the label's inputs.
pub(in crate::report::html) fn confusion(
    subject: &SubjectRecord,
    names: &[String],
    id: &str,
) -> Option<Picture> {
    let matrix = &subject.clean.confusion;
    let count = matrix.len();
    if count == 0 || count > MOST {
        return None;
    }
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(1);
    let side = (226.0 / count as f64).clamp(20.0, 56.0);
    let left = 22.0 + 6.0 * longest.min(14) as f64;
    let slanted = longest > 3;
    let top = if slanted { 18.0 + 4.6 * longest.min(14) as f64 } else { 34.0 };
    let end = side * count as f64;
    let cells = matrix.iter().enumerate().flat_map(|(row, counts)| {
        let total: usize = counts.iter().sum();
        counts.iter().enumerate().map(move |(column, &n)| {
            (row, column, n, if total == 0 { 0.0 } else { n as f64 / total as f64 })
        })
    });
    let place = |at_class: usize| side * at_class as f64;
    let drawing = html! {
        text.soft x="0" y="11" { "predicted class →" }
        text.soft.mid transform=(format!("translate(9 {}) rotate(-90)", at(top + 0.5 * end))) { "← true class" }
        @for (class, name) in names.iter().take(count).enumerate() {
            @let (x, y) = (left + place(class) + 0.5 * side, top - 6.0);
            @if slanted {
                text.soft transform=(format!("translate({} {}) rotate(-45)", at(x), at(y))) { (name) }
            } @else {
                text.soft.mid x=(at(x)) y=(at(y)) { (name) }
            }
            text.soft.end x=(at(left - 6.0)) y=(at(top + place(class) + 0.5 * side + 4.0)) { (name) }
        }
        @for (row, column, n, share) in cells {
            @let (x, y) = (left + place(column), top + place(row));
            rect.cell x=(at(x)) y=(at(y)) width=(at(side)) height=(at(side))
                style=(format!("fill:rgba(var(--heat),{:.2})", 0.04 + 0.9 * share)) {
                title { "true " (names[row]) ", predicted " (names[column]) ": " (n) }
            }
            @if n > 0 {
                text.mid x=(at(x + 0.5 * side)) y=(at(y + 0.5 * side + 4.0))
                    style=[(share > 0.55).then_some("fill:var(--paper)")] { (n) }
            }
        }
    };
    let total = subject.clean.accuracy.total;
    let mistakes: Vec<String> = matrix
        .iter()
        .enumerate()
        .flat_map(|(row, counts)| {
            let wrong =
                counts.iter().enumerate().filter(move |(column, n)| *column != row && **n > 0);
            wrong.map(move |(column, n)| format!("{} taken for {}: {n}", names[row], names[column]))
        })
        .collect();
    Some(Picture {
        id: id.to_owned(),
        size: (left + end + if slanted { 26.0 } else { 4.0 }, top + end + 4.0),
        title: format!("{} on {}: confusion matrix on clean data", subject.model, subject.data),
        words: if mistakes.is_empty() { "No mistakes.".to_owned() } else { mistakes.join("; ") },
        caption: html! { b { "Confusion matrix" } " on clean data, inputs of each pair of classes, n = " (total) },
        drawing,
    })
}
