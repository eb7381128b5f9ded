//! Semantic perturbations, proved.

use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    let plans = &report.setup.perturbations;
    if !report.subjects.iter().any(|subject| !subject.semantics.is_empty()) {
        return None;
    }
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
        div.scroll { table {
            thead { tr { th { "Model" } th { "Dataset" } th { "Perturbation" } th.r { "n" } th.r { "Certified" } th.r { "Undecided" } th.r { "Broken" } } }
            tbody { @for subject in &report.subjects {
                @for (at, found) in subject.semantics.iter().enumerate() {
                    tr {
                        @if at == 0 {
                            th rowspan=(subject.semantics.len()) { (subject.model) } td rowspan=(subject.semantics.len()) { (subject.data) }
                        }
                        td { (found.name) } td.r { (found.certified.total) }
                        @for count in [&found.certified, &found.undecided, &found.broken] {
                            td.r { (text::share(count)) span.ci { (text::interval(count.interval.as_ref())) } }
                        }
                    }
                }
            } }
        } }
        p.note { "Of all n inputs; the rest is misclassified to begin with." }
    })
}
