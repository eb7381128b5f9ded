//! Ctrl-C: the first asks the campaign to stop, the second ends the program at once.

use super::exit::{Failure, INTERNAL, INTERRUPTED};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C sets [`stopped`].
pub(super) fn watch() -> Result<(), Failure> {
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        let _ = writeln!(
            std::io::stderr(),
            "\ncertus: stopping; once more to leave at once (what is finished is kept either way)"
        );
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Failure::new(INTERNAL, format!("cannot watch for Ctrl-C: {error}")))
}

/// Whether Ctrl-C was pressed.
pub(super) fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}
