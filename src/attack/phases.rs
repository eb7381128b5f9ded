//! How auto-PGD divides its steps among losses, targets and starting points.

use super::Loss;
use super::problem::Problem;

/// A part of a descent.
#[derive(Debug, PartialEq)]
pub(super) struct Phase {
    pub(super) loss: Loss,
    pub(super) steps: usize,
    pub(super) from: Begin,
    pub(super) towards: Towards,
}

/// Where a phase begins: at a random point, at the best point of the phase before it, or at the centre.
#[derive(Debug, PartialEq)]
pub(super) enum Begin {
    Random,
    Best,
    Centre,
}

/// What a phase descends to: what the start asks for, or the polytope that is second nearest to where the phase before it ended.
#[derive(Debug, PartialEq)]
pub(super) enum Towards {
    Start,
    Second,
}

/// How a descent of so many steps is divided. No loss is the best everywhere: the margin alone says whether the claim is
/// violated, but follows one class at a time; the cross-entropy sees all of them; the ratio forgets how far apart outputs are.
/// Nor is any start, and where the nearest class is out of reach the next may not be. Where there are no two other classes
/// the losses are the same, and the descent is one.
pub(super) fn phases(problem: &Problem, loss: Loss, targeted: bool, steps: usize) -> Vec<Phase> {
    use Begin::{Best, Centre, Random};
    use Loss::{CrossEntropy, Dlr, Margin};
    use Towards::{Second, Start};
    // The share of all steps that are done when it ends.
    let plan = match (loss, targeted) {
        _ if loss == Margin || !problem.objective.is_classifier() => {
            vec![(Margin, 1.0, Random, Start)]
        }
        (_, true) => vec![(loss, 0.4, Random, Start), (Margin, 1.0, Best, Start)],
        (Dlr, false) => vec![
            (Dlr, 0.3, Random, Start),
            (CrossEntropy, 0.6, Centre, Start),
            (Margin, 0.8, Best, Start),
            (Margin, 1.0, Best, Second),
        ],
        (_, false) => vec![
            (CrossEntropy, 0.3, Random, Start),
            (Margin, 0.5, Best, Start),
            (Margin, 0.7, Best, Second),
            (Margin, 1.0, Centre, Start),
        ],
    };
    let mut done = 0;
    let mut phases = Vec::with_capacity(plan.len());
    for (loss, share, from, towards) in plan {
        let end = (share * steps as f64).ceil() as usize;
        if phases.is_empty() || end > done {
            phases.push(Phase { loss, steps: end - done, from, towards });
        }
        done = end;
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::problem::fixtures::with_identity;
    use crate::spec::Norm;

    #[test]
    fn the_steps_are_divided_as_the_decisions_say() {
        use Begin::{Best, Centre, Random};
        use Loss::{CrossEntropy, Dlr, Margin};
        use Towards::{Second, Start};
        with_identity(3, 0.0, Norm::Linf, |problem| {
            for (loss, targeted, expected) in [
                (
                    CrossEntropy,
                    false,
                    vec![
                        (CrossEntropy, 30, Random, Start),
                        (Margin, 20, Best, Start),
                        (Margin, 20, Best, Second),
                        (Margin, 30, Centre, Start),
                    ],
                ),
                (
                    Dlr,
                    false,
                    vec![
                        (Dlr, 30, Random, Start),
                        (CrossEntropy, 30, Centre, Start),
                        (Margin, 20, Best, Start),
                        (Margin, 20, Best, Second),
                    ],
                ),
                (Dlr, true, vec![(Dlr, 40, Random, Start), (Margin, 60, Best, Start)]),
            ] {
                for steps in [0, 1, 2, 7, 10, 100] {
                    let phases = phases(problem, loss, targeted, steps);
                    assert_eq!(phases.iter().map(|phase| phase.steps).sum::<usize>(), steps);
                    assert!(steps == 0 || phases.iter().all(|phase| phase.steps > 0));
                    assert_eq!((phases[0].loss, &phases[0].from), (loss, &Random));
                }
                let divided = phases(problem, loss, targeted, 100).into_iter();
                let divided: Vec<_> =
                    divided.map(|p| (p.loss, p.steps, p.from, p.towards)).collect();
                assert_eq!(divided, expected);
            }
        });
        with_identity(2, 0.0, Norm::Linf, |problem| {
            let phases = phases(problem, CrossEntropy, false, 100);
            let (from, towards) = (Random, Start);
            assert_eq!(phases, [Phase { loss: Margin, steps: 100, from, towards }]);
        });
    }
}
