//! Values while the graph is read, and the few ways to make new ones.
use super::array::{Array, Kind, broadcast_shape, small_volume};
use super::error::Problem;
use super::external::Folder;
use super::hinge::{self, Hinges};
use super::model::TensorProto;
use crate::circuit::{Affine, Circuit, Node};
use crate::map::Map;
use crate::memory::Memory;
use std::rc::Rc;
use std::sync::Arc;

/// A tensor of the network. It has elements, and they are floats.
#[derive(Clone, Debug)]
pub struct Variable {
    pub node: usize,
    pub shape: Vec<usize>,
    pub kind: Kind,
}

#[derive(Clone)]
pub enum Value {
    Constant(Rc<Array<f64>>),
    Variable(Variable),
}

impl Value {
    pub fn constant(array: Array<f64>) -> Value {
        Value::Constant(Rc::new(array))
    }

    pub fn shape(&self) -> &[usize] {
        match self {
            Value::Constant(a) => &a.shape,
            Value::Variable(v) => &v.shape,
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Value::Constant(a) => a.kind,
            Value::Variable(v) => v.kind,
        }
    }

    pub fn variable(&self) -> Option<&Variable> {
        if let Value::Variable(v) = self { Some(v) } else { None }
    }
}

pub struct Builder {
    pub circuit: Circuit,
    /// The type of the floats of the operator at hand.
    pub kind: Kind,
    pub folder: Folder,
    pub memory: Memory,
    pub hinges: Hinges,
}

impl Builder {
    pub fn decoded(&self, tensor: &TensorProto) -> Result<Value, Problem> {
        Ok(Value::constant(tensor.decode(&self.folder, &self.memory)?))
    }

    pub fn affine(
        &mut self,
        shape: Vec<usize>,
        terms: Vec<(usize, Arc<Map>)>,
        bias: Vec<f64>,
    ) -> Result<Variable, Problem> {
        let finite = bias.iter().all(|b| b.is_finite()) && terms.iter().all(|(_, m)| m.is_finite());
        if !finite {
            return Err(Problem::NotFinite);
        }
        if bias.is_empty() {
            return Err(Problem::Empty);
        }
        let affine = Affine { terms, bias };
        self.memory.take(affine.bytes(), 1)?;
        let node = self.circuit.push_affine(affine).ok_or(Problem::TooLarge)?;
        Ok(Variable { node, shape, kind: self.kind })
    }

    /// The map's image of a variable.
    pub fn linear(
        &mut self,
        x: &Variable,
        map: Option<Map>,
        shape: Vec<usize>,
    ) -> Result<Value, Problem> {
        let map = map.ok_or(Problem::TooLarge)?;
        let bias = vec![0.0; map.rows()];
        Ok(Value::Variable(self.affine(shape, vec![(x.node, Arc::new(map))], bias)?))
    }

    pub fn relu(&mut self, z: &Variable) -> Result<Variable, Problem> {
        self.bend(z, |_, slopes| Some(hinge::larger(slopes, [0.0; 2])))
    }

    /// The flat positions of a variable's elements, to be moved as the elements are.
    pub fn positions(&self, v: &Variable) -> Result<Array<Option<usize>>, Problem> {
        let count = small_volume(&v.shape)?;
        Array::new(v.kind, v.shape.clone(), (0..count).map(Some).collect())
    }

    /// The variable whose elements are those at the positions; `fill` where there is none.
    pub fn moved(
        &mut self,
        v: &Variable,
        positions: Array<Option<usize>>,
        fill: f64,
    ) -> Result<Value, Problem> {
        let size = self.circuit.size(v.node);
        let shape = positions.shape;
        let same = positions.data.len() == size
            && positions.data.iter().enumerate().all(|(i, p)| *p == Some(i));
        if same {
            return Ok(Value::Variable(Variable { shape, ..v.clone() }));
        }
        let bias = positions.data.iter().map(|p| if p.is_some() { 0.0 } else { fill }).collect();
        let rows = positions.data.iter().map(|p| p.iter().map(|j| (*j, 1.0)).collect()).collect();
        let map = Map::sparse(size, rows).ok_or(Problem::TooLarge)?;
        Ok(Value::Variable(self.affine(shape, vec![(v.node, Arc::new(map))], bias)?))
    }

    /// Σ factor · part, each part broadcast to the shape; at most one constant among them, so that nothing is rounded.
    pub fn combine(
        &mut self,
        shape: &[usize],
        parts: &[(&Value, f64)],
    ) -> Result<Variable, Problem> {
        let shift =
            |part: &Value| matches!(part, Value::Constant(c) if c.data.iter().any(|c| *c != 0.0));
        if !parts.iter().any(|(part, _)| shift(part)) {
            let (operands, factors): (Vec<&Variable>, Vec<f64>) =
                parts.iter().filter_map(|(part, factor)| Some((part.variable()?, *factor))).unzip();
            let sum = |_: usize, slopes: &[hinge::Slopes]| {
                let scaled = slopes.iter().zip(&factors).map(|(s, c)| hinge::times(*s, *c));
                scaled.reduce(|a, b| hinge::plus(a?, b?)).flatten()
            };
            if let Some(sum) = self.hinged(shape, &operands, sum)? {
                return Ok(sum);
            }
        }
        let count = small_volume(shape)?;
        let mut bias = vec![0.0; count];
        let mut terms = vec![];
        let mut plain = None;
        if parts.iter().filter(|(part, _)| matches!(part, Value::Constant(_))).count() > 1 {
            return Err(Problem::Unsupported("this operator on a constant"));
        }
        for (part, factor) in parts {
            match part {
                Value::Constant(c) => {
                    bias = c.broadcast_to(shape)?.data.iter().map(|x| factor * x).collect();
                }
                Value::Variable(v) => {
                    let picks = self.positions(v)?.broadcast_to(shape)?;
                    if *factor == 1.0 && v.shape == shape {
                        plain = Some(v.clone());
                    }
                    let picks = picks.data.iter().map(|p| (p.unwrap_or(0), *factor));
                    let map = Map::select(self.circuit.size(v.node), picks);
                    terms.push((v.node, Arc::new(map.ok_or(Problem::TooLarge)?)));
                }
            }
        }
        if let (Some(v), 1) = (plain, terms.len()) {
            if bias.iter().all(|b| *b == 0.0) {
                return Ok(v);
            }
            // A bias that is added to an affine node without one belongs to that node.
            if let Node::Affine(a) = &self.circuit.nodes()[v.node]
                && a.bias.iter().all(|b| *b == 0.0)
            {
                terms = a.terms.clone();
            }
        }
        self.affine(shape.to_vec(), terms, bias)
    }

    /// factor_i · x_i, elementwise, with the factors broadcast.
    pub fn scaled(&mut self, v: &Variable, factors: &Array<f64>) -> Result<Variable, Problem> {
        let shape = broadcast_shape(&v.shape, &factors.shape)?;
        small_volume(&shape)?;
        let all = factors.broadcast_to(&shape)?.data;
        match self.hinged(&shape, &[v], |i, slopes| hinge::times(slopes[0], all[i]))? {
            Some(scaled) => Ok(scaled),
            None => self.rescaled(v, factors),
        }
    }

    /// The same, as a tensor that is not taken for a function of another one: the factors stand for numbers that are no f64.
    pub fn rescaled(&mut self, v: &Variable, factors: &Array<f64>) -> Result<Variable, Problem> {
        let shape = broadcast_shape(&v.shape, &factors.shape)?;
        small_volume(&shape)?;
        let picks = self.positions(v)?.broadcast_to(&shape)?;
        let factors = factors.broadcast_to(&shape)?;
        let weighted = picks.data.iter().zip(&factors.data).map(|(p, f)| (p.unwrap_or(0), *f));
        let map = Map::select(self.circuit.size(v.node), weighted).ok_or(Problem::TooLarge)?;
        let bias = vec![0.0; picks.data.len()];
        self.affine(shape, vec![(v.node, Arc::new(map))], bias)
    }
}
