//! Attacks and certification methods, and what must be trusted to believe them.

use crate::report::html::Context;
use crate::report::html::table::captioned;
use crate::verify::Method;
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let setup = &context.report.setup;
    let methods = html! {
        @for method in &setup.methods {
            tr {
                th { (method.name) }
                td { (describe(method.method)) @if method.lp_tighten > 0 { "; " (method.lp_tighten) " neurons tightened by LP" } }
                td { @if method.complete { "yes, given time" } @else { "no: it may leave an input undecided" } }
                td { @if method.method == Method::Milp { "solver" } @else { "sound" } }
            }
        }
    };
    let max = setup.attacks.iter().map(|attack| ("L∞", attack));
    let attacks = html! {
        @for (norm, attack) in max.chain(setup.l2_attacks.iter().map(|attack| ("L2", attack))) {
            @let (settings, kind) = (&attack.settings, attack.settings.kind.as_str());
            tr {
                th { (attack.name) } td { (describe_attack(kind)) } td { (norm) }
                td.r { (settings.restarts) }
                td.r { @if kind == "square" { (settings.queries) " queries" } @else if kind == "fgsm" { "1" } @else { (settings.steps) } }
            }
        }
    };
    let sound = "Certification methods: all sound, and deterministic unless a time limit strikes";
    let worst = "Attacks: they can only refute. The worst of all counts";
    Some(html! {
        (captioned(Some(sound), &["Name", "Method", "Complete", "Assurance"], &methods))
        (captioned(Some(worst), &["Name", "Attack", "Norm", ">Starts", ">Steps each"], &attacks))
        h3 { "Semantics" }
        p {
            "A network is a function over the " b { "real numbers" } "; its weights are exactly those of the file. Bounds are computed in double "
            "precision, and every rounding error of this program is bounded and charged to them. A deployment in single precision computes "
            "something slightly else, within about 10⁻⁶ relative: a margin smaller than that says nothing about it."
        }
        h3 { "Assurance levels" }
        dl.pairs {
            dt { "proved" } dd { "an independent checker, which shares no code with the verifier, accepted a proof" }
            dt { "sound" } dd { "the verifier's own code, rounding accounted for" }
            dt { "solver" } dd { "the word of an external floating-point solver (mixed-integer programming)" }
        }
        p { "A counterexample needs no trust in any of these: anyone can run it." }
    })
}

fn describe_attack(kind: &str) -> &str {
    match kind {
        "fgsm" => "one step along the gradient's sign (FGSM)",
        "pgd" => {
            "projected gradient descent on the cross-entropy and the margin, then targeted (PGD)"
        }
        "apgd-ce" => "Auto-PGD on the cross-entropy and the margin",
        "apgd-dlr" => {
            "Auto-PGD on the difference of logits ratio, the cross-entropy and the margin, then targeted"
        }
        "fab" => "steps along linearised decision boundaries, for the smallest perturbation (FAB)",
        "square" => "random search on outputs alone, without gradients (Square)",
        other => other,
    }
}

fn describe(method: Method) -> &'static str {
    match method {
        Method::Ibp => "intervals, layer by layer (IBP)",
        Method::Crown => "intervals, then linear bounds backwards through the network (CROWN)",
        Method::Lp => {
            "CROWN, optimised slopes, then linear programs whose duals are evaluated soundly"
        }
        Method::Milp => "the same, then mixed-integer programs",
        Method::Complete => "CROWN, then branch and bound until decided",
        Method::Auto => {
            "CROWN, optimised slopes, LP where it can help, then branch and bound of a fixed amount of work an input"
        }
    }
}
