//! Products of coefficients with maps, in f64: whichever order of additions is fastest, the bound of its error is the same.
use crate::map::Map;
use crate::rows::Rows;
use std::ops::Range;

/// Lanes are handled in groups of this many, padded with zeros.
pub const GROUP: usize = 4;

/// The block's rows times a convolution, place by place, or a dense map, which is one place: all channels of one place go to the same
/// inputs, and four of them are added at a time. `None` for sparse maps. Columns that are not `wanted` are left out.
pub fn by_places(map: &Map, block: &Rows<f64>, wanted: &[bool]) -> Option<Rows<f64>> {
    let [together, plane] = map.planes()?;
    if plane == 0 {
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
    if plane > 1 {
        order = sorted(order, plane, (map.rows() / plane).div_ceil(together));
    }
    let mut out = Rows::with_room(map.columns(), block.width(), map.columns());
    let mut taps: Vec<(usize, usize)> = Vec::with_capacity(map.row_terms());
    for rows in order.chunk_by(|a, b| a.0 == b.0 && a.1 == b.1) {
        taps.clear();
        map.each_tap(rows[0].2, |tap, column| {
            if wanted[column] {
                taps.push((tap, out.place(column)));
            }
        });
        let mut rest = rows;
        while !rest.is_empty() {
            rest = match rest.len() {
                4.. => abreast::<4>(map, block, rest, &taps, out.data_mut()),
                _ => abreast::<1>(map, block, rest, &taps, out.data_mut()),
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

/// Adds the first N of some rows of one place, times their weights, to the rows that begin where these taps (weight, place) say;
/// returns the others.
fn abreast<'r, const N: usize>(
    map: &Map,
    block: &Rows<f64>,
    rows: &'r [Placed],
    taps: &[(usize, usize)],
    out: &mut [f64],
) -> &'r [Placed] {
    let Some((first, rest)) = rows.split_first_chunk::<N>() else { return &[] };
    let from = first.iter().map(|row| row.4.start).min().unwrap_or(0) / GROUP;
    let end = first.iter().map(|row| row.4.end).max().unwrap_or(0).div_ceil(GROUP);
    let weights: [&[f64]; N] = first.each_ref().map(|row| map.taps(row.2));
    let groups = first.each_ref().map(|row| block.slot(row.3).as_chunks::<GROUP>().0);
    for g in from..end {
        let c = groups.map(|groups| groups[g]);
        if c == [[0.0; GROUP]; N] {
            continue;
        }
        for (tap, place) in taps {
            let w = weights.map(|weights| weights[*tap]);
            let y = &mut out[place + g * GROUP..][..GROUP];
            for p in 0..GROUP {
                y[p] += (1..N).fold(w[0] * c[0][p], |sum, k| sum + w[k] * c[k][p]);
            }
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::{Convolution, Scratch};

    /// Small integers, so that every sum is exact.
    fn number(i: usize) -> f64 {
        (i * 7919 % 11) as f64 - 5.0
    }

    #[test]
    fn products_by_places_and_by_rows_are_the_same() {
        // Of 7 and 5 rows at one place four are abreast; strides, dilations, padding, and a kernel as large as its input.
        for (channels, groups, strides, kernel, lanes) in [
            ([5, 3], 1, [1, 1], [3, 3], 4),
            ([14, 4], 2, [1, 1], [3, 3], 4),
            ([3, 2], 1, [2, 2], [3, 3], 4),
            ([6, 4], 2, [2, 1], [3, 2], 12),
            ([14, 4], 2, [1, 1], [3, 3], 8),
            ([13, 2], 1, [1, 1], [6, 5], 12),
        ] {
            let input = [6, 5];
            let pad = usize::from(kernel[0] == 3);
            let output = [0, 1].map(|i| (input[i] + 2 * pad - kernel[i]) / strides[i] + 1);
            let count = channels[0] * (channels[1] / groups) * kernel[0] * kernel[1];
            let map = Map::convolution(Convolution {
                channels,
                input,
                output,
                kernel,
                strides,
                dilations: [1, 1],
                pads: [pad, pad],
                groups,
                weights: (0..count).map(number).collect(),
            })
            .unwrap();
            assert_eq!(map.is_dense(), pad == 0);
            let wanted: Vec<bool> = (0..map.columns()).map(|j| j % 7 > 0).collect();
            for part in [0..map.rows(), map.rows() / 3..map.rows() / 2] {
                let mut block = Rows::new(map.rows(), lanes);
                for i in part.rev().filter(|i| i % 3 > 0) {
                    let row = block.row_mut(i);
                    row.iter_mut().enumerate().for_each(|(k, c)| *c = number(i * 5 + k));
                }
                let (mut places, mut rows) = (vec![0.0; map.columns() * lanes], vec![]);
                for (j, row) in by_places(&map, &block, &wanted).unwrap().iter() {
                    places[j * lanes..][..lanes].copy_from_slice(row);
                }
                rows.resize(places.len(), 0.0);
                let mut scratch = Scratch::default();
                for (i, row) in block.iter() {
                    map.row(i, &mut scratch).each(|j, w| {
                        let to = rows[j * lanes..][..lanes].iter_mut().zip(row);
                        to.filter(|_| wanted[j]).for_each(|(y, c)| *y += c * w);
                    });
                }
                assert_eq!(places, rows);
            }
        }
    }
}
