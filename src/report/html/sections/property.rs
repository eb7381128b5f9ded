//! The property that is verified, and what counts as passing.

use crate::audit::Judgement;
use crate::report::html::Context;
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let given = &context.report.criteria;
    Some(html! {
        p {
            b { "Property class: " } "local robustness of a classifier (stability of the decision in a neighbourhood). For an input c "
            "with label ℓ and its region R: for every real x in R and every other class t, N(x)" sub { "ℓ" } " − N(x)" sub { "t" } " > 0. "
            "A tie counts as a violation."
        }
        p {
            b { "Verdicts. " } "Misclassified: N(c) does not name ℓ, and nothing else is asked. Certified: the property was proved. "
            "Falsified: a point of R with N(x)" sub { "ℓ" } " ≤ N(x)" sub { "t" } " for some t was found and confirmed by an enclosure of the "
            "real output, without any tolerance. Unknown: neither, with the reason."
        }
        p {
            b { "Criterion. " } "certified ≤ robust accuracy ≤ not broken ≤ clean, in every model, dataset and radius; rows that contradict this, or "
            "each other across radii, end the audit with an internal error and make no report."
        }
        @if given.is_empty() { p { "The plan states no share that must be reached." } } @else {
            p { (given.iter().filter(|criterion| criterion.result == Judgement::Met).count()) " of " (given.len()) " shares that the plan demands are shown to be reached: see " a href="#summary" { "Summary" } ". Each is judged by the lower end of its 95 % interval, unless the plan asks for the share alone." }
        }
    })
}
