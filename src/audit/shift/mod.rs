//! Shifts: how accuracy falls when inputs are corrupted as cameras, sensors and weather do it.
//!
//! With clean accuracy a and accuracy a' at one corruption and severity, the *absolute drop* is a − a' and the *relative drop*
//! (a − a') / a. Both are figures of these inputs and this seed, not bounds; [`super::semantic`] proves some of them.

mod corruption;
mod frame;

pub use corruption::{Corruption, Severity, UnknownCorruption};
pub use frame::{Frame, Image};

use super::{Share, predict};
use crate::net::Network;

/// The accuracy under one corruption at one severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shifted {
    /// What was done to the inputs.
    pub corruption: Corruption,
    /// How strongly.
    pub severity: Severity,
    /// Correct / all.
    pub accuracy: Share,
}

impl Shifted {
    /// a − a'; negative where the corruption helps, `None` where there are no inputs.
    #[must_use]
    pub fn absolute_drop(&self, clean: Share) -> Option<f64> {
        Some(clean.value()? - self.accuracy.value()?)
    }

    /// (a − a') / a; `None` where a is 0 or there are no inputs.
    #[must_use]
    pub fn relative_drop(&self, clean: Share) -> Option<f64> {
        let clean_value = clean.value().filter(|a| *a > 0.0)?;
        Some(self.absolute_drop(clean)? / clean_value)
    }
}

/// A network and the inputs to corrupt.
pub struct Shift<'a> {
    /// The network, with normalisation folded in.
    pub network: &'a Network,
    /// Label and point of an input.
    pub sample: &'a (dyn Fn(usize) -> (usize, Vec<f64>) + Sync),
    /// The inputs are 0..count.
    pub count: usize,
    /// What the numbers of an input are.
    pub frame: &'a Frame,
    /// Seed of everything random; each input has its own by [`super::input_seed`].
    pub seed: u64,
}

impl Shift<'_> {
    /// The accuracy under one corruption at one severity, in parallel on the current rayon pool. `None` where the corruption
    /// does not apply to such inputs ([`Corruption::applies_to`]), or `cancel` became true.
    ///
    /// # Panics
    /// Where points do not fit the frame or the network.
    #[must_use]
    pub fn accuracy(
        &self,
        corruption: Corruption,
        severity: Severity,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Option<Shifted> {
        if !corruption.applies_to(self.frame) {
            return None;
        }
        let corrupted = |index| {
            let (label, x) = (self.sample)(index);
            let y = corruption.apply(&x, self.frame, severity, self.seed, index);
            (label, y.unwrap_or(x))
        };
        let predictions = predict(self.network, self.count, &corrupted, cancel)?;
        let count = predictions.iter().filter(|p| p.correct()).count();
        Some(Shifted { corruption, severity, accuracy: Share { count, total: self.count } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_of_the_clean_accuracy() {
        let share = |count| Share { count, total: 10 };
        let severity = Severity::ALL[0];
        let shifted =
            |count| Shifted { corruption: Corruption::Blur, severity, accuracy: share(count) };
        assert_eq!(shifted(6).absolute_drop(share(8)), Some(0.8 - 0.6));
        assert_eq!(shifted(6).relative_drop(share(8)), Some((0.8 - 0.6) / 0.8));
        assert!(shifted(9).absolute_drop(share(8)).unwrap() < 0.0);
        assert_eq!(shifted(0).relative_drop(share(0)), None);
    }
}
