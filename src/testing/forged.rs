//! Proofs that nobody searched for: random ones that follow the grammar, and real ones with changed lines.

use crate::attack::SplitMix64;
use crate::net::Network;
use certus_check::float::{format_hex, parse_hex};

/// A number as proofs write it.
fn hex(x: f64) -> String {
    if x < 0.0 { format!("-{}", format_hex(-x)) } else { format_hex(x.abs()) }
}

/// What a random proof is about.
pub(super) struct About<'a> {
    pub(crate) net: &'a Network,
    /// A point of the region at which splits are tried.
    pub(crate) point: &'a [f64],
    /// The values of the pre-activations there, block by block.
    pub(crate) blocks: Vec<Vec<f64>>,
}

impl<'a> About<'a> {
    /// About a network, its region around a point.
    pub(super) fn new(net: &'a Network, point: &'a [f64]) -> Self {
        let x = crate::net::Matrix::from_column_slice(point.len(), 1, point);
        let values = net.forward(&x);
        let blocks = net.relus().map(|(_, z)| values.node(z).as_slice().to_vec()).collect();
        Self { net, point, blocks }
    }

    /// A proof in the grammar, of a statement with one case.
    pub(super) fn proof(&self, dice: &mut SplitMix64) -> String {
        let mut lines = vec!["certus-proof 1".to_owned(), "cases 0".to_owned()];
        let depth = dice.below(4);
        self.node(depth, dice, &mut lines);
        let count = lines.len();
        lines.push(format!("end {count}"));
        lines.join("\n") + "\n"
    }

    fn node(&self, depth: usize, dice: &mut SplitMix64, lines: &mut Vec<String>) {
        for _ in 0..dice.below(3) {
            let hint = self.hint(dice);
            lines.push(hint);
        }
        if depth == 0 {
            let (slopes, lifts) = (self.slopes(dice), self.lifts(dice));
            lines.push(format!("refute all{slopes}{lifts}"));
            lines.push("leaf".to_owned());
            return;
        }
        let (variable, value) = self.variable(dice);
        // At the value, next to it, or at 0.
        let step = 2f64.powi(-(dice.below(50) as i32));
        let at =
            [value, value, value + step, value - step, 0.0, value.next_up(), value.next_down()]
                [dice.below(7)];
        lines.push(format!("split {variable} at {}", hex(if at.is_finite() { at } else { 0.0 })));
        (0..2).for_each(|_| self.node(depth - 1, dice, lines));
    }

    fn hint(&self, dice: &mut SplitMix64) -> String {
        let (slopes, lifts) = (self.slopes(dice), self.lifts(dice));
        if self.blocks.is_empty() || dice.below(3) == 0 {
            return format!("crown{slopes}");
        }
        let block = dice.below(self.blocks.len());
        let side = ["", " lower", " upper"][dice.below(3)];
        match dice.below(2) {
            0 => format!("tighten r{block}{side}{slopes}{lifts}"),
            _ => format!(
                "tighten r{block}.{}{side}{slopes}{lifts}",
                dice.below(self.blocks[block].len())
            ),
        }
    }

    /// An input or a pre-activation, and its value at the point.
    fn variable(&self, dice: &mut SplitMix64) -> (String, f64) {
        if self.blocks.is_empty() || dice.below(2) == 0 {
            let i = dice.below(self.net.inputs());
            return (format!("x{i}"), self.point[i]);
        }
        let block = dice.below(self.blocks.len());
        let i = dice.below(self.blocks[block].len());
        (format!("r{block}.{i}"), self.blocks[block][i])
    }

    fn slopes(&self, dice: &mut SplitMix64) -> String {
        if self.blocks.is_empty() || dice.below(2) == 0 {
            return String::new();
        }
        let mut text = String::from(" slope");
        for (block, values) in self.blocks.iter().enumerate() {
            for i in 0..values.len() {
                if dice.below(2) == 0 {
                    continue;
                }
                let mut slope = || hex(dice.below(17) as f64 / 16.0);
                text += &format!(" r{block}.{i}:{}", slope());
                if slope().len() % 2 == 0 {
                    text += &format!("/{}", slope());
                }
            }
        }
        if text == " slope" { String::new() } else { text }
    }

    fn lifts(&self, dice: &mut SplitMix64) -> String {
        if dice.below(3) > 0 {
            return String::new();
        }
        let mut text = String::from(" lift");
        for _ in 0..1 + dice.below(3) {
            let side = if dice.below(2) == 0 { ">" } else { "<" };
            text += &format!(" {side}{}:{}", self.variable(dice).0, hex(2.0 * dice.unit()));
        }
        text
    }
}

/// Lines that may come in.
const LINES: [&str; 14] = [
    "leaf",
    "refute all",
    "crown",
    "tighten r0",
    "refute 0 using 0:0x1p-1",
    "clip >x0:0x0p0",
    "clip <x0:0x0p0",
    "split x0 at 0x1p0",
    "split r0.0 at 0x0p0",
    "tighten x0 upper lift >r0.0:0x1p0",
    "refute 0 lift <x0:0x1p0 >x0:0x1p0",
    "let q0 x0:0x1p0 relu(r0.0):-0x1p0",
    "part 0",
    "cases 0",
];

/// One change of a proof's lines, or two.
#[must_use]
pub fn changed(lines: &[String], dice: &mut SplitMix64) -> String {
    let mut lines: Vec<String> = lines[..lines.len().saturating_sub(1)].to_vec();
    for _ in 0..1 + dice.below(2) {
        if lines.is_empty() {
            break;
        }
        let at = dice.below(lines.len());
        match dice.below(8) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[dice.below(lines.len())].clone()),
            2 => {
                let other = dice.below(lines.len());
                lines.swap(at, other);
            }
            3 => lines.insert(at, LINES[dice.below(LINES.len())].to_owned()),
            4 => {
                let words = [
                    ("upper", "lower"),
                    ("lower", "upper"),
                    ("<", ">"),
                    (">", "<"),
                    ("x0", "r0.0"),
                    ("r0", "r1"),
                    ("refute", "clip"),
                    (" slope ", " lift >"),
                ];
                let (from, to) = words[dice.below(words.len())];
                lines[at] = lines[at].replacen(from, to, 1);
            }
            _ => another_number(&mut lines[at], dice),
        }
    }
    format!("{}\nend {}\n", lines.join("\n"), lines.len())
}

/// A number of a line becomes another one.
fn another_number(line: &mut String, dice: &mut SplitMix64) {
    let is_number = |c: char| c.is_ascii_hexdigit() || "x.p-+".contains(c);
    let starts: Vec<usize> = line.match_indices("0x").map(|(at, _)| at).collect();
    if starts.is_empty() {
        return;
    }
    let start = starts[dice.below(starts.len())];
    let end = line[start..].find(|c: char| !is_number(c)).map_or(line.len(), |end| start + end);
    let Some(x) = parse_hex(&line[start..end]) else { return };
    let near = x + dice.sign() * 2f64.powi(-(dice.below(60) as i32));
    let new = [near, near, x.next_up(), x.next_down(), 0.0, 1.0, 2.0 * x][dice.below(7)];
    *line = format!("{}{}{}", &line[..start], format_hex(new.abs()), &line[end..]);
}
