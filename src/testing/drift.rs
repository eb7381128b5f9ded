//! Networks, and a point, at which what floating point rounds goes all one way and everything else is exact: where one rounding
//! is not charged for, a bound passes the value.

use super::FITS;
use crate::attack::SplitMix64;
use crate::net::{
    Conv, ConvGeometry, LinearMap, Matrix, Network, NetworkBuilder, NodeId, Sparse, Term,
};
use crate::testing::dyadic::{self, Dyadic, dot};

/// Half the distance from 1 to the next double.
const U: f64 = f64::EPSILON / 2.0;

/// A slope that a proof may write, a multiple of 2⁻³² next to 1, by which c loses nearly half a unit in the last place; 1 where there is
/// none among so many.
#[must_use]
pub fn slope(c: f64) -> f64 {
    let slopes = (1..4096).map(|k| 1.0 - f64::from(k) * 2f64.powi(-32));
    slopes.into_iter().find(|s| loses(c.abs(), *s)).unwrap_or(1.0)
}

/// Whether a·b is rounded towards zero by nearly half a unit.
fn loses(a: f64, b: f64) -> bool {
    let product = a * b;
    a.mul_add(b, -product) > 0.7 * U * product
}

/// A factor that takes c to a little above `to`, and loses as much as can be.
fn factor(c: f64, to: f64, dice: &mut SplitMix64) -> f64 {
    let near = |dice: &mut SplitMix64| to * (1.0 + 1e-4 * dice.unit()) / c;
    (0..200).map(|_| near(dice)).find(|w| loses(c, *w)).unwrap_or(to / c)
}

struct Drift {
    dice: SplitMix64,
    b: NetworkBuilder,
    last: NodeId,
    /// The point.
    x: Vec<f64>,
}

/// A network and the point at which it is looked at.
#[must_use]
pub fn drifting(seed: u64) -> (Network, Vec<f64>) {
    let dice = SplitMix64::new(seed, 111);
    // Mostly one more input takes away what the network's value is, or adds 1: sums of constants round beside 1, or next to nothing.
    let own = build(dice.clone(), None);
    match SplitMix64::new(seed, 112).below(6) {
        0 => own,
        _ if own.1.len() > 1 => own,
        1 | 2 => build(dice, Some(1.0)),
        _ => {
            let (net, x) = &own;
            let value = dyadic::evaluate(net, x)[net.output()][0].nearest();
            if value.abs() < 1e300 { build(dice, Some(-value)) } else { own }
        }
    }
}

fn build(mut dice: SplitMix64, beside: Option<f64>) -> (Network, Vec<f64>) {
    let kind = dice.below(9);
    let inputs = if matches!(kind, 2 | 6) { 2 + dice.below(120) } else { 1 };
    let mut x = vec![if dice.below(2) == 0 { 1.0 } else { 1.0 + dice.unit() }; inputs];
    if matches!(kind, 4 | 7) {
        x[0] = 2f64.powi(-40);
    }
    let more = usize::from(beside.is_some());
    let mut b = NetworkBuilder::new(inputs + more, "x").expect(FITS);
    let mut last = 0;
    if more > 0 {
        let first = LinearMap::Sparse(Sparse::gather(inputs + more, 0..inputs));
        last = b.linear(0, first, "first").expect(FITS);
    }
    let mut drift = Drift { dice, b, last, x };
    match kind {
        0 => drift.scaled(Drift::meeting),
        1 => drift.scaled(Drift::column),
        2 => drift.row(),
        3 => drift.chain(),
        4 => drift.biases(),
        5 => drift.scaled(Drift::repeated),
        6 => drift.kink(),
        7 => drift.wide_bias(),
        _ => drift.powers(),
    }
    if let Some(weight) = beside {
        let map = LinearMap::from_matrix(Matrix::from_row_slice(1, 2, &[0.0, weight]));
        let own = Term { source: drift.last, map: LinearMap::Identity(1) };
        let terms = vec![own, Term { source: 0, map }];
        drift.last = drift.b.affine(terms, vec![0.0], 0, "beside").expect(FITS);
        drift.x.push(1.0);
    }
    (drift.b.finish(drift.last).expect(FITS), drift.x)
}

impl Drift {
    fn len(&self) -> usize {
        self.b.len(self.last).expect(FITS)
    }

    fn affine(&mut self, map: LinearMap, bias: Vec<f64>) {
        let terms = vec![Term { source: self.last, map }];
        self.last = self.b.affine(terms, bias, 0, "drift").expect(FITS);
    }

    fn dense(&mut self, rows: usize, weights: &[f64]) {
        let map = LinearMap::from_matrix(Matrix::from_row_slice(rows, self.len(), weights));
        self.affine(map, vec![0.0; rows]);
    }

    fn times(&mut self, scale: f64) {
        let scales = vec![scale; self.len()];
        self.affine(LinearMap::Sparse(Sparse::diagonal(&scales)), vec![0.0; scales.len()]);
    }

    /// Now and then: values are positive where it is called.
    fn perhaps_relu(&mut self) {
        if self.dice.below(2) == 0 {
            self.last = self.b.relu(self.last, "relu").expect(FITS);
        }
    }

    fn sign(&mut self) -> f64 {
        self.dice.sign()
    }

    /// Terms of a sum: one number and then many that are each lost beside it, or one number over and over, or any.
    fn terms(&mut self, n: usize) -> Vec<f64> {
        let any = 1.0 + self.dice.unit();
        match self.dice.below(5) {
            0 => vec![any; n],
            1 => (0..n).map(|_| 1.0 + self.dice.unit()).collect(),
            _ => {
                let small = self.sign() * U * 1.5 * self.dice.unit();
                let at = [0, n - 1][self.dice.below(2)];
                (0..n).map(|i| if i == at { 1.0 } else { small }).collect()
            }
        }
    }

    /// The part between powers of two that cancel: values far from 1 in the midst of it, down to the least doubles.
    fn scaled(&mut self, part: fn(&mut Self)) {
        let powers = [[0, 0], [0, 0], [0, 0], [300, 300], [1060, 1000], [1060, 1000], [1020, 1020]];
        let [down, up] = powers[self.dice.below(powers.len())];
        let two = |power: i32| [power / 2, power - power / 2].map(|p| 2f64.powi(p));
        // 2^-1060 is no product of two normal numbers' roundings: all of these are exact.
        two(-down).into_iter().filter(|_| down > 0).for_each(|scale| self.times(scale));
        part(self);
        two(up).into_iter().filter(|_| up > 0).for_each(|scale| self.times(scale));
    }

    /// A sum of many terms that read one tensor, directly or through a ReLU each: coefficients that meet.
    fn meeting(&mut self) {
        let n = 2 + self.dice.below(60);
        let (source, through) = (self.last, self.dice.below(2) == 0);
        let mut terms = Vec::new();
        for scale in self.terms(n) {
            let mut from = source;
            if through {
                let z = self.b.linear(source, LinearMap::Identity(1), "z").expect(FITS);
                from = self.b.relu(z, "relu").expect(FITS);
            }
            let map = LinearMap::Sparse(Sparse::diagonal(&[scale]));
            terms.push(Term { source: from, map });
        }
        self.last = self.b.affine(terms, vec![0.0], 0, "meeting").expect(FITS);
    }

    /// One element to many, and their sum: products down a column.
    fn column(&mut self) {
        let n = 2 + self.dice.below(400);
        let weights = self.terms(n);
        match self.dice.below(3) {
            0 => {
                let geometry = ConvGeometry {
                    input: [1, 1, 1],
                    channels: n,
                    kernel: [1, 1],
                    stride: [1, 1],
                    dilation: [1, 1],
                    pads: [0; 4],
                    groups: 1,
                };
                let map = LinearMap::Conv(Conv::new(geometry, &weights).expect(FITS));
                self.affine(map, vec![0.0; n]);
            }
            _ => self.dense(n, &weights),
        }
        if weights.iter().all(|w| *w > 0.0) {
            self.perhaps_relu();
        }
        self.dense(1, &vec![1.0; n]);
    }

    /// Many inputs in one sum.
    fn row(&mut self) {
        let n = self.x.len();
        self.x = self.terms(n);
        let weights = if self.dice.below(2) == 0 { vec![1.0; n] } else { self.terms(n) };
        self.dense(1, &weights);
    }

    /// A coefficient through weights, and ReLUs with slopes, in turns: each product is rounded towards zero. From the output on.
    fn chain(&mut self) {
        let (layers, sloped) = (5 + self.dice.below(25), self.dice.below(3) > 0);
        let (mut c, mut weights) = (1.0, Vec::new());
        for _ in 0..layers {
            let w = factor(c, 1.001, &mut self.dice);
            weights.push(w);
            c *= w;
            c *= if sloped { slope(c) } else { 1.0 };
        }
        for w in weights.into_iter().rev() {
            if sloped {
                self.last = self.b.relu(self.last, "relu").expect(FITS);
            }
            self.times(w);
        }
    }

    /// Small biases from layer to layer, beside whatever constant there is.
    fn biases(&mut self) {
        let n = 2 + self.dice.below(60);
        let small = self.sign() * U * self.dice.unit();
        for _ in 0..n {
            self.affine(LinearMap::Identity(1), vec![small]);
            self.perhaps_relu();
        }
    }

    /// A row that names one element over and over.
    fn repeated(&mut self) {
        let n = 2 + self.dice.below(120);
        let row = self.terms(n).into_iter().map(|w| (0, w)).collect();
        self.affine(LinearMap::from_rows(1, vec![row]), vec![0.0]);
    }

    /// The sum of many neurons' biases.
    fn wide_bias(&mut self) {
        let n = 2 + self.dice.below(120);
        let biases = self.terms(n);
        let weights = Matrix::from_element(n, 1, 2f64.powi(-60));
        self.affine(LinearMap::from_matrix(weights), biases);
        self.dense(1, &vec![1.0; n]);
    }

    /// A pre-activation that is next to nothing, so that its sign is a matter of rounding.
    fn kink(&mut self) {
        let n = self.x.len();
        self.x = self.terms(n);
        let mut row: Vec<f64> = (0..n).map(|_| 2.0 * self.dice.unit() - 1.0).collect();
        if self.dice.below(2) == 0 {
            row = self.terms(n);
        }
        let exact = |row: &[f64], x: &[f64]| {
            let x: Vec<Dyadic> = x.iter().map(|&x| Dyadic::from(x)).collect();
            dot(row, &x)
        };
        // The last one cancels the others, now and then by itself; the bias what is left.
        if self.dice.below(2) == 0 {
            (self.x[n - 1], row[n - 1]) = (1.0, 0.0);
            row[n - 1] = -exact(&row, &self.x).nearest();
        }
        let left = exact(&row, &self.x).nearest();
        let bias = -[left, left, left.next_up(), left.next_down()][self.dice.below(4)];
        let map = LinearMap::from_matrix(Matrix::from_row_slice(1, n, &row));
        self.affine(map, vec![bias]);
        self.last = self.b.relu(self.last, "relu").expect(FITS);
        let scale = 2f64.powi(self.dice.below(50) as i32);
        self.times(scale);
    }

    /// Factors across the doubles, so that coefficients become too small for them where values are not.
    fn powers(&mut self) {
        self.x[0] = self.sign() * (1.0 + self.dice.unit()) * 2f64.powi(self.dice.below(600) as i32);
        // The sum of powers so far: values stay below 2^900.
        let mut size = self.x[0].abs().log2() as i32;
        for _ in 0..1 + self.dice.below(4) {
            let most = 900 - size;
            let power = (self.dice.below(1400) as i32 - 700).min(most).max(-1000 - size);
            size += power;
            let weight = (1.0 + self.dice.unit()) * 2f64.powi(power.clamp(-1000, 1000));
            if self.dice.below(3) == 0 {
                let n = 2 + self.dice.below(60);
                self.dense(n, &vec![weight; n]);
                self.dense(1, &vec![1.0; n]);
            } else {
                self.times(weight);
            }
        }
    }
}
