//! The network that stands for another one on a region: every node within its slack of what it stands for, in rational
//! arithmetic.

mod common;

use certus::bound::{Analysis, Intermediate, Reduced};
use certus::net::{Boxes, Op};
use certus::num::{Rational, from_f64};
use common::exact::{evaluate, exact};
use common::nets::{Choices, Kind, network, region, words};
use num_traits::{Signed, Zero};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_node_is_within_its_slack(words in words()) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, Kind::Relu);
        let (lower, upper, points) = region(&mut choices, net.inputs());
        let input = Boxes::single(&lower, &upper);
        let analysis = Analysis::of_region(&net, &input, Intermediate::Crown);
        let Some(reduced) = Reduced::new(&analysis) else { return Ok(()) };
        let carried = reduced.carry(&analysis);
        for x in &points {
            let x: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
            let truth = evaluate(&net, &x);
            let of = |node: usize, element: usize| {
                let (node, element) = reduced.original(node, element);
                truth[node][element].clone()
            };
            for (id, node) in reduced.net.nodes().iter().enumerate() {
                for i in 0..node.len {
                    let value = of(id, i);
                    let boxes = &carried.layers.boxes[id];
                    prop_assert!(exact(boxes.lower[i]) <= value && value <= exact(boxes.upper[i]));
                    let Op::Affine(affine) = &node.op else { continue };
                    let mut sum = exact(affine.bias[i]);
                    for term in &affine.terms {
                        term.map.for_each_in_row(i, |column, weight| {
                            sum += exact(weight) * of(term.source, column);
                        });
                    }
                    let error = (sum - value).abs();
                    prop_assert!(error <= exact(affine.slack[i]), "node {id} element {i}");
                }
            }
        }
    }

    #[test]
    fn sweeps_through_it_are_bounds(words in words()) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, Kind::Relu);
        let (lower, upper, points) = region(&mut choices, net.inputs());
        let row = common::nets::functionals(&mut choices, net.outputs(), 1);
        let input = Boxes::single(&lower, &upper);
        let analysis = Analysis::of_region(&net, &input, Intermediate::Crown);
        let Some(reduced) = Reduced::new(&analysis) else { return Ok(()) };
        let bound = reduced.carry(&analysis).lower(&row, &[0]).bounds[0];
        for x in &points {
            let x: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
            let y = &evaluate(&net, &x)[net.output()];
            let value = row.iter().zip(y).fold(Rational::zero(), |sum, (&a, y)| sum + exact(a) * y);
            if let Some(bound) = from_f64(bound) {
                prop_assert!(bound <= value);
            }
        }
    }
}
