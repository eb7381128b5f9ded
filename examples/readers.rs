//! Runs files of recorded cases through both readers: for each case its name and two verdicts, separated by tabs.
//!
//! `cargo run --release --example readers -- FILE…`; with `--refusals` first, how many cases are refused for which reason.
//! tests/onnx/README.md says what makes such files.

#[path = "../tests/common/mod.rs"]
mod common;

use common::recorded::{Verdict, by_checker, by_search, cases, refusals};

fn show(verdict: Verdict) -> String {
    match verdict {
        Verdict::Agrees => "agrees".to_owned(),
        Verdict::Refused(reason) => format!("refused: {reason}"),
        Verdict::Wrong(what) => format!("WRONG: {what}"),
    }
}

fn main() -> std::io::Result<()> {
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    let counted = files.first().is_some_and(|first| first == "--refusals");
    for file in files.drain(usize::from(counted)..) {
        let cases = cases(&std::fs::read(file)?);
        if counted {
            refusals(&cases).iter().for_each(|(reason, count)| println!("{count}\t{reason}"));
            continue;
        }
        for case in cases {
            println!("{}\t{}\t{}", case.name, show(by_search(&case)), show(by_checker(&case)));
        }
    }
    Ok(())
}
