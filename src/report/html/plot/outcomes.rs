//! What becomes of every input: stacked bars of certified, undecided, broken and misclassified, with their percentages.

use crate::report::audit::SubjectRecord;
use crate::report::html::text;
use maud::{Markup, html};

/// One bar: a name, how many inputs there are, and [certified, undecided, broken, misclassified] of them.
pub(in crate::report::html) struct Bar {
    pub(crate) name: String,
    /// The counts.
    pub(crate) counts: [usize; 4],
}

const CLASSES: [&str; 4] = ["certified", "undecided", "broken", "wrong"];
const NAMES: [&str; 4] = ["certified", "undecided", "broken", "misclassified"];

/// From this share on a part has room for its percentage, on the narrowest screen too.
const ROOM: f64 = 0.14;

impl Bar {
    /// From [all, correct, unbroken, certified].
    pub(crate) fn new(name: String, [all, correct, unbroken, certified]: [usize; 4]) -> Self {
        let counts = [certified, unbroken - certified, correct - unbroken, all - correct];
        Self { name, counts }
    }

    fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// The parts that there are: class, name, count, share.
    fn parts(&self) -> impl Iterator<Item = (&'static str, &'static str, usize, f64)> {
        let total = self.total().max(1) as f64;
        let parts = CLASSES.into_iter().zip(NAMES).zip(self.counts);
        parts
            .filter(|(_, count)| *count > 0)
            .map(move |((class, name), count)| (class, name, count, count as f64 / total))
    }
}

/// Horizontal bars, one below the other: names, parts with their percentages, and beside a bar the percentages of the parts that
/// are too small to carry theirs.
pub(in crate::report::html) fn outcomes(bars: &[Bar], caption: &Markup) -> Markup {
    html! {
        figure.outcomes {
            figcaption { (caption) }
            @for bar in bars {
                div.name { (bar.name) }
                div.bar {
                    @for (class, name, count, share) in bar.parts() {
                        span.(class) style=(format!("width:{:.3}%", 100.0 * share)) title=(format!("{name}: {count} of {}", bar.total())) {
                            @if share >= ROOM { b { (text::percent(Some(share))) } }
                        }
                    }
                }
                div.rest {
                    "n = " (bar.total())
                    @for (class, name, _, share) in bar.parts().filter(|part| part.3 < ROOM) {
                        " · " span.part { span.(class) {} (text::percent(Some(share))) " " (name) }
                    }
                }
            }
        }
    }
}

/// A subject's bar at one of its radii.
pub(in crate::report::html) fn of_subject(subject: &SubjectRecord, epsilon: usize) -> Option<Bar> {
    let cell = subject.cells.get(epsilon)?;
    let counts = [cell.clean.total, cell.clean.count, cell.adversarial.count, cell.certified.count];
    Some(Bar::new(subject.model.clone(), counts))
}
