//! x · y of two operands, between the planes of McCormick (1976).

use super::{Ascent, Drawn, Operator, Relaxation};
use crate::net::{Boxes, Matrix};
use crate::num::{Rational, add_up, mul_down, mul_up, sub_down};

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

    fn has_free_slopes(&self) -> bool {
        true
    }

    /// All 0: the planes as drawn. With a share t of the other plane of McCormick's two, what is between them.
    fn parameters(&self, lines: &Relaxation) -> Matrix {
        lines.lower.slopes[0].map(|_| 0.0)
    }

    fn choose(&self, a: &[f64], chosen: &[f64], ends: &[[&[f64]; 2]], lines: &mut Drawn) {
        for i in 0..chosen.len() {
            if a[i] == 0.0 || chosen[i].is_nan() || chosen[i] <= 0.0 {
                continue;
            }
            let above = a[i] < 0.0;
            let corners = Corners::of(ends, i);
            let side = if above { &mut lines.above } else { &mut lines.below };
            let own = [side.slopes[0][i], side.slopes[1][i]];
            let other = corners.other(own, above);
            let share = chosen[i].min(1.0);
            let slopes = [0, 1].map(|k| own[k] + share * (other[k] - own[k]));
            let intercept = corners.intercept(slopes, above);
            if intercept.is_finite() {
                side.slopes[0].to_mut()[i] = slopes[0];
                side.slopes[1].to_mut()[i] = slopes[1];
                side.intercept.to_mut()[i] = intercept;
            }
        }
    }

    fn ascent(&self, at: Ascent) -> Vec<f64> {
        let derivative = |i: usize| {
            let above = at.a[i] < 0.0;
            let corners = Corners::of(at.ends, i);
            let side = if above { &at.lines.above } else { &at.lines.below };
            let own = [side.slopes[0][i], side.slopes[1][i]];
            // The plane with the slopes (y₀, x₀) has the value y₀ x + x₀ y − x₀ y₀.
            let plane = |s: [f64; 2]| s[0] * at.x[0][i] + s[1] * at.x[1][i] - s[0] * s[1];
            at.a[i] * (plane(corners.other(own, above)) - plane(own))
        };
        (0..at.chosen.len()).map(derivative).collect()
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

/// A box of two operands.
struct Corners {
    x: [f64; 2],
    y: [f64; 2],
}

impl Corners {
    fn of(ends: &[[&[f64]; 2]], i: usize) -> Self {
        Self { x: ends[0].map(|end| end[i]), y: ends[1].map(|end| end[i]) }
    }

    /// The slopes of the other one of McCormick's two planes on a side.
    fn other(&self, own: [f64; 2], above: bool) -> [f64; 2] {
        let [x, y] = [self.x, self.y];
        let both = if above { [[y[1], x[0]], [y[0], x[1]]] } else { [[y[0], x[0]], [y[1], x[1]]] };
        if own == both[0] { both[1] } else { both[0] }
    }

    /// The best intercept of a plane of any slopes: x y minus a plane is extreme at a corner.
    fn intercept(&self, slopes: [f64; 2], above: bool) -> f64 {
        let sign = if above { -1.0 } else { 1.0 };
        let mut least = f64::INFINITY;
        for x in self.x {
            for y in self.y {
                let plane = add_up(mul_up(sign * slopes[0], x), mul_up(sign * slopes[1], y));
                let rest = sub_down(mul_down(sign * x, y), plane);
                least = if rest.is_nan() { f64::NEG_INFINITY } else { least.min(rest) };
            }
        }
        sign * least
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::DrawnLines;
    use crate::num::hostile::{exact, near};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::num::hostile::cases(3000))]

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

        /// Between both planes too.
        #[test]
        fn planes_of_any_share_enclose(x in [near(), near()], y in [near(), near()], share in 0.0f64..1.0) {
            let interval = |x: [f64; 2]| Boxes::single(&[x[0].min(x[1])], &[x[0].max(x[1])]);
            let boxes = [interval(x), interval(y)];
            let planes = Product.relax(&[&boxes[0], &boxes[1]]);
            let ends: Vec<[&[f64]; 2]> =
                boxes.iter().map(|b| [b.lower.as_slice(), b.upper.as_slice()]).collect();
            for (a, above) in [(1.0, false), (-1.0, true)] {
                let own = if above { &planes.upper } else { &planes.lower };
                let lines = || DrawnLines {
                    slopes: [own.slopes[0].as_slice().into(), own.slopes[1].as_slice().into()],
                    intercept: own.intercept.as_slice().into(),
                };
                let mut drawn = Drawn { below: lines(), above: lines() };
                Product.choose(&[a], &[share], &ends, &mut drawn);
                let side = if above { drawn.above } else { drawn.below };
                for (x, y) in x.iter().flat_map(|&x| y.map(|y| (exact(x), exact(y)))) {
                    let plane = exact(side.slopes[0][0]) * &x + exact(side.slopes[1][0]) * &y + exact(side.intercept[0]);
                    let product = &x * &y;
                    let holds = if above { plane >= product } else { plane <= product };
                    prop_assert!(holds);
                }
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
