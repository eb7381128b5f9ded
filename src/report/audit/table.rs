//! rows.csv: one line an input and radius, one column an attack and a method.

use super::content::AuditReport;
use crate::audit::AuditRow;
use std::fmt::Display;

/// The table of all rows, in the order of report.json.
pub(super) fn table(report: &AuditReport) -> csv::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let attacks: Vec<&str> = report.setup.attacks.iter().map(|a| a.name.as_str()).collect();
    let methods: Vec<&str> = report.setup.methods.iter().map(|m| m.name.as_str()).collect();
    let fixed = [
        "model",
        "data",
        "index",
        "epsilon",
        "label",
        "predicted",
        "verdict",
        "by",
        "assurance",
        "reason",
        "margin_bound",
        "rounding_error",
        "margin_in_errors",
        "constant",
        "certified_radius",
        "attacked_radius",
        "evidence",
        "evidence_sha256",
        "property_sha256",
        "seconds",
    ];
    let mut header: Vec<String> = fixed.map(str::to_owned).to_vec();
    header.extend(attacks.iter().map(|name| format!("attack:{name}")));
    header.extend(methods.iter().map(|name| format!("method:{name}")));
    writer.write_record(&header)?;
    for row in &report.rows {
        writer.write_record(line(row, &attacks, &methods))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn line(row: &AuditRow, attacks: &[&str], methods: &[&str]) -> Vec<String> {
    fn or_empty<T: Display>(value: Option<T>) -> String {
        value.map_or_else(String::new, |value| value.to_string())
    }
    let evidence = row.evidence.as_ref();
    let mut cells = vec![
        row.model.clone(),
        row.data.clone(),
        row.index.to_string(),
        row.epsilon.clone(),
        row.label.to_string(),
        or_empty(row.predicted),
        row.verdict.to_string(),
        or_empty(row.by.as_ref()),
        or_empty(row.assurance),
        or_empty(row.reason.as_ref()),
        or_empty(row.margin_bound),
        or_empty(row.rounding_error),
        or_empty(row.margin_in_errors),
        or_empty(row.constant),
        or_empty(row.certified_radius),
        or_empty(row.attacked_radius),
        or_empty(evidence.map(|evidence| &evidence.file)),
        or_empty(evidence.map(|evidence| &evidence.sha256)),
        or_empty(evidence.and_then(|evidence| Some(&evidence.property.as_ref()?.sha256))),
        or_empty(row.seconds),
    ];
    cells.extend(attacks.iter().map(|name| or_empty(row.attacks.get(*name))));
    cells.extend(methods.iter().map(|name| or_empty(row.methods.get(*name))));
    cells
}
