//! VNN-LIB 1.0: properties in the text format of the verification competition, read and written.
//!
//! A file declares the network's inputs X_0, X_1, … and outputs Y_0, Y_1, …, all of them, and asserts a formula that holds of a *counterexample*:
//! `and`/`or` of linear comparisons. Reading turns it into its disjunctive normal form, one case (box of inputs,
//! polytope of outputs) per disjunct: assertions in the order of the file, the alternatives of an earlier `or` varying
//! more slowly, the half-spaces of a case in the order of the file.
//!
//! - Every number is exact until it is rounded outward into the region or to both sides in a half-space.
//! - Of several bounds of an input the tightest counts; a strict one (`<`) is kept in what the region contains.
//! - A case whose box is empty (bounds that exclude each other, or a false comparison of constants) claims nothing.
//!   It is left out of the property; [`Statement`] knows its number. A file with no other cases is refused.
//! - A half-space that mixes inputs and outputs, or several inputs, numbers input i as output `outputs + i`.

mod error;
mod formula;
mod lexer;
mod normalise;
mod term;
mod write;

pub use error::{Problem, PropertyError};
pub use write::{write_property, write_vnnlib};

use super::SourceFile;
use super::budget::Budget;
use crate::spec::Property;
use error::Failure;
use std::path::Path;

/// A property with the numbers that its cases have in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The cases that have inputs.
    pub property: Property,
    /// The numbers, increasing, of the cases that have none: those whose bounds exclude each other, or that compare
    /// equal constants strictly. (A disjunct with a constant comparison that is false outright has no number at all.)
    pub empty: Vec<usize>,
}

impl Statement {
    /// The number in the file of the given case of the property. Proofs speak of these numbers.
    #[must_use]
    pub fn number(&self, case: usize) -> usize {
        self.empty.iter().fold(case, |number, &empty| number + usize::from(empty <= number))
    }
}

/// Reads a VNN-LIB 1.0 file (gzipped or not) about a network with so many inputs and outputs, with the numbers of its cases.
///
/// # Errors
/// Where the file cannot be read, is no VNN-LIB 1.0, or does not declare exactly the network's inputs and outputs; with line and
/// column.
pub fn load_statement(
    path: &Path,
    inputs: usize,
    outputs: usize,
) -> Result<Statement, PropertyError> {
    let file = SourceFile::read(path)?;
    parse(&path.display().to_string(), &file.bytes, inputs, outputs, &file.budget())
}

/// Reads VNN-LIB 1.0 from memory with the numbers of its cases; `name` is what errors call it.
///
/// # Errors
/// As [`load_statement`].
pub fn parse_statement(
    name: &str,
    bytes: &[u8],
    inputs: usize,
    outputs: usize,
) -> Result<Statement, PropertyError> {
    parse(name, bytes, inputs, outputs, &Budget::new(bytes.len()))
}

fn parse(
    name: &str,
    bytes: &[u8],
    inputs: usize,
    outputs: usize,
    budget: &Budget,
) -> Result<Statement, PropertyError> {
    let read = || -> Result<Statement, Failure> {
        let text = std::str::from_utf8(bytes)
            .map_err(|e| Failure { at: e.valid_up_to(), problem: Problem::NotUtf8 })?;
        let script = formula::parse(text, inputs, outputs, budget)?;
        normalise::normalise(script, outputs, budget)
    };
    read().map_err(|failure| failure.locate(name, bytes))
}

#[cfg(test)]
mod tests;
