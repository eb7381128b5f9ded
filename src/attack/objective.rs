//! What attacks descend on: signed distances of outputs to the polytopes of an unsafe set, and their gradients.

use super::Loss;
use crate::spec::Polytope;

/// A union of polytopes, flattened, every half-space scaled to a unit normal: Σ aⱼ yⱼ ≤ b with ‖a‖₂ = 1.
///
/// The signed distance to a half-space is a·y − b; to a polytope the greatest of its half-spaces' (at most 0 exactly
/// inside, up to rounding: only validation decides); to the union the least of its polytopes'. Scaling makes
/// half-spaces comparable, whatever common denominators their coefficients were multiplied with.
#[derive(Debug, Clone)]
pub(super) struct Objective {
    /// The half-spaces of polytope p are `polytopes[p]..polytopes[p + 1]`.
    polytopes: Vec<usize>,
    /// The terms of half-space h are `terms[half_spaces[h].0..half_spaces[h + 1].0]`; its bound is `.1`.
    half_spaces: Vec<(usize, f64)>,
    terms: Vec<(usize, f64)>,
    classes: Option<Classes>,
}

/// The label and the targets, in the order of polytopes, where every polytope is a margin of one label.
#[derive(Debug, Clone)]
struct Classes {
    label: usize,
    targets: Vec<usize>,
}

/// Where a point stands: the polytope it is nearest to, the half-space of it that is farthest, the signed distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    pub(super) polytope: usize,
    half_space: Option<usize>,
    pub(super) distance: f64,
}

impl Objective {
    pub(super) fn new<'a>(unsafe_set: impl IntoIterator<Item = &'a Polytope>) -> Self {
        let unsafe_set: Vec<&Polytope> = unsafe_set.into_iter().collect();
        let mut objective = Self {
            polytopes: vec![0],
            half_spaces: Vec::new(),
            terms: Vec::new(),
            classes: Classes::of(&unsafe_set),
        };
        for polytope in unsafe_set {
            for half in polytope {
                let norm = half.coefficients.iter().map(|(_, a)| a * a).sum::<f64>().sqrt();
                let scale = if norm.is_normal() { norm.recip() } else { 1.0 };
                objective.half_spaces.push((objective.terms.len(), half.bound_down * scale));
                objective.terms.extend(half.coefficients.iter().map(|&(j, a)| (j, a * scale)));
            }
            objective.polytopes.push(objective.half_spaces.len());
        }
        // A sentinel ends the last half-space's terms.
        objective.half_spaces.push((objective.terms.len(), 0.0));
        objective
    }

    /// Number of polytopes.
    pub(super) fn len(&self) -> usize {
        self.polytopes.len() - 1
    }

    /// Whether every polytope is a margin of one label.
    pub(super) fn names_classes(&self) -> bool {
        self.classes.is_some()
    }

    /// Whether the losses differ: every polytope is a margin of one label, and there are at least two.
    pub(super) fn is_classifier(&self) -> bool {
        self.classes.as_ref().is_some_and(|classes| classes.targets.len() > 1)
    }

    fn terms_of(&self, half_space: usize) -> &[(usize, f64)] {
        &self.terms[self.half_spaces[half_space].0..self.half_spaces[half_space + 1].0]
    }

    /// The standing of outputs `y` with respect to one polytope. Gives up, with some distance of at least `enough`,
    /// once that is certain.
    fn standing_within(&self, polytope: usize, y: &[f64], enough: f64) -> Standing {
        let mut standing = Standing { polytope, half_space: None, distance: f64::NEG_INFINITY };
        for h in self.polytopes[polytope]..self.polytopes[polytope + 1] {
            let value: f64 = self.terms_of(h).iter().map(|&(j, a)| a * y[j]).sum();
            let distance = value - self.half_spaces[h].1;
            // Overflow in the network: as far away as can be.
            let distance = if distance.is_nan() { f64::INFINITY } else { distance };
            if distance > standing.distance {
                (standing.half_space, standing.distance) = (Some(h), distance);
                if distance >= enough {
                    break;
                }
            }
        }
        standing
    }

    /// The standing of outputs `y` with respect to one polytope.
    pub(super) fn standing(&self, polytope: usize, y: &[f64]) -> Standing {
        self.standing_within(polytope, y, f64::INFINITY)
    }

    /// The standing with respect to the nearest polytope. `None` only for an empty union.
    pub(super) fn nearest(&self, y: &[f64]) -> Option<Standing> {
        (0..self.len()).fold(None, |best: Option<Standing>, p| {
            let enough = best.map_or(f64::INFINITY, |b| b.distance);
            let standing = self.standing_within(p, y, enough);
            best.filter(|best| best.distance <= standing.distance).or(Some(standing))
        })
    }

    /// The `count` polytopes nearest to any of the given outputs, nearest first.
    pub(super) fn closest<'a>(
        &self,
        count: usize,
        outputs: impl Iterator<Item = &'a [f64]> + Clone,
    ) -> Vec<usize> {
        let mut all: Vec<(f64, usize)> = (0..self.len())
            .map(|p| {
                let distances = outputs.clone().map(|y| self.standing(p, y).distance);
                (distances.fold(f64::INFINITY, f64::min), p)
            })
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.into_iter().take(count).map(|(_, p)| p).collect()
    }

    /// The polytope that is second nearest to outputs `y`; of a single one that one.
    pub(super) fn second(&self, y: &[f64]) -> Option<usize> {
        self.closest(2, std::iter::once(y)).last().copied()
    }

    /// The loss at `y`, whose standing is given: towards one polytope if `targeted`, else towards the union. Infinite
    /// where it is no number.
    pub(super) fn loss(&self, loss: Loss, standing: &Standing, targeted: bool, y: &[f64]) -> f64 {
        let value = match (&self.classes, loss) {
            (Some(classes), Loss::CrossEntropy) => {
                classes.log_odds(classes.sought(standing, targeted), y)
            }
            (Some(classes), Loss::Dlr) if classes.targets.len() > 1 => {
                classes.ratio(standing.polytope, targeted, y).0
            }
            _ => standing.distance,
        };
        if value.is_nan() { f64::INFINITY } else { value }
    }

    /// Writes to `gradient` the derivative of the loss by the outputs at `y`, whose standing is given: that towards one
    /// polytope if `targeted`, else towards the union.
    pub(super) fn gradient(
        &self,
        loss: Loss,
        standing: &Standing,
        targeted: bool,
        y: &[f64],
        gradient: &mut [f64],
    ) {
        gradient.fill(0.0);
        match (&self.classes, loss) {
            (Some(classes), Loss::CrossEntropy) => {
                classes.gradient(classes.sought(standing, targeted), y, gradient);
            }
            (Some(classes), Loss::Dlr) if classes.targets.len() > 1 => {
                classes.ratio_gradient(standing.polytope, targeted, y, gradient);
            }
            _ => {
                let Some(h) = standing.half_space else { return };
                self.terms_of(h).iter().for_each(|&(j, a)| gradient[j] += a);
            }
        }
    }
}

/// Keeps the difference of logits ratio finite where all outputs are equal, as in its authors' code.
const LEAST_SPREAD: f64 = 1e-12;

impl Classes {
    fn of(unsafe_set: &[&Polytope]) -> Option<Self> {
        let margin = |polytope: &Polytope| -> Option<(usize, usize)> {
            let [half] = polytope.as_slice() else { return None };
            match (half.coefficients.as_slice(), half.bound_down == 0.0) {
                (&[(label, 1.0), (target, -1.0)] | &[(target, -1.0), (label, 1.0)], true) => {
                    Some((label, target))
                }
                _ => None,
            }
        };
        let pairs = unsafe_set.iter().map(|p| margin(p)).collect::<Option<Vec<_>>>()?;
        let label = pairs.first()?.0;
        pairs
            .iter()
            .all(|p| p.0 == label)
            .then(|| Self { label, targets: pairs.into_iter().map(|p| p.1).collect() })
    }

    fn sought(&self, standing: &Standing, targeted: bool) -> Option<usize> {
        targeted.then(|| self.targets[standing.polytope])
    }

    /// The classes that the claim names.
    fn named(&self) -> impl Iterator<Item = usize> + Clone {
        std::iter::once(self.label).chain(self.targets.iter().copied())
    }

    /// Over the classes named by the claim, with p = softmax(y): log p_label, or, seeking a target t, −log pₜ.
    fn log_odds(&self, sought: Option<usize>, y: &[f64]) -> f64 {
        let one = sought.unwrap_or(self.label);
        let others = || self.named().filter(|&j| j != one).map(|j| y[j]);
        let greatest = others().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = others().map(|y| libm::exp(y - greatest)).sum();
        // −log p = log(1 + eᵃ), without cancellation for a of either sign.
        let a = greatest + libm::log(total) - y[one];
        let cost = a.max(0.0) + libm::log1p(libm::exp(-a.abs()));
        if sought.is_some() { cost } else { -cost }
    }

    /// The derivative of [`Self::log_odds`]: e_label − p, or, seeking a target t, p − eₜ. Descending on either moves
    /// towards the unsafe set. 1 − p is summed from the others' shares, so a saturated softmax still has a gradient.
    fn gradient(&self, sought: Option<usize>, y: &[f64], gradient: &mut [f64]) {
        let sign = if sought.is_some() { 1.0 } else { -1.0 };
        let one = sought.unwrap_or(self.label);
        let greatest = self.named().map(|j| y[j]).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = self.named().map(|j| libm::exp(y[j] - greatest)).sum();
        let mut others = 0.0;
        for j in self.named().filter(|&j| j != one) {
            let share = libm::exp(y[j] - greatest) / total;
            gradient[j] += sign * share;
            others += share;
        }
        gradient[one] -= sign * others;
    }

    /// The difference of logits ratio (y_label − yₜ)/D, and what D is made of: (class, weight). With the named classes'
    /// outputs in falling order y₍₁₎ ≥ y₍₂₎ ≥ …, D = y₍₁₎ − y₍₃₎, or, seeking a target among four classes or more,
    /// y₍₁₎ − (y₍₃₎ + y₍₄₎)/2 (Croce and Hein, *Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
    /// Parameter-free Attacks*, ICML 2020, equations 6 and 7, with the sign for descent).
    fn ratio(&self, polytope: usize, targeted: bool, y: &[f64]) -> (f64, Vec<(usize, f64)>) {
        let mut order: Vec<usize> = self.named().collect();
        order.sort_by(|&a, &b| y[b].total_cmp(&y[a]).then(a.cmp(&b)));
        let mut spread = vec![(order[0], 1.0)];
        if targeted && order.len() > 3 {
            spread.extend([(order[2], -0.5), (order[3], -0.5)]);
        } else {
            spread.push((order[2], -1.0));
        }
        let width = spread.iter().map(|&(j, a)| a * y[j]).sum::<f64>() + LEAST_SPREAD;
        ((y[self.label] - y[self.targets[polytope]]) / width, spread)
    }

    /// The derivative of [`Self::ratio`] f = m/D: (∇m − f ∇D)/D.
    fn ratio_gradient(&self, polytope: usize, targeted: bool, y: &[f64], gradient: &mut [f64]) {
        let (ratio, spread) = self.ratio(polytope, targeted, y);
        let width = spread.iter().map(|&(j, a)| a * y[j]).sum::<f64>() + LEAST_SPREAD;
        gradient[self.label] += width.recip();
        gradient[self.targets[polytope]] -= width.recip();
        for (j, a) in spread {
            gradient[j] -= ratio * a / width;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::HalfSpace;

    fn half(coefficients: &[(usize, f64)], bound: f64) -> HalfSpace {
        HalfSpace {
            coefficients: coefficients.to_vec(),
            bound_up: bound,
            bound_down: bound,
            strict: false,
        }
    }

    #[test]
    fn distances_are_euclidean_and_signed() {
        let wedge = vec![half(&[(0, 3.0), (1, 4.0)], 5.0), half(&[(0, -2.0)], 0.0)];
        let objective = Objective::new([&wedge, &vec![half(&[(1, 1.0)], -100.0)]]);
        let at = objective.standing(0, &[0.0, 0.0]);
        assert_eq!(at.distance, 0.0);
        assert_eq!(objective.standing(0, &[3.0, 4.0]).distance, 4.0);
        assert_eq!(objective.standing(0, &[-2.0, 0.0]).distance, 2.0);
        assert_eq!(objective.nearest(&[-2.0, 0.0]).unwrap().polytope, 0);
        assert_eq!(objective.nearest(&[-2.0, -200.0]).unwrap().polytope, 1);
        assert_eq!(objective.closest(2, [[0.0, -300.0].as_slice()].into_iter()), vec![1, 0]);
        assert_eq!(objective.nearest(&[f64::NAN, 0.0]).unwrap().polytope, 1);
        assert_eq!([[-2.0, 0.0], [-2.0, -200.0]].map(|y| objective.second(&y)), [Some(1), Some(0)]);
        assert_eq!(Objective::new([&wedge]).second(&[0.0, 0.0]), Some(0));
    }

    #[test]
    fn everything_and_nothing() {
        assert!(Objective::new([]).nearest(&[1.0]).is_none());
        let everything = Objective::new([&vec![]]);
        assert_eq!(everything.nearest(&[1.0]).unwrap().distance, f64::NEG_INFINITY);
    }

    /// The value that `Objective::loss` claims to be, written down anew.
    fn loss_value(loss: Loss, targeted: bool, target: usize, y: &[f64]) -> f64 {
        let log_p = |class: usize| y[class] - y.iter().map(|v| v.exp()).sum::<f64>().ln();
        let mut sorted = y.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        match (loss, targeted) {
            (Loss::Margin, _) => (y[1] - y[target]) / 2f64.sqrt(),
            (Loss::CrossEntropy, false) => log_p(1),
            (Loss::CrossEntropy, true) => -log_p(target),
            (Loss::Dlr, true) if y.len() > 3 => {
                (y[1] - y[target]) / (sorted[0] - 0.5 * (sorted[2] + sorted[3]))
            }
            (Loss::Dlr, _) => (y[1] - y[target]) / (sorted[0] - sorted[2]),
        }
    }

    #[test]
    fn losses_and_gradients_agree_with_definition_and_differences() {
        for y in [&[0.3, 1.1, 0.7][..], &[0.3, -1.1, 0.7], &[0.3, 1.1, 0.7, -2.0, 0.9]] {
            let targets: Vec<usize> = (0..y.len()).filter(|&t| t != 1).collect();
            let margins: Vec<Polytope> =
                targets.iter().map(|&t| vec![HalfSpace::margin(1, t)]).collect();
            let objective = Objective::new(&margins);
            for loss in [Loss::Margin, Loss::CrossEntropy, Loss::Dlr] {
                for targeted in [false, true] {
                    let standing = if targeted {
                        objective.standing(0, y)
                    } else {
                        objective.nearest(y).unwrap()
                    };
                    let value =
                        |y: &[f64]| loss_value(loss, targeted, targets[standing.polytope], y);
                    let own = objective.loss(loss, &standing, targeted, y);
                    assert!((own - value(y)).abs() < 1e-11, "{loss} {targeted} {own} {}", value(y));
                    let mut gradient = vec![0.0; y.len()];
                    objective.gradient(loss, &standing, targeted, y, &mut gradient);
                    for j in 0..y.len() {
                        let h = 1e-6;
                        let (mut up, mut down) = (y.to_vec(), y.to_vec());
                        up[j] += h;
                        down[j] -= h;
                        let difference = (value(&up) - value(&down)) / (2.0 * h);
                        let off = (difference - gradient[j]).abs();
                        assert!(off < 1e-8, "{loss} {targeted} {y:?} {j}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_ratio_needs_three_classes_and_survives_equal_outputs() {
        let margins = [vec![HalfSpace::margin(0, 1)], vec![HalfSpace::margin(0, 2)]];
        let two = Objective::new(&margins[..1]);
        let at = two.standing(0, &[3.0, 1.0]);
        assert_eq!(two.loss(Loss::Dlr, &at, false, &[3.0, 1.0]), at.distance);
        let three = Objective::new(&margins);
        for y in [[1.0; 3], [f64::NAN, 0.0, 0.0], [f64::INFINITY, 0.0, f64::NEG_INFINITY]] {
            for targeted in [false, true] {
                for loss in [Loss::Margin, Loss::CrossEntropy, Loss::Dlr] {
                    let at = three.nearest(&y).unwrap();
                    assert!(!three.loss(loss, &at, targeted, &y).is_nan());
                    three.gradient(loss, &at, targeted, &y, &mut [0.0; 3]);
                }
            }
        }
    }

    #[test]
    fn a_saturated_softmax_still_has_a_gradient() {
        let objective = Objective::new(&[vec![HalfSpace::margin(0, 1)]]);
        let y = [300.0, 0.0];
        let at = objective.nearest(&y).unwrap();
        let mut gradient = [0.0; 2];
        objective.gradient(Loss::CrossEntropy, &at, false, &y, &mut gradient);
        assert!(gradient[0] > 0.0 && gradient[0] == -gradient[1]);
        assert!(objective.loss(Loss::CrossEntropy, &at, false, &y) < 0.0);
    }

    #[test]
    fn only_margins_of_one_label_have_classes() {
        let classes = |set: &[Polytope]| Objective::new(set).classes.is_some();
        assert!(classes(&[vec![HalfSpace::margin(3, 0)], vec![HalfSpace::margin(3, 7)]]));
        assert!(!classes(&[vec![HalfSpace::margin(3, 0)], vec![HalfSpace::margin(2, 7)]]));
        assert!(!classes(&[vec![HalfSpace::margin(3, 0), HalfSpace::margin(3, 1)]]));
        assert!(!classes(&[vec![half(&[(0, 1.0), (1, -1.0)], 0.5)]]));
    }
}
