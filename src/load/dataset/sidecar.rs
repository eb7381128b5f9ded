//! TOML and JSON as the few values that settings are made of, numbers kept as they are written.

use super::DatasetError;
use super::array::too_much;
use crate::load::SourceFile;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// A value of a settings file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// A number in the letters of the file: 0.1 stays one tenth.
    Number(String),
    List(Vec<Value>),
    /// Anything that no setting can be, by its name.
    Other(&'static str),
}

impl Value {
    /// The value as an error message shows it.
    pub fn describe(&self) -> String {
        match self {
            Value::Text(text) => format!("'{text}'"),
            Value::Number(text) => text.clone(),
            Value::List(values) => format!("a list of {}", values.len()),
            Value::Other(kind) => (*kind).to_owned(),
        }
    }
}

/// The settings file beside a data file: the same name with its format's ending replaced by .toml or .json.
pub(super) fn find(data: &Path) -> Result<Option<PathBuf>, DatasetError> {
    let Some(name) = data.file_name().and_then(|n| n.to_str()) else { return Ok(None) };
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let stem = [".npz", ".npy", ".csv", ".idx"].iter().find_map(|ending| name.strip_suffix(ending));
    let stem = stem.unwrap_or(name);
    let [toml, json] =
        ["toml", "json"].map(|ending| data.with_file_name(format!("{stem}.{ending}")));
    match (toml.is_file(), json.is_file()) {
        (true, true) => Err(DatasetError::TwoSidecars { toml, json }),
        (true, false) => Ok(Some(toml)),
        (false, true) => Ok(Some(json)),
        (false, false) => Ok(None),
    }
}

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
