//! Affine operators on vectors and elements: arithmetic, matrix products, normalisation, sums.
use super::array::{Array, MOST, axis, broadcast_shape, positions, volume};
use super::build::{Builder, Value};
use super::choice::jumps;
use super::error::{Problem, unsupported};
use super::lower::Operation;
use crate::map::Map;
use std::sync::Arc;

impl Builder {
    pub fn arithmetic(&mut self, op: &Operation, sign: char) -> Result<Value, Problem> {
        let (a, b) = (op.input(0)?, op.input(1)?);
        // Before operator set 7 only the second operand was repeated, and only if the node said so.
        let repeats = op.switch("broadcast", false)? && a.shape().ends_with(b.shape());
        if op.inputs.len() != 2 || op.opset < 7 && a.shape() != b.shape() && !repeats {
            return Err(Problem::Operand("inputs"));
        }
        self.calculated(a, b, sign)
    }

    fn calculated(&mut self, a: &Value, b: &Value, sign: char) -> Result<Value, Problem> {
        let shape = broadcast_shape(a.shape(), b.shape())?;
        let variable = match (sign, a, b) {
            (_, Value::Constant(a), Value::Constant(b)) => {
                return fold(a, b, |a, b| match sign {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    _ => a / b,
                });
            }
            ('+', ..) => self.combine(&shape, &[(a, 1.0), (b, 1.0)])?,
            ('-', ..) => self.combine(&shape, &[(a, 1.0), (b, -1.0)])?,
            ('*', Value::Variable(v), Value::Constant(c))
            | ('*', Value::Constant(c), Value::Variable(v)) => self.scaled(v, c)?,
            ('/', Value::Variable(v), Value::Constant(c)) => {
                let inverse: Vec<f64> = c.data.iter().map(|c| 1.0 / c).collect();
                let exact = inverse.iter().zip(&c.data).all(|(f, c)| f.mul_add(*c, -1.0) == 0.0);
                let inverse = Array { data: inverse, shape: c.shape.clone(), ..**c };
                if exact { self.scaled(v, &inverse)? } else { self.rescaled(v, &inverse)? }
            }
            ('*', Value::Condition(c), x) | ('*', x, Value::Condition(c)) => {
                return self.choose(c, x, &Value::constant(Array::scalar(c.kind, 0.0)));
            }
            _ => return unsupported("a product or quotient of variables"),
        };
        Ok(Value::Variable(variable))
    }

    pub fn negate(&mut self, op: &Operation) -> Result<Value, Problem> {
        match op.input(0)? {
            Value::Constant(c) => Ok(Value::constant(c.map(|x| -x)?)),
            Value::Variable(v) => self.scaled(v, &Array::scalar(v.kind, -1.0)).map(Value::Variable),
            Value::Condition(_) => jumps(),
        }
    }

    pub fn sum(&mut self, op: &Operation) -> Result<Value, Problem> {
        let rest = op.inputs.iter().skip(1).enumerate();
        rest.fold(op.input(0).cloned(), |sum, (i, _)| self.calculated(&sum?, op.input(i + 1)?, '+'))
    }

    /// alpha·A'·B' + beta·C with a constant B and C.
    pub fn gemm(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, w) = (op.variable(0)?, op.constant(1)?);
        let (alpha, beta) = (op.float("alpha")?.unwrap_or(1.0), op.float("beta")?.unwrap_or(1.0));
        let &[r, c] = w.shape.as_slice() else { return Err(Problem::Shape) };
        let (n, m, transposed) =
            if op.switch("transB", false)? { (c, r, true) } else { (r, c, false) };
        // One input vector: a row, or with transA a column.
        let expected = if op.switch("transA", false)? { [n, 1] } else { [1, n] };
        if x.shape != expected {
            return unsupported("Gemm on anything but one row of matching length");
        }
        let mut weights = if transposed { w.data.clone() } else { transpose(&w.data, n, m) };
        weights.iter_mut().for_each(|w| *w *= alpha);
        let repeats = op.switch("broadcast", false)? || op.opset >= 7;
        let bias = match op.optional_constant(2)? {
            Some(c) if !repeats && c.shape != [1, m] => return Err(Problem::Shape),
            Some(c) => c.broadcast_to(&[1, m])?.data.iter().map(|c| beta * c).collect(),
            None => vec![0.0; m],
        };
        let map = Map::dense(m, n, weights).ok_or(Problem::TooLarge)?;
        self.affine(vec![1, m], vec![(x.node, Arc::new(map))], bias).map(Value::Variable)
    }

    /// A·B of a variable and a constant by numpy's rules: a vector is a row on the left and a column on the right, and the axes before
    /// the last two are broadcast.
    pub fn matmul(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, w, left) = match (op.input(0)?, op.input(1)?) {
            (Value::Variable(x), Value::Constant(w)) => (x, w, true),
            (Value::Constant(w), Value::Variable(x)) => (x, w, false),
            _ => return unsupported("MatMul of two variables or two constants"),
        };
        let matrices = |shape: &[usize], left: bool| match *shape {
            [n] if left => vec![1, n],
            [n] => vec![n, 1],
            _ => shape.to_vec(),
        };
        let (own, other) = (matrices(&x.shape, left), matrices(&w.shape, !left));
        let (a, b) = if left { (&own, &other) } else { (&other, &own) };
        let ([first @ .., m, n], [second @ .., inner, k]) = (a.as_slice(), b.as_slice()) else {
            return Err(Problem::Shape);
        };
        if n != inner {
            return Err(Problem::Shape);
        }
        let (m, n, k, batch) = (*m, *n, *k, broadcast_shape(first, second)?);
        let mut shape = batch.clone();
        shape.extend((op.input(0)?.shape().len() > 1).then_some(m));
        shape.extend((op.input(1)?.shape().len() > 1).then_some(k));
        let map = match (volume(&batch)?, m, k, left) {
            (1, 1, _, true) => Map::dense(k, n, transpose(&w.data, n, k)),
            (1, _, 1, false) => Map::dense(m, n, w.data.clone()),
            (count, ..) => {
                bounded(&[count, m, n, k])?;
                let all = |s: &[usize]| [batch.as_slice(), &s[s.len() - 2..]].concat();
                let (xs, ws) = (all(&own), all(&other));
                let positions = positions(&x.shape)?.reshaped(own)?.broadcast_to(&xs)?;
                let weights = w.reshaped(other)?.broadcast_to(&ws)?;
                let row = |i: usize| {
                    let (at, i, j) = (i / (m * k), i / k % m, i % k);
                    let term = |l: usize| {
                        let (a, b) = ((at * m + i) * n + l, (at * n + l) * k + j);
                        let (own, other) = if left { (a, b) } else { (b, a) };
                        (positions.data[own].unwrap_or(0), weights.data[other])
                    };
                    (0..n).map(term).filter(|t| t.1 != 0.0).collect()
                };
                Map::sparse(self.circuit.size(x.node), (0..count * m * k).map(row).collect())
            }
        };
        let term = (x.node, Arc::new(map.ok_or(Problem::TooLarge)?));
        self.linear(shape, term).map(Value::Variable)
    }

    /// (x − mean)·a + b per channel, a = fl(scale / fl(√ fl(var + ε))).
    pub fn batch_normalization(&mut self, op: &Operation) -> Result<Value, Problem> {
        // Before operator set 7 training was the default.
        let trains = op.integer("is_test", 0)? == 0 && op.opset < 7;
        if op.switch("training_mode", false)? || !op.switch("spatial", true)? || trains {
            return unsupported("training mode");
        }
        let x = Value::Variable(op.variable(0)?.clone());
        let rank = x.shape().len();
        let channels = *x.shape().get(1).ok_or(Problem::Shape)?;
        let epsilon = op.float("epsilon")?.unwrap_or(1e-5f32 as f64);
        let mut parts = vec![];
        for i in 1..5 {
            let part = op.constant(i)?;
            if part.kind != self.kind {
                return Err(Problem::Types);
            }
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
        let scale = Array::new(mean.kind, mean.shape.clone(), scale.collect())?;
        let shape = x.shape().to_vec();
        let mean = Value::constant(mean.clone());
        let centred = self.combine(&shape, &[(&x, 1.0), (&mean, -1.0)])?;
        let scaled = Value::Variable(self.rescaled(&centred, &scale)?);
        let bias = Value::constant(bias.clone());
        self.combine(&shape, &[(&scaled, 1.0), (&bias, 1.0)]).map(Value::Variable)
    }

    /// The sum or the mean over some axes.
    pub fn reduce(&mut self, op: &Operation, mean: bool) -> Result<Value, Problem> {
        let x = op.variable(0)?;
        let rank = x.shape.len();
        let axes = op.list("axes", 1)?.unwrap_or_default();
        let none = op.switch("noop_with_empty_axes", false)?;
        let mut reduced = vec![axes.is_empty() && !none; rank];
        for a in axes {
            reduced[axis(a, rank)?] = true;
        }
        let (gone, kept): (Vec<usize>, Vec<usize>) = (0..rank).partition(|a| reduced[*a]);
        let count = gone.iter().map(|a| x.shape[*a]).product();
        let moved = positions(&x.shape)?.transposed(&[kept.as_slice(), &gone].concat())?;
        let shape = match op.switch("keepdims", true)? {
            false => kept.iter().map(|a| x.shape[*a]).collect(),
            true => (0..rank).map(|a| if reduced[a] { 1 } else { x.shape[a] }).collect(),
        };
        let weight = if mean { 1.0 / count as f64 } else { 1.0 };
        let row = |group: &[Option<usize>]| group.iter().flatten().map(|p| (*p, weight)).collect();
        let term = self.sparse(x.node, moved.data.chunks(count).map(row).collect())?;
        self.linear(shape, term).map(Value::Variable)
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

/// Arithmetic on constants of one type, rounded to it once (integers towards zero).
pub fn fold(a: &Array<f64>, b: &Array<f64>, f: impl Fn(f64, f64) -> f64) -> Result<Value, Problem> {
    let (kind, shape) = (a.kind, broadcast_shape(&a.shape, &b.shape)?);
    let (a, b) = (a.broadcast_to(&shape)?, b.broadcast_to(&shape)?);
    // Integers that are not exact are good for nothing.
    let hold = |x: &f64| if kind.is_float() { Ok(*x) } else { kind.hold(*x) };
    let one = |(x, y)| kind.hold(f(hold(x)?, hold(y)?));
    let data = a.data.iter().zip(&b.data).map(one).collect::<Result<_, _>>()?;
    Ok(Value::constant(Array::new(kind, shape, data)?))
}
