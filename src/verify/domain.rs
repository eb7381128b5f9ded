//! Whether a network is defined on all of a property's regions: no logarithm of a number below 0, no quotient by 0, no overflow in single
//! precision.
//!
//! Where an operand may leave a function's domain nothing bounds the value, but what comes after may not depend on that; a claim that
//! holds for whatever real number stands there says nothing of a program that computes no number.

use super::{Outcome, Reason, Verdict, undecided};
use crate::bound::{Analysis, Intermediate};
use crate::net::{Boxes, Network, Op, Semantics};
use crate::query::Query;
use crate::spec::Property;

/// Parts that a region is halved into, at most, until every operand is in its domain.
const MOST_PARTS: usize = 256;

/// The outcome, without a certificate where the network may not be defined.
pub(super) fn guarded(query: &Query, outcome: Outcome) -> Outcome {
    let certified = matches!(outcome.verdict, Verdict::Certified(_));
    if certified && !stays_finite(query.network(), &query.property().of_boxes()) {
        return undecided(Reason::Overflow, outcome.bound.unwrap_or(f64::INFINITY), outcome.effort);
    }
    if !certified || is_defined(query.network(), &query.property().of_boxes()) {
        return outcome;
    }
    undecided(Reason::Undefined, outcome.bound.unwrap_or(f64::INFINITY), outcome.effort)
}

/// Whether no evaluation in single precision overflows on a property's regions, where that is asked about.
fn stays_finite(net: &Network, property: &Property) -> bool {
    net.semantics() == Semantics::Real
        || property.claims.iter().all(|claim| {
            let finite = |how| {
                let analysis = Analysis::of_region(net, &claim.region.boxes(), how);
                net.stays_finite(&analysis.layers.boxes)
            };
            finite(Intermediate::Interval) || finite(Intermediate::Crown)
        })
}

/// Whether every function is defined wherever a property's regions lead.
fn is_defined(net: &Network, property: &Property) -> bool {
    let total = |op: &Op| op.function().is_none_or(|function| function.is_total());
    if net.nodes().iter().all(|node| total(&node.op)) {
        return true;
    }
    property.claims.iter().all(|claim| {
        let mut parts = vec![claim.region.boxes()];
        let mut seen = 0;
        while let Some(part) = parts.pop() {
            let holds = |how| net.is_defined_on(&Analysis::of_region(net, &part, how).layers.boxes);
            if holds(Intermediate::Interval) || holds(Intermediate::Crown) {
                continue;
            }
            seen += 1;
            if seen > MOST_PARTS {
                return false;
            }
            parts.extend(halves(&part));
        }
        true
    })
}

/// Both halves of a box across its widest side.
fn halves(part: &Boxes) -> [Boxes; 2] {
    let width = |i: &usize| part.upper[*i] - part.lower[*i];
    let widest = (0..part.lower.len()).max_by(|i, j| width(i).total_cmp(&width(j))).unwrap_or(0);
    let middle = 0.5 * part.lower[widest] + 0.5 * part.upper[widest];
    let (mut low, mut high) = (part.clone(), part.clone());
    low.upper[widest] = middle;
    high.lower[widest] = middle;
    [low, high]
}
