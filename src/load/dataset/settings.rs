//! What the numbers of a dataset mean: scale, normalisation, domain, labels.

use super::settings_file;
use super::sidecar::Value;
use super::{DatasetError, Layout};
use crate::load::SourceFile;
use crate::num::{Rational, parse_rational};
use num_traits::{Signed, Zero};
use std::path::PathBuf;

/// The names of the settings, as written in a sidecar and on the command line.
pub const FIELDS: [&str; 13] = [
    "scale",
    "mean",
    "std",
    "domain",
    "eps_per_feature",
    "label_column",
    "drop_columns",
    "labels",
    "labels_file",
    "inputs_array",
    "labels_array",
    "layout",
    "accept",
];

/// What would be refused if nobody said that it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meant {
    /// Balls that reach over more than half of the domain.
    LargeEps,
    /// Inputs that are not valid.
    OutsideDomain,
    /// A column of a table that has the numbers of the rows.
    CountingColumn,
}

impl Meant {
    /// With their names.
    const ALL: [(&str, Self); 3] = [
        ("large-eps", Self::LargeEps),
        ("outside-domain", Self::OutsideDomain),
        ("counting-column", Self::CountingColumn),
    ];
}

/// How to read a data file. Everything is optional.
///
/// The user's units are stored value × `scale`; ε and `domain` are in these. The network sees
/// (value − `mean`) / `std`. Lists have one value for all features, one per channel (the first dimension of an
/// input), or one per feature.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataSettings {
    /// Factor from stored values to the user's units; positive.
    pub scale: Option<Rational>,
    /// Subtracted before the network, in the user's units.
    pub mean: Option<Vec<Rational>>,
    /// Divided by before the network, in the user's units; positive.
    pub std: Option<Vec<Rational>>,
    /// The range of valid values in the user's units; an empty list says that there is none.
    pub domain: Option<Vec<(Rational, Rational)>>,
    /// Factors of ε; not negative.
    pub eps_per_feature: Option<Vec<Rational>>,
    /// The column of a CSV file that holds the labels.
    pub label_column: Option<String>,
    /// The columns of a CSV file that are left out.
    pub drop_columns: Option<Vec<String>>,
    /// The names of the classes, in the order of their numbers.
    pub labels: Option<Vec<String>>,
    /// The file that holds the labels; in a sidecar relative to its folder.
    pub labels_file: Option<PathBuf>,
    /// The array of an npz archive that holds the inputs.
    pub inputs_array: Option<String>,
    /// The array of an npz archive that holds the labels.
    pub labels_array: Option<String>,
    /// How the shape of an input must agree with that of the network's.
    pub layout: Option<Layout>,
    /// What is meant though it looks like a mistake.
    pub accept: Option<Vec<Meant>>,
}

impl DataSettings {
    /// Reads a sidecar.
    ///
    /// # Errors
    /// Where it is no TOML or JSON, or a field is unknown or has no possible value.
    pub fn from_sidecar(file: &SourceFile) -> Result<Self, DatasetError> {
        let mut settings = Self::default();
        let origin = file.path.display().to_string();
        for (field, value) in settings_file::read(file)? {
            settings.put(&origin, &field, &value)?;
        }
        if let Some(labels_file) = &mut settings.labels_file {
            *labels_file = file.path.with_file_name(&*labels_file);
        }
        Ok(settings)
    }

    /// Sets one field from a text, as on a command line: `scale` to `1/255`, `mean` to `0.49,0.48,0.45`, `domain` to
    /// `0,1` or to `0,1;-2,2` with a pair a channel or feature, `labels` to `cat,dog`.
    ///
    /// # Errors
    /// Where the field is unknown or the text is no value for it.
    pub fn set(&mut self, field: &str, text: &str) -> Result<(), DatasetError> {
        let list = |text: &str| {
            Value::List(text.split(',').map(|t| Value::Text(t.trim().into())).collect())
        };
        let value = match field {
            "domain" if text == "none" => Value::Text(text.to_owned()),
            // One pair for each channel or feature.
            "domain" if text.contains(';') => Value::List(text.split(';').map(list).collect()),
            "mean" | "std" | "domain" | "eps_per_feature" | "labels" | "drop_columns"
            | "accept" => list(text),
            _ => Value::Text(text.to_owned()),
        };
        self.put("the command line", field, &value)
    }

    /// These settings where given, and those of `base` elsewhere.
    #[must_use]
    pub fn over(self, base: Self) -> Self {
        Self {
            scale: self.scale.or(base.scale),
            mean: self.mean.or(base.mean),
            std: self.std.or(base.std),
            domain: self.domain.or(base.domain),
            eps_per_feature: self.eps_per_feature.or(base.eps_per_feature),
            label_column: self.label_column.or(base.label_column),
            drop_columns: self.drop_columns.or(base.drop_columns),
            labels: self.labels.or(base.labels),
            labels_file: self.labels_file.or(base.labels_file),
            inputs_array: self.inputs_array.or(base.inputs_array),
            labels_array: self.labels_array.or(base.labels_array),
            layout: self.layout.or(base.layout),
            accept: self.accept.or(base.accept),
        }
    }

    fn put(&mut self, origin: &str, field: &str, value: &Value) -> Result<(), DatasetError> {
        let Some(&field) = FIELDS.iter().find(|known| **known == field) else {
            let (origin, field, known) = (origin.to_owned(), field.to_owned(), FIELDS.join(", "));
            return Err(DatasetError::UnknownField { origin, field, known });
        };
        let wrong = |expected| DatasetError::Setting {
            origin: origin.to_owned(),
            field,
            found: value.describe(),
            expected,
        };
        let zero = Rational::zero();
        match field {
            "scale" => {
                let scale = number(value).filter(|s| s.is_positive());
                self.scale = Some(scale.ok_or_else(|| wrong("a positive number"))?);
            }
            "mean" => {
                self.mean =
                    Some(numbers(value).ok_or_else(|| wrong("a number or a list of them"))?);
            }
            "std" => {
                let std = numbers(value).filter(|s| s.iter().all(|s| *s > zero));
                self.std = Some(std.ok_or_else(|| wrong("positive numbers"))?);
            }
            "domain" => {
                let domain = domain(value).filter(|d| d.iter().all(|(low, high)| low <= high));
                let expected = "a pair of the lowest and the highest valid value, a list of such pairs, or none";
                self.domain = Some(domain.ok_or_else(|| wrong(expected))?);
            }
            "eps_per_feature" => {
                let factors = numbers(value).filter(|f| f.iter().all(|f| *f >= zero));
                self.eps_per_feature =
                    Some(factors.ok_or_else(|| wrong("numbers that are not negative"))?);
            }
            "labels" => {
                self.labels = Some(names(value).ok_or_else(|| wrong("a list of names"))?);
            }
            "drop_columns" => {
                self.drop_columns = Some(names(value).ok_or_else(|| wrong("a list of names"))?);
            }
            "accept" => {
                let known = |name: String| Meant::ALL.iter().find(|(known, _)| *known == name);
                let meant = names(value).and_then(|names| {
                    names.into_iter().map(|name| Some(known(name)?.1)).collect::<Option<Vec<_>>>()
                });
                let expected = "a list out of large-eps, outside-domain and counting-column";
                self.accept = Some(meant.ok_or_else(|| wrong(expected))?);
            }
            "layout" => {
                self.layout = Some(match text(value).as_deref() {
                    Some("same") => Layout::Same,
                    Some("flat") => Layout::Flat,
                    _ => return Err(wrong("same or flat")),
                });
            }
            "label_column" => self.label_column = Some(text(value).ok_or_else(|| wrong("a name"))?),
            "inputs_array" => self.inputs_array = Some(text(value).ok_or_else(|| wrong("a name"))?),
            "labels_array" => self.labels_array = Some(text(value).ok_or_else(|| wrong("a name"))?),
            _ => {
                self.labels_file = Some(text(value).ok_or_else(|| wrong("a file name"))?.into());
            }
        }
        Ok(())
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::List(_) | Value::Other(_) => None,
    }
}

fn number(value: &Value) -> Option<Rational> {
    parse_rational(&text(value)?).ok()
}

/// A number, or a list of at least one.
fn numbers(value: &Value) -> Option<Vec<Rational>> {
    match value {
        Value::List(values) if !values.is_empty() => values.iter().map(number).collect(),
        single => Some(vec![number(single)?]),
    }
}

/// A list of at least one.
fn names(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::List(names) if !names.is_empty() => names.iter().map(text).collect(),
        _ => None,
    }
}

/// A pair, a list of pairs, or none.
fn domain(value: &Value) -> Option<Vec<(Rational, Rational)>> {
    if text(value).as_deref() == Some("none") {
        return Some(Vec::new());
    }
    let pair = |value: &Value| match value {
        Value::List(ends) => match ends.as_slice() {
            [low, high] => Some((number(low)?, number(high)?)),
            _ => None,
        },
        _ => None,
    };
    match (pair(value), value) {
        (Some(pair), _) => Some(vec![pair]),
        (None, Value::List(pairs)) if !pairs.is_empty() => pairs.iter().map(pair).collect(),
        _ => None,
    }
}
