//! Accuracy on the inputs as they are.

use crate::report::html::table::{share, table};
use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let rows = html! {
        @for subject in &context.report.subjects {
            @let clean = &subject.clean;
            @let average = clean.macro_average;
            tr {
                th { (subject.model) } td { (subject.data) } td.r { (clean.accuracy.total) }
                (share(&clean.accuracy))
                td.r { (text::number(average.map(|a| a.precision))) }
                td.r { (text::number(average.map(|a| a.recall))) }
                td.r { (text::number(average.map(|a| a.f1))) }
                td.r { (text::number(clean.weighted_average.map(|a| a.f1))) }
                td.r { (text::number(clean.roc_auc_macro)) } td.r { (text::number(clean.roc_auc_weighted)) }
            }
        }
    };
    let heads = [
        "Model",
        "Dataset",
        ">n",
        ">Accuracy",
        ">Precision/macro",
        ">Recall/macro",
        ">F1/macro",
        ">F1/weighted",
        ">ROC AUC/macro",
        ">ROC AUC/weighted",
    ];
    Some(html! {
        (table(&heads, &rows))
        p.note {
            "Small figures below: 95 % interval (Clopper–Pearson) for the accuracy on all inputs of which these are a random sample. Macro: mean over the "
            "classes that occur; weighted: by their numbers. 0/0 counts as 0 in averages, and is a dash by itself. ROC AUC: one class against "
            "the rest by softmax probability, ties ½."
        }
    })
}
