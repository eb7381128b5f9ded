//! Results in the forms that build servers read: JUnit's XML and SARIF 2.1.0.

use super::{AuditReport, Report, Tool};
use crate::audit::{Judgement, VerdictName};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How a case came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// It does not hold.
    Failed,
    /// Neither was shown.
    Open,
}

/// One thing that was asked.
struct Case {
    /// What it belongs to.
    suite: String,
    name: String,
    /// The rule that it breaks or leaves open; see [`RULES`].
    rule: &'static str,
    outcome: Outcome,
    message: String,
    seconds: f64,
    /// The file that it is about.
    file: String,
}

/// What can be wrong: id, and a sentence.
const RULES: [(&str, &str); 5] = [
    ("falsified", "A perturbation within ε changes the class."),
    ("misclassified", "The unperturbed input is not classified as its label."),
    ("undecided", "Neither a proof nor a counterexample was found."),
    ("criterion", "A criterion of the audit's plan is not met, or was not shown to be."),
    ("data", "The data may be wrong."),
];

/// The cases of a report, for build servers.
pub(crate) struct Cases {
    cases: Vec<Case>,
    /// Sentences about data, with their files.
    warnings: Vec<(String, String)>,
}

impl Cases {
    /// One a row of a campaign.
    pub(crate) fn of_campaign(report: &Report) -> Self {
        let header = &report.header;
        let suite = format!("{} {}", header.command, header.model.file);
        let case = |row: &crate::audit::Row| {
            let (rule, outcome, message) = match row.verdict {
                VerdictName::Certified => ("falsified", Outcome::Passed, "certified".to_owned()),
                VerdictName::Falsified => {
                    let file = row.counterexample.as_deref();
                    let file = file.map_or(String::new(), |file| format!(": {file}"));
                    ("falsified", Outcome::Failed, format!("a counterexample was found{file}"))
                }
                VerdictName::Misclassified => {
                    let predicted =
                        row.predicted.map_or("no class".to_owned(), |c| format!("class {c}"));
                    (
                        "misclassified",
                        Outcome::Failed,
                        format!("{predicted} is predicted, the label is {}", row.label),
                    )
                }
                VerdictName::Unknown => {
                    let reason = row
                        .reason
                        .clone()
                        .unwrap_or_else(|| "no counterexample was found".to_owned());
                    ("undecided", Outcome::Open, reason)
                }
            };
            let (suite, name, file) =
                (suite.clone(), format!("input {}", row.index), header.data.file.clone());
            Case { suite, name, rule, outcome, message, seconds: row.seconds, file }
        };
        let warnings = header.as_read.iter().flat_map(|as_read| &as_read.warnings);
        Self {
            cases: report.rows.iter().map(case).collect(),
            warnings: warnings.map(|text| (text.clone(), header.data.file.clone())).collect(),
        }
    }

    /// One a criterion of an audit.
    pub(crate) fn of_audit(report: &AuditReport) -> Self {
        let file = |name: &str| {
            let model = report.setup.models.iter().find(|model| model.name == name);
            model.map(|model| model.file.clone()).unwrap_or_default()
        };
        let cases = report.criteria.iter().map(|criterion| {
            let outcome = match criterion.result {
                Judgement::Met => Outcome::Passed,
                Judgement::NotMet => Outcome::Failed,
                Judgement::NotShown => Outcome::Open,
            };
            Case {
                suite: format!("audit {}", report.about.title),
                name: criterion.title(),
                rule: "criterion",
                outcome,
                message: criterion.sentence(),
                seconds: 0.0,
                file: file(&criterion.model),
            }
        });
        let warnings = report.setup.looks.iter().flat_map(|look| {
            let of = report.setup.data.iter().find(|data| data.name == look.data);
            let file = of.map(|data| data.file.clone()).unwrap_or_default();
            look.as_read.warnings.iter().map(move |text| (text.clone(), file.clone()))
        });
        Self { cases: cases.collect(), warnings: warnings.collect() }
    }

    /// JUnit's XML: a suite, a case each; what was not shown counts as skipped.
    pub(crate) fn junit(&self) -> String {
        let count = |outcome| self.cases.iter().filter(|case| case.outcome == outcome).count();
        let suite = self.cases.first().map_or("certus", |case| case.suite.as_str());
        let seconds: f64 = self.cases.iter().map(|case| case.seconds).sum();
        let counts = format!(
            "name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\"",
            escaped(suite),
            self.cases.len(),
            count(Outcome::Failed)
        );
        // What was skipped is an attribute of a suite, and none of all suites.
        let (skipped, time) = (count(Outcome::Open), format!("time=\"{seconds:.3}\""));
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts} {time}>\n  <testsuite {counts} skipped=\"{skipped}\" {time}>\n"
        );
        for case in &self.cases {
            let (name, class) = (escaped(&case.name), escaped(&case.suite));
            let message = escaped(&case.message);
            let _ = write!(
                xml,
                "    <testcase classname=\"{class}\" name=\"{name}\" time=\"{:.3}\"",
                case.seconds
            );
            let _ = match case.outcome {
                Outcome::Passed => writeln!(xml, "/>"),
                Outcome::Failed => writeln!(
                    xml,
                    "><failure type=\"{}\" message=\"{message}\"/></testcase>",
                    case.rule
                ),
                Outcome::Open => writeln!(xml, "><skipped message=\"{message}\"/></testcase>"),
            };
        }
        if !self.warnings.is_empty() {
            let all: String =
                self.warnings.iter().map(|(text, _)| format!("warning: {text}\n")).collect();
            let _ = writeln!(xml, "    <system-err>{}</system-err>", escaped(&all));
        }
        xml + "  </testsuite>\n</testsuites>\n"
    }

    /// SARIF 2.1.0: a result for everything that does not hold or was not shown, and for every warning.
    pub(crate) fn sarif(&self) -> String {
        let result = |rule: &str, level: &str, message: &str, file: &str| -> Value {
            let at = RULES.iter().position(|(id, _)| *id == rule);
            json!({
                "ruleId": rule,
                "ruleIndex": at,
                "level": level,
                "message": { "text": message },
                "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(file) } } }],
            })
        };
        let of_case = |case: &Case| {
            let level = if case.outcome == Outcome::Failed { "error" } else { "warning" };
            result(case.rule, level, &format!("{}: {}", case.name, case.message), &case.file)
        };
        let found = self.cases.iter().filter(|case| case.outcome != Outcome::Passed).map(of_case);
        let warned = self.warnings.iter().map(|(text, file)| result("data", "warning", text, file));
        let results: Vec<Value> = found.chain(warned).collect();
        let rules =
            RULES.map(|(id, text)| json!({ "id": id, "shortDescription": { "text": text } }));
        let tool = Tool::this();
        let log = json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": { "name": tool.name, "version": tool.version, "rules": rules } },
                "results": results,
            }],
        });
        format!("{log:#}\n")
    }
}

/// A text in an attribute or an element: no control characters, which XML does not have.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')) {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\n' => safe += "&#10;",
            c => safe.push(c),
        }
    }
    safe
}

/// A file's name as a URI reference.
fn uri(file: &str) -> String {
    let mut text = String::new();
    for byte in file.replace('\\', "/").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
