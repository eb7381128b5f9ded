//! Which report this is, whose, and what for.

use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let (about, run, build) =
        (&context.report.about, &context.report.run, &context.report.setup.build);
    let date =
        if about.date.is_empty() { run.started.as_deref() } else { Some(about.date.as_str()) };
    Some(html! {
        dl.pairs {
            dt { "Title" } dd { (about.title) }
            dt { "Reference" } dd { (text::stated(&about.reference)) }
            dt { "Report id" } dd { code { (context.id) } }
            dt { "Date" } dd { (date.unwrap_or("left out, so that the report can be reproduced to the byte")) }
            dt { "Organisation" } dd { (text::stated(&about.organisation)) }
            dt { "Operator" } dd { (text::stated(&about.operator)) }
            dt { "Intended use" } dd { (text::stated(&about.intended_use)) }
            dt { "Tool" } dd { (build.tool.name) " " (build.tool.version) }
            dt { "Standards in mind" } dd {
                "ISO/IEC 24029-2 (formal methods for the robustness of neural networks), EASA concept paper on machine learning "
                "(generalisation and robustness), EU AI Act Art. 15 and Annex IV (accuracy, robustness, documentation), DO-330 (what the "
                "tool may be relied on for). The report gives evidence for such assessments; it is none of them."
            }
        }
        p.note {
            "The report id is the SHA-256 of report.json, which holds every result and the hash of every piece of evidence."
        }
    })
}
