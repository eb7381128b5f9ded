//! `certus bench`: a folder of benchmark instances, compared with what is known of them.

use super::arguments::{SemanticsArguments, seconds};
use super::exit::{
    CANNOT_CREATE, DATA, DONE, Failure, INTERNAL, INTERRUPTED, NO_INPUT, UNPROVED, USAGE,
};
use super::instance::{self, Instance, Ran};
use super::interrupt;
use super::output::{answer, styled};
use super::progress::Bar;
use crate::audit::each;
use crate::load::SourceFile;
use crate::report::{
    Answer, BenchAnswer, BenchRow, BenchVerdict, IndexError, ProofEntry, ProofFolder, bench_text,
    csv, red,
};
use regex_lite::Regex;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

/// Run `certus verify` on a list of instances
///
/// Each instance runs in a process of its own. Rows are written as they come; --resume goes on. A verdict that contradicts
/// the expected one is printed in red and makes the exit code 70. With --proofs it is 21 where an instance is unsat without one.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The instances: onnx,vnnlib,seconds and, where known, sat, unsat or unknown; paths relative to this file
    instances: PathBuf,

    /// Where the rows go
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// No instance gets more than this, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout_cap: Option<Duration>,

    /// Only instances whose 'onnx,vnnlib' this regular expression matches
    #[arg(long, value_name = "REGEX")]
    filter: Option<Regex>,

    #[command(flatten)]
    arithmetic: SemanticsArguments,

    /// Megabytes that open domains of an instance may take [default: 1074]
    #[arg(long, value_name = "MB")]
    memory: Option<NonZeroUsize>,

    /// Write proofs to this folder, one for each unsat instance, with an index for 'certus check'
    #[arg(long, value_name = "DIR")]
    proofs: Option<PathBuf>,

    /// Instances handled at once; they share the cores
    #[arg(long, value_name = "N", default_value = "1")]
    jobs: NonZeroUsize,

    /// Keep the rows that --out holds, and run the others
    #[arg(long)]
    resume: bool,

    /// Replace --out
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,

    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

/// A line of the instances' file.
struct Listed {
    onnx: String,
    vnnlib: String,
    timeout: Duration,
    expected: String,
    /// Position in the file, comments and header left out.
    index: usize,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let listed = list(arguments)?;
    let mut held = if arguments.resume { take_over(&arguments.out)? } else { Vec::new() };
    let open = without(&listed, &mut held);
    let index = Index::open(arguments)?;
    let results = Results::open(arguments, held, listed.len())?;
    interrupt::watch(interrupt::KEPT)?;
    let jobs = arguments.jobs.get().min(open.len().max(1));
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    let folder = arguments.instances.parent().unwrap_or(Path::new(""));
    each(jobs, open.len(), &interrupt::stopped, &|at, _| -> Result<(), Failure> {
        let listed = open[at];
        let proof = |dir: &PathBuf| dir.join(ProofEntry::proof_of(listed.index));
        let instance = Instance {
            model: &folder.join(&listed.onnx),
            property: &folder.join(&listed.vnnlib),
            timeout: listed.timeout,
            memory: arguments.memory.map(NonZeroUsize::get),
            semantics: arguments.arithmetic.semantics,
            threads: (cores / jobs).max(1),
            proof: arguments.proofs.as_ref().map(proof),
        };
        let Some(ran) = instance::run(&instance) else { return Ok(()) };
        index.add(listed, &instance, &ran)?;
        results.add(listed, ran)
    })?;
    let rows = results.close();
    let all = Answer::new("bench", BenchAnswer { rows });
    answer(&all, || bench_text(&all.answer.rows, styled()))?;
    let rows = all.answer.rows;
    let wrong = rows.iter().filter(|row| row.contradicts()).count();
    if wrong > 0 {
        let verdicts = if wrong == 1 { "verdict contradicts" } else { "verdicts contradict" };
        let file = arguments.out.display();
        return Err(Failure::new(INTERNAL, format!("{file}: {wrong} {verdicts} what is expected")));
    }
    if interrupt::stopped() && rows.len() < listed.len() {
        return Ok(INTERRUPTED);
    }
    let unproved = |row: &BenchRow| row.verdict == BenchVerdict::Unsat && row.proof_bytes.is_none();
    Ok(if arguments.proofs.is_some() && rows.iter().any(unproved) { UNPROVED } else { DONE })
}

/// The index of the proofs, where there are any.
struct Index<'a> {
    dir: Option<&'a Path>,
    entries: Mutex<Vec<ProofEntry>>,
}

impl<'a> Index<'a> {
    /// Makes the folder; goes on with an index that is there where results are kept.
    fn open(arguments: &'a Arguments) -> Result<Self, Failure> {
        let dir = arguments.proofs.as_deref();
        let mut entries = Vec::new();
        if let Some(dir) = dir {
            std::fs::create_dir_all(dir).map_err(|error| Failure::create(dir, error))?;
            if arguments.resume {
                match ProofFolder::open(dir) {
                    Ok(folder) => entries = folder.entries,
                    Err(IndexError::Missing(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(Self { dir, entries: Mutex::new(entries) })
    }

    /// Enters a proof as soon as it is there.
    fn add(&self, listed: &Listed, instance: &Instance, ran: &Ran) -> Result<(), Failure> {
        let proved = ran
            .answer
            .as_ref()
            .is_some_and(|answer| answer.proof.as_ref().is_some_and(|proof| proof.file.is_some()));
        let Some(dir) = self.dir.filter(|_| proved) else { return Ok(()) };
        let absolute = |file: &Path| std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let entry = ProofEntry {
            index: listed.index,
            model: absolute(instance.model),
            model_sha256: ran
                .answer
                .as_ref()
                .and_then(|a| a.model_sha256.clone())
                .unwrap_or_default(),
            property: absolute(instance.property),
            proof: ProofEntry::proof_of(listed.index),
            ..ProofEntry::default()
        };
        let entry = entry.hashed(dir).map_err(|error| {
            let proof = dir.join(ProofEntry::proof_of(listed.index));
            Failure::new(NO_INPUT, format!("{}: or its property: {error}", proof.display()))
        })?;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|old| old.index != entry.index);
        entries.push(entry);
        Ok(ProofFolder::write(dir, &entries)?)
    }
}

/// The instances' file, filtered and capped.
fn list(arguments: &Arguments) -> Result<Vec<Listed>, Failure> {
    let file = &arguments.instances;
    let source = SourceFile::read(file)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(source.bytes.as_slice());
    let mut listed = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let wrong =
            |what: &str| Failure::new(DATA, format!("{}: row {}: {what}", file.display(), at + 1));
        let record = record.map_err(|error| wrong(&error.to_string()))?;
        let field = |index: usize| record.get(index).unwrap_or_default();
        if at == 0 && field(0).eq_ignore_ascii_case("onnx") {
            continue;
        }
        if field(0).is_empty() || field(1).is_empty() {
            return Err(wrong("onnx,vnnlib,seconds and perhaps an expected verdict are wanted"));
        }
        let timeout = seconds(field(2))
            .map_err(|problem| wrong(&format!("'{}' as time limit: {problem}", field(2))))?;
        let expected = field(3).to_ascii_lowercase();
        if !["", "sat", "unsat", "unknown"].contains(&expected.as_str()) {
            return Err(wrong(&format!("'{expected}' is none of sat, unsat and unknown")));
        }
        listed.push(Listed {
            onnx: field(0).to_owned(),
            vnnlib: field(1).to_owned(),
            timeout: arguments.timeout_cap.map_or(timeout, |cap| timeout.min(cap)),
            expected,
            index: listed.len(),
        });
    }
    if let Some(filter) = &arguments.filter {
        listed.retain(|line| filter.is_match(&format!("{},{}", line.onnx, line.vnnlib)));
        if listed.is_empty() {
            let message = format!("--filter: '{filter}' matches no instance");
            return Err(Failure::new(USAGE, message));
        }
    }
    Ok(listed)
}

/// The rows that an earlier run left, without a line that it did not finish.
fn take_over(file: &Path) -> Result<Vec<BenchRow>, Failure> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(Failure::new(CANNOT_CREATE, format!("{}: {error}", file.display())));
        }
    };
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    csv::Reader::from_reader(&text[..whole]).deserialize().collect::<Result<_, _>>().map_err(
        |error| Failure::new(DATA, format!("{}: no results of certus: {error}", file.display())),
    )
}

/// The instances that have no row yet; rows of others go. An instance that is listed twice needs two rows.
fn without<'a>(listed: &'a [Listed], held: &mut Vec<BenchRow>) -> Vec<&'a Listed> {
    let mut open: Vec<&Listed> = listed.iter().collect();
    held.retain_mut(|row| {
        let same = |line: &&Listed| line.onnx == row.onnx && line.vnnlib == row.vnnlib;
        let Some(at) = open.iter().position(same) else { return false };
        // What is expected now counts.
        row.expected.clone_from(&open.remove(at).expected);
        true
    });
    open
}

/// The file with the rows, and what is shown meanwhile.
struct Results<'a> {
    path: &'a Path,
    bar: Bar<'static>,
    quiet: bool,
    total: usize,
    state: Mutex<(File, Vec<BenchRow>)>,
}

impl<'a> Results<'a> {
    /// Makes the file, with the rows that are kept.
    fn open(arguments: &'a Arguments, held: Vec<BenchRow>, total: usize) -> Result<Self, Failure> {
        let path = &arguments.out;
        let kept = arguments.resume || arguments.overwrite;
        if !kept && path.exists() {
            let advice = "holds results already; --resume keeps them, --overwrite replaces them";
            return Err(Failure::new(CANNOT_CREATE, format!("{} {advice}", path.display())));
        }
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| Failure::create(path, error))?;
        // Where there is no terminal every row is said, so the bar's own lines are not wanted.
        let quiet = arguments.quiet || !io::stderr().is_terminal();
        let bar = Bar::new(total, held.len(), "", quiet);
        let rows = held.clone();
        let results =
            Self { path, bar, quiet: arguments.quiet, total, state: Mutex::new((file, rows)) };
        results.rewrite(&held)?;
        Ok(results)
    }

    /// A header and these rows, nothing else.
    fn rewrite(&self, rows: &[BenchRow]) -> Result<(), Failure> {
        let header = "onnx,vnnlib,expected,verdict,seconds,cpu_seconds,stage,domains,bound,peak_mb,proof_bytes,search_cpu_seconds,read_cpu_seconds,write_cpu_seconds,check_cpu_seconds\n";
        let mut text = header.as_bytes().to_vec();
        for row in rows {
            text.extend(self.line(row)?);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.set_len(0).and_then(|()| state.0.write_all(&text)).map_err(|e| self.unwritten(&e))
    }

    fn line(&self, row: &BenchRow) -> Result<Vec<u8>, Failure> {
        csv(std::slice::from_ref(row), false).map_err(|error| self.unwritten(&error))
    }

    fn unwritten(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::write(self.path, error)
    }

    /// One more instance is done.
    fn add(&self, listed: &Listed, ran: Ran) -> Result<(), Failure> {
        let milli = |seconds: f64| (1e3 * seconds).round() / 1e3;
        let answer = ran.answer.as_ref();
        let proof = answer.and_then(|answer| answer.proof.as_ref());
        let row = BenchRow {
            onnx: listed.onnx.clone(),
            vnnlib: listed.vnnlib.clone(),
            expected: listed.expected.clone(),
            verdict: ran.verdict,
            seconds: milli(ran.seconds),
            cpu_seconds: ran.cpu_seconds.map(milli),
            stage: answer.and_then(|answer| answer.stage.clone()),
            domains: answer.map(|answer| answer.domains),
            bound: answer.and_then(|answer| answer.bound),
            peak_mb: answer.and_then(|answer| answer.peak_mb),
            proof_bytes: proof.filter(|proof| proof.file.is_some()).map(|proof| proof.bytes),
            search_cpu_seconds: proof.and_then(|proof| proof.search_cpu_seconds),
            read_cpu_seconds: proof.and_then(|proof| proof.read_cpu_seconds),
            write_cpu_seconds: proof.and_then(|proof| proof.write_cpu_seconds),
            check_cpu_seconds: proof.and_then(|proof| proof.check_cpu_seconds),
        };
        if let Some(problem) = proof.and_then(|proof| proof.problem.as_ref())
            && ran.verdict == BenchVerdict::Unsat
        {
            self.bar.say(&format!("{}, {}: no proof: {problem}", listed.onnx, listed.vnnlib));
        }
        let line = self.line(&row)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.write_all(&line).map_err(|error| self.unwritten(&error))?;
        self.show(&row, ran.problem.as_deref(), state.1.len() + 1);
        state.1.push(row);
        Ok(())
    }

    fn show(&self, row: &BenchRow, problem: Option<&str>, done: usize) {
        let coloured = self.bar.is_shown() && std::env::var_os("NO_COLOR").is_none();
        if row.contradicts() {
            let sentence = format!("CONTRADICTION: {} expected, got", row.expected);
            self.bar.say(&format!("{} {}", red(&sentence, coloured), row.line()));
        } else if let Some(problem) = problem {
            self.bar.say(&format!("{}  ({problem})", row.line()));
        } else if !self.quiet && !self.bar.is_shown() {
            self.bar.say(&format!("{done}/{} {}", self.total, row.line()));
        }
        self.bar.add(row.line());
    }

    /// Takes the bar away; all rows.
    fn close(self) -> Vec<BenchRow> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_listed_twice_needs_two_rows() {
        let listed = |name: &str| Listed {
            onnx: name.to_owned(),
            vnnlib: "p".to_owned(),
            timeout: Duration::from_secs(1),
            expected: String::new(),
            index: 0,
        };
        let row = |name: &str| BenchRow {
            onnx: name.to_owned(),
            vnnlib: "p".to_owned(),
            ..BenchRow::default()
        };
        let all = [listed("a"), listed("b"), listed("a"), listed("c")];
        let mut held = vec![row("a"), row("z"), row("b"), row("b")];
        let open: Vec<&str> =
            without(&all, &mut held).into_iter().map(|l| l.onnx.as_str()).collect();
        assert_eq!(open, ["a", "c"]);
        assert_eq!(held, [row("a"), row("b")]);
    }
}
