//! A proof as text (proofs/FORMAT.md), written as it goes: the text is never held as a whole.

use super::text::{Text, refuted_lines, set, step_lines};
use super::tree::{Body, Proof};
use crate::branch::{ClaimRecord, Hints, Improve, Tree};
use std::io;

/// Lines on their way to a file.
struct Out<'a> {
    to: &'a mut dyn io::Write,
    lines: u64,
    text: Text<'a>,
}

impl Out<'_> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        self.lines += 1;
        self.to.write_all(text.as_bytes())?;
        self.to.write_all(b"\n")
    }
}

impl Proof {
    /// Writes the text that the checker reads.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut out = Out { to, lines: 0, text: Text { names: &self.names, sums: 0 } };
        out.line("certus-proof 1")?;
        let mut sums = 0;
        for section in &self.sections {
            if section.cases.is_empty() {
                continue;
            }
            out.text.sums = sums;
            if let Body::Relus(record) = &section.body {
                for sum in record.trees.iter().flat_map(|tree| &tree.sums) {
                    out.line(&out.text.define(sums, sum))?;
                    sums += 1;
                }
            }
            out.line(&format!("cases {}", set(&section.cases)))?;
            match &section.body {
                Body::Bounds => {
                    out.line("refute all")?;
                    out.line("leaf")?;
                }
                Body::Inputs(root) => self.inputs(*root, &section.cases, &mut out)?,
                Body::Relus(record) => self.relus(record, &section.cases, &mut out)?,
            }
        }
        if !self.empty.is_empty() {
            out.line(&format!("cases {}", set(&self.empty)))?;
            out.line("leaf")?;
        }
        let lines = out.lines;
        out.line(&format!("end {lines}"))
    }

    /// The text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory cannot fail.
        let _ = self.write(&mut text);
        text
    }

    /// A tree of splits of inputs, each step before its halves.
    fn inputs(&self, root: u32, cases: &[usize], out: &mut Out) -> io::Result<()> {
        let mut next = vec![root];
        while let Some(at) = next.pop() {
            let step = &self.record.steps[at as usize];
            let lines = step_lines(step, cases, out.text);
            lines.iter().try_for_each(|line| out.line(line))?;
            match step.halves {
                None => out.line("leaf")?,
                Some(halves) => {
                    out.line(&out.text.split(0, halves.input as usize, halves.at))?;
                    next.extend([halves.below + 1, halves.below]);
                }
            }
        }
        Ok(())
    }

    /// Polytopes that need no split, then a part for each that does.
    fn relus(&self, record: &ClaimRecord, cases: &[usize], out: &mut Out) -> io::Result<()> {
        self.under(&record.lines, out, |out| self.polytopes(record, cases, out))
    }

    /// Lines, and what makes use of them.
    fn under(
        &self,
        lines: &[Improve],
        out: &mut Out,
        rest: impl FnOnce(&mut Out) -> io::Result<()>,
    ) -> io::Result<()> {
        // What lies beyond an upper end is the second child of its split, and so is written at the very end.
        let mut beyond = Vec::new();
        for line in lines {
            let Improve::Lemma(lemma) = line else {
                improve(line, out)?;
                continue;
            };
            out.line(&out.text.split(lemma.node, lemma.element, lemma.at))?;
            if lemma.upper {
                beyond.push(&lemma.tree);
            } else {
                self.tree(&lemma.tree, 0, out)?;
            }
        }
        rest(out)?;
        beyond.iter().rev().try_for_each(|tree| self.tree(tree, 0, out))
    }

    fn polytopes(&self, record: &ClaimRecord, cases: &[usize], out: &mut Out) -> io::Result<()> {
        for line in refuted_lines(&record.refuted, &Hints::default(), cases, out.text) {
            out.line(&line)?;
        }
        for tree in &record.trees {
            let case = cases[tree.polytope];
            // Nothing is left for the other part where there is one polytope only.
            let alone = record.refuted.is_empty() && record.trees.len() == 1;
            if !alone {
                out.line(&format!("part {case}"))?;
            }
            self.tree(tree, case, out)?;
            out.text.sums += tree.sums.len();
            if alone {
                return Ok(());
            }
        }
        out.line("leaf")
    }

    fn tree(&self, tree: &Tree, case: usize, out: &mut Out) -> io::Result<()> {
        let first = tree.steps.first().map_or(&[][..], |first| &first.lines);
        self.under(first, out, |out| self.steps(tree, case, out))
    }

    /// The splits and refutations of a tree, and what it does at all steps but the first.
    fn steps(&self, tree: &Tree, case: usize, out: &mut Out) -> io::Result<()> {
        let mut next = vec![0];
        while let Some(at) = next.pop() {
            let step = &tree.steps[at as usize];
            let lines = if at == 0 { &[][..] } else { &step.lines };
            lines.iter().try_for_each(|line| improve(line, out))?;
            match step.split {
                Some(split) => {
                    out.line(&out.text.split(split.node, split.element, split.at))?;
                    next.extend([split.below + 1, split.below]);
                }
                None => {
                    if let Some(how) = &step.refuted {
                        out.line(&out.text.refute(case, how))?;
                    }
                    out.line("leaf")?;
                }
            }
        }
        Ok(())
    }
}

fn improve(line: &Improve, out: &mut Out) -> io::Result<()> {
    match out.text.improve(line) {
        Some(line) => out.line(&line),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::Names;
    use super::super::tree::Section;
    use super::*;
    use crate::branch::{
        Clip, Halves, Lemma, Parted, Record, Refutation, SUM, Slab, Step, SumTerm,
    };

    #[test]
    fn a_tree_of_boxes_is_written_from_the_root() {
        let slab = Slab { input: 2, upper: true, at: 0.25 };
        let halves = Some(Halves { input: 0, at: -1.0, below: 1 });
        let using = |weights: &[(usize, f64)]| Refutation {
            weights: weights.to_vec(),
            hints: Hints::default(),
        };
        let clips = vec![
            Clip { slabs: vec![slab], how: Refutation::default() },
            Clip {
                slabs: vec![slab, Slab { upper: false, at: -2.0, ..slab }],
                how: using(&[(0, 1.0), (3, 0.5)]),
            },
        ];
        let root = Step {
            refuted: vec![(3, using(&[(1, 1.0)])), (0, Refutation::default())],
            clips,
            halves,
            ..Step::default()
        };
        let last = Some((1, using(&[(0, 1.0)])));
        let clips = root.clips[..1].to_vec();
        let parted = vec![Parted { polytope: 2, clips, last: using(&[(1, 2.0)]) }];
        let hints = Hints { slopes: [(3, 1, 1.0)].into(), ..Hints::default() };
        let doubtful = Step { hints, ..Step::default() };
        let steps = vec![root, doubtful, Step { bare: true, parted, last, ..Step::default() }];
        let sections = vec![
            Section { cases: vec![0, 2, 3, 5], body: Body::Inputs(0) },
            Section { cases: vec![6], body: Body::Bounds },
        ];
        let names = Names::new(&[(2, 3)]);
        let proof = Proof { sections, record: Record::from(steps), empty: vec![1, 4], names };
        let text = String::from_utf8(proof.to_bytes()).unwrap();
        let root = "crown\nrefute 0\nrefute 5 using 1\nclip >x2:0x1p-2\nclip >x2:0x1p-2 <x2:-0x1p1 using 0 3:0x1p-1\n";
        let leaves = "crown slope r0.1:0x1p0\nrefute all slope r0.1:0x1p0\nleaf\n\
                      part 3\nclip >x2:0x1p-2\nrefute 3 using 1:0x1p1\nleaf\nrefute 2 using 0\nleaf\n";
        let tree = format!("{root}split x0 at -0x1p0\n{leaves}");
        let rest = "cases 6\nrefute all\nleaf\ncases 1,4\nleaf\nend 22\n";
        assert_eq!(text, format!("certus-proof 1\ncases 0,2..4,5\n{tree}{rest}"));
    }

    #[test]
    fn trees_of_relu_splits_are_parts_of_one_section() {
        let hints = Hints {
            slopes: [(4, 7, 0.25f32), (6, 0, 1.0)].into(),
            uppers: [(6, 0, 0.5), (6, 2, 0.75)].into(),
            lifts: [(3, 7, 0.5), (5, 1, -2.0), (0, 1, 1.0)].into(),
        };
        let mut tree = Tree::new(1);
        let [below, above] = tree.split(0, 5, 4, 0.0);
        let weights = vec![(0, 1.0), (2, 0.5)];
        tree.refute(below, Refutation { weights, hints: hints.clone() });
        tree.refute(above, Refutation::default());
        let tighten = |elements: Vec<u32>, upper| Improve::Tighten {
            node: 5,
            elements,
            upper,
            hints: Hints { slopes: hints.slopes[..1].into(), ..Hints::default() },
        };
        let lines = vec![tighten(vec![], None), tighten(vec![1, 2, 3], Some(true))];
        let refuted = vec![(2, Refutation::default()), (0, Refutation::default())];
        let record = ClaimRecord { lines, refuted, trees: vec![tree] };
        let proof = Proof {
            sections: vec![Section { cases: vec![4, 6, 7], body: Body::Relus(record) }],
            record: Record::default(),
            empty: vec![],
            names: Names::new(&[(3, 4), (5, 6)]),
        };
        let text = String::from_utf8(proof.to_bytes()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "certus-proof 1",
            "cases 4,6..8",
            "tighten r1 slope r0.7:0x1p-2",
            "tighten r1.1..4 upper slope r0.7:0x1p-2",
            "refute 4,7",
            "part 6",
            "split r1.4 at 0x0p0",
            "refute 6 using 0 2:0x1p-1 slope r0.7:0x1p-2 r1.0:0x1p0/0x1p-1 r1.2:/0x3p-2 lift >r0.7:0x1p-1 <r1.1:0x1p1 >x1:0x1p0",
            "leaf",
            "refute 6",
            "leaf",
            "leaf",
            "end 12",
        ];
        assert_eq!(lines, expected);
    }

    /// Each tree's sums have numbers of their own; trees that bound them stand before what makes use of them.
    #[test]
    fn sums_are_numbered_through() {
        let term = |relu, coefficient| SumTerm { node: 3, element: 2, relu, coefficient };
        let tree = |polytope| {
            let mut below = Tree::new(0);
            let lifts = [(SUM as u32, 0, 0.5)].into();
            let hints = Hints { lifts, ..Hints::default() };
            below.improve(
                0,
                Improve::Tighten {
                    node: SUM,
                    elements: vec![0],
                    upper: Some(false),
                    hints: hints.clone(),
                },
            );
            let mut tree = Tree::new(polytope);
            assert_eq!(tree.define(vec![term(true, -1.0), term(false, 0.5)]), 0);
            let lemma = Lemma { node: SUM, element: 0, upper: false, at: -0.25, tree: below };
            tree.improve(0, Improve::Lemma(Box::new(lemma)));
            tree.refute(0, Refutation { weights: vec![], hints });
            tree
        };
        let section = |first: usize| {
            let record = ClaimRecord { trees: vec![tree(0), tree(1)], ..ClaimRecord::default() };
            Section { cases: vec![first, first + 1], body: Body::Relus(record) }
        };
        let names = Names::new(&[(3, 4)]);
        let sections = vec![section(0), section(2)];
        let proof = Proof { sections, record: Record::default(), empty: vec![], names };
        let text = String::from_utf8(proof.to_bytes()).unwrap();
        let tree = |k: usize| {
            let bound =
                format!("split q{k} at -0x1p-2\ntighten q{k} lower lift >q{k}:0x1p-1\nleaf\n");
            format!("part {k}\n{bound}refute {k} lift >q{k}:0x1p-1\nleaf\n")
        };
        let section = |k: usize| {
            let sum = |k| format!("let q{k} relu(r0.2):-0x1p0 r0.2:0x1p-1\n");
            let cases = format!("cases {k}..{}\n", k + 2);
            [sum(k), sum(k + 1), cases, tree(k), tree(k + 1), "leaf\n".into()].concat()
        };
        assert_eq!(text, format!("certus-proof 1\n{}{}end 33\n", section(0), section(2)));
    }
}
