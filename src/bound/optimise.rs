//! Slope optimisation (α-CROWN, Xu et al. 2021; β-CROWN, Wang et al. 2021): multipliers that raise the swept bounds.
//!
//! For fixed multipliers the bound is min over the box of a linear function of x; its derivative by a slope or a lift is
//! read off at the minimising x, followed forwards through the lines that the sweep chose. Each column has multipliers of
//! its own and ascends by Adam steps projected onto the valid range; the best bound of all iterations is kept, together
//! with the multipliers that give it. Floating point decides nothing here: bounds come from [`Sweep::run`] alone.

use super::backward::{Lift, Multipliers, Start, Sweep, Swept, lines_of};
use super::kernel::{self, Adam, Neurons};
use super::primal::primal;
use crate::net::{Ascent, Boxes, Matrix, NodeId, Op, column, column_mut};

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
    /// Whether means of the minimisers are kept, and the weight of an iteration in them: at least this, and 1/t in iteration t.
    pub memory: Option<f64>,
}

impl Default for Climb {
    fn default() -> Self {
        Self { iterations: 20, slope_step: 0.25, lift_step: 0.1, decay: 0.95, memory: None }
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
    /// Means of the minimisers.
    pub means: Means,
}

/// Means over the iterations, those later weighing more, of the minimisers of the linear bounds and of the coefficients there:
/// near the optimum they approach the relaxation's solution, which single minimisers, corners of the box, do not (ergodic
/// convergence of dual subgradient methods; Larsson, Patriksson and Strömberg 1999).
#[derive(Debug, Clone, Default)]
pub struct Means {
    /// Per node: values (elements × functionals).
    pub values: Vec<Option<Matrix>>,
    /// Per ReLU: coefficients.
    pub coefficients: Vec<Option<Matrix>>,
    steps: Vec<usize>,
}

impl Means {
    fn add(
        &mut self,
        columns: &[usize],
        k: usize,
        values: &[Option<Matrix>],
        trace: &[Option<Matrix>],
        memory: f64,
    ) {
        let n = values.len();
        if self.steps.is_empty() {
            self.steps = vec![0; k];
            self.values = vec![None; n];
            self.coefficients = vec![None; n];
        }
        let weights: Vec<f64> = columns
            .iter()
            .map(|&c| {
                self.steps[c] += 1;
                memory.max(1.0 / self.steps[c] as f64)
            })
            .collect();
        let pairs =
            self.values.iter_mut().zip(values).chain(self.coefficients.iter_mut().zip(trace));
        for (mean, new) in pairs {
            let Some(new) = new else { continue };
            let mean = mean.get_or_insert_with(|| Matrix::zeros(new.nrows(), k));
            for (c, (&to, &w)) in columns.iter().zip(&weights).enumerate() {
                for (m, v) in mean.column_mut(to).iter_mut().zip(new.column(c).iter()) {
                    *m += w * (v - *m);
                }
            }
        }
    }
}

impl Climbed {
    /// Sweeps some of the functionals (positions in the goal, increasing) again, at the multipliers that give their best
    /// bounds: linear bounds and the trace.
    #[must_use]
    pub fn sweep_again(&self, sweep: &Sweep, goal: &Goal, columns: &[usize]) -> Swept {
        let mut place = vec![None; goal.domains.len()];
        columns.iter().enumerate().for_each(|(new, &old)| place[old] = Some(new));
        let seeds = Seeds::of(goal.start, columns);
        let domains: Vec<usize> = columns.iter().map(|&c| goal.domains[c]).collect();
        let slopes =
            self.slopes.iter().map(|s| s.as_ref().map(|s| s.select_columns(columns))).collect();
        let moved = |lift: &SplitLift| Some(SplitLift { column: place[lift.column]?, ..*lift });
        let lifts: Vec<SplitLift> = self.lifts.iter().filter_map(moved).collect();
        let multipliers = Multipliers { slopes, lifts: by_node(&lifts, goal.at) };
        sweep.run(goal.at, &seeds.start(), &domains, &multipliers, true)
    }
}

/// Starting slopes, or parameters of curves' lines: those of the default relaxation, one column a functional.
#[must_use]
pub fn default_slopes(sweep: &Sweep, at: NodeId, domains: &[usize]) -> Vec<Option<Matrix>> {
    (0..at)
        .map(|id| {
            let function = sweep.net.node(id).op.function()?;
            let lines = sweep.layers.relaxation(sweep.net, id)?;
            function.has_free_slopes().then(|| function.parameters(lines).select_columns(domains))
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

/// Raises lower bounds from the given slopes and lifts. A functional whose bound exceeds its target is done and takes no part
/// in further iterations once enough others are done with it.
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
    let mut best = Climbed {
        bounds: vec![f64::NEG_INFINITY; goal.domains.len()],
        slopes: slopes.clone(),
        lifts: lifts.clone(),
        means: Means::default(),
    };
    let mut front = Front::new(&goal, slopes, lifts);
    let (mut slope_step, mut lift_step) = (how.slope_step, how.lift_step);
    for iteration in 1..=how.iterations.max(1) {
        let swept = front.sweep(sweep, goal.at);
        front.keep_best(&mut best, &swept);
        let open = |c: &usize| best.bounds[*c] <= goal.targets[*c];
        let undone = front.columns.iter().filter(|c| open(c)).count();
        let last = iteration == how.iterations;
        if undone == 0 || (last && how.memory.is_none()) {
            break;
        }
        let primal = primal(sweep, goal.at, &swept, &front.domains, &front.multipliers);
        if let Some(memory) = how.memory {
            let k = goal.domains.len();
            best.means.add(&front.columns, k, &primal, &swept.trace, memory);
        }
        if last {
            break;
        }
        front.step(&primal, sweep, &swept, iteration, (slope_step, lift_step));
        if 4 * (front.columns.len() - undone) >= front.columns.len() {
            let kept: Vec<usize> =
                (0..front.columns.len()).filter(|&c| open(&front.columns[c])).collect();
            front.keep(&kept);
        }
        slope_step *= how.decay;
        lift_step *= how.decay;
    }
    best
}

/// The functionals that are still climbing, a column each, with their multipliers and the moments of these.
struct Front {
    /// Their columns in the goal.
    columns: Vec<usize>,
    domains: Vec<usize>,
    start: Seeds,
    multipliers: Multipliers,
    slope_moments: Vec<Option<Moments>>,
    lifts: Vec<SplitLift>,
    /// Which of the goal's lifts each one is.
    lift_names: Vec<usize>,
    lift_moments: Moments,
}

/// [`Start`], owned.
enum Seeds {
    Units(Vec<(usize, bool)>),
    Dense(Matrix),
}

impl Seeds {
    fn of(start: &Start, columns: &[usize]) -> Self {
        match start {
            Start::Units(units) => Self::Units(columns.iter().map(|&c| units[c]).collect()),
            Start::Dense(matrix) => Self::Dense(matrix.select_columns(columns)),
        }
    }

    fn start(&self) -> Start<'_> {
        match self {
            Self::Units(units) => Start::Units(units),
            Self::Dense(matrix) => Start::Dense(matrix),
        }
    }
}

impl Front {
    fn new(goal: &Goal, slopes: Vec<Option<Matrix>>, lifts: Vec<SplitLift>) -> Self {
        let columns: Vec<usize> = (0..goal.domains.len()).collect();
        let moments = |s: &Option<Matrix>| s.as_ref().map(|s| Moments::zeros(s.nrows(), s.ncols()));
        Self {
            start: Seeds::of(goal.start, &columns),
            columns,
            domains: goal.domains.to_vec(),
            slope_moments: slopes.iter().map(moments).collect(),
            multipliers: Multipliers { slopes, lifts: Vec::new() },
            lift_names: (0..lifts.len()).collect(),
            lift_moments: Moments::zeros(lifts.len(), 1),
            lifts,
        }
    }

    fn sweep(&mut self, sweep: &Sweep, at: NodeId) -> Swept {
        self.multipliers.lifts = by_node(&self.lifts, at);
        sweep.run(at, &self.start.start(), &self.domains, &self.multipliers, true)
    }

    /// Takes over the functionals whose bound improved.
    fn keep_best(&self, best: &mut Climbed, swept: &Swept) {
        let mut better = vec![false; self.columns.len()];
        for (c, (&column, &bound)) in self.columns.iter().zip(&swept.bounds).enumerate() {
            if bound > best.bounds[column] {
                best.bounds[column] = bound;
                better[c] = true;
            }
        }
        for (kept, new) in best.slopes.iter_mut().zip(&self.multipliers.slopes) {
            if let (Some(kept), Some(new)) = (kept, new) {
                for c in (0..better.len()).filter(|&c| better[c]) {
                    kept.column_mut(self.columns[c]).copy_from(&new.column(c));
                }
            }
        }
        for (&name, lift) in self.lift_names.iter().zip(&self.lifts) {
            if better[lift.column] {
                best.lifts[name].size = lift.size;
            }
        }
    }

    /// One step of Adam, projected.
    fn step(
        &mut self,
        primal: &[Option<Matrix>],
        sweep: &Sweep,
        swept: &Swept,
        iteration: usize,
        (slope_step, lift_step): (f64, f64),
    ) {
        let correction = correction(iteration);
        for (id, slopes) in self.multipliers.slopes.iter_mut().enumerate() {
            let (Some(slopes), Some(moments), Op::Elementwise(function, operands)) =
                (slopes, &mut self.slope_moments[id], &sweep.net.node(id).op)
            else {
                continue;
            };
            let z = operands[0];
            let (Some(a), Some(values)) = (&swept.trace[id], &primal[z]) else { continue };
            let boxes = &sweep.layers.boxes[z];
            let Some(lines) = sweep.layers.relaxation(sweep.net, id) else { continue };
            let adam = Adam { b1: B1, b2: B2, correction, step: slope_step };
            for (c, &d) in self.domains.iter().enumerate() {
                let slopes = column_mut(slopes, c);
                let neurons = Neurons {
                    a: column(a, c),
                    z: column(values, c),
                    lower: column(&boxes.lower, d),
                    upper: column(&boxes.upper, d),
                };
                let moments = [&mut moments.first, &mut moments.second].map(|m| column_mut(m, c));
                if lines.through_origin {
                    kernel::step(neurons, adam, moments, slopes);
                } else {
                    let boxes: Vec<&Boxes> =
                        operands.iter().map(|&x| &sweep.layers.boxes[x]).collect();
                    let ends: Vec<_> =
                        boxes.iter().map(|x| [column(&x.lower, d), column(&x.upper, d)]).collect();
                    let x: Option<Vec<&[f64]>> =
                        operands.iter().map(|&x| Some(column(primal[x].as_ref()?, c))).collect();
                    let Some(x) = x else { continue };
                    let drawn = lines_of(*function, lines, (neurons.a, None), &boxes, d);
                    let at =
                        Ascent { a: neurons.a, chosen: slopes, x: &x, ends: &ends, lines: &drawn };
                    let derivative = function.ascent(at);
                    let unit = vec![1.0; derivative.len()];
                    let wide = |i: usize| ends.iter().any(|[l, u]| l[i] < u[i]);
                    let upper: Vec<f64> =
                        (0..unit.len()).map(|i| if wide(i) { 1.0 } else { 0.0 }).collect();
                    let lower: Vec<f64> = upper.iter().map(|u| -u).collect();
                    let neurons =
                        Neurons { a: &unit, z: &derivative, lower: &lower, upper: &upper };
                    kernel::step(neurons, adam, moments, slopes);
                }
            }
        }
        for (i, lift) in self.lifts.iter_mut().enumerate() {
            let Some(values) = &primal[lift.node] else { continue };
            let boxes = &sweep.layers.boxes[lift.node];
            let (z, d) = (values[(lift.element, lift.column)], self.domains[lift.column]);
            let gradient = if lift.lower {
                boxes.lower[(lift.element, d)] - z
            } else {
                z - boxes.upper[(lift.element, d)]
            };
            let direction = self.lift_moments.direction(i, gradient, correction);
            lift.size = (lift.size + lift_step * direction).max(0.0);
        }
    }

    /// Drops all functionals but those in the columns `kept`.
    fn keep(&mut self, kept: &[usize]) {
        let mut place = vec![None; self.columns.len()];
        kept.iter().enumerate().for_each(|(new, &old)| place[old] = Some(new));
        self.columns = kept.iter().map(|&c| self.columns[c]).collect();
        self.domains = kept.iter().map(|&c| self.domains[c]).collect();
        self.start = Seeds::of(&self.start.start(), kept);
        for slopes in self.multipliers.slopes.iter_mut().flatten() {
            *slopes = slopes.select_columns(kept);
        }
        for moments in self.slope_moments.iter_mut().flatten() {
            moments.first = moments.first.select_columns(kept);
            moments.second = moments.second.select_columns(kept);
        }
        let stay: Vec<usize> =
            (0..self.lifts.len()).filter(|&i| place[self.lifts[i].column].is_some()).collect();
        self.lift_names = stay.iter().map(|&i| self.lift_names[i]).collect();
        self.lift_moments.first = self.lift_moments.first.select_rows(&stay);
        self.lift_moments.second = self.lift_moments.second.select_rows(&stay);
        let moved = |&i: &usize| SplitLift {
            column: place[self.lifts[i].column].expect("it stays"),
            ..self.lifts[i]
        };
        self.lifts = stay.iter().map(moved).collect();
    }
}

fn by_node(lifts: &[SplitLift], at: NodeId) -> Vec<Vec<Lift>> {
    let mut nodes = vec![Vec::new(); if lifts.is_empty() { 0 } else { at + 1 }];
    for lift in lifts.iter().filter(|lift| lift.size > 0.0 && lift.node <= at) {
        let multiplier = if lift.lower { lift.size } else { -lift.size };
        nodes[lift.node].push(Lift { column: lift.column, element: lift.element, multiplier });
    }
    nodes
}

/// Decay of the moments.
const B1: f64 = 0.9;
const B2: f64 = 0.999;

/// What corrects the bias of first moment / √second moment in iteration t = 1, 2, …
fn correction(t: usize) -> f64 {
    let t = t as i32;
    (1.0 - B2.powi(t)).sqrt() / (1.0 - B1.powi(t))
}

/// First and second moments of Adam (Kingma and Ba 2015), one an entry.
struct Moments {
    first: Matrix,
    second: Matrix,
}

impl Moments {
    fn zeros(rows: usize, columns: usize) -> Self {
        Self { first: Matrix::zeros(rows, columns), second: Matrix::zeros(rows, columns) }
    }

    /// The direction of entry i, of size about 1; `correction` is that of the iteration.
    fn direction(&mut self, i: usize, gradient: f64, correction: f64) -> f64 {
        if !gradient.is_finite() {
            return 0.0;
        }
        self.first[i] = B1 * self.first[i] + (1.0 - B1) * gradient;
        self.second[i] = B2 * self.second[i] + (1.0 - B2) * gradient * gradient;
        let second = self.second[i];
        if second > 0.0 { correction * self.first[i] / second.sqrt() } else { 0.0 }
    }
}
