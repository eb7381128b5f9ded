//! Models side by side: what robustness costs in clean accuracy.

use super::{Picture, at};
use crate::report::audit::{CellRecord, SubjectRecord};
use crate::report::html::text;
use maud::{Markup, html};

/// From the left end to the right one, which are 0 and 100 %.
const LEFT: f64 = 10.0;
const RIGHT: f64 = 268.0;
/// From the top to the first line, and from line to line: a name stands above its line, so that it touches no mark.
const FIRST: f64 = 34.0;
const STEP: f64 = 42.0;

fn across(share: Option<f64>) -> f64 {
    LEFT + share.unwrap_or(0.0) * (RIGHT - LEFT)
}

/// Models on one dataset at the largest radius, a line each: a bar at the clean accuracy, and the bracket of the robust accuracy from
/// certified, a mark below the line, to not broken, a mark above it.
pub(in crate::report::html) fn tradeoff(
    subjects: &[&SubjectRecord],
    data: &str,
    id: &str,
) -> Option<Picture> {
    let cells: Vec<_> = subjects.iter().filter_map(|s| Some((*s, s.cells.last()?))).collect();
    let (_, first) = cells.first()?;
    let radius = text::radius(&first.epsilon, first.epsilon_value);
    let bottom = FIRST + STEP * (cells.len() as f64 - 1.0) + 18.0;
    let drawing = html! {
        @for quarter in 0..=4u32 {
            @let x = at(across(Some(f64::from(quarter) / 4.0)));
            line.grid x1=(x) x2=(x) y1="20" y2=(at(bottom)) {}
            text.soft.mid x=(x) y=(at(bottom + 13.0)) { (25 * quarter) @if quarter == 4 { " %" } }
        }
        @for (row, (subject, cell)) in cells.iter().enumerate() { (line(FIRST + STEP * row as f64, &subject.model, cell)) }
    };
    let words = cells.iter().map(|(subject, cell)| {
        format!(
            "{}: clean {}, not broken {}, certified {}.",
            subject.model,
            text::share(&cell.clean),
            text::share(&cell.adversarial),
            text::share(&cell.certified)
        )
    });
    Some(Picture {
        id: id.to_owned(),
        size: (290.0, bottom + 20.0),
        title: format!("{data}: clean accuracy against robust accuracy at ε = {radius}"),
        words: words.collect::<Vec<_>>().join(" "),
        caption: html! { b { (data) } " at ε = " (radius) ", n = " (first.clean.total) },
        drawing,
    })
}

fn line(y: f64, model: &str, cell: &CellRecord) -> Markup {
    let [clean, above, below] =
        [&cell.clean, &cell.adversarial, &cell.certified].map(|count| across(count.value));
    html! {
        text.b x=(at(LEFT)) y=(at(y - 15.0)) { (model) }
        line.axis x1=(at(LEFT)) x2=(at(RIGHT)) y1=(at(y)) y2=(at(y)) {}
        rect.band x=(at(below)) width=(at(above - below)) y=(at(y - 4.0)) height="8" {}
        line.line.l-clean x1=(at(clean)) x2=(at(clean)) y1=(at(y - 9.0)) y2=(at(y + 9.0)) {
            title { (model) ": clean " (text::full(&cell.clean)) }
        }
        path.c-broken d=(format!("M{} {}l6 -9h-12z", at(above), at(y))) {
            title { (model) ": not broken " (text::full(&cell.adversarial)) }
        }
        path.c-certified d=(format!("M{} {}l6 9h-12z", at(below), at(y))) {
            title { (model) ": certified " (text::full(&cell.certified)) }
        }
    }
}
