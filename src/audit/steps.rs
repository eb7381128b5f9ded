//! The further steps on an input that is classified correctly: Euclidean attacks, semantic perturbations, radii, masked gradients.

use super::examine::{Examination, Halt, Kept, Yield, kept};
use super::finding::{attack, prove};
use super::radius::{Grid, NoBracket, RadiusSearch};
use super::run::RunError;
use super::semantic::{self, Scene};
use super::{Clash, Finding, Found, Plan, ProofPlan, RadiusPlan, SemanticPlan, Step};
use crate::attack::{AttackKind, AttackSettings, probe_gradients};
use crate::net::Matrix;
use crate::num::Rational;
use crate::prove::Verified;
use crate::query::Query;
use crate::spec::Norm;
use crate::verify::{AssuranceLevel, Method, ProofWish, Settings, Verdict};

impl<E> Examination<'_, E> {
    /// All further steps that the plan asks for; `certified` is the largest certified radius.
    pub(super) fn further(&self, label: usize, certified: Option<usize>) -> Result<(), Halt<E>> {
        let plan: &Plan = self.audit.plan;
        let data = &plan.data[self.subject.data];
        let asked = |inputs: Option<usize>| inputs.is_none_or(|inputs| self.index < inputs);
        if let (Some(wish), Some(epsilon)) = (&plan.proofs, certified)
            && asked(wish.inputs)
        {
            self.step(Step::Proof { epsilon }, || self.prove(wish, epsilon))?;
        }
        let radii = data.l2_epsilons.iter().enumerate();
        for (epsilon, radius) in radii.filter(|_| !plan.l2_attacks.is_empty()) {
            let query = self.query(Norm::L2, radius, label)?;
            for (attack, chosen) in plan.l2_attacks.iter().enumerate() {
                let step = Step::L2 { attack, epsilon };
                self.step(step, || self.attack(&query, &chosen.settings, step))?;
            }
        }
        for (semantic, wish) in plan.semantics.iter().enumerate() {
            if self.subject.frame.image().is_some() && asked(wish.inputs) {
                let step = Step::Semantic { semantic };
                self.step(step, || self.semantic(wish, label, step))?;
            }
        }
        if let Some(wish) = plan.radius.as_ref().filter(|wish| asked(wish.inputs))
            && let Ok(grid) = Grid::new(&data.radius_up_to, &data.radius_step(wish.steps))
        {
            self.step(Step::Radius, || self.radius(wish, &grid))?;
        }
        if self.index < plan.masking {
            let ladder = plan.ladder(self.subject.data, self.subject.dataset());
            let queries = ladder.iter().map(|radius| self.query(Norm::Linf, radius, label));
            let queries = queries.collect::<Result<Vec<Query>, _>>()?;
            self.step(Step::Masking, || self.masking(&queries, label))?;
        }
        Ok(())
    }

    fn settings(&self, method: Method, attack: AttackSettings, step: Step) -> Settings {
        let timeout = self.audit.plan.timeout;
        let work = Some(Settings::BRIEF);
        Settings { method, attack, seed: self.seed(step), timeout, work, ..Settings::default() }
    }

    fn prove(&self, wish: &ProofPlan, epsilon: usize) -> Yield<E> {
        let subject = self.subject;
        let radius = &self.audit.plan.data[subject.data].epsilons[epsilon];
        let outputs = subject.classifier.own().outputs();
        let property = subject.dataset().vnnlib(self.index, radius, outputs);
        let property = property.map_err(|source| self.no_query(source.into()))?;
        let (finding, stage, kept) = match self.proof(wish, epsilon, property) {
            Ok((level, kept)) => {
                (Finding::Certified(level), Some("checked proof".to_owned()), kept)
            }
            Err(_) if (self.stop)() => return Err(Halt::Stopped),
            Err(why) => (Finding::Unknown(why), None, Kept::new()),
        };
        Ok((Found::Verdict { finding, stage, bound: None }, kept))
    }

    /// The proof that a checker accepted and the property, with what it is worth; or why there is none.
    fn proof(
        &self,
        wish: &ProofPlan,
        epsilon: usize,
        property: String,
    ) -> Result<(AssuranceLevel, Kept), String> {
        let attack = AttackSettings { kind: AttackKind::None, ..AttackSettings::default() };
        let settings = self.settings(wish.method, attack, Step::Proof { epsilon });
        let (model, named) = (self.subject.checked?, ("the property", property.as_str()));
        let verified = wish.verified.clone().map(Verified);
        let (verified, patient) = (verified.as_ref(), !self.audit.timed);
        let wish = ProofWish { verified, patient, ..ProofWish::CHECKED };
        let classifier = self.subject.classifier;
        let (outcome, proved) = prove(classifier, model, named, &settings, wish, self.stop)?;
        match (outcome.verdict, proved) {
            (Verdict::Certified(found), Some(Ok(proved))) => {
                Ok((found.level(), vec![proved.proof.to_bytes(), property.into_bytes()]))
            }
            (_, Some(Err(why))) => Err(why.to_string()),
            _ => Err("a counterexample was found".to_owned()),
        }
    }

    fn semantic(&self, wish: &SemanticPlan, label: usize, step: Step) -> Yield<E> {
        let subject = self.subject;
        let data = subject.dataset();
        let image = subject.frame.image().ok_or(Halt::Stopped)?;
        let values = data.exact(self.index);
        let scene = Scene { image, values: &values, domain: data.domain() };
        let perturbations = wish.kind.perturbations(image);
        let settings = self.settings(wish.method, AttackSettings::default(), step);
        let network = subject.network();
        let found = semantic::certify(network, &scene, label, &perturbations, &settings, self.stop)
            .map_err(|source| {
                let file = data.file().to_owned();
                RunError::Semantic { file, index: self.index, source }
            })?;
        let found = found.ok_or(Halt::Stopped)?;
        let (finding, stage, bound) = (found.finding, found.stage, found.bound);
        let broken = found.broken.as_ref().map(|broken| &broken.counterexample);
        Ok((Found::Verdict { finding, stage, bound }, kept(broken)))
    }

    fn radius(&self, wish: &RadiusPlan, grid: &Grid) -> Yield<E> {
        let (plan, subject) = (self.audit.plan, self.subject);
        let settings = self.settings(wish.method, AttackSettings::default(), Step::Radius);
        let (classifier, inputs) = (subject.classifier, subject.inputs);
        let search = RadiusSearch { classifier, inputs, grid, settings: &settings };
        match search.enclose(self.index, self.stop) {
            Ok((row, _)) => Ok((Found::Radius(row.bracket), Kept::new())),
            Err(NoBracket::Stopped) => Err(Halt::Stopped),
            Err(NoBracket::Failed(source)) => Err(self.no_query(source)),
            Err(NoBracket::Contradiction { certified, attacked }) => {
                let clash = Clash {
                    model: plan.models[subject.model].name.clone(),
                    data: plan.data[subject.data].name.clone(),
                    index: self.index,
                    what: format!("it is certified up to {certified} and broken at {attacked}"),
                };
                Err(RunError::from(clash).into())
            }
        }
    }

    fn masking(&self, queries: &[Query], label: usize) -> Yield<E> {
        let point = self.subject.dataset().point(self.index);
        let points = Matrix::from_vec(point.len(), 1, point);
        let gradients = probe_gradients(self.subject.network(), &points, &[label]);
        let settings = AttackSettings { kind: AttackKind::Pgd, ..AttackSettings::default() };
        let seed = self.seed(Step::Masking);
        let mut broken = Vec::new();
        for query in queries {
            let found = attack(query, &settings, seed, None, self.stop);
            broken.push(found.ok_or(Halt::Stopped)?.is_some());
        }
        Ok((Found::Gradients { gradients, broken }, Kept::new()))
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
