//! Who else accepts a proof: after the fast arithmetic the exact one, or the verified checker.

use super::{Mode, NotProved, NotVerified, Phase, Proof, Question, Verified, stream};
use std::io::{self, BufRead, Read};
use std::time::{Duration, Instant};

/// The strongest of the checkers that accepted a proof, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checker {
    /// `certus-check` in f64, every rounding charged.
    Outward,
    /// `certus-check` without any rounding.
    Exact,
    /// The checker that is extracted from its proof in Rocq, which is exact too.
    Verified,
}

/// What is asked of the checkers that come after the first.
#[derive(Clone, Copy)]
pub struct Further<'a> {
    /// How long the search took; [`Duration::MAX`] for checkers that may take any time, as nothing shall depend on it.
    pub search: Duration,
    /// The verified checker, where it is to be asked.
    pub verified: Option<&'a Verified>,
    /// Asked often; `true` stops them.
    pub cancel: &'a (dyn Fn() -> bool + Sync),
}

/// Exact arithmetic may take so many times what the search took,
const TIMES: u32 = 10;
/// and this long in any case.
const LEAST: Duration = Duration::from_secs(1);
/// It takes at least so many times what the fast arithmetic takes.
const SLOWER: u32 = 5;
/// The verified checker may take this long for one proof.
const PATIENCE: Duration = Duration::from_secs(600);

impl Question {
    /// The strongest checker that accepts a proof, which `certus-check` accepted by `mode` in this time; and why no stronger one does. The verified
    /// checker goes first, as the exact arithmetic adds nothing to its word.
    pub(super) fn further(
        &self,
        proof: &Proof,
        (mode, took): (Mode, Duration),
        further: &Further,
        watch: &dyn Fn(Phase),
    ) -> (Checker, Option<String>) {
        watch(Phase::Check);
        let mut doubts = Vec::new();
        if let Some(verified) = further.verified {
            let forever = further.search == Duration::MAX;
            let stop = until(if forever { Duration::MAX } else { PATIENCE }, further);
            let mut write = |out: &mut dyn io::Write| proof.write(out);
            match verified.check(self, &mut write, &stop) {
                Ok(()) => return (Checker::Verified, None),
                Err(NotVerified::Stopped) => {
                    doubts.push(format!("{} ({} s)", NotVerified::Stopped, PATIENCE.as_secs()));
                }
                Err(why) => doubts.push(why.to_string()),
            }
        }
        let by = if mode == Mode::Exact {
            Checker::Exact
        } else {
            match self.exactly(proof, took, further) {
                Ok(()) => Checker::Exact,
                Err(why) => {
                    doubts.push(why);
                    Checker::Outward
                }
            }
        };
        (by, (!doubts.is_empty()).then(|| doubts.join("; ")))
    }

    /// Whether exact arithmetic accepts a proof, in the time that it may take; else why not.
    fn exactly(&self, proof: &Proof, took: Duration, further: &Further) -> Result<(), String> {
        let allowed = LEAST.max(further.search.saturating_mul(TIMES));
        let dear = || format!("exact arithmetic would take more than {TIMES} times the search");
        if took.saturating_mul(SLOWER) > allowed {
            return Err(dear());
        }
        let stop = until(allowed, further);
        let check = |inner: stream::Reader| self.check(Until { inner, stop: &stop }, Mode::Exact);
        match stream::through_pipe(proof, check) {
            Ok(_) => Ok(()),
            Err(_) if (further.cancel)() => Err("exact arithmetic was stopped".to_owned()),
            Err(_) if stop() => Err(dear()),
            Err(NotProved::Rejected(rejected)) => Err(format!("exact arithmetic: {rejected}")),
            Err(why) => Err(why.to_string()),
        }
    }
}

/// Whether to stop, from now on.
fn until<'a>(allowed: Duration, further: &Further<'a>) -> impl Fn() -> bool + use<'a> {
    let (cancel, end) = (further.cancel, Instant::now().checked_add(allowed));
    move || cancel() || end.is_some_and(|end| Instant::now() >= end)
}

/// A text that ends in an error once its reader should stop.
struct Until<'a, R> {
    inner: R,
    stop: &'a dyn Fn() -> bool,
}

/// Bytes between two looks at the clock.
const PIECE: usize = 512;

impl<R: BufRead> BufRead for Until<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if (self.stop)() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let all = self.inner.fill_buf()?;
        Ok(&all[..all.len().min(PIECE)])
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Until<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut part = self.fill_buf()?;
        let count = part.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;
    use std::cell::Cell;
    use std::path::Path;

    #[test]
    fn exact_arithmetic_is_asked_where_it_is_not_too_dear() {
        let model = Path::new("models/control/mlp_plain.onnx");
        let property = Path::new("proofs/samples/torque.vnnlib");
        let [net, asked] = [model, property].map(|file| std::fs::read(file).unwrap());
        let question = Question::new(&net, &asked).unwrap();
        // One that shows nothing.
        let proof = Proof::unknown(&Query::open(model, property).unwrap());
        let says = |took: Duration, cancel: &(dyn Fn() -> bool + Sync)| {
            let further = Further { search: Duration::from_secs(1), verified: None, cancel };
            question.further(&proof, (Mode::Outward, took), &further, &|_| ())
        };
        for (took, cancelled, why) in [
            (Duration::ZERO, false, "exact arithmetic: rejected at 0:"),
            (Duration::from_secs(2), false, "exact arithmetic: rejected at 0:"),
            (Duration::from_secs(3), false, "more than 10 times the search"),
            (Duration::ZERO, true, "exact arithmetic was stopped"),
        ] {
            let (by, doubt) = says(took, &|| cancelled);
            assert!(doubt.unwrap().contains(why), "{why}");
            assert_eq!(by, Checker::Outward);
        }
    }

    #[test]
    fn a_text_ends_where_time_is_up() {
        let text = vec![b'a'; 10 * PIECE];
        let left = Cell::new(4);
        let stop = || left.replace(left.get() - 1) == 0;
        let mut until = Until { inner: text.as_slice(), stop: &stop };
        let mut read = Vec::new();
        let error = until.read_until(b'\n', &mut read).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(read, text[..4 * PIECE]);
        let mut whole = String::new();
        Until { inner: text.as_slice(), stop: &|| false }.read_to_string(&mut whole).unwrap();
        assert_eq!(whole.as_bytes(), text);
    }
}
