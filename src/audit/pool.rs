//! Many independent pieces of work on a few threads, until done, cancelled or failed.

use super::Ended;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether to stop.
pub(super) type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// Hands 0 .. `count` to `one`, in order, `jobs` at a time. The first failure stops the others, as `cancel` does: `one` is
/// told through its second argument.
///
/// # Errors
/// The first failure; or where threads cannot be started, which `E` is made of.
pub(super) fn each<E: Send + From<rayon::ThreadPoolBuildError>>(
    jobs: usize,
    count: usize,
    cancel: Stop,
    one: &(dyn Fn(usize, Stop) -> Result<(), E> + Sync),
) -> Result<Ended, E> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build()?;
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let stop = || failed.load(Ordering::Relaxed) || cancel();
    // One loop a thread, not a parallel iterator: a thread that waits for rayon work inside `verify` would steal
    // another piece there, and the first one's time limit would pay for it.
    pool.broadcast(|_| {
        let _guard = FailOnPanic(&failed);
        while !stop() {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                break;
            }
            if let Err(error) = one(at, &stop) {
                failed.store(true, Ordering::Relaxed);
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None if cancel() => Ok(Ended::Cancelled),
        None => Ok(Ended::Complete),
    }
}

/// Tells the other threads to stop when this one panics; rayon hands the panic on once all have.
struct FailOnPanic<'a>(&'a AtomicBool);

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
