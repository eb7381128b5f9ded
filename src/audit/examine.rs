//! One input of an audit, step by step: classified, attacked and bounded at every radius.

use super::finding::{attack, decide};
use super::prediction::{arg_max, outputs};
use super::run::{Finished, RunError, Sink, Stop, Work, input_seed};
use super::shift::{Frame, Severity};
use super::{Entry, Finding, Found, Plan, Step};
use crate::attack::{AttackKind, AttackSettings, Counterexample};
use crate::load::Dataset;
use crate::net::Network;
use crate::prove::Model;
use crate::query::{Classifier, Query, QueryError};
use crate::spec::Norm;
use crate::verify::{Settings, Verdict};
use std::cell::Cell;
use std::time::Instant;

/// A model and the dataset that it is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Position of the model in the plan.
    pub model: usize,
    /// Position of the dataset in the plan.
    pub data: usize,
    /// The network and the dataset.
    pub classifier: &'a Classifier,
    /// The network as the proof checker reads it; why not, where it cannot or proofs are not asked for.
    pub checked: Result<&'a Model, &'a str>,
    /// How many of its inputs are asked about, from the first.
    pub inputs: usize,
    /// What the dataset's numbers are.
    pub frame: &'a Frame,
    /// Another dataset, whose inputs the network should be unsure about.
    pub outside: Option<&'a Dataset>,
}

impl<'a> Subject<'a> {
    /// The dataset.
    pub(crate) fn dataset(&self) -> &'a Dataset {
        self.classifier.data()
    }

    /// The network, with the dataset's normalisation folded in.
    pub(super) fn network(&self) -> &'a Network {
        self.classifier.network()
    }

    /// An attack's settings, told what the dataset's inputs are.
    pub(super) fn on_images(&self, settings: &AttackSettings) -> AttackSettings {
        AttackSettings { image: self.dataset().image(), ..settings.clone() }
    }
}

/// An audit ready to run.
pub(crate) struct Audit<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// With what, in the order of [`Plan::subjects`].
    pub subjects: &'a [Subject<'a>],
    /// Whether time is measured.
    pub timed: bool,
}

impl Work for Audit<'_> {
    type Line = Entry;

    fn inputs(&self) -> Vec<(usize, usize)> {
        let subjects = self.subjects.iter().enumerate();
        subjects.flat_map(|(at, s)| (0..s.inputs).map(move |index| (at, index))).collect()
    }

    fn one<E>(
        &self,
        (at, index): (usize, usize),
        held: &[Entry],
        stop: Stop,
        sink: Sink<Entry, E>,
    ) -> Result<(), RunError<E>> {
        let kept = |of: fn(Step) -> bool| {
            Cell::new(held.iter().any(|entry| entry.evidence && of(entry.step)))
        };
        let evidence = kept(|step| step.epsilon().is_some());
        let euclidean = kept(|step| matches!(step, Step::L2 { .. }));
        let (audit, certified) = (self, Cell::new(None));
        let input =
            Examination { audit, at, index, held, stop, sink, evidence, euclidean, certified };
        input.run()
    }
}

/// One input under examination.
pub(super) struct Examination<'a, E> {
    pub audit: &'a Audit<'a>,
    at: usize,
    pub index: usize,
    held: &'a [Entry],
    pub stop: Stop<'a>,
    sink: Sink<'a, Entry, E>,
    /// Whether a counterexample is kept already, or need not be.
    evidence: Cell<bool>,
    /// The same for the Euclidean norm.
    euclidean: Cell<bool>,
    /// The largest radius that some method certified.
    pub certified: Cell<Option<usize>>,
}

/// What a step yields: nothing where it was cancelled.
pub(super) type Yield = Option<(Found, Kept)>;

/// Contents of the files that may be kept of a step beside its entry; see [`Plan::evidence`].
pub(super) type Kept = Vec<Vec<u8>>;

/// The file of a counterexample.
pub(super) fn kept(found: Option<&Counterexample>) -> Kept {
    found.map(|found| found.write_vnncomp().into_bytes()).into_iter().collect()
}

impl<E> Examination<'_, E> {
    /// All steps; where a step is cancelled, those behind it are left.
    fn run(self) -> Result<(), RunError<E>> {
        let subject = self.audit.subjects[self.at];
        let point = subject.dataset().point(self.index);
        let outputs = self.step(Step::Clean, || {
            Some((Found::Outputs(outputs(subject.network(), point)), Kept::new()))
        })?;
        let Some(Entry { found: Found::Outputs(outputs), .. }) = outputs else { return Ok(()) };
        if !self.outside(&subject)? || !self.shifts(&subject)? {
            return Ok(());
        }
        let Some(predicted) = arg_max(&outputs) else { return Ok(()) };
        let correct = predicted == subject.dataset().label(self.index);
        if self.radii(&subject, predicted, correct)? && correct {
            self.further(&subject, predicted)?;
        }
        Ok(())
    }

    /// Whether this and what follows are finished or to be done.
    fn outside(&self, subject: &Subject) -> Result<bool, RunError<E>> {
        let Some(outside) = subject.outside.filter(|outside| self.index < outside.len()) else {
            return Ok(true);
        };
        let done = self.step(Step::Outside, || {
            let outputs = outputs(subject.network(), outside.point(self.index));
            Some((Found::Outputs(outputs), Kept::new()))
        })?;
        Ok(done.is_some())
    }

    fn shifts(&self, subject: &Subject) -> Result<bool, RunError<E>> {
        let plan = self.audit.plan;
        if plan.shifts.is_empty() {
            return Ok(true);
        }
        let done = self.step(Step::Shifts, || {
            let point = subject.dataset().point(self.index);
            let mut classes = Vec::new();
            for corruption in &plan.shifts {
                for severity in Severity::ALL {
                    let shifted =
                        corruption.apply(&point, subject.frame, severity, plan.seed, self.index);
                    let Some(shifted) = shifted else { continue };
                    classes.push(arg_max(&outputs(subject.network(), shifted)));
                }
            }
            Some((Found::Classes(classes), Kept::new()))
        })?;
        Ok(done.is_some())
    }

    /// Attacks and methods, radius by radius. A counterexample at one radius is one at every larger; a method that leaves
    /// an input undecided at one radius is not asked about it at a larger.
    fn radii(
        &self,
        subject: &Subject,
        predicted: usize,
        correct: bool,
    ) -> Result<bool, RunError<E>> {
        let plan = self.audit.plan;
        if !correct {
            self.evidence.set(true);
        }
        let mut broken = false;
        let mut hopeful = vec![true; plan.methods.len()];
        for (epsilon, radius) in plan.data[subject.data].epsilons.iter().enumerate() {
            let query = subject
                .classifier
                .query_as(self.index, Norm::Linf, radius, predicted)
                .map_err(|source| self.no_query(subject, source))?;
            if correct {
                for attack in 0..plan.attacks.len() {
                    let step = Step::Attack { attack, epsilon };
                    let done = self.step(step, || self.attack(subject, &query, step))?;
                    let Some(entry) = done else { return Ok(false) };
                    broken |= entry.broken();
                }
            }
            for (method, hopeful) in hopeful.iter_mut().enumerate() {
                if broken || !*hopeful {
                    continue;
                }
                let step = Step::Certify { method, epsilon };
                let done = self.step(step, || self.certify(&query, method, correct))?;
                let Some(entry) = done else { return Ok(false) };
                broken |= entry.broken();
                *hopeful =
                    matches!(&entry.found, Found::Verdict { finding: Finding::Certified(_), .. });
                if *hopeful {
                    self.certified.set(Some(epsilon));
                }
            }
        }
        Ok(true)
    }

    pub(super) fn no_query(&self, subject: &Subject, source: QueryError) -> RunError<E> {
        let file = subject.dataset().file().to_owned();
        RunError::Query { file, index: self.index, source }
    }

    /// The step's entry: the one that is held, or a new one, handed to the sink.
    pub(super) fn step(
        &self,
        step: Step,
        run: impl FnOnce() -> Yield,
    ) -> Result<Option<Entry>, RunError<E>> {
        if let Some(held) = self.held.iter().find(|entry| entry.step == step) {
            return Ok(Some(held.clone()));
        }
        if (self.stop)() {
            return Ok(None);
        }
        let started = Instant::now();
        let Some((found, kept)) = run() else { return Ok(None) };
        let seconds = self.audit.timed.then(|| started.elapsed().as_secs_f64());
        let evidence = match step {
            _ if kept.is_empty() => false,
            Step::Attack { .. } | Step::Certify { .. } => !self.evidence.replace(true),
            Step::L2 { .. } => !self.euclidean.replace(true),
            _ => true,
        };
        let line = Entry { subject: self.at, index: self.index, step, found, evidence, seconds };
        let kept = if evidence { kept } else { Kept::new() };
        let names = self.audit.plan.evidence(self.at, self.index, step);
        let files = names.into_iter().zip(kept).collect();
        (self.sink)(Finished { line: line.clone(), files }).map_err(RunError::Sink)?;
        Ok(Some(line))
    }

    pub(super) fn seed(&self, step: Step) -> u64 {
        let (kind, at) = match step {
            Step::Clean | Step::Outside | Step::Shifts => (0, 0),
            Step::L2 { attack, epsilon } => (3, attack << 16 | epsilon),
            Step::Semantic { semantic } => (4, semantic),
            Step::Radius => (5, 0),
            Step::Masking => (6, 0),
            Step::Proof { epsilon } => (7, epsilon),
            Step::Attack { attack, epsilon } => (1, attack << 16 | epsilon),
            Step::Certify { method, epsilon } => (2, method << 16 | epsilon),
        };
        input_seed(input_seed(self.audit.plan.seed ^ kind, at), self.index)
    }

    fn attack(&self, subject: &Subject, query: &Query, step: Step) -> Yield {
        let Step::Attack { attack, .. } = step else { return None };
        self.attacked(subject, query, &self.audit.plan.attacks[attack].settings, step)
    }

    /// What an attack gives; nothing where it was cancelled.
    pub(super) fn attacked(
        &self,
        subject: &Subject,
        query: &Query,
        settings: &AttackSettings,
        step: Step,
    ) -> Yield {
        let limit = self.audit.plan.timeout;
        let settings = subject.on_images(settings);
        let found = attack(query, &settings, self.seed(step), limit, self.stop)?;
        let finding = match &found {
            Some(_) => Finding::Falsified,
            None => Finding::Unknown("survived".to_owned()),
        };
        Some((Found::Verdict { finding, stage: None, bound: None }, kept(found.as_ref())))
    }

    /// Whether the predicted class is constant on the region. Only an input that no attack has seen is attacked here.
    fn certify(&self, query: &Query, method: usize, attacked: bool) -> Yield {
        let plan = self.audit.plan;
        let kind = if attacked { AttackKind::None } else { AttackKind::Pgd };
        let settings = Settings {
            method: plan.methods[method].method,
            attack: AttackSettings { kind, ..AttackSettings::default() },
            seed: self.seed(Step::Certify { method, epsilon: 0 }),
            timeout: plan.timeout,
            memory: None,
            lp_tighten: plan.methods[method].lp_tighten,
        };
        let outcome = decide(query, &settings, self.stop)?;
        let stage = outcome.stage.map(|stage| stage.to_string());
        let finding = Finding::of(&outcome.verdict);
        let kept = match &outcome.verdict {
            Verdict::Falsified(found) => kept(Some(found)),
            _ => Kept::new(),
        };
        Some((Found::Verdict { finding, stage, bound: outcome.bound }, kept))
    }
}
