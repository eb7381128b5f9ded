//! The tree of a search by input splitting, kept where a proof is to be written from it.

use super::clip::{Cut, clip};
use crate::bound::{Analysis, Charges};
use crate::net::{Boxes, Matrix, Network, Op};
use crate::num::UNIT;
use std::sync::Arc;

/// A new end of an input's interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slab {
    /// The input.
    pub input: u32,
    /// Whether it is the upper end.
    pub upper: bool,
    /// The end.
    pub at: f64,
}

/// A box cut in two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Halves {
    /// The input.
    pub input: u32,
    /// Where.
    pub at: f64,
    /// The step of the half below; that of the half above follows it.
    pub below: u32,
}

/// What was done with one domain; without halves, its bounds proved it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// Ends that its bounds moved, before it was halved.
    pub clips: Vec<Slab>,
    /// Its halves.
    pub halves: Option<Halves>,
}

/// Every step of a search; the first ones are the roots, one for each claim in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Record {
    /// A step for each of so many claims.
    pub(super) fn begin(&mut self, claims: usize) {
        self.steps = vec![Step::default(); claims];
    }

    /// Notes that a domain was halved; returns the steps of its halves.
    pub(super) fn halve(&mut self, note: Note) -> [u32; 2] {
        let below = self.steps.len() as u32;
        self.steps.extend([Step::default(), Step::default()]);
        let halves = Some(Halves { input: note.input, at: note.at, below });
        self.steps[note.step as usize] = Step { clips: note.clips, halves };
        [below, below + 1]
    }
}

/// A domain that a batch halved.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub step: u32,
    pub clips: Vec<Slab>,
    pub input: u32,
    pub at: f64,
}

/// By how much of the size of its terms a bound must exceed what it has to, that the checker, which rounds elsewhere and
/// keeps 32 bits of a slope, finds it sufficient too.
pub(super) const SLACK: f64 = 1e-8;

/// The size of the terms of aᵀx + c on a box.
pub(super) fn size(coefficients: &[f64], constant: f64, lower: &[f64], upper: &[f64]) -> f64 {
    let ends = lower.iter().zip(upper).map(|(l, u)| l.abs().max(u.abs()));
    coefficients.iter().zip(ends).fold(constant.abs(), |sum, (a, x)| sum + a.abs() * x)
}

/// A multiple of what rounding may cost a functional of the outputs: the checker charges more for it than we do.
pub(super) fn rounding(net: &Network, charges: &Charges, functional: &[f64]) -> f64 {
    let terms: usize = net
        .nodes()
        .iter()
        .map(|n| if let Op::Affine(affine) = &n.op { affine.fan_in() } else { 1 })
        .sum();
    let outputs = charges.magnitudes(net.output());
    let magnitude: f64 = functional.iter().zip(outputs).map(|(a, m)| a.abs() * m).sum();
    16.0 * UNIT * terms as f64 * magnitude
}

/// Lower and upper bounds of the pre-activations, in the order of the network's ReLUs.
pub(super) type Known = Arc<[[f64; 2]]>;

/// Bytes that known bounds take.
pub(super) fn known_size(net: &Network) -> usize {
    net.relus().map(|(_, z)| net.node(z).len).sum::<usize>() * size_of::<[f64; 2]>()
}

/// The bounds of the pre-activations of one domain of an analysis.
pub(super) fn known_of(analysis: &Analysis, domain: usize) -> Known {
    let boxes = analysis.net.relus().map(|(_, z)| &analysis.layers.boxes[z]);
    let ends = boxes.flat_map(|b| {
        (0..b.lower.nrows()).map(move |i| [b.lower[(i, domain)], b.upper[(i, domain)]])
    });
    ends.collect()
}

/// What is known of each node, one column a domain; nothing of nodes that no ReLU reads.
pub(super) fn columns_of(net: &Network, known: &[Option<&[[f64; 2]]>]) -> Vec<Option<Boxes>> {
    let mut all = vec![None; net.nodes().len()];
    let mut start = 0;
    for (_, z) in net.relus() {
        let len = net.node(z).len;
        let nothing = [f64::NEG_INFINITY, f64::INFINITY];
        let end = |i: usize, d: usize| known[d].map_or(nothing, |known| known[start + i]);
        let matrix = |upper: usize| Matrix::from_fn(len, known.len(), |i, d| end(i, d)[upper]);
        all[z] = Some(Boxes { lower: matrix(0), upper: matrix(1) });
        start += len;
    }
    all
}

/// The least share of an input's width whose removal is worth a bound in the proof.
const WORTH: f64 = 0.05;

/// The ends that one line of a proof can move. Every slab must be refuted by a single half-space of each open polytope
/// (cuts, one list a polytope) over the whole box, so cuts do not build on each other; ends are rounded outward to short
/// numbers.
pub(super) fn slabs(lower: &[f64], upper: &[f64], polytopes: &[Vec<Cut>]) -> Vec<Slab> {
    let mut hull = [vec![f64::INFINITY; lower.len()], vec![f64::NEG_INFINITY; lower.len()]];
    for cuts in polytopes {
        let (mut low, mut high) = (lower.to_vec(), upper.to_vec());
        for cut in cuts {
            let (mut l, mut u) = (lower.to_vec(), upper.to_vec());
            if clip(*cut, &mut l, &mut u) {
                low.iter_mut().zip(l).for_each(|(low, l)| *low = low.max(l));
                high.iter_mut().zip(u).for_each(|(high, u)| *high = high.min(u));
            }
        }
        for i in 0..lower.len() {
            // Two half-spaces that exclude each other leave nothing; a proof says so of the next, smaller box.
            if low[i] <= high[i] {
                hull[0][i] = hull[0][i].min(low[i]);
                hull[1][i] = hull[1][i].max(high[i]);
            } else {
                hull[0][i] = hull[0][i].min(low[i]);
                hull[1][i] = hull[1][i].max(low[i]);
            }
        }
    }
    let mut slabs = Vec::new();
    for i in 0..lower.len() {
        let width = upper[i] - lower[i];
        // A power of two, about a millionth of the width.
        let grain = 2f64.powf((width * 2f64.powi(-20)).log2().floor());
        let ends = [(hull[0][i] / grain).floor() * grain, (hull[1][i] / grain).ceil() * grain];
        if !(grain > 0.0 && ends[0].is_finite() && ends[1].is_finite()) {
            continue;
        }
        for (upper, at, gain) in
            [(false, ends[0], ends[0] - lower[i]), (true, ends[1], upper[i] - ends[1])]
        {
            if gain > WORTH * width {
                slabs.push(Slab { input: i as u32, upper, at });
            }
        }
    }
    slabs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_keep_what_matters_and_are_short() {
        // x + y ≤ 0.3 and −x ≤ −0.1 on the unit square.
        let cuts = vec![
            Cut { coefficients: &[1.0, 1.0], constant: 0.0, bound: 0.3 },
            Cut { coefficients: &[-1.0, 0.0], constant: 0.0, bound: -0.1 },
        ];
        let found = slabs(&[0.0, 0.0], &[1.0, 1.0], &[cuts]);
        let ends: Vec<_> = found.iter().map(|s| (s.input, s.upper)).collect();
        assert_eq!(ends, [(0, false), (0, true), (1, true)]);
        for (slab, exact) in found.iter().zip([0.1, 0.3, 0.3]) {
            assert!((slab.at - exact).abs() < 1e-5 && (slab.at > exact) == slab.upper, "{slab:?}");
            assert_eq!((slab.at * 2f64.powi(20)).fract(), 0.0);
        }
    }

    #[test]
    fn a_little_is_not_worth_a_line() {
        let cut = Cut { coefficients: &[1.0], constant: 0.0, bound: 0.99 };
        assert_eq!(slabs(&[0.0], &[1.0], &[vec![cut]]), []);
    }
}
