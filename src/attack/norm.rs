//! How attacks move in a region, norm by norm; the moves of random search stand in `square.rs`.

use super::problem::Problem;
use super::random::SplitMix64;
use crate::spec::Norm;

impl Problem<'_> {
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
        self.clamp(x);
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

    /// How long steps are beside those in the max norm: in a Euclidean ball long ones make all random starts end alike.
    pub(super) fn pace(&self) -> f64 {
        match self.norm {
            Norm::Linf => 1.0,
            Norm::L2 => 1.0 / 3.0,
        }
    }

    /// How far feature i moves, relative to others, on the shortest way to where a linear function of slopes w has another value.
    pub(super) fn share(&self, w: &[f64], i: usize) -> f64 {
        match self.norm {
            Norm::Linf => self.radii[i],
            Norm::L2 => w[i].abs() * self.radii[i] * self.radii[i],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::problem::fixtures::{identity, with_identity};
    use crate::num::{Rational, parse_rational};
    use crate::spec::{Property, Region};

    fn q(text: &str) -> Rational {
        parse_rational(text).unwrap()
    }

    #[test]
    fn what_the_domain_takes_from_one_feature_goes_to_the_others() {
        let net = identity(3, 0.0);
        let domain = vec![(q("0"), q("1")); 3];
        let (centre, radii) = ([q("0"), q("0.5"), q("0.5")], [q("0.3"), q("0.3"), q("0")]);
        let ball = Region::ball(Norm::L2, &centre, &radii, Some(&domain)).unwrap();
        let property = Property::classification(ball, 0, 3);
        let problem = Problem::new(&net, &property, 0, &|| false);
        let mut x = [-0.1, 0.6, 0.5];
        problem.stretch(&mut x);
        assert!(x[0] == 0.0 && (x[1] - 0.8).abs() < 1e-12 && x[2] == 0.5, "{x:?}");
        let mut at_centre = [0.0, 0.5, 0.5];
        problem.stretch(&mut at_centre);
        assert_eq!(at_centre, [0.0, 0.5, 0.5]);
    }

    #[test]
    fn points_beyond_the_sphere_are_moved_onto_it() {
        with_identity(2, 0.0, Norm::L2, |problem| {
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
        for norm in [Norm::Linf, Norm::L2] {
            let ball = Region::ball(norm, &centre, &radii, Some(&domain)).unwrap();
            let property = Property::classification(ball, 0, 4);
            let problem = Problem::new(&net, &property, 0, &|| false);
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
        let (centre, radii) = ([q("0.5"), q("0.5"), q("0.9")], [q("0.2"), q("0.4"), q("0.2")]);
        let go = |norm, from: [f64; 3], gradient: [f64; 3], size: f64| {
            let ball = Region::ball(norm, &centre, &radii, Some(&domain)).unwrap();
            let property = Property::classification(ball, 0, 3);
            let problem = Problem::new(&net, &property, 0, &|| false);
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
}
