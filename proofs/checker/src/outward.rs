//! Arithmetic in f64 with a bound of every rounding error charged where it is made.
//!
//! Let u = 2^-53 and γ_n = n·u / (1 − n·u). A sum of n products computed in f64, in any order, differs from the true one by at most
//! γ_n Σ|a||b| (Higham). **Every accumulation pays for itself**: each function below that computes coefficients from others, or adds to
//! a lane's total, adds what that can have moved the functional to the lane's error, on all points of the section: there |z_j| ≤ m_j for
//! element j of every tensor, so a coefficient of z_j that is off by d moves it by at most d·m_j. No count goes beyond one call.
//! docs/soundness.md lists the charges, and the test of each.
//!
//! Intervals are charged by a number that is cheap: Σ_j |W_ij| |c_j| ≤ ‖W_i‖ · max_j |c_j|, with the norms ‖W_i‖ = Σ_j |W_ij| that the map
//! keeps. Sweeps are not: on an acasxu network their charges would come to 10⁻⁹, more than the search leaves them.
use crate::circuit::{Affine, Circuit, Node};
use crate::float::SLOPE_ONE;
use crate::map::{Map, Row, Run, Scratch};
use crate::product::{GROUP, by_places};
use crate::rows::Rows;
use crate::sweep::{Arithmetic, Ends, Facet, Region, Seed};
use std::sync::Arc;

pub struct Outward {
    /// m for each node's elements: the largest magnitude on the section.
    magnitude: Vec<Vec<f64>>,
    /// For each affine node's elements what a coefficient of 1 costs on its way through the node.
    cost: Vec<Vec<f64>>,
    /// A bound of everything that underflow can have lost in one lane.
    underflow: f64,
}

/// 1.01·n·u ≥ γ_n, and as much for n = 1. Sums of 2^33 terms and more get no bounds rather than wrong ones.
fn gamma(n: usize) -> f64 {
    if n >= 1 << 33 { f64::INFINITY } else { 1.01 * n as f64 * (f64::EPSILON / 2.0) }
}

/// More than all products that underflow on the way to one number lose: at most 2^-1074 each, and there are fewer than 2^150.
fn tiny() -> f64 {
    2f64.powi(-900)
}

pub struct Total {
    low: Vec<f64>,
    error: Vec<f64>,
}

impl Total {
    /// Adds a sum and a bound of its own rounding error; charges the addition.
    fn add(&mut self, lane: usize, sum: f64, error: f64) {
        self.low[lane] += sum;
        self.error[lane] += error + gamma(1) * self.low[lane].abs();
    }
}

fn magnitudes(ends: &Ends) -> Vec<f64> {
    ends.low.iter().zip(&ends.high).map(|(l, u)| l.abs().max(u.abs())).collect()
}

impl Outward {
    pub fn new() -> Outward {
        Outward { magnitude: vec![], cost: vec![], underflow: f64::INFINITY }
    }
}

impl Arithmetic for Outward {
    type Block = Rows<f64>;
    type Total = Total;

    fn room(&mut self, circuit: &Circuit, numbers: usize) -> usize {
        let sizes: Vec<usize> = (0..circuit.nodes().len()).map(|at| circuit.size(at)).collect();
        numbers / circuit.most_at_once(&sizes).max(1) / GROUP * GROUP
    }

    fn enter(&mut self, circuit: &Circuit, root: &[Arc<Ends>]) {
        let magnitude = |(at, ends): (usize, &Arc<Ends>)| match circuit.is_live(at) {
            true => magnitudes(ends),
            false => vec![],
        };
        self.magnitude = root.iter().enumerate().map(magnitude).collect();
        self.cost.clear();
        for (at, node) in circuit.nodes().iter().enumerate() {
            self.cost.push(match node {
                Node::Affine(affine) if circuit.is_live(at) => self.cost_of(affine),
                _ => vec![],
            });
        }
        // What underflow takes from a coefficient counts as often as its element's magnitude.
        let all: f64 = self.magnitude.iter().flatten().sum();
        self.underflow = (1.0 + all) * tiny();
    }

    /// By midpoints and radii. Let |x_j − c_j| ≤ ρ_j on the interval of x_j, for whatever c_j; r_j = fl(ρ_j) ≥ (1 − u) ρ_j. Then
    /// y = W x + b is within R = Σ_j |W_ij| ρ_j of y' = W c + b. The computed R is too small by a factor of 1 − γ at most, r included
    /// (one more factor); the computed y' is off by γ (‖W_i‖ max_j |c_j| + |b_i|) at most. Both are charged, and what underflow loses.
    /// A term takes part in one product and at most as many additions as there are terms in its row and maps; eight more pay for r and
    /// for the roundings of the charge.
    fn image(&self, affine: &Affine, intervals: &[Arc<Ends>]) -> Ends {
        let mut middle = affine.bias.clone();
        let mut radius = vec![0.0; middle.len()];
        let mut size: Vec<f64> = affine.bias.iter().map(|b| b.abs()).collect();
        let columns: usize = affine.terms.iter().map(|(_, map)| map.row_terms()).sum();
        let gamma = gamma(columns + affine.terms.len() + 8);
        let mut scratch = Scratch::default();
        for (source, map) in &affine.terms {
            let Centred { c, r, most } = Centred::new(&intervals[*source]);
            size.iter_mut().enumerate().for_each(|(i, size)| *size += map.norm(i) * most);
            let runs = map.each_run(|run| {
                add_run(run, run.weight, &c, &mut middle);
                add_run(run, run.weight.abs(), &r, &mut radius);
            });
            if runs.is_some() {
                continue;
            }
            for (i, (middle, radius)) in middle.iter_mut().zip(&mut radius).enumerate() {
                let row = map.row(i, &mut scratch);
                let [y, around] = match row {
                    Row::Dense(w) => [dense_row(w, &c, |w| w), dense_row(w, &r, f64::abs)],
                    row => {
                        let mut sums = [0.0; 2];
                        row.each(|j, w| {
                            sums[0] += w * c[j];
                            sums[1] += w.abs() * r[j];
                        });
                        sums
                    }
                };
                *middle += y;
                *radius += around;
            }
        }
        for ((middle, radius), size) in middle.iter_mut().zip(&mut radius).zip(size) {
            let around = *radius + (gamma * (size + *radius) + tiny());
            let (l, h) = ((*middle - around).next_down(), (*middle + around).next_up());
            // Whatever is not finite on the way, an end of an interval to begin with, leaves no bound.
            let bounded = l.is_finite() && h.is_finite();
            (*middle, *radius) = if bounded { (l, h) } else { (f64::NEG_INFINITY, f64::INFINITY) };
        }
        Ends { low: middle, high: radius }
    }

    fn total(&self, lanes: usize) -> Total {
        let lanes = lanes.next_multiple_of(GROUP);
        Total { low: vec![0.0; lanes], error: vec![self.underflow; lanes] }
    }

    fn seed(&self, size: usize, seeds: &[Seed], total: &mut Total) -> Rows<f64> {
        let lanes = total.low.len();
        let mut block = Rows::<f64>::new(size, lanes);
        for s in seeds {
            let c = &mut block.row_mut(s.element)[s.lane];
            let product = s.factor * s.coefficient;
            *c += product;
            // One rounding of the product, one of the sum.
            let size = (c.abs() + product.abs()) * self.magnitude[s.node][s.element];
            total.error[s.lane] += gamma(1) * size;
        }
        block
    }

    fn constant(&self, total: &mut Total, lane: usize, a: f64, b: f64) {
        total.add(lane, a * b, gamma(1) * (a * b).abs());
    }

    fn add(&self, node: usize, mut a: Rows<f64>, b: Rows<f64>, total: &mut Total) -> Rows<f64> {
        for (i, added) in b.iter() {
            let (row, m) = (a.row_mut(i), self.magnitude[node][i]);
            for ((x, y), error) in row.iter_mut().zip(added).zip(&mut total.error) {
                *x += y;
                *error += gamma(1) * m * x.abs();
            }
        }
        a
    }

    fn bias(&self, node: usize, bias: &[f64], block: &Rows<f64>, total: &mut Total) {
        let (mut sum, mut error) = (vec![0.0; block.width()], vec![0.0; block.width()]);
        for (i, row) in block.iter() {
            let (b, cost) = (bias[i], self.cost[node][i]);
            for ((c, sum), error) in row.iter().zip(&mut sum).zip(&mut error) {
                *sum += c * b;
                *error += c.abs() * cost;
            }
        }
        for lane in 0..block.width() {
            total.add(lane, sum[lane], error[lane]);
        }
    }

    fn through(&self, map: &Map, block: &Rows<f64>, wanted: &[bool]) -> Rows<f64> {
        if let Some(rows) = by_places(map, block, wanted) {
            return rows;
        }
        let terms: usize = block.indices().iter().map(|i| map.terms(*i as usize)).sum();
        let mut rows = Rows::with_room(map.columns(), block.width(), terms.min(map.columns()));
        let mut scratch = Scratch::default();
        for (i, row) in block.iter() {
            let Some(first) = row.iter().position(|c| *c != 0.0) else { continue };
            let last = row.iter().rposition(|c| *c != 0.0).unwrap_or(first);
            let row = &row[first..=last];
            map.row(i, &mut scratch).each(|j, w| {
                if wanted[j] {
                    let out = &mut rows.row_mut(j)[first..=last];
                    out.iter_mut().zip(row).for_each(|(y, c)| *y += c * w);
                }
            });
        }
        rows
    }

    fn relu(
        &self,
        source: usize,
        facets: &[Facet],
        block: Rows<f64>,
        total: &mut Total,
    ) -> Rows<f64> {
        let lanes = block.width();
        let (mut sum, mut error) = (vec![0.0; lanes], vec![0.0; lanes]);
        let unit = 1.0 / SLOPE_ONE as f64;
        let terms = block.indices().len();
        let rows = block.retain(|i, row| {
            match facets[i] {
                Facet::Active => {}
                Facet::Inactive => return false,
                Facet::Sloped { lower, upper, intercept } => {
                    let slopes = [lower, upper].map(|s| s as f64 * unit);
                    relax(row, slopes, intercept, self.magnitude[source][i], &mut sum, &mut error);
                }
            }
            row.iter().any(|c| *c != 0.0)
        });
        for lane in 0..lanes {
            // The terms of `sum` have one sign, so that it is its own measure; `error` is one rounding of each coefficient.
            let own = gamma(terms + 1) * sum[lane].abs();
            total.add(lane, sum[lane], own + gamma(1) * error[lane]);
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
            let one = one_box(boxes);
            for (j, row) in block.iter() {
                if let Some((low, high)) = one {
                    at_corner(row, [low[j], high[j]], &mut sum, &mut size);
                    continue;
                }
                for (at, (lane, (low, high))) in boxes.iter().enumerate() {
                    let c = row[*lane];
                    let x = if c < 0.0 { high[j] } else { low[j] };
                    sum[at] += c * x;
                    size[at] += (c * x).abs();
                }
            }
            for at in 0..boxes.len() {
                own.add(at, sum[at], gamma(block.indices().len()) * size[at]);
            }
        }
        // The errors are sums without signs, wrong by a factor of 1 + 2^-20 at most.
        let bound = |(low, error): (&f64, &f64)| {
            let x = (low - 1.01 * error).next_down();
            if x.is_finite() { x } else { f64::NEG_INFINITY }
        };
        own.low.iter().zip(&own.error).map(bound).collect()
    }
}

impl Outward {
    /// A coefficient a_i on element i of y = W z + b takes part, for every z_j, in a sum of as many products as column j of W has
    /// weights, and in the sum of the products with the biases: |a_i| (Σ_j γ |W_ij| m_j + γ |b_i|) is its share of what these lose. The
    /// last summand outweighs what underflow takes from the others.
    fn cost_of(&self, affine: &Affine) -> Vec<f64> {
        let own = gamma(affine.bias.len());
        let mut cost: Vec<f64> = affine.bias.iter().map(|b| own * b.abs() + tiny()).collect();
        let mut scratch = Scratch::default();
        for (source, map) in &affine.terms {
            let m = &self.magnitude[*source];
            let mut sizes = vec![0.0; cost.len()];
            if map.each_run(|run| add_run(run, run.weight.abs(), m, &mut sizes)).is_none() {
                for (i, size) in sizes.iter_mut().enumerate() {
                    match map.row(i, &mut scratch) {
                        Row::Dense(w) => *size = dense_row(w, m, f64::abs),
                        row => row.each(|j, w| *size += w.abs() * m[j]),
                    }
                }
            }
            let gamma = gamma(map.column_terms());
            cost.iter_mut().zip(&sizes).for_each(|(cost, size)| *cost += gamma * size);
        }
        cost
    }
}

/// The box, if it is the same for all lanes and these are in order.
fn one_box<'a>(boxes: &[(usize, Region<'a>)]) -> Option<Region<'a>> {
    let (_, (low, high)) = *boxes.first()?;
    let same = |(at, (lane, (l, h))): (usize, &(usize, Region))| {
        at == *lane && std::ptr::eq(*l, low) && std::ptr::eq(*h, high)
    };
    boxes.iter().enumerate().all(same).then_some((low, high))
}

/// sum += c⁺·l + c⁻·h, of which one is zero, and size += its magnitude; without a branch, so that lanes run in parallel.
fn at_corner(row: &[f64], [l, h]: [f64; 2], sum: &mut [f64], size: &mut [f64]) {
    for ((c, sum), size) in row.iter().zip(sum).zip(size) {
        let x = if *c < 0.0 { h } else { l };
        *sum += c * x;
        *size += (c * x).abs();
    }
}

/// Midpoints and radii of intervals, and the largest magnitude of a midpoint.
struct Centred {
    c: Vec<f64>,
    r: Vec<f64>,
    most: f64,
}

impl Centred {
    /// Midpoints need no care, as radii are taken around what was computed; infinite ends make them infinite or NaN.
    fn new(ends: &Ends) -> Centred {
        let ends = || ends.low.iter().zip(&ends.high);
        let c: Vec<f64> = ends().map(|(l, u)| 0.5 * l + 0.5 * u).collect();
        let r = ends().zip(&c).map(|((l, u), c)| (c - l).max(u - c)).collect();
        // Infinite ones are left out: they reach each element that they are multiplied for by themselves.
        let most = c.iter().map(|c| c.abs()).filter(|c| c.is_finite()).fold(0.0, f64::max);
        Centred { c, r, most }
    }
}

/// A row through a relaxed ReLU: c ↦ lower·c⁺ + upper·c⁻, of which one is zero; sum += intercept·c⁻; error += |c|·m. Without a
/// branch, so that lanes run in parallel. What is NaN or infinite stays so: c⁺ is c − c⁻.
fn relax(
    row: &mut [f64],
    [lower, upper]: [f64; 2],
    intercept: f64,
    m: f64,
    sum: &mut [f64],
    error: &mut [f64],
) {
    for ((c, sum), error) in row.iter_mut().zip(sum).zip(error) {
        let below = if *c < 0.0 { *c } else { 0.0 };
        let above = *c - below;
        *sum += below * intercept;
        *c = above * lower + below * upper;
        *error += c.abs() * m;
    }
}

/// Σ f(w)·x, in partial sums that run in parallel.
fn dense_row(w: &[f64], x: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    const P: usize = 8;
    let mut sums = [0.0; P];
    let ((w, more_w), (x, more_x)) = (w.as_chunks::<P>(), x.as_chunks::<P>());
    for (w, x) in w.iter().zip(x) {
        for p in 0..P {
            sums[p] += f(w[p]) * x[p];
        }
    }
    more_w.iter().zip(more_x).for_each(|(w, x)| sums[0] += f(*w) * x);
    sums.iter().sum()
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

#[cfg(test)]
mod charges;
#[cfg(test)]
mod circuits;
#[cfg(test)]
mod tests;
