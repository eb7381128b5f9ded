//! Piecewise-linear operators as affine maps and ReLU blocks, in the order that FORMAT.md fixes.
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
        let slope = Array::scalar(Kind::Float, op.float("alpha", 0.01)?);
        self.leaky(op.variable(0)?, &slope)
    }

    pub fn p_relu(&mut self, op: &Operation) -> Result<Value, Problem> {
        self.leaky(op.variable(0)?, op.constant(1)?)
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
        let mut ends = [None, None];
        for (i, name) in ["min", "max"].into_iter().enumerate() {
            let end = match op.proto.attributes.get(name) {
                Some(_) => Some(op.float(name, 0.0)?),
                None => match op.optional_constant(i + 1)? {
                    Some(c) if c.data.len() == 1 => Some(c.data[0]),
                    Some(_) => return Err(Problem::Operand("bounds")),
                    None => None,
                },
            };
            if end.is_some_and(f64::is_nan) {
                return Err(Problem::NotFinite);
            }
            // The default bounds are the largest floats: they bound nothing. So a bound beyond f32 is none on its side.
            let none = |e: f64| if i == 0 { e <= f32::MIN as f64 } else { e >= f32::MAX as f64 };
            ends[i] = end.filter(|e| !none(*e));
            if ends[i].is_some_and(f64::is_infinite) {
                return Err(Problem::NotFinite);
            }
        }
        let at = |c: f64| Value::constant(Array::scalar(Kind::Float, c));
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
                (Value::Constant(a), Value::Constant(b)) => {
                    let integer = a.kind == Kind::Integer && b.kind == Kind::Integer;
                    let (a, b) = (a.broadcast_to(&shape)?, b.broadcast_to(&shape)?);
                    let pick = |(a, b): (&f64, &f64)| if (a < b) == max { *b } else { *a };
                    let data = a.data.iter().zip(&b.data).map(pick).collect();
                    let kind = if integer { Kind::Integer } else { Kind::Float };
                    Value::constant(Array::new(kind, shape, data)?)
                }
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
