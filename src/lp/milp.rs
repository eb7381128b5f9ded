//! Exact verification by mixed-integer programming (Tjeng et al. 2019): big-M, one binary variable an unstable ReLU.
//!
//! Whether a polytope of outputs is reachable is asked as: is there an x of the region, with N(x) in the polytope? The
//! answer is a floating-point solver's. "Infeasible" is therefore believed at the assurance level `solver` only, and a
//! solution counts as a candidate that must be validated. A minimum that a solver returns is the value of the best point
//! that it met, never a lower bound.

use super::Program;
use super::solver::{Model, model};
use super::triangle::{Encoding, Prefix, relax};
use crate::bound::Sweep;
use crate::net::{Matrix, NodeId};
use good_lp::solvers::{SolutionStatus, WithTimeLimit};
use good_lp::{ResolutionError, Solution, SolverModel};
use std::time::Duration;

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
    /// It gave up: the time limit, or numerical trouble.
    Undecided,
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
    match solve(&program, &q, solver, time) {
        Err(ResolutionError::Infeasible) => MilpAnswer::Unreachable,
        Err(_) => MilpAnswer::Undecided,
        Ok((_, values)) => MilpAnswer::Candidate(triangle.input(&values)),
    }
}

/// A minimum as a solver sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Incumbent {
    /// The input.
    pub input: Vec<f64>,
    /// The functional's value there, as the solver sees it: an upper bound of the minimum if anything, never a lower one.
    pub value: f64,
    /// Whether the solver says that nothing is smaller.
    pub optimal: bool,
}

/// Minimises a functional of node `at`.
///
/// # Errors
/// What the solver says where it found no point.
///
/// # Panics
/// Where the functional is not one of node `at`.
pub fn minimise(
    sweep: &Sweep,
    at: NodeId,
    functional: &[f64],
    solver: MilpSolver,
    time: Duration,
) -> Result<Incumbent, String> {
    let column = Matrix::from_column_slice(functional.len(), 1, functional);
    let (program, triangle) = exact(sweep, at, &column);
    let (q, constant) = triangle.objective(sweep.net, functional);
    let (status, values) = solve(&program, &q, solver, time).map_err(|e| e.to_string())?;
    Ok(Incumbent {
        input: triangle.input(&values),
        value: constant + q.iter().zip(&values).map(|(q, v)| q * v).sum::<f64>(),
        optimal: matches!(status, SolutionStatus::Optimal),
    })
}

fn exact(sweep: &Sweep, at: NodeId, functionals: &Matrix) -> (Program, super::Triangle) {
    let wanted: Vec<bool> =
        functionals.row_iter().map(|row| row.iter().any(|&a| a != 0.0)).collect();
    let prefix = Prefix { net: sweep.net, layers: sweep.layers, domain: 0, at, splits: &[] };
    relax(&prefix, &wanted, Encoding::BigM)
}

fn solve(
    program: &Program,
    q: &[f64],
    solver: MilpSolver,
    time: Duration,
) -> Result<(SolutionStatus, Vec<f64>), ResolutionError> {
    let Model { variables, columns, objective, constraints } = model(program, q);
    let problem = variables.minimise(objective);
    let seconds = time.as_secs_f64();
    let read = |solution: &dyn Solution| {
        (solution.status(), columns.iter().map(|&v| solution.value(v)).collect())
    };
    match solver {
        MilpSolver::Microlp => {
            let model = problem.using(good_lp::microlp).with_time_limit(seconds);
            model.with_all(constraints).solve().map(|solution| read(&solution))
        }
        #[cfg(feature = "highs")]
        MilpSolver::Highs => {
            let model = problem.using(good_lp::highs).with_time_limit(seconds);
            model.with_all(constraints).solve().map(|solution| read(&solution))
        }
    }
}
