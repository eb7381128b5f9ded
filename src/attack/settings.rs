//! What an attack may do: which one, how many restarts and steps, which loss.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Which attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AttackKind {
    /// Projected gradient descent (Madry et al. 2018) with momentum (Dong et al. 2018).
    #[default]
    Pgd,
    /// One step of the size of the region (Goodfellow et al. 2015).
    Fgsm,
    /// No attack.
    None,
}

/// A text that names no attack.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is no attack; there are pgd, fgsm and none")]
pub struct UnknownAttack(String);

impl FromStr for AttackKind {
    type Err = UnknownAttack;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pgd" => Ok(Self::Pgd),
            "fgsm" => Ok(Self::Fgsm),
            "none" => Ok(Self::None),
            _ => Err(UnknownAttack(text.to_owned())),
        }
    }
}

impl fmt::Display for AttackKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pgd => "pgd",
            Self::Fgsm => "fgsm",
            Self::None => "none",
        })
    }
}

/// How the step shrinks from its first size α over T steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Schedule {
    /// α.
    Constant,
    /// α (1 + cos(π t/T)) / 2.
    #[default]
    Cosine,
    /// α (1 − t/T).
    Linear,
}

impl Schedule {
    /// The factor of the first step's size at step `t` of `steps`.
    #[must_use]
    pub fn factor(self, t: usize, steps: usize) -> f64 {
        let progress = t as f64 / steps.max(1) as f64;
        match self {
            Self::Constant => 1.0,
            // libm's cosine is the same code everywhere: an attack's result must not depend on the platform.
            Self::Cosine => 0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress)),
            Self::Linear => 1.0 - progress,
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Constant => "constant",
            Self::Cosine => "cosine",
            Self::Linear => "linear",
        })
    }
}

/// What an attack minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Loss {
    /// The signed distance to the unsafe set; for a classifier the margin of Carlini and Wagner (2017).
    #[default]
    Margin,
    /// The log-probability of the label (untargeted), or minus that of the target. Where the unsafe set is no set of
    /// margins of one label, the margin loss takes its place.
    CrossEntropy,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Margin => "margin",
            Self::CrossEntropy => "cross-entropy",
        })
    }
}

/// The settings of an attack on one claim.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackSettings {
    /// Which attack.
    pub kind: AttackKind,
    /// Starting points: the region's centre first, random points after it. At least 1.
    pub restarts: usize,
    /// Steps from each starting point.
    pub steps: usize,
    /// Size of the first step, in half-widths of the region, coordinate by coordinate.
    pub step: f64,
    /// The factor μ of the accumulated direction; 0 for none.
    pub momentum: f64,
    /// How the step shrinks.
    pub schedule: Schedule,
    /// What is minimised.
    pub loss: Loss,
    /// Whether, where the untargeted attack failed, the closest polytopes are attacked one by one.
    pub targeted: bool,
}

impl Default for AttackSettings {
    /// Cheap enough for every input of a campaign: 2 restarts of 40 steps, untargeted then targeted.
    fn default() -> Self {
        Self {
            kind: AttackKind::Pgd,
            restarts: 2,
            steps: 40,
            step: 0.5,
            momentum: 0.75,
            schedule: Schedule::Cosine,
            loss: Loss::Margin,
            targeted: true,
        }
    }
}

impl AttackSettings {
    /// For a single query that is worth a second: more restarts and steps.
    #[must_use]
    pub fn thorough() -> Self {
        Self { restarts: 64, steps: 100, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in [AttackKind::Pgd, AttackKind::Fgsm, AttackKind::None] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let message = "square".parse::<AttackKind>().unwrap_err().to_string();
        assert!(message.contains("square") && message.contains("pgd"));
    }

    #[test]
    fn schedules_start_at_one_and_never_grow() {
        for schedule in [Schedule::Constant, Schedule::Cosine, Schedule::Linear] {
            let factors: Vec<f64> = (0..10).map(|t| schedule.factor(t, 10)).collect();
            assert_eq!(factors[0], 1.0, "{schedule}");
            assert!(factors.windows(2).all(|w| w[1] <= w[0] && w[1] > 0.0), "{schedule}");
        }
    }
}
