//! What is assumed, what this does not show, what is out of scope.

use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    let about = &report.about;
    let inputs: usize = report.setup.data.iter().map(|data| data.used).sum();
    Some(html! {
        h3 { "Assumptions" }
        ul {
            @for text in &about.assumptions { li { (text) } }
            li { "The model file is the deployed model, and the deployment pre-processes inputs as the data section says." }
            li { "The network is evaluated over the real numbers; what that says about single precision is estimated in " a href="#deployed" { "Deployed arithmetic" } "." }
            li { "Intervals assume that the inputs are an independent random sample of those that the model will meet." }
        }
        h3 { "Limitations" }
        ul {
            @for text in &about.limitations { li { (text) } }
            li { "Robustness is shown " b { "around these " (text::counted(inputs, "input")) } ", not everywhere: it says nothing about other inputs but by the statistics above." }
            li { "Not broken means that these attacks found nothing. It is an upper bound of the robust accuracy, no proof; certified is the proof." }
            li { "Unknown is neither good nor bad news: the method gave up. A stronger method, or more time, may decide." }
            @if let Some(limit) = report.setup.timeout {
                li { "A time limit of " (text::seconds(limit)) " a step was set: on another machine other inputs may be undecided." }
            }
            li { "The label is taken from the dataset; a wrong label makes a wrong row." }
        }
        h3 { "Out of scope" }
        ul {
            @for text in &about.out_of_scope { li { (text) } }
            li { "Poisoned training data, stolen models, privacy, and attacks on anything but the model's input." }
            li { "Perturbations outside the regions above, such as rotations or physical changes of a scene." }
            li { "Whether the intended use itself is acceptable." }
        }
    })
}
