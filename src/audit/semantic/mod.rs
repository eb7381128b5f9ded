//! Semantic perturbations, proved: brightness, contrast, haze and covered patches.
//!
//! Such a perturbation moves every pixel, but by few parameters p: the perturbed image is x₀ + D p, cut to the valid range. An
//! affine layer and the cuts (affine maps and ReLUs, so exactly) stand in front of the network, and the question whether the
//! label holds for every p of a box is one about few inputs, which splitting them decides completely (Mohapatra et al.,
//! *Towards Verifying Robustness of Neural Networks Against A Family of Semantic Perturbations*, CVPR 2020).
//!
//! The exact image lies in the box of parameters (at p = 0, or where the patch has its own values), so what is
//! certified is classified correctly to begin with, except where a patch of more than one value is covered with one colour.

mod compose;
mod perturbation;

pub use compose::{SemanticError, SemanticQuery};
pub use perturbation::{Fill, Patch, Perturbation, PerturbationError, Scene};

use super::Finding;
use super::finding::decide;
use super::run::input_seed;
use crate::attack::Counterexample;
use crate::net::Network;
use crate::verify::{AssuranceLevel, Settings, Verdict};

/// What was found about all perturbations together.
#[derive(Debug)]
pub struct SemanticFound {
    /// Certified where every perturbation is, falsified where one is.
    pub finding: Finding,
    /// The stage that decided, of the perturbation decided last.
    pub stage: Option<String>,
    /// The least margin proved over all perturbations that were bounded; `None` where none was.
    pub bound: Option<f64>,
    /// What broke the label.
    pub broken: Option<Broken>,
}

/// A perturbed image that does not get the label.
#[derive(Debug)]
pub struct Broken {
    /// Position of the perturbation among those asked about.
    pub perturbation: usize,
    /// Its parameters, and the network's outputs there.
    pub counterexample: Counterexample,
    /// The image at these parameters, rounded to nearest.
    pub image: Vec<f64>,
}

/// Whether the label holds under every one of several perturbations, such as a patch at any of its places; each is a query of
/// its own with the settings' time limit. Ends at the first that is falsified. `None` where `cancel` became true.
///
/// # Errors
/// Where a perturbation, the scene and the network do not fit each other.
pub fn certify(
    network: &Network,
    scene: &Scene,
    label: usize,
    perturbations: &[Perturbation],
    settings: &Settings,
    cancel: &(dyn Fn() -> bool + Sync),
) -> Result<Option<SemanticFound>, SemanticError> {
    let mut level = AssuranceLevel::Mechanised;
    let (mut stage, mut bound, mut open) = (None, None::<f64>, None);
    for (at, perturbation) in perturbations.iter().enumerate() {
        let asked = SemanticQuery::new(network, scene, label, perturbation)?;
        let settings = Settings { seed: input_seed(settings.seed, at), ..settings.clone() };
        let Some(outcome) = decide(&asked.query, &settings, cancel) else { return Ok(None) };
        bound = match (bound, outcome.bound) {
            (Some(least), Some(here)) => Some(least.min(here)),
            (least, here) => least.or(here),
        };
        stage = outcome.stage.map(|stage| stage.to_string()).or(stage);
        match outcome.verdict {
            Verdict::Certified(certificate) => level = level.min(certificate.level()),
            Verdict::Unknown(why) => open = open.or(Some(why.reason.to_string())),
            Verdict::Falsified(counterexample) => {
                let image = asked.image(counterexample.input());
                let counterexample = *counterexample;
                let broken = Some(Broken { perturbation: at, counterexample, image });
                let finding = Finding::Falsified;
                return Ok(Some(SemanticFound { finding, stage, bound: None, broken }));
            }
        }
    }
    let finding = match open {
        Some(reason) => {
            stage = None;
            Finding::Unknown(reason)
        }
        None if perturbations.is_empty() => Finding::Unknown("no perturbation".to_owned()),
        None => Finding::Certified(level),
    };
    Ok(Some(SemanticFound { finding, stage, bound, broken: None }))
}
