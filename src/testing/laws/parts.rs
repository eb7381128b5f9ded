//! monotone: B' ⊆ B and certified on B ⇒ certified on B'. halves: B = B₁ ∪ B₂ ⇒ certified on B exactly if on both.

use super::{Said, Word, require, settings};
use crate::attack::SplitMix64;
use crate::spec::{Claim, Property, Region};
use crate::testing::case::Case;
use crate::testing::laws::Checked;
use crate::verify::{Method, Settings};
use std::time::Duration;

/// The same question about a part of each region.
fn within(case: &Case, mut part: impl FnMut(&Region) -> [Vec<f64>; 2]) -> Result<Case, String> {
    let property = case.query().property();
    let claim = |claim: &Claim| {
        let [lower, upper] = part(&claim.region);
        let region = Region::from_f64(&lower, &upper).map_err(|error| error.to_string())?;
        Ok(Claim { region, unsafe_set: claim.unsafe_set.clone() })
    };
    let claims = property.claims.iter().map(claim).collect::<Result<_, String>>()?;
    let property = Property { claims, uses_inputs: property.uses_inputs };
    case.asking(property).map_err(|error| error.to_string())
}

pub(super) fn monotone(case: &Case, seed: u64) -> Said {
    let settings = settings(Method::Auto, seed);
    // Regions with ends that are no doubles are less than the boxes around them.
    let case = within(case, |region| [region.lower().to_vec(), region.upper().to_vec()])?;
    let whole = Word::about(&case, &settings);
    let mut dice = SplitMix64::new(seed, 11);
    let mut comparisons = 0;
    for part in 0..3 {
        let smaller = within(&case, |region| {
            let ends = region.lower().iter().zip(region.upper());
            let cut = |(&l, &u): (&f64, &f64)| {
                let mut at = || (l + dice.unit() * (u - l)).clamp(l, u);
                let (a, b) = (at(), at());
                match part {
                    0 => (a.min(b), a.max(b)),
                    1 => (a, a),
                    _ => (l, a),
                }
            };
            let (lower, upper) = ends.map(cut).unzip();
            [lower, upper]
        })?;
        if whole == Word::Certified {
            let word = Word::about(&smaller, &settings);
            require(word != Word::Falsified, || {
                "certified on a box and falsified on a part of it".to_owned()
            })?;
            // On a busy machine the limit may have passed a little too soon: with much more time it must not.
            let patient = Settings {
                timeout: Some(Duration::from_secs(60)),
                work: Some(3e9),
                ..settings.clone()
            };
            let word = if word == Word::Unknown { Word::about(&smaller, &patient) } else { word };
            require(word == Word::Certified, || {
                "certified on a box and undecided on a part of it".to_owned()
            })?;
            comparisons += 1;
        } else if Word::about(&smaller, &settings) == Word::Falsified {
            require(whole != Word::Certified, || {
                "falsified on a part of a certified box".to_owned()
            })?;
            comparisons += 1;
        }
    }
    Ok(Checked { comparisons, skipped: (comparisons == 0).then_some("the box was not certified") })
}

pub(super) fn halves(case: &Case, seed: u64) -> Said {
    let settings = settings(Method::Auto, seed);
    let case = within(case, |region| [region.lower().to_vec(), region.upper().to_vec()])?;
    let whole = Word::about(&case, &settings);
    let mut dice = SplitMix64::new(seed, 12);
    let mut comparisons = 0;
    for _ in 0..2 {
        let (input, share) = (dice.below(case.query().network().inputs()), dice.unit());
        let mut words = [Word::Unknown; 2];
        for (upper_half, word) in words.iter_mut().enumerate() {
            let half = within(&case, |region| {
                let (mut lower, mut upper) = (region.lower().to_vec(), region.upper().to_vec());
                let (l, u) = (lower[input], upper[input]);
                let middle = (l + share * (u - l)).clamp(l, u);
                if upper_half == 1 {
                    lower[input] = middle
                } else {
                    upper[input] = middle
                }
                [lower, upper]
            })?;
            *word = Word::about(&half, &settings);
        }
        let text = || format!("the box is {whole:?}, its halves along input {input} are {words:?}");
        require(!words.contains(&Word::Falsified) || whole != Word::Certified, text)?;
        require(words != [Word::Certified; 2] || whole != Word::Falsified, text)?;
        comparisons += 1;
    }
    Ok(Checked { comparisons, skipped: None })
}
