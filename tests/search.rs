//! Branch and bound against exact arithmetic: what is proved has no counterexample, what is refuted has one, and the two
//! ways of branching never contradict each other.

mod common;

use certus::internal::attack::SplitMix64;
use certus::internal::bound::{Analysis, Intermediate};
use certus::internal::branch::{
    Answer, End, Interlude, Limits, Reason, Searched, Tree, refine_intermediate, search,
    split_inputs, split_relus,
};
use certus::internal::load::load_network;
use certus::internal::net::{Boxes, Function, LinearMap, Matrix, Network, NetworkBuilder, Term};
use certus::internal::num::{Rational, from_f64};
use certus::internal::spec::{Claim, HalfSpace, Property, Region};
use certus::internal::verify::{Settings, Verdict, verify};
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
    #![proptest_config(common::cases(400))]

    /// Combined half-spaces, their clips and optimised slopes exclude no point of an intersection.
    #[test]
    fn intersections_tell_the_truth(words in words()) {
        let (net, property, points) = intersections(&words);
        let never = || false;
        let limits = Limits { domains: 2_000, ..Limits::starting_now(None, &never) };
        match split_inputs(&net, &property, &limits, None, &mut []).answer {
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
    #![proptest_config(common::cases(200))]

    #[test]
    fn searches_tell_the_truth(words in words()) {
        let (net, property, row, points, bound) = query(&words);
        let never = || false;
        let limits = || Limits::starting_now(Some(Duration::from_millis(200)), &never);
        let inputs = split_inputs(&net, &property, &limits(), None, &mut []);
        let relus = split_relus(&net, &property, &limits(), None, (Vec::new(), &mut []));
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
    #![proptest_config(common::cases(300))]

    /// Intervals by short searches are no wider than before, and hold every value at every point.
    #[test]
    fn short_searches_tell_the_truth(words in words()) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, Kind::Relu);
        let (lower, upper, points) = region(&mut choices, net.inputs());
        let input = Boxes::single(&lower, &upper);
        let before = Analysis::of_region(&net, &input, Intermediate::Crown);
        let refined = refine_intermediate(&before, 8, false, &|| false).analysis;
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

/// A network of S-shaped neurons, and ReLUs among them, with more inputs than are split.
fn curved(seed: u64) -> Network {
    let mut state = seed;
    let mut noise = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    };
    let mut builder = NetworkBuilder::new(24, "x").unwrap();
    let mut last = 0;
    for (layer, (from, to)) in [(24, 6), (6, 5), (5, 4), (4, 1)].into_iter().enumerate() {
        let scale = 3.0 / f64::from(from).sqrt();
        let map =
            LinearMap::from_matrix(Matrix::from_fn(to, from as usize, |_, _| scale * noise()));
        let bias = (0..to).map(|_| 0.3 * noise()).collect();
        last = builder.affine(vec![Term { source: last, map }], bias, 0, "z").unwrap();
        last = match layer {
            0 => builder.elementwise(Function::Tanh, &[last], "tanh").unwrap(),
            1 => builder.relu(last, "relu").unwrap(),
            2 => builder.elementwise(Function::Sigmoid, &[last], "sigmoid").unwrap(),
            _ => last,
        };
    }
    builder.finish(last).unwrap()
}

#[test]
fn s_shaped_neurons_are_split() {
    let never = || false;
    let (mut split, mut proved) = (0, 0);
    for seed in 0..12 {
        let net = curved(seed);
        let mut state = seed + 99;
        let points = Matrix::from_fn(24, 5_000, |i, c| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
            let t = (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0;
            // Corners too.
            if (i + c) % 3 == 0 { 0.25 * t } else { 0.25 * t.signum() }
        });
        let outputs = net.evaluate(&points);
        let input = Boxes::single(&[-0.25; 24], &[0.25; 24]);
        let root = Analysis::of_region(&net, &input, Intermediate::Crown);
        let low = root.lower(&Matrix::from_element(1, 1, 1.0), &[0]).bounds[0];
        let bound = low + 0.5 * (outputs.min() - low);
        let half = HalfSpace::from_exact(&[(0, exact(1.0))], &exact(bound), false).unwrap();
        let region = Region::from_bounds(&vec![(exact(-0.25), exact(0.25)); 24]).unwrap();
        let claims = vec![Claim { region, unsafe_set: vec![vec![half]] }];
        let property = Property { claims, uses_inputs: false };
        let limits = Limits { domains: 3_000, ..Limits::starting_now(None, &never) };
        let searched = search(&net, &property, &limits, None, (Vec::new(), &mut []));
        split += usize::from(searched.visited > 1);
        proved += usize::from(matches!(searched.answer, Answer::Proved));
        // Sampled outputs are far from the bound, beyond all rounding.
        match searched.answer {
            Answer::Proved => assert!(outputs.min() > bound && searched.bound > 0.0),
            Answer::Refuted(found) => {
                let x = Matrix::from_column_slice(24, 1, found.input());
                assert!(net.evaluate(&x)[0] <= bound + 1e-12);
            }
            Answer::Open(reason) => assert_eq!(reason, Reason::DomainLimit),
        }
    }
    assert!(split >= 6 && proved >= 6, "{split} split, {proved} proved");
}

#[test]
fn an_interlude_comes_before_splits_of_neurons() {
    let never = || false;
    let net = curved(1);
    let input = Boxes::single(&[-0.25; 24], &[0.25; 24]);
    let root = Analysis::of_region(&net, &input, Intermediate::Crown);
    let low = root.lower(&Matrix::from_element(1, 1, 1.0), &[0]).bounds[0];
    let centre = net.evaluate(&Matrix::zeros(24, 1))[0];
    let run = |bound: f64, work: f64, end: bool| {
        let half = HalfSpace::from_exact(&[(0, exact(1.0))], &exact(bound), false).unwrap();
        let region = Region::from_bounds(&vec![(exact(-0.25), exact(0.25)); 24]).unwrap();
        let claims = vec![Claim { region, unsafe_set: vec![vec![half]] }];
        let property = Property { claims, uses_inputs: false };
        let asked = Cell::new(0);
        let attempt = || {
            asked.set(asked.get() + 1);
            end
        };
        let limits = Limits { domains: 3_000, ..Limits::starting_now(None, &never) };
        let interlude = Interlude { after: 0, work, attempt: &attempt };
        (split_relus(&net, &property, &limits, Some(interlude), (Vec::new(), &mut [])), asked.get())
    };
    // Bounds of the whole region suffice.
    let (easy, asked) = run(low - 1.0, 1e9, true);
    assert!(matches!(easy.answer, Answer::Proved) && asked == 0);
    // They do not: it comes after them, or before those that cost more.
    let undecided = |bound: &f64| {
        let answer = run(*bound, 1e9, true).0.answer;
        matches!(answer, Answer::Open(Reason::Cancelled))
    };
    let bounds = (1..40).map(|i| low + 0.025 * f64::from(i) * (centre - low));
    let doubtful = bounds.into_iter().find(undecided).expect("a bound that takes a search");
    for (work, most) in [(1e9, 1), (0.0, 0)] {
        let (ended, asked) = run(doubtful, work, true);
        assert!(matches!(ended.answer, Answer::Open(Reason::Cancelled)), "{:?}", ended.answer);
        assert_eq!((ended.visited, asked), (most, 1));
        let (on, asked) = run(doubtful, work, false);
        assert!(!matches!(on.answer, Answer::Open(Reason::Cancelled)));
        assert!(on.visited > 1 && asked == 1);
    }
}

proptest! {
    #![proptest_config(common::cases(150))]

    /// No output of a sampled input is beyond what splits of S-shaped neurons prove.
    #[test]
    fn searches_of_curves_tell_the_truth(words in words()) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, Kind::Curves);
        let (lower, upper, points) = region(&mut choices, net.inputs());
        let values: Vec<f64> = points
            .iter()
            .map(|x| net.evaluate(&Matrix::from_column_slice(x.len(), 1, x))[0])
            .collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let bound = least + f64::from(choices.below(9)) / 16.0 - 0.3125;
        let half = HalfSpace::from_exact(&[(0, exact(1.0))], &exact(bound), false).unwrap();
        let bounds: Vec<(Rational, Rational)> =
            lower.iter().zip(&upper).map(|(&l, &u)| (exact(l), exact(u))).collect();
        let region = Region::from_bounds(&bounds).unwrap();
        let claims = vec![Claim { region, unsafe_set: vec![vec![half]] }];
        let property = Property { claims, uses_inputs: false };
        let never = || false;
        let limits = Limits { domains: 300, ..Limits::starting_now(None, &never) };
        match split_relus(&net, &property, &limits, None, (Vec::new(), &mut [])).answer {
            Answer::Proved => prop_assert!(least > bound - 1e-9),
            Answer::Refuted(found) => {
                let x = Matrix::from_column_slice(net.inputs(), 1, found.input());
                prop_assert!(net.evaluate(&x)[0] <= bound + 1e-9);
            }
            Answer::Open(_) => {}
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
            let plain = split_inputs(&net, &property, &limits, None, &mut []);
            let suits = matches!(plain.answer, Answer::Proved) && plain.visited > 2;
            suits.then_some((property, plain))
        })
        .expect("some c takes splits");
    let run = |after: usize, end: bool| {
        let asked = Cell::new(0);
        let attempt = || {
            asked.set(asked.get() + 1);
            end
        };
        let searched = split_inputs(
            &net,
            &property,
            &limits,
            Some(Interlude { after, work: 0.0, attempt: &attempt }),
            &mut [],
        );
        (searched, asked.get())
    };
    let (on, asked) = run(1, false);
    assert!(matches!(on.answer, Answer::Proved));
    assert_eq!((on.visited, on.bound, asked), (plain.visited, plain.bound, 1));
    let (ended, asked) = run(1, true);
    assert!(matches!(ended.answer, Answer::Open(Reason::Cancelled)));
    assert!((1..plain.visited).contains(&ended.visited) && ended.open > 0 && asked == 1);
    let (late, asked) = run(plain.visited, true);
    assert!(matches!(late.answer, Answer::Proved) && asked == 0);
}

/// One layer of random ReLUs, and the node that they read.
fn layer(inputs: usize, relus: usize) -> (Network, usize) {
    let mut rng = SplitMix64::new(7, 0);
    let mut number = |scale: f64| scale * (2.0 * rng.unit() - 1.0);
    let mut builder = NetworkBuilder::new(inputs, "x").unwrap();
    let map = LinearMap::from_matrix(Matrix::from_fn(relus, inputs, |_, _| number(1.0)));
    let bias = (0..relus).map(|_| number(0.25)).collect();
    let z = builder.affine(vec![Term { source: 0, map }], bias, 0, "z").unwrap();
    let y = builder.relu(z, "y").unwrap();
    let map = LinearMap::from_matrix(Matrix::from_fn(1, relus, |_, _| number(1.0)));
    let last = builder.affine(vec![Term { source: y, map }], vec![0.0], 0, "last").unwrap();
    (builder.finish(last).unwrap(), z)
}

/// Eighteen inputs and one layer of ReLUs over a whole box: what takes many boxes takes few signs of neurons.
#[test]
fn whichever_split_needs_less_goes_on() {
    let inputs = 18;
    let (net, z) = layer(inputs, 24);
    let region = Region::from_bounds(&vec![(exact(-1.0), exact(1.0)); inputs]).unwrap();
    let above = |target: f64| {
        let half = HalfSpace::from_exact(&[(0, exact(1.0))], &exact(target), false).unwrap();
        let claims = vec![Claim { region: region.clone(), unsafe_set: vec![vec![half]] }];
        Property { claims, uses_inputs: false }
    };
    let never = || false;
    let within = |domains| Limits { domains, ..Limits::starting_now(None, &never) };
    let by_neurons = |target: f64| {
        split_relus(&net, &above(target), &within(2_000), None, (Vec::new(), &mut []))
    };
    let (mut proved, mut open) = (-50.0, 0.0);
    for _ in 0..20 {
        let middle = 0.5 * (proved + open);
        match by_neurons(middle).answer {
            Answer::Proved => proved = middle,
            _ => open = middle,
        }
    }
    let property = above(proved);
    let limits = within(80_000);
    let boxes = split_inputs(&net, &property, &limits, None, &mut []);
    assert!(matches!(boxes.answer, Answer::Open(Reason::DomainLimit)), "{}", boxes.visited);
    let mut trees = [Tree::default()];
    let both = search(&net, &property, &limits, None, (Vec::new(), &mut trees));
    assert!(matches!(both.answer, Answer::Proved), "{}", both.visited);
    assert!(both.bound >= 0.0 && trees[0].nodes.len() > 2);
    // Signs of neurons, not halves of inputs.
    assert!(matches!(trees[0].nodes[0].end, End::Split { node, .. } if node == z));
}

/// A search that ends at the first claim, or polytope, that it leaves open says nothing of those that it has not looked at.
#[test]
fn the_margin_of_what_is_open_is_one_of_everything() {
    let inputs = 24;
    let (net, _) = layer(inputs, 32);
    let region = Region::from_bounds(&vec![(exact(-1.0), exact(1.0)); inputs]).unwrap();
    let half = |target: f64| {
        vec![HalfSpace::from_exact(&[(0, exact(1.0))], &exact(target), false).unwrap()]
    };
    let claim = |unsafe_set| Claim { region: region.clone(), unsafe_set };
    let never = || false;
    let limits = Limits { domains: 1, ..Limits::starting_now(None, &never) };
    // What holds, as samples say and sweeps do not; and what is false by far.
    let points = Matrix::from_fn(inputs, 4_000, |i, c| {
        ((7 * i + 13 * c * (i + 3)) % 101) as f64 / 50.0 - 1.0
    });
    let root = Analysis::of_region(&net, &region.boxes(), Intermediate::Crown);
    let low = root.lower(&Matrix::from_element(1, 1, 1.0), &[0]).bounds[0];
    let (open, far) = (0.5 * low + 0.5 * net.evaluate(&points).min(), 1e3);
    for claims in [
        vec![claim(vec![half(open)]), claim(vec![half(far)])],
        vec![claim(vec![half(open), half(far)])],
    ] {
        let property = Property { claims, uses_inputs: false };
        let searched = split_relus(&net, &property, &limits, None, (Vec::new(), &mut []));
        assert!(matches!(searched.answer, Answer::Open(Reason::DomainLimit)));
        assert!(searched.bound <= -900.0, "{}", searched.bound);
    }
}

/// `auto` ends by counted work, at the same place each time, and goes further with more; audits and radii ask for less.
#[test]
fn auto_ends_after_counted_work() {
    let net = common::seeded::random_relu_net(&[30, 64, 64, 64, 1], 5);
    let region = Region::from_bounds(&vec![(exact(-1.0), exact(1.0)); 30]).unwrap();
    let root = Analysis::of_region(&net, &region.boxes(), Intermediate::Crown);
    let low = root.lower(&Matrix::from_element(1, 1, 1.0), &[0]).bounds[0];
    let points =
        Matrix::from_fn(30, 4_000, |i, c| ((7 * i + 13 * c * (i + 3)) % 101) as f64 / 50.0 - 1.0);
    // Out of reach, and false nowhere near.
    let target = 0.4 * low + 0.6 * net.evaluate(&points).min();
    let half = HalfSpace::from_exact(&[(0, exact(1.0))], &exact(target), false).unwrap();
    let claims = vec![Claim { region, unsafe_set: vec![vec![half]] }];
    let query = common::asked(&net, &Property { claims, uses_inputs: false });
    let ask = |work: f64| {
        let settings = Settings { work: Some(work), ..Settings::default() };
        let outcome = verify(&query, &settings, &|| false);
        let Verdict::Unknown(unknown) = outcome.verdict else { panic!("{outcome:?}") };
        assert_eq!(unknown.reason, Reason::WorkLimit);
        (outcome.effort.visited, outcome.bound)
    };
    let (short, long) = (ask(1e7), ask(1e8));
    assert_eq!(short, ask(1e7));
    assert!(short.0 < long.0 && short.1 <= long.1, "{short:?} {long:?}");
}
