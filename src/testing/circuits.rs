//! Random circuits made to hurt: long sums, fans and chains of active ReLUs, tensors read many times, cancellation, subnormals, overflow.

use super::FITS;
use crate::attack::SplitMix64;
use crate::net::{
    Conv, ConvGeometry, LinearMap, Matrix, Network, NetworkBuilder, NodeId, Sparse, Term,
};

/// Which numbers a circuit is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// 1, halves of units in the last place around it, and what cancels them.
    Near,
    /// 2^±60, and subnormals.
    Wide,
    /// Beyond what doubles hold, too.
    Vast,
}

/// A circuit under construction.
pub struct Circuit {
    pub dice: SplitMix64,
    numbers: Numbers,
    builder: NetworkBuilder,
    nodes: Vec<NodeId>,
}

const U: f64 = f64::EPSILON / 2.0;

impl Circuit {
    /// A random circuit, and what it was drawn with.
    pub fn random(seed: u64) -> (Network, Numbers, SplitMix64) {
        let mut dice = SplitMix64::new(seed, 0);
        let numbers = match dice.below(8) {
            0 | 1 => Numbers::Wide,
            2 => Numbers::Vast,
            _ => Numbers::Near,
        };
        let inputs = 1 + dice.below(3);
        let builder = NetworkBuilder::new(inputs, "x").expect(FITS);
        let mut circuit = Self { dice, numbers, builder, nodes: vec![0] };
        for _ in 0..1 + circuit.dice.below(8) {
            let node = circuit.step();
            circuit.nodes.push(node);
        }
        let last = *circuit.nodes.last().expect(FITS);
        let output = circuit.dense(last);
        (circuit.builder.finish(output).expect(FITS), numbers, circuit.dice)
    }

    fn step(&mut self) -> NodeId {
        let last = self.pick();
        match self.dice.below(9) {
            0 => self.dense(last),
            1 | 2 => {
                let z = self.dense(last);
                self.builder.relu(z, "relu").expect(FITS)
            }
            3 => self.chain(last),
            4 => self.fan(last),
            5 => self.repeated(last),
            6 => self.concatenation(),
            7 => self.convolution(last),
            _ => self.long_sum(last),
        }
    }

    /// Mostly the newest node, sometimes any.
    fn pick(&mut self) -> NodeId {
        let any = self.dice.below(self.nodes.len());
        if self.dice.below(4) == 0 { self.nodes[any] } else { *self.nodes.last().expect(FITS) }
    }

    fn len(&self, node: NodeId) -> usize {
        self.builder.len(node).expect(FITS)
    }

    fn number(&mut self) -> f64 {
        let dice = &mut self.dice;
        let fine = |dice: &mut SplitMix64| (dice.below(9) as f64 - 4.0) * U;
        match (self.numbers, dice.below(10)) {
            (Numbers::Wide, 0) => dice.sign() * 2f64.powi(dice.below(121) as i32 - 60),
            (Numbers::Wide, 1) => dice.sign() * f64::from_bits(1 + dice.below(1 << 20) as u64),
            (Numbers::Vast, 0..=2) => dice.sign() * 2f64.powi(dice.below(1000) as i32 - 300),
            (_, 0) => 0.0,
            (_, 1) => dice.sign(),
            (_, 2 | 3) => dice.sign() * (1.0 + fine(dice)),
            (_, 4) => fine(dice),
            (_, 5) => dice.sign() * U * (1.0 + fine(dice)),
            _ => 2.0 * dice.unit() - 1.0,
        }
    }

    fn numbers(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.number()).collect()
    }

    /// Terms of a sum: often one number and then many that each are lost beside it, all in one direction.
    fn terms(&mut self, n: usize) -> Vec<f64> {
        if self.dice.below(2) == 0 {
            return self.numbers(n);
        }
        let (sign, first) = (self.dice.sign(), self.dice.below(2).min(n - 1));
        let small = sign * [U, U, 0.75 * U, 1.5 * U][self.dice.below(4)];
        let mut terms = vec![small; n];
        terms[first] = self.dice.sign();
        terms
    }

    /// A bias: often one that keeps ReLUs active, or inactive.
    fn bias(&mut self, n: usize) -> Vec<f64> {
        match self.dice.below(4) {
            0 => vec![0.0; n],
            1 => self.numbers(n).iter().map(|b| b.abs() + 2.0).collect(),
            _ => self.numbers(n),
        }
    }

    fn dense(&mut self, source: NodeId) -> NodeId {
        let (rows, len) = (1 + self.dice.below(5), self.len(source));
        let weights = self.numbers(rows * len);
        let mut terms = vec![Term {
            source,
            map: LinearMap::from_matrix(Matrix::from_vec(rows, len, weights)),
        }];
        if self.dice.below(3) == 0 {
            let source = self.pick();
            let len = self.len(source);
            let row = |this: &mut Self| {
                let column = this.dice.below(len);
                vec![(column, this.number())]
            };
            let rows = (0..rows).map(|_| row(self)).collect();
            terms.push(Term { source, map: LinearMap::from_rows(len, rows) });
        }
        let bias = self.bias(rows);
        self.builder.affine(terms, bias, 0, "dense").expect(FITS)
    }

    /// Single elements through ReLUs in a row, mostly active, each behind a little sum.
    fn chain(&mut self, source: NodeId) -> NodeId {
        let (mut last, len) = (source, self.len(source));
        let scale = self.number();
        for _ in 0..1 + self.dice.below(12) {
            let mut terms = vec![Term { source: last, map: LinearMap::Identity(len) }];
            if self.dice.below(2) == 0 {
                let map = LinearMap::Sparse(Sparse::diagonal(&vec![scale; len]));
                terms.push(Term { source: last, map });
            }
            let bias = self.bias(len);
            let z = self.builder.affine(terms, bias, 0, "link").expect(FITS);
            last = self.builder.relu(z, "relu").expect(FITS);
        }
        last
    }

    /// A sum of many terms that read one node, directly or through nodes of their own.
    fn fan(&mut self, source: NodeId) -> NodeId {
        let len = self.len(source);
        let through = self.dice.below(3) == 0;
        let mut terms = Vec::new();
        let count = 1 + self.dice.below(40);
        let scales = self.terms(count);
        for scale in scales {
            let scales = vec![scale; len];
            let map = match self.dice.below(3) {
                0 => LinearMap::Identity(len),
                _ => LinearMap::Sparse(Sparse::diagonal(&scales)),
            };
            let own = if through {
                let z = self.builder.linear(source, LinearMap::Identity(len), "z").expect(FITS);
                self.builder.relu(z, "relu").expect(FITS)
            } else {
                source
            };
            terms.push(Term { source: own, map });
        }
        let bias = self.bias(len);
        self.builder.affine(terms, bias, 0, "fan").expect(FITS)
    }

    /// Rows that name the same element over and over.
    fn repeated(&mut self, source: NodeId) -> NodeId {
        let (rows, len) = (1 + self.dice.below(2), self.len(source));
        let count = 1 + self.dice.below(120);
        let row = |this: &mut Self| {
            let column = this.dice.below(len);
            this.terms(count).into_iter().map(|weight| (column, weight)).collect()
        };
        let rows: Vec<Vec<(usize, f64)>> = (0..rows).map(|_| row(self)).collect();
        let bias = self.bias(rows.len());
        let terms = vec![Term { source, map: LinearMap::from_rows(len, rows) }];
        self.builder.affine(terms, bias, 0, "repeated").expect(FITS)
    }

    /// Nodes side by side, one of them several times.
    fn concatenation(&mut self) -> NodeId {
        let parts: Vec<NodeId> = (0..1 + self.dice.below(6)).map(|_| self.pick()).collect();
        let total: usize = parts.iter().map(|&part| self.len(part)).sum();
        let mut terms = Vec::new();
        let mut offset = 0;
        for source in parts {
            let len = self.len(source);
            let targets: Vec<usize> = (offset..offset + len).collect();
            offset += len;
            let map = LinearMap::Sparse(Sparse::scatter(len, total, &targets));
            terms.push(Term { source, map });
        }
        if total > 200 {
            return self.dense(0);
        }
        self.builder.affine(terms, vec![0.0; total], 0, "concatenation").expect(FITS)
    }

    fn convolution(&mut self, source: NodeId) -> NodeId {
        let len = self.len(source);
        let kernel = 1 + self.dice.below(len.min(5));
        let geometry = ConvGeometry {
            input: [1, 1, len],
            channels: 1 + self.dice.below(3),
            kernel: [1, kernel],
            stride: [1, 1 + self.dice.below(2)],
            dilation: [1, 1],
            pads: [0, self.dice.below(2), 0, 0],
            groups: 1,
        };
        let kernels = self.numbers(geometry.fan_in() * geometry.channels);
        let bias = self.bias(geometry.outputs());
        let map = LinearMap::Conv(Conv::new(geometry, &kernels).expect(FITS));
        self.builder.affine(vec![Term { source, map }], bias, 0, "conv").expect(FITS)
    }

    /// One element spread over many, and these summed up again.
    fn long_sum(&mut self, source: NodeId) -> NodeId {
        let (len, wide) = (self.len(source), 2 + self.dice.below(150));
        let map = Sparse::gather(len, (0..wide).map(|i| i % len));
        let terms = vec![Term { source, map: LinearMap::Sparse(map) }];
        let bias = self.bias(wide);
        let z = self.builder.affine(terms, bias, 0, "spread").expect(FITS);
        let y = self.builder.relu(z, "relu").expect(FITS);
        let weights = Matrix::from_row_slice(1, wide, &self.terms(wide));
        let terms = vec![Term { source: y, map: LinearMap::from_matrix(weights) }];
        let bias = self.bias(1);
        self.builder.affine(terms, bias, 0, "sum").expect(FITS)
    }
}

/// A box, often a point or nearly one, and points of it, its corners among them.
pub fn region(dice: &mut SplitMix64, inputs: usize) -> ([Vec<f64>; 2], Vec<Vec<f64>>) {
    let width = [0.0, U, 2f64.powi(-20), 0.5, 2.0][dice.below(5)];
    let lower: Vec<f64> = (0..inputs).map(|_| 2.0 * dice.unit() - 1.0).collect();
    let upper: Vec<f64> = lower
        .iter()
        .map(|l| if dice.below(4) == 0 { *l } else { l + width * dice.unit() })
        .collect();
    let point = |dice: &mut SplitMix64| {
        let pick = |(l, u): (&f64, &f64)| match dice.below(3) {
            0 => *l,
            1 => *u,
            _ => (l + dice.unit() * (u - l)).clamp(*l, *u),
        };
        lower.iter().zip(&upper).map(pick).collect()
    };
    let points = (0..2).map(|_| point(dice)).collect();
    ([lower, upper], points)
}
