//! From a search to a proof that an independent checker accepts.
//!
//! The checker (the crate `certus-check`) reads model and property by itself and shares no code with this crate; a proof only
//! tells it where to look (proofs/FORMAT.md). So nothing here needs to be trusted: what is wrong is rejected.
//!
//! Proofs are made of backward sweeps, at default slopes, optimised ones or an LP's duals, and of splits of inputs or of
//! ReLUs. The search that finds them is [`crate::branch::search`] with a record. Bounds that the checker, which rounds elsewhere, may
//! doubt are written down with every slope: with the same slopes, tighter intervals never weaken a bound. Where the checker rejects a
//! step all the same, the proof is mended (`mend/`), as long as there is time.

mod mend;
mod relax;
mod stream;
mod text;
mod tree;
mod write;

pub use certus_check::{Accepted, Mode, Rejected};
pub use mend::Unmended;
pub use text::Names;
pub use tree::{Body, Proof, Section};

use crate::attack::{self, Counterexample};
use crate::branch::{
    Answer, ClaimRecord, Interlude, Limits, Reason, prefers_forward, split_inputs_recorded,
    split_relus_recorded, suits_inputs,
};
use crate::load::{FileError, Statement};
use crate::net::Network;
use crate::query::Query;
use crate::spec::{Claim, Property};
use certus_check::circuit::Circuit;
use relax::by_relaxations;
use std::cell::RefCell;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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

    /// Reads the contents of an ONNX file, not compressed, of which weights may lie in other files of its folder.
    ///
    /// # Errors
    /// Where the checker does not understand it.
    pub fn beside(file: &Path, model: &[u8]) -> Result<Self, NotProved> {
        let folder = file.parent().unwrap_or(Path::new(""));
        Self::of(certus_check::onnx::read_in(folder, model))
    }

    fn of(read: Result<Circuit, certus_check::onnx::Error>) -> Result<Self, NotProved> {
        let wrong = |error| NotProved::Unreadable(format!("the network: {error}"));
        read.map(|circuit| Self(circuit.into())).map_err(wrong)
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

    /// Writes the proof and has what is written checked; with it, the bytes of the text. Nothing is kept of a rejected proof.
    fn accept(&self, proof: &Proof, plan: &Plan) -> Result<(Accepted, u64), NotProved> {
        (plan.watch)(Phase::Write);
        let check = |reader: stream::Reader| {
            (plan.watch)(Phase::Check);
            let verdict = self.check(reader, plan.mode);
            (plan.watch)(Phase::Write);
            verdict
        };
        match plan.keep {
            None => stream::through_pipe(proof, check),
            Some(file) => stream::through_file(proof, file, check),
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

/// Claims whose bounds are optimised one by one before search takes over.
const FEW_CLAIMS: usize = 8;

/// What a proof may be made of, and what becomes of it.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// The checker's arithmetic.
    pub mode: Mode,
    /// Whether slopes are optimised where default ones do not suffice.
    pub slopes: bool,
    /// Whether linear programs are solved where that does not suffice either.
    pub linear_programs: bool,
    /// Whether inputs or ReLUs are split.
    pub search: bool,
    /// Domains of a search by inputs after which [`Plan::interlude`] is due.
    pub short: usize,
    /// Multiplications that the interlude takes.
    pub work: f64,
    /// Asked once: a counterexample ends the search.
    pub interlude: &'a dyn Fn() -> Option<Counterexample>,
    /// Where an accepted proof is to stay, gzipped where the name ends in `.gz`.
    pub keep: Option<&'a Path>,
    /// Told what comes next.
    pub watch: &'a (dyn Fn(Phase) + Sync),
    /// Told that the property holds, before there is a proof that the checker accepts.
    pub held: &'a (dyn Fn(&Held) + Sync),
}

impl Plan<'_> {
    /// Bounds, then search; the proof stays in memory.
    pub const SEARCH: Self = Self {
        mode: Mode::Outward,
        slopes: false,
        linear_programs: false,
        search: true,
        short: 0,
        work: 0.0,
        interlude: &|| None,
        keep: None,
        watch: &|_| (),
        held: &|_| (),
    };
}

/// The parts of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bounds and search.
    Search,
    /// What [`Plan::interlude`] does.
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
    /// Domains bounded.
    pub visited: usize,
    /// Places where the checker rejected what the search had recorded.
    pub mended: usize,
}

/// What a search found: by this crate's own, sound bounds the property holds.
#[derive(Debug)]
pub struct Held {
    /// How; `None` where that did not fit into the memory limit.
    pub proof: Option<Proof>,
    /// Domains bounded.
    pub visited: usize,
}

/// No accepted proof.
#[derive(Debug)]
pub struct Unproved {
    /// Why.
    pub why: NotProved,
    /// What a search found all the same.
    pub held: Option<Held>,
}

/// Reads a question with the checker's readers.
pub type Ask<'a> = &'a dyn Fn() -> Result<Question, NotProved>;

/// Looks for a proof and has it checked; the checker's readers are asked only once there is one.
///
/// # Errors
/// Where there is none that the checker accepts: that says nothing about the property unless there is a counterexample.
pub fn prove(
    ask: Ask,
    query: &Query,
    plan: &Plan,
    limits: &Limits,
) -> Result<Proved, Box<Unproved>> {
    (plan.watch)(Phase::Search);
    let result = match find(query, plan, limits) {
        Ok(held) => {
            (plan.held)(&held);
            checked(ask, query, held, plan, limits)
        }
        Err(answer) => Err(Box::new(Unproved { why: NotProved::NotFound(answer), held: None })),
    };
    (plan.watch)(Phase::Done);
    result
}

/// As [`prove`], of a property that is known to hold, though not how: the proof is mended from nothing.
///
/// # Errors
/// As [`prove`].
pub fn prove_anew(
    ask: Ask,
    query: &Query,
    plan: &Plan,
    limits: &Limits,
) -> Result<Proved, Box<Unproved>> {
    let (net, statement) = (query.network(), query.statement());
    let body = |_| Body::Bounds;
    let proof = Some(Proof { sections: sections(statement, body), ..Proof::empty(net, statement) });
    let result = checked(ask, query, Held { proof, visited: 0 }, plan, limits);
    (plan.watch)(Phase::Done);
    result
}

/// Has a proof checked, and mends it where that does not suffice.
fn checked(
    ask: Ask,
    query: &Query,
    held: Held,
    plan: &Plan,
    limits: &Limits,
) -> Result<Proved, Box<Unproved>> {
    let Held { proof, visited } = held;
    let unproved = |why, proof| Box::new(Unproved { why, held: Some(Held { proof, visited }) });
    let Some(mut proof) = proof else { return Err(unproved(NotProved::TooLarge, None)) };
    (plan.watch)(Phase::Read);
    let question = match ask() {
        Ok(question) => question,
        Err(why) => return Err(unproved(why, Some(proof))),
    };
    let rejected = match question.accept(&proof, plan) {
        Ok((accepted, bytes)) => {
            return Ok(Proved { proof, accepted, bytes, visited, mended: 0 });
        }
        Err(NotProved::Rejected(rejected)) => rejected,
        Err(why) => return Err(unproved(why, Some(proof))),
    };
    (plan.watch)(Phase::Search);
    let mended = match proof.mend(&question, query.network(), query.property(), limits) {
        Ok(mended) => mended,
        Err(Unmended::NotFound(answer)) => {
            return Err(match *answer {
                Answer::Open(reason) => {
                    unproved(NotProved::Unmended { rejected, reason }, Some(proof))
                }
                // A point of the unsafe set outweighs whatever was thought to hold.
                answer => {
                    Box::new(Unproved { why: NotProved::NotFound(Box::new(answer)), held: None })
                }
            });
        }
        Err(Unmended::Refused(reason)) => {
            let why = NotProved::Rejected(Rejected { reason, ..rejected });
            return Err(unproved(why, Some(proof)));
        }
    };
    match question.accept(&proof, plan) {
        Ok((accepted, bytes)) => Ok(Proved { proof, accepted, bytes, visited, mended }),
        Err(why) => Err(unproved(why, Some(proof))),
    }
}

/// A section for each claim of a property.
fn sections(statement: &Statement, body: impl Fn(usize) -> Body) -> Vec<Section> {
    let mut case = 0;
    let section = |(index, claim): (usize, &Claim)| {
        let own = case..case + claim.unsafe_set.len();
        case = own.end;
        Section { cases: own.map(|case| statement.number(case)).collect(), body: body(index) }
    };
    statement.property.claims.iter().enumerate().map(section).collect()
}

/// Searches for a proof: CROWN for each claim; then, as planned, optimised slopes and LPs, and splits of inputs or of ReLUs,
/// for those that it does not prove.
///
/// # Errors
/// The search's answer where it is not that all is proved.
pub fn find(query: &Query, plan: &Plan, limits: &Limits) -> Result<Held, Box<Answer>> {
    let (net, property, statement) = (query.network(), query.property(), query.statement());
    let claims = &property.claims;
    let mut proof = Proof::empty(net, statement);
    proof.sections = sections(statement, |_| Body::Bounds);
    let mut open = Vec::new();
    // As a search without a proof: bounds of one claim after the other serve few of them, and of no use are those by sweeps where
    // the search has better ones for less.
    let forward = plan.search && prefers_forward(net, property);
    for (index, claim) in claims.iter().enumerate() {
        if let Some(reason) = limits.passed() {
            return Err(Box::new(Answer::Open(reason)));
        }
        let deep = !plan.search || (open.len() <= FEW_CLAIMS && !forward);
        match by_relaxations(net, claim, deep, plan, limits) {
            Some(body) => proof.sections[index].body = body,
            None if plan.search => open.push(index),
            None => return Err(Box::new(Answer::Open(too_weak(limits)))),
        }
    }
    if open.is_empty() {
        return Ok(Held { proof: Some(proof), visited: claims.len() });
    }
    search(net, property, &open, proof, plan, limits)
}

fn too_weak(limits: &Limits) -> Reason {
    limits.passed().unwrap_or(Reason::BoundTooWeak)
}

/// Splits inputs or ReLUs for the open claims, with an attack in the midst of the search or before it, and enters the trees into the
/// proof.
fn search(
    net: &Network,
    property: &Property,
    open: &[usize],
    mut proof: Proof,
    plan: &Plan,
    limits: &Limits,
) -> Result<Held, Box<Answer>> {
    let claims = open.iter().map(|&index| property.claims[index].clone()).collect();
    let part = Property { claims, uses_inputs: property.uses_inputs };
    let by_inputs = suits_inputs(net, &part);
    let found = RefCell::new(None);
    let attempt = || {
        (plan.watch)(Phase::Attack);
        *found.borrow_mut() = (plan.interlude)();
        (plan.watch)(Phase::Search);
        found.borrow().is_some()
    };
    let interlude = Interlude { after: plan.short, work: plan.work, attempt: &attempt };
    let (searched, given_up) = if by_inputs {
        let (searched, record) = split_inputs_recorded(net, &part, limits, Some(interlude));
        proof.record = record;
        // The first steps of the record are its claims'.
        for (step, &index) in open.iter().enumerate() {
            proof.sections[index].body = Body::Inputs(step as u32);
        }
        (searched, proof.record.is_given_up())
    } else {
        let (searched, records) = split_relus_recorded(net, &part, limits, Some(interlude));
        let given_up = records.iter().any(ClaimRecord::is_given_up);
        for (record, &index) in records.into_iter().zip(open) {
            proof.sections[index].body = Body::Relus(record);
        }
        (searched, given_up)
    };
    if let Some(found) = found.take() {
        return Err(Box::new(Answer::Refuted(Box::new(found))));
    }
    match searched.answer {
        Answer::Proved => {
            let visited = property.claims.len() + searched.visited;
            Ok(Held { proof: (!given_up).then_some(proof), visited })
        }
        Answer::Refuted(found) => {
            // Of the whole property, not of its open claims.
            let claim = open[found.claim()];
            let again = attack::validate(net, property, claim, found.input());
            Err(Box::new(match again {
                Some(found) => Answer::Refuted(Box::new(found)),
                None => Answer::Open(Reason::Resolution),
            }))
        }
        answer @ Answer::Open(_) => Err(Box::new(answer)),
    }
}

impl NotProved {
    /// What the search found instead, where that is why.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        if let Self::NotFound(answer) = self { Some(answer) } else { None }
    }
}
