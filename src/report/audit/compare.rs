//! Models against each other on the same inputs, and models of one recipe together.

use super::content::{ComparisonRecord, RecipeRecord};
use crate::audit::{
    InputResult, Measure, OverSeeds, Paired, Plan, SubjectResults, VerdictName, holm,
};

/// Whether a measure's property holds of an input, at a radius where it has one.
pub(super) fn holds(input: &InputResult, measure: Measure, epsilon: Option<usize>) -> bool {
    let row = epsilon.map(|at| &input.rows[at]);
    let verdict = row.map(|row| row.verdict);
    match measure {
        Measure::Clean => input.correct(),
        Measure::Adversarial => {
            matches!(verdict, Some(VerdictName::Certified | VerdictName::Unknown))
        }
        Measure::Certified => verdict == Some(VerdictName::Certified),
        Measure::Stability => row.is_some_and(|row| row.constant == Some(true)),
    }
}

/// What is compared: clean accuracy, and the others at the largest radius, as far as the plan asks for them.
fn measures(plan: &Plan, data: usize) -> Vec<(Measure, Option<usize>)> {
    let last = plan.data[data].epsilons.len().checked_sub(1);
    let mut all = vec![(Measure::Clean, None)];
    if !plan.attacks.is_empty() {
        all.push((Measure::Adversarial, last));
    }
    if !plan.methods.is_empty() {
        all.push((Measure::Certified, last));
    }
    all
}

/// Every two models of a dataset, by each measure.
pub(super) fn comparisons(plan: &Plan, results: &[SubjectResults]) -> Vec<ComparisonRecord> {
    let mut all = Vec::new();
    for (at, first) in results.iter().enumerate() {
        for second in results[at + 1..].iter().filter(|second| second.data == first.data) {
            for (measure, epsilon) in measures(plan, first.data) {
                let pairs = first.inputs.iter().zip(&second.inputs);
                let paired = Paired::of(
                    pairs.map(|(a, b)| (holds(a, measure, epsilon), holds(b, measure, epsilon))),
                );
                all.push(ComparisonRecord {
                    data: plan.data[first.data].name.clone(),
                    first: plan.models[first.model].name.clone(),
                    second: plan.models[second.model].name.clone(),
                    measure,
                    epsilon: epsilon.map(|at| plan.data[first.data].epsilons[at].to_string()),
                    paired,
                    adjusted: paired.p_value,
                });
            }
        }
    }
    let values: Vec<f64> = all.iter().map(|record| record.paired.p_value).collect();
    for (record, adjusted) in all.iter_mut().zip(holm(&values)) {
        record.adjusted = adjusted;
    }
    all
}

/// The figures of every recipe on every dataset, over its models.
pub(super) fn recipes(plan: &Plan, results: &[SubjectResults]) -> Vec<RecipeRecord> {
    let mut groups: Vec<(&str, usize, Vec<&SubjectResults>)> = Vec::new();
    for result in results {
        let recipe = plan.models[result.model].recipe.as_str();
        let same =
            groups.iter_mut().find(|(name, data, _)| (*name, *data) == (recipe, result.data));
        match same {
            _ if recipe.is_empty() => {}
            Some((.., members)) => members.push(result),
            None => groups.push((recipe, result.data, vec![result])),
        }
    }
    let mut all = Vec::new();
    for (recipe, data, members) in groups {
        for (measure, epsilon) in measures(plan, data) {
            let share = |member: &&SubjectResults| {
                let count = member.inputs.iter().filter(|i| holds(i, measure, epsilon)).count();
                count as f64 / member.inputs.len().max(1) as f64
            };
            let Some(shares) = OverSeeds::of(members.iter().map(share).collect()) else { continue };
            all.push(RecipeRecord {
                recipe: recipe.to_owned(),
                data: plan.data[data].name.clone(),
                models: members.iter().map(|m| plan.models[m.model].name.clone()).collect(),
                measure,
                epsilon: epsilon.map(|at| plan.data[data].epsilons[at].to_string()),
                inputs: members[0].inputs.len(),
                shares,
            });
        }
    }
    all
}
