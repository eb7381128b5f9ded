//! Recorded cases, and what each of the two readers makes of one: `certus::testing`, with refusals in words that count.

pub use certus::internal::testing::readers_exactly::values;
pub use certus::internal::testing::recorded::{CORPUS, Graph as Case, STRUCTURE, graphs as cases};

use certus::internal::load::{NetworkError, NodeProblem};
use certus::internal::testing::recorded::{self, Reading, Refusal};
use certus_check::onnx::Problem;
use regex_lite::Regex;
use std::collections::BTreeMap;

/// What a reader makes of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Agrees,
    Refused(String),
    Wrong(String),
}

fn in_words(reading: Reading) -> Verdict {
    match reading {
        Reading::Agrees => Verdict::Agrees,
        Reading::Wrong(what) => Verdict::Wrong(what),
        Reading::Refused(Refusal::Search(error)) => Verdict::Refused(reason(&error)),
        Reading::Refused(Refusal::OnlyOrdered) => {
            Verdict::Refused("only the order of outputs".into())
        }
        Reading::Refused(Refusal::Checker(error)) => {
            let operator = error.node.as_ref().map_or("", |(_, operator, _)| operator);
            if error.problem == Problem::UnsupportedOperator {
                return Verdict::Refused(format!("{operator}: unsupported operator"));
            }
            let problem = certus_check::onnx::Error { node: None, problem: error.problem.clone() };
            Verdict::Refused(format!("{operator}: {}", general(&problem.to_string())))
        }
    }
}

/// The reader of the search.
pub fn by_search(case: &Case) -> Verdict {
    in_words(recorded::by_search(case))
}

/// The reader of the checker.
pub fn by_checker(case: &Case) -> Verdict {
    in_words(recorded::by_checker(case))
}

/// How many cases are refused, by reader and reason.
pub fn refusals(cases: &[Case]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for case in cases {
        for (reader, verdict) in [("search", by_search(case)), ("checker", by_checker(case))] {
            if let Verdict::Refused(reason) = verdict {
                *counts.entry(format!("{reader}\t{reason}")).or_default() += 1;
            }
        }
    }
    counts
}

/// A refusal without what is particular to one file.
fn reason(error: &NetworkError) -> String {
    match error {
        NetworkError::Node { at, problem: NodeProblem::Operator { .. } } => {
            format!("{}: unsupported operator", at.operator)
        }
        NetworkError::Node { at, problem } => {
            format!("{}: {}", at.operator, general(&problem.to_string()))
        }
        NetworkError::Tensor { problem, .. } => general(&problem.to_string()),
        other => general(other.to_string().trim_start_matches("model.onnx: ")),
    }
}

/// A message without what would be accepted, with names, lists and numbers replaced.
fn general(message: &str) -> String {
    let found = message.split("; accepted").next().unwrap_or(message);
    let quoted = Regex::new(r"'[^']*'|`[^`]*`|\[[^\]]*\]").expect("an expression");
    let number = Regex::new(r"-?\b(\d+(\.\d+)?(e-?\d+)?|inf)\b").expect("an expression");
    number.replace_all(&quoted.replace_all(found, "…"), "#").into_owned()
}
