//! Operators that move elements as constants say: Tile, GatherElements, GatherND, Compress, DepthToSpace and the like.

use super::call::Call;
use super::lower::{Lowering, Value};
use super::place::picked;
use super::shape::{Problem, Walk, axis, count, misfit, strides};
use crate::load::NodeProblem;

/// The position of each element along each axis, row-major.
pub fn positions(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    let total: usize = shape.iter().product();
    (0..total).map(move |mut flat| {
        let mut index = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            (index[axis], flat) = (flat % shape[axis], flat / shape[axis]);
        }
        index
    })
}

/// The flat index of a position.
pub fn flat(position: &[usize], shape: &[usize]) -> usize {
    position.iter().zip(shape).fold(0, |flat, (at, size)| flat * size + at)
}

/// An index that may count from the end.
pub fn within(index: i64, size: usize) -> Problem<usize> {
    let at = if index < 0 { index.checked_add(size as i64) } else { Some(index) };
    at.and_then(|at| usize::try_from(at).ok()).filter(|&at| at < size).ok_or_else(|| {
        NodeProblem::Operand {
            index: 1,
            found: format!("the index {index} on an axis of {size}"),
            accepted: "indices of the axis",
        }
    })
}

/// The elements chosen by a function of their positions.
fn chosen<'m>(
    low: &mut Lowering,
    value: &Value<'m>,
    shape: Vec<usize>,
    from: impl Fn(&[usize]) -> Vec<usize>,
) -> Problem<Value<'m>> {
    low.spend::<[u64; 4]>(count(&shape)?)?;
    let old = value.shape().to_vec();
    let indices: Vec<usize> = positions(&shape).map(|p| flat(&from(&p), &old)).collect();
    low.select(value, shape, &indices)
}

/// The tensor repeated along each axis.
pub fn tile<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let old = value.shape().to_vec();
    call.needed_constant(1)?;
    let repeats = call.ints_operand(1)?.unwrap_or_default();
    let sizes = old.iter().zip(repeats).map(|(&d, &r)| d.checked_mul(usize::try_from(r).ok()?));
    let shape: Vec<usize> = sizes
        .collect::<Option<_>>()
        .filter(|_| repeats.len() == old.len())
        .ok_or_else(|| misfit(&[&old], "one number of repetitions, not negative, for each axis"))?;
    chosen(low, value, shape, |p| p.iter().zip(&old).map(|(at, size)| at % size).collect())
}

fn blocks(call: &Call) -> Problem<(usize, [usize; 4])> {
    let shape = call.value(0)?.shape();
    let size = usize::try_from(call.needed_int("blocksize")?).ok().filter(|&b| b > 0);
    match (size, shape) {
        (Some(size), &[n, c, h, w]) => Ok((size, [n, c, h, w])),
        _ => Err(misfit(&[shape], "(batch, channels, height, width), and a positive block size")),
    }
}

/// Blocks of channels become blocks of pixels.
pub fn depth_to_space<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (b, [n, c, h, w]) = blocks(call)?;
    let value = call.value(0)?;
    let depth = c / (b * b);
    if depth * b * b != c {
        return Err(misfit(&[value.shape()], "a number of channels that block size² divides"));
    }
    let columns_first = match &*call.text("mode", "DCR")? {
        "DCR" => false,
        "CRD" => true,
        other => {
            let found = other.to_owned();
            return Err(NodeProblem::Attribute { name: "mode", found, accepted: "DCR or CRD" });
        }
    };
    chosen(low, value, vec![n, depth, h * b, w * b], |p| {
        let (row, column) = (p[2] % b, p[3] % b);
        let block = row * b + column;
        let channel = if columns_first { p[1] * b * b + block } else { block * depth + p[1] };
        vec![p[0], channel, p[2] / b, p[3] / b]
    })
}

/// Blocks of pixels become blocks of channels.
pub fn space_to_depth<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (b, [n, c, h, w]) = blocks(call)?;
    let value = call.value(0)?;
    if h % b != 0 || w % b != 0 {
        return Err(misfit(&[value.shape()], "sizes that the block size divides"));
    }
    chosen(low, value, vec![n, c * b * b, h / b, w / b], |p| {
        let (block, channel) = (p[1] / c, p[1] % c);
        vec![p[0], channel, p[2] * b + block / b, p[3] * b + block % b]
    })
}

/// For each index the element at its own position, but for one axis.
pub fn gather_elements<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let old = value.shape().to_vec();
    let along = call.axis(0, old.len())?;
    let shape = call.needed_constant(1)?.shape.clone();
    let given = call.ints_operand(1)?.unwrap_or_default();
    let fits = shape.len() == old.len() && (0..old.len()).all(|a| a == along || shape[a] <= old[a]);
    if !fits {
        return Err(misfit(&[&old, &shape], "indices with as many axes, and none longer"));
    }
    let at = given.iter().map(|&i| within(i, old[along])).collect::<Problem<Vec<_>>>()?;
    chosen(low, value, shape.clone(), |p| {
        let mut from = p.to_vec();
        from[along] = at[flat(p, &shape)];
        from
    })
}

/// The places in a tensor that lists of indices name, behind `batch` common axes: for each list the place of its first element, and the
/// shape of what lies there.
pub fn places(
    indices: &[i64],
    list: &[usize],
    shape: &[usize],
    batch: usize,
) -> Problem<(Vec<usize>, Vec<usize>)> {
    let unfit = || misfit(&[shape, list], "lists of indices of leading axes");
    let (&depth, lists) = list.split_last().ok_or_else(unfit)?;
    let end = batch + depth;
    if end > shape.len() || batch > lists.len() || lists[..batch] != shape[..batch] {
        return Err(unfit());
    }
    let inner: usize = shape[end..].iter().product();
    let per_batch: usize = lists[batch..].iter().product();
    let number: usize = lists.iter().product();
    let mut starts = Vec::with_capacity(number);
    for i in 0..number {
        let mut at = i / per_batch.max(1);
        for (k, &size) in shape[batch..end].iter().enumerate() {
            at = at * size + within(indices[i * depth + k], size)?;
        }
        starts.push(at * inner);
    }
    Ok((starts, shape[end..].to_vec()))
}

/// The parts that lists of indices name.
pub fn gather_nd<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let list = call.needed_constant(1)?.shape.clone();
    let indices = call.ints_operand(1)?.unwrap_or_default();
    let batch = usize::try_from(call.int("batch_dims", 0)?).unwrap_or(usize::MAX);
    if batch >= list.len() {
        return Err(misfit(&[value.shape(), &list], "fewer common axes than the indices have"));
    }
    let (starts, part) = places(indices, &list, value.shape(), batch)?;
    let shape = [&list[..list.len() - 1], &part].concat();
    low.spend::<u64>(count(&shape)?)?;
    let inner: usize = part.iter().product();
    let all: Vec<usize> = starts.into_iter().flat_map(|start| start..start + inner).collect();
    low.select(value, shape, &all)
}

/// The slices for which a condition holds; without an axis the elements.
pub fn compress<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let old = value.shape().to_vec();
    call.needed_constant(1)?;
    let holds = call.ints_operand(1)?.unwrap_or_default();
    let kept = || holds.iter().enumerate().filter(|(_, holds)| **holds != 0).map(|(at, _)| at);
    if !call.has("axis") {
        let all: usize = old.iter().product();
        let indices: Vec<usize> = kept().filter(|&at| at < all).collect();
        return low.select(value, vec![indices.len()], &indices);
    }
    let along = call.axis(0, old.len())?;
    let at: Vec<usize> = kept().filter(|&at| at < old[along]).collect();
    let mut shape = old;
    shape[along] = at.len();
    chosen(low, value, shape, |p| {
        let mut from = p.to_vec();
        from[along] = at[p[along]];
        from
    })
}

/// The beginning of each sequence backwards.
pub fn reverse_sequence<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let shape = value.shape().to_vec();
    call.needed_constant(1)?;
    let lengths = call.ints_operand(1)?.unwrap_or_default();
    let batch = axis(call.int("batch_axis", 1)?, shape.len(), "batch_axis")?;
    let time = axis(call.int("time_axis", 0)?, shape.len(), "time_axis")?;
    let fits = |&&len: &&i64| usize::try_from(len).is_ok_and(|len| len <= shape[time]);
    if batch == time || lengths.len() != shape[batch] || !lengths.iter().all(|len| fits(&len)) {
        return Err(misfit(&[&shape], "a length for each sequence, and axes that differ"));
    }
    chosen(low, value, shape.clone(), |p| {
        let (len, at) = (lengths[p[batch]] as usize, p[time]);
        let mut from = p.to_vec();
        from[time] = if at < len { len - 1 - at } else { at };
        from
    })
}

/// Zeros beyond a diagonal.
pub fn trilu<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let shape = value.shape().to_vec();
    if shape.len() < 2 {
        return Err(misfit(&[&shape], "a matrix, or a stack of them"));
    }
    let upper = call.switch("upper", true)?;
    let diagonal = match call.optional(1) {
        None => 0,
        Some(_) => match call.ints_operand(1)? {
            Some(&[k]) => k,
            _ => return Err(misfit(&[&shape], "one diagonal")),
        },
    };
    let kept = |(at, p): (usize, Vec<usize>)| {
        let (row, column) = (p[p.len() - 2] as i64, p[p.len() - 1] as i64);
        let offset = (column - row).saturating_sub(diagonal);
        (offset == 0 || (offset > 0) == upper).then_some(at)
    };
    low.spend::<[u64; 4]>(count(&shape)?)?;
    let sources = positions(&shape).enumerate().map(kept).collect();
    picked(low, value, shape, sources, 0.0)
}

/// The middle of a tensor, or zeros around it.
pub fn center_crop_pad<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let value = call.value(0)?;
    let old = value.shape().to_vec();
    call.needed_constant(1)?;
    let sizes = call.ints_operand(1)?.unwrap_or_default();
    let axes: Vec<usize> = match call.ints("axes")? {
        None => (0..old.len()).collect(),
        Some(axes) => axes.iter().map(|&a| axis(a, old.len(), "axes")).collect::<Problem<_>>()?,
    };
    if axes.len() != sizes.len() {
        return Err(misfit(&[&old], "a size for each axis"));
    }
    // Where an axis begins in the old one; below 0 in the zeros before it.
    let (mut shape, mut begins) = (old.clone(), vec![0i64; old.len()]);
    for (&a, &size) in axes.iter().zip(sizes) {
        shape[a] =
            usize::try_from(size).map_err(|_| misfit(&[&old], "sizes that are not negative"))?;
        let less = old[a] as i64 - size;
        begins[a] = if less >= 0 { less / 2 } else { -(-less / 2) };
    }
    low.spend::<[u64; 4]>(count(&shape)?)?;
    let source = |p: Vec<usize>| {
        let one =
            |a: usize| usize::try_from(p[a] as i64 + begins[a]).ok().filter(|&at| at < old[a]);
        Some(flat(&(0..p.len()).map(one).collect::<Option<Vec<_>>>()?, &old))
    };
    let sources = positions(&shape).map(source).collect();
    picked(low, value, shape, sources, 0.0)
}

/// Sums along an axis up to each element, or from it on.
pub fn cum_sum<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    use super::shape::count_entries;
    use crate::net::{LinearMap, Sparse};
    let x = call.variable(low, 0)?;
    call.needed_constant(1)?;
    let along = match call.ints_operand(1)? {
        Some(&[along]) => axis(along, x.shape.len(), "axis")?,
        _ => return Err(misfit(&[&x.shape], "one axis")),
    };
    let (exclusive, reverse) = (call.switch("exclusive", false)?, call.switch("reverse", false)?);
    let (size, step) = (x.shape[along], strides(&x.shape)[along].cast_unsigned());
    low.spend::<[u64; 2]>(count_entries(low.len(&x), size)?)?;
    let whole = strides(&x.shape);
    let rows = Walk::new(&x.shape, &whole, 0).map(|flat| {
        let at = flat / step % size;
        let first = flat - at * step;
        let summed = match (reverse, exclusive) {
            (false, false) => 0..at + 1,
            (false, true) => 0..at,
            (true, false) => at..size,
            (true, true) => at + 1..size,
        };
        summed.map(move |i| (first + i * step, 1.0))
    });
    let map = LinearMap::Sparse(Sparse::from_rows(low.len(&x), rows));
    let shape = x.shape.clone();
    Ok(low.linear(&x, map, shape)?.into())
}
