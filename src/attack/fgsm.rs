//! The fast gradient sign method: one step of the whole half-width from the centre, to a corner of the region.

use super::problem::Problem;
use super::{AttackSettings, Counterexample, Motion, Schedule, pgd};

/// x = c − h ⊙ sign ∇L(c), c the centre and h the half-widths of the region (Goodfellow, Shlens and Szegedy,
/// *Explaining and Harnessing Adversarial Examples*, ICLR 2015).
///
/// It is projected gradient descent with a single full step and no momentum. Restarts after the first begin at random
/// points, as in Tramèr et al., *Ensemble Adversarial Training* (ICLR 2018).
pub(super) fn search(
    problem: &Problem,
    settings: &AttackSettings,
    seed: u64,
) -> Option<Counterexample> {
    let single = AttackSettings {
        steps: 1,
        motion: Some(Motion { step: 1.0, finer: 1.0, momentum: 0.0 }),
        schedule: Schedule::Constant,
        ..settings.clone()
    };
    pgd::search(problem, &single, seed)
}
