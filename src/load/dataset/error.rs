//! Why a dataset is refused, and where.

use crate::load::FileError;
use std::path::PathBuf;
use thiserror::Error;

/// Why a dataset could not be read. Rows count from 0 as indices of the dataset do; lines of a CSV file from 1.
#[derive(Debug, Error)]
#[allow(missing_docs)] // The fields are what the messages say of them.
#[non_exhaustive]
pub enum DatasetError {
    /// A file could not be read at all.
    #[error(transparent)]
    File(#[from] FileError),
    /// Neither name nor content tells the format.
    #[error("{}: this is {what}; .npz, .npy, .csv and IDX (…-idx3-ubyte) files are read, gzipped or not", file.display())]
    UnknownFormat { file: PathBuf, what: &'static str },
    /// The first bytes are not the format's.
    #[error("{}: these are not the first bytes of {expected}", file.display())]
    Magic { file: PathBuf, expected: &'static str },
    /// A header that cannot be understood.
    #[error("{}: damaged header: {problem}", file.display())]
    Header { file: PathBuf, problem: String },
    /// Less or more data than the header announces.
    #[error("{}: {found} bytes of data where the header announces {expected}", file.display())]
    Size { file: PathBuf, expected: u128, found: u128 },
    /// A type of elements that is not read.
    #[error("{}: elements of type {found}; {accepted} are read", file.display())]
    ElementType { file: PathBuf, found: String, accepted: &'static str },
    /// A format that this build of the library leaves out.
    #[error("{}: this build does not read such files; the feature '{feature}' does", file.display())]
    NotBuilt { file: PathBuf, feature: &'static str },
    /// A damaged zip archive.
    #[error("{}: damaged archive: {problem}", file.display())]
    Archive { file: PathBuf, problem: String },
    /// An archive without the array.
    #[error("{}: no array {wanted}; it has {available}{}", file.display(), option(setting))]
    MissingArray { file: PathBuf, wanted: String, available: String, setting: &'static str },
    /// Labels, or inputs, of a shape that they cannot have.
    #[error("{}: {what} of shape {shape:?}; {expected} is expected", file.display())]
    Shape { file: PathBuf, what: &'static str, shape: Vec<usize>, expected: &'static str },
    /// No inputs.
    #[error("{}: the set is empty", .0.display())]
    Empty(PathBuf),
    /// No labels given.
    #[error("{}: no labels; labels_file (--labels-file FILE) names the file that has them", .0.display())]
    MissingLabels(PathBuf),
    /// Unequal numbers of inputs and labels.
    #[error("{}: {inputs} inputs but {labels} labels{}", file.display(), if *transposed { ": the table of inputs seems to be transposed, a row has to be an input" } else { "" })]
    Count { file: PathBuf, inputs: usize, labels: usize, transposed: bool },
    /// A CSV file that is none.
    #[error("{}: {problem}", file.display())]
    Csv { file: PathBuf, problem: String },
    /// A line with more or fewer cells than the first.
    #[error("{}:{line}: {found} cells where the first line has {expected}", file.display())]
    Ragged { file: PathBuf, line: u64, found: u64, expected: u64 },
    /// No column of that name.
    #[error("{}: no column named '{wanted}'; the columns are {columns}{}", file.display(), option(setting))]
    MissingColumn { file: PathBuf, wanted: String, columns: String, setting: &'static str },
    /// A first line of numbers.
    #[error("{}: the first line holds numbers; a line with the names of the columns has to come first, such as 'a,b,label'", .0.display())]
    NoHeader(PathBuf),
    /// A column that counts the rows.
    #[error("{}: the column {} only counts the rows; drop_columns (--drop-columns {column}) leaves it out, accept (--accept counting-column) says that it is a feature", file.display(), if column == "0" { "without a name".to_owned() } else { format!("'{column}'") })]
    Counting { file: PathBuf, column: String },
    /// A cell that is no number.
    #[error("{}:{line}: column '{column}': '{text}' is not a decimal number", file.display())]
    Cell { file: PathBuf, line: u64, column: String, text: String },
    /// NaN or an infinity.
    #[error("{}: row {row}, column {column}: NaN or infinite", file.display())]
    NotFinite { file: PathBuf, row: usize, column: String },
    /// A label that is neither a whole number nor a name.
    #[error("{}: row {row}: the label '{text}' is neither a class number (0, 1, …) nor one of the names in labels (--labels NAME,…, in the order of the network's outputs)", file.display())]
    Label { file: PathBuf, row: usize, text: String },
    /// A label beyond the classes.
    #[error("{}: row {row}: label {label}, but there are {classes} classes (0 to {}){}", file.display(), classes.saturating_sub(1), if *from_one { ": the labels seem to count from 1, and have to count from 0" } else { "" })]
    LabelRange { file: PathBuf, row: usize, label: usize, classes: usize, from_one: bool },
    /// Inputs of another width than the network's.
    #[error("{}: inputs of {found} values where the network takes {expected}{}", file.display(), width(*found, *expected))]
    Width { file: PathBuf, found: usize, expected: usize },
    /// Inputs of another shape than the network's.
    #[error("{}: inputs of the shape {found:?} agree with the network's, {expected:?}, only when flattened{}; layout flat (--layout flat) says that the numbers are in the network's order", file.display(), order.as_ref().map_or(String::new(), |order| format!(" (axes in the order {order:?} would fit)")))]
    Layout { file: PathBuf, found: Vec<usize>, expected: Vec<usize>, order: Option<Vec<usize>> },
    /// Numbers of which nobody said what they mean.
    #[error("{}: the inputs are {what} from {} to {}, and no scale is given: {}1 (--scale 1) takes them as they are, ε then being in these units", file.display(), short(*low), short(*high), if *high > 15.0 && *high < 256.0 && *low >= 0.0 { "1/255 (--scale 1/255) makes numbers from 0 to 1 of bytes, " } else { "" })]
    Unscaled { file: PathBuf, what: &'static str, low: f64, high: f64 },
    /// A value that is not valid.
    #[error("{}: input {row}: feature {feature} is {}, outside of the domain from {} to {}; the domain is in the units of stored value × scale, before mean and std (--accept outside-domain says that this is meant)", file.display(), short(*value), short(*low), short(*high))]
    Outside { file: PathBuf, row: usize, feature: usize, value: f64, low: f64, high: f64 },
    /// An ε out of all proportion.
    #[error("{}: ε = {eps} is more than {of}, {} to {}: it has to be in the units of stored value × scale{}; accept (--accept large-eps) says that it is meant", file.display(), short(*low), short(*high), if *high <= 1.0 && *low >= -1.0 { ", so of 8 in 255 write 8/255" } else { "" })]
    LargeEps { file: PathBuf, eps: String, of: &'static str, low: f64, high: f64 },
    /// A sidecar that is no TOML or JSON.
    #[error("{}: {problem}", file.display())]
    Sidecar { file: PathBuf, problem: String },
    /// Both a .toml and a .json.
    #[error("{} and {} both exist; keep one", toml.display(), json.display())]
    TwoSidecars { toml: PathBuf, json: PathBuf },
    /// A field that is none.
    #[error("{origin}: unknown field '{field}'; known are {known}")]
    UnknownField { origin: String, field: String, known: String },
    /// A field with a value that it cannot have.
    #[error("{origin}: {field}: found {found} where {expected} is expected")]
    Setting { origin: String, field: &'static str, found: String, expected: &'static str },
    /// A list whose length fits neither one value, nor the channels, nor the features.
    #[error("{}: {field} has {found} values; 1, {channels} (one for each channel) or {features} (one for each feature) are expected", file.display())]
    SettingLength {
        file: PathBuf,
        field: &'static str,
        found: usize,
        channels: usize,
        features: usize,
    },
}

/// A number as short as it can be said.
pub(super) fn short(x: f64) -> String {
    let rounded = format!("{x:.3}");
    let rounded = rounded.trim_end_matches('0').trim_end_matches('.');
    if rounded == "-0" { "0".to_owned() } else { rounded.to_owned() }
}

/// What may be the matter with inputs of so many values where others are expected.
fn width(found: usize, expected: usize) -> String {
    if found == expected + 1 {
        return ": is one of them no feature (--drop-columns NAME leaves a column of a table out)?"
            .to_owned();
    }
    match expected.checked_div(found) {
        Some(times) if times > 1 && expected == times * found => format!(
            ": was it exported for a batch of {times} inputs? Export it for one, or with dynamic_axes={{\"input\": {{0: \"batch\"}}}}"
        ),
        _ => String::new(),
    }
}

/// The end of a sentence that says which setting names what was not found.
fn option(setting: &str) -> String {
    match setting {
        "reference" => String::new(),
        _ => format!("; {setting} (--{} NAME) names another", setting.replace('_', "-")),
    }
}
