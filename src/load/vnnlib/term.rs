//! Linear terms of VNN-LIB, and the atoms that comparisons of them make.

use super::error::Problem;
use super::formula::{Atom, Bound, Formula};
use crate::load::budget::Budget;
use crate::num::{Decimal, Rational, heap_size};
use crate::spec::HalfSpace;
use num_traits::{Signed, Zero};
use std::collections::BTreeMap;

/// The largest numerator or denominator that products may make.
const MAX_BITS: u64 = 40_000;

/// A linear term. Variables are numbered as in [`crate::spec::Property`]: output j is j, input i is outputs + i.
#[derive(Debug, Clone)]
pub(super) enum Term {
    Constant(Decimal),
    Variable(usize),
    Sum(Box<Linear>),
}

/// Σ aᵢ vᵢ + c; a variable may occur more than once until [`Linear::collect`].
#[derive(Debug, Clone)]
pub(super) struct Linear {
    terms: Vec<(usize, Rational)>,
    constant: Rational,
}

impl Linear {
    fn constant(value: Rational) -> Self {
        Self { terms: Vec::new(), constant: value }
    }

    fn scale(&mut self, factor: &Rational, budget: &Budget) -> Result<(), Problem> {
        for value in self.terms.iter_mut().map(|t| &mut t.1).chain([&mut self.constant]) {
            *value *= factor;
            if value.numer().bits().max(value.denom().bits()) > MAX_BITS {
                return Err(Problem::HugeConstant(MAX_BITS));
            }
            budget.spend(heap_size(value))?;
        }
        Ok(())
    }

    /// Each variable once, without zero coefficients, in order.
    fn collect(self) -> (Vec<(usize, Rational)>, Rational) {
        let mut sums = BTreeMap::<usize, Rational>::new();
        for (variable, coefficient) in self.terms {
            *sums.entry(variable).or_insert_with(Rational::zero) += coefficient;
        }
        (sums.into_iter().filter(|(_, a)| !a.is_zero()).collect(), self.constant)
    }
}

impl Term {
    fn into_linear(self) -> Linear {
        match self {
            Term::Constant(c) => Linear::constant(c.to_rational()),
            Term::Variable(v) => Linear {
                terms: vec![(v, Rational::from_integer(1.into()))],
                constant: Rational::zero(),
            },
            Term::Sum(linear) => *linear,
        }
    }

    /// The sum of the arguments, all but the first with the given sign.
    pub(super) fn sum(arguments: Vec<Term>, rest_negated: bool) -> Term {
        let mut total = Linear::constant(Rational::zero());
        for (i, argument) in arguments.into_iter().enumerate() {
            let mut linear = argument.into_linear();
            if rest_negated && i > 0 {
                linear.terms.iter_mut().for_each(|t| t.1 = -&t.1);
                linear.constant = -linear.constant;
            }
            total.terms.append(&mut linear.terms);
            total.constant += linear.constant;
        }
        Term::Sum(Box::new(total))
    }

    /// The product of the arguments.
    pub(super) fn product(arguments: Vec<Term>, budget: &Budget) -> Result<Term, Problem> {
        let mut product = Linear::constant(Rational::from_integer(1.into()));
        for argument in arguments {
            let mut linear = argument.into_linear();
            if linear.terms.is_empty() {
                product.scale(&linear.constant, budget)?;
            } else if product.terms.is_empty() {
                linear.scale(&product.constant, budget)?;
                product = linear;
            } else {
                return Err(Problem::Nonlinear);
            }
        }
        Ok(Term::Sum(Box::new(product)))
    }
}

/// left ≤ right, or left < right, as a formula over a network with that many outputs.
pub(super) fn at_most(
    left: Term,
    right: Term,
    strict: bool,
    outputs: usize,
) -> Result<Formula, Problem> {
    let atom = match (left, right) {
        (Term::Variable(v), Term::Constant(c)) => one_variable(v, true, c, strict, outputs),
        (Term::Constant(c), Term::Variable(v)) => one_variable(v, false, c, strict, outputs),
        (Term::Variable(a), Term::Variable(b)) if a == b => {
            Atom::Constant { holds: !strict, closed: true }
        }
        (Term::Variable(a), Term::Variable(b)) => {
            let mut coefficients = vec![(a, 1.0), (b, -1.0)];
            coefficients.sort_by_key(|c| c.0);
            let half_space = HalfSpace { coefficients, bound_up: 0.0, bound_down: 0.0, strict };
            Atom::HalfSpace(Box::new(half_space))
        }
        (left, right) => {
            let difference = Term::sum(vec![left, right], true);
            let (coefficients, constant) = difference.into_linear().collect();
            let bound = -constant;
            match coefficients.as_slice() {
                [] => {
                    let closed = !bound.is_negative();
                    Atom::Constant { holds: closed && !(strict && bound.is_zero()), closed }
                }
                [(v, a)] if *v >= outputs => {
                    let value = Decimal::from(bound / a);
                    one_variable(*v, a.is_positive(), value, strict, outputs)
                }
                _ => Atom::HalfSpace(Box::new(
                    HalfSpace::from_exact(&coefficients, &bound, strict)
                        .ok_or(Problem::Coefficients)?,
                )),
            }
        }
    };
    Ok(Formula::Atom(atom))
}

/// v ≤ c (`upper`) or v ≥ c.
fn one_variable(variable: usize, upper: bool, c: Decimal, strict: bool, outputs: usize) -> Atom {
    if variable >= outputs {
        let input = (variable - outputs) as u32;
        return Atom::Bound { input, upper, bound: Bound { value: c, strict } };
    }
    let [down, up] = c.enclosure();
    let (coefficient, bound_down, bound_up) =
        if upper { (1.0, down, up) } else { (-1.0, 0.0 - up, 0.0 - down) };
    let coefficients = vec![(variable, coefficient)];
    Atom::HalfSpace(Box::new(HalfSpace { coefficients, bound_up, bound_down, strict }))
}
