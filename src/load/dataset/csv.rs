//! CSV files: a header, one input a line, one column of labels, the other columns the features.

use super::array::{Array, Values, too_much};
use super::files::{LABELS, Labelled};
use super::{DataSettings, DatasetError, Meant};
use crate::load::budget::Budget;
use crate::num::Decimal;
use std::path::Path;

/// The label column where no setting names another; after it, those of [`LABELS`] and these, whatever the case of their letters.
const DEFAULT_LABEL_COLUMN: &str = "label";
const MORE_LABELS: [&str; 2] = ["class", "species"];

/// So many columns are listed in a message.
const LISTED: usize = 8;

/// From so many rows on a column of row numbers is none by chance.
const ROWS: usize = 5;

/// Reads inputs and labels. Labels are names of `labels`, by which they are numbered, or whole numbers.
pub(super) fn parse(
    file: &Path,
    bytes: &[u8],
    settings: &DataSettings,
    budget: &Budget,
) -> Result<Labelled, DatasetError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let columns: Vec<String> =
        reader.headers().map_err(|e| refuse(file, &e))?.iter().map(str::to_owned).collect();
    let label_at = label_column(file, &columns, settings)?;
    let dropped = settings.drop_columns.as_deref().unwrap_or_default();
    let dropped = dropped.iter().map(|name| position(file, &columns, name, "drop_columns"));
    let dropped = dropped.collect::<Result<Vec<_>, _>>()?;
    let names = settings.labels.as_deref();
    // Of each column, whether it has counted the rows so far, from 0 or from 1.
    let mut counting = vec![[true; 2]; columns.len()];
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|e| refuse(file, &e))?;
        let row = labels.len();
        for (at, cell) in record.iter().enumerate().filter(|(at, _)| !dropped.contains(at)) {
            if at == label_at {
                labels.push(label(cell, names).ok_or_else(|| DatasetError::Label {
                    file: file.to_owned(),
                    row,
                    text: cell.to_owned(),
                })?);
                continue;
            }
            let value = Decimal::parse(cell).map_err(|_| {
                let (file, column) = (file.to_owned(), columns[at].clone());
                // "nan" and "inf" are numbers to many programs that write such files.
                if cell.parse::<f64>().is_ok_and(|x| !x.is_finite()) {
                    return DatasetError::NotFinite { file, row, column };
                }
                let line = record.position().map_or(0, csv::Position::line);
                DatasetError::Cell { file, line, column, text: cell.to_owned() }
            })?;
            for (first, counts) in counting[at].iter_mut().enumerate() {
                *counts &= value.enclosure() == [(row + first) as f64; 2];
            }
            budget.spend(size_of::<Decimal>() + value.heap_size()).map_err(too_much(file))?;
            values.push(value);
        }
    }
    let features = (0..columns.len()).filter(|at| *at != label_at && !dropped.contains(at));
    let features: Vec<usize> = features.collect();
    let counts = features.iter().find(|at| counting[**at].contains(&true));
    let meant = settings.accept.as_ref().is_some_and(|all| all.contains(&Meant::CountingColumn));
    if let Some(&at) = counts.filter(|_| labels.len() >= ROWS && !meant) {
        let column = if columns[at].is_empty() { at.to_string() } else { columns[at].clone() };
        return Err(DatasetError::Counting { file: file.to_owned(), column });
    }
    let inputs =
        Array { shape: vec![labels.len(), features.len()], values: Values::Decimal(values) };
    let columns = features.into_iter().map(|at| columns[at].clone()).collect();
    Ok(Labelled { inputs, labels, columns: Some(columns) })
}

/// A class by its name or its number, which some programs write as 1.0.
fn label(cell: &str, names: Option<&[String]>) -> Option<usize> {
    let named = names.and_then(|names| names.iter().position(|name| name == cell));
    let whole =
        |text: &str| text.split_once('.').is_some_and(|(_, rest)| rest.chars().all(|c| c == '0'));
    let number = cell.split('.').next().filter(|_| !cell.contains('.') || whole(cell));
    named.or_else(|| number?.parse().ok())
}

/// The column that the settings name, or the one that is called as labels are.
fn label_column(
    file: &Path,
    columns: &[String],
    settings: &DataSettings,
) -> Result<usize, DatasetError> {
    if let Some(wanted) = &settings.label_column {
        return position(file, columns, wanted, "label_column");
    }
    if columns.len() > 1 && columns.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(DatasetError::NoHeader(file.to_owned()));
    }
    let named = |name: &&str| columns.iter().position(|column| column.eq_ignore_ascii_case(name));
    let mut known = [DEFAULT_LABEL_COLUMN].iter().chain(&LABELS).chain(&MORE_LABELS);
    let found = known.find_map(named);
    found.map_or_else(|| position(file, columns, DEFAULT_LABEL_COLUMN, "label_column"), Ok)
}

/// Where a column is: by its name or, where none has that name, by its position from 0.
fn position(
    file: &Path,
    columns: &[String],
    wanted: &str,
    setting: &'static str,
) -> Result<usize, DatasetError> {
    let named = columns.iter().position(|column| column == wanted);
    let counted = || wanted.parse().ok().filter(|at| *at < columns.len());
    named.or_else(counted).ok_or_else(|| {
        let mut listed = columns.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
        if columns.len() > LISTED {
            listed += &format!(", … ({} in all)", columns.len());
        }
        let (file, wanted) = (file.to_owned(), wanted.to_owned());
        DatasetError::MissingColumn { file, wanted, columns: listed, setting }
    })
}

fn refuse(file: &Path, error: &csv::Error) -> DatasetError {
    let file = file.to_owned();
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => DatasetError::Ragged {
            file,
            line: pos.as_ref().map_or(0, csv::Position::line),
            found: *len,
            expected: *expected_len,
        },
        _ => DatasetError::Csv { file, problem: error.to_string() },
    }
}
