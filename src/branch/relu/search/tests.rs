//! Searches that go on where they were interrupted, leaves that linear programs decide, half-spaces that exclude together.

use super::super::cut::tests::{network, numbers};
use super::*;
use crate::bound::{Analysis, Intermediate};
use crate::branch::tree::{End, Node};
use crate::net::{Boxes, LinearMap, NetworkBuilder, Term};
use crate::num::from_f64;
use crate::spec::{Claim, HalfSpace, Region};

fn exact(x: f64) -> crate::num::Rational {
    from_f64(x).unwrap()
}

#[test]
fn a_search_goes_on_where_it_was_interrupted() {
    let mut next = numbers(3);
    let net = network(&mut next);
    let input = Boxes::single(&[-0.5; 4], &[0.5; 4]);
    let root = Analysis::of_region(&net, &input, Intermediate::Crown);
    let points = Matrix::from_fn(4, 2_000, |_, _| next() / 2.0);
    let row = Matrix::from_element(1, 1, 1.0);
    let (low, high) = (root.lower(&row, &[0]).bounds[0], net.evaluate(&points).min());
    let target = low + 0.6 * (high - low);
    // The target is out of reach, so that no property is asked.
    let property = Property { claims: Vec::new(), uses_inputs: false };
    let search = || {
        let goals = Goals::new(&root, net.output(), row.clone(), vec![target], None);
        Search {
            goals,
            of: Of { whole: &net, property: &property, claim: 0 },
            polytope: 0,
            halves: (row.clone(), vec![target]),
            first: 0,
        }
    };
    let limits = Limits::starting_now(None, &|| false);
    let (whole, parts) = (search(), search());
    let (mut at_once, mut in_parts) = (whole.front(0), parts.front(0));
    let answer =
        whole.run(&mut at_once, &limits, Spent::default(), (usize::MAX, f64::INFINITY), &mut []);
    assert!(matches!(answer, Some(Answer::Proved)), "{}", at_once.visited);
    assert!(at_once.visited > 20, "{}", at_once.visited);
    let mut interruptions = 0;
    let mut margins = vec![f64::NEG_INFINITY];
    loop {
        let most = in_parts.visited + 1;
        if parts
            .run(&mut in_parts, &limits, Spent::default(), (most, f64::INFINITY), &mut [])
            .is_some()
        {
            break;
        }
        interruptions += 1;
        margins.push(parts.margin(&in_parts));
    }
    assert!(interruptions > 2 && margins.is_sorted(), "{margins:?}");
    assert_eq!(in_parts.visited, at_once.visited);
    assert_eq!(parts.margin(&in_parts), whole.margin(&at_once));
    assert!(whole.margin(&at_once) > 0.0 && whole.margin(&at_once).is_finite());
}

/// Bounds that are off by less than ascent leaves of them where nothing is left to split.
#[test]
fn leaves_are_decided_by_linear_programs() {
    let (mut leaves, mut refuted) = (0, 0);
    for seed in 0..24 {
        let mut next = numbers(seed);
        let mut builder = NetworkBuilder::new(3, "x").unwrap();
        let mut node = 0;
        for (inputs, outputs) in [(3, 6), (6, 4), (4, 1)] {
            let weights = Matrix::from_fn(outputs, inputs, |_, _| next());
            let terms = vec![Term { source: node, map: LinearMap::from_matrix(weights) }];
            let bias = (0..outputs).map(|_| next() / 4.0).collect();
            node = builder.affine(terms, bias, 0, "z").unwrap();
            node = if outputs == 1 { node } else { builder.relu(node, "y").unwrap() };
        }
        let net = builder.finish(node).unwrap();
        let root =
            Analysis::of_region(&net, &Boxes::single(&[-1.0; 3], &[1.0; 3]), Intermediate::Crown);
        let row = Matrix::from_element(1, 1, 1.0);
        let grid = Matrix::from_fn(3, 41 * 41 * 41, |i, c| {
            (c / 41usize.pow(i as u32) % 41) as f64 / 20.0 - 1.0
        });
        let low = net.evaluate(&grid).min();
        let claim = |target: f64| Claim {
            region: Region::from_bounds(&vec![(exact(-1.0), exact(1.0)); 3]).unwrap(),
            unsafe_set: vec![vec![
                HalfSpace::from_exact(&[(0, exact(1.0))], &exact(target), false).unwrap(),
            ]],
        };
        // The grid's least value is above the truth, if only a little.
        for target in [low - 0.05, low - 1e-6, low + 1e-6] {
            let property = Property { claims: vec![claim(target)], uses_inputs: false };
            for spare in [None, Some(vec![0.0])] {
                let mut trees: Vec<Tree> = spare.iter().map(|_| Tree::default()).collect();
                let goals = Goals::new(&root, net.output(), row.clone(), vec![target], spare);
                let search = Search {
                    goals,
                    of: Of { whole: &net, property: &property, claim: 0 },
                    polytope: 0,
                    halves: (row.clone(), vec![target]),
                    first: 0,
                };
                let limits = Limits { domains: 5_000, ..Limits::starting_now(None, &|| false) };
                let mut front = search.front(0);
                let answer = search.run(
                    &mut front,
                    &limits,
                    Spent::default(),
                    (usize::MAX, f64::INFINITY),
                    &mut trees,
                );
                match answer {
                    Some(Answer::Proved) => {
                        leaves += 1;
                        assert!(target < low);
                        let refuted = |line: &Line| matches!(line, Line::Refute { .. });
                        let open =
                            |node: &Node| node.end == End::Leaf && !node.lines.iter().any(refuted);
                        assert!(!trees.iter().flat_map(|tree| &tree.nodes).any(open));
                    }
                    Some(Answer::Refuted(found)) => {
                        refuted += 1;
                        let x = Matrix::from_column_slice(3, 1, found.input());
                        assert!(net.evaluate(&x)[0] <= target + 1e-12);
                    }
                    _ => panic!("seed {seed}, {target}: {} stuck", front.open()),
                }
            }
        }
    }
    assert!(leaves >= 48 && refuted >= 24, "{leaves} {refuted}");
}

/// Polytopes of which no half-space alone can be excluded, and some that hold everywhere: decided as sampling says, with weights.
#[test]
fn half_spaces_exclude_a_polytope_together() {
    let (mut proved, mut refuted, mut weighted) = (0, 0, 0);
    for seed in 0..40 {
        let mut next = numbers(seed);
        let mut builder = NetworkBuilder::new(3, "x").unwrap();
        let mut node = 0;
        for (inputs, outputs) in [(3, 6), (6, 5), (5, 3)] {
            let mut weights = Matrix::from_fn(outputs, inputs, |_, _| next());
            if outputs == 3 {
                // The last output is constant.
                weights.row_mut(2).fill(0.0);
            }
            let terms = vec![Term { source: node, map: LinearMap::from_matrix(weights) }];
            let bias = (0..outputs).map(|_| next() / 4.0).collect();
            node = builder.affine(terms, bias, 0, "z").unwrap();
            node = if outputs == 3 { node } else { builder.relu(node, "y").unwrap() };
        }
        let net = builder.finish(node).unwrap();
        let grid = Matrix::from_fn(3, 41 * 41 * 41, |i, c| {
            (c / 41usize.pow(i as u32) % 41) as f64 / 20.0 - 1.0
        });
        let y = net.evaluate(&grid);
        // Of y0 ≤ b, y1 ≤ b and y2 ≤ y2 + 1, the least b that the grid reaches.
        let reached =
            (0..y.ncols()).map(|c| y[(0, c)].max(y[(1, c)])).fold(f64::INFINITY, f64::min);
        for (step, holds) in [(-0.02, true), (1e-4, false)] {
            let bound = reached + step;
            let half = |output: usize, bound: f64| {
                HalfSpace::from_exact(&[(output, exact(1.0))], &exact(bound), false).unwrap()
            };
            let polytope = vec![half(0, bound), half(1, bound), half(2, y[(2, 0)] + 1.0)];
            let region = Region::from_bounds(&vec![(exact(-1.0), exact(1.0)); 3]).unwrap();
            let claims = vec![Claim { region, unsafe_set: vec![polytope] }];
            let property = Property { claims, uses_inputs: false };
            let limits = Limits::starting_now(None, &|| false);
            for recorded in [false, true] {
                let mut trees = vec![Tree::default(); usize::from(recorded)];
                let found = super::super::split_relus(
                    &net,
                    &property,
                    &limits,
                    None,
                    (Vec::new(), &mut trees),
                );
                match found.answer {
                    Answer::Proved => {
                        assert!(holds, "{seed} {bound}");
                        assert!(found.bound > 0.0 && found.bound <= -step + 0.1);
                        proved += 1;
                    }
                    Answer::Refuted(_) => {
                        assert!(!holds || step < 0.0, "{seed}");
                        refuted += 1;
                    }
                    Answer::Open(why) => panic!("{seed} {bound}: {why}"),
                }
                for tree in &trees {
                    weighted +=
                        usize::from(format!("{tree:?}").contains("weights: [(0, 1.0), (1,"));
                }
            }
        }
    }
    assert!(proved > 60 && refuted > 60 && weighted > 10, "{proved} {refuted} {weighted}");
}
