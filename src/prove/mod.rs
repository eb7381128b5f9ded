//! From a search to a proof that an independent checker accepts.
//!
//! The checker (the crate `certus-check`) reads model and property by itself and shares no code with this crate; a proof only
//! tells it where to look (proofs/FORMAT.md). So nothing here needs to be trusted: what is wrong is rejected.
//!
//! Proofs are made of CROWN bounds and of splits of inputs. The search that finds them keeps a little more distance than
//! [`crate::branch::search`], as the checker rounds elsewhere and knows tighter intervals (those of a box's ancestors).
//! Tighter intervals can flip a default slope and weaken a bound; where the checker rejects a step for that,
//! [`Proof::mend`] goes on splitting there.

mod tree;
mod write;

pub use certus_check::{Accepted, Mode, Rejected};
pub use tree::{Proof, Section};

use crate::attack::Counterexample;
use crate::bound::{Analysis, Functionals, Intermediate};
use crate::branch::{Answer, Limits, split_inputs_recorded, suits_inputs};
use crate::load::Statement;
use crate::net::Network;
use crate::spec::{Claim, Property};
use std::io::{self, BufRead};
use thiserror::Error;

/// Model and property as the checker reads them.
#[derive(Debug)]
pub struct Question(certus_check::Statement);

/// Why there is no accepted proof.
#[derive(Debug, Error)]
pub enum NotProved {
    /// The checker cannot read the model or the property, so that no proof can help.
    #[error("the checker cannot read it: {0}")]
    Unreadable(certus_check::LoadError),
    /// No proof was found: the search found a counterexample or stopped.
    #[error("no proof was found{}", because(.0))]
    NotFound(Box<Answer>),
    /// The checker rejects the proof.
    #[error("{0}")]
    Rejected(Rejected),
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
        certus_check::Statement::from_bytes(model, property)
            .map(Self)
            .map_err(NotProved::Unreadable)
    }

    /// The checker's verdict about a proof, gzipped or not.
    ///
    /// # Errors
    /// Where it rejects it.
    pub fn check(&self, proof: impl BufRead, mode: Mode) -> Result<Accepted, Rejected> {
        certus_check::check(&self.0, proof, mode)
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

/// How often a rejected proof is mended before it is given up.
const MENDINGS: usize = 32;

/// A proof, the checker's word for it, and the domains that its search bounded.
#[derive(Debug)]
pub struct Proved {
    /// The text.
    pub text: Vec<u8>,
    /// What the checker said.
    pub accepted: Accepted,
    /// Domains bounded.
    pub visited: usize,
    /// How often the checker had to reject it first.
    pub mended: usize,
}

/// Looks for a proof and has it checked.
///
/// `net` is the network with its inputs appended where the property needs it, as for [`crate::verify::verify`].
///
/// # Errors
/// Where there is none that the checker accepts: that says nothing about the property unless there is a counterexample.
pub fn prove(
    question: &Question,
    net: &Network,
    statement: &Statement,
    mode: Mode,
    limits: &Limits,
) -> Result<Proved, NotProved> {
    let (mut proof, visited) = find(net, statement, limits).map_err(NotProved::NotFound)?;
    let mut mended = 0;
    loop {
        let text = proof.to_bytes();
        let rejected = match question.check(text.as_slice(), mode) {
            Ok(accepted) => return Ok(Proved { text, accepted, visited, mended }),
            Err(rejected) => rejected,
        };
        if let Some(reason) = limits.passed() {
            return Err(NotProved::NotFound(Box::new(Answer::Open(reason))));
        }
        if mended == MENDINGS || !proof.mend(&rejected.path, &statement.property) {
            return Err(NotProved::Rejected(rejected));
        }
        mended += 1;
    }
}

/// Searches for a proof: CROWN for each claim, then splits of inputs for those that it does not prove. Returns with it the
/// number of domains bounded.
///
/// # Errors
/// The search's answer where it is not that all is proved.
pub fn find(
    net: &Network,
    statement: &Statement,
    limits: &Limits,
) -> Result<(Proof, usize), Box<Answer>> {
    let claims = &statement.property.claims;
    let mut sections = Vec::with_capacity(claims.len());
    let mut searched = Vec::new();
    let mut case = 0;
    for claim in claims {
        if let Some(reason) = limits.passed() {
            return Err(Box::new(Answer::Open(reason)));
        }
        let cases = (case..case + claim.unsafe_set.len()).map(|c| statement.number(c)).collect();
        case += claim.unsafe_set.len();
        let root = if proved_at_once(net, claim) {
            None
        } else {
            searched.push(claim.clone());
            // The first steps of the record are its claims'.
            Some(searched.len() as u32 - 1)
        };
        sections.push(Section { cases, root });
    }
    let mut proof = Proof { sections, steps: Vec::new(), empty: statement.empty.clone() };
    let mut visited = claims.len();
    if !searched.is_empty() {
        let open = Property { claims: searched, uses_inputs: statement.property.uses_inputs };
        let mut limits = *limits;
        if !suits_inputs(net, &open) {
            // Bounds of the whole regions are all that can be hoped for.
            limits.domains = limits.domains.min(open.claims.len());
        }
        let (searched, record) = split_inputs_recorded(net, &open, &limits);
        visited += searched.visited;
        match searched.answer {
            Answer::Proved => proof.steps = record.steps,
            answer => return Err(Box::new(answer)),
        }
    }
    Ok((proof, visited))
}

/// Whether CROWN over interval bounds proves a claim, with a little to spare.
fn proved_at_once(net: &Network, claim: &Claim) -> bool {
    let functionals = Functionals::of(claim, net.outputs());
    let analysis = Analysis::of_region(net, &claim.region.boxes(), Intermediate::Interval);
    let swept = analysis.lower(&functionals.matrix, &vec![0; functionals.len()]);
    let lows: Vec<f64> = swept.bounds.iter().map(|low| low - SPARE * (1.0 + low.abs())).collect();
    functionals.proved_by(&lows)
}

/// By how much a bound must exceed what it has to, relative and absolute.
const SPARE: f64 = 1e-6;

impl NotProved {
    /// The counterexample that the search found instead.
    #[must_use]
    pub fn counterexample(&self) -> Option<&Counterexample> {
        match self {
            Self::NotFound(answer) => match &**answer {
                Answer::Refuted(found) => Some(found),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Writes a proof to a file, gzipped where its name ends in `.gz`.
///
/// # Errors
/// Those of the file system.
pub fn save(text: &[u8], path: &std::path::Path) -> io::Result<()> {
    let packed = path.extension().is_some_and(|e| e == "gz");
    if !packed {
        return std::fs::write(path, text);
    }
    let file = std::fs::File::create(path)?;
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    io::Write::write_all(&mut encoder, text)?;
    encoder.finish()?.sync_all()
}
