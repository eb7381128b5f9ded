//! Files held against schemas: ours, and the public ones in tests/schemas.

use crate::support::committed;
use jsonschema::Resource;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn read(name: &str) -> Value {
    let file = committed(&format!("tests/schemas/{name}.schema.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Holds a value against a schema.
#[track_caller]
pub fn conforms(schema: &Value, value: &Value) {
    let mut options = jsonschema::options();
    // CycloneDX refers to these beside it.
    for name in ["spdx", "jsf-0.82"] {
        for form in ["", ".SNAPSHOT"] {
            let resource = Resource::from_contents(read(name)).unwrap();
            let at = format!("http://cyclonedx.org/schema/{name}{form}.schema.json");
            options = options.with_resource(at, resource);
        }
    }
    let validator = options.build(schema).unwrap();
    let problems: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Holds a value against a public schema.
#[track_caller]
pub fn public(name: &str, value: &Value) {
    conforms(&read(name), value);
}

/// Holds a file against the schema of JUnit's XML that Jenkins has, where xmllint is there.
#[track_caller]
pub fn xml(file: &Path) {
    let schema = committed("tests/schemas/junit-10.xsd");
    let ran = Command::new("xmllint").args(["--noout", "--schema"]).arg(schema).arg(file).output();
    match ran {
        Ok(ran) => assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr)),
        Err(_) => crate::skip::skipped(
            "no xmllint in the PATH: JUnit's XML is not held against its schema",
        ),
    }
}
