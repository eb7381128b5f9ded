//! Every curve against values to hundreds of bits: values, derivatives, bends, ranges and lines.

use super::{Bend, Curve, Pieces, lines};
use crate::net::op::curve::{
    elu, erf, exponential, gates, hyperbolic, power, softsign, trigonometric,
};
use crate::net::op::{Line, Parameter};
use crate::num::hostile::{exact, series};
use crate::num::{Rational, TINY};
use num_traits::{One, Signed, Zero};
use proptest::prelude::*;

mod ends;

/// A function to hundreds of bits.
type Exactly = fn(&Rational) -> Rational;

/// A curve, what it is, and between which numbers it is tried.
struct Case {
    name: &'static str,
    curve: Box<dyn Tried>,
    exactly: Exactly,
    from: f64,
    to: f64,
}

/// What tests ask of a curve.
trait Tried: Sync {
    fn curve(&self) -> &dyn Curve;
    fn range(&self, l: f64, u: f64) -> (f64, f64);
    fn draw(&self, l: f64, u: f64) -> [Line; 2];
    fn chosen(&self, above: bool, s: f64, ends: [f64; 2], own: Line) -> (Line, f64);
}

impl<C: Curve> Tried for C {
    fn curve(&self) -> &dyn Curve {
        self
    }

    fn range(&self, l: f64, u: f64) -> (f64, f64) {
        lines::range(self, l, u)
    }

    fn draw(&self, l: f64, u: f64) -> [Line; 2] {
        lines::draw(self, l, u)
    }

    fn chosen(&self, above: bool, s: f64, ends: [f64; 2], own: Line) -> (Line, f64) {
        lines::chosen(self, above, s, ends, own)
    }
}

fn one() -> Rational {
    Rational::one()
}

fn two() -> Rational {
    exact(2.0)
}

fn sigmoid(x: &Rational) -> Rational {
    // Of the side that is small, which keeps its places.
    let e = series::exp(&-x.abs());
    if x.is_negative() { &e / (one() + &e) } else { one() / (one() + &e) }
}

fn tanh(x: &Rational) -> Rational {
    two() * sigmoid(&(two() * x)) - one()
}

fn softplus(x: &Rational) -> Rational {
    series::ln(&(one() + series::exp(x)))
}

fn power(x: &Rational, p: f64) -> Rational {
    series::exp(&(exact(p) * series::ln(x)))
}

fn tanh_gelu(x: &Rational, c: &Rational, d: &Rational) -> Rational {
    x * sigmoid(&(two() * c * (x + d * x * x * x)))
}

fn cases() -> Vec<Case> {
    use gates::{Gelu, GeluTanh, HardSwish, Mish, Silu};
    macro_rules! case {
        ($curve:expr, $from:expr, $to:expr, $exactly:expr) => {
            Case {
                name: stringify!($curve),
                curve: Box::new($curve),
                exactly: $exactly,
                from: $from,
                to: $to,
            }
        };
    }
    const fn of(p: f64) -> Parameter {
        Parameter::new(p)
    }
    // As single-precision numbers are.
    const C: f64 = 0.797_884_583_473_205_6;
    const E: f64 = C * 0.044_714_998_453_855_515;
    const NEAR: GeluTanh = GeluTanh { linear: of(C), cubic: of(E) };
    vec![
        case!(exponential::Exp, -40.0, 40.0, series::exp),
        case!(exponential::Log, 1e-9, 60.0, series::ln),
        case!(exponential::Sigmoid, -40.0, 40.0, sigmoid),
        case!(exponential::Softplus, -30.0, 30.0, softplus),
        case!(power::Sqrt, 0.0, 60.0, series::sqrt),
        case!(power::Reciprocal, 1e-3, 60.0, |x| one() / x),
        case!(power::Reciprocal, -60.0, -1e-3, |x| one() / x),
        case!(power::Power(of(2.0)), -30.0, 30.0, |x| x * x),
        case!(power::Power(of(3.0)), -30.0, 30.0, |x| x * x * x),
        case!(power::Power(of(4.0)), -30.0, 30.0, |x| x * x * x * x),
        case!(power::Power(of(-1.0)), 1e-2, 30.0, |x| one() / x),
        case!(power::Power(of(-3.0)), -30.0, -1e-2, |x| one() / (x * x * x)),
        case!(power::Power(of(-2.0)), -30.0, -1e-2, |x| one() / (x * x)),
        case!(power::Power(of(0.5)), 1e-6, 30.0, series::sqrt),
        case!(power::Power(of(0.3)), 1e-6, 30.0, |x| power(x, 0.3)),
        case!(power::Power(of(2.7)), 1e-3, 30.0, |x| power(x, 2.7)),
        case!(power::Power(of(-1.5)), 1e-3, 30.0, |x| power(x, -1.5)),
        case!(trigonometric::Sin, -40.0, 40.0, |x| series::sin_cos(x).0),
        case!(trigonometric::Cos, -40.0, 40.0, |x| series::sin_cos(x).1),
        case!(trigonometric::Tan, -1.57, 1.57, tangent),
        case!(trigonometric::Tan, 7.86, 10.99, tangent),
        case!(trigonometric::Asin, -1.0, 1.0, asin),
        case!(trigonometric::Acos, -1.0, 1.0, |x| series::pi() / two() - asin(x)),
        case!(trigonometric::Atan, -40.0, 40.0, series::atan),
        case!(hyperbolic::Sinh, -20.0, 20.0, |x| (series::exp(x) - series::exp(&-x)) / two()),
        case!(hyperbolic::Cosh, -20.0, 20.0, |x| (series::exp(x) + series::exp(&-x)) / two()),
        case!(hyperbolic::Tanh, -20.0, 20.0, tanh),
        case!(hyperbolic::Asinh, -40.0, 40.0, |x| series::ln(
            &(x + series::sqrt(&(x * x + one())))
        )),
        case!(hyperbolic::Acosh, 1.0, 40.0, |x| series::ln(&(x + series::sqrt(&(x * x - one()))))),
        case!(hyperbolic::Atanh, -0.999, 0.999, |x| series::ln(&((one() + x) / (one() - x)))
            / two()),
        case!(erf::Erf, -6.0, 6.0, series::erf),
        case!(softsign::Softsign, -40.0, 40.0, |x| x / (one() + x.abs())),
        case!(Gelu, -8.0, 8.0, |x| x * (one() + series::erf(&(x / series::sqrt(&two())))) / two()),
        case!(GeluTanh::STANDARD, -5.0, 8.0, |x| {
            tanh_gelu(
                x,
                &series::sqrt(&(two() / series::pi())),
                &Rational::new(44_715.into(), 1_000_000.into()),
            )
        }),
        case!(NEAR, -5.0, 8.0, |x| tanh_gelu(x, &exact(C), &exact(0.044_714_998_453_855_515))),
        case!(Silu, -40.0, 40.0, |x| x * sigmoid(x)),
        case!(Mish, -30.0, 30.0, |x| x * tanh(&softplus(x))),
        case!(HardSwish, -3.0, 3.0, |x| x * (x + exact(0.5)).max(Rational::zero()).min(one())),
        case!(elu::Elu(of(1.0)), -30.0, 30.0, |x| elu(x, 1.0)),
        case!(elu::Elu(of(0.25)), -30.0, 30.0, |x| elu(x, 0.25)),
        case!(elu::Elu(of(2.5)), -30.0, 30.0, |x| elu(x, 2.5)),
        case!(elu::Elu(of(-1.5)), -30.0, 30.0, |x| elu(x, -1.5)),
    ]
}

fn tangent(x: &Rational) -> Rational {
    let (s, c) = series::sin_cos(x);
    s / c
}

fn asin(x: &Rational) -> Rational {
    let c = series::sqrt(&(one() - x * x));
    // Half-angle: asin x = 2 atan(x / (1 + √(1 − x²))).
    two() * series::atan(&(x / (one() + c)))
}

fn elu(x: &Rational, alpha: f64) -> Rational {
    if x.is_positive() { x.clone() } else { exact(alpha) * (series::exp(x) - one()) }
}

/// [f(x + h) − f(x − h)] / 2h, which is f'(x) to more than a hundred bits.
fn derivative(f: Exactly, x: f64) -> Rational {
    let h = Rational::new(1.into(), num_bigint::BigInt::one() << 110);
    (f(&(exact(x) + &h)) - f(&(exact(x) - &h))) / (two() * h)
}

/// Where a curve turns, or its pieces end.
fn turns(case: &Case) -> Vec<f64> {
    let pieces = case.curve.curve().pieces(case.from, case.to.min(case.from + 20.0));
    let ends = |pieces: Pieces| {
        pieces.as_slice().iter().flat_map(|p| [p.from, p.to]).filter(|x| x.is_finite()).collect()
    };
    pieces.map_or_else(Vec::new, ends)
}

/// A number of a case's interval: anywhere, near the middle, near a turn, or at an end.
fn point(case: &Case, how: u8, t: f64) -> f64 {
    let turns = turns(case);
    let turn = turns.get(how as usize % turns.len().max(1)).copied().unwrap_or(0.0);
    let x = match how % 8 {
        0 => turn,
        1 => turn + (t - 0.5) * 1e-3,
        2 => turn + (t - 0.5) * 1e-12,
        3 => 0.05 * (t - 0.5) * (case.to - case.from) + turn,
        4 if t < 0.5 => case.from,
        4 => case.to,
        _ => case.from + t * (case.to - case.from),
    };
    x.clamp(case.from, case.to)
}

proptest! {
    #![proptest_config(crate::num::hostile::cases(60))]

    /// Each is within its error, which is small.
    #[test]
    fn values_and_derivatives_are_as_near_as_they_say(how: u8, t in 0.0f64..1.0) {
        for case in cases() {
            let (curve, x) = (case.curve.curve(), point(&case, how, t));
            let v = curve.value(x);
            let error = curve.value_error(x, v);
            let off = (exact(v) - (case.exactly)(&exact(x))).abs();
            prop_assert!(off <= exact(error + TINY), "{} at {x:e}: {v:e}", case.name);
            prop_assert!(error <= 1e-13 * v.abs().max(1e-3), "{} at {x:e}: {error:e}", case.name);
            let inside = x - case.from > 1e-9 && case.to - x > 1e-9;
            let kink = matches!(case.name, n if n.contains("elu::") && x == 0.0 || n == "HardSwish" && x.abs() == 0.5);
            if inside && !kink {
                let d = curve.slope(x);
                let error = curve.slope_error(x, d);
                let off = (exact(d) - derivative(case.exactly, x)).abs();
                // Of the difference quotient itself, at a root of higher order.
                let room = exact(error + TINY) + exact(1e-60);
                prop_assert!(off <= room, "{}' at {x:e}: {d:e}", case.name);
                prop_assert!(error <= 1e-12 * d.abs().max(1e-2), "{}' at {x:e}: {error:e}", case.name);
            }
        }
    }

    /// On every piece derivatives grow or fall as it says, and the gaps between pieces are narrow.
    #[test]
    fn pieces_bend_as_they_say(how: u8, t in 0.0f64..1.0, s in 0.0f64..1.0) {
        for case in cases() {
            let x = point(&case, how, t);
            let width = (case.to - case.from).min(15.0);
            let (l, u) = ((x - width / 2.0).max(case.from), (x + width / 2.0).min(case.to));
            let pieces = case.curve.curve().pieces(l, u).expect("it is defined here");
            let pieces = pieces.as_slice();
            prop_assert!(pieces[0].from <= l && pieces[pieces.len() - 1].to >= u);
            for pair in pieces.windows(2) {
                prop_assert!(pair[0].to <= pair[1].from && pair[1].from - pair[0].to < 1e-5);
            }
            for piece in pieces {
                let (from, to) = (piece.from.max(l), piece.to.min(u));
                // Just inside, as the difference quotient looks to both sides.
                let inside = |t: f64| from + (to - from) * (0.01 + 0.98 * t);
                let (a, b) = (inside(s.min(t)), inside(s.max(t)));
                if from < to && b - a > 1e-9 {
                    let [a, b] = [a, b].map(|x| derivative(case.exactly, x));
                    let fits = match piece.bend {
                        Bend::Convex => a <= b,
                        Bend::Concave => a >= b,
                        Bend::Straight => a == b || (a - b).abs() < exact(1e-60),
                    };
                    prop_assert!(fits, "{} on {piece:?}", case.name);
                }
            }
        }
    }
}

/// An interval of a case: from a point on, of any width.
fn interval(case: &Case, (how, t): (u8, f64), width: f64, scale: u8) -> (f64, f64) {
    let x = point(case, how, t);
    let width = match scale % 8 {
        0 => 0.0,
        1 => x.abs().max(1e-3) * f64::EPSILON * (4.0 * width).floor(),
        2 => 1e-9 * width,
        3 => 1e-3 * width,
        4 => width,
        5 => 8.0 * width,
        6 => case.to - x,
        _ => 0.5 * width * (case.to - case.from),
    };
    let other = if how & 64 == 0 { x + width } else { x - width }.clamp(case.from, case.to);
    (x.min(other), x.max(other))
}

proptest! {
    #![proptest_config(crate::num::hostile::cases(80))]

    /// At the ends, at turns, where lines touch, and anywhere between, for the lines that are drawn and for those of any parameter.
    #[test]
    fn ranges_and_lines_enclose_exactly(
        how: u8, t in 0.0f64..1.0, width in 0.0f64..1.0, scale: u8, s in 0.0f64..1.0, end: u8, at in [0.0f64..1.0, 0.0f64..1.0],
    ) {
        let s = match end { 0..20 => 0.0, 20..40 => 1.0, 40..60 => lines::DEFAULT, _ => s };
        for case in cases() {
            let (l, u) = interval(&case, (how, t), width, scale);
            let (least, most) = case.curve.range(l, u);
            let [low, high] = case.curve.draw(l, u);
            let (below, touch) = case.curve.chosen(false, s, [l, u], low);
            let (above, over) = case.curve.chosen(true, s, [l, u], high);
            let mut points = vec![l, u, touch, over];
            points.extend(at.map(|t| l + t * (u - l)));
            points.extend(turns(&case).into_iter().take(2));
            for z in points.into_iter().filter(|z| l <= *z && *z <= u) {
                let value = (case.exactly)(&exact(z));
                let is_over = |bound: f64| !bound.is_finite() || exact(bound) >= value;
                let is_under = |bound: f64| !bound.is_finite() || exact(bound) <= value;
                prop_assert!(is_under(least) && is_over(most), "{} on [{l:e}, {u:e}] at {z:e}", case.name);
                for line in [low, below].into_iter().filter(|line| line.intercept.is_finite()) {
                    let under = exact(line.slope) * exact(z) + exact(line.intercept);
                    prop_assert!(under <= value, "{} on [{l:e}, {u:e}] at {z:e}: above {line:?}", case.name);
                }
                for line in [high, above].into_iter().filter(|line| line.intercept.is_finite()) {
                    let over = exact(line.slope) * exact(z) + exact(line.intercept);
                    prop_assert!(over >= value, "{} on [{l:e}, {u:e}] at {z:e}: below {line:?}", case.name);
                }
            }
        }
    }

    /// Ranges are tight, and in the middle no line is much nearer than the one that is drawn: compared with the hull of many points.
    #[test]
    fn ranges_and_lines_are_tight(how: u8, t in 0.0f64..1.0, width in 0.05f64..1.0, scale in 4u8..8) {
        for case in cases() {
            let (l, u) = interval(&case, (how, t), width, scale);
            if u - l < 1e-3 {
                continue;
            }
            const POINTS: usize = 400;
            let zs: Vec<f64> = (0..=POINTS).map(|i| (l + (u - l) * i as f64 / POINTS as f64).min(u)).collect();
            let values: Vec<f64> = zs.iter().map(|&z| case.curve.curve().value(z)).collect();
            let bends = turns(&case).into_iter().chain([0.0]).filter(|z| l <= *z && *z <= u);
            let extremes = values.iter().copied().chain(bends.map(|z| case.curve.curve().value(z)));
            let (least, most) = extremes.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
            // Where it is flat, roundings count.
            let height = most - least + 1e-11 * most.abs().max(least.abs()) + 1e-300;
            let (low, high) = case.curve.range(l, u);
            prop_assert!(least - low <= 0.01 * height && high - most <= 0.01 * height, "{} on [{l}, {u}]: {low} {high}", case.name);
            let middle = 0.5 * (l + u);
            for (line, sign) in case.curve.draw(l, u).into_iter().zip([1.0, -1.0]) {
                // The hull over the middle: the least of chords from the left to the right.
                let hull = (0..POINTS / 2).flat_map(|i| (POINTS / 2 + 1..=POINTS).map(move |j| (i, j))).map(|(i, j)| {
                    let t = (middle - zs[i]) / (zs[j] - zs[i]);
                    sign * (values[i] + t * (values[j] - values[i]))
                }).fold(f64::INFINITY, f64::min);
                let drawn = sign * (line.slope * middle + line.intercept);
                let most = if case.curve.curve().pieces(l, u).is_some_and(|p| p.as_slice().len() > 1) { 0.02 } else { 0.002 };
                prop_assert!(hull - drawn <= most * height + 1e-9, "{} on [{l}, {u}]: {line:?}, {hull} {drawn}", case.name);
            }
        }
    }
}

/// The slope's derivative of a bound is the point where it is evaluated less the point where the line touches.
#[test]
fn parameters_move_towards_where_lines_touch() {
    for case in cases() {
        let (l, u) =
            (case.from + 0.3 * (case.to - case.from), case.from + 0.6 * (case.to - case.from));
        if case.curve.curve().pieces(l, u).is_none() {
            continue;
        }
        let own = case.curve.draw(l, u);
        for (above, own) in [(false, own[0]), (true, own[1])] {
            let mut last = f64::NEG_INFINITY;
            for s in [0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0] {
                let (line, touch) = case.curve.chosen(above, s, [l, u], own);
                assert!(line.slope >= last - 1e-12 && l <= touch && touch <= u, "{}", case.name);
                last = line.slope;
                let height = case.curve.curve().value(touch) - line.slope * touch - line.intercept;
                let scale =
                    case.curve.curve().value(u).abs().max(case.curve.curve().value(l).abs());
                assert!(
                    height.abs() <= 1e-6 * scale.max(1.0),
                    "{} {above} {s}: {height}",
                    case.name
                );
            }
        }
    }
}

/// Where p − 1 is rounded, and where e^x is subnormal.
#[test]
fn derivatives_far_out_are_as_near_as_they_say() {
    let near = |curve: &dyn Curve, x: f64, exactly: Rational| {
        let d = curve.slope(x);
        let error = exact(curve.slope_error(x, d.abs())) + exact(crate::num::TINY);
        assert!((exact(d) - exactly).abs() <= error, "{x:e}: {d:e} is off by more than it says");
    };
    // The series' numbers are to be moderate: ln 2 a thousand times, and the greater of e^t and e^-t.
    let exp =
        |t: Rational| if t.is_negative() { series::exp(&-t).recip() } else { series::exp(&t) };
    for (p, e) in [(0.1, -1000), (0.001, -1000), (0.01, -1020), (1e-12, -40), (0.3, 1000)] {
        let ln = series::ln(&exact(2.0)) * Rational::from_integer(e.into());
        let exactly = exact(p) * exp((exact(p) - one()) * ln);
        near(&power::Power(Parameter::new(p)), f64::from(e).exp2(), exactly);
    }
    for x in [-740.0, -744.5, -700.0] {
        near(&elu::Elu(Parameter::new(1e30)), x, exact(1e30) * exp(exact(x)));
    }
}
