//! The property that is verified, and what counts as passing.

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
            p { (given.iter().filter(|criterion| criterion.met).count()) " of " (given.len()) " shares that the plan demands are reached: see " a href="#summary" { "Summary" } ". They are judged by the share found, not by its interval." }
        }
    })
}
