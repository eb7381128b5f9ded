//! A few steps of slope optimisation for the functionals that close a domain.
//!
//! Each column has slopes of its own and ascends by projected Adam steps (Xu et al. 2021) along the derivative of its swept
//! bound: at the minimising input, followed forwards through the lines chosen, a slope's derivative is a·z. Columns leave as
//! soon as they exceed their target. Only sweeps decide; every one of them is kept, so the best needs no repetition.

use crate::bound::{Analysis, Multipliers, Start, Swept, default_slopes, primal};
use crate::net::Matrix;

/// (sweep, column of it).
pub(super) type At = (usize, usize);

/// Steps from default slopes.
const STEPS: usize = 4;

/// How far a slope moves in the first step, and by which factor less in each one after.
const STEP: f64 = 0.5;
const DECAY: f64 = 0.8;

/// Adam's decay of the moments.
const MOMENTS: [f64; 2] = [0.9, 0.999];

/// Slopes are multiples of this: what a proof has to say of them is short, and nothing of it is rounded.
const GRAIN: f64 = 1.0 / 1024.0;

/// The slopes of one step: for each ReLU node (elements × columns).
pub(super) type Slopes = Vec<Option<Matrix>>;

/// Raises lower bounds of functionals (outputs × k) on domains towards their targets. Returns the sweeps of all steps with their
/// slopes and, for each column, where its best bound is.
pub(super) fn ascend(
    analysis: &Analysis,
    functionals: &Matrix,
    domains: &[usize],
    targets: &[f64],
) -> (Vec<(Swept, Slopes)>, Vec<At>) {
    let at = analysis.net.output();
    let mut sweeps: Vec<(Swept, Slopes)> = Vec::new();
    let mut best: Vec<Option<(f64, At)>> = vec![None; domains.len()];
    let slopes = default_slopes(&analysis.sweep(), at, domains);
    let mut state = State {
        columns: (0..domains.len()).collect(),
        functionals: functionals.clone(),
        domains: domains.to_vec(),
        moments: slopes.iter().map(|s| s.as_ref().map(|s| [zeros(s), zeros(s)])).collect(),
        slopes,
    };
    let mut step = STEP;
    for count in 1..=STEPS {
        let multipliers = Multipliers { slopes: state.slopes.clone(), lifts: Vec::new() };
        let start = Start::Dense(&state.functionals);
        let swept = analysis.sweep().run(at, &start, &state.domains, &multipliers, true);
        for (c, &column) in state.columns.iter().enumerate() {
            let low = swept.bounds[c];
            if best[column].is_none_or(|(so_far, _)| low > so_far) {
                best[column] = Some((low, (sweeps.len(), c)));
            }
        }
        let open = |c: &usize| {
            let column = state.columns[*c];
            best[column].is_none_or(|(low, _)| low <= targets[column])
        };
        let left: Vec<usize> = (0..state.columns.len()).filter(open).collect();
        let last = count == STEPS || left.is_empty();
        if !last {
            let sweep = analysis.sweep();
            let values = primal(&sweep, at, &swept, &state.domains, &multipliers);
            state.step(analysis, &swept, &values, step, count as i32);
        }
        sweeps.push((swept, multipliers.slopes));
        if last {
            break;
        }
        if left.len() < state.columns.len() {
            state = state.select(&left);
        }
        step *= DECAY;
    }
    let best = best.into_iter().map(|best| best.map_or((0, 0), |(_, at)| at)).collect();
    (sweeps, best)
}

fn zeros(like: &Matrix) -> Matrix {
    Matrix::zeros(like.nrows(), like.ncols())
}

/// The columns under way.
struct State {
    /// Their numbers at the start.
    columns: Vec<usize>,
    functionals: Matrix,
    domains: Vec<usize>,
    slopes: Slopes,
    moments: Vec<Option<[Matrix; 2]>>,
}

impl State {
    fn select(&self, left: &[usize]) -> Self {
        let select = |m: &Matrix| m.select_columns(left);
        let pair = |[a, b]: &[Matrix; 2]| [select(a), select(b)];
        Self {
            columns: left.iter().map(|&c| self.columns[c]).collect(),
            functionals: select(&self.functionals),
            domains: left.iter().map(|&c| self.domains[c]).collect(),
            slopes: self.slopes.iter().map(|s| s.as_ref().map(select)).collect(),
            moments: self.moments.iter().map(|m| m.as_ref().map(pair)).collect(),
        }
    }

    /// One step of all slopes of unstable neurons.
    fn step(
        &mut self,
        analysis: &Analysis,
        swept: &Swept,
        values: &[Option<Matrix>],
        size: f64,
        count: i32,
    ) {
        let [b1, b2] = MOMENTS;
        let [c1, c2] = MOMENTS.map(|b| 1.0 / (1.0 - b.powi(count)));
        for (id, (slopes, moments)) in self.slopes.iter_mut().zip(&mut self.moments).enumerate() {
            let (Some(slopes), Some([first, second]), Some(z)) =
                (slopes, moments, analysis.net.node(id).op.relu())
            else {
                continue;
            };
            let (Some(a), Some(values)) = (&swept.trace[id], &values[z]) else { continue };
            let boxes = &analysis.layers.boxes[z];
            let len = boxes.lower.nrows();
            for (c, &domain) in self.domains.iter().enumerate() {
                for i in 0..len {
                    if boxes.lower[(i, domain)] >= 0.0 || boxes.upper[(i, domain)] <= 0.0 {
                        continue;
                    }
                    let gradient = a[(i, c)].max(0.0) * values[(i, c)];
                    if !gradient.is_finite() {
                        continue;
                    }
                    let (m, v) = (&mut first[(i, c)], &mut second[(i, c)]);
                    *m = b1 * *m + (1.0 - b1) * gradient;
                    *v = b2 * *v + (1.0 - b2) * gradient * gradient;
                    if *v > 0.0 {
                        let slope = &mut slopes[(i, c)];
                        let moved = *slope + size * c1 * *m / (c2 * *v).sqrt();
                        *slope = (moved.clamp(0.0, 1.0) / GRAIN).round() * GRAIN;
                    }
                }
            }
        }
    }
}
