//! Piecewise-linear operators as affine maps and ReLU blocks, in the order that FORMAT.md fixes.
use super::affine::fold;
use super::array::{Array, Kind, broadcast_shape, positions};
use super::build::{Builder, Value, Variable};
use super::choice::jumps;
use super::error::{Problem, unsupported};
use super::hinge::{self, Slopes};
use super::lower::Operation;

/// Constants from here on are bounds that hardly anything reaches: c + relu(x − c) would cost more by rounding than by its form.
const FAR: f64 = 1_048_576.0;

impl Builder {
    pub fn rectify(&mut self, op: &Operation) -> Result<Value, Problem> {
        self.relu(op.variable(0)?).map(Value::Variable)
    }

    /// x where it is positive, a·x where it is negative.
    pub fn leaky_relu(&mut self, op: &Operation) -> Result<Value, Problem> {
        let slope = op.float("alpha")?.unwrap_or(0.01f32 as f64);
        self.leaky(op.variable(0)?, &Array::scalar(self.kind, slope))
    }

    pub fn p_relu(&mut self, op: &Operation) -> Result<Value, Problem> {
        let slope = op.constant(1)?;
        if op.opset < 7 && slope.data.len() > 1 {
            return unsupported("slopes of channels");
        }
        self.leaky(op.variable(0)?, slope)
    }

    fn leaky(&mut self, x: &Variable, slope: &Array<f64>) -> Result<Value, Problem> {
        let slope = slope.broadcast_to(&x.shape)?.data;
        self.bend(x, |i, slopes| hinge::leaky(slopes, slope[i])).map(Value::Variable)
    }

    pub fn absolute(&mut self, op: &Operation) -> Result<Value, Problem> {
        let abs = |_: usize, [below, above]: Slopes| Some([-below.abs(), above.abs()]);
        self.bend(op.variable(0)?, abs).map(Value::Variable)
    }

    /// min(max(x, lo), hi).
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
        if let [Some(low), Some(high)] = ends
            && low > high
        {
            return Err(Problem::Operand("bounds"));
        }
        let mut clipped = x.clone();
        for (end, max) in ends.into_iter().zip([true, false]) {
            if let Some(end) = end {
                let end = Value::constant(Array::scalar(self.kind, end));
                clipped = self.extreme(&shape, &clipped, &end, max)?;
            }
        }
        Ok(clipped)
    }

    /// Max or Min, folded from the left.
    pub fn extremum(&mut self, op: &Operation, max: bool) -> Result<Value, Problem> {
        let mut best = op.input(0)?.clone();
        for i in 1..op.inputs.len() {
            let next = op.input(i)?;
            let shape = broadcast_shape(best.shape(), next.shape())?;
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
                (a, b) => self.extreme(&shape, a, b, max)?,
            };
        }
        Ok(best)
    }

    /// max(a, b) = a + relu(b − a) or min(a, b) = a − relu(a − b), where not both are functions of one tensor. A constant is a, unless it is far away.
    pub fn extreme(
        &mut self,
        shape: &[usize],
        a: &Value,
        b: &Value,
        max: bool,
    ) -> Result<Value, Problem> {
        let (a, b) = (&self.widened(shape, a)?, &self.widened(shape, b)?);
        let constant = |v: &Value, test: fn(f64) -> bool| match v {
            Value::Constant(c) => c.data.iter().any(|c| test(*c)),
            _ => false,
        };
        let (sign, pick) =
            if max { (1.0, hinge::larger as fn(_, _) -> _) } else { (-1.0, hinge::smaller as _) };
        if ![a, b].iter().any(|v| constant(v, |c| c != 0.0)) {
            let variables: Vec<&Variable> =
                [a, b].into_iter().filter_map(Value::variable).collect();
            let slopes = |_: usize, s: &[Slopes]| Some(pick(s[0], *s.get(1).unwrap_or(&[0.0; 2])));
            if let Some(found) = self.hinged(shape, &variables, slopes)? {
                return Ok(Value::Variable(found));
            }
        }
        let far = constant(a, |c| c.abs() >= FAR) || constant(b, |c| c.abs() >= FAR);
        let swap = constant(if far { a } else { b }, |_| true);
        let (a, b) = if swap { (b, a) } else { (a, b) };
        let z = self.combine(shape, &[(b, sign), (a, -sign)])?;
        let r = Value::Variable(self.relu(&z)?);
        self.combine(shape, &[(a, 1.0), (&r, sign)]).map(Value::Variable)
    }

    /// A value, of which a variable is broadcast to a shape.
    pub fn widened(&mut self, shape: &[usize], value: &Value) -> Result<Value, Problem> {
        match value {
            Value::Constant(_) => Ok(value.clone()),
            Value::Condition(_) => jumps(),
            Value::Variable(v) => {
                let at = positions(&v.shape)?.broadcast_to(shape)?;
                self.moved(v, at, 0.0).map(Value::Variable)
            }
        }
    }
}
