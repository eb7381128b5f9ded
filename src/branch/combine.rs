//! Weights for half-spaces that only together exclude a polytope.
//!
//! A polytope { y : fₕ(y) ≤ bₕ } is unreachable from a box if Σ wₕ (fₕ − bₕ) > 0 on it for some w ≥ 0. Given linear lower
//! bounds aₖᵀx + cₖ of some such combinations, the best mixture of them maximises a concave function of the mixture's
//! shares λ,
//!
//! ```text
//! max over λ ≥ 0, Σ λ = 1 of   min over the box of Σ λₖ (aₖᵀx + cₖ)   =   Σ λₖ dₖ − Σᵢ |Σₖ λₖ rᵢ aₖᵢ|
//! ```
//!
//! with dₖ the values at the box's centre and rᵢ its half-widths: a small linear program. Sweeping the mixture anew gives a
//! bound that is at least as tight as the mixture of bounds, up to the slopes chosen, and one more row for the next round.
//! Whatever the weights are, only that sweep's bound counts.

use crate::net::{Matrix, column};
use crate::num::{TINY, ample, gamma};

/// Σ wₕ fₕ ≤ Σ wₕ bₕ, rounded so that it holds wherever the exact one does.
#[derive(Debug, Clone)]
pub struct Combination {
    /// The functional, rounded.
    pub functional: Vec<f64>,
    /// The right side, with what the rounding of both sides may cost.
    pub bound: f64,
}

/// Combines half-spaces (functional, b, w ≥ 0) of outputs of at most these magnitudes.
pub fn combine(
    functionals: &Matrix,
    halves: impl ExactSizeIterator<Item = (usize, f64, f64)>,
    magnitudes: &[f64],
) -> Combination {
    let (outputs, terms) = (magnitudes.len(), halves.len());
    let mut functional = vec![0.0; outputs];
    let (mut reach, mut bound) = (0.0, 0.0);
    for (f, b, w) in halves {
        let half = column(functionals, f);
        functional.iter_mut().zip(half).for_each(|(sum, a)| *sum += w * a);
        reach += half.iter().zip(magnitudes).map(|(a, m)| w * a.abs() * m).sum::<f64>();
        bound += w * b;
        reach += w * b.abs();
    }
    // A product that underflows is off by 2⁻¹⁰⁷⁵, times the output that it multiplies.
    let underflow = TINY * magnitudes.iter().sum::<f64>();
    // One more for adding the charge.
    Combination { functional, bound: bound + ample(gamma(terms + 1) * reach + underflow) }
}

/// Rows d + aᵀε over ε ∈ [−1, 1]ⁿ.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Values at the centre.
    pub centres: Vec<f64>,
    /// Coefficients, n a row.
    pub slopes: Vec<f64>,
}

impl Rows {
    /// Adds the row aᵀx + c over a box.
    pub(super) fn push(
        &mut self,
        coefficients: &[f64],
        constant: f64,
        lower: &[f64],
        upper: &[f64],
    ) {
        let mut centre = constant;
        for ((&a, &l), &u) in coefficients.iter().zip(lower).zip(upper) {
            centre += a * (0.5 * l + 0.5 * u);
            self.slopes.push(a * 0.5 * (u - l));
        }
        self.centres.push(centre);
    }

    /// The least value of a row.
    fn least(&self, k: usize, n: usize) -> f64 {
        self.centres[k] - self.slopes[k * n..][..n].iter().map(|a| a.abs()).sum::<f64>()
    }

    /// Shares λ of the best mixture, and its value. Not exactly optimal where pivots run out; `None` where a row is not
    /// finite or there is none.
    #[must_use]
    pub(super) fn mix(&self) -> Option<(Vec<f64>, f64)> {
        let rows = self.centres.len();
        let n = self.slopes.len().checked_div(rows)?;
        if !self.centres.iter().chain(&self.slopes).all(|x| x.is_finite()) {
            return None;
        }
        let best = (0..rows).max_by(|&j, &k| self.least(j, n).total_cmp(&self.least(k, n)))?;
        let mut table = Table::new(self, n, best);
        for _ in 0..4 * (n + rows) {
            if !table.pivot() {
                break;
            }
        }
        Some((table.shares(rows), table.value()))
    }
}

/// A simplex tableau: one row for each |·| (pᵢ − qᵢ = Σ λₖ aₖᵢ, p, q ≥ 0) and one for Σ λ = 1; columns λ, p, q and the right
/// side.
struct Table {
    cells: Vec<f64>,
    columns: usize,
    basis: Vec<usize>,
    /// Reduced costs, and minus the value at the end.
    costs: Vec<f64>,
}

impl Table {
    /// The basis of the mixture that is one row alone.
    fn new(rows: &Rows, n: usize, best: usize) -> Self {
        let count = rows.centres.len();
        let columns = count + 2 * n + 1;
        let mut cells = vec![0.0; (n + 1) * columns];
        let mut basis = Vec::with_capacity(n + 1);
        let mut costs = vec![0.0; columns];
        costs[..count].copy_from_slice(&rows.centres);
        costs[count..count + 2 * n].fill(-1.0);
        let alone = &rows.slopes[best * n..][..n];
        for (i, &own) in alone.iter().enumerate() {
            // ±(p − q) − Σ (aₖ − a_best) λₖ = ±a_best, signed so that the right side is not negative.
            let sign = if own >= 0.0 { 1.0 } else { -1.0 };
            let row = &mut cells[i * columns..][..columns];
            for (k, cell) in row[..count].iter_mut().enumerate() {
                *cell = -sign * (rows.slopes[k * n + i] - own);
            }
            row[count + i] = sign;
            row[count + n + i] = -sign;
            row[columns - 1] = sign * own;
            basis.push(if own >= 0.0 { count + i } else { count + n + i });
        }
        let last = &mut cells[n * columns..];
        last[..count].fill(1.0);
        last[columns - 1] = 1.0;
        basis.push(best);
        let mut table = Self { cells, columns, basis, costs };
        for row in 0..=n {
            table.price_out(row);
        }
        table
    }

    /// Makes the cost of a row's basic column zero.
    fn price_out(&mut self, row: usize) {
        let factor = self.costs[self.basis[row]];
        if factor != 0.0 {
            let cells = &self.cells[row * self.columns..][..self.columns];
            self.costs.iter_mut().zip(cells).for_each(|(cost, cell)| *cost -= factor * cell);
        }
    }

    /// One step of the simplex method; whether there was one.
    fn pivot(&mut self) -> bool {
        const LEAST: f64 = 1e-9;
        let scale = self.costs[self.columns - 1].abs().max(1e-12);
        let candidates = self.costs[..self.columns - 1].iter().enumerate();
        let Some((enter, cost)) = candidates.max_by(|a, b| a.1.total_cmp(b.1)) else {
            return false;
        };
        if *cost <= LEAST * scale {
            return false;
        }
        let rows = self.basis.len();
        let cell = |row: usize, column: usize| self.cells[row * self.columns + column];
        let leave = (0..rows).filter(|&row| cell(row, enter) > LEAST).min_by(|&a, &b| {
            let ratio = |row: usize| cell(row, self.columns - 1) / cell(row, enter);
            ratio(a).total_cmp(&ratio(b))
        });
        let Some(leave) = leave else { return false };
        let factor = 1.0 / cell(leave, enter);
        let pivot: Vec<f64> =
            (0..self.columns).map(|column| factor * cell(leave, column)).collect();
        for row in 0..rows {
            let cells = &mut self.cells[row * self.columns..][..self.columns];
            if row == leave {
                cells.copy_from_slice(&pivot);
            } else if cells[enter] != 0.0 {
                let factor = cells[enter];
                cells.iter_mut().zip(&pivot).for_each(|(cell, p)| *cell -= factor * p);
            }
        }
        self.basis[leave] = enter;
        self.price_out(leave);
        true
    }

    fn shares(&self, count: usize) -> Vec<f64> {
        let mut shares = vec![0.0; count];
        for (row, &column) in self.basis.iter().enumerate() {
            if column < count {
                shares[column] = self.cells[(row + 1) * self.columns - 1].max(0.0);
            }
        }
        shares
    }

    fn value(&self) -> f64 {
        -self.costs[self.columns - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Rational;
    use crate::num::hostile::{exact, exact_dot, piled};
    use num_traits::Signed;
    use proptest::prelude::*;

    #[test]
    fn two_rows_that_exclude_each_other() {
        // 1/4 + ε and 1/4 − ε are nowhere both ≤ 0.
        let rows = Rows { centres: vec![0.25, 0.25], slopes: vec![1.0, -1.0] };
        let (shares, value) = rows.mix().unwrap();
        assert_eq!((shares, value), (vec![0.5, 0.5], 0.25));
    }

    /// By how much Σ w f is larger than what was computed of it on outputs of these magnitudes, and the right side than what was rounded.
    fn losses(functionals: &Matrix, halves: &[(usize, f64, f64)], magnitudes: &[f64]) -> Rational {
        let sum = combine(functionals, halves.iter().copied(), magnitudes);
        let mut lost = -exact(sum.bound);
        for &(f, b, w) in halves {
            lost += exact(w) * exact(b);
            lost += exact(w) * exact_dot(column(functionals, f), magnitudes);
        }
        lost - exact_dot(&sum.functional, magnitudes)
    }

    /// 1, and then numbers that are lost beside it: as weights, and as right sides.
    #[test]
    fn a_combination_pays_for_its_sums() {
        let ones = Matrix::from_element(1, 300, 1.0);
        let of = |b: fn(f64) -> f64, w: fn(f64) -> f64| -> Vec<(usize, f64, f64)> {
            piled(300).into_iter().enumerate().map(|(f, x)| (f, b(x), w(x))).collect()
        };
        assert!(!losses(&ones, &of(|_| 0.0, |w| w), &[1.0]).is_positive());
        assert!(!losses(&ones, &of(|b| b, |_| 1.0), &[0.0]).is_positive());
    }

    #[test]
    fn a_combination_pays_for_what_underflows() {
        let (least, huge) = (f64::from_bits(1), 2f64.powi(1000));
        let one = Matrix::from_element(1, 1, least);
        assert!(!losses(&one, &[(0, 0.0, 0.5)], &[huge]).is_positive());
        let zeros = Matrix::zeros(1, 100);
        let halves: Vec<_> = (0..100).map(|f| (f, least, 0.5)).collect();
        assert!(!losses(&zeros, &halves, &[0.0]).is_positive());
    }

    #[test]
    fn rows_without_a_mixture() {
        assert!(Rows::default().mix().is_none());
        assert!(Rows { centres: vec![f64::NAN], slopes: vec![0.0] }.mix().is_none());
    }

    proptest! {
        /// The value is what the shares give, and no other mixture is better.
        #[test]
        fn mixtures_are_best(
            centres in proptest::collection::vec(-4i8..5, 1..6),
            slopes in proptest::collection::vec(-4i8..5, 15),
            others in proptest::collection::vec(proptest::collection::vec(0u8..9, 5), 20),
        ) {
            let n = 3;
            let count = centres.len();
            let rows = Rows {
                centres: centres.iter().map(|&d| f64::from(d)).collect(),
                slopes: slopes[..count * n].iter().map(|&a| f64::from(a)).collect(),
            };
            let value_of = |shares: &[f64]| {
                let sum = |at: &dyn Fn(usize) -> f64| (0..count).map(|k| shares[k] * at(k)).sum::<f64>();
                sum(&|k| rows.centres[k]) - (0..n).map(|i| sum(&|k| rows.slopes[k * n + i]).abs()).sum::<f64>()
            };
            let (shares, value) = rows.mix().unwrap();
            prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9 && shares.iter().all(|&s| s >= 0.0));
            prop_assert!((value_of(&shares) - value).abs() < 1e-9);
            for other in others {
                let total: f64 = other[..count].iter().map(|&s| f64::from(s)).sum();
                if total > 0.0 {
                    let other: Vec<f64> = other[..count].iter().map(|&s| f64::from(s) / total).collect();
                    prop_assert!(value_of(&other) <= value + 1e-9, "{other:?} is better than {shares:?}");
                }
            }
        }
    }
}
