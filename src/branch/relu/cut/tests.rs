//! Cuts hold, raise bounds, and are left where they cost too much.

use super::*;
use crate::bound::Intermediate;
use crate::net::NetworkBuilder;

/// Numbers in [−1, 1) that look random.
pub fn numbers(mut state: u64) -> impl FnMut() -> f64 {
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 23) as f64 - 1.0
    }
}

/// Four inputs, two layers of ReLUs, one output.
pub fn network(next: &mut impl FnMut() -> f64) -> Network {
    let mut builder = NetworkBuilder::new(4, "x").unwrap();
    let mut node = 0;
    for (inputs, outputs) in [(4, 50), (50, 40), (40, 1)] {
        let weights = Matrix::from_fn(outputs, inputs, |_, _| next());
        let terms = vec![Term { source: node, map: LinearMap::from_matrix(weights) }];
        let bias = (0..outputs).map(|_| next() / 4.0).collect();
        node = builder.affine(terms, bias, 0, "z").unwrap();
        node = if outputs == 1 { node } else { builder.relu(node, "y").unwrap() };
    }
    builder.finish(node).unwrap()
}

/// Enclosures of all nodes at a point.
fn at(net: &Network, x: &[f64]) -> Vec<Boxes> {
    let mut boxes: Vec<Boxes> = Vec::new();
    let input = Boxes::single(x, x);
    for id in 0..net.nodes().len() {
        boxes.push(net.enclose_node(id, &input, &boxes));
    }
    boxes
}

#[test]
fn cuts_hold_at_points_and_raise_the_bound() {
    for seed in 0..6 {
        let mut next = numbers(seed);
        let net = network(&mut next);
        let input = Boxes::single(&[-0.5; 4], &[0.5; 4]);
        let root = Analysis::of_region(&net, &input, Intermediate::Crown);
        let goals = || {
            let row = Matrix::from_element(1, 1, 1.0);
            Goals::new(&root, net.output(), row, vec![f64::INFINITY], None)
        };
        let effort = Effort {
            round: Some(0),
            domains: usize::MAX,
            work: f64::INFINITY,
            share: f64::INFINITY,
        };
        let cuts = Cuts::of(&goals(), effort, &|| false).unwrap();
        let carried = cuts.carry(&root);
        let with = cuts.goals(&carried, goals());
        let bound = |goals: &Goals| goals.bound(&[goals.whole(0)]).climbed.bounds[0];
        let (plain, bound) = (bound(&goals()), bound(&with));
        assert!(bound > plain, "{bound} against {plain}");
        for k in 0..400 {
            let x: Vec<f64> = (0..4)
                .map(|i| if k < 16 { f64::from(k >> i & 1) - 0.5 } else { next() / 2.0 })
                .collect();
            let values = at(&cuts.net, &x);
            for (node, boxes) in (net.output()..).zip(&cuts.boxes) {
                let holds = |i: usize| boxes.lower[i] <= values[node].upper[i];
                assert!((0..boxes.lower.nrows()).all(holds));
            }
            assert!(bound <= values[cuts.net.output()].upper[0]);
        }
    }
}

#[test]
fn what_costs_too_much_is_left() {
    let net = network(&mut numbers(1));
    let input = Boxes::single(&[-0.5; 4], &[0.5; 4]);
    let root = Analysis::of_region(&net, &input, Intermediate::Crown);
    let row = Matrix::from_element(1, 1, 1.0);
    let goals = Goals::new(&root, net.output(), row, vec![f64::INFINITY], None);
    let all =
        Effort { round: Some(0), domains: usize::MAX, work: f64::INFINITY, share: f64::INFINITY };
    for effort in
        [Effort { domains: 10, ..all }, Effort { work: 10.0, ..all }, Effort { share: 0.01, ..all }]
    {
        assert!(Cuts::of(&goals, effort, &|| false).is_none());
    }
}
