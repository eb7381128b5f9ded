//! Progress of an audit: a bar on a terminal, now and then a line where stderr is a file.

use crate::audit::{Audit, Entry, Step};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// Shows how far an audit is: inputs that were begun, of all models.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    silent: bool,
    total: usize,
    names: Vec<String>,
    state: Mutex<(usize, Instant)>,
}

impl Progress {
    /// Of an audit's steps, those of `held` are done.
    pub fn new(audit: &Audit, held: &[Entry], quiet: bool) -> Self {
        let total = audit.subjects.iter().map(|subject| subject.inputs).sum();
        let done = held.iter().filter(|entry| entry.step == Step::Clean).count();
        let name = |subject: &crate::audit::Subject| {
            format!(
                "{} on {}",
                audit.plan.models[subject.model].name, audit.plan.data[subject.data].name
            )
        };
        let bar = (!quiet && io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template(
                "{bar:24.cyan/dim} {pos}/{len} inputs {elapsed} (left {eta})  {msg}",
            );
            let bar = ProgressBar::new(total as u64);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_position(done as u64);
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self {
            bar,
            silent: quiet,
            total,
            names: audit.subjects.iter().map(name).collect(),
            state: Mutex::new((done, Instant::now())),
        }
    }

    /// One more step is done.
    pub fn add(&self, entry: &Entry) {
        if entry.step != Step::Clean {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        let name = &self.names[entry.subject];
        if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(name.clone());
        } else if !self.silent && state.1.elapsed() >= PAUSE {
            state.1 = Instant::now();
            let (done, total) = (state.0, self.total);
            let _ = writeln!(io::stderr(), "certus: {done}/{total} inputs: {name}");
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
