//! One claim under attack: the set to search, how to move in it, the objective, and what was found so far.

use super::objective::Objective;
use super::random::SplitMix64;
use super::{Counterexample, validate, validate_in};
use crate::net::{Matrix, Network};
use crate::query::Query;
use crate::spec::{Around, Ball, Norm, Polytope, Property, Region};

/// What every attack needs to know.
pub(super) struct Problem<'a> {
    pub(super) net: &'a Network,
    set: Set<'a>,
    pub(super) objective: Objective,
    pub(super) stop: &'a dyn Fn() -> bool,
    /// Ends and half-widths of the outward-rounded box, finite; validation moves points into the exact set.
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
    pub(super) half_width: Vec<f64>,
    /// How far a point is from what: ‖(x − centre) / radii‖. Of a region that is not [part of a ball](Region::around), its
    /// centre and half-widths.
    pub(super) norm: Norm,
    pub(super) centre: Vec<f64>,
    pub(super) radii: Vec<f64>,
}

/// What may be searched.
enum Set<'a> {
    Claim(&'a Property, usize),
    Ball(&'a Ball, &'a [Polytope]),
}

/// Values of all nodes that a batch may take, in numbers: 64 MB of doubles.
const MAX_BATCH_VALUES: usize = 1 << 23;

impl<'a> Problem<'a> {
    /// Attack one claim of a query.
    pub(super) fn of(query: &'a Query, claim: usize, stop: &'a dyn Fn() -> bool) -> Self {
        let (net, property) = (query.network(), query.property());
        match query.ball() {
            Some(ball) if ball.norm() != Norm::Linf => {
                Self::in_ball(net, ball, &property.claims[claim].unsafe_set, stop)
            }
            _ => Self::new(net, property, claim, stop),
        }
    }

    /// Attack one claim of a property.
    fn new(
        net: &'a Network,
        property: &'a Property,
        claim: usize,
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        let region = &property.claims[claim].region;
        assert_eq!(region.dimension(), net.inputs(), "a region of the network's inputs");
        let (lower, upper) = (finite(region.lower()), finite(region.upper()));
        let half_width = halves(&lower, &upper);
        let (centre, radii) = centre_and_radii(region, &lower, &upper);
        let objective = Objective::new(&property.claims[claim].unsafe_set);
        let set = Set::Claim(property, claim);
        let norm = Norm::Linf;
        Self { net, set, objective, stop, lower, upper, half_width, norm, centre, radii }
    }

    /// Attack a ball.
    pub(super) fn in_ball(
        net: &'a Network,
        ball: &'a Ball,
        unsafe_set: &'a [Polytope],
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        let region = ball.region();
        assert_eq!(region.dimension(), net.inputs(), "a ball of the network's inputs");
        let (lower, upper) = (finite(region.lower()), finite(region.upper()));
        let half_width = halves(&lower, &upper);
        let (centre, radii) = centre_and_radii(region, &lower, &upper);
        let objective = Objective::new(unsafe_set);
        let (set, norm) = (Set::Ball(ball, unsafe_set), ball.norm());
        Self { net, set, objective, stop, lower, upper, half_width, norm, centre, radii }
    }

    /// The counterexample at or near a point, if there is one.
    pub(super) fn validate(&self, point: &[f64]) -> Option<Counterexample> {
        match self.set {
            Set::Claim(property, claim) => validate(self.net, property, claim, point),
            Set::Ball(ball, unsafe_set) => validate_in(self.net, ball, unsafe_set, point),
        }
    }

    /// Fills `x` with a random point: of the ball in the max norm, or of the Euclidean sphere, uniformly drawn and then moved
    /// into the box. Where the domain cuts the ball, many features begin at its end, as in other libraries' attacks.
    pub(super) fn draw(&self, rng: &mut SplitMix64, x: &mut [f64]) {
        let factor = match self.norm {
            Norm::Linf => {
                x.iter_mut().for_each(|x| *x = 2.0 * rng.unit() - 1.0);
                1.0
            }
            Norm::L2 => {
                x.iter_mut().for_each(|x| *x = rng.normal());
                x.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE).recip()
            }
        };
        for ((x, c), r) in x.iter_mut().zip(&self.centre).zip(&self.radii) {
            *x = c + r * factor * *x;
        }
        self.project(x);
    }

    /// Fills `x` with the first point to try: the centre of the box, or that of a Euclidean ball.
    pub(super) fn start(&self, x: &mut [f64]) {
        match self.norm {
            Norm::Linf => {
                for ((x, l), u) in x.iter_mut().zip(&self.lower).zip(&self.upper) {
                    *x = 0.5 * l + 0.5 * u;
                }
            }
            Norm::L2 => {
                x.copy_from_slice(&self.centre);
                self.project(x);
            }
        }
    }

    /// Moves `x` into the set: onto the sphere where it is beyond, then into the box. (Where the domain holds the centre,
    /// the second step does not undo the first.)
    pub(super) fn project(&self, x: &mut [f64]) {
        if self.norm == Norm::L2 {
            let length = self.size(x);
            if length > 1.0 {
                let factor = length.recip();
                x.iter_mut().zip(&self.centre).for_each(|(x, c)| *x = c + factor * (*x - c));
            }
        }
        for ((x, l), u) in x.iter_mut().zip(&self.lower).zip(&self.upper) {
            *x = x.max(*l).min(*u);
        }
    }

    /// Moves `x` along its offset from the centre to the sphere and into the box, as near to the sphere as three rounds bring
    /// it: what the box takes from some features is given to the others.
    pub(super) fn stretch(&self, x: &mut [f64]) {
        for _ in 0..3 {
            let length = self.size(x);
            if length > 0.0 && length.is_finite() {
                let factor = length.recip();
                x.iter_mut().zip(&self.centre).for_each(|(x, c)| *x = c + factor * (*x - c));
            }
            self.project(x);
        }
    }

    /// How far `x` is from the centre, in radii of the set.
    pub(super) fn size(&self, x: &[f64]) -> f64 {
        self.length(x.iter().zip(&self.centre).map(|(x, c)| x - c))
    }

    /// ‖δ / radii‖; differences in features of radius 0 do not count.
    pub(super) fn length(&self, offsets: impl Iterator<Item = f64>) -> f64 {
        let ratios = offsets.zip(&self.radii).map(|(d, r)| if *r > 0.0 { d / r } else { 0.0 });
        match self.norm {
            Norm::Linf => ratios.fold(0.0, |most, d| most.max(d.abs())),
            Norm::L2 => ratios.map(|d| d * d).sum::<f64>().sqrt(),
        }
    }

    /// By how much a linear function of the given gradient can fall in one radius: its dual norm.
    pub(super) fn fall(&self, gradient: &[f64]) -> f64 {
        let falls = gradient.iter().zip(&self.radii).map(|(g, r)| g.abs() * r);
        match self.norm {
            Norm::Linf => falls.sum(),
            Norm::L2 => falls.map(|f| f * f).sum::<f64>().sqrt(),
        }
    }

    /// Takes a step of steepest descent and projects: against the sign of the gradient by `size` times the scale of each
    /// feature, or in a Euclidean ball by `size` radii against the gradient, of which features at an end of the domain
    /// that would leave it have no part.
    pub(super) fn descend(&self, x: &mut [f64], gradient: &[f64], size: f64, scale: &[f64]) {
        match self.norm {
            Norm::Linf => {
                for i in 0..x.len() {
                    let move_by = size * scale[i];
                    let moved = match gradient[i] {
                        d if d > 0.0 => x[i] - move_by,
                        d if d < 0.0 => x[i] + move_by,
                        _ => x[i],
                    };
                    x[i] = moved.max(self.lower[i]).min(self.upper[i]);
                }
            }
            Norm::L2 => {
                // In features divided by their radii, which make the ball round, the gradient is r ⊙ g.
                let scaled = |i: usize, x: f64| {
                    let held =
                        if gradient[i] > 0.0 { x <= self.lower[i] } else { x >= self.upper[i] };
                    if held { 0.0 } else { self.radii[i] * gradient[i] }
                };
                let squares = x.iter().enumerate().map(|(i, &x)| scaled(i, x).powi(2));
                let length = squares.sum::<f64>().sqrt();
                if length > 0.0 && length.is_finite() {
                    for (i, x) in x.iter_mut().enumerate() {
                        *x -= size * self.radii[i] * scaled(i, *x) / length;
                    }
                }
                self.project(x);
            }
        }
    }

    /// How many points may share a batch.
    pub(super) fn max_columns(&self) -> usize {
        max_columns(self.net)
    }
}

/// Those of the ball that a region is part of; where it is of none, the box's own centre and half-widths.
fn centre_and_radii(region: &Region, lower: &[f64], upper: &[f64]) -> (Vec<f64>, Vec<f64>) {
    match region.around() {
        Some(Around { centre, radii }) => (finite(centre), finite(radii)),
        None => {
            let centre = lower.iter().zip(upper).map(|(l, u)| 0.5 * l + 0.5 * u).collect();
            (centre, halves(lower, upper))
        }
    }
}

fn finite(ends: &[f64]) -> Vec<f64> {
    ends.iter().map(|x| x.clamp(-f64::MAX / 4.0, f64::MAX / 4.0)).collect()
}

fn halves(lower: &[f64], upper: &[f64]) -> Vec<f64> {
    lower.iter().zip(upper).map(|(l, u)| 0.5 * (u - l)).collect()
}

/// How many points may share a batch of this network within a fixed memory.
pub(super) fn max_columns(net: &Network) -> usize {
    let values: usize = net.nodes().iter().map(|n| n.len).sum();
    (MAX_BATCH_VALUES / values).clamp(1, 1024)
}

/// The best counterexample found so far.
#[derive(Debug)]
pub(super) struct Findings {
    best: Option<Counterexample>,
    /// The distance of the last candidate that failed validation, or that f32 evaluation did not confirm.
    tried: f64,
}

impl Default for Findings {
    fn default() -> Self {
        Self { best: None, tried: f64::INFINITY }
    }
}

impl Findings {
    /// Proposes the candidate of a batch that is deepest in the unsafe set, where `distances` holds each column's signed
    /// distance. True when the search may end: it holds in real and in single-precision arithmetic.
    pub(super) fn look(&mut self, problem: &Problem, x: &Matrix, distances: &[f64]) -> bool {
        let deepest = (0..distances.len())
            .filter(|&c| distances[c] <= 0.0)
            .min_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        match deepest {
            // Validation costs as much as several steps: only for a point better than those that failed it.
            Some(c) if distances[c] < self.tried => {
                self.tried = distances[c];
                self.propose(problem, column(x, c))
            }
            _ => false,
        }
    }

    /// Forgets what failed: another search begins.
    pub(super) fn begin(&mut self) {
        self.tried = f64::INFINITY;
    }

    /// Validates a candidate. True when the search may end.
    pub(super) fn propose(&mut self, problem: &Problem, point: &[f64]) -> bool {
        let Some(found) = problem.validate(point) else { return false };
        let settled = found.holds_in_f32();
        if self.best.as_ref().is_none_or(|best| found.better_than(best)) {
            self.best = Some(found);
        }
        settled
    }

    /// Whether anything was found.
    pub(super) fn any(&self) -> bool {
        self.best.is_some()
    }

    /// The best found.
    pub(super) fn into_best(self) -> Option<Counterexample> {
        self.best
    }
}

/// Column `c` of a column-major matrix.
pub(super) fn column(matrix: &Matrix, c: usize) -> &[f64] {
    &matrix.as_slice()[c * matrix.nrows()..(c + 1) * matrix.nrows()]
}

/// Column `c` of a column-major matrix, to write to.
pub(super) fn column_mut(matrix: &mut Matrix, c: usize) -> &mut [f64] {
    let rows = matrix.nrows();
    &mut matrix.as_mut_slice()[c * rows..(c + 1) * rows]
}

/// What tests of attacks share.
#[cfg(test)]
pub(super) mod fixtures {
    use super::*;
    use crate::net::{LinearMap, NetworkBuilder, Term};
    use crate::num::Rational;

    /// The classifier y = x of so many classes, class 0 favoured by so much.
    pub fn identity(classes: usize, favour: f64) -> Network {
        let mut builder = NetworkBuilder::new(classes, "x").unwrap();
        let map = LinearMap::from_matrix(Matrix::identity(classes, classes));
        let bias = (0..classes).map(|class| if class == 0 { favour } else { 0.0 }).collect();
        let last = builder.affine(vec![Term { source: 0, map }], bias, 0, "y");
        builder.finish(last.unwrap()).unwrap()
    }

    /// Calls `act` with the problem of that classifier on [−1, 1]ⁿ.
    pub fn with_identity(classes: usize, favour: f64, norm: Norm, act: impl FnOnce(&Problem)) {
        let (net, number) = (identity(classes, favour), |n: i32| Rational::from_integer(n.into()));
        let ball = Ball::new(norm, &vec![number(0); classes], &vec![number(1); classes], None);
        let (ball, margins) = (ball.unwrap(), Property::margins(0, classes));
        act(&Problem::in_ball(&net, &ball, &margins, &|| false));
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::identity;
    use super::*;
    use crate::num::{Rational, parse_rational};

    fn q(text: &str) -> Rational {
        parse_rational(text).unwrap()
    }

    #[test]
    fn what_the_domain_takes_from_one_feature_goes_to_the_others() {
        let net = identity(3, 0.0);
        let domain = vec![(q("0"), q("1")); 3];
        let (centre, radii) = ([q("0"), q("0.5"), q("0.5")], [q("0.3"), q("0.3"), q("0")]);
        let ball = Ball::new(Norm::L2, &centre, &radii, Some(&domain)).unwrap();
        let margins = Property::margins(0, 3);
        let problem = Problem::in_ball(&net, &ball, &margins, &|| false);
        let mut x = [-0.1, 0.6, 0.5];
        problem.stretch(&mut x);
        assert!(x[0] == 0.0 && (x[1] - 0.8).abs() < 1e-12 && x[2] == 0.5, "{x:?}");
        let mut at_centre = [0.0, 0.5, 0.5];
        problem.stretch(&mut at_centre);
        assert_eq!(at_centre, [0.0, 0.5, 0.5]);
    }

    #[test]
    fn points_beyond_the_sphere_are_moved_onto_it() {
        fixtures::with_identity(2, 0.0, Norm::L2, |problem| {
            for (from, to) in [([0.75, 1.0], [0.6, 0.8]), ([0.5, -0.5], [0.5, -0.5])] {
                let mut x = from;
                problem.project(&mut x);
                assert!(x.iter().zip(to).all(|(x, y)| (x - y).abs() < 1e-15), "{from:?} {x:?}");
            }
        });
    }

    #[test]
    fn random_points_are_those_of_the_ball_moved_into_the_domain() {
        let net = identity(4, 0.0);
        let domain = vec![(q("0"), q("1")); 4];
        let centre = [q("0"), q("0.5"), q("0.95"), q("0.5")];
        let radii = [q("0.2"), q("0.2"), q("0.2"), q("0")];
        let margins = Property::margins(0, 4);
        for norm in [Norm::Linf, Norm::L2] {
            let ball = Ball::new(norm, &centre, &radii, Some(&domain)).unwrap();
            let problem = Problem::in_ball(&net, &ball, &margins, &|| false);
            let mut rng = SplitMix64::new(1, 0);
            let (mut at_end, mut sums) = ([0; 2], [0.0; 3]);
            for _ in 0..1_000 {
                let mut x = [f64::NAN; 4];
                problem.draw(&mut rng, &mut x);
                assert!(x.iter().zip(&problem.lower).all(|(x, l)| x >= l), "{norm} {x:?}");
                assert!(x.iter().zip(&problem.upper).all(|(x, u)| x <= u), "{norm} {x:?}");
                assert!(problem.size(&x) <= 1.0 + 1e-12 && x[3] == 0.5, "{norm} {x:?}");
                at_end[0] += usize::from(x[0] == 0.0);
                at_end[1] += usize::from(x[2] == 1.0);
                (0..3).for_each(|i| sums[i] += x[i] / 1_000.0);
            }
            // Half of either ball is beyond one end of the domain; 0.375 of the one and 0.342 of the other beyond the other.
            assert!((450..550).contains(&at_end[0]), "{norm} {at_end:?}");
            let expected = if norm == Norm::Linf { 325..425 } else { 292..392 };
            assert!(expected.contains(&at_end[1]), "{norm} {at_end:?}");
            assert!((sums[1] - 0.5).abs() < 0.02 && sums[0] > 0.03, "{norm} {sums:?}");
        }
    }

    #[test]
    fn a_step_goes_against_the_gradient_as_far_as_asked_and_stays_inside() {
        let net = identity(3, 0.0);
        let domain = vec![(q("0"), q("1")); 3];
        let margins = Property::margins(0, 3);
        let (centre, radii) = ([q("0.5"), q("0.5"), q("0.9")], [q("0.2"), q("0.4"), q("0.2")]);
        let go = |norm, from: [f64; 3], gradient: [f64; 3], size: f64| {
            let ball = Ball::new(norm, &centre, &radii, Some(&domain)).unwrap();
            let problem = Problem::in_ball(&net, &ball, &margins, &|| false);
            let mut x = from;
            problem.descend(&mut x, &gradient, size, &problem.radii);
            x
        };
        let near = |x: [f64; 3], y: [f64; 3]| {
            assert!(x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-12), "{x:?} {y:?}");
        };
        let centre = [0.5, 0.5, 0.9];
        near(go(Norm::Linf, centre, [3.0, -1e-9, 0.0], 0.5), [0.4, 0.7, 0.9]);
        near(go(Norm::Linf, centre, [3.0, -1e-9, -1.0], 2.0), [0.3, 0.9, 1.0]);
        // Radii make the ball round: the slopes that count are (3, −4) · 0.2 and 0.4 · (…).
        near(go(Norm::L2, centre, [3.0, -2.0, 0.0], 0.5), [0.44, 0.66, 0.9]);
        // Half a radius from the sphere a whole one: back onto it.
        near(go(Norm::L2, [0.5, 0.7, 0.9], [0.0, -1.0, 0.0], 1.0), [0.5, 0.9, 0.9]);
        // What the domain holds has no part in the direction; inwards it has.
        near(go(Norm::L2, [0.5, 0.5, 1.0], [1.0, 0.0, -9.0], 0.5), [0.4, 0.5, 1.0]);
        near(go(Norm::L2, [0.5, 0.5, 1.0], [0.0, 0.0, 9.0], 0.5), [0.5, 0.5, 0.9]);
    }

    #[test]
    fn a_region_cut_from_a_ball_is_searched_as_that_ball() {
        let net = identity(2, 0.0);
        let domain = vec![(q("0"), q("1")); 2];
        let (centre, radii) = ([q("0"), q("0.5")], [q("0.2"), q("0.1")]);
        let region = Region::ball(&centre, &radii, Some(&domain)).unwrap();
        let property = Property::classification(region, 0, 2);
        let problem = Problem::new(&net, &property, 0, &|| false);
        assert_eq!((&problem.centre[..], &problem.radii[..]), (&[0.0, 0.5][..], &[0.2, 0.1][..]));
        assert!((problem.half_width[0] - 0.1).abs() < 1e-15);
        let bare = Region::from_bounds(&[(q("0"), q("0.5")), (q("0.25"), q("0.75"))]).unwrap();
        let property = Property::classification(bare, 0, 2);
        let problem = Problem::new(&net, &property, 0, &|| false);
        assert_eq!(
            (&problem.centre[..], &problem.radii[..]),
            (&[0.25, 0.5][..], &[0.25, 0.25][..])
        );
    }
}
