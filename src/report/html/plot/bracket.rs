//! Accuracy over ε: the robust accuracy lies between what is certified and what no attack broke.

use super::{Axis, Frame, Picture, at};
use crate::audit::interval::Counted;
use crate::report::audit::{CellRecord, SubjectRecord};
use crate::report::html::text;
use maud::{Markup, html};

/// The bracket of one model on one dataset. `unit` is what ε is measured in.
pub(in crate::report::html) fn bracket(subject: &SubjectRecord, unit: &str, id: &str) -> Picture {
    let last = subject.cells.last().map_or(1.0, |cell| cell.epsilon_value);
    let frame = Frame {
        left: 46.0,
        right: 330.0,
        top: 24.0,
        bottom: 200.0,
        x: (0.0, if last > 0.0 { last } else { 1.0 }),
        y: (0.0, 1.0),
    };
    let clean = subject.clean.accuracy;
    let curve = |share: fn(&CellRecord) -> Counted| -> Vec<(f64, f64)> {
        let rest =
            subject.cells.iter().map(|cell| (cell.epsilon_value, share(cell).value.unwrap_or(0.0)));
        let begins_at_zero = subject.cells.first().is_some_and(|cell| cell.epsilon_value == 0.0);
        let first = (!begins_at_zero).then_some((0.0, clean.value.unwrap_or(0.0)));
        first.into_iter().chain(rest).collect()
    };
    let (above, below) = (curve(|cell| cell.adversarial), curve(|cell| cell.certified));
    let ring: Vec<(f64, f64)> = above.iter().chain(below.iter().rev()).copied().collect();
    let name = if unit.is_empty() { "radius ε".to_owned() } else { format!("radius ε ({unit})") };
    let mut ticks = vec![(0.0, "0".to_owned())];
    for cell in subject.cells.iter().filter(|cell| cell.epsilon_value > 0.0) {
        ticks.push((cell.epsilon_value, text::radius(&cell.epsilon, cell.epsilon_value)));
    }
    // Labels that would touch their neighbour are left out, from the right.
    let mut free = f64::INFINITY;
    for tick in ticks.iter_mut().rev() {
        let x = frame.across(tick.0);
        let half = 3.2 * tick.1.len() as f64 + 4.0;
        if x + half > free {
            tick.1.clear();
        } else {
            free = x - half;
        }
    }
    let axes = frame.axes(&Axis { name, ticks }, &Axis::percent("share of inputs"));
    let level = clean.value.unwrap_or(0.0);
    let drawing = html! {
        (axes)
        polygon.band points=(frame.points(&ring)) {}
        line.line.dash.l-clean x1=(at(frame.left)) x2=(at(frame.right)) y1=(at(frame.down(level))) y2=(at(frame.down(level))) {}
        polyline.line.l-broken points=(frame.points(&above)) {}
        polyline.line.l-certified points=(frame.points(&below)) {}
        @for cell in &subject.cells {
            (whisker(&frame, cell.epsilon_value, &cell.adversarial, "l-broken"))
            (whisker(&frame, cell.epsilon_value, &cell.certified, "l-certified"))
            (mark(&frame, cell, &cell.adversarial, "ring l-broken", "not broken"))
            (mark(&frame, cell, &cell.certified, "c-certified", "certified"))
        }
    };
    Picture {
        id: id.to_owned(),
        size: (344.0, 240.0),
        title: format!("{} on {}: accuracy over the radius", subject.model, subject.data),
        words: words(subject),
        caption: html! { b { (subject.model) } " on " (subject.data) ", n = " (clean.total) },
        drawing,
    }
}

fn whisker(frame: &Frame, x: f64, count: &Counted, class: &str) -> Markup {
    let x = at(frame.across(x));
    html! {
        @if let Some(ends) = &count.interval {
            line class=(format!("ci {class}")) x1=(x) x2=(x) y1=(at(frame.down(ends.low))) y2=(at(frame.down(ends.high))) {}
        }
    }
}

fn mark(frame: &Frame, cell: &CellRecord, count: &Counted, class: &str, name: &str) -> Markup {
    let radius = text::radius(&cell.epsilon, cell.epsilon_value);
    html! {
        @if let Some(value) = count.value {
            circle class=(class) r="3.6" cx=(at(frame.across(cell.epsilon_value))) cy=(at(frame.down(value))) {
                title { "ε = " (radius) ": " (name) " " (text::full(count)) }
            }
        }
    }
}

fn words(subject: &SubjectRecord) -> String {
    let mut words = format!("Clean accuracy {}.", text::share(&subject.clean.accuracy));
    for cell in &subject.cells {
        words += &format!(
            " At ε = {}: certified {}, not broken {}.",
            text::radius(&cell.epsilon, cell.epsilon_value),
            text::share(&cell.certified),
            text::share(&cell.adversarial)
        );
    }
    words
}

/// What the lines mean.
pub(in crate::report::html) fn legend() -> Markup {
    super::legend(&[
        ("clean accuracy", html! { line.line.dash.l-clean x1="0" x2="24" y1="7" y2="7" {} }),
        (
            "not broken by any attack (upper bound of the robust accuracy)",
            html! { line.line.l-broken x1="0" x2="24" y1="7" y2="7" {} circle.ring.l-broken cx="12" cy="7" r="3.6" {} },
        ),
        (
            "certified (lower bound)",
            html! { line.line.l-certified x1="0" x2="24" y1="7" y2="7" {} circle.c-certified cx="12" cy="7" r="3.6" {} },
        ),
        ("undecided between them", super::swatch("band")),
        ("95 % interval", html! { line.ci.l-clean x1="12" x2="12" y1="1" y2="13" {} }),
    ])
}
