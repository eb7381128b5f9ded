//! Forward linear bounds: every element between two affine functions of the inputs, carried from node to node.
//!
//! On a box an input is xᵢ = cᵢ + ρᵢ εᵢ with |εᵢ| ≤ 1; only inputs of positive width need an ε. A node's elements are
//! enclosed by M(ε) ± R(ε), M and R affine in ε. Through an affine node z = b + Σ W x both maps are products,
//!
//! ```text
//! M' = b + Σ W M        R' = Σ |W| R
//! ```
//!
//! of as many columns as there are constants and ε together, whatever the network's width: with k inputs that costs
//! 2 (k + 1) evaluations, where backward sweeps cost one for every neuron. Through a nonlinear node with lines below and
//! above it (the same lines that sweeps use), M + R and M − R become the lines' values at the nearer end.
//!
//! *Rounding.* Every computed coefficient may be wrong by γ times the sum of the magnitudes that entered it, and |ε| ≤ 1, so
//! everything is charged to the constant of R: through an affine node γ |W| (Σ |M| + |R|) + γ |b|, in the same product, and its slack;
//! through lines of slopes a, s and intercepts b, t at most 16 u ((|a| + |s|) Σ (|M| + |R|) + |b| + |t|), of which less than 5 u
//! is needed (docs/soundness.md).

use super::backward::Layers;
use crate::net::{Affine, Boxes, Lines, Matrix, Network, NodeId, Op, Relaxation, around};
use crate::num::{TINY, UNIT, ample, gamma, mul_up, nan_to};

/// Affine functions of ε around the elements of a node: column d·(k + 1) holds the constants of domain d, the k columns after
/// it the coefficients.
#[derive(Debug, Clone)]
struct Forms {
    middle: Matrix,
    radius: Matrix,
}

/// Forward bounds under way over a batch of domains.
#[derive(Debug)]
pub struct Forward<'a> {
    net: &'a Network,
    /// Columns a domain: one for the constant, one for every input of positive width, each domain counting its own.
    width: usize,
    domains: usize,
    forms: Vec<Option<Forms>>,
    /// For each node, the last one that reads it.
    last: Vec<NodeId>,
}

impl<'a> Forward<'a> {
    /// Begins with boxes of the inputs.
    #[must_use]
    pub(super) fn new(net: &'a Network, input: &Boxes) -> Self {
        let (n, domains) = input.lower.shape();
        let free: Vec<Vec<usize>> = (0..domains).map(|d| free_inputs(input, d)).collect();
        let width = free.iter().map(Vec::len).max().unwrap_or(0) + 1;
        let mut middle = Matrix::zeros(n, width * domains);
        for (d, free) in free.iter().enumerate() {
            middle.column_mut(d * width).copy_from(&input.lower.column(d));
            for (e, &i) in free.iter().enumerate() {
                let (c, r) = around(input.lower[(i, d)], input.upper[(i, d)]);
                middle[(i, d * width)] = c;
                middle[(i, d * width + e + 1)] = r;
            }
        }
        let radius = Matrix::zeros(n, width * domains);
        let mut last = vec![0; net.nodes().len()];
        for (id, node) in net.nodes().iter().enumerate() {
            node.op.operands().into_iter().for_each(|operand| last[operand] = id);
        }
        Self { net, width, domains, forms: vec![Some(Forms { middle, radius })], last }
    }

    /// Carries the bounds through the next node, whose operands' boxes are in `layers`. Returns its boxes where they may be
    /// tighter than intervals: those of affine nodes.
    ///
    /// # Panics
    /// Where nodes are not given in order.
    pub(super) fn push(&mut self, id: NodeId, layers: &Layers) -> Option<Boxes> {
        assert_eq!(id, self.forms.len(), "nodes in order");
        let forms = match &self.net.node(id).op {
            Op::Input => None,
            Op::Affine(affine) => self.affine(affine, layers.rounded(self.net, id).as_deref()),
            Op::Elementwise(_, operands) => {
                layers.relaxation(self.net, id).and_then(|lines| self.elementwise(operands, lines))
            }
        };
        let affine = self.net.node(id).op.affine();
        let boxes = forms.as_ref().filter(|_| affine.is_some()).map(|forms| self.boxes(forms));
        self.forms.push(forms);
        // What nobody reads any more need not be kept.
        for operand in self.net.node(id).op.operands() {
            if self.last[operand] == id {
                self.forms[operand] = None;
            }
        }
        boxes
    }

    fn affine(&self, affine: &Affine, rounded: Option<&Matrix>) -> Option<Forms> {
        let terms = affine.fan_in();
        // Two more for the sums of the radius: its constants pay for their own rounding as well.
        let g = gamma(terms + affine.roundings + 2);
        let rows = affine.bias.len();
        let mut middle = Matrix::zeros(rows, self.width * self.domains);
        let mut radius = Matrix::zeros(rows, self.width * self.domains);
        for d in 0..self.domains {
            middle.column_mut(d * self.width).copy_from_slice(&affine.bias);
            let constants = radius.column_mut(d * self.width);
            for (r, b) in constants.into_iter().zip(&affine.bias) {
                *r = b.abs() * g;
            }
        }
        for term in &affine.terms {
            let Forms { middle: m, radius: r } = self.forms[term.source].as_ref()?;
            let reach = self.reach(m, r);
            let mut charged = r.clone();
            for (d, reach) in reach.column_iter().enumerate() {
                let constants = charged.column_mut(d * self.width);
                for (r, &reach) in constants.into_iter().zip(reach.iter()) {
                    // As it may underflow, and meet a large weight afterwards.
                    *r += mul_up(reach, g);
                }
            }
            term.map.add_apply_both(m, &mut middle, &charged, &mut radius);
        }
        // Of products that underflow, `ample` pays for all.
        for d in 0..self.domains {
            for (i, r) in radius.column_mut(d * self.width).iter_mut().enumerate() {
                let rounded = rounded.map_or(0.0, |rounded| rounded[(i, d)]);
                *r += ample(affine.slack.get(i).copied().unwrap_or(0.0) + rounded);
            }
        }
        Some(Forms { middle, radius })
    }

    /// Σ |M| + |R| over the columns of each domain (elements × domains), and a hundredth of that, which pays for the rounding of what is
    /// charged.
    fn reach(&self, middle: &Matrix, radius: &Matrix) -> Matrix {
        let mut reach = Matrix::zeros(middle.nrows(), self.domains);
        for d in 0..self.domains {
            let mut sum = reach.column_mut(d);
            for c in d * self.width..(d + 1) * self.width {
                let terms = middle.column(c).into_iter().zip(radius.column(c));
                for (sum, (m, r)) in sum.iter_mut().zip(terms) {
                    *sum += m.abs() + r.abs();
                }
            }
            sum *= 1.01;
        }
        reach
    }

    /// Between the lines at the nearer ends of their operands.
    fn elementwise(&self, operands: &[NodeId], lines: &Relaxation) -> Option<Forms> {
        let forms: Vec<&Forms> =
            operands.iter().map(|&x| self.forms[x].as_ref()).collect::<Option<_>>()?;
        let reaches: Vec<Matrix> = forms.iter().map(|f| self.reach(&f.middle, &f.radius)).collect();
        let Forms { mut middle, mut radius } = forms[0].clone();
        for d in 0..self.domains {
            for j in 0..middle.nrows() {
                if is_identity(lines, (j, d)) {
                    continue;
                }
                for e in 0..self.width {
                    let at = (j, d * self.width + e);
                    let value = |lines: &Lines, up: bool| {
                        let mut sum = 0.0;
                        for (form, slopes) in forms.iter().zip(&lines.slopes) {
                            let (slope, m, r) = (slopes[(j, d)], form.middle[at], form.radius[at]);
                            // An absent operand adds nothing, however wide it is.
                            if slope != 0.0 {
                                sum += slope * if up == (slope >= 0.0) { m + r } else { m - r };
                            }
                        }
                        if e == 0 { sum + lines.intercept[(j, d)] } else { sum }
                    };
                    let (low, high) = (value(&lines.lower, false), value(&lines.upper, true));
                    middle[at] = 0.5 * (high + low);
                    radius[at] = 0.5 * (high - low);
                }
                let size = |lines: &Lines| {
                    let parts = lines.slopes.iter().zip(&reaches);
                    let parts = parts.filter(|(slopes, _)| slopes[(j, d)] != 0.0);
                    let sum = parts.map(|(s, r)| s[(j, d)].abs() * r[(j, d)]).sum::<f64>();
                    sum + lines.intercept[(j, d)].abs()
                };
                self.charge(&mut radius, j, d, size(&lines.lower) + size(&lines.upper));
            }
        }
        Some(Forms { middle, radius })
    }

    /// Adds what computing one element's coefficients cost, their terms having magnitudes of the given sum, to its radius,
    /// which is at least 0.
    fn charge(&self, radius: &mut Matrix, j: usize, d: usize, sizes: f64) {
        let constant = &mut radius[(j, d * self.width)];
        // Where it is no number, neither are the sizes finite.
        *constant = constant.max(0.0) + (16.0 * UNIT * sizes + TINY);
    }

    /// Ranges of M ± R over all ε.
    fn boxes(&self, forms: &Forms) -> Boxes {
        let Forms { middle, radius } = forms;
        let reach = self.reach(middle, radius);
        // A difference or sum, one more for each of the other columns, and that of the charge.
        let g = gamma(self.width + 1);
        let mut lower = Matrix::zeros(middle.nrows(), self.domains);
        let mut upper = lower.clone();
        for d in 0..self.domains {
            let (mut low, mut high) = (lower.column_mut(d), upper.column_mut(d));
            for e in 0..self.width {
                let terms = middle.column(d * self.width + e).into_iter();
                let terms = terms.zip(radius.column(d * self.width + e));
                for ((low, high), (m, r)) in low.iter_mut().zip(high.iter_mut()).zip(terms) {
                    if e == 0 {
                        (*low, *high) = (m - r, m + r);
                    } else {
                        *low -= (m - r).abs();
                        *high += (m + r).abs();
                    }
                }
            }
            for (j, (low, high)) in low.iter_mut().zip(high.iter_mut()).enumerate() {
                let charge = reach[(j, d)] * g;
                *low = nan_to(*low - charge, f64::NEG_INFINITY);
                *high = nan_to(*high + charge, f64::INFINITY);
            }
        }
        Boxes { lower, upper }
    }
}

/// Whether both lines of an element are its operand itself.
fn is_identity(lines: &Relaxation, at: (usize, usize)) -> bool {
    let of = |l: &Lines| l.slopes.len() == 1 && l.slopes[0][at] == 1.0 && l.intercept[at] == 0.0;
    of(&lines.lower) && of(&lines.upper)
}

/// The inputs that have positive width in a box of a batch.
#[must_use]
pub fn free_inputs(input: &Boxes, domain: usize) -> Vec<usize> {
    let free = |&i: &usize| input.lower[(i, domain)] < input.upper[(i, domain)];
    (0..input.lower.nrows()).filter(free).collect()
}

#[cfg(test)]
mod tests;
