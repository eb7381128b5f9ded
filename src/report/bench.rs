//! results.csv of a benchmark run: its rows, and their summary.

use super::QueryReport;
use super::terminal::{bold, right, seconds, table};
use crate::audit::VerdictName;
use comfy_table::Cell;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fmt::Write as _;

/// What became of an instance, in the competition's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum BenchVerdict {
    /// The property holds: no counterexample.
    Unsat,
    /// There is a counterexample.
    Sat,
    /// No verdict.
    #[default]
    Unknown,
    /// No verdict in time.
    Timeout,
    /// The instance could not be read, or the process failed.
    Error,
}

impl BenchVerdict {
    const ALL: [Self; 5] = [Self::Unsat, Self::Sat, Self::Unknown, Self::Timeout, Self::Error];
}

impl fmt::Display for BenchVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BenchRow {
    /// The network, as the instances' file has it.
    pub(crate) onnx: String,
    /// The property, as the instances' file has it.
    pub(crate) vnnlib: String,
    /// The known answer; empty where there is none.
    pub(crate) expected: String,
    /// What came out.
    pub(crate) verdict: BenchVerdict,
    /// Wall-clock seconds of the whole process.
    pub(crate) seconds: f64,
    /// Processor seconds of the whole process, where the system tells.
    pub(crate) cpu_seconds: Option<f64>,
    /// The stage that decided.
    pub(crate) stage: Option<String>,
    /// Domains that branch and bound looked at.
    pub(crate) domains: Option<usize>,
    /// The least proven lower bound of a margin.
    pub(crate) bound: Option<f64>,
    /// Most memory that the process ever held, in 10⁶ bytes.
    pub(crate) peak_mb: Option<f64>,
    /// Bytes of the accepted proof's text, where proofs were asked for.
    #[serde(default)]
    pub(crate) proof_bytes: Option<u64>,
    /// Processor seconds of the search for the proof.
    #[serde(default)]
    pub(crate) search_cpu_seconds: Option<f64>,
    /// Processor seconds of reading the files with the checker's readers.
    #[serde(default)]
    pub(crate) read_cpu_seconds: Option<f64>,
    /// Processor seconds of writing the proof.
    #[serde(default)]
    pub(crate) write_cpu_seconds: Option<f64>,
    /// Processor seconds of checking the proof.
    #[serde(default)]
    pub(crate) check_cpu_seconds: Option<f64>,
}

impl BenchRow {
    /// Whether the verdict is the opposite of the known answer.
    pub(crate) fn contradicts(&self) -> bool {
        matches!(
            (self.expected.as_str(), self.verdict),
            ("sat", BenchVerdict::Unsat) | ("unsat", BenchVerdict::Sat)
        )
    }

    /// Whether there is a verdict.
    pub(crate) fn solved(&self) -> bool {
        matches!(self.verdict, BenchVerdict::Unsat | BenchVerdict::Sat)
    }

    /// The row in one line, for people.
    pub(crate) fn line(&self) -> String {
        format!("{:<8} {:>9}  {}  {}", self.verdict, seconds(self.seconds), self.onnx, self.vnnlib)
    }
}

impl BenchVerdict {
    /// The verdict of `certus verify`.
    pub(crate) fn of(report: &QueryReport) -> Self {
        match report.verdict {
            VerdictName::Certified => Self::Unsat,
            VerdictName::Falsified | VerdictName::Misclassified => Self::Sat,
            VerdictName::Unknown if report.timed_out => Self::Timeout,
            VerdictName::Unknown => Self::Unknown,
        }
    }
}

/// Counts and times per verdict, and every contradiction. `styled` for colours and bold.
pub(crate) fn bench_text(rows: &[BenchRow], styled: bool) -> String {
    let mut table = table(UTF8_FULL_CONDENSED, styled);
    let header = ["verdict", "instances", "median time", "total time", "total CPU time"];
    table.set_header(header.map(bold));
    let mut line = |name: &str, rows: &[&BenchRow]| {
        let cpu: Option<f64> = rows.iter().map(|row| row.cpu_seconds).sum();
        table.add_row(vec![
            Cell::new(name),
            right(rows.len()),
            right(median(rows).map_or_else(|| "–".to_owned(), seconds)),
            right(seconds(rows.iter().map(|row| row.seconds).sum())),
            right(cpu.map_or_else(|| "–".to_owned(), seconds)),
        ]);
    };
    for verdict in BenchVerdict::ALL {
        let of: Vec<&BenchRow> = rows.iter().filter(|row| row.verdict == verdict).collect();
        if !of.is_empty() {
            line(&verdict.to_string(), &of);
        }
    }
    line("all", &rows.iter().collect::<Vec<_>>());
    let mut text = format!("{table}\n");
    let solved = rows.iter().filter(|row| row.solved()).count();
    let _ = writeln!(text, "solved {solved} of {}", rows.len());
    text.push_str(&proofs_text(rows));
    let wrong: Vec<&BenchRow> = rows.iter().filter(|row| row.contradicts()).collect();
    let known = rows.iter().filter(|row| matches!(row.expected.as_str(), "sat" | "unsat")).count();
    if known > 0 && wrong.is_empty() {
        let _ = writeln!(text, "no contradiction with the {known} expected verdicts");
    }
    for row in wrong {
        let sentence = format!("CONTRADICTION: {} expected, got {}", row.expected, row.line());
        let _ = writeln!(text, "{}", red(&sentence, styled));
    }
    text
}

/// How many proofs there are, what they cost and weigh; nothing where none was asked for.
fn proofs_text(rows: &[BenchRow]) -> String {
    let searched = |row: &&BenchRow| row.search_cpu_seconds.is_some();
    let unsat: Vec<&BenchRow> =
        rows.iter().filter(|row| row.verdict == BenchVerdict::Unsat).collect();
    let proved: Vec<&BenchRow> =
        unsat.iter().copied().filter(|row| row.proof_bytes.is_some()).collect();
    if !rows.iter().any(|row| searched(&row)) {
        return String::new();
    }
    let mut text = format!("proofs accepted {} of {} unsat\n", proved.len(), unsat.len());
    let ratio = |row: &BenchRow| {
        let (search, check) = (row.search_cpu_seconds?, row.check_cpu_seconds?);
        (search > 0.0).then(|| check / search)
    };
    let ratios = middle(proved.iter().filter_map(|row| ratio(row)).collect());
    let sizes: Vec<f64> =
        proved.iter().filter_map(|row| row.proof_bytes).map(|bytes| bytes as f64).collect();
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    if let (Some(ratio), Some(size)) = (ratios, middle(sizes)) {
        let _ = writeln!(
            text,
            "check/search, processor time: median {ratio:.2}; proof text: median {:.3} MB, largest {:.3} MB",
            size / 1e6,
            largest / 1e6
        );
    }
    text
}

/// Red where `styled`.
pub(crate) fn red(text: &str, styled: bool) -> String {
    if styled { format!("\x1b[31;1m{text}\x1b[0m") } else { text.to_owned() }
}

fn median(rows: &[&BenchRow]) -> Option<f64> {
    middle(rows.iter().map(|row| row.seconds).collect())
}

fn middle(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    let upper = *times.get(middle)?;
    Some(if times.len() % 2 == 1 { upper } else { f64::midpoint(times[middle - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(expected: &str, verdict: BenchVerdict, seconds: f64) -> BenchRow {
        BenchRow {
            onnx: "n.onnx".to_owned(),
            vnnlib: "p.vnnlib".to_owned(),
            expected: expected.to_owned(),
            verdict,
            seconds,
            cpu_seconds: Some(seconds),
            ..BenchRow::default()
        }
    }

    #[test]
    fn only_opposites_contradict() {
        assert!(row("sat", BenchVerdict::Unsat, 1.0).contradicts());
        assert!(row("unsat", BenchVerdict::Sat, 1.0).contradicts());
        for verdict in BenchVerdict::ALL {
            for expected in ["", "unknown", "timeout"] {
                assert!(!row(expected, verdict, 1.0).contradicts());
            }
        }
        assert!(!row("sat", BenchVerdict::Timeout, 1.0).contradicts());
    }

    #[test]
    fn the_summary_counts() {
        let rows = [
            row("sat", BenchVerdict::Sat, 1.0),
            row("unsat", BenchVerdict::Unsat, 2.0),
            row("unsat", BenchVerdict::Unsat, 4.0),
            row("sat", BenchVerdict::Timeout, 30.0),
        ];
        let text = bench_text(&rows, false);
        assert!(text.contains("solved 3 of 4") && text.contains("no contradiction"), "{text}");
        assert!(text.contains("3.00 s") && text.contains("37.00 s"), "{text}");
        let text = bench_text(&[row("sat", BenchVerdict::Unsat, 1.0)], true);
        assert!(text.contains("\x1b[31;1mCONTRADICTION"), "{text}");
    }
}
