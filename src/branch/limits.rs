//! When to stop: time, memory, or because somebody asked.

use std::fmt;
use std::time::{Duration, Instant};

/// Why a query was not decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The strongest bound that the method allows does not suffice.
    BoundTooWeak,
    /// The time limit passed.
    TimeLimit,
    /// The domains still open would not fit into the memory limit.
    MemoryLimit,
    /// As many domains as the caller allows were bounded.
    DomainLimit,
    /// As much work as the caller allows was done.
    WorkLimit,
    /// The domains cannot be split further in double precision.
    Resolution,
    /// A function may be asked for a value outside of its domain.
    Undefined,
    /// A number may overflow in single precision.
    Overflow,
    /// A solver gave up: numerical trouble, or there is none.
    SolverGaveUp,
    /// The caller asked to stop.
    Cancelled,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::BoundTooWeak => "bound too weak",
            Self::TimeLimit => "time limit",
            Self::MemoryLimit => "memory limit",
            Self::DomainLimit => "domain limit",
            Self::WorkLimit => "work limit",
            Self::Resolution => "domains too small to split",
            Self::Undefined => {
                "a logarithm, root or quotient may leave its domain on the region (make the region smaller)"
            }
            Self::Overflow => "a number may overflow in single precision",
            Self::SolverGaveUp => "the solver gave up",
            Self::Cancelled => "cancelled",
        })
    }
}

/// Limits of one query.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// When time is up.
    pub deadline: Option<Instant>,
    /// Bytes that open domains may take.
    pub memory: usize,
    /// Domains that may be bounded, of the whole query. Unlike time, it gives the same answer on every machine.
    pub domains: usize,
    /// Multiplications that the whole query may take, about: counted, not timed, so that this gives the same answer on every machine, too.
    pub work: f64,
    /// Asked often; `true` stops the query.
    pub cancel: &'a (dyn Fn() -> bool + Sync),
}

/// What a query has taken of its limits.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Domains bounded.
    pub domains: usize,
    /// Multiplications, about.
    pub work: f64,
}

/// Memory for open domains where the caller names none: 1 GiB.
pub const DEFAULT_MEMORY: usize = 1 << 30;

impl<'a> Limits<'a> {
    /// Limits from now on: time, and the defaults for the rest.
    #[must_use]
    pub fn starting_now(timeout: Option<Duration>, cancel: &'a (dyn Fn() -> bool + Sync)) -> Self {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Self { deadline, memory: DEFAULT_MEMORY, domains: usize::MAX, work: f64::INFINITY, cancel }
    }

    /// What is left of them for others.
    #[must_use]
    pub fn less(&self, spent: Spent) -> Self {
        let domains = self.domains.saturating_sub(spent.domains);
        Self { domains, work: (self.work - spent.work).max(0.0), ..*self }
    }

    /// Why no more is to be spent, if there is a reason.
    #[must_use]
    pub fn spent(&self, spent: Spent) -> Option<Reason> {
        if spent.domains >= self.domains {
            Some(Reason::DomainLimit)
        } else {
            (spent.work >= self.work).then_some(Reason::WorkLimit)
        }
    }

    /// The time left; `None` where there is no deadline.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Why to stop now, if there is a reason.
    #[must_use]
    pub fn passed(&self) -> Option<Reason> {
        if (self.cancel)() {
            Some(Reason::Cancelled)
        } else if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Some(Reason::TimeLimit)
        } else {
            None
        }
    }
}
