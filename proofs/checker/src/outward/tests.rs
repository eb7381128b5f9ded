//! Outward arithmetic against exact arithmetic.
use super::*;
use crate::exact::Exact;
use crate::map::Convolution;
use crate::state::Intervals;
use crate::sweep::{Batch, Relaxed, Slopes, sweep};
use proptest::prelude::*;

/// A circuit of one affine node.
fn affine(map: Map, bias: Vec<f64>) -> Circuit {
    let mut circuit = Circuit::new(map.columns()).unwrap();
    let node = circuit.push_affine(Affine { terms: vec![(0, Arc::new(map))], bias }).unwrap();
    circuit.set_output(node).unwrap();
    circuit
}

/// Dense, sparse, or a convolution along a line.
fn map(kind: usize, rows: usize, weights: Vec<f64>) -> Map {
    let columns = weights.len() / rows;
    match kind {
        0 => Map::dense(rows, columns, weights).unwrap(),
        1 => {
            let list = |row: &[f64]| row.iter().copied().enumerate().step_by(2).collect();
            Map::sparse(columns, weights.chunks(columns).map(list).collect()).unwrap()
        }
        _ => {
            let side = columns.min(9);
            let convolution = Convolution {
                channels: [rows, 1],
                input: [1, columns],
                output: [1, columns],
                kernel: [1, side],
                strides: [1, 1],
                dilations: [1, 1],
                pads: [0, side / 2],
                groups: 1,
                weights: weights[..rows * side].to_vec(),
            };
            Map::convolution(convolution).unwrap()
        }
    }
}

/// So many cases, or as many as the variable PROPTEST_CASES says.
fn cases(count: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(count),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(500))]
    /// Boxes that are points, symmetric, or anything; with sums that cancel or add up.
    #[test]
    fn an_image_contains_the_exact_one(
        kind in 0usize..3, rows in 1usize..4, ends in prop::collection::vec((-1f64..1.0, 0f64..1.0), 1..60),
        shape in 0usize..3, size in 0i32..40, one_sign: bool, seed in prop::collection::vec(-1f64..1.0, 180),
    ) {
        let weight = |i: usize| if one_sign { seed[i % seed.len()].abs() } else { seed[i % seed.len()] };
        let weights = (0..rows * ends.len()).map(weight).collect();
        let map = map(kind, rows, weights);
        let large = 2f64.powi(size);
        let (low, high): (Vec<f64>, Vec<f64>) = ends.iter().map(|(at, r)| match shape {
            0 => (at * large, at * large),
            1 => (-r, *r),
            _ => (at * large - r, at * large + r),
        }).unzip();
        let bias = (0..map.rows()).map(|i| if shape == 1 { 0.0 } else { seed[i % 7] }).collect();
        let circuit = affine(map, bias);
        let Node::Affine(node) = &circuit.nodes()[1] else { unreachable!() };
        let intervals = [Arc::new(Ends { low, high })];
        let (wide, tight) = (Outward::new().image(node, &intervals), Exact::default().image(node, &intervals));
        for i in 0..tight.low.len() {
            prop_assert!(wide.low[i] <= tight.low[i] && tight.high[i] <= wide.high[i]);
            let size = tight.low[i].abs().max(tight.high[i].abs()) + large;
            prop_assert!(tight.low[i] - wide.low[i] <= 1e-11 * size, "not needlessly wide");
        }
    }
}

#[test]
fn infinite_ends_leave_no_bound_of_what_they_reach() {
    let rows = vec![vec![(0, 1.0)], vec![(1, 0.0)], vec![(2, 1.0)], vec![(2, -1.0)]];
    let circuit = affine(Map::sparse(3, rows).unwrap(), vec![0.0; 4]);
    let Node::Affine(node) = &circuit.nodes()[1] else { unreachable!() };
    let all = f64::INFINITY;
    for (l, u) in [(-all, all), (-all, 0.0), (0.0, all), (-1.0, all)] {
        let ends = Ends { low: vec![0.0, l, l], high: vec![1.0, u, u] };
        let image = Outward::new().image(node, &[Arc::new(ends)]);
        assert!(image.low[0] > -1e-9 && image.high[0] < 1.0 + 1e-9);
        for i in 1..4 {
            assert_eq!((image.low[i], image.high[i]), (-all, all));
        }
    }
    // Ends that are finite, but not their sum.
    let ends = Ends { low: vec![-f64::MAX; 3], high: vec![f64::MAX; 3] };
    let image = Outward::new().image(node, &[Arc::new(ends)]);
    assert!(image.low[0] <= -f64::MAX && image.high[0] >= f64::MAX);
}

#[test]
fn a_coefficient_that_is_no_number_leaves_no_bound() {
    let relaxed = |c: f64| {
        let (mut row, mut sum, mut error) = ([c], [0.0], [0.0]);
        relax(&mut row, [0.25, 0.5], 2.0, 3.0, &mut sum, &mut error);
        (row[0], sum[0], error[0])
    };
    assert_eq!(relaxed(4.0), (1.0, 0.0, 3.0));
    assert_eq!(relaxed(-4.0), (-2.0, -8.0, 6.0));
    assert_eq!(relaxed(0.0), (0.0, 0.0, 0.0));
    for c in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(!relaxed(c).2.is_finite());
    }
}

/// The bounds of −Σ y_i over a tensor, outward and exact.
fn bounds(
    circuit: &Circuit,
    node: usize,
    low: Vec<f64>,
    high: Vec<f64>,
    slopes: &Slopes,
) -> [f64; 2] {
    let mut outward = Outward::new();
    let mut intervals = Intervals::new(circuit, low.clone(), high.clone(), 0);
    intervals.rebuild(&outward, circuit, circuit.nodes().len() - 1);
    outward.enter(circuit, intervals.all());
    let batch = || Batch {
        seeds: (0..circuit.size(node))
            .map(|element| Seed { node, element, lane: 0, factor: 1.0, coefficient: -1.0 })
            .collect(),
        boxes: vec![(0, (&low[..], &high[..]))],
        ..Batch::default()
    };
    let relaxed = Relaxed::new(circuit, &intervals, slopes);
    let outward = sweep(&outward, &relaxed, &mut batch())[0];
    [outward, sweep(&Exact::default(), &relaxed, &mut batch())[0]]
}

/// One lane takes as much memory as four; here 20 numbers each.
#[test]
fn lanes_are_counted_in_fours() {
    let circuit = affine(super::circuits::select(10, (0..10).map(|i| (i, 1.0))), vec![0.0; 10]);
    let room = |numbers| Outward::new().room(&circuit, numbers);
    assert_eq!([79, 80, 159, 160].map(room), [0, 4, 4, 8]);
}

/// A thousand times 0.1 is more than f64 says, one after the other: as inputs, as biases, and as intercepts.
#[test]
fn long_sums_are_charged() {
    const N: usize = 1000;
    let naive: f64 = [0.1; N].iter().sum();
    assert!(naive < 100.0);
    let identity = || super::circuits::select(N, (0..N).map(|i| (i, 1.0)));
    let plain = affine(identity(), vec![0.1; N]);
    let mut bent = affine(identity(), vec![0.0; N]);
    bent.push_relu(1).unwrap();
    bent.set_output(2).unwrap();
    let flat: Slopes = (0..N).map(|i| ((0, i), (None, Some(0.0)))).collect();
    let none = Slopes::default();
    let cases = [
        bounds(&plain, 0, vec![0.1; N], vec![0.1; N], &none),
        bounds(&plain, 1, vec![0.0; N], vec![0.0; N], &none),
        bounds(&bent, 2, vec![-1.0; N], vec![0.1; N], &flat),
    ];
    for [outward, exact] in cases {
        assert!(exact <= -100.0 && outward <= exact, "{outward:e} above {exact:e}");
        assert!(outward >= exact - 1e-8);
    }
}
