//! Cases whose polytopes fix inputs by equations: asked of the network behind an affine map of fewer inputs, where every point
//! satisfies the equations.
//!
//! A search of the whole box meets a face of it by chance only. The equations of a polytope, pairs a·x ≤ b and −a·x ≤ −b of its
//! half-spaces, are solved exactly for as many inputs; x = A z + c puts the others, z, in front of the network, and the intervals
//! of the inputs solved for become half-spaces. What the reduced question shows holds of the whole one; its counterexamples are
//! taken back in exact arithmetic, at a grid's points, so that they have so many digits only.

use super::{Bounds, Outcome, Settings, Verdict, by_attack, certified, falsified, undecided};
use crate::attack::{Counterexample, validate_exactly};
use crate::branch::Limits;
use crate::net::{Computed, LinearMap, Network, NetworkBuilder, Term};
use crate::num::{Rational, from_f64, round_down, round_nearest, round_up};
use crate::query::Query;
use crate::spec::{Claim, HalfSpace, Polytope, Property, Region};
use num_bigint::BigInt;
use num_traits::{One, Zero};

/// Cases that are asked in this way: each is a search of its own.
const MOST_CASES: usize = 64;

/// Digits behind the point, in base 2 and in base 10, of the grids on which exact points are looked for.
const GRIDS: [(u32, &[i32]); 2] = [(2, &[24, 20, 16, 12, 8, 5]), (10, &[7, 6, 5, 4, 3, 2])];

/// x = b + Σ aⱼ zⱼ, as far as it is known.
#[derive(Clone)]
struct Sum {
    terms: Vec<(usize, Rational)>,
    constant: Rational,
}

/// A case of a property, asked of fewer inputs.
struct Reduced {
    claim: usize,
    query: Query,
    /// Every input in terms of those that are left.
    inputs: Vec<Sum>,
    /// Inputs whose interval holds no double, and their number.
    fixed: Vec<Option<Rational>>,
}

/// What equations show of a query, if they show anything: a counterexample, or, where every case has some, that there is none; no verdict
/// where time is over.
pub(super) fn by_equalities(
    query: &Query,
    settings: &Settings,
    limits: &Limits,
) -> Option<Outcome> {
    let property = query.property();
    if !property.uses_inputs || property.cases() > MOST_CASES {
        return None;
    }
    let (mut all, mut margin, mut stage) = (true, f64::INFINITY, None);
    let mut effort = super::Effort::default();
    for (claim, Claim { unsafe_set, .. }) in property.claims.iter().enumerate() {
        for polytope in unsafe_set {
            let Some(reduced) = Reduced::of(query, claim, polytope) else {
                all = false;
                continue;
            };
            let bounds =
                Bounds { query: &reduced.query, settings, limits, recorded: false, watch: &|_| () };
            let outcome = by_attack(&reduced.query, settings, limits);
            let outcome = outcome.unwrap_or_else(|| bounds.decide().0);
            effort.visited += outcome.effort.visited;
            match outcome.verdict {
                Verdict::Falsified(found) => {
                    if let Some(found) = reduced.whole(query, found.exact_input()) {
                        let by = outcome.stage.unwrap_or(super::Stage::Branch);
                        return Some(falsified(Box::new(found), by, effort));
                    }
                    all = false;
                }
                Verdict::Certified(_) => {
                    stage = stage.max(outcome.stage);
                    margin = margin.min(outcome.bound.unwrap_or(0.0));
                }
                Verdict::Unknown(_) => {
                    if let Some(reason) = limits.passed() {
                        effort.open += outcome.effort.open;
                        return Some(undecided(reason, f64::NEG_INFINITY, effort));
                    }
                    all = false;
                }
            }
        }
    }
    all.then(|| certified(stage, margin, effort))
}

impl Reduced {
    /// `None` for a polytope without equations, or whose equations leave nothing to search.
    fn of(query: &Query, claim: usize, polytope: &Polytope) -> Option<Self> {
        let (net, region) = (query.network(), &query.property().claims[claim].region);
        let (own, n) = (query.own_outputs(), net.inputs());
        let (equations, rest) = equations(polytope, own);
        let width = |i: usize| region.upper()[i] - region.lower()[i];
        let inputs = solve(&equations, n, &width)?;
        let free: Vec<usize> = (0..n).filter(|&i| is_free(&inputs, i)).collect();
        if free.len() == n || free.is_empty() {
            return None;
        }
        let place = |j: usize| free.binary_search(&j).ok();
        let rows = inputs.iter().map(|sum| {
            let entry = |(j, a): &(usize, Rational)| Some((place(*j)?, round_nearest(a)));
            sum.terms.iter().filter_map(entry).collect()
        });
        let exact = |a: &Rational| from_f64(round_nearest(a)).as_ref() == Some(a);
        // A number that underflows or overflows is off by more than one rounding.
        let near = |a: &Rational| exact(a) || round_nearest(a).is_normal();
        let all = |sum: &Sum| near(&sum.constant) && sum.terms.iter().all(|(_, a)| near(a));
        inputs.iter().all(all).then_some(())?;
        let numbers = |sum: &Sum| exact(&sum.constant) && sum.terms.iter().all(|(_, a)| exact(a));
        let map = LinearMap::from_rows(free.len(), rows.collect());
        let constants = inputs.iter().map(|sum| round_nearest(&sum.constant)).collect();
        let roundings = usize::from(!inputs.iter().all(numbers));
        let mut front = NetworkBuilder::new(free.len(), "free inputs").ok()?;
        let front_terms = vec![Term { source: 0, map }];
        let x = front.affine(front_terms, constants, roundings, "equations").ok()?;
        // It is what the equations say of the inputs, and no program computes it.
        front.computed(x, Computed::Exactly);
        let net = Network::clone(net).after(front.finish(x).ok()?).ok()?;
        let side = |i: usize, sign: f64, bound: f64| HalfSpace {
            coefficients: vec![(own + i, sign)],
            bound_up: sign * bound,
            bound_down: sign * bound,
            strict: false,
        };
        let solved = (0..n).filter(|&i| !is_free(&inputs, i));
        let sides = solved
            .flat_map(|i| [side(i, 1.0, region.upper()[i]), side(i, -1.0, region.lower()[i])]);
        let unsafe_set = vec![rest.into_iter().chain(sides).collect()];
        let ends = |ends: &[f64]| free.iter().map(|&i| ends[i]).collect::<Vec<f64>>();
        let part = Region::from_f64(&ends(region.lower()), &ends(region.upper())).ok()?;
        let claims = vec![Claim { region: part, unsafe_set }];
        let query = Query::new(net, Property { claims, uses_inputs: false }).ok()?;
        let projected = region.project(&region.midpoint())?;
        let numbers = region.exact(&projected)?;
        let fixed = projected.iter().zip(numbers).map(|(x, number)| x.is_none().then_some(number));
        Some(Self { claim, query, inputs, fixed: fixed.collect() })
    }

    /// A counterexample of the whole query at or near a point of the reduced one.
    fn whole(&self, query: &Query, z: &[Rational]) -> Option<Counterexample> {
        let near = GRIDS.iter().flat_map(|&(base, digits)| {
            digits.iter().map(move |&digits| {
                let unit = Rational::from_integer(BigInt::from(base).pow(digits as u32));
                z.iter().map(|z| (z * &unit).round() / &unit).collect::<Vec<_>>()
            })
        });
        std::iter::once(z.to_vec()).chain(near).find_map(|z| {
            let mut left = z.into_iter();
            let mut x: Vec<Rational> = (0..self.inputs.len())
                .map(|i| match is_free(&self.inputs, i) {
                    true => left.next().unwrap_or_default(),
                    false => Rational::zero(),
                })
                .collect();
            for (x, fixed) in x.iter_mut().zip(&self.fixed) {
                if let Some(number) = fixed {
                    x.clone_from(number);
                }
            }
            for i in (0..x.len()).filter(|&i| !is_free(&self.inputs, i)) {
                x[i] = self.inputs[i].at(&x);
            }
            let decimals = x.iter().all(|x| crate::num::exact_decimal(x).is_some());
            decimals.then(|| validate_exactly(query.network(), query.property(), self.claim, x))?
        })
    }
}

impl Sum {
    fn at(&self, x: &[Rational]) -> Rational {
        self.terms.iter().fold(self.constant.clone(), |sum, (j, a)| sum + a * &x[*j])
    }

    /// Takes a sum in the place of input p.
    fn substitute(&mut self, p: usize, by: &Self) {
        let Some(at) = self.terms.iter().position(|(j, _)| *j == p) else { return };
        let (_, factor) = self.terms.swap_remove(at);
        self.constant += &factor * &by.constant;
        for (j, a) in &by.terms {
            let a = &factor * a;
            match self.terms.iter_mut().find(|(own, _)| own == j) {
                Some((_, own)) => *own += a,
                None => self.terms.push((*j, a)),
            }
        }
        self.terms.retain(|(_, a)| !a.is_zero());
    }
}

/// Whether input i stands for itself.
fn is_free(inputs: &[Sum], i: usize) -> bool {
    let Sum { terms, constant } = &inputs[i];
    constant.is_zero() && matches!(terms.as_slice(), [(j, a)] if *j == i && a.is_one())
}

/// The equations among a polytope's half-spaces, as sums that are 0, and its other half-spaces.
fn equations(polytope: &Polytope, own: usize) -> (Vec<Sum>, Polytope) {
    let of_inputs = |half: &HalfSpace| {
        let inputs = half.coefficients.iter().all(|(j, _)| *j >= own);
        inputs && !half.strict && half.bound_up == half.bound_down && !half.coefficients.is_empty()
    };
    let opposite = |a: &HalfSpace, b: &HalfSpace| {
        let pairs = a.coefficients.iter().zip(&b.coefficients);
        a.coefficients.len() == b.coefficients.len()
            && a.bound_up == -b.bound_up
            && pairs.into_iter().all(|((i, a), (j, b))| i == j && *a == -b)
    };
    let mut rest: Polytope = Vec::new();
    let mut found = Vec::new();
    for half in polytope {
        let other = rest
            .iter()
            .position(|other| of_inputs(half) && of_inputs(other) && opposite(half, other));
        let Some(other) = other else {
            rest.push(half.clone());
            continue;
        };
        let term = |&(j, a): &(usize, f64)| Some((j - own, from_f64(a)?));
        let terms = half.coefficients.iter().map(term).collect::<Option<Vec<_>>>();
        if let Some((terms, bound)) = terms.zip(from_f64(half.bound_up)) {
            rest.remove(other);
            found.push(Sum { terms, constant: -bound });
        } else {
            rest.push(half.clone());
        }
    }
    (found, rest)
}

/// Every input in terms of those that are left. An equation is solved for an input whose coefficients are decimals then, dyadic ones
/// above all, and of those for the widest. `None` where equations contradict each other.
fn solve(equations: &[Sum], n: usize, width: &dyn Fn(usize) -> f64) -> Option<Vec<Sum>> {
    let own = |i| Sum { terms: vec![(i, Rational::one())], constant: Rational::zero() };
    let mut inputs: Vec<Sum> = (0..n).map(own).collect();
    for equation in equations {
        let mut left = equation.clone();
        for i in (0..n).filter(|&i| !is_free(&inputs, i)) {
            left.substitute(i, &inputs[i]);
        }
        if left.terms.is_empty() {
            left.constant.is_zero().then_some(())?;
            continue;
        }
        let solved = |p: usize| {
            let (_, pivot) = &left.terms[p];
            let over = |a: &Rational| -(a / pivot);
            let others = left.terms.iter().enumerate().filter(|(q, _)| *q != p);
            let terms = others.map(|(_, (j, a))| (*j, over(a))).collect();
            Sum { terms, constant: over(&left.constant) }
        };
        let kind = |p: usize| {
            let sum = solved(p);
            let all = |test: &dyn Fn(&Rational) -> bool| {
                usize::from(sum.terms.iter().map(|(_, a)| a).chain([&sum.constant]).all(test))
            };
            let dyadic = |a: &Rational| round_down(a) == round_up(a);
            all(&dyadic) + all(&|a| crate::num::exact_decimal(a).is_some())
        };
        let best = (0..left.terms.len()).max_by(|&p, &q| {
            let width = |p: usize| width(left.terms[p].0);
            kind(p).cmp(&kind(q)).then(width(p).total_cmp(&width(q)))
        })?;
        let (input, sum) = (left.terms[best].0, solved(best));
        inputs.iter_mut().for_each(|other| other.substitute(input, &sum));
        inputs[input] = sum;
    }
    Some(inputs)
}
