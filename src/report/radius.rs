//! The report of `certus radius`: brackets of radii, input by input, and what they come to.

use super::json::{AttackRecord, Decimal, Header, ShareRecord, Timing, with_rows};
use super::row::{Level, Record, RowError, counterexample_file};
use crate::audit::radius::{Bracket, CENSORING, Quantile, RadiusRow, RadiusSummary, Spread};
use crate::audit::score::ROBUSTNESS_SCORE;
use crate::audit::{Breach, Grid};
use crate::num::{Rational, parse_rational, to_f64_nearest};
use crate::verify::Settings;
use serde::{Deserialize, Serialize};

/// The fields of a report that may differ between two runs of the same campaign.
const VARIES: [&str; 2] = ["timing", "rows[].seconds"];

/// Every choice that the results depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RadiusSettings {
    /// The norm of the perturbation.
    pub norm: String,
    /// The largest radius that is asked about.
    pub max_epsilon: Decimal,
    /// Certified radii are whole multiples of it.
    pub step: Decimal,
    /// How many inputs were asked for, from the first; null for all.
    pub limit: Option<usize>,
    /// The certification method.
    pub method: String,
    /// How many neurons are tightened by LP.
    pub lp_tighten: usize,
    /// The attack.
    pub attack: AttackRecord,
    /// Time limit an input, in seconds, for all its radii.
    pub timeout: Option<f64>,
    /// Seed of everything random.
    pub seed: u64,
}

impl RadiusSettings {
    /// The settings of a search for radii.
    #[must_use]
    pub fn new(settings: &Settings, grid: &Grid, limit: Option<usize>) -> Self {
        Self {
            norm: "linf".to_owned(),
            max_epsilon: (&grid.max()).into(),
            step: grid.step().into(),
            limit,
            method: settings.method.to_string(),
            lp_tighten: settings.lp_tighten,
            attack: (&settings.attack).into(),
            timeout: settings.timeout.map(|limit| limit.as_secs_f64()),
            seed: settings.seed,
        }
    }
}

/// One input's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RadiusRecord {
    /// Position in the dataset.
    pub index: usize,
    /// The dataset's class.
    pub label: usize,
    /// The network's class; null where the largest output is not unique or is NaN.
    pub predicted: Option<usize>,
    /// Whether the input as it is gets its label; if not, its radius counts as 0 and nothing else is known.
    pub correct: bool,
    /// The largest radius proved, of those asked about; null where none is.
    pub certified: Option<Decimal>,
    /// What must be trusted to believe it.
    pub assurance: Option<Level>,
    /// The distance of the nearest counterexample found; null where none was.
    pub attacked: Option<Decimal>,
    /// Why the next radius was left undecided; null where it is refuted or beyond the largest.
    pub reason: Option<String>,
    /// Questions asked.
    pub questions: usize,
    /// The nearest counterexample's file, relative to the report.
    pub counterexample: Option<String>,
    /// Wall-clock time. Varies between runs.
    pub seconds: f64,
}

impl From<&RadiusRow> for RadiusRecord {
    fn from(row: &RadiusRow) -> Self {
        let bracket = row.bracket.as_ref();
        let attacked = bracket.and_then(|bracket| bracket.attacked.as_ref());
        Self {
            index: row.index,
            label: row.label,
            predicted: row.predicted,
            correct: row.correct(),
            certified: bracket.and_then(|bracket| bracket.certified.as_ref()).map(Decimal::from),
            assurance: bracket.and_then(|bracket| bracket.assurance).map(Level::from),
            attacked: attacked.map(Decimal::from),
            reason: bracket.and_then(|bracket| bracket.reason.clone()),
            questions: bracket.map_or(0, |bracket| bracket.questions),
            counterexample: attacked.map(|_| counterexample_file(row.index)),
            seconds: row.seconds,
        }
    }
}

impl Record for RadiusRecord {
    type Row = RadiusRow;

    fn index(&self) -> usize {
        self.index
    }

    fn into_row(self) -> Result<RadiusRow, RowError> {
        let exact = |number: Option<Decimal>, field| -> Result<Option<Rational>, RowError> {
            let parse = |number: Decimal| {
                parse_rational(&number.exact).map_err(|_| RowError::new(self.index, field))
            };
            number.map(parse).transpose()
        };
        let bracket = Bracket {
            certified: exact(self.certified, "certified")?,
            assurance: self.assurance.map(Into::into),
            attacked: exact(self.attacked, "attacked")?,
            reason: self.reason,
            questions: self.questions,
        };
        if bracket.certified.is_some() != bracket.assurance.is_some() {
            return Err(RowError::new(self.index, "assurance"));
        }
        Ok(RadiusRow {
            index: self.index,
            label: self.label,
            predicted: self.predicted,
            bracket: self.correct.then_some(bracket),
            seconds: self.seconds,
        })
    }
}

/// A quantile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuantileRecord {
    /// Its order, between 0 and 1.
    pub order: f64,
    /// Its value.
    pub radius: Decimal,
    /// Whether it is cut off at the largest radius asked about.
    pub censored: bool,
}

impl From<&Quantile> for QuantileRecord {
    fn from(quantile: &Quantile) -> Self {
        let Quantile { order, value, censored } = quantile;
        Self { order: *order, radius: value.into(), censored: *censored }
    }
}

/// One kind of radius over all inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpreadRecord {
    /// Mean over all inputs; null where there are none.
    pub mean: Option<f64>,
    /// Mean over the inputs classified correctly.
    pub mean_of_correct: Option<f64>,
    /// Quantiles over all inputs.
    pub quantiles: Vec<QuantileRecord>,
    /// Inputs whose radius is cut off.
    pub censored: usize,
}

impl From<&Spread> for SpreadRecord {
    fn from(spread: &Spread) -> Self {
        Self {
            mean: spread.mean,
            mean_of_correct: spread.mean_of_correct,
            quantiles: spread.quantiles.iter().map(Into::into).collect(),
            censored: spread.censored,
        }
    }
}

/// The figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RadiusFigures {
    /// Correct / all.
    pub clean_accuracy: ShareRecord,
    /// Certified radii.
    pub certified: SpreadRecord,
    /// Distances of counterexamples.
    pub attacked: SpreadRecord,
    /// The mean certified radius over the largest radius; null where there are no inputs.
    pub robustness_score: Option<f64>,
}

/// What the figures mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RadiusDefinitions {
    /// The rule for radii that are cut off.
    pub censoring: String,
    /// The robustness score.
    pub robustness_score: String,
}

/// A whole report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RadiusReport {
    /// What was run.
    #[serde(flatten)]
    pub header: Header<RadiusSettings>,
    /// The weakest level among the certificates; null where there is none.
    pub assurance_level: Option<Level>,
    /// What the figures mean.
    pub definitions: RadiusDefinitions,
    /// The figures.
    pub summary: RadiusFigures,
    /// The fields that may differ between two runs with equal headers.
    pub varies_between_runs: Vec<String>,
    /// How long it took.
    pub timing: Timing,
    /// One row an input, by index.
    pub rows: Vec<RadiusRecord>,
}

impl RadiusReport {
    /// The report of finished rows, in any order.
    ///
    /// # Errors
    /// Where rows contradict each other, or a certified radius is not below its attacked one.
    pub fn new(
        header: Header<RadiusSettings>,
        rows: &[RadiusRow],
        max: &Rational,
        jobs: usize,
        wall_seconds: f64,
        resumed_rows: usize,
    ) -> Result<Self, Breach> {
        let summary = RadiusSummary::of(rows, max)?;
        let mut rows: Vec<RadiusRecord> = rows.iter().map(RadiusRecord::from).collect();
        rows.sort_by_key(|row| row.index);
        let input_seconds = rows.iter().map(|row| row.seconds).sum();
        Ok(Self {
            header,
            assurance_level: rows.iter().filter_map(|row| row.assurance).min(),
            definitions: RadiusDefinitions {
                censoring: CENSORING.to_owned(),
                robustness_score: ROBUSTNESS_SCORE.to_owned(),
            },
            summary: RadiusFigures {
                clean_accuracy: summary.clean.into(),
                certified: (&summary.certified).into(),
                attacked: (&summary.attacked).into(),
                robustness_score: summary.certified.mean.map(|mean| mean / to_f64_nearest(max)),
            },
            varies_between_runs: VARIES.map(str::to_owned).to_vec(),
            timing: Timing { jobs, wall_seconds, input_seconds, resumed_rows },
            rows,
        })
    }

    /// The report as JSON text: indented, but a row on one line.
    ///
    /// # Errors
    /// Where the serialiser fails, which it does for no value of this type.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let head = serde_json::to_string_pretty(&Self { rows: Vec::new(), ..self.clone() })?;
        with_rows(&head, &self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::AssuranceLevel;

    #[test]
    fn rows_survive_writing_and_reading() {
        let bracket = Bracket {
            certified: Some(parse_rational("1/255").unwrap()),
            assurance: Some(AssuranceLevel::Sound),
            attacked: Some(parse_rational("123456789/4294967296").unwrap()),
            reason: Some("bound too weak".to_owned()),
            questions: 9,
        };
        let whole = RadiusRow {
            index: 3,
            label: 1,
            predicted: Some(1),
            bracket: Some(bracket),
            seconds: 0.1,
        };
        let wrong = RadiusRow { predicted: None, bracket: None, ..whole.clone() };
        for row in [whole.clone(), wrong] {
            let line = serde_json::to_string(&RadiusRecord::from(&row)).unwrap();
            let back: RadiusRecord = serde_json::from_str(&line).unwrap();
            assert_eq!(back.into_row().unwrap(), row);
        }
        let record = RadiusRecord::from(&whole);
        let unsure = RadiusRecord { assurance: None, ..record.clone() };
        assert!(unsure.into_row().unwrap_err().to_string().contains("assurance"));
        let number = Decimal { exact: "much".to_owned(), value: 0.0 };
        let vague = RadiusRecord { attacked: Some(number), ..record };
        assert!(vague.into_row().unwrap_err().to_string().contains("attacked"));
    }
}
