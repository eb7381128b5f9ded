//! Linear programs in Clarabel's hands.

use super::Program;
use super::solver::{Answer, Clarabel, DualSolver, Prepared};
use clarabel::algebra::CscMatrix;
use clarabel::solver::SupportedConeT::{NonnegativeConeT, ZeroConeT};
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, SolverStatus};
use std::time::{Duration, Instant};

struct ClarabelProgram {
    program: Program,
    /// Row of the solver's matrix → row of the program, bounds of variables left out.
    order: Vec<usize>,
    solver: Option<DefaultSolver<f64>>,
}

impl DualSolver for Clarabel {
    fn prepare(&self, program: Program) -> Box<dyn Prepared + '_> {
        // Equalities first: the solver wants its cones in blocks.
        let mut order: Vec<usize> = (0..program.rows()).collect();
        order.sort_by_key(|&row| !program.right(row).1);
        Box::new(ClarabelProgram { program, order, solver: None })
    }
}

impl ClarabelProgram {
    fn build(&self, q: &[f64]) -> Option<DefaultSolver<f64>> {
        let program = &self.program;
        let n = program.variables();
        let ends: Vec<(usize, f64, f64)> = (0..n)
            .flat_map(|v| {
                let (l, u) = program.ends(v);
                [(v, -1.0, -l), (v, 1.0, u)]
            })
            .filter(|end| end.2.is_finite())
            .collect();
        let rows = program.rows() + ends.len();
        let mut starts = vec![0; n + 1];
        for row in 0..program.rows() {
            program.entries_of(row).for_each(|(v, _)| starts[v + 1] += 1);
        }
        ends.iter().for_each(|end| starts[end.0 + 1] += 1);
        for v in 0..n {
            starts[v + 1] += starts[v];
        }
        let (mut next, entries) = (starts.clone(), starts[n]);
        let (mut row_of, mut values) = (vec![0; entries], vec![0.0; entries]);
        let mut put = |row: usize, v: usize, a: f64| {
            row_of[next[v]] = row;
            values[next[v]] = a;
            next[v] += 1;
        };
        let mut b = Vec::with_capacity(rows);
        for (position, &row) in self.order.iter().enumerate() {
            program.entries_of(row).for_each(|(v, a)| put(position, v, a));
            b.push(program.right(row).0);
        }
        for (k, &(v, sign, end)) in ends.iter().enumerate() {
            put(program.rows() + k, v, sign);
            b.push(end);
        }
        let equalities = self.order.iter().filter(|&&row| program.right(row).1).count();
        let cones = [ZeroConeT(equalities), NonnegativeConeT(rows - equalities)];
        let a = CscMatrix::new(rows, n, starts, row_of, values);
        let settings = DefaultSettings {
            verbose: false,
            // With it the objective could not be changed.
            presolve_enable: false,
            ..DefaultSettings::default()
        };
        DefaultSolver::new(&CscMatrix::zeros((n, n)), q, &a, &b, &cones, settings).ok()
    }
}

impl Prepared for ClarabelProgram {
    fn minimise(&mut self, q: &[f64], time: Option<Duration>) -> Answer {
        let start = Instant::now();
        match &mut self.solver {
            Some(solver) => {
                if solver.update_q(&q.to_vec()).is_err() {
                    return Answer::none(start.elapsed());
                }
            }
            None => self.solver = self.build(q),
        }
        let Some(solver) = &mut self.solver else { return Answer::none(start.elapsed()) };
        let time_limit = time.map_or(f64::INFINITY, |time| time.as_secs_f64());
        let settings = DefaultSettings { time_limit, ..solver.settings().clone() };
        if solver.update_settings(settings).is_err() {
            return Answer::none(start.elapsed());
        }
        solver.solve();
        let solution = &solver.solution;
        let ray = matches!(
            solution.status,
            SolverStatus::PrimalInfeasible | SolverStatus::AlmostPrimalInfeasible
        );
        let mut duals = vec![0.0; self.program.rows()];
        for (&row, &dual) in self.order.iter().zip(&solution.z) {
            duals[row] = dual;
        }
        Answer {
            duals,
            ray,
            point: solution.x.clone(),
            objective: solution.obj_val,
            time: start.elapsed(),
        }
    }
}
