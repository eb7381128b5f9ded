//! A proof as text (proofs/FORMAT.md).

use super::tree::Proof;
use crate::branch::Slab;
use certus_check::float::format_hex;
use std::fmt::Write as _;

impl Proof {
    /// The text that the checker reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::from("certus-proof 1\n");
        for section in &self.sections {
            if section.cases.is_empty() {
                continue;
            }
            open(&mut text, &section.cases);
            match section.root {
                None => text.push_str("refute all\nleaf\n"),
                Some(root) => self.tree(root, &mut text),
            }
        }
        if !self.empty.is_empty() {
            open(&mut text, &self.empty);
            text.push_str("leaf\n");
        }
        let lines = text.bytes().filter(|&b| b == b'\n').count();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "end {lines}");
        text.into_bytes()
    }

    /// The tree below a step, each step before its halves.
    fn tree(&self, root: u32, text: &mut String) {
        let mut next = vec![root];
        while let Some(at) = next.pop() {
            let step = &self.steps[at as usize];
            if !step.clips.is_empty() {
                text.push_str("crown\nclip");
                step.clips.iter().for_each(|slab| self::slab(text, slab));
                text.push('\n');
            }
            match step.halves {
                None => text.push_str("crown\nrefute all\nleaf\n"),
                Some(halves) => {
                    let _ = writeln!(text, "split x{} at {}", halves.input, short(halves.at));
                    next.extend([halves.below + 1, halves.below]);
                }
            }
        }
    }
}

fn open(text: &mut String, cases: &[usize]) {
    text.push_str("cases ");
    let mut rest = cases;
    while let Some(&first) = rest.first() {
        let run = rest.iter().zip(first..).take_while(|(a, b)| *a == b).count();
        let comma = if run == rest.len() { "\n" } else { "," };
        let _ = match run {
            1 => write!(text, "{first}{comma}"),
            _ => write!(text, "{first}..{}{comma}", first + run),
        };
        rest = &rest[run..];
    }
}

fn slab(text: &mut String, slab: &Slab) {
    // The slab that is cut off lies above an upper end.
    let side = if slab.upper { '>' } else { '<' };
    let _ = write!(text, " {side}x{}:{}", slab.input, short(slab.at));
}

/// The number in hexadecimal with as few digits as it takes.
fn short(x: f64) -> String {
    let long = format_hex(x);
    let Some((digits, exponent)) = long.split_once('p') else { return long };
    let trimmed = digits.trim_end_matches('0');
    let (Ok(exponent), false) = (exponent.parse::<i64>(), trimmed.ends_with('x')) else {
        return long;
    };
    format!("{trimmed}p{}", exponent + 4 * (digits.len() - trimmed.len()) as i64)
}

#[cfg(test)]
mod tests {
    use super::super::tree::Section;
    use super::*;
    use crate::branch::{Halves, Step};

    #[test]
    fn numbers_are_short_and_exact() {
        assert_eq!(short(0.5), "0x1p-1");
        for x in [0.0, -0.0, 1.0, -1.5, 0.1, 4096.0, f64::MAX, 5e-324, -1e-310, 123_456.789] {
            assert_eq!(certus_check::float::parse_hex(&short(x)), Some(x), "{x} {}", short(x));
        }
    }

    #[test]
    fn a_tree_is_written_from_the_root() {
        let slab = Slab { input: 2, upper: true, at: 0.25 };
        let halves = Some(Halves { input: 0, at: -1.0, below: 1 });
        let steps = vec![Step { clips: vec![slab], halves }, Step::default(), Step::default()];
        let sections = vec![
            Section { cases: vec![0, 2, 3, 5], root: Some(0) },
            Section { cases: vec![6], root: None },
        ];
        let proof = Proof { sections, steps, empty: vec![1, 4] };
        let text = String::from_utf8(proof.to_bytes()).unwrap();
        let leaf = "crown\nrefute all\nleaf\n";
        let tree = format!("crown\nclip >x2:0x1p-2\nsplit x0 at -0x1p0\n{leaf}{leaf}");
        let rest = "cases 6\nrefute all\nleaf\ncases 1,4\nleaf\nend 16\n";
        assert_eq!(text, format!("certus-proof 1\ncases 0,2..4,5\n{tree}{rest}"));
    }
}
