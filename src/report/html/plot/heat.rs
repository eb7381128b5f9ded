//! Accuracy under corruptions: one row a corruption, one column a severity.

use super::{Picture, at};
use crate::audit::shift::Shifted;
use crate::report::audit::SubjectRecord;
use crate::report::html::text;
use maud::html;

/// The heat map of one model on one dataset; none where nothing was corrupted.
pub(in crate::report::html) fn heat(subject: &SubjectRecord, id: &str) -> Option<Picture> {
    let mut rows: Vec<(&str, Vec<&Shifted>)> = Vec::new();
    for shift in &subject.shifts {
        match rows.last_mut() {
            Some((name, cells)) if *name == shift.corruption => cells.push(shift),
            _ => rows.push((&shift.corruption, vec![shift])),
        }
    }
    if rows.is_empty() {
        return None;
    }
    let (left, top, wide, high) = (104.0, 36.0, 44.0, 22.0);
    let drawing = html! {
        text.soft.mid x=(at(left + 2.5 * wide)) y="12" { "severity, accuracy in %" }
        @for severity in 1..=5u32 {
            text.soft.mid x=(at(left + wide * (f64::from(severity) - 0.5))) y=(at(top - 7.0)) { (severity) }
        }
        @for (row, (name, cells)) in rows.iter().enumerate() {
            @let y = top + high * row as f64;
            text.end x=(at(left - 8.0)) y=(at(y + 15.0)) { (name) }
            @for (column, shift) in cells.iter().enumerate() {
                @let (x, value) = (left + wide * column as f64, shift.accuracy.value.unwrap_or(0.0));
                rect.cell x=(at(x)) y=(at(y)) width=(at(wide)) height=(at(high))
                    style=(format!("fill:rgba(var(--heat),{:.2})", 0.05 + 0.9 * value)) {
                    title {
                        (shift.corruption) ", severity " (shift.severity) " (" (shift.parameter) "): " (text::full(&shift.accuracy))
                        ", drop " (points(shift.absolute_drop)) " points, " (text::percent(shift.relative_drop)) " of the clean accuracy"
                    }
                }
                text.mid x=(at(x + 0.5 * wide)) y=(at(y + 15.0))
                    style=[(value > 0.55).then_some("fill:var(--paper)")] { (format!("{:.0}", 100.0 * value)) }
            }
        }
    };
    let words = rows.iter().map(|(name, cells)| {
        let values: Vec<String> = cells.iter().map(|shift| text::share(&shift.accuracy)).collect();
        format!("{name}: {}.", values.join(", "))
    });
    Some(Picture {
        id: id.to_owned(),
        size: (left + 5.0 * wide + 4.0, top + high * rows.len() as f64 + 4.0),
        title: format!("{} on {}: accuracy under corruptions", subject.model, subject.data),
        words: words.collect::<Vec<_>>().join(" "),
        caption: html! {
            b { (subject.model) } " on " (subject.data) ", clean " (text::share(&subject.clean.accuracy)) ", n = " (subject.clean.accuracy.total)
        },
        drawing,
    })
}

/// A difference of shares in percentage points.
pub(in crate::report::html) fn points(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{:.1}", 100.0 * value))
}
