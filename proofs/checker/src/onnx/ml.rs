//! Operators of ai.onnx.ml, with which linear models are written: FORMAT.md, section 1.
use super::array::{Array, Kind, positions};
use super::build::{Builder, Value, Variable};
use super::error::{Problem, unsupported};
use super::lower::Operation;
use crate::map::Map;
use std::sync::Arc;

/// The operators that are read.
pub const KNOWN: &[&str] = &[
    "ArrayFeatureExtractor",
    "LinearClassifier",
    "LinearRegressor",
    "Normalizer",
    "SVMClassifier",
    "SVMRegressor",
    "Scaler",
    "ZipMap",
];

impl Builder {
    pub fn of_ml(&mut self, op: &Operation) -> Result<Vec<Value>, Problem> {
        self.kind = Kind::F32;
        let one = match op.proto.operator {
            "Scaler" => self.scaler(op)?,
            "Normalizer" => normalizer(op)?,
            "LinearRegressor" => {
                let targets = op.integer("targets", 1)?;
                self.model(op, targets)?
            }
            "LinearClassifier" => {
                op.integer("multi_class", 0)?;
                let classes = classes(op)?;
                let scores = self.model(op, classes)?;
                return Ok(vec![decided(&scores)?, scores]);
            }
            "SVMRegressor" => {
                if op.integer("one_class", 0)? != 0 {
                    return unsupported("a model of one class");
                }
                let vectors = op.integer("n_supports", 0)?;
                Value::Variable(self.support(op, vectors)?)
            }
            "SVMClassifier" => {
                let vectors = op.integers("vectors_per_class")?.unwrap_or_default().to_vec();
                let probable = ["prob_a", "prob_b"].map(|name| op.floats(name));
                for list in probable {
                    if list?.is_some_and(|list| !list.is_empty()) {
                        return unsupported("probabilities of support vector models");
                    }
                }
                let [a, b] = vectors.as_slice() else {
                    return unsupported("more than two classes");
                };
                if classes(op)? != 2 {
                    return unsupported("more than two classes");
                }
                let d = self.support(op, a.saturating_add(*b))?;
                // Where d is positive the first class is decided on; the scores are −d and d all the same, and left out.
                let rows = vec![vec![(0, 1.0)], vec![(0, -1.0)]];
                let both = self.sparse(d.node, rows)?;
                decided(&Value::Variable(self.linear(vec![1, 2], both)?))?
            }
            "ZipMap" => {
                classes(op)?;
                op.input(0)?.clone()
            }
            "ArrayFeatureExtractor" => self.columns(op)?,
            _ => return Err(Problem::UnsupportedOperator),
        };
        Ok(vec![one])
    }

    /// (x − offset)·scale.
    fn scaler(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.variable(0)?;
        let list = |name| {
            let list = op.floats(name)?.ok_or(Problem::Operand(name))?;
            Array::new(Kind::F32, vec![list.len()], list.to_vec())
        };
        let (offset, scale) = (list("offset")?, list("scale")?);
        let width = *x.shape.last().ok_or(Problem::Shape)?;
        if [&offset, &scale].iter().any(|a| a.data.len() != 1 && a.data.len() != width) {
            return Err(Problem::Shape);
        }
        let shape = x.shape.clone();
        let x = Value::Variable(x.clone());
        let centred = self.combine(&shape, &[(&x, 1.0), (&Value::constant(offset), -1.0)])?;
        self.scaled(&centred, &scale).map(Value::Variable)
    }

    /// W·x + b as a row, from rows of weights.
    fn row(&mut self, x: &Variable, weights: &[f64], bias: &[f64]) -> Result<Variable, Problem> {
        let columns = features(x)?;
        if bias.len().checked_mul(columns) != Some(weights.len()) {
            return Err(Problem::Shape);
        }
        let map = Map::dense(bias.len(), columns, weights.to_vec()).ok_or(Problem::TooLarge)?;
        self.affine(vec![1, bias.len()], vec![(x.node, Arc::new(map))], bias.to_vec())
    }

    /// A linear model with so many scores, and what is made of them.
    fn model(&mut self, op: &Operation, scores: i64) -> Result<Value, Problem> {
        let weights = op.floats("coefficients")?.unwrap_or_default();
        let bias = match op.floats("intercepts")? {
            Some(bias) => bias.to_vec(),
            None if op.proto.operator == "LinearRegressor" => {
                vec![0.0; usize::try_from(scores).unwrap_or(0).min(weights.len())]
            }
            None => return Err(Problem::Operand("intercepts")),
        };
        if bias.len() as i64 != scores {
            return unsupported("fewer scores than classes");
        }
        let row = self.row(op.variable(0)?, weights, &bias)?;
        match op.text("post_transform")?.unwrap_or(b"NONE") {
            b"NONE" => Ok(Value::Variable(row)),
            b"SOFTMAX" | b"LOGISTIC" if op.proto.operator == "LinearClassifier" => {
                Ok(Value::Variable(Variable { ordered: true, ..row }))
            }
            _ => unsupported("this post_transform"),
        }
    }

    /// Σ c·⟨s, x⟩ + ρ over support vectors s.
    fn support(&mut self, op: &Operation, vectors: i64) -> Result<Variable, Problem> {
        let plain = op.text("post_transform")?.is_none_or(|t| t == b"NONE");
        if !plain || op.text("kernel_type")?.is_some_and(|t| t != b"LINEAR") {
            return unsupported("a kernel that is not linear, or a post_transform");
        }
        op.floats("kernel_params")?;
        let list = |name| op.floats(name)?.ok_or(Problem::Operand(name));
        let (coefficients, rho) = (list("coefficients")?, list("rho")?);
        if coefficients.len() as i64 != vectors || rho.len() != 1 || vectors < 1 {
            return unsupported("another number of coefficients");
        }
        let zeros = vec![0.0; coefficients.len()];
        let products = self.row(op.variable(0)?, list("support_vectors")?, &zeros)?;
        self.row(&products, coefficients, rho)
    }

    /// The columns of constant numbers.
    fn columns(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, at) = (op.input(0)?, op.constant(1)?);
        let rank = x.shape().len();
        if rank == 0 || at.kind != Kind::I64 {
            return Err(Problem::Types);
        }
        let at = at.integers()?.into_iter().map(|i| usize::try_from(i).map_err(|_| Problem::Shape));
        let mut taken =
            positions(x.shape())?.taken(rank - 1, &at.collect::<Result<Vec<_>, _>>()?)?;
        if rank == 1 {
            taken.shape.insert(0, 1);
        }
        self.rearranged(x, taken, 0.0)
    }
}

/// The class with the largest score: it stands for the scores, of which only the order counts.
fn decided(scores: &Value) -> Result<Value, Problem> {
    let scores = scores.variable().ok_or(Problem::Types)?.clone();
    let (kind, shape) = (Kind::I64, vec![1]);
    Ok(Value::Variable(Variable { kind, shape, ordered: true, ..scores }))
}

/// The number of features of a row.
fn features(x: &Variable) -> Result<usize, Problem> {
    match x.shape.as_slice() {
        [n] | [1, n] => Ok(*n),
        _ => Err(Problem::Shape),
    }
}

/// The number of classes that are named.
fn classes(op: &Operation) -> Result<i64, Problem> {
    for name in ["classlabels_ints", "classlabels_int64s"] {
        if let Some(list) = op.integers(name)? {
            return Ok(list.len() as i64);
        }
    }
    Ok(op.texts("classlabels_strings")? as i64)
}

/// Division by a norm, which keeps the order; only at the end.
fn normalizer(op: &Operation) -> Result<Value, Problem> {
    let x = op.variable(0)?;
    features(x)?;
    match op.text("norm")? {
        Some(b"L1" | b"L2") => Ok(Value::Variable(Variable { ordered: true, ..x.clone() })),
        _ => unsupported("this norm"),
    }
}
