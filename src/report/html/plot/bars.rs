//! Classes side by side at one radius.

use super::outcomes::{Bar, outcomes};
use crate::report::audit::SubjectRecord;
use crate::report::html::text;
use maud::{Markup, html};

/// What becomes of the inputs of each class at the largest radius.
pub(in crate::report::html) fn classes(
    subject: &SubjectRecord,
    names: &[String],
) -> Option<Markup> {
    let cell = subject.cells.last()?;
    let bars: Vec<Bar> = names
        .iter()
        .zip(&cell.classes)
        .filter(|(_, counts)| counts[0] > 0)
        .map(|(name, &counts)| Bar::new(name.clone(), counts))
        .collect();
    let radius = text::radius(&cell.epsilon, cell.epsilon_value);
    let caption = html! { b { "By class" } " at ε = " (radius) ", share of the class's inputs" };
    Some(outcomes(&bars, &caption))
}
