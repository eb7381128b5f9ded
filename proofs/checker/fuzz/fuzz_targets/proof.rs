//! Any bytes as a proof about FORMAT.md's example network: an answer, never a panic.
#![no_main]
use certus_check::{Mode, Statement, check};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

#[path = "../../tests/common/mod.rs"]
mod common;

static STATEMENT: LazyLock<Statement> = LazyLock::new(|| {
    let property = include_bytes!("../../tests/statement.vnnlib");
    Statement::from_bytes(&common::models::example(), property).unwrap()
});

fuzz_target!(|bytes: &[u8]| {
    for mode in [Mode::Exact, Mode::Outward] {
        let _ = check(&STATEMENT, bytes, mode);
    }
});
