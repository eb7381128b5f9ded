//! A proof as text (proofs/FORMAT.md), written as it goes: the text is never held as a whole.

use super::tree::{Body, Proof};
use crate::branch::{
    ClaimRecord, Clip, Hints, Improve, Refutation, SUM, Slab, Step, SumTerm, Tree,
};
use crate::net::{Network, NodeId};
use certus_check::float::format_hex;
use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::io;

/// The proof's names of pre-activations: `r<k>`.
#[derive(Debug, Clone, Default)]
pub struct Names {
    blocks: HashMap<NodeId, usize>,
}

impl Names {
    /// The blocks of a network: its ReLUs, in order.
    #[must_use]
    pub fn of(net: &Network) -> Self {
        let mut blocks = HashMap::new();
        for (k, (_, z)) in net.relus().enumerate() {
            blocks.entry(z).or_insert(k);
        }
        Self { blocks }
    }

    /// The blocks from the first one on whose pre-activation comes after a node.
    fn after(&self, node: NodeId) -> Option<std::ops::Range<usize>> {
        let first = self.blocks.iter().filter(|(z, _)| **z > node).map(|(_, k)| *k).min()?;
        Some(first..self.blocks.values().max()? + 1)
    }

    fn element(&self, node: NodeId, element: impl Display) -> String {
        match self.blocks.get(&node) {
            Some(k) => format!("r{k}.{element}"),
            None => format!("x{element}"),
        }
    }
}

/// Lines on their way to a file.
struct Out<'a> {
    to: &'a mut dyn io::Write,
    lines: u64,
    names: &'a Names,
    /// The number of the first sum of the tree that is being written.
    sums: usize,
}

impl Out<'_> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        self.lines += 1;
        self.to.write_all(text.as_bytes())?;
        self.to.write_all(b"\n")
    }

    /// The name of an input, a pre-activation or a sum.
    fn name(&self, node: NodeId, element: usize) -> String {
        let mut name = String::new();
        self.push_name(&mut name, node, element);
        name
    }

    fn push_name(&self, text: &mut String, node: NodeId, element: usize) {
        let _ = match (node, self.names.blocks.get(&node)) {
            (SUM, _) => write!(text, "q{}", self.sums + element),
            (_, Some(k)) => write!(text, "r{k}.{element}"),
            (_, None) => write!(text, "x{element}"),
        };
    }

    /// Half-spaces and multipliers, as they end a line.
    fn how(&self, how: &Refutation) -> String {
        let mut text = String::new();
        for (i, &(half, weight)) in how.weights.iter().enumerate() {
            text.push_str(if i == 0 { " using " } else { " " });
            let _ = write!(text, "{half}");
            if weight != 1.0 {
                let _ = write!(text, ":{}", short(weight));
            }
        }
        text + &self.hints(&how.hints)
    }

    fn hints(&self, hints: &Hints) -> String {
        let mut text = String::new();
        for (i, &(node, element, slope)) in hints.slopes.iter().enumerate() {
            text.push_str(if i == 0 { " slope " } else { " " });
            self.push_name(&mut text, node as usize, element as usize);
            let _ = write!(text, ":{}", short(quantised(slope)));
        }
        for (i, &(node, element, g)) in hints.lifts.iter().enumerate() {
            text.push_str(if i == 0 { " lift " } else { " " });
            text.push(if g > 0.0 { '>' } else { '<' });
            self.push_name(&mut text, node as usize, element as usize);
            let _ = write!(text, ":{}", short(g.abs()));
        }
        text
    }
}

impl Proof {
    /// Writes the text that the checker reads.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut out = Out { to, lines: 0, names: &self.names, sums: 0 };
        out.line("certus-proof 1")?;
        let mut sums = 0;
        for section in &self.sections {
            if section.cases.is_empty() {
                continue;
            }
            out.sums = sums;
            if let Body::Relus(record) = &section.body {
                for sum in record.trees.iter().flat_map(|tree| &tree.sums) {
                    self.define(sums, sum, &mut out)?;
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
            let step = &self.steps[at as usize];
            out.line("crown")?;
            if *step == Step::default() {
                out.line("refute all")?;
            }
            self.refuted(&step.refuted, cases, out)?;
            for Clip { slabs, how } in &step.clips {
                let mut text = String::from("clip");
                slabs.iter().for_each(|slab| self::slab(&mut text, slab));
                out.line(&(text + &out.how(how)))?;
            }
            if let Some((polytope, how)) = &step.last {
                out.line(&format!("refute {}{}", cases[*polytope], out.how(how)))?;
            }
            match step.halves {
                None => out.line("leaf")?,
                Some(halves) => {
                    out.line(&format!("split x{} at {}", halves.input, short(halves.at)))?;
                    next.extend([halves.below + 1, halves.below]);
                }
            }
        }
        Ok(())
    }

    fn define(&self, number: usize, sum: &[SumTerm], out: &mut Out) -> io::Result<()> {
        let mut text = format!("let q{number}");
        for &SumTerm { node, element, relu, coefficient } in sum {
            let name = self.names.element(node, element);
            let (from, to) = if relu { ("relu(", ")") } else { ("", "") };
            let _ = write!(text, " {from}{name}{to}:{}", short(coefficient));
        }
        out.line(&text)
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
                self.improve(line, out)?;
                continue;
            };
            let name = out.name(lemma.node, lemma.element);
            out.line(&format!("split {name} at {}", short(lemma.at)))?;
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
        self.refuted(&record.refuted, cases, out)?;
        for tree in &record.trees {
            let case = cases[tree.polytope];
            // Nothing is left for the other part where there is one polytope only.
            let alone = record.refuted.is_empty() && record.trees.len() == 1;
            if !alone {
                out.line(&format!("part {case}"))?;
            }
            self.tree(tree, case, out)?;
            out.sums += tree.sums.len();
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
            lines.iter().try_for_each(|line| self.improve(line, out))?;
            match step.split {
                Some(split) => {
                    let name = self.names.element(split.node, split.element);
                    out.line(&format!("split {name} at {}", short(split.at)))?;
                    next.extend([split.below + 1, split.below]);
                }
                None => {
                    if let Some(how) = &step.refuted {
                        out.line(&format!("refute {case}{}", out.how(how)))?;
                    }
                    out.line("leaf")?;
                }
            }
        }
        Ok(())
    }

    fn improve(&self, line: &Improve, out: &mut Out) -> io::Result<()> {
        match line {
            Improve::Crown { after: None } => out.line("crown"),
            // Nothing stands after the last block.
            Improve::Crown { after: Some(node) } => match self.names.after(*node) {
                Some(blocks) => out.line(&format!("crown {}..{}", blocks.start, blocks.end)),
                None => Ok(()),
            },
            Improve::Tighten { node, elements, upper, hints } => {
                let elements: Vec<usize> = elements.iter().map(|&i| i as usize).collect();
                let name = match *node {
                    SUM => out.name(SUM, elements.first().copied().unwrap_or(0)),
                    node => self.names.element(node, set(&elements)),
                };
                let name = name.strip_suffix('.').unwrap_or(&name);
                let side = match upper {
                    None => "",
                    Some(true) => " upper",
                    Some(false) => " lower",
                };
                out.line(&format!("tighten {name}{side}{}", out.hints(hints)))
            }
            // Where they stand is no place for a line: see `under`.
            Improve::Lemma(_) => Ok(()),
        }
    }

    /// Polytopes that are refuted: those without hints in one line.
    fn refuted(
        &self,
        refuted: &[(usize, Refutation)],
        cases: &[usize],
        out: &mut Out,
    ) -> io::Result<()> {
        let (plain, hinted): (Vec<_>, Vec<_>) =
            refuted.iter().partition(|(_, how)| *how == Refutation::default());
        let mut plain: Vec<usize> = plain.iter().map(|(polytope, _)| cases[*polytope]).collect();
        plain.sort_unstable();
        if !plain.is_empty() {
            out.line(&format!("refute {}", set(&plain)))?;
        }
        for (polytope, how) in hinted {
            out.line(&format!("refute {}{}", cases[*polytope], out.how(how)))?;
        }
        Ok(())
    }
}

/// The multiple of 2⁻³² that the checker would take instead.
fn quantised(slope: f32) -> f64 {
    const UNITS: f64 = 4_294_967_296.0;
    (f64::from(slope) * UNITS).round() / UNITS
}

/// Increasing numbers as the format has sets.
fn set(numbers: &[usize]) -> String {
    let mut text = String::new();
    let mut rest = numbers;
    while let Some(&first) = rest.first() {
        let run = rest.iter().zip(first..).take_while(|(a, b)| *a == b).count();
        let comma = if run == rest.len() { "" } else { "," };
        let _ = match run {
            1 => write!(text, "{first}{comma}"),
            _ => write!(text, "{first}..{}{comma}", first + run),
        };
        rest = &rest[run..];
    }
    text
}

fn slab(text: &mut String, slab: &Slab) {
    // The slab that is cut off lies above an upper end.
    let side = if slab.upper { '>' } else { '<' };
    let _ = write!(text, " {side}x{}:{}", slab.input, short(slab.at));
}

/// The number in hexadecimal with as few digits as it takes.
fn short(x: f64) -> String {
    if x == 0.0 { "0x0p0".to_owned() } else { format_hex(x) }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Section;
    use super::*;
    use crate::branch::{Halves, Lemma};

    #[test]
    fn numbers_are_short_and_exact() {
        assert_eq!((short(0.5).as_str(), short(0.0).as_str()), ("0x1p-1", "0x0p0"));
        for x in [0.0, -0.0, 1.0, -1.5, 0.1, 4096.0, f64::MAX, 5e-324, -1e-310, 123_456.789] {
            assert_eq!(certus_check::float::parse_hex(&short(x)), Some(x), "{x} {}", short(x));
        }
        assert_eq!((quantised(0.1), quantised(1e-12)), (f64::from(0.1f32), 0.0));
    }

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
            last: None,
            halves,
        };
        let last = Some((1, using(&[(0, 1.0)])));
        let steps = vec![root, Step::default(), Step { last, ..Step::default() }];
        let sections = vec![
            Section { cases: vec![0, 2, 3, 5], body: Body::Inputs(0) },
            Section { cases: vec![6], body: Body::Bounds },
        ];
        let proof = Proof { sections, steps, empty: vec![1, 4], names: Names::default() };
        let text = String::from_utf8(proof.to_bytes()).unwrap();
        let root = "crown\nrefute 0\nrefute 5 using 1\nclip >x2:0x1p-2\nclip >x2:0x1p-2 <x2:-0x1p1 using 0 3:0x1p-1\n";
        let leaves = "crown\nrefute all\nleaf\ncrown\nrefute 2 using 0\nleaf\n";
        let tree = format!("{root}split x0 at -0x1p0\n{leaves}");
        let rest = "cases 6\nrefute all\nleaf\ncases 1,4\nleaf\nend 19\n";
        assert_eq!(text, format!("certus-proof 1\ncases 0,2..4,5\n{tree}{rest}"));
    }

    #[test]
    fn trees_of_relu_splits_are_parts_of_one_section() {
        let hints = Hints {
            slopes: [(3, 7, 0.25f32), (5, 0, 1.0)].into(),
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
            hints: Hints { slopes: hints.slopes[..1].into(), lifts: [].into() },
        };
        let lines = vec![tighten(vec![], None), tighten(vec![1, 2, 3], Some(true))];
        let refuted = vec![(2, Refutation::default()), (0, Refutation::default())];
        let record = ClaimRecord { lines, refuted, trees: vec![tree] };
        let blocks = HashMap::from([(3, 0), (5, 1)]);
        let proof = Proof {
            sections: vec![Section { cases: vec![4, 6, 7], body: Body::Relus(record) }],
            steps: vec![],
            empty: vec![],
            names: Names { blocks },
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
            "refute 6 using 0 2:0x1p-1 slope r0.7:0x1p-2 r1.0:0x1p0 lift >r0.7:0x1p-1 <r1.1:0x1p1 >x1:0x1p0",
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
            let hints = Hints { slopes: [].into(), lifts: [(SUM as u32, 0, 0.5)].into() };
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
        let names = Names { blocks: HashMap::from([(3, 0)]) };
        let sections = vec![section(0), section(2)];
        let proof = Proof { sections, steps: vec![], empty: vec![], names };
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
