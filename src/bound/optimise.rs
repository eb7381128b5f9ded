//! Slope optimisation (α-CROWN, Xu et al. 2021; β-CROWN, Wang et al. 2021): multipliers that raise the swept bounds.
//!
//! For fixed multipliers the bound is min over the box of a linear function of x; its derivative by a slope or a lift is
//! read off at the minimising x, followed forwards through the lines that the sweep chose. Each column has multipliers of
//! its own and ascends by Adam steps projected onto the valid range; the best bound of all iterations is kept, together
//! with the multipliers that give it. Floating point decides nothing here: bounds come from [`Sweep::run`] alone.

use super::backward::{Lift, Multipliers, NodeRelaxation, Start, Sweep, Swept};
use crate::net::{Matrix, NodeId, Op};

/// How long and how boldly to climb.
#[derive(Debug, Clone, Copy)]
pub struct Climb {
    /// Most iterations, the first one at the initial multipliers.
    pub iterations: usize,
    /// First step of slopes.
    pub slope_step: f64,
    /// First step of lifts.
    pub lift_step: f64,
    /// Factor of the steps from one iteration to the next.
    pub decay: f64,
}

impl Default for Climb {
    fn default() -> Self {
        Self { iterations: 20, slope_step: 0.25, lift_step: 0.1, decay: 0.95 }
    }
}

/// A lift to be optimised: on which bound it stands is fixed, its size g ≥ 0 is not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitLift {
    /// The node whose element was split.
    pub node: NodeId,
    /// The element.
    pub element: usize,
    /// The functional.
    pub column: usize,
    /// Whether the bound is the lower one (z ≥ l).
    pub lower: bool,
    /// g.
    pub size: f64,
}

/// The best bounds found and what justifies them.
#[derive(Debug, Clone)]
pub struct Climbed {
    /// Best bound of each functional.
    pub bounds: Vec<f64>,
    /// Slopes that give it, per ReLU node (elements × functionals).
    pub slopes: Vec<Option<Matrix>>,
    /// Lifts that give it.
    pub lifts: Vec<SplitLift>,
    /// The last sweep: linear bounds and the trace for branching decisions.
    pub last: Swept,
}

/// Starting slopes: those of the default relaxation, one column a functional.
#[must_use]
pub fn default_slopes(sweep: &Sweep, at: NodeId, domains: &[usize]) -> Vec<Option<Matrix>> {
    (0..at)
        .map(|id| match (&sweep.net.node(id).op, sweep.layers.relaxation(sweep.net, id)) {
            (Op::Relu(_), NodeRelaxation::Unary(relaxation)) => {
                Some(relaxation.lower_slope.select_columns(domains))
            }
            _ => None,
        })
        .collect()
}

/// The functionals whose bounds are to be raised.
#[derive(Debug, Clone, Copy)]
pub struct Goal<'a> {
    /// The node they read.
    pub at: NodeId,
    /// Their coefficients.
    pub start: &'a Start<'a>,
    /// The domain of each.
    pub domains: &'a [usize],
    /// What each bound is to exceed; climbing ends when all do.
    pub targets: &'a [f64],
}

/// Raises lower bounds from the given slopes and lifts.
///
/// # Panics
/// Where the sizes of the goal differ.
#[must_use]
pub fn climb(
    sweep: &Sweep,
    goal: Goal,
    slopes: Vec<Option<Matrix>>,
    lifts: Vec<SplitLift>,
    how: Climb,
) -> Climbed {
    let Goal { at, start, domains, targets } = goal;
    let mut multipliers = Multipliers { slopes, lifts: Vec::new() };
    let mut lifts = lifts;
    let mut slope_moments: Vec<Option<Moments>> =
        multipliers.slopes.iter().map(|s| s.as_ref().map(|s| Moments::zeros(s.len()))).collect();
    let mut lift_moments = Moments::zeros(lifts.len());
    let mut best: Option<Climbed> = None;
    let (mut slope_step, mut lift_step) = (how.slope_step, how.lift_step);
    for iteration in 1..=how.iterations.max(1) {
        multipliers.lifts = by_node(&lifts, at);
        let swept = sweep.run(at, start, domains, &multipliers, true);
        let best = keep_best(&mut best, swept, &multipliers.slopes, &lifts);
        if iteration == how.iterations || best.bounds.iter().zip(targets).all(|(b, t)| b > t) {
            break;
        }
        let primal = primal(sweep, at, &best.last, domains, &multipliers);
        for (id, slopes) in multipliers.slopes.iter_mut().enumerate() {
            let (Some(slopes), Some(moments), Op::Relu(z)) =
                (slopes, &mut slope_moments[id], &sweep.net.node(id).op)
            else {
                continue;
            };
            let (Some(a), Some(values)) = (&best.last.trace[id], &primal[*z]) else { continue };
            let boxes = &sweep.layers.boxes[*z];
            let len = boxes.lower.nrows();
            for (i, slope) in slopes.iter_mut().enumerate() {
                let (row, domain) = (i % len, domains[i / len]);
                if boxes.lower[(row, domain)] < 0.0 && boxes.upper[(row, domain)] > 0.0 {
                    let gradient = if a[i] > 0.0 { a[i] * values[i] } else { 0.0 };
                    *slope = short(*slope + slope_step * moments.direction(i, gradient, iteration));
                }
            }
        }
        for (i, lift) in lifts.iter_mut().enumerate() {
            let Some(values) = &primal[lift.node] else { continue };
            let boxes = &sweep.layers.boxes[lift.node];
            let (z, d) = (values[(lift.element, lift.column)], domains[lift.column]);
            let gradient = if lift.lower {
                boxes.lower[(lift.element, d)] - z
            } else {
                z - boxes.upper[(lift.element, d)]
            };
            lift.size =
                (lift.size + lift_step * lift_moments.direction(i, gradient, iteration)).max(0.0);
        }
        slope_step *= how.decay;
        lift_step *= how.decay;
    }
    best.expect("at least one iteration")
}

/// The nearest multiple of 2⁻¹⁰ in [0, 1]: finer slopes gain nothing, and these are short in a proof.
fn short(slope: f64) -> f64 {
    (slope * 1024.0).round().clamp(0.0, 1024.0) / 1024.0
}

fn by_node(lifts: &[SplitLift], at: NodeId) -> Vec<Vec<Lift>> {
    let mut nodes = vec![Vec::new(); if lifts.is_empty() { 0 } else { at + 1 }];
    for lift in lifts.iter().filter(|lift| lift.size > 0.0 && lift.node <= at) {
        let multiplier = if lift.lower { lift.size } else { -lift.size };
        nodes[lift.node].push(Lift { column: lift.column, element: lift.element, multiplier });
    }
    nodes
}

/// Takes over the columns whose bound improved.
fn keep_best<'a>(
    best: &'a mut Option<Climbed>,
    swept: Swept,
    slopes: &[Option<Matrix>],
    lifts: &[SplitLift],
) -> &'a Climbed {
    match best {
        None => {
            *best = Some(Climbed {
                bounds: swept.bounds.clone(),
                slopes: slopes.to_vec(),
                lifts: lifts.to_vec(),
                last: swept,
            });
        }
        Some(best) => {
            let better: Vec<bool> =
                best.bounds.iter().zip(&swept.bounds).map(|(old, new)| new > old).collect();
            for (kept, new) in best.slopes.iter_mut().zip(slopes) {
                if let (Some(kept), Some(new)) = (kept, new) {
                    let better = better.iter().enumerate().filter(|(_, better)| **better);
                    better.for_each(|(c, _)| kept.column_mut(c).copy_from(&new.column(c)));
                }
            }
            for (kept, new) in
                best.lifts.iter_mut().zip(lifts).filter(|(kept, _)| better[kept.column])
            {
                *kept = *new;
            }
            best.bounds.iter_mut().zip(&swept.bounds).for_each(|(b, s)| *b = b.max(*s));
            best.last = swept;
        }
    }
    best.as_ref().expect("just set")
}

/// First and second moments of Adam (Kingma and Ba 2015).
struct Moments {
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Moments {
    fn zeros(n: usize) -> Self {
        Self { first: vec![0.0; n], second: vec![0.0; n] }
    }

    /// The bias-corrected direction, of size about 1.
    fn direction(&mut self, i: usize, gradient: f64, iteration: usize) -> f64 {
        const B1: f64 = 0.9;
        const B2: f64 = 0.999;
        if !gradient.is_finite() {
            return 0.0;
        }
        self.first[i] = B1 * self.first[i] + (1.0 - B1) * gradient;
        self.second[i] = B2 * self.second[i] + (1.0 - B2) * gradient * gradient;
        let t = iteration as i32;
        let first = self.first[i] / (1.0 - B1.powi(t));
        let second = self.second[i] / (1.0 - B2.powi(t));
        if second > 0.0 { first / second.sqrt() } else { 0.0 }
    }
}

/// The minimiser of each column's linear bound, followed forwards through the lines that the sweep chose: the value of every
/// node that the sweep met, (elements × columns). Rounded to nearest; a search direction, not a bound.
#[must_use]
pub fn primal(
    sweep: &Sweep,
    at: NodeId,
    swept: &Swept,
    domains: &[usize],
    multipliers: &Multipliers,
) -> Vec<Option<Matrix>> {
    let (net, layers) = (sweep.net, sweep.layers);
    let mut values: Vec<Option<Matrix>> = vec![None; at + 1];
    let input = &layers.boxes[0];
    values[0] = Some(Matrix::from_fn(net.inputs(), domains.len(), |i, c| {
        let ends = if swept.coefficients[(i, c)] >= 0.0 { &input.lower } else { &input.upper };
        ends[(i, domains[c])]
    }));
    for id in 1..at {
        let Some(a) = swept.trace.get(id).and_then(Option::as_ref) else { continue };
        let value = match (&net.node(id).op, layers.relaxation(net, id)) {
            (Op::Affine(affine), _) => {
                let mut y = Matrix::from_fn(net.node(id).len, domains.len(), |i, _| affine.bias[i]);
                let known = affine.terms.iter().all(|term| {
                    values[term.source].as_ref().is_some_and(|x| {
                        term.map.add_apply(x, &mut y);
                        true
                    })
                });
                known.then_some(y)
            }
            (Op::Relu(z) | Op::Curve(_, z) | Op::Reciprocal(z), NodeRelaxation::Unary(lines)) => {
                let slopes = multipliers.slopes.get(id).and_then(Option::as_ref);
                values[*z].as_ref().map(|z_values| {
                    Matrix::from_fn(a.nrows(), a.ncols(), |i, c| {
                        let (d, z) = (domains[c], z_values[(i, c)]);
                        if a[(i, c)] < 0.0 {
                            lines.upper_slope[(i, d)] * z + lines.upper_intercept[(i, d)]
                        } else if let Some(intercepts) = &lines.lower_intercept {
                            lines.lower_slope[(i, d)] * z + intercepts[(i, d)]
                        } else {
                            let slope = lines.lower_slope[(i, d)];
                            let stable = lines.upper_intercept[(i, d)] == 0.0;
                            z * slopes.filter(|_| !stable).map_or(slope, |s| s[(i, c)])
                        }
                    })
                })
            }
            (Op::Product(x, y), NodeRelaxation::Product(planes)) => {
                match (&values[*x], &values[*y]) {
                    (Some(x), Some(y)) => Some(Matrix::from_fn(a.nrows(), a.ncols(), |i, c| {
                        let plane = if a[(i, c)] < 0.0 { &planes.upper } else { &planes.lower };
                        let at = (i, domains[c]);
                        plane[0][at] * x[(i, c)] + plane[1][at] * y[(i, c)] + plane[2][at]
                    })),
                    _ => None,
                }
            }
            _ => None,
        };
        values[id] = value;
    }
    values
}
