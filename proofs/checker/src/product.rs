//! Products of coefficients with maps, in f64: whichever order of additions is fastest, the bound of its error is the same.
use crate::map::{Convolution, Map, Row, Scratch};
use crate::rows::Rows;
use std::ops::Range;

/// Lanes are handled in groups of this many, padded with zeros, unless there is one only.
pub const GROUP: usize = 4;

/// Fewest lanes for which a convolution goes place by place.
const MANY_LANES: usize = 8;

/// The block's rows times a convolution, place by place: all channels of one place go to the same inputs, and up to four of them
/// are added at a time. `None` if the map is no convolution or there are few lanes.
pub fn by_places(map: &Map, block: &Rows<f64>, wanted: &[bool]) -> Option<Rows<f64>> {
    let convolution = map.as_convolution()?;
    let [together, plane, _] = convolution.planes();
    if block.width() < MANY_LANES || plane == 0 {
        return None;
    }
    let mut order: Vec<Placed> = Vec::with_capacity(block.indices().len());
    for (slot, (i, row)) in block.iter().enumerate() {
        let first = row.iter().position(|c| *c != 0.0);
        let last = row.iter().rposition(|c| *c != 0.0);
        if let (Some(first), Some(last)) = (first, last) {
            order.push((i % plane, i / plane / together, i, slot, first..last + 1));
        }
    }
    let order = sorted(order, plane, (map.rows() / plane).div_ceil(together));
    let mut out = Rows::new(map.columns(), block.width());
    let mut columns: Vec<(usize, usize)> = vec![];
    for rows in order.chunk_by(|a, b| a.0 == b.0 && a.1 == b.1) {
        columns.clear();
        convolution.each_tap(rows[0].2, |tap, column| {
            if wanted[column] {
                columns.push((tap, column));
            }
        });
        let mut rest = rows;
        while !rest.is_empty() {
            rest = match rest.len() {
                8.. => abreast::<8>(convolution, block, rest, &columns, &mut out),
                4.. => abreast::<4>(convolution, block, rest, &columns, &mut out),
                _ => abreast::<1>(convolution, block, rest, &columns, &mut out),
            };
        }
    }
    Some(out)
}

/// By group and place, in linear time.
fn sorted(order: Vec<Placed>, plane: usize, groups: usize) -> Vec<Placed> {
    let key = |row: &Placed| row.1 * plane + row.0;
    let mut starts = vec![0; plane * groups + 1];
    order.iter().for_each(|row| starts[key(row) + 1] += 1);
    (1..starts.len()).for_each(|at| starts[at] += starts[at - 1]);
    let mut sorted = vec![(0, 0, 0, 0, 0..0); order.len()];
    for row in order {
        let to = &mut starts[key(&row)];
        *to += 1;
        sorted[*to - 1] = row;
    }
    sorted
}

/// A row of a block: (place, group of channels, row, slot, the lanes that are not zero).
type Placed = (usize, usize, usize, usize, Range<usize>);

/// Adds the first N of some rows of one place, times the weights of these taps; returns the others.
fn abreast<'r, const N: usize>(
    convolution: &Convolution,
    block: &Rows<f64>,
    rows: &'r [Placed],
    columns: &[(usize, usize)],
    out: &mut Rows<f64>,
) -> &'r [Placed] {
    let Some((first, rest)) = rows.split_first_chunk::<N>() else { return &[] };
    let (mut from, mut end) = (usize::MAX, 0);
    for row in first {
        (from, end) = (from.min(row.4.start), end.max(row.4.end));
    }
    let (from, end) = (from / GROUP * GROUP, end.div_ceil(GROUP) * GROUP);
    let [_, plane, _] = convolution.planes();
    let taps: [&[f64]; N] = std::array::from_fn(|k| convolution.taps(first[k].2 / plane));
    let coefficients: [&[f64]; N] = std::array::from_fn(|k| &block.slot(first[k].3)[from..end]);
    for (tap, column) in columns {
        let w: [f64; N] = std::array::from_fn(|k| taps[k][*tap]);
        add_products(w, coefficients, &mut out.row_mut(*column)[from..end]);
    }
    rest
}

/// y += Σ w · c, where the lengths are multiples of [`GROUP`].
#[inline]
fn add_products<const N: usize>(w: [f64; N], c: [&[f64]; N], y: &mut [f64]) {
    let (y, _) = y.as_chunks_mut::<GROUP>();
    let c = c.map(|c| &c.as_chunks::<GROUP>().0[..y.len()]);
    for (g, y) in y.iter_mut().enumerate() {
        let mut sum = [0.0; GROUP];
        for k in 0..N {
            for p in 0..GROUP {
                sum[p] += w[k] * c[k][g][p];
            }
        }
        for p in 0..GROUP {
            y[p] += sum[p];
        }
    }
}

/// Of each line of a convolution's output, the part outside of which all coefficients are zero; `None` where even inside of
/// these parts most are.
fn windows(width: usize, rows: usize, block: &Rows<f64>) -> Option<Vec<Range<usize>>> {
    let mut windows = vec![0..0; rows.div_ceil(width.max(1))];
    let mut filled = 0;
    for (i, row) in block.iter() {
        let count = row.iter().filter(|c| **c != 0.0).count();
        if count > 0 {
            filled += count;
            let (window, x) = (&mut windows[i / width], i % width);
            *window = if window.start == window.end {
                x..x + 1
            } else {
                window.start.min(x)..window.end.max(x + 1)
            };
        }
    }
    let area: usize = windows.iter().map(|window| window.end - window.start).sum();
    (filled * 4 >= area * block.width()).then_some(windows)
}

/// The block's rows times a convolution, run by run, of up to four output channels at a time. `None` where the block is so
/// sparse that its rows, put together one by one, are faster.
pub fn convolved(map: &Map, block: &Rows<f64>) -> Option<Rows<f64>> {
    let convolution = map.as_convolution()?;
    let [together, plane, width] = convolution.planes();
    let lanes = block.width();
    let windows = windows(width, map.rows(), block)?;
    let mut c = vec![0.0; map.rows() * lanes];
    for (i, row) in block.iter() {
        c[i * lanes..][..lanes].copy_from_slice(row);
    }
    let mut out = Rows::full(map.columns(), lanes);
    let data = out.data_mut();
    let channels = map.rows() / plane.max(1);
    for first in (0..channels).step_by(together.max(1)) {
        for quad in (first..first + together).step_by(4) {
            let number = (first + together - quad).min(4);
            // Channels that are not there repeat the last one with weight 0.
            let offset = [0, 1, 2, 3].map(|q: usize| q.min(number - 1));
            let taps = offset.map(|q| convolution.taps(quad + q));
            convolution.each_run(quad, |run| {
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

/// The block's rows times a dense map, the wanted columns: four rows at a time, lanes in groups.
pub fn dense_product(map: &Map, block: &Rows<f64>, wanted: &[bool]) -> Rows<f64> {
    let lanes = block.width();
    let mut out = Rows::some(wanted, lanes);
    let (columns, data) = out.parts_mut();
    let mut unused = [(); 4].map(|()| Scratch::default());
    let indices = block.indices();
    let zero = vec![0.0; lanes];
    for first in (0..indices.len()).step_by(4) {
        let [s0, s1, s2, s3] = &mut unused;
        let at = |k: usize| indices[(first + k).min(indices.len() - 1)] as usize;
        let rows = (map.row(at(0), s0), map.row(at(1), s1), map.row(at(2), s2), map.row(at(3), s3));
        let (Row::Dense(w0), Row::Dense(w1), Row::Dense(w2), Row::Dense(w3)) = rows else { break };
        let a = [0, 1, 2, 3]
            .map(|k| if first + k < indices.len() { block.slot(first + k) } else { &zero[..] });
        if lanes == 1 {
            let c = a.map(|row| row[0]);
            for (j, out) in columns.iter().map(|j| *j as usize).zip(data.iter_mut()) {
                *out += (c[0] * w0[j] + c[1] * w1[j]) + (c[2] * w2[j] + c[3] * w3[j]);
            }
            continue;
        }
        for g in (0..lanes).step_by(GROUP) {
            let c: [[f64; GROUP]; 4] = a.map(|row| [row[g], row[g + 1], row[g + 2], row[g + 3]]);
            if c.iter().flatten().all(|x| *x == 0.0) {
                continue;
            }
            for (j, out) in columns.iter().zip(data.chunks_exact_mut(lanes)) {
                let w = [w0, w1, w2, w3].map(|row| row[*j as usize]);
                let out = &mut out[g..g + GROUP];
                for p in 0..GROUP {
                    out[p] += (c[0][p] * w[0] + c[1][p] * w[1]) + (c[2][p] * w[2] + c[3][p] * w[3]);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ([13, 2], 1, [1, 1], 12),
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
            let all = vec![true; map.columns()];
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
                let block = some;
                let mut places = vec![0.0; map.columns() * lanes];
                let wide = lanes >= MANY_LANES;
                if let Some(rows) = by_places(&map, &block, &all) {
                    for (j, row) in rows.iter() {
                        places[j * lanes..][..lanes].copy_from_slice(row);
                    }
                }
                let mut fast = convolved(&map, &block).unwrap();
                let mut slow = vec![0.0; map.columns() * lanes];
                let mut scratch = Scratch::default();
                for (i, row) in block.iter() {
                    map.row(i, &mut scratch).each(|j, w| {
                        let to = &mut slow[j * lanes..][..lanes];
                        to.iter_mut().zip(row).for_each(|(y, c)| *y += c * w);
                    });
                }
                assert_eq!(fast.data_mut(), slow);
                assert!(if wide {
                    places == slow
                } else {
                    by_places(&map, &block, &all).is_none()
                });
            }
            // Where lines are nearly empty it is not worth it.
            let mut rows = Rows::new(map.rows(), lanes);
            let ends =
                (0..map.rows()).filter(|i| i % output[1] == 0 || i % output[1] + 1 == output[1]);
            ends.for_each(|i| rows.row_mut(i)[0] = 1.0);
            let wide = 2 * 4 < output[1] * lanes;
            assert_eq!(convolved(&map, &rows).is_none(), wide);
        }
    }
}
