//! What becomes of every input: stacked bars of certified, undecided, broken and misclassified.

use super::{Picture, at};
use crate::report::audit::SubjectRecord;
use crate::report::html::text;
use maud::{Markup, html};

/// One bar: a name, how many inputs there are, and [certified, undecided, broken, misclassified] of them.
pub(in crate::report::html) struct Bar {
    pub(crate) name: String,
    /// The counts.
    pub(crate) counts: [usize; 4],
}

const CLASSES: [&str; 4] = ["c-certified", "band", "c-broken", "c-wrong"];
const NAMES: [&str; 4] = ["certified", "undecided", "broken", "misclassified"];

impl Bar {
    /// From [all, correct, unbroken, certified].
    pub(crate) fn new(name: String, [all, correct, unbroken, certified]: [usize; 4]) -> Self {
        let counts = [certified, unbroken - certified, correct - unbroken, all - correct];
        Self { name, counts }
    }

    fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    fn words(&self) -> String {
        let parts = NAMES.iter().zip(self.counts).map(|(name, count)| format!("{name} {count}"));
        format!("{}: {}.", self.name, parts.collect::<Vec<_>>().join(", "))
    }
}

/// Horizontal bars of percentages, one below the other.
pub(in crate::report::html) fn outcomes(
    bars: &[Bar],
    id: &str,
    title: String,
    caption: Markup,
) -> Picture {
    let longest = bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or(0);
    let left = (6.3 * longest as f64 + 14.0).clamp(40.0, 240.0);
    let (width, step, height) = (700.0, 25.0, 16.0);
    let right = width - 52.0;
    let bottom = 8.0 + step * bars.len() as f64;
    let scale = |share: f64| left + share * (right - left);
    let drawing = html! {
        @for quarter in 0..=4u32 {
            @let x = at(scale(f64::from(quarter) / 4.0));
            line.grid x1=(x) x2=(x) y1="4" y2=(at(bottom)) {}
            text.soft.mid x=(x) y=(at(bottom + 15.0)) { (25 * quarter) " %" }
        }
        @for (at_bar, bar) in bars.iter().enumerate() {
            @let y = 8.0 + step * at_bar as f64;
            text.end x=(at(left - 8.0)) y=(at(y + 12.0)) { (bar.name) }
            (segments(bar, y, height, &scale))
            text.soft x=(at(right + 8.0)) y=(at(y + 12.0)) { "n = " (bar.total()) }
        }
    };
    Picture {
        id: id.to_owned(),
        size: (width, bottom + 22.0),
        title,
        words: bars.iter().map(Bar::words).collect::<Vec<_>>().join(" "),
        caption,
        drawing,
    }
}

fn segments(bar: &Bar, y: f64, height: f64, scale: &dyn Fn(f64) -> f64) -> Markup {
    let total = bar.total().max(1) as f64;
    let mut from = 0;
    let mut parts = Vec::new();
    for ((count, class), name) in bar.counts.iter().zip(CLASSES).zip(NAMES) {
        let (start, end) = (scale(from as f64 / total), scale((from + count) as f64 / total));
        from += count;
        if *count > 0 {
            parts.push((start, end - start, class, name, *count));
        }
    }
    html! {
        @for (x, width, class, name, count) in parts {
            rect class=(class) x=(at(x)) y=(at(y)) width=(at(width)) height=(at(height)) {
                title { (bar.name) ": " (name) " " (count) " of " (bar.total()) }
            }
        }
    }
}

/// A subject's bar at one of its radii.
pub(in crate::report::html) fn of_subject(subject: &SubjectRecord, epsilon: usize) -> Option<Bar> {
    let cell = subject.cells.get(epsilon)?;
    let counts = [cell.clean.total, cell.clean.count, cell.adversarial.count, cell.certified.count];
    let radius = text::radius(&cell.epsilon, cell.epsilon_value);
    Some(Bar::new(format!("{}, ε = {radius}", subject.model), counts))
}
