//! Every bound against exact arithmetic: intervals, CROWN, and the sweep under arbitrary multipliers.

mod common;

use certus::internal::bound::{
    Analysis, Climb, Costs, Goal, Intermediate, Lift, Multipliers, Start, climb, default_slopes,
};
use certus::internal::net::{Boxes, Matrix};
use certus::internal::num::Rational;
use common::exact::{at_least, at_most, dot, evaluate, exact};
use common::nets::{Choices, Kind, functionals, network, region, words};
use proptest::prelude::*;

/// Checks forward bounds, with and without sweeps, over a batch of three boxes: the whole one, its left half, and a point.
fn check_forward(words: &[u32], kind: Kind) -> Result<(), TestCaseError> {
    let mut choices = Choices::new(words);
    let net = network(&mut choices, kind);
    let (lower, upper, points) = region(&mut choices, net.inputs());
    let whole = Boxes::single(&lower, &upper);
    let charges = Analysis::of_region(&net, &whole, Intermediate::Interval).charges;
    let (mut half, point) = (upper.clone(), &points[0]);
    half[0] = 0.5 * (lower[0] + upper[0]);
    let ends = |all: [&[f64]; 3]| {
        Matrix::from_iterator(net.inputs(), 3, all.into_iter().flatten().copied())
    };
    let input = Boxes { lower: ends([&lower, &lower, point]), upper: ends([&upper, &half, point]) };
    let costs = Costs::of(&net, net.inputs());
    let budget = if choices.below(2) == 0 { 0 } else { costs.forward() / 4 };
    let analysis = Analysis::forward(&net, &input, charges, None, &costs, budget);
    let rows = functionals(&mut choices, net.outputs(), 1);
    let row = rows.column(0);
    let bounds = analysis.lower(&Matrix::from_columns(&[row, row, row]), &[0, 1, 2]).bounds;
    let coefficients: Vec<f64> = row.iter().copied().collect();
    for x in &points {
        let exact_x: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
        let values = evaluate(&net, &exact_x);
        for d in (0..3).filter(|&d| d == 0 || (d == 1 && x[0] <= half[0]) || (d == 2 && x == point))
        {
            for (id, (boxes, values)) in analysis.layers.boxes.iter().zip(&values).enumerate() {
                for (i, value) in values.iter().enumerate() {
                    let (l, u) = (boxes.lower[(i, d)], boxes.upper[(i, d)]);
                    prop_assert!(
                        at_least(value, l) && at_most(value, u),
                        "domain {d}, node {id}.{i}: {value} in [{l}, {u}]"
                    );
                }
            }
            let f = dot(&coefficients, &values[net.output()]);
            prop_assert!(at_least(&f, bounds[d]), "domain {d}: bound {} above {f}", bounds[d]);
        }
    }
    Ok(())
}

/// Checks all bounds of a random network on a random box at exact points of it.
fn check(words: &[u32], kind: Kind, how: Intermediate) -> Result<(), TestCaseError> {
    let mut choices = Choices::new(words);
    let net = network(&mut choices, kind);
    let (lower, upper, points) = region(&mut choices, net.inputs());
    let analysis = Analysis::of_region(&net, &Boxes::single(&lower, &upper), how);
    let k = 3;
    let rows = functionals(&mut choices, net.outputs(), k);
    let multipliers = wild_multipliers(&mut choices, &net, k);
    let domains = vec![0; k];
    let start = Start::Dense(&rows);
    let plain = analysis.lower(&rows, &domains);
    let wild = analysis.sweep().run(net.output(), &start, &domains, &multipliers, false);
    let interval = analysis.sweep().interval(net.output(), &rows, &domains);
    if kind == Kind::Relu {
        // Moderate weights: the charges are tiny, so a vacuous bound would be a bug, not rounding.
        prop_assert!(plain.bounds.iter().chain(&interval.bounds).all(|b| b.is_finite()));
    }
    for point in &points {
        let x: Vec<Rational> = point.iter().map(|&x| exact(x)).collect();
        let values = evaluate(&net, &x);
        for (id, (boxes, values)) in analysis.layers.boxes.iter().zip(&values).enumerate() {
            for (i, value) in values.iter().enumerate() {
                let (l, u) = (boxes.lower[i], boxes.upper[i]);
                prop_assert!(
                    at_least(value, l) && at_most(value, u),
                    "node {id}.{i}: {value} in [{l}, {u}]"
                );
            }
        }
        for (c, &interval) in interval.bounds.iter().enumerate() {
            let column: Vec<f64> = rows.column(c).iter().copied().collect();
            let f = dot(&column, &values[net.output()]);
            prop_assert!(at_least(&f, interval), "interval {interval} above {f}");
            for swept in [&plain, &wild] {
                prop_assert!(at_least(&f, swept.bounds[c]), "bound {} above {f}", swept.bounds[c]);
                let slopes: Vec<f64> = swept.coefficients.column(c).iter().copied().collect();
                if swept.constants[c].is_finite() && slopes.iter().all(|a| a.is_finite()) {
                    let line = dot(&slopes, &x) + exact(swept.constants[c]);
                    prop_assert!(line <= f, "the linear bound exceeds the functional");
                }
            }
        }
    }
    Ok(())
}

/// Multipliers that no search would propose: out of range, NaN, on any node.
fn wild_multipliers(
    choices: &mut Choices,
    net: &certus::internal::net::Network,
    k: usize,
) -> Multipliers {
    let mut multipliers = Multipliers::none();
    for node in net.nodes() {
        multipliers.slopes.push((choices.below(2) == 0).then(|| {
            Matrix::from_fn(node.len, k, |_, _| match choices.below(12) {
                0 => f64::NAN,
                1 => f64::INFINITY,
                _ => 2.0 * choices.unit(),
            })
        }));
        let lift = |choices: &mut Choices| Lift {
            column: choices.below(k as u32) as usize,
            element: choices.below(node.len as u32) as usize,
            multiplier: if choices.below(10) == 0 { f64::NAN } else { 3.0 * choices.unit() },
        };
        multipliers.lifts.push((0..choices.below(3)).map(|_| lift(choices)).collect());
    }
    multipliers
}

proptest! {
    #![proptest_config(common::cases(150))]

    /// Fewer cases: exact sums of numbers across 2^±60 and subnormals are long.
    #[test]
    fn crown_holds_under_hostile_numbers(words in words()) { check(&words, Kind::Hostile, Intermediate::Crown)?; }

    #[test]
    fn forward_bounds_hold_under_hostile_numbers(words in words()) { check_forward(&words, Kind::Hostile)?; }
}

proptest! {
    #![proptest_config(common::cases(1500))]

    #[test]
    fn intervals_hold_exactly(words in words()) { check(&words, Kind::Relu, Intermediate::Interval)?; }

    #[test]
    fn crown_holds_exactly(words in words()) { check(&words, Kind::Relu, Intermediate::Crown)?; }

    #[test]
    fn forward_bounds_hold_exactly(words in words()) { check_forward(&words, Kind::Relu)?; }

    #[test]
    fn forward_bounds_of_products_and_reciprocals_hold(words in words()) { check_forward(&words, Kind::Rational)?; }

    #[test]
    fn products_and_reciprocals_hold(words in words()) { check(&words, Kind::Rational, Intermediate::Crown)?; }

    /// Curves have no exact values: those of a point lie in the intervals of the box that is the point, and so the functional does.
    #[test]
    fn curves_hold(words in words()) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, Kind::Curves);
        let (lower, upper, points) = region(&mut choices, net.inputs());
        let analysis = Analysis::of_region(&net, &Boxes::single(&lower, &upper), Intermediate::Crown);
        let rows = functionals(&mut choices, net.outputs(), 2);
        let plain = analysis.lower(&rows, &[0, 0]).bounds;
        let wild = wild_multipliers(&mut choices, &net, 2);
        let start = Start::Dense(&rows);
        let wild = analysis.sweep().run(net.output(), &start, &[0, 0], &wild, false).bounds;
        let how = Climb { iterations: 6, ..Climb::default() };
        let goal = Goal { at: net.output(), start: &start, domains: &[0, 0], targets: &[f64::INFINITY; 2] };
        let slopes = default_slopes(&analysis.sweep(), net.output(), &[0, 0]);
        let climbed = climb(&analysis.sweep(), goal, slopes, Vec::new(), how).bounds;
        let costs = Costs::of(&net, net.inputs());
        let input = Boxes::single(&lower, &upper);
        let forward = Analysis::forward(&net, &input, analysis.charges.clone(), None, &costs, 0);
        let forward = forward.lower(&rows, &[0, 0]).bounds;
        prop_assert!(climbed.iter().zip(&plain).all(|(climbed, plain)| climbed >= plain));
        for point in points {
            let at = Analysis::of_region(&net, &Boxes::single(&point, &point), Intermediate::Interval);
            for (id, (boxes, values)) in analysis.layers.boxes.iter().zip(&at.layers.boxes).enumerate() {
                for i in 0..net.node(id).len {
                    prop_assert!(boxes.lower[i] <= values.upper[i] && values.lower[i] <= boxes.upper[i]);
                }
            }
            let most = at.sweep().interval(net.output(), &(-&rows), &[0, 0]).bounds;
            for bounds in [&plain, &wild, &climbed, &forward] {
                for (bound, most) in bounds.iter().zip(&most) {
                    prop_assert!(*bound <= -most, "{bound} above {}", -most);
                }
            }
        }
    }

    /// IBP ≤ CROWN up to the charged error (centre and radius form is not monotone to the last bit).
    #[test]
    fn engines_are_ordered_on_intermediate_bounds(words in words()) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, Kind::Relu);
        let (lower, upper, _) = region(&mut choices, net.inputs());
        let input = Boxes::single(&lower, &upper);
        let interval = Analysis::of_region(&net, &input, Intermediate::Interval);
        let crown = Analysis::of_region(&net, &input, Intermediate::Crown);
        for (wide, tight) in interval.layers.boxes.iter().zip(&crown.layers.boxes) {
            let slack = |x: &f64| 1e-12 * (1.0 + x.abs());
            prop_assert!(wide.lower.iter().zip(tight.lower.iter()).all(|(w, t)| *w <= t + slack(t)));
            prop_assert!(wide.upper.iter().zip(tight.upper.iter()).all(|(w, t)| *w >= t - slack(t)));
        }
    }

    /// A domain analysed in a batch, or alone, or as part of its parent, is bounded alike and soundly.
    #[test]
    fn sub_boxes_in_a_batch_hold(words in words()) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, Kind::Relu);
        let (lower, upper, points) = region(&mut choices, net.inputs());
        let root = Analysis::of_region(&net, &Boxes::single(&lower, &upper), Intermediate::Crown);
        let middle = 0.5 * (lower[0] + upper[0]);
        let n = net.inputs();
        let (mut halves_lower, mut halves_upper) = (Matrix::zeros(n, 2), Matrix::zeros(n, 2));
        for d in 0..2 {
            halves_lower.set_column(d, &nalgebra::DVector::from_column_slice(&lower));
            halves_upper.set_column(d, &nalgebra::DVector::from_column_slice(&upper));
        }
        halves_upper[(0, 0)] = middle;
        halves_lower[(0, 1)] = middle;
        let halves = Boxes { lower: halves_lower, upper: halves_upper };
        let batch = Analysis::of_domains(&net, &halves, Intermediate::Crown, root.charges.clone(), None);
        let rows = functionals(&mut choices, net.outputs(), 1);
        let both = Matrix::from_columns(&[rows.column(0), rows.column(0)]);
        let bounds = batch.lower(&both, &[0, 1]).bounds;
        for point in points {
            let x: Vec<Rational> = point.iter().map(|&x| exact(x)).collect();
            let column: Vec<f64> = rows.column(0).iter().copied().collect();
            let f = dot(&column, &evaluate(&net, &x)[net.output()]);
            for (d, &bound) in bounds.iter().enumerate() {
                if (d == 0 && point[0] <= middle) || (d == 1 && point[0] >= middle) {
                    prop_assert!(at_least(&f, bound), "domain {d}: {bound} above {f}");
                }
            }
        }
    }
}
