//! What an attack may do: which one, how many restarts and steps, which loss.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Which attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum AttackKind {
    /// Projected gradient descent (Madry et al. 2018), with momentum (Dong et al. 2018) where it is asked for.
    #[default]
    Pgd,
    /// One step of the size of the region (Goodfellow et al. 2015).
    Fgsm,
    /// Auto-PGD (Croce and Hein 2020): no step size to choose. On the cross-entropy, then on the margin, also towards the
    /// second class.
    ApgdCe,
    /// Auto-PGD on the difference of logits ratio, then on the cross-entropy and the margin; where that fails, towards
    /// single classes.
    ApgdDlr,
    /// The fast adaptive boundary attack (Croce and Hein 2020): the smallest perturbation, by steps along linearised
    /// decision boundaries.
    Fab,
    /// Random search that looks at outputs alone (Andriushchenko et al. 2020).
    Square,
    /// No attack.
    None,
}

impl AttackKind {
    /// All of them, `None` last.
    pub const ALL: [Self; 7] =
        [Self::Pgd, Self::Fgsm, Self::ApgdCe, Self::ApgdDlr, Self::Fab, Self::Square, Self::None];

    /// Whether it uses nothing but outputs: no gradient, no weights.
    #[must_use]
    pub fn is_black_box(self) -> bool {
        self == Self::Square
    }

    /// Whether it is a single step along a gradient.
    #[must_use]
    pub fn is_single_step(self) -> bool {
        self == Self::Fgsm
    }

    /// Whether it follows gradients over many steps.
    #[must_use]
    pub fn is_iterated(self) -> bool {
        matches!(self, Self::Pgd | Self::ApgdCe | Self::ApgdDlr | Self::Fab)
    }

    /// Every name, as a sentence lists them: "pgd, fgsm, … and none".
    #[must_use]
    pub fn names() -> String {
        let names = Self::ALL.map(|kind| kind.to_string());
        let (last, others) =
            names.split_last().map_or((String::new(), &names[..0]), |(l, o)| (l.clone(), o));
        format!("{} and {last}", others.join(", "))
    }
}

/// A text that names no attack.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is no attack; there are {names}", names = AttackKind::names())]
pub struct UnknownAttack(String);

impl FromStr for AttackKind {
    type Err = UnknownAttack;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|kind| kind.name() == text);
        named.ok_or_else(|| UnknownAttack(text.to_owned()))
    }
}

impl AttackKind {
    fn name(self) -> &'static str {
        match self {
            Self::Pgd => "pgd",
            Self::Fgsm => "fgsm",
            Self::ApgdCe => "apgd-ce",
            Self::ApgdDlr => "apgd-dlr",
            Self::Fab => "fab",
            Self::Square => "square",
            Self::None => "none",
        }
    }
}

impl fmt::Display for AttackKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
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
    Margin,
    /// The log-probability of the label (untargeted), or minus that of the target. Where the unsafe set is no set of
    /// margins of one label, the margin loss takes its place.
    #[default]
    CrossEntropy,
    /// The difference of logits ratio (Croce and Hein 2020, sections 4 and 4.1), which neither shifts nor scales of the
    /// outputs change. Where the unsafe set is no set of margins of one label, or has fewer than two of them, the margin
    /// loss takes its place.
    Dlr,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Margin => "margin",
            Self::CrossEntropy => "cross-entropy",
            Self::Dlr => "dlr",
        })
    }
}

/// How PGD moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// Size of the first step, in half-widths of the region, coordinate by coordinate; in a Euclidean ball a third of it, in
    /// radii.
    pub step: f64,
    /// The share of it that every second start takes: coarse steps cross plateaus, fine ones find narrow places.
    pub finer: f64,
    /// The factor μ of the accumulated direction; 0 for none.
    pub momentum: f64,
}

impl Motion {
    /// Towards another class: the stronger on images (docs/decisions.md).
    pub const CLASSES: Self = Self { step: 3.0, finer: 1.0, momentum: 0.0 };
    /// Towards anything else: the quicker on the benchmarks that have such claims.
    pub const OTHERS: Self = Self { step: 2.0, finer: 0.25, momentum: 0.5 };
}

/// The settings of an attack on one claim.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackSettings {
    /// Which attack.
    pub kind: AttackKind,
    /// Attacks that follow in order, each only where those before it found nothing ([`super::attack`]), or in any case
    /// ([`super::attack_suite`]).
    pub also: Vec<AttackKind>,
    /// Starting points: the region's centre first, random points after it; of a classifier PGD's and APGD's are all random, and
    /// a part of their steps begins at the centre. At least 1.
    pub restarts: usize,
    /// Steps from each starting point.
    pub steps: usize,
    /// What `square` may ask the network, from each starting point.
    pub queries: usize,
    /// How PGD moves; where it is not given, [`Motion::CLASSES`] if the claim is about one label and other classes, else
    /// [`Motion::OTHERS`].
    pub motion: Option<Motion>,
    /// How PGD's step shrinks.
    pub schedule: Schedule,
    /// What FGSM minimises, and PGD in its first steps; in the others that is the margin.
    pub loss: Loss,
    /// Whether, where the untargeted attack failed, the closest polytopes are attacked one by one.
    pub targeted: bool,
    /// Channels, height and width of an input that is an image, for `square`; where it is not given, those of a
    /// convolution that reads the input, and without one no features are neighbours.
    pub image: Option<[usize; 3]>,
}

impl Default for AttackSettings {
    /// Cheap enough for every input of a campaign: 2 restarts of 40 steps, untargeted then targeted; 1,000 queries.
    fn default() -> Self {
        Self {
            kind: AttackKind::Pgd,
            also: Vec::new(),
            restarts: 2,
            steps: 40,
            queries: 1_000,
            motion: None,
            schedule: Schedule::Cosine,
            loss: Loss::CrossEntropy,
            targeted: true,
            image: None,
        }
    }
}

impl AttackSettings {
    /// For a single query that is worth a second: more restarts and steps.
    #[must_use]
    pub fn thorough() -> Self {
        Self { restarts: 64, steps: 100, queries: 5_000, ..Self::default() }
    }

    /// All attacks asked for, in order, each once; none where only [`AttackKind::None`] is.
    #[must_use]
    pub fn kinds(&self) -> Vec<AttackKind> {
        let mut kinds = Vec::with_capacity(1 + self.also.len());
        for &kind in std::iter::once(&self.kind).chain(&self.also) {
            if kind != AttackKind::None && !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// The names of [`Self::kinds`], separated by commas; `none` where there is none.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<String> = self.kinds().iter().map(ToString::to_string).collect();
        if names.is_empty() { AttackKind::None.to_string() } else { names.join(",") }
    }

    /// The same with only this attack.
    #[must_use]
    pub fn only(&self, kind: AttackKind) -> Self {
        Self { kind, also: Vec::new(), ..self.clone() }
    }

    /// The same with these attacks; with none for an empty list.
    #[must_use]
    pub fn with(&self, kinds: &[AttackKind]) -> Self {
        let (kind, also) =
            kinds.split_first().map_or((AttackKind::None, &[][..]), |(k, a)| (*k, a));
        Self { kind, also: also.to_vec(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in AttackKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let message = "magic".parse::<AttackKind>().unwrap_err().to_string();
        assert!(
            message.contains("magic") && message.ends_with("fab, square and none"),
            "{message}"
        );
    }

    #[test]
    fn a_list_of_attacks_names_each_once() {
        use AttackKind::{Fab, None, Pgd, Square};
        let base = AttackSettings::default();
        assert_eq!(base.kinds(), [Pgd]);
        assert_eq!(base.with(&[Square, None, Fab, Square]).kinds(), [Square, Fab]);
        assert!(base.with(&[]).kinds().is_empty());
        assert_eq!(base.with(&[Square, Fab]).only(Pgd), base);
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
