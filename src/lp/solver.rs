//! Solvers of linear programs: whatever they answer is a hint.

use super::Program;
use std::time::Duration;

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
/// symbolic factorisation from one objective to the next (docs/decisions.md). Without the feature `solvers` it has no answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clarabel;

#[cfg(not(feature = "solvers"))]
mod none {
    use super::{Answer, Clarabel, DualSolver, Prepared, Program};
    use std::time::Duration;

    impl DualSolver for Clarabel {
        fn prepare(&self, _: Program) -> Box<dyn Prepared + '_> {
            Box::new(Self)
        }
    }

    impl Prepared for Clarabel {
        fn minimise(&mut self, _: &[f64], _: Option<Duration>) -> Answer {
            Answer::none(Duration::ZERO)
        }
    }
}
