//! Arithmetic without rounding: coefficients are integers of many limbs times a power of two that a whole block shares.
//!
//! Nothing is rounded inside a sweep or an interval; only its result is, outward, to an f64.
use crate::circuit::{Affine, Circuit, Node};
use crate::float::{SLOPE_ONE, decode};
use crate::map::{Map, Scratch};
use crate::rows::Rows;
use crate::sweep::{Arithmetic, Ends, Facet, Region, Seed};
use crate::wide::{Sum, bits, multiply_add};
use std::sync::Arc;

#[derive(Default)]
pub struct Exact {
    /// For how many bits of coefficients there is room, if that is known.
    bits: Option<usize>,
}

/// Coefficient of lane k on element i: `limbs` limbs at k·limbs in row i, times 2^exponent.
pub struct Block {
    rows: Rows<u64>,
    limbs: usize,
    exponent: i64,
    /// No coefficient has more bits.
    bits: usize,
}

/// The sums of the lanes; `None` where an infinite term has left no bound.
pub struct Total {
    sums: Vec<Option<Sum>>,
    /// Between which powers of two the seeds lie.
    least: i64,
    most: i64,
}

impl Total {
    /// sums[lane] += a·2^exponent·x.
    fn add(&mut self, lane: usize, a: &[u64], exponent: i64, x: f64) {
        let Some(sum) = &mut self.sums[lane] else { return };
        if x.is_finite() {
            sum.add_product(a, exponent, x);
        } else if a.iter().any(|limb| *limb != 0) {
            self.sums[lane] = None;
        }
    }
}

impl Block {
    fn new(count: usize, lanes: usize, bits: usize, exponent: i64) -> Block {
        let limbs = bits / 64 + 1;
        Block { rows: Rows::new(count, lanes * limbs), limbs, exponent, bits }
    }

    /// Calls f(index, lane, limbs) for every coefficient of the rows that are there.
    fn each(&self, mut f: impl FnMut(usize, usize, &[u64])) {
        for (i, row) in self.rows.iter() {
            for (lane, c) in row.chunks_exact(self.limbs).enumerate() {
                f(i, lane, c);
            }
        }
    }

    /// self += other·2^shift in units of self, where the sizes were made to fit.
    fn accumulate(&mut self, other: &Block) {
        let shift = (other.exponent - self.exponent) as usize;
        let (limbs, skip, weight) = (self.limbs, shift / 64, 1u64 << (shift % 64));
        other.each(|i, lane, c| {
            let out = &mut self.rows.row_mut(i)[lane * limbs..(lane + 1) * limbs];
            if let Some(out) = out.get_mut(skip..) {
                multiply_add(out, c, weight, false);
            }
        });
    }
}

fn is_zero(a: &[u64]) -> bool {
    a.iter().all(|x| *x == 0)
}

impl Arithmetic for Exact {
    type Block = Block;
    type Total = Total;

    fn enter(&mut self, _: &Circuit, _: &[Arc<Ends>]) {}

    fn room(&mut self, circuit: &Circuit, numbers: usize) -> usize {
        // Between which powers of two the coefficients lie, for functionals with 128 bits about 1. A proof may give it more, hence 4.
        let mut ranges = vec![(-64i64, 64i64); circuit.nodes().len()];
        for (at, node) in circuit.nodes().iter().enumerate().rev() {
            let (low, high) = ranges[at];
            let mut widen = |source: usize, below: i64, above: i64| {
                let (l, h) = ranges[source];
                ranges[source] = (l.min(low + below), h.max(high + above));
            };
            match node {
                Node::Input => {}
                Node::Relu { source, .. } => widen(*source, -32, 1),
                Node::Affine(affine) => affine.terms.iter().for_each(|(source, map)| {
                    let (unit, length) = map.scale();
                    let sum = map.column_terms().max(1).ilog2() as i64 + 2;
                    widen(*source, unit, unit + length as i64 + sum);
                }),
            }
        }
        let limbs = ranges.iter().map(|(low, high)| (high - low) as usize / 64 + 1);
        let sizes: Vec<usize> =
            limbs.enumerate().map(|(at, limbs)| 4 * limbs * circuit.size(at)).collect();
        let lanes = numbers / circuit.most_at_once(&sizes).max(1);
        self.bits = Some(512 * lanes);
        lanes
    }

    fn image(&self, affine: &Affine, intervals: &[Arc<Ends>]) -> Ends {
        let mut ends = Ends { low: vec![], high: vec![] };
        let mut scratch = Scratch::default();
        let (mut low, mut high) = (Sum::default(), Sum::default());
        for (i, b) in affine.bias.iter().enumerate() {
            low.clear();
            high.clear();
            low.add_floats(*b, 1.0);
            high.add_floats(*b, 1.0);
            let mut finite = true;
            for (source, map) in &affine.terms {
                let x = &intervals[*source];
                map.row(i, &mut scratch).each(|j, w| {
                    let (l, u) = (x.low[j], x.high[j]);
                    if w == 0.0 {
                    } else if !(l.is_finite() && u.is_finite()) {
                        finite = false;
                    } else {
                        low.add_floats(w, if w < 0.0 { u } else { l });
                        high.add_floats(w, if w < 0.0 { l } else { u });
                    }
                });
            }
            ends.low.push(if finite { low.to_f64(false) } else { f64::NEG_INFINITY });
            ends.high.push(if finite { high.to_f64(true) } else { f64::INFINITY });
        }
        ends
    }

    fn total(&self, lanes: usize) -> Total {
        Total { sums: vec![Some(Sum::default()); lanes], least: i64::MAX, most: i64::MIN }
    }

    fn seed(&self, size: usize, seeds: &[Seed], total: &mut Total) -> Block {
        let lanes = total.sums.len();
        let parts = |s: &Seed| (decode(s.factor), decode(s.coefficient));
        let counts = |s: &&Seed| s.factor != 0.0 && s.coefficient != 0.0;
        let seeds: Vec<&Seed> = seeds.iter().filter(counts).collect();
        let exponents = seeds.iter().map(|s| {
            let (a, b) = parts(s);
            a.exponent as i64 + b.exponent as i64
        });
        let Some(least) = exponents.clone().min() else { return Block::new(size, lanes, 1, 0) };
        let most = exponents.max().unwrap_or(least);
        // Numbers too far apart for the room that there is: no bound.
        (total.least, total.most) = (total.least.min(least), total.most.max(most));
        if self.bits.is_some_and(|bits| (total.most - total.least + 128) as usize > bits / lanes) {
            total.sums.fill_with(|| None);
            return Block::new(size, lanes, 1, 0);
        }
        let room = 108 + (most - least) as usize + seeds.len().ilog2() as usize + 1;
        let mut block = Block::new(size, lanes, room, least);
        let limbs = block.limbs;
        for s in seeds {
            let (a, b) = parts(s);
            let shift = (a.exponent as i64 + b.exponent as i64 - least) as usize;
            let product = a.mantissa as u128 * b.mantissa as u128;
            let digits = [product as u64, (product >> 64) as u64, 0];
            let row = &mut block.rows.row_mut(s.element)[s.lane * limbs..(s.lane + 1) * limbs];
            let negative = a.negative != b.negative;
            multiply_add(&mut row[shift / 64..], &digits, 1 << (shift % 64), negative);
        }
        block
    }

    fn constant(&self, total: &mut Total, lane: usize, a: f64, b: f64) {
        match &mut total.sums[lane] {
            Some(sum) if a.is_finite() && b.is_finite() => sum.add_floats(a, b),
            sum => *sum = None,
        }
    }

    fn add(&self, _: usize, a: Block, b: Block, _: &mut Total) -> Block {
        let exponent = a.exponent.min(b.exponent);
        let length = |x: &Block| x.bits + (x.exponent - exponent) as usize;
        let room = length(&a).max(length(&b)) + 1;
        let lanes = a.rows.width() / a.limbs;
        let mut sum = Block::new(a.rows.count(), lanes, room, exponent);
        sum.accumulate(&a);
        sum.accumulate(&b);
        sum
    }

    fn bias(&self, _: usize, bias: &[f64], block: &Block, total: &mut Total) {
        block.each(|i, lane, c| {
            if bias[i] != 0.0 && !is_zero(c) {
                total.add(lane, c, block.exponent, bias[i]);
            }
        });
    }

    fn through(&self, map: &Map, block: &Block, wanted: &[bool]) -> Block {
        let lanes = block.rows.width() / block.limbs;
        let (unit, length) = map.scale();
        let terms = map.column_terms().min(block.rows.indices().len()).max(1);
        let room = block.bits + length + terms.ilog2() as usize + 1;
        let mut out = Block::new(map.columns(), lanes, room, block.exponent + unit);
        let (from, to) = (block.limbs, out.limbs);
        let mut scratch = Scratch::default();
        for (i, row) in block.rows.iter() {
            map.row(i, &mut scratch).each(|j, w| {
                if w == 0.0 || !wanted[j] {
                    return;
                }
                let p = decode(w);
                let shift = (p.exponent as i64 - unit) as usize;
                let (skip, wide) = (shift / 64, (p.mantissa as u128) << (shift % 64));
                let (lower, upper) = (wide as u64, (wide >> 64) as u64);
                let out = out.rows.row_mut(j).chunks_exact_mut(to);
                for (c, out) in row.chunks_exact(from).zip(out) {
                    if is_zero(c) {
                        continue;
                    }
                    multiply_add(&mut out[skip..], c, lower, p.negative);
                    if upper != 0 {
                        multiply_add(&mut out[skip + 1..], c, upper, p.negative);
                    }
                }
            });
        }
        out
    }

    fn relu(&self, _: usize, facets: &[Facet], block: Block, total: &mut Total) -> Block {
        let lanes = block.rows.width() / block.limbs;
        let whole = |s: u64| s == 0 || s == SLOPE_ONE;
        let scaled = block.rows.iter().any(|(i, _)| match facets[i] {
            Facet::Sloped { lower, upper, .. } => !whole(lower) || !whole(upper),
            _ => false,
        });
        // In units of 2^-32, unless every slope is 0 or 1.
        let (one, shift) = if scaled { (SLOPE_ONE, 32) } else { (1, 0) };
        let room = block.bits + shift as usize;
        let mut out = Block::new(block.rows.count(), lanes, room, block.exponent - shift);
        let (from, to) = (block.limbs, out.limbs);
        let mut longest = 0;
        for (i, row) in block.rows.iter() {
            let facet = facets[i];
            if matches!(facet, Facet::Inactive) {
                continue;
            }
            for (lane, c) in row.chunks_exact(from).enumerate() {
                if is_zero(c) {
                    continue;
                }
                let slope = match facet {
                    Facet::Sloped { upper, intercept, .. } if c[from - 1] >> 63 == 1 => {
                        total.add(lane, c, block.exponent, intercept);
                        upper
                    }
                    Facet::Sloped { lower, .. } => lower,
                    _ => SLOPE_ONE,
                };
                let slope = if scaled { slope } else { slope / SLOPE_ONE * one };
                if slope != 0 {
                    let row = out.rows.row_mut(i);
                    let row = &mut row[lane * to..(lane + 1) * to];
                    multiply_add(row, c, slope, false);
                    longest = longest.max(bits(row));
                }
            }
        }
        out.shrink(lanes, longest)
    }

    fn finish(
        &self,
        boxes: &[(usize, Region<'_>)],
        block: Option<Block>,
        total: Total,
    ) -> Vec<f64> {
        let sums = boxes.iter().map(|(lane, _)| total.sums[*lane].clone()).collect();
        let mut own = Total { sums, ..total };
        if let Some(block) = block {
            let limbs = block.limbs;
            for (at, (lane, (low, high))) in boxes.iter().enumerate() {
                for (j, row) in block.rows.iter() {
                    let c = &row[lane * limbs..][..limbs];
                    let ends = if c[limbs - 1] >> 63 == 1 { high } else { low };
                    own.add(at, c, block.exponent, ends[j]);
                }
            }
        }
        let bound = |sum: &Option<Sum>| sum.as_ref().map_or(f64::NEG_INFINITY, |s| s.to_f64(false));
        own.sums.iter().map(bound).collect()
    }
}

impl Block {
    /// The same numbers in as few limbs as `bits` needs.
    fn shrink(self, lanes: usize, bits: usize) -> Block {
        let limbs = bits / 64 + 1;
        if limbs >= self.limbs {
            return Block { bits: bits.min(self.bits), ..self };
        }
        let mut out = Block::new(self.rows.count(), lanes, bits, self.exponent);
        self.each(|i, lane, c| {
            out.rows.row_mut(i)[lane * limbs..(lane + 1) * limbs].copy_from_slice(&c[..limbs]);
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of numbers that are far apart, sums take more room; what there is none for has no bound.
    #[test]
    fn functionals_that_need_more_room_than_there_is_have_no_bound() {
        let seed =
            |element, coefficient| Seed { node: 0, element, lane: 0, factor: 1.0, coefficient };
        let bounded = |seeds: &[Seed], bits| {
            let exact = Exact { bits };
            let mut total = exact.total(1);
            exact.seed(2, seeds, &mut total);
            total.sums[0].is_some()
        };
        let far = [seed(0, 2f64.powi(500)), seed(1, 2f64.powi(-500))];
        assert!(bounded(&far, None) && bounded(&far, Some(2048)) && !bounded(&far, Some(512)));
        // Nothing is far from 0.
        assert!(bounded(&[seed(0, 1.0), seed(1, 0.0)], Some(512)));
        // Seeds of one sweep count together, wherever they are.
        let exact = Exact { bits: Some(512) };
        let mut total = exact.total(1);
        exact.seed(2, &far[..1], &mut total);
        assert!(total.sums[0].is_some());
        exact.seed(2, &far[1..], &mut total);
        assert!(total.sums[0].is_none());
    }
}
