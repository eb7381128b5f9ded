//! Declarations and assertions of VNN-LIB: from tokens to a formula of bounds and half-spaces.

use super::error::{Failure, Problem, fail};
use super::lexer::{Lexer, Token, shorten};
use super::term::{Term, at_most};
use crate::load::budget::Budget;
use crate::num::{Decimal, ParseRationalError};
use crate::spec::HalfSpace;

/// The deepest nesting accepted: parsing recurses, and a file must not choose how far.
pub(super) const MAX_DEPTH: usize = 256;

/// One end of an input's interval.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub value: Decimal,
    pub strict: bool,
}

/// A comparison.
#[derive(Debug)]
pub(super) enum Atom {
    /// A bound of one input.
    Bound { input: u32, upper: bool, bound: Bound },
    /// Anything linear else.
    HalfSpace(Box<HalfSpace>),
    /// A comparison in which no variable is left: whether it holds, and whether it would if it were not strict.
    Constant { holds: bool, closed: bool },
}

/// A formula in negation-free form.
#[derive(Debug)]
pub(super) enum Formula {
    Atom(Atom),
    And(Vec<Formula>),
    /// The alternatives, each with the place where it starts.
    Or(Vec<(usize, Formula)>),
}

/// A file as read: the conjunction of its assertions, and where each input is declared.
#[derive(Debug)]
pub(super) struct Script {
    pub assertions: Vec<Formula>,
    pub inputs: Vec<Option<usize>>,
    pub end: usize,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    inputs: Vec<Option<usize>>,
    outputs: Vec<Option<usize>>,
    budget: &'a Budget,
}

/// More than a comparison takes in memory besides the arguments of its terms.
const COMPARISON: usize = 256;
/// More than an argument of a term takes besides the digits of numbers.
const ARGUMENT: usize = 256;

/// Reads the declarations and assertions of a file about a network with so many inputs and outputs.
pub(super) fn parse(
    text: &str,
    inputs: usize,
    outputs: usize,
    budget: &Budget,
) -> Result<Script, Failure> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        inputs: vec![None; inputs],
        outputs: vec![None; outputs],
        budget,
    };
    let mut assertions = Vec::new();
    loop {
        let opened = match parser.lexer.next() {
            (Token::Open, at) => at,
            (Token::End, end) => {
                parser.check_declared(end)?;
                return Ok(Script { assertions, inputs: parser.inputs, end });
            }
            (other, at) => {
                let expected = "'(' of a command";
                return fail(at, Problem::Expected { expected, found: other.describe() });
            }
        };
        match parser.lexer.symbol("declare-const or assert")? {
            ("declare-const", _) => parser.declaration()?,
            ("assert", _) => {
                let formula = parser.formula(0)?;
                // A conjunction at the top is as many assertions.
                match formula {
                    Formula::And(parts) => assertions.extend(parts),
                    other => assertions.push(other),
                }
            }
            ("vnnlib-version", at) => return fail(at, Problem::Version2),
            (other, at) => return fail(at, Problem::UnknownCommand(shorten(other))),
        }
        parser.lexer.close(opened)?;
    }
}

impl Parser<'_> {
    fn declaration(&mut self) -> Result<(), Failure> {
        let (name, at) = self.lexer.symbol("the name of a variable")?;
        let Some(variable) = split_name(name) else {
            return fail(at, Problem::Name(shorten(name)));
        };
        let slot = self.slot(variable, name, at)?;
        if slot.is_some() {
            return fail(at, Problem::Redeclared(name.to_owned()));
        }
        *slot = Some(at);
        match self.lexer.symbol("the type Real")? {
            ("Real", _) => Ok(()),
            (other, at) => fail(at, Problem::Type(shorten(other))),
        }
    }

    /// A property that does not know all of the network's variables is about another one.
    fn check_declared(&self, end: usize) -> Result<(), Failure> {
        for (slots, letter, kind) in
            [(&self.inputs, 'X', "inputs"), (&self.outputs, 'Y', "outputs")]
        {
            if let Some(index) = slots.iter().position(Option::is_none) {
                let (name, available) = (format!("{letter}_{index}"), slots.len());
                return fail(end, Problem::Missing { name, kind, available });
            }
        }
        Ok(())
    }

    fn spend(&self, bytes: usize, at: usize) -> Result<(), Failure> {
        self.budget.spend(bytes).map_err(|exceeded| Failure { at, problem: exceeded.into() })
    }

    /// Where the declaration of a variable is kept.
    fn slot(
        &mut self,
        (is_input, index): (bool, usize),
        name: &str,
        at: usize,
    ) -> Result<&mut Option<usize>, Failure> {
        let (slots, kind) =
            if is_input { (&mut self.inputs, "inputs") } else { (&mut self.outputs, "outputs") };
        let available = slots.len();
        let name = || shorten(name);
        slots.get_mut(index).ok_or_else(|| Failure {
            at,
            problem: Problem::OutOfRange { name: name(), kind, available },
        })
    }

    /// A formula, from its opening parenthesis on.
    fn formula(&mut self, depth: usize) -> Result<Formula, Failure> {
        match self.lexer.next() {
            (Token::Open, at) => self.formula_at(at, depth),
            (other, at) => fail(
                at,
                Problem::Expected { expected: "'(' of a formula", found: other.describe() },
            ),
        }
    }

    /// A formula whose parenthesis has been read.
    fn formula_at(&mut self, opened: usize, depth: usize) -> Result<Formula, Failure> {
        if depth >= MAX_DEPTH {
            return fail(opened, Problem::TooDeep(MAX_DEPTH));
        }
        let (operator, at) = self.lexer.symbol("and, or, <=, >=, <, > or =")?;
        match operator {
            "and" | "or" => self.connective(operator, opened, depth),
            "<=" | ">=" | "<" | ">" | "=" | "==" => self.comparison(operator, opened, depth),
            other => fail(at, Problem::UnknownRelation(shorten(other))),
        }
    }

    fn connective(
        &mut self,
        operator: &str,
        opened: usize,
        depth: usize,
    ) -> Result<Formula, Failure> {
        let conjunction = operator == "and";
        let (mut parts, mut alternatives) = (Vec::new(), Vec::new());
        loop {
            match self.lexer.next() {
                (Token::Open, at) => match self.formula_at(at, depth + 1)? {
                    Formula::And(nested) if conjunction => parts.extend(nested),
                    part if conjunction => parts.push(part),
                    Formula::Or(nested) => alternatives.extend(nested),
                    alternative => alternatives.push((at, alternative)),
                },
                (Token::Close, _) => break,
                (Token::End, _) => return fail(opened, Problem::Unclosed),
                (other, at) => {
                    let expected = "'(' of a formula, or ')'";
                    return fail(at, Problem::Expected { expected, found: other.describe() });
                }
            }
        }
        let empty = parts.is_empty() && alternatives.is_empty();
        let single = if parts.len() == 1 { parts.pop() } else { None };
        if let Some(only) = single {
            return Ok(only);
        }
        if alternatives.len() == 1
            && let Some((_, only)) = alternatives.pop()
        {
            return Ok(only);
        }
        if empty {
            let operator = operator.to_owned();
            return fail(opened, Problem::Arity { operator, takes: "at least one formula" });
        }
        Ok(if conjunction {
            parts.shrink_to_fit();
            Formula::And(parts)
        } else {
            alternatives.shrink_to_fit();
            Formula::Or(alternatives)
        })
    }

    fn comparison(
        &mut self,
        operator: &str,
        opened: usize,
        depth: usize,
    ) -> Result<Formula, Failure> {
        self.spend(COMPARISON, opened)?;
        let left = self.term(operator, opened, depth)?;
        let right = self.term(operator, opened, depth)?;
        match self.lexer.next() {
            (Token::Close, _) => {}
            (Token::End, _) => return fail(opened, Problem::Unclosed),
            (_, at) => {
                let operator = operator.to_owned();
                return fail(at, Problem::Arity { operator, takes: "two terms" });
            }
        }
        let outputs = self.outputs.len();
        let made = match operator {
            "<=" => at_most(left, right, false, outputs),
            "<" => at_most(left, right, true, outputs),
            ">=" => at_most(right, left, false, outputs),
            ">" => at_most(right, left, true, outputs),
            _ => at_most(left.clone(), right.clone(), false, outputs).and_then(|below| {
                Ok(Formula::And(vec![below, at_most(right, left, false, outputs)?]))
            }),
        };
        made.map_err(|problem| Failure { at: opened, problem })
    }

    /// A term as an argument of a comparison.
    fn term(&mut self, of: &str, opened: usize, depth: usize) -> Result<Term, Failure> {
        match self.lexer.next() {
            (Token::Symbol(text), at) => self.leaf(text, at),
            (Token::Open, at) => self.arithmetic(at, depth + 1),
            (Token::Close, at) => {
                fail(at, Problem::Arity { operator: of.to_owned(), takes: "two terms" })
            }
            (Token::End, _) => fail(opened, Problem::Unclosed),
        }
    }

    /// A number or a declared variable.
    fn leaf(&mut self, text: &str, at: usize) -> Result<Term, Failure> {
        if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
            let number = Decimal::parse(text).map_err(|e| {
                let problem = match e {
                    ParseRationalError::HugeExponent(_) => Problem::HugeNumber(shorten(text)),
                    _ => Problem::Number(shorten(text)),
                };
                Failure { at, problem }
            })?;
            self.spend(number.heap_size(), at)?;
            return Ok(Term::Constant(number));
        }
        let Some((is_input, index)) = split_name(text) else {
            return fail(at, Problem::Name(shorten(text)));
        };
        if self.slot((is_input, index), text, at)?.is_none() {
            return fail(at, Problem::Undeclared(text.to_owned()));
        }
        Ok(Term::Variable(if is_input { self.outputs.len() + index } else { index }))
    }

    /// (+ …), (- …) or (* …), after its parenthesis.
    fn arithmetic(&mut self, opened: usize, depth: usize) -> Result<Term, Failure> {
        if depth >= MAX_DEPTH {
            return fail(opened, Problem::TooDeep(MAX_DEPTH));
        }
        let (operator, at) = self.lexer.symbol("+, - or *")?;
        if !matches!(operator, "+" | "-" | "*") {
            return fail(at, Problem::UnknownArithmetic(shorten(operator)));
        }
        let mut arguments = Vec::new();
        loop {
            match self.lexer.next() {
                (Token::Symbol(text), at) => arguments.push(self.leaf(text, at)?),
                (Token::Open, at) => arguments.push(self.arithmetic(at, depth + 1)?),
                (Token::Close, _) => break,
                (Token::End, _) => return fail(opened, Problem::Unclosed),
            }
        }
        if arguments.is_empty() {
            let operator = operator.to_owned();
            return fail(opened, Problem::Arity { operator, takes: "at least one term" });
        }
        self.spend(arguments.len().saturating_mul(ARGUMENT), opened)?;
        match operator {
            "*" => Term::product(arguments, self.budget)
                .map_err(|problem| Failure { at: opened, problem }),
            // (- a) is 0 − a.
            "-" if arguments.len() == 1 => {
                arguments.insert(0, Term::sum(Vec::new(), false));
                Ok(Term::sum(arguments, true))
            }
            _ => Ok(Term::sum(arguments, operator == "-")),
        }
    }
}

/// X_12 is (true, 12), Y_3 is (false, 3).
fn split_name(name: &str) -> Option<(bool, usize)> {
    let (is_input, digits) = match name.as_bytes() {
        [b'X', b'_', digits @ ..] => (true, digits),
        [b'Y', b'_', digits @ ..] => (false, digits),
        _ => return None,
    };
    // X_01 would be a second name of X_1.
    if digits != b"0" && digits.first()? == &b'0' {
        return None;
    }
    let index = digits.iter().try_fold(0usize, |acc, d| {
        d.is_ascii_digit().then(|| acc.saturating_mul(10).saturating_add(usize::from(d - b'0')))
    })?;
    Some((is_input, index))
}
