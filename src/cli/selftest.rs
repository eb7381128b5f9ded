//! `certus selftest`: all laws on random networks, on this machine.

use super::campaign::jobs;
use super::exit::{Failure, USAGE};
use super::hunt::{self, Hunt, Subject};
use super::interrupt;
use super::output::answer;
use crate::report::{Answer, laws_text};
use crate::testing::known;
use crate::testing::recorded::{self, Graph, Reading, graphs};
use crate::testing::truth::Known;
use crate::testing::{Checked, Law};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// Check this program on this machine: all laws of docs/testing.md on random networks
///
/// Bounds are compared with exact values and exact minima, verdicts with each other and with answers that are known by
/// construction, proofs with both arithmetics of the checker, and both readers with what onnxruntime computed of recorded graphs.
/// Prints a summary with what was checked, how often, from which seeds, and on which machine. Exit code 70 where a law is broken.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// How long
    #[arg(long, value_name = "MINUTES", default_value_t = 3.0)]
    minutes: f64,

    /// Seed of the first case of each law; the others follow
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Only these laws; 'graphs' are the readers on recorded graphs, 'known' statements on which verifiers went wrong [default: all]
    #[arg(long, value_name = "LAW,…", value_delimiter = ',')]
    law: Vec<String>,

    /// Cases looked at once [default: the number of cores]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Folder for the summary and for what broke, as small as it becomes
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Stop at the first case that breaks a law
    #[arg(long)]
    first: bool,

    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

/// The recorded graphs, which are no law of random networks.
const GRAPHS: &str = "graphs";

/// Statements on which verifiers have gone wrong.
const KNOWN: &str = "known";

/// Recorded graphs that are one case.
const AT_ONCE: usize = 20;

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let time = Duration::try_from_secs_f64(arguments.minutes * 60.0).map_err(|_| {
        Failure::new(USAGE, "--minutes: it must be a number of minutes, not negative")
    })?;
    let wants =
        |name: &str| arguments.law.is_empty() || arguments.law.iter().any(|law| law == name);
    let recorded = if wants(GRAPHS) { all_graphs() } else { Vec::new() };
    let laws = arguments.law.iter().filter(|law| ![GRAPHS, KNOWN].contains(&law.as_str()));
    let named = laws.map(|law| law.parse());
    let named: Vec<Law> = named
        .collect::<Result<_, String>>()
        .map_err(|error| Failure::new(USAGE, format!("--law: {error}, {GRAPHS}, {KNOWN}")))?;
    let laws = if arguments.law.is_empty() { Law::ALL.to_vec() } else { named };
    let mut subjects: Vec<Subject> = laws.into_iter().map(of).collect();
    if wants(KNOWN) {
        subjects.push(of_known(arguments.seed));
    }
    if wants(GRAPHS) {
        subjects.push(of_graphs(&recorded, arguments.seed));
    }
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out).map_err(|why| Failure::create(out, why))?;
    }
    interrupt::watch("")?;
    let (seed, jobs, out) = (arguments.seed, jobs(arguments.jobs), arguments.out.as_deref());
    let hunt = Hunt { seed, jobs, time, out, quiet: arguments.quiet, first: arguments.first };
    let found = hunt.run(&subjects, "random networks")?;
    let code = hunt::code(&found);
    let found = Answer::new("selftest", found);
    if let Some(out) = out {
        for (name, text) in [
            ("summary.txt", Ok(laws_text(&found.answer))),
            ("summary.json", serde_json::to_string_pretty(&found)),
        ] {
            let file = out.join(name);
            let text = text.map_err(|error| Failure::write(&file, error))?;
            std::fs::write(&file, text).map_err(|why| Failure::write(&file, why))?;
        }
    }
    answer(&found, || laws_text(&found.answer))?;
    Ok(code)
}

fn of(law: Law) -> Subject<'static> {
    let random = hunt::of_law(law, move |seed| Ok(law.subject(seed)));
    if law.is_general() {
        return random;
    }
    Subject {
        look: Box::new(move |seed| {
            Some(hunt::look(law, || law.try_seed(seed).map_err(|broken| broken.what)))
        }),
        case: Box::new(|seed| {
            Some(Known::random(seed)).map(|known| (known.case, Some(known.holds)))
        }),
        fails: None,
        ..random
    }
}

/// Statements on which verifiers have gone wrong, each once.
fn of_known(first: u64) -> Subject<'static> {
    let look = move |seed: u64| {
        let pitfall = known::ALL.get(usize::try_from(seed.wrapping_sub(first)).ok()?)?;
        Some(hunt::look(Law::Truth, || pitfall.check(seed)))
    };
    Subject {
        name: KNOWN.to_owned(),
        statement: "verdicts, evidence and the checker are right where verifiers have gone wrong",
        look: Box::new(look),
        case: Box::new(|_| None),
        fails: None,
    }
}

fn all_graphs() -> Vec<Graph> {
    [recorded::CORPUS, recorded::STRUCTURE].into_iter().flat_map(graphs).collect()
}

/// Both readers on recorded graphs, some at a time, each once.
fn of_graphs(all: &[Graph], first: u64) -> Subject<'_> {
    let look = move |seed: u64| {
        let from = usize::try_from(seed.wrapping_sub(first)).ok()?.checked_mul(AT_ONCE)?;
        let some =
            all.get(from..(from + AT_ONCE).min(all.len())).filter(|some| !some.is_empty())?;
        let mut comparisons = 0;
        for graph in some {
            for (reader, reading) in
                [("search", recorded::by_search(graph)), ("checker", recorded::by_checker(graph))]
            {
                match reading {
                    Reading::Wrong(what) => {
                        return Some(Err(format!(
                            "graph {}, the {reader}'s reader: {what}",
                            graph.name
                        )));
                    }
                    Reading::Agrees => comparisons += 1,
                    Reading::Refused(_) => {}
                }
            }
        }
        Some(Ok(Checked { comparisons, skipped: None }))
    };
    Subject {
        name: GRAPHS.to_owned(),
        statement: "both readers give what onnxruntime computed of recorded graphs, or refuse them",
        look: Box::new(look),
        case: Box::new(|_| None),
        fails: None,
    }
}
