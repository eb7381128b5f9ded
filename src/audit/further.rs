//! The further steps on an input that is classified correctly: Euclidean attacks, semantic perturbations, radii, masked gradients.

use super::examine::{Examination, Kept, Subject, kept};
use super::finding::{attack, prove};
use super::radius::{Grid, NoBracket, RadiusSearch};
use super::run::RunError;
use super::semantic::{self, Scene};
use super::{Clash, Finding, Found, Step};
use crate::attack::{AttackKind, AttackSettings, Gradients, probe_gradients};
use crate::net::Matrix;
use crate::num::Rational;
use crate::spec::Norm;
use crate::verify::{AssuranceLevel, Method, ProofWish, Settings};

impl<E> Examination<'_, E> {
    /// All further steps that the plan asks for; where one is cancelled, those behind it are left.
    pub(super) fn further(&self, subject: &Subject, label: usize) -> Result<(), RunError<E>> {
        let _ = self.prove(subject)?
            && self.euclidean(subject, label)?
            && self.semantics(subject, label)?
            && self.radius(subject)?
            && self.masking(subject, label)?;
        Ok(())
    }

    /// The time at which a step that begins now has to end, and whether it should stop.
    fn settings(&self, method: Method, attack: AttackSettings, step: Step) -> Settings {
        let timeout = self.audit.plan.timeout;
        Settings { method, attack, seed: self.seed(step), timeout, memory: None, lp_tighten: 0 }
    }

    /// A proof for the largest certified radius, where proofs are asked for.
    fn prove(&self, subject: &Subject) -> Result<bool, RunError<E>> {
        let plan = self.audit.plan;
        let (Some(wish), Some(epsilon)) = (&plan.proofs, self.certified.get()) else {
            return Ok(true);
        };
        if wish.inputs.is_some_and(|inputs| self.index >= inputs) {
            return Ok(true);
        }
        let step = Step::Proof { epsilon };
        let radius = &plan.data[subject.data].epsilons[epsilon];
        let outputs = subject.classifier.own().outputs();
        let property = subject
            .dataset()
            .vnnlib(self.index, radius, outputs)
            .map_err(|source| self.no_query(subject, source.into()))?;
        let done = self.step(step, || {
            let attack = AttackSettings { kind: AttackKind::None, ..AttackSettings::default() };
            let settings = self.settings(wish.method, attack, step);
            let found = self.proof(subject, property, &settings);
            let cut_short = (self.stop)() && found.is_err();
            (!cut_short).then(|| match found {
                Ok(proof) => {
                    let finding = Finding::Certified(AssuranceLevel::Proved);
                    let stage = Some("checked proof".to_owned());
                    (Found::Verdict { finding, stage, bound: None }, proof)
                }
                Err(why) => {
                    let finding = Finding::Unknown(why);
                    (Found::Verdict { finding, stage: None, bound: None }, Kept::new())
                }
            })
        })?;
        Ok(done.is_some())
    }

    /// The proof that the checker accepted, and the property; or why there is none.
    fn proof(
        &self,
        subject: &Subject,
        property: String,
        settings: &Settings,
    ) -> Result<Kept, String> {
        let (model, named) = (subject.checked?, ("the property", property.as_str()));
        let wish = ProofWish::CHECKED;
        let (_, proved) = prove(subject.classifier, model, named, settings, wish, self.stop)?;
        match proved {
            Some(Ok(proved)) => Ok(vec![proved.proof.to_bytes(), property.into_bytes()]),
            Some(Err(why)) => Err(why.to_string()),
            None => Err("a counterexample was found".to_owned()),
        }
    }

    fn euclidean(&self, subject: &Subject, label: usize) -> Result<bool, RunError<E>> {
        let plan = self.audit.plan;
        for (epsilon, radius) in plan.data[subject.data].l2_epsilons.iter().enumerate() {
            if plan.l2_attacks.is_empty() {
                break;
            }
            let query = subject
                .classifier
                .query_as(self.index, Norm::L2, radius, label)
                .map_err(|source| self.no_query(subject, source))?;
            for (attack, chosen) in plan.l2_attacks.iter().enumerate() {
                let step = Step::L2 { attack, epsilon };
                let done =
                    self.step(step, || self.attacked(subject, &query, &chosen.settings, step))?;
                if done.is_none() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn semantics(&self, subject: &Subject, label: usize) -> Result<bool, RunError<E>> {
        let Some(image) = subject.frame.image() else { return Ok(true) };
        for (at, plan) in self.audit.plan.semantics.iter().enumerate() {
            if plan.inputs.is_some_and(|inputs| self.index >= inputs) {
                continue;
            }
            let step = Step::Semantic { semantic: at };
            let mut failure = None;
            let done = self.step(step, || {
                let values = subject.dataset().exact(self.index);
                let scene = Scene { image, values: &values, domain: subject.dataset().domain() };
                let perturbations = plan.kind.perturbations(image);
                let settings = self.settings(plan.method, AttackSettings::default(), step);
                let found = semantic::certify(
                    subject.network(),
                    &scene,
                    label,
                    &perturbations,
                    &settings,
                    self.stop,
                );
                match found {
                    Ok(found) => {
                        let found = found?;
                        let (finding, stage, bound) = (found.finding, found.stage, found.bound);
                        let broken = found.broken.as_ref().map(|broken| &broken.counterexample);
                        Some((Found::Verdict { finding, stage, bound }, kept(broken)))
                    }
                    Err(source) => {
                        failure = Some(source);
                        None
                    }
                }
            })?;
            if let Some(source) = failure {
                let file = subject.dataset().file().to_owned();
                return Err(RunError::Semantic { file, index: self.index, source });
            }
            if done.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn radius(&self, subject: &Subject) -> Result<bool, RunError<E>> {
        let plan = self.audit.plan;
        let Some(wish) =
            plan.radius.as_ref().filter(|wish| wish.inputs.is_none_or(|n| self.index < n))
        else {
            return Ok(true);
        };
        let data = &plan.data[subject.data];
        let Ok(grid) = Grid::new(&data.radius_up_to, &data.radius_step(wish.steps)) else {
            return Ok(true);
        };
        let settings = self.settings(wish.method, AttackSettings::default(), Step::Radius);
        let (classifier, inputs) = (subject.classifier, subject.inputs);
        let search = RadiusSearch { classifier, inputs, grid: &grid, settings: &settings };
        let mut failure = None;
        let done = self.step(Step::Radius, || match search.enclose(self.index, self.stop) {
            Ok((row, _)) => row.correct.then_some((Found::Radius(row.bracket), Kept::new())),
            Err(NoBracket::Stopped) => None,
            Err(NoBracket::Failed(source)) => {
                failure = Some(self.no_query(subject, source));
                None
            }
            Err(NoBracket::Contradiction { certified, attacked }) => {
                failure = Some(RunError::Clash(Clash {
                    model: plan.models[subject.model].name.clone(),
                    data: data.name.clone(),
                    index: self.index,
                    what: format!("it is certified up to {certified} and broken at {attacked}"),
                }));
                None
            }
        })?;
        match failure {
            Some(failure) => Err(failure),
            None => Ok(done.is_some()),
        }
    }

    fn masking(&self, subject: &Subject, label: usize) -> Result<bool, RunError<E>> {
        let plan = self.audit.plan;
        if self.index >= plan.masking {
            return Ok(true);
        }
        let mut queries = Vec::new();
        for radius in plan.ladder(subject.data, subject.dataset()) {
            let query = subject.classifier.query_as(self.index, Norm::Linf, &radius, label);
            queries.push(query.map_err(|source| self.no_query(subject, source))?);
        }
        let done = self.step(Step::Masking, || {
            let point = subject.dataset().point(self.index);
            let points = Matrix::from_vec(point.len(), 1, point);
            let gradients: Gradients = probe_gradients(subject.network(), &points, &[label]);
            let settings = AttackSettings { kind: AttackKind::Pgd, ..AttackSettings::default() };
            let mut broken = Vec::new();
            for query in &queries {
                let seed = self.seed(Step::Masking);
                broken.push(attack(query, &settings, seed, None, self.stop)?.is_some());
            }
            Some((Found::Gradients { gradients, broken }, Kept::new()))
        })?;
        Ok(done.is_some())
    }
}

/// How many times the largest radius the ladder of [`super::Plan::ladder`] goes on, where the data have no domain.
pub(super) const LADDER: [i32; 5] = [1, 2, 4, 8, 16];

/// The ladder's radii: multiples of the largest, up to the widest range of a value where that is known.
pub(super) fn ladder(largest: &Rational, width: Option<Rational>) -> Vec<Rational> {
    let multiples = LADDER.iter().map(|&n| largest * Rational::from_integer(n.into()));
    match width {
        None => multiples.collect(),
        Some(width) => multiples.filter(|radius| *radius < width).chain([width.clone()]).collect(),
    }
}
