//! Progress: a bar with a live tally on a terminal, now and then a line where stderr is a file.

use crate::audit::{Audit, Entry, Found, Line, RadiusRow, Row, Step, VerdictName};
use crate::num::to_f64_nearest;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// Is told how many things are done, out of how many, and how it stands.
pub(super) type Told<'a> = &'a (dyn Fn(usize, usize, &str) + Sync);

/// How far something is.
pub(super) struct Bar<'a> {
    bar: Option<ProgressBar>,
    told: Option<Told<'a>>,
    quiet: bool,
    total: usize,
    unit: &'static str,
    state: Mutex<(usize, Instant)>,
}

impl<'a> Bar<'a> {
    /// Of `total` things, `done` are done; `unit` says of what, with a space before it.
    pub(super) fn new(total: usize, done: usize, unit: &'static str, quiet: bool) -> Self {
        let bar = (!quiet && io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template(&format!(
                "{{bar:24.cyan/dim}} {{pos}}/{{len}}{unit} {{elapsed}} (left {{eta}})  {{msg}}"
            ));
            let bar = ProgressBar::new(total as u64);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_position(done as u64);
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self { bar, told: None, quiet, total, unit, state: Mutex::new((done, Instant::now())) }
    }

    /// The same where a program is told, and nobody else.
    pub(super) fn telling(told: Told<'a>, total: usize, done: usize) -> Self {
        told(done, total, "");
        let state = Mutex::new((done, Instant::now()));
        Self { bar: None, told: Some(told), quiet: true, total, unit: "", state }
    }

    /// One more thing is done, and this is how it stands.
    pub(super) fn add(&self, message: impl Into<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        if let Some(told) = self.told {
            told(state.0, self.total, &message.into());
        } else if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(message.into());
        } else if !self.quiet && state.1.elapsed() >= PAUSE {
            state.1 = Instant::now();
            let (done, total, unit, message) = (state.0, self.total, self.unit, message.into());
            let _ = writeln!(io::stderr(), "certus: {done}/{total}{unit}: {message}");
        }
    }

    /// A message beside the bar.
    pub(super) fn message(&self, message: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(message);
        }
    }

    /// A line above the bar.
    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => drop(writeln!(io::stderr(), "certus: {line}")),
        }
    }

    /// Whether there is a bar.
    pub(super) fn is_shown(&self) -> bool {
        self.bar.is_some()
    }
}

/// The bar goes where what it tells of ends.
impl Drop for Bar<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What is finished so far, in a few words.
pub(super) trait Tally: Send {
    /// What is finished.
    type Line: Line;

    /// One more; whether an input more is done, or begun where a line is a step.
    fn add(&mut self, line: &Self::Line) -> bool;

    /// The words.
    fn words(&self) -> String;

    /// What became of one, where every input is told of.
    fn tell(&self, line: &Self::Line) -> String;
}

/// The inputs so far, by verdict.
#[derive(Default)]
pub(super) struct Verdicts {
    broken: usize,
    certified: usize,
    undecided: usize,
}

impl Tally for Verdicts {
    type Line = Row;

    fn add(&mut self, row: &Row) -> bool {
        match row.verdict {
            VerdictName::Misclassified => {}
            VerdictName::Falsified => self.broken += 1,
            VerdictName::Certified => self.certified += 1,
            VerdictName::Unknown => self.undecided += 1,
        }
        true
    }

    fn tell(&self, row: &Row) -> String {
        let by = row.stage.as_ref().map_or(String::new(), |stage| format!(" by {stage}"));
        let why = row.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        let name = format!("{:?}", row.verdict).to_lowercase();
        format!("input {}: {name}{by}{why} ({:.3} s)", row.index, row.seconds)
    }

    fn words(&self) -> String {
        let Self { broken, certified, undecided } = self;
        let correct = broken + certified + undecided;
        format!(
            "correct {correct} · broken {broken} · certified {certified} · undecided {undecided}"
        )
    }
}

/// The inputs so far, by what their radius is enclosed in.
#[derive(Default)]
pub(super) struct Radii {
    correct: usize,
    certified: f64,
    attacked: f64,
    broken: usize,
}

impl Tally for Radii {
    type Line = RadiusRow;

    fn add(&mut self, row: &RadiusRow) -> bool {
        if row.correct {
            self.correct += 1;
            self.certified += to_f64_nearest(&row.certified());
            if let Some(attacked) = row.attacked() {
                self.attacked += to_f64_nearest(&attacked);
                self.broken += 1;
            }
        }
        true
    }

    fn tell(&self, row: &RadiusRow) -> String {
        if !row.correct {
            return format!("input {}: misclassified", row.index);
        }
        let certified = to_f64_nearest(&row.certified());
        let attacked = row.attacked().map(|radius| to_f64_nearest(&radius));
        let attacked = attacked.map_or("nothing".to_owned(), |radius| format!("{radius:.4}"));
        format!("input {}: certified up to {certified:.4}, broken from {attacked} on", row.index)
    }

    fn words(&self) -> String {
        let mean = |sum: f64, count: usize| if count == 0 { 0.0 } else { sum / count as f64 };
        format!(
            "correct {} · mean radius certified {:.4} · attacked {:.4} of {}",
            self.correct,
            mean(self.certified, self.correct),
            mean(self.attacked, self.broken),
            self.broken
        )
    }
}

/// The subject that was begun last.
pub(super) struct Subjects<'a> {
    pub(crate) audit: &'a Audit<'a>,
    pub(crate) last: Option<usize>,
}

impl Tally for Subjects<'_> {
    type Line = Entry;

    fn add(&mut self, entry: &Entry) -> bool {
        if entry.step == Step::Clean {
            self.last = Some(entry.subject);
        }
        entry.step == Step::Clean
    }

    fn tell(&self, entry: &Entry) -> String {
        let (subject, index) = (entry.subject, entry.index);
        let what = match &entry.found {
            Found::Verdict { finding, .. } => format!(": {}", finding.word()),
            _ => String::new(),
        };
        format!("subject {subject}, input {index}, {:?}{what}", entry.step)
    }

    fn words(&self) -> String {
        let Audit { plan, subjects, .. } = self.audit;
        let Some(subject) = self.last.map(|at| &subjects[at]) else { return String::new() };
        format!("{} on {}", plan.models[subject.model].name, plan.data[subject.data].name)
    }
}
