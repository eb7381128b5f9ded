//! Semantic perturbations, proved.

use crate::report::html::Context;
use crate::report::html::table::{of_subjects, share, table};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    let plans = &report.setup.perturbations;
    if !report.subjects.iter().any(|subject| !subject.semantics.is_empty()) {
        return None;
    }
    let rows = of_subjects(
        &report.subjects,
        |subject| &subject.semantics,
        |found| {
            html! {
                td { (found.name) } td.r { (found.certified.total) }
                @for count in [&found.certified, &found.undecided, &found.broken] { (share(count)) }
            }
        },
    );
    Some(html! {
        p {
            "Brightness, contrast, fog and covered patches move all pixels together by few parameters. An affine layer in front of the network makes each a question about those "
            "parameters alone, and it is decided for " b { "every" } " value of them."
        }
        dl.pairs {
            @for plan in plans {
                dt { (plan.name) } dd {
                    (plan.what) "; " @match plan.inputs { Some(inputs) => { "the first " (inputs) " inputs" }, None => "all inputs" } ", method " (plan.method)
                }
            }
        }
        (table(&["Model", "Dataset", "Perturbation", ">n", ">Certified", ">Undecided", ">Broken"], &rows))
        p.note { "Of all n inputs; the rest is misclassified to begin with." }
    })
}
