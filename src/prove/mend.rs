//! A proof that the checker rejects, mended: it is walked through with the checker, and proved anew where a line does not hold.
//!
//! Of what does not hold, the smallest part is replaced. A clip becomes a split whose other side is searched; a leaf that stays open is
//! searched from what the checker knows there, and where that leaf is found again, it is split first. So mending ends with a proof,
//! unless a limit is reached first or a box is too small to be split.

use super::text::{Text, in_full, is_plain, parted_lines};
use super::tree::{Body, Proof};
use super::{Question, Section};
use crate::branch::{
    Again, Answer, ClaimRecord, Halves, Hints, Improve, Lemma, Limits, Reason, Record, Refutation,
    SUM, Split, Step, Tree, split_relus_from, suits_inputs,
};
use crate::net::{Boxes, Matrix, Network};
use crate::spec::Property;
use certus_check::Walk;

/// Why a proof could not be mended.
#[derive(Debug)]
pub enum Unmended {
    /// A search found no proof either.
    NotFound(Box<Answer>),
    /// The checker does not follow a line that holds whatever is known.
    Refused(certus_check::Reason),
}

fn open(reason: Reason) -> Unmended {
    Unmended::NotFound(Box::new(Answer::Open(reason)))
}

impl Proof {
    /// Walks through the proof with the checker and replaces what does not hold; returns the number of places.
    ///
    /// # Errors
    /// Where a limit is reached, or no split is left to be made.
    pub fn mend(
        &mut self,
        question: &Question,
        net: &Network,
        property: &Property,
        limits: &Limits,
    ) -> Result<usize, Unmended> {
        let walk = Walk::new(&question.0).map_err(Unmended::Refused)?;
        let again = Again::new(net, property);
        let Self { sections, record, names, .. } = self;
        let text = Text { names, sums: 0 };
        let inputs = suits_inputs(net, property);
        let mut mender = Mender { net, property, limits, again, inputs, walk, text, mended: 0 };
        for (claim, section) in sections.iter_mut().enumerate() {
            if !section.cases.is_empty() {
                mender.section(claim, section, record)?;
            }
        }
        Ok(mender.mended)
    }
}

/// How much less an end is moved that a tree does not show, as shares of its interval.
const LESS: [f64; 4] = [0.0, 1e-6, 1e-4, 1e-2];

struct Mender<'a> {
    net: &'a Network,
    property: &'a Property,
    limits: &'a Limits<'a>,
    again: Again<'a>,
    /// Whether inputs are split where nothing has been split yet.
    inputs: bool,
    walk: Walk<'a>,
    text: Text<'a>,
    /// Places where something did not hold.
    mended: usize,
}

/// A box that a tree of splits of inputs comes to.
struct Place {
    step: u32,
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// Whether it is still to be searched.
    open: bool,
}

impl Mender<'_> {
    fn holds(&mut self, line: &str) -> bool {
        let holds = self.walk.line(line).is_ok();
        self.mended += usize::from(!holds);
        holds
    }

    /// A line that holds whatever is known.
    fn must(&mut self, line: &str) -> Result<(), Unmended> {
        self.walk.line(line).map_err(Unmended::Refused)
    }

    fn section(
        &mut self,
        claim: usize,
        section: &mut Section,
        steps: &mut Record,
    ) -> Result<(), Unmended> {
        let first = self.text.sums;
        let mut sums = first;
        if let Body::Relus(record) = &section.body {
            for sum in record.trees.iter().flat_map(|tree| &tree.sums) {
                self.must(&self.text.define(sums, sum))?;
                sums += 1;
            }
        }
        let cases = &section.cases;
        self.must(&format!("cases {}", super::text::set(cases)))?;
        let mut fresh = false;
        if let Body::Bounds = section.body {
            if self.holds("refute all") {
                return self.must("leaf");
            }
            section.body = self.anew(claim, steps);
            fresh = true;
        }
        if let Body::Relus(record) = &mut section.body {
            let whole = self.walk.mark();
            let unsplit = self.inputs && !record.splits();
            if !unsplit {
                self.relus(record, claim, cases)?;
            } else if self.relaxed(record, cases) {
                self.must("leaf")?;
            } else {
                self.walk.back(whole);
                section.body = self.anew(claim, steps);
                fresh = true;
            }
        }
        self.text.sums = sums;
        match section.body {
            Body::Inputs(root) => self.inputs((claim, root), cases, fresh, steps),
            _ => Ok(()),
        }
    }

    /// A proof of a claim of which nothing is known.
    fn anew(&self, claim: usize, steps: &mut Record) -> Body {
        if self.inputs {
            return Body::Inputs(steps.open());
        }
        let polytopes = self.property.claims[claim].unsafe_set.len();
        Body::Relus(ClaimRecord {
            lines: vec![Improve::Crown { after: None, hints: Hints::default() }],
            refuted: (0..polytopes).map(|polytope| (polytope, Refutation::default())).collect(),
            trees: Vec::new(),
        })
    }

    /// A tree of splits of inputs.
    fn inputs(
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
            self.holds(&text.refute("all", &in_full(&Refutation::default(), &step.hints)));
        }
        let hints = &step.hints;
        step.refuted.retain(|(polytope, how)| {
            self.holds(&text.refute(cases[*polytope], &in_full(how, hints)))
        });
        // The sides of a split that have been searched already.
        let mut searched = [true; 2];
        for number in 0..step.clips.len() {
            let clip = &step.clips[number];
            if !self.holds(&text.clip(&clip.slabs, &in_full(&clip.how, hints))) {
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

    /// Sweeps of a whole region, without a split: whether all hold.
    fn relaxed(&mut self, record: &ClaimRecord, cases: &[usize]) -> bool {
        let text = self.text;
        let mut lines: Vec<String> =
            record.lines.iter().filter_map(|line| text.improve(line)).collect();
        lines.extend(record.refuted.iter().map(|(p, how)| text.refute(cases[*p], how)));
        lines.iter().all(|line| self.holds(line))
    }

    fn relus(
        &mut self,
        record: &mut ClaimRecord,
        claim: usize,
        cases: &[usize],
    ) -> Result<(), Unmended> {
        let beyond = self.lines(&mut record.lines)?;
        let (text, trees) = (self.text, &mut record.trees);
        record.refuted.retain(|(polytope, how)| {
            let holds = self.holds(&text.refute(cases[*polytope], how));
            if !holds {
                trees.push(Tree::new(*polytope));
            }
            holds
        });
        let alone = record.refuted.is_empty() && record.trees.len() == 1;
        for tree in &mut record.trees {
            if !alone {
                self.must(&format!("part {}", cases[tree.polytope]))?;
            }
            self.tree(tree, claim, cases)?;
            self.text.sums += tree.sums.len();
        }
        if !alone {
            self.must("leaf")?;
        }
        self.beyond(&record.lines, &beyond)
    }

    /// Lines that improve intervals: those that hold. Returns the positions of upper ends that trees show, of which the walk is in the first
    /// sides.
    fn lines(&mut self, lines: &mut Vec<Improve>) -> Result<Vec<usize>, Unmended> {
        let (mut kept, mut beyond) = (Vec::with_capacity(lines.len()), Vec::new());
        for mut line in std::mem::take(lines) {
            let holds = match &mut line {
                Improve::Lemma(lemma) => self.lemma(lemma)?,
                line => self.text.improve(line).is_some_and(|line| self.holds(&line)),
            };
            if holds {
                if matches!(&line, Improve::Lemma(lemma) if lemma.upper) {
                    beyond.push(kept.len());
                }
                kept.push(line);
            }
        }
        *lines = kept;
        Ok(beyond)
    }

    /// Whether a tree shows an end, or one that moves less; then the walk is in the side that is left, else where it was.
    fn lemma(&mut self, lemma: &mut Lemma) -> Result<bool, Unmended> {
        let end = lemma.at;
        let scale = self.width(lemma.node, lemma.element).unwrap_or(end.abs());
        for less in LESS {
            lemma.at = if lemma.upper { end + less * scale } else { end - less * scale };
            let before = self.walk.mark();
            let split = self.text.split(lemma.node, lemma.element, lemma.at);
            self.must(&split)?;
            if lemma.upper {
                self.walk.skip();
            }
            let holds = self.shown(&lemma.tree);
            if lemma.upper || !holds {
                self.walk.back(before);
            }
            if holds {
                if lemma.upper {
                    self.must(&split)?;
                }
                return Ok(true);
            }
            self.mended += usize::from(less == 0.0);
        }
        Ok(false)
    }

    /// The width of what is known of a pre-activation.
    fn width(&mut self, node: usize, element: usize) -> Option<f64> {
        let (_, block) = self.text.names.blocks().find(|(z, _)| *z == node)?;
        let (low, high) = self.walk.ends(Some(block))?;
        Some(high[element] - low[element]).filter(|width| width.is_finite())
    }

    /// What lies beyond upper ends, for the second time.
    fn beyond(&mut self, lines: &[Improve], beyond: &[usize]) -> Result<(), Unmended> {
        for &at in beyond.iter().rev() {
            if let Improve::Lemma(lemma) = &lines[at]
                && !self.shown(&lemma.tree)
            {
                return Err(open(Reason::BoundTooWeak));
            }
        }
        Ok(())
    }

    /// Whether all of a tree holds.
    fn shown(&mut self, tree: &Tree) -> bool {
        let text = self.text;
        let mut next = vec![0];
        while let Some(at) = next.pop() {
            let step = &tree.steps[at as usize];
            let mut lines: Vec<String> =
                step.lines.iter().filter_map(|line| text.improve(line)).collect();
            match step.split {
                Some(split) => {
                    lines.push(text.split(split.node, split.element, split.at));
                    next.extend([split.below + 1, split.below]);
                }
                None => lines.push("leaf".to_owned()),
            }
            if !lines.iter().all(|line| self.walk.line(line).is_ok()) {
                return false;
            }
        }
        true
    }

    /// A tree of splits of ReLUs.
    fn tree(&mut self, tree: &mut Tree, claim: usize, cases: &[usize]) -> Result<(), Unmended> {
        let mut first = std::mem::take(&mut tree.steps[0].lines);
        let beyond = self.lines(&mut first)?;
        let case = cases[tree.polytope];
        let mut next: Vec<(u32, Vec<Split>)> = vec![(0, Vec::new())];
        while let Some((at, splits)) = next.pop() {
            if let Some(reason) = self.limits.passed() {
                return Err(open(reason));
            }
            self.lines(&mut tree.steps[at as usize].lines)?;
            if tree.steps[at as usize].split.is_none() {
                self.relu_leaf((&mut *tree, at), (claim, case), &splits)?;
            }
            let Some(split) = tree.steps[at as usize].split else { continue };
            self.must(&self.text.split(split.node, split.element, split.at))?;
            let side = |active: bool| {
                let side = Split { node: split.node, element: split.element, at: split.at, active };
                // The search knows no sums, and of inputs their box says all.
                let known = split.node != SUM && split.node != 0;
                splits.iter().copied().chain(known.then_some(side)).collect()
            };
            next.extend([(split.below + 1, side(true)), (split.below, side(false))]);
        }
        tree.steps[0].lines.splice(..0, first);
        let lines = &tree.steps[0].lines;
        self.beyond(lines, &beyond)
    }

    /// A leaf, which is searched and in the end split where it does not hold.
    fn relu_leaf(
        &mut self,
        (tree, at): (&mut Tree, u32),
        (claim, case): (usize, usize),
        splits: &[Split],
    ) -> Result<(), Unmended> {
        for search in [true, false] {
            if let Some(how) = &tree.steps[at as usize].refuted {
                let refute = self.text.refute(case, how);
                if !self.holds(&refute) {
                    tree.steps[at as usize].refuted = None;
                }
            }
            if self.holds("leaf") {
                return Ok(());
            }
            let known = self.known();
            if search {
                let before = tree.steps[at as usize].lines.len();
                let which = (claim, tree.polytope);
                let from = (&known[..], splits);
                match split_relus_from(
                    self.net,
                    self.property,
                    which,
                    from,
                    (&mut *tree, at),
                    self.limits,
                ) {
                    _ if tree.is_given_up() => return Err(open(Reason::MemoryLimit)),
                    Answer::Open(Reason::Resolution | Reason::BoundTooWeak) | Answer::Proved => {}
                    answer => return Err(Unmended::NotFound(Box::new(answer))),
                }
                let mut more = tree.steps[at as usize].lines.split_off(before);
                self.lines(&mut more)?;
                tree.steps[at as usize].lines.extend(more);
            } else {
                let (node, element, value) =
                    self.undecided(&known).ok_or_else(|| open(Reason::Resolution))?;
                tree.split(at, node, element, value);
            }
            if tree.steps[at as usize].split.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What the checker knows here of the inputs and pre-activations, by node.
    fn known(&mut self) -> Vec<Option<Boxes>> {
        let mut known = vec![None; self.net.nodes().len()];
        let blocks = self.text.names.blocks().map(|(z, block)| (z, Some(block)));
        for (node, block) in blocks.chain([(0, None)]) {
            let Some((low, high)) = self.walk.ends(block) else { continue };
            let column = |ends: &[f64]| Matrix::from_column_slice(ends.len(), 1, ends);
            known[node] = Some(Boxes { lower: column(low), upper: column(high) });
        }
        known
    }

    /// The neuron that is farthest from being of known sign, or the widest input if there is none.
    fn undecided(&self, known: &[Option<Boxes>]) -> Option<(usize, usize, f64)> {
        let mut farthest: Option<(f64, (usize, usize, f64))> = None;
        for (node, boxes) in known.iter().enumerate().skip(1) {
            let Some(boxes) = boxes else { continue };
            for i in boxes.of_unknown_sign() {
                let reach = boxes.upper[i].min(-boxes.lower[i]);
                if farthest.is_none_or(|(most, _)| reach > most) {
                    farthest = Some((reach, (node, i, 0.0)));
                }
            }
        }
        if let Some((_, neuron)) = farthest {
            return Some(neuron);
        }
        let inputs = known[0].as_ref()?;
        let (lower, upper) = (inputs.lower.as_slice(), inputs.upper.as_slice());
        let (input, at) = widest(lower, upper, &vec![1.0; lower.len()])?;
        Some((0, input, at))
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

/// The input whose interval is the largest share of the whole, and its middle; `None` where no number lies inside of any.
fn widest(lower: &[f64], upper: &[f64], whole: &[f64]) -> Option<(usize, f64)> {
    let middle = |i: usize| 0.5 * lower[i] + 0.5 * upper[i];
    let share = |i: usize| (upper[i] - lower[i]) / whole[i];
    let inside = |i: &usize| lower[*i] < middle(*i) && middle(*i) < upper[*i];
    let widest = (0..lower.len()).filter(inside).max_by(|&i, &j| share(i).total_cmp(&share(j)))?;
    Some((widest, middle(widest)))
}
