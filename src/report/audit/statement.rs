//! The in-toto statement of an audit: its test result, about models, data, report, manifest and evidence.

use super::content::AuditReport;
use super::manifest::MANIFEST;
use crate::audit::{EVIDENCE, Judgement};
use crate::report::folder::REPORT;
use serde_json::{Value, json};

/// What kind of statement it is (in-toto Attestation Framework 1).
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// What is stated: the result of tests, which are the criteria.
const PREDICATE: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// The statement about a report with this id in a folder whose manifest has this hash, as JSON text.
///
/// The result is `FAILED` where a criterion is not met, `WARNED` where one is not shown or there is none, else `PASSED`; the tests of these
/// three lists are the criteria.
pub(super) fn statement(report: &AuditReport, id: &str, manifest: &str) -> String {
    let subject =
        |name: &str, sha256: &str| json!({ "name": name, "digest": { "sha256": sha256 } });
    let mut subjects = vec![subject(REPORT, id), subject(MANIFEST, manifest)];
    for model in &report.setup.models {
        if model.external.is_empty() {
            subjects.push(subject(&model.file, &model.sha256));
        } else {
            // Not the hash of one file: of the lines of its hash and those of its weights.
            subjects.push(json!({ "name": model.file, "digest": { "filesSha256": model.sha256 } }));
            subjects.extend(model.external.iter().map(|file| subject(&file.name, &file.sha256)));
        }
    }
    let data = report.setup.data.iter().flat_map(|data| &data.files);
    let evidence = report.files.iter().filter(|file| file.name.starts_with(EVIDENCE));
    subjects.extend(data.chain(evidence).map(|file| subject(&file.name, &file.sha256)));
    let others = report.files.iter().filter(|file| !file.name.starts_with(EVIDENCE));
    let configuration: Vec<Value> = others.map(|file| subject(&file.name, &file.sha256)).collect();
    let tests = |result: Judgement| -> Vec<String> {
        let of = report.criteria.iter().filter(|criterion| criterion.result == result);
        of.map(|criterion| criterion.title()).collect()
    };
    let (passed, warned, failed) =
        (tests(Judgement::Met), tests(Judgement::NotShown), tests(Judgement::NotMet));
    let result = match (passed.is_empty(), warned.is_empty(), failed.is_empty()) {
        (_, _, false) => "FAILED",
        (false, true, true) => "PASSED",
        _ => "WARNED",
    };
    let statement = json!({
        "_type": STATEMENT,
        "subject": subjects,
        "predicateType": PREDICATE,
        "predicate": {
            "result": result,
            "configuration": configuration,
            "passedTests": passed,
            "warnedTests": warned,
            "failedTests": failed,
        },
    });
    statement.to_string()
}

/// The digest that a statement gives for a subject.
pub(super) fn digest<'a>(statement: &'a Value, name: &str) -> Option<&'a str> {
    let subjects = statement["subject"].as_array()?;
    let subject = subjects.iter().find(|subject| subject["name"] == name)?;
    subject["digest"]["sha256"].as_str()
}
