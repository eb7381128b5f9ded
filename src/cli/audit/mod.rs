//! `certus audit`: models × datasets × ε × attacks × methods, from one file to a report that can be verified.

pub(super) mod host;
pub(super) mod init;
mod load;

use super::arguments::ReadingArguments;
use super::campaign::{drive, jobs};
use super::exit::{CANNOT_CREATE, DATA, DONE, FALSIFIED, Failure, INTERRUPTED, NO_INPUT, USAGE};
use super::front::{Front, Terminal};
use super::interrupt;
use super::output::{answer, styled, write_cases};
use super::progress::Subjects;
use crate::audit::{Audit, Ended, Judgement, Plan, results};
use crate::report::{
    Answer, AuditReport, Cases, CheckKey, FinishedAudit, Folder, Mode, Rendered, RunRecord, Sealed,
    Setup, SignKey, VerifyAnswer, audit_head, audit_text, foreign_renderings, signature,
    verify_folder,
};
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// A robustness audit: models, data, attacks and methods in one file; a report that a reviewer can sign
///
/// Runs everything that the plan asks for and writes report.html, report.json, rows.csv, the evidence and a manifest to the --out
/// folder. Interrupted or killed, it goes on where it was when the same command is given again.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::exit::SHORT, after_long_help = crate::cli::exit::HELP)]
pub(super) struct Arguments {
    /// The plan; with --init the networks and then their data
    #[arg(value_name = "AUDIT.toml", required_unless_present_any = ["init", "verify"])]
    plan: Vec<PathBuf>,

    /// Folder for the report, the journal and the evidence [default: audit-out]
    #[arg(long, value_name = "DIR", requires = "plan")]
    out: Option<PathBuf>,

    /// Write a commented plan for these networks and data (certus audit --init MODEL DATA), or one to edit, and stop: to AUDIT.toml, or to a .toml
    /// that is named first
    #[arg(long, conflicts_with_all = ["out", "verify", "overwrite", "reproducible", "require_criteria"])]
    init: bool,

    /// Compare the folder of a finished audit with its manifest: any altered, missing or extra file is found
    #[arg(long, value_name = "DIR", conflicts_with_all = ["plan", "out"])]
    verify: Option<PathBuf>,

    /// The report's id, as it was printed or published: --verify checks that this is the report
    #[arg(long, value_name = "ID", requires = "verify")]
    id: Option<String>,

    /// The public key of who signed it, in PEM: --verify checks the signature
    #[arg(long, value_name = "FILE", requires = "verify")]
    key: Option<PathBuf>,

    /// Sign report, manifest, models, data and evidence with this Ed25519 key, in PEM (openssl genpkey -algorithm ed25519)
    #[arg(long, value_name = "FILE", requires = "plan", conflicts_with = "init")]
    sign_key: Option<PathBuf>,

    /// Replace another audit in the --out folder
    #[arg(long, requires = "plan")]
    overwrite: bool,

    /// Leave out times, date and machine, so that a run anywhere gives the same report id
    #[arg(long, requires = "plan")]
    reproducible: bool,

    /// Exit with code 10 where a [[criterion]] of the plan is not met or not shown
    #[arg(long, requires = "plan")]
    require_criteria: bool,

    /// Write what became of each criterion in the form of JUnit, for build servers
    #[arg(long, value_name = "FILE", requires = "plan", hide_short_help = true)]
    junit: Option<PathBuf>,

    /// The same, and what may be wrong with the data, in the form of SARIF
    #[arg(long, value_name = "FILE", requires = "plan", hide_short_help = true)]
    sarif: Option<PathBuf>,

    /// Inputs handled at once [default: the number of cores]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    reading: ReadingArguments,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    if arguments.init {
        return init::init(&arguments.plan, &arguments.reading);
    }
    if let Some(dir) = &arguments.verify {
        return verify(dir, arguments.id.as_deref(), arguments.key.as_deref());
    }
    let [plan] = &arguments.plan[..] else {
        return Err(Failure::new(USAGE, "one plan is needed; see 'certus audit --help'"));
    };
    if let Some((field, _)) = arguments.reading.given().next() {
        let message = format!("{field} goes with --init; in a plan, [data.read] says it");
        return Err(Failure::new(USAGE, message));
    }
    let Some((report, rendered)) = audited(arguments, plan, &Terminal)? else {
        return Ok(INTERRUPTED);
    };
    answer(&report, || audit_text(&report, &rendered, styled()))?;
    Ok(code(arguments, &report))
}

/// Compares a folder with its manifest.
fn verify(dir: &Path, id: Option<&str>, key: Option<&Path>) -> Result<u8, Failure> {
    const DIGITS: usize = 64;
    if let Some(id) =
        id.filter(|id| id.len() != DIGITS || !id.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        let found = match id.len() {
            length if length < DIGITS => format!("'{id}' is too short: {length} of its digits"),
            length if length > DIGITS => format!("'{id}' is too long: {length} digits"),
            _ => format!("'{id}' is no id"),
        };
        let message = format!(
            "--id {found}; a report's id has {DIGITS} hexadecimal digits, and all are needed"
        );
        return Err(Failure::new(USAGE, message));
    }
    let key = key.map(CheckKey::read).transpose()?;
    let altered = match verify_folder(dir, id)? {
        Err(altered) => altered,
        Ok(sealed) => {
            let mut foreign = foreign_renderings(dir)?;
            match signature(dir, key.as_ref())? {
                Ok(signed_by) if foreign.is_empty() => {
                    return intact(sealed, signed_by, key.is_some());
                }
                Ok(_) => {}
                Err(what) => foreign.push(what),
            }
            foreign
        }
    };
    let list: Vec<String> = altered.iter().map(ToString::to_string).collect();
    let text: String = list.iter().map(|what| format!("{what}\n")).collect();
    let found = VerifyAnswer {
        intact: false,
        id: None,
        files: None,
        signed_by: None,
        signature_checked: key.is_some(),
        altered: list,
    };
    answer(&Answer::new("audit --verify", found), || text)?;
    let (first, more) = (&altered[0], altered.len() - 1);
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    Err(Failure::new(DATA, format!("{}: altered: {first}{more}", dir.display())))
}

/// Says that a folder is as it was sealed, and who signed it.
fn intact(sealed: Sealed, signed_by: Option<String>, checked: bool) -> Result<u8, Failure> {
    let Sealed { id, files } = sealed;
    let mut text = format!("intact: {files} files are as the manifest says\nreport id {id}\n");
    text += &match &signed_by {
        Some(by) if checked => format!("signed by this key, of id {by}\n"),
        Some(by) => format!("signed by a key of id {by}, which --key FILE would check\n"),
        None => "not signed\n".to_owned(),
    };
    let intact = VerifyAnswer {
        intact: true,
        id: Some(id),
        files: Some(files),
        signed_by,
        signature_checked: checked,
        altered: Vec::new(),
    };
    answer(&Answer::new("audit --verify", intact), || text)?;
    Ok(DONE)
}

/// Runs the plan of a file; none where it was interrupted.
fn audited(
    arguments: &Arguments,
    file: &Path,
    front: &dyn Front,
) -> Result<Option<(AuditReport, Rendered)>, Failure> {
    let request = Request {
        out: arguments.out.as_deref().unwrap_or(Path::new("audit-out")),
        overwrite: arguments.overwrite,
        reproducible: arguments.reproducible,
        jobs: arguments.jobs,
        quiet: arguments.quiet,
        sign_key: arguments.sign_key.as_deref(),
    };
    let done = request.run(file, front, || read_plan(file))?;
    if let Some((report, _)) = &done {
        let cases = || Cases::of_audit(report);
        write_cases(arguments.junit.as_deref(), arguments.sarif.as_deref(), cases)?;
    }
    Ok(done)
}

/// The report of an audit that another program called for, and its exit code; none where it was interrupted.
pub(super) fn called(
    arguments: &Arguments,
    front: &dyn Front,
) -> Result<Option<(AuditReport, u8)>, Failure> {
    let plain = !arguments.init && arguments.verify.is_none();
    let [plan] = &arguments.plan[..] else {
        return Err(Failure::new(USAGE, "one plan is needed"));
    };
    if !plain {
        return Err(Failure::new(USAGE, "--init and --verify are the program's"));
    }
    let done = audited(arguments, plan, front)?;
    Ok(done.map(|(report, _)| {
        let code = code(arguments, &report);
        (report, code)
    }))
}

/// An audit that is to be run: where, and how.
pub(super) struct Request<'a> {
    pub(super) out: &'a Path,
    pub(super) overwrite: bool,
    pub(super) reproducible: bool,
    pub(super) jobs: Option<NonZeroUsize>,
    pub(super) quiet: bool,
    pub(super) sign_key: Option<&'a Path>,
}

impl Request<'_> {
    /// Runs a plan to its report; none where it was interrupted. Names of files in it are relative to `file`.
    pub(super) fn run(
        &self,
        file: &Path,
        front: &dyn Front,
        text: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<Option<(AuditReport, Rendered)>, Failure> {
        // Before anything is computed: a key that is none is told at once.
        let key = self.sign_key.map(SignKey::read).transpose()?;
        let text = text()?;
        let plan = Plan::parse(file, &text)?;
        let (inventory, models, data) = load::Inventory::load(file, &plan)?;
        let subjects = inventory.subjects(&plan);
        let setup = Setup::new(&plan, models, data, inventory.looks(&plan));
        let warnings = setup.looks.iter().flat_map(|look| look.as_read.warnings.iter().cloned());
        front.head(&audit_head(&setup), &warnings.collect::<Vec<_>>())?;
        let jobs = jobs(self.jobs);
        let now = if self.reproducible { RunRecord::default() } else { host::run_record(jobs) };
        let mode = if self.overwrite { Mode::Overwrite } else { Mode::Resume };
        let (folder, run, held) = Folder::audit(self.out, &plan, &setup, now, mode)?;
        if self.reproducible && run.started.is_some() {
            let message = "the audit in this folder was begun with times; --reproducible needs --overwrite or another --out";
            return Err(Failure::new(CANNOT_CREATE, format!("{}: {message}", self.out.display())));
        }
        front.watch(interrupt::KEPT)?;
        let timed = run.started.is_some();
        let audit = Audit { plan: &plan, subjects: &subjects, timed };
        let tally = Subjects { audit: &audit, last: None };
        let (ended, mut entries) =
            drive(&audit, Some(&folder), held, jobs, tally, (front, " inputs", self.quiet))?;
        if ended == Ended::Cancelled {
            let (steps, out) = (entries.len(), self.out.display());
            front.cut_short(&format!(
                "interrupted: {steps} steps are kept in {out}; the same command goes on"
            ));
            return Ok(None);
        }
        let results = results(&plan, &subjects, &entries)?;
        let files = folder.close(&plan, &setup, &run, &mut entries, &text)?;
        let finished = FinishedAudit {
            plan: &plan,
            subjects: &subjects,
            setup,
            run,
            entries: &entries,
            results: &results,
            files,
        };
        let report = finished.report(&folder)?;
        let rendered = folder.finish(&report, key.as_ref())?;
        Ok(Some((report, rendered)))
    }
}

fn code(arguments: &Arguments, report: &AuditReport) -> u8 {
    let met = report.criteria.iter().all(|criterion| criterion.result == Judgement::Met);
    if arguments.require_criteria && !met { FALSIFIED } else { DONE }
}

fn read_plan(file: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(NO_INPUT, format!("{}: no such file", file.display()))
        }
        _ => Failure::new(NO_INPUT, format!("{}: {error}", file.display())),
    })?;
    String::from_utf8(bytes)
        .map_err(|error| Failure::new(DATA, format!("{}: {error}", file.display())))
}
