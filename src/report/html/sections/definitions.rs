//! The measures, defined.

use crate::audit::score::{ROBUSTNESS_SCORE, STABILITY_INDEX};
use crate::report::html::Context;
use maud::{Markup, html};

pub(super) fn content(_: &Context) -> Option<Markup> {
    Some(html! {
        p.note { "n inputs; B(c, ε): the region around input c." }
        dl.pairs {
            dt { "Clean accuracy" } dd { "inputs whose predicted class is the label, over n. Predicted is the class of the largest output in double precision; no class where that is not unique." }
            dt { "Not broken (adversarial accuracy)" } dd { "correct inputs without a known counterexample in B(c, ε), found by any attack or method at this radius or a smaller one, over n." }
            dt { "Attack success rate" } dd { "correct inputs that the attack broke at this radius, over correct inputs." }
            dt { "Certified accuracy" } dd { "correct inputs for which a proof was found that the class is constant on B(c, ε), at this radius or a larger one, over n." }
            dt { "Robust accuracy" } dd { "correct inputs whose class is constant on B(c, ε), over n. Unknown; certified ≤ robust ≤ not broken." }
            dt { "Undecided" } dd { "not broken minus certified." }
            dt { "Stability index" } dd { (STABILITY_INDEX) }
            dt { "Robustness score" } dd { (ROBUSTNESS_SCORE) }
            dt { "Radius bracket" } dd { "of a correct input: at least the largest radius with a certificate, below the smallest with a counterexample, over all steps of this audit. Rounded to the nearest double here; exact in the journal." }
            dt { "Absolute, relative drop" } dd { "a − a′ and (a − a′)/a, with clean accuracy a and accuracy a′ under a corruption." }
            dt { "Margin ≥ m" } dd { "proved: on all of B(c, ε) the label's output exceeds every other by at least m. Where an input is unknown, the best bound that was reached." }
            dt { "Precision, recall, F1" } dd { "of a class: TP/(TP+FP), TP/(TP+FN), 2TP/(2TP+FP+FN). 0/0 has no value; in averages it counts as 0." }
            dt { "ROC AUC" } dd { "the probability that a random input of the class has a larger softmax probability for it than a random input of another class, ties ½; macro and weighted means over the classes where it is defined." }
            dt { "95 % interval" } dd { "Clopper and Pearson's exact interval for a share, from k of n inputs." }
        }
    })
}
