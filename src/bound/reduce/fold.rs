//! Folding: neurons of known sign become part of the affine maps after them.
//!
//! What is left are the unstable neurons, each an affine function of the inputs and of unstable neurons before it:
//!
//! ```text
//! z = A x + Σ Bₖ relu(zₖ) + c ± slack
//! ```
//!
//! The coefficients are sums of products of weights, computed in floating point: row i of W·M has an error of at most
//! γ · Σ |Wᵢⱼ| Σ |Mⱼₖ| mₖ for |xₖ| ≤ mₖ, which, with what the operands had already, is the slack (see
//! [`crate::net::Affine::slack`]).

use super::Reduced;
use crate::bound::Analysis;
use crate::net::{Affine, LinearMap, Matrix, NetworkBuilder, NodeId, Op, Term};
use crate::num::{TINY, add_up, ample, gamma};

/// Matrix entries that affine forms may take.
const MOST_ENTRIES: usize = 1 << 24;

/// What a node's elements are: affine functions of inputs and ReLUs of the smaller network.
#[derive(Clone)]
struct Form {
    /// (node of the smaller network, coefficients: elements × its length).
    terms: Vec<(NodeId, Matrix)>,
    bias: Vec<f64>,
    /// How far from the truth.
    slack: Vec<f64>,
    /// Σ |coefficient| · magnitude + |bias|, but for a share that `ample` pays for.
    reach: Vec<f64>,
    /// x itself: no terms are stored.
    is_input: bool,
}

/// The network of an analysis of one region, where only ReLUs are nonlinear, with neurons of known sign folded away.
pub fn fold(analysis: &Analysis) -> Option<Reduced> {
    let net = analysis.net;
    let mut builder = Builder {
        analysis,
        network: NetworkBuilder::new(net.inputs(), "input").ok()?,
        origins: vec![Some((0, (0..net.inputs()).collect()))],
        forms: Vec::with_capacity(net.nodes().len()),
    };
    for (id, node) in net.nodes().iter().enumerate() {
        let form = match &node.op {
            Op::Input => builder.input(),
            Op::Affine(affine) => builder.affine(id, affine),
            Op::Elementwise(..) => builder.relu(id, node.op.relu()?)?,
        };
        builder.forms.push(form);
    }
    let output = builder.forms.swap_remove(net.output());
    builder.finish(&output)
}

/// Multiplications of a sweep of one functional through the folded network; `None` where its forms do not fit into memory.
pub fn cost(analysis: &Analysis) -> Option<usize> {
    let net = analysis.net;
    let (mut cost, mut entries, mut sources) = (0, 0, net.inputs());
    for node in net.nodes() {
        if node.op.affine().is_some() {
            entries = entries.max(node.len * sources);
        } else if let Some(z) = node.op.relu() {
            let unstable = analysis.layers.boxes[z].of_unknown_sign().count();
            cost += unstable * sources;
            sources += unstable;
        }
    }
    (entries <= MOST_ENTRIES).then_some(cost + net.outputs() * sources)
}

struct Builder<'a> {
    analysis: &'a Analysis<'a>,
    network: NetworkBuilder,
    origins: Vec<Option<(NodeId, Vec<usize>)>>,
    forms: Vec<Form>,
}

impl Builder<'_> {
    fn magnitudes(&self, node: NodeId) -> Vec<f64> {
        let boxes = &self.analysis.layers.boxes[node];
        let ends = boxes.lower.iter().zip(boxes.upper.iter());
        ends.map(|(l, u)| l.abs().max(u.abs())).collect()
    }

    fn input(&self) -> Form {
        let n = self.analysis.net.inputs();
        let reach = self.magnitudes(0);
        Form { terms: Vec::new(), bias: vec![0.0; n], slack: vec![0.0; n], reach, is_input: true }
    }

    fn affine(&self, id: NodeId, affine: &Affine) -> Form {
        let rows = affine.bias.len();
        let mut terms: Vec<(NodeId, Matrix)> = Vec::new();
        let mut bias = Matrix::from_column_slice(rows, 1, &affine.bias);
        let (mut slack, mut reach) = (Matrix::zeros(rows, 1), bias.abs());
        let vector = |v: &[f64]| Matrix::from_column_slice(v.len(), 1, v);
        for Term { source, map } in &affine.terms {
            let form = &self.forms[*source];
            if form.is_input {
                add_dense(map, entry(&mut terms, 0, rows, map.inputs()));
            }
            for (node, coefficients) in &form.terms {
                map.add_apply(coefficients, entry(&mut terms, *node, rows, coefficients.ncols()));
            }
            map.add_apply(&vector(&form.bias), &mut bias);
            map.add_apply_abs(&vector(&form.slack), &mut slack);
            map.add_apply_abs(&vector(&form.reach), &mut reach);
        }
        // Every coefficient is a sum of at most `fan_in` products, with weights that are rounded themselves.
        let count = affine.fan_in() + affine.terms.len();
        // One more for the sum of slack, which pays for its own rounding as well.
        let g = gamma(count + affine.roundings + 1);
        let underflow = TINY * self.span();
        // Of a network that is only near another one already, that distance comes on top.
        let single = self.analysis.layers.rounded(self.analysis.net, id);
        let own = |i: usize| {
            let slack = affine.slack.get(i).copied().unwrap_or(0.0);
            single.as_ref().map_or(slack, |rounded| add_up(slack, rounded[i]))
        };
        let total = |(i, (&s, &r)): (usize, (&f64, &f64))| {
            // Weights that are rounded act on what the operands stand for, which may be this far from their forms.
            add_up(s + ample(g * (r + s) + underflow), own(i))
        };
        let slack = slack.iter().zip(reach.iter()).enumerate().map(total).collect();
        let (bias, reach) = (bias.as_slice().to_vec(), reach.as_slice().to_vec());
        Form { terms, bias, slack, reach, is_input: false }
    }

    /// The sum of all magnitudes, for underflow.
    fn span(&self) -> f64 {
        let boxes = self.analysis.layers.boxes.iter();
        boxes.map(|b| b.magnitudes().sum()).sum()
    }

    fn relu(&mut self, id: NodeId, z: NodeId) -> Option<Form> {
        let boxes = &self.analysis.layers.boxes[z];
        let unstable: Vec<usize> = boxes.of_unknown_sign().collect();
        let active = |i: usize| boxes.lower[i] >= 0.0;
        let form = self.forms[z].clone();
        let len = form.bias.len();
        let mask = |v: &[f64]| -> Vec<f64> {
            v.iter().enumerate().map(|(i, &v)| if active(i) { v } else { 0.0 }).collect()
        };
        let mut out = Form {
            terms: Vec::new(),
            bias: mask(&form.bias),
            slack: mask(&form.slack),
            reach: mask(&form.reach),
            is_input: false,
        };
        let masked = |m: &Matrix| {
            Matrix::from_fn(len, m.ncols(), |i, j| if active(i) { m[(i, j)] } else { 0.0 })
        };
        if form.is_input {
            // A ReLU of the input itself: rare, and not worth a form of its own.
            return None;
        }
        if (0..len).any(active) {
            out.terms.extend(form.terms.iter().map(|(node, m)| (*node, masked(m))));
        }
        if !unstable.is_empty() {
            let node = self.place(&form, &unstable, z)?;
            let relu = self.network.relu(node, "").ok()?;
            let mut selection = Matrix::zeros(len, unstable.len());
            for (k, &i) in unstable.iter().enumerate() {
                selection[(i, k)] = 1.0;
                out.reach[i] = boxes.upper[i].max(0.0);
            }
            out.terms.push((relu, selection));
            self.origins.push(Some((id, unstable)));
        }
        Some(out)
    }

    /// A node for some elements of a form.
    fn place(&mut self, form: &Form, elements: &[usize], of: NodeId) -> Option<NodeId> {
        let pick = |v: &[f64]| elements.iter().map(|&i| v[i]).collect::<Vec<f64>>();
        let term = |(source, m): &(NodeId, Matrix)| Term {
            source: *source,
            map: LinearMap::from_matrix(m.select_rows(elements)),
        };
        let terms = form.terms.iter().map(term).collect();
        let (bias, slack) = (pick(&form.bias), pick(&form.slack));
        let node = self.network.affine(terms, bias, 0, "").ok()?;
        self.network.within(node, slack).ok()?;
        self.origins.push(Some((of, elements.to_vec())));
        Some(node)
    }

    fn finish(mut self, output: &Form) -> Option<Reduced> {
        if output.is_input {
            return None;
        }
        let net = self.analysis.net;
        let all: Vec<usize> = (0..net.outputs()).collect();
        let node = self.place(output, &all, net.output())?;
        let (net, kept) = self.network.finish_numbered(node).ok()?;
        let origins = self.origins.into_iter().zip(kept).filter(|(_, kept)| *kept);
        Some(Reduced { net, origins: origins.map(|(origin, _)| origin).collect() })
    }
}

fn entry(
    terms: &mut Vec<(NodeId, Matrix)>,
    node: NodeId,
    rows: usize,
    columns: usize,
) -> &mut Matrix {
    let at = terms.iter().position(|(known, _)| *known == node).unwrap_or_else(|| {
        terms.push((node, Matrix::zeros(rows, columns)));
        terms.len() - 1
    });
    &mut terms[at].1
}

/// out += W.
fn add_dense(map: &LinearMap, out: &mut Matrix) {
    for row in 0..map.outputs() {
        map.for_each_in_row(row, |column, weight| out[(row, column)] += weight);
    }
}

#[cfg(test)]
mod tests;
