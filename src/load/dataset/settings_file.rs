//! Settings files in TOML and JSON.

use super::DatasetError;
use super::array::too_much;
use super::sidecar::Value;
use crate::load::SourceFile;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// The fields of a settings file, in the order of their names.
pub(super) fn read(file: &SourceFile) -> Result<BTreeMap<String, Value>, DatasetError> {
    // More than a setting of two letters takes.
    const PER_BYTE: usize = 128;
    let budget = file.budget();
    budget.spend(file.bytes.len().saturating_mul(PER_BYTE)).map_err(too_much(&file.path))?;
    let problem = |problem: String| DatasetError::Sidecar { file: file.path.clone(), problem };
    let text = std::str::from_utf8(&file.bytes).map_err(|e| problem(e.to_string()))?;
    if file.path.extension().is_some_and(|e| e == "json") {
        let fields: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(text).map_err(|e| problem(e.to_string()))?;
        return fields
            .into_iter()
            .map(|(field, raw)| Ok((field, from_json(&raw).map_err(|e| problem(e.to_string()))?)))
            .collect();
    }
    let table = DeTable::parse(text).map_err(|e| problem(e.to_string()))?;
    let fields = table.get_ref().iter();
    Ok(fields.map(|(key, value)| (key.get_ref().to_string(), from_toml(value.get_ref()))).collect())
}

fn from_toml(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(n) if n.radix() == 10 => Value::Number(n.as_str().to_owned()),
        DeValue::Float(x) => Value::Number(x.as_str().to_owned()),
        DeValue::Array(values) => {
            Value::List(values.iter().map(|v| from_toml(v.get_ref())).collect())
        }
        DeValue::Integer(_) => Value::Other("a number that is not in base ten"),
        DeValue::Boolean(_) => Value::Other("a truth value"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Table(_) => Value::Other("a table"),
    }
}

fn from_json(raw: &RawValue) -> Result<Value, serde_json::Error> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'"') => Value::Text(serde_json::from_str(text)?),
        Some(b'[') => {
            let values: Vec<Box<RawValue>> = serde_json::from_str(text)?;
            Value::List(values.iter().map(|v| from_json(v)).collect::<Result<_, _>>()?)
        }
        Some(b'{') => Value::Other("an object"),
        Some(b't' | b'f') => Value::Other("a truth value"),
        Some(b'n') => Value::Other("null"),
        _ => Value::Number(text.to_owned()),
    })
}
