//! Where the time went.

use crate::report::html::text;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Time by kind of step: a bar each, with its seconds and its share of all.
pub(in crate::report::html) fn time(seconds: &BTreeMap<String, f64>) -> Option<Markup> {
    let longest = seconds.values().copied().fold(0.0, f64::max);
    let total: f64 = seconds.values().sum();
    (longest > 0.0).then(|| {
        html! {
            figure.outcomes {
                figcaption { b { "Time by step" } ", seconds of work, summed over inputs (with more than one job, steps run side by side)" }
                @for (name, time) in seconds {
                    div.name { (name) }
                    div.bar { span.certified style=(format!("width:{:.3}%", 100.0 * time / longest)) {} }
                    div.rest { (text::seconds(*time)) " (" (format!("{:.0}", 100.0 * time / total)) " %)" }
                }
            }
        }
    })
}
