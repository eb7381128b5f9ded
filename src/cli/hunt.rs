//! Laws on many cases: time is shared among them evenly, failures are made small and kept.

use super::audit::host::run_record;
use super::exit::{DONE, Failure, INTERNAL};
use super::guarded;
use super::interrupt;
use super::progress::Bar;
use crate::report::{BrokenRecord, Build, CaseFile, LawRecord, LawsAnswer};
use crate::testing::{Case, Checked, Law, shrink};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures of one law that are kept and told; more say nothing new.
const MOST_BROKEN: usize = 3;

/// How long one failure is made smaller.
const SHRINKING: Duration = Duration::from_secs(60);

/// Looks at the case of a seed; `None` where there are no more.
type Look<'a> = Box<dyn Fn(u64) -> Option<Result<Checked, String>> + Sync + 'a>;

/// The case of a seed, for its files, and its answer where that is known.
type Draw<'a> = Box<dyn Fn(u64) -> Option<(Case, Option<bool>)> + Sync + 'a>;

/// Whether a case fails as the one of this seed does.
type Fails<'a> = Box<dyn Fn(&Case, u64) -> bool + Sync + 'a>;

/// What is looked at, again and again.
pub(super) struct Subject<'a> {
    pub(crate) name: String,
    pub(crate) statement: &'static str,
    pub(crate) look: Look<'a>,
    pub(crate) case: Draw<'a>,
    /// `None` where cases cannot be made smaller.
    pub(crate) fails: Option<Fails<'a>>,
}

/// How long and where.
pub(super) struct Hunt<'a> {
    pub(crate) seed: u64,
    pub(crate) jobs: usize,
    pub(crate) time: Duration,
    /// Where failures are kept.
    pub(crate) out: Option<&'a Path>,
    pub(crate) quiet: bool,
    /// Whether the first failure ends it.
    pub(crate) first: bool,
}

/// Looks at a law on a case; a panic breaks the law, too.
pub(super) fn look(
    law: Law,
    run: impl FnOnce() -> Result<Checked, String>,
) -> Result<Checked, String> {
    match guarded(AssertUnwindSafe(|| Ok(run()))) {
        Ok(said) => said,
        Err(panic) => Err(format!("{law}: {}", panic.message)),
    }
}

/// The law on the cases that `draw` makes of seeds.
pub(super) fn of_law<'a>(
    law: Law,
    draw: impl Fn(u64) -> Result<Case, String> + Sync + Clone + 'a,
) -> Subject<'a> {
    let cases = draw.clone();
    Subject {
        name: law.to_string(),
        statement: law.statement(),
        look: Box::new(move |seed| {
            Some(look(law, || {
                let case = draw(seed)?;
                law.check(&case, seed).map_err(|broken| broken.what)
            }))
        }),
        case: Box::new(move |seed| Some((cases(seed).ok()?, None))),
        fails: Some(Box::new(move |case, seed| fails(law, case, seed))),
    }
}

/// Whether a case breaks a law.
pub(super) fn fails(law: Law, case: &Case, seed: u64) -> bool {
    look(law, || law.check(case, seed).map_err(|broken| broken.what)).is_err()
}

impl Hunt<'_> {
    /// Looks at the subjects until time is up, each as long as the others.
    pub(super) fn run(&self, subjects: &[Subject], of: &str) -> Result<LawsAnswer, Failure> {
        let started = Instant::now();
        let record = |subject: &Subject| LawRecord {
            law: subject.name.clone(),
            statement: subject.statement.to_owned(),
            ..LawRecord::default()
        };
        let state = Mutex::new(State {
            laws: subjects.iter().map(record).collect(),
            next: vec![0; subjects.len()],
            over: vec![false; subjects.len()],
            busy: vec![0.0; subjects.len()],
            broken: Vec::new(),
        });
        let bar = Bar::new(self.time.as_secs() as usize, 0, " s", self.quiet);
        let work = || {
            while started.elapsed() < self.time && !interrupt::stopped() {
                let mut held = lock(&state);
                let over = self.first && !held.broken.is_empty();
                let Some((at, seed)) = held.take(self.seed).filter(|_| !over) else { return };
                drop(held);
                let begun = Instant::now();
                let said = (subjects[at].look)(seed);
                let mut state = lock(&state);
                state.enter(at, seed, said, begun.elapsed().as_secs_f64());
                bar.message(format!("{} cases, {} broken", state.cases(), state.broken.len()));
            }
        };
        // Laws call code that recurses over networks and terms; the main thread's stack is no measure.
        std::thread::scope(|scope| {
            let spawn =
                |_| std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, work);
            let threads: Result<Vec<_>, _> = (0..self.jobs).map(spawn).collect();
            threads.map(drop)
        })
        .map_err(|error| Failure::new(INTERNAL, format!("no thread can be started: {error}")))?;
        drop(bar);
        let State { laws, broken, .. } = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut records = Vec::new();
        for (number, (at, seed, what)) in broken.into_iter().enumerate() {
            let subject = &subjects[at];
            let case = match self.out {
                Some(out) => self.keep(out, number, subject, (seed, &what))?,
                None => None,
            };
            let case = case.map(|file| file.display().to_string());
            records.push(BrokenRecord { law: subject.name.clone(), seed, what, case });
        }
        let mut run = run_record(self.jobs);
        run.seconds.insert("all".to_owned(), started.elapsed().as_secs_f64());
        let holds = records.is_empty();
        let (seed, subject) = (self.seed, of.to_owned());
        Ok(LawsAnswer { build: Build::this(), run, seed, subject, holds, laws, broken: records })
    }

    /// Keeps a failure, as small as it becomes; its case.toml.
    fn keep(
        &self,
        out: &Path,
        number: usize,
        subject: &Subject,
        (seed, what): (u64, &str),
    ) -> Result<Option<PathBuf>, Failure> {
        let Some((mut case, holds)) = (subject.case)(seed) else { return Ok(None) };
        if let Some(fails) = &subject.fails {
            let begun = Instant::now();
            let stop = || begun.elapsed() > SHRINKING || interrupt::stopped();
            case = shrink(&case, &mut |case| fails(case, seed), &stop);
        }
        let law = subject.name.clone();
        let file = CaseFile { law, seed, what: what.to_owned(), holds, ..CaseFile::default() };
        keep(&out.join(format!("{}-{number}", subject.name)), &case, file)
    }
}

/// Writes a case's files and case.toml to a folder; `None` where no file holds its network exactly.
pub(super) fn keep(folder: &Path, case: &Case, file: CaseFile) -> Result<Option<PathBuf>, Failure> {
    let Some((model, property)) = case.model().zip(case.property()) else { return Ok(None) };
    std::fs::create_dir_all(folder).map_err(|why| Failure::create(folder, why))?;
    let [network, statement] = ["case.onnx", "case.vnnlib"].map(str::to_owned);
    let certus = env!("CARGO_PKG_VERSION").to_owned();
    let file = CaseFile { certus, network, property: statement, ..file };
    let text =
        toml::to_string_pretty(&file).map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
    let toml = folder.join("case.toml");
    for (path, bytes) in [
        (folder.join(&file.network), model),
        (folder.join(&file.property), property.as_bytes()),
        (toml.clone(), text.as_bytes()),
    ] {
        std::fs::write(&path, bytes).map_err(|why| Failure::write(&path, why))?;
    }
    Ok(Some(toml))
}

/// What is known so far.
struct State {
    laws: Vec<LawRecord>,
    /// Cases begun.
    next: Vec<u64>,
    /// Subjects without more cases, or with failures enough.
    over: Vec<bool>,
    /// Seconds of those begun; a case counts a little before it is done.
    busy: Vec<f64>,
    broken: Vec<(usize, u64, String)>,
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// The subject that had least time, and its next seed.
    fn take(&mut self, first: u64) -> Option<(usize, u64)> {
        let open = (0..self.laws.len()).filter(|&at| !self.over[at]);
        let at = open.min_by(|&a, &b| self.busy[a].total_cmp(&self.busy[b]))?;
        let seed = first.wrapping_add(self.next[at]);
        self.next[at] += 1;
        self.busy[at] += 1e-4;
        Some((at, seed))
    }

    fn enter(&mut self, at: usize, seed: u64, said: Option<Result<Checked, String>>, seconds: f64) {
        self.busy[at] += seconds;
        let law = &mut self.laws[at];
        law.seconds += seconds;
        let Some(said) = said else {
            self.over[at] = true;
            return;
        };
        law.cases += 1;
        match said {
            Ok(checked) => {
                law.comparisons += checked.comparisons;
                checked
                    .skipped
                    .into_iter()
                    .for_each(|why| *law.skipped.entry(why.to_owned()).or_default() += 1);
            }
            Err(what) => {
                law.broken += 1;
                self.over[at] |= law.broken >= MOST_BROKEN;
                self.broken.push((at, seed, what));
            }
        }
    }

    fn cases(&self) -> usize {
        self.laws.iter().map(|law| law.cases).sum()
    }
}

/// The exit code of what was found.
pub(super) fn code(answer: &LawsAnswer) -> u8 {
    if answer.holds { DONE } else { INTERNAL }
}
