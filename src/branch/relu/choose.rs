//! Which neuron to split: a few candidates by how far their lines are from the ReLU, then the one whose children have the
//! best bounds (filtered smart branching, De Palma et al. 2021).

use super::domain::{Domain, Known, Split, known_of};
use super::{Batch, INNER, Neuron, Search, columns_of};
use crate::bound::{Analysis, Climb, Climbed, Goal, Multipliers, SplitLift, Start, climb, primal};
use crate::net::NodeId;
use std::sync::Arc;

/// Candidates whose children are bounded before one is chosen: many near the root, where a good choice pays most.
fn candidates_at(depth: usize) -> usize {
    if depth < 6 { 12 } else { 4 }
}

impl Search<'_> {
    /// Splits each undecided domain at the neuron whose children have the best bounds among a few candidates.
    pub(super) fn split(
        &self,
        analysis: &Analysis,
        domains: &[Domain],
        climbed: &Climbed,
        undecided: &[usize],
        result: &mut Batch,
    ) {
        if undecided.is_empty() {
            return;
        }
        let candidates = self.candidates(analysis, domains, climbed, undecided);
        // Bound both children of every candidate once, at the parent's multipliers.
        let mut children: Vec<(usize, Split)> = Vec::new();
        for (&d, candidates) in undecided.iter().zip(&candidates) {
            for &(node, element) in candidates {
                children.extend([true, false].map(|active| (d, Split { node, element, active })));
            }
        }
        let mut known: Vec<Option<Known>> = vec![None; domains.len()];
        undecided.iter().for_each(|&d| known[d] = Some(known_of(analysis, &self.unstable, d)));
        let bounds = self.screen(domains, &known, climbed, &children);
        let mut next = 0;
        for (&d, candidates) in undecided.iter().zip(&candidates) {
            let pairs: Vec<f64> = bounds[next..next + 2 * candidates.len()]
                .chunks_exact(2)
                .map(|pair| pair[0].min(pair[1]) + 0.1 * pair[0].max(pair[1]))
                .collect();
            next += 2 * candidates.len();
            let best = (0..candidates.len()).max_by(|&a, &b| pairs[a].total_cmp(&pairs[b]));
            let (Some(best), Some(known)) = (best, known[d].take()) else {
                result.stuck += 1;
                continue;
            };
            let (node, element) = candidates[best];
            let splits = [true, false].map(|active| Split { node, element, active });
            if self.care.is_some() {
                result.split.push((domains[d].step, splits[0]));
            }
            result.children.extend(self.children(&domains[d], d, climbed, splits, known));
        }
    }

    /// The unfixed neurons whose lines are farthest from the ReLU at the bound's minimiser, weighted by their coefficient.
    fn candidates(
        &self,
        analysis: &Analysis,
        domains: &[Domain],
        climbed: &Climbed,
        undecided: &[usize],
    ) -> Vec<Vec<(NodeId, usize)>> {
        let slopes: Vec<_> = climbed
            .slopes
            .iter()
            .map(|s| s.as_ref().map(|s| s.select_columns(&climbed.last_columns)))
            .collect();
        let multipliers = Multipliers { slopes, lifts: Vec::new() };
        let (sweep, at) = (analysis.sweep(), self.net.output());
        let values = primal(&sweep, at, &climbed.last, &climbed.last_columns, &multipliers);
        let gap = |&(relu, z, i): &Neuron, d: usize, column: usize| {
            let boxes = &analysis.layers.boxes[z];
            let (l, u) = (boxes.lower[(i, d)], boxes.upper[(i, d)]);
            let (Some(a), Some(z_values)) = (&climbed.last.trace[relu], &values[z]) else {
                return 0.0;
            };
            let (a, z) = (a[(i, column)], z_values[(i, column)]);
            if l >= 0.0 || u <= 0.0 {
                return 0.0;
            }
            let relu_value = z.max(0.0);
            let slope = climbed.slopes[relu].as_ref().map_or(0.0, |s| s[(i, d)]);
            let line = if a < 0.0 { u * (z - l) / (u - l) } else { slope * z };
            let triangle = a.abs() * (-l) * u / (u - l);
            (a * (line - relu_value)).abs() + 0.1 * triangle + f64::MIN_POSITIVE
        };
        let best = |(&d, column): (&usize, usize)| {
            let scored = self.unstable.iter().map(|n| (gap(n, d, column), (n.1, n.2)));
            let mut scored: Vec<(f64, (NodeId, usize))> = scored.filter(|s| s.0 > 0.0).collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let most = candidates_at(domains[d].splits.len());
            scored.into_iter().take(most).map(|s| s.1).collect()
        };
        undecided.iter().zip(columns_of(climbed, undecided)).map(best).collect()
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
            let analysis = self.analyse(parts, &vec![NodeId::MAX; part.len()]);
            let parents: Vec<usize> = part.iter().map(|c| c.0).collect();
            let slopes = climbed
                .slopes
                .iter()
                .map(|s| s.as_ref().map(|s| s.select_columns(&parents)))
                .collect();
            let columns: Vec<usize> = (0..part.len()).collect();
            let lifts = part.iter().enumerate().flat_map(|(column, (d, _))| {
                climbed
                    .lifts
                    .iter()
                    .filter(move |l| l.column == *d)
                    .map(move |l| SplitLift { column, ..*l })
            });
            let rows = self.row.select_columns(&vec![0; part.len()]);
            let sweep = analysis.sweep();
            let once = Climb { iterations: 1, ..INNER };
            let targets = vec![self.target; part.len()];
            let start = Start::Dense(&rows);
            let goal =
                Goal { at: self.net.output(), start: &start, domains: &columns, targets: &targets };
            bounds.extend(climb(&sweep, goal, slopes, lifts.collect(), once).bounds);
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
            step: 0,
            splits: [parent.splits.as_slice(), &[split]].concat(),
            lifts: lifts.clone(),
            slopes: slopes.clone(),
            known: known.clone(),
        })
    }
}
