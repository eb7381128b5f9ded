//! Affine operators on vectors and elements: arithmetic, matrix products, normalisation, sums.
use super::array::{Array, Kind, MOST, axis, broadcast_shape, small_volume, volume};
use super::build::{Builder, Value, Variable};
use super::error::Problem;
use super::lower::Operation;
use crate::map::Map;
use std::sync::Arc;

impl Builder {
    pub fn arithmetic(&mut self, op: &Operation, sign: char) -> Result<Value, Problem> {
        if op.integer("broadcast", 0)? != 0 || op.proto.inputs.len() != 2 {
            return Err(Problem::Operand("inputs"));
        }
        let (a, b) = (op.input(0)?, op.input(1)?);
        let shape = broadcast_shape(a.shape(), b.shape())?;
        let variable = match (sign, a, b) {
            (_, Value::Constant(a), Value::Constant(b)) => {
                return Ok(Value::constant(fold(a, b, sign)?));
            }
            ('+', ..) => self.combine(&shape, &[(a, 1.0), (b, 1.0)])?,
            ('-', ..) => self.combine(&shape, &[(a, 1.0), (b, -1.0)])?,
            ('*', Value::Variable(v), Value::Constant(c))
            | ('*', Value::Constant(c), Value::Variable(v)) => self.scaled(v, c)?,
            ('/', Value::Variable(v), Value::Constant(c)) => {
                let inverse = c.data.iter().map(|c| 1.0 / c).collect();
                self.scaled(v, &Array::new(c.kind, c.shape.clone(), inverse)?)?
            }
            _ => return Err(Problem::Unsupported("a product or quotient of variables")),
        };
        Ok(Value::Variable(variable))
    }

    pub fn negate(&mut self, op: &Operation) -> Result<Value, Problem> {
        match op.input(0)? {
            Value::Constant(c) => {
                let data = c.data.iter().map(|x| -x).collect();
                Ok(Value::constant(Array::new(c.kind, c.shape.clone(), data)?))
            }
            Value::Variable(v) => {
                Ok(Value::Variable(self.scaled(v, &Array::scalar(Kind::Float, -1.0))?))
            }
        }
    }

    pub fn sum(&mut self, op: &Operation) -> Result<Value, Problem> {
        let mut total = op.input(0)?.clone();
        for i in 1..op.inputs.len() {
            let next = op.input(i)?;
            total = match (&total, next) {
                (Value::Constant(a), Value::Constant(b)) => Value::constant(fold(a, b, '+')?),
                (a, b) => {
                    let shape = broadcast_shape(a.shape(), b.shape())?;
                    Value::Variable(self.combine(&shape, &[(a, 1.0), (b, 1.0)])?)
                }
            };
        }
        Ok(total)
    }

    /// alpha·A'·B' + beta·C with a constant B and C.
    pub fn gemm(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, w) = (op.variable(0)?, op.constant(1)?);
        let (alpha, beta) = (op.float("alpha", 1.0)?, op.float("beta", 1.0)?);
        let &[r, c] = w.shape.as_slice() else { return Err(Problem::Shape) };
        let (n, m, transposed) =
            if op.integer("transB", 0)? != 0 { (c, r, true) } else { (r, c, false) };
        // One input vector: a row, or with transA a column.
        let expected = if op.integer("transA", 0)? != 0 { [n, 1] } else { [1, n] };
        if x.shape != expected {
            return Err(Problem::Unsupported("Gemm on anything but one row of matching length"));
        }
        let mut weights = if transposed { w.data.clone() } else { transpose(&w.data, n, m) };
        weights.iter_mut().for_each(|w| *w *= alpha);
        let bias = match op.optional_constant(2)? {
            Some(c) => c.broadcast_to(&[1, m])?.data.iter().map(|c| beta * c).collect(),
            None => vec![0.0; m],
        };
        let map = Map::dense(m, n, weights).ok_or(Problem::TooLarge)?;
        Ok(Value::Variable(self.affine(vec![1, m], vec![(x.node, Arc::new(map))], bias)?))
    }

    pub fn matmul(&mut self, op: &Operation) -> Result<Value, Problem> {
        match (op.input(0)?, op.input(1)?) {
            (Value::Variable(x), Value::Constant(w)) => self.times_right(x, w),
            (Value::Constant(w), Value::Variable(x)) => self.times_left(w, x),
            _ => Err(Problem::Unsupported("MatMul of two variables or two constants")),
        }
    }

    /// x W for x of shape […, n].
    fn times_right(&mut self, x: &Variable, w: &Array<f64>) -> Result<Value, Problem> {
        let (n, m) = match w.shape.as_slice() {
            [n] => (*n, 1),
            [ones @ .., n, m] if ones.iter().all(|d| *d == 1) => (*n, *m),
            _ => return Err(Problem::Unsupported("a MatMul of several matrices")),
        };
        let (last, outer) = x.shape.split_last().ok_or(Problem::Shape)?;
        if *last != n {
            return Err(Problem::Shape);
        }
        let mut shape = outer.to_vec();
        while shape.len() + 2 < w.rank() {
            shape.insert(0, 1);
        }
        if w.rank() > 1 {
            shape.push(m);
        }
        let count = volume(outer)?;
        let map = if count == 1 {
            Map::dense(m, n, transpose(&w.data, n, m))
        } else {
            bounded(&[count, n, m])?;
            let row = |i: usize| {
                let (r, j) = (i / m, i % m);
                (0..n).map(|k| (r * n + k, w.data[k * m + j])).filter(|t| t.1 != 0.0).collect()
            };
            Map::sparse(count * n, (0..count * m).map(row).collect())
        };
        let map = map.ok_or(Problem::TooLarge)?;
        let bias = vec![0.0; map.rows()];
        Ok(Value::Variable(self.affine(shape, vec![(x.node, Arc::new(map))], bias)?))
    }

    /// W x for x of shape [n] or […, n, k].
    fn times_left(&mut self, w: &Array<f64>, x: &Variable) -> Result<Value, Problem> {
        let (m, n) = match w.shape.as_slice() {
            [n] => (1, *n),
            [ones @ .., m, n] if ones.iter().all(|d| *d == 1) => (*m, *n),
            _ => return Err(Problem::Unsupported("a MatMul of several matrices")),
        };
        let (outer, length, k) = match x.shape.as_slice() {
            [length] => (&[][..], *length, 1),
            [outer @ .., length, k] => (outer, *length, *k),
            [] => return Err(Problem::Shape),
        };
        if length != n {
            return Err(Problem::Shape);
        }
        let mut shape = outer.to_vec();
        while shape.len() + 2 < w.rank() {
            shape.insert(0, 1);
        }
        if w.rank() > 1 {
            shape.push(m);
        }
        if x.shape.len() > 1 {
            shape.push(k);
        }
        let count = volume(outer)?;
        let map = if count == 1 && k == 1 {
            Map::dense(m, n, w.data.clone())
        } else {
            bounded(&[count, m, n, k])?;
            let row = |i: usize| {
                let (r, i, j) = (i / (m * k), i / k % m, i % k);
                let term = |l: usize| ((r * n + l) * k + j, w.data[i * n + l]);
                (0..n).map(term).filter(|t| t.1 != 0.0).collect()
            };
            Map::sparse(count * n * k, (0..count * m * k).map(row).collect())
        };
        let map = map.ok_or(Problem::TooLarge)?;
        let bias = vec![0.0; map.rows()];
        Ok(Value::Variable(self.affine(shape, vec![(x.node, Arc::new(map))], bias)?))
    }

    /// (x − mean)·a + b per channel, a = fl(scale / fl(√ fl(var + ε))).
    pub fn batch_normalization(&mut self, op: &Operation) -> Result<Value, Problem> {
        if op.integer("training_mode", 0)? != 0 || op.integer("spatial", 1)? != 1 {
            return Err(Problem::Unsupported("training mode"));
        }
        let x = op.input(0)?.clone();
        let rank = x.shape().len();
        let channels = *x.shape().get(1).ok_or(Problem::Shape)?;
        let epsilon = op.float("epsilon", 1e-5)?;
        let mut parts = vec![];
        for i in 1..5 {
            let part = op.constant(i)?;
            if part.shape != [channels] {
                return Err(Problem::Shape);
            }
            // As […, channels, 1, …], so that it broadcasts along its axis.
            let mut shape = vec![1; rank - 1];
            shape[0] = channels;
            parts.push(part.reshaped(shape)?);
        }
        let [scale, bias, mean, variance] = parts.as_slice() else { return Err(Problem::Shape) };
        let scale = scale.data.iter().zip(&variance.data).map(|(s, v)| s / (v + epsilon).sqrt());
        let scale = Array::new(Kind::Float, mean.shape.clone(), scale.collect())?;
        let shape = x.shape().to_vec();
        let mean = Value::constant(mean.clone());
        let centred = self.combine(&shape, &[(&x, 1.0), (&mean, -1.0)])?;
        let scaled = Value::Variable(self.scaled(&centred, &scale)?);
        let bias = Value::constant(bias.clone());
        Ok(Value::Variable(self.combine(&shape, &[(&scaled, 1.0), (&bias, 1.0)])?))
    }

    /// The sum or the mean over some axes.
    pub fn reduce(&mut self, op: &Operation, mean: bool) -> Result<Value, Problem> {
        let x = op.variable(0)?;
        let rank = x.shape.len();
        let axes = op.list("axes", 1)?.unwrap_or_default();
        let mut reduced =
            vec![axes.is_empty() && op.integer("noop_with_empty_axes", 0)? == 0; rank];
        for a in axes {
            reduced[axis(a, rank)?] = true;
        }
        let keep = op.integer("keepdims", 1)? != 0;
        let over = |want: bool| (0..rank).filter(move |a| reduced[*a] == want);
        let order: Vec<usize> = over.clone()(false).chain(over.clone()(true)).collect();
        let count = volume(&over.clone()(true).map(|a| x.shape[a]).collect::<Vec<_>>())?;
        let moved = self.positions(x)?.transposed(&order)?;
        let shape = (0..rank).filter_map(|a| match over.clone()(true).any(|b| a == b) {
            true => keep.then_some(1),
            false => Some(x.shape[a]),
        });
        let weight = if mean { 1.0 / count as f64 } else { 1.0 };
        let shape: Vec<usize> = shape.collect();
        let row = |group: &[Option<usize>]| group.iter().flatten().map(|p| (*p, weight)).collect();
        let mut rows: Vec<Vec<_>> = moved.data.chunks(count.max(1)).map(row).collect();
        rows.resize(small_volume(&shape)?, vec![]);
        let map = Map::sparse(self.circuit.size(x.node), rows).ok_or(Problem::TooLarge)?;
        let bias = vec![0.0; map.rows()];
        Ok(Value::Variable(self.affine(shape, vec![(x.node, Arc::new(map))], bias)?))
    }
}

/// Refuses to spell out too many products.
fn bounded(sizes: &[usize]) -> Result<(), Problem> {
    if volume(sizes)? <= 4 * MOST { Ok(()) } else { Err(Problem::TooLarge) }
}

/// An n × m matrix as m × n.
fn transpose(data: &[f64], n: usize, m: usize) -> Vec<f64> {
    let mut out = vec![0.0; data.len()];
    for i in 0..n {
        for j in 0..m {
            out[j * n + i] = data[i * m + j];
        }
    }
    out
}

/// Arithmetic on constants: in f64, or on integers as ONNX says (division towards zero).
fn fold(a: &Array<f64>, b: &Array<f64>, sign: char) -> Result<Array<f64>, Problem> {
    let shape = broadcast_shape(&a.shape, &b.shape)?;
    let integer = a.kind == Kind::Integer && b.kind == Kind::Integer;
    let (a, b) = (a.broadcast_to(&shape)?, b.broadcast_to(&shape)?);
    let one = |(a, b): (&f64, &f64)| match sign {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        _ if integer => (a / b).trunc(),
        _ => a / b,
    };
    let data = a.data.iter().zip(&b.data).map(one).collect();
    Array::new(if integer { Kind::Integer } else { Kind::Float }, shape, data)
}
