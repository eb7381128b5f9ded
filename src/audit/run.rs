//! The runner: whatever is done with the inputs of a dataset runs here, in parallel, and goes on where it was interrupted.

use super::semantic::SemanticError;
use super::{Breach, Clash};
use crate::attack::Counterexample;
use crate::query::QueryError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use thiserror::Error;

/// Whether to stop.
pub(crate) type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// A line of a journal: something that is known of an input.
pub(crate) trait Line: Serialize + DeserializeOwned + Send {
    /// The subject (a model with a dataset; 0 where there is one) and the input's position in its dataset.
    fn input(&self) -> (usize, usize);

    /// Whether its fields go together.
    ///
    /// # Errors
    /// What is wrong, in words.
    fn check(&self) -> Result<(), String>;
}

/// A line, and the files that go with it.
#[derive(Debug)]
pub(crate) struct Finished<L> {
    /// The line.
    pub(crate) line: L,
    /// Names, relative to the journal, and contents.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

impl<L> Finished<L> {
    /// A line with a counterexample, where there is one to be kept.
    pub(super) fn new(line: L, file: Option<String>, found: Option<&Counterexample>) -> Self {
        let kept = file.zip(found);
        let files = kept.map(|(file, found)| (file, found.write_vnncomp().into_bytes()));
        Self { line, files: files.into_iter().collect() }
    }
}

/// Takes over a finished line.
pub(crate) type Sink<'a, L, E> = &'a (dyn Fn(Finished<L>) -> Result<(), E> + Sync);

/// What is done with the inputs of one or several datasets.
pub(crate) trait Work: Sync {
    /// What is known of an input in the end, or of a step on it.
    type Line: Line + Sync;

    /// The inputs, as [`Line::input`] has them.
    fn inputs(&self) -> Vec<(usize, usize)>;

    /// Does what `held` lacks of an input. What a line says (its time aside) depends on nothing but the input and the
    /// settings. Where `stop` becomes true, what is in flight is abandoned and yields no line.
    ///
    /// # Errors
    /// Where nothing can be asked about the input, verdicts contradict each other, or the sink fails.
    fn one<E>(
        &self,
        input: (usize, usize),
        held: &[Self::Line],
        stop: Stop,
        sink: Sink<Self::Line, E>,
    ) -> Result<(), RunError<E>>;

    /// Handles every input, `jobs` at a time, and hands each finished line to `sink` as soon as it is there, from whichever
    /// thread. So work that was interrupted ends like work that was not.
    ///
    /// # Errors
    /// The first failure; what else is in flight is abandoned.
    fn run<E: Send>(
        &self,
        jobs: usize,
        held: &[Self::Line],
        cancel: Stop,
        sink: Sink<Self::Line, E>,
    ) -> Result<Ended, RunError<E>>
    where
        Self::Line: Clone,
    {
        let mut by_input: HashMap<_, Vec<Self::Line>> = HashMap::new();
        for line in held {
            by_input.entry(line.input()).or_default().push(line.clone());
        }
        let inputs = self.inputs();
        each(jobs, inputs.len(), cancel, &|at, stop| {
            let held = by_input.get(&inputs[at]).map_or(&[][..], Vec::as_slice);
            self.one(inputs[at], held, stop, sink)
        })
    }
}

/// Why a run ended early.
#[derive(Debug, Error)]
pub(crate) enum RunError<E> {
    /// Nothing can be asked about an input.
    #[error("{}: input {index}: {source}", file.display())]
    Query { file: PathBuf, index: usize, source: QueryError },
    /// A semantic perturbation makes no question.
    #[error("{}: input {index}: {source}", file.display())]
    Semantic { file: PathBuf, index: usize, source: SemanticError },
    /// A certificate and a counterexample of a step contradict each other.
    #[error(transparent)]
    Clash(#[from] Clash),
    /// A certificate and a counterexample of an input contradict each other.
    #[error(transparent)]
    Breach(#[from] Breach),
    /// The receiver of finished lines failed.
    #[error(transparent)]
    Sink(E),
    /// The threads could not be started.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Every input is done.
    Complete,
    /// The caller asked to stop.
    Cancelled,
}

/// Stack of a thread: checking a proof takes more than the system gives.
const STACK: usize = 64 << 20;

/// Hands 0 .. `count` to `one`, in order, `jobs` at a time. The first failure stops the others, as `cancel` does: `one` is
/// told through its second argument.
///
/// # Errors
/// The first failure; or where threads cannot be started, which `E` is made of.
pub(crate) fn each<E: Send + From<rayon::ThreadPoolBuildError>>(
    jobs: usize,
    count: usize,
    cancel: Stop,
    one: &(dyn Fn(usize, Stop) -> Result<(), E> + Sync),
) -> Result<Ended, E> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).stack_size(STACK);
    let pool = pool.build()?;
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

/// The seed of an input: a hash (SplitMix64's finaliser) of the campaign's seed and the input's position, so that
/// neither the order nor the number of threads matters.
pub(crate) fn input_seed(seed: u64, index: usize) -> u64 {
    let mut z = seed.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
