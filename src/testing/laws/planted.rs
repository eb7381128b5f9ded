//! planted: where N(x*) is in the unsafe set, exactly, no search, however it splits, and no proof shows that nothing is.

use super::{Checked, ORDER, Said, Word, points, require, searching};
use crate::attack::SplitMix64;
use crate::branch::{Answer, Limits, split_inputs, split_relus};
use crate::net::{Matrix, Network, Splits};
use crate::num::enclosure;
use crate::prove::Mode;
use crate::spec::{Claim, HalfSpace, Polytope, Property};
use crate::testing::case::Case;
use crate::testing::forged::About;
use crate::testing::values::Values;
use crate::verify::Method;
use std::time::Duration;

/// Random proofs.
const PROOFS: usize = 15;

/// The outputs near y, each within so many units of its size: a needle that only inputs near one point reach.
fn needle(y: &[[f64; 2]], width: f64) -> Polytope {
    let half = |j: usize, sign: f64, bound: f64| HalfSpace {
        coefficients: vec![(j, sign)],
        bound_up: bound,
        bound_down: bound,
        strict: false,
    };
    let both = |(j, [low, high]): (usize, &[f64; 2])| {
        let by = width * (1.0 + low.abs());
        [half(j, 1.0, high + by), half(j, -1.0, -(low - by))]
    };
    y.iter().enumerate().flat_map(both).collect()
}

/// A point between two, at which a pre-activation that has another sign at each is next to 0.
fn beside_a_kink(
    net: &Network,
    mut a: Vec<f64>,
    mut b: Vec<f64>,
    dice: &mut SplitMix64,
) -> Option<Vec<f64>> {
    let relus: Vec<usize> = net.relus().map(|(_, z)| z).collect();
    let z = *relus.get(dice.below(relus.len()))?;
    let i = dice.below(net.node(z).len);
    let value = |x: &[f64]| net.forward(&Matrix::from_column_slice(x.len(), 1, x)).node(z)[i];
    let below = value(&a) < 0.0;
    if below == (value(&b) < 0.0) {
        return None;
    }
    for _ in 0..4 + dice.below(24) {
        let middle: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 0.5 * a + 0.5 * b).collect();
        if (value(&middle) < 0.0) == below { a = middle } else { b = middle }
    }
    Some(if dice.below(2) == 0 { a } else { b })
}

pub(super) fn planted(case: &Case, seed: u64) -> Said {
    let mut dice = SplitMix64::new(seed, 91);
    let (net, property) = (case.query().network(), case.query().property());
    let [claim, ..] = &property.claims[..] else { return Ok(Checked::skipped("no claims")) };
    if net.left_out().is_some() {
        return Ok(Checked::skipped(ORDER));
    }
    let mut comparisons = 0;
    for width in [0.0, 2f64.powi(-30), 2f64.powi(-12), 2f64.powi(-7)] {
        let mut point = points(&mut dice, &claim.region, 1).swap_remove(0);
        match dice.below(3) {
            // Where domains meet, or next to there: halves of halves, of one input at least.
            0 => {
                let next = 2f64.powi(-(4 + dice.below(20) as i32)) * dice.below(3) as f64;
                let eighths = if dice.below(2) == 0 { 4 } else { dice.below(9) };
                let share = eighths as f64 / 8.0 + next * dice.sign();
                let i = dice.below(point.len());
                let (l, u) = (claim.region.lower()[i], claim.region.upper()[i]);
                point[i] = (l + (u - l) * share).clamp(l, u);
            }
            // Where a neuron is hardly active, or hardly not.
            1 => {
                let other = points(&mut dice, &claim.region, 1).swap_remove(0);
                if let Some(near) = beside_a_kink(net, point.clone(), other, &mut dice) {
                    point = near;
                }
            }
            _ => {}
        }
        if !claim.region.contains(&point) {
            continue;
        }
        let y: Option<Vec<[f64; 2]>> = match Values::at(net, &point) {
            Values::Exact(values) => {
                Some(values[net.output()].iter().map(|y| enclosure(&y.rational())).collect())
            }
            Values::Enclosed(boxes) => {
                let boxes = &boxes[net.output()];
                Some(boxes.lower.iter().zip(boxes.upper.iter()).map(|(l, u)| [*l, *u]).collect())
            }
        };
        let Some(y) = y.filter(|y| y.iter().flatten().all(|end| end.abs() < 1e300)) else {
            continue;
        };
        let unsafe_set = vec![needle(&y, width)];
        let asked = Claim { region: claim.region.clone(), unsafe_set };
        let property = Property { claims: vec![asked], uses_inputs: property.uses_inputs };
        let asked = case.asking(property).map_err(|error| error.to_string())?;
        for (how, word) in verdicts(&asked, seed) {
            require(word != Word::Certified, || {
                format!(
                    "{how} certifies, and x = {point:?} violates the claim: its outputs are {y:?}"
                )
            })?;
            comparisons += 1;
        }
        let Ok(question) = asked.question() else { continue };
        let about = About::new(net, &point);
        for _ in 0..PROOFS {
            let text = about.proof(&mut dice);
            for mode in [Mode::Outward, Mode::Exact] {
                let accepted = question.check(text.as_bytes(), mode).is_ok();
                require(!accepted, || {
                    format!(
                        "{mode:?} arithmetic accepts a proof of what x = {point:?} refutes:\n{text}"
                    )
                })?;
                comparisons += 1;
            }
        }
    }
    Ok(Checked {
        comparisons,
        skipped: (comparisons == 0).then_some("no point with exact outputs"),
    })
}

/// The verdicts of bounds and searches that no attack helps.
fn verdicts(case: &Case, seed: u64) -> Vec<(&'static str, Word)> {
    let (net, property) = (case.query().network(), case.query().property());
    let limits =
        Limits { domains: 200, ..Limits::starting_now(Some(Duration::from_secs(1)), &|| false) };
    let word = |answer: &Answer| match answer {
        Answer::Proved => Word::Certified,
        Answer::Refuted(_) => Word::Falsified,
        Answer::Open(_) => Word::Unknown,
    };
    let brief = |method| crate::verify::Settings { work: Some(2e6), ..searching(method, seed) };
    let mut words = vec![
        ("crown", Word::about(case, &searching(Method::Crown, seed))),
        ("search", Word::about(case, &brief(Method::Auto))),
        ("splitting inputs", word(&split_inputs(net, property, &limits, None, &mut []).answer)),
    ];
    let splits =
        |node: &crate::net::Node| node.op.function().is_none_or(|f| f.splits() != Splits::Never);
    if net.nodes().iter().all(splits) {
        let searched = split_relus(net, property, &limits, None, (vec![None; 1], &mut []));
        words.push(("splitting neurons", word(&searched.answer)));
    }
    words
}
