//! Arithmetic in f64 with a bound of every rounding error charged: Higham's rule for sums in any order.
//!
//! Let u = 2^-53 and N a bound of the number of terms of any sum here. A sum of products computed in f64 in any order differs from
//! the true one by at most γ Σ|a||b|, γ = N·u / (1 − N·u). For the step through y = W z + b with computed coefficients A and |z| ≤ m:
//! |(fl(A W) − A W) z| ≤ γ Σ_i |A_i| v_i with v = |W| m + |b|; the bias' sum obeys the same bound. One per cent on top of
//! γ pays for rounding in these error terms themselves (their relative error is below N·u ≤ 2^-20 as they have no signs).
use crate::circuit::{Affine, Circuit, Node};
use crate::float::SLOPE_ONE;
use crate::map::{Map, Row, Run, Scratch};
use crate::product::{GROUP, by_places, convolved, dense_product};
use crate::rows::Rows;
use crate::sweep::{Arithmetic, Ends, Facet, Region, Seed};
use std::sync::Arc;

#[derive(Default)]
pub struct Outward {
    /// 1.01·γ, for the longest sum of the circuit.
    gamma: f64,
    /// m for each node's elements: the largest magnitude on the section.
    magnitude: Vec<Vec<f64>>,
    /// v for each affine node's elements.
    weighted: Vec<Vec<f64>>,
    /// A bound of everything that underflow can have lost in one lane.
    underflow: f64,
}

pub struct Total {
    low: Vec<f64>,
    error: Vec<f64>,
}

impl Total {
    /// Adds a sum and a bound of its own rounding error; charges the addition.
    fn add(&mut self, lane: usize, sum: f64, error: f64) {
        self.low[lane] += sum;
        self.error[lane] += error + self.low[lane].abs() * f64::EPSILON;
    }
}

fn padded(lanes: usize) -> usize {
    if lanes == 1 { 1 } else { lanes.div_ceil(GROUP) * GROUP }
}

fn magnitudes(ends: &Ends) -> Vec<f64> {
    ends.low.iter().zip(&ends.high).map(|(l, u)| l.abs().max(u.abs())).collect()
}

impl Arithmetic for Outward {
    type Block = Rows<f64>;
    type Total = Total;

    fn enter(&mut self, circuit: &Circuit, root: &[Arc<Ends>]) {
        self.gamma = gamma(circuit);
        let magnitude = |(at, ends): (usize, &Arc<Ends>)| match circuit.is_live(at) {
            true => magnitudes(ends),
            false => vec![],
        };
        self.magnitude = root.iter().enumerate().map(magnitude).collect();
        let mut scratch = Scratch::default();
        self.weighted = vec![];
        for (at, node) in circuit.nodes().iter().enumerate() {
            let mut v = vec![];
            if let (Node::Affine(affine), true) = (node, circuit.is_live(at)) {
                v = affine.bias.iter().map(|b| b.abs()).collect();
                for (source, map) in &affine.terms {
                    let m = &self.magnitude[*source];
                    if map.each_run(|run| add_run(run, run.weight.abs(), m, &mut v)).is_some() {
                        continue;
                    }
                    for (i, v) in v.iter_mut().enumerate() {
                        map.row(i, &mut scratch).each(|j, w| *v += w.abs() * m[j]);
                    }
                }
            }
            self.weighted.push(v);
        }
        // Every product that underflows loses at most 2^-1074, times the magnitude that it multiplies; there are fewer than 2^150 of them.
        let all: f64 = self.magnitude.iter().chain(&self.weighted).flatten().sum();
        self.underflow = (1.0 + all) * 2f64.powi(-900);
    }

    fn image(&self, circuit: &Circuit, affine: &Affine, intervals: &[Arc<Ends>]) -> Ends {
        let gamma = gamma(circuit);
        let (mut low, mut high) = (affine.bias.clone(), affine.bias.clone());
        let mut error: Vec<f64> = affine.bias.iter().map(|b| b.abs()).collect();
        let mut scratch = Scratch::default();
        for (source, map) in &affine.terms {
            let x = &intervals[*source];
            let m = magnitudes(x);
            let runs = map.each_run(|run| {
                let w = run.weight;
                let (below, above) = if w < 0.0 { (&x.high, &x.low) } else { (&x.low, &x.high) };
                add_run(run, w, below, &mut low);
                add_run(run, w, above, &mut high);
                add_run(run, w.abs(), &m, &mut error);
            });
            if runs.is_some() {
                continue;
            }
            for i in 0..low.len() {
                let [l, h, e] = match map.row(i, &mut scratch) {
                    Row::Dense(w) => dense_row(w, &x.low, &x.high, &m),
                    row => {
                        let mut sums = [0.0; 3];
                        row.each(|j, w| {
                            let (a, b) = (w * x.low[j], w * x.high[j]);
                            sums[0] += if w < 0.0 { b } else { a };
                            sums[1] += if w < 0.0 { a } else { b };
                            sums[2] += w.abs() * m[j];
                        });
                        sums
                    }
                };
                low[i] += l;
                high[i] += h;
                error[i] += e;
            }
        }
        for i in 0..low.len() {
            let e = gamma * error[i] + 2f64.powi(-900);
            let (l, h) = ((low[i] - e).next_down(), (high[i] + e).next_up());
            (low[i], high[i]) = if l.is_finite() && h.is_finite() {
                (l, h)
            } else {
                (f64::NEG_INFINITY, f64::INFINITY)
            };
        }
        Ends { low, high }
    }

    fn total(&self, lanes: usize) -> Total {
        Total { low: vec![0.0; padded(lanes)], error: vec![self.underflow; padded(lanes)] }
    }

    fn seed(&self, size: usize, seeds: &[Seed], total: &mut Total) -> Rows<f64> {
        let lanes = total.low.len();
        let mut block = Rows::<f64>::new(size, lanes);
        for s in seeds {
            let c = &mut block.row_mut(s.element)[s.lane];
            let product = s.factor * s.coefficient;
            *c += product;
            // Later additions to this coefficient are counted in N; the product and this addition are charged here.
            let size = (c.abs() + product.abs()) * self.magnitude[s.node][s.element];
            total.error[s.lane] += self.gamma * size;
        }
        block
    }

    fn constant(&self, total: &mut Total, lane: usize, a: f64, b: f64) {
        total.add(lane, a * b, (a * b).abs() * f64::EPSILON);
    }

    fn add(&self, mut a: Rows<f64>, b: Rows<f64>) -> Rows<f64> {
        for (slot, i) in b.indices().iter().enumerate() {
            let row = a.row_mut(*i as usize);
            row.iter_mut().zip(b.slot(slot)).for_each(|(x, y)| *x += y);
        }
        a
    }

    fn bias(&self, node: usize, bias: &[f64], block: &Rows<f64>, total: &mut Total) {
        let (mut sum, mut error) = (vec![0.0; block.width()], vec![0.0; block.width()]);
        for (slot, i) in block.indices().iter().enumerate() {
            let (b, v) = (bias[*i as usize], self.weighted[node][*i as usize]);
            for ((c, sum), error) in block.slot(slot).iter().zip(&mut sum).zip(&mut error) {
                *sum += c * b;
                *error += c.abs() * v;
            }
        }
        for lane in 0..block.width() {
            // Twice: once for the products with the maps, once for the sum with the bias.
            total.add(lane, sum[lane], 2.0 * self.gamma * error[lane]);
        }
    }

    fn through(&self, map: &Map, block: &Rows<f64>) -> Rows<f64> {
        let lanes = block.width();
        if map.is_dense() && block.indices().len() >= 8 {
            return dense_product(map, block);
        }
        if let Some(rows) = by_places(map, block).or_else(|| convolved(map, block)) {
            return rows;
        }
        let mut rows = Rows::new(map.columns(), lanes);
        let mut scratch = Scratch::default();
        for (slot, i) in block.indices().iter().enumerate() {
            let row = block.slot(slot);
            let Some(first) = row.iter().position(|c| *c != 0.0) else { continue };
            let last = row.iter().rposition(|c| *c != 0.0).unwrap_or(first);
            let row = &row[first..=last];
            map.row(*i as usize, &mut scratch).each(|j, w| {
                let out = &mut rows.row_mut(j)[first..=last];
                out.iter_mut().zip(row).for_each(|(y, c)| *y += c * w);
            });
        }
        rows
    }

    fn relu(
        &self,
        source: usize,
        facet: &dyn Fn(usize) -> Facet,
        block: Rows<f64>,
        total: &mut Total,
    ) -> Rows<f64> {
        let lanes = block.width();
        let (mut sum, mut size, mut error) = (vec![0.0; lanes], vec![0.0; lanes], vec![0.0; lanes]);
        let unit = 1.0 / SLOPE_ONE as f64;
        let rows = block.retain(|i, row| match facet(i) {
            Facet::Active => row.iter().any(|c| *c != 0.0),
            Facet::Inactive => false,
            Facet::Unstable { lower, upper, intercept } => {
                let (lower, upper) = (lower as f64 * unit, upper as f64 * unit);
                let m = self.magnitude[source][i];
                for (lane, c) in row.iter_mut().enumerate() {
                    if *c < 0.0 {
                        sum[lane] += *c * intercept;
                        size[lane] += (*c * intercept).abs();
                        *c *= upper;
                    } else if *c > 0.0 {
                        *c *= lower;
                    }
                    error[lane] += c.abs() * m;
                }
                row.iter().any(|c| *c != 0.0)
            }
        });
        for lane in 0..lanes {
            total.add(lane, sum[lane], self.gamma * (size[lane] + error[lane]));
        }
        rows
    }

    fn finish(
        &self,
        boxes: &[(usize, Region<'_>)],
        block: Option<Rows<f64>>,
        total: Total,
    ) -> Vec<f64> {
        let of = |x: &[f64]| boxes.iter().map(|(lane, _)| x[*lane]).collect();
        let mut own = Total { low: of(&total.low), error: of(&total.error) };
        if let Some(block) = &block {
            let (mut sum, mut size) = (vec![0.0; boxes.len()], vec![0.0; boxes.len()]);
            for (slot, j) in block.indices().iter().enumerate() {
                let row = block.slot(slot);
                for (at, (lane, (low, high))) in boxes.iter().enumerate() {
                    let c = row[*lane];
                    let x = if c < 0.0 { high[*j as usize] } else { low[*j as usize] };
                    sum[at] += c * x;
                    size[at] += (c * x).abs();
                }
            }
            for at in 0..boxes.len() {
                own.add(at, sum[at], self.gamma * size[at]);
            }
        }
        let bound = |(low, error): (&f64, &f64)| {
            let x = (low - 1.01 * error).next_down();
            if x.is_finite() { x } else { f64::NEG_INFINITY }
        };
        own.low.iter().zip(&own.error).map(bound).collect()
    }
}

/// 1.01·γ for the circuit's longest sum, with room for seeds and lifts.
fn gamma(circuit: &Circuit) -> f64 {
    let n = circuit.longest_sum().saturating_add(64);
    // Circuits of 2^33 terms and more in one sum get no bounds rather than wrong ones.
    if n >= 1 << 33 { f64::INFINITY } else { 1.02 * n as f64 * (f64::EPSILON / 2.0) }
}

/// Σ of the least products, of the greatest, and of |w|·m. Eight partial sums, so that they run in parallel.
fn dense_row(w: &[f64], low: &[f64], high: &[f64], m: &[f64]) -> [f64; 3] {
    const P: usize = 4;
    let mut sums = [[0.0; P]; 3];
    let mut one = |p: usize, w: f64, l: f64, h: f64, m: f64| {
        // With w⁺ and w⁻ there is no branch; exactly one of the two is not zero.
        let (plus, minus) = (w.max(0.0), w.min(0.0));
        sums[0][p] += plus * l + minus * h;
        sums[1][p] += plus * h + minus * l;
        sums[2][p] += w.abs() * m;
    };
    let tail = w.len() / P * P;
    for (((w, l), h), m) in
        w.chunks_exact(P).zip(low.chunks_exact(P)).zip(high.chunks_exact(P)).zip(m.chunks_exact(P))
    {
        for p in 0..P {
            one(p, w[p], l[p], h[p], m[p]);
        }
    }
    for j in tail..w.len() {
        one(0, w[j], low[j], high[j], m[j]);
    }
    sums.map(|s| s.iter().sum())
}

/// y[output + k] += w · x[input + k·stride].
fn add_run(run: Run, w: f64, x: &[f64], y: &mut [f64]) {
    let y = &mut y[run.output..run.output + run.count];
    if run.stride == 1 {
        y.iter_mut().zip(&x[run.input..run.input + run.count]).for_each(|(y, x)| *y += w * x);
    } else {
        let x = x[run.input..].iter().step_by(run.stride);
        y.iter_mut().zip(x).for_each(|(y, x)| *y += w * x);
    }
}
