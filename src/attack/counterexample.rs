//! A counterexample: an input inside the exact region whose real output provably lies in the unsafe set.

use crate::net::{Boxes, Matrix, Network, Order, Semantics};
use crate::num::{Rational, exact_decimal, from_f64, round_down, round_nearest, round_up};
use crate::spec::{HalfSpace, Polytope, Property};
use num_traits::{Signed, Zero};
use std::fmt::Write as _;

/// A point that refutes a claim. Only [`validate`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Counterexample {
    claim: usize,
    polytope: usize,
    exact: Vec<Rational>,
    input: Vec<f64>,
    output: Vec<f64>,
    output_box: [Vec<f64>; 2],
    output_f32: Vec<f32>,
    own_outputs: usize,
    holds_in_f32: bool,
    slack: f64,
    order: Option<Order>,
}

impl Counterexample {
    /// Index of the refuted claim in its property.
    #[must_use]
    pub fn claim(&self) -> usize {
        self.claim
    }

    /// Index, in the claim's unsafe set, of the polytope that the output lies in.
    #[must_use]
    pub fn polytope(&self) -> usize {
        self.polytope
    }

    /// The point, which lies in the exact region: single-precision numbers wherever one is in the coordinate's interval,
    /// doubles elsewhere, and the number that [`crate::spec::Region::exact`] names where no double is.
    #[must_use]
    pub fn exact_input(&self) -> &[Rational] {
        &self.exact
    }

    /// The point with every coordinate rounded to the nearest double. Those that are doubles are as they are; the others
    /// (of an interval such as [0.3, 0.3]) lie outside of the region.
    #[must_use]
    pub fn input(&self) -> &[f64] {
        &self.input
    }

    /// The coordinates of the point, exactly: all places of the decimal, however many. A fraction (`1/15`) where the
    /// region fixes a coordinate to a number that no decimal is.
    pub fn input_text(&self) -> impl Iterator<Item = String> + '_ {
        self.exact.iter().map(|x| exact_decimal(x).unwrap_or_else(|| x.to_string()))
    }

    /// The output in double precision, rounded to nearest.
    #[must_use]
    pub fn output(&self) -> &[f64] {
        &self.output
    }

    /// Outward-rounded lower and upper ends of the real output.
    #[must_use]
    pub fn output_enclosure(&self) -> (&[f64], &[f64]) {
        (&self.output_box[0], &self.output_box[1])
    }

    /// What a plain single-precision forward pass gives at the point (rounded to single precision where it is not).
    #[must_use]
    pub fn output_f32(&self) -> &[f32] {
        &self.output_f32
    }

    /// Whether the single-precision output violates the claim too, in the same polytope and with no tolerance.
    #[must_use]
    pub fn holds_in_f32(&self) -> bool {
        self.holds_in_f32
    }

    /// How far inside the polytope the real output lies at least: minₕ (bₕ − aₕ·y), rounded down. Infinite where the
    /// polytope is everything.
    #[must_use]
    pub fn slack(&self) -> f64 {
        self.slack
    }

    /// The order of summation in which the outputs were computed, where one evaluation in single precision shows the violation and not all of
    /// those that runtimes may make.
    #[must_use]
    pub fn order(&self) -> Option<Order> {
        self.order
    }

    /// Whether this one is to be preferred: one that holds in single precision too, then one with more slack.
    #[must_use]
    pub fn better_than(&self, other: &Self) -> bool {
        (self.holds_in_f32, self.slack) > (other.holds_in_f32, other.slack)
    }

    /// The counterexample in the format of the VNN competition: `sat`, then every input, [exactly](Self::input_text), and
    /// every output, in flattened order. Outputs are those of the single-precision evaluation where it violates the claim,
    /// else the double one's.
    #[must_use]
    pub fn write_vnncomp(&self) -> String {
        let mut text = String::from("sat\n");
        let mut open = "(";
        let mut line = |name: char, index: usize, value: &dyn std::fmt::Display| {
            let _ = write!(text, "{open}({name}_{index} {value})");
            open = "\n";
        };
        for (i, x) in self.input_text().enumerate() {
            line('X', i, &x);
        }
        for j in 0..self.own_outputs {
            if self.holds_in_f32 {
                line('Y', j, &f64::from(self.output_f32[j]));
            } else {
                line('Y', j, &self.output[j]);
            }
        }
        text.push_str(")\n");
        text
    }
}

/// The counterexample at a point of the claim's exact region near `point`, if it is one.
///
/// The point is moved into the region ([`Region::project`]), the network's real output is enclosed over it
/// with outward rounding, and every half-space Σ aⱼ yⱼ ≤ b of some polytope must hold for the upper end of its enclosed
/// left side: no tolerance, and no rounding error can make a violation. Among polytopes that qualify, one that the
/// single-precision output reaches too comes first, then the one with the most slack.
///
/// For a property that [speaks of inputs](Property::uses_inputs), `net` is the extended network
/// ([`Network::with_inputs_as_outputs`]).
///
/// # Panics
/// Where the property does not fit the network, or has no such claim.
#[must_use]
pub fn validate(
    net: &Network,
    property: &Property,
    claim: usize,
    point: &[f64],
) -> Option<Counterexample> {
    let region = &property.claims[claim].region;
    let exact = region.exact(&region.project(point)?)?;
    confirm(net, property, claim, exact)
}

/// As [`validate`], of a real point as it is, which must lie in the claim's region.
///
/// # Panics
/// As [`validate`].
#[must_use]
pub fn validate_exactly(
    net: &Network,
    property: &Property,
    claim: usize,
    point: Vec<Rational>,
) -> Option<Counterexample> {
    property.claims[claim].region.contains_exactly(&point).then_some(())?;
    confirm(net, property, claim, point)
}

/// Encloses the output at a point of a claim's region, and looks for a polytope that holds it for certain.
fn confirm(
    net: &Network,
    property: &Property,
    claim: usize,
    exact: Vec<Rational>,
) -> Option<Counterexample> {
    let single = |x: &Rational| from_f64(f64::from(round_nearest(x) as f32)).as_ref() == Some(x);
    if net.semantics() == Semantics::Float32 && !exact.iter().all(single) {
        return None;
    }
    let unsafe_set = &property.claims[claim].unsafe_set;
    let appended = if property.uses_inputs { net.inputs() } else { 0 };
    let own_outputs = net.outputs() - appended;
    let rounded = |round: fn(&Rational) -> f64| exact.iter().map(round).collect::<Vec<f64>>();
    let input = rounded(round_nearest);
    let enclosure = net.enclose(&Boxes::single(&rounded(round_down), &rounded(round_up)));
    // Where a logarithm has no value no program computes one, whatever becomes of it.
    net.is_defined_on(&enclosure.nodes).then_some(())?;
    let outputs = enclosure.node(net.output());
    let mut output_box = [outputs.lower.as_slice(), outputs.upper.as_slice()].map(<[f64]>::to_vec);
    let within = |[lower, upper]: [&[f64]; 2]| {
        let end = |j: usize, highest: bool| match j.checked_sub(own_outputs) {
            Some(input) => Some(exact[input].clone()),
            None => from_f64(if highest { upper[j] } else { lower[j] }),
        };
        attained(unsafe_set, &end)
    };
    let (mut found, [lower, upper]) = (within([&output_box[0], &output_box[1]]), &output_box);
    let single: Vec<f32> = input.iter().map(|&x| x as f32).collect();
    let possible = found.is_empty() && !within([upper, lower]).is_empty();
    let mut order = None;
    if possible && net.semantics() == Semantics::Float32 {
        // Of all evaluations that there are these are tried.
        let tried = Order::ALL.into_iter().find_map(|order| {
            let outputs = net.evaluate_in_order(&single, order)?;
            let outputs: Vec<f64> = outputs.into_iter().map(f64::from).collect();
            let found = within([&outputs, &outputs]);
            (!found.is_empty()).then_some((order, outputs, found))
        })?;
        (order, found) = (Some(tried.0), tried.2);
        output_box = [tried.1.clone(), tried.1];
    } else if possible {
        // Where a value meets its bound no enclosure tells the two apart.
        let outputs = net.evaluate_exactly(&exact)?;
        found = attained(unsafe_set, &|j, _| Some(outputs[j].clone()));
        output_box = [round_down, round_up]
            .map(|round: fn(&Rational) -> f64| outputs.iter().map(round).collect());
    }
    let output_f32 = match order {
        Some(_) => output_box[0].iter().map(|&y| y as f32).collect(),
        None => net.evaluate_f32(&single),
    };
    let (holds_in_f32, slack, polytope) = found
        .into_iter()
        .map(|(p, slack)| (holds_exactly(&unsafe_set[p], &output_f32), slack, p))
        .reduce(|best, next| if (next.0, next.1) > (best.0, best.1) { next } else { best })?;
    let output = net.evaluate(&Matrix::from_column_slice(input.len(), 1, &input));
    Some(Counterexample {
        claim,
        polytope,
        exact,
        input,
        output: output.as_slice().to_vec(),
        output_box,
        output_f32,
        own_outputs,
        holds_in_f32,
        slack,
        order,
    })
}

/// The polytopes that outputs between ends lie in, and their slack there.
fn attained(
    unsafe_set: &[Polytope],
    end: &dyn Fn(usize, bool) -> Option<Rational>,
) -> Vec<(usize, f64)> {
    unsafe_set.iter().enumerate().filter_map(|(p, set)| Some((p, slack(set, end)?))).collect()
}

/// minₕ (bₕ − aₕ·y) over all y between ends, of which the second argument asks for the upper one, exactly and then rounded down; `None` where
/// some y may lie outside the polytope.
fn slack(polytope: &Polytope, end: &dyn Fn(usize, bool) -> Option<Rational>) -> Option<f64> {
    polytope.iter().try_fold(f64::INFINITY, |least, half| {
        let mut slack = from_f64(half.bound_down)?;
        for &(j, a) in &half.coefficients {
            slack -= from_f64(a)? * end(j, a > 0.0)?;
        }
        let inside = if half.strict { slack.is_positive() } else { !slack.is_negative() };
        inside.then(|| least.min(round_down(&slack)))
    })
}

/// Whether single-precision outputs, taken as exact numbers, lie in the polytope.
fn holds_exactly(polytope: &Polytope, outputs: &[f32]) -> bool {
    let holds = |half: &HalfSpace| -> Option<bool> {
        let mut value = Rational::zero();
        for &(j, a) in &half.coefficients {
            value += from_f64(a)? * from_f64(f64::from(outputs[j]))?;
        }
        let bound = from_f64(half.bound_down)?;
        Some(if half.strict { value < bound } else { value <= bound })
    };
    polytope.iter().all(|half| holds(half).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::NetworkBuilder;
    use crate::num::parse_rational;
    use crate::spec::{Claim, Region};

    /// The network x ↦ max(x, 0) at an input that is fixed, with y ≤ b or −y ≤ −b unsafe.
    fn attained(x: &str, a: f64, bound: f64) -> bool {
        let mut b = NetworkBuilder::new(1, "x").unwrap();
        let y = b.relu(0, "y").unwrap();
        let net = b.finish(y).unwrap();
        let x = parse_rational(x).unwrap();
        let region = Region::from_bounds(&[(x.clone(), x)]).unwrap();
        let half = HalfSpace {
            coefficients: vec![(0, a)],
            bound_up: a * bound,
            bound_down: a * bound,
            strict: false,
        };
        let claim = Claim { region, unsafe_set: vec![vec![half]] };
        validate(&net, &Property { claims: vec![claim], uses_inputs: false }, 0, &[bound]).is_some()
    }

    /// The double nearest to 0.3 is below it, that to 0.1 above.
    #[test]
    fn an_input_that_is_no_double_is_enclosed() {
        for (x, down) in [("0.3", 0.3), ("0.1", 0.1f64.next_down())] {
            let up = down.next_up();
            assert!(!attained(x, 1.0, down) && !attained(x, -1.0, up));
            assert!(attained(x, 1.0, up) && attained(x, -1.0, down));
        }
    }
}
