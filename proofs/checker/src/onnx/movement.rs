//! Operators that only move elements, on constants and (through the positions of the elements) on variables.
use super::array::{
    Array, Kind, Positions, axis, broadcast_shape, positions, small_volume, volume,
};
use super::build::{Builder, Value, Variable};
use super::choice::{Condition, jumps};
use super::error::{Problem, unsupported};
use super::lower::Operation;
use std::rc::Rc;

impl Builder {
    /// The elements at these positions; `fill` where there is none.
    pub fn rearranged(&mut self, x: &Value, at: Positions, fill: f64) -> Result<Value, Problem> {
        match x {
            Value::Condition(_) => jumps(),
            Value::Variable(v) => self.moved(v, at, fill).map(Value::Variable),
            Value::Constant(c) => {
                let data = at.data.iter().map(|at| at.map_or(fill, |at| c.data[at]));
                Array::new(c.kind, at.shape, data.collect()).map(Value::constant)
            }
        }
    }

    pub fn split(&mut self, op: &Operation) -> Result<Vec<Value>, Problem> {
        let x = op.input(0)?;
        let axis = axis(op.integer("axis", 0)?, x.shape().len())?;
        let (size, count) = (x.shape()[axis], op.proto.outputs.len());
        if op.integer("num_outputs", count as i64)? != count as i64 {
            return Err(Problem::Operand("num_outputs"));
        }
        let sizes = match op.list("split", 1)? {
            Some(list) => self::sizes(&list)?,
            None if size % count != 0 && op.opset < 18 => return Err(Problem::Shape),
            None => {
                let part = size.div_ceil(count);
                (0..count).map(|i| part.min(size.saturating_sub(i * part))).collect()
            }
        };
        if sizes.len() != count
            || sizes.iter().try_fold(0usize, |a, s| a.checked_add(*s)) != Some(size)
        {
            return Err(Problem::Shape);
        }
        let all = positions(x.shape())?;
        let (mut start, mut parts) = (0, vec![]);
        for size in sizes {
            let part: Vec<usize> = (start..start + size).collect();
            parts.push(self.rearranged(x, all.taken(axis, &part)?, 0.0)?);
            start += size;
        }
        Ok(parts)
    }

    pub fn concat(&mut self, op: &Operation) -> Result<Value, Problem> {
        let first = op.input(0)?;
        let axis = axis(op.integer("axis", 1)?, first.shape().len())?;
        let operands: Vec<&Value> =
            (0..op.inputs.len()).map(|i| op.input(i)).collect::<Result<_, _>>()?;
        if operands.iter().any(|operand| matches!(operand, Value::Condition(_))) {
            return jumps();
        }
        // Copies and marks of all elements.
        for operand in &operands {
            self.memory.take(volume(operand.shape())?, 16)?;
        }
        // Each element remembers its operand and its position there.
        let mut tagged = vec![];
        for (o, operand) in operands.iter().enumerate() {
            let count = small_volume(operand.shape())?;
            let data = (0..count).map(|p| (o, p)).collect();
            tagged.push(Array::new(first.kind(), operand.shape().to_vec(), data)?);
        }
        let all: Array<(usize, usize)> = Array::concatenated(&tagged, axis)?;
        let fixed = |(from, p): &(usize, usize)| match operands[*from] {
            Value::Constant(c) => c.data[*p],
            Value::Variable(_) | Value::Condition(_) => 0.0,
        };
        let bias = all.data.iter().map(fixed).collect();
        let mut terms = vec![];
        for (o, operand) in operands.iter().enumerate() {
            if let Value::Variable(v) = operand {
                let row = |(from, p): &(usize, usize)| match *from == o {
                    true => vec![(*p, 1.0)],
                    false => vec![],
                };
                terms.push(self.sparse(v.node, all.data.iter().map(row).collect())?);
            }
        }
        if terms.is_empty() {
            return Array::new(all.kind, all.shape, bias).map(Value::constant);
        }
        let joined = self.affine(all.shape, terms, bias)?;
        let operands = operands.into_iter().cloned().collect();
        self.hinges.joined.insert(joined.node, (operands, all.data));
        Ok(Value::Variable(joined))
    }
}

pub fn dropout(op: &Operation) -> Result<Value, Problem> {
    // Before operator set 7 training was the default.
    let tests = op.proto.operator == "Identity" || op.integer("is_test", 0)? != 0 || op.opset >= 7;
    match op.optional_constant(2)? {
        None if tests => Ok(op.input(0)?.clone()),
        Some(training) if training.only()? == 0.0 => Ok(op.input(0)?.clone()),
        _ => unsupported("training mode"),
    }
}

impl Builder {
    pub fn constant(&mut self, op: &Operation) -> Result<Value, Problem> {
        if let Some(tensor) = op.tensor("value")? {
            return self.decoded(tensor);
        }
        let whole = |x: &i64| *x as f64;
        let (kind, shape, data) = if let Some(x) = op.float("value_float")? {
            (Kind::F32, vec![], vec![x])
        } else if let Some(list) = op.floats("value_floats")? {
            (Kind::F32, vec![list.len()], list.to_vec())
        } else if let Some(list) = op.integers("value_ints")? {
            (Kind::I64, vec![list.len()], list.iter().map(whole).collect())
        } else {
            (Kind::I64, vec![], vec![op.needed("value_int")? as f64])
        };
        Array::new(kind, shape, data).map(Value::constant)
    }

    pub fn constant_of_shape(&mut self, op: &Operation) -> Result<Value, Problem> {
        let shape = sizes(&op.constant(0)?.integers()?)?;
        let (kind, x) = match op.tensor("value")? {
            Some(tensor) => {
                let value = tensor.decode(&self.folder, &self.memory)?;
                (value.kind, value.only()?)
            }
            None => (Kind::F32, 0.0),
        };
        let data = vec![x; small_volume(&shape)?];
        Array::new(kind, shape, data).map(Value::constant)
    }
}

fn sizes(list: &[i64]) -> Result<Vec<usize>, Problem> {
    list.iter().map(|d| usize::try_from(*d).map_err(|_| Problem::Shape)).collect()
}

pub fn shape_of(op: &Operation) -> Result<Value, Problem> {
    let shape = op.input(0)?.shape();
    let rank = shape.len() as i64;
    let clamp = |i: i64| (if i < 0 { i.saturating_add(rank) } else { i }).clamp(0, rank) as usize;
    let (start, end) = (clamp(op.integer("start", 0)?), clamp(op.integer("end", rank)?));
    let data: Vec<f64> =
        shape.get(start..end).unwrap_or_default().iter().map(|d| *d as f64).collect();
    Ok(Value::constant(Array::new(Kind::I64, vec![data.len()], data)?))
}

/// Of a variable the identity, as the network is a function over the reals.
pub fn cast(op: &Operation) -> Result<Value, Problem> {
    op.switch("saturate", true)?;
    let to = op.needed("to")?;
    match op.input(0)? {
        // Strings are what classes are called: the class that a classifier decides on stands for its scores.
        Value::Variable(v) if to == 8 && v.ordered && !v.kind.is_float() => {
            Ok(op.input(0)?.clone())
        }
        x => cast_to(x, Kind::of(to)?),
    }
}

/// The same to a type.
pub fn cast_to(x: &Value, kind: Kind) -> Result<Value, Problem> {
    match x {
        // The class that a classifier decides on is not computed.
        Value::Variable(v) if kind.is_float() == v.kind.is_float() && kind != Kind::Bool => {
            Ok(Value::Variable(Variable { kind, ..v.clone() }))
        }
        Value::Condition(c) if kind.is_float() || kind == Kind::Bool => {
            Ok(Value::Condition(Rc::new(Condition { kind, ..(**c).clone() })))
        }
        Value::Variable(_) | Value::Condition(_) => unsupported("a cast of a variable to integers"),
        Value::Constant(c) if c.kind == kind => Ok(Value::Constant(c.clone())),
        Value::Constant(c) => {
            let one = |x: &f64| match kind {
                Kind::Bool => Ok(f64::from(*x != 0.0)),
                // Integers that are not exact would be rounded twice.
                _ if !c.kind.is_float() => kind.hold(Kind::I64.hold(*x)?),
                _ => kind.hold(*x),
            };
            let data = c.data.iter().map(one).collect::<Result<_, _>>()?;
            Array::new(kind, c.shape.clone(), data).map(Value::constant)
        }
    }
}

/// The same elements in another shape.
fn reshaped(x: &Value, shape: Vec<usize>) -> Result<Value, Problem> {
    match x {
        Value::Constant(c) => c.reshaped(shape).map(Value::constant),
        Value::Variable(v) if volume(&shape)? == volume(&v.shape)? => {
            Ok(Value::Variable(Variable { shape, ..v.clone() }))
        }
        Value::Condition(_) => jumps(),
        Value::Variable(_) => Err(Problem::Shape),
    }
}

pub fn flatten(op: &Operation) -> Result<Value, Problem> {
    let shape = op.input(0)?.shape();
    let a = op.integer("axis", 1)?;
    let at = if a == shape.len() as i64 { shape.len() } else { axis(a, shape.len())? };
    reshaped(op.input(0)?, vec![volume(&shape[..at])?, volume(&shape[at..])?])
}

pub fn reshape(op: &Operation) -> Result<Value, Problem> {
    let from = op.input(0)?.shape();
    let wanted = op.list("shape", 1)?.ok_or(Problem::Operand("shape"))?;
    let keep_zero = op.switch("allowzero", false)?;
    let mut free = None;
    let mut shape = vec![];
    for (i, size) in wanted.into_iter().enumerate() {
        shape.push(match size {
            -1 if free.is_none() => {
                free = Some(i);
                1
            }
            0 if !keep_zero => *from.get(i).ok_or(Problem::Shape)?,
            size => usize::try_from(size).map_err(|_| Problem::Shape)?,
        });
    }
    if let Some(free) = free {
        let (all, rest) = (volume(from)?, volume(&shape)?);
        shape[free] = all.checked_div(rest).filter(|q| q * rest == all).ok_or(Problem::Shape)?;
    }
    reshaped(op.input(0)?, shape)
}

pub fn squeeze(op: &Operation) -> Result<Value, Problem> {
    let shape = op.input(0)?.shape();
    let axes = match op.list("axes", 1)? {
        Some(axes) if axes.is_empty() => return Err(Problem::Operand("axes")),
        Some(axes) => {
            axes.into_iter().map(|a| axis(a, shape.len())).collect::<Result<Vec<_>, _>>()?
        }
        None => (0..shape.len()).filter(|a| shape[*a] == 1).collect(),
    };
    if axes.iter().any(|a| shape[*a] != 1) {
        return Err(Problem::Shape);
    }
    let left = shape.iter().enumerate().filter(|(a, _)| !axes.contains(a));
    reshaped(op.input(0)?, left.map(|(_, d)| *d).collect())
}

pub fn unsqueeze(op: &Operation) -> Result<Value, Problem> {
    let shape = op.input(0)?.shape();
    let axes = op.list("axes", 1)?.ok_or(Problem::Operand("axes"))?;
    let rank = shape.len() + axes.len();
    let axes = axes.into_iter().map(|a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut rest = shape.iter();
    let mut out = vec![];
    for a in 0..rank {
        out.push(if axes.contains(&a) { 1 } else { *rest.next().ok_or(Problem::Shape)? });
    }
    reshaped(op.input(0)?, out)
}

impl Builder {
    pub fn transpose(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.input(0)?;
        let rank = x.shape().len();
        let order: Vec<usize> = match op.integers("perm")? {
            Some(perm) => perm.iter().map(|a| axis(*a, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).rev().collect(),
        };
        self.rearranged(x, positions(x.shape())?.transposed(&order)?, 0.0)
    }

    pub fn expand(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, shape) = (op.input(0)?, sizes(&op.constant(1)?.integers()?)?);
        let shape = broadcast_shape(x.shape(), &shape)?;
        self.rearranged(x, positions(x.shape())?.broadcast_to(&shape)?, 0.0)
    }

    pub fn gather(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.input(0)?;
        let at = axis(op.integer("axis", 0)?, x.shape().len())?;
        let indices = op.constant(1)?;
        let places = indices.integers()?.into_iter().map(|i| axis(i, x.shape()[at]));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let mut taken = positions(x.shape())?.taken(at, &places)?;
        taken.shape.splice(at..=at, indices.shape.iter().copied());
        self.rearranged(x, taken, 0.0)
    }

    pub fn slice(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.input(0)?;
        let starts = op.list("starts", 1)?.ok_or(Problem::Operand("starts"))?;
        let ends = op.list("ends", 2)?.ok_or(Problem::Operand("ends"))?;
        let axes = op.list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = match op.optional_constant(4)? {
            Some(steps) => steps.integers()?,
            None => vec![1; starts.len()],
        };
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err(Problem::Shape);
        }
        let (mut all, mut done) = (positions(x.shape())?, vec![]);
        for (((start, end), a), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
            let a = axis(a, x.shape().len())?;
            let size = x.shape()[a] as i64;
            let from_end = |i: i64| if i < 0 { i.saturating_add(size) } else { i };
            let (start, end) = (from_end(start), from_end(end));
            if step == 0 || done.contains(&a) {
                return Err(Problem::Operand("steps"));
            }
            if step < 0 && [i32::MAX as i64, i64::MAX].contains(&end) {
                // The end of the axis, says ONNX, so that nothing is left; its start, says onnxruntime.
                return unsupported("a backward Slice to INT_MAX");
            }
            // ONNX's clamping: to [0, size] going up, to [−1, size − 1] going down.
            let way: Box<dyn Iterator<Item = i64>> = match step > 0 {
                true => Box::new(start.max(0)..end.min(size)),
                false => Box::new((end.max(-1) + 1..=start.max(0).min(size - 1)).rev()),
            };
            let step = step.unsigned_abs() as usize;
            let list: Vec<usize> = way.step_by(step).map(|i| i as usize).collect();
            all = all.taken(a, &list)?;
            done.push(a);
        }
        self.rearranged(x, all, 0.0)
    }

    pub fn pad(&mut self, op: &Operation) -> Result<Value, Problem> {
        if op.text("mode")?.is_some_and(|mode| mode != b"constant") {
            return unsupported("padding that is not constant");
        }
        let x = op.input(0)?;
        let rank = x.shape().len();
        let pads = op.list("pads", 1)?.ok_or(Problem::Operand("pads"))?;
        let fill = match op.optional_constant(2)? {
            Some(c) if c.kind != x.kind() => return Err(Problem::Types),
            Some(c) => c.only()?,
            None => op.float("value")?.unwrap_or(0.0),
        };
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        let axes = match op.optional_constant(3)? {
            Some(axes) => axes.integers()?,
            None => (0..rank as i64).collect(),
        };
        if pads.len() != 2 * axes.len() {
            return Err(Problem::Operand("pads"));
        }
        for (i, a) in axes.iter().enumerate() {
            let a = axis(*a, rank)?;
            (before[a], after[a]) = (pads[i], pads[i + axes.len()]);
        }
        // No negative zero.
        let all = positions(x.shape())?;
        self.rearranged(x, all.padded(&before, &after, &None)?, fill + 0.0)
    }
}
