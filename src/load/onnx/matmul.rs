//! Products with a constant matrix: MatMul (weights on either side, batches) and Gemm.

use super::call::Call;
use super::choice::JUMPS;
use super::constant::Constant;
use super::einsum::contracted;
use super::elementwise::{expand, scale, spread};
use super::lower::{Lowering, Pending, Value, Variable};
use super::shape::{Problem, Walk, broadcast, count, count_entries, misfit, strides};
use crate::load::NodeProblem;
use crate::net::{Dense, LinearMap, Matrix, Sparse, Term};

const FIT: &str = "inner dimensions that agree, other dimensions that broadcast";

/// A stack of matrices: shape of the stack, rows and columns, and the step between elements along each.
struct Stack {
    shape: Vec<usize>,
    steps: Vec<isize>,
    rows: usize,
    cols: usize,
    row_step: isize,
    col_step: isize,
}

impl Stack {
    fn new(shape: &[usize], transposed: bool) -> Self {
        let steps = strides(shape);
        let last = shape.len() - 1;
        let mut stack = Self {
            shape: shape[..last - 1].to_vec(),
            steps: steps[..last - 1].to_vec(),
            rows: shape[last - 1],
            cols: shape[last],
            row_step: steps[last - 1],
            col_step: steps[last],
        };
        if transposed {
            std::mem::swap(&mut stack.rows, &mut stack.cols);
            std::mem::swap(&mut stack.row_step, &mut stack.col_step);
        }
        stack
    }

    /// Offsets of the matrices when the stack is broadcast to `shape`.
    fn offsets(&self, shape: &[usize]) -> Vec<usize> {
        let mut steps = vec![0; shape.len() - self.shape.len()];
        steps.extend(self.shape.iter().zip(&self.steps).map(|(&d, &s)| if d == 1 { 0 } else { s }));
        Walk::new(shape, &steps, 0).collect()
    }
}

/// A · B, one of them constant; vectors are rows on the left and columns on the right.
pub fn matmul<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (a, b) = (call.value(0)?, call.value(1)?);
    if a.shape().is_empty() || b.shape().is_empty() {
        return Err(misfit(&[a.shape(), b.shape()], "vectors, matrices, or stacks of matrices"));
    }
    let (left, right) = (a.shape().len() == 1, b.shape().len() == 1);
    let row = |shape: &[usize]| if left { vec![1, shape[0]] } else { shape.to_vec() };
    let column = |shape: &[usize]| if right { vec![shape[0], 1] } else { shape.to_vec() };
    let stacks = (Stack::new(&row(a.shape()), false), Stack::new(&column(b.shape()), false));
    let trimmed = |mut shape: Vec<usize>| {
        if right {
            shape.pop();
        }
        if left {
            shape.remove(shape.len() - usize::from(!right) - 1);
        }
        shape
    };
    if let [Value::Variable(_), Value::Variable(_)] = [a, b] {
        let (pairs, shape) = paired(low, a, b, &stacks)?;
        return contracted(low, (a, b), &pairs, trimmed(shape));
    }
    let (product, shape) = multiply(low, a, b, stacks, 1.0)?;
    Ok(low.pending(product, trimmed(shape)).into())
}

/// α A' B' + β C.
pub fn gemm<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (a, b) = (call.value(0)?, call.value(1)?);
    if a.shape().len() != 2 || b.shape().len() != 2 {
        return Err(misfit(&[a.shape(), b.shape()], "two matrices"));
    }
    let (alpha, beta) = (call.float("alpha", 1.0)?, call.float("beta", 1.0)?);
    let stacks = (
        Stack::new(a.shape(), call.switch("transA", false)?),
        Stack::new(b.shape(), call.switch("transB", false)?),
    );
    if let [Value::Variable(_), Value::Variable(_)] = [a, b] {
        let (pairs, shape) = paired(low, a, b, &stacks)?;
        let product = contracted(low, (a, b), &pairs, shape.clone())?;
        let product = low.variable(&product)?;
        let (factor, bias) = (vec![alpha; low.len(&product)], call.constant(2)?);
        let scaled = scale(low, &product, &factor, 0, shape.clone())?;
        return match bias {
            None => Ok(scaled.into()),
            Some(_) if beta != 1.0 => Err(NodeProblem::Attribute {
                name: "beta",
                found: beta.to_string(),
                accepted: "1, where both factors depend on the input",
            }),
            Some(c) => Ok(low.add_bias(&scaled, spread(c, &shape)?)?.into()),
        };
    }
    let (mut product, shape) = multiply(low, a, b, stacks, alpha)?;
    if let Some(Value::Variable(c)) = call.optional(2) {
        // A summand that depends on the input.
        let product = low.pending(product, shape.clone());
        let c = expand(low, c, &shape)?;
        return Ok(low.combine(&[(&product, 1.0), (&c, beta)], None, shape)?.into());
    }
    if let Some(c) = call.constant(2)? {
        let mut bias = spread(c, &shape)?;
        let exact = scale_exactly(&mut bias, beta)?;
        product.bias = Some(bias);
        product.roundings = product.roundings.max(usize::from(!exact));
    }
    Ok(low.pending(product, shape).into())
}

/// The pairs of elements whose products are an element of a product.
type Pairs = Vec<(usize, usize)>;

/// For each element of a product the pairs of elements whose products are its summands.
fn paired(
    low: &Lowering,
    a: &Value,
    b: &Value,
    (left, right): &(Stack, Stack),
) -> Problem<(Vec<Pairs>, Vec<usize>)> {
    if left.cols != right.rows {
        return Err(misfit(&[a.shape(), b.shape()], FIT));
    }
    let stack = broadcast(&left.shape, &right.shape)?;
    let mut shape = stack.clone();
    shape.extend([left.rows, right.cols]);
    low.spend::<[u64; 8]>(count(&[count(&shape)?, left.cols])?)?;
    let at = |start: usize, index: usize, step: isize| start + index * step.cast_unsigned();
    let mut pairs = Vec::new();
    for (a, b) in left.offsets(&stack).into_iter().zip(right.offsets(&stack)) {
        for i in 0..left.rows {
            for j in 0..right.cols {
                let one = |l: usize| {
                    let from = at(at(a, i, left.row_step), l, left.col_step);
                    (from, at(at(b, l, right.row_step), j, right.col_step))
                };
                pairs.push((0..left.cols).map(one).collect());
            }
        }
    }
    Ok((pairs, shape))
}

/// Multiplies in place by a factor; whether no product was rounded.
fn scale_exactly(values: &mut [f64], factor: f64) -> Problem<bool> {
    if factor == 1.0 {
        return Ok(true);
    }
    let mut exact = true;
    for value in values.iter_mut() {
        let product = *value * factor;
        if product.is_subnormal() || (product == 0.0 && *value != 0.0 && factor != 0.0) {
            return Err(NodeProblem::Arithmetic("a computed weight below 2^-1022"));
        }
        exact &= value.mul_add(factor, -product) == 0.0;
        *value = product;
    }
    Ok(exact)
}

fn multiply(
    low: &mut Lowering,
    a: &Value,
    b: &Value,
    (left, right): (Stack, Stack),
    alpha: f64,
) -> Problem<(Pending, Vec<usize>)> {
    if left.cols != right.rows {
        return Err(misfit(&[a.shape(), b.shape()], FIT));
    }
    let stack = broadcast(&left.shape, &right.shape)?;
    let mut shape = stack.clone();
    shape.extend([left.rows, right.cols]);
    let outputs = count(&shape)?;
    let single = |stack: &Stack| stack.shape.iter().all(|&d| d == 1);
    let (x, map, roundings) = match (a, b) {
        (Value::Variable(x), Value::Constant(w)) => {
            let map = if single(&left) && single(&right) && left.rows == 1 {
                let order = if right.col_step == 1 { Order::Columns } else { Order::Rows };
                weights(low, w, right.cols, right.rows, order, alpha)?
            } else {
                batched(low, x, w, &stack, &left, &right, outputs, alpha, true)?
            };
            (x, map.0, map.1)
        }
        (Value::Constant(w), Value::Variable(x)) => {
            let map = if single(&left) && single(&right) && right.cols == 1 {
                let order = if left.row_step == 1 { Order::Columns } else { Order::Rows };
                weights(low, w, left.rows, left.cols, order, alpha)?
            } else {
                batched(low, x, w, &stack, &left, &right, outputs, alpha, false)?
            };
            (x, map.0, map.1)
        }
        (Value::Constant(_), Value::Constant(_)) => {
            // Rare and small (no exporter writes weights that way): the left one becomes an affine node.
            let x = low.variable(a)?;
            return multiply(low, &x.into(), b, (left, right), alpha);
        }
        (Value::Variable(_), Value::Variable(_)) => {
            return Err(NodeProblem::Operand {
                index: 1,
                found: "computed from the network's input, as operand 0 is".to_owned(),
                accepted: "a product with a constant matrix",
            });
        }
        (Value::Condition(_), _) | (_, Value::Condition(_)) => return Err(JUMPS),
    };
    let terms = vec![Term { source: low.node(x)?, map }];
    Ok((Pending { terms, bias: None, roundings }, shape))
}

/// How the entries of W (outputs × inputs) lie in a constant.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Column after column.
    Columns,
    /// Row after row.
    Rows,
}

/// W from a stored matrix: straight to sparse rows if most entries are zero, so that a matrix of hundreds of megabytes
/// is never spelled out.
fn weights(
    low: &Lowering,
    stored: &Constant,
    outputs: usize,
    inputs: usize,
    order: Order,
    alpha: f64,
) -> Problem<(LinearMap, usize)> {
    let mut nonzero = 0;
    stored.for_each_nonzero(|_, _| nonzero += 1)?;
    if alpha == 1.0 && LinearMap::suits_sparse(nonzero, stored.len()) {
        low.spend::<[u64; 3]>(nonzero + outputs)?;
        let mut rows: Vec<Vec<(usize, f64)>> = vec![Vec::new(); outputs];
        stored.for_each_nonzero(|at, w| {
            let (row, column) = match order {
                Order::Columns => (at % outputs, at / outputs),
                Order::Rows => (at / inputs, at % inputs),
            };
            rows[row].push((column, w));
        })?;
        return Ok((LinearMap::Sparse(Sparse::from_rows(inputs, rows)), 0));
    }
    low.spend::<f64>(stored.len())?;
    let mut values = stored.floats()?.into_owned();
    let exact = scale_exactly(&mut values, alpha)?;
    let matrix = match order {
        Order::Columns => Matrix::from_vec(outputs, inputs, values),
        Order::Rows => Matrix::from_row_slice(outputs, inputs, &values),
    };
    Ok((LinearMap::Dense(Dense::new(matrix)), usize::from(!exact)))
}

/// The product as one sparse map on all rows, columns and matrices of the variable.
#[allow(clippy::too_many_arguments)]
fn batched(
    low: &Lowering,
    x: &Variable,
    w: &Constant,
    stack: &[usize],
    left: &Stack,
    right: &Stack,
    outputs: usize,
    alpha: f64,
    variable_left: bool,
) -> Problem<(LinearMap, usize)> {
    low.spend::<[u64; 2]>(count_entries(outputs, left.cols)?)?;
    let mut values = w.floats()?.into_owned();
    let exact = scale_exactly(&mut values, alpha)?;
    let values = &values;
    let at = |start: usize, index: usize, step: isize| start + index * step.cast_unsigned();
    let offsets = left.offsets(stack).into_iter().zip(right.offsets(stack));
    let rows = offsets.flat_map(|(a, b)| {
        (0..left.rows).flat_map(move |i| {
            (0..right.cols).map(move |j| {
                (0..left.cols).map(move |l| {
                    let l_left = at(at(a, i, left.row_step), l, left.col_step);
                    let l_right = at(at(b, l, right.row_step), j, right.col_step);
                    if variable_left {
                        (l_left, values[l_right])
                    } else {
                        (l_right, values[l_left])
                    }
                })
            })
        })
    });
    let map = LinearMap::Sparse(Sparse::from_rows(low.len(x), rows));
    Ok((map, usize::from(!exact)))
}
