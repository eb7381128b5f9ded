//! Bounds by LP: solve, read the duals, evaluate them soundly.

use super::duals::{assemble, hints};
use super::triangle::{Encoding, Prefix, Triangle, relax};
use super::{Answer, DualSolver, Prepared};
use crate::bound::{Multipliers, Start, Sweep, Swept};
use crate::net::{Matrix, NodeId, value};
use std::time::Duration;

/// The LP of functionals of one node over one domain: the model is built once, the objective changes.
pub struct TriangleLp<'a> {
    sweep: Sweep<'a>,
    at: NodeId,
    domain: usize,
    triangle: Triangle,
    solver: Box<dyn Prepared + 'a>,
    size: Size,
}

/// The size of a linear program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Variables.
    pub variables: usize,
    /// Rows, bounds of variables not counted.
    pub rows: usize,
    /// Entries.
    pub entries: usize,
    /// ReLUs of unknown sign.
    pub unstable: usize,
}

/// A lower bound and what justifies it.
#[derive(Debug, Clone)]
pub struct LpBound {
    /// The sound bound: what the sweep gives with these multipliers.
    pub bound: f64,
    /// The multipliers, one column.
    pub multipliers: Multipliers,
    /// The input where the solver sees the minimum: a candidate for a counterexample.
    pub point: Option<Vec<f64>>,
    /// The minimum that the solver claims; for comparison only, NaN where there is none.
    pub claimed: f64,
    /// Time in the solver.
    pub time: Duration,
}

/// Multiples of an infeasibility ray that are tried, in units of the functional's size.
const RAYS: [f64; 4] = [1.0, 1e2, 1e4, 1e6];

impl<'a> TriangleLp<'a> {
    /// Builds the LP for functionals of node `at` whose coefficients are zero outside of `wanted`.
    ///
    /// `splits` are pre-activations (node, element) whose interval is more than a consequence of the relaxation; every other
    /// interval is implied by it.
    ///
    /// # Panics
    /// Where `wanted` has another length than the node.
    #[must_use]
    pub fn new(
        sweep: Sweep<'a>,
        at: NodeId,
        wanted: &[bool],
        domain: usize,
        splits: &[(NodeId, usize)],
        solver: &'a dyn DualSolver,
    ) -> Self {
        let prefix = Prefix { net: sweep.net, layers: sweep.layers, domain, at, splits };
        let (program, triangle) = relax(&prefix, wanted, Encoding::Triangle);
        let size = Size {
            variables: program.variables(),
            rows: program.rows(),
            entries: program.entries(),
            unstable: triangle.facets.len(),
        };
        Self { sweep, at, domain, triangle, solver: solver.prepare(program), size }
    }

    /// Its size.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// A lower bound of one functional; at least what default multipliers give.
    pub fn lower(&mut self, functional: &[f64], time: Option<Duration>) -> LpBound {
        let (q, constant) = self.triangle.objective(self.sweep.net, functional);
        // Solvers are not made for programs without variables.
        let answer = if self.size.variables == 0 {
            Answer { objective: 0.0, ..Answer::none(Duration::ZERO) }
        } else {
            self.solver.minimise(&q, time)
        };
        // An LP may only help: default multipliers come first.
        let mut best = (self.evaluate(functional, &Multipliers::none()), Multipliers::none());
        let mut propose = |factor: f64| {
            let hints = hints(&self.triangle, &answer.duals, factor);
            let multipliers = assemble(&self.sweep, self.at, self.domain, &[hints]);
            let bound = self.evaluate(functional, &multipliers);
            if bound > best.0 {
                best = (bound, multipliers);
            }
        };
        if answer.ray {
            let size = functional.iter().fold(0.0f64, |m, a| m.max(a.abs()));
            let scale = answer.duals.iter().fold(f64::MIN_POSITIVE, |m, d| m.max(d.abs()));
            RAYS.iter().for_each(|ray| propose(ray * size / scale));
        } else if !answer.duals.is_empty() {
            propose(1.0);
        }
        let (bound, multipliers) = best;
        let input = (!answer.point.is_empty()).then(|| self.triangle.input(&answer.point));
        LpBound {
            bound,
            multipliers,
            point: input.filter(|x| x.iter().all(|x| x.is_finite())),
            claimed: answer.objective + constant,
            time: answer.time,
        }
    }

    /// The bound that multipliers give.
    fn evaluate(&self, functional: &[f64], multipliers: &Multipliers) -> f64 {
        let row = Matrix::from_column_slice(functional.len(), 1, functional);
        let start = Start::Dense(&row);
        self.sweep.run(self.at, &start, &[self.domain], multipliers, false).bounds[0]
    }
}

/// A lower bound, by LP, of one functional of the outputs over one domain of a search: the layers' boxes carry the signs of
/// its splits, which are named beside them. An infeasible domain has the bound that its ray proves.
///
/// # Panics
/// Where the functional has another length than the output.
#[must_use]
pub fn lower_in_leaf(
    sweep: Sweep,
    functional: &[f64],
    domain: usize,
    splits: &[(NodeId, usize)],
    solver: &dyn DualSolver,
    time: Option<Duration>,
) -> LpBound {
    let wanted: Vec<bool> = functional.iter().map(|&a| a != 0.0).collect();
    TriangleLp::new(sweep, sweep.net.output(), &wanted, domain, splits, solver)
        .lower(functional, time)
}

/// The values of functionals at points of the relaxation: no LP bound of column c exceeds `values[c]`, up to rounding.
///
/// The points start at the minimisers of swept linear bounds (with their trace) and follow the exact affine maps; a ReLU's
/// output is put on its upper line where its coefficient is negative, else on the ReLU itself, so every point satisfies every
/// constraint of the LP. Where a value is no more than what must be exceeded, solving the LP cannot pay.
#[must_use]
pub fn reached(
    sweep: &Sweep,
    at: NodeId,
    functionals: &Matrix,
    swept: &Swept,
    domains: &[usize],
) -> Vec<f64> {
    let (net, layers, k) = (sweep.net, sweep.layers, domains.len());
    let boxes = &layers.boxes[0];
    let input = Matrix::from_fn(net.inputs(), k, |i, c| {
        let ends = if swept.coefficients[(i, c)] >= 0.0 { &boxes.lower } else { &boxes.upper };
        ends[(i, domains[c])]
    });
    let mut values: Vec<Matrix> = Vec::with_capacity(at + 1);
    for id in 0..=at {
        let mut y = value(net.node(id), &input, &values);
        let trace = swept.trace.get(id).and_then(Option::as_ref);
        if let (Some(z), Some(a)) = (net.node(id).op.relu(), trace) {
            let boxes = &layers.boxes[z];
            for (c, &d) in domains.iter().enumerate() {
                for i in (0..y.nrows()).filter(|&i| a[(i, c)] < 0.0) {
                    let (l, u, z) = (boxes.lower[(i, d)], boxes.upper[(i, d)], values[z][(i, c)]);
                    if l < 0.0 && u > 0.0 && l.is_finite() && u.is_finite() {
                        y[(i, c)] = (u * (z - l) / (u - l)).max(z).max(0.0);
                    }
                }
            }
        }
        values.push(y);
    }
    (0..k).map(|c| functionals.column(c).dot(&values[at].column(c))).collect()
}
