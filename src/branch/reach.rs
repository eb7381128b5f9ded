//! What a domain may still reach: linear bounds of a polytope's half-spaces, and of combinations of them.

use super::clip::Cut;
use super::combine::Rows;
use super::leaf::Domain;
use crate::bound::{OpenPolytope, Swept};
use crate::net::column;

/// A linear lower bound on a domain of a functional that must be at most `bound` for a point to matter.
pub(super) struct Row {
    pub coefficients: Vec<f64>,
    pub constant: f64,
    /// Rounded up.
    pub bound: f64,
    /// The functional's lower bound.
    pub low: f64,
    /// What the checker may find less, if the search is recorded: with default slopes, and with all of them written down.
    pub slack: [f64; 2],
    /// Its weights on the polytope's half-spaces.
    pub weights: Vec<f64>,
    /// (sweep, column) that it comes from.
    pub at: (usize, usize),
}

impl Row {
    /// The margin that it proves: positive where it excludes the polytope.
    pub(super) fn margin(&self) -> f64 {
        self.low - self.bound
    }

    /// Whether it excludes the polytope beyond a checker's doubt.
    pub(super) fn is_sure(&self) -> bool {
        self.margin() > self.slack[0]
    }

    /// Whether what is missing is so little that what the checker may find less matters: then every slope is to be written down.
    pub(super) fn is_tight(&self) -> bool {
        const TIGHT: f64 = 1e3;
        -self.margin() <= TIGHT * self.slack[0] && self.slack[0] > 0.0
    }

    pub(super) fn cut(&self) -> Cut<'_> {
        let Self { coefficients, constant, bound, slack, .. } = self;
        let slack = slack[usize::from(self.is_tight())];
        Cut { coefficients, constant: constant - slack, bound: *bound }
    }
}

/// A polytope that a domain may still reach: a row for each of its half-spaces, then combinations.
pub(super) struct Reach {
    /// Its position in the claim.
    pub index: usize,
    pub rows: Vec<Row>,
    /// Functionals of the half-spaces and their right sides.
    pub halves: Vec<(usize, f64)>,
}

impl Reach {
    /// The row that is nearest to excluding the polytope.
    pub(super) fn nearest(&self) -> Option<&Row> {
        self.rows.iter().max_by(|a, b| a.margin().total_cmp(&b.margin()))
    }

    pub(super) fn margin(&self) -> f64 {
        self.nearest().map_or(f64::NEG_INFINITY, Row::margin)
    }

    /// The cuts of single half-spaces, but for those whose sweeps need every slope.
    pub(super) fn loose_cuts(&self) -> Vec<Cut<'_>> {
        let single = &self.rows[..self.halves.len()];
        single.iter().filter(|row| !row.is_tight()).map(Row::cut).collect()
    }
}

/// Weights of combinations are multiples of this, so that sums of a few of them are exact.
const GRAIN: f64 = 1.0 / (1 << 20) as f64;

impl Row {
    pub(super) fn of(swept: &Swept, at: (usize, usize), bound: f64, weights: Vec<f64>) -> Self {
        Self {
            coefficients: column(&swept.coefficients, at.1).to_vec(),
            constant: swept.constants[at.1],
            bound,
            low: swept.bounds[at.1],
            slack: [0.0; 2],
            weights,
            at,
        }
    }
}

impl Reach {
    pub(super) fn of(polytope: OpenPolytope, rows: &[Row]) -> Self {
        let count = polytope.halves.len();
        let row = |(h, &(f, bound)): (usize, &(usize, f64))| {
            let mut weights = vec![0.0; count];
            weights[h] = 1.0;
            let Row { coefficients, constant, low, slack, at, .. } = &rows[f];
            let (coefficients, constant) = (coefficients.clone(), *constant);
            Row { coefficients, constant, bound, low: *low, slack: *slack, weights, at: *at }
        };
        Self {
            index: polytope.index,
            rows: polytope.halves.iter().enumerate().map(row).collect(),
            halves: polytope.halves,
        }
    }

    /// Weights of the half-spaces in the best mixture of the rows.
    pub(super) fn weights(&self, domain: &Domain) -> Option<Vec<f64>> {
        let mut rows = Rows::default();
        for row in &self.rows {
            rows.push(&row.coefficients, row.constant - row.bound, &domain.lower, &domain.upper);
        }
        let (shares, _) = rows.mix()?;
        let mut weights = vec![0.0; self.halves.len()];
        for (row, share) in self.rows.iter().zip(shares) {
            weights.iter_mut().zip(&row.weights).for_each(|(sum, w)| *sum += share * w);
        }
        weights.iter_mut().for_each(|w| *w = (*w / GRAIN).round().max(0.0) * GRAIN);
        Some(weights)
    }
}
