//! TOML in which every value knows its line and key, so that an error names the place.

use crate::num::{Rational, parse_rational};
use num_traits::{Signed, Zero};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong with a plan, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}:{line}: {}{problem}", file.display(), if key.is_empty() { String::new() } else { format!("'{key}': ") })]
pub(crate) struct PlanError {
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    /// The key, such as `model[2].file`; empty where the file is no TOML.
    pub(crate) key: String,
    pub(crate) problem: String,
    /// Whether it is that a file is not there.
    pub(crate) missing: bool,
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    /// The key, such as `model[2].file`.
    pub(crate) key: String,
}

impl Place {
    /// An error here.
    pub(crate) fn error(&self, file: &Path, problem: impl Into<String>) -> PlanError {
        let Self { line, key } = self.clone();
        PlanError { file: file.to_owned(), line, key, problem: problem.into(), missing: false }
    }
}

/// A file's name and text.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(crate) file: &'a Path,
    pub(crate) text: &'a str,
}

impl<'a> Source<'a> {
    /// The file as a table.
    pub(super) fn parse(self) -> Result<Spanned<DeTable<'a>>, PlanError> {
        DeTable::parse(self.text).map_err(|error| {
            let line = error.span().map_or(1, |span| self.line(span.start));
            let problem = error.message().lines().collect::<Vec<_>>().join("; ");
            Place { line, key: String::new() }.error(self.file, problem)
        })
    }

    fn line(self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }

    /// The line of an array's element or a table: its first character that is no blank.
    fn place(self, span: &Range<usize>, key: String) -> Place {
        Place { line: self.line(span.start), key }
    }
}

/// A table of the file.
pub(super) struct Section<'a> {
    source: Source<'a>,
    table: &'a DeTable<'a>,
    place: Place,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(source: Source<'a>, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self { source, table: table.get_ref(), place: Place { line: 1, key: String::new() } }
    }

    /// Refuses keys that mean nothing here.
    pub(super) fn allow(&self, known: &[&str]) -> Result<(), PlanError> {
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let place = self.source.place(&key.span(), self.path(name));
                let problem = format!("unknown key; here are {}", known.join(", "));
                return Err(place.error(self.source.file, problem));
            }
        }
        Ok(())
    }

    fn path(&self, key: &str) -> String {
        if self.place.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.key) }
    }

    fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        self.table.get(key)
    }

    /// Where a key's value stands; the section's place where it is absent.
    pub(super) fn at(&self, key: &str) -> Place {
        match self.get(key) {
            Some(value) => self.source.place(&value.span(), self.path(key)),
            None => Place { line: self.place.line, key: self.path(key) },
        }
    }

    /// An error at a key.
    pub(super) fn error(&self, key: &str, problem: impl Into<String>) -> PlanError {
        self.at(key).error(self.source.file, problem)
    }

    fn wrong(&self, key: &str, expected: &str, found: &DeValue) -> PlanError {
        self.error(key, format!("{expected} is expected, not {}", kind(found)))
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, PlanError> {
        match self.get(key).map(Spanned::get_ref) {
            None => Ok(None),
            Some(DeValue::String(text)) => Ok(Some(text.to_string())),
            Some(other) => Err(self.wrong(key, "a text", other)),
        }
    }

    /// A text that must be there.
    pub(crate) fn needed(&self, key: &str) -> Result<String, PlanError> {
        self.must(key, self.text(key)?.filter(|text| !text.is_empty()))
    }

    /// What a key gave, which must be there.
    pub(crate) fn must<T>(&self, key: &str, value: Option<T>) -> Result<T, PlanError> {
        value.ok_or_else(|| self.error(key, "is missing"))
    }

    /// A text, a date or a time.
    pub(super) fn date(&self, key: &str) -> Result<Option<String>, PlanError> {
        match self.get(key).map(Spanned::get_ref) {
            Some(DeValue::Datetime(date)) => Ok(Some(date.to_string())),
            _ => self.text(key),
        }
    }

    /// A list of texts, or one.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, PlanError> {
        let one = |value: &DeValue| match value {
            DeValue::String(text) => Some(text.to_string()),
            _ => None,
        };
        self.list(key, "a list of texts", one)
    }

    /// A list of exact numbers, or one: 0.1 or "8/255", not negative.
    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<Rational>>, PlanError> {
        self.list(key, "a list of numbers such as 0.1 or \"8/255\", not negative,", |value| {
            number(value).filter(|number| !number.is_negative())
        })
    }

    fn list<T>(
        &self,
        key: &str,
        expected: &str,
        one: impl Fn(&DeValue) -> Option<T>,
    ) -> Result<Option<Vec<T>>, PlanError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let DeValue::Array(values) = value.get_ref() else {
            let single = one(value.get_ref());
            let single = single.ok_or_else(|| self.wrong(key, expected, value.get_ref()))?;
            return Ok(Some(vec![single]));
        };
        let each = values.iter().enumerate().map(|(at, value)| {
            one(value.get_ref()).ok_or_else(|| {
                let key = format!("{}[{at}]", self.path(key));
                let place = self.source.place(&value.span(), key);
                let found = kind(value.get_ref());
                place.error(self.source.file, format!("{expected} is expected, not {found}"))
            })
        });
        each.collect::<Result<Vec<T>, _>>().map(Some)
    }

    /// A whole number that is not negative.
    pub(super) fn whole(&self, key: &str) -> Result<Option<usize>, PlanError> {
        let Some(value) = self.get(key).map(Spanned::get_ref) else { return Ok(None) };
        let found = whole(value);
        found.map(Some).ok_or_else(|| self.wrong(key, "a whole number", value))
    }

    /// A whole number that is positive.
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>, PlanError> {
        match self.whole(key)? {
            Some(0) => Err(self.error(key, "must not be 0")),
            count => Ok(count),
        }
    }

    /// A positive exact number.
    pub(super) fn positive(&self, key: &str) -> Result<Option<Rational>, PlanError> {
        let Some(value) = self.get(key).map(Spanned::get_ref) else { return Ok(None) };
        let found = number(value).filter(|number| *number > Rational::zero());
        found.map(Some).ok_or_else(|| self.wrong(key, "a positive number", value))
    }

    /// A name out of a fixed set.
    pub(super) fn named<T: FromStr<Err: ToString>>(
        &self,
        key: &str,
    ) -> Result<Option<T>, PlanError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error: T::Err| self.error(key, error.to_string()))
    }

    /// A table in it.
    pub(super) fn section(&self, key: &str) -> Result<Option<Self>, PlanError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.wrong(key, "a table", value.get_ref()));
        };
        Ok(Some(Self { source: self.source, table, place: self.at(key) }))
    }

    /// An array of tables in it; empty where it is absent.
    pub(super) fn sections(&self, key: &str) -> Result<Vec<Self>, PlanError> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let DeValue::Array(values) = value.get_ref() else {
            return Err(self.error(key, format!("tables are expected: write [[{key}]]")));
        };
        let each = values.iter().enumerate().map(|(at, value)| {
            let place = self.source.place(&value.span(), format!("{}[{at}]", self.path(key)));
            match value.get_ref() {
                DeValue::Table(table) => Ok(Self { source: self.source, table, place }),
                _ => Err(place.error(self.source.file, format!("a table [[{key}]] is expected"))),
            }
        });
        each.collect()
    }

    /// Its keys with their values as one would type them on a command line, lists joined by commas.
    pub(super) fn typed(&self) -> Result<Vec<(String, String)>, PlanError> {
        let typed = |value: &DeValue| match value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(n) if n.radix() == 10 => Some(n.as_str().to_owned()),
            DeValue::Float(x) => Some(x.as_str().to_owned()),
            _ => None,
        };
        let mut all = Vec::new();
        for (key, _) in self.table {
            let key = key.get_ref().as_ref();
            let list = self.list(key, "a text, a number or a list of them", typed)?;
            all.push((key.to_owned(), list.unwrap_or_default().join(",")));
        }
        Ok(all)
    }
}

fn number(value: &DeValue) -> Option<Rational> {
    match value {
        DeValue::String(text) => parse_rational(text).ok(),
        DeValue::Integer(n) if n.radix() == 10 => parse_rational(n.as_str()).ok(),
        DeValue::Float(x) => parse_rational(x.as_str()).ok(),
        _ => None,
    }
}

fn whole(value: &DeValue) -> Option<usize> {
    match value {
        DeValue::Integer(n) if n.radix() == 10 => n.as_str().parse().ok(),
        _ => None,
    }
}

/// A value as an error message names it.
fn kind(value: &DeValue) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(n) => format!("the number {}", n.as_str()),
        DeValue::Float(x) => format!("the number {}", x.as_str()),
        DeValue::Boolean(flag) => format!("{flag}"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
