//! One claim under attack: the set to search, how to move in it, the objective, and what was found so far.

use super::objective::Objective;
use super::{Counterexample, validate};
use crate::net::{Matrix, Network, column};
use crate::query::Query;
use crate::spec::{Around, Claim, Norm, Property, Region};

/// What every attack needs to know.
pub(super) struct Problem<'a> {
    pub(super) net: &'a Network,
    property: &'a Property,
    claim: usize,
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

/// Values of all nodes that a batch may take, in numbers: 64 MB of doubles.
const MAX_BATCH_VALUES: usize = 1 << 23;

impl<'a> Problem<'a> {
    /// Attack one claim of a query.
    pub(super) fn of(query: &'a Query, claim: usize, stop: &'a dyn Fn() -> bool) -> Self {
        Self::new(query.network(), query.property(), claim, stop)
    }

    /// Attack one claim of a property.
    pub(super) fn new(
        net: &'a Network,
        property: &'a Property,
        claim: usize,
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        let Claim { region, unsafe_set } = &property.claims[claim];
        assert_eq!(region.dimension(), net.inputs(), "a region of the network's inputs");
        let (lower, upper) = (finite(region.lower()), finite(region.upper()));
        let half_width = halves(&lower, &upper);
        let (centre, radii) = centre_and_radii(region, &lower, &upper);
        let (objective, norm) = (Objective::new(unsafe_set), region.norm());
        Self {
            net,
            property,
            claim,
            objective,
            stop,
            lower,
            upper,
            half_width,
            norm,
            centre,
            radii,
        }
    }

    /// What is searched.
    pub(super) fn region(&self) -> &'a Region {
        &self.property.claims[self.claim].region
    }

    /// The counterexample at or near a point, if there is one.
    pub(super) fn validate(&self, point: &[f64]) -> Option<Counterexample> {
        validate(self.net, self.property, self.claim, point)
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
        self.norm.length(ratios)
    }

    /// By how much a linear function of the given gradient can fall in one radius: its dual norm.
    pub(super) fn fall(&self, gradient: &[f64]) -> f64 {
        self.norm.dual(gradient.iter().zip(&self.radii).map(|(g, r)| g.abs() * r))
    }

    /// Moves `x` into the box.
    pub(super) fn clamp(&self, x: &mut [f64]) {
        for ((x, l), u) in x.iter_mut().zip(&self.lower).zip(&self.upper) {
            *x = x.max(*l).min(*u);
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

    /// The ball around 0 of radius 1.
    pub fn unit_ball(norm: Norm, inputs: usize) -> Region {
        let number = |n: i32| Rational::from_integer(n.into());
        Region::ball(norm, &vec![number(0); inputs], &vec![number(1); inputs], None).unwrap()
    }

    /// Calls `act` with the problem of that classifier on the unit ball.
    pub fn with_identity(classes: usize, favour: f64, norm: Norm, act: impl FnOnce(&Problem)) {
        let net = identity(classes, favour);
        let property = Property::classification(unit_ball(norm, classes), 0, classes);
        act(&Problem::new(&net, &property, 0, &|| false));
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
    fn a_region_cut_from_a_ball_is_searched_as_that_ball() {
        let net = identity(2, 0.0);
        let domain = vec![(q("0"), q("1")); 2];
        let (centre, radii) = ([q("0"), q("0.5")], [q("0.2"), q("0.1")]);
        let region = Region::ball(Norm::Linf, &centre, &radii, Some(&domain)).unwrap();
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
