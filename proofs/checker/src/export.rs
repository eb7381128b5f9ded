//! The canonical statement: the network and the unsafe set in integers only, for a checker that reads neither ONNX nor VNN-LIB.
//!
//! STATEMENT.md says what stands in it. It depends on the function and on the numbers of the ReLU blocks only, not on how a reader
//! spells the network: every pre-activation is written as one affine map of inputs and ReLUs, multiplied out exactly.
use crate::circuit::{Affine, Circuit, Node};
use crate::float::decode;
use crate::map::{Row, Scratch};
use crate::statement::{Case, Port, Statement};
use num_bigint::BigInt;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// n·2^e; n is odd, or both are 0.
#[derive(Clone, Debug, Default, PartialEq)]
struct Dyadic {
    n: BigInt,
    e: i64,
}

impl Dyadic {
    fn new(n: BigInt, e: i64) -> Dyadic {
        match n.trailing_zeros() {
            None => Dyadic::default(),
            Some(zeros) => Dyadic { n: n >> zeros, e: e + zeros as i64 },
        }
    }

    fn of(x: f64) -> Dyadic {
        let p = decode(x);
        let n = BigInt::from(p.mantissa);
        Dyadic::new(if p.negative { -n } else { n }, p.exponent as i64)
    }

    fn is_zero(&self) -> bool {
        self.n == BigInt::default()
    }

    fn times(&self, other: &Dyadic) -> Dyadic {
        Dyadic::new(&self.n * &other.n, self.e + other.e)
    }

    /// The number as an integer in units of 2^e, which it is a multiple of.
    fn in_units(&self, e: i64) -> BigInt {
        if self.is_zero() { BigInt::default() } else { &self.n << (self.e - e) as usize }
    }

    fn plus(&self, other: &Dyadic) -> Dyadic {
        match (self.is_zero(), other.is_zero()) {
            (true, _) => other.clone(),
            (_, true) => self.clone(),
            _ => {
                let e = self.e.min(other.e);
                Dyadic::new(self.in_units(e) + other.in_units(e), e)
            }
        }
    }
}

/// An affine expression: a constant, and coefficients by (tensor, element) of the statement's tensors; none of them 0.
#[derive(Clone, Default)]
struct Expression {
    constant: Dyadic,
    terms: BTreeMap<(usize, usize), Dyadic>,
}

impl Expression {
    fn add(&mut self, key: (usize, usize), value: &Dyadic) {
        let sum = self.terms.entry(key).or_default();
        *sum = sum.plus(value);
        if sum.is_zero() {
            self.terms.remove(&key);
        }
    }
}

/// Most coefficients that are written, all tensors together.
const MOST_TERMS: usize = 1 << 24;

/// What a circuit's node is in the statement.
enum Meaning {
    /// The tensor with this number.
    Tensor(usize),
    /// An affine image, element by element.
    Image(Vec<Expression>),
}

/// Writes the canonical statement. An error of the kind `InvalidData` says that it would be too large.
pub fn export(statement: &Statement, out: &mut impl Write) -> io::Result<()> {
    let circuit = statement.circuit();
    writeln!(out, "certus-statement 1\ninputs {}", circuit.inputs())?;
    let mut meanings: Vec<Option<Meaning>> = vec![];
    let mut terms = 0;
    for (at, node) in circuit.nodes().iter().enumerate() {
        let meaning = match node {
            Node::Input => Some(Meaning::Tensor(0)),
            _ if !circuit.is_live(at) => None,
            Node::Affine(affine) => {
                let image = expressions(&meanings, circuit.size(at), affine);
                terms += image.iter().map(|e| e.terms.len()).sum::<usize>();
                if terms > MOST_TERMS {
                    let why =
                        format!("the statement would have more than {MOST_TERMS} coefficients");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
                Some(Meaning::Image(image))
            }
            Node::Relu { source, block } => {
                write_affine(out, &image(&meanings, circuit, *source))?;
                writeln!(out, "relu {}", 2 * block + 1)?;
                Some(Meaning::Tensor(2 * block + 2))
            }
        };
        meanings.push(meaning);
    }
    write_affine(out, &image(&meanings, circuit, circuit.output()))?;
    let cases = statement.cases();
    writeln!(out, "output {}\ncases {}", 2 * circuit.blocks().len() + 1, cases.len())?;
    cases.iter().try_for_each(|case| write_case(out, case))?;
    writeln!(out, "end")
}

/// The elements of an affine node, multiplied out.
fn expressions(meanings: &[Option<Meaning>], size: usize, affine: &Affine) -> Vec<Expression> {
    let constant = |b: &f64| Expression { constant: Dyadic::of(*b), ..Expression::default() };
    let mut image: Vec<Expression> = affine.bias.iter().map(constant).collect();
    let mut scratch = Scratch::default();
    for (source, map) in &affine.terms {
        for (i, into) in image.iter_mut().enumerate().take(size) {
            let mut add = |j: usize, w: f64| {
                let w = Dyadic::of(w);
                match &meanings[*source] {
                    _ if w.is_zero() => {}
                    Some(Meaning::Tensor(t)) => into.add((*t, j), &w),
                    Some(Meaning::Image(inner)) => {
                        into.constant = into.constant.plus(&inner[j].constant.times(&w));
                        inner[j].terms.iter().for_each(|(key, v)| into.add(*key, &v.times(&w)));
                    }
                    None => {}
                }
            };
            match map.row(i, &mut scratch) {
                Row::Dense(row) => row.iter().enumerate().for_each(|(j, w)| add(j, *w)),
                Row::Sparse(index, weights) => {
                    index.iter().zip(weights).for_each(|(j, w)| add(*j as usize, *w));
                }
            }
        }
    }
    image
}

/// A node as an affine image, also where it is a tensor itself.
fn image(meanings: &[Option<Meaning>], circuit: &Circuit, node: usize) -> Vec<Expression> {
    match &meanings[node] {
        Some(Meaning::Image(image)) => image.clone(),
        Some(Meaning::Tensor(t)) => {
            let one = Dyadic::of(1.0);
            let itself = |i| Expression {
                terms: BTreeMap::from([((*t, i), one.clone())]),
                ..Expression::default()
            };
            (0..circuit.size(node)).map(itself).collect()
        }
        None => vec![],
    }
}

/// The least exponent of numbers that are not 0; 0 if there are none.
fn unit<'a>(numbers: impl Iterator<Item = &'a Dyadic>) -> i64 {
    numbers.filter(|x| !x.is_zero()).map(|x| x.e).min().unwrap_or(0)
}

fn write_affine(out: &mut impl Write, image: &[Expression]) -> io::Result<()> {
    let mut sources: BTreeMap<usize, i64> = BTreeMap::new();
    for ((tensor, _), value) in image.iter().flat_map(|e| &e.terms) {
        let least = sources.entry(*tensor).or_insert(value.e);
        *least = value.e.min(*least);
    }
    let own = unit(image.iter().map(|e| &e.constant));
    let mut line = format!("affine {} {}\nbias {own}", image.len(), sources.len());
    for e in image {
        _ = write!(line, " {}", e.constant.in_units(own));
    }
    writeln!(out, "{line}")?;
    for (tensor, unit) in sources {
        writeln!(out, "from {tensor} {unit}")?;
        for e in image {
            let row = || e.terms.range((tensor, 0)..(tensor + 1, 0));
            line.clear();
            _ = write!(line, "{}", row().count());
            for ((_, j), value) in row() {
                _ = write!(line, " {j} {}", value.in_units(unit));
            }
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn write_case(out: &mut impl Write, case: &Case) -> io::Result<()> {
    let number = |x: f64| {
        let d = Dyadic::of(x);
        format!("{} {}", d.n, d.e)
    };
    writeln!(out, "case {}", case.half_spaces.len())?;
    for (low, high) in case.low.iter().zip(case.high.iter()) {
        writeln!(out, "{} {}", number(*low), number(*high))?;
    }
    for half in &case.half_spaces {
        let sign = if half.strict { "<" } else { "<=" };
        let mut line = format!("half {sign} {} {}", number(half.right), half.terms.len());
        for (port, c) in &half.terms {
            let (name, i) = match port {
                Port::X(i) => ('x', i),
                Port::Y(j) => ('y', j),
            };
            _ = write!(line, " {name} {i} {}", number(*c));
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}
