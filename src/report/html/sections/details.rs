//! Each model on each dataset, class by class.

use crate::report::html::plot::bars::classes;
use crate::report::html::plot::confusion::confusion;
use crate::report::html::plot::outcome_legend;
use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    Some(html! {
        (outcome_legend())
        @for (at, subject) in report.subjects.iter().enumerate() {
            @let names = report.data_of(subject).map_or(&[][..], |data| &data.classes);
            article {
                h3 { (subject.model) " on " (subject.data) }
                @if let Some(picture) = classes(subject, names) { (picture) }
                div.figures {
                    @if let Some(picture) = confusion(subject, names, &format!("confusion-{at}")) { (picture.figure()) }
                    div.scroll { table {
                        caption { "Per class, on clean data" }
                        thead { tr { th { "Class" } th.r { "n" } th.r { "Precision" } th.r { "Recall" } th.r { "F1" } th.r { "ROC AUC" } } }
                        tbody { @for (name, class) in names.iter().zip(&subject.clean.classes) {
                            tr {
                                th { (name) } td.r { (class.support) } td.r { (text::number(class.precision)) } td.r { (text::number(class.recall)) }
                                td.r { (text::number(class.f1)) } td.r { (text::number(class.roc_auc)) }
                            }
                        } }
                    } }
                }
            }
        }
    })
}
