//! The fast adaptive boundary attack: a smallest perturbation, by projections onto linearised decision boundaries.

use super::objective::{Objective, Standing};
use super::problem::{Findings, Problem};
use super::random::SplitMix64;
use super::{AttackSettings, Counterexample, Loss};
use crate::net::{Matrix, column, column_mut};

/// How many polytopes, of those nearest to the centre's outputs, are attacked, each for itself.
const TARGETS: usize = 9;

/// How strongly steps are drawn towards the centre, at most: α_max of the paper.
const MOST_BIAS: f64 = 0.1;

/// How far steps go past the boundary: η of the paper.
const OVERSHOOT: f64 = 1.05;

/// The share of the offset from the centre that is kept once a point is in the unsafe set: β of the paper.
const BACKWARD: f64 = 0.9;

/// Bisections between the centre and the best point in the end.
const BISECTIONS: usize = 16;

/// What the search reached: points of the unsafe set (as far as double precision tells), and their sizes in radii.
pub(super) struct Reached {
    pub(super) points: Matrix,
    pub(super) sizes: Vec<f64>,
}

/// Looks for a point of the set at the least distance from its centre, which is a counterexample if the set holds it.
pub(super) fn search(
    problem: &Problem,
    settings: &AttackSettings,
    seed: u64,
) -> Option<Counterexample> {
    let mut findings = Findings::default();
    let mut reach = 1.0f64;
    for starts in batches(problem, settings) {
        let mut search = Search::new(problem, seed, &starts, reach);
        if search.run(settings.steps, Some(&mut findings)) || (problem.stop)() {
            break;
        }
        findings.begin();
        let best = search.finish();
        let inside = |&size: &f64| if size <= 1.0 { size - 2.0 } else { f64::INFINITY };
        let depths: Vec<f64> = best.sizes.iter().map(inside).collect();
        if findings.look(problem, &best.points, &depths) {
            break;
        }
        reach = best.sizes.into_iter().fold(reach, f64::min);
    }
    findings.into_best()
}

/// All points of the unsafe set that the search reaches, each as near to the centre as it gets.
pub(super) fn nearest(problem: &Problem, settings: &AttackSettings, seed: u64) -> Vec<Reached> {
    let mut all = Vec::new();
    let mut reach = 1.0f64;
    for starts in batches(problem, settings) {
        let mut search = Search::new(problem, seed, &starts, reach);
        search.run(settings.steps, None);
        let best = search.finish();
        reach = best.sizes.iter().copied().fold(reach, f64::min);
        all.push(best);
        if (problem.stop)() {
            break;
        }
    }
    all
}

/// A column: the number of its random stream (the first start of each target is the centre), and its polytope.
#[derive(Clone, Copy)]
struct Start {
    index: usize,
    centre: bool,
    target: usize,
}

/// The starts at the centre, one a polytope, then those at random points.
fn batches(problem: &Problem, settings: &AttackSettings) -> Vec<Vec<Start>> {
    let centre = Matrix::from_column_slice(problem.centre.len(), 1, &problem.centre);
    let outputs = problem.net.evaluate(&centre);
    let targets = problem.objective.closest(TARGETS, std::iter::once(column(&outputs, 0)));
    let all: Vec<Start> = (0..settings.restarts.max(1))
        .flat_map(|restart| targets.iter().map(move |&target| (restart, target)))
        .enumerate()
        .map(|(index, (restart, target))| Start { index, centre: restart == 0, target })
        .collect();
    let (centres, others) = all.split_at(targets.len());
    let size = problem.max_columns();
    centres.chunks(size).chain(others.chunks(size)).map(<[Start]>::to_vec).collect()
}

/// A batch of searches in progress (Croce and Hein, *Minimally Distorted Adversarial Examples with a Fast Adaptive Boundary
/// Attack*, ICML 2020, in its targeted form). With f the distance to a polytope, linearised at x, and c the centre:
///
/// ```text
/// δ  ← projection of x on { f = 0 } ∩ box, minus x        δ₀ ← the same of c, minus c
/// x  ← Π((1 − α)(x + η δ) + α (c + η δ₀))                 α = min(‖δ‖/(‖δ‖ + ‖δ₀‖), 0.1),  η = 1.05
/// ```
///
/// A point in the unsafe set is recorded if it is nearer than those before, and x goes back to c + 0.9 (x − c).
struct Search<'a> {
    problem: &'a Problem<'a>,
    starts: &'a [Start],
    rngs: Vec<SplitMix64>,
    x: Matrix,
    /// Whether each column is in the unsafe set now.
    beyond: Vec<bool>,
    best: Reached,
    reach: f64,
}

impl<'a> Search<'a> {
    /// Random starts are half as far out as `reach`, in radii of the set: the least size found so far.
    fn new(problem: &'a Problem<'a>, seed: u64, starts: &'a [Start], reach: f64) -> Self {
        let mut rngs: Vec<_> =
            starts.iter().map(|s| SplitMix64::new(seed, s.index as u64)).collect();
        let mut x = Matrix::zeros(problem.net.inputs(), starts.len());
        for (c, (start, rng)) in starts.iter().zip(&mut rngs).enumerate() {
            begin(problem, if start.centre { 0.0 } else { reach }, rng, column_mut(&mut x, c));
        }
        let sizes = vec![f64::INFINITY; starts.len()];
        let best = Reached { points: x.clone(), sizes };
        Self { problem, starts, rngs, x, beyond: vec![false; starts.len()], best, reach }
    }

    /// Takes all steps. With `findings`, true as soon as a counterexample settles the search.
    fn run(&mut self, steps: usize, mut findings: Option<&mut Findings>) -> bool {
        if let Some(findings) = &mut findings {
            findings.begin();
        }
        for step in 0..=steps {
            if (self.problem.stop)() {
                break;
            }
            let distances = self.record();
            if let Some(findings) = &mut findings
                && findings.look(self.problem, &self.x, &distances)
            {
                return true;
            }
            if step < steps {
                self.step();
            }
        }
        false
    }

    /// Records points of the unsafe set; returns the distances of those that the set holds, infinite for others.
    fn record(&mut self) -> Vec<f64> {
        let outputs = self.problem.net.evaluate(&self.x);
        (0..self.starts.len())
            .map(|c| {
                let distance = distance(&self.problem.objective, column(&outputs, c));
                self.beyond[c] = distance <= 0.0;
                if !self.beyond[c] {
                    return f64::INFINITY;
                }
                let x = column(&self.x, c);
                let size = self.problem.size(x);
                if size < self.best.sizes[c] {
                    self.best.sizes[c] = size;
                    column_mut(&mut self.best.points, c).copy_from_slice(x);
                }
                if size <= 1.0 { distance } else { f64::INFINITY }
            })
            .collect()
    }

    /// Draws points of the unsafe set back, nearer than those before or not, and takes a step with each column.
    fn step(&mut self) {
        let problem = self.problem;
        for (c, &beyond) in self.beyond.iter().enumerate() {
            if beyond {
                let x = column_mut(&mut self.x, c);
                x.iter_mut().zip(&problem.centre).for_each(|(x, c)| *x = c + BACKWARD * (*x - c));
            }
        }
        let values = problem.net.forward(&self.x);
        let outputs = values.node(problem.net.output());
        let mut weights = Matrix::zeros(outputs.nrows(), outputs.ncols());
        let mut standings: Vec<Standing> = Vec::with_capacity(self.starts.len());
        for (c, start) in self.starts.iter().enumerate() {
            let y = column(outputs, c);
            let standing = problem.objective.standing(start.target, y);
            let weights = column_mut(&mut weights, c);
            problem.objective.gradient(Loss::Margin, &standing, true, y, weights);
            standings.push(standing);
        }
        let gradient = problem.net.gradient(&values, &weights);
        for (c, standing) in standings.iter().enumerate() {
            let (x, slope) = (column_mut(&mut self.x, c), column(&gradient, c));
            let norm: f64 = slope.iter().map(|g| g.abs()).sum();
            if norm == 0.0 || !norm.is_finite() || !standing.distance.is_finite() {
                begin(problem, self.reach, &mut self.rngs[c], x);
                continue;
            }
            towards(problem, x, slope, standing.distance);
        }
    }

    /// The best points, moved towards the centre as far as they stay in the unsafe set.
    fn finish(self) -> Reached {
        let Self { problem, best: Reached { mut points, mut sizes }, .. } = self;
        let mut low = vec![0.0; sizes.len()];
        for _ in 0..BISECTIONS {
            if sizes.iter().all(|size| size.is_infinite()) || (problem.stop)() {
                break;
            }
            let mut middle = points.clone();
            for (c, low) in low.iter().enumerate() {
                let factor = 0.5 * (low + 1.0);
                let x = column_mut(&mut middle, c).iter_mut().zip(&problem.centre);
                x.for_each(|(x, c)| *x = c + factor * (*x - c));
            }
            let outputs = problem.net.evaluate(&middle);
            for (c, low) in low.iter_mut().enumerate() {
                let inside = distance(&problem.objective, column(&outputs, c)) <= 0.0;
                if inside && sizes[c].is_finite() {
                    sizes[c] = problem.size(column(&middle, c));
                    column_mut(&mut points, c).copy_from_slice(column(&middle, c));
                    // In units of the new offset the lower end has moved up.
                    *low /= 0.5 * (*low + 1.0);
                } else {
                    *low = 0.5 * (*low + 1.0);
                }
            }
        }
        Reached { points, sizes }
    }
}

fn distance(objective: &Objective, y: &[f64]) -> f64 {
    objective.nearest(y).map_or(f64::INFINITY, |standing| standing.distance)
}

/// The centre, for a reach of 0, or a random point, drawn from the set and brought in to half of that reach.
fn begin(problem: &Problem, reach: f64, rng: &mut SplitMix64, x: &mut [f64]) {
    x.copy_from_slice(&problem.centre);
    if reach > 0.0 {
        problem.draw(rng, x);
        x.iter_mut().zip(&problem.centre).for_each(|(x, c)| *x = c + 0.5 * reach * (*x - c));
    }
    problem.clamp(x);
}

/// One step from `x`, where the function to bring to 0 has the given value and slope.
fn towards(problem: &Problem, x: &mut [f64], slope: &[f64], value: f64) {
    let offset: f64 =
        slope.iter().zip(&problem.centre).zip(x.iter()).map(|((w, c), x)| w * (c - x)).sum();
    let from_x = onto_plane(problem, x, slope, value);
    let from_centre = onto_plane(problem, &problem.centre, slope, value + offset);
    let (a, b) =
        (problem.length(from_x.iter().copied()), problem.length(from_centre.iter().copied()));
    let bias = if a + b > 0.0 { (a / (a + b)).min(MOST_BIAS) } else { 0.0 };
    for i in 0..x.len() {
        let near_x = x[i] + OVERSHOOT * from_x[i];
        let near_centre = problem.centre[i] + OVERSHOOT * from_centre[i];
        x[i] = (1.0 - bias) * near_x + bias * near_centre;
    }
    problem.clamp(x);
}

/// The shortest δ, in the norm ‖δ/r‖, with value + w·δ = 0 and x + δ in the box; where the box does not reach the plane, the
/// one that comes nearest.
///
/// δᵢ = ∓sign(wᵢ) min(t aᵢ, roomᵢ) with aᵢ = rᵢ in the max norm and |wᵢ| rᵢ² in the Euclidean one. Σ |wᵢ| |δᵢ| is concave and
/// increases in t, so Newton's method from below ends at the t sought once the set of full features stays the same.
fn onto_plane(problem: &Problem, x: &[f64], w: &[f64], value: f64) -> Vec<f64> {
    let down = value > 0.0;
    let pace = |i: usize| problem.share(w, i);
    let room = |i: usize| {
        let room =
            if (w[i] > 0.0) == down { x[i] - problem.lower[i] } else { problem.upper[i] - x[i] };
        room.max(0.0)
    };
    let (mut t, mut last) = (0.0, f64::NEG_INFINITY);
    while t > last {
        last = t;
        let (mut left, mut rate) = (value.abs(), 0.0);
        for i in (0..x.len()).filter(|&i| w[i] != 0.0) {
            if t * pace(i) >= room(i) && (t > 0.0 || room(i) == 0.0) {
                left -= w[i].abs() * room(i);
            } else {
                rate += w[i].abs() * pace(i);
            }
        }
        t = if rate > 0.0 { left / rate } else { f64::INFINITY };
    }
    let mut delta = vec![0.0; x.len()];
    for i in (0..x.len()).filter(|&i| w[i] != 0.0 && pace(i) > 0.0) {
        let length = (t * pace(i)).min(room(i));
        delta[i] = if (w[i] > 0.0) == down { -length } else { length };
    }
    delta
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::problem::fixtures::with_identity;
    use crate::spec::Norm;

    #[test]
    fn each_random_start_is_a_point_of_its_own() {
        with_identity(3, 0.0, Norm::L2, |problem| {
            let starts = [0, 1].map(|index| Start { index, centre: false, target: 0 });
            let x = Search::new(problem, 0, &starts, 1.0).x;
            assert!(column(&x, 0) != column(&x, 1), "{x}");
        });
    }

    #[test]
    fn a_point_of_the_unsafe_set_is_drawn_back_though_a_nearer_one_is_known() {
        with_identity(2, 1.0, Norm::L2, |problem| {
            let starts = [Start { index: 0, centre: true, target: 0 }];
            let mut search = Search::new(problem, 0, &starts, 1.0);
            search.x = Matrix::from_column_slice(2, 1, &[-1.0, 1.0]);
            search.best.sizes = vec![0.9];
            // Outside the ball, so it is no counterexample either.
            assert_eq!(search.record(), [f64::INFINITY]);
            search.step();
            // From (−0.9, 0.9) to the plane x₁ − x₀ = 1 and past it, a tenth of the way from the centre.
            let expected = 0.9 * (-0.9 + 1.05 * 0.4) - 0.1 * 1.05 * 0.5;
            assert!((search.x[0] - expected).abs() < 1e-12 && search.x[1] == -search.x[0]);
        });
    }

    #[test]
    fn a_step_goes_past_the_boundary_and_is_drawn_towards_the_centre() {
        with_identity(2, 0.0, Norm::Linf, |problem| {
            let mut x = [0.5, -0.5];
            // f = x₀ + x₁ + 0.3: both projections are (−0.15, −0.15), so α = 0.1.
            towards(problem, &mut x, &[1.0, 1.0], 0.3);
            let expected = [0.9 * (0.5 - 0.1575) - 0.01575, 0.9 * (-0.5 - 0.1575) - 0.01575];
            assert!(x.iter().zip(expected).all(|(x, e)| (x - e).abs() < 1e-12), "{x:?}");
        });
    }
}
