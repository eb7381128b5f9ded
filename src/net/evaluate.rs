//! Concrete evaluation in f64 (batched) and f32, and input gradients.

use super::{Matrix, Network, Node, Op};

/// The value of every node at a batch of points; one column a point.
#[derive(Debug, Clone)]
pub struct Values(Vec<Matrix>);

impl Values {
    /// The values of a node, (elements × points).
    #[must_use]
    pub fn node(&self, id: usize) -> &Matrix {
        &self.0[id]
    }
}

/// The slope of ReLUs that are off, where nothing else says where to go.
const LEAK: f64 = 0.1;

impl Network {
    /// The output at each column of `x` (inputs × points), in double precision, rounded to nearest.
    ///
    /// # Panics
    /// Where `x` has another number of rows than the network has inputs.
    #[must_use]
    pub fn evaluate(&self, x: &Matrix) -> Matrix {
        let mut last_use: Vec<usize> = (0..self.nodes().len()).collect();
        for (id, node) in self.nodes().iter().enumerate() {
            node.op.operands().iter().for_each(|&operand| last_use[operand] = id);
        }
        let mut values: Vec<Matrix> = Vec::with_capacity(self.nodes().len());
        for (id, node) in self.nodes().iter().enumerate() {
            values.push(value(node, x, &values));
            for operand in node.op.operands() {
                if last_use[operand] == id && operand != self.output() {
                    values[operand] = Matrix::zeros(0, 0);
                }
            }
        }
        values.swap_remove(self.output())
    }

    /// The value of every node at each column of `x`.
    ///
    /// # Panics
    /// As [`Self::evaluate`].
    #[must_use]
    pub fn forward(&self, x: &Matrix) -> Values {
        let mut values = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            values.push(value(node, x, &values));
        }
        Values(values)
    }

    /// Gradients with respect to the input of Σⱼ wⱼ yⱼ, one column a point: `weights` (outputs × points) holds w, and
    /// `values` are those of [`Self::forward`] at the same points. The derivative of ReLU at 0 is taken as 0.
    ///
    /// # Panics
    /// Where the numbers of points or outputs differ.
    #[must_use]
    pub fn gradient(&self, values: &Values, weights: &Matrix) -> Matrix {
        self.gradient_with(values, weights, 0.0)
    }

    /// As [`Self::gradient`]; where that is zero although the weights are not, because every path is cut off by a ReLU of negative
    /// operand, the gradient that the network would have if ReLUs had the slope 1/10 there: a direction to search in, as in
    /// Athalye et al. 2018, section 4.1.
    ///
    /// # Panics
    /// As [`Self::gradient`].
    #[must_use]
    pub fn direction(&self, values: &Values, weights: &Matrix) -> Matrix {
        let mut gradient = self.gradient(values, weights);
        let flat = |c: &usize| {
            weights.column(*c).iter().any(|w| *w != 0.0)
                && gradient.column(*c).iter().all(|g| *g == 0.0)
        };
        let flat: Vec<usize> = (0..weights.ncols()).filter(flat).collect();
        if !flat.is_empty() {
            let leaky = self.gradient_with(values, weights, LEAK);
            flat.iter().for_each(|&c| gradient.column_mut(c).copy_from(&leaky.column(c)));
        }
        gradient
    }

    /// The gradient, with a slope for ReLUs whose operand is not positive.
    fn gradient_with(&self, values: &Values, weights: &Matrix, leak: f64) -> Matrix {
        let points = weights.ncols();
        let mut gradients: Vec<Option<Matrix>> = vec![None; self.nodes().len()];
        gradients[self.output()] = Some(weights.clone());
        for (id, node) in self.nodes().iter().enumerate().skip(1).rev() {
            let Some(g) = gradients[id].take() else { continue };
            let mut add = |to: usize, add: &mut dyn FnMut(&mut Matrix)| {
                let len = self.node(to).len;
                add(gradients[to].get_or_insert_with(|| Matrix::zeros(len, points)));
            };
            match &node.op {
                Op::Input => {}
                Op::Affine(affine) => {
                    for term in &affine.terms {
                        add(term.source, &mut |to| term.map.add_apply_transposed(&g, to));
                    }
                }
                Op::Elementwise(function, operands) => {
                    let x: Vec<&Matrix> = operands.iter().map(|&x| &values.0[x]).collect();
                    for (k, &operand) in operands.iter().enumerate() {
                        add(operand, &mut |to| function.add_chain(k, &x, &g, leak, to));
                    }
                }
            }
        }
        gradients[0].take().unwrap_or_else(|| Matrix::zeros(self.inputs(), points))
    }

    /// The output at one point in single precision: every operation rounded to f32, sums in index order. What a plain
    /// deployment computes, up to its order of summation.
    ///
    /// # Panics
    /// Where `x` has another length than the network has inputs.
    #[must_use]
    pub fn evaluate_f32(&self, x: &[f32]) -> Vec<f32> {
        assert_eq!(
            x.len(),
            self.inputs(),
            "a point has as many coordinates as the network has inputs"
        );
        let mut values: Vec<Vec<f32>> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let value = match &node.op {
                Op::Input => x.to_vec(),
                Op::Affine(affine) => {
                    let mut y = vec![0.0f32; node.len];
                    for term in &affine.terms {
                        let x = &values[term.source];
                        for (row, y) in y.iter_mut().enumerate() {
                            term.map.for_each_in_row(row, |column, w| *y += w as f32 * x[column]);
                        }
                    }
                    y.iter().zip(&affine.bias).map(|(y, &b)| y + b as f32).collect()
                }
                Op::Elementwise(function, operands) => {
                    let x: Vec<&[f32]> = operands.iter().map(|&x| values[x].as_slice()).collect();
                    function.values_f32(&x)
                }
            };
            values.push(value);
        }
        values.swap_remove(self.output())
    }
}

/// The value of a node at each column of `x`, given those of the nodes before it.
pub(crate) fn value(node: &Node, x: &Matrix, values: &[Matrix]) -> Matrix {
    match &node.op {
        Op::Input => {
            assert_eq!(
                x.nrows(),
                node.len,
                "a point has as many coordinates as the network has inputs"
            );
            x.clone()
        }
        Op::Affine(affine) => {
            let mut y = broadcast(&affine.bias, x.ncols());
            for term in &affine.terms {
                term.map.add_apply(&values[term.source], &mut y);
            }
            y
        }
        Op::Elementwise(function, operands) => {
            let x: Vec<&Matrix> = operands.iter().map(|&x| &values[x]).collect();
            function.values(&x)
        }
    }
}

/// The vector repeated in `columns` columns.
pub(super) fn broadcast(vector: &[f64], columns: usize) -> Matrix {
    let mut data = Vec::with_capacity(vector.len() * columns);
    (0..columns).for_each(|_| data.extend_from_slice(vector));
    Matrix::from_vec(vector.len(), columns, data)
}

#[cfg(test)]
mod tests {
    use super::super::{Function, LinearMap, NetworkBuilder, NodeId, Term};
    use super::*;

    /// y = tanh(W relu(V x + b)) · sigmoid(softplus(U x)) + 1/(3 + x₀²), every operator at once.
    fn everything() -> Network {
        let matrix = |r, c, seed: usize| {
            LinearMap::from_matrix(Matrix::from_fn(r, c, |i, j| {
                ((i * 5 + j * 3 + seed) % 7) as f64 / 3.0 - 1.0
            }))
        };
        let mut b = NetworkBuilder::new(3, "x").unwrap();
        let term = |source: NodeId, map| vec![Term { source, map }];
        let v = b.affine(term(0, matrix(4, 3, 1)), vec![0.1, -0.2, 0.3, 0.0], 0, "v").unwrap();
        let r = b.relu(v, "r").unwrap();
        let w = b.linear(r, matrix(2, 4, 2), "w").unwrap();
        let t = b.elementwise(Function::Tanh, &[w], "t").unwrap();
        let u = b.linear(0, matrix(2, 3, 3), "u").unwrap();
        let soft = b.elementwise(Function::Softplus, &[u], "soft").unwrap();
        let s = b.elementwise(Function::Sigmoid, &[soft], "s").unwrap();
        let p = b.elementwise(Function::Product, &[t, s], "p").unwrap();
        let first =
            LinearMap::from_matrix(Matrix::from_fn(2, 3, |_, j| if j == 0 { 1.0 } else { 0.0 }));
        let x0 = b.linear(0, first, "x0").unwrap();
        let square = b.elementwise(Function::Product, &[x0, x0], "sq").unwrap();
        let shifted =
            b.affine(term(square, LinearMap::Identity(2)), vec![3.0; 2], 0, "3+").unwrap();
        let q = b.elementwise(Function::Reciprocal, &[shifted], "q").unwrap();
        let sum = vec![
            Term { source: p, map: LinearMap::Identity(2) },
            Term { source: q, map: LinearMap::Identity(2) },
        ];
        let y = b.affine(sum, vec![0.0; 2], 0, "y").unwrap();
        b.finish(y).unwrap()
    }

    #[test]
    fn gradients_agree_with_differences() {
        let net = everything();
        let x = Matrix::from_column_slice(3, 2, &[0.3, -0.7, 0.9, -0.2, 0.5, 0.1]);
        let w = Matrix::from_column_slice(2, 2, &[1.0, -2.0, 0.5, 3.0]);
        let gradient = net.gradient(&net.forward(&x), &w);
        let h = 1e-6;
        for i in 0..3 {
            let (mut up, mut down) = (x.clone(), x.clone());
            up.row_mut(i).add_scalar_mut(h);
            down.row_mut(i).add_scalar_mut(-h);
            let difference =
                (net.evaluate(&up) - net.evaluate(&down)).component_mul(&w) / (2.0 * h);
            for c in 0..2 {
                assert!((difference.column(c).sum() - gradient[(i, c)]).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn where_every_relu_is_off_there_is_still_a_direction() {
        let mut b = NetworkBuilder::new(2, "x").unwrap();
        let sum = LinearMap::from_matrix(Matrix::from_row_slice(1, 2, &[1.0, -3.0]));
        let z = b.affine(vec![Term { source: 0, map: sum }], vec![-5.0], 0, "z").unwrap();
        let y = b.relu(z, "y").unwrap();
        let net = b.finish(y).unwrap();
        // Off, on, and off where nothing is asked.
        let x = Matrix::from_column_slice(2, 3, &[1.0, 1.0, 9.0, 1.0, 1.0, 1.0]);
        let w = Matrix::from_column_slice(1, 3, &[2.0, 2.0, 0.0]);
        let values = net.forward(&x);
        assert!(net.gradient(&values, &w).column(0).iter().all(|g| *g == 0.0));
        let direction = net.direction(&values, &w);
        let expected = [0.2, -0.6, 2.0, -6.0, 0.0, 0.0];
        assert!(direction.iter().zip(expected).all(|(d, e)| (d - e).abs() < 1e-12));
    }

    #[test]
    fn single_and_double_precision_agree() {
        let net = everything();
        let double = net.evaluate(&Matrix::from_column_slice(3, 1, &[0.25, -0.5, 1.0]));
        let single = net.evaluate_f32(&[0.25, -0.5, 1.0]);
        for (d, s) in double.iter().zip(single) {
            assert!((d - f64::from(s)).abs() < 1e-6);
        }
    }
}
