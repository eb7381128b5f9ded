//! The models: files, structure, agreement with reference outputs.

use crate::report::audit::AuditModel;
use crate::report::html::{Context, text};
use crate::report::terminal::grouped;
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    Some(html! {
        @for model in &context.report.setup.models {
            article {
                h3 { (model.name) }
                dl.pairs {
                    dt { "File" } dd { (model.file) }
                    dt { "SHA-256" } dd { code { (model.sha256) } }
                    @for file in &model.external {
                        dt { "Weights in" } dd { (file.name) ", " code { (file.sha256) } }
                    }
                    dt { "Input → output" } dd { (text::shape(&model.input_shape)) " → " (text::shape(&model.output_shape)) }
                    dt { "Size" } dd { (grouped(model.parameters)) " parameters, " (grouped(model.relus)) " ReLU neurons" }
                    dt { "Operators" } dd {
                        @for (at, (operator, count)) in model.operators.iter().enumerate() {
                            @if at > 0 { ", " } (operator) " × " (count)
                        }
                    }
                    dt { "Training" } dd { (text::stated(&model.training)) }
                    dt { "Our evaluation" } dd { (agreement(model)) }
                    @for note in &model.notes { dt { "Note" } dd { (note) } }
                }
            }
        }
    })
}

fn agreement(model: &AuditModel) -> Markup {
    html! {
        @match &model.agreement {
            None => "was not compared with another implementation's outputs: the plan names none",
            Some(found) => {
                "agrees with " (found.file) " on " (text::counted(found.inputs, "input")) ": largest difference "
                (format!("{:.2e}", found.max_difference)) " where outputs reach " (format!("{:.3}", found.max_output))
                ", same class on " (found.same_class) " of " (found.inputs) "; SHA-256 " code { (found.sha256) }
            }
        }
    }
}
