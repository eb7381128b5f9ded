//! Trees of splits of ReLUs, and the lines above them, mended.

use super::{Mender, Unmended, open, widest};
use crate::branch::{
    Answer, ClaimRecord, Improve, Lemma, Reason, SUM, Split, Tree, split_relus_from,
};
use crate::net::{Boxes, Matrix};

/// How much less an end is moved that a tree does not show, as shares of its interval.
const LESS: [f64; 4] = [0.0, 1e-6, 1e-4, 1e-2];

impl Mender<'_> {
    /// Sweeps of a whole region, without a split: whether all hold.
    pub(super) fn relaxed(&mut self, record: &ClaimRecord, cases: &[usize]) -> bool {
        let text = self.text;
        let mut lines: Vec<String> =
            record.lines.iter().filter_map(|line| text.improve(line)).collect();
        lines.extend(record.refuted.iter().map(|(p, how)| text.refute(cases[*p], how)));
        lines.iter().all(|line| self.holds(line))
    }

    pub(super) fn relus(
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
