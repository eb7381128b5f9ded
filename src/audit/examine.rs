//! One input of an audit, step by step: classified, attacked and bounded at every radius.

use super::campaign::{arg_max, input_seed};
use super::pool::{self, Stop};
use super::row::was_cancelled;
use super::semantic::SemanticError;
use super::shift::{Frame, Severity};
use super::{Clash, Ended, Entry, Evidence, Finding, Found, Plan, ProofText, Step};
use crate::attack::{self, AttackKind, AttackSettings, Counterexample};
use crate::load::Dataset;
use crate::net::{Matrix, Network};
use crate::prove::Model;
use crate::query::{Classifier, Query, QueryError};
use crate::spec::Norm;
use crate::verify::{Settings, Verdict, verify};
use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;
use thiserror::Error;

/// A model and the dataset that it is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
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
    #[must_use]
    pub fn dataset(&self) -> &'a Dataset {
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

/// The steps that are finished already, by subject and input.
pub type Held = HashMap<(usize, usize), Vec<Entry>>;

/// Takes over one finished step.
pub type Sink<'a, E> = &'a (dyn Fn(Evidence) -> Result<(), E> + Sync);

/// Why an audit ended early.
#[derive(Debug, Error)]
pub enum AuditError<E> {
    /// Nothing can be asked about an input.
    #[error("{}: input {index}: {source}", file.display())]
    Query {
        /// The dataset.
        file: PathBuf,
        /// Position in it.
        index: usize,
        /// Why.
        source: QueryError,
    },
    /// A semantic perturbation makes no question.
    #[error("{}: input {index}: {source}", file.display())]
    Semantic {
        /// The dataset.
        file: PathBuf,
        /// Position in it.
        index: usize,
        /// Why.
        source: SemanticError,
    },
    /// A certificate and a counterexample contradict each other.
    #[error(transparent)]
    Clash(Clash),
    /// The receiver of finished steps failed.
    #[error(transparent)]
    Sink(E),
    /// The threads could not be started.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// An audit ready to run.
pub struct Audit<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// With what, in the order of [`Plan::subjects`].
    pub subjects: &'a [Subject<'a>],
    /// Inputs handled at once.
    pub jobs: usize,
    /// Whether time is measured.
    pub timed: bool,
}

impl Audit<'_> {
    /// Does every step that `held` lacks and hands each to `sink` as soon as it is finished. What a step finds depends on
    /// nothing but the plan, the model and the input (and, under a time limit, on the machine), so an audit that was
    /// interrupted ends like one that was not.
    ///
    /// # Errors
    /// The first failure of a region, of `sink`, or to start threads.
    pub fn run<E: Send>(
        &self,
        held: &Held,
        cancel: Stop,
        sink: Sink<E>,
    ) -> Result<Ended, AuditError<E>> {
        let inputs = self.subjects.iter().enumerate();
        let all: Vec<(usize, usize)> =
            inputs.flat_map(|(at, s)| (0..s.inputs).map(move |index| (at, index))).collect();
        pool::each(self.jobs, all.len(), cancel, &|at, stop| {
            let (subject, index) = all[at];
            let held = held.get(&(subject, index)).map_or(&[][..], Vec::as_slice);
            let kept = |of: fn(Step) -> bool| {
                Cell::new(held.iter().any(|entry| entry.evidence && of(entry.step)))
            };
            let evidence = kept(|step| step.epsilon().is_some());
            let euclidean = kept(|step| matches!(step, Step::L2 { .. }));
            let (audit, at, certified) = (self, subject, Cell::new(None));
            let input =
                Examination { audit, at, index, held, stop, sink, evidence, euclidean, certified };
            input.run()
        })
    }
}

/// One input under examination.
pub(super) struct Examination<'a, E> {
    pub audit: &'a Audit<'a>,
    at: usize,
    pub index: usize,
    held: &'a [Entry],
    pub stop: Stop<'a>,
    sink: Sink<'a, E>,
    /// Whether a counterexample is kept already, or need not be.
    evidence: Cell<bool>,
    /// The same for the Euclidean norm.
    euclidean: Cell<bool>,
    /// The largest radius that some method certified.
    pub certified: Cell<Option<usize>>,
}

/// What a step yields: nothing where it was cancelled.
pub(super) type Yield = Option<(Found, Kept)>;

/// What may be kept of a step beside its entry.
pub(super) enum Kept {
    Nothing,
    Counterexample(Box<Counterexample>),
    Proof(ProofText),
}

impl From<Option<Counterexample>> for Kept {
    fn from(found: Option<Counterexample>) -> Self {
        found.map_or(Self::Nothing, |found| Self::Counterexample(Box::new(found)))
    }
}

impl<E> Examination<'_, E> {
    /// All steps; where a step is cancelled, those behind it are left.
    fn run(self) -> Result<(), AuditError<E>> {
        let subject = self.audit.subjects[self.at];
        let point = subject.dataset().point(self.index);
        let outputs = self.step(Step::Clean, || {
            let outputs = subject.network().evaluate(&Matrix::from_vec(point.len(), 1, point));
            Some((Found::Outputs(outputs.as_slice().to_vec()), Kept::Nothing))
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
    fn outside(&self, subject: &Subject) -> Result<bool, AuditError<E>> {
        let Some(outside) = subject.outside.filter(|outside| self.index < outside.len()) else {
            return Ok(true);
        };
        let done = self.step(Step::Outside, || {
            let point = outside.point(self.index);
            let outputs = subject.network().evaluate(&Matrix::from_vec(point.len(), 1, point));
            Some((Found::Outputs(outputs.as_slice().to_vec()), Kept::Nothing))
        })?;
        Ok(done.is_some())
    }

    fn shifts(&self, subject: &Subject) -> Result<bool, AuditError<E>> {
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
                    let shifted = Matrix::from_vec(shifted.len(), 1, shifted);
                    classes.push(arg_max(subject.network().evaluate(&shifted).as_slice()));
                }
            }
            Some((Found::Classes(classes), Kept::Nothing))
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
    ) -> Result<bool, AuditError<E>> {
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

    pub(super) fn no_query(&self, subject: &Subject, source: QueryError) -> AuditError<E> {
        let file = subject.dataset().file().to_owned();
        AuditError::Query { file, index: self.index, source }
    }

    /// The step's entry: the one that is held, or a new one, handed to the sink.
    pub(super) fn step(
        &self,
        step: Step,
        run: impl FnOnce() -> Yield,
    ) -> Result<Option<Entry>, AuditError<E>> {
        if let Some(held) = self.held.iter().find(|entry| entry.step == step) {
            return Ok(Some(held.clone()));
        }
        if (self.stop)() {
            return Ok(None);
        }
        let started = Instant::now();
        let Some((found, kept)) = run() else { return Ok(None) };
        let seconds = self.audit.timed.then(|| started.elapsed().as_secs_f64());
        let evidence = match (&kept, step) {
            (Kept::Nothing, _) => false,
            (_, Step::Attack { .. } | Step::Certify { .. }) => !self.evidence.replace(true),
            (_, Step::L2 { .. }) => !self.euclidean.replace(true),
            _ => true,
        };
        let entry = Entry { subject: self.at, index: self.index, step, found, evidence, seconds };
        let (counterexample, proof) = match kept {
            Kept::Counterexample(found) if evidence => (Some(*found), None),
            Kept::Proof(proof) => (None, Some(proof)),
            _ => (None, None),
        };
        (self.sink)(Evidence { entry: entry.clone(), counterexample, proof })
            .map_err(AuditError::Sink)?;
        Ok(Some(entry))
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
        let plan = self.audit.plan;
        let deadline = plan.timeout.and_then(|limit| Instant::now().checked_add(limit));
        let stop = || (self.stop)() || deadline.is_some_and(|end| Instant::now() >= end);
        let settings = subject.on_images(&plan.attacks[attack].settings);
        let found = attack::attack(query, 0, &settings, self.seed(step), &stop);
        self.attacked(found)
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
        let outcome = verify(query, &settings, self.stop);
        if was_cancelled(&outcome)
            || ((self.stop)() && matches!(outcome.verdict, Verdict::Unknown(_)))
        {
            return None;
        }
        let stage = outcome.stage.map(|stage| stage.to_string());
        let (finding, counterexample) = match outcome.verdict {
            Verdict::Certified(proof) => (Finding::Certified(proof.level()), None),
            Verdict::Falsified(found) => (Finding::Falsified, Some(*found)),
            Verdict::Unknown(why) => (Finding::Unknown(why.reason.to_string()), None),
        };
        Some((Found::Verdict { finding, stage, bound: outcome.bound }, counterexample.into()))
    }
}
