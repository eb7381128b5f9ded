//! Each step of a sweep against exact arithmetic: a functional loses no more than the step charges, whatever else is charged later.

mod relaxed;

use super::*;
use crate::bound::backward::Layers;
use crate::bound::charge::Charges;
use crate::net::{Boxes, Conv, ConvGeometry, LinearMap, Network, NetworkBuilder, Sparse, Term};
use crate::num::hostile::{exact, exact_dot, near, piled};
use crate::num::{Rational, from_f64};
use num_traits::{Signed, Zero};
use proptest::prelude::*;
use relaxed::{product_loss, relu_loss};

/// A network with the boxes of its nodes and the charges of its region.
struct Known {
    net: Network,
    layers: Layers,
    charges: Charges,
}

impl Known {
    fn new(net: Network, lower: &[f64], upper: &[f64]) -> Self {
        let boxes = net.enclose(&Boxes::single(lower, upper)).nodes;
        Self::within(net, boxes)
    }

    fn within(net: Network, boxes: Vec<Boxes>) -> Self {
        let (mut layers, mut charges) = (Layers::default(), Charges::new());
        for boxes in boxes {
            charges.push(&net, &boxes);
            layers.push(boxes);
        }
        Self { net, layers, charges }
    }

    /// Values of all nodes.
    fn at(&self, x: &[f64]) -> Vec<Vec<Rational>> {
        let mut values: Vec<Vec<Rational>> = vec![x.iter().map(|&x| exact(x)).collect()];
        for node in &self.net.nodes()[1..] {
            let value = match &node.op {
                Op::Affine(affine) => {
                    let mut y: Vec<Rational> = affine.bias.iter().map(|&b| exact(b)).collect();
                    for term in &affine.terms {
                        for (row, y) in y.iter_mut().enumerate() {
                            term.map.for_each_in_row(row, |c, w| {
                                *y += exact(w) * &values[term.source][c];
                            });
                        }
                    }
                    y
                }
                Op::Input => unreachable!("the first node alone"),
                Op::Elementwise(function, z) => {
                    let x = |k: usize| &values[z[k]];
                    match function {
                        Function::Relu => {
                            x(0).iter().map(|z| z.clone().max(Rational::zero())).collect()
                        }
                        Function::Reciprocal => x(0).iter().map(Rational::recip).collect(),
                        Function::Product => x(0).iter().zip(x(1)).map(|(x, y)| x * y).collect(),
                        _ => unreachable!("no exact value"),
                    }
                }
            };
            values.push(value);
        }
        values
    }

    fn sweep(&self) -> Sweep<'_> {
        Sweep { net: &self.net, layers: &self.layers, charges: &self.charges }
    }

    /// By how much the functional `before` of a state is less than the one that a step leaves, and what the step charged.
    fn loss(
        &self,
        values: &[Vec<Rational>],
        multipliers: &Multipliers,
        before: Before,
        step: impl FnOnce(&mut State),
    ) -> (Rational, f64) {
        let mut state = State::new(self.sweep(), self.net.output(), &[0], multipliers);
        state.constants[0] = before.constant;
        for (node, a) in before.coefficients {
            state.coefficients[node] = Some(Matrix::from_column_slice(a.len(), 1, a));
        }
        let value = |state: &State| {
            let mut sum = exact(state.constants[0]);
            for (a, values) in state.coefficients.iter().zip(values) {
                for (&a, value) in a.iter().flat_map(Matrix::iter).zip(values) {
                    sum += exact(a) * value;
                }
            }
            sum
        };
        let first = value(&state) + before.more;
        step(&mut state);
        (value(&state) - first, state.charges.total(0))
    }
}

/// Σ a z + constant, and what a step is given besides.
#[derive(Default)]
struct Before<'a> {
    constant: f64,
    coefficients: Vec<(NodeId, &'a [f64])>,
    more: Rational,
}

/// As [`Known::loss`], of a step that has something to lose and pays for it.
fn pays((loss, charge): (Rational, f64)) {
    assert!(loss.is_positive(), "nothing is lost");
    assert!(from_f64(charge).is_some_and(|charge| loss <= charge), "{loss} for {charge:e}");
}

/// bias + Σ W x of the input.
fn affine(inputs: usize, maps: Vec<LinearMap>, bias: Vec<f64>, roundings: usize) -> Network {
    let mut b = NetworkBuilder::new(inputs, "x").unwrap();
    let terms = maps.into_iter().map(|map| Term { source: 0, map }).collect();
    let z = b.affine(terms, bias, roundings, "z").unwrap();
    b.finish(z).unwrap()
}

fn column_of(weights: &[f64]) -> LinearMap {
    LinearMap::from_matrix(Matrix::from_column_slice(weights.len(), 1, weights))
}

/// What eliminating the output, an affine node, of `known` loses of Σ a z at x.
fn affine_loss(known: &Known, a: &[f64], constant: f64, x: f64) -> (Rational, f64) {
    let values = known.at(&[x]);
    let id = known.net.output();
    let more = exact_dot_of(a, &values[id]);
    let before = Before { constant, more, ..Before::default() };
    known.loss(&values, &Multipliers::none(), before, |state| {
        state.eliminate(id, &Matrix::from_column_slice(a.len(), 1, a));
    })
}

fn exact_dot_of(a: &[f64], values: &[Rational]) -> Rational {
    a.iter().zip(values).fold(Rational::zero(), |sum, (&a, value)| sum + exact(a) * value)
}

/// One input, read by so many channels of a convolution.
fn channels(n: usize) -> LinearMap {
    let (one, input) = ([1, 1], [1, 1, 1]);
    let (stride, dilation, pads) = (one, one, [0; 4]);
    let geometry =
        ConvGeometry { input, channels: n, kernel: one, stride, dilation, pads, groups: 1 };
    LinearMap::Conv(Conv::new(geometry, &vec![1.0; n]).unwrap())
}

#[test]
fn a_product_by_the_transposed_weights_pays_for_its_sums() {
    for n in [300, 5] {
        for map in [column_of(&vec![1.0; n]), channels(n)] {
            let net = affine(1, vec![map], vec![0.0; n], 0);
            pays(affine_loss(&Known::new(net, &[-1.0], &[1.0]), &piled(n), 0.0, -1.0));
        }
    }
}

/// γ times the input's magnitude underflows; the coefficients are huge.
#[test]
fn coefficients_of_tiny_elements_pay_for_their_sums() {
    let tiny = 2f64.powi(-1024);
    let known =
        Known::new(affine(1, vec![column_of(&[1.0; 3])], vec![0.0; 3], 0), &[-tiny], &[tiny]);
    pays(affine_loss(
        &known,
        &piled(3).into_iter().map(|a| a * 2f64.powi(600)).collect::<Vec<_>>(),
        0.0,
        -tiny,
    ));
}

/// One element of one row, named over and over: the sum is as long as the row.
#[test]
fn an_element_that_a_row_names_often_pays_for_each_time() {
    let row = piled(300).into_iter().map(|w| (0, w)).collect::<Vec<_>>();
    let map = || LinearMap::from_rows(1, vec![row.clone()]);
    assert!(matches!(map(), LinearMap::Sparse(_)));
    let known = Known::new(affine(1, vec![map()], vec![0.0], 0), &[-1.0], &[1.0]);
    pays(affine_loss(&known, &[1.0], 0.0, -1.0));
    // As a row of its own, where a sweep begins.
    let values = known.at(&[-1.0]);
    let before = Before { more: values[1][0].clone(), ..Before::default() };
    pays(known.loss(&values, &Multipliers::none(), before, |state| {
        state.begin(1, &Start::Units(&[(0, false)]));
    }));
}

#[test]
fn a_sum_of_biases_pays_for_its_additions() {
    let net = affine(1, vec![column_of(&[0.0; 300])], vec![-1.0; 300], 0);
    pays(affine_loss(&Known::new(net, &[-1.0], &[1.0]), &piled(300), 0.0, 1.0));
}

/// Maps that round nothing, of numbers that the file's differ from by three roundings.
#[test]
fn roundings_in_weights_and_biases_are_charged() {
    let signs = || LinearMap::Sparse(Sparse::diagonal(&[-1.0]));
    let less = exact(1.0 - 3.0 * UNIT);
    for (weights, bias) in [(vec![signs()], 0.0), (Vec::new(), -1.0)] {
        let known = Known::new(affine(1, weights, vec![bias], 3), &[-1.0], &[1.0]);
        let mut values = known.at(&[-1.0]);
        // The real value: the weight −1, or the bias −1, stands for −1 + 3 u.
        values[1][0] = if bias == 0.0 { less.clone() } else { -&less };
        let a = if bias == 0.0 { 1.0 } else { -1.0 };
        let start = [(0, bias != 0.0)];
        for unit in [false, true] {
            let more = exact(a) * &values[1][0];
            let before = Before { more, ..Before::default() };
            pays(known.loss(&values, &Multipliers::none(), before, |state| {
                if unit {
                    state.begin(1, &Start::Units(&start));
                } else {
                    state.eliminate(1, &Matrix::from_element(1, 1, a));
                }
            }));
        }
    }
}

#[test]
fn slack_is_charged() {
    let mut b = NetworkBuilder::new(1, "x").unwrap();
    let z = b.linear(0, LinearMap::Identity(1), "z").unwrap();
    b.within(z, vec![0.5]).unwrap();
    let known = Known::new(b.finish(z).unwrap(), &[-1.0], &[1.0]);
    let mut values = known.at(&[1.0]);
    values[1][0] = exact(0.5);
    let before = || Before { more: exact(0.5), ..Before::default() };
    let none = Multipliers::none();
    pays(known.loss(&values, &none, before(), |state| {
        state.eliminate(1, &Matrix::from_element(1, 1, 1.0))
    }));
    pays(known.loss(&values, &none, before(), |state| {
        state.begin(1, &Start::Units(&[(0, false)]));
    }));
}

#[test]
fn coefficients_that_meet_pay_for_their_sum() {
    let known = Known::new(affine(1, vec![LinearMap::Identity(1)], vec![0.0], 0), &[-1.0], &[1.0]);
    let (values, more) = (known.at(&[-1.0]), exact(-0.75 * UNIT));
    let before = Before { coefficients: vec![(0, &[1.0])], more, ..Before::default() };
    pays(known.loss(&values, &Multipliers::none(), before, |state| {
        state.accumulate(0, Matrix::from_element(1, 1, 0.75 * UNIT));
    }));
}

/// A tensor read 300 times: each time adds a little that is lost.
#[test]
fn a_tensor_read_over_and_over_pays_each_time() {
    let maps = piled(300).iter().map(|&w| LinearMap::Sparse(Sparse::diagonal(&[w]))).collect();
    let known = Known::new(affine(1, maps, vec![0.0], 0), &[-1.0], &[1.0]);
    pays(affine_loss(&known, &[1.0], 0.0, -1.0));
}

#[test]
fn constants_of_affine_nodes_and_minima_are_rounded_down() {
    let known = Known::new(affine(1, Vec::new(), vec![1.5 * UNIT], 0), &[-1.0], &[1.0]);
    let (loss, charge) = affine_loss(&known, &[1.0], 1.0, 1.0);
    assert!(loss <= from_f64(charge).unwrap());
    let a = [-0.75 * UNIT];
    let before = Before { constant: -1.0, more: exact(a[0]), ..Before::default() };
    let (loss, charge) = known.loss(&known.at(&[1.0]), &Multipliers::none(), before, |state| {
        state.minimise(0, &Matrix::from_column_slice(1, 1, &a));
    });
    assert!(loss <= from_f64(charge).unwrap());
}

/// What a lift of the element of an input z ≥ 1 (or z ≤ 1) by g takes off a z + constant there, where it should take nothing.
fn lift_loss(a: f64, constant: f64, multiplier: f64, ends: [f64; 2]) -> (Rational, f64) {
    let known =
        Known::new(affine(1, vec![LinearMap::Identity(1)], vec![0.0], 0), &ends[..1], &ends[1..]);
    let end = if multiplier > 0.0 { ends[0] } else { ends[1] };
    let lift = Lift { column: 0, element: 0, multiplier };
    let multipliers = Multipliers { slopes: Vec::new(), lifts: vec![vec![lift]] };
    let a = [a];
    let before = Before { constant, coefficients: vec![(0, &a)], ..Before::default() };
    known.loss(&known.at(&[end]), &multipliers, before, |state| state.lift(0))
}

#[test]
fn a_lift_pays_for_its_coefficient() {
    pays(lift_loss(1.0, 0.0, 0.25 * UNIT, [1.0, 2.0]));
    pays(lift_loss(-1.0, 0.0, -0.25 * UNIT, [-2.0, -1.0]));
}

proptest! {
    #![proptest_config(crate::num::hostile::cases(2000))]

    /// The coefficient cancels exactly, the end's product with the multiplier the constant.
    #[test]
    fn constants_of_lifts_are_rounded_down(g in near(), end in near(), cancels: bool) {
        let constant = if cancels { -(g * end) } else { 1.5 / UNIT };
        let (loss, _) = lift_loss(g, constant, g, [end, end]);
        prop_assert!(!loss.is_positive());
    }

    /// With nothing to spare: one product and one difference.
    #[test]
    fn a_minimum_pays_for_its_product(a in near(), x in near()) {
        let known = Known::new(affine(1, vec![LinearMap::Identity(1)], vec![0.0], 0), &[x], &[x]);
        let none = Multipliers::none();
        let state = State::new(known.sweep(), 1, &[0], &none);
        prop_assert!(exact(state.minimum(0, 0, &[a]).unwrap()) <= exact(a) * exact(x));
    }
}

#[test]
fn a_minimum_pays_for_its_sum() {
    let known = Known::new(affine(300, Vec::new(), vec![0.0], 0), &[-1.0; 300], &[1.0; 300]);
    let none = Multipliers::none();
    let state = State::new(known.sweep(), 1, &[0], &none);
    let least = state.minimum(0, 0, &piled(300)).unwrap();
    assert!(exact(least) <= -exact_dot(&piled(300), &[1.0; 300]) && least > -1.0 - 1e-12);
}

/// The least number times a half is lost; the value that it belongs to is huge, or there are many.
#[test]
fn products_that_underflow_are_charged() {
    let (least, huge) = (f64::from_bits(1), 2f64.powi(1000));
    for (weight, a) in [(0.5, least), (least, 0.5)] {
        let map = LinearMap::Sparse(Sparse::diagonal(&[weight]));
        let known = Known::new(affine(1, vec![map], vec![0.0], 0), &[-huge], &[huge]);
        pays(affine_loss(&known, &[a], 0.0, -huge));
    }
    let known = Known::new(affine(1, Vec::new(), vec![-least; 100], 0), &[0.0], &[0.0]);
    pays(affine_loss(&known, &[0.5; 100], 0.0, 0.0));
    let ends = ([-least; 100], [least; 100]);
    let known = Known::new(affine(100, Vec::new(), vec![0.0], 0), &ends.0, &ends.1);
    let none = Multipliers::none();
    let minimum = State::new(known.sweep(), 1, &[0], &none).minimum(0, 0, &[0.5; 100]).unwrap();
    assert!(exact(minimum) <= exact(-50.0) * exact(least));
    pays(relu_loss(-huge, huge, -least, 0.0)[1].clone());
    for a in [least, -least, 3.0 * least, -3.0 * least] {
        for (loss, charge) in product_loss([0.5, 0.5], [-huge, huge], a, |_| 0.0) {
            assert!(loss <= from_f64(charge).unwrap(), "{a:e}: {loss} for {charge:e}");
        }
    }
}

/// The line below a functional, and its minimum, are rounded down once more at the end.
#[test]
fn totals_are_subtracted_downwards() {
    let known = Known::new(affine(1, vec![LinearMap::Identity(1)], vec![0.0], 0), &[-1.0], &[1.0]);
    let none = Multipliers::none();
    let finished = |constant: f64, a: f64, cost: f64| {
        let mut state = State::new(known.sweep(), 1, &[0], &none);
        state.constants[0] = constant;
        state.coefficients[0] = Some(Matrix::from_element(1, 1, a));
        state.charges.add([cost]);
        state.finish()
    };
    // The charge is lost beside the constant, and then the minimum.
    let swept = finished(1024.0, 0.0, UNIT);
    assert!(exact(swept.constants[0]) <= exact(1024.0) - exact(UNIT));
    let swept = finished(1024.0, UNIT, 0.0);
    assert!(exact(swept.bounds[0]) <= exact(swept.constants[0]) - exact(UNIT));
}

/// Coefficients, constants and minima that overflow on the way, though the sums are small, say nothing.
#[test]
fn what_overflows_says_nothing() {
    let (big, huge) = (2f64.powi(600), 2f64.powi(500));
    let none = Multipliers::none();
    // A coefficient: ∞ − ∞ where the sum is 2^1090, before a ReLU of 2^−900, and before the input.
    let mut b = NetworkBuilder::new(1, "x").unwrap();
    let y = b.relu(0, "y").unwrap();
    let weights = column_of(&[huge, huge * (1.0 - 2f64.powi(-10))]);
    let z = b.affine(vec![Term { source: y, map: weights }], vec![0.0; 2], 0, "z").unwrap();
    let tiny = 2f64.powi(-900);
    let known = Known::new(b.finish(z).unwrap(), &[-tiny], &[tiny]);
    let rows = Matrix::from_column_slice(2, 1, &[-big, big]);
    let swept = known.sweep().run(2, &Start::Dense(&rows), &[0], &none, false);
    assert_eq!((swept.bounds[0], swept.constants[0]), (f64::NEG_INFINITY, f64::NEG_INFINITY));
    // An infinite coefficient of an input that is 0 at its lower end: no line to clip with.
    let known = Known::new(affine(1, vec![column_of(&[huge])], vec![0.0], 0), &[0.0], &[1.0]);
    for a in [big, 2f64.powi(524)] {
        let rows = Matrix::from_element(1, 1, a);
        let swept = known.sweep().run(1, &Start::Dense(&rows), &[0], &none, false);
        assert_eq!((swept.bounds[0], swept.constants[0]), (f64::NEG_INFINITY, f64::NEG_INFINITY));
    }
    // A sum of biases, and a minimum, both −2^1021: parts of it are +∞.
    let parts = vec![2f64.powi(523), 2f64.powi(523), -2f64.powi(523), -1.25 * 2f64.powi(523)];
    let known = Known::new(affine(1, Vec::new(), parts.clone(), 0), &[0.0], &[0.0]);
    let rows = Matrix::from_element(4, 1, huge);
    let swept = known.sweep().run(1, &Start::Dense(&rows), &[0], &none, false);
    assert_eq!(swept.bounds[0], f64::NEG_INFINITY);
    let ends = vec![huge; 4];
    let known = Known::new(affine(4, vec![LinearMap::Identity(4)], vec![0.0; 4], 0), &ends, &ends);
    let rows = Matrix::from_column_slice(4, 1, &parts);
    let swept = known.sweep().run(1, &Start::Dense(&rows), &[0], &none, false);
    assert_eq!(swept.bounds[0], f64::NEG_INFINITY);
}
