//! The commands that make this report again.

use crate::report::html::Context;
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let setup = &context.report.setup;
    let timed = setup.timeout.is_some();
    Some(html! {
        p { "With the models and data at the places that plan.toml names, relative to itself (put it back where it was), and certus " (setup.build.tool.version) ":" }
        pre { code {
            "certus audit plan.toml --out again\n"
            "certus report DIR                       # this page again, from report.json, without computing\n"
            "certus audit --verify DIR --id " (context.id) "\n"
            "sha256sum --check manifest.sha256       # the same without certus, inside DIR"
        } }
        p {
            @if timed { "A time limit was set, so single verdicts may differ on a slower machine. " }
            @else { "Verdicts, margins and counterexamples do not depend on the machine, on the number of jobs or on interruptions. " }
            "What differs between two runs is listed in report.json under " code { "varies_between_runs" } ": " (context.report.varies_between_runs.join(", "))
            ". With " code { "--reproducible" } " these are left out, and two runs have the same report id."
        }
        p.note { "One verdict alone: " code { "certus certify MODEL --data FILE --eps E --limit N" } "; id " (context.id) }
    })
}
