//! `certus verify`: one property of one network.

use super::arguments::{BudgetArguments, PortArguments, SemanticsArguments, seconds};
use super::campaign::relus;
use super::exit::{
    DATA, DONE, FALSIFIED, Failure, INTERNAL, INTERRUPTED, UNKNOWN, UNPROVED, USAGE,
};
use super::front::{Front, Terminal};
use super::interrupt::Stopper;
use super::output::{answer, json, styled};
use super::proofs::program;
use super::prove::{self, Told};
use super::{guarded, print};
use crate::attack::{AttackKind, Counterexample};
use crate::audit::VerdictName;
use crate::load::{LoadSettings, LoadedNetwork, load_network_as};
use crate::query::Query;
use crate::report::{BenchVerdict, CounterexampleRecord, ProofRecord, QueryReport, query_text};
use crate::verify::{Method, Outcome, Reason, Settings, Verdict, verify};
use std::io;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How long the engine may take to notice that time is up or that Ctrl-C was pressed.
const GRACE: Duration = Duration::from_millis(500);

/// How often the main thread looks at the clock.
const TICK: Duration = Duration::from_millis(20);

/// Stack of the thread that reads and verifies.
const STACK: usize = 64 << 20;

/// Decide one property, given in VNN-LIB
///
/// Searches a counterexample by attack, then a proof by bounds, then splits the question until it is decided or a limit
/// is reached. The exit code is the verdict.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The network: .onnx or .nnet, gzipped or not
    model: PathBuf,

    /// The property: VNN-LIB 1.0, gzipped or not
    property: PathBuf,

    #[command(flatten)]
    ports: PortArguments,

    #[command(flatten)]
    arithmetic: SemanticsArguments,

    /// Time limit in seconds, loading included
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,

    /// Megabytes that open domains of branch and bound may take [default: 1074]
    #[arg(long, value_name = "MB")]
    memory: Option<NonZeroUsize>,

    /// How far to go: ibp, crown, lp, milp (the solver's word), auto (a fixed amount of branch and bound) or complete
    #[arg(long, default_value = "complete", value_name = "METHOD")]
    method: Method,

    /// Tighten the N most influential neurons by LP before the LP stage
    #[arg(long, default_value_t = 0, value_name = "N")]
    lp_tighten: usize,

    /// The attacks that come first, one after the other until one succeeds: pgd, fgsm, apgd-ce, apgd-dlr, fab, square; or none
    #[arg(long, default_value = "pgd", value_name = "ATTACK,…", value_delimiter = ',')]
    attack: Vec<AttackKind>,

    #[command(flatten)]
    budget: BudgetArguments,

    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Threads [default: the number of cores]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Where to write the counterexample, in the format of the VNN competition
    #[arg(long, value_name = "FILE")]
    counterexample: Option<PathBuf>,

    /// Print, and write to the --counterexample file, what the VNN competition wants: unsat, sat with the point, unknown
    /// or timeout
    #[arg(long)]
    vnncomp: bool,

    /// Write a proof for 'certus-check' to FILE, gzipped where its name ends in .gz, and have it checked; the time limit is the
    /// search's, writing and checking come on top
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,

    /// Ask the verified checker about the proof as well, for at most ten minutes: the program that proofs/rocq makes
    #[arg(long, requires = "proof", value_name = "PROGRAM")]
    verified: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    if arguments.vnncomp && json() {
        return Err(Failure::new(USAGE, "--json and --vnncomp are two forms of one answer"));
    }
    let Found { report, code, competition } = found(arguments, &Terminal)?;
    if arguments.vnncomp {
        print(&competition)?;
    } else {
        answer(&report, || query_text(&report, styled()))?;
    }
    Ok(code)
}

/// What the command finds.
pub(super) struct Found {
    pub(crate) report: QueryReport,
    /// The exit code.
    pub(crate) code: u8,
    /// The same in the words of the VNN competition.
    competition: String,
}

/// Decides, and writes the files that were asked for.
pub(super) fn found(arguments: &Arguments, front: &dyn Front) -> Result<Found, Failure> {
    let started = Instant::now();
    let settings = settings(arguments)?;
    for file in arguments.counterexample.iter().chain(&arguments.proof) {
        check_folder(file)?;
    }
    front.watch("")?;
    let stop = front.stop();
    let deadline = arguments.timeout.and_then(|timeout| started.checked_add(timeout));
    let mut report = QueryReport::asked(
        arguments.model.display().to_string(),
        arguments.property.display().to_string(),
        arguments.arithmetic.semantics,
        &settings,
    );
    let found = match ask(arguments, settings, deadline, &stop, &mut report)? {
        Ok((outcome, proof)) => {
            report.proof = proof;
            report.answer(&outcome);
            if let Verdict::Falsified(found) = outcome.verdict { Some(found) } else { None }
        }
        Err(reason) => {
            report.give_up(reason);
            None
        }
    };
    let competition = keep(arguments, &mut report, found.as_deref(), started)?;
    let code = match report.verdict {
        VerdictName::Certified if report.proof.as_ref().is_some_and(|p| p.file.is_none()) => {
            UNPROVED
        }
        VerdictName::Certified => DONE,
        VerdictName::Falsified | VerdictName::Misclassified => FALSIFIED,
        VerdictName::Unknown if stop() => INTERRUPTED,
        VerdictName::Unknown => UNKNOWN,
    };
    Ok(Found { report, code, competition })
}

fn settings(arguments: &Arguments) -> Result<Settings, Failure> {
    let attack = arguments.budget.settings(&arguments.attack)?;
    Ok(Settings {
        method: arguments.method,
        attack,
        seed: arguments.seed,
        timeout: None,
        memory: arguments.memory.map(|megabytes| megabytes.get().saturating_mul(1_000_000)),
        lp_tighten: arguments.lp_tighten,
        work: None,
    })
}

/// That a file's folder is missing is better said before hours of work than after.
fn check_folder(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if file.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(Failure::create(file, "no such folder"));
    }
    Ok(())
}

/// What the engine's thread has to say.
enum Event {
    Loaded(Loaded),
    /// Whether a proof is being checked, which the time limit does not count.
    Checking(bool),
    /// The outcome, while a proof of it is still being written, checked or mended.
    Held(Box<Outcome>),
    Done(Result<Answered, Failure>),
}

/// The answer, and the proof where one was asked for.
pub(super) type Answered = (Outcome, Option<ProofRecord>);

/// What was read.
struct Loaded {
    sha256: String,
    inputs: usize,
    outputs: usize,
    relus: usize,
    cases: usize,
    notes: Vec<String>,
}

/// Reads and verifies in a thread of its own, so that the answer comes in time even where a single long step does not
/// look at the clock.
fn ask(
    arguments: &Arguments,
    mut settings: Settings,
    deadline: Option<Instant>,
    stop: &Stopper,
    report: &mut QueryReport,
) -> Result<Result<Answered, Reason>, Failure> {
    let jobs = arguments.jobs.map(|jobs| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.get()).stack_size(STACK);
        pool.build()
    });
    let (jobs, own_stop) = (jobs.transpose()?, stop.clone());
    let (sender, receiver) = mpsc::channel();
    let (model, property) = (arguments.model.clone(), arguments.property.clone());
    let semantics = arguments.arithmetic.semantics;
    let ports = LoadSettings { semantics, ..arguments.ports.settings() };
    let keep = arguments.proof.clone();
    let verified = arguments.verified.as_deref().map(program).transpose()?;
    let verified = verified.map(|(program, _)| program);
    let mut work = move || {
        let done = guarded(AssertUnwindSafe(|| {
            let query = load(&model, &ports, &property, &sender)?;
            settings.timeout = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if let Some(keep) = &keep {
                let files = [model.as_path(), property.as_path()];
                // Nobody listens any more where time is up.
                let checking = |now| drop(sender.send(Event::Checking(now)));
                let held = |outcome: &Outcome| {
                    drop(sender.send(Event::Held(Box::new(outcome.clone()))));
                };
                let told = Told { checking: &checking, held: &held };
                let keep = (keep.as_path(), verified.as_ref());
                let files = (files, &ports);
                return prove::verify(&query, &settings, files, keep, &told, &*own_stop);
            }
            Ok((verify(&query, &settings, &*own_stop), None))
        }));
        // Nobody listens any more where time is up.
        let _ = sender.send(Event::Done(done));
    };
    std::thread::Builder::new()
        .name("engine".to_owned())
        .stack_size(STACK)
        .spawn(move || match &jobs {
            Some(jobs) => jobs.install(work),
            None => work(),
        })
        .map_err(|error| Failure::new(INTERNAL, format!("no thread can be started: {error}")))?;
    wait(&receiver, deadline, stop, report)
}

fn wait(
    receiver: &Receiver<Event>,
    deadline: Option<Instant>,
    stop: &Stopper,
    report: &mut QueryReport,
) -> Result<Result<Answered, Reason>, Failure> {
    let mut stopped: Option<Instant> = None;
    // When time is up, or was when checking ended.
    let mut end = deadline;
    let mut checking = false;
    let mut held: Option<Box<Outcome>> = None;
    // Without the proof, there is the outcome still.
    let without = |held: Option<Box<Outcome>>, reason: Reason| match held {
        None => Err(reason),
        Some(outcome) => {
            let what = if reason == Reason::TimeLimit { "time was up" } else { "it was cancelled" };
            let problem = Some(format!("{what} before the checker had accepted one"));
            Ok((*outcome, Some(ProofRecord { problem, ..ProofRecord::default() })))
        }
    };
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(Event::Loaded(loaded)) => {
                report.model_sha256 = Some(loaded.sha256);
                report.inputs = Some(loaded.inputs);
                report.outputs = Some(loaded.outputs);
                report.relus = Some(loaded.relus);
                report.cases = Some(loaded.cases);
                report.notes = loaded.notes;
            }
            Ok(Event::Checking(now)) => {
                if checking && !now {
                    end = end.map(|end| end.max(Instant::now()));
                }
                checking = now;
            }
            Ok(Event::Held(outcome)) => held = Some(outcome),
            Ok(Event::Done(outcome)) => return Ok(Ok(outcome?)),
            Err(RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                if stop() && now - *stopped.get_or_insert(now) >= GRACE {
                    return Ok(without(held, Reason::Cancelled));
                }
                let late = |end: Instant| now.saturating_duration_since(end) >= GRACE;
                if !checking && end.is_some_and(late) {
                    return Ok(without(held, Reason::TimeLimit));
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new(INTERNAL, "internal error: the engine is gone"));
            }
        }
    }
}

/// Reads both files.
fn load(
    model: &Path,
    ports: &LoadSettings,
    property: &Path,
    sender: &Sender<Event>,
) -> Result<Query, Failure> {
    let loaded = load_network_as(model, ports)?;
    let statement = loaded.load_statement(property)?;
    let sha256 = loaded.identity();
    let asked = &statement.property;
    let LoadedNetwork { network, notes, .. } = loaded;
    let (inputs, outputs) = (network.inputs(), network.outputs());
    let loaded =
        Loaded { sha256, inputs, outputs, relus: relus(&network), cases: asked.cases(), notes };
    // Nobody listens any more where time is up.
    let _ = sender.send(Event::Loaded(loaded));
    Query::of(network, statement)
        .map_err(|error| Failure::new(DATA, format!("{}: {error}", property.display())))
}

/// Writes the file; the answer in the words of the VNN competition.
fn keep(
    arguments: &Arguments,
    report: &mut QueryReport,
    found: Option<&Counterexample>,
    started: Instant,
) -> Result<String, Failure> {
    let file = arguments.counterexample.as_deref();
    let competition = match found {
        Some(found) => found.write_vnncomp(),
        None => format!("{}\n", BenchVerdict::of(report)),
    };
    if let Some(file) = file.filter(|_| arguments.vnncomp || found.is_some()) {
        std::fs::write(file, &competition).map_err(|error| {
            let full =
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge);
            if full { Failure::write(file, error) } else { Failure::create(file, error) }
        })?;
    }
    report.counterexample = found.map(|found| {
        let outputs = report.outputs.unwrap_or(usize::MAX);
        CounterexampleRecord::new(found, outputs, file.map(|file| file.display().to_string()))
    });
    report.seconds = started.elapsed().as_secs_f64();
    report.peak_mb = peak_memory();
    Ok(competition)
}

/// The most memory that this process ever held, in 10⁶ bytes, where the system tells.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((kibibytes * 1.024).round() / 1000.0)
}
