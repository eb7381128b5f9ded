//! From finished steps to verdicts: per input and radius, all attacks and methods taken together, contradictions refused.
//!
//! With B_ε the region of an input at radius ε, B_ε ⊆ B_ε' for ε ≤ ε'. So a counterexample at ε refutes every ε' ≥ ε, a certificate at
//! ε' holds at every ε ≤ ε', and a certificate at ε' with a counterexample at ε ≤ ε' is a contradiction, whoever found them.

use super::metrics::unproved;
use super::radius::Bracket;
use super::{
    AttackResult, Entry, FileRecord, Finding, Found, Line as _, Plan, Step, Subject, VerdictName,
};
use crate::attack::Gradients;
use crate::num::{Rational, to_f64_nearest};
use crate::query::arg_max;
use crate::verify::AssuranceLevel;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// A file that shows a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Evidence {
    /// The file, relative to the report.
    pub(crate) file: String,
    /// SHA-256 of it.
    pub(crate) sha256: String,
    /// Of a proof, the property that it proves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) property: Option<FileRecord>,
}

/// What is known of an input at one radius: a row of an audit's report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AuditRow {
    pub(crate) model: String,
    pub(crate) data: String,
    /// Position in the dataset.
    pub(crate) index: usize,
    /// The dataset's class.
    pub(crate) label: usize,
    /// The network's class; `None` where the largest output is not unique or is NaN.
    pub(crate) predicted: Option<usize>,
    /// The radius, exact.
    pub(crate) epsilon: String,
    /// The verdict: all attacks and methods taken together; misclassified where the prediction is wrong to begin with.
    pub(crate) verdict: VerdictName,
    /// The attack that decided, or the stage of the cheapest method that certified.
    pub(crate) by: Option<String>,
    /// What must be trusted, where certified.
    pub(crate) assurance: Option<AssuranceLevel>,
    /// Why, where unknown.
    pub(crate) reason: Option<String>,
    /// The least proven margin; where nothing is certified, the best bound known.
    pub(crate) margin_bound: Option<f64>,
    /// What single-precision arithmetic may be off by in that margin, estimated; where the row is certified and something is known.
    #[serde(default)]
    pub(crate) rounding_error: Option<f64>,
    /// The margin in units of it.
    #[serde(default)]
    pub(crate) margin_in_errors: Option<f64>,
    /// Whether the predicted class, right or wrong, is constant on the region; `None` where that is open.
    pub(crate) constant: Option<bool>,
    /// The largest radius with a certificate, by any step; `None` where there is none.
    pub(crate) certified_radius: Option<f64>,
    /// The smallest radius with a counterexample; `None` where there is none.
    pub(crate) attacked_radius: Option<f64>,
    /// For each attack that was run, what it achieved at this radius.
    pub(crate) attacks: BTreeMap<String, AttackResult>,
    /// For each method: `certified` or `not certified`.
    pub(crate) methods: BTreeMap<String, String>,
    /// The counterexample, where falsified; the proof, where one was checked.
    pub(crate) evidence: Option<Evidence>,
    /// Time of the steps at this radius. Varies between runs.
    pub(crate) seconds: Option<f64>,
    /// The files that the evidence is made of.
    #[serde(skip)]
    pub(crate) files: Vec<String>,
}

impl AuditRow {
    /// Whether the input as it is gets its label.
    pub(crate) fn correct(&self) -> bool {
        self.verdict != VerdictName::Misclassified
    }

    /// Whether an attack found a counterexample at this radius.
    pub(crate) fn broken_by(&self, attack: &str) -> bool {
        self.attacks.get(attack) == Some(&AttackResult::Broken)
    }

    /// Whether a method certifies the input at this radius.
    pub(crate) fn certified_by(&self, method: &str) -> bool {
        self.methods.get(method).is_some_and(|word| word == CERTIFIED)
    }
}

const CERTIFIED: &str = "certified";

/// What is known of one input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InputResult {
    /// Position in the dataset.
    pub(crate) index: usize,
    /// The dataset's class.
    pub(crate) label: usize,
    /// The network's class; `None` where the largest output is not unique or is NaN.
    pub(crate) predicted: Option<usize>,
    /// The network's outputs in double precision.
    pub(crate) outputs: Vec<f64>,
    /// One for each radius of the dataset.
    pub(crate) rows: Vec<AuditRow>,
    /// The outputs at the input of the same position in the outside dataset.
    pub(crate) outside: Option<Vec<f64>>,
    /// The predicted class under each corruption and severity.
    pub(crate) shifted: Option<Vec<Option<usize>>>,
    /// For each Euclidean radius and attack, whether it found a counterexample; empty where none was run.
    pub(crate) euclidean: Vec<Vec<bool>>,
    /// For each semantic perturbation what was found.
    pub(crate) semantics: Vec<Option<Finding>>,
    /// What bisection found.
    pub(crate) radius: Option<Bracket>,
    /// The gradient at the input, and whether it was broken at each radius of the ladder.
    pub(crate) gradients: Option<(Gradients, Vec<bool>)>,
}

impl InputResult {
    /// Whether the input as it is gets its label.
    pub(crate) fn correct(&self) -> bool {
        self.predicted == Some(self.label)
    }
}

/// What is known of a model on a dataset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SubjectResults {
    /// Position of the model in the plan.
    pub(crate) model: usize,
    /// Position of the dataset in the plan.
    pub(crate) data: usize,
    /// The inputs, in order.
    pub(crate) inputs: Vec<InputResult>,
}

/// Steps that contradict each other, or are missing: an error in this program or a damaged journal, never a result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{model} on {data}, input {index}: {what}")]
pub(crate) struct Clash {
    pub(crate) model: String,
    pub(crate) data: String,
    /// Position of the input.
    pub(crate) index: usize,
    pub(crate) what: String,
}

/// The verdicts of a finished audit, in the order of [`Plan::subjects`].
///
/// # Errors
/// Where an input is certified and broken at once, a certificate has no positive margin, or a step is missing.
pub(crate) fn results(
    plan: &Plan,
    subjects: &[Subject],
    entries: &[Entry],
) -> Result<Vec<SubjectResults>, Clash> {
    let mut sorted: Vec<Vec<Vec<&Entry>>> =
        subjects.iter().map(|subject| vec![Vec::new(); subject.inputs]).collect();
    for entry in entries {
        let (subject, index) = entry.input();
        if let Some(place) = sorted.get_mut(subject).and_then(|s| s.get_mut(index)) {
            place.push(entry);
        }
    }
    let each = subjects.iter().zip(&sorted).enumerate().map(|(at, (subject, sorted))| {
        let inputs = sorted.iter().enumerate().map(|(index, entries)| {
            let clash = |what: String| Clash {
                model: plan.models[subject.model].name.clone(),
                data: plan.data[subject.data].name.clone(),
                index,
                what,
            };
            Steps { plan, at, subject, index, entries }.input().map_err(clash)
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        Ok(SubjectResults { model: subject.model, data: subject.data, inputs })
    });
    each.collect()
}

/// The largest radius with a certificate and the smallest with a counterexample, by all steps together.
fn bracket(
    epsilons: &[Rational],
    rows: &[AuditRow],
    search: Option<&Bracket>,
) -> Result<[Option<Rational>; 2], String> {
    let with = |verdict| {
        let at = epsilons.iter().zip(rows);
        at.filter(move |(_, row)| row.verdict == verdict).map(|(epsilon, _)| epsilon.clone())
    };
    let certified = search.and_then(|bracket| bracket.certified.clone());
    let certified = with(VerdictName::Certified).chain(certified).max();
    let broken = search.and_then(|bracket| bracket.attacked.clone());
    let broken = with(VerdictName::Falsified).chain(broken).min();
    match (&certified, &broken) {
        (Some(low), Some(high)) if low >= high => {
            Err(format!("it is certified up to {low} and broken at {high}"))
        }
        _ => Ok([certified, broken]),
    }
}

/// The least proven margin of a certificate, and what must be trusted.
type Proof<'a> = (AssuranceLevel, Option<&'a String>, Option<f64>);

/// The steps on one input.
struct Steps<'a> {
    plan: &'a Plan,
    /// Position of the subject.
    at: usize,
    subject: &'a Subject<'a>,
    index: usize,
    entries: &'a [&'a Entry],
}

impl Steps<'_> {
    fn input(&self) -> Result<InputResult, String> {
        let &Self { plan, subject, index, .. } = self;
        let Some(Found::Outputs(outputs)) = self.found(Step::Clean) else {
            return Err("its outputs are missing".to_owned());
        };
        let label = subject.dataset().label(index);
        let predicted = arg_max(outputs);
        let correct = predicted == Some(label);
        let data = &plan.data[subject.data];
        let mut rows = (0..data.epsilons.len())
            .map(|epsilon| self.row(epsilon, label, predicted))
            .collect::<Result<Vec<_>, _>>()?;
        let radius = match self.found(Step::Radius) {
            Some(Found::Radius(bracket)) => Some(bracket.clone()),
            _ => None,
        };
        if correct {
            let [low, high] = bracket(&data.epsilons, &rows, radius.as_ref())?;
            for row in &mut rows {
                row.certified_radius = low.as_ref().map(to_f64_nearest);
                row.attacked_radius = high.as_ref().map(to_f64_nearest);
            }
        }
        Ok(InputResult {
            index,
            label,
            predicted,
            outputs: outputs.clone(),
            outside: match self.found(Step::Outside) {
                Some(Found::Outputs(outputs)) => Some(outputs.clone()),
                _ => None,
            },
            shifted: match self.found(Step::Shifts) {
                Some(Found::Classes(classes)) => Some(classes.clone()),
                _ => None,
            },
            euclidean: self.euclidean(data.l2_epsilons.len()),
            semantics: (0..plan.semantics.len())
                .map(|semantic| self.verdict(Step::Semantic { semantic }).map(|v| v.0.clone()))
                .collect(),
            gradients: match self.found(Step::Masking) {
                Some(Found::Gradients { gradients, broken }) => Some((*gradients, broken.clone())),
                _ => None,
            },
            radius,
            rows,
        })
    }

    fn found(&self, step: Step) -> Option<&Found> {
        self.entries.iter().find(|entry| entry.step == step).map(|entry| &entry.found)
    }

    fn verdict(&self, step: Step) -> Option<(&Finding, Option<&String>, Option<f64>)> {
        match self.found(step)? {
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

    /// The position of the radius whose proof was checked, this one or a larger one, and what the proof is worth.
    fn checked(&self, epsilon: usize, count: usize) -> Option<(usize, AssuranceLevel)> {
        (epsilon..count).find_map(|at| match self.verdict(Step::Proof { epsilon: at }) {
            Some((Finding::Certified(level), _, _)) => Some((at, *level)),
            _ => None,
        })
    }

    /// The certificate of a method at a radius: found there, or at a larger one.
    fn proof(
        &self,
        method: usize,
        epsilon: usize,
        count: usize,
    ) -> Result<Option<Proof<'_>>, String> {
        for at in epsilon..count {
            let verdict = self.verdict(Step::Certify { method, epsilon: at });
            if let Some((Finding::Certified(level), stage, bound)) = verdict {
                if unproved(bound, stage.map(String::as_str)) {
                    return Err("it is certified with a margin that is not positive".to_owned());
                }
                return Ok(Some((*level, stage, bound)));
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

    /// The row at a radius, but for what the radii together say.
    fn row(
        &self,
        epsilon: usize,
        label: usize,
        predicted: Option<usize>,
    ) -> Result<AuditRow, String> {
        let &Self { plan, at, subject, index, .. } = self;
        let data = &plan.data[subject.data];
        let count = data.epsilons.len();
        let correct = predicted == Some(label);
        let mut attacks = BTreeMap::new();
        for (attack, named) in plan.attacks.iter().enumerate() {
            let result = match self.verdict(Step::Attack { attack, epsilon }) {
                Some((Finding::Falsified, _, _)) => AttackResult::Broken,
                Some(_) => AttackResult::Survived,
                None if correct => return Err("an attack is missing".to_owned()),
                None => continue,
            };
            attacks.insert(named.name.clone(), result);
        }
        let proofs = (0..plan.methods.len())
            .map(|method| self.proof(method, epsilon, count))
            .collect::<Result<Vec<_>, _>>()?;
        let methods = plan.methods.iter().zip(&proofs).filter(|_| correct).map(|(named, proof)| {
            let word = if proof.is_some() { CERTIFIED } else { "not certified" };
            (named.name.clone(), word.to_owned())
        });
        let broken = self.broken(epsilon);
        let checked = self.checked(epsilon, count);
        let (finding, by, bound) = match (&broken, proofs.iter().flatten().next()) {
            (Some((name, _)), Some((_, stage, _))) => {
                let stage = stage.map_or("a method", String::as_str);
                return Err(format!("it is certified by {stage} and broken by {name}"));
            }
            (Some((name, _)), None) => (Finding::Falsified, Some(name.clone()), None),
            (None, Some(&(level, stage, bound))) => {
                let level = checked.map_or(level, |(_, level)| level);
                (Finding::Certified(level), stage.cloned(), bound)
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
        let files = match (&broken, checked) {
            _ if !correct => Vec::new(),
            (Some((_, epsilon)), _) => vec![plan.counterexample(at, index, *epsilon)],
            (None, Some((epsilon, _))) => plan.evidence(at, index, Step::Proof { epsilon }),
            (None, None) => Vec::new(),
        };
        let (finding, by, bound) =
            if correct { (finding, by, bound) } else { (Finding::Misclassified, None, None) };
        let here = self.entries.iter().filter(|entry| entry.step.epsilon() == Some(epsilon));
        Ok(AuditRow {
            model: plan.models[subject.model].name.clone(),
            data: data.name.clone(),
            index,
            label,
            predicted,
            epsilon: data.epsilons[epsilon].to_string(),
            verdict: finding.name(),
            by,
            assurance: finding.assurance(),
            reason: finding.reason().map(str::to_owned),
            margin_bound: bound.filter(|bound| bound.is_finite()),
            rounding_error: None,
            margin_in_errors: None,
            constant,
            certified_radius: None,
            attacked_radius: None,
            attacks,
            methods: methods.collect(),
            evidence: None,
            seconds: here.filter_map(|entry| entry.seconds).reduce(|a, b| a + b),
            files,
        })
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
