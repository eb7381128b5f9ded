//! Square: random search that sees outputs alone. No gradient, so none can be masked.

use super::objective::Objective;
use super::problem::{Findings, Problem};
use super::random::SplitMix64;
use super::{AttackSettings, Counterexample};
use crate::net::{LinearMap, Matrix, Network, column, column_mut};
use crate::spec::Norm;

/// Share of the features that the first changes cover.
const SHARE: f64 = 0.8;

/// Query numbers, of 10,000, from which on the share is halved once more (the schedule of the paper's appendix).
const HALVINGS: [usize; 9] = [10, 50, 200, 500, 1_000, 2_000, 4_000, 6_000, 8_000];

/// Most changes of one state that are evaluated at once.
const LOOK_AHEAD: usize = 32;

/// Keeps, from each starting point, the best point so far and changes a random square of it; a change that brings the
/// outputs nearer to the unsafe set is kept (Andriushchenko, Croce, Flammarion and Hein, *Square Attack: a Query-efficient
/// Black-box Adversarial Attack via Random Search*, ECCV 2020; algorithms 1 and 2 in the max norm, 1 and 3 in the Euclidean
/// one). Squares shrink as queries are spent.
///
/// In the max norm points are corners of the box: first vertical stripes, then in each square one random sign a channel.
/// In a Euclidean ball they are as far out as the domain allows: first a grid of bumps, then in each square a bump more, paid
/// for by what another square has. Where the input is no image, a "square" is a random subset of the features, each with its
/// own sign: no feature is another's neighbour in a table.
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
            let Some(affine) = node.op.affine() else { continue };
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
        let share = self.share(problem.norm, query);
        match problem.norm {
            Norm::Linf => self.repaint(problem, &mut rng, share, x),
            Norm::L2 => self.shift(problem, &mut rng, share, x),
        }
    }

    /// The share of features that query number `query` changes. The schedule is one for 10,000 queries: in the max norm it is
    /// run through with as many queries as there are; in the Euclidean one it is not, because small squares move little of a
    /// fixed length (on the MNIST networks 1,000 queries broke 99 inputs so, and 79 with the schedule run through).
    fn share(&self, norm: Norm, query: usize) -> f64 {
        let all = if norm == Norm::Linf { self.queries.max(1) } else { 10_000 };
        let of_ten_thousand = (query as u128 * 10_000 / all as u128) as usize;
        let halvings = HALVINGS.iter().filter(|&&from| of_ten_thousand > from).count();
        SHARE * 0.5f64.powi(halvings as i32)
    }

    /// The first point. Max norm: vertical stripes, one random sign each. Euclidean norm: a grid of bumps, each of its own
    /// sign. In a table one random sign a feature.
    fn first(&self, problem: &Problem, rng: &mut SplitMix64, x: &mut [f64]) {
        match (problem.norm, self.image) {
            (Norm::L2, Some(image)) => grid_of_bumps(image, rng, x),
            (Norm::Linf, Some([channels, height, width])) => {
                for (channel, column) in
                    (0..channels).flat_map(|c| (0..width).map(move |column| (c, column)))
                {
                    let sign = rng.sign();
                    for row in 0..height {
                        x[(channel * height + row) * width + column] = sign;
                    }
                }
            }
            (_, None) => x.iter_mut().for_each(|x| *x = rng.sign()),
        }
        match problem.norm {
            Norm::Linf => {
                for (i, x) in x.iter_mut().enumerate() {
                    *x = if *x > 0.0 { problem.upper[i] } else { problem.lower[i] };
                }
            }
            Norm::L2 => {
                for (i, x) in x.iter_mut().enumerate() {
                    *x = problem.centre[i] + *x * problem.radii[i];
                }
                problem.stretch(x);
            }
        }
    }

    /// Max norm: each group of a random square goes to one side of the box. Draws again, a few times, where that is where
    /// they are already.
    fn repaint(&self, problem: &Problem, rng: &mut SplitMix64, share: f64, x: &mut [f64]) {
        for _ in 0..10 {
            let groups = match self.image {
                Some(image) => window(image, side(image, share), rng),
                None => subset(x.len(), share, rng).into_iter().map(|i| vec![i]).collect(),
            };
            for group in groups {
                let side = if rng.sign() > 0.0 { &problem.upper } else { &problem.lower };
                group.into_iter().for_each(|i| x[i] = side[i]);
            }
            if x != self.best.as_slice() {
                break;
            }
        }
    }

    /// Euclidean norm: a random square gets a bump, of one random sign a channel, added to the direction of what it has. It is
    /// as long as what it had, what another random square gives up, and what the whole lacks to the sphere.
    fn shift(&self, problem: &Problem, rng: &mut SplitMix64, share: f64, x: &mut [f64]) {
        let (here, there, bump) = match self.image {
            Some(image) => {
                let side = odd_side(image, share);
                let (here, there) = (window(image, side, rng), window(image, side, rng));
                (here, there, bump(side, rng))
            }
            None => {
                let (here, there) = (subset(x.len(), share, rng), subset(x.len(), share, rng));
                let bump = here.iter().map(|_| rng.sign()).collect();
                (vec![here], vec![there], bump)
            }
        };
        let bump = unit(bump);
        let mut offset: Vec<f64> = (0..x.len())
            .map(|i| match problem.radii[i] {
                r if r > 0.0 => (x[i] - problem.centre[i]) / r,
                _ => 0.0,
            })
            .collect();
        let lacking = (1.0 - square_of(&offset)).max(0.0) / here.len() as f64;
        for (here, there) in here.into_iter().zip(there) {
            let had: Vec<f64> = here.iter().map(|&i| std::mem::take(&mut offset[i])).collect();
            let given: Vec<f64> = there.iter().map(|&i| std::mem::take(&mut offset[i])).collect();
            let budget = (square_of(&had) + square_of(&given) + lacking).sqrt();
            let sign = rng.sign();
            let sum = unit(had).iter().zip(&bump).map(|(h, b)| h + sign * b).collect();
            for (i, new) in here.into_iter().zip(unit(sum)) {
                offset[i] = budget * new;
            }
        }
        for (i, offset) in offset.into_iter().enumerate() {
            x[i] = problem.centre[i] + problem.radii[i] * offset;
        }
        problem.stretch(x);
    }
}

/// The side of a square that covers a share of an image, at least one pixel long.
fn side([_, height, width]: [usize; 3], share: f64) -> usize {
    let side = (share * (height * width) as f64).sqrt().round() as usize;
    side.clamp(1, height.min(width))
}

/// The same for bumps, which need three pixels at least, and a middle.
fn odd_side(image: [usize; 3], share: f64) -> usize {
    (side(image, share).max(3) | 1).min(image[1].min(image[2]))
}

/// The features of a square at a random place, channel by channel.
fn window(
    [channels, height, width]: [usize; 3],
    side: usize,
    rng: &mut SplitMix64,
) -> Vec<Vec<usize>> {
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

/// A random share of a table's features.
fn subset(features: usize, share: f64, rng: &mut SplitMix64) -> Vec<usize> {
    let count = ((share * features as f64).round() as usize).max(1);
    let mut all: Vec<usize> = (0..features).collect();
    for i in 0..count {
        let j = i + rng.below(features - i);
        all.swap(i, j);
    }
    all.truncate(count);
    all
}

/// Writes a grid of five times five bumps to `x`, with a random sign a bump and channel.
fn grid_of_bumps([channels, height, width]: [usize; 3], rng: &mut SplitMix64, x: &mut [f64]) {
    x.fill(0.0);
    let side = (height.min(width) / 5).max(1);
    let (down, across) = (height / side, width / side);
    let (top, left) = ((height - down * side) / 2, (width - across * side) / 2);
    for (i, j) in (0..down).flat_map(|i| (0..across).map(move |j| (i, j))) {
        let bump = unit(bump(side, rng));
        for channel in 0..channels {
            let sign = rng.sign();
            for (at, b) in bump.iter().enumerate() {
                let (row, column) = (top + i * side + at / side, left + j * side + at % side);
                x[(channel * height + row) * width + column] = sign * b;
            }
        }
    }
}

/// The bump η of the paper's equation 2 over a square: a hill in one half, the same below zero in the other, upright or lying.
fn bump(side: usize, rng: &mut SplitMix64) -> Vec<f64> {
    let upper = side / 2;
    let mut bump = unit(hill(upper, side));
    bump.extend(unit(hill(side - upper, side)).iter().map(|b| -b));
    if rng.sign() > 0.0 {
        bump = (0..side * side).map(|at| bump[at % side * side + at / side]).collect();
    }
    bump
}

/// Σ (k + 1)⁻² over k from a pixel's distance (in the max norm) to the middle of a rectangle, up to half its longer side.
fn hill(height: usize, width: usize) -> Vec<f64> {
    let steps = height.max(width) / 2 + 1;
    let level = |from: usize| (from..steps).map(|k| ((k + 1) as f64).powi(-2)).sum::<f64>();
    (0..height * width)
        .map(|at| level((at / width).abs_diff(height / 2).max((at % width).abs_diff(width / 2))))
        .collect()
}

fn square_of(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

/// The vector divided by its length; as it is where that is next to nothing.
fn unit(mut x: Vec<f64>) -> Vec<f64> {
    let length = square_of(&x).sqrt();
    if length > 1e-9 {
        x.iter_mut().for_each(|x| *x /= length);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::problem::fixtures::with_identity;

    #[test]
    fn squares_shrink_as_the_schedule_says_and_starts_differ() {
        with_identity(3, 0.0, Norm::Linf, |problem| {
            let chain = |queries, start| Chain::new(problem, None, queries, 0, start);
            let halvings = |norm, queries, query| {
                (SHARE / chain(queries, 0).share(norm, query)).log2().round() as usize
            };
            let all = |norm, queries, at: &[usize]| -> Vec<usize> {
                at.iter().map(|&query| halvings(norm, queries, query)).collect()
            };
            let at = [1, 10, 11, 50, 51, 200, 201, 8_000, 8_001];
            assert_eq!(all(Norm::Linf, 10_000, &at), [0, 0, 1, 1, 2, 2, 3, 8, 9]);
            assert_eq!(all(Norm::Linf, 1_000, &[1, 2, 5, 6, 801]), [0, 1, 1, 2, 9]);
            assert_eq!(all(Norm::L2, 1_000, &[10, 11, 801]), [0, 1, 4]);
            assert_ne!(chain(1_000, 0).seed, chain(1_000, 1).seed);
        });
    }

    #[test]
    fn a_bump_is_a_hill_and_a_valley_of_equal_weight() {
        let mut rng = SplitMix64::new(5, 0);
        for side in [3usize, 5, 7, 28] {
            let mut upright = 0;
            for _ in 0..40 {
                let bump = bump(side, &mut rng);
                let at = |row: usize, column: usize| bump[row * side + column];
                let (up, down) = bump.split_at(side / 2 * side);
                let halves = |x: &[f64]| square_of(x);
                if up.iter().all(|&b| b > 0.0) && down.iter().all(|&b| b < 0.0) {
                    upright += 1;
                    assert!((halves(up) - 1.0).abs() < 1e-12 && (halves(down) - 1.0).abs() < 1e-12);
                    // Highest in its own middle, lowest in a corner.
                    assert!(at(side / 4, side / 2) >= at(0, 0));
                } else {
                    assert!((0..side).all(|row| at(row, 0) > 0.0 && at(row, side - 1) < 0.0));
                }
            }
            assert!((5..=35).contains(&upright), "{upright} of 40 upright");
        }
        // By hand: rows (1, 2) of 3 pixels; levels 1 + 1/4 in the middle and 1/4 around it.
        assert_eq!(hill(1, 3), [0.25, 1.25, 0.25]);
        assert_eq!(hill(2, 3), [0.25, 0.25, 0.25, 0.25, 1.25, 0.25]);
    }

    #[test]
    fn windows_lie_inside_and_odd_ones_have_a_middle() {
        let mut rng = SplitMix64::new(6, 0);
        let image = [2, 5, 9];
        for share in [1.0, 0.8, 0.3, 0.01] {
            let odd = odd_side(image, share);
            assert!(odd % 2 == 1 && (3..=5).contains(&odd));
            for side in [side(image, share), odd] {
                let groups = window(image, side, &mut rng);
                assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [side * side; 2]);
                assert!(groups[0].iter().all(|&i| i < 45));
                assert!(groups[0].iter().zip(&groups[1]).all(|(a, b)| a + 45 == *b));
            }
        }
        let mut all = subset(9, 0.5, &mut rng);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 5);
    }
}
