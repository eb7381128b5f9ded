//! A proof as data, and as text (proofs/FORMAT.md), written as it goes: the text is never held as a whole.

use super::text::{Names, Text, set};
use crate::branch::Tree;
use crate::load::Statement;
use crate::net::Network;
use std::io;

/// A proof of a statement.
#[derive(Debug, Clone)]
pub struct Proof {
    /// One section a claim, in the order of the property.
    pub sections: Vec<Section>,
    /// Cases without inputs.
    pub empty: Vec<usize>,
    /// What the network's pre-activations are called.
    pub names: Names,
}

/// The proof of one claim.
#[derive(Debug, Clone)]
pub struct Section {
    /// The numbers of its cases in the file, increasing: those of the claim's polytopes.
    pub cases: Vec<usize>,
    /// How.
    pub tree: Tree,
}

/// Lines on their way to a file.
struct Out<'a> {
    to: &'a mut dyn io::Write,
    lines: u64,
}

impl Out<'_> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        self.lines += 1;
        self.to.write_all(text.as_bytes())?;
        self.to.write_all(b"\n")
    }
}

impl Proof {
    /// The proof that these trees are, one a claim.
    #[must_use]
    pub fn new(
        net: &Network,
        statement: &Statement,
        trees: impl IntoIterator<Item = Tree>,
    ) -> Self {
        let mut case = 0;
        let section = |(claim, tree): (&crate::spec::Claim, Tree)| {
            let own = case..case + claim.unsafe_set.len();
            case = own.end;
            Section { cases: own.map(|case| statement.number(case)).collect(), tree }
        };
        let sections = statement.property.claims.iter().zip(trees).map(section).collect();
        Self { sections, empty: statement.empty.clone(), names: Names::of(net) }
    }

    /// Writes the text that the checker reads.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut out = Out { to, lines: 0 };
        let mut text = Text { names: &self.names, sums: 0 };
        out.line("certus-proof 1")?;
        for Section { cases, tree } in self.sections.iter().filter(|own| !own.cases.is_empty()) {
            for (number, sum) in tree.sums.iter().enumerate() {
                out.line(&text.define(text.sums + number, sum))?;
            }
            out.line(&format!("cases {}", set(cases)))?;
            let mut next = vec![0];
            while let Some(at) = next.pop() {
                let node = &tree.nodes[at as usize];
                for line in node.lines.iter().filter_map(|line| text.line(line, cases)) {
                    out.line(&line)?;
                }
                out.line(&text.end(&node.end, cases))?;
                next.extend(node.end.first().into_iter().flat_map(|first| [first + 1, first]));
            }
            text.sums += tree.sums.len();
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::branch::{Hints, Lemma, Line, Refutation, SUM, Slab, SumTerm};

    fn using(weights: &[(usize, f64)]) -> Refutation {
        Refutation { weights: weights.into(), hints: Hints::default() }
    }

    fn refute(polytopes: &[u32], how: Refutation) -> Line {
        Line::Refute { polytopes: polytopes.into(), how }
    }

    fn clip(slabs: &[Slab], how: Refutation) -> Line {
        Line::Clip { slabs: slabs.into(), how }
    }

    fn crown(hints: Hints) -> Line {
        Line::Crown { after: None, hints }
    }

    #[test]
    fn a_tree_is_written_from_the_root() {
        let slab = Slab { input: 2, upper: true, at: 0.25 };
        let hints = Hints { slopes: [(3, 1, 1.0)].into(), ..Hints::default() };
        let mut tree = Tree::default();
        let below = Slab { upper: false, at: -2.0, ..slab };
        let refuted = vec![(3, using(&[(1, 1.0)])), (2, using(&[])), (0, using(&[]))];
        tree.line(0, crown(Hints::default()));
        tree.lines(0, Line::refuting(refuted, &Hints::default()));
        tree.line(0, clip(&[slab, below], using(&[(0, 1.0), (3, 0.5)])));
        let [left, right] = tree.split(0, 0, 0, -1.0);
        tree.line(left, crown(hints.clone()));
        tree.line(left, refute(&[], Refutation { hints, ..using(&[]) }));
        let [own, others] = tree.part(right, &[2]);
        tree.line(own, clip(&[slab], using(&[])));
        tree.line(own, refute(&[2], using(&[(1, 2.0)])));
        tree.line(others, refute(&[1], using(&[(0, 1.0)])));
        let mut bounds = Tree::default();
        bounds.line(0, refute(&[], using(&[])));
        let sections = vec![
            Section { cases: vec![0, 2, 3, 5], tree },
            Section { cases: vec![], tree: Tree::default() },
            Section { cases: vec![6], tree: bounds },
        ];
        let proof = Proof { sections, empty: vec![1, 4], names: Names::new(&[(2, 3)]) };
        let text = String::from_utf8(proof.to_bytes()).unwrap();
        let root =
            "crown\nrefute 0,3\nrefute 5 using 1\nclip >x2:0x1p-2 <x2:-0x1p1 using 0 3:0x1p-1\n";
        let leaves = "crown slope r0.1:0x1p0\nrefute all slope r0.1:0x1p0\nleaf\n\
                      part 3\nclip >x2:0x1p-2\nrefute 3 using 1:0x1p1\nleaf\nrefute 2 using 0\nleaf\n";
        let tree = format!("{root}split x0 at -0x1p0\n{leaves}");
        let rest = "cases 6\nrefute all\nleaf\ncases 1,4\nleaf\nend 21\n";
        assert_eq!(text, format!("certus-proof 1\ncases 0,2..4,5\n{tree}{rest}"));
    }

    #[test]
    fn splits_of_relus_have_multipliers() {
        let hints = Hints {
            slopes: [(4, 7, 0.25f32), (6, 0, 1.0)].into(),
            uppers: [(6, 0, 0.5), (6, 2, 0.75)].into(),
            lifts: [(3, 7, 0.5), (5, 1, -2.0), (0, 1, 1.0)].into(),
        };
        let mut tree = Tree::default();
        let tighten = |elements: &[u32], upper| Line::Tighten {
            node: 5,
            elements: elements.into(),
            upper,
            hints: Hints { slopes: hints.slopes[..1].into(), ..Hints::default() },
        };
        tree.lines(0, [tighten(&[], None), tighten(&[1, 2, 3], Some(true))]);
        let [below, above] = tree.split(0, 5, 4, 0.0);
        let how = Refutation { hints: hints.clone(), ..using(&[(0, 1.0), (2, 0.5)]) };
        tree.line(below, refute(&[1], how));
        tree.line(above, Line::Crown { after: Some(3), hints: Hints::default() });
        tree.line(above, Line::Crown { after: Some(5), hints: Hints::default() });
        let sections = vec![Section { cases: vec![4, 6, 7], tree }];
        let proof = Proof { sections, empty: vec![], names: Names::new(&[(3, 4), (5, 6)]) };
        let text = String::from_utf8(proof.to_bytes()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "certus-proof 1",
            "cases 4,6..8",
            "tighten r1 slope r0.7:0x1p-2",
            "tighten r1.1..4 upper slope r0.7:0x1p-2",
            "split r1.4 at 0x0p0",
            "refute 6 using 0 2:0x1p-1 slope r0.7:0x1p-2 r1.0:0x1p0/0x1p-1 r1.2:/0x3p-2 lift >r0.7:0x1p-1 <r1.1:0x1p1 >x1:0x1p0",
            "leaf",
            "crown 1..2",
            "leaf",
            "end 9",
        ];
        assert_eq!(lines, expected);
    }

    /// Each tree's sums have numbers of their own; trees that bound them stand before what makes use of them.
    #[test]
    fn sums_are_numbered_through() {
        let hints = Hints { lifts: [(SUM as u32, 0, 0.5)].into(), ..Hints::default() };
        let how = || Refutation { hints: hints.clone(), ..using(&[]) };
        let tighten = || Line::Tighten {
            node: SUM,
            elements: [0].into(),
            upper: Some(false),
            hints: hints.clone(),
        };
        // Its sum is the tree's first one.
        let piece = |polytope| {
            let (mut below, mut tree) = (Tree::default(), Tree::default());
            below.line(0, tighten());
            let term = |relu, coefficient| SumTerm { node: 3, element: 2, relu, coefficient };
            assert_eq!(tree.define(vec![term(true, -1.0), term(false, 0.5)]), 0);
            let left = tree
                .lemma(0, Lemma { node: SUM, element: 0, upper: false, at: -0.25, tree: below });
            tree.line(left, refute(&[polytope], how()));
            tree
        };
        let section = |first: usize| {
            let mut tree = Tree::default();
            let mut tip = 0;
            for polytope in 0..2 {
                let [own, others] = tree.part(tip, &[polytope]);
                tree.graft(own, piece(polytope));
                tip = others;
            }
            Section { cases: vec![first, first + 1], tree }
        };
        let names = Names::new(&[(3, 4)]);
        let proof = Proof { sections: vec![section(0), section(2)], empty: vec![], names };
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
