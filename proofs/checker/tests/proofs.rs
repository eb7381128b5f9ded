//! Hand-made proofs: those in accept/ are accepted; those in reject/ and malformed/ are rejected for the reason that their names begin with.
mod common;

use certus_check::{MOST_DEEP, Mode, Reason, Rejected, Statement, check};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const MODES: [Mode; 2] = [Mode::Exact, Mode::Outward];

fn statement() -> Statement {
    let property = include_bytes!("statement.vnnlib");
    Statement::from_bytes(&common::models::example(), property).unwrap()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

/// The name of a reason's variant.
fn variant(reason: &Reason) -> String {
    format!("{reason:?}").split([' ', '{']).next().unwrap().to_string()
}

#[test]
fn good_proofs_are_accepted() {
    for path in files("accept") {
        for mode in MODES {
            let proof = std::fs::read(&path).unwrap();
            let result = check(&statement(), proof.as_slice(), mode);
            assert!(result.is_ok(), "{} ({mode:?}): {}", path.display(), result.unwrap_err());
        }
    }
}

#[test]
fn bad_proofs_are_rejected_for_their_reason() {
    for path in files("reject").into_iter().chain(files("malformed")) {
        let proof = std::fs::read(&path).unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        for mode in MODES {
            let rejected = check(&statement(), proof.as_slice(), mode).unwrap_err();
            assert_eq!(
                variant(&rejected.reason),
                stem.split('-').next().unwrap(),
                "{stem}: {rejected}"
            );
            let text = String::from_utf8_lossy(&proof);
            for line in text.lines().filter_map(|l| l.strip_prefix("# expect: ")) {
                assert!(rejected.to_string().contains(line), "{stem}: {rejected}");
            }
        }
    }
}

fn reason(proof: impl std::io::Read) -> Reason {
    check(&statement(), std::io::BufReader::new(proof), Mode::Outward).unwrap_err().reason
}

#[test]
fn limits_are_kept() {
    let deep = format!("certus-proof 1\ncases 0\n{}", "split x0 at 0x0p0\n".repeat(MOST_DEEP + 1));
    assert_eq!(reason(deep.as_bytes()), Reason::TooDeep);
    let parts = format!("certus-proof 1\ncases 0\n{}", "part 0\n".repeat(MOST_DEEP + 1));
    assert_eq!(reason(parts.as_bytes()), Reason::TooDeep);
    use std::io::Read;
    let long =
        b"certus-proof 1\n".chain(std::io::repeat(b'#').take(certus_check::LONGEST_LINE + 1));
    assert_eq!(reason(long), Reason::LineTooLong);
}

/// f64 arithmetic overflows here: no bound, so no lift and no refutation, but no panic either.
#[test]
fn infinite_intervals_are_no_bounds() {
    let model = common::onnx::Model::new(&[1, 1])
        .f64s("w", &[1, 1], &[1e300])
        .node("MatMul x w -> a")
        .node("MatMul a w -> b")
        .node("Relu b -> c")
        .node("MatMul c w -> y")
        .bytes();
    let property = "(declare-const X_0 Real)(declare-const Y_0 Real)\
        (assert (and (>= X_0 -1) (<= X_0 1) (<= Y_0 -1)))";
    let statement = Statement::from_bytes(&model, property.as_bytes()).unwrap();
    for mode in MODES {
        let run = |line: &str| {
            let proof = format!("certus-proof 1\ncases 0\n{line}\nleaf\nend 4\n");
            check(&statement, proof.as_bytes(), mode).unwrap_err().reason
        };
        let name = "r0.0".to_string();
        assert_eq!(run("refute 0 lift >r0.0:0x1p0"), Reason::LiftOnInfiniteEnd { name });
        assert_eq!(run("refute 0"), Reason::BoundTooWeak { case: 0 });
        assert_eq!(run("crown"), Reason::CaseLeftOpen { case: 0 });
    }
}

#[test]
fn every_reason_has_a_test() {
    let mut tested: BTreeSet<String> =
        ["TooDeep", "TooLarge", "LineTooLong", "LiftOnInfiniteEnd"].map(String::from).into();
    for path in files("reject").into_iter().chain(files("malformed")) {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_string();
        tested.insert(stem.split('-').next().unwrap().to_string());
    }
    let source = include_str!("../src/reject.rs");
    let body = source.split_once("pub enum Reason {").unwrap().1.split_once("\n}").unwrap().0;
    let variants = body.lines().map(str::trim).filter(|l| !l.starts_with("//") && !l.is_empty());
    for variant in variants.map(|l| l.split([' ', ',']).next().unwrap()) {
        assert!(tested.contains(variant), "no test for {variant}");
    }
}

#[test]
fn rejections_say_where() {
    let proof = "certus-proof 1\ncases 1\nsplit x0 at -0x1p-1\nrefute 1\nleaf\nleaf\nend 6\n";
    let rejected = check(&statement(), proof.as_bytes(), Mode::Exact).unwrap_err();
    let reason = Reason::CaseLeftOpen { case: 1 };
    assert_eq!(rejected, Rejected { path: "0:>".to_string(), line: 6, reason });
}
