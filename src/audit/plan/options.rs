//! The optional sections of a plan: shifts, semantic perturbations, radii, proofs, masked gradients.

use super::located::Section;
use super::read::{file, named};
use super::{PlanError, ProofPlan, RadiusPlan, SemanticKind, SemanticPlan};
use crate::audit::semantic::{Fill, Perturbation};
use crate::audit::shift::Corruption;
use crate::num::Rational;
use crate::verify::Method;
use num_traits::One;
use std::path::Path;

/// [shift]: which corruptions.
pub(super) fn shifts(root: &Section) -> Result<Vec<Corruption>, PlanError> {
    let Some(section) = root.section("shift")? else { return Ok(Vec::new()) };
    section.allow(&["kinds"])?;
    let Some(kinds) = section.texts("kinds")? else { return Ok(Corruption::ALL.to_vec()) };
    let kind = |text: &String| {
        text.parse().map_err(|error: crate::audit::shift::UnknownCorruption| {
            section.error("kinds", error.to_string())
        })
    };
    kinds.iter().map(kind).collect()
}

/// [[semantic]]: perturbations to be certified.
pub(super) fn semantics(root: &Section) -> Result<Vec<SemanticPlan>, PlanError> {
    let mut all = Vec::new();
    for (name, section) in named(root, "semantic")? {
        let kind = section.needed("kind")?;
        let fields: &[&str] = match kind.as_str() {
            "brightness" | "contrast" => &["by"],
            "light" => &["brightness", "contrast"],
            "haze" => &["up_to"],
            "occlusion" => &["side", "stride", "fill"],
            _ => {
                let problem = format!(
                    "'{kind}' is no perturbation; there are brightness, contrast, light, haze and occlusion"
                );
                return Err(section.error("kind", problem));
            }
        };
        section.allow(&[&["name", "kind", "inputs", "method"], fields].concat())?;
        let kind = match kind.as_str() {
            "brightness" => one(Perturbation::Brightness { by: size(&section, "by", false)? }),
            "contrast" => one(Perturbation::Contrast { by: size(&section, "by", true)? }),
            "haze" => one(Perturbation::Haze { up_to: size(&section, "up_to", true)? }),
            "light" => one(Perturbation::Light {
                brightness: size(&section, "brightness", false)?,
                contrast: size(&section, "contrast", true)?,
            }),
            _ => squares(&section)?,
        };
        all.push(SemanticPlan {
            name,
            kind,
            inputs: section.count("inputs")?,
            method: section.named("method")?.unwrap_or_default(),
        });
    }
    Ok(all)
}

fn one(perturbation: Perturbation) -> SemanticKind {
    SemanticKind::One(perturbation)
}

/// A positive size; a share is at most 1.
fn size(section: &Section, key: &str, share: bool) -> Result<Rational, PlanError> {
    let size = section.must(key, section.positive(key)?)?;
    if share && size > Rational::one() {
        return Err(section.error(key, "must be at most 1"));
    }
    Ok(size)
}

fn squares(section: &Section) -> Result<SemanticKind, PlanError> {
    let side = section.must("side", section.count("side")?)?;
    let stride = section.count("stride")?.unwrap_or(1);
    let fill = match section.text("fill")?.as_deref() {
        None | Some("colour") => Fill::Colour,
        Some("anything") => Fill::Anything,
        Some("shadow") => Fill::Shadow,
        Some(other) => {
            let problem = format!("'{other}' is no fill; there are colour, anything and shadow");
            return Err(section.error("fill", problem));
        }
    };
    Ok(SemanticKind::Squares { side, stride, fill })
}

/// [radius]: bisection.
pub(super) fn radius(root: &Section) -> Result<Option<RadiusPlan>, PlanError> {
    let Some(section) = root.section("radius")? else { return Ok(None) };
    section.allow(&["inputs", "steps", "method"])?;
    let steps = section.count("steps")?.unwrap_or(32);
    if steps > 1 << 16 {
        return Err(section.error("steps", "must be at most 65536"));
    }
    Ok(Some(RadiusPlan {
        inputs: section.count("inputs")?,
        steps: steps as u64,
        method: section.named("method")?.unwrap_or_default(),
    }))
}

/// [proofs]: for how many inputs.
pub(super) fn proofs(root: &Section, folder: &Path) -> Result<Option<ProofPlan>, PlanError> {
    let Some(section) = root.section("proofs")? else { return Ok(None) };
    section.allow(&["inputs", "method", "verified"])?;
    let inputs = section.count("inputs")?;
    let method = section.named("method")?.unwrap_or(Method::Crown);
    Ok(Some(ProofPlan { inputs, method, verified: file(&section, "verified", folder)? }))
}

/// [masking]: on how many inputs.
pub(super) fn masking(root: &Section) -> Result<usize, PlanError> {
    let Some(section) = root.section("masking")? else { return Ok(0) };
    section.allow(&["inputs"])?;
    Ok(section.count("inputs")?.unwrap_or(20))
}
