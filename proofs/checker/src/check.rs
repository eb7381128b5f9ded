//! The walk through a proof: one pass, one line at a time.
use crate::exact::Exact;
use crate::grammar::{self, HEADER, Line, Set};
use crate::node::{Context, State};
use crate::outward::Outward;
use crate::reject::{Reason, Rejected};
use crate::statement::Statement;
use crate::sweep::Arithmetic;
use flate2::bufread::MultiGzDecoder;
use std::io::{BufRead, BufReader, Read};

/// How the checker computes. `Exact` rounds nothing inside a bound; `Outward` charges every rounding of f64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Exact,
    Outward,
}

/// The statement holds. Only the checker makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    mode: Mode,
    cases: usize,
    leaves: u64,
    lines: u64,
}

impl Accepted {
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Number of cases that were refuted.
    pub fn cases(&self) -> usize {
        self.cases
    }

    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    pub fn lines(&self) -> u64 {
        self.lines
    }
}

/// Deepest tree.
pub const MOST_DEEP: usize = 10_000;
/// Longest line in bytes.
pub const LONGEST_LINE: u64 = 64 << 20;

/// Accepts only if no real point of any of the statement's cases is reached by the network.
pub fn check(statement: &Statement, proof: impl BufRead, mode: Mode) -> Result<Accepted, Rejected> {
    let mut place = Place::default();
    let result = match mode {
        Mode::Exact => run(statement, proof, Exact::default(), &mut place),
        Mode::Outward => run(statement, proof, Outward::new(), &mut place),
    };
    match result {
        Ok(leaves) => {
            let cases = statement.cases().len();
            Ok(Accepted { mode, cases, leaves, lines: place.line })
        }
        Err(reason) => Err(Rejected { path: place.path(), line: place.line, reason }),
    }
}

/// Where in the proof we are.
#[derive(Default)]
struct Place {
    line: u64,
    sections: usize,
    branches: String,
}

impl Place {
    fn path(&self) -> String {
        match self.sections {
            0 => "top".to_string(),
            n => format!("{}:{}", n - 1, self.branches),
        }
    }
}

fn run<A: Arithmetic>(
    statement: &Statement,
    mut proof: impl BufRead,
    arithmetic: A,
    place: &mut Place,
) -> Result<u64, Reason> {
    let packed = proof.fill_buf().map_err(|_| Reason::Unreadable)?.starts_with(&[0x1f, 0x8b]);
    let proof: Box<dyn BufRead> = match packed {
        true => Box::new(BufReader::new(MultiGzDecoder::new(proof))),
        false => Box::new(proof),
    };
    let mut lines = Lines { proof, buffer: vec![] };
    if lines.next(place)? != Some(HEADER) {
        return Err(Reason::UnknownVersion);
    }
    let mut context = Context::new(statement, arithmetic)?;
    let mut covered = vec![false; statement.cases().len()];
    let mut leaves = 0;
    loop {
        match lines.parse(place)? {
            Line::Let(number, terms) => context.define(number, &terms)?,
            Line::Cases(set) => {
                place.sections += 1;
                place.branches.clear();
                leaves += section(&mut context, &set, &mut lines, place)?;
                set.into_iter().for_each(|range| covered[range].fill(true));
            }
            Line::End(stated) => {
                let found = place.line - 1;
                if stated != found {
                    return Err(Reason::WrongCount { stated, found });
                }
                if lines.next(place)?.is_some() {
                    return Err(Reason::TrailingData);
                }
                break;
            }
            _ => return Err(Reason::Syntax),
        }
    }
    match covered.iter().position(|c| !c) {
        Some(case) => Err(Reason::CaseNotCovered { case }),
        None => Ok(leaves),
    }
}

/// What comes after a line of a node.
pub enum Next {
    /// Another line of it.
    Line,
    /// Its first child, and later this second one.
    Children(State),
    /// A second child that waits.
    Sibling,
}

impl<A: Arithmetic> Context<'_, A> {
    /// Does what a line of a node says; where there are children, the state becomes that of the first.
    pub fn follow(&self, state: &mut State, line: Line) -> Result<Next, Reason> {
        match line {
            Line::Crown(range, hints) => self.crown(state, range, &hints)?,
            Line::Tighten(target, side, hints) => self.tighten(state, &target, side, &hints)?,
            Line::Refute(set, hints) => self.refute(state, set.as_ref(), &hints)?,
            Line::Clip(slabs, hints) => self.clip(state, &slabs, &hints)?,
            Line::Split(var, at) => return self.split(state, var, at).map(Next::Children),
            Line::Part(set) => return self.part(state, &set).map(Next::Children),
            Line::Leaf => return self.leaf(state).map(|()| Next::Sibling),
            Line::Let(..) | Line::Cases(_) | Line::End(_) => return Err(Reason::Syntax),
        }
        Ok(Next::Line)
    }
}

/// One tree; the number of its leaves.
fn section<A: Arithmetic>(
    context: &mut Context<A>,
    cases: &Set,
    lines: &mut Lines,
    place: &mut Place,
) -> Result<u64, Reason> {
    let mut state = context.root(cases)?;
    // Second children that wait for their first siblings, with the lengths of their parents' paths, and their bytes.
    let mut waiting: Vec<(State, usize, usize)> = vec![];
    let mut leaves = 0;
    loop {
        match context.follow(&mut state, lines.parse(place)?)? {
            Next::Line => {}
            Next::Children(second) => {
                let depth = place.branches.len();
                if depth >= MOST_DEEP {
                    return Err(Reason::TooDeep);
                }
                let bytes = second.own(waiting.last().map(|(below, ..)| below));
                context.memory.take(bytes, 1)?;
                waiting.push((second, depth, bytes));
                place.branches.push('<');
            }
            Next::Sibling => {
                leaves += 1;
                let Some((next, depth, bytes)) = waiting.pop() else { return Ok(leaves) };
                context.memory.give(bytes);
                state = next;
                place.branches.truncate(depth);
                place.branches.push('>');
            }
        }
    }
}

/// The proof's lines, counted.
struct Lines<'p> {
    proof: Box<dyn BufRead + 'p>,
    buffer: Vec<u8>,
}

impl Lines<'_> {
    /// The next line without its end; `None` at the end of the proof.
    fn next(&mut self, place: &mut Place) -> Result<Option<&str>, Reason> {
        self.buffer.clear();
        let mut limited = (&mut self.proof).take(LONGEST_LINE);
        let read = limited.read_until(b'\n', &mut self.buffer).map_err(|_| Reason::Unreadable)?;
        if read == 0 {
            return Ok(None);
        }
        place.line += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if read as u64 == LONGEST_LINE {
            return Err(Reason::LineTooLong);
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        std::str::from_utf8(&self.buffer).map(Some).map_err(|_| Reason::Unreadable)
    }

    /// The next line that is no comment.
    fn parse(&mut self, place: &mut Place) -> Result<Line, Reason> {
        loop {
            match self.next(place)? {
                None => return Err(Reason::Truncated),
                Some(line) if line.starts_with('#') => {}
                Some(line) => return grammar::parse(line),
            }
        }
    }
}
