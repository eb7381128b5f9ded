//! Comparisons, and choices by them that never jump: FORMAT.md, section 1.
use super::array::{Kind, broadcast_shape};
use super::build::{Builder, Value, Variable};
use super::error::{Problem, unsupported};
use super::hinge::Slopes;
use super::lower::Operation;
use std::cmp::Ordering;
use std::rc::Rc;

/// The refusal of a choice.
pub fn jumps<T>() -> Result<T, Problem> {
    unsupported("a comparison, or a choice by one, that is not known to be continuous")
}

/// A comparison of two tensors: what it says where the first is smaller, where both are equal, where it is larger.
#[derive(Clone)]
pub struct Condition {
    pub shape: Vec<usize>,
    /// Bool, or a type of floats: then it is 1 or 0.
    pub kind: Kind,
    pub operands: [Value; 2],
    pub says: [bool; 3],
}

impl Builder {
    pub fn compare(&mut self, op: &Operation, says: [bool; 3]) -> Result<Value, Problem> {
        let (a, b) = (op.input(0)?, op.input(1)?);
        let numbers = a.kind() == b.kind() && a.kind() != Kind::Bool;
        if op.opset < 7 || op.inputs.len() != 2 || !numbers {
            return Err(Problem::Operand("inputs"));
        }
        let shape = broadcast_shape(a.shape(), b.shape())?;
        let operands = [a.clone(), b.clone()];
        Ok(Value::Condition(Rc::new(Condition { shape, kind: Kind::Bool, operands, says })))
    }

    pub fn opposite(&mut self, op: &Operation) -> Result<Value, Problem> {
        match op.input(0)? {
            Value::Condition(c) if c.kind == Kind::Bool => {
                let says = c.says.map(|says| !says);
                Ok(Value::Condition(Rc::new(Condition { says, ..(**c).clone() })))
            }
            _ => unsupported("the opposite of what is no comparison"),
        }
    }

    pub fn where_(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, y) = (op.input(1)?, op.input(2)?);
        match op.input(0)? {
            Value::Condition(c) if c.kind == Kind::Bool && x.kind() == y.kind() => {
                self.choose(c, x, y)
            }
            Value::Constant(c) => self.masked(c, x, y),
            _ => unsupported("a choice by what is no comparison"),
        }
    }

    /// x where the comparison holds, else y.
    pub fn choose(&mut self, c: &Condition, x: &Value, y: &Value) -> Result<Value, Problem> {
        let shape = broadcast_shape(&c.shape, &broadcast_shape(x.shape(), y.shape())?)?;
        let [a, b] = &c.operands;
        let [less, _, greater] = c.says;
        let straight = same(x, a) && same(y, b);
        if less != greater && (straight || same(x, b) && same(y, a)) {
            return self.extreme(&shape, a, b, straight == greater);
        }
        // None for 0.
        let (mut variables, mut places) = (vec![], [None; 4]);
        for (value, place) in [a, b, x, y].into_iter().zip(&mut places) {
            match self.widened(&shape, value)? {
                Value::Constant(zero) if zero.data.iter().all(|c| *c == 0.0) => {}
                Value::Variable(v) => {
                    *place = Some(variables.len());
                    variables.push(v);
                }
                _ => return jumps(),
            }
        }
        let slopes = |_: usize, known: &[Slopes]| {
            let [a, b, x, y] = places.map(|place| place.map_or([0.0; 2], |k: usize| known[k]));
            let pick = |side: usize, a: f64, b: f64| {
                let holds = c.says[(a.partial_cmp(&b)? as Ordering as i8 + 1) as usize];
                Some(if holds { x[side] } else { y[side] })
            };
            // Where z < 0 the larger slope makes the smaller value.
            Some([pick(0, b[0], a[0])?, pick(1, a[1], b[1])?])
        };
        let variables: Vec<&Variable> = variables.iter().collect();
        let found = self.hinged(&shape, &variables, slopes)?;
        found.map_or_else(jumps, |v| Ok(Value::Variable(v)))
    }
}

/// Whether both are one tensor.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Variable(a), Value::Variable(b)) => a.node == b.node && a.shape == b.shape,
        (Value::Constant(a), Value::Constant(b)) => a.shape == b.shape && a.data == b.data,
        _ => false,
    }
}
