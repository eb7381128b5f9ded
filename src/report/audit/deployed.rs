//! The margin of every certified row in units of what single-precision arithmetic may be off by.

use crate::audit::single::errors;
use crate::audit::{AuditRow, Plan, Subject, SubjectResults, VerdictName};
use crate::net::{Boxes, Matrix};
use crate::spec::Norm;

/// So many regions are evaluated at once.
const BATCH: usize = 32;

/// Fills in [`AuditRow::rounding_error`] and [`AuditRow::margin_in_errors`]: of the label's output and another one together, the largest.
///
/// `rows` are those of the subject's inputs, at every radius.
pub(super) fn in_errors(
    plan: &Plan,
    subject: &Subject,
    results: &SubjectResults,
    rows: &mut [AuditRow],
) {
    let radii = &plan.data[results.data].epsilons;
    let network = subject.classifier.network();
    let asked = rows
        .iter_mut()
        .filter(|row| row.verdict == VerdictName::Certified && row.margin_bound.is_some());
    let mut asked: Vec<&mut AuditRow> = asked.collect();
    for batch in asked.chunks_mut(BATCH) {
        let regions: Option<Vec<Boxes>> = batch
            .iter()
            .map(|row| {
                let radius = radii.iter().find(|radius| radius.to_string() == row.epsilon)?;
                Some(subject.dataset().region(row.index, Norm::Linf, radius).ok()?.boxes())
            })
            .collect();
        let Some(regions) = regions else { continue };
        let side = |of: fn(&Boxes) -> &Matrix| {
            Matrix::from_columns(
                &regions.iter().map(|boxes| of(boxes).column(0)).collect::<Vec<_>>(),
            )
        };
        let found =
            errors(network, &Boxes { lower: side(|b| &b.lower), upper: side(|b| &b.upper) });
        for (row, error) in batch.iter_mut().zip(found.column_iter()) {
            let others = (0..error.len()).filter(|class| *class != row.label);
            let other = others.map(|class| error[class]).fold(0.0, f64::max);
            let together = error[row.label] + other;
            let known =
                together.is_finite() && together > 0.0 && error.iter().all(|e| e.is_finite());
            row.rounding_error = known.then_some(together);
            row.margin_in_errors =
                row.margin_bound.zip(row.rounding_error).map(|(margin, error)| margin / error);
        }
    }
}
