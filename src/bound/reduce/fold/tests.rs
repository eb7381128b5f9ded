//! Folded coefficients against exact arithmetic: what they lose is within the slack.

use super::*;
use crate::bound::Intermediate;
use crate::net::{Boxes, Network};
use crate::num::hostile::{exact, piled};
use crate::num::{Rational, UNIT, from_f64};
use num_traits::{Signed, Zero};

/// x (one input) through maps with biases and ReLUs that are active on the box.
struct Chain {
    builder: NetworkBuilder,
    last: NodeId,
}

impl Chain {
    fn new() -> Self {
        Self { builder: NetworkBuilder::new(1, "x").unwrap(), last: 0 }
    }

    /// bias + W (the last node), an element a row, with roundings and slack.
    fn affine(mut self, weights: Matrix, bias: f64, roundings: usize, slack: f64) -> Self {
        let rows = weights.nrows();
        let terms = vec![Term { source: self.last, map: LinearMap::from_matrix(weights) }];
        self.last = self.builder.affine(terms, vec![bias; rows], roundings, "z").unwrap();
        self.builder.within(self.last, vec![slack; rows]).unwrap();
        self
    }

    fn relu(mut self) -> Self {
        self.last = self.builder.relu(self.last, "y").unwrap();
        self
    }

    fn net(self) -> Network {
        self.builder.finish(self.last).unwrap()
    }
}

/// The folded output of a network whose ReLUs are all active on [l, u]: weight, bias and slack.
fn folded(net: &Network, l: f64, u: f64) -> [f64; 3] {
    let analysis = Analysis::of_region(net, &Boxes::single(&[l], &[u]), Intermediate::Interval);
    let reduced = Reduced::fold(&analysis).unwrap();
    let affine = reduced.net.node(reduced.net.output()).op.affine().unwrap();
    assert_eq!(reduced.net.nodes().len(), 2, "all ReLUs are active");
    let mut weight = 0.0;
    affine.terms[0].map.for_each_in_row(0, |_, w| weight = w);
    [weight, affine.bias[0], affine.slack[0]]
}

fn column(values: &[f64]) -> Matrix {
    Matrix::from_column_slice(values.len(), 1, values)
}

fn row(values: &[f64]) -> Matrix {
    Matrix::from_row_slice(1, values.len(), values)
}

/// That something is lost, and no more than the slack.
fn pays(lost: Rational, slack: f64) {
    assert!(lost.is_positive(), "nothing is lost");
    assert!(from_f64(slack).is_some_and(|slack| lost <= slack), "{lost} for {slack:e}");
}

/// Σ wᵢ over 300 active neurons, of coefficients and of biases.
#[test]
fn folded_sums_pay_for_their_additions() {
    let sum = piled(300).iter().fold(Rational::zero(), |sum, &w| sum + exact(w));
    let net = Chain::new().affine(column(&[1.0; 300]), 0.0, 0, 0.0).relu();
    let net = net.affine(row(&piled(300)), 0.0, 0, 0.0).net();
    let [weight, _, slack] = folded(&net, 1.0, 2.0);
    pays((&sum - exact(weight)) * exact(2.0), slack);
    assert!(slack < 1e-12);
    // What was lost is lost 2^20 times more after a weight of 2^20.
    let net = Chain::new().affine(column(&[1.0; 300]), 0.0, 0, 0.0).relu();
    let net = net.affine(row(&piled(300)), 0.0, 0, 0.0).relu();
    let large = 2f64.powi(20);
    let [weight, _, slack] = folded(&net.affine(row(&[large]), 0.0, 0, 0.0).net(), 1.0, 2.0);
    pays((&sum * exact(large) - exact(weight)) * exact(2.0), slack);
    let net = Chain::new().affine(column(&[0.0; 300]), 1.0, 0, 0.0).relu();
    let net = net.affine(row(&piled(300)), 0.0, 0, 0.0).net();
    let [_, bias, slack] = folded(&net, 1.0, 2.0);
    pays(sum - exact(bias), slack);
}

/// x, an affine map that is only within ½ of x, its ReLU, and the same map of that.
#[test]
fn what_a_network_stands_for_within_some_distance_stays_that_far() {
    let net = Chain::new().affine(row(&[1.0]), 0.0, 0, 0.5).relu();
    let [_, _, slack] = folded(&net.affine(row(&[1.0]), 0.0, 0, 0.25).net(), 1.0, 2.0);
    assert!((0.75..0.76).contains(&slack), "{slack}");
    // What is lost is lost beside that distance, too.
    let small: Vec<f64> = piled(300).iter().map(|w| w * 2f64.powi(-40)).collect();
    let net = Chain::new().affine(column(&[1.0; 300]), 0.0, 0, 0.0);
    let [weight, _, slack] = folded(&net.affine(row(&small), 0.0, 0, 1.0).net(), 1.0, 1.0);
    let sum = small.iter().fold(Rational::zero(), |sum, &w| sum + exact(w));
    pays(sum - exact(weight) + exact(1.0), slack);
}

/// The last weight stands for one that is 1000 roundings larger, and what it acts on for what is up to ½ larger than its form.
#[test]
fn rounded_weights_act_on_forms_and_on_slack() {
    let larger = exact(1.0 + 1000.0 * UNIT);
    for (l, first) in [(1.0, 0.0), (2f64.powi(-30), 0.5)] {
        let net = Chain::new().affine(row(&[1.0]), 0.0, 0, first);
        let net = net.affine(row(&[1.0]), 0.0, 1000, 0.0).net();
        let [weight, _, slack] = folded(&net, l, l);
        pays(&larger * exact(l + first) - exact(weight) * exact(l), slack);
    }
}

/// Half of the least number, of an input that may be huge.
#[test]
fn folded_products_that_underflow_are_charged() {
    let (least, huge) = (f64::from_bits(1), 2f64.powi(1000));
    let net = Chain::new().affine(row(&[least]), 0.0, 0, 0.0).relu();
    let [weight, _, slack] = folded(&net.affine(row(&[0.5]), 0.0, 0, 0.0).net(), huge, huge);
    pays((exact(0.5) * exact(least) - exact(weight)) * exact(huge), slack);
    // The same of many biases, where nothing is huge.
    let net = Chain::new().affine(column(&[0.0; 100]), least, 0, 0.0);
    let [_, bias, slack] = folded(&net.affine(row(&[0.5; 100]), 0.0, 0, 0.0).net(), 0.0, 0.0);
    pays(exact(50.0) * exact(least) - exact(bias), slack);
}
