//! Models side by side: what robustness costs in clean accuracy.

use super::{Axis, Frame, Picture, at};
use crate::report::audit::{CellRecord, SubjectRecord};
use crate::report::html::text;
use maud::html;

/// Models on one dataset at the largest radius: clean accuracy from left to right, the bracket of the robust accuracy from
/// certified to not broken upwards.
pub(in crate::report::html) fn tradeoff(
    subjects: &[&SubjectRecord],
    data: &str,
    id: &str,
) -> Option<Picture> {
    let cells: Vec<_> = subjects.iter().filter_map(|s| Some((*s, s.cells.last()?))).collect();
    let (_, first) = cells.first()?;
    let shares: Vec<f64> = cells.iter().filter_map(|(_, cell)| cell.clean.value).collect();
    let low = shares.iter().copied().fold(1.0, f64::min);
    let step = if low < 0.75 { 0.1 } else { 0.05 };
    let low = (((low - 0.02) / step).floor() * step).clamp(0.0, 0.9);
    let frame =
        Frame { left: 46.0, right: 330.0, top: 24.0, bottom: 230.0, x: (low, 1.0), y: (0.0, 1.0) };
    let count = ((1.0 - low) / step).round() as u32;
    let tick = |n: u32| {
        let value = low + f64::from(n) * step;
        (value, format!("{:.0} %", 100.0 * value))
    };
    let x = Axis { name: "clean accuracy".to_owned(), ticks: (0..=count).map(tick).collect() };
    let radius = text::radius(&first.epsilon, first.epsilon_value);
    let drawing = html! {
        (frame.axes(&x, &Axis::percent(&format!("robust accuracy at ε = {radius}"))))
        @for ((subject, cell), place) in cells.iter().zip(labels(&frame, &cells)) {
            @let x = frame.across(cell.clean.value.unwrap_or(0.0));
            @let (above, below) = (frame.down(cell.adversarial.value.unwrap_or(0.0)), frame.down(cell.certified.value.unwrap_or(0.0)));
            rect.band x=(at(x - 4.0)) width="8" y=(at(above)) height=(at(below - above)) {}
            path.c-broken d=(format!("M{} {}l6 -9h-12z", at(x), at(above))) {
                title { (subject.model) ": not broken " (text::full(&cell.adversarial)) }
            }
            path.c-certified d=(format!("M{} {}l6 9h-12z", at(x), at(below))) {
                title { (subject.model) ": certified " (text::full(&cell.certified)) }
            }
            text class=(place.2) x=(at(place.0)) y=(at(place.1)) { (subject.model) }
        }
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
        size: (344.0, 270.0),
        title: format!("{data}: clean accuracy against robust accuracy at ε = {radius}"),
        words: words.collect::<Vec<_>>().join(" "),
        caption: html! { b { (data) } " at ε = " (radius) ", n = " (first.clean.total) },
        drawing,
    })
}

/// Where names stand: beside the bracket's middle, on the side where there is room, and a line apart from each other.
fn labels(frame: &Frame, cells: &[(&SubjectRecord, &CellRecord)]) -> Vec<(f64, f64, &'static str)> {
    let mut places: Vec<(f64, f64, &str)> = cells
        .iter()
        .map(|(_, cell)| {
            let x = frame.across(cell.clean.value.unwrap_or(0.0));
            let [above, below] =
                [&cell.adversarial, &cell.certified].map(|n| frame.down(n.value.unwrap_or(0.0)));
            let y = (0.5 * (above + below) + 4.0).clamp(frame.top + 10.0, frame.bottom - 4.0);
            let to_left = x > 0.6 * frame.left + 0.4 * frame.right;
            if to_left { (x - 10.0, y, "b end") } else { (x + 10.0, y, "b") }
        })
        .collect();
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&a, &b| places[b].1.total_cmp(&places[a].1));
    let mut free = f64::INFINITY;
    for at in order {
        places[at].1 = places[at].1.min(free);
        free = places[at].1 - 13.0;
    }
    places
}
