//! Radii of a dataset in a few figures: means, quantiles, and the accuracy at any radius.

use super::RadiusRow;
use crate::audit::{Breach, Share};
use crate::num::{Rational, to_f64_nearest};
use num_traits::Zero;
use std::collections::HashSet;

/// The rule for radii that are cut off, as a report may print it.
pub const CENSORING: &str = "A misclassified input has radius 0. A radius beyond the largest one asked about counts as that largest \
one: means are of min(radius, largest), and a quantile there is given as 'at least' (certified) or as 'none found' \
(attacked).";

/// The quantiles that reports show.
pub const QUANTILES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];

/// A quantile of radii.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantile {
    /// Its order, between 0 and 1.
    pub order: f64,
    /// Its value, at most the largest radius asked about.
    pub value: Rational,
    /// Whether the value is cut off: certified up to the largest radius at least, or no counterexample up to there.
    pub censored: bool,
}

/// One kind of radius over all inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// The mean of min(radius, largest) over all inputs, misclassified ones counting 0: for certified radii the *average
    /// certified radius* (Zhai et al., *MACER*, ICLR 2020). `None` where there are no inputs.
    pub mean: Option<f64>,
    /// The same over the inputs that are classified correctly.
    pub mean_of_correct: Option<f64>,
    /// Quantiles over all inputs: the least radius r such that at least the share `order` of the inputs has a radius of at
    /// most r. Empty where there are no inputs.
    pub quantiles: Vec<Quantile>,
    /// Inputs whose radius is cut off.
    pub censored: usize,
}

/// Radii of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct RadiusSummary {
    /// Correct / all.
    pub clean: Share,
    /// Certified radii. The mean over all inputs divided by the largest radius is the robustness score.
    pub certified: Spread,
    /// Distances of counterexamples. The mean of the robust radii, cut off alike, lies between both means.
    pub attacked: Spread,
}

impl RadiusSummary {
    /// Sums up rows whose grid ends at `max`. See [`CENSORING`].
    ///
    /// # Errors
    /// Where an input has two rows, or a certified radius is not below its attacked one.
    pub fn of(rows: &[RadiusRow], max: &Rational) -> Result<Self, Breach> {
        let mut seen = HashSet::new();
        for row in rows {
            if !seen.insert(row.index) {
                return Err(Breach::Twice(row.index));
            }
            check(row)?;
        }
        let count = rows.iter().filter(|row| row.correct()).count();
        let clean = Share { count, total: rows.len() };
        let spread = |radius: fn(&RadiusRow) -> Option<Rational>| {
            Spread::of(rows.iter().map(radius).collect(), clean, max)
        };
        Ok(Self {
            clean,
            certified: spread(|row| Some(row.certified())),
            attacked: spread(RadiusRow::attacked),
        })
    }
}

impl Spread {
    /// Of radii, `None` beyond all; `clean.count` of them are of correct inputs, and the others are 0.
    fn of(radii: Vec<Option<Rational>>, clean: Share, max: &Rational) -> Self {
        let cut =
            |radius: Option<Rational>| radius.filter(|r| r < max).unwrap_or_else(|| max.clone());
        let mut radii: Vec<Rational> = radii.into_iter().map(cut).collect();
        radii.sort();
        let sum = radii.iter().fold(Rational::zero(), |sum, radius| sum + radius);
        let mean = |count: usize| {
            (count > 0).then(|| to_f64_nearest(&(&sum / Rational::from_integer(count.into()))))
        };
        let quantile = |order: f64| {
            let rank = ((order * radii.len() as f64).ceil() as usize).clamp(1, radii.len());
            let value = radii[rank - 1].clone();
            Quantile { order, censored: value == *max, value }
        };
        Self {
            mean: mean(radii.len()),
            mean_of_correct: mean(clean.count),
            censored: radii.iter().filter(|radius| *radius == max).count(),
            quantiles: if radii.is_empty() { Vec::new() } else { QUANTILES.map(quantile).to_vec() },
        }
    }
}

fn check(row: &RadiusRow) -> Result<(), Breach> {
    let Some(bracket) = &row.bracket else { return Ok(()) };
    match (&bracket.certified, &bracket.attacked) {
        (Some(certified), Some(attacked)) if certified >= attacked => Err(Breach::Radius {
            index: row.index,
            certified: Box::new(certified.clone()),
            attacked: Box::new(attacked.clone()),
        }),
        _ => Ok(()),
    }
}

impl RadiusRow {
    /// Whether the input as it is gets its label.
    #[must_use]
    pub fn correct(&self) -> bool {
        self.bracket.is_some()
    }

    /// The certified radius; 0 where there is none.
    #[must_use]
    pub fn certified(&self) -> Rational {
        let certified = self.bracket.as_ref().and_then(|bracket| bracket.certified.clone());
        certified.unwrap_or_else(Rational::zero)
    }

    /// The distance of the nearest counterexample, 0 for a misclassified input; `None` where none was found.
    #[must_use]
    pub fn attacked(&self) -> Option<Rational> {
        match &self.bracket {
            None => Some(Rational::zero()),
            Some(bracket) => bracket.attacked.clone(),
        }
    }
}

/// Inputs that are correct and certified at a radius / all: the certified accuracy there.
#[must_use]
pub fn certified_accuracy(rows: &[RadiusRow], radius: &Rational) -> Share {
    let holds = |row: &&RadiusRow| {
        let certified = row.bracket.as_ref().and_then(|bracket| bracket.certified.as_ref());
        certified.is_some_and(|certified| certified >= radius)
    };
    Share { count: rows.iter().filter(holds).count(), total: rows.len() }
}

/// Inputs that are correct and have no counterexample within a radius / all: the adversarial accuracy there.
#[must_use]
pub fn adversarial_accuracy(rows: &[RadiusRow], radius: &Rational) -> Share {
    let holds = |row: &&RadiusRow| row.correct() && row.attacked().is_none_or(|d| d > *radius);
    Share { count: rows.iter().filter(holds).count(), total: rows.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::radius::Bracket;
    use crate::num::parse_rational;

    fn q(text: &str) -> Rational {
        parse_rational(text).unwrap()
    }

    fn row(index: usize, certified: Option<&str>, attacked: Option<&str>) -> RadiusRow {
        let bracket = Bracket {
            certified: certified.map(q),
            assurance: None,
            attacked: attacked.map(q),
            reason: None,
            questions: 0,
        };
        RadiusRow { index, label: 0, predicted: Some(0), bracket: Some(bracket), seconds: 0.0 }
    }

    fn rows() -> Vec<RadiusRow> {
        let wrong = RadiusRow { predicted: Some(1), bracket: None, ..row(3, None, None) };
        vec![
            row(0, Some("1/4"), Some("0.3")),
            row(1, Some("1"), None),
            row(2, None, Some("0.5")),
            wrong,
        ]
    }

    #[test]
    fn means_and_quantiles_follow_the_rule() {
        let found = RadiusSummary::of(&rows(), &q("1")).unwrap();
        assert_eq!(found.clean, Share { count: 3, total: 4 });
        // Certified 0, 0, 1/4, 1; attacked 0, 0.3, 0.5, none.
        assert_eq!(found.certified.mean, Some(1.25 / 4.0));
        assert_eq!(found.certified.mean_of_correct, Some(to_f64_nearest(&q("1.25/3"))));
        assert_eq!(found.attacked.mean, Some(to_f64_nearest(&q("1.8/4"))));
        let shown = |spread: &Spread| -> Vec<(String, bool)> {
            spread.quantiles.iter().map(|x| (x.value.to_string(), x.censored)).collect()
        };
        let expect = |values: [(&str, bool); 5]| values.map(|(v, c)| (v.to_owned(), c)).to_vec();
        assert_eq!(
            shown(&found.certified),
            expect([("0", false), ("0", false), ("0", false), ("1/4", false), ("1", true)])
        );
        assert_eq!(
            shown(&found.attacked),
            expect([("0", false), ("0", false), ("3/10", false), ("1/2", false), ("1", true)])
        );
        assert_eq!((found.certified.censored, found.attacked.censored), (1, 1));
    }

    #[test]
    fn accuracies_are_read_off_at_any_radius() {
        let rows = rows();
        let count = |share: Share| share.count;
        assert_eq!(count(certified_accuracy(&rows, &q("0"))), 2);
        assert_eq!(count(certified_accuracy(&rows, &q("1/4"))), 2);
        assert_eq!(count(certified_accuracy(&rows, &q("0.26"))), 1);
        assert_eq!(count(adversarial_accuracy(&rows, &q("0"))), 3);
        assert_eq!(count(adversarial_accuracy(&rows, &q("0.3"))), 2);
        assert_eq!(count(adversarial_accuracy(&rows, &q("0.5"))), 1);
    }

    #[test]
    fn contradictions_and_repetitions_are_no_rows() {
        let crossed = row(7, Some("0.3"), Some("0.3"));
        let error = RadiusSummary::of(&[crossed], &q("1")).unwrap_err();
        assert!(matches!(error, Breach::Radius { index: 7, .. }), "{error}");
        let twice = [row(1, None, None), row(1, None, None)];
        assert_eq!(RadiusSummary::of(&twice, &q("1")), Err(Breach::Twice(1)));
    }

    #[test]
    fn no_inputs_have_no_figures() {
        let found = RadiusSummary::of(&[], &q("1")).unwrap();
        assert_eq!((found.certified.mean, found.attacked.mean_of_correct), (None, None));
        assert!(found.certified.quantiles.is_empty());
    }
}
