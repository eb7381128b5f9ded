//! Each step of forward bounds against exact arithmetic: whatever is between the forms before is between those after.

use super::*;
use crate::net::{Function, LinearMap, NetworkBuilder, Sparse, Term};
use crate::num::Rational;
use crate::num::hostile::{exact, near, piled};
use num_traits::Zero;
use proptest::prelude::*;

/// The forms M ± R of an element at ε = (±1, …), exactly.
fn ends(forms: &Forms, element: usize, signs: &[bool]) -> [Rational; 2] {
    let value = |form: &Matrix| {
        let mut sum = exact(form[(element, 0)]);
        for (e, &negative) in signs.iter().enumerate() {
            let coefficient = exact(form[(element, e + 1)]);
            sum += if negative { -coefficient } else { coefficient };
        }
        sum
    };
    let (m, r) = (value(&forms.middle), value(&forms.radius));
    [&m - &r, m + r]
}

/// Forward bounds of a network whose input has the forms given (elements × (1 + ε)), and the layers' boxes.
fn after(net: &Network, forms: Forms, lower: &[f64], upper: &[f64]) -> Forms {
    let input = Boxes::single(lower, upper);
    let mut layers = Layers::default();
    let width = forms.middle.ncols();
    let mut forward = Forward { width, forms: vec![Some(forms)], ..Forward::new(net, &input) };
    forward.last.fill(usize::MAX);
    for id in 0..net.nodes().len() {
        layers.push(net.enclose_node(id, &input, &layers.boxes));
        if id > 0 {
            let _ = forward.push(id, &layers);
        }
    }
    forward.forms.pop().unwrap().unwrap()
}

fn sum_of(weights: &[f64]) -> Rational {
    weights.iter().fold(Rational::zero(), |sum, &w| sum + exact(w))
}

fn point(values: &[f64]) -> Forms {
    let middle = Matrix::from_column_slice(values.len(), 1, values);
    Forms { radius: Matrix::zeros(values.len(), 1), middle }
}

fn affine(weights: &[f64], bias: f64, roundings: usize, slack: f64) -> Network {
    let mut b = NetworkBuilder::new(weights.len(), "x").unwrap();
    let map = LinearMap::from_matrix(Matrix::from_row_slice(1, weights.len(), weights));
    let z = b.affine(vec![Term { source: 0, map }], vec![bias], roundings, "z").unwrap();
    b.within(z, vec![slack]).unwrap();
    b.finish(z).unwrap()
}

fn holds(forms: &Forms, value: &Rational) {
    let [low, high] = ends(forms, 0, &vec![false; forms.middle.ncols() - 1]);
    assert!(low <= *value && *value <= high);
    assert!(&high - &low < exact(2.0 + 1e-9));
}

#[test]
fn a_long_sum_pays_for_its_additions() {
    let ones = [1.0; 300];
    for (weights, bias) in [(piled(300), 0.0), (vec![UNIT; 300], 1.0)] {
        let value = exact(bias) + sum_of(&weights);
        holds(&after(&affine(&weights, bias, 0, 0.0), point(&ones), &ones, &ones), &value);
    }
}

/// Coefficients of ε, and those of the radius: 300 elements that share one ε.
#[test]
fn long_sums_of_coefficients_pay_for_their_additions() {
    let (ones, zeros) = (Matrix::from_element(300, 1, 1.0), Matrix::zeros(300, 2));
    let mut shared = zeros.clone();
    shared.set_column(1, &ones.column(0));
    let value = sum_of(&piled(300));
    for (middle, radius) in [(shared.clone(), zeros.clone()), (zeros, shared)] {
        let forms = Forms { middle, radius };
        let out = after(&affine(&piled(300), 0.0, 0, 0.0), forms, &[-1.0; 300], &[1.0; 300]);
        let [_, high] = ends(&out, 0, &[false]);
        assert!(high >= value);
    }
}

/// γ times a form's magnitude underflows; the weight is huge.
#[test]
fn tiny_elements_pay_for_huge_weights() {
    let x = 0.1 * f64::MIN_POSITIVE;
    for k in 1..64 {
        let weight = 2f64.powi(100) * (1.0 + f64::from(k) * f64::EPSILON);
        holds(
            &after(&affine(&[weight], 0.0, 0, 0.0), point(&[x]), &[x], &[x]),
            &(exact(weight) * exact(x)),
        );
    }
}

/// A weight or bias that stands for a number 40 roundings larger, at the middle and at the radius; and slack.
#[test]
fn rounded_weights_and_slack_are_charged() {
    let larger = exact(1.0 + 40.0 * UNIT);
    let one = |x: f64| Matrix::from_element(1, 1, x);
    for (middle, radius) in [(1.0, 0.0), (0.0, 1.0)] {
        let forms = Forms { middle: one(middle), radius: one(radius) };
        holds(&after(&affine(&[1.0], 0.0, 40, 0.0), forms, &[-1.0], &[1.0]), &larger);
    }
    holds(&after(&affine(&[0.0], 1.0, 40, 0.0), point(&[1.0]), &[1.0], &[1.0]), &larger);
    holds(&after(&affine(&[1.0], 0.0, 0, 0.5), point(&[1.0]), &[1.0], &[1.0]), &exact(1.5));
}

#[test]
fn products_that_underflow_are_charged() {
    let (least, halves) = (f64::from_bits(1), [0.5; 100]);
    let value = exact(50.0) * exact(least);
    holds(&after(&affine(&[least; 100], 0.0, 0, 0.0), point(&halves), &halves, &halves), &value);
}

/// Parts of sums that overflow say nothing: of coefficients, and of ranges.
#[test]
fn what_overflows_says_nothing() {
    let net = affine(&[1.0], 0.0, 0, 0.0);
    let forward = Forward { width: 3, ..Forward::new(&net, &Boxes::single(&[0.0], &[0.0])) };
    let row = |x: [f64; 3]| Matrix::from_row_slice(1, 3, &x);
    let zeros = row([0.0; 3]);
    let (inf, max) = (f64::INFINITY, f64::MAX);
    let all = (f64::NEG_INFINITY, f64::INFINITY);
    for middle in [[inf, max, inf], [-inf, inf, 0.0], [f64::NAN, 0.0, 0.0], [max, max, max]] {
        for forms in [
            Forms { middle: row(middle), radius: zeros.clone() },
            Forms { middle: zeros.clone(), radius: row(middle) },
        ] {
            let boxes = forward.boxes(&forms);
            assert!(boxes.lower[0] == all.0 || boxes.lower[0] == -max, "{middle:?}");
            assert!(boxes.upper[0] == all.1 || boxes.upper[0] == max, "{middle:?}");
        }
    }
    let mut b = NetworkBuilder::new(1, "x").unwrap();
    let y = b.relu(0, "y").unwrap();
    let forms = Forms { middle: row([inf, 0.0, 0.0]), radius: row([inf, 0.0, 0.0]) };
    let out = after(&b.finish(y).unwrap(), forms, &[-1.0], &[1.0]);
    assert!(!out.radius[0].is_finite());
}

/// Ranges of M ± R with 300 ε.
#[test]
fn a_range_pays_for_its_sum() {
    let net = affine(&[1.0], 0.0, 0, 0.0);
    let forward = Forward { width: 300, ..Forward::new(&net, &Boxes::single(&[0.0], &[0.0])) };
    let zeros = Matrix::zeros(1, 300);
    let sum = sum_of(&piled(300));
    let piled = Matrix::from_row_slice(1, 300, &piled(300));
    for (middle, radius) in [(piled.clone(), zeros.clone()), (zeros, piled)] {
        let forms = Forms { middle, radius };
        let boxes = forward.boxes(&forms);
        assert!(exact(boxes.upper[0]) >= sum && boxes.upper[0] < 1.0 + 1e-12);
        let reach = forward.reach(&forms.middle, &forms.radius)[0];
        assert!(exact(reach) >= sum);
    }
}

proptest! {
    #![proptest_config(crate::num::hostile::cases(2000))]

    #[test]
    fn inputs_are_within_their_radius(a in near(), b in near()) {
        let (l, u) = (a.min(b), a.max(b));
        let net = affine(&[1.0], 0.0, 0, 0.0);
        let forward = Forward::new(&net, &Boxes::single(&[l], &[u]));
        let forms = forward.forms[0].as_ref().unwrap();
        let free = vec![false; forward.width - 1];
        let high = ends(forms, 0, &free)[1].clone();
        let low = ends(forms, 0, &vec![true; forward.width - 1])[0].clone();
        prop_assert!(low <= exact(l) && exact(u) <= high);
    }

    /// The lines of a ReLU on [−1, u], or on [−tiny, u] where the intercept is tiny, at the ends of forms with two ε, or of tiny forms.
    #[test]
    fn lines_pay_for_their_coefficients(
        middle in [near(), near(), near()], radius in [near(), near(), near()], u in near(), how in 0usize..3,
    ) {
        let mut b = NetworkBuilder::new(1, "x").unwrap();
        let y = b.relu(0, "y").unwrap();
        let net = b.finish(y).unwrap();
        let scale = [1.0, 1.0, UNIT][how];
        let row = |x: [f64; 3]| Matrix::from_row_slice(1, 3, &x.map(|x| scale * x));
        let forms = Forms { middle: row(middle), radius: row(radius) };
        let (l, u) = ([-1.0, -2f64.powi(-20), -1.0][how], u.abs());
        let lines = Function::Relu.relax(&[&Boxes::single(&[l], &[u])]);
        let (a, s) = (lines.lower.slopes[0][0], lines.upper.slopes[0][0]);
        let t = lines.upper.intercept[0];
        let out = after(&net, forms.clone(), &[l], &[u]);
        for signs in [[false, false], [false, true], [true, false], [true, true]] {
            let [low, high] = ends(&forms, 0, &signs);
            let [new_low, new_high] = ends(&out, 0, &signs);
            prop_assert!(new_low <= exact(a) * low && exact(s) * high + exact(t) <= new_high);
        }
    }

    /// The planes of x y at the ends of forms with one ε; of forms that are small beside the intercept, and the other way about.
    #[test]
    fn planes_pay_for_their_coefficients(
        x in [near(), near()], y in [near(), near()], ends_of in [near(), near()], how in 0usize..3,
    ) {
        let x = x.map(|x| x * [1.0, 1.0, UNIT][how]);
        let y = y.map(|y| y * [1.0, 1.0, UNIT][how]);
        let mut b = NetworkBuilder::new(2, "x").unwrap();
        let pick = |b: &mut NetworkBuilder, i| {
            b.linear(0, LinearMap::Sparse(Sparse::gather(2, [i])), "factor").unwrap()
        };
        let (first, second) = (pick(&mut b, 0), pick(&mut b, 1));
        let product = b.elementwise(Function::Product, &[first, second], "product").unwrap();
        let net = b.finish(product).unwrap();
        let mut lower = ends_of.map(|x| -x.abs());
        let mut upper = [1.0, 1.0];
        if how == 1 {
            (lower[1], upper[1]) = (lower[1] * UNIT, UNIT);
        }
        let input = Boxes::single(&lower, &upper);
        let mut layers = Layers::default();
        (0..4).for_each(|id| layers.push(net.enclose_node(id, &input, &layers.boxes)));
        let forms = |x: [f64; 2]| {
            let middle = Matrix::from_row_slice(1, 2, &x);
            Forms { radius: middle.abs() / 8.0, middle }
        };
        let (x, y) = (forms(x), forms(y));
        let all = vec![None, Some(x.clone()), Some(y.clone())];
        let mut forward = Forward { width: 2, forms: all, ..Forward::new(&net, &input) };
        let _ = forward.push(3, &layers);
        let out = forward.forms[3].as_ref().unwrap();
        let planes = layers.relaxation(&net, 3).unwrap();
        for negative in [false, true] {
            let (x, y) = (ends(&x, 0, &[negative]), ends(&y, 0, &[negative]));
            let [low, high] = ends(out, 0, &[negative]);
            let value = |plane: &Lines, up: bool| {
                let part = |slope: f64, ends: &[Rational; 2]| {
                    exact(slope) * &ends[usize::from(up == (slope >= 0.0))]
                };
                let [first, second] = [0, 1].map(|k| plane.slopes[k][0]);
                part(first, &x) + part(second, &y) + exact(plane.intercept[0])
            };
            prop_assert!(low <= value(&planes.lower, false) && value(&planes.upper, true) <= high);
        }
    }
}

/// The plane 0.5 y of a product with 0.5, of a form that is the least number.
#[test]
fn planes_that_underflow_are_charged() {
    let net = affine(&[1.0], 0.0, 0, 0.0);
    let one = |x: f64| Matrix::from_element(1, 1, x);
    let known = |x: f64| Some(Forms { middle: one(x), radius: one(0.0) });
    let forms = vec![known(0.0), known(0.5), known(f64::from_bits(1))];
    let forward = Forward { forms, ..Forward::new(&net, &Boxes::single(&[0.0], &[0.0])) };
    let plane = Lines { slopes: vec![one(0.0), one(0.5)], intercept: one(0.0) };
    let planes = Relaxation { lower: plane.clone(), upper: plane, through_origin: false };
    let out = forward.elementwise(&[1, 2], &planes).unwrap();
    holds(&out, &(exact(0.5) * exact(f64::from_bits(1))));
}
