//! Which neuron to split: a few candidates by how far their lines are from the ReLU, then the one whose children have the
//! best bounds (filtered smart branching, De Palma et al. 2021).

use super::INNER;
use super::batch::{Bounded, Goals};
use super::domain::{Domain, Known, Split, known_of};
use crate::bound::{Analysis, Climb, Climbed, SplitLift, work_of_sweep};
use crate::branch::doubt::Neuron;
use crate::net::{Lines, NodeId};
use std::sync::Arc;

/// Candidates whose children are bounded before one is chosen: many near the root, where a good choice pays most.
fn candidates_at(depth: usize) -> usize {
    if depth < 6 { 12 } else { 8 }
}

/// Where a domain might be split.
struct Place {
    node: NodeId,
    element: usize,
    at: f64,
}

impl Place {
    fn side(&self, active: bool) -> Split {
        let &Self { node, element, at } = self;
        Split { node, element, at, active }
    }
}

impl Goals<'_> {
    /// Splits each undecided domain at the neuron whose children have the best bounds among a few candidates; `None` where no
    /// neuron is left.
    pub(super) fn split(&self, domains: &[Domain], bounded: &Bounded) -> Vec<Option<[Domain; 2]>> {
        let Bounded { analysis, climbed, undecided, .. } = bounded;
        if undecided.is_empty() {
            return Vec::new();
        }
        let candidates = self.candidates(analysis, domains, climbed, undecided);
        // Bound both children of every candidate once, at the parent's multipliers.
        let mut children: Vec<(usize, Split)> = Vec::new();
        for (&d, candidates) in undecided.iter().zip(&candidates) {
            for place in candidates {
                children.extend([true, false].map(|active| (d, place.side(active))));
            }
        }
        let mut known: Vec<Option<Known>> = vec![None; domains.len()];
        undecided.iter().for_each(|&d| known[d] = Some(known_of(analysis, &self.unstable, d)));
        let bounds = self.screen(domains, &known, climbed, &children);
        let mut next = 0;
        let mut split = Vec::with_capacity(undecided.len());
        for (&d, candidates) in undecided.iter().zip(&candidates) {
            let pairs: Vec<f64> = bounds[next..next + 2 * candidates.len()]
                .chunks_exact(2)
                .map(|pair| pair[0].min(pair[1]) + 0.1 * pair[0].max(pair[1]))
                .collect();
            next += 2 * candidates.len();
            let best = (0..candidates.len()).max_by(|&a, &b| pairs[a].total_cmp(&pairs[b]));
            let (Some(best), Some(known)) = (best, known[d].take()) else {
                split.push(None);
                continue;
            };
            let splits = [true, false].map(|active| candidates[best].side(active));
            split.push(Some(self.children(&domains[d], d, climbed, splits, known)));
        }
        split
    }

    /// Multiplications of choosing splits of so many domains, about.
    pub(super) fn work_of_choice(&self, domains: usize) -> f64 {
        (2 * candidates_at(0) * domains) as f64 * work_of_sweep(self.root.net, self.at)
    }

    /// The unfixed neurons whose lines are farthest from the ReLU at the bound's minimiser, weighted by their coefficient.
    fn candidates(
        &self,
        analysis: &Analysis,
        domains: &[Domain],
        climbed: &Climbed,
        undecided: &[usize],
    ) -> Vec<Vec<Place>> {
        let gap = |&(id, z, i): &Neuron, d: usize| {
            let boxes = &analysis.layers.boxes[z];
            let (l, u) = (boxes.lower[(i, d)], boxes.upper[(i, d)]);
            let means = &climbed.means;
            let (Some(a), Some(y), Some(z)) =
                (&means.coefficients[id], &means.values[id], &means.values[z])
            else {
                return 0.0;
            };
            let (a, y, z) = (a[(i, d)], y[(i, d)], z[(i, d)]);
            let op = &analysis.net.node(id).op;
            let lines = analysis.layers.relaxation(analysis.net, id);
            let (Some(function), Some(lines)) = (op.function(), lines) else { return 0.0 };
            if !function.splits().divide(l, u) {
                return 0.0;
            }
            let height = if op.relu().is_some() {
                (-l) * u / (u - l)
            } else {
                let middle = 0.5 * l + 0.5 * u;
                let at = |l: &Lines| l.slopes[0][(i, d)] * middle + l.intercept[(i, d)];
                at(&lines.upper) - at(&lines.lower)
            };
            let value = function.at(&[z]);
            (a * (y - value)).abs() + 0.1 * a.abs() * height + f64::MIN_POSITIVE
        };
        let best = |&d: &usize| {
            let scored = self.unstable.iter().map(|n| (gap(n, d), n));
            let mut scored: Vec<(f64, &Neuron)> = scored.filter(|s| s.0 > 0.0).collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
            let most = candidates_at(domains[d].splits.len());
            let places = |&(id, node, element): &Neuron| {
                let boxes = &analysis.layers.boxes[node];
                let (l, u) = (boxes.lower[(element, d)], boxes.upper[(element, d)]);
                let function = analysis.net.node(id).op.function();
                let places = function.into_iter().flat_map(move |f| f.splits().points(l, u));
                places.flatten().map(move |at| Place { node, element, at })
            };
            scored.into_iter().take(most).flat_map(|s| places(s.1)).collect()
        };
        undecided.iter().map(best).collect()
    }

    /// Bounds of children by one sweep each, at the parent's multipliers and intermediate bounds.
    fn screen(
        &self,
        domains: &[Domain],
        known: &[Option<Known>],
        climbed: &Climbed,
        children: &[(usize, Split)],
    ) -> Vec<f64> {
        let mut bounds = Vec::with_capacity(children.len());
        for part in children.chunks(64) {
            let paths: Vec<Vec<Split>> = part
                .iter()
                .map(|(d, split)| [domains[*d].splits.as_slice(), &[*split]].concat())
                .collect();
            let parts = part.iter().zip(&paths).map(|((d, _), path)| {
                (known[*d].as_ref().expect("of an undecided domain"), path.as_slice())
            });
            let analysis = self.analyse(parts, &vec![None; part.len()]);
            let parents: Vec<usize> = part.iter().map(|c| c.0).collect();
            let slopes = climbed
                .slopes
                .iter()
                .map(|s| s.as_ref().map(|s| s.select_columns(&parents)))
                .collect();
            let lifts = part.iter().enumerate().flat_map(|(column, (d, _))| {
                climbed
                    .lifts
                    .iter()
                    .filter(move |l| l.column == *d)
                    .map(move |l| SplitLift { column, ..*l })
            });
            let once = Climb { iterations: 1, memory: None, ..INNER };
            let goals: Vec<usize> = part.iter().map(|c| domains[c.0].goal as usize).collect();
            let lifts = lifts.collect();
            bounds.extend(self.climb_from(&analysis, &goals, slopes, lifts, once).bounds);
        }
        bounds
    }

    fn children(
        &self,
        parent: &Domain,
        d: usize,
        climbed: &Climbed,
        splits: [Split; 2],
        known: Known,
    ) -> [Domain; 2] {
        let slope = |&(relu, _, i): &Neuron| {
            climbed.slopes[relu].as_ref().map_or(0.0, |s| s[(i, d)] as f32)
        };
        let slopes: Arc<[f32]> = self.unstable.iter().map(slope).collect();
        let mut lifts: Vec<f32> =
            climbed.lifts.iter().filter(|l| l.column == d).map(|l| l.size as f32).collect();
        lifts.push(0.0);
        splits.map(|split| Domain {
            bound: climbed.bounds[d].max(parent.bound),
            goal: parent.goal,
            node: 0,
            splits: [parent.splits.as_slice(), &[split]].concat(),
            lifts: lifts.clone(),
            slopes: slopes.clone(),
            known: known.clone(),
        })
    }
}
