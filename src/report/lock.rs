//! The lock on a folder of results: one process at a time works in it.

use std::fs::{File, TryLockError};
use std::path::Path;

/// Another process holds a folder's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

/// Locks a folder for as long as the returned handle lives. The lock is the operating system's and lies on the folder itself: it
/// leaves no file, and ends with the process, however that ends. `None` where the system cannot lock folders (some
/// network file systems, Windows): there nothing keeps two processes apart.
///
/// # Errors
/// Where another process holds it.
pub(super) fn folder(dir: &Path) -> Result<Option<File>, Busy> {
    let Ok(handle) = File::open(dir) else { return Ok(None) };
    match handle.try_lock() {
        Ok(()) => Ok(Some(handle)),
        Err(TryLockError::WouldBlock) => Err(Busy),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}
