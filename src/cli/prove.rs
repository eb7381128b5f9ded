//! One query with a proof: files in, proof file out, and how long its parts took.

use super::clock::process_seconds;
use super::exit::{Failure, NO_INPUT, OUTPUT};
use super::verify::Answered;
use crate::load::{LoadSettings, SourceFile};
use crate::prove::{Model, NotProved, Phase, Verified};
use crate::query::Query;
use crate::report::ProofRecord;
use crate::verify::{Outcome, ProofWish, Settings, verify_with_proof};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What the caller is told meanwhile.
pub(super) struct Told<'a> {
    /// Whether files are read for the checker, or a proof is written or checked.
    pub(crate) checking: &'a (dyn Fn(bool) + Sync),
    /// The outcome that there is, with a proof or without.
    pub(crate) held: &'a (dyn Fn(&Outcome) + Sync),
}

/// Decides a query and keeps a proof. `files` are those of the network and the property, for the checker's own readers.
pub(super) fn verify(
    query: &Query,
    settings: &Settings,
    (files, ports): ([&Path; 2], &LoadSettings),
    (keep, verified): (&Path, Option<&Verified>),
    told: &Told,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Answered, Failure> {
    let read = |file: &Path| SourceFile::read(file).map(|file| file.bytes).map_err(NotProved::Gone);
    let ask = || Model::beside(files[0], &read(files[0])?, ports)?.ask(&read(files[1])?);
    let laps = Mutex::new(Laps::default());
    let watch = |phase: Phase| {
        laps.lock().unwrap_or_else(PoisonError::into_inner).next(phase);
        (told.checking)(matches!(phase, Phase::Read | Phase::Write | Phase::Check));
    };
    let (kept, held) = (Some(keep), told.held);
    let wish = ProofWish { keep: kept, watch: &watch, held, verified, ..ProofWish::CHECKED };
    let (outcome, proof) = verify_with_proof(&ask, query, settings, wish, stop);
    let laps = laps.into_inner().unwrap_or_else(PoisonError::into_inner);
    let record = match proof {
        None => None,
        Some(Err(problem @ NotProved::NotWritten { .. })) => {
            return Err(Failure::new(OUTPUT, problem.to_string()));
        }
        Some(Err(NotProved::Gone(error))) => {
            return Err(Failure::new(NO_INPUT, error.to_string()));
        }
        Some(Err(problem)) => {
            Some(ProofRecord { problem: Some(problem.to_string()), ..laps.record() })
        }
        Some(Ok(proved)) => Some(ProofRecord {
            file: Some(keep.display().to_string()),
            bytes: proved.bytes,
            file_bytes: std::fs::metadata(keep).map_or(0, |data| data.len()),
            leaves: proved.accepted.leaves(),
            mended: proved.mended,
            doubt: proved.doubt,
            ..laps.record()
        }),
    };
    Ok((outcome, record))
}

/// Wall-clock and processor seconds.
#[derive(Clone, Copy, Default)]
struct Spent {
    wall: f64,
    cpu: Option<f64>,
}

/// A phase under way, and what it started from.
struct Lap {
    phase: Phase,
    since: Instant,
    cpu: Option<f64>,
}

/// Time by phase.
#[derive(Default)]
struct Laps {
    now: Option<Lap>,
    search: Spent,
    read: Spent,
    write: Spent,
    check: Spent,
}

impl Laps {
    fn next(&mut self, phase: Phase) {
        let now = Lap { phase, since: Instant::now(), cpu: process_seconds() };
        let (since, cpu) = (now.since, now.cpu);
        let Some(last) = self.now.replace(now) else { return };
        let sum = match last.phase {
            Phase::Search => &mut self.search,
            Phase::Write => &mut self.write,
            Phase::Read => &mut self.read,
            Phase::Check => &mut self.check,
            Phase::Attack | Phase::Done => return,
        };
        sum.wall += (since - last.since).as_secs_f64();
        let spent = last.cpu.zip(cpu).map(|(before, after)| after - before);
        sum.cpu = spent.map(|spent| spent + sum.cpu.unwrap_or(0.0));
    }

    fn record(&self) -> ProofRecord {
        ProofRecord {
            search_seconds: self.search.wall,
            search_cpu_seconds: self.search.cpu,
            read_cpu_seconds: self.read.cpu,
            write_cpu_seconds: self.write.cpu,
            check_seconds: self.check.wall,
            check_cpu_seconds: self.check.cpu,
            ..ProofRecord::default()
        }
    }
}
