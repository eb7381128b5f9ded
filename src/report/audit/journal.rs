//! The journal of an audit: a header line, then one JSON line a finished step, appended as steps finish.

use super::record::RunRecord;
use super::setup::Setup;
use crate::attack::Gradients;
use crate::audit::radius::Bracket;
use crate::audit::{Entry, Finding, Found, Plan, Step};
use crate::num::{Rational, parse_rational};
use crate::report::journal::difference;
use crate::report::{JournalError, Level, VerdictName};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    /// What is done.
    pub setup: Setup,
    /// When and where it was begun.
    pub run: RunRecord,
}

/// A double, or the name of one that JSON has no number for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Double {
    Finite(f64),
    Other(String),
}

impl From<f64> for Double {
    fn from(x: f64) -> Self {
        if x.is_finite() { Self::Finite(x) } else { Self::Other(x.to_string()) }
    }
}

/// A bracket of the robust radius, its ends as exact fractions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RadiusLine {
    certified: Option<String>,
    assurance: Option<Level>,
    attacked: Option<String>,
    reason: Option<String>,
    questions: usize,
}

impl From<&Bracket> for RadiusLine {
    fn from(bracket: &Bracket) -> Self {
        Self {
            certified: bracket.certified.as_ref().map(ToString::to_string),
            assurance: bracket.assurance.map(Into::into),
            attacked: bracket.attacked.as_ref().map(ToString::to_string),
            reason: bracket.reason.clone(),
            questions: bracket.questions,
        }
    }
}

impl TryFrom<RadiusLine> for Bracket {
    type Error = &'static str;

    fn try_from(line: RadiusLine) -> Result<Self, &'static str> {
        let exact = |text: Option<String>| {
            text.map(|text| parse_rational(&text)).transpose().map_err(|_| "radius")
        };
        Ok(Self {
            certified: exact(line.certified)?,
            assurance: line.assurance.map(Into::into),
            attacked: exact(line.attacked)?,
            reason: line.reason,
            questions: line.questions,
        })
    }
}

/// Gradients at an input, and what the ladder of growing radii gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GradientsLine {
    points: usize,
    zero: usize,
    not_finite: usize,
    broken: Vec<bool>,
}

/// A finished step as a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryRecord {
    model: String,
    data: String,
    index: usize,
    step: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epsilon: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outputs: Option<Vec<Double>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<Vec<Option<usize>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    radius: Option<RadiusLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gradients: Option<GradientsLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verdict: Option<VerdictName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assurance: Option<Level>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    margin_bound: Option<f64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    evidence: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

impl EntryRecord {
    /// The line of an entry.
    pub fn new(plan: &Plan, entry: &Entry) -> Self {
        let (model, data) = plan.subjects()[entry.subject];
        let epsilon = |at: usize| Some(plan.data[data].epsilons[at].to_string());
        let (step, name, epsilon) = match entry.step {
            Step::Clean => ("clean", None, None),
            Step::Outside => ("outside", None, None),
            Step::Shifts => ("shifts", None, None),
            Step::Radius => ("radius", None, None),
            Step::Masking => ("masking", None, None),
            Step::Proof { epsilon: at } => ("proof", None, epsilon(at)),
            Step::Semantic { semantic } => {
                ("semantic", Some(plan.semantics[semantic].name.clone()), None)
            }
            Step::L2 { attack, epsilon: at } => (
                "l2",
                Some(plan.l2_attacks[attack].name.clone()),
                Some(plan.data[data].l2_epsilons[at].to_string()),
            ),
            Step::Attack { attack, epsilon: at } => {
                ("attack", Some(plan.attacks[attack].name.clone()), epsilon(at))
            }
            Step::Certify { method, epsilon: at } => {
                ("certify", Some(plan.methods[method].name.clone()), epsilon(at))
            }
        };
        let mut record = Self {
            model: plan.models[model].name.clone(),
            data: plan.data[data].name.clone(),
            index: entry.index,
            step: step.to_owned(),
            name,
            epsilon,
            outputs: None,
            classes: None,
            radius: None,
            gradients: None,
            verdict: None,
            stage: None,
            assurance: None,
            reason: None,
            margin_bound: None,
            evidence: entry.evidence,
            seconds: entry.seconds,
        };
        match &entry.found {
            Found::Outputs(outputs) => {
                record.outputs = Some(outputs.iter().map(|&y| y.into()).collect());
            }
            Found::Classes(classes) => record.classes = Some(classes.clone()),
            Found::Radius(bracket) => record.radius = Some(bracket.into()),
            Found::Gradients { gradients, broken } => {
                record.gradients = Some(GradientsLine {
                    points: gradients.points,
                    zero: gradients.zero,
                    not_finite: gradients.not_finite,
                    broken: broken.clone(),
                });
            }
            Found::Verdict { finding, stage, bound } => record.put(finding, stage.as_ref(), *bound),
        }
        record
    }

    fn put(&mut self, finding: &Finding, stage: Option<&String>, bound: Option<f64>) {
        self.stage = stage.cloned();
        self.margin_bound = bound.filter(|bound| bound.is_finite());
        self.verdict = Some(match finding {
            Finding::Misclassified => VerdictName::Misclassified,
            Finding::Falsified => VerdictName::Falsified,
            Finding::Certified(level) => {
                self.assurance = Some((*level).into());
                VerdictName::Certified
            }
            Finding::Unknown(reason) => {
                self.reason = Some(reason.clone());
                VerdictName::Unknown
            }
        });
    }

    /// The entry of a line; the name of the field that does not fit the plan where one does not.
    fn entry(mut self, names: &Names) -> Result<Entry, &'static str> {
        let key = (std::mem::take(&mut self.model), std::mem::take(&mut self.data));
        let subject = *names.subjects.get(&key).ok_or("model")?;
        let data = names.plan.subjects()[subject].1;
        let step = self.step(names.plan, data)?;
        let found = match step {
            Step::Clean | Step::Outside => {
                let outputs = self.outputs.ok_or("outputs")?.into_iter().map(|y| match y {
                    Double::Finite(y) => Ok(y),
                    Double::Other(name) => name.parse().map_err(|_| "outputs"),
                });
                Found::Outputs(outputs.collect::<Result<_, _>>()?)
            }
            Step::Shifts => Found::Classes(self.classes.ok_or("classes")?),
            Step::Radius => Found::Radius(self.radius.ok_or("radius")?.try_into()?),
            Step::Masking => {
                let GradientsLine { points, zero, not_finite, broken } =
                    self.gradients.ok_or("gradients")?;
                Found::Gradients { gradients: Gradients { points, zero, not_finite }, broken }
            }
            Step::Attack { .. }
            | Step::Certify { .. }
            | Step::L2 { .. }
            | Step::Semantic { .. }
            | Step::Proof { .. } => {
                let finding = match self.verdict.ok_or("verdict")? {
                    VerdictName::Misclassified => Finding::Misclassified,
                    VerdictName::Falsified => Finding::Falsified,
                    VerdictName::Certified => {
                        Finding::Certified(self.assurance.ok_or("assurance")?.into())
                    }
                    VerdictName::Unknown => Finding::Unknown(self.reason.ok_or("reason")?),
                };
                Found::Verdict { finding, stage: self.stage, bound: self.margin_bound }
            }
        };
        let (index, evidence, seconds) = (self.index, self.evidence, self.seconds);
        Ok(Entry { subject, index, step, found, evidence, seconds })
    }
}

impl EntryRecord {
    /// The step of a line about a dataset of the plan.
    fn step(&self, plan: &Plan, data: usize) -> Result<Step, &'static str> {
        let radius = |all: &[Rational]| {
            let wanted = self.epsilon.as_ref().ok_or("epsilon")?;
            all.iter().position(|known| known.to_string() == *wanted).ok_or("epsilon")
        };
        let named = |names: Vec<&String>| {
            let wanted = self.name.as_ref().ok_or("name")?;
            names.iter().position(|name| *name == wanted).ok_or("name")
        };
        let data = &plan.data[data];
        Ok(match self.step.as_str() {
            "clean" => Step::Clean,
            "outside" => Step::Outside,
            "shifts" => Step::Shifts,
            "radius" => Step::Radius,
            "masking" => Step::Masking,
            "proof" => Step::Proof { epsilon: radius(&data.epsilons)? },
            "semantic" => Step::Semantic {
                semantic: named(plan.semantics.iter().map(|s| &s.name).collect())?,
            },
            "attack" => Step::Attack {
                attack: named(plan.attacks.iter().map(|a| &a.name).collect())?,
                epsilon: radius(&data.epsilons)?,
            },
            "l2" => Step::L2 {
                attack: named(plan.l2_attacks.iter().map(|a| &a.name).collect())?,
                epsilon: radius(&data.l2_epsilons)?,
            },
            "certify" => Step::Certify {
                method: named(plan.methods.iter().map(|m| &m.name).collect())?,
                epsilon: radius(&data.epsilons)?,
            },
            _ => return Err("step"),
        })
    }
}

/// What names in a journal stand for.
struct Names<'a> {
    plan: &'a Plan,
    subjects: HashMap<(String, String), usize>,
}

/// What a journal holds: whole lines only.
pub(super) struct Journal {
    /// Length in bytes of the whole lines; what follows is torn. 0 where not even the header is whole.
    pub whole: u64,
    /// When and where it was begun.
    pub run: RunRecord,
    /// The finished steps.
    pub entries: Vec<Entry>,
}

/// Fields that may differ when an audit goes on: texts, and where files lie. Hashes must agree.
fn may_differ(path: &str) -> bool {
    [".file", ".training", ".split", ".unit"].iter().any(|end| path.ends_with(end))
}

/// Reads a journal back and checks that it belongs to this audit. `None` where not even its header is whole.
pub(super) fn read(
    bytes: &[u8],
    plan: &Plan,
    setup: &Setup,
) -> Result<Option<Journal>, JournalError> {
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let mut lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n').enumerate();
    let Some((_, first)) = lines.next() else { return Ok(None) };
    let bad = |source| JournalError::Line { line: 1, source };
    let head: serde_json::Value = serde_json::from_slice(first).map_err(bad)?;
    let now = serde_json::to_value(setup).map_err(bad)?;
    if let Some((field, journal, now)) =
        difference(String::new(), &head["setup"], &now, &may_differ)
    {
        return Err(JournalError::Mismatch { field, journal, now });
    }
    let head: Head = serde_json::from_slice(first).map_err(bad)?;
    let names = plan.subjects().into_iter().enumerate().map(|(at, (model, data))| {
        ((plan.models[model].name.clone(), plan.data[data].name.clone()), at)
    });
    let names = Names { plan, subjects: names.collect() };
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    for (at, line) in lines {
        let line_number = at + 1;
        let record: EntryRecord = serde_json::from_slice(line)
            .map_err(|source| JournalError::Line { line: line_number, source })?;
        let index = record.index;
        let bad = |what| JournalError::Index { line: line_number, index, what };
        let entry = record
            .entry(&names)
            .map_err(|field| JournalError::Field { line: line_number, field })?;
        let data = plan.subjects()[entry.subject].1;
        if index >= setup.data[data].used {
            return Err(bad("is not in this audit"));
        }
        if !seen.insert((entry.subject, index, entry.step)) {
            return Err(bad("has this step already"));
        }
        entries.push(entry);
    }
    Ok(Some(Journal { whole: whole as u64, run: head.run, entries }))
}
