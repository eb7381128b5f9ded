//! Recorded trees of input splits whose bounds a checker could not repeat, as it has sweeps only: their leaves are proved again.

use super::inherit::Inherited;
use super::input::{BATCHES, Search, batch_size, explore, hull};
use super::leaf::{Bounder, Domain};
use super::record::{Record, Step};
use super::{Limits, Searched};
use crate::bound::{Analysis, Functionals, Intermediate};
use crate::net::Network;
use crate::spec::Property;
use rayon::prelude::*;
use std::collections::BinaryHeap;

/// Proves the leaves of recorded trees again, by sweeps of every neuron instead of forward bounds, and halves them where these do not
/// suffice: a checker only has sweeps. `roots` are the trees' first steps, each with its claim.
pub fn prove_leaves_by_sweeps(
    net: &Network,
    property: &Property,
    roots: &[(usize, u32)],
    record: &mut Record,
    limits: &Limits,
) -> Searched {
    let functionals: Vec<Functionals> =
        property.claims.iter().map(|claim| Functionals::of(claim, net.outputs())).collect();
    let charges = Analysis::of_region(net, &hull(net, property), Intermediate::Interval).charges;
    let bounder = Bounder::by_sweeps(net, &functionals, charges, true);
    let search = Search { net, property, bounder: &bounder };
    let root = |&(claim, step): &(usize, u32)| {
        let region = &property.claims[claim].region;
        let (lower, upper) = (region.lower().into(), region.upper().into());
        let (claim, inherited, bound) = (claim as u32, None, f64::NEG_INFINITY);
        Domain { claim, step, inherited, bound, lower, upper }
    };
    let mut next: Vec<Domain> = roots.iter().map(root).collect();
    let mut open = BinaryHeap::new();
    // A leaf's bounds depend on those that it inherits, and tighter ones need not lead to a better one: all are found again.
    while limits.passed().is_none() && !next.is_empty() {
        let batch = next.split_off(next.len().saturating_sub(batch_size(net) * BATCHES));
        let leaf = |domain: &Domain| record.steps[domain.step as usize].halves.is_none();
        let (leaves, inner): (Vec<_>, Vec<_>) = batch.into_iter().partition(leaf);
        for leaf in leaves {
            record.steps[leaf.step as usize].forget();
            open.push(leaf);
        }
        let steps = &record.steps;
        let chunk = inner.len().div_ceil(BATCHES).max(1);
        let halves = |chunk: &[Domain]| {
            let analysis = bounder.analyse(chunk);
            let of = |(d, domain)| halves_of(domain, steps, Inherited::of(&analysis, d));
            chunk.iter().enumerate().filter_map(of).flatten().collect::<Vec<Domain>>()
        };
        next.par_extend(inner.par_chunks(chunk).flat_map_iter(halves));
    }
    explore(&search, open, limits, &mut None, Some(record))
}

/// The halves of a domain as the record has them.
fn halves_of(domain: &Domain, steps: &[Step], inherited: Inherited) -> Option<[Domain; 2]> {
    let step = &steps[domain.step as usize];
    let halves = step.halves?;
    let whole = Domain { inherited: Some(inherited), ..domain.clone() };
    let [mut below, mut above] = [0, 1].map(|k| Domain { step: halves.below + k, ..whole.clone() });
    for slab in step.clips.iter().flat_map(|clip| &clip.slabs) {
        for half in [&mut below, &mut above] {
            let ends = if slab.upper { &mut half.upper } else { &mut half.lower };
            ends[slab.input as usize] = slab.at;
        }
    }
    below.upper[halves.input as usize] = halves.at;
    above.lower[halves.input as usize] = halves.at;
    Some([below, above])
}
