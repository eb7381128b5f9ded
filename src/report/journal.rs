//! A journal: a header line, then one JSON line for everything that is finished, appended as it comes.
//!
//! A line is written at once, so that a killed process leaves whole lines and at most one torn last one.

use crate::audit::Line;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

/// Why work cannot go on from a journal.
#[derive(Debug, Error)]
pub(crate) enum JournalError {
    /// A line is not what this program writes.
    #[error("line {line}: {source}")]
    Line {
        line: usize,
        /// What the JSON parser said.
        source: serde_json::Error,
    },
    /// A line that is incomplete, of an input that is not asked about, or about what another line has already.
    #[error("line {line}: {what}")]
    Row { line: usize, what: String },
    /// It was written by a version of this program that wrote journals otherwise.
    #[error(
        "another version of certus wrote it, which alone can go on with it; --overwrite starts afresh"
    )]
    Foreign,
    /// The journal is of other work.
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

/// What a journal has to be to be gone on with.
pub(crate) struct Expected<'a, H, L> {
    /// Its header.
    pub(crate) head: &'a H,
    /// The fields of the header that may be otherwise, such as where files lie. Their hashes must agree.
    pub(crate) may_differ: fn(&str) -> bool,
    /// What is wrong with a line beside those before it.
    pub(crate) refuse: &'a mut dyn FnMut(&L) -> Option<String>,
}

/// What a journal holds: whole lines only.
#[derive(Debug)]
pub(super) struct Journal<L> {
    /// Length in bytes of the whole lines; what follows is torn.
    pub(crate) whole: u64,
    pub(crate) head: Value,
    /// The lines behind it.
    pub(crate) lines: Vec<L>,
}

/// Reads a journal back and checks that it is the expected one. `None` where not even its header is whole.
pub(super) fn read<H: Serialize, L: Line>(
    bytes: &[u8],
    expected: &mut Expected<H, L>,
) -> Result<Option<Journal<L>>, JournalError> {
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let mut lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n').zip(1..);
    let Some((first, _)) = lines.next() else { return Ok(None) };
    let head = parse(1, first)?;
    compare(&head, expected)?;
    let mut journal = Journal { whole: whole as u64, head, lines: Vec::new() };
    for (text, line) in lines {
        let read: L = parse(line, text)?;
        let wrong = read.check().err().or_else(|| (expected.refuse)(&read));
        if let Some(what) = wrong {
            return Err(JournalError::Row { line, what });
        }
        journal.lines.push(read);
    }
    Ok(Some(journal))
}

fn parse<T: serde::de::DeserializeOwned>(line: usize, text: &[u8]) -> Result<T, JournalError> {
    serde_json::from_slice(text).map_err(|source| JournalError::Line { line, source })
}

fn compare<H: Serialize, L>(
    journal: &Value,
    expected: &Expected<H, L>,
) -> Result<(), JournalError> {
    let now = serde_json::to_value(expected.head)
        .map_err(|source| JournalError::Line { line: 1, source })?;
    if journal.is_object() && journal["schema_version"] != now["schema_version"] {
        return Err(JournalError::Foreign);
    }
    match difference(String::new(), journal, &now, expected.may_differ) {
        None => Ok(()),
        Some((field, journal, now)) => Err(JournalError::Mismatch { field, journal, now }),
    }
}

/// The first field in which two values differ, with both values.
pub(super) fn difference(
    path: String,
    old: &Value,
    new: &Value,
    may_differ: fn(&str) -> bool,
) -> Option<(String, String, String)> {
    match (old, new) {
        _ if may_differ(&path) => None,
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
        _ if old == new => None,
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
        let difference = |new| difference(String::new(), &old, new, |path| path == "model.file");
        let (field, old_value, new_value) = difference(&new).unwrap();
        assert_eq!(field, "settings.epsilon[0].exact");
        assert_eq!((old_value.as_str(), new_value.as_str()), ("\"1/10\"", "\"1/5\""));
        assert_eq!(difference(&old), None);
        let gone = json!({"model": {"file": "a"}, "settings": old["settings"]});
        assert_eq!(difference(&gone).unwrap().0, "model.sha256");
    }
}
