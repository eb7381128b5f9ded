//! Projected gradient descent: all restarts, and all targets, as the columns of one batch.

use super::objective::Standing;
use super::problem::{Findings, Problem};
use super::random::SplitMix64;
use super::{AttackSettings, Counterexample, Loss, Motion};
use crate::net::{Matrix, column, column_mut};

/// How many polytopes are attacked one by one, of the [`SHORTLIST`] nearest to the untargeted attack's best points.
const TARGETS: usize = 4;

/// How many polytopes are considered for that.
const SHORTLIST: usize = 16;

/// Targets are attacked only if the untargeted attack left at most this share of the centre's distance. On the MNIST
/// networks where targets succeeded it had left 0 to 0.4, once 0.7; where they failed 0.8 to 1 nearly always.
const PROMISING: f64 = 0.75;

/// Steps still taken, for more slack, once a counterexample holds in real but not in single-precision arithmetic.
const EXTRA_STEPS: usize = 20;

/// Of the steps towards single polytopes, the share after which the margin takes the place of the loss asked for.
const FIRST_LOSS: f64 = 0.5;

/// Of the steps towards the union, the shares after which the margin takes the place of that loss, and the second nearest
/// polytope that of the union.
const PHASES: [f64; 2] = [0.3, 0.7];

/// From each starting point, for t = 0, …, T − 1 (Madry et al., *Towards Deep Learning Models Resistant to Adversarial
/// Attacks*, ICLR 2018; momentum: Dong et al., *Boosting Adversarial Attacks with Momentum*, CVPR 2018):
///
/// ```text
/// g ← μ g + ∇L(x) / ‖∇L(x)‖₁        x ← Π(x − αₜ h ⊙ sign g)
/// ```
///
/// with h the region's half-widths, Π the projection on its box, and αₜ the scheduled step, in every second start finer where the claim is not about classes; in a Euclidean ball the step
/// is along g itself, and shorter. μ is 0 where the claim is about classes. L is the loss asked for, and later the margin: the cross-entropy sees all classes, but does not say which
/// point violates the claim. First towards the union of all polytopes; then, if that fails, towards each of the nearest ones.
///
/// Of a classifier the first of these has two parts, the second of them towards the polytope that the first left second nearest.
/// The first begins at a random point, as in other libraries, the second at the centre, and after the first start at a random
/// point too. Other properties have one part, whose first start is the centre.
pub(super) fn search(
    problem: &Problem,
    settings: &AttackSettings,
    seed: u64,
) -> Option<Counterexample> {
    let restarts = settings.restarts.max(1);
    let mut findings = Findings::default();
    let mut best = Vec::new();
    let [first, second] = parts(problem, settings.steps);
    let untargeted: Vec<Start> = (0..restarts)
        .map(|restart| Start::new(restart, restart, None).at_random(second.steps > 0))
        .collect();
    for starts in untargeted.chunks(problem.max_columns()) {
        let mut descent = Descent::new(problem, settings, first, seed, starts);
        if descent.run(&mut findings) || (problem.stop)() {
            return findings.into_best();
        }
        let outputs = descent.best_outputs;
        if second.steps > 0 {
            let target = |c| problem.objective.second(column(&outputs, c));
            let starts = starts.iter().enumerate();
            // Streams from the other end, which no other start has.
            let starts: Vec<Start> =
                starts.map(|(c, s)| Start::new(!s.index, s.restart, target(c))).collect();
            let mut descent = Descent::new(problem, settings, second, seed, &starts);
            if descent.run(&mut findings) || (problem.stop)() {
                return findings.into_best();
            }
            best.push(descent.best_outputs);
        }
        best.push(outputs);
    }
    if findings.any() || !settings.targeted || problem.objective.len() == 1 {
        return findings.into_best();
    }
    let targets = promising_targets(problem, &best);
    let targeted: Vec<Start> = targets
        .iter()
        .flat_map(|&target| (0..restarts).map(move |r| (target, r)))
        .zip(restarts..)
        .map(|((target, restart), index)| Start::new(index, restart, Some(target)))
        .collect();
    let whole = Part::whole(settings.steps);
    for starts in targeted.chunks(problem.max_columns()) {
        let mut descent = Descent::new(problem, settings, whole, seed, starts);
        if descent.run(&mut findings) || (problem.stop)() {
            break;
        }
    }
    findings.into_best()
}

/// A descent of so many steps, which descends on the margin from one of them on.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    steps: usize,
    margin_from: usize,
}

impl Part {
    fn whole(steps: usize) -> Self {
        Self { steps, margin_from: share(FIRST_LOSS, steps) }
    }
}

/// The two parts of the descent towards the union. Where there are no two other classes, or few steps, the second has none.
fn parts(problem: &Problem, steps: usize) -> [Part; 2] {
    let none = Part { steps: 0, margin_from: 0 };
    if !problem.objective.is_classifier() {
        return [Part::whole(steps), none];
    }
    let [margin_from, end] = PHASES.map(|part| share(part, steps).min(steps));
    [Part { steps: end, margin_from }, Part { steps: steps - end, ..none }]
}

/// How the settings, or what the claim is about, have it move.
fn motion(problem: &Problem, settings: &AttackSettings) -> Motion {
    let usual = if problem.objective.names_classes() { Motion::CLASSES } else { Motion::OTHERS };
    settings.motion.unwrap_or(usual)
}

/// A share of so many steps, one at least: a single step follows the loss asked for.
fn share(share: f64, steps: usize) -> usize {
    (share * steps as f64).ceil().max(1.0) as usize
}

/// The polytopes to attack one by one, given the untargeted attack's best outputs: those that the linearisation of the
/// network at the region's centre reaches soonest, after d / ‖h ⊙ ∇d‖₁ half-widths (in the max norm), d being the centre's distance.
fn promising_targets(problem: &Problem, best: &[Matrix]) -> Vec<usize> {
    let (net, objective) = (problem.net, &problem.objective);
    let best = best.iter().flat_map(|y| (0..y.ncols()).map(|c| column(y, c)));
    let nearest = |y: &[f64]| objective.nearest(y).map_or(f64::INFINITY, |s| s.distance);
    let left = best.clone().map(nearest).fold(f64::INFINITY, f64::min);

    let shortlist = objective.closest(SHORTLIST, best);
    let mut centres = Matrix::zeros(net.inputs(), shortlist.len());
    (0..shortlist.len()).for_each(|c| problem.start(column_mut(&mut centres, c)));
    let values = net.forward(&centres);
    let y = column(values.node(net.output()), 0);
    if left > PROMISING * nearest(y).max(0.0) {
        return Vec::new();
    }
    let standings: Vec<Standing> = shortlist.iter().map(|&p| objective.standing(p, y)).collect();
    let mut weights = Matrix::zeros(net.outputs(), shortlist.len());
    for (c, standing) in standings.iter().enumerate() {
        objective.gradient(Loss::Margin, standing, true, y, column_mut(&mut weights, c));
    }
    let gradient = net.gradient(&values, &weights);
    let mut reaches: Vec<(f64, usize)> = standings
        .iter()
        .enumerate()
        .map(|(c, standing)| {
            let fall = problem.fall(column(&gradient, c)).max(f64::MIN_POSITIVE);
            (standing.distance / fall, standing.polytope)
        })
        .collect();
    reaches.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    reaches.into_iter().take(TARGETS).map(|reach| reach.1).collect()
}

/// A column of a batch.
#[derive(Clone)]
struct Start {
    /// The number of its random stream: what it draws depends on the seed and this alone.
    index: usize,
    /// How many starts towards the same came before it: every second one takes finer steps.
    restart: usize,
    /// Whether it begins at the region's centre rather than at a random point.
    centre: bool,
    /// The polytope to descend to; the nearest one where there is none.
    target: Option<usize>,
}

impl Start {
    /// The first start of a target is the centre.
    fn new(index: usize, restart: usize, target: Option<usize>) -> Self {
        Self { index, restart, centre: restart == 0, target }
    }

    /// Even the first one is no centre where `random`.
    fn at_random(self, random: bool) -> Self {
        Self { centre: self.centre && !random, ..self }
    }
}

/// A batch of descents in progress.
struct Descent<'a> {
    problem: &'a Problem<'a>,
    settings: &'a AttackSettings,
    motion: Motion,
    part: Part,
    starts: &'a [Start],
    rngs: Vec<SplitMix64>,
    x: Matrix,
    direction: Matrix,
    weights: Matrix,
    /// The least distance to the unsafe set that each column has seen, and the outputs there.
    best: Vec<f64>,
    best_outputs: Matrix,
}

impl<'a> Descent<'a> {
    fn new(
        problem: &'a Problem<'a>,
        settings: &'a AttackSettings,
        part: Part,
        seed: u64,
        starts: &'a [Start],
    ) -> Self {
        let (inputs, outputs, columns) =
            (problem.net.inputs(), problem.net.outputs(), starts.len());
        let mut rngs: Vec<_> =
            starts.iter().map(|s| SplitMix64::new(seed, s.index as u64)).collect();
        let mut x = Matrix::zeros(inputs, columns);
        for (c, (start, rng)) in starts.iter().zip(&mut rngs).enumerate() {
            if start.centre {
                problem.start(column_mut(&mut x, c));
            } else {
                problem.draw(rng, column_mut(&mut x, c));
            }
        }
        Self {
            problem,
            settings,
            motion: motion(problem, settings),
            part,
            starts,
            rngs,
            x,
            direction: Matrix::zeros(inputs, columns),
            weights: Matrix::zeros(outputs, columns),
            best: vec![f64::INFINITY; columns],
            best_outputs: Matrix::zeros(outputs, columns),
        }
    }

    /// Takes all steps, or as many as it needs. True when the search is over.
    fn run(&mut self, findings: &mut Findings) -> bool {
        let net = self.problem.net;
        let mut left = usize::MAX;
        findings.begin();
        for t in 0..=self.part.steps {
            if (self.problem.stop)() || left == 0 {
                return findings.any();
            }
            let values = net.forward(&self.x);
            if self.look(values.node(net.output()), self.loss(t), findings) {
                return true;
            }
            left = if findings.any() { left.min(EXTRA_STEPS) - 1 } else { left };
            if t < self.part.steps {
                let gradient = net.direction(&values, &self.weights);
                self.step(&gradient, self.settings.schedule.factor(t, self.part.steps));
            }
        }
        false
    }

    /// What step `t` descends on.
    fn loss(&self, t: usize) -> Loss {
        if t >= self.part.margin_from { Loss::Margin } else { self.settings.loss }
    }

    /// Records where each column stands, proposes the best candidate, and sets the loss's derivative by the outputs.
    /// True when the search is over.
    fn look(&mut self, outputs: &Matrix, loss: Loss, findings: &mut Findings) -> bool {
        let objective = &self.problem.objective;
        let mut distances = vec![f64::INFINITY; self.starts.len()];
        for (c, start) in self.starts.iter().enumerate() {
            let y = column(outputs, c);
            let Some(nearest) = objective.nearest(y) else { continue };
            distances[c] = nearest.distance;
            if nearest.distance < self.best[c] {
                self.best[c] = nearest.distance;
                column_mut(&mut self.best_outputs, c).copy_from_slice(y);
            }
            let sought: Standing = start.target.map_or(nearest, |p| objective.standing(p, y));
            let weights = column_mut(&mut self.weights, c);
            objective.gradient(loss, &sought, start.target.is_some(), y, weights);
        }
        findings.look(self.problem, &self.x, &distances)
    }

    /// The part of the step asked for that a start takes. A single step is as long as it was asked to be.
    fn shortened(&self, start: &Start) -> f64 {
        if self.settings.steps == 1 {
            return 1.0;
        }
        let finer = if start.restart % 2 == 1 { self.motion.finer } else { 1.0 };
        finer * self.problem.pace()
    }

    fn step(&mut self, gradient: &Matrix, factor: f64) {
        let problem = self.problem;
        let momentum = self.motion.momentum;
        for (c, start) in self.starts.iter().enumerate() {
            let size = self.motion.step * factor * self.shortened(start);
            let gradient = column(gradient, c);
            let norm: f64 = gradient.iter().map(|g| g.abs()).sum();
            let (direction, x) = (column_mut(&mut self.direction, c), column_mut(&mut self.x, c));
            if norm == 0.0 || !norm.is_finite() {
                // Nothing to follow (all ReLUs dead, or the sigmoids saturated): begin again elsewhere.
                direction.fill(0.0);
                problem.draw(&mut self.rngs[c], x);
                continue;
            }
            for (direction, gradient) in direction.iter_mut().zip(gradient) {
                *direction = momentum * *direction + gradient / norm;
            }
            problem.descend(x, direction, size, &problem.half_width);
        }
    }
}

#[cfg(test)]
mod tests;
