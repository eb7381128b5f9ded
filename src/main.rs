//! The `certus` command.
fn main() {}
