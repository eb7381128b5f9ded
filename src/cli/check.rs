//! `certus check`: the proofs of a whole campaign, once more before the checker.

use super::arguments::ReadingArguments;
use super::campaign::jobs;
use super::clock::thread_seconds;
use super::exit::{DATA, DONE, Failure, INTERRUPTED, REJECTED, USAGE};
use super::interrupt;
use super::output::answer;
use super::progress::Bar;
use super::proofs::program;
use super::remake::{Remake, untouched};
use crate::audit::{VerdictName, each};
use crate::load::{SourceFile, load_network_as, sha256_hex};
use crate::prove::{Mode, Model, Verified};
use crate::report::{Answer, CheckAnswer, CheckRow, ProofEntry, ProofFolder, csv};
use crate::verify::AssuranceLevel;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Check all proofs of a folder again
///
/// The folder is that of 'certus certify --proofs --out DIR' or of 'certus bench --proofs DIR'. Every proof is read and
/// checked against the network's and the property's files; with --data, against properties that are made again from the data
/// and the ε of the report. Exit code 1 where one is rejected or lacking, or there is none.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The folder
    dir: PathBuf,

    /// The checker's arithmetic: outward (fast) or exact (no rounding at all)
    #[arg(long, default_value = "outward", value_name = "ARITH", value_parser = arithmetic)]
    arith: Mode,

    /// Ask the verified checker as well: the program that proofs/rocq makes, certus-check-verified
    #[arg(long, value_name = "PROGRAM")]
    verified: Option<PathBuf>,

    /// The network, where it does not lie any more where the index says
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// The dataset of the campaign, from which its properties are made again
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    #[command(flatten)]
    reading: ReadingArguments,

    /// Proofs checked at once [default: the number of cores]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Where to write a row for each proof
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
}

fn arithmetic(text: &str) -> Result<Mode, String> {
    match text {
        "exact" => Ok(Mode::Exact),
        "outward" => Ok(Mode::Outward),
        _ => Err("it is exact or outward".to_owned()),
    }
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let folder = ProofFolder::open(&arguments.dir)?;
    let verified = arguments.verified.as_deref().map(program).transpose()?;
    let verified = verified.map(|(program, _)| program);
    let models = models(arguments, &folder)?;
    if arguments.data.is_none() && arguments.reading.given().next().is_some() {
        return Err(Failure::new(USAGE, "how data are read matters only with --data FILE"));
    }
    let remake = arguments
        .data
        .as_ref()
        .map(|file| Remake::new(file, &arguments.reading, &folder.dir, folder.campaign.as_ref()));
    let remake = remake.transpose()?;
    interrupt::watch("")?;
    let started = Instant::now();
    let jobs = jobs(arguments.jobs).min(folder.entries.len().max(1));
    let bar = Bar::new(folder.entries.len(), 0, "", arguments.quiet);
    let rows = Mutex::new(Vec::new());
    each(jobs, folder.entries.len(), &interrupt::stopped, &|at, _| -> Result<(), Failure> {
        let entry = &folder.entries[at];
        let row = one((arguments, verified.as_ref()), &folder, entry, &models, remake.as_ref());
        let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.push((entry.index, row));
        let rejected = rows.iter().filter(|(_, row)| !row.accepted).count();
        bar.add(format!("{rejected} rejected"));
        Ok(())
    })?;
    drop(bar);
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(index, _)| *index);
    let rows: Vec<CheckRow> = rows.into_iter().map(|(_, row)| row).collect();
    if let Some(file) = &arguments.out {
        let unwritten = |error: io::Error| Failure::create(file, error);
        std::fs::write(file, csv(&rows, true).map_err(unwritten)?).map_err(unwritten)?;
    }
    if interrupt::stopped() && rows.len() < folder.entries.len() {
        return Ok(INTERRUPTED);
    }
    let all = folder.entries.len() + folder.lacking.len();
    let accepted = rows.iter().filter(|row| row.accepted).count();
    let text = summary(arguments, &rows, &folder, started.elapsed(), jobs)
        + &scope(arguments, &rows, &folder, remake.as_ref());
    let arithmetic = if arguments.arith == Mode::Exact { "exact" } else { "outward" };
    let lacking = folder.lacking.iter().map(|(index, _)| *index).collect();
    let checked = CheckAnswer { arithmetic, accepted, proofs: all, lacking, rows };
    answer(&Answer::new("check", checked), || text)?;
    // Where nothing was checked nothing is established.
    Ok(if accepted == all && all > 0 { DONE } else { REJECTED })
}

fn summary(
    arguments: &Arguments,
    rows: &[CheckRow],
    folder: &ProofFolder,
    elapsed: Duration,
    jobs: usize,
) -> String {
    let accepted = rows.iter().filter(|row| row.accepted).count();
    let arith = if arguments.arith == Mode::Exact { "exact" } else { "outward" };
    let mut text = String::new();
    for row in rows.iter().filter(|row| !row.accepted) {
        let _ = writeln!(text, "{}: {}", row.proof, row.reason);
    }
    for (index, source) in &folder.lacking {
        let _ = writeln!(text, "input {index}: the {source} says proved, and there is no proof");
    }
    let _ = writeln!(
        text,
        "{accepted} of {} proofs accepted ({arith} arithmetic, {:.1} s with {jobs} {})",
        folder.entries.len() + folder.lacking.len(),
        elapsed.as_secs_f64(),
        if jobs == 1 { "job" } else { "jobs" }
    );
    if arguments.verified.is_some() {
        let level = AssuranceLevel::Mechanised;
        let mechanised = rows.iter().filter(|row| row.level == Some(level)).count();
        let _ = writeln!(
            text,
            "{mechanised} of them {level}: the verified checker accepted them as well"
        );
    }
    text
}

/// What was made again and what was not, and why there is nothing where there is nothing.
fn scope(
    arguments: &Arguments,
    rows: &[CheckRow],
    folder: &ProofFolder,
    remake: Option<&Remake>,
) -> String {
    let mut text = String::new();
    if rows.is_empty() && folder.lacking.is_empty() {
        let why = nothing(arguments, folder);
        let _ = writeln!(text, "nothing was checked: {}: {why}", folder.dir.display());
    }
    let _ = match remake {
        Some(remake) => {
            let remade = rows.iter().filter(|row| row.remade).count();
            let (all, name) = (rows.len(), remake.name());
            writeln!(text, "{remade} of {all} properties made again from {name}")
        }
        None if folder.campaign.is_some() => {
            writeln!(
                text,
                "properties as they lie there; --data FILE makes them again from the data and the report's ε"
            )
        }
        None => writeln!(text, "properties as they lie there"),
    };
    if let Some(others) = folder.campaign.as_ref().and_then(untouched) {
        let _ = writeln!(text, "not checked again: inputs {others}");
    }
    text
}

/// Why there are no proofs.
fn nothing(arguments: &Arguments, folder: &ProofFolder) -> String {
    let plain = "its index.csv names no proof".to_owned();
    let Some(campaign) = &folder.campaign else { return plain };
    if !campaign.rows.iter().any(|row| row.verdict == VerdictName::Certified) {
        return format!("{plain}, as no input is certified");
    }
    let file = arguments.model.clone().unwrap_or_else(|| campaign.header.model.file.clone().into());
    let read = SourceFile::read(&file)
        .map(|source| Model::beside(&file, &source.bytes, &campaign.header.model.ports()));
    match read {
        Ok(Err(error)) => format!("{plain}: {}: {error}", file.display()),
        _ => format!("{plain}, though inputs are certified: for none of them was there a proof"),
    }
}

/// The networks that the index names, each read once, by its name there.
type Models = HashMap<PathBuf, Result<Model, String>>;

fn models(arguments: &Arguments, folder: &ProofFolder) -> Result<Models, Failure> {
    let mut models = Models::new();
    for entry in &folder.entries {
        if models.contains_key(&entry.model) {
            continue;
        }
        let file = arguments.model.clone().unwrap_or_else(|| folder.dir.join(&entry.model));
        let source = SourceFile::read(&file).map_err(|error| {
            let advice = if arguments.model.is_some() { "" } else { "; --model says where it is" };
            let failure = Failure::from(error);
            Failure::new(failure.code, failure.message + advice)
        })?;
        let ports = folder.campaign.as_ref().map(|campaign| campaign.header.model.ports());
        let ports = ports.unwrap_or_default();
        let same = |sha256: &str| sha256 == entry.model_sha256;
        // The hash of a network whose weights lie in other files covers these.
        if !same(&source.sha256)
            && !load_network_as(&file, &ports).is_ok_and(|all| same(&all.identity()))
        {
            let message = format!(
                "{}: not the network that was proved: it or a file with its weights has changed",
                file.display()
            );
            return Err(Failure::new(
                if arguments.model.is_some() { USAGE } else { DATA },
                message,
            ));
        }
        let campaign = folder.campaign.as_ref();
        if campaign.is_some_and(|campaign| !same(&campaign.header.model.sha256)) {
            let message = format!("{}: not the network of the report", file.display());
            return Err(Failure::new(DATA, message));
        }
        let model = Model::beside(&file, &source.bytes, &ports).map_err(|error| error.to_string());
        models.insert(entry.model.clone(), model);
    }
    Ok(models)
}

/// One proof before the checker.
fn one(
    (arguments, program): (&Arguments, Option<&Verified>),
    folder: &ProofFolder,
    entry: &ProofEntry,
    models: &Models,
    remake: Option<&Remake>,
) -> CheckRow {
    let (started, before) = (Instant::now(), thread_seconds());
    let proof = folder.dir.join(&entry.proof);
    let mut remade = false;
    let unchanged = |file: &Path, sha256: &str, known: &[&str]| {
        if known.iter().all(|known| known.is_empty() || *known == sha256) {
            return Ok(());
        }
        Err(format!("{}: it is not the file that was kept: it has changed", file.display()))
    };
    let mut verdict = || -> Result<(u64, u64, AssuranceLevel), String> {
        let model = models.get(&entry.model).ok_or("no such network")?.as_ref()?;
        let file = folder.dir.join(&entry.property);
        let SourceFile { mut bytes, sha256, .. } =
            SourceFile::read(&file).map_err(|e| e.to_string())?;
        let [of_property, of_proof] = folder.reported(entry)?;
        unchanged(&file, &sha256, &[&entry.property_sha256, of_property])?;
        if let Some(remake) = remake {
            let mut rows = folder.campaign.iter().flat_map(|campaign| &campaign.rows);
            let row = rows.find(|row| row.index == entry.index);
            bytes = remake.property(entry.index, model.outputs(), &bytes, row)?;
            remade = true;
        }
        let question = model.ask(&bytes).map_err(|error| error.to_string())?;
        let bytes = fs::read(&proof).map_err(|error| format!("{}: {error}", proof.display()))?;
        unchanged(&proof, &sha256_hex(&bytes), &[&entry.proof_sha256, of_proof])?;
        let accepted = question
            .check_ties(&bytes, arguments.arith)
            .map_err(|rejected| rejected.to_string())?;
        let mut level = match accepted.mode() {
            Mode::Outward => AssuranceLevel::Outward,
            Mode::Exact => AssuranceLevel::Proved,
        };
        if let Some(program) = program {
            let verified = program.check_file(&question, &bytes, &interrupt::stopped);
            verified.map_err(|error| error.to_string())?;
            level = AssuranceLevel::Mechanised;
        }
        Ok((accepted.leaves(), accepted.lines(), level))
    };
    let verdict = verdict();
    let (leaves, lines) = verdict.as_ref().map_or((0, 0), |(leaves, lines, _)| (*leaves, *lines));
    CheckRow {
        proof: entry.proof.display().to_string(),
        property: entry.property.display().to_string(),
        remade,
        accepted: verdict.is_ok(),
        level: verdict.as_ref().ok().map(|(_, _, level)| *level),
        reason: verdict.err().unwrap_or_default(),
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: before.zip(thread_seconds()).map(|(before, after)| after - before),
        leaves,
        lines,
        bytes: std::fs::metadata(&proof).map_or(0, |data| data.len()),
    }
}
