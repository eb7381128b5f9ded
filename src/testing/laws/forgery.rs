//! forgery: no proof, taken from a statement that holds and changed or not, is accepted for one that a known point refutes.

use super::evidence::{Evidence, of};
use super::{Checked, ORDER, Said, points, require, searching};
use crate::attack::SplitMix64;
use crate::prove::{Mode, Question};
use crate::spec::{Claim, Property};
use crate::testing::case::Case;
use crate::testing::forged::{About, changed};
use crate::testing::oracle;
use crate::testing::values::{Upper, Values};
use crate::verify::Method;

/// Changes of one proof.
const CHANGES: usize = 30;

/// Random proofs.
const RANDOM: usize = 20;

pub(super) fn forgery(case: &Case, seed: u64) -> Said {
    let mut dice = SplitMix64::new(seed, 31);
    let property = case.query().property();
    let [claim, ..] = &property.claims[..] else { return Ok(Checked::skipped("no claims")) };
    let Some(half) = claim.unsafe_set.first().and_then(|polytope| polytope.first()) else {
        return Ok(Checked::skipped("no half-space"));
    };
    let net = case.query().network();
    if net.left_out().is_some() {
        return Ok(Checked::skipped(ORDER));
    }
    let row = super::dense(half, net.outputs());
    let about = |bound: f64, strict: bool| {
        let half =
            crate::spec::HalfSpace { bound_up: bound, bound_down: bound, strict, ..half.clone() };
        let claim = Claim { region: claim.region.clone(), unsafe_set: vec![vec![half]] };
        let property = Property { claims: vec![claim], uses_inputs: property.uses_inputs };
        case.asking(property).map_err(|error| error.to_string())
    };
    let mut comparisons = 0;
    // The least value that is known, exactly: nothing below it is claimed to be unreachable falsely.
    let known =
        points(&mut dice, &claim.region, 12).into_iter().filter(|x| claim.region.contains(x));
    let exact = |x: Vec<f64>| match Values::at(net, &x).functional(net, &row) {
        Upper::Exact(value) => Some(value.rational()),
        Upper::Rounded(_) => None,
    };
    let least = known.filter_map(exact).min();
    let Some(least) = least else {
        return Ok(Checked::skipped("no exact values"));
    };
    let [lower, upper] = [claim.region.lower(), claim.region.upper()];
    let least = oracle::affordable(net)
        .then(|| oracle::minimum(net, lower, upper, &row, &[]))
        .flatten()
        .unwrap_or(least);
    let reached = crate::num::round_up(&least);
    if !reached.is_finite() {
        return Ok(Checked::skipped("values beyond the doubles"));
    }
    let Ok(false_one) = about(reached, false)?.question() else {
        return Ok(Checked::skipped("the checker does not read the network"));
    };
    let mut rejected = |question: &Question, text: &str| {
        for mode in [Mode::Outward, Mode::Exact] {
            let accepted = question.check(text.as_bytes(), mode).is_ok();
            require(!accepted, || {
                format!(
                    "{mode:?} arithmetic accepts a proof of what is false (a value of {reached:e} is reached):\n{text}"
                )
            })?;
            comparisons += 1;
        }
        Ok::<(), String>(())
    };
    let anywhere = points(&mut dice, &claim.region, 1).swap_remove(0);
    let about_net = About::new(net, &anywhere);
    for _ in 0..RANDOM {
        rejected(&false_one, &about_net.proof(&mut dice))?;
    }
    // True by more or less, so that proofs come close.
    let scale = 1.0 + reached.abs();
    for power in [-40, -20, -4, 2] {
        let true_one = about(reached - scale * 2f64.powi(power), false)?;
        let Evidence::Proof(text) = of(&true_one, &searching(Method::Auto, seed))? else {
            continue;
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<String> = text.lines().map(String::from).collect();
        rejected(&false_one, &text)?;
        for _ in 0..CHANGES {
            rejected(&false_one, &changed(&lines, &mut dice))?;
        }
        return Ok(Checked { comparisons, skipped: None });
    }
    Ok(Checked { comparisons, skipped: None })
}
