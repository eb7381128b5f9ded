//! Operators that move, pick, sum and put together elements as constants say: FORMAT.md, section 1.
use super::array::{
    Array, Kind, Positions, axis, broadcast_shape, positions, small_volume, volume,
};
use super::build::{Builder, Value, Variable};
use super::choice::jumps;
use super::error::{Problem, unsupported};
use super::hinge::Slopes;
use super::lower::Operation;

/// For each place of a target the place of a source, if it has one.
type Source = Vec<Option<usize>>;

impl Builder {
    pub fn tile(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, repeats) = (op.input(0)?, op.constant(1)?.integers()?);
        if repeats.len() != x.shape().len() {
            return Err(Problem::Shape);
        }
        let mut all = positions(x.shape())?;
        for (a, times) in repeats.into_iter().enumerate() {
            let times = usize::try_from(times).map_err(|_| Problem::Shape)?;
            let size = x.shape()[a];
            small_volume(&[size, times])?;
            let places: Vec<usize> = (0..times).flat_map(|_| 0..size).collect();
            all = all.taken(a, &places)?;
        }
        self.rearranged(x, all, 0.0)
    }

    /// As ONNX says it: by a reshape to six axes, a transposition, a reshape.
    pub fn blocks(&mut self, op: &Operation, to_space: bool) -> Result<Value, Problem> {
        let x = op.input(0)?;
        let &[n, c, h, w] = x.shape() else { return Err(Problem::Shape) };
        let b = usize::try_from(op.needed("blocksize")?).unwrap_or(0);
        let square = b.checked_mul(b).filter(|s| *s > 0).ok_or(Problem::Operand("blocksize"))?;
        let (six, order, out) = if to_space {
            if c % square != 0 {
                return Err(Problem::Shape);
            }
            let depth = c / square;
            let (six, order) = match op.text("mode")?.unwrap_or(b"DCR") {
                b"DCR" => ([n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2]),
                b"CRD" => ([n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3]),
                _ => return Err(Problem::Operand("mode")),
            };
            (six, order, vec![n, depth, h * b, w * b])
        } else {
            if h % b != 0 || w % b != 0 {
                return Err(Problem::Shape);
            }
            let six = [n, c, h / b, b, w / b, b];
            (six, [0, 3, 5, 1, 2, 4], vec![n, c * square, h / b, w / b])
        };
        let all =
            positions(x.shape())?.reshaped(six.to_vec())?.transposed(&order)?.reshaped(out)?;
        self.rearranged(x, all, 0.0)
    }

    pub fn compress(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, flags) = (op.input(0)?, op.constant(1)?);
        if flags.kind != Kind::Bool {
            return Err(Problem::Types);
        }
        let (all, along) = match op.given("axis")? {
            Some(a) => (positions(x.shape())?, axis(a, x.shape().len())?),
            None => (positions(x.shape())?.reshaped(vec![volume(x.shape())?])?, 0),
        };
        let size = all.shape[along];
        let kept = flags.data.iter().take(size).enumerate().filter(|(_, flag)| **flag != 0.0);
        let kept: Vec<usize> = kept.map(|(at, _)| at).collect();
        self.rearranged(x, all.taken(along, &kept)?, 0.0)
    }

    pub fn trilu(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.input(0)?;
        let [.., rows, columns] = *x.shape() else { return Err(Problem::Shape) };
        let upper = op.switch("upper", true)?;
        let k = op.optional_constant(1)?.map_or(Ok(0), |k| {
            let list = k.integers()?;
            if let [k] = list.as_slice() { Ok(*k) } else { Err(Problem::Shape) }
        })?;
        let mut all = positions(x.shape())?;
        for (at, place) in all.data.iter_mut().enumerate() {
            let (row, column) = (at / columns % rows, at % columns);
            let beyond = (column as i64 - row as i64).saturating_sub(k);
            if (upper && beyond < 0) || (!upper && beyond > 0) {
                *place = None;
            }
        }
        self.rearranged(x, all, 0.0)
    }

    pub fn cumulated(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.variable(0)?;
        let list = op.constant(1)?.integers()?;
        let [a] = list.as_slice() else { return Err(Problem::Shape) };
        let a = axis(*a, x.shape.len())?;
        let (exclusive, reverse) = (op.switch("exclusive", false)?, op.switch("reverse", false)?);
        let (size, step) = (x.shape[a], volume(&x.shape[a + 1..])?);
        small_volume(&[volume(&x.shape)?, size])?;
        let row = |at: usize| {
            let own = at / step % size;
            let summed = |other: &usize| match (other.cmp(&own), exclusive) {
                (std::cmp::Ordering::Equal, exclusive) => !exclusive,
                (order, _) => order.is_gt() == reverse,
            };
            (0..size).filter(summed).map(|i| (at - own * step + i * step, 1.0)).collect()
        };
        let term = self.sparse(x.node, (0..volume(&x.shape)?).map(row).collect())?;
        self.linear(x.shape.clone(), term).map(Value::Variable)
    }

    pub fn gather_elements(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, indices) = (op.input(0)?, op.constant(1)?);
        let along = axis(op.integer("axis", 0)?, x.shape().len())?;
        let at = own_places(x.shape(), &indices.shape, &indices.integers()?, along)?;
        let data = at.into_iter().map(Some).collect();
        self.rearranged(x, Array::new(Kind::I64, indices.shape.clone(), data)?, 0.0)
    }

    pub fn gather_nd(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, indices) = (op.input(0)?, op.constant(1)?);
        let batch = usize::try_from(op.integer("batch_dims", 0)?).map_err(|_| Problem::Shape)?;
        let (starts, part) = named_parts(x.shape(), indices, batch)?;
        let shape = [&indices.shape[..indices.rank() - 1], &part].concat();
        let size = volume(&part)?;
        small_volume(&shape)?;
        let data = starts.into_iter().flat_map(|s| s..s + size).map(Some).collect();
        self.rearranged(x, Array::new(Kind::I64, shape, data)?, 0.0)
    }

    pub fn scatter_elements(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, indices) = (op.input(0)?, op.constant(1)?);
        let along = axis(op.integer("axis", 0)?, x.shape().len())?;
        let at = own_places(x.shape(), &indices.shape, &indices.integers()?, along)?;
        if op.input(2)?.shape() != indices.shape {
            return Err(Problem::Shape);
        }
        self.put(op, &at)
    }

    pub fn scatter_nd(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, indices) = (op.input(0)?, op.constant(1)?);
        let (starts, part) = named_parts(x.shape(), indices, 0)?;
        let size = volume(&part)?;
        if op.input(2)?.shape() != [&indices.shape[..indices.rank() - 1], &part].concat() {
            return Err(Problem::Shape);
        }
        small_volume(&[starts.len(), size.max(1)])?;
        let at: Vec<usize> = starts.into_iter().flat_map(|s| s..s + size).collect();
        self.put(op, &at)
    }

    /// The first operand with the third one's elements at these places, all of them different.
    fn put(&mut self, op: &Operation, at: &[usize]) -> Result<Value, Problem> {
        let (x, updates) = (op.input(0)?, op.input(2)?);
        if op.text("reduction")?.is_some_and(|r| r != b"none") || x.kind() != updates.kind() {
            return unsupported("a scatter that reduces");
        }
        let shape = x.shape().to_vec();
        let mut old: Source = (0..small_volume(&shape)?).map(Some).collect();
        let mut new: Source = vec![None; old.len()];
        for (from, to) in at.iter().enumerate() {
            if old[*to].take().is_none() {
                return unsupported("a scatter to one place twice");
            }
            new[*to] = Some(from);
        }
        self.merged(&shape, [(x, old), (updates, new)])
    }

    /// Elements of either of two tensors at every place.
    fn merged(&mut self, shape: &[usize], parts: [(&Value, Source); 2]) -> Result<Value, Problem> {
        let count = small_volume(shape)?;
        let (mut bias, mut terms) = (vec![0.0; count], vec![]);
        let kind = parts[0].0.kind();
        for (value, from) in parts {
            match value {
                Value::Condition(_) => return jumps(),
                Value::Constant(c) => {
                    for (b, from) in bias.iter_mut().zip(from) {
                        *b += from.map_or(0.0, |from| c.data[from]);
                    }
                }
                Value::Variable(v) => {
                    let rows = from.into_iter().map(|f| f.map(|f| (f, 1.0)).into_iter().collect());
                    terms.push(self.sparse(v.node, rows.collect())?);
                }
            }
        }
        if terms.is_empty() {
            return Array::new(kind, shape.to_vec(), bias).map(Value::constant);
        }
        self.affine(shape.to_vec(), terms, bias).map(Value::Variable)
    }

    /// x where a constant says so, else y.
    pub fn masked(&mut self, c: &Array<f64>, x: &Value, y: &Value) -> Result<Value, Problem> {
        let shape = broadcast_shape(&c.shape, &broadcast_shape(x.shape(), y.shape())?)?;
        if c.kind != Kind::Bool || x.kind() != y.kind() {
            return Err(Problem::Types);
        }
        let which = c.broadcast_to(&shape)?.data;
        let side = |value: &Value, wanted: bool| -> Result<Source, Problem> {
            let all = positions(value.shape())?.broadcast_to(&shape)?.data;
            let one = |(at, c): (Option<usize>, &f64)| at.filter(|_| (*c != 0.0) == wanted);
            Ok(all.into_iter().zip(&which).map(one).collect())
        };
        let parts = [(x, side(x, true)?), (y, side(y, false)?)];
        self.merged(&shape, parts)
    }

    /// The largest elements over some axes; the smallest are minus the largest of −x.
    pub fn reduce_extremum(&mut self, op: &Operation, max: bool) -> Result<Value, Problem> {
        let x = op.variable(0)?.clone();
        let (groups, shape) = reduced(op, &x)?;
        let sign = |build: &mut Builder, v: Value| {
            let shape = v.shape().to_vec();
            build.combine(&shape, &[(&v, -1.0)])
        };
        if max {
            return self.maxima(&x, groups, shape);
        }
        let negated = sign(self, Value::Variable(x))?;
        let largest = self.maxima(&negated, groups, shape)?;
        sign(self, largest).map(Value::Variable)
    }

    /// Σ|x| over some axes.
    pub fn reduce_absolute(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.variable(0)?;
        let abs = |_: usize, [below, above]: Slopes| Some([-below.abs(), above.abs()]);
        let absolute = self.bend(x, abs)?;
        let (groups, shape) = reduced(op, x)?;
        let rows = groups.into_iter().map(|g| g.into_iter().map(|at| (at, 1.0)).collect());
        let term = self.sparse(absolute.node, rows.collect())?;
        self.linear(shape, term).map(Value::Variable)
    }

    /// (x₁ + x₂ + …)·fl(1/n).
    pub fn mean(&mut self, op: &Operation) -> Result<Value, Problem> {
        match self.sum(op)? {
            Value::Variable(sum) => {
                let share = Array::scalar(self.kind, 1.0 / op.inputs.len() as f64);
                self.rescaled(&sum, &share).map(Value::Variable)
            }
            _ => unsupported("this operator on a constant"),
        }
    }

    /// Elements at multiples of the strides, zeros elsewhere, and a convolution with the kernels turned round.
    pub fn transposed_convolution(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, w) = (op.variable(0)?, op.constant(1)?);
        let (&[1, inputs, ref image @ ..], &[first, per_group, ref kernel @ ..]) =
            (x.shape.as_slice(), w.shape.as_slice())
        else {
            return unsupported("anything but one image with one or two axes");
        };
        let axes = kernel.len();
        let groups = usize::try_from(op.integer("group", 1)?).unwrap_or(0);
        if !(1..=2).contains(&axes) || image.len() != axes {
            return unsupported("anything but one image with one or two axes");
        }
        if groups == 0 || inputs % groups != 0 || first != inputs || w.data.is_empty() {
            return Err(Problem::Shape);
        }
        if op.text("auto_pad")?.is_some_and(|a| a != b"NOTSET")
            || op.integers("output_shape")?.is_some()
        {
            return unsupported("a transposed convolution without explicit pads");
        }
        if op
            .integers("kernel_shape")?
            .is_some_and(|k| !k.iter().map(|k| *k as usize).eq(kernel.iter().copied()))
        {
            return Err(Problem::Operand("kernel_shape"));
        }
        let list = |name: &'static str, count: usize, default: usize| {
            let Some(list) = op.integers(name)? else { return Ok(vec![default; count]) };
            let list: Option<Vec<usize>> = list.iter().map(|n| usize::try_from(*n).ok()).collect();
            list.filter(|l| l.len() == count && l.iter().all(|n| *n < 1 << 20))
                .ok_or(Problem::Operand(name))
        };
        let (strides, dilations) = (list("strides", axes, 1)?, list("dilations", axes, 1)?);
        let (pads, more) = (list("pads", 2 * axes, 0)?, list("output_padding", axes, 0)?);
        if strides.iter().chain(&dilations).any(|n| *n == 0) {
            return Err(Problem::Operand("strides"));
        }
        // Tap k of element i falls on i·stride + k·dilation − pad; so element i lies, under a kernel turned round, at
        // i·stride + (kernel − 1)·dilation − pad of a wider image.
        let mut wide = positions(&x.shape)?;
        let mut output = vec![];
        for a in 0..axes {
            let reach = (kernel[a] - 1) * dilations[a];
            let full = (image[a] - 1) * strides[a] + reach + 1 + more[a];
            let out = full
                .checked_sub(pads[a] + pads[axes + a])
                .filter(|n| *n > 0)
                .ok_or(Problem::Shape)?;
            small_volume(&[out + reach])?;
            let place = |at: usize| {
                let from = (at + pads[a]).checked_sub(reach)?;
                (from % strides[a] == 0).then_some(from / strides[a]).filter(|i| *i < image[a])
            };
            wide = spread(&wide, a + 2, (0..out + reach).map(place).collect())?;
            output.push(out);
        }
        let apart = self.moved(x, wide, 0.0)?;
        let taps = volume(kernel)?;
        let mut weights = Vec::with_capacity(w.data.len());
        for out in 0..per_group * groups {
            let (group, own) = (out / per_group, out % per_group);
            for i in 0..inputs / groups {
                let start = ((group * (inputs / groups) + i) * per_group + own) * taps;
                weights.extend(w.data[start..start + taps].iter().rev());
            }
        }
        let turned =
            Array::new(w.kind, [&[per_group * groups, inputs / groups], kernel].concat(), weights)?;
        self.convolved(&apart, &turned, op.optional_constant(2)?, (&dilations, groups), output)
    }
}

/// Along one axis the elements at these places, or none.
fn spread(all: &Positions, a: usize, places: Source) -> Result<Positions, Problem> {
    let at: Vec<usize> = places.iter().map(|p| p.unwrap_or(0)).collect();
    let mut taken = all.taken(a, &at)?;
    let inner = volume(&taken.shape[a + 1..])?;
    for (i, place) in taken.data.iter_mut().enumerate() {
        if places[i / inner % places.len()].is_none() {
            *place = None;
        }
    }
    Ok(taken)
}

/// For each index the place of the element at its own position but for one axis.
fn own_places(
    shape: &[usize],
    own: &[usize],
    indices: &[i64],
    along: usize,
) -> Result<Vec<usize>, Problem> {
    let fits = own.len() == shape.len() && (0..own.len()).all(|a| a == along || own[a] <= shape[a]);
    if !fits {
        return Err(Problem::Shape);
    }
    let mut places = vec![];
    for (flat, index) in indices.iter().enumerate() {
        let (mut rest, mut place, mut step) = (flat, 0, 1);
        for a in (0..own.len()).rev() {
            let at = if a == along { axis(*index, shape[a])? } else { rest % own[a] };
            rest /= own[a];
            place += at * step;
            step *= shape[a];
        }
        places.push(place);
    }
    Ok(places)
}

/// The parts of a tensor that the rows of indices name: where each begins, and its shape.
fn named_parts(
    shape: &[usize],
    indices: &Array<f64>,
    batch: usize,
) -> Result<(Vec<usize>, Vec<usize>), Problem> {
    let (depth, lists) = indices.shape.split_last().ok_or(Problem::Shape)?;
    let end = batch.checked_add(*depth).filter(|end| *end <= shape.len()).ok_or(Problem::Shape)?;
    if batch > lists.len() || lists[..batch] != shape[..batch] {
        return Err(Problem::Shape);
    }
    let (each, size) = (volume(&lists[batch..])?, volume(&shape[end..])?);
    let values = indices.integers()?;
    let mut starts = vec![];
    for i in 0..volume(lists)? {
        let mut at = i / each;
        for k in 0..*depth {
            let wide = shape[batch + k];
            at = at * wide + axis(values[i * depth + k], wide)?;
        }
        starts.push(at * size);
    }
    Ok((starts, shape[end..].to_vec()))
}

/// The elements that make each element of a reduction, in row-major order, and its shape.
fn reduced(op: &Operation, x: &Variable) -> Result<(Vec<Vec<usize>>, Vec<usize>), Problem> {
    let rank = x.shape.len();
    let axes = op.list("axes", 1)?.unwrap_or_default();
    let all = axes.is_empty() && !op.switch("noop_with_empty_axes", false)?;
    let mut gone = vec![all; rank];
    for a in axes {
        gone[axis(a, rank)?] = true;
    }
    let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..rank).partition(|a| gone[*a]);
    let count: usize = reduced.iter().map(|a| x.shape[*a]).product();
    let moved = positions(&x.shape)?.transposed(&[kept.as_slice(), &reduced].concat())?;
    let groups = moved.data.chunks(count.max(1)).map(|g| g.iter().flatten().copied().collect());
    let shape = match op.switch("keepdims", true)? {
        false => kept.iter().map(|a| x.shape[*a]).collect(),
        true => (0..rank).map(|a| if gone[a] { 1 } else { x.shape[a] }).collect(),
    };
    Ok((groups.collect(), shape))
}

/// The same elements in the type of the second operand.
pub fn cast_like(op: &Operation) -> Result<Value, Problem> {
    op.switch("saturate", true)?;
    super::movement::cast_to(op.input(0)?, op.input(1)?.kind())
}
