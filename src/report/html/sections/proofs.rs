//! Proofs: how many were checked, by what, and how to check again.

use crate::report::html::{Context, text};
use crate::verify::AssuranceLevel;
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let report = context.report;
    let rows = &report.rows;
    let at = |level: AssuranceLevel| rows.iter().filter(|row| row.assurance == Some(level)).count();
    let certified = rows.iter().filter(|row| row.assurance.is_some()).count();
    let files = |ending: &str| {
        let evidence = report.files.iter().filter(|file| file.name.starts_with("evidence/"));
        evidence.filter(|file| file.name.ends_with(ending)).count()
    };
    let proofs = files(".proof");
    let example = report.files.iter().find(|file| file.name.ends_with(".proof"));
    Some(html! {
        dl.pairs {
            dt { "Certified rows" } dd { (text::counted(certified, "row")) ": " (at(AssuranceLevel::Mechanised)) " proved (mechanised), " (at(AssuranceLevel::Proved)) " proved, "
                (at(AssuranceLevel::Outward)) " proved (outward), " (at(AssuranceLevel::Sound)) " sound, " (at(AssuranceLevel::Solver)) " solver" }
            @if rows.iter().any(|row| row.assurance.is_some_and(AssuranceLevel::has_proof)) {
                dt { "Accepted by" } dd {
                    "proved (outward): certus-check in f64, every rounding charged for, exact arithmetic being dearer than ten times the search or rejecting the proof; "
                    "proved: certus-check in exact arithmetic too; proved (mechanised): the checker that is extracted from its proof in Rocq too"
                }
            }
            dt { "Proofs" } dd {
                @match &report.setup.proofs {
                    None => "none were asked for: certificates rest on the verifier's own code (level sound)",
                    Some(setup) => {
                        (text::counted(proofs, "proof")) " written and accepted by certus-check, a program that shares no code with the verifier and reads model and property by "
                        "itself. Asked for: " @match setup.inputs { Some(inputs) => { "the first " (inputs) " inputs" }, None => "all inputs" }
                        " of each dataset, each at the largest radius at which it is certified; a proof covers the smaller radii too. Method " (setup.method) "."
                    }
                }
            }
            dt { "Counterexamples" } dd {
                (text::counted(files(".txt"), "file")) " in evidence/, each confirmed by an enclosure of the network's real output. To check one: run the "
                "model on its X values in any framework, and compare its Y values and the region."
            }
        }
        @if let Some(file) = example {
            @let stem = file.name.trim_end_matches(".proof");
            p { "To check a proof again, for instance the first, with the model's own file:" }
            pre { code { "certus-check MODEL.onnx \"" (stem) ".vnnlib\" \"" (stem) ".proof\"" } }
            p.note { "The property (.vnnlib) is about the network as its file has it; where data are normalised, the region is too. It can be written again by " code { "certus spec" } "." }
        }
    })
}
