//! The verified checker: a program that is extracted from a proof of its own (proofs/rocq), asked as a process beside this one.

use super::Question;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use thiserror::Error;

/// Where the program is.
#[derive(Debug, Clone)]
pub struct Verified(pub PathBuf);

/// Why the verified checker accepted nothing.
#[derive(Debug, Error)]
pub enum NotVerified {
    /// It rejects the proof.
    #[error("the verified checker: {0}")]
    Rejected(String),
    /// The statement is too large to be written.
    #[error("the verified checker was not asked: {0}")]
    Unwritten(io::Error),
    /// It was told to stop.
    #[error("the verified checker was stopped before it had a verdict")]
    Stopped,
    /// It cannot be started, or ended otherwise than with a verdict.
    #[error("{}: {reason}", program.display())]
    Broken {
        /// The program.
        program: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

/// How often it is looked at whether the program has ended, or should.
const TICK: Duration = Duration::from_millis(5);

impl Verified {
    /// Whether it accepts a proof, which `write` writes as text. It gets the statement in integers (proofs/STATEMENT.md), then the proof, on
    /// its standard input. `stop` is asked often, and ends it.
    ///
    /// # Errors
    /// Where it does not accept the proof.
    pub fn check(
        &self,
        question: &Question,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), NotVerified> {
        let broken = |reason: String| NotVerified::Broken { program: self.0.clone(), reason };
        let mut statement = vec![];
        certus_check::export(&question.0, &mut statement).map_err(NotVerified::Unwritten)?;
        // A bare name is a file here, and not one that is looked for elsewhere.
        let mut child = Command::new(Path::new(".").join(&self.0))
            .args(["-", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| broken(format!("it cannot be started: {error}")))?;
        // It reads all before it says anything; where it ends sooner, its exit says why.
        let written = child.stdin.take().map(|stdin| {
            let mut out = BufWriter::new(stdin);
            out.write_all(&statement).and_then(|()| write(&mut out)).and_then(|()| out.flush())
        });
        drop(statement);
        wait(&mut child, stop).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => NotVerified::Stopped,
            _ => broken(error.to_string()),
        })?;
        let ended = child.wait_with_output().map_err(|error| broken(error.to_string()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match (ended.status.code(), text(&ended.stdout)) {
            (Some(0), said) if said == "accepted" && matches!(written, Some(Ok(()))) => Ok(()),
            (Some(1), said) if said.starts_with("rejected: ") => Err(NotVerified::Rejected(said)),
            (code, _) => {
                let code = code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
                Err(broken(format!("it gave no verdict ({code}): {}", text(&ended.stderr))))
            }
        }
    }

    /// The same of the contents of a proof's file, gzipped or not.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_file(
        &self,
        question: &Question,
        proof: &[u8],
        stop: &dyn Fn() -> bool,
    ) -> Result<(), NotVerified> {
        let mut proof: Box<dyn BufRead + '_> = match proof.starts_with(&[0x1f, 0x8b]) {
            true => Box::new(io::BufReader::new(MultiGzDecoder::new(proof))),
            false => Box::new(proof),
        };
        let mut copy = |out: &mut dyn Write| io::copy(&mut proof.by_ref(), out).map(|_| ());
        self.check(question, &mut copy, stop)
    }
}

/// Until the program has ended; where it should stop, it is ended, and that is an error of the kind `TimedOut`.
fn wait(child: &mut Child, stop: &dyn Fn() -> bool) -> io::Result<()> {
    while child.try_wait()?.is_none() {
        if stop() {
            child.kill()?;
            child.wait()?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}
