//! The native half of the Python package: commands of the library, with Python's interpreter free while they run and Ctrl-C heard.
//!
//! Nothing is decided here. A command goes to the library as the command line that the program would get, with arrays in place of a file,
//! so that both give the same answer; `certus/` on the Python side makes the command line and reads the answer.

mod network;

use certus::RawArray;
use certus::internal::{Call, Failure, Started};
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the interpreter is asked for signals.
const TICK: Duration = Duration::from_millis(20);

/// Stack of the thread that works: checking a proof takes more than the system gives.
const STACK: usize = 64 << 20;

create_exception!(_native, NativeError, PyException, "An exit code and a sentence.");

/// What the program would end with.
fn raised(failure: Failure) -> PyErr {
    NativeError::new_err((failure.code, failure.message))
}

/// An array of NumPy: the name of its type, its shape, its bytes in row-major order.
type Array = (String, Vec<usize>, Vec<u8>);

fn raw((descr, shape, bytes): Array) -> RawArray {
    RawArray { descr, shape, bytes }
}

/// What the thread that works has to say.
enum Event {
    Progress(usize, usize, String),
    Done(Result<certus::internal::Called, Failure>),
}

/// Runs a command; its exit code, and its report as JSON. `progress` is called with how many inputs are done, out of how many, and what
/// became of them.
#[pyfunction]
#[pyo3(signature = (line, arrays = None, progress = None))]
fn call(
    py: Python<'_>,
    line: Vec<String>,
    arrays: Option<(Array, Array)>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(u8, String)> {
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, events) = mpsc::channel();
    let events = Mutex::new(events);
    let flag = stop.clone();
    let wanted = progress.is_some();
    let work = move || {
        let told = |done: usize, total: usize, words: &str| {
            if wanted {
                // Nobody listens any more where the caller is gone.
                let _ = sender.send(Event::Progress(done, total, words.to_owned()));
            }
        };
        let done = certus::internal::call(Call {
            line: line.into_iter().map(OsString::from).collect(),
            arrays: arrays.map(|(inputs, labels)| [raw(inputs), raw(labels)]),
            stop: Arc::new(move || flag.load(Ordering::Relaxed)),
            told: &told,
        });
        let _ = sender.send(Event::Done(done));
    };
    let thread = std::thread::Builder::new().name("certus".to_owned()).stack_size(STACK);
    let thread = thread.spawn(work)?;
    let mut raised_meanwhile = None;
    let done = loop {
        let next = || events.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(TICK);
        match py.detach(next) {
            Ok(Event::Done(done)) => break done,
            Ok(Event::Progress(done, total, words)) => {
                if let Some(progress) = progress.as_ref().filter(|_| raised_meanwhile.is_none())
                    && let Err(error) = progress.call1(py, (done, total, words))
                {
                    stop.store(true, Ordering::Relaxed);
                    raised_meanwhile = Some(error);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let message = "internal error: the thread that worked is gone".to_owned();
                break Err(Failure { code: 70, message });
            }
        }
        if let Err(error) = py.check_signals() {
            stop.store(true, Ordering::Relaxed);
            raised_meanwhile.get_or_insert(error);
        }
    };
    // It has said its last word.
    drop(py.detach(|| thread.join()));
    match (raised_meanwhile, done) {
        (Some(error), _) => Err(error),
        (None, Ok(called)) => Ok((called.code, called.json)),
        (None, Err(failure)) => Err(raised(failure)),
    }
}

/// Runs the program `certus` on a command line; its exit code. `again` starts it again, `file` holds its code.
#[pyfunction]
fn main(py: Python<'_>, line: Vec<OsString>, again: Vec<OsString>, file: PathBuf) -> u8 {
    py.detach(|| certus::internal::main_as(Started { again, file, line }))
}

/// Clopper and Pearson's interval for a share of which `count` of `total` are known.
#[pyfunction]
fn interval(count: usize, total: usize, level: f64) -> Option<(f64, f64)> {
    use certus::internal::audit::{Share, interval::clopper_pearson};
    let interval = clopper_pearson(Share { count, total }, level)?;
    Some((interval.low, interval.high))
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("NativeError", module.py().get_type::<NativeError>())?;
    module.add_class::<network::Network>()?;
    module.add_function(wrap_pyfunction!(call, module)?)?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(interval, module)?)?;
    Ok(())
}
