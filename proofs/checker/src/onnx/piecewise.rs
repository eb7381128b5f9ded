//! Piecewise-linear operators as affine maps and ReLU blocks, in the order that FORMAT.md fixes.
use super::affine::fold;
use super::array::{Array, Kind, broadcast_shape};
use super::build::{Builder, Value, Variable};
use super::error::Problem;
use super::lower::Operation;

impl Builder {
    pub fn rectify(&mut self, op: &Operation) -> Result<Value, Problem> {
        Ok(Value::Variable(self.relu(op.variable(0)?)?))
    }

    /// a·x + (1 − a)·relu(x).
    pub fn leaky_relu(&mut self, op: &Operation) -> Result<Value, Problem> {
        let slope = op.float("alpha")?.unwrap_or(0.01f32 as f64);
        self.leaky(op.variable(0)?, &Array::scalar(self.kind, slope))
    }

    pub fn p_relu(&mut self, op: &Operation) -> Result<Value, Problem> {
        let slope = op.constant(1)?;
        if op.opset < 7 && slope.data.len() > 1 {
            return Err(Problem::Unsupported("slopes of channels"));
        }
        self.leaky(op.variable(0)?, slope)
    }

    fn leaky(&mut self, x: &Variable, slope: &Array<f64>) -> Result<Value, Problem> {
        let slope = slope.broadcast_to(&x.shape)?;
        let r = self.relu(x)?;
        let below = Value::Variable(self.scaled(x, &slope)?);
        let above = Value::Variable(self.scaled(&r, &slope)?);
        // 1 − a need not be an f64, so it stays a difference.
        let parts = [(&below, 1.0), (&Value::Variable(r), 1.0), (&above, -1.0)];
        Ok(Value::Variable(self.combine(&x.shape, &parts)?))
    }

    /// 2·relu(x) − x.
    pub fn absolute(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.variable(0)?;
        let r = Value::Variable(self.relu(x)?);
        let x = Value::Variable(x.clone());
        Ok(Value::Variable(self.combine(x.shape(), &[(&r, 2.0), (&x, -1.0)])?))
    }

    /// lo + relu(x − lo) − relu(x − hi).
    pub fn clip(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.input(0)?;
        let shape = op.variable(0)?.shape.clone();
        // The largest floats bound nothing, each on its side: they are the default.
        let most = if self.kind == Kind::F32 { f32::MAX as f64 } else { f64::MAX };
        let mut ends = [None, None];
        for (i, (name, none)) in [("min", -most), ("max", most)].into_iter().enumerate() {
            let end = match (op.float(name)?, op.optional_constant(i + 1)?) {
                (Some(end), None) => Some(end),
                (None, Some(c)) => Some(c.only()?),
                (None, None) => None,
                _ => return Err(Problem::Operand(name)),
            };
            ends[i] = end.filter(|e| !(*e == none || *e == none * f64::INFINITY));
            if ends[i].is_some_and(|e| !e.is_finite()) {
                return Err(Problem::NotFinite);
            }
        }
        let kind = self.kind;
        let at = |c: f64| Value::constant(Array::scalar(kind, c));
        let result = match ends {
            [None, None] => return Ok(x.clone()),
            [Some(low), Some(high)] => {
                if low > high {
                    return Err(Problem::Operand("bounds"));
                }
                let first = self.combine(&shape, &[(x, 1.0), (&at(low), -1.0)])?;
                let first = Value::Variable(self.relu(&first)?);
                let second = self.combine(&shape, &[(x, 1.0), (&at(high), -1.0)])?;
                let second = Value::Variable(self.relu(&second)?);
                self.combine(&shape, &[(&first, 1.0), (&second, -1.0), (&at(low), 1.0)])?
            }
            [Some(low), None] => {
                let z = self.combine(&shape, &[(x, 1.0), (&at(low), -1.0)])?;
                let r = Value::Variable(self.relu(&z)?);
                self.combine(&shape, &[(&r, 1.0), (&at(low), 1.0)])?
            }
            [None, Some(high)] => {
                let z = self.combine(&shape, &[(x, -1.0), (&at(high), 1.0)])?;
                let r = Value::Variable(self.relu(&z)?);
                self.combine(&shape, &[(&r, -1.0), (&at(high), 1.0)])?
            }
        };
        Ok(Value::Variable(result))
    }

    /// Max (a + relu(b − a)) or Min (a − relu(a − b)), folded from the left.
    pub fn extremum(&mut self, op: &Operation, max: bool) -> Result<Value, Problem> {
        let mut best = op.input(0)?.clone();
        for i in 1..op.inputs.len() {
            let next = op.input(i)?;
            let shape = broadcast_shape(best.shape(), next.shape())?;
            let sign = if max { 1.0 } else { -1.0 };
            best = match (&best, next) {
                (Value::Constant(a), Value::Constant(b)) => fold(a, b, |a, b| {
                    let nan = a.is_nan() || b.is_nan();
                    if nan {
                        f64::NAN
                    } else if (a < b) == max {
                        b
                    } else {
                        a
                    }
                })?,
                (a, b) => {
                    let z = self.combine(&shape, &[(b, sign), (a, -sign)])?;
                    let r = Value::Variable(self.relu(&z)?);
                    Value::Variable(self.combine(&shape, &[(a, 1.0), (&r, sign)])?)
                }
            };
        }
        Ok(best)
    }
}
