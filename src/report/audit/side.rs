//! Models side by side: every measure of each at the largest radius, what robustness costs and what it buys.

use super::content::{AuditReport, SubjectRecord};
use crate::audit::Exact;
use crate::audit::shift::Corruption;

/// The measures, in order: name, and a short one.
pub(crate) const MEASURES: [(&str, &str); 12] = [
    ("accuracy", "accuracy"),
    ("precision, macro", "precision"),
    ("recall, macro", "recall"),
    ("F1, macro", "F1"),
    ("ROC AUC, macro", "AUC"),
    ("adversarial accuracy", "not broken"),
    ("certified accuracy", "certified"),
    ("stability index", "stability"),
    ("robustness score", "score"),
    ("accuracy under noise", "noise"),
    ("accuracy under shift", "shift"),
    ("AUROC against other data", "other data"),
];

/// What counts as noise; every other corruption is a shift.
const NOISE: [Corruption; 4] = [
    Corruption::GaussianNoise,
    Corruption::UniformNoise,
    Corruption::SaltAndPepper,
    Corruption::Dropout,
];

/// One model on one dataset.
pub(crate) struct Side<'a> {
    pub(crate) model: &'a str,
    pub(crate) data: &'a str,
    /// Inputs.
    pub(crate) n: usize,
    /// The largest radius, to which adversarial, certified and stability belong.
    pub(crate) epsilon: Option<String>,
    /// One value a measure, in the order of [`MEASURES`]; none where there is none.
    pub(crate) values: [Option<f64>; 12],
}

/// Every subject.
pub(crate) fn side_by_side(report: &AuditReport) -> Vec<Side<'_>> {
    let attacked = !report.setup.attacks.is_empty() || !report.setup.methods.is_empty();
    let certified = !report.setup.methods.is_empty();
    let side = |subject: &'_ SubjectRecord| {
        let (clean, cell) = (&subject.clean, subject.cells.last());
        let average = clean.macro_average;
        [
            clean.accuracy.value,
            average.map(|a| a.precision),
            average.map(|a| a.recall),
            average.map(|a| a.f1),
            clean.roc_auc_macro,
            cell.filter(|_| attacked).and_then(|cell| cell.adversarial.value),
            cell.filter(|_| certified).and_then(|cell| cell.certified.value),
            cell.filter(|_| certified).and_then(|cell| cell.stability.value),
            subject.robustness_score,
            under(subject, true),
            under(subject, false),
            subject.outside.as_ref().and_then(|outside| outside.found.auroc),
        ]
    };
    let each = report.subjects.iter().map(|subject| Side {
        model: &subject.model,
        data: &subject.data,
        n: subject.clean.accuracy.total,
        epsilon: subject.cells.last().map(|cell| {
            Exact { exact: cell.epsilon.clone(), value: cell.epsilon_value }.to_string()
        }),
        values: side(subject),
    });
    each.collect()
}

/// The mean accuracy under noise, or under the other corruptions, over kinds and severities.
fn under(subject: &SubjectRecord, noise: bool) -> Option<f64> {
    let names = NOISE.map(|kind| kind.to_string());
    let of = subject.shifts.iter().filter(|shift| names.contains(&shift.corruption) == noise);
    let values: Option<Vec<f64>> = of.map(|shift| shift.accuracy.value).collect();
    let values = values.filter(|values| !values.is_empty())?;
    Some(values.iter().sum::<f64>() / values.len() as f64)
}
