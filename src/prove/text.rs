//! The lines of a proof (proofs/FORMAT.md).

use crate::branch::{End, Hints, Line, Refutation, SUM, SumTerm};
use crate::net::{Network, NodeId};
use certus_check::float::format_hex;
use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::ops::Range;

/// The proof's names of pre-activations: `r<k>`.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// By the pre-activation's node, the first of the ReLUs that read it.
    blocks: HashMap<NodeId, usize>,
    /// By the ReLU's node.
    relus: HashMap<NodeId, usize>,
}

impl Names {
    /// The blocks of a network: its ReLUs, in order.
    #[must_use]
    pub fn of(net: &Network) -> Self {
        let relus: Vec<(NodeId, NodeId)> = net.relus().map(|(relu, z)| (z, relu)).collect();
        Self::new(&relus)
    }

    /// The blocks of ReLUs, in order: their pre-activations' nodes and their own.
    pub(super) fn new(relus: &[(NodeId, NodeId)]) -> Self {
        let mut names = Self::default();
        for (k, &(z, relu)) in relus.iter().enumerate() {
            names.blocks.entry(z).or_insert(k);
            names.relus.insert(relu, k);
        }
        names
    }

    /// The pre-activations' nodes with their blocks.
    pub fn blocks(&self) -> impl Iterator<Item = (NodeId, usize)> + '_ {
        self.blocks.iter().map(|(z, k)| (*z, *k))
    }

    /// The blocks from the first one on whose pre-activation comes after a node.
    fn after(&self, node: NodeId) -> Option<Range<usize>> {
        let first = self.blocks.iter().filter(|(z, _)| **z > node).map(|(_, k)| *k).min()?;
        Some(first..self.relus.values().max()? + 1)
    }

    fn element(&self, node: NodeId, element: impl Display) -> String {
        match self.blocks.get(&node) {
            Some(k) => format!("r{k}.{element}"),
            None => format!("x{element}"),
        }
    }
}

/// Lines of a proof.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub names: &'a Names,
    /// The number of the first sum of the tree that is being written.
    pub sums: usize,
}

impl Text<'_> {
    /// The name of an input, a pre-activation or a sum.
    fn name(&self, node: NodeId, element: usize) -> String {
        match node {
            SUM => format!("q{}", self.sums + element),
            node => self.names.element(node, element),
        }
    }

    pub(super) fn define(&self, number: usize, sum: &[SumTerm]) -> String {
        let mut text = format!("let q{number}");
        for &SumTerm { node, element, relu, coefficient } in sum {
            let name = self.names.element(node, element);
            let (from, to) = if relu { ("relu(", ")") } else { ("", "") };
            let _ = write!(text, " {from}{name}{to}:{}", short(coefficient));
        }
        text
    }

    /// A line of a tree about these cases; none where nothing is left to be done.
    pub(super) fn line(&self, line: &Line, cases: &[usize]) -> Option<String> {
        let (node, elements, upper, hints) = match line {
            Line::Crown { after: None, hints } => {
                return Some(format!("crown{}", self.hints(hints)));
            }
            Line::Crown { after: Some(node), hints } => {
                let Range { start, end } = self.names.after(*node)?;
                return Some(format!("crown {start}..{end}{}", self.hints(hints)));
            }
            Line::Refute { polytopes, how } => {
                let which = match &**polytopes {
                    [] => "all".to_owned(),
                    some => chosen(some, cases),
                };
                return Some(format!("refute {which}{}", self.how(how)));
            }
            Line::Clip { slabs, how } => {
                let mut text = String::from("clip");
                for slab in slabs {
                    // The slab that is cut off lies above an upper end.
                    let side = if slab.upper { '>' } else { '<' };
                    let _ = write!(text, " {side}x{}:{}", slab.input, short(slab.at));
                }
                return Some(text + &self.how(how));
            }
            Line::Tighten { node, elements, upper, hints } => (*node, elements, upper, hints),
        };
        let elements: Vec<usize> = elements.iter().map(|&i| i as usize).collect();
        let name = match node {
            SUM => self.name(SUM, elements.first().copied().unwrap_or(0)),
            node => self.names.element(node, set(&elements)),
        };
        let name = name.strip_suffix('.').unwrap_or(&name);
        let side = match upper {
            None => "",
            Some(true) => " upper",
            Some(false) => " lower",
        };
        Some(format!("tighten {name}{side}{}", self.hints(hints)))
    }

    /// The line that ends a node.
    pub(super) fn end(&self, end: &End, cases: &[usize]) -> String {
        match end {
            End::Leaf => "leaf".to_owned(),
            End::Split { node, element, at, .. } => {
                format!("split {} at {}", self.name(*node, *element as usize), short(*at))
            }
            End::Part { polytopes, .. } => format!("part {}", chosen(polytopes, cases)),
        }
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
        let mut uppers: HashMap<(u32, u32), f64> =
            hints.uppers.iter().map(|&(relu, element, slope)| ((relu, element), slope)).collect();
        let mut word = " slope ";
        let mut slope = |relu: u32, element: u32, lower: Option<f32>, upper: Option<f64>| {
            // A slope of what is no ReLU says nothing.
            let Some(k) = self.names.relus.get(&(relu as usize)) else { return };
            let _ = write!(text, "{word}r{k}.{element}:");
            word = " ";
            lower.into_iter().for_each(|slope| text += &short(quantised(f64::from(slope))));
            upper.into_iter().for_each(|slope| text += &format!("/{}", short(quantised(slope))));
        };
        for &(relu, element, lower) in &hints.slopes {
            slope(relu, element, Some(lower), uppers.remove(&(relu, element)));
        }
        for &(relu, element, _) in &hints.uppers {
            if let Some(upper) = uppers.remove(&(relu, element)) {
                slope(relu, element, None, Some(upper));
            }
        }
        for (i, &(node, element, g)) in hints.lifts.iter().enumerate() {
            text.push_str(if i == 0 { " lift " } else { " " });
            text.push(if g > 0.0 { '>' } else { '<' });
            let _ =
                write!(text, "{}:{}", self.name(node as usize, element as usize), short(g.abs()));
        }
        text
    }
}

/// The cases of polytopes, as the format has sets.
fn chosen(polytopes: &[u32], cases: &[usize]) -> String {
    set(&polytopes.iter().map(|&polytope| cases[polytope as usize]).collect::<Vec<usize>>())
}

/// The multiple of 2⁻³² that the checker would take instead.
fn quantised(slope: f64) -> f64 {
    const UNITS: f64 = 4_294_967_296.0;
    (slope * UNITS).round() / UNITS
}

/// Increasing numbers as the format has sets.
pub(super) fn set(numbers: &[usize]) -> String {
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

/// The number in hexadecimal with as few digits as it takes.
fn short(x: f64) -> String {
    if x == 0.0 { "0x0p0".to_owned() } else { format_hex(x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact() {
        assert_eq!((short(0.5).as_str(), short(0.0).as_str()), ("0x1p-1", "0x0p0"));
        for x in [0.0, -0.0, 1.0, -1.5, 0.1, 4096.0, f64::MAX, 5e-324, -1e-310, 123_456.789] {
            assert_eq!(certus_check::float::parse_hex(&short(x)), Some(x), "{x} {}", short(x));
        }
        assert_eq!((quantised(f64::from(0.1f32)), quantised(1e-12)), (f64::from(0.1f32), 0.0));
    }
}
