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

    /// For each functional, the largest right-hand side it is compared with: a bound above it excludes all its half-spaces.
    #[must_use]
    pub fn targets(&self) -> Vec<f64> {
        let mut targets = vec![f64::NEG_INFINITY; self.len()];
        for (column, half) in self.polytopes.iter().flatten() {
            targets[*column] = targets[*column].max(half.bound_up);
        }
        targets
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
        let of_polytope = |halves: &Vec<(usize, &HalfSpace)>| {
            halves
                .iter()
                .map(|(column, half)| lows[*column] - half.bound_up)
                .fold(f64::NEG_INFINITY, f64::max)
        };
        self.polytopes.iter().map(of_polytope).fold(f64::INFINITY, f64::min)
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
