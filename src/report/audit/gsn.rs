//! The argument of an audit in Goal Structuring Notation, in the YAML that gsn2x reads: goals, a strategy, solutions that link into the page.

use super::content::{AuditReport, CriterionRecord};
use crate::audit::{Judgement, Measure};
use crate::report::terminal::percent;
use std::fmt::Write as _;

/// An element: its id, its lines.
struct Element {
    id: String,
    text: String,
    supported_by: Vec<String>,
    in_context_of: Vec<String>,
    url: Option<String>,
    undeveloped: bool,
}

impl Element {
    fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            text: text.into(),
            supported_by: Vec::new(),
            in_context_of: Vec::new(),
            url: None,
            undeveloped: false,
        }
    }

    fn at(self, section: &str) -> Self {
        Self { url: Some(format!("report.html#{section}")), ..self }
    }

    fn yaml(&self) -> String {
        let mut text = format!("{}:\n  text: {}\n", self.id, quoted(&self.text));
        for (key, ids) in
            [("supportedBy", &self.supported_by), ("inContextOf", &self.in_context_of)]
        {
            if !ids.is_empty() {
                let _ = writeln!(text, "  {key}: [{}]", ids.join(", "));
            }
        }
        if let Some(url) = &self.url {
            let _ = writeln!(text, "  url: {}", quoted(url));
        }
        if self.undeveloped {
            text += "  undeveloped: true\n";
        }
        text
    }
}

/// A JSON string is a YAML scalar in double quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The fragment. A criterion that is met is supported by what was found; one that is not stays undeveloped.
pub(super) fn argument(report: &AuditReport, id: &str) -> String {
    let mut goals = Vec::new();
    let mut solutions = Vec::new();
    for (at, criterion) in report.criteria.iter().enumerate() {
        let goal = Element::new(
            format!("G{}", at + 3),
            format!("{} is at least {}", criterion.title(), percent(Some(criterion.at_least))),
        );
        if criterion.result == Judgement::Met {
            let solution = Element::new(format!("Sn{}", at + 2), criterion.sentence());
            goals.push(Element { supported_by: vec![solution.id.clone()], ..goal });
            solutions.push(solution.at(section(criterion)));
        } else {
            let text = format!("{} ({})", goal.text, criterion.sentence());
            goals.push(Element { text, undeveloped: true, ..goal }.at(section(criterion)));
        }
    }
    let proofs = report.files.iter().filter(|file| file.name.ends_with(".proof")).count();
    let checked = format!(
        "{proofs} proofs accepted by an independent checker; every counterexample confirmed by an enclosure of the network's real output"
    );
    let intended = if report.about.intended_use.is_empty() {
        "Intended use: not stated".to_owned()
    } else {
        format!("Intended use: {}", report.about.intended_use)
    };
    let mut top = Element::new(
        "G1",
        format!(
            "{}: the audited models keep their class under the perturbations considered, as far as is demanded",
            report.about.title
        ),
    );
    top.supported_by = vec!["S1".to_owned()];
    top.in_context_of = ["C1", "C2", "C3", "A1"].map(str::to_owned).to_vec();
    let mut strategy = Element::new(
        "S1",
        "Argument over every criterion of the plan, and over the evidence itself",
    );
    strategy.supported_by =
        ["G2".to_owned()].into_iter().chain(goals.iter().map(|goal| goal.id.clone())).collect();
    let mut evidence = Element::new(
        "G2",
        "Verdicts are right: what is certified is proved, what is broken was found",
    );
    evidence.supported_by = vec!["Sn1".to_owned()];
    let contexts = [
        Element::new("C1", intended).at("identification"),
        Element::new(
            "C2",
            "Threat model: any perturbation of at most ε in the max norm, within the valid range",
        )
        .at("threat"),
        Element::new("C3", "Definitions of the measures").at("definitions"),
        Element::new("A1", "Assumptions and limitations of the report hold for the deployment")
            .at("limits"),
    ];
    let all = [top, strategy, evidence].into_iter().chain(goals);
    let solutions = [Element::new("Sn1", checked).at("proofs")].into_iter().chain(solutions);
    let elements: String = all.chain(solutions).chain(contexts).map(|each| each.yaml()).collect();
    format!(
        "# Goal Structuring Notation, for gsn2x; made of report.json with the id {id}\nmodule:\n  name: {}\n  brief: {}\n{elements}",
        quoted("robustness"),
        quoted(&report.about.title)
    )
}

fn section(criterion: &CriterionRecord) -> &'static str {
    if criterion.measure == Measure::Clean { "accuracy" } else { "robustness" }
}
