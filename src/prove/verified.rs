//! The verified checker: a program that is extracted from a proof of its own (proofs/rocq), asked as a process beside this one.

use super::Question;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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
    /// It cannot be started, or ended otherwise than with a verdict.
    #[error("{}: {reason}", program.display())]
    Broken {
        /// The program.
        program: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

impl Verified {
    /// Whether it accepts a proof, a file that may be gzipped. It gets the statement in integers (proofs/STATEMENT.md) on its standard input.
    ///
    /// # Errors
    /// Where it does not.
    pub fn check(&self, question: &Question, proof: &Path) -> Result<(), NotVerified> {
        let broken = |reason: String| NotVerified::Broken { program: self.0.clone(), reason };
        let mut statement = vec![];
        certus_check::export(&question.0, &mut statement).map_err(NotVerified::Unwritten)?;
        let mut child = Command::new(&self.0)
            .arg("-")
            .arg(proof)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| broken(format!("it cannot be started: {error}")))?;
        // It reads all of it before it says anything; where it ends sooner, its exit says why.
        let written = child.stdin.take().map(|stdin| BufWriter::new(stdin).write_all(&statement));
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
}
