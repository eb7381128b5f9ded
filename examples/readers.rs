//! Runs files of recorded cases through both readers: for each case its name and two verdicts, separated by tabs.
//!
//! `cargo run --release --example readers FILE…`; tests/onnx/README.md says what makes such files.

#[path = "../tests/common/mod.rs"]
mod common;

use common::recorded::{Verdict, by_checker, by_search, cases};

fn show(verdict: Verdict) -> String {
    match verdict {
        Verdict::Agrees => "agrees".to_owned(),
        Verdict::Refused(reason) => format!("refused: {reason}"),
        Verdict::Wrong(what) => format!("WRONG: {what}"),
    }
}

fn main() -> std::io::Result<()> {
    for file in std::env::args().skip(1) {
        for case in cases(&std::fs::read(file)?) {
            println!("{}\t{}\t{}", case.name, show(by_search(&case)), show(by_checker(&case)));
        }
    }
    Ok(())
}
