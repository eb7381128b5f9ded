//! The journal of a campaign: a header line, then one JSON line a finished input, appended as inputs finish.
//!
//! A line is written at once, so that a killed process leaves whole lines and at most one torn last one.

use super::RowError;
use super::row::Record;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashSet;
use thiserror::Error;

/// Fields of the header that a resumed campaign may have otherwise: where the files lie. Their hashes must agree.
const MAY_DIFFER: [&str; 2] = ["model.file", "data.file"];

/// Why a campaign cannot go on from a journal.
#[derive(Debug, Error)]
pub enum JournalError {
    /// A line is not what this program writes.
    #[error("line {line}: {source}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What the JSON parser said.
        source: serde_json::Error,
    },
    /// A row is incomplete.
    #[error("line {line}: {source}")]
    Row {
        /// Its number, from 1.
        line: usize,
        /// What is missing.
        source: RowError,
    },
    /// A field that does not fit the plan.
    #[error("line {line}: '{field}' is missing or does not fit the plan")]
    Field {
        /// Its number, from 1.
        line: usize,
        /// The field.
        field: &'static str,
    },
    /// A row of an input that this campaign does not have, or has already.
    #[error("line {line}: input {index} {what}")]
    Index {
        /// Its number, from 1.
        line: usize,
        /// The input.
        index: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The journal is of another campaign.
    #[error("it is the journal of another campaign: its '{field}' is {journal}, now it is {now}")]
    Mismatch {
        /// The first field that differs.
        field: String,
        /// Its value in the journal.
        journal: String,
        /// Its value now.
        now: String,
    },
}

/// What a journal holds: whole lines only.
#[derive(Debug)]
pub(super) struct Journal<Row> {
    /// Length in bytes of the whole lines; what follows is torn. 0 where not even the header is whole.
    pub whole: u64,
    /// The rows.
    pub rows: Vec<Row>,
}

/// Reads a journal back and checks that it belongs to this campaign, whose inputs are `0..inputs`.
pub(super) fn read<R: Record>(
    bytes: &[u8],
    header: &impl Serialize,
    inputs: usize,
) -> Result<Journal<R::Row>, JournalError> {
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let mut journal = Journal { whole: whole as u64, rows: Vec::new() };
    let mut lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n').enumerate();
    let Some((_, first)) = lines.next() else { return Ok(journal) };
    compare(&parse(1, first)?, header)?;
    let mut seen = HashSet::new();
    for (at, line) in lines {
        let line_number = at + 1;
        let record: R = parse(line_number, line)?;
        let index = record.index();
        let bad = |what| JournalError::Index { line: line_number, index, what };
        if index >= inputs {
            return Err(bad("is not in this campaign"));
        }
        if !seen.insert(index) {
            return Err(bad("has a row already"));
        }
        let row = record.into_row();
        let row = row.map_err(|source| JournalError::Row { line: line_number, source })?;
        journal.rows.push(row);
    }
    Ok(journal)
}

fn parse<T: serde::de::DeserializeOwned>(line: usize, text: &[u8]) -> Result<T, JournalError> {
    serde_json::from_slice(text).map_err(|source| JournalError::Line { line, source })
}

fn compare(journal: &Value, now: &impl Serialize) -> Result<(), JournalError> {
    let now = serde_json::to_value(now).map_err(|source| JournalError::Line { line: 1, source })?;
    match difference(String::new(), journal, &now, &|path| MAY_DIFFER.contains(&path)) {
        None => Ok(()),
        Some((field, journal, now)) => Err(JournalError::Mismatch { field, journal, now }),
    }
}

/// The first field in which two values differ, with both values.
pub(super) fn difference(
    path: String,
    old: &Value,
    new: &Value,
    may_differ: &dyn Fn(&str) -> bool,
) -> Option<(String, String, String)> {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => b.keys().chain(a.keys()).find_map(|key| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let get =
                |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
            difference(path, &get(a), &get(b), may_differ)
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| difference(format!("{path}[{i}]"), a, b, may_differ))
        }
        _ if old == new || may_differ(&path) => None,
        _ => Some((path, old.to_string(), new.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_different_field_is_named() {
        let old = json!({"model": {"file": "a", "sha256": "1"}, "settings": {"epsilon": [{"exact": "1/10"}]}});
        let new = json!({"model": {"file": "b", "sha256": "1"}, "settings": {"epsilon": [{"exact": "1/5"}]}});
        let difference =
            |new| difference(String::new(), &old, new, &|path| MAY_DIFFER.contains(&path));
        let (field, old_value, new_value) = difference(&new).unwrap();
        assert_eq!(field, "settings.epsilon[0].exact");
        assert_eq!((old_value.as_str(), new_value.as_str()), ("\"1/10\"", "\"1/5\""));
        assert_eq!(difference(&old), None);
        let gone = json!({"model": {"file": "a"}, "settings": old["settings"]});
        assert_eq!(difference(&gone).unwrap().0, "model.sha256");
    }
}
