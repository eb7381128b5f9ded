//! The models and their data as a CycloneDX 1.6 ML-BOM: a component each, with a model card of what the audit found.

use super::content::{AuditReport, SubjectRecord};
use super::setup::{AuditData, AuditModel};
use crate::audit::interval::Counted;
use serde_json::{Map, Value, json};

/// The BOM, as JSON text. It is a function of the report: its serial number is made of the report's id.
pub(super) fn bom(report: &AuditReport, id: &str) -> String {
    let tool = &report.setup.build.tool;
    let mut program = json!({ "type": "application", "name": tool.name, "version": tool.version });
    if let Some(sha256) = &report.run.program_sha256 {
        program["hashes"] = hashes(sha256);
    }
    let mut metadata = json!({ "tools": { "components": [program] } });
    if let Some(started) = &report.run.started {
        metadata["timestamp"] = started.clone().into();
    }
    let models = report.setup.models.iter().map(|each| model(report, each));
    let components: Vec<Value> = models.chain(report.setup.data.iter().map(data)).collect();
    let dependencies: Vec<Value> = report
        .setup
        .models
        .iter()
        .map(|model| json!({ "ref": model_ref(&model.name), "dependsOn": [] }))
        .collect();
    let bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial(id),
        "version": 1,
        "metadata": metadata,
        "components": components,
        "dependencies": dependencies,
        "externalReferences": [
            { "type": "quality-metrics", "url": "report.html", "comment": "the audit report" },
            { "type": "evidence", "url": "report.json", "comment": "the audit as data", "hashes": hashes(id) },
        ],
    });
    format!("{bom:#}\n")
}

/// A UUID (version 8, RFC 9562) of the first digits of an id.
fn serial(id: &str) -> String {
    let digits: String = id.chars().chain(std::iter::repeat('0')).take(32).collect();
    let (a, b, c, d, e) =
        (&digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..32]);
    format!("urn:uuid:{a}-{b}-8{c}-8{d}-{e}")
}

fn hashes(sha256: &str) -> Value {
    json!([{ "alg": "SHA-256", "content": sha256 }])
}

fn model_ref(name: &str) -> String {
    format!("model:{name}")
}

fn property(name: &str, value: impl ToString) -> Value {
    json!({ "name": format!("certus:{name}"), "value": value.to_string() })
}

fn shape(sides: &[usize]) -> String {
    let sides: Vec<String> = sides.iter().map(ToString::to_string).collect();
    format!("tensor {}", sides.join(" × "))
}

fn model(report: &AuditReport, model: &AuditModel) -> Value {
    let subjects: Vec<&SubjectRecord> =
        report.subjects.iter().filter(|subject| subject.model == model.name).collect();
    let about = &report.about;
    let texts = |list: &[String]| -> Vec<Value> { list.iter().cloned().map(Value::from).collect() };
    let mut considerations = Map::new();
    if !about.intended_use.is_empty() {
        considerations.insert("useCases".to_owned(), json!([about.intended_use]));
    }
    let mut limitations = texts(&about.limitations);
    limitations.extend(about.assumptions.iter().map(|text| format!("Assumed: {text}").into()));
    limitations
        .extend(about.out_of_scope.iter().map(|text| format!("Out of scope: {text}").into()));
    limitations.push(
        "Robustness is shown around the inputs of the audit, for the real-valued network; see the report's limitations.".into(),
    );
    considerations.insert("technicalLimitations".to_owned(), limitations.into());
    let datasets: Vec<Value> =
        subjects.iter().map(|s| json!({ "ref": data_ref(&s.data) })).collect();
    let mut properties = vec![
        property("file", &model.file),
        property("parameters", model.parameters),
        property("relus", model.relus),
    ];
    properties.extend(
        model.external.iter().map(|file| {
            property("external-weights", format!("{} sha256:{}", file.name, file.sha256))
        }),
    );
    let mut component = json!({
        "type": "machine-learning-model",
        "bom-ref": model_ref(&model.name),
        "name": model.name,
        "modelCard": {
            "modelParameters": {
                "task": "classification",
                "datasets": datasets,
                "inputs": [{ "format": shape(&model.input_shape) }],
                "outputs": [{ "format": shape(&model.output_shape) }],
            },
            "quantitativeAnalysis": {
                "performanceMetrics": subjects.iter().flat_map(|subject| metrics(subject)).collect::<Vec<_>>(),
            },
            "considerations": considerations,
        },
        "properties": properties,
    });
    if !model.training.is_empty() {
        component["description"] = format!("Training: {}", model.training).into();
    }
    // With weights in other files it is no file's hash.
    if model.external.is_empty() {
        component["hashes"] = hashes(&model.sha256);
    }
    component
}

/// The figures of a model on a dataset, each with what it is of.
fn metrics(subject: &SubjectRecord) -> Vec<Value> {
    let share = |kind: &str, count: &Counted, at: Option<&str>| {
        let at = at.map_or(String::new(), |epsilon| format!(", L∞ ε = {epsilon}"));
        let mut metric = json!({
            "type": kind,
            "value": count.value.map_or_else(|| "undefined".to_owned(), |value| value.to_string()),
            "slice": format!("{}, n = {}{at}", subject.data, count.total),
        });
        if let Some(ends) = &count.interval {
            metric["confidenceInterval"] =
                json!({ "lowerBound": ends.low.to_string(), "upperBound": ends.high.to_string() });
        }
        metric
    };
    let plain = |kind: &str, value: Option<f64>| {
        let slice = format!("{}, n = {}", subject.data, subject.clean.accuracy.total);
        value.map(|value| json!({ "type": kind, "value": value.to_string(), "slice": slice }))
    };
    let average = subject.clean.macro_average;
    let mut all = vec![share("accuracy", &subject.clean.accuracy, None)];
    all.extend(plain("precision, macro", average.map(|a| a.precision)));
    all.extend(plain("recall, macro", average.map(|a| a.recall)));
    all.extend(plain("F1, macro", average.map(|a| a.f1)));
    all.extend(plain("ROC AUC, macro", subject.clean.roc_auc_macro));
    for cell in &subject.cells {
        let at = Some(cell.epsilon.as_str());
        all.push(share("certified accuracy", &cell.certified, at));
        all.push(share("adversarial accuracy", &cell.adversarial, at));
        all.push(share("stability index", &cell.stability, at));
    }
    all.extend(plain("robustness score", subject.robustness_score));
    all
}

fn data_ref(name: &str) -> String {
    format!("data:{name}")
}

fn data(data: &AuditData) -> Value {
    let mut properties = vec![property("used", format!("{} of {}", data.used, data.inputs))];
    properties.extend(
        data.files
            .iter()
            .map(|file| property("file", format!("{} sha256:{}", file.name, file.sha256))),
    );
    let mut set = json!({ "type": "dataset", "name": data.name });
    if !data.split.is_empty() {
        set["description"] = data.split.clone().into();
    }
    let mut component = json!({
        "type": "data",
        "bom-ref": data_ref(&data.name),
        "name": data.name,
        "data": [set],
        "properties": properties,
    });
    // The first file is the data themselves; others say how to read them.
    if let Some(file) = data.files.first() {
        component["hashes"] = hashes(&file.sha256);
    }
    component
}

#[cfg(test)]
mod tests {
    #[test]
    fn serial_numbers_are_uuids_of_the_id() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert_eq!(super::serial(id), "urn:uuid:01234567-89ab-8def-8123-456789abcdef");
    }
}
