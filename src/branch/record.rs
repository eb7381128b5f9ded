//! The tree of a search by input splitting, kept where a proof is to be written from it.

use super::clip::{Cut, clip};
use super::relu::{Hints, Refutation};
use crate::bound::Charges;
use crate::net::{Network, Node, Op};
use crate::num::UNIT;

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

impl Slab {
    /// Moves the end, of lower and upper ones.
    pub(super) fn cut(&self, ends: &mut [Vec<f64>; 2]) {
        ends[usize::from(self.upper)][self.input as usize] = self.at;
    }
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

/// Ends of inputs' intervals that one functional moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// The ends.
    pub slabs: Vec<Slab>,
    /// The functional, of every open polytope, and its sweep.
    pub how: Refutation,
}

/// A polytope that is excluded from a box by clips that hold for it alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Parted {
    /// The polytope.
    pub polytope: usize,
    /// The clips, in this order.
    pub clips: Vec<Clip>,
    /// How it is excluded from what they leave.
    pub last: Refutation,
}

/// What was done with one domain, after its pre-activations were swept; without anything, its half-spaces proved it one by one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// Whether it has no sweeps of its own: what is known of the box that it is cut from suffices.
    pub bare: bool,
    /// Of these sweeps, and of all at default slopes: slopes that are the default, if in doubt.
    pub hints: Hints,
    /// Polytopes that bounds excluded.
    pub refuted: Vec<(usize, Refutation)>,
    /// Ends that bounds moved, in this order.
    pub clips: Vec<Clip>,
    /// Polytopes that were then excluded each by clips of its own.
    pub parted: Vec<Parted>,
    /// The last polytope, where it was excluded from what the clips left.
    pub last: Option<(usize, Refutation)>,
    /// Its halves.
    pub halves: Option<Halves>,
}

impl Step {
    /// Bytes.
    fn size(&self) -> usize {
        let hints_of = |how: &Refutation| size_of_val(&*how.weights) + how.hints.size();
        let refuted = self.refuted.iter().chain(&self.last);
        let refuted: usize = refuted.map(|part| size_of_val(part) + hints_of(&part.1)).sum();
        let clip =
            |clip: &Clip| size_of_val(clip) + size_of_val(&*clip.slabs) + hints_of(&clip.how);
        size_of::<Self>() + self.hints.size() + refuted + self.clips.iter().map(clip).sum::<usize>()
    }
}

/// What was done with one domain where polytopes had to be excluded one by one from a part of it: its step, and then, one after the other,
/// what was cut off.
#[derive(Debug, Clone, Default)]
pub(super) struct Chain {
    pub first: Step,
    pub cuts: Vec<CutOff>,
}

/// A part that was cut off a domain.
#[derive(Debug, Clone)]
pub(super) struct CutOff {
    /// The end that is left.
    pub slab: Slab,
    /// Why no polytope is reached from the part beyond.
    pub closed: Step,
    /// What was done with the part that is left, but for more cuts.
    pub rest: Step,
}

impl From<Step> for Chain {
    fn from(first: Step) -> Self {
        Self { first, cuts: Vec::new() }
    }
}

/// Every step of a search; the first ones are the roots, one for each claim in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// The steps.
    pub steps: Vec<Step>,
    /// Bytes that they take, about.
    bytes: usize,
    /// Whether there were too many of them.
    given_up: bool,
}

impl From<Vec<Step>> for Record {
    fn from(steps: Vec<Step>) -> Self {
        let bytes = steps.iter().map(Step::size).sum();
        Self { steps, bytes, given_up: false }
    }
}

impl Record {
    /// A step for each of so many claims.
    pub(super) fn begin(&mut self, claims: usize) {
        self.steps = vec![Step::default(); claims];
        self.bytes = claims * size_of::<Step>();
    }

    /// Notes what was done with a domain; returns the step of what is left of it.
    pub(super) fn close(&mut self, mut number: u32, chain: Chain) -> u32 {
        self.put(number, chain.first);
        for CutOff { slab, closed, rest } in chain.cuts {
            let [below, above] = self.halve(number, slab.input, slab.at);
            let (left, off) = if slab.upper { (below, above) } else { (above, below) };
            self.put(off, closed);
            self.put(left, rest);
            number = left;
        }
        number
    }

    fn put(&mut self, number: u32, step: Step) {
        self.bytes += step.size() - size_of::<Step>();
        self.steps[number as usize] = step;
    }

    /// Notes that a domain was halved; returns the steps of its halves.
    pub(super) fn halve(&mut self, number: u32, input: u32, at: f64) -> [u32; 2] {
        let below = self.steps.len() as u32;
        self.steps.extend([Step::default(), Step::default()]);
        self.bytes += 2 * size_of::<Step>();
        self.steps[number as usize].halves = Some(Halves { input, at, below });
        [below, below + 1]
    }

    /// A new step with nothing of its own; its number.
    pub fn open(&mut self) -> u32 {
        self.steps.push(Step::default());
        self.bytes += size_of::<Step>();
        self.steps.len() as u32 - 1
    }

    /// Forgets all: it takes too much memory.
    pub(super) fn give_up(&mut self) {
        *self = Self { given_up: true, ..Self::default() };
    }

    /// Whether it was given up for want of memory.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Bytes, about.
    pub(super) fn size(&self) -> usize {
        self.bytes
    }
}

/// By how much of the size of its terms a bound must exceed what it has to, that the checker, which rounds elsewhere, finds it
/// sufficient too, beyond doubt.
pub(crate) const SLACK: f64 = 1e-8;

/// The size of the terms of aᵀx + c on a box.
pub(super) fn size(coefficients: &[f64], constant: f64, lower: &[f64], upper: &[f64]) -> f64 {
    let ends = lower.iter().zip(upper).map(|(l, u)| l.abs().max(u.abs()));
    coefficients.iter().zip(ends).fold(constant.abs(), |sum, (a, x)| sum + a.abs() * x)
}

/// A multiple of what rounding may cost a functional of the outputs: the checker charges more for it than we do.
pub(super) fn rounding(net: &Network, charges: &Charges, functional: &[f64]) -> f64 {
    rounding_of_terms(terms(net), charges.magnitudes(net.output()), functional)
}

/// Terms of all sums on one path through a network, about.
pub(super) fn terms(net: &Network) -> usize {
    let of = |n: &Node| if let Op::Affine(affine) = &n.op { affine.fan_in() } else { 1 };
    net.nodes().iter().map(of).sum()
}

/// [`rounding`], where the terms are counted already.
pub(super) fn rounding_of_terms(terms: usize, outputs: &[f64], functional: &[f64]) -> f64 {
    let magnitude: f64 = functional.iter().zip(outputs).map(|(a, m)| a.abs() * m).sum();
    16.0 * UNIT * terms as f64 * magnitude
}

/// The least share of an input's width whose removal is worth a bound in the proof, and where that may exclude a polytope at once.
pub(super) const WORTH: f64 = 0.05;
pub(super) const ANY: f64 = 1e-3;

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
    moved(lower, upper, &hull, WORTH)
}

/// The ends of a box that are worth moving, by this share of its width, towards those inside of it, rounded outward to short numbers.
pub(super) fn moved(lower: &[f64], upper: &[f64], inner: &[Vec<f64>; 2], worth: f64) -> Vec<Slab> {
    let mut slabs = Vec::new();
    for i in 0..lower.len() {
        let width = upper[i] - lower[i];
        // A power of two, about a millionth of the width.
        let grain = 2f64.powf((width * 2f64.powi(-20)).log2().floor());
        // A grain more is left than has to be: an end is where a bound says nothing more, and the checker's may say a little less.
        let low = ((inner[0][i] / grain).floor() - 1.0) * grain;
        let ends = [low, ((inner[1][i] / grain).ceil() + 1.0) * grain];
        // Whatever the grain came out as, no end moves further than to those inside.
        let outward = ends[0] <= inner[0][i] && inner[1][i] <= ends[1];
        if !(outward && ends[0].is_finite() && ends[1].is_finite()) {
            continue;
        }
        for (upper, at, gain) in
            [(false, ends[0], ends[0] - lower[i]), (true, ends[1], upper[i] - ends[1])]
        {
            if gain > worth * width {
                slabs.push(Slab { input: i as u32, upper, at });
            }
        }
    }
    slabs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ends_move_no_further_than_to_those_inside(
            l in -1.0f64..1.0, width in 1e-300f64..4.0, a in 0.0f64..1.0, b in 0.0f64..1.0, tiny: bool,
        ) {
            let width = if tiny { width * 2f64.powi(-1040) } else { width };
            let u = l + width;
            let inner = [vec![(l + a * width).clamp(l, u)], vec![(l + b * width).clamp(l, u)]];
            for slab in moved(&[l], &[u], &inner, WORTH) {
                let at = slab.at;
                prop_assert!(if slab.upper { inner[1][0] <= at } else { at <= inner[0][0] }, "{slab:?}");
            }
        }
    }

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
