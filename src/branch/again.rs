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

#[cfg(test)]
mod tests {
    use super::super::record::{Clip, Halves, Slab};
    use super::super::relu::Refutation;
    use super::*;
    use crate::net::{Boxes, LinearMap, Matrix, NetworkBuilder, Term};

    #[test]
    fn halves_are_those_of_the_record_and_inherit_what_held_for_both() {
        let mut builder = NetworkBuilder::new(2, "x").unwrap();
        let map = LinearMap::from_matrix(Matrix::from_row_slice(1, 2, &[1.0, -1.0]));
        let z = builder.affine(vec![Term { source: 0, map }], vec![0.0], 0, "z").unwrap();
        let y = builder.relu(z, "y").unwrap();
        let net = builder.finish(y).unwrap();
        let input = Boxes::single(&[-1.0, -1.0], &[1.0, 1.0]);
        let analysis = Analysis::of_region(&net, &input, Intermediate::Crown);
        let whole = Domain {
            claim: 0,
            step: 0,
            inherited: None,
            bound: 0.0,
            lower: [-1.0, -1.0].into(),
            upper: [1.0, 1.0].into(),
        };
        let slabs = vec![Slab { input: 1, upper: true, at: 0.5 }];
        let step = Step {
            clips: vec![Clip { slabs, how: Refutation::default() }],
            halves: Some(Halves { input: 0, at: 0.25, below: 1 }),
            ..Step::default()
        };
        let steps = [step, Step::default(), Step::default()];
        let [below, above] = halves_of(&whole, &steps, Inherited::of(&analysis, 0)).unwrap();
        assert_eq!(
            (below.step, &below.lower[..], &below.upper[..]),
            (1, &[-1.0; 2][..], &[0.25, 0.5][..])
        );
        assert_eq!(
            (above.step, &above.lower[..], &above.upper[..]),
            (2, &[0.25, -1.0][..], &[1.0, 0.5][..])
        );
        for half in [&below, &above] {
            let known = Inherited::columns(&net, &[half.inherited.as_ref()]);
            let known = known[z].as_ref().unwrap();
            assert!(known.lower[0] <= -2.0 && known.lower[0] > -2.001);
            assert!(known.upper[0] >= 2.0 && known.upper[0] < 2.001);
        }
        assert!(halves_of(&below, &steps, Inherited::of(&analysis, 0)).is_none());
    }
}
