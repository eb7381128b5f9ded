//! Certified and attacked radius of every input of a dataset.

use super::Grid;
use super::bracket::{Ask, Bracket, NoBracket, Reply, bisect};
use crate::attack::{self, Counterexample};
use crate::audit::finding::{decide, until};
use crate::audit::prediction::outputs;
use crate::audit::row::counterexample_file;
use crate::audit::run::{Finished, RunError, Sink, Stop, Work, input_seed};
use crate::audit::{Breach, Line};
use crate::num::Rational;
use crate::query::{Classifier, QueryError, arg_max};
use crate::spec::Norm;
use crate::verify::{Settings, Verdict};
use num_traits::Zero;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// What is known about one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct RadiusRow {
    /// Position in the dataset.
    pub(crate) index: usize,
    /// The class that the dataset gives.
    pub(crate) label: usize,
    /// Arg max at the input as it is; `None` where the largest output is not unique or is NaN.
    pub(crate) predicted: Option<usize>,
    /// Whether the input as it is gets its label; if not, its radius counts as 0 and nothing else is known.
    pub(crate) correct: bool,
    /// What encloses the radius.
    #[serde(flatten)]
    pub(crate) bracket: Bracket,
    /// The nearest counterexample's file, relative to the report.
    pub(crate) counterexample: Option<String>,
    /// Wall-clock time. Varies between runs.
    pub(crate) seconds: f64,
}

impl RadiusRow {
    /// The row of an input; without a bracket, of one that is not classified as its label.
    pub(crate) fn new(
        index: usize,
        label: usize,
        predicted: Option<usize>,
        bracket: Option<Bracket>,
    ) -> Self {
        let correct = bracket.is_some();
        let bracket = bracket.unwrap_or_default();
        let counterexample = bracket.attacked.is_some().then(|| counterexample_file(index));
        Self { index, label, predicted, correct, bracket, counterexample, seconds: 0.0 }
    }

    /// The certified radius; 0 where there is none.
    pub(crate) fn certified(&self) -> Rational {
        self.bracket.certified.clone().unwrap_or_else(Rational::zero)
    }

    /// The distance of the nearest counterexample, 0 for a misclassified input; `None` where none was found.
    pub(crate) fn attacked(&self) -> Option<Rational> {
        if self.correct { self.bracket.attacked.clone() } else { Some(Rational::zero()) }
    }
}

impl Line for RadiusRow {
    fn input(&self) -> (usize, usize) {
        (0, self.index)
    }

    fn check(&self) -> Result<(), String> {
        if self.bracket.certified.is_some() == self.bracket.assurance.is_some() {
            return Ok(());
        }
        let index = self.index;
        Err(format!("the row of input {index} has no usable 'assurance' where one is needed"))
    }
}

/// A network, inputs, and the radii to ask about.
pub(crate) struct RadiusSearch<'a> {
    /// The network and the dataset.
    pub(crate) classifier: &'a Classifier,
    /// How many of its inputs are asked about, from the first.
    pub(crate) inputs: usize,
    pub(crate) grid: &'a Grid,
    /// How each radius is asked about. `timeout` is the time for all radii of an input; `seed` seeds every input by
    /// [`input_seed`].
    pub(crate) settings: &'a Settings,
}

impl Work for RadiusSearch<'_> {
    type Line = RadiusRow;

    fn inputs(&self) -> Vec<(usize, usize)> {
        (0..self.inputs).map(|index| (0, index)).collect()
    }

    fn one<E>(
        &self,
        (_, index): (usize, usize),
        held: &[RadiusRow],
        stop: Stop,
        sink: Sink<RadiusRow, E>,
    ) -> Result<(), RunError<E>> {
        if !held.is_empty() {
            return Ok(());
        }
        match self.enclose(index, stop) {
            Ok((row, found)) => {
                let file = row.counterexample.clone();
                sink(Finished::new(row, file, found.as_ref())).map_err(RunError::Sink)
            }
            Err(NoBracket::Stopped) => Ok(()),
            Err(NoBracket::Failed(source)) => {
                let file = self.classifier.data().file().to_owned();
                Err(RunError::Query { file, index, source })
            }
            Err(NoBracket::Contradiction { certified, attacked }) => {
                Err(Breach::Radius { index, certified, attacked }.into())
            }
        }
    }
}

impl RadiusSearch<'_> {
    /// An input's row, and the counterexample at its attacked radius.
    ///
    /// # Errors
    /// Where it has no region, `stop` became true, or a certificate and a counterexample contradict each other.
    pub(crate) fn enclose(
        &self,
        index: usize,
        stop: Stop,
    ) -> Result<(RadiusRow, Option<Counterexample>), NoBracket<QueryError>> {
        let started = Instant::now();
        let data = self.classifier.data();
        let label = data.label(index);
        let predicted = arg_max(&outputs(self.classifier.network(), data.point(index)));
        let mut questions =
            Questions { search: self, index, stop, started, nearest: None, survived: None };
        let correct = predicted == Some(label);
        let bracket = correct.then(|| bisect(self.grid, &mut |k, how| questions.ask(k, how)));
        let row = RadiusRow::new(index, label, predicted, bracket.transpose()?);
        let row = RadiusRow { seconds: started.elapsed().as_secs_f64(), ..row };
        Ok((row, questions.nearest.map(|nearest| nearest.1)))
    }
}

/// The questions about one input.
struct Questions<'a> {
    search: &'a RadiusSearch<'a>,
    index: usize,
    stop: Stop<'a>,
    started: Instant,
    /// The nearest counterexample so far.
    nearest: Option<(Rational, Counterexample)>,
    /// The least radius that attacks and search left undecided: what they did not find in its ball is not looked for again in a smaller
    /// one, where only proofs are new.
    survived: Option<u64>,
}

impl Questions<'_> {
    fn ask(&mut self, k: u64, how: Ask) -> Result<Reply, QueryError> {
        let &RadiusSearch { classifier, grid, settings, .. } = self.search;
        if (self.stop)() {
            return Ok(Reply::Stopped);
        }
        let Some(left) = self.left() else { return Ok(Reply::Unknown("time limit".to_owned())) };
        let radius = grid.radius(k);
        let query = classifier.query(self.index, Norm::Linf, &radius)?;
        // A seed of its own for each radius: bad luck with one start does not repeat itself.
        let seed = input_seed(input_seed(settings.seed, self.index), k as usize);
        let found = match how {
            Ask::Attack => {
                attack::attack_any(&query, &settings.attack, seed, &until(left, self.stop))
            }
            Ask::Verify => {
                let work = settings.work.or(Some(Settings::BRIEF));
                let mut settings = Settings { seed, timeout: left, work, ..settings.clone() };
                if self.survived.is_some_and(|survived| k < survived) {
                    settings.attack = settings.attack.with(&[]);
                }
                let Some(outcome) = decide(&query, &settings, self.stop) else {
                    return Ok(Reply::Stopped);
                };
                match outcome.verdict {
                    Verdict::Certified(proof) => return Ok(Reply::Certified(proof.level())),
                    Verdict::Falsified(found) => Some(*found),
                    Verdict::Unknown(why) => {
                        self.survived = Some(self.survived.map_or(k, |survived| survived.min(k)));
                        return Ok(Reply::Unknown(why.reason.to_string()));
                    }
                }
            }
        };
        Ok(match found {
            Some(found) => Reply::Broken(self.keep(found, radius)),
            None if (self.stop)() => Reply::Stopped,
            None => Reply::Unknown("no counterexample found".to_owned()),
        })
    }

    /// The time left, `None` inside where there is no limit; `None` where it is over.
    #[allow(clippy::option_option)]
    fn left(&self) -> Option<Option<Duration>> {
        match self.search.settings.timeout {
            None => Some(None),
            Some(limit) => {
                let left = limit.saturating_sub(self.started.elapsed());
                (!left.is_zero()).then_some(Some(left))
            }
        }
    }

    /// Keeps a counterexample of the ball of this radius, if it is the nearest; its distance.
    fn keep(&mut self, found: Counterexample, radius: Rational) -> Rational {
        let distance = self.search.classifier.data().distance(self.index, found.exact_input());
        let distance = distance.map_or(radius.clone(), |distance| distance.min(radius));
        if self.nearest.as_ref().is_none_or(|(nearest, _)| distance < *nearest) {
            self.nearest = Some((distance.clone(), found));
        }
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::AttackKind;
    use crate::audit::Ended;
    use crate::audit::radius::test_data::{classifier, number, settings};
    use crate::verify::{AssuranceLevel, Method};
    use std::sync::Mutex;

    #[test]
    fn rows_survive_writing_and_reading() {
        let bracket = Bracket {
            certified: Some(number("1/255")),
            assurance: Some(AssuranceLevel::Sound),
            attacked: Some(number("123456789/4294967296")),
            reason: Some("bound too weak".to_owned()),
            questions: 9,
        };
        let whole = RadiusRow::new(3, 1, Some(1), Some(bracket));
        for row in [whole.clone(), RadiusRow::new(3, 1, None, None)] {
            let line = serde_json::to_string(&row).unwrap();
            assert_eq!(serde_json::from_str::<RadiusRow>(&line).unwrap(), row);
            let more = line.replacen('{', "{\"colour\":1,", 1);
            assert!(serde_json::from_str::<RadiusRow>(&more).is_err(), "{more}");
        }
        let vague = serde_json::to_string(&whole).unwrap().replace("1/255", "much");
        assert!(serde_json::from_str::<RadiusRow>(&vague).is_err());
        let unsure = Bracket { assurance: None, ..whole.bracket.clone() };
        let error = RadiusRow { bracket: unsure, ..whole }.check().unwrap_err();
        assert!(error.contains("assurance"));
    }

    fn search(timeout: Option<Duration>, jobs: usize) -> Vec<RadiusRow> {
        // Class 1 where x > 0: the robust radius of x > 0 is x.
        let points = ["0.3", "-0.1", "2", "0.001", "0"];
        let classifier = classifier(&points.map(|x| (x, 1)));
        let grid = Grid::new(&number("1"), &number("1/16")).unwrap();
        let settings = Settings { timeout, ..settings(Method::Auto, AttackKind::Pgd) };
        let search =
            RadiusSearch { classifier: &classifier, inputs: 5, grid: &grid, settings: &settings };
        for index in 0..5 {
            let (row, found) = search.enclose(index, &|| false).unwrap();
            let distance =
                found.and_then(|found| classifier.data().distance(index, found.exact_input()));
            assert_eq!(distance, row.bracket.attacked);
        }
        let rows = Mutex::new(Vec::new());
        let sink = |found: Finished<RadiusRow>| -> Result<(), ()> {
            assert_eq!(found.line.counterexample.is_some(), found.files.len() == 1);
            rows.lock().unwrap().push(RadiusRow { seconds: 0.0, ..found.line });
            Ok(())
        };
        assert_eq!(search.run(jobs, &[], &|| false, &sink).unwrap(), Ended::Complete);
        let mut rows = rows.into_inner().unwrap();
        rows.sort_by_key(|row| row.index);
        rows
    }

    #[test]
    fn radii_enclose_the_distance_to_the_border() {
        let rows = search(None, 1);
        let bracket = |index: usize| rows[index].bracket.clone();
        let sixteenths = |n: i64| Some(Rational::new(n.into(), 16.into()));
        let near = bracket(0);
        assert_eq!(near.certified, sixteenths(4));
        let attacked = near.attacked.unwrap();
        assert!(attacked >= number("0.3") && attacked <= sixteenths(5).unwrap());
        assert_eq!((rows[1].correct, rows[1].predicted), (false, Some(0)));
        assert_eq!((bracket(2).certified, bracket(2).attacked), (sixteenths(16), None));
        assert_eq!(bracket(3).certified, sixteenths(0));
        assert!(bracket(3).attacked.unwrap() <= sixteenths(1).unwrap());
        assert_eq!((rows[4].correct, rows[4].predicted), (false, None));
        assert_eq!(rows, search(None, 3));
    }

    #[test]
    fn without_time_nothing_is_known() {
        let bracket = search(Some(Duration::ZERO), 1).remove(0).bracket;
        assert_eq!((bracket.certified, bracket.attacked), (None, None));
        assert_eq!(bracket.reason.as_deref(), Some("time limit"));
    }

    #[test]
    fn stopping_yields_no_row() {
        let classifier = classifier(&[("0.3", 1)]);
        let grid = Grid::new(&number("1"), &number("1")).unwrap();
        let settings = settings(Method::Auto, AttackKind::Pgd);
        let search =
            RadiusSearch { classifier: &classifier, inputs: 1, grid: &grid, settings: &settings };
        assert!(matches!(search.enclose(0, &|| true), Err(NoBracket::Stopped)));
        let none = search.run(1, &[], &|| true, &|_| -> Result<(), ()> { panic!("no input") });
        assert_eq!(none.unwrap(), Ended::Cancelled);
    }
}
