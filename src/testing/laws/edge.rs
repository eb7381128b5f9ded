//! edge: with m = min aᵀN over R, exactly: aᵀy ≤ b is reachable exactly if m ≤ b, for b at m and next to it; no bound is above m.

use super::{Checked, ORDER, Said, Word, require, searching, settings};
use crate::bound::{Analysis, Climb, Goal, Intermediate, Start, climb, default_slopes};
use crate::branch::{Answer, Limits, Searched, split_inputs, split_relus};
use crate::net::Matrix;
use crate::num::{Rational, enclosure, from_f64};
use crate::spec::{Claim, HalfSpace, Property};
use crate::testing::case::Case;
use crate::testing::oracle;
use crate::verify::Method;
use std::time::Duration;

pub(super) fn edge(case: &Case, seed: u64) -> Said {
    let (net, property) = (case.query().network(), case.query().property());
    let [claim, ..] = &property.claims[..] else { return Ok(Checked::skipped("no claims")) };
    let Some(half) = claim.unsafe_set.first().and_then(|polytope| polytope.first()) else {
        return Ok(Checked::skipped("no half-space"));
    };
    if net.left_out().is_some() {
        return Ok(Checked::skipped(ORDER));
    }
    if !oracle::affordable(net) {
        return Ok(Checked::skipped("too large for an exact minimum"));
    }
    let row = super::dense(half, net.outputs());
    let [lower, upper] = [claim.region.lower(), claim.region.upper()];
    let Some(least) = oracle::minimum(net, lower, upper, &row, &[]) else {
        return Err("an exact minimum over no points".to_owned());
    };
    let mut comparisons = bounds(case, claim, &row, &least)?;
    let [down, up] = enclosure(&least);
    let near = 2f64.powi(-20) * (1.0 + up.abs());
    let bounds = [
        (down, true),
        (up, false),
        (up, true),
        (down, false),
        (down.next_down(), false),
        (up.next_up(), true),
        (up + near, false),
        (down - near, false),
    ];
    for (bound, strict) in bounds {
        let Some(exact) = from_f64(bound) else { continue };
        let reachable = if strict { least < exact } else { least <= exact };
        let half = HalfSpace { bound_up: bound, bound_down: bound, strict, ..half.clone() };
        let claim = Claim { region: claim.region.clone(), unsafe_set: vec![vec![half]] };
        let property = Property { claims: vec![claim], uses_inputs: property.uses_inputs };
        let asked = case.asking(property).map_err(|error| error.to_string())?;
        for (how, word) in verdicts(&asked, seed) {
            let relation = if strict { "<" } else { "≤" };
            require(word != if reachable { Word::Certified } else { Word::Falsified }, || {
                format!(
                    "{how}: {word:?}, but the exact minimum is {} and the unsafe set {relation} {bound:e}",
                    crate::num::round_nearest(&least)
                )
            })?;
            comparisons += 1;
        }
    }
    Ok(Checked { comparisons, skipped: None })
}

/// No bound is above the minimum.
fn bounds(case: &Case, claim: &Claim, row: &[f64], least: &Rational) -> Result<usize, String> {
    let net = case.query().network();
    let rows = Matrix::from_column_slice(row.len(), 1, row);
    let (input, start) = (claim.region.boxes(), Start::Dense(&rows));
    let mut comparisons = 0;
    let mut admits = |how: &str, bound: f64| {
        comparisons += 1;
        let holds =
            bound == f64::NEG_INFINITY || from_f64(bound).is_some_and(|bound| bound <= *least);
        require(holds, || {
            format!(
                "{how}: the bound {bound:e} is above the exact minimum {:e}",
                crate::num::round_nearest(least)
            )
        })
    };
    for how in [Intermediate::Interval, Intermediate::Crown] {
        let analysis = Analysis::of_region(net, &input, how);
        admits("CROWN", analysis.lower(&rows, &[0]).bounds[0])?;
        let goal =
            Goal { at: net.output(), start: &start, domains: &[0], targets: &[f64::INFINITY] };
        let slopes = default_slopes(&analysis.sweep(), net.output(), &[0]);
        admits(
            "α-CROWN",
            climb(&analysis.sweep(), goal, slopes, Vec::new(), Climb::default()).bounds[0],
        )?;
    }
    Ok(comparisons)
}

fn verdicts(case: &Case, seed: u64) -> Vec<(&'static str, Word)> {
    let query = case.query();
    let limits =
        Limits { domains: 150, ..Limits::starting_now(Some(Duration::from_secs(2)), &|| false) };
    let word = |searched: Searched| match searched.answer {
        Answer::Proved => Word::Certified,
        Answer::Refuted(_) => Word::Falsified,
        Answer::Open(_) => Word::Unknown,
    };
    let (net, property) = (query.network(), query.property());
    vec![
        ("intervals", Word::about(case, &searching(Method::Ibp, seed))),
        ("lp", Word::about(case, &searching(Method::Lp, seed))),
        (
            "attacks and search",
            Word::about(
                case,
                &crate::verify::Settings { work: Some(2e6), ..settings(Method::Auto, seed) },
            ),
        ),
        ("splitting inputs", word(split_inputs(net, property, &limits, None, &mut []))),
        (
            "splitting neurons",
            word(split_relus(net, property, &limits, None, (vec![None; 1], &mut []))),
        ),
    ]
}
