//! One test for each charge that random circuits seldom need: numbers chosen so that what is rounded there goes all one way, and
//! what is charged elsewhere, for roundings that do not happen, is less.
use super::circuits::{Case, Random};
use super::*;
use crate::sweep::Slopes;

const HALF: f64 = f64::EPSILON / 2.0;

/// The outward bound is not above the exact one, nor needlessly below it.
fn charged(case: &Case) {
    let mut outward = Outward::new();
    let intervals = case.intervals(&mut outward, &case.low, &case.high);
    let [bound, exact] = [
        case.sweep(&outward, &intervals, &case.slopes, 1.0)[0],
        case.sweep(&crate::exact::Exact::default(), &intervals, &case.slopes, 1.0)[0],
    ];
    assert!(bound <= exact, "outward {bound:e} is above {exact:e}");
    assert!(bound >= exact - 1e-9, "outward {bound:e} is far below {exact:e}");
}

/// The network of one input, which is `x`, and these seeds of it.
fn input(x: f64, seeds: Vec<Seed>, constants: Vec<(usize, f64, f64)>) -> Case {
    let circuit = Circuit::new(1).unwrap();
    let (low, high, slopes) = (vec![x], vec![x], Slopes::new());
    Case { circuit, low, high, seeds, constants, lanes: 1, slopes }
}

fn seed(node: usize, factor: f64, coefficient: f64) -> Seed {
    Seed { node, element: 0, lane: 0, factor, coefficient }
}

/// a and b whose product is rounded to `product`, upwards or downwards by nearly all of half a unit.
fn rounded(product: f64, up: bool) -> (f64, f64) {
    let mut random = Random(1);
    loop {
        let a = 1.0 + random.unit();
        let b = product / a;
        let error = a.mul_add(b, -product) / (product * HALF);
        if a * b == product && (if up { -error } else { error }) > 0.8 {
            return (a, b);
        }
    }
}

/// Products a·b that are rounded up, less as many that are rounded down to the same number: f64 sees zero, and the truth is less.
fn products() -> impl Iterator<Item = (f64, f64)> {
    let ((a, b), (c, d)) =
        (rounded(1.0 + 2f64.powi(-20), true), rounded(1.0 + 2f64.powi(-20), false));
    (0..200).map(move |i| if i % 2 == 0 { (a, b) } else { (-c, d) })
}

#[test]
fn products_of_seeds() {
    charged(&input(1.0, products().map(|(a, b)| seed(0, a, b)).collect(), vec![]));
}

#[test]
fn products_of_constants() {
    charged(&input(1.0, vec![], products().map(|(a, b)| (0, a, b)).collect()));
}

#[test]
fn sums_of_seeds() {
    for sign in [1.0, -1.0] {
        charged(&input(1.0, vec![seed(0, sign, 0.1); 1000], vec![]));
    }
}

#[test]
fn sums_down_a_column() {
    for (sign, count) in [1.0, -1.0].into_iter().flat_map(|s| [(s, 7), (s, 1000)]) {
        let mut circuit = Circuit::new(1).unwrap();
        let wide = Arc::new(Map::dense(count, 1, vec![0.1; count]).unwrap());
        let bias = vec![0.0; count];
        circuit.push_affine(Affine { terms: vec![(0, wide)], bias }).unwrap();
        circuit.set_output(1).unwrap();
        let seeds = (0..count).map(|element| Seed { element, ..seed(1, sign, 1.0) }).collect();
        charged(&Case { circuit, ..input(1.0, seeds, vec![]) });
    }
}

/// A coefficient that goes through slopes and weights in turns, rounded up each time.
#[test]
fn coefficients_times_slopes() {
    let mut random = Random(2);
    // A multiple of 2^-32 that takes c to `to` or up to a hundredth more.
    let mut rounded_up = |c: f64, to: f64| {
        loop {
            let x = (to + 0.01 * random.unit()) / c;
            let x = (x * SLOPE_ONE as f64).round() / SLOPE_ONE as f64;
            if c.mul_add(x, -(c * x)) < -0.8 * HALF * (c * x) {
                return x;
            }
        }
    };
    let (mut c, mut layers) = (1.02, vec![]);
    for _ in 0..20 {
        let slope = rounded_up(c, 1.0);
        let weight = rounded_up(c * slope, 1.02);
        layers.push((slope, weight));
        c *= slope;
        c *= weight;
    }
    let mut circuit = Circuit::new(1).unwrap();
    let mut slopes = Slopes::new();
    let mut at = 0;
    for (block, (slope, weight)) in layers.iter().rev().enumerate() {
        let map = Arc::new(Map::dense(1, 1, vec![*weight]).unwrap());
        at = circuit.push_affine(Affine { terms: vec![(at, map)], bias: vec![0.0] }).unwrap();
        at = circuit.push_relu(at).unwrap();
        slopes.insert((block, 0), (Some(*slope), None));
    }
    circuit.set_output(at).unwrap();
    charged(&Case { circuit, slopes, ..input(1.0, vec![seed(at, 1.0, 1.02)], vec![]) });
}

/// What underflows in a coefficient counts as often as its element is large.
#[test]
fn coefficients_that_underflow() {
    let mut circuit = Circuit::new(1).unwrap();
    let map = Arc::new(Map::dense(1, 1, vec![2f64.powi(-600)]).unwrap());
    circuit.push_affine(Affine { terms: vec![(0, map)], bias: vec![0.0] }).unwrap();
    circuit.set_output(1).unwrap();
    let seeds = vec![seed(1, 1.0, 2f64.powi(-480))];
    charged(&Case { circuit, ..input(-2f64.powi(300), seeds, vec![]) });
}
