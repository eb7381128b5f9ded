//! Ends of domains, infinite ends, subnormal values and tails.

use super::{Tried, one, tanh_gelu, two};
use crate::net::op::curve::{exponential, gates, hyperbolic, power, softsign, trigonometric};
use crate::net::op::{Line, Parameter};
use crate::num::Rational;
use crate::num::hostile::{exact, series};
use num_traits::Zero;

/// Intervals that leave the domain, or hold a pole, have everything as their range, and no line.
#[test]
fn outside_of_the_domain_nothing_is_known() {
    let everything = (f64::NEG_INFINITY, f64::INFINITY);
    let of = |p: f64| power::Power(Parameter::new(p));
    let (cube_root, inverse, inverse_square) = (of(0.3), of(-1.0), of(-2.0));
    let outside: [(&dyn Tried, f64, f64); 14] = [
        (&exponential::Log, -1.0, 1.0),
        (&exponential::Log, 0.0, 1.0),
        (&exponential::Log, -2.0, -1.0),
        (&power::Sqrt, -1e-300, 1.0),
        (&power::Reciprocal, -1.0, 1.0),
        (&power::Reciprocal, 0.0, 1.0),
        (&cube_root, -1.0, 1.0),
        (&inverse, -1.0, 0.0),
        (&inverse_square, -1.0, 1.0),
        (&trigonometric::Tan, 1.0, 2.0),
        (&trigonometric::Asin, 0.5, 1.0f64.next_up()),
        (&trigonometric::Acos, -1.5, 0.0),
        (&hyperbolic::Acosh, 0.5, 2.0),
        (&hyperbolic::Atanh, 0.5, 1.0),
    ];
    for (curve, l, u) in outside {
        assert_eq!(curve.range(l, u), everything, "[{l}, {u}]");
        let [low, high] = curve.draw(l, u);
        assert_eq!((low.intercept, high.intercept), everything, "[{l}, {u}]");
    }
    // A point outside too.
    for (curve, x) in
        [(&exponential::Log as &dyn Tried, -1.0), (&power::Sqrt, -1.0), (&trigonometric::Asin, 2.0)]
    {
        assert_eq!(curve.range(x, x), everything);
    }
}

#[test]
fn the_ends_of_the_world() {
    let infinity = f64::INFINITY;
    assert_eq!(exponential::Softplus.range(-infinity, infinity), (0.0, infinity));
    assert_eq!(exponential::Sigmoid.range(-infinity, infinity), (0.0, 1.0));
    assert_eq!(softsign::Softsign.range(-infinity, infinity), (-1.0, 1.0));
    assert_eq!(gates::Gelu.range(-infinity, 3.0).0, -0.17);
    assert_eq!(trigonometric::Sin.range(-1e9, 1e9), (-1.0, 1.0));
    assert_eq!(trigonometric::Cos.range(0.0, 100.0), (-1.0, 1.0));
    assert_eq!(exponential::Exp.range(0.0, 1000.0).1, infinity);
    let [low, high] = hyperbolic::Tanh.draw(-infinity, 3.0);
    assert!(low == Line::constant(-1.0) && high.slope == 0.0);
    let [low, high] = exponential::Sigmoid.draw(0.5, 0.5);
    assert!(low.slope == 0.0 && high.intercept - low.intercept < 1e-14);
}

/// Where derivatives are subnormal, and values too: at the left end of everything, against e^x to a hundred bits.
#[test]
fn subnormal_values_are_enclosed() {
    for i in 0..400 {
        let x = -708.0 - 0.09 * f64::from(i);
        let e = crate::num::hostile::exp(&exact(x));
        for curve in
            [&exponential::Exp as &dyn Tried, &exponential::Sigmoid, &exponential::Softplus]
        {
            // All three are e^x here, but for a share of e^−708.
            let (low, high) = curve.range(x, x);
            assert!(exact(low) <= e && e <= exact(high), "{x}");
            let line = curve.draw(-1e30, x)[0];
            let at = |z: f64| exact(line.slope) * exact(z) + exact(line.intercept);
            assert!(at(x) <= e && at(-1e30) <= Rational::zero());
        }
    }
}

/// Far to the left the rounding of an argument counts many times: against e^x to a hundred bits.
#[test]
fn gates_pay_for_their_tails() {
    for i in 0..300 {
        let x = -4.0 - 0.02 * f64::from(i);
        let gelu = (exact(x) / two()) * (one() + series::erf(&(exact(x) / series::sqrt(&two()))));
        let (low, high) = gates::Gelu.range(x, x);
        assert!(exact(low) <= gelu && gelu <= exact(high), "{x}");
        let c = series::sqrt(&(two() / series::pi()));
        let d = Rational::new(44_715.into(), 1_000_000.into());
        let approximation = tanh_gelu(&exact(x), &c, &d);
        let (low, high) = gates::GeluTanh::STANDARD.range(x, x);
        assert!(exact(low) <= approximation && approximation <= exact(high), "{x}");
    }
}
