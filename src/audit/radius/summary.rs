//! Radii of a dataset in a few figures: means, quantiles, and the accuracy at any radius.

use super::RadiusRow;
use crate::audit::stored::Exact;
use crate::audit::{Breach, Share};
use crate::num::{Rational, to_f64_nearest};
use num_traits::Zero;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// The rule for radii that are cut off, as a report may print it.
pub(crate) const CENSORING: &str = "A misclassified input has radius 0. A radius beyond the largest one asked about counts as that largest \
one: means are of min(radius, largest), and a quantile there is given as 'at least' (certified) or as 'none found' \
(attacked).";

/// The quantiles that reports show.
pub(super) const QUANTILES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];

/// A quantile of radii.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Quantile {
    /// Its order, between 0 and 1.
    pub(crate) order: f64,
    /// Its value, at most the largest radius asked about.
    pub(crate) radius: Exact,
    /// Whether the value is cut off: certified up to the largest radius at least, or no counterexample up to there.
    pub(crate) censored: bool,
}

/// One kind of radius over all inputs. An audit keeps its quantiles as [order, value].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Spread<Q = Quantile> {
    /// The mean of min(radius, largest) over all inputs, misclassified ones counting 0: for certified radii the *average
    /// certified radius* (Zhai et al., *MACER*, ICLR 2020). `None` where there are no inputs.
    pub(crate) mean: Option<f64>,
    /// The same over the inputs that are classified correctly.
    pub(crate) mean_of_correct: Option<f64>,
    /// Quantiles over all inputs: the least radius r such that at least the share `order` of the inputs has a radius of at
    /// most r. Empty where there are no inputs.
    pub(crate) quantiles: Vec<Q>,
    /// Inputs whose radius is cut off.
    pub(crate) censored: usize,
}

/// Radii of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RadiusSummary {
    /// Correct / all.
    #[serde(rename = "clean_accuracy")]
    pub(crate) clean: Share,
    /// Certified radii.
    pub(crate) certified: Spread,
    /// Distances of counterexamples. The mean of the robust radii, cut off alike, lies between both means.
    pub(crate) attacked: Spread,
    /// The mean certified radius over the largest radius; `None` where there are no inputs.
    pub(crate) robustness_score: Option<f64>,
}

impl RadiusSummary {
    /// Sums up rows whose grid ends at `max`. See [`CENSORING`].
    ///
    /// # Errors
    /// Where an input has two rows, or a certified radius is not below its attacked one.
    pub(crate) fn of(rows: &[RadiusRow], max: &Rational) -> Result<Self, Breach> {
        let mut seen = HashSet::new();
        for row in rows {
            if !seen.insert(row.index) {
                return Err(Breach::Twice(row.index));
            }
            check(row)?;
        }
        let count = rows.iter().filter(|row| row.correct).count();
        let clean = Share { count, total: rows.len() };
        let spread = |radius: fn(&RadiusRow) -> Option<Rational>| {
            Spread::of(rows.iter().map(radius).collect(), clean, max)
        };
        let certified = spread(|row| Some(row.certified()));
        Ok(Self {
            clean,
            robustness_score: certified.mean.map(|mean| mean / to_f64_nearest(max)),
            certified,
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
            let value = &radii[rank - 1];
            Quantile { order, censored: value == max, radius: value.into() }
        };
        Self {
            mean: mean(radii.len()),
            mean_of_correct: mean(clean.count),
            censored: radii.iter().filter(|radius| *radius == max).count(),
            quantiles: if radii.is_empty() { Vec::new() } else { QUANTILES.map(quantile).to_vec() },
        }
    }

    /// The same with quantiles as [order, value].
    pub(crate) fn pairs(&self) -> Spread<[f64; 2]> {
        let Self { mean, mean_of_correct, censored, .. } = *self;
        let quantiles = self.quantiles.iter().map(|q| [q.order, q.radius.value]).collect();
        Spread { mean, mean_of_correct, quantiles, censored }
    }
}

fn check(row: &RadiusRow) -> Result<(), Breach> {
    match (&row.bracket.certified, &row.bracket.attacked) {
        (Some(certified), Some(attacked)) if certified >= attacked => Err(Breach::Radius {
            index: row.index,
            certified: Box::new(certified.clone()),
            attacked: Box::new(attacked.clone()),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::radius::Bracket;
    use crate::audit::radius::test_data::number as q;

    fn row(index: usize, certified: Option<&str>, attacked: Option<&str>) -> RadiusRow {
        let (certified, attacked) = (certified.map(q), attacked.map(q));
        let bracket = Bracket { certified, attacked, ..Bracket::default() };
        RadiusRow::new(index, 0, Some(0), Some(bracket))
    }

    fn rows() -> Vec<RadiusRow> {
        vec![
            row(0, Some("1/4"), Some("0.3")),
            row(1, Some("1"), None),
            row(2, None, Some("0.5")),
            RadiusRow::new(3, 0, Some(1), None),
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
            spread.quantiles.iter().map(|x| (x.radius.exact.clone(), x.censored)).collect()
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
