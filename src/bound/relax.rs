//! Linear relaxations: for every nonlinear node, lines below and above it on the interval of its operand.

use super::curve;
use crate::net::{Boxes, Matrix, Network, Op};
use crate::num::{inflate, mul_down, mul_up, nan_to};

/// The line z ↦ slope·z + intercept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Slope.
    pub slope: f64,
    /// Intercept, rounded to the side that keeps the line a bound.
    pub intercept: f64,
}

/// Lines around a unary node f(z), for each element (rows) and domain (columns): lower_slope·z + lower_intercept ≤ f(z) ≤
/// upper_slope·z + upper_intercept on [l, u].
#[derive(Debug, Clone)]
pub struct Relaxation {
    /// Slopes of the lower lines.
    pub lower_slope: Matrix,
    /// Intercepts of the lower lines; `None` where all are 0 (ReLU).
    pub lower_intercept: Option<Matrix>,
    /// Slopes of the upper lines.
    pub upper_slope: Matrix,
    /// Intercepts of the upper lines.
    pub upper_intercept: Matrix,
}

/// Planes around a product x·y (McCormick 1976): for each element and domain, x-slope, y-slope and intercept.
#[derive(Debug, Clone)]
pub struct ProductLines {
    /// Planes below: (slope of x, slope of y, intercept), elements × domains.
    pub lower: [Matrix; 3],
    /// Planes above.
    pub upper: [Matrix; 3],
}

impl Relaxation {
    /// The relaxation of a unary node over the boxes of its operand; `None` for other nodes.
    #[must_use]
    pub fn of(net: &Network, id: usize, layers: &[Boxes]) -> Option<Self> {
        match net.node(id).op {
            Op::Relu(z) => Some(Self::relu(&layers[z])),
            Op::Curve(c, z) => Some(Self::lines(&layers[z], |l, u| {
                (curve::lower_line(c, l, u), curve::upper_line(c, l, u))
            })),
            Op::Reciprocal(z) => Some(Self::lines(&layers[z], reciprocal)),
            _ => None,
        }
    }

    /// relu(z) ≥ α z for any α in [0, 1], here 0 or 1, whichever leaves the smaller triangle (Zhang et al. 2018);
    /// relu(z) ≤ s z + t for any s in [0, 1] with t = max(−s l, (1 − s) u).
    fn relu(boxes: &Boxes) -> Self {
        let (rows, cols) = boxes.lower.shape();
        let mut out = Self {
            lower_slope: Matrix::zeros(rows, cols),
            lower_intercept: None,
            upper_slope: Matrix::zeros(rows, cols),
            upper_intercept: Matrix::zeros(rows, cols),
        };
        let ends = boxes.lower.iter().zip(boxes.upper.iter());
        let slopes = out
            .lower_slope
            .iter_mut()
            .zip(out.upper_slope.iter_mut())
            .zip(out.upper_intercept.iter_mut());
        for ((&l, &u), ((alpha, s), t)) in ends.zip(slopes) {
            (*alpha, *s, *t) = relu_lines(l, u);
        }
        out
    }

    fn lines(boxes: &Boxes, lines: impl Fn(f64, f64) -> (Line, Line)) -> Self {
        let (rows, cols) = boxes.lower.shape();
        let zeros = || Matrix::zeros(rows, cols);
        let mut out = Self {
            lower_slope: zeros(),
            lower_intercept: None,
            upper_slope: zeros(),
            upper_intercept: zeros(),
        };
        let mut lower_intercept = zeros();
        for i in 0..rows * cols {
            let (low, high) = lines(boxes.lower[i], boxes.upper[i]);
            out.lower_slope[i] = low.slope;
            lower_intercept[i] = low.intercept;
            out.upper_slope[i] = high.slope;
            out.upper_intercept[i] = high.intercept;
        }
        out.lower_intercept = Some(lower_intercept);
        out
    }
}

/// (α, s, t) of a ReLU on [l, u].
#[must_use]
pub(super) fn relu_lines(l: f64, u: f64) -> (f64, f64, f64) {
    if l >= 0.0 {
        (1.0, 1.0, 0.0)
    } else if u <= 0.0 {
        (0.0, 0.0, 0.0)
    } else {
        let alpha = default_slope(l, u);
        let s = upper_slope(l, u);
        (alpha, s, relu_upper_intercept(s, l, u))
    }
}

/// The slope above a ReLU on [l, u], l < 0 < u: that of the chord, as a multiple of 2⁻³², which is what a proof's reader keeps of it.
#[must_use]
pub fn upper_slope(l: f64, u: f64) -> f64 {
    const UNITS: f64 = 4_294_967_296.0;
    // An infinite end leaves 1 or 0: relu(z) ≤ z − l, or relu(z) ≤ u.
    let chord = if l == f64::NEG_INFINITY { 0.0 } else { nan_to(u / (u - l), 1.0).clamp(0.0, 1.0) };
    (chord * UNITS).round() / UNITS
}

/// The slope below a ReLU on [l, u], l < 0 < u, where nobody chose another: 1 if u ≥ −l·1023/1024, else 0.
///
/// The smaller area belongs to 1 if u ≥ −l. But in networks and regions with symmetries u = −l holds often, up to rounding, and a proof's
/// reader has to come to the same choice; no symmetry makes 1023/1024.
#[must_use]
pub fn default_slope(l: f64, u: f64) -> f64 {
    if u >= -l * TIE { 1.0 } else { 0.0 }
}

const TIE: f64 = 1023.0 / 1024.0;

/// Whether somebody else, who rounds elsewhere, may come to another default slope: their ends differ by no more than this share of the
/// interval.
#[must_use]
pub fn default_in_doubt(l: f64, u: f64) -> bool {
    const SHARE: f64 = 1e-5;
    (u + l * TIE).abs() <= SHARE * (u - l)
}

/// t = max(−s l, (1 − s) u), rounded up: relu(z) ≤ s z + t on [l, u]. As s is a multiple of 2⁻³², 1 − s is exact.
fn relu_upper_intercept(s: f64, l: f64, u: f64) -> f64 {
    mul_up(-s, l).max(mul_up(1.0 - s, u)).max(0.0)
}

/// 1/z is convex on an interval of positive numbers: tangents below, the chord above; on negative ones mirrored.
fn reciprocal(l: f64, u: f64) -> (Line, Line) {
    if l > 0.0 && u.is_finite() {
        let middle = (0.5 * l + 0.5 * u).max(l);
        // The tangent at p is −z/p² + 2/p; any slope −k has the best intercept min(1/z + k z) ≥ 2√k, attained at 1/√k.
        // So k may be rounded; √k is rounded down, and doubled exactly.
        let q = 1.0 / middle;
        let k = q * q;
        let low = Line { slope: -k, intercept: 2.0 * k.sqrt().next_down() };
        // Chord: slope −1/(l u) up to rounding; the intercept is the larger of the two ends' needs, without signs and of two roundings.
        let k = nan_to(1.0 / (l * u), 0.0);
        let at = |z: f64| inflate(1.0 / z + k * z, 2);
        (low, Line { slope: -k, intercept: at(l).max(at(u)) })
    } else if u < 0.0 && l.is_finite() {
        let (low, high) = reciprocal(-u, -l);
        let mirror = |line: Line| Line { slope: line.slope, intercept: -line.intercept };
        (mirror(high), mirror(low))
    } else {
        let (low, high) = crate::net::recip_interval(l, u);
        (Line { slope: 0.0, intercept: low }, Line { slope: 0.0, intercept: high })
    }
}

impl ProductLines {
    /// x y ≥ y₀ x + x₀ y − x₀ y₀ for (x₀, y₀) both lower or both upper ends; x y ≤ the same for mixed ends. Of the two
    /// choices the one that is higher (lower) at the centre of the box.
    #[must_use]
    pub fn new(x: &Boxes, y: &Boxes) -> Self {
        let zeros = || Matrix::zeros(x.lower.nrows(), x.lower.ncols());
        let mut out =
            Self { lower: [zeros(), zeros(), zeros()], upper: [zeros(), zeros(), zeros()] };
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
                plane[0][i] = y0;
                plane[1][i] = x0;
                plane[2][i] = intercept;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Rational;
    use crate::num::hostile::{exact, near};
    use num_traits::Zero;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

        /// At both ends and at 0, where a convex function is furthest from a line above it.
        #[test]
        fn relu_lines_enclose(l in near(), u in near(), scale in -60i32..60, s: u32) {
            let (l, u) = (-l.abs(), u.abs() * 2f64.powi(scale));
            let s = f64::from(s) / 2f64.powi(32);
            let (alpha, slope, intercept) = relu_lines(l, u);
            for z in [l, 0.0, u].map(exact) {
                let relu = z.clone().max(Rational::zero());
                prop_assert!(exact(alpha) * &z <= relu);
                prop_assert!(exact(slope) * &z + exact(intercept) >= relu);
                prop_assert!(exact(s) * &z + exact(relu_upper_intercept(s, l, u)) >= relu);
            }
        }

        /// The line above at the ends; the one below where it touches, which on a point is there.
        #[test]
        fn reciprocal_lines_enclose(l in near(), width in 0.0f64..10.0, scale in 0.1f64..10.0, point: bool) {
            let l = l * scale;
            let width = if point { 0.0 } else { width };
            let (l, u) = if l > 0.0 { (l, l + width) } else { (l - width, l) };
            let (low, high) = reciprocal(l, u);
            for z in [l, u, 0.5 * l + 0.5 * u] {
                let (value, z) = (exact(z).recip(), exact(z));
                prop_assert!(exact(low.slope) * &z + exact(low.intercept) <= value);
                prop_assert!(exact(high.slope) * &z + exact(high.intercept) >= value);
            }
        }

        /// x y minus a plane is least at a corner.
        #[test]
        fn product_planes_enclose(x in [near(), near()], y in [near(), near()]) {
            let interval = |x: [f64; 2]| Boxes::single(&[x[0].min(x[1])], &[x[0].max(x[1])]);
            let lines = ProductLines::new(&interval(x), &interval(y));
            for (x, y) in x.iter().flat_map(|&x| y.map(|y| (exact(x), exact(y)))) {
                let at = |p: &[Matrix; 3]| exact(p[0][0]) * &x + exact(p[1][0]) * &y + exact(p[2][0]);
                prop_assert!(at(&lines.lower) <= &x * &y && at(&lines.upper) >= &x * &y);
            }
        }
    }

    #[test]
    fn stable_and_infinite_neurons() {
        assert_eq!(relu_lines(0.0, 3.0), (1.0, 1.0, 0.0));
        assert_eq!(relu_lines(-3.0, -0.0), (0.0, 0.0, 0.0));
        let (_, s, t) = relu_lines(f64::NEG_INFINITY, 2.0);
        assert!(s == 0.0 && t >= 2.0);
        let (_, s, t) = relu_lines(-2.0, f64::INFINITY);
        assert!(s == 1.0 && t >= 2.0);
    }
}
