//! Cheap candidates in many boxes at once: centres, and the corners that gradients or linear bounds point to.

use super::objective::Objective;
use super::problem::max_columns;
use crate::net::{Boxes, Matrix, Network, column, column_mut};
use crate::spec::{Polytope, Property};

/// The best candidate of each box of a batch.
#[derive(Debug, Clone)]
pub struct Probes {
    /// The candidates (inputs × boxes).
    pub points: Matrix,
    /// The signed distance of each candidate's output to the unsafe set, half-spaces scaled to unit normals; at most 0
    /// for a candidate worth [`super::validate`]. Distances of different boxes compare.
    pub distances: Vec<f64>,
}

impl Probes {
    /// The candidate of a box.
    #[must_use]
    pub fn point(&self, index: usize) -> &[f64] {
        column(&self.points, index)
    }

    /// The index and the distance of the best candidate; the first among equals. `None` for an empty batch.
    #[must_use]
    pub fn best(&self) -> Option<(usize, f64)> {
        let pairs = self.distances.iter().copied().enumerate();
        pairs.reduce(|best, next| if next.1 < best.1 { next } else { best })
    }
}

/// For each box: the centre, the corner against the sign of the objective's gradient at the centre, and, where a linear
/// function of the inputs is given (inputs × boxes, say a lower bound's coefficients), the corner that minimises it; of
/// these the one whose output is nearest to the polytope. One forward pass of each kind, for all boxes together.
///
/// # Panics
/// Where sizes do not fit.
#[must_use]
pub fn search_batch(
    net: &Network,
    boxes: &Boxes,
    polytope: &Polytope,
    linear: Option<&Matrix>,
) -> Probes {
    let objective = Objective::new([polytope]);
    let mut probes = probe(net, boxes, |_| &objective);
    if let Some(coefficients) = linear {
        improve(net, &mut probes, corners(boxes, coefficients), |_| &objective);
    }
    probes
}

/// One candidate for every claim of a property: where to attack first when there are many. Claims left when `stop`
/// says so are given an infinite distance.
///
/// # Panics
/// Where the property does not fit the network.
#[must_use]
pub fn screen(net: &Network, property: &Property, stop: &dyn Fn() -> bool) -> Probes {
    let (inputs, claims) = (net.inputs(), property.claims.len());
    let mut all =
        Probes { points: Matrix::zeros(inputs, claims), distances: vec![f64::INFINITY; claims] };
    let size = max_columns(net);
    for (chunk, claims) in property.claims.chunks(size).enumerate() {
        if stop() {
            break;
        }
        let mut boxes = Boxes::points(&Matrix::zeros(inputs, claims.len()));
        for (c, claim) in claims.iter().enumerate() {
            column_mut(&mut boxes.lower, c).copy_from_slice(claim.region.lower());
            column_mut(&mut boxes.upper, c).copy_from_slice(claim.region.upper());
        }
        let objectives: Vec<_> = claims.iter().map(|c| Objective::new(&c.unsafe_set)).collect();
        let probes = probe(net, &boxes, |c| &objectives[c]);
        let first = chunk * size;
        all.points.columns_mut(first, claims.len()).copy_from(&probes.points);
        all.distances[first..first + claims.len()].copy_from_slice(&probes.distances);
    }
    all
}

/// Centres, then the corners against the gradients there.
fn probe<'a>(net: &Network, boxes: &Boxes, objective: impl Fn(usize) -> &'a Objective) -> Probes {
    let points = boxes.lower.zip_map(&boxes.upper, |l, u| 0.5 * l + 0.5 * u);
    let values = net.forward(&points);
    let outputs = values.node(net.output());
    let mut weights = Matrix::zeros(outputs.nrows(), outputs.ncols());
    let mut distances = vec![f64::INFINITY; boxes.domains()];
    for (c, distance) in distances.iter_mut().enumerate() {
        let y = column(outputs, c);
        if let Some(nearest) = objective(c).nearest(y) {
            *distance = nearest.distance;
            objective(c).gradient(
                super::Loss::Margin,
                &nearest,
                false,
                y,
                column_mut(&mut weights, c),
            );
        }
    }
    let gradient = net.gradient(&values, &weights);
    let mut probes = Probes { points, distances };
    improve(net, &mut probes, corners(boxes, &gradient), objective);
    probes
}

/// The corner of each box that minimises a linear function; the centre's coordinate where a coefficient is 0.
fn corners(boxes: &Boxes, coefficients: &Matrix) -> Matrix {
    let mut points = coefficients.clone();
    for ((x, l), u) in points.iter_mut().zip(boxes.lower.iter()).zip(boxes.upper.iter()) {
        *x = match *x {
            a if a > 0.0 => *l,
            a if a < 0.0 => *u,
            _ => 0.5 * l + 0.5 * u,
        };
    }
    points
}

/// Takes each candidate that is better than the one so far.
fn improve<'a>(
    net: &Network,
    probes: &mut Probes,
    candidates: Matrix,
    objective: impl Fn(usize) -> &'a Objective,
) {
    let outputs = net.evaluate(&candidates);
    for (c, distance) in probes.distances.iter_mut().enumerate() {
        match objective(c).nearest(column(&outputs, c)) {
            Some(nearest) if nearest.distance < *distance => {
                *distance = nearest.distance;
                column_mut(&mut probes.points, c).copy_from_slice(column(&candidates, c));
            }
            _ => {}
        }
    }
}
