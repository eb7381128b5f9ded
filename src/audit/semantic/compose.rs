//! From a perturbation to a query: an affine layer and exact cuts in front of the network, and a box of parameters.

use super::perturbation::{AffineFamily, Perturbation, PerturbationError, Scene};
use crate::net::{BuildError, LinearMap, Matrix, Network, NetworkBuilder, NodeId, Sparse, Term};
use crate::num::{Rational, from_f64, round_nearest};
use crate::query::{Query, QueryError};
use crate::spec::Region;
use thiserror::Error;

/// Why a perturbation of an input cannot be asked about.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SemanticError {
    /// The perturbation does not fit the input.
    #[error(transparent)]
    Perturbation(#[from] PerturbationError),
    /// The input does not fit the network.
    #[error(transparent)]
    Network(#[from] BuildError),
    /// The parameters have no box, or there is no such class.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A constant so small that doubles hold it with no relative accuracy.
    #[error("the constant {0} is not 0 and too small for a double")]
    Tiny(String),
}

/// A claim about all perturbed images: the composed network p ↦ N(cut(x₀ + D p)) and a property of it over the box of
/// parameters. It is an ordinary query, so [`crate::verify::verify`] decides it, and a counterexample is one of the composed
/// network, validated there.
#[derive(Debug, Clone)]
pub struct SemanticQuery {
    /// Whether p ↦ N(image at p) gives the label for every p of the box.
    pub query: Query,
    /// p ↦ image at p.
    front: Network,
}

impl SemanticQuery {
    /// The query whether `network` gives `label` to every image of the perturbation.
    ///
    /// The composed function is exact up to [`crate::net::Affine::roundings`], which every bound charges: each constant of
    /// x₀, D and the domain is computed as a rational and rounded to a double once.
    ///
    /// # Errors
    /// Where perturbation, scene and network do not fit each other.
    pub fn new(
        network: &Network,
        scene: &Scene,
        label: usize,
        perturbation: &Perturbation,
    ) -> Result<Self, SemanticError> {
        let family = perturbation.family(scene)?;
        let front = front(&family, scene)?;
        let region = Region::from_bounds(&family.parameters).map_err(QueryError::from)?;
        let network = network.clone().after(front.clone())?;
        Ok(Self { query: Query::classification(network, region, label)?, front })
    }

    /// The image at the parameters p, rounded to nearest: what a counterexample looks like.
    ///
    /// # Panics
    /// Where p has another length than there are parameters.
    #[must_use]
    pub fn image(&self, p: &[f64]) -> Vec<f64> {
        self.front.evaluate(&Matrix::from_column_slice(p.len(), 1, p)).as_slice().to_vec()
    }
}

/// A constant as the double nearest to it, and whether that is the constant itself.
fn constant(x: &Rational) -> Result<(f64, bool), SemanticError> {
    let near = round_nearest(x) + 0.0;
    let exact = from_f64(near).is_some_and(|value| value == *x);
    // A subnormal double may be off by more than the relative error that a rounding is charged with.
    if !exact && near.abs() < f64::MIN_POSITIVE {
        return Err(SemanticError::Tiny(x.to_string()));
    }
    Ok((near, exact))
}

/// Constants as doubles, and the number of roundings to charge.
fn constants<'a>(
    values: impl IntoIterator<Item = &'a Rational>,
) -> Result<(Vec<f64>, usize), SemanticError> {
    let mut all_exact = true;
    let mut doubles = Vec::new();
    for value in values {
        let (near, exact) = constant(value)?;
        all_exact &= exact;
        doubles.push(near);
    }
    Ok((doubles, usize::from(!all_exact)))
}

/// p ↦ cut(x₀ + D p). Only values that can leave their range are cut, by
/// max(z, low) = low + relu(z − low) and min(z, high) = high − relu(high − z).
fn front(family: &AffineFamily, scene: &Scene) -> Result<Network, SemanticError> {
    let len = family.offset.len();
    let mut builder = NetworkBuilder::new(family.parameters.len(), "parameters")?;
    let (offset, offset_roundings) = constants(&family.offset)?;
    let entries = family.rows.iter().flatten().map(|(_, d)| d);
    let (coefficients, row_roundings) = constants(entries)?;
    let mut coefficients = coefficients.into_iter();
    let rows: Vec<Vec<(usize, f64)>> = family
        .rows
        .iter()
        .map(|row| row.iter().map(|(p, _)| *p).zip(coefficients.by_ref()).collect())
        .collect();
    let map = LinearMap::Sparse(Sparse::from_rows(family.parameters.len(), rows));
    let roundings = offset_roundings.max(row_roundings);
    let mut last =
        builder.affine(vec![Term { source: 0, map }], offset, roundings, "perturbed image")?;
    let Some(domain) = scene.domain else { return Ok(builder.finish(last)?) };
    let ranges: Vec<(Rational, Rational)> = (0..len).map(|i| family.range(i)).collect();
    let below: Vec<usize> = (0..len).filter(|&i| ranges[i].0 < domain[i].0).collect();
    let above: Vec<usize> = (0..len).filter(|&i| ranges[i].1 > domain[i].1).collect();
    let lows = below.iter().map(|&i| &domain[i].0);
    last = cut(&mut builder, last, &below, &constants(lows)?, 1.0, "cut below")?;
    let highs = above.iter().map(|&i| &domain[i].1);
    last = cut(&mut builder, last, &above, &constants(highs)?, -1.0, "cut above")?;
    Ok(builder.finish(last)?)
}

/// The node z with the elements `at` replaced by limit + sign · relu(sign · (z − limit)).
fn cut(
    builder: &mut NetworkBuilder,
    z: NodeId,
    at: &[usize],
    (limits, roundings): &(Vec<f64>, usize),
    sign: f64,
    name: &str,
) -> Result<NodeId, SemanticError> {
    if at.is_empty() {
        return Ok(z);
    }
    let len = builder.len(z)?;
    let select = LinearMap::Sparse(Sparse::from_rows(len, at.iter().map(|&i| [(i, sign)])));
    let shift = limits.iter().map(|limit| -sign * limit + 0.0).collect();
    let beyond = vec![Term { source: z, map: select }];
    let distance = builder.affine(beyond, shift, *roundings, name)?;
    let inside = builder.relu(distance, name)?;
    let mut kept: Vec<Option<(usize, f64)>> = (0..len).map(|i| Some((i, 1.0))).collect();
    let mut replaced: Vec<Option<(usize, f64)>> = vec![None; len];
    let mut bias = vec![0.0; len];
    for (k, &i) in at.iter().enumerate() {
        (kept[i], replaced[i], bias[i]) = (None, Some((k, sign)), limits[k]);
    }
    let terms = vec![
        Term { source: z, map: LinearMap::Sparse(Sparse::from_rows(len, kept)) },
        Term { source: inside, map: LinearMap::Sparse(Sparse::from_rows(at.len(), replaced)) },
    ];
    Ok(builder.affine(terms, bias, *roundings, name)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::shift::Image;

    /// The roundings that the affine nodes in front of a network are charged with: the image's, and those of the cuts.
    fn roundings(
        value: [i64; 2],
        domain: [[i64; 2]; 2],
        perturbation: &Perturbation,
    ) -> Vec<usize> {
        let ratio = |[n, d]: [i64; 2]| Rational::new(n.into(), d.into());
        let (value, domain) = (ratio(value), (ratio(domain[0]), ratio(domain[1])));
        let image = Image { channels: 1, height: 1, width: 1 };
        let scene = Scene { image, values: &[value], domain: Some(&[domain]) };
        let front = front(&perturbation.family(&scene).unwrap(), &scene).unwrap();
        let affine = front.nodes().iter().filter_map(|node| node.op.affine());
        affine.map(|affine| affine.roundings).collect()
    }

    #[test]
    fn what_is_no_double_is_charged_where_it_is_used() {
        let light = Perturbation::Brightness { by: Rational::from_integer(1.into()) };
        let (half, quarters) = ([1, 2], [[1, 4], [3, 4]]);
        assert_eq!(roundings(half, quarters, &light), [0, 0, 0, 0, 0]);
        assert_eq!(roundings([1, 3], quarters, &light), [1, 0, 0, 0, 0]);
        assert_eq!(roundings(half, [[1, 10], [3, 4]], &light), [0, 1, 1, 0, 0]);
        assert_eq!(roundings(half, [[1, 4], [9, 10]], &light), [0, 0, 0, 1, 1]);
        // 9/10 − 1/2 is a coefficient; what is moved towards the upper end is never beyond it.
        let haze = Perturbation::Haze { up_to: Rational::from_integer(1.into()) };
        assert_eq!(roundings(half, [[1, 4], [9, 10]], &haze), [1]);
    }
}
