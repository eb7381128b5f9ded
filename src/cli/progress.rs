//! Progress of a campaign: a bar with a live tally on a terminal, now and then a line where stderr is a file.

use crate::audit::{Finding, RadiusRow, Row};
use crate::num::to_f64_nearest;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// The inputs so far, in a few numbers.
pub(super) trait Tally: Copy + Default + fmt::Display {
    /// What is known about an input.
    type Row;

    /// One more input.
    fn add(&mut self, row: &Self::Row);

    /// How many there are.
    fn total(&self) -> usize;
}

/// The inputs so far, by verdict.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Verdicts {
    misclassified: usize,
    broken: usize,
    certified: usize,
    undecided: usize,
}

impl Tally for Verdicts {
    type Row = Row;

    fn add(&mut self, row: &Row) {
        *match row.finding {
            Finding::Misclassified => &mut self.misclassified,
            Finding::Falsified => &mut self.broken,
            Finding::Certified(_) => &mut self.certified,
            Finding::Unknown(_) => &mut self.undecided,
        } += 1;
    }

    fn total(&self) -> usize {
        self.misclassified + self.correct()
    }
}

impl Verdicts {
    fn correct(&self) -> usize {
        self.broken + self.certified + self.undecided
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "correct {} · broken {} · certified {} · undecided {}",
            self.correct(),
            self.broken,
            self.certified,
            self.undecided
        )
    }
}

/// The inputs so far, by what their radius is enclosed in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Radii {
    misclassified: usize,
    correct: usize,
    certified: f64,
    attacked: f64,
    broken: usize,
}

impl Tally for Radii {
    type Row = RadiusRow;

    fn add(&mut self, row: &RadiusRow) {
        if !row.correct() {
            self.misclassified += 1;
            return;
        }
        self.correct += 1;
        self.certified += to_f64_nearest(&row.certified());
        if let Some(attacked) = row.attacked() {
            self.attacked += to_f64_nearest(&attacked);
            self.broken += 1;
        }
    }

    fn total(&self) -> usize {
        self.misclassified + self.correct
    }
}

impl fmt::Display for Radii {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = |sum: f64, count: usize| if count == 0 { 0.0 } else { sum / count as f64 };
        write!(
            f,
            "correct {} · mean radius certified {:.4} · attacked {:.4} of {}",
            self.correct,
            mean(self.certified, self.correct),
            mean(self.attacked, self.broken),
            self.broken
        )
    }
}

/// Shows how far a campaign is.
pub(super) struct Progress<T> {
    bar: Option<ProgressBar>,
    silent: bool,
    total: usize,
    state: Mutex<(T, Instant)>,
}

impl<T: Tally> Progress<T> {
    /// Of `total` inputs, those of `rows` are done.
    pub(super) fn new(total: usize, rows: &[T::Row], quiet: bool) -> Self {
        let mut tally = T::default();
        rows.iter().for_each(|row| tally.add(row));
        let bar = (!quiet && io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template(
                "{bar:24.cyan/dim} {pos}/{len} {elapsed} (left {eta})  {msg}",
            );
            let bar = ProgressBar::new(total as u64);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_position(rows.len() as u64);
            bar.reset_eta();
            bar.set_message(tally.to_string());
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self { bar, silent: quiet, total, state: Mutex::new((tally, Instant::now())) }
    }

    /// One more input is done.
    pub(super) fn add(&self, row: &T::Row) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.add(row);
        if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(state.0.to_string());
        } else if !self.silent && state.1.elapsed() >= PAUSE {
            state.1 = Instant::now();
            let tally = state.0;
            let _ = writeln!(io::stderr(), "certus: {}/{}: {tally}", tally.total(), self.total);
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
