//! The properties of a campaign once more, from the data and the ε of its report.

use super::arguments::ReadingArguments;
use super::exit::{DATA, Failure, USAGE};
use crate::audit::{Row, VerdictName};
use crate::load::Dataset;
use crate::num::{Rational, parse_rational};
use crate::report::Claims;
use crate::verify::AssuranceLevel;
use std::fmt::Write as _;
use std::path::Path;

/// The data of a campaign, and its ε.
pub(super) struct Remake {
    data: Dataset,
    eps: Rational,
    /// How both are called.
    name: String,
}

impl Remake {
    /// Reads the data as the campaign did, or as `reading` says, and makes sure that they are those that it names.
    pub(super) fn new(
        file: &Path,
        reading: &ReadingArguments,
        dir: &Path,
        campaign: Option<&Claims>,
    ) -> Result<Self, Failure> {
        let Some(Claims { file: report, header, .. }) = campaign else {
            let dir = dir.display();
            let message = format!(
                "{dir}: --data makes the properties of a campaign again, and there is no report.json or journal.jsonl of one beside the proofs"
            );
            return Err(Failure::new(USAGE, message));
        };
        let wrong = |what: String| Failure::new(DATA, format!("{}: {what}", report.display()));
        let mut settings = crate::load::DataSettings::default();
        for (field, text) in &header.data.overrides {
            settings.set(field, text).map_err(|error| wrong(error.to_string()))?;
        }
        for (field, text) in reading.given() {
            settings.set(field, text).map_err(|error| Failure::new(USAGE, error.to_string()))?;
        }
        let data = Dataset::load(file, &settings)?;
        let (known, now) = (&header.data.files, data.sha256());
        let changed = |(at, (_, sha256)): (usize, &(String, String))| {
            known.get(at).is_none_or(|known| known.sha256 != *sha256)
        };
        if let Some((_, (name, sha256))) = now.iter().enumerate().find(|file| changed(*file)) {
            let message = format!(
                "{}: not the data of {}: {name} has the SHA-256 {sha256}, which is not there",
                file.display(),
                report.display()
            );
            return Err(Failure::new(DATA, message));
        }
        if now.len() != known.len() {
            return Err(wrong(format!("the data were {} files, now {}", known.len(), now.len())));
        }
        let epsilon = header.settings.epsilon.as_ref();
        let epsilon = epsilon.ok_or_else(|| wrong("missing field `epsilon`".to_owned()))?;
        let exact = &epsilon.exact;
        let eps = parse_rational(exact).map_err(|error| wrong(error.to_string()))?;
        if *epsilon != (&eps).into() {
            return Err(wrong(format!(
                "settings.epsilon is {exact} exactly, and has another value"
            )));
        }
        let name = format!("{} and ε = {epsilon}", file.display());
        Ok(Self { data, eps, name })
    }

    /// The property of an input, which must be what `kept` says, comments aside; so must the report's row be about the data's class.
    pub(super) fn property(
        &self,
        index: usize,
        outputs: usize,
        kept: &[u8],
        row: Option<&Row>,
    ) -> Result<Vec<u8>, String> {
        if index >= self.data.len() {
            return Err(format!("the data have no input {index}, only {}", self.data.len()));
        }
        let label = self.data.label(index);
        if row.is_some_and(|row| row.label != label || row.predicted != Some(label)) {
            return Err(format!(
                "the report's row of input {index} has another class than {label}, that of the data"
            ));
        }
        let text =
            self.data.vnnlib(index, &self.eps, outputs).map_err(|error| error.to_string())?;
        if said(text.as_bytes()).eq(said(kept)) {
            Ok(text.into_bytes())
        } else {
            Err(format!("the property is not that of input {index} by {}", self.name))
        }
    }

    /// What it is made of.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// The lines that are no comments.
fn said(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').filter(|line| !line.starts_with(b";"))
}

/// What a campaign claims and checking its proofs does not touch, in one line; `None` where there is nothing of that kind.
pub(super) fn untouched(campaign: &Claims) -> Option<String> {
    let rows = &campaign.rows;
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let certified = rows.iter().filter(|row| row.verdict == VerdictName::Certified);
    let unproved =
        certified.filter(|row| !row.assurance.is_some_and(AssuranceLevel::has_proof)).count();
    let mut text = String::new();
    for (number, what) in [
        (unproved, "certified without a proof"),
        (count(VerdictName::Falsified), "falsified"),
        (count(VerdictName::Unknown), "unknown"),
        (count(VerdictName::Misclassified), "misclassified"),
    ] {
        if number > 0 {
            let _ = write!(text, "{}{number} {what}", if text.is_empty() { "" } else { ", " });
        }
    }
    (!text.is_empty()).then_some(text)
}
