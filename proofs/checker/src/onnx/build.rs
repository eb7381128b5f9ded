//! Values while the graph is read, and the few ways to make new ones.
use super::array::{Array, Kind, Positions, broadcast_shape, positions, small_volume};
use super::choice::{Condition, jumps};
use super::error::{Problem, unsupported};
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
    /// Whether its elements are known by their order only: they are ordered as those of the node.
    pub ordered: bool,
}

/// A map of an earlier tensor.
type Term = (usize, Arc<Map>);

#[derive(Clone)]
pub enum Value {
    Constant(Rc<Array<f64>>),
    Variable(Variable),
    Condition(Rc<Condition>),
}

impl Value {
    pub fn constant(array: Array<f64>) -> Value {
        Value::Constant(Rc::new(array))
    }

    pub fn shape(&self) -> &[usize] {
        match self {
            Value::Constant(a) => &a.shape,
            Value::Variable(v) => &v.shape,
            Value::Condition(c) => &c.shape,
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Value::Constant(a) => a.kind,
            Value::Variable(v) => v.kind,
            Value::Condition(c) => c.kind,
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
        terms: Vec<Term>,
        bias: Vec<f64>,
    ) -> Result<Variable, Problem> {
        let finite = bias.iter().all(|b| b.is_finite()) && terms.iter().all(|(_, m)| m.is_finite());
        if !finite {
            return Err(Problem::NotFinite);
        }
        if bias.is_empty() {
            return unsupported("a tensor without elements");
        }
        let affine = Affine { terms, bias };
        self.memory.take(affine.bytes(), 1)?;
        let node = self.circuit.push_affine(affine).ok_or(Problem::TooLarge)?;
        Ok(Variable { node, shape, kind: self.kind, ordered: false })
    }

    /// The map of a node that has these rows of (column, weight).
    pub fn sparse(&self, node: usize, rows: Vec<Vec<(usize, f64)>>) -> Result<Term, Problem> {
        let map = Map::sparse(self.circuit.size(node), rows).ok_or(Problem::TooLarge)?;
        Ok((node, Arc::new(map)))
    }

    pub fn linear(&mut self, shape: Vec<usize>, term: Term) -> Result<Variable, Problem> {
        let bias = vec![0.0; term.1.rows()];
        self.affine(shape, vec![term], bias)
    }

    pub fn relu(&mut self, z: &Variable) -> Result<Variable, Problem> {
        self.bend(z, |_, slopes| Some(hinge::larger(slopes, [0.0; 2])))
    }

    /// The variable whose elements are those at the positions; `fill` where there is none.
    pub fn moved(
        &mut self,
        v: &Variable,
        Array { shape, data, .. }: Positions,
        fill: f64,
    ) -> Result<Variable, Problem> {
        let same = data.len() == self.circuit.size(v.node);
        if same && data.iter().enumerate().all(|(i, p)| *p == Some(i)) {
            return Ok(Variable { shape, ..v.clone() });
        }
        let bias = data.iter().map(|p| if p.is_some() { 0.0 } else { fill }).collect();
        let rows = data.iter().map(|p| p.iter().map(|j| (*j, 1.0)).collect()).collect();
        let term = self.sparse(v.node, rows)?;
        self.affine(shape, vec![term], bias)
    }

    /// Σ factor · part, each part broadcast to the shape; at most one constant among them, so that nothing is rounded.
    pub fn combine(
        &mut self,
        shape: &[usize],
        parts: &[(&Value, f64)],
    ) -> Result<Variable, Problem> {
        if parts.iter().any(|(part, _)| matches!(part, Value::Condition(_))) {
            return jumps();
        }
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
            return unsupported("this operator on a constant");
        }
        for (part, factor) in parts {
            match part {
                Value::Condition(_) => {}
                Value::Constant(c) => {
                    bias = c.broadcast_to(shape)?.data.iter().map(|x| factor * x).collect();
                }
                Value::Variable(v) => {
                    if *factor == 1.0 && v.shape == shape {
                        plain = Some(v.clone());
                    }
                    terms.push(self.weighted(v, &vec![*factor; count], shape)?);
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
        let all = factors.broadcast_to(&shape)?.data;
        match self.hinged(&shape, &[v], |i, slopes| hinge::times(slopes[0], all[i]))? {
            Some(scaled) => Ok(scaled),
            None => self.rescaled(v, factors),
        }
    }

    /// The same, as a tensor that is not taken for a function of another one: the factors stand for numbers that are no f64.
    pub fn rescaled(&mut self, v: &Variable, factors: &Array<f64>) -> Result<Variable, Problem> {
        let shape = broadcast_shape(&v.shape, &factors.shape)?;
        let factors = factors.broadcast_to(&shape)?.data;
        let term = self.weighted(v, &factors, &shape)?;
        self.linear(shape, term)
    }

    /// The map to factor_i · x_i, with x broadcast to a shape.
    fn weighted(&self, v: &Variable, factors: &[f64], shape: &[usize]) -> Result<Term, Problem> {
        let picks = positions(&v.shape)?.broadcast_to(shape)?.data;
        let row =
            |(p, factor): (Option<usize>, &f64)| p.map(|p| (p, *factor)).into_iter().collect();
        self.sparse(v.node, picks.into_iter().zip(factors).map(row).collect())
    }
}
