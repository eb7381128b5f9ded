//! The campaign: every input of a dataset classified, attacked and bounded, in parallel.

use super::row::was_cancelled;
use super::{Row, pool};
use crate::attack::{self, Counterexample, attack_suite};
use crate::net::Matrix;
use crate::query::{Query, QueryError};
use crate::verify::{Outcome, Settings, Verdict, verify};
use std::time::Instant;
use thiserror::Error;

/// What is done with each input that is classified correctly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Attack, then bounds.
    Certify,
    /// The attack alone.
    Attack,
}

/// A labelled input, and what is asked about the inputs around it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its class.
    pub label: usize,
    /// The input, rounded to doubles.
    pub point: Vec<f64>,
    /// Whether the class holds around it.
    pub query: Query,
}

/// One finished input: its row, and the evidence where it was broken.
#[derive(Debug)]
pub struct Finished {
    /// The row.
    pub row: Row,
    /// The counterexample.
    pub counterexample: Option<Counterexample>,
}

/// Why a campaign ended early.
#[derive(Debug, Error)]
pub enum CampaignError<E> {
    /// Nothing can be asked about an input.
    #[error("input {index}: {source}")]
    Query {
        /// Position in the dataset.
        index: usize,
        /// Why.
        source: QueryError,
    },
    /// The receiver of finished inputs failed.
    #[error(transparent)]
    Sink(E),
    /// The threads could not be started.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// How a campaign ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every input is done.
    Complete,
    /// The caller asked to stop.
    Cancelled,
}

/// Inputs, and what to do with them.
pub struct Campaign<'a> {
    /// The input at a position of the dataset.
    pub sample: &'a (dyn Fn(usize) -> Result<Sample, QueryError> + Sync),
    /// What to do.
    pub task: Task,
    /// Limits and choices; `settings.seed` seeds every input by [`input_seed`].
    pub settings: &'a Settings,
    /// Inputs handled at once.
    pub jobs: usize,
    /// What decides an input instead of [`verify`], such as a search for a proof.
    pub decide: Option<&'a Decide<'a>>,
}

/// Decides what is asked about the input at a position, with the input's own seed in the settings.
pub type Decide<'a> =
    dyn Fn(usize, &Query, &Settings, &(dyn Fn() -> bool + Sync)) -> Outcome + Sync + 'a;

impl Campaign<'_> {
    /// Handles the inputs at the given positions and hands each to `sink` as soon as it is finished, from whichever
    /// thread finished it. What a row says (its time aside) depends on nothing but the input and the settings.
    ///
    /// Where `cancel` becomes true, inputs in flight are abandoned and yield no row.
    ///
    /// # Errors
    /// The first failure of a region or of `sink`; the others in flight are abandoned.
    pub fn run<E: Send>(
        &self,
        indices: &[usize],
        cancel: &(dyn Fn() -> bool + Sync),
        sink: &(dyn Fn(Finished) -> Result<(), E> + Sync),
    ) -> Result<Ended, CampaignError<E>> {
        pool::each(self.jobs, indices.len(), cancel, &|at, stop| {
            let index = indices[at];
            match self.one(index, stop) {
                Ok(None) => Ok(()),
                Ok(Some(finished)) => sink(finished).map_err(CampaignError::Sink),
                Err(source) => Err(CampaignError::Query { index, source }),
            }
        })
    }

    /// One input; `None` where it was abandoned.
    fn one(
        &self,
        index: usize,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Finished>, QueryError> {
        let started = Instant::now();
        let Sample { label, point, query } = (self.sample)(index)?;
        let output = query.network().evaluate(&Matrix::from_vec(point.len(), 1, point));
        let predicted = arg_max(output.as_slice());
        let (mut row, counterexample) = if predicted == Some(label) {
            match self.verdict(index, label, &query, stop) {
                Some(found) => found,
                None => return Ok(None),
            }
        } else {
            (Row::misclassified(index, label, predicted), None)
        };
        row.seconds = started.elapsed().as_secs_f64();
        Ok(Some(Finished { row, counterexample }))
    }

    fn verdict(
        &self,
        index: usize,
        label: usize,
        query: &Query,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<(Row, Option<Counterexample>)> {
        let seed = input_seed(self.settings.seed, index);
        match self.task {
            Task::Certify => {
                let settings = Settings { seed, ..self.settings.clone() };
                let outcome = match self.decide {
                    Some(decide) => decide(index, query, &settings, stop),
                    None => verify(query, &settings, stop),
                };
                let attacked = !settings.attack.kinds().is_empty();
                let row = Row::of_outcome(index, label, &outcome, attacked);
                // A stage that was cut short may have handed on to the next: such an unknown is no result either.
                if was_cancelled(&outcome)
                    || (stop() && matches!(outcome.verdict, Verdict::Unknown(_)))
                {
                    return None;
                }
                let counterexample = match outcome.verdict {
                    Verdict::Falsified(counterexample) => Some(*counterexample),
                    _ => None,
                };
                Some((row, counterexample))
            }
            Task::Attack => {
                let deadline = self.settings.timeout.and_then(|t| Instant::now().checked_add(t));
                let stop_attack = || stop() || deadline.is_some_and(|d| Instant::now() >= d);
                let attack = &self.settings.attack;
                // Several attacks run side by side; those that the time limit leaves no turn have not broken the input.
                let (row, found) = if attack.kinds().len() > 1 {
                    let outcome = attack_suite(query, 0, attack, seed, &stop_attack);
                    (Row::of_suite(index, label, &outcome), outcome.into_worst())
                } else {
                    let found = attack::attack(query, 0, attack, seed, &stop_attack);
                    (Row::of_attack(index, label, found.as_ref()), found)
                };
                if found.is_none() && stop() {
                    return None;
                }
                Some((row, found))
            }
        }
    }
}

/// The seed of an input: a hash (SplitMix64's finaliser) of the campaign's seed and the input's position, so that
/// neither the order nor the number of threads matters.
#[must_use]
pub fn input_seed(seed: u64, index: usize) -> u64 {
    let mut z = seed.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The position of the largest value; `None` where it is not unique or a value is NaN.
pub(super) fn arg_max(values: &[f64]) -> Option<usize> {
    let best = (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]))?;
    let beaten = |(i, v): (usize, &f64)| i == best || *v < values[best];
    (!values[best].is_nan() && values.iter().enumerate().all(beaten)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::{AttackKind, AttackSettings};
    use crate::audit::{AttackResult, Finding};
    use crate::net::{LinearMap, Network, NetworkBuilder};
    use crate::num::parse_rational;
    use crate::spec::Region;
    use crate::verify::Method;
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn ties_and_nan_have_no_arg_max() {
        assert_eq!(arg_max(&[1.0, 3.0, 2.0]), Some(1));
        assert_eq!(arg_max(&[3.0, 3.0]), None);
        assert_eq!(arg_max(&[0.0, -0.0]), None);
        assert_eq!(arg_max(&[1.0, f64::NAN, 2.0]), None);
        assert_eq!(arg_max(&[f64::NAN]), None);
        assert_eq!(arg_max(&[f64::NEG_INFINITY]), Some(0));
        assert_eq!(arg_max(&[]), None);
    }

    /// Class 0 where x < 0, class 1 where x > 0.
    fn sign() -> Network {
        let mut builder = NetworkBuilder::new(1, "x").unwrap();
        let map = LinearMap::from_matrix(Matrix::from_column_slice(2, 1, &[-1.0, 1.0]));
        let y = builder.linear(0, map, "y").unwrap();
        builder.finish(y).unwrap()
    }

    fn rows(task: Task, jobs: usize) -> Vec<Row> {
        let network = Arc::new(sign());
        let sample = |index: usize| {
            let x = ["-1", "-0.05", "1", "0.3"][index % 4];
            let (centre, radius) = (parse_rational(x).unwrap(), parse_rational("0.1").unwrap());
            let region = Region::ball(std::slice::from_ref(&centre), &[radius], None)?;
            let point = vec![crate::num::to_f64_nearest(&centre)];
            let label = usize::from(index % 4 == 2);
            let query = Query::classification(network.clone(), region, label)?;
            Ok(Sample { label, point, query })
        };
        let attack = AttackSettings { kind: AttackKind::Pgd, ..AttackSettings::default() };
        let settings = Settings {
            method: Method::Auto,
            attack,
            seed: 1,
            timeout: None,
            memory: None,
            lp_tighten: 0,
        };
        let campaign = Campaign { sample: &sample, task, settings: &settings, jobs, decide: None };
        let rows = Mutex::new(Vec::new());
        let sink = |finished: Finished| -> Result<(), ()> {
            assert_eq!(
                finished.counterexample.is_some(),
                finished.row.finding == Finding::Falsified
            );
            rows.lock().unwrap().push(Row { seconds: 0.0, ..finished.row });
            Ok(())
        };
        let all: Vec<usize> = (0..40).collect();
        assert_eq!(campaign.run(&all, &|| false, &sink).unwrap(), Ended::Complete);
        let mut rows = rows.into_inner().unwrap();
        rows.sort_by_key(|row| row.index);
        rows
    }

    #[test]
    fn every_input_gets_its_verdict_whatever_the_threads() {
        let alone = rows(Task::Certify, 1);
        assert!(matches!(alone[0].finding, Finding::Certified(_)));
        assert_eq!(
            (&alone[1].finding, alone[1].attack),
            (&Finding::Falsified, AttackResult::Broken)
        );
        assert!(matches!(alone[2].finding, Finding::Certified(_)));
        assert_eq!((&alone[3].finding, alone[3].predicted), (&Finding::Misclassified, Some(1)));
        assert_eq!(alone, rows(Task::Certify, 3));
        assert!(matches!(rows(Task::Attack, 2)[0].finding, Finding::Unknown(_)));
    }

    #[test]
    fn a_failing_sink_ends_the_campaign() {
        let network = Arc::new(sign());
        let sample = |_| {
            let one = crate::num::from_f64(1.0).unwrap();
            let region = Region::from_bounds(&[(one.clone(), one)])?;
            let query = Query::classification(network.clone(), region, 1)?;
            Ok(Sample { label: 1, point: vec![1.0], query })
        };
        let attack = AttackSettings { kind: AttackKind::None, ..AttackSettings::default() };
        let settings = Settings {
            method: Method::Ibp,
            attack,
            seed: 0,
            timeout: None,
            memory: None,
            lp_tighten: 0,
        };
        let campaign = Campaign {
            sample: &sample,
            task: Task::Certify,
            settings: &settings,
            jobs: 2,
            decide: None,
        };
        let seen = AtomicUsize::new(0);
        let sink = |_| if seen.fetch_add(1, Ordering::Relaxed) < 3 { Ok(()) } else { Err("full") };
        let all: Vec<usize> = (0..1000).collect();
        let error = campaign.run(&all, &|| false, &sink).unwrap_err();
        assert!(matches!(error, CampaignError::Sink("full")));
        assert!(seen.into_inner() < 10);
        let none = campaign.run(&all, &|| true, &|_| -> Result<(), ()> { panic!("no input") });
        assert_eq!(none.unwrap(), Ended::Cancelled);
    }
}
