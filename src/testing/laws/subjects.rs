//! Random cases: networks with claims whose truth is in doubt, and which of them suit a law.

use super::{Law, circuit, dense, rounding};
use crate::attack::SplitMix64;
use crate::net::{LinearMap, Matrix, Network, NetworkBuilder};
use crate::spec::{Claim, HalfSpace, Property, Region};
use crate::testing::case::Case;
use crate::testing::nets::{self, Choices, Kind};
use crate::testing::truth::Known;

impl Law {
    /// A random case that suits the law.
    #[must_use]
    pub fn subject(self, seed: u64) -> Case {
        let mut dice = SplitMix64::new(seed, 0x5eed);
        match (self, dice.below(8)) {
            (Self::Contains, 0..3) => circuit(seed),
            (Self::Contains, 3..5) => random(seed, Kind::Hostile),
            (Self::Contains | Self::Ordered | Self::Monotone | Self::Halves, 5) => {
                random(seed, Kind::Rational)
            }
            (Self::Contains | Self::Ordered | Self::Agreement, 6) => random(seed, Kind::Curves),
            (Self::Readers, 0..2) => random(seed, Kind::Hostile),
            (Self::Evidence, 0) => circuit(seed),
            (Self::Edge, 0..4) | (Self::Agreement | Self::Planted | Self::Evidence, 4) => {
                random(seed, Kind::Fine)
            }
            (Self::Rounding, 0..6) => rounding::subject(seed),
            (Self::Rounding, 6) => circuit(seed),
            (Self::Rounding, _) => random(seed, Kind::Hostile),
            (Self::Forgery, 0..5) | (Self::Planted, 0..3) => circuit(seed),
            (Self::Planted, 3) => random(seed, Kind::Curves),
            (Self::Truth, _) => Known::random(seed).case,
            (Self::Evidence | Self::Agreement | Self::Halves, 7) => {
                in_decimals(random(seed, Kind::Relu), &mut dice)
            }
            _ => random(seed, Kind::Relu),
        }
    }
}

/// A random network with a claim whose truth is in doubt: its bound is near the least value at some points.
#[must_use]
pub fn random(seed: u64, kind: Kind) -> Case {
    let mut dice = SplitMix64::new(seed, 1);
    let words: Vec<u32> = (0..1 + dice.below(63)).map(|_| dice.next_u64() as u32).collect();
    let mut choices = Choices::new(&words);
    let network = nets::network(&mut choices, kind);
    let (mut lower, mut upper, points) = nets::region(&mut choices, network.inputs());
    if kind == Kind::Fine {
        lower.iter_mut().for_each(|l| *l -= choices.little());
        upper.iter_mut().for_each(|u| *u += choices.little());
    }
    let row = nets::functionals(&mut choices, network.outputs(), 1);
    in_doubt(network, [lower, upper], &points, row.as_slice(), &mut dice)
}

/// The same question in the form that all verifiers of the competition read: closed half-spaces of single outputs, which are the left sides
/// of those there were.
#[must_use]
pub fn plainly(case: Case) -> Case {
    let net = case.query().network();
    let [claim] = &case.query().property().claims[..] else { return case };
    if net.left_out().is_some() || case.query().property().uses_inputs {
        return case;
    }
    let halves: Vec<&HalfSpace> = claim.unsafe_set.iter().flatten().collect();
    let rows =
        Matrix::from_fn(halves.len(), net.outputs(), |k, j| dense(halves[k], net.outputs())[j]);
    let mut count = 0;
    let single = |half: &HalfSpace| {
        count += 1;
        HalfSpace { coefficients: vec![(count - 1, 1.0)], strict: false, ..half.clone() }
    };
    let mut single = single;
    let unsafe_set = claim
        .unsafe_set
        .iter()
        .map(|polytope| polytope.iter().map(&mut single).collect())
        .collect();
    let last = NetworkBuilder::new(net.outputs(), "y").and_then(|mut b| {
        let sides = b.linear(0, LinearMap::from_matrix(rows), "left sides")?;
        b.finish(sides)?.after(net.clone())
    });
    let claims = vec![Claim { region: claim.region.clone(), unsafe_set }];
    let property = Property { claims, uses_inputs: false };
    last.ok().and_then(|network| Case::new(network, property).ok()).unwrap_or(case)
}

/// The case with ends that are decimals and no doubles, some inputs fixed to one.
fn in_decimals(case: Case, dice: &mut SplitMix64) -> Case {
    let [claim] = &case.query().property().claims[..] else { return case };
    let Some((model, property)) = case.model().zip(case.property()) else { return case };
    let mut text = property.to_owned();
    for (i, (l, u)) in claim.region.lower().iter().zip(claim.region.upper()).enumerate() {
        let (tenth, width) =
            ((10.0 * l).round() + 0.0, dice.below(3) as f64 * (u - l).abs().round());
        let decimal = |tenths: f64| {
            format!(
                "{}{}.{}",
                if tenths < 0.0 { "-" } else { "" },
                (tenths.abs() / 10.0).floor(),
                tenths.abs() % 10.0
            )
        };
        for (sign, end) in [(">=", tenth), ("<=", tenth + width)] {
            let lines = text.lines().map(|line| {
                match line.starts_with(&format!("(assert ({sign} X_{i} ")) {
                    true => format!("(assert ({sign} X_{i} {}))", decimal(end)),
                    false => line.to_owned(),
                }
            });
            text = lines.collect::<Vec<_>>().join("\n");
        }
    }
    Case::of_bytes(model, &text).unwrap_or(case)
}

/// The claim that a functional stays above a number near its least value at some points; now and then with a second half-space or polytope.
pub(super) fn in_doubt(
    network: Network,
    [lower, upper]: [Vec<f64>; 2],
    points: &[Vec<f64>],
    row: &[f64],
    dice: &mut SplitMix64,
) -> Case {
    let batch = Matrix::from_fn(network.inputs(), points.len(), |i, p| points[p][i]);
    let values = network.evaluate(&batch);
    let least = |row: &[f64]| {
        let value = |y: usize| row.iter().enumerate().map(|(j, a)| a * values[(j, y)]).sum::<f64>();
        (0..points.len()).map(value).fold(f64::INFINITY, f64::min)
    };
    let mut half = |row: &[f64]| {
        let step = (dice.below(11) as f64 - 5.0) / 16.0;
        let bound = least(row) + if dice.below(3) == 0 { 0.0 } else { step };
        let coefficients = row.iter().copied().enumerate().filter(|(_, a)| *a != 0.0).collect();
        let bound = if bound.is_finite() { bound } else { 0.0 };
        HalfSpace { coefficients, bound_up: bound, bound_down: bound, strict: dice.below(4) == 0 }
    };
    let turned: Vec<f64> = row.iter().rev().map(|a| -a).collect();
    let unsafe_set = match half(row) {
        first if first.bound_up.to_bits() % 5 == 0 => vec![vec![first, half(&turned)]],
        first if first.bound_up.to_bits() % 5 == 1 => vec![vec![first], vec![half(&turned)]],
        first => vec![vec![first]],
    };
    let region = Region::from_f64(&lower, &upper).unwrap_or_else(|_| {
        Region::from_f64(&lower, &lower).expect("a generated region has finite ends")
    });
    let property = Property { claims: vec![Claim { region, unsafe_set }], uses_inputs: false };
    Case::new(network, property).expect("a generated property fits its network")
}
