//! Exact verification by mixed-integer programming (Tjeng et al. 2019): big-M, one binary variable an unstable ReLU.
//!
//! Whether a polytope of outputs is reachable is asked as: is there an x of the region, with N(x) in the polytope? The
//! answer is a floating-point solver's. "Infeasible" is therefore believed at the assurance level `solver` only, and a
//! solution counts as a candidate that must be validated. The optimum that a solver reports is used as nothing. Without the
//! feature `solvers` nothing is ever decided.

use super::Program;
use super::triangle::{Encoding, Prefix, relax};
use crate::bound::Sweep;
use crate::net::{Matrix, NodeId};
use std::time::{Duration, Instant};

/// A solver of mixed-integer programs, through good_lp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MilpSolver {
    /// microlp, in Rust; good for some tens of binaries.
    #[default]
    Microlp,
    /// HiGHS.
    #[cfg(feature = "highs")]
    Highs,
}

/// What a solver says about a polytope.
#[derive(Debug, Clone, PartialEq)]
pub enum MilpAnswer {
    /// It says that no input of the region leads there.
    Unreachable,
    /// It says that this input does, or nearly: the best of those it met.
    Candidate(Vec<f64>),
    /// The time that it was given passed.
    OutOfTime,
    /// It gave up: numerical trouble, memory, or there is no solver.
    GaveUp,
}

/// How far a half-space is widened before it is asked about, relative to its size: more than solvers' feasibility
/// tolerances, so that "infeasible" does not rest on one.
const WIDENING: f64 = 1e-5;

/// Asks whether outputs of the region reach the polytope { y : aₕᵀy ≤ bₕ for all h }, a column of `functionals` and a
/// bound for each half-space. The first half-space's functional is minimised.
///
/// # Panics
/// Where the functionals are not of node `at`, or there are not as many bounds.
#[must_use]
pub fn reachable(
    sweep: &Sweep,
    at: NodeId,
    functionals: &Matrix,
    bounds: &[f64],
    solver: MilpSolver,
    time: Duration,
) -> MilpAnswer {
    assert_eq!(functionals.ncols(), bounds.len(), "a bound for each half-space");
    let (mut program, triangle) = exact(sweep, at, functionals);
    let mut first = None;
    for (functional, &bound) in functionals.column_iter().zip(bounds) {
        let functional: Vec<f64> = functional.iter().copied().collect();
        let (q, constant) = triangle.objective(sweep.net, &functional);
        let room = bound - constant + WIDENING * (1.0 + bound.abs() + constant.abs());
        program.row(q.iter().copied().enumerate(), room, false);
        first = first.or(Some(q));
    }
    let q = first.unwrap_or_else(|| vec![0.0; program.variables()]);
    let start = Instant::now();
    match solve(&program, &q, solver, time) {
        Solved::Infeasible => MilpAnswer::Unreachable,
        // Solvers look at the clock now and then.
        Solved::Failed if start.elapsed() >= time.mul_f64(0.9) => MilpAnswer::OutOfTime,
        Solved::Failed => MilpAnswer::GaveUp,
        Solved::Point(values) => MilpAnswer::Candidate(triangle.input(&values)),
    }
}

fn exact(sweep: &Sweep, at: NodeId, functionals: &Matrix) -> (Program, super::Triangle) {
    let wanted: Vec<bool> =
        functionals.row_iter().map(|row| row.iter().any(|&a| a != 0.0)).collect();
    let prefix = Prefix { net: sweep.net, layers: sweep.layers, domain: 0, at, splits: &[] };
    relax(&prefix, &wanted, Encoding::BigM)
}

/// What a solver says about a program.
#[cfg_attr(not(feature = "solvers"), expect(dead_code))]
enum Solved {
    /// It has no solution.
    Infeasible,
    /// Nothing: time ran out, numerical trouble, or there is no solver.
    Failed,
    /// The best point that it met.
    Point(Vec<f64>),
}

#[cfg(not(feature = "solvers"))]
fn solve(_: &Program, _: &[f64], _: MilpSolver, _: Duration) -> Solved {
    Solved::Failed
}

#[cfg(feature = "solvers")]
use good::solve;

/// Programs in good_lp's hands.
#[cfg(feature = "solvers")]
mod good {
    use super::{MilpSolver, Program, Solved};
    use good_lp::solvers::WithTimeLimit;
    use good_lp::{
        Constraint, Expression, ProblemVariables, ResolutionError, Solution, SolverModel, Variable,
        constraint, variable,
    };
    use std::time::Duration;

    pub(super) fn solve(
        program: &Program,
        q: &[f64],
        solver: MilpSolver,
        time: Duration,
    ) -> Solved {
        let Model { variables, columns, objective, constraints } = model(program, q);
        let problem = variables.minimise(objective);
        let seconds = time.as_secs_f64();
        let read = |solution: &dyn Solution| columns.iter().map(|&v| solution.value(v)).collect();
        let solved = match solver {
            MilpSolver::Microlp => {
                let model = problem.using(good_lp::microlp).with_time_limit(seconds);
                model.with_all(constraints).solve().map(|solution| read(&solution))
            }
            #[cfg(feature = "highs")]
            MilpSolver::Highs => {
                let model = problem.using(good_lp::highs).with_time_limit(seconds);
                model.with_all(constraints).solve().map(|solution| read(&solution))
            }
        };
        match solved {
            Ok(values) => Solved::Point(values),
            Err(ResolutionError::Infeasible) => Solved::Infeasible,
            Err(_) => Solved::Failed,
        }
    }

    /// A program as good_lp writes it.
    struct Model {
        variables: ProblemVariables,
        columns: Vec<Variable>,
        objective: Expression,
        constraints: Vec<Constraint>,
    }

    fn model(program: &Program, q: &[f64]) -> Model {
        let mut variables = ProblemVariables::new();
        let mut binary = program.binaries().iter().peekable();
        let columns: Vec<Variable> = (0..program.variables())
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
}
