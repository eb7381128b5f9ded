//! Clipping: what a linear lower bound already proves of a box need not be searched.
//!
//! If f ≥ aᵀx + c on a box and only points with f ≤ b matter, then only those with aᵀx ≤ b − c do, hence for each input
//!
//! ```text
//! aᵢ xᵢ ≤ b − c − Σ_{j≠i} min(aⱼ lⱼ, aⱼ uⱼ)
//! ```
//!
//! (Clip-and-Verify, NeurIPS 2025.) What rounding can cost is left to the box, so that no point that matters is lost.

use crate::num::{ample, gamma};

/// A linear lower bound of a functional that must be ≤ `bound` for a point to matter.
#[derive(Debug, Clone, Copy)]
pub struct Cut<'a> {
    /// a.
    pub coefficients: &'a [f64],
    /// c.
    pub constant: f64,
    /// b, rounded up.
    pub bound: f64,
}

/// Shrinks [lower, upper] to what the cut leaves. Returns whether anything is left.
#[must_use]
pub fn clip(cut: Cut, lower: &mut [f64], upper: &mut [f64]) -> bool {
    // The least of a x.
    let part =
        |a: f64, l: f64, u: f64| if a == 0.0 { 0.0 } else { a * if a > 0.0 { l } else { u } };
    let (mut least, mut reach) = (0.0, cut.bound.abs() + cut.constant.abs());
    for ((&a, &l), &u) in cut.coefficients.iter().zip(&*lower).zip(&*upper) {
        least += part(a, l, u);
        reach += part(a, l, u).abs();
    }
    // No part of b − c − (the sum of all parts − the own one) + charge passes through more roundings. Where something is infinite or no
    // number, so is this, and then no limit is less than infinite.
    let charge = ample(gamma(cut.coefficients.len() + 5) * reach);
    let room = cut.bound - cut.constant + charge;
    if least > room {
        return false;
    }
    for (i, &a) in cut.coefficients.iter().enumerate() {
        if a == 0.0 || lower[i] == upper[i] {
            continue;
        }
        let limit = (room - (least - part(a, lower[i], upper[i]))) / a;
        if a > 0.0 {
            upper[i] = upper[i].min(limit.next_up());
        } else {
            lower[i] = lower[i].max(limit.next_down());
        }
        if lower[i] > upper[i] {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::hostile::{exact, exact_dot, near, piled};
    use num_traits::Signed;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_point_that_matters_is_lost(
            a in [-3i32..4, -3i32..4, -3i32..4], c in -20i32..20, b in -20i32..20,
            x in [0u32..9, 0u32..9, 0u32..9],
        ) {
            // Small integers over 8: products and sums are exact.
            let a = a.map(|a| f64::from(a) / 3.0);
            let x = x.map(|x| f64::from(x) / 8.0 - 0.5);
            let (mut lower, mut upper) = ([-0.5; 3], [0.5; 3]);
            let cut = Cut { coefficients: &a, constant: f64::from(c) / 8.0, bound: f64::from(b) / 8.0 };
            let some_left = clip(cut, &mut lower, &mut upper);
            // The exact value of aᵀx, up to the 1/3: compare in rationals.
            let value = a.iter().zip(x).fold(exact(cut.constant), |sum, (&a, x)| sum + exact(a) * exact(x));
            if value <= exact(cut.bound) {
                prop_assert!(some_left);
                for i in 0..3 {
                    prop_assert!(lower[i] <= x[i] && x[i] <= upper[i]);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(crate::num::hostile::cases(20_000))]

        /// a x ≤ b − c, where the product with the lower end is 0: a difference and a quotient.
        #[test]
        fn a_limit_is_rounded_outward(a in 1.0f64..4.0, b in near(), c in -4.0f64..0.0, sign: bool) {
            let a = if sign { a } else { -a };
            let (mut lower, mut upper) = if sign { ([0.0], [10.0]) } else { ([-10.0], [0.0]) };
            let cut = Cut { coefficients: &[a], constant: c, bound: b.abs() };
            prop_assert!(clip(cut, &mut lower, &mut upper));
            let limit = (exact(b.abs()) - exact(c)) / exact(a);
            // Away from 0, on the one side or on the other.
            let far = if sign { upper[0] } else { -lower[0] };
            prop_assert!(exact(far) >= limit.abs());
        }

        /// A point that the cut just keeps, with nothing to spare: the bound is the next number above its value.
        #[test]
        fn no_point_on_the_edge_is_lost(
            a in [near(), near()], x in [near(), near()], c in near(), scale in -60i32..60,
            widths in [0.0f64..1.0, 0.0f64..1.0], sides in [0.0f64..1.0, 0.0f64..1.0],
        ) {
            let a = [a[0], a[1] * 2f64.powi(scale / 2)];
            let x = [x[0], x[1] * 2f64.powi(-scale)];
            let value = exact(c) + exact(a[0]) * exact(x[0]) + exact(a[1]) * exact(x[1]);
            let cut = Cut { coefficients: &a, constant: c, bound: crate::num::round_up(&value) };
            let end = |i: usize, side: f64| x[i] + x[i].abs() * widths[i] * side;
            let mut lower = [0, 1].map(|i| end(i, -sides[i]).min(x[i]));
            let mut upper = [0, 1].map(|i| end(i, 1.0 - sides[i]).max(x[i]));
            prop_assert!(clip(cut, &mut lower, &mut upper));
            prop_assert!((0..2).all(|i| lower[i] <= x[i] && x[i] <= upper[i]));
        }
    }

    /// A long sum whose small parts are lost beside the first one, which a last part or the bound takes away again.
    #[test]
    fn no_point_is_lost_by_a_long_sum() {
        let mut a: Vec<f64> = piled(300).iter().map(|a| -0.5 * a).collect();
        a[0] = 1.0;
        for last in [a[299], -1.0] {
            a[299] = last;
            let value = exact_dot(&a, &[1.0; 300]);
            let cut = Cut { coefficients: &a, constant: 0.0, bound: crate::num::round_up(&value) };
            let (mut lower, mut upper) = ([1.0; 300], [1.0; 300]);
            assert!(clip(cut, &mut lower, &mut upper), "{last}");
        }
    }

    /// Products of the least number that are rounded up, and the limit of an input far below it.
    #[test]
    fn no_point_is_lost_where_numbers_underflow() {
        let least = f64::from_bits(1);
        // Σ x / 2 ≤ 100 · 1.5 least at x = 3 least.
        let (mut lower, mut upper) = ([3.0 * least; 100], [3.0 * least; 100]);
        let cut = Cut { coefficients: &[0.5; 100], constant: 0.0, bound: 150.0 * least };
        assert!(clip(cut, &mut lower, &mut upper));
        // ±2^600 x ≤ 2^600 · 2.25 least.
        let a = 2f64.powi(600);
        let most = exact(2.25) * exact(least);
        for sign in [1.0, -1.0] {
            let (mut lower, mut upper) = if sign > 0.0 { ([0.0], [1.0]) } else { ([-1.0], [0.0]) };
            let cut = Cut { coefficients: &[sign * a], constant: 0.0, bound: 2.25 * (a * least) };
            assert!(clip(cut, &mut lower, &mut upper));
            assert!(if sign > 0.0 { exact(upper[0]) >= most } else { exact(-lower[0]) >= most });
        }
    }

    /// A coefficient that overflowed says nothing of an input that is 0 at its lower end.
    #[test]
    fn infinite_coefficients_clip_nothing() {
        for a in [f64::INFINITY, f64::NAN] {
            let (mut lower, mut upper) = ([0.0], [1.0]);
            let cut = Cut { coefficients: &[a], constant: 0.0, bound: 1.0 };
            assert!(clip(cut, &mut lower, &mut upper));
            assert_eq!((lower, upper), ([0.0], [1.0]));
        }
    }

    #[test]
    fn a_cut_shrinks_and_empties() {
        let (mut lower, mut upper) = ([0.0, 0.0], [1.0, 1.0]);
        assert!(clip(
            Cut { coefficients: &[1.0, 1.0], constant: 0.0, bound: 0.5 },
            &mut lower,
            &mut upper
        ));
        assert!(upper[0] < 0.5 + 1e-12 && upper[1] < 0.5 + 1e-12);
        assert!(!clip(
            Cut { coefficients: &[1.0, 1.0], constant: 1.0, bound: 0.5 },
            &mut lower,
            &mut upper
        ));
    }
}
