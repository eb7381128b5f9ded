//! `certify` and `attack`: every input of a dataset classified, attacked and bounded.

use super::finding::{attack, until, whole};
use super::prediction::outputs;
use super::run::{Finished, RunError, Sink, Stop, Work, input_seed};
use super::shard::Shard;
use super::{Line as _, Row};
use crate::attack::{Counterexample, attack_suite};
use crate::num::Rational;
use crate::query::{Classifier, Query, arg_max};
use crate::spec::Norm;
use crate::verify::{Outcome, Settings, Verdict, verify};
use std::time::Instant;

/// What is done with each input that is classified correctly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Attack, then bounds.
    Certify,
    /// The attack alone.
    Attack,
}

/// One question about every input of a dataset.
pub(crate) struct Campaign<'a> {
    /// The network and the dataset.
    pub(crate) classifier: &'a Classifier,
    /// How many of its inputs are asked about, from the first.
    pub(crate) inputs: usize,
    /// Of these, the ones of a shard alone.
    pub(crate) shard: Option<Shard>,
    /// How perturbations are measured.
    pub(crate) norm: Norm,
    pub(crate) epsilon: &'a Rational,
    /// What to do.
    pub(crate) task: Task,
    /// Limits and choices; `settings.seed` seeds every input by [`input_seed`].
    pub(crate) settings: &'a Settings,
    /// What decides an input instead of [`verify`], such as a search for a proof.
    pub(crate) decide: Option<&'a dyn Decide>,
}

/// Decides what is asked about the input at a position, with the input's own seed in the settings.
pub(crate) trait Decide: Sync {
    /// The verdict; what is not certified or falsified where `stop` became true counts for nothing.
    fn decide(&self, index: usize, query: &Query, settings: &Settings, stop: Stop) -> Outcome;
}

impl Work for Campaign<'_> {
    type Line = Row;

    fn inputs(&self) -> Vec<(usize, usize)> {
        let own = |index: &usize| self.shard.is_none_or(|shard| shard.holds(*index));
        (0..self.inputs).filter(own).map(|index| (0, index)).collect()
    }

    fn one<E>(
        &self,
        (_, index): (usize, usize),
        held: &[Row],
        stop: Stop,
        sink: Sink<Row, E>,
    ) -> Result<(), RunError<E>> {
        if !held.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let data = self.classifier.data();
        let query = self
            .classifier
            .query(index, self.norm, self.epsilon)
            .map_err(|source| RunError::Query { file: data.file().to_owned(), index, source })?;
        let label = data.label(index);
        let predicted = arg_max(&outputs(query.network(), data.point(index)));
        let found = if predicted == Some(label) {
            self.verdict(index, label, &query, stop)
        } else {
            Some((Row::misclassified(index, label, predicted), None))
        };
        let Some((row, counterexample)) = found else { return Ok(()) };
        let row = Row { seconds: started.elapsed().as_secs_f64(), ..row };
        debug_assert_eq!(row.check(), Ok(()));
        let file = row.counterexample.clone();
        sink(Finished::new(row, file, counterexample.as_ref())).map_err(RunError::Sink)
    }
}

impl Campaign<'_> {
    /// The row and the counterexample; `None` where it was cut short.
    fn verdict(
        &self,
        index: usize,
        label: usize,
        query: &Query,
        stop: Stop,
    ) -> Option<(Row, Option<Counterexample>)> {
        let seed = input_seed(self.settings.seed, index);
        let limit = self.settings.timeout;
        let asked = &self.settings.attack;
        match self.task {
            Task::Certify => {
                let settings = Settings { seed, ..self.settings.clone() };
                let outcome = match self.decide {
                    Some(decide) => decide.decide(index, query, &settings, stop),
                    None => verify(query, &settings, stop),
                };
                let outcome = whole(outcome, stop)?;
                let row = Row::of_outcome(index, label, &outcome, !asked.kinds().is_empty());
                let Verdict::Falsified(found) = outcome.verdict else { return Some((row, None)) };
                Some((row, Some(*found)))
            }
            // Several attacks run side by side; those that the time limit leaves no turn have not broken the input.
            Task::Attack if asked.kinds().len() > 1 => {
                let outcome = attack_suite(query, 0, asked, seed, &until(limit, stop));
                let row = Row::of_suite(index, label, &outcome);
                let found = outcome.into_worst();
                (found.is_some() || !stop()).then_some((row, found))
            }
            Task::Attack => {
                let found = attack(query, asked, seed, limit, stop)?;
                Some((Row::of_attack(index, label, found.as_ref()), found))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::{AttackKind, AttackSettings};
    use crate::audit::radius::test_data::{classifier, number, settings};
    use crate::audit::{AttackResult, Ended, VerdictName};
    use crate::verify::Method;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn rows(task: Task, jobs: usize) -> Vec<Row> {
        let lines: Vec<(&str, usize)> = (0..40)
            .map(|index| (["-1", "-0.05", "1", "0.3"][index % 4], usize::from(index % 4 == 2)))
            .collect();
        let classifier = classifier(&lines);
        let epsilon = number("0.1");
        let settings = settings(Method::Auto, AttackKind::Pgd);
        let campaign = Campaign {
            classifier: &classifier,
            inputs: 40,
            shard: None,
            norm: Norm::Linf,
            epsilon: &epsilon,
            task,
            settings: &settings,
            decide: None,
        };
        let rows = Mutex::new(Vec::new());
        let sink = |finished: Finished<Row>| -> Result<(), ()> {
            let falsified = finished.line.verdict == VerdictName::Falsified;
            assert_eq!(finished.files.len(), usize::from(falsified));
            rows.lock().unwrap().push(Row { seconds: 0.0, ..finished.line });
            Ok(())
        };
        assert_eq!(campaign.run(jobs, &[], &|| false, &sink).unwrap(), Ended::Complete);
        let mut rows = rows.into_inner().unwrap();
        rows.sort_by_key(|row| row.index);
        rows
    }

    #[test]
    fn every_input_gets_its_verdict_whatever_the_threads() {
        let alone = rows(Task::Certify, 1);
        let verdicts: Vec<VerdictName> = alone[..4].iter().map(|row| row.verdict).collect();
        use VerdictName::{Certified, Falsified, Misclassified, Unknown};
        assert_eq!(verdicts, [Certified, Falsified, Certified, Misclassified]);
        assert_eq!(alone[1].attack, AttackResult::Broken);
        assert_eq!(alone[3].predicted, Some(1));
        assert_eq!(alone, rows(Task::Certify, 3));
        assert_eq!(rows(Task::Attack, 2)[0].verdict, Unknown);
    }

    #[test]
    fn a_failing_sink_ends_the_campaign() {
        let classifier = classifier(&[("1", 1); 1000]);
        let epsilon = number("0");
        let attack = AttackSettings { kind: AttackKind::None, ..AttackSettings::default() };
        let settings = Settings { attack, ..settings(Method::Ibp, AttackKind::None) };
        let campaign = Campaign {
            classifier: &classifier,
            inputs: 1000,
            shard: None,
            norm: Norm::Linf,
            epsilon: &epsilon,
            task: Task::Certify,
            settings: &settings,
            decide: None,
        };
        let seen = AtomicUsize::new(0);
        let sink = |_| if seen.fetch_add(1, Ordering::Relaxed) < 3 { Ok(()) } else { Err("full") };
        let error = campaign.run(2, &[], &|| false, &sink).unwrap_err();
        assert!(matches!(error, RunError::Sink("full")));
        assert!(seen.into_inner() < 10);
        let none = campaign.run(2, &[], &|| true, &|_| -> Result<(), ()> { panic!("no input") });
        assert_eq!(none.unwrap(), Ended::Cancelled);
    }
}
