//! Both readers on a corpus of random graphs: each gives onnxruntime's outputs, or refuses for a reason that is listed.
//!
//! tests/onnx/README.md says how the corpus and the list are made.

mod common;

use common::onnx_writer::Model;
use common::recorded::{CORPUS, Case, STRUCTURE, Verdict, by_checker, by_search, cases, refusals};
use std::collections::BTreeMap;

const REFUSALS: &str = include_str!("onnx/refusals.tsv");
/// Operators that neither has: tests/onnx_structure.rs and tests/onnx_operators.rs have them.
const ELSEWHERE: [&str; 10] = [
    "EyeLike",
    "GlobalLpPool",
    "If",
    "LayerNormalization",
    "Loop",
    "OneHot",
    "QuantizeLinear",
    "RMSNormalization",
    "Scan",
    "Trilu",
];
const OPERATORS: &str = include_str!("../docs/operators.md");

#[test]
fn both_readers_give_the_outputs_of_onnxruntime() {
    let cases = cases(CORPUS);
    assert!(cases.len() >= 3000);
    let readers = [("search", by_search as fn(&Case) -> Verdict), ("checker", by_checker)];
    for (reader, verdict) in readers {
        let wrong: Vec<String> = cases
            .iter()
            .filter_map(|case| match verdict(case) {
                Verdict::Wrong(what) => Some(format!("{}: {what}", case.name)),
                _ => None,
            })
            .collect();
        assert!(wrong.is_empty(), "the {reader}'s reader: {wrong:#?}");
    }
}

/// A reader that refuses everything is never wrong, so refusals are counted.
#[test]
fn no_more_is_refused_than_is_listed() {
    let listed: BTreeMap<&str, usize> = REFUSALS
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(count, reason)| (reason, count.parse().unwrap()))
        .collect();
    let more: Vec<String> = refusals(&cases(CORPUS))
        .into_iter()
        .filter(|(reason, count)| *count > listed.get(reason.as_str()).copied().unwrap_or(0))
        .map(|(reason, count)| format!("{count}\t{reason}"))
        .collect();
    assert!(more.is_empty(), "more than tests/onnx/refusals.tsv lists: {more:#?}");
}

#[test]
fn a_changed_output_is_noticed() {
    let mut noticed = 0;
    for mut case in cases(CORPUS).into_iter().filter(|case| case.tolerance == 0.0).take(100) {
        let both = |case: &Case| [by_search(case), by_checker(case)];
        if both(&case) == [Verdict::Agrees, Verdict::Agrees] {
            let last = case.outputs.last_mut().unwrap();
            *last = last.next_up();
            assert!(both(&case).iter().all(|v| matches!(v, Verdict::Wrong(_))), "{}", case.name);
            noticed += 1;
        }
    }
    assert!(noticed >= 20);
}

/// Whether the readers know an operator, by how they refuse a node of it without operands.
fn known(operator: &str) -> [bool; 2] {
    let model = Model::new(22, &[1]).node(operator, &[], "y", vec![]).bytes();
    let empty = vec![0.0];
    let (points, outputs) = (empty.clone(), empty);
    let case = Case { name: String::new(), model, points, shape: vec![1], outputs, tolerance: 0.0 };
    let unknown = Verdict::Refused(format!("{operator}: unsupported operator"));
    [by_search(&case) != unknown, by_checker(&case) != unknown]
}

#[test]
fn docs_name_the_operators_that_the_readers_know() {
    let table = OPERATORS.split("## Known to a reader").nth(1).unwrap();
    let (table, rest) = table.split_once("## Cases of several operators").unwrap();
    let mut listed = 0;
    let mut corpus = cases(CORPUS);
    corpus.extend(cases(STRUCTURE));
    for line in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells[1].chars().all(|c| c == '-') {
            continue;
        }
        let in_docs = [cells[2].starts_with("yes"), cells[3].starts_with("yes")];
        assert_eq!(in_docs, known(cells[1]), "{}", cells[1]);
        let occurs = ELSEWHERE.contains(&cells[1])
            || corpus.iter().any(|case| case.name.split(' ').any(|op| op == cells[1]));
        assert!(occurs, "{} does not occur in the corpus", cells[1]);
        listed += 1;
    }
    assert!(listed >= 40);
    let refused = rest.split("## Refused by both").nth(1).unwrap().lines().last().unwrap();
    for name in refused.split(", ") {
        let name = name.split(['(', '.']).next().unwrap().trim();
        assert_eq!(known(name), [false, false], "{name}");
    }
}
