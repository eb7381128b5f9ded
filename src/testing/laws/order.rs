//! ordered: intervals ≤ CROWN ≤ optimised slopes ≤ search, up to what is charged for rounding; and no method gives up what one that it refines has certified.

use super::{Said, Word, require, searching};
use crate::bound::{Analysis, Climb, Goal, Intermediate, Start, climb, default_slopes};
use crate::net::Matrix;
use crate::testing::case::Case;
use crate::testing::laws::Checked;
use crate::verify::Method;

/// Bounds in centre and radius form are not monotone to the last bit.
const SLACK: f64 = 1e-9;

fn slack(scale: f64) -> f64 {
    SLACK * (1.0 + scale)
}

pub(super) fn ordered(case: &Case) -> Said {
    let net = case.query().network();
    let mut comparisons = 0;
    for claim in case.query().property().claims.iter().take(2) {
        let input = claim.region.boxes();
        let [intervals, crown] = [Intermediate::Interval, Intermediate::Crown]
            .map(|how| Analysis::of_region(net, &input, how));
        // What cancels may be lost among large numbers.
        let sizes = intervals.layers.boxes.iter().map(|boxes| boxes.magnitudes().amax());
        let scale = sizes.fold(0.0, f64::max);
        if !scale.is_finite() {
            continue;
        }
        for (id, (wide, tight)) in
            intervals.layers.boxes.iter().zip(&crown.layers.boxes).enumerate()
        {
            let lower =
                wide.lower.iter().zip(tight.lower.iter()).all(|(w, t)| *w <= t + slack(scale));
            let upper =
                wide.upper.iter().zip(tight.upper.iter()).all(|(w, t)| *w >= t - slack(scale));
            require(lower && upper, || format!("CROWN is looser than intervals at node {id}"))?;
            comparisons += wide.lower.len();
        }
        for half in claim.unsafe_set.iter().flatten() {
            let row = Matrix::from_vec(net.outputs(), 1, super::dense(half, net.outputs()));
            let start = Start::Dense(&row);
            let plain = crown.lower(&row, &[0]).bounds[0];
            let goal =
                Goal { at: net.output(), start: &start, domains: &[0], targets: &[f64::INFINITY] };
            let slopes = default_slopes(&crown.sweep(), net.output(), &[0]);
            let how = Climb { iterations: 5, ..Climb::default() };
            let climbed = climb(&crown.sweep(), goal, slopes, Vec::new(), how).bounds[0];
            require(climbed >= plain - slack(scale), || {
                format!("optimised slopes give {climbed:e}, the default ones {plain:e}")
            })?;
            comparisons += 1;
        }
    }
    let mut last = None;
    for method in [Method::Ibp, Method::Crown, Method::Lp, Method::Auto] {
        let word = Word::about(case, &searching(method, 0));
        if let Some(weaker) = last {
            require(word == Word::Certified, || {
                format!("{weaker} certifies and {method} does not")
            })?;
            comparisons += 1;
        }
        if word == Word::Certified {
            last = Some(method);
        }
    }
    Ok(Checked { comparisons, skipped: None })
}
