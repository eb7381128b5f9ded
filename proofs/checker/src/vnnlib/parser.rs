//! From tokens to a formula over linear atoms.
use super::decimal::Decimal;
use super::error::Error;
use super::lexer::{END, Lexer, Token};
use crate::memory::Memory;
use crate::statement::{HalfSpace, Port};
use num_bigint::Sign;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A formula whose atoms are numbers into `Parsed::atoms`.
#[derive(Debug)]
pub enum Formula {
    Atom(u32),
    And(Vec<Formula>),
    Or(Vec<Formula>),
}

#[derive(Debug)]
pub enum Atom {
    /// X_input ≤ value or ≥ value, rounded outward.
    Bound {
        input: u32,
        upper: bool,
        value: f64,
    },
    Half(Arc<HalfSpace>),
}

#[derive(Debug)]
pub struct Parsed {
    pub inputs: usize,
    pub outputs: usize,
    pub atoms: Vec<Atom>,
    /// The assertions; all of them hold.
    pub asserts: Vec<Formula>,
    /// For errors that concern the whole file.
    pub end: Error,
}

/// Deepest nesting of expressions.
const DEEPEST: usize = 100;

/// `Σ terms + constant`.
#[derive(Clone)]
struct Linear {
    terms: BTreeMap<Port, Decimal>,
    constant: Decimal,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    memory: &'a Memory,
    inputs: usize,
    outputs: usize,
    atoms: Vec<Atom>,
}

pub fn parse(bytes: &[u8], memory: &Memory) -> Result<Parsed, Error> {
    let mut p = Parser { lexer: Lexer::new(bytes), memory, inputs: 0, outputs: 0, atoms: vec![] };
    let mut asserts = vec![];
    loop {
        match p.lexer.next()? {
            Token::End => break,
            Token::Open => {}
            found => return p.lexer.instead(found, "`(`"),
        }
        match p.lexer.word("a command")? {
            "declare-const" => p.declaration()?,
            "assert" => asserts.push(p.formula(0)?),
            other => {
                return Err(p
                    .lexer
                    .error(format!("unknown command `{other}` (declare-const, assert)")));
            }
        }
        p.lexer.expect(Token::Close, "`)`")?;
    }
    if asserts.is_empty() {
        return Err(p.lexer.error("nothing is asserted"));
    }
    let end = p.lexer.error(END);
    Ok(Parsed { inputs: p.inputs, outputs: p.outputs, atoms: p.atoms, asserts, end })
}

/// `X_12`: input 12.
fn variable(name: &str) -> Option<Port> {
    let (port, digits): (fn(usize) -> Port, _) = match name.strip_prefix("X_") {
        Some(digits) => (Port::X, digits),
        None => (Port::Y, name.strip_prefix("Y_")?),
    };
    let padded = digits.len() > 1 && digits.starts_with('0');
    let plain = !padded && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok().map(port) } else { None }
}

impl Parser<'_> {
    fn declaration(&mut self) -> Result<(), Error> {
        let name = self.lexer.word("a variable")?;
        let bad = format!("`{name}`: expected X_0, X_1, … and Y_0, Y_1, … in order, of type Real");
        let next = match variable(name) {
            Some(Port::X(i)) if i == self.inputs => &mut self.inputs,
            Some(Port::Y(j)) if j == self.outputs => &mut self.outputs,
            _ => return Err(self.lexer.error(bad)),
        };
        *next += 1;
        match self.lexer.word("Real")? {
            "Real" => Ok(()),
            _ => Err(self.lexer.error(bad)),
        }
    }

    fn formula(&mut self, depth: usize) -> Result<Formula, Error> {
        if depth > DEEPEST {
            return Err(self.lexer.error("expressions are nested too deeply"));
        }
        self.take(48)?;
        self.lexer.expect(Token::Open, "`(`")?;
        let operator = self.lexer.word("an operator")?;
        let formula = match operator {
            "and" | "or" => {
                let mut arms = vec![];
                while !self.lexer.closes()? {
                    arms.push(self.formula(depth + 1)?);
                }
                return Ok(if operator == "and" { Formula::And(arms) } else { Formula::Or(arms) });
            }
            "<=" | ">=" | "<" | ">" | "=" => {
                let (left, right) = (self.linear(depth + 1)?, self.linear(depth + 1)?);
                let (below, above) = (left.minus(&right), right.minus(&left));
                match operator {
                    "<=" | "<" => self.atom(below, operator == "<")?,
                    ">=" | ">" => self.atom(above, operator == ">")?,
                    _ => Formula::And(vec![self.atom(below, false)?, self.atom(above, false)?]),
                }
            }
            other => return self.unknown(other),
        };
        self.lexer.expect(Token::Close, "`)`")?;
        Ok(formula)
    }

    fn unknown<T>(&self, operator: &str) -> Result<T, Error> {
        let known = "and, or, <=, >=, <, >, =, +, -, *";
        Err(self.lexer.error(format!("unknown operator `{operator}` ({known})")))
    }

    /// The atom `linear ≤ 0`, or `linear < 0`: of outputs; a box is closed.
    fn atom(&mut self, linear: Linear, strict: bool) -> Result<Formula, Error> {
        let Linear { terms, constant } = linear;
        let right = constant.negate();
        let terms: Vec<(Port, Decimal)> = terms.into_iter().filter(|(_, c)| !c.is_zero()).collect();
        let atom = match terms.as_slice() {
            [] if right.sign() == Sign::Minus => return Ok(Formula::Or(vec![])),
            [] => return Ok(Formula::And(vec![])),
            [(Port::X(i), c)] => {
                let upper = c.sign() == Sign::Plus;
                let value = match upper {
                    true => right.quotient(c, true),
                    false => right.negate().quotient(&c.negate(), false),
                };
                Atom::Bound { input: *i as u32, upper, value }
            }
            _ => Atom::Half(Arc::new(self.half_space(&terms, &right, strict)?)),
        };
        self.take(32 + 24 * terms.len())?;
        self.atoms.push(atom);
        Ok(Formula::Atom(self.atoms.len() as u32 - 1))
    }

    fn half_space(
        &self,
        terms: &[(Port, Decimal)],
        right: &Decimal,
        strict: bool,
    ) -> Result<HalfSpace, Error> {
        let exact = |shift: u32| -> Option<Vec<(Port, f64)>> {
            terms.iter().map(|(port, c)| Some((*port, c.shifted(shift).exact()?))).collect()
        };
        let places = terms.iter().map(|(_, c)| c.needed_places()).max().unwrap_or(0);
        for shift in [0, places] {
            let right = right.shifted(shift).round(true);
            if let (Some(terms), true) = (exact(shift), right.is_finite()) {
                return Ok(HalfSpace { terms, right, strict });
            }
        }
        Err(self.lexer.error("the coefficients cannot be held exactly"))
    }

    fn linear(&mut self, depth: usize) -> Result<Linear, Error> {
        if depth > DEEPEST {
            return Err(self.lexer.error("expressions are nested too deeply"));
        }
        match self.lexer.next()? {
            Token::Word(word) => self.leaf(word),
            Token::Open => {
                let operator = self.lexer.word("an operator")?;
                if !matches!(operator, "+" | "-" | "*") {
                    return self.unknown(operator);
                }
                let mut result = self.linear(depth + 1)?;
                let mut alone = true;
                while !self.lexer.closes()? {
                    let operand = self.linear(depth + 1)?;
                    match operator {
                        "*" => result = self.product(result, operand)?,
                        _ => result.add(operand, operator == "-"),
                    }
                    alone = false;
                }
                let negated = operator == "-" && alone;
                Ok(if negated { Linear::zero().minus(&result) } else { result })
            }
            found => self.lexer.instead(found, "an expression"),
        }
    }

    fn product(&self, a: Linear, b: Linear) -> Result<Linear, Error> {
        let (factor, linear) = match (a.terms.is_empty(), b.terms.is_empty()) {
            (true, _) => (a.constant, b),
            (_, true) => (b.constant, a),
            _ => return Err(self.lexer.error("a product of two variables is not linear")),
        };
        let large = || self.lexer.error("a product is no number that can be read");
        let times = |c: &Decimal| c.multiply(&factor).ok_or_else(large);
        let mut terms = BTreeMap::new();
        for (port, c) in &linear.terms {
            terms.insert(*port, times(c)?);
        }
        Ok(Linear { terms, constant: times(&linear.constant)? })
    }

    fn take(&self, bytes: usize) -> Result<(), Error> {
        self.memory.take(1, bytes).map_err(|full| self.lexer.error(full))
    }

    fn leaf(&self, word: &str) -> Result<Linear, Error> {
        self.take(24)?;
        let known = |port: &Port| match port {
            Port::X(i) => *i < self.inputs,
            Port::Y(j) => *j < self.outputs,
        };
        if let Some(port) = variable(word).filter(known) {
            let terms = BTreeMap::from([(port, Decimal::integer(1))]);
            return Ok(Linear { terms, ..Linear::zero() });
        }
        match Decimal::parse(word) {
            Some(constant) => Ok(Linear { constant, ..Linear::zero() }),
            None if word.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                Err(self.lexer.error(format!("`{word}` is not declared")))
            }
            None => Err(self.lexer.error(format!("`{word}` is not a number that can be read"))),
        }
    }
}

impl Linear {
    fn zero() -> Linear {
        Linear { terms: BTreeMap::new(), constant: Decimal::integer(0) }
    }

    fn add(&mut self, other: Linear, negated: bool) {
        let signed = |c: Decimal| if negated { c.negate() } else { c };
        self.constant = self.constant.add(&signed(other.constant));
        for (port, c) in other.terms {
            let c = signed(c);
            let sum = self.terms.get(&port).map_or_else(|| c.clone(), |old| old.add(&c));
            self.terms.insert(port, sum);
        }
    }

    fn minus(&self, other: &Linear) -> Linear {
        let mut difference = self.clone();
        difference.add(other.clone(), true);
        difference
    }
}
