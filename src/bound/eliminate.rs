//! One backward sweep under way: the steps that rewrite functionals of a node's values as functionals of earlier nodes, and what each
//! step's rounding costs.
//!
//! Every step pays for what it computes itself, into the columns' [`Ledger`]: a product Wᵀ a, an addition to coefficients that
//! are there already, a product by a slope, a sum of intercepts or biases. So a functional pays along every path that it
//! takes through a graph, however long or often walked. docs/soundness.md lists the charges and their tests.

use super::backward::{Lift, Multipliers, Start, Sweep, Swept, lines_of};
use super::charge::Ledger;
use crate::net::kernel::{Slopes, abs_dot, corner, dot, relax};
use crate::net::{Affine, Boxes, Function, Matrix, NodeId, Op, column, column_mut, columns};
use crate::num::{UNIT, add_down, ample, gamma, mul_down, sub_down};

/// A sweep under way.
pub struct State<'a> {
    sweep: Sweep<'a>,
    domains: &'a [usize],
    multipliers: &'a Multipliers,
    /// Per node the coefficients that have reached it (elements × k).
    coefficients: Vec<Option<Matrix>>,
    /// Sums of constants, rounded down.
    constants: Vec<f64>,
    charges: Ledger,
}

impl<'a> State<'a> {
    /// No functional yet; `domains` has a column of the layers' boxes for each.
    pub(super) fn new(
        sweep: Sweep<'a>,
        at: NodeId,
        domains: &'a [usize],
        multipliers: &'a Multipliers,
    ) -> Self {
        let k = domains.len();
        let (coefficients, constants) = (vec![None; at + 1], vec![0.0; k]);
        Self { sweep, domains, multipliers, coefficients, constants, charges: Ledger::new(k) }
    }

    /// Places the functionals; returns the node below which elimination goes on. Units of an affine node become rows of its
    /// weights without a product.
    pub(super) fn begin(&mut self, at: NodeId, start: &Start) -> NodeId {
        let node = self.sweep.net.node(at);
        match (start, &node.op) {
            (Start::Units(units), Op::Affine(affine)) if self.multipliers.lifts(at).is_empty() => {
                self.begin_with_rows(at, affine, units);
                at
            }
            (Start::Units(units), _) => {
                let mut a = Matrix::zeros(node.len, units.len());
                for (c, &(i, negated)) in units.iter().enumerate() {
                    a[(i, c)] = if negated { -1.0 } else { 1.0 };
                }
                self.coefficients[at] = Some(a);
                at + 1
            }
            (Start::Dense(matrix), _) => {
                assert_eq!(matrix.nrows(), node.len, "functionals of node {at}");
                self.coefficients[at] = Some((*matrix).clone());
                at + 1
            }
        }
    }

    /// Nothing is rounded but where a row names an element more than once, and where the file's numbers were.
    fn begin_with_rows(&mut self, at: NodeId, affine: &Affine, units: &[(usize, bool)]) {
        let elements: Vec<usize> = units.iter().map(|u| u.0).collect();
        let v = self.sweep.charges.affine(at, affine);
        let g = gamma(affine.roundings);
        self.charges.add(elements.iter().map(|&i| v[i] + g * affine.bias[i].abs()));
        if let Some(rounded) = self.sweep.layers.rounded(self.sweep.net, at) {
            self.charges.add(elements.iter().zip(self.domains).map(|(&i, &d)| rounded[(i, d)]));
        }
        for (constant, &(i, negated)) in self.constants.iter_mut().zip(units) {
            *constant = if negated { -affine.bias[i] } else { affine.bias[i] };
        }
        for term in &affine.terms {
            let mut rows = Matrix::zeros(term.map.inputs(), units.len());
            term.map.add_rows(&elements, &mut rows);
            for (mut column, &(_, negated)) in rows.column_iter_mut().zip(units) {
                if negated {
                    column.neg_mut();
                }
            }
            self.accumulate(term.source, rows);
        }
    }

    /// The coefficients that have reached a node, which are to be eliminated.
    pub(super) fn take(&mut self, id: NodeId) -> Option<Matrix> {
        self.coefficients[id].take()
    }

    /// Adds computed coefficients to those of a node.
    fn accumulate(&mut self, to: NodeId, a: Matrix) {
        let Some(mut sum) = self.coefficients[to].take() else {
            self.coefficients[to] = Some(a);
            return;
        };
        sum += a;
        self.charge_rounded(to, &sum);
        self.coefficients[to] = Some(sum);
    }

    /// Charges one rounding of every coefficient of a node: u Σ |aᵢ| mᵢ, the aᵢ being rounded already.
    fn charge_rounded(&mut self, node: NodeId, a: &Matrix) {
        let m = self.sweep.charges.magnitudes(node);
        self.charges.add(columns(a).map(|a| UNIT * abs_dot(a, m)));
    }

    /// Charges products that underflowed.
    fn charge_underflow(&mut self, node: NodeId) {
        let underflow = self.sweep.charges.underflow(node);
        self.charges.add(std::iter::repeat(underflow));
    }

    /// Adds the node's lifts.
    pub(super) fn lift(&mut self, id: NodeId) {
        let lifts = self.multipliers.lifts(id);
        if lifts.is_empty() {
            return;
        }
        let (len, k) = (self.sweep.net.node(id).len, self.constants.len());
        let boxes = &self.sweep.layers.boxes[id];
        let m = self.sweep.charges.magnitudes(id);
        let a = self.coefficients[id].get_or_insert_with(|| Matrix::zeros(len, k));
        for &Lift { column, element, multiplier } in lifts {
            let ends = if multiplier > 0.0 { &boxes.lower } else { &boxes.upper };
            let end = ends[(element, self.domains[column])];
            if !(multiplier.is_finite() && end.is_finite()) {
                continue;
            }
            let entry = &mut a[(element, column)];
            *entry -= multiplier;
            self.charges.add_one(column, UNIT * entry.abs() * m[element]);
            self.constants[column] = add_down(self.constants[column], mul_down(multiplier, end));
        }
    }

    /// Rewrites functionals a of the values of a node behind the input.
    pub(super) fn eliminate(&mut self, id: NodeId, a: &Matrix) {
        let net = self.sweep.net;
        match &net.node(id).op {
            Op::Input => self.coefficients[id] = Some(a.clone()),
            Op::Affine(affine) => self.eliminate_affine(id, affine, a),
            Op::Elementwise(function, operands) => self.relax(id, *function, operands, a),
        }
    }

    fn eliminate_affine(&mut self, id: NodeId, affine: &Affine, a: &Matrix) {
        let v = self.sweep.charges.affine(id, affine);
        self.charges.add(columns(a).map(|a| abs_dot(a, v)));
        if let Some(rounded) = self.sweep.layers.rounded(self.sweep.net, id) {
            let of_domain = |(a, &d): (&[f64], &usize)| abs_dot(a, column(&rounded, d));
            self.charges.add(columns(a).zip(self.domains).map(of_domain));
        }
        self.charge_underflow(id);
        let g = gamma(affine.bias.len() + affine.roundings);
        let sums: Vec<(f64, f64)> = columns(a).map(|a| dot(a, &affine.bias)).collect();
        self.charges.add(sums.iter().map(|(_, reach)| g * reach));
        for (constant, (sum, _)) in self.constants.iter_mut().zip(sums) {
            *constant = add_down(*constant, sum);
        }
        for term in &affine.terms {
            let mut product = Matrix::zeros(term.map.inputs(), a.ncols());
            term.map.add_apply_transposed(a, &mut product);
            self.accumulate(term.source, product);
        }
    }

    /// Replaces an elementwise node by its lines: those below where a > 0, those above where a < 0.
    fn relax(&mut self, id: NodeId, function: Function, operands: &[NodeId], a: &Matrix) {
        let Some(lines) = self.sweep.layers.relaxation(self.sweep.net, id) else {
            // Nothing is known about the node: the bound is vacuous.
            return self.constants.fill(f64::NEG_INFINITY);
        };
        let chosen = self.multipliers.slopes(id).filter(|_| function.has_free_slopes());
        let boxes: Vec<&Boxes> = operands.iter().map(|&x| &self.sweep.layers.boxes[x]).collect();
        let mut outs = vec![Matrix::zeros(a.nrows(), a.ncols()); operands.len()];
        let g = gamma(a.nrows());
        let mut costs = Vec::with_capacity(a.ncols());
        for (c, a) in columns(a).enumerate() {
            let d = self.domains[c];
            let chosen = chosen.map(|slopes| column(slopes, c));
            let drawn = lines_of(function, lines, (a, chosen), &boxes, d);
            let (below, above) = (&drawn.below, &drawn.above);
            let (mut sum, mut moved) = (0.0, 0.0);
            for (k, (&z, out)) in operands.iter().zip(&mut outs).enumerate() {
                let of_operand = Slopes {
                    lower: &below.slopes[k],
                    upper: &above.slopes[k],
                    intercept: &above.intercept,
                };
                let m = self.sweep.charges.magnitudes(z);
                let (least, reach) = relax(a, of_operand, m, column_mut(out, c));
                sum = least;
                moved += reach;
            }
            // With intercepts of upper lines only, every term is ≤ 0 and the reach is the sum itself.
            let mut reach = -sum;
            if !lines.through_origin {
                (sum, reach) = intercept_sums(a, &below.intercept, &above.intercept);
            } else if let Some(chosen) = chosen {
                let (l, u) = (column(&boxes[0].lower, d), column(&boxes[0].upper, d));
                override_slopes(a, chosen, l, u, column_mut(&mut outs[0], c));
            }
            self.constants[c] = add_down(self.constants[c], sum);
            // The sum of intercepts is a dot product with the given reach; each coefficient was rounded once.
            costs.push(g * reach + UNIT * moved);
        }
        self.charges.add(costs);
        for (&to, out) in operands.iter().zip(outs) {
            self.charge_underflow(to);
            self.accumulate(to, out);
        }
    }

    /// Adds to each column's constant the minimum of its functional over a node's box.
    pub(super) fn minimise(&mut self, id: NodeId, a: &Matrix) {
        for (c, a) in columns(a).enumerate() {
            let minimum = self.minimum(id, c, a).unwrap_or(f64::NEG_INFINITY);
            self.constants[c] = add_down(self.constants[c], minimum);
        }
    }

    /// A lower bound of min Σ aᵢ zᵢ over the box of node `id` on column c's domain; none where a coefficient, an end or a sum is not
    /// finite.
    fn minimum(&self, id: NodeId, c: usize, a: &[f64]) -> Option<f64> {
        let (boxes, d) = (&self.sweep.layers.boxes[id], self.domains[c]);
        let (least, reach) = corner(a, column(&boxes.lower, d), column(&boxes.upper, d));
        let charge = ample(gamma(a.len() + 1) * reach);
        charge.is_finite().then_some(least - charge)
    }

    /// Minimises over the input boxes.
    pub(super) fn finish(mut self) -> Swept {
        let (n, k) = (self.sweep.net.inputs(), self.constants.len());
        self.lift(0);
        let a = self.coefficients[0].take().unwrap_or_else(|| Matrix::zeros(n, k));
        let mut bounds = Vec::with_capacity(k);
        for (c, a) in columns(&a).enumerate() {
            let minimum = self.minimum(0, c, a);
            let constant = sub_down(self.constants[c], self.charges.total(c));
            // A coefficient that overflowed is none of a line below the functional.
            self.constants[c] = minimum.map_or(f64::NEG_INFINITY, |_| constant);
            bounds.push(minimum.map_or(f64::NEG_INFINITY, |minimum| add_down(constant, minimum)));
        }
        Swept { bounds, coefficients: a, constants: self.constants, trace: Vec::new() }
    }
}

/// Σ and Σ|·| of the intercepts that coefficients a meet: of the lower line where a > 0, of the upper one where a < 0.
fn intercept_sums(a: &[f64], lower: &[f64], upper: &[f64]) -> (f64, f64) {
    let term = |((&a, &b), &t)| match a {
        _ if a > 0.0 => a * b,
        _ if a < 0.0 => a * t,
        _ => a,
    };
    let terms = || a.iter().zip(lower).zip(upper).map(term);
    (terms().sum(), terms().map(f64::abs).sum())
}

/// Puts proposed lower slopes, clamped to [0, 1], where a neuron is unstable and its coefficient positive. A product that is rounded is
/// that by another slope of [0, 1], and costs nothing.
fn override_slopes(a: &[f64], slopes: &[f64], lower: &[f64], upper: &[f64], out: &mut [f64]) {
    for i in 0..a.len() {
        if a[i] > 0.0 && lower[i] < 0.0 && upper[i] > 0.0 && !slopes[i].is_nan() {
            out[i] = a[i] * slopes[i].clamp(0.0, 1.0);
        }
    }
}

#[cfg(test)]
mod tests;
