//! What the laws found: the summary of a self-test or a hunt, and the file from which a failure is replayed.

use super::{Build, RunRecord};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// `certus selftest` and `certus fuzz`: what was checked, how often, and what broke.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LawsAnswer {
    pub(crate) build: Build,
    /// Where and when.
    pub(crate) run: RunRecord,
    /// Of the first case; case k of a law has this seed plus k.
    pub(crate) seed: u64,
    /// What was looked at: `random networks`, or a model's file.
    pub(crate) subject: String,
    /// Whether nothing broke.
    pub(crate) holds: bool,
    pub(crate) laws: Vec<LawRecord>,
    pub(crate) broken: Vec<BrokenRecord>,
}

/// One law.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LawRecord {
    /// Its name.
    pub(crate) law: String,
    /// What it says.
    pub(crate) statement: String,
    /// Cases looked at.
    pub(crate) cases: usize,
    /// Comparisons that held.
    pub(crate) comparisons: usize,
    /// Cases about which it says nothing, by why.
    pub(crate) skipped: std::collections::BTreeMap<String, usize>,
    /// Cases that broke it.
    pub(crate) broken: usize,
    /// Processor time, or time where the system does not tell, of its cases.
    pub(crate) seconds: f64,
}

/// A case that broke a law.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BrokenRecord {
    /// The law's name.
    pub(crate) law: String,
    /// The case's seed.
    pub(crate) seed: u64,
    /// What broke.
    pub(crate) what: String,
    /// From what it is replayed, where it was kept.
    pub(crate) case: Option<String>,
}

/// `certus fuzz --against`: another verifier beside this one.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AgainstAnswer {
    /// The other verifier's command.
    pub(crate) command: String,
    /// What was asked about: `random networks`, or a model's file.
    pub(crate) subject: String,
    /// Of the first case.
    pub(crate) seed: u64,
    pub(crate) cases: u64,
    /// How the two compare, and how often.
    pub(crate) counts: std::collections::BTreeMap<String, usize>,
    pub(crate) disagreements: Vec<BrokenRecord>,
}

/// `certus shrink`: what is left.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ShrinkAnswer {
    pub(crate) model: String,
    pub(crate) property: String,
    /// Runs of the command.
    pub(crate) runs: usize,
    /// Inputs, nodes and parameters of the network that was given.
    pub(crate) before: [usize; 3],
    /// Those of what is left.
    pub(crate) after: [usize; 3],
}

/// The comparison as text.
#[must_use]
pub(crate) fn against_text(answer: &AgainstAnswer) -> String {
    let mut text = format!(
        "against: {}\non {}, {} cases from seed {}\n\n",
        answer.command, answer.subject, answer.cases, answer.seed
    );
    for (how, count) in &answer.counts {
        let _ = writeln!(text, "{count:>8}  {how}");
    }
    for broken in &answer.disagreements {
        let _ = writeln!(text, "\nseed {}: {}", broken.seed, broken.what);
        if let Some(case) = &broken.case {
            let _ = writeln!(text, "  replay: certus fuzz --replay {case}");
        }
    }
    text
}

/// case.toml: a failure that can be replayed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseFile {
    /// The version that wrote it.
    pub(crate) certus: String,
    /// The law, or `against`.
    pub(crate) law: String,
    /// The law's seed.
    pub(crate) seed: u64,
    /// What broke.
    pub(crate) what: String,
    /// The network's file, beside this one.
    pub(crate) network: String,
    /// The property's file, beside this one.
    pub(crate) property: String,
    /// The other verifier's command, where one was compared.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) against: String,
    /// Whether the property holds, where the network was made so that it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) holds: Option<bool>,
}

/// The summary as text.
#[must_use]
pub(crate) fn laws_text(answer: &LawsAnswer) -> String {
    let mut text = String::new();
    let commit = answer.build.commit.as_deref().unwrap_or("unknown");
    let tool = &answer.build.tool;
    let _ = writeln!(text, "{} {} (commit {commit})", tool.name, tool.version);
    let run = &answer.run;
    let parts = [&run.system, &run.processor, &run.host, &run.started];
    let machine: Vec<&str> = parts.into_iter().filter_map(Option::as_deref).collect();
    let _ = writeln!(text, "{}", machine.join(", "));
    if let Some(hash) = &run.program_sha256 {
        let _ = writeln!(text, "program sha-256 {hash}");
    }
    let _ = writeln!(text, "on {}, seeds from {}\n", answer.subject, answer.seed);
    let _ = writeln!(
        text,
        "{:<10} {:>8} {:>12} {:>8} {:>7}  the law",
        "law", "cases", "comparisons", "skipped", "broken"
    );
    for law in &answer.laws {
        let skipped: usize = law.skipped.values().sum();
        let _ = writeln!(
            text,
            "{:<10} {:>8} {:>12} {:>8} {:>7}  {}",
            law.law, law.cases, law.comparisons, skipped, law.broken, law.statement
        );
    }
    text.push('\n');
    for broken in &answer.broken {
        let _ = writeln!(text, "BROKEN {}, seed {}: {}", broken.law, broken.seed, broken.what);
        if let Some(case) = &broken.case {
            let _ = writeln!(text, "  replay: certus fuzz --replay {case}");
        }
    }
    let cases: usize = answer.laws.iter().map(|law| law.cases).sum();
    let broken: usize = answer.laws.iter().map(|law| law.broken).sum();
    let _ = match broken {
        0 => writeln!(text, "all laws held on {cases} cases"),
        _ => writeln!(
            text,
            "{broken} of {cases} cases broke a law: do not trust verdicts of this program on this machine"
        ),
    };
    text
}
