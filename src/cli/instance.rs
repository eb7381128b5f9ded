//! One benchmark instance in a child process, which keeps its memory, its time and its failures to itself.

use super::clock::children_seconds;
use super::{interrupt, program};
use crate::net::Semantics;
use crate::report::{BenchVerdict, QueryReport};
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long after its time limit a child is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much longer where a proof is to be checked.
const CHECKING: Duration = Duration::from_secs(600);

/// How often Ctrl-C is looked at.
const TICK: Duration = Duration::from_millis(100);

/// What a child is asked.
pub(super) struct Instance<'a> {
    pub(crate) model: &'a Path,
    pub(crate) property: &'a Path,
    pub(crate) timeout: Duration,
    pub(crate) memory: Option<usize>,
    pub(crate) threads: usize,
    pub(crate) semantics: Semantics,
    /// Where a proof is wanted.
    pub(crate) proof: Option<PathBuf>,
}

/// What became of a child.
pub(super) struct Ran {
    pub(crate) verdict: BenchVerdict,
    /// What it said, if it came to that.
    pub(crate) answer: Option<QueryReport>,
    /// What went wrong, in one sentence.
    pub(crate) problem: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: Option<f64>,
}

/// Runs `certus verify`; `None` where Ctrl-C came before a verdict.
pub(super) fn run(instance: &Instance) -> Option<Ran> {
    let started = Instant::now();
    let failed = |problem: String| Ran {
        verdict: BenchVerdict::Error,
        answer: None,
        problem: Some(problem),
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: None,
    };
    let child = program::again().and_then(|mut command| {
        let command = command.args(arguments(instance)).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    });
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Some(failed(format!("no process can be started: {error}"))),
    };
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut text, mut said) = (String::new(), String::new());
        // What cannot be read is no answer.
        let _ = out.as_mut().map(|pipe| pipe.read_to_string(&mut text));
        let _ = err.as_mut().map(|pipe| pipe.read_to_string(&mut said));
        let _ = sender.send(());
        (text, said)
    });
    let patience = PATIENCE + if instance.proof.is_some() { CHECKING } else { Duration::ZERO };
    let mut overrun = false;
    while receiver.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        overrun = started.elapsed() > instance.timeout + patience;
        if overrun || interrupt::stopped() {
            let _ = child.kill();
        }
    }
    let (status, cpu_seconds) = reap(&mut child);
    let seconds = started.elapsed().as_secs_f64();
    let (text, said) = reader.join().unwrap_or_default();
    let answer: Option<QueryReport> = serde_json::from_str(&text).ok();
    let verdict = match &answer {
        Some(answer) => BenchVerdict::of(answer),
        None if overrun => BenchVerdict::Timeout,
        None => BenchVerdict::Error,
    };
    if interrupt::stopped() && !matches!(verdict, BenchVerdict::Sat | BenchVerdict::Unsat) {
        return None;
    }
    let problem = (verdict == BenchVerdict::Error).then(|| {
        let sentence = said.lines().rfind(|line| !line.trim().is_empty());
        let sentence = sentence.map(|line| line.trim_start_matches("certus: ").to_owned());
        sentence.unwrap_or_else(|| format!("the process ended without an answer ({status})"))
    });
    Some(Ran { verdict, answer, problem, seconds, cpu_seconds })
}

fn arguments(instance: &Instance) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["verify", "--json", "--timeout"].map(Into::into).to_vec();
    words.push(instance.timeout.as_secs_f64().to_string().into());
    words.extend(["--jobs".into(), instance.threads.to_string().into()]);
    if instance.semantics != Semantics::default() {
        words.extend(["--semantics".into(), instance.semantics.to_string().into()]);
    }
    if let Some(memory) = instance.memory {
        words.extend(["--memory".into(), memory.to_string().into()]);
    }
    if let Some(proof) = &instance.proof {
        words.extend(["--proof".into(), proof.into()]);
    }
    words.extend(["--".into(), instance.model.into(), instance.property.into()]);
    words
}

/// Children are reaped one at a time, so that what the system adds to the account of all of them is this one's.
static ACCOUNT: Mutex<()> = Mutex::new(());

/// Waits for a child; its exit status in words, and the processor time of the whole process.
fn reap(child: &mut Child) -> (String, Option<f64>) {
    use std::sync::PoisonError;
    linger(child);
    let _account = ACCOUNT.lock().unwrap_or_else(PoisonError::into_inner);
    let before = children_seconds();
    let status = match child.wait() {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let spent = before.zip(children_seconds()).map(|(before, after)| after - before);
    (status, spent)
}

/// Waits until a child has ended, and leaves it to be reaped.
#[cfg(target_os = "linux")]
fn linger(child: &Child) {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    let id = i32::try_from(child.id()).map(nix::unistd::Pid::from_raw);
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while id.is_ok_and(|id| waitid(Id::Pid(id), flags) == Err(nix::errno::Errno::EINTR)) {}
}

#[cfg(not(target_os = "linux"))]
fn linger(_: &Child) {}
