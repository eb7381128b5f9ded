//! rounding: on R = {x} every bound is a value but for rounding, and none is above it: not the search's, nor the checker's by any arithmetic.

use super::{Checked, ORDER, Said, contains, points, require};
use crate::attack::SplitMix64;
use crate::net::{Network, Op, Term};
use crate::num::{enclosure, round_up};
use crate::prove::Mode;
use crate::spec::{Claim, HalfSpace, Polytope, Property, Region};
use crate::testing::case::Case;
use crate::testing::drift;
use crate::testing::dyadic::{self, Dyadic};
use crate::testing::values::Values;
use certus_check::float::format_hex;

/// Points of a region.
const POINTS: usize = 3;

/// Numbers beyond which nothing is asked: a property's bounds are doubles.
const MOST: f64 = 1e300;

/// A network that rounds all one way, on the point where it does.
#[must_use]
pub(super) fn subject(seed: u64) -> Case {
    let (net, x) = drift::drifting(seed);
    let region = Region::from_f64(&x, &x).expect("a generated region has finite ends");
    let half = half(vec![(0, 1.0)], 0.0);
    let claims = vec![Claim { region, unsafe_set: vec![vec![half]] }];
    Case::new(net, Property { claims, uses_inputs: false }).expect("a claim about the one output")
}

fn half(coefficients: Vec<(usize, f64)>, bound: f64) -> HalfSpace {
    HalfSpace { coefficients, bound_up: bound, bound_down: bound, strict: false }
}

pub(super) fn rounding(case: &Case, seed: u64) -> Said {
    let net = case.query().network();
    if net.left_out().is_some() {
        return Ok(Checked::skipped(ORDER));
    }
    let mut dice = SplitMix64::new(seed, 113);
    let mut checked = Checked::skipped("no exact values");
    let [claim, ..] = &case.query().property().claims[..] else { return Ok(checked) };
    let one = claim.region.lower() == claim.region.upper();
    for x in points(&mut dice, &claim.region, if one { 1 } else { POINTS }) {
        let Values::Exact(mut values) = Values::at(net, &x) else { return Ok(checked) };
        checked = checked + contains::at_point(net, &x, &mut dice)?;
        checked = checked + proofs(case, &x, &values.swap_remove(net.output()), &mut dice)?;
    }
    Ok(checked)
}

/// The checker's bounds at x, where the outputs are y.
fn proofs(case: &Case, x: &[f64], y: &[Dyadic], dice: &mut SplitMix64) -> Said {
    let net = case.query().network();
    let mut checked =
        Checked::skipped("values beyond the doubles, or a network that the checker does not read");
    let j = dice.below(y.len());
    let any: Vec<f64> = (0..y.len()).map(|_| 2.0 * dice.unit() - 1.0).collect();
    let rows = [1.0, -1.0].map(|sign| {
        let mut row = vec![0.0; y.len()];
        row[j] = sign;
        row
    });
    let mut hints = vec![String::new(), "crown\n".to_owned()];
    hints.extend(slopes(net).map(|slopes| format!("refute all slope {slopes}\n")));
    for row in rows.into_iter().chain([any]) {
        let bound = round_up(&dyadic::dot(&row, y).rational());
        if bound.abs() > MOST || bound.is_nan() {
            continue;
        }
        let coefficients = row.into_iter().enumerate().filter(|(_, a)| *a != 0.0).collect();
        let asked = about(case, x, vec![half(coefficients, bound)])?;
        checked = checked + rejected(&asked, &hints, || format!("a value of {bound:e}"))?;
    }
    // y_j lies between two doubles: many half-spaces, each true, whose weights cancel.
    let [low, high] = enclosure(&y[j].rational());
    if low.abs().max(high.abs()) < 1e100 {
        let (mut halves, mut weights) = (Vec::new(), String::from("refute 0 using"));
        for h in 0..2 + 2 * dice.below(30) {
            let (sign, end) = if h % 2 == 0 { (1.0, high) } else { (-1.0, -low) };
            let c = sign * (1.0 + dice.unit());
            let bound = round_up(&(&Dyadic::from(c) * &Dyadic::from(sign * end)).rational());
            halves.push(half(vec![(j, c)], bound));
            weights += &format!(" {h}:{}", format_hex((1.0 + dice.unit()) / c.abs()));
        }
        let asked = about(case, x, halves)?;
        checked = checked + rejected(&asked, &[weights + "\n"], || "what is reached".to_owned())?;
    }
    Ok(checked)
}

/// Whether x reaches the polytope.
fn about(case: &Case, x: &[f64], polytope: Polytope) -> Result<Case, String> {
    let region = Region::from_f64(x, x).map_err(|error| error.to_string())?;
    let claims = vec![Claim { region, unsafe_set: vec![polytope] }];
    case.asking(Property { claims, uses_inputs: false }).map_err(|error| error.to_string())
}

/// No arithmetic refutes what is true.
fn rejected(asked: &Case, hints: &[String], what: impl Fn() -> String) -> Said {
    let Ok(question) = asked.question() else { return Ok(Checked::default()) };
    let mut comparisons = 0;
    for hint in hints {
        let end = 4 + hint.lines().count();
        let text = format!("certus-proof 1\ncases 0\n{hint}refute all\nleaf\nend {end}\n");
        for mode in [Mode::Outward, Mode::Exact] {
            require(question.check(text.as_bytes(), mode).is_err(), || {
                format!("{mode:?} arithmetic refutes {}, by\n{text}", what())
            })?;
            comparisons += 1;
        }
    }
    Ok(Checked { comparisons, skipped: None })
}

/// For a chain of single neurons slopes by which the coefficient −1 of the output loses all it can: facets above, that are tight where
/// their neuron is active.
fn slopes(net: &Network) -> Option<String> {
    let (mut c, mut text) = (1.0, Vec::new());
    let mut block = net.relus().count();
    for node in net.nodes().iter().rev() {
        match &node.op {
            Op::Input => {}
            _ if node.len != 1 => return None,
            Op::Affine(affine) => {
                // What reads the inputs besides does not matter.
                let ([term] | [term, Term { source: 0, .. }]) = &affine.terms[..] else {
                    return None;
                };
                term.map.for_each_in_row(0, |_, w| c *= if w == 0.0 { 1.0 } else { w });
            }
            Op::Elementwise(..) => {
                let s = drift::slope(c);
                block -= 1;
                text.push(format!("r{block}.0:/{}", format_hex(s)));
                c *= s;
            }
        }
    }
    (!text.is_empty() && c.is_finite()).then(|| text.join(" "))
}
