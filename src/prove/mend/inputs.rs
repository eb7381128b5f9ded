//! Trees of splits of inputs, mended.

use super::{Mender, Unmended, open, widest};
use crate::branch::{Answer, Halves, Reason, Record, Refutation, Step};
use crate::prove::text::{is_plain, parted_lines, with_doubtful};

/// A box that a tree of splits of inputs comes to.
struct Place {
    step: u32,
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// Whether it is still to be searched.
    open: bool,
}

impl Mender<'_> {
    /// A tree of splits of inputs.
    pub(super) fn inputs(
        &mut self,
        (claim, root): (usize, u32),
        cases: &[usize],
        fresh: bool,
        steps: &mut Record,
    ) -> Result<(), Unmended> {
        let region = &self.property.claims[claim].region;
        let (lower, upper) = (region.lower().to_vec(), region.upper().to_vec());
        let mut next = vec![Place { step: root, lower, upper, open: fresh }];
        while let Some(place) = next.pop() {
            if let Some(reason) = self.limits.passed() {
                return Err(open(reason));
            }
            if place.open {
                let Place { step, lower, upper, .. } = &place;
                let found = self.again.prove((claim, *step), lower, upper, steps, self.limits);
                match found.answer {
                    _ if steps.is_given_up() => return Err(open(Reason::MemoryLimit)),
                    Answer::Proved => {}
                    answer => return Err(Unmended::NotFound(Box::new(answer))),
                }
            }
            next.extend(self.step(place, claim, cases, steps)?.into_iter().flatten());
        }
        Ok(())
    }

    /// One step of it; its second half comes first.
    fn step(
        &mut self,
        place: Place,
        claim: usize,
        cases: &[usize],
        steps: &mut Record,
    ) -> Result<Option<[Place; 2]>, Unmended> {
        let Place { step: number, mut lower, mut upper, .. } = place;
        let text = self.text;
        let mut step = std::mem::take(&mut steps.steps[number as usize]);
        if let (false, Some(line)) = (step.bare, text.crown(None, &step.hints)) {
            self.must(&line)?;
        }
        if is_plain(&step) {
            self.holds(&text.refute("all", &with_doubtful(&Refutation::default(), &step.hints)));
        }
        let hints = &step.hints;
        step.refuted.retain(|(polytope, how)| {
            self.holds(&text.refute(cases[*polytope], &with_doubtful(how, hints)))
        });
        // The sides of a split that have been searched already.
        let mut searched = [true; 2];
        for number in 0..step.clips.len() {
            let clip = &step.clips[number];
            if !self.holds(&text.clip(&clip.slabs, &with_doubtful(&clip.how, hints))) {
                let slab = split_off(&mut step, number, steps);
                searched[usize::from(slab)] = false;
                break;
            }
            for slab in &clip.slabs {
                (if slab.upper { &mut upper } else { &mut lower })[slab.input as usize] = slab.at;
            }
        }
        step.parted.retain(|own| {
            let before = self.walk.mark();
            let holds = parted_lines(own, cases, text).iter().all(|line| self.holds(line));
            if !holds {
                self.walk.back(before);
            }
            holds
        });
        step.last =
            step.last.filter(|(polytope, how)| self.holds(&text.refute(cases[*polytope], how)));
        if step.halves.is_none() && !self.holds("leaf") {
            step.halves = Some(self.halve(claim, &lower, &upper, steps)?);
            searched = [false; 2];
        }
        let halves = step.halves;
        steps.steps[number as usize] = step;
        let Some(Halves { input, at, below }) = halves else { return Ok(None) };
        self.must(&text.split(0, input as usize, at))?;
        let [mut first, mut second] = [0, 1].map(|side| Place {
            step: below + side,
            lower: lower.clone(),
            upper: upper.clone(),
            open: !searched[side as usize],
        });
        first.upper[input as usize] = first.upper[input as usize].min(at);
        second.lower[input as usize] = second.lower[input as usize].max(at);
        Ok(Some([second, first]))
    }

    /// Halves a box along the input that is widest for its region.
    fn halve(
        &self,
        claim: usize,
        lower: &[f64],
        upper: &[f64],
        steps: &mut Record,
    ) -> Result<Halves, Unmended> {
        let region = &self.property.claims[claim].region;
        let whole: Vec<f64> =
            region.upper().iter().zip(region.lower()).map(|(u, l)| u - l).collect();
        let (input, at) = widest(lower, upper, &whole).ok_or_else(|| open(Reason::Resolution))?;
        let below = steps.open();
        steps.open();
        Ok(Halves { input: input as u32, at, below })
    }
}

/// Makes a split of the first end that a clip moves: its other side is a new step, and so is all that came after it. Returns which side of
/// the split is new (the second, of an upper end).
fn split_off(step: &mut Step, number: usize, steps: &mut Record) -> bool {
    let clips = step.clips.split_off(number);
    let parted = std::mem::take(&mut step.parted);
    let (last, halves) = (step.last.take(), step.halves.take());
    let mut rest = Step { clips, parted, last, halves, ..Step::default() };
    let slab = rest.clips[0].slabs.remove(0);
    if rest.clips[0].slabs.is_empty() {
        rest.clips.remove(0);
    }
    let below = steps.open();
    let above = steps.open();
    steps.steps[if slab.upper { below } else { above } as usize] = rest;
    step.halves = Some(Halves { input: slab.input, at: slab.at, below });
    slab.upper
}
