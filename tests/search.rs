//! Branch and bound against exact arithmetic: what is proved has no counterexample, what is refuted has one, and the two
//! ways of branching never contradict each other.

mod common;

use certus::bound::{Analysis, Intermediate};
use certus::branch::{
    Answer, Interlude, Limits, Reason, Searched, refine_intermediate, split_inputs, split_relus,
};
use certus::load::load_network;
use certus::net::{Boxes, Matrix, Network};
use certus::num::{Rational, from_f64};
use certus::spec::{Claim, HalfSpace, Property, Region};
use common::exact::{dot, evaluate, exact};
use common::nets::{Choices, Kind, functionals, network, region, words};
use proptest::prelude::*;
use std::cell::Cell;
use std::time::Duration;

/// A random network with a claim whose truth is in doubt: the bound is near the least sampled value.
fn query(words: &[u32]) -> (Network, Property, Matrix, Vec<Vec<f64>>, f64) {
    let mut choices = Choices::new(words);
    let net = network(&mut choices, Kind::Relu);
    let (lower, upper, points) = region(&mut choices, net.inputs());
    let row = functionals(&mut choices, net.outputs(), 1);
    let batch = Matrix::from_columns(
        &points.iter().map(|p| nalgebra::DVector::from_column_slice(p)).collect::<Vec<_>>(),
    );
    let least = (row.transpose() * net.evaluate(&batch)).min();
    let bound = least + f64::from(choices.below(9)) / 16.0 - 0.3125;
    let coefficients: Vec<(usize, Rational)> = row.iter().map(|&a| exact(a)).enumerate().collect();
    let half = HalfSpace::from_exact(&coefficients, &exact(bound), false).unwrap();
    let bounds: Vec<(Rational, Rational)> =
        lower.iter().zip(&upper).map(|(&l, &u)| (exact(l), from_f64(u).unwrap())).collect();
    let claim =
        Claim { region: Region::from_bounds(&bounds).unwrap(), unsafe_set: vec![vec![half]] };
    (net, Property { claims: vec![claim], uses_inputs: false }, row, points, bound)
}

fn check(
    searched: &Searched,
    net: &Network,
    row: &Matrix,
    points: &[Vec<f64>],
    bound: f64,
) -> Result<(), TestCaseError> {
    let value = |x: &[f64]| {
        let x: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
        dot(row.as_slice(), &evaluate(net, &x)[net.output()])
    };
    match &searched.answer {
        Answer::Proved => {
            for x in points {
                prop_assert!(value(x) > exact(bound), "proved, but {x:?} violates");
            }
        }
        Answer::Refuted(found) => prop_assert!(value(found.input()) <= exact(bound)),
        Answer::Open(_) => {}
    }
    Ok(())
}

/// A random network with two unsafe polytopes of up to three half-spaces each, near sampled outputs.
fn intersections(words: &[u32]) -> (Network, Property, Vec<Vec<f64>>) {
    let mut choices = Choices::new(words);
    let net = network(&mut choices, Kind::Relu);
    let (lower, upper, points) = region(&mut choices, net.inputs());
    let polytopes = (0..1 + choices.below(2)).map(|_| {
        let near = &points[choices.below(points.len() as u32) as usize];
        let y = net.evaluate(&Matrix::from_column_slice(near.len(), 1, near));
        let count = 1 + choices.below(3) as usize;
        let rows = functionals(&mut choices, net.outputs(), count);
        let halves = rows.column_iter().map(|row| {
            let bound = row.dot(&y.column(0)) + f64::from(choices.below(9)) / 16.0 - 0.375;
            let coefficients: Vec<(usize, Rational)> =
                row.iter().map(|&a| exact(a)).enumerate().collect();
            let strict = choices.below(2) == 0;
            HalfSpace::from_exact(&coefficients, &exact(bound), strict).unwrap()
        });
        halves.collect()
    });
    let unsafe_set = polytopes.collect();
    let bounds: Vec<(Rational, Rational)> =
        lower.iter().zip(&upper).map(|(&l, &u)| (exact(l), exact(u))).collect();
    let claim = Claim { region: Region::from_bounds(&bounds).unwrap(), unsafe_set };
    (net, Property { claims: vec![claim], uses_inputs: false }, points)
}

/// Whether an input's exact output lies in an unsafe polytope.
fn violates(net: &Network, property: &Property, x: &[f64]) -> bool {
    let x: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
    let y = evaluate(net, &x).swap_remove(net.output());
    let inside = |half: &HalfSpace| {
        let terms = half.coefficients.iter().map(|&(j, a)| exact(a) * &y[j]);
        let value = terms.fold(exact(0.0), |sum, term| sum + term);
        // Right sides are doubles here, so both roundings are the number itself.
        value < exact(half.bound_up) || (!half.strict && value == exact(half.bound_up))
    };
    property.claims[0].unsafe_set.iter().any(|polytope| polytope.iter().all(inside))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Combined half-spaces, their clips and optimised slopes exclude no point of an intersection.
    #[test]
    fn intersections_tell_the_truth(words in words()) {
        let (net, property, points) = intersections(&words);
        let never = || false;
        let limits = Limits { domains: 2_000, ..Limits::starting_now(None, &never) };
        match split_inputs(&net, &property, &limits, None).answer {
            Answer::Proved => {
                for x in &points {
                    prop_assert!(!violates(&net, &property, x), "proved, but {x:?} violates");
                }
            }
            Answer::Refuted(found) => prop_assert!(violates(&net, &property, found.input())),
            Answer::Open(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn searches_tell_the_truth(words in words()) {
        let (net, property, row, points, bound) = query(&words);
        let never = || false;
        let limits = || Limits::starting_now(Some(Duration::from_millis(200)), &never);
        let inputs = split_inputs(&net, &property, &limits(), None);
        let relus = split_relus(&net, &property, &limits());
        check(&inputs, &net, &row, &points, bound)?;
        check(&relus, &net, &row, &points, bound)?;
        let contradiction = matches!(
            (&inputs.answer, &relus.answer),
            (Answer::Proved, Answer::Refuted(_)) | (Answer::Refuted(_), Answer::Proved)
        );
        prop_assert!(!contradiction);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Intervals by short searches are no wider than before, and hold every value at every point.
    #[test]
    fn short_searches_tell_the_truth(words in words()) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, Kind::Relu);
        let (lower, upper, points) = region(&mut choices, net.inputs());
        let input = Boxes::single(&lower, &upper);
        let before = Analysis::of_region(&net, &input, Intermediate::Crown);
        let refined = refine_intermediate(&before, 8, None, &|| false).analysis;
        for x in &points {
            let x: Vec<Rational> = x.iter().map(|&x| exact(x)).collect();
            for (id, values) in evaluate(&net, &x).iter().enumerate() {
                let (old, new) = (&before.layers.boxes[id], &refined.layers.boxes[id]);
                for (i, value) in values.iter().enumerate() {
                    prop_assert!(new.lower[i] >= old.lower[i] && new.upper[i] <= old.upper[i]);
                    prop_assert!(exact(new.lower[i]) <= *value && *value <= exact(new.upper[i]));
                }
            }
        }
    }
}

#[test]
fn an_interlude_comes_once_and_may_end_the_search() {
    let never = || false;
    let limits = Limits { domains: 2_000, ..Limits::starting_now(None, &never) };
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/control/mlp_plain.onnx");
    let net = load_network(&file).unwrap().network;
    let ends = (exact(-0.5), exact(0.5));
    let region = Region::from_bounds(&vec![ends; net.inputs()]).unwrap();
    // The torque stays below c: with less and less to spare until that takes a few splits.
    let (property, plain) = (0..10_000)
        .find_map(|step| {
            let half = HalfSpace::from_exact(
                &[(0, exact(-1.0))],
                &exact(f64::from(step - 10_000) / 1024.0),
                false,
            );
            let unsafe_set = vec![vec![half.unwrap()]];
            let claims = vec![Claim { region: region.clone(), unsafe_set }];
            let property = Property { claims, uses_inputs: false };
            let plain = split_inputs(&net, &property, &limits, None);
            let suits = matches!(plain.answer, Answer::Proved) && plain.visited > 2;
            suits.then_some((property, plain))
        })
        .expect("some c takes splits");
    let search = |after: usize, end: bool| {
        let asked = Cell::new(0);
        let attempt = || {
            asked.set(asked.get() + 1);
            end
        };
        let searched =
            split_inputs(&net, &property, &limits, Some(Interlude { after, attempt: &attempt }));
        (searched, asked.get())
    };
    let (on, asked) = search(1, false);
    assert!(matches!(on.answer, Answer::Proved));
    assert_eq!((on.visited, on.bound, asked), (plain.visited, plain.bound, 1));
    let (ended, asked) = search(1, true);
    assert!(matches!(ended.answer, Answer::Open(Reason::Cancelled)));
    assert!((1..plain.visited).contains(&ended.visited) && ended.open > 0 && asked == 1);
    let (late, asked) = search(plain.visited, true);
    assert!(matches!(late.answer, Answer::Proved) && asked == 0);
}
