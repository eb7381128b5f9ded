//! Ranges of curves and lines beside them: any slope, with an intercept that is proved for it.
//!
//! A line below f on [l, u] with slope k has the intercept min { f(z) − k z }, which is bounded piece by piece. Where f is concave the minimum is
//! at an end. Where f is convex, f(z) − k z ≥ f(p) − k p + (f'(p) − k)(z − p) for every p, which loses next to nothing where f'(p) is near k.
//! Lines above f are those below −f.

use super::{Bend, Curve, Piece, Pieces, enclose};
use crate::net::op::Line;
use crate::num::{TINY, add_up, mul_up, nan_to, sub_down};

/// Rounds in which a line that supports a curve of several pieces is drawn closer.
const ROUNDS: usize = 8;
/// Steps for the point where a derivative has a given value, at most, and how near to that it has to come, as a share of it or of the
/// mean derivative.
const STEPS: usize = 60;
const NEAR: f64 = 1e-10;

/// The parameter that stands for the line that [`draw`] draws.
pub const DEFAULT: f64 = 0.5;

/// { f(x) : l ≤ x ≤ u }, rounded outward.
pub fn range<C: Curve>(curve: &C, l: f64, u: f64) -> (f64, f64) {
    if l == u {
        return enclose(curve, l);
    }
    let Some(pieces) = known(curve, l, u) else { return curve.limits() };
    if curve.increases() {
        return (enclose(curve, l).0, enclose(curve, u).1);
    }
    if !(l.is_finite() && u.is_finite()) {
        return curve.limits();
    }
    let [low, high] = [1.0, -1.0].map(|sign| Side { curve, sign, l, u }.least(&pieces, 0.0).0);
    let (least, most) = curve.limits();
    (low.max(least), (-high).min(most))
}

/// The pieces of an interval on which the function is defined.
fn known<C: Curve>(curve: &C, l: f64, u: f64) -> Option<Pieces> {
    curve.is_defined(l, u).then(|| curve.pieces(l, u)).flatten()
}

/// Lines below and above f on [l, u]: of all that there are, about those that leave the smallest area.
pub fn draw<C: Curve>(curve: &C, l: f64, u: f64) -> [Line; 2] {
    let pieces = known(curve, l, u).filter(|_| l < u && l.is_finite() && u.is_finite());
    let Some(pieces) = pieces else {
        let (low, high) = range(curve, l, u);
        return [Line::constant(low), Line::constant(high)];
    };
    let sides = [1.0, -1.0].map(|sign| Side { curve, sign, l, u });
    let [low, high] = sides.map(|side| side.draw(&pieces));
    [low, high.negative()]
}

/// The line on one side with the slope of the parameter s in [0, 1] and the point where it touches f, about. Slopes grow with s from the
/// least to the largest derivative on [l, u]; at ½ it is the line that [`draw`] draws, `own`.
pub fn chosen<C: Curve>(
    curve: &C,
    above: bool,
    s: f64,
    [l, u]: [f64; 2],
    own: Line,
) -> (Line, f64) {
    let sign = if above { -1.0 } else { 1.0 };
    let side = Side { curve, sign, l, u };
    let pieces = known(curve, l, u).filter(|_| l < u && l.is_finite() && u.is_finite());
    let Some(pieces) = pieces else { return (own, 0.5 * l + 0.5 * u) };
    let own = if above { own.negative() } else { own };
    let (line, touch) = side.chosen(&pieces, if above { 1.0 - s } else { s }, own);
    (if above { line.negative() } else { line }, touch)
}

/// g = ± f on [l, u], seen from below.
struct Side<'a, C> {
    curve: &'a C,
    sign: f64,
    l: f64,
    u: f64,
}

impl<C: Curve> Side<'_, C> {
    /// g(z), rounded.
    fn value(&self, z: f64) -> f64 {
        self.sign * self.curve.value(z)
    }

    /// A float ≤ g(z).
    fn low(&self, z: f64) -> f64 {
        let (low, high) = enclose(self.curve, z);
        if self.sign > 0.0 { low } else { -high }
    }

    /// g'(z), rounded.
    fn slope(&self, z: f64) -> f64 {
        self.sign * self.curve.slope(z)
    }

    /// A lower bound of g(z) − k z.
    fn above(&self, k: f64, z: f64) -> f64 {
        sub_down(self.low(z), mul_up(k, z))
    }

    fn bend(&self, piece: &Piece) -> Bend {
        match piece.bend {
            Bend::Convex if self.sign < 0.0 => Bend::Concave,
            Bend::Concave if self.sign < 0.0 => Bend::Convex,
            bend => bend,
        }
    }

    /// The pieces that lie in [l, u], as far as they do.
    fn inside<'p>(&self, pieces: &'p Pieces) -> impl Iterator<Item = Piece> + use<'p, C> {
        let (l, u) = (self.l, self.u);
        let cut = move |p: &Piece| Piece { from: p.from.max(l), to: p.to.min(u), ..*p };
        pieces.as_slice().iter().map(cut).filter(|p| p.from <= p.to)
    }

    /// A lower bound of min { g(z) − k z }, and where that is attained, about.
    fn least(&self, pieces: &Pieces, k: f64) -> (f64, f64) {
        let mut least = (f64::INFINITY, self.l);
        let mut reach = |bound: f64, at: f64| {
            if bound.is_nan() || bound < least.0 {
                least = (nan_to(bound, f64::NEG_INFINITY), at);
            }
        };
        for piece in self.inside(pieces) {
            if self.bend(&piece) == Bend::Convex {
                let p = self.where_slope_is(k, piece.from, piece.to);
                reach(self.tangent_above(k, p, piece), p);
            } else {
                reach(self.above(k, piece.from), piece.from);
                reach(self.above(k, piece.to), piece.to);
            }
        }
        // In a gap the derivative changes by no more than its width, and so the function leaves the chord by no more than its square.
        for (before, after) in pieces.as_slice().iter().zip(pieces.as_slice().iter().skip(1)) {
            let (from, to) = (before.to.max(self.l), after.from.min(self.u));
            if from < to {
                let width = add_up(to, -from);
                let bend = add_up(mul_up(width, width), TINY);
                for end in [from, to] {
                    reach(sub_down(self.above(k, end), bend), end);
                }
            }
        }
        least
    }

    /// A lower bound of min { g(z) − k z } where g is convex, from the tangent at p.
    fn tangent_above(&self, k: f64, p: f64, piece: Piece) -> f64 {
        let d = self.slope(p);
        let error = self.curve.slope_error(p, d.abs()) + TINY;
        // How much the difference may fall towards either end.
        let leftwards = mul_up(add_up(add_up(d, error), -k).max(0.0), add_up(p, -piece.from));
        let right = add_up(k, -sub_down(d, error)).max(0.0);
        let rightwards = mul_up(right, add_up(piece.to, -p));
        sub_down(self.above(k, p), leftwards.max(rightwards))
    }

    /// The point of a piece on which g is convex where its derivative is k, about: an end where it is not.
    fn where_slope_is(&self, k: f64, from: f64, to: f64) -> f64 {
        let (mut a, mut b) = (from, to);
        let (mut below, mut beyond) = (self.slope(a) - k, self.slope(b) - k);
        if below.is_nan() || below >= 0.0 {
            return a;
        }
        if beyond.is_nan() || beyond <= 0.0 {
            return b;
        }
        // What is missed counts over the whole piece: beside its height, little is lost.
        let chord = (self.value(to) - self.value(from)) / (to - from);
        let change = 1e-6 * (beyond - below);
        let scale = [k, chord, change].map(f64::abs).into_iter().filter(|x| x.is_finite());
        let near = NEAR * scale.fold(0.0, f64::max);
        for step in 0..STEPS {
            // Regula falsi (Illinois), and every third time the middle.
            let secant = a + (b - a) * (below / (below - beyond));
            let inside = step % 3 < 2 && a < secant && secant < b;
            let p = if inside { secant } else { 0.5 * a + 0.5 * b };
            let d = self.slope(p) - k;
            if d.abs() <= near || !(a < p && p < b) {
                return p;
            }
            if d < 0.0 {
                (a, below, beyond) = (p, d, 0.5 * beyond);
            } else {
                (b, beyond, below) = (p, d, 0.5 * below);
            }
        }
        0.5 * a + 0.5 * b
    }

    /// The line below g of about the largest value in the middle, which is that of the smallest area.
    fn draw(&self, pieces: &Pieces) -> Line {
        let middle = 0.5 * self.l + 0.5 * self.u;
        let mut inside = self.inside(pieces);
        let only = inside.next().filter(|p| inside.next().is_none() && self.spans(p));
        let slope = match only {
            Some(piece) if self.bend(&piece) == Bend::Convex => self.slope(middle),
            Some(_) => (self.value(self.u) - self.value(self.l)) / (self.u - self.l),
            None => self.steepest_support(pieces, middle),
        };
        self.line(pieces, slope)
    }

    fn spans(&self, piece: &Piece) -> bool {
        piece.from == self.l && piece.to == self.u
    }

    /// The line below of a given slope; a constant where there is none.
    fn line(&self, pieces: &Pieces, slope: f64) -> Line {
        if slope.is_finite() {
            let intercept = self.least(pieces, slope).0;
            if intercept.is_finite() {
                return Line { slope, intercept };
            }
        }
        Line::constant(self.least(pieces, 0.0).0)
    }

    /// The slope of a line that supports g where it is over the middle. It is the edge of the lower hull of points of the graph: the ends
    /// of pieces and, on every convex piece, those where the last such line leaves most; each round leaves less.
    fn steepest_support(&self, pieces: &Pieces, middle: f64) -> f64 {
        let at = |z: f64| (z, self.value(z));
        let mut points = vec![at(self.l), at(self.u)];
        points.extend(self.inside(pieces).flat_map(|piece| [at(piece.from), at(piece.to)]));
        let mut slope = steepest(&mut points, middle);
        for _ in 0..ROUNDS {
            let convex = self.inside(pieces).filter(|piece| self.bend(piece) == Bend::Convex);
            points.extend(convex.map(|p| at(self.where_slope_is(slope, p.from, p.to))));
            let next = steepest(&mut points, middle);
            if (next - slope).abs() <= NEAR * slope.abs() {
                break;
            }
            slope = next;
        }
        slope
    }

    /// See [`chosen`].
    fn chosen(&self, pieces: &Pieces, s: f64, own: Line) -> (Line, f64) {
        let mut slopes = (f64::INFINITY, f64::NEG_INFINITY);
        let mut bends = false;
        for piece in self.inside(pieces) {
            bends |= self.bend(&piece) == Bend::Convex && piece.from < piece.to;
            for d in [self.slope(piece.from), self.slope(piece.to)] {
                slopes = (slopes.0.min(d), slopes.1.max(d));
            }
        }
        // Where nothing is convex no line is better than the chord.
        let end = if s < DEFAULT { slopes.0 } else { slopes.1 };
        let share = 2.0 * (s - DEFAULT).abs();
        let slope = own.slope + share * (end - own.slope);
        if !bends || share == 0.0 || !slope.is_finite() {
            return (own, self.least(pieces, own.slope).1);
        }
        let (intercept, touch) = self.least(pieces, slope);
        if intercept.is_finite() { (Line { slope, intercept }, touch) } else { (own, touch) }
    }
}

/// The slope of the edge over the middle of the lower hull of points, which are put in order.
fn steepest(points: &mut Vec<(f64, f64)>, middle: f64) -> f64 {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.dedup_by_key(|point| point.0);
    let (first, second) = support(points, middle);
    (second.1 - first.1) / (second.0 - first.0)
}

/// The edge of the lower hull of points, given from the left to the right, that lies below or above the middle.
fn support(points: &[(f64, f64)], middle: f64) -> ((f64, f64), (f64, f64)) {
    let mut hull: Vec<(f64, f64)> = Vec::with_capacity(points.len());
    for &point in points {
        // The last one is left out where it is not below the line from the one before it to this one.
        while let [.., a, b] = hull[..]
            && (b.1 - a.1) * (point.0 - a.0) >= (point.1 - a.1) * (b.0 - a.0)
        {
            hull.pop();
        }
        hull.push(point);
    }
    let edges = || hull.windows(2).map(|edge| (edge[0], edge[1]));
    let over = edges().find(|edge| edge.1.0 >= middle).or_else(|| edges().next_back());
    over.unwrap_or((points[0], points[0]))
}

#[cfg(test)]
mod tests {
    use super::super::exponential::{Exp, Sigmoid};
    use super::super::gates::{Gelu, GeluTanh};
    use super::*;
    use crate::num::Rational;
    use crate::num::hostile::{exact, exp, series};
    use num_traits::One;
    use proptest::prelude::*;

    #[test]
    fn the_hull_is_supported_in_the_middle() {
        let points: Vec<(f64, f64)> =
            (0..9).map(|i| f64::from(i - 4)).map(|x| (x, x * x)).collect();
        assert_eq!(support(&points, 0.5), ((0.0, 0.0), (1.0, 1.0)));
        let points: Vec<(f64, f64)> = points.iter().map(|&(x, y)| (x, -y)).collect();
        assert_eq!(support(&points, 0.5), ((-4.0, -16.0), (4.0, -16.0)));
    }

    fn convex(from: f64, to: f64) -> Piece {
        Piece { from, to, bend: Bend::Convex }
    }

    proptest! {
        #![proptest_config(crate::num::hostile::cases(1000))]

        /// Against the exact tangent at p, at both ends of long intervals, where the derivative's error counts: for a slope that is its computed
        /// value, and any other.
        #[test]
        fn bounds_by_tangents_are_below_them(p in -30.0f64..30.0, width in 0.0f64..1e3, k in 0.0f64..2.0, own: bool) {
            let e = series::exp(&exact(p));
            let k = if own { Exp.slope(p) } else { k * Exp.slope(p) };
            let (l, u) = (p - width, p + 3.0 * width);
            let side = Side { curve: &Exp, sign: 1.0, l, u };
            let bound = exact(side.tangent_above(k, p, convex(l, u)));
            for z in [l, p, u].map(exact) {
                prop_assert!(bound <= &e + &e * (&z - exact(p)) - exact(k) * &z);
            }
        }
    }

    /// Where derivatives are subnormal, and the interval is so long that it matters.
    #[test]
    fn tangents_pay_for_subnormal_slopes() {
        let far = -2f64.powi(900);
        for i in 0..400 {
            let p = -708.0 - 0.09 * f64::from(i);
            let e = exp(&exact(p));
            let (value, derivative) = (&e / (Rational::one() + &e), e);
            let side = Side { curve: &Sigmoid, sign: 1.0, l: far, u: 0.0 };
            let bound = exact(side.tangent_above(0.0, p, convex(far, 0.0)));
            // The derivative is e / (1 + e)², less than e.
            let share = exact(1.0 - 1e-12);
            assert!(bound <= value + derivative * share * (exact(far) - exact(p)), "{p}");
        }
    }

    /// A curve that leaves its chord within a gap as far as it may.
    struct Gap;

    const WIDTH: f64 = 0.5;

    impl Curve for Gap {
        fn value(&self, x: f64) -> f64 {
            0.5 * x * x
        }

        fn slope(&self, x: f64) -> f64 {
            x
        }

        fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
            const PIECES: &[Piece] = &[
                Piece::new(f64::NEG_INFINITY, -WIDTH, Bend::Convex),
                Piece::new(WIDTH, f64::INFINITY, Bend::Convex),
            ];
            Some(Pieces::Fixed(PIECES))
        }
    }

    #[test]
    fn gaps_are_paid_for() {
        for (l, u) in [(-1.0, 1.0), (-0.5, 0.5), (-0.25, 2.0), (-0.25, 0.25)] {
            assert!(range(&Gap, l, u).0 <= 0.0, "[{l}, {u}]");
            let line = draw(&Gap, l, u)[0];
            assert!(
                (0..=100)
                    .map(|i| l + (u - l) * f64::from(i) / 100.0)
                    .all(|z| { line.slope * z + line.intercept <= Gap.value(z) })
            );
        }
    }

    /// Between the turns of a smooth curve lines cost nothing for the gaps.
    #[test]
    fn gaps_of_curves_are_cheap() {
        let gelu = GeluTanh::STANDARD;
        let [low, _] = draw(&gelu, 1.0, 2.0);
        let [exact, _] = draw(&Gelu, 1.0, 2.0);
        assert!(
            (low.slope - exact.slope).abs() < 0.01
                && (low.intercept - exact.intercept).abs() < 0.01
        );
        let (l, u) = (1.41, 1.43);
        let [low, high] = draw(&gelu, l, u);
        let gap = (high.slope - low.slope) * 1.42 + high.intercept - low.intercept;
        assert!(gap < 1e-6, "{gap}");
    }
}
