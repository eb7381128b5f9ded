//! How much memory reading a file may take: enough for every honest file, and no bomb.
//!
//! A reader charges what it allocates before it allocates it, whether it frees it again or not.

use std::cell::Cell;
use thiserror::Error;

/// What reading any file may take, in bytes.
pub const MEMORY_BASE: u64 = 1 << 30;

/// What it may take besides for each byte of the file on disk.
pub const MEMORY_PER_BYTE: u64 = 16;

/// A file needs more memory than reading it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "reading it takes more than {} MiB of memory, the limit for a file of its size (1 GiB and {MEMORY_PER_BYTE} bytes \
     for each of its bytes); use a smaller file",
    limit >> 20
)]
pub struct Exceeded {
    /// The limit in bytes.
    pub limit: u64,
}

/// What is left of the memory that reading a file may take.
#[derive(Debug)]
pub(super) struct Budget {
    limit: Cell<u64>,
    spent: Cell<u64>,
}

impl Budget {
    /// The budget of a file of so many bytes on disk.
    pub(super) fn new(stored: usize) -> Self {
        let limit = MEMORY_BASE.saturating_add(MEMORY_PER_BYTE.saturating_mul(stored as u64));
        Self { limit: Cell::new(limit), spent: Cell::new(0) }
    }

    /// A budget of so many bytes.
    #[cfg(test)]
    pub fn with_limit(limit: u64) -> Self {
        Self { limit: Cell::new(limit), spent: Cell::new(0) }
    }

    /// A second file of so many bytes belongs to the first.
    pub(super) fn extend(&self, stored: usize) {
        let more = MEMORY_PER_BYTE.saturating_mul(stored as u64);
        self.limit.set(self.limit.get().saturating_add(more));
    }

    /// Charges an allocation of so many bytes.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), Exceeded> {
        let spent = self.spent.get().saturating_add(bytes as u64);
        let limit = self.limit.get();
        if spent > limit {
            return Err(Exceeded { limit });
        }
        self.spent.set(spent);
        Ok(())
    }

    /// Charges an allocation of so many values of a type.
    pub(super) fn spend_values<T>(&self, number: usize) -> Result<(), Exceeded> {
        self.spend(number.saturating_mul(size_of::<T>()))
    }

    /// What may still be spent.
    #[cfg(test)]
    pub fn left(&self) -> u64 {
        self.limit.get() - self.spent.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_grows_with_the_file() {
        let budget = Budget::new(1 << 20);
        let limit = MEMORY_BASE + (16 << 20);
        assert_eq!(budget.left(), limit);
        budget.spend_values::<f64>(1 << 20).unwrap();
        assert_eq!(budget.left(), limit - (8 << 20));
        assert_eq!(budget.spend_values::<f64>(usize::MAX), Err(Exceeded { limit }));
        assert!(budget.spend(1 << 30).is_ok() && budget.spend(1 << 24).is_err());
        budget.extend(1 << 20);
        assert!(budget.spend(1 << 24).is_ok());
        let text = Exceeded { limit }.to_string();
        assert!(
            text.contains("more than 1040 MiB") && text.contains("1 GiB and 16 bytes"),
            "{text}"
        );
    }
}
