//! The sound backward sweep (CROWN): from multipliers to a lower bound, all rounding charged.
//!
//! A functional f = Σ aᵢ zᵢ of a node's values is rewritten node by node, last to first, as a functional of earlier nodes
//! that is nowhere larger on the domain: affine nodes by Wᵀ a, nonlinear ones by the line below (a ≥ 0) or above (a < 0).
//! Over the inputs it is minimised at a corner of the box. Lifts subtract g·(z − l) ≥ 0 or g·(u − z) ≥ 0 on the way, for
//! known bounds l ≤ z ≤ u of the domain: the multipliers of split constraints (β-CROWN, Wang et al. 2021) and of LP bound
//! duals. Slopes and lifts are free: any values give a bound, only its quality depends on them.

use super::charge::Charges;
use super::relax::{ProductLines, Relaxation};
use crate::net::kernel::{Slopes, abs_dot, corner, dot, relax};
use crate::net::{Affine, Boxes, Matrix, Network, NodeId, Op, column, columns};
use crate::num::{UNIT, add_down, gamma, inflate, mul_down, nan_to, sub_down};
use rayon::prelude::*;
use std::sync::OnceLock;

/// The bounds and relaxations of a network's nodes over a batch of domains, as far as they are known.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// Boxes of the nodes, one column a domain.
    pub boxes: Vec<Boxes>,
    /// Lines of the nonlinear nodes over these boxes, drawn when first needed.
    relaxations: Vec<OnceLock<NodeRelaxation>>,
}

/// The relaxation of one node.
#[derive(Debug, Clone)]
pub enum NodeRelaxation {
    /// Input and affine nodes need none.
    None,
    /// Lines of a unary node.
    Unary(Relaxation),
    /// Planes of a product.
    Product(ProductLines),
}

impl Layers {
    /// Adds the boxes of the next node.
    pub fn push(&mut self, boxes: Boxes) {
        self.boxes.push(boxes);
        self.relaxations.push(OnceLock::new());
    }

    /// The relaxation of a node over the boxes of its operands.
    #[must_use]
    pub fn relaxation(&self, net: &Network, id: NodeId) -> &NodeRelaxation {
        // A sweep may start at a node whose own boxes are not known yet: there is no relaxation to keep.
        let Some(relaxation) = self.relaxations.get(id) else { return &NodeRelaxation::None };
        relaxation.get_or_init(|| match net.node(id).op {
            Op::Product(x, y) => {
                NodeRelaxation::Product(ProductLines::new(&self.boxes[x], &self.boxes[y]))
            }
            _ => Relaxation::of(net, id, &self.boxes)
                .map_or(NodeRelaxation::None, NodeRelaxation::Unary),
        })
    }
}

/// Where a sweep starts: k functionals of one node's values, one a column.
#[derive(Debug, Clone)]
pub enum Start<'a> {
    /// ± single elements: (element, negated).
    Units(&'a [(usize, bool)]),
    /// Coefficients (elements × k).
    Dense(&'a Matrix),
}

impl Start<'_> {
    fn columns(&self) -> usize {
        match self {
            Self::Units(units) => units.len(),
            Self::Dense(matrix) => matrix.ncols(),
        }
    }
}

/// A multiplier g on a known bound of an element: f − g·(z − l) for g > 0, f − |g|·(u − z) for g < 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lift {
    /// Column of the functional.
    pub column: usize,
    /// Element of the node.
    pub element: usize,
    /// g; its sign names the bound.
    pub multiplier: f64,
}

/// What search proposes: slopes of unstable ReLUs and lifts. Values out of range are clamped or ignored, so any content is
/// sound.
#[derive(Debug, Clone, Default)]
pub struct Multipliers {
    /// Per node: lower slopes α (elements × columns) of a ReLU node, used where the neuron is unstable.
    pub slopes: Vec<Option<Matrix>>,
    /// Per node: lifts on its elements.
    pub lifts: Vec<Vec<Lift>>,
}

impl Multipliers {
    /// Slopes by the area rule, no lifts.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    fn slopes(&self, id: NodeId) -> Option<&Matrix> {
        self.slopes.get(id).and_then(Option::as_ref)
    }

    fn lifts(&self, id: NodeId) -> &[Lift] {
        self.lifts.get(id).map_or(&[], Vec::as_slice)
    }
}

/// The result of a sweep, one entry or column a functional.
#[derive(Debug, Clone, Default)]
pub struct Swept {
    /// Lower bounds over the domains.
    pub bounds: Vec<f64>,
    /// Coefficients of the input (inputs × k): f ≥ coefficientsᵀ x + constants on the domain.
    pub coefficients: Matrix,
    /// Constants, rounding charged.
    pub constants: Vec<f64>,
    /// Per node, the functional's coefficients on its values just before it was eliminated; only where asked for.
    pub trace: Vec<Option<Matrix>>,
}

/// Backward sweeps over fixed layers.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// The network.
    pub net: &'a Network,
    /// Bounds and relaxations of the nodes that functionals may meet.
    pub layers: &'a Layers,
    /// Rounding charges valid on all the domains.
    pub charges: &'a Charges,
}

/// Columns swept at once are limited so that no coefficient matrix has more entries than this.
const CHUNK_ENTRIES: usize = 1 << 17;

impl Sweep<'_> {
    /// Lower bounds of k functionals of node `at`, with default multipliers; `domains[c]` is column c's domain. Large batches
    /// run in parallel chunks; the result does not depend on the number of threads.
    #[must_use]
    pub fn bounds(&self, at: NodeId, units: &[(usize, bool)], domains: &[usize]) -> Vec<f64> {
        let widest = self.net.nodes()[..=at].iter().map(|n| n.len).max().unwrap_or(1);
        let chunk = (CHUNK_ENTRIES / widest).max(16);
        let run = |(units, domains): (&[(usize, bool)], &[usize])| {
            self.run(at, &Start::Units(units), domains, &Multipliers::none(), false).bounds
        };
        if units.len() <= chunk {
            return run((units, domains));
        }
        units.par_chunks(chunk).zip(domains.par_chunks(chunk)).flat_map_iter(run).collect()
    }

    /// Sweeps k functionals of node `at`; `domains[c]` is the column of the layers' boxes that functional c lives on.
    ///
    /// # Panics
    /// Where `domains` has another length than there are functionals, or a matrix has the wrong shape.
    #[must_use]
    pub fn run(
        &self,
        at: NodeId,
        start: &Start,
        domains: &[usize],
        multipliers: &Multipliers,
        keep_trace: bool,
    ) -> Swept {
        self.sweep(at, start, domains, multipliers, keep_trace, false)
    }

    /// As [`Self::run`] without relaxations: nonlinear nodes end the sweep, minimised over their boxes. With interval
    /// boxes this is interval bound propagation with the functional merged into the last affine layer.
    ///
    /// # Panics
    /// As [`Self::run`].
    #[must_use]
    pub fn interval(&self, at: NodeId, functionals: &Matrix, domains: &[usize]) -> Vec<f64> {
        self.sweep(at, &Start::Dense(functionals), domains, &Multipliers::none(), false, true)
            .bounds
    }

    fn sweep(
        &self,
        at: NodeId,
        start: &Start,
        domains: &[usize],
        multipliers: &Multipliers,
        keep_trace: bool,
        stop_at_nonlinear: bool,
    ) -> Swept {
        let k = start.columns();
        assert_eq!(domains.len(), k, "one domain a functional");
        let mut state = State {
            sweep: *self,
            domains,
            multipliers,
            coefficients: vec![None; at + 1],
            constants: vec![0.0; k],
            charges: vec![0.0; k],
            terms: 0,
        };
        let mut trace = vec![None; if keep_trace { at + 1 } else { 0 }];
        let first = state.begin(at, start);
        for id in (1..first).rev() {
            state.lift(id);
            if let Some(a) = state.coefficients[id].take() {
                if stop_at_nonlinear && !matches!(self.net.node(id).op, Op::Affine(_)) {
                    state.minimise(id, &a);
                } else {
                    state.eliminate(id, &a);
                }
                if keep_trace {
                    trace[id] = Some(a);
                }
            }
        }
        let mut swept = state.finish();
        swept.trace = trace;
        swept
    }
}

/// A sweep under way.
struct State<'a> {
    sweep: Sweep<'a>,
    domains: &'a [usize],
    multipliers: &'a Multipliers,
    /// Per node the coefficients that have reached it (elements × k).
    coefficients: Vec<Option<Matrix>>,
    constants: Vec<f64>,
    /// Upper bounds, up to the rounding of their own sums, of what rounding has cost each column.
    charges: Vec<f64>,
    /// Number of additions into any one charge, for the inflation at the end.
    terms: usize,
}

impl State<'_> {
    /// Places the functionals; returns the node below which elimination goes on. Units of an affine node become rows of its
    /// weights without a product.
    fn begin(&mut self, at: NodeId, start: &Start) -> NodeId {
        let node = self.sweep.net.node(at);
        match (start, &node.op) {
            (Start::Units(units), Op::Affine(affine)) if self.multipliers.lifts(at).is_empty() => {
                let elements: Vec<usize> = units.iter().map(|u| u.0).collect();
                let v = self.sweep.charges.affine(at, affine);
                let underflow = self.sweep.charges.underflow(at);
                for (c, &(i, negated)) in units.iter().enumerate() {
                    self.constants[c] = if negated { -affine.bias[i] } else { affine.bias[i] };
                    self.charges[c] = v[i] + underflow;
                }
                self.terms += 1;
                for term in &affine.terms {
                    let mut rows = Matrix::zeros(term.map.inputs(), units.len());
                    term.map.add_rows(&elements, &mut rows);
                    for (mut column, &(_, negated)) in rows.column_iter_mut().zip(*units) {
                        if negated {
                            column.neg_mut();
                        }
                    }
                    self.accumulate(term.source, rows);
                }
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

    /// Adds computed coefficients to those of a node, charging the rounding of the sum.
    fn accumulate(&mut self, to: NodeId, a: Matrix) {
        let Some(mut sum) = self.coefficients[to].take() else {
            self.coefficients[to] = Some(a);
            return;
        };
        sum += a;
        self.charge(to, &sum, UNIT);
        self.coefficients[to] = Some(sum);
    }

    /// Charges factor · Σ |aᵢ| mᵢ to each column.
    fn charge(&mut self, node: NodeId, a: &Matrix, factor: f64) {
        let m = self.sweep.charges.magnitudes(node);
        for (charge, a) in self.charges.iter_mut().zip(columns(a)) {
            *charge += factor * abs_dot(a, m);
        }
        self.terms += m.len() + 2;
    }

    fn lift(&mut self, id: NodeId) {
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
            self.charges[column] += UNIT * entry.abs() * m[element];
            self.constants[column] = add_down(self.constants[column], mul_down(multiplier, end));
        }
        self.terms += 2 * lifts.len();
    }

    fn eliminate(&mut self, id: NodeId, a: &Matrix) {
        let net = self.sweep.net;
        match (&net.node(id).op, self.sweep.layers.relaxation(net, id)) {
            (Op::Affine(affine), _) => self.eliminate_affine(id, affine, a),
            (
                Op::Relu(z) | Op::Curve(_, z) | Op::Reciprocal(z),
                NodeRelaxation::Unary(relaxation),
            ) => {
                self.eliminate_unary(id, *z, relaxation, a);
            }
            (Op::Product(x, y), NodeRelaxation::Product(lines)) => {
                self.eliminate_product(*x, *y, lines, a)
            }
            // Nothing is known about the node: the bound is vacuous.
            _ => self.constants.fill(f64::NEG_INFINITY),
        }
    }

    fn eliminate_affine(&mut self, id: NodeId, affine: &Affine, a: &Matrix) {
        let v = self.sweep.charges.affine(id, affine);
        let underflow = self.sweep.charges.underflow(id);
        let (constants, charges) = (&mut self.constants, &mut self.charges);
        for ((constant, charge), a) in constants.iter_mut().zip(charges.iter_mut()).zip(columns(a))
        {
            *constant = add_down(*constant, dot(a, &affine.bias));
            *charge += abs_dot(a, v) + underflow;
        }
        self.terms += v.len() + 2;
        for term in &affine.terms {
            let to = term.source;
            let mut sum = match self.coefficients[to].take() {
                // The product is added to what is there: its entries take part in the rounding.
                Some(sum) => {
                    self.charge(to, &sum, gamma(a.nrows() + 2));
                    sum
                }
                None => Matrix::zeros(term.map.inputs(), a.ncols()),
            };
            term.map.add_apply_transposed(a, &mut sum);
            self.coefficients[to] = Some(sum);
        }
    }

    fn eliminate_unary(&mut self, id: NodeId, z: NodeId, relaxation: &Relaxation, a: &Matrix) {
        let mut out = Matrix::zeros(a.nrows(), a.ncols());
        let m = self.sweep.charges.magnitudes(z);
        let underflow = self.sweep.charges.underflow(z);
        // Only ReLU has lower lines through the origin for every slope in [0, 1].
        let is_relu = matches!(self.sweep.net.node(id).op, Op::Relu(_));
        let slopes = self.multipliers.slopes(id).filter(|_| is_relu);
        let boxes = &self.sweep.layers.boxes[z];
        for (c, (a, out)) in
            columns(a).zip(out.as_mut_slice().chunks_exact_mut(a.nrows())).enumerate()
        {
            let d = self.domains[c];
            let lines = Slopes {
                lower: column(&relaxation.lower_slope, d),
                upper: column(&relaxation.upper_slope, d),
                intercept: column(&relaxation.upper_intercept, d),
            };
            let (mut sum, mut moved) = relax(a, lines, m, out);
            // With intercepts of upper lines only, every term is ≤ 0 and the reach is the sum itself.
            let mut reach = -sum;
            if let Some(intercepts) = &relaxation.lower_intercept {
                (sum, reach) = intercept_sums(a, column(intercepts, d), lines.intercept);
            }
            if let Some(slopes) = slopes {
                override_slopes(
                    a,
                    column(slopes, c),
                    column(&boxes.lower, d),
                    column(&boxes.upper, d),
                    out,
                );
                moved = abs_dot(out, m);
            }
            // The intercept sum is a dot product with the given reach; each coefficient was rounded once.
            self.constants[c] = add_down(self.constants[c], sum);
            self.charges[c] += gamma(a.len() + 2) * reach + UNIT * moved + underflow;
        }
        self.terms += 2 * m.len() + 6;
        self.accumulate(z, out);
    }

    fn eliminate_product(&mut self, x: NodeId, y: NodeId, lines: &ProductLines, a: &Matrix) {
        let mut outs = [Matrix::zeros(a.nrows(), a.ncols()), Matrix::zeros(a.nrows(), a.ncols())];
        for (c, a) in columns(a).enumerate() {
            let d = self.domains[c];
            let mut constant = self.constants[c];
            for (i, &a) in a.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                let plane = if a > 0.0 { &lines.lower } else { &lines.upper };
                outs[0][(i, c)] = a * plane[0][(i, d)];
                outs[1][(i, c)] = a * plane[1][(i, d)];
                constant = add_down(constant, mul_down(a, plane[2][(i, d)]));
            }
            self.constants[c] = constant;
        }
        for (to, out) in [x, y].into_iter().zip(outs) {
            self.charge(to, &out, UNIT);
            let underflow = self.sweep.charges.underflow(to);
            self.charges.iter_mut().for_each(|charge| *charge += underflow);
            self.accumulate(to, out);
        }
    }

    /// Adds to each column's constant the minimum of its functional over a node's box.
    fn minimise(&mut self, id: NodeId, a: &Matrix) {
        for (c, a) in columns(a).enumerate() {
            self.constants[c] = add_down(self.constants[c], self.minimum(id, c, a));
        }
    }

    /// A lower bound of min Σ aᵢ zᵢ over the box of node `id` on column c's domain.
    fn minimum(&self, id: NodeId, c: usize, a: &[f64]) -> f64 {
        let (boxes, d) = (&self.sweep.layers.boxes[id], self.domains[c]);
        let least = corner(a, column(&boxes.lower, d), column(&boxes.upper, d));
        let reach = inflate(
            gamma(a.len() + 2) * abs_dot(a, self.sweep.charges.magnitudes(id)),
            a.len() + 4,
        );
        nan_to(sub_down(least, reach), f64::NEG_INFINITY)
    }

    /// Minimises over the input boxes.
    fn finish(mut self) -> Swept {
        let (n, k) = (self.sweep.net.inputs(), self.constants.len());
        self.lift(0);
        let a = self.coefficients[0].take().unwrap_or_else(|| Matrix::zeros(n, k));
        let mut bounds = Vec::with_capacity(k);
        for (c, a) in columns(&a).enumerate() {
            let charge = inflate(self.charges[c], self.terms);
            self.constants[c] = nan_to(sub_down(self.constants[c], charge), f64::NEG_INFINITY);
            bounds.push(nan_to(
                add_down(self.constants[c], self.minimum(0, c, a)),
                f64::NEG_INFINITY,
            ));
        }
        Swept { bounds, coefficients: a, constants: self.constants, trace: Vec::new() }
    }
}

/// Σ and Σ|·| of the intercepts that coefficients a meet: of the lower line where a ≥ 0, else of the upper one.
fn intercept_sums(a: &[f64], lower: &[f64], upper: &[f64]) -> (f64, f64) {
    let terms = || {
        a.iter().zip(lower).zip(upper).map(|((&a, &b), &t)| if a >= 0.0 { a * b } else { a * t })
    };
    (terms().sum(), terms().map(f64::abs).sum())
}

/// Puts proposed lower slopes, clamped to [0, 1], where a neuron is unstable and its coefficient positive.
fn override_slopes(a: &[f64], slopes: &[f64], lower: &[f64], upper: &[f64], out: &mut [f64]) {
    for i in 0..a.len() {
        if a[i] > 0.0 && lower[i] < 0.0 && upper[i] > 0.0 && !slopes[i].is_nan() {
            out[i] = a[i] * slopes[i].clamp(0.0, 1.0);
        }
    }
}
