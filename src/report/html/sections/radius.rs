//! Certified and attacked radii.

use super::robustness::unit;
use crate::report::html::plot::radii::radii;
use crate::report::html::{Context, plot, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    let setup = report.setup.radius.as_ref()?;
    Some(html! {
        p {
            "For each input by bisection: the largest radius with a certificate, and the distance of the nearest counterexample found. The robust radius lies between "
            "them. Asked about: " @match setup.inputs { Some(inputs) => { "the first " (inputs) " inputs" }, None => "all inputs" } " of each dataset, "
            (setup.steps) " steps up to the largest radius, method " (setup.method) "."
        }
        (plot::legend(&[
            ("distance of the nearest counterexample found", html! { line.line.l-broken x1="0" x2="24" y1="7" y2="7" {} }),
            ("certified radius", html! { line.line.l-certified x1="0" x2="24" y1="7" y2="7" {} }),
            ("undecided", plot::swatch("band")),
            ("mean", html! { line.line.dash.l-clean x1="12" x2="12" y1="0" y2="14" {} }),
        ]))
        div.figures {
            @for (at, subject) in report.subjects.iter().enumerate() {
                @if let Some(picture) = radii(subject, unit(report, subject), &format!("radii-{at}")) { (picture.figure()) }
            }
        }
        div.scroll { table {
            thead { tr {
                th { "Model" } th { "Dataset" } th.r { "n" } th { "Radius" } th.r { "Mean" } th.r { "Mean of" br; "correct" }
                @for order in ["10 %", "25 %", "median", "75 %", "90 %"] { th.r { (order) } }
                th.r { "Beyond" br; "the largest" }
            } }
            tbody {
                @for subject in &report.subjects {
                    @if let Some(found) = &subject.radius {
                        @for (at, (name, spread)) in [("certified", &found.certified), ("attacked", &found.attacked)].iter().enumerate() {
                            tr {
                                @if at == 0 {
                                    th rowspan="2" { (subject.model) } td rowspan="2" { (subject.data) } td.r rowspan="2" { (found.inputs) }
                                }
                                td { (name) }
                                td.r { (digits(spread.mean)) } td.r { (digits(spread.mean_of_correct)) }
                                @for [_, value] in &spread.quantiles {
                                    td.r {
                                        @if *value < found.up_to { (digits(Some(*value))) }
                                        @else if at == 0 { "≥ " (digits(Some(*value))) }
                                        @else { "none found" }
                                    }
                                }
                                td.r { (spread.censored) }
                            }
                        }
                    }
                }
            }
        } }
        p.note { (crate::audit::radius::CENSORING) }
    })
}

fn digits(value: Option<f64>) -> String {
    value.map_or_else(|| text::number(None), |value| format!("{value:.4}"))
}
