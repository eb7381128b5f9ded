//! One input of an audit, step by step: classified, attacked and bounded at every radius.

use super::finding::{attack, decide};
use super::prediction::outputs;
use super::run::{Finished, RunError, Sink, Stop, Work, input_seed};
use super::shift::{Frame, Severity};
use super::{Entry, Finding, Found, Plan, Step};
use crate::attack::{AttackKind, AttackSettings, Counterexample};
use crate::load::Dataset;
use crate::net::Network;
use crate::num::Rational;
use crate::prove::Model;
use crate::query::{Classifier, Query, QueryError, arg_max};
use crate::spec::Norm;
use crate::verify::{Settings, Verdict};
use std::cell::Cell;
use std::time::Instant;

/// A model and the dataset that it is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Position of the model in the plan.
    pub(crate) model: usize,
    /// Position of the dataset in the plan.
    pub(crate) data: usize,
    /// The network and the dataset.
    pub(crate) classifier: &'a Classifier,
    /// The network as the proof checker reads it; why not, where it cannot or proofs are not asked for.
    pub(crate) checked: Result<&'a Model, &'a str>,
    /// How many of its inputs are asked about, from the first.
    pub(crate) inputs: usize,
    /// What the dataset's numbers are.
    pub(crate) frame: &'a Frame,
    /// Another dataset, whose inputs the network should be unsure about.
    pub(crate) outside: Option<&'a Dataset>,
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
    pub(crate) plan: &'a Plan,
    /// With what, in the order of [`Plan::subjects`].
    pub(crate) subjects: &'a [Subject<'a>],
    /// Whether time is measured.
    pub(crate) timed: bool,
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
        let (audit, subject) = (self, &self.subjects[at]);
        let input =
            Examination { audit, at, subject, index, held, stop, sink, evidence, euclidean };
        match input.run() {
            Err(Halt::Failed(error)) => Err(error),
            Ok(()) | Err(Halt::Stopped) => Ok(()),
        }
    }
}

/// One input under examination.
pub(super) struct Examination<'a, E> {
    pub(crate) audit: &'a Audit<'a>,
    at: usize,
    pub(crate) subject: &'a Subject<'a>,
    pub(crate) index: usize,
    held: &'a [Entry],
    pub(crate) stop: Stop<'a>,
    sink: Sink<'a, Entry, E>,
    /// Whether a counterexample is kept already, or need not be.
    evidence: Cell<bool>,
    /// The same for the Euclidean norm.
    euclidean: Cell<bool>,
}

/// Why the steps of an input end early.
pub(super) enum Halt<E> {
    /// The caller asked to stop.
    Stopped,
    Failed(RunError<E>),
}

impl<E> From<RunError<E>> for Halt<E> {
    fn from(error: RunError<E>) -> Self {
        Self::Failed(error)
    }
}

/// What a step yields.
pub(super) type Yield<E> = Result<(Found, Kept), Halt<E>>;

/// Contents of the files that may be kept of a step beside its entry; see [`Plan::evidence`].
pub(super) type Kept = Vec<Vec<u8>>;

/// The file of a counterexample.
pub(super) fn kept(found: Option<&Counterexample>) -> Kept {
    found.map(|found| found.write_vnncomp().into_bytes()).into_iter().collect()
}

impl<E> Examination<'_, E> {
    /// All steps.
    fn run(self) -> Result<(), Halt<E>> {
        let (subject, plan) = (self.subject, self.audit.plan);
        let data = subject.dataset();
        let clean = self.outputs(Step::Clean, data)?;
        if let Some(outside) = subject.outside.filter(|outside| self.index < outside.len()) {
            self.outputs(Step::Outside, outside)?;
        }
        if !plan.shifts.is_empty() {
            self.step(Step::Shifts, || Ok((Found::Classes(self.shifted()), Kept::new())))?;
        }
        let Found::Outputs(outputs) = clean.found else { return Ok(()) };
        let Some(predicted) = arg_max(&outputs) else { return Ok(()) };
        let correct = predicted == data.label(self.index);
        let certified = self.radii(predicted, correct)?;
        if correct { self.further(predicted, certified) } else { Ok(()) }
    }

    fn outputs(&self, step: Step, data: &Dataset) -> Result<Entry, Halt<E>> {
        self.step(step, || {
            let outputs = outputs(self.subject.network(), data.point(self.index));
            Ok((Found::Outputs(outputs), Kept::new()))
        })
    }

    /// The class under every corruption that applies, at every severity.
    fn shifted(&self) -> Vec<Option<usize>> {
        let (subject, plan) = (self.subject, self.audit.plan);
        let point = subject.dataset().point(self.index);
        let all =
            plan.shifts.iter().flat_map(|kind| Severity::ALL.map(|severity| (kind, severity)));
        let shifted = all.filter_map(|(kind, severity)| {
            kind.apply(&point, subject.frame, severity, plan.seed, self.index)
        });
        shifted.map(|point| arg_max(&outputs(subject.network(), point))).collect()
    }

    /// Attacks and methods, radius by radius: the largest radius that some method certified. A counterexample at one radius is
    /// one at every larger; a method that leaves an input undecided at one radius is not asked about it at a larger.
    fn radii(&self, predicted: usize, correct: bool) -> Result<Option<usize>, Halt<E>> {
        let plan = self.audit.plan;
        if !correct {
            self.evidence.set(true);
        }
        let (mut broken, mut certified) = (false, None);
        let mut hopeful = vec![true; plan.methods.len()];
        for (epsilon, radius) in plan.data[self.subject.data].epsilons.iter().enumerate() {
            let query = self.query(Norm::Linf, radius, predicted)?;
            for (attack, chosen) in plan.attacks.iter().enumerate().filter(|_| correct) {
                let step = Step::Attack { attack, epsilon };
                let entry = self.step(step, || self.attack(&query, &chosen.settings, step))?;
                broken |= entry.broken();
            }
            for (method, hopeful) in hopeful.iter_mut().enumerate() {
                if broken || !*hopeful {
                    continue;
                }
                let step = Step::Certify { method, epsilon };
                let entry = self.step(step, || self.certify(&query, method, correct))?;
                broken |= entry.broken();
                *hopeful =
                    matches!(&entry.found, Found::Verdict { finding: Finding::Certified(_), .. });
                if *hopeful {
                    certified = Some(epsilon);
                }
            }
        }
        Ok(certified)
    }

    /// Whether a class holds on a ball around the input.
    pub(super) fn query(
        &self,
        norm: Norm,
        radius: &Rational,
        label: usize,
    ) -> Result<Query, Halt<E>> {
        let query = self.subject.classifier.query_as(self.index, norm, radius, label);
        query.map_err(|source| self.no_query(source))
    }

    pub(super) fn no_query(&self, source: QueryError) -> Halt<E> {
        let file = self.subject.dataset().file().to_owned();
        RunError::Query { file, index: self.index, source }.into()
    }

    /// The step's entry: the one that is held, or a new one, handed to the sink.
    pub(super) fn step(
        &self,
        step: Step,
        run: impl FnOnce() -> Yield<E>,
    ) -> Result<Entry, Halt<E>> {
        if let Some(held) = self.held.iter().find(|entry| entry.step == step) {
            return Ok(held.clone());
        }
        if (self.stop)() {
            return Err(Halt::Stopped);
        }
        let started = Instant::now();
        let (found, kept) = run()?;
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
        Ok(line)
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

    /// What an attack gives.
    pub(super) fn attack(&self, query: &Query, settings: &AttackSettings, step: Step) -> Yield<E> {
        let limit = self.audit.plan.timeout;
        let settings = self.subject.on_images(settings);
        let found = attack(query, &settings, self.seed(step), limit, self.stop);
        let found = found.ok_or(Halt::Stopped)?;
        let finding = match &found {
            Some(_) => Finding::Falsified,
            None => Finding::Unknown("survived".to_owned()),
        };
        Ok((Found::Verdict { finding, stage: None, bound: None }, kept(found.as_ref())))
    }

    /// Whether the predicted class is constant on the region. Only an input that no attack has seen is attacked here.
    fn certify(&self, query: &Query, method: usize, attacked: bool) -> Yield<E> {
        let plan = self.audit.plan;
        let kind = if attacked { AttackKind::None } else { AttackKind::Pgd };
        let settings = Settings {
            method: plan.methods[method].method,
            attack: AttackSettings { kind, ..AttackSettings::default() },
            seed: self.seed(Step::Certify { method, epsilon: 0 }),
            timeout: plan.timeout,
            memory: None,
            lp_tighten: plan.methods[method].lp_tighten,
            work: Some(Settings::BRIEF),
        };
        let outcome = decide(query, &settings, self.stop).ok_or(Halt::Stopped)?;
        let stage = outcome.stage.map(|stage| stage.to_string());
        let finding = Finding::of(&outcome.verdict);
        let kept = match &outcome.verdict {
            Verdict::Falsified(found) => kept(Some(found)),
            _ => Kept::new(),
        };
        Ok((Found::Verdict { finding, stage, bound: outcome.bound }, kept))
    }
}
