//! The threat model: who the adversary is, and what exactly may be perturbed.

use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let about = &context.report.about;
    Some(html! {
        dl.pairs {
            dt { "Goal" } dd { (text::stated(&about.goal)) }
            dt { "Knowledge" } dd { (text::stated(&about.knowledge)) }
            dt { "Capability" } dd { (text::stated(&about.capability)) }
            dt { "Norm" } dd {
                "L∞: every value of the input may change by at most ε, independently of the others. The region around an input c is "
                "{ x : |xᵢ − cᵢ| ≤ εᵢ and x in the valid range }, every number exactly as written in the plan."
            }
            dt { "Radii" } dd {
                @for (at, data) in context.report.setup.data.iter().enumerate() {
                    @if at > 0 { "; " } (data.name) ": "
                    @for (at, epsilon) in data.epsilons.iter().enumerate() {
                        @if at > 0 { ", " } (text::radius(&epsilon.exact, epsilon.value))
                    }
                    @if !data.unit.is_empty() { " (" (data.unit) ")" }
                }
            }
            dt { "Attacks assumed" } dd {
                "Any perturbation in the region, found by whatever means: certificates do not assume a particular attack."
            }
        }
    })
}
