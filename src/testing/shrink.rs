//! From a case that fails to one that cannot be made smaller without holding.

use super::case::Case;
use super::draft::Draft;

/// The smallest case found on the way from `case`, which fails, by steps that each make it smaller, and after each of which `fails` says that it
/// still does. Stops when no step is left, or when `stop` says so.
///
/// Steps leave out claims, elements of tensors, nodes, terms and weights, fix inputs, and round numbers, in this order, those that take
/// much away first (delta debugging; Zeller and Hildebrandt 2002).
#[must_use]
pub fn shrink(case: &Case, fails: &mut dyn FnMut(&Case) -> bool, stop: &dyn Fn() -> bool) -> Case {
    let mut best = Draft::of(case);
    let Some(mut smallest) = best.case().filter(|same| fails(same)) else { return case.clone() };
    let (mut at, mut in_vain) = (0, 0);
    let mut steps = best.steps();
    // After a success the search goes on where it was: steps that failed before seldom succeed now.
    while in_vain < steps.len() && !stop() {
        at %= steps.len();
        let next = best.after(&steps[at]).and_then(|draft| Some((draft.case()?, draft)));
        match next.filter(|(case, _)| fails(case)) {
            Some((case, draft)) => {
                (best, smallest, in_vain) = (draft, case, 0);
                steps = best.steps();
            }
            None => (at, in_vain) = (at + 1, in_vain + 1),
        }
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::super::Law;
    use super::super::laws::random;
    use super::super::nets::Kind;
    use super::*;
    use crate::net::{Function, Matrix, Op};

    /// What fails is "there is an output above 3 at the middle of the region": a few numbers suffice.
    #[test]
    fn a_failure_shrinks_to_a_few_numbers() {
        let mut shrunk = 0;
        for seed in 0..40 {
            let case = random(seed, Kind::Relu);
            let mut fails = |case: &Case| {
                let net = case.query().network();
                let region = &case.query().property().claims[0].region;
                let middle = Matrix::from_fn(net.inputs(), 1, |i, _| {
                    0.5 * (region.lower()[i] + region.upper()[i])
                });
                // Not every network is held by a file exactly.
                case.model().is_some()
                    && net.evaluate(&middle).max() > 3.0
                    && net
                        .nodes()
                        .iter()
                        .any(|node| matches!(node.op, Op::Elementwise(Function::Relu, _)))
            };
            if !fails(&case) {
                continue;
            }
            let small = shrink(&case, &mut fails, &|| false);
            assert!(fails(&small));
            let net = small.query().network();
            let few = net.inputs() == 1 && net.nodes().len() <= 6 && net.parameters() <= 24;
            assert!(few, "{net:?}");
            assert!(small.property().is_some());
            shrunk += 1;
        }
        assert!(shrunk >= 5);
    }

    #[test]
    fn a_case_that_does_not_fail_stays() {
        let case = Law::Edge.subject(1);
        let same = shrink(&case, &mut |_| false, &|| false);
        assert_eq!(same.property(), case.property());
    }
}
