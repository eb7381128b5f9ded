//! The lines of a proof, as FORMAT.md defines them: text in, values out; nothing is looked up here.
use crate::float::parse_hex;
use crate::reject::Reason;
use crate::sweep::Slopes;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;
use std::str::Split;

/// An input, a pre-activation by block and element, or a sum that the proof defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Var {
    X(usize),
    R(usize, usize),
    Q(usize),
}

impl Var {
    pub fn name(self) -> String {
        match self {
            Var::X(i) => format!("x{i}"),
            Var::R(k, i) => format!("r{k}.{i}"),
            Var::Q(k) => format!("q{k}"),
        }
    }
}

/// What a defined sum adds up, times a coefficient: an input, a pre-activation, or the ReLU of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    pub var: Var,
    pub relu: bool,
    pub coefficient: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Lower,
    Upper,
}

/// Increasing, disjoint, non-empty ranges.
pub type Set = Vec<Range<usize>>;

#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The unstable elements of a block.
    Unstable(usize),
    Elements(usize, Set),
    Inputs(Set),
    Sums(Set),
}

/// Multipliers for the sweeps of one line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    /// Weights on half-spaces; `None`: each alone.
    pub using: Option<BTreeMap<usize, f64>>,
    pub slopes: Slopes,
    pub lifts: BTreeMap<(Var, Side), f64>,
}

/// `x ≥ at` (`Lower`: the slab starts there and reaches up) or `x ≤ at`, to be shown empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slab {
    pub input: usize,
    pub side: Side,
    pub at: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// The sum's number, and what it is.
    Let(usize, Vec<Term>),
    Cases(Set),
    Crown(Option<Range<usize>>, Hints),
    Tighten(Target, Option<Side>, Hints),
    /// `None`: all open cases.
    Refute(Option<Set>, Hints),
    Clip(Vec<Slab>, Hints),
    Split(Var, f64),
    /// Two sub-trees: for these cases, and for the others.
    Part(Set),
    Leaf,
    End(u64),
}

pub const HEADER: &str = "certus-proof 1";

/// Reads one line (not the header, not a comment).
pub fn parse(line: &str) -> Result<Line, Reason> {
    let mut tokens = Tokens(line.split(' ').peekable());
    let parsed = match tokens.next()? {
        "let" => {
            let Var::Q(number) = var(tokens.next()?)? else { return Err(Reason::Syntax) };
            let mut terms = vec![term(tokens.next()?)?];
            while tokens.peek().is_some() {
                terms.push(term(tokens.next()?)?);
            }
            Line::Let(number, terms)
        }
        "cases" => Line::Cases(set(tokens.next()?)?),
        "crown" => {
            let range = match tokens.peek() {
                Some(t) if t != "slope" => {
                    let [range] = set(tokens.next()?)?.try_into().map_err(|_| Reason::Syntax)?;
                    Some(range)
                }
                _ => None,
            };
            let hints = Hints { slopes: slopes(&mut tokens)?, ..Hints::default() };
            Line::Crown(range, hints)
        }
        "tighten" => {
            let target = target(tokens.next()?)?;
            let side = match tokens.peek() {
                Some("lower") => Some(Side::Lower),
                Some("upper") => Some(Side::Upper),
                _ => None,
            };
            if side.is_some() {
                tokens.next()?;
            }
            let (slopes, lifts) = (slopes(&mut tokens)?, lifts(&mut tokens)?);
            Line::Tighten(target, side, Hints { using: None, slopes, lifts })
        }
        "refute" => {
            let cases = match tokens.next()? {
                "all" => None,
                t => Some(set(t)?),
            };
            Line::Refute(cases, hints(&mut tokens)?)
        }
        "clip" => {
            let mut slabs = vec![slab(tokens.next()?)?];
            while let Some(t) = tokens.peek().filter(|t| t.starts_with(['<', '>'])) {
                slabs.push(slab(t)?);
                tokens.next()?;
            }
            Line::Clip(slabs, hints(&mut tokens)?)
        }
        "split" => {
            let var = var(tokens.next()?)?;
            match tokens.next()? {
                "at" => Line::Split(var, float(tokens.next()?)?),
                _ => return Err(Reason::Syntax),
            }
        }
        "part" => Line::Part(set(tokens.next()?)?),
        "leaf" => Line::Leaf,
        "end" => Line::End(integer(tokens.next()?)? as u64),
        _ => return Err(Reason::Syntax),
    };
    if tokens.peek().is_none() { Ok(parsed) } else { Err(Reason::Syntax) }
}

/// The tokens of a line: separated by single spaces, none empty.
struct Tokens<'a>(Peekable<Split<'a, char>>);

impl<'a> Tokens<'a> {
    fn peek(&mut self) -> Option<&'a str> {
        self.0.peek().copied()
    }

    fn next(&mut self) -> Result<&'a str, Reason> {
        self.0.next().filter(|token| !token.is_empty()).ok_or(Reason::Syntax)
    }
}

fn integer(t: &str) -> Result<usize, Reason> {
    let digits = !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return Err(Reason::Syntax);
    }
    t.parse().map_err(|_| Reason::BadNumber)
}

fn float(t: &str) -> Result<f64, Reason> {
    parse_hex(t).ok_or(Reason::BadNumber)
}

fn set(t: &str) -> Result<Set, Reason> {
    let mut out: Set = vec![];
    for item in t.split(',') {
        let range = match item.split_once("..") {
            Some((a, b)) => integer(a)?..integer(b)?,
            None => {
                let a = integer(item)?;
                a..a.checked_add(1).ok_or(Reason::BadNumber)?
            }
        };
        if range.is_empty() || out.last().is_some_and(|last| range.start < last.end) {
            return Err(Reason::NotIncreasing);
        }
        out.push(range);
    }
    Ok(out)
}

fn target(t: &str) -> Result<Target, Reason> {
    if let Some(inputs) = t.strip_prefix('x') {
        return Ok(Target::Inputs(set(inputs)?));
    }
    if let Some(sums) = t.strip_prefix('q') {
        return Ok(Target::Sums(set(sums)?));
    }
    let rest = t.strip_prefix('r').ok_or(Reason::Syntax)?;
    match rest.split_once('.') {
        Some((k, list)) => Ok(Target::Elements(integer(k)?, set(list)?)),
        None => Ok(Target::Unstable(integer(rest)?)),
    }
}

fn var(t: &str) -> Result<Var, Reason> {
    if let Some(i) = t.strip_prefix('x') {
        return Ok(Var::X(integer(i)?));
    }
    if let Some(k) = t.strip_prefix('q') {
        return Ok(Var::Q(integer(k)?));
    }
    let (k, i) = t.strip_prefix('r').and_then(|r| r.split_once('.')).ok_or(Reason::Syntax)?;
    Ok(Var::R(integer(k)?, integer(i)?))
}

fn term(t: &str) -> Result<Term, Reason> {
    let (name, coefficient) = t.split_once(':').ok_or(Reason::Syntax)?;
    let inner = name.strip_prefix("relu(").and_then(|name| name.strip_suffix(')'));
    let var = var(inner.unwrap_or(name))?;
    match (var, inner) {
        (Var::Q(_), _) | (Var::X(_), Some(_)) => Err(Reason::Syntax),
        _ => Ok(Term { var, relu: inner.is_some(), coefficient: float(coefficient)? }),
    }
}

fn slab(t: &str) -> Result<Slab, Reason> {
    let (side, rest) = directed(t)?;
    let (v, at) = rest.split_once(':').ok_or(Reason::Syntax)?;
    match var(v)? {
        Var::X(input) => Ok(Slab { input, side, at: float(at)? }),
        Var::R(..) | Var::Q(_) => Err(Reason::Syntax),
    }
}

fn directed(t: &str) -> Result<(Side, &str), Reason> {
    if let Some(rest) = t.strip_prefix('>') {
        return Ok((Side::Lower, rest));
    }
    t.strip_prefix('<').map(|rest| (Side::Upper, rest)).ok_or(Reason::Syntax)
}

fn hints(tokens: &mut Tokens) -> Result<Hints, Reason> {
    let weight = |t: &str| {
        let (h, w) = match t.split_once(':') {
            Some((h, w)) => (integer(h)?, float(w)?),
            None => (integer(t)?, 1.0),
        };
        if w < 0.0 { Err(Reason::NegativeMultiplier) } else { Ok((h, w)) }
    };
    let using = entries(tokens, "using", weight)?;
    Ok(Hints { using, slopes: slopes(tokens)?, lifts: lifts(tokens)? })
}

/// The tokens from a keyword to the next one, if it comes next: one or more, of different keys.
fn entries<K: Ord, V>(
    tokens: &mut Tokens,
    keyword: &str,
    entry: impl Fn(&str) -> Result<(K, V), Reason>,
) -> Result<Option<BTreeMap<K, V>>, Reason> {
    if tokens.peek() != Some(keyword) {
        return Ok(None);
    }
    tokens.next()?;
    let mut entries = BTreeMap::new();
    while let Some(t) = tokens.peek().filter(|t| !["slope", "lift"].contains(t)) {
        let (key, value) = entry(t)?;
        if entries.insert(key, value).is_some() {
            return Err(Reason::GivenTwice);
        }
        tokens.next()?;
    }
    if entries.is_empty() { Err(Reason::Syntax) } else { Ok(Some(entries)) }
}

fn slopes(tokens: &mut Tokens) -> Result<Slopes, Reason> {
    let slopes = |t: &str| {
        let (name, values) = t.split_once(':').ok_or(Reason::Syntax)?;
        let Var::R(k, i) = var(name)? else { return Err(Reason::Syntax) };
        let slope = |t: &str| match t {
            "" => Ok(None),
            t => match float(t)? {
                s if (0.0..=1.0).contains(&s) => Ok(Some(s)),
                _ => Err(Reason::SlopeOutOfRange { name: name.to_string() }),
            },
        };
        let (lower, upper) = values.split_once('/').unwrap_or((values, ""));
        Ok(((k, i), (slope(lower)?, slope(upper)?)))
    };
    Ok(entries(tokens, "slope", slopes)?.unwrap_or_default())
}

fn lifts(tokens: &mut Tokens) -> Result<BTreeMap<(Var, Side), f64>, Reason> {
    let lift = |t: &str| {
        let (side, rest) = directed(t)?;
        let (name, g) = rest.split_once(':').ok_or(Reason::Syntax)?;
        let g = float(g)?;
        if g < 0.0 { Err(Reason::NegativeMultiplier) } else { Ok(((var(name)?, side), g)) }
    };
    Ok(entries(tokens, "lift", lift)?.unwrap_or_default())
}
