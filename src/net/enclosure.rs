//! Outward-rounded interval evaluation: for a batch of input boxes, an enclosure of every node's real values.
//!
//! Affine nodes in centre/radius form: c' = W c + b and r' = |W| (r + γ(|c| + r)) + γ|b|, rounded up, where γ covers the
//! dot products and [`super::Affine::roundings`].

use super::evaluate::broadcast;
use super::{Affine, Matrix, Network, Op, recip_interval};
use crate::num::{TINY, add_up, gamma, inflate, mul_down, mul_up, nan_to, sub_down, sub_up};

/// A batch of boxes: column c is the box [lower, upper] of domain c.
#[derive(Debug, Clone, PartialEq)]
pub struct Boxes {
    /// Lower ends (elements × domains).
    pub lower: Matrix,
    /// Upper ends, same shape.
    pub upper: Matrix,
}

impl Boxes {
    /// One box.
    #[must_use]
    pub fn single(lower: &[f64], upper: &[f64]) -> Self {
        Self {
            lower: Matrix::from_column_slice(lower.len(), 1, lower),
            upper: Matrix::from_column_slice(upper.len(), 1, upper),
        }
    }

    /// The elements of unknown sign of the only box, or the first one: those with l < 0 < u.
    pub fn of_unknown_sign(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.lower.nrows()).filter(|&i| self.lower[i] < 0.0 && self.upper[i] > 0.0)
    }

    /// The points of a batch as boxes of radius 0.
    #[must_use]
    pub fn points(x: &Matrix) -> Self {
        Self { lower: x.clone(), upper: x.clone() }
    }

    /// Number of boxes.
    #[must_use]
    pub fn domains(&self) -> usize {
        self.lower.ncols()
    }

    /// max(|lower|, |upper|), elementwise.
    #[must_use]
    pub fn magnitudes(&self) -> Matrix {
        self.lower.zip_map(&self.upper, |l, u| l.abs().max(u.abs()))
    }

    /// Keeps of each box what also lies in the other batch's box.
    pub fn intersect(&mut self, other: &Self) {
        self.lower.zip_apply(&other.lower, |l, o| *l = l.max(o));
        self.upper.zip_apply(&other.upper, |u, o| *u = u.min(o));
    }

    /// Applies a function from intervals to intervals elementwise.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64, f64) -> (f64, f64)) -> Self {
        let mut out = self.clone();
        for (l, u) in out.lower.iter_mut().zip(out.upper.iter_mut()) {
            (*l, *u) = f(*l, *u);
        }
        out
    }
}

/// An enclosure of every node over a batch of input boxes.
#[derive(Debug, Clone)]
pub struct Enclosure {
    /// One batch of boxes a node.
    pub nodes: Vec<Boxes>,
}

impl Enclosure {
    /// The boxes of a node.
    #[must_use]
    pub fn node(&self, id: usize) -> &Boxes {
        &self.nodes[id]
    }
}

impl Network {
    /// Encloses the real values of every node over each input box.
    ///
    /// # Panics
    /// Where the boxes have another dimension than the network's input.
    #[must_use]
    pub fn enclose(&self, input: &Boxes) -> Enclosure {
        let mut nodes = Vec::with_capacity(self.nodes().len());
        for id in 0..self.nodes().len() {
            nodes.push(self.enclose_node(id, input, &nodes));
        }
        Enclosure { nodes }
    }

    /// One node's interval rule, given the boxes of the nodes before it.
    ///
    /// # Panics
    /// Where `earlier` misses an operand.
    #[must_use]
    pub fn enclose_node(&self, id: usize, input: &Boxes, earlier: &[Boxes]) -> Boxes {
        match &self.node(id).op {
            Op::Input => {
                assert_eq!(
                    input.lower.nrows(),
                    self.inputs(),
                    "a box has as many sides as the network has inputs"
                );
                input.clone()
            }
            Op::Affine(affine) => enclose_affine(affine, earlier, input.domains()),
            Op::Relu(z) => earlier[*z].map(|l, u| (l.max(0.0), u.max(0.0))),
            Op::Curve(curve, z) => earlier[*z].map(|l, u| (curve.value_down(l), curve.value_up(u))),
            Op::Product(a, b) => product(&earlier[*a], &earlier[*b]),
            Op::Reciprocal(z) => earlier[*z].map(recip_interval),
        }
    }
}

fn enclose_affine(affine: &Affine, earlier: &[Boxes], domains: usize) -> Boxes {
    let terms = affine.fan_in();
    let g = gamma(terms + affine.roundings);
    let mut centres = broadcast(&affine.bias, domains);
    let mut radii = broadcast(&affine.bias, domains);
    radii.apply(|b| *b = mul_up(b.abs(), g));
    for term in &affine.terms {
        let boxes = &earlier[term.source];
        let centre = boxes.lower.zip_map(&boxes.upper, |l, u| 0.5 * l + 0.5 * u);
        let mut radius = centre.clone();
        for ((r, l), u) in radius.iter_mut().zip(boxes.lower.iter()).zip(boxes.upper.iter()) {
            // Nothing is lost of an exact 0, and its upward rounded radius, a denormal number, would make products slow.
            if *l == 0.0 && *u == 0.0 {
                continue;
            }
            let c = *r;
            let plain = sub_up(*u, c).max(sub_up(c, *l)).max(0.0);
            let plain = if l == u && c == *l { 0.0 } else { plain };
            let reach = add_up(c.abs(), plain);
            *r = add_up(plain, mul_up(g, reach));
        }
        term.map.add_apply_both(&centre, &mut centres, &radius, &mut radii);
    }
    // Underflow: each of the products in a row may lose TINY, in the centre and in the radius.
    let underflow = terms as f64 * TINY * 2.0;
    let rows = affine.bias.len();
    for (i, (c, r)) in centres.iter_mut().zip(radii.iter_mut()).enumerate() {
        let slack = affine.slack.get(i % rows).copied().unwrap_or(0.0);
        let radius = add_up(add_up(inflate(*r, terms), underflow), slack);
        (*c, *r) = (sub_down(*c, radius), add_up(*c, radius));
    }
    Boxes {
        lower: centres.map(|l| nan_to(l, f64::NEG_INFINITY)),
        upper: radii.map(|u| nan_to(u, f64::INFINITY)),
    }
}

fn product(a: &Boxes, b: &Boxes) -> Boxes {
    let mut out = a.clone();
    for i in 0..a.lower.len() {
        let ends = [
            (a.lower[i], b.lower[i]),
            (a.lower[i], b.upper[i]),
            (a.upper[i], b.lower[i]),
            (a.upper[i], b.upper[i]),
        ];
        out.lower[i] = ends.iter().map(|&(x, y)| mul_down(x, y)).fold(f64::INFINITY, f64::min);
        out.upper[i] = ends.iter().map(|&(x, y)| mul_up(x, y)).fold(f64::NEG_INFINITY, f64::max);
    }
    out
}
