//! From the verdicts of an audit to its report: counts, intervals, criteria, rows, pictures.

use super::compare::{comparisons, holds, recipes};
use super::content::{
    AuditReport, CellRecord, CriterionRecord, RunRecord, ShownRecord, SubjectRecord,
};
use super::deployed::in_errors;
use super::figures;
use super::setup::{AuditData, Setup};
use crate::audit::interval::Counted;
use crate::audit::{
    AuditRow, Classification, Entry, Evidence, FileRecord, InputResult, Judgement, Measure, Plan,
    Prediction, Share, Step, Subject, SubjectResults, VerdictName, score::robustness_score,
};
use crate::num::{Rational, to_f64_nearest};
use crate::report::folder::{Folder, FolderError};
use crate::report::json;
use std::collections::{BTreeMap, HashMap};

/// The fields of a report that may differ between two runs of the same audit.
const VARIES: [&str; 2] = ["run", "rows[].seconds"];

/// A finished audit, ready to be reported.
pub(crate) struct FinishedAudit<'a> {
    /// What was asked.
    pub(crate) plan: &'a Plan,
    /// With what.
    pub(crate) subjects: &'a [Subject<'a>],
    /// What it was set up to do.
    pub(crate) setup: Setup,
    /// When and where it was begun.
    pub(crate) run: RunRecord,
    /// The finished steps.
    pub(crate) entries: &'a [Entry],
    /// What follows from them.
    pub(crate) results: &'a [SubjectResults],
    /// The folder's files but those that are made of the report.
    pub(crate) files: Vec<FileRecord>,
}

impl FinishedAudit<'_> {
    /// The report.
    ///
    /// # Errors
    /// Where a counterexample that is to be shown cannot be read.
    pub(crate) fn report(mut self, folder: &Folder) -> Result<AuditReport, FolderError> {
        self.run.seconds = seconds(self.entries);
        let mut rows = Vec::new();
        let mut subjects = Vec::new();
        for results in self.results {
            subjects.push(self.subject(results));
            let first = rows.len();
            rows.extend(results.inputs.iter().flat_map(|input| &input.rows).cloned());
            in_errors(self.plan, self.subject_of(results), results, &mut rows[first..]);
        }
        let hashes: HashMap<&str, &FileRecord> =
            self.files.iter().map(|file| (file.name.as_str(), file)).collect();
        for row in &mut rows {
            let mut files =
                row.files.iter().map(|name| hashes.get(name.as_str()).copied().cloned());
            row.evidence = files.next().flatten().map(|FileRecord { name: file, sha256 }| {
                Evidence { file, sha256, property: files.next().flatten() }
            });
        }
        let shown = self.shown(folder)?;
        // Exact arithmetic, which may raise a level, is given time.
        let of_proofs = self.plan.proofs.is_some().then_some("rows[].assurance");
        let varies = VARIES.into_iter().chain(of_proofs);
        let criteria = self.criteria();
        Ok(AuditReport {
            about: self.plan.about.clone(),
            criteria,
            subjects,
            comparisons: comparisons(self.plan, self.results),
            recipes: recipes(self.plan, self.results),
            shown,
            varies_between_runs: varies.map(str::to_owned).collect(),
            rows,
            setup: self.setup,
            run: self.run,
            files: self.files,
        })
    }

    fn subject(&self, results: &SubjectResults) -> SubjectRecord {
        let (plan, setup) = (self.plan, &self.setup);
        let classes = setup.data[results.data].classes.len();
        let predictions: Vec<Prediction> = results
            .inputs
            .iter()
            .map(|input| Prediction::new(input.label, input.outputs.clone()))
            .collect();
        let epsilons = &plan.data[results.data].epsilons;
        let cells: Vec<CellRecord> = epsilons
            .iter()
            .enumerate()
            .map(|(epsilon, radius)| self.cell(results, epsilon, radius, classes))
            .collect();
        let clean = Classification::of(classes, &predictions);
        SubjectRecord {
            model: plan.models[results.model].name.clone(),
            data: plan.data[results.data].name.clone(),
            robustness_score: score(plan, results, &cells),
            shifts: figures::shifts(plan, self.subject_of(results), results),
            outside: figures::outside(plan, results, &predictions),
            euclidean: figures::euclidean(plan, results),
            semantics: figures::semantics(plan, results),
            radius: figures::radius(plan, results),
            masking: figures::masking(plan, self.subject_of(results), results),
            clean,
            cells,
        }
    }

    fn subject_of(&self, results: &SubjectResults) -> &Subject<'_> {
        let same = |s: &&Subject| (s.model, s.data) == (results.model, results.data);
        self.subjects.iter().find(same).expect("results are of subjects")
    }

    fn cell(
        &self,
        results: &SubjectResults,
        epsilon: usize,
        radius: &Rational,
        classes: usize,
    ) -> CellRecord {
        let rows: Vec<&AuditRow> =
            results.inputs.iter().map(|input| &input.rows[epsilon]).collect();
        let of_all =
            |holds: &dyn Fn(&AuditRow) -> bool| Counted::of(rows.iter().copied(), |row| holds(row));
        let certified = |row: &AuditRow| row.verdict == VerdictName::Certified;
        let unbroken = |row: &AuditRow| row.correct() && row.verdict != VerdictName::Falsified;
        let clean = of_all(&AuditRow::correct);
        let attacks = self.plan.attacks.iter().map(|attack| {
            let count = of_all(&|row| row.broken_by(&attack.name)).count;
            (attack.name.clone(), Share { count, total: clean.count }.into())
        });
        let methods = self
            .plan
            .methods
            .iter()
            .map(|method| (method.name.clone(), of_all(&|row| row.certified_by(&method.name))));
        let mut decided_by = BTreeMap::new();
        let mut reasons = BTreeMap::new();
        let mut by_class = vec![[0; 4]; classes];
        for row in &rows {
            for (counts, word) in [(&mut decided_by, &row.by), (&mut reasons, &row.reason)] {
                if let Some(word) = word {
                    *counts.entry(word.clone()).or_default() += 1;
                }
            }
            if let Some(counts) = by_class.get_mut(row.label) {
                let holds = [true, row.correct(), unbroken(row), certified(row)];
                counts.iter_mut().zip(holds).for_each(|(n, holds)| *n += usize::from(holds));
            }
        }
        CellRecord {
            epsilon: radius.to_string(),
            epsilon_value: to_f64_nearest(radius),
            clean,
            adversarial: of_all(&unbroken),
            certified: of_all(&certified),
            undecided: of_all(&|row| row.verdict == VerdictName::Unknown),
            stability: of_all(&|row| row.constant == Some(true)),
            attacks: attacks.collect(),
            methods: methods.collect(),
            decided_by,
            reasons,
            classes: by_class,
        }
    }

    /// Of each subject the first inputs that were broken, at the smallest radius.
    fn shown(&self, folder: &Folder) -> Result<Vec<ShownRecord>, FolderError> {
        let mut shown = Vec::new();
        for (at, results) in self.results.iter().enumerate() {
            let mut broken: Vec<(usize, &InputResult)> = results
                .inputs
                .iter()
                .filter_map(|input| {
                    let broken = |row: &AuditRow| row.verdict == VerdictName::Falsified;
                    Some((input.rows.iter().position(broken)?, input))
                })
                .collect();
            broken.sort_by_key(|(epsilon, input)| (*epsilon, input.index));
            for (epsilon, input) in broken.into_iter().take(self.plan.shown) {
                let file = self.plan.counterexample(at, input.index, epsilon);
                let (perturbed, outputs) = folder.evidence(&file)?;
                shown.push(ShownRecord {
                    model: self.plan.models[results.model].name.clone(),
                    data: self.plan.data[results.data].name.clone(),
                    index: input.index,
                    epsilon: self.plan.data[results.data].epsilons[epsilon].to_string(),
                    file,
                    label: input.label,
                    class: other_class(&outputs, input.label),
                    outputs: input.outputs.clone(),
                    perturbed_outputs: outputs,
                    original: self.subjects[at].dataset().point(input.index),
                    perturbed,
                });
            }
        }
        Ok(shown)
    }

    fn criteria(&self) -> Vec<CriterionRecord> {
        let mut all = Vec::new();
        for criterion in &self.plan.criteria {
            let asked = |results: &&SubjectResults| {
                results.data == criterion.data && criterion.models.contains(&results.model)
            };
            for results in self.results.iter().filter(asked) {
                let share = share(results, criterion.measure, criterion.epsilon);
                let judged_by = criterion.judged_by;
                let result = Judgement::of(judged_by, &criterion.at_least, share);
                let epsilons = &self.plan.data[criterion.data].epsilons;
                all.push(CriterionRecord {
                    model: self.plan.models[results.model].name.clone(),
                    data: self.plan.data[criterion.data].name.clone(),
                    measure: criterion.measure,
                    epsilon: criterion.epsilon.map(|at| epsilons[at].to_string()),
                    at_least: to_f64_nearest(&criterion.at_least),
                    judged_by,
                    found: share.into(),
                    result,
                });
            }
        }
        all
    }
}

/// The share that a criterion speaks of.
fn share(results: &SubjectResults, measure: Measure, epsilon: Option<usize>) -> Share {
    let count = results.inputs.iter().filter(|input| holds(input, measure, epsilon)).count();
    Share { count, total: results.inputs.len() }
}

/// The class of the largest output but the label's: at a counterexample, where outputs may tie.
fn other_class(outputs: &[f64], label: usize) -> usize {
    let others = (0..outputs.len()).filter(|class| *class != label);
    others.max_by(|&a, &b| outputs[a].total_cmp(&outputs[b])).unwrap_or(label)
}

/// The robustness score of the cells; none without methods.
fn score(plan: &Plan, results: &SubjectResults, cells: &[CellRecord]) -> Option<f64> {
    let epsilons = plan.data[results.data].epsilons.iter().cloned();
    let shares = cells.iter().map(|c| Share { count: c.certified.count, total: c.certified.total });
    let curve: Vec<(Rational, Share)> = epsilons.zip(shares).collect();
    if plan.methods.is_empty() { None } else { robustness_score(&curve) }
}

/// Time of all steps of a kind.
fn seconds(entries: &[Entry]) -> BTreeMap<String, f64> {
    let mut seconds = BTreeMap::new();
    for entry in entries {
        let kind = match entry.step {
            Step::Clean => "clean",
            Step::Attack { .. } => "attack",
            Step::Certify { .. } => "certify",
            Step::Outside => "other data",
            Step::Shifts => "corruptions",
            Step::L2 { .. } => "attack in l2",
            Step::Semantic { .. } => "semantic perturbations",
            Step::Radius => "radius",
            Step::Masking => "signs of masking",
            Step::Proof { .. } => "proofs",
        };
        if let Some(time) = entry.seconds {
            *seconds.entry(kind.to_owned()).or_default() += time;
        }
    }
    seconds
}

impl AuditReport {
    /// The dataset of a subject.
    pub(crate) fn data_of(&self, subject: &SubjectRecord) -> Option<&AuditData> {
        self.setup.data.iter().find(|data| data.name == subject.data)
    }

    /// The report as JSON text: indented, but a row on one line.
    ///
    /// # Errors
    /// Where the serialiser fails, which it does for no value of this type.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        json::with_rows(&Self { rows: Vec::new(), ..self.clone() }, &self.rows)
    }
}
