//! Arithmetic in f64 with a bound of every rounding error charged: Higham's rule for sums in any order.
//!
//! Let u = 2^-53 and N a bound of the number of terms of any sum here. A sum of products computed in f64 in any order differs from
//! the true one by at most γ Σ|a||b|, γ = N·u / (1 − N·u). For the step through y = W z + b with computed coefficients A and |z| ≤ m:
//! |(fl(A W) − A W) z| ≤ γ Σ_i |A_i| v_i with v = |W| m + |b|; the bias' sum obeys the same bound. One per cent on top of
//! γ pays for rounding in these error terms themselves (their relative error is below N·u ≤ 2^-20 as they have no signs).
use crate::circuit::{Affine, Circuit, Node};
use crate::float::SLOPE_ONE;
use crate::map::{Map, Row, Run, Scratch};
use crate::rows::Rows;
use crate::sweep::{Arithmetic, Ends, Facet, Region, Seed};
use std::ops::Range;
use std::sync::Arc;

/// Lanes are handled in groups of this many, padded with zeros, unless there is one only.
const GROUP: usize = 4;

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

pub struct Block {
    rows: Rows<f64>,
    lanes: usize,
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
    type Block = Block;
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

    fn seed(&self, size: usize, seeds: &[Seed], total: &mut Total) -> Block {
        let lanes = total.low.len();
        let mut block = Block { rows: Rows::new(size, lanes), lanes };
        for s in seeds {
            let c = &mut block.rows.row_mut(s.element)[s.lane];
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

    fn add(&self, mut a: Block, b: Block) -> Block {
        for (slot, i) in b.rows.indices().iter().enumerate() {
            let row = a.rows.row_mut(*i as usize);
            row.iter_mut().zip(b.rows.slot(slot)).for_each(|(x, y)| *x += y);
        }
        a
    }

    fn bias(&self, node: usize, bias: &[f64], block: &Block, total: &mut Total) {
        let (mut sum, mut error) = (vec![0.0; block.lanes], vec![0.0; block.lanes]);
        for (slot, i) in block.rows.indices().iter().enumerate() {
            let (b, v) = (bias[*i as usize], self.weighted[node][*i as usize]);
            for ((c, sum), error) in block.rows.slot(slot).iter().zip(&mut sum).zip(&mut error) {
                *sum += c * b;
                *error += c.abs() * v;
            }
        }
        for lane in 0..block.lanes {
            // Twice: once for the products with the maps, once for the sum with the bias.
            total.add(lane, sum[lane], 2.0 * self.gamma * error[lane]);
        }
    }

    fn through(&self, map: &Map, block: &Block) -> Block {
        let lanes = block.lanes;
        if map.is_dense() && block.rows.indices().len() >= 8 {
            return Block { rows: dense_product(map, block), lanes };
        }
        if let Some(rows) = by_places(map, block).or_else(|| convolved(map, block)) {
            return Block { rows, lanes };
        }
        let mut rows = Rows::new(map.columns(), lanes);
        let mut scratch = Scratch::default();
        for (slot, i) in block.rows.indices().iter().enumerate() {
            let row = block.rows.slot(slot);
            let Some(first) = row.iter().position(|c| *c != 0.0) else { continue };
            let last = row.iter().rposition(|c| *c != 0.0).unwrap_or(first);
            let row = &row[first..=last];
            map.row(*i as usize, &mut scratch).each(|j, w| {
                let out = &mut rows.row_mut(j)[first..=last];
                out.iter_mut().zip(row).for_each(|(y, c)| *y += c * w);
            });
        }
        Block { rows, lanes }
    }

    fn relu(
        &self,
        source: usize,
        facet: &dyn Fn(usize) -> Facet,
        block: Block,
        total: &mut Total,
    ) -> Block {
        let lanes = block.lanes;
        let (mut sum, mut size, mut error) = (vec![0.0; lanes], vec![0.0; lanes], vec![0.0; lanes]);
        let unit = 1.0 / SLOPE_ONE as f64;
        let rows = block.rows.retain(|i, row| match facet(i) {
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
        Block { rows, lanes }
    }

    fn finish(
        &self,
        boxes: &[(usize, Region<'_>)],
        block: Option<Block>,
        total: Total,
    ) -> Vec<f64> {
        let of = |x: &[f64]| boxes.iter().map(|(lane, _)| x[*lane]).collect();
        let mut own = Total { low: of(&total.low), error: of(&total.error) };
        if let Some(block) = &block {
            let (mut sum, mut size) = (vec![0.0; boxes.len()], vec![0.0; boxes.len()]);
            for (slot, j) in block.rows.indices().iter().enumerate() {
                let row = block.rows.slot(slot);
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

/// Fewest lanes for which a convolution goes place by place.
const MANY_LANES: usize = 8;

/// The block's rows times a convolution, place by place: all channels of one place go to the same inputs, and up to four of them
/// are added at a time. `None` if the map is no convolution or there are few lanes.
fn by_places(map: &Map, block: &Block) -> Option<Rows<f64>> {
    let [together, plane, _] = map.planes()?;
    if block.lanes < MANY_LANES {
        return None;
    }
    // (place, group of channels, row, slot, the lanes that are not zero)
    let mut order = Vec::with_capacity(block.rows.indices().len());
    for (slot, i) in block.rows.indices().iter().enumerate() {
        let (i, row) = (*i as usize, block.rows.slot(slot));
        let first = row.iter().position(|c| *c != 0.0);
        let last = row.iter().rposition(|c| *c != 0.0);
        if let (Some(first), Some(last)) = (first, last) {
            order.push((i % plane, i / plane / together, i, slot, first..last + 1));
        }
    }
    order.sort_unstable_by_key(|(place, group, i, ..)| (*place, *group, *i));
    let mut out = Rows::new(map.columns(), block.lanes);
    let mut columns: Vec<(usize, usize)> = vec![];
    for rows in order.chunk_by(|a, b| a.0 == b.0 && a.1 == b.1) {
        columns.clear();
        map.each_tap(rows[0].2, |tap, column| columns.push((tap, column)));
        for quad in rows.chunks(4) {
            let from = quad.iter().map(|row| row.4.start).min().unwrap_or(0);
            let end = quad.iter().map(|row| row.4.end).max().unwrap_or(0);
            let taps = quad.iter().map(|row| map.taps(row.2 / plane));
            let rows = quad.iter().map(|row| &block.rows.slot(row.3)[from..end]);
            let (taps, rows): (Vec<&[f64]>, Vec<&[f64]>) = taps.zip(rows).unzip();
            if let ([t0, t1, t2, t3], [c0, c1, c2, c3]) = (&taps[..], &rows[..]) {
                for (tap, column) in &columns {
                    let w = [t0[*tap], t1[*tap], t2[*tap], t3[*tap]];
                    four(w, [c0, c1, c2, c3], &mut out.row_mut(*column)[from..end]);
                }
                continue;
            }
            for (taps, row) in taps.iter().zip(rows) {
                for (tap, column) in &columns {
                    let (w, to) = (taps[*tap], &mut out.row_mut(*column)[from..end]);
                    to.iter_mut().zip(row).for_each(|(y, c)| *y += w * c);
                }
            }
        }
    }
    Some(out)
}

/// Of each line of a convolution's output, the part outside of which all coefficients are zero; `None` where even inside of
/// these parts most are.
fn windows(width: usize, rows: usize, block: &Block) -> Option<Vec<Range<usize>>> {
    let mut windows = vec![0..0; rows.div_ceil(width.max(1))];
    let mut filled = 0;
    for (slot, i) in block.rows.indices().iter().enumerate() {
        let count = block.rows.slot(slot).iter().filter(|c| **c != 0.0).count();
        if count > 0 {
            filled += count;
            let (window, x) = (&mut windows[*i as usize / width], *i as usize % width);
            *window = if window.start == window.end {
                x..x + 1
            } else {
                window.start.min(x)..window.end.max(x + 1)
            };
        }
    }
    let area: usize = windows.iter().map(|window| window.end - window.start).sum();
    (filled * 4 >= area * block.lanes).then_some(windows)
}

/// The block's rows times a convolution, run by run, of up to four output channels at a time. `None` where the block is so
/// sparse that its rows, put together one by one, are faster.
fn convolved(map: &Map, block: &Block) -> Option<Rows<f64>> {
    let [together, plane, width] = map.planes()?;
    let lanes = block.lanes;
    let windows = windows(width, map.rows(), block)?;
    let mut c = vec![0.0; map.rows() * lanes];
    for (slot, i) in block.rows.indices().iter().enumerate() {
        c[*i as usize * lanes..][..lanes].copy_from_slice(block.rows.slot(slot));
    }
    let mut out = Rows::full(map.columns(), lanes);
    let data = out.data_mut();
    let channels = map.rows() / plane.max(1);
    for first in (0..channels).step_by(together.max(1)) {
        for quad in (first..first + together).step_by(4) {
            let number = (first + together - quad).min(4);
            // Channels that are not there repeat the last one with weight 0.
            let offset = [0, 1, 2, 3].map(|q: usize| q.min(number - 1));
            let taps = offset.map(|q| map.taps(quad + q));
            map.each_run_of(quad, |run| {
                let mut w = taps.map(|taps| taps[run.tap]);
                w.iter_mut().skip(number).for_each(|w| *w = 0.0);
                let window = offset.map(|q| &windows[(run.output + q * plane) / width]);
                let filled = || window.iter().filter(|w| w.start < w.end);
                let from = filled().map(|w| w.start).min().unwrap_or(0);
                let end = filled().map(|w| w.end).max().unwrap_or(0);
                let first = run.output % width;
                let (from, end) = (from.max(first), end.min(first + run.count));
                if w == [0.0; 4] || from >= end {
                    return;
                }
                let (skip, count) = (from - first, end - from);
                let (output, input) = (run.output + skip, run.input + skip * run.stride);
                let rows = offset.map(|q| &c[(output + q * plane) * lanes..][..count * lanes]);
                if run.stride == 1 {
                    let to = &mut data[input * lanes..][..count * lanes];
                    four(w, rows, to);
                } else {
                    for k in 0..count {
                        let at = (input + k * run.stride) * lanes;
                        let part = rows.map(|row| &row[k * lanes..][..lanes]);
                        four(w, part, &mut data[at..at + lanes]);
                    }
                }
            });
        }
    }
    Some(out)
}

/// y += Σ w · x, of four.
fn four(w: [f64; 4], [a, b, c, d]: [&[f64]; 4], y: &mut [f64]) {
    for ((((y, a), b), c), d) in y.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *y += (w[0] * a + w[1] * b) + (w[2] * c + w[3] * d);
    }
}

/// The block's rows times a dense map: four rows at a time, lanes in groups.
fn dense_product(map: &Map, block: &Block) -> Rows<f64> {
    let lanes = block.lanes;
    let mut out = Rows::full(map.columns(), lanes);
    let data = out.data_mut();
    let mut unused = [(); 4].map(|()| Scratch::default());
    let indices = block.rows.indices();
    let zero = vec![0.0; lanes];
    for first in (0..indices.len()).step_by(4) {
        let [s0, s1, s2, s3] = &mut unused;
        let at = |k: usize| indices[(first + k).min(indices.len() - 1)] as usize;
        let rows = (map.row(at(0), s0), map.row(at(1), s1), map.row(at(2), s2), map.row(at(3), s3));
        let (Row::Dense(w0), Row::Dense(w1), Row::Dense(w2), Row::Dense(w3)) = rows else { break };
        let a = [0, 1, 2, 3].map(|k| {
            if first + k < indices.len() { block.rows.slot(first + k) } else { &zero[..] }
        });
        if lanes == 1 {
            let c = a.map(|row| row[0]);
            let weights = w0.iter().zip(w1).zip(w2).zip(w3);
            for ((((w0, w1), w2), w3), out) in weights.zip(data.iter_mut()) {
                *out += (c[0] * w0 + c[1] * w1) + (c[2] * w2 + c[3] * w3);
            }
            continue;
        }
        for g in (0..lanes).step_by(GROUP) {
            let c: [[f64; GROUP]; 4] = a.map(|row| [row[g], row[g + 1], row[g + 2], row[g + 3]]);
            if c.iter().flatten().all(|x| *x == 0.0) {
                continue;
            }
            let weights = w0.iter().zip(w1).zip(w2).zip(w3);
            for ((((w0, w1), w2), w3), out) in weights.zip(data.chunks_exact_mut(lanes)) {
                let out = &mut out[g..g + GROUP];
                for p in 0..GROUP {
                    out[p] += (c[0][p] * w0 + c[1][p] * w1) + (c[2][p] * w2 + c[3][p] * w3);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::Convolution;

    /// Small integers, so that every sum is exact.
    fn number(i: usize) -> f64 {
        (i * 7919 % 11) as f64 - 5.0
    }

    #[test]
    fn convolutions_by_runs_and_by_rows_are_the_same() {
        // 5 of 7 output channels make a full and a partial group of four; strides, dilations, padding.
        for (channels, groups, strides, lanes) in [
            ([5, 3], 1, [1, 1], 1),
            ([14, 4], 2, [1, 1], 4),
            ([3, 2], 1, [2, 2], 4),
            ([4, 1], 1, [2, 1], 1),
            ([6, 4], 2, [2, 1], 12),
            ([14, 4], 2, [1, 1], 8),
        ] {
            let input = [6, 5];
            let output = [0, 1].map(|i| (input[i] + 2 - 3) / strides[i] + 1);
            let count = channels[0] * (channels[1] / groups) * 9;
            let map = Map::convolution(Convolution {
                channels,
                input,
                output,
                kernel: [3, 3],
                strides,
                dilations: [1, 1],
                pads: [1, 1],
                groups,
                weights: (0..count).map(number).collect(),
            })
            .unwrap();
            let mut rows = Rows::new(map.rows(), lanes);
            for i in (0..map.rows()).rev().filter(|i| i % 3 > 0) {
                let row = rows.row_mut(i);
                row.iter_mut().enumerate().for_each(|(k, c)| *c = number(i * 5 + k));
            }
            for part in [0..map.rows(), map.rows() / 3..map.rows() / 2] {
                let mut some = Rows::new(map.rows(), lanes);
                for i in part {
                    some.row_mut(i).copy_from_slice(rows.row_mut(i));
                }
                let block = Block { rows: some, lanes };
                let mut places = vec![0.0; map.columns() * lanes];
                let wide = lanes >= MANY_LANES;
                if let Some(rows) = by_places(&map, &block) {
                    for (slot, j) in rows.indices().iter().enumerate() {
                        places[*j as usize * lanes..][..lanes].copy_from_slice(rows.slot(slot));
                    }
                }
                let mut fast = convolved(&map, &block).unwrap();
                let mut slow = vec![0.0; map.columns() * lanes];
                let mut scratch = Scratch::default();
                for (slot, i) in block.rows.indices().iter().enumerate() {
                    map.row(*i as usize, &mut scratch).each(|j, w| {
                        let to = &mut slow[j * lanes..][..lanes];
                        to.iter_mut().zip(block.rows.slot(slot)).for_each(|(y, c)| *y += c * w);
                    });
                }
                assert_eq!(fast.data_mut(), slow);
                assert!(if wide { places == slow } else { by_places(&map, &block).is_none() });
            }
            // Where lines are nearly empty it is not worth it.
            let mut rows = Rows::new(map.rows(), lanes);
            let ends =
                (0..map.rows()).filter(|i| i % output[1] == 0 || i % output[1] + 1 == output[1]);
            ends.for_each(|i| rows.row_mut(i)[0] = 1.0);
            let wide = 2 * 4 < output[1] * lanes;
            assert_eq!(convolved(&map, &Block { rows, lanes }).is_none(), wide);
        }
    }
}
