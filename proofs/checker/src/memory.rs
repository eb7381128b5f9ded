//! The account of memory: everything whose size a file can choose is entered before it is made, or is bounded by what was entered.
use std::cell::Cell;

/// Most bytes that a statement and its proof may take together. What lives for one operator or one line is bounded besides: by
/// 2^24 elements of a tensor, 64 MiB of a line, and the shares below.
pub const MOST_MEMORY: usize = 6 << 30;

/// The shares of the property, and of the model and the proof.
pub const OF_PROPERTY: usize = MOST_MEMORY / 3;
pub const OF_MODEL: usize = MOST_MEMORY - OF_PROPERTY;

/// Most numbers of 8 bytes in the coefficients of the sweeps that run together, and most terms that these begin with.
pub const SWEPT: usize = 1 << 27;
pub const BEGUN: usize = 1 << 22;

/// More is needed than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

#[derive(Debug)]
pub struct Memory {
    left: Cell<usize>,
}

impl Memory {
    pub fn new(bytes: usize) -> Memory {
        Memory { left: Cell::new(bytes) }
    }

    /// Enters `count` things of `size` bytes.
    pub fn take(&self, count: usize, size: usize) -> Result<(), Full> {
        let left = count.checked_mul(size).and_then(|bytes| self.left.get().checked_sub(bytes));
        self.left.set(left.ok_or(Full)?);
        Ok(())
    }

    /// Takes back what was entered.
    pub fn give(&self, bytes: usize) {
        self.left.set(self.left.get().saturating_add(bytes));
    }
}
