//! What a test says that cannot run here, past the harness, which keeps what a passing test prints.

use std::io::Write as _;

pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
