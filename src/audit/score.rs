//! Two single figures of robustness: the stability index and the robustness score. The field has no standard for either, so
//! their definitions are here, in words that a report can print.

use super::Share;
use crate::num::{Rational, to_f64_nearest};
use num_traits::Zero;

/// What the stability index is.
pub(crate) const STABILITY_INDEX: &str = "The stability index at ε is the share of all inputs, classified rightly or wrongly, whose predicted \
class is proved to be the same for every perturbation of at most ε. An input without a single predicted class counts as not \
stable. It is a lower bound of the share of stable inputs: what could not be decided counts against it.";

/// What the robustness score is.
pub(crate) const ROBUSTNESS_SCORE: &str = "The robustness score up to ε_max is the mean of the certified accuracy over all ε from 0 to \
ε_max: the area under the certified-accuracy curve divided by ε_max, between 0 and 1. Where the certified accuracy is known at \
some ε only, it is taken between two of them to be that at the larger one, so the score is never overstated: what is certified at \
an ε is certified at every smaller one.";

/// The robustness score ([`ROBUSTNESS_SCORE`]) from the certified accuracy at some ε, in any order: with 0 = ε₀ < ε₁ < … < εₖ
/// = ε_max,
///
/// (1/ε_max) Σᵢ (εᵢ − εᵢ₋₁) · max { accuracy(εⱼ) : j ≥ i }.
///
/// The maximum matters only where an incomplete method certified more inputs at a larger ε than at a smaller one. A value at ε = 0
/// does not enter. `None` where there is no positive ε, one is negative, or an accuracy is of no inputs.
pub(crate) fn robustness_score(curve: &[(Rational, Share)]) -> Option<f64> {
    let zero = Rational::zero();
    if curve.iter().any(|(epsilon, share)| *epsilon < zero || share.total == 0) {
        return None;
    }
    let mut curve: Vec<_> = curve.iter().filter(|(epsilon, _)| *epsilon > zero).collect();
    curve.sort();
    let max = &curve.last()?.0;
    let (mut area, mut best) = (zero.clone(), zero);
    for (i, (epsilon, share)) in curve.iter().enumerate().rev() {
        let before = i.checked_sub(1).map_or_else(Rational::zero, |i| curve[i].0.clone());
        best = best.max(Rational::new(share.count.into(), share.total.into()));
        area += (epsilon - before) * &best;
    }
    Some(to_f64_nearest(&(area / max)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::parse_rational;
    use proptest::prelude::*;

    fn curve(points: &[(&str, usize)]) -> Vec<(Rational, Share)> {
        let point =
            |&(e, count): &(&str, usize)| (parse_rational(e).unwrap(), Share { count, total: 10 });
        points.iter().map(point).collect()
    }

    #[test]
    fn the_score_is_the_lower_sum() {
        assert_eq!(robustness_score(&curve(&[("0.1", 8), ("0.2", 4)])), Some(0.6));
        assert_eq!(robustness_score(&curve(&[("0.2", 4), ("0", 10), ("0.1", 8)])), Some(0.6));
        // Four certified at 0.2 are certified at 0.1.
        assert_eq!(robustness_score(&curve(&[("0.1", 2), ("0.2", 4)])), Some(0.4));
        assert_eq!(robustness_score(&curve(&[("0", 10)])), None);
        assert_eq!(robustness_score(&curve(&[("-0.1", 10), ("1", 5)])), None);
    }

    proptest! {
        #![proptest_config(crate::num::hostile::cases(100))]
        /// A finer grid never lowers the score, and no grid overstates the area under the true step curve.
        #[test]
        fn the_score_never_overstates(radii in proptest::collection::vec(0u32..=64, 1..20), grid in proptest::collection::btree_set(1u32..64, 0..8)) {
            let at = |e: u32| {
                let count = radii.iter().filter(|r| **r >= e).count();
                (Rational::new(e.into(), 64.into()), Share { count, total: radii.len() })
            };
            let coarse: Vec<_> = grid.iter().copied().chain([64]).map(at).collect();
            let fine: Vec<_> = (1..=64).map(at).collect();
            let [coarse, fine] = [coarse, fine].map(|c| robustness_score(&c).unwrap());
            let exact = f64::from(radii.iter().sum::<u32>()) / 64.0 / radii.len() as f64;
            prop_assert!(coarse <= fine + 1e-15);
            prop_assert!((fine - exact).abs() < 1e-12);
        }
    }
}
