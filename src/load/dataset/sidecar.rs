//! The settings file beside a data file, and the few values that settings are made of, numbers kept as they are written.

use super::DatasetError;
use std::path::{Path, PathBuf};

/// A value of a settings file.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(not(feature = "tables"), expect(dead_code))]
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
    pub(super) fn describe(&self) -> String {
        match self {
            Value::Text(text) => format!("'{text}'"),
            Value::Number(text) => text.clone(),
            Value::List(values) if values.len() <= 4 => {
                let each: Vec<String> = values.iter().map(Self::describe).collect();
                each.join(",").replace('\'', "")
            }
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
