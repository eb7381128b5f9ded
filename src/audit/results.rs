//! From finished steps to verdicts: per input and radius, all attacks and methods taken together, contradictions refused.
//!
//! With B_ε the region of an input at radius ε, B_ε ⊆ B_ε' for ε ≤ ε'. So a counterexample at ε refutes every ε' ≥ ε, a certificate at
//! ε' holds at every ε ≤ ε', and a certificate at ε' with a counterexample at ε ≤ ε' is a contradiction, whoever found them.

use super::metrics::unproved;
use super::prediction::arg_max;
use super::radius::Bracket;
use super::{Entry, Finding, Found, Plan, Step, Subject};
use crate::attack::Gradients;
use crate::num::Rational;
use crate::verify::AssuranceLevel;
use thiserror::Error;

/// A certificate at one radius.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// What must be trusted.
    pub level: AssuranceLevel,
    /// The stage that decided.
    pub stage: Option<String>,
    /// The least proven margin at `epsilon`.
    pub bound: Option<f64>,
    /// Position of the radius that it was found at: this one, or a larger one.
    pub epsilon: usize,
}

/// What is known of an input at one radius: about the claim that the predicted class is constant on the region.
#[derive(Debug, Clone, PartialEq)]
pub struct AtRadius {
    /// For each attack, whether it found a counterexample at this radius; `None` where it was not run.
    pub attacks: Vec<Option<bool>>,
    /// For each method, its certificate.
    pub methods: Vec<Option<Proof>>,
    /// The verdict: misclassified where the prediction is wrong to begin with.
    pub finding: Finding,
    /// What decided: the attack, or the stage of the cheapest method that certified.
    pub by: Option<String>,
    /// The least proven margin; where nothing is certified, the best bound known.
    pub bound: Option<f64>,
    /// Position of the radius whose counterexample is kept as evidence: this one, or a smaller one.
    pub evidence: Option<usize>,
    /// Position of the radius whose proof was checked and is kept: this one, or a larger one.
    pub checked: Option<usize>,
    /// Whether the predicted class, right or wrong, is constant on the region; `None` where that is open.
    pub constant: Option<bool>,
    /// Time of the steps at this radius.
    pub seconds: Option<f64>,
}

/// What is known of one input.
#[derive(Debug, Clone, PartialEq)]
pub struct InputResult {
    /// Position in the dataset.
    pub index: usize,
    /// The dataset's class.
    pub label: usize,
    /// The network's class; `None` where the largest output is not unique or is NaN.
    pub predicted: Option<usize>,
    /// The network's outputs in double precision.
    pub outputs: Vec<f64>,
    /// One for each radius of the dataset.
    pub radii: Vec<AtRadius>,
    /// The outputs at the input of the same position in the outside dataset.
    pub outside: Option<Vec<f64>>,
    /// The predicted class under each corruption and severity.
    pub shifted: Option<Vec<Option<usize>>>,
    /// For each Euclidean radius and attack, whether it found a counterexample; empty where none was run.
    pub euclidean: Vec<Vec<bool>>,
    /// For each semantic perturbation what was found.
    pub semantics: Vec<Option<Finding>>,
    /// What bisection found.
    pub radius: Option<Bracket>,
    /// The gradient at the input, and whether it was broken at each radius of the ladder.
    pub gradients: Option<(Gradients, Vec<bool>)>,
    /// The robust radius lies between: the largest certified radius, by any step, and the smallest broken one.
    pub bracket: [Option<Rational>; 2],
}

/// What is known of a model on a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct SubjectResults {
    /// Position of the model in the plan.
    pub model: usize,
    /// Position of the dataset in the plan.
    pub data: usize,
    /// The inputs, in order.
    pub inputs: Vec<InputResult>,
}

/// Steps that contradict each other, or are missing: an error in this program or a damaged journal, never a result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{model} on {data}, input {index}: {what}")]
pub struct Clash {
    /// The model's name.
    pub model: String,
    /// The dataset's name.
    pub data: String,
    /// Position of the input.
    pub index: usize,
    /// What is wrong.
    pub what: String,
}

/// The verdicts of a finished audit, in the order of [`Plan::subjects`].
///
/// # Errors
/// Where an input is certified and broken at once, a certificate has no positive margin, or a step is missing.
pub fn results(
    plan: &Plan,
    subjects: &[Subject],
    entries: &[Entry],
) -> Result<Vec<SubjectResults>, Clash> {
    let mut sorted: Vec<Vec<Vec<&Entry>>> =
        subjects.iter().map(|subject| vec![Vec::new(); subject.inputs]).collect();
    for entry in entries {
        if let Some(place) = sorted.get_mut(entry.subject).and_then(|s| s.get_mut(entry.index)) {
            place.push(entry);
        }
    }
    let each = subjects.iter().zip(&sorted).map(|(subject, sorted)| {
        let inputs = sorted.iter().enumerate().map(|(index, entries)| {
            let clash = |what: String| Clash {
                model: plan.models[subject.model].name.clone(),
                data: plan.data[subject.data].name.clone(),
                index,
                what,
            };
            input(plan, subject, index, entries).map_err(clash)
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        Ok(SubjectResults { model: subject.model, data: subject.data, inputs })
    });
    each.collect()
}

fn input(
    plan: &Plan,
    subject: &Subject,
    index: usize,
    entries: &[&Entry],
) -> Result<InputResult, String> {
    let find = |step: Step| entries.iter().find(|entry| entry.step == step);
    let Some(Entry { found: Found::Outputs(outputs), .. }) = find(Step::Clean).copied() else {
        return Err("its outputs are missing".to_owned());
    };
    let label = subject.dataset().label(index);
    let predicted = arg_max(outputs);
    let count = plan.data[subject.data].epsilons.len();
    let steps = Steps { plan, entries };
    let radii = (0..count)
        .map(|epsilon| steps.at(epsilon, count, predicted == Some(label)))
        .collect::<Result<Vec<_>, _>>()?;
    let radius = find(Step::Radius).and_then(|entry| match &entry.found {
        Found::Radius(bracket) => Some(bracket.clone()),
        _ => None,
    });
    let correct = predicted == Some(label);
    let epsilons = &plan.data[subject.data].epsilons;
    let bracket =
        if correct { bracket(epsilons, &radii, radius.as_ref())? } else { [const { None }; 2] };
    Ok(InputResult {
        index,
        label,
        predicted,
        outputs: outputs.clone(),
        outside: find(Step::Outside).and_then(|entry| match &entry.found {
            Found::Outputs(outputs) => Some(outputs.clone()),
            _ => None,
        }),
        shifted: find(Step::Shifts).and_then(|entry| match &entry.found {
            Found::Classes(classes) => Some(classes.clone()),
            _ => None,
        }),
        euclidean: steps.euclidean(plan.data[subject.data].l2_epsilons.len()),
        semantics: (0..plan.semantics.len())
            .map(|semantic| steps.verdict(Step::Semantic { semantic }).map(|v| v.0.clone()))
            .collect(),
        gradients: find(Step::Masking).and_then(|entry| match &entry.found {
            Found::Gradients { gradients, broken } => Some((*gradients, broken.clone())),
            _ => None,
        }),
        radius,
        radii,
        bracket,
    })
}

/// The largest radius with a certificate and the smallest with a counterexample, by all steps together.
fn bracket(
    epsilons: &[Rational],
    radii: &[AtRadius],
    search: Option<&Bracket>,
) -> Result<[Option<Rational>; 2], String> {
    let at = epsilons.iter().zip(radii);
    let certified = at.clone().filter(|(_, known)| matches!(known.finding, Finding::Certified(_)));
    let broken = at.filter(|(_, known)| known.finding == Finding::Falsified);
    let certified = certified
        .map(|(epsilon, _)| epsilon.clone())
        .chain(search.and_then(|bracket| bracket.certified.clone()))
        .max();
    let broken = broken
        .map(|(epsilon, _)| epsilon.clone())
        .chain(search.and_then(|bracket| bracket.attacked.clone()))
        .min();
    match (&certified, &broken) {
        (Some(low), Some(high)) if low >= high => {
            Err(format!("it is certified up to {low} and broken at {high}"))
        }
        _ => Ok([certified, broken]),
    }
}

/// The steps on one input.
struct Steps<'a> {
    plan: &'a Plan,
    entries: &'a [&'a Entry],
}

impl Steps<'_> {
    fn verdict(&self, step: Step) -> Option<(&Finding, Option<&String>, Option<f64>)> {
        let entry = self.entries.iter().find(|entry| entry.step == step)?;
        match &entry.found {
            Found::Verdict { finding, stage, bound } => Some((finding, stage.as_ref(), *bound)),
            _ => None,
        }
    }

    /// Whether Euclidean attacks broke the input, by radius and attack.
    fn euclidean(&self, radii: usize) -> Vec<Vec<bool>> {
        let broke = |epsilon| {
            let attacks = (0..self.plan.l2_attacks.len()).map(move |attack| {
                let verdict = self.verdict(Step::L2 { attack, epsilon })?;
                Some(*verdict.0 == Finding::Falsified)
            });
            attacks.collect::<Option<Vec<bool>>>()
        };
        let all: Option<Vec<_>> = (0..radii).map(broke).collect();
        all.filter(|_| !self.plan.l2_attacks.is_empty()).unwrap_or_default()
    }

    /// The position of the radius whose proof was checked: this one, or a larger one.
    fn checked(&self, epsilon: usize, count: usize) -> Option<usize> {
        let accepted = |at: &usize| {
            let verdict = self.verdict(Step::Proof { epsilon: *at });
            matches!(verdict, Some((Finding::Certified(_), _, _)))
        };
        (epsilon..count).find(accepted)
    }

    /// The certificate of a method at a radius: found there, or at a larger one.
    fn proof(&self, method: usize, epsilon: usize, count: usize) -> Result<Option<Proof>, String> {
        for at in epsilon..count {
            let verdict = self.verdict(Step::Certify { method, epsilon: at });
            if let Some((Finding::Certified(level), stage, bound)) = verdict {
                if unproved(bound, stage.map(String::as_str)) {
                    return Err("it is certified with a margin that is not positive".to_owned());
                }
                let stage = stage.cloned();
                return Ok(Some(Proof { level: *level, stage, bound, epsilon: at }));
            }
        }
        Ok(None)
    }

    /// Who broke it at this radius or a smaller one, and at which radius first.
    fn broken(&self, epsilon: usize) -> Option<(String, usize)> {
        (0..=epsilon).find_map(|at| {
            let attacks =
                self.plan.attacks.iter().enumerate().map(|(attack, plan)| {
                    (Step::Attack { attack, epsilon: at }, plan.name.clone())
                });
            let methods =
                self.plan.methods.iter().enumerate().map(|(method, plan)| {
                    (Step::Certify { method, epsilon: at }, plan.name.clone())
                });
            let broke = |step| matches!(self.verdict(step), Some((Finding::Falsified, _, _)));
            let mut all = attacks.chain(methods);
            all.find(|(step, _)| broke(*step)).map(|(_, name)| (name, at))
        })
    }

    fn at(&self, epsilon: usize, count: usize, correct: bool) -> Result<AtRadius, String> {
        let attacks = (0..self.plan.attacks.len()).map(|attack| {
            let verdict = self.verdict(Step::Attack { attack, epsilon });
            verdict.map(|(finding, _, _)| *finding == Finding::Falsified)
        });
        let attacks: Vec<Option<bool>> = attacks.collect();
        if correct && attacks.contains(&None) {
            return Err("an attack is missing".to_owned());
        }
        let methods = (0..self.plan.methods.len())
            .map(|method| self.proof(method, epsilon, count))
            .collect::<Result<Vec<_>, _>>()?;
        let broken = self.broken(epsilon);
        let proof = methods.iter().flatten().next().cloned();
        let checked = self.checked(epsilon, count).filter(|_| correct);
        let (finding, by, bound) = match (&broken, &proof) {
            (Some((name, _)), Some(proof)) => {
                let stage = proof.stage.as_deref().unwrap_or("a method");
                return Err(format!("it is certified by {stage} and broken by {name}"));
            }
            (Some((name, _)), None) => (Finding::Falsified, Some(name.clone()), None),
            (None, Some(proof)) => {
                let level = if checked.is_some() { AssuranceLevel::Proved } else { proof.level };
                (Finding::Certified(level), proof.stage.clone(), proof.bound)
            }
            (None, None) => {
                let (reason, bound) = self.why(epsilon);
                (Finding::Unknown(reason), None, bound)
            }
        };
        let constant = match finding {
            Finding::Certified(_) => Some(true),
            Finding::Falsified => Some(false),
            _ => None,
        };
        let evidence = broken.map(|(_, at)| at).filter(|_| correct);
        let (finding, by, bound) =
            if correct { (finding, by, bound) } else { (Finding::Misclassified, None, None) };
        let here = self.entries.iter().filter(|entry| entry.step.epsilon() == Some(epsilon));
        let seconds = here.filter_map(|entry| entry.seconds).reduce(|a, b| a + b);
        Ok(AtRadius { attacks, methods, finding, by, bound, evidence, checked, constant, seconds })
    }

    /// Why an input is undecided at a radius, and its best bound there.
    fn why(&self, epsilon: usize) -> (String, Option<f64>) {
        if self.plan.methods.is_empty() {
            return ("only attacked".to_owned(), None);
        }
        let verdicts = (0..self.plan.methods.len())
            .filter_map(|method| self.verdict(Step::Certify { method, epsilon }));
        let mut why = ("undecided at a smaller radius".to_owned(), None);
        for (finding, _, bound) in verdicts {
            if let Finding::Unknown(reason) = finding {
                let best = [why.1, bound].into_iter().flatten().reduce(f64::max);
                why = (reason.clone(), best);
            }
        }
        why
    }
}
