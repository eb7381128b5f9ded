//! The network that stands for another one on a region: every node within its slack of what it stands for, in rational
//! arithmetic.

mod common;

use certus::internal::bound::{Analysis, Intermediate, Reduced};
use certus::internal::net::{Boxes, Network, Op};
use certus::internal::num::{Rational, from_f64};
use common::exact::{evaluate, exact};
use common::nets::{Choices, Kind, network, region, words};
use num_traits::{Signed, Zero};
use proptest::prelude::*;

type Reduce = for<'a, 'b> fn(&'a Analysis<'b>) -> Option<Reduced>;

/// Every element of the smaller network at points of the region: within its box, and within its slack of what it stands for;
/// `original` names the element of `truth` (node by node, a point each) that an element of the larger network stands for.
fn within_slack(
    reduced: &Reduced,
    analysis: &Analysis,
    original: &dyn Fn(usize, usize) -> (usize, usize),
    truths: &[Vec<Vec<Rational>>],
) -> Result<(), TestCaseError> {
    let carried = reduced.carry(analysis);
    for truth in truths {
        let of = |node: usize, element: usize| {
            let (node, element) = reduced.original(node, element);
            let (node, element) = original(node, element);
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
                let slack = affine.slack.get(i).copied().unwrap_or(0.0);
                prop_assert!(error <= exact(slack), "node {id} element {i}");
            }
        }
    }
    Ok(())
}

/// Relaxations are the same, so default slopes bound a functional alike.
fn about_the_same(small: f64, whole: f64) -> bool {
    small == whole || (small - whole).abs() <= 1e-9 * (1.0 + small.abs() + whole.abs())
}

fn truths(net: &Network, points: &[Vec<f64>]) -> Vec<Vec<Vec<Rational>>> {
    let exactly = |x: &Vec<f64>| x.iter().map(|&x| exact(x)).collect::<Vec<Rational>>();
    points.iter().map(|x| evaluate(net, &exactly(x))).collect()
}

proptest! {
    #![proptest_config(common::cases(300))]

    #[test]
    fn every_node_is_within_its_slack(words in words()) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, Kind::Relu);
        let (lower, upper, points) = region(&mut choices, net.inputs());
        let input = Boxes::single(&lower, &upper);
        let analysis = Analysis::of_region(&net, &input, Intermediate::Crown);
        let half: Vec<f64> = lower.iter().zip(&upper).map(|(l, u)| 0.75 * l + 0.25 * u).collect();
        let half: Vec<f64> = half.iter().zip(&lower).zip(&upper).map(|((h, l), u)| h.clamp(*l, *u)).collect();
        let clamp = |x: &Vec<f64>| {
            x.iter().zip(&lower).zip(&half).map(|((x, l), h)| x.clamp(*l, *h)).collect::<Vec<f64>>()
        };
        let in_half: Vec<Vec<f64>> = points.iter().map(clamp).collect();
        let part = Boxes::single(&lower, &half);
        for (first, second) in [(Reduced::fold as Reduce, Reduced::prune as Reduce), (Reduced::prune, Reduced::fold)] {
            let Some(reduced) = first(&analysis) else { continue };
            within_slack(&reduced, &analysis, &|node, i| (node, i), &truths(&net, &points))?;
            // And once more: the smaller network on a part of the region.
            let analysis = Analysis::of_region(&reduced.net, &part, Intermediate::Crown);
            for again in [first, second].into_iter().filter_map(|reduce| reduce(&analysis)) {
                let original = |node, i| reduced.original(node, i);
                within_slack(&again, &analysis, &original, &truths(&net, &in_half))?;
            }
        }
    }

    #[test]
    fn the_network_of_one_element_is_within_its_slack(words in words()) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, Kind::Relu);
        let (lower, upper, points) = region(&mut choices, net.inputs());
        let input = Boxes::single(&lower, &upper);
        let whole = Analysis::of_region(&net, &input, Intermediate::Crown);
        let truths = truths(&net, &points);
        let affine = |id: &usize| matches!(net.node(*id).op, Op::Affine(_));
        for id in (0..net.nodes().len()).filter(affine) {
            for element in [0, net.node(id).len - 1] {
                let Some(small) = Reduced::of_element(&whole, id, element) else { continue };
                prop_assert_eq!(small.net.outputs(), 1);
                prop_assert_eq!(small.original(small.net.output(), 0), (id, element));
                within_slack(&small, &whole, &|node, i| (node, i), &truths)?;
                // A short search in it is about the same element.
                let bound = small.carry(&whole).lower(&nalgebra::DMatrix::from_element(1, 1, 1.0), &[0]).bounds[0];
                if let Some(bound) = from_f64(bound) {
                    prop_assert!(truths.iter().all(|truth| bound <= truth[id][element]));
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
        let whole = analysis.lower(&row, &[0]).bounds[0];
        for reduced in [Reduced::fold(&analysis), Reduced::prune(&analysis)].into_iter().flatten() {
            let bound = reduced.carry(&analysis).lower(&row, &[0]).bounds[0];
            prop_assert!(about_the_same(bound, whole), "{bound} against {whole}");
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
}
