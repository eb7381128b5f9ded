//! A reader of VNN-LIB 1.0: linear expressions, and/or, exact decimals; to cases in disjunctive normal form.
mod decimal;
mod error;
mod lexer;
mod normal;
mod parser;

pub use error::Error;

use crate::memory::{Full, Memory, OF_PROPERTY};
use crate::statement::Property;

/// Reads a property: the union of its cases is the unsafe set.
pub fn read(bytes: &[u8]) -> Result<Property, Error> {
    let memory = Memory::new(OF_PROPERTY);
    let full = |full: Full| Error { line: 1, column: 1, problem: full.into() };
    memory.take(bytes.len(), 1).map_err(full)?;
    normal::cases(parser::parse(bytes, &memory)?, &memory)
}
