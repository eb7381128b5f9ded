//! Proofs: how many were checked, by what, and how to check again.

use crate::report::Level;
use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let rows = &context.report.rows;
    let at = |level: Level| rows.iter().filter(|row| row.assurance == Some(level)).count();
    let certified = rows.iter().filter(|row| row.assurance.is_some()).count();
    let broken: usize =
        context.report.files.iter().filter(|f| f.name.starts_with("evidence/")).count();
    Some(html! {
        dl.pairs {
            dt { "Certified rows" } dd { (text::counted(certified, "row")) ": " (at(Level::Proved)) " proved, " (at(Level::Sound)) " sound, " (at(Level::Solver)) " solver" }
            dt { "Proofs checked" } dd {
                (at(Level::Proved)) " of " (certified)
                @if at(Level::Proved) == 0 {
                    ". This audit wrote no proofs: its certificates rest on the verifier's own code (level sound). To have single verdicts "
                    "checked independently, write the input's question as VNN-LIB and use certus-check, whose format is proofs/FORMAT.md."
                }
            }
            dt { "Counterexamples" } dd {
                (text::counted(broken, "file")) " in evidence/, each confirmed by an enclosure of the network's real output. To check one: run the "
                "model on its X values in any framework, and compare its Y values and the region."
            }
        }
    })
}
