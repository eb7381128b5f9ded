//! Shifts: how accuracy falls when inputs are corrupted as cameras, sensors and weather do it.
//!
//! With clean accuracy a and accuracy a' at one corruption and severity, the *absolute drop* is a − a' and the *relative drop*
//! (a − a') / a. Both are figures of these inputs and this seed, not bounds; [`super::semantic`] proves some of them.

mod corruption;
mod frame;

pub use corruption::{Corruption, Severity, UnknownCorruption};
pub use frame::{Frame, Image};

use super::Share;

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
