//! The datasets: files, which inputs, what their numbers mean.

use crate::report::audit::AuditData;
use crate::report::html::{Context, text};
use crate::report::terminal::grouped;
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    Some(html! {
        @for data in &context.report.setup.data { article { h3 { (data.name) } (one(data, context)) } }
    })
}

fn one(data: &AuditData, context: &Context) -> Markup {
    let looks = || context.report.setup.looks.iter().filter(|look| look.data == data.name);
    let last = data.used.saturating_sub(1);
    html! {
        dl.pairs {
            @for file in &data.files {
                dt { "File" } dd { (file.name) ", SHA-256 " code { (file.sha256) } }
            }
            dt { "Inputs" } dd {
                (grouped(data.used)) " of " (grouped(data.inputs)) ": indices 0 to " (grouped(last)) ", each " (text::shape(&data.shape))
            }
            dt { "Split" } dd { (text::stated(&data.split)) }
            dt { "Classes" } dd {
                @for (at, (name, count)) in data.classes.iter().zip(&data.class_counts).enumerate() {
                    @if at > 0 { ", " } (name) " (" (count) ")"
                }
            }
            dt { "Units" } dd {
                @if data.unit.is_empty() { "as stored" } @else { (data.unit) }
                "; stored value × " (data.scale)
            }
            @if let Some(look) = looks().next() {
                dt { "Values" } dd { "stored as " (look.as_read.stored) "; from " (text::number(Some(look.as_read.range[0]))) " to " (text::number(Some(look.as_read.range[1]))) " in these units" }
            }
            dt { "Valid range" } dd {
                @match data.domain {
                    Some([low, high]) => { "[" (low) ", " (high) "]; perturbed inputs stay inside" },
                    None => "none declared: perturbed inputs may have any value, or the ranges differ by feature",
                }
            }
            dt { "Pre-processing" } dd {
                @if data.normalised { "(value − mean) / standard deviation, folded into the network, so that ε is in the units above" }
                @else { "none: the network takes these units as they are" }
                @if data.scaled_epsilon { ". ε is multiplied by a factor for each feature, from the settings beside the data" }
            }
            dt { "Radii ε" } dd {
                @for (at, epsilon) in data.epsilons.iter().enumerate() {
                    @if at > 0 { ", " } (text::radius(&epsilon.exact, epsilon.value))
                }
            }
            @for look in looks() {
                @for warning in &look.as_read.warnings { dt { "Warning" } dd { (look.model) ": " (warning) } }
            }
            @for (name, value) in &data.overrides { dt { "Setting" } dd { (name) " = " (value) } }
        }
    }
}
