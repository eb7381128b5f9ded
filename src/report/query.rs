//! What `certus verify` says: a verdict with its evidence, as JSON, as text, and in the words of the VNN competition.

use super::Tool;
use super::terminal::{Text, assurance, grouped, seconds};
use crate::attack::Counterexample;
use crate::audit::VerdictName;
use crate::net::Semantics;
use crate::verify::{AssuranceLevel, Outcome, Reason, Settings, Verdict};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// Points with at most this many inputs are printed.
const SHORT: usize = 16;

/// The answer to one query, and what it was about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct QueryReport {
    /// Version of the format.
    pub(crate) schema_version: u32,
    pub(crate) tool: Tool,
    /// The network's file, as it was given.
    pub(crate) model: String,
    /// SHA-256 of that file, and of those that hold weights beside it; null where time was up before it was read.
    pub(crate) model_sha256: Option<String>,
    /// The property's file, as it was given.
    pub(crate) property: String,
    /// What the network means: `real`, a function over the real numbers, or `float32`, every evaluation in that arithmetic.
    pub(crate) semantics: String,
    /// Number of the network's inputs.
    pub(crate) inputs: Option<usize>,
    /// Number of the network's outputs.
    pub(crate) outputs: Option<usize>,
    /// Number of ReLU neurons.
    pub(crate) relus: Option<usize>,
    /// Number of (region, polytope) pairs of the property.
    pub(crate) cases: Option<usize>,
    /// How far verification was to go.
    pub(crate) method: String,
    /// The attack that came first.
    pub(crate) attack: String,
    /// Seed of everything random.
    pub(crate) seed: u64,
    pub(crate) verdict: VerdictName,
    /// Why, where unknown.
    pub(crate) reason: Option<String>,
    /// Whether the time limit is why.
    pub(crate) timed_out: bool,
    /// The stage that decided.
    pub(crate) stage: Option<String>,
    /// What must be trusted, where certified.
    pub(crate) assurance: Option<AssuranceLevel>,
    /// The least proven lower bound of a margin; null where none was computed, or where it is −∞.
    pub(crate) bound: Option<f64>,
    /// Domains that branch and bound looked at.
    pub(crate) domains: usize,
    /// Domains still open.
    pub(crate) open_domains: usize,
    /// Wall-clock time, loading included.
    pub(crate) seconds: f64,
    /// Most memory that the process ever held, in 10⁶ bytes, where the system tells.
    pub(crate) peak_mb: Option<f64>,
    /// What the reader has to say.
    pub(crate) notes: Vec<String>,
    /// The point, where falsified; it is not read back.
    #[serde(skip_deserializing)]
    pub(crate) counterexample: Option<CounterexampleRecord>,
    /// The proof, where one was asked for and there is no counterexample.
    pub(crate) proof: Option<ProofRecord>,
}

/// A proof that was asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ProofRecord {
    /// Where it lies; null where there is none that the checker accepted.
    pub(crate) file: Option<String>,
    /// Why there is none.
    pub(crate) problem: Option<String>,
    /// Bytes of its text.
    pub(crate) bytes: u64,
    /// Bytes of the file.
    pub(crate) file_bytes: u64,
    /// Leaves of its trees.
    pub(crate) leaves: u64,
    /// Wall-clock time of the search.
    pub(crate) search_seconds: f64,
    /// Processor time of the search, where the system tells.
    pub(crate) search_cpu_seconds: Option<f64>,
    /// Processor time of reading the files with the checker's readers, where the system tells.
    pub(crate) read_cpu_seconds: Option<f64>,
    /// Processor time of writing the proof, where the system tells.
    pub(crate) write_cpu_seconds: Option<f64>,
    /// Wall-clock time of checking.
    pub(crate) check_seconds: f64,
    /// Processor time of checking, where the system tells; of a long proof, with the decompression of what was written.
    pub(crate) check_cpu_seconds: Option<f64>,
    /// How often the checker had to reject it first.
    pub(crate) mended: usize,
    /// Why no checker accepted it that is stronger than the level says; null where none was wanted.
    #[serde(default)]
    pub(crate) doubt: Option<String>,
}

/// A point that violates the property.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CounterexampleRecord {
    /// Where it was written, if anywhere.
    pub(crate) file: Option<String>,
    /// Index of the claim that it refutes.
    pub(crate) claim: usize,
    /// Index of the polytope that its output lies in.
    pub(crate) polytope: usize,
    /// The point, exactly.
    #[cfg_attr(test, schemars(with = "Vec<serde_json::Value>"))]
    pub(crate) input: Vec<Coordinate>,
    /// Its output in double precision.
    pub(crate) output: Vec<f64>,
    /// Its output in single precision.
    pub(crate) output_f32: Vec<f32>,
    /// Whether the single-precision output violates the property too. The real output always does.
    pub(crate) holds_in_f32: bool,
    /// In single precision: the order of summation of the evaluation that shows the violation; absent where all that runtimes may make do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order: Option<String>,
    /// How far inside the unsafe polytope the real output lies at least; null where that is everything.
    pub(crate) slack: Option<f64>,
}

/// An exact number as text: in JSON a number with all its places, or a string where it is a fraction such as 1/15.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coordinate(String);

impl Serialize for Coordinate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match RawValue::from_string(self.0.clone()) {
            Ok(number) => number.serialize(serializer),
            Err(_) => self.0.serialize(serializer),
        }
    }
}

impl CounterexampleRecord {
    /// A counterexample, written to `file` if anywhere. `outputs` is the number of the network's own outputs.
    pub(crate) fn new(found: &Counterexample, outputs: usize, file: Option<String>) -> Self {
        let own = |length: usize| outputs.min(length);
        Self {
            file,
            claim: found.claim(),
            polytope: found.polytope(),
            input: found.input_text().map(Coordinate).collect(),
            output: found.output()[..own(found.output().len())].to_vec(),
            output_f32: found.output_f32()[..own(found.output_f32().len())].to_vec(),
            holds_in_f32: found.holds_in_f32(),
            order: found.order().map(|order| order.to_string()),
            slack: Some(found.slack()).filter(|slack| slack.is_finite()),
        }
    }
}

impl QueryReport {
    /// A query without its answer.
    pub(crate) fn asked(
        model: String,
        property: String,
        semantics: Semantics,
        settings: &Settings,
    ) -> Self {
        Self {
            schema_version: super::SCHEMA_VERSION,
            tool: Tool::this(),
            model,
            property,
            semantics: semantics.to_string(),
            method: settings.method.to_string(),
            attack: settings.attack.names(),
            seed: settings.seed,
            ..Self::default()
        }
    }

    /// Takes over an answer, all but its counterexample.
    pub(crate) fn answer(&mut self, outcome: &Outcome) {
        match &outcome.verdict {
            Verdict::Certified(certificate) => {
                self.verdict = VerdictName::Certified;
                self.assurance = Some(certificate.level());
            }
            Verdict::Falsified(_) => self.verdict = VerdictName::Falsified,
            Verdict::Unknown(unknown) => self.give_up(unknown.reason),
        }
        self.stage = outcome.stage.map(|stage| stage.to_string());
        self.bound = outcome.bound.filter(|bound| bound.is_finite());
        self.domains = outcome.effort.visited;
        self.open_domains = outcome.effort.open;
    }

    /// No verdict, for this reason.
    pub(crate) fn give_up(&mut self, reason: Reason) {
        self.verdict = VerdictName::Unknown;
        self.reason = Some(reason.to_string());
        self.timed_out = reason == Reason::TimeLimit;
    }
}

/// A query and its answer. `styled` for bold.
pub(crate) fn query_text(report: &QueryReport, styled: bool) -> String {
    let mut text = Text::default();
    text.line("model", model(report));
    let cases = report.cases.map(|cases| format!(" ({})", count(cases, "case", "cases")));
    text.line("property", format!("{}{}", report.property, cases.unwrap_or_default()));
    let attack = match report.attack.as_str() {
        "none" => "no attack".to_owned(),
        kind => format!("attack {kind}"),
    };
    text.line("method", format!("{attack}, then bounds ({}); seed {}", report.method, report.seed));
    if report.semantics == Semantics::Float32.to_string() {
        text.line("arithmetic", "float32, whatever the order of its sums (docs/semantics.md)");
    }
    for note in &report.notes {
        text.line("note", note);
    }
    text.block(headline(report, styled));
    if let Some(stage) = &report.stage {
        text.line("decided by", stage);
    }
    if let Some(bound) = report.bound {
        let what = match report.verdict {
            VerdictName::Certified => "the least margin proved",
            _ => "the best lower bound of the least margin; above 0 would be a proof",
        };
        text.line("bound", format!("{}: {what}", short(bound)));
    }
    if report.domains > 0 {
        let open = match report.open_domains {
            0 => String::new(),
            open => format!(", {} still open", grouped(open)),
        };
        text.line("search", format!("{}{open}", count(report.domains, "domain", "domains")));
    }
    if let Some(level) = report.assurance {
        text.line("assurance", assurance(level, &report.semantics));
    }
    if let Some(proof) = &report.proof {
        text.line("proof", self::proof(proof));
    }
    if let Some(found) = &report.counterexample {
        text.line("holds", holds(found, &report.semantics));
        if found.input.len() <= SHORT {
            let input: Vec<&str> = found.input.iter().map(|x| x.0.as_str()).collect();
            text.line("input", input.join(", "));
            let output: Vec<String> = found.output.iter().map(ToString::to_string).collect();
            text.line("output", output.join(", "));
        }
        if let Some(file) = &found.file {
            text.line("evidence", file);
        }
    }
    let memory = report.peak_mb.map(|peak| format!("; at most {peak:.0} MB of memory"));
    text.line("time", format!("{}{}", seconds(report.seconds), memory.unwrap_or_default()));
    text.0
}

fn proof(proof: &ProofRecord) -> String {
    match (&proof.file, &proof.problem) {
        (Some(file), _) => format!(
            "{file}: {}, {} bytes; search {}, check {}{}",
            count(proof.leaves as usize, "leaf", "leaves"),
            grouped(proof.file_bytes as usize),
            seconds(proof.search_seconds),
            seconds(proof.check_seconds),
            proof.doubt.as_ref().map(|doubt| format!("; {doubt}")).unwrap_or_default()
        ),
        (None, Some(problem)) => format!("none: {problem}"),
        (None, None) => "none".to_owned(),
    }
}

fn model(report: &QueryReport) -> String {
    let (Some(inputs), Some(outputs), Some(relus)) = (report.inputs, report.outputs, report.relus)
    else {
        return format!("{} (not read in time)", report.model);
    };
    format!(
        "{} ({}, {}, {})",
        report.model,
        count(inputs, "input", "inputs"),
        count(outputs, "output", "outputs"),
        count(relus, "ReLU", "ReLUs")
    )
}

fn headline(report: &QueryReport, styled: bool) -> String {
    let (word, meaning) = match report.verdict {
        VerdictName::Certified => {
            ("certified", "no input of the property reaches its unsafe outputs".to_owned())
        }
        VerdictName::Falsified | VerdictName::Misclassified => {
            ("falsified", "an input of the property has an unsafe output".to_owned())
        }
        VerdictName::Unknown => {
            ("unknown", report.reason.clone().unwrap_or_else(|| "no reason".to_owned()))
        }
    };
    if styled { format!("\x1b[1m{word}\x1b[0m: {meaning}") } else { format!("{word}: {meaning}") }
}

fn holds(found: &CounterexampleRecord, semantics: &str) -> String {
    let single = semantics == Semantics::Float32.to_string();
    match &found.order {
        Some(order) => {
            return format!("in single precision, {order}; other orders may not show it");
        }
        None if single => return "in single precision, whatever the order of its sums".to_owned(),
        None => {}
    }
    let real = if found.holds_in_f32 {
        "over the real numbers and in single precision, without tolerance"
    } else {
        "over the real numbers only: a single-precision evaluation does not show the violation"
    };
    real.to_owned()
}

/// Six places, or four digits of a small number.
fn short(number: f64) -> String {
    if number == 0.0 || number.abs() >= 1e-3 {
        format!("{number:.6}")
    } else {
        format!("{number:.3e}")
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}
