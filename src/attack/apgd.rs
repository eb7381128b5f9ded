//! Auto-PGD: projected gradient descent that finds its own step size, from all starting points as columns of one batch.

use super::phases::{Begin, Towards, phases};
use super::problem::{Findings, Problem};
use super::random::SplitMix64;
use super::{AttackSettings, Counterexample, Loss};
use crate::net::{Matrix, Values, column, column_mut};

/// How many polytopes are attacked one by one where the untargeted attack failed; the authors' code takes nine too.
const TARGETS: usize = 9;

/// Share of the last step's displacement that is kept: the weight 1 − α of the paper.
const INERTIA: f64 = 0.25;

/// The step stays as long as at least this share of its steps brought progress.
const PROGRESS: f64 = 0.75;

/// The first step, in radii.
const FIRST_STEP: f64 = 2.0;

/// From each starting point (Croce and Hein, *Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
/// Parameter-free Attacks*, ICML 2020, algorithm 1), with the loss L to descend on and Π the projection:
///
/// ```text
/// z  ← Π(x − η r ⊙ sign ∇L(x))           x' ← Π(x + α (z − x) + (1 − α)(x − x₋))       α = 3/4
/// ```
///
/// with the radii r of the features. η is two at first. At checkpoints, ever closer together, it is halved, and the descent begins anew from its best
/// point, if less than three in four steps lowered the loss, or if since the last checkpoint neither the step nor the least
/// loss changed. In a Euclidean ball the step is along the gradient.
///
/// Unlike there, a descent has several [`phases`], which differ in their loss, in what they descend to and in where they begin.
/// Each has the step sizes and checkpoints of a whole one. With the difference of logits ratio, single polytopes follow where
/// that failed: the nine nearest.
pub(super) fn search(
    problem: &Problem,
    settings: &AttackSettings,
    loss: Loss,
    seed: u64,
) -> Option<Counterexample> {
    let restarts = settings.restarts.max(1);
    let mut findings = Findings::default();
    let mut best = Vec::new();
    let untargeted: Vec<Start> = (0..restarts).map(|index| Start { index, target: None }).collect();
    for starts in untargeted.chunks(problem.max_columns()) {
        let Some(seen) = descend(problem, settings, loss, seed, starts, &mut findings) else {
            return findings.into_best();
        };
        best.extend(seen);
    }
    let targeted = loss == Loss::Dlr && settings.targeted && problem.objective.len() > 1;
    if findings.any() || !targeted {
        return findings.into_best();
    }
    let outputs = best.iter().flat_map(|y| (0..y.ncols()).map(|c| column(y, c)));
    let targeted: Vec<Start> = problem
        .objective
        .closest(TARGETS, outputs)
        .into_iter()
        .flat_map(|target| (0..restarts).map(move |_| Some(target)))
        .zip(restarts..)
        .map(|(target, index)| Start { index, target })
        .collect();
    for starts in targeted.chunks(problem.max_columns()) {
        if descend(problem, settings, loss, seed, starts, &mut findings).is_none() {
            break;
        }
    }
    findings.into_best()
}

/// The nearest outputs that each start has seen; `None` once the search is over.
fn descend(
    problem: &Problem,
    settings: &AttackSettings,
    loss: Loss,
    seed: u64,
    starts: &[Start],
    findings: &mut Findings,
) -> Option<Vec<Matrix>> {
    let mut rngs: Vec<_> = starts.iter().map(|s| SplitMix64::new(seed, s.index as u64)).collect();
    let mut x = Matrix::zeros(problem.net.inputs(), starts.len());
    let mut seen = Vec::new();
    findings.begin();
    let targeted = starts.iter().any(|start| start.target.is_some());
    for phase in phases(problem, loss, targeted, settings.steps) {
        for (c, rng) in rngs.iter_mut().enumerate() {
            match phase.from {
                Begin::Random => problem.draw(rng, column_mut(&mut x, c)),
                Begin::Best => {}
                Begin::Centre => problem.start(column_mut(&mut x, c)),
            }
        }
        let second = seen.last().filter(|_| phase.towards == Towards::Second).map(|y: &Matrix| {
            let to = |c| problem.objective.second(column(y, c));
            let starts = starts.iter().enumerate();
            starts.map(|(c, s)| Start { index: s.index, target: to(c) }).collect::<Vec<_>>()
        });
        let starts = second.as_deref().unwrap_or(starts);
        let mut descent = Descent::new(problem, phase.steps, phase.loss, starts, rngs, x);
        if descent.run(findings) || (problem.stop)() {
            return None;
        }
        seen.push(problem.net.evaluate(&descent.best));
        (x, rngs) = (descent.best, descent.rngs);
    }
    Some(seen)
}

/// A column of a batch.
struct Start {
    /// The number of its random stream.
    index: usize,
    /// The polytope to descend to; the nearest one where there is none.
    target: Option<usize>,
}

/// How one column fares.
struct Progress {
    step: f64,
    /// Whether the step was halved at the last checkpoint.
    halved: bool,
    /// Steps since the last checkpoint that lowered the loss.
    falls: usize,
    last: f64,
    least: f64,
    least_at_checkpoint: f64,
}

/// Steps at which progress is judged: the first after 22 % of them all, each period 3 % shorter, and none below 6 %.
struct Checkpoints {
    next: usize,
    period: usize,
    shorten: usize,
    shortest: usize,
}

impl Checkpoints {
    fn new(steps: usize) -> Self {
        let share = |percent: usize| (steps * percent / 100).max(1);
        Self { next: share(22), period: share(22), shorten: share(3), shortest: share(6) }
    }

    /// The length of the period that ends after `done` steps, if one does.
    fn ends(&mut self, done: usize) -> Option<usize> {
        if done != self.next {
            return None;
        }
        let ended = self.period;
        self.period = self.period.saturating_sub(self.shorten).max(self.shortest);
        self.next += self.period;
        Some(ended)
    }
}

/// A batch of descents in progress.
struct Descent<'a> {
    problem: &'a Problem<'a>,
    steps: usize,
    loss: Loss,
    starts: &'a [Start],
    rngs: Vec<SplitMix64>,
    progress: Vec<Progress>,
    x: Matrix,
    before: Matrix,
    gradient: Matrix,
    best: Matrix,
    best_gradient: Matrix,
}

impl<'a> Descent<'a> {
    fn new(
        problem: &'a Problem<'a>,
        steps: usize,
        loss: Loss,
        starts: &'a [Start],
        rngs: Vec<SplitMix64>,
        x: Matrix,
    ) -> Self {
        let fresh = || Progress {
            step: FIRST_STEP,
            halved: false,
            falls: 0,
            last: f64::INFINITY,
            least: f64::INFINITY,
            least_at_checkpoint: f64::INFINITY,
        };
        Self {
            problem,
            steps,
            loss,
            starts,
            rngs,
            progress: starts.iter().map(|_| fresh()).collect(),
            before: x.clone(),
            best: x.clone(),
            gradient: Matrix::zeros(x.nrows(), x.ncols()),
            best_gradient: Matrix::zeros(x.nrows(), x.ncols()),
            x,
        }
    }

    /// Takes all steps, or as many as it needs. True when the search is over.
    fn run(&mut self, findings: &mut Findings) -> bool {
        let mut checkpoints = Checkpoints::new(self.steps);
        for done in 0..=self.steps {
            if (self.problem.stop)() {
                return findings.any();
            }
            if done > 0 {
                self.step();
            }
            let values = self.problem.net.forward(&self.x);
            if self.look(&values, done, findings) {
                return true;
            }
            if let Some(period) = checkpoints.ends(done) {
                self.judge(period);
            }
        }
        findings.any()
    }

    /// Records the loss and its gradient at each column, and proposes the best candidate. True when the search is over.
    fn look(&mut self, values: &Values, done: usize, findings: &mut Findings) -> bool {
        let (net, objective) = (self.problem.net, &self.problem.objective);
        let outputs = values.node(net.output());
        let mut weights = Matrix::zeros(outputs.nrows(), outputs.ncols());
        let mut distances = vec![f64::INFINITY; self.starts.len()];
        let mut losses = distances.clone();
        for (c, start) in self.starts.iter().enumerate() {
            let y = column(outputs, c);
            let Some(nearest) = objective.nearest(y) else { continue };
            distances[c] = nearest.distance;
            let sought = start.target.map_or(nearest, |p| objective.standing(p, y));
            let targeted = start.target.is_some();
            losses[c] = objective.loss(self.loss, &sought, targeted, y);
            objective.gradient(self.loss, &sought, targeted, y, column_mut(&mut weights, c));
        }
        if findings.look(self.problem, &self.x, &distances) {
            return true;
        }
        if done == self.steps {
            return false;
        }
        self.gradient = net.direction(values, &weights);
        for (c, (progress, loss)) in self.progress.iter_mut().zip(losses).enumerate() {
            progress.falls += usize::from(done > 0 && loss < progress.last);
            progress.last = loss;
            if loss < progress.least || done == 0 {
                progress.least = loss;
                column_mut(&mut self.best, c).copy_from_slice(column(&self.x, c));
                let best_gradient = column_mut(&mut self.best_gradient, c);
                best_gradient.copy_from_slice(column(&self.gradient, c));
            }
        }
        false
    }

    fn step(&mut self) {
        let problem = self.problem;
        for (c, (progress, rng)) in self.progress.iter().zip(&mut self.rngs).enumerate() {
            let gradient = column(&self.gradient, c);
            let norm: f64 = gradient.iter().map(|g| g.abs()).sum();
            let x = column_mut(&mut self.x, c);
            let before = column_mut(&mut self.before, c);
            if norm == 0.0 || !norm.is_finite() {
                // Nothing to follow: go on elsewhere, without inertia.
                problem.draw(rng, x);
                before.copy_from_slice(x);
                continue;
            }
            let mut next = x.to_vec();
            problem.descend(&mut next, gradient, progress.step, &problem.radii);
            // At the first step x equals what was before it.
            let moved = before.iter().zip(x.iter()).any(|(b, x)| b != x);
            if moved {
                for ((z, x), b) in next.iter_mut().zip(x.iter()).zip(before.iter()) {
                    *z = x + (1.0 - INERTIA) * (*z - x) + INERTIA * (x - b);
                }
                problem.project(&mut next);
            }
            before.copy_from_slice(x);
            x.copy_from_slice(&next);
        }
    }

    /// At a checkpoint: halves the steps of columns that get no farther, and sends them back to their best points.
    fn judge(&mut self, period: usize) {
        for (c, progress) in self.progress.iter_mut().enumerate() {
            let few = (progress.falls as f64) < PROGRESS * period as f64;
            let stuck = !progress.halved && progress.least >= progress.least_at_checkpoint;
            progress.halved = few || stuck;
            progress.falls = 0;
            progress.least_at_checkpoint = progress.least;
            if progress.halved {
                progress.step *= 0.5;
                progress.last = progress.least;
                for (to, from) in
                    [(&mut self.x, &self.best), (&mut self.gradient, &self.best_gradient)]
                {
                    column_mut(to, c).copy_from_slice(column(from, c));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::problem::fixtures::{unit_ball, with_identity};
    use crate::net::{LinearMap, NetworkBuilder, Term};
    use crate::spec::{Norm, Property};

    #[test]
    fn checkpoints_are_those_of_the_paper() {
        let ends = |steps: usize| -> Vec<usize> {
            let mut checkpoints = Checkpoints::new(steps);
            (0..=steps).filter(|&done| checkpoints.ends(done).is_some()).collect()
        };
        // p₀ = 0, p₁ = 0.22, pⱼ₊₁ = pⱼ + max(pⱼ − pⱼ₋₁ − 0.03, 0.06)
        assert_eq!(ends(100), [22, 41, 57, 70, 80, 87, 93, 99]);
        assert_eq!(ends(3), [1, 2, 3]);
        assert!(ends(0).is_empty());
    }

    const START: [Start; 1] = [Start { index: 0, target: None }];

    fn descent<'a>(problem: &'a Problem<'a>, x: &[f64]) -> Descent<'a> {
        let x = Matrix::from_column_slice(x.len(), 1, x);
        let rngs = vec![SplitMix64::new(0, 0)];
        Descent::new(problem, 50, Loss::Margin, &START, rngs, x)
    }

    /// y = (1 + |x|, 0, −9): from a random point the first step goes farther away, so the best point is where it began.
    #[test]
    fn a_phase_goes_on_from_the_best_point_of_the_one_before() {
        let mut builder = NetworkBuilder::new(1, "x").unwrap();
        let map = |rows, columns, values: &[f64]| {
            LinearMap::from_matrix(Matrix::from_row_slice(rows, columns, values))
        };
        let both = vec![Term { source: 0, map: map(2, 1, &[1.0, -1.0]) }];
        let both = builder.affine(both, vec![0.0; 2], 0, "both").unwrap();
        let sides = builder.relu(both, "sides").unwrap();
        let sum = vec![Term { source: sides, map: map(3, 2, &[1.0, 1.0, 0.0, 0.0, 0.0, 0.0]) }];
        let last = builder.affine(sum, vec![1.0, 0.0, -9.0], 0, "y").unwrap();
        let net = builder.finish(last).unwrap();
        let property = Property::classification(unit_ball(Norm::Linf, 1), 0, 3);
        let problem = Problem::new(&net, &property, 0, &|| false);
        // One step a phase.
        let settings = AttackSettings { steps: 2, ..AttackSettings::default() };
        for seed in 0..5 {
            let mut findings = Findings::default();
            let loss = Loss::CrossEntropy;
            let seen = descend(&problem, &settings, loss, seed, &START, &mut findings).unwrap();
            assert_eq!(seen.len(), 2);
            assert!(seen[0][0] < 2.0 && seen[1] == seen[0], "{seen:?}");
        }
    }

    #[test]
    fn each_start_begins_at_a_point_of_its_own() {
        with_identity(3, 100.0, Norm::Linf, |problem| {
            let settings = AttackSettings { steps: 0, ..AttackSettings::default() };
            let starts = [0, 1].map(|index| Start { index, target: None });
            let loss = Loss::CrossEntropy;
            let mut findings = Findings::default();
            let seen = descend(problem, &settings, loss, 0, &starts, &mut findings).unwrap();
            assert!(column(&seen[0], 0) != column(&seen[0], 1), "{seen:?}");
        });
    }

    #[test]
    fn steps_have_three_quarters_of_their_own_direction_and_one_of_the_last() {
        with_identity(2, 0.0, Norm::Linf, |problem| {
            let mut descent = descent(problem, &[0.0, 0.0]);
            descent.progress[0].step = 0.25;
            descent.gradient = Matrix::from_column_slice(2, 1, &[1.0, -2.0]);
            descent.step();
            assert_eq!(descent.x.as_slice(), [-0.25, 0.25]);
            descent.gradient = Matrix::from_column_slice(2, 1, &[1.0, 2.0]);
            descent.step();
            // x + ¾ (∓0.25) + ¼ (the last displacement)
            assert_eq!(descent.x.as_slice(), [-0.5, 0.125]);
            assert_eq!(descent.before.as_slice(), [-0.25, 0.25]);
        });
    }

    #[test]
    fn steps_are_halved_where_they_bring_too_little() {
        with_identity(2, 0.0, Norm::Linf, |problem| {
            let judged = |falls, halved, least: f64, before: f64| {
                let mut descent = descent(problem, &[0.5, 0.5]);
                descent.best = Matrix::from_column_slice(2, 1, &[-0.5, 0.25]);
                let progress = &mut descent.progress[0];
                (progress.falls, progress.halved) = (falls, halved);
                (progress.least, progress.least_at_checkpoint) = (least, before);
                descent.judge(20);
                let progress = &descent.progress[0];
                assert_eq!((progress.falls, progress.least_at_checkpoint), (0, least));
                let back = descent.x == descent.best;
                assert_eq!((back, progress.halved), (progress.step < 2.0, progress.step < 2.0));
                progress.step
            };
            // Three quarters of 20 steps are 15.
            assert_eq!(judged(15, false, 1.0, 2.0), 2.0);
            assert_eq!(judged(14, false, 1.0, 2.0), 1.0);
            // The loss is no less than at the last checkpoint, with the same step since.
            assert_eq!(judged(20, false, 2.0, 2.0), 1.0);
            assert_eq!(judged(20, true, 2.0, 2.0), 2.0);
        });
    }

    #[test]
    fn a_descent_keeps_its_best_point_and_counts_its_falls() {
        with_identity(3, 0.0, Norm::L2, |problem| {
            let mut descent = descent(problem, &[0.0, 0.5, 0.0]);
            // Class 0 behind by 0.5, then ahead by 1, then behind again by less: as losses these are −, +, −.
            let mut findings = Findings::default();
            for (done, x) in
                [[0.75, -0.25, 0.0], [0.5, 0.0, 0.0], [0.6, 0.0, 0.0]].into_iter().enumerate()
            {
                descent.x.copy_from_slice(&x);
                let values = problem.net.forward(&descent.x);
                assert!(!descent.look(&values, done, &mut findings));
            }
            assert_eq!(descent.best.as_slice(), [0.5, 0.0, 0.0]);
            let progress = &descent.progress[0];
            assert!((progress.least - 0.5 / 2f64.sqrt()).abs() < 1e-15);
            assert_eq!(progress.falls, 1);
        });
    }
}
