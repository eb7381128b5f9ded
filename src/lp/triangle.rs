//! The triangle relaxation (Ehlers 2017; "Planet") of a network's prefix as a linear program.
//!
//! For a ReLU y = max(z, 0) on l < 0 < u its convex hull, a triangle with three facets:
//!
//! ```text
//! y ≥ 0,   y ≥ z,   y ≤ s z + t,      s = u/(u − l),  t = −s l
//! ```
//!
//! Stable neurons cost nothing: y is z, or 0. Other nonlinear nodes lie between the lines (planes) that the backward sweep
//! uses. Elements that are scalings of one variable (normalisation, reshapes, stable neurons) are no variables of their own,
//! and of a layer only the elements that the functionals depend on are built. The triangle implies l ≤ z ≤ u; an interval
//! that does not come from relaxations, such as a split's, has rows of its own.

use super::Program;
use crate::bound::Layers;
use crate::net::{Affine, Boxes, Network, NodeId, Op};

/// What is to be relaxed: a network up to a node, over one domain.
#[derive(Debug, Clone, Copy)]
pub struct Prefix<'a> {
    /// The network.
    pub net: &'a Network,
    /// Bounds of its nodes.
    pub layers: &'a Layers,
    /// The column of the layers' boxes.
    pub domain: usize,
    /// The node that functionals read.
    pub at: NodeId,
    /// Elements whose interval is more than a consequence of the relaxation: pre-activations that were split.
    pub splits: &'a [(NodeId, usize)],
}

/// How ReLUs of unknown sign are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// By the triangle.
    Triangle,
    /// Exactly, with a binary variable d (big-M): y ≤ u d, y ≤ z − l (1 − d).
    BigM,
}

/// scale · variable + offset, or a constant.
#[derive(Debug, Clone, Copy)]
struct Element {
    variable: Option<usize>,
    scale: f64,
    offset: f64,
}

impl Element {
    fn constant(offset: f64) -> Self {
        Self { variable: None, scale: 0.0, offset }
    }

    fn variable(variable: usize) -> Self {
        Self { variable: Some(variable), scale: 1.0, offset: 0.0 }
    }

    fn entry(self, factor: f64) -> Option<(usize, f64)> {
        self.variable.map(|v| (v, factor * self.scale))
    }
}

/// The rows of a ReLU's facets.
#[derive(Debug, Clone, Copy)]
pub struct Facets {
    /// The ReLU node.
    pub relu: NodeId,
    /// Its pre-activation.
    pub z: NodeId,
    /// The element.
    pub element: usize,
    /// Row of y ≥ 0.
    pub zero: usize,
    /// Row of y ≥ z.
    pub identity: usize,
    /// Row of y ≤ s z + t; `None` where t is infinite.
    pub upper: Option<usize>,
    /// s.
    pub slope: f64,
}

/// A row z ≥ l or z ≤ u.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// The node of z.
    pub node: NodeId,
    /// The element.
    pub element: usize,
    /// Whether it is z ≥ l.
    pub lower: bool,
    /// The row.
    pub row: usize,
}

/// How rows and variables of a program belong to a network.
#[derive(Debug, Clone)]
pub struct Triangle {
    elements: Vec<Vec<Element>>,
    at: NodeId,
    variables: usize,
    /// Unstable ReLUs.
    pub facets: Vec<Facets>,
    /// Rows of splits.
    pub ends: Vec<End>,
}

impl Triangle {
    /// The objective q and its constant for a functional of the node that was relaxed up to.
    #[must_use]
    pub(crate) fn objective(&self, net: &Network, functional: &[f64]) -> (Vec<f64>, f64) {
        let mut q = vec![0.0; self.variables];
        let mut constant = 0.0;
        let mut add = |element: Element, a: f64| {
            constant += a * element.offset;
            if let Some(v) = element.variable {
                q[v] += a * element.scale;
            }
        };
        for (i, &a) in functional.iter().enumerate().filter(|(_, a)| **a != 0.0) {
            if let Some(affine) = net.node(self.at).op.affine() {
                add(Element::constant(affine.bias[i]), a);
                for term in &affine.terms {
                    let source = &self.elements[term.source];
                    term.map.for_each_in_row(i, |c, w| add(source[c], a * w));
                }
            } else {
                add(self.elements[self.at][i], a);
            }
        }
        (q, constant)
    }

    /// The input in a solution.
    #[must_use]
    pub(crate) fn input(&self, solution: &[f64]) -> Vec<f64> {
        let value = |e: &Element| e.offset + e.variable.map_or(0.0, |v| e.scale * solution[v]);
        self.elements[0].iter().map(value).collect()
    }
}

/// Writes down the relaxation of what functionals with non-zero coefficients in `wanted` (elements of the prefix's last
/// node) depend on.
#[must_use]
pub fn relax(prefix: &Prefix, wanted: &[bool], encoding: Encoding) -> (Program, Triangle) {
    let needed = needed(prefix, wanted);
    let mut builder = Builder {
        prefix: *prefix,
        encoding,
        program: Program::new(),
        elements: Vec::new(),
        facets: Vec::new(),
        ends: Vec::new(),
        sums: Vec::new(),
    };
    let last_is_affine = prefix.net.node(prefix.at).op.affine().is_some();
    for (id, needed) in needed.iter().enumerate() {
        // Functionals are expanded over the last node's rows where it has some.
        let built = needed.iter().enumerate().filter(|_| id < prefix.at || !last_is_affine);
        let element = |(i, &needed): (usize, &bool)| {
            if needed { builder.element(id, i) } else { Element::constant(0.0) }
        };
        let elements = built.map(element).collect();
        builder.elements.push(elements);
    }
    builder.split_rows();
    let Builder { program, elements, facets, ends, .. } = builder;
    let variables = program.variables();
    (program, Triangle { elements, at: prefix.at, variables, facets, ends })
}

/// Which elements of each node the wanted ones depend on, and those that were split.
fn needed(prefix: &Prefix, wanted: &[bool]) -> Vec<Vec<bool>> {
    let net = prefix.net;
    let mut needed: Vec<Vec<bool>> =
        net.nodes()[..=prefix.at].iter().map(|node| vec![false; node.len]).collect();
    needed[prefix.at].copy_from_slice(wanted);
    // All inputs: a solution's input is a candidate for a counterexample.
    needed[0].fill(true);
    for &(node, element) in prefix.splits.iter().filter(|split| split.0 < prefix.at) {
        needed[node][element] = true;
    }
    for id in (1..=prefix.at).rev() {
        let (earlier, rest) = needed.split_at_mut(id);
        let elements = (0..net.node(id).len).filter(|&i| rest[0][i]);
        match &net.node(id).op {
            Op::Input => {}
            Op::Affine(affine) => {
                for i in elements {
                    for term in &affine.terms {
                        term.map.for_each_in_row(i, |c, w| earlier[term.source][c] |= w != 0.0);
                    }
                }
            }
            Op::Elementwise(_, operands) => {
                let upper = prefix.layers.boxes[operands[0]].upper.column(prefix.domain);
                let is_relu = net.node(id).op.relu().is_some();
                for i in elements.filter(|&i| !is_relu || upper[i] > 0.0) {
                    operands.iter().for_each(|&x| earlier[x][i] = true);
                }
            }
        }
    }
    needed
}

struct Builder<'a> {
    prefix: Prefix<'a>,
    encoding: Encoding,
    program: Program,
    elements: Vec<Vec<Element>>,
    facets: Vec<Facets>,
    ends: Vec<End>,
    /// Scratch: coefficients of the row under construction, by variable.
    sums: Vec<f64>,
}

impl Builder<'_> {
    fn interval(&self, id: NodeId, i: usize) -> (f64, f64) {
        let Boxes { lower, upper } = &self.prefix.layers.boxes[id];
        (lower[(i, self.prefix.domain)], upper[(i, self.prefix.domain)])
    }

    fn element(&mut self, id: NodeId, i: usize) -> Element {
        let net = self.prefix.net;
        match &net.node(id).op {
            Op::Input => {
                let (l, u) = self.interval(id, i);
                if l == u {
                    Element::constant(l)
                } else {
                    Element::variable(self.program.variable(l, u))
                }
            }
            Op::Affine(affine) => self.affine(id, affine, i),
            Op::Elementwise(_, operands) => match net.node(id).op.relu() {
                Some(z) => self.relu(id, z, i),
                None => self.between_lines(id, operands, i),
            },
        }
    }

    fn affine(&mut self, id: NodeId, affine: &Affine, i: usize) -> Element {
        let mut constant = affine.bias[i];
        let mut touched = Vec::new();
        self.sums.resize(self.program.variables(), 0.0);
        for term in &affine.terms {
            let source = &self.elements[term.source];
            let sums = &mut self.sums;
            term.map.for_each_in_row(i, |c, w| {
                let Element { variable, scale, offset } = source[c];
                constant += w * offset;
                if let Some(v) = variable.filter(|_| w != 0.0) {
                    sums[v] += w * scale;
                    touched.push(v);
                }
            });
        }
        touched.sort_unstable();
        touched.dedup();
        let entries: Vec<(usize, f64)> =
            touched.iter().map(|&v| (v, std::mem::take(&mut self.sums[v]))).collect();
        match entries.as_slice() {
            [] => Element::constant(constant),
            [(v, scale)] if *scale != 0.0 => {
                Element { variable: Some(*v), scale: *scale, offset: constant }
            }
            _ => {
                let (l, u) = match self.encoding {
                    Encoding::Triangle => (f64::NEG_INFINITY, f64::INFINITY),
                    Encoding::BigM => self.interval(id, i),
                };
                let z = self.program.variable(l, u);
                self.program.row(entries.into_iter().chain([(z, -1.0)]), -constant, true);
                Element::variable(z)
            }
        }
    }

    fn relu(&mut self, id: NodeId, z_node: NodeId, i: usize) -> Element {
        let (l, u) = self.interval(z_node, i);
        if l >= 0.0 {
            return self.elements[z_node][i];
        }
        if u <= 0.0 {
            return Element::constant(0.0);
        }
        let z = self.elements[z_node][i];
        if z.variable.is_none() {
            return Element::constant(z.offset.max(0.0));
        }
        let lines = self.prefix.layers.relaxation(self.prefix.net, id).map(|lines| &lines.upper);
        let at = (i, self.prefix.domain);
        let (s, t) =
            lines.map_or((0.0, f64::INFINITY), |lines| (lines.slopes[0][at], lines.intercept[at]));
        let program = &mut self.program;
        let y = program.variable(f64::NEG_INFINITY, f64::INFINITY);
        let zero = program.row([(y, -1.0)], 0.0, false);
        let identity = program.row(z.entry(1.0).into_iter().chain([(y, -1.0)]), -z.offset, false);
        let upper = t.is_finite().then(|| {
            program.row(z.entry(-s).into_iter().chain([(y, 1.0)]), t + s * z.offset, false)
        });
        if self.encoding == Encoding::BigM && l.is_finite() && u.is_finite() {
            let d = program.binary();
            program.row([(y, 1.0), (d, -u)], 0.0, false);
            let active = z.entry(-1.0).into_iter().chain([(y, 1.0), (d, -l)]);
            program.row(active, z.offset - l, false);
        }
        self.facets.push(Facets {
            relu: id,
            z: z_node,
            element: i,
            zero,
            identity,
            upper,
            slope: s,
        });
        Element::variable(y)
    }

    /// A node between the lines of the sweep's own relaxation.
    fn between_lines(&mut self, id: NodeId, operands: &[NodeId], i: usize) -> Element {
        let y = self.program.variable(f64::NEG_INFINITY, f64::INFINITY);
        let at = (i, self.prefix.domain);
        let lines = self.prefix.layers.relaxation(self.prefix.net, id);
        let lines = lines.into_iter().flat_map(|l| [(-1.0, &l.lower), (1.0, &l.upper)]);
        for (sign, lines) in lines.filter(|(_, lines)| lines.intercept[at].is_finite()) {
            // y ≤ Σ k z + c above, −y ≤ −Σ k z − c below.
            let mut right = sign * lines.intercept[at];
            let mut entries = vec![(y, sign)];
            for (&operand, slopes) in operands.iter().zip(&lines.slopes) {
                let (z, k) = (self.elements[operand][i], slopes[at]);
                right += sign * k * z.offset;
                if let Some((v, a)) = z.entry(-sign * k) {
                    match entries.iter_mut().find(|entry| entry.0 == v) {
                        Some(entry) => entry.1 += a,
                        None => entries.push((v, a)),
                    }
                }
            }
            self.program.row(entries, right, false);
        }
        Element::variable(y)
    }

    fn split_rows(&mut self) {
        for &(node, element) in self.prefix.splits {
            if node >= self.prefix.at {
                continue;
            }
            let z = self.elements[node][element];
            let (l, u) = self.interval(node, element);
            for (lower, end, sign) in [(true, l, -1.0), (false, u, 1.0)] {
                if z.variable.is_some() && end.is_finite() {
                    let row = self.program.row(z.entry(sign), sign * (end - z.offset), false);
                    self.ends.push(End { node, element, lower, row });
                }
            }
        }
    }
}
