//! x · y of two operands, between the planes of McCormick (1976).

use super::{Operator, Relaxation};
use crate::net::{Boxes, Matrix};
use crate::num::{Rational, mul_down, mul_up};

/// x · y.
#[derive(Debug)]
pub struct Product;

impl Operator for Product {
    fn operands(&self) -> usize {
        2
    }

    fn at(&self, x: &[f64]) -> f64 {
        x[0] * x[1]
    }

    fn exact(&self, x: &[&[Rational; 2]]) -> Option<[Rational; 2]> {
        let corners = || x[0].iter().flat_map(|a| x[1].iter().map(move |b| a * b));
        corners().min().zip(corners().max()).map(|(low, high)| [low, high])
    }

    fn values(&self, x: &[&Matrix]) -> Matrix {
        x[0].component_mul(x[1])
    }

    fn values_f32(&self, x: &[&[f32]]) -> Vec<f32> {
        x[0].iter().zip(x[1]).map(|(x, y)| x * y).collect()
    }

    fn add_chain(&self, k: usize, x: &[&Matrix], g: &Matrix, _leak: f64, to: &mut Matrix) {
        to.zip_zip_apply(g, x[1 - k], |to, g, other| *to += g * other);
    }

    fn enclose(&self, x: &[&Boxes]) -> Boxes {
        let (a, b) = (x[0], x[1]);
        let mut out = a.clone();
        for i in 0..a.lower.len() {
            let ends = [
                (a.lower[i], b.lower[i]),
                (a.lower[i], b.upper[i]),
                (a.upper[i], b.lower[i]),
                (a.upper[i], b.upper[i]),
            ];
            let downs = ends.iter().map(|&(x, y)| mul_down(x, y));
            out.lower[i] = downs.fold(f64::INFINITY, f64::min);
            let ups = ends.iter().map(|&(x, y)| mul_up(x, y));
            out.upper[i] = ups.fold(f64::NEG_INFINITY, f64::max);
        }
        out
    }

    /// x y ≥ y₀ x + x₀ y − x₀ y₀ for (x₀, y₀) both lower or both upper ends; x y ≤ the same for mixed ends. Of the two
    /// choices the one that is higher (lower) at the centre of the box.
    fn relax(&self, x: &[&Boxes]) -> Relaxation {
        let (x, y) = (x[0], x[1]);
        let mut out = Relaxation::zeros(2, x.lower.shape());
        for i in 0..x.lower.len() {
            let (xs, ys) = ((x.lower[i], x.upper[i]), (y.lower[i], y.upper[i]));
            let (cx, cy) = (0.5 * xs.0 + 0.5 * xs.1, 0.5 * ys.0 + 0.5 * ys.1);
            let height = |x0: f64, y0: f64| y0 * cx + x0 * cy - x0 * y0;
            let low =
                if height(xs.0, ys.0) >= height(xs.1, ys.1) { (xs.0, ys.0) } else { (xs.1, ys.1) };
            let high =
                if height(xs.0, ys.1) <= height(xs.1, ys.0) { (xs.0, ys.1) } else { (xs.1, ys.0) };
            let planes = [
                (&mut out.lower, low, -mul_up(low.0, low.1)),
                (&mut out.upper, high, -mul_down(high.0, high.1)),
            ];
            for (plane, (x0, y0), intercept) in planes {
                plane.slopes[0][i] = y0;
                plane.slopes[1][i] = x0;
                plane.intercept[i] = intercept;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::hostile::{exact, near};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

        /// x y minus a plane is least at a corner.
        #[test]
        fn product_planes_enclose(x in [near(), near()], y in [near(), near()]) {
            let interval = |x: [f64; 2]| Boxes::single(&[x[0].min(x[1])], &[x[0].max(x[1])]);
            let planes = Product.relax(&[&interval(x), &interval(y)]);
            for (x, y) in x.iter().flat_map(|&x| y.map(|y| (exact(x), exact(y)))) {
                let [low, high] = [&planes.lower, &planes.upper].map(|p| {
                    exact(p.slopes[0][0]) * &x + exact(p.slopes[1][0]) * &y + exact(p.intercept[0])
                });
                prop_assert!(low <= &x * &y && high >= &x * &y);
            }
        }

        #[test]
        fn products_of_intervals_are_rounded_outward(x in [near(), near()], y in [near(), near()]) {
            let interval = |x: [f64; 2]| Boxes::single(&[x[0].min(x[1])], &[x[0].max(x[1])]);
            let found = Product.enclose(&[&interval(x), &interval(y)]);
            for (x, y) in x.iter().flat_map(|&x| y.map(|y| (x, y))) {
                let value = exact(x) * exact(y);
                prop_assert!(exact(found.lower[0]) <= value && value <= exact(found.upper[0]));
            }
        }
    }
}
