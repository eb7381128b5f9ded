//! CSV files: a header, one input a line, one column of labels, the other columns the features.

use super::DatasetError;
use super::array::{Array, Values, too_much};
use crate::load::budget::Budget;
use crate::num::Decimal;
use std::path::Path;

/// The label column where no setting names another.
const DEFAULT_LABEL_COLUMN: &str = "label";

/// Reads inputs and labels. Labels are names of `names`, by which they are numbered, or whole numbers.
pub(super) fn parse(
    file: &Path,
    bytes: &[u8],
    label_column: Option<&str>,
    names: Option<&[String]>,
    budget: &Budget,
) -> Result<(Array, Vec<usize>), DatasetError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let columns: Vec<String> =
        reader.headers().map_err(|e| refuse(file, &e))?.iter().map(str::to_owned).collect();
    let wanted = label_column.unwrap_or(DEFAULT_LABEL_COLUMN);
    let Some(label_at) = columns.iter().position(|c| c == wanted) else {
        let (file, wanted, columns) = (file.to_owned(), wanted.to_owned(), columns.join(", "));
        return Err(DatasetError::MissingLabelColumn { file, wanted, columns });
    };
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|e| refuse(file, &e))?;
        let row = labels.len();
        for (at, cell) in record.iter().enumerate() {
            if at == label_at {
                let named = names.and_then(|names| names.iter().position(|name| name == cell));
                let label = named.or_else(|| cell.parse().ok()).ok_or_else(|| {
                    DatasetError::Label { file: file.to_owned(), row, text: cell.to_owned() }
                })?;
                labels.push(label);
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
            budget.spend(size_of::<Decimal>() + value.heap_size()).map_err(too_much(file))?;
            values.push(value);
        }
    }
    let shape = vec![labels.len(), columns.len() - 1];
    Ok((Array { shape, values: Values::Decimal(values) }, labels))
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
