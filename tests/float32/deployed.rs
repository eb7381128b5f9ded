//! What a runtime may make of a graph in single precision: sums in any order and shape, with fused multiply-adds or without, affine
//! operators folded or not. It is written without a look at the code that is tested.

use certus::internal::attack::SplitMix64;

/// An operator of one tensor, or of two.
#[derive(Debug, Clone)]
pub enum Op {
    /// W x, row by row.
    MatMul(Vec<Vec<f32>>),
    /// x + b.
    Add(Vec<f32>),
    /// c x.
    Mul(Vec<f32>),
    /// scale (x − mean) / √(variance + 1e-5) + shift.
    BatchNormalization([Vec<f32>; 4]),
    Relu,
    LeakyRelu(f32),
    /// max(x, c).
    Max(Vec<f32>),
    /// x plus another tensor.
    Plus(usize),
    /// x minus another tensor.
    Minus(usize),
}

/// A graph: the input is tensor 0, each operator reads a tensor and makes the next one. The last is the output.
#[derive(Debug, Clone)]
pub struct Graph {
    pub inputs: usize,
    pub nodes: Vec<(Op, usize)>,
}

/// A number that is still a sum of products of folded weights and computed numbers.
#[derive(Clone)]
struct Sum {
    terms: Vec<(f32, (usize, usize), f32)>,
    constants: Vec<f32>,
}

/// A tensor: its computed values, where there are any yet, and the sums that they come from.
struct Tensor {
    sums: Vec<Sum>,
    values: Option<Vec<f32>>,
}

pub struct Runtime<'a> {
    graph: &'a Graph,
    rng: SplitMix64,
    tensors: Vec<Tensor>,
    /// How likely an operator is folded into the next one.
    folds: f64,
}

impl<'a> Runtime<'a> {
    /// The outputs of one evaluation.
    pub fn run(graph: &'a Graph, x: &[f32], seed: u64) -> Vec<f32> {
        let mut rng = SplitMix64::new(seed, 1);
        let folds = [0.0, 0.5, 1.0][(rng.unit() * 3.0) as usize];
        let mut this = Self { graph, rng, tensors: Vec::new(), folds };
        this.put(x.to_vec());
        for (op, x) in &graph.nodes {
            this.node(op, *x);
        }
        this.values(graph.nodes.len())
    }

    fn coin(&mut self, chance: f64) -> bool {
        self.rng.unit() < chance
    }

    fn put(&mut self, values: Vec<f32>) {
        let at = self.tensors.len();
        let own =
            |(i, &v): (usize, &f32)| Sum { terms: vec![(1.0, (at, i), v)], constants: vec![] };
        let sums = values.iter().enumerate().map(own).collect();
        self.tensors.push(Tensor { sums, values: Some(values) });
    }

    /// The values of a tensor as a function that is no sum reads them.
    fn values(&mut self, at: usize) -> Vec<f32> {
        if let Some(values) = &self.tensors[at].values {
            return values.clone();
        }
        let sums = self.tensors[at].sums.clone();
        let values: Vec<f32> = sums.iter().map(|sum| self.add_up(sum)).collect();
        self.tensors[at].values = Some(values.clone());
        values
    }

    /// What a sum reads: the values, or the sums that they are.
    fn sums(&mut self, at: usize) -> Vec<Sum> {
        if self.coin(self.folds) {
            return self.tensors[at].sums.clone();
        }
        let values = self.values(at);
        let own =
            |(i, &v): (usize, &f32)| Sum { terms: vec![(1.0, (at, i), v)], constants: vec![] };
        values.iter().enumerate().map(own).collect()
    }

    /// All of these numbers and products, in a random order, two at a time.
    fn add_up(&mut self, sum: &Sum) -> f32 {
        let mut pool: Vec<(f32, f32)> = sum.terms.iter().map(|&(w, _, x)| (w, x)).collect();
        pool.extend(sum.constants.iter().map(|&c| (1.0, c)));
        let in_turn = self.coin(0.3);
        if in_turn && self.coin(0.5) {
            pool.reverse();
        }
        while pool.len() > 1 {
            let one = if in_turn { pool.len() - 1 } else { self.below(pool.len()) };
            let (w, x) = pool.swap_remove(one);
            let other = if in_turn { pool.len() - 1 } else { self.below(pool.len()) };
            let (v, y) = pool.swap_remove(other);
            let fused = self.coin(0.5);
            let value = if fused && w != 1.0 { w.mul_add(x, v * y) } else { w * x + v * y };
            pool.push((1.0, value));
        }
        pool.pop().map_or(0.0, |(w, x)| w * x)
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.rng.unit() * n as f64) as usize).min(n - 1)
    }

    /// c · sum, folded.
    fn times(sum: &Sum, c: f32) -> Sum {
        if c == 1.0 {
            return sum.clone();
        }
        let terms = sum.terms.iter().map(|&(w, at, x)| (w * c, at, x)).collect();
        Sum { terms, constants: sum.constants.iter().map(|b| b * c).collect() }
    }

    /// The sum of sums; weights of one number are perhaps added up, and constants.
    fn joined(&mut self, sums: Vec<Sum>) -> Sum {
        let mut all = Sum { terms: vec![], constants: vec![] };
        for sum in sums {
            all.terms.extend(sum.terms);
            all.constants.extend(sum.constants);
        }
        if self.coin(0.5) {
            let mut merged: Vec<(f32, (usize, usize), f32)> = Vec::new();
            for term in std::mem::take(&mut all.terms) {
                match merged.iter_mut().find(|other| other.1 == term.1) {
                    Some(other) => other.0 += term.0,
                    None => merged.push(term),
                }
            }
            all.terms = merged;
        }
        if self.coin(0.5) && all.constants.len() > 1 {
            let constants = Sum { terms: vec![], constants: std::mem::take(&mut all.constants) };
            all.constants = vec![self.add_up(&constants)];
        }
        all
    }

    fn node(&mut self, op: &Op, x: usize) {
        let sums = match op {
            Op::Relu | Op::LeakyRelu(_) | Op::Max(_) => {
                let values = self.values(x);
                let values = values.iter().enumerate().map(|(i, &v)| match op {
                    Op::LeakyRelu(a) => {
                        if v < 0.0 {
                            a * v
                        } else {
                            v
                        }
                    }
                    Op::Max(c) => v.max(c[i]),
                    _ => v.max(0.0),
                });
                let values = values.collect();
                return self.put(values);
            }
            Op::MatMul(rows) => {
                let x = self.sums(x);
                rows.iter()
                    .map(|row| {
                        let parts = row.iter().zip(&x).map(|(&w, x)| Self::times(x, w)).collect();
                        self.joined(parts)
                    })
                    .collect()
            }
            Op::Add(b) => {
                let x = self.sums(x);
                let one =
                    |x: &Sum, b: f32| vec![x.clone(), Sum { terms: vec![], constants: vec![b] }];
                x.iter().zip(b).map(|(x, &b)| self.joined(one(x, b))).collect()
            }
            Op::Mul(c) => self.sums(x).iter().zip(c).map(|(x, &c)| Self::times(x, c)).collect(),
            Op::Plus(y) | Op::Minus(y) => {
                let sign = if matches!(op, Op::Plus(_)) { 1.0 } else { -1.0 };
                let (x, y) = (self.sums(x), self.sums(*y));
                let pairs = x.into_iter().zip(y);
                pairs.map(|(x, y)| self.joined(vec![x, Self::times(&y, sign)])).collect()
            }
            Op::BatchNormalization([scale, shift, mean, variance]) => {
                let x = self.sums(x);
                (0..x.len())
                    .map(|i| {
                        let deviation = (variance[i] + 1e-5f32).sqrt();
                        let by_root = self.coin(0.5);
                        let a = if by_root {
                            scale[i] * (1.0 / deviation)
                        } else {
                            scale[i] / deviation
                        };
                        if self.coin(0.5) {
                            let constant = shift[i] - mean[i] * a;
                            let constants = vec![constant];
                            let parts =
                                vec![Self::times(&x[i], a), Sum { terms: vec![], constants }];
                            return self.joined(parts);
                        }
                        let centred =
                            vec![x[i].clone(), Sum { terms: vec![], constants: vec![-mean[i]] }];
                        let centred = self.joined(centred);
                        let value = self.add_up(&centred);
                        let once = self.coin(0.5);
                        let value = if once { value * a } else { value / deviation * scale[i] };
                        Sum { terms: vec![], constants: vec![value + shift[i]] }
                    })
                    .collect()
            }
        };
        self.tensors.push(Tensor { sums, values: None });
        if self.coin(1.0 - self.folds) {
            let _ = self.values(self.tensors.len() - 1);
        }
        let _ = self.graph;
    }
}
