//! Where the time went.

use super::{Picture, at};
use crate::report::html::text;
use maud::html;
use std::collections::BTreeMap;

/// Time by kind of step.
pub(in crate::report::html) fn time(seconds: &BTreeMap<String, f64>, id: &str) -> Option<Picture> {
    let longest = seconds.values().copied().fold(0.0, f64::max);
    let total: f64 = seconds.values().sum();
    if longest <= 0.0 {
        return None;
    }
    let widest = seconds.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let left = (6.3 * widest as f64 + 14.0).clamp(60.0, 240.0);
    let (width, step) = (700.0, 24.0);
    let bottom = 6.0 + step * seconds.len() as f64;
    let scale = (width - 120.0 - left) / longest;
    let drawing = html! {
        @for (row, (name, time)) in seconds.iter().enumerate() {
            @let y = 6.0 + step * row as f64;
            text.end x=(at(left - 8.0)) y=(at(y + 12.0)) { (name) }
            rect.c-certified x=(at(left)) y=(at(y)) width=(at((time * scale).max(1.0))) height="15" {}
            text.soft x=(at(left + time * scale + 7.0)) y=(at(y + 12.0)) {
                (text::seconds(*time)) " (" (format!("{:.0}", 100.0 * time / total)) " %)"
            }
        }
        line.axis x1=(at(left)) x2=(at(left)) y1="2" y2=(at(bottom)) {}
    };
    Some(Picture {
        id: id.to_owned(),
        size: (width, bottom + 4.0),
        title: "Time by kind of step".to_owned(),
        words: seconds
            .iter()
            .map(|(name, time)| format!("{name}: {}.", text::seconds(*time)))
            .collect::<Vec<_>>()
            .join(" "),
        caption: html! { b { "Time by step" } ", seconds of work, summed over inputs (with more than one job, steps run side by side)" },
        drawing,
    })
}
