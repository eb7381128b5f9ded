//! The figures of a subject beyond accuracies: shifts, confidence elsewhere, Euclidean attacks, semantic perturbations, radii, masking.

use super::content::{EuclideanRecord, OutsideRecord, RadiiRecord, SemanticRecord, SignRecord};
use crate::attack::{AttackKind, Gradients, Ladder, Masking};
use crate::audit::interval::Counted;
use crate::audit::radius::{RadiusRow, RadiusSummary};
use crate::audit::shift::{Severity, Shifted};
use crate::audit::{
    Finding, InputResult, OutOfDistribution, Plan, Prediction, SemanticPlan, Share, Subject,
    SubjectResults, VerdictName,
};
use crate::num::{Rational, to_f64_nearest};

/// Accuracy under every corruption that applies, at every severity.
pub(super) fn shifts(plan: &Plan, subject: &Subject, results: &SubjectResults) -> Vec<Shifted> {
    let kinds = plan.shifts.iter().filter(|corruption| corruption.applies_to(subject.frame));
    let all = kinds.flat_map(|&kind| Severity::ALL.map(|severity| (kind, severity)));
    let share = |holds: &dyn Fn(&InputResult) -> bool| {
        let count = results.inputs.iter().filter(|input| holds(input)).count();
        Share { count, total: results.inputs.len() }
    };
    let clean = share(&InputResult::correct);
    let shifted = |(at, (corruption, severity))| {
        let right = |input: &InputResult| {
            let class = input.shifted.as_ref().and_then(|classes| *classes.get(at)?);
            class == Some(input.label)
        };
        Shifted::new(corruption, severity, share(&right), clean)
    };
    all.enumerate().map(shifted).collect()
}

/// Confidence on inputs of another kind.
pub(super) fn outside(
    plan: &Plan,
    results: &SubjectResults,
    inside: &[Prediction],
) -> Option<OutsideRecord> {
    let data = plan.data[results.data].outside?;
    let outputs = results.inputs.iter().filter_map(|input| input.outside.clone());
    let outside: Vec<Prediction> = outputs.map(|outputs| Prediction::new(0, outputs)).collect();
    Some(OutsideRecord {
        data: plan.data[data].name.clone(),
        inputs: outside.len(),
        found: OutOfDistribution::of(inside, &outside),
    })
}

/// What Euclidean attacks achieved.
pub(super) fn euclidean(plan: &Plan, results: &SubjectResults) -> Vec<EuclideanRecord> {
    if plan.l2_attacks.is_empty() {
        return Vec::new();
    }
    let correct = || results.inputs.iter().filter(|input| input.correct());
    let broke = |input: &InputResult, at: usize, attack: usize| {
        input.euclidean.get(at).is_some_and(|attacks| attacks[attack])
    };
    let attacks = || plan.l2_attacks.iter().enumerate();
    let record = |(epsilon, radius): (usize, &Rational)| EuclideanRecord {
        epsilon: radius.to_string(),
        epsilon_value: to_f64_nearest(radius),
        adversarial: Counted::of(&results.inputs, |input| {
            let broken = (0..=epsilon).any(|at| attacks().any(|(a, _)| broke(input, at, a)));
            input.correct() && !broken
        }),
        attacks: attacks()
            .map(|(attack, plan)| {
                let count = Counted::of(correct(), |input| broke(input, epsilon, attack));
                (plan.name.clone(), count)
            })
            .collect(),
    };
    plan.data[results.data].l2_epsilons.iter().enumerate().map(record).collect()
}

/// Semantic perturbations, over the inputs that were asked about: misclassified ones among them.
pub(super) fn semantics(plan: &Plan, results: &SubjectResults) -> Vec<SemanticRecord> {
    let record = |(at, semantic): (usize, &SemanticPlan)| {
        let asked = results.inputs.iter().take(semantic.inputs.unwrap_or(usize::MAX));
        let found = asked.map(|input| input.semantics[at].as_ref().map(Finding::name));
        let count = |verdict| Counted::of(found.clone(), |found| *found == Some(verdict));
        found.clone().any(|found| found.is_some()).then(|| SemanticRecord {
            name: semantic.name.clone(),
            certified: count(VerdictName::Certified),
            undecided: count(VerdictName::Unknown),
            broken: count(VerdictName::Falsified),
        })
    };
    plan.semantics.iter().enumerate().filter_map(record).collect()
}

/// Radii, over the inputs that were asked about.
pub(super) fn radius(plan: &Plan, results: &SubjectResults) -> Option<RadiiRecord> {
    let wish = plan.radius.as_ref()?;
    let up_to = &plan.data[results.data].radius_up_to;
    let row = |input: &InputResult| {
        RadiusRow::new(input.index, input.label, input.predicted, input.radius.clone())
    };
    let asked = results.inputs.iter().take(wish.inputs.unwrap_or(usize::MAX));
    let rows: Vec<RadiusRow> = asked.map(row).collect();
    // Contradictions ended the audit before this.
    let summary = RadiusSummary::of(&rows, up_to).ok()?;
    let brackets = rows.iter().filter(|row| row.correct).map(|RadiusRow { bracket, .. }| {
        [&bracket.certified, &bracket.attacked].map(|end| end.as_ref().map(to_f64_nearest))
    });
    Some(RadiiRecord {
        inputs: rows.len(),
        up_to: to_f64_nearest(up_to),
        certified: summary.certified.pairs(),
        attacked: summary.attacked.pairs(),
        brackets: brackets.collect(),
    })
}

/// Signs of masked gradients: attacks compared at the radius where they differ most, the ladder, gradients.
pub(super) fn masking(plan: &Plan, subject: &Subject, results: &SubjectResults) -> Vec<SignRecord> {
    let probed: Vec<&(Gradients, Vec<bool>)> =
        results.inputs.iter().filter_map(|input| input.gradients.as_ref()).collect();
    if probed.is_empty() {
        return Vec::new();
    }
    let mut gradients = Gradients::default();
    for (found, _) in &probed {
        gradients.points += found.points;
        gradients.zero += found.zero;
        gradients.not_finite += found.not_finite;
    }
    let radii = plan.ladder(results.data, subject.dataset());
    let steps = radii.iter().enumerate().map(|(at, radius)| {
        (to_f64_nearest(radius), probed.iter().filter(|(_, broken)| broken[at]).count())
    });
    let ladder = Ladder { inputs: probed.len(), steps: steps.collect() };
    // The radius at which attacks break about half of the inputs tells them apart best.
    let inputs: Vec<&InputResult> = results.inputs.iter().filter(|input| input.correct()).collect();
    let epsilons = plan.data[results.data].epsilons.len();
    let broken_at = |epsilon: usize| {
        let broke = |i: &&&InputResult| {
            plan.attacks.iter().any(|attack| i.rows[epsilon].broken_by(&attack.name))
        };
        inputs.iter().filter(broke).count()
    };
    let best = (0..epsilons).min_by_key(|&at| broken_at(at).abs_diff(inputs.len() / 2));
    let outcomes: Vec<(AttackKind, Vec<bool>)> = plan
        .attacks
        .iter()
        .map(|plan| {
            let broke =
                |input: &&InputResult| best.is_some_and(|at| input.rows[at].broken_by(&plan.name));
            (plan.settings.kind, inputs.iter().map(broke).collect())
        })
        .collect();
    let masking = Masking::of(&outcomes, Some(&ladder), Some(gradients));
    let record = |sign: &crate::attack::Sign| SignRecord {
        name: sign.name.to_owned(),
        raised: sign.raised,
        evidence: sign.evidence.clone(),
    };
    masking.signs().map(record).to_vec()
}
