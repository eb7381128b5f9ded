//! A property: regions of inputs, each with a union of polytopes of outputs that must not be reached.

use super::Region;
use crate::num::Rational;
use num_traits::{One, Signed, Zero};
use std::borrow::Cow;

/// The half-space Σ aⱼ yⱼ ≤ b (or < b) of outputs.
///
/// Coefficients are exact; b is kept as the doubles around its exact value: the half-space shown unreachable is the
/// larger one, the one a counterexample must lie in the smaller one.
#[derive(Debug, Clone, PartialEq)]
pub struct HalfSpace {
    /// (output index, coefficient), indices distinct and increasing. For a property that speaks of inputs too
    /// ([`Property::uses_inputs`]), input i has the index `outputs + i`.
    pub coefficients: Vec<(usize, f64)>,
    /// A double ≥ b.
    pub bound_up: f64,
    /// A double ≤ b.
    pub bound_down: f64,
    /// Whether points with equality are outside.
    pub strict: bool,
}

impl HalfSpace {
    /// Σ aⱼ yⱼ ≤ b (or < b) from exact numbers, scaled by the positive common denominator so that coefficients are
    /// whole. `None` where a scaled coefficient is no double.
    #[must_use]
    pub fn from_exact(
        coefficients: &[(usize, Rational)],
        bound: &Rational,
        strict: bool,
    ) -> Option<Self> {
        let dyadic = |q: &Rational| crate::num::round_down(q) == crate::num::round_up(q);
        let scale = if coefficients.iter().all(|(_, a)| dyadic(a)) {
            Rational::one()
        } else {
            let common = coefficients
                .iter()
                .fold(num_bigint::BigInt::one(), |acc, (_, a)| lcm(&acc, a.denom()));
            Rational::from_integer(common)
        };
        let bound = bound * &scale;
        let coefficients = coefficients
            .iter()
            .filter(|(_, a)| !a.is_zero())
            .map(|(j, a)| {
                let a = a * &scale;
                dyadic(&a).then(|| (*j, crate::num::round_down(&a)))
            })
            .collect::<Option<Vec<_>>>()?;
        let (bound_down, bound_up) = (crate::num::round_down(&bound), crate::num::round_up(&bound));
        Some(Self { coefficients, bound_up, bound_down, strict })
    }

    /// y_target ≥ y_label, the half-space of the outputs that a classifier reading arg max would not call `label`
    /// for certain.
    #[must_use]
    pub fn margin(label: usize, target: usize) -> Self {
        let mut coefficients = vec![(label, 1.0), (target, -1.0)];
        coefficients.sort_by_key(|c| c.0);
        Self { coefficients, bound_up: 0.0, bound_down: 0.0, strict: false }
    }

    /// Whether a lower bound `low` of Σ aⱼ yⱼ shows the half-space unreachable: low > b, or low ≥ b for a strict one.
    #[must_use]
    pub fn excluded_by(&self, low: f64) -> bool {
        low > self.bound_up || (self.strict && low >= self.bound_up)
    }

    /// Whether an upper bound `high` of Σ aⱼ yⱼ at a point shows the point inside.
    #[must_use]
    pub fn attained_by(&self, high: f64) -> bool {
        high < self.bound_down || (!self.strict && high <= self.bound_down)
    }
}

fn lcm(a: &num_bigint::BigInt, b: &num_bigint::BigInt) -> num_bigint::BigInt {
    let (mut x, mut y) = (a.clone(), b.clone());
    while !y.is_zero() {
        (x, y) = (y.clone(), x % y);
    }
    (a * b / x).abs()
}

/// An intersection of half-spaces of outputs; the empty intersection is everything.
pub type Polytope = Vec<HalfSpace>;

/// No input of the region reaches any of the polytopes.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The inputs.
    pub region: Region,
    /// The union of outputs that must not be reached.
    pub unsafe_set: Vec<Polytope>,
}

/// A conjunction of claims. Its cases, (region, polytope) pairs in order, are numbered through.
/// Those of a file that have no inputs are not among them; the reader of the file knows the numbers in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// The claims; consecutive cases with equal regions are one claim.
    pub claims: Vec<Claim>,
    /// Whether half-spaces speak of inputs too, as outputs `outputs + i` of
    /// [`crate::net::Network::with_inputs_as_outputs`].
    pub uses_inputs: bool,
}

impl Property {
    /// Arg max stays `label`: for every other class t, y_label − y_t > 0 on the region.
    #[must_use]
    pub fn classification(region: Region, label: usize, classes: usize) -> Self {
        let unsafe_set = Self::margins(label, classes);
        Self { claims: vec![Claim { region, unsafe_set }], uses_inputs: false }
    }

    /// The unsafe set of [`Self::classification`]: y_t ≥ y_label, one polytope for each other class t.
    #[must_use]
    pub fn margins(label: usize, classes: usize) -> Vec<Polytope> {
        let others = (0..classes).filter(|&t| t != label);
        others.map(|t| vec![HalfSpace::margin(label, t)]).collect()
    }

    /// Whether it only asks which of two outputs is the larger (of so many), and how large inputs are, so that a softmax at
    /// the end makes no difference.
    #[must_use]
    pub fn only_compares(&self, outputs: usize) -> bool {
        let compares = |half: &HalfSpace| match half.coefficients.as_slice() {
            [(i, a), (j, b)] if *i < outputs && *j < outputs => {
                *a == -*b && half.bound_down == 0.0 && half.bound_up == 0.0
            }
            coefficients => coefficients.iter().all(|(i, _)| *i >= outputs),
        };
        self.claims.iter().flat_map(|claim| claim.unsafe_set.iter().flatten()).all(compares)
    }

    /// The same about the smallest boxes around the regions.
    #[must_use]
    pub fn of_boxes(&self) -> Cow<'_, Self> {
        if self.claims.iter().all(|claim| claim.region.is_box()) {
            return Cow::Borrowed(self);
        }
        let mut boxes = self.clone();
        boxes.claims.iter_mut().for_each(|claim| claim.region = claim.region.smallest_box());
        Cow::Owned(boxes)
    }

    /// Number of (region, polytope) pairs.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.claims.iter().map(|c| c.unsafe_set.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::parse_rational;

    #[test]
    fn decimal_coefficients_become_whole() {
        let q = |t| parse_rational(t).unwrap();
        let h = HalfSpace::from_exact(&[(0, q("0.1")), (2, q("-1.5"))], &q("0.3"), false).unwrap();
        assert_eq!(h.coefficients, vec![(0, 1.0), (2, -15.0)]);
        assert_eq!((h.bound_down, h.bound_up), (3.0, 3.0));
        let h = HalfSpace::from_exact(&[(0, q("1"))], &q("0.1"), false).unwrap();
        assert!(h.bound_down < h.bound_up);
    }

    #[test]
    fn strictness_decides_at_equality() {
        let closed = HalfSpace::margin(3, 1);
        let open = HalfSpace { strict: true, ..closed.clone() };
        assert_eq!(closed.coefficients, vec![(1, -1.0), (3, 1.0)]);
        assert!(!closed.excluded_by(0.0) && open.excluded_by(0.0));
        assert!(closed.attained_by(0.0) && !open.attained_by(0.0));
    }

    #[test]
    fn a_softmax_matters_where_values_do() {
        let property = |half: HalfSpace| {
            let zero = parse_rational("0").unwrap();
            let region = Region::from_bounds(&[(zero.clone(), zero)]).unwrap();
            let claim = Claim { region, unsafe_set: vec![vec![half]] };
            Property { claims: vec![claim], uses_inputs: false }
        };
        let margin = HalfSpace::margin(0, 1);
        let above = HalfSpace { bound_up: 0.5, bound_down: 0.5, ..margin.clone() };
        let value = HalfSpace { coefficients: vec![(0, 1.0)], ..margin.clone() };
        let scaled = HalfSpace { coefficients: vec![(0, 1.0), (1, -2.0)], ..margin.clone() };
        let input = HalfSpace { coefficients: vec![(0, 1.0), (2, -1.0)], ..margin.clone() };
        assert!(property(margin).only_compares(2));
        for half in [above, value, scaled, input] {
            assert!(!property(half).only_compares(2));
        }
    }
}
