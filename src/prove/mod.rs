//! From a search to a proof that an independent checker accepts.
//!
//! The checker (the crate `certus-check`) reads model and property by itself and shares no code with this crate; a proof only
//! tells it where to look (proofs/FORMAT.md). So nothing here needs to be trusted: what is wrong is rejected.
//!
//! Proofs are the trees of searches ([`crate::branch::Tree`]) as text. Bounds that the checker, which rounds elsewhere, may doubt are
//! written down with every slope: with the same slopes, tighter intervals never weaken a bound. Where the checker rejects a step all the
//! same, the proof is mended (`mend.rs`), as long as there is time.

mod further;
mod mend;
mod stream;
mod text;
mod verified;
mod write;

pub use certus_check::{Accepted, Mode, Rejected};
pub use further::{Checker, Further};
pub use mend::Unmended;
pub use verified::{NotVerified, Verified};
pub use write::{Proof, Section};

use crate::branch::{Answer, Limits, Line, Reason, Refutation, Tree};
use crate::load::{FileError, LoadSettings};
use crate::net::Semantics;
use crate::query::Query;
use certus_check::circuit::Circuit;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use thiserror::Error;

/// A model as the checker reads it, for many questions.
#[derive(Debug, Clone)]
pub struct Model(Arc<Circuit>);

/// Model and property as the checker reads them.
#[derive(Debug)]
pub struct Question(certus_check::Statement);

impl Model {
    /// Reads the contents of an ONNX file, not compressed.
    ///
    /// # Errors
    /// Where the checker does not understand it.
    pub fn new(model: &[u8]) -> Result<Self, NotProved> {
        Self::of(certus_check::onnx::read(model))
    }

    /// Reads the contents of an ONNX file, not compressed, of which weights may lie in other files of its folder: one output as a
    /// function of one input.
    ///
    /// # Errors
    /// Where the checker does not understand it.
    pub fn beside(file: &Path, model: &[u8], asked: &LoadSettings) -> Result<Self, NotProved> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let LoadSettings { output, inputs, semantics } = asked.clone();
        if semantics == Semantics::Float32 {
            let what =
                "proofs speak of the real numbers; with --semantics float32 there are none yet";
            return Err(NotProved::Unreadable(what.to_owned()));
        }
        let ports = certus_check::onnx::Ports { output, inputs };
        Self::of(certus_check::onnx::read_in(folder, model, &ports))
    }

    fn of(read: Result<Circuit, certus_check::onnx::Error>) -> Result<Self, NotProved> {
        let wrong = |error| NotProved::Unreadable(format!("the network: {error}"));
        read.map(|circuit| Self(circuit.into())).map_err(wrong)
    }

    /// Whether the checker knows an operator of ONNX or of ai.onnx.ml.
    #[must_use]
    pub fn knows(operator: &str) -> bool {
        certus_check::onnx::knows(operator)
    }

    /// Number of its outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.0.size(self.0.output())
    }

    /// A question about it, from the contents of a VNN-LIB file, not compressed.
    ///
    /// # Errors
    /// Where the checker does not understand it, or it does not fit the model.
    pub fn ask(&self, property: &[u8]) -> Result<Question, NotProved> {
        let wrong = |error| NotProved::Unreadable(format!("the property:{error}"));
        let parsed = certus_check::vnnlib::read(property).map_err(wrong)?;
        let statement = certus_check::Statement::new(self.0.clone(), parsed);
        statement.map(Question).map_err(|error| NotProved::Unreadable(error.to_string()))
    }
}

/// Why there is no accepted proof.
#[derive(Debug, Error)]
pub enum NotProved {
    /// The checker cannot read the model or the property, so that no proof can help.
    #[error("the checker cannot read it: {0}")]
    Unreadable(String),
    /// A file that was read before cannot be read again.
    #[error("{0}")]
    Gone(FileError),
    /// No proof was found: the search found a counterexample or stopped.
    #[error("no proof was found{}", because(.0))]
    NotFound(Box<Answer>),
    /// The checker rejects the proof.
    #[error("{0}")]
    Rejected(Rejected),
    /// The checker rejects the proof, which could not be mended.
    #[error("{rejected}; mending it: {reason}")]
    Unmended {
        /// What the checker said.
        rejected: Rejected,
        /// What ended mending.
        reason: Reason,
    },
    /// A proof would not fit into the memory limit.
    #[error("the proof does not fit into the memory limit")]
    TooLarge,
    /// The proof cannot be written.
    #[error("{}: cannot be written: {error}", file.display())]
    NotWritten {
        /// Where.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

fn because(answer: &Answer) -> String {
    match answer {
        Answer::Open(reason) => format!(": {reason}"),
        Answer::Refuted(_) => ": there is a counterexample".to_owned(),
        Answer::Proved => String::new(),
    }
}

impl Question {
    /// Reads the contents of an ONNX and a VNN-LIB file, not compressed.
    ///
    /// # Errors
    /// Where the checker does not understand them.
    pub fn new(model: &[u8], property: &[u8]) -> Result<Self, NotProved> {
        Model::new(model)?.ask(property)
    }

    /// The checker's verdict about a proof, gzipped or not.
    ///
    /// # Errors
    /// Where it rejects it.
    pub fn check(&self, proof: impl BufRead, mode: Mode) -> Result<Accepted, Rejected> {
        certus_check::check(&self.0, proof, mode)
    }

    /// As [`Self::check`], in exact arithmetic too where roundings may be why the proof is rejected: of strict half-spaces, of which a bound
    /// that meets them exactly is enough.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_ties(&self, proof: &[u8], mode: Mode) -> Result<Accepted, Rejected> {
        self.check(proof, mode).or_else(|rejected| match self.has_ties(mode) {
            true => self.check(proof, Mode::Exact),
            false => Err(rejected),
        })
    }

    /// Whether exact arithmetic may accept what this one rejects, for a bound that is met exactly.
    fn has_ties(&self, mode: Mode) -> bool {
        let mut halves = self.0.cases().iter().flat_map(|case| &case.half_spaces);
        mode == Mode::Outward && halves.any(|half| half.strict)
    }

    /// Writes the proof and has what is written checked; with it, the bytes of the text. Nothing is kept of a rejected proof.
    fn accept(&self, proof: &Proof, wish: &Wish) -> Result<(Accepted, u64), NotProved> {
        (wish.watch)(Phase::Write);
        let by = |mode: Mode| {
            let check = |reader: stream::Reader| {
                (wish.watch)(Phase::Check);
                let verdict = self.check(reader, mode);
                (wish.watch)(Phase::Write);
                verdict
            };
            match wish.keep {
                None => stream::through_pipe(proof, check),
                Some(file) => stream::through_file(proof, file, check),
            }
        };
        match by(wish.mode) {
            Err(NotProved::Rejected(_)) if self.has_ties(wish.mode) => by(Mode::Exact),
            written => written,
        }
    }
}

/// Checks a proof of a property against a model, from the contents of the files; see [`Question`].
///
/// # Errors
/// Where the checker does not understand the files or rejects the proof.
pub fn certify(
    model: &[u8],
    property: &[u8],
    proof: impl BufRead,
    mode: Mode,
) -> Result<Accepted, NotProved> {
    Question::new(model, property)?.check(proof, mode).map_err(NotProved::Rejected)
}

/// What becomes of a proof.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// The checker's arithmetic.
    pub mode: Mode,
    /// Where an accepted proof is to stay, gzipped where the name ends in `.gz`; `None` to check it and forget it.
    pub keep: Option<&'a Path>,
    /// Told what comes next.
    pub watch: &'a (dyn Fn(Phase) + Sync),
    /// What is asked of other checkers; `None` to ask none.
    pub further: Option<Further<'a>>,
}

impl Wish<'_> {
    /// A proof that is checked and forgotten.
    pub const CHECKED: Self =
        Self { mode: Mode::Outward, keep: None, watch: &|_| (), further: None };
}

/// The parts of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bounds and search.
    Search,
    /// An attack in the midst of a search.
    Attack,
    /// Reading the files with the checker's readers.
    Read,
    /// Writing the proof.
    Write,
    /// Checking it; of a long one, which is streamed, writing goes on meanwhile.
    Check,
    /// Nothing more.
    Done,
}

/// A proof, and the checker's word for it.
#[derive(Debug)]
pub struct Proved {
    /// The proof.
    pub proof: Proof,
    /// What the checker said.
    pub accepted: Accepted,
    /// Bytes of the text, before compression.
    pub bytes: u64,
    /// Places where the checker rejected what the search had recorded.
    pub mended: usize,
    /// The strongest checker that accepted it.
    pub by: Checker,
    /// Why no stronger one did, of those that were to be asked.
    pub doubt: Option<String>,
}

/// Reads a question with the checker's readers.
pub type Ask<'a> = &'a dyn Fn() -> Result<Question, NotProved>;

impl Proof {
    /// A proof of which nothing is known but that there is one: made by mending it.
    #[must_use]
    pub fn unknown(query: &Query) -> Self {
        let mut tree = Tree::default();
        let (polytopes, how) = (Box::default(), Refutation::default());
        tree.line(0, Line::Refute { polytopes, how });
        let trees = query.property().claims.iter().map(|_| tree.clone());
        Self::new(query.network(), query.statement(), trees)
    }

    /// Has the proof checked, and mends it where that does not suffice; the checker's readers are asked only now.
    ///
    /// # Errors
    /// Where the checker does not accept it: that says nothing about the property unless there is a counterexample.
    pub fn accepted(
        mut self,
        ask: Ask,
        query: &Query,
        wish: &Wish,
        limits: &Limits,
    ) -> Result<Proved, NotProved> {
        (wish.watch)(Phase::Read);
        let question = ask()?;
        let started = Instant::now();
        let (mut written, mut mended) = (question.accept(&self, wish), 0);
        let mut took = started.elapsed();
        if let Err(NotProved::Rejected(rejected)) = written {
            mended = self.mended(&question, query, &rejected, (wish, limits))?;
            let started = Instant::now();
            written = question.accept(&self, wish);
            took = started.elapsed();
        }
        let (accepted, bytes) = written?;
        let mode = accepted.mode();
        let (by, doubt) = match &wish.further {
            Some(further) => question.further(&self, (mode, took), further, wish.watch),
            None if mode == Mode::Exact => (Checker::Exact, None),
            None => (Checker::Outward, None),
        };
        Ok(Proved { proof: self, accepted, bytes, mended, by, doubt })
    }

    /// Mends what the checker rejected; in how many places.
    fn mended(
        &mut self,
        question: &Question,
        query: &Query,
        rejected: &Rejected,
        (wish, limits): (&Wish, &Limits),
    ) -> Result<usize, NotProved> {
        (wish.watch)(Phase::Search);
        let mended = self.mend(question, query.network(), query.property(), limits);
        mended.map_err(|why| match why {
            Unmended::NotFound(answer) => match *answer {
                Answer::Open(reason) => NotProved::Unmended { rejected: rejected.clone(), reason },
                // A point of the unsafe set outweighs whatever was thought to hold.
                answer => NotProved::NotFound(Box::new(answer)),
            },
            Unmended::Refused(reason) => {
                NotProved::Rejected(Rejected { reason, ..rejected.clone() })
            }
        })
    }
}

impl NotProved {
    /// What the search found instead, where that is why.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        if let Self::NotFound(answer) = self { Some(answer) } else { None }
    }
}
