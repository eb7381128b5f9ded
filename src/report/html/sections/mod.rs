//! The sections of the page, in order.

mod accuracy;
mod clauses;
mod counterexamples;
mod data;
mod definitions;
mod deployed;
mod details;
mod identification;
mod inputs;
mod limits;
mod manifest;
mod methods;
mod models;
mod proofs;
mod property;
mod radius;
mod reproduction;
mod robustness;
mod run;
mod semantic;
mod shift;
mod side;
mod signoff;
mod summary;
mod threat;

use super::Context;
use maud::Markup;

/// A section of the page.
pub(super) struct Section {
    /// Its anchor.
    pub(crate) id: &'static str,
    /// Its title.
    pub(crate) title: &'static str,
    /// What it says; `None` where it has nothing to say about this report.
    pub(crate) content: fn(&Context) -> Option<Markup>,
}

/// All of them.
pub(super) const ALL: [Section; 25] = [
    Section { id: "summary", title: "Summary", content: summary::content },
    Section { id: "identification", title: "Identification", content: identification::content },
    Section { id: "models", title: "Models", content: models::content },
    Section { id: "data", title: "Data", content: data::content },
    Section { id: "threat", title: "Threat model", content: threat::content },
    Section { id: "property", title: "Property and criteria", content: property::content },
    Section { id: "methods", title: "Methods and assurance", content: methods::content },
    Section { id: "accuracy", title: "Accuracy on clean data", content: accuracy::content },
    Section { id: "robustness", title: "Robustness", content: robustness::content },
    Section { id: "deployed", title: "Deployed arithmetic", content: deployed::content },
    Section { id: "radius", title: "Radii", content: radius::content },
    Section { id: "shift", title: "Shift and noise", content: shift::content },
    Section { id: "semantic", title: "Certified shifts", content: semantic::content },
    Section { id: "side", title: "Models side by side", content: side::content },
    Section { id: "details", title: "Classes, model by model", content: details::content },
    Section { id: "inputs", title: "Every input", content: inputs::content },
    Section { id: "examples", title: "Counterexamples", content: counterexamples::content },
    Section { id: "proofs", title: "Proofs", content: proofs::content },
    Section { id: "limits", title: "Assumptions and limitations", content: limits::content },
    Section { id: "definitions", title: "Definitions", content: definitions::content },
    Section { id: "run", title: "Tool and run", content: run::content },
    Section { id: "reproduction", title: "Reproduction", content: reproduction::content },
    Section { id: "manifest", title: "Manifest", content: manifest::content },
    Section {
        id: "clauses",
        title: "Clauses and where they are answered",
        content: clauses::content,
    },
    Section { id: "signoff", title: "Sign-off", content: signoff::content },
];
