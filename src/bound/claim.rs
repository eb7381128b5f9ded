//! A claim as functionals to be bounded: the distinct half-spaces of its polytopes, and what their bounds decide.

use crate::net::Matrix;
use crate::spec::{Claim, HalfSpace};
use std::collections::HashMap;

/// The distinct functionals of a claim's half-spaces.
#[derive(Debug, Clone)]
pub struct Functionals<'a> {
    /// One functional of the outputs a column.
    pub matrix: Matrix,
    /// Per polytope: (column, half-space).
    polytopes: Vec<Vec<(usize, &'a HalfSpace)>>,
}

impl<'a> Functionals<'a> {
    /// Collects the functionals of a claim about a network with `outputs` outputs.
    ///
    /// # Panics
    /// Where a half-space speaks of an output beyond `outputs`.
    #[must_use]
    pub fn of(claim: &'a Claim, outputs: usize) -> Self {
        let mut columns: HashMap<Vec<(usize, u64)>, usize> = HashMap::new();
        let mut data = Vec::new();
        let polytopes = claim.unsafe_set.iter().map(|polytope| {
            let halves = polytope.iter().map(|half| {
                let key = half.coefficients.iter().map(|&(j, a)| (j, a.to_bits())).collect();
                let next = columns.len();
                let column = *columns.entry(key).or_insert_with(|| {
                    let start = data.len();
                    data.resize(start + outputs, 0.0);
                    half.coefficients.iter().for_each(|&(j, a)| data[start..][j] = a);
                    next
                });
                (column, half)
            });
            halves.collect()
        });
        let polytopes: Vec<Vec<_>> = polytopes.collect();
        Self { matrix: Matrix::from_vec(outputs, columns.len(), data), polytopes }
    }

    /// Number of functionals.
    #[must_use]
    pub fn len(&self) -> usize {
        self.matrix.ncols()
    }

    /// Number of polytopes.
    #[must_use]
    pub fn polytopes(&self) -> usize {
        self.polytopes.len()
    }

    /// Every half-space of every polytope, with its functional.
    pub fn half_spaces(&self) -> impl Iterator<Item = (usize, &'a HalfSpace)> + '_ {
        self.polytopes.iter().flatten().copied()
    }

    /// Whether the claim has no half-space at all (then it is either empty or cannot be refuted by bounds).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether lower bounds of all functionals prove the claim: every polytope has an excluded half-space.
    #[must_use]
    pub fn proved_by(&self, lows: &[f64]) -> bool {
        self.polytopes
            .iter()
            .all(|halves| halves.iter().any(|(column, half)| half.excluded_by(lows[*column])))
    }

    /// The claim's margin: the least over polytopes of the largest low − b over its half-spaces. Positive margins prove
    /// the claim; +∞ where there is no polytope.
    #[must_use]
    pub fn margin(&self, lows: &[f64]) -> f64 {
        self.polytopes.iter().map(|halves| gap(halves, lows)).fold(f64::INFINITY, f64::min)
    }

    /// As [`Self::margin`], over the polytopes with an excluded half-space alone.
    #[must_use]
    pub fn margin_of_excluded(&self, lows: &[f64]) -> f64 {
        let excluded = self
            .polytopes
            .iter()
            .filter(|halves| halves.iter().any(|(c, half)| half.excluded_by(lows[*c])));
        excluded.map(|halves| gap(halves, lows)).fold(f64::INFINITY, f64::min)
    }

    /// The functionals that still matter: those of polytopes without an excluded half-space.
    #[must_use]
    pub fn open(&self, lows: &[f64]) -> Vec<usize> {
        let mut open: Vec<usize> = self
            .polytopes
            .iter()
            .filter(|halves| !halves.iter().any(|(column, half)| half.excluded_by(lows[*column])))
            .flat_map(|halves| halves.iter().map(|(column, _)| *column))
            .collect();
        open.sort_unstable();
        open.dedup();
        open
    }

    /// The polytopes without an excluded half-space.
    #[must_use]
    pub fn open_polytopes(&self, lows: &[f64]) -> Vec<OpenPolytope> {
        let open = self
            .polytopes
            .iter()
            .enumerate()
            .filter(|(_, halves)| !halves.iter().any(|(c, half)| half.excluded_by(lows[*c])));
        open.map(|(index, halves)| {
            let gap = |&(column, half): &(usize, &HalfSpace)| lows[column] - half.bound_up;
            let nearest = halves.iter().max_by(|a, b| gap(a).total_cmp(&gap(b)));
            OpenPolytope {
                index,
                halves: halves.iter().map(|(column, half)| (*column, half.bound_up)).collect(),
                nearest: nearest.map(|half| half.0),
            }
        })
        .collect()
    }
}

/// The largest low − b over half-spaces.
fn gap(halves: &[(usize, &HalfSpace)], lows: &[f64]) -> f64 {
    let of = |(column, half): &(usize, &HalfSpace)| lows[*column] - half.bound_up;
    halves.iter().map(of).fold(f64::NEG_INFINITY, f64::max)
}

/// A polytope that bounds do not exclude.
#[derive(Debug, Clone)]
pub struct OpenPolytope {
    /// Its position in the claim.
    pub index: usize,
    /// (functional, b) of each half-space, b rounded up.
    pub halves: Vec<(usize, f64)>,
    /// The functional whose bound is nearest to excluding it; `None` where it has no half-space.
    pub nearest: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Rational;
    use crate::spec::{Property, Region};

    #[test]
    fn the_margin_of_what_is_excluded_leaves_out_what_is_open() {
        let zero = || Rational::from_integer(0.into());
        let region = Region::from_bounds(&[(zero(), zero())]).unwrap();
        let property = Property::classification(region, 0, 4);
        let functionals = Functionals::of(&property.claims[0], 4);
        let lows = [0.5, -0.25, 0.125];
        assert_eq!(functionals.margin(&lows), -0.25);
        assert_eq!(functionals.margin_of_excluded(&lows), 0.125);
        assert_eq!(functionals.margin_of_excluded(&[-1.0; 3]), f64::INFINITY);
    }
}
