//! Shifts: how accuracy falls when inputs are corrupted as cameras, sensors and weather do it.
//!
//! With clean accuracy a and accuracy a' at one corruption and severity, the *absolute drop* is a − a' and the *relative drop*
//! (a − a') / a. Both are figures of these inputs and this seed, not bounds; [`super::semantic`] proves some of them.

mod corruption;
mod frame;

pub use corruption::{Corruption, Severity, UnknownCorruption};
pub use frame::{Frame, Image};

use super::Share;
use super::interval::Counted;
use serde::{Deserialize, Serialize};

/// Accuracy under one corruption at one severity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shifted {
    pub corruption: String,
    /// 1 to 5.
    pub severity: u8,
    /// How strong that is.
    pub parameter: f64,
    /// Correct / all.
    pub accuracy: Counted,
    /// a − a'; negative where the corruption helps, `None` where there are no inputs.
    pub absolute_drop: Option<f64>,
    /// (a − a') / a; `None` where a is 0 or there are no inputs.
    pub relative_drop: Option<f64>,
}

impl Shifted {
    pub(crate) fn new(
        corruption: Corruption,
        severity: Severity,
        accuracy: Share,
        clean: Share,
    ) -> Self {
        let drop = clean.value().zip(accuracy.value()).map(|(a, b)| a - b);
        let clean = clean.value().filter(|a| *a > 0.0);
        Self {
            corruption: corruption.to_string(),
            severity: severity.number(),
            parameter: corruption.parameter(severity),
            accuracy: accuracy.into(),
            absolute_drop: drop,
            relative_drop: drop.zip(clean).map(|(drop, clean)| drop / clean),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_of_the_clean_accuracy() {
        let share = |count| Share { count, total: 10 };
        let drops = |count, clean| {
            let severity = Severity::ALL[0];
            let found = Shifted::new(Corruption::Blur, severity, share(count), share(clean));
            (found.absolute_drop, found.relative_drop)
        };
        assert_eq!(drops(6, 8), (Some(0.8 - 0.6), Some((0.8 - 0.6) / 0.8)));
        assert!(drops(9, 8).0.unwrap() < 0.0);
        assert_eq!(drops(0, 0).1, None);
    }
}
