//! Certified and attacked radius of every input of a dataset, in parallel.

use super::Grid;
use super::bracket::{Ask, Bracket, NoBracket, Reply, bisect};
use crate::attack::{self, Counterexample};
use crate::audit::campaign::{arg_max, input_seed};
use crate::audit::pool::{self, Stop};
use crate::audit::row::was_cancelled;
use crate::audit::{Breach, Ended};
use crate::net::{Matrix, Network};
use crate::num::Rational;
use crate::query::{Classifier, Query, QueryError};
use crate::spec::Norm;
use crate::verify::{Settings, Verdict, verify};
use std::time::{Duration, Instant};
use thiserror::Error;

/// A network, labelled inputs, and the balls around them.
pub trait Balls: Sync {
    /// The network.
    fn network(&self) -> &Network;
    /// The class of an input.
    fn label(&self, index: usize) -> usize;
    /// The input, rounded to doubles.
    fn point(&self, index: usize) -> Vec<f64>;
    /// Whether the class holds on the ball of a radius around the exact input.
    ///
    /// # Errors
    /// Where there is none.
    fn query(&self, index: usize, radius: &Rational) -> Result<Query, QueryError>;
    /// The radius of the smallest ball around the input that contains the point; `None` where none does.
    fn distance(&self, index: usize, point: &[Rational]) -> Option<Rational>;
}

impl Balls for Classifier {
    fn network(&self) -> &Network {
        self.network()
    }

    fn label(&self, index: usize) -> usize {
        self.data().label(index)
    }

    fn point(&self, index: usize) -> Vec<f64> {
        self.data().point(index)
    }

    fn query(&self, index: usize, radius: &Rational) -> Result<Query, QueryError> {
        self.query(index, Norm::Linf, radius)
    }

    fn distance(&self, index: usize, point: &[Rational]) -> Option<Rational> {
        self.data().distance(index, point)
    }
}

/// What is known about one input.
#[derive(Debug, Clone, PartialEq)]
pub struct RadiusRow {
    /// Position in the dataset.
    pub index: usize,
    /// The class that the dataset gives.
    pub label: usize,
    /// Arg max at the input as it is; `None` where it is not unique.
    pub predicted: Option<usize>,
    /// The bracket; `None` for an input that is not classified as its label, whose radius counts as 0.
    pub bracket: Option<Bracket>,
    /// Wall-clock time.
    pub seconds: f64,
}

/// One finished input: its row, and the nearest counterexample.
#[derive(Debug)]
pub struct RadiusFound {
    /// The row.
    pub row: RadiusRow,
    /// The counterexample at the row's attacked radius.
    pub counterexample: Option<Counterexample>,
}

/// Why a search for radii ended early.
#[derive(Debug, Error)]
pub enum RadiusError<E> {
    /// Nothing can be asked about an input.
    #[error("input {index}: {source}")]
    Query {
        /// Position in the dataset.
        index: usize,
        /// Why.
        source: QueryError,
    },
    /// A certificate and a counterexample contradict each other.
    #[error(transparent)]
    Breach(#[from] Breach),
    /// The receiver of finished inputs failed.
    #[error(transparent)]
    Sink(E),
    /// The threads could not be started.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// A network, inputs, and the radii to ask about.
pub struct RadiusSearch<'a> {
    /// The network and the inputs.
    pub balls: &'a dyn Balls,
    /// The radii.
    pub grid: &'a Grid,
    /// How each radius is asked about. `timeout` is the time for all radii of an input; `seed` seeds every input by
    /// [`input_seed`].
    pub settings: &'a Settings,
    /// Inputs handled at once.
    pub jobs: usize,
}

impl RadiusSearch<'_> {
    /// Handles the inputs at the given positions and hands each to `sink` as soon as it is finished, as
    /// [`crate::audit::Campaign::run`] does. Inputs in flight when `cancel` becomes true yield no row.
    ///
    /// # Errors
    /// The first failure of a region or of `sink`, or a contradiction; the others in flight are abandoned.
    pub fn run<E: Send>(
        &self,
        indices: &[usize],
        cancel: &(dyn Fn() -> bool + Sync),
        sink: &(dyn Fn(RadiusFound) -> Result<(), E> + Sync),
    ) -> Result<Ended, RadiusError<E>> {
        pool::each(self.jobs, indices.len(), cancel, &|at, stop| {
            let index = indices[at];
            match self.one(index, stop) {
                Ok(found) => sink(found).map_err(RadiusError::Sink),
                Err(NoBracket::Stopped) => Ok(()),
                Err(NoBracket::Failed(source)) => Err(RadiusError::Query { index, source }),
                Err(NoBracket::Contradiction { certified, attacked }) => {
                    Err(Breach::Radius { index, certified, attacked }.into())
                }
            }
        })
    }

    /// One input.
    ///
    /// # Errors
    /// Where it has no region, `stop` became true, or a certificate and a counterexample contradict each other.
    pub fn one(&self, index: usize, stop: Stop) -> Result<RadiusFound, NoBracket<QueryError>> {
        let started = Instant::now();
        let (label, point) = (self.balls.label(index), self.balls.point(index));
        let output = self.balls.network().evaluate(&Matrix::from_vec(point.len(), 1, point));
        let predicted = arg_max(output.as_slice());
        let mut questions = Questions { search: self, index, stop, started, nearest: None };
        let bracket = if predicted == Some(label) {
            Some(bisect(self.grid, &mut |k, how| questions.ask(k, how))?)
        } else {
            None
        };
        let seconds = started.elapsed().as_secs_f64();
        let row = RadiusRow { index, label, predicted, bracket, seconds };
        Ok(RadiusFound { row, counterexample: questions.nearest.map(|nearest| nearest.1) })
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
}

impl Questions<'_> {
    fn ask(&mut self, k: u64, how: Ask) -> Result<Reply, QueryError> {
        let &RadiusSearch { balls, grid, settings, .. } = self.search;
        if (self.stop)() {
            return Ok(Reply::Stopped);
        }
        let Some(left) = self.left() else { return Ok(Reply::Unknown("time limit".to_owned())) };
        let radius = grid.radius(k);
        let query = balls.query(self.index, &radius)?;
        // A seed of its own for each radius: bad luck with one start does not repeat itself.
        let seed = input_seed(input_seed(settings.seed, self.index), k as usize);
        let found = match how {
            Ask::Attack => {
                let deadline = left.and_then(|left| Instant::now().checked_add(left));
                let stop = || (self.stop)() || deadline.is_some_and(|end| Instant::now() >= end);
                attack::attack_any(&query, &settings.attack, seed, &stop)
            }
            Ask::Verify => {
                let settings = Settings { seed, timeout: left, ..settings.clone() };
                let outcome = verify(&query, &settings, &self.stop);
                if was_cancelled(&outcome) {
                    return Ok(Reply::Stopped);
                }
                match outcome.verdict {
                    Verdict::Certified(certificate) => {
                        return Ok(Reply::Certified(certificate.level()));
                    }
                    Verdict::Falsified(found) => Some(*found),
                    // A stage that was cut short may have handed on to the next: such an unknown is no result either.
                    Verdict::Unknown(_) if (self.stop)() => return Ok(Reply::Stopped),
                    Verdict::Unknown(why) => return Ok(Reply::Unknown(why.reason.to_string())),
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
        let distance = self.search.balls.distance(self.index, found.exact_input());
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
    use crate::attack::AttackSettings;
    use crate::net::{LinearMap, NetworkBuilder};
    use crate::num::{from_f64, parse_rational};
    use crate::spec::Region;
    use crate::verify::Method;
    use num_traits::Signed;
    use std::sync::Mutex;

    /// Inputs x of one feature, all of class 1.
    struct Line(Network, Vec<f64>);

    impl Balls for Line {
        fn network(&self) -> &Network {
            &self.0
        }

        fn label(&self, _: usize) -> usize {
            1
        }

        fn point(&self, index: usize) -> Vec<f64> {
            vec![self.1[index]]
        }

        fn query(&self, index: usize, radius: &Rational) -> Result<Query, QueryError> {
            let centre = [from_f64(self.1[index]).unwrap()];
            let region = Region::ball(&centre, std::slice::from_ref(radius), None)?;
            Query::classification(self.0.clone(), region, 1)
        }

        fn distance(&self, index: usize, point: &[Rational]) -> Option<Rational> {
            Some((&point[0] - from_f64(self.1[index])?).abs())
        }
    }

    /// Class 0 where x < 0, class 1 where x > 0: the robust radius of x > 0 is x.
    fn sign() -> Network {
        let mut builder = NetworkBuilder::new(1, "x").unwrap();
        let map = LinearMap::from_matrix(Matrix::from_column_slice(2, 1, &[-1.0, 1.0]));
        let y = builder.linear(0, map, "y").unwrap();
        builder.finish(y).unwrap()
    }

    fn search(timeout: Option<Duration>, jobs: usize) -> Vec<RadiusRow> {
        let line = Line(sign(), vec![0.3, -0.1, 2.0, 0.001, 0.0]);
        let quarter = |text| parse_rational(text).unwrap();
        let grid = Grid::new(&quarter("1"), &quarter("1/16")).unwrap();
        let attack = AttackSettings::default();
        let (method, seed) = (Method::Auto, 1);
        let settings = Settings { method, attack, seed, timeout, memory: None, lp_tighten: 0 };
        let search = RadiusSearch { balls: &line, grid: &grid, settings: &settings, jobs };
        let rows = Mutex::new(Vec::new());
        let sink = |found: RadiusFound| -> Result<(), ()> {
            let attacked = found.row.bracket.as_ref().and_then(|b| b.attacked.clone());
            assert_eq!(attacked.is_some(), found.counterexample.is_some());
            if let (Some(attacked), Some(example)) = (attacked, &found.counterexample) {
                let distance = line.distance(found.row.index, example.exact_input());
                assert_eq!(distance, Some(attacked));
            }
            rows.lock().unwrap().push(RadiusRow { seconds: 0.0, ..found.row });
            Ok(())
        };
        assert_eq!(search.run(&[0, 1, 2, 3, 4], &|| false, &sink).unwrap(), Ended::Complete);
        let mut rows = rows.into_inner().unwrap();
        rows.sort_by_key(|row| row.index);
        rows
    }

    #[test]
    fn radii_enclose_the_distance_to_the_border() {
        let rows = search(None, 1);
        let bracket = |index: usize| rows[index].bracket.clone().unwrap();
        let sixteenths = |n: i64| Some(Rational::new(n.into(), 16.into()));
        let near = bracket(0);
        assert_eq!(near.certified, sixteenths(4));
        let attacked = near.attacked.unwrap();
        assert!(attacked >= from_f64(0.3).unwrap() && attacked <= sixteenths(5).unwrap());
        assert_eq!((&rows[1].bracket, rows[1].predicted), (&None, Some(0)));
        assert_eq!((bracket(2).certified, bracket(2).attacked), (sixteenths(16), None));
        assert_eq!(bracket(3).certified, sixteenths(0));
        assert!(bracket(3).attacked.unwrap() <= sixteenths(1).unwrap());
        assert_eq!((&rows[4].bracket, rows[4].predicted), (&None, None));
        assert_eq!(rows, search(None, 3));
    }

    #[test]
    fn without_time_nothing_is_known() {
        let rows = search(Some(Duration::ZERO), 1);
        let bracket = rows[0].bracket.clone().unwrap();
        assert_eq!((bracket.certified, bracket.attacked), (None, None));
        assert_eq!(bracket.reason.as_deref(), Some("time limit"));
    }

    #[test]
    fn stopping_yields_no_row() {
        let line = Line(sign(), vec![0.3]);
        let one = parse_rational("1").unwrap();
        let grid = Grid::new(&one, &one).unwrap();
        let attack = AttackSettings::default();
        let (method, timeout) = (Method::Auto, None);
        let settings = Settings { method, attack, seed: 0, timeout, memory: None, lp_tighten: 0 };
        let search = RadiusSearch { balls: &line, grid: &grid, settings: &settings, jobs: 1 };
        assert!(matches!(search.one(0, &|| true), Err(NoBracket::Stopped)));
        let none = search.run(&[0], &|| true, &|_| -> Result<(), ()> { panic!("no input") });
        assert_eq!(none.unwrap(), Ended::Cancelled);
    }
}
