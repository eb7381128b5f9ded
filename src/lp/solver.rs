//! Solvers of linear programs: whatever they answer is a hint.

use super::Program;
use clarabel::algebra::CscMatrix;
use clarabel::solver::SupportedConeT::{NonnegativeConeT, ZeroConeT};
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, SolverStatus};
use good_lp::{
    Constraint, DualValues, Expression, ProblemVariables, Solution, SolutionWithDual, SolverModel,
    constraint, variable,
};
use std::time::{Duration, Instant};

/// What a solver says. Nothing of it is believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// A dual for each row (see [`Program`]); empty where there is none.
    pub duals: Vec<f64>,
    /// Whether the duals are said to be a ray that shows infeasibility instead.
    pub ray: bool,
    /// Values of the variables; empty where there are none.
    pub point: Vec<f64>,
    /// The optimal value claimed; NaN where there is none.
    pub objective: f64,
    /// Time in the solver itself.
    pub time: Duration,
}

impl Answer {
    /// No answer.
    #[must_use]
    pub fn none(time: Duration) -> Self {
        Self { duals: Vec::new(), ray: false, point: Vec::new(), objective: f64::NAN, time }
    }
}

/// Solves linear programs.
pub trait DualSolver: Sync {
    /// Takes a program whose objective will be given later, perhaps many.
    fn prepare(&self, program: Program) -> Box<dyn Prepared + '_>;
}

/// A program in a solver's hands.
pub trait Prepared {
    /// Minimises qᵀv, within the time given.
    fn minimise(&mut self, q: &[f64], time: Option<Duration>) -> Answer;
}

/// Clarabel (Goulart and Chen 2024), an interior-point method, through its own interface: it keeps the program and its
/// symbolic factorisation from one objective to the next (docs/decisions.md).
#[derive(Debug, Clone, Copy, Default)]
pub struct Clarabel;

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

/// A solver behind good_lp, which takes the model at each solve: it is built anew for every objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoodLp {
    /// Clarabel.
    Clarabel,
    /// HiGHS.
    #[cfg(feature = "highs")]
    Highs,
}

struct GoodLpProgram {
    solver: GoodLp,
    program: Program,
}

impl DualSolver for GoodLp {
    fn prepare(&self, program: Program) -> Box<dyn Prepared + '_> {
        Box::new(GoodLpProgram { solver: *self, program })
    }
}

impl Prepared for GoodLpProgram {
    fn minimise(&mut self, q: &[f64], time: Option<Duration>) -> Answer {
        let start = Instant::now();
        let Model { variables, columns, objective, constraints } = model(&self.program, q);
        let problem = variables.minimise(objective);
        let answer = match self.solver {
            GoodLp::Clarabel => {
                let mut model = problem.using(good_lp::clarabel);
                if let Some(time) = time {
                    model.settings().time_limit(time.as_secs_f64());
                }
                duals_of(model, constraints, &columns)
            }
            #[cfg(feature = "highs")]
            GoodLp::Highs => {
                let mut model = problem.using(good_lp::highs);
                if let Some(time) = time {
                    model = model.set_time_limit(time.as_secs_f64());
                }
                duals_of(model, constraints, &columns)
            }
        };
        let Some((duals, point)) = answer else { return Answer::none(start.elapsed()) };
        let objective = q.iter().zip(&point).map(|(q, v)| q * v).sum();
        Answer { duals, ray: false, point, objective, time: start.elapsed() }
    }
}

fn duals_of<M>(
    mut model: M,
    constraints: Vec<Constraint>,
    columns: &[good_lp::Variable],
) -> Option<(Vec<f64>, Vec<f64>)>
where
    M: SolverModel,
    M::Solution: for<'a> SolutionWithDual<'a>,
{
    let rows: Vec<_> = constraints.into_iter().map(|c| model.add_constraint(c)).collect();
    let mut solution = model.solve().ok()?;
    let point = columns.iter().map(|&v| solution.value(v)).collect();
    let duals = solution.compute_dual();
    // A shadow price is the objective's growth by the right-hand side: −λ.
    Some((rows.into_iter().map(|row| -duals.dual(row)).collect(), point))
}

/// A program as good_lp writes it.
pub(super) struct Model {
    pub variables: ProblemVariables,
    pub columns: Vec<good_lp::Variable>,
    pub objective: Expression,
    pub constraints: Vec<Constraint>,
}

pub(super) fn model(program: &Program, q: &[f64]) -> Model {
    let mut variables = ProblemVariables::new();
    let mut binary = program.binaries().iter().peekable();
    let columns: Vec<good_lp::Variable> = (0..program.variables())
        .map(|v| {
            if binary.next_if_eq(&&v).is_some() {
                return variables.add(variable().binary());
            }
            let (l, u) = program.ends(v);
            let mut definition = variable();
            if l.is_finite() {
                definition = definition.min(l);
            }
            if u.is_finite() {
                definition = definition.max(u);
            }
            variables.add(definition)
        })
        .collect();
    let sum = |entries: &mut dyn Iterator<Item = (usize, f64)>| {
        let mut expression = Expression::default();
        entries.for_each(|(v, a)| expression.add_mul(a, columns[v]));
        expression
    };
    let objective = sum(&mut q.iter().copied().enumerate().filter(|q| q.1 != 0.0));
    let constraints = (0..program.rows())
        .map(|row| {
            let (right, equal) = program.right(row);
            let left = sum(&mut program.entries_of(row));
            if equal { constraint!(left == right) } else { constraint!(left <= right) }
        })
        .collect();
    Model { variables, columns, objective, constraints }
}
