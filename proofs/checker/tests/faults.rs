//! The false proofs that were once accepted, where the shared folder has them.
mod common;

use certus_check::{Mode, Statement, check};

#[test]
fn false_proofs_are_not_accepted() {
    let Some(bench) = common::bench() else { return };
    let mut all = vec![];
    common::below(&bench.with_file_name("faults").join("checker"), &mut all);
    let proofs: Vec<_> =
        all.iter().filter(|f| f.extension().is_some_and(|e| e == "proof")).collect();
    for proof in &proofs {
        let beside = |ending: &str| {
            let own = proof.with_extension(ending);
            let common = proof.with_file_name(if ending == "onnx" { "m.onnx" } else { "p.vnnlib" });
            if own.is_file() { own } else { common }
        };
        match Statement::load(&beside("onnx"), &beside("vnnlib")) {
            Err(error) => println!("{}: {error}", proof.display()),
            Ok(statement) => {
                for mode in [Mode::Exact, Mode::Outward] {
                    let text = std::fs::read(proof).unwrap();
                    let verdict = check(&statement, text.as_slice(), mode);
                    let rejected = verdict.expect_err(&format!("{}", proof.display()));
                    println!("{}: {rejected}", proof.display());
                }
            }
        }
    }
    assert!(proofs.len() >= 8);
}
