//! Square: random search that sees outputs alone. No gradient, so none can be masked.

use super::objective::Objective;
use super::problem::{Findings, Problem, column, column_mut};
use super::random::SplitMix64;
use super::{AttackSettings, Counterexample};
use crate::net::{LinearMap, Matrix, Network, Op};
use crate::spec::Norm;

/// Share of the features that the first changes cover.
const SHARE: f64 = 0.8;

/// Query numbers, of 10,000, from which on the share is halved once more (the schedule of the paper's appendix).
const HALVINGS: [usize; 9] = [10, 50, 200, 500, 1_000, 2_000, 4_000, 6_000, 8_000];

/// Most changes of one state that are evaluated at once.
const LOOK_AHEAD: usize = 32;

/// Keeps, from each starting point, the best point so far and changes a random square of it; a change that brings the
/// outputs nearer to the unsafe set is kept (Andriushchenko, Croce, Flammarion and Hein, *Square Attack: a Query-efficient
/// Black-box Adversarial Attack via Random Search*, ECCV 2020; algorithms 1 and 2 in the max norm, in the spirit of
/// algorithm 3 in the Euclidean one). Squares shrink as queries are spent.
///
/// In the max norm points are corners of the box: first vertical stripes, then in each square one random sign a channel.
/// Where the input is no image, a "square" is a random subset of the features, each with its own sign: no feature is
/// another's neighbour in a table.
///
/// Query q of start r draws from a stream of its own. So several changes of one state can be evaluated at once, the first
/// good one taken and the rest forgotten, with the result of one query after the other.
pub(super) fn search(
    problem: &Problem,
    settings: &AttackSettings,
    seed: u64,
) -> Option<Counterexample> {
    let mut findings = Findings::default();
    let image = image(problem.net, settings);
    let starts: Vec<usize> = (0..settings.restarts.max(1)).collect();
    for starts in starts.chunks(problem.max_columns()) {
        let chains = starts
            .iter()
            .map(|&start| Chain::new(problem, image, settings.queries, seed, start))
            .collect();
        if run(problem, chains, &mut findings) || (problem.stop)() {
            break;
        }
    }
    findings.into_best()
}

/// Channels, height and width of the input, where it is an image.
fn image(net: &Network, settings: &AttackSettings) -> Option<[usize; 3]> {
    let of_convolution = || {
        // Elementwise maps before it (a normalisation) leave the layout as it is.
        let mut layout = vec![false; net.nodes().len()];
        layout[0] = true;
        for (id, node) in net.nodes().iter().enumerate().skip(1) {
            let Op::Affine(affine) = &node.op else { continue };
            let mut same = affine.terms.iter().filter(|term| layout[term.source]);
            let conv = same.clone().find_map(|term| match &term.map {
                LinearMap::Conv(conv) => Some(conv.geometry().input),
                _ => None,
            });
            if conv.is_some() {
                return conv;
            }
            layout[id] =
                same.any(|term| term.map.inputs() == term.map.outputs() && term.map.fan_in() == 1);
        }
        None
    };
    let shape = settings.image.or_else(of_convolution)?;
    (shape.iter().product::<usize>() == net.inputs() && shape[1] > 1 && shape[2] > 1)
        .then_some(shape)
}

/// Runs all chains until they have spent their queries. True when the search is over.
fn run(problem: &Problem, mut chains: Vec<Chain>, findings: &mut Findings) -> bool {
    findings.begin();
    let room = (problem.max_columns() / chains.len()).clamp(1, LOOK_AHEAD);
    while !(problem.stop)() {
        let sizes: Vec<usize> = chains.iter().map(|chain| chain.ahead(room)).collect();
        let total: usize = sizes.iter().sum();
        if total == 0 {
            return findings.any();
        }
        let mut x = Matrix::zeros(problem.net.inputs(), total);
        let mut at = 0;
        for (chain, &size) in chains.iter().zip(&sizes) {
            (0..size).for_each(|i| chain.propose(problem, i, column_mut(&mut x, at + i)));
            at += size;
        }
        let outputs = problem.net.evaluate(&x);
        let distances: Vec<f64> =
            (0..total).map(|c| distance(&problem.objective, column(&outputs, c))).collect();
        let mut at = 0;
        let mut taken = vec![f64::INFINITY; total];
        for (chain, &size) in chains.iter_mut().zip(&sizes) {
            if let Some(i) = chain.take(&distances[at..at + size]) {
                chain.best.copy_from_slice(column(&x, at + i));
                taken[at + i] = distances[at + i];
            }
            at += size;
        }
        if findings.look(problem, &x, &taken) {
            return true;
        }
    }
    findings.any()
}

fn distance(objective: &Objective, y: &[f64]) -> f64 {
    objective.nearest(y).map_or(f64::INFINITY, |standing| standing.distance)
}

/// One random search.
struct Chain {
    seed: u64,
    image: Option<[usize; 3]>,
    queries: usize,
    /// Queries spent.
    spent: usize,
    /// How many changes were refused since the last that was taken: many are evaluated at once where few are taken.
    refused: usize,
    best: Vec<f64>,
    least: f64,
}

impl Chain {
    fn new(
        problem: &Problem,
        image: Option<[usize; 3]>,
        queries: usize,
        seed: u64,
        start: usize,
    ) -> Self {
        let seed = SplitMix64::new(seed, start as u64).next_u64();
        let mut best = vec![0.0; problem.net.inputs()];
        problem.start(&mut best);
        Self { seed, image, queries, spent: 0, refused: 0, best, least: f64::INFINITY }
    }

    /// How many of its next queries to evaluate at once.
    fn ahead(&self, room: usize) -> usize {
        (self.refused + 1).min(room).min(self.queries - self.spent)
    }

    /// Accounts for the first of these distances that is an improvement, and for all queries before it; those after it are
    /// asked again from the new state.
    fn take(&mut self, distances: &[f64]) -> Option<usize> {
        let first = self.spent == 0;
        let taken = distances.iter().position(|&d| d < self.least || first);
        match taken {
            Some(i) => {
                self.spent += i + 1;
                self.refused = 0;
                self.least = distances[i];
            }
            None => {
                self.spent += distances.len();
                self.refused += distances.len();
            }
        }
        taken
    }

    /// Writes the point of query number `spent + i` to `x`.
    fn propose(&self, problem: &Problem, i: usize, x: &mut [f64]) {
        let query = self.spent + i;
        let mut rng = SplitMix64::new(self.seed, query as u64);
        if query == 0 {
            self.first(problem, &mut rng, x);
            return;
        }
        x.copy_from_slice(&self.best);
        match problem.norm {
            Norm::Linf => self.repaint(problem, &mut rng, self.share(query), x),
            Norm::L2 => self.shift(problem, &mut rng, self.share(query), x),
        }
    }

    /// The share of features that query number `query` changes.
    fn share(&self, query: usize) -> f64 {
        let of_ten_thousand = (query as u128 * 10_000 / self.queries.max(1) as u128) as usize;
        let halvings = HALVINGS.iter().filter(|&&from| of_ten_thousand > from).count();
        SHARE * 0.5f64.powi(halvings as i32)
    }

    /// Vertical stripes, one random sign each; in a table one random sign a feature.
    fn first(&self, problem: &Problem, rng: &mut SplitMix64, x: &mut [f64]) {
        let mut signs = vec![0.0; x.len()];
        match self.image {
            Some([channels, height, width]) => {
                for (channel, column) in
                    (0..channels).flat_map(|c| (0..width).map(move |column| (c, column)))
                {
                    let sign = rng.sign();
                    for row in 0..height {
                        signs[(channel * height + row) * width + column] = sign;
                    }
                }
            }
            None => signs.iter_mut().for_each(|sign| *sign = rng.sign()),
        }
        match problem.norm {
            Norm::Linf => {
                for (i, sign) in signs.iter().enumerate() {
                    x[i] = if *sign > 0.0 { problem.upper[i] } else { problem.lower[i] };
                }
            }
            Norm::L2 => {
                for (i, sign) in signs.iter().enumerate() {
                    x[i] = problem.centre[i] + sign * problem.radii[i];
                }
                problem.project(x);
            }
        }
    }

    /// The features of a random square, as groups that belong together: those of a channel, or of a table each for itself.
    fn square(&self, rng: &mut SplitMix64, share: f64) -> Vec<Vec<usize>> {
        match self.image {
            Some([channels, height, width]) => {
                let side = (share * (height * width) as f64).sqrt().round() as usize;
                let side = side.clamp(1, height.min(width));
                let (top, left) = (rng.below(height - side + 1), rng.below(width - side + 1));
                (0..channels)
                    .map(|channel| {
                        (top..top + side)
                            .flat_map(|row| (left..left + side).map(move |column| (row, column)))
                            .map(|(row, column)| (channel * height + row) * width + column)
                            .collect()
                    })
                    .collect()
            }
            None => {
                let count = ((share * self.best.len() as f64).round() as usize).max(1);
                let mut all: Vec<usize> = (0..self.best.len()).collect();
                for i in 0..count {
                    let j = i + rng.below(all.len() - i);
                    all.swap(i, j);
                }
                all[..count].iter().map(|&i| vec![i]).collect()
            }
        }
    }

    /// Max norm: each group of a random square goes to one side of the box. Draws again, a few times, where that is where
    /// they are already.
    fn repaint(&self, problem: &Problem, rng: &mut SplitMix64, share: f64, x: &mut [f64]) {
        for _ in 0..10 {
            for group in self.square(rng, share) {
                let side = if rng.sign() > 0.0 { &problem.upper } else { &problem.lower };
                group.into_iter().for_each(|i| x[i] = side[i]);
            }
            if x != self.best.as_slice() {
                break;
            }
        }
    }

    /// Euclidean norm: what a random square has of the perturbation, and what another has, becomes a bump of one random sign
    /// a channel in the first, added to what it has; the whole is brought back onto the sphere.
    fn shift(&self, problem: &Problem, rng: &mut SplitMix64, share: f64, x: &mut [f64]) {
        let (here, there) = (self.square(rng, share), self.square(rng, share));
        let offset = |x: &[f64], i: usize| match problem.radii[i] {
            r if r > 0.0 => (x[i] - problem.centre[i]) / r,
            _ => 0.0,
        };
        let mass = |x: &[f64], group: &[usize]| -> f64 {
            group.iter().map(|&i| offset(x, i).powi(2)).sum()
        };
        let all = problem.size(x).powi(2).min(1.0);
        let freed: f64 = there.iter().chain(&here).map(|group| mass(x, group)).sum();
        // What the whole lacks to the sphere is spent here too.
        let budget = (freed + (1.0 - all)) / here.len() as f64;
        let bumps: Vec<(Vec<usize>, Vec<f64>)> = here
            .into_iter()
            .map(|group| {
                let (sign, own) = (rng.sign(), mass(x, &group).sqrt().max(f64::MIN_POSITIVE));
                let shape = bump(group.len());
                // A single feature would cancel itself or stay as it is.
                let kept = if group.len() > 1 { own.recip() } else { 0.0 };
                let new: Vec<f64> = group
                    .iter()
                    .zip(shape)
                    .map(|(&i, bump)| sign * bump + kept * offset(x, i))
                    .collect();
                (group, new)
            })
            .collect();
        there.iter().flatten().for_each(|&i| x[i] = problem.centre[i]);
        for (group, new) in bumps {
            let length = new.iter().map(|v| v * v).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
            for (i, v) in group.into_iter().zip(new) {
                x[i] = problem.centre[i] + problem.radii[i] * v / length * budget.sqrt();
            }
        }
        problem.project(x);
    }
}

/// A pyramid over a square of so many features, of Euclidean length 1: highest in its middle.
fn bump(features: usize) -> Vec<f64> {
    let side = (features as f64).sqrt().round() as usize;
    let mut bump = vec![1.0; features];
    if side * side == features {
        let height = |i: usize| i.min(side - 1 - i) as f64 + 1.0;
        (0..features).for_each(|i| bump[i] = height(i / side).min(height(i % side)));
    }
    let length = bump.iter().map(|b| b * b).sum::<f64>().sqrt();
    bump.iter_mut().for_each(|b| *b /= length);
    bump
}
