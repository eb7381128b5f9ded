//! The same circuit in both arithmetics, on random circuits made to hurt: no outward bound may be above the exact one.
//!
//! A test run tries a few thousand, or `PROPTEST_CASES`; `CERTUS_CIRCUITS=1000000 cargo test --release -p certus-check circuits -- --nocapture` a million,
//! `CERTUS_SEED=7` others.
use super::*;
use crate::exact::Exact;
use crate::map::Convolution;
use crate::state::Intervals;
use crate::sweep::{Batch, Relaxed, Slopes, sweep};

/// y_i = w_i · x_{j_i} for the picks (j_i, w_i).
pub fn select(columns: usize, picks: impl Iterator<Item = (usize, f64)>) -> Map {
    Map::sparse(columns, picks.map(|pick| vec![pick]).collect()).unwrap()
}

/// splitmix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * 2f64.powi(-53)
    }

    fn sign(&mut self) -> f64 {
        if self.one_in(2) { 1.0 } else { -1.0 }
    }
}

/// What the weights of one circuit are like.
#[derive(Clone, Copy)]
enum Taste {
    /// Of size 1, with all bits.
    Plain,
    /// The same number again and again, so that sums drift one way.
    Repeated(f64),
    /// Powers of two from 2^-60 to 2^60, times something.
    Wide,
    /// 1 and −1, a little disturbed: sums cancel.
    Cancelling,
    /// Down to subnormals.
    Small,
    /// From 2^-700 to 2^300: products underflow in the midst of large ones, or overflow.
    Extreme,
}

impl Taste {
    fn any(random: &mut Random) -> Taste {
        match random.below(13) {
            0..2 => Taste::Repeated(0.1),
            2..4 => Taste::Repeated(random.unit()),
            4..6 => Taste::Wide,
            6..8 => Taste::Cancelling,
            8 => Taste::Small,
            9 => Taste::Extreme,
            _ => Taste::Plain,
        }
    }

    fn number(self, random: &mut Random) -> f64 {
        match self {
            _ if random.one_in(12) => 0.0,
            Taste::Plain => 2.0 * random.unit() - 1.0,
            Taste::Repeated(x) => x,
            Taste::Wide => {
                random.sign() * (1.0 + random.unit()) * 2f64.powi(random.below(121) as i32 - 60)
            }
            Taste::Extreme => {
                random.sign() * (1.0 + random.unit()) * 2f64.powi(random.below(1000) as i32 - 700)
            }
            Taste::Cancelling => random.sign() * (1.0 + random.unit() * 2f64.powi(-50)),
            Taste::Small => random.sign() * random.unit() * 2f64.powi(-(random.below(1070) as i32)),
        }
    }
}

struct Builder {
    random: Random,
    taste: Taste,
    circuit: Circuit,
    /// The last node of every tensor so far.
    nodes: Vec<usize>,
}

impl Builder {
    fn numbers(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.taste.number(&mut self.random)).collect()
    }

    /// A dense, sparse (columns may occur twice), selecting or convolving map; `rows` outputs where it may choose.
    fn map(&mut self, columns: usize, rows: usize) -> Map {
        match self.random.below(5) {
            0 => {
                let lists = (0..rows).map(|_| {
                    let count = self.random.below(2 * columns + 1);
                    let list = (0..count).map(|_| {
                        let j = self.random.below(columns);
                        (j, self.taste.number(&mut self.random))
                    });
                    list.collect()
                });
                Map::sparse(columns, lists.collect()).unwrap()
            }
            1 => {
                let picks: Vec<_> = (0..rows)
                    .map(|_| (self.random.below(columns), self.taste.number(&mut self.random)))
                    .collect();
                select(columns, picks.into_iter())
            }
            2 if columns > 2 => {
                let channels = rows.div_ceil(columns);
                let side = 1 + 2 * self.random.below(2);
                let convolution = Convolution {
                    channels: [channels, 1],
                    input: [1, columns],
                    output: [1, columns],
                    kernel: [1, side],
                    strides: [1, 1],
                    dilations: [1, 1],
                    pads: [0, side / 2],
                    groups: 1,
                    weights: self.numbers(channels * side),
                };
                Map::convolution(convolution).unwrap()
            }
            _ => Map::dense(rows, columns, self.numbers(rows * columns)).unwrap(),
        }
    }

    fn affine(&mut self, terms: Vec<(usize, Arc<Map>)>) -> usize {
        let rows = terms[0].1.rows();
        let bias = match self.random.below(4) {
            0 => vec![0.0; rows],
            1 => vec![1.0; rows],
            _ => self.numbers(rows),
        };
        self.circuit.push_affine(Affine { terms, bias }).unwrap()
    }

    /// One more layer on a node: what real networks have, and what only an adversary writes.
    fn grow(&mut self, from: usize) -> usize {
        let size = self.circuit.size(from);
        match self.random.below(9) {
            // An affine layer with a ReLU.
            0 | 1 => {
                let rows = 1 + self.random.below(12);
                let map = Arc::new(self.map(size, rows));
                let z = self.affine(vec![(from, map)]);
                self.circuit.push_relu(z).unwrap()
            }
            // A chain of ReLUs, each read many times in one sum.
            2 => {
                let scale =
                    if self.random.one_in(2) { self.taste.number(&mut self.random) } else { 0.1 };
                let times = 1 + self.random.below(40);
                let mut at = from;
                for _ in 0..1 + self.random.below(6) {
                    let relu = self.circuit.push_relu(at).unwrap();
                    let map = Arc::new(select(size, (0..size).map(|i| (i, scale))));
                    at = self.affine((0..times).map(|_| (relu, map.clone())).collect());
                }
                at
            }
            // A fan: one tensor read by many ReLUs, whose sum goes on.
            3 => {
                let scale = self.taste.number(&mut self.random);
                let map = Arc::new(select(size, (0..size).map(|i| (i, scale))));
                let times = 1 + self.random.below(30);
                let relus: Vec<_> =
                    (0..times).map(|_| self.circuit.push_relu(from).unwrap()).collect();
                self.affine(relus.into_iter().map(|relu| (relu, map.clone())).collect())
            }
            // A long Concat of one tensor, and a weighted sum of it.
            4 => {
                let times = 1 + self.random.below(60);
                let all = (0..times * size).map(|i| (i % size, 1.0));
                let wide = Arc::new(select(size, all));
                let z = self.affine(vec![(from, wide)]);
                let z = if self.random.one_in(2) { self.circuit.push_relu(z).unwrap() } else { z };
                let weights = self.numbers(times * size);
                let map = Arc::new(Map::dense(1, times * size, weights).unwrap());
                self.affine(vec![(z, map)])
            }
            // A skip connection.
            5 | 6 => {
                let map = self.map(size, size);
                if map.rows() != size {
                    return self.circuit.push_relu(from).unwrap();
                }
                let z = self.affine(vec![(from, Arc::new(map))]);
                let relu = self.circuit.push_relu(z).unwrap();
                let same = Arc::new(select(size, (0..size).map(|i| (i, 1.0))));
                self.affine(vec![(relu, same.clone()), (from, same)])
            }
            // Several tensors of the past.
            7 => {
                let rows = 1 + self.random.below(6);
                let mut terms = vec![];
                for _ in 0..1 + self.random.below(5) {
                    let source = self.nodes[self.random.below(self.nodes.len())];
                    let map = self.map(self.circuit.size(source), rows);
                    if map.rows() == rows {
                        terms.push((source, Arc::new(map)));
                    }
                }
                if terms.is_empty() { from } else { self.affine(terms) }
            }
            _ => self.circuit.push_relu(from).unwrap(),
        }
    }
}

/// A circuit, the box of its inputs, and functionals of its tensors.
pub struct Case {
    pub circuit: Circuit,
    pub low: Vec<f64>,
    pub high: Vec<f64>,
    pub seeds: Vec<Seed>,
    pub constants: Vec<(usize, f64, f64)>,
    pub lanes: usize,
    pub slopes: Slopes,
}

impl Case {
    fn new(seed: u64) -> Case {
        let mut random = Random(seed);
        let inputs = if random.one_in(3) { 1 } else { 1 + random.below(5) };
        let taste = Taste::any(&mut random);
        let circuit = Circuit::new(inputs).unwrap();
        let mut builder = Builder { random, taste, circuit, nodes: vec![0] };
        for _ in 0..1 + builder.random.below(5) {
            let last = builder.nodes[builder.nodes.len() - 1];
            let next = builder.grow(last);
            builder.nodes.push(next);
        }
        let Builder { mut random, mut circuit, nodes, .. } = builder;
        circuit.set_output(nodes[nodes.len() - 1]).unwrap();

        let mut low: Vec<f64> = (0..inputs).map(|_| Taste::Plain.number(&mut random)).collect();
        // Positive inputs keep ReLUs active.
        if random.one_in(2) {
            low.iter_mut().for_each(|x| *x = x.abs());
        }
        let width = [0.0, 0.0, 1.0, 2f64.powi(-30), 2f64.powi(20)][random.below(5)];
        let high: Vec<f64> = low.iter().map(|x| x + width * random.unit()).collect();

        let mut slopes = Slopes::new();
        if random.one_in(3) {
            for (k, node) in circuit.blocks().iter().enumerate() {
                let slope = [random.unit(), random.unit()].map(|s| Some(s).filter(|s| *s > 0.2));
                slopes.insert((k, circuit.size(*node) - 1), slope.into());
            }
        }
        let lanes = [1, 1, 3, 9][random.below(4)];
        let live: Vec<usize> = nodes.iter().copied().filter(|n| circuit.is_live(*n)).collect();
        let (mut seeds, mut constants) = (vec![], vec![]);
        for lane in 0..lanes {
            for _ in 0..1 + random.below(4) {
                let any = live[random.below(live.len())];
                let node = if random.one_in(2) { circuit.output() } else { any };
                let [factor, coefficient] = [0, 1].map(|_| match random.below(3) {
                    0 => random.sign(),
                    _ => taste.number(&mut random),
                });
                for element in 0..circuit.size(node) {
                    seeds.push(Seed { node, element, lane, factor, coefficient });
                }
            }
            for _ in 0..random.below(3) {
                constants.push((lane, taste.number(&mut random), taste.number(&mut random)));
            }
        }
        Case { circuit, low, high, seeds, constants, lanes, slopes }
    }

    pub fn intervals<A: Arithmetic>(
        &self,
        arithmetic: &mut A,
        low: &[f64],
        high: &[f64],
    ) -> Intervals {
        let circuit = &self.circuit;
        let mut intervals = Intervals::new(circuit, low.to_vec(), high.to_vec(), 0);
        intervals.rebuild(arithmetic, circuit, circuit.nodes().len() - 1);
        arithmetic.enter(circuit, intervals.all());
        intervals
    }

    /// Lower bounds of the functionals, times `sign`.
    pub fn sweep<A: Arithmetic>(
        &self,
        arithmetic: &A,
        intervals: &Intervals,
        slopes: &Slopes,
        sign: f64,
    ) -> Vec<f64> {
        let ends = intervals.of(0);
        let seed = |s: &Seed| Seed { factor: sign * s.factor, ..*s };
        let mut batch = Batch {
            seeds: self.seeds.iter().map(seed).collect(),
            constants: self.constants.iter().map(|(lane, a, b)| (*lane, sign * a, *b)).collect(),
            boxes: (0..self.lanes).map(|lane| (lane, (&ends.low[..], &ends.high[..]))).collect(),
        };
        sweep(arithmetic, &Relaxed::new(&self.circuit, intervals, slopes), &mut batch)
    }

    /// Upper bounds of the functionals' values at a point, without rounding; the values themselves where the sign of each
    /// pre-activation is seen.
    fn values(&self, point: &[f64]) -> Vec<f64> {
        let intervals = self.intervals(&mut Exact::default(), point, point);
        self.sweep(&Exact::default(), &intervals, &Slopes::new(), -1.0)
            .into_iter()
            .map(|x| -x)
            .collect()
    }
}

/// How many bounds of a circuit were compared, and how many of them are finite.
fn compare(seed: u64) -> [usize; 2] {
    let case = Case::new(seed);
    let circuit = &case.circuit;
    let mut outward = Outward::new();
    let intervals = case.intervals(&mut outward, &case.low, &case.high);
    let mut seen = [0; 2];
    let mut judge = |outward: f64, exact: f64, what: &str| {
        assert!(outward <= exact, "circuit {seed}: {what}: outward {outward:e}, exact {exact:e}");
        seen[0] += 1;
        seen[1] += outward.is_finite() as usize;
    };
    // Interval arithmetic, one node at a time on the same intervals.
    for (at, node) in circuit.nodes().iter().enumerate().filter(|(at, _)| circuit.is_live(*at)) {
        let Node::Affine(affine) = node else { continue };
        let wide = outward.image(affine, intervals.all());
        let tight = Exact::default().image(affine, intervals.all());
        for i in 0..circuit.size(at) {
            judge(wide.low[i], tight.low[i], "lower end");
            judge(-wide.high[i], -tight.high[i], "upper end");
        }
    }
    let bounds = case.sweep(&outward, &intervals, &case.slopes, 1.0);
    // Slopes that somebody wrote may put relaxed values far outside of the intervals; there the exact bound may be weaker than the
    // outward one, and neither is above the truth.
    if case.slopes.is_empty() {
        let exact = case.sweep(&Exact::default(), &intervals, &case.slopes, 1.0);
        bounds.iter().zip(exact).for_each(|(bound, exact)| judge(*bound, exact, "sweep"));
    }
    let mut random = Random(!seed);
    for _ in 0..3 {
        let ends = case.low.iter().zip(&case.high);
        let point: Vec<f64> = ends
            .map(|(l, u)| match random.below(3) {
                0 => *l,
                1 => *u,
                _ => (l + (u - l) * random.unit()).clamp(*l, *u),
            })
            .collect();
        let values = case.values(&point);
        bounds.iter().zip(values).for_each(|(bound, value)| judge(*bound, value, "value"));
    }
    seen
}

#[test]
fn no_outward_bound_of_a_random_circuit_is_above_the_exact_one() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let count = number("CERTUS_CIRCUITS", number("PROPTEST_CASES", 5000));
    let seed = number("CERTUS_SEED", 0);
    let mut seen = [0; 2];
    for i in 0..count {
        let one = compare(seed.wrapping_mul(1 << 40).wrapping_add(i));
        (0..2).for_each(|k| seen[k] += one[k]);
    }
    let [all, finite] = seen;
    println!("{count} circuits, {all} bounds, {finite} of them finite: none above the exact one");
    assert!(finite * 10 > all * 9, "{finite} of {all} bounds are finite");
}
