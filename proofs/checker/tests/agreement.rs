//! Proofs on shared networks: accepted by both arithmetics, rejected when tampered with.
mod common;

use certus_check::{Case, Mode, Property, Rejected, Statement, check, onnx};
use std::path::Path;
use std::sync::Arc;

const MODES: [Mode; 2] = [Mode::Exact, Mode::Outward];

fn load(bench: &Path, set: &str, model: &str, property: &str) -> Statement {
    let folder = bench.join(set);
    let model = folder.join("onnx").join(model);
    Statement::load(&model, &folder.join("vnnlib").join(property)).unwrap()
}

fn run(statement: &Statement, lines: &[String], mode: Mode) -> Result<(), Rejected> {
    let proof = format!("certus-proof 1\n{}\nend {}\n", lines.join("\n"), lines.len() + 1);
    check(statement, proof.as_bytes(), mode).map(|_| ())
}

type Region = Vec<(f64, f64)>;

fn region(statement: &Statement) -> Region {
    let case = &statement.cases()[0];
    case.low.iter().copied().zip(case.high.iter().copied()).collect()
}

/// A tree that halves the widest input until `crown` and one half-space are enough; of a statement with one case.
fn halve(
    model: &[u8],
    statement: &Statement,
    now: &mut Region,
    depth: usize,
) -> Option<Vec<String>> {
    let leaf = ["crown", "refute all", "leaf"].map(String::from).to_vec();
    let (low, high) = now.iter().copied().unzip();
    let half_spaces = statement.cases()[0].half_spaces.clone();
    let case = Case { low: Arc::new(low), high: Arc::new(high), half_spaces };
    let circuit = onnx::read(model).unwrap();
    let outputs = circuit.size(circuit.output());
    let property = Property { inputs: now.len(), outputs, cases: vec![case] };
    let part = Statement::new(circuit, property).unwrap();
    if run(&part, &[vec!["cases 0".to_string()], leaf.clone()].concat(), Mode::Outward).is_ok() {
        return Some(leaf);
    }
    let whole = region(statement);
    let width = |i: usize| (now[i].1 - now[i].0) / (whole[i].1 - whole[i].0).max(1e-30);
    let i = (0..now.len()).max_by(|a, b| width(*a).total_cmp(&width(*b)))?;
    let (low, high) = now[i];
    let middle = (low + high) / 2.0;
    let mut tree = vec![format!("split x{i} at {}", certus_check::float::format_hex(middle))];
    for half in [(low, middle), (middle, high)] {
        now[i] = half;
        tree.extend(halve(model, statement, now, depth.checked_sub(1)?)?);
    }
    now[i] = (low, high);
    Some(tree)
}

#[test]
fn simple_instances_are_accepted_by_both() {
    let Some(bench) = common::bench() else { return };
    let lines = ["cases 0", "crown", "refute all", "leaf"].map(String::from);
    for (set, model, property) in [
        ("test", "test_tiny.onnx", "test_tiny.vnnlib"),
        ("test", "test_small.onnx", "test_small.vnnlib"),
        ("test", "test_nano.onnx", "test_nano.vnnlib"),
        ("rl_benchmarks", "cartpole.onnx", "cartpole_case_unsafe_0.vnnlib"),
    ] {
        let statement = load(&bench, set, model, property);
        for mode in MODES {
            assert_eq!(run(&statement, &lines, mode), Ok(()), "{model} {property}");
        }
        // Without the refutation there is nothing.
        let without = ["cases 0", "crown", "leaf"].map(String::from);
        assert!(run(&statement, &without, MODES[0]).is_err());
    }
}

#[test]
fn split_trees_on_acas_xu_and_their_tampering() {
    let Some(bench) = common::bench() else { return };
    let statement = load(&bench, "acasxu", "ACASXU_run2a_3_2_batch_2000.onnx", "prop_3.vnnlib");
    let model = std::fs::read(bench.join("acasxu/onnx/ACASXU_run2a_3_2_batch_2000.onnx")).unwrap();
    let mut tree = vec!["cases 0".to_string()];
    tree.extend(halve(&model, &statement, &mut region(&statement), 11).unwrap());
    println!("{} lines", tree.len());
    for mode in MODES {
        let begin = std::time::Instant::now();
        assert_eq!(run(&statement, &tree, mode), Ok(()));
        println!("{mode:?}: {:?}", begin.elapsed());
    }
    let changed = |from: &str, to: Option<&str>| {
        let at = tree.iter().rposition(|l| l.starts_with(from)).unwrap();
        let mut lines = tree.clone();
        match to {
            Some(to) => lines[at] = to.to_string(),
            None => _ = lines.remove(at),
        }
        run(&statement, &lines, Mode::Outward)
    };
    assert!(changed("refute", None).is_err());
    assert!(changed("split", None).is_err());
    assert!(changed("leaf", None).is_err());
    assert!(changed("refute", Some("refute 0 slope r0.0:0x1.8p0")).is_err());
    assert!(changed("refute", Some("refute 0 using 9")).is_err());
    // Another network or another property: a proof may still hold there, but here it does not.
    let sat = load(&bench, "acasxu", "ACASXU_run2a_1_1_batch_2000.onnx", "prop_2.vnnlib");
    assert!(run(&sat, &tree, Mode::Outward).is_err());
}
