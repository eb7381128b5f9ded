//! Ctrl-C: the first asks the campaign to stop, the second ends the program at once.

use super::exit::{Failure, INTERNAL, INTERRUPTED};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says whether to stop; it may outlive who made it.
pub(super) type Stopper = Arc<dyn Fn() -> bool + Send + Sync>;

/// For commands that keep what is finished.
pub(super) const KEPT: &str = " (what is finished is kept either way)";

static STOP: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C sets [`stopped`], and says so: `remark` is what becomes of the work.
pub(super) fn watch(remark: &'static str) -> Result<(), Failure> {
    let handler = move || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        let _ =
            writeln!(std::io::stderr(), "\ncertus: stopping; once more to leave at once{remark}");
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Failure::new(INTERNAL, format!("cannot watch for Ctrl-C: {error}")))
}

/// Whether Ctrl-C was pressed.
pub(super) fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}
